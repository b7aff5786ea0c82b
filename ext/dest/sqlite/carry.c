/* ext/dest/sqlite/carry.c: rows that go along when a table gets the other write
 * mode.  They stand in a temporary table while the name changes what it is. */
#include "dest/sqlite/internal.h"

#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

#define CARRY "temp.cq_carry"

static cq_carry carry_of(const cq_lite *d, const cq_dest_table *t) {
  cq_carry k = {d->schema, t->def->name, t->incremental};

  return k;
}

static void begin_sql(cq_buf *b, const char *text) {
  cq_buf_init(b, CQ_MAX_SPEC_BYTES);
  cq_buf_str(b, text);
}

static int run(cq_lite *d, cq_buf *b, cq_error *err) {
  int rc = b->rc ? cq_error_nomem(err) : lite_ddl(d, err, "%s", b->data);

  cq_buf_clear(b);
  return rc;
}

static char *quoted(const cq_lite *d, const char *name) {
  cq_buf b;

  begin_sql(&b, "");
  cq_sql(&b, "%I.%I", d->schema, name);
  if (b.rc) cq_buf_clear(&b);
  return b.data ? cq_buf_take(&b) : NULL;
}

int lite_adopt(cq_lite *d, const cq_dest_table *t, const char *name,
               cq_error *err) {
  cq_carry k = carry_of(d, t);
  char *from = quoted(d, name);
  cq_buf b;

  if (!from) return cq_error_nomem(err);
  begin_sql(&b, "");
  cq_carry_adopt(&b, &k, from);
  cq_free(from);
  return run(d, &b, err);
}

static int begin_carry(cq_lite *d, const cq_dest_table *t, cq_error *err) {
  cq_carry k = carry_of(d, t);
  cq_buf b;
  int rc;

  begin_sql(&b, "");
  cq_carry_forget(&b, &k);
  rc = run(d, &b, err);
  return rc ? rc : lite_ddl(d, err, "DROP TABLE IF EXISTS " CARRY);
}

/* The newest of a key comes last. */
int lite_carry_view(cq_lite *d, const cq_dest_table *t, cq_error *err) {
  int rc = begin_carry(d, t, err);

  if (rc == CQ_OK)
    rc = lite_ddl(d, err,
                  "CREATE TEMP TABLE cq_carry AS SELECT * FROM \"%w\".\"%w\" "
                  "ORDER BY _cq_sync_group_id, _cq_sync_time",
                  d->schema, t->def->name);
  return rc ? rc
            : lite_ddl(d, err, "DROP VIEW \"%w\".\"%w\"", d->schema,
                       t->def->name);
}

int lite_carry_table(cq_lite *d, const cq_dest_table *t,
                     const lite_present *old, cq_error *err) {
  const char *name = t->def->name;
  cq_carry k = carry_of(d, t);
  char *from = quoted(d, name);
  cq_buf b;
  int rc = from ? begin_carry(d, t, err) : cq_error_nomem(err);

  if (rc == CQ_OK) rc = lite_adopt(d, t, name, err);
  if (rc == CQ_OK) {
    begin_sql(&b, "CREATE TEMP TABLE cq_carry AS ");
    cq_carry_select(&b, &k, from, &old->has);
    rc = run(d, &b, err);
  }
  if (rc == CQ_OK) {
    begin_sql(&b, "");
    cq_carry_journal(&b, &k, CARRY);
    rc = run(d, &b, err);
  }
  if (rc == CQ_OK) rc = lite_ddl(d, err, "DROP TABLE %s", from);
  cq_free(from);
  return rc;
}

int lite_carry_in(cq_lite *d, const cq_dest_table *t, const char *raw,
                  const lite_present *old, cq_error *err) {
  cq_carry k = carry_of(d, t);
  char *to = quoted(d, raw);
  cq_buf b, names, values;
  lite_present has;
  int rc = to ? lite_present_columns(d, raw, &has, err) : cq_error_nomem(err);

  if (!to) return rc;
  begin_sql(&b, "");
  begin_sql(&names, "");
  begin_sql(&values, "");
  for (size_t i = 0; i < old->has.n && rc == CQ_OK; i++) {
    const char *name = old->has.names[i];

    cq_sql(&names, i ? ", %I" : "%I", name);
    cq_sql(&values, i ? ", x.%I" : "x.%I", name);
    if (!lite_present_type(&has, name))
      rc = lite_ddl(d, err, "ALTER TABLE %s ADD COLUMN \"%w\" %s", to, name,
                    old->has.types[i]);
  }
  cq_carry_replace(&b, &k, to, CARRY);
  if (rc == CQ_OK) rc = run(d, &b, err);
  cq_buf_clear(&b);
  begin_sql(&b, "");
  if (names.rc || values.rc)
    b.rc = CQ_NOMEM;
  else
    cq_carry_insert(&b, to, names.data, values.data, CARRY);
  if (rc == CQ_OK) rc = run(d, &b, err);
  if (rc == CQ_OK) rc = lite_ddl(d, err, "DROP TABLE " CARRY);
  cq_buf_clear(&b);
  cq_buf_clear(&names);
  cq_buf_clear(&values);
  lite_present_clear(&has);
  cq_free(to);
  return rc;
}
