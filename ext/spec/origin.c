/* ext/spec/origin.c: where a table's rows come from beside its one request:
 * constants, what is below each record, a job that has to run before, options
 * that a source's spec gives; and which records are rows. */
#include <stdio.h>
#include <string.h>

#include "spec/load.h"

enum { JOB_EVERY_MS = 2000, JOB_MOST_MS = 600000 };

int load_nulls(load *l, const cq_node *n, cq_nulls *out) {
  return n ? load_words(l, n, &out->v, &out->n) : CQ_OK;
}

/* Is the column known only after a call, its own or that of one it names? */
static int comes_late(const load *l, int slot, int depth) {
  const cq_column *c = slot < l->table->ncol ? &l->table->columns[slot] : NULL;
  size_t n = 0;
  cq_ref *const *refs;

  if (l->slots.v[slot].call >= 0) return 1;
  if (!c || c->source != CQ_FROM_VALUE || !c->value || depth == 8) return 0;
  refs = cq_template_refs(c->value, &n);
  for (size_t i = 0; i < n; i++)
    if (refs[i]->root == CQ_R_ROW && refs[i]->slot >= 0 &&
        refs[i]->slot != slot && comes_late(l, refs[i]->slot, depth + 1))
      return 1;
  return 0;
}

/* Of the record, and of what needs no further request. */
static int before_calls(load *l, const cq_node *at, const char *what,
                        cq_ref *const *refs, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (refs[i]->root == CQ_R_ROW && refs[i]->slot >= 0 &&
        comes_late(l, refs[i]->slot, 0))
      return cq_tree_error(l->err, at,
                           "%s: %s: row.%s comes of a call, which is made "
                           "later",
                           l->table->name, what, refs[i]->name);
  return CQ_OK;
}

int load_rows_when(load *l, const cq_node *n) {
  cq_template **t = &l->table->rows_when;
  size_t k;
  cq_ref *const *refs;
  int rc = load_template(l, n,
                         ROOT(CONFIG) | ROOT(CLIENT) | ROOT(WHERE) |
                             ROOT(PARENT) | ROOT(EACH) | ROOT(RUN) | ROOT(JOB) |
                             ROOT(ROW) | ROOT(RECORD) | ROOT(DATA),
                         t);

  if (rc || !*t) return rc;
  refs = cq_template_refs(*t, &k);
  return before_calls(l, n, "rows_when", refs, k);
}

int load_constants(load *l, const cq_node *n) {
  return load_template(
      l, n, ROOT(CONFIG) | ROOT(CLIENT) | ROOT(WHERE) | ROOT(RUN) | ROOT(DATA),
      &l->table->values);
}

/* ---- below ----------------------------------------------------------------- */

static int below_slot(load *l, const cq_node *at, int slot) {
  struct cq_below_def *b = &l->table->below;

  for (int i = 0; i < b->nslot; i++)
    if (b->slot[i] == slot) return CQ_OK;
  if (b->nslot == (int)(sizeof b->slot / sizeof *b->slot))
    return cq_tree_error(l->err, at, "%s: below: more than %d members",
                         l->table->name, b->nslot);
  b->slot[b->nslot++] = slot;
  return CQ_OK;
}

typedef struct below_at {
  load *l;
  const cq_node *at;
} below_at;

static int below_refs(void *user, cq_ref *const *refs, size_t n) {
  const below_at *b = user;
  int rc = before_calls(b->l, b->at, "below", refs, n);

  for (size_t i = 0; i < n && rc == CQ_OK; i++)
    if (refs[i]->slot >= 0 &&
        (refs[i]->root == CQ_R_ROW || refs[i]->root == CQ_R_RECORD))
      rc = below_slot(b->l, b->at, refs[i]->slot);
  return rc;
}

/* The members of a record that the request names: records that are equal in
 * them are one node of the tree, which is asked for once. */
static int below_node(load *l, const cq_node *at) {
  int rc =
      cq_request_refs(l->table->below.request, below_refs, &(below_at){l, at});

  if (rc) return rc;
  if (l->table->below.nslot) return CQ_OK;
  return cq_tree_error(l->err, at,
                       "%s: below: its request names nothing of "
                       "the record above it",
                       l->table->name);
}

static int same_decode(const cq_request_def *a, const cq_request_def *b) {
  return strcmp(a->decode ? a->decode : "json",
                b->decode ? b->decode : "json") == 0;
}

/* `request` is the default one: what a call inherits too. */
int load_below(load *l, const cq_node *n, const cq_node *request,
               const cq_node *page) {
  struct cq_below_def *b = &l->table->below;
  const cq_node *own;
  char what[200];
  int rc;

  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  snprintf(what, sizeof what, "%s: below", l->table->name);
  CHECK(n, what, "request{", "rows$", "page{");
  if (!cq_tree_get(n, "request"))
    return cq_tree_error(l->err, n, "%s: request is missing", what);
  if (!l->table->request || l->table->cursor.column >= 0 ||
      l->table->get.request)
    return cq_tree_error(l->err, n,
                         "%s: needs a request, and cannot be beside "
                         "cursor or get",
                         what);
  own = cq_tree_get(n, "page");
  if ((rc = load_own_request(l, request, n, what,
                             LOAD_REQUEST_ROOTS | ROOT(ROW) | ROOT(RECORD),
                             &b->request)) ||
      (rc = load_path(l, cq_tree_get(n, "rows"), &b->rows)) ||
      (rc = load_page(l, own ? own : page, what, &b->page)))
    return rc;
  if (!b->rows) b->rows = l->table->rows;
  if (!same_decode(b->request, l->table->request))
    return cq_tree_error(l->err, n, "%s: decode differs from the table's",
                         what);
  return below_node(l, n);
}

/* ---- job --------------------------------------------------------------------- */

static int job_span(load *l, const cq_node *n, const char *what,
                    const char *key, int64_t dflt, int64_t *ms) {
  const char *s = load_text(cq_tree_get(n, key));

  *ms = dflt;
  if (!s) return CQ_OK;
  if (cq_duration_parse(s, strlen(s), ms) || *ms < 1000)
    return cq_tree_error(l->err, n, "%s: %s: not a duration: %s", what, key, s);
  *ms /= 1000;
  return CQ_OK;
}

/* First, since what comes after may name job.<name>. */
int load_job_names(load *l, const cq_node *n) {
  struct cq_job_def *j = &l->table->job;
  const cq_node *start = cq_tree_get(n, "start");
  const cq_node *values = cq_tree_get(start, "values");
  const char **names;
  char what[200];
  int rc = CQ_OK;

  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  snprintf(what, sizeof what, "%s: job", l->table->name);
  CHECK(n, what, "start{", "poll{");
  CHECK(start, what, "request{", "values{");
  if (!values || values->kind != CQ_N_MAP) return CQ_OK;
  names = cq_arena_alloc(l->a, (values->count + 1) * sizeof *names);
  j->paths = cq_arena_alloc(l->a, (values->count + 1) * sizeof *j->paths);
  if (!names || !j->paths) return cq_error_nomem(l->err);
  for (size_t i = 0; i < values->count && rc == CQ_OK; i++) {
    if (!load_text(values->items[i]))
      return cq_tree_error(l->err, values, "%s: values: %s: expected a path",
                           what, values->keys[i]);
    names[i] = values->keys[i];
    rc = load_path(l, values->items[i], &j->paths[i]);
  }
  j->names = names;
  j->nvalue = values->count;
  return rc;
}

int load_job(load *l, const cq_node *n, const cq_node *request) {
  struct cq_job_def *j = &l->table->job;
  const cq_node *start = cq_tree_get(n, "start"),
                *poll = cq_tree_get(n, "poll");
  char what[200];
  int rc = CQ_OK;

  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  snprintf(what, sizeof what, "%s: job", l->table->name);
  CHECK(poll, what, "request{", "path$", "until*", "failed*", "every$",
        "most$");
  if (start && !cq_tree_get(start, "request"))
    return cq_tree_error(l->err, start, "%s: start: request is missing", what);
  if (!poll || !cq_tree_get(poll, "request") || !cq_tree_get(poll, "path") ||
      !cq_tree_get(poll, "until"))
    return cq_tree_error(l->err, n,
                         "%s: poll: request, path and until are needed", what);
  if (!l->table->request)
    return cq_tree_error(l->err, n, "%s: the table's request is missing", what);
  if (start) {
    rc = load_own_request(l, request, start, what, LOAD_REQUEST_ROOTS,
                          &j->start);
    if (rc) return rc;
  }
  if ((rc = load_own_request(l, request, poll, what,
                             LOAD_REQUEST_ROOTS | ROOT(JOB), &j->poll)) ||
      (rc = load_path(l, cq_tree_get(poll, "path"), &j->path)) ||
      (rc = load_words(l, cq_tree_get(poll, "until"), &j->until, &j->nuntil)) ||
      (rc = load_words(l, cq_tree_get(poll, "failed"), &j->failed,
                       &j->nfailed)) ||
      (rc = job_span(l, poll, what, "every", JOB_EVERY_MS, &j->every_ms)))
    return rc;
  return job_span(l, poll, what, "most", JOB_MOST_MS, &j->most_ms);
}

/* ---- options ------------------------------------------------------------------- */

int load_option(load *l, const cq_node *n) {
  struct cq_option_def *o = &l->table->option;
  const cq_integration *in = &l->in->pub;
  int i, rc;

  if (!n || n->kind != CQ_N_MAP || n->count == 0) return CQ_OK;
  if (n->count != 1)
    return cq_tree_error(l->err, n, "%s: options: expected one request's name",
                         l->table->name);
  if (!l->table->request || l->table->request->body)
    return cq_tree_error(l->err, n, "%s: options: its request cannot take any",
                         l->table->name);
  for (i = 0; i < in->nconfig; i++)
    if (strcmp(in->config[i].name, "table_options") == 0) break;
  if (i == in->nconfig || !in->config[i].is_map)
    return cq_tree_error(l->err, n,
                         "%s: options: config.table_options is not declared, "
                         "a map",
                         l->table->name);
  o->name = n->keys[0];
  rc = load_shape(l, n->items[0], &o->shape);
  if (rc == CQ_OK && (!o->shape || o->shape->kind != CQ_SH_OBJECT))
    rc = cq_tree_error(l->err, n,
                       "%s: options: %s: expected a shape's name or "
                       "a map of types",
                       l->table->name, o->name);
  return rc;
}

/* What cannot go together, once all is known. */
int load_origin_check(load *l, const cq_node *at) {
  const cq_table *t = l->table;
  const struct cq_below_def *b = &t->below;

  for (size_t i = 0; i < t->ncall; i++)
    if (t->calls[i].request->inner.path)
      return cq_tree_error(l->err, t->calls[i].at,
                           "%s: call %s: inner is for a table's own request",
                           t->name, t->calls[i].name);
  if (t->request && t->request->inner.path &&
      (t->ncall || t->get.request || b->request || t->page.by))
    return cq_tree_error(l->err, t->request->at,
                         "%s: inner cannot be beside calls, get, below or page",
                         t->name);
  if (t->values && (t->parent.table_name || t->neach || t->get.request))
    return cq_tree_error(
        l->err, at, "%s: values cannot be beside parent, each or get", t->name);
  if (t->job.poll && (t->get.request || t->below.request))
    return cq_tree_error(l->err, at, "%s: job cannot be beside get or below",
                         t->name);
  return CQ_OK;
}
