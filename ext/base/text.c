/* ext/base/text.c: comparing, matching and checking text; never locale. */
#include "base/base.h"

#include <string.h>

unsigned char cq_lower(char c) {
  unsigned char u = (unsigned char)c;
  return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

int cq_letter(char c) {
  return cq_lower(c) >= 'a' && cq_lower(c) <= 'z';
}

int cq_str_ieq(const char *a, const char *b) {
  if (!a || !b) return a == b;
  while (*a && cq_lower(*a) == cq_lower(*b)) a++, b++;
  return cq_lower(*a) == cq_lower(*b);
}

int cq_str_ieqn(const char *a, const char *b, size_t n) {
  size_t i = 0;
  while (i < n && cq_lower(a[i]) == cq_lower(b[i]) && a[i]) i++;
  return i == n || cq_lower(a[i]) == cq_lower(b[i]);
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
      unsigned char ca = cq_lower(a[i - 1]), cb = cq_lower(b[j - 1]);
      size_t d = last[j - 1] + (ca != cb);
      if (last[j] + 1 < d) d = last[j] + 1;
      if (row[j - 1] + 1 < d) d = row[j - 1] + 1;
      if (i > 1 && j > 1 && ca == cq_lower(b[j - 2]) &&
          cq_lower(a[i - 2]) == cb && before[j - 2] + 1 < d)
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

/* ---- secrets --------------------------------------------------------------- */
enum { TEXT_SECRET_MIN = 4, TEXT_SECRET_PART = 8, TEXT_SECRET_MOST = 16 };

static int text_hex(const char *p, int digits) {
  int v = 0;
  while (digits--) {
    int d = cq_hex_digit(*p++);
    if (d < 0) return -1;
    v = v * 16 + d;
  }
  return v;
}

/* How many bytes at p write the byte c; 0 = none do.  A '%' or backslash of the
 * secret may stand as it is, or begin its own escape: `plain` says which. */
static size_t text_writes(const char *p, char c, int plain) {
  static const char escapes[] = "n\nr\rt\tb\bf\f";
  if (*p == c && (plain || (c != '%' && c != '\\'))) return 1;
  if (*p == '+' && c == ' ') return 1;
  if (*p == '%' && text_hex(p + 1, 2) == (unsigned char)c) return 3;
  /* line ends in messages became blanks */
  if (*p == ' ' && (unsigned char)c < ' ') return 1;
  if (*p != '\\') return 0;
  if (p[1] == c && (c == '"' || c == '\\' || c == '/')) return 2;
  if (p[1] == 'u' && text_hex(p + 2, 4) == (unsigned char)c) return 6;
  for (const char *e = escapes; *e; e += 2)
    if (p[1] == e[0] && c == e[1]) return 2;
  return 0;
}

/* The length of what writes the secret, or a beginning of it that says too
 * much, at p; 0 = nothing does.  A message may have been cut anywhere, but its
 * end, or its line's, is where a short beginning is likely to be one. */
static size_t text_secret(const char *p, const char *secret, int plain) {
  const char *s = secret, *at = p;
  size_t n, part = strlen(secret) / 2;
  while (*s && (n = text_writes(at, *s, plain)) > 0) at += n, s++;
  n = (size_t)(s - secret);
  /* Many begin alike, and like other words: github_pat_, https://, -----BEGIN. */
  if (part < TEXT_SECRET_PART) part = TEXT_SECRET_PART;
  if (part > TEXT_SECRET_MOST) part = TEXT_SECRET_MOST;
  if (!*s || n >= part) return (size_t)(at - p);
  return n >= TEXT_SECRET_MIN && (!*at || *at == '\n') ? (size_t)(at - p) : 0;
}

static void text_star(char *text, const char *secret) {
  for (char *p = text; *p; p++) {
    size_t n = text_secret(p, secret, 1);
    if (n < 3) n = text_secret(p, secret, 0);
    if (n < 3) continue;
    memcpy(p, "***", 3);
    memmove(p + 3, p + n, strlen(p + n) + 1);
    p += 2;
  }
}

void cq_redact(char *text, const char *secret) {
  size_t n = secret ? strlen(secret) : 0;
  if (!text || n < TEXT_SECRET_MIN) return;
  text_star(text, secret);
  for (int url = 0; url < 2; url++) {
    cq_buf b;
    cq_buf_init(&b, n * 2 + 8);
    cq_base64_encode(&b, secret, n, url);
    /* the last digits depend on what follows the secret there */
    if (!b.rc && b.len > TEXT_SECRET_PART) {
      b.data[n * 4 / 3] = 0;
      text_star(text, b.data);
    }
    if (b.data) cq_wipe(b.data, b.len);
    cq_buf_clear(&b);
  }
}

/* Whatever writes a secret begins with its first four characters, so texts and
 * secrets are compared by these before anything else.  Those that stand for
 * each other are one here. */
static uint32_t gram_with(uint32_t gram, int c) {
  return gram << 8 | (uint32_t)(c == '+' || c < ' ' ? ' ' : c & 0xFF);
}

static void gram_add(cq_grams *g, uint32_t gram) {
  size_t at = gram * 2654435761u % CQ_GRAMS;
  if (g->n >= CQ_GRAMS / 2) return;
  while (g->slots[at] && g->slots[at] != gram) at = (at + 1) % CQ_GRAMS;
  g->n += !g->slots[at];
  g->slots[at] = gram;
}

/* All that may begin at p, however it is written (text_writes). */
static void grams_at(cq_grams *g, const char *p, uint32_t gram, int have) {
  static const char escapes[] = "nrtbf";
  int v = -1;
  if (have == TEXT_SECRET_MIN) {
    gram_add(g, gram);
    return;
  }
  if (!*p) return;
  grams_at(g, p + 1, gram_with(gram, (unsigned char)*p), have + 1);
  if (*p == '%' && (v = text_hex(p + 1, 2)) > 0)
    grams_at(g, p + 3, gram_with(gram, v), have + 1);
  if (*p != '\\' || !p[1]) return;
  if (strchr("\"\\/", p[1]))
    grams_at(g, p + 2, gram_with(gram, p[1]), have + 1);
  if (strchr(escapes, p[1])) grams_at(g, p + 2, gram_with(gram, ' '), have + 1);
  if (p[1] == 'u' && (v = text_hex(p + 2, 4)) > 0 && v < 256)
    grams_at(g, p + 6, gram_with(gram, v), have + 1);
}

void cq_grams_of(cq_grams *g, const char *text) {
  memset(g, 0, sizeof *g);
  for (const char *p = text; *p && g->n < CQ_GRAMS / 2; p++)
    grams_at(g, p, 0, 0);
}

static uint32_t gram_first(const char *s) {
  uint32_t gram = 0;
  for (int i = 0; i < TEXT_SECRET_MIN; i++)
    gram = gram_with(gram, (unsigned char)s[i]);
  return gram;
}

void cq_secret_grams(const char *secret, uint32_t out[3]) {
  memset(out, 0, 3 * sizeof *out);
  if (strlen(secret) < TEXT_SECRET_MIN) return;
  out[0] = gram_first(secret);
  for (int url = 0; url < 2; url++) {
    char digits[8];
    cq_buf b;
    cq_buf_init(&b, sizeof digits);
    cq_base64_encode(&b, secret, 3, url);
    out[1 + url] = b.rc ? out[0] : gram_first(b.data);
    cq_buf_clear(&b);
  }
}

int cq_grams_have(const cq_grams *g, const uint32_t secret[3]) {
  if (g->n >= CQ_GRAMS / 2) return 1;
  for (int i = 0; i < 3; i++) {
    size_t at = secret[i] * 2654435761u % CQ_GRAMS;
    while (g->slots[at] && g->slots[at] != secret[i]) at = (at + 1) % CQ_GRAMS;
    if (secret[i] && g->slots[at]) return 1;
  }
  return 0;
}

size_t cq_utf8_put(char *out, unsigned u) {
  if (u < 0x80) {
    out[0] = (char)u;
    return 1;
  }
  if (u < 0x800) {
    out[0] = (char)(0xC0 | u >> 6);
    out[1] = (char)(0x80 | (u & 0x3F));
    return 2;
  }
  if (u < 0x10000) {
    out[0] = (char)(0xE0 | u >> 12);
    out[1] = (char)(0x80 | (u >> 6 & 0x3F));
    out[2] = (char)(0x80 | (u & 0x3F));
    return 3;
  }
  out[0] = (char)(0xF0 | u >> 18);
  out[1] = (char)(0x80 | (u >> 12 & 0x3F));
  out[2] = (char)(0x80 | (u >> 6 & 0x3F));
  out[3] = (char)(0x80 | (u & 0x3F));
  return 4;
}

/* ---- UTF-8 ---------------------------------------------------------------- */
size_t cq_utf8_cut(const char *s, size_t n) {
  size_t i = n;
  while (i > 0 && n - i < 4 && ((unsigned char)s[i] & 0xC0) == 0x80) i--;
  return ((unsigned char)s[i] & 0xC0) == 0x80 ? n : i;
}

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
