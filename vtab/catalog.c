/* vtab/catalog.c: tables about cq itself: cq_integrations, cq_tables,
 * cq_columns, cq_requests.  Each is a list of columns and a producer that puts
 * all rows into a batch; one module serves them all.
 *
 *   SELECT name, description FROM cq_tables WHERE integration = 'github'; */
#include <string.h>

#include "vtab/vtab.h"

SQLITE_EXTENSION_INIT3

typedef struct catalog {
  const char *name, *columns;
  int ncol;
  int (*fill)(cq_ctx *c, cq_batch *b, cq_error *err);
} catalog;

static int row_add(cq_batch *b, const cq_value *v, cq_error *err) {
  cq_value *row = cq_batch_add(b);

  if (!row)
    return cq_error_nomem(err);
  for (int i = 0; i < b->ncol; i++)
    if (cq_value_copy(&b->arena, &v[i], &row[i]))
      return cq_error_nomem(err);
  return CQ_OK;
}

static int fill_integrations(cq_ctx *c, cq_batch *b, cq_error *err) {
  const char *name;
  int rc = CQ_OK;

  for (size_t i = 0; rc == CQ_OK && (name = cq_registry_integration_name(
                                         c->env.registry, i)) != NULL;
       i++) {
    const cq_integration *in;

    rc = cq_registry_integration(c->env.registry, name, &in, err);
    if (rc == CQ_OK) {
      cq_value v[] = {cq_value_text(in->name), cq_value_text(in->title),
                      cq_value_text(in->description)};

      rc = row_add(b, v, err);
    }
  }
  return rc;
}

/* A real table or view of that name hides the live one: SQLite's own rule. */
static const char *resolves_to(sqlite3 *db, const char *name) {
  sqlite3_stmt *s = NULL;
  int there = 0;

  if (sqlite3_prepare_v2(db,
                         "SELECT 1 FROM pragma_table_list WHERE name = ?1 AND "
                         "type IN ('table', 'view')",
                         -1, &s, NULL) == SQLITE_OK) {
    sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
    there = sqlite3_step(s) == SQLITE_ROW;
  }
  sqlite3_finalize(s);
  return there ? "snapshot" : "live";
}

static int fill_tables(cq_ctx *c, cq_batch *b, cq_error *err) {
  const char *name, *integration;
  int rc = CQ_OK;

  for (size_t i = 0;
       rc == CQ_OK && (name = cq_registry_table_name(c->env.registry, i,
                                                     &integration)) != NULL;
       i++) {
    const cq_table *t;
    cq_buf key;

    rc = cq_registry_table(c->env.registry, name, &t, err);
    if (rc)
      break;
    cq_buf_init(&key, 1 << 16);
    for (size_t k = 0; k < t->nkey; k++)
      cq_buf_printf(&key, "%s%s", k ? ", " : "", t->columns[t->key[k]].name);
    cq_value v[] = {cq_value_text(t->name),
                    cq_value_text(integration),
                    cq_value_text(t->title),
                    cq_value_text(t->description),
                    cq_value_text(t->parent.table_name),
                    cq_value_int(t->cursor.column >= 0),
                    cq_value_text(key.data),
                    cq_value_text(resolves_to(c->db, t->name)),
                    cq_value_text(t->permissions),
                    cq_value_text(t->example)};
    rc = row_add(b, v, err);
    cq_buf_clear(&key);
  }
  return rc;
}

static int fill_columns(cq_ctx *c, cq_batch *b, cq_error *err) {
  const char *name;
  int rc = CQ_OK;

  for (size_t i = 0; rc == CQ_OK && (name = cq_registry_table_name(
                                         c->env.registry, i, NULL)) != NULL;
       i++) {
    const cq_table *t;

    rc = cq_registry_table(c->env.registry, name, &t, err);
    for (int k = 0; rc == CQ_OK && k < t->ncol; k++) {
      const cq_column *col = &t->columns[k];
      cq_value v[] = {cq_value_text(t->name),
                      cq_value_int(k),
                      cq_value_text(col->name),
                      cq_value_text(cq_type_name(col->type)),
                      cq_value_int(col->key),
                      cq_value_int(col->cursor),
                      cq_value_int(col->hidden),
                      cq_value_int(col->where != 0),
                      cq_value_text(col->call >= 0 ? t->calls[col->call].name
                                                   : NULL),
                      cq_value_text(col->description)};

      rc = row_add(b, v, err);
    }
  }
  return rc;
}

static int fill_requests(cq_ctx *c, cq_batch *b, cq_error *err) {
  cq_http_entry *e = NULL;
  size_t n = 0;
  int rc = c->env.http ? cq_http_log(c->env.http, &e, &n, err) : CQ_OK;

  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    char started[40];

    cq_time_format(e[i].started_us, started);
    cq_value v[] = {cq_value_int(e[i].id),
                    cq_value_text(started),
                    cq_value_text(e[i].integration),
                    cq_value_text(e[i].table),
                    cq_value_text(e[i].client),
                    cq_value_text(e[i].method),
                    cq_value_text(e[i].host),
                    cq_value_text(e[i].path),
                    e[i].status ? cq_value_int(e[i].status) : cq_value_null(),
                    cq_value_int(e[i].attempt),
                    cq_value_int(e[i].ms),
                    cq_value_int(e[i].bytes),
                    cq_value_text(e[i].error[0] ? e[i].error : NULL)};
    rc = row_add(b, v, err);
  }
  cq_free(e);
  return rc;
}

static const catalog catalogs[] = {
    {"cq_integrations", "name TEXT, title TEXT, description TEXT", 3,
     fill_integrations},
    {"cq_tables",
     "name TEXT, integration TEXT, title TEXT, description TEXT, parent TEXT, "
     "is_incremental INTEGER, key TEXT, resolves_to TEXT, permissions TEXT, "
     "example TEXT",
     10, fill_tables},
    {"cq_columns",
     "table_name TEXT, position INTEGER, name TEXT, type TEXT, is_key INTEGER, "
     "is_cursor INTEGER, hidden INTEGER, pushed_down INTEGER, call TEXT, "
     "description TEXT",
     10, fill_columns},
    {"cq_requests",
     "id INTEGER, started_at TEXT, integration TEXT, \"table\" TEXT, client "
     "TEXT, method TEXT, host TEXT, path TEXT, status INTEGER, attempt "
     "INTEGER, ms INTEGER, bytes INTEGER, error TEXT",
     13, fill_requests}};

typedef struct catalog_module {
  cq_ctx *ctx;
  const catalog *kind;
} catalog_module;

typedef struct catalog_vtab {
  sqlite3_vtab base; /* must be first */
  cq_ctx *ctx;
  const catalog *kind;
} catalog_vtab;

typedef struct catalog_cursor {
  sqlite3_vtab_cursor base; /* must be first */
  cq_batch *rows;
  int row;
} catalog_cursor;

static int catalog_connect(sqlite3 *db, void *aux, int argc,
                           const char *const *argv, sqlite3_vtab **out,
                           char **message) {
  catalog_module *m = aux;
  catalog_vtab *v;
  char *sql = sqlite3_mprintf("CREATE TABLE x(%s)", m->kind->columns);
  int rc = sql ? sqlite3_declare_vtab(db, sql) : SQLITE_NOMEM;

  (void)argc, (void)argv, (void)message;
  sqlite3_free(sql);
  *out = NULL;
  if (rc)
    return rc;
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  v = sqlite3_malloc64(sizeof *v);
  if (!v)
    return SQLITE_NOMEM;
  memset(v, 0, sizeof *v);
  v->ctx = cq_ctx_ref(m->ctx);
  v->kind = m->kind;
  *out = &v->base;
  return SQLITE_OK;
}

static int catalog_disconnect(sqlite3_vtab *base) {
  cq_ctx_unref(((catalog_vtab *)base)->ctx);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int catalog_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  (void)base;
  info->estimatedCost = 1000;
  info->estimatedRows = 1000;
  return SQLITE_OK;
}

static int catalog_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  catalog_cursor *c = sqlite3_malloc64(sizeof *c);

  (void)base;
  if (!c)
    return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  *out = &c->base;
  return SQLITE_OK;
}

static int catalog_close(sqlite3_vtab_cursor *base) {
  cq_batch_free(((catalog_cursor *)base)->rows);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int catalog_filter(sqlite3_vtab_cursor *base, int num, const char *text,
                          int argc, sqlite3_value **argv) {
  catalog_cursor *c = (catalog_cursor *)base;
  catalog_vtab *v = (catalog_vtab *)base->pVtab;
  cq_error err = {0, ""};
  int rc = CQ_OK;

  (void)num, (void)text, (void)argc, (void)argv;
  cq_batch_free(c->rows);
  c->row = 0;
  c->rows = cq_batch_new(v->kind->ncol);
  if (!c->rows)
    return SQLITE_NOMEM;
  rc = v->kind->fill(v->ctx, c->rows, &err);
  if (rc) {
    sqlite3_free(base->pVtab->zErrMsg);
    base->pVtab->zErrMsg = sqlite3_mprintf("%s", err.text);
  }
  return rc;
}

static int catalog_next(sqlite3_vtab_cursor *base) {
  ((catalog_cursor *)base)->row++;
  return SQLITE_OK;
}

static int catalog_eof(sqlite3_vtab_cursor *base) {
  catalog_cursor *c = (catalog_cursor *)base;

  return !c->rows || c->row >= c->rows->nrow;
}

static int catalog_column(sqlite3_vtab_cursor *base, sqlite3_context *x,
                          int i) {
  catalog_cursor *c = (catalog_cursor *)base;
  const cq_value *v = &cq_batch_row(c->rows, c->row)[i];

  if (v->kind == CQ_INT)
    sqlite3_result_int64(x, v->u.i);
  else if (v->kind == CQ_STR)
    sqlite3_result_text64(x, v->u.s, v->len, SQLITE_TRANSIENT, SQLITE_UTF8);
  return SQLITE_OK;
}

static int catalog_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = ((catalog_cursor *)base)->row;
  return SQLITE_OK;
}

static const sqlite3_module catalog_ops = {
    .iVersion = 2,
    .xCreate = NULL, /* eponymous only */
    .xConnect = catalog_connect,
    .xBestIndex = catalog_best_index,
    .xDisconnect = catalog_disconnect,
    .xOpen = catalog_open,
    .xClose = catalog_close,
    .xFilter = catalog_filter,
    .xNext = catalog_next,
    .xEof = catalog_eof,
    .xColumn = catalog_column,
    .xRowid = catalog_rowid,
};

static void catalog_free(void *user) {
  cq_ctx_unref(((catalog_module *)user)->ctx);
  cq_free(user);
}

int cq_catalog_register(cq_ctx *c) {
  int rc = SQLITE_OK;

  for (size_t i = 0; i < sizeof catalogs / sizeof *catalogs && rc == SQLITE_OK;
       i++) {
    catalog_module *m = cq_calloc(1, sizeof *m);

    if (!m)
      return SQLITE_NOMEM;
    m->ctx = cq_ctx_ref(c);
    m->kind = &catalogs[i];
    rc = sqlite3_create_module_v2(c->db, catalogs[i].name, &catalog_ops, m,
                                  catalog_free);
  }
  return rc;
}
