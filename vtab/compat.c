/* vtab/compat.c: calls that SQLite got after 3.40, guarded twice: the headers
 * of the build may lack them, and so may the library that loads us, whose table
 * of routines then ends before them. */
#include "vtab/vtab.h"

static int compat_stops(sqlite3 *db, const char *sql) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

  if (rc == SQLITE_OK) rc = sqlite3_step(stmt);
  sqlite3_finalize(stmt);
  return rc == SQLITE_INTERRUPT;
}

int cq_compat_interrupted(sqlite3 *db) {
#if SQLITE_VERSION_NUMBER >= 3041000
  if (sqlite3_libversion_number() >= 3041000) return sqlite3_is_interrupted(db);
#endif
  /* An older library tells it by refusing the smallest statement. */
  return compat_stops(db, "SELECT 1");
}

/* A progress handler is called every so many steps of SQLite's machine, which
 * makes none while we wait.  So it makes some: 4,000 and more, since hosts
 * ask to be called each 1,000 or so.  One that does without progress handlers
 * (better-sqlite3) has nothing to say. */
int cq_compat_stopped(sqlite3 *db) {
  return compat_stops(db, "WITH RECURSIVE cq_n(i) AS (VALUES(1) UNION ALL "
                          "SELECT i + 1 FROM cq_n LIMIT 400) "
                          "SELECT count(*) FROM cq_n");
}
