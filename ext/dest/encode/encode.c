/* ext/dest/encode/encode.c: the formats. */
#include "dest/encode/encode.h"

#include <string.h>

static const cq_encode_ops *const kinds[] = {&cq_encode_csv, &cq_encode_json,
                                             &cq_encode_parquet};

const cq_encode_ops *const *cq_encode_kinds(size_t *n) {
  *n = sizeof kinds / sizeof *kinds;
  return kinds;
}

const cq_encode_ops *cq_encode_find(const char *name) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
  return NULL;
}
