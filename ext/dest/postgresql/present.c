/* ext/dest/postgresql/present.c: what is in the schema under a name. */
#include "dest/postgresql/internal.h"

#include <string.h>

void pg_present_clear(pg_present *p) {
  cq_dest_found_clear(&p->has);
  cq_free(p->key);
  cq_free(p->constraint);
  memset(p, 0, sizeof *p);
}

const char *pg_present_type(const pg_present *p, const char *name) {
  return cq_dest_found_type(&p->has, name, 0);
}

static int read_columns(pg *d, const char *name, pg_present *p, cq_error *err) {
  pg_result *r = pg_select(d, name, err,
                           "SELECT attname, format_type(atttypid, atttypmod) "
                           "FROM pg_attribute WHERE attrelid = %n AND attnum > "
                           "0 AND NOT attisdropped ORDER BY attnum",
                           p->oid);
  int rc = CQ_OK;

  if (!r) return err->code;
  for (int i = 0; i < pg_rows(d, r) && rc == CQ_OK; i++)
    if (cq_dest_found_add(&p->has, pg_text(d, r, i, 0), pg_text(d, r, i, 1)))
      rc = cq_error_nomem(err);
  pg_done(d, r);
  return rc;
}

int pg_present_read(pg *d, const char *name, pg_present *p, cq_error *err) {
  pg_result *r = pg_select(
      d, name, err,
      "SELECT c.oid, c.relkind, CASE WHEN c.relkind = 'v' THEN "
      "pg_get_viewdef(c.oid) ELSE '' END, coalesce(k.conname, ''), "
      "coalesce((SELECT string_agg(a.attname, ',' ORDER BY x.n) FROM "
      "unnest(k.conkey) WITH ORDINALITY AS x(att, n) JOIN pg_attribute AS a ON "
      "a.attrelid = c.oid AND a.attnum = x.att), '') FROM pg_class AS c JOIN "
      "pg_namespace AS s ON s.oid = c.relnamespace LEFT JOIN pg_constraint AS "
      "k ON k.conrelid = c.oid AND k.contype = 'p' WHERE s.nspname = %L AND "
      "c.relname = %L AND c.relkind <> 'c'",
      d->schema, name);
  int rc = CQ_OK;

  memset(p, 0, sizeof *p);
  if (!r) return err->code;
  if (pg_rows(d, r) > 0) {
    const char *text = pg_text(d, r, 0, 2);

    p->oid = pg_int(d, r, 0, 0);
    p->kind = *pg_text(d, r, 0, 1);
    if (p->kind == 'p') p->kind = 'r'; /* partitioned: a table */
    p->newest = strstr(text, "cq_sync_units") != NULL;
    p->ours = strstr(text, "_cq_sync_group_id") != NULL &&
              (p->newest || strstr(text, "cq_units") != NULL);
    p->constraint = cq_strdup(pg_text(d, r, 0, 3));
    p->key = cq_strdup(pg_text(d, r, 0, 4));
    if (!p->constraint || !p->key) rc = cq_error_nomem(err);
  }
  pg_done(d, r);
  if (rc || !p->oid) return rc;
  rc = read_columns(d, name, p, err);
  if (p->kind != 'v') p->ours = pg_present_type(p, "_cq_id") != NULL;
  return rc;
}
