/* tests/unit/test_spec.c: trees from YAML and JSON, paths, templates: what they
 * mean, what they refuse, and texts that were made to hurt. */
#include "spec/spec.h"
#include "test.h"

#include <stdlib.h>

/* ---- trees -------------------------------------------------------------------- */
static void tree_is(const char *text, const char *want, int line) {
  cq_arena a;
  cq_node *n = NULL;
  cq_error err = {0, ""};
  cq_buf b;

  cq_arena_init(&a);
  cq_buf_init(&b, 1 << 20);
  if (cq_tree_parse(&a, "f", text, strlen(text), &n, &err) == CQ_OK)
    cq_tree_json(n, &b);
  test_str(err.code ? err.text
           : b.data ? b.data
                    : "",
           want, text, "line", line);
  cq_buf_clear(&b);
  cq_arena_clear(&a);
}
#define TREE(text, want) tree_is(text, want, __LINE__)

static void test_tree_types_are_those_of_yamls_core_schema(void) {
  TREE("a: 1\nb: 1.5\nc: true\nd: ~\ne: text\nf: \"1\"\ng: 2024-01-02\nh:\n",
       "{\"a\":1,\"b\":1.5,\"c\":true,\"d\":null,\"e\":\"text\",\"f\":\"1\","
       "\"g\":\"2024-01-02\",\"h\":null}");
  TREE("[yes, no, on, off, 0x1f, 0o17, 1_000, .5, 1e3, 007]",
       "[\"yes\",\"no\",\"on\",\"off\",\"0x1f\",\"0o17\",\"1_000\",\".5\",1e3,"
       "\"007\"]");
  TREE("{\"a\": [1, {\"b\": null}], \"c\": \"\\u00e9\\n\"}",
       "{\"a\":[1,{\"b\":null}],\"c\":\"\xC3\xA9\\n\"}");
  TREE("a: |\n  one\n  two\nb: >\n  three\n  four\n",
       "{\"a\":\"one\\ntwo\\n\",\"b\":\"three four\\n\"}");
  TREE("", "null");
  TREE("# only a comment\n", "null");
}

static void test_tree_aliases_and_merges(void) {
  TREE("a: &x {k: 1}\nb: *x\nc: {<<: *x, l: 2}\n",
       "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"c\":{\"k\":1,\"l\":2}}");
  TREE("a: &x {k: 1, l: 1}\nc: {l: 2, <<: *x}\n",
       "{\"a\":{\"k\":1,\"l\":1},\"c\":{\"l\":2,\"k\":1}}");
  TREE("a: &x [*x]\n", "f:1: an alias without its anchor");
}

static void test_tree_refuses(void) {
  TREE("a: 1\na: 2\n", "f:2: key given twice: a");
  TREE("a: 1\n---\nb: 2\n", "f:2: more than one document");
  TREE("a: !!binary aGk=\n", "f:1: tags are not supported");
  TREE("a: 1\nb: [\"x\\0y\"]\n", "f:2: a zero byte (\\0) in a text");
  TREE("\"x\\0y\": 1\n", "f:1: a zero byte (\\0) in a text");
  TREE("a: [1, 2\n", "f:2: not YAML: did not find expected ',' or ']'");
  TREE("a: \"x\n", "f:2: not YAML: found unexpected end of stream");
  TREE("a: *nope\n", "f:1: an alias without its anchor");
  TREE("? [a]\n: 1\n", "f:1: a key must be plain text");
  TREE("a: \x01\n", "f:1: not YAML: control characters are not allowed");
  TREE("a: \xC3\x28\n", "f:1: not YAML: invalid trailing UTF-8 octet");
}

static void test_tree_bombs_are_bounded(void) {
  cq_arena a;
  cq_node *n;
  cq_error err = {0, ""};
  cq_buf b;

  /* each level doubles the one before */
  cq_arena_init(&a);
  cq_buf_init(&b, 16 << 20);
  cq_buf_str(&b, "l0: &l0 [x, x]\n");
  for (int i = 1; i < 40; i++)
    cq_buf_printf(&b, "l%d: &l%d [*l%d, *l%d]\n", i, i, i - 1, i - 1);
  CHECK(cq_tree_parse(&a, "f", b.data, b.len, &n, &err) != CQ_OK);
  CHECK_STR(err.text, "f:19: too many nodes");
  cq_buf_reset(&b);
  for (int i = 0; i < 100000; i++) cq_buf_byte(&b, '[');
  cq_error_clear(&err);
  CHECK(cq_tree_parse(&a, "f", b.data, b.len, &n, &err) != CQ_OK);
  CHECK_STR(err.text, "f:1: nested too deep");
  cq_buf_clear(&b);
  cq_arena_clear(&a);
}

static void test_tree_overlays(void) {
  cq_arena a;
  cq_node *base, *over, *n;
  cq_buf b;
  const char *low = "{a: 1, b: {c: 2, d: 3}, e: [1, 2]}";
  const char *high = "{a: 9, b: {c: ~, f: 4}, e: [3], g: 5}";

  cq_arena_init(&a);
  cq_buf_init(&b, 4096);
  CHECK_INT(cq_tree_parse(&a, "f", low, strlen(low), &base, NULL), CQ_OK);
  CHECK_INT(cq_tree_parse(&a, "f", high, strlen(high), &over, NULL), CQ_OK);
  CHECK_INT(cq_tree_merge(&a, base, over, &n, NULL), CQ_OK);
  cq_tree_json(n, &b);
  CHECK_STR(b.data, "{\"a\":9,\"b\":{\"d\":3,\"f\":4},\"e\":[3],\"g\":5}");
  cq_buf_clear(&b);
  cq_arena_clear(&a);
}

static void test_tree_keys_that_are_unknown(void) {
  static const char *const known[] = {"tables", "title", "request"};
  cq_arena a;
  cq_node *n;
  cq_error err = {0, ""};
  const char *text = "title: x\ntabels: {}\n";

  cq_arena_init(&a);
  CHECK_INT(cq_tree_parse(&a, "my.yml", text, strlen(text), &n, NULL), CQ_OK);
  CHECK_INT(cq_tree_check_keys(n, "thing", known, 3, &err), CQ_ERROR);
  CHECK_STR(err.text, "my.yml:2: thing: unknown key \"tabels\"\nhint: did you "
                      "mean \"tables\"?");
  cq_arena_clear(&a);
}

/* ---- paths -------------------------------------------------------------------- */
static void path_is(const char *path, const char *json, const char *want,
                    int line) {
  cq_arena a;
  cq_path *p = NULL;
  cq_error err = {0, ""};
  cq_value v, text;
  const char *seen = "-";

  cq_arena_init(&a);
  if (cq_path_parse(&a, path, strlen(path), &p, &err) == CQ_OK &&
      cq_path_get(&a, p, json, strlen(json), &v, &err) == CQ_OK &&
      v.kind != CQ_NULL && cq_value_to_text(&a, &v, &text) == CQ_OK)
    seen = cq_arena_strndup(&a, text.u.s, text.len);
  test_str(err.code ? err.text : seen, want, path, "line", line);
  cq_arena_clear(&a);
}
#define PATH(path, json, want) path_is(path, json, want, __LINE__)

static void test_path_gets(void) {
  const char *j = "{\"a\":{\"b\":[1,{\"c\":\"x\"}],\"odd name\":2,\"\":3},"
                  "\"a.b\":4,\"n\":null,\"t\":true}";

  PATH("a.b[0]", j, "1");
  PATH("a.b[1].c", j, "x");
  PATH("a.b[2]", j, "-");
  PATH("a[\"odd name\"]", j, "2");
  PATH("[\"a.b\"]", j, "4");
  PATH("a.b", j, "[1,{\"c\":\"x\"}]");
  PATH("n", j, "-");
  PATH("t", j, "1");
  PATH("nope.x", j, "-");
  PATH("a.b[*].c", j, "x");
  PATH(".", "5", "5");
}

static void test_path_refuses(void) {
  PATH("", "1", "path \"\": empty at character 1");
  PATH("a..b", "1", "path \"a..b\": a name is missing at character 3");
  PATH("a[", "1",
       "path \"a[\": expected [0], [*] or [\"name\"] at character 2");
  PATH("a[x]", "1",
       "path \"a[x]\": expected [0], [*] or [\"name\"] at character 2");
  PATH("a[-1]", "1",
       "path \"a[-1]\": expected [0], [*] or [\"name\"] at character 2");
  PATH("a[99999999999]", "1",
       "path \"a[99999999999]\": expected [0], [*] or [\"name\"] at character "
       "2");
  PATH("a.", "1", "path \"a.\": a name is missing at character 2");
  PATH("a[\"b\"", "1",
       "path \"a[\"b\"\": the bracket is not closed at character 2");
  PATH("a]", "1", "path \"a]\": a bracket that was not opened at character 2");
}

/* ---- templates ---------------------------------------------------------------- */
/* config.n = 5, config.s = "a/b c", config.l = ["x","y"], config.o = {"k":1} */
static int names_get(void *user, const cq_ref *ref, cq_arena *a, cq_value *out,
                     cq_error *err) {
  (void)user;
  (void)a;
  (void)err;
  *out = cq_value_null();
  if (strcmp(ref->name, "n") == 0) *out = cq_value_int(5);
  if (strcmp(ref->name, "s") == 0) *out = cq_value_text("a/b c");
  if (strcmp(ref->name, "l") == 0) *out = cq_value_json("[\"x\",\"y\"]", 9);
  if (strcmp(ref->name, "o") == 0) *out = cq_value_json("{\"k\":1}", 7);
  if (strcmp(ref->name, "e") == 0) *out = cq_value_text("");
  return CQ_OK;
}
static const cq_context names = {NULL, names_get};

static void template_is(const char *text, cq_place place, const char *want,
                        int line) {
  static const cq_node at = {.kind = CQ_N_SCALAR, .line = 1, .file = "f"};
  cq_arena a;
  cq_template *t = NULL;
  cq_error err = {0, ""};
  cq_value v = cq_value_null(), s;
  const char *seen = "-";

  cq_arena_init(&a);
  if (cq_template_parse(&a, &at, text, 1u << CQ_R_CONFIG, &t, &err) == CQ_OK &&
      cq_template_eval(t, &names, place, &a, &v, &err) == CQ_OK &&
      v.kind != CQ_NULL && cq_value_to_text(&a, &v, &s) == CQ_OK)
    seen = cq_arena_strndup(&a, s.u.s, s.len);
  test_str(err.code ? err.text : seen, want, text, "line", line);
  cq_arena_clear(&a);
}
#define TEMPLATE(text, want) template_is(text, CQ_PLACE_PLAIN, want, __LINE__)

static void test_template_values(void) {
  TEMPLATE("plain", "plain");
  TEMPLATE("{{ config.n }}", "5");
  TEMPLATE("a {{ config.n }}b{{config.s}}", "a 5ba/b c");
  TEMPLATE("{{ config.nope }}", "-");
  TEMPLATE("x{{ config.nope }}", "-");
  TEMPLATE("x{{ config.nope | default('y') }}", "xy");
  TEMPLATE("x{{ config.nope or config.n }}", "x5");
  TEMPLATE("{{ config.e or 'z' }}", "z");
  TEMPLATE("{{ 'it''s' }}", "f:1: template: unexpected text at \"'s' \"");
  TEMPLATE("{{ \"q\" }}", "q");
  TEMPLATE("{{ [1, 'a', config.n] }}", "[1,\"a\",5]");
  TEMPLATE("{{ config.o.k }}", "1");
  TEMPLATE("{{ config.o[\"k\"] }}", "1");
  TEMPLATE("{{ [config.l[1], 2] }}", "[\"y\",2]");
  TEMPLATE("{{ '}}' }}", "}}");
}

static void test_template_operators(void) {
  TEMPLATE("{{ config.n == 5 and not config.nope }}", "1");
  TEMPLATE("{{ config.n < 10 }}{{ config.n >= 6 }}", "10");
  TEMPLATE("{{ 'a' in config.l }} {{ 'x' in config.l }}", "0 1");
  TEMPLATE("{{ 'yes' if config.n > 3 else 'no' }}", "yes");
  TEMPLATE("{{ 'yes' if config.nope else 'no' }}", "no");
  TEMPLATE("{{ (1 == 1) == true }}", "1");
  TEMPLATE("{{ not true or true and false }}", "0");
  TEMPLATE("{{ null == null }} {{ config.nope == 'x' }}", "1 0");
  TEMPLATE("{{ 'a' < 'b' }}", "1");
  TEMPLATE("{{ config.l | join('+') | upper }}", "X+Y");
}

static void test_template_times(void) {
  TEMPLATE("{{ '2024-03-01' | plus('-1d') }}", "2024-02-29");
  TEMPLATE("{{ '2024-03-01' | plus('30d') }}", "2024-03-31");
  TEMPLATE("{{ '2024-02-28T23:30:00Z' | plus('1h') }}", "2024-02-29T00:30:00Z");
  TEMPLATE("{{ '2024-01-01T00:00:00+02:00' | plus('-30m') }}",
           "2023-12-31T21:30:00Z");
  TEMPLATE("{{ 0 | plus('+90s') }}", "1970-01-01T00:01:30Z");
  TEMPLATE("{{ '2024-01-01' | plus('1h30m') }}", "2024-01-01");
  TEMPLATE("{{ 'soon' | plus('1d') }}", "-");
  TEMPLATE("{{ '9999-12-31' | plus('1d') }}", "-");
  TEMPLATE("{{ '0000-01-01' | plus('-1s') }}", "-");
  TEMPLATE("{{ null | plus('1d') }}{{ '2024-01-01' | plus(null) }}", "-");
  TEMPLATE("{{ '2024-01-01' | plus('fast') }}", "plus: not a span: fast");
  TEMPLATE("{{ '2024-01-01' | plus(7) }}", "plus: not a span: ");
}

static void test_template_hash(void) {
  TEMPLATE("{{ 'abc' | hash }}", "ba7816bf8f01cfea414140de5dae2223b00361a39617"
                                 "7a9cb410ff61f20015ad");
  TEMPLATE("{{ 5 | hash == ('5' | hash) }}", "1");
  TEMPLATE("{{ ('{\"a\": 1, \"b\": [2]}' | from_json | hash) == "
           "('{\"b\":[2],\"a\":1}' | hash) }}",
           "0");
  TEMPLATE("{{ ('{\"a\": 1, \"b\": [2]}' | from_json | hash) == "
           "('{\"b\":[2],\"a\":1}' | from_json | hash) }}",
           "1");
  TEMPLATE("{{ null | hash }}", "-");
}

/* A member is found in the text as the library finds it in its tree. */
static void test_template_get(void) {
#define GET(object, keys) "{{ '" object "' | from_json | get(" keys ") }}"
  TEMPLATE(GET("{\"a\": 1, \"b\": \"}\", \"c\": [{\"d\": 2}]}", "'b'"), "}");
  TEMPLATE(GET("{\"a\": 1, \"b\": \"}\", \"c\": [{\"d\": 2}]}", "'c'"),
           "[{\"d\":2}]");
  TEMPLATE(GET("{\"a\": 1, \"b\": 2}", "'x', 'b', 'a'"), "2");
  TEMPLATE(GET("{\"b\": 2, \"a\": 1}", "'x', 'b', 'a'"), "2");
  TEMPLATE(GET("{\"a\": {\"x\": 1}, \"b\": 2}", "'x'"), "-");
  TEMPLATE(GET("{\"a\": null, \"b\": 2}", "'a', 'b'"), "-");
  TEMPLATE(GET("{\"a\": true, \"b\": 1.50, \"c\": \"\\\\ \\u00e9\"}", "'c'"),
           "\\ \303\251");
  TEMPLATE(GET("{\"a\": true, \"b\": 1.50}", "'a'"), "1");
  TEMPLATE(GET("{\"a\": true, \"b\": 1.50}", "'b'"), "1.50");
  TEMPLATE(GET("{\"\\\"\": 3, \"b\": 2}", "'\"', 'b'"), "3");
  TEMPLATE(GET("{\"\": 3}", "''"), "3");
  TEMPLATE(GET("{}", "'a'"), "-");
  TEMPLATE(GET("[\"a\"]", "'a'"), "-");
  TEMPLATE(GET("{\"a\": 1", "'a'"), "-");
  TEMPLATE("{{ '{\"a\": 1}' | get('a') }}", "-");
#undef GET
}

static void test_template_xml(void) {
  static const char text[] =
      "<r x='1'><a>1 &lt; 2</a><b/><l><member>m</member></l>t<a>2</a></r>";
  char part[sizeof text + 40];

  TEMPLATE("{{ '<r>x</r>' | from_xml }}", "x");
  TEMPLATE("{{ '<r><a>1</a><a>2</a><n:b xmlns:n=\"u\" k=\"v\">t</n:b></r>' | "
           "from_xml }}",
           "{\"a\":[\"1\",\"2\"],\"b\":{\"@k\":\"v\",\"#text\":\"t\"}}");
  TEMPLATE("{{ '<r><item>1</item></r>' | from_xml }}", "[\"1\"]");
  TEMPLATE("{{ '<r><a>1</a></r>' | from_xml | get('a') }}", "1");
  TEMPLATE("{{ '<!DOCTYPE r [<!ENTITY e \"x\">]><r>&e;</r>' | from_xml }}",
           "-");
  TEMPLATE("{{ '{}' | from_xml }}{{ null | from_xml }}", "-");
  TEMPLATE("{{ \"<r x='1'><a>1 &lt; 2</a><b/><l><member>m</member></l>t<a>2"
           "</a></r>\" | from_xml }}",
           "{\"@x\":\"1\",\"a\":[\"1 < 2\",\"2\"],\"b\":\"\",\"l\":[\"m\"],"
           "\"#text\":\"t\"}");
  /* Cut anywhere it is none. */
  for (size_t n = 0; n + 1 < sizeof text; n++) {
    snprintf(part, sizeof part, "{{ \"%.*s\" | from_xml }}", (int)n, text);
    if (n) TEMPLATE(part, "-");
  }
}

static void test_template_places_encode(void) {
  template_is("/a/{{ config.s }}/c d", CQ_PLACE_PATH, "/a/a/b%20c/c d",
              __LINE__);
  template_is("q={{ config.s }}", CQ_PLACE_QUERY, "q=a%2Fb%20c", __LINE__);
  template_is("{{ config.s }}", CQ_PLACE_PATH, "a/b%20c", __LINE__);
  template_is("/a/{{ config.s | urlencode }}/c", CQ_PLACE_PATH,
              "/a/a%2Fb%20c/c", __LINE__);
  template_is("{{ config.s | urlencode }}", CQ_PLACE_QUERY, "a%252Fb%2520c",
              __LINE__);
}

static void test_template_refuses(void) {
  TEMPLATE("{{ config.n", "f:1: template: {{ without }}: {{ config.n");
  TEMPLATE("{{ }}", "f:1: template: a value is missing at \"\"");
  TEMPLATE("{{ config.n | case(1) | concat }}",
           "f:1: template: filter case takes at least 2 arguments, not 1");
  TEMPLATE(
      "{{ confg.n }}",
      "f:1: template: unknown name \"confg\"\nhint: did you mean \"config\"?");
  TEMPLATE("{{ client.n }}", "f:1: template: \"client\" is not known here");
  TEMPLATE("{{ config.n | }}", "f:1: template: unknown filter \"\"");
  TEMPLATE(
      "{{ config.n | lowr }}",
      "f:1: template: unknown filter \"lowr\"\nhint: did you mean \"lower\"?");
  TEMPLATE("{{ config.n | split }}",
           "f:1: template: filter split takes 1 argument, not 0");
  TEMPLATE("{{ config.n | lower('x') }}",
           "f:1: template: filter lower takes 0 arguments, not 1");
  TEMPLATE("{{ 'a }}", "f:1: template: {{ without }}: {{ 'a }}");
  TEMPLATE("{{ (1 }}", "f:1: template: expected ) at \"\"");
  TEMPLATE("{{ 1 2 }}", "f:1: template: unexpected text at \"2 \"");
  TEMPLATE("{{ a if b }}", "f:1: template: unknown name \"a\"");
  TEMPLATE("{{ config.nope | required }}", "a required value is missing");
}

/* ---- hostile texts ------------------------------------------------------------- */
static uint64_t dice(void) {
  static uint64_t seed = 88172645463325252u;

  seed ^= seed << 13;
  seed ^= seed >> 7;
  return seed ^= seed << 17;
}

static const char *const seeds[] = {
    "format: 1\nintegration: x\ntables:\n  x_a: {request: {url: \"{{ config.u "
    "}}\"}, rows: \"a[*]\", columns: {id: integer, b: {type: json}}}\n",
    "a: &x {k: [1, 2, 'q']}\nb:\n  <<: *x\n  l: |\n    text\n",
    "{{ (config.n | default('a') | split('/') | first) if config.o else "
    "[1, null] }} and {{ config.l | join(', ') | regex('(x+)', 1) }}",
    "a.b[0][*].*[\"odd name\"].@key",
};

static void test_spec_odd_bytes_do_no_harm(void) {
  static const cq_node at = {.kind = CQ_N_SCALAR, .line = 1, .file = "f"};
  static const char odd[] =
      "\0\x01\x7f\x80\xff{}[]()|'\"\\.,:*&!%@#-?<>=\n\t 09x";

  for (int k = 0; k < 30000; k++) {
    char text[600];
    size_t n = strlen(seeds[k % 4]);
    cq_arena a;
    cq_node *tree;
    cq_template *t;
    cq_path *p;
    cq_value v;
    cq_error err = {0, ""};

    memcpy(text, seeds[k % 4], n + 1);
    for (uint64_t times = 1 + dice() % 4; times && n; times--) {
      size_t i = dice() % n, part = dice() % (n - i);

      if (dice() % 2) {
        text[i] = odd[dice() % (sizeof odd - 1)];
      } else if (dice() % 2) {
        memmove(text + i, text + i + part, n - i - part);
        n -= part;
      } else if (n + part < sizeof text) {
        memmove(text + i + part, text + i, n - i);
        n += part;
      }
    }
    text[n] = 0;
    cq_arena_init(&a);
    if (cq_tree_parse(&a, "f", text, n, &tree, &err)) CHECK(err.text[0]);
    if (cq_template_parse(&a, &at, text, 1u << CQ_R_CONFIG, &t, &err) == CQ_OK)
      cq_template_eval(t, &names, CQ_PLACE_QUERY, &a, &v, &err);
    if (cq_path_parse(&a, text, n, &p, &err) == CQ_OK)
      cq_path_get(&a, p, "{\"a\":{\"b\":[[{\"x\":1}]]}}", 23, &v, &err);
    cq_arena_clear(&a);
  }
}

static void test_spec_survives_failing_allocations(void) {
  static const cq_node at = {.kind = CQ_N_SCALAR, .line = 1, .file = "f"};

  for (int k = 0; k < 4; k++) {
    int hit = 1;

    for (long n = 1; hit && n < 3000; n++) {
      cq_arena a;
      cq_node *tree;
      cq_template *t;
      cq_path *p;
      cq_value v;
      int rc = CQ_OK;

      cq_fault_set(n);
      cq_arena_init(&a);
      if (k < 2)
        rc = cq_tree_parse(&a, "f", seeds[k], strlen(seeds[k]), &tree, NULL);
      else if (k == 2)
        rc = cq_template_parse(&a, &at, seeds[k], 1u << CQ_R_CONFIG, &t, NULL);
      else
        rc = cq_path_parse(&a, seeds[k], strlen(seeds[k]), &p, NULL);
      if (rc == CQ_OK && k == 2)
        rc = cq_template_eval(t, &names, CQ_PLACE_PLAIN, &a, &v, NULL);
      hit = cq_fault_hit();
      cq_fault_set(0);
      CHECK_INT(rc, hit ? CQ_NOMEM : CQ_OK);
      cq_arena_clear(&a);
    }
    CHECK(!hit);
  }
}

int main(void) {
  RUN(test_tree_types_are_those_of_yamls_core_schema);
  RUN(test_tree_aliases_and_merges);
  RUN(test_tree_refuses);
  RUN(test_tree_bombs_are_bounded);
  RUN(test_tree_overlays);
  RUN(test_tree_keys_that_are_unknown);
  RUN(test_path_gets);
  RUN(test_path_refuses);
  RUN(test_template_values);
  RUN(test_template_operators);
  RUN(test_template_times);
  RUN(test_template_hash);
  RUN(test_template_get);
  RUN(test_template_xml);
  RUN(test_template_places_encode);
  RUN(test_template_refuses);
  RUN(test_spec_odd_bytes_do_no_harm);
  RUN(test_spec_survives_failing_allocations);
  return test_done();
}
