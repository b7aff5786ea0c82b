/* ext/cq.c: the entry point, and the one list of SQL functions and tables that
 * cq registers.  Loading is silent: no network, no thread, no YAML read. */
#include <stddef.h>

#include "cq.h"
#include "func/func.h"

SQLITE_EXTENSION_INIT1

enum { MIN_SQLITE = 3040001 };

static const struct {
  const char *name;
  int narg, flags;
  void (*run)(sqlite3_context *, int, sqlite3_value **);
} functions[] = {
    {"cq_version", 0, SQLITE_INNOCUOUS, cq_func_version},
    {"cq_debug", 0, SQLITE_INNOCUOUS, cq_func_debug},
    {"cq_config", 1, SQLITE_DIRECTONLY, cq_func_config},
    {"cq_config", 2, SQLITE_DIRECTONLY, cq_func_config},
    {"cq_load", 1, SQLITE_DIRECTONLY, cq_func_load},
};

#if defined(_WIN32)
__declspec(dllexport)
#elif defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int sqlite3_cq_init(sqlite3 *db, char **error,
                    const struct sqlite3_api_routines *api) {
  cq_ctx *ctx = NULL;
  cq_error err = {0, ""};
  int rc;

  SQLITE_EXTENSION_INIT2(api);
  (void)api;
  if (sqlite3_libversion_number() < MIN_SQLITE) {
    *error = sqlite3_mprintf("cq needs SQLite 3.40.1 or newer, this is %s",
                             sqlite3_libversion());
    return SQLITE_ERROR;
  }
  rc = cq_ctx_new(db, &ctx, &err);
  if (rc == CQ_OK)
    ctx->cache_ttl_ms = 10000;
  for (size_t i = 0; i < sizeof functions / sizeof *functions && rc == CQ_OK;
       i++)
    rc = sqlite3_create_function_v2(
        db, functions[i].name, functions[i].narg,
        SQLITE_UTF8 | functions[i].flags, cq_ctx_ref(ctx), functions[i].run,
        NULL, NULL, cq_ctx_unref);
  if (rc == CQ_OK)
    rc = cq_catalog_register(ctx);
  if (rc == CQ_OK)
    rc = cq_live_register_all(ctx, &err);
  cq_ctx_unref(ctx);
  if (rc) {
    *error = sqlite3_mprintf("%s", err.text[0] ? err.text : "cq cannot load");
    return rc;
  }
#ifdef SQLITE_CORE
  return SQLITE_OK;
#else
  /* The I/O thread and the libraries' exit handlers must not be unmapped. */
  return SQLITE_OK_LOAD_PERMANENTLY;
#endif
}
