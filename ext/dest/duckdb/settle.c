/* ext/dest/duckdb/settle.c: what is staged becomes rows of its table, one
 * transaction a table: with the journal entries of the units that have ended,
 * and in the overwrite modes with their stale deletion and cursors.
 *
 * Append: all that is staged goes on.  The overwrite modes merge units that are
 * whole: a key is deleted and inserted, never updated, since <t> has no primary
 * key, whose index would refuse that within one transaction. */
#include "dest/duckdb/internal.h"

#include <stdio.h>
#include <string.h>

/* ['a', 'b']: clients of units with this status, with keep or without (-1). */
static int clients(cq_buf *out, const duck_table *t, const char *status,
                   int keep) {
  int n = 0;

  cq_buf_byte(out, '(');
  for (const duck_unit *u = t->ended; u; u = u->next)
    if ((!status || strcmp(u->status, status) == 0) &&
        (keep < 0 || keep == (u->keep != NULL)))
      cq_sql(out, n++ ? ", %L" : "%L", u->client);
  cq_buf_str(out, n ? ")" : "'')");
  return n;
}

/* Rows of units that are whole now, the newest of each key, cast: cq_new, a view
 * over the stage and the rows' numbers, so that none of them is held twice. */
static int make_new(duck *d, duck_table *t, const char *who, cq_error *err) {
  cq_buf b;
  int rc = duck_do(d, NULL, err,
                   "CREATE OR REPLACE TEMP TABLE cq_rows AS SELECT "
                   "max(_cq_row) AS n FROM temp.%I WHERE _cq_client_id IN %s "
                   "GROUP BY _cq_id",
                   t->stage, who);

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_buf_str(&b, "CREATE OR REPLACE TEMP VIEW cq_new AS SELECT ");
  duck_add_casts(&b, t->table);
  cq_sql(&b, " FROM temp.%I WHERE _cq_row IN (SELECT n FROM temp.cq_rows)",
         t->stage);
  if (rc == CQ_OK)
    rc = b.rc ? cq_error_nomem(err) : duck_do(d, NULL, err, "%s", b.data);
  cq_buf_clear(&b);
  return rc;
}

static int merge(duck *d, duck_table *t, int64_t rows, cq_counts *n,
                 cq_error *err) {
  const char *name = t->table->def->name;
  int64_t had = 0, same = 0, all = 0, again = 0;
  cq_buf alike, cols;
  int rc;

  cq_buf_init(&alike, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&cols, CQ_MAX_SPEC_BYTES);
  for (int i = CQ_META; i < cq_dest_width(t->table); i++)
    cq_sql(&alike, " AND t.%I IS NOT DISTINCT FROM n.%I",
           cq_dest_column(t->table, i), cq_dest_column(t->table, i));
  duck_columns(&cols, t->table, 0);
  if (d->group_in_key)
    cq_buf_str(&alike, " AND t._cq_sync_group_id = n._cq_sync_group_id");
  if (alike.rc || cols.rc) {
    rc = cq_error_nomem(err);
  } else {
    const char *key =
        d->group_in_key ? " AND t._cq_sync_group_id = n._cq_sync_group_id" : "";

    rc = duck_one(d, &all, err, "SELECT count(*) FROM temp.cq_rows");
    if (rc == CQ_OK)
      rc = duck_one(d, &same, err,
                    "SELECT count(*) FROM temp.cq_new AS n JOIN %I.%I AS t ON "
                    "t._cq_id = n._cq_id%s",
                    d->schema, name, alike.data ? alike.data : "");
    if (rc == CQ_OK && t->merged)
      rc = duck_one(d, &again, err,
                    "SELECT count(*) FROM temp.cq_new AS n JOIN %I.%I AS t ON "
                    "t._cq_id = n._cq_id WHERE t._cq_sync_group_id = %n",
                    d->schema, name, t->run->group);
    if (rc == CQ_OK)
      rc = duck_do(d, &had, err,
                   "DELETE FROM %I.%I AS t USING (SELECT _cq_id, "
                   "_cq_sync_group_id FROM temp.cq_new) AS n WHERE t._cq_id = "
                   "n._cq_id%s",
                   d->schema, name, key);
    if (rc == CQ_OK)
      rc = duck_do(d, NULL, err,
                   "INSERT INTO %I.%I (%s) SELECT %s FROM temp.cq_new",
                   d->schema, name, cols.data, cols.data);
  }
  n->inserted += all - had;
  n->unchanged += same;
  n->updated += rows - (all - had) - same;
  n->again += rows - all + again;
  cq_buf_clear(&alike);
  cq_buf_clear(&cols);
  return rc;
}

#define KEPT "(SELECT CAST(unnest(json_extract_string(%L, '$[*]')) AS UUID))"

static int delete_stale(duck *d, duck_table *t, cq_counts *n, cq_error *err) {
  const char *name = t->table->def->name;
  cq_buf who;
  int rc = CQ_OK;

  if (d->base.mode != CQ_MODE_DELETE_STALE || t->table->incremental) return rc;
  cq_buf_init(&who, CQ_MAX_SPEC_BYTES);
  if (clients(&who, t, "ok", 0))
    rc = who.rc ? cq_error_nomem(err)
                : duck_do(d, &n->deleted, err,
                          "DELETE FROM %I.%I WHERE _cq_client_id IN %s AND "
                          "_cq_source_name = %L AND _cq_sync_group_id <> %n",
                          d->schema, name, who.data, t->run->source,
                          t->run->group);
  cq_buf_clear(&who);
  for (const duck_unit *u = t->ended; u && rc == CQ_OK; u = u->next) {
    int64_t kept;

    if (!u->keep || strcmp(u->status, "ok") != 0) continue;
    rc = duck_do(d, &n->deleted, err,
                 "DELETE FROM %I.%I WHERE _cq_client_id = %L AND "
                 "_cq_source_name = %L AND _cq_sync_group_id <> %n AND "
                 "(_cq_parent_id IS NULL OR _cq_parent_id NOT IN " KEPT ")",
                 d->schema, name, u->client, t->run->source, t->run->group,
                 u->keep);
    if (rc == CQ_OK)
      rc = duck_one(d, &kept, err,
                    "SELECT count(*) FROM %I.%I WHERE _cq_client_id = %L AND "
                    "_cq_source_name = %L AND _cq_sync_group_id <> %n",
                    d->schema, name, u->client, t->run->source, t->run->group);
    if (rc == CQ_OK) n->kept += kept;
  }
  return rc;
}

/* Append: rows below parents that may not be read now, out of the newest run. */
static int carry_over(duck *d, duck_table *t, const duck_unit *u, cq_counts *n,
                      cq_error *err) {
  const char *name = t->table->def->name;
  cq_buf to, from;
  int rc;

  cq_buf_init(&to, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&from, CQ_MAX_SPEC_BYTES);
  duck_columns(&to, t->table, 0);
  duck_columns(&from, t->table, t->run->group);
  rc =
      to.rc || from.rc
          ? cq_error_nomem(err)
          : duck_do(d, &n->kept, err,
                    "INSERT INTO %I.%R (%s) SELECT %s FROM "
                    "%I.%R WHERE _cq_sync_group_id = (SELECT "
                    "sync_group_id FROM %I.cq_units WHERE table_name = %L AND "
                    "source_name = %L AND client_id = %L) AND _cq_source_name "
                    "= %L AND _cq_client_id = %L AND _cq_parent_id IN " KEPT
                    " AND _cq_id NOT IN (SELECT _cq_id FROM %I.%R "
                    "WHERE _cq_sync_group_id = %n AND _cq_source_name = %L AND "
                    "_cq_client_id = %L)",
                    d->schema, name, to.data, from.data, d->schema, name,
                    d->schema, name, t->run->source, u->client, t->run->source,
                    u->client, u->keep, d->schema, name, t->run->group,
                    t->run->source, u->client);
  cq_buf_clear(&to);
  cq_buf_clear(&from);
  return rc;
}

static int journal(duck *d, duck_table *t, cq_counts *n, cq_error *err) {
  const char *name = t->table->def->name;
  cq_buf units, state, who;
  int any = 0, rc = CQ_OK, merged = duck_merges(d);

  cq_buf_init(&units, SIZE_MAX);
  cq_buf_init(&state, SIZE_MAX);
  cq_buf_init(&who, SIZE_MAX);
  for (const duck_unit *u = t->ended; u && rc == CQ_OK; u = u->next) {
    int ok = strcmp(u->status, "ok") == 0;
    const char *cursor = u->cursor ? u->cursor : "";
    int64_t kept;

    if (ok || !u->part) /* else that of its parts stays */
      cq_sql(&units, "%s(%L, %L, %L, %n, %L, %d, %n, %L, %t, %t)",
             units.len ? ", " : "", name, t->run->source, u->client,
             t->run->group, u->status, merged && ok, u->whole + u->rows, cursor,
             u->started_us, u->finished_us);
    if (merged && ok)
      cq_sql(&state, "%s(%L, %L, %L, %n, %L, %L, %n)", any++ ? ", " : "", name,
             t->run->source, u->client, t->run->group, t->run->time, cursor,
             u->whole + u->rows);
    if (ok && u->part)
      rc = duck_do(d, NULL, err,
                   "DELETE FROM %I.cq_sync_units WHERE table_name = %L AND "
                   "source_name = %L AND client_id = %L AND sync_group_id = %n",
                   d->schema, name, t->run->source, u->client, t->run->group);
    if (ok) continue;
    rc = duck_one(d, &kept, err,
                  "SELECT rows FROM %I.cq_units WHERE table_name = %L AND "
                  "source_name = %L AND client_id = %L",
                  d->schema, name, t->run->source, u->client);
    if (rc == CQ_OK) n->kept += kept;
  }
  clients(&who, t, "ok", -1);
  if (rc == CQ_OK && (units.rc || state.rc || who.rc)) rc = cq_error_nomem(err);
  if (rc == CQ_OK && units.len)
    rc = duck_do(d, NULL, err, "INSERT INTO %I.cq_sync_units VALUES %s",
                 d->schema, units.data);
  if (rc == CQ_OK && any)
    rc = duck_do(d, NULL, err,
                 "DELETE FROM %I.cq_units WHERE table_name = %L AND "
                 "source_name = %L AND client_id IN %s",
                 d->schema, name, t->run->source, who.data);
  if (rc == CQ_OK && any)
    rc = duck_do(d, NULL, err, "INSERT INTO %I.cq_units VALUES %s", d->schema,
                 state.data);
  cq_buf_clear(&units);
  cq_buf_clear(&state);
  cq_buf_clear(&who);
  return rc;
}

/* Append: all rows that are staged go on, also of units that have not ended:
 * nothing points at them.  Those of a unit that fails are removed at its end. */
static int copy_rows(duck *d, duck_table *t, cq_error *err) {
  const char *name = t->table->def->name;
  cq_buf to, from;
  int rc;

  if (!t->nrows) return CQ_OK;
  cq_buf_init(&to, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&from, CQ_MAX_SPEC_BYTES);
  duck_columns(&to, t->table, 0);
  duck_add_casts(&from, t->table);
  if (t->table->incremental) {
    cq_buf_str(&to, ", _cq_row");
    cq_buf_str(&from, ", _cq_row");
  }
  rc = to.rc || from.rc
           ? cq_error_nomem(err)
           : duck_do(d, NULL, err,
                     "INSERT INTO %I.%R (%s) SELECT %s FROM temp.%I", d->schema,
                     name, to.data, from.data, t->stage);
  cq_buf_clear(&to);
  cq_buf_clear(&from);
  /* Whoever settles the run looks for its rows in the tables that have an
   * entry: the table's own may be waiting still, or be lost. */
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err,
                 "INSERT INTO %I.cq_sync_tables (sync_group_id, source_name, "
                 "table_name, status) SELECT %n, %L, %L, 'running' WHERE NOT "
                 "EXISTS (SELECT 1 FROM %I.cq_sync_tables WHERE sync_group_id "
                 "= %n AND source_name = %L AND table_name = %L)",
                 d->schema, t->run->group, t->run->source, name, d->schema,
                 t->run->group, t->run->source, name);
  return rc;
}

static int remove_failed(duck *d, duck_table *t, cq_error *err) {
  int rc = CQ_OK;

  for (const duck_unit *u = t->ended; u && rc == CQ_OK; u = u->next) {
    char since[40] = "";

    if (u->part)
      snprintf(since, sizeof since, " AND _cq_row > %lld", (long long)u->from);
    if (u->written && strcmp(u->status, "ok") != 0)
      rc = duck_do(d, NULL, err,
                   "DELETE FROM %I.%R WHERE _cq_sync_group_id = %n "
                   "AND _cq_source_name = %L AND _cq_client_id = %L%s",
                   d->schema, t->table->def->name, t->run->group,
                   t->run->source, u->client, since);
  }
  return rc;
}

static int settle_append(duck *d, duck_table *t, cq_counts *n, cq_error *err) {
  int rc = copy_rows(d, t, err);

  if (rc == CQ_OK) rc = remove_failed(d, t, err);
  for (const duck_unit *u = t->ended; u && rc == CQ_OK; u = u->next) {
    n->inserted += u->rows;
    if (u->keep && !t->table->incremental) rc = carry_over(d, t, u, n, err);
  }
  return rc;
}

static int settle_merge(duck *d, duck_table *t, cq_counts *n, cq_error *err) {
  cq_buf who, all;
  int64_t rows = 0;
  int rc = CQ_OK;

  for (const duck_unit *u = t->ended; u; u = u->next) rows += u->rows;
  cq_buf_init(&who, SIZE_MAX);
  cq_buf_init(&all, SIZE_MAX);
  clients(&who, t, "ok", -1);
  clients(&all, t, NULL, -1);
  if (who.rc || all.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK && rows) rc = make_new(d, t, who.data, err);
  if (rc == CQ_OK && rows) rc = merge(d, t, rows, n, err);
  if (rc == CQ_OK) rc = delete_stale(d, t, n, err);
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err, "DELETE FROM temp.%I WHERE _cq_client_id IN %s",
                 t->stage, all.data);
  cq_buf_clear(&who);
  cq_buf_clear(&all);
  return rc;
}

static int settle_table(duck *d, duck_table *t, cq_counts *n, cq_error *err) {
  int rc =
      duck_merges(d) ? settle_merge(d, t, n, err) : settle_append(d, t, n, err);

  return rc || !t->nended ? rc : journal(d, t, n, err);
}

/* A temporary table keeps the place of rows that are deleted: where none is
 * left it goes, and is made anew for the next. */
static int empty_stage(duck *d, duck_table *t, cq_error *err) {
  int64_t left = 0;
  int rc = CQ_OK;

  if (!t->stage) return CQ_OK;
  if (duck_merges(d))
    rc = duck_one(d, &left, err, "SELECT count(*) FROM temp.%I", t->stage);
  if (rc || left) return rc;
  rc = duck_do(d, NULL, err, "DROP TABLE temp.%I", t->stage);
  cq_free(t->stage);
  t->stage = NULL;
  return rc;
}

/* A transaction for each table: one that fails takes no other along. */
static int flush_table(duck *d, duck_table *t, cq_error *err) {
  cq_counts n;
  int rc = duck_begin_work(d, err);

  memset(&n, 0, sizeof n);
  if (rc == CQ_OK) rc = settle_table(d, t, &n, err);
  rc = duck_end_work(d, rc, err);
  if (rc) return rc;
  for (const duck_unit *u = t->ended; u; u = u->next) t->n.rows += u->rows;
  t->merged |= duck_merges(d);
  t->n.inserted += n.inserted;
  t->n.updated += n.updated;
  t->n.unchanged += n.unchanged;
  t->n.deleted += n.deleted;
  t->n.kept += n.kept;
  t->n.again += n.again;
  duck_forget(t);
  t->nrows = t->bytes = 0;
  duck_counts_out(t);
  return empty_stage(d, t, err);
}

void duck_fail_table(duck *d, duck_table *t, const cq_error *why) {
  t->failed = 1;
  t->why = *why;
  duck_appended(d, t, NULL);
  if (t->stage)
    duck_do(d, NULL, NULL, "DROP TABLE IF EXISTS temp.%I", t->stage);
  cq_free(t->stage);
  t->stage = NULL;
  t->nrows = t->bytes = 0;
  t->uncounted = NULL;
  duck_forget(t);
}

int duck_flush(duck *d, cq_error *err) {
  int rc = CQ_OK;

  d->ended_ms = 0;
  for (duck_table *t = d->tables; t && rc == CQ_OK; t = t->next) {
    cq_error why = {0, ""};

    if (!t->nended && (duck_merges(d) || !t->nrows || t->failed)) continue;
    rc = duck_count_odd(d, t, &why);
    if (rc == CQ_OK) rc = duck_appended(d, t, &why);
    if (rc == CQ_OK) rc = flush_table(d, t, &why);
    if (rc && cq_dest_whole(rc) && err) *err = why;
    if (!rc || cq_dest_whole(rc)) continue;
    duck_fail_table(d, t, &why);
    rc = CQ_OK;
  }
  if (rc == CQ_OK && duck_merges(d))
    rc = duck_do(d, NULL, err, "DROP VIEW IF EXISTS temp.cq_new");
  if (rc == CQ_OK && duck_merges(d))
    rc = duck_do(d, NULL, err, "DROP TABLE IF EXISTS temp.cq_rows");
  return rc;
}
