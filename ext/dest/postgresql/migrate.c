/* ext/dest/postgresql/migrate.c: tables and views as a definition asks for them,
 * made, or changed from what is there.
 *
 *   append     table raw_<t> without a key, an index on the run's number,
 *              view <t> of the current rows
 *   overwrite  table <t> whose key is _cq_id
 *
 * A new column is added, also to the view, which is replaced in place and so
 * keeps its grants and people's views on it.  A column that the definition no
 * longer has stays.  Another type, another key or the other write mode loses
 * or rewrites data: safe refuses and lists all of it, forced changes the table
 * in place, each value as far as the new type can hold it. */
#include "dest/postgresql/internal.h"

#include <stdio.h>
#include <string.h>

#include "dest/encode/pgcopy.h"

/* How long one try waits, and how long those that queue behind it have between
 * two. */
enum { LOCK_MS = 1000, BETWEEN_MS = 500 };

typedef struct change {
  cq_dest_table *table;
  int dry;
  cq_buf *actions;
  size_t said; /* length of actions before: the work may be done again */
  char name[PG_NAME], raw[PG_NAME];
  char carry[PG_NAME]; /* the table of rows that go to raw; "": there is none */
  int lock_ms;
} change;

static int refuse(const pg *d, const char *table, const char *facts,
                  cq_error *err) {
  cq_error_set(err, CQ_MISUSE, "destination %s: table %s: %s", d->base.name,
               table, facts);
  cq_error_hint(err, "migrate_mode: forced changes it");
  return CQ_MISUSE;
}

static int foreign(const pg *d, const char *name, char kind, cq_error *err) {
  cq_error_set(err, CQ_MISUSE,
               "destination %s: %s: a %s of that name exists and was not made "
               "by cq",
               d->base.name, name,
               kind == 'v'   ? "view"
               : kind == 'r' ? "table"
                             : "relation");
  cq_error_hint(err, "rename it, or sync into another schema");
  return CQ_MISUSE;
}

/* ---- making ------------------------------------------------------------------ */

static int numbered(const pg *d, const change *c) {
  return d->base.mode == CQ_MODE_APPEND && c->table->incremental;
}

static int create_table(pg *d, change *c, const char *name, cq_error *err) {
  int keyed = d->base.mode != CQ_MODE_APPEND;
  char column[PG_NAME], key[PG_NAME];
  cq_buf b;
  int rc = cq_dest_note(c->actions, err, "create table %s", name);

  if (rc || c->dry) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "CREATE TABLE %I.%I (\n", d->schema, name);
  for (int i = 0; i < cq_dest_width(c->table); i++) {
    pg_column(column, c->table, i);
    cq_sql(&b, "%s  %I %s%s", i ? ",\n" : "", column,
           cq_pgcopy_type(cq_dest_type(c->table, i)),
           i < CQ_META && cq_dest_metas[i].not_null ? " NOT NULL" : "");
  }
  /* Of two rows of one key and run, which came later? */
  if (numbered(d, c)) cq_buf_str(&b, ",\n  _cq_row bigint");
  pg_name(key, "", name, "_cqpk");
  if (keyed)
    cq_sql(&b, ",\n  CONSTRAINT %I PRIMARY KEY (_cq_id%s)", key,
           d->group_in_key ? ", _cq_sync_group_id" : "");
  cq_buf_str(&b, "\n)");
  rc = b.rc ? cq_error_nomem(err) : pg_do(d, name, err, "%s", b.data);
  cq_buf_clear(&b);
  return rc;
}

/* Unless the table has an index that begins with that column.  Without a look
 * before it, the server would lock the table to find that it is there.  Tables
 * and indexes have one room of names: the suffix is one that no table has. */
static int create_index(pg *d, const char *name, const char *suffix,
                        const char *first, const char *more, cq_error *err) {
  char index[PG_NAME];
  int64_t n;
  int rc = pg_one(d, &n, name, err,
                  "SELECT count(*) FROM pg_index AS i JOIN pg_class AS c ON "
                  "c.oid = i.indrelid JOIN pg_namespace AS s ON s.oid = "
                  "c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid "
                  "AND a.attnum = i.indkey[0] WHERE s.nspname = %L AND "
                  "c.relname = %L AND a.attname = %L AND i.indisvalid AND "
                  "i.indpred IS NULL",
                  d->schema, name, first);

  if (rc || n) return rc;
  pg_name(index, "", name, suffix);
  return pg_do(d, index, err, "CREATE INDEX %I ON %I.%I (%s%s)", index,
               d->schema, name, first, more);
}

static int create_indexes(pg *d, const change *c, const char *name,
                          cq_error *err) {
  int append = d->base.mode == CQ_MODE_APPEND, rc = CQ_OK;

  if (append)
    rc = create_index(d, name, "_cqgroup", "_cq_sync_group_id", "", err);
  else if (c->table->many)
    rc = create_index(d, name, "_cqclient", "_cq_client_id", "", err);
  if (rc || !d->options.indexes) return rc;
  return append ? create_index(d, name, "_cqpi", "_cq_id",
                               ", _cq_sync_group_id", err)
                : create_index(d, name, "_cqpi", "_cq_source_name",
                               ", _cq_sync_time", err);
}

/* ---- the view ---------------------------------------------------------------- */

/* Its columns as they are, then what the table has more; *more: there is. */
static void view_columns(cq_buf *b, const pg_present *view,
                         const pg_present *table, int *more) {
  int any = 0;

  *more = 0;
  for (size_t i = 0; i < view->has.n; i++)
    cq_sql(b, "%sr.%I", any++ ? ", " : "", view->has.names[i]);
  for (size_t i = 0; i < table->has.n; i++) {
    if (pg_present_type(view, table->has.names[i]) ||
        strcmp(table->has.names[i], "_cq_row") == 0)
      continue;
    *more = 1;
    cq_sql(b, "%sr.%I", any++ ? ", " : "", table->has.names[i]);
  }
}

/* A snapshot: each unit's rows of the run that it points at; the list of runs
 * lets the index find them.  Incremental: the newest row of each key, over all
 * published runs. */
static int make_view(pg *d, const change *c, const char *columns,
                     cq_error *err) {
  const char *table = c->table->def->name;

  if (c->table->incremental)
    return pg_do(
        d, c->name, err,
        "CREATE OR REPLACE VIEW %I.%I AS SELECT %s FROM (SELECT DISTINCT ON "
        "(r._cq_source_name, r._cq_id) r.* FROM %I.%I AS r WHERE EXISTS "
        "(SELECT FROM %I.cq_sync_units AS u WHERE u.table_name = %L AND "
        "u.source_name = r._cq_source_name AND u.client_id = r._cq_client_id "
        "AND u.sync_group_id = r._cq_sync_group_id AND u.published = 1) ORDER "
        "BY r._cq_source_name, r._cq_id, r._cq_sync_group_id DESC, r._cq_row "
        "DESC NULLS LAST) AS r",
        d->schema, c->name, columns, d->schema, c->raw, d->schema, table);
  return pg_do(
      d, c->name, err,
      "CREATE OR REPLACE VIEW %I.%I AS SELECT %s FROM %I.%I AS r JOIN "
      "%I.cq_units AS u ON u.table_name = %L AND u.source_name = "
      "r._cq_source_name AND u.client_id = r._cq_client_id AND "
      "u.sync_group_id = r._cq_sync_group_id WHERE r._cq_sync_group_id "
      "= ANY (ARRAY(SELECT DISTINCT sync_group_id FROM %I.cq_units "
      "WHERE table_name = %L))",
      d->schema, c->name, columns, d->schema, c->raw, d->schema, table,
      d->schema, table);
}

static int change_view(pg *d, change *c, cq_error *err) {
  pg_present view, table;
  cq_buf columns;
  int rc, more = 0;

  memset(&table, 0, sizeof table);
  cq_buf_init(&columns, CQ_MAX_SPEC_BYTES);
  rc = pg_present_read(d, c->name, &view, err);
  if (rc == CQ_OK) rc = pg_present_read(d, c->raw, &table, err);
  if (rc == CQ_OK && c->dry) {
    if (!view.oid)
      rc = cq_dest_note(c->actions, err, "create view %s", c->name);
  } else if (rc == CQ_OK) {
    view_columns(&columns, &view, &table, &more);
    if (columns.rc)
      rc = cq_error_nomem(err);
    else if (!view.oid || more || view.newest != c->table->incremental)
      rc = make_view(d, c, columns.data, err);
  }
  cq_buf_clear(&columns);
  pg_present_clear(&view);
  pg_present_clear(&table);
  return rc;
}

/* ---- changing a table -------------------------------------------------------- */

/* What a column of the table becomes. */
static const char *wanted_type(const change *c, int i) {
  return cq_pgcopy_type(cq_dest_type(c->table, i));
}

static void add_fact(cq_buf *facts, const char *fmt, const char *a,
                     const char *b, const char *e) {
  if (facts->len) cq_buf_str(facts, "; ");
  cq_sql(facts, fmt, a, b, e);
}

static int key_fits(const pg *d, const pg_present *old) {
  if (d->base.mode == CQ_MODE_APPEND) return 1;
  if (!d->group_in_key) return strcmp(old->key, "_cq_id") == 0;
  return strcmp(old->key, "_cq_id,_cq_sync_group_id") == 0 ||
         strcmp(old->key, "_cq_sync_group_id,_cq_id") == 0;
}

/* What would lose or rewrite data. */
static void find_facts(const pg *d, const change *c, const pg_present *old,
                       cq_buf *facts) {
  char column[PG_NAME];

  if (!key_fits(d, old)) add_fact(facts, "has another key", "", "", "");
  for (int i = 0; i < cq_dest_width(c->table); i++) {
    const char *had;

    pg_column(column, c->table, i);
    had = pg_present_type(old, column);
    if (had && strcmp(had, wanted_type(c, i)) == 0) continue;
    if (had)
      add_fact(facts, "column %s is %s and would be %s", column, had,
               wanted_type(c, i));
    else if (i < CQ_META - 1)
      add_fact(facts, "column %s is missing", column, "", "");
  }
}

/* Rows that were there before cq knew a column. */
static const char *missing_value(int i) {
  static const char *const values[CQ_META] = {"'epoch'", "''", "0",
                                              "''",      NULL, NULL};

  return values[i];
}

static int retype(pg *d, change *c, const char *name, const pg_present *old,
                  cq_error *err) {
  char column[PG_NAME];
  pg_retyped *x = cq_calloc((size_t)cq_dest_width(c->table), sizeof *x);
  cq_buf b;
  int any = 0, rc = x ? CQ_OK : cq_error_nomem(err);

  *c->table->lost = 0;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "ALTER TABLE %I.%I ", d->schema, name);
  for (int i = 0; i < cq_dest_width(c->table) && rc == CQ_OK; i++) {
    const char *had, *type = wanted_type(c, i);

    pg_column(column, c->table, i);
    had = pg_present_type(old, column);
    if (had && strcmp(had, type) == 0) continue;
    if (!had && i >= CQ_META - 1) continue;
    if (any++) cq_buf_str(&b, ", ");
    if (had) {
      /* What is no time becomes the beginning of time, rather than nothing. */
      if (i < CQ_META - 1)
        cq_sql(&b, "ALTER COLUMN %I DROP NOT NULL, ", column);
      rc = pg_retype(d, c->table, name, i, column, had, &x[i], &b, err);
    } else {
      cq_sql(&b, "ADD COLUMN %I %s NOT NULL DEFAULT %s", column, type,
             missing_value(i));
    }
  }
  if (rc == CQ_OK && any)
    rc = b.rc ? cq_error_nomem(err) : pg_do(d, name, err, "%s", b.data);
  for (int i = 0; i < cq_dest_width(c->table) && rc == CQ_OK; i++) {
    if (!x[i].changes) continue;
    pg_name(column, "", cq_dest_column(c->table, i), "");
    rc = pg_retype_done(d, c->table, name, i, column, &x[i], err);
  }
  cq_buf_clear(&b);
  cq_free(x);
  return rc;
}

/* Of rows with the same key the last stays. */
static int rekey(pg *d, const char *name, const pg_present *old,
                 cq_error *err) {
  char key[PG_NAME];
  pg_batch b;
  int rc;

  if (key_fits(d, old)) return CQ_OK;
  pg_batch_init(&b);
  pg_name(key, "", name, "_cqpk");
  if (*old->constraint)
    pg_add(&b, NULL, "ALTER TABLE %I.%I DROP CONSTRAINT %I", d->schema, name,
           old->constraint);
  pg_add(&b, NULL,
         "DELETE FROM %I.%I AS t USING (SELECT ctid AS id, row_number() OVER "
         "(PARTITION BY _cq_id%s ORDER BY _cq_sync_time DESC, ctid DESC) AS "
         "nth FROM %I.%I) AS x WHERE x.id = t.ctid AND (x.nth > 1 OR t._cq_id "
         "IS NULL)",
         d->schema, name, d->group_in_key ? ", _cq_sync_group_id" : "",
         d->schema, name);
  pg_add(&b, NULL, "ALTER TABLE %I.%I ADD CONSTRAINT %I PRIMARY KEY (_cq_id%s)",
         d->schema, name, key, d->group_in_key ? ", _cq_sync_group_id" : "");
  rc = pg_run(d, &b, name, err);
  pg_batch_clear(&b);
  return rc;
}

/* No row of before is without them. */
static int fill_metas(pg *d, const char *name, cq_error *err) {
  pg_batch b;
  int rc;

  pg_batch_init(&b);
  for (int i = 0; i < CQ_META && missing_value(i); i++) {
    const char *column = cq_dest_metas[i].name;

    pg_add(&b, NULL, "UPDATE %I.%I SET %I = %s WHERE %I IS NULL", d->schema,
           name, column, missing_value(i), column);
    pg_add(&b, NULL, "ALTER TABLE %I.%I ALTER COLUMN %I SET NOT NULL",
           d->schema, name, column);
  }
  rc = pg_run(d, &b, name, err);
  pg_batch_clear(&b);
  return rc;
}

static int rebuild(pg *d, change *c, const char *name, const pg_present *old,
                   const char *facts, cq_error *err) {
  pg_dependents theirs = {NULL, NULL, 0, 0, 0};
  int taken = pg_foreign_made(old);
  int rc = cq_dest_note(c->actions, err, "change table %s: %s", name, facts);

  if (rc || c->dry) return rc;
  rc = pg_dependents_read(d, old->oid, &theirs, err);
  if (rc == CQ_OK) rc = pg_dependents_drop(d, &theirs, err);
  if (rc == CQ_OK) rc = retype(d, c, name, old, err);
  if (rc == CQ_OK) rc = fill_metas(d, name, err);
  if (rc == CQ_OK) rc = rekey(d, name, old, err);
  if (rc == CQ_OK && taken && d->base.mode != CQ_MODE_APPEND)
    rc = pg_loosen(d, name, old->oid, err);
  if (rc == CQ_OK && taken) rc = pg_adopt(d, c->table, name, err);
  if (rc == CQ_OK) rc = pg_dependents_make(d, &theirs, err);
  pg_dependents_clear(&theirs);
  return rc;
}

static int add_columns(pg *d, change *c, const char *name,
                       const pg_present *old, cq_error *err) {
  char column[PG_NAME];
  int any = 0, rc = CQ_OK;
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "ALTER TABLE %I.%I ", d->schema, name);
  for (int i = CQ_META - 1; i < cq_dest_width(c->table) && rc == CQ_OK; i++) {
    pg_column(column, c->table, i);
    if (pg_present_type(old, column)) continue;
    rc = cq_dest_note(c->actions, err, "table %s: add column %s %s", name,
                      column, wanted_type(c, i));
    cq_sql(&b, "%sADD COLUMN %I %s", any++ ? ", " : "", column,
           wanted_type(c, i));
  }
  if (numbered(d, c) && !pg_present_type(old, "_cq_row"))
    cq_sql(&b, "%sADD COLUMN _cq_row bigint", any++ ? ", " : "");
  if (rc == CQ_OK && any && !c->dry)
    rc = b.rc ? cq_error_nomem(err) : pg_do(d, name, err, "%s", b.data);
  cq_buf_clear(&b);
  return rc;
}

static int alter(pg *d, change *c, const char *name, const pg_present *old,
                 cq_error *err) {
  cq_buf facts;
  int rc = CQ_OK;

  cq_buf_init(&facts, CQ_MAX_SPEC_BYTES);
  find_facts(d, c, old, &facts);
  if (facts.rc)
    rc = cq_error_nomem(err);
  else if (facts.len && !d->forced)
    rc = refuse(d, name, facts.data, err);
  else if (facts.len)
    rc = rebuild(d, c, name, old, facts.data, err);
  if (rc == CQ_OK) rc = add_columns(d, c, name, old, err);
  cq_buf_clear(&facts);
  return rc;
}

/* ---- the other write mode ---------------------------------------------------- */

/* Its rows as `raw` takes them, in another table. */
static int carry_table(pg *d, change *c, const pg_present *seen,
                       cq_error *err) {
  pg_present now;
  int rc = alter(d, c, c->name, seen, err);

  memset(&now, 0, sizeof now);
  if (rc == CQ_OK) rc = pg_present_read(d, c->name, &now, err);
  if (rc == CQ_OK) rc = pg_carry_out(d, c->table, c->name, &now, c->carry, err);
  pg_present_clear(&now);
  return rc;
}

/* Ours, of the other mode, makes way, and its rows go along; people's views and
 * grants come back on what takes its place. */
static int make_way(pg *d, change *c, const pg_present *seen,
                    pg_dependents *theirs, cq_buf *grants, cq_error *err) {
  char quoted[2 * PG_NAME + 200];
  int view = seen->kind == 'v', rc;
  cq_buf name;

  if (!seen->ours) return foreign(d, c->name, seen->kind, err);
  if (!d->forced) return cq_dest_other_mode(&d->base, c->name, view, err);
  rc = view ? cq_dest_note(c->actions, err,
                           "view %s becomes a table of the rows that it shows",
                           c->name)
            : cq_dest_note(c->actions, err,
                           "table %s: its rows go to %s, and a view shows them",
                           c->name, c->raw);
  if (rc || c->dry) return rc;
  cq_buf_init(&name, sizeof quoted);
  cq_sql(&name, "%I.%I", d->schema, c->name);
  if (name.rc) return cq_error_nomem(err);
  rc = pg_grants(d, seen->oid, name.data, grants, err);
  if (rc == CQ_OK) rc = pg_dependents_read(d, seen->oid, theirs, err);
  if (rc == CQ_OK) rc = pg_dependents_drop(d, theirs, err);
  if (rc == CQ_OK)
    rc = view ? pg_carry_view(d, c->table, c->name, err)
              : carry_table(d, c, seen, err);
  cq_buf_clear(&name);
  return rc;
}

/* ---- all --------------------------------------------------------------------- */

static int change_table(pg *d, change *c, const char *target,
                        const pg_present *old, cq_error *err) {
  int rc = old->oid ? alter(d, c, target, old, err)
                    : create_table(d, c, target, err);

  if (rc == CQ_OK && *c->carry)
    rc = pg_carry_in(d, c->table, c->carry, target, err);
  if (rc == CQ_OK && !c->dry) rc = create_indexes(d, c, target, err);
  return rc;
}

static int change_all(pg *d, change *c, pg_dependents *theirs, cq_buf *grants,
                      cq_error *err) {
  int append = d->base.mode == CQ_MODE_APPEND;
  const char *target = append ? c->raw : c->name;
  pg_present seen, old;
  int rc, other;

  memset(&old, 0, sizeof old);
  c->carry[0] = 0;
  rc = pg_present_read(d, c->name, &seen, err);
  other = rc == CQ_OK && seen.oid && (seen.kind == 'v') != append;
  if (rc == CQ_OK && seen.oid && seen.kind != 'v' && seen.kind != 'r')
    rc = foreign(d, c->name, seen.kind, err);
  if (rc == CQ_OK && append && seen.kind == 'v' && !seen.ours)
    rc = foreign(d, c->name, 'v', err);
  if (rc == CQ_OK && append) rc = pg_present_read(d, target, &old, err);
  if (rc == CQ_OK && old.oid && (old.kind != 'r' || !old.ours))
    rc = foreign(d, target, old.kind, err);
  if (rc == CQ_OK && other) rc = make_way(d, c, &seen, theirs, grants, err);
  if (rc == CQ_OK && !append) rc = pg_present_read(d, target, &old, err);
  if (rc == CQ_OK && !append && old.oid && !other && !old.ours)
    rc = foreign(d, target, old.kind, err);
  if (rc == CQ_OK && !(c->dry && other && !append))
    rc = change_table(d, c, target, &old, err);
  if (rc == CQ_OK && append) rc = change_view(d, c, err);
  if (rc == CQ_OK && grants->len)
    rc = pg_do(d, c->name, err, "%s", grants->data);
  if (rc == CQ_OK) rc = pg_dependents_make(d, theirs, err);
  pg_present_clear(&seen);
  pg_present_clear(&old);
  return rc;
}

/* Names in people's views are written with their schemas, whatever the path
 * is. */
static int migrate_work(pg *d, void *user, cq_error *err) {
  change *c = user;
  pg_dependents theirs = {NULL, NULL, 0, 0, 0};
  cq_buf grants;
  int rc = pg_do(d, "settings", err,
                 "SET LOCAL search_path = pg_catalog; SET LOCAL lock_timeout = "
                 "%d; SELECT pg_advisory_xact_lock(%n)",
                 c->lock_ms, pg_lock_key(d, "table", c->name));

  if (c->actions) {
    c->actions->len = c->said;
    if (c->actions->data) c->actions->data[c->said] = 0;
  }
  cq_buf_init(&grants, CQ_MAX_SPEC_BYTES);
  if (rc == CQ_OK) rc = change_all(d, c, &theirs, &grants, err);
  cq_buf_clear(&grants);
  pg_dependents_clear(&theirs);
  return rc;
}

/* Who has the table, or its view, so that it cannot be changed. */
static int locked(pg *d, const change *c, cq_error *err) {
  pg_result *r = pg_select(
      d, "pg_locks", NULL,
      "SELECT DISTINCT a.pid, a.application_name, a.usename, a.state, "
      "floor(extract(epoch FROM clock_timestamp() - a.xact_start))::bigint "
      "FROM "
      "pg_catalog.pg_locks AS l JOIN pg_catalog.pg_stat_activity AS a ON a.pid "
      "= l.pid WHERE l.granted AND l.pid <> pg_backend_pid() AND l.database = "
      "(SELECT oid FROM pg_catalog.pg_database WHERE datname = "
      "current_database()) AND (l.relation IN (SELECT c.oid FROM "
      "pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS s ON s.oid = "
      "c.relnamespace WHERE s.nspname = %L AND c.relname IN (%L, %L)) OR "
      "(l.locktype = 'advisory' AND l.classid::bigint = %n AND "
      "l.objid::bigint = %n)) ORDER BY a.pid LIMIT 3",
      d->schema, c->name, c->raw,
      (int64_t)((uint64_t)pg_lock_key(d, "table", c->name) >> 32),
      (int64_t)((uint64_t)pg_lock_key(d, "table", c->name) & 0xffffffff));
  cq_buf who;

  cq_buf_init(&who, 600);
  for (int i = 0; r && i < pg_rows(d, r); i++) {
    const char *name = pg_text(d, r, i, 1), *state = pg_text(d, r, i, 3);

    cq_buf_printf(&who, "%sbackend %s (%s%s%s%s%s", i ? ", " : ": ",
                  pg_text(d, r, i, 0), *name ? name : "no application_name",
                  ", user ", pg_text(d, r, i, 2), *state ? ", " : "", state);
    if (!d->lib.PQgetisnull(r, i, 4))
      cq_buf_printf(&who, ", its transaction %s s old", pg_text(d, r, i, 4));
    cq_buf_byte(&who, ')');
  }
  if (r) pg_done(d, r);
  cq_error_set(err, CQ_ERROR,
               "destination %s: %s: others have had it locked for %lld s%s",
               d->base.name, c->name, (long long)(d->options.lock_ms / 1000),
               who.rc || !who.len ? "" : who.data);
  cq_error_hint(err, "lock_timeout says how long a change of a table waits");
  cq_buf_clear(&who);
  return CQ_ERROR;
}

int pg_migrate(cq_dest *base, cq_dest_table *t, int dry, cq_buf *actions,
               cq_error *err) {
  pg *d = (pg *)base;
  change c = {.table = t, .dry = dry, .actions = actions};
  int64_t until = cq_mono_ms() + d->options.lock_ms;
  int rc;

  *t->lost = 0;
  c.said = actions ? actions->len : 0;
  pg_name(c.name, "", t->def->name, "");
  pg_name(c.raw, "raw_", t->def->name, "");
  for (;;) {
    int64_t left = until - cq_mono_ms();

    c.lock_ms = left < 1 ? 1 : left < LOCK_MS ? (int)left : LOCK_MS;
    rc = pg_transact(d, PG_PLAIN, migrate_work, &c, err);
    if (!rc || strcmp(d->state, "55P03") != 0) return rc;
    if (until - cq_mono_ms() <= BETWEEN_MS) return locked(d, &c, err);
    cq_error_clear(err);
    rc = pg_sleep(d, BETWEEN_MS, err);
    if (rc) return rc;
  }
}
