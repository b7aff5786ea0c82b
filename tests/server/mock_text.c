/* tests/server/mock_text.c: the mock server's memory and text: buffers, globs,
 * percent-decoding, JSON strings.  Exhausted memory ends the program. */
#include "mock.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *must(void *p) {
  if (p == NULL) {
    fprintf(stderr, "mock: out of memory\n");
    exit(1);
  }
  return p;
}

void add(buf *b, const void *p, size_t n) {
  if (b->n + n + 1 > b->cap) {
    b->cap = (b->n + n + 1) * 2;
    b->p = must(realloc(b->p, b->cap));
  }
  if (n) memcpy(b->p + b->n, p, n);
  b->n += n;
  b->p[b->n] = 0;
}

void adds(buf *b, const char *s) {
  add(b, s, strlen(s));
}

void addf(buf *b, const char *fmt, ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(text, sizeof(text), fmt, ap);
  va_end(ap);
  add(b, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void drop(buf *b) {
  free(b->p);
  memset(b, 0, sizeof(*b));
}

char *dup_n(const char *s, size_t n) {
  char *p = must(malloc(n + 1));
  memcpy(p, s, n);
  p[n] = 0;
  return p;
}

long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int glob(const char *g, const char *s, int nocase) {
  const char *star = NULL, *from = NULL;
  while (*s) {
    if (*g == '*') {
      star = g++;
      from = s;
    } else if (*g == *s || (nocase && tolower((unsigned char)*g) ==
                                          tolower((unsigned char)*s))) {
      g++;
      s++;
    } else if (star) {
      g = star + 1;
      s = ++from;
    } else {
      return 0;
    }
  }
  while (*g == '*') g++;
  return *g == 0;
}

char *decode(const char *s, size_t n, int plus) {
  char *out = must(malloc(n + 1)), *o = out;
  for (size_t i = 0; i < n; i++) {
    char hex[3] = {0};
    if (s[i] == '%' && i + 2 < n && isxdigit((unsigned char)s[i + 1]) &&
        isxdigit((unsigned char)s[i + 2])) {
      hex[0] = s[i + 1];
      hex[1] = s[i + 2];
      *o++ = (char)strtol(hex, NULL, 16);
      i += 2;
    } else {
      *o++ = plus && s[i] == '+' ? ' ' : s[i];
    }
  }
  *o = 0;
  return out;
}

/* The value of a query parameter, decoded and the caller's, or NULL. */
char *param(const char *query, const char *name) {
  while (query && *query) {
    size_t n = strcspn(query, "&"), k = strcspn(query, "=&");
    char *key = decode(query, k, 1);
    int same = strcmp(key, name) == 0;
    free(key);
    if (same) return k < n ? decode(query + k + 1, n - k - 1, 1) : dup_n("", 0);
    query += n + (query[n] == '&');
  }
  return NULL;
}

void add_json(buf *b, const char *s, size_t n) {
  add(b, "\"", 1);
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c == '"' || c == '\\') {
      addf(b, "\\%c", c);
    } else if (c < 32) {
      addf(b, "\\u%04x", c);
    } else {
      add(b, &s[i], 1);
    }
  }
  add(b, "\"", 1);
}

/* Copies `s`, replacing each @WORD@ of the NULL-terminated pairs. */
void expand(buf *b, const char *s, size_t n, const char *const *pairs) {
  while (n > 0) {
    const char *at = memchr(s, '@', n);
    size_t m = at ? (size_t)(at - s) : n, len = 1, k = 0;
    add(b, s, m);
    s += m;
    n -= m;
    if (n == 0) break;
    for (; pairs[k]; k += 2) {
      len = strlen(pairs[k]);
      if (len <= n && memcmp(s, pairs[k], len) == 0) break;
    }
    if (pairs[k] == NULL) len = 1;
    add(b, pairs[k] ? pairs[k + 1] : s, pairs[k] ? strlen(pairs[k + 1]) : 1);
    s += len;
    n -= len;
  }
}
