/* ext/scan/small.c: an answer of few records read as a whole, page after page:
 * what discovery and identification of clients need. */
#include <string.h>

#include "scan/internal.h"

struct cq_reader {
  cq_reader_def def;
  cq_scope scope;
  cq_pages pages;
  const cq_decode_ops *ops;
  cq_program *program;
  cq_batch *rows;
  cq_arena arena;
  cq_field envelope[3];
  int skipped, done;
  cq_outcome outcome;
};

static int reader_send(cq_reader *r, cq_error *err) {
  cq_fetch_def d = r->def.fetch;
  cq_scope s = r->scope;

  s.page = &r->pages.state;
  d.url = r->pages.state.url;
  d.named = r->pages.state.named;
  return cq_fetch_open(&d, &s, &r->pages.fetch, err);
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
  p.optional_rows = d->optional_rows;
  p.fields = d->fields;
  p.nfield = d->nfield;
  p.nslot = d->nslot;
  p.envelope = r->envelope;
  p.nenvslot = 3;
  rc = d->page ? cq_page_envelope(d->page, &r->arena, r->envelope, &p.nenvelope)
               : CQ_OK;
  if (rc) cq_error_nomem(err);
  cq_pages_start(&r->pages, d->page, -1, r->ops);
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

/* The page is complete: go on, or end. */
static int reader_next(cq_reader *r, cq_error *err) {
  int go = 0;
  int rc = cq_pages_follow(&r->pages, NULL, &go, err);

  if (rc) cq_error_prefix(err, "%s: ", r->def.fetch.table);
  cq_pages_drop(&r->pages, r->def.stats);
  if (rc == CQ_OK && go)
    rc = reader_send(r, err);
  else
    r->done = 1;
  return rc;
}

int cq_reader_poll(cq_reader *r, cq_error *err) {
  while (!r->done) {
    int whole, rc;

    r->outcome = cq_fetch_poll(r->pages.fetch);
    switch (r->outcome) {
    case CQ_F_BUSY:
      return CQ_BUSY;
    case CQ_F_EMPTY:
    case CQ_F_SKIP_ROW:
    case CQ_F_SKIP_CLIENT:
      r->skipped = 1;
      cq_fetch_fail(r->pages.fetch, err);
      r->done = 1;
      return CQ_DONE;
    case CQ_F_DENIED: /* of what everything else depends on */
    case CQ_F_ERROR:
      return cq_fetch_fail(r->pages.fetch, err);
    case CQ_F_DATA:
      break;
    }
    rc = cq_pages_read(&r->pages, r->program, r->rows, &whole, err);
    if (rc) return rc;
    if (r->rows->nrow > CQ_MAX_DISCOVERED)
      return cq_error_set(err, CQ_TOOBIG,
                          "%s: more than %d entries in one list",
                          r->def.fetch.table, (int)CQ_MAX_DISCOVERED);
    if (whole && (rc = reader_next(r, err)) != 0) return rc;
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
  cq_pages_clear(&r->pages, r->def.stats);
  if (r->program) r->ops->program_free(r->program);
  cq_batch_free(r->rows);
  cq_arena_clear(&r->arena);
  cq_free(r);
}
