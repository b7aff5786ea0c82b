/* ext/base/arena.c: many small allocations that are freed at once.
 *
 * Blocks double from 1 kB to 64 kB; what is larger gets a block of its own,
 * put behind the head, so that the head's free room stays in use. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_FIRST = 1024, ARENA_BLOCK = 64 << 10, ARENA_ALIGN = 8 };

typedef struct cq_arena_block {
  struct cq_arena_block *next; /* older */
  size_t size, used;           /* of data */
  _Alignas(max_align_t) char data[];
} arena_block;

void cq_arena_init(cq_arena *a) {
  a->head = NULL;
  a->bytes = 0;
}

static arena_block *arena_block_new(cq_arena *a, size_t size) {
  arena_block *b = cq_malloc(sizeof(*b) + size);
  if (!b) return NULL;
  b->next = NULL;
  b->size = size;
  b->used = 0;
  a->bytes += sizeof(*b) + size;
  return b;
}

void *cq_arena_alloc(cq_arena *a, size_t n) {
  arena_block *b = a->head;
  size_t size;
  void *p;
  if (n > (size_t)PTRDIFF_MAX / 2) return NULL;
  n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
  if (n == 0) n = ARENA_ALIGN;
  if (b && b->size - b->used >= n) {
    p = b->data + b->used;
    b->used += n;
    return p;
  }
  size = b ? b->size * 2 : ARENA_FIRST;
  if (size > ARENA_BLOCK) size = ARENA_BLOCK;
  if (n > size / 2) {
    /* Large for this stage: exactly its size. */
    b = arena_block_new(a, n);
    if (!b) return NULL;
    b->used = n;
    if (a->head) {
      b->next = a->head->next;
      a->head->next = b;
    } else {
      a->head = b;
    }
    return b->data;
  }
  b = arena_block_new(a, size);
  if (!b) return NULL;
  b->next = a->head;
  a->head = b;
  b->used = n;
  return b->data;
}

char *cq_arena_strndup(cq_arena *a, const char *s, size_t n) {
  char *p = n < SIZE_MAX ? cq_arena_alloc(a, n + 1) : NULL;
  if (!p) return NULL;
  if (n) memcpy(p, s, n);
  p[n] = '\0';
  return p;
}

char *cq_arena_printf(cq_arena *a, const char *fmt, ...) {
  char small[256];
  char *p = NULL;
  va_list ap, again;
  int n;
  va_start(ap, fmt);
  va_copy(again, ap);
  n = vsnprintf(small, sizeof(small), fmt, ap);
  if (n < 0) goto done;
  if ((size_t)n < sizeof(small)) {
    p = cq_arena_strndup(a, small, (size_t)n);
    goto done;
  }
  p = cq_arena_alloc(a, (size_t)n + 1);
  if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
done:
  va_end(again);
  va_end(ap);
  return p;
}

/* Keeps the largest block of the usual sizes; an odd giant is not worth its
 * memory in the next round. */
void cq_arena_reset(cq_arena *a) {
  arena_block *keep = NULL, *b, *next;
  for (b = a->head; b; b = b->next)
    if (b->size <= ARENA_BLOCK && (!keep || b->size > keep->size)) keep = b;
  for (b = a->head; b; b = next) {
    next = b->next;
    if (b != keep) cq_free(b);
  }
  a->head = keep;
  a->bytes = 0;
  if (keep) {
    keep->next = NULL;
    keep->used = 0;
    a->bytes = sizeof(*keep) + keep->size;
  }
}

void cq_arena_wipe(cq_arena *a) {
  for (arena_block *b = a->head; b; b = b->next) cq_wipe(b->data, b->used);
  cq_arena_clear(a);
}

void cq_arena_clear(cq_arena *a) {
  arena_block *b, *next;
  for (b = a->head; b; b = next) {
    next = b->next;
    cq_free(b);
  }
  cq_arena_init(a);
}
