/* ext/dest/duckdb/carry.c: rows that go along when a table gets the other write
 * mode, and a table that CloudQuery's destination made: its keys would let none
 * of its columns be changed, so its rows go into one without. */
#include "dest/duckdb/internal.h"

#include <string.h>

static cq_carry carry_of(const duck *d, const cq_dest_table *t) {
  cq_carry k = {d->schema, t->def->name, t->incremental};

  return k;
}

static int run(duck *d, cq_buf *b, cq_error *err) {
  int rc = b->rc ? cq_error_nomem(err) : duck_do(d, NULL, err, "%s", b->data);

  cq_buf_clear(b);
  return rc;
}

static char *quoted(const duck *d, cq_arena *a, const char *before,
                    const char *name) {
  char *said = cq_arena_printf(a, "%s%s", before, name), *out;
  cq_buf b;

  if (!said) return NULL;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "%I.%I", d->schema, said);
  out = b.rc ? NULL : cq_arena_strndup(a, b.data, b.len);
  cq_buf_clear(&b);
  return out;
}

#define CARRY "cq_carry_"

static int forget(duck *d, const cq_carry *k, cq_error *err) {
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_carry_forget(&b, k);
  return run(d, &b, err);
}

static int adopt(duck *d, const cq_carry *k, const char *from, cq_error *err) {
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_carry_adopt(&b, k, from);
  return run(d, &b, err);
}

/* What was made aside gets the name. */
static int rename_carry(duck *d, const char *carry, const char *name,
                        cq_error *err) {
  return duck_do(d, NULL, err, "ALTER TABLE %s RENAME TO %I", carry, name);
}

int duck_carry_view(duck *d, cq_arena *a, const cq_dest_table *t,
                    cq_error *err) {
  const char *name = t->def->name;
  char *carry = quoted(d, a, CARRY, name);
  cq_carry k = carry_of(d, t);
  int rc = carry ? forget(d, &k, err) : cq_error_nomem(err);

  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err,
                 "CREATE TABLE %s AS SELECT * FROM %I.%I QUALIFY row_number() "
                 "OVER (PARTITION BY _cq_id ORDER BY _cq_sync_group_id DESC, "
                 "_cq_sync_time DESC) = 1",
                 carry, d->schema, name);
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err, "DROP VIEW %I.%I", d->schema, name);
  return rc ? rc : rename_carry(d, carry, name, err);
}

int duck_carry_out(duck *d, cq_arena *a, const cq_dest_table *t,
                   const cq_dest_found *has, cq_error *err) {
  cq_carry k = carry_of(d, t);
  char *from = quoted(d, a, "", t->def->name),
       *carry = quoted(d, a, CARRY, t->def->name);
  cq_buf b;
  int rc = from && carry ? forget(d, &k, err) : cq_error_nomem(err);

  if (rc == CQ_OK) rc = adopt(d, &k, from, err);
  if (rc) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "CREATE TABLE %s AS ", carry);
  cq_carry_select(&b, &k, from, has);
  rc = run(d, &b, err);
  if (rc) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_carry_journal(&b, &k, carry);
  rc = run(d, &b, err);
  return rc ? rc : duck_do(d, NULL, err, "DROP TABLE %s", from);
}

int duck_carry_in(duck *d, cq_arena *a, const cq_dest_table *t,
                  const cq_dest_found *old, const cq_dest_found *has,
                  cq_error *err) {
  cq_carry k = carry_of(d, t);
  char *carry = quoted(d, a, CARRY, t->def->name),
       *raw = quoted(d, a, "raw_", t->def->name);
  cq_buf b, names, values;
  int rc = carry && raw ? CQ_OK : cq_error_nomem(err);

  if (rc) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&names, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&values, CQ_MAX_SPEC_BYTES);
  for (size_t i = 0; i < old->n && rc == CQ_OK; i++) {
    cq_sql(&names, i ? ", %I" : "%I", old->names[i]);
    cq_sql(&values, i ? ", x.%I" : "x.%I", old->names[i]);
    if (!cq_dest_found_type(has, old->names[i], 1))
      rc = duck_do(d, NULL, err, "ALTER TABLE %s ADD COLUMN %I %s", raw,
                   old->names[i], old->types[i]);
  }
  cq_carry_replace(&b, &k, raw, carry);
  if (rc == CQ_OK) rc = run(d, &b, err);
  cq_buf_clear(&b);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  if (names.rc || values.rc)
    b.rc = CQ_NOMEM;
  else
    cq_carry_insert(&b, raw, names.data, values.data, carry);
  if (rc == CQ_OK) rc = run(d, &b, err);
  cq_buf_clear(&b);
  cq_buf_clear(&names);
  cq_buf_clear(&values);
  return rc ? rc : duck_do(d, NULL, err, "DROP TABLE %s", carry);
}

/* ---- a table that CloudQuery made -------------------------------------------------- */

/* What stands in rows of before. */
static const char *missing_value(int i) {
  static const char *const values[CQ_META] = {"'epoch'", "''", "0",
                                              "''",      NULL, NULL};

  return values[i];
}

static void add_meta(cq_buf *b, int i, const char *had) {
  const char *name = cq_dest_metas[i].name,
             *type = duck_type(cq_dest_metas[i].type);

  if (had && missing_value(i))
    cq_sql(b, "coalesce(TRY_CAST(%I AS %s), CAST(%s AS %s)) AS %I", name, type,
           missing_value(i), type, name);
  else if (had)
    cq_sql(b, "%I", name);
  else
    cq_sql(b, "CAST(%s AS %s) AS %I",
           missing_value(i) ? missing_value(i) : "NULL", type, name);
}

static int meta_of(const char *name) {
  int i = 0;

  while (i < CQ_META && !cq_str_ieq(name, cq_dest_metas[i].name)) i++;
  return i;
}

int duck_take(duck *d, cq_arena *a, const cq_dest_table *t, const char *name,
              const cq_dest_found *old, cq_error *err) {
  cq_carry k = carry_of(d, t);
  char *carry = quoted(d, a, CARRY, name), *from = quoted(d, a, "", name);
  cq_buf b;
  int rc;

  if (!carry || !from) return cq_error_nomem(err);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "CREATE TABLE %s AS SELECT ", carry);
  for (size_t i = 0; i < old->n; i++) {
    int meta = meta_of(old->names[i]);

    if (i) cq_buf_str(&b, ", ");
    if (meta < CQ_META)
      add_meta(&b, meta, old->types[i]);
    else
      cq_sql(&b, "%I", old->names[i]);
  }
  for (int i = 0; i < CQ_META; i++) {
    if (cq_dest_found_type(old, cq_dest_metas[i].name, 1)) continue;
    cq_buf_str(&b, ", ");
    add_meta(&b, i, NULL);
  }
  cq_sql(&b, " FROM %s WHERE _cq_id IS NOT NULL", from);
  rc = run(d, &b, err);
  if (rc == CQ_OK) rc = duck_do(d, NULL, err, "DROP TABLE %s", from);
  if (rc == CQ_OK) rc = rename_carry(d, carry, name, err);
  return rc ? rc : adopt(d, &k, from, err);
}
