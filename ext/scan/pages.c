/* ext/scan/pages.c: the pages of one list, one after the other: what a request's
 * answer brings is decoded as it comes, then the way to the next is found.  Who
 * reads the list makes its requests, and owns the batch. */
#include "scan/internal.h"

int64_t cq_page_size(const cq_page_def *d, int64_t cap) {
  int64_t size = d->size;

  if (d->max_size > 0 && size > d->max_size) size = d->max_size;
  if (cap > 0 && cap < size && size > 0)
    size = cap > d->min_size ? cap : d->min_size;
  return size;
}

void cq_pages_start(cq_pages *p, const cq_page_def *def, int64_t cap,
                    const cq_decode_ops *ops) {
  static const cq_page_def one = {.by = CQ_PAGE_NONE};

  p->def = def ? def : &one;
  p->ops = ops;
  cq_page_start(p->def, cq_page_size(p->def, cap), &p->state);
}

/* All of it is there: the document in it, as far as there is one. */
static int pages_whole(cq_pages *p, cq_block **piece, cq_error *err) {
  int rc;

  if (!p->outer || !*piece || !(*piece)->len) return CQ_OK;
  rc = cq_inner_take(p->holds, p->outer, piece, err);
  if (rc) cq_fetch_prefix(p->fetch, err);
  return rc;
}

int cq_pages_read(cq_pages *p, const cq_program *program, cq_batch *into,
                  int *whole, cq_error *err) {
  int64_t rest = into->rest;
  int before = into->nrow, first = !p->decoder, nothing, rc;
  cq_block *piece;

  rc = cq_fetch_take(p->fetch, &piece, whole, err);
  if (rc) return rc;
  if (!piece && !*whole) return CQ_BUSY;
  if (*whole) rc = pages_whole(p, &piece, err);
  nothing = first && *whole && (!piece || piece->len == 0);
  if (rc == CQ_OK && nothing) rc = cq_fetch_empty(p->fetch, p->ops, err);
  if (rc == CQ_OK && first) rc = p->ops->open(program, &p->decoder, err);
  if (rc || nothing) {
    if (piece) cq_block_unref(piece);
    return rc;
  }
  if (first) p->seen = 0;
  if (first && *whole) cq_page_body(p->def, &p->state, piece->data, piece->len);
  rc = p->ops->feed(p->decoder, piece, *whole, into, err);
  if (rc) cq_fetch_refused(p->fetch, err);
  p->seen += into->nrow - before + (into->rest - rest);
  return rc;
}

int cq_pages_follow(cq_pages *p, const cq_value *last, int *go, cq_error *err) {
  return cq_page_follow(p->def, &p->state, p->fetch, p->seen,
                        p->ops->envelope(p->decoder), last, go, err);
}

void cq_pages_drop(cq_pages *p, cq_scan_stats *stats) {
  if (p->fetch && stats) cq_fetch_stats(p->fetch, stats);
  cq_fetch_close(p->fetch);
  p->fetch = NULL;
  if (p->decoder) p->ops->close(p->decoder);
  p->decoder = NULL;
  p->seen = 0;
}

void cq_pages_clear(cq_pages *p, cq_scan_stats *stats) {
  cq_pages_drop(p, stats);
  cq_page_clear(&p->state);
}
