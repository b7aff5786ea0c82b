/* ext/dest/sqlite/state.c: runs in a SQLite destination: claimed, journalled,
 * published, and their old snapshots removed.
 *
 * A run is unsettled from its claim until its rows are published or removed.
 * Whoever begins the next run of that source settles what a killed or
 * interrupted one left. */
#include "dest/sqlite/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

static int has_table(cq_lite *d, const char *name, cq_error *err, int *out) {
  int64_t n;
  int rc = lite_int(d, &n, err,
                    "SELECT count(*) FROM \"%w\".sqlite_schema WHERE type = "
                    "'table' AND name = %Q",
                    d->schema, name);

  *out = n > 0;
  return rc;
}

int lite_last_group(cq_dest *base, int64_t *out, cq_error *err) {
  cq_lite *d = (cq_lite *)base;

  return lite_int(d, out, err, "SELECT max(sync_group_id) FROM \"%w\".cq_syncs",
                  d->schema);
}

/* ---- settling what earlier runs left ----------------------------------------- */

/* All that are whole, or those alone that have a cursor. */
static int publish_units(cq_lite *d, int64_t group, const char *source, int all,
                         cq_error *err) {
  const char *which = all ? "" : " AND u.cursor <> ''";
  int rc = lite_exec(
      d, err,
      "INSERT INTO \"%w\".cq_units (table_name, source_name, client_id, "
      "sync_group_id, sync_time, cursor, rows) SELECT u.table_name, "
      "u.source_name, u.client_id, u.sync_group_id, s.sync_time, u.cursor, "
      "u.rows FROM \"%w\".cq_sync_units AS u JOIN \"%w\".cq_syncs AS s ON "
      "s.sync_group_id = u.sync_group_id AND s.source_name = u.source_name "
      "WHERE u.sync_group_id = %lld AND u.source_name = %Q AND u.status = 'ok' "
      "AND u.published = 0%s ON CONFLICT DO UPDATE SET sync_group_id = "
      "excluded.sync_group_id, sync_time = excluded.sync_time, cursor = "
      "excluded.cursor, rows = excluded.rows",
      d->schema, d->schema, d->schema, (long long)group, source, which);

  if (rc == CQ_OK)
    rc = lite_exec(d, err,
                   "UPDATE \"%w\".cq_sync_units AS u SET published = 1 WHERE "
                   "sync_group_id = %lld AND source_name = %Q AND status = "
                   "'ok' AND published = 0%s",
                   d->schema, (long long)group, source, which);
  return rc;
}

/* Rows of the run in one table that no published unit covers. */
static int remove_rows(cq_lite *d, int64_t group, const char *source,
                       const char *table, cq_error *err) {
  char *raw = cq_mprintf("raw_%s", table);
  lite_present seen;
  int rc, ours;

  memset(&seen, 0, sizeof seen);
  rc = raw ? lite_present_columns(d, raw, &seen, err) : cq_error_nomem(err);
  ours = rc == CQ_OK && lite_present_type(&seen, "_cq_sync_group_id") != NULL;
  lite_present_clear(&seen);
  cq_free(raw);
  if (rc || !ours) return rc;
  return lite_exec(
      d, err,
      "DELETE FROM \"%w\".\"raw_%w\" AS r WHERE r._cq_sync_group_id = %lld AND "
      "r._cq_source_name = %Q AND NOT EXISTS (SELECT 1 FROM "
      "\"%w\".cq_sync_units AS u WHERE u.table_name = %Q AND u.source_name = "
      "r._cq_source_name AND u.client_id = r._cq_client_id AND "
      "u.sync_group_id = r._cq_sync_group_id AND u.published = 1)",
      d->schema, table, (long long)group, source, d->schema, table);
}

/* In all tables that the run has touched. */
static int remove_all_rows(cq_lite *d, int64_t group, const char *source,
                           cq_error *err) {
  sqlite3_stmt *s;
  int rc = lite_prepare(d, &s, err,
                        "SELECT t.table_name FROM \"%w\".cq_sync_tables AS t "
                        "JOIN \"%w\".sqlite_schema AS m ON m.type = 'table' "
                        "AND m.name = 'raw_' || t.table_name WHERE "
                        "t.sync_group_id = %lld AND t.source_name = %Q",
                        d->schema, d->schema, (long long)group, source);
  int step = rc ? SQLITE_DONE : sqlite3_step(s);

  while (rc == CQ_OK && step == SQLITE_ROW) {
    rc = remove_rows(d, group, source, lite_text(s, 0), err);
    step = sqlite3_step(s);
  }
  if (rc == CQ_OK && step != SQLITE_DONE && step != SQLITE_ROW)
    rc = lite_fail(d, step, "cq_sync_tables", err);
  sqlite3_finalize(s);
  return rc;
}

/* A run that is over has no table that is under way, and none whose rows are
 * whole and not current. */
static char *tables_over(const cq_lite *d, int64_t group, const char *source,
                         const char *word) {
  return sqlite3_mprintf(
      "UPDATE \"%w\".cq_sync_tables AS t SET status = %Q WHERE sync_group_id = "
      "%lld AND source_name = %Q AND (status IN ('waiting', 'running') OR "
      "EXISTS (SELECT 1 FROM \"%w\".cq_sync_units AS u WHERE u.sync_group_id = "
      "t.sync_group_id AND u.source_name = t.source_name AND u.table_name = "
      "t.table_name AND u.status = 'ok' AND u.published = 0))",
      d->schema, word, (long long)group, source, d->schema);
}

static int settle(cq_lite *d, int64_t group, const char *source, int keep,
                  cq_error *err) {
  char now[40];
  int rc = publish_units(d, group, source, keep, err);

  if (rc == CQ_OK) rc = remove_all_rows(d, group, source, err);
  if (rc == CQ_OK) {
    char *sql = tables_over(d, group, source, "interrupted");

    rc = sql ? lite_exec(d, err, "%s", sql) : cq_error_nomem(err);
    sqlite3_free(sql);
  }
  if (rc == CQ_OK && !keep)
    rc = lite_exec(d, err,
                   "DELETE FROM \"%w\".cq_sync_units WHERE sync_group_id = "
                   "%lld AND source_name = %Q AND status = 'ok' AND published "
                   "= 0",
                   d->schema, (long long)group, source);
  cq_dest_time(cq_now_us(), now);
  if (rc == CQ_OK)
    rc = lite_exec(d, err,
                   "UPDATE \"%w\".cq_syncs SET unsettled = 0, status = CASE "
                   "status WHEN 'running' THEN 'interrupted' ELSE status END, "
                   "finished = coalesce(finished, %Q) WHERE sync_group_id = "
                   "%lld AND source_name = %Q",
                   d->schema, now, (long long)group, source);
  return rc;
}

static int settle_all(cq_lite *d, const cq_dest_run *r, cq_error *err) {
  int64_t groups[64];
  int n = 0, rc;
  sqlite3_stmt *s;

  rc = lite_prepare(
      d, &s, err,
      "SELECT sync_group_id, owner, updated, status FROM "
      "\"%w\".cq_syncs WHERE source_name = %Q AND unsettled = 1 ORDER BY "
      "sync_group_id",
      d->schema, r->source);
  if (rc) return rc;
  while (n < 64 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    const char *owner = lite_text(s, 1);
    const char *updated = lite_text(s, 2);
    const char *status = lite_text(s, 3);

    if (strcmp(status, "running") == 0 &&
        cq_dest_owner_runs(owner, d->owner, updated)) {
      rc = cq_dest_source_busy(r, &d->base, owner, d->owner,
                               sqlite3_column_int64(s, 0), err);
      sqlite3_finalize(s);
      return rc;
    }
    groups[n++] = sqlite3_column_int64(s, 0);
  }
  sqlite3_finalize(s);
  if (rc != SQLITE_DONE && rc != SQLITE_ROW)
    return lite_fail(d, rc, "cq_syncs", err);
  rc = CQ_OK;
  for (int i = 0; i < n && rc == CQ_OK; i++)
    rc = settle(d, groups[i], r->source, r->retry, err);
  return rc;
}

static int claim(cq_lite *d, cq_dest_run *r, cq_error *err) {
  char now[40];
  int64_t cut = 0;
  int rc = CQ_OK;

  if (r->resume)
    rc = lite_int(d, &cut, err,
                  "SELECT count(*) FROM \"%w\".cq_syncs WHERE source_name = %Q "
                  "AND unsettled = 1",
                  d->schema, r->source);
  r->retry |= cut > 0;
  if (rc == CQ_OK) rc = settle_all(d, r, err);
  if (rc == CQ_OK && r->retry)
    rc = lite_int(d, &r->base, err,
                  "SELECT max(sync_group_id) FROM \"%w\".cq_syncs WHERE "
                  "source_name = %Q AND kind = 'full'",
                  d->schema, r->source);
  cq_dest_time(r->started_us, now);
  if (rc == CQ_OK)
    rc = lite_exec(d, err,
                   "INSERT INTO \"%w\".cq_syncs (sync_group_id, source_name, "
                   "integration, destination_name, write_mode, sync_group, "
                   "kind, status, sync_time, started, updated, owner, "
                   "unsettled) VALUES (%lld, %Q, %Q, %Q, %Q, %Q, %Q, "
                   "'running', %Q, %Q, %Q, %Q, 1)",
                   d->schema, (long long)r->group, r->source, r->integration,
                   d->base.name, cq_write_mode_name(d->base.mode),
                   r->sync_group, r->retry && r->base ? "retry" : "full",
                   r->time, now, now, d->owner);
  return rc;
}

/* However it ends, the transaction is over: whose claim is refused keeps nobody
 * from writing while other destinations go on. */
int lite_run_begin(cq_dest *base, cq_dest_run *r, cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  int rc, last;

  d->losses = d->h->losses; /* of runs before it */
  rc = lite_begin(d, err);
  if (rc) return rc;
  rc = lite_exec(d, err, "SAVEPOINT cq_claim");
  if (rc == CQ_OK) {
    rc = claim(d, r, err);
    if (rc) lite_exec(d, NULL, "ROLLBACK TO cq_claim");
    lite_exec(d, NULL, "RELEASE cq_claim");
  }
  last = lite_commit(d, 1, rc ? NULL : err);
  return rc ? rc : last;
}

/* ---- state ------------------------------------------------------------------- */

int lite_state(cq_dest *base, const cq_dest_run *r, const char *table,
               const char *client, cq_dest_state *out, cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  sqlite3_stmt *s;
  int64_t done = 0;
  int rc = lite_row(d, &s, err,
                    "SELECT sync_group_id, rows, cursor FROM \"%w\"."
                    "cq_units WHERE table_name = %Q AND source_name = %Q "
                    "AND client_id = %Q",
                    d->schema, table, r->source, client);

  memset(out, 0, sizeof *out);
  if (rc == CQ_ROW) {
    out->group = sqlite3_column_int64(s, 0);
    out->rows = sqlite3_column_int64(s, 1);
    out->cursor = cq_strdup(lite_text(s, 2));
    rc = out->cursor ? CQ_OK : cq_error_nomem(err);
    lite_leave(d, s);
  }
  if (rc) return rc;
  if (!r->retry || !r->base) return CQ_OK;
  /* What is published is what cq_units says: the journal also tells of rows
   * that have gone with their table since. */
  out->done = out->group >= r->base;
  if (out->done) return CQ_OK;
  rc = lite_int(d, &done, err,
                "SELECT count(*) FROM \"%w\".cq_sync_units WHERE table_name = "
                "%Q AND source_name = %Q AND client_id = %Q AND sync_group_id "
                ">= %lld AND status = 'skipped'",
                d->schema, table, r->source, client, (long long)r->base);
  out->done = done > 0;
  if (rc) {
    cq_free(out->cursor);
    out->cursor = NULL;
  }
  return rc;
}

/* ---- the journal --------------------------------------------------------------- */

static const char *time_or_null(int64_t us, char *buf) {
  if (us <= 0) return NULL;
  cq_dest_time(us, buf);
  return buf;
}

int lite_put_table(cq_dest *base, const cq_dest_run *r, const cq_dest_table *t,
                   cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  const cq_counts *n = &t->n;
  char from[40], to[40];
  int rc = lite_begin(d, err);

  if (rc) return rc;
  return lite_exec(
      d, err,
      "INSERT INTO \"%w\".cq_sync_tables (sync_group_id, source_name, "
      "table_name, status, rows, inserted, updated, deleted, unchanged, kept, "
      "errors, units, units_done, requests, retries, throttled_ms, bytes, "
      "started, finished) VALUES (%lld, %Q, %Q, %Q, %lld, %lld, %lld, %lld, "
      "%lld, %lld, %lld, %lld, %lld, %lld, %lld, %lld, %lld, %Q, %Q) ON "
      "CONFLICT DO UPDATE SET status = excluded.status, rows = excluded.rows, "
      "inserted = excluded.inserted, updated = excluded.updated, deleted = "
      "excluded.deleted, unchanged = excluded.unchanged, kept = excluded.kept, "
      "errors = excluded.errors, units = excluded.units, units_done = "
      "excluded.units_done, requests = excluded.requests, retries = "
      "excluded.retries, throttled_ms = excluded.throttled_ms, bytes = "
      "excluded.bytes, started = excluded.started, finished = "
      "excluded.finished",
      d->schema, (long long)r->group, r->source, t->def->name, t->status,
      (long long)n->rows, (long long)n->inserted, (long long)n->updated,
      (long long)n->deleted, (long long)n->unchanged, (long long)n->kept,
      (long long)n->errors, (long long)n->units, (long long)n->units_done,
      (long long)n->requests, (long long)n->retries, (long long)n->throttled_ms,
      (long long)n->bytes, time_or_null(t->started_us, from),
      time_or_null(t->finished_us, to));
}

int lite_put_error(cq_dest *base, const cq_dest_run *r, const char *table,
                   const char *client, const char *kind, const char *message,
                   cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  const char *hint = strstr(message, "\nhint: ");
  size_t n = hint ? (size_t)(hint - message) : strlen(message);
  char now[40];
  int rc = lite_begin(d, err);

  cq_dest_time(cq_now_us(), now);
  if (rc) return rc;
  return lite_exec(d, err,
                   "INSERT INTO \"%w\".cq_sync_errors (sync_group_id, "
                   "source_name, table_name, client_id, kind, message, hint, "
                   "at) VALUES (%lld, %Q, %Q, %Q, %Q, %.*Q, %Q, %Q)",
                   d->schema, (long long)r->group, r->source, table, client,
                   kind, (int)n, message, hint ? hint + 7 : NULL, now);
}

/* Is the run still nobody else's?  Whoever took it for dead has settled it. */
static int ours(cq_lite *d, const cq_dest_run *r, int n, cq_error *err) {
  if (n) return CQ_OK;
  return cq_error_set(err, CQ_BUSY,
                      "source %s: its run in %s was taken over by another "
                      "connection",
                      r->source, d->base.name);
}

static char *run_sql(const cq_lite *d, const cq_dest_run *r, const char *status,
                     const cq_counts *n, int ntable, const char *message) {
  char now[40], *end = NULL, *sql;
  int over = strcmp(status, "running") != 0;

  cq_dest_time(cq_now_us(), now);
  if (over) {
    end = tables_over(d, r->group, r->source,
                      strcmp(status, "interrupted") == 0 ? "interrupted"
                                                         : "failed");
    if (!end) return NULL;
  }
  sql = sqlite3_mprintf(
      "UPDATE \"%w\".cq_syncs SET status = %Q, tables = %d, units = %lld, "
      "units_done = %lld, rows = %lld, errors = %lld, requests = %lld, retries "
      "= %lld, throttled_ms = %lld, bytes = %lld, updated = %Q, finished = %s, "
      "message = %Q WHERE sync_group_id = %lld AND source_name = %Q%s%s%s",
      d->schema, status, ntable, (long long)n->units, (long long)n->units_done,
      (long long)n->rows, (long long)n->errors, (long long)n->requests,
      (long long)n->retries, (long long)n->throttled_ms, (long long)n->bytes,
      now, over ? "updated" : "NULL", message, (long long)r->group, r->source,
      over ? "" : " AND unsettled = 1", end ? "; " : "", end ? end : "");
  sqlite3_free(end);
  return sql;
}

int lite_put_run(cq_dest *base, const cq_dest_run *r, const char *status,
                 const cq_counts *n, int ntable, const char *message,
                 cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  char *sql;
  int rc;

  /* The end of a run can be told, whatever it has lost. */
  if (strcmp(status, "running") != 0) d->losses = d->h->losses;
  rc = lite_begin(d, err);
  sql = run_sql(d, r, status, n, ntable, message);
  if (!sql) return cq_error_nomem(err);
  if (rc == CQ_OK) rc = lite_run_sql(d, sql, "cq_syncs", err);
  if (rc == CQ_OK && strcmp(status, "running") == 0)
    rc = ours(d, r, sqlite3_changes(d->h->db), err);
  /* Whatever it says: the write that was interrupted has rolled all back. */
  if (rc && !d->h->own && strcmp(status, "interrupted") == 0)
    rc = lite_aside(d, sql, err);
  sqlite3_free(sql);
  return rc;
}

/* ---- publish ------------------------------------------------------------------- */

/* Clients that a whole run of the table no longer has.  A client whose own
 * clients could not be found out stands there by a shorter name. */
static int forget_clients(cq_lite *d, const cq_dest_run *r, cq_dest_table *t,
                          cq_error *err) {
  const char *gone =
      "client_id NOT IN (SELECT u.client_id FROM \"%w\".cq_sync_units AS u "
      "WHERE u.table_name = %Q AND u.source_name = %Q AND u.sync_group_id = "
      "%lld) AND NOT EXISTS (SELECT 1 FROM \"%w\".cq_sync_units AS f WHERE "
      "f.table_name = %Q AND f.source_name = %Q AND f.sync_group_id = %lld AND "
      "f.status = 'failed' AND substr(cq_units.client_id, 1, "
      "length(f.client_id) + 1) = f.client_id || ':')%s";
  char *where = sqlite3_mprintf(
      gone, d->schema, t->def->name, r->source, (long long)r->group, d->schema,
      t->def->name, r->source, (long long)r->group,
      cq_dest_clean(t) ? "" : " AND sync_group_id <> 0");
  int rc = where ? CQ_OK : cq_error_nomem(err);

  if (rc == CQ_OK && d->base.mode == CQ_MODE_DELETE_STALE) {
    rc = lite_exec(d, err,
                   "DELETE FROM \"%w\".\"%w\" WHERE _cq_source_name = %Q AND "
                   "_cq_client_id IN (SELECT client_id FROM \"%w\".cq_units "
                   "WHERE table_name = %Q AND source_name = %Q AND %s)",
                   d->schema, t->def->name, r->source, d->schema, t->def->name,
                   r->source, where);
    if (rc == CQ_OK) t->n.deleted += sqlite3_changes(d->h->db);
  }
  if (rc == CQ_OK && d->base.mode != CQ_MODE_OVERWRITE)
    rc = lite_exec(d, err,
                   "DELETE FROM \"%w\".cq_units WHERE table_name = %Q AND "
                   "source_name = %Q AND %s",
                   d->schema, t->def->name, r->source, where);
  sqlite3_free(where);
  return rc;
}

int lite_publish(cq_dest *base, const cq_dest_run *r, cq_dest_table *const *t,
                 int nt, const char *status, const cq_counts *n,
                 const char *message, cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  int rc = lite_commit(d, 1, err);

  if (rc == CQ_OK) rc = lite_begin(d, err);
  if (rc == CQ_OK) rc = lite_exec(d, err, "SAVEPOINT cq_publish");
  if (rc) return rc;
  rc = lite_exec(d, err,
                 "UPDATE \"%w\".cq_syncs SET unsettled = 0 WHERE "
                 "sync_group_id = %lld AND source_name = %Q AND unsettled = 1",
                 d->schema, (long long)r->group, r->source);
  if (rc == CQ_OK) rc = ours(d, r, sqlite3_changes(d->h->db), err);
  for (int i = 0; i < nt && rc == CQ_OK; i++)
    if (t[i]->failed)
      rc =
          lite_exec(d, err,
                    "UPDATE \"%w\".cq_sync_units SET status = 'failed' WHERE "
                    "table_name = %Q AND source_name = %Q AND sync_group_id = "
                    "%lld AND published = 0",
                    d->schema, t[i]->def->name, r->source, (long long)r->group);
  if (rc == CQ_OK) rc = publish_units(d, r->group, r->source, 1, err);
  for (int i = 0; i < nt && rc == CQ_OK; i++)
    if (t[i]->complete && !t[i]->failed && !t[i]->incremental && !r->base)
      rc = forget_clients(d, r, t[i], err);
  for (int i = 0; i < nt && rc == CQ_OK; i++)
    rc = lite_put_table(base, r, t[i], err);
  /* Units that failed have dropped their rows; a table that failed here may
   * have some of each. */
  for (int i = 0; i < nt && rc == CQ_OK; i++)
    if (t[i]->failed && d->base.mode == CQ_MODE_APPEND)
      rc = remove_rows(d, r->group, r->source, t[i]->def->name, err);
  if (rc == CQ_OK) rc = lite_put_run(base, r, status, n, nt, message, err);
  if (rc) lite_exec(d, NULL, "ROLLBACK TO cq_publish");
  lite_exec(d, NULL, "RELEASE cq_publish");
  return rc ? rc : lite_commit(d, 1, err);
}

/* ---- CloudQuery's summary -------------------------------------------------------- */

int lite_summary(cq_dest *base, const cq_value *v, int n, cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  sqlite3_stmt *s;
  cq_buf b;
  int rc = lite_begin(d, err);

  if (rc == CQ_OK) rc = lite_script(d, "sql/summaries.sql", err);
  if (rc) return rc;
  cq_buf_init(&b, 4096);
  for (int i = 0; i < n; i++) cq_buf_str(&b, i ? ", ?" : "?");
  rc = b.rc ? cq_error_nomem(err)
            : lite_prepare(d, &s, err,
                           "INSERT INTO \"%w\".cloudquery_sync_summaries "
                           "VALUES (%s)",
                           d->schema, b.data);
  cq_buf_clear(&b);
  if (rc) return rc;
  for (int i = 0; i < n; i++) {
    if (v[i].kind == CQ_INT)
      sqlite3_bind_int64(s, i + 1, v[i].u.i);
    else if (v[i].kind == CQ_STR)
      sqlite3_bind_text(s, i + 1, v[i].u.s, (int)v[i].len, SQLITE_STATIC);
  }
  rc = lite_done(d, s, err);
  return rc ? rc : lite_commit(d, 1, err);
}

/* ---- old snapshots ---------------------------------------------------------------- */

/* cq_old: the runs of each unit beyond the newest ones.  No table, which would
 * have to be dropped: SQLite does not drop while a statement reads.  Arguments:
 * schema, table, how many are kept. */
#define RUNS_BEYOND                                                            \
  "SELECT source_name, client_id, sync_group_id FROM (SELECT source_name, "    \
  "client_id, sync_group_id, row_number() OVER (PARTITION BY source_name, "    \
  "client_id ORDER BY sync_group_id DESC) AS nth FROM \"%w\".cq_sync_units "   \
  "WHERE table_name = %Q AND published = 1) WHERE nth > %lld"
#define OLD_RUNS "WITH cq_old AS MATERIALIZED (" RUNS_BEYOND ") "
/* What is current stays, however old: schema and table once more. */
#define OLD_SNAPSHOTS                                                          \
  "WITH cq_old AS MATERIALIZED (" RUNS_BEYOND                                  \
  " AND (source_name, client_id, sync_group_id) NOT IN (SELECT source_name, "  \
  "client_id, sync_group_id FROM \"%w\".cq_units WHERE table_name = %Q)) "

/* Of an incremental table, rows of old runs that a newer row of their key
 * replaces. */
static int prune_incremental(cq_lite *d, const char *name, int64_t keep,
                             int64_t *removed, cq_error *err) {
  const char *rowid = NULL;
  char *raw = cq_mprintf("raw_%s", name);
  int rc = raw ? lite_rowid(d, raw, &rowid, err) : cq_error_nomem(err);

  cq_free(raw);
  if (rc == CQ_OK)
    rc = lite_exec(
        d, err,
        OLD_RUNS
        "DELETE FROM \"%w\".\"raw_%w\" WHERE (_cq_source_name, "
        "_cq_client_id, _cq_sync_group_id) IN (SELECT source_name, client_id, "
        "sync_group_id FROM cq_old) AND %s NOT IN (SELECT id FROM "
        "(SELECT %s AS id, row_number() OVER (PARTITION BY "
        "_cq_source_name, _cq_id ORDER BY _cq_sync_group_id DESC, %s DESC) "
        "AS nth FROM \"%w\".\"raw_%w\" AS r WHERE EXISTS (SELECT 1 FROM "
        "\"%w\".cq_sync_units AS u WHERE u.table_name = %Q AND u.source_name "
        "= r._cq_source_name AND u.client_id = r._cq_client_id AND "
        "u.sync_group_id = r._cq_sync_group_id AND u.published = 1)) WHERE "
        "nth = 1)",
        d->schema, name, (long long)keep, d->schema, name, rowid, rowid, rowid,
        d->schema, name, d->schema, name);
  if (rc == CQ_OK) *removed += sqlite3_changes(d->h->db);
  return rc;
}

/* Of a snapshot table, all rows of old runs; the journal keeps what still has
 * rows. */
static int prune_snapshots(cq_lite *d, const char *name, int64_t keep,
                           int64_t *removed, cq_error *err) {
  int rc = lite_exec(
      d, err,
      OLD_SNAPSHOTS
      "DELETE FROM \"%w\".\"raw_%w\" WHERE _cq_sync_group_id IN (SELECT "
      "sync_group_id FROM cq_old) AND (_cq_source_name, _cq_client_id, "
      "_cq_sync_group_id) IN (SELECT source_name, client_id, sync_group_id "
      "FROM cq_old)",
      d->schema, name, (long long)keep, d->schema, name, d->schema, name);

  if (rc == CQ_OK) *removed += sqlite3_changes(d->h->db);
  if (rc == CQ_OK)
    rc = lite_exec(
        d, err,
        OLD_SNAPSHOTS
        "DELETE FROM \"%w\".cq_sync_units WHERE table_name = %Q AND "
        "(source_name, client_id, sync_group_id) IN (SELECT source_name, "
        "client_id, sync_group_id FROM cq_old)",
        d->schema, name, (long long)keep, d->schema, name, d->schema, name);
  return rc;
}

int lite_prune(cq_dest *base, int64_t keep, cq_buf *out, cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  int64_t removed = 0, tables = 0;
  sqlite3_stmt *s = NULL;
  char **names = NULL;
  size_t cap = 0, n = 0;
  int there = 0, step = SQLITE_DONE;
  int rc = has_table(d, "cq_sync_units", err, &there);

  if (rc == CQ_OK && there) {
    rc = lite_begin(d, err);
    if (rc == CQ_OK) rc = lite_exec(d, err, "SAVEPOINT cq_prune");
    if (rc) return rc;
    rc = lite_prepare(d, &s, err,
                      "SELECT substr(name, 5) FROM \"%w\".sqlite_schema "
                      "WHERE type = 'table' AND name LIKE 'raw\\_%%' ESCAPE "
                      "'\\' AND substr(name, 5) IN (SELECT table_name FROM "
                      "\"%w\".cq_sync_units)",
                      d->schema, d->schema);
    while (rc == CQ_OK && (step = sqlite3_step(s)) == SQLITE_ROW) {
      if (cq_grow(&names, &cap, n, sizeof *names) ||
          !(names[n] = cq_strdup(lite_text(s, 0))))
        rc = cq_error_nomem(err);
      else
        n++;
    }
    if (rc == CQ_OK && step != SQLITE_DONE)
      rc = lite_fail(d, step, "cq_sync_units", err);
    sqlite3_finalize(s);
  }
  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    int64_t newest = 0, before = removed;

    rc = lite_int(d, &newest, err,
                  "SELECT instr(sql, '_cq_newest') > 0 FROM \"%w\"."
                  "sqlite_schema WHERE type = 'view' AND name = %Q",
                  d->schema, names[i]);
    if (rc == CQ_OK)
      rc = newest > 0 ? prune_incremental(d, names[i], keep, &removed, err)
                      : prune_snapshots(d, names[i], keep, &removed, err);
    tables += removed > before;
  }
  if (rc && there) lite_exec(d, NULL, "ROLLBACK TO cq_prune");
  if (there) lite_exec(d, NULL, "RELEASE cq_prune");
  if (rc == CQ_OK) rc = lite_commit(d, 1, err);
  for (size_t i = 0; i < n; i++) cq_free(names[i]);
  cq_free(names);
  cq_buf_printf(out, "{\"keep\":%lld,\"tables\":%lld,\"rows\":%lld}",
                (long long)keep, (long long)tables, (long long)removed);
  return rc ? rc : out->rc ? cq_error_nomem(err) : CQ_OK;
}
