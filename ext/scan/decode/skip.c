/* ext/scan/decode/skip.c: over a JSON value of any kind, checking all of it,
 * and JSON text without its white space.
 *
 * Nesting is a bit a level, so a server's data can neither recurse nor
 * allocate here.  What is skipped is checked as strictly as what is kept:
 * counting brackets would take garbage for data. */
#include "scan/decode/internal.h"

#define BLANK(p)                                                               \
  do {                                                                         \
    if ((unsigned char)*(p) <= ' ') {                                          \
      found |= CQ_JS_SPACE;                                                    \
      (p) = cq_js_space(p);                                                    \
    }                                                                          \
  } while (0)

const char *cq_js_skip_other(cq_js *j, const char *p, unsigned *flags) {
  uint64_t outer[CQ_MAX_JSON_DEPTH / 64], bit;
  unsigned found = 0;
  int depth = 0, object = 0, room = CQ_MAX_JSON_DEPTH - j->depth;

value:
  switch (*p) {
  case '"':
    p = cq_js_string(j, p + 1, &found);
    if (!p) return NULL;
    break;
  case '{':
  case '[':
    if (depth >= room) return cq_js_refuse(j, p, "nested too deep");
    bit = UINT64_C(1) << depth % 64;
    if (depth % 64 == 0) outer[depth / 64] = 0;
    if (object)
      outer[depth / 64] |= bit;
    else
      outer[depth / 64] &= ~bit;
    depth++;
    object = *p++ == '{';
    BLANK(p);
    if (*p == (object ? '}' : ']')) {
      p++;
      goto up;
    }
    if (object) goto key;
    goto value;
  case 't':
    p = cq_js_word(j, p, "true");
    if (!p) return NULL;
    break;
  case 'f':
    p = cq_js_word(j, p, "false");
    if (!p) return NULL;
    break;
  case 'n':
    p = cq_js_word(j, p, "null");
    if (!p) return NULL;
    break;
  case '-':
  case '0':
  case '1':
  case '2':
  case '3':
  case '4':
  case '5':
  case '6':
  case '7':
  case '8':
  case '9':
    p = cq_js_number(j, p);
    if (!p) return NULL;
    break;
  default:
    return cq_js_refuse(j, p, "expected a value");
  }
after:
  if (!depth) {
    *flags |= found;
    return p;
  }
  BLANK(p);
  if (*p == ',') {
    p++;
    BLANK(p);
    if (object) goto key;
    goto value;
  }
  if (*p != (object ? '}' : ']'))
    return cq_js_refuse(j, p, object ? "expected , or }" : "expected , or ]");
  p++;
up:
  depth--;
  object = outer[depth / 64] >> depth % 64 & 1;
  goto after;
key:
  if (*p != '"') return cq_js_refuse(j, p, "expected a key");
  p = cq_js_string(j, p + 1, &found);
  if (!p) return NULL;
  BLANK(p);
  if (*p != ':') return cq_js_refuse(j, p, "expected :");
  p++;
  BLANK(p);
  goto value;
}

/* p at a backslash: copies the escape, U+FFFD's where it is odd, and returns
 * its length, which stays the same. */
static size_t skip_escape(const char *p, const char *end, char *out,
                          int64_t *warnings) {
  int u, low;

  if (p[1] != 'u') {
    memcpy(out, p, 2);
    return 2;
  }
  u = cq_js_hex4(p + 2);
  if (u >= 0xD800 && u < 0xDC00 && end - p >= 12 && p[6] == '\\' &&
      p[7] == 'u') {
    low = cq_js_hex4(p + 8);
    if (low >= 0xDC00 && low < 0xE000) {
      memcpy(out, p, 12);
      return 12;
    }
  }
  if (u == 0 || (u >= 0xD800 && u < 0xE000)) {
    memcpy(out, "\\ufffd", 6);
    ++*warnings;
  } else {
    memcpy(out, p, 6);
  }
  return 6;
}

/* p behind the opening quote; 16 bytes at a time, of which the last ones are
 * overwritten by what follows. */
static const char *skip_copy(const char *p, const char *end, char **to,
                             int64_t *warnings) {
  char *d = *to;

  for (;;) {
#if CQ_JS_SSE2
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned at = (unsigned)_mm_movemask_epi8(
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                     _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));

    _mm_storeu_si128((__m128i *)(void *)d, v);
    if (!at) {
      p += 16;
      d += 16;
      continue;
    }
    p += __builtin_ctz(at);
    d += __builtin_ctz(at);
#else
    while (*p != '"' && *p != '\\') *d++ = *p++;
#endif
    if (*p == '"') {
      *d++ = '"';
      *to = d;
      return p + 1;
    }
    do {
      size_t n = skip_escape(p, end, d, warnings);

      p += n;
      d += n;
    } while (*p == '\\');
  }
}

char *cq_js_padded(cq_arena *a, size_t n) {
  char *p = cq_arena_alloc(a, n + 64);

  if (p) memset(p + n, 0, 64);
  return p;
}

size_t cq_js_minify(const char *p, size_t n, char *out, int64_t *warnings) {
  const char *end = p + n;
  char *d = out;

  while (p < end) {
    if ((unsigned char)*p <= ' ') {
      p = cq_js_space(p);
    } else {
      *d++ = *p;
      if (*p++ == '"') p = skip_copy(p, end, &d, warnings);
    }
  }
  memset(d, 0, 16);
  return (size_t)(d - out);
}
