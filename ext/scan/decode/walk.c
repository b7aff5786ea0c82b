/* ext/scan/decode/walk.c: the walker over one record: one pass over its bytes,
 * no index, no tokens, no tree; it recurses over the program, never over data.
 *
 * Records of a list look alike.  So each trie node remembers the keys of the
 * last record by position, with quotes and colon: comparing 16 or 32 bytes
 * replaces scanning and looking up.  A key that is absent shifts the rest by
 * one, so the next position is tried too. */
#include "scan/decode/internal.h"

enum { LEARN_KEY = 32, LEARN_FIRST = 16, LEARN_MAX = 1024 };

typedef struct learned {
  char key[LEARN_KEY]; /* "name": and zeros; \1, which no key begins with, where
                        * it was too long */
  const cq_edge *edge; /* NULL: nobody wants it */
  uint32_t mask;       /* a bit for each byte of the key */
  uint32_t len;
} learned;

struct cq_learn {
  int n, cap;
  learned *at;
};

int cq_walk_init(cq_walk *w, const cq_picks *picks) {
  memset(w, 0, sizeof *w);
  w->picks = picks;
  w->stamp = cq_calloc((size_t)picks->nedge + 1, sizeof *w->stamp);
  return w->stamp ? CQ_OK : CQ_NOMEM;
}

void cq_walk_clear(cq_walk *w) {
  cq_free(w->stamp);
  w->stamp = NULL;
}

void cq_learn_drop(const cq_picks *picks) {
  for (int i = 0; picks->learn && i < picks->ntrie; i++) {
    if (picks->learn[i]) cq_free(picks->learn[i]->at);
    cq_free(picks->learn[i]);
  }
}

void cq_walk_forget(cq_walk *w, const cq_edge *e) {
  for (int i = e->below; i < e->below + e->nbelow; i++)
    w->cells[w->picks->pick[i].slot] = cq_value_null();
}

static inline int walk_hit(const char *p, const learned *l) {
#if CQ_JS_SSE2
  const __m128i *at = (const __m128i *)(const void *)p;
  const __m128i *key = (const __m128i *)(const void *)l->key;
  unsigned low = (unsigned)_mm_movemask_epi8(
      _mm_cmpeq_epi8(_mm_loadu_si128(at), _mm_loadu_si128(key)));
  unsigned high = (unsigned)_mm_movemask_epi8(
      _mm_cmpeq_epi8(_mm_loadu_si128(at + 1), _mm_loadu_si128(key + 1)));

  return (~(low | high << 16) & l->mask) == 0;
#else
  return memcmp(p, l->key, l->len) == 0;
#endif
}

static void walk_learn(learned *l, const char *p, size_t n,
                       const cq_edge *edge) {
  memset(l, 0, sizeof *l);
  l->edge = edge;
  l->len = n <= LEARN_KEY ? (uint32_t)n : 1;
  l->mask = UINT32_MAX >> (32 - l->len);
  if (n <= LEARN_KEY)
    memcpy(l->key, p, n);
  else
    l->key[0] = 1;
}

/* From the second record on: one record has nobody to teach. */
static cq_learn *walk_memory(cq_walk *w, const cq_trie *t) {
  cq_learn **m = &w->picks->learn[t->id];

  if (!*m && w->nrecord > 0) {
    *m = cq_calloc(1, sizeof **m);
    if (!*m) w->rc = CQ_NOMEM;
  }
  return *m;
}

/* A place for the key at this position, or NULL: nothing is remembered of it. */
static learned *walk_place(cq_walk *w, cq_learn *m, int at) {
  if (!m || at >= LEARN_MAX) return NULL;
  if (at >= m->cap) {
    int cap = m->cap ? m->cap * 2 : LEARN_FIRST;
    learned *more;

    /* Positions come one after the other, so twice as many hold this one. */
    more = cq_realloc(m->at, (size_t)cap * sizeof *more);
    if (!more) {
      w->rc = CQ_NOMEM;
      return NULL;
    }
    m->at = more;
    m->cap = cap;
  }
  if (at >= m->n) m->n = at + 1;
  return &m->at[at];
}

/* p at a key: past its colon, and its edge. */
static const char *walk_key(cq_walk *w, const char *p, const cq_trie *t,
                            cq_learn *m, int at, const cq_edge **edge) {
  const char *from = p, *key = p + 1;
  learned *l;
  unsigned flags = 0;
  size_t len;

  if (*p != '"') return cq_js_refuse(&w->j, p, "expected a key");
  p = cq_js_string(&w->j, p + 1, &flags);
  if (!p) return NULL;
  len = (size_t)(p - key) - 1;
  if (flags & CQ_JS_ESCAPE) {
    cq_value plain;
    int64_t odd = 0;

    w->rc = cq_js_decode(w->arena, key, len, &plain, &odd);
    if (w->rc) return NULL;
    *edge = cq_trie_find(t, plain.u.s, plain.len);
  } else {
    *edge = cq_trie_find(t, key, len);
  }
  p = cq_js_space(p);
  if (*p != ':') return cq_js_refuse(&w->j, p, "expected :");
  p++;
  l = walk_place(w, m, at);
  if (l) walk_learn(l, from, (size_t)(p - from), *edge);
  return w->rc ? NULL : p;
}

static const char *walk_object(cq_walk *w, const char *p, const cq_trie *t) {
  uint64_t visit = ++w->visit;
  cq_learn *m = walk_memory(w, t);
  unsigned flags = 0;
  int at = 0;

  if (w->rc) return NULL;
  if (w->j.depth++ >= CQ_MAX_JSON_DEPTH)
    return cq_js_refuse(&w->j, p, "nested too deep");
  p = cq_js_space(p + 1);
  if (*p == '}') goto end;
  for (;; at++) {
    const cq_edge *e;

    if (m && at < m->n && walk_hit(p, &m->at[at])) {
      e = m->at[at].edge;
      p += m->at[at].len;
    } else if (m && at + 1 < m->n && walk_hit(p, &m->at[at + 1])) {
      at++;
      e = m->at[at].edge;
      p += m->at[at].len;
    } else {
      p = walk_key(w, p, t, m, at, &e);
      if (!p) return NULL;
    }
    p = cq_js_space(p);
    if (e) {
      cq_walk_again(w, e, visit);
      p = cq_walk_take(w, p, e);
    } else {
      p = cq_js_skip(&w->j, p, &flags);
    }
    if (!p) return NULL;
    p = cq_js_space(p);
    if (*p == '}') break;
    if (*p != ',') return cq_js_refuse(&w->j, p, "expected , or }");
    p = cq_js_space(p + 1);
  }
end:
  w->j.depth--;
  return p + 1;
}

static const char *walk_array(cq_walk *w, const char *p, const cq_trie *t) {
  unsigned flags = 0;
  int at = 0, next = 0;

  if (w->j.depth++ >= CQ_MAX_JSON_DEPTH)
    return cq_js_refuse(&w->j, p, "nested too deep");
  p = cq_js_space(p + 1);
  if (*p == ']') goto end;
  for (;; at++) {
    if (next < t->nindex && t->index[next].index == at)
      p = cq_walk_take(w, p, &t->index[next++]);
    else
      p = cq_js_skip(&w->j, p, &flags);
    if (!p) return NULL;
    p = cq_js_space(p);
    if (*p == ']') break;
    if (*p != ',') return cq_js_refuse(&w->j, p, "expected , or ]");
    p = cq_js_space(p + 1);
  }
end:
  w->j.depth--;
  return p + 1;
}

/* Is the value of its column's kind already?  Nearly every one is. */
static inline int walk_fits(const cq_walk *w, const cq_pick *k, cq_token t,
                            const cq_value *raw) {
  if (k->nulls || w->copy) return 0;
  return k->mode == CQ_PICK_TEXT      ? t == CQ_T_STRING
         : k->mode == CQ_PICK_INTEGER ? raw->kind == CQ_INT
         : k->mode == CQ_PICK_REAL    ? raw->kind == CQ_DOUBLE
                                      : 0;
}

static inline int walk_put(cq_walk *w, const cq_edge *e, cq_token t,
                           const cq_value *raw, const char *p, const char *q) {
  const cq_pick *k = &w->picks->pick[e->own], *end = k + e->nown;
  int rc = CQ_OK;

  for (; k < end && rc == CQ_OK; k++) {
    if (k->nrest) continue;
    if (walk_fits(w, k, t, raw))
      w->cells[k->slot] = *raw;
    else
      rc = cq_cell_put(w, k, t, raw, p, q);
  }
  return rc;
}

/* A JSON column: the text as it stands, minified only where it has to be. */
static int walk_span(cq_walk *w, const cq_edge *e, const char *p, const char *q,
                     unsigned flags) {
  size_t n = (size_t)(q - p);
  cq_value raw;
  int rc = CQ_OK;

  if (flags & (CQ_JS_SPACE | CQ_JS_ODD)) {
    char *text = cq_js_padded(w->arena, n);

    if (!text) return CQ_NOMEM;
    n = cq_js_minify(p, n, text, w->warnings);
    raw = cq_value_json(text, n);
  } else {
    raw = cq_value_json(p, n);
  }
  rc = walk_put(w, e, CQ_T_JSON, &raw, raw.u.s, raw.u.s + raw.len);
  for (int i = e->own; i < e->own + e->nown && rc == CQ_OK; i++)
    if (w->picks->pick[i].nrest)
      rc = cq_cell_gather(w, &w->picks->pick[i], p, q);
  return rc;
}

const char *cq_walk_take(cq_walk *w, const char *p, const cq_edge *e) {
  unsigned flags = 0;
  const char *q = NULL;
  cq_value raw;

  switch (*p) {
  case '"':
    q = cq_js_string(&w->j, p + 1, &flags);
    if (!q || !e->nown) return q;
    if (flags & CQ_JS_ESCAPE)
      w->rc =
          cq_js_decode(w->arena, p + 1, (size_t)(q - p) - 2, &raw, w->warnings);
    else
      raw = cq_value_str(p + 1, (size_t)(q - p) - 2);
    if (w->rc == CQ_OK) w->rc = walk_put(w, e, CQ_T_STRING, &raw, p, q);
    break;
  case '{':
  case '[':
    if (e->nown) {
      q = cq_js_skip(&w->j, p, &flags);
      if (!q) return NULL;
      w->rc = walk_span(w, e, p, q, flags);
      if (w->rc) return NULL;
    }
    if (e->child && (*p == '{' ? e->child->nkey : e->child->nindex))
      q = *p == '{' ? walk_object(w, p, e->child) : walk_array(w, p, e->child);
    else if (!q)
      q = cq_js_skip(&w->j, p, &flags);
    break;
  case 't':
  case 'f':
    q = cq_js_word(&w->j, p, *p == 't' ? "true" : "false");
    if (!q || !e->nown) return q;
    raw = cq_value_str(p, (size_t)(q - p));
    w->rc = walk_put(w, e, CQ_T_BOOL, &raw, p, q);
    break;
  case 'n':
    return cq_js_word(&w->j, p, "null");
  case '-':
  case '0':
  case '1':
  case '2':
  case '3':
  case '4':
  case '5':
  case '6':
  case '7':
  case '8':
  case '9':
    if (!e->nown) return cq_js_number(&w->j, p);
    q = cq_js_number_value(&w->j, p, &raw, &w->rc);
    if (q && w->rc == CQ_OK) w->rc = walk_put(w, e, CQ_T_NUMBER, &raw, p, q);
    break;
  default:
    return cq_js_refuse(&w->j, p, "expected a value");
  }
  return w->rc ? NULL : q;
}

const char *cq_walk_record(cq_walk *w, const char *p) {
  int depth = w->j.depth;

  p = cq_walk_take(w, p, &w->picks->self);
  w->j.depth = depth;
  if (p) w->nrecord++;
  return p;
}

const char *cq_walk_row(cq_walk *w, const char *p, cq_batch *batch, int last) {
  int64_t warned = batch->warnings;
  int number = *p == '-' || (*p >= '0' && *p <= '9');

  if (*p == 'n') {
    p = cq_js_word(&w->j, p, "null");
    batch->rest += p != NULL;
    return p;
  }
  w->cells = cq_batch_add(batch);
  w->arena = &batch->arena;
  w->warnings = &batch->warnings;
  if (!w->cells) {
    w->rc = CQ_NOMEM;
    return NULL;
  }
  p = cq_walk_record(w, p);
  if (p && p >= w->j.end && number && !last) p = cq_js_refuse(&w->j, p, "");
  if (!p) {
    batch->nrow--;
    batch->warnings = warned;
  }
  return p;
}
