/* ext/dest/sqlite/feed.c: batches as a table, so that their rows go into SQLite
 * by one statement:
 *
 *   INSERT INTO raw_t SELECT ?1, ..., b.id, b.parent, b.c0, ... FROM cq_batch(?5) b
 *
 * ?5 is a pointer of the type "cq_batch" (sqlite3_bind_pointer), so nobody but
 * cq can feed it: whoever else reads cq_batch sees no rows.  Cells are given
 * SQLITE_STATIC: a row stays where it is until the next one is asked for, and
 * SQLite has stored or copied it by then.
 *
 * cq_batch_met(?5, group, same) is how an upsert counts: it is true, and told
 * of each row that was there the run that wrote it, and whether the new one has
 * the same data. */
#include "dest/sqlite/internal.h"

#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

enum { FEED_ID, FEED_PARENT, FEED_CELL }; /* cells follow */

/* Most tables have few columns, and SQLite takes longer to declare many than to
 * store a page of rows. */
static const struct feed_width {
  const char *name;
  int cells;
} widths[] = {{LITE_FEED_TYPE, 100}, {LITE_FEED_TYPE "_wide", CQ_MAX_COLUMNS}};

const char *lite_feed_name(int cells) {
  return widths[cells > widths[0].cells].name;
}

typedef struct feed_table {
  sqlite3_vtab base;
  int cells;
} feed_table;

typedef struct feed_cursor {
  sqlite3_vtab_cursor base;
  lite_feed *feed; /* NULL: no rows */
} feed_cursor;

static int feed_connect(sqlite3 *db, void *aux, int argc,
                        const char *const *argv, sqlite3_vtab **out,
                        char **message) {
  const struct feed_width *w = aux;
  feed_table *t;
  cq_buf b;
  int rc;

  (void)argc, (void)argv, (void)message;
  cq_buf_init(&b, 64 << 10);
  cq_buf_str(&b, "CREATE TABLE x(id, parent");
  for (int i = 0; i < w->cells; i++) cq_buf_printf(&b, ",c%d", i);
  cq_buf_str(&b, ",batch HIDDEN)");
  rc = b.rc ? SQLITE_NOMEM : sqlite3_declare_vtab(db, b.data);
  cq_buf_clear(&b);
  if (rc == SQLITE_OK) {
    t = sqlite3_malloc(sizeof *t);
    if (!t) return SQLITE_NOMEM;
    memset(t, 0, sizeof *t);
    t->cells = w->cells;
    *out = &t->base;
    /* Not for views and triggers, which would outlive the pointer's meaning. */
    sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
  }
  return rc;
}

static int feed_disconnect(sqlite3_vtab *v) {
  sqlite3_free(v);
  return SQLITE_OK;
}

static int feed_best_index(sqlite3_vtab *v, sqlite3_index_info *info) {
  for (int i = 0; i < info->nConstraint; i++)
    if (info->aConstraint[i].usable &&
        info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ &&
        info->aConstraint[i].iColumn == FEED_CELL + ((feed_table *)v)->cells) {
      info->aConstraintUsage[i].argvIndex = 1;
      info->aConstraintUsage[i].omit = 1;
      info->idxNum = 1;
    }
  info->estimatedCost = 1000;
  info->estimatedRows = 1000;
  return SQLITE_OK;
}

static int feed_open(sqlite3_vtab *v, sqlite3_vtab_cursor **out) {
  feed_cursor *c = sqlite3_malloc(sizeof *c);

  (void)v;
  if (!c) return SQLITE_NOMEM;
  memset(c, 0, sizeof *c);
  *out = &c->base;
  return SQLITE_OK;
}

static int feed_close(sqlite3_vtab_cursor *base) {
  sqlite3_free(base);
  return SQLITE_OK;
}

static int feed_find(lite_feed *f) {
  return f->row >= f->last && f->more ? f->more(f) : SQLITE_OK;
}

static int feed_filter(sqlite3_vtab_cursor *base, int index, const char *text,
                       int argc, sqlite3_value **argv) {
  feed_cursor *c = (feed_cursor *)base;

  (void)text;
  c->feed = index == 1 && argc == 1
                ? sqlite3_value_pointer(argv[0], LITE_FEED_TYPE)
                : NULL;
  return c->feed ? feed_find(c->feed) : SQLITE_OK;
}

static int feed_next(sqlite3_vtab_cursor *base) {
  lite_feed *f = ((feed_cursor *)base)->feed;

  f->row++;
  return feed_find(f);
}

static int feed_eof(sqlite3_vtab_cursor *base) {
  const lite_feed *f = ((const feed_cursor *)base)->feed;

  return !f || f->row >= f->last;
}

/* A STRICT table refuses what its column is not: such a value becomes NULL
 * and is counted, rather than taking the whole unit along. */
static int feed_fits(char kind, const cq_value *v) {
  switch (kind) {
  case 'I':
    return v->kind == CQ_INT ||
           (v->kind == CQ_DOUBLE && v->u.r >= -9007199254740992.0 &&
            v->u.r <= 9007199254740992.0 && v->u.r == (double)(int64_t)v->u.r);
  case 'R':
    return v->kind == CQ_INT || v->kind == CQ_DOUBLE;
  case 'B':
    return v->kind == CQ_BYTES || v->kind == CQ_STR;
  default:
    return v->kind != CQ_BYTES;
  }
}

static int feed_column(sqlite3_vtab_cursor *base, sqlite3_context *ctx,
                       int column) {
  const lite_feed *f = ((const feed_cursor *)base)->feed;
  const cq_value *v;
  int i;

  if (column == FEED_ID) {
    sqlite3_result_text(ctx, f->ids + 37 * f->row, 36, SQLITE_STATIC);
    return SQLITE_OK;
  }
  if (column == FEED_PARENT) {
    const char *p = f->parents ? f->parents + 37 * f->row : "";

    if (*p) sqlite3_result_text(ctx, p, 36, SQLITE_STATIC);
    return SQLITE_OK;
  }
  i = column - FEED_CELL;
  if (i >= f->table->ncol) return SQLITE_OK;
  v = f->cells + (size_t)f->row * (size_t)f->wide + f->table->cols[i];
  if (v->kind == CQ_NULL) return SQLITE_OK;
  if (v->kind == CQ_STR && f->kinds[i] == 'T') { /* most of all cells */
    sqlite3_result_text(ctx, v->len ? v->u.s : "", (int)v->len, SQLITE_STATIC);
    return SQLITE_OK;
  }
  if (!feed_fits(f->kinds[i], v)) {
    cq_dest_odd(f->unit, CQ_META + i, v);
    return SQLITE_OK;
  }
  switch ((cq_kind)v->kind) {
  case CQ_INT:
    sqlite3_result_int64(ctx, v->u.i);
    break;
  case CQ_DOUBLE:
    sqlite3_result_double(ctx, v->u.r);
    break;
  case CQ_STR: /* where bytes are wanted */
  case CQ_BYTES:
    sqlite3_result_blob(ctx, v->len ? v->u.s : "", (int)v->len, SQLITE_STATIC);
    break;
  case CQ_NULL:
    break;
  }
  return SQLITE_OK;
}

static int feed_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
  *out = ((feed_cursor *)base)->feed->row;
  return SQLITE_OK;
}

static const sqlite3_module feed_module = {
    .xConnect = feed_connect,
    .xBestIndex = feed_best_index,
    .xDisconnect = feed_disconnect,
    .xOpen = feed_open,
    .xClose = feed_close,
    .xFilter = feed_filter,
    .xNext = feed_next,
    .xEof = feed_eof,
    .xColumn = feed_column,
    .xRowid = feed_rowid,
};

static void feed_met(sqlite3_context *ctx, int argc, sqlite3_value **argv) {
  lite_feed *f = sqlite3_value_pointer(argv[0], LITE_FEED_TYPE);

  (void)argc;
  if (f) {
    if (sqlite3_value_int64(argv[1]) == f->group)
      f->again++;
    else
      f->met++;
    f->same += sqlite3_value_int(argv[2]) != 0;
  }
  sqlite3_result_int(ctx, 1);
}

/* Registered at the first sync of a connection, and only then: the function
 * last, since there are thousands of modules to look through.  The PRAGMA is
 * asked: a view of the file's may be called pragma_function_list. */
int lite_feed_register(sqlite3 *db) {
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(db, "PRAGMA function_list", -1, &s, NULL);
  int there = 0;

  while (rc == SQLITE_OK && !there && sqlite3_step(s) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(s, 0);

    there = name && strcmp(name, "cq_batch_met") == 0;
  }
  sqlite3_finalize(s);
  if (there) return SQLITE_OK;
  rc = SQLITE_OK;
  for (size_t i = 0; i < sizeof widths / sizeof *widths && rc == SQLITE_OK; i++)
    rc = sqlite3_create_module_v2(db, widths[i].name, &feed_module,
                                  (void *)&widths[i], NULL);
  if (rc == SQLITE_OK)
    rc = sqlite3_create_function_v2(db, "cq_reread", 2,
                                    SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
                                    lite_reread, NULL, NULL, NULL);
  return rc ? rc
            : sqlite3_create_function_v2(db, "cq_batch_met", 3,
                                         SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
                                         feed_met, NULL, NULL, NULL);
}
