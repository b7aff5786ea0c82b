/* ext/spec/eval.c: templates are evaluated over the names that a scan knows.
 *
 * A missing part makes the whole missing; only default() and `or` mend that.
 * Nothing is allocated but in the caller's arena. */
#include <string.h>

#include "spec/template.h"

typedef struct eval {
  const cq_context *c;
  cq_arena *a;
  cq_error *err;
} eval;

int cq_value_truth(const cq_value *v) {
  switch (v->kind) {
  case CQ_NULL:
    return 0;
  case CQ_INT:
    return v->u.i != 0;
  case CQ_DOUBLE:
    return v->u.r != 0;
  default:
    if (v->json && v->len == 2) return 0; /* [] or {} */
    if (v->len == 5 && memcmp(v->u.s, "false", 5) == 0) return 0;
    return v->len > 0;
  }
}

static int compare(eval *x, const cq_value *l, const cq_value *r, int *out) {
  cq_value a, b;
  size_t n;

  if (l->kind == CQ_INT && r->kind == CQ_INT) {
    *out = l->u.i < r->u.i ? -1 : l->u.i > r->u.i;
    return CQ_OK;
  }
  if ((l->kind == CQ_INT || l->kind == CQ_DOUBLE) &&
      (r->kind == CQ_INT || r->kind == CQ_DOUBLE)) {
    double d = l->kind == CQ_INT ? (double)l->u.i : l->u.r;
    double e = r->kind == CQ_INT ? (double)r->u.i : r->u.r;

    *out = d < e ? -1 : d > e;
    return CQ_OK;
  }
  /* true and false are 1 and 0, and APIs say either. */
  if (l->kind != CQ_NULL && r->kind != CQ_NULL) {
    if (cq_value_to_text(x->a, l, &a) || cq_value_to_text(x->a, r, &b))
      return cq_error_nomem(x->err);
    n = a.len < b.len ? a.len : b.len;
    *out = n ? memcmp(a.u.s, b.u.s, n) : 0;
    if (*out == 0) *out = a.len < b.len ? -1 : a.len > b.len;
    return CQ_OK;
  }
  *out = (l->kind != CQ_NULL) - (r->kind != CQ_NULL);
  return CQ_OK;
}

static int eval_expr(eval *x, const expr *e, cq_value *out);

static int eval_list(eval *x, const expr *e, cq_value *out) {
  cq_buf b;
  char *text;

  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  cq_buf_byte(&b, '[');
  for (size_t i = 0; i < e->narg; i++) {
    cq_value v, t;
    int rc = eval_expr(x, e->args[i], &v);

    if (rc == CQ_OK && cq_value_to_text(x->a, &v, &t))
      rc = cq_error_nomem(x->err);
    if (rc) {
      cq_buf_clear(&b);
      return rc;
    }
    if (i) cq_buf_byte(&b, ',');
    if (v.kind == CQ_NULL)
      cq_buf_str(&b, "null");
    else if (v.kind == CQ_STR && !v.json)
      cq_buf_json(&b, t.u.s, t.len);
    else
      cq_buf_add(&b, t.u.s, t.len);
  }
  cq_buf_byte(&b, ']');
  text = b.rc ? NULL : cq_arena_strndup(x->a, b.data, b.len);
  *out = text ? cq_value_json(text, b.len) : cq_value_null();
  cq_buf_clear(&b);
  return text ? CQ_OK : cq_error_nomem(x->err);
}

static int eval_in(eval *x, const cq_value *l, const cq_value *r,
                   cq_value *out) {
  cq_value key, args[1];
  const cq_filter *f = cq_filter_named("contains", 8);

  key = *l;
  args[0] = key;
  return f->run(r, args, 1, x->a, out, x->err);
}

static int eval_op(eval *x, const expr *e, cq_value *out) {
  cq_value l, r;
  int rc = eval_expr(x, e->a, &l), c = 0;

  if (rc) return rc;
  if (e->op == OP_OR || e->op == OP_AND) {
    if (cq_value_truth(&l) == (e->op == OP_OR)) {
      *out = l;
      return CQ_OK;
    }
    return eval_expr(x, e->b, out);
  }
  rc = eval_expr(x, e->b, &r);
  if (rc) return rc;
  if (e->op == OP_IN) return eval_in(x, &l, &r, out);
  rc = compare(x, &l, &r, &c);
  *out = cq_value_int(e->op == OP_EQ   ? c == 0
                      : e->op == OP_NE ? c != 0
                      : e->op == OP_LT ? c < 0
                      : e->op == OP_LE ? c <= 0
                      : e->op == OP_GT ? c > 0
                                       : c >= 0);
  return rc;
}

static int eval_ref(eval *x, const expr *e, cq_value *out) {
  const cq_ref *r = e->ref;
  int rc = x->c->get(x->c->user, r, x->a, out, x->err);

  if (rc || r->root == CQ_R_RECORD || r->root == CQ_R_DETAIL ||
      r->root == CQ_R_RESPONSE || !r->path || r->path->nstep == 0)
    return rc;
  if (out->kind != CQ_STR) {
    *out = cq_value_null();
    return CQ_OK;
  }
  return cq_path_get(x->a, r->path, out->u.s, out->len, out, x->err);
}

static int eval_expr(eval *x, const expr *e, cq_value *out) {
  cq_value v, args[16];
  int rc;

  switch (e->kind) {
  case E_LITERAL:
    *out = e->literal;
    return CQ_OK;
  case E_REF:
    return eval_ref(x, e, out);
  case E_LIST:
    return eval_list(x, e, out);
  case E_OP:
    return eval_op(x, e, out);
  case E_NOT:
    rc = eval_expr(x, e->a, &v);
    *out = cq_value_int(!cq_value_truth(&v));
    return rc;
  case E_IF:
    rc = eval_expr(x, e->b, &v);
    if (rc) return rc;
    if (cq_value_truth(&v)) return eval_expr(x, e->a, out);
    *out = cq_value_null();
    return e->c ? eval_expr(x, e->c, out) : CQ_OK;
  case E_FILTER:
    rc = eval_expr(x, e->a, &v);
    for (size_t i = 0; i < e->narg && rc == CQ_OK; i++)
      rc = eval_expr(x, e->args[i], &args[i]);
    return rc ? rc : e->filter->run(&v, args, e->narg, x->a, out, x->err);
  }
  return CQ_OK;
}

int cq_expr_eval(const cq_context *c, cq_arena *a, const expr *e, cq_value *out,
                 cq_error *err) {
  eval x = {c, a, err};

  *out = cq_value_null();
  return eval_expr(&x, e, out);
}

/* Would the value, which may come from anybody's data, lead the request to
 * another place than its template says? */
static int steps_away(const cq_value *v) {
  const char *p = v->u.s, *end = p + v->len;

  while (p < end) {
    const char *slash = memchr(p, '/', (size_t)(end - p));
    size_t n = (size_t)((slash ? slash : end) - p);

    if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
      return 1;
    p += n + 1;
  }
  return 0;
}

/* In a path the slashes of a value part its steps; what `urlencode` gave is one
 * step, and is not encoded again. */
int cq_expr_encode(cq_buf *b, const expr *e, const cq_value *v, cq_place place,
                   cq_error *err) {
  if (place == CQ_PLACE_PATH && steps_away(v))
    return cq_error_set(err, CQ_CONSTRAINT,
                        "a value with . or .. as a step of a path: %.*s",
                        (int)(v->len < 200 ? v->len : 200), v->u.s);
  if (place == CQ_PLACE_PATH &&
      !(e->kind == E_FILTER && strcmp(e->filter->name, "urlencode") == 0))
    cq_percent_encode(b, v->u.s, v->len, "/:@!$&'()*+,;=");
  else if (place == CQ_PLACE_QUERY)
    cq_percent_encode(b, v->u.s, v->len, "");
  else
    cq_buf_add(b, v->u.s, v->len);
  return CQ_OK;
}

int cq_template_eval(const cq_template *t, const cq_context *c, cq_place place,
                     cq_arena *a, cq_value *out, cq_error *err) {
  eval x = {c, a, err};
  cq_buf b;
  char *text;
  int rc = CQ_OK;

  *out = cq_value_null();
  if (t->npart == 0) {
    *out = cq_value_str("", 0);
    return CQ_OK;
  }
  if (t->npart == 1 &&
      (place == CQ_PLACE_PLAIN || place == CQ_PLACE_HEADER || !t->parts[0].e)) {
    if (!t->parts[0].e) {
      *out = t->parts[0].text;
      return CQ_OK;
    }
    return eval_expr(&x, t->parts[0].e, out);
  }
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  for (size_t i = 0; i < t->npart && rc == CQ_OK; i++) {
    cq_value v, s;

    if (!t->parts[i].e) {
      cq_buf_add(&b, t->parts[i].text.u.s, t->parts[i].text.len);
      continue;
    }
    rc = eval_expr(&x, t->parts[i].e, &v);
    if (rc || v.kind == CQ_NULL) {
      cq_buf_clear(&b);
      return rc;
    }
    if (cq_value_to_text(a, &v, &s))
      rc = cq_error_nomem(err);
    else
      rc = cq_expr_encode(&b, t->parts[i].e, &s, place, err);
  }
  text = rc || b.rc ? NULL : cq_arena_strndup(a, b.data ? b.data : "", b.len);
  if (text) *out = cq_value_str(text, b.len);
  cq_buf_clear(&b);
  return rc ? rc : text ? CQ_OK : cq_error_nomem(err);
}

int cq_template_true(const cq_template *t, const cq_context *c, cq_arena *a,
                     int *out, cq_error *err) {
  cq_value v;
  int rc = cq_template_eval(t, c, CQ_PLACE_PLAIN, a, &v, err);

  *out = rc == CQ_OK && cq_value_truth(&v);
  return rc;
}
