/* ext/func/func.h: the SQL functions: checks of arguments, and a call into a
 * room below.  The list that registers them is in ext/cq.c; each has the
 * cq_ctx as its user data. */
#ifndef CQ_FUNC_H
#define CQ_FUNC_H

#include "vtab/vtab.h"

/* ---- basic.c ---- */
void cq_func_version(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_debug(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_config(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_load(sqlite3_context *x, int argc, sqlite3_value **argv);

/* ---- sync.c ---- */
void cq_func_sync(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_plan(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_validate(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_migrate(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_test(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_permissions(sqlite3_context *x, int argc, sqlite3_value **argv);
void cq_func_prune(sqlite3_context *x, int argc, sqlite3_value **argv);

/* ---- explain.c ---- */
void cq_func_explain(sqlite3_context *x, int argc, sqlite3_value **argv);

/* ---- program.c: what EXPLAIN says of a statement ---- */
typedef enum cq_op_code {
  CQ_OP_OTHER,
  CQ_OP_INTEGER,
  CQ_OP_INT64,
  CQ_OP_REAL,
  CQ_OP_TEXT,
  CQ_OP_NULL,
  CQ_OP_COPY,
  CQ_OP_AFFINITY,
  CQ_OP_ONCE,
  CQ_OP_OPEN, /* a virtual table's cursor */
  CQ_OP_SCAN,
  CQ_OP_LIST,  /* makes an IN list an argument of a scan */
  CQ_OP_INSERT /* puts a value into it */
} cq_op_code;
typedef struct cq_op {
  cq_op_code code;
  int does; /* program.c's */
  int p1, p2, p3;
  const char *p4;
  size_t part; /* the first operation of its program */
} cq_op;
typedef struct cq_program {
  cq_arena arena;
  cq_op *ops;
  size_t n, cap;
  struct cq_op_writer *writers; /* by program, register and place */
  size_t nwriter, capwriter;
  size_t *entry; /* the next operation behind each that a jump leads to */
} cq_program;
/* stmt: an EXPLAIN.  To be cleared also where it fails. */
int cq_program_read(cq_program *p, sqlite3 *db, sqlite3_stmt *stmt,
                    cq_error *err);
void cq_program_clear(cq_program *p);
/* Bool: the next scan from *at on, which is moved there. */
int cq_program_scan(const cq_program *p, size_t *at);
/* What EXPLAIN writes for the virtual table that a cursor reads; "" = none. */
const char *cq_program_opened(const cq_program *p, size_t at, int cursor);
/* Bool: the constant that a register holds when operation `at` runs. */
int cq_program_constant(cq_program *p, size_t at, int reg, cq_value *out);
/* The values of the IN list that a scan's argument is; CQ_OK or CQ_NOMEM. */
int cq_program_list(cq_program *p, size_t at, int reg, cq_value **out,
                    size_t *n, int *known);
/* Bools: it is a trigger's; it is in a loop over a cursor (the innermost) that is
 * not its own. */
int cq_program_fired(const cq_program *p, size_t at);
int cq_program_loop(const cq_program *p, size_t at, int *cursor);

/* ---- asked.c ---- */
/* Bool: somebody's statement calls the function, and no sync runs; else its
 * error is set, and nothing may be done.  Every function that acts asks first. */
int cq_func_asked(sqlite3_context *x, const char *name);

/* An argument's text.  CQ_MISUSE where it is NULL, or holds U+0000, behind which
 * nothing would be read. */
int cq_func_text(const char *function, const char *argument, sqlite3_value *v,
                 const char **out, cq_error *err);

/* Bool: a whole number.  Hosts without integers, as Node.js, give 5 as 5.0. */
int cq_func_whole(sqlite3_value *v, sqlite3_int64 *out);

/* Gives `json` as the result (cleared), with JSON's subtype. */
void cq_func_json(sqlite3_context *x, cq_buf *json);

#endif
