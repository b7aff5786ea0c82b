/* ext/dest/encode/encode.c: the formats. */
#include "dest/encode/encode.h"

static const cq_encode_ops *const kinds[] = {&cq_encode_csv, &cq_encode_json,
                                             &cq_encode_parquet};

const cq_encode_ops *const *cq_encode_kinds(size_t *n) {
  *n = sizeof kinds / sizeof *kinds;
  return kinds;
}
