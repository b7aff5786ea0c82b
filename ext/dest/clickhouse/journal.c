/* ext/dest/clickhouse/journal.c: the run tables (sql/clickhouse.sql), where rows
 * can only be added: each entry has a version, and the greatest is shown.
 *
 * Entries are gathered and sent every few seconds, and whenever all that is
 * gathered is to be durable; sent twice they are one. */
#include <string.h>

#include "dest/clickhouse/internal.h"

enum { TELL_MS = 4000, MOST = 2 << 20 };

#define UNITS_HEAD                                                             \
  "INSERT INTO %t (table_name, source_name, client_id, sync_group_id, "        \
  "status, rows, cursor, started, finished, gone, version) FORMAT RowBinary\n"
#define TABLES_HEAD                                                            \
  "INSERT INTO %t (sync_group_id, source_name, table_name, status, rows, "     \
  "inserted, updated, deleted, unchanged, kept, errors, units, units_done, "   \
  "requests, retries, throttled_ms, bytes, started, finished, version) "       \
  "FORMAT RowBinary\n"
#define ERRORS_HEAD                                                            \
  "INSERT INTO %t (sync_group_id, source_name, table_name, client_id, kind, "  \
  "message, hint, at, version) FORMAT RowBinary\n"
#define RUNS_HEAD                                                              \
  "INSERT INTO %t (sync_group_id, source_name, integration, "                  \
  "destination_name, write_mode, sync_group, kind, status, sync_time, "        \
  "tables, units, units_done, rows, errors, requests, retries, "               \
  "throttled_ms, bytes, started, updated, finished, message, owner, "          \
  "unsettled, gone, version) FORMAT RowBinary\n"

static const char *const names[] = {"raw_cq_syncs",       "raw_cq_sync_tables",
                                    "raw_cq_sync_errors", "raw_cq_sync_units",
                                    "raw_cq_units",       "cq_syncs",
                                    "cq_sync_tables",     "cq_sync_errors",
                                    "cq_sync_units",      "cq_units"};
enum { NAMES = sizeof names / sizeof *names };

uint64_t ch_version(ch *d) {
  uint64_t now = (uint64_t)cq_now_us();

  d->last = now > d->last ? now : d->last + 1;
  return d->last;
}

uint64_t ch_version_above(ch *d) {
  return ch_version(d) | (uint64_t)1 << 63;
}

static void text(cq_buf *b, const char *s) {
  cq_rowbinary_text(b, s ? s : "", s ? strlen(s) : 0);
}

static void numbers(cq_buf *b, const int64_t *v, size_t n) {
  for (size_t i = 0; i < n; i++) cq_rowbinary_int(b, v[i]);
}

static const char *when(int64_t us, char *buf) {
  if (us <= 0) return NULL;
  cq_dest_time(us, buf);
  return buf;
}

/* ---- making ------------------------------------------------------------------- */

static void replaced(ch *d, cq_buf *out, const char *sql) {
  for (; *sql; sql++) {
    if (sql[0] == '{' && sql[1] && sql[2] == '}') {
      if (sql[1] == 's')
        ch_add_name(out, d->o->database);
      else if (sql[1] == 'c' && d->o->cluster)
        ch_format(d, out, "ON CLUSTER %w", d->o->cluster);
      else if (sql[1] == 'r' || sql[1] == 'm')
        ch_engine(d, sql[1] == 'r', out);
      sql += 2;
    } else {
      cq_buf_byte(out, *sql);
    }
  }
}

static int make_tables(ch *d, cq_error *err) {
  char *script = cq_sql_shipped("sql/clickhouse.sql"), *p = script;
  int rc = script ? CQ_OK : cq_error_nomem(err);

  /* The words before the first statement tell about the file. */
  if (p) p = strstr(p, "\nCREATE");
  while (rc == CQ_OK && p && *p) {
    char *end = strstr(p, "\n;\n");
    cq_buf b;

    if (end) *end = 0;
    cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
    replaced(d, &b, p);
    rc = b.rc ? cq_error_nomem(err) : ch_exec_text(d, b.data, NULL, err);
    cq_buf_clear(&b);
    p = end ? end + 3 : NULL;
  }
  cq_free(script);
  return rc;
}

int ch_journal_open(ch *d, int make, cq_error *err) {
  int64_t there = 0, last = 0;
  cq_buf list;
  int rc;

  cq_buf_init(&d->units, MOST * 8);
  cq_buf_init(&d->tables, MOST * 8);
  cq_buf_init(&d->errors, MOST * 8);
  cq_buf_init(&d->runs, MOST * 8);
  d->told_ms = cq_mono_ms();
  if (!make) return CQ_OK;
  cq_buf_init(&list, 4096);
  for (size_t i = 0; i < NAMES; i++)
    cq_buf_printf(&list, "%s'%s'", i ? ", " : "", names[i]);
  rc = list.rc ? cq_error_nomem(err)
               : ch_int(d, &there, err,
                        "SELECT count() FROM system.tables WHERE database = "
                        "%Q AND name IN (%s)",
                        d->o->database, list.data);
  cq_buf_clear(&list);
  if (rc == CQ_OK && there < NAMES) rc = make_tables(d, err);
  if (rc == CQ_OK)
    rc = ch_int(d, &last, err,
                "SELECT max(v) FROM (SELECT max(bitAnd(version, "
                "9223372036854775807)) AS v FROM %t UNION ALL SELECT "
                "max(version) AS v FROM %t)",
                "raw_cq_syncs", "raw_cq_units");
  if (rc == CQ_ERROR)
    cq_error_hint(err,
                  "tables or views cq_... of %s are not as cq makes them: "
                  "rename them, or sync into another database",
                  d->o->database);
  d->last = (uint64_t)last;
  return rc;
}

void ch_journal_close(ch *d) {
  cq_buf_clear(&d->units);
  cq_buf_clear(&d->tables);
  cq_buf_clear(&d->errors);
  cq_buf_clear(&d->runs);
}

/* ---- entries --------------------------------------------------------------------- */

void ch_journal_unit(ch *d, cq_buf *out, const cq_dest_run *r,
                     const cq_dest_unit *u, const char *status,
                     const char *cursor) {
  char from[40], to[40];

  cq_dest_time(u->started_us ? u->started_us : cq_now_us(), from);
  cq_dest_time(cq_now_us(), to);
  text(out, u->table->def->name);
  text(out, r->source);
  text(out, u->client);
  cq_rowbinary_int(out, r->group);
  text(out, status);
  cq_rowbinary_int(out, strcmp(status, "ok") == 0 ? u->whole + u->rows : 0);
  text(out, cursor);
  text(out, from);
  text(out, to);
  cq_buf_byte(out, 0);
  cq_rowbinary_int(out, (int64_t)ch_version(d));
}

int ch_put_table(cq_dest *base, const cq_dest_run *r, const cq_dest_table *t,
                 cq_error *err) {
  ch *d = ch_of(base);
  const cq_counts *n = &t->n;
  const int64_t v[] = {n->rows,       n->inserted, n->updated, n->deleted,
                       n->unchanged,  n->kept,     n->errors,  n->units,
                       n->units_done, n->requests, n->retries, n->throttled_ms,
                       n->bytes};
  char from[40], to[40];
  cq_buf *b = &d->tables;

  cq_rowbinary_int(b, r->group);
  text(b, r->source);
  text(b, t->def->name);
  text(b, t->status);
  numbers(b, v, sizeof v / sizeof *v);
  cq_rowbinary_maybe(b, when(t->started_us, from));
  cq_rowbinary_maybe(b, when(t->finished_us, to));
  cq_rowbinary_int(b, (int64_t)ch_version(d));
  return b->rc ? cq_error_nomem(err) : CQ_OK;
}

int ch_put_error(cq_dest *base, const cq_dest_run *r, const char *table,
                 const char *client, const char *kind, const char *message,
                 cq_error *err) {
  ch *d = ch_of(base);
  const char *hint = strstr(message, "\nhint: ");
  char now[40];
  cq_buf *b = &d->errors;

  cq_dest_time(cq_now_us(), now);
  cq_rowbinary_int(b, r->group);
  text(b, r->source);
  text(b, table);
  text(b, client);
  text(b, kind);
  cq_rowbinary_text(b, message,
                    hint ? (size_t)(hint - message) : strlen(message));
  cq_rowbinary_maybe(b, hint ? hint + 7 : NULL);
  text(b, now);
  cq_rowbinary_int(b, (int64_t)ch_version(d));
  return b->rc ? cq_error_nomem(err) : CQ_OK;
}

int ch_run_row(ch *d, const cq_dest_run *r, const char *status,
               const cq_counts *n, int ntable, const char *message,
               int unsettled) {
  const int64_t v[] = {ntable,     n->units,        n->units_done,
                       n->rows,    n->errors,       n->requests,
                       n->retries, n->throttled_ms, n->bytes};
  char now[40], began[40];
  cq_buf *b = &d->runs;

  cq_dest_time(cq_now_us(), now);
  cq_dest_time(r->started_us, began);
  cq_rowbinary_int(b, r->group);
  text(b, r->source);
  text(b, r->integration);
  text(b, d->base.name);
  text(b, cq_write_mode_name(d->base.mode));
  cq_rowbinary_maybe(b, r->sync_group);
  text(b, r->retry && r->base ? "retry" : "full");
  text(b, status);
  text(b, r->time);
  numbers(b, v, sizeof v / sizeof *v);
  text(b, began);
  text(b, now);
  cq_rowbinary_maybe(b, strcmp(status, "running") == 0 ? NULL : now);
  cq_rowbinary_maybe(b, message);
  text(b, d->owner);
  cq_buf_byte(b, (char)unsettled);
  cq_buf_byte(b, 0);
  cq_rowbinary_int(b, (int64_t)ch_version(d));
  if (!b->rc) return CQ_OK;
  cq_buf_reset(b); /* the next word is as good */
  return CQ_NOMEM;
}

int ch_tables_over(ch *d, int64_t group, const char *source, const char *word,
                   cq_error *err) {
  return ch_exec(
      d, err,
      "INSERT INTO %t (sync_group_id, source_name, table_name, status, rows, "
      "inserted, updated, deleted, unchanged, kept, errors, units, units_done, "
      "requests, retries, throttled_ms, bytes, started, finished, version) "
      "SELECT sync_group_id, source_name, table_name, %Q, rows, inserted, "
      "updated, deleted, unchanged, kept, errors, units, units_done, requests, "
      "retries, throttled_ms, bytes, started, finished, toUInt64(%llu) FROM %t "
      "WHERE sync_group_id = %lld AND source_name = %Q AND (status IN "
      "('waiting', 'running') OR table_name IN (SELECT table_name FROM %t "
      "WHERE sync_group_id = %lld AND source_name = %Q AND status = 'ok' AND "
      "published = 0))",
      "raw_cq_sync_tables", word, (unsigned long long)ch_version(d),
      "cq_sync_tables", (long long)group, source, "cq_sync_units",
      (long long)group, source);
}

int ch_put_run(cq_dest *base, const cq_dest_run *r, const char *status,
               const cq_counts *n, int ntable, const char *message,
               cq_error *err) {
  ch *d = ch_of(base);
  int over = strcmp(status, "running") != 0, taken = 0, rc;

  if (over) {
    ch_let_go(d, r);
    rc = ch_leave(d, r, &taken, err);
    if (rc || taken) return rc;
    rc = ch_journal_flush(d, err);
    if (rc == CQ_OK)
      rc = ch_tables_over(
          d, r->group, r->source,
          strcmp(status, "interrupted") == 0 ? "interrupted" : "failed", err);
    /* The run is over all the same: as long as its entry says that it runs,
     * nobody else can begin one. */
    if (rc && rc != CQ_NOMEM) return rc;
  }
  d->over = over;
  rc = ch_run_row(d, r, status, n, ntable, message, CH_OPEN);
  return rc ? cq_error_nomem(err) : CQ_OK;
}

/* ---- sending ---------------------------------------------------------------------- */

static int send_rows(ch *d, cq_buf *rows, const char *fmt, const char *table,
                     const char *id, cq_error *err) {
  cq_buf b;
  int rc;

  if (rows->rc) {
    rc = cq_error_nomem(err);
    cq_buf_reset(rows);
    return rc;
  }
  if (!rows->len) return CQ_OK;
  cq_buf_init(&b, SIZE_MAX);
  ch_format(d, &b, fmt, table);
  cq_buf_add(&b, rows->data, rows->len);
  if (b.rc) {
    rc = cq_error_nomem(err);
  } else {
    ch_ask q = {.body = b.data, .nbody = b.len, .id = id};

    rc = ch_request(d, &q, NULL, NULL, err);
  }
  cq_buf_clear(&b);
  if (rc == CQ_OK) cq_buf_reset(rows);
  return rc;
}

/* Of entries that only people read: what the server refuses is told by poll. */
static int send_notes(ch *d, cq_buf *rows, const char *fmt, const char *table,
                      cq_error *err) {
  cq_error why = {0, ""};
  int rc = send_rows(d, rows, fmt, table, NULL, &why);

  if (rc == CQ_OK) return CQ_OK;
  if (cq_dest_whole(rc)) {
    if (err) *err = why;
    return rc;
  }
  cq_buf_reset(rows);
  d->unsaid = why;
  return CQ_OK;
}

/* Tables first: by their entries whoever settles the run finds its rows. */
int ch_journal_flush(ch *d, cq_error *err) {
  int rc = send_notes(d, &d->tables, TABLES_HEAD, "raw_cq_sync_tables", err);

  if (rc == CQ_OK) rc = ch_vouch(d, err);
  if (rc == CQ_OK)
    rc = send_rows(d, &d->units, UNITS_HEAD, "raw_cq_sync_units", NULL, err);
  if (rc == CQ_OK)
    rc = send_notes(d, &d->errors, ERRORS_HEAD, "raw_cq_sync_errors", err);
  if (rc == CQ_OK)
    rc = send_rows(d, &d->runs, RUNS_HEAD, "raw_cq_syncs", NULL, err);
  d->told_ms = cq_mono_ms();
  return rc;
}

int ch_journal_claim(ch *d, const char *source, cq_error *err) {
  char *ids = ch_claim_ids(source);
  char *id =
      ids ? cq_mprintf("%s%llu", ids, (unsigned long long)ch_version(d)) : NULL;
  int rc = id ? send_rows(d, &d->runs, RUNS_HEAD, "raw_cq_syncs", id, err)
              : cq_error_nomem(err);

  cq_free(id);
  cq_free(ids);
  return rc;
}

int ch_journal_due(const ch *d) {
  size_t waits = d->units.len + d->tables.len + d->errors.len + d->runs.len;

  for (const ch_table *x = d->first; x; x = x->next) waits += x->counted.len;
  return waits > MOST ||
         (waits && (d->over || cq_mono_ms() - d->told_ms >= TELL_MS));
}

/* ---- CloudQuery's summary ------------------------------------------------------------ */

int ch_summary(cq_dest *base, const cq_value *v, int n, cq_error *err) {
  static const char columns[] =
      "_cq_sync_time String, _cq_sync_group_id Nullable(String), cli_version "
      "Nullable(String), sync_id Nullable(String), sync_duration_ms "
      "Nullable(Int64), resources Nullable(Int64), source_name "
      "Nullable(String), source_path Nullable(String), source_version "
      "Nullable(String), source_errors Nullable(Int64), source_warnings "
      "Nullable(Int64), source_tables Nullable(String), destination_name "
      "Nullable(String), destination_path Nullable(String), "
      "destination_version Nullable(String), destination_errors "
      "Nullable(Int64), destination_warnings Nullable(Int64), shard_num "
      "Nullable(Int64), shard_total Nullable(Int64), resources_per_table "
      "Nullable(String), errors_per_table Nullable(String), "
      "durations_per_table_ms Nullable(String)";
  ch *d = ch_of(base);
  cq_buf b;
  int rc;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  ch_format(d, &b, "CREATE TABLE IF NOT EXISTS %t",
            "cloudquery_sync_summaries");
  if (d->o->cluster) ch_format(d, &b, " ON CLUSTER %w", d->o->cluster);
  cq_buf_printf(&b, " (%s) ENGINE = ", columns);
  ch_engine(d, 0, &b);
  cq_buf_str(&b, " ORDER BY (_cq_sync_time)");
  rc = b.rc ? cq_error_nomem(err) : ch_exec_text(d, b.data, NULL, err);
  cq_buf_reset(&b);
  ch_format(d, &b, "INSERT INTO %t VALUES (", "cloudquery_sync_summaries");
  for (int i = 0; i < n; i++) {
    if (i) cq_buf_str(&b, ", ");
    if (v[i].kind == CQ_INT)
      cq_buf_printf(&b, "%lld", (long long)v[i].u.i);
    else if (v[i].kind == CQ_STR)
      ch_add_text(&b, v[i].u.s, v[i].len);
    else
      cq_buf_str(&b, "NULL");
  }
  cq_buf_byte(&b, ')');
  if (rc == CQ_OK)
    rc = b.rc ? cq_error_nomem(err) : ch_exec_text(d, b.data, NULL, err);
  cq_buf_clear(&b);
  return rc;
}
