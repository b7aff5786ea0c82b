/* ext/scan/small.c: an answer of few records read as a whole, page after page:
 * what discovery and identification of clients need. */
#include <string.h>

#include "scan/internal.h"

struct cq_reader {
  cq_reader_def def;
  cq_scope scope;
  cq_page_state page;
  cq_fetch *fetch;
  const cq_decode_ops *ops;
  cq_program *program;
  cq_batch *rows;
  cq_decoder *decoder;
  cq_arena arena;
  cq_field envelope[3];
  int skipped, done;
  cq_outcome outcome;
  int before; /* records before this page */
};

static int reader_send(cq_reader *r, cq_error *err) {
  cq_fetch_def d = r->def.fetch;
  cq_scope s = r->scope;

  s.page = &r->page;
  d.page = r->def.page;
  d.url = r->page.url;
  return cq_fetch_open(&d, &s, &r->fetch, err);
}

int cq_reader_open(const cq_reader_def *d, const cq_scope *scope,
                   cq_reader **out, cq_error *err) {
  cq_reader *r = cq_calloc(1, sizeof *r);
  cq_program_def p;
  int rc;

  *out = NULL;
  if (!r) return cq_error_nomem(err);
  cq_arena_init(&r->arena);
  r->def = *d;
  r->scope = *scope;
  r->ops = cq_decode_find(d->fetch.request->decode);
  if (!r->ops) r->ops = &cq_decode_json;
  memset(&p, 0, sizeof p);
  p.rows = d->rows;
  p.optional_rows = 1;
  p.fields = d->fields;
  p.nfield = d->nfield;
  p.nslot = d->nslot;
  p.envelope = r->envelope;
  p.nenvslot = 3;
  rc = d->page ? cq_page_envelope(d->page, &r->arena, r->envelope, &p.nenvelope)
               : CQ_OK;
  if (rc) cq_error_nomem(err);
  if (d->page) cq_page_start(d->page, d->page->size, &r->page);
  if (rc == CQ_OK) rc = r->ops->compile(&p, &r->program, err);
  if (rc == CQ_OK && !(r->rows = cq_batch_new(d->nslot > 0 ? d->nslot : 1)))
    rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = reader_send(r, err);
  if (rc) {
    cq_reader_close(r);
    return rc;
  }
  *out = r;
  return CQ_OK;
}

static void reader_drop(cq_reader *r) {
  if (r->fetch && r->def.stats) cq_fetch_stats(r->fetch, r->def.stats);
  cq_fetch_close(r->fetch);
  r->fetch = NULL;
}

/* The page is complete: go on, or end. */
static int reader_next(cq_reader *r, cq_error *err) {
  const cq_value *env = r->ops->envelope(r->decoder);
  int go = 0, rc = CQ_OK;

  if (r->def.page)
    rc = cq_page_follow(r->def.page, &r->page, r->fetch,
                        r->rows->nrow - r->before, env, NULL, &go, err);
  if (rc) cq_error_prefix(err, "%s: ", r->def.fetch.table);
  r->ops->close(r->decoder);
  r->decoder = NULL;
  reader_drop(r);
  if (rc == CQ_OK && go)
    rc = reader_send(r, err);
  else
    r->done = 1;
  return rc;
}

int cq_reader_poll(cq_reader *r, cq_error *err) {
  while (!r->done) {
    cq_block *piece;
    int first = !r->decoder, final, rc;

    r->outcome = cq_fetch_poll(r->fetch);
    switch (r->outcome) {
    case CQ_F_BUSY:
      return CQ_BUSY;
    case CQ_F_EMPTY:
    case CQ_F_SKIP_ROW:
    case CQ_F_SKIP_CLIENT:
      r->skipped = 1;
      cq_fetch_fail(r->fetch, err);
      r->done = 1;
      return CQ_DONE;
    case CQ_F_DENIED: /* of what everything else depends on */
    case CQ_F_ERROR:
      return cq_fetch_fail(r->fetch, err);
    case CQ_F_DATA:
      break;
    }
    rc = cq_fetch_take(r->fetch, &piece, &final, err);
    if (rc) return rc;
    if (!piece && !final) return CQ_BUSY;
    if (first && final && (!piece || piece->len == 0))
      rc = cq_fetch_empty(r->fetch, r->ops, err);
    if (rc == CQ_OK && first) rc = r->ops->open(r->program, &r->decoder, err);
    if (rc) {
      if (piece) cq_block_unref(piece);
      return rc;
    }
    if (first) r->before = r->rows->nrow;
    if (final && piece && first && r->def.page)
      cq_page_body(r->def.page, &r->page, piece->data, piece->len);
    rc = r->ops->feed(r->decoder, piece, final, r->rows, err);
    if (rc) {
      cq_fetch_refused(r->fetch, err);
      return rc;
    }
    if (r->rows->nrow > CQ_MAX_DISCOVERED)
      return cq_error_set(err, CQ_TOOBIG,
                          "%s: more than %d entries in one list",
                          r->def.fetch.table, (int)CQ_MAX_DISCOVERED);
    if (final && (rc = reader_next(r, err)) != 0) return rc;
  }
  return CQ_DONE;
}

const cq_batch *cq_reader_rows(const cq_reader *r) {
  return r->rows;
}
int cq_reader_skipped(const cq_reader *r) {
  return r->skipped;
}
cq_outcome cq_reader_outcome(const cq_reader *r) {
  return r->outcome;
}

void cq_reader_close(cq_reader *r) {
  if (!r) return;
  if (r->decoder) r->ops->close(r->decoder);
  if (r->program) r->ops->program_free(r->program);
  cq_batch_free(r->rows);
  reader_drop(r);
  cq_page_clear(&r->page);
  cq_arena_clear(&r->arena);
  cq_free(r);
}
