/* ext/dest/duckdb/library.c: libduckdb, opened at run time from a path that the
 * spec names, or where the loader finds it. */
#include "dest/duckdb/internal.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

int duck_lib_open(duck_lib *lib, const char *path, cq_error *err) {
#define DUCK_CALL(type, name, args) {"duckdb_" #name, offsetof(duck_lib, name)},
  static const cq_library_call calls[] = {DUCK_CALLS(DUCK_CALL)},
                               later[] = {DUCK_LATER(DUCK_CALL)};
#undef DUCK_CALL
  const char *names[] = {path ? path : "libduckdb.so"};
  const cq_library what = {
      "libduckdb.so",
      names,
      1,
      calls,
      sizeof calls / sizeof *calls,
      "not a libduckdb that cq can use",
      "Debian has no package of it: take libduckdb of a release of DuckDB, and "
      "say library: /path/to/libduckdb.so"};

  int rc =
      cq_file_check(path, err) ? err->code : cq_library_open(lib, &what, err);

  for (size_t i = 0; i < sizeof later / sizeof *later && rc == CQ_OK; i++) {
    void *found = dlsym(lib->handle, later[i].name);

    memcpy((char *)lib + later[i].at, &found, sizeof found);
  }
  return rc;
}
