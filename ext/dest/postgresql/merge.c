/* ext/dest/postgresql/merge.c: a table's part of a transaction: rows that wait
 * are copied, units that have ended become whole.
 *
 * Append: rows go to raw_<t>, where nobody sees them before the run publishes.
 * Overwrite: rows go to a stage, and those of ended units are merged into <t>.
 * A row whose data is as it was gets only its meta columns written: what the
 * server keeps apart (long texts, JSON) is not written again. */
#include "dest/postgresql/internal.h"

#include <stdio.h>
#include <string.h>

#include "dest/encode/pgcopy.h"

static const char *table_name(const pg_table *t) {
  return t->table->def->name;
}

/* Rows of a unit that failed or was skipped go nowhere. */
static int goes(const pg_unit *u) {
  return !u->status || strcmp(u->status, "ok") == 0;
}

/* ---- rows ------------------------------------------------------------------------ */

static int copy_open(pg *d, const pg_table *t, cq_error *err) {
  cq_buf head;
  int rc = pg_copy_begin(d, table_name(t), err,
                         "COPY %s (%s) FROM STDIN (FORMAT binary)",
                         t->stage ? t->stage : t->target, t->columns);

  if (rc) return rc;
  cq_buf_init(&head, 64);
  cq_pgcopy_head(&head);
  rc =
      head.rc ? cq_error_nomem(err) : pg_copy_data(d, head.data, head.len, err);
  cq_buf_clear(&head);
  return rc;
}

static int copy_close(pg *d, const pg_table *t, int64_t *rows, cq_error *err) {
  int rc = pg_copy_data(d, "\377\377", 2, err);

  return rc ? rc : pg_copy_end(d, table_name(t), rows, err);
}

int pg_copy_part(pg *d, const pg_table *t, const char *p, size_t n,
                 cq_error *err) {
  int64_t rows;
  int rc = copy_open(d, t, err);

  if (rc == CQ_OK) rc = pg_copy_data(d, p, n, err);
  return rc ? rc : copy_close(d, t, &rows, err);
}

static int copy_rows(pg *d, pg_table *t, cq_error *err) {
  int64_t want = 0, rows = 0;
  int rc = CQ_OK;

  for (size_t i = 0; i < t->nsegment; i++)
    if (goes(t->segments[i].unit)) want += t->segments[i].rows;
  if (!want) return CQ_OK;
  rc = copy_open(d, t, err);
  for (size_t i = 0; i < t->nsegment && rc == CQ_OK; i++) {
    const pg_segment *s = &t->segments[i];

    if (goes(s->unit)) rc = pg_copy_data(d, t->rows.data + s->at, s->len, err);
  }
  if (rc == CQ_OK) rc = copy_close(d, t, &rows, err);
  if (rc == CQ_OK && rows != want)
    rc = cq_error_set(err, CQ_ERROR,
                      "destination %s: %s: %lld rows were sent, and the server "
                      "took %lld\nhint: a trigger of the table may drop rows",
                      d->base.name, table_name(t), (long long)want,
                      (long long)rows);
  return rc;
}

/* ---- the stage --------------------------------------------------------------------- */

static int make_stage(pg *d, const pg_table *t, cq_error *err) {
  if (t->staged) return CQ_OK;
  return pg_do(d, table_name(t), err,
               "CREATE UNLOGGED TABLE IF NOT EXISTS %s (LIKE %s INCLUDING "
               "CONSTRAINTS, _cq_row "
               "bigint) WITH (autovacuum_enabled = off)",
               t->stage, t->target);
}

static int64_t rows_of(const pg_table *t, const char *status) {
  int64_t n = 0;

  for (const pg_unit *u = t->ended; u; u = u->next)
    if (strcmp(u->status, status) == 0) n += u->rows;
  return n;
}

/* Have all rows of the units that are merged now come to the stage?  A server
 * that crashed has emptied it. */
static int check_stage(pg *d, const pg_table *t, const char *clients,
                       int64_t want, cq_error *err) {
  int64_t have;
  int rc = pg_one(d, &have, table_name(t), err,
                  "SELECT count(*) FROM %s WHERE _cq_client_id = ANY (%s)",
                  t->stage, clients);

  if (rc || have == want) return rc;
  cq_error_set(err, CQ_ERROR,
               "destination %s: %s: of %lld staged rows %lld are there: the "
               "server has crashed meanwhile",
               d->base.name, table_name(t), (long long)want, (long long)have);
  cq_error_hint(err, "cq_sync(..., '{retry: failed}') fetches them again");
  return CQ_ERROR;
}

/* ---- merging ----------------------------------------------------------------------- */

static const char *const keys[] = {"_cq_id", "_cq_sync_group_id"};

static void add_on(cq_buf *out, const pg *d, const char *a, const char *b) {
  for (int i = 0; i <= d->group_in_key; i++)
    cq_sql(out, "%s%s.%I = %s.%I", i ? " AND " : "", a, keys[i], b, keys[i]);
}

/* a = s.a, ...: the meta columns, or all. */
static void add_set(cq_buf *out, const cq_dest_table *t, const char *from,
                    int only_meta) {
  int n = only_meta ? CQ_META : cq_dest_width(t), any = 0;
  char name[PG_NAME];

  for (int i = 0; i < n; i++) {
    if (i == 4) continue; /* _cq_id */
    pg_column(name, t, i);
    cq_sql(out, "%s%I = %s.%I", any++ ? ", " : "", name, from, name);
  }
}

static void add_same(cq_buf *out, const cq_dest_table *t) {
  char name[PG_NAME];

  cq_buf_str(out, "true");
  for (int i = CQ_META; i < cq_dest_width(t); i++) {
    pg_column(name, t, i);
    cq_sql(out, " AND t.%I IS NOT DISTINCT FROM s.%I", name, name);
  }
}

/* The newest of each key in the stage; which of them are in the table, all data
 * alike; three ways to write them. */
static void add_merge(cq_buf *out, const pg *d, const pg_table *t,
                      const char *clients) {
  cq_sql(out,
         "WITH s AS MATERIALIZED (SELECT DISTINCT ON (_cq_id) * FROM %s WHERE "
         "_cq_client_id = ANY (%s) ORDER BY _cq_id, _cq_row DESC), m AS "
         "MATERIALIZED (SELECT s._cq_id, (",
         t->stage, clients);
  add_same(out, t->table);
  cq_sql(out,
         ") AS same, t._cq_sync_group_id = s._cq_sync_group_id AS again FROM "
         "s JOIN %s AS t ON ",
         t->target);
  add_on(out, d, "t", "s");
  cq_sql(out, "), same AS (UPDATE %s AS t SET ", t->target);
  add_set(out, t->table, "s", 1);
  cq_buf_str(out, " FROM s JOIN m ON m._cq_id = s._cq_id WHERE m.same AND ");
  add_on(out, d, "t", "s");
  cq_sql(out, " RETURNING 1), changed AS (UPDATE %s AS t SET ", t->target);
  add_set(out, t->table, "s", 0);
  cq_buf_str(out,
             " FROM s JOIN m ON m._cq_id = s._cq_id WHERE NOT m.same AND ");
  add_on(out, d, "t", "s");
  cq_sql(out, " RETURNING 1), added AS (INSERT INTO %s AS t (", t->target);
  pg_columns(out, t->table, "", 0);
  cq_buf_str(out, ") SELECT ");
  pg_columns(out, t->table, "s.", 0);
  cq_buf_str(out, " FROM s WHERE NOT EXISTS (SELECT FROM m WHERE m._cq_id = "
                  "s._cq_id) ORDER BY s._cq_row ON CONFLICT (_cq_id");
  if (d->group_in_key) cq_buf_str(out, ", _cq_sync_group_id");
  cq_buf_str(out, ") DO UPDATE SET ");
  add_set(out, t->table, "excluded", 0);
  cq_buf_str(out, " RETURNING 1) SELECT (SELECT count(*) FROM added), (SELECT "
                  "count(*) FROM same), (SELECT count(*) FROM changed), "
                  "(SELECT count(*) FROM m WHERE again)");
}

static int merge_rows(pg *d, const pg_table *t, const char *clients,
                      int64_t rows, cq_counts *n, cq_error *err) {
  pg_result *r;
  cq_buf sql;
  int rc = CQ_OK;

  cq_buf_init(&sql, SIZE_MAX);
  add_merge(&sql, d, t, clients);
  if (sql.rc) {
    cq_buf_clear(&sql);
    return cq_error_nomem(err);
  }
  r = pg_select(d, table_name(t), err, "%s", sql.data);
  if (r) {
    int64_t added = pg_int(d, r, 0, 0), same = pg_int(d, r, 0, 1);
    int64_t different = added + same + pg_int(d, r, 0, 2);

    n->inserted += added;
    n->unchanged += same;
    /* A key twice in a unit was written, and written again. */
    n->updated += rows > added + same ? rows - added - same : 0;
    n->again += (rows > different ? rows - different : 0) + pg_int(d, r, 0, 3);
    pg_done(d, r);
  } else {
    rc = err->code;
  }
  cq_buf_clear(&sql);
  return rc;
}

#define KEPT                                                                   \
  "(SELECT value::uuid FROM jsonb_array_elements_text(%L::jsonb) AS value)"

static void add_stale(pg_batch *b, const pg *d, const pg_table *t,
                      cq_counts *n) {
  cq_buf clients;

  if (d->base.mode != CQ_MODE_DELETE_STALE || t->table->incremental) return;
  cq_buf_init(&clients, SIZE_MAX);
  if (pg_clients(&clients, t, "ok", 0))
    pg_add(b, &n->deleted,
           "DELETE FROM %s WHERE _cq_client_id = ANY (%s) AND _cq_source_name "
           "= %L AND _cq_sync_group_id <> %n",
           t->target, clients.data ? clients.data : "", t->run->source,
           t->run->group);
  if (clients.rc) b->sql.rc = clients.rc;
  cq_buf_clear(&clients);
  for (const pg_unit *u = t->ended; u; u = u->next) {
    if (!u->keep || strcmp(u->status, "ok") != 0) continue;
    pg_add(b, &n->deleted,
           "DELETE FROM %s WHERE _cq_client_id = %L AND _cq_source_name = %L "
           "AND _cq_sync_group_id <> %n AND (_cq_parent_id IS NULL OR "
           "_cq_parent_id NOT IN " KEPT ")",
           t->target, u->client, t->run->source, t->run->group, u->keep);
    pg_add(b, &n->kept,
           "SELECT count(*) FROM %s WHERE _cq_client_id = %L AND "
           "_cq_source_name = %L AND _cq_sync_group_id <> %n",
           t->target, u->client, t->run->source, t->run->group);
  }
}

/* Append: the rows of parents below which nothing may be read now, out of the
 * unit's newest published run into this one; their _cq_sync_time stays. */
static void add_carried(pg_batch *b, const pg *d, const pg_table *t,
                        cq_counts *n) {
  cq_buf to, from;

  if (t->table->incremental) return;
  cq_buf_init(&to, SIZE_MAX);
  cq_buf_init(&from, SIZE_MAX);
  pg_columns(&to, t->table, "", 0);
  pg_columns(&from, t->table, "r.", t->run->group);
  for (const pg_unit *u = t->ended; u && !to.rc && !from.rc; u = u->next)
    if (u->keep && strcmp(u->status, "ok") == 0)
      pg_add(b, &n->kept,
             "INSERT INTO %s (%s) SELECT %s FROM %s AS r WHERE "
             "r._cq_sync_group_id = (SELECT sync_group_id FROM %I.cq_units "
             "WHERE table_name = %L AND source_name = %L AND client_id = %L) "
             "AND r._cq_source_name = %L AND r._cq_client_id = %L AND "
             "r._cq_parent_id IN " KEPT " AND NOT EXISTS (SELECT FROM %s AS x "
             "WHERE x._cq_id = r._cq_id AND x._cq_sync_group_id = %n AND "
             "x._cq_source_name = %L AND x._cq_client_id = %L)",
             t->target, to.data, from.data, t->target, d->schema, table_name(t),
             t->run->source, u->client, t->run->source, u->client, u->keep,
             t->target, t->run->group, t->run->source, u->client);
  if (to.rc || from.rc) b->sql.rc = CQ_NOMEM;
  cq_buf_clear(&to);
  cq_buf_clear(&from);
}

/* ---- units ------------------------------------------------------------------------- */

/* Their entries of the journal, and, where rows were merged, their state. */
static void add_journal(pg_batch *b, const pg *d, const pg_table *t) {
  int merged = t->stage != NULL, any = 0;
  cq_buf s, state;

  if (!t->nended) return;
  cq_buf_init(&s, SIZE_MAX);
  cq_buf_init(&state, SIZE_MAX);
  for (const pg_unit *u = t->ended; u; u = u->next) {
    int ok = strcmp(u->status, "ok") == 0;
    const char *cursor = ok && u->cursor ? u->cursor : "";

    if (!ok && u->part) continue; /* that of its parts stays */
    cq_sql(&s, "%s(%L, %L, %L, %n, %L, %d, %n, %L, %t, %t)", s.len ? ", " : "",
           table_name(t), t->run->source, u->client, t->run->group, u->status,
           merged && ok, u->whole + u->rows, cursor, u->started_us,
           u->finished_us);
    if (merged && ok)
      cq_sql(&state, "%s(%L, %L, %L, %n, %L::timestamptz, %L, %n)",
             any++ ? ", " : "", table_name(t), t->run->source, u->client,
             t->run->group, t->run->time, cursor, u->whole + u->rows);
  }
  if (s.len)
    pg_add(b, NULL,
           "INSERT INTO %I.cq_sync_units (table_name, source_name, client_id, "
           "sync_group_id, status, published, rows, cursor, started, finished) "
           "SELECT a, b, c, d, e, f, g, h, i::timestamptz, j::timestamptz FROM "
           "(VALUES %s) AS v (a, b, c, d, e, f, g, h, i, j) ON CONFLICT "
           "(table_name, source_name, client_id, sync_group_id) DO UPDATE SET "
           "status = excluded.status, published = excluded.published, rows = "
           "excluded.rows, cursor = excluded.cursor, finished = "
           "excluded.finished",
           d->schema, s.data ? s.data : "");
  if (any)
    pg_add(b, NULL,
           "INSERT INTO %I.cq_units (table_name, source_name, client_id, "
           "sync_group_id, sync_time, cursor, rows) VALUES %s ON CONFLICT "
           "(table_name, source_name, client_id) DO UPDATE SET sync_group_id = "
           "excluded.sync_group_id, sync_time = excluded.sync_time, cursor = "
           "excluded.cursor, rows = excluded.rows",
           d->schema, state.data ? state.data : "");
  if (s.rc || state.rc) b->sql.rc = CQ_NOMEM;
  cq_buf_clear(&s);
  cq_buf_clear(&state);
}

/* What a unit that failed or was skipped has brought goes; what it had before
 * stays, and is counted. */
static void add_given_up(pg_batch *b, const pg *d, const pg_table *t,
                         cq_counts *n) {
  const char *where = t->stage ? t->stage : t->target;

  for (const pg_unit *u = t->ended; u; u = u->next) {
    char since[40] = "";

    if (strcmp(u->status, "ok") == 0) continue;
    if (u->part)
      snprintf(since, sizeof since, " AND _cq_row > %lld", (long long)u->from);
    if (u->copied)
      pg_add(b, NULL,
             "DELETE FROM %s WHERE _cq_sync_group_id = %n AND _cq_source_name "
             "= %L AND _cq_client_id = %L%s",
             where, t->run->group, t->run->source, u->client, since);
    pg_add(b, &n->kept,
           "SELECT rows FROM %I.cq_units WHERE table_name = %L AND source_name "
           "= %L AND client_id = %L",
           d->schema, table_name(t), t->run->source, u->client);
  }
}

/* The stage keeps the rows of units that are still open. */
static void add_clear(pg_batch *b, const pg_table *t, const char *clients) {
  int left = 0;

  for (const pg_unit *u = t->open; u && !left; u = u->next) {
    left = u->copied > 0;
    for (size_t i = 0; i < t->nsegment; i++) left |= t->segments[i].unit == u;
  }
  if (left)
    pg_add(b, NULL, "DELETE FROM %s WHERE _cq_client_id = ANY (%s)", t->stage,
           clients);
  else
    pg_add(b, NULL, "TRUNCATE %s", t->stage);
}

/* Whoever settles the run looks for its rows in the tables that have an entry:
 * the table's own may be waiting still, or be lost. */
static void add_touched(pg_batch *b, const pg *d, const pg_table *t) {
  pg_add(b, NULL,
         "INSERT INTO %I.cq_sync_tables (sync_group_id, source_name, "
         "table_name, status) VALUES (%n, %L, %L, 'running') ON CONFLICT DO "
         "NOTHING",
         d->schema, t->run->group, t->run->source, table_name(t));
}

int pg_merge_table(pg *d, pg_table *t, cq_counts *n, cq_error *err) {
  int64_t rows = rows_of(t, "ok");
  pg_batch b;
  cq_buf clients;
  int rc = CQ_OK, some = 0;

  n->rows = rows;
  pg_batch_init(&b);
  cq_buf_init(&clients, SIZE_MAX);
  for (size_t i = 0; i < t->nsegment; i++) some |= goes(t->segments[i].unit);
  t->made = t->stage && some;
  if (t->made) rc = make_stage(d, t, err);
  if (rc == CQ_OK) rc = copy_rows(d, t, err);
  pg_clients(&clients, t, "ok", -1);
  if (rc == CQ_OK && clients.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK && t->stage && rows) {
    rc = check_stage(d, t, clients.data, rows, err);
    if (rc == CQ_OK) rc = merge_rows(d, t, clients.data, rows, n, err);
    if (rc == CQ_OK) add_clear(&b, t, clients.data);
  }
  if (rc == CQ_OK) {
    if (some && !t->stage) add_touched(&b, d, t);
    add_given_up(&b, d, t, n);
    if (t->stage) {
      add_stale(&b, d, t, n);
    } else {
      n->inserted += rows;
      add_carried(&b, d, t, n);
    }
    add_journal(&b, d, t);
    rc = pg_run(d, &b, table_name(t), err);
  }
  pg_batch_clear(&b);
  cq_buf_clear(&clients);
  return rc;
}
