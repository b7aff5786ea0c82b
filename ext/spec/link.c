/* ext/spec/link.c: the names of a table's parent, once that is loaded: which of
 * its columns they are, or that there is none. */
#include <string.h>

#include "spec/load.h"

static int link_refs(const cq_table *t, const cq_table *parent,
                     const cq_node *at, cq_ref *const *refs, size_t n,
                     cq_error *err) {
  for (size_t i = 0; i < n; i++) {
    if (refs[i]->root != CQ_R_PARENT) continue;
    refs[i]->slot = load_column_index(parent, refs[i]->name);
    if (refs[i]->slot < 0)
      return cq_tree_error(err, at, "%s: parent.%s is not a column of %s",
                           t->name, refs[i]->name, parent->name);
  }
  return CQ_OK;
}

static int link_template(const cq_table *t, const cq_table *p,
                         const cq_template *tpl, cq_error *err) {
  size_t n;
  cq_ref *const *refs = cq_template_refs(tpl, &n);

  return tpl ? link_refs(t, p, t->at, refs, n, err) : CQ_OK;
}

typedef struct linked {
  const cq_table *table, *parent;
  cq_error *err;
} linked;

static int request_refs(void *user, cq_ref *const *refs, size_t n) {
  const linked *x = user;

  return link_refs(x->table, x->parent, x->table->at, refs, n, x->err);
}

static int link_request(const cq_table *t, const cq_table *p,
                        const cq_request_def *r, cq_error *err) {
  return r ? cq_request_refs(r, request_refs, &(linked){t, p, err}) : CQ_OK;
}

static int link_name(const cq_table *t, const cq_table *p, const char *key,
                     const char *name, cq_error *err) {
  const char *names[CQ_MAX_COLUMNS], *near;

  if (!name || load_column_index(p, name) >= 0) return CQ_OK;
  for (int i = 0; i < p->ncol; i++) names[i] = p->columns[i].name;
  cq_tree_error(err, t->at, "%s: parent: %s: %s has no column \"%s\"", t->name,
                key, p->name, name);
  near = cq_nearest(name, names, (size_t)p->ncol);
  if (near) cq_error_hint(err, "did you mean \"%s\"?", near);
  return CQ_ERROR;
}

/* The columns of the parent that `parent:` itself names. */
static int link_names(const cq_table *t, const cq_table *p, cq_error *err) {
  int rc = link_name(t, p, "distinct", t->parent.distinct, err);

  if (rc == CQ_OK) rc = link_name(t, p, "rows", t->parent.rows, err);
  for (size_t i = 0; i < t->parent.ngiven && rc == CQ_OK; i++)
    rc = link_name(t, p, "given", t->parent.given[i], err);
  return rc;
}

int load_link(own_table *own, const cq_table *parent, cq_error *err) {
  cq_table *t = &own->pub;
  int rc;

  if (own->linked) return CQ_OK;
  own->linked = 1;
  t->parent.table = parent;
  if (!parent) return CQ_OK;
  if ((rc = link_names(t, parent, err)) ||
      (rc = link_request(t, parent, t->request, err)) ||
      (rc = link_request(t, parent, t->get.request, err)) ||
      (rc = link_template(t, parent, t->get.when, err)) ||
      (rc = link_template(t, parent, t->parent.when, err)) ||
      (rc = link_template(t, parent, t->cursor.start, err)) ||
      (rc = link_template(t, parent, t->rows_when, err)) ||
      (rc = link_request(t, parent, t->below.request, err)) ||
      (rc = link_request(t, parent, t->job.start, err)) ||
      (rc = link_request(t, parent, t->job.poll, err)))
    return rc;
  for (size_t i = 0; i < t->neach; i++)
    if ((rc = link_template(t, parent, t->each[i].values, err)) != 0) return rc;
  for (size_t i = 0; i < t->ncall; i++)
    if ((rc = link_request(t, parent, t->calls[i].request, err)) ||
        (rc = link_template(t, parent, t->calls[i].when, err)))
      return rc;
  for (int i = 0; i < t->ncol; i++) {
    cq_column *c = &t->columns[i];

    if ((rc = link_template(t, parent, c->value, err)) != 0) return rc;
    if (c->source != CQ_FROM_PARENT) continue;
    c->parent_column = load_column_index(parent, c->from);
    if (c->parent_column < 0)
      return cq_tree_error(err, c->at, "%s: column %s: %s has no column \"%s\"",
                           t->name, c->name, parent->name, c->from);
    if (!cq_tree_get(c->at, "type"))
      c->type = parent->columns[c->parent_column].type;
  }
  return CQ_OK;
}
