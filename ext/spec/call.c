/* ext/spec/call.c: the calls of a table, further requests for its columns, and
 * what each of them has to wait for. */
#include <stdio.h>
#include <string.h>

#include "spec/load.h"

enum {
  CALL_ROOTS = LOAD_REQUEST_ROOTS | ROOT(JOB) | ROOT(ROW) | ROOT(RECORD),
  MAX_BATCH = 10000, /* rows that one request is for */
  MAX_DEPENDS = 8    /* computed columns that name one another in a row */
};

/* Names first, so that columns can say `call:`; the rest after the columns. */
int load_call_names(load *l, const cq_node *n) {
  cq_table *t = l->table;

  if (!n || n->kind != CQ_N_MAP) return CQ_OK;
  if (n->count > 32)
    return cq_tree_error(l->err, n, "%s: more than 32 calls", t->name);
  t->calls = cq_arena_alloc(l->a, n->count * sizeof *t->calls);
  if (!t->calls) return cq_error_nomem(l->err);
  memset(t->calls, 0, n->count * sizeof *t->calls);
  for (size_t i = 0; i < n->count; i++) {
    if (n->items[i]->kind == CQ_N_NULL) continue;
    t->calls[t->ncall].name = n->keys[i];
    t->calls[t->ncall++].at = n->items[i];
  }
  return CQ_OK;
}

/* Is the column computed when all calls are done, from one that another call
 * than its own brings? */
static int after_calls(const load *l, int slot, int depth) {
  const cq_column *c = &l->table->columns[slot];
  size_t n = 0;
  cq_ref *const *refs;

  if (c->source != CQ_FROM_VALUE || !c->value || depth == MAX_DEPENDS) return 0;
  refs = cq_template_refs(c->value, &n);
  for (size_t i = 0; i < n; i++) {
    int s = refs[i]->root == CQ_R_ROW ? refs[i]->slot : -1, k;

    if (s < 0 || s >= l->table->ncol || s == slot) continue;
    k = l->table->columns[s].call;
    if ((k >= 0 && k != c->call) || after_calls(l, s, depth + 1)) return 1;
  }
  return 0;
}

static int call_needs(load *l, cq_call *c, cq_ref *const *refs, size_t n,
                      int in_request) {
  for (size_t i = 0; i < n; i++)
    if (refs[i]->root == CQ_R_ROW && refs[i]->slot >= 0 &&
        refs[i]->slot < l->table->ncol) {
      int k = l->table->columns[refs[i]->slot].call;

      if (after_calls(l, refs[i]->slot, 0))
        return cq_tree_error(l->err, c->at,
                             "%s: call %s: row.%s is computed when all calls "
                             "are done",
                             l->table->name, c->name, refs[i]->name);
      if (k < 0 || &l->table->calls[k] == c) continue;
      c->needs |= 1u << k;
      if (in_request && c->nafter < sizeof c->after / sizeof *c->after)
        c->after[c->nafter++] = refs[i]->slot;
    }
  return CQ_OK;
}

typedef struct needs {
  load *l;
  cq_call *call;
} needs;

static int request_needs(void *user, cq_ref *const *refs, size_t n) {
  needs *x = user;

  return call_needs(x->l, x->call, refs, n, 1);
}

/* Calls that waited for each other would wait for ever. */
static int calls_in_order(load *l) {
  const cq_table *t = l->table;
  unsigned done = 0;
  size_t left = t->ncall, before;

  do {
    before = left;
    for (size_t k = 0; k < t->ncall; k++)
      if (!(done >> k & 1u) && !(t->calls[k].needs & ~done)) {
        done |= 1u << k;
        left--;
      }
  } while (left < before);
  for (size_t k = 0; k < t->ncall; k++)
    if (!(done >> k & 1u))
      return cq_tree_error(l->err, t->calls[k].at,
                           "%s: call %s: needs a column of a call that needs "
                           "one of its own",
                           t->name, t->calls[k].name);
  return CQ_OK;
}

int load_batch(load *l, const cq_node *n, const char *object, int *out) {
  int64_t batch = load_int(cq_tree_get(n, "batch"), 1);

  *out = (int)batch;
  return batch >= 1 && batch <= MAX_BATCH
             ? CQ_OK
             : cq_tree_error(l->err, n, "%s: batch: not between 1 and %d",
                             object, (int)MAX_BATCH);
}

static int load_call(load *l, cq_call *c, const cq_node *base,
                     const cq_node *service, const cq_node *root) {
  const cq_node *n = c->at, *x;
  const cq_node *lists[4];
  cq_node *limits;
  char what[200];
  cq_ref *const *refs;
  size_t k;
  int rc;

  snprintf(what, sizeof what, "%s: call %s", l->table->name, c->name);
  CHECK(n, what, "request{", "record$", "rows$", "batch#", "join{", "when$",
        "page{", "errors[", "error{", "limits{", "shape");
  c->join_slot = -1;
  /* What a call inherits are the default request and limits, not its table's
   * own: a list that may be asked twice a second says nothing of the others. */
  if ((rc = cq_tree_merge(l->a, cq_tree_get(base, "limits"),
                          cq_tree_get(n, "limits"), &limits, l->err)) ||
      (rc = load_own_request(l, cq_tree_get(base, "request"), n, what,
                             CALL_ROOTS, &c->request)) ||
      (rc = load_path(l, cq_tree_get(n, "record"), &c->record)) ||
      (rc = load_path(l, cq_tree_get(n, "rows"), &c->rows)) ||
      (rc = load_shape(l, cq_tree_get(n, "shape"), &c->shape)) ||
      (rc = load_template(l, cq_tree_get(n, "when"),
                          ROOT(ROW) | ROOT(RECORD) | ROOT(CONFIG) |
                              ROOT(CLIENT) | ROOT(PARENT),
                          &c->when)) ||
      (rc = load_short_page(l, cq_tree_get(n, "page"), what, &c->page)) ||
      (rc = load_limits(l, limits, what, &c->limits)))
    return rc;
  if (!c->request || !cq_tree_get(n, "request"))
    return cq_tree_error(l->err, n, "%s: request is missing", what);
  if ((rc = load_batch(l, n, what, &c->batch)) != 0) return rc;
  x = cq_tree_get(n, "join");
  if (x) {
    const char *row = load_text(cq_tree_get(x, "row"));

    CHECK(x, what, "row$", "record$");
    c->join_slot = load_column_index(l->table, row);
    if (c->join_slot < 0)
      return load_unknown_column(l, x, "join", row ? row : "");
    rc = load_path(l, cq_tree_get(x, "record"), &c->join_record);
    if (rc == CQ_OK && !c->join_record)
      rc = cq_tree_error(l->err, x, "%s: join: record is missing", what);
    if (rc) return rc;
  }
  if (c->shape && (!c->rows || c->join_record))
    return cq_tree_error(l->err, n, "%s: `shape` is for `rows` without `join`",
                         what);
  if (c->batch > 1 && !c->join_record)
    return cq_tree_error(l->err, n, "%s: a batch needs `join`", what);
  lists[0] = cq_tree_get(n, "errors");
  lists[1] = cq_tree_get(l->table->at, "errors");
  lists[2] = service ? cq_tree_get(service, "errors") : NULL;
  lists[3] = root ? cq_tree_get(root, "errors") : NULL;
  x = cq_tree_get(n, "error");
  if (!x && service) x = cq_tree_get(service, "error");
  if (!x && root) x = cq_tree_get(root, "error");
  if ((rc = load_errors(l, x, lists, 4, what, &c->errors)) != 0) return rc;
  rc = cq_request_refs(c->request, request_needs, &(needs){l, c});
  if (rc) return rc;
  refs = cq_template_refs(c->when, &k);
  return call_needs(l, c, refs, k, 0);
}

int load_calls(load *l, const cq_node *base, const cq_node *service,
               const cq_node *root) {
  cq_table *t = l->table;
  int rc = CQ_OK;

  for (size_t i = 0; i < t->ncall && rc == CQ_OK; i++)
    rc = load_call(l, &t->calls[i], base, service, root);
  return rc ? rc : calls_in_order(l);
}
