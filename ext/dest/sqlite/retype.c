/* ext/dest/sqlite/retype.c: a column's values as one of another type has them: a
 * function of SQL, for the statement that copies a table's rows. */
#include "dest/sqlite/internal.h"

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

#define REREAD "cq_reread"

/* What it is in a STRICT table: such values alone are taken. */
static void result(sqlite3_context *ctx, cq_reread *r, const char *declared,
                   const cq_value *v) {
  int fits = v->kind == (*declared == 'I'   ? CQ_INT
                         : *declared == 'R' ? CQ_DOUBLE
                         : *declared == 'B' ? CQ_BYTES
                                            : CQ_STR);

  if (v->kind == CQ_NULL) return;
  if (!fits)
    cq_reread_lost(r, v);
  else if (v->kind == CQ_INT)
    sqlite3_result_int64(ctx, v->u.i);
  else if (v->kind == CQ_DOUBLE)
    sqlite3_result_double(ctx, v->u.r);
  else if (v->kind == CQ_BYTES)
    sqlite3_result_blob64(ctx, v->len ? v->u.s : "", v->len, SQLITE_TRANSIENT);
  else
    sqlite3_result_text64(ctx, v->len ? v->u.s : "", v->len, SQLITE_TRANSIENT,
                          SQLITE_UTF8);
}

void lite_reread(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  cq_reread *r = sqlite3_value_pointer(argv[0], REREAD);
  cq_value old = cq_value_null(), v = old;
  cq_arena a;
  int rc;

  (void)argc;
  if (!r) return;
  switch (sqlite3_value_type(argv[1])) {
  case SQLITE_INTEGER:
    old = cq_value_int(sqlite3_value_int64(argv[1]));
    break;
  case SQLITE_FLOAT:
    old = cq_value_real(sqlite3_value_double(argv[1]));
    break;
  case SQLITE_TEXT:
    old.u.s = (const char *)sqlite3_value_text(argv[1]);
    old = cq_value_str(old.u.s, (size_t)sqlite3_value_bytes(argv[1]));
    break;
  case SQLITE_BLOB:
    old.u.s = sqlite3_value_blob(argv[1]);
    old = cq_value_str(old.u.s ? old.u.s : "",
                       (size_t)sqlite3_value_bytes(argv[1]));
    old.kind = CQ_BYTES;
    break;
  default:
    return;
  }
  cq_arena_init(&a);
  rc = old.kind >= CQ_STR && !old.u.s ? CQ_NOMEM
                                      : cq_reread_value(r, &a, &old, &v);
  if (rc)
    sqlite3_result_error_nomem(ctx);
  else
    result(ctx, r, cq_type_sql(cq_dest_type(r->table, r->column)), &v);
  cq_arena_clear(&a);
}

/* Runs the statement, whose ?1 to ?n are for lite_reread. */
int lite_retype(cq_lite *d, cq_dest_table *t, const char *sql, cq_reread *r,
                int n, cq_error *err) {
  sqlite3_stmt *s;
  int rc = lite_prepare(d, &s, err, "%s", sql);

  if (rc) return rc;
  for (int i = 0; i < n && rc == SQLITE_OK; i++)
    rc = sqlite3_bind_pointer(s, i + 1, &r[i], REREAD, NULL);
  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  sqlite3_finalize(s);
  if (rc != SQLITE_DONE) return lite_fail(d, rc, t->def->name, err);
  for (int i = 0; i < n; i++) cq_reread_told(t, &r[i]);
  return CQ_OK;
}
