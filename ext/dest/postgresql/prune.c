/* ext/dest/postgresql/prune.c: of each unit, the runs beyond the newest that
 * are to be kept; what is current stays, however old. */
#include "dest/postgresql/internal.h"

#include <string.h>

#define OLD                                                                    \
  "SELECT source_name, client_id, sync_group_id FROM (SELECT source_name, "    \
  "client_id, sync_group_id, row_number() OVER (PARTITION BY source_name, "    \
  "client_id ORDER BY sync_group_id DESC) AS nth FROM %I.cq_sync_units WHERE " \
  "table_name = %L AND published = 1) AS x WHERE nth > %n"

typedef struct pruning {
  int64_t keep, removed, tables;
} pruning;

/* Of an incremental table, rows of such runs that a newer row of their key
 * replaces. */
static void add_newest(pg_batch *b, const pg *d, const char *name,
                       const char *raw, int64_t keep, int64_t *removed) {
  pg_add(b, removed,
         "DELETE FROM %I.%I AS r USING (SELECT x.ctid AS id, row_number() OVER "
         "(PARTITION BY x._cq_source_name, x._cq_id ORDER BY "
         "x._cq_sync_group_id DESC, x._cq_row DESC NULLS LAST) AS nth FROM "
         "%I.%I AS x WHERE EXISTS (SELECT FROM %I.cq_sync_units AS u WHERE "
         "u.table_name = %L AND u.source_name = x._cq_source_name AND "
         "u.client_id = x._cq_client_id AND u.sync_group_id = "
         "x._cq_sync_group_id AND u.published = 1)) AS n WHERE n.id = r.ctid "
         "AND n.nth > 1 AND (r._cq_source_name, r._cq_client_id, "
         "r._cq_sync_group_id) IN (" OLD ")",
         d->schema, raw, d->schema, raw, d->schema, name, d->schema, name,
         keep);
}

static void add_snapshots(pg_batch *b, const pg *d, const char *name,
                          const char *raw, int64_t keep, int64_t *removed) {
  pg_add(b, removed,
         "DELETE FROM %I.%I AS r USING (" OLD ") AS o WHERE "
         "r._cq_sync_group_id = o.sync_group_id AND r._cq_source_name = "
         "o.source_name AND r._cq_client_id = o.client_id AND NOT EXISTS "
         "(SELECT FROM %I.cq_units AS c WHERE c.table_name = %L AND "
         "c.source_name = o.source_name AND c.client_id = o.client_id AND "
         "c.sync_group_id = o.sync_group_id)",
         d->schema, raw, d->schema, name, keep, d->schema, name);
  /* The journal keeps what still has rows. */
  pg_add(b, NULL,
         "DELETE FROM %I.cq_sync_units AS j USING (" OLD ") AS o WHERE "
         "j.table_name = %L AND j.source_name = o.source_name AND j.client_id "
         "= o.client_id AND j.sync_group_id = o.sync_group_id AND NOT EXISTS "
         "(SELECT FROM %I.cq_units AS c WHERE c.table_name = %L AND "
         "c.source_name = o.source_name AND c.client_id = o.client_id AND "
         "c.sync_group_id = o.sync_group_id)",
         d->schema, d->schema, name, keep, name, d->schema, name);
}

static int prune_table(pg *d, const char *name, pruning *p, cq_error *err) {
  char raw[PG_NAME], view[PG_NAME];
  int64_t removed = 0;
  pg_present table, shown;
  pg_batch b;
  int rc;

  pg_batch_init(&b);
  pg_name(raw, "raw_", name, "");
  pg_name(view, "", name, "");
  memset(&shown, 0, sizeof shown);
  rc = pg_present_read(d, raw, &table, err);
  if (rc == CQ_OK) rc = pg_present_read(d, view, &shown, err);
  if (rc == CQ_OK && table.kind == 'r' && table.ours) {
    if (shown.newest && pg_present_type(&table, "_cq_row"))
      add_newest(&b, d, name, raw, p->keep, &removed);
    else if (!shown.newest)
      add_snapshots(&b, d, name, raw, p->keep, &removed);
    rc = pg_run(d, &b, name, err);
  }
  p->removed += removed;
  p->tables += removed > 0;
  pg_present_clear(&table);
  pg_present_clear(&shown);
  pg_batch_clear(&b);
  return rc;
}

static int prune_work(pg *d, void *user, cq_error *err) {
  pruning *p = user;
  int64_t there;
  pg_result *r;
  int rc;

  p->removed = p->tables = 0;
  rc = pg_one(d, &there, "cq_sync_units", err,
              "SELECT count(*) FROM pg_tables WHERE schemaname = %L AND "
              "tablename = 'cq_sync_units'",
              d->schema);
  if (rc || !there) return rc;
  r = pg_select(d, "cq_sync_units", err,
                "SELECT DISTINCT table_name FROM %I.cq_sync_units", d->schema);
  if (!r) return err->code;
  for (int i = 0; i < pg_rows(d, r) && rc == CQ_OK; i++)
    rc = prune_table(d, pg_text(d, r, i, 0), p, err);
  pg_done(d, r);
  return rc;
}

int pg_prune(cq_dest *base, int64_t keep, cq_buf *out, cq_error *err) {
  pruning p = {keep, 0, 0};
  int rc = pg_transact((pg *)base, PG_PLAIN, prune_work, &p, err);

  cq_buf_printf(out, "{\"keep\":%lld,\"tables\":%lld,\"rows\":%lld}",
                (long long)keep, (long long)p.tables, (long long)p.removed);
  return rc ? rc : out->rc ? cq_error_nomem(err) : CQ_OK;
}
