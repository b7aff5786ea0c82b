/* ext/dest/clickhouse/read.c: a parent's rows of an earlier run, read again: in
 * RowBinary, decoded as they come, handed on in batches. */
#include <string.h>

#include "dest/clickhouse/internal.h"

enum { ROWS = 256, HELD = 128 << 20 };

typedef struct reader {
  const cq_dest_table *table;
  const cq_rowbinary *cols; /* of the table's own columns */
  cq_batch *batch;
  cq_buf left; /* the beginning of a row */
  int (*each)(void *user, const cq_batch *rows);
  void *user;
} reader;

static int hand_on(reader *p) {
  int rc = p->batch->nrow ? p->each(p->user, p->batch) : CQ_OK;

  cq_batch_reset(p->batch);
  return rc;
}

/* One row; CQ_BUSY where it is not whole. */
static int one_row(reader *p, const char **at, const char *end) {
  const char *from = *at;
  cq_value *row = cq_batch_add(p->batch);
  int rc = row ? CQ_OK : CQ_NOMEM;

  for (int i = 0; i < p->table->ncol && rc == CQ_OK; i++)
    rc = cq_rowbinary_get(at, end, &p->cols[i], &p->batch->arena,
                          &row[p->table->cols[i]]);
  if (rc == CQ_OK) return CQ_OK;
  *at = from;
  if (row) p->batch->nrow--;
  return rc;
}

static int on_bytes(void *user, const char *s, size_t n) {
  reader *p = user;
  const char *at, *end;
  int rc = CQ_OK;

  cq_buf_add(&p->left, s, n);
  if (p->left.rc) return p->left.rc;
  at = p->left.data;
  end = at + p->left.len;
  while (at < end && rc == CQ_OK) {
    rc = one_row(p, &at, end);
    if (rc == CQ_OK && p->batch->nrow >= ROWS) rc = hand_on(p);
  }
  memmove(p->left.data, at, (size_t)(end - at));
  p->left.len = (size_t)(end - at);
  return rc == CQ_BUSY ? CQ_OK : rc;
}

int ch_read(cq_dest *base, const cq_dest_run *r, const cq_dest_table *t,
            const char *client, int64_t group,
            int (*each)(void *user, const cq_batch *rows), void *user,
            cq_error *err) {
  ch *d = ch_of(base);
  cq_rowbinary *cols = cq_calloc((size_t)cq_dest_width(t), sizeof *cols);
  char *raw = cq_mprintf("raw_%s", t->def->name);
  reader p = {.table = t, .each = each, .user = user};
  cq_buf q;
  int rc = CQ_OK;

  cq_buf_init(&q, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&p.left, HELD);
  p.batch = cq_batch_new(t->def->nslot);
  if (!cols || !raw || !p.batch) {
    rc = cq_error_nomem(err);
    goto done;
  }
  p.cols = cols + CQ_META;
  rc = ch_columns(d, t, cols, err);
  if (rc) goto done;
  cq_buf_str(&q, "SELECT ");
  for (int i = 0; i < t->ncol; i++)
    ch_format(d, &q, "%s%w", i ? ", " : "", cq_dest_column(t, CQ_META + i));
  ch_format(d, &q,
            " FROM %t WHERE _cq_sync_group_id = %lld AND _cq_source_name = %Q "
            "AND _cq_client_id = %Q ORDER BY _cq_row FORMAT RowBinary",
            raw, (long long)group, r->source, client);
  if (q.rc) {
    rc = cq_error_nomem(err);
  } else if (t->ncol) {
    ch_ask ask = {.body = q.data, .nbody = q.len, .each = on_bytes, .user = &p};

    rc = ch_request(d, &ask, NULL, NULL, err);
    if (rc && !err->code)
      cq_error_set(err, rc, "destination %s: %s: its rows cannot be read",
                   d->base.name, t->def->name);
  }
  if (rc == CQ_OK && p.left.len)
    rc = cq_error_set(err, CQ_ERROR,
                      "destination %s: %s: its rows end in the middle",
                      d->base.name, t->def->name);
  if (rc == CQ_OK && (rc = hand_on(&p)) != 0) cq_error_nomem(err);
done:
  cq_batch_free(p.batch);
  cq_buf_clear(&p.left);
  cq_buf_clear(&q);
  cq_free(cols);
  cq_free(raw);
  return rc;
}
