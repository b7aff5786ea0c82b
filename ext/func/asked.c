/* ext/func/asked.c: may a function that acts run: does whoever writes the SQL
 * want it, and does no sync run?
 *
 * While a sync writes, nobody's statement can call anything on its connection:
 * what does is a schema's, though the statement may name the same function. */
#include "func/func.h"

int cq_func_asked(sqlite3_context *x, const char *name) {
  const cq_ctx *ctx = sqlite3_user_data(x);
  cq_error err = {0, ""};

  if (!cq_named_call(ctx->db, name)) {
    cq_error_set(&err, CQ_MISUSE, "unsafe use of %s()", name);
    cq_error_hint(&err,
                  "the schema of a database calls it; only statements may");
  } else if (ctx->syncing) {
    cq_error_set(&err, CQ_BUSY, "%s: a sync is running on this connection",
                 name);
  }
  if (err.code) cq_func_error(x, &err);
  return !err.code;
}
