/* ext/dest/sqlite/session.c: transactions of the SQLite destination, and the
 * SQL that cq ships.
 *
 * On a connection that is not in a transaction, rows gather in large ones that
 * commit() ends when there are 50,000 rows, 2,000 units have ended or a second has
 * passed: what a kill takes along is fetched again.  Where the
 * host is in a transaction, all happens in one savepoint of it and becomes
 * durable with the host's COMMIT.  Once sqlite3_interrupt has been called, no
 * statement runs until the outer one ends; a write that is tried then makes
 * SQLite roll back what is open, which is how none stays. */
#include "dest/sqlite/internal.h"

#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

enum { COMMIT_ROWS = 50000, COMMIT_UNITS = 2000, COMMIT_MS = 1000 };

/* Runs a statement of the transaction kind; another writer is waited for. */
static int lite_locked(cq_lite *d, const char *sql, cq_error *err) {
  int64_t since = 0;
  int rc;

  do rc = sqlite3_exec(d->h->db, sql, NULL, NULL, NULL);
  while (lite_again(d->h, rc, &since));
  return rc ? lite_fail(d, rc, sql, err) : CQ_OK;
}

/* What ends a transaction where nothing can be prepared: after an interrupt (a
 * write that fails), and without memory.  So both are made before, and again
 * after each change of a schema or a rollback, since SQLite would prepare them
 * anew. */
void lite_stopper(cq_lite *d) {
  lite_handle *h = d->h;
  char *sql = sqlite3_mprintf("DELETE FROM \"%w\".cq_units WHERE 0", d->schema);

  sqlite3_finalize(h->stopper);
  sqlite3_finalize(h->undo);
  h->stopper = h->undo = NULL;
  if (sql) sqlite3_prepare_v2(h->db, sql, -1, &h->stopper, NULL);
  sqlite3_prepare_v2(h->db, "ROLLBACK", -1, &h->undo, NULL);
  sqlite3_free(sql);
}

/* A transaction has gone, and what it held with it: by an error after which
 * SQLite rolls back, or since it could not be committed.  Whoever was told may
 * have been writing no more than a journal, so all whose runs were under way
 * are told, each time, and no run ends as if it had all its rows. */
static void lite_loses(lite_handle *h) {
  h->open = 0;
  h->losses++;
  h->lost = h->why;
}

static int lite_lost(cq_lite *d, cq_error *err) {
  if (!d->h->lost.code)
    return cq_error_set(err, CQ_IOERR,
                        "destination %s: the transaction was rolled back",
                        d->base.name);
  if (err) *err = d->h->lost;
  return d->h->lost.code;
}

/* A transaction that the host has not begun is ours, also where BEGIN has said
 * that it failed. */
void lite_rollback(cq_lite *d) {
  lite_handle *h = d->h;
  sqlite3_stmt *const ways[] = {h->undo, h->stopper};

  if (h->open) lite_loses(h);
  for (int i = 0; i < 2 && !h->nested; i++) {
    if (sqlite3_get_autocommit(h->db)) return;
    if (ways[i]) {
      sqlite3_step(ways[i]);
      sqlite3_reset(ways[i]);
    }
  }
  if (!h->nested && !sqlite3_get_autocommit(h->db))
    sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
}

int lite_begin(cq_lite *d, cq_error *err) {
  lite_handle *h = d->h;
  int rc;

  if ((h->nested || h->open) && sqlite3_get_autocommit(h->db)) {
    h->nested = 0; /* what the host had begun has gone as well */
    lite_loses(h);
  }
  if (d->losses != h->losses) return lite_lost(d, err);
  if (h->nested || h->open) return CQ_OK;
  rc = lite_locked(d, "BEGIN IMMEDIATE", err);
  if (rc) {
    lite_rollback(d);
    return rc;
  }
  h->open = 1;
  cq_error_clear(&h->why);
  lite_stopper(d);
  h->rows = h->units = 0;
  h->since_ms = cq_mono_ms();
  return CQ_OK;
}

int lite_aside(cq_lite *d, const char *sql, cq_error *err) {
  const char *file;
  sqlite3_vfs *vfs = NULL;
  sqlite3 *db = NULL;
  int rc;

  if (d->h->nested) return cq_error_set(err, CQ_INTERRUPT, "interrupted");
  lite_rollback(d);
  file = sqlite3_db_filename(d->h->db, d->schema);
  sqlite3_file_control(d->h->db, d->schema, SQLITE_FCNTL_VFS_POINTER, &vfs);
  if (!file || !*file || !vfs)
    return cq_error_set(err, CQ_INTERRUPT, "interrupted");
  rc = sqlite3_open_v2(file, &db, SQLITE_OPEN_READWRITE, vfs->zName);
  if (rc == SQLITE_OK) {
    char *own = sqlite3_mprintf("ATTACH %Q AS \"%w\"", file, d->schema);

    /* The statement names the schema as the host does. */
    rc = own && strcmp(d->schema, "main") != 0
             ? sqlite3_exec(db, own, NULL, NULL, NULL)
             : SQLITE_OK;
    sqlite3_free(own);
    if (rc == SQLITE_OK) rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
  }
  sqlite3_close(db);
  return rc ? cq_error_set(err, rc & 0xff, "interrupted") : CQ_OK;
}

int lite_commit(cq_lite *d, int force, cq_error *err) {
  lite_handle *h = d->h;
  int rc;

  if (h->open && sqlite3_get_autocommit(h->db)) lite_loses(h);
  if (!h->open) return d->losses != h->losses ? lite_lost(d, err) : CQ_OK;
  if (!force && h->rows < COMMIT_ROWS && h->units < COMMIT_UNITS &&
      cq_mono_ms() - h->since_ms < COMMIT_MS)
    return CQ_OK;
  rc = lite_locked(d, "COMMIT", err);
  if (rc) {
    lite_rollback(d);
    return rc;
  }
  h->open = 0;
  return d->losses != h->losses ? lite_lost(d, err) : CQ_OK;
}

/* ---- SQL that cq ships --------------------------------------------------- */

int lite_script(cq_lite *d, const char *path, cq_error *err) {
  char *text = cq_sql_shipped(path);
  cq_buf b;
  int rc;

  if (!text) return cq_error_nomem(err);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql_in_schema(&b, text, d->schema);
  rc = b.rc ? cq_error_nomem(err) : lite_run_sql(d, b.data, path, err);
  cq_buf_clear(&b);
  cq_free(text);
  return rc;
}
