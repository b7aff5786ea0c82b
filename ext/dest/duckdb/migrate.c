/* ext/dest/duckdb/migrate.c: tables and views as a definition asks for them,
 * made, or changed from what is there.
 *
 * No table has an index or a key: DuckDB lets none with one be changed, and
 * finds groups by the least and greatest value of each block of rows.  People's
 * views do not stand in the way: DuckDB reads them anew. */
#include "dest/duckdb/internal.h"

#include <stdio.h>
#include <string.h>

const char *duck_type(int type) {
  static const char *const names[] = {
      "VARCHAR", "BIGINT",  "DOUBLE", "BOOLEAN", "TIMESTAMP",
      "DATE",    "VARCHAR", "UUID",   "VARCHAR", "VARCHAR",
      "VARCHAR", "BLOB",    "JSON"};
  static const char *const lists[] = {
      "VARCHAR[]", "BIGINT[]",  "DOUBLE[]", "BOOLEAN[]", "TIMESTAMP[]",
      "DATE[]",    "VARCHAR[]", "UUID[]",   "VARCHAR[]", "VARCHAR[]",
      "VARCHAR[]", "VARCHAR[]", "JSON"};
  int base = type & CQ_TYPE_MASK;

  if (base < CQ_TEXT || base > CQ_JSON) base = CQ_TEXT;
  return type & CQ_LIST ? lists[base - 1] : names[base - 1];
}

typedef struct change {
  cq_dest_table *table;
  int dry, append;
  cq_buf *actions;
  const char *name;
  char *target; /* raw_<t>, or <t> */
  cq_arena arena;
} change;

/* Columns of a table or view: names and types, in order. */
typedef cq_dest_found columns; /* in the arena */

static int read_columns(duck *d, change *c, const char *name, columns *out,
                        cq_error *err) {
  duck_result q;
  int rc =
      duck_select(d, &q, err,
                  "SELECT column_name, data_type FROM duckdb_columns() "
                  "WHERE database_name = current_database() AND "
                  "schema_name = %L AND lower(table_name) = lower(%L) ORDER BY "
                  "column_index",
                  d->schema, name);
  size_t n;

  memset(out, 0, sizeof *out);
  if (rc) return rc;
  n = (size_t)d->lib.row_count(&q);
  out->names = cq_arena_alloc(&c->arena, (n + 1) * sizeof *out->names);
  out->types = cq_arena_alloc(&c->arena, (n + 1) * sizeof *out->types);
  if (!out->names || !out->types) rc = cq_error_nomem(err);
  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    out->names[i] = duck_text(d, &q, &c->arena, i, 0);
    out->types[i] = duck_text(d, &q, &c->arena, i, 1);
    out->n++;
    if (!out->names[i] || !out->types[i]) rc = cq_error_nomem(err);
  }
  d->lib.destroy_result(&q);
  return rc;
}

/* DuckDB's names are the same in whatever case. */
static const char *type_of(const columns *c, const char *name) {
  return cq_dest_found_type(c, name, 1);
}

/* Ours shows what the run tables point at for this table. */
static int is_view(duck *d, const char *name, int *view, int *ours,
                   cq_error *err) {
  int64_t n;
  int rc = duck_one(d, &n, err,
                    "SELECT count(*) + sum(CASE WHEN regexp_matches(sql, "
                    "'cq_(sync_)?units') AND contains(sql, 'u.table_name = ' "
                    "|| '''' || replace(%L, '''', '''''') || '''') AND "
                    "contains(sql, 'u.sync_group_id') THEN 2 ELSE 0 END) FROM "
                    "duckdb_views() WHERE database_name = current_database() "
                    "AND schema_name = %L AND lower(view_name) = lower(%L)",
                    name, d->schema, name);

  *view = n > 0;
  *ours = n > 1;
  return rc;
}

static int refuse(const duck *d, const char *table, const char *fact,
                  cq_error *err) {
  cq_error_set(err, CQ_MISUSE, "destination %s: table %s: %s", d->base.name,
               table, fact);
  cq_error_hint(err, "migrate_mode: forced changes it");
  return CQ_MISUSE;
}

static int foreign(const duck *d, const char *name, cq_error *err) {
  cq_error_set(err, CQ_MISUSE,
               "destination %s: %s: exists and was not made by cq",
               d->base.name, name);
  cq_error_hint(err, "rename it, or sync into another schema");
  return CQ_MISUSE;
}

static int create_table(duck *d, change *c, cq_error *err) {
  int rc = cq_dest_note(c->actions, err, "create table %s", c->target);
  cq_buf b;

  if (rc || c->dry) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "CREATE TABLE %I.%I (", d->schema, c->target);
  for (int i = 0; i < cq_dest_width(c->table); i++)
    cq_sql(&b, "%s%I %s", i ? ", " : "", cq_dest_column(c->table, i),
           duck_type(cq_dest_type(c->table, i)));
  if (c->append && c->table->incremental) cq_buf_str(&b, ", _cq_row BIGINT");
  cq_buf_byte(&b, ')');
  rc = b.rc ? cq_error_nomem(err) : duck_do(d, NULL, err, "%s", b.data);
  cq_buf_clear(&b);
  return rc;
}

/* Has somebody else made it, who has an _cq_id too: CloudQuery? */
static int foreign_made(const columns *old) {
  for (int i = 0; i < CQ_META - 1; i++)
    if (!type_of(old, cq_dest_metas[i].name)) return 1;
  return 0;
}

static void find_facts(const change *c, const columns *old, cq_buf *facts) {
  for (int i = 0; i < cq_dest_width(c->table); i++) {
    const char *name = cq_dest_column(c->table, i);
    const char *want = duck_type(cq_dest_type(c->table, i));
    const char *had = type_of(old, name);

    if (had ? strcmp(had, want) == 0 : i >= CQ_META - 1) continue;
    if (facts->len) cq_buf_str(facts, "; ");
    if (had)
      cq_sql(facts, "column %s is %s and would be %s", name, had, want);
    else
      cq_sql(facts, "column %s is missing", name);
  }
}

static int alter(duck *d, change *c, const char *table, columns *old,
                 cq_error *err) {
  int rc = CQ_OK;
  cq_buf facts;

  cq_buf_init(&facts, CQ_MAX_SPEC_BYTES);
  find_facts(c, old, &facts);
  if (facts.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK && facts.len && !d->forced)
    rc = refuse(d, table, facts.data, err);
  if (rc == CQ_OK && facts.len)
    rc =
        cq_dest_note(c->actions, err, "change table %s: %s", table, facts.data);
  if (rc == CQ_OK && foreign_made(old) && !c->dry) {
    rc = duck_take(d, &c->arena, c->table, table, old, err);
    if (rc == CQ_OK) rc = read_columns(d, c, table, old, err);
  }
  for (int i = 0; i < cq_dest_width(c->table) && rc == CQ_OK; i++) {
    const char *name = cq_dest_column(c->table, i);
    const char *want = duck_type(cq_dest_type(c->table, i));
    const char *had = type_of(old, name);

    if (had && strcmp(had, want) == 0) continue;
    if (!had && i >= CQ_META - 1)
      rc = cq_dest_note(c->actions, err, "table %s: add column %s %s", table,
                        name, want);
    if (rc || c->dry) continue;
    rc = had ? duck_retype(d, c->table, table, i, had, err)
             : duck_do(d, NULL, err, "ALTER TABLE %I.%I ADD COLUMN %I %s",
                       d->schema, table, name, want);
  }
  if (rc == CQ_OK && !c->dry && c->append && c->table->incremental &&
      !type_of(old, "_cq_row"))
    rc = duck_do(d, NULL, err, "ALTER TABLE %I.%I ADD COLUMN _cq_row BIGINT",
                 d->schema, table);
  cq_buf_clear(&facts);
  return rc;
}

static int make_view(duck *d, change *c, cq_error *err) {
  columns now;
  cq_buf b;
  int any = 0, rc = read_columns(d, c, c->target, &now, err);

  if (rc) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  for (size_t i = 0; i < now.n; i++)
    if (strcmp(now.names[i], "_cq_row") != 0)
      cq_sql(&b, "%sr.%I", any++ ? ", " : "", now.names[i]);
  if (b.rc)
    rc = cq_error_nomem(err);
  else if (c->table->incremental)
    rc = duck_do(d, NULL, err,
                 "CREATE OR REPLACE VIEW %I.%I AS SELECT %s FROM %I.%I AS r "
                 "WHERE EXISTS (SELECT 1 FROM %I.cq_sync_units AS u WHERE "
                 "u.table_name = %L AND u.source_name = r._cq_source_name AND "
                 "u.client_id = r._cq_client_id AND u.sync_group_id = "
                 "r._cq_sync_group_id AND u.published = 1) QUALIFY "
                 "row_number() OVER (PARTITION BY r._cq_source_name, r._cq_id "
                 "ORDER BY r._cq_sync_group_id DESC, r._cq_row DESC NULLS "
                 "LAST) = 1",
                 d->schema, c->name, b.data, d->schema, c->target, d->schema,
                 c->name);
  else
    rc = duck_do(d, NULL, err,
                 "CREATE OR REPLACE VIEW %I.%I AS SELECT %s FROM %I.%I AS r "
                 "JOIN %I.cq_units AS u ON u.table_name = %L AND "
                 "u.source_name = r._cq_source_name AND u.client_id = "
                 "r._cq_client_id AND u.sync_group_id = r._cq_sync_group_id",
                 d->schema, c->name, b.data, d->schema, c->target, d->schema,
                 c->name);
  cq_buf_clear(&b);
  return rc;
}

/* Its rows, in the types of the definition, wait for raw_<t>; `shape` is what
 * columns they have. */
static int carry_table(duck *d, change *c, columns *shape, cq_error *err) {
  int rc = alter(d, c, c->name, shape, err);

  if (rc == CQ_OK) rc = read_columns(d, c, c->name, shape, err);
  return rc ? rc : duck_carry_out(d, &c->arena, c->table, shape, err);
}

/* Ours of the other write mode makes way, and its rows go along. */
static int make_way(duck *d, change *c, int view, int ours, columns *seen,
                    cq_error *err) {
  int rc;

  if (!ours) return foreign(d, c->name, err);
  if (!d->forced) return cq_dest_other_mode(&d->base, c->name, view, err);
  rc = view ? cq_dest_note(c->actions, err,
                           "view %s becomes a table of the rows that it shows",
                           c->name)
            : cq_dest_note(c->actions, err,
                           "table %s: its rows go to %s, and a view shows them",
                           c->name, c->target);
  if (rc || c->dry) return rc;
  return view ? duck_carry_view(d, &c->arena, c->table, err)
              : carry_table(d, c, seen, err);
}

static int change_all(duck *d, change *c, cq_error *err) {
  columns seen, old, raw;
  int view = 0, ours = 0, other = 0, rc;

  rc = read_columns(d, c, c->name, &seen, err);
  if (rc == CQ_OK) rc = is_view(d, c->name, &view, &ours, err);
  if (rc == CQ_OK && seen.n && !view) ours = type_of(&seen, "_cq_id") != NULL;
  if (rc == CQ_OK && seen.n && !ours) rc = foreign(d, c->name, err);
  other = rc == CQ_OK && seen.n && view != c->append;
  if (other) rc = make_way(d, c, view, ours, &seen, err);
  if (rc || (c->dry && other && !c->append)) return rc;
  rc = read_columns(d, c, c->target, &old, err);
  if (rc == CQ_OK && old.n && !type_of(&old, "_cq_id"))
    rc = foreign(d, c->target, err);
  if (rc == CQ_OK)
    rc = old.n ? alter(d, c, c->target, &old, err) : create_table(d, c, err);
  if (rc == CQ_OK && other && c->append && !c->dry) {
    rc = read_columns(d, c, c->target, &raw, err);
    if (rc == CQ_OK)
      rc = duck_carry_in(d, &c->arena, c->table, &seen, &raw, err);
  }
  if (rc == CQ_OK && c->append && c->dry && !seen.n)
    rc = cq_dest_note(c->actions, err, "create view %s", c->name);
  if (rc == CQ_OK && c->append && !c->dry) rc = make_view(d, c, err);
  return rc;
}

int duck_migrate(cq_dest *base, cq_dest_table *t, int dry, cq_buf *actions,
                 cq_error *err) {
  duck *d = (duck *)base;
  change c = {.table = t, .dry = dry, .actions = actions, .name = t->def->name};
  int rc;

  *t->lost = 0;
  c.append = d->base.mode == CQ_MODE_APPEND;
  cq_arena_init(&c.arena);
  c.target = cq_arena_printf(&c.arena, "%s%s", c.append ? "raw_" : "", c.name);
  rc = c.target ? duck_begin_work(d, err) : cq_error_nomem(err);
  if (rc == CQ_OK) rc = change_all(d, &c, err);
  rc = duck_end_work(d, rc, err);
  cq_arena_clear(&c.arena);
  return rc;
}
