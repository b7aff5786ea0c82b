/* vtab/compat.c: calls that SQLite got after 3.40, guarded twice: the headers
 * of the build may lack them, and so may the library that loads us, whose table
 * of routines then ends before them. */
#include "vtab/vtab.h"

/* An older library tells of an interrupt by refusing the smallest statement. */
static int compat_probe(sqlite3 *db) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, "SELECT 1", -1, &stmt, NULL);

  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_finalize(stmt);
  return rc == SQLITE_INTERRUPT;
}

int cq_compat_interrupted(sqlite3 *db) {
#if SQLITE_VERSION_NUMBER >= 3041000
  if (sqlite3_libversion_number() >= 3041000) return sqlite3_is_interrupted(db);
#endif
  return compat_probe(db);
}
