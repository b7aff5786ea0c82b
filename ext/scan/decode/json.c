/* ext/scan/decode/json.c: one JSON document a body. */
#include <string.h>

#include "scan/decode/scan.h"

static int json_compile(const cq_program_def *d, cq_program **out,
                        cq_error *err) {
  return cq_program_make(&cq_decode_json, d, 0, out, err);
}

static int json_feed(cq_decoder *d, cq_block *piece, int final, cq_batch *batch,
                     cq_error *err) {
  int rc = cq_decoder_add(d, piece, err);

  if (rc || !final)
    return rc;
  if (!d->whole || d->whole->len == 0)
    return cq_error_set(err, CQ_ERROR, "answer is empty, expected JSON");
  /* Cells and envelope borrow the page: both batches hold it. */
  if (cq_batch_hold(batch, d->whole))
    return cq_error_nomem(err);
  rc = cq_document_read(d->program, d->whole->data, d->whole->len, batch,
                        d->envelope, err);
  for (int i = 0; i < d->program->nenvslot && rc == CQ_OK; i++)
    if (cq_value_copy(&d->kept->arena, &d->envelope[i], &d->envelope[i]))
      rc = cq_error_nomem(err);
  return rc;
}

const cq_decode_ops cq_decode_json = {"json",
                                      json_compile,
                                      cq_program_drop,
                                      cq_decoder_make,
                                      json_feed,
                                      cq_decoder_envelope,
                                      cq_decoder_drop};

static const cq_decode_ops *const all[] = {&cq_decode_json, &cq_decode_ndjson,
                                           &cq_decode_xml, &cq_decode_csv};

const cq_decode_ops *cq_decode_find(const char *name) {
  for (size_t i = 0; name && i < sizeof all / sizeof *all; i++)
    if (strcmp(all[i]->name, name) == 0)
      return all[i];
  return NULL;
}
