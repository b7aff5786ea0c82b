/* ext/dest/duckdb/library.c: libduckdb, opened at run time from a path that the
 * spec names, or where the loader finds it. */
#include "dest/duckdb/internal.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

int duck_lib_open(duck_lib *lib, const char *path, cq_error *err) {
#define DUCK_CALL(type, name, args) {"duckdb_" #name, offsetof(duck_lib, name)},
  static const struct {
    const char *name;
    size_t at;
  } calls[] = {DUCK_CALLS(DUCK_CALL)};
#undef DUCK_CALL

  if (cq_file_check(path, err)) return err->code;
  lib->handle = dlopen(path ? path : "libduckdb.so",
                       RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!lib->handle) {
    cq_error_set(err, CQ_NOTFOUND, "libduckdb.so: cannot be loaded: %s",
                 dlerror());
    cq_error_hint(err,
                  "Debian has no package of it: take libduckdb of a release "
                  "of DuckDB, and say library: /path/to/libduckdb.so");
    return CQ_NOTFOUND;
  }
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
    void *found = dlsym(lib->handle, calls[i].name);

    if (!found)
      return cq_error_set(err, CQ_NOTFOUND,
                          "%s: not a libduckdb that cq can use: no %s",
                          path ? path : "libduckdb.so", calls[i].name);
    memcpy((char *)lib + calls[i].at, &found, sizeof found);
  }
  return CQ_OK;
}

void duck_lib_close(duck_lib *lib) {
  if (lib->handle) dlclose(lib->handle);
  lib->handle = NULL;
}
