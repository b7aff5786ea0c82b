/* ext/scan/decode/number.c: JSON numbers and words.
 *
 * Integers are exact or stay text.  A real whose digits and exponent are small
 * is one exact multiplication or division; all others go to cq_number_parse,
 * which rounds correctly and knows no locale. */
#include <float.h>

#include "scan/decode/internal.h"

static int number_digit(char c) {
  return c >= '0' && c <= '9';
}

const char *cq_js_number(cq_js *j, const char *p) {
  if (*p == '-') p++;
  if (*p == '0')
    p++;
  else if (number_digit(*p))
    while (number_digit(*p)) p++;
  else
    return cq_js_refuse(j, p, "a number without digits");
  if (*p == '.') {
    if (!number_digit(*++p))
      return cq_js_refuse(j, p, "a number without digits behind its point");
    while (number_digit(*p)) p++;
  }
  if ((*p | 0x20) == 'e') {
    p++;
    if (*p == '+' || *p == '-') p++;
    if (!number_digit(*p))
      return cq_js_refuse(j, p, "a number without digits in its exponent");
    while (number_digit(*p)) p++;
  }
  return p;
}

#if FLT_EVAL_METHOD == 0
static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#endif

/* Most reals: no exponent, and so few digits that reading them once is enough.
 * p behind the point, m the digits from `first` to it; 0: not one of these. */
static int number_short(const char *p, const char *first, uint64_t m, int neg,
                        const char **end, cq_value *out) {
#if FLT_EVAL_METHOD == 0
  const char *fraction = p;
  double r;

  while (number_digit(*p)) m = m * 10 + (uint64_t)(*p++ - '0');
  /* With the point 20 bytes: 19 digits, which do not wrap. */
  if (p == fraction || p - first > 20 || (*p | 0x20) == 'e' ||
      m > UINT64_C(1) << 53)
    return 0;
  r = (double)m / tens[p - fraction];
  *out = cq_value_real(neg ? -r : r);
  *end = p;
  return 1;
#else
  (void)p, (void)first, (void)m, (void)neg, (void)end, (void)out;
  return 0;
#endif
}

/* The digits of s, 19 at most, times ten to exp; 0 where that is not exact. */
static int number_exact(const char *s, const char *end, double *out) {
#if FLT_EVAL_METHOD == 0
  uint64_t m = 0;
  int neg = *s == '-', digits = 0, point = 0, exp = 0, part = 0;
  double r;

  for (s += neg; s < end && (*s | 0x20) != 'e'; s++) {
    if (*s == '.') {
      point = 1;
      continue;
    }
    if (digits || *s != '0') digits++;
    if (digits > 19) return 0;
    m = m * 10 + (uint64_t)(*s - '0');
    exp -= point;
  }
  if (s < end) {
    int down = s[1] == '-';

    for (s += 1 + (s[1] == '-' || s[1] == '+'); s < end; s++) {
      part = part * 10 + (*s - '0');
      if (part > 1000) return 0;
    }
    exp += down ? -part : part;
  }
  if (m > UINT64_C(1) << 53 || exp < -22 || exp > 22) return 0;
  r = (double)m;
  r = exp < 0 ? r / tens[-exp] : r * tens[exp];
  *out = neg ? -r : r;
  return 1;
#else
  (void)s, (void)end, (void)out;
  return 0;
#endif
}

const char *cq_js_number_value(cq_js *j, const char *p, cq_value *out,
                               int *rc) {
  const char *from = p, *first;
  uint64_t m = 0;
  int neg = *p == '-';
  double r;

  p += neg;
  first = p;
  if (*p == '0') {
    p++;
  } else {
    while (number_digit(*p)) m = m * 10 + (uint64_t)(*p++ - '0');
    if (p == first) return cq_js_refuse(j, p, "a number without digits");
  }
  if (*p != '.' && (*p | 0x20) != 'e') {
    uint64_t top = (uint64_t)INT64_MAX + (uint64_t)neg;

    /* 19 digits fit 64 bits, so m is not wrapped where it is looked at. */
    if (p - first > 19 || (p - first == 19 && m > top))
      *out = cq_value_str(from, (size_t)(p - from));
    else
      *out = cq_value_int(!neg       ? (int64_t)m
                          : m == top ? INT64_MIN
                                     : -(int64_t)m);
    return p;
  }
  if (*p == '.' && number_short(p + 1, first, m, neg, &p, out)) return p;
  p = cq_js_number(j, from);
  if (!p) return NULL;
  if (number_exact(from, p, &r)) {
    *out = cq_value_real(r);
  } else {
    *rc = cq_number_parse(from, (size_t)(p - from), out);
    if (*rc) return NULL;
  }
  return p;
}

const char *cq_js_word_refuse(cq_js *j, const char *p, const char *word) {
  while (*p == *word) p++, word++;
  return cq_js_refuse(j, p, "expected a value");
}
