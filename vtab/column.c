/* vtab/column.c: between our values and SQLite's: cells, arguments, rowids,
 * errors. */
#include <string.h>

#include "vtab/vtab.h"

/* JSON has no subtype: a sorter or a stored table would lose it, and the same
 * query must give the same whichever way SQLite takes and whether the table is
 * live or synced.  json(column) says that text is JSON.
 *
 * Text is copied: beside max() and min() SQLite keeps the row's other columns as
 * they were handed to it, while the cursor goes on to rows of other pages. */
void cq_column_result(sqlite3_context *c, const cq_value *v) {
  switch ((cq_kind)v->kind) {
  case CQ_NULL:
    sqlite3_result_null(c);
    break;
  case CQ_INT:
    sqlite3_result_int64(c, v->u.i);
    break;
  case CQ_DOUBLE:
    sqlite3_result_double(c, v->u.r);
    break;
  case CQ_STR:
    sqlite3_result_text64(c, v->len ? v->u.s : "", v->len, SQLITE_TRANSIENT,
                          SQLITE_UTF8);
    break;
  case CQ_BYTES:
    sqlite3_result_blob64(c, v->len ? v->u.s : "", v->len, SQLITE_TRANSIENT);
    break;
  }
}

cq_value cq_value_of(sqlite3_value *v) {
  cq_value out = cq_value_null();

  switch (sqlite3_value_type(v)) {
  case SQLITE_INTEGER:
    return cq_value_int(sqlite3_value_int64(v));
  case SQLITE_FLOAT:
    return cq_value_real(sqlite3_value_double(v));
  case SQLITE_TEXT: {
    const char *s = (const char *)sqlite3_value_text(v);

    return s ? cq_value_str(s, (size_t)sqlite3_value_bytes(v)) : out;
  }
  case SQLITE_BLOB:
    out.kind = CQ_BYTES;
    out.u.s = sqlite3_value_blob(v);
    out.len = (uint32_t)sqlite3_value_bytes(v);
    return out;
  default:
    return out;
  }
}

/* Codes such as IOERR make SQLite roll back; a failed request is no reason. */
static int column_code(const cq_error *err) {
  return err->code == CQ_NOMEM || err->code == CQ_INTERRUPT ? err->code
                                                            : SQLITE_ERROR;
}

int cq_vtab_error(sqlite3_vtab *vtab, const cq_error *err) {
  sqlite3_free(vtab->zErrMsg);
  vtab->zErrMsg = sqlite3_mprintf("%s", err->text);
  return column_code(err);
}

int cq_vtab_undeclared(sqlite3 *db, const char *name, int rc, char **message) {
  if (rc != SQLITE_NOMEM)
    *message = sqlite3_mprintf("%s: its columns: %s", name, sqlite3_errmsg(db));
  return rc;
}

void cq_func_error(sqlite3_context *c, const cq_error *err) {
  if (err->code == CQ_NOMEM) {
    sqlite3_result_error_nomem(c);
    return;
  }
  sqlite3_result_error(c, err->text, -1);
  sqlite3_result_error_code(c, column_code(err));
}

static int rowids_grow(cq_rowids *r) {
  cq_rowids old = *r;

  r->cap = old.cap ? old.cap * 2 : 64;
  r->slot = cq_calloc(r->cap, sizeof *r->slot);
  if (!r->slot) {
    *r = old;
    return CQ_NOMEM;
  }
  for (size_t i = 0; i < old.cap; i++) {
    size_t at;

    if (!old.slot[i].count) continue;
    for (at = old.slot[i].hash & (r->cap - 1); r->slot[at].count;
         at = (at + 1) & (r->cap - 1))
      ;
    r->slot[at] = old.slot[i];
  }
  cq_free(old.slot);
  return CQ_OK;
}

/* The n-th copy of a row is the n-th copy wherever the query reads it again, as
 * `a=1 OR b=2` does. */
static int rowids_count(cq_rowids *r, uint64_t hash, sqlite3_int64 *out) {
  size_t at;
  uint64_t id;

  if ((r->n + 1) * 2 > r->cap && rowids_grow(r)) return CQ_NOMEM;
  for (at = hash & (r->cap - 1); r->slot[at].count && r->slot[at].hash != hash;
       at = (at + 1) & (r->cap - 1))
    ;
  if (!r->slot[at].count) r->n++;
  r->slot[at].hash = hash;
  id = hash;
  if (r->slot[at].count) id = cq_hash64(&hash, sizeof hash, r->slot[at].count);
  r->slot[at].count++;
  *out = (sqlite3_int64)(id >> 1);
  return CQ_OK;
}

int cq_rowids_next(cq_rowids *r, uint64_t hash, sqlite3_int64 *out) {
  for (size_t i = 0; i < r->nnoted; i++)
    if (rowids_count(r, r->noted[i], out)) return CQ_NOMEM;
  r->nnoted = 0;
  return rowids_count(r, hash, out);
}

int cq_rowids_pass(cq_rowids *r, uint64_t hash) {
  sqlite3_int64 id;

  if (r->n) return rowids_count(r, hash, &id);
  if (r->nnoted == CQ_ROWIDS_NOTED) return CQ_OK;
  if (cq_grow(&r->noted, &r->capnoted, r->nnoted, sizeof *r->noted))
    return CQ_NOMEM;
  r->noted[r->nnoted++] = hash;
  return CQ_OK;
}

void cq_rowids_reset(cq_rowids *r) {
  uint64_t *noted = r->noted;
  size_t cap = r->capnoted;

  if (cap > 512) {
    cq_rowids_clear(r);
    return;
  }
  cq_free(r->slot);
  memset(r, 0, sizeof *r);
  r->noted = noted;
  r->capnoted = cap;
}

void cq_rowids_clear(cq_rowids *r) {
  cq_free(r->slot);
  cq_free(r->noted);
  memset(r, 0, sizeof *r);
}
