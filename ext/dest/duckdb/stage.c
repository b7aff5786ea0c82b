/* ext/dest/duckdb/stage.c: a unit's rows, staged as they come, and units that end.
 *
 * The stage is a temporary table of plain columns: numbers as they are, all else
 * as text.  What goes on (settle.c) is cast by DuckDB itself, which says of each
 * value whether its column can hold it: what cannot is NULL, and counted. */
#include "dest/duckdb/internal.h"

#include <stdio.h>
#include <string.h>

enum {
  STAGE_BYTES = 8 << 20, /* of all tables: then what has ended is made whole */
  STAGE_UNITS = 500,     /* that have ended: a kill takes them along */
  ODD_ROWS = 5000,       /* looked at by one statement */
  APPEND_BYTES = 1 << 20,
  NOTE_MS = 1000
};

static int base_of(int type) {
  return type & CQ_LIST ? CQ_JSON : type & CQ_TYPE_MASK;
}

/* What the stage holds of a type. */
static const char *plain_type(int type) {
  switch (base_of(type)) {
  case CQ_INTEGER:
  case CQ_BOOLEAN:
    return "BIGINT";
  case CQ_REAL:
    return "DOUBLE";
  case CQ_BLOB:
    return "BLOB";
  default:
    return "VARCHAR";
  }
}

void duck_columns(cq_buf *out, const cq_dest_table *t, int64_t group) {
  for (int i = 0; i < cq_dest_width(t); i++) {
    if (i) cq_buf_str(out, ", ");
    if (group && i == 2)
      cq_sql(out, "%n", group);
    else
      cq_sql(out, "%I", cq_dest_column(t, i));
  }
}

/* A time as cq writes it: DuckDB would make something of others, too, of
 * "epoch", of "2024-05-06T10:00:00+25:00". */
#define TIME_FORM(x)                                                           \
  "(" x " LIKE '____-__-__T__:__:__Z' OR " x " LIKE "                          \
  "'____-__-__T__:__:__.%%Z')"
#define DATE_FORM(x) x " LIKE '____-__-__'"

/* A list of the stage's: its elements as `to`, such as are not that as NULL.
 * What cq could not make a number or a truth is a text there, of which DuckDB
 * might: "yes", "NaN", "0x10". */
static void add_list_cast(cq_buf *out, const char *name, int base,
                          const char *to) {
  switch (base) {
  case CQ_INTEGER:
  case CQ_REAL:
  case CQ_BOOLEAN:
    cq_sql(out,
           "TRY_CAST([CASE WHEN json_type(x) <> 'VARCHAR' THEN x END FOR x IN "
           "TRY_CAST(TRY_CAST(%I AS JSON) AS JSON[])] AS %s)",
           name, to);
    return;
  case CQ_TIMESTAMP:
    cq_sql(out,
           "TRY_CAST([CASE WHEN " TIME_FORM(
               "x") " THEN x END FOR x IN "
                    "TRY_CAST(TRY_CAST(%I AS JSON) AS VARCHAR[])] AS %s)",
           name, to);
    return;
  case CQ_DATE:
    cq_sql(out,
           "TRY_CAST([CASE WHEN " DATE_FORM(
               "x") " THEN x END FOR x IN "
                    "TRY_CAST(TRY_CAST(%I AS JSON) AS VARCHAR[])] AS %s)",
           name, to);
    return;
  case CQ_BLOB: /* base64, where all of it is */
    cq_sql(out,
           "[CASE WHEN regexp_full_match(x, '([A-Za-z0-9+/]{4})*"
           "([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?') THEN from_base64(x) END "
           "FOR x IN TRY_CAST(TRY_CAST(%I AS JSON) AS VARCHAR[])]",
           name);
    return;
  default:
    cq_sql(out, "TRY_CAST(TRY_CAST(%I AS JSON) AS %s)", name, to);
  }
}

/* A column of the stage as the table takes it. */
static void add_cast(cq_buf *out, const cq_dest_table *t, int i) {
  int type = cq_dest_type(t, i), base = type & CQ_TYPE_MASK;
  const char *name = cq_dest_column(t, i), *to = duck_type(type);

  if (strcmp(plain_type(type), to) == 0)
    cq_sql(out, "%I", name);
  else if (type & CQ_LIST && base != CQ_JSON)
    add_list_cast(out, name, base, to);
  else if (base == CQ_BOOLEAN)
    cq_sql(out, "CASE WHEN %I IN (0, 1) THEN %I = 1 END", name, name);
  else if (base == CQ_TIMESTAMP)
    cq_sql(out, "CASE WHEN " TIME_FORM("%I") " THEN TRY_CAST(%I AS %s) END",
           name, name, name, to);
  else if (base == CQ_DATE)
    cq_sql(out, "CASE WHEN " DATE_FORM("%I") " THEN TRY_CAST(%I AS %s) END",
           name, name, to);
  else
    cq_sql(out, "TRY_CAST(%I AS %s)", name, to);
}

void duck_add_casts(cq_buf *out, const cq_dest_table *t) {
  for (int i = 0; i < cq_dest_width(t); i++) {
    if (i) cq_buf_str(out, ", ");
    add_cast(out, t, i);
    cq_sql(out, " AS %I", cq_dest_column(t, i));
  }
}

/* ---- tables of the run --------------------------------------------------------- */

static void free_units(duck_unit *u) {
  while (u) {
    duck_unit *next = u->next;

    cq_free(u->client);
    cq_free(u->keep);
    cq_free(u->cursor);
    cq_free(u);
    u = next;
  }
}

void duck_forget(duck_table *t) {
  free_units(t->ended);
  t->ended = NULL;
  t->last = &t->ended;
  t->nended = 0;
}

void duck_table_free(duck *d, duck_table *t) {
  duck_appended(d, t, NULL);
  free_units(t->ended);
  cq_free(t->stage);
  cq_free(t);
}

static int make_stage(duck *d, duck_table *t, cq_error *err) {
  char name[64];
  cq_buf b;
  int rc;

  if (t->stage) return CQ_OK;
  snprintf(name, sizeof name, "cq_stage_%lld_%016llx", (long long)t->run->group,
           (unsigned long long)cq_hash64(
               t->table->def->name, strlen(t->table->def->name),
               cq_hash64(t->run->source, strlen(t->run->source), 0)));
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "CREATE TEMP TABLE %I (", name);
  for (int i = 0; i < cq_dest_width(t->table); i++)
    cq_sql(&b, "%I %s, ", cq_dest_column(t->table, i),
           plain_type(cq_dest_type(t->table, i)));
  cq_buf_str(&b, "_cq_row BIGINT)");
  rc = b.rc ? cq_error_nomem(err) : duck_do(d, NULL, err, "%s", b.data);
  cq_buf_clear(&b);
  if (rc == CQ_OK && !(t->stage = cq_strdup(name))) rc = cq_error_nomem(err);
  return rc;
}

static int table_of(duck *d, const cq_dest_run *r, cq_dest_table *t,
                    duck_table **out, cq_error *err) {
  duck_table *x = t->own;

  if (!x) {
    x = cq_calloc(1, sizeof *x);
    if (!x) return cq_error_nomem(err);
    x->table = t;
    x->run = r;
    x->last = &x->ended;
    x->next = d->tables;
    d->tables = x;
    t->own = x;
  }
  *out = x;
  return x->failed ? CQ_OK : make_stage(d, x, err);
}

void duck_counts_out(const duck_table *t) {
  cq_dest_stored(&t->table->n, &t->n);
}

/* ---- rows in -------------------------------------------------------------------- */

/* NUL and what is no UTF-8: nothing that DuckDB's text takes. */
static int append_text(duck *d, void *a, const char *s, size_t n) {
  cq_buf b;
  int rc;

  if (!n || (!memchr(s, 0, n) && cq_utf8_check(s, n) == n))
    return d->lib.append_varchar_length(a, n ? s : "", n);
  cq_buf_init(&b, SIZE_MAX);
  cq_buf_text(&b, s, n);
  rc = b.rc ? 1 : d->lib.append_varchar_length(a, b.data, b.len);
  cq_buf_clear(&b);
  return rc;
}

/* 1: does not fit the stage already, NULL stands for it; -1: out of memory. */
static int append_cell(duck *d, void *app, cq_arena *a, int type,
                       const cq_value *v, int64_t *bytes) {
  const char *plain = plain_type(type);
  cq_value text = *v;

  *bytes += 8 + (v->kind == CQ_STR || v->kind == CQ_BYTES ? v->len : 0);
  if (v->kind == CQ_NULL) return d->lib.append_null(app) ? -1 : 0;
  if (*plain == 'B' && plain[1] == 'I') {
    if (v->kind == CQ_INT) return d->lib.append_int64(app, v->u.i) ? -1 : 0;
    if (v->kind == CQ_DOUBLE && v->u.r >= -9007199254740992.0 &&
        v->u.r <= 9007199254740992.0 && v->u.r == (double)(int64_t)v->u.r)
      return d->lib.append_int64(app, (int64_t)v->u.r) ? -1 : 0;
  } else if (*plain == 'D') {
    if (v->kind == CQ_INT || v->kind == CQ_DOUBLE)
      return d->lib.append_double(app,
                                  v->kind == CQ_INT ? (double)v->u.i : v->u.r)
                 ? -1
                 : 0;
  } else if (*plain == 'B') {
    if (v->kind == CQ_STR || v->kind == CQ_BYTES)
      return d->lib.append_blob(app, v->len ? v->u.s : "", v->len) ? -1 : 0;
  } else if (v->kind != CQ_BYTES) {
    if (v->kind != CQ_STR && cq_value_to_text(a, v, &text)) return -1;
    return append_text(d, app, text.u.s, text.len) ? -1 : 0;
  }
  return d->lib.append_null(app) ? -1 : 1;
}

static int append_rows(duck *d, duck_table *t, cq_dest_unit *u,
                       const cq_dest_rows *rows, void *app, cq_error *err) {
  int width = cq_dest_width(t->table), rc = CQ_OK;
  cq_arena a;

  cq_arena_init(&a);
  for (int row = 0; row < rows->batch->nrow && rc == CQ_OK; row++) {
    for (int i = 0; i < width && rc == CQ_OK; i++) {
      cq_value v = cq_dest_cell(t->run, u, rows, row, i);
      int fits =
          append_cell(d, app, &a, cq_dest_type(t->table, i), &v, &t->bytes);

      if (fits > 0) cq_dest_odd(u, i, &v);
      if (fits < 0) rc = duck_fail(d, d->lib.appender_error(app), err);
    }
    if (rc == CQ_OK &&
        (d->lib.append_int64(app, ++d->row) || d->lib.appender_end_row(app)))
      rc = duck_fail(d, d->lib.appender_error(app), err);
    cq_arena_reset(&a);
  }
  cq_arena_clear(&a);
  return rc;
}

static int flush_appender(duck *d, duck_table *t, cq_error *err) {
  t->appended = 0;
  return t->app && d->lib.appender_flush(t->app)
             ? duck_fail(d, d->lib.appender_error(t->app), err)
             : CQ_OK;
}

int duck_appended(duck *d, duck_table *t, cq_error *err) {
  int rc = flush_appender(d, t, err);

  if (t->app) d->lib.appender_destroy(&t->app);
  t->app = NULL;
  return rc;
}

/* Values that their columns will not hold are counted while the unit can be
 * told: of many rows at once, since a statement costs as much as some thousand
 * rows. */
int duck_count_odd(duck *d, duck_table *t, cq_error *err) {
  cq_dest_unit *u = t->uncounted;
  duck_result r;
  cq_buf b;
  int any = 0, rc = CQ_OK;

  t->uncounted = NULL;
  if (!u) return rc;
  rc = flush_appender(d, t, err);
  if (rc) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_buf_str(&b, "SELECT 1");
  for (int i = CQ_META; i < cq_dest_width(t->table); i++) {
    int type = cq_dest_type(t->table, i);
    const char *name = cq_dest_column(t->table, i);

    if (strcmp(plain_type(type), duck_type(type)) == 0) continue;
    any = 1;
    cq_sql(&b, ", count(%I) - count(", name);
    add_cast(&b, t->table, i);
    cq_sql(&b, "), any_value(CASE WHEN %I IS NOT NULL AND (", name);
    add_cast(&b, t->table, i);
    cq_sql(&b, ") IS NULL THEN CAST(%I AS VARCHAR) END)", name);
  }
  cq_sql(&b, " FROM temp.%I WHERE _cq_row > %n", t->stage, t->uncounted_after);
  if (b.rc)
    rc = cq_error_nomem(err);
  else if (any)
    rc = duck_select(d, &r, err, "%s", b.data);
  if (rc == CQ_OK && any) {
    cq_arena a;
    int at = 1;

    cq_arena_init(&a);
    for (int i = CQ_META; i < cq_dest_width(t->table); i++) {
      int type = cq_dest_type(t->table, i);
      int64_t n;
      cq_value v;

      if (strcmp(plain_type(type), duck_type(type)) == 0) continue;
      n = duck_int(d, &r, 0, at);
      v = cq_value_text(duck_text(d, &r, &a, 0, at + 1));
      while (n-- > 0) cq_dest_odd(u, i, &v);
      at += 2;
    }
    cq_arena_clear(&a);
    d->lib.destroy_result(&r);
  }
  cq_buf_clear(&b);
  return rc;
}

static int is_full(const duck *d, const duck_table *t) {
  int64_t bytes = 0;
  size_t units = 0;

  for (const duck_table *x = d->tables; x; x = x->next) {
    bytes += x->nended || !duck_merges(d) ? x->bytes : 0;
    units += x->nended;
  }
  return bytes >= STAGE_BYTES || units >= (size_t)STAGE_UNITS ||
         ((t->nended || !duck_merges(d)) &&
          (t->nrows >= d->options.gather.rows ||
           t->bytes >= d->options.gather.bytes));
}

/* The table's own failure is told to whoever hands it rows. */
static int failure(const duck_table *t, cq_error *err) {
  if (t->failed && err) *err = t->why;
  return t->failed ? t->why.code : CQ_OK;
}

static int flush_if_full(duck *d, const duck_table *t, cq_error *err) {
  int rc = is_full(d, t) ? duck_flush(d, err) : CQ_OK;

  return rc ? rc : failure(t, err);
}

int duck_write(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
               const cq_dest_rows *rows, cq_error *err) {
  duck *d = (duck *)base;
  int64_t after = d->row, before;
  duck_table *t;
  int rc = table_of(d, r, u->table, &t, err);

  if (rc == CQ_OK) rc = failure(t, err);
  if (rc == CQ_OK && t->uncounted != u) rc = duck_count_odd(d, t, err);
  if (rc) return rc;
  if (!u->rows) u->start = after;
  before = t->bytes;
  if (!t->app &&
      d->lib.appender_create_ext(d->c, "temp", "main", t->stage, &t->app))
    rc = duck_fail(d, t->app ? d->lib.appender_error(t->app) : "", err);
  if (rc == CQ_OK) rc = append_rows(d, t, u, rows, t->app, err);
  t->appended += t->bytes - before;
  if (rc == CQ_OK && t->appended >= APPEND_BYTES)
    rc = flush_appender(d, t, err);
  if (rc) {
    /* Rows that waited with these are lost with them. */
    duck_fail_table(d, t, err);
    return rc;
  }
  t->nrows += rows->batch->nrow;
  if (!t->uncounted) {
    t->uncounted = u;
    t->uncounted_after = after;
    t->nuncounted = 0;
  }
  t->nuncounted += rows->batch->nrow;
  if (t->nuncounted >= ODD_ROWS) rc = duck_count_odd(d, t, err);
  return rc ? rc : flush_if_full(d, t, err);
}

/* ---- the end of units --------------------------------------------------------------- */

int duck_end(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
             const char *status, const char *cursor, cq_error *err) {
  static const char *const words[] = {"ok", "failed", "skipped"};
  duck *d = (duck *)base;
  int ok = strcmp(status, "ok") == 0, rc;
  duck_table *t;
  duck_unit *x;

  rc = table_of(d, r, u->table, &t, err);
  if (rc || t->failed) return rc;
  if (t->uncounted == u) rc = duck_count_odd(d, t, err);
  if (rc) return rc;
  x = cq_calloc(1, sizeof *x);
  if (!x) return cq_error_nomem(err);
  x->client = cq_strdup(u->client);
  if (ok && u->keep) x->keep = cq_strdup(u->keep);
  if (ok && cursor) x->cursor = cq_strdup(cursor);
  if (!x->client || (ok && u->keep && !x->keep) ||
      (ok && cursor && !x->cursor)) {
    free_units(x);
    return cq_error_nomem(err);
  }
  x->status = words[2];
  for (int i = 0; i < 2; i++)
    if (strcmp(status, words[i]) == 0) x->status = words[i];
  x->rows = ok ? u->rows : 0;
  x->written = u->rows;
  x->whole = u->whole;
  x->from = u->start;
  x->part = u->part || u->parts;
  x->finished_us = cq_now_us();
  x->started_us = u->started_us ? u->started_us : x->finished_us;
  *t->last = x;
  t->last = &x->next;
  t->nended++;
  if (!d->ended_ms) d->ended_ms = cq_mono_ms();
  /* Rows of the next part are never beside those of this one. */
  if (u->part) rc = duck_flush(d, err);
  if (rc == CQ_OK) rc = flush_if_full(d, t, err);
  duck_counts_out(t);
  return rc;
}

/* What waits is flushed at the run's end; close frees. */
void duck_drop(cq_dest *base, cq_dest_table *t) {
  (void)base, (void)t;
}

/* Tables that failed while another was written, or none. */
int duck_poll(cq_dest *base, cq_dest_event *out) {
  duck *d = (duck *)base;

  if (cq_dest_warns(&d->unsaid, out)) return CQ_ROW;
  for (duck_table *t = d->tables; t; t = t->next)
    if (t->failed && !t->told) {
      memset(out, 0, sizeof *out);
      out->table = t->table;
      out->why = t->why;
      t->told = 1;
      return CQ_ROW;
    }
  return CQ_DONE;
}

int duck_commit(cq_dest *base, int force, cq_error *err) {
  duck *d = (duck *)base;
  int64_t now = cq_mono_ms();
  int rc = CQ_OK;

  if (force || (d->ended_ms && now - d->ended_ms >= d->options.gather.ms))
    rc = duck_flush(d, err);
  if (rc == CQ_OK && d->noted_ms && (force || now - d->noted_ms >= NOTE_MS))
    rc = duck_notes(d, err);
  return rc;
}
