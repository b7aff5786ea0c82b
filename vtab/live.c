/* vtab/live.c: live tables: one module whose every table is an integration's.
 *
 *   SELECT name FROM aws_s3_buckets WHERE region = 'eu-west-1';
 *
 * Eponymous, read-only, DIRECTONLY: a hostile database's views and triggers
 * must not make requests with the user's credentials. */
#include <string.h>

#include "vtab/vtab.h"

SQLITE_EXTENSION_INIT3

typedef struct live_module { /* client data of one registered name */
  cq_ctx *ctx;
  char *table;
} live_module;

typedef struct live_vtab {
  sqlite3_vtab base; /* must be first */
  cq_ctx *ctx;
  const cq_table *table;
} live_vtab;

typedef struct live_cursor {
  sqlite3_vtab_cursor base; /* must be first */
  cq_scan *scan;
  const cq_batch *batch;
  const cq_client *client;
  int row, eof;
} live_cursor;

static int live_fail(sqlite3_vtab *v, const cq_error *err) {
  sqlite3_free(v->zErrMsg);
  v->zErrMsg = sqlite3_mprintf("%s", err->text);
  return err->code ? err->code : SQLITE_ERROR;
}

static int live_declare(sqlite3 *db, const cq_table *t) {
  sqlite3_str *s = sqlite3_str_new(db);
  char *sql;
  int rc;

  sqlite3_str_appendall(s, "CREATE TABLE x(");
  for (int i = 0; i < t->ncol; i++)
    sqlite3_str_appendf(s, "%s\"%w\" %s%s", i ? ", " : "", t->columns[i].name,
                        cq_type_sql(t->columns[i].type),
                        t->columns[i].hidden ? " HIDDEN" : "");
  sqlite3_str_appendall(s, ", _cq_client_id TEXT HIDDEN)");
  sql = sqlite3_str_finish(s);
  rc = sql ? sqlite3_declare_vtab(db, sql) : SQLITE_NOMEM;
  sqlite3_free(sql);
  return rc;
}

static int live_connect(sqlite3 *db, void *aux, int argc,
                        const char *const *argv, sqlite3_vtab **out,
                        char **message) {
  live_module *m = aux;
  const cq_table *t;
  live_vtab *v;
  cq_error err = {0, ""};
  int rc = cq_registry_table(m->ctx->env.registry, m->table, &t, &err);

  (void)argc, (void)argv;
  *out = NULL;
  if (rc) {
    *message = sqlite3_mprintf("%s", err.text);
    return SQLITE_ERROR;
  }
  rc = live_declare(db, t);
  if (rc)
    return rc;
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  v = sqlite3_malloc64(sizeof *v);
  if (!v)
    return SQLITE_NOMEM;
  memset(v, 0, sizeof *v);
  v->ctx = cq_ctx_ref(m->ctx);
  v->table = t;
  *out = &v->base;
  return SQLITE_OK;
}

static int live_disconnect(sqlite3_vtab *base) {
  live_vtab *v = (live_vtab *)base;

  cq_ctx_unref(v->ctx);
  sqlite3_free(v);
  return SQLITE_OK;
}

static int live_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  return cq_push_best_index(((live_vtab *)base)->table, info, base);
}

static int live_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  live_cursor *c = sqlite3_malloc64(sizeof *c);

  if (!c)
    return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  cq_cache_enter(((live_vtab *)base)->ctx->env.cache);
  *out = &c->base;
  return SQLITE_OK;
}

static int live_close(sqlite3_vtab_cursor *base) {
  live_cursor *c = (live_cursor *)base;

  cq_scan_close(c->scan);
  cq_cache_leave(((live_vtab *)base->pVtab)->ctx->env.cache);
  sqlite3_free(c);
  return SQLITE_OK;
}

static int live_next(sqlite3_vtab_cursor *base) {
  live_cursor *c = (live_cursor *)base;
  cq_error err = {0, ""};
  int rc;

  if (c->batch && ++c->row < c->batch->nrow)
    return SQLITE_OK;
  rc = cq_scan_next(c->scan, &c->batch, &c->client, &err);
  c->row = 0;
  if (rc == CQ_ROW)
    return SQLITE_OK;
  c->batch = NULL;
  c->eof = 1;
  return rc == CQ_DONE ? SQLITE_OK : live_fail(base->pVtab, &err);
}

/* The rowid is made of the key's columns, or of all where there is no key; not
 * of what a call or the parent's list would have to bring only for it. */
static int rowid_column(const cq_table *t, int i) {
  return (t->columns[i].key || t->nkey == 0) && t->columns[i].call < 0 &&
         t->columns[i].source != CQ_FROM_PARENT;
}

static int live_filter(sqlite3_vtab_cursor *base, int num, const char *text,
                       int argc, sqlite3_value **argv) {
  live_cursor *c = (live_cursor *)base;
  live_vtab *v = (live_vtab *)base->pVtab;
  cq_scan_options o;
  cq_push push;
  cq_error err = {0, ""};
  int rc;

  (void)num;
  cq_scan_close(c->scan);
  c->scan = NULL;
  c->batch = NULL;
  c->eof = 0;
  memset(&o, 0, sizeof o);
  rc = cq_push_decode(v->table, text, argc, argv, &push, &err);
  if (rc == CQ_OK && (push.empty || push.cap == 0)) {
    c->eof = 1;
    cq_arena_clear(&push.arena);
    return SQLITE_OK;
  }
  if (rc == CQ_OK)
    rc = cq_ctx_source(v->ctx, v->table->integration, &o.source, &err);
  for (int i = 0; i < v->table->ncol && rc == CQ_OK; i++)
    push.wanted[i] |= rowid_column(v->table, i);
  o.env = &v->ctx->env;
  o.table = v->table;
  o.constraints = push.constraints;
  o.nconstraint = push.n;
  o.wanted = push.wanted;
  o.cap = push.cap;
  o.use_cache = 1;
  if (rc == CQ_OK)
    rc = cq_scan_open(&o, &c->scan, &err);
  cq_arena_clear(&push.arena);
  if (rc)
    return live_fail(base->pVtab, &err);
  return live_next(base);
}

static int live_eof(sqlite3_vtab_cursor *base) {
  return ((live_cursor *)base)->eof;
}

static int live_column(sqlite3_vtab_cursor *base, sqlite3_context *x, int i) {
  live_cursor *c = (live_cursor *)base;
  const cq_table *t = ((live_vtab *)base->pVtab)->table;
  const cq_value *v;

  if (i >= t->ncol) {
    sqlite3_result_text(x, c->client ? c->client->id : "", -1,
                        SQLITE_TRANSIENT);
    return SQLITE_OK;
  }
  v = &cq_batch_row(c->batch, c->row)[i];
  switch (v->kind) {
  case CQ_INT:
    sqlite3_result_int64(x, v->u.i);
    break;
  case CQ_DOUBLE:
    sqlite3_result_double(x, v->u.r);
    break;
  case CQ_STR:
    sqlite3_result_text64(x, v->u.s, v->len, SQLITE_TRANSIENT, SQLITE_UTF8);
    if (t->columns[i].type == CQ_JSON || (t->columns[i].type & CQ_LIST))
      sqlite3_result_subtype(x, 'J');
    break;
  case CQ_BYTES:
    sqlite3_result_blob64(x, v->u.s, v->len, SQLITE_TRANSIENT);
    break;
  default:
    sqlite3_result_null(x);
  }
  return SQLITE_OK;
}

static uint64_t rowid_add(uint64_t h, const cq_value *v) {
  h = cq_hash64(&v->kind, 1, h);
  if (v->kind == CQ_STR || v->kind == CQ_BYTES)
    return cq_hash64(v->u.s, v->len, h);
  return v->kind == CQ_NULL ? h : cq_hash64(&v->u, sizeof v->u, h);
}

/* Stable: SQLite's OR plans tell rows apart by it over several scans. */
static int live_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  live_cursor *c = (live_cursor *)base;
  const cq_table *t = ((live_vtab *)base->pVtab)->table;
  const cq_value *row = cq_batch_row(c->batch, c->row);
  const char *id = c->client && t->nkey == 0 ? c->client->id : "";
  uint64_t h = cq_hash64(id, strlen(id), 0);

  /* A key's columns from the parent count where the query reads them: all
   * scans of one statement read the same. */
  for (int i = 0; i < t->ncol; i++)
    if (rowid_column(t, i) || t->columns[i].key)
      h = rowid_add(h, &row[i]);
  *out = (sqlite3_int64)(h & 0x7fffffffffffffffu);
  return SQLITE_OK;
}

static const sqlite3_module live = {
    .iVersion = 2,
    .xCreate = live_connect,
    .xConnect = live_connect,
    .xBestIndex = live_best_index,
    .xDisconnect = live_disconnect,
    .xDestroy = live_disconnect,
    .xOpen = live_open,
    .xClose = live_close,
    .xFilter = live_filter,
    .xNext = live_next,
    .xEof = live_eof,
    .xColumn = live_column,
    .xRowid = live_rowid,
};

static void live_free(void *user) {
  live_module *m = user;

  cq_ctx_unref(m->ctx);
  cq_free(m->table);
  cq_free(m);
}

static int register_as(cq_ctx *c, const char *name, const char *table) {
  live_module *m = cq_calloc(1, sizeof *m);

  if (!m || !(m->table = cq_strdup(table))) {
    cq_free(m);
    return SQLITE_NOMEM;
  }
  m->ctx = cq_ctx_ref(c);
  /* On failure SQLite calls the destructor itself. */
  return sqlite3_create_module_v2(c->db, name, &live, m, live_free);
}

int cq_live_register(cq_ctx *c, const char *name) {
  char *always = cq_mprintf("live_%s", name);
  int rc = always ? register_as(c, name, name) : SQLITE_NOMEM;

  if (rc == SQLITE_OK)
    rc = register_as(c, always, name);
  cq_free(always);
  return rc;
}

int cq_live_register_all(cq_ctx *c, cq_error *err) {
  const char *name;

  for (size_t i = 0;
       (name = cq_registry_table_name(c->env.registry, i, NULL)) != NULL; i++)
    if (cq_live_register(c, name))
      return cq_error_set(err, CQ_ERROR, "cannot register table %s", name);
  return CQ_OK;
}
