/* ext/dest/duckdb/session.c: statements, worked off task by task so that an
 * interrupt is seen; their results; transactions. */
#include "dest/duckdb/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READY = 0, NOT_READY = 1, FAILED = 2, NO_TASKS = 3 };

static int has(const char *text, const char *word) {
  return strstr(text, word) != NULL;
}

int duck_fail(duck *d, const char *said, cq_error *err) {
  const char *text = said && *said ? said : "unknown error";
  int code = has(text, "No space left") ? CQ_FULL
             : has(text, "read-only")   ? CQ_READONLY
             : has(text, "IO Error")    ? CQ_IOERR
             : has(text, "FATAL")       ? CQ_IOERR
                                        : CQ_ERROR;

  cq_error_set(err, code, "destination %s: %.*s", d->base.name,
               (int)strcspn(text, "\n"), text);
  if (has(text, "Out of Memory Error"))
    cq_error_hint(err, "memory_mb gives DuckDB more; rows of many MB need "
                       "several times their size");
  return code;
}

/* ---- statements --------------------------------------------------------------- */

static int work_off(duck *d, void *pending, cq_error *err) {
  for (;;) {
    int state;

    if (d->interrupted && d->interrupted(d->user))
      return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    state = d->lib.pending_execute_task(pending);
    if (state == READY) return CQ_OK;
    if (state == FAILED)
      return duck_fail(d, d->lib.pending_error(pending), err);
    if (state == NO_TASKS) {
      struct timespec t = {0, 1000000};

      nanosleep(&t, NULL);
    }
  }
}

static int execute(duck *d, const char *sql, duck_result *out, cq_error *err) {
  void *s = NULL, *p = NULL;
  int rc = CQ_OK;

  memset(out, 0, sizeof *out);
  if (d->lib.prepare(d->c, sql, &s))
    rc = duck_fail(d, d->lib.prepare_error(s), err);
  if (rc == CQ_OK && d->lib.pending_prepared(s, &p))
    rc = duck_fail(d, p ? d->lib.pending_error(p) : "", err);
  if (rc == CQ_OK) rc = work_off(d, p, err);
  if (rc == CQ_OK && d->lib.execute_pending(p, out)) {
    rc = duck_fail(d, d->lib.result_error(out), err);
    d->lib.destroy_result(out);
  }
  if (p) d->lib.destroy_pending(&p);
  if (s) d->lib.destroy_prepare(&s);
  return rc;
}

static int execute_args(duck *d, duck_result *out, cq_error *err,
                        const char *fmt, va_list ap) {
  cq_buf s;
  int rc;

  cq_buf_init(&s, SIZE_MAX);
  cq_sql_v(&s, fmt, ap);
  rc = s.rc ? cq_error_nomem(err) : execute(d, s.data, out, err);
  cq_buf_clear(&s);
  return rc;
}

int duck_do(duck *d, int64_t *changed, cq_error *err, const char *fmt, ...) {
  duck_result r;
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = execute_args(d, &r, err, fmt, ap);
  va_end(ap);
  if (rc) return rc;
  if (changed) *changed += (int64_t)d->lib.rows_changed(&r);
  d->lib.destroy_result(&r);
  return CQ_OK;
}

int duck_select(duck *d, duck_result *out, cq_error *err, const char *fmt,
                ...) {
  va_list ap;
  int rc;

  va_start(ap, fmt);
  rc = execute_args(d, out, err, fmt, ap);
  va_end(ap);
  return rc;
}

char *duck_text(duck *d, duck_result *r, cq_arena *a, uint64_t row,
                int column) {
  char *s = d->lib.value_varchar(r, (uint64_t)column, row);
  char *out = cq_arena_strndup(a, s ? s : "", s ? strlen(s) : 0);

  if (s) d->lib.free(s);
  return out;
}

int64_t duck_int(duck *d, duck_result *r, uint64_t row, int column) {
  char *s = d->lib.value_varchar(r, (uint64_t)column, row);
  int64_t v = s ? strtoll(s, NULL, 10) : 0;

  if (s) d->lib.free(s);
  return v;
}

int duck_is_null(duck *d, duck_result *r, uint64_t row, int column) {
  char *s = d->lib.value_varchar(r, (uint64_t)column, row);

  if (s) d->lib.free(s);
  return !s;
}

int duck_one(duck *d, int64_t *out, cq_error *err, const char *fmt, ...) {
  duck_result r;
  va_list ap;
  int rc;

  *out = 0;
  va_start(ap, fmt);
  rc = execute_args(d, &r, err, fmt, ap);
  va_end(ap);
  if (rc) return rc;
  if (d->lib.row_count(&r) > 0) *out = duck_int(d, &r, 0, 0);
  d->lib.destroy_result(&r);
  return CQ_OK;
}

/* ---- transactions --------------------------------------------------------------- */

int duck_begin_work(duck *d, cq_error *err) {
  int rc = d->open ? CQ_OK : duck_do(d, NULL, err, "BEGIN TRANSACTION");

  if (rc == CQ_OK) d->open = 1;
  return rc;
}

int duck_end_work(duck *d, int rc, cq_error *err) {
  int (*asks)(void *) = d->interrupted;

  if (!d->open) return rc;
  d->open = 0;
  if (rc == CQ_OK) rc = duck_do(d, NULL, err, "COMMIT");
  if (rc == CQ_OK) return rc;
  d->interrupted = NULL; /* whatever the reason, it ends */
  duck_do(d, NULL, NULL, "ROLLBACK");
  d->interrupted = asks;
  return rc;
}

/* ---- SQL that cq ships ------------------------------------------------------------ */

/* Statement by statement: each ends in ";" at the end of a line. */
int duck_script(duck *d, const char *path, cq_error *err) {
  char *text = cq_sql_shipped(path);
  int rc = text ? CQ_OK : cq_error_nomem(err);

  for (char *p = text; p && *p && rc == CQ_OK;) {
    char *end = strstr(p, ";\n");
    cq_buf b;

    if (!end) break;
    *end = 0;
    cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
    cq_sql_in_schema(&b, p, d->schema);
    rc = b.rc ? cq_error_nomem(err) : duck_do(d, NULL, err, "%s", b.data);
    cq_buf_clear(&b);
    p = end + 2;
  }
  cq_free(text);
  return rc;
}
