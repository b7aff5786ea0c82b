/* ext/dest/sqlite.c: the SQLite destination: this database, one attached to
 * it, or another file by a connection of its own.
 *
 * Transactions.  On a connection that is not in one, rows gather in large
 * transactions that commit() ends when there are 50,000 rows or a second has
 * passed.  Where the host is in a transaction, all happens in one savepoint of
 * it and becomes durable with the host's COMMIT.  Once sqlite3_interrupt has
 * been called, no statement runs until the outer one ends; a write that is
 * tried then makes SQLite roll back what is open, which is how none stays. */
#include "dest/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "spec/embedded.h"

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

enum {
  COMMIT_ROWS = 50000,
  COMMIT_MS = 1000,
  BUSY_MS = 30000 /* how long another writer is waited for */
};

int lite_fail(cq_lite *d, int rc, const char *what, cq_error *err) {
  rc &= 0xff;
  if (rc == SQLITE_INTERRUPT)
    return cq_error_set(err, CQ_INTERRUPT, "interrupted");
  cq_error_set(err, rc, "destination %s: %s: %s", d->base.name, what,
               sqlite3_errmsg(d->h->db));
  if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
    cq_error_hint(err, "another statement or process holds the database; "
                       "end it and sync again");
  return rc;
}

static int lite_vprepare(cq_lite *d, sqlite3_stmt **out, cq_error *err,
                         const char *fmt, va_list ap) {
  char *sql = sqlite3_vmprintf(fmt, ap);
  int rc;

  *out = NULL;
  if (!sql) return cq_error_nomem(err);
  rc = sqlite3_prepare_v2(d->h->db, sql, -1, out, NULL);
  if (rc) rc = lite_fail(d, rc, "statement", err);
  sqlite3_free(sql);
  return rc;
}

int lite_prepare(cq_lite *d, sqlite3_stmt **out, cq_error *err, const char *fmt,
                 ...) {
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = lite_vprepare(d, out, err, fmt, ap);
  va_end(ap);
  return rc;
}

int lite_done(cq_lite *d, sqlite3_stmt *s, cq_error *err) {
  int rc = sqlite3_step(s);

  while (rc == SQLITE_ROW) rc = sqlite3_step(s);
  rc = rc == SQLITE_DONE ? CQ_OK : lite_fail(d, rc, "statement", err);
  sqlite3_finalize(s);
  return rc;
}

static int lite_vexec(cq_lite *d, cq_error *err, const char *fmt, va_list ap) {
  sqlite3_stmt *s;
  int rc = lite_vprepare(d, &s, err, fmt, ap);

  return rc ? rc : lite_done(d, s, err);
}

int lite_exec(cq_lite *d, cq_error *err, const char *fmt, ...) {
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = lite_vexec(d, err, fmt, ap);
  va_end(ap);
  return rc;
}

int lite_int(cq_lite *d, int64_t *out, cq_error *err, const char *fmt, ...) {
  sqlite3_stmt *s;
  va_list ap;
  int rc;

  *out = 0;
  va_start(ap, fmt);
  rc = lite_vprepare(d, &s, err, fmt, ap);
  va_end(ap);
  if (rc) return rc;
  rc = sqlite3_step(s);
  if (rc == SQLITE_ROW) *out = sqlite3_column_int64(s, 0);
  rc = rc == SQLITE_ROW || rc == SQLITE_DONE
           ? CQ_OK
           : lite_fail(d, rc, "statement", err);
  sqlite3_finalize(s);
  return rc;
}

/* Runs a statement of the transaction kind; another writer is waited for. */
static int lite_locked(cq_lite *d, const char *sql, cq_error *err) {
  int64_t until = cq_mono_ms() + BUSY_MS;
  int rc;

  for (;;) {
    rc = sqlite3_exec(d->h->db, sql, NULL, NULL, NULL);
    if ((rc & 0xff) != SQLITE_BUSY || cq_mono_ms() >= until ||
        (d->h->interrupted && d->h->interrupted(d->h->user)))
      break;
    sqlite3_sleep(20);
  }
  return rc ? lite_fail(d, rc, sql, err) : CQ_OK;
}

/* After an interrupt nothing can even be prepared, so it is done before, and
 * again after each change of a schema or a rollback, since SQLite would prepare
 * it anew. */
static void lite_stopper(cq_lite *d) {
  char *sql = sqlite3_mprintf("DELETE FROM \"%w\".cq_units WHERE 0", d->schema);

  sqlite3_finalize(d->h->stopper);
  d->h->stopper = NULL;
  if (sql) sqlite3_prepare_v2(d->h->db, sql, -1, &d->h->stopper, NULL);
  sqlite3_free(sql);
}

int lite_ddl(cq_lite *d, cq_error *err, const char *fmt, ...) {
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = lite_vexec(d, err, fmt, ap);
  va_end(ap);
  if (rc == CQ_OK && d->h->open) lite_stopper(d);
  return rc;
}

int lite_begin(cq_lite *d, cq_error *err) {
  lite_handle *h = d->h;
  int rc;

  if (h->nested || h->open) {
    /* An error may have rolled back what we, or the host, had begun. */
    if (!sqlite3_get_autocommit(h->db)) return CQ_OK;
    h->open = 0;
    return cq_error_set(err, CQ_IOERR,
                        "destination %s: the transaction was rolled back",
                        d->base.name);
  }
  rc = lite_locked(d, "BEGIN IMMEDIATE", err);
  if (rc) return rc;
  h->open = 1;
  lite_stopper(d);
  h->rows = 0;
  h->since_ms = cq_mono_ms();
  return CQ_OK;
}

static void lite_rollback(cq_lite *d) {
  lite_handle *h = d->h;

  if (h->open && !sqlite3_get_autocommit(h->db))
    sqlite3_exec(h->db, "ROLLBACK", NULL, NULL, NULL);
  /* Interrupted: a write that fails ends the transaction. */
  if (h->open && !sqlite3_get_autocommit(h->db) && h->stopper) {
    sqlite3_step(h->stopper);
    sqlite3_reset(h->stopper);
  }
  h->open = 0;
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

  if (!h->open) return CQ_OK;
  if (sqlite3_get_autocommit(h->db)) {
    h->open = 0;
    return cq_error_set(err, CQ_IOERR,
                        "destination %s: the transaction was rolled back",
                        d->base.name);
  }
  if (!force && h->rows < COMMIT_ROWS && cq_mono_ms() - h->since_ms < COMMIT_MS)
    return CQ_OK;
  rc = lite_locked(d, "COMMIT", err);
  if (rc) {
    lite_rollback(d);
    return rc;
  }
  h->open = 0;
  return CQ_OK;
}

/* ---- SQL that cq ships --------------------------------------------------- */

static char *lite_shipped(const char *path) {
  for (int i = 0; i < cq_embedded_nfile; i++) {
    const cq_embedded_file *f = &cq_embedded_files[i];
    char *text;

    if (strcmp(f->path, path) != 0) continue;
    text = cq_malloc(f->full + 1);
    if (!text) return NULL;
    if (ZSTD_decompress(text, f->full, f->data, f->size) != f->full) {
      cq_free(text);
      return NULL;
    }
    text[f->full] = 0;
    return text;
  }
  return NULL;
}

int lite_script(cq_lite *d, const char *path, cq_error *err) {
  char *text = lite_shipped(path), *schema = NULL;
  cq_buf b;
  int rc = CQ_OK;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  schema = sqlite3_mprintf("\"%w\"", d->schema);
  if (!text || !schema) {
    rc = cq_error_nomem(err);
    goto done;
  }
  for (const char *p = text; *p;) {
    const char *at = strstr(p, "{s}");

    if (!at) {
      cq_buf_str(&b, p);
      break;
    }
    cq_buf_add(&b, p, (size_t)(at - p));
    cq_buf_str(&b, schema);
    p = at + 3;
  }
  if (b.rc) {
    rc = cq_error_nomem(err);
    goto done;
  }
  rc = sqlite3_exec(d->h->db, b.data, NULL, NULL, NULL);
  if (rc) rc = lite_fail(d, rc, path, err);
done:
  cq_buf_clear(&b);
  sqlite3_free(schema);
  cq_free(text);
  return rc;
}

/* ---- open and close ------------------------------------------------------ */

/* The schema of the host's connection whose file this is, or NULL: a second
 * connection to it would wait for the first for ever. */
static char *lite_attached(sqlite3 *db, const char *path) {
  sqlite3_stmt *s = NULL;
  int uri = strncmp(path, "file:", 5) == 0;
  char *plain =
      uri ? cq_strndup(path + 5, strcspn(path + 5, "?#")) : cq_strdup(path);
  char *real = plain ? realpath(plain, NULL) : NULL, *found = NULL;

  cq_free(plain);
  if (real &&
      sqlite3_prepare_v2(db, "SELECT name, file FROM pragma_database_list", -1,
                         &s, NULL) == SQLITE_OK)
    while (!found && sqlite3_step(s) == SQLITE_ROW) {
      const char *file = (const char *)sqlite3_column_text(s, 1);
      char *other = file && *file ? realpath(file, NULL) : NULL;

      if (other && strcmp(other, real) == 0)
        found = cq_strdup((const char *)sqlite3_column_text(s, 0));
      free(other);
    }
  sqlite3_finalize(s);
  free(real);
  return found;
}

/* Two connections to one file would wait for each other. */
static int lite_same_file(const cq_lite *peer, const char *path) {
  const char *theirs =
      peer->h->own ? sqlite3_db_filename(peer->h->db, "main") : NULL;
  char *a = theirs && *theirs ? realpath(theirs, NULL) : NULL;
  char *b = a ? realpath(path, NULL) : NULL;
  int same = a && b && strcmp(a, b) == 0;

  free(a);
  free(b);
  return same;
}

/* A file that is not there yet: is there a folder that could take it? */
static int lite_could_make(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder;
  int yes;

  if (strncmp(path, "file:", 5) == 0 || access(path, F_OK) == 0) return 0;
  folder =
      slash ? cq_strndup(path, (size_t)(slash - path) + 1) : cq_strdup(".");
  yes = folder && access(folder, W_OK) == 0;
  cq_free(folder);
  return yes;
}

/* The host's connection: is it inside a writing statement, or a transaction? */
static int lite_join(cq_lite *d, cq_error *err) {
  lite_handle *h = d->h;
  int nested = !sqlite3_get_autocommit(h->db);
  int rc = sqlite3_exec(h->db, "SAVEPOINT cq_sync", NULL, NULL, NULL);

  if (rc == SQLITE_BUSY)
    return cq_error_set(err, CQ_MISUSE,
                        "cq_sync: called inside a statement that writes\n"
                        "hint: call it from a plain SELECT");
  if (rc) return lite_fail(d, rc, "savepoint", err);
  h->nested = nested;
  if (!nested) rc = sqlite3_exec(h->db, "RELEASE cq_sync", NULL, NULL, NULL);
  return rc ? lite_fail(d, rc, "savepoint", err) : CQ_OK;
}

static int lite_connect(cq_lite *d, const cq_dest_def *def, int make,
                        cq_error *err) {
  lite_handle *h;
  int rc;

  if (def->path && !def->schema) d->schema = lite_attached(def->db, def->path);
  if (def->schema && !(d->schema = cq_strdup(def->schema)))
    return cq_error_nomem(err);
  for (cq_dest *p = def->peers; p && !d->schema; p = p->next)
    if (p->ops == &cq_dest_sqlite && lite_same_file((cq_lite *)p, def->path))
      return cq_error_set(err, CQ_MISUSE,
                          "destination %s: writes into the file of destination "
                          "%s",
                          d->base.name, p->name);
  for (cq_dest *p = def->peers; p && d->schema; p = p->next)
    if (p->ops == &cq_dest_sqlite && ((cq_lite *)p)->h->db == def->db) {
      d->h = ((cq_lite *)p)->h;
      d->h->refs++;
      return CQ_OK;
    }
  h = d->h = cq_calloc(1, sizeof *h);
  if (!h) return cq_error_nomem(err);
  h->refs = 1;
  h->interrupted = def->interrupted;
  h->user = def->user;
  if (d->schema) {
    h->db = def->db;
    return lite_join(d, err);
  }
  d->schema = cq_strdup("main");
  h->own = 1;
  if (!d->schema) return cq_error_nomem(err);
  rc = sqlite3_open_v2(def->path, &h->db,
                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI |
                           (make ? SQLITE_OPEN_CREATE : 0),
                       NULL);
  if ((rc & 0xff) == SQLITE_CANTOPEN && !make && lite_could_make(def->path)) {
    sqlite3_close(h->db);
    rc = sqlite3_open(":memory:", &h->db);
  }
  if (rc)
    return cq_error_set(err, rc & 0xff, "destination %s: %s: %s", d->base.name,
                        def->path,
                        h->db ? sqlite3_errmsg(h->db) : "out of memory");
  if (!make) return CQ_OK;
  /* Readers go on while we write.  A file that cannot have a WAL is used with
   * the journal that it has. */
  sqlite3_exec(h->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
  sqlite3_exec(h->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
  return CQ_OK;
}

static void lite_close(cq_dest *base) {
  cq_lite *d = (cq_lite *)base;
  lite_handle *h = d->h;

  if (h && --h->refs == 0) {
    if (h->db && h->open && lite_commit(d, 1, NULL)) lite_rollback(d);
    sqlite3_finalize(h->stopper);
    if (h->nested) sqlite3_exec(h->db, "RELEASE cq_sync", NULL, NULL, NULL);
    if (h->own) sqlite3_close(h->db);
    cq_free(h);
  }
  cq_free(d->base.name);
  cq_free(d->schema);
  cq_free(d->owner);
  cq_free(d);
}

static int lite_open(const cq_dest_def *def, int make, cq_dest **out,
                     cq_error *err) {
  cq_lite *d = cq_calloc(1, sizeof *d);
  char host[256] = "";
  int64_t there = 0;
  int rc;

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->base.ops = &cq_dest_sqlite;
  d->base.mode = def->mode;
  d->base.name = cq_strdup(def->name);
  d->forced = def->forced;
  d->group_in_key = def->group_in_key;
  gethostname(host, sizeof host - 1);
  d->owner = cq_mprintf("%s:%ld:%p", host, (long)getpid(), (void *)def->db);
  rc = d->base.name && d->owner ? lite_connect(d, def, make, err)
                                : cq_error_nomem(err);
  if (rc == CQ_OK)
    rc = lite_int(d, &there, err,
                  "SELECT count(*) FROM pragma_database_list WHERE name = %Q "
                  "COLLATE NOCASE",
                  d->schema);
  if (rc == CQ_OK && !there)
    rc = cq_error_set(err, CQ_NOTFOUND,
                      "destination %s: no database of that name is attached",
                      d->base.name);
  if (rc == CQ_OK && lite_feed_register(d->h->db)) rc = cq_error_nomem(err);
  if (rc == CQ_OK && make) rc = lite_begin(d, err);
  if (rc == CQ_OK && make) rc = lite_script(d, "sql/runs.sql", err);
  if (rc == CQ_OK && make) lite_stopper(d);
  if (rc) {
    lite_close(&d->base);
    return rc;
  }
  *out = &d->base;
  return CQ_OK;
}

static int lite_tick(cq_dest *d, int force, cq_error *err) {
  return lite_commit((cq_lite *)d, force, err);
}

const cq_dest_ops cq_dest_sqlite = {
    .name = "sqlite",
    .title = "SQLite: this database, an attached one, or another file",
    .options = "{\"connection_string\":\"path of the file, or file: URI\","
               "\"path\":\"the same\",\"schema\":\"main, or the name of an "
               "attached database\",\"batch_size\":\"accepted, not needed\","
               "\"batch_size_bytes\":\"accepted, not needed\"}",
    .capabilities = "[\"transactions\",\"upsert\",\"delete\",\"append\","
                    "\"overwrite\",\"overwrite-delete-stale\",\"views\"]",
    .open = lite_open,
    .close = lite_close,
    .last_group = lite_last_group,
    .begin = lite_run_begin,
    .migrate = lite_migrate,
    .state = lite_state,
    .rows = lite_rows,
    .write = lite_write,
    .end = lite_end,
    .drop = lite_drop,
    .put_table = lite_put_table,
    .put_error = lite_put_error,
    .put_run = lite_put_run,
    .commit = lite_tick,
    .publish = lite_publish,
    .summary = lite_summary,
    .prune = lite_prune,
};
