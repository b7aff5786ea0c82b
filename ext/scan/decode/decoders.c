/* ext/scan/decode/decoders.c: the list of decoders, by name. */
#include "scan/decode.h"

#include <string.h>

static const cq_decode_ops *const decoders[] = {
    &cq_decode_json, &cq_decode_ndjson, &cq_decode_xml, &cq_decode_csv,
    &cq_decode_raw};

const cq_decode_ops *cq_decode_find(const char *name) {
  for (size_t i = 0; name && i < sizeof decoders / sizeof *decoders; i++)
    if (strcmp(name, decoders[i]->name) == 0) return decoders[i];
  return NULL;
}
