/* ext/base/time.c: clocks, and times as text.
 *
 * Own civil-date arithmetic: exact, without the host's locale, time zone or
 * strptime.  All times are microseconds since 1970 in UTC, years 0 to 9999.
 * A leap second (:60) becomes the last microsecond of its minute, so that it
 * sorts after all of that minute and before the next.  Digits of a fraction
 * beyond the sixth are cut, not rounded: a time never moves forward. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define US INT64_C(1000000)

int64_t cq_now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return (int64_t)t.tv_sec * US + t.tv_nsec / 1000;
}

int64_t cq_mono_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- civil dates ------------------------------------------------------- */
/* Years are counted from March, so that the leap day is a year's last; 400
 * years are one era of 146097 days.  719468 days lie between 0000-03-01 and
 * 1970-01-01. */
static int64_t time_days(int64_t y, int m, int d) {
  int64_t era, yoe, doy, doe;
  y -= m <= 2;
  era = (y >= 0 ? y : y - 399) / 400;
  yoe = y - era * 400;
  doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + doe - 719468;
}

static void time_civil(int64_t days, int64_t *y, int *m, int *d) {
  int64_t z = days + 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t doe = z - era * 146097;
  int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  int64_t mp = (5 * doy + 2) / 153;
  *d = (int)(doy - (153 * mp + 2) / 5 + 1);
  *m = (int)(mp < 10 ? mp + 3 : mp - 9);
  *y = yoe + era * 400 + (*m <= 2);
}

static int time_month_days(int y, int m) {
  static const unsigned char days[] = {31, 28, 31, 30, 31, 30,
                                       31, 31, 30, 31, 30, 31};
  int leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
  return m == 2 && leap ? 29 : days[m - 1];
}

/* n digits; printf takes ten times as long, and each unit and page has times. */
static char *time_put(char *out, int64_t v, int n) {
  for (int i = n; i-- > 0; v /= 10) out[i] = (char)('0' + v % 10);
  return out + n;
}

void cq_time_format(int64_t us, char *out) {
  int64_t sec = us / US, frac = us % US, days, rest, y;
  char *p = out;
  int m, d;
  if (frac < 0) {
    frac += US;
    sec--;
  }
  days = sec / 86400;
  rest = sec % 86400;
  if (rest < 0) {
    rest += 86400;
    days--;
  }
  time_civil(days, &y, &m, &d);
  if (y >= 0 && y <= 9999)
    p = time_put(p, y, 4);
  else
    p += snprintf(p, 24, "%04lld", (long long)y);
  *p++ = '-';
  p = time_put(p, m, 2);
  *p++ = '-';
  p = time_put(p, d, 2);
  *p++ = 'T';
  p = time_put(p, rest / 3600, 2);
  *p++ = ':';
  p = time_put(p, rest / 60 % 60, 2);
  *p++ = ':';
  p = time_put(p, rest % 60, 2);
  if (frac) {
    *p++ = '.';
    p = time_put(p, frac, 6);
    while (p[-1] == '0') p--;
  }
  *p++ = 'Z';
  *p = '\0';
}

/* ---- parsing ------------------------------------------------------------ */
typedef struct time_in {
  const char *p, *end;
} time_in;

typedef struct time_parts {
  int y, mo, d, h, mi, s;
  int us;
  int zone; /* seconds east of UTC */
} time_parts;

static int time_digit(const time_in *in) {
  return in->p < in->end && *in->p >= '0' && *in->p <= '9';
}

/* Exactly n digits. */
static int time_digits(time_in *in, int n, int *out) {
  int v = 0;
  while (n-- > 0) {
    if (!time_digit(in)) return 0;
    v = v * 10 + (*in->p++ - '0');
  }
  *out = v;
  return 1;
}

static int time_byte(time_in *in, char c) {
  if (in->p >= in->end || *in->p != c) return 0;
  in->p++;
  return 1;
}

/* Is the rest this word, letters in any case?  Only a whole word counts. */
static int time_word(time_in *in, const char *word) {
  size_t i, n = strlen(word);
  if ((size_t)(in->end - in->p) < n) return 0;
  for (i = 0; i < n; i++)
    if ((in->p[i] | 0x20) != (word[i] | 0x20)) return 0;
  if (in->p + n < in->end) {
    char c = (char)(in->p[n] | 0x20);
    if (c >= 'a' && c <= 'z') return 0;
  }
  in->p += n;
  return 1;
}

/* ".123": one to nine digits. */
static int time_fraction(time_in *in, int *us) {
  int n = 0, v = 0;
  *us = 0;
  if (!time_byte(in, '.')) return 1;
  for (; time_digit(in) && n < 9; n++, in->p++)
    if (n < 6) v = v * 10 + (*in->p - '0');
  if (n == 0 || time_digit(in)) return 0;
  for (; n < 6; n++) v *= 10;
  *us = v;
  return 1;
}

/* "+01:00" "-0130" "+05" */
static int time_offset(time_in *in, int *zone) {
  int sign, h, m = 0;
  if (time_byte(in, '+'))
    sign = 1;
  else if (time_byte(in, '-'))
    sign = -1;
  else
    return 0;
  if (!time_digits(in, 2, &h)) return 0;
  if (time_byte(in, ':') ? !time_digits(in, 2, &m)
                         : time_digit(in) && !time_digits(in, 2, &m))
    return 0;
  if (h > 23 || m > 59) return 0;
  *zone = sign * (h * 3600 + m * 60);
  return 1;
}

static int time_utc(time_in *in) {
  return time_word(in, "Z") || time_word(in, "UTC") || time_word(in, "GMT") ||
         time_word(in, "UT");
}

/* What follows the seconds: nothing, a zone, or both an offset and its name
 * as Go prints them ("+0000 UTC"). */
static int time_zone(time_in *in, time_parts *t) {
  time_byte(in, ' ');
  if (in->p == in->end) return in->p[-1] != ' ';
  if (time_utc(in)) return in->p == in->end;
  if (!time_offset(in, &t->zone)) return 0;
  if (t->zone == 0 && time_byte(in, ' ') && !time_utc(in)) return 0;
  return in->p == in->end;
}

/* "03:04", "03:04:05", "03:04:05.678" */
static int time_clock(time_in *in, time_parts *t, int need_seconds) {
  if (!time_digits(in, 2, &t->h) || !time_byte(in, ':') ||
      !time_digits(in, 2, &t->mi))
    return 0;
  if (!time_byte(in, ':')) return !need_seconds;
  return time_digits(in, 2, &t->s) && time_fraction(in, &t->us);
}

/* RFC 3339 and its relatives, and ISO 8601's "20240102T030405Z". */
static int time_iso(time_in *in, time_parts *t) {
  if (!time_digits(in, 4, &t->y)) return 0;
  if (time_digit(in)) {
    return time_digits(in, 2, &t->mo) && time_digits(in, 2, &t->d) &&
           time_byte(in, 'T') && time_digits(in, 2, &t->h) &&
           time_digits(in, 2, &t->mi) && time_digits(in, 2, &t->s) &&
           time_fraction(in, &t->us) && time_zone(in, t);
  }
  if (!time_byte(in, '-') || !time_digits(in, 2, &t->mo) ||
      !time_byte(in, '-') || !time_digits(in, 2, &t->d))
    return 0;
  if (in->p == in->end) return 1;
  if (*in->p != 'T' && *in->p != 't' && *in->p != ' ') return 0;
  in->p++;
  return time_clock(in, t, 0) && time_zone(in, t);
}

static int time_month(time_in *in, int *mo) {
  static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";
  int i;
  if (in->end - in->p < 3) return 0;
  for (i = 0; i < 12; i++) {
    const char *m = names + 3 * i;
    if ((in->p[0] | 0x20) == m[0] && (in->p[1] | 0x20) == m[1] &&
        (in->p[2] | 0x20) == m[2]) {
      in->p += 3;
      *mo = i + 1;
      return 1;
    }
  }
  return 0;
}

/* A weekday's name is not held against the date: servers get it wrong. */
static int time_weekday(time_in *in) {
  static const char *const names[] = {
      "Monday",   "Tuesday", "Wednesday", "Thursday", "Friday",
      "Saturday", "Sunday",  "Mon",       "Tue",      "Wed",
      "Thu",      "Fri",     "Sat",       "Sun"};
  size_t i;
  for (i = 0; i < sizeof(names) / sizeof(*names); i++)
    if (time_word(in, names[i])) return 1;
  return 0;
}

/* "Sun Nov  6 08:49:37 1994", the weekday already read. */
static int time_asctime(time_in *in, time_parts *t) {
  if (!time_byte(in, ' ') || !time_month(in, &t->mo) || !time_byte(in, ' '))
    return 0;
  if (time_byte(in, ' ') ? !time_digits(in, 1, &t->d)
                         : !time_digits(in, 2, &t->d))
    return 0;
  return time_byte(in, ' ') && time_clock(in, t, 1) && time_byte(in, ' ') &&
         time_digits(in, 4, &t->y) && in->p == in->end;
}

/* RFC 1123 "Sun, 06 Nov 1994 08:49:37 GMT" (day of one digit and offsets as
 * mail has them) and RFC 850 "Sunday, 06-Nov-94 08:49:37 GMT".  Years of two
 * digits follow POSIX: 69 to 99 are 19xx. */
static int time_http(time_in *in, time_parts *t) {
  char sep;
  const char *from;
  if (time_weekday(in)) {
    if (!time_byte(in, ',')) return time_asctime(in, t);
    if (!time_byte(in, ' ')) return 0;
  }
  if (!time_digits(in, 1, &t->d)) return 0;
  if (time_digit(in)) t->d = t->d * 10 + (*in->p++ - '0');
  if (in->p == in->end) return 0;
  sep = *in->p++;
  if (sep != ' ' && sep != '-') return 0;
  if (!time_month(in, &t->mo) || !time_byte(in, sep)) return 0;
  from = in->p;
  if (!time_digits(in, 2, &t->y)) return 0;
  if (time_digit(in)) {
    in->p = from;
    if (!time_digits(in, 4, &t->y)) return 0;
  } else {
    t->y += t->y < 69 ? 2000 : 1900;
  }
  return time_byte(in, ' ') && time_clock(in, t, 0) && time_zone(in, t);
}

int cq_time_parse(const char *s, size_t n, int64_t *us) {
  time_in in;
  time_parts t;
  int64_t sec;
  memset(&t, 0, sizeof(t));
  /* The longest form is Go's, with nine digits and a zone's name. */
  if (!s || n < 8 || n > 64) return CQ_ERROR;
  in.p = s;
  in.end = s + n;
  t.zone = 0;
  if (n > 4 && s[0] >= '0' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9' &&
      s[2] >= '0' && s[2] <= '9' && s[3] >= '0' && s[3] <= '9') {
    if (!time_iso(&in, &t)) return CQ_ERROR;
  } else if (!time_http(&in, &t)) {
    return CQ_ERROR;
  }
  if (t.mo < 1 || t.mo > 12 || t.d < 1 || t.d > time_month_days(t.y, t.mo) ||
      t.h > 23 || t.mi > 59 || t.s > 60)
    return CQ_ERROR;
  if (t.s == 60) {
    t.s = 59;
    t.us = (int)US - 1;
  }
  sec =
      time_days(t.y, t.mo, t.d) * 86400 + t.h * 3600 + t.mi * 60 + t.s - t.zone;
  /* An offset may lead out of the years that four digits can say. */
  if (sec < -INT64_C(62167219200) || sec > INT64_C(253402300799))
    return CQ_ERROR;
  *us = sec * US + t.us;
  return CQ_OK;
}

/* ---- durations ----------------------------------------------------------- */
/* "12" or "1.5" as whole, fraction and the fraction's scale. */
static int duration_number(time_in *in, int64_t *num, int64_t *frac,
                           int64_t *scale) {
  int any = 0;
  *num = *frac = 0;
  *scale = 1;
  for (; time_digit(in); in->p++, any = 1) {
    if (*num > INT64_C(100000000000)) return 0;
    *num = *num * 10 + (*in->p - '0');
  }
  if (!any) return 0;
  if (!time_byte(in, '.')) return 1;
  if (!time_digit(in)) return 0;
  for (; time_digit(in); in->p++) {
    if (*scale >= US) continue;
    *frac = *frac * 10 + (*in->p - '0');
    *scale *= 10;
  }
  return 1;
}

static int duration_scaled(int64_t *total, int64_t num, int64_t frac,
                           int64_t scale, int64_t unit) {
  /* frac < 10^6 and unit <= one week: far from overflow. */
  int64_t part = frac * unit / scale;
  if (num > (INT64_MAX - part) / unit) return 0;
  num = num * unit + part;
  if (*total > INT64_MAX - num) return 0;
  *total += num;
  return 1;
}

/* "PT5M", "P1DT2H30M", "P2W".  Years and months have no fixed length. */
static int duration_iso(time_in *in, int64_t *us) {
  int in_time = 0, any = 0;
  while (in->p < in->end) {
    int64_t num, frac, scale, unit = 0;
    if (!in_time && time_byte(in, 'T')) {
      in_time = 1;
      if (in->p == in->end) return 0;
      continue;
    }
    if (!duration_number(in, &num, &frac, &scale) || in->p == in->end) return 0;
    switch (*in->p++) {
    case 'W':
      unit = in_time ? 0 : 604800 * US;
      break;
    case 'D':
      unit = in_time ? 0 : 86400 * US;
      break;
    case 'H':
      unit = in_time ? 3600 * US : 0;
      break;
    case 'M':
      unit = in_time ? 60 * US : 0;
      break;
    case 'S':
      unit = in_time ? US : 0;
      break;
    default:
      break;
    }
    if (!unit || !duration_scaled(us, num, frac, scale, unit)) return 0;
    any = 1;
  }
  return any;
}

static int duration_units(time_in *in, int64_t *us) {
  static const struct {
    const char *name;
    int64_t unit;
  } units[] = {{"ms", 1000},      {"us", 1},        {"s", US},
               {"m", 60 * US},    {"h", 3600 * US}, {"d", 86400 * US},
               {"w", 604800 * US}};
  const char *start = in->p;
  while (in->p < in->end) {
    int64_t num, frac, scale, unit = 0;
    size_t i;
    const char *from = in->p;
    if (!duration_number(in, &num, &frac, &scale)) return 0;
    if (in->p == in->end) {
      /* Plain seconds: only where the number stands alone. */
      return from == start && duration_scaled(us, num, frac, scale, US);
    }
    for (i = 0; i < sizeof(units) / sizeof(*units) && !unit; i++) {
      size_t len = strlen(units[i].name);
      if ((size_t)(in->end - in->p) >= len &&
          memcmp(in->p, units[i].name, len) == 0) {
        unit = units[i].unit;
        in->p += len;
      }
    }
    if (!unit || !duration_scaled(us, num, frac, scale, unit)) return 0;
  }
  return 1;
}

int cq_duration_parse(const char *s, size_t n, int64_t *us) {
  time_in in;
  int64_t total = 0;
  int ok;
  if (!s || n == 0 || n > 64) return CQ_ERROR;
  in.p = s;
  in.end = s + n;
  ok = time_byte(&in, 'P') ? duration_iso(&in, &total)
                           : duration_units(&in, &total);
  if (!ok) return CQ_ERROR;
  *us = total;
  return CQ_OK;
}

const char *cq_span_format(int64_t ms, char *out, size_t n) {
  int64_t s = (ms + 500) / 1000;

  if (s >= 3600)
    snprintf(out, n, "%lldh%02lldm", (long long)(s / 3600),
             (long long)(s / 60 % 60));
  else if (s >= 60)
    snprintf(out, n, "%lldm%02llds", (long long)(s / 60), (long long)(s % 60));
  else
    snprintf(out, n, "%llds", (long long)s);
  return out;
}
