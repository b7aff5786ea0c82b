/* ext/dest/encode/cell.c: what a cell of a type holds, for all formats alike. */
#include "dest/encode/encode.h"

#include <math.h>
#include <string.h>

/* n digits at s as a number, -1 where they are none. */
static int digits(const char *s, int n) {
  int v = 0;

  for (int i = 0; i < n; i++) {
    if (s[i] < '0' || s[i] > '9') return -1;
    v = v * 10 + (s[i] - '0');
  }
  return v;
}

/* Days since 1970 of a day in the Gregorian calendar. */
static int64_t days_of(int64_t y, int m, int d) {
  int64_t era, of_era, of_year;

  y -= m <= 2;
  era = (y >= 0 ? y : y - 399) / 400;
  of_era = y - era * 400;
  of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
         719468;
}

/* "2024-01-02": 0 where there is no such day. */
static int day(const char *s, size_t n, int64_t *out) {
  static const int longest[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int y, m, d;

  if (n < 10 || s[4] != '-' || s[7] != '-') return 0;
  y = digits(s, 4);
  m = digits(s + 5, 2);
  d = digits(s + 8, 2);
  if (y < 0 || m < 1 || m > 12 || d < 1 || d > longest[m - 1]) return 0;
  if (m == 2 && d == 29 && (y % 4 || (y % 100 == 0 && y % 400))) return 0;
  *out = days_of(y, m, d);
  return 1;
}

/* "2024-01-02T03:04:05[.ffffff]Z", as cq writes it. */
static int instant(const char *s, size_t n, int64_t *out) {
  int64_t days, us = 0;
  int h, m, sec;

  if (n < 20 || n > 27 || s[10] != 'T' || s[13] != ':' || s[16] != ':' ||
      s[n - 1] != 'Z' || !day(s, n, &days))
    return 0;
  h = digits(s + 11, 2);
  m = digits(s + 14, 2);
  sec = digits(s + 17, 2);
  if (h < 0 || h > 23 || m < 0 || m > 59 || sec < 0 || sec > 59) return 0;
  if (n > 20) {
    int k = (int)n - 21;

    if (s[19] != '.' || k < 1 || (us = digits(s + 20, k)) < 0) return 0;
    for (; k < 6; k++) us *= 10;
  }
  *out = ((days * 24 + h) * 60 + m) * 60 * INT64_C(1000000) +
         sec * INT64_C(1000000) + us;
  return 1;
}

static int is_uuid(const cq_value *v) {
  if (v->kind != CQ_STR || v->len != 36) return 0;
  for (int i = 0; i < 36; i++) {
    char c = v->u.s[i];

    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return 0;
    } else if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return 0;
    }
  }
  return 1;
}

int cq_cell_fits(int type, const cq_value *v) {
  int64_t n;
  cq_value num;

  if (v->kind == CQ_NULL) return 1;
  if (type & CQ_LIST) return v->kind == CQ_STR && v->json;
  switch (type) {
  case CQ_INTEGER:
    return v->kind == CQ_INT;
  case CQ_BOOLEAN:
    return v->kind == CQ_INT && (v->u.i == 0 || v->u.i == 1);
  case CQ_REAL:
    return v->kind == CQ_INT || (v->kind == CQ_DOUBLE && isfinite(v->u.r));
  case CQ_TIMESTAMP:
    return v->kind == CQ_STR && instant(v->u.s, v->len, &n);
  case CQ_DATE:
    return v->kind == CQ_STR && v->len == 10 && day(v->u.s, 10, &n);
  case CQ_DECIMAL:
    return v->kind == CQ_INT || (v->kind == CQ_DOUBLE && isfinite(v->u.r)) ||
           (v->kind == CQ_STR &&
            cq_number_parse(v->u.s, v->len, &num) == CQ_OK);
  case CQ_UUID:
    return is_uuid(v);
  case CQ_BLOB:
    return v->kind == CQ_BYTES || v->kind == CQ_STR;
  default:
    return v->kind != CQ_BYTES;
  }
}

int cq_cell_element(cq_arena *a, int base, const cq_value *v, cq_value *out) {
  return cq_value_convert(a, v, base, base == CQ_BLOB ? "base64" : NULL, out,
                          NULL);
}

int64_t cq_cell_micros(const cq_value *v) {
  int64_t us = 0;

  instant(v->u.s, v->len, &us);
  return us;
}

int32_t cq_cell_days(const cq_value *v) {
  int64_t days = 0;

  day(v->u.s, v->len, &days);
  return (int32_t)days;
}

void cq_cell_uuid(const cq_value *v, char out[16]) {
  const char *s = v->u.s;

  for (int i = 0; i < 16; i++) {
    int hi, lo;

    if (*s == '-') s++;
    hi = *s <= '9' ? *s - '0' : *s - 'a' + 10;
    s++;
    lo = *s <= '9' ? *s - '0' : *s - 'a' + 10;
    s++;
    out[i] = (char)(hi << 4 | lo);
  }
}

double cq_cell_real(const cq_value *v) {
  return v->kind == CQ_INT ? (double)v->u.i : v->u.r;
}

void cq_cell_athena(cq_buf *out, const char *name, size_t n) {
  for (size_t i = 0; i < n; i++) {
    char c = name[i];

    if (((unsigned char)c & 0xc0) == 0x80) continue; /* one _ a character */
    cq_buf_byte(out, cq_letter(c) || (c >= '0' && c <= '9') ? c : '_');
  }
}
