/* ext/dest/clickhouse/parquet.c: batches that go by way of S3 as Parquet, and how
 * the server reads them.
 *
 * A file has the table's columns by name, and _cq_row, which numbers the rows of
 * the run: a server reads the parts of a file at once, so their order says
 * nothing.  It is told the type of each column.  What Parquet has a type for that
 * the server takes as its own stands so; UUIDs, which some versions take for
 * bytes, and decimals, whose digits Parquet would limit, are text there, and are
 * converted. */
#include <string.h>

#include "dest/clickhouse/internal.h"

int ch_parquet_suits(const ch *d, const ch_table *x) {
  for (int i = 0; i < cq_dest_width(x->table); i++) {
    cq_rowbinary now = ch_column(d, x->table, i);

    if (now.kind != x->cols[i].kind || now.list != x->cols[i].list) return 0;
  }
  return 1;
}

/* ---- the file -------------------------------------------------------------------- */

static int open_file(ch *d, ch_table *x, cq_error *err) {
  cq_encode_options o = {.run = x->run,
                         .table = x->table,
                         .format = d->o->parquet,
                         .row = &x->row,
                         .zstd = &d->zstd};

  return x->rows_of ? CQ_OK
                    : cq_encode_parquet.open(&o, &x->body, &x->rows_of, err);
}

/* What the server would make of a decimal of more digits differs: digits are cut,
 * or it is NULL.  So it is sent the number as its column will have it, or NULL;
 * of a list its elements.  `own` is a copy of the cells, made once it is needed. */
static int fit_decimals(const ch_table *x, cq_dest_unit *u, cq_batch *rows,
                        cq_value **own, cq_arena *keep) {
  size_t ncell = (size_t)rows->nrow * (size_t)rows->ncol;
  cq_arena scratch;
  cq_buf bytes;
  int rc = CQ_OK;

  cq_arena_init(&scratch);
  cq_buf_init(&bytes, SIZE_MAX);
  for (int i = CQ_META; i < cq_dest_width(x->table); i++) {
    int column = x->table->cols[i - CQ_META];

    if (x->cols[i].kind != CQ_RB_DECIMAL) continue;
    for (int k = 0; k < rows->nrow && rc == CQ_OK; k++) {
      const cq_value *v = &cq_batch_row(rows, k)[column];
      const char *p;
      cq_value fit;

      cq_buf_reset(&bytes);
      cq_arena_reset(&scratch);
      if (cq_rowbinary_add(&bytes, &x->cols[i], v, &scratch)) {
        cq_dest_odd(u, i, v); /* the file has NULL: nobody else counts it */
        p = bytes.data;
        rc = bytes.rc
                 ? bytes.rc
                 : cq_rowbinary_get(&p, p + bytes.len, &x->cols[i], keep, &fit);
        if (rc == CQ_OK && !*own) {
          *own = cq_arena_alloc(keep, ncell * sizeof **own);
          if (*own) memcpy(*own, rows->cells, ncell * sizeof **own);
          rows->cells = *own;
          rc = *own ? CQ_OK : CQ_NOMEM;
        }
        if (rc == CQ_OK) cq_batch_row(rows, k)[column] = fit;
      }
      if (rc == CQ_OK) rc = bytes.rc;
    }
  }
  cq_arena_clear(&scratch);
  cq_buf_clear(&bytes);
  return rc;
}

int ch_parquet_add(ch *d, ch_table *x, cq_dest_unit *u,
                   const cq_dest_rows *rows, int from, int n, cq_error *err) {
  cq_batch part = *rows->batch;
  cq_dest_rows some = {&part, rows->ids + (size_t)from * 37,
                       rows->parents ? rows->parents + (size_t)from * 37 : NULL,
                       NULL};
  int rc = open_file(d, x, err);
  cq_value *own = NULL;
  cq_arena keep;

  cq_arena_init(&keep);
  part.cells = cq_batch_row(rows->batch, from);
  part.nrow = n;
  if (rc == CQ_OK && fit_decimals(x, u, &part, &own, &keep))
    rc = cq_error_nomem(err);
  if (rc == CQ_OK)
    rc = cq_encode_parquet.rows(x->rows_of, u, &some, &x->body, err);
  cq_arena_clear(&keep);
  return rc ? rc : x->body.rc ? cq_error_nomem(err) : CQ_OK;
}

int ch_parquet_end(ch_table *x, cq_error *err) {
  int rc = cq_encode_parquet.end(x->rows_of, &x->body, err);

  return rc ? rc : x->body.rc ? cq_error_nomem(err) : CQ_OK;
}

void ch_parquet_drop(ch_table *x) {
  if (x->rows_of) cq_encode_parquet.close(x->rows_of);
  x->rows_of = NULL;
}

/* ---- the statement ----------------------------------------------------------------- */

/* What a cell in the file is read as, and what its column's is made of it. */
typedef struct reading {
  const char *type, *before, *after;
} reading;

static reading reading_of(const cq_rowbinary *c) {
  reading text = {"String", "", ""}, uuid = {"String", "toUUIDOrNull(", ")"},
          decimal = {"String", "toDecimal256OrNull(", ", 38)"},
          /* Read as a date, one that the server cannot print is an error. */
      date = {"Int32", "addDays(toDate32('1970-01-01'), ", ")"},
          own = {NULL, "", ""};

  switch ((cq_rowbinary_kind)c->kind) {
  case CQ_RB_STRING:
    return text;
  case CQ_RB_UUID:
    return uuid;
  case CQ_RB_DECIMAL:
    return decimal;
  case CQ_RB_DATE32:
    return date;
  default:
    return own;
  }
}

void ch_parquet_select(const ch *d, const ch_table *x, cq_buf *out) {
  for (int i = 0; i < cq_dest_width(x->table); i++) {
    const cq_rowbinary *c = &x->cols[i];
    const char *name = cq_dest_column(x->table, i);
    reading r = reading_of(c);

    if (!*r.before)
      ch_format(d, out, "%w, ", name);
    else if (c->list)
      ch_format(d, out, "arrayMap(x -> %sx%s, %w), ", r.before, r.after, name);
    else if (c->nullable)
      ch_format(d, out, "%s%w%s, ", r.before, name, r.after);
    else
      ch_format(d, out, "assumeNotNull(%s%w%s), ", r.before, name, r.after);
  }
  cq_buf_str(out, "`_cq_row`");
}

void ch_parquet_shape(const ch *d, const ch_table *x, cq_buf *out) {
  for (int i = 0; i < cq_dest_width(x->table); i++) {
    const cq_rowbinary *c = &x->cols[i];
    const char *type = reading_of(c).type;

    ch_format(d, out, "%w ", cq_dest_column(x->table, i));
    if (!type)
      ch_type(d, x->table, i, out);
    else
      cq_buf_printf(out,
                    c->list       ? "Array(Nullable(%s))"
                    : c->nullable ? "Nullable(%s)"
                                  : "%s",
                    type);
    cq_buf_str(out, ", ");
  }
  cq_buf_str(out, "`_cq_row` Int64");
}
