/* vtab/rows.c: tables whose rows cq makes itself, all at once, when they are
 * read: a list of columns and a function that fills a batch. */
#include <string.h>

#include "vtab/vtab.h"

typedef struct rows_module {
  cq_ctx *ctx;
  const cq_fixed *fixed;
} rows_module;

typedef struct rows_vtab {
  sqlite3_vtab base; /* must be first */
  cq_ctx *ctx;
  const cq_fixed *fixed;
} rows_vtab;

typedef struct rows_cursor {
  sqlite3_vtab_cursor base; /* must be first */
  cq_batch *batch;
  int row;
  int nth; /* of the rows with this value in the filter's column */
} rows_cursor;

static int rows_connect(sqlite3 *db, void *aux, int argc,
                        const char *const *argv, sqlite3_vtab **out,
                        char **message) {
  rows_module *m = aux;
  rows_vtab *v;
  int rc;

  (void)argc, (void)argv;
  *out = NULL;
  rc = sqlite3_declare_vtab(db, m->fixed->declare);
  if (rc) return cq_vtab_undeclared(db, m->fixed->name, rc, message);
  if (m->fixed->direct) sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  v = sqlite3_malloc64(sizeof *v);
  if (!v) return SQLITE_NOMEM;
  memset(v, 0, sizeof *v);
  v->ctx = cq_ctx_ref(m->ctx);
  v->fixed = m->fixed;
  *out = &v->base;
  return SQLITE_OK;
}

static int rows_disconnect(sqlite3_vtab *base) {
  cq_ctx_unref(((rows_vtab *)base)->ctx);
  sqlite3_free(base);
  return SQLITE_OK;
}

/* idxNum tells the columns that are read; an argument, the one name that is
 * asked for. */
static int rows_best_index(sqlite3_vtab *base, sqlite3_index_info *info) {
  const cq_fixed *f = ((rows_vtab *)base)->fixed;

  info->idxNum = (int)(info->colUsed & 0x7fffffff);
  info->estimatedCost = 1000;
  info->estimatedRows = 1000;
  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &info->aConstraint[i];

    if (c->usable && c->iColumn == f->filter && f->filter >= 0 &&
        c->op == SQLITE_INDEX_CONSTRAINT_EQ &&
        sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") == 0) {
      info->aConstraintUsage[i].argvIndex = 1;
      info->estimatedCost = 10;
      info->estimatedRows = 10;
      break;
    }
  }
  return SQLITE_OK;
}

static int rows_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out) {
  const rows_vtab *v = (rows_vtab *)base;
  rows_cursor *c;
  int rc = v->fixed->direct
               ? cq_named_by_search(v->ctx->db, base, v->fixed->name)
               : SQLITE_OK;

  if (rc) return rc;
  c = sqlite3_malloc64(sizeof *c);
  if (!c) return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  *out = &c->base;
  return SQLITE_OK;
}

static int rows_close(sqlite3_vtab_cursor *base) {
  cq_batch_free(((rows_cursor *)base)->batch);
  sqlite3_free(base);
  return SQLITE_OK;
}

static int rows_filter(sqlite3_vtab_cursor *base, int num, const char *idx,
                       int argc, sqlite3_value **argv) {
  rows_cursor *c = (rows_cursor *)base;
  rows_vtab *v = (rows_vtab *)base->pVtab;
  cq_error err = {0, ""};
  const char *only = NULL;
  int rc;

  (void)idx;
  if (argc > 0 && sqlite3_value_type(argv[0]) == SQLITE_TEXT)
    only = (const char *)sqlite3_value_text(argv[0]);
  cq_batch_free(c->batch);
  c->row = c->nth = 0;
  c->batch = cq_batch_new(v->fixed->ncol);
  if (!c->batch) return SQLITE_NOMEM;
  rc = v->fixed->fill(v->ctx, (uint64_t)num, only, c->batch, &err);
  return rc ? cq_vtab_error(base->pVtab, &err) : SQLITE_OK;
}

static int rows_eof(sqlite3_vtab_cursor *base) {
  rows_cursor *c = (rows_cursor *)base;

  return !c->batch || c->row >= c->batch->nrow;
}

static int rows_column(sqlite3_vtab_cursor *base, sqlite3_context *x, int i) {
  rows_cursor *c = (rows_cursor *)base;

  cq_column_result(x, &cq_batch_row(c->batch, c->row)[i]);
  return SQLITE_OK;
}

/* The value by which `only` picks rows: those with one value are made together,
 * in the same order each time.  NULL: nothing picks. */
static const cq_value *rows_name(const rows_cursor *c, int row) {
  const rows_vtab *v = (const rows_vtab *)c->base.pVtab;

  return v->fixed->filter < 0 || row >= c->batch->nrow
             ? NULL
             : &cq_batch_row(c->batch, row)[v->fixed->filter];
}

static int rows_next(sqlite3_vtab_cursor *base) {
  rows_cursor *c = (rows_cursor *)base;
  const cq_value *was = rows_name(c, c->row), *is = rows_name(c, c->row + 1);

  c->row++;
  c->nth = was && is && !cq_value_same(was, is) ? 0 : c->nth + 1;
  return SQLITE_OK;
}

/* The same row has the same number whatever was asked for: the arms of an OR
 * are told apart by it. */
static int rows_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  const rows_cursor *c = (rows_cursor *)base;
  const cq_value *name = rows_name(c, c->row);

  *out =
      name && name->kind == CQ_STR
          ? (sqlite3_int64)cq_hash64(name->u.s, name->len, (uint64_t)c->nth + 1)
          : c->row + 1;
  return SQLITE_OK;
}

static const sqlite3_module rows = {
    .iVersion = 2,
    .xConnect = rows_connect,
    .xBestIndex = rows_best_index,
    .xDisconnect = rows_disconnect,
    .xOpen = rows_open,
    .xClose = rows_close,
    .xFilter = rows_filter,
    .xNext = rows_next,
    .xEof = rows_eof,
    .xColumn = rows_column,
    .xRowid = rows_rowid,
};

static void rows_free(void *user) {
  cq_ctx_unref(((rows_module *)user)->ctx);
  cq_free(user);
}

int cq_fixed_register(cq_ctx *c, const cq_fixed *f, cq_error *err) {
  rows_module *m = cq_calloc(1, sizeof *m);
  int rc;

  if (!m) return cq_error_nomem(err);
  m->ctx = cq_ctx_ref(c);
  m->fixed = f;
  rc = sqlite3_create_module_v2(c->db, f->name, &rows, m, rows_free);
  return rc ? cq_error_set(err, rc, "table %s: cannot be registered: %s",
                           f->name, sqlite3_errstr(rc))
            : CQ_OK;
}

int cq_fixed_text(cq_batch *b, cq_value *cell, const char *s) {
  char *copy;

  if (!s) return CQ_OK;
  copy = cq_arena_strndup(&b->arena, s, strlen(s));
  if (!copy) return CQ_NOMEM;
  *cell = cq_value_text(copy);
  return CQ_OK;
}
