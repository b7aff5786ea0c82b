/* ext/scan/alike.c: clients of which a table asks the same, told from what its
 * templates name of them.  Of tens of thousands of accounts and regions a table
 * mostly names the region alone: what can be said of one account can be said of
 * all, and a prediction need not go through each. */
#include <string.h>

#include "scan/internal.h"

static int alike_add(cq_alike *a, const char *name, cq_error *err) {
  for (size_t i = 0; i < a->n; i++)
    if (strcmp(a->names[i], name) == 0) return CQ_OK;
  if (cq_grow(&a->names, &a->cap, a->n, sizeof *a->names))
    return cq_error_nomem(err);
  a->names[a->n++] = name;
  return CQ_OK;
}

static int alike_template(cq_alike *a, const cq_template *t, cq_error *err) {
  size_t n = 0;
  cq_ref *const *refs = t ? cq_template_refs(t, &n) : NULL;
  int rc = CQ_OK;

  for (size_t i = 0; i < n && rc == CQ_OK; i++)
    if (refs[i]->root == CQ_R_CLIENT) rc = alike_add(a, refs[i]->name, err);
  return rc;
}

static int alike_address(cq_alike *a, const cq_request_def *r, cq_error *err) {
  int rc = r ? alike_template(a, r->url, err) : CQ_OK;

  return rc || !r ? rc : alike_template(a, r->path, err);
}

/* Attributes that are made of others are as these are. */
static int alike_made(cq_alike *a, const cq_integration *in, cq_error *err) {
  int rc = CQ_OK;

  for (size_t i = 0; i < a->n && rc == CQ_OK; i++)
    for (int d = 0; d < in->ndim && rc == CQ_OK; d++)
      for (size_t k = 0; k < in->dims[d].nattr && rc == CQ_OK; k++)
        if (strcmp(in->dims[d].attr[k].name, a->names[i]) == 0)
          rc = alike_template(a, in->dims[d].attr[k].value, err);
  return rc;
}

int cq_alike_open(cq_alike *a, const cq_table *t, cq_error *err) {
  const cq_table *top = cq_table_top(t);
  int rc;

  memset(a, 0, sizeof *a);
  if ((rc = alike_address(a, t->request, err)) ||
      (rc = alike_address(a, t->get.request, err)) ||
      (rc = alike_address(a, t->job.start, err)) ||
      (rc = alike_address(a, t->job.poll, err)) ||
      (rc = alike_template(a, t->get.when, err)) ||
      (rc = alike_template(a, t->cursor.start, err)) ||
      (rc = alike_template(a, top->only_when, err)))
    return rc;
  rc = alike_address(a, t->below.request, err);
  for (size_t i = 0; i < t->ncall && rc == CQ_OK; i++)
    rc = alike_address(a, t->calls[i].request, err);
  for (size_t i = 0; i < t->neach && rc == CQ_OK; i++)
    rc = alike_template(a, t->each[i].values, err);
  for (size_t i = 0; i < top->nonly && rc == CQ_OK; i++) {
    const cq_dimension *d = &top->integration->dims[top->only[i].dimension];

    rc = alike_add(a, d->id ? d->id : d->name, err);
  }
  return rc ? rc : alike_made(a, t->integration, err);
}

static uint64_t alike_hash(const cq_alike *a, const cq_client *c) {
  uint64_t h = (uint64_t)c->failed;

  for (size_t i = 0; i < a->n; i++) {
    const cq_value *v = cq_client_value(c, a->names[i]);

    if (!v || v->kind == CQ_NULL)
      h = cq_hash64("", 0, h + i);
    else if (v->kind == CQ_STR)
      h = cq_hash64(v->u.s, v->len, h + v->whence + 256 * v->kind);
    else
      h = cq_hash64(&v->u, sizeof v->u, h + v->whence + 256 * v->kind);
  }
  return h;
}

void cq_alike_clear(cq_alike *a) {
  cq_free(a->names);
  cq_free(a->classes);
  memset(a, 0, sizeof *a);
}

static cq_alike_class *class_place(cq_alike_class *v, size_t cap, uint64_t h) {
  size_t at = h & (cap - 1);

  while (v[at].used && v[at].hash != h) at = (at + 1) & (cap - 1);
  return &v[at];
}

int cq_alike_class_of(cq_alike *a, const cq_client *c, cq_alike_class **out,
                      cq_error *err) {
  uint64_t h = alike_hash(a, c);

  if (2 * a->n_class >= a->cap_class) {
    size_t cap = a->cap_class ? 2 * a->cap_class : 64;
    cq_alike_class *v = cq_calloc(cap, sizeof *v);

    if (!v) return cq_error_nomem(err);
    for (size_t i = 0; i < a->cap_class; i++)
      if (a->classes[i].used)
        *class_place(v, cap, a->classes[i].hash) = a->classes[i];
    cq_free(a->classes);
    a->classes = v;
    a->cap_class = cap;
  }
  *out = class_place(a->classes, a->cap_class, h);
  if (!(*out)->used) {
    (*out)->used = 1;
    (*out)->hash = h;
    a->n_class++;
  }
  return CQ_OK;
}
