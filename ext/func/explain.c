/* ext/func/explain.c: cq_explain(sql): the requests that a statement would make.
 *
 * The statement is planned, not run: in its program, as program.c reads it, each
 * scan of a live table is a VFilter whose P4 is the idxStr that the plan chose,
 * and whose arguments stand in registers.  The same code that opens scans
 * predicts them. */
#include "func/func.h"

#include <stdlib.h>
#include <string.h>

typedef struct explained {
  cq_ctx *ctx;
  cq_program program;
  cq_prediction steps; /* of all scans */
} explained;

/* The live table that a cursor reads; EXPLAIN shows its address. */
static const cq_live *cursor_table(const explained *p, size_t at, int cursor) {
  const char *opened = cq_program_opened(&p->program, at, cursor);
  const cq_live *found = NULL;

  for (cq_live *v = p->ctx->tables; v && !found; v = v->next) {
    char *address = sqlite3_mprintf("vtab:%p", (void *)&v->base);

    if (address && strcmp(address, opened) == 0) found = v;
    sqlite3_free(address);
  }
  return found;
}

/* A list's values are compared as the column's type has them. */
static int as_column(explained *p, const cq_column *c, cq_value *v,
                     int *known) {
  if (v->kind != CQ_INT && v->kind != CQ_DOUBLE) return CQ_OK;
  if (strcmp(cq_type_sql(c->type), "TEXT") != 0) return CQ_OK;
  *known &= v->kind == CQ_INT;
  return cq_value_to_text(&p->program.arena, v, v);
}

/* The values of an IN list, as they are put into its table. */
static int in_list(explained *p, size_t at, int reg, const cq_column *c,
                   cq_pushed *out) {
  cq_value *v;
  int known, rc = cq_program_list(&p->program, at, reg, &v, &out->n, &known);

  for (size_t i = 0; i < out->n && known && rc == CQ_OK; i++)
    rc = as_column(p, c, &v[i], &known);
  out->values = rc ? NULL : v;
  out->unknown = !known;
  return rc;
}

/* How often the scan is made. */
static void runs(const explained *p, size_t at, cq_buf *out) {
  int cursor;

  if (cq_program_loop(&p->program, at, &cursor)) {
    const cq_live *outer = cursor_table(p, at, cursor);

    cq_buf_str(out, "each row of ");
    cq_buf_str(out, outer ? outer->name : "another table");
  } else if (cq_program_fired(&p->program, at)) {
    cq_buf_str(out, "each row that a trigger is for");
  } else {
    cq_buf_str(out, "once");
  }
}

static void put_text(cq_buf *b, const char *key, const char *s) {
  cq_buf_printf(b, ",\"%s\":", key);
  cq_buf_json(b, s ? s : "", s ? strlen(s) : 0);
}

/* Names of the terms whose values only the running statement knows. */
static void put_unknown(cq_buf *b, const cq_table *t, const cq_pushdown *d,
                        const cq_pushed *values) {
  int n = 0;

  cq_buf_str(b, ",\"unknown\":[");
  for (int i = 0; i < d->nitem; i++) {
    const char *name = t->columns[d->item[i].column].name;

    if (!values[i].unknown) continue;
    cq_buf_str(b, n++ ? "," : "");
    cq_buf_json(b, name, strlen(name));
  }
  cq_buf_byte(b, ']');
}

/* LIMIT and OFFSET as a number of rows; -1 = none, or not known. */
static int64_t scan_cap(cq_program *p, size_t at, const cq_pushdown *d) {
  int reg = p->ops[at].p3 + 2 + d->nitem;
  cq_value limit, offset = cq_value_int(0);

  if (!d->limit || !cq_program_constant(p, at, reg, &limit) ||
      limit.kind != CQ_INT || limit.u.i < 0 ||
      (d->offset && (!cq_program_constant(p, at, reg + 1, &offset) ||
                     offset.kind != CQ_INT)))
    return -1;
  if (offset.u.i < 0) offset.u.i = 0;
  return limit.u.i > INT64_MAX - offset.u.i ? -1 : limit.u.i + offset.u.i;
}

/* The values that the plan's terms have. */
static int scan_values(explained *p, size_t at, const cq_table *t,
                       const cq_pushdown *d, cq_pushed *values) {
  for (int i = 0; i < d->nitem; i++) {
    int reg = p->program.ops[at].p3 + 2 + i, rc = CQ_OK;
    cq_value *one = cq_arena_alloc(&p->program.arena, sizeof *one);

    if (!one) return CQ_NOMEM;
    if (d->item[i].op == CQ_P_IN) {
      rc = in_list(p, at, reg, &t->columns[d->item[i].column], &values[i]);
    } else {
      values[i].unknown = !cq_program_constant(&p->program, at, reg, one);
      values[i].values = one;
      values[i].n = 1;
    }
    if (rc) return rc;
  }
  return CQ_OK;
}

static int explain_scan(explained *p, size_t at, const cq_live *v, int number,
                        cq_buf *out, cq_error *err) {
  const cq_op *f = &p->program.ops[at];
  cq_arena *arena = &p->program.arena;
  const cq_table *t = v->table;
  size_t first = p->steps.n;
  cq_pushed values[CQ_PUSH_MAX];
  cq_pushdown d;
  cq_bound bound;
  cq_scan_options o;
  int rc;

  memset(values, 0, sizeof values);
  memset(&o, 0, sizeof o);
  if (cq_pushdown_parse(t, f->p4, &d))
    return cq_error_set(err, CQ_ERROR,
                        "cq_explain: %s: plan cannot be read: %s", t->name,
                        f->p4);
  rc = scan_values(p, at, t, &d, values);
  if (rc == CQ_OK) rc = cq_pushdown_bind(t, &d, values, arena, &bound);
  if (rc) return cq_error_nomem(err);
  o.cap = bound.whole ? scan_cap(&p->program, at, &d) : -1;
  o.cap_sure = cq_pushdown_limit_sure();
  if (bound.none || o.cap == 0) return CQ_OK;
  rc = cq_ctx_source(p->ctx, t->integration, &o.source, err);
  if (rc) return rc;
  o.env = &p->ctx->env;
  o.table = t;
  o.constraints = bound.c;
  o.nconstraint = bound.n;
  o.live = 1;
  o.wanted = cq_pushdown_wanted(t, d.used, arena);
  rc = o.wanted ? cq_scan_predict(&o, &p->steps, err) : cq_error_nomem(err);
  if (rc) cq_error_prefix(err, "cq_explain: ");
  for (size_t i = first; i < p->steps.n && rc == CQ_OK; i++) {
    const cq_plan_step *s = &p->steps.steps[i];
    cq_buf loop;

    cq_buf_init(&loop, CQ_MAX_TEMPLATE);
    runs(p, at, &loop);
    cq_buf_printf(out, "%s{\"scan\":%d", out->len > 1 ? "," : "", number);
    put_text(out, "table", s->table);
    put_text(out, "purpose", s->purpose);
    put_text(out, "method", s->method);
    put_text(out, "url", s->url);
    put_text(out, "operation", s->operation);
    if (s->requests < 0)
      cq_buf_str(out, ",\"requests\":null");
    else
      cq_buf_printf(out, ",\"requests\":%lld", (long long)s->requests);
    put_text(out, "repeats", s->repeats);
    if (o.cap > 0 && s->table == t->name)
      cq_buf_printf(out, ",\"enough\":%lld", (long long)o.cap);
    else
      cq_buf_str(out, ",\"enough\":null");
    put_text(out, "runs", loop.data);
    put_text(out, "plan", f->p4);
    put_unknown(out, t, &d, values);
    cq_buf_byte(out, '}');
    if (loop.rc) rc = cq_error_nomem(err);
    cq_buf_clear(&loop);
  }
  return rc;
}

/* Is nothing left but blanks and comments? */
static int at_end(sqlite3 *db, const char *tail) {
  sqlite3_stmt *more = NULL;
  int rc = SQLITE_OK;

  while (*tail && rc == SQLITE_OK && !more)
    rc = sqlite3_prepare_v2(db, tail, -1, &more, &tail);
  sqlite3_finalize(more);
  return rc == SQLITE_OK && !more;
}

static int explain_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
                           cq_error *err) {
  const char *tail = NULL;
  char *text;
  int rc;

  /* SQLite does what many of them say while it plans them. */
  if (cq_named_first(sql, "pragma"))
    return cq_error_set(err, CQ_ERROR,
                        "cq_explain: a PRAGMA reads no live table");
  text = sqlite3_mprintf("EXPLAIN %s", sql);
  rc = text ? sqlite3_prepare_v2(db, text, -1, stmt, &tail) : SQLITE_NOMEM;
  if (rc)
    rc = cq_error_set(
        err, rc == SQLITE_NOMEM ? CQ_NOMEM : CQ_ERROR, "cq_explain: %s",
        rc == SQLITE_NOMEM ? "out of memory" : sqlite3_errmsg(db));
  else if (!*stmt || sqlite3_stmt_isexplain(*stmt) != 1)
    rc = cq_error_set(err, CQ_ERROR, "cq_explain: expected a statement");
  else if (!at_end(db, tail))
    rc = cq_error_set(err, CQ_ERROR, "cq_explain: expected one statement only");
  sqlite3_free(text);
  return rc;
}

void cq_func_explain(sqlite3_context *x, int argc, sqlite3_value **argv) {
  const char *sql;
  sqlite3 *db = sqlite3_context_db_handle(x);
  sqlite3_stmt *stmt = NULL;
  cq_error err = {0, ""};
  explained p;
  cq_buf out;
  int rc, number = 0;

  (void)argc;
  if (!cq_func_asked(x, "cq_explain")) return;
  memset(&p, 0, sizeof p);
  p.ctx = sqlite3_user_data(x);
  cq_arena_init(&p.steps.arena);
  cq_buf_init(&out, CQ_MAX_RECORD_BYTES);
  cq_buf_byte(&out, '[');
  rc = cq_func_text("cq_explain", "sql", argv[0], &sql, &err);
  if (rc == CQ_OK) rc = explain_prepare(db, sql, &stmt, &err);
  if (rc == CQ_OK) rc = cq_program_read(&p.program, db, stmt, &err);
  /* The statement stays until the end: it keeps its tables connected. */
  for (size_t i = 0; rc == CQ_OK && cq_program_scan(&p.program, &i); i++) {
    const cq_live *v = cursor_table(&p, i, p.program.ops[i].p1);

    if (v) rc = explain_scan(&p, i, v, ++number, &out, &err);
  }
  cq_buf_byte(&out, ']');
  sqlite3_finalize(stmt);
  cq_prediction_clear(&p.steps);
  cq_program_clear(&p.program);
  if (rc) {
    cq_buf_clear(&out);
    cq_func_error(x, &err);
    return;
  }
  cq_func_json(x, &out);
}
