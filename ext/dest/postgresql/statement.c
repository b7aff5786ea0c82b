/* ext/dest/postgresql/statement.c: SQL with its values in it, sent and waited
 * for without blocking; what came back; what the server or the connection has
 * to say against it.
 *
 * Values stand in the text, quoted here (standard_conforming_strings is on), so
 * that many statements can be one message. */
#include "dest/postgresql/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  COPY_PIECE = 64 << 10, /* given to libpq at once */
  DETAIL = 300           /* bytes of the server's detail in a message */
};

/* ---- errors ------------------------------------------------------------------ */

static int code_of(const char *state) {
  static const struct {
    const char *state; /* or its class */
    int code;
  } codes[] = {{"53100", CQ_FULL}, {"25006", CQ_READONLY}, {"42501", CQ_AUTH},
               {"28", CQ_AUTH},    {"57P", CQ_IOERR},      {"58", CQ_IOERR},
               {"XX001", 11},      {"XX002", 11},          {"08", CQ_IOERR},
               {"53", CQ_IOERR}};

  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (strncmp(state, codes[i].state, strlen(codes[i].state)) == 0)
      return codes[i].code;
  return CQ_ERROR;
}

static void keep_field(pg *d, const pg_result *r, int field, char *out,
                       size_t n) {
  const char *s = r ? d->lib.PQresultErrorField(r, field) : NULL;

  snprintf(out, n, "%s", s ? s : "");
}

int pg_fail(pg *d, const pg_result *r, const char *what, cq_error *err) {
  const char *said = NULL, *detail = NULL, *advice = NULL;
  cq_buf more, hint;
  size_t n;
  int code;

  keep_field(d, r, PG_SQLSTATE, d->state, sizeof d->state);
  keep_field(d, r, PG_COLUMN, d->column, sizeof d->column);
  keep_field(d, r, PG_CONSTRAINT, d->constraint, sizeof d->constraint);
  if (r) said = d->lib.PQresultErrorField(r, PG_PRIMARY);
  if (r) detail = d->lib.PQresultErrorField(r, PG_DETAIL);
  if (r) advice = d->lib.PQresultErrorField(r, PG_HINT);
  if (r && !said) said = d->lib.PQresultErrorMessage(r);
  if (!said || !*said) said = d->lib.PQerrorMessage(d->conn);
  if (!said || !*said) said = "the connection was lost";
  d->lost = d->lib.PQstatus(d->conn) != 0 || strncmp(d->state, "57P0", 4) == 0;
  code = d->lost ? CQ_IOERR : code_of(d->state);
  n = strcspn(said, "\n");
  cq_buf_init(&more, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&hint, CQ_MAX_SPEC_BYTES);
  if (detail) pg_said(detail, &more, &hint);
  if (advice) pg_said(advice, &hint, &hint);
  if (more.len > DETAIL) more.len = cq_utf8_cut(more.data, DETAIL);
  cq_error_set(err, code, "destination %s: %s%s%.*s%s%.*s", d->base.name, what,
               *what ? ": " : "", (int)n, said, more.len ? ": " : "",
               (int)more.len, more.len ? more.data : "");
  if (strcmp(d->state, "42501") == 0)
    cq_error_hint(err,
                  "the role must be allowed to CREATE in the schema%s%s, and "
                  "own what it writes to",
                  d->schema ? " " : "", d->schema ? d->schema : "");
  else if (strcmp(d->state, "42703") == 0 ||
           (strcmp(d->state, "42P01") == 0 &&
            (strncmp(what, "cq_", 3) == 0 || strcmp(what, "run tables") == 0)))
    cq_error_hint(err,
                  "tables cq_... of the schema %s are not as cq makes them: "
                  "rename them, or sync into another schema",
                  d->schema ? d->schema : "");
  else if (hint.len)
    cq_error_hint(err, "%s", hint.data);
  cq_buf_clear(&more);
  cq_buf_clear(&hint);
  return code;
}

/* ---- sending, and results ------------------------------------------------------ */

/* The server may want to send before it takes more. */
static int flush_out(pg *d, cq_error *err) {
  int left;

  while ((left = d->lib.PQflush(d->conn)) > 0) {
    int rc = pg_wait(d, 3, d->options.answer_ms, err);

    if (rc) return rc;
    if (!d->lib.PQconsumeInput(d->conn)) return pg_fail(d, NULL, "", err);
  }
  return left < 0 ? pg_fail(d, NULL, "", err) : CQ_OK;
}

int pg_send(pg *d, const char *sql, cq_error *err) {
  if (!d->conn)
    return cq_error_set(err, CQ_IOERR, "destination %s: not connected",
                        d->base.name);
  if (!d->lib.PQsendQuery(d->conn, sql)) return pg_fail(d, NULL, "", err);
  return flush_out(d, err);
}

int pg_next(pg *d, pg_result **out, cq_error *err) {
  *out = NULL;
  while (d->lib.PQisBusy(d->conn)) {
    int rc = pg_wait(d, 1, d->options.answer_ms, err);

    if (rc) return rc;
    if (!d->lib.PQconsumeInput(d->conn)) return pg_fail(d, NULL, "", err);
  }
  *out = d->lib.PQgetResult(d->conn);
  return CQ_OK;
}

void pg_drain(pg *d) {
  pg_result *r;

  for (int i = 0; i < 10000 && d->conn; i++) {
    if (pg_next(d, &r, NULL) || !r) return;
    d->lib.PQclear(r);
  }
}

static int good(const pg *d, const pg_result *r) {
  int s = d->lib.PQresultStatus(r);

  return s == PG_COMMAND_OK || s == PG_TUPLES_OK;
}

void pg_done(pg *d, pg_result *r) {
  if (r) d->lib.PQclear(r);
}

int pg_rows(const pg *d, const pg_result *r) {
  return d->lib.PQntuples(r);
}

const char *pg_text(const pg *d, const pg_result *r, int row, int column) {
  return d->lib.PQgetvalue(r, row, column);
}

int64_t pg_int(const pg *d, const pg_result *r, int row, int column) {
  return strtoll(d->lib.PQgetvalue(r, row, column), NULL, 10);
}

/* ---- batches ------------------------------------------------------------------- */

void pg_batch_init(pg_batch *b) {
  memset(b, 0, sizeof *b);
  cq_buf_init(&b->sql, SIZE_MAX);
}

void pg_batch_clear(pg_batch *b) {
  cq_buf_clear(&b->sql);
  cq_free(b->into);
  memset(b, 0, sizeof *b);
}

void pg_add(pg_batch *b, int64_t *into, const char *fmt, ...) {
  va_list ap;

  if (cq_grow(&b->into, &b->cap, b->n, sizeof *b->into)) {
    b->sql.rc = CQ_NOMEM;
    return;
  }
  b->into[b->n++] = into;
  va_start(ap, fmt);
  cq_sql_v(&b->sql, fmt, ap);
  va_end(ap);
  cq_buf_str(&b->sql, ";\n");
}

int pg_run(pg *d, pg_batch *b, const char *what, cq_error *err) {
  size_t i = 0;
  int rc;

  if (b->sql.rc) return cq_error_nomem(err);
  if (!b->n) return CQ_OK;
  rc = pg_send(d, b->sql.data, err);
  while (rc == CQ_OK) {
    pg_result *r;

    rc = pg_next(d, &r, err);
    if (rc || !r) break;
    if (!good(d, r)) {
      rc = pg_fail(d, r, what, err);
    } else if (i < b->n && b->into[i]) {
      if (pg_rows(d, r) > 0)
        *b->into[i] += pg_int(d, r, 0, 0);
      else
        *b->into[i] += strtoll(d->lib.PQcmdTuples(r), NULL, 10);
    }
    i++;
    d->lib.PQclear(r);
  }
  if (rc) pg_drain(d);
  return rc;
}

int pg_do(pg *d, const char *what, cq_error *err, const char *fmt, ...) {
  va_list ap;
  pg_batch b;
  cq_buf s;
  int rc;

  pg_batch_init(&b);
  cq_buf_init(&s, SIZE_MAX);
  va_start(ap, fmt);
  cq_sql_v(&s, fmt, ap);
  va_end(ap);
  if (s.rc)
    b.sql.rc = s.rc;
  else
    pg_add(&b, NULL, "%s", s.data ? s.data : "");
  rc = pg_run(d, &b, what, err);
  cq_buf_clear(&s);
  pg_batch_clear(&b);
  return rc;
}

static pg_result *select_args(pg *d, const char *what, cq_error *err,
                              const char *fmt, va_list ap) {
  pg_result *r = NULL, *more;
  cq_buf s;
  int rc;

  cq_buf_init(&s, SIZE_MAX);
  cq_sql_v(&s, fmt, ap);
  rc = s.rc ? cq_error_nomem(err) : pg_send(d, s.data, err);
  if (rc == CQ_OK) rc = pg_next(d, &r, err);
  if (rc == CQ_OK && r && !good(d, r)) rc = pg_fail(d, r, what, err);
  if (rc == CQ_OK && !r) rc = pg_fail(d, NULL, what, err);
  if (rc == CQ_OK) rc = pg_next(d, &more, err);
  if (rc == CQ_OK && more) d->lib.PQclear(more), pg_drain(d);
  if (rc) {
    pg_drain(d);
    pg_done(d, r);
    r = NULL;
  }
  cq_buf_clear(&s);
  return r;
}

pg_result *pg_select(pg *d, const char *what, cq_error *err, const char *fmt,
                     ...) {
  pg_result *r;
  va_list ap;

  va_start(ap, fmt);
  r = select_args(d, what, err, fmt, ap);
  va_end(ap);
  return r;
}

int pg_one(pg *d, int64_t *out, const char *what, cq_error *err,
           const char *fmt, ...) {
  cq_error own = {0, ""};
  pg_result *r;
  va_list ap;

  *out = 0;
  va_start(ap, fmt);
  r = select_args(d, what, &own, fmt, ap);
  va_end(ap);
  if (!r) {
    if (err) *err = own;
    return own.code;
  }
  if (pg_rows(d, r) > 0) *out = pg_int(d, r, 0, 0);
  pg_done(d, r);
  return CQ_OK;
}

/* ---- COPY ---------------------------------------------------------------------- */

int pg_copy_begin(pg *d, const char *what, cq_error *err, const char *fmt,
                  ...) {
  pg_result *r = NULL;
  va_list ap;
  cq_buf s;
  int rc;

  cq_buf_init(&s, SIZE_MAX);
  va_start(ap, fmt);
  cq_sql_v(&s, fmt, ap);
  va_end(ap);
  rc = s.rc ? cq_error_nomem(err) : pg_send(d, s.data, err);
  if (rc == CQ_OK) rc = pg_next(d, &r, err);
  if (rc == CQ_OK && (!r || d->lib.PQresultStatus(r) != PG_COPY_IN)) {
    rc = pg_fail(d, r, what, err);
    pg_drain(d);
  }
  pg_done(d, r);
  cq_buf_clear(&s);
  return rc;
}

int pg_copy_data(pg *d, const char *p, size_t n, cq_error *err) {
  while (n) {
    int piece = (int)(n < COPY_PIECE ? n : COPY_PIECE);
    int took = d->lib.PQputCopyData(d->conn, p, piece), rc;

    if (took < 0) return pg_fail(d, NULL, "", err);
    rc = flush_out(d, err);
    if (rc) return rc;
    if (!took) continue; /* libpq had no room: now it has */
    p += piece;
    n -= (size_t)piece;
  }
  return CQ_OK;
}

int pg_copy_end(pg *d, const char *what, int64_t *rows, cq_error *err) {
  pg_result *r = NULL;
  int rc, took;

  do {
    took = d->lib.PQputCopyEnd(d->conn, NULL);
    rc = took < 0 ? pg_fail(d, NULL, what, err) : flush_out(d, err);
  } while (rc == CQ_OK && !took);
  if (rc == CQ_OK) rc = pg_next(d, &r, err);
  if (rc == CQ_OK && (!r || !good(d, r))) rc = pg_fail(d, r, what, err);
  if (rc == CQ_OK) *rows = strtoll(d->lib.PQcmdTuples(r), NULL, 10);
  pg_done(d, r);
  pg_drain(d);
  return rc;
}
