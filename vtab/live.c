/* vtab/live.c: live tables: one module whose every table is one that an
 * integration defines.
 *
 *   SELECT name FROM aws_s3_buckets WHERE region = 'eu-west-1';
 *
 * Eponymous, so that nothing has to be created; `live_<name>` is the same table
 * where a synced one hides <name>, as is temp.<name>. Generated tables have
 * no name of their own with live_: SQLite looks through a 64th of all names
 * for each that is added, so that they would be half of what a load takes.  A cursor is a scan; what belongs to a query
 * is in its cursor and in idxStr, since one table may be read by many. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "spec/embedded.h"
#include "vtab/context.h"

typedef struct live_cursor {
  sqlite3_vtab_cursor base; /* must be first */
  cq_scan *scan;
  const cq_batch *batch; /* lent by the scan until the next one */
  const cq_client *client;
  const cq_value *cells; /* this row's, in the batch */
  int row, eof;
  uint64_t used; /* columns that the query reads */
  cq_rowids ids;
  sqlite3_int64 rowid;
  int has_rowid; /* rowid is this row's */
  int counts;    /* rows count that nobody asks the rowid of, see live_pass */
} live_cursor;

static cq_ctx *live_ctx(const sqlite3_vtab_cursor *c) {
  return ((cq_live *)c->pVtab)->ctx;
}

static int live_declare(sqlite3 *db, const cq_table *t, int *client_column) {
  sqlite3_str *s = sqlite3_str_new(db);
  char *sql;
  int rc;

  *client_column = t->ncol;
  sqlite3_str_appendall(s, "CREATE TABLE x(");
  for (int i = 0; i < t->ncol; i++) {
    sqlite3_str_appendf(s, "%s\"%w\" %s%s", i ? ", " : "", t->columns[i].name,
                        cq_type_sql(t->columns[i].type),
                        t->columns[i].hidden ? " HIDDEN" : "");
    if (strcmp(t->columns[i].name, "_cq_client_id") == 0) *client_column = -1;
  }
  if (*client_column >= 0)
    sqlite3_str_appendf(s, "%s_cq_client_id TEXT HIDDEN", t->ncol ? ", " : "");
  sqlite3_str_appendall(s, ")");
  sql = sqlite3_str_finish(s);
  rc = sql ? sqlite3_declare_vtab(db, sql) : SQLITE_NOMEM;
  sqlite3_free(sql);
  return rc;
}

static int live_connect(sqlite3 *db, void *aux, int argc,
                        const char *const *argv, sqlite3_vtab **out,
                        char **message) {
  live_name *m = aux;
  const cq_table *t;
  cq_live *v;
  cq_error err = {0, ""};
  int rc, client_column;

  *out = NULL;
  if (argc > 3) {
    *message = sqlite3_mprintf("%s: a live table takes no arguments", argv[0]);
    return SQLITE_ERROR;
  }
  /* A file that somebody gave us may hold `CREATE VIRTUAL TABLE orders USING
   * aws_iam_users`: what reads orders must make no request. */
  if (sqlite3_stricmp(argv[0], argv[2]) != 0 && strcmp(argv[1], "temp") != 0) {
    *message = sqlite3_mprintf("%s: a live table of another name (%s) can only "
                               "be a temporary one\nhint: CREATE VIRTUAL TABLE "
                               "temp.\"%w\" USING %s",
                               argv[0], argv[2], argv[2], argv[0]);
    return SQLITE_ERROR;
  }
  rc = cq_registry_table(m->ctx->registry, m->table, &t, &err);
  if (rc) {
    *message = sqlite3_mprintf("%s", err.text);
    return rc == CQ_NOMEM ? SQLITE_NOMEM : SQLITE_ERROR;
  }
  rc = live_declare(db, t, &client_column);
  if (rc) return cq_vtab_undeclared(db, argv[2], rc, message);
  /* A hostile database's views and triggers must not make requests with the
   * user's credentials. */
  sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  v = sqlite3_malloc64(sizeof *v);
  if (!v) return SQLITE_NOMEM;
  memset(v, 0, sizeof *v);
  v->name = cq_strdup(argv[2]);
  if (!v->name) {
    sqlite3_free(v);
    return SQLITE_NOMEM;
  }
  v->ctx = cq_ctx_ref(m->ctx);
  v->table = t;
  v->client_column = client_column;
  v->next = v->ctx->tables;
  v->link = &v->ctx->tables;
  if (v->next) v->next->link = &v->next;
  v->ctx->tables = v;
  *out = &v->base;
  return SQLITE_OK;
}

static int live_disconnect(sqlite3_vtab *base) {
  cq_live *v = (cq_live *)base;

  *v->link = v->next;
  if (v->next) v->next->link = v->link;
  cq_free(v->name);
  cq_ctx_unref(v->ctx);
  sqlite3_free(v);
  return SQLITE_OK;
}

static int live_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  return cq_pushdown_plan(((cq_live *)base)->table, base, info);
}

static int live_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  cq_ctx *ctx = ((cq_live *)base)->ctx;
  const cq_table *t = ((cq_live *)base)->table;
  live_cursor *c;

  int rc = cq_named_by_search(ctx->db, base, ((cq_live *)base)->name);

  if (rc) return rc;
  c = sqlite3_malloc64(sizeof *c);
  if (!c) return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  /* From here to live_close answers stay valid, so that a statement makes
   * each request once. */
  ctx->scans++;
  if (ctx->opened) cq_cache_enter(ctx->env.cache);
  /* No rows, and no error: it is how things are.  Once for each time that a
   * statement names it, not for each row of a join. */
  if (t->retired)
    sqlite3_log(SQLITE_WARNING, "%s: no rows: %s", t->name, t->retired);
  *out = &c->base;
  return SQLITE_OK;
}

/* Ends the scan, which cancels its transfers. */
static void live_reset(live_cursor *c) {
  cq_scan_close(c->scan);
  cq_rowids_reset(&c->ids);
  c->scan = NULL;
  c->batch = NULL;
  c->client = NULL;
  c->row = c->eof = c->has_rowid = 0;
}

static int live_close(sqlite3_vtab_cursor *base) {
  cq_ctx *ctx = live_ctx(base);

  live_reset((live_cursor *)base);
  cq_rowids_clear(&((live_cursor *)base)->ids);
  ctx->scans--;
  if (ctx->opened) cq_cache_leave(ctx->env.cache);
  sqlite3_free(base);
  return SQLITE_OK;
}

/* The rows are at their end, and some are missing because they may not be
 * read.  An answer that lacks them must not look like a whole one, so it ends
 * in an error, unless cq_config('denied', 'skip') asks for what there is.
 * Where LIMIT has all that it wants, nobody reads as far as here. */
static int live_denied(live_cursor *c, cq_error *err) {
  cq_scan_stats st;
  const char *hint;
  char more[64] = "";

  cq_scan_stats_get(c->scan, &st);
  if (!st.denied ||
      strcmp(cq_setting_get(live_ctx(&c->base), "denied"), "skip") == 0)
    return CQ_OK;
  hint = strstr(st.denied_reason, "\nhint: ");
  if (st.denied > 1)
    snprintf(more, sizeof more, " (and %lld requests more)",
             (long long)st.denied - 1);
  cq_error_set(err, CQ_AUTH, "%.*s%s",
               (int)(hint ? (size_t)(hint - st.denied_reason)
                          : strlen(st.denied_reason)),
               st.denied_reason, more);
  cq_error_hint(err,
                "%s%scq_config('denied', 'skip') leaves out what may not be "
                "read",
                hint ? hint + 7 : "", hint ? "; " : "");
  return CQ_AUTH;
}

static uint64_t live_identity(const live_cursor *c) {
  return cq_row_identity(((cq_live *)c->base.pVtab)->table, c->used, c->cells,
                         c->client ? c->client->id : "");
}

/* An arm of an OR asks for the rowids of the rows that it keeps.  Others may
 * have the same key, where an API's is none, and the next arm may keep those
 * and not these: each has to be the same copy in both. */
static int live_pass(live_cursor *c) {
  return c->counts && c->batch && !c->has_rowid
             ? cq_rowids_pass(&c->ids, live_identity(c))
             : CQ_OK;
}

static int live_next(sqlite3_vtab_cursor *base) {
  live_cursor *c = (live_cursor *)base;
  cq_error err = {0, ""};
  int rc;

  if (live_pass(c)) return SQLITE_NOMEM;
  c->has_rowid = 0;
  if (c->batch && ++c->row < c->batch->nrow) {
    c->cells += c->batch->ncol;
    return SQLITE_OK;
  }
  c->row = 0;
  rc = cq_scan_next(c->scan, &c->batch, &c->client, &err);
  if (rc == CQ_ROW) {
    c->cells = cq_batch_row(c->batch, 0);
    return SQLITE_OK;
  }
  c->batch = NULL;
  c->eof = 1;
  if (rc == CQ_DONE) rc = live_denied(c, &err);
  return rc == CQ_OK ? SQLITE_OK : cq_vtab_error(base->pVtab, &err);
}

/* The values of the plan's terms, copied: those of IN lists go as they come. */
static int filter_values(const cq_pushdown *p, sqlite3_value **argv,
                         cq_arena *a, cq_pushed *out) {
  for (int i = 0; i < p->nitem; i++) {
    sqlite3_value *v = argv[i];
    cq_value *list = NULL;
    size_t cap = 0;
    int rc = SQLITE_OK;

    if (p->item[i].op != CQ_P_IN) {
      cq_value one = cq_value_of(v);

      list = cq_arena_alloc(a, sizeof *list);
      if (!list || cq_value_copy(a, &one, list)) return CQ_NOMEM;
      out[i].values = list;
      out[i].n = 1;
      continue;
    }
    for (rc = sqlite3_vtab_in_first(argv[i], &v); rc == SQLITE_OK && v;
         rc = sqlite3_vtab_in_next(argv[i], &v)) {
      cq_value one = cq_value_of(v);

      if (out[i].n == cap) {
        cq_value *more;

        cap = cap ? cap * 2 : 16;
        more = cq_arena_alloc(a, cap * sizeof *more);
        if (!more) return CQ_NOMEM;
        if (list) memcpy(more, list, out[i].n * sizeof *more);
        list = more;
      }
      if (cq_value_copy(a, &one, &list[out[i].n++])) return CQ_NOMEM;
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE) return rc;
    out[i].values = list;
  }
  return CQ_OK;
}

/* LIMIT + OFFSET as a number of rows; -1 = none. */
static int64_t filter_cap(const cq_pushdown *p, sqlite3_value **argv) {
  int64_t limit, offset = 0;

  if (!p->limit) return -1;
  limit = sqlite3_value_int64(argv[p->nitem]);
  if (p->offset) offset = sqlite3_value_int64(argv[p->nitem + 1]);
  if (offset < 0) offset = 0;
  return limit < 0 || limit > INT64_MAX - offset ? -1 : limit + offset;
}

/* A key that the API needs was given, but in a way that text is not: beside a
 * number '5' and '05' are equal in SQL, and the API can be asked for one. */
static int filter_required(const cq_table *t, const cq_pushdown *p,
                           const cq_bound *b, cq_error *err) {
  for (int i = 0; i < p->nitem; i++) {
    const cq_column *c = &t->columns[p->item[i].column];
    int have = 0;

    for (size_t k = 0; k < b->n; k++)
      have |= b->c[k].column == p->item[i].column;
    if (c->required && !have)
      return cq_error_set(err, CQ_CONSTRAINT,
                          "%s: column %s: the API cannot be asked for this "
                          "value: it is no %s\nhint: WHERE %s = CAST(... AS "
                          "%s)",
                          t->name, c->name, cq_type_name(c->type), c->name,
                          cq_type_sql(c->type));
  }
  return CQ_OK;
}

static int filter_open(live_cursor *c, const cq_pushdown *p,
                       sqlite3_value **argv, cq_arena *a, cq_error *err) {
  cq_live *v = (cq_live *)c->base.pVtab;
  cq_pushed values[CQ_PUSH_MAX];
  cq_scan_options o;
  cq_bound bound;
  int rc;

  memset(values, 0, sizeof values);
  memset(&o, 0, sizeof o);
  rc = filter_values(p, argv, a, values);
  if (rc == CQ_OK) rc = cq_pushdown_bind(v->table, p, values, a, &bound);
  if (rc)
    return rc == CQ_NOMEM
               ? cq_error_nomem(err)
               : cq_error_set(err, CQ_ERROR, "%s: the values of an IN list: %s",
                              v->table->name, sqlite3_errstr(rc));
  o.cap = bound.whole ? filter_cap(p, argv) : -1;
  o.cap_sure = cq_pushdown_limit_sure();
  if (bound.none || o.cap == 0) {
    c->eof = 1;
    return CQ_OK;
  }
  rc = filter_required(v->table, p, &bound, err);
  if (rc == CQ_OK)
    rc = cq_ctx_source(v->ctx, v->table->integration, &o.source, err);
  if (rc) return rc;
  o.env = &v->ctx->env;
  o.table = v->table;
  o.constraints = bound.c;
  o.nconstraint = bound.n;
  o.wanted = cq_pushdown_wanted(v->table, p->used, a);
  o.live = 1;
  c->used = p->used;
  /* A table is read by several plans only where each asks for something. */
  c->counts = p->nitem > 0 && cq_row_keyed(v->table);
  return o.wanted ? cq_scan_open(&o, &c->scan, err) : cq_error_nomem(err);
}

static int live_filter(sqlite3_vtab_cursor *base, int num, const char *idx,
                       int argc, sqlite3_value **argv) {
  live_cursor *c = (live_cursor *)base;
  const cq_table *t = ((cq_live *)base->pVtab)->table;
  cq_error err = {0, ""};
  cq_pushdown p;
  cq_arena a;
  int rc;

  (void)num;
  live_reset(c);
  cq_arena_init(&a);
  if (!idx || cq_pushdown_parse(t, idx, &p) ||
      argc < p.nitem + p.limit + p.offset)
    rc = cq_error_set(&err, CQ_ERROR, "%s: plan: cannot be read: %s", t->name,
                      idx ? idx : "none");
  else
    rc = filter_open(c, &p, argv, &a, &err);
  cq_arena_clear(&a);
  if (rc) return cq_vtab_error(base->pVtab, &err);
  return c->eof ? SQLITE_OK : live_next(base);
}

static int live_eof(sqlite3_vtab_cursor *base) {
  return ((live_cursor *)base)->eof;
}

static int live_column(sqlite3_vtab_cursor *base, sqlite3_context *x, int i) {
  live_cursor *c = (live_cursor *)base;
  const cq_live *v = (cq_live *)base->pVtab;
  cq_value id;

  if (i == v->client_column) {
    id = cq_value_text(c->client ? c->client->id : v->table->integration->name);
    cq_column_result(x, &id);
  } else if (i < v->table->ncol) {
    cq_column_result(x, &c->cells[i]);
  }
  return SQLITE_OK;
}

/* Made when asked for: SQLite does so where it reads a table by several plans
 * and has to tell whether it saw a row before. */
static int live_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  live_cursor *c = (live_cursor *)base;

  if (!c->has_rowid) {
    if (cq_rowids_next(&c->ids, live_identity(c), &c->rowid))
      return SQLITE_NOMEM;
    c->has_rowid = 1;
  }
  *out = c->rowid;
  return SQLITE_OK;
}

static const sqlite3_module live = {
    .iVersion = 2,
    .xCreate = live_connect, /* the same: CREATE VIRTUAL TABLE temp.x works */
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
  cq_ctx_unref(((live_name *)user)->ctx);
}

static int register_as(cq_ctx *c, const char *name, live_name *m) {
  cq_ctx_ref(c);
  /* Where this fails SQLite has called the destructor itself. */
  return sqlite3_create_module_v2(c->db, name, &live, m, live_free);
}

static int by_name(const void *key, const void *table) {
  return strcmp(key, ((const cq_embedded_table *)table)->name);
}

static int is_embedded(const char *name) {
  return bsearch(name, cq_embedded_tables, (size_t)cq_embedded_ntable,
                 sizeof *cq_embedded_tables, by_name) != NULL;
}

int cq_live_register(cq_ctx *c, cq_error *err) {
  struct ctx_chunk *k = cq_calloc(1, sizeof *k);
  int again = c->chunks != NULL, rc = SQLITE_OK;
  size_t n = 0, put = 0;
  const char *name;

  if (!k) return cq_error_nomem(err);
  k->next = c->chunks;
  c->chunks = k;
  cq_arena_init(&k->names);
  while (cq_registry_table_name(c->registry, n, NULL)) n++;
  k->module = cq_calloc(n + 1, sizeof *k->module);
  if (!k->module) return cq_error_nomem(err);
  for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
    const cq_embedded_table *e =
        i < (size_t)cq_embedded_ntable ? &cq_embedded_tables[i] : NULL;
    live_name *m = &k->module[put];
    const char *always;

    name = cq_registry_table_name(c->registry, i, NULL);
    if (!name || (again && is_embedded(name))) continue;
    always = e ? name - strlen("live_")
               : cq_arena_printf(&k->names, "live_%s", name);
    if (!always) return cq_error_nomem(err);
    m->ctx = c;
    m->table = always + strlen("live_");
    put++;
    rc = register_as(c, m->table, m);
    if (rc == SQLITE_OK && !(e && e->generated)) rc = register_as(c, always, m);
    if (rc)
      cq_error_set(err, rc, "table %s: cannot be registered: %s", m->table,
                   sqlite3_errstr(rc));
  }
  return rc;
}
