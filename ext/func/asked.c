/* ext/func/asked.c: does whoever writes the SQL want this function, or does a
 * schema?
 *
 * SQLITE_DIRECTONLY keeps functions out of views and triggers, but SQLite does
 * not look at it in CHECK constraints when a function is not deterministic
 * (seen in 3.40.1), and an INSERT, or PRAGMA integrity_check, evaluates those.
 * So what acts looks for its name in the statements that are running, and in
 * the temporary schema, which is the user's own. */
#include <stdio.h>
#include <string.h>

#include "func/func.h"

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

/* Is the name in the text?  In any case of letters. */
static int holds(const char *text, const char *name) {
  size_t n = strlen(name);

  for (; *text; text++)
    if (sqlite3_strnicmp(text, name, (int)n) == 0) return 1;
  return 0;
}

static int in_temp(sqlite3 *db, const char *name) {
  sqlite3_stmt *s = NULL;
  int yes = 0;

  if (sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_temp_schema", -1, &s,
                         NULL) == SQLITE_OK)
    while (!yes && sqlite3_step(s) == SQLITE_ROW) {
      const char *sql = (const char *)sqlite3_column_text(s, 0);

      yes = sql && holds(sql, name);
    }
  sqlite3_finalize(s);
  return yes;
}

int cq_func_asked(sqlite3_context *x, const char *name) {
  sqlite3 *db = sqlite3_context_db_handle(x);
  cq_error err = {0, ""};

  for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(db, s)) != NULL;) {
    const char *sql = sqlite3_stmt_busy(s) ? sqlite3_sql(s) : "";

    if (!sql || holds(sql, name)) return 1;
  }
  if (in_temp(db, name)) return 1;
  cq_error_set(&err, CQ_MISUSE, "unsafe use of %s()", name);
  cq_error_hint(&err, "the schema of a database calls it, not this statement");
  cq_func_error(x, &err);
  return 0;
}
