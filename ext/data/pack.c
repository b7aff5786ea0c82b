/* ext/data/pack.c: rows in one piece of memory, for another thread or a file. */
#include "data/data.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ID = 37, ALIGN = 8 };

static size_t aligned(size_t n) {
  return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static cq_value *cells_of(const cq_pack *p) {
  return (cq_value *)(void *)((char *)(uintptr_t)p + p->at);
}

static size_t cell_count(const cq_pack *p) {
  return (size_t)p->nrow * (size_t)p->wide;
}

static int has_text(const cq_value *v) {
  return v->kind == CQ_STR || v->kind == CQ_BYTES;
}

cq_pack *cq_pack_new(const cq_batch *b, const char *ids, const char *parents) {
  size_t n = (size_t)b->nrow * (size_t)b->ncol, head, texts = 0;
  size_t idbytes = (size_t)b->nrow * ID;
  cq_value *cells;
  cq_pack *p;
  char *to;

  for (size_t i = 0; i < n; i++)
    if (has_text(&b->cells[i])) texts += b->cells[i].len;
  head = aligned(sizeof *p);
  p = cq_malloc(head + n * sizeof *cells + (ids ? idbytes : 0) +
                (parents ? idbytes : 0) + texts + 1);
  if (!p) return NULL;
  p->refs = 1;
  p->wide = b->ncol;
  p->nrow = b->nrow;
  p->has = (ids ? 1 : 0) | (parents ? 2 : 0);
  p->at = head;
  cells = cells_of(p);
  if (n) memcpy(cells, b->cells, n * sizeof *cells);
  to = (char *)(cells + n);
  if (ids) {
    memcpy(to, ids, idbytes);
    to += idbytes;
  }
  if (parents) {
    memcpy(to, parents, idbytes);
    to += idbytes;
  }
  p->was = (uintptr_t)to;
  for (size_t i = 0; i < n; i++) {
    if (!has_text(&cells[i])) continue;
    if (cells[i].len) memcpy(to, cells[i].u.s, cells[i].len);
    cells[i].u.s = to;
    to += cells[i].len;
  }
  *to = 0;
  p->bytes = (size_t)(to + 1 - (char *)p);
  return p;
}

cq_pack *cq_pack_ref(cq_pack *p) {
  if (p) __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
  return p;
}

void cq_pack_unref(cq_pack *p) {
  if (p && __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) == 0) cq_free(p);
}

cq_batch cq_pack_batch(const cq_pack *p) {
  cq_batch b;

  memset(&b, 0, sizeof b);
  b.ncol = p->wide;
  b.nrow = b.cap = p->nrow;
  b.cells = cells_of(p);
  return b;
}

const char *cq_pack_ids(const cq_pack *p) {
  return p->has & 1 ? (const char *)(cells_of(p) + cell_count(p)) : NULL;
}

const char *cq_pack_parents(const cq_pack *p) {
  const char *ids = (const char *)(cells_of(p) + cell_count(p));

  if (!(p->has & 2)) return NULL;
  return p->has & 1 ? ids + (size_t)p->nrow * ID : ids;
}

/* ---- a file --------------------------------------------------------------- */

int cq_pack_write(const cq_pack *p, int fd, int64_t at) {
  const char *from = (const char *)p;
  size_t left = p->bytes;

  while (left > 0) {
    ssize_t n = pwrite(fd, from, left, (off_t)at);

    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return CQ_IOERR;
    from += n;
    at += n;
    left -= (size_t)n;
  }
  return CQ_OK;
}

static int read_all(int fd, int64_t at, void *to, size_t left) {
  char *p = to;

  while (left > 0) {
    ssize_t n = pread(fd, p, left, (off_t)at);

    if (n < 0 && errno == EINTR) continue;
    if (n == 0) errno = EIO; /* cut */
    if (n <= 0) return CQ_IOERR;
    p += n;
    at += n;
    left -= (size_t)n;
  }
  return CQ_OK;
}

/* The file is one that this process wrote and unlinked, so that its addresses
 * are only moved; but what lies beyond the piece would not be. */
static int relocate(cq_pack *p) {
  size_t n = cell_count(p), off;
  char *texts = (char *)(cells_of(p) + n);
  cq_value *cells = cells_of(p);

  if (p->has & 1) texts += (size_t)p->nrow * ID;
  if (p->has & 2) texts += (size_t)p->nrow * ID;
  for (size_t i = 0; i < n; i++) {
    if (!has_text(&cells[i])) continue;
    off = (size_t)((uintptr_t)cells[i].u.s - p->was);
    if (off > p->bytes || cells[i].len > p->bytes - off) return CQ_IOERR;
    cells[i].u.s = texts + off;
  }
  p->was = (uintptr_t)texts;
  return CQ_OK;
}

int cq_pack_read(int fd, int64_t at, cq_pack **out) {
  cq_pack head, *p;
  int rc = read_all(fd, at, &head, sizeof head);

  *out = NULL;
  if (rc) return rc;
  errno = EIO;
  if (head.wide < 0 || head.nrow < 0 || head.at != aligned(sizeof head) ||
      head.bytes < head.at ||
      (head.wide && (size_t)head.nrow > (head.bytes - head.at) /
                                            sizeof(cq_value) /
                                            (size_t)head.wide))
    return CQ_IOERR;
  p = cq_malloc(head.bytes);
  if (!p) return CQ_NOMEM;
  rc = read_all(fd, at, p, head.bytes);
  p->refs = 1;
  if (rc == CQ_OK) rc = relocate(p);
  if (rc) {
    cq_free(p);
    return rc;
  }
  *out = p;
  return CQ_OK;
}
