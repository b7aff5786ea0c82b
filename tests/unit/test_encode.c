/* tests/unit/test_encode.c: the file formats and the destination of files with
 * each allocation failing once: what fails says so, what is published is whole,
 * and the next run ends well.  Every STRIDE-th allocation of a whole run, every
 * one with CQ_FAULTS=all; every one of the encoders. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "dest/dest.h"
#include "dest/encode/encode.h"
#include "test.h"

enum { ROWS = 300, STRIDE = 19, FIRST = 60, KINDS = 16 };

static cq_column columns[KINDS];
static cq_table def;
static int stored[KINDS];
static cq_dest_table table;
static cq_dest_run run;
static cq_arena arena;
static char ids[37 * ROWS];

static void set_up(void) {
  static const char *const types[] = {"text",
                                      "integer",
                                      "real",
                                      "boolean",
                                      "date",
                                      "timestamp",
                                      "decimal",
                                      "uuid",
                                      "inet",
                                      "blob",
                                      "json",
                                      "list of text",
                                      "mac",
                                      "list of integer",
                                      "list of boolean",
                                      "text"};
  static char names[KINDS][16];

  for (int i = 0; i < KINDS; i++) {
    snprintf(names[i], sizeof names[i], "c%d", i);
    columns[i].name = names[i];
    columns[i].type = cq_type_parse(types[i]);
  }
  def.name = "things";
  def.columns = columns;
  def.ncol = KINDS;
  def.nslot = KINDS;
  for (int i = 0; i < KINDS; i++) stored[i] = i;
  table.def = &def;
  table.ncol = KINDS;
  table.cols = stored;
  for (int i = 0; i < ROWS; i++)
    snprintf(ids + 37 * i, 37, "00000000-0000-0000-0000-%012d", i);
  run.time = "2024-01-02T03:04:05Z";
  run.source = "s";
  run.integration = "i";
  run.group = 17;
}

static cq_value text(const char *s) {
  return cq_value_str(s, strlen(s));
}

/* Some repeat, some do not, some are NULL, some are none of their type. */
static cq_batch *make_rows(int from, int n) {
  cq_batch *b = cq_batch_new(KINDS);

  for (int i = from; b && i < from + n; i++) {
    cq_value *r = cq_batch_add(b);
    char *own = cq_arena_printf(&b->arena, "own \"%d\", text", i);

    if (!r || !own) continue;
    r[0] = text(own);
    r[1] = i % 7 ? cq_value_int(i) : text("123456789012345678901234567890");
    r[2] = i % 3 ? cq_value_real(i / 3.0) : cq_value_int(i);
    r[3] = i % 5 ? cq_value_int(i % 2) : cq_value_null();
    r[4] = text(i % 11 ? "2024-02-29" : "2023-02-29");
    r[5] = text(i % 2 ? "2024-01-02T03:04:05.678Z" : "1601-01-01T00:00:00Z");
    r[6] = text("12.50");
    r[7] = cq_value_str(ids + 37 * (i % ROWS), 36);
    r[8] = text("10.0.0.1");
    r[9] = text("\1\2\3");
    r[9].kind = CQ_BYTES;
    r[10] = cq_value_json("{\"a\":[1,\"x\"]}", 13);
    r[11] = cq_value_json("[\"a\",null,\"\"]", 13);
    r[12] = cq_value_null();
    r[13] = i % 4 ? cq_value_json("[1,2,\"x\"]", 9) : cq_value_json("[]", 2);
    r[14] = i % 4 ? cq_value_json("[true,false]", 12)
                  : cq_value_json("{\"a\":1}", 7);
    r[15] = text(i % 2 ? "same" : "");
  }
  return b;
}

/* The whole of a file into out. */
static int encode(const cq_encode_ops *ops, const void *format, cq_buf *out,
                  const cq_batch *a, const cq_batch *b, int64_t *odd,
                  cq_error *err) {
  cq_encode_options o = {.run = &run, .table = &table, .format = format};
  cq_dest_unit u = {.table = &table, .client = "c"};
  cq_dest_rows rows = {a, ids, NULL, NULL}, more = {b, ids, ids, NULL};
  cq_encoder *e = NULL;
  int rc = ops->open(&o, out, &e, err);

  if (rc == CQ_OK) rc = ops->rows(e, &u, &rows, out, err);
  if (rc == CQ_OK && ops->flush) rc = ops->flush(e, out, err);
  if (rc == CQ_OK && ops->flush && e->kept) rc = CQ_ERROR;
  if (rc == CQ_OK) rc = ops->rows(e, &u, &more, out, err);
  if (rc == CQ_OK) rc = ops->end(e, out, err);
  if (e) ops->close(e);
  *odd = u.warnings;
  return rc;
}

static const cq_encode_ops *kind_of(const char *name) {
  size_t n;
  const cq_encode_ops *const *all = cq_encode_kinds(&n);

  for (size_t i = 0; i < n; i++)
    if (strcmp(all[i]->name, name) == 0) return all[i];
  return NULL;
}

static void faults_of(const char *kind, const char *yaml) {
  const cq_encode_ops *ops = kind_of(kind);
  const void *format = NULL;
  cq_batch *a = make_rows(0, ROWS), *b = make_rows(ROWS, 40);
  cq_error err = {0, ""};
  cq_buf want, got;
  cq_node *map = NULL;
  int64_t odd = 0, seen = 0;
  long n;

  CHECK(ops && a && b);
  CHECK_INT(cq_tree_parse(&arena, "spec", yaml, strlen(yaml), &map, &err), 0);
  if (ops->spec) CHECK_INT(ops->spec(&arena, map, &format, &err), CQ_OK);
  cq_buf_init(&want, 1 << 26);
  cq_buf_init(&got, 1 << 26);
  CHECK_INT(encode(ops, format, &want, a, b, &odd, &err), CQ_OK);
  CHECK(want.len > 1000);
  CHECK(odd > 0);
  for (n = 1;; n++) {
    int rc, hit;

    cq_buf_clear(&got);
    cq_error_clear(&err);
    cq_fault_set(n);
    rc = encode(ops, format, &got, a, b, &seen, &err);
    hit = cq_fault_hit();
    cq_fault_set(0);
    if (rc && (!hit || rc != CQ_NOMEM || strcmp(err.text, "out of memory"))) {
      test_bad++;
      printf("# %s: allocation %ld: %d %s\n", kind, n, rc, err.text);
    }
    if (rc == CQ_OK && (got.len != want.len || seen != odd ||
                        memcmp(got.data, want.data, got.len))) {
      test_bad++;
      printf("# %s: allocation %ld: other bytes\n", kind, n);
    }
    if (!hit || test_bad > 5) break;
  }
  printf("# %s %s: %ld allocations, %zu bytes\n", kind, yaml, n - 1, want.len);
  CHECK(n > 10);
  cq_buf_clear(&want);
  cq_buf_clear(&got);
  cq_batch_free(a);
  cq_batch_free(b);
}

static void test_encode_csv_without_memory(void) {
  faults_of("csv", "{}");
  faults_of("csv", "{delimiter: ';', skip_header: true}");
}

static void test_encode_json_without_memory(void) {
  faults_of("json", "{}");
}

static void test_encode_parquet_without_memory(void) {
  faults_of("parquet", "{}");
  faults_of("parquet", "{compression: none, lists: list, uuid: text}");
  faults_of("parquet", "{compression: gzip, max_row_group_length: 50}");
}

/* ---- a run -------------------------------------------------------------------------- */

/* In memory where there is such a folder: each file is synced. */
static char folder[64] = "/dev/shm/cq-encode-XXXXXX";

static int put_unit(cq_dest *d, const char *client, int rows,
                    const char *status, cq_error *err) {
  cq_dest_unit u = {.table = &table, .client = client};
  cq_batch *b = make_rows(0, rows);
  cq_pack *pack = b ? cq_pack_new(b, ids, NULL) : NULL;
  cq_dest_rows r = {b, ids, NULL, &pack};
  int rc = pack ? d->ops->write(d, &run, &u, &r, err) : cq_error_nomem(err);

  cq_pack_unref(pack);
  cq_batch_free(b);
  u.rows = rows;
  if (rc) {
    d->ops->end(d, &run, &u, "failed", NULL, NULL);
    return rc;
  }
  rc = d->ops->end(d, &run, &u, status, NULL, err);
  return rc;
}

static int whole_run(const cq_dest_def *dest, cq_error *err) {
  cq_dest_table *tables[] = {&table};
  cq_counts n = {.rows = 3};
  cq_dest *d = NULL;
  int rc;

  memset(&table.n, 0, sizeof table.n);
  run.group++;
  run.retry = 0;
  run.base = 0;
  table.own = NULL;
  table.failed = 0;
  table.complete = 1;
  table.status = "success";
  rc = cq_dest_file.open(dest, 1, &d, err);
  if (rc) return rc;
  rc = d->ops->begin(d, &run, err);
  if (rc == CQ_OK) {
    rc = put_unit(d, "a", 200, "ok", err);
    if (rc == CQ_OK) rc = put_unit(d, "b", 10, "failed", err);
    if (rc == CQ_OK) rc = put_unit(d, "c", 50, "ok", err);
    if (rc == CQ_OK) rc = d->ops->commit(d, 1, err);
    if (rc == CQ_OK) rc = put_unit(d, "d", 5, "ok", err);
    if (rc == CQ_OK) {
      d->ops->drop(d, &table);
      rc = d->ops->publish(d, &run, tables, 1, "partial", &n, NULL, err);
    }
    if (rc) d->ops->put_run(d, &run, "failed", &n, 1, err->text, NULL);
  }
  d->ops->drop(d, &table);
  d->ops->close(d);
  return rc;
}

/* Rows and files of the latest snapshot, and its group. */
static void look(long long *group, long long *rows, size_t *files) {
  char path[128];
  json_t *j, *e;

  snprintf(path, sizeof path, "%s/_cq/latest/s.json", folder);
  j = json_load_file(path, 0, NULL);
  e = json_array_get(json_object_get(j, "tables"), 0);
  *group = json_integer_value(json_object_get(j, "sync_group_id"));
  *rows = json_integer_value(json_object_get(e, "rows"));
  *files = json_array_size(json_object_get(e, "files"));
  json_decref(j);
}

static void faults_run(const char *more) {
  long stride = getenv("CQ_FAULTS") ? 1 : STRIDE, n;
  char yaml[256];
  cq_error err = {0, ""};
  cq_dest_def dest;
  cq_node *map;
  long long group, before, rows;
  size_t files;
  int failed = 0;

  memset(&dest, 0, sizeof dest);
  dest.name = "files";
  snprintf(yaml, sizeof yaml, "{path: %s%s}", folder, more);
  CHECK_INT(cq_tree_parse(&arena, "spec", yaml, strlen(yaml), &map, &err), 0);
  CHECK_INT(cq_dest_file.spec(&arena, map, &dest, &err), CQ_OK);
  CHECK_INT(whole_run(&dest, &err), CQ_OK);
  look(&group, &rows, &files);
  CHECK_INT(group, run.group);
  CHECK_INT(rows, 255);
  for (n = 1;; n += n < FIRST ? 1 : stride) {
    int rc, hit;

    before = group;
    cq_error_clear(&err);
    cq_fault_set(n);
    rc = whole_run(&dest, &err);
    hit = cq_fault_hit();
    cq_fault_set(0);
    look(&group, &rows, &files);
    if (rc == CQ_OK ? group != run.group : group != before || !*err.text) {
      test_bad++;
      printf("# allocation %ld: %d %s; group %lld\n", n, rc, err.text, group);
    }
    if (rows != 255) {
      test_bad++;
      printf("# allocation %ld: %lld rows are shown\n", n, rows);
    }
    failed += rc != CQ_OK;
    if (!hit || test_bad > 5) break;
    if (!rc) continue;
    /* The next one settles it. */
    CHECK_INT(whole_run(&dest, &err), CQ_OK);
    look(&group, &rows, &files);
    CHECK_INT(group, run.group);
    CHECK_INT(rows, 255);
  }
  printf("# %s: %ld allocations, %d failed\n", more, n - 1, failed);
  CHECK(failed > 10);
  CHECK_INT(whole_run(&dest, &err), CQ_OK);
  look(&group, &rows, &files);
  CHECK_INT(rows, 255);
  CHECK_INT(files, 2);
}

static void test_file_run_without_memory(void) {
  char command[80];

  if (!mkdtemp(folder)) {
    strcpy(folder, "/tmp/cq-encode-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
  }
  faults_run(", keep: 1");
  faults_run(", keep: 2, format: json, compression: zstd");
  faults_run(", format: csv, compression: gzip, keep: 1");
  snprintf(command, sizeof command, "rm -r %s", folder);
  CHECK_INT(system(command), 0);
}

static void test_encode_what_fits(void) {
  static const struct {
    int type;
    const char *fits[6], *unfit[14];
  } all[] = {
      {CQ_DATE,
       {"2024-02-29", "2000-02-29", "0001-01-01", "9999-12-31"},
       {"2023-02-29", "1900-02-29", "2024-00-01", "2024-13-01", "2024-01-00",
        "2024-01-32", "2024-04-31", "2024/01-02", "2024-01/02", "20x4-01-02",
        "2024-0x-01", "2024-01-0x", "2024-01-2", "2024-01-02T"}},
      {CQ_TIMESTAMP,
       {"2024-01-02T03:04:05Z", "2024-01-02T23:59:59.999999Z",
        "2024-01-02T00:00:00.5Z"},
       {"2024-01-02 03:04:05Z", "2024-01-02T03-04:05Z", "2024-01-02T03:04-05Z",
        "2024-01-02T03:04:05+", "2024-13-02T03:04:05Z", "2024-01-02T24:04:05Z",
        "2024-01-02T03:60:05Z", "2024-01-02T03:04:60Z", "2024-01-02T03:04:05.Z",
        "2024-01-02T03:04:05,5Z", "2024-01-02T03:04:05.5xZ",
        "2024-01-02T03:04:05.1234567Z", "2024-01-02T0x:04:05Z",
        "2024-01-02T03:0x:05Z"}},
      {CQ_UUID,
       {"6f9619ff-8b86-d011-b42d-00c04fc964ff"},
       {"6f9619ff-8b86-d011-b42d-00c04fc964f",
        "6F9619ff-8b86-d011-b42d-00c04fc964ff",
        "6f9619ff-8b86-d011-b42d-00c04fc964fg",
        "6f9619ff08b86-d011-b42d-00c04fc964ff",
        "6f9619ff-8b86-d011-b42d-00c04fc96/ff"}},
      {CQ_DECIMAL, {"1.50", "-2e9"}, {"", "1.5x", "NaN"}},
      {CQ_INTEGER, {0}, {"1"}},
      {CQ_BOOLEAN, {0}, {"true"}},
      {CQ_REAL, {0}, {"1.5"}},
      {CQ_TEXT, {"", "x"}, {0}},
      {CQ_BLOB, {"x"}, {0}},
      {CQ_LIST | CQ_TEXT, {0}, {"[]"}},
  };
  const double huge = HUGE_VAL;
  cq_value v;

  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    v = cq_value_null();
    CHECK(cq_cell_fits(all[i].type, &v));
    for (int k = 0; k < 6 && all[i].fits[k]; k++) {
      v = cq_value_text(all[i].fits[k]);
      if (!cq_cell_fits(all[i].type, &v)) CHECK_STR("unfit", all[i].fits[k]);
    }
    for (int k = 0; k < 14 && all[i].unfit[k]; k++) {
      v = cq_value_text(all[i].unfit[k]);
      if (cq_cell_fits(all[i].type, &v)) CHECK_STR("fits", all[i].unfit[k]);
    }
    v = cq_value_int(2);
    CHECK_INT(cq_cell_fits(all[i].type, &v),
              all[i].type == CQ_DECIMAL || all[i].type == CQ_INTEGER ||
                  all[i].type == CQ_REAL || all[i].type == CQ_TEXT);
    v = cq_value_int(1);
    CHECK_INT(cq_cell_fits(CQ_BOOLEAN, &v), 1);
    v = cq_value_real(0.5);
    CHECK_INT(cq_cell_fits(all[i].type, &v), all[i].type == CQ_DECIMAL ||
                                                 all[i].type == CQ_REAL ||
                                                 all[i].type == CQ_TEXT);
    v = cq_value_real(huge);
    CHECK_INT(cq_cell_fits(all[i].type, &v), all[i].type == CQ_TEXT);
  }
  v = cq_value_text("x");
  v.kind = CQ_BYTES;
  CHECK(!cq_cell_fits(CQ_TEXT, &v));
  CHECK(cq_cell_fits(CQ_BLOB, &v));
  v = cq_value_text("[]");
  v.json = 1;
  CHECK(cq_cell_fits(CQ_LIST | CQ_TEXT, &v));
  v = cq_value_text("1969-12-31T23:59:59.5Z");
  CHECK_INT(cq_cell_micros(&v), -500000);
  v = cq_value_text("0000-03-01");
  CHECK_INT(cq_cell_days(&v), -719468);
}

int main(void) {
  cq_arena_init(&arena);
  set_up();
  RUN(test_encode_csv_without_memory);
  RUN(test_encode_json_without_memory);
  RUN(test_encode_parquet_without_memory);
  RUN(test_file_run_without_memory);
  cq_arena_clear(&arena);
  RUN(test_encode_what_fits);
  return test_done();
}
