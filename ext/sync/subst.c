/* ext/sync/subst.c: what CloudQuery replaces in a spec before it is read:
 *
 *   ${NAME}          a variable of the environment; one that is missing is an
 *                    error
 *   ${file:PATH}     the content of a file
 *   ${time:EXPR}     RFC 3339; ${time:EXPR|LAYOUT} in Go's layout words
 *
 * EXPR: now, an RFC 3339 time, a date, a Go duration (-24h), or words:
 * "10 months 3 days 4h20m ago", "2 days from now".
 *
 * A value that stands alone as an unquoted scalar is quoted where YAML would
 * read something else out of it; JSON in it stays JSON.  Inside double quotes
 * it is escaped.  Comments are left alone, so that a variable named there need
 * not exist. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/internal.h"

/* ---- time ------------------------------------------------------------------- */

/* Years 0 to 9999 in microseconds: what the text form can say; and the longest
 * way within them, which no sum of a few leads out of 64 bits. */
#define TIME_MIN (-INT64_C(62167219200000000))
#define TIME_MAX INT64_C(253402300799999999)
#define SPAN_MAX (TIME_MAX - TIME_MIN)

typedef struct civil {
  int64_t year;
  int month, day;
  int64_t rest_us;
} civil;

static civil civil_from(int64_t us) {
  char t[40];
  civil c;
  int64_t day_us;

  cq_time_format(us, t);
  c.year = strtol(t, NULL, 10);
  c.month = (int)strtol(t + 5, NULL, 10);
  c.day = (int)strtol(t + 8, NULL, 10);
  day_us = us % 86400000000;
  c.rest_us = day_us < 0 ? day_us + 86400000000 : day_us;
  return c;
}

/* As Go's AddDate: days beyond the month's end run on into the next. */
static int civil_add(int64_t us, int64_t months, int64_t *out) {
  civil c = civil_from(us);
  int64_t m = c.year * 12 + (c.month - 1) + months;
  char t[40];

  snprintf(t, sizeof t, "%04lld-%02lld-01", (long long)(m / 12),
           (long long)(m % 12 + 1));
  if (cq_time_parse(t, strlen(t), out)) return CQ_ERROR;
  *out += (int64_t)(c.day - 1) * 86400000000 + c.rest_us;
  return CQ_OK;
}

/* "1h30m", "-24h", "1.5s": what Go's ParseDuration takes. */
static int go_duration(const char *s, size_t n, int64_t *out) {
  static const struct {
    const char *unit;
    double us;
  } units[] = {{"ns", 0.001}, {"us", 1},  {"ms", 1000},
               {"s", 1e6},    {"m", 6e7}, {"h", 3.6e9}};
  double total = 0;
  int negative = 0, any = 0;
  size_t i = 0;

  if (i < n && (s[i] == '-' || s[i] == '+')) negative = s[i++] == '-';
  while (i < n) {
    double v = 0, scale = 1;
    size_t k, digits = i;

    while (i < n && isdigit((unsigned char)s[i])) v = v * 10 + (s[i++] - '0');
    if (i < n && s[i] == '.')
      for (i++; i < n && isdigit((unsigned char)s[i]); i++)
        v += (s[i] - '0') * (scale /= 10);
    if (i == digits) return CQ_ERROR;
    for (k = 0; k < sizeof units / sizeof *units; k++) {
      size_t len = strlen(units[k].unit);

      if (n - i >= len && memcmp(s + i, units[k].unit, len) == 0 &&
          (i + len == n || !cq_letter(s[i + len])))
        break;
    }
    if (k == sizeof units / sizeof *units) return CQ_ERROR;
    i += strlen(units[k].unit);
    total += v * units[k].us;
    any = 1;
  }
  if (!any || !(total < 9e15)) return CQ_ERROR;
  *out = (int64_t)(negative ? -total : total);
  return CQ_OK;
}

/* "10 months 3 days 4h20m ago". */
static int time_words(const char *s, size_t n, int64_t now, int64_t *out) {
  static const struct {
    const char *word;
    int months;
    int64_t us;
  } units[] = {{"year", 12, 0},           {"month", 1, 0},
               {"week", 0, 604800000000}, {"day", 0, 86400000000},
               {"hour", 0, 3600000000},   {"minute", 0, 60000000},
               {"second", 0, 1000000}};
  int64_t months = 0, us = 0;
  int sign = 0;
  size_t i = 0;

  if (n > 4 && memcmp(s + n - 4, " ago", 4) == 0) {
    sign = -1;
    n -= 4;
  } else if (n > 9 && memcmp(s + n - 9, " from now", 9) == 0) {
    sign = 1;
    n -= 9;
  }
  if (!sign) return CQ_ERROR;
  while (i < n) {
    size_t from, len, k;
    int64_t v = 0, d;

    while (i < n && s[i] == ' ') i++;
    from = i;
    while (i < n && s[i] != ' ') i++;
    len = i - from;
    if (len == 0) break;
    if (go_duration(s + from, len, &d) == CQ_OK) {
      us += d;
      if (us > SPAN_MAX || us < -SPAN_MAX) return CQ_ERROR;
      continue;
    }
    for (k = 0; k < len && isdigit((unsigned char)s[from + k]) && k < 9; k++)
      v = v * 10 + (s[from + k] - '0');
    if (k == 0 || k != len) return CQ_ERROR;
    while (i < n && s[i] == ' ') i++;
    from = i;
    while (i < n && s[i] != ' ') i++;
    len = i - from;
    if (len > 1 && s[from + len - 1] == 's') len--;
    for (k = 0; k < sizeof units / sizeof *units; k++)
      if (strlen(units[k].word) == len &&
          memcmp(units[k].word, s + from, len) == 0)
        break;
    if (k == sizeof units / sizeof *units) return CQ_ERROR;
    if (units[k].us && v > SPAN_MAX / units[k].us) return CQ_ERROR;
    months += v * units[k].months;
    us += v * units[k].us;
    if (us > SPAN_MAX) return CQ_ERROR;
  }
  if (civil_add(now, sign * months, out)) return CQ_ERROR;
  *out += sign * us;
  return CQ_OK;
}

static int time_expr(const char *s, size_t n, int64_t now, int64_t *out) {
  int64_t d;

  while (n && s[0] == ' ') {
    s++;
    n--;
  }
  while (n && s[n - 1] == ' ') n--;
  if (n == 3 && memcmp(s, "now", 3) == 0) {
    *out = now;
    return CQ_OK;
  }
  if (cq_time_parse(s, n, out) == CQ_OK) return CQ_OK;
  if (go_duration(s, n, &d) == CQ_OK) {
    *out = now + d;
    return CQ_OK;
  }
  return time_words(s, n, now, out);
}

/* ${time:<expr>} alone: the instant. */
static int time_of(const char *s, size_t n, int64_t now, int64_t *out) {
  if (time_expr(s, n, now, out)) return CQ_ERROR;
  return *out < TIME_MIN || *out > TIME_MAX ? CQ_ERROR : CQ_OK;
}

/* Go's layout: its reference time's parts are the words. */
static void go_layout(cq_buf *out, const char *l, size_t n, int64_t us) {
  static const char *const months[] = {
      "January", "February", "March",     "April",   "May",      "June",
      "July",    "August",   "September", "October", "November", "December"};
  static const char *const days[] = {"Thursday", "Friday", "Saturday",
                                     "Sunday",   "Monday", "Tuesday",
                                     "Wednesday"};
  static const char *const words[] = {
      "January", "Monday", "Z07:00", "2006", "-0700", "Jan", "Mon", "MST",
      "01",      "02",     "15",     "03",   "04",    "05",  "06",  "PM",
      "_2",      "1",      "2",      "3",    "4",     "5",   "pm"};
  civil c = civil_from(us);
  int64_t day = us / 86400000000 - (us % 86400000000 < 0);
  int wd = (int)(((day % 7) + 7) % 7), sec = (int)(c.rest_us / 1000000);

  while (n) {
    size_t k, len = 0;

    for (k = 0; k < sizeof words / sizeof *words; k++) {
      len = strlen(words[k]);
      if (n >= len && memcmp(l, words[k], len) == 0) break;
    }
    switch (k) {
    case 0:
      cq_buf_str(out, months[c.month - 1]);
      break;
    case 1:
      cq_buf_str(out, days[wd]);
      break;
    case 2:
      cq_buf_str(out, "Z");
      break;
    case 3:
      cq_buf_printf(out, "%04lld", (long long)c.year);
      break;
    case 4:
      cq_buf_str(out, "+0000");
      break;
    case 5:
      cq_buf_add(out, months[c.month - 1], 3);
      break;
    case 6:
      cq_buf_add(out, days[wd], 3);
      break;
    case 7:
      cq_buf_str(out, "UTC");
      break;
    case 8:
      cq_buf_printf(out, "%02d", c.month);
      break;
    case 9:
      cq_buf_printf(out, "%02d", c.day);
      break;
    case 10:
      cq_buf_printf(out, "%02d", sec / 3600);
      break;
    case 11:
      cq_buf_printf(out, "%02d", (sec / 3600 + 11) % 12 + 1);
      break;
    case 12:
      cq_buf_printf(out, "%02d", sec / 60 % 60);
      break;
    case 13:
      cq_buf_printf(out, "%02d", sec % 60);
      break;
    case 14:
      cq_buf_printf(out, "%02lld", (long long)(c.year % 100));
      break;
    case 15:
      cq_buf_str(out, sec >= 43200 ? "PM" : "AM");
      break;
    case 16:
      cq_buf_printf(out, "%2d", c.day);
      break;
    case 17:
      cq_buf_printf(out, "%d", c.month);
      break;
    case 18:
      cq_buf_printf(out, "%d", c.day);
      break;
    case 19:
      cq_buf_printf(out, "%d", (sec / 3600 + 11) % 12 + 1);
      break;
    case 20:
      cq_buf_printf(out, "%d", sec / 60 % 60);
      break;
    case 21:
      cq_buf_printf(out, "%d", sec % 60);
      break;
    case 22:
      cq_buf_str(out, sec >= 43200 ? "pm" : "am");
      break;
    default:
      cq_buf_byte(out, *l);
      len = 1;
    }
    l += len;
    n -= len;
  }
}

/* ---- values ------------------------------------------------------------------- */

/* A word that YAML reads as nothing at all. */
static int is_nothing(const char *v, size_t n) {
  static const char *const words[] = {"~", "null", "Null", "NULL"};

  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strlen(words[i]) == n && memcmp(words[i], v, n) == 0) return 1;
  return 0;
}

/* Plain text is left only where YAML surely reads it as it is, numbers and
 * truths among it: letters, digits, and what means nothing anywhere.  A password
 * may be null: that is a text here, though CloudQuery's YAML takes it for none. */
static int needs_quotes(const char *v, size_t n) {
  if (n == 0) return 0;
  if (is_nothing(v, n)) return 1;
  if (v[0] == '{' || v[0] == '[') return 0; /* JSON is meant as such */
  for (size_t i = 0; i < n; i++)
    if (!cq_letter(v[i]) && !strchr("0123456789_./+~-@=% ", v[i])) return 1;
  if (v[n - 1] == ' ') return 1; /* it would not be part of the text */
  if (v[0] == '-') return n == 1 || !isdigit((unsigned char)v[1]);
  return strchr("@=% ", v[0]) != NULL;
}

/* quote: the quote that the place is in, or 0; alone: the whole scalar. */
static int put_value(cq_buf *out, const char *v, size_t n, char quote,
                     int alone) {
  while (n && (v[n - 1] == '\n' || v[n - 1] == '\r')) n--;
  if (quote == '"') {
    cq_buf b;

    cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
    cq_buf_json(&b, v, n);
    if (b.rc)
      out->rc = b.rc;
    else
      cq_buf_add(out, b.data + 1, b.len - 2);
    cq_buf_clear(&b);
  } else if (quote == '\'') {
    /* YAML folds lines there. */
    if (n && (memchr(v, '\n', n) || memchr(v, '\r', n))) return CQ_ERROR;
    for (size_t i = 0; i < n; i++) {
      if (v[i] == '\'') cq_buf_byte(out, '\'');
      cq_buf_byte(out, v[i]);
    }
  } else if (alone && needs_quotes(v, n)) {
    cq_buf_json(out, v, n);
  } else {
    for (size_t i = 0; i < n; i++)
      cq_buf_byte(out, v[i] == '\n' || v[i] == '\r' ? ' ' : v[i]);
  }
  return CQ_OK;
}

static int lines_error(const char *file, int line, const char *word,
                       cq_error *err) {
  return cq_error_set(err, CQ_ERROR,
                      "%s:%d: ${%s}: holds several lines, which single quotes "
                      "cannot\nhint: \"${%s}\"",
                      file, line, word, word);
}

static int put_token(const char *file, int line, const char *name, size_t n,
                     int64_t now_us, cq_buf *out, char quote, int alone,
                     cq_error *err) {
  char word[1024], *text = NULL;
  size_t len = 0;
  int rc;

  if (n == 0 || n >= sizeof word)
    return cq_error_set(err, CQ_ERROR, "%s:%d: ${}: no name", file, line);
  memcpy(word, name, n);
  word[n] = 0;
  if (strncmp(word, "file:", 5) == 0) {
    rc = cq_file_read(word + 5, CQ_MAX_SPEC_BYTES, &text, &len, err);
    if (rc) {
      cq_error_prefix(err, "%s:%d: ", file, line);
      return rc;
    }
    rc = put_value(out, text, len, quote, alone);
    cq_wipe(text, len);
    cq_free(text);
    return rc ? lines_error(file, line, word, err) : CQ_OK;
  }
  if (strncmp(word, "time:", 5) == 0) {
    char *layout = strchr(word, '|');
    size_t expr = layout ? (size_t)(layout - word) - 5 : n - 5;
    int64_t at;

    if (time_of(word + 5, expr, now_us, &at))
      return cq_error_set(err, CQ_ERROR,
                          "%s:%d: ${%s}: no time: %.*s\nhint: now, a date, "
                          "-24h, '3 days ago'",
                          file, line, word, (int)expr, word + 5);
    if (layout) {
      go_layout(out, layout + 1, strlen(layout + 1), at);
    } else {
      char t[40];

      cq_time_format(at - at % 1000000, t);
      cq_buf_str(out, t);
    }
    return CQ_OK;
  }
  text = getenv(word);
  if (!text)
    return cq_error_set(err, CQ_NOTFOUND,
                        "%s:%d: ${%s}: no such variable in the environment",
                        file, line, word);
  rc = put_value(out, text, strlen(text), quote, alone);
  return rc ? lines_error(file, line, word, err) : CQ_OK;
}

/* Does the token that starts at `at` make up its scalar alone? */
static int stands_alone(const char *text, size_t n, size_t at, size_t end) {
  size_t i = at;

  while (i > 0 && (text[i - 1] == ' ' || text[i - 1] == '\t')) i--;
  if (i > 0 && !strchr(":-,[{\n", text[i - 1])) return 0;
  i = end;
  while (i < n && (text[i] == ' ' || text[i] == '\t')) i++;
  return i == n || strchr("\n\r,]}#", text[i]) != NULL;
}

int cq_subst(const char *file, const char *text, size_t n, int64_t now_us,
             cq_buf *out, cq_error *err) {
  char quote = 0;
  int line = 1, rc = CQ_OK;

  for (size_t i = 0; i < n && rc == CQ_OK;) {
    char c = text[i];
    char before = i ? text[i - 1] : '\n';

    if (c == '#' && !quote && strchr(" \t\n", before)) {
      while (i < n && text[i] != '\n') cq_buf_byte(out, text[i++]);
      continue;
    }
    if (c == '$' && i + 1 < n && text[i + 1] == '{') {
      const char *end = memchr(text + i + 2, '}', n - i - 2);

      if (end) {
        size_t stop = (size_t)(end - text) + 1;

        rc = put_token(file, line, text + i + 2, stop - i - 3, now_us, out,
                       quote, !quote && stands_alone(text, n, i, stop), err);
        i = stop;
        continue;
      }
    }
    if (c == '\n') {
      line++;
    } else if (quote == '"' && c == '\\' && i + 1 < n) {
      cq_buf_byte(out, c);
      c = text[++i];
    } else if (quote == '\'' && c == quote && i + 1 < n &&
               text[i + 1] == quote) {
      cq_buf_byte(out, c); /* two are one that is meant */
      i++;
    } else if (quote) {
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') && strchr(" \t\n:,[{-", before)) {
      quote = c; /* elsewhere a quote is a letter of a plain word */
    }
    cq_buf_byte(out, c);
    i++;
  }
  return rc ? rc : out->rc ? cq_error_nomem(err) : CQ_OK;
}
