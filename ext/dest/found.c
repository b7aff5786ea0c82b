/* ext/dest/found.c: the columns that a store's table has: names and types, as a
 * migration compares them with what is asked for. */
#include "dest/dest.h"

#include <string.h>

int cq_dest_found_add(cq_dest_found *f, const char *name, const char *type) {
  size_t cap = f->cap;

  if (cq_grow(&f->names, &cap, f->n, sizeof *f->names) ||
      cq_grow(&f->types, &f->cap, f->n, sizeof *f->types))
    return CQ_NOMEM;
  f->names[f->n] = cq_strdup(name);
  f->types[f->n] = cq_strdup(type);
  f->n++;
  return f->names[f->n - 1] && f->types[f->n - 1] ? CQ_OK : CQ_NOMEM;
}

void cq_dest_found_clear(cq_dest_found *f) {
  for (size_t i = 0; i < f->n; i++) {
    cq_free(f->names[i]);
    cq_free(f->types[i]);
  }
  cq_free(f->names);
  cq_free(f->types);
  memset(f, 0, sizeof *f);
}

const char *cq_dest_found_type(const cq_dest_found *f, const char *name,
                               int any_case) {
  for (size_t i = 0; i < f->n; i++)
    if (any_case ? cq_str_ieq(f->names[i], name)
                 : strcmp(f->names[i], name) == 0)
      return f->types[i];
  return NULL;
}
