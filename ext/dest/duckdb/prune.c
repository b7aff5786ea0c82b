/* ext/dest/duckdb/prune.c: of each unit, the runs beyond the newest that are to
 * be kept; what is current stays, however old. */
#include "dest/duckdb/internal.h"

/* Runs of units beyond the newest `keep`, as the table cq_old. */
static int list_old(duck *d, const char *name, int64_t keep, cq_error *err) {
  return duck_do(
      d, NULL, err,
      "CREATE OR REPLACE TEMP TABLE cq_old AS SELECT source_name, client_id, "
      "sync_group_id FROM (SELECT *, row_number() OVER (PARTITION BY "
      "source_name, client_id ORDER BY sync_group_id DESC) AS nth FROM "
      "%I.cq_sync_units WHERE table_name = %L AND published = 1) AS x WHERE "
      "nth > %n",
      d->schema, name, keep);
}

static int prune_snapshots(duck *d, const char *name, int64_t *removed,
                           cq_error *err) {
  int rc = duck_do(d, NULL, err,
                   "DELETE FROM temp.cq_old AS o USING %I.cq_units AS c WHERE "
                   "c.table_name = %L AND c.source_name = o.source_name AND "
                   "c.client_id = o.client_id AND c.sync_group_id = "
                   "o.sync_group_id",
                   d->schema, name);

  if (rc == CQ_OK)
    rc = duck_do(d, removed, err,
                 "DELETE FROM %I.%R AS r USING temp.cq_old AS o WHERE "
                 "r._cq_sync_group_id = o.sync_group_id AND r._cq_source_name "
                 "= o.source_name AND r._cq_client_id = o.client_id",
                 d->schema, name);
  /* The journal keeps what still has rows. */
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err,
                 "DELETE FROM %I.cq_sync_units AS j USING temp.cq_old AS o "
                 "WHERE j.table_name = %L AND j.source_name = o.source_name "
                 "AND j.client_id = o.client_id AND j.sync_group_id = "
                 "o.sync_group_id",
                 d->schema, name);
  return rc;
}

/* Of an incremental table, rows of such runs that a newer row of their key
 * replaces: what its view does not show (migrate.c). */
static int prune_replaced(duck *d, const char *name, int64_t *removed,
                          cq_error *err) {
  return duck_do(
      d, removed, err,
      "DELETE FROM %I.%R WHERE (_cq_source_name, _cq_client_id, "
      "_cq_sync_group_id) IN (SELECT (source_name, client_id, sync_group_id) "
      "FROM temp.cq_old) AND rowid NOT IN (SELECT r.rowid FROM %I.%R "
      "AS r WHERE EXISTS (SELECT 1 FROM %I.cq_sync_units AS u WHERE "
      "u.table_name = %L AND u.source_name = r._cq_source_name AND "
      "u.client_id = r._cq_client_id AND u.sync_group_id = "
      "r._cq_sync_group_id AND u.published = 1) QUALIFY row_number() OVER "
      "(PARTITION BY r._cq_source_name, r._cq_id ORDER BY "
      "r._cq_sync_group_id DESC, r._cq_row DESC NULLS LAST) = 1)",
      d->schema, name, d->schema, name, d->schema, name);
}

static int prune_table(duck *d, const char *name, int64_t keep,
                       int64_t *removed, cq_error *err) {
  int64_t there, newest;
  int rc = duck_one(d, &there, err,
                    "SELECT count(*) FROM duckdb_tables() WHERE schema_name = "
                    "%L AND database_name = current_database() AND table_name "
                    "= 'raw_' || %L",
                    d->schema, name);

  if (rc == CQ_OK)
    rc = duck_one(d, &newest, err,
                  "SELECT count(*) FROM duckdb_views() WHERE schema_name = %L "
                  "AND database_name = current_database() AND view_name = %L "
                  "AND contains(sql, '_cq_row')",
                  d->schema, name);
  if (rc || !there) return rc;
  rc = list_old(d, name, keep, err);
  if (rc) return rc;
  return newest ? prune_replaced(d, name, removed, err)
                : prune_snapshots(d, name, removed, err);
}

static int prune_tables(duck *d, int64_t keep, int64_t *removed,
                        int64_t *tables, cq_error *err) {
  int64_t there = 0;
  duck_result q;
  cq_arena a;
  int rc = duck_one(d, &there, err,
                    "SELECT count(*) FROM duckdb_tables() WHERE schema_name = "
                    "%L AND database_name = current_database() AND table_name "
                    "= 'cq_sync_units'",
                    d->schema);

  if (rc || !there) return rc;
  rc = duck_select(d, &q, err,
                   "SELECT DISTINCT table_name FROM %I.cq_sync_units",
                   d->schema);
  if (rc) return rc;
  cq_arena_init(&a);
  for (uint64_t i = 0; i < d->lib.row_count(&q) && rc == CQ_OK; i++) {
    int64_t n = 0;
    char *name = duck_text(d, &q, &a, i, 0);

    rc = name ? prune_table(d, name, keep, &n, err) : cq_error_nomem(err);
    *removed += n;
    *tables += n > 0;
  }
  d->lib.destroy_result(&q);
  cq_arena_clear(&a);
  return rc;
}

int duck_prune(cq_dest *base, int64_t keep, cq_buf *out, cq_error *err) {
  duck *d = (duck *)base;
  int64_t removed = 0, tables = 0;
  int rc = duck_begin_work(d, err);

  if (rc == CQ_OK) rc = prune_tables(d, keep, &removed, &tables, err);
  rc = duck_end_work(d, rc, err);
  cq_buf_printf(out, "{\"keep\":%lld,\"tables\":%lld,\"rows\":%lld}",
                (long long)keep, (long long)tables, (long long)removed);
  return rc ? rc : out->rc ? cq_error_nomem(err) : CQ_OK;
}
