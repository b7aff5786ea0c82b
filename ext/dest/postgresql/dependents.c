/* ext/dest/postgresql/dependents.c: people's views on a table or view of ours.
 *
 * The server changes no column's type, and drops nothing, under a view.  Never
 * is anything dropped with CASCADE: the views are read, dropped one by one, and
 * made again as they were, with their owners, grants, comments and triggers, in
 * the same transaction; where one does not fit any more, all stays. */
#include "dest/postgresql/internal.h"

#include <string.h>

void pg_dependents_clear(pg_dependents *k) {
  for (size_t i = 0; i < k->n; i++) {
    cq_free(k->drop[i]);
    cq_free(k->make[i]);
  }
  cq_free(k->drop);
  cq_free(k->make);
  memset(k, 0, sizeof *k);
}

int pg_grants(pg *d, int64_t oid, const char *name, cq_buf *out,
              cq_error *err) {
  pg_result *r = pg_select(
      d, "pg_class", err,
      "SELECT format('GRANT %%s ON %%s TO %%s%%s', a.privilege_type, %L, CASE "
      "WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END, CASE "
      "WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM "
      "pg_class AS c CROSS JOIN aclexplode(c.relacl) AS a LEFT JOIN pg_roles "
      "AS g ON g.oid = a.grantee WHERE c.oid = %n AND a.grantee <> c.relowner "
      "UNION ALL SELECT format('GRANT %%s (%%I) ON %%s TO %%s%%s', "
      "a.privilege_type, t.attname, %L, CASE WHEN a.grantee = 0 THEN 'PUBLIC' "
      "ELSE quote_ident(g.rolname) END, CASE WHEN a.is_grantable THEN ' WITH "
      "GRANT OPTION' ELSE '' END) FROM pg_attribute AS t CROSS JOIN "
      "aclexplode(t.attacl) AS a LEFT JOIN pg_roles AS g ON g.oid = a.grantee "
      "WHERE t.attrelid = %n AND t.attnum > 0 AND NOT t.attisdropped UNION ALL "
      "SELECT format('ALTER TABLE %%s OWNER TO %%I', %L, o.rolname) FROM "
      "pg_class AS c JOIN pg_roles AS o ON o.oid = c.relowner WHERE c.oid = %n "
      "AND o.rolname <> current_user",
      name, oid, name, oid, name, oid);

  if (!r) return err->code;
  for (int i = 0; i < pg_rows(d, r); i++)
    cq_sql(out, "%s;\n", pg_text(d, r, i, 0));
  pg_done(d, r);
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

/* Comments of the view and its columns, and its triggers. */
static int add_extras(pg *d, int64_t oid, const char *name, cq_buf *out,
                      cq_error *err) {
  pg_result *r = pg_select(
      d, "pg_description", err,
      "SELECT format('COMMENT ON VIEW %%s IS %%L', %L, obj_description(%n, "
      "'pg_class')) WHERE obj_description(%n, 'pg_class') IS NOT NULL UNION "
      "ALL SELECT format('COMMENT ON COLUMN %%s.%%I IS %%L', %L, a.attname, "
      "col_description(%n, a.attnum)) FROM pg_attribute AS a WHERE a.attrelid "
      "= %n AND a.attnum > 0 AND col_description(%n, a.attnum) IS NOT NULL "
      "UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t WHERE "
      "t.tgrelid = %n AND NOT t.tgisinternal",
      name, oid, oid, name, oid, oid, oid, oid);

  if (!r) return err->code;
  for (int i = 0; i < pg_rows(d, r); i++)
    cq_sql(out, "%s;\n", pg_text(d, r, i, 0));
  pg_done(d, r);
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

static int read_one(pg *d, const pg_result *r, int i, pg_dependents *k,
                    cq_error *err) {
  int64_t oid = pg_int(d, r, i, 0);
  const char *name = pg_text(d, r, i, 2), *with = pg_text(d, r, i, 4);
  cq_buf drop, make;
  int rc;

  if (*pg_text(d, r, i, 1) != 'v') {
    cq_error_set(err, CQ_MISUSE,
                 "destination %s: %s uses a table that has to be changed, and "
                 "is no plain view",
                 d->base.name, name);
    cq_error_hint(err, "drop it, and make it again after the sync");
    return CQ_MISUSE;
  }
  if (cq_grow(&k->drop, &k->cap, k->n, sizeof *k->drop) ||
      cq_grow(&k->make, &k->capmake, k->n, sizeof *k->make))
    return cq_error_nomem(err);
  cq_buf_init(&drop, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&make, CQ_MAX_SPEC_BYTES);
  cq_sql(&drop, "DROP VIEW %s", name);
  cq_sql(&make, "CREATE VIEW %s%s%s%s AS %s\n;\n", name, *with ? " WITH (" : "",
         with, *with ? ")" : "", pg_text(d, r, i, 3));
  rc = pg_grants(d, oid, name, &make, err);
  if (rc == CQ_OK) rc = add_extras(d, oid, name, &make, err);
  if (rc == CQ_OK && (drop.rc || make.rc)) rc = cq_error_nomem(err);
  if (rc) {
    cq_buf_clear(&drop);
    cq_buf_clear(&make);
    return rc;
  }
  k->drop[k->n] = cq_buf_take(&drop);
  k->make[k->n] = cq_buf_take(&make);
  k->n++;
  return CQ_OK;
}

int pg_dependents_read(pg *d, int64_t oid, pg_dependents *k, cq_error *err) {
  pg_result *r = pg_select(
      d, "pg_depend", err,
      "WITH RECURSIVE d(oid, depth) AS (SELECT %n::oid, 0 UNION SELECT "
      "w.ev_class, d.depth + 1 FROM d JOIN pg_depend AS p ON p.refobjid = "
      "d.oid AND p.refclassid = 'pg_class'::regclass AND p.classid = "
      "'pg_rewrite'::regclass JOIN pg_rewrite AS w ON w.oid = p.objid AND "
      "w.ev_class <> d.oid WHERE d.depth < 100), m AS (SELECT oid, max(depth) "
      "AS depth FROM d GROUP BY oid) SELECT c.oid, c.relkind, "
      "format('%%I.%%I', "
      "s.nspname, c.relname), rtrim(pg_get_viewdef(c.oid), ';'), "
      "coalesce(array_to_string(c.reloptions, ', '), '') FROM m JOIN pg_class "
      "AS c ON c.oid = m.oid JOIN pg_namespace AS s ON s.oid = c.relnamespace "
      "WHERE m.depth > 0 ORDER BY m.depth, c.oid",
      oid);
  int rc = CQ_OK;

  if (!r) return err->code;
  for (int i = 0; i < pg_rows(d, r) && rc == CQ_OK; i++)
    rc = read_one(d, r, i, k, err);
  pg_done(d, r);
  return rc;
}

/* The last depend on those before them. */
int pg_dependents_drop(pg *d, const pg_dependents *k, cq_error *err) {
  int rc = CQ_OK;

  for (size_t i = k->n; i > 0 && rc == CQ_OK; i--)
    rc = pg_do(d, k->drop[i - 1], err, "%s", k->drop[i - 1]);
  return rc;
}

int pg_dependents_make(pg *d, const pg_dependents *k, cq_error *err) {
  int rc = CQ_OK;

  for (size_t i = 0; i < k->n && rc == CQ_OK; i++) {
    rc = pg_do(d, "", err, "%s", k->make[i]);
    if (rc && err) { /* what the server advises is of its words, not of ours */
      err->text[strcspn(err->text, "\n")] = 0;
      cq_error_hint(err,
                    "the view could not be made again as it was, so nothing "
                    "is changed: %s",
                    k->drop[i]);
    }
  }
  return rc;
}
