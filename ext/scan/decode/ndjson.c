/* ext/scan/decode/ndjson.c: a JSON value a line, each a record. */
#include "scan/decode/internal.h"

typedef struct ndjson_decoder {
  const cq_decode_ops *ops;
  cq_feed feed;
  cq_walk walk;
  int behind; /* the line's record has been read */
  cq_value *envelope;
} ndjson_decoder;

static int ndjson_compile(const cq_program_def *def, cq_program **out,
                          cq_error *err) {
  *out = NULL;
  if (cq_program_lines(def, "ndjson", err)) return CQ_ERROR;
  return cq_program_make(&cq_decode_ndjson, def, out, err);
}

static void ndjson_close(cq_decoder *cd) {
  ndjson_decoder *d = (ndjson_decoder *)cd;

  if (!d) return;
  if (d->walk.picks) cq_walk_clear(&d->walk);
  cq_free(d->envelope);
  cq_feed_clear(&d->feed);
  cq_free(d);
}

static int ndjson_open(const cq_program *p, cq_decoder **out, cq_error *err) {
  ndjson_decoder *d = cq_calloc(1, sizeof *d);

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->ops = &cq_decode_ndjson;
  d->envelope = cq_calloc((size_t)p->nenvslot + 1, sizeof *d->envelope);
  if (!d->envelope || cq_walk_init(&d->walk, &p->record)) {
    ndjson_close((cq_decoder *)d);
    return cq_error_nomem(err);
  }
  *out = (cq_decoder *)d;
  return CQ_OK;
}

/* Over the rest of a line, which must be blank; NULL where it is not. */
static const char *ndjson_line(ndjson_decoder *d, const char *p) {
  while (*p == ' ' || *p == '\t' || *p == '\r') p++;
  if (*p == '\n') {
    d->behind = 0;
    return p + 1;
  }
  if (p < d->walk.j.end)
    return cq_js_refuse(&d->walk.j, p, "text behind a line's record");
  return p;
}

static int ndjson_feed(cq_decoder *cd, cq_block *piece, int final,
                       cq_batch *batch, cq_error *err) {
  ndjson_decoder *d = (ndjson_decoder *)cd;
  cq_js *j = &d->walk.j;
  int before = batch->nrow, ready;
  int rc = cq_feed_add(&d->feed, piece, final, &ready, err);
  const char *p, *q, *data;

  if (rc || !ready) return rc;
  data = d->feed.block->data;
  d->feed.retry = 0;
  p = data + d->feed.at;
  j->end = data + d->feed.block->len;
  j->bad = NULL;
  if (d->feed.base == 0 && p == data && (unsigned char)*p == 0xEF) {
    if (j->end - p < 3 && !final) return cq_feed_wait(&d->feed, err);
    if (memcmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
  }
  for (;;) {
    if (d->behind) {
      q = ndjson_line(d, p);
    } else {
      p = cq_js_space(p);
      q = p;
      if (p < j->end) {
        j->depth = 0;
        q = cq_walk_row(&d->walk, p, batch, final);
        d->behind = q != NULL;
      }
    }
    d->feed.at = (size_t)((q ? q : p) - data);
    if (!q || q >= j->end) break;
    p = q;
  }
  if (batch->nrow > before && cq_batch_hold(batch, d->feed.block))
    return cq_error_nomem(err);
  if (d->walk.rc == CQ_NOMEM) return cq_error_nomem(err);
  if (d->walk.rc)
    return cq_error_set(err, d->walk.rc,
                        "answer: a value is too large at byte %lld",
                        (long long)cq_feed_offset(&d->feed, p));
  if (q) return CQ_OK;
  if (j->bad < j->end || final)
    return cq_feed_refused(&d->feed, j, "NDJSON", err);
  return cq_feed_wait(&d->feed, err);
}

static const cq_value *ndjson_envelope(const cq_decoder *cd) {
  return ((const ndjson_decoder *)cd)->envelope;
}

const cq_decode_ops cq_decode_ndjson = {
    "ndjson",    ndjson_compile,  cq_program_drop, ndjson_open,
    ndjson_feed, ndjson_envelope, ndjson_close};
