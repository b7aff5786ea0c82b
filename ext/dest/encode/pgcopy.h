/* ext/dest/encode/pgcopy.h: PostgreSQL's binary COPY: rows as its server takes
 * them without parsing any text.
 *
 * No file format and so none of encode.c's list: the fields are those of tables
 * that exist, and whoever writes them interleaves units.  Never waits. */
#ifndef CQ_DEST_PGCOPY_H
#define CQ_DEST_PGCOPY_H

#include "dest/dest.h"

/* What a column of this cq_type is declared as: as format_type() says it. */
const char *cq_pgcopy_type(int type);

void cq_pgcopy_head(cq_buf *out); /* stands before the rows */
void cq_pgcopy_row(cq_buf *out, int fields);
/* Appends one field; `a` is for what is needed meanwhile.  1 where the value,
 * or an element of a list, does not fit its type and NULL stands for it. */
int cq_pgcopy_field(cq_buf *out, cq_arena *a, int type, const cq_value *v);

/* Of rows that were made here: the length of the one at p, and where in it
 * field i begins (its length's four bytes first). */
size_t cq_pgcopy_row_length(const char *p);
size_t cq_pgcopy_field_at(const char *p, int i);

#endif
