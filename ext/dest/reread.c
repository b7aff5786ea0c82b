/* ext/dest/reread.c: values of a column that becomes one of another type: each as
 * a write of it would have it there now, the same in every store.
 *
 * What the new type cannot hold is NULL, and counted; of a list its elements.  A
 * store hands over what it has as a decoder would have read it from a page. */
#include <stdio.h>
#include <string.h>

#include "dest/encode/encode.h"

void cq_dest_shown(const cq_dest_table *t, int column, const cq_value *v,
                   char *out, size_t n) {
  const cq_column *c =
      column < CQ_META ? NULL : &t->def->columns[t->cols[column - CQ_META]];
  char real[CQ_REAL_TEXT];

  *out = 0;
  if (c && c->sensitive) return;
  if (v->kind == CQ_STR)
    snprintf(out, n, "%.*s",
             (int)(v->len < 60 ? v->len : cq_utf8_cut(v->u.s, 60)), v->u.s);
  else if (v->kind == CQ_INT)
    snprintf(out, n, "%lld", (long long)v->u.i);
  else if (v->kind == CQ_DOUBLE)
    snprintf(out, n, "%.*s", (int)cq_real_format(v->u.r, real), real);
}

void cq_reread_lost(cq_reread *r, const cq_value *v) {
  if (!r->lost++)
    cq_dest_shown(r->table, r->column, v, r->first, sizeof r->first);
}

void cq_reread_told(cq_dest_table *t, const cq_reread *r) {
  size_t n = strlen(t->lost);

  if (!r->lost) return;
  snprintf(t->lost + n, sizeof t->lost - n, "%scolumn %s: %lld%s%s",
           n ? "; " : "", cq_dest_column(t, r->column), (long long)r->lost,
           *r->first ? ", the first: " : "", r->first);
}

/* Text has no NUL: as a decoder has it, U+FFFD stands there. */
static int without_nul(cq_arena *a, cq_value *v) {
  cq_buf b;
  int rc = CQ_OK;

  if (v->kind != CQ_STR || !v->len || !memchr(v->u.s, 0, v->len)) return rc;
  cq_buf_init(&b, SIZE_MAX);
  for (uint32_t i = 0; i < v->len; i++)
    if (v->u.s[i])
      cq_buf_byte(&b, v->u.s[i]);
    else
      cq_buf_str(&b, "\xef\xbf\xbd");
  rc = b.rc;
  if (rc == CQ_OK) {
    cq_value whole = *v;

    whole.u.s = b.data;
    whole.len = (uint32_t)b.len;
    rc = cq_value_copy(a, &whole, v);
  }
  cq_buf_clear(&b);
  return rc;
}

static int one(cq_reread *r, cq_arena *a, const cq_value *old, int type,
               const char *format, cq_value *out) {
  int odd = 0, rc = cq_value_convert(a, old, type, format, out, &odd);

  if (rc) return rc;
  if (type == CQ_TEXT) return without_nul(a, out); /* there all can be said */
  if (!odd && cq_cell_fits(type, out)) return CQ_OK;
  cq_reread_lost(r, old);
  *out = cq_value_null();
  return CQ_OK;
}

/* A list's elements that do not fit are null in it; most lists stay as they are. */
static int elements(cq_reread *r, cq_arena *a, int base, cq_value *list) {
  const char *format = base == CQ_BLOB ? "base64" : NULL;
  int64_t before = r->lost;
  size_t at = 0, from = 1;
  cq_value e;
  cq_buf b;
  int rc;

  cq_buf_init(&b, SIZE_MAX);
  cq_buf_byte(&b, '[');
  while ((rc = cq_json_element(a, list->u.s, list->len, &at, &e)) == CQ_ROW) {
    cq_value cell = e;

    if (b.len > 1) cq_buf_byte(&b, ',');
    rc = e.kind == CQ_NULL ? CQ_OK : one(r, a, &e, base, format, &cell);
    if (rc) break;
    if (cell.kind == CQ_NULL)
      cq_buf_str(&b, "null");
    else
      cq_buf_add(&b, list->u.s + from, at - from);
    from = at + 1;
  }
  cq_buf_byte(&b, ']');
  if (rc == CQ_DONE) rc = b.rc;
  if (rc == CQ_OK && r->lost > before) {
    cq_value made = cq_value_json(b.data, b.len);

    rc = cq_value_copy(a, &made, list);
  }
  cq_buf_clear(&b);
  return rc;
}

int cq_reread_value(cq_reread *r, cq_arena *a, const cq_value *old,
                    cq_value *out) {
  int type = cq_dest_type(r->table, r->column), rc;

  if (!(type & CQ_LIST)) return one(r, a, old, type, NULL, out);
  rc = cq_value_convert(a, old, type, NULL, out, NULL);
  if (rc || out->kind == CQ_NULL) return rc;
  if (out->kind == CQ_STR && out->json)
    return elements(r, a, type & CQ_TYPE_MASK, out);
  cq_reread_lost(r, old);
  *out = cq_value_null();
  return CQ_OK;
}

/* A number can hold it, though no API would send one for the other. */
static cq_value truth(int type, int is) {
  return type == CQ_INTEGER || type == CQ_REAL || type == CQ_DECIMAL
             ? cq_value_int(is)
             : cq_value_text(is ? "true" : "false");
}

int cq_reread_text(cq_reread *r, cq_arena *a, int kind, const char *s, size_t n,
                   cq_value *out) {
  cq_value old = cq_value_str(s, n);

  int rc = CQ_OK;

  if (kind == CQ_BLOB) {
    old.kind = CQ_BYTES;
  } else if (kind == CQ_BOOLEAN) {
    old =
        truth(cq_dest_type(r->table, r->column), n && (*s == 't' || *s == '1'));
  } else if (kind != CQ_TEXT) { /* each store writes it in its own way */
    if (kind & CQ_LIST) old.json = 1;
    rc = cq_value_convert(a, &old, kind, NULL, &old, NULL);
  }
  if (rc) return rc;
  return cq_reread_value(r, a, &old, out);
}
