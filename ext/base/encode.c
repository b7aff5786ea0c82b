/* ext/base/encode.c: hex, base64 and percent-encoding. */
#include "base/base.h"

#include <string.h>

void cq_hex(const unsigned char *p, size_t n, char *out) {
  static const char digits[] = "0123456789abcdef";
  size_t i;
  for (i = 0; i < n; i++) {
    *out++ = digits[p[i] >> 4];
    *out++ = digits[p[i] & 15];
  }
  *out = '\0';
}

int cq_hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int cq_unhex(const char *s, size_t n, char sep, void *out, size_t want) {
  unsigned char *to = out;
  size_t i = 0, done = 0;
  while (i < n) {
    int hi, lo;
    if (sep && s[i] == sep) {
      i++;
      continue;
    }
    if (done == want || n - i < 2 || (hi = cq_hex_digit(s[i])) < 0 ||
        (lo = cq_hex_digit(s[i + 1])) < 0)
      return 0;
    to[done++] = (unsigned char)(hi << 4 | lo);
    i += 2;
  }
  return done == want;
}

/* ---- base64 ---------------------------------------------------------------- */
void cq_base64_encode(cq_buf *out, const void *p, size_t n, int url) {
  static const char both[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const unsigned char *s = p;
  char set[64];
  char *d;
  memcpy(set, both, 62);
  set[62] = url ? '-' : '+';
  set[63] = url ? '_' : '/';
  if (n > (size_t)PTRDIFF_MAX / 2) {
    if (out->rc == CQ_OK) out->rc = CQ_TOOBIG;
    return;
  }
  if (url ? cq_buf_reserve(out, n / 3 * 4 + (n % 3 ? n % 3 + 1 : 0))
          : cq_buf_reserve(out, (n + 2) / 3 * 4))
    return;
  d = out->data + out->len;
  for (; n >= 3; n -= 3, s += 3) {
    *d++ = set[s[0] >> 2];
    *d++ = set[(s[0] & 3) << 4 | s[1] >> 4];
    *d++ = set[(s[1] & 15) << 2 | s[2] >> 6];
    *d++ = set[s[2] & 63];
  }
  if (n) {
    unsigned second = n == 2 ? s[1] : 0u;
    *d++ = set[s[0] >> 2];
    *d++ = set[(s[0] & 3u) << 4 | second >> 4];
    if (n == 2)
      *d++ = set[(second & 15u) << 2];
    else if (!url)
      *d++ = '=';
    if (!url) *d++ = '=';
  }
  *d = '\0';
  out->len = (size_t)(d - out->data);
}

static int encode_sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  if (c == '/' || c == '_') return 63;
  return -1;
}

/* Line breaks and blanks are skipped, as in mail and PEM; padding may be
 * missing, but what there is must fit.  On CQ_ERROR nothing is appended. */
int cq_base64_decode(cq_buf *out, const char *s, size_t n) {
  size_t start = out->len, i, digits = 0, pads = 0;
  unsigned bits = 0;
  char *d;
  /* Counted first: an estimate could pass max where the result does not. */
  for (i = 0; i < n; i++) digits += encode_sextet(s[i]) >= 0;
  if (cq_buf_reserve(out, digits / 4 * 3 + (digits % 4 ? digits % 4 - 1 : 0)) !=
      CQ_OK)
    return out->rc;
  d = out->data + start;
  digits = 0;
  for (i = 0; i < n; i++) {
    int v;
    char c = s[i];
    if (c == '\r' || c == '\n' || c == ' ' || c == '\t') continue;
    if (c == '=') {
      pads++;
      continue;
    }
    v = encode_sextet(c);
    if (v < 0 || pads) goto wrong;
    bits = bits << 6 | (unsigned)v;
    digits++;
    if (digits % 4 == 0) {
      *d++ = (char)(bits >> 16 & 255);
      *d++ = (char)(bits >> 8 & 255);
      *d++ = (char)(bits & 255);
    }
  }
  switch (digits % 4) {
  case 1:
    goto wrong;
  case 2:
    if (pads != 0 && pads != 2) goto wrong;
    *d++ = (char)(bits >> 4 & 255);
    break;
  case 3:
    if (pads > 1) goto wrong;
    *d++ = (char)(bits >> 10 & 255);
    *d++ = (char)(bits >> 2 & 255);
    break;
  default:
    if (pads) goto wrong;
  }
  *d = '\0';
  out->len = (size_t)(d - out->data);
  return CQ_OK;
wrong:
  out->len = start;
  out->data[start] = '\0';
  return CQ_ERROR;
}

/* ---- percent-encoding (RFC 3986) ---------------------------------------- */
static int encode_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void cq_percent_encode(cq_buf *out, const char *s, size_t n, const char *keep) {
  static const char digits[] = "0123456789ABCDEF";
  size_t i, from = 0;
  for (i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    char esc[3];
    if (encode_unreserved(s[i]) || (keep && c && strchr(keep, c))) continue;
    cq_buf_add(out, s + from, i - from);
    esc[0] = '%';
    esc[1] = digits[c >> 4];
    esc[2] = digits[c & 15];
    cq_buf_add(out, esc, 3);
    from = i + 1;
  }
  cq_buf_add(out, s + from, n - from);
}

/* A '%' that is no escape stays as it is; '+' is not a blank here. */
void cq_percent_decode(cq_buf *out, const char *s, size_t n) {
  size_t i = 0, from = 0;
  while (i < n) {
    int hi, lo;
    if (s[i] != '%' || n - i < 3 || (hi = cq_hex_digit(s[i + 1])) < 0 ||
        (lo = cq_hex_digit(s[i + 2])) < 0) {
      i++;
      continue;
    }
    cq_buf_add(out, s + from, i - from);
    cq_buf_byte(out, (char)(hi << 4 | lo));
    i += 3;
    from = i;
  }
  cq_buf_add(out, s + from, n - from);
}
