/* tests/fuzz/fuzz_encode.c: texts that are written and read back: base64,
 * percent, JSON strings; and the UTF-8 checks and globs against plain ones. */
#include <ctype.h>

#include "fuzz.h"
#include "scan/decode/internal.h"

static void same(const char *what, const cq_buf *b, fuzz_in in) {
  if (b->rc || b->len != in.n || (in.n && memcmp(b->data, in.p, in.n) != 0))
    fuzz_fail("%s: not read back", what);
}

/* Strict UTF-8, by the table of the standard. */
static size_t plain_utf8(const unsigned char *s, size_t n) {
  size_t i = 0;

  while (i < n) {
    unsigned char c = s[i], low = 0x80, high = 0xBF;
    size_t more, k;

    if (c < 0x80) {
      i++;
      continue;
    }
    if (c >= 0xC2 && c <= 0xDF)
      more = 1;
    else if (c >= 0xE0 && c <= 0xEF)
      more = 2;
    else if (c >= 0xF0 && c <= 0xF4)
      more = 3;
    else
      return i;
    if (c == 0xE0) low = 0xA0;
    if (c == 0xED) high = 0x9F;
    if (c == 0xF0) low = 0x90;
    if (c == 0xF4) high = 0x8F;
    for (k = 1; k <= more; k++) {
      if (i + k >= n || s[i + k] < low || s[i + k] > high) return i;
      low = 0x80;
      high = 0xBF;
    }
    i += more + 1;
  }
  return n;
}

static int plain_glob(const char *p, const char *s) {
  if (!*p) return !*s;
  if (*p == '*') return plain_glob(p + 1, s) || (*s && plain_glob(p, s + 1));
  return *s == *p && plain_glob(p + 1, s + 1);
}

static void check_back(fuzz_in in) {
  cq_buf a, b;

  cq_buf_init(&a, SIZE_MAX);
  cq_buf_init(&b, SIZE_MAX);
  for (int url = 0; url < 2; url++) {
    cq_buf_reset(&a);
    cq_buf_reset(&b);
    cq_base64_encode(&a, in.p, in.n, url);
    if (cq_base64_decode(&b, a.data ? a.data : "", a.len))
      fuzz_fail("base64: refused: %s", a.data);
    same("base64", &b, in);
  }
  cq_buf_reset(&a);
  cq_buf_reset(&b);
  cq_percent_encode(&a, in.p, in.n, "/");
  for (size_t i = 0; i < a.len; i++)
    if (!isalnum((unsigned char)a.data[i]) && !strchr("-._~%/", a.data[i]))
      fuzz_fail("percent: %s", a.data);
  cq_percent_decode(&b, a.data ? a.data : "", a.len);
  same("percent", &b, in);
  cq_buf_clear(&a);
  cq_buf_clear(&b);
}

static void check_string(fuzz_in in) {
  size_t good = plain_utf8((const unsigned char *)in.p, in.n);
  char *padded = calloc(1, in.n + 64);
  cq_arena a;
  cq_buf b;
  cq_value v;
  int64_t odd = 0;
  unsigned flags = 0;
  cq_js j;

  if (!padded) abort();
  if (in.n) memcpy(padded, in.p, in.n);
  if (cq_utf8_check(in.p, in.n) != good) fuzz_fail("UTF-8: not %d", (int)good);
  if (cq_js_utf8(padded, in.n) != good)
    fuzz_fail("UTF-8, the fast way: not %d", (int)good);
  free(padded);
  cq_arena_init(&a);
  cq_buf_init(&b, SIZE_MAX);
  cq_buf_json(&b, in.p, in.n);
  if (good == in.n && !(in.n && memchr(in.p, 0, in.n))) {
    if (cq_json_unquote(&a, b.data, b.len, &v) || v.len != in.n ||
        (in.n && memcmp(v.u.s, in.p, in.n) != 0))
      fuzz_fail("JSON: not read back: %s", b.data);
    memset(&j, 0, sizeof j);
    padded = calloc(1, b.len + 64);
    if (!padded) abort();
    memcpy(padded, b.data, b.len);
    j.end = padded + b.len;
    if (cq_js_string(&j, padded + 1, &flags) != j.end)
      fuzz_fail("JSON: refused: %s", b.data);
    if (cq_js_decode(&a, padded + 1, b.len - 2, &v, &odd) || odd ||
        v.len != in.n || (in.n && memcmp(v.u.s, in.p, in.n) != 0))
      fuzz_fail("JSON: the walker does not read back: %s", b.data);
    free(padded);
  }
  cq_buf_clear(&b);
  cq_arena_clear(&a);
}

/* As a JSON string's inside: both readers say the same. */
static void check_inside(fuzz_in in) {
  char *padded = calloc(1, in.n + 66);
  cq_arena a;
  cq_value v, w;
  unsigned flags = 0;
  int64_t odd = 0;
  cq_js j;
  const char *end;

  if (!padded) abort();
  padded[0] = '"';
  memcpy(padded + 1, in.p, in.n);
  padded[in.n + 1] = '"';
  memset(&j, 0, sizeof j);
  j.end = padded + in.n + 2;
  cq_arena_init(&a);
  end = cq_js_string(&j, padded + 1, &flags);
  if (end == j.end) {
    if (cq_js_decode(&a, padded + 1, in.n, &v, &odd) ||
        cq_json_unquote(&a, padded, in.n + 2, &w) || !cq_value_same(&v, &w))
      fuzz_fail("JSON string: two readings: %s", padded);
    if (cq_utf8_check(v.u.s, v.len) != v.len)
      fuzz_fail("JSON string: not UTF-8: %s", padded);
    if ((odd != 0) != ((flags & CQ_JS_ODD) != 0))
      fuzz_fail("JSON string: odd or not: %s", padded);
  }
  cq_arena_clear(&a);
  free(padded);
}

static void check_words(fuzz_in in) {
  fuzz_in first = fuzz_until(&in, '\n');
  char *pattern, *text;
  size_t stars = 0;
  cq_buf b;

  if (first.n > 24 || in.n > 60) return;
  pattern = fuzz_text(first);
  text = fuzz_text(in);
  for (size_t i = 0; pattern[i]; i++) stars += pattern[i] == '*';
  if (stars < 6 && cq_glob(pattern, text) != plain_glob(pattern, text))
    fuzz_fail("glob %s, %s", pattern, text);
  cq_nearest(text, (const char *const[]){pattern, "tables", ""}, 3);
  cq_buf_init(&b, SIZE_MAX);
  cq_base64_decode(&b, text, in.n);
  cq_percent_decode(&b, text, in.n);
  cq_buf_clear(&b);
  free(pattern);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);

  check_back(in);
  check_string(in);
  check_inside(in);
  check_words(in);
  return 0;
}
