/* ext/dest/clickhouse/prune.c: old snapshots go: of each unit the published runs
 * beyond the newest few. */
#include <string.h>

#include "dest/clickhouse/internal.h"

typedef struct names {
  char **v, **sql;
  size_t n, cap, capsql;
} names;

static int on_view(void *user, char **cell, int n) {
  names *t = user;

  if (n < 2 || !cell[0] || !cell[1]) return CQ_OK;
  if (cq_grow(&t->v, &t->cap, t->n, sizeof *t->v) ||
      cq_grow(&t->sql, &t->capsql, t->n, sizeof *t->sql))
    return CQ_NOMEM;
  t->v[t->n] = cq_strdup(cell[0]);
  t->sql[t->n] = cq_strdup(cell[1]);
  t->n++;
  return t->v[t->n - 1] && t->sql[t->n - 1] ? CQ_OK : CQ_NOMEM;
}

/* What is current stays, however old; of a table that shows the newest row of
 * each key, that row. */
static int prune_table(ch *d, const char *name, int newest, int64_t keep,
                       int64_t *removed, cq_error *err) {
  char *raw = cq_mprintf("raw_%s", name);
  int rc = raw ? CQ_OK : cq_error_nomem(err);
  cq_buf before, old, found;

  cq_buf_init(&before, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&old, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&found, CQ_MAX_SPEC_BYTES);
  if (newest && raw)
    ch_format(d, &before,
              "(_cq_source_name, _cq_id, _cq_sync_group_id, _cq_row) NOT IN "
              "(SELECT _cq_source_name, _cq_id, _cq_sync_group_id, _cq_row "
              "FROM %t WHERE (_cq_source_name, _cq_client_id, "
              "_cq_sync_group_id) IN (SELECT source_name, client_id, "
              "sync_group_id FROM %t WHERE table_name = %Q AND gone = 0) ORDER "
              "BY _cq_sync_group_id DESC, _cq_row DESC LIMIT 1 BY "
              "_cq_source_name, _cq_id) AND ",
              raw, "raw_cq_units", name);
  cq_buf_str(&before,
             "(_cq_source_name, _cq_client_id, _cq_sync_group_id) IN (");
  ch_format(d, &old,
            "SELECT source_name, client_id, "
            "arrayJoin(arraySlice(arrayReverseSort(groupUniqArray("
            "sync_group_id)), %lld)) FROM %t WHERE table_name = %Q AND gone = "
            "0 GROUP BY source_name, client_id",
            (long long)keep + 1, "raw_cq_units", name);
  if (rc == CQ_OK && (before.rc || old.rc)) rc = cq_error_nomem(err);
  if (rc == CQ_OK)
    ch_format(d, &found,
              "SELECT _cq_source_name, _cq_client_id, _cq_sync_group_id, "
              "count() FROM %t WHERE %s%s) AND (_cq_source_name, "
              "_cq_client_id, _cq_sync_group_id) NOT IN (SELECT source_name, "
              "client_id, sync_group_id FROM %t WHERE table_name = %Q AND %d) "
              "GROUP BY _cq_source_name, _cq_client_id, _cq_sync_group_id",
              raw, before.data, old.data, "cq_units", name, !newest);
  if (rc == CQ_OK)
    rc = ch_remove_found(d, raw, 3, &before, &found, removed, err);
  cq_buf_clear(&before);
  cq_buf_clear(&old);
  cq_buf_clear(&found);
  cq_free(raw);
  return rc;
}

int ch_prune(cq_dest *base, int64_t keep, cq_buf *out, cq_error *err) {
  ch *d = ch_of(base);
  int64_t removed = 0, tables = 0, there = 0;
  names t = {NULL, NULL, 0, 0, 0};
  int rc = ch_int(d, &there, err,
                  "SELECT count() FROM system.tables WHERE database = %Q AND "
                  "name = 'raw_cq_units'",
                  d->o->database);

  if (rc == CQ_OK && there)
    rc = ch_rows(d, on_view, &t, err,
                 "SELECT name, create_table_query FROM system.tables WHERE "
                 "database = %Q AND engine = 'View' AND name IN (SELECT "
                 "DISTINCT table_name FROM %t)",
                 d->o->database, "raw_cq_units");
  for (size_t i = 0; i < t.n && rc == CQ_OK; i++) {
    int64_t before = removed;

    /* Snapshots are kept by append alone. */
    if (!strstr(t.sql[i], "made by cq: append")) continue;
    rc = prune_table(d, t.v[i], strstr(t.sql[i], "append newest") != NULL, keep,
                     &removed, err);
    tables += removed > before;
  }
  for (size_t i = 0; i < t.n; i++) {
    cq_free(t.v[i]);
    cq_free(t.sql[i]);
  }
  cq_free(t.v);
  cq_free(t.sql);
  cq_buf_printf(out, "{\"keep\":%lld,\"tables\":%lld,\"rows\":%lld}",
                (long long)keep, (long long)tables, (long long)removed);
  return rc ? rc : out->rc ? cq_error_nomem(err) : CQ_OK;
}
