/* ext/dest/postgresql/read.c: what is read back: the states of a table's units,
 * and the rows of an earlier run for the tables below theirs. */
#include "dest/postgresql/internal.h"

#include <string.h>

enum { ROWS_AT_ONCE = 256 };

/* ---- states ---------------------------------------------------------------------- */

typedef struct states {
  const cq_dest_run *run;
  const char *table;
  pg_result *found;
} states;

/* What is published is what cq_units says: the journal also tells of rows that
 * have gone with their table since. */
static int states_work(pg *d, void *user, cq_error *err) {
  states *s = user;
  const cq_dest_run *r = s->run;

  if (r->retry && r->base)
    s->found = pg_select(
        d, "cq_units", err,
        "SELECT coalesce(u.client_id, j.client_id), coalesce(u.sync_group_id, "
        "0), coalesce(u.rows, 0), coalesce(u.cursor, ''), (j.client_id IS NOT "
        "NULL OR u.sync_group_id >= %n)::int FROM (SELECT * FROM %I.cq_units "
        "WHERE table_name = %L AND source_name = %L) AS u FULL JOIN (SELECT "
        "DISTINCT client_id FROM %I.cq_sync_units WHERE table_name = %L AND "
        "source_name = %L AND sync_group_id >= %n AND status = 'skipped') AS "
        "j ON j.client_id = u.client_id",
        r->base, d->schema, s->table, r->source, d->schema, s->table, r->source,
        r->base);
  else
    s->found = pg_select(d, "cq_units", err,
                         "SELECT client_id, sync_group_id, rows, cursor, 0 "
                         "FROM %I.cq_units WHERE table_name = %L AND "
                         "source_name = %L",
                         d->schema, s->table, r->source);
  return s->found ? CQ_OK : err->code;
}

int pg_states(cq_dest *base, const cq_dest_run *r, const char *table,
              int (*each)(void *user, const char *client,
                          const cq_dest_state *s),
              void *user, cq_error *err) {
  pg *d = (pg *)base;
  states s = {r, table, NULL};
  int rc = pg_transact(d, PG_READ, states_work, &s, err);

  for (int i = 0; rc == CQ_OK && i < pg_rows(d, s.found); i++) {
    char *cursor = cq_strdup(pg_text(d, s.found, i, 3));
    cq_dest_state one = {pg_int(d, s.found, i, 1), pg_int(d, s.found, i, 2),
                         cursor, (int)pg_int(d, s.found, i, 4)};

    rc = cursor ? each(user, pg_text(d, s.found, i, 0), &one)
                : cq_error_nomem(err);
    cq_free(cursor);
  }
  pg_done(d, s.found);
  return rc;
}

/* ---- rows ------------------------------------------------------------------------ */

typedef struct reading {
  const cq_dest_run *run;
  const cq_dest_table *table;
  const char *client;
  int64_t group;
  int (*each)(void *user, const cq_batch *rows);
  void *user;
} reading;

/* Text as the server writes it becomes the cell that it once was. */
static int cell(cq_batch *b, int type, const char *s, size_t n, cq_value *out) {
  int base = type & CQ_TYPE_MASK, lossy = 0;
  cq_value raw = cq_value_str(s, n), v;
  char *bytes;

  if (base == CQ_JSON || type & CQ_LIST) {
    raw = cq_value_json(s, n);
    return cq_value_copy(&b->arena, &raw, out);
  }
  if (base != CQ_BLOB) {
    if (cq_value_convert(&b->arena, &raw, base, NULL, &v, &lossy))
      return CQ_NOMEM;
    return cq_value_copy(&b->arena, &v, out);
  }
  n = n >= 2 ? (n - 2) / 2 : 0; /* \x and two digits a byte */
  bytes = cq_arena_alloc(&b->arena, n + 1);
  if (!bytes) return CQ_NOMEM;
  if (n) cq_unhex(s + 2, 2 * n, 0, bytes, n);
  *out = cq_value_str(bytes, n);
  out->kind = CQ_BYTES;
  return CQ_OK;
}

static void add_select(cq_buf *sql, const pg *d, const reading *x) {
  const cq_dest_table *t = x->table;
  int append = d->base.mode == CQ_MODE_APPEND;
  char name[PG_NAME];

  cq_buf_str(sql, "SELECT 1");
  for (int i = 0; i < t->ncol; i++) {
    int type = t->def->columns[t->cols[i]].type;

    pg_column(name, t, CQ_META + i);
    if (type & CQ_LIST && (type & CQ_TYPE_MASK) != CQ_JSON)
      cq_sql(sql, ", to_json(%I)::text", name);
    else
      cq_sql(sql, ", %I", name);
  }
  pg_name(name, append ? "raw_" : "", t->def->name, "");
  cq_sql(sql, " FROM %I.%I WHERE _cq_source_name = %L AND _cq_client_id = %L",
         d->schema, name, x->run->source, x->client);
  if (!cq_dest_all_current(&d->base, t))
    cq_sql(sql, " AND _cq_sync_group_id = %n", x->group);
}

static int add_row(pg *d, const reading *x, const pg_result *r, cq_batch *b) {
  const cq_dest_table *t = x->table;
  cq_value *row = cq_batch_add(b);

  if (!row) return CQ_NOMEM;
  for (int i = 0; i < t->ncol; i++) {
    int c = t->cols[i];

    if (d->lib.PQgetisnull(r, 0, i + 1)) continue;
    if (cell(b, t->def->columns[c].type, d->lib.PQgetvalue(r, 0, i + 1),
             (size_t)d->lib.PQgetlength(r, 0, i + 1), &row[c]))
      return CQ_NOMEM;
  }
  return CQ_OK;
}

static int hand_on(const reading *x, cq_batch *b) {
  int rc = b->nrow ? x->each(x->user, b) : CQ_OK;

  cq_batch_reset(b);
  return rc;
}

static int rows_of(pg *d, const reading *x, cq_batch *b, cq_error *err) {
  pg_result *r;
  int rc;

  for (;;) {
    rc = pg_next(d, &r, err);
    if (rc || !r) break;
    if (d->lib.PQresultStatus(r) == PG_SINGLE) {
      rc = add_row(d, x, r, b);
      if (rc == CQ_OK && b->nrow == ROWS_AT_ONCE) rc = hand_on(x, b);
      if (rc) cq_error_set(err, rc, "%s: cannot be kept", x->table->def->name);
    } else if (d->lib.PQresultStatus(r) != PG_TUPLES_OK) {
      rc = pg_fail(d, r, x->table->def->name, err);
    }
    d->lib.PQclear(r);
    if (rc) break;
  }
  if (rc) pg_drain(d);
  return rc ? rc : hand_on(x, b);
}

static int read_work(pg *d, const reading *x, cq_error *err) {
  cq_batch *b = cq_batch_new(x->table->def->nslot);
  cq_buf sql;
  int rc;

  if (!b) return cq_error_nomem(err);
  cq_buf_init(&sql, SIZE_MAX);
  add_select(&sql, d, x);
  rc = sql.rc ? cq_error_nomem(err) : pg_send(d, sql.data, err);
  if (rc == CQ_OK) {
    d->lib.PQsetSingleRowMode(d->conn);
    rc = rows_of(d, x, b, err);
  }
  cq_buf_clear(&sql);
  cq_batch_free(b);
  return rc;
}

int pg_read(cq_dest *base, const cq_dest_run *r, const cq_dest_table *parent,
            const char *client, int64_t group,
            int (*each)(void *user, const cq_batch *rows), void *user,
            cq_error *err) {
  pg *d = (pg *)base;
  reading x = {r, parent, client, group, each, user};
  int rc = pg_connect(d, 1, err);

  /* Rows that were handed on cannot be taken back: so no second time. */
  if (rc == CQ_OK) rc = read_work(d, &x, err);
  if (rc == CQ_INTERRUPT) pg_disconnect(d);
  return rc;
}
