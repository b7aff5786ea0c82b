/* examples/embed.c: a program with SQLite and cq linked into it.
 *
 *   cc examples/embed.c build/libcq.a -o embed -lsqlite3 \
 *      $(pkg-config --libs libcurl jansson yaml-0.1 expat zlib libzstd libcrypto) -lpthread -lm
 *   ./embed examples/data/people.csv */
#include <sqlite3.h>
#include <stdio.h>

int sqlite3_cq_init(sqlite3 *db, char **error, const void *api);

int main(int argc, char **argv) {
  sqlite3 *db = NULL;
  sqlite3_stmt *stmt = NULL;
  int rc;

  if (argc != 2) {
    fprintf(stderr, "usage: %s FILE.csv\n", argv[0]);
    return 2;
  }
  sqlite3_auto_extension((void (*)(void))sqlite3_cq_init);
  rc = sqlite3_open(":memory:", &db);
  if (rc == SQLITE_OK)
    rc = sqlite3_prepare_v2(
        db, "SELECT record ->> 'name' FROM file_csv(?1) ORDER BY 1", -1, &stmt,
        NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_bind_text(stmt, 1, argv[1], -1, SQLITE_STATIC);
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
      printf("%s\n", (const char *)sqlite3_column_text(stmt, 0));
  }
  if (rc != SQLITE_DONE) fprintf(stderr, "%s\n", sqlite3_errmsg(db));
  sqlite3_finalize(stmt);
  sqlite3_close(db);
  return rc == SQLITE_DONE ? 0 : 1;
}
