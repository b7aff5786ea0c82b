/* ext/func/func.c: the small SQL functions. */
#include "func/func.h"

#include <curl/curl.h>
#include <jansson.h>
#include <string.h>
#include <yaml.h>

#include "cq.h"

SQLITE_EXTENSION_INIT3

static void func_fail(sqlite3_context *x, const cq_error *err) {
  sqlite3_result_error(x, err->text, -1);
  sqlite3_result_error_code(x, err->code ? err->code : SQLITE_ERROR);
}

void cq_func_version(sqlite3_context *x, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  sqlite3_result_text(x, "v" CQ_VERSION, -1, SQLITE_STATIC);
}

void cq_func_debug(sqlite3_context *x, int argc, sqlite3_value **argv) {
  int major, minor, patch;
  char *text;

  (void)argc, (void)argv;
  yaml_get_version(&major, &minor, &patch);
  text = sqlite3_mprintf(
      "cq: v%s\nSQLite: %s (compiled against %s)\nlibcurl: %s\njansson: "
      "%s\nlibyaml: %d.%d.%d",
      CQ_VERSION, sqlite3_libversion(), SQLITE_VERSION,
      curl_version_info(CURLVERSION_NOW)->version, jansson_version_str(), major,
      minor, patch);
  sqlite3_result_text(x, text, -1, sqlite3_free);
}

static void config_read(sqlite3_context *x, cq_config *c,
                        const cq_integration *in, const char *key) {
  cq_value v;
  cq_arena a;

  for (int i = 0; i < in->nconfig; i++)
    if (strcmp(in->config[i].name, key) == 0) {
      cq_arena_init(&a);
      cq_config_get(c, key, &v);
      if (v.kind == CQ_NULL)
        sqlite3_result_null(x);
      else if (in->config[i].secret)
        sqlite3_result_text(x, "***", -1, SQLITE_STATIC);
      else if (cq_value_to_text(&a, &v, &v))
        sqlite3_result_error_nomem(x);
      else
        sqlite3_result_text64(x, v.u.s, v.len, SQLITE_TRANSIENT, SQLITE_UTF8);
      cq_arena_clear(&a);
      return;
    }
}

void cq_func_config(sqlite3_context *x, int argc, sqlite3_value **argv) {
  cq_ctx *ctx = sqlite3_user_data(x);
  const char *key = (const char *)sqlite3_value_text(argv[0]);
  const char *value =
      argc > 1 ? (const char *)sqlite3_value_text(argv[1]) : NULL;
  const char *dot = key ? strchr(key, '.') : NULL;
  const cq_integration *in;
  cq_config *config;
  cq_error err = {0, ""};
  char *name;

  if (!key) {
    sqlite3_result_error(x, "cq_config: the key is NULL", -1);
    return;
  }
  if (strcmp(key, "cache_ttl") == 0) {
    if (value) {
      ctx->cache_ttl_ms = sqlite3_value_int64(argv[1]) * 1000;
      cq_cache_ttl(ctx->env.cache, ctx->cache_ttl_ms);
    }
    sqlite3_result_int64(x, ctx->cache_ttl_ms / 1000);
    return;
  }
  if (!dot) {
    name = sqlite3_mprintf("cq_config: no setting \"%s\"\nhint: cache_ttl, or "
                           "<integration>.<setting>, as in github.orgs",
                           key);
    sqlite3_result_error(x, name ? name : "out of memory", -1);
    sqlite3_free(name);
    return;
  }
  name = cq_strndup(key, (size_t)(dot - key));
  if (!name) {
    sqlite3_result_error_nomem(x);
    return;
  }
  if (cq_registry_integration(ctx->env.registry, name, &in, &err) ||
      cq_ctx_config(ctx, in, &config, &err) ||
      (value && cq_config_set(config, dot + 1, value, &err))) {
    func_fail(x, &err);
  } else {
    cq_value v;

    if (value)
      cq_ctx_forget(ctx, in);
    if (!value && cq_config_get(config, dot + 1, &v) == CQ_NOTFOUND) {
      cq_config_set(config, dot + 1, "", &err); /* words the error */
      func_fail(x, &err);
    } else {
      config_read(x, config, in, dot + 1);
    }
  }
  cq_free(name);
}

void cq_func_load(sqlite3_context *x, int argc, sqlite3_value **argv) {
  cq_ctx *ctx = sqlite3_user_data(x);
  const char *path = (const char *)sqlite3_value_text(argv[0]);
  cq_error err = {0, ""};
  const char *name;
  size_t before = 0, i;

  (void)argc;
  if (!path) {
    sqlite3_result_error(x, "cq_load: the path is NULL", -1);
    return;
  }
  while (cq_registry_table_name(ctx->env.registry, before, NULL))
    before++;
  if (cq_registry_load(ctx->env.registry, path, &err)) {
    func_fail(x, &err);
    return;
  }
  for (i = before;
       (name = cq_registry_table_name(ctx->env.registry, i, NULL)) != NULL; i++)
    if (cq_live_register(ctx, name)) {
      sqlite3_result_error(x, "cq_load: a table cannot be registered", -1);
      return;
    }
  sqlite3_result_int64(x, (sqlite3_int64)(i - before));
}
