/* ext/data/batch.c: rows of cells with all that they borrow from. */
#include "data/data.h"

#include <limits.h>
#include <string.h>

cq_batch *cq_batch_new(int ncol) {
  cq_batch *b;
  if (ncol < 0) return NULL;
  b = cq_calloc(1, sizeof(*b));
  if (!b) return NULL;
  b->ncol = ncol;
  cq_arena_init(&b->arena);
  return b;
}

/* The pointer is good until the next add: the cells may move. */
cq_value *cq_batch_add(cq_batch *b) {
  size_t width = b->ncol ? (size_t)b->ncol : 1;
  cq_value *row;
  if (b->nrow == b->cap) {
    int cap = b->cap ? b->cap * 2 : 16;
    cq_value *p;
    if (b->cap > INT_MAX / 2 ||
        (size_t)cap > (size_t)PTRDIFF_MAX / sizeof(*p) / width)
      return NULL;
    p = cq_realloc(b->cells, (size_t)cap * width * sizeof(*p));
    if (!p) return NULL;
    b->cells = p;
    b->cap = cap;
  }
  row = b->cells + (size_t)b->nrow * (size_t)b->ncol;
  /* CQ_NULL is 0. */
  memset(row, 0, (size_t)b->ncol * sizeof(*row));
  b->nrow++;
  return row;
}

/* Pages come in order, so a block that is held already is among the last. */
int cq_batch_hold(cq_batch *b, cq_block *block) {
  size_t i, n = b->nblock;
  for (i = n; i > 0 && n - i < 4; i--)
    if (b->blocks[i - 1] == block) return CQ_OK;
  if (cq_grow(&b->blocks, &b->capblock, n, sizeof(*b->blocks)) != CQ_OK)
    return CQ_NOMEM;
  b->blocks[b->nblock++] = cq_block_ref(block);
  return CQ_OK;
}

void cq_batch_reset(cq_batch *b) {
  size_t i;
  for (i = 0; i < b->nblock; i++) cq_block_unref(b->blocks[i]);
  b->nblock = 0;
  b->nrow = 0;
  b->warnings = 0;
  b->rest = 0;
  cq_arena_reset(&b->arena);
}

void cq_batch_free(cq_batch *b) {
  if (!b) return;
  cq_batch_reset(b);
  cq_arena_clear(&b->arena);
  cq_free(b->blocks);
  cq_free(b->cells);
  cq_free(b);
}

size_t cq_batch_bytes(const cq_batch *b) {
  size_t n = sizeof(*b) + b->arena.bytes + b->capblock * sizeof(*b->blocks);
  size_t i;
  n += (size_t)b->cap * (b->ncol ? (size_t)b->ncol : 1) * sizeof(*b->cells);
  for (i = 0; i < b->nblock; i++)
    n += sizeof(**b->blocks) + b->blocks[i]->cap + CQ_BLOCK_SLACK;
  return n;
}
