/* ext/scan/decode/string.c: JSON strings: their end, their UTF-8, their
 * escapes.
 *
 * Most strings are short, plain ASCII: one or two loads of 16 bytes find the
 * closing quote and tell that nothing else is to be done.  Text that is all
 * escapes (\uXXXX) goes from one to the next without a load in between. */
#include "scan/decode/internal.h"

/* White space comes in two kinds: one blank, which the caller has handled, and
 * the line break with its indentation of pretty-printed pages. */
const char *cq_js_space_run(const char *p) {
  while (*p == '\n' || *p == '\r' || *p == '\t' || *p == ' ') {
    p++;
#if CQ_JS_SSE2
    for (;;) {
      __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
      unsigned other = 0xffffu ^ (unsigned)_mm_movemask_epi8(
                                     _mm_cmpeq_epi8(v, _mm_set1_epi8(' ')));

      if (other) {
        p += __builtin_ctz(other);
        break;
      }
      p += 16;
    }
#endif
  }
  return p;
}

static const signed char string_hex[256] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0,  1,  2,  3,  4,  5,  6,  7,  8,
    9,  -1, -1, -1, -1, -1, -1, -1, 10, 11, 12, 13, 14, 15, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, 10, 11, 12, 13, 14, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    -1, -1, -1, -1, -1, -1, -1, -1, -1};

int cq_js_hex4(const char *p) {
  const unsigned char *u = (const unsigned char *)p;
  int a = string_hex[u[0]], b = string_hex[u[1]];
  int c = string_hex[u[2]], d = string_hex[u[3]];

  return (a | b | c | d) < 0 ? -1 : a << 12 | b << 8 | c << 4 | d;
}

/* ---- UTF-8 ---------------------------------------------------------------- */
/* Strict: nothing overlong, no surrogates, nothing beyond U+10FFFF.  Reads up
 * to 7 bytes behind n, which the padding of the data allows. */
size_t cq_js_utf8(const char *s, size_t n) {
  const unsigned char *p = (const unsigned char *)s, *end = p + n;

  while (p < end) {
    uint64_t eight;

    if (*p < 0x80) {
      memcpy(&eight, p, 8);
      if (eight & UINT64_C(0x8080808080808080))
        p++;
      else
        p += 8;
      continue;
    }
    /* Runs of three-byte letters, as in Chinese, Japanese and Korean text,
     * but for those whose second byte is restricted. */
    while (*p >= 0xE1 && *p <= 0xEF && *p != 0xED && (p[1] & 0xC0) == 0x80 &&
           (p[2] & 0xC0) == 0x80 && p + 3 <= end)
      p += 3;
    if (p >= end || *p < 0x80) continue;
    if (*p < 0xE0) {
      if (*p < 0xC2 || end - p < 2 || (p[1] & 0xC0) != 0x80) break;
      p += 2;
    } else if (*p < 0xF0) {
      if (end - p < 3 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 ||
          (*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] > 0x9F))
        break;
      p += 3;
    } else {
      if (*p > 0xF4 || end - p < 4 || (p[1] & 0xC0) != 0x80 ||
          (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80 ||
          (*p == 0xF0 && p[1] < 0x90) || (*p == 0xF4 && p[1] > 0x8F))
        break;
      p += 4;
    }
  }
  return p < end ? (size_t)(p - (const unsigned char *)s) : n;
}

/* ---- the end of a string ---------------------------------------------------- */
/* p at a backslash; returns behind the escape.  A surrogate pair is taken as
 * one, so that a half alone can be told. */
static const char *string_escape(cq_js *j, const char *p, unsigned *flags) {
  int u;

  switch (p[1]) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    return p + 2;
  case 'u':
    break;
  default:
    return cq_js_refuse(j, p + 1, "an unknown escape");
  }
  u = cq_js_hex4(p + 2);
  if (u < 0) {
    for (p += 2; string_hex[(unsigned char)*p] >= 0; p++) {
    }
    return cq_js_refuse(j, p, "\\u without four hex digits");
  }
  p += 6;
  if (u == 0) {
    *flags |= CQ_JS_ODD;
  } else if (u >= 0xD800 && u < 0xE000) {
    if (u < 0xDC00 && p[0] == '\\' && p[1] == 'u') {
      int low = cq_js_hex4(p + 2);

      if (low >= 0xDC00 && low < 0xE000) return p + 6;
    }
    *flags |= CQ_JS_ODD;
  }
  return p;
}

const char *cq_js_string_rest(cq_js *j, const char *from, const char *p,
                              unsigned *flags) {
  unsigned high = 0;

  for (p = cq_js_plain(p, &high);; p = cq_js_plain(p, &high)) {
    if (*p == '"') break;
    if (*p != '\\')
      return cq_js_refuse(j, p, "a control character in a string");
    *flags |= CQ_JS_ESCAPE;
    do {
      p = string_escape(j, p, flags);
      if (!p) return NULL;
    } while (*p == '\\');
  }
  if (high) {
    size_t n = (size_t)(p - from), good = cq_js_utf8(from, n);

    if (good < n) return cq_js_refuse(j, from + good, "invalid UTF-8");
  }
  return p + 1;
}

/* ---- escapes ------------------------------------------------------------------ */
/* The text was checked by cq_js_string.  No escape is shorter than what it
 * stands for, so n bytes are enough. */
int cq_js_decode(cq_arena *a, const char *p, size_t n, cq_value *out,
                 int64_t *warnings) {
  const char *end = p + n;
  char *text = cq_arena_alloc(a, n), *d = text;

  if (!text) return CQ_NOMEM;
  while (p < end) {
    const char *run = memchr(p, '\\', (size_t)(end - p));
    unsigned u;

    if (!run) run = end;
    memcpy(d, p, (size_t)(run - p));
    d += run - p;
    p = run;
    for (; p < end && *p == '\\'; p += 2) {
      switch (p[1]) {
      case 'b':
        *d++ = '\b';
        continue;
      case 'f':
        *d++ = '\f';
        continue;
      case 'n':
        *d++ = '\n';
        continue;
      case 'r':
        *d++ = '\r';
        continue;
      case 't':
        *d++ = '\t';
        continue;
      case 'u':
        break;
      default:
        *d++ = p[1];
        continue;
      }
      u = (unsigned)cq_js_hex4(p + 2);
      p += 4;
      if (u >= 0xD800 && u < 0xDC00 && end - p > 7 && p[2] == '\\' &&
          p[3] == 'u') {
        int low = cq_js_hex4(p + 4);

        if (low >= 0xDC00 && low < 0xE000) {
          u = 0x10000 + ((u - 0xD800) << 10) + (unsigned)(low - 0xDC00);
          p += 6;
        }
      }
      if (u == 0 || (u >= 0xD800 && u < 0xE000)) {
        u = 0xFFFD;
        ++*warnings;
      }
      d += cq_utf8_put(d, u);
    }
  }
  *out = cq_value_str(text, (size_t)(d - text));
  return CQ_OK;
}
