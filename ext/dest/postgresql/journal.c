/* ext/dest/postgresql/journal.c: the entries of the run tables.
 *
 * Those that tell how far a run is are gathered and written every second or so
 * in one go; what belongs to rows is written with them, in merge.c. */
#include "dest/postgresql/internal.h"

#include <string.h>

enum { NOTES_BYTES = 256 << 10 };

/* A run that is over has no table that is under way, and none whose rows are
 * whole and not current. */
void pg_add_tables_over(pg_batch *b, const pg *d, int64_t group,
                        const char *source, const char *word) {
  pg_add(b, NULL,
         "UPDATE %I.cq_sync_tables AS t SET status = %L WHERE sync_group_id = "
         "%n AND source_name = %L AND (status IN ('waiting', 'running') OR "
         "EXISTS (SELECT FROM %I.cq_sync_units AS u WHERE u.sync_group_id = "
         "t.sync_group_id AND u.source_name = t.source_name AND u.table_name = "
         "t.table_name AND u.status = 'ok' AND u.published = 0))",
         d->schema, word, group, source, d->schema);
}

void pg_add_table(pg_batch *b, const pg *d, const cq_dest_run *r,
                  const cq_dest_table *t) {
  const cq_counts *n = &t->n;

  pg_add(b, NULL,
         "INSERT INTO %I.cq_sync_tables (sync_group_id, source_name, "
         "table_name, status, rows, inserted, updated, deleted, unchanged, "
         "kept, errors, units, units_done, requests, retries, throttled_ms, "
         "bytes, started, finished) VALUES (%n, %L, %L, %L, %n, %n, %n, %n, "
         "%n, %n, %n, %n, %n, %n, %n, %n, %n, %t, %t) ON CONFLICT "
         "(sync_group_id, source_name, table_name) DO UPDATE SET status = "
         "excluded.status, rows = excluded.rows, inserted = excluded.inserted, "
         "updated = excluded.updated, deleted = excluded.deleted, unchanged = "
         "excluded.unchanged, kept = excluded.kept, errors = excluded.errors, "
         "units = excluded.units, units_done = excluded.units_done, requests = "
         "excluded.requests, retries = excluded.retries, throttled_ms = "
         "excluded.throttled_ms, bytes = excluded.bytes, started = "
         "excluded.started, finished = excluded.finished",
         d->schema, r->group, r->source, t->def->name, t->status, n->rows,
         n->inserted, n->updated, n->deleted, n->unchanged, n->kept, n->errors,
         n->units, n->units_done, n->requests, n->retries, n->throttled_ms,
         n->bytes, t->started_us, t->finished_us);
}

void pg_add_run(pg_batch *b, const pg *d, const cq_dest_run *r,
                const char *status, const cq_counts *n, int ntable,
                const char *message) {
  int over = strcmp(status, "running") != 0;

  pg_add(b, NULL,
         "UPDATE %I.cq_syncs SET status = %L, tables = %d, units = %n, "
         "units_done = %n, rows = %n, errors = %n, requests = %n, retries = "
         "%n, throttled_ms = %n, bytes = %n, updated = clock_timestamp(), "
         "finished = %s, message = %L WHERE sync_group_id = %n AND source_name "
         "= %L",
         d->schema, status, ntable, n->units, n->units_done, n->rows, n->errors,
         n->requests, n->retries, n->throttled_ms, n->bytes,
         over ? "clock_timestamp()" : "NULL", message, r->group, r->source);
  if (over)
    pg_add_tables_over(b, d, r->group, r->source,
                       strcmp(status, "interrupted") == 0 ? "interrupted"
                                                          : "failed");
}

/* ---- notes ----------------------------------------------------------------------- */

static int notes_work(pg *d, void *user, cq_error *err) {
  const cq_buf *sql = user;

  return pg_do(d, "the journal", err, "%s", sql->data);
}

/* What the server refuses of them is told by poll: the rows are what they are. */
int pg_notes(pg *d, cq_error *err) {
  cq_error why = {0, ""};
  int rc;

  if (!d->notes.len) return CQ_OK;
  rc = pg_transact(d, PG_FENCED, notes_work, &d->notes, &why);
  cq_buf_reset(&d->notes);
  d->noted_ms = 0;
  if (rc && cq_dest_whole(rc)) {
    if (err) *err = why;
    return rc;
  }
  if (rc) d->unsaid = why;
  return CQ_OK;
}

/* Takes the batch's statements; they go when there are many, or a second has
 * passed. */
static int note(pg *d, pg_batch *b, cq_error *err) {
  if (!b->sql.rc && b->sql.len) cq_buf_add(&d->notes, b->sql.data, b->sql.len);
  pg_batch_clear(b);
  if (d->notes.rc) return cq_error_nomem(err);
  if (!d->noted_ms) d->noted_ms = cq_mono_ms();
  return d->notes.len > (size_t)NOTES_BYTES ? pg_notes(d, err) : CQ_OK;
}

int pg_put_table(cq_dest *base, const cq_dest_run *r, const cq_dest_table *t,
                 cq_error *err) {
  pg *d = (pg *)base;
  pg_batch b;

  pg_batch_init(&b);
  pg_add_table(&b, d, r, t);
  return note(d, &b, err);
}

int pg_put_error(cq_dest *base, const cq_dest_run *r, const char *table,
                 const char *client, const char *kind, const char *message,
                 cq_error *err) {
  pg *d = (pg *)base;
  const char *hint = strstr(message, "\nhint: ");
  size_t n = hint ? (size_t)(hint - message) : strlen(message);
  char *plain = cq_strndup(message, n);
  pg_batch b;

  if (!plain) return cq_error_nomem(err);
  pg_batch_init(&b);
  pg_add(&b, NULL,
         "INSERT INTO %I.cq_sync_errors (sync_group_id, source_name, "
         "table_name, client_id, kind, message, hint, at) VALUES (%n, %L, %L, "
         "%L, %L, %L, %L, %t)",
         d->schema, r->group, r->source, table, client, kind, plain,
         hint ? hint + 7 : NULL, cq_now_us());
  cq_free(plain);
  return note(d, &b, err);
}

/* The last word of a run that is given up is written at once. */
static int over_work(pg *d, void *user, cq_error *err) {
  return pg_run(d, user, "cq_syncs", err);
}

int pg_put_run(cq_dest *base, const cq_dest_run *r, const char *status,
               const cq_counts *n, int ntable, const char *message,
               cq_error *err) {
  pg *d = (pg *)base;
  pg_batch b;
  int rc;

  pg_batch_init(&b);
  if (strcmp(status, "running") == 0) {
    pg_add_run(&b, d, r, status, n, ntable, message);
    return note(d, &b, err);
  }
  for (pg_table *t = d->tables; t; t = t->next) pg_table_forget(d, t);
  d->ended_ms = 0;
  rc = pg_notes(d, err);
  pg_add_run(&b, d, r, status, n, ntable, message);
  if (rc == CQ_OK) rc = pg_transact(d, PG_FENCED, over_work, &b, err);
  pg_batch_clear(&b);
  return rc;
}

/* ---- SQL that cq ships ------------------------------------------------------------ */

int pg_script(pg *d, const char *path, cq_error *err) {
  char *text = cq_sql_shipped(path);
  cq_buf b;
  int rc;

  if (!text) return cq_error_nomem(err);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql_in_schema(&b, text, d->schema);
  rc = b.rc ? cq_error_nomem(err) : pg_do(d, "run tables", err, "%s", b.data);
  cq_buf_clear(&b);
  cq_free(text);
  return rc;
}

/* ---- CloudQuery's summary ---------------------------------------------------------- */

static int summary_work(pg *d, void *user, cq_error *err) {
  int rc = pg_script(d, "sql/postgresql-summaries.sql", err);

  return rc ? rc : pg_run(d, user, "cloudquery_sync_summaries", err);
}

int pg_summary(cq_dest *base, const cq_value *v, int n, cq_error *err) {
  pg *d = (pg *)base;
  pg_batch b;
  cq_buf s;
  int rc;

  pg_batch_init(&b);
  cq_buf_init(&s, CQ_MAX_SPEC_BYTES);
  for (int i = 0; i < n; i++) {
    char *text;

    if (i) cq_buf_str(&s, ", ");
    if (v[i].kind == CQ_INT) {
      cq_sql(&s, "%n", v[i].u.i);
    } else {
      text = v[i].kind == CQ_STR ? cq_strndup(v[i].u.s, v[i].len) : NULL;
      if (v[i].kind == CQ_STR && !text) s.rc = CQ_NOMEM;
      cq_sql(&s, "%L", text);
      cq_free(text);
    }
  }
  if (s.rc)
    b.sql.rc = s.rc;
  else
    pg_add(&b, NULL, "INSERT INTO %I.cloudquery_sync_summaries VALUES (%s)",
           d->schema, s.data);
  rc = pg_transact(d, PG_PLAIN, summary_work, &b, err);
  pg_batch_clear(&b);
  cq_buf_clear(&s);
  return rc;
}
