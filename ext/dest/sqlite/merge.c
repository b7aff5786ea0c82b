/* ext/dest/sqlite/merge.c: the end of a unit in the overwrite modes: its rows go
 * from the stage into their table by one statement, which inserts, updates and
 * counts, and what the unit no longer has is deleted.  The caller's savepoint
 * makes it one. */
#include "dest/sqlite/internal.h"

#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

/* All columns but the key are set: whether the data are the same or not, the
 * row's time and run change, and SQLite writes a row as a whole. */
void lite_merge_clause(cq_buf *b, const cq_lite *d, const cq_dest_table *t) {
  int n = 0;

  cq_buf_printf(b, " WHERE true ON CONFLICT (_cq_id%s) DO UPDATE SET ",
                d->group_in_key ? ", _cq_sync_group_id" : "");
  for (int i = 0; i < cq_dest_width(t); i++) {
    const char *name = cq_dest_column(t, i);

    if (strcmp(name, "_cq_id") == 0) continue;
    cq_buf_str(b, n++ ? ", " : "");
    lite_add_name(b, name);
    cq_buf_str(b, " = excluded.");
    lite_add_name(b, name);
  }
  /* Compared as two row values, since a tree of ANDs may not be as deep as a
   * table is wide. */
  cq_buf_str(b, " WHERE cq_batch_met(?5, _cq_sync_group_id, (");
  for (int side = 0; side < 2; side++) {
    for (int i = CQ_META; i < cq_dest_width(t); i++) {
      cq_buf_str(b, i > CQ_META ? ", " : "");
      cq_buf_str(b, side ? "excluded." : "");
      lite_add_name(b, cq_dest_column(t, i));
    }
    if (t->ncol == 0) cq_buf_str(b, "1");
    cq_buf_str(b, side ? ")" : ") IS (");
  }
  cq_buf_str(b, ")");
}

/* Is there a row of the client but the `own` of this run?  To count is cheaper
 * than to look at each of them: the key's index, or that on the client, is all
 * that is read. */
static int others(cq_lite *d, const cq_dest_unit *u, int64_t own, int *out,
                  cq_error *err) {
  const cq_dest_table *t = u->table;
  int64_t n = 0;
  int rc = t->many ? lite_int(d, &n, err,
                              "SELECT count(*) FROM \"%w\".\"%w\" WHERE "
                              "_cq_client_id = %Q",
                              d->schema, t->def->name, u->client)
                   : lite_int(d, &n, err, "SELECT count(*) FROM \"%w\".\"%w\"",
                              d->schema, t->def->name);

  *out = n != own;
  return rc;
}

static int delete_stale(cq_lite *d, const cq_dest_run *r, const cq_dest_unit *u,
                        cq_counts *n, cq_error *err) {
  const char *name = u->table->def->name;
  int rc = lite_exec(d, err,
                     "DELETE FROM \"%w\".\"%w\" WHERE _cq_client_id = %Q AND "
                     "_cq_source_name = %Q AND _cq_sync_group_id <> %lld AND "
                     "(_cq_parent_id IS NULL OR _cq_parent_id NOT IN (SELECT "
                     "value FROM json_each(%Q)))",
                     d->schema, name, u->client, r->source, (long long)r->group,
                     u->keep ? u->keep : "[]");

  if (rc == CQ_OK) n->deleted += sqlite3_changes(d->h->db);
  if (rc == CQ_OK && u->keep)
    rc = lite_int(d, &n->kept, err,
                  "SELECT count(*) FROM \"%w\".\"%w\" WHERE _cq_client_id = "
                  "%Q AND _cq_source_name = %Q AND _cq_sync_group_id <> %lld",
                  d->schema, name, u->client, r->source, (long long)r->group);
  return rc;
}

int lite_merge(cq_lite *d, const cq_dest_run *r, cq_dest_unit *u, cq_counts *n,
               cq_error *err) {
  const lite_table *own = u->table->own;
  int64_t had = 0; /* distinct rows */
  int rc = CQ_OK, stale = 1;
  lite_feed f;

  if (u->own) {
    memset(&f, 0, sizeof f);
    f.table = u->table;
    f.kinds = own->kinds;
    f.unit = u;
    f.group = r->group;
    rc = lite_stage_read(u->own, &f);
    if (rc)
      cq_error_set(err, rc, "%s", f.err.text);
    else
      rc = lite_insert(d, r, u, &f, err);
    if (rc) return rc;
    d->h->rows += u->rows;
    n->inserted += u->rows - f.met - f.again;
    n->unchanged += f.same;
    n->updated += f.met + f.again - f.same;
    n->again += f.again;
    had = u->rows - f.again;
  }
  if (d->base.mode != CQ_MODE_DELETE_STALE || u->table->incremental)
    return CQ_OK;
  /* A trigger may have done otherwise than was asked. */
  if (own && !own->triggers) rc = others(d, u, had, &stale, err);
  if (rc == CQ_OK && stale) rc = delete_stale(d, r, u, n, err);
  return rc;
}
