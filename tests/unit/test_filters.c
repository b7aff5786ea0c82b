/* tests/unit/test_filters.c: filters of templates over JSON, in which each
 * allocation of the JSON library, and each of our own, fails once: the result is
 * right, or it is "out of memory", never NULL or half a list. */
#include <jansson.h>
#include <stdlib.h>

#include "spec/template.h"
#include "test.h"

static long left; /* allocations of jansson until one fails; 0 = none does */

static void *some(size_t n) {
  return left > 0 && --left == 0 ? NULL : malloc(n);
}

typedef struct sample {
  const char *filter, *in;
  int json;
  const char *args[3]; /* text; of a list, JSON */
  const char *out;     /* NULL = none */
} sample;

static const sample samples[] = {
    {"split", "a,b", 0, {","}, "[\"a\",\"b\"]"},
    {"join", "[\"a\",2,[3]]", 1, {"-"}, "a-2-[3]"},
    {"join", "no list", 0, {"-"}, "no list"},
    {"first", "[{\"a\":1}]", 1, {NULL}, "{\"a\":1}"},
    {"last", "[1,\"z\"]", 1, {NULL}, "z"},
    {"keys", "{\"a\":1}", 1, {NULL}, "[\"a\"]"},
    {"values", "{\"a\":[1]}", 1, {NULL}, "[[1]]"},
    {"values", "{\"a\":", 1, {NULL}, NULL},
    {"to_map", "[{\"Key\":\"k\",\"Value\":\"v\"}]", 1, {NULL}, "{\"k\":\"v\"}"},
    {"concat", "[1]", 1, {"[2]"}, "[1,2]"},
    {"objects", "[7]", 1, {"id"}, "[{\"id\":7}]"},
    {"find", "[{\"n\":\"a\"},{\"n\":2}]", 1, {"n", "2"}, "{\"n\":2}"},
    {"get", "{\"a\":[1]}", 1, {"b", "a"}, "[1]"},
    {"json", "text", 0, {NULL}, "\"text\""},
    {"json", "\xff", 0, {NULL}, NULL},
    {"from_json", "[1, 2]", 0, {NULL}, "[1,2]"},
    {"from_json", "[1, 2", 0, {NULL}, NULL},
    {"from_xml", "<a>text</a>", 0, {NULL}, "text"},
    {"from_xml", "<a><b>1</b></a>", 0, {NULL}, "{\"b\":\"1\"}"},
    {"hash",
     "{\"b\":1,\"a\":2}",
     1,
     {NULL},
     "d3626ac30a87e6f7a6428233b3c68299976865fa5508e4267c5415c76af7a772"},
    {"contains", "[1,[2],\"x\"]", 1, {"x"}, "1"},
    {"contains", "{\"k\":1}", 1, {"k"}, "1"},
    {"without", "{\"a\":1,\"b\":2}", 1, {"[\"a\"]"}, "{\"b\":2}"},
    {"length", "[1,2,3]", 1, {NULL}, "3"},
};

static cq_value value(const char *s, int json) {
  return json ? cq_value_json(s, strlen(s)) : cq_value_text(s);
}

static int run(const sample *s, char *out, size_t size) {
  const cq_filter *f = cq_filter_named(s->filter, strlen(s->filter));
  cq_value in = value(s->in, s->json), args[3], v = cq_value_null(), text;
  cq_error err = {0, ""};
  size_t narg = 0;
  cq_arena a;
  int rc;

  for (; narg < 3 && s->args[narg]; narg++)
    args[narg] = value(s->args[narg], s->args[narg][0] == '[');
  cq_arena_init(&a);
  rc = f->run(&in, args, narg, &a, &v, &err);
  *out = 0;
  if (rc == CQ_OK && v.kind != CQ_NULL) {
    left = 0;
    cq_fault_set(0);
    CHECK_INT(cq_value_to_text(&a, &v, &text), CQ_OK);
    snprintf(out, size, "%.*s", (int)text.len, text.u.s);
  } else if (rc == CQ_OK) {
    snprintf(out, size, "NULL");
  }
  CHECK(rc == CQ_OK || err.code == CQ_NOMEM);
  cq_arena_clear(&a);
  return rc;
}

/* ours: our own allocations fail, not the library's. */
static void every(int ours) {
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    const sample *s = &samples[i];
    const char *right = s->out ? s->out : "NULL";
    char out[200];
    int failed = 0;

    CHECK_INT(run(s, out, sizeof out), CQ_OK);
    CHECK_STR(out, right);
    for (long n = 1; n < 500; n++) {
      int rc, hit;

      if (ours)
        cq_fault_set(n);
      else
        left = n;
      rc = run(s, out, sizeof out);
      hit = ours ? cq_fault_hit() : rc == CQ_NOMEM;
      left = 0;
      cq_fault_set(0);
      failed += rc == CQ_NOMEM;
      if (rc == CQ_OK) CHECK_STR(out, right);
      if (test_bad) {
        printf("# %s, allocation %ld\n", s->filter, n);
        return;
      }
      /* The library may do without one, such as a reserve: a few more. */
      if (!hit && n > 12) break;
    }
    CHECK(failed > 0 || ours || !s->out || strcmp(s->filter, "from_xml") == 0);
  }
}

static void test_filters_library_memory(void) {
  json_set_alloc_funcs(some, free);
  every(0);
  json_set_alloc_funcs(malloc, free);
}

static void test_filters_own_memory(void) {
  every(1);
}

int main(void) {
  RUN(test_filters_library_memory);
  RUN(test_filters_own_memory);
  return test_done();
}
