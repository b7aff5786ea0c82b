/* ext/dest/sqlite/sqlite.c: the SQLite destination, opened and closed: this database,
 * one attached to it, or another file by a connection of its own. */
#include "dest/sqlite/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

/* Where the file is that a path or a file: URI names, malloc'ed; NULL: nowhere
 * yet. */
static char *lite_real(const char *path) {
  char *real;
  cq_buf b;

  if (strncmp(path, "file:", 5) != 0) return realpath(path, NULL);
  path += 5;
  if (strncmp(path, "//", 2) == 0) path += 2 + strcspn(path + 2, "/");
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_percent_decode(&b, path, strcspn(path, "?#"));
  real = b.data && !b.rc ? realpath(b.data, NULL) : NULL;
  cq_buf_clear(&b);
  return real;
}

/* The schema of the host's connection whose file this is, or NULL: a second
 * connection to it would wait for the first for ever.  A PRAGMA is asked, since
 * the table of the name pragma_database_list may be a view of the file's. */
static char *lite_attached(sqlite3 *db, const char *path) {
  sqlite3_stmt *s = NULL;
  char *real = lite_real(path), *found = NULL;

  if (real &&
      sqlite3_prepare_v2(db, "PRAGMA database_list", -1, &s, NULL) == SQLITE_OK)
    while (!found && sqlite3_step(s) == SQLITE_ROW) {
      const char *file = (const char *)sqlite3_column_text(s, 2);
      char *other = file && *file ? realpath(file, NULL) : NULL;

      if (other && strcmp(other, real) == 0)
        found = cq_strdup((const char *)sqlite3_column_text(s, 1));
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
  char *b = a ? lite_real(path) : NULL;
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
  sqlite3_stmt *release = NULL;
  int rc;

  h->nested = !sqlite3_get_autocommit(h->db);
  /* Without memory nothing could be prepared that ends the savepoint. */
  rc = sqlite3_prepare_v2(h->db, "RELEASE cq_sync", -1, &release, NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_exec(h->db, "SAVEPOINT cq_sync", NULL, NULL, NULL);
  if (rc == SQLITE_OK && !h->nested) {
    sqlite3_step(release);
    rc = sqlite3_reset(release);
  }
  sqlite3_finalize(release);
  if (rc == SQLITE_BUSY)
    return cq_error_set(err, CQ_MISUSE,
                        "cq_sync: called inside a statement that writes\n"
                        "hint: call it from a plain SELECT");
  return rc ? lite_fail(d, rc, "savepoint", err) : CQ_OK;
}

/* Of a connection that is ours; on the host's, waiting is the host's choice, or
 * lite_again's.  Not called where waiting is of no use. */
static int lite_busy(void *handle, int count) {
  lite_handle *h = handle;

  if (count == 0) h->busy_since = 0;
  return lite_wait(h, &h->busy_since);
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
  if (rc) {
    cq_error_set(err, rc & 0xff, "destination %s: %s: %s", d->base.name,
                 def->path, h->db ? sqlite3_errmsg(h->db) : "out of memory");
    if ((rc & 0xff) == SQLITE_CANTOPEN)
      cq_error_hint(err, "the file and its folder must be writable");
    return rc & 0xff;
  }
  sqlite3_busy_handler(h->db, lite_busy, h);
  /* Whoever made the file: its triggers get SQLite's harmless functions only,
   * and its schema is what it says. */
  sqlite3_db_config(h->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  sqlite3_db_config(h->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
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
    if (h->db) {
      if (h->open) lite_commit(d, 1, NULL);
      lite_rollback(d);
    }
    sqlite3_finalize(h->stopper);
    sqlite3_finalize(h->undo);
    lite_forget(h);
    lite_spill_free(h->spill);
    if (h->nested) sqlite3_exec(h->db, "RELEASE cq_sync", NULL, NULL, NULL);
    if (h->own) sqlite3_close(h->db);
    cq_free(h);
  }
  cq_free(d->base.name);
  cq_free(d->schema);
  cq_free(d->owner);
  lite_schema_drop(d);
  cq_free(d);
}

static int lite_open(const cq_dest_def *def, int make, cq_dest **out,
                     cq_error *err) {
  cq_lite *d = cq_calloc(1, sizeof *d);
  int rc;

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->base.ops = &cq_dest_sqlite;
  d->base.mode = def->mode;
  d->base.name = cq_strdup(def->name);
  d->forced = def->forced;
  d->group_in_key = def->group_in_key;
  d->owner = cq_dest_owner(def);
  rc = d->base.name && d->owner ? lite_connect(d, def, make, err)
                                : cq_error_nomem(err);
  if (rc == CQ_OK && sqlite3_db_readonly(d->h->db, d->schema) < 0)
    rc = cq_error_set(err, CQ_NOTFOUND,
                      "destination %s: no database of that name is attached",
                      d->base.name);
  if (rc == CQ_OK && lite_feed_register(d->h->db)) rc = cq_error_nomem(err);
  if (rc == CQ_OK && make) rc = lite_begin(d, err);
  if (rc == CQ_OK && make) rc = lite_script(d, "sql/runs.sql", err);
  if (rc == CQ_OK && make) lite_stopper(d);
  /* Nobody waits for it while other sources are fetched. */
  if (rc == CQ_OK && make) rc = lite_commit(d, 1, err);
  if (rc) {
    lite_close(&d->base);
    return rc;
  }
  *out = &d->base;
  return CQ_OK;
}

/* path, connection_string or schema: where the rows go. */
static int lite_spec(cq_arena *a, const cq_node *map, cq_dest_def *d,
                     cq_error *err) {
  static const char *const known[] = {
      "connection_string", "path",         "schema", "batch_size",
      "batch_size_bytes",  "batch_timeout"};
  const char *connection = NULL;
  cq_dest_gather unused;
  int rc =
      cq_tree_check_keys(map, "spec", known, sizeof known / sizeof *known, err);

  (void)a;
  if (rc == CQ_OK) rc = cq_tree_text(map, "path", &d->path, err);
  if (rc == CQ_OK)
    rc = cq_tree_text(map, "connection_string", &connection, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "schema", &d->schema, err);
  if (rc == CQ_OK) rc = cq_dest_gather_spec(map, &unused, err);
  if (rc) return rc;
  if (connection) d->path = connection;
  if (!d->path && !d->schema) d->schema = "main";
  if (d->path && d->schema)
    return cq_tree_error(err, map, "a path and a schema: only one can be");
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
    .spec = lite_spec,
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
