/* ext/base/set.c: a set of 64-bit hashes, open addressing: has this been seen?
 *
 * The hash is the element: two things whose hashes are equal are one. */
#include "base/base.h"

/* Where h is, or the free place where it belongs; one is free at least. */
static uint64_t *set_slot(uint64_t *slots, size_t cap, uint64_t h) {
  size_t at = (size_t)h & (cap - 1);

  while (slots[at] && slots[at] != h) at = (at + 1) & (cap - 1);
  return &slots[at];
}

/* At most half of the places are taken. */
static int set_grow(cq_set *s) {
  size_t cap = s->cap ? s->cap * 2 : 256;
  uint64_t *grown;

  if ((s->n + 1) * 2 <= s->cap) return CQ_OK;
  grown = cq_calloc(cap, sizeof *grown);
  if (!grown) return CQ_NOMEM;
  for (size_t i = 0; i < s->cap; i++)
    if (s->slots[i]) *set_slot(grown, cap, s->slots[i]) = s->slots[i];
  cq_free(s->slots);
  s->slots = grown;
  s->cap = cap;
  return CQ_OK;
}

int cq_set_add(cq_set *s, uint64_t h, int *is_new) {
  uint64_t *slot;

  if (set_grow(s)) return CQ_NOMEM;
  if (!h) h = 1; /* 0 marks a free place */
  slot = set_slot(s->slots, s->cap, h);
  *is_new = !*slot;
  s->n += (size_t)*is_new;
  *slot = h;
  return CQ_OK;
}

int cq_set_has(const cq_set *s, uint64_t h) {
  return s->cap && *set_slot(s->slots, s->cap, h ? h : 1) != 0;
}

void cq_set_clear(cq_set *s) {
  cq_free(s->slots);
  *s = (cq_set){NULL, 0, 0};
}
