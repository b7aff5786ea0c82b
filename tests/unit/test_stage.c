/* tests/unit/test_stage.c: rows of units that are kept aside until their end:
 * all come back once, in their order or sorted, whatever fits into memory. */
#include <stdint.h>
#include <stdlib.h>

#include "dest/sqlite/internal.h"
#include "test.h"

enum { ID = 37 };
static char text[4 << 20];

/* A batch of `n` rows whose ids are spread, each with `size` bytes; the number
 * of a row is its first cell. */
static int add(lite_handle *h, cq_dest_unit *u, int first, int n, size_t size,
               int same, cq_error *err) {
  cq_batch *b = cq_batch_new(2);
  char *ids = malloc((size_t)n * ID), *parents = malloc((size_t)n * ID);
  cq_dest_rows rows;
  int rc = b ? CQ_OK : CQ_NOMEM;

  for (int i = 0; i < n && rc == CQ_OK; i++) {
    cq_value *row = cq_batch_add(b);
    uint64_t x = (uint64_t)(same ? same : first + i) * 0x9E3779B97F4A7C15u;

    if (!row) {
      rc = CQ_NOMEM;
      break;
    }
    row[0] = cq_value_int(first + i);
    row[1] = cq_value_str(text, size);
    snprintf(ids + i * ID, ID, "%016llx-%019d", (unsigned long long)x, 0);
    snprintf(parents + i * ID, ID, "%036d", first + i);
    if ((first + i) % 3 == 0) parents[i * ID] = 0;
  }
  memset(&rows, 0, sizeof rows);
  rows.batch = b;
  rows.ids = ids;
  rows.parents = first % 2 ? parents : NULL;
  if (rc == CQ_OK) rc = lite_stage_add(h, u, &rows, err);
  cq_batch_free(b);
  free(ids);
  free(parents);
  return rc;
}

/* Reads all; -1: not sorted, or not whole.  `numbers` gets those of the rows. */
static int read_all(lite_stage *s, int *numbers, int cap, int *in_order,
                    cq_error *err) {
  char last[ID] = "";
  lite_feed f;
  int n = 0, rc, good = 1;

  memset(&f, 0, sizeof f);
  *in_order = 1;
  rc = lite_stage_read(s, &f);
  while (rc == CQ_OK && (rc = f.more(&f)) == CQ_OK && f.row < f.last)
    for (; f.row < f.last; f.row++) {
      const cq_value *row = f.cells + (size_t)f.row * (size_t)f.wide;
      const char *id = f.ids + ID * f.row;
      const char *parent = f.parents ? f.parents + ID * f.row : "";

      if (strcmp(id, last) < 0) *in_order = 0;
      memcpy(last, id, ID);
      good &= row[0].kind == CQ_INT && row[1].kind == CQ_STR;
      good &= row[1].len == 0 || memcmp(row[1].u.s, text, row[1].len) == 0;
      if (n < cap) numbers[n] = (int)row[0].u.i;
      good &= *parent == 0 || atoi(parent) == row[0].u.i;
      n++;
    }
  *err = f.err;
  lite_stage_stop(s);
  return rc ? -rc : good ? n : -1;
}

static int each_once(const int *numbers, int n) {
  char *seen = calloc((size_t)n + 1, 1);
  int good = 1;

  for (int i = 0; i < n; i++) {
    if (numbers[i] < 0 || numbers[i] >= n || seen[numbers[i]]) good = 0;
    if (good) seen[numbers[i]] = 1;
  }
  free(seen);
  return good;
}

static void start(lite_handle *h, cq_dest_table *t, cq_dest_unit *u) {
  memset(h, 0, sizeof *h);
  memset(t, 0, sizeof *t);
  memset(u, 0, sizeof *u);
  u->table = t;
}

static void stop(lite_handle *h, cq_dest_table *t) {
  lite_stage_drop(h, t);
  CHECK(h->stages == NULL);
  CHECK_INT(h->staged, 0);
  lite_spill_free(h->spill);
  h->spill = NULL;
}

static void test_stage_keeps_the_order_of_what_fits(void) {
  int numbers[100], in_order;
  lite_handle h;
  cq_dest_table t;
  cq_dest_unit u;
  cq_error err = {0, ""};

  start(&h, &t, &u);
  for (int i = 0; i < 10; i++)
    CHECK_INT(add(&h, &u, i * 10, 10, 100, 0, &err), CQ_OK);
  for (int twice = 0; twice < 2; twice++) {
    CHECK_INT(read_all(u.own, numbers, 100, &in_order, &err), 100);
    for (int i = 0; i < 100; i++) CHECK_INT(numbers[i], i);
  }
  CHECK(!in_order);
  stop(&h, &t);
}

/* Rows of 1 kB, 2 MB, or hardly any: more than is kept, and than is merged at
 * once. */
static void test_stage_sorts_what_does_not(void) {
  static const struct {
    int batches, rows;
    size_t size;
  } some[] = {{300, 100, 1000}, {16, 1, 2 << 20}, {1500, 100, 0}};

  for (size_t k = 0; k < sizeof some / sizeof *some; k++) {
    int n = some[k].batches * some[k].rows, in_order;
    int *numbers = malloc((size_t)n * sizeof *numbers);
    lite_handle h;
    cq_dest_table t;
    cq_dest_unit u;
    cq_error err = {0, ""};

    start(&h, &t, &u);
    for (int i = 0; i < some[k].batches; i++) {
      CHECK_INT(
          add(&h, &u, i * some[k].rows, some[k].rows, some[k].size, 0, &err),
          CQ_OK);
      CHECK(h.staged <= 8 << 20);
    }
    for (int twice = 0; twice < 2; twice++) {
      CHECK_INT(read_all(u.own, numbers, n, &in_order, &err), n);
      CHECK(each_once(numbers, n));
      /* 2 MB a row: no more than some runs are merged at once. */
      CHECK(in_order || some[k].size > 1000);
    }
    stop(&h, &t);
    free(numbers);
  }
}

static void test_stage_gives_the_last_of_an_id_last(void) {
  int numbers[40], in_order;
  lite_handle h;
  cq_dest_table t;
  cq_dest_unit u;
  cq_error err = {0, ""};

  start(&h, &t, &u);
  for (int i = 0; i < 40; i++)
    CHECK_INT(add(&h, &u, i, 1, 1 << 20, 7, &err), CQ_OK);
  CHECK_INT(read_all(u.own, numbers, 40, &in_order, &err), 40);
  for (int i = 0; i < 40; i++) CHECK_INT(numbers[i], i);
  stop(&h, &t);
}

/* Who has most goes to the file, and those whose table has failed nowhere. */
static void test_stage_makes_room_by_the_largest(void) {
  int numbers[20], in_order;
  lite_handle h;
  cq_dest_table t, failed;
  cq_dest_unit u, small, lost;
  cq_error err = {0, ""};

  start(&h, &t, &u);
  start(&h, &failed, &lost);
  small = u;
  CHECK_INT(add(&h, &small, 0, 10, 1000, 0, &err), CQ_OK);
  CHECK_INT(add(&h, &lost, 0, 6, 1 << 20, 0, &err), CQ_OK);
  failed.failed = 1;
  for (int i = 0; i < 10; i++)
    CHECK_INT(add(&h, &u, i, 1, 1 << 20, 0, &err), CQ_OK);
  CHECK_INT(read_all(lost.own, numbers, 20, &in_order, &err), 0);
  CHECK_INT(read_all(u.own, numbers, 20, &in_order, &err), 10);
  CHECK(each_once(numbers, 10));
  CHECK_INT(read_all(small.own, numbers, 20, &in_order, &err), 10);
  for (int i = 0; i < 10; i++) CHECK_INT(numbers[i], i);
  lite_stage_drop(&h, &failed);
  CHECK(h.stages != NULL);
  stop(&h, &t);
}

static int stopped(void *user) {
  return ++*(int *)user > 3;
}

static void test_stage_hears_an_interrupt(void) {
  int numbers[1], in_order, asked = 0;
  lite_handle h;
  cq_dest_table t;
  cq_dest_unit u;
  cq_error err = {0, ""};

  start(&h, &t, &u);
  h.own = 1;
  h.interrupted = stopped;
  h.user = &asked;
  for (int i = 0; i < 300; i++)
    CHECK_INT(add(&h, &u, i * 100, 100, 1000, 0, &err), CQ_OK);
  CHECK_INT(read_all(u.own, numbers, 1, &in_order, &err), -CQ_INTERRUPT);
  CHECK_STR(err.text, "interrupted");
  stop(&h, &t);
}

/* Each allocation fails once: an error, or all rows; and nothing is left. */
static void test_stage_without_memory(void) {
  int numbers[24], in_order, failures = 0;
  long n;

  for (n = 1;; n++) {
    lite_handle h;
    cq_dest_table t;
    cq_dest_unit u;
    cq_error err = {0, ""};
    int rc = CQ_OK, got = -1, hit;

    start(&h, &t, &u);
    cq_fault_set(n);
    for (int i = 0; i < 8 && rc == CQ_OK; i++)
      rc = add(&h, &u, i * 3, 3, 500000, 0, &err);
    if (rc == CQ_OK) got = read_all(u.own, numbers, 24, &in_order, &err);
    hit = cq_fault_hit();
    cq_fault_set(0);
    if (rc == CQ_OK && got == 24)
      CHECK(each_once(numbers, 24));
    else
      CHECK(rc == CQ_NOMEM || got == -CQ_NOMEM);
    failures += got != 24;
    stop(&h, &t);
    if (!hit) break;
  }
  CHECK(failures > 30);
}

int main(void) {
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 26);
  RUN(test_stage_keeps_the_order_of_what_fits);
  RUN(test_stage_sorts_what_does_not);
  RUN(test_stage_gives_the_last_of_an_id_last);
  RUN(test_stage_makes_room_by_the_largest);
  RUN(test_stage_hears_an_interrupt);
  RUN(test_stage_without_memory);
  return test_done();
}
