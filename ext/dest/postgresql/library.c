/* ext/dest/postgresql/library.c: libpq, opened when the first PostgreSQL
 * destination is, so that cq itself needs it for nothing else. */
#include "dest/postgresql/internal.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

int pg_lib_open(pg_lib *lib, cq_error *err) {
#define PG_CALL(type, name, args) {#name, offsetof(pg_lib, name)},
  static const struct {
    const char *name;
    size_t at;
  } calls[] = {PG_CALLS(PG_CALL)};
#undef PG_CALL
  static const char *const names[] = {"libpq.so.5", "libpq.so"};

  /* It is never unloaded: OpenSSL, which it uses, remembers functions of it. */
  for (int i = 0; i < 2 && !lib->handle; i++)
    lib->handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!lib->handle) {
    cq_error_set(err, CQ_NOTFOUND, "libpq.so.5: cannot be loaded: %s",
                 dlerror());
    cq_error_hint(err, "install PostgreSQL's client library: Debian's package "
                       "libpq5");
    return CQ_NOTFOUND;
  }
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    void *found = dlsym(lib->handle, calls[i].name);

    if (!found)
      return cq_error_set(err, CQ_NOTFOUND, "libpq.so.5: too old: no %s",
                          calls[i].name);
    memcpy((char *)lib + calls[i].at, &found, sizeof found);
  }
  return CQ_OK;
}

void pg_lib_close(pg_lib *lib) {
  if (lib->handle) dlclose(lib->handle);
  lib->handle = NULL;
}
