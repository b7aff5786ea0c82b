/* ext/data/value.c: making, copying, comparing and printing single values. */
#include "data/data.h"

#include <stdio.h>
#include <string.h>

cq_value cq_value_text(const char *s) {
  return s ? cq_value_str(s, strlen(s)) : cq_value_null();
}

int cq_value_copy(cq_arena *a, const cq_value *v, cq_value *out) {
  *out = *v;
  if (v->kind == CQ_STR || v->kind == CQ_BYTES) {
    out->u.s = cq_arena_strndup(a, v->u.s, v->len);
    if (!out->u.s) {
      *out = cq_value_null();
      return CQ_NOMEM;
    }
  }
  return CQ_OK;
}

/* Reals are compared by their bits, so that NaN equals itself and 0.0 differs
 * from -0.0: a row that did not change must read as unchanged. */
int cq_value_same(const cq_value *a, const cq_value *b) {
  if (a->kind != b->kind) return 0;
  switch (a->kind) {
  case CQ_INT:
    return a->u.i == b->u.i;
  case CQ_DOUBLE:
    return memcmp(&a->u.r, &b->u.r, sizeof(a->u.r)) == 0;
  case CQ_STR:
  case CQ_BYTES:
    return a->len == b->len &&
           (a->len == 0 || memcmp(a->u.s, b->u.s, a->len) == 0);
  default:
    return 1;
  }
}

uint64_t cq_value_hash(uint64_t h, const cq_value *v) {
  h = cq_hash64(&v->kind, sizeof v->kind, h);
  if (v->kind == CQ_STR || v->kind == CQ_BYTES)
    return cq_hash64(v->u.s, v->len, h);
  return v->kind == CQ_NULL ? h : cq_hash64(&v->u, sizeof v->u, h);
}

/* NULL stays NULL; bytes have base64 as their text. */
int cq_value_to_text(cq_arena *a, const cq_value *v, cq_value *out) {
  char text[CQ_REAL_TEXT];
  const char *p = text;
  size_t n = 0;
  int rc = CQ_OK;
  cq_buf b;
  cq_buf_init(&b, SIZE_MAX);
  switch (v->kind) {
  case CQ_NULL:
    *out = cq_value_null();
    goto done;
  case CQ_STR:
    *out = *v;
    goto done;
  case CQ_INT:
    n = (size_t)snprintf(text, sizeof(text), "%lld", (long long)v->u.i);
    break;
  case CQ_DOUBLE:
    n = cq_real_format(v->u.r, text);
    break;
  default:
    cq_base64_encode(&b, v->u.s, v->len, 0);
    rc = b.rc;
    p = b.data;
    n = b.len;
    break;
  }
  if (rc != CQ_OK) goto done;
  p = cq_arena_strndup(a, p, n);
  if (p)
    *out = cq_value_str(p, n);
  else
    rc = CQ_NOMEM;
done:
  if (rc != CQ_OK) *out = cq_value_null();
  cq_buf_clear(&b);
  return rc;
}
