/* tests/unit/test_cache.c: the cache of answers takes no more than it may. */
#include <malloc.h>
#include <stdlib.h>

#include "scan/internal.h"
#include "test.h"

enum { LIMIT = 4 << 20, ANSWERS = 20000 };

/* Answers of many small units, whose texts are as large as their bodies. */
static void fill_from(cq_cache *c, int from, int n, int live) {
  static const char lines[] = "ETag\0\"0123456789abcdef-0123456789abcdef\"\0"
                              "Last-Modified\0Sat, 01 Jan 2022 00:00:00 GMT";

  for (int i = from; i < from + n; i++) {
    char key[128], url[160];
    cq_cached v = {0};

    snprintf(key, sizeof key, "GET http://127.0.0.1/small/%d/000000000001", i);
    snprintf(url, sizeof url, "http://127.0.0.1/small/%d/000000000001/%090d", i,
             i);
    v.block = cq_block_new(200);
    CHECK(v.block != NULL);
    if (!v.block) return;
    v.head.status = 200;
    v.head.url = url;
    v.head.lines = lines;
    v.head.nlines = sizeof lines;
    v.etag = cq_head_get(&v.head, "etag");
    v.modified = cq_head_get(&v.head, "last-modified");
    cq_cache_put(c, key, &v, live);
    cq_block_unref(v.block);
  }
}

static void fill(cq_cache *c, int n) {
  fill_from(c, 0, n, 1);
}

static int known(cq_cache *c, int i) {
  cq_cached out;
  char key[128];

  snprintf(key, sizeof key, "GET http://127.0.0.1/small/%d/000000000001", i);
  return cq_cache_get(c, key, &out) != CQ_CACHE_NONE;
}

static void test_cache_bytes_are_all_counted(void) {
  size_t before, used;
  cq_cache *c;

  before = mallinfo2().uordblks;
  CHECK_INT(cq_cache_new(LIMIT, &c), CQ_OK);
  fill(c, ANSWERS);
  used = mallinfo2().uordblks - before;
  /* A sanitizer's allocator tells nothing: 0. */
  if (used > LIMIT + (256 << 10)) CHECK_INT(used, LIMIT);
  cq_cache_free(c);
}

static void test_cache_newest_stay(void) {
  cq_cached out;
  cq_cache *c;

  CHECK_INT(cq_cache_new(LIMIT, &c), CQ_OK);
  fill(c, ANSWERS);
  CHECK_INT(cq_cache_get(c, "GET http://127.0.0.1/small/0/000000000001", &out),
            CQ_CACHE_NONE);
  CHECK(cq_cache_get(c, "GET http://127.0.0.1/small/19999/000000000001",
                     &out) != CQ_CACHE_NONE);
  cq_cache_free(c);
}

/* A table that is larger than the cache, read twice by one statement: what it
 * has read first is what it will ask for first. */
static void test_cache_keeps_what_a_cursor_asks_again(void) {
  cq_cache *c;

  CHECK_INT(cq_cache_new(LIMIT, &c), CQ_OK);
  cq_cache_enter(c);
  fill(c, ANSWERS);
  CHECK(known(c, 0));
  CHECK(!known(c, ANSWERS - 1));
  cq_cache_leave(c);
  fill_from(c, ANSWERS, 1, 1); /* of a later statement */
  CHECK(known(c, ANSWERS));
  cq_cache_free(c);
}

static void test_cache_a_sync_takes_an_eighth(void) {
  int n = 0;
  cq_cache *c;

  CHECK_INT(cq_cache_new(LIMIT, &c), CQ_OK);
  fill_from(c, 0, ANSWERS, 0);
  while (known(c, n)) n++;
  CHECK(n > 100 && n < ANSWERS / 8);
  fill_from(c, ANSWERS, ANSWERS, 0); /* pushes out nothing */
  CHECK(known(c, 0));
  cq_cache_free(c);
}

int main(void) {
  RUN(test_cache_keeps_what_a_cursor_asks_again);
  RUN(test_cache_a_sync_takes_an_eighth);
  RUN(test_cache_bytes_are_all_counted);
  RUN(test_cache_newest_stay);
  return test_done();
}
