/* ext/data/number.c: numbers and their text, free of the host's locale.
 *
 * Reals are written with the fewest digits, 15 to 17, that read back as the
 * same number, in the layout of SQLite's "%!.15g": so a real and its text
 * compare alike, and where 15 digits do, the text is SQLite's own. */
#define _GNU_SOURCE 1 /* strtod_l */
#include "data/data.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __APPLE__
#include <xlocale.h>
#endif

/* "C" with all categories is libc's own static locale: nothing is allocated
 * (and freelocale knows it), so that no global has to keep it. */
double cq_strtod(const char *s, char **end) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  double r;
  if (c == (locale_t)0) {
    if (end) *end = (char *)s;
    return 0;
  }
  r = strtod_l(s, end, c);
  freelocale(c);
  return r;
}

/* [+-] digits [. digits] [e [+-] digits], one digit at least before or behind
 * the point: what Go, JSON, CSV and people write; no hex, no inf, no nan. */
static int number_grammar(const char *s, size_t n, int *integer) {
  size_t i = 0, digits = 0;
  *integer = 1;
  if (i < n && (s[i] == '-' || s[i] == '+')) i++;
  for (; i < n && s[i] >= '0' && s[i] <= '9'; i++) digits++;
  if (i < n && s[i] == '.') {
    *integer = 0;
    for (i++; i < n && s[i] >= '0' && s[i] <= '9'; i++) digits++;
  }
  if (!digits) return 0;
  if (i < n && (s[i] | 0x20) == 'e') {
    *integer = 0;
    i++;
    if (i < n && (s[i] == '-' || s[i] == '+')) i++;
    if (i == n || s[i] < '0' || s[i] > '9') return 0;
    while (i < n && s[i] >= '0' && s[i] <= '9') i++;
  }
  return i == n;
}

int cq_number_parse(const char *s, size_t n, cq_value *out) {
  char small[64];
  char *copy = small, *end;
  int integer, rc = CQ_ERROR;
  double r;
  if (!number_grammar(s, n, &integer)) return CQ_ERROR;
  if (integer) {
    int neg = s[0] == '-';
    uint64_t v = 0, top = (uint64_t)INT64_MAX + (uint64_t)neg;
    size_t i = s[0] == '-' || s[0] == '+';
    for (; i < n; i++) {
      unsigned d = (unsigned)(s[i] - '0');
      if (v > (top - d) / 10) break;
      v = v * 10 + d;
    }
    if (i == n) {
      *out = cq_value_int(!neg       ? (int64_t)v
                          : v == top ? INT64_MIN
                                     : -(int64_t)v);
    } else {
      /* Beyond int64: text as it came, never a rounded real. */
      *out = cq_value_str(s, n);
    }
    return CQ_OK;
  }
  if (n >= sizeof(small)) {
    copy = cq_malloc(n + 1);
    if (!copy) return CQ_NOMEM;
  }
  memcpy(copy, s, n);
  copy[n] = '\0';
  r = cq_strtod(copy, &end);
  if (end == copy + n) {
    *out = isfinite(r) ? cq_value_real(r) : cq_value_str(s, n);
    rc = CQ_OK;
  }
  if (copy != small) cq_free(copy);
  return rc;
}

/* The first `digits` digits of |r|, and the decimal exponent of the first.
 * The host's locale can change only the point, which is skipped. */
static int number_digits(double r, int digits, char out[24], int *exp) {
  char text[64];
  const char *p;
  int n = 0;
  snprintf(text, sizeof(text), "%.*e", digits - 1, fabs(r));
  for (p = text; *p && *p != 'e'; p++)
    if (*p >= '0' && *p <= '9' && n < 20) out[n++] = *p;
  out[n] = '\0';
  *exp = *p ? atoi(p + 1) : 0;
  return n;
}

/* Fewest digits, at least `least`, that read back as |r|; trailing zeros are
 * cut.  Returns their number. */
static int number_shortest(double r, int least, char out[24], int *exp) {
  int digits, n = 0;
  for (digits = least; digits <= 17; digits++) {
    char text[40];
    char *end;
    n = number_digits(r, digits, out, exp);
    if (digits == 17) break;
    /* d.ddd as integer digits with a corrected exponent: no point at all. */
    snprintf(text, sizeof(text), "%se%d", out, *exp - (n - 1));
    if (cq_strtod(text, &end) == fabs(r)) break;
  }
  while (n > 1 && out[n - 1] == '0') n--;
  out[n] = '\0';
  return n;
}

/* digits with the point where exp says, zeros as needed; tail ".0" where the
 * number is whole and the caller wants to see that it is a real. */
static size_t number_plain(char *out, const char *digits, int n, int exp,
                           int point) {
  char *p = out;
  int i;
  if (exp < 0) {
    *p++ = '0';
    *p++ = '.';
    for (i = -1; i > exp; i--) *p++ = '0';
    memcpy(p, digits, (size_t)n);
    p += n;
  } else {
    for (i = 0; i < n || i <= exp; i++) {
      if (i == exp + 1) *p++ = '.';
      *p++ = i < n ? digits[i] : '0';
    }
    if (n <= exp + 1 && point) {
      *p++ = '.';
      *p++ = '0';
    }
  }
  return (size_t)(p - out);
}

size_t cq_real_format(double r, char out[CQ_REAL_TEXT]) {
  char digits[24];
  size_t len = 0;
  int n, exp;
  if (isnan(r)) return (size_t)snprintf(out, CQ_REAL_TEXT, "NaN");
  if (isinf(r))
    return (size_t)snprintf(out, CQ_REAL_TEXT, r < 0 ? "-Inf" : "Inf");
  if (r == 0) return (size_t)snprintf(out, CQ_REAL_TEXT, "0.0");
  n = number_shortest(r, 15, digits, &exp);
  if (r < 0) out[len++] = '-';
  if (exp < -4 || exp > 14) {
    out[len++] = digits[0];
    out[len++] = '.';
    if (n > 1)
      memcpy(out + len, digits + 1, (size_t)n - 1);
    else
      out[len] = '0';
    len += n > 1 ? (size_t)n - 1 : 1;
    len += (size_t)snprintf(out + len, CQ_REAL_TEXT - len, "e%+03d", exp);
  } else {
    len += number_plain(out + len, digits, n, exp, 1);
    out[len] = '\0';
  }
  return len;
}

size_t cq_real_plain(double r, char out[CQ_REAL_PLAIN]) {
  char digits[24];
  size_t len = 0;
  int n, exp;
  if (isnan(r)) return (size_t)snprintf(out, CQ_REAL_PLAIN, "NaN");
  if (isinf(r))
    return (size_t)snprintf(out, CQ_REAL_PLAIN, r < 0 ? "-Inf" : "+Inf");
  if (signbit(r)) out[len++] = '-';
  if (r == 0) {
    out[len++] = '0';
  } else {
    n = number_shortest(r, 1, digits, &exp);
    len += number_plain(out + len, digits, n, exp, 0);
  }
  out[len] = '\0';
  return len;
}
