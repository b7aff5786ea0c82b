/* ext/base/text.c: comparing, matching and checking text; never locale. */
#include "base/base.h"

#include <string.h>

static unsigned char text_lower(char c) {
  unsigned char u = (unsigned char)c;
  return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

int cq_str_ieq(const char *a, const char *b) {
  if (!a || !b) return a == b;
  while (*a && text_lower(*a) == text_lower(*b)) a++, b++;
  return text_lower(*a) == text_lower(*b);
}

/* Goes back only to the last star: linear for each star, no recursion. */
int cq_glob(const char *pattern, const char *s) {
  const char *star = NULL, *from = NULL;
  for (;;) {
    if (*pattern == '*') {
      star = ++pattern;
      from = s;
    } else if (*s && *pattern == *s) {
      pattern++;
      s++;
    } else if (!*s && !*pattern) {
      return 1;
    } else if (star && *from) {
      pattern = star;
      s = ++from;
    } else {
      return 0;
    }
  }
}

/* ---- nearest word ----------------------------------------------------------- */
enum { TEXT_WORD_MAX = 96 };

/* Edit distance with swaps of neighbours counted once (optimal string
 * alignment), ASCII case ignored; stops as soon as it must pass `limit`. */
static size_t text_distance(const char *a, size_t na, const char *b, size_t nb,
                            size_t limit) {
  size_t rows[3][TEXT_WORD_MAX + 1];
  size_t *before = rows[0], *last = rows[1], *row = rows[2];
  size_t i, j;
  for (j = 0; j <= nb; j++) last[j] = before[j] = j;
  for (i = 1; i <= na; i++) {
    size_t *swap = before;
    size_t least;
    row[0] = least = i;
    for (j = 1; j <= nb; j++) {
      unsigned char ca = text_lower(a[i - 1]), cb = text_lower(b[j - 1]);
      size_t d = last[j - 1] + (ca != cb);
      if (last[j] + 1 < d) d = last[j] + 1;
      if (row[j - 1] + 1 < d) d = row[j - 1] + 1;
      if (i > 1 && j > 1 && ca == text_lower(b[j - 2]) &&
          text_lower(a[i - 2]) == cb && before[j - 2] + 1 < d)
        d = before[j - 2] + 1;
      row[j] = d;
      if (d < least) least = d;
    }
    if (least > limit) return limit + 1;
    before = last;
    last = row;
    row = swap;
  }
  return last[nb];
}

/* Near enough: at most a third of the longer word is wrong, and no more than
 * five letters of long names.  The first of equals wins. */
const char *cq_nearest(const char *word, const char *const *words, size_t n) {
  const char *best = NULL;
  size_t nw = word ? strlen(word) : 0, least = 6, i;
  if (nw == 0 || nw > TEXT_WORD_MAX) return NULL;
  for (i = 0; i < n; i++) {
    size_t len = words[i] ? strlen(words[i]) : 0, limit, d;
    size_t longer = len > nw ? len : nw, shorter = len > nw ? nw : len;
    if (len == 0 || len > TEXT_WORD_MAX) continue;
    limit = longer / 3 < 5 ? longer / 3 : 5;
    if (limit >= least) limit = least - 1;
    if (longer - shorter > limit) continue;
    d = text_distance(word, nw, words[i], len, limit);
    if (d > limit) continue;
    best = words[i];
    least = d;
    if (d == 0) break;
  }
  return best;
}

/* ---- UTF-8 ---------------------------------------------------------------- */
/* Strict: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
size_t cq_utf8_check(const char *s, size_t n) {
  const unsigned char *p = (const unsigned char *)s;
  size_t i = 0;
  while (i < n) {
    unsigned char c;
    if (n - i >= 8) {
      uint64_t eight;
      memcpy(&eight, p + i, sizeof(eight));
      if (!(eight & UINT64_C(0x8080808080808080))) {
        i += 8;
        continue;
      }
    }
    c = p[i];
    if (c < 0x80) {
      i++;
    } else if (c < 0xE0) {
      if (c < 0xC2 || n - i < 2 || (p[i + 1] & 0xC0) != 0x80) return i;
      i += 2;
    } else if (c < 0xF0) {
      if (n - i < 3 || (p[i + 1] & 0xC0) != 0x80 || (p[i + 2] & 0xC0) != 0x80 ||
          (c == 0xE0 && p[i + 1] < 0xA0) || (c == 0xED && p[i + 1] > 0x9F))
        return i;
      i += 3;
    } else {
      if (c > 0xF4 || n - i < 4 || (p[i + 1] & 0xC0) != 0x80 ||
          (p[i + 2] & 0xC0) != 0x80 || (p[i + 3] & 0xC0) != 0x80 ||
          (c == 0xF0 && p[i + 1] < 0x90) || (c == 0xF4 && p[i + 1] > 0x8F))
        return i;
      i += 4;
    }
  }
  return n;
}
