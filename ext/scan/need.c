/* ext/scan/need.c: what must be read for the columns that are wanted: slots of
 * the record, calls, columns of the parent; and in which order computed
 * columns can be filled. */
#include <string.h>

#include "scan/internal.h"

static void need_refs(const cq_table *t, cq_ref *const *refs, size_t n,
                      cq_need *out, int *changed) {
  for (size_t i = 0; i < n; i++) {
    const cq_ref *r = refs[i];

    if (r->slot < 0) continue;
    if (r->root == CQ_R_PARENT && out->parent && !out->parent[r->slot])
      *changed = out->parent[r->slot] = 1;
    if ((r->root == CQ_R_ROW || r->root == CQ_R_RECORD ||
         r->root == CQ_R_DETAIL) &&
        r->slot < t->nslot && !out->slot[r->slot])
      *changed = out->slot[r->slot] = 1;
  }
}

static void need_template(const cq_table *t, const cq_template *tpl,
                          cq_need *out, int *changed) {
  size_t n;
  cq_ref *const *refs;

  if (!tpl) return;
  refs = cq_template_refs(tpl, &n);
  need_refs(t, refs, n, out, changed);
}

typedef struct needed {
  const cq_table *table;
  cq_need *out;
  int *changed;
} needed;

static int request_refs(void *user, cq_ref *const *refs, size_t n) {
  needed *x = user;

  need_refs(x->table, refs, n, x->out, x->changed);
  return CQ_OK;
}

static void need_request(const cq_table *t, const cq_request_def *r,
                         cq_need *out, int *changed) {
  if (r) cq_request_refs(r, request_refs, &(needed){t, out, changed});
}

/* The slot itself, whatever brings its value. */
static void need_slot(const cq_table *t, int slot, cq_need *out, int *changed) {
  int call = slot < t->ncol ? t->columns[slot].call : t->slots[slot].call;

  if (slot < t->ncol) {
    const cq_column *c = &t->columns[slot];

    need_template(t, c->value, out, changed);
    if (c->source == CQ_FROM_PARENT && c->parent_column >= 0 && out->parent &&
        !out->parent[c->parent_column])
      *changed = out->parent[c->parent_column] = 1;
  }
  if (call >= 0 && !out->call[call]) *changed = out->call[call] = 1;
}

static void need_call(const cq_table *t, int i, cq_need *out, int *changed) {
  const cq_call *c = &t->calls[i];

  need_request(t, c->request, out, changed);
  need_template(t, c->when, out, changed);
  if (c->join_slot >= 0 && c->join_record && !out->slot[c->join_slot])
    *changed = out->slot[c->join_slot] = 1;
  for (size_t k = 0; k < t->ncall; k++)
    if ((c->needs >> k & 1u) && !out->call[k]) *changed = out->call[k] = 1;
}

/* Columns filled by a template, those that they name first. */
static int need_order(const cq_table *t, cq_need *out, cq_error *err) {
  unsigned char *done = cq_calloc((size_t)t->ncol + 1, 1);
  int added;

  if (!done) return cq_error_nomem(err);
  do {
    added = 0;
    for (int i = 0; i < t->ncol; i++) {
      const cq_column *c = &t->columns[i];
      size_t n, k;
      cq_ref *const *refs;

      if (done[i] || !out->slot[i] || !c->value) continue;
      refs = cq_template_refs(c->value, &n);
      for (k = 0; k < n; k++) {
        int s = refs[k]->root == CQ_R_ROW ? refs[k]->slot : -1;

        if (s >= 0 && s < t->ncol && t->columns[s].value && out->slot[s] &&
            !done[s] && s != i)
          break;
      }
      if (k < n) continue;
      out->order[out->norder++] = i;
      done[i] = 1;
      added = 1;
    }
  } while (added);
  for (int i = 0; i < t->ncol; i++)
    if (out->slot[i] && t->columns[i].value && !done[i]) {
      cq_free(done);
      return cq_error_set(err, CQ_ERROR,
                          "%s: column %s: its value depends on itself", t->name,
                          t->columns[i].name);
    }
  cq_free(done);
  return CQ_OK;
}

/* Values over columns of calls that are done at other times than their own. */
static void need_late(const cq_table *t, cq_need *out) {
  for (int k = 0; k < out->norder; k++) {
    int i = out->order[k];
    size_t n;
    cq_ref *const *refs = cq_template_refs(t->columns[i].value, &n);

    for (size_t r = 0; r < n; r++) {
      int s = refs[r]->root == CQ_R_ROW ? refs[r]->slot : -1;

      if (refs[r]->root == CQ_R_RESPONSE && t->columns[i].call >= 0)
        out->late[i] |= CQ_LATE_ANSWER;
      if (s < 0 || s >= t->ncol) continue;
      if ((out->late[s] & CQ_LATE_CALLS) ||
          (t->columns[s].call >= 0 && t->columns[s].call != t->columns[i].call))
        out->late[i] |= CQ_LATE_CALLS;
    }
  }
}

int cq_need_compute(const cq_table *t, const unsigned char *wanted, int live,
                    cq_need *out, cq_error *err) {
  const cq_table *parent = t->parent.table;
  int changed;

  memset(out, 0, sizeof *out);
  out->slot = cq_calloc((size_t)t->nslot + 1, 1);
  out->call = cq_calloc(t->ncall + 1, 1);
  out->order = cq_calloc((size_t)t->ncol + 1, sizeof *out->order);
  out->late = cq_calloc((size_t)t->ncol + 1, 1);
  out->parent = parent ? cq_calloc((size_t)parent->nslot + 1, 1) : NULL;
  if (!out->slot || !out->call || !out->order || !out->late ||
      (parent && !out->parent)) {
    cq_need_clear(out);
    return cq_error_nomem(err);
  }
  for (int i = 0; i < t->ncol; i++) out->slot[i] = wanted ? wanted[i] != 0 : 1;
  if ((!live || t->cursor.window_us) && t->cursor.column >= 0)
    out->slot[t->cursor.column] = 1;
  /* What decides on rows, and leads to further ones, is read before all else. */
  need_template(t, t->rows_when, out, &changed);
  need_request(t, t->below.request, out, &changed);
  do {
    changed = 0;
    for (int i = 0; i < t->nslot; i++)
      if (out->slot[i]) need_slot(t, i, out, &changed);
    for (size_t i = 0; i < t->ncall; i++)
      if (out->call[i]) need_call(t, (int)i, out, &changed);
  } while (changed);
  need_request(t, t->request, out, &changed);
  need_request(t, t->get.request, out, &changed);
  need_request(t, t->job.start, out, &changed);
  need_request(t, t->job.poll, out, &changed);
  need_template(t, t->get.when, out, &changed);
  need_template(t, t->cursor.start, out, &changed);
  for (size_t i = 0; i < t->neach; i++)
    need_template(t, t->each[i].values, out, &changed);
  for (int i = 0; parent && i < parent->ncol; i++) {
    if (t->parent.distinct &&
        strcmp(parent->columns[i].name, t->parent.distinct) == 0)
      out->parent[i] = 1;
    if (t->parent.rows && strcmp(parent->columns[i].name, t->parent.rows) == 0)
      out->parent[i] = 1;
    /* Which parent a cursor belongs to is told by the parent's key. */
    if (!live && t->cursor.column >= 0 && parent->columns[i].key)
      out->parent[i] = 1;
  }
  /* Its condition, too, holds or not for a row that constraints give. */
  need_template(t, t->parent.when, out, &changed);
  if (need_order(t, out, err)) {
    cq_need_clear(out);
    return err && err->code ? err->code : CQ_ERROR;
  }
  need_late(t, out);
  return CQ_OK;
}

void cq_need_clear(cq_need *n) {
  cq_free(n->slot);
  cq_free(n->call);
  cq_free(n->order);
  cq_free(n->late);
  cq_free(n->parent);
  memset(n, 0, sizeof *n);
}
