/* tests/fuzz/fuzz.h: what fuzz targets share.  A target is one file,
 * fuzz_<name>.c, with LLVMFuzzerTestOneInput: clang's libFuzzer drives it in
 * `make fuzz`, replay.c in `make check`.
 *
 * What a target finds wrong (two ways to the same answer that differ, a text
 * that does not read back) it tells by fuzz_fail, which ends the process as a
 * crash would. */
#ifndef CQ_FUZZ_H
#define CQ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline CQ_PRINTF(1, 2) void fuzz_fail(const char *fmt, ...) {
  va_list ap;

  fflush(stdout);
  fputs("fuzz: ", stderr);
  va_start(ap, fmt);
  vfprintf(stderr, fmt, ap);
  va_end(ap);
  fputc('\n', stderr);
  abort();
}

/* The input from its front; what is read behind its end is 0. */
typedef struct fuzz_in {
  const char *p;
  size_t n;
} fuzz_in;

static inline fuzz_in fuzz_open(const uint8_t *data, size_t size) {
  return (fuzz_in){size ? (const char *)data : "", size};
}

static inline unsigned fuzz_byte(fuzz_in *in) {
  if (!in->n) return 0;
  in->n--;
  return (unsigned char)*in->p++;
}

/* Up to the byte `end`, which is consumed too, or all that is left. */
static inline fuzz_in fuzz_until(fuzz_in *in, char end) {
  const char *at = in->n ? memchr(in->p, end, in->n) : NULL;
  fuzz_in part = {in->p, at ? (size_t)(at - in->p) : in->n};

  in->p += part.n + (at != NULL);
  in->n -= part.n + (at != NULL);
  return part;
}

/* A copy of exactly these bytes and a NUL, so that a sanitizer sees a step
 * over its end; cq_free. */
static inline char *fuzz_text(fuzz_in in) {
  char *s = malloc(in.n + 1);

  if (!s) abort();
  if (in.n) memcpy(s, in.p, in.n);
  s[in.n] = '\0';
  return s;
}

#endif
