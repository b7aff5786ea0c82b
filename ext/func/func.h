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

/* ---- asked.c ---- */
/* Bool: somebody's statement names the function; else its error is set, and
 * nothing may be done.  Every function that acts asks first. */
int cq_func_asked(sqlite3_context *x, const char *name);

/* Gives `json` as the result (cleared), with JSON's subtype. */
void cq_func_json(sqlite3_context *x, cq_buf *json);

#endif
