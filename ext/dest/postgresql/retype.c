/* ext/dest/postgresql/retype.c: a column that becomes one of another type, in
 * place: what the server's casts take for a number, a time or a list is more, and
 * other, than what a write of it would.
 *
 * Each different value is read once, and what it becomes put into a temporary
 * table, in which a function of ALTER TABLE's looks it up. */
#include <stdio.h>
#include <string.h>

#include "dest/encode/pgcopy.h"
#include "dest/postgresql/internal.h"

enum { FETCH = 100, INSERT_BYTES = 1 << 20 };

static int is_list(const char *type) {
  size_t n = strlen(type);

  return n > 2 && strcmp(type + n - 2, "[]") == 0;
}

static int kind_of(const char *had) {
  int list = is_list(had) ? CQ_LIST : 0;

  if (strncmp(had, "timestamp", 9) == 0) return list | CQ_TIMESTAMP;
  if (strncmp(had, "date", 4) == 0) return list | CQ_DATE;
  if (list) return list | CQ_JSON;
  if (strcmp(had, "boolean") == 0) return CQ_BOOLEAN;
  return strncmp(had, "json", 4) == 0 ? CQ_JSON
         : strcmp(had, "bytea") == 0  ? CQ_BLOB
                                      : CQ_TEXT;
}

/* The column as text, the same whatever the session's settings are. */
static void add_read(cq_buf *b, const char *column, const char *had) {
  int kind = kind_of(had);

  cq_sql(b,
         kind & CQ_LIST || kind == CQ_JSON ? "to_json(%I)::text"
         : kind == CQ_BLOB                 ? "encode(%I, 'hex')"
         : strcmp(had, "text") == 0        ? "%I"
                                           : "(to_json(%I) #>> '{}')",
         column);
}

/* ---- what values become ---------------------------------------------------------- */

typedef struct retype {
  pg_retyped *to;
  int kind, column;
  cq_buf rows; /* VALUES of an INSERT */
  cq_arena arena;
} retype;

static int put(pg *d, retype *x, cq_error *err) {
  int rc = CQ_OK;

  if (x->rows.rc) return cq_error_nomem(err);
  if (x->rows.len)
    rc =
        pg_do(d, "cq_reread", err, "INSERT INTO pg_temp.cq_reread_%d VALUES %s",
              x->column, x->rows.data);
  cq_buf_reset(&x->rows);
  return rc;
}

static void add_row(retype *x, const char *was, const cq_value *v) {
  cq_buf *b = &x->rows;
  char *text;

  cq_sql(b, "%s(%L, ", b->len ? ", " : "", was);
  if (v->kind == CQ_BYTES) {
    cq_buf_byte(b, '\'');
    for (uint32_t i = 0; i < v->len; i++)
      cq_buf_printf(b, "%02x", (unsigned char)v->u.s[i]);
    cq_buf_str(b, "')");
  } else {
    text = cq_arena_strndup(&x->arena, v->u.s, v->len);
    if (!text) b->rc = CQ_NOMEM;
    cq_sql(b, "%L)", text);
  }
}

static int one(pg *d, retype *x, const char *was, int64_t times,
               cq_error *err) {
  int64_t before = x->to->r.lost;
  const char *s = was;
  size_t n = strlen(was);
  cq_value v;
  int rc;

  cq_arena_reset(&x->arena);
  if (x->kind == CQ_BLOB) {
    char *bytes = cq_arena_alloc(&x->arena, n / 2 + 1);

    if (!bytes) return cq_error_nomem(err);
    cq_unhex(was, n, 0, bytes, n / 2);
    s = bytes;
    n /= 2;
  }
  rc = cq_reread_text(&x->to->r, &x->arena, x->kind, s, n, &v);
  if (rc == CQ_OK && (v.kind == CQ_INT || v.kind == CQ_DOUBLE))
    rc = cq_value_to_text(&x->arena, &v, &v);
  if (rc) return cq_error_nomem(err);
  x->to->r.lost = before + (x->to->r.lost - before) * times;
  if (v.kind == CQ_NULL) return CQ_OK;
  x->to->kept += times;
  add_row(x, was, &v);
  return x->rows.rc || x->rows.len >= INSERT_BYTES ? put(d, x, err) : CQ_OK;
}

static int read_all(pg *d, retype *x, const char *table, const char *column,
                    const char *had, cq_error *err) {
  int n = FETCH, rc;
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "DECLARE cq_values NO SCROLL CURSOR FOR SELECT ");
  add_read(&b, column, had);
  cq_sql(&b, ", count(*) FROM %I.%I WHERE %I IS NOT NULL GROUP BY 1", d->schema,
         table, column);
  rc = b.rc ? cq_error_nomem(err) : pg_do(d, table, err, "%s", b.data);
  cq_buf_clear(&b);
  while (rc == CQ_OK && n == FETCH) {
    pg_result *r = pg_select(d, table, err, "FETCH %d FROM cq_values", FETCH);

    if (!r) return err->code;
    n = pg_rows(d, r);
    for (int i = 0; i < n && rc == CQ_OK; i++)
      rc = one(d, x, pg_text(d, r, i, 0), pg_int(d, r, i, 1), err);
    pg_done(d, r);
  }
  if (rc == CQ_OK) rc = put(d, x, err);
  if (rc == CQ_OK) rc = pg_do(d, table, err, "CLOSE cq_values");
  return rc;
}

/* ---- the column -------------------------------------------------------------------- */

/* What the server's own type refuses all the same is NULL. */
static int make_function(pg *d, const retype *x, const char *type,
                         cq_error *err) {
  char element[64];
  const char *how = "becomes::%s";
  cq_buf b;
  int rc;

  snprintf(element, sizeof element, "%.*s",
           (int)(strlen(type) - (is_list(type) ? 2 : 0)), type);
  if (strcmp(type, "bytea[]") == 0)
    how = "ARRAY(SELECT decode(e, ''base64'') FROM "
          "json_array_elements_text(becomes::json) WITH ORDINALITY AS x(e, n) "
          "ORDER BY n)";
  else if (is_list(type))
    how = "ARRAY(SELECT e::%s FROM json_array_elements_text(becomes::json) "
          "WITH ORDINALITY AS x(e, n) ORDER BY n)";
  else if (strcmp(type, "bytea") == 0)
    how = "decode(becomes, ''hex'')";
  cq_buf_init(&b, 4096);
  cq_sql(&b, how, element);
  rc = b.rc ? cq_error_nomem(err)
            : pg_do(d, type, err,
                    "CREATE OR REPLACE FUNCTION pg_temp.cq_reread_%d(v text) "
                    "RETURNS %s LANGUAGE plpgsql STABLE AS 'BEGIN RETURN "
                    "(SELECT %s FROM pg_temp.cq_reread_%d WHERE was = v); "
                    "EXCEPTION WHEN others THEN RETURN NULL; END'",
                    x->column, type, b.data, x->column);
  cq_buf_clear(&b);
  return rc;
}

int pg_retype(pg *d, cq_dest_table *t, const char *table, int i,
              const char *column, const char *had, pg_retyped *out,
              cq_buf *clause, cq_error *err) {
  const char *type = cq_pgcopy_type(cq_dest_type(t, i));
  retype x = {.to = out, .kind = kind_of(had), .column = i};
  int rc;

  out->changes = 1;
  out->r.table = t;
  out->r.column = i;

  cq_buf_init(&x.rows, SIZE_MAX);
  cq_arena_init(&x.arena);
  rc = pg_do(d, table, err,
             "CREATE TEMP TABLE cq_reread_%d (was text, becomes text) ON "
             "COMMIT DROP",
             i);
  if (rc == CQ_OK) rc = read_all(d, &x, table, column, had, err);
  if (rc == CQ_OK)
    rc = pg_do(d, table, err,
               "CREATE INDEX ON pg_temp.cq_reread_%d USING hash (was); ANALYZE "
               "pg_temp.cq_reread_%d",
               i, i);
  if (rc == CQ_OK) rc = make_function(d, &x, type, err);
  if (rc == CQ_OK) {
    cq_sql(clause,
           "ALTER COLUMN %I DROP DEFAULT, ALTER COLUMN %I TYPE %s USING "
           "pg_temp.cq_reread_%d(",
           column, column, type, i);
    add_read(clause, column, had);
    cq_buf_byte(clause, ')');
  }
  cq_buf_clear(&x.rows);
  cq_arena_clear(&x.arena);
  return rc;
}

int pg_retype_done(pg *d, cq_dest_table *t, const char *table, int i,
                   const char *column, pg_retyped *x, cq_error *err) {
  int64_t n;
  int rc = pg_one(d, &n, table, err, "SELECT count(%I) FROM %I.%I", column,
                  d->schema, table);

  if (rc) return rc;
  if (n < x->kept) x->r.lost += x->kept - n;
  cq_reread_told(t, &x->r);
  return pg_do(d, table, err, "DROP FUNCTION pg_temp.cq_reread_%d(text)", i);
}
