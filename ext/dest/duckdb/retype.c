/* ext/dest/duckdb/retype.c: a column that becomes one of another type, its values
 * by a function of SQL that is ours: what DuckDB's casts take for a number, a time
 * or a list is more, and other, than what a write of it would. */
#include <pthread.h>
#include <string.h>

#include "dest/duckdb/internal.h"

enum { VARCHAR = 17, INLINE = 12 };

typedef struct duck_retype {
  cq_reread r;
  int kind; /* of cq_reread_text */
  duck_lib *lib;
  pthread_mutex_t lock; /* threads may be asked for */
} retype;

typedef struct duck_string { /* duckdb_string_t: fixed by its ABI */
  uint32_t n;
  char begins[4];
  union {
    char rest[8];
    const char *p;
  } u;
} duck_string;

static int is_list(const char *type) {
  size_t n = strlen(type);

  return n > 2 && strcmp(type + n - 2, "[]") == 0;
}

static int kind_of(const char *had) {
  int list = is_list(had) ? CQ_LIST : 0;

  if (strncmp(had, "TIMESTAMP", 9) == 0) return list | CQ_TIMESTAMP;
  if (strncmp(had, "DATE", 4) == 0) return list | CQ_DATE;
  if (list) return list | CQ_JSON;
  if (strcmp(had, "BOOLEAN") == 0) return CQ_BOOLEAN;
  return strcmp(had, "BLOB") == 0   ? CQ_BLOB
         : strcmp(had, "JSON") == 0 ? CQ_JSON
                                    : CQ_TEXT;
}

/* ---- the function ---------------------------------------------------------------- */

static int one(retype *x, cq_arena *a, const char *s, size_t n, cq_value *out) {
  char *bytes;
  int rc;

  if (x->kind == CQ_BLOB) { /* as hexadecimal digits */
    bytes = cq_arena_alloc(a, n / 2 + 1);
    if (!bytes) return CQ_NOMEM;
    cq_unhex(s, n, 0, (unsigned char *)bytes, n / 2);
    s = bytes;
    n /= 2;
  }
  rc = cq_reread_text(&x->r, a, x->kind, s, n, out);
  if (rc || out->kind == CQ_NULL || out->kind == CQ_STR) return rc;
  if (out->kind != CQ_BYTES) return cq_value_to_text(a, out, out);
  bytes = cq_arena_alloc(a, 2 * (size_t)out->len + 1);
  if (!bytes) return CQ_NOMEM;
  cq_hex((const unsigned char *)out->u.s, out->len, bytes);
  *out = cq_value_str(bytes, 2 * (size_t)out->len);
  return CQ_OK;
}

/* One column of one store at a time in the process: the function is told no more
 * than what DuckDB hands it, and cannot ask without knowing whose it is. */
static pthread_mutex_t only = PTHREAD_MUTEX_INITIALIZER;
static retype *at_work;

static void set_null(const duck_lib *lib, void *out, uint64_t row) {
  uint64_t *valid;

  lib->vector_ensure_validity_writable(out);
  valid = lib->vector_get_validity(out);
  valid[row / 64] &= ~(UINT64_C(1) << row % 64);
}

/* cq_reread(VARCHAR) -> VARCHAR */
static void reread(void *info, void *chunk, void *out) {
  retype *x = at_work;
  const duck_lib *lib = x->lib;
  void *in = lib->data_chunk_get_vector(chunk, 0);
  const duck_string *text = lib->vector_get_data(in);
  const uint64_t *valid = lib->vector_get_validity(in);
  uint64_t n = lib->data_chunk_get_size(chunk);
  cq_arena a;
  int rc = CQ_OK;

  pthread_mutex_lock(&x->lock);
  cq_arena_init(&a);
  for (uint64_t i = 0; i < n && rc == CQ_OK; i++) {
    cq_value v = cq_value_null();

    if (!valid || valid[i / 64] >> i % 64 & 1)
      rc = one(x, &a, text[i].n <= INLINE ? text[i].begins : text[i].u.p,
               text[i].n, &v);
    if (rc == CQ_OK && v.kind == CQ_STR)
      lib->vector_assign_string_element_len(out, i, v.len ? v.u.s : "", v.len);
    else
      set_null(lib, out, i);
    cq_arena_reset(&a);
  }
  cq_arena_clear(&a);
  pthread_mutex_unlock(&x->lock);
  if (rc) lib->scalar_function_set_error(info, "out of memory");
}

static int make_function(duck *d, cq_error *err) {
  void *f, *text;
  int rc;

  if (d->rereads) return CQ_OK;
  if (!d->lib.create_scalar_function || !d->lib.scalar_function_set_error)
    return cq_error_set(err, CQ_ERROR,
                        "destination %s: this libduckdb cannot change a "
                        "column's type\nhint: DuckDB 1.1 or newer",
                        d->base.name);
  f = d->lib.create_scalar_function();
  text = d->lib.create_logical_type(VARCHAR);
  d->lib.scalar_function_set_name(f, "cq_reread");
  d->lib.scalar_function_add_parameter(f, text);
  d->lib.scalar_function_set_return_type(f, text);
  d->lib.scalar_function_set_function(f, reread);
  rc = d->lib.register_scalar_function(d->c, f);
  d->lib.destroy_logical_type(&text);
  d->lib.destroy_scalar_function(&f);
  if (rc)
    return cq_error_set(err, CQ_ERROR,
                        "destination %s: DuckDB takes no function cq_reread",
                        d->base.name);
  d->rereads = 1;
  return CQ_OK;
}

/* ---- the statement ---------------------------------------------------------------- */

static void add_read(cq_buf *b, const char *name, int kind) {
  cq_sql(b,
         kind == CQ_BLOB  ? "cq_reread(hex(%I))"
         : kind & CQ_LIST ? "cq_reread(CAST(to_json(%I) AS VARCHAR))"
                          : "cq_reread(CAST(%I AS VARCHAR))",
         name);
}

/* What the function gives is all of the type, which DuckDB reads then. */
static void add_using(cq_buf *b, const char *name, int kind, int type) {
  const char *want = duck_type(type);
  int bytes = (type & CQ_TYPE_MASK) == CQ_BLOB;

  if (is_list(want) && bytes)
    cq_buf_str(b, "[from_base64(x) FOR x IN ");
  else if (bytes)
    cq_buf_str(b, "unhex(");
  else
    cq_buf_str(b, "TRY_CAST(");
  if (is_list(want)) cq_buf_str(b, "TRY_CAST(TRY_CAST(");
  add_read(b, name, kind);
  if (is_list(want)) cq_buf_str(b, " AS JSON) AS VARCHAR[])");
  if (is_list(want) && bytes)
    cq_buf_byte(b, ']');
  else if (bytes)
    cq_buf_byte(b, ')');
  else
    cq_sql(b, " AS %s)", want);
}

int duck_retype(duck *d, cq_dest_table *t, const char *table, int i,
                const char *had, cq_error *err) {
  const char *name = cq_dest_column(t, i);
  retype x = {
      .r = {.table = t, .column = i}, .kind = kind_of(had), .lib = &d->lib};
  int rc = make_function(d, err);
  cq_buf b;

  if (rc) return rc;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_sql(&b, "ALTER TABLE %I.%I ALTER COLUMN %I TYPE %s USING ", d->schema,
         table, name, duck_type(cq_dest_type(t, i)));
  add_using(&b, name, x.kind, cq_dest_type(t, i));
  pthread_mutex_init(&x.lock, NULL);
  pthread_mutex_lock(&only);
  at_work = &x;
  rc = b.rc ? cq_error_nomem(err) : duck_do(d, NULL, err, "%s", b.data);
  at_work = NULL;
  pthread_mutex_unlock(&only);
  pthread_mutex_destroy(&x.lock);
  if (rc == CQ_OK) cq_reread_told(t, &x.r);
  cq_buf_clear(&b);
  return rc;
}
