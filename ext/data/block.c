/* ext/data/block.c: page blocks, which batches and the cache share, and the few
 * that are kept for the next pages.
 *
 * A page is a few hundred kB, and the next is as large.  Given back to libc its
 * memory goes to the system and comes again, page by page and zeroed, which
 * costs more than the bytes that are written there; kept, it is also still in
 * the processor's cache. */
#include "data/data.h"

#include <string.h>

enum {
  SPARE = 2,              /* one is read while the next comes */
  SPARE_LEAST = 32 << 10, /* what is smaller libc keeps itself */
  SPARE_MOST = 3 << 20
};

/* Who fills blocks and who lets go of them may be two threads: a slot is taken
 * and filled by one exchange. */
struct cq_block_pool {
  int refs; /* the owner's, and one for each block that came from here */
  cq_block *spare[SPARE];
};

static void block_free(cq_block *b) {
  if (!b) return;
  cq_free(b->data);
  cq_free(b);
}

cq_block_pool *cq_block_pool_new(void) {
  cq_block_pool *p = cq_calloc(1, sizeof *p);

  if (p) p->refs = 1;
  return p;
}

static void pool_empty(cq_block_pool *p) {
  for (int i = 0; i < SPARE; i++)
    block_free(__atomic_exchange_n(&p->spare[i], NULL, __ATOMIC_ACQ_REL));
}

static void pool_unref(cq_block_pool *p) {
  if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  pool_empty(p);
  cq_free(p);
}

void cq_block_pool_drop(cq_block_pool *p) {
  if (p) pool_unref(p);
}

/* The newest stay: pages to come are as large as these. */
static void pool_put(cq_block_pool *p, cq_block *b) {
  for (int i = 0; i < SPARE && b; i++)
    b = __atomic_exchange_n(&p->spare[i], b, __ATOMIC_ACQ_REL);
  block_free(b);
}

/* One that suits, or NULL: not much larger than what is asked for, since
 * whoever keeps a page keeps its block. */
static cq_block *pool_take(cq_block_pool *p, size_t cap) {
  cq_block *found = NULL;

  for (int i = 0; i < SPARE && !found; i++) {
    cq_block *b = __atomic_exchange_n(&p->spare[i], NULL, __ATOMIC_ACQ_REL);

    if (b && b->cap >= cap && b->cap - cap <= cap / 2)
      found = b;
    else if (b)
      block_free(__atomic_exchange_n(&p->spare[i], b, __ATOMIC_ACQ_REL));
  }
  return found;
}

/* The slack is zeroed, the room is not: touching each page twice costs as much
 * as copying an answer into it.  Who fills a part sets len and zeroes 64 bytes
 * behind it, which is what lets scanners load 16 bytes at a time. */
cq_block *cq_block_new(size_t cap) {
  cq_block *b;

  if (cap > (size_t)PTRDIFF_MAX / 2) return NULL;
  b = cq_calloc(1, sizeof(*b));
  if (!b) return NULL;
  b->data = cq_malloc(cap + CQ_BLOCK_SLACK);
  if (!b->data) {
    cq_free(b);
    return NULL;
  }
  memset(b->data, 0, CQ_BLOCK_SLACK);
  memset(b->data + cap, 0, CQ_BLOCK_SLACK);
  b->refs = 1;
  b->cap = cap;
  return b;
}

cq_block *cq_block_get(cq_block_pool *p, size_t cap) {
  cq_block *b;

  if (!p || cap < SPARE_LEAST || cap > SPARE_MOST) return cq_block_new(cap);
  b = pool_take(p, cap);
  if (!b) {
    /* Pages of a list differ by a little. */
    b = cq_block_new(cap + cap / 16);
    if (!b) return NULL;
  }
  b->refs = 1;
  b->len = 0;
  b->pool = p;
  __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
  return b;
}

cq_block *cq_block_ref(cq_block *b) {
  if (b) b->refs++;
  return b;
}

void cq_block_unref(cq_block *b) {
  cq_block_pool *p;

  if (!b || --b->refs > 0) return;
  p = b->pool;
  b->pool = NULL;
#ifdef __SANITIZE_ADDRESS__
  block_free(b); /* whoever still borrows from it is found */
#else
  if (p)
    pool_put(p, b);
  else
    block_free(b);
#endif
  if (p) pool_unref(p);
}
