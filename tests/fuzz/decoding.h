/* tests/fuzz/decoding.h: what the targets of the decoders share: programs that
 * are compiled once, and what holds for all rows: the same in pieces as at
 * once, texts that are UTF-8, JSON that is minified JSON. */
#ifndef CQ_FUZZ_DECODING_H
#define CQ_FUZZ_DECODING_H

#include "decode.h"
#include "fuzz.h"

/* Sizes of pieces from a number, so that an input is the same each time. */
typedef struct fuzz_pieces {
  uint64_t seed, most;
} fuzz_pieces;

static inline size_t fuzz_piece(void *user) {
  fuzz_pieces *p = user;

  p->seed = p->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
  return (size_t)((p->seed >> 33) % p->most) + ((p->seed >> 62) != 0);
}

static inline void fuzz_cell(const cq_value *v) {
  cq_buf b;

  if (v->kind != CQ_STR) return;
  if (cq_utf8_check(v->u.s, v->len) != v->len)
    fuzz_fail("a cell is not UTF-8: %.*s", (int)v->len, v->u.s);
  if (v->len && memchr(v->u.s, 0, v->len)) fuzz_fail("a cell holds U+0000");
  if (!v->json) return;
  cq_buf_init(&b, SIZE_MAX);
  if (cq_json_minify(&b, v->u.s, v->len) != CQ_OK || b.len != v->len ||
      memcmp(b.data, v->u.s, b.len) != 0)
    fuzz_fail("a cell is not minified JSON: %.*s", (int)v->len, v->u.s);
  cq_buf_clear(&b);
}

/* The program number `pick` of `list`, compiled at its first use. */
static inline decode *fuzz_program(decode *made, const cq_decode_ops *ops,
                                   const decode_sample *list, size_t n,
                                   unsigned pick) {
  size_t i = pick % n;

  if (!made[i].program &&
      decode_open(&made[i], ops, list[i].rows, list[i].fields, list[i].env,
                  (int)(i & 1)))
    fuzz_fail("program %d: %s", (int)i, made[i].err.text);
  return &made[i];
}

/* At once, and every cell looked at; decode_feed's result, its rows in d->out. */
static inline int fuzz_whole(decode *d, const char *p, size_t n) {
  d->look = fuzz_cell;
  return decode_feed(d, p, n, NULL, NULL);
}

/* In pieces: the same. */
static inline void fuzz_in_pieces(decode *d, const char *p, size_t n, int rc,
                                  uint64_t seed) {
  fuzz_pieces pieces = {seed, 1 + seed % 40};
  char *whole = cq_strdup(rc ? d->err.text : decode_text(d));
  int64_t warnings = d->warnings;
  int again;

  d->look = NULL;
  again = decode_feed(d, p, n, fuzz_piece, &pieces);

  if (again != rc)
    fuzz_fail("in pieces %d, not %d: %s", again, rc, d->err.text);
  if (!rc && strcmp(decode_text(d), whole) != 0)
    fuzz_fail("rows in pieces differ:\n%s\nnot\n%s", decode_text(d), whole);
  if (!rc && d->warnings != warnings)
    fuzz_fail("warnings in pieces: %lld, not %lld", (long long)d->warnings,
              (long long)warnings);
  cq_free(whole);
}

#endif
