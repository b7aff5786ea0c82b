/* tests/fuzz/fuzz_path.c: paths: what they are parsed to, and what stands there:
 * the small reader over jansson's tree against a program of the walker. */
#include <jansson.h>

#include "decoding.h"

/* clang-format off */
static const char *const documents[] = {
    ("{\"a\":{\"b\":[1,{\"c\":\"x\"},[2,3]],\"odd name\":2,\"\":3},\"a.b\":4,"
     "\"n\":null,\"t\":true,\"@id\":\"i\",\"x\":1.5}"),
    "[[1,2,[3,[4]]],{\"a\":[{\"b\":1},{\"b\":{\"c\":[]}}]},\"s\"]",
    "\"text\"",
    "{\"a\":[{\"b\":\"1\"},{\"b\":\"2\",\"c\":null}],\"b\":{\"k\":{\"a\":1}}}"};
/* clang-format on */
enum { N = sizeof documents / sizeof *documents };

/* Steps whose meaning is the same in both: the walker makes lists of [*]. */
static int plain(const cq_path *p) {
  for (int i = 0; i < p->nstep; i++)
    if (p->steps[i].kind != CQ_STEP_KEY && p->steps[i].kind != CQ_STEP_INDEX)
      return 0;
  return 1;
}

static void compare(const cq_value *a, const cq_value *b, const char *path) {
  json_t *x, *y;

  if (a->kind == CQ_STR && a->json && b->kind == CQ_STR && b->json) {
    x = json_loadb(a->u.s, a->len, 0, NULL);
    y = json_loadb(b->u.s, b->len, 0, NULL);
    if (!json_equal(x, y)) fuzz_fail("%s: two values", path);
    json_decref(x);
    json_decref(y);
  } else if (!cq_value_same(a, b)) {
    fuzz_fail("%s: two values", path);
  }
}

static void check(cq_arena *a, const cq_path *p, const char *doc) {
  cq_path self = {".", 0, NULL};
  cq_field f = {p, 0, NULL, NULL, 0, NULL};
  cq_program_def def = {.rows = &self, .fields = &f, .nfield = 1, .nslot = 1};
  cq_program *prog = NULL;
  cq_decoder *d = NULL;
  cq_batch *batch = NULL;
  cq_error err = {0, ""};
  cq_value v;
  int rc = cq_path_get(a, p, doc, strlen(doc), &v, &err);

  if (rc) fuzz_fail("%s: %s", p->text, err.text);
  if (cq_decode_json.compile(&def, &prog, &err)) return;
  batch = cq_batch_new(1);
  if (!batch || cq_decode_json.open(prog, &d, &err) ||
      cq_decode_json.feed(d, decode_block(doc, strlen(doc)), 1, batch, &err) ||
      batch->nrow != 1)
    fuzz_fail("%s: %s", p->text, err.text);
  fuzz_cell(cq_batch_row(batch, 0));
  if (plain(p)) compare(cq_batch_row(batch, 0), &v, p->text);
  cq_batch_free(batch);
  cq_decode_json.close(d);
  cq_decode_json.program_free(prog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  unsigned pick = fuzz_byte(&in);
  cq_path *p = NULL, *again = NULL;
  cq_error err = {0, ""};
  cq_arena a;
  char *text = fuzz_text(in);

  cq_arena_init(&a);
  if (cq_path_parse(&a, text, in.n, &p, &err) == CQ_OK) {
    if (cq_path_parse(&a, p->text, strlen(p->text), &again, &err) &&
        strlen(p->text) == in.n)
      fuzz_fail("%s: refused the second time", p->text);
    check(&a, p, documents[pick % N]);
  } else if (!err.text[0]) {
    fuzz_fail("refused without a word");
  }
  cq_arena_clear(&a);
  free(text);
  return 0;
}
