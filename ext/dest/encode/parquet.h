/* ext/dest/encode/parquet.h: what the files of the Parquet writer share.
 *
 * thrift.c           Thrift's compact protocol, as far as Parquet needs it
 * parquet_column.c   a column's values of one row group, written as pages
 * parquet.c          the file: its schema, row groups, footer */
#ifndef CQ_DEST_ENCODE_PARQUET_H
#define CQ_DEST_ENCODE_PARQUET_H

#include "dest/encode/encode.h"

/* ---- thrift.c ---------------------------------------------------------------- */
enum {
  T_TRUE = 1,
  T_FALSE = 2,
  T_I32 = 5,
  T_I64 = 6,
  T_BINARY = 8,
  T_LIST = 9,
  T_STRUCT = 12
};
/* A field begins with how far its number is beyond the one before: `last`. */
void cq_thrift_int(cq_buf *b, int *last, int id, int64_t v); /* i32 and i16 */
void cq_thrift_long(cq_buf *b, int *last, int id, int64_t v);
void cq_thrift_bool(cq_buf *b, int *last, int id, int v);
void cq_thrift_bytes(cq_buf *b, int *last, int id, const void *p, size_t n);
void cq_thrift_list(cq_buf *b, int *last, int id, int type, size_t n);
void cq_thrift_item(cq_buf *b, const void *p,
                    size_t n);                       /* of a list of texts */
void cq_thrift_zigzag(cq_buf *b, int64_t v);         /* of a list of i32 */
void cq_thrift_struct(cq_buf *b, int *last, int id); /* its fields, then stop */
void cq_thrift_stop(cq_buf *b);
/* A struct without fields, which is how unions name their members. */
void cq_thrift_empty(cq_buf *b, int *last, int id);
/* Runs and bit-packed groups of n numbers of `width` bits: Parquet's levels and
 * indices. */
void cq_parquet_hybrid(cq_buf *b, const uint32_t *v, size_t n, int width);

/* ---- parquet_column.c ---------------------------------------------------------- */
typedef enum pq_physical {
  PQ_BOOLEAN = 0,
  PQ_INT32 = 1,
  PQ_INT64 = 2,
  PQ_DOUBLE = 5,
  PQ_BYTES = 6,
  PQ_FIXED = 7 /* 16 bytes */
} pq_physical;

typedef enum pq_codec { PQ_PLAIN = 0, PQ_GZIP = 2, PQ_ZSTD = 6 } pq_codec;

/* Values one after the other, in pieces: a single buffer would double as it
 * grows, and what it grew out of would lie about in the heap, of each file's
 * each column. */
typedef struct pq_piece {
  struct pq_piece *next;
  size_t len, cap; /* of what follows it in memory */
} pq_piece;
typedef struct pq_pieces {
  pq_piece *first, *last;
  size_t len, cap; /* of all */
} pq_pieces;
static inline const char *pq_piece_data(const pq_piece *p) {
  return (const char *)(p + 1);
}

typedef struct pq_column {
  const char *name;
  int type; /* cq_type, of elements where it is a list */
  pq_physical physical;
  int optional, list; /* list: LIST, not JSON text */
  int stats;          /* least and greatest are of use */
  /* of the row group at hand */
  cq_buf def, rep; /* a byte a value: levels */
  pq_pieces plain; /* values as Parquet's PLAIN has them; booleans as bytes */
  size_t nvalue;   /* values, NULLs not counted */
  size_t nnull;
  /* the dictionary: its values in `words`, plain; offsets of each */
  int worth; /* it is being made */
  cq_buf words;
  uint32_t *at, *index, *slots;
  size_t nword, capword, nindex, capindex, nslot;
} pq_column;

/* NULL and values of the column; CQ_NOMEM. */
int cq_parquet_null(pq_column *c);
int cq_parquet_value(pq_column *c, const cq_value *v);
/* An element of a list: rep is 1 but for the first.  v NULL: a list without
 * any, or (empty = 0) no list. */
int cq_parquet_element(pq_column *c, const cq_value *v, int rep, int empty);
/* The memory that it takes. */
size_t cq_parquet_kept(const pq_column *c);
/* Where pages go: `pass` (or NULL) may take from out what is there. */
typedef struct pq_sink {
  cq_buf *out;
  int (*pass)(void *user, cq_buf *out, cq_error *err);
  void *user;
  int64_t put; /* bytes, so far */
} pq_sink;
/* Puts the column's pages there and appends its ColumnChunk to meta; *total gets
 * the bytes before compression added.  `offset` is where the pages will stand in
 * the file.  Then the column is empty.  A compressor is made in *zstd where
 * there is none; it is the caller's. */
int cq_parquet_chunk(pq_column *c, pq_codec codec, struct ZSTD_CCtx_s **zstd,
                     int64_t offset, pq_sink *to, cq_buf *meta, int64_t *total,
                     cq_error *err);
void cq_parquet_column_clear(pq_column *c);

#endif
