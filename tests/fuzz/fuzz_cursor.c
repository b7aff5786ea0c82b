/* tests/fuzz/fuzz_cursor.c: cursor states as a destination gives them back: which
 * requests a scan makes from them. */
#define _GNU_SOURCE 1
#include "memory_file.h"
#include "scan/internal.h"

#define NOW INT64_C(1700000000000000)

#define TABLE(name, cursor)                                                    \
  "  " name                                                                    \
  ":\n    request: {url: 'http://127.0.0.1:1/', query: {s: '{{ cursor.from "   \
  "}}'}}\n    rows: '[*]'\n    key: [id]\n    cursor: {column: at, order: "    \
  "asc" cursor "}\n    columns: {id: integer, at: timestamp}\n"

static const char definition[] =
    "format: 1\nintegration: f\nauth: {scheme: none}\ntables:\n" TABLE(
        "f_plain", "") TABLE("f_back", ", lookback: 1h, format: epoch")
        TABLE("f_windows", ", window: 30d, format: date")
            TABLE("f_start", ", start: '2020-01-01', format: "
                             "epoch_ms") "  f_parents:\n    request: "
                                         "{url: "
                                         "'http://127.0.0.1:1/'}\n   "
                                         " rows: '[*]'\n"
                                         "    key: [a, b]\n    "
                                         "columns: {a: text, b: "
                                         "integer}\n"
                                         "  f_children:\n    parent: "
                                         "f_parents\n    request: "
                                         "{url: "
                                         "'http://127.0.0.1:1/{{ "
                                         "parent.a }}', query: {s: "
                                         "'{{ cursor.from }}'}}\n"
                                         "    rows: '[*]'\n    key: "
                                         "[a, id]\n    cursor: "
                                         "{column: at, order: desc}\n"
                                         "    columns: {a: {type: "
                                         "text, from: parent.a}, id: "
                                         "integer, at: "
                                         "timestamp}\n";

static const char *const names[] = {"f_plain", "f_back", "f_windows", "f_start",
                                    "f_children"};
enum { N = sizeof names / sizeof *names, JOBS = 3000 };

static cq_env env;
static cq_source *source;
static const cq_table *tables[N];
static cq_need needs[N];

static void load(void) {
  static memory_file file;
  const cq_integration *in;
  cq_config *config;
  cq_error err = {0, ""};

  if (source) return;
  if (cq_registry_new(&env.registry, &err) ||
      cq_registry_load(
          env.registry,
          memory_file_set(&file, definition, sizeof definition - 1), &err) ||
      cq_registry_integration(env.registry, "f", &in, &err) ||
      cq_config_new(in, NULL, &config, &err) ||
      cq_source_new(&env, in, config, &source, &err))
    fuzz_fail("%s", err.text);
  for (int i = 0; i < N; i++)
    if (cq_registry_table(env.registry, names[i], &tables[i], &err) ||
        cq_need_compute(tables[i], NULL, 0, &needs[i], &err))
      fuzz_fail("%s", err.text);
}

static int row_at;
static int next_row(void *user, const cq_value **row, cq_error *err) {
  static cq_value v[3][8];

  (void)user, (void)err;
  if (row_at == 3) return CQ_DONE;
  v[row_at][0] = cq_value_text(row_at == 2 ? NULL : "x|y");
  v[row_at][1] = cq_value_int(row_at);
  *row = v[row_at++];
  return CQ_ROW;
}

/* Each window begins where the one before ended. */
static void check_jobs(cq_enum *e, int k, cq_error *err) {
  char last[40] = "";
  cq_job *j;
  int n = 0;

  while (n++ < JOBS && cq_enum_next(e, &j, err) == CQ_ROW) {
    if (!j->cursor_to) fuzz_fail("%s: no end", names[k]);
    if (j->cursor_from && strlen(j->cursor_from) >= sizeof last)
      fuzz_fail("%s: from %s", names[k], j->cursor_from);
    if (*last && j->cursor_from && strcmp(last, j->cursor_from) != 0 &&
        strcmp(names[k], "f_windows") == 0)
      fuzz_fail("%s: from %s, not %s", names[k], j->cursor_from, last);
    snprintf(last, sizeof last, "%s", j->cursor_to);
    cq_job_free(j);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  int k = (int)(fuzz_byte(&in) % N);
  char *cursor = fuzz_text(in);
  cq_rows parents = {next_row, NULL, NULL};
  cq_scan_options o;
  cq_enum *e = NULL;
  cq_error err = {0, ""};

  load();
  row_at = 0;
  memset(&o, 0, sizeof o);
  o.env = &env;
  o.source = source;
  o.table = tables[k];
  o.cap = -1;
  o.cursor_from = cursor;
  if (tables[k]->parent.table) o.parents = &parents;
  if (cq_enum_open(&o, &needs[k], NOW, &e, &err) == CQ_OK) {
    check_jobs(e, k, &err);
    cq_enum_close(e);
  } else if (!err.text[0]) {
    fuzz_fail("refused without a word");
  }
  free(cursor);
  return 0;
}
