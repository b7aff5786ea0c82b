/* ext/dest/postgresql/library.c: libpq, opened at run time. */
#include "dest/postgresql/internal.h"

#include <stddef.h>

int pg_lib_open(pg_lib *lib, cq_error *err) {
#define PG_CALL(type, name, args) {#name, offsetof(pg_lib, name)},
  static const cq_library_call calls[] = {PG_CALLS(PG_CALL)};
#undef PG_CALL
  static const char *const names[] = {"libpq.so.5", "libpq.so"};
  static const cq_library what = {
      "libpq.so.5",
      names,
      2,
      calls,
      sizeof calls / sizeof *calls,
      "too old",
      "install PostgreSQL's client library: Debian's package libpq5"};

  return cq_library_open(lib, &what, err);
}
