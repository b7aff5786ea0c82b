/* ext/scan/calls.c: the further requests that the rows of one batch need: one
 * per row or per group of rows, many at once, those that need another call's
 * columns after it.
 *
 * An answer is decoded as a whole into a small batch of its own and copied
 * into the rows' cells.  A call that an error rule makes empty leaves its
 * columns NULL; skip_row drops the rows that asked. */
#include <stdio.h>
#include <string.h>

#include "scan/internal.h"

typedef struct unit {    /* one request of one call */
  int call, first, nrow; /* rows first .. first + nrow - 1 */
  cq_pages pages;
  cq_batch *answer;
  int done;
} unit;

struct cq_calls {
  cq_scan_shared *sh;
  cq_scope base;
  cq_batch *batch;
  unit *units;
  size_t nunit;
  int *left; /* per call: units not done; -1 = filled */
  unsigned char *dropped;
};

static int calls_when(cq_calls *c, const cq_call *d, int row, int *yes,
                      cq_error *err) {
  cq_scope s = c->base;
  const cq_value *cells = cq_batch_row(c->batch, row);
  cq_context ctx = cq_scope_context(&s);
  cq_arena tmp;
  int rc;

  *yes = 1;
  for (size_t i = 0; i < d->nafter; i++)
    if (cells[d->after[i]].kind == CQ_NULL) *yes = 0;
  if (!*yes || !d->when) return CQ_OK;
  s.rows = &cells;
  s.nrow = 1;
  cq_arena_init(&tmp);
  rc = cq_template_true(d->when, &ctx, &tmp, yes, err);
  cq_arena_clear(&tmp);
  return rc;
}

const cq_decode_ops *cq_call_decode(const cq_scan_shared *sh, size_t call) {
  const cq_request_def *r = sh->table->calls[call].request;
  const cq_decode_ops *own = r && r->decode ? cq_decode_find(r->decode) : NULL;

  return own ? own : sh->decode;
}

int cq_calls_open(cq_scan_shared *sh, cq_scope base, cq_batch *batch,
                  cq_calls **out, cq_error *err) {
  const cq_table *t = sh->table;
  cq_calls *c;
  size_t n = 0;

  *out = NULL;
  for (size_t k = 0; k < t->ncall; k++)
    n += sh->need.call[k] ? (size_t)batch->nrow : 0;
  if (n == 0) return CQ_OK;
  c = cq_calloc(1, sizeof *c);
  if (!c) return cq_error_nomem(err);
  c->sh = sh;
  c->base = base;
  c->batch = batch;
  c->units = cq_calloc(n, sizeof *c->units);
  c->left = cq_calloc(t->ncall, sizeof *c->left);
  c->dropped = cq_calloc((size_t)batch->nrow + 1, 1);
  if (!c->units || !c->left || !c->dropped) {
    cq_calls_close(c);
    return cq_error_nomem(err);
  }
  for (size_t k = 0; k < t->ncall; k++) {
    int step = t->calls[k].batch > 1 ? t->calls[k].batch : 1;

    for (int r = 0; sh->need.call[k] && r < batch->nrow; r += step) {
      unit *u = &c->units[c->nunit++];

      u->call = (int)k;
      u->first = r;
      u->nrow = batch->nrow - r < step ? batch->nrow - r : step;
      cq_pages_start(&u->pages, &t->calls[k].page, -1, cq_call_decode(sh, k));
      c->left[k]++;
    }
  }
  *out = c;
  return CQ_OK;
}

static int brings_key(const cq_table *t, const unit *u) {
  int yes = 0;

  for (size_t i = 0; i < t->nkey; i++)
    yes |= t->columns[t->key[i]].call == u->call;
  return yes && t->calls[u->call].batch <= 1;
}

static int unit_ready(const cq_calls *c, const unit *u) {
  const cq_call *d = &c->sh->table->calls[u->call];

  for (size_t k = 0; k < c->sh->table->ncall; k++)
    if ((d->needs >> k & 1u) && c->sh->need.call[k] && c->left[k] >= 0)
      return 0;
  return 1;
}

static int unit_send(cq_calls *c, unit *u, cq_error *err) {
  const cq_call *d = &c->sh->table->calls[u->call];
  const cq_value **rows = cq_malloc((size_t)u->nrow * sizeof *rows);
  cq_scope s = c->base;
  cq_fetch_def f;
  size_t n = 0;
  int rc = CQ_OK, yes;

  if (!rows) return cq_error_nomem(err);
  for (int i = 0; i < u->nrow && rc == CQ_OK; i++) {
    if (c->dropped[u->first + i]) continue;
    rc = calls_when(c, d, u->first + i, &yes, err);
    if (rc == CQ_OK && yes) rows[n++] = cq_batch_row(c->batch, u->first + i);
  }
  if (rc == CQ_OK && n == 0) u->done = 1;
  if (rc || n == 0) goto done;
  s.rows = rows;
  s.nrow = n;
  s.batched = d->batch > 1;
  s.page = &u->pages.state;
  memset(&f, 0, sizeof f);
  f.env = c->sh->o->env;
  f.source = c->sh->source;
  f.table = c->sh->table->name;
  f.service = c->sh->table->service;
  f.permissions = c->sh->table->permissions;
  f.request = d->request;
  f.errors = &d->errors;
  f.limits = &d->limits;
  f.url = u->pages.state.url;
  f.named = u->pages.state.named;
  f.live = c->sh->o->live;
  f.priority = 1;
  rc = cq_fetch_open(&f, &s, &u->pages.fetch, err);
  if (rc == CQ_OK) c->sh->inflight_calls++;
done:
  cq_free(rows);
  return rc;
}

static void unit_stop(cq_calls *c, unit *u) {
  if (u->pages.fetch) c->sh->inflight_calls--;
  cq_pages_drop(&u->pages, c->sh->stats);
}

static int cell_equal(const cq_value *a, const cq_value *b) {
  return a->kind == b->kind && cq_value_same(a, b);
}

static int unit_copy(cq_calls *c, int call, const cq_value *from, int row,
                     cq_error *err) {
  const cq_table *t = c->sh->table;
  cq_value *to = cq_batch_row(c->batch, row);

  for (int i = 0; i < t->nslot; i++) {
    int mine = i < t->ncol ? t->columns[i].source == CQ_FROM_PATH &&
                                 t->columns[i].call == call
                           : t->slots[i].call == call;

    if (mine && c->sh->need.slot[i] &&
        cq_value_copy(&c->batch->arena, &from[i], &to[i]))
      return cq_error_nomem(err);
  }
  return CQ_OK;
}

/* All records of a list answer as one JSON array, into the call's columns. */
static int unit_list(cq_calls *c, unit *u, cq_error *err) {
  const cq_table *t = c->sh->table;
  cq_buf b;
  cq_value v;
  int rc = CQ_OK;

  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  cq_buf_byte(&b, '[');
  for (int r = 0; r < u->answer->nrow; r++) {
    const cq_value *item = &cq_batch_row(u->answer, r)[t->nslot];

    if (r) cq_buf_byte(&b, ',');
    if (item->kind == CQ_STR && !item->json)
      cq_buf_json(&b, item->u.s, item->len);
    else if (item->kind == CQ_STR)
      cq_buf_add(&b, item->u.s, item->len);
    else if (cq_value_to_text(&u->answer->arena, item, &v))
      b.rc = CQ_NOMEM;
    else if (v.kind == CQ_NULL)
      cq_buf_str(&b, "null");
    else
      cq_buf_add(&b, v.u.s, v.len);
  }
  cq_buf_byte(&b, ']');
  if (b.rc) {
    rc = cq_error_set(err, b.rc, "%s: call %s: its list does not fit a cell",
                      t->name, t->calls[u->call].name);
  } else {
    v = cq_value_json(b.data, b.len);
    for (int i = 0; i < t->nslot && rc == CQ_OK; i++) {
      int mine = i < t->ncol ? t->columns[i].source == CQ_FROM_PATH &&
                                   t->columns[i].call == u->call
                             : t->slots[i].call == u->call;

      if (mine && c->sh->need.slot[i] &&
          cq_value_copy(&c->batch->arena, &v,
                        &cq_batch_row(c->batch, u->first)[i]))
        rc = cq_error_nomem(err);
    }
  }
  cq_buf_clear(&b);
  return rc;
}

/* Pages of one record are its parts. */
static int unit_parts(cq_calls *c, unit *u, cq_error *err) {
  cq_value *first = cq_batch_row(u->answer, 0);
  int rc = CQ_OK;

  for (int r = 1; r < u->answer->nrow && rc == CQ_OK; r++) {
    const cq_value *more = cq_batch_row(u->answer, r);

    for (int i = 0; i < c->sh->table->nslot && rc == CQ_OK; i++)
      rc = cq_cell_merge(&u->answer->arena, &first[i], &more[i], err);
  }
  return rc;
}

static int unit_apply(cq_calls *c, unit *u, cq_error *err) {
  const cq_table *t = c->sh->table;
  const cq_call *d = &t->calls[u->call];
  int rc = CQ_OK;

  c->batch->warnings += u->answer->warnings;
  if (d->rows && !d->join_record) return unit_list(c, u, err);
  if (!d->join_record) {
    if (!u->answer->nrow) return CQ_OK;
    rc = unit_parts(c, u, err);
    return rc ? rc
              : unit_copy(c, u->call, cq_batch_row(u->answer, 0), u->first,
                          err);
  }
  for (int r = 0; r < u->answer->nrow && rc == CQ_OK; r++) {
    const cq_value *rec = cq_batch_row(u->answer, r);

    for (int i = u->first; i < u->first + u->nrow && rc == CQ_OK; i++) {
      int yes;

      if (!cell_equal(&rec[t->nslot], &cq_batch_row(c->batch, i)[d->join_slot]))
        continue;
      rc = calls_when(c, d, i, &yes, err);
      if (rc == CQ_OK && yes) rc = unit_copy(c, u->call, rec, i, err);
    }
  }
  return rc;
}

static int unit_page(cq_calls *c, unit *u, cq_error *err) {
  cq_head head = cq_fetch_head(u->pages.fetch);
  cq_scope s = c->base;
  int go = 0;
  int rc = cq_pages_follow(&u->pages, NULL, &go, err);

  s.answer = &head;
  if (rc == CQ_OK)
    rc = cq_columns_late(c->sh, &s, c->batch, u->first, u->nrow, u->call, err);
  unit_stop(c, u);
  if (rc)
    cq_error_prefix(err, "%s: call %s: ", c->sh->table->name,
                    c->sh->table->calls[u->call].name);
  else if (go)
    rc = unit_send(c, u, err);
  else {
    rc = unit_apply(c, u, err);
    u->done = 1;
  }
  return rc;
}

/* All pages become one cell, or the cells of these rows. */
static int unit_bounded(const cq_calls *c, const unit *u, cq_error *err) {
  if (cq_batch_bytes(u->answer) <= CQ_MAX_RECORD_BYTES) return CQ_OK;
  return cq_error_set(err, CQ_TOOBIG,
                      "%s: call %s: its answer is longer than %d MiB",
                      c->sh->table->name, c->sh->table->calls[u->call].name,
                      (int)(CQ_MAX_RECORD_BYTES >> 20));
}

static int unit_poll(cq_calls *c, unit *u, cq_error *err) {
  cq_scan_shared *sh = c->sh;
  cq_error why = {0, ""};
  int whole, rc, yes;
  cq_outcome o = cq_fetch_poll(u->pages.fetch);

  switch (o) {
  case CQ_F_BUSY:
    return CQ_BUSY;
  case CQ_F_ERROR:
    return cq_fetch_fail(u->pages.fetch, err);
  case CQ_F_SKIP_ROW:
    for (int i = u->first; i < u->first + u->nrow; i++) {
      rc = calls_when(c, &sh->table->calls[u->call], i, &yes, err);
      if (rc) return rc;
      if (!yes || c->dropped[i]) continue;
      c->dropped[i] = 1;
      sh->stats->skipped_rows++;
    }
    /* fall through */
  case CQ_F_SKIP_CLIENT:
  case CQ_F_DENIED:
  case CQ_F_EMPTY:
    if (o == CQ_F_DENIED) {
      cq_fetch_fail(u->pages.fetch, &why);
      cq_stats_denied(sh->stats, &why);
    } else if (o != CQ_F_EMPTY && !sh->stats->skip_reason[0]) {
      cq_fetch_fail(u->pages.fetch, &why);
      snprintf(sh->stats->skip_reason, sizeof sh->stats->skip_reason, "%s",
               why.text);
    }
    /* What nothing more is known of than that it was listed is no row. */
    if (o != CQ_F_SKIP_ROW && brings_key(sh->table, u)) {
      c->dropped[u->first] = 1;
      if (o == CQ_F_DENIED) {
        rc = cq_denied_rows(sh, c->base.parent_rows, c->base.nparent, err);
        if (rc) return rc;
      }
    }
    sh->stats->warnings += o == CQ_F_SKIP_CLIENT;
    unit_stop(c, u);
    u->done = 1;
    return CQ_OK;
  case CQ_F_DATA:
    break;
  }
  if (!u->answer && !(u->answer = cq_batch_new(sh->table->nslot + 1)))
    return cq_error_nomem(err);
  rc = cq_pages_read(&u->pages, sh->call_programs[u->call], u->answer, &whole,
                     err);
  if (rc == CQ_OK) rc = unit_bounded(c, u, err);
  if (rc) return rc;
  return whole ? unit_page(c, u, err) : CQ_OK;
}

int cq_calls_poll(cq_calls *c, cq_error *err) {
  int all = 1, rc;

  for (size_t i = 0; i < c->nunit; i++) {
    unit *u = &c->units[i];

    if (u->done) continue;
    if (!u->pages.fetch) {
      if (!unit_ready(c, u) || c->sh->inflight_calls >= 2 * CQ_WINDOW) {
        all = 0;
        continue;
      }
      if ((rc = unit_send(c, u, err)) != 0) return rc;
    }
    while (u->pages.fetch && !u->done) {
      rc = unit_poll(c, u, err);
      if (rc == CQ_BUSY) break;
      if (rc) return rc;
    }
    if (!u->done) {
      all = 0;
      continue;
    }
    cq_batch_free(u->answer);
    u->answer = NULL;
    cq_page_clear(&u->pages.state);
    if (--c->left[u->call] == 0) {
      cq_scope s = c->base;

      c->left[u->call] = -1;
      rc = cq_columns_fill(c->sh, &s, c->batch, 0, u->call, err);
      if (rc) return rc;
    }
  }
  if (all) {
    cq_scope s = c->base;

    rc = cq_columns_late(c->sh, &s, c->batch, 0, c->batch->nrow, -1, err);
    if (rc) return rc;
  }
  return all ? CQ_DONE : CQ_BUSY;
}

const unsigned char *cq_calls_dropped(const cq_calls *c) {
  return c->dropped;
}

void cq_calls_close(cq_calls *c) {
  if (!c) return;
  for (size_t i = 0; i < c->nunit; i++) {
    unit_stop(c, &c->units[i]);
    cq_batch_free(c->units[i].answer);
    cq_page_clear(&c->units[i].pages.state);
  }
  cq_free(c->units);
  cq_free(c->left);
  cq_free(c->dropped);
  cq_free(c);
}
