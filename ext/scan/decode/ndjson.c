/* ext/scan/decode/ndjson.c: one JSON value a line; each line is a record. */
#include <string.h>

#include "scan/decode/scan.h"

static int ndjson_compile(const cq_program_def *d, cq_program **out,
                          cq_error *err) {
  if (d->rows->nstep)
    return cq_error_set(err, CQ_ERROR,
                        "ndjson: rows must be \".\", each line is a record");
  return cq_program_make(&cq_decode_ndjson, d, 0, out, err);
}

static int ndjson_feed(cq_decoder *d, cq_block *piece, int final,
                       cq_batch *batch, cq_error *err) {
  int rc = cq_decoder_add(d, piece, err);
  const char *p, *end;
  long line = 0;

  if (rc || !final || !d->whole)
    return rc;
  if (cq_batch_hold(batch, d->whole))
    return cq_error_nomem(err);
  p = d->whole->data;
  end = p + d->whole->len;
  if (end - p >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
    p += 3;
  while (p < end && rc == CQ_OK) {
    const char *nl = memchr(p, '\n', (size_t)(end - p));
    const char *stop = nl ? nl : end, *at, *after;
    cq_js j = {p, stop, NULL, NULL};
    cq_value *cells;

    line++;
    at = cq_js_space(&j, p);
    p = stop + (nl != NULL);
    if (at == stop)
      continue;
    cells = cq_batch_add(batch);
    if (!cells)
      return cq_error_nomem(err);
    after = cq_fields_read(d->program->fields, &j, at, NULL, 0, cells, batch,
                           &rc);
    if (after)
      after = cq_js_space(&j, after);
    if (rc)
      rc = cq_error_nomem(err);
    else if (!after || after != stop) {
      if (after) {
        j.bad = after;
        j.what = "text after the end";
      }
      rc = cq_js_error(&j, err);
      cq_error_prefix(err, "line %ld: ", line);
    }
  }
  return rc;
}

const cq_decode_ops cq_decode_ndjson = {"ndjson",
                                        ndjson_compile,
                                        cq_program_drop,
                                        cq_decoder_make,
                                        ndjson_feed,
                                        cq_decoder_envelope,
                                        cq_decoder_drop};
