/* ext/base/buf.c: text that grows, with a bound and a sticky result code.
 *
 * After a failure every append is a no-op, so that a builder is straight code
 * with one check at its end.  What was appended before stays readable. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

void cq_buf_init(cq_buf *b, size_t max) {
  b->data = NULL;
  b->len = b->cap = 0;
  b->max = max;
  b->rc = CQ_OK;
}

int cq_buf_reserve(cq_buf *b, size_t more) {
  size_t need, cap;
  char *p;
  if (b->rc != CQ_OK) return b->rc;
  if (more > b->max || b->len > b->max - more) return b->rc = CQ_TOOBIG;
  if (b->data && b->cap - b->len > more) return CQ_OK;
  if (b->len + more >= (size_t)PTRDIFF_MAX / 2) return b->rc = CQ_TOOBIG;
  need = b->len + more + 1; /* the NUL */
  cap = b->cap ? b->cap : 64;
  while (cap < need) cap *= 2;
  if (b->max < SIZE_MAX && cap > b->max + 1) cap = b->max + 1;
  p = cq_realloc(b->data, cap);
  if (!p) return b->rc = CQ_NOMEM;
  b->data = p;
  b->cap = cap;
  b->data[b->len] = '\0';
  return CQ_OK;
}

void cq_buf_add(cq_buf *b, const void *p, size_t n) {
  if (cq_buf_reserve(b, n) != CQ_OK) return;
  if (n) memcpy(b->data + b->len, p, n);
  b->len += n;
  b->data[b->len] = '\0';
}

void cq_buf_str(cq_buf *b, const char *s) {
  if (s) cq_buf_add(b, s, strlen(s));
}

void cq_buf_byte(cq_buf *b, char c) {
  cq_buf_add(b, &c, 1);
}

void cq_buf_printf(cq_buf *b, const char *fmt, ...) {
  va_list ap, again;
  size_t room;
  int n;
  if (cq_buf_reserve(b, 0) != CQ_OK) return;
  va_start(ap, fmt);
  va_copy(again, ap);
  room = b->cap - b->len;
  n = vsnprintf(b->data + b->len, room, fmt, ap);
  if (n >= 0 && (size_t)n >= room) {
    b->data[b->len] = '\0';
    if (cq_buf_reserve(b, (size_t)n) == CQ_OK)
      vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
    else
      n = 0;
  }
  if (n > 0) {
    /* vsnprintf knows cap, not max: cap never exceeds max + 1. */
    b->len += (size_t)n;
  }
  va_end(again);
  va_end(ap);
}

void cq_buf_text(cq_buf *b, const char *s, size_t n) {
  while (n) {
    size_t good = cq_utf8_check(s, n);
    const char *nul = memchr(s, 0, good);

    if (nul) good = (size_t)(nul - s);
    cq_buf_add(b, s, good);
    if (good == n) break;
    cq_buf_str(b, "\xEF\xBF\xBD");
    s += good + 1;
    n -= good + 1;
  }
}

/* Only what JSON demands is escaped; a byte that is not UTF-8 becomes U+FFFD,
 * so that the result is JSON whatever came. */
void cq_buf_json(cq_buf *b, const char *s, size_t n) {
  static const char hex[] = "0123456789abcdef";
  size_t i = 0, from = 0;
  size_t good = cq_utf8_check(s, n);
  cq_buf_byte(b, '"');
  while (i < n && b->rc == CQ_OK) {
    unsigned char c;
    char esc[6] = {'\\', 'u', '0', '0', '0', '0'};
    size_t nesc = 2;
    if (i == good) {
      cq_buf_add(b, s + from, i - from);
      cq_buf_str(b, "\xEF\xBF\xBD");
      from = ++i;
      good = i + cq_utf8_check(s + i, n - i);
      continue;
    }
    c = (unsigned char)s[i];
    if (c >= 0x20 && c != '"' && c != '\\') {
      i++;
      continue;
    }
    switch (c) {
    case '"':
      esc[1] = '"';
      break;
    case '\\':
      esc[1] = '\\';
      break;
    case '\b':
      esc[1] = 'b';
      break;
    case '\f':
      esc[1] = 'f';
      break;
    case '\n':
      esc[1] = 'n';
      break;
    case '\r':
      esc[1] = 'r';
      break;
    case '\t':
      esc[1] = 't';
      break;
    default:
      esc[4] = hex[c >> 4];
      esc[5] = hex[c & 15];
      nesc = 6;
    }
    cq_buf_add(b, s + from, i - from);
    cq_buf_add(b, esc, nesc);
    from = ++i;
  }
  if (i > from) cq_buf_add(b, s + from, i - from);
  cq_buf_byte(b, '"');
}

/* An empty buffer gives an empty text, so NULL always means failure. */
char *cq_buf_take(cq_buf *b) {
  char *p;
  cq_buf_reserve(b, 0);
  if (b->rc != CQ_OK) {
    cq_buf_clear(b);
    return NULL;
  }
  p = b->data;
  cq_buf_init(b, b->max);
  return p;
}

void cq_buf_reset(cq_buf *b) {
  b->len = 0;
  b->rc = CQ_OK;
  if (b->data) b->data[0] = '\0';
}

void cq_buf_clear(cq_buf *b) {
  cq_free(b->data);
  cq_buf_init(b, b->max);
}
