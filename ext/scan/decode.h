/* ext/scan/decode.h: bytes of an answer become rows: the interface that each
 * decoder (json, ndjson, xml, csv, raw) implements.
 *
 * A program is compiled once per scan from the slots that are wanted; a
 * decoder runs it over one answer.  All calls on the caller's thread. */
#ifndef CQ_DECODE_H
#define CQ_DECODE_H

#include "spec/spec.h"

typedef struct cq_field {
  const cq_path *path;
  int type; /* cq_type; 0: scalars as they are, containers as JSON */
  const char *format;
  const cq_shape *shape;
  int slot; /* cell index in the batch row, or in the envelope row */
  const cq_nulls *nulls; /* texts that are NULL here, or NULL */
} cq_field;

typedef struct cq_program_def {
  const cq_path *rows; /* where records stand; "." = the body is one record */
  int optional_rows;   /* a missing rows path is no rows, not an error */
  int one_for_list; /* an object where [*] expects a list is its one element */
  const cq_field *fields; /* within a record */
  int nfield;
  const cq_field *envelope; /* within the whole body, outside of records */
  int nenvelope;
  const cq_table *table; /* whose columns the list has (a CSV header is held
                            against them), or NULL; outlives the program */
  int nslot;             /* cells of a batch row */
  int nenvslot;
} cq_program_def;

typedef struct cq_program cq_program; /* immutable after compile */
typedef struct cq_decoder cq_decoder; /* one answer */

typedef struct cq_decode_ops {
  const char *name;
  /* Compiles; what a path cannot mean for this format is an error. */
  int (*compile)(const cq_program_def *def, cq_program **out, cq_error *err);
  void (*program_free)(cq_program *p);
  int (*open)(const cq_program *p, cq_decoder **out, cq_error *err);
  /* Takes the next piece (the block's reference moves in; NULL only with
   * `final`), appends complete records as rows to the batch (which holds the
   * blocks that its cells borrow).  `final`: no more follows; a cut or garbage
   * is an error that says at which byte.  Rows of an answer that ends in an
   * error must not be used.  Pieces may be cut anywhere. */
  int (*feed)(cq_decoder *d, cq_block *piece, int final, cq_batch *batch,
              cq_error *err);
  /* nenvslot values, valid after the final feed until close. */
  const cq_value *(*envelope)(const cq_decoder *d);
  void (*close)(cq_decoder *d);
} cq_decode_ops;

extern const cq_decode_ops cq_decode_json, cq_decode_ndjson, cq_decode_xml,
    cq_decode_csv, cq_decode_raw;
const cq_decode_ops *cq_decode_find(const char *name); /* NULL = unknown */

#endif
