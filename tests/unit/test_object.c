/* tests/unit/test_object.c: files over a store of objects: what goes wrong with
 * one table's file while another table's rows are written is that table's. */
#include <stdlib.h>

#include "dest/object/internal.h"
#include "test.h"

/* A store that forgets all that it takes. */
static int no_begin(cq_objects *s, const char *key, const char *scratch,
                    const cq_object_kind *kind, cq_object **out,
                    cq_error *err) {
  cq_object *o = calloc(1, sizeof *o);

  (void)key, (void)scratch, (void)kind;
  if (!o) return cq_error_nomem(err);
  o->store = s;
  *out = o;
  return CQ_OK;
}
static int no_write(cq_object *o, const void *p, size_t n, cq_error *err) {
  (void)o, (void)p, (void)n, (void)err;
  return CQ_OK;
}
static int no_finish(cq_object *o, cq_error *err) {
  (void)err;
  free(o);
  return CQ_OK;
}
static void no_abort(cq_object *o) {
  free(o);
}
static int no_put(cq_objects *s, const char *key, const cq_object_kind *kind,
                  const void *p, size_t n, const char *only, cq_object_tag tag,
                  cq_error *err) {
  (void)s, (void)key, (void)kind, (void)p, (void)n, (void)only, (void)err;
  if (tag) tag[0] = '\0';
  return CQ_OK;
}
static int no_get(cq_objects *s, const char *key, cq_buf *out,
                  cq_object_tag tag, cq_error *err) {
  (void)s, (void)key, (void)out, (void)tag;
  return cq_error_set(err, CQ_NOTFOUND, "nothing");
}
static int no_list(cq_objects *s, const char *prefix,
                   int (*each)(void *, const char *, int64_t), void *user,
                   cq_error *err) {
  (void)s, (void)prefix, (void)each, (void)user, (void)err;
  return CQ_OK;
}
static int no_remove(cq_objects *s, const char *const *keys, size_t n,
                     cq_error *err) {
  (void)s, (void)keys, (void)n, (void)err;
  return CQ_OK;
}
static int no_tidy(cq_objects *s, const char *scratch, cq_error *err) {
  (void)s, (void)scratch, (void)err;
  return CQ_OK;
}
static void no_close(cq_objects *s) {
  (void)s;
}
static const cq_objects_ops no_ops = {no_begin, no_write, no_finish, no_abort,
                                      no_put,   no_get,   no_list,   no_remove,
                                      no_tidy,  no_close};
static cq_objects store = {&no_ops, ""};

/* A format that keeps all rows, each in more than a third of what files may
 * have, and cannot write those of the table "bad". */
typedef struct keeper {
  cq_encoder base;
  int bad;
} keeper;
static int code; /* how it fails */

static int keep_rows(cq_encoder *e, cq_dest_unit *u, const cq_dest_rows *rows,
                     cq_buf *out, cq_error *err) {
  (void)u, (void)out, (void)err;
  e->kept += (size_t)rows->batch->nrow * (OBJ_MEMORY * 5 / 12);
  return CQ_OK;
}
static int keep_flush(cq_encoder *e, cq_buf *out, cq_error *err) {
  const keeper *k = (const keeper *)(void *)e;

  if (k->bad) return cq_error_set(err, code, "cannot be written");
  e->kept = 0;
  cq_buf_str(out, "rows");
  return CQ_OK;
}
static void keep_close(cq_encoder *e) {
  free(e);
}
static int keep_open(const cq_encode_options *o, cq_buf *out, cq_encoder **e,
                     cq_error *err);
static const cq_encode_ops keeps = {"keep",     "x",        "text/plain",
                                    NULL,       keep_open,  keep_rows,
                                    keep_flush, keep_flush, keep_close};
static int keep_open(const cq_encode_options *o, cq_buf *out, cq_encoder **e,
                     cq_error *err) {
  keeper *k = calloc(1, sizeof *k);

  (void)out;
  if (!k) return cq_error_nomem(err);
  k->base.ops = &keeps;
  k->bad = strcmp(o->table->def->name, "bad") == 0;
  *e = &k->base;
  return CQ_OK;
}

static const cq_dest_ops ops = {.name = "object", CQ_OBJECT_DEST};
static cq_dest_run run = {.group = 42,
                          .time = "2024-01-01T00:00:00Z",
                          .source = "s",
                          .integration = "s"};
static int cols[1];

static cq_dest *begin(void) {
  static const cq_object_options o = {.path = "{{TABLE}}/{{UUID}}",
                                      .prefix = "",
                                      .format = &keeps,
                                      .no_rotate = 1,
                                      .gather = {1 << 30, 1 << 30, 3600000}};
  static const cq_dest_def def = {.name = "there"};
  cq_error err = {0, ""};
  cq_dest *d = NULL;

  CHECK_INT(cq_object_open(&ops, &def, &o, &store, 1, &d, &err), CQ_OK);
  CHECK_INT(ops.begin(d, &run, &err), CQ_OK);
  return d;
}

/* A unit of one row, whole. */
static int unit(cq_dest *d, cq_dest_table *t, cq_error *err) {
  static const char id[37] = "00000000-0000-0000-0000-000000000000";
  cq_dest_unit u = {.table = t, .client = "c"};
  cq_batch *b = cq_batch_new(1);
  cq_dest_rows rows = {b, id, NULL, NULL};
  cq_value *row = b ? cq_batch_add(b) : NULL;
  int rc;

  if (!row) return cq_error_nomem(err);
  row[0] = cq_value_int(1);
  rc = ops.write(d, &run, &u, &rows, err);
  u.rows = 1;
  if (rc == CQ_OK) rc = ops.end(d, &run, &u, "ok", NULL, err);
  if (u.own) ops.end(d, &run, &u, "failed", NULL, NULL);
  cq_batch_free(b);
  return rc;
}

static void make(cq_table *def, cq_column *c, cq_dest_table *t,
                 const char *name) {
  memset(def, 0, sizeof *def);
  memset(t, 0, sizeof *t);
  memset(c, 0, sizeof *c);
  c->name = "n";
  c->type = CQ_INTEGER;
  def->name = name;
  def->ncol = def->nslot = 1;
  def->columns = c;
  t->def = def;
  t->ncol = 1;
  t->cols = cols;
}

static void test_object_a_file_that_fails_is_its_tables(void) {
  static const int codes[] = {CQ_ERROR, CQ_NOTFOUND, CQ_IOERR};
  cq_table def[2];
  cq_column c[2];
  cq_dest_table bad, good, *all[2] = {&bad, &good};

  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    int whole = codes[i] == CQ_IOERR; /* is the store's, not the table's */
    cq_error err = {0, ""};
    cq_dest_event e;
    cq_dest *d = begin();
    cq_counts n;

    code = codes[i];
    make(&def[0], &c[0], &bad, "bad");
    make(&def[1], &c[1], &good, "good");
    CHECK_INT(unit(d, &bad, &err), CQ_OK); /* it waits */
    CHECK_INT(unit(d, &bad, &err), CQ_OK);
    CHECK_INT(unit(d, &good, &err), whole ? CQ_IOERR : CQ_OK);
    CHECK_INT(ops.poll(d, &e), whole ? CQ_DONE : CQ_ROW);
    if (!whole) {
      CHECK(e.table == &bad);
      CHECK_STR(e.why.text, "cannot be written");
      CHECK_INT(ops.poll(d, &e), CQ_DONE);
      CHECK_INT(unit(d, &bad, &err), codes[i]);
      CHECK_STR(err.text, "cannot be written");
      CHECK_INT(unit(d, &good, &err), CQ_OK);
      memset(&n, 0, sizeof n);
      CHECK_INT(ops.publish(d, &run, all, 2, "partial", &n, NULL, &err), CQ_OK);
    }
    ops.close(d);
  }
}

int main(void) {
  RUN(test_object_a_file_that_fails_is_its_tables);
  return test_done();
}
