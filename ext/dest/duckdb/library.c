/* ext/dest/duckdb/library.c: libduckdb, opened at run time from a path that the
 * spec names, or where the loader finds it. */
#include "dest/duckdb/internal.h"

#include <dlfcn.h>
#include <string.h>

int duck_lib_open(duck_lib *lib, const char *path, cq_error *err) {
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
#define DUCK_LOOK(type, name, args)                                            \
  {                                                                            \
    void *found = dlsym(lib->handle, "duckdb_" #name);                         \
                                                                               \
    if (!found)                                                                \
      return cq_error_set(err, CQ_NOTFOUND,                                    \
                          "%s: not a libduckdb that cq can use: no "           \
                          "duckdb_" #name,                                     \
                          path ? path : "libduckdb.so");                       \
    memcpy(&lib->name, &found, sizeof found);                                  \
  }
  DUCK_CALLS(DUCK_LOOK)
#undef DUCK_LOOK
  return CQ_OK;
}

void duck_lib_close(duck_lib *lib) {
  if (lib->handle) dlclose(lib->handle);
  lib->handle = NULL;
}
