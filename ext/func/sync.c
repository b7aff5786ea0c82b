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

/* spec: or NULL. */
static int call_of(cq_ctx *ctx, const char *name, sqlite3_value *spec,
                   cq_sync_call *c, cq_error *err) {
  memset(c, 0, sizeof *c);
  c->db = ctx->db;
  c->env = &ctx->env;
  c->config = cq_ctx_config;
  c->user = ctx;
  return spec ? cq_func_text(name, "spec", spec, &c->spec, err) : CQ_OK;
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
  rc = call_of(ctx, name, argv[0], &c, &err);
  if (rc == CQ_OK && argc > 1 && sqlite3_value_type(argv[1]) != SQLITE_NULL)
    rc = cq_func_text(name, "options", argv[1], &c.options, &err);
  if (rc == CQ_OK) rc = cq_ctx_open(ctx, &err);
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
  sqlite3_int64 keep;
  cq_error err = {0, ""};
  cq_sync_call c;
  cq_buf out;
  int rc;

  if (!cq_func_asked(x, "cq_prune")) return;
  cq_buf_init(&out, CQ_MAX_RECORD_BYTES);
  rc = call_of(ctx, "cq_prune", argc > 1 ? argv[1] : NULL, &c, &err);
  if (!cq_func_whole(argv[0], &keep) || keep < 1)
    rc = cq_error_set(&err, CQ_MISUSE,
                      "cq_prune: keep: expected a whole number from 1 on");
  if (rc == CQ_OK && argc > 1) rc = cq_ctx_open(ctx, &err);
  if (rc == CQ_OK) {
    ctx->syncing = 1;
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
