/* ext/scan/inner.c: an answer that holds the document as a text: a report in
 * base64 within JSON or XML.  The answer is read whole; what stands in it is
 * then decoded as if it had been the answer. */
#include <string.h>

#include "scan/internal.h"

const cq_decode_ops *cq_inner_outer(const cq_request_def *r) {
  const cq_decode_ops *ops = r->decode ? cq_decode_find(r->decode) : NULL;

  return ops ? ops : &cq_decode_json;
}

int cq_inner_compile(const cq_request_def *r, cq_program **out, cq_error *err) {
  static const cq_path self = {".", 0, NULL};
  cq_field f = {r->inner.path, CQ_TEXT, NULL, NULL, 0, NULL};
  cq_program_def d;

  memset(&d, 0, sizeof d);
  d.rows = &self;
  d.optional_rows = 1;
  d.fields = &f;
  d.nfield = 1;
  d.nslot = 1;
  return cq_inner_outer(r)->compile(&d, out, err);
}

static int inner_block(const cq_request_def *r, const cq_value *v,
                       cq_block **out, cq_error *err) {
  cq_buf b;
  int rc = CQ_OK;

  cq_buf_init(&b, SIZE_MAX);
  if (r->inner.encoding) {
    char *flat = cq_malloc(v->len + 1);
    size_t n = 0;

    if (!flat) return cq_error_nomem(err);
    /* It may be broken into lines. */
    for (size_t i = 0; i < v->len; i++)
      if (!strchr(" \t\r\n", v->u.s[i])) flat[n++] = v->u.s[i];
    if (cq_base64_decode(&b, flat, n))
      rc = cq_error_set(err, CQ_ERROR, "answer: %s is not base64",
                        r->inner.path->text);
    cq_free(flat);
  } else {
    cq_buf_add(&b, v->u.s, v->len);
  }
  if (rc == CQ_OK && b.rc) rc = cq_error_nomem(err);
  *out = rc ? NULL : cq_block_new(b.len + 64);
  if (rc == CQ_OK && !*out) rc = cq_error_nomem(err);
  if (rc == CQ_OK) {
    if (b.len) memcpy((*out)->data, b.data, b.len);
    memset((*out)->data + b.len, 0, 64);
    (*out)->len = b.len;
  }
  cq_buf_clear(&b);
  return rc;
}

int cq_inner_take(const cq_request_def *r, const cq_program *p,
                  cq_block **piece, cq_error *err) {
  const cq_decode_ops *ops = cq_inner_outer(r);
  cq_batch *batch = cq_batch_new(1);
  cq_decoder *d = NULL;
  cq_block *whole = *piece, *out = NULL;
  const cq_value *v;
  int rc = batch ? ops->open(p, &d, err) : cq_error_nomem(err);

  *piece = NULL;
  if (rc) {
    cq_block_unref(whole);
    goto done;
  }
  rc = ops->feed(d, whole, 1, batch, err);
  v = rc == CQ_OK && batch->nrow ? cq_batch_row(batch, 0) : NULL;
  if (rc == CQ_OK && (!v || v->kind != CQ_STR))
    rc = cq_error_set(err, CQ_ERROR, "answer: there is no text at %s",
                      r->inner.path->text);
  if (rc == CQ_OK) rc = inner_block(r, v, &out, err);
  *piece = out;
done:
  if (d) ops->close(d);
  cq_batch_free(batch);
  return rc;
}
