/* ext/spec/address.c: a request's address, and who chose the host in it.
 *
 * A host that a row, an answer or a query names may be anybody's, so the values
 * that come from there are told from those of the configuration while the
 * template is put together, piece by piece.  Before the path such a value may
 * be a part of a name below a domain that the definition gives, as a region
 * is; past it, it is encoded for where it stands.  One that is the whole host,
 * or its end, has chosen it, which is told to the caller. */
#include <string.h>

#include "spec/template.h"

typedef struct address {
  const cq_context *c;
  cq_arena *a;
  cq_error *err;
  cq_buf out;
  enum { AT_SCHEME, AT_HOST, AT_PORT, AT_PATH, AT_QUERY } at;
  cq_whence chosen; /* who has chosen scheme and host so far */
  cq_whence open;   /* whose value the host ends in, so far */
  int dotted;       /* a '.' of our own has come behind it */
  int missing;
} address;

static cq_whence later(cq_whence a, cq_whence b) {
  return a > b ? a : b;
}

static cq_whence ref_whence(const cq_ref *r, const cq_value *v) {
  switch (r->root) {
  case CQ_R_CONFIG:
  case CQ_R_DATA:
  case CQ_R_RUN:
    return CQ_BY_OWNER;
  case CQ_R_CLIENT:
  case CQ_R_EACH:
    return (cq_whence)v->whence;
  case CQ_R_WHERE:
    return CQ_BY_QUERY;
  default:
    return CQ_BY_ANSWER;
  }
}

/* The value, and the least trusted of what it is made of.  What only selects
 * (a condition, a key, a comparison) makes nothing. */
static int whence_expr(const cq_context *c, cq_arena *a, const expr *e,
                       cq_value *v, cq_whence *by, cq_error *err) {
  cq_whence other;
  cq_value x;
  const char *f;
  size_t from = 0, step = 1;
  int rc;

  *by = CQ_BY_OWNER;
  switch (e->kind) {
  case E_REF:
    rc = cq_expr_eval(c, a, e, v, err);
    if (rc == CQ_OK) *by = ref_whence(e->ref, v);
    return rc;
  case E_IF:
    rc = cq_expr_eval(c, a, e->b, &x, err);
    if (rc) return rc;
    if (cq_value_truth(&x)) return whence_expr(c, a, e->a, v, by, err);
    *v = cq_value_null();
    return e->c ? whence_expr(c, a, e->c, v, by, err) : CQ_OK;
  case E_OP:
    if (e->op != OP_OR && e->op != OP_AND) return cq_expr_eval(c, a, e, v, err);
    rc = whence_expr(c, a, e->a, v, by, err);
    if (rc || cq_value_truth(v) == (e->op == OP_OR)) return rc;
    return whence_expr(c, a, e->b, v, by, err);
  case E_FILTER:
    f = e->filter->name;
    rc = cq_expr_eval(c, a, e, v, err);
    if (rc) return rc;
    if (strcmp(f, "contains") == 0 || strcmp(f, "length") == 0) return CQ_OK;
    if (strcmp(f, "case") == 0) { /* of x, a, b, y, ..., else: those it gives */
      from = 1;
      step = 2;
    } else {
      rc = whence_expr(c, a, e->a, &x, by, err);
    }
    if (strcmp(f, "get") == 0) from = e->narg;
    if (strcmp(f, "default") == 0 && cq_value_truth(&x)) from = e->narg;
    for (size_t i = from; i < e->narg && rc == CQ_OK; i += step) {
      rc = whence_expr(c, a, e->args[i], &x, &other, err);
      *by = later(*by, other);
    }
    /* An even number of them leaves none; else the last one is `else`. */
    if (step == 2 && e->narg % 2 && rc == CQ_OK) {
      rc = whence_expr(c, a, e->args[e->narg - 1], &x, &other, err);
      *by = later(*by, other);
    }
    return rc;
  case E_LIST:
    rc = cq_expr_eval(c, a, e, v, err);
    for (size_t i = 0; i < e->narg && rc == CQ_OK; i++) {
      rc = whence_expr(c, a, e->args[i], &x, &other, err);
      *by = later(*by, other);
    }
    return rc;
  default:
    return cq_expr_eval(c, a, e, v, err);
  }
}

int cq_template_whence(const cq_template *t, const cq_context *c, cq_arena *a,
                       cq_value *out, cq_error *err) {
  cq_whence by = CQ_BY_OWNER, one;
  cq_value v;
  int rc = cq_template_eval(t, c, CQ_PLACE_PLAIN, a, out, err);

  for (size_t i = 0; i < t->npart && rc == CQ_OK && out->kind != CQ_NULL; i++)
    if (t->parts[i].e) {
      rc = whence_expr(c, a, t->parts[i].e, &v, &one, err);
      by = later(by, one);
    }
  out->whence = (uint16_t)by;
  return rc;
}

/* ---- putting it together --------------------------------------------------- */

/* The host ends here: in a value, unless a name of ours stands behind it. */
static void host_ends(address *x) {
  x->chosen = later(x->chosen, x->open);
  x->open = CQ_BY_OWNER;
}

/* Text that says where it goes: the definition's own, or a whole address. */
static void add_own(address *x, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    cq_buf_byte(&x->out, s[i]);
    if (x->at == AT_SCHEME) {
      if (x->out.len >= 3 &&
          memcmp(x->out.data + x->out.len - 3, "://", 3) == 0)
        x->at = AT_HOST;
    } else if (x->at == AT_HOST || x->at == AT_PORT) {
      if (s[i] == '/' || s[i] == '?' || s[i] == '#') {
        host_ends(x);
        x->at = s[i] == '/' ? AT_PATH : AT_QUERY;
      } else if (s[i] == ':' || s[i] == '@' || s[i] == '\\') {
        host_ends(x);
        x->at = AT_PORT;
      } else if (s[i] == '.') {
        x->dotted = 1;
      } else if (x->dotted) {
        x->open = CQ_BY_OWNER; /* a name of our own is behind it */
      }
    } else if (x->at == AT_PATH && (s[i] == '?' || s[i] == '#')) {
      x->at = AT_QUERY;
    }
  }
}

static int is_label(const cq_value *v) {
  for (size_t i = 0; i < v->len; i++) {
    char c = v->u.s[i];

    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
          (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
      return 0;
  }
  return 1;
}

static int add_piece(address *x, const expr *e, const cq_value *v,
                     cq_whence by) {
  cq_value s;

  if (cq_value_to_text(x->a, v, &s)) return cq_error_nomem(x->err);
  if (by == CQ_BY_OWNER) {
    add_own(x, s.u.s, s.len);
    return CQ_OK;
  }
  switch (x->at) {
  case AT_SCHEME:
    x->chosen = later(x->chosen, by);
    add_own(x, s.u.s, s.len);
    return CQ_OK;
  case AT_HOST:
    if (!is_label(&s))
      return cq_error_set(x->err, CQ_CONSTRAINT,
                          "a value that is no part of a host's name stands in "
                          "one: %.*s",
                          (int)(s.len < 200 ? s.len : 200), s.u.s);
    x->open = later(x->open, by);
    x->dotted = 0;
    cq_buf_add(&x->out, s.u.s, s.len);
    return CQ_OK;
  case AT_PORT:
    if (!is_label(&s))
      return cq_error_set(x->err, CQ_CONSTRAINT, "a value is no port: %.*s",
                          (int)(s.len < 200 ? s.len : 200), s.u.s);
    x->chosen = later(x->chosen, by);
    cq_buf_add(&x->out, s.u.s, s.len);
    return CQ_OK;
  case AT_PATH:
  case AT_QUERY:
    return cq_expr_encode(&x->out, e, &s,
                          x->at == AT_PATH ? CQ_PLACE_PATH : CQ_PLACE_QUERY,
                          x->err);
  }
  return CQ_OK;
}

static int add_expr(address *x, const expr *e);

/* 'https://{}.{}' | format(a, b): its text and its arguments are pieces. */
static int add_format(address *x, const expr *e) {
  cq_whence by;
  cq_value in;
  size_t next = 0, from = 0, which = 0, n;
  int rc = whence_expr(x->c, x->a, e->a, &in, &by, x->err);

  if (rc) return rc;
  x->missing |= in.kind != CQ_STR;
  for (size_t i = 0; i + 1 < in.len && !x->missing && rc == CQ_OK; i++) {
    cq_value text = cq_value_str(in.u.s + from, i - from);

    n = cq_format_place(in.u.s + i, in.len - i, &next, &which);
    if (n == 0) continue;
    rc = add_piece(x, e->a, &text, by);
    if (rc == CQ_OK && which < e->narg) rc = add_expr(x, e->args[which]);
    from = i + n;
    i += n - 1;
  }
  if (rc == CQ_OK && !x->missing) {
    cq_value text = cq_value_str(in.u.s + from, in.len - from);

    rc = add_piece(x, e->a, &text, by);
  }
  return rc;
}

static int add_expr(address *x, const expr *e) {
  cq_whence by;
  cq_value v;
  int rc;

  switch (e->kind) {
  case E_IF:
    rc = cq_expr_eval(x->c, x->a, e->b, &v, x->err);
    if (rc) return rc;
    if (cq_value_truth(&v)) return add_expr(x, e->a);
    if (e->c) return add_expr(x, e->c);
    x->missing = 1;
    return CQ_OK;
  case E_OP:
    if (e->op != OP_OR && e->op != OP_AND) break;
    rc = cq_expr_eval(x->c, x->a, e->a, &v, x->err);
    if (rc) return rc;
    return add_expr(x, cq_value_truth(&v) == (e->op == OP_OR) ? e->a : e->b);
  case E_FILTER:
    if (strcmp(e->filter->name, "format") == 0) return add_format(x, e);
    break;
  default:
    break;
  }
  rc = whence_expr(x->c, x->a, e, &v, &by, x->err);
  if (rc) return rc;
  x->missing |= v.kind == CQ_NULL;
  return x->missing ? CQ_OK : add_piece(x, e, &v, by);
}

int cq_template_address(const cq_template *t, const cq_context *c, cq_arena *a,
                        cq_value *out, cq_error *err) {
  address x;
  char *text = NULL;
  int rc = CQ_OK;

  memset(&x, 0, sizeof x);
  x.c = c;
  x.a = a;
  x.err = err;
  *out = cq_value_null();
  cq_buf_init(&x.out, CQ_MAX_SPEC_BYTES);
  for (size_t i = 0; i < t->npart && rc == CQ_OK && !x.missing; i++)
    if (t->parts[i].e)
      rc = add_expr(&x, t->parts[i].e);
    else
      add_own(&x, t->parts[i].text.u.s, t->parts[i].text.len);
  host_ends(&x);
  if (rc == CQ_OK && !x.missing) {
    text = x.out.rc
               ? NULL
               : cq_arena_strndup(a, x.out.data ? x.out.data : "", x.out.len);
    if (!text) rc = cq_error_nomem(err);
  }
  if (text) *out = cq_value_str(text, x.out.len);
  out->whence = (uint16_t)x.chosen;
  cq_buf_clear(&x.out);
  return rc;
}

/* ---- at load --------------------------------------------------------------- */

/* Where a text may have come to, as bits.  What is not known before it is
 * asked (settings, clients) is taken for a whole address, or a name of ours. */
enum { SURE_NONE = 1, SURE_HOST = 2, SURE_VALUE = 4, SURE_DONE = 8 };

typedef struct sure {
  unsigned at;
  int chosen; /* a value is the whole host, or its end */
} sure;

static void sure_text(sure *s, const char *text, size_t n) {
  unsigned to = s->at & SURE_DONE;
  const char *end = text + n, *host = NULL;

  for (const char *p = text; p + 2 < end && !host; p++)
    if (memcmp(p, "://", 3) == 0) host = p + 3;
  if (s->at & SURE_NONE)
    to |= !host                                     ? (unsigned)SURE_NONE
          : memchr(host, '/', (size_t)(end - host)) ? (unsigned)SURE_DONE
                                                    : (unsigned)SURE_HOST;
  if (s->at & SURE_HOST)
    to |= memchr(text, '/', n) ? (unsigned)SURE_DONE : (unsigned)SURE_HOST;
  if (s->at & SURE_VALUE) {
    size_t i = 0;

    while (i < n && !strchr("./:?#", text[i])) i++;
    if (i < n && text[i] != '.') s->chosen = 1;
    to |= i == n                         ? (unsigned)SURE_VALUE
          : memchr(text + i, '/', n - i) ? (unsigned)SURE_DONE
                                         : (unsigned)SURE_HOST;
  }
  s->at = to;
}

static void sure_expr(sure *s, const expr *e);

static void sure_either(sure *s, const expr *a, const expr *b) {
  sure other = *s;

  sure_expr(s, a);
  if (!b) return;
  sure_expr(&other, b);
  s->at |= other.at;
  s->chosen |= other.chosen;
}

/* A value that is not known: of ours, or of whoever answers or asks. */
static void sure_value(sure *s, int of_ours) {
  if (of_ours) {
    s->at = (s->at & SURE_HOST) | SURE_DONE;
    return;
  }
  s->chosen |= s->at & SURE_NONE ? 1 : 0;
  s->at = (s->at & (SURE_NONE | SURE_DONE) ? SURE_DONE : 0u) |
          (s->at & (SURE_HOST | SURE_VALUE) ? SURE_VALUE : 0u);
}

static int sure_ours(const expr *e) {
  switch (e->kind) {
  case E_REF:
    return e->ref->root == CQ_R_CONFIG || e->ref->root == CQ_R_DATA ||
           e->ref->root == CQ_R_RUN || e->ref->root == CQ_R_CLIENT ||
           e->ref->root == CQ_R_EACH;
  case E_FILTER: /* its text; what its arguments do is not known */
    return strcmp(e->filter->name, "case") == 0 || sure_ours(e->a);
  default:
    return 1;
  }
}

static void sure_expr(sure *s, const expr *e) {
  size_t next = 0, from = 0, which = 0, n;
  cq_value in;

  if (e->kind == E_LITERAL && e->literal.kind == CQ_STR) {
    sure_text(s, e->literal.u.s, e->literal.len);
  } else if (e->kind == E_IF) {
    sure_either(s, e->a, e->c);
  } else if (e->kind == E_OP && e->op == OP_OR) {
    sure_either(s, e->a, e->b);
  } else if (e->kind == E_OP && e->op == OP_AND) {
    sure_expr(s, e->b);
  } else if (e->kind == E_FILTER && strcmp(e->filter->name, "format") == 0 &&
             e->a->kind == E_LITERAL && e->a->literal.kind == CQ_STR) {
    in = e->a->literal;
    for (size_t i = 0; i + 1 < in.len; i++) {
      n = cq_format_place(in.u.s + i, in.len - i, &next, &which);
      if (n == 0) continue;
      sure_text(s, in.u.s + from, i - from);
      if (which < e->narg) sure_expr(s, e->args[which]);
      from = i + n;
      i += n - 1;
    }
    sure_text(s, in.u.s + from, in.len - from);
  } else {
    sure_value(s, sure_ours(e));
  }
}

int cq_template_chooses_host(const cq_template *t) {
  sure s = {SURE_NONE, 0};

  for (size_t i = 0; i < t->npart; i++)
    if (t->parts[i].e)
      sure_expr(&s, t->parts[i].e);
    else
      sure_text(&s, t->parts[i].text.u.s, t->parts[i].text.len);
  return s.chosen || (s.at & SURE_VALUE);
}
