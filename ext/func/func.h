/* ext/func/func.h: the SQL functions: argument checks and a call into a room
 * below.  The list that registers them is in ext/cq.c. */
#ifndef CQ_FUNC_H
#define CQ_FUNC_H

#include "vtab/vtab.h"

/* cq_version() -> "v0.1.0" */
void cq_func_version(sqlite3_context *x, int argc, sqlite3_value **argv);
/* cq_debug() -> lines of versions: cq, SQLite, the libraries */
void cq_func_debug(sqlite3_context *x, int argc, sqlite3_value **argv);
/* cq_config(key[, value]): reads or sets `cache_ttl` (seconds) or a setting of
 * an integration, '<integration>.<key>'; lists as JSON.  Returns the value;
 * secrets read as '***'. */
void cq_func_config(sqlite3_context *x, int argc, sqlite3_value **argv);
/* cq_load(path) -> number of tables that the file or folder added */
void cq_func_load(sqlite3_context *x, int argc, sqlite3_value **argv);

#endif
