/* ext/scan/select.c: which clients a scan asks: those that the table is for
 * (`only`), that the query's constraints allow, and those that its values make
 * where a dimension has none configured. */
#include <string.h>

#include "scan/internal.h"

typedef struct selecting {
  const cq_scan_options *o;
  const cq_table *t;
  cq_arena *own; /* clients made from constraints */
  const cq_client **v;
  size_t n, cap;
} selecting;

/* Could SQL's = hold?  Only a clear no is a no. */
static int may_equal(const cq_value *a, const cq_value *b) {
  if (b->kind == CQ_NULL) return 0;
  if (a->kind == CQ_STR && b->kind == CQ_STR)
    return a->len == b->len && memcmp(a->u.s, b->u.s, a->len) == 0;
  if (a->kind == CQ_INT && b->kind == CQ_INT) return a->u.i == b->u.i;
  return 1;
}

int cq_constraint_allows(const cq_constraint *w, const cq_column *c,
                         const cq_value *raw) {
  cq_value cell = cq_value_null();
  cq_arena tmp;
  int lossy = 0, yes = 0;

  cq_arena_init(&tmp);
  if (raw->kind != CQ_NULL &&
      cq_value_convert(&tmp, raw, c->type, c->format, &cell, &lossy))
    yes = 1;
  /* Where nothing is, something else may take its place. */
  if (!yes && cell.kind == CQ_NULL && c->dflt.kind != CQ_NULL &&
      cq_value_convert(&tmp, &c->dflt, c->type, c->format, &cell, &lossy))
    yes = 1;
  if (cell.kind == CQ_NULL)
    yes |= c->value != NULL; /* no comparison holds of NULL */
  else if (w->op != CQ_W_EQ && w->op != CQ_W_IN)
    yes = 1;
  for (size_t i = 0; i < w->n && !yes && cell.kind != CQ_NULL; i++)
    yes = may_equal(&cell, &w->values[i]);
  cq_arena_clear(&tmp);
  return yes;
}

/* `only` as a map: which values of the clients' dimensions a table is for. */
static int client_only(const cq_table *t, const cq_client *c) {
  const cq_table *top = cq_table_top(t);

  for (size_t k = 0; k < top->nonly; k++) {
    const cq_dimension *d = &top->integration->dims[top->only[k].dimension];
    const cq_value *v = cq_client_value(c, d->id ? d->id : d->name);
    int ok = 0;

    if (!v || v->kind != CQ_STR) continue;
    for (size_t i = 0; i < top->only[k].n && !ok; i++)
      ok = strlen(top->only[k].values[i]) == v->len &&
           memcmp(top->only[k].values[i], v->u.s, v->len) == 0;
    if (!ok) return 0;
  }
  return 1;
}

int cq_source_concerns(cq_source *s, const cq_table *t, const cq_client *client,
                       const cq_constraint *where, size_t nwhere, int *yes,
                       cq_error *err) {
  const cq_table *top = cq_table_top(t);
  cq_scope scope;
  cq_context c = cq_scope_context(&scope);
  cq_arena a;
  int rc;

  *yes = client_only(t, client);
  if (!*yes || !top->only_when || client->failed) return CQ_OK;
  memset(&scope, 0, sizeof scope);
  scope.config = s->config;
  scope.client = client;
  scope.table = top;
  scope.where = top == t ? where : NULL;
  scope.nwhere = top == t ? nwhere : 0;
  cq_arena_init(&a);
  rc = cq_template_true(top->only_when, &c, &a, yes, err);
  if (rc && rc != CQ_NOMEM) cq_error_prefix(err, "%s: ", top->name);
  cq_arena_clear(&a);
  return rc;
}

static int client_allowed(const selecting *e, const cq_client *c) {
  for (size_t k = 0; k < e->o->nconstraint; k++) {
    const cq_constraint *w = &e->o->constraints[k];
    const cq_column *col = &e->t->columns[w->column];
    const cq_value *v = col->source == CQ_FROM_CLIENT && col->from
                            ? cq_client_value(c, col->from)
                            : NULL;

    if (v && !cq_constraint_allows(w, col, v)) return 0;
  }
  return client_only(e->t, c);
}

/* A client that lacks an optional attribute which the query names by = or IN:
 * the query's values make clients of it. */
static const cq_constraint *client_lacks(const selecting *e,
                                         const cq_client *c) {
  for (size_t k = 0; k < e->o->nconstraint; k++) {
    const cq_constraint *w = &e->o->constraints[k];
    const cq_column *col = &e->t->columns[w->column];

    if (col->source == CQ_FROM_CLIENT && col->from &&
        (w->op == CQ_W_EQ || w->op == CQ_W_IN) && !c->failed &&
        !cq_client_value(c, col->from))
      return w;
  }
  return NULL;
}

static int client_named(selecting *e, const cq_client *c,
                        const cq_constraint *w, const cq_value *v,
                        const cq_client **out) {
  cq_client *made = cq_client_extend(e->own, c, 1);
  cq_value text, said = *v;

  said.whence = CQ_BY_QUERY;
  if (!made ||
      cq_client_set(e->own, made, e->t->columns[w->column].from, &said) ||
      cq_value_to_text(e->own, v, &text))
    return CQ_NOMEM;
  /* A name is shown and stored; the query of a URL may be a credential. */
  if (memchr(text.u.s, ':', text.len) && memchr(text.u.s, '?', text.len))
    text.len =
        (size_t)((const char *)memchr(text.u.s, '?', text.len) - text.u.s);
  if (c->n == 0 && !c->over)
    made->id = cq_arena_strndup(e->own, text.u.s, text.len);
  else
    made->id =
        cq_arena_printf(e->own, "%s:%.*s", c->id, (int)text.len, text.u.s);
  *out = made;
  return made->id ? CQ_OK : CQ_NOMEM;
}

/* Keeps the client, or those that the query's values make of it: one attribute
 * that it lacks after the other, so each combination. */
static int client_keep(selecting *e, const cq_client *c) {
  const cq_constraint *w = client_lacks(e, c);

  if (!client_allowed(e, c)) return CQ_OK;
  for (size_t k = 0; w && k < w->n; k++) {
    const cq_client *made;

    if (w->values[k].kind == CQ_NULL) continue;
    if (client_named(e, c, w, &w->values[k], &made) || client_keep(e, made))
      return CQ_NOMEM;
  }
  if (w) return CQ_OK;
  if (cq_grow(&e->v, &e->cap, e->n, sizeof *e->v)) return CQ_NOMEM;
  e->v[e->n++] = c;
  return CQ_OK;
}

int cq_clients_select(const cq_scan_options *o, cq_arena *own,
                      cq_clients **from, const cq_client ***out, size_t *n,
                      cq_error *err) {
  selecting e = {o, o->table, own, NULL, 0, 0};
  const cq_client *const *all = o->clients;
  size_t nall = o->nclient;
  int rc = CQ_OK;

  if (!all) {
    rc = cq_source_clients(o->source, o->table, from, err);
    if (rc) return rc;
    all = cq_clients_all(*from, &nall);
  }
  /* The list is there, also where it is empty. */
  if (cq_grow(&e.v, &e.cap, 0, sizeof *e.v)) return cq_error_nomem(err);
  for (size_t i = 0; i < nall && rc == CQ_OK; i++) rc = client_keep(&e, all[i]);
  *out = e.v;
  *n = e.n;
  return rc ? cq_error_nomem(err) : CQ_OK;
}
