/* tests/unit/test_source.c: the clients that a source has found: a list whose
 * clients failed is asked for again after a while, and the one before it goes
 * with its last reader, however often that happens. */
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "scan/internal.h"
#include "test.h"

static cq_env env;
static cq_source *source;
static const cq_table *table;
static char folder[] = "/tmp/cq-source-XXXXXX";

/* Accounts come from a file that is not there, regions from one that is: no
 * request fails as fast, or needs a server. */
static void source_open(const char *accounts) {
  char path[64], text[1200];
  const cq_integration *in;
  cq_http_options options;
  cq_config *config;
  cq_error err = {0, ""};
  FILE *f;

  memset(&env, 0, sizeof env);
  snprintf(path, sizeof path, "%s/s.yml", folder);
  snprintf(text, sizeof text,
           "format: 1\nintegration: s\nauth: {scheme: none}\nallow_file: true\n"
           "clients:\n"
           "  account:\n"
           "    columns: {account: name}\n"
           "    discover: {request: {url: 'file://%s/%s'}, rows: '[*]'}\n"
           "  region: {values: [north, south]}\n"
           "tables:\n"
           "  s_things:\n"
           "    over: [account, region]\n"
           "    request: {url: 'file:///none'}\n"
           "    rows: '[*]'\n"
           "    columns: {id: integer}\n",
           folder, accounts);
  f = fopen(path, "w");
  CHECK(f && fputs(text, f) >= 0);
  if (f) fclose(f);
  memset(&options, 0, sizeof options);
  if (cq_http_new(&options, &env.http, &err) ||
      cq_auths_new(env.http, &env.auths, &err) ||
      cq_registry_new(&env.registry, &err) ||
      cq_registry_load(env.registry, path, &err) ||
      cq_registry_integration(env.registry, "s", &in, &err) ||
      cq_registry_table(env.registry, "s_things", &table, &err) ||
      cq_config_new(in, NULL, &config, &err) ||
      cq_source_new(&env, in, config, &source, &err)) {
    printf("Bail out! %s\n", err.text);
    exit(1);
  }
  cq_config_unref(config);
}

static void source_close(cq_clients *kept) {
  cq_source_unref(source);
  cq_clients_unref(kept);
  cq_auths_free(env.auths);
  cq_http_free(env.http);
  cq_registry_unref(env.registry);
}

static int lists(void) {
  int n = 0;

  for (cq_clients *c = source->lists; c; c = c->next) n++;
  return n;
}

/* As if ten seconds had gone. */
static void later(void) {
  for (cq_clients *c = source->lists; c; c = c->next)
    if (c->again_ms) c->again_ms = 1;
}

enum { WARM = 1100, TIMES = 2000 }; /* the log of requests is full by then */

static size_t used(void) {
  struct mallinfo2 m = mallinfo2();

  return m.uordblks + m.hblkhd;
}

static void test_source_failed_lists_go(void) {
  cq_clients *c, *kept;
  cq_error err = {0, ""};
  size_t n, before = 0;

  source_open("missing.json");
  for (int i = 0; i < TIMES; i++) {
    CHECK_INT(cq_source_clients(source, table, &c, &err), CQ_OK);
    CHECK_INT(cq_clients_all(c, &n)[0]->failed != 0, 1);
    CHECK_INT(n, 1);
    cq_clients_unref(c);
    later();
    if (i == WARM) before = used();
    if (test_bad) break;
  }
  CHECK_INT(lists(), 3); /* of nothing, accounts, accounts and regions */
  /* A sanitizer's allocator counts nothing: its leak check is left. */
  CHECK(used() < before + 4096);
  /* Whoever reads one keeps it, and what it is laid over. */
  CHECK_INT(cq_source_clients(source, table, &kept, &err), CQ_OK);
  later();
  CHECK_INT(cq_source_clients(source, table, &c, &err), CQ_OK);
  CHECK(c != kept);
  CHECK_STR(cq_clients_all(kept, &n)[0]->id, "s");
  CHECK(strstr(cq_clients_all(kept, &n)[0]->error, "missing.json") != NULL);
  cq_clients_unref(c);
  source_close(kept);
}

static void test_source_found_lists_stay(void) {
  char path[64];
  cq_clients *c, *again;
  cq_error err = {0, ""};
  size_t n;
  FILE *f;

  snprintf(path, sizeof path, "%s/found.json", folder);
  f = fopen(path, "w");
  CHECK(f && fputs("[{\"name\":\"a\"},{\"name\":\"b\"}]", f) >= 0);
  if (f) fclose(f);
  source_open("found.json");
  CHECK_INT(cq_source_clients(source, table, &c, &err), CQ_OK);
  CHECK_STR(cq_clients_all(c, &n)[n - 1]->id, "b:south");
  CHECK_INT(n, 4);
  later();
  CHECK_INT(cq_source_clients(source, table, &again, &err), CQ_OK);
  CHECK(c == again);
  cq_clients_unref(again);
  CHECK_STR(cq_client_value(cq_clients_all(c, &n)[2], "account")->u.s, "b");
  source_close(c);
}

/* cq_source_test() keeps nothing. */
static void test_source_test_keeps_nothing(void) {
  cq_error err = {0, ""};
  size_t before = 0;
  cq_buf b;

  source_open("missing.json");
  for (int i = 0; i < TIMES; i++) {
    cq_buf_init(&b, 1 << 20);
    CHECK_INT(cq_source_test(source, &b, &err), CQ_OK);
    CHECK(strstr(b.data, "\"ok\":false") != NULL);
    cq_buf_clear(&b);
    if (i == WARM) before = used();
    if (test_bad) break;
  }
  CHECK(used() < before + 4096);
  source_close(NULL);
}

int main(void) {
  char path[64];

  if (!mkdtemp(folder)) return 1;
  RUN(test_source_failed_lists_go);
  RUN(test_source_found_lists_stay);
  RUN(test_source_test_keeps_nothing);
  snprintf(path, sizeof path, "%s/s.yml", folder);
  unlink(path);
  snprintf(path, sizeof path, "%s/found.json", folder);
  unlink(path);
  rmdir(folder);
  return test_done();
}
