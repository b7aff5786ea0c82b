/* ext/dest/sqlite/migrate.c: tables and views as a definition asks for them,
 * made, or changed from what is there.
 *
 *   append     table raw_<t> without a key, an index on the run's number,
 *              view <t> of the current rows
 *   overwrite  table <t> whose key is _cq_id
 *
 * A new column is added.  A column that the definition no longer has stays,
 * and stays in the view: people's own views may use it.  Another type, another
 * key or the other write mode loses or rewrites data: safe refuses and lists
 * what it is, forced copies the rows into a new table of the same name, each
 * value as far as the new type can hold it.  Only views that cq made are
 * dropped and made again; those say so in their text. */
#include "dest/sqlite/internal.h"

#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

void lite_add_name(cq_buf *b, const char *name) {
  cq_buf_byte(b, '"');
  for (; *name; name++) {
    if (*name == '"') cq_buf_byte(b, '"');
    cq_buf_byte(b, *name);
  }
  cq_buf_byte(b, '"');
}

int lite_add_columns(cq_buf *b, const cq_dest_table *t, int64_t group) {
  for (int i = 0; i < CQ_META; i++) {
    if (i) cq_buf_str(b, ", ");
    if (group && strcmp(cq_dest_metas[i].name, "_cq_sync_group_id") == 0)
      cq_buf_printf(b, "%lld", (long long)group);
    else
      lite_add_name(b, cq_dest_metas[i].name);
  }
  for (int i = 0; i < t->ncol; i++) {
    cq_buf_str(b, ", ");
    lite_add_name(b, t->def->columns[t->cols[i]].name);
  }
  return b->rc;
}

/* ---- making ---------------------------------------------------------------- */

static int create_table(cq_lite *d, const cq_dest_table *t, const char *name,
                        const lite_present *old, int keyed, cq_error *err) {
  cq_buf b;
  int rc;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  for (int i = 0; i < CQ_META; i++) {
    cq_buf_printf(&b, "%s  \"%s\" %s", i ? ",\n" : "", cq_dest_metas[i].name,
                  cq_type_sql(cq_dest_metas[i].type));
    if (i < CQ_META - 1) cq_buf_str(&b, " NOT NULL");
  }
  for (int i = 0; i < t->ncol; i++) {
    const cq_column *c = &t->def->columns[t->cols[i]];

    cq_buf_str(&b, ",\n  ");
    lite_add_name(&b, c->name);
    cq_buf_printf(&b, " %s", cq_type_sql(c->type));
  }
  /* Columns of before stay, with the types that STRICT knows. */
  for (size_t i = 0; old && i < old->has.n; i++) {
    int known = 0;

    for (int k = 0; k < CQ_META; k++)
      known |= cq_str_ieq(old->has.names[i], cq_dest_metas[k].name);
    for (int k = 0; k < t->ncol && !known; k++)
      known = cq_str_ieq(old->has.names[i], t->def->columns[t->cols[k]].name);
    if (known) continue;
    cq_buf_str(&b, ",\n  ");
    lite_add_name(&b, old->has.names[i]);
    cq_buf_str(&b, cq_str_ieq(old->has.types[i], "INTEGER") ? " INTEGER"
                   : cq_str_ieq(old->has.types[i], "REAL")  ? " REAL"
                   : cq_str_ieq(old->has.types[i], "BLOB")  ? " BLOB"
                                                            : " TEXT");
  }
  if (keyed)
    cq_buf_str(&b, d->group_in_key
                       ? ",\n  PRIMARY KEY (_cq_id, _cq_sync_group_id)"
                       : ",\n  PRIMARY KEY (_cq_id)");
  rc = b.rc ? cq_error_nomem(err)
            : lite_ddl(d, err, "CREATE TABLE \"%w\".\"%w\" (\n%s\n) STRICT",
                       d->schema, name, b.data);
  cq_buf_clear(&b);
  return rc;
}

/* Raw rows are found by their run; merged ones by their client, where there
 * are several.  SQLite has one room of names for tables and indexes: the end is
 * one that no table has.  (It was _group and _client once.) */
static int create_index(cq_lite *d, const cq_dest_table *t, const char *name,
                        int keyed, cq_error *err) {
  if (!keyed)
    return lite_ddl(d, err,
                    "CREATE INDEX IF NOT EXISTS \"%w\".\"%w_cqgroup\" ON "
                    "\"%w\" (_cq_sync_group_id)",
                    d->schema, name, name);
  if (!t->many) return CQ_OK;
  return lite_ddl(d, err,
                  "CREATE INDEX IF NOT EXISTS \"%w\".\"%w_cqclient\" ON "
                  "\"%w\" (_cq_client_id)",
                  d->schema, name, name);
}

/* Does the table have the stored columns first, in their order? */
static int in_order(const cq_dest_table *t, const lite_present *have) {
  int i = 0, wide = cq_dest_width(t);

  while (i < wide && (size_t)i < have->has.n &&
         strcmp(have->has.names[i], cq_dest_column(t, i)) == 0)
    i++;
  return i == wide;
}

/* The view of the current rows.  A snapshot: each unit's rows of the run that
 * it points at.  Incremental: the newest row of each key, over all published
 * runs. */
static int create_view(cq_lite *d, const cq_dest_table *t, const char *raw,
                       const lite_present *have, cq_error *err) {
  const char *name = t->def->name, *rowid = lite_present_rowid(have);
  cq_buf b;
  int rc;

  /* SQLite keeps each view in memory as it is written, and reads all of them
   * whenever one more is made: of thousands, lists of columns are most. */
  const int all = !t->incremental && in_order(t, have);

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  if (all)
    cq_buf_str(&b, "r.*");
  else
    lite_add_columns(&b, t, 0);
  for (size_t i = 0; i < have->has.n && !all; i++) {
    int known = 0;

    for (int k = 0; k < CQ_META; k++)
      known |= cq_str_ieq(have->has.names[i], cq_dest_metas[k].name);
    for (int k = 0; k < t->ncol && !known; k++)
      known = cq_str_ieq(have->has.names[i], t->def->columns[t->cols[k]].name);
    if (known) continue;
    cq_buf_str(&b, ", ");
    lite_add_name(&b, have->has.names[i]);
  }
  if (b.rc)
    rc = cq_error_nomem(err);
  else if (t->incremental)
    rc = lite_ddl(
        d, err,
        "CREATE VIEW \"%w\".\"%w\" AS " LITE_MADE_BY "\nSELECT %s FROM (\n"
        "  SELECT r.*, row_number() OVER (PARTITION BY r._cq_source_name, "
        "r._cq_id ORDER BY r._cq_sync_group_id DESC, r.%s DESC) AS "
        "_cq_newest\n"
        "  FROM \"%w\" AS r\n"
        "  WHERE EXISTS (SELECT 1 FROM cq_sync_units AS u WHERE "
        "u.table_name = %Q\n"
        "    AND u.source_name = r._cq_source_name AND u.client_id = "
        "r._cq_client_id\n"
        "    AND u.sync_group_id = r._cq_sync_group_id AND u.published = 1))\n"
        "WHERE _cq_newest = 1",
        d->schema, name, b.data, rowid ? rowid : "_cq_id", raw, name);
  else
    rc = lite_ddl(
        d, err,
        "CREATE VIEW \"%w\".\"%w\" AS " LITE_MADE_BY "\nSELECT %s\n"
        "FROM \"%w\" AS r\n"
        "WHERE r._cq_sync_group_id IN (SELECT u.sync_group_id FROM cq_units "
        "AS u WHERE u.table_name = %Q)\n"
        "  AND r._cq_sync_group_id = (SELECT u.sync_group_id FROM cq_units AS "
        "u WHERE u.table_name = %Q\n"
        "    AND u.source_name = r._cq_source_name AND u.client_id = "
        "r._cq_client_id)",
        d->schema, name, b.data, raw, name, name);
  cq_buf_clear(&b);
  return rc;
}

/* ---- changing -------------------------------------------------------------- */

/* What people have put on a table or view, which goes when that is dropped:
 * indexes and triggers, as the SQL that makes them. */
typedef struct kept {
  char **sql;
  size_t n, cap;
} kept;

static int kept_read(cq_lite *d, const char *name, kept *k, cq_error *err) {
  sqlite3_stmt *s;
  int rc = lite_prepare(d, &s, err,
                        "SELECT sql FROM \"%w\".sqlite_schema WHERE tbl_name = "
                        "%Q COLLATE NOCASE AND type IN ('index', 'trigger') "
                        "AND sql IS NOT NULL ORDER BY rowid",
                        d->schema, name);

  if (rc) return rc;
  while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
    if (cq_grow(&k->sql, &k->cap, k->n, sizeof *k->sql) ||
        !(k->sql[k->n] = cq_strdup(lite_text(s, 0)))) {
      sqlite3_finalize(s);
      return cq_error_nomem(err);
    }
    k->n++;
  }
  sqlite3_finalize(s);
  return rc == SQLITE_DONE ? CQ_OK : lite_fail(d, rc, name, err);
}

/* SQLite keeps the SQL from the name on as it was written and without the
 * schema, which is put before it. */
static int kept_one(cq_lite *d, const char *sql, cq_error *err) {
  static const char *const begin[] = {"CREATE INDEX ", "CREATE UNIQUE INDEX ",
                                      "CREATE TRIGGER "};

  for (int i = 0; i < 3; i++) {
    size_t n = strlen(begin[i]);

    if (strncmp(sql, begin[i], n) == 0)
      return lite_ddl(d, err, "%s\"%w\".%s", begin[i], d->schema, sql + n);
  }
  return cq_error_set(err, CQ_ERROR, "destination %s: cannot keep: %.200s",
                      d->base.name, sql);
}

static int kept_make(cq_lite *d, const kept *k, cq_error *err) {
  int rc = CQ_OK;

  for (size_t i = 0; i < k->n && rc == CQ_OK; i++)
    rc = kept_one(d, k->sql[i], err);
  return rc;
}

static void kept_clear(kept *k) {
  for (size_t i = 0; i < k->n; i++) cq_free(k->sql[i]);
  cq_free(k->sql);
}

/* What a column of cq's holds, in rows that were there before cq knew it: those
 * of a table that CloudQuery made.  Rows without an id get one that no other
 * has, as they do whose table has no key: else they would be lost to each
 * other. */
static const char *missing_value(int i) {
  static const char *const values[CQ_META] = {
      "'1970-01-01T00:00:00Z'",
      "''",
      "0",
      "''",
      "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || "
      "substr(hex(randomblob(2)), 2) || '-a' || substr(hex(randomblob(2)), 2) "
      "|| '-' || hex(randomblob(6)))",
      NULL};

  return values[i];
}

/* Has somebody else made it, who has an _cq_id too: CloudQuery? */
static int foreign_made(const lite_present *old) {
  for (int i = 0; i < CQ_META - 1; i++)
    if (!lite_present_type(old, cq_dest_metas[i].name)) return 1;
  return old->nkey > 0 && !old->id_in_key;
}

/* Those of cq's columns that the table has not, and what they hold. */
static void add_missing(cq_buf *into, cq_buf *from, const lite_present *old) {
  for (int i = 0; i < CQ_META; i++) {
    if (!missing_value(i) || lite_present_type(old, cq_dest_metas[i].name))
      continue;
    cq_buf_printf(into, ", %s", cq_dest_metas[i].name);
    cq_buf_printf(from, ", %s", missing_value(i));
  }
}

static int index_of(const cq_dest_table *t, const char *name) {
  for (int i = 0; i < cq_dest_width(t); i++)
    if (cq_str_ieq(name, cq_dest_column(t, i))) return i;
  return -1;
}

/* The rows of a temporary table that has such columns, of `old`. */
static int fill(cq_lite *d, cq_dest_table *t, const char *name,
                const lite_present *old, const char *temp, cq_error *err) {
  cq_buf into, from;
  cq_reread *rereads = cq_calloc(old->has.n + 1, sizeof *rereads);
  char *sql = NULL;
  int rc, first = 1, changed = 0;

  if (!rereads) return cq_error_nomem(err);

  cq_buf_init(&into, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&from, CQ_MAX_SPEC_BYTES);
  for (size_t i = 0; i < old->has.n; i++) {
    const char *missing = NULL;
    int k = index_of(t, old->has.names[i]);

    if (k >= 0 && k < CQ_META) missing = missing_value(k);
    if (!first) {
      cq_buf_str(&into, ", ");
      cq_buf_str(&from, ", ");
    }
    first = 0;
    lite_add_name(&into, old->has.names[i]);
    if (missing) cq_buf_str(&from, "ifnull(nullif(");
    if (k >= 0 &&
        !cq_str_ieq(cq_type_sql(cq_dest_type(t, k)), old->has.types[i])) {
      rereads[changed].table = t;
      rereads[changed].column = k;
      cq_buf_printf(&from, "cq_reread(?%d, ", ++changed);
      lite_add_name(&from, old->has.names[i]);
      cq_buf_byte(&from, ')');
    } else {
      lite_add_name(&from, old->has.names[i]);
    }
    if (missing) cq_buf_printf(&from, ", ''), %s)", missing);
  }
  add_missing(&into, &from, old);
  if (!(into.rc || from.rc))
    sql = sqlite3_mprintf("INSERT OR REPLACE INTO \"%w\".\"%w\" (%s) SELECT %s "
                          "FROM temp.%s",
                          d->schema, name, into.data, from.data, temp);
  rc =
      sql ? lite_retype(d, t, sql, rereads, changed, err) : cq_error_nomem(err);
  sqlite3_free(sql);
  cq_free(rereads);
  cq_buf_clear(&into);
  cq_buf_clear(&from);
  return rc ? rc : lite_ddl(d, err, "DROP TABLE temp.%s", temp);
}

/* A new table of the same name with the rows of the old one. */
static int rebuild(cq_lite *d, cq_dest_table *t, const char *name,
                   const lite_present *old, int keyed, cq_error *err) {
  kept theirs = {NULL, 0, 0};
  int rc = kept_read(d, name, &theirs, err);

  /* Never by ALTER TABLE ... RENAME: that would check, and refuse because of,
   * people's views on a name that is gone for a moment. */
  if (rc == CQ_OK)
    rc = lite_ddl(d, err, "DROP TABLE IF EXISTS temp.cq_migrate");
  if (rc == CQ_OK)
    rc = lite_ddl(d, err,
                  "CREATE TEMP TABLE cq_migrate AS SELECT * FROM "
                  "\"%w\".\"%w\"",
                  d->schema, name);
  if (rc == CQ_OK)
    rc = lite_ddl(d, err, "DROP TABLE \"%w\".\"%w\"", d->schema, name);
  if (rc == CQ_OK) rc = create_table(d, t, name, old, keyed, err);
  if (rc == CQ_OK) rc = fill(d, t, name, old, "cq_migrate", err);
  if (rc == CQ_OK) rc = kept_make(d, &theirs, err);
  if (rc == CQ_OK && foreign_made(old)) rc = lite_adopt(d, t, name, err);
  kept_clear(&theirs);
  return rc;
}

static int refuse(cq_error *err, const cq_lite *d, const char *table,
                  const char *fact) {
  cq_error_set(err, CQ_MISUSE, "destination %s: table %s: %s", d->base.name,
               table, fact);
  cq_error_hint(err, "migrate_mode: forced changes it");
  return CQ_MISUSE;
}

static int key_fits(const cq_lite *d, const lite_present *p, int keyed) {
  int group = keyed && d->group_in_key;

  if (!keyed) return !p->id_in_key;
  return p->nkey == 1 + group && p->id_in_key && p->group_in_key == group;
}

static const char *column_of(const cq_dest_table *t, int i, const char **type) {
  *type = cq_type_sql(cq_dest_type(t, i));
  return cq_dest_column(t, i);
}

/* What would lose or rewrite data; any_key: whatever its key is. */
static void find_facts(const cq_lite *d, const cq_dest_table *t,
                       const lite_present *old, int keyed, int any_key,
                       cq_buf *facts) {
  if (!any_key && !key_fits(d, old, keyed))
    cq_buf_str(facts, "has another key");
  for (int i = 0; i < cq_dest_width(t); i++) {
    const char *type, *column = column_of(t, i, &type);
    const char *had = lite_present_type(old, column);

    if (had ? cq_str_ieq(had, type) : i >= CQ_META - 1) continue;
    if (facts->len) cq_buf_str(facts, "; ");
    if (had)
      cq_buf_printf(facts, "column %s is %s and would be %s", column, had,
                    type);
    else
      cq_buf_printf(facts, "column %s is missing", column);
  }
}

/* Brings an existing table to the definition: CQ_ROW where it must be rebuilt. */
static int alter(cq_lite *d, const cq_dest_table *t, const char *name,
                 const lite_present *old, int keyed, int dry, cq_buf *actions,
                 cq_error *err) {
  int rc = CQ_OK, clash;
  cq_buf facts;

  cq_buf_init(&facts, CQ_MAX_SPEC_BYTES);
  find_facts(d, t, old, keyed, 0, &facts);
  clash = facts.len > 0;
  if (facts.rc)
    rc = cq_error_nomem(err);
  else if (clash && !d->forced)
    rc = refuse(err, d, name, facts.data);
  else if (clash)
    rc = cq_dest_note(actions, err, "table %s: %s", name, facts.data);
  cq_buf_clear(&facts);
  for (int i = CQ_META - 1; i < cq_dest_width(t) && rc == CQ_OK; i++) {
    const char *type, *column = column_of(t, i, &type);

    if (lite_present_type(old, column)) continue;
    rc = cq_dest_note(actions, err, "table %s: add column %s %s", name, column,
                      type);
    if (rc == CQ_OK && !dry)
      rc = lite_ddl(d, err, "ALTER TABLE \"%w\".\"%w\" ADD COLUMN \"%w\" %s",
                    d->schema, name, column, type);
  }
  return rc ? rc : clash ? CQ_ROW : CQ_OK;
}

/* The rows of the table, in its columns' types, as raw_<t> takes them; `shape` is
 * what columns those are. */
static int carry_table(cq_lite *d, cq_dest_table *t, lite_present *shape,
                       cq_error *err) {
  const char *name = t->def->name;
  cq_buf facts;
  int rc = lite_present_columns(d, name, shape, err), other;

  cq_buf_init(&facts, CQ_MAX_SPEC_BYTES);
  if (rc == CQ_OK) find_facts(d, t, shape, 0, 1, &facts);
  if (rc == CQ_OK && facts.rc) rc = cq_error_nomem(err);
  other = facts.len > 0;
  cq_buf_clear(&facts);
  if (rc == CQ_OK && other) {
    rc = rebuild(d, t, name, shape, 0, err);
    lite_present_clear(shape);
    if (rc == CQ_OK) rc = lite_present_columns(d, name, shape, err);
  }
  return rc ? rc : lite_carry_table(d, t, shape, err);
}

/* Another thing of this name is in the way: what it is, and whether forced may
 * take its rows along: CQ_ROW where they wait, in columns of `shape`. */
static int clear_way(cq_lite *d, cq_dest_table *t, int want_view,
                     lite_present *p, lite_present *shape, int dry,
                     cq_buf *actions, cq_error *err) {
  const char *name = t->def->name;
  int rc, view = p->view;

  if (!p->exists || view == want_view) return CQ_OK;
  if (!p->ours)
    return cq_error_set(err, CQ_MISUSE,
                        "destination %s: %s: a %s of that name exists and was "
                        "not made by cq\nhint: rename it, or sync into another "
                        "database",
                        d->base.name, name, view ? "view" : "table");
  if (!d->forced) return cq_dest_other_mode(&d->base, name, view, err);
  rc = view ? cq_dest_note(actions, err,
                           "view %s becomes a table of the rows that it shows",
                           name)
            : cq_dest_note(
                  actions, err,
                  "table %s: its rows go to raw_%s, and a view shows them",
                  name, name);
  lite_present_clear(p);
  if (rc || dry) return rc;
  if (view) rc = lite_present_columns(d, name, shape, err);
  if (rc == CQ_OK)
    rc = view ? lite_carry_view(d, t, err) : carry_table(d, t, shape, err);
  return rc ? rc : CQ_ROW;
}

/* Leaves a view alone that shows just the columns that there are. */
static int change_view(cq_lite *d, const cq_dest_table *t, const char *raw,
                       const lite_present *seen, cq_error *err) {
  const char *name = t->def->name;
  int exists = seen->exists, hidden = 0;
  lite_present now, shown;
  kept k = {NULL, 0, 0};
  int rc = lite_present_columns(d, raw, &now, err);

  memset(&shown, 0, sizeof shown);
  if (rc == CQ_OK && exists) rc = lite_present_columns(d, name, &shown, err);
  for (size_t i = 0; i < now.has.n && rc == CQ_OK && exists && !hidden; i++)
    hidden = !lite_present_type(&shown, now.has.names[i]);
  if (rc == CQ_OK && exists &&
      (hidden || shown.has.n != now.has.n || seen->newest != t->incremental)) {
    rc = kept_read(d, name, &k, err);
    if (rc == CQ_OK)
      rc = lite_ddl(d, err, "DROP VIEW \"%w\".\"%w\"", d->schema, name);
    exists = 0;
  }
  if (rc == CQ_OK && !exists) rc = create_view(d, t, raw, &now, err);
  if (rc == CQ_OK) rc = kept_make(d, &k, err);
  kept_clear(&k);
  lite_present_clear(&now);
  lite_present_clear(&shown);
  return rc;
}

static int not_ours(const cq_lite *d, const char *name, cq_error *err) {
  return cq_error_set(err, CQ_MISUSE,
                      "destination %s: table %s: exists and was not made by "
                      "cq\nhint: rename it, or sync into another database",
                      d->base.name, name);
}

static int lite_change(cq_lite *d, cq_dest_table *t, int dry, cq_buf *actions,
                       cq_error *err) {
  int append = d->base.mode == CQ_MODE_APPEND, keyed = !append, changed = 0;
  int indexed;
  const char *name = t->def->name;
  char *raw = append ? cq_mprintf("raw_%s", name) : cq_strdup(name);
  lite_present seen, old, shape;
  int rc, carried;

  memset(&seen, 0, sizeof seen);
  memset(&old, 0, sizeof old);
  memset(&shape, 0, sizeof shape);
  if (!raw) {
    rc = cq_error_nomem(err);
    goto done;
  }
  /* Both before anything changes, which would have the schema read again. */
  rc = lite_present_read(d, name, &seen, err);
  if (rc == CQ_OK && append) rc = lite_present_read(d, raw, &old, err);
  indexed = append ? old.indexed : seen.indexed;
  if (rc == CQ_OK && old.exists && (old.view || !old.ours))
    rc = not_ours(d, raw, err);
  if (rc == CQ_OK)
    rc = clear_way(d, t, append, &seen, &shape, dry, actions, err);
  carried = rc == CQ_ROW;
  if (carried) rc = CQ_OK;
  if (rc == CQ_OK && seen.exists && seen.view && !seen.ours)
    rc = cq_error_set(err, CQ_MISUSE,
                      "destination %s: %s: a view of that name exists and was "
                      "not made by cq\nhint: rename it, or sync into another "
                      "database",
                      d->base.name, name);
  if (rc == CQ_OK && !append && seen.exists)
    rc = lite_present_columns(d, raw, &old, err);
  if (rc) goto done;
  if (old.exists && !old.ours) {
    rc = not_ours(d, raw, err);
    goto done;
  }
  if (!old.exists) {
    rc = cq_dest_note(actions, err, "create table %s", raw);
    if (rc == CQ_OK && !dry)
      rc = create_table(d, t, raw, carried ? &shape : NULL, keyed, err);
    changed = 1;
  } else {
    rc = alter(d, t, raw, &old, keyed, dry, actions, err);
    if (rc == CQ_ROW) {
      rc = cq_dest_note(actions, err, "rebuild table %s", raw);
      if (rc == CQ_OK && !dry) rc = rebuild(d, t, raw, &old, keyed, err);
    }
  }
  if (rc == CQ_OK && carried)
    rc = append ? lite_carry_in(d, t, raw, &shape, err)
                : fill(d, t, raw, &shape, "cq_carry", err);
  if (rc == CQ_OK && !dry && !indexed) rc = create_index(d, t, raw, keyed, err);
  if (rc || !append) goto done;
  if (!dry) {
    rc = change_view(d, t, raw, &seen, err);
  } else if (changed || !seen.exists) {
    rc = cq_dest_note(actions, err, "create view %s", name);
  }
done:
  if (!dry && raw) lite_schema_changed(d, name, raw);
  lite_present_clear(&seen);
  lite_present_clear(&old);
  lite_present_clear(&shape);
  cq_free(raw);
  return rc;
}

/* A change is whole or not at all. */
int lite_migrate(cq_dest *base, cq_dest_table *t, int dry, cq_buf *actions,
                 cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  int rc;

  *t->lost = 0;
  if (dry) return lite_change(d, t, 1, actions, err);
  rc = lite_begin(d, err);
  if (rc == CQ_OK) rc = lite_exec(d, err, "SAVEPOINT cq_change");
  if (rc) return rc;
  rc = lite_change(d, t, 0, actions, err);
  if (rc) {
    lite_ddl(d, NULL, "ROLLBACK TO cq_change");
    lite_schema_drop(d);
  }
  lite_exec(d, NULL, "RELEASE cq_change");
  return rc;
}
