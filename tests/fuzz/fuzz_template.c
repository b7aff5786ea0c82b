/* tests/fuzz/fuzz_template.c: templates are parsed, and evaluated over values of
 * every kind; what a value puts into an address keeps to its place. */
#include "fuzz.h"
#include "http/http.h"
#include "spec/spec.h"

static cq_value other; /* the input's second part */

/* A name's first letter is the kind of its value. */
static int get(void *user, const cq_ref *ref, cq_arena *a, cq_value *out,
               cq_error *err) {
  (void)user, (void)a, (void)err;
  switch (ref->name[0]) {
  case 'j':
    *out =
        cq_value_text("[\"b\",\"a\",{\"Key\":\"k\",\"Value\":\"v\"},1,null]");
    out->json = 1;
    break;
  case 'o':
    *out = cq_value_text("{\"Key\":\"k\",\"a\":{\"b\":[1,2]},\"c\":\"d\"}");
    out->json = 1;
    break;
  case 'i':
    *out = cq_value_int(1700000000);
    break;
  case 'm':
    *out = cq_value_int(INT64_MAX);
    break;
  case 'r':
    *out = cq_value_real(-1.5e300);
    break;
  case 'n':
    *out = cq_value_null();
    break;
  case 't':
    *out = cq_value_text("arn:aws:iam::123:role/x 2024-01-02T03:04:05Z");
    break;
  default:
    *out = other;
  }
  return CQ_OK;
}
static const cq_context context = {NULL, get};

static cq_template *parse(cq_arena *a, const char *text, cq_error *err) {
  static const cq_node at = {.kind = CQ_N_SCALAR, .line = 1, .file = "f"};
  cq_template *t = NULL;

  return cq_template_parse(a, &at, text, (1u << CQ_R_COUNT) - 1, &t, err) ? NULL
                                                                          : t;
}

/* One expression and nothing beside it: only what its place allows. */
static void check_place(cq_arena *a, const cq_template *t) {
  static const char plain[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%";
  static const char path[] = "/:@!$&'()*+,;=";
  cq_error err = {0, ""};
  cq_value v;

  if (cq_template_eval(t, &context, CQ_PLACE_QUERY, a, &v, &err) == CQ_OK &&
      v.kind == CQ_STR)
    for (size_t i = 0; i < v.len; i++)
      if (!v.u.s[i] || !strchr(plain, v.u.s[i]))
        fuzz_fail("in a query: %.*s", (int)v.len, v.u.s);
  if (cq_template_eval(t, &context, CQ_PLACE_PATH, a, &v, &err) == CQ_OK &&
      v.kind == CQ_STR)
    for (size_t i = 0; i < v.len; i++)
      if (!v.u.s[i] || (!strchr(plain, v.u.s[i]) && !strchr(path, v.u.s[i])))
        fuzz_fail("in a path: %.*s", (int)v.len, v.u.s);
}

/* A value within a path: the address stays below what stands before it. */
static void check_below(cq_arena *a) {
  static const char *const texts[] = {"/v/{{ row.x }}", "/v/{{ row.x }}/end",
                                      "/v/{{ row.x }}{{ row.x }}/end",
                                      "/v/.{{ row.x }}/end"};
  cq_error err = {0, ""};

  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    cq_template *t = parse(a, texts[i], &err);
    cq_value v;
    cq_buf url;

    if (!t) fuzz_fail("%s: %s", texts[i], err.text);
    if (cq_template_eval(t, &context, CQ_PLACE_PATH, a, &v, &err) ||
        v.kind != CQ_STR)
      continue;
    cq_buf_init(&url, SIZE_MAX);
    if (cq_url_join("http://h/", v.u.s, v.len, &url) ||
        strncmp(url.data, "http://h/v/", 11) != 0)
      fuzz_fail("%s with %.*s leads to %s", texts[i], (int)other.len, other.u.s,
                url.data);
    cq_buf_clear(&url);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size), first = fuzz_until(&in, '\n');
  char *text = fuzz_text(first), *value = fuzz_text(in);
  cq_error err = {0, ""};
  cq_template *t;
  cq_arena a;
  cq_value v;
  int truth;
  size_t n;

  cq_arena_init(&a);
  other = cq_value_str(value, in.n);
  t = strlen(text) == first.n ? parse(&a, text, &err) : NULL;
  if (t) {
    if (strcmp(cq_template_text(t), text) != 0)
      fuzz_fail("%s: is now %s", text, cq_template_text(t));
    cq_template_refs(t, &n);
    if (cq_template_eval(t, &context, CQ_PLACE_PLAIN, &a, &v, &err) == CQ_OK &&
        v.kind == CQ_STR && cq_utf8_check(text, first.n) == first.n &&
        cq_utf8_check(value, in.n) == in.n && !strstr(text, "base64") &&
        !strstr(text, "urldecode") && !strstr(text, "split") &&
        !strstr(text, "regex") && !strstr(text, "replace") &&
        cq_utf8_check(v.u.s, v.len) != v.len)
      fuzz_fail("%s: not UTF-8", text);
    cq_template_true(t, &context, &a, &truth, &err);
    if (strncmp(text, "{{", 2) == 0 && !strstr(text + 2, "{{") &&
        first.n >= 4 && strcmp(text + first.n - 2, "}}") == 0 &&
        !strstr(text, "}}{") && strstr(text, "}}") == text + first.n - 2)
      check_place(&a, t);
  } else if (strlen(text) == first.n && !err.text[0]) {
    fuzz_fail("%s: refused without a word", text);
  }
  check_below(&a);
  cq_arena_clear(&a);
  free(text);
  free(value);
  return 0;
}
