/* ext/scan/decode/cell.c: a value of the text becomes a cell of its column.
 *
 * Nearly every value already has its column's kind: it is stored as it is.
 * Only the others go through cq_value_convert. */
#include "scan/decode/internal.h"

/* Days beyond the 28th and fractions are left to the parser. */
int cq_cell_canonical_time(const char *s, size_t n) {
  static const char form[] = "0000-00-00T00:00:00Z";
  unsigned month, day;

  if (n != 20) return 0;
#if CQ_JS_SSE2
  /* A digit xor '0' is 0 to 9, and so is whatever else differs little: then
   * only an equal byte may stand, which is 0. */
  {
    const __m128i most =
        _mm_setr_epi8(9, 9, 9, 9, 0, 9, 9, 0, 9, 9, 0, 9, 9, 0, 9, 9);
    __m128i v =
        _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)s),
                      _mm_loadu_si128((const __m128i *)(const void *)form));

    v = _mm_cmpeq_epi8(_mm_max_epu8(v, most), most);
    if (_mm_movemask_epi8(v) != 0xffff) return 0;
  }
#else
  for (size_t i = 0; i < 16; i++)
    if (form[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != form[i]) return 0;
#endif
  month = (unsigned)(s[5] - '0') * 10 + (unsigned)(s[6] - '0');
  day = (unsigned)(s[8] - '0') * 10 + (unsigned)(s[9] - '0');
  return month - 1 < 12 && day - 1 < 28 &&
         (s[11] < '2' || (s[11] == '2' && s[12] < '4')) && s[14] < '6' &&
         s[16] == ':' && s[17] >= '0' && s[17] < '6' && s[18] >= '0' &&
         s[18] <= '9' && s[19] == 'Z';
}

static int cell_convert(cq_walk *w, const cq_pick *k, const cq_value *raw,
                        cq_value *out) {
  int lossy = 0;
  int rc = cq_value_convert(w->arena, raw, k->type, k->format, out, &lossy);

  *w->warnings += lossy;
  return rc;
}

/* A string in a JSON column is that string, quoted, unless it holds a document
 * of its own: APIs put whole policies into strings. */
static int cell_json_string(cq_walk *w, const cq_pick *k, const cq_value *raw,
                            const char *p, const char *q, cq_value *out) {
  size_t i = 0;
  cq_buf b;
  int rc;

  if (p == q) { /* not from JSON: text is all that there is */
    return cell_convert(w, k, raw, out);
  }
  while (i < raw->len && (raw->u.s[i] == ' ' || raw->u.s[i] == '\n')) i++;
  if (i < raw->len && (raw->u.s[i] == '{' || raw->u.s[i] == '[')) {
    cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
    rc = cq_json_minify(&b, raw->u.s, raw->len);
    if (rc == CQ_OK) {
      char *text = cq_arena_strndup(w->arena, b.data, b.len);

      *out = text ? cq_value_json(text, b.len) : cq_value_null();
      rc = text ? CQ_OK : CQ_NOMEM;
    }
    cq_buf_clear(&b);
    if (rc != CQ_ERROR) return rc;
  }
  if (*p == '"' && !memchr(p, '\\', (size_t)(q - p))) {
    *out = cq_value_json(p, (size_t)(q - p));
    return CQ_OK;
  }
  cq_buf_init(&b, SIZE_MAX);
  cq_buf_json(&b, raw->u.s, raw->len);
  rc = b.rc;
  if (rc == CQ_OK) {
    char *text = cq_arena_strndup(w->arena, b.data, b.len);

    *out = text ? cq_value_json(text, b.len) : cq_value_null();
    rc = text ? CQ_OK : CQ_NOMEM;
  }
  cq_buf_clear(&b);
  return rc;
}

static int cell_shape(cq_walk *w, const cq_pick *k, const char *p, size_t n,
                      cq_value *out) {
  cq_buf b;
  char *text;
  int rc;

  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  rc = cq_shape_json(&b, k->shape, p, n);
  if (rc == CQ_OK && b.len) {
    text = cq_arena_strndup(w->arena, b.data, b.len);
    *out = text ? cq_value_json(text, b.len) : cq_value_null();
    rc = text ? CQ_OK : CQ_NOMEM;
  }
  cq_buf_clear(&b);
  return rc;
}

/* A text that says that there is no value. */
static int cell_null(const cq_nulls *nulls, const cq_value *raw) {
  for (size_t i = 0; i < nulls->n; i++)
    if (strlen(nulls->v[i]) == raw->len &&
        memcmp(nulls->v[i], raw->u.s, raw->len) == 0)
      return 1;
  return 0;
}

int cq_cell_put(cq_walk *w, const cq_pick *k, cq_token t, const cq_value *raw,
                const char *p, const char *q) {
  cq_value out = *raw;
  int rc = CQ_OK;

  if (k->nulls && t == CQ_T_STRING && cell_null(k->nulls, raw)) {
    w->cells[k->slot] = cq_value_null();
    return CQ_OK;
  }
  switch (k->mode) {
  case CQ_PICK_ANY:
    if (t == CQ_T_BOOL) out = cq_value_int(*p == 't');
    break;
  case CQ_PICK_TEXT:
    /* Numbers as they were written: an id is more than its value. */
    if (t != CQ_T_STRING) out = cq_value_str(p, (size_t)(q - p));
    break;
  case CQ_PICK_INTEGER:
    if (out.kind != CQ_INT) rc = cell_convert(w, k, raw, &out);
    break;
  case CQ_PICK_REAL:
    if (out.kind == CQ_INT)
      out = cq_value_real((double)out.u.i);
    else if (out.kind != CQ_DOUBLE)
      rc = cell_convert(w, k, raw, &out);
    break;
  case CQ_PICK_BOOLEAN:
    if (t == CQ_T_BOOL)
      out = cq_value_int(*p == 't');
    else
      rc = cell_convert(w, k, raw, &out);
    break;
  case CQ_PICK_TIMESTAMP:
    if (t != CQ_T_STRING || !cq_cell_canonical_time(out.u.s, out.len))
      rc = cell_convert(w, k, raw, &out);
    break;
  case CQ_PICK_JSON:
    if (k->shape && t == CQ_T_JSON)
      rc = cell_shape(w, k, p, (size_t)(q - p), &out);
    else if (t == CQ_T_STRING)
      rc = cell_json_string(w, k, raw, p, q, &out);
    else
      out = cq_value_json(p, (size_t)(q - p));
    break;
  case CQ_PICK_CONVERT:
    if (t == CQ_T_NUMBER && k->type == CQ_DECIMAL)
      out = cq_value_str(p, (size_t)(q - p));
    else
      rc = cell_convert(w, k, raw, &out);
    break;
  }
  if (rc == CQ_OK && w->copy) rc = cq_value_copy(w->arena, &out, &out);
  if (rc == CQ_OK) w->cells[k->slot] = out;
  return rc;
}

int cq_cell_raw(cq_walk *w, const char *p, const char *q, cq_token *t,
                cq_value *raw) {
  size_t n = (size_t)(q - p);
  unsigned flags = 0;
  int rc = CQ_OK;

  switch (*p) {
  case '"':
    *t = CQ_T_STRING;
    if (memchr(p, '\\', n))
      return cq_js_decode(w->arena, p + 1, n - 2, raw, w->warnings);
    *raw = cq_value_str(p + 1, n - 2);
    return CQ_OK;
  case '{':
  case '[': {
    char *text;

    *t = CQ_T_JSON;
    cq_js_skip(&w->j, p, &flags);
    if (!(flags & (CQ_JS_SPACE | CQ_JS_ODD))) {
      *raw = cq_value_json(p, n);
      return CQ_OK;
    }
    text = cq_js_padded(w->arena, n);
    if (!text) return CQ_NOMEM;
    n = cq_js_minify(p, n, text, w->warnings);
    *raw = cq_value_json(text, n);
    return CQ_OK;
  }
  case 't':
  case 'f':
    *t = CQ_T_BOOL;
    *raw = cq_value_str(p, n);
    return CQ_OK;
  case 'n':
    *t = CQ_T_JSON;
    *raw = cq_value_null();
    return CQ_OK;
  default:
    *t = CQ_T_NUMBER;
    cq_js_number_value(&w->j, p, raw, &rc);
    return rc;
  }
}

/* ---- [*], .* and @key inside of a record ------------------------------------ */
typedef struct gather {
  cq_walk *w;
  const cq_pick *k;
  cq_buf list;
  int found; /* values so far */
} gather;

static int gather_found(gather *g, const char *p, const char *q) {
  cq_value raw;
  cq_token t;
  int rc = cq_cell_raw(g->w, p, q, &t, &raw);

  if (rc) return rc;
  if (!g->k->list) {
    if (raw.kind == CQ_NULL) return CQ_OK;
    g->found++;
    if (t == CQ_T_JSON) p = raw.u.s, q = p + raw.len;
    return cq_cell_put(g->w, g->k, t, &raw, p, q);
  }
  if (g->found++) cq_buf_byte(&g->list, ',');
  if (t == CQ_T_JSON && raw.kind != CQ_NULL)
    cq_buf_add(&g->list, raw.u.s, raw.len);
  else if (t == CQ_T_STRING && memchr(p, '\\', (size_t)(q - p)))
    cq_buf_json(&g->list, raw.u.s, raw.len);
  else
    cq_buf_add(&g->list, p, (size_t)(q - p));
  return g->list.rc;
}

static int gather_key_is(gather *g, const char *p, const char *q,
                         const cq_step *s, int *same) {
  cq_value key;
  int64_t odd = 0;
  int rc = CQ_OK;

  if (!memchr(p, '\\', (size_t)(q - p)))
    key = cq_value_str(p + 1, (size_t)(q - p) - 2);
  else
    rc = cq_js_decode(g->w->arena, p + 1, (size_t)(q - p) - 2, &key, &odd);
  *same =
      rc == CQ_OK && key.len == s->len && memcmp(key.u.s, s->name, s->len) == 0;
  return rc;
}

/* Recursion is over the steps, which are few.  The text was checked, so no
 * scanner refuses it. */
static int gather_step(gather *g, const cq_step *s, int n, const char *p,
                       const char *q) {
  int object = *p == '{', index = 0, same, rc = CQ_OK;
  const char *last = NULL, *last_end = NULL;
  unsigned flags = 0;

  if (n == 0) return gather_found(g, p, q);
  if (s->kind == CQ_STEP_MAPKEY) return CQ_OK; /* no key up here */
  if (*p != (s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_INDEX ? '[' : '{'))
    return CQ_OK;
  for (p = cq_js_space(p + 1); *p != '}' && *p != ']'; index++) {
    const char *key = p, *key_end = p, *value, *end;

    if (object) {
      key_end = cq_js_string(&g->w->j, p + 1, &flags);
      p = cq_js_space(key_end) + 1;
    }
    value = cq_js_space(p);
    end = cq_js_skip(&g->w->j, value, &flags);
    if (s->kind == CQ_STEP_VALUES && n > 1 && s[1].kind == CQ_STEP_MAPKEY)
      rc = gather_found(g, key, key_end);
    else if (s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_VALUES ||
             (s->kind == CQ_STEP_INDEX && s->index == index))
      rc = gather_step(g, s + 1, n - 1, value, end);
    else if (s->kind == CQ_STEP_KEY) {
      rc = gather_key_is(g, key, key_end, s, &same);
      if (same) last = value, last_end = end;
    }
    if (rc || (g->found && !g->k->list)) return rc;
    p = cq_js_space(end);
    if (*p == ',') p = cq_js_space(p + 1);
  }
  return last ? gather_step(g, s + 1, n - 1, last, last_end) : CQ_OK;
}

int cq_cell_gather(cq_walk *w, const cq_pick *k, const char *p, const char *q) {
  gather g = {w, k, {NULL, 0, 0, 0, 0}, 0};
  cq_value raw;
  char *text;
  int rc;

  cq_buf_init(&g.list, CQ_MAX_RECORD_BYTES);
  if (k->list) cq_buf_byte(&g.list, '[');
  rc = gather_step(&g, k->rest, k->nrest, p, q);
  if (k->list && rc == CQ_OK) {
    cq_buf_byte(&g.list, ']');
    rc = g.list.rc;
  }
  if (k->list && rc == CQ_OK) {
    text = cq_js_padded(w->arena, g.list.len);
    if (text) {
      memcpy(text, g.list.data, g.list.len);
      raw = cq_value_json(text, g.list.len);
      rc = cq_cell_put(w, k, CQ_T_JSON, &raw, text, text + g.list.len);
    } else {
      rc = CQ_NOMEM;
    }
  }
  cq_buf_clear(&g.list);
  return rc;
}
