/* ext/dest/postgresql/gather.c: units as they come: rows are encoded and wait,
 * with the units that have ended, for the next transaction.
 *
 * Rows of a unit that is still open may go with it: in append they are seen by
 * nobody until the run publishes, in the overwrite modes they are staged. */
#include "dest/postgresql/internal.h"

#include <string.h>

#include "dest/encode/pgcopy.h"

enum {
  GATHER_UNITS = 500, /* that have ended: a kill takes them along */
  NOTE_MS = 1000      /* the journal's entries wait so long */
};

static size_t gathered(const pg *d, size_t *units) {
  size_t n = 0;

  *units = 0;
  for (const pg_table *t = d->tables; t; t = t->next) {
    n += t->rows.len;
    *units += t->nended;
  }
  return n;
}

static int is_full(const pg *d, const pg_table *t) {
  const cq_dest_gather *g = &d->options.gather;
  size_t units, bytes = gathered(d, &units);

  return bytes >= d->room || units >= (size_t)GATHER_UNITS ||
         t->nrows >= g->rows || (int64_t)t->rows.len >= g->bytes;
}

static int flush_if_full(pg *d, const pg_table *t, cq_error *err) {
  int rc = is_full(d, t) ? pg_flush(d, err) : CQ_OK;

  if (rc == CQ_OK && t->failed) {
    if (err) *err = t->why;
    rc = t->why.code;
  }
  return rc;
}

static pg_unit *unit_of(pg_table *t, cq_dest_unit *u) {
  pg_unit *x = u->own;

  if (x) return x;
  x = cq_calloc(1, sizeof *x);
  if (!x) return NULL;
  x->client = cq_strdup(u->client);
  if (!x->client) {
    cq_free(x);
    return NULL;
  }
  x->next = t->open;
  t->open = x;
  u->own = x;
  return x;
}

static int add_segment(pg_table *t, pg_unit *u, size_t at, int64_t rows,
                       cq_error *err) {
  pg_segment *s = t->nsegment ? &t->segments[t->nsegment - 1] : NULL;

  t->nrows += rows;
  if (s && s->unit == u) {
    s->len = t->rows.len - s->at;
    s->rows += rows;
    return CQ_OK;
  }
  if (cq_grow(&t->segments, &t->capsegment, t->nsegment, sizeof *t->segments))
    return cq_error_nomem(err);
  s = &t->segments[t->nsegment++];
  s->unit = u;
  s->at = at;
  s->len = t->rows.len - at;
  s->rows = rows;
  return CQ_OK;
}

static void encode_row(pg *d, const pg_table *t, cq_dest_unit *u,
                       const cq_dest_rows *rows, int row, cq_arena *a,
                       cq_buf *out) {
  int n = cq_dest_width(t->table);

  cq_buf_add(out, t->head, t->head_len);
  for (int i = 3; i < n; i++) {
    cq_value v = cq_dest_cell(t->run, u, rows, row, i);

    if (cq_pgcopy_field(out, a, cq_dest_type(t->table, i), &v))
      cq_dest_odd(u, i, &v);
  }
  if (t->numbered) {
    cq_value number = cq_value_int(++d->row);

    cq_pgcopy_field(out, a, CQ_INTEGER, &number);
  }
}

int pg_write(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
             const cq_dest_rows *rows, cq_error *err) {
  pg *d = (pg *)base;
  pg_table *t;
  pg_unit *x;
  cq_arena a;
  size_t at;
  int rc = pg_table_of(d, r, u->table, &t, err);

  if (rc) return rc;
  if (t->failed) {
    if (err) *err = t->why;
    return t->why.code;
  }
  x = unit_of(t, u);
  if (!x) return cq_error_nomem(err);
  cq_arena_init(&a);
  if (!u->rows) u->start = d->row;
  at = t->rows.len;
  for (int i = 0; i < rows->batch->nrow; i++) {
    encode_row(d, t, u, rows, i, &a, &t->rows);
    cq_arena_reset(&a);
  }
  cq_arena_clear(&a);
  rc = t->rows.rc ? cq_error_nomem(err)
                  : add_segment(t, x, at, rows->batch->nrow, err);
  return rc ? rc : flush_if_full(d, t, err);
}

static void take_open(pg_table *t, const pg_unit *u) {
  pg_unit **at = &t->open;

  while (*at && *at != u) at = &(*at)->next;
  if (*at) *at = u->next;
}

int pg_end(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
           const char *status, const char *cursor, cq_error *err) {
  static const char *const words[] = {"ok", "failed", "skipped"};
  pg *d = (pg *)base;
  int ok = strcmp(status, "ok") == 0;
  pg_table *t;
  pg_unit *x;
  int rc = pg_table_of(d, r, u->table, &t, err);

  if (rc) return rc;
  x = unit_of(t, u);
  if (!x) return cq_error_nomem(err);
  if (ok && u->keep && !(x->keep = cq_strdup(u->keep)))
    return cq_error_nomem(err);
  if (ok && cursor && !(x->cursor = cq_strdup(cursor)))
    return cq_error_nomem(err);
  take_open(t, x);
  u->own = NULL;
  x->next = NULL;
  x->status = words[2];
  for (int i = 0; i < 2; i++)
    if (strcmp(status, words[i]) == 0) x->status = words[i];
  x->rows = ok ? u->rows : 0;
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
  rc = t->failed ? CQ_OK : u->part ? pg_flush(d, err) : CQ_OK;
  if (rc == CQ_OK && !t->failed) rc = flush_if_full(d, t, err);
  pg_counts_out(t);
  return rc;
}

/* What has ended waits until it is flushed, and for the counts; close frees. */
void pg_drop(cq_dest *base, cq_dest_table *t) {
  (void)base, (void)t;
}

int pg_commit(cq_dest *base, int force, cq_error *err) {
  pg *d = (pg *)base;
  int64_t now = cq_mono_ms();
  int rc = CQ_OK;

  if (force || (d->ended_ms && now - d->ended_ms >= d->options.gather.ms))
    rc = pg_flush(d, err);
  if (rc == CQ_OK && d->noted_ms && (force || now - d->noted_ms >= NOTE_MS))
    rc = pg_notes(d, err);
  return rc;
}

int pg_poll(cq_dest *base, cq_dest_event *out) {
  pg *d = (pg *)base;

  if (cq_dest_warns(&d->unsaid, out)) return CQ_ROW;

  for (pg_table *t = d->tables; t; t = t->next) {
    if (!t->failed || t->told) continue;
    memset(out, 0, sizeof *out);
    t->told = 1;
    out->table = t->table;
    out->why = t->why;
    return CQ_ROW;
  }
  return CQ_DONE;
}
