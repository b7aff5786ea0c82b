/* ext/scan/decode/fields.c: the wanted fields of a record as one tree of keys:
 * the walker goes over the record once, descends where a field is below, and
 * skips, validating, everything else. */
#include <string.h>

#include "scan/decode/scan.h"

typedef struct node node;
typedef struct edge {
  const char *key;
  size_t len;
  node *below;             /* or NULL */
  int first, n;            /* fields that end here: cq_fields.list */
} edge;
struct node {
  edge *edges;
  int n, cap;
  int *tail;               /* fields whose next step is not a plain key */
  int ntail;
};
struct cq_fields {
  cq_arena arena;
  cq_field *f;
  int n, xml;
  int *depth;              /* per field: steps that the tree has consumed */
  node *root;
  int *self;               /* fields of the value itself */
  int nself;
  int *lists;              /* per edge: fields, flat */
  int nlist;
  cq_path **rest;          /* per field: the steps behind the tree, or NULL */
};

static node *node_new(cq_fields *t) {
  node *n = cq_arena_alloc(&t->arena, sizeof *n);

  if (n)
    memset(n, 0, sizeof *n);
  return n;
}

static edge *node_edge(cq_fields *t, node *n, const cq_step *s) {
  edge *e;

  for (int i = 0; i < n->n; i++)
    if (n->edges[i].len == s->len && !memcmp(n->edges[i].key, s->name, s->len))
      return &n->edges[i];
  if (n->n == n->cap) {
    int cap = n->cap ? n->cap * 2 : 8;

    e = cq_arena_alloc(&t->arena, (size_t)cap * sizeof *e);
    if (!e)
      return NULL;
    if (n->n)
      memcpy(e, n->edges, (size_t)n->n * sizeof *e);
    n->edges = e;
    n->cap = cap;
  }
  e = &n->edges[n->n++];
  memset(e, 0, sizeof *e);
  e->key = s->name;
  e->len = s->len;
  e->first = -1;
  return e;
}

/* lists[] is a chain: lists[field] = next field of the same edge, or -1. */
static void chain(cq_fields *t, int *first, int field) {
  t->lists[field] = *first;
  *first = field;
}

int cq_fields_new(const cq_field *f, int n, int xml, cq_fields **out,
                  cq_error *err) {
  cq_fields *t = cq_calloc(1, sizeof *t);
  int self = -1;

  *out = NULL;
  if (!t)
    return cq_error_nomem(err);
  cq_arena_init(&t->arena);
  t->xml = xml;
  t->n = n;
  t->f = cq_arena_alloc(&t->arena, ((size_t)n + 1) * sizeof *t->f);
  t->lists = cq_arena_alloc(&t->arena, ((size_t)n + 1) * sizeof *t->lists);
  t->rest = cq_arena_alloc(&t->arena, ((size_t)n + 1) * sizeof *t->rest);
  t->root = node_new(t);
  if (!t->f || !t->lists || !t->rest || !t->root)
    goto nomem;
  if (n)
    memcpy(t->f, f, (size_t)n * sizeof *f);
  for (int i = 0; i < n; i++) {
    const cq_path *p = f[i].path;
    node *at = t->root;
    edge *e = NULL;
    int k;

    t->rest[i] = NULL;
    for (k = 0; k < p->nstep && p->steps[k].kind == CQ_STEP_KEY; k++) {
      if (e) {
        if (!e->below && !(e->below = node_new(t)))
          goto nomem;
        at = e->below;
      }
      e = node_edge(t, at, &p->steps[k]);
      if (!e)
        goto nomem;
    }
    if (k < p->nstep) {
      cq_path *rest = cq_arena_alloc(&t->arena, sizeof *rest);

      if (!rest)
        goto nomem;
      *rest = *p;
      rest->steps = p->steps + k;
      rest->nstep = p->nstep - k;
      t->rest[i] = rest;
    }
    if (e)
      chain(t, &e->first, i);
    else
      chain(t, &self, i);
  }
  t->nself = self;
  *out = t;
  return CQ_OK;
nomem:
  cq_fields_free(t);
  return cq_error_nomem(err);
}

void cq_fields_free(cq_fields *f) {
  if (!f)
    return;
  cq_arena_clear(&f->arena);
  cq_free(f);
}

static int store(const cq_fields *t, const cq_field *f, const cq_value *raw,
                 cq_batch *batch, cq_value *cell) {
  int lossy = 0, rc, type = f->type & CQ_TYPE_MASK;
  cq_value shaped;

  if (f->shape && raw->kind != CQ_NULL) {
    if (cq_shape_apply(f->shape, t->xml, raw, &batch->arena, &shaped))
      return CQ_NOMEM;
    raw = &shaped;
  }

  if (raw->kind == CQ_NULL || f->type == 0) {
    *cell = *raw;
    return CQ_OK;
  }
  if (!(f->type & CQ_LIST)) {
    if ((type == CQ_TEXT && raw->kind == CQ_STR && !raw->json) ||
        (type == CQ_INTEGER && raw->kind == CQ_INT) ||
        (type == CQ_REAL && raw->kind == CQ_DOUBLE) ||
        (type == CQ_JSON && raw->kind == CQ_STR && raw->json)) {
      *cell = *raw;
      return CQ_OK;
    }
  }
  rc = cq_value_convert(&batch->arena, raw, f->type, f->format, cell, &lossy);
  batch->warnings += lossy;
  return rc;
}

/* The remaining steps of a path over the value at p: first match. */
static int find(const cq_fields *t, cq_js *j, const cq_step *s, int n,
                const char *p, const char *end, const char **from,
                const char **to) {
  int blanks = 0, escaped, index = 0;
  const char *q;

  *from = NULL;
  if (n == 0) {
    *from = p;
    *to = end;
    return CQ_OK;
  }
  if (s->kind == CQ_STEP_EACH && *p != '[' && t->xml)
    return find(t, j, s + 1, n - 1, p, end, from, to);
  if ((s->kind == CQ_STEP_INDEX || s->kind == CQ_STEP_EACH) && *p == '[') {
    q = cq_js_space(j, p + 1);
    while (*q != ']') {
      const char *stop = cq_js_skip(j, q, &blanks);

      if (!stop)
        return CQ_ERROR;
      if (s->kind == CQ_STEP_EACH || index == s->index)
        return find(t, j, s + 1, n - 1, q, stop, from, to);
      index++;
      q = cq_js_space(j, stop);
      if (*q == ',')
        q = cq_js_space(j, q + 1);
    }
    return CQ_OK;
  }
  if (*p != '{')
    return CQ_OK;
  q = cq_js_space(j, p + 1);
  while (*q == '"') {
    const char *key = q + 1, *stop = cq_js_string(j, q, &escaped), *value;
    size_t len = stop ? (size_t)(stop - key) - 1 : 0;
    int attr = s->kind == CQ_STEP_ATTR && len == s->len + 1 && *key == '@' &&
               !memcmp(key + 1, s->name, s->len);

    if (!stop)
      return CQ_ERROR;
    value = cq_js_space(j, cq_js_space(j, stop) + 1);
    stop = cq_js_skip(j, value, &blanks);
    if (!stop)
      return CQ_ERROR;
    if (attr || s->kind == CQ_STEP_VALUES ||
        (s->kind == CQ_STEP_KEY && len == s->len && !memcmp(key, s->name, len)))
      return find(t, j, s + 1, n - 1, value, stop, from, to);
    q = cq_js_space(j, stop);
    if (*q == ',')
      q = cq_js_space(j, q + 1);
  }
  return CQ_OK;
}

static int take(const cq_fields *t, int first, cq_js *j, const char *p,
                const char *end, const char *mapkey, size_t nmapkey,
                cq_value *cells, cq_batch *batch) {
  for (int i = first; i >= 0; i = t->lists[i]) {
    const char *from = p, *to = end;
    cq_value raw;
    int rc;

    if (t->rest[i]) {
      if (t->rest[i]->steps[0].kind == CQ_STEP_MAPKEY) {
        raw = cq_value_str(mapkey, nmapkey);
        rc = mapkey ? cq_value_copy(&batch->arena, &raw, &raw) : CQ_OK;
        if (!mapkey)
          raw = cq_value_null();
        if (rc == CQ_OK)
          rc = store(t, &t->f[i], &raw, batch, &cells[t->f[i].slot]);
        if (rc)
          return rc;
        continue;
      }
      rc = find(t, j, t->rest[i]->steps, t->rest[i]->nstep, p, end, &from, &to);
      if (rc)
        return rc;
      if (!from)
        continue;
    }
    rc = cq_js_value(j, from, to, &batch->arena, &raw, &batch->warnings);
    if (rc == CQ_OK)
      rc = store(t, &t->f[i], &raw, batch, &cells[t->f[i].slot]);
    if (rc)
      return rc;
  }
  return CQ_OK;
}

static void clear_below(const cq_fields *t, const edge *e, cq_value *cells) {
  for (int i = e->first; i >= 0; i = t->lists[i])
    cells[t->f[i].slot] = cq_value_null();
  for (int k = 0; e->below && k < e->below->n; k++)
    clear_below(t, &e->below->edges[k], cells);
}

/* p at '{'. */
static const char *object(const cq_fields *t, const node *n, cq_js *j,
                          const char *p, const char *mapkey, size_t nmapkey,
                          cq_value *cells, cq_batch *batch, int *rc) {
  int hint = 0, escaped, blanks = 0;
  uint64_t seen = 0;

  p = cq_js_space(j, p + 1);
  if (p < j->end && *p == '}')
    return p + 1;
  for (;;) {
    const char *key = p + 1, *stop;
    const edge *e = NULL;
    size_t len;
    cq_value decoded;

    if (p >= j->end || *p != '"') {
      j->bad = j->bad ? j->bad : p;
      j->what = j->what ? j->what : "expected a key";
      return NULL;
    }
    p = cq_js_string(j, p, &escaped);
    if (!p)
      return NULL;
    len = (size_t)(p - key) - 1;
    if (escaped) {
      if (cq_json_unquote(&batch->arena, key - 1, len + 2, &decoded)) {
        *rc = CQ_NOMEM;
        return NULL;
      }
      key = decoded.u.s;
      len = decoded.len;
    }
    for (int k = 0; k < n->n; k++) {
      int i = hint + k < n->n ? hint + k : hint + k - n->n;

      if (n->edges[i].len == len && !memcmp(n->edges[i].key, key, len)) {
        e = &n->edges[i];
        hint = i + 1 < n->n ? i + 1 : 0;
        break;
      }
    }
    p = cq_js_space(j, p);
    if (p >= j->end || *p != ':') {
      j->bad = j->bad ? j->bad : p;
      j->what = j->what ? j->what : "expected :";
      return NULL;
    }
    p = cq_js_space(j, p + 1);
    if (!e) {
      p = cq_js_skip(j, p, &blanks);
    } else {
      int index = (int)(e - n->edges);

      if (index < 64 && (seen >> index & 1))
        clear_below(t, e, cells); /* a key again: the last one wins */
      if (index < 64)
        seen |= 1ull << index;
      stop = e->below && p < j->end && *p == '{'
                 ? object(t, e->below, j, p, NULL, 0, cells, batch, rc)
                 : cq_js_skip(j, p, &blanks);
      if (stop && e->first >= 0)
        *rc = take(t, e->first, j, p, stop, mapkey, nmapkey, cells, batch);
      if (*rc)
        return NULL;
      p = stop;
    }
    if (!p)
      return NULL;
    p = cq_js_space(j, p);
    if (p < j->end && *p == ',') {
      p = cq_js_space(j, p + 1);
      continue;
    }
    if (p < j->end && *p == '}')
      return p + 1;
    j->bad = j->bad ? j->bad : p;
    j->what = j->what                ? j->what
              : p >= j->end          ? "the text ends too early"
                                     : "expected , or }";
    return NULL;
  }
}

const char *cq_fields_read(const cq_fields *f, cq_js *j, const char *p,
                           const char *mapkey, size_t nmapkey,
                           cq_value *cells, cq_batch *batch, int *rc) {
  const char *stop;
  int blanks = 0;

  *rc = CQ_OK;
  if (p < j->end && *p == '{' && f->root->n)
    stop = object(f, f->root, j, p, mapkey, nmapkey, cells, batch, rc);
  else
    stop = cq_js_skip(j, p, &blanks);
  if (stop && f->nself >= 0)
    *rc = take(f, f->nself, j, p, stop, mapkey, nmapkey, cells, batch);
  return *rc ? NULL : stop;
}
