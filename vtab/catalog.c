/* vtab/catalog.c: cq_integrations, cq_tables, cq_columns: what there is to
 * select from.  Definitions are read only for columns that need them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/vtab.h"

/* A JSON list that grows in `b`; the first item opens it. */
static void list_add(cq_buf *b, const char *s) {
  cq_buf_byte(b, b->len ? ',' : '[');
  cq_buf_json(b, s, strlen(s));
}

/* What `b` holds, as the cell's JSON; `b` is emptied. */
static int json_end(cq_batch *out, cq_buf *b, cq_value *cell) {
  char *copy = b->rc ? NULL : cq_arena_strndup(&out->arena, b->data, b->len);

  if (copy) *cell = cq_value_json(copy, b->len);
  cq_buf_clear(b);
  return copy ? CQ_OK : CQ_NOMEM;
}

static int list_end(cq_batch *out, cq_buf *b, cq_value *cell) {
  cq_buf_str(b, b->len ? "]" : "[]");
  return json_end(out, b, cell);
}

/* ---- cq_integrations ------------------------------------------------------ */
enum {
  I_NAME,
  I_TITLE,
  I_DESCRIPTION,
  I_TABLES,
  I_CLIENTS,
  I_ALIASES,
  I_COUNT
};

static int64_t count_tables(cq_registry *r, const char *integration) {
  const char *name, *owner;
  int64_t count = 0;

  for (size_t i = 0; (name = cq_registry_table_name(r, i, &owner)); i++)
    count += strcmp(owner, integration) == 0;
  return count;
}

static int fill_integrations(cq_ctx *c, uint64_t used, const char *only,
                             cq_batch *out, cq_error *err) {
  const char *name;

  (void)used;
  for (size_t i = 0; (name = cq_registry_integration_name(c->registry, i));
       i++) {
    const cq_integration *in;
    cq_value *row;
    cq_buf b;
    int rc;

    if (only && strcmp(only, name) != 0) continue;
    row = cq_batch_add(out);
    if (!row) return cq_error_nomem(err);
    rc = cq_registry_integration(c->registry, name, &in, err);
    if (rc) return rc;
    row[I_TABLES] = cq_value_int(count_tables(c->registry, name));
    cq_buf_init(&b, CQ_MAX_TEMPLATE);
    for (int k = 0; k < in->ndim; k++) list_add(&b, in->dims[k].name);
    if (list_end(out, &b, &row[I_CLIENTS]) ||
        cq_fixed_text(out, &row[I_NAME], name) ||
        cq_fixed_text(out, &row[I_TITLE], in->title) ||
        cq_fixed_text(out, &row[I_DESCRIPTION], in->description) ||
        cq_fixed_text(out, &row[I_ALIASES], in->aliases))
      return cq_error_nomem(err);
  }
  return CQ_OK;
}

const cq_fixed cq_fixed_integrations = {
    "cq_integrations",
    "CREATE TABLE x(name TEXT, title TEXT, description TEXT, tables INTEGER, "
    "clients TEXT, aliases TEXT)",
    I_COUNT,
    0,
    fill_integrations,
    0};

/* ---- cq_tables ------------------------------------------------------------ */
enum {
  T_NAME,
  T_INTEGRATION,
  T_RESOLVES,
  T_SERVICE,
  T_TITLE,
  T_DESCRIPTION,
  T_PARENT,
  T_INCREMENTAL,
  T_KEY,
  T_CLIENTS,
  T_PERMISSIONS,
  T_OPERATIONS,
  T_ONLY,
  T_CURSOR,
  T_PAID,
  T_GENERATED,
  T_RETIRED,
  T_EXAMPLE,
  T_COUNT
};

typedef struct names {
  char **v;
  size_t n, cap;
} names;

static int name_order(const void *a, const void *b) {
  return sqlite3_stricmp(*(char *const *)a, *(char *const *)b);
}

static void names_clear(names *s) {
  for (size_t i = 0; i < s->n; i++) cq_free(s->v[i]);
  cq_free(s->v);
}

static int names_add(names *s, sqlite3 *db, const char *sql, int column) {
  sqlite3_stmt *stmt = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

  while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    char *copy = cq_strdup(text ? text : "");

    rc = copy && cq_grow(&s->v, &s->cap, s->n, sizeof *s->v) == CQ_OK
             ? SQLITE_OK
             : SQLITE_NOMEM;
    if (rc == SQLITE_OK)
      s->v[s->n++] = copy;
    else
      cq_free(copy);
  }
  sqlite3_finalize(stmt);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Tables and views of every database here: each hides a live table of its name
 * where that is written without a schema.  A database may have a view of the
 * name pragma_database_list. */
static int names_stored(names *s, sqlite3 *db, cq_error *err) {
  names schemas = {NULL, 0, 0};
  int rc = names_add(&schemas, db, "PRAGMA database_list", 1);

  for (size_t i = 0; i < schemas.n && rc == SQLITE_OK; i++) {
    char *sql = sqlite3_mprintf("SELECT name FROM \"%w\".sqlite_master "
                                "WHERE type IN ('table', 'view')",
                                schemas.v[i]);

    rc = sql ? names_add(s, db, sql, 0) : SQLITE_NOMEM;
    sqlite3_free(sql);
  }
  names_clear(&schemas);
  if (rc)
    return cq_error_set(err, rc, "cq_tables: schema: cannot be read: %s",
                        sqlite3_errmsg(db));
  if (s->n) qsort(s->v, s->n, sizeof *s->v, name_order);
  return CQ_OK;
}

static int table_clients(const cq_table *t, cq_batch *out, cq_value *cell) {
  const cq_table *top = cq_table_top(t);
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (size_t i = 0; i < top->nover; i++)
    list_add(&b, top->integration->dims[top->over[i]].name);
  return list_end(out, &b, cell);
}

static void member(cq_buf *b, const char *name, const char *text) {
  if (!text) return;
  if (b->len && b->data[b->len - 1] != '{') cq_buf_byte(b, ',');
  cq_buf_json(b, name, strlen(name));
  cq_buf_byte(b, ':');
  cq_buf_json(b, text, strlen(text));
}

/* One request of a table: what it is called, else how it is made. */
static void operation(cq_buf *b, const char *purpose, const cq_request_def *r,
                      const char *call, int batch, const cq_page_def *page) {
  static const char *const by[] = {NULL,     "token",  "url",  "link",
                                   "number", "offset", "last", "graphql"};
  char way[512];

  if (!r) return;
  snprintf(way, sizeof way, "%s %s", r->method,
           r->path ? cq_template_text(r->path) : "/");
  cq_buf_str(b, b->len ? ",{" : "[{");
  member(b, "operation", r->operation && *r->operation ? r->operation : way);
  member(b, "purpose", purpose);
  member(b, "call", call);
  if (batch > 1) cq_buf_printf(b, ",\"rows\":%d", batch);
  if (page) member(b, "pages", by[page->by]);
  if (page && page->by != CQ_PAGE_NONE && page->size)
    cq_buf_printf(b, ",\"page_size\":%lld", (long long)page->size);
  cq_buf_byte(b, '}');
}

static int table_operations(const cq_table *t, cq_batch *out, cq_value *cell) {
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  operation(&b, "start", t->job.start, NULL, 0, NULL);
  operation(&b, "poll", t->job.poll, NULL, 0, NULL);
  operation(&b, "list", t->request, NULL, t->parent.batch, &t->page);
  operation(&b, "get", t->get.request, NULL, 0, NULL);
  operation(&b, "below", t->below.request, NULL, 0, &t->below.page);
  for (size_t i = 0; i < t->ncall; i++)
    operation(&b, "call", t->calls[i].request, t->calls[i].name,
              t->calls[i].batch, &t->calls[i].page);
  return list_end(out, &b, cell);
}

/* Which clients it is asked of: a condition, or {dimension: [values]}. */
static int table_only(const cq_table *t, cq_batch *out, cq_value *cell) {
  const cq_table *top = cq_table_top(t);
  cq_buf b;

  if (top->only_when)
    return cq_fixed_text(out, cell, cq_template_text(top->only_when));
  if (!top->nonly) return CQ_OK;
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (size_t i = 0; i < top->nonly; i++) {
    const char *name = top->integration->dims[top->only[i].dimension].name;

    cq_buf_byte(&b, i ? ',' : '{');
    cq_buf_json(&b, name, strlen(name));
    cq_buf_str(&b, ":[");
    for (size_t k = 0; k < top->only[i].n; k++) {
      if (k) cq_buf_byte(&b, ',');
      cq_buf_json(&b, top->only[i].values[k], strlen(top->only[i].values[k]));
    }
    cq_buf_byte(&b, ']');
  }
  cq_buf_byte(&b, '}');
  return json_end(out, &b, cell);
}

static void span(cq_buf *b, const char *name, int64_t us) {
  static const struct {
    int64_t seconds;
    char unit;
  } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
  char text[32];
  size_t i = 0;

  if (us <= 0) return;
  us /= 1000000;
  while (i < 3 && us % units[i].seconds) i++;
  snprintf(text, sizeof text, "%lld%c", (long long)(us / units[i].seconds),
           units[i].unit);
  member(b, name, text);
}

/* By which column, and how far back. */
static int table_cursor(const cq_table *t, cq_batch *out, cq_value *cell) {
  const cq_cursor_def *d = &t->cursor;
  cq_buf b;

  if (d->column < 0) return CQ_OK;
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  cq_buf_byte(&b, '{');
  member(&b, "column", t->columns[d->column].name);
  span(&b, "lookback", d->lookback_us);
  span(&b, "window", d->window_us);
  span(&b, "keeps", d->keeps_us);
  cq_buf_str(&b, d->optional ? ",\"optional\":true}" : "}");
  return json_end(out, &b, cell);
}

static int table_row(cq_ctx *c, const char *name, cq_batch *out, cq_value *row,
                     cq_error *err) {
  const cq_table *t;
  cq_buf b;
  int rc = cq_registry_look(c->registry, name, &t, err);

  if (rc) return rc;
  row[T_INCREMENTAL] = cq_value_int(cq_table_incremental(t));
  row[T_PAID] = cq_value_int(t->paid != 0);
  row[T_GENERATED] = cq_value_int(t->generated != 0);
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (size_t i = 0; i < t->nkey; i++) list_add(&b, t->columns[t->key[i]].name);
  if (list_end(out, &b, &row[T_KEY]) ||
      table_clients(t, out, &row[T_CLIENTS]) ||
      table_operations(t, out, &row[T_OPERATIONS]) ||
      table_only(t, out, &row[T_ONLY]) ||
      table_cursor(t, out, &row[T_CURSOR]) ||
      cq_fixed_text(out, &row[T_SERVICE], t->service) ||
      cq_fixed_text(out, &row[T_TITLE], t->title) ||
      cq_fixed_text(out, &row[T_DESCRIPTION], t->description) ||
      cq_fixed_text(out, &row[T_PARENT], t->parent.table_name) ||
      cq_fixed_text(out, &row[T_PERMISSIONS], t->permissions) ||
      cq_fixed_text(out, &row[T_RETIRED], t->retired) ||
      cq_fixed_text(out, &row[T_EXAMPLE], t->example))
    return cq_error_nomem(err);
  return CQ_OK;
}

static int fill_tables(cq_ctx *c, uint64_t used, const char *only,
                       cq_batch *out, cq_error *err) {
  names stored = {NULL, 0, 0};
  const char *name, *owner;
  int rc = CQ_OK;

  if (used >> T_RESOLVES & 1) rc = names_stored(&stored, c->db, err);
  for (size_t i = 0;
       rc == CQ_OK && (name = cq_registry_table_name(c->registry, i, &owner));
       i++) {
    cq_value *row;

    if (only && strcmp(only, name) != 0) continue;
    row = cq_batch_add(out);
    if (!row || cq_fixed_text(out, &row[T_NAME], name) ||
        cq_fixed_text(out, &row[T_INTEGRATION], owner)) {
      rc = cq_error_nomem(err);
      break;
    }
    row[T_RESOLVES] =
        cq_value_text(stored.n && bsearch(&name, stored.v, stored.n,
                                          sizeof *stored.v, name_order)
                          ? "snapshot"
                          : "live");
    if (used >> T_SERVICE) rc = table_row(c, name, out, row, err);
  }
  names_clear(&stored);
  return rc;
}

const cq_fixed cq_fixed_tables = {
    "cq_tables",
    "CREATE TABLE x(name TEXT, integration TEXT, resolves_to TEXT, "
    "service TEXT, title TEXT, description TEXT, parent TEXT, "
    "incremental INTEGER, key TEXT, clients TEXT, permissions TEXT, "
    "operations TEXT, only TEXT, cursor TEXT, paid INTEGER, generated INTEGER, "
    "retired TEXT, example TEXT)",
    T_COUNT,
    0,
    fill_tables,
    0};

/* ---- cq_columns ------------------------------------------------------------- */
enum {
  C_TABLE,
  C_POSITION,
  C_NAME,
  C_TYPE,
  C_SQL,
  C_DESCRIPTION,
  C_KEY,
  C_PUSHED,
  C_EXACT,
  C_REQUIRED,
  C_HIDDEN,
  C_SENSITIVE,
  C_SOURCE,
  C_CALL,
  C_COUNT
};

static int column_pushed(const cq_column *c, cq_batch *out, cq_value *cell) {
  static const struct {
    unsigned bit;
    const char *text;
  } ops[] = {{CQ_W_EQ, "="},     {CQ_W_IN, "in"}, {CQ_W_LT, "<"},
             {CQ_W_LE, "<="},    {CQ_W_GT, ">"},  {CQ_W_GE, ">="},
             {CQ_W_LIKE, "like"}};
  unsigned where = c->where;
  cq_buf b;

  if (c->source == CQ_FROM_CLIENT || c->source == CQ_FROM_PARENT ||
      c->source == CQ_FROM_EACH)
    where |= CQ_W_EQ | CQ_W_IN;
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
    if (where & ops[i].bit) list_add(&b, ops[i].text);
  return list_end(out, &b, cell);
}

static int column_row(const cq_table *t, int i, cq_batch *out, cq_error *err) {
  static const char *const sources[] = {"record", "value",  "client", "parent",
                                        "each",   "config", "where"};
  const cq_column *c = &t->columns[i];
  cq_value *row = cq_batch_add(out);

  if (!row) return cq_error_nomem(err);
  row[C_POSITION] = cq_value_int(i + 1);
  row[C_SQL] = cq_value_text(cq_type_sql(c->type));
  row[C_KEY] = cq_value_int(c->key != 0);
  row[C_EXACT] = cq_value_int(c->exact != 0);
  row[C_REQUIRED] = cq_value_int(c->required != 0);
  row[C_HIDDEN] = cq_value_int(c->hidden != 0);
  row[C_SENSITIVE] = cq_value_int(c->sensitive != 0);
  row[C_SOURCE] = cq_value_text(sources[c->source]);
  if (column_pushed(c, out, &row[C_PUSHED]) ||
      cq_fixed_text(out, &row[C_TABLE], t->name) ||
      cq_fixed_text(out, &row[C_NAME], c->name) ||
      cq_fixed_text(out, &row[C_TYPE], cq_type_name(c->type)) ||
      cq_fixed_text(out, &row[C_DESCRIPTION], c->description) ||
      (c->call >= 0 &&
       cq_fixed_text(out, &row[C_CALL], t->calls[c->call].name)))
    return cq_error_nomem(err);
  return CQ_OK;
}

static int fill_columns(cq_ctx *c, uint64_t used, const char *only,
                        cq_batch *out, cq_error *err) {
  const char *name;
  int rc = CQ_OK;

  (void)used;
  for (size_t i = 0;
       rc == CQ_OK && (name = cq_registry_table_name(c->registry, i, NULL));
       i++) {
    const cq_table *t;

    if (only && strcmp(only, name) != 0) continue;
    rc = cq_registry_look(c->registry, name, &t, err);
    for (int k = 0; rc == CQ_OK && k < t->ncol; k++)
      rc = column_row(t, k, out, err);
  }
  return rc;
}

const cq_fixed cq_fixed_columns = {
    "cq_columns",
    "CREATE TABLE x(table_name TEXT, position INTEGER, name TEXT, type TEXT, "
    "sql_type TEXT, description TEXT, key INTEGER, pushed TEXT, "
    "exact INTEGER, required INTEGER, hidden INTEGER, sensitive INTEGER, "
    "source TEXT, call TEXT)",
    C_COUNT,
    0,
    fill_columns,
    0};
