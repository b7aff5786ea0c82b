/* ext/dest/sqlite/present.c: what is in the database under a name.
 *
 * SQLite has no index on its schema: each look for a name reads all of it, and
 * with a few thousand tables a look for each of them would take longer than
 * their rows.  So it is read once, and again only after somebody else has
 * changed it; of what cq itself changes it is told. */
#include "dest/sqlite/internal.h"

#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

typedef struct entry {
  char *name;
  int exists, view, ours, newest; /* as in lite_present */
  int triggers;                   /* there are some on it */
  int indexed;                    /* by cq */
  int asked; /* changed by cq since: has to be looked for by itself */
} entry;

struct lite_schema {
  int64_t version; /* that it had when it was read ... */
  int losses; /* ... and so many transactions had been lost: versions come again
               */
  cq_arena arena;
  entry *table; /* by hash of the name in lower case */
  size_t n, size;
};

void lite_schema_drop(cq_lite *d) {
  if (!d->seen) return;
  cq_arena_clear(&d->seen->arena);
  cq_free(d->seen->table);
  cq_free(d->seen);
  d->seen = NULL;
}

/* The place of a name: its entry, or an empty one. */
static entry *schema_place(const lite_schema *s, const char *name) {
  uint64_t h = 0;
  size_t at;

  for (const char *c = name; *c; c++)
    h = (h ^ (uint64_t)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c)) *
        UINT64_C(0x100000001b3);
  for (at = (size_t)h & (s->size - 1);
       s->table[at].name && !cq_str_ieq(s->table[at].name, name);
       at = (at + 1) & (s->size - 1))
    ;
  return &s->table[at];
}

static int schema_grow(lite_schema *s) {
  lite_schema old = *s;

  s->size = old.size ? old.size * 2 : 256;
  s->table = cq_calloc(s->size, sizeof *s->table);
  if (!s->table) {
    *s = old;
    return CQ_NOMEM;
  }
  for (size_t i = 0; i < old.size; i++)
    if (old.table[i].name) *schema_place(s, old.table[i].name) = old.table[i];
  cq_free(old.table);
  return CQ_OK;
}

static int schema_add(lite_schema *s, const char *name, entry **out) {
  if (2 * (s->n + 1) > s->size && schema_grow(s)) return CQ_NOMEM;
  *out = schema_place(s, name);
  if ((*out)->name) return CQ_OK;
  (*out)->name = cq_arena_strndup(&s->arena, name, strlen(name));
  if (!(*out)->name) return CQ_NOMEM;
  s->n++;
  return CQ_OK;
}

#define SCHEMA_ROWS                                                            \
  "SELECT tbl_name, type, instr(sql, '" LITE_MADE_BY "'), instr(sql, "         \
  "'_cq_newest') FROM \"%w\".sqlite_schema WHERE (type IN ('table', 'view', "  \
  "'trigger') OR (type = 'index' AND name IN (tbl_name || '_cqgroup', "        \
  "tbl_name "                                                                  \
  "|| '_cqclient', tbl_name || '_group', tbl_name || '_client')))"

static void entry_read(entry *e, sqlite3_stmt *s) {
  const char *type = lite_text(s, 1);

  if (strcmp(type, "trigger") == 0) {
    e->triggers = 1;
    return;
  }
  if (strcmp(type, "index") == 0) {
    e->indexed = 1;
    return;
  }
  e->exists = 1;
  e->view = strcmp(type, "view") == 0;
  e->ours = e->view && sqlite3_column_int(s, 2) > 0;
  e->newest = e->view && sqlite3_column_int(s, 3) > 0;
}

static int schema_version(cq_lite *d, int64_t *out, cq_error *err) {
  return lite_int(d, out, err, "PRAGMA \"%w\".schema_version", d->schema);
}

static int schema_read(cq_lite *d, int64_t version, cq_error *err) {
  lite_schema *s = cq_calloc(1, sizeof *s);
  sqlite3_stmt *rows;
  entry *e;
  int rc;

  lite_schema_drop(d);
  d->seen = s;
  if (!s) return cq_error_nomem(err);
  cq_arena_init(&s->arena);
  s->version = version;
  s->losses = d->h->losses;
  if (schema_grow(s)) return cq_error_nomem(err);
  rc = lite_prepare(d, &rows, err, SCHEMA_ROWS, d->schema);
  if (rc) return rc;
  while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
    if (schema_add(s, lite_text(rows, 0), &e)) {
      sqlite3_finalize(rows);
      return cq_error_nomem(err);
    }
    entry_read(e, rows);
  }
  sqlite3_finalize(rows);
  return rc == SQLITE_DONE ? CQ_OK : lite_fail(d, rc, "sqlite_schema", err);
}

/* What stands under a name. */
static int schema_find(cq_lite *d, const char *name, entry *out,
                       cq_error *err) {
  sqlite3_stmt *s;
  int64_t version;
  int rc = schema_version(d, &version, err);

  if (rc == CQ_OK && (!d->seen || d->seen->version != version ||
                      d->seen->losses != d->h->losses)) {
    rc = schema_read(d, version, err);
    if (rc) lite_schema_drop(d);
  }
  if (rc) return rc;
  *out = *schema_place(d->seen, name);
  if (!out->asked) return CQ_OK;
  memset(out, 0, sizeof *out);
  rc = lite_prepare(d, &s, err, SCHEMA_ROWS " AND tbl_name = %Q COLLATE NOCASE",
                    d->schema, name);
  if (rc) return rc;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW) entry_read(out, s);
  sqlite3_finalize(s);
  return rc == SQLITE_DONE ? CQ_OK : lite_fail(d, rc, name, err);
}

void lite_schema_changed(cq_lite *d, const char *one, const char *other) {
  entry *a, *b;
  int64_t version;

  if (!d->seen) return;
  if (schema_version(d, &version, NULL) || schema_add(d->seen, one, &a) ||
      schema_add(d->seen, other, &b)) {
    lite_schema_drop(d);
    return;
  }
  schema_place(d->seen, one)->asked = 1;
  b->asked = 1;
  d->seen->version = version;
}

/* ---- a table's columns ------------------------------------------------------- */
void lite_present_clear(lite_present *p) {
  cq_dest_found_clear(&p->has);
  memset(p, 0, sizeof *p);
}

const char *lite_present_type(const lite_present *p, const char *name) {
  return cq_dest_found_type(&p->has, name, 1);
}

const char *lite_present_rowid(const lite_present *p) {
  static const char *const names[] = {"rowid", "_rowid_", "oid"};

  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (!lite_present_type(p, names[i])) return names[i];
  return NULL;
}

int lite_rowid(cq_lite *d, const char *name, const char **out, cq_error *err) {
  lite_present p;
  int rc = lite_present_columns(d, name, &p, err);

  *out = rc ? NULL : lite_present_rowid(&p);
  lite_present_clear(&p);
  if (rc || *out) return rc;
  return cq_error_set(
      err, CQ_MISUSE,
      "destination %s: table %s: has columns rowid, _rowid_ and "
      "oid: SQLite has no name left for the numbers of its rows",
      d->base.name, name);
}

int lite_present_columns(cq_lite *d, const char *name, lite_present *p,
                         cq_error *err) {
  sqlite3_stmt *s;
  int rc;

  memset(p, 0, sizeof *p);
  p->exists = 1;
  /* The PRAGMA: a view of the file's may be called pragma_table_info. */
  rc = lite_prepare(d, &s, err, "PRAGMA \"%w\".table_info(\"%w\")", d->schema,
                    name);
  if (rc) return rc;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
    const char *column = lite_text(s, 1);

    if (cq_dest_found_add(&p->has, column, lite_text(s, 2))) {
      rc = SQLITE_NOMEM;
      break;
    }
    if (sqlite3_column_int(s, 5)) {
      p->nkey++;
      p->id_in_key |= strcmp(column, "_cq_id") == 0;
      p->group_in_key |= strcmp(column, "_cq_sync_group_id") == 0;
    }
  }
  sqlite3_finalize(s);
  p->ours = lite_present_type(p, "_cq_id") != NULL;
  return rc == SQLITE_DONE ? CQ_OK : lite_fail(d, rc, name, err);
}

int lite_present_read(cq_lite *d, const char *name, lite_present *p,
                      cq_error *err) {
  entry e;
  int rc;

  memset(p, 0, sizeof *p);
  rc = schema_find(d, name, &e, err);
  if (rc || !e.exists) return rc;
  if (!e.view) {
    rc = lite_present_columns(d, name, p, err);
    p->indexed = e.indexed;
    return rc;
  }
  p->exists = p->view = 1;
  p->ours = e.ours;
  p->newest = e.newest;
  return CQ_OK;
}

/* Somebody's triggers on it, also such as last no longer than his connection. */
int lite_present_triggers(cq_lite *d, const char *name, int *out,
                          cq_error *err) {
  int64_t n = 0;
  entry e;
  int rc = schema_find(d, name, &e, err);

  if (rc == CQ_OK)
    rc = lite_int(d, &n, err,
                  "SELECT count(*) FROM sqlite_temp_schema WHERE type = "
                  "'trigger' AND tbl_name = %Q COLLATE NOCASE",
                  name);
  *out = rc == CQ_OK && (e.triggers || n > 0);
  return rc;
}
