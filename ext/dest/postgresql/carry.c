/* ext/dest/postgresql/carry.c: rows that go along when a table gets the other
 * write mode, and a table that CloudQuery's destination made. */
#include "dest/postgresql/internal.h"

#include <string.h>

/* ---- the other write mode ------------------------------------------------------- */

static char *quoted(const pg *d, const char *name) {
  cq_buf b;

  cq_buf_init(&b, 1024);
  cq_sql(&b, "%I.%I", d->schema, name);
  if (b.rc) cq_buf_clear(&b);
  return b.data ? cq_buf_take(&b) : NULL;
}

static int run(pg *d, cq_buf *b, const char *what, cq_error *err) {
  int rc = b->rc ? cq_error_nomem(err) : pg_do(d, what, err, "%s", b->data);

  cq_buf_clear(b);
  return rc;
}

static cq_carry carry_of(const pg *d, const cq_dest_table *t) {
  cq_carry k = {d->schema, t->def->name, t->incremental};

  return k;
}

static int forget(pg *d, const cq_dest_table *t, cq_error *err) {
  cq_carry k = carry_of(d, t);
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_carry_forget(&b, &k);
  return run(d, &b, t->def->name, err);
}

int pg_adopt(pg *d, const cq_dest_table *t, const char *name, cq_error *err) {
  cq_carry k = carry_of(d, t);
  char *from = quoted(d, name);
  cq_buf b;

  if (!from) return cq_error_nomem(err);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_carry_adopt(&b, &k, from);
  cq_free(from);
  return run(d, &b, name, err);
}

int pg_carry_view(pg *d, const cq_dest_table *t, const char *name,
                  cq_error *err) {
  char carry[PG_NAME];
  int rc = forget(d, t, err);

  pg_name(carry, "cq_carry_", name, "");
  if (rc == CQ_OK)
    rc = pg_do(d, name, err,
               "CREATE TABLE %I.%I AS SELECT * FROM %I.%I; DROP VIEW %I.%I; "
               "ALTER TABLE %I.%I RENAME TO %I",
               d->schema, carry, d->schema, name, d->schema, name, d->schema,
               carry, name);
  return rc;
}

int pg_carry_out(pg *d, const cq_dest_table *t, const char *name,
                 const pg_present *old, char carry[PG_NAME], cq_error *err) {
  cq_carry k = carry_of(d, t);
  char *from = quoted(d, name), *to;
  cq_buf b;
  int rc = from ? forget(d, t, err) : cq_error_nomem(err);

  pg_name(carry, "cq_carry_", name, "");
  to = quoted(d, carry);
  if (rc == CQ_OK && !to) rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = pg_adopt(d, t, name, err);
  if (rc == CQ_OK) {
    cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
    cq_sql(&b, "CREATE TABLE %s AS ", to);
    cq_carry_select(&b, &k, from, &old->has);
    rc = run(d, &b, name, err);
  }
  if (rc == CQ_OK) {
    cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
    cq_carry_journal(&b, &k, to);
    rc = run(d, &b, name, err);
  }
  if (rc == CQ_OK) rc = pg_do(d, name, err, "DROP TABLE %s", from);
  cq_free(from);
  cq_free(to);
  return rc;
}

/* Columns of the carried rows that raw_<t> lacks are added to it. */
static int same_columns(pg *d, const char *raw, const pg_present *has,
                        const pg_present *wants, cq_buf *names, cq_buf *values,
                        cq_error *err) {
  int rc = CQ_OK;

  for (size_t i = 0; i < wants->has.n && rc == CQ_OK; i++) {
    const char *name = wants->has.names[i];

    cq_sql(names, i ? ", %I" : "%I", name);
    cq_sql(values, i ? ", x.%I" : "x.%I", name);
    if (!pg_present_type(has, name))
      rc = pg_do(d, raw, err, "ALTER TABLE %I.%I ADD COLUMN %I %s", d->schema,
                 raw, name, wants->has.types[i]);
  }
  return rc ? rc : names->rc || values->rc ? cq_error_nomem(err) : CQ_OK;
}

int pg_carry_in(pg *d, const cq_dest_table *t, const char *carry,
                const char *raw, cq_error *err) {
  cq_carry k = carry_of(d, t);
  char *from = quoted(d, carry), *to = quoted(d, raw);
  pg_present has, wants;
  cq_buf b, names, values;
  int rc = from && to ? CQ_OK : cq_error_nomem(err);

  memset(&has, 0, sizeof has);
  memset(&wants, 0, sizeof wants);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&names, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&values, CQ_MAX_SPEC_BYTES);
  if (rc == CQ_OK) rc = pg_present_read(d, raw, &has, err);
  if (rc == CQ_OK) rc = pg_present_read(d, carry, &wants, err);
  if (rc == CQ_OK)
    rc = same_columns(d, raw, &has, &wants, &names, &values, err);
  if (rc == CQ_OK) {
    cq_carry_replace(&b, &k, to, from);
    rc = run(d, &b, raw, err);
  }
  if (rc == CQ_OK) {
    cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
    cq_carry_insert(&b, to, names.data, values.data, from);
    rc = run(d, &b, raw, err);
  }
  if (rc == CQ_OK) rc = pg_do(d, raw, err, "DROP TABLE %s", from);
  cq_buf_clear(&b);
  cq_buf_clear(&names);
  cq_buf_clear(&values);
  pg_present_clear(&has);
  pg_present_clear(&wants);
  cq_free(from);
  cq_free(to);
  return rc;
}

/* ---- a table that CloudQuery made -------------------------------------------------- */

int pg_foreign_made(const pg_present *old) {
  for (int i = 0; i < CQ_META - 1; i++)
    if (!pg_present_type(old, cq_dest_metas[i].name)) return 1;
  return *old->key && !strstr(old->key, "_cq_id");
}

/* Of CloudQuery's every column of the key is NOT NULL, and _cq_id is UNIQUE. */
int pg_loosen(pg *d, const char *name, int64_t oid, cq_error *err) {
  pg_batch b;
  pg_result *r = pg_select(
      d, name, err,
      "SELECT format('ALTER COLUMN %%I DROP NOT NULL', attname) FROM "
      "pg_attribute WHERE attrelid = %n AND attnum > 0 AND NOT attisdropped "
      "AND attnotnull AND attidentity = '' AND attname NOT IN "
      "('_cq_sync_time', '_cq_source_name', '_cq_sync_group_id', "
      "'_cq_client_id', '_cq_id') UNION ALL SELECT format('DROP CONSTRAINT "
      "%%I', k.conname) FROM pg_constraint AS k JOIN pg_attribute AS a ON "
      "a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum] WHERE k.conrelid "
      "= %n AND k.contype = 'u' AND a.attname = '_cq_id' AND %d = 1",
      oid, oid, d->group_in_key);
  int rc;

  if (!r) return err->code;
  pg_batch_init(&b);
  for (int i = 0; i < pg_rows(d, r); i++)
    pg_add(&b, NULL, "ALTER TABLE %I.%I %s", d->schema, name,
           pg_text(d, r, i, 0));
  pg_done(d, r);
  rc = pg_run(d, &b, name, err);
  pg_batch_clear(&b);
  return rc;
}
