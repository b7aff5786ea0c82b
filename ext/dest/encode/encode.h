/* ext/dest/encode/encode.h: the interface of wire and file formats: rows in,
 * bytes out.  One file per format, listed in encode.c.
 *
 * Called on the writer's thread of a store.  An encoder never waits.  Whoever
 * calls takes from `out` what is there whenever it likes, and resets it. */
#ifndef CQ_DEST_ENCODE_H
#define CQ_DEST_ENCODE_H

#include "dest/dest.h"

typedef struct cq_encoder cq_encoder;

/* Of one table: what a format must know of it, beside its columns. */
typedef struct cq_encode_options {
  const cq_dest_run *run;
  const cq_dest_table *table;
  const void *format; /* what the format's `spec` has read, or NULL */
  int athena;         /* names as Athena takes them: see object.h */
} cq_encode_options;

typedef struct cq_encode_ops {
  const char *name;      /* csv, json, parquet */
  const char *extension; /* of a file: "csv" */
  const char *media;     /* its media type */
  /* Reads format_spec; NULL: it has no keys. */
  int (*spec)(cq_arena *a, const cq_node *map, const void **out, cq_error *err);
  /* Begins a file, or a stream; appends what stands before the rows. */
  int (*open)(const cq_encode_options *o, cq_buf *out, cq_encoder **e,
              cq_error *err);
  /* Appends rows; a columnar format may keep them until it has a group. */
  int (*rows)(cq_encoder *e, cq_dest_unit *u, const cq_dest_rows *rows,
              cq_buf *out, cq_error *err);
  /* Appends what is kept, so that it keeps nothing: memory is short.  NULL
   * where it never keeps anything. */
  int (*flush)(cq_encoder *e, cq_buf *out, cq_error *err);
  /* Ends the file: appends what is kept, and what stands behind. */
  int (*end)(cq_encoder *e, cq_buf *out, cq_error *err);
  void (*close)(cq_encoder *e); /* at any time; frees it */
} cq_encode_ops;

struct cq_encoder {
  const cq_encode_ops *ops;
  size_t kept; /* bytes of rows that are not in any output yet */
};

const cq_encode_ops *cq_encode_find(const char *name);
const cq_encode_ops *const *cq_encode_kinds(size_t *n);

#endif
