/* ext/func/basic.c: cq_version, cq_debug, cq_config, cq_load; and how all functions
 * take a text and give JSON. */
#include "func/func.h"

#include <curl/curl.h>
#include <expat.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>
#include <zlib.h>
#include <zstd.h>

void cq_func_json(sqlite3_context *x, cq_buf *json) {
  if (json->rc == CQ_TOOBIG) {
    sqlite3_result_error_toobig(x);
  } else if (json->rc || !json->data) {
    sqlite3_result_error_nomem(x);
  } else {
    sqlite3_result_text64(x, json->data, json->len, SQLITE_TRANSIENT,
                          SQLITE_UTF8);
    sqlite3_result_subtype(x, 'J');
  }
  cq_buf_clear(json);
}

int cq_func_text(const char *function, const char *argument, sqlite3_value *v,
                 const char **out, cq_error *err) {
  const char *s = (const char *)sqlite3_value_text(v);

  *out = s;
  if (!s)
    return sqlite3_value_type(v) == SQLITE_NULL
               ? cq_error_set(err, CQ_MISUSE, "%s: %s: is NULL", function,
                              argument)
               : cq_error_nomem(err);
  if (strlen(s) != (size_t)sqlite3_value_bytes(v))
    return cq_error_set(err, CQ_MISUSE, "%s: %s: holds U+0000", function,
                        argument);
  return CQ_OK;
}

int cq_func_whole(sqlite3_value *v, sqlite3_int64 *out) {
  double r;

  *out = sqlite3_value_int64(v);
  if (sqlite3_value_numeric_type(v) == SQLITE_INTEGER) return 1;
  if (sqlite3_value_type(v) != SQLITE_FLOAT) return 0;
  r = sqlite3_value_double(v);
  return r > -9007199254740992.0 && r < 9007199254740992.0 && r == (double)*out;
}

void cq_func_version(sqlite3_context *x, int argc, sqlite3_value **argv) {
  (void)argc, (void)argv;
  sqlite3_result_text(x, CQ_VERSION, -1, SQLITE_STATIC);
}

static void debug_pair(cq_buf *b, const char *name, const char *value) {
  cq_buf_str(b, b->len > 1 ? "," : "");
  cq_buf_json(b, name, strlen(name));
  cq_buf_byte(b, ':');
  cq_buf_json(b, value, strlen(value));
}

void cq_func_debug(sqlite3_context *x, int argc, sqlite3_value **argv) {
  cq_ctx *ctx = sqlite3_user_data(x);
  size_t tables = 0, integrations = 0;
  cq_buf b;

  (void)argc, (void)argv;
  while (cq_registry_table_name(ctx->registry, tables, NULL)) tables++;
  while (cq_registry_integration_name(ctx->registry, integrations))
    integrations++;
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  cq_buf_byte(&b, '{');
  debug_pair(&b, "cq", CQ_VERSION);
  debug_pair(&b, "sqlite", sqlite3_libversion());
  debug_pair(&b, "sqlite_headers", SQLITE_VERSION);
  debug_pair(&b, "libcurl", curl_version());
  debug_pair(&b, "jansson", jansson_version_str());
  debug_pair(&b, "libyaml", yaml_get_version_string());
  debug_pair(&b, "expat", XML_ExpatVersion());
  debug_pair(&b, "libcrypto", OpenSSL_version(OPENSSL_VERSION));
  debug_pair(&b, "zlib", zlibVersion());
  debug_pair(&b, "zstd", ZSTD_versionString());
  cq_buf_printf(&b, ",\"threadsafe\":%d,\"integrations\":%zu,\"tables\":%zu}",
                sqlite3_threadsafe(), integrations, tables);
  cq_func_json(x, &b);
}

void cq_func_config(sqlite3_context *x, int argc, sqlite3_value **argv) {
  cq_ctx *ctx = sqlite3_user_data(x);
  const char *key, *value = NULL;
  sqlite3_int64 whole;
  char number[24];
  cq_error err = {0, ""};
  cq_buf out;
  int null = 1, rc;

  if (!cq_func_asked(x, "cq_config")) return;
  cq_buf_init(&out, CQ_MAX_SPEC_BYTES);
  rc = cq_func_text("cq_config", "key", argv[0], &key, &err);
  if (rc == CQ_OK && argc > 1 && sqlite3_value_type(argv[1]) == SQLITE_FLOAT &&
      cq_func_whole(argv[1], &whole)) {
    snprintf(number, sizeof number, "%lld", (long long)whole);
    value = number;
  } else if (rc == CQ_OK && argc > 1 &&
             sqlite3_value_type(argv[1]) != SQLITE_NULL) {
    rc = cq_func_text("cq_config", "value", argv[1], &value, &err);
  }
  if (rc == CQ_OK)
    rc = cq_ctx_configure(ctx, key, argc > 1, value, &out, &null, &err);
  if (rc)
    cq_func_error(x, &err);
  else if (out.rc)
    sqlite3_result_error_nomem(x);
  else if (!null)
    sqlite3_result_text64(x, out.data ? out.data : "", out.len,
                          SQLITE_TRANSIENT, SQLITE_UTF8);
  cq_buf_clear(&out);
}

/* Live queries that run go on with the definitions that they began with. */
void cq_func_load(sqlite3_context *x, int argc, sqlite3_value **argv) {
  cq_ctx *ctx = sqlite3_user_data(x);
  const char *path;
  cq_error err = {0, ""};
  sqlite3_int64 before = 0, after = 0;
  int rc;

  (void)argc;
  if (!cq_func_asked(x, "cq_load")) return;
  while (cq_registry_table_name(ctx->registry, (size_t)before, NULL)) before++;
  rc = cq_func_text("cq_load", "path", argv[0], &path, &err);
  if (rc == CQ_OK) rc = cq_registry_load(ctx->registry, path, &err);
  if (rc == CQ_OK) {
    cq_ctx_forget(ctx, NULL);
    rc = cq_live_register(ctx, &err);
  }
  if (rc) {
    cq_func_error(x, &err);
    return;
  }
  while (cq_registry_table_name(ctx->registry, (size_t)after, NULL)) after++;
  sqlite3_result_int64(x, after - before);
}
