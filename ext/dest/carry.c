/* ext/dest/carry.c: from one write mode to another: what is said before it is
 * done, and the SQL that takes the rows along, where a store quotes as the
 * standard does.
 *
 * Append to overwrite: the rows that the view shows become the table; raw_<t>
 * stays beside it.  Overwrite to append: the table's rows go to raw_<t>, each as
 * one of the run that its unit's pointer tells, so that the view shows them; of
 * an incremental table each stays one of its own run.  The pointers stay, and so
 * do cursors.  Rows of clients that have no pointer (CloudQuery made the table)
 * get one, at run 0: a run that was whole forgets it as it forgets a client that
 * is gone. */
#include "dest/dest.h"

#include <string.h>

int cq_dest_other_mode(const cq_dest *d, const char *table, int append,
                       cq_error *err) {
  int keeps = d->ops != &cq_dest_clickhouse;

  cq_error_set(err, CQ_MISUSE, "destination %s: table %s: %s", d->name, table,
               append ? "was synced with write_mode append"
                      : "was synced with another write_mode than append");
  if (append && keeps)
    cq_error_hint(err,
                  "migrate_mode: forced makes the rows that it shows a table, "
                  "one row of each _cq_id; raw_%s stays beside it",
                  table);
  else if (keeps)
    cq_error_hint(err,
                  "migrate_mode: forced moves its rows to raw_%s, where a view "
                  "shows them; indexes that people put on it go",
                  table);
  else
    cq_error_hint(err,
                  "migrate_mode: forced changes the view; the rows stay in "
                  "raw_%s",
                  table);
  return CQ_MISUSE;
}

/* A row's unit: of these rows, of those run tables. */
static void add_unit(cq_buf *out, const cq_carry *k, const char *row) {
  cq_sql(out,
         "u.table_name = %L AND u.source_name = %s._cq_source_name AND "
         "u.client_id = %s._cq_client_id",
         k->table, row, row);
}

void cq_carry_adopt(cq_buf *out, const cq_carry *k, const char *from) {
  cq_sql(out,
         "INSERT INTO %I.cq_units (table_name, source_name, client_id, "
         "sync_group_id, sync_time, cursor, rows) SELECT %L, "
         "r._cq_source_name, r._cq_client_id, 0, max(r._cq_sync_time), '', "
         "count(*) FROM %s AS r WHERE NOT EXISTS (SELECT 1 FROM %I.cq_units AS "
         "u WHERE ",
         k->schema, k->table, from, k->schema);
  add_unit(out, k, "r");
  cq_buf_str(out, ") GROUP BY r._cq_source_name, r._cq_client_id");
}

/* Rows that are there and not published will not be: nobody is to take their
 * units for done. */
void cq_carry_forget(cq_buf *out, const cq_carry *k) {
  cq_sql(out,
         "DELETE FROM %I.cq_sync_units WHERE table_name = %L AND status = 'ok' "
         "AND published = 0",
         k->schema, k->table);
}

void cq_carry_select(cq_buf *out, const cq_carry *k, const char *from,
                     const cq_dest_found *has) {
  cq_buf_str(out, "SELECT ");
  for (size_t i = 0; i < has->n; i++) {
    if (i) cq_buf_str(out, ", ");
    if (!k->incremental && strcmp(has->names[i], "_cq_sync_group_id") == 0)
      cq_buf_str(out, "CASE WHEN x.cq_nth = 1 THEN x.cq_to ELSE "
                      "x._cq_sync_group_id END AS _cq_sync_group_id");
    else
      cq_sql(out, "x.%I", has->names[i]);
  }
  if (k->incremental) {
    cq_sql(out, " FROM %s AS x", from);
    return;
  }
  /* With a sync_group_id a key may be there more than once: the newest is. */
  cq_sql(out,
         " FROM (SELECT r.*, u.sync_group_id AS cq_to, row_number() OVER "
         "(PARTITION BY r._cq_source_name, r._cq_client_id, r._cq_id ORDER BY "
         "r._cq_sync_group_id DESC) AS cq_nth FROM %s AS r JOIN %I.cq_units AS "
         "u ON ",
         from, k->schema);
  add_unit(out, k, "r");
  cq_buf_str(out, ") AS x");
}

void cq_carry_journal(cq_buf *out, const cq_carry *k, const char *from) {
  cq_sql(out,
         "INSERT INTO %I.cq_sync_units (table_name, source_name, client_id, "
         "sync_group_id, status, published, rows, cursor, started, finished) "
         "SELECT %L, r._cq_source_name, r._cq_client_id, r._cq_sync_group_id, "
         "'ok', 1, count(*), '', min(r._cq_sync_time), max(r._cq_sync_time) "
         "FROM %s AS r WHERE NOT EXISTS (SELECT 1 FROM %I.cq_sync_units AS u "
         "WHERE ",
         k->schema, k->table, from, k->schema);
  add_unit(out, k, "r");
  cq_buf_str(out, " AND u.sync_group_id = r._cq_sync_group_id) GROUP BY "
                  "r._cq_source_name, r._cq_client_id, r._cq_sync_group_id");
}

/* What raw_<t> has from the time when it was synced into, and what the view
 * would show of it again. */
void cq_carry_replace(cq_buf *out, const cq_carry *k, const char *raw,
                      const char *from) {
  if (k->incremental)
    cq_sql(out,
           "DELETE FROM %s WHERE (_cq_source_name, _cq_id) NOT IN (SELECT "
           "_cq_source_name, _cq_id FROM %s)",
           raw, from);
  else
    cq_sql(out,
           "DELETE FROM %s WHERE (_cq_source_name, _cq_client_id, "
           "_cq_sync_group_id) IN (SELECT source_name, client_id, "
           "sync_group_id FROM %I.cq_units WHERE table_name = %L)",
           raw, k->schema, k->table);
}

/* `columns` as raw_<t> has them, `values` the same of rows x. */
void cq_carry_insert(cq_buf *out, const char *raw, const char *columns,
                     const char *values, const char *from) {
  cq_sql(out,
         "INSERT INTO %s (%s) SELECT %s FROM %s AS x WHERE "
         "(x._cq_source_name, x._cq_client_id, x._cq_sync_group_id, x._cq_id) "
         "NOT IN (SELECT _cq_source_name, _cq_client_id, _cq_sync_group_id, "
         "_cq_id FROM %s)",
         raw, columns, values, from, raw);
}
