/* tests/fuzz/fuzz_number.c: text to numbers against strtod and strtoll, the
 * walker's fast way against the general one, and numbers to text and back. */
#include <errno.h>
#include <math.h>

#include "fuzz.h"
#include "scan/decode/internal.h"

static int same_bits(double a, double b) {
  return memcmp(&a, &b, sizeof a) == 0;
}

/* What C reads there; 0 where that is not the whole text, or no plain number. */
static int by_libc(const char *s, double *r) {
  char *end;

  if (!*s || strspn(s, "+-.0123456789eE") != strlen(s)) return 0;
  *r = strtod(s, &end);
  return !*end;
}

static void check_text(const char *s, size_t n) {
  cq_value v;
  double r = 0;
  int whole = strspn(s, "+-0123456789") == n, ok = by_libc(s, &r);
  int rc = cq_number_parse(s, n, &v);

  if (strlen(s) != n) return;
  if ((rc == CQ_OK) != ok) fuzz_fail("%s: %d, libc %d", s, rc, ok);
  if (!ok) return;
  if (v.kind == CQ_INT) {
    errno = 0;
    if (!whole || strtoll(s, NULL, 10) != v.u.i || errno)
      fuzz_fail("%s: not %lld", s, (long long)v.u.i);
  } else if (v.kind == CQ_DOUBLE) {
    if (whole || !same_bits(v.u.r, r)) fuzz_fail("%s: %.17g", s, v.u.r);
  } else {
    errno = 0;
    if (v.len != n) fuzz_fail("%s: not its own text", s);
    if (whole ? (strtoll(s, NULL, 10), errno != ERANGE) : isfinite(r))
      fuzz_fail("%s: text, though it fits", s);
  }
}

/* The walker reads JSON's numbers only, those as the other does. */
static void check_walker(const char *s, size_t n) {
  char padded[512 + 64] = {0};
  cq_js j;
  cq_value v, w;
  const char *end, *only;
  int rc = CQ_OK;

  if (n > 512) return;
  memcpy(padded, s, n);
  memset(&j, 0, sizeof j);
  j.end = padded + n;
  only = cq_js_number(&j, padded);
  end = cq_js_number_value(&j, padded, &v, &rc);
  if (only != end) fuzz_fail("%s: two ends", s);
  if (rc) fuzz_fail("%s: %d", s, rc);
  if (!end || end != padded + n) return;
  if (cq_number_parse(padded, n, &w) || w.kind != v.kind ||
      (v.kind == CQ_STR ? v.len != w.len : !same_bits(v.u.r, w.u.r)))
    fuzz_fail("%s: two readings", s);
}

static void check_format(double r) {
  char text[CQ_REAL_TEXT], plain[CQ_REAL_PLAIN];
  cq_value v;
  size_t n = cq_real_format(r, text), m = cq_real_plain(r, plain);

  if (strlen(text) != n || strlen(plain) != m) fuzz_fail("length of %s", text);
  if (!isfinite(r)) return;
  if (cq_number_parse(text, n, &v) || v.kind != CQ_DOUBLE ||
      (r != 0 && !same_bits(v.u.r, r)))
    fuzz_fail("%s is not %.17g", text, r);
  if (strchr(plain, 'e') || !same_bits(strtod(plain, NULL), r))
    fuzz_fail("%s is not %.17g", plain, r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  unsigned kind = fuzz_byte(&in);
  char *s = fuzz_text(in);
  double r = 0;

  if (kind & 1) {
    memcpy(&r, in.p, in.n < sizeof r ? in.n : sizeof r);
    check_format(r);
  } else {
    check_text(s, in.n);
    check_walker(s, in.n);
  }
  free(s);
  return 0;
}
