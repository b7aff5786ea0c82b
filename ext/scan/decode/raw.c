/* ext/scan/decode/raw.c: an answer that is one value: a file, a document of a
 * kind that nobody reads here.  "." is all of it, as bytes or as text. */
#include "scan/decode/internal.h"

typedef struct raw_program {
  const cq_decode_ops *ops;
  int nenvslot, nfield;
  cq_field fields[];
} raw_program;

typedef struct raw_decoder {
  const cq_decode_ops *ops;
  const raw_program *program;
  cq_feed feed;
  cq_value *envelope;
} raw_decoder;

static int raw_check(const cq_path *path, cq_error *err) {
  if (!path->nstep) return CQ_OK;
  return cq_error_set(
      err, CQ_ERROR,
      "raw: path \"%.100s\": must be \".\", since the answer is "
      "one value",
      path->text);
}

static int raw_compile(const cq_program_def *def, cq_program **out,
                       cq_error *err) {
  raw_program *p;
  int rc = raw_check(def->rows, err);

  *out = NULL;
  for (int i = 0; i < def->nfield && rc == CQ_OK; i++)
    rc = raw_check(def->fields[i].path, err);
  for (int i = 0; i < def->nenvelope && rc == CQ_OK; i++)
    rc = raw_check(def->envelope[i].path, err);
  if (rc == CQ_OK && def->nenvelope)
    rc = cq_error_set(err, CQ_ERROR, "raw: there is nothing around the value");
  if (rc) return rc;
  p = cq_calloc(1, sizeof *p + (size_t)def->nfield * sizeof *p->fields);
  if (!p) return cq_error_nomem(err);
  p->ops = &cq_decode_raw;
  p->nenvslot = def->nenvslot;
  p->nfield = def->nfield;
  if (def->nfield)
    memcpy(p->fields, def->fields, (size_t)def->nfield * sizeof *p->fields);
  *out = (cq_program *)p;
  return CQ_OK;
}

static void raw_drop(cq_program *p) {
  cq_free(p);
}

static void raw_close(cq_decoder *cd) {
  raw_decoder *d = (raw_decoder *)cd;

  if (!d) return;
  cq_free(d->envelope);
  cq_feed_clear(&d->feed);
  cq_free(d);
}

static int raw_open(const cq_program *cp, cq_decoder **out, cq_error *err) {
  const raw_program *p = (const raw_program *)(const void *)cp;
  raw_decoder *d = cq_calloc(1, sizeof *d);

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->ops = &cq_decode_raw;
  d->program = p;
  d->envelope = cq_calloc((size_t)p->nenvslot + 1, sizeof *d->envelope);
  if (!d->envelope) {
    raw_close((cq_decoder *)d);
    return cq_error_nomem(err);
  }
  *out = (cq_decoder *)d;
  return CQ_OK;
}

static int raw_feed(cq_decoder *cd, cq_block *piece, int final, cq_batch *batch,
                    cq_error *err) {
  raw_decoder *d = (raw_decoder *)cd;
  cq_value all = cq_value_null(), *row;
  int ready, rc = cq_feed_add(&d->feed, piece, final, &ready, err);

  if (rc || !ready) return rc;
  /* It is a record like another, and bounded so. */
  rc = cq_feed_wait(&d->feed, err);
  if (rc || !final) return rc;
  all.kind = CQ_BYTES;
  all.u.s = d->feed.block->data + d->feed.at;
  all.len = (uint32_t)(d->feed.block->len - d->feed.at);
  row = cq_batch_add(batch);
  if (!row || cq_batch_hold(batch, d->feed.block)) return cq_error_nomem(err);
  for (int i = 0; i < d->program->nfield; i++) {
    const cq_field *f = &d->program->fields[i];
    int lossy = 0;

    if (cq_value_convert(&batch->arena, &all, f->type, f->format, &row[f->slot],
                         &lossy))
      return cq_error_nomem(err);
    batch->warnings += lossy;
  }
  return CQ_OK;
}

static const cq_value *raw_envelope(const cq_decoder *cd) {
  return ((const raw_decoder *)cd)->envelope;
}

const cq_decode_ops cq_decode_raw = {"raw",    raw_compile,  raw_drop, raw_open,
                                     raw_feed, raw_envelope, raw_close};
