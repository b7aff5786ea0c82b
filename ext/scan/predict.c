/* ext/scan/predict.c: the requests that a scan would make, told before any is
 * made: from the same definitions, needs and pruning that the scan uses.
 *
 * What only the network can tell stays open and is said so: clients not yet
 * discovered, rows of a parent, pages. */
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"

void cq_prediction_clear(cq_prediction *p) {
  cq_free(p->steps);
  cq_arena_clear(&p->arena);
  memset(p, 0, sizeof *p);
}

static int predict_add(cq_prediction *p, const cq_table *t, const char *client,
                       const cq_request_def *r, const char *purpose,
                       int64_t requests, const char *repeats, cq_error *err) {
  cq_plan_step *s;

  if (cq_grow(&p->steps, &p->cap, p->n, sizeof *p->steps))
    return cq_error_nomem(err);
  s = &p->steps[p->n++];
  memset(s, 0, sizeof *s);
  s->table = t->name;
  s->client = cq_arena_printf(&p->arena, "%s", client ? client : "");
  s->method = r->method ? r->method : "GET";
  s->url = cq_arena_printf(&p->arena, "%s%s", cq_template_text(r->url),
                           r->path ? cq_template_text(r->path) : "");
  s->operation = r->operation ? r->operation : "";
  s->purpose = purpose;
  s->requests = requests;
  s->repeats = cq_arena_printf(&p->arena, "%s", repeats ? repeats : "");
  return s->client && s->url && s->repeats ? CQ_OK : cq_error_nomem(err);
}

/* Is this set of dimensions already known to the source? */
static const cq_client_list *known_clients(const cq_source *s,
                                           const cq_table *t) {
  unsigned long long dims = 0;

  t = cq_table_top(t);
  for (size_t i = 0; i < t->nover; i++) dims |= 1ull << t->over[i];
  for (const cq_client_list *l = s->lists; l; l = l->next)
    if (l->dims == dims) return l;
  return NULL;
}

/* One series per value of IN lists that the API takes one at a time. */
static int64_t predict_series(const cq_scan_options *o) {
  int64_t n = 1;

  for (size_t i = 0; i < o->nconstraint; i++) {
    const cq_column *c = &o->table->columns[o->constraints[i].column];

    if (o->constraints[i].op == CQ_W_IN && (c->where & CQ_W_EQ) &&
        !(c->where & CQ_W_IN))
      n *= (int64_t)o->constraints[i].n;
  }
  return n;
}

static int predict_clients(const cq_scan_options *o, cq_prediction *p,
                           int64_t *count, cq_error *err) {
  const cq_table *top = cq_table_top(o->table);
  const cq_client_list *known = known_clients(o->source, o->table);

  if (o->clients) {
    *count = (int64_t)o->nclient;
    return CQ_OK;
  }
  if (known) {
    *count = 0;
    for (size_t i = 0; i < known->n; i++) {
      int ok = 1;

      for (size_t k = 0; k < o->nconstraint; k++) {
        const cq_constraint *w = &o->constraints[k];
        const cq_column *c = &o->table->columns[w->column];

        if (c->source != CQ_FROM_CLIENT ||
            (w->op != CQ_W_EQ && w->op != CQ_W_IN))
          continue;
        for (size_t a = 0; a < known->clients[i]->n; a++) {
          int any = 0;

          if (strcmp(known->clients[i]->names[a], c->from) != 0) continue;
          for (size_t v = 0; v < w->n; v++)
            any |= cq_value_same(&w->values[v], &known->clients[i]->values[a]);
          ok &= any;
        }
      }
      *count += ok;
    }
    return CQ_OK;
  }
  *count = top->nover ? -1 : 1;
  for (size_t i = 0; i < top->nover; i++) {
    const cq_dimension *d = &o->source->in->dims[top->over[i]];
    int rc;

    if (d->discover) {
      rc = predict_add(p, o->table, "", d->discover, "discover",
                       d->nover ? -1 : 1,
                       d->nover ? "per client so far, where not configured"
                                : "where not configured",
                       err);
      if (rc) return rc;
    }
    if (d->identify) {
      rc = predict_add(p, o->table, "", d->identify, "identify", -1,
                       "once per value", err);
      if (rc) return rc;
    }
  }
  return CQ_OK;
}

int cq_scan_predict(const cq_scan_options *o, cq_prediction *p, cq_error *err) {
  const cq_table *t = o->table, *parent = t->parent.table;
  cq_need need;
  int64_t clients = 1;
  int rc = cq_need_compute(t, o->wanted, o->use_cache, &need, err);

  if (rc) return rc;
  if (parent && parent != t) {
    cq_scan_options up = *o;
    unsigned char *wanted = cq_calloc((size_t)parent->ncol + 1, 1);
    cq_constraint *w = cq_calloc(o->nconstraint + 1, sizeof *w);
    size_t n = 0;

    if (!wanted || !w) rc = cq_error_nomem(err);
    for (int i = 0; wanted && i < parent->ncol; i++) wanted[i] = need.parent[i];
    for (size_t i = 0; w && i < o->nconstraint; i++) {
      const cq_column *c = &t->columns[o->constraints[i].column];

      if (c->source != CQ_FROM_PARENT || c->parent_column < 0) continue;
      w[n] = o->constraints[i];
      w[n++].column = c->parent_column;
    }
    up.table = parent;
    up.wanted = wanted;
    up.constraints = w;
    up.nconstraint = n;
    up.cap = -1;
    up.parents = NULL;
    if (rc == CQ_OK) rc = cq_scan_predict(&up, p, err);
    cq_free(wanted);
    cq_free(w);
    clients = -1;
  } else {
    rc = predict_clients(o, p, &clients, err);
  }
  if (rc == CQ_OK && t->request) {
    const char *pages = t->page.by == CQ_PAGE_NONE ? "" : "pages";
    char *per = parent
                    ? cq_arena_printf(&p->arena, "per row of %s%s%s",
                                      parent->name, *pages ? ", " : "", pages)
                    : (char *)pages;

    rc = per ? predict_add(p, t, "", t->request, "list",
                           clients < 0 ? -1 : clients * predict_series(o), per,
                           err)
             : cq_error_nomem(err);
  }
  for (size_t k = 0; k < t->ncall && rc == CQ_OK; k++) {
    const cq_call *c = &t->calls[k];
    char *per;

    if (!need.call[k]) continue;
    per = c->batch > 1 ? cq_arena_printf(&p->arena, "per %d rows of %s",
                                         c->batch, t->name)
                       : cq_arena_printf(&p->arena, "per row of %s", t->name);
    rc = per ? predict_add(p, t, "", c->request, "call", -1, per, err)
             : cq_error_nomem(err);
  }
  cq_need_clear(&need);
  return rc;
}
