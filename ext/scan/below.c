/* ext/scan/below.c: a tree of records: what is below each is asked for, until
 * no new one comes.
 *
 * A node is what the request below names of a record, with its client.  Each is
 * asked for once and given once, so a cycle ends.  Who reads the scan takes
 * batches in order, and what is below them is asked for in that order, after
 * the table's own requests: rows come in the same order, whatever the network
 * does.  Depth and number are bounded. */
#include <string.h>

#include "scan/internal.h"

struct cq_below {
  cq_below *next;
  cq_arena arena;
  cq_job *like;     /* the job that read the records: its client, its where */
  cq_value *values; /* those of table->below.slot, record after record */
  size_t n, at;
};

struct cq_descent {
  const cq_table *t;
  cq_below *first, *last;
  cq_set asked, given;
  int64_t nodes;
};

int cq_below_new(const cq_table *t, const cq_job *j, const cq_batch *batch,
                 cq_below **out, cq_error *err) {
  size_t width = (size_t)t->below.nslot;
  cq_below *b = cq_calloc(1, sizeof *b);

  *out = NULL;
  if (!b) return cq_error_nomem(err);
  cq_arena_init(&b->arena);
  b->n = (size_t)batch->nrow;
  b->values = cq_arena_alloc(&b->arena, (b->n * width + 1) * sizeof *b->values);
  if (!b->values || cq_job_copy(t, j, &b->like)) goto nomem;
  for (size_t r = 0; r < b->n; r++)
    for (size_t i = 0; i < width; i++)
      if (cq_value_copy(&b->arena,
                        &cq_batch_row(batch, (int)r)[t->below.slot[i]],
                        &b->values[r * width + i]))
        goto nomem;
  *out = b;
  return CQ_OK;
nomem:
  cq_below_free(b);
  return cq_error_nomem(err);
}

void cq_below_free(cq_below *b) {
  if (!b) return;
  cq_job_free(b->like);
  cq_arena_clear(&b->arena);
  cq_free(b);
}

int cq_descent_new(const cq_table *t, cq_descent **out, cq_error *err) {
  *out = cq_calloc(1, sizeof **out);
  if (!*out) return cq_error_nomem(err);
  (*out)->t = t;
  return CQ_OK;
}

static uint64_t node_hash(const cq_client *client, const cq_value *v,
                          uint64_t h) {
  if (client && client->id) h = cq_hash64(client->id, strlen(client->id), h);
  return v->kind == CQ_STR    ? cq_hash64(v->u.s, v->len, h + 1)
         : v->kind == CQ_NULL ? h + 2
                              : cq_hash64(&v->u, sizeof v->u, h + 3 + v->kind);
}

int cq_descent_add(cq_descent *d, cq_below *below, cq_batch *batch,
                   cq_error *err) {
  const cq_table *t = d->t;
  const cq_client *client = below ? below->like->client : NULL;
  int keep = 0, rc = CQ_OK;

  for (int r = 0; r < batch->nrow && rc == CQ_OK; r++) {
    cq_value *row = cq_batch_row(batch, r);
    uint64_t h = 0;
    int is_new;

    for (int i = 0; i < t->below.nslot; i++)
      h = node_hash(client, &row[t->below.slot[i]], h);
    rc = cq_set_add(&d->given, h, &is_new) ? cq_error_nomem(err) : CQ_OK;
    if (rc || !is_new) continue;
    if (keep != r)
      memcpy(cq_batch_row(batch, keep), row, (size_t)batch->ncol * sizeof *row);
    keep++;
  }
  batch->nrow = keep;
  if (!below) return rc;
  if (d->last)
    d->last->next = below;
  else
    d->first = below;
  d->last = below;
  return rc;
}

/* The next node of the first batch that was not asked for. */
static int descent_node(cq_descent *d, cq_below *b, cq_job **out,
                        cq_error *err) {
  const cq_table *t = d->t;
  size_t width = (size_t)t->below.nslot;
  const cq_value *v = &b->values[b->at++ * width];
  cq_value *cells;
  uint64_t h = 0;
  int is_new;

  for (size_t i = 0; i < width; i++) h = node_hash(b->like->client, &v[i], h);
  if (cq_set_add(&d->asked, h, &is_new)) return cq_error_nomem(err);
  if (!is_new) return CQ_OK;
  if (++d->nodes > CQ_MAX_TREE_NODES)
    return cq_error_set(err, CQ_TOOBIG,
                        "%s: below: more than %d records in one tree", t->name,
                        (int)CQ_MAX_TREE_NODES);
  if (b->like->depth == CQ_MAX_TREE_DEPTH)
    return cq_error_set(err, CQ_TOOBIG, "%s: below: deeper than %d levels",
                        t->name, (int)CQ_MAX_TREE_DEPTH);
  if (cq_job_copy(t, b->like, out)) return cq_error_nomem(err);
  cells = cq_arena_alloc(&(*out)->arena, (size_t)t->nslot * sizeof *cells);
  if (!cells) goto nomem;
  for (int i = 0; i < t->nslot; i++) cells[i] = cq_value_null();
  for (size_t i = 0; i < width; i++)
    if (cq_value_copy(&(*out)->arena, &v[i], &cells[t->below.slot[i]]))
      goto nomem;
  (*out)->above = cells;
  (*out)->depth = b->like->depth + 1;
  return CQ_OK;
nomem:
  cq_job_free(*out);
  *out = NULL;
  return cq_error_nomem(err);
}

int cq_descent_next(cq_descent *d, cq_job **out, cq_error *err) {
  *out = NULL;
  while (d->first) {
    cq_below *b = d->first;

    while (b->at < b->n) {
      int rc = descent_node(d, b, out, err);

      if (rc) return rc;
      if (*out) return CQ_ROW;
    }
    d->first = b->next;
    if (!d->first) d->last = NULL;
    cq_below_free(b);
  }
  return CQ_DONE;
}

void cq_descent_free(cq_descent *d) {
  if (!d) return;
  while (d->first) {
    cq_below *b = d->first;

    d->first = b->next;
    cq_below_free(b);
  }
  cq_set_clear(&d->asked);
  cq_set_clear(&d->given);
  cq_free(d);
}
