/* ext/scan/decode/scan.h: the scanner of JSON bytes that the decoders share:
 * positions in, positions out, everything validated, no tree. */
#ifndef CQ_JSON_SCAN_H
#define CQ_JSON_SCAN_H

#include "scan/decode.h"

typedef struct cq_js {
  const char *start, *end;
  const char *bad;         /* where it stopped making sense, or NULL */
  const char *what;
} cq_js;

const char *cq_js_space(cq_js *j, const char *p);
/* Over one value; NULL on error.  *blanks: it holds white space. */
const char *cq_js_skip(cq_js *j, const char *p, int *blanks);
/* p at '"': end of the string; *escaped, *high as they are needed. */
const char *cq_js_string(cq_js *j, const char *p, int *escaped);
/* The value at p..end as a raw value: strings decoded (arena only where they
 * have escapes), numbers, true/false as 1/0 text, containers as minified
 * JSON. */
int cq_js_value(cq_js *j, const char *p, const char *end, cq_arena *a,
                cq_value *out, int64_t *warnings);
int cq_js_error(const cq_js *j, cq_error *err);

/* ---- shape.c: a JSON cell through its shape ------------------------------ */
int cq_shape_apply(const cq_shape *s, int xml, const cq_value *raw, cq_arena *a,
                   cq_value *out);

/* ---- fields of a record --------------------------------------------------- */
typedef struct cq_fields cq_fields; /* compiled */
int cq_fields_new(const cq_field *f, int n, int xml, cq_fields **out,
                  cq_error *err);
void cq_fields_free(cq_fields *f);
/* Reads all fields of the value at p; returns its end or NULL. */
const char *cq_fields_read(const cq_fields *f, cq_js *j, const char *p,
                           const char *mapkey, size_t nmapkey,
                           cq_value *cells, cq_batch *batch, int *rc);

/* ---- a whole document ------------------------------------------------------ */
struct cq_program {
  const cq_decode_ops *ops;
  cq_path rows;            /* own copy of the steps */
  cq_step *steps;
  cq_fields *fields, *envelope;
  int nslot, nenvslot, optional_rows, xml;
};
int cq_program_make(const cq_decode_ops *ops, const cq_program_def *d, int xml,
                    cq_program **out, cq_error *err);
void cq_program_drop(cq_program *p);
/* Rows of the JSON text into the batch; envelope (nenvslot cells) filled. */
int cq_document_read(const cq_program *p, const char *text, size_t n,
                     cq_batch *batch, cq_value *envelope, cq_error *err);

/* ---- pieces laid together ---------------------------------------------------- */
struct cq_decoder {
  const cq_program *program;
  cq_block *whole;
  cq_value *envelope;
  cq_batch *kept;          /* owns what the envelope borrows */
};
int cq_decoder_make(const cq_program *p, cq_decoder **out, cq_error *err);
int cq_decoder_add(cq_decoder *d, cq_block *piece, cq_error *err);
const cq_value *cq_decoder_envelope(const cq_decoder *d);
void cq_decoder_drop(cq_decoder *d);

#endif
