/* tests/unit/test_faults.c: whole statements in which each allocation of cq
 * fails once: a live query, a catalogue, an explanation, a sync in each write
 * mode.  The statement succeeds and is right, or fails in words; the connection
 * is as good as before, and nothing half is in the database.
 *
 * Every STRIDE-th allocation, every one with CQ_FAULTS=all.
 *
 * timeout: 240
 */
#define _XOPEN_SOURCE 700
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "test.h"

int sqlite3_cq_init(sqlite3 *db, char **error, const void *api);

enum { STRIDE = 13, FIRST = 60 };

static char folder[] = "/tmp/cq-faults-XXXXXX";
static char odd[64];
static char lake[64];  /* a folder that each statement begins without, or "" */
static int sparse = 1; /* of what takes long, every STRIDE * sparse-th */
static char csv[64], json[64], yml[64], xml[64];

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");

  CHECK(f != NULL);
  if (!f) return;
  fputs(text, f);
  fclose(f);
}

static sqlite3 *open_db(void) {
  sqlite3 *db = NULL;

  CHECK_INT(sqlite3_open(":memory:", &db), SQLITE_OK);
  return db;
}

static int remove_one(const char *path, const struct stat *st, int kind,
                      struct FTW *at) {
  (void)st, (void)kind, (void)at;
  return remove(path);
}

/* The first column of the first row, as text; "!..." for an error. */
static void ask(sqlite3 *db, const char *sql, char *out, size_t size) {
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(s, 0);

    snprintf(out, size, "%s", text ? text : "NULL");
    rc = sqlite3_step(s);
  }
  if (rc != SQLITE_ROW && rc != SQLITE_DONE)
    snprintf(out, size, "!%s", sqlite3_errmsg(db));
  sqlite3_finalize(s);
}

/* Runs `sql` with the n-th allocation failing, for every n until none is left;
 * `then` must give `want` afterwards, on the same connection. */
static void faults(const char *name, const char *setup, const char *sql,
                   const char *right, const char *check, const char *good,
                   const char *again, const char *want) {
  long stride = getenv("CQ_FAULTS") ? 1 : STRIDE * sparse, n;
  int failed = 0;

  for (n = 1;; n += n < FIRST / sparse ? 1 : stride) {
    char seen[600] = "";
    sqlite3 *db = open_db();
    char *message = NULL;
    int hit;

    if (!db) return;
    if (*lake) nftw(lake, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    CHECK_INT(sqlite3_cq_init(db, &message, NULL), SQLITE_OK);
    if (setup) ask(db, setup, seen, sizeof seen);
    cq_fault_set(n);
    ask(db, sql, seen, sizeof seen);
    hit = cq_fault_hit();
    cq_fault_set(0);
    if (strcmp(seen, right) != 0 && (!hit || !*seen)) {
      test_bad++;
      printf("# %s: allocation %ld: %s\n", name, n, seen);
    }
    failed += seen[0] == '!';
    if (check) {
      ask(db, check, seen, sizeof seen);
      if (!strstr(good, seen)) {
        test_bad++;
        printf("# %s: allocation %ld: left behind: %s\n", name, n, seen);
      }
    }
    CHECK(sqlite3_get_autocommit(db));
    ask(db, again, seen, sizeof seen);
    if (strcmp(seen, want) != 0) {
      test_bad++;
      printf("# %s: allocation %ld: afterwards: %s\n", name, n, seen);
    }
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    if (!hit || test_bad > 20) break;
  }
  printf("# %s: %ld allocations, %d of the failures ended the statement\n",
         name, n, failed);
  CHECK(failed > 8);
}

static void test_faults_load(void) {
  long n;

  for (n = 1;; n++) {
    sqlite3 *db = open_db();
    char *message = NULL;
    int rc, hit;

    if (!db) return;
    cq_fault_set(n);
    rc = sqlite3_cq_init(db, &message, NULL);
    hit = cq_fault_hit();
    cq_fault_set(0);
    CHECK(hit || rc == SQLITE_OK);
    sqlite3_free(message);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
    if (!hit) break;
  }
  CHECK(n > 5);
}

static void test_faults_live(void) {
  char sql[300];

  snprintf(sql, sizeof sql,
           "SELECT count(*) || ' ' || max(record ->> 'name') FROM "
           "file_csv('%s')",
           csv);
  faults("live csv", NULL, sql, "3 Linus", NULL, NULL, sql, "3 Linus");
  snprintf(sql, sizeof sql,
           "SELECT count(*) || ' ' || max(record ->> 'name') FROM "
           "file_json('%s')",
           json);
  faults("live json", NULL, sql, "2 Grace", NULL, NULL, sql, "2 Grace");
}

static void test_faults_catalogues(void) {
  const char *sql = "SELECT count(*) FROM cq_columns WHERE table_name = "
                    "'aws_s3_buckets'";
  char want[16];
  sqlite3 *db = open_db();

  if (!db) return;
  sqlite3_cq_init(db, NULL, NULL);
  ask(db, sql, want, sizeof want);
  sqlite3_close(db);
  CHECK(atoi(want) > 5);
  faults("cq_columns", NULL, sql, want, NULL, NULL, sql, want);
}

static void test_faults_explain(void) {
  char sql[300];

  snprintf(sql, sizeof sql,
           "SELECT json_array_length(cq_explain('SELECT * FROM "
           "file_csv(''%s'')'))",
           csv);
  faults("cq_explain", NULL, sql, "1", NULL, NULL, sql, "1");
}

static void test_faults_sync(void) {
  static const char *const modes[] = {"append", "overwrite-delete-stale"};

  for (int i = 0; i < 2; i++) {
    char sql[400], name[60];

    snprintf(sql, sizeof sql,
             "SELECT cq_sync('{source: file, tables: [file_csv], write_mode: "
             "%s, progress: off, spec: {paths: [%s]}}') ->> 'status'",
             modes[i], csv);
    snprintf(name, sizeof name, "sync %s", modes[i]);
    /* Before: three rows.  After a failed run: the same three, no others. */
    faults(name, sql, sql, "success", "SELECT count(*) FROM file_csv", "3", sql,
           "success");
  }
}

/* An integration over files that has a part of everything: clients, a parent,
 * calls, shapes, filters, a cursor, XML. */
static void write_integration(void) {
  static char text[6000];

  snprintf(
      text, sizeof text,
      "format: 1\nintegration: fl\nallow_file: true\n"
      "config:\n  names: {type: list, default: [a, b]}\n"
      "  key: {secret: true, default: sesame}\n"
      "clients:\n  name: {values: \"{{ config.names }}\"}\n"
      "shapes:\n  Part: {Name: text n, Size: integer s, Tags: list of text t, "
      "More: map of Part m}\n"
      "  Item: {Id: integer id, Tags: list(item) of text tags, Props: map(e k "
      "v) of text props}\n"
      "defaults:\n  request: {url: \"file://%s/{{ each.f }}a.json?{{ "
      "config.key }}\"}\n  page: {by: none}\n"
      "tables:\n"
      "  fl_items:\n    request: {url: \"file://%s\", headers: {a: \"{{ "
      "config.key }}\"}, query: {n: \"{{ client.name }}\"}}\n"
      "    rows: \"[*]\"\n    key: [client, name]\n    columns:\n"
      "      client: {from: client.name}\n      name: text\n"
      "      x: {type: json}\n      part: {type: json, shape: Part}\n"
      "      up: {value: \"{{ record.name | upper | replace('A', 'B') or "
      "'none' }}\"}\n"
      "      list: {type: json, value: \"{{ record.x | concat([row.name], "
      "'z') }}\"}\n"
      "      label: {path: name, call: same}\n"
      "      all: {type: json, call: every}\n"
      "    calls:\n"
      "      same: {request: {url: \"file://%s\"}, rows: \"[*]\", join: "
      "{row: name, record: name}, batch: 5}\n"
      "      every: {request: {url: \"file://%s\"}, rows: \"[*]\"}\n"
      "  fl_kids:\n    parent: fl_items\n    request: {url: \"file://%s\", "
      "query: {p: \"{{ parent.name }}\"}}\n    rows: \"[*]\"\n"
      "    key: [of, name]\n    columns: {of: {from: parent.name}, name: "
      "text, at: {type: timestamp, path: at}}\n"
      "  fl_xml:\n    over: []\n    request: {url: \"file://%s\", decode: "
      "xml}\n    rows: \"i[*]\"\n    key: [id]\n    columns: {id: integer, "
      "item: {type: json, path: \".\", shape: Item}}\n"
      "  fl_log:\n    request: {url: \"file://%s\", query: {since: \"{{ "
      "cursor.from }}\"}}\n    rows: \"[*]\"\n    key: [name]\n    cursor: "
      "{column: at, order: none}\n    columns: {name: text, at: timestamp}\n",
      folder, json, json, json, json, xml, json);
  write_file(yml, text);
}

static void test_faults_of_a_part_of_everything(void) {
  static const struct {
    const char *name, *sql, *want;
  } all[] = {
      {"calls and shapes",
       "SELECT count(*) || ' ' || max(up) || ' ' || max(label) || ' ' || "
       "max(json_array_length(\"all\")) || ' ' || max(part ->> 'Size') || ' ' "
       "|| max(list) FROM fl_items WHERE client IN ('a', 'b')",
       "4 GRBCE Grace 2 12 [1,{},\"Grace\",\"z\"]"},
      {"a parent", "SELECT count(*) || ' ' || max(at) FROM fl_kids",
       "8 2024-01-02T00:00:00Z"},
      {"xml", "SELECT count(*) || ' ' || max(item) FROM fl_xml",
       "2 {\"Id\":1,\"Tags\":[\"x\",\"y\"],\"Props\":{\"a\":\"b\"}}"},
      {"explain",
       "SELECT json_array_length(cq_explain('SELECT * FROM fl_kids'))", "2"},
      {"plan", "SELECT cq_plan('{source: fl, tables: [fl_*]}') IS NOT NULL",
       "1"},
      {"validate",
       "SELECT cq_validate('{source: fl, tables: [fl_*], spec: {key: abc}}') "
       "IS NOT NULL",
       "1"},
      {"config",
       "SELECT cq_config('fl.names', '[\"a\"]') || cq_config('proxy', "
       "'http://u:secret@h:1')",
       "[\"a\"]***"},
  };
  char load[128];

  snprintf(load, sizeof load, "SELECT cq_load('%s')", yml);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    faults(all[i].name, load, all[i].sql, all[i].want, NULL, NULL, all[i].sql,
           all[i].want);
  faults("cq_load", NULL, load, "4", NULL, NULL, "SELECT 1", "1");
  for (int i = 0; i < 2; i++) {
    char sql[400], name[60], setup[600];
    const char *mode = i ? "overwrite-delete-stale" : "append";

    snprintf(sql, sizeof sql,
             "SELECT cq_sync('{source: fl, tables: [fl_*], write_mode: %s, "
             "progress: off}') ->> 'status'",
             mode);
    snprintf(setup, sizeof setup, "SELECT cq_load('%s')", yml);
    snprintf(name, sizeof name, "sync of all, %s", mode);
    faults(name, setup, sql, "success", NULL, NULL, sql, "success");
  }
}

/* What is asked for in more than one step: a tree, a job and the document in
 * its answer, a call per row of a parent; and entries of table_options. */
static const char *const answers[][2] = {
    {"roots", "{\"R\":[{\"Id\":\"r\"}]}"},
    {"below-r", "{\"C\":[{\"Id\":\"a\"},{\"Id\":\"b\"}]}"},
    {"below-a", "{\"C\":[{\"Id\":\"c\"},{\"Id\":\"r\"}]}"},
    {"below-b", "{\"C\":[]}"},
    {"below-c", "{\"C\":[]}"},
    {"unit-r", "{\"Name\":\"root\"}"},
    {"unit-a", "{\"Name\":\"A\"}"},
    {"unit-b", "{\"Name\":\"B\"}"},
    {"unit-c", "{\"Name\":\"C\"}"},
    {"start", "{\"job\":{\"id\":\"j\"}}"},
    {"poll-j", "{\"state\":\"DONE\"}"},
    {"report-j", "{\"Content\":\"dXNlcixrZXlzCmFkYSwyCmdyYWNlLE4vQQo=\"}"},
    {"lines", "{\"Text\":\"{\\\"n\\\":1}\\n{\\\"n\\\":2}\\n\"}"},
    {"events", "{\"E\":[{\"id\":1,\"at\":1704067200}]}"},
};

static void write_odd(void) {
  static char text[6000];
  char path[96];

  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, answers[i][0]);
    write_file(path, answers[i][1]);
  }
  snprintf(
      text, sizeof text,
      "format: 1\nintegration: fo\nallow_file: true\n"
      "config: {table_options: {type: map, optional: true}}\n"
      "defaults: {request: {url: \"file://%s\"}, page: {by: none}}\n"
      "shapes: {Tag: {Key: text Key, Since: timestamp(epoch) Since}}\n"
      "tables:\n"
      "  fo_tree:\n    request: {path: /roots}\n    rows: \"R[*]\"\n"
      "    below: {request: {path: \"/below-{{ record.Id }}\"}, rows: "
      "\"C[*]\"}\n    key: [id]\n    columns: {id: text Id, name: {path: "
      "Name, call: unit}}\n    calls: {unit: {request: {path: \"/unit-{{ "
      "row.id }}\"}}}\n"
      "  fo_used:\n    parent: {table: fo_tree, when: \"{{ parent.id == 'a' "
      "}}\"}\n    job:\n      start: {request: {path: /start}, values: {id: "
      "job.id}}\n      poll: {request: {path: \"/poll-{{ job.id }}\"}, path: "
      "state, until: [DONE], failed: [NO], every: 10ms, most: 10s}\n"
      "    request: {path: \"/report-{{ job.id }}\", inner: {path: Content, "
      "encoding: base64, decode: csv}}\n    null_values: [N/A]\n"
      "    key: [of, user]\n    columns: {of: {from: parent.id}, user: text, "
      "keys: integer, job: {value: \"{{ job.id }}\"}}\n"
      "  fo_lines:\n    request: {path: /lines, inner: {path: Text, decode: "
      "ndjson}}\n    key: [n]\n    columns: {n: integer}\n"
      "  fo_events:\n    request: {path: /events, query: {k: all}}\n"
      "    options: {list_events: {kind: text k, since: timestamp(epoch) s, "
      "tags: list of Tag t}}\n    rows: \"E[*]\"\n    key: [id, at]\n"
      "    columns: {id: integer, at: {type: timestamp, format: epoch}}\n",
      folder);
  write_file(odd, text);
}

static void test_faults_of_several_steps(void) {
  static const struct {
    const char *name, *sql, *want;
  } all[] = {
      {"below", "SELECT group_concat(id || name, ' ') FROM fo_tree",
       "rroot aA bB cC"},
      {"a job and its document",
       "SELECT group_concat(of || job || user || ifnull(keys, '-'), ' ') FROM "
       "fo_used",
       "ajada2 ajgrace-"},
      {"a document of lines", "SELECT sum(n) FROM fo_lines", "3"},
      {"table_options", "SELECT count(*) || max(at) FROM fo_events",
       "22024-01-01T00:00:00Z"},
      {"explain",
       "SELECT json_array_length(cq_explain('SELECT * FROM fo_used'))", "5"},
      {"sync",
       "SELECT cq_sync('{source: fo, tables: [\"*\"], write_mode: overwrite, "
       "progress: off}') ->> 'status'",
       "success"},
  };
  char load[400];

  snprintf(load, sizeof load,
           "SELECT cq_load('%s'), cq_config('fo.table_options', "
           "'{\"fo_events\": {\"list_events\": [{\"kind\": \"a\", \"since\": "
           "\"2024-01-01T00:00:00Z\"}, {\"kind\": \"b\", \"tags\": [{\"Key\": "
           "\"k\", \"Since\": \"2024-01-01T00:00:00Z\"}]}]}}')",
           odd);
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    faults(all[i].name, load, all[i].sql, all[i].want, NULL, NULL, all[i].sql,
           all[i].want);
}

/* Into a folder that has a snapshot: its formats, and what only older snapshots
 * need is removed. */
static void test_faults_files(void) {
  static const char *const formats[] = {
      "format: parquet, format_spec: {lists: list}",
      "format: csv, compression: gzip", "format: json, compression: zstd"};

  snprintf(lake, sizeof lake, "%s/lake", folder);
  sparse = 6;
  for (int i = 0; i < 3; i++) {
    char sql[700], setup[900];

    snprintf(sql, sizeof sql,
             "SELECT cq_sync('{source: fl, tables: [fl_items, fl_log], "
             "progress: off, destination: {kind: file, path: %s, keep: 1, "
             "%s}}') ->> 'status'",
             lake, formats[i]);
    snprintf(setup, sizeof setup, "SELECT cq_load('%s'), (%s)", yml, sql);
    faults(formats[i], setup, sql, "success", NULL, NULL, sql, "success");
  }
  nftw(lake, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  *lake = '\0';
  sparse = 1;
}

static void remove_odd(void) {
  char path[96];

  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, answers[i][0]);
    unlink(path);
  }
  unlink(odd);
}

int main(void) {
  if (!mkdtemp(folder)) return 1;
  snprintf(csv, sizeof csv, "%s/a.csv", folder);
  snprintf(json, sizeof json, "%s/a.json", folder);
  write_file(csv, "name,born\nAda,1815\nGrace,1906\nLinus,1969\n");
  write_file(json,
             "[{\"name\":\"Ada\",\"at\":\"2024-01-01\"},{\"name\":\"Grace\","
             "\"x\":[1,{}],\"at\":\"2024-01-02\",\"part\":{\"n\":\"p\",\"s\":"
             "\"12\",\"t\":[1,\"a\"],\"m\":{\"k\":{\"s\":2}}}}]");
  snprintf(yml, sizeof yml, "%s/fl.yml", folder);
  snprintf(xml, sizeof xml, "%s/a.xml", folder);
  write_file(xml, "<r><i><id>1</id><tags><item>x</item><item>y</item></tags>"
                  "<props><e><k>a</k><v>b</v></e></props></i>"
                  "<i><id>0</id><tags/></i></r>");
  write_integration();
  snprintf(odd, sizeof odd, "%s/fo.yml", folder);
  write_odd();
  RUN(test_faults_load);
  RUN(test_faults_live);
  RUN(test_faults_catalogues);
  RUN(test_faults_explain);
  RUN(test_faults_sync);
  RUN(test_faults_of_a_part_of_everything);
  RUN(test_faults_of_several_steps);
  RUN(test_faults_files);
  remove_odd();
  unlink(csv);
  unlink(json);
  unlink(yml);
  unlink(xml);
  rmdir(folder);
  return test_done();
}
