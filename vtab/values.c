/* vtab/values.c: the values of a running query become constraints of a scan.
 *
 * SQLite hands values as they were written; the declared type of a column rules
 * how SQL compares them.  A value that the column's affinity would turn into
 * another is turned here too; one for which that is not certain is not used:
 * then the API is asked for more, and SQLite drops what does not match. */
#include <stdlib.h>
#include <string.h>

#include "vtab/vtab.h"

typedef enum fit {
  FIT_NO, /* do not use the term */
  FIT_YES,
  FIT_WIDER /* use it; it keeps more rows than the term */
} fit;

/* "2024-01-02" or "2024-01-02T03:04:05[.f][Z]": for these the order of text is
 * the order of time, down to the second. */
static int time_shape(const cq_value *v) {
  static const char form[] = "dddd-dd-ddTdd:dd:dd";
  size_t n = v->len;
  const char *s = v->u.s;

  if (n != 10 && n < 19) return 0;
  for (size_t i = 0; i < (n == 10 ? 10 : 19); i++)
    if (form[i] == 'd' ? s[i] < '0' || s[i] > '9' : s[i] != form[i]) return 0;
  if (n <= 19) return 1;
  if (s[19] == '.') {
    size_t i = 20;

    while (i < n && s[i] >= '0' && s[i] <= '9') i++;
    return i > 20 && (i == n || (i + 1 == n && s[i] == 'Z'));
  }
  return n == 20 && s[19] == 'Z';
}

static fit text_of_time(cq_arena *a, int64_t us, cq_value *out) {
  char text[40];
  char *copy;

  cq_time_format(us, text);
  copy = cq_arena_strndup(a, text, strlen(text));
  if (!copy) return FIT_NO;
  *out = cq_value_text(copy);
  return FIT_WIDER;
}

/* Text order of fractions of a second differs from time's ("05.5Z" < "05Z"),
 * so ends of ranges are moved to whole seconds, outwards. */
static fit fit_time(cq_arena *a, cq_push_op op, cq_value *v, cq_push_op *as) {
  int64_t us, second;
  char text[40];

  if (v->kind != CQ_STR || !time_shape(v) || cq_time_parse(v->u.s, v->len, &us))
    return FIT_NO;
  if (op <= CQ_P_IN) {
    cq_time_format(us, text);
    return strlen(text) == v->len && memcmp(text, v->u.s, v->len) == 0 ? FIT_YES
                                                                       : FIT_NO;
  }
  second = us - ((us % 1000000) + 1000000) % 1000000;
  if (op == CQ_P_GT || op == CQ_P_GE) {
    *as = CQ_P_GE;
    return text_of_time(a, second, v);
  }
  *as = CQ_P_LT; /* or <=, which keeps no less */
  /* "until the end of all time": a year of five digits is no time to APIs. */
  if (second == INT64_C(253402300799) * 1000000) return FIT_NO;
  return text_of_time(a, second + 1000000, v);
}

/* LIKE does not tell ASCII letters' cases apart, and a host's own, as ICU's, no
 * letters'; an API's prefix does: only what stands before the first letter can
 * be used.  GLOB does. */
static fit fit_prefix(cq_push_op op, cq_value *v) {
  size_t n = 0;

  if (v->kind != CQ_STR) return FIT_NO;
  while (n < v->len &&
         (op == CQ_P_LIKE
              ? v->u.s[n] != '%' && v->u.s[n] != '_' && !cq_letter(v->u.s[n]) &&
                    (unsigned char)v->u.s[n] < 0x80
              : !strchr("*?[", v->u.s[n])))
    n++;
  v->len = (uint32_t)n;
  return n ? FIT_WIDER : FIT_NO;
}

static fit fit_number(int type, cq_value *v) {
  cq_value n = *v;

  if (v->kind == CQ_STR && cq_number_parse(v->u.s, v->len, &n)) return FIT_NO;
  if (n.kind != CQ_INT && n.kind != CQ_DOUBLE) return FIT_NO;
  if (type != CQ_REAL && n.kind == CQ_DOUBLE) {
    if (!(n.u.r >= -9e15 && n.u.r <= 9e15) || n.u.r != (double)(int64_t)n.u.r)
      return FIT_NO;
    n = cq_value_int((int64_t)n.u.r);
  }
  /* What an API makes of a truth that is neither 0 nor 1, nobody knows. */
  if (type == CQ_BOOLEAN && (n.u.i < 0 || n.u.i > 1)) return FIT_NO;
  *v = n;
  return FIT_YES;
}

static fit fit_text(cq_arena *a, int type, cq_push_op op, cq_value *v) {
  int64_t us;

  /* Beside a number in a column SQL compares by number, which '05' = 5 meets;
   * a literal becomes text, as the column's affinity says. */
  if (op == CQ_P_NUMBER && v->kind == CQ_INT)
    return cq_value_to_text(a, v, v) ? FIT_NO : FIT_YES;
  if (v->kind != CQ_STR || memchr(v->u.s, 0, v->len)) return FIT_NO;
  switch (type) {
  case CQ_TEXT:
    return FIT_YES;
  case CQ_DATE: /* one that there is: an API would refuse the others */
    return v->len == 10 && time_shape(v) && !cq_time_parse(v->u.s, 10, &us)
               ? FIT_YES
               : FIT_NO;
  case CQ_DECIMAL:
  case CQ_UUID:
  case CQ_INET:
  case CQ_CIDR:
  case CQ_MAC:
    return op <= CQ_P_IN ? FIT_YES : FIT_NO;
  default:
    return FIT_NO; /* JSON, lists, blobs: their text is ours, not the API's */
  }
}

static fit fit_value(cq_arena *a, const cq_column *c, cq_push_op op,
                     cq_value *v, cq_push_op *as) {
  *as = op;
  if (op == CQ_P_LIKE || op == CQ_P_GLOB)
    return c->type == CQ_TEXT ? fit_prefix(op, v) : FIT_NO;
  switch (c->type) {
  case CQ_INTEGER:
  case CQ_BOOLEAN:
  case CQ_REAL:
    return fit_number(c->type, v);
  case CQ_TIMESTAMP:
    return fit_time(a, op, v, as);
  default:
    return fit_text(a, c->type, op, v);
  }
}

static int value_order(const void *pa, const void *pb) {
  const cq_value *a = pa, *b = pb;
  size_t n = a->len < b->len ? a->len : b->len;
  int d;

  if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
  if (a->kind == CQ_STR) {
    d = memcmp(a->u.s, b->u.s, n);
    return d ? d : a->len < b->len ? -1 : a->len > b->len;
  }
  return a->kind == CQ_INT ? (a->u.i > b->u.i) - (a->u.i < b->u.i)
                           : (a->u.r > b->u.r) - (a->u.r < b->u.r);
}

/* The operators that the API takes for a column, which may be its parent's. */
static unsigned asked_of(const cq_table *t, int column) {
  const cq_column *c = &t->columns[column];
  const cq_table *parent = t->parent.table;

  return c->source == CQ_FROM_PARENT && parent && parent != t &&
                 c->parent_column >= 0 && !c->where &&
                 parent->columns[c->parent_column].type == c->type
             ? asked_of(parent, c->parent_column)
             : c->where;
}

/* Equal values would be asked for twice, and give their rows twice. */
static size_t values_unique(cq_value *v, size_t n) {
  size_t kept = 0;

  if (n < 2) return n;
  qsort(v, n, sizeof *v, value_order);
  for (size_t i = 0; i < n; i++)
    if (i == 0 || value_order(&v[kept - 1], &v[i]) != 0) v[kept++] = v[i];
  return kept;
}

/* A list that is asked for at once stands in the address, as a rule, and has to
 * leave room there.  A longer one asks for all, of which SQLite keeps its own. */
static int list_fits(const cq_table *t, int column, int code, const cq_value *v,
                     size_t n) {
  size_t bytes = 0;

  if (code != CQ_W_IN || !(asked_of(t, column) & CQ_W_IN)) return 1;
  for (size_t i = 0; i < n; i++)
    bytes += v[i].kind == CQ_STR ? v[i].len + 1 : sizeof "-9223372036854775808";
  return bytes <= CQ_MAX_URL / 8;
}

/* The scan's operator; 0 where the API has none that keeps all rows. */
static int scan_op(const cq_table *t, int column, cq_push_op as) {
  unsigned where = asked_of(t, column);

  switch (as) {
  case CQ_P_EQ:
  case CQ_P_NUMBER:
  case CQ_P_IS:
    return (where & CQ_W_IN) && !(where & CQ_W_EQ) ? CQ_W_IN : CQ_W_EQ;
  case CQ_P_IN:
    return CQ_W_IN;
  case CQ_P_LT:
    return where & CQ_W_LT ? CQ_W_LT : where & CQ_W_LE ? CQ_W_LE : 0;
  case CQ_P_LE:
    return where & CQ_W_LE ? CQ_W_LE : 0;
  case CQ_P_GT:
    return where & CQ_W_GT ? CQ_W_GT : where & CQ_W_GE ? CQ_W_GE : 0;
  case CQ_P_GE:
    return where & CQ_W_GE ? CQ_W_GE : 0;
  default:
    return where & CQ_W_LIKE ? CQ_W_LIKE : 0;
  }
}

int cq_pushdown_bind(const cq_table *t, const cq_pushdown *p,
                     const cq_pushed *given, cq_arena *a, cq_bound *out) {
  memset(out, 0, sizeof *out);
  out->whole = 1;
  out->c = cq_arena_alloc(a, (size_t)(p->nitem + 1) * sizeof *out->c);
  if (!out->c) return CQ_NOMEM;
  for (int i = 0; i < p->nitem; i++) {
    const cq_column *c = &t->columns[p->item[i].column];
    cq_push_op op = p->item[i].op, as = op;
    cq_value *v = cq_arena_alloc(a, (given[i].n + 1) * sizeof *v);
    size_t n = 0;
    int use = !given[i].unknown, code;

    if (!v) return CQ_NOMEM;
    if (given[i].unknown) {
      /* There will be some value: this one holds its place. */
      v[n++] = cq_value_text("?");
      use = 1;
    }
    for (size_t k = 0; k < given[i].n && use && !given[i].unknown; k++) {
      fit f;

      if (given[i].values[k].kind == CQ_NULL) {
        use = op != CQ_P_IS; /* IS NULL is another question */
        continue;
      }
      v[n] = given[i].values[k];
      f = fit_value(a, c, op, &v[n], &as);
      use = f != FIT_NO;
      if (f == FIT_WIDER) out->whole = 0;
      n++;
    }
    if (use && n == 0) { /* = NULL, IN (): never true */
      out->none = 1;
      return CQ_OK;
    }
    code = use ? scan_op(t, p->item[i].column, as) : 0;
    if (!code) {
      out->whole = 0;
      continue;
    }
    /* x < 5 asked for as x <= 5 gives more. */
    if ((as == CQ_P_LT && code == CQ_W_LE) ||
        (as == CQ_P_GT && code == CQ_W_GE))
      out->whole = 0;
    n = values_unique(v, n);
    if (!c->required && !list_fits(t, p->item[i].column, code, v, n)) {
      out->whole = 0;
      continue;
    }
    out->c[out->n].unknown = given[i].unknown;
    out->c[out->n].column = p->item[i].column;
    out->c[out->n].op = code;
    out->c[out->n].n = n;
    out->c[out->n++].values = v;
  }
  return CQ_OK;
}

/* Does the list alone bring it, without a parent's answer or a call's? */
static int is_cheap(const cq_column *c) {
  return c->call < 0 &&
         (c->source == CQ_FROM_PATH || c->source == CQ_FROM_CLIENT ||
          c->source == CQ_FROM_EACH);
}

static int key_is_cheap(const cq_table *t) {
  for (size_t i = 0; i < t->nkey; i++)
    if (!is_cheap(&t->columns[t->key[i]])) return 0;
  return t->nkey > 0;
}

static int is_used(uint64_t used, int column) {
  return used >> (column < 63 ? column : 63) & 1;
}

/* What makes up a row's rowid: its key, where that is cheap, and with it the
 * columns that the arms of an OR are asked for by, since an API may not keep
 * the key; else all that the query reads. */
static int is_identity(const cq_table *t, uint64_t used, int keyed, int i) {
  const cq_column *c = &t->columns[i];

  return keyed ? c->key || (c->where && is_cheap(c)) : is_used(used, i);
}

unsigned char *cq_pushdown_wanted(const cq_table *t, uint64_t used,
                                  cq_arena *a) {
  unsigned char *w = cq_arena_alloc(a, (size_t)t->ncol + 1);
  int keyed = key_is_cheap(t);

  for (int i = 0; w && i < t->ncol; i++)
    w[i] = is_used(used, i) || is_identity(t, used, keyed, i);
  return w;
}

int cq_row_keyed(const cq_table *t) {
  return key_is_cheap(t);
}

uint64_t cq_row_identity(const cq_table *t, uint64_t used, const cq_value *row,
                         const char *client) {
  int keyed = key_is_cheap(t), named = 0;
  uint64_t h;

  /* A key with the client's attribute tells clients apart itself, and gives the
   * same row the same number whichever way the query came to it. */
  for (size_t i = 0; keyed && i < t->nkey; i++)
    named |= t->columns[t->key[i]].source == CQ_FROM_CLIENT;
  h = named ? 0 : cq_hash64(client, strlen(client), 0);
  for (int i = 0; i < t->ncol; i++)
    if (is_identity(t, used, keyed, i)) h = cq_value_hash(h, &row[i]);
  return h;
}
