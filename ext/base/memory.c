/* ext/base/memory.c: every allocation of cq goes through here.
 *
 * libc's malloc, since worker threads may not use SQLite's.  In test builds
 * (CQ_FAULT) one allocation can be made to fail, so that a loop over n proves
 * each failure path. */
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef CQ_FAULT
#include <stdatomic.h>
/* Relaxed: the counter orders nothing; which of two racing threads gets the
 * failure does not matter. */
static _Atomic long memory_countdown;
static _Atomic int memory_hit;
static _Atomic long memory_held;
static int (*_Atomic memory_ask)(void);

void cq_fault_set(long n) {
  atomic_store_explicit(&memory_hit, 0, memory_order_relaxed);
  atomic_store_explicit(&memory_countdown, n, memory_order_relaxed);
}

int cq_fault_hit(void) {
  return atomic_load_explicit(&memory_hit, memory_order_relaxed);
}

long cq_fault_left(void) {
  return atomic_load_explicit(&memory_countdown, memory_order_relaxed);
}

long cq_fault_held(void) {
  return atomic_load_explicit(&memory_held, memory_order_relaxed);
}

void cq_fault_ask(int (*fails)(void)) {
  atomic_store(&memory_ask, fails);
}

static int memory_fails(void) {
  int (*ask)(void) = atomic_load_explicit(&memory_ask, memory_order_acquire);

  if (ask && ask()) {
    atomic_store_explicit(&memory_hit, 1, memory_order_relaxed);
    return 1;
  }
  if (atomic_load_explicit(&memory_countdown, memory_order_relaxed) <= 0)
    return 0;
  if (atomic_fetch_sub_explicit(&memory_countdown, 1, memory_order_relaxed) !=
      1)
    return 0;
  atomic_store_explicit(&memory_hit, 1, memory_order_relaxed);
  return 1;
}

/* A block has come, or gone: n = 1 or -1. */
static void memory_counts(const void *p, int n) {
  if (p) atomic_fetch_add_explicit(&memory_held, n, memory_order_relaxed);
}
#else
void cq_fault_set(long n) {
  (void)n;
}
int cq_fault_hit(void) {
  return 0;
}
long cq_fault_left(void) {
  return 0;
}
long cq_fault_held(void) {
  return 0;
}
void cq_fault_ask(int (*fails)(void)) {
  (void)fails;
}
static void memory_counts(const void *p, int n) {
  (void)p, (void)n;
}
static int memory_fails(void) {
  return 0;
}
#endif

/* Sizes from outside are bounded long before; what is beyond PTRDIFF_MAX can
 * only be an overflow. */
static int memory_refuses(size_t n) {
  return n > (size_t)PTRDIFF_MAX || memory_fails();
}

void *cq_malloc(size_t n) {
  void *p = memory_refuses(n) ? NULL : malloc(n ? n : 1);

  memory_counts(p, 1);
  return p;
}

void *cq_calloc(size_t n, size_t size) {
  void *p;

  if (size && n > (size_t)PTRDIFF_MAX / size) return NULL;
  if (memory_fails()) return NULL;
  p = n && size ? calloc(n, size) : calloc(1, 1);
  memory_counts(p, 1);
  return p;
}

void *cq_realloc(void *p, size_t n) {
  void *now = memory_refuses(n) ? NULL : realloc(p, n ? n : 1);

  if (!p) memory_counts(now, 1);
  return now;
}

void cq_free(void *p) {
  memory_counts(p, -1);
  free(p);
}

char *cq_strdup(const char *s) {
  return s ? cq_strndup(s, strlen(s)) : NULL;
}

/* n bytes exactly, not up to a NUL: the text may come from outside. */
char *cq_strndup(const char *s, size_t n) {
  char *p = n < SIZE_MAX ? cq_malloc(n + 1) : NULL;
  if (!p) return NULL;
  if (n) memcpy(p, s, n);
  p[n] = '\0';
  return p;
}

char *cq_mprintf(const char *fmt, ...) {
  char small[256];
  char *p = NULL;
  va_list ap, again;
  int n;
  va_start(ap, fmt);
  va_copy(again, ap);
  n = vsnprintf(small, sizeof(small), fmt, ap);
  if (n < 0) goto done;
  if ((size_t)n < sizeof(small)) {
    p = cq_strndup(small, (size_t)n);
    goto done;
  }
  p = cq_malloc((size_t)n + 1);
  if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
done:
  va_end(again);
  va_end(ap);
  return p;
}

/* `items` is the address of a T *; it goes through memcpy because a T ** is
 * not a void **. */
int cq_grow(void *items, size_t *cap, size_t count, size_t size) {
  size_t want;
  void *p;
  if (count < *cap) return CQ_OK;
  if (count >= (size_t)PTRDIFF_MAX / 2 / (size ? size : 1)) return CQ_NOMEM;
  want = count < 4 ? 8 : count * 2;
  if (want > (size_t)PTRDIFF_MAX / (size ? size : 1)) want = count + 1;
  memcpy(&p, items, sizeof(p));
  p = cq_realloc(p, want * size);
  if (!p) return CQ_NOMEM;
  memcpy(items, &p, sizeof(p));
  *cap = want;
  return CQ_OK;
}

/* The barrier makes the compiler believe that somebody reads the bytes. */
void cq_wipe(void *p, size_t n) {
  if (!p || !n) return;
  memset(p, 0, n);
#if defined(__GNUC__)
  __asm__ __volatile__("" : : "r"(p) : "memory");
#endif
}

void cq_free_secret(char *s) {
  if (s) cq_wipe(s, strlen(s));
  cq_free(s);
}
