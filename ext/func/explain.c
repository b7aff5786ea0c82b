/* ext/func/explain.c: cq_explain(sql): the requests that a statement would make.
 *
 * The statement is planned, not run: SQLite's own EXPLAIN lists its program, in
 * which each scan of a live table is a VFilter whose P4 is the idxStr that the
 * plan chose, and whose arguments stand in registers.  What fills a register
 * with a constant is read off the program; what comes from another table's row
 * or a parameter is known to the running statement only.  Then the same code
 * that opens scans predicts them. */
#include "func/func.h"

#include <stdlib.h>
#include <string.h>

typedef struct op {
  const char *code, *p4;
  int p1, p2, p3;
} op;

typedef struct program {
  cq_ctx *ctx;
  cq_arena arena;
  op *ops;
  size_t n, cap;
  cq_prediction steps; /* of all scans */
} program;

static const char *column_copy(cq_arena *a, sqlite3_stmt *s, int i) {
  const char *text = (const char *)sqlite3_column_text(s, i);

  return cq_arena_strndup(a, text ? text : "",
                          (size_t)sqlite3_column_bytes(s, i));
}

static int program_read(program *p, sqlite3 *db, sqlite3_stmt *stmt,
                        cq_error *err) {
  int rc;

  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    op *o;

    if (cq_grow(&p->ops, &p->cap, p->n, sizeof *p->ops))
      return cq_error_nomem(err);
    o = &p->ops[p->n++];
    o->code = column_copy(&p->arena, stmt, 1);
    o->p1 = sqlite3_column_int(stmt, 2);
    o->p2 = sqlite3_column_int(stmt, 3);
    o->p3 = sqlite3_column_int(stmt, 4);
    o->p4 = column_copy(&p->arena, stmt, 5);
    if (!o->code || !o->p4) return cq_error_nomem(err);
  }
  return rc == SQLITE_DONE ? CQ_OK
                           : cq_error_set(err, rc, "%s", sqlite3_errmsg(db));
}

static int is(const op *o, const char *code) {
  return strcmp(o->code, code) == 0;
}

/* The live table that a cursor reads; EXPLAIN shows its address. */
static const cq_live *cursor_table(const program *p, int cursor) {
  const cq_live *found = NULL;

  for (size_t i = 0; i < p->n && !found; i++) {
    if (!is(&p->ops[i], "VOpen") || p->ops[i].p1 != cursor) continue;
    for (cq_live *v = p->ctx->tables; v && !found; v = v->next) {
      char *address = sqlite3_mprintf("vtab:%p", (void *)&v->base);

      if (address && strcmp(address, p->ops[i].p4) == 0) found = v;
      sqlite3_free(address);
    }
  }
  return found;
}

/* Operators that leave in P3 what only a running statement knows. */
static int computes(const op *o) {
  static const char *const codes[] = {
      "Column", "VColumn",  "Function",  "PureFunc",   "Concat",
      "Add",    "Subtract", "Multiply",  "Divide",     "Remainder",
      "BitAnd", "BitOr",    "ShiftLeft", "ShiftRight", "And",
      "Or",     "AggValue", "AggFinal",  "ReadCookie"};

  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (is(o, codes[i])) return 1;
  return 0;
}

/* Operators that leave in P2 a value; of some it is known. */
static int loads(const op *o) {
  static const char *const codes[] = {
      "Integer", "Int64",    "Real",     "String8",  "String", "Null", "Blob",
      "SCopy",   "Copy",     "IntCopy",  "Variable", "Rowid",  "Not",  "BitNot",
      "IsTrue",  "Sequence", "NewRowid", "RowData",  "Count"};

  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (is(o, codes[i])) return 1;
  return 0;
}

static int writes(const op *o, int reg) {
  /* NULL may go to a row of registers. */
  if (is(o, "Null") && o->p3 > o->p2) return reg >= o->p2 && reg <= o->p3;
  return (loads(o) && o->p2 == reg) || (computes(o) && o->p3 == reg);
}

/* Does any jump lead behind op `from`, up to `to`?  Then what was written at
 * `from` is not sure to be there at `to`. */
static int entered(const program *p, size_t from, size_t to) {
  for (size_t i = 0; i < p->n; i++) {
    const op *o = &p->ops[i];

    if (!loads(o) && !computes(o) && !is(o, "MakeRecord") &&
        !is(o, "IdxInsert") && !is(o, "OpenEphemeral") && !is(o, "VOpen") &&
        !is(o, "OpenRead") && !is(o, "ResultRow") && !is(o, "Affinity") &&
        !is(o, "Transaction") && !is(o, "VInitIn") && o->p2 > (int)from &&
        o->p2 <= (int)to)
      return 1;
  }
  return 0;
}

/* A comparison's affinity may turn what a register holds into another value,
 * before the scan at `at` reads it; 0 = into one that is not known here. */
static int with_affinity(program *p, size_t from, size_t at, int reg,
                         cq_value *v) {
  /* A constant set at the program's end is set before all else. */
  for (size_t i = from < at ? from + 1 : 0; i < at; i++) {
    const op *o = &p->ops[i];
    int k = reg - o->p1;

    if (!is(o, "Affinity") || k < 0 || k >= o->p2 || k >= (int)strlen(o->p4) ||
        v->kind == CQ_NULL || o->p4[k] == 'A')
      continue;
    if (o->p4[k] == 'B' ? v->kind == CQ_STR : v->kind != CQ_STR) continue;
    if (o->p4[k] != 'B' || v->kind != CQ_INT ||
        cq_value_to_text(&p->arena, v, v))
      return 0;
  }
  return 1;
}

/* The constant that register `reg` holds when op `at` runs; 0 = not known. */
static int constant(program *p, size_t at, int reg, int depth, cq_value *out) {
  const op *o = NULL;
  size_t from = 0, times = 0;

  for (size_t i = 0; i < p->n; i++) {
    if (!writes(&p->ops[i], reg)) continue;
    times++;
    /* Constants may be set at the program's end, where it begins. */
    if (i < at || !o) {
      o = &p->ops[i];
      from = i;
    }
  }
  if (!o || depth > 8) return 0;
  if (times > 1 && (from > at || entered(p, from, at))) return 0;
  if (is(o, "Integer"))
    *out = cq_value_int(o->p1);
  else if (is(o, "String8") || is(o, "String"))
    *out = cq_value_text(o->p4);
  else if (is(o, "Real"))
    *out = cq_value_real(cq_strtod(o->p4, NULL));
  else if (is(o, "Int64"))
    return cq_number_parse(o->p4, strlen(o->p4), out) == CQ_OK &&
           with_affinity(p, from, at, reg, out);
  else if (is(o, "Null"))
    *out = cq_value_null();
  else if (is(o, "SCopy") || is(o, "Copy") || is(o, "IntCopy"))
    return constant(p, from, o->p1, depth + 1, out) &&
           with_affinity(p, from, at, reg, out);
  else
    return 0;
  return with_affinity(p, from, at, reg, out);
}

/* A list's values are compared as the column's type has them. */
static int as_column(program *p, const cq_column *c, cq_value *v, int *known) {
  if (v->kind != CQ_INT && v->kind != CQ_DOUBLE) return CQ_OK;
  if (strcmp(cq_type_sql(c->type), "TEXT") != 0) return CQ_OK;
  *known &= v->kind == CQ_INT;
  return cq_value_to_text(&p->arena, v, v);
}

/* The values of an IN list, as they are put into its table. */
static int in_list(program *p, size_t at, int reg, const cq_column *c,
                   cq_pushed *out) {
  const op *init = NULL;
  cq_value *v;

  for (size_t i = 0; i < at; i++)
    if (is(&p->ops[i], "VInitIn") && p->ops[i].p2 == reg) init = &p->ops[i];
  v = cq_arena_alloc(&p->arena, (p->n + 1) * sizeof *v);
  if (!v) return CQ_NOMEM;
  out->values = v;
  out->unknown = !init;
  for (size_t i = 0; init && i < p->n; i++) {
    const op *o = &p->ops[i];

    int known;

    /* The key is a record, made just before of the register that is given. */
    if (!is(o, "IdxInsert") || o->p1 != init->p1) continue;
    known = constant(p, i, o->p3, 0, &v[out->n]);
    if (known && as_column(p, c, &v[out->n], &known)) return CQ_NOMEM;
    out->n++;
    out->unknown |= !known;
  }
  if (out->n == 0) out->unknown = 1;
  return CQ_OK;
}

/* The innermost loop around op `at` that is not its own.  What stands behind a
 * Once runs once, whatever is around that. */
static void loop_around(const program *p, size_t at, cq_buf *out) {
  const op *in = NULL;
  size_t once = 0;

  for (size_t i = 0; i < at; i++)
    if (is(&p->ops[i], "Once") && p->ops[i].p2 > (int)at) once = i;
  for (size_t i = at + 1; i < p->n; i++) {
    const op *o = &p->ops[i];

    if ((is(o, "Next") || is(o, "VNext") || is(o, "Prev") ||
         is(o, "SorterNext")) &&
        (size_t)o->p2 <= at && (size_t)o->p2 >= once &&
        o->p1 != p->ops[at].p1 && (!in || o->p2 > in->p2))
      in = o;
  }
  if (in) {
    const cq_live *outer = cursor_table(p, in->p1);

    cq_buf_str(out, "each row of ");
    cq_buf_str(out, outer ? outer->name : "another table");
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
static int64_t scan_cap(program *p, size_t at, const cq_pushdown *d) {
  int reg = p->ops[at].p3 + 2 + d->nitem;
  cq_value limit, offset = cq_value_int(0);

  if (!d->limit || !constant(p, at, reg, 0, &limit) || limit.kind != CQ_INT ||
      limit.u.i < 0 ||
      (d->offset &&
       (!constant(p, at, reg + 1, 0, &offset) || offset.kind != CQ_INT)))
    return -1;
  if (offset.u.i < 0) offset.u.i = 0;
  return limit.u.i > INT64_MAX - offset.u.i ? -1 : limit.u.i + offset.u.i;
}

/* The values that the plan's terms have. */
static int scan_values(program *p, size_t at, const cq_table *t,
                       const cq_pushdown *d, cq_pushed *values) {
  for (int i = 0; i < d->nitem; i++) {
    int reg = p->ops[at].p3 + 2 + i, rc = CQ_OK;
    cq_value *one = cq_arena_alloc(&p->arena, sizeof *one);

    if (!one) return CQ_NOMEM;
    if (d->item[i].op == CQ_P_IN) {
      rc = in_list(p, at, reg, &t->columns[d->item[i].column], &values[i]);
    } else {
      values[i].unknown = !constant(p, at, reg, 0, one);
      values[i].values = one;
      values[i].n = 1;
    }
    if (rc) return rc;
  }
  return CQ_OK;
}

static int explain_scan(program *p, size_t at, const cq_live *v, int number,
                        cq_buf *out, cq_error *err) {
  const op *f = &p->ops[at];
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
  if (rc == CQ_OK) rc = cq_pushdown_bind(t, &d, values, &p->arena, &bound);
  if (rc) return cq_error_nomem(err);
  o.cap = bound.whole ? scan_cap(p, at, &d) : -1;
  o.cap_sure = cq_pushdown_limit_sure();
  if (bound.none || o.cap == 0) return CQ_OK;
  rc = cq_ctx_source(p->ctx, t->integration, &o.source, err);
  if (rc) return rc;
  o.env = &p->ctx->env;
  o.table = t;
  o.constraints = bound.c;
  o.nconstraint = bound.n;
  o.live = 1;
  o.wanted = cq_pushdown_wanted(t, d.used, &p->arena);
  rc = o.wanted ? cq_scan_predict(&o, &p->steps, err) : cq_error_nomem(err);
  if (rc) cq_error_prefix(err, "cq_explain: ");
  for (size_t i = first; i < p->steps.n && rc == CQ_OK; i++) {
    const cq_plan_step *s = &p->steps.steps[i];
    cq_buf loop;

    cq_buf_init(&loop, CQ_MAX_TEMPLATE);
    loop_around(p, at, &loop);
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

static int explain_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
                           cq_error *err) {
  char *text = sqlite3_mprintf("EXPLAIN %s", sql);
  const char *tail = NULL;
  int rc = text ? sqlite3_prepare_v2(db, text, -1, stmt, &tail) : SQLITE_NOMEM;

  if (rc)
    rc = cq_error_set(
        err, rc == SQLITE_NOMEM ? CQ_NOMEM : CQ_ERROR, "cq_explain: %s",
        rc == SQLITE_NOMEM ? "out of memory" : sqlite3_errmsg(db));
  else if (!*stmt || sqlite3_stmt_isexplain(*stmt) != 1)
    rc = cq_error_set(err, CQ_ERROR, "cq_explain: expected a statement");
  else if (tail[strspn(tail, " \t\r\n;")])
    rc = cq_error_set(err, CQ_ERROR, "cq_explain: expected one statement only");
  sqlite3_free(text);
  return rc;
}

void cq_func_explain(sqlite3_context *x, int argc, sqlite3_value **argv) {
  const char *sql = (const char *)sqlite3_value_text(argv[0]);
  sqlite3 *db = sqlite3_context_db_handle(x);
  sqlite3_stmt *stmt = NULL;
  cq_error err = {0, ""};
  program p;
  cq_buf out;
  int rc, number = 0;

  (void)argc;
  if (!cq_func_asked(x, "cq_explain")) return;
  memset(&p, 0, sizeof p);
  p.ctx = sqlite3_user_data(x);
  cq_arena_init(&p.arena);
  cq_arena_init(&p.steps.arena);
  cq_buf_init(&out, CQ_MAX_RECORD_BYTES);
  cq_buf_byte(&out, '[');
  rc = sql ? explain_prepare(db, sql, &stmt, &err)
           : cq_error_set(&err, CQ_MISUSE, "cq_explain: sql: is NULL");
  if (rc == CQ_OK) rc = program_read(&p, db, stmt, &err);
  /* The statement stays until the end: it keeps its tables connected. */
  for (size_t i = 0; i < p.n && rc == CQ_OK; i++) {
    const cq_live *v =
        is(&p.ops[i], "VFilter") ? cursor_table(&p, p.ops[i].p1) : NULL;

    if (v) rc = explain_scan(&p, i, v, ++number, &out, &err);
  }
  cq_buf_byte(&out, ']');
  sqlite3_finalize(stmt);
  cq_prediction_clear(&p.steps);
  cq_arena_clear(&p.arena);
  cq_free(p.ops);
  if (rc) {
    cq_buf_clear(&out);
    cq_func_error(x, &err);
    return;
  }
  cq_func_json(x, &out);
}
