/* ext/scan/denied.c: what may not be read: counted, told, and remembered by whose
 * rows are missing, for a sync that keeps what it had of them. */
#include <stdio.h>

#include "scan/internal.h"

void cq_stats_denied(cq_scan_stats *st, const cq_error *why) {
  if (st->denied++ == 0)
    snprintf(st->denied_reason, sizeof st->denied_reason, "%s", why->text);
}

static int add(cq_scan_shared *sh, const cq_value *row, cq_error *err) {
  cq_value *copy = cq_arena_alloc(&sh->denied_arena,
                                  (size_t)sh->parent->nslot * sizeof *copy);

  if (!copy ||
      cq_grow(&sh->denied, &sh->capdenied, sh->ndenied, sizeof *sh->denied))
    return cq_error_nomem(err);
  for (int i = 0; i < sh->parent->nslot; i++)
    if (cq_value_copy(&sh->denied_arena, &row[i], &copy[i]))
      return cq_error_nomem(err);
  sh->denied[sh->ndenied++] = copy;
  return CQ_OK;
}

/* `distinct` asks for the first of several parents alone: that one is not
 * always the one below which the rows were found before. */
int cq_denied_rows(cq_scan_shared *sh, const cq_value *const *parents,
                   size_t nparent, cq_error *err) {
  int rc = CQ_OK;

  if (!sh->o->parents || nparent == 0 || sh->table->parent.distinct) {
    sh->stats->nameless++;
    return CQ_OK;
  }
  for (size_t i = 0; i < nparent && rc == CQ_OK; i++)
    rc = add(sh, parents[i], err);
  return rc;
}
