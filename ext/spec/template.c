/* ext/spec/template.c: text with {{ expressions }} is parsed once, at load.
 *
 *   expr    := or ['if' or ['else' expr]]
 *   or      := and ('or' and)*          and := not ('and' not)*
 *   not     := 'not' not | compare
 *   compare := filtered (op filtered)?  op: == != < <= > >= in
 *   filtered:= primary ('|' name ['(' expr, ... ')'])*
 *   primary := 'text' | 12 | true | false | null | [expr, ...] | {} | (expr) | name.path
 * No loops and no assignments: a template always ends. */
#include <stdlib.h>
#include <string.h>

#include "spec/template.h"

static const char *const root_names[CQ_R_COUNT] = {
    "config",   "client", "where", "parent", "row", "record", "detail",
    "response", "cursor", "page",  "each",   "run", "data",   "job"};

enum { MOST_NAMES = 256 }; /* that one template may say */

typedef struct parser {
  cq_arena *a;
  const cq_node *at;
  const char *s, *end;
  unsigned roots;
  cq_ref *refs[MOST_NAMES];
  size_t nref;
  int depth;
  cq_error *err;
} parser;

static int parse_fail(parser *p, const char *what) {
  return cq_tree_error(p->err, p->at, "template: %s at \"%.*s\"", what,
                       (int)(p->end - p->s < 40 ? p->end - p->s : 40), p->s);
}

static void skip_space(parser *p) {
  while (p->s < p->end && strchr(" \t\r\n", *p->s)) p->s++;
}

static int is_word(int c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int take_word(parser *p, const char *w) {
  size_t n = strlen(w);

  skip_space(p);
  if ((size_t)(p->end - p->s) < n || memcmp(p->s, w, n) != 0) return 0;
  if (is_word(w[0]) && p->s + n < p->end && is_word(p->s[n])) return 0;
  p->s += n;
  return 1;
}

static expr *expr_new(parser *p, expr_kind k) {
  expr *e = cq_arena_alloc(p->a, sizeof *e);

  if (!e) {
    cq_error_nomem(p->err);
    return NULL;
  }
  memset(e, 0, sizeof *e);
  e->kind = (unsigned)k;
  return e;
}

static expr *parse_expr(parser *p);

/* To the end of a path's [...], which may quote a name. */
static void parse_bracket(parser *p) {
  int quoted = 0;

  while (p->s < p->end && (quoted || *p->s != ']'))
    if (*p->s++ == '"') quoted = !quoted;
  if (p->s < p->end) p->s++;
}

static expr *parse_name(parser *p) {
  const char *from = p->s, *word;
  size_t n;
  expr *e;
  cq_ref *r;
  int root;

  while (p->s < p->end && is_word(*p->s)) p->s++;
  n = (size_t)(p->s - from);
  for (root = 0; root < CQ_R_COUNT; root++)
    if (strlen(root_names[root]) == n && !memcmp(root_names[root], from, n))
      break;
  if (root == CQ_R_COUNT || !(p->roots >> root & 1u)) {
    char w[64];
    const char *near;

    memcpy(w, from, n < 63 ? n : 63);
    w[n < 63 ? n : 63] = 0;
    if (root < CQ_R_COUNT) {
      cq_tree_error(p->err, p->at, "template: \"%s\" is not known here", w);
      return NULL;
    }
    cq_tree_error(p->err, p->at, "template: unknown name \"%s\"", w);
    near = cq_nearest(w, root_names, CQ_R_COUNT);
    if (near) cq_error_hint(p->err, "did you mean \"%s\"?", near);
    return NULL;
  }
  e = expr_new(p, E_REF);
  r = cq_arena_alloc(p->a, sizeof *r);
  if (!e || !r) return NULL;
  memset(r, 0, sizeof *r);
  r->root = (cq_root)root;
  r->slot = -1;
  r->name = "";
  e->ref = r;
  if (p->s < p->end && (*p->s == '.' || *p->s == '[')) {
    int whole = root == CQ_R_RECORD || root == CQ_R_DETAIL;

    if (!whole && *p->s == '.') {
      word = ++p->s;
      while (p->s < p->end && is_word(*p->s)) p->s++;
      r->name = cq_arena_strndup(p->a, word, (size_t)(p->s - word));
      if (!r->name) return NULL;
    }
    word = p->s;
    while (p->s < p->end && (is_word(*p->s) || strchr(".[*@:", *p->s)))
      if (*p->s++ == '[') parse_bracket(p);
    if (p->s > word) {
      if (*word == '.') word++;
      if (cq_path_parse(p->a, word, (size_t)(p->s - word), &r->path, p->err))
        return NULL;
    }
  }
  if ((root == CQ_R_RECORD || root == CQ_R_DETAIL) && !r->path &&
      cq_path_parse(p->a, ".", 1, &r->path, p->err))
    return NULL;
  if (p->nref == MOST_NAMES) {
    parse_fail(p, "too many names");
    return NULL;
  }
  p->refs[p->nref++] = r;
  return e;
}

static expr *parse_list(parser *p) {
  expr *e = expr_new(p, E_LIST), *args[64];
  size_t n = 0;

  if (!e) return NULL;
  while (!take_word(p, "]")) {
    if ((n && !take_word(p, ",")) || n == 64) {
      parse_fail(p, "expected , or ]");
      return NULL;
    }
    if (!(args[n] = parse_expr(p))) return NULL;
    n++;
  }
  e->args = cq_arena_alloc(p->a, (n + 1) * sizeof *e->args);
  if (!e->args) return NULL;
  memcpy(e->args, args, n * sizeof *args);
  e->narg = (unsigned)n;
  return e;
}

static expr *parse_primary(parser *p) {
  expr *e;

  skip_space(p);
  if (p->s >= p->end) {
    parse_fail(p, "a value is missing");
    return NULL;
  }
  if (take_word(p, "(")) {
    e = parse_expr(p);
    if (e && !take_word(p, ")")) {
      parse_fail(p, "expected )");
      return NULL;
    }
    return e;
  }
  if (take_word(p, "[")) return parse_list(p);
  if (*p->s == '\'' || *p->s == '"') {
    char quote = *p->s++;
    const char *from = p->s;
    char *copy;

    while (p->s < p->end && *p->s != quote) p->s++;
    if (p->s >= p->end) {
      parse_fail(p, "the quote is not closed");
      return NULL;
    }
    e = expr_new(p, E_LITERAL);
    copy = cq_arena_strndup(p->a, from, (size_t)(p->s - from));
    if (!e || !copy) return NULL;
    e->literal = cq_value_str(copy, (size_t)(p->s - from));
    p->s++;
    return e;
  }
  if ((*p->s >= '0' && *p->s <= '9') ||
      (*p->s == '-' && p->s + 1 < p->end && p->s[1] >= '0' && p->s[1] <= '9')) {
    char *stop;
    long long v = strtoll(p->s, &stop, 10);

    e = expr_new(p, E_LITERAL);
    if (e) e->literal = cq_value_int(v);
    p->s = stop;
    return e;
  }
  for (int i = 0; i < 3; i++) {
    static const char *const words[] = {"true", "false", "null"};

    if (!take_word(p, words[i])) continue;
    e = expr_new(p, E_LITERAL);
    if (e) e->literal = i == 2 ? cq_value_null() : cq_value_int(i == 0);
    return e;
  }
  return parse_name(p);
}

/* A document that stands in the template is read now, not each time. */
static expr *read_once(parser *p, expr *f) {
  cq_value read;
  int rc = f->filter->run(&f->a->literal, NULL, 0, p->a, &read, p->err);

  if (rc) return NULL;
  f->kind = E_LITERAL;
  f->literal = read;
  return f;
}

static expr *parse_filtered(parser *p) {
  expr *e = parse_primary(p);

  while (e && take_word(p, "|")) {
    expr *f = expr_new(p, E_FILTER), *args[16];
    const char *from;
    size_t n = 0;

    skip_space(p);
    from = p->s;
    while (p->s < p->end && is_word(*p->s)) p->s++;
    if (!f) return NULL;
    f->filter = cq_filter_named(from, (size_t)(p->s - from));
    if (!f->filter) {
      const char *names[64], *near;
      char w[64];
      size_t k = 0, len = (size_t)(p->s - from);

      while (k < 64 && cq_filter_name(k)) {
        names[k] = cq_filter_name(k);
        k++;
      }
      memcpy(w, from, len < 63 ? len : 63);
      w[len < 63 ? len : 63] = 0;
      cq_tree_error(p->err, p->at, "template: unknown filter \"%s\"", w);
      near = cq_nearest(w, names, k);
      if (near) cq_error_hint(p->err, "did you mean \"%s\"?", near);
      return NULL;
    }
    if (take_word(p, "("))
      while (!take_word(p, ")")) {
        if ((n && !take_word(p, ",")) || n == 16) {
          parse_fail(p, "expected , or )");
          return NULL;
        }
        if (!(args[n] = parse_expr(p))) return NULL;
        n++;
      }
    if ((int)n < f->filter->min || (int)n > f->filter->max) {
      int few = (int)n < f->filter->min;
      int wanted = few ? f->filter->min : f->filter->max;

      cq_tree_error(p->err, p->at,
                    "template: filter %s takes %s%d argument%s, not %d",
                    f->filter->name,
                    f->filter->min == f->filter->max ? ""
                    : few                            ? "at least "
                                                     : "at most ",
                    wanted, wanted == 1 ? "" : "s", (int)n);
      return NULL;
    }
    f->a = e;
    f->args = cq_arena_alloc(p->a, (n + 1) * sizeof *f->args);
    if (!f->args) return NULL;
    memcpy(f->args, args, n * sizeof *args);
    f->narg = (unsigned)n;
    e = f->filter->run == cq_filter_from_json && f->a->kind == E_LITERAL
            ? read_once(p, f)
            : f;
  }
  return e;
}

static expr *parse_compare(parser *p) {
  static const struct {
    const char *w;
    expr_op op;
  } ops[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE}, {">=", OP_GE},
             {"<", OP_LT},  {">", OP_GT},  {"in", OP_IN}};
  expr *a = parse_filtered(p), *e;

  for (size_t i = 0; a && i < sizeof ops / sizeof *ops; i++) {
    if (!take_word(p, ops[i].w)) continue;
    e = expr_new(p, E_OP);
    if (!e || !(e->b = parse_filtered(p))) return NULL;
    e->a = a;
    e->op = (unsigned)ops[i].op;
    return e;
  }
  return a;
}

static expr *parse_not(parser *p) {
  expr *e;

  if (!take_word(p, "not")) return parse_compare(p);
  e = expr_new(p, E_NOT);
  if (!e || !(e->a = parse_not(p))) return NULL;
  return e;
}

static expr *parse_and_or(parser *p, int is_or) {
  expr *a = is_or ? parse_and_or(p, 0) : parse_not(p);

  while (a && take_word(p, is_or ? "or" : "and")) {
    expr *e = expr_new(p, E_OP);

    if (!e || !(e->b = is_or ? parse_and_or(p, 0) : parse_not(p))) return NULL;
    e->a = a;
    e->op = is_or ? (unsigned)OP_OR : (unsigned)OP_AND;
    a = e;
  }
  return a;
}

static expr *parse_expr(parser *p) {
  expr *a, *e;

  if (++p->depth > 50) {
    parse_fail(p, "nested too deep");
    return NULL;
  }
  a = parse_and_or(p, 1);
  if (a && take_word(p, "if")) {
    e = expr_new(p, E_IF);
    if (!e || !(e->b = parse_and_or(p, 1))) return NULL;
    e->a = a;
    if (take_word(p, "else") && !(e->c = parse_expr(p))) return NULL;
    a = e;
  }
  p->depth--;
  return a;
}

/* A template's parts while it is read: their number is known at its end. */
typedef struct parts {
  part *v;
  size_t n, cap;
} parts;

static int add_part(parts *g, part x) {
  if (cq_grow(&g->v, &g->cap, g->n, sizeof *g->v)) return CQ_NOMEM;
  g->v[g->n++] = x;
  return CQ_OK;
}

static int read_parts(parser *p, const char *s, const char *end, parts *g) {
  while (s < end) {
    const char *open = strstr(s, "{{"), *close;
    part x;

    memset(&x, 0, sizeof x);
    if (!open) open = end;
    if (open > s) {
      x.text = cq_value_str(s, (size_t)(open - s));
      if (add_part(g, x)) return cq_error_nomem(p->err);
    }
    if (open == end) break;
    /* The end is a }} outside of quotes. */
    char quote = 0;
    for (close = open + 2; close < end; close++) {
      if (quote) {
        if (*close == quote) quote = 0;
      } else if (*close == '\'' || *close == '"') {
        quote = *close;
      } else if (close + 1 < end && close[0] == '}' && close[1] == '}') {
        break;
      }
    }
    if (close >= end)
      return cq_tree_error(p->err, p->at, "template: {{ without }}: %.60s",
                           open);
    p->s = open + 2;
    p->end = close;
    p->depth = 0;
    memset(&x, 0, sizeof x);
    x.e = parse_expr(p);
    if (!x.e)
      return p->err && p->err->code ? p->err->code : cq_error_nomem(p->err);
    skip_space(p);
    if (p->s != p->end) return parse_fail(p, "unexpected text");
    if (add_part(g, x)) return cq_error_nomem(p->err);
    s = close + 2;
  }
  return CQ_OK;
}

int cq_template_parse(cq_arena *a, const cq_node *at, const char *text,
                      unsigned roots, cq_template **out, cq_error *err) {
  cq_template *t = cq_arena_alloc(a, sizeof *t);
  size_t n = strlen(text);
  parts g = {NULL, 0, 0};
  parser p;
  int rc;

  if (!t) return cq_error_nomem(err);
  if (n > CQ_MAX_TEMPLATE)
    return cq_tree_error(err, at, "template: longer than %d bytes",
                         CQ_MAX_TEMPLATE);
  memset(t, 0, sizeof *t);
  memset(&p, 0, sizeof p);
  p.a = a;
  p.at = at;
  p.roots = roots;
  p.err = err;
  rc = read_parts(&p, text, text + n, &g);
  t->text = text;
  t->constant = 1;
  for (size_t i = 0; i < g.n; i++)
    if (g.v[i].e) t->constant = 0;
  if (rc == CQ_OK) {
    t->parts = cq_arena_alloc(a, (g.n + 1) * sizeof *t->parts);
    t->refs = cq_arena_alloc(a, (p.nref + 1) * sizeof *t->refs);
    if (!t->parts || !t->refs) rc = cq_error_nomem(err);
  }
  if (rc == CQ_OK) {
    if (g.n) memcpy(t->parts, g.v, g.n * sizeof *t->parts);
    t->npart = g.n;
    memcpy(t->refs, p.refs, p.nref * sizeof *t->refs);
    t->nref = p.nref;
    *out = t;
  }
  cq_free(g.v);
  return rc;
}

cq_ref *const *cq_template_refs(const cq_template *t, size_t *n) {
  *n = t ? t->nref : 0;
  return t ? t->refs : NULL;
}

const char *cq_template_text(const cq_template *t) {
  return t ? t->text : "";
}
int cq_template_constant(const cq_template *t) {
  return t->constant;
}
