/* ext/dest/dest.c: the kinds of destinations, and what all of them share. */
#include "dest/dest.h"

#include <string.h>

static const cq_dest_ops *const kinds[] = {&cq_dest_sqlite};

const cq_dest_ops *const *cq_dest_kinds(size_t *n) {
  *n = sizeof kinds / sizeof *kinds;
  return kinds;
}

const cq_dest_ops *cq_dest_find(const char *name) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
  return NULL;
}

const char *cq_write_mode_name(cq_write_mode m) {
  return m == CQ_MODE_APPEND      ? "append"
         : m == CQ_MODE_OVERWRITE ? "overwrite"
                                  : "overwrite-delete-stale";
}

/* Hidden columns that only carry a query's argument hold nothing in a sync. */
int cq_dest_columns(cq_arena *a, const cq_table *t, cq_dest_table *out) {
  int *cols = cq_arena_alloc(a, ((size_t)t->ncol + 1) * sizeof *cols);

  if (!cols) return CQ_NOMEM;
  out->def = t;
  out->ncol = 0;
  for (int i = 0; i < t->ncol; i++)
    if (!(t->columns[i].hidden && t->columns[i].source == CQ_FROM_WHERE))
      cols[out->ncol++] = i;
  out->cols = cols;
  return CQ_OK;
}
