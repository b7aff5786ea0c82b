/* ext/dest/duckdb/state.c: runs in a DuckDB file: claimed, journalled, published,
 * and read again.
 *
 * Whoever has the file open is alone with it: a run that is unsettled when
 * another begins was cut off, and is settled. */
#include "dest/duckdb/internal.h"

#include <string.h>

enum { NOTES_BYTES = 256 << 10, ROWS_AT_ONCE = 256 };

int duck_last_group(cq_dest *base, int64_t *out, cq_error *err) {
  duck *d = (duck *)base;

  return duck_one(d, out, err, "SELECT max(sync_group_id) FROM %I.cq_syncs",
                  d->schema);
}

/* ---- settling, publishing --------------------------------------------------------- */

/* All that are whole, or those alone that have a cursor. */
static int publish_units(duck *d, int64_t group, const char *source, int all,
                         cq_error *err) {
  const char *which = all ? "" : " AND u.cursor <> ''";
  int rc = duck_do(
      d, NULL, err,
      "DELETE FROM %I.cq_units AS c WHERE EXISTS (SELECT 1 FROM "
      "%I.cq_sync_units AS u WHERE u.table_name = c.table_name AND "
      "u.source_name = c.source_name AND u.client_id = c.client_id AND "
      "u.sync_group_id = %n AND u.source_name = %L AND u.status = 'ok' AND "
      "u.published = 0%s)",
      d->schema, d->schema, group, source, which);

  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err,
                 "INSERT INTO %I.cq_units SELECT u.table_name, u.source_name, "
                 "u.client_id, u.sync_group_id, s.sync_time, u.cursor, u.rows "
                 "FROM %I.cq_sync_units AS u JOIN %I.cq_syncs AS s ON "
                 "s.sync_group_id = u.sync_group_id AND s.source_name = "
                 "u.source_name WHERE u.sync_group_id = %n AND u.source_name = "
                 "%L AND u.status = 'ok' AND u.published = 0%s",
                 d->schema, d->schema, d->schema, group, source, which);
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err,
                 "UPDATE %I.cq_sync_units AS u SET published = 1 WHERE "
                 "sync_group_id = %n AND source_name = %L AND status = 'ok' "
                 "AND published = 0%s",
                 d->schema, group, source, which);
  return rc;
}

/* Rows of the run in one table that no published unit covers. */
static int remove_rows(duck *d, int64_t group, const char *source,
                       const char *table, cq_error *err) {
  int64_t there;
  int rc = duck_one(d, &there, err,
                    "SELECT count(*) FROM duckdb_tables() WHERE schema_name = "
                    "%L AND database_name = current_database() AND table_name "
                    "= 'raw_' || %L",
                    d->schema, table);

  if (rc || !there) return rc;
  return duck_do(d, NULL, err,
                 "DELETE FROM %I.%R AS r WHERE r._cq_sync_group_id = "
                 "%n AND r._cq_source_name = %L AND NOT EXISTS (SELECT 1 FROM "
                 "%I.cq_sync_units AS u WHERE u.table_name = %L AND "
                 "u.source_name = r._cq_source_name AND u.client_id = "
                 "r._cq_client_id AND u.sync_group_id = r._cq_sync_group_id "
                 "AND u.published = 1)",
                 d->schema, table, group, source, d->schema, table);
}

static int tables_over(duck *d, int64_t group, const char *source,
                       const char *word, cq_error *err) {
  return duck_do(
      d, NULL, err,
      "UPDATE %I.cq_sync_tables AS t SET status = %L WHERE sync_group_id = %n "
      "AND source_name = %L AND (status IN ('waiting', 'running') OR EXISTS "
      "(SELECT 1 FROM %I.cq_sync_units AS u WHERE u.sync_group_id = "
      "t.sync_group_id AND u.source_name = t.source_name AND u.table_name = "
      "t.table_name AND u.status = 'ok' AND u.published = 0))",
      d->schema, word, group, source, d->schema);
}

static int settle(duck *d, int64_t group, const char *source, int keep,
                  cq_error *err) {
  duck_result r;
  cq_arena a;
  int rc = publish_units(d, group, source, keep, err);

  if (rc == CQ_OK)
    rc = duck_select(d, &r, err,
                     "SELECT table_name FROM %I.cq_sync_tables WHERE "
                     "sync_group_id = %n AND source_name = %L",
                     d->schema, group, source);
  if (rc) return rc;
  cq_arena_init(&a);
  for (uint64_t i = 0; i < d->lib.row_count(&r) && rc == CQ_OK; i++) {
    const char *name = duck_text(d, &r, &a, i, 0);

    rc = name ? remove_rows(d, group, source, name, err) : cq_error_nomem(err);
  }
  d->lib.destroy_result(&r);
  cq_arena_clear(&a);
  if (rc == CQ_OK) rc = tables_over(d, group, source, "interrupted", err);
  if (rc == CQ_OK && !keep)
    rc = duck_do(d, NULL, err,
                 "DELETE FROM %I.cq_sync_units WHERE sync_group_id = %n AND "
                 "source_name = %L AND status = 'ok' AND published = 0",
                 d->schema, group, source);
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err,
                 "UPDATE %I.cq_syncs SET unsettled = 0, status = CASE status "
                 "WHEN 'running' THEN 'interrupted' ELSE status END, finished "
                 "= coalesce(finished, %t) WHERE sync_group_id = %n AND "
                 "source_name = %L",
                 d->schema, cq_now_us(), group, source);
  return rc;
}

static int settle_all(duck *d, const cq_dest_run *r, cq_error *err) {
  duck_result q;
  int rc = duck_select(d, &q, err,
                       "SELECT sync_group_id FROM %I.cq_syncs WHERE "
                       "source_name = %L AND unsettled = 1 ORDER BY 1",
                       d->schema, r->source);

  if (rc) return rc;
  for (uint64_t i = 0; i < d->lib.row_count(&q) && rc == CQ_OK; i++)
    rc = settle(d, duck_int(d, &q, i, 0), r->source, r->retry, err);
  d->lib.destroy_result(&q);
  return rc;
}

int duck_begin(cq_dest *base, cq_dest_run *r, cq_error *err) {
  duck *d = (duck *)base;
  int64_t cut = 0;
  int rc = duck_begin_work(d, err);

  if (rc == CQ_OK && r->resume)
    rc = duck_one(d, &cut, err,
                  "SELECT count(*) FROM %I.cq_syncs WHERE source_name = %L AND "
                  "unsettled = 1",
                  d->schema, r->source);
  r->retry |= cut > 0;
  if (rc == CQ_OK) rc = settle_all(d, r, err);
  if (rc == CQ_OK && r->retry)
    rc = duck_one(d, &r->base, err,
                  "SELECT max(sync_group_id) FROM %I.cq_syncs WHERE "
                  "source_name = %L AND kind = 'full'",
                  d->schema, r->source);
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err,
                 "INSERT INTO %I.cq_syncs (sync_group_id, source_name, "
                 "integration, destination_name, write_mode, sync_group, kind, "
                 "status, sync_time, started, updated, owner, unsettled) "
                 "VALUES (%n, %L, %L, %L, %L, %L, %L, 'running', %L, %t, %t, "
                 "%L, 1)",
                 d->schema, r->group, r->source, r->integration, d->base.name,
                 cq_write_mode_name(d->base.mode), r->sync_group,
                 r->retry && r->base ? "retry" : "full", r->time, r->started_us,
                 cq_now_us(), d->owner);
  return duck_end_work(d, rc, err);
}

/* ---- the journal -------------------------------------------------------------------- */

/* Statements that wait stand one after the other, behind each a NUL, which none
 * of their texts can hold. */
static void add_note(cq_buf *b, const char *fmt, ...) {
  va_list ap;

  va_start(ap, fmt);
  cq_sql_v(b, fmt, ap);
  va_end(ap);
  cq_buf_byte(b, '\0');
}

static void add_table(cq_buf *b, const duck *d, const cq_dest_run *r,
                      const cq_dest_table *t) {
  const cq_counts *n = &t->n;

  add_note(b,
           "DELETE FROM %I.cq_sync_tables WHERE sync_group_id = %n AND "
           "source_name = %L AND table_name = %L",
           d->schema, r->group, r->source, t->def->name);
  add_note(b,
           "INSERT INTO %I.cq_sync_tables (sync_group_id, source_name, "
           "table_name, status, rows, inserted, updated, deleted, unchanged, "
           "kept, errors, units, units_done, requests, retries, throttled_ms, "
           "bytes, started, finished) VALUES (%n, %L, %L, %L, %n, %n, %n, %n, "
           "%n, %n, %n, %n, %n, %n, %n, %n, %n, %t, %t)",
           d->schema, r->group, r->source, t->def->name, t->status, n->rows,
           n->inserted, n->updated, n->deleted, n->unchanged, n->kept,
           n->errors, n->units, n->units_done, n->requests, n->retries,
           n->throttled_ms, n->bytes, t->started_us, t->finished_us);
}

static void add_run(cq_buf *b, const duck *d, const cq_dest_run *r,
                    const char *status, const cq_counts *n, int ntable,
                    const char *message) {
  int64_t now = cq_now_us();

  add_note(b,
           "UPDATE %I.cq_syncs SET status = %L, tables = %d, units = %n, "
           "units_done = %n, rows = %n, errors = %n, requests = %n, retries = "
           "%n, throttled_ms = %n, bytes = %n, updated = %t, finished = %t, "
           "message = %L WHERE sync_group_id = %n AND source_name = %L",
           d->schema, status, ntable, n->units, n->units_done, n->rows,
           n->errors, n->requests, n->retries, n->throttled_ms, n->bytes, now,
           strcmp(status, "running") != 0 ? now : (int64_t)0, message, r->group,
           r->source);
}

/* Statement by statement, in the transaction that is open. */
static int run_notes(duck *d, const cq_buf *b, cq_error *err) {
  int rc = b->rc ? cq_error_nomem(err) : CQ_OK;

  for (size_t at = 0; rc == CQ_OK && at < b->len;
       at += strlen(b->data + at) + 1)
    rc = duck_do(d, NULL, err, "%s", b->data + at);
  return rc;
}

/* What is refused of them is told by poll: the rows are what they are. */
int duck_notes(duck *d, cq_error *err) {
  cq_error why = {0, ""};
  int rc;

  d->noted_ms = 0;
  if (!d->notes.len) return CQ_OK;
  rc = duck_begin_work(d, &why);
  if (rc == CQ_OK) rc = run_notes(d, &d->notes, &why);
  cq_buf_reset(&d->notes);
  rc = duck_end_work(d, rc, &why);
  if (rc && cq_dest_whole(rc)) {
    if (err) *err = why;
    return rc;
  }
  if (rc) d->unsaid = why;
  return CQ_OK;
}

static int note(duck *d, cq_error *err) {
  if (d->notes.rc) return cq_error_nomem(err);
  if (!d->noted_ms) d->noted_ms = cq_mono_ms();
  return d->notes.len > (size_t)NOTES_BYTES ? duck_notes(d, err) : CQ_OK;
}

int duck_put_table(cq_dest *base, const cq_dest_run *r, const cq_dest_table *t,
                   cq_error *err) {
  duck *d = (duck *)base;

  add_table(&d->notes, d, r, t);
  return note(d, err);
}

int duck_put_error(cq_dest *base, const cq_dest_run *r, const char *table,
                   const char *client, const char *kind, const char *message,
                   cq_error *err) {
  duck *d = (duck *)base;
  const char *at = strstr(message, "\nhint: ");
  char *text =
      cq_strndup(message, at ? (size_t)(at - message) : strlen(message));

  if (text)
    add_note(&d->notes,
             "INSERT INTO %I.cq_sync_errors VALUES (%n, %L, %L, %L, %L, %L, "
             "%L, %t)",
             d->schema, r->group, r->source, table, client, kind, text,
             at ? at + 7 : NULL, cq_now_us());
  else
    d->notes.rc = CQ_NOMEM;
  cq_free(text);
  return note(d, err);
}

int duck_put_run(cq_dest *base, const cq_dest_run *r, const char *status,
                 const cq_counts *n, int ntable, const char *message,
                 cq_error *err) {
  duck *d = (duck *)base;
  int over = strcmp(status, "running") != 0, rc;

  add_run(&d->notes, d, r, status, n, ntable, message);
  if (!over) return note(d, err);
  for (duck_table *t = d->tables; t; t = t->next) duck_forget(t);
  d->ended_ms = 0;
  rc = duck_notes(d, err);
  if (rc == CQ_OK)
    rc = tables_over(
        d, r->group, r->source,
        strcmp(status, "interrupted") == 0 ? "interrupted" : "failed", err);
  return rc;
}

/* ---- publish -------------------------------------------------------------------------- */

static int forget_clients(duck *d, const cq_dest_run *r, cq_dest_table *t,
                          cq_error *err) {
  const char *name = t->def->name;
  cq_buf gone;
  int rc = CQ_OK;

  cq_buf_init(&gone, CQ_MAX_SPEC_BYTES);
  cq_sql_gone_clients(&gone, d->schema, t, r);
  if (gone.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK && d->base.mode == CQ_MODE_DELETE_STALE)
    rc = duck_do(d, &t->n.deleted, err,
                 "DELETE FROM %I.%I WHERE _cq_source_name = %L AND "
                 "_cq_client_id IN (SELECT c.client_id FROM %I.cq_units AS c "
                 "WHERE %s)",
                 d->schema, name, r->source, d->schema, gone.data);
  if (rc == CQ_OK && d->base.mode != CQ_MODE_OVERWRITE)
    rc = duck_do(d, NULL, err, "DELETE FROM %I.cq_units AS c WHERE %s",
                 d->schema, gone.data);
  cq_buf_clear(&gone);
  return rc;
}

static int table_failed(const cq_dest_table *t) {
  const duck_table *own = t->own;

  return t->failed || (own && own->failed);
}

static int publish_work(duck *d, const cq_dest_run *r, cq_dest_table *const *t,
                        int nt, const char *status, const cq_counts *n,
                        const char *message, cq_error *err) {
  cq_buf b;
  int rc = CQ_OK;

  cq_buf_init(&b, SIZE_MAX);
  for (int i = 0; i < nt && rc == CQ_OK; i++)
    if (table_failed(t[i]))
      rc = duck_do(d, NULL, err,
                   "UPDATE %I.cq_sync_units SET status = 'failed' WHERE "
                   "table_name = %L AND source_name = %L AND sync_group_id = "
                   "%n AND published = 0",
                   d->schema, t[i]->def->name, r->source, r->group);
  if (rc == CQ_OK) rc = publish_units(d, r->group, r->source, 1, err);
  for (int i = 0; i < nt && rc == CQ_OK; i++)
    if (t[i]->complete && !table_failed(t[i]) && !t[i]->incremental && !r->base)
      rc = forget_clients(d, r, t[i], err);
  for (int i = 0; i < nt; i++) add_table(&b, d, r, t[i]);
  add_run(&b, d, r, status, n, nt, message);
  if (rc == CQ_OK) rc = run_notes(d, &b, err);
  for (int i = 0; i < nt && rc == CQ_OK; i++)
    if (table_failed(t[i]) && d->base.mode == CQ_MODE_APPEND)
      rc = remove_rows(d, r->group, r->source, t[i]->def->name, err);
  if (rc == CQ_OK) rc = tables_over(d, r->group, r->source, "failed", err);
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err,
                 "UPDATE %I.cq_syncs SET unsettled = 0 WHERE sync_group_id = "
                 "%n AND source_name = %L",
                 d->schema, r->group, r->source);
  cq_buf_clear(&b);
  return rc;
}

int duck_publish(cq_dest *base, const cq_dest_run *r, cq_dest_table *const *t,
                 int nt, const char *status, const cq_counts *n,
                 const char *message, cq_error *err) {
  duck *d = (duck *)base;
  int rc = duck_commit(base, 1, err);

  if (rc == CQ_OK) rc = duck_begin_work(d, err);
  if (rc == CQ_OK) rc = publish_work(d, r, t, nt, status, n, message, err);
  return duck_end_work(d, rc, err);
}

/* ---- CloudQuery's summary ---------------------------------------------------------------- */

int duck_summary(cq_dest *base, const cq_value *v, int n, cq_error *err) {
  duck *d = (duck *)base;
  cq_buf s;
  int rc = duck_script(d, "sql/duckdb-summaries.sql", err);

  cq_buf_init(&s, CQ_MAX_SPEC_BYTES);
  for (int i = 0; i < n && rc == CQ_OK; i++) {
    char *text = v[i].kind == CQ_STR ? cq_strndup(v[i].u.s, v[i].len) : NULL;

    if (i) cq_buf_str(&s, ", ");
    if (v[i].kind == CQ_STR && !text) s.rc = CQ_NOMEM;
    if (v[i].kind == CQ_INT)
      cq_sql(&s, "%n", v[i].u.i);
    else
      cq_sql(&s, "%L", text);
    cq_free(text);
  }
  if (rc == CQ_OK)
    rc = s.rc ? cq_error_nomem(err)
              : duck_do(d, NULL, err,
                        "INSERT INTO %I.cloudquery_sync_summaries VALUES (%s)",
                        d->schema, s.data);
  cq_buf_clear(&s);
  return rc;
}

/* ---- states, rows ------------------------------------------------------------------------- */

/* What is published is what cq_units says: the journal also tells of rows that
 * have gone with their table since. */
int duck_states(cq_dest *base, const cq_dest_run *r, const char *table,
                int (*each)(void *user, const char *client,
                            const cq_dest_state *s),
                void *user, cq_error *err) {
  duck *d = (duck *)base;
  int64_t from = r->retry && r->base ? r->base : INT64_MAX;
  duck_result q;
  cq_arena a;
  int rc = duck_select(
      d, &q, err,
      "SELECT coalesce(u.client_id, j.client_id), coalesce(u.sync_group_id, "
      "0), coalesce(u.rows, 0), coalesce(u.cursor, ''), CASE WHEN j.client_id "
      "IS NOT NULL OR u.sync_group_id >= %n THEN 1 ELSE 0 END FROM (SELECT * "
      "FROM %I.cq_units WHERE table_name = %L AND source_name = %L) AS u FULL "
      "JOIN (SELECT DISTINCT client_id FROM %I.cq_sync_units WHERE table_name "
      "= %L AND source_name = %L AND sync_group_id >= %n AND status = "
      "'skipped') AS j ON j.client_id = u.client_id",
      from, d->schema, table, r->source, d->schema, table, r->source, from);

  if (rc) return rc;
  cq_arena_init(&a);
  for (uint64_t i = 0; i < d->lib.row_count(&q) && rc == CQ_OK; i++) {
    char *client = duck_text(d, &q, &a, i, 0);
    cq_dest_state s = {duck_int(d, &q, i, 1), duck_int(d, &q, i, 2),
                       duck_text(d, &q, &a, i, 3), (int)duck_int(d, &q, i, 4)};

    rc = client && s.cursor ? each(user, client, &s) : cq_error_nomem(err);
    cq_arena_reset(&a);
  }
  d->lib.destroy_result(&q);
  cq_arena_clear(&a);
  return rc;
}

static int cell(cq_batch *b, int type, char *s, cq_value *out) {
  int base = type & CQ_TYPE_MASK, lossy = 0;
  size_t n = strlen(s);
  cq_value raw = cq_value_str(s, n);

  if (base == CQ_JSON || type & CQ_LIST) {
    *out = cq_value_json(s, n);
    return CQ_OK;
  }
  if (base != CQ_BLOB)
    return cq_value_convert(&b->arena, &raw, base, NULL, out, &lossy);
  cq_unhex(s, n, 0, s, n / 2);
  *out = cq_value_str(s, n / 2);
  out->kind = CQ_BYTES;
  return CQ_OK;
}

/* All as text: of other types duckdb_value_varchar knows only some. */
static void add_read(cq_buf *b, const duck *d, const cq_dest_table *t) {
  cq_buf_str(b, "SELECT rowid");
  for (int i = CQ_META; i < cq_dest_width(t); i++) {
    int type = cq_dest_type(t, i);
    const char *fmt = (type & CQ_TYPE_MASK) == CQ_BLOB && !(type & CQ_LIST)
                          ? ", hex(%I)"
                      : type & CQ_LIST && (type & CQ_TYPE_MASK) != CQ_JSON
                          ? ", CAST(to_json(%I) AS VARCHAR)"
                          : ", CAST(%I AS VARCHAR)";

    cq_sql(b, fmt, cq_dest_column(t, i));
  }
  cq_sql(b, d->base.mode == CQ_MODE_APPEND ? " FROM %I.%R" : " FROM %I.%I",
         d->schema, t->def->name);
}

static int add_row(duck *d, const cq_dest_table *t, duck_result *q, uint64_t i,
                   cq_batch *b) {
  cq_value *row = cq_batch_add(b);

  if (!row) return CQ_NOMEM;
  for (int k = 0; k < t->ncol; k++) {
    char *s;

    if (duck_is_null(d, q, i, k + 1)) continue;
    s = duck_text(d, q, &b->arena, i, k + 1);
    if (!s || cell(b, t->def->columns[t->cols[k]].type, s, &row[t->cols[k]]))
      return CQ_NOMEM;
  }
  return CQ_OK;
}

int duck_read(cq_dest *base, const cq_dest_run *r, const cq_dest_table *parent,
              const char *client, int64_t group,
              int (*each)(void *user, const cq_batch *rows), void *user,
              cq_error *err) {
  duck *d = (duck *)base;
  cq_batch *b = cq_batch_new(parent->def->nslot);
  int64_t last = -1;
  uint64_t n = ROWS_AT_ONCE;
  cq_buf sql;
  int rc = b ? CQ_OK : cq_error_nomem(err);

  cq_buf_init(&sql, CQ_MAX_SPEC_BYTES);
  add_read(&sql, d, parent);
  if (sql.rc && rc == CQ_OK) rc = cq_error_nomem(err);
  while (rc == CQ_OK && n == ROWS_AT_ONCE) {
    duck_result q;

    rc = duck_select(d, &q, err,
                     "%s WHERE (%d OR _cq_sync_group_id = %n) AND "
                     "_cq_source_name = %L AND _cq_client_id = %L AND rowid > "
                     "%n ORDER BY rowid LIMIT %d",
                     sql.data, cq_dest_all_current(base, parent), group,
                     r->source, client, last, ROWS_AT_ONCE);
    if (rc) break;
    n = d->lib.row_count(&q);
    for (uint64_t i = 0; i < n && rc == CQ_OK; i++)
      if (add_row(d, parent, &q, i, b)) rc = cq_error_nomem(err);
    if (n) last = duck_int(d, &q, n - 1, 0);
    d->lib.destroy_result(&q);
    if (rc == CQ_OK && n && each(user, b)) rc = cq_error_nomem(err);
    cq_batch_reset(b);
  }
  cq_buf_clear(&sql);
  cq_batch_free(b);
  return rc;
}
