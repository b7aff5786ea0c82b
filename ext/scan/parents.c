/* ext/scan/parents.c: the rows of a table's parent that lead to requests: of a
 * scan of it, of whoever opened the scan, or made from constraints where they
 * name all that is wanted of it. */
#include <string.h>

#include "scan/internal.h"

struct cq_parents {
  const cq_scan_options *o;
  const cq_table *t, *table; /* table: the parent */
  const cq_need *need;
  int64_t now_us;
  const cq_client *const *clients;
  size_t nclient;
  cq_client nobody;
  cq_scan *scan;        /* of the parent table */
  const cq_batch *rows; /* its batch */
  int row;
  const cq_client *row_client;
  cq_constraint *up; /* constraints handed to the parent's scan */
  size_t nup;
  unsigned char *up_wanted;
  cq_value *given;                /* product of given parent columns */
  const cq_client **given_client; /* whose each is; NULL: nobody's */
  size_t ngiven, given_at;
  int from_given;
  cq_set seen; /* `distinct` values */
};

/* Constraints on columns that come from the parent, as the parent sees them:
 * where both have one type, since a value that was converted is another; and
 * where one row stands for all with its `distinct` value, on that alone, so that
 * it is the same one whatever is asked for. */
static int parents_up(cq_parents *p, cq_error *err) {
  p->up = cq_calloc(p->o->nconstraint + 1, sizeof *p->up);
  p->up_wanted = cq_calloc((size_t)p->table->ncol + 1, 1);
  if (!p->up || !p->up_wanted) return cq_error_nomem(err);
  for (size_t i = 0; i < p->o->nconstraint; i++) {
    const cq_constraint *w = &p->o->constraints[i];
    const cq_column *c = &p->t->columns[w->column];

    if (c->source != CQ_FROM_PARENT || c->parent_column < 0) continue;
    if (c->type != p->table->columns[c->parent_column].type) continue;
    if (p->t->parent.distinct && strcmp(p->t->parent.distinct, c->from) != 0)
      continue;
    p->up[p->nup] = *w;
    p->up[p->nup++].column = c->parent_column;
  }
  for (int i = 0; i < p->table->ncol; i++) p->up_wanted[i] = p->need->parent[i];
  return CQ_OK;
}

/* Whose row is each?  0 where that is not clear, and only the parent tells. */
static int given_clients(cq_parents *p) {
  for (size_t r = 0; r < p->ngiven; r++) {
    const cq_value *row = &p->given[r * (size_t)p->table->nslot];
    size_t could = 0;

    for (size_t k = 0; k < p->nclient; k++) {
      int fits = 1;

      for (int i = 0; i < p->table->ncol && fits; i++) {
        const cq_column *c = &p->table->columns[i];
        const cq_value *v = c->source == CQ_FROM_CLIENT && c->from
                                ? cq_client_value(p->clients[k], c->from)
                                : NULL;

        if (v && row[i].kind != CQ_NULL) {
          cq_constraint w = {i, CQ_W_EQ, 1, &row[i], 0};

          fits = cq_constraint_allows(&w, c, v);
        }
      }
      if (!fits) continue;
      p->given_client[r] = p->clients[k];
      could++;
    }
    if (could > 1) return 0;
  }
  return 1;
}

/* Can all wanted parent columns be had from constraints?  Then the parent is
 * not asked: its rows are the product of their values. */
static int parents_given(cq_parents *p, cq_error *err) {
  const cq_constraint *by[16];
  int col[16];
  size_t n = 0, total = 1;

  for (int i = 0; i < p->table->ncol; i++) {
    size_t k;

    if (!p->need->parent[i]) continue;
    for (k = 0; k < p->t->parent.ngiven &&
                strcmp(p->t->parent.given[k], p->table->columns[i].name) != 0;
         k++)
      ;
    if (k == p->t->parent.ngiven || n == 16) return CQ_OK;
    for (k = 0;
         k < p->nup && !(p->up[k].column == i &&
                         (p->up[k].op == CQ_W_EQ || p->up[k].op == CQ_W_IN));
         k++)
      ;
    if (k == p->nup || p->up[k].n == 0 || total > 100000 / p->up[k].n)
      return CQ_OK;
    by[n] = &p->up[k];
    col[n++] = i;
    total *= p->up[k].n;
  }
  if (n == 0) return CQ_OK;
  p->given = cq_calloc(total * (size_t)p->table->nslot, sizeof *p->given);
  p->given_client = cq_calloc(total, sizeof *p->given_client);
  if (!p->given || !p->given_client) return cq_error_nomem(err);
  for (size_t r = 0; r < total; r++)
    for (size_t k = 0, rest = r; k < n; rest /= by[k]->n, k++)
      p->given[r * (size_t)p->table->nslot + (size_t)col[k]] =
          by[k]->values[rest % by[k]->n];
  p->ngiven = total;
  p->from_given = given_clients(p);
  return CQ_OK;
}

static int parents_start(cq_parents *p, cq_error *err) {
  cq_scan_options o;
  int rc = parents_up(p, err);

  if (rc || p->o->parents) return rc;
  rc = parents_given(p, err);
  if (rc || p->from_given) return rc;
  memset(&o, 0, sizeof o);
  o.env = p->o->env;
  o.source = p->o->source;
  o.table = p->table;
  o.clients = p->clients;
  o.nclient = p->nclient;
  o.constraints = p->up;
  o.nconstraint = p->nup;
  o.wanted = p->up_wanted;
  o.cap = -1;
  o.live = p->o->live;
  return cq_scan_open(&o, &p->scan, err);
}

/* Of the rows that constraints gave, the next that the parent could have. */
static int given_row(cq_parents *p, const cq_value **row,
                     const cq_client **client, cq_error *err) {
  int yes = 0, rc = CQ_OK;

  while (!yes && rc == CQ_OK) {
    cq_constraint where[16];
    size_t n = 0;

    if (p->given_at == p->ngiven) return CQ_DONE;
    *row = &p->given[p->given_at * (size_t)p->table->nslot];
    *client = p->given_client[p->given_at++];
    if (!*client) {
      if (p->nclient) continue; /* none of them has such a row */
      *client = &p->nobody;
    }
    if ((*client)->failed)
      return cq_error_set(err, (*client)->failed, "%s", (*client)->error);
    for (int i = 0; i < p->table->ncol && n < 16; i++)
      if ((*row)[i].kind != CQ_NULL)
        where[n++] = (cq_constraint){i, CQ_W_EQ, 1, &(*row)[i], 0};
    rc = cq_source_concerns(p->o->source, p->table, *client, where, n, &yes,
                            err);
  }
  return rc ? rc : CQ_ROW;
}

/* The next row of the parent, wherever it comes from. */
static int parents_row(cq_parents *p, const cq_value **row,
                       const cq_client **client, cq_error *err) {
  int rc;

  if (p->o->parents) {
    *client = p->nclient ? p->clients[0] : &p->nobody;
    return p->o->parents->next(p->o->parents->user, row, err);
  }
  if (p->from_given) {
    return given_row(p, row, client, err);
  }
  while (!p->rows || p->row >= p->rows->nrow) {
    rc = cq_scan_poll(p->scan, &p->rows, &p->row_client, err);
    if (rc != CQ_ROW) {
      p->rows = NULL;
      return rc;
    }
    p->row = 0;
  }
  *row = cq_batch_row(p->rows, p->row++);
  *client = p->row_client;
  return CQ_ROW;
}

/* Each client asks for its own. */
static int first_of(cq_parents *p, const cq_client *client, const cq_value *v,
                    int *is_first) {
  uint64_t of = cq_hash64(client->id, strlen(client->id), 0);

  return cq_set_add(&p->seen,
                    v->kind == CQ_STR
                        ? cq_hash64(v->u.s, v->len, of)
                        : cq_hash64(&v->u, sizeof v->u, of + v->kind),
                    is_first);
}

/* Could the rows below this parent row meet the query's constraints? */
static int parent_allowed(const cq_parents *p, const cq_value *row) {
  for (size_t i = 0; i < p->o->nconstraint; i++) {
    const cq_constraint *w = &p->o->constraints[i];
    const cq_column *c = &p->t->columns[w->column];

    if (c->source == CQ_FROM_PARENT && c->parent_column >= 0 &&
        !cq_constraint_allows(w, c, &row[c->parent_column]))
      return 0;
  }
  return 1;
}

/* Does this parent row lead to requests?  Which row stands for those with its
 * `distinct` value is settled before the query's constraints are. */
static int parent_wanted(cq_parents *p, const cq_value *row,
                         const cq_client *client, int *yes, cq_error *err) {
  cq_scope s;
  cq_context c;
  cq_arena tmp;
  int rc;

  *yes = 0;
  if (!p->t->parent.distinct && !parent_allowed(p, row)) return CQ_OK;
  *yes = 1;
  memset(&s, 0, sizeof s);
  s.config = p->o->source->config;
  s.client = client;
  s.parent_rows = &row;
  s.nparent = 1;
  s.run_us = p->now_us;
  c = cq_scope_context(&s);
  cq_arena_init(&tmp);
  rc = p->t->parent.when
           ? cq_template_true(p->t->parent.when, &c, &tmp, yes, err)
           : CQ_OK;
  cq_arena_clear(&tmp);
  for (int i = 0;
       p->t->parent.distinct && *yes && rc == CQ_OK && i < p->table->ncol; i++)
    if (strcmp(p->table->columns[i].name, p->t->parent.distinct) == 0 &&
        first_of(p, client, &row[i], yes))
      return cq_error_nomem(err);
  if (p->t->parent.distinct && *yes && rc == CQ_OK)
    *yes = parent_allowed(p, row);
  return rc;
}

int cq_parents_open(const cq_scan_options *o, const cq_need *need,
                    const cq_client *const *clients, size_t nclient,
                    int64_t now_us, cq_parents **out, cq_error *err) {
  cq_parents *p = cq_calloc(1, sizeof *p);
  int rc;

  *out = NULL;
  if (!p) return cq_error_nomem(err);
  p->o = o;
  p->t = o->table;
  p->table = o->table->parent.table;
  p->need = need;
  p->clients = clients;
  p->nclient = nclient;
  p->now_us = now_us;
  p->nobody.id = o->table->integration->name;
  rc = parents_start(p, err);
  if (rc) {
    cq_parents_close(p);
    return rc;
  }
  *out = p;
  return CQ_OK;
}

int cq_parents_next(cq_parents *p, const cq_value **row,
                    const cq_client **client, cq_error *err) {
  for (;;) {
    int yes, rc = parents_row(p, row, client, err);

    if (rc != CQ_ROW) return rc;
    rc = parent_wanted(p, *row, *client, &yes, err);
    if (rc) return rc;
    if (yes) return CQ_ROW;
  }
}

const cq_scan *cq_parents_scan(const cq_parents *p) {
  return p ? p->scan : NULL;
}

void cq_parents_close(cq_parents *p) {
  if (!p) return;
  cq_scan_close(p->scan);
  cq_set_clear(&p->seen);
  cq_free(p->given_client);
  cq_free(p->given);
  cq_free(p->up);
  cq_free(p->up_wanted);
  cq_free(p);
}
