/* ext/dest/encode/rowbinary.h: ClickHouse's RowBinary: rows one after the other,
 * each cell in its column's own form, little-endian, no names and no types.
 *
 * The reader must know the columns; so the store that made the table says here
 * what each of them is. */
#ifndef CQ_DEST_ROWBINARY_H
#define CQ_DEST_ROWBINARY_H

#include "data/data.h"

typedef enum cq_rowbinary_kind {
  CQ_RB_STRING,
  CQ_RB_INT64,
  CQ_RB_FLOAT64,
  CQ_RB_BOOL,       /* Bool, or UInt8 */
  CQ_RB_DATETIME64, /* DateTime64(6): microseconds */
  CQ_RB_DATE32,     /* days */
  CQ_RB_UUID,
  CQ_RB_DECIMAL /* Decimal(76, 38) */
} cq_rowbinary_kind;

typedef struct cq_rowbinary {
  unsigned char kind; /* cq_rowbinary_kind */
  unsigned char nullable;
  unsigned char list; /* Array(Nullable(kind)), itself never NULL */
  int type;           /* cq_type of the column */
} cq_rowbinary;

enum { CQ_RB_SCALE = 38, CQ_RB_DIGITS = 76 };

/* Appends a cell; 1: the column cannot hold the value, or some of the list's,
 * and NULL (an empty list) stands for it.  scratch is for lists. */
int cq_rowbinary_add(cq_buf *out, const cq_rowbinary *c, const cq_value *v,
                     cq_arena *scratch);
/* What run tables are made of. */
void cq_rowbinary_text(cq_buf *out, const char *s, size_t n);
void cq_rowbinary_maybe(cq_buf *out, const char *s); /* Nullable(String) */
void cq_rowbinary_int(cq_buf *out, int64_t i);

/* Reads a cell at *p: CQ_OK, CQ_BUSY where it is not whole yet, CQ_TOOBIG,
 * CQ_NOMEM.  Text is copied into the arena. */
int cq_rowbinary_get(const char **p, const char *end, const cq_rowbinary *c,
                     cq_arena *a, cq_value *out);

#endif
