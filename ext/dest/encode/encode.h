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
  int64_t *row;       /* or NULL: a last column, _cq_row, has the number of each
                         row, from this on; of Parquet alone */
  /* A compressor that the files of a caller share, made where it is NULL and
   * freed by the caller; or NULL: each has its own. */
  struct ZSTD_CCtx_s **zstd;
  /* Called between pieces of what `rows`, `flush` and `end` append, so that it
   * may take them from `out`; or NULL. */
  int (*pass)(void *user, cq_buf *out, cq_error *err);
  void *user;
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

extern const cq_encode_ops cq_encode_csv, cq_encode_json, cq_encode_parquet;
const cq_encode_ops *const *cq_encode_kinds(size_t *n);

/* ---- cell.c: what a cell of a type holds ------------------------------------ */
/* Whether the value is one of its column's type: an integer within int64, a
 * time that is one; a text where bytes should be is its bytes.  The formats of
 * files agree on it, so that a column has one type for whoever reads it; what is
 * none is NULL there, and counted.  RowBinary
 * and COPY take whole reals for integers and UUIDs in upper case, besides. */
int cq_cell_fits(int type, const cq_value *v);
/* An element of a list, as cq_json_element reads it, as a cell of its type; what
 * is none stays what it is.  CQ_NOMEM. */
int cq_cell_element(cq_arena *a, int base, const cq_value *v, cq_value *out);
/* Of values that fit. */
int64_t cq_cell_micros(const cq_value *v);          /* timestamp, since 1970 */
int32_t cq_cell_days(const cq_value *v);            /* date, since 1970 */
void cq_cell_uuid(const cq_value *v, char out[16]); /* uuid */
double cq_cell_real(const cq_value *v);             /* real */
/* A name as Athena takes it: what is no letter, digit or _ becomes _. */
void cq_cell_athena(cq_buf *out, const char *name, size_t n);

#endif
