/* ext/scan/decode/shape.c: JSON text through a shape: the wire's keys become
 * ours, timestamps RFC 3339, a list of key and value pairs becomes the map that
 * it means.  Members that are null are left out, and so are those that the
 * shape does not name: their keys would be the wire's, and change on the day
 * on which the shape learns them.
 *
 * Shapes may refer to themselves, so recursion follows the data; it is bounded,
 * and what lies deeper stays as it came. */
#include "scan/decode/internal.h"

enum { SHAPE_MAX_DEPTH = 64 };

typedef struct shape_in {
  cq_buf *out;
  cq_js j;        /* scanner over text that has been checked */
  cq_arena arena; /* of single scalars */
  int64_t odd;
} shape_in;

/* A typed scalar as JSON: what convert gives for its column type. */
static int shape_emit(cq_buf *out, int type, const cq_value *v) {
  char text[CQ_REAL_TEXT];

  switch (v->kind) {
  case CQ_INT:
    if (type == CQ_BOOLEAN)
      cq_buf_str(out, v->u.i ? "true" : "false");
    else
      cq_buf_printf(out, "%lld", (long long)v->u.i);
    break;
  case CQ_DOUBLE:
    cq_buf_add(out, text, cq_real_format(v->u.r, text));
    break;
  case CQ_BYTES:
    cq_buf_byte(out, '"');
    cq_base64_encode(out, v->u.s, v->len, 0);
    cq_buf_byte(out, '"');
    break;
  case CQ_STR:
    if (v->json)
      cq_buf_add(out, v->u.s, v->len);
    else
      cq_buf_json(out, v->u.s, v->len);
    break;
  default:
    cq_buf_str(out, "null");
  }
  return out->rc;
}

int cq_shape_scalar(cq_arena *a, cq_buf *out, const cq_shape *s,
                    const cq_value *raw, int *put) {
  cq_value v = *raw;
  int rc = CQ_OK, type = s->kind == CQ_SH_SCALAR ? s->type : CQ_TEXT;

  /* Binary stays the base64 text that it is on the wire. */
  if (type != CQ_TEXT && type != CQ_BLOB)
    rc = cq_value_convert(a, raw, type, s->format, &v, NULL);
  *put = rc == CQ_OK && v.kind != CQ_NULL;
  return *put ? shape_emit(out, type, &v) : rc;
}

static int shape_value(shape_in *in, const cq_shape *s, const char *p,
                       const char *q, int depth);

/* true, a number, a string: only where the shape's type says something else
 * than the wire does is it touched. */
static int shape_token(shape_in *in, const cq_shape *s, const char *p,
                       const char *q) {
  size_t n = (size_t)(q - p);
  int put, rc, number = *p == '-' || (*p >= '0' && *p <= '9');
  cq_value raw;

  if (s->kind != CQ_SH_SCALAR || s->type == CQ_JSON || *p == 'n' ||
      (*p == '"' &&
       (s->type == CQ_TEXT || s->type == CQ_BLOB ||
        (s->type == CQ_TIMESTAMP && cq_cell_canonical_time(p + 1, n - 2)))) ||
      (number && (s->type == CQ_INTEGER || s->type == CQ_REAL)) ||
      (s->type == CQ_BOOLEAN && (*p == 't' || *p == 'f')) ||
      (s->type == CQ_TEXT && !number)) {
    cq_buf_add(in->out, p, n);
    return in->out->rc;
  }
  if (s->type == CQ_TEXT) {
    cq_buf_json(in->out, p, n); /* a number where text is promised */
    return in->out->rc;
  }
  if (*p == '"') {
    rc = cq_js_decode(&in->arena, p + 1, n - 2, &raw, &in->odd);
  } else if (number) {
    rc = cq_number_parse(p, n, &raw);
  } else {
    raw = cq_value_str(p, n);
    rc = CQ_OK;
  }
  if (rc == CQ_OK) {
    size_t was = in->out->len;

    rc = cq_shape_scalar(&in->arena, in->out, s, &raw, &put);
    if (rc == CQ_OK && !put && in->out->len == was) cq_buf_str(in->out, "null");
  }
  cq_arena_reset(&in->arena);
  return rc ? rc : in->out->rc;
}

/* Names here and on the wire are compared as they stand: no API writes its
 * keys with escapes. */
static int shape_is(const char *name, const char *key, size_t n) {
  return strncmp(name, key, n) == 0 && !name[n];
}

static const cq_member *shape_member(const cq_shape *s, const char *key,
                                     size_t n) {
  for (size_t i = 0; i < s->nmember; i++)
    if (shape_is(s->members[i].wire, key, n)) return &s->members[i];
  return NULL;
}

static int shape_null(const char *p) {
  return *p == 'n';
}

static int shape_object(shape_in *in, const cq_shape *s, const char *p,
                        int depth) {
  int rc = CQ_OK, put = 0;
  unsigned flags = 0;

  cq_buf_byte(in->out, '{');
  for (const char *at = p + 1; *at != '}' && rc == CQ_OK;) {
    const char *key = at, *value = cq_js_string(&in->j, at + 1, &flags) + 1;
    const char *end = cq_js_skip(&in->j, value, &flags);
    size_t n = (size_t)(value - key) - 3;
    const cq_member *m =
        s->kind == CQ_SH_MAP ? NULL : shape_member(s, key + 1, n);

    at = end + (*end == ',');
    if (shape_null(value) || (!m && s->kind != CQ_SH_MAP)) continue;
    if (put++) cq_buf_byte(in->out, ',');
    if (m)
      cq_buf_json(in->out, m->name, strlen(m->name));
    else
      cq_buf_add(in->out, key, n + 2);
    cq_buf_byte(in->out, ':');
    rc = shape_value(in, m ? m->shape : s->item, value, end, depth + 1);
  }
  cq_buf_byte(in->out, '}');
  return rc ? rc : in->out->rc;
}

/* [{"Key": k, "Value": v}, ...] as {k: v, ...}.  A pair without a value says
 * "": that is what a tag without one has. */
static int shape_pairs(shape_in *in, const cq_shape *s, const char *p,
                       int depth) {
  int rc = CQ_OK, put = 0;
  unsigned flags = 0;

  cq_buf_byte(in->out, '{');
  for (p++; *p != ']' && rc == CQ_OK;) {
    const char *end = cq_js_skip(&in->j, p, &flags);
    const char *k = NULL, *kend = NULL, *v = NULL, *vend = NULL;

    for (const char *at = p + 1; *p == '{' && *at != '}';) {
      const char *key = at, *value = cq_js_string(&in->j, at + 1, &flags) + 1;
      size_t n = (size_t)(value - key) - 3;

      at = cq_js_skip(&in->j, value, &flags);
      if (shape_is(s->wire_key, key + 1, n))
        k = value, kend = at;
      else if (shape_is(s->wire_value, key + 1, n) && !shape_null(value))
        v = value, vend = at;
      at += *at == ',';
    }
    p = end + (*end == ',');
    if (!k || *k != '"') continue;
    if (put++) cq_buf_byte(in->out, ',');
    cq_buf_add(in->out, k, (size_t)(kend - k));
    cq_buf_byte(in->out, ':');
    if (v)
      rc = shape_value(in, s->item, v, vend, depth + 1);
    else
      cq_buf_str(in->out, "\"\"");
  }
  cq_buf_byte(in->out, '}');
  return rc ? rc : in->out->rc;
}

static int shape_list(shape_in *in, const cq_shape *s, const char *p,
                      int depth) {
  unsigned flags = 0;
  int rc = CQ_OK;

  cq_buf_byte(in->out, '[');
  for (p++; *p != ']' && rc == CQ_OK;) {
    const char *end = cq_js_skip(&in->j, p, &flags);

    rc = shape_value(in, s->item, p, end, depth + 1);
    if (*end == ',') cq_buf_byte(in->out, ',');
    p = end + (*end == ',');
  }
  cq_buf_byte(in->out, ']');
  return rc ? rc : in->out->rc;
}

static int shape_value(shape_in *in, const cq_shape *s, const char *p,
                       const char *q, int depth) {
  if (depth < SHAPE_MAX_DEPTH && s) {
    if (*p == '{' && (s->kind == CQ_SH_OBJECT || s->kind == CQ_SH_MAP))
      return shape_object(in, s, p, depth);
    if (*p == '[' && s->kind == CQ_SH_LIST) return shape_list(in, s, p, depth);
    if (*p == '[' && s->kind == CQ_SH_MAP && s->wire_key)
      return shape_pairs(in, s, p, depth);
    if (*p != '{' && *p != '[') return shape_token(in, s, p, q);
  }
  cq_buf_add(in->out, p, (size_t)(q - p));
  return in->out->rc;
}

int cq_shape_json(cq_buf *out, const cq_shape *s, const char *p, size_t n) {
  shape_in in;
  int rc;

  memset(&in, 0, sizeof in);
  in.out = out;
  cq_arena_init(&in.arena);
  rc = shape_value(&in, s, p, p + n, 0);
  cq_arena_clear(&in.arena);
  return rc;
}
