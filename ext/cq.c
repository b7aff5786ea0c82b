/* ext/cq.c: the entry point, and the one list of the SQL functions and tables
 * that cq registers.  Loading is silent: no network, no thread, no definition
 * read but those that the environment's CQ_PATH names. */
#include <stdlib.h>
#include <string.h>

#include "cq.h"
#include "func/func.h"

SQLITE_EXTENSION_INIT1

enum { MIN_SQLITE = 3040001 };

#ifndef SQLITE_RESULT_SUBTYPE /* since 3.45; older ones ignore it */
#define SQLITE_RESULT_SUBTYPE 0x001000000
#endif

enum {
  ACTS = SQLITE_UTF8 | SQLITE_DIRECTONLY, /* not from views and triggers */
  JSON = SQLITE_RESULT_SUBTYPE
};

static const struct {
  const char *name;
  int narg, flags;
  void (*run)(sqlite3_context *x, int argc, sqlite3_value **argv);
} functions[] = {
    {"cq_version", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS | SQLITE_DETERMINISTIC,
     cq_func_version},
    {"cq_debug", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS | JSON, cq_func_debug},
    {"cq_config", 1, ACTS, cq_func_config},
    {"cq_config", 2, ACTS, cq_func_config},
    {"cq_load", 1, ACTS, cq_func_load},
    {"cq_sync", 1, ACTS | JSON, cq_func_sync},
    {"cq_sync", 2, ACTS | JSON, cq_func_sync},
    {"cq_plan", 1, ACTS | JSON, cq_func_plan},
    {"cq_validate", 1, ACTS | JSON, cq_func_validate},
    {"cq_migrate", 1, ACTS | JSON, cq_func_migrate},
    {"cq_test", 1, ACTS | JSON, cq_func_test},
    {"cq_permissions", 1, ACTS | JSON, cq_func_permissions},
    {"cq_prune", 1, ACTS | JSON, cq_func_prune},
    {"cq_prune", 2, ACTS | JSON, cq_func_prune},
    {"cq_explain", 1, ACTS | JSON, cq_func_explain},
};

static const cq_fixed *const tables[] = {
    &cq_fixed_integrations, &cq_fixed_tables,       &cq_fixed_columns,
    &cq_fixed_settings,     &cq_fixed_destinations, &cq_fixed_requests,
};

/* `want` is the first column of a row. */
static int says(sqlite3 *db, const char *sql, const char *want) {
  sqlite3_stmt *stmt = NULL;
  int yes = 0;

  if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK)
    while (!yes && sqlite3_step(stmt) == SQLITE_ROW) {
      const char *v = (const char *)sqlite3_column_text(stmt, 0);

      yes = v && strcmp(v, want) == 0;
    }
  sqlite3_finalize(stmt);
  return yes;
}

/* Loaded before, by the same version?  Then what is there stays, with its
 * configuration.  Asked in two steps, since a host may log a failed one; and of
 * no pragma_function_list, which a database may have as a view of its own. */
static int cq_is_here(sqlite3 *db) {
  return says(db, "PRAGMA function_list", "cq_version") &&
         says(db, "SELECT cq_version()", CQ_VERSION);
}

/* The files and folders of CQ_PATH, with ':' between them. */
static int load_path(cq_ctx *ctx, cq_error *err) {
  const char *s = getenv("CQ_PATH");
  int rc = CQ_OK;

  while (s && *s && rc == CQ_OK) {
    size_t n = strcspn(s, ":");
    char *path = cq_strndup(s, n);

    if (!path) return cq_error_nomem(err);
    if (n) rc = cq_registry_load(ctx->registry, path, err);
    if (rc) cq_error_prefix(err, "CQ_PATH");
    cq_free(path);
    s += n + (s[n] == ':');
  }
  return rc;
}

static int register_all(sqlite3 *db, cq_ctx *ctx, cq_error *err) {
  int rc = load_path(ctx, err);

  for (size_t i = 0; i < sizeof functions / sizeof *functions && rc == CQ_OK;
       i++) {
    rc = sqlite3_create_function_v2(db, functions[i].name, functions[i].narg,
                                    functions[i].flags, cq_ctx_ref(ctx),
                                    functions[i].run, NULL, NULL, cq_ctx_unref);
    if (rc)
      cq_error_set(err, rc, "function %s: cannot be registered: %s",
                   functions[i].name, sqlite3_errstr(rc));
  }
  for (size_t i = 0; i < sizeof tables / sizeof *tables && rc == CQ_OK; i++)
    rc = cq_fixed_register(ctx, tables[i], err);
  return rc ? rc : cq_live_register(ctx, err);
}

/* A schema that SQLite read before it knew our functions may name them in
 * CHECKs, DEFAULTs, indexes and generated columns, and would run them: the
 * flags of a function are looked at when the schema is read, if it is there by
 * then.  So the schema is read anew; but not while something is being written,
 * since virtual tables such as full-text search keep what they have not written
 * yet, and would be two.  (cq_func_asked looks in any case.) */
static void forget_schema(sqlite3 *db) {
  int on;

  if (sqlite3_txn_state(db, NULL) == SQLITE_TXN_WRITE) return;
  on = says(db, "PRAGMA writable_schema", "1");
  sqlite3_exec(db, "PRAGMA writable_schema = RESET", NULL, NULL, NULL);
  if (on) sqlite3_exec(db, "PRAGMA writable_schema = ON", NULL, NULL, NULL);
}

#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
int sqlite3_cq_init(sqlite3 *db, char **error,
                    const sqlite3_api_routines *api) {
  cq_ctx *ctx = NULL;
  cq_error err = {0, ""};
  int rc;

  SQLITE_EXTENSION_INIT2(api);
  if (sqlite3_libversion_number() < MIN_SQLITE) {
    if (error)
      *error = sqlite3_mprintf("cq needs SQLite 3.40.1 or later; this is %s",
                               sqlite3_libversion());
    return SQLITE_ERROR;
  }
  if (!cq_is_here(db)) {
    rc = cq_ctx_new(db, &ctx, &err);
    if (rc == CQ_OK) rc = register_all(db, ctx, &err);
    cq_ctx_unref(ctx); /* modules and functions hold theirs */
    forget_schema(db);
    if (rc) {
      if (error) *error = sqlite3_mprintf("cq: %s", err.text);
      return rc == CQ_NOMEM ? SQLITE_NOMEM : SQLITE_ERROR;
    }
  }
#ifdef SQLITE_CORE
  return SQLITE_OK;
#else
  /* Handlers that libraries leave for the process's end must stay mapped. */
  return SQLITE_OK_LOAD_PERMANENTLY;
#endif
}
