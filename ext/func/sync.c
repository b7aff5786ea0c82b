/* ext/func/sync.c: the functions of a sync spec: cq_sync, cq_plan, cq_validate,
 * cq_migrate, cq_test, cq_permissions; and cq_prune. */
#include "func/func.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

typedef int (*sync_call)(const cq_sync_call *c, cq_buf *out, cq_error *err);

/* The setting `progress` holds where the options do not say otherwise.  Options
 * that are no JSON object go on as they are: the room below says what is wrong. */
static char *sync_options(cq_ctx *ctx, const char *given) {
  const char *progress = cq_setting_get(ctx, "progress");
  json_t *o = given ? json_loads(given, 0, NULL) : json_object();
  char *text = NULL;

  if (strcmp(progress, "auto") != 0 && json_is_object(o) &&
      !json_object_get(o, "progress") &&
      json_object_set_new(o, "progress", json_string(progress)) == 0)
    text = json_dumps(o, JSON_COMPACT);
  json_decref(o);
  return text;
}

static void call_of(sqlite3_context *x, cq_ctx *ctx, sqlite3_value *spec,
                    cq_sync_call *c) {
  memset(c, 0, sizeof *c);
  c->db = sqlite3_context_db_handle(x);
  c->env = &ctx->env;
  c->spec = spec ? (const char *)sqlite3_value_text(spec) : NULL;
  c->config = cq_ctx_config;
  c->user = ctx;
}

static void sync_run(sqlite3_context *x, const char *name, sync_call call,
                     int argc, sqlite3_value **argv, int with_options) {
  cq_ctx *ctx = sqlite3_user_data(x);
  cq_sync_call c;
  cq_error err = {0, ""};
  char *options = NULL;
  cq_buf out;
  int rc;

  if (!cq_func_asked(x, name)) return;
  cq_buf_init(&out, CQ_MAX_RECORD_BYTES);
  call_of(x, ctx, argv[0], &c);
  c.options = argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
  if (!c.spec)
    rc = cq_error_set(&err, CQ_MISUSE, "%s: spec: is NULL", name);
  else
    rc = cq_ctx_open(ctx, &err);
  if (rc == CQ_OK) {
    options = with_options ? sync_options(ctx, c.options) : NULL;
    if (options) c.options = options;
    ctx->syncing = 1;
    rc = call(&c, &out, &err);
    ctx->syncing = 0;
  }
  free(options); /* jansson's */
  if (rc) {
    cq_func_error(x, &err);
    cq_buf_clear(&out);
    return;
  }
  cq_func_json(x, &out);
}

void cq_func_sync(sqlite3_context *x, int argc, sqlite3_value **argv) {
  sync_run(x, "cq_sync", cq_sync_run, argc, argv, 1);
}

void cq_func_plan(sqlite3_context *x, int argc, sqlite3_value **argv) {
  sync_run(x, "cq_plan", cq_sync_plan, argc, argv, 0);
}

void cq_func_validate(sqlite3_context *x, int argc, sqlite3_value **argv) {
  sync_run(x, "cq_validate", cq_sync_validate, argc, argv, 0);
}

void cq_func_migrate(sqlite3_context *x, int argc, sqlite3_value **argv) {
  sync_run(x, "cq_migrate", cq_sync_migrate, argc, argv, 0);
}

void cq_func_test(sqlite3_context *x, int argc, sqlite3_value **argv) {
  sync_run(x, "cq_test", cq_sync_test, argc, argv, 0);
}

void cq_func_permissions(sqlite3_context *x, int argc, sqlite3_value **argv) {
  sync_run(x, "cq_permissions", cq_sync_permissions, argc, argv, 0);
}

void cq_func_prune(sqlite3_context *x, int argc, sqlite3_value **argv) {
  cq_ctx *ctx = sqlite3_user_data(x);
  sqlite3_int64 keep = sqlite3_value_int64(argv[0]);
  cq_error err = {0, ""};
  cq_sync_call c;
  cq_buf out;
  int rc;

  if (!cq_func_asked(x, "cq_prune")) return;
  cq_buf_init(&out, CQ_MAX_RECORD_BYTES);
  call_of(x, ctx, argc > 1 ? argv[1] : NULL, &c);
  if (sqlite3_value_numeric_type(argv[0]) != SQLITE_INTEGER || keep < 1) {
    rc = cq_error_set(&err, CQ_MISUSE,
                      "cq_prune: keep: expected a whole number from 1 on");
  } else if (argc > 1 && !c.spec) {
    rc = cq_error_set(&err, CQ_MISUSE, "cq_prune: spec: is NULL");
  } else {
    rc = argc > 1 ? cq_ctx_open(ctx, &err) : CQ_OK;
    ctx->syncing = 1;
    if (rc == CQ_OK)
      rc = argc > 1 ? cq_sync_prune_spec(&c, keep, &out, &err)
                    : cq_sync_prune(c.db, keep, &out, &err);
    ctx->syncing = 0;
  }
  if (rc) {
    cq_func_error(x, &err);
    cq_buf_clear(&out);
    return;
  }
  cq_func_json(x, &out);
}
