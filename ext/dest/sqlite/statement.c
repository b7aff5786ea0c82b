/* ext/dest/sqlite/statement.c: statements of the SQLite destination.
 *
 * Each unit of a run ends with the same few statements about another client.
 * To prepare one takes ten times as long as to run it, so what lite_exec and
 * lite_int run is kept: their values become parameters, and the text that is
 * left finds the statement again.  Nothing prepared outlives the sync. */
#include "dest/sqlite/internal.h"

#include <stdarg.h>
#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

enum {
  STATEMENT_VALUES = 24,
  USUAL_SQL = 800, /* bytes of most statements, or more */
  BUSY_MS = 30000, /* how long another connection is waited for */
  BUSY_LOOK_MS = 20
};

typedef struct statement_value {
  const char *text; /* borrowed; NULL with is_text: NULL */
  int is_text, len; /* -1: to its NUL */
  sqlite3_int64 number;
} statement_value;

/* A format, taken apart. */
typedef struct statement {
  cq_buf sql;
  statement_value v[STATEMENT_VALUES];
  int n;
} statement;

/* Where it is the file that is to blame, whatever was done with it: its name. */
static const char *statement_file(const cq_lite *d, int rc) {
  const char *path = NULL;

  if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT || rc == SQLITE_READONLY ||
      rc == SQLITE_FULL || rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN)
    path = sqlite3_db_filename(d->h->db, d->schema);
  return path && *path ? path : NULL;
}

int lite_fail(cq_lite *d, int rc, const char *what, cq_error *err) {
  cq_error *why = &d->h->why;
  const char *file;

  rc &= 0xff;
  file = statement_file(d, rc);
  if (rc == SQLITE_INTERRUPT) {
    cq_error_set(why, CQ_INTERRUPT, "interrupted");
  } else {
    cq_error_set(why, rc, "destination %s: %s: %s", d->base.name,
                 file ? file : what, sqlite3_errmsg(d->h->db));
    if (rc == SQLITE_NOTADB)
      cq_error_hint(why, "it is something else; name another path");
    else if (rc == SQLITE_READONLY || rc == SQLITE_CANTOPEN)
      cq_error_hint(why, "the file and its folder must be writable");
    if (sqlite3_extended_errcode(d->h->db) == SQLITE_BUSY_SNAPSHOT)
      cq_error_hint(why, "call it from a SELECT that reads no table");
    else if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
      cq_error_hint(why, "another statement or process holds the database; "
                         "end it and try again");
  }
  if (err) *err = *why;
  return rc;
}

int lite_wait(const lite_handle *h, int64_t *since) {
  if (!*since) *since = cq_mono_ms();
  if (cq_mono_ms() - *since >= BUSY_MS ||
      (h->interrupted && h->interrupted(h->user)))
    return 0;
  sqlite3_sleep(BUSY_LOOK_MS);
  return 1;
}

/* A statement of the host's that reads what has changed since keeps us from
 * writing until it ends, which it does after us. */
int lite_again(const lite_handle *h, int rc, int64_t *since) {
  return (rc & 0xff) == SQLITE_BUSY &&
         sqlite3_extended_errcode(h->db) != SQLITE_BUSY_SNAPSHOT &&
         lite_wait(h, since);
}

/* Within a transaction to wait could be for ever: the other may wait for us. */
static int statement_again(const cq_lite *d, int rc, int64_t *since) {
  return sqlite3_get_autocommit(d->h->db) && lite_again(d->h, rc, since);
}

static int statement_sql(cq_lite *d, const char *sql, sqlite3_stmt **out,
                         cq_error *err) {
  int64_t since = 0;
  int rc;

  do rc = sqlite3_prepare_v2(d->h->db, sql, -1, out, NULL);
  while (statement_again(d, rc, &since));
  return rc ? lite_fail(d, rc, "statement", err) : CQ_OK;
}

/* ---- formats ----------------------------------------------------------------- */
static void statement_name(cq_buf *b, const char *s, char quote) {
  const char *at;

  for (; s && (at = strchr(s, quote)) != NULL; s = at + 1) {
    cq_buf_add(b, s, (size_t)(at + 1 - s));
    cq_buf_byte(b, quote);
  }
  cq_buf_str(b, s);
}

static statement_value *statement_put(statement *st) {
  if (st->n == STATEMENT_VALUES) {
    st->sql.rc = CQ_TOOBIG;
    return NULL;
  }
  cq_buf_byte(&st->sql, '?');
  memset(&st->v[st->n], 0, sizeof st->v[st->n]);
  return &st->v[st->n++];
}

/* %Q, %.*Q, %d and %lld are values, %w, %q and %s part of the text. */
static void statement_parse(statement *st, const char *fmt, va_list ap) {
  for (const char *p = fmt; *p; p++) {
    size_t plain = strcspn(p, "%");
    statement_value *v;

    if (plain) {
      cq_buf_add(&st->sql, p, plain);
      p += plain - 1;
      continue;
    }
    switch (*++p) {
    case '.': /* .*Q */
      p += 2;
      if ((v = statement_put(st)) == NULL) return;
      v->is_text = 1;
      v->len = va_arg(ap, int);
      v->text = va_arg(ap, const char *);
      break;
    case 'w':
      statement_name(&st->sql, va_arg(ap, const char *), '"');
      break;
    case 'q':
      statement_name(&st->sql, va_arg(ap, const char *), '\'');
      break;
    case 's':
      cq_buf_str(&st->sql, va_arg(ap, const char *));
      break;
    case 'Q':
      if ((v = statement_put(st)) == NULL) return;
      v->is_text = 1;
      v->len = -1;
      v->text = va_arg(ap, const char *);
      break;
    case 'd':
      if ((v = statement_put(st)) == NULL) return;
      v->number = va_arg(ap, int);
      break;
    case 'l': /* lld */
      p += 2;
      if ((v = statement_put(st)) == NULL) return;
      v->number = va_arg(ap, long long);
      break;
    default: /* %% */
      cq_buf_byte(&st->sql, *p);
    }
  }
}

/* ---- what is kept ------------------------------------------------------------ */
void lite_forget(lite_handle *h) {
  for (int i = 0; i < LITE_KEPT; i++) {
    sqlite3_finalize(h->kept[i].stmt);
    h->kept[i].stmt = NULL;
  }
}

/* The statement of this text, which no one is running. */
static int statement_find(cq_lite *d, const char *sql, sqlite3_stmt **out,
                          cq_error *err) {
  lite_handle *h = d->h;
  lite_kept *oldest = NULL;
  uint64_t hash = cq_hash64(sql, strlen(sql), 0);
  int rc;

  for (int i = 0; i < LITE_KEPT; i++) {
    lite_kept *k = &h->kept[i];

    if (k->stmt && sqlite3_stmt_busy(k->stmt)) continue;
    if (k->stmt && k->hash == hash && strcmp(sqlite3_sql(k->stmt), sql) == 0) {
      k->used = ++h->uses;
      *out = k->stmt;
      return CQ_OK;
    }
    if (!oldest || !k->stmt || (oldest->stmt && k->used < oldest->used))
      oldest = k;
  }
  rc = statement_sql(d, sql, out, err);
  if (rc) return rc;
  if (oldest) {
    sqlite3_finalize(oldest->stmt);
    oldest->stmt = *out;
    oldest->hash = hash;
    oldest->used = ++h->uses;
  }
  return CQ_OK;
}

static void statement_leave(cq_lite *d, sqlite3_stmt *s) {
  sqlite3_reset(s);
  for (int i = 0; i < LITE_KEPT; i++)
    if (d->h->kept[i].stmt == s) {
      sqlite3_clear_bindings(s); /* they are borrowed */
      return;
    }
  sqlite3_finalize(s);
}

/* Up to its first row: CQ_ROW, or CQ_DONE; the statement is to be left, if
 * there is one. */
static int statement_start(cq_lite *d, sqlite3_stmt **out, cq_error *err,
                           const char *fmt, va_list ap) {
  sqlite3_stmt *s = NULL;
  statement st;
  int rc;

  st.n = 0;
  cq_buf_init(&st.sql, CQ_MAX_SPEC_BYTES);
  cq_buf_reserve(&st.sql, USUAL_SQL);
  statement_parse(&st, fmt, ap);
  rc = st.sql.rc
           ? cq_error_set(err, st.sql.rc,
                          "destination %s: a statement: "
                          "%s",
                          d->base.name,
                          st.sql.rc == CQ_NOMEM ? "out of memory" : "too large")
           : statement_find(d, st.sql.data, &s, err);
  for (int i = 0; rc == CQ_OK && i < st.n; i++) {
    const statement_value *v = &st.v[i];

    rc = v->is_text
             ? sqlite3_bind_text(s, i + 1, v->text, v->len, SQLITE_STATIC)
             : sqlite3_bind_int64(s, i + 1, v->number);
    if (rc) lite_fail(d, rc, "statement", err);
  }
  if (rc == CQ_OK) {
    int64_t since = 0;
    int row;

    while (statement_again(d, row = sqlite3_step(s), &since)) sqlite3_reset(s);
    rc = row == SQLITE_ROW    ? CQ_ROW
         : row == SQLITE_DONE ? CQ_DONE
                              : lite_fail(d, row, "statement", err);
  }
  cq_buf_clear(&st.sql);
  *out = s;
  return rc;
}

static int statement_run(cq_lite *d, int64_t *out, cq_error *err,
                         const char *fmt, va_list ap) {
  sqlite3_stmt *s = NULL;
  int rc = statement_start(d, &s, err, fmt, ap);

  if (rc == CQ_ROW && out) {
    *out = sqlite3_column_int64(s, 0);
  } else if (rc == CQ_ROW) {
    int row;

    while ((row = sqlite3_step(s)) == SQLITE_ROW)
      ;
    if (row != SQLITE_DONE) rc = lite_fail(d, row, "statement", err);
  }
  if (s) statement_leave(d, s);
  return rc == CQ_ROW || rc == CQ_DONE ? CQ_OK : rc;
}

int lite_row(cq_lite *d, sqlite3_stmt **out, cq_error *err, const char *fmt,
             ...) {
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = statement_start(d, out, err, fmt, ap);
  va_end(ap);
  if (rc != CQ_ROW && *out) {
    statement_leave(d, *out);
    *out = NULL;
  }
  return rc == CQ_DONE ? CQ_OK : rc;
}

void lite_leave(cq_lite *d, sqlite3_stmt *s) {
  if (s) statement_leave(d, s);
}

int lite_exec(cq_lite *d, cq_error *err, const char *fmt, ...) {
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = statement_run(d, NULL, err, fmt, ap);
  va_end(ap);
  return rc;
}

int lite_int(cq_lite *d, int64_t *out, cq_error *err, const char *fmt, ...) {
  va_list ap;
  int rc;

  *out = 0;
  va_start(ap, fmt);
  rc = statement_run(d, out, err, fmt, ap);
  va_end(ap);
  return rc;
}

/* ---- the caller's own ---------------------------------------------------------- */
static int statement_prepare(cq_lite *d, sqlite3_stmt **out, cq_error *err,
                             const char *fmt, va_list ap) {
  char *sql = sqlite3_vmprintf(fmt, ap);
  int rc;

  *out = NULL;
  if (!sql) return cq_error_nomem(err);
  rc = statement_sql(d, sql, out, err);
  sqlite3_free(sql);
  return rc;
}

int lite_prepare(cq_lite *d, sqlite3_stmt **out, cq_error *err, const char *fmt,
                 ...) {
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = statement_prepare(d, out, err, fmt, ap);
  va_end(ap);
  return rc;
}

int lite_done(cq_lite *d, sqlite3_stmt *s, cq_error *err) {
  int rc = sqlite3_step(s);

  while (rc == SQLITE_ROW) rc = sqlite3_step(s);
  rc = rc == SQLITE_DONE ? CQ_OK : lite_fail(d, rc, "statement", err);
  sqlite3_finalize(s);
  return rc;
}

int lite_run_sql(cq_lite *d, const char *sql, const char *what, cq_error *err) {
  int rc = sqlite3_exec(d->h->db, sql, NULL, NULL, NULL);

  return rc ? lite_fail(d, rc, what, err) : CQ_OK;
}

int lite_ddl(cq_lite *d, cq_error *err, const char *fmt, ...) {
  sqlite3_stmt *s;
  va_list ap;
  int rc;

  lite_forget(d->h); /* a kept statement may read what is dropped */
  va_start(ap, fmt);
  rc = statement_prepare(d, &s, err, fmt, ap);
  va_end(ap);
  if (rc == CQ_OK) rc = lite_done(d, s, err);
  if (rc == CQ_OK && d->h->open) lite_stopper(d);
  return rc;
}

const char *lite_text(sqlite3_stmt *s, int i) {
  const char *text = (const char *)sqlite3_column_text(s, i);

  return text ? text : "";
}
