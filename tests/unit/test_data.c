/* tests/unit/test_data.c: types, values, conversion, _cq_id text, batches. */
#include "data/data.h"
#include "test.h"

#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>

static cq_arena arena;

/* ---- types ------------------------------------------------------------------ */
static void test_type_names_round_trip(void) {
  int t, list;
  for (t = CQ_TEXT; t <= CQ_JSON; t++) {
    for (list = 0; list <= CQ_LIST; list += CQ_LIST)
      CHECK_INT(cq_type_parse(cq_type_name(t | list)), t | list);
  }
  CHECK_INT(cq_type_parse("list of text"), CQ_LIST | CQ_TEXT);
  CHECK_INT(cq_type_parse("Text"), 0);
  CHECK_INT(cq_type_parse("list of list of text"), 0);
  CHECK_INT(cq_type_parse(""), 0);
  CHECK_INT(cq_type_parse(NULL), 0);
}

static void test_type_declares_four_words(void) {
  CHECK_STR(cq_type_sql(CQ_TEXT), "TEXT");
  CHECK_STR(cq_type_sql(CQ_INTEGER), "INTEGER");
  CHECK_STR(cq_type_sql(CQ_BOOLEAN), "INTEGER");
  CHECK_STR(cq_type_sql(CQ_REAL), "REAL");
  CHECK_STR(cq_type_sql(CQ_BLOB), "BLOB");
  CHECK_STR(cq_type_sql(CQ_JSON), "TEXT");
  CHECK_STR(cq_type_sql(CQ_LIST | CQ_INTEGER), "TEXT");
}

/* ---- values ----------------------------------------------------------------- */
static void test_value_is_small(void) {
  CHECK_INT(sizeof(cq_value), 16);
}

static void test_value_same_is_by_bytes(void) {
  cq_value a = cq_value_str("abc", 3), b = cq_value_str("abcd", 3);
  cq_value nan = cq_value_real(NAN), zero = cq_value_real(0.0);
  cq_value minus = cq_value_real(-0.0), one = cq_value_int(1);
  cq_value real = cq_value_real(1), null = cq_value_text(NULL);
  CHECK(cq_value_same(&a, &b));
  b.len = 4;
  CHECK(!cq_value_same(&a, &b));
  CHECK(cq_value_same(&nan, &nan));
  CHECK(!cq_value_same(&zero, &minus));
  CHECK(!cq_value_same(&one, &real));
  CHECK(cq_value_same(&null, &null));
  CHECK(!cq_value_same(&null, &a));
}

static void test_value_copy_is_deep(void) {
  char text[] = "abc";
  cq_value v = cq_value_json(text, 3), c;
  CHECK_INT(cq_value_copy(&arena, &v, &c), CQ_OK);
  text[0] = 'x';
  CHECK_INT(c.json, 1);
  CHECK(memcmp(c.u.s, "abc", 3) == 0);
}

/* ---- numbers ---------------------------------------------------------------- */
static uint64_t lcg_state = 42;
static uint64_t lcg(void) {
  lcg_state = lcg_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return lcg_state ^ lcg_state >> 29;
}

static double random_real(void) {
  uint64_t bits = lcg();
  double r;
  if (bits % 3 == 0) return (double)(int64_t)(lcg() % 2000000) / 100.0;
  bits = lcg();
  memcpy(&r, &bits, sizeof(r));
  return isfinite(r) ? r : 1.5;
}

static void test_real_reads_back(void) {
  int i, wrong = 0;
  for (i = 0; i < 20000; i++) {
    double r = random_real();
    char text[CQ_REAL_TEXT], plain[CQ_REAL_PLAIN];
    size_t n = cq_real_format(r, text), np = cq_real_plain(r, plain);
    cq_value v;
    if (strtod(text, NULL) != r || strlen(text) != n) wrong++;
    if (strtod(plain, NULL) != r || strlen(plain) != np) wrong++;
    if (strchr(plain, 'e')) wrong++;
    if (cq_number_parse(text, n, &v) != CQ_OK || v.kind != CQ_DOUBLE ||
        v.u.r != r)
      wrong++;
  }
  CHECK_INT(wrong, 0);
}

/* Where 15 digits are enough, the text is what SQLite's own CAST gives. */
static void test_real_prints_as_sqlite(void) {
  static const double some[] = {
      0,   1,   -1,   1e14, 1e15, 123456789012345.0, 1e-4, 1e-5, 1e100, 1e-300,
      0.1, 2.5, 1e16, 100,  5e-7};
  sqlite3 *db;
  sqlite3_stmt *q;
  int i, wrong = 0, compared = 0;
  CHECK_INT(sqlite3_open(":memory:", &db), SQLITE_OK);
  CHECK_INT(sqlite3_prepare_v2(db, "SELECT CAST(?1 AS TEXT)", -1, &q, NULL),
            SQLITE_OK);
  for (i = 0; i < 20000; i++) {
    int k = i < 15 ? i : -1;
    double r = k >= 0 ? some[k] : random_real();
    char text[CQ_REAL_TEXT], fifteen[64];
    const char *want;
    snprintf(fifteen, sizeof(fifteen), "%.15g", r);
    /* SQLite 3.40 has no exact digits for the smallest numbers. */
    if (strtod(fifteen, NULL) != r || (r != 0 && fabs(r) < 1e-290)) continue;
    sqlite3_bind_double(q, 1, r);
    if (sqlite3_step(q) != SQLITE_ROW) wrong++;
    want = (const char *)sqlite3_column_text(q, 0);
    cq_real_format(r, text);
    if (strcmp(text, want) != 0) {
      printf("# %s, SQLite %s\n", text, want);
      wrong++;
    }
    compared++;
    sqlite3_reset(q);
  }
  sqlite3_finalize(q);
  sqlite3_close(db);
  CHECK_INT(wrong, 0);
  CHECK(compared > 5000);
}

/* A locale with a decimal comma: an installed one, or one made for the test
 * in a folder of its own.  The folder's name stays in dir, to be removed. */
static int comma_locale(char *dir, size_t cap) {
  static const char *const names[] = {"de_DE.UTF-8", "fr_FR.UTF-8"};
  const char *tmp = getenv("TMPDIR");
  char cmd[512];
  size_t i;
  dir[0] = '\0';
  for (i = 0; i < 2; i++)
    if (setlocale(LC_NUMERIC, names[i])) return 1;
  snprintf(dir, cap, "%s/cq-locale-XXXXXX", tmp ? tmp : "/tmp");
  if (!mkdtemp(dir)) {
    dir[0] = '\0';
    return 0;
  }
  snprintf(cmd, sizeof(cmd),
           "cd '%s' && printf 'LC_NUMERIC\\ndecimal_point \",\"\\n"
           "thousands_sep \".\"\\ngrouping 3;3\\nEND LC_NUMERIC\\n' >src && "
           "localedef --no-archive -c -i src -f UTF-8 ./xx_XX >log 2>&1",
           dir);
  /* localedef's status is 1 for warnings too: setlocale decides. */
  if (system(cmd) == -1) return 0;
  setenv("LOCPATH", dir, 1);
  return setlocale(LC_NUMERIC, "xx_XX") != NULL;
}

static void test_real_ignores_the_locale(void) {
  char text[CQ_REAL_TEXT], plain[CQ_REAL_PLAIN], dir[256], cmd[300];
  char host[32];
  cq_value v;
  int comma = comma_locale(dir, sizeof(dir));
  snprintf(host, sizeof(host), "%.1f", 1.5);
  cq_real_format(1234.5678, text);
  cq_real_plain(0.1, plain);
  CHECK_INT(cq_number_parse("2.75", 4, &v), CQ_OK);
  CHECK(v.kind == CQ_DOUBLE && v.u.r == 2.75);
  setlocale(LC_NUMERIC, "C");
  unsetenv("LOCPATH");
  CHECK_STR(text, "1234.5678");
  CHECK_STR(plain, "0.1");
  if (comma)
    CHECK_STR(host, "1,5");
  else
    printf("# no locale with a decimal comma can be had here\n");
  if (dir[0]) {
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
    CHECK_INT(system(cmd), 0);
  }
}

static void test_number_keeps_what_is_too_big(void) {
  cq_value v;
  CHECK_INT(cq_number_parse("9223372036854775807", 19, &v), CQ_OK);
  CHECK(v.kind == CQ_INT && v.u.i == INT64_MAX);
  CHECK_INT(cq_number_parse("-9223372036854775808", 20, &v), CQ_OK);
  CHECK(v.kind == CQ_INT && v.u.i == INT64_MIN);
  CHECK_INT(cq_number_parse("9223372036854775808", 19, &v), CQ_OK);
  CHECK(v.kind == CQ_STR && v.len == 19);
  CHECK_INT(cq_number_parse("-9223372036854775809", 20, &v), CQ_OK);
  CHECK(v.kind == CQ_STR);
  CHECK_INT(cq_number_parse("1e400", 5, &v), CQ_OK);
  CHECK(v.kind == CQ_STR);
  CHECK_INT(cq_number_parse("1e2", 3, &v), CQ_OK);
  CHECK(v.kind == CQ_DOUBLE && v.u.r == 100);
}

static void test_number_refuses_the_rest(void) {
  static const char *const bad[] = {"",      "-",   "+",     ".",  "1e", "1e+",
                                    "0x10",  "inf", "nan",   "1 ", " 1", "1,5",
                                    "1_000", "--1", "1.2.3", "e5"};
  size_t i;
  cq_value v;
  for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    CHECK_INT(cq_number_parse(bad[i], strlen(bad[i]), &v), CQ_ERROR);
}

/* ---- JSON text --------------------------------------------------------------- */
static const char *minify(const char *s, size_t n) {
  static char out[8192];
  cq_buf b;
  int rc;
  cq_buf_init(&b, sizeof(out) - 1);
  cq_buf_byte(&b, '<');
  rc = cq_json_minify(&b, s, n);
  if (rc == CQ_OK) cq_buf_byte(&b, '>');
  if (b.rc != CQ_OK || (rc != CQ_OK && strcmp(b.data, "<") != 0))
    snprintf(out, sizeof(out), "broken");
  else
    snprintf(out, sizeof(out), "%s", rc == CQ_OK ? b.data : "refused");
  cq_buf_clear(&b);
  return out;
}

static void test_json_minifies(void) {
  CHECK_STR(
      minify(" { \"b\" : [ 1 , 2.50 ] ,\n\"a b\":{ } , \"c\":[\t] } ", 45),
      "<{\"b\":[1,2.50],\"a b\":{},\"c\":[]}>");
  CHECK_STR(minify("{\"b\":1,\"b\":2}", 13), "<{\"b\":1,\"b\":2}>");
  CHECK_STR(minify(" 1e400 ", 7), "<1e400>");
  CHECK_STR(minify("123456789012345678901234567890", 30),
            "<123456789012345678901234567890>");
  CHECK_STR(minify("\" a \\u0000 \\ud800 \"", 19), "<\" a \\u0000 \\ud800 \">");
  CHECK_STR(minify("[[[]],{\"x\":[{}]}]", 17), "<[[[]],{\"x\":[{}]}]>");
}

static void test_json_bounds_its_depth(void) {
  char deep[2 * (CQ_MAX_JSON_DEPTH + 2)];
  int n;
  for (n = CQ_MAX_JSON_DEPTH; n <= CQ_MAX_JSON_DEPTH + 1; n++) {
    cq_buf b;
    memset(deep, '[', (size_t)n);
    deep[n] = '1';
    memset(deep + n + 1, ']', (size_t)n);
    cq_buf_init(&b, SIZE_MAX);
    CHECK_INT(cq_json_minify(&b, deep, 2 * (size_t)n + 1),
              n > CQ_MAX_JSON_DEPTH ? CQ_ERROR : CQ_OK);
    cq_buf_clear(&b);
  }
}

/* jansson is the oracle: mutated documents are accepted by both or by none,
 * and the minified text has the same value.  It refuses more in two cases:
 * numbers beyond its types, and surrogates alone. */
static void test_json_agrees_with_jansson(void) {
  static const char *const seeds[] = {
      "{\"a\": [1, -2.5e+3, true, false, null], \"b\\n\": {\"c\": "
      "\"\\u00e9\"}}",
      "[ \"x\\\\\\\"\", {}, [], [[1],[2]], 0, -0.0, 1E5 ]",
      "{\"\xC3\xA9\": \"\xE2\x82\xAC \xF0\x9F\x98\x80\", \"\": [{\"k\": 1}]}"};
  static const char alphabet[] = "{}[]\",:\\ut0123e.-+ \n\x80\xFF\x01xfn";
  int i, wrong = 0, both = 0;
  for (i = 0; i < 60000; i++) {
    char s[128];
    size_t n, k, edits = lcg() % 4;
    cq_buf b;
    json_t *tree, *again;
    json_error_t e;
    int rc;
    const char *seed = seeds[i % 3];
    n = strlen(seed);
    memcpy(s, seed, n);
    for (k = 0; k < edits; k++) {
      size_t at = lcg() % n;
      if (lcg() % 3 == 0 && n > 2) {
        memmove(s + at, s + at + 1, n - at - 1);
        n--;
      } else {
        s[at] = alphabet[lcg() % (sizeof(alphabet) - 1)];
      }
    }
    cq_buf_init(&b, SIZE_MAX);
    rc = cq_json_minify(&b, s, n);
    tree = json_loadb(s, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (tree && rc != CQ_OK) wrong++;
    if (!tree && rc == CQ_OK && !strstr(e.text, "too big") &&
        !strstr(e.text, "overflow") && !strstr(e.text, "invalid Unicode")) {
      printf("# jansson: %s: %.*s\n", e.text, (int)n, s);
      wrong++;
    }
    if (tree && rc == CQ_OK) {
      again = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
      if (!again || !json_equal(tree, again)) wrong++;
      if (b.len > n) wrong++;
      json_decref(again);
      both++;
    }
    json_decref(tree);
    cq_buf_clear(&b);
  }
  CHECK_INT(wrong, 0);
  CHECK(both > 10000);
}

static void test_json_unquotes(void) {
  static const struct {
    const char *in, *out;
  } cases[] = {{"\"abc\"", "abc"},
               {"\"\"", ""},
               {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "a\"\\/\b\f\n\r\t"},
               {"\"\\u0041\\u00e9\\u20AC\"", "A\xC3\xA9\xE2\x82\xAC"},
               {"\"\\ud83d\\ude00!\"", "\xF0\x9F\x98\x80!"},
               {"\"\\u0000\"", "\xEF\xBF\xBD"},
               {"\"\\ud83dx\"", "\xEF\xBF\xBDx"},
               {"\"\\ude00\"", "\xEF\xBF\xBD"},
               {"\"\\ud83d\\ud83d\\ude00\"", "\xEF\xBF\xBD\xF0\x9F\x98\x80"},
               {"\"\\ud83d\\u0041\"", "\xEF\xBF\xBD"
                                      "A"},
               {"\"\\ud83d\"", "\xEF\xBF\xBD"}};
  size_t i;
  cq_value v;
  for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    char *text;
    CHECK_INT(cq_json_unquote(&arena, cases[i].in, strlen(cases[i].in), &v),
              CQ_OK);
    text = cq_strndup(v.u.s, v.len);
    CHECK_STR(text, cases[i].out);
    cq_free(text);
  }
  CHECK_INT(cq_json_unquote(&arena, "\"a", 2, &v), CQ_ERROR);
  CHECK_INT(cq_json_unquote(&arena, "\"a\"b", 4, &v), CQ_ERROR);
  CHECK_INT(cq_json_unquote(&arena, "\"\\ud8\"", 6, &v), CQ_ERROR);
}

static void test_json_elements_are_bounded(void) {
  static const char whole[] = "[1,\"a\",{\"b\":[\"]\"]},null,2.5,true]";
  size_t n = strlen(whole), cut, at = 0;
  int seen = 0, rc;
  cq_value v;
  while ((rc = cq_json_element(&arena, whole, n, &at, &v)) == CQ_ROW) seen++;
  CHECK_INT(rc, CQ_DONE);
  CHECK_INT(seen, 6);
  /* Any cut text ends in an error, and is not read beyond. */
  for (cut = 0; cut < n; cut++) {
    char *s = malloc(cut ? cut : 1);
    memcpy(s, whole, cut);
    at = 0;
    while ((rc = cq_json_element(&arena, s, cut, &at, &v)) == CQ_ROW) {
    }
    CHECK_INT(rc, CQ_ERROR);
    free(s);
  }
}

static void test_json_members_are_bounded(void) {
  static const char whole[] =
      "{\"a\":1,\"\\\"b}\":\"}\",\"c\":{\"d\":[\"]\"]},\"\":null}";
  static const char *const keys[] = {"a", "\\\"b}", "c", ""};
  static const char *const values[] = {"1", "\"}\"", "{\"d\":[\"]\"]}", "null"};
  size_t n = strlen(whole), cut, at = 0;
  int seen = 0, rc;
  cq_value k, v;
  while ((rc = cq_json_member(whole, n, &at, &k, &v)) == CQ_ROW) {
    CHECK(k.len == strlen(keys[seen]) && !memcmp(k.u.s, keys[seen], k.len));
    CHECK(v.len == strlen(values[seen]) && !memcmp(v.u.s, values[seen], v.len));
    seen++;
  }
  CHECK_INT(rc, CQ_DONE);
  CHECK_INT(seen, 4);
  for (cut = 0; cut < n; cut++) {
    char *s = malloc(cut ? cut : 1);
    memcpy(s, whole, cut);
    at = 0;
    while ((rc = cq_json_member(s, cut, &at, &k, &v)) == CQ_ROW) {
    }
    CHECK_INT(rc, CQ_ERROR);
    free(s);
  }
  at = 0;
  CHECK_INT(cq_json_member("{}", 2, &at, &k, &v), CQ_DONE);
  CHECK_INT(cq_json_member("[1]", 3, &at, &k, &v), CQ_ERROR);
}

/* ---- conversion ----------------------------------------------------------------- */
static int lossy;

/* "kind:text" of a raw value converted; kinds n i r s j b; '!' where counted. */
static const char *as(cq_value raw, int type, const char *format) {
  static char out[1024];
  cq_value v, t;
  char kind;
  int before = lossy;
  if (cq_value_convert(&arena, &raw, type, format, &v, &lossy) != CQ_OK)
    return "failed";
  kind = "nirsb"[v.kind];
  if (v.kind == CQ_STR && v.json) kind = 'j';
  if (v.kind == CQ_BYTES) v.kind = CQ_STR;
  if (cq_value_to_text(&arena, &v, &t) != CQ_OK) return "failed";
  snprintf(out, sizeof(out), "%s%c:%.*s", lossy > before ? "!" : "", kind,
           t.kind ? (int)t.len : 0, t.kind ? t.u.s : "");
  return out;
}
#define T(s) cq_value_text(s)
#define I(i) cq_value_int(i)
#define R(r) cq_value_real(r)
#define J(s) cq_value_json(s, strlen(s))

static void test_convert_null_and_empty(void) {
  int t;
  for (t = CQ_TEXT; t <= CQ_JSON; t++) {
    CHECK_STR(as(cq_value_null(), t, NULL), "n:");
    CHECK_STR(as(cq_value_null(), t | CQ_LIST, NULL), "n:");
    CHECK_STR(as(J("null"), t, NULL), t == CQ_JSON ? "j:null" : "n:");
    if (t != CQ_TEXT && t != CQ_BLOB) CHECK_STR(as(T(" \n"), t, NULL), "n:");
  }
  CHECK_STR(as(T(""), CQ_TEXT, NULL), "s:");
  CHECK_STR(as(T(" a "), CQ_TEXT, NULL), "s: a ");
}

static void test_convert_text(void) {
  CHECK_STR(as(I(-12), CQ_TEXT, NULL), "s:-12");
  CHECK_STR(as(R(1), CQ_TEXT, NULL), "s:1.0");
  CHECK_STR(as(R(0.1 + 0.2), CQ_TEXT, NULL), "s:0.30000000000000004");
  CHECK_STR(as(T("true"), CQ_TEXT, NULL), "s:true");
  CHECK_STR(as(J("{\"a\":1}"), CQ_TEXT, NULL), "s:{\"a\":1}");
  CHECK_STR(as(J("\"a\\nb\""), CQ_TEXT, NULL), "s:a\nb");
  CHECK_STR(as(J("12"), CQ_TEXT, NULL), "s:12");
}

static void test_convert_integer(void) {
  CHECK_STR(as(I(5), CQ_INTEGER, NULL), "i:5");
  CHECK_STR(as(T(" 12\n"), CQ_INTEGER, NULL), "i:12");
  CHECK_STR(as(T("-012"), CQ_INTEGER, NULL), "i:-12");
  CHECK_STR(as(T("12.0"), CQ_INTEGER, NULL), "i:12");
  CHECK_STR(as(R(3), CQ_INTEGER, NULL), "i:3");
  CHECK_STR(as(R(-9223372036854775808.0), CQ_INTEGER, NULL),
            "i:-9223372036854775808");
  CHECK_STR(as(R(9223372036854775808.0), CQ_INTEGER, NULL),
            "s:9223372036854775808");
  CHECK_STR(as(R(1e20), CQ_INTEGER, NULL), "s:100000000000000000000");
  CHECK_STR(as(T("18446744073709551615"), CQ_INTEGER, NULL),
            "s:18446744073709551615");
  CHECK_STR(as(R(1.5), CQ_INTEGER, NULL), "!s:1.5");
  CHECK_STR(as(T("twelve"), CQ_INTEGER, NULL), "!s:twelve");
  CHECK_STR(as(T("true"), CQ_INTEGER, NULL), "!s:true");
  CHECK_STR(as(J("[1]"), CQ_INTEGER, NULL), "!s:[1]");
}

static void test_convert_real(void) {
  CHECK_STR(as(I(2), CQ_REAL, NULL), "r:2.0");
  CHECK_STR(as(T("1e3"), CQ_REAL, NULL), "r:1000.0");
  CHECK_STR(as(T("18446744073709551616"), CQ_REAL, NULL),
            "r:1.8446744073709552e+19");
  CHECK_STR(as(T("1e400"), CQ_REAL, NULL), "!s:1e400");
  CHECK_STR(as(T("NaN"), CQ_REAL, NULL), "!s:NaN");
  CHECK_STR(as(T("1,5"), CQ_REAL, NULL), "!s:1,5");
}

static void test_convert_boolean(void) {
  CHECK_STR(as(I(1), CQ_BOOLEAN, NULL), "i:1");
  CHECK_STR(as(I(0), CQ_BOOLEAN, NULL), "i:0");
  CHECK_STR(as(T("true"), CQ_BOOLEAN, NULL), "i:1");
  CHECK_STR(as(T("False"), CQ_BOOLEAN, NULL), "i:0");
  CHECK_STR(as(T("TRUE"), CQ_BOOLEAN, NULL), "i:1");
  CHECK_STR(as(J("false"), CQ_BOOLEAN, NULL), "i:0");
  CHECK_STR(as(T("1"), CQ_BOOLEAN, NULL), "i:1");
  CHECK_STR(as(R(0), CQ_BOOLEAN, NULL), "i:0");
  CHECK_STR(as(I(2), CQ_BOOLEAN, NULL), "!s:2");
  CHECK_STR(as(T("enabled"), CQ_BOOLEAN, NULL), "!s:enabled");
}

static void test_convert_timestamp(void) {
  CHECK_STR(as(T("2024-01-02T03:04:05Z"), CQ_TIMESTAMP, NULL),
            "s:2024-01-02T03:04:05Z");
  CHECK_STR(as(T(" 2024-01-02 03:04:05.500+01:00 "), CQ_TIMESTAMP, NULL),
            "s:2024-01-02T02:04:05.5Z");
  CHECK_STR(as(T("Sun, 06 Nov 1994 08:49:37 GMT"), CQ_TIMESTAMP, NULL),
            "s:1994-11-06T08:49:37Z");
  CHECK_STR(as(I(1700000000), CQ_TIMESTAMP, NULL), "s:2023-11-14T22:13:20Z");
  CHECK_STR(as(R(1700000000.123), CQ_TIMESTAMP, NULL),
            "s:2023-11-14T22:13:20.123Z");
  CHECK_STR(as(R(1.7e9), CQ_TIMESTAMP, "epoch"), "s:2023-11-14T22:13:20Z");
  CHECK_STR(as(I(1700000000123), CQ_TIMESTAMP, "epoch_ms"),
            "s:2023-11-14T22:13:20.123Z");
  CHECK_STR(as(I(1700000000123456), CQ_TIMESTAMP, "epoch_us"),
            "s:2023-11-14T22:13:20.123456Z");
  CHECK_STR(as(T("1700000000.1234567"), CQ_TIMESTAMP, "epoch"),
            "s:2023-11-14T22:13:20.123456Z");
  CHECK_STR(as(T("1700000000123"), CQ_TIMESTAMP, "epoch_ms"),
            "s:2023-11-14T22:13:20.123Z");
  CHECK_STR(as(T("-1.5"), CQ_TIMESTAMP, "epoch"), "s:1969-12-31T23:59:58.5Z");
  CHECK_STR(as(T("2024-01-02T03:04:05Z"), CQ_TIMESTAMP, "epoch"),
            "s:2024-01-02T03:04:05Z");
  CHECK_STR(as(T("1700000000"), CQ_TIMESTAMP, NULL), "!s:1700000000");
  CHECK_STR(as(T("soon"), CQ_TIMESTAMP, NULL), "!s:soon");
  CHECK_STR(as(I(INT64_MAX), CQ_TIMESTAMP, NULL), "!s:9223372036854775807");
  CHECK_STR(as(T("99999999999999999999"), CQ_TIMESTAMP, "epoch"),
            "!s:99999999999999999999");
  CHECK_STR(as(R(1e300), CQ_TIMESTAMP, NULL), "!s:1.0e+300");
  CHECK_STR(as(R(NAN), CQ_TIMESTAMP, NULL), "!s:NaN");
}

static void test_convert_date(void) {
  CHECK_STR(as(T("2024-01-02"), CQ_DATE, NULL), "s:2024-01-02");
  CHECK_STR(as(T("2024-01-02T01:00:00+05:00"), CQ_DATE, NULL), "s:2024-01-01");
  CHECK_STR(as(I(86400), CQ_DATE, NULL), "s:1970-01-02");
  CHECK_STR(as(T("2024-02-30"), CQ_DATE, NULL), "!s:2024-02-30");
}

static void test_convert_decimal(void) {
  CHECK_STR(as(T(" 12.3400 "), CQ_DECIMAL, NULL), "s:12.3400");
  CHECK_STR(as(T("123456789012345678901234567890.5"), CQ_DECIMAL, NULL),
            "s:123456789012345678901234567890.5");
  CHECK_STR(as(I(7), CQ_DECIMAL, NULL), "s:7");
  CHECK_STR(as(R(0.1), CQ_DECIMAL, NULL), "s:0.1");
  CHECK_STR(as(T("1.2 EUR"), CQ_DECIMAL, NULL), "!s:1.2 EUR");
}

static void test_convert_uuid(void) {
  const char *want = "s:aed9b8c3-aefd-5d70-af42-55cf550f174f";
  CHECK_STR(as(T("AED9B8C3-aefd-5d70-AF42-55cf550f174f"), CQ_UUID, NULL), want);
  CHECK_STR(as(T("aed9b8c3aefd5d70af4255cf550f174f"), CQ_UUID, NULL), want);
  CHECK_STR(as(T("{aed9b8c3-aefd-5d70-af42-55cf550f174f}"), CQ_UUID, NULL),
            want);
  CHECK_STR(
      as(T("urn:uuid:aed9b8c3-aefd-5d70-af42-55cf550f174f"), CQ_UUID, NULL),
      want);
  CHECK_STR(as(T("aed9b8c3-aefd-5d70-af42-55cf550f174"), CQ_UUID, NULL),
            "!s:aed9b8c3-aefd-5d70-af42-55cf550f174");
  CHECK_STR(as(T("aed9b8c3-aefd-5d70-af4255-cf550f174f"), CQ_UUID, NULL),
            "!s:aed9b8c3-aefd-5d70-af4255-cf550f174f");
  CHECK_STR(as(T("xed9b8c3aefd5d70af4255cf550f174f"), CQ_UUID, NULL),
            "!s:xed9b8c3aefd5d70af4255cf550f174f");
}

static void test_convert_addresses(void) {
  CHECK_STR(as(T("10.0.0.1"), CQ_INET, NULL), "s:10.0.0.1");
  CHECK_STR(as(T("10.0.0.1/32"), CQ_INET, NULL), "s:10.0.0.1");
  CHECK_STR(as(T("10.0.0.5/24"), CQ_INET, NULL), "s:10.0.0.5/24");
  CHECK_STR(as(T("2001:DB8:0:0::1"), CQ_INET, NULL), "s:2001:db8::1");
  CHECK_STR(as(T("::1/128"), CQ_INET, NULL), "s:::1");
  CHECK_STR(as(T("10.0.0.0/8"), CQ_CIDR, NULL), "s:10.0.0.0/8");
  CHECK_STR(as(T("10.0.0.1/32"), CQ_CIDR, NULL), "s:10.0.0.1/32");
  CHECK_STR(as(T("10.0.0.1"), CQ_CIDR, NULL), "s:10.0.0.1");
  CHECK_STR(as(T("0.0.0.0/0"), CQ_CIDR, NULL), "s:0.0.0.0/0");
  CHECK_STR(as(T("2001:0DB8::/32"), CQ_CIDR, NULL), "s:2001:db8::/32");
  CHECK_STR(as(T("10.0.0.0/33"), CQ_CIDR, NULL), "!s:10.0.0.0/33");
  CHECK_STR(as(T("10.0.0.0/08"), CQ_CIDR, NULL), "!s:10.0.0.0/08");
  CHECK_STR(as(T("10.0.0.0/"), CQ_CIDR, NULL), "!s:10.0.0.0/");
  CHECK_STR(as(T("10.0.0"), CQ_INET, NULL), "!s:10.0.0");
  CHECK_STR(as(T("fe80::1%eth0"), CQ_INET, NULL), "!s:fe80::1%eth0");
  CHECK_STR(as(T("localhost"), CQ_INET, NULL), "!s:localhost");
}

static void test_convert_mac(void) {
  const char *want = "s:00:1a:2b:3c:4d:5e";
  CHECK_STR(as(T("00:1A:2b:3c:4D:5e"), CQ_MAC, NULL), want);
  CHECK_STR(as(T("00-1A-2B-3C-4D-5E"), CQ_MAC, NULL), want);
  CHECK_STR(as(T("001a.2b3c.4d5e"), CQ_MAC, NULL), want);
  CHECK_STR(as(T("001A2B3C4D5E"), CQ_MAC, NULL), want);
  CHECK_STR(as(T("00-1a-2b-3c-4d-5e-6f-70"), CQ_MAC, NULL),
            "s:00:1a:2b:3c:4d:5e:6f:70");
  CHECK_STR(as(T("00:1a-2b:3c:4d:5e"), CQ_MAC, NULL), "!s:00:1a-2b:3c:4d:5e");
  CHECK_STR(as(T("0:1a:2b:3c:4d:5e"), CQ_MAC, NULL), "!s:0:1a:2b:3c:4d:5e");
  CHECK_STR(as(T("00:1a:2b:3c:4d"), CQ_MAC, NULL), "!s:00:1a:2b:3c:4d");
  CHECK_STR(as(T("00:1a:2b:3c:4d:5e:"), CQ_MAC, NULL), "!s:00:1a:2b:3c:4d:5e:");
  CHECK_STR(as(T(":00:1a:2b:3c:4d:5e"), CQ_MAC, NULL), "!s::00:1a:2b:3c:4d:5e");
}

static void test_convert_blob(void) {
  CHECK_STR(as(T("Zm9v"), CQ_BLOB, "base64"), "b:foo");
  CHECK_STR(as(T(""), CQ_BLOB, "base64"), "b:");
  CHECK_STR(as(T("Zm9v"), CQ_BLOB, NULL), "b:Zm9v");
  CHECK_STR(as(T("Z!"), CQ_BLOB, "base64"), "!b:Z!");
  CHECK_STR(as(I(1), CQ_BLOB, NULL), "!b:1");
}

static void test_convert_json(void) {
  CHECK_STR(as(J("{\"a\":1}"), CQ_JSON, NULL), "j:{\"a\":1}");
  CHECK_STR(as(T("{ \"a\": 1e400 }"), CQ_JSON, NULL), "j:{\"a\":1e400}");
  CHECK_STR(as(T("plain \"text\""), CQ_JSON, NULL), "j:\"plain \\\"text\\\"\"");
  CHECK_STR(as(T("{\"a\":}"), CQ_JSON, NULL), "j:\"{\\\"a\\\":}\"");
  CHECK_STR(as(T("true"), CQ_JSON, NULL), "j:true");
  CHECK_STR(as(J("\"12\""), CQ_JSON, NULL), "j:\"12\"");
  CHECK_STR(as(I(12), CQ_JSON, NULL), "j:12");
  CHECK_STR(as(R(1.5), CQ_JSON, NULL), "j:1.5");
  CHECK_STR(as(R(INFINITY), CQ_JSON, NULL), "!n:");
}

static void test_convert_lists(void) {
  const int lt = CQ_LIST | CQ_TEXT, li = CQ_LIST | CQ_INTEGER;
  CHECK_STR(as(J("[\"a\",null,\"b\"]"), lt, NULL), "j:[\"a\",null,\"b\"]");
  CHECK_STR(as(J("[]"), lt, NULL), "j:[]");
  CHECK_STR(as(J("[1,true,\"\\u0041\",{\"k\":\"v\"},1.5]"), lt, NULL),
            "j:[\"1\",\"true\",\"A\",\"{\\\"k\\\":\\\"v\\\"}\",\"1.5\"]");
  CHECK_STR(as(T("one"), lt, NULL), "j:[\"one\"]");
  CHECK_STR(as(T(" one "), lt, NULL), "j:[\" one \"]");
  CHECK_STR(as(T("[ \"x\" , 2 ]"), lt, NULL), "j:[\"x\",\"2\"]");
  CHECK_STR(as(T(" [1] "), lt, NULL), "j:[\"1\"]");
  CHECK_STR(as(T("[x"), lt, NULL), "j:[\"[x\"]");
  CHECK_STR(as(J("[\"1\",2,\"x\"]"), li, NULL), "!j:[1,2,\"x\"]");
  CHECK_STR(as(J("[\" 1\",\"2 \",\"\",\" \"]"), li, NULL), "j:[1,2,null,null]");
  CHECK_STR(as(J("[\" 10.0.0.1 \",\"::1\"]"), CQ_LIST | CQ_INET, NULL),
            "j:[\"10.0.0.1\",\"::1\"]");
  CHECK_STR(as(J("[\" a \",\"\"]"), lt, NULL), "j:[\" a \",\"\"]");
  CHECK_STR(as(J("[\" foo\",\"\"]"), CQ_LIST | CQ_BLOB, NULL),
            "j:[\"IGZvbw==\",\"\"]");
  CHECK_STR(as(J("[1234]"), CQ_LIST | CQ_BLOB, NULL), "!j:[\"MTIzNA==\"]");
  CHECK_STR(as(I(5), li, NULL), "j:[5]");
  CHECK_STR(as(J("[18446744073709551615]"), li, NULL),
            "j:[\"18446744073709551615\"]");
  CHECK_STR(as(J("[\"True\",false]"), CQ_LIST | CQ_BOOLEAN, NULL),
            "j:[true,false]");
  CHECK_STR(as(J("[1,2.5]"), CQ_LIST | CQ_REAL, NULL), "j:[1.0,2.5]");
  CHECK_STR(as(J("[1.10,-0, 12345678901234567890.123456789 ]"),
               CQ_LIST | CQ_DECIMAL, NULL),
            "j:[\"1.10\",\"-0\",\"12345678901234567890.123456789\"]");
  CHECK_STR(as(J("[1.50,1e3,1e400,null,9007199254740993.5]"), lt, NULL),
            "j:[\"1.50\",\"1e3\",\"1e400\",null,\"9007199254740993.5\"]");
  CHECK_STR(as(J("[0,1]"), CQ_LIST | CQ_TIMESTAMP, "epoch"),
            "j:[\"1970-01-01T00:00:00Z\",\"1970-01-01T00:00:01Z\"]");
  CHECK_STR(as(J("[\"1\",{\"a\":[2]}]"), CQ_LIST | CQ_JSON, NULL),
            "j:[\"1\",{\"a\":[2]}]");
  CHECK_STR(as(J("{\"a\":1}"), CQ_LIST | CQ_JSON, NULL), "j:[{\"a\":1}]");
  CHECK_STR(as(J("{\"a\":1}"), lt, NULL), "!s:{\"a\":1}");
  CHECK_STR(as(J("[\"Zm9v\"]"), CQ_LIST | CQ_BLOB, "base64"), "j:[\"Zm9v\"]");
}

/* A cell that is canonical already costs no memory. */
static void test_convert_borrows(void) {
  static const struct {
    const char *text;
    int type;
  } cases[] = {{"2024-01-02T03:04:05Z", CQ_TIMESTAMP},
               {"abc", CQ_TEXT},
               {"10.0.0.1", CQ_INET},
               {"aed9b8c3-aefd-5d70-af42-55cf550f174f", CQ_UUID},
               {"1.50", CQ_DECIMAL}};
  size_t i;
  for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cq_value raw = T(cases[i].text), v;
    CHECK_INT(cq_value_convert(&arena, &raw, cases[i].type, NULL, &v, NULL),
              CQ_OK);
    CHECK(v.u.s == cases[i].text);
  }
}

static const struct {
  const char *text;
  int json, type;
  const char *format;
} faulty[] = {{"[1,\"\\u0041\",{\"a\":2}]", 1, CQ_LIST | CQ_TEXT, NULL},
              {"{ \"a\" : 1 }", 0, CQ_JSON, NULL},
              {"not json", 0, CQ_JSON, NULL},
              {"Zm9v", 0, CQ_BLOB, "base64"},
              {"Sun, 06 Nov 1994 08:49:37 GMT", 0, CQ_TIMESTAMP, NULL},
              {"AED9B8C3AEFD5D70AF4255CF550F174F", 0, CQ_UUID, NULL},
              {"2001:DB8::1", 0, CQ_INET, NULL},
              {"\"a\\tb\"", 1, CQ_TEXT, NULL},
              {"1.000000000000000000000000000000000000000000000000000000000000"
               "0000000000000000",
               0, CQ_REAL, NULL},
              {"12345678901234567890123", 0, CQ_REAL, NULL},
              {"[\"10.0.0.1/32\",\"::1/128\"]", 1, CQ_LIST | CQ_INET, NULL}};

static void test_convert_survives_faults(void) {
  size_t i;
  for (i = 0; i < sizeof(faulty) / sizeof(*faulty); i++) {
    int n, hit = 1;
    for (n = 1; hit; n++) {
      cq_arena a;
      cq_value raw = T(faulty[i].text), v;
      int rc;
      raw.json = (uint8_t)faulty[i].json;
      cq_arena_init(&a);
      cq_fault_set(n);
      rc = cq_value_convert(&a, &raw, faulty[i].type, faulty[i].format, &v,
                            NULL);
      hit = cq_fault_hit();
      cq_fault_set(0);
      CHECK_INT(rc, hit ? CQ_NOMEM : CQ_OK);
      CHECK_INT(v.kind == CQ_NULL, hit);
      cq_arena_clear(&a);
    }
    CHECK(n > 2 || faulty[i].type == CQ_REAL);
  }
}

/* ---- _cq_id -------------------------------------------------------------------- */
/* Made by CloudQuery's own Go packages (plugin-sdk v4.94.2): scalar.NewScalar
 * of the Arrow type, Set with the value, String(). */
static void test_cqid_text_as_cloudquery(void) {
  static const struct {
    const char *raw;
    int json, type;
    const char *want;
  } cases[] = {
      {"", 0, CQ_TEXT, ""},
      {"h\xC3\xA9llo", 0, CQ_TEXT, "h\xC3\xA9llo"},
      {"-9223372036854775808", 0, CQ_INTEGER, "-9223372036854775808"},
      {"1.0", 0, CQ_REAL, "1"},
      {"1e21", 0, CQ_REAL, "1000000000000000000000"},
      {"1e-7", 0, CQ_REAL, "0.0000001"},
      {"123456.789", 0, CQ_REAL, "123456.789"},
      {"-0.0", 0, CQ_REAL, "-0"},
      {"9007199254740992", 0, CQ_REAL, "9007199254740992"},
      {"9.5367431640625e-07", 0, CQ_REAL, "0.00000095367431640625"},
      {"158456325028528675187087900672.0", 0, CQ_REAL,
       "158456325028528680000000000000"},
      {"1267650600228229401496703205376.0", 0, CQ_REAL,
       "1267650600228229400000000000000"},
      {"True", 0, CQ_BOOLEAN, "true"},
      {"false", 0, CQ_BOOLEAN, "false"},
      {"2024-01-02T03:04:05.678Z", 0, CQ_TIMESTAMP, "2024-01-02T03:04:05Z"},
      {"2024-01-02T03:04:05.999999999+02:00", 0, CQ_TIMESTAMP,
       "2024-01-02T01:04:05Z"},
      {"1969-12-31T23:59:58.5Z", 0, CQ_TIMESTAMP, "1969-12-31T23:59:58Z"},
      {"0001-01-01T00:00:00Z", 0, CQ_TIMESTAMP, "0001-01-01T00:00:00Z"},
      {"", 0, CQ_TIMESTAMP, "(null)"},
      {"2024-01-02", 0, CQ_DATE, "2024-01-02"},
      {"AED9B8C3-aefd-5d70-af42-55cf550f174f", 0, CQ_UUID,
       "aed9b8c3-aefd-5d70-af42-55cf550f174f"},
      {"{\"a\":1.5,\"b\":\"<x>\"}", 1, CQ_JSON, "{\"a\":1.5,\"b\":\"<x>\"}"},
      {"", 0, CQ_JSON, "(null)"},
      {"10.0.0.1", 0, CQ_INET, "10.0.0.1/32"},
      {"10.0.0.5/24", 0, CQ_INET, "10.0.0.5/24"},
      {"2001:DB8::1", 0, CQ_INET, "2001:db8::1/128"},
      {"2001:db8::/32", 0, CQ_CIDR, "2001:db8::/32"},
      {"::ffff:1.2.3.4", 0, CQ_INET, "1.2.3.4/32"},
      {"::ffff:1.2.3.4/120", 0, CQ_CIDR, "1.2.3.4/24"},
      {"::ffff:1.2.3.4/64", 0, CQ_CIDR, "1.2.3.4/0"},
      {"::1.2.3.4", 0, CQ_INET, "::102:304/128"},
      {"::", 0, CQ_INET, "::/128"},
      {"::1", 0, CQ_INET, "::1/128"},
      {"1:0:0:2:0:0:0:3", 0, CQ_INET, "1:0:0:2::3/128"},
      {"1:0:2:3:4:5:6:7", 0, CQ_INET, "1:0:2:3:4:5:6:7/128"},
      {"0:0:1::", 0, CQ_INET, "0:0:1::/128"},
      {"fe80::/10", 0, CQ_CIDR, "fe80::/10"},
      {"0.0.0.0/0", 0, CQ_CIDR, "0.0.0.0/0"},
      {"001a.2b3c.4d5e", 0, CQ_MAC, "00:1a:2b:3c:4d:5e"},
      {"xyz", 0, CQ_BLOB, "xyz"},
      {"[\"a\",\"b\"]", 1, CQ_LIST | CQ_TEXT, "[a, b]"},
      {"[]", 1, CQ_LIST | CQ_TEXT, "[]"},
      {"[null]", 1, CQ_LIST | CQ_TEXT, "[(null)]"},
      {"[\"a, b\",\"\\\"q\\\"\"]", 1, CQ_LIST | CQ_TEXT, "[a, b, \"q\"]"},
      {"[\"\"]", 1, CQ_LIST | CQ_TEXT, "[]"},
      {"[3,null]", 1, CQ_LIST | CQ_INTEGER, "[3, (null)]"},
      {"[true,false]", 1, CQ_LIST | CQ_BOOLEAN, "[true, false]"},
      {"[\"2024-01-02T03:04:05.678Z\"]", 1, CQ_LIST | CQ_TIMESTAMP,
       "[2024-01-02T03:04:05Z]"},
      {"[\"10.0.0.1\",\"::1\"]", 1, CQ_LIST | CQ_INET,
       "[10.0.0.1/32, ::1/128]"},
      {"[1,2.5]", 1, CQ_LIST | CQ_REAL, "[1, 2.5]"},
      {"[{\"a\":1}]", 1, CQ_LIST | CQ_JSON, "[{\"a\":1}]"},
      {"[\"hi\"]", 1, CQ_LIST | CQ_BLOB, "[hi]"}};
  size_t i;
  for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
    cq_value raw = T(cases[i].raw), v;
    cq_buf b;
    raw.json = (uint8_t)cases[i].json;
    cq_buf_init(&b, SIZE_MAX);
    CHECK_INT(cq_value_convert(&arena, &raw, cases[i].type, NULL, &v, NULL),
              CQ_OK);
    cq_buf_str(&b, "");
    cq_value_cqid_text(&b, &v, cases[i].type);
    CHECK_STR(b.data, cases[i].want);
    cq_buf_clear(&b);
  }
}

/* The same: the whole number of the largest and the smallest real. */
static void test_cqid_reals_of_any_size(void) {
  cq_buf b;
  cq_value v = cq_value_real(1.7976931348623157e308);
  size_t i;
  cq_buf_init(&b, SIZE_MAX);
  cq_value_cqid_text(&b, &v, CQ_REAL);
  CHECK_INT(b.len, 309);
  CHECK(strncmp(b.data, "17976931348623157000", 20) == 0);
  cq_buf_reset(&b);
  v = cq_value_real(5e-324);
  cq_value_cqid_text(&b, &v, CQ_REAL);
  CHECK_INT(b.len, 326);
  for (i = 2; i < 325; i++) CHECK_INT(b.data[i], '0');
  CHECK_INT(b.data[325], '5');
  cq_buf_clear(&b);
}

typedef struct component {
  const char *name; /* in the order of names */
  cq_value value;
  int type;
} component;

static const char *row_id(const component *c, size_t n) {
  static char id[37];
  unsigned char digest[32];
  cq_buf b;
  size_t i;
  cq_buf_init(&b, SIZE_MAX);
  for (i = 0; i < n; i++) {
    cq_buf_str(&b, c[i].name);
    cq_value_cqid_text(&b, &c[i].value, c[i].type);
  }
  cq_sha256(b.data, b.len, digest);
  cq_uuid5(digest, sizeof digest, id);
  cq_buf_clear(&b);
  return id;
}

/* Made by the same packages: schema.Resource.CalculateCQID over tables with
 * these key components. */
static void test_cqid_of_rows_as_cloudquery(void) {
  component one[] = {{"id", I(1500000001), CQ_INTEGER}};
  component arn[] = {{"arn", T("arn:aws:iam::123456789012:user/bob"), CQ_TEXT}};
  component null[] = {{"account_id", T("123456789012"), CQ_TEXT},
                      {"name", cq_value_null(), CQ_TEXT},
                      {"region", T("eu-west-1"), CQ_TEXT}};
  component many[] = {{"at", T("2024-01-02T03:04:05.678Z"), CQ_TIMESTAMP},
                      {"ip", T("10.0.0.1"), CQ_INET},
                      {"ok", I(1), CQ_BOOLEAN},
                      {"org", T("o"), CQ_TEXT},
                      {"tags", J("[\"a\",\"b\"]"), CQ_LIST | CQ_TEXT}};
  CHECK_STR(row_id(one, 1), "aed9b8c3-aefd-5d70-af42-55cf550f174f");
  CHECK_STR(row_id(arn, 1), "0f0c35ab-8ea9-5787-b3e0-f4fc2cbded4d");
  CHECK_STR(row_id(null, 3), "bc580e97-0fe3-5ac8-aca1-fce771f27b67");
  CHECK_STR(row_id(many, 5), "eb880ac0-6caa-5bd8-af23-9f600af79513");
}

/* What conversion kept as text is hashed as that text. */
static void test_cqid_of_misfits_is_their_text(void) {
  static const int types[] = {CQ_TIMESTAMP, CQ_INET,           CQ_BOOLEAN,
                              CQ_INTEGER,   CQ_LIST | CQ_TEXT, CQ_UUID};
  size_t i;
  for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
    cq_value v = T("odd/one:out");
    cq_buf b;
    cq_buf_init(&b, SIZE_MAX);
    cq_value_cqid_text(&b, &v, types[i]);
    CHECK_STR(b.data, "odd/one:out");
    cq_buf_clear(&b);
  }
}

/* ---- batches ---------------------------------------------------------------------- */
static void test_batch_rows_are_null_and_stay(void) {
  cq_batch *b = cq_batch_new(3);
  int round, i;
  for (round = 0; round < 2; round++) {
    for (i = 0; i < 1000; i++) {
      cq_value *row = cq_batch_add(b);
      CHECK(row && row[0].kind == CQ_NULL && row[2].kind == CQ_NULL);
      row[0] = I(i);
      row[2] = R(i);
    }
    CHECK_INT(b->nrow, 1000);
    for (i = 0; i < 1000; i++) {
      CHECK_INT(cq_batch_row(b, i)[0].u.i, i);
      CHECK_INT(cq_batch_row(b, i)[1].kind, CQ_NULL);
    }
    CHECK(cq_batch_bytes(b) >= 1000 * 3 * sizeof(cq_value));
    b->warnings = 5;
    cq_batch_reset(b);
    CHECK_INT(b->nrow, 0);
    CHECK_INT(b->warnings, 0);
  }
  cq_batch_free(b);
  cq_batch_free(NULL);
}

static void test_batch_without_columns_counts(void) {
  cq_batch *b = cq_batch_new(0);
  int i;
  for (i = 0; i < 100; i++) CHECK(cq_batch_add(b) != NULL);
  CHECK_INT(b->nrow, 100);
  cq_batch_free(b);
  CHECK(cq_batch_new(-1) == NULL);
}

static void test_batch_holds_blocks_once(void) {
  cq_batch *b = cq_batch_new(1), *c = cq_batch_new(1);
  cq_block *k = cq_block_new(100);
  int i;
  CHECK_INT(cq_batch_hold(b, k), CQ_OK);
  CHECK_INT(cq_batch_hold(b, k), CQ_OK);
  CHECK_INT(cq_batch_hold(c, k), CQ_OK);
  CHECK_INT(k->refs, 3);
  CHECK(cq_batch_bytes(b) >= 100);
  cq_block_unref(k);
  cq_batch_free(b);
  CHECK_INT(k->refs, 1);
  /* 64 zero bytes behind whatever is filled. */
  memset(k->data, 'x', k->cap);
  k->len = k->cap;
  for (i = 0; i < 64; i++) CHECK_INT(k->data[k->len + (size_t)i], 0);
  cq_batch_free(c);
  cq_block_unref(NULL);
}

static void test_batch_survives_faults(void) {
  int n, hit = 1;
  for (n = 1; hit; n++) {
    cq_batch *b;
    cq_block *k = NULL;
    int i, bad = 0;
    cq_fault_set(n);
    b = cq_batch_new(4);
    if (!b) bad++;
    for (i = 0; b && i < 100; i++) {
      cq_value *row = cq_batch_add(b);
      cq_value text = T("some text");
      if (!row || cq_value_copy(&b->arena, &text, &row[0]) != CQ_OK) {
        bad++;
        break;
      }
      if (i % 10) continue;
      k = cq_block_new(10);
      if (!k || cq_batch_hold(b, k) != CQ_OK) bad++;
      cq_block_unref(k);
    }
    hit = cq_fault_hit();
    cq_fault_set(0);
    CHECK_INT(bad, hit);
    cq_batch_free(b);
  }
  CHECK(n > 20);
}

int main(void) {
  cq_arena_init(&arena);
  RUN(test_type_names_round_trip);
  RUN(test_type_declares_four_words);
  RUN(test_value_is_small);
  RUN(test_value_same_is_by_bytes);
  RUN(test_value_copy_is_deep);
  RUN(test_real_reads_back);
  RUN(test_real_prints_as_sqlite);
  RUN(test_real_ignores_the_locale);
  RUN(test_number_keeps_what_is_too_big);
  RUN(test_number_refuses_the_rest);
  RUN(test_json_minifies);
  RUN(test_json_bounds_its_depth);
  RUN(test_json_agrees_with_jansson);
  RUN(test_json_unquotes);
  RUN(test_json_elements_are_bounded);
  RUN(test_json_members_are_bounded);
  RUN(test_convert_null_and_empty);
  RUN(test_convert_text);
  RUN(test_convert_integer);
  RUN(test_convert_real);
  RUN(test_convert_boolean);
  RUN(test_convert_timestamp);
  RUN(test_convert_date);
  RUN(test_convert_decimal);
  RUN(test_convert_uuid);
  RUN(test_convert_addresses);
  RUN(test_convert_mac);
  RUN(test_convert_blob);
  RUN(test_convert_json);
  RUN(test_convert_lists);
  RUN(test_convert_borrows);
  RUN(test_convert_survives_faults);
  RUN(test_cqid_text_as_cloudquery);
  RUN(test_cqid_reals_of_any_size);
  RUN(test_cqid_of_rows_as_cloudquery);
  RUN(test_cqid_of_misfits_is_their_text);
  RUN(test_batch_rows_are_null_and_stay);
  RUN(test_batch_without_columns_counts);
  RUN(test_batch_holds_blocks_once);
  RUN(test_batch_survives_faults);
  cq_arena_clear(&arena);
  return test_done();
}
