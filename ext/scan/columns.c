/* ext/scan/columns.c: the columns that no decoder fills: constants of the
 * request (client, parent, each, config, where), templates, defaults. */
#include <string.h>

#include "scan/internal.h"

/* What a column has from the request; the same for all rows of a page. */
static int column_constant(const cq_column *c, cq_scope *s, cq_arena *a,
                           cq_value *out, cq_error *err) {
  cq_context ctx = cq_scope_context(s);
  cq_ref ref;

  memset(&ref, 0, sizeof ref);
  ref.slot = -1;
  ref.name = c->from ? c->from : "";
  switch (c->source) {
  case CQ_FROM_CLIENT:
    ref.root = CQ_R_CLIENT;
    break;
  case CQ_FROM_EACH:
    ref.root = CQ_R_EACH;
    break;
  case CQ_FROM_CONFIG:
    ref.root = CQ_R_CONFIG;
    break;
  case CQ_FROM_WHERE:
    ref.root = CQ_R_WHERE;
    break;
  case CQ_FROM_PARENT:
    ref.root = CQ_R_PARENT;
    ref.slot = c->parent_column;
    break;
  case CQ_FROM_PATH:
  case CQ_FROM_VALUE:
    *out = cq_value_null();
    return CQ_OK;
  }
  return ctx.get(ctx.user, &ref, a, out, err);
}

static int column_store(const cq_column *c, const cq_value *raw,
                        cq_batch *batch, cq_value *cell, cq_error *err) {
  int lossy = 0;

  if (raw->kind == CQ_NULL) {
    *cell = cq_value_null();
    return CQ_OK;
  }
  if (cq_value_convert(&batch->arena, raw, c->type, c->format, cell, &lossy) ||
      cq_value_copy(&batch->arena, cell, cell))
    return cq_error_nomem(err);
  batch->warnings += lossy;
  return CQ_OK;
}

static int columns_values(const cq_scan_shared *sh, cq_scope *scope,
                          cq_batch *batch, int first, int call, cq_arena *tmp,
                          cq_error *err) {
  const cq_table *t = sh->table;
  const cq_env *env = sh->o->env;
  cq_context ctx = cq_scope_context(scope);
  int rc = CQ_OK;

  for (int k = 0; k < sh->need.norder && rc == CQ_OK; k++) {
    int i = sh->need.order[k];
    const cq_column *c = &t->columns[i];

    if (c->call != call || (sh->need.late[i] & CQ_LATE_ANSWER)) continue;
    for (int row = first; row < batch->nrow && rc == CQ_OK; row++) {
      const cq_value *cells = cq_batch_row(batch, row);
      cq_value raw;

      if (c->source != CQ_FROM_VALUE && cells[i].kind != CQ_NULL) continue;
      /* A filter may be at work for long over each of many long texts. */
      if (row % 8 == 0 && env->interrupted && env->interrupted(env->user)) {
        rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
        break;
      }
      scope->rows = &cells;
      scope->nrow = 1;
      rc = cq_template_eval(c->value, &ctx, CQ_PLACE_PLAIN, tmp, &raw, err);
      if (rc == CQ_OK)
        rc = column_store(c, &raw, batch, &cq_batch_row(batch, row)[i], err);
      if (rc) cq_error_prefix(err, "%s: column %s: ", t->name, c->name);
      cq_arena_reset(tmp);
    }
  }
  scope->rows = NULL;
  scope->nrow = 0;
  return rc;
}

int cq_columns_late(const cq_scan_shared *sh, cq_scope *scope, cq_batch *batch,
                    int first, int n, int call, cq_error *err) {
  const cq_table *t = sh->table;
  cq_context ctx = cq_scope_context(scope);
  cq_arena tmp;
  int rc = CQ_OK;

  cq_arena_init(&tmp);
  for (int k = 0; k < sh->need.norder && rc == CQ_OK; k++) {
    int i = sh->need.order[k];
    const cq_column *c = &t->columns[i];

    if (call < 0 ? sh->need.late[i] != CQ_LATE_CALLS
                 : c->call != call || !(sh->need.late[i] & CQ_LATE_ANSWER))
      continue;
    for (int row = first; row < first + n && rc == CQ_OK; row++) {
      const cq_value *cells = cq_batch_row(batch, row);
      cq_value raw;

      if (c->source != CQ_FROM_VALUE && cells[i].kind != CQ_NULL) continue;
      scope->rows = &cells;
      scope->nrow = 1;
      rc = cq_template_eval(c->value, &ctx, CQ_PLACE_PLAIN, &tmp, &raw, err);
      if (rc == CQ_OK)
        rc = column_store(c, raw.kind == CQ_NULL ? &c->dflt : &raw, batch,
                          &cq_batch_row(batch, row)[i], err);
      if (rc) cq_error_prefix(err, "%s: column %s: ", t->name, c->name);
      cq_arena_reset(&tmp);
    }
  }
  scope->rows = NULL;
  scope->nrow = 0;
  cq_arena_clear(&tmp);
  return rc;
}

int cq_columns_fill(const cq_scan_shared *sh, cq_scope *scope, cq_batch *batch,
                    int first, int call, cq_error *err) {
  const cq_table *t = sh->table;
  cq_arena tmp;
  int rc = CQ_OK;

  if (first >= batch->nrow) return CQ_OK;
  cq_arena_init(&tmp);
  for (int i = 0; call < 0 && i < t->ncol && rc == CQ_OK; i++) {
    const cq_column *c = &t->columns[i];
    cq_value raw, cell;

    if (!sh->need.slot[i] || c->source == CQ_FROM_PATH ||
        c->source == CQ_FROM_VALUE)
      continue;
    rc = column_constant(c, scope, &tmp, &raw, err);
    if (rc == CQ_OK) rc = column_store(c, &raw, batch, &cell, err);
    for (int row = first; row < batch->nrow && rc == CQ_OK; row++)
      cq_batch_row(batch, row)[i] = cell;
    cq_arena_reset(&tmp);
  }
  if (rc == CQ_OK)
    rc = columns_values(sh, scope, batch, first, call, &tmp, err);
  for (int i = 0; i < t->ncol && rc == CQ_OK; i++) {
    const cq_column *c = &t->columns[i];

    if (!sh->need.slot[i] || c->call != call || c->dflt.kind == CQ_NULL)
      continue;
    for (int row = first; row < batch->nrow && rc == CQ_OK; row++) {
      cq_value *cell = &cq_batch_row(batch, row)[i];

      if (cell->kind == CQ_NULL)
        rc = column_store(c, &c->dflt, batch, cell, err);
    }
  }
  cq_arena_clear(&tmp);
  return rc;
}
