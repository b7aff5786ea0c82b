/* ext/dest/clickhouse/sql.c: statements for ClickHouse, and small answers.
 *
 * Texts go in as literals: servers before 21 have no parameters, and of those
 * that have them a literal is as good where every one is escaped here. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "dest/clickhouse/internal.h"

enum { SQL_MAX = 64 << 20 };

static void escaped(cq_buf *b, const char *s, size_t n, char quote) {
  cq_buf_byte(b, quote);
  for (size_t i = 0; i < n; i++) {
    if (s[i] == quote || s[i] == '\\') cq_buf_byte(b, '\\');
    if (s[i])
      cq_buf_byte(b, s[i]);
    else
      cq_buf_str(b, "\\0");
  }
  cq_buf_byte(b, quote);
}

void ch_add_name(cq_buf *b, const char *name) {
  escaped(b, name, strlen(name), '`');
}

void ch_add_text(cq_buf *b, const char *s, size_t n) {
  escaped(b, s, n, '\'');
}

static void formatted(const ch *d, cq_buf *b, const char *fmt, va_list ap) {
  for (const char *p = fmt; *p; p++) {
    const char *s;
    int n;

    if (*p != '%') {
      cq_buf_byte(b, *p);
      continue;
    }
    switch (*++p) {
    case 'Q':
      s = va_arg(ap, const char *);
      if (s)
        ch_add_text(b, s, strlen(s));
      else
        cq_buf_str(b, "NULL");
      break;
    case '.': /* .*Q */
      p += 2;
      n = va_arg(ap, int);
      s = va_arg(ap, const char *);
      ch_add_text(b, s, (size_t)n);
      break;
    case 't':
      ch_add_name(b, d->o->database);
      cq_buf_byte(b, '.');
      ch_add_name(b, va_arg(ap, const char *));
      break;
    case 'w':
      ch_add_name(b, va_arg(ap, const char *));
      break;
    case 's':
      cq_buf_str(b, va_arg(ap, const char *));
      break;
    case 'd':
      cq_buf_printf(b, "%d", va_arg(ap, int));
      break;
    case 'l': /* lld, llu */
      p += 2;
      if (*p == 'u')
        cq_buf_printf(b, "%llu", va_arg(ap, unsigned long long));
      else
        cq_buf_printf(b, "%lld", va_arg(ap, long long));
      break;
    default:
      cq_buf_byte(b, *p);
    }
  }
}

void ch_format(const ch *d, cq_buf *b, const char *fmt, ...) {
  va_list ap;

  va_start(ap, fmt);
  formatted(d, b, fmt, ap);
  va_end(ap);
}

int ch_exec_text(ch *d, const char *sql, const char *settings, cq_error *err) {
  ch_ask q = {.body = sql, .nbody = strlen(sql), .settings = settings};

  return ch_request(d, &q, NULL, NULL, err);
}

int ch_exec(ch *d, cq_error *err, const char *fmt, ...) {
  va_list ap;
  cq_buf b;
  int rc;

  cq_buf_init(&b, SQL_MAX);
  va_start(ap, fmt);
  formatted(d, &b, fmt, ap);
  va_end(ap);
  rc = b.rc ? cq_error_nomem(err) : ch_exec_text(d, b.data, NULL, err);
  cq_buf_clear(&b);
  return rc;
}

/* One line of TabSeparated, in place: cells end in NUL, \N is NULL. */
static int split(char *line, char **cell, int most) {
  char *to = line;
  int n = 0;

  cell[n++] = line;
  for (char *p = line; *p; p++) {
    if (*p == '\t') {
      *to++ = 0;
      if (n == most) return n;
      cell[n++] = to;
    } else if (*p == '\\' && p[1]) {
      p++;
      if (*p == 'N' && to == cell[n - 1] && (!p[1] || p[1] == '\t')) {
        cell[n - 1] = NULL;
        to++; /* something to point at for the next */
        continue;
      }
      *to++ = (char)(*p == 'n'   ? '\n'
                     : *p == 't' ? '\t'
                     : *p == 'r' ? '\r'
                     : *p == 'b' ? '\b'
                     : *p == 'f' ? '\f'
                     : *p == '0' ? 0
                                 : *p);
    } else {
      *to++ = *p;
    }
  }
  *to = 0;
  return n;
}

static int rows_of(ch *d, ch_row each, void *user, cq_error *err,
                   const char *fmt, va_list ap) {
  enum { CELLS = 32 };
  char *cell[CELLS];
  cq_buf sql, out;
  int rc;

  cq_buf_init(&sql, SQL_MAX);
  cq_buf_init(&out, SQL_MAX);
  formatted(d, &sql, fmt, ap);
  cq_buf_str(&sql, " FORMAT TabSeparated");
  if (sql.rc) {
    rc = cq_error_nomem(err);
  } else {
    ch_ask q = {.body = sql.data, .nbody = sql.len};

    rc = ch_request(d, &q, &out, NULL, err);
  }
  for (char *p = out.data; rc == CQ_OK && p && *p;) {
    char *end = strchr(p, '\n');

    if (end) *end = 0;
    rc = each(user, cell, split(p, cell, CELLS));
    if (rc == CQ_NOMEM) cq_error_nomem(err);
    p = end ? end + 1 : NULL;
  }
  cq_buf_clear(&sql);
  cq_buf_clear(&out);
  return rc;
}

int ch_rows(ch *d, ch_row each, void *user, cq_error *err, const char *fmt,
            ...) {
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = rows_of(d, each, user, err, fmt, ap);
  va_end(ap);
  return rc;
}

static int first_int(void *user, char **cell, int n) {
  if (n > 0 && cell[0]) *(int64_t *)user = strtoll(cell[0], NULL, 10);
  return CQ_OK;
}

int ch_int(ch *d, int64_t *out, cq_error *err, const char *fmt, ...) {
  va_list ap;
  int rc;

  *out = 0;
  va_start(ap, fmt);
  rc = rows_of(d, first_int, out, err, fmt, ap);
  va_end(ap);
  return rc;
}
