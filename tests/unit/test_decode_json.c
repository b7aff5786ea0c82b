/* tests/unit/test_decode_json.c: the JSON walker: paths, types, envelopes,
 * odd text, pieces and cuts, NDJSON. */
#include "decode.h"

#define JSON(rows, fields, env, text, want)                                    \
  DECODE(cq_decode_json, rows, fields, env, text, want)

static void test_json_rows_paths(void) {
  JSON("[*]", "a any; b any", "", "[{\"a\":1,\"b\":\"x\"},{\"b\":2.5}]",
       "1 \"x\"\n- 2.5\n");
  JSON(".", "a any", "", " {\"a\":true} ", "1\n");
  JSON(".", "x any .", "", "17", "17\n");
  JSON("a.b", "c any", "", "{\"z\":[1,{}],\"a\":{\"b\":{\"c\":3}}}", "3\n");
  JSON("r[*].i[*]", "id any", "",
       "{\"r\":[{\"o\":1,\"i\":[{\"id\":1},{\"id\":2}]},{\"i\":[]},"
       "{\"i\":[{\"id\":3}],\"o\":{}}]}",
       "1\n2\n3\n");
  JSON("m.*", "k any @key; v any .", "", "{\"m\":{\"a\\u0062\":1,\"c\":\"d\"}}",
       "\"ab\" 1\n\"c\" \"d\"\n");
  JSON("a[1]", "x any .", "", "{\"a\":[1,[2,3],4]}", "<[2,3]>\n");
  JSON("names[*]", "x text .", "", "{\"names\":[\"a\",\"b\",null]}",
       "\"a\"\n\"b\"\n");
  JSON("[*]", "x any", "", "{\"x\":5}", "5\n");
  JSON("[\"odd name\"][*]", "x any", "", "{\"odd name\":[{\"x\":5}]}", "5\n");
}

static void test_json_rows_that_are_not_there(void) {
  decode d;
  const char *text = "{\"b\":[]}";

  JSON("a[*]", "x any", "", "{\"b\":1}",
       "answer: no rows at \"a[*]\"\nhint: rows_optional: true, where the "
       "API leaves out an empty list");
  JSON("a[*]", "x any", "", "{\"a\":\"s\"}",
       "answer is JSON of another form: the rows' path expects a list, at byte "
       "5");
  JSON("a[*]", "x any", "", "{\"a\":tru}",
       "answer is not JSON: expected a value at byte 8");
  JSON("a[*]", "x any", "", "{\"a\":[],\"a\":[]}",
       "answer is JSON of another form: the rows stand here a second time, at "
       "byte 8");
  CHECK_INT(decode_open(&d, &cq_decode_json, "a[*]", "x any", "", 1), CQ_OK);
  CHECK_INT(decode_feed(&d, text, strlen(text), NULL, NULL), CQ_OK);
  CHECK_INT(decode_feed(&d, "", 0, NULL, NULL), CQ_OK);
  CHECK_INT(d.nrow, 0);
  CHECK_INT(decode_feed(&d, "{\"a\":null}", 10, NULL, NULL), CQ_OK);
  CHECK_INT(d.nrow, 0);
  CHECK_INT(decode_feed(&d, "null", 4, NULL, NULL), CQ_ERROR);
  decode_close(&d);
  decode_open(&d, &cq_decode_json, "[*]", "x any", "", 1);
  CHECK_INT(decode_feed(&d, "null", 4, NULL, NULL), CQ_ERROR);
  d.ops->program_free(d.program);
  d.def.one_for_list = 0;
  d.ops->compile(&d.def, &d.program, &d.err);
  CHECK_INT(decode_feed(&d, "{\"x\":5}", 7, NULL, NULL), CQ_ERROR);
  CHECK_STR(d.err.text,
            "answer is JSON of another form: the rows' path expects a list, at "
            "byte 0");
  decode_close(&d);
}

static void test_json_columns_by_path(void) {
  JSON("[*]", "u json; l any u.l; n any u.x[1].y; all any .", "",
       "[{\"u\": {\"l\":\"a\", \"x\":[0,{\"y\":7}]}}]",
       "<{\"l\":\"a\",\"x\":[0,{\"y\":7}]}> \"a\" 7 "
       "<{\"u\":{\"l\":\"a\",\"x\":[0,{\"y\":7}]}}>\n");
  JSON("[*]", "t list_of_text t[*].k; first text t[*].k; j json t[*].v", "",
       "[{\"t\":[{\"k\":\"a\",\"v\":{ }},{\"k\":\"b\"},{\"k\":1,\"v\":null}]},"
       "{\"t\":\"x\"}]",
       "<[\"a\",\"b\",\"1\"]> \"a\" <[{},null]>\n- - -\n");
  JSON("[*]", "k json t.*.@key; v json t.*", "", "[{\"t\":{\"a\":1,\"b\":[]}}]",
       "<[\"a\",\"b\"]> <[1,[]]>\n");
  JSON("[*]", "a any; b any a", "", "[{\"a\":4}]", "4 4\n");
  JSON("[*]", "t any @type", "", "[{\"@type\":4}]", "4\n");
}

static void test_json_a_key_again_is_the_last(void) {
  JSON("[*]", "a any; b any a.b; c any a.c", "",
       "[{\"a\":{\"b\":1,\"c\":2},\"a\":{\"b\":3}},{\"a\":{\"b\":1},\"a\":4},"
       "{\"a\":1,\"\\u0061\":null}]",
       "<{\"b\":3}> 3 -\n4 - -\n- - -\n");
}

static void test_json_types(void) {
  JSON("[*]", "a integer; b real; c boolean; d text; e timestamp; f json", "",
       "[{\"a\":1,\"b\":2,\"c\":true,\"d\":1.50,\"e\":1700000000,"
       "\"f\":\"x\"},"
       "{\"a\":\"12\",\"b\":1e3,\"c\":\"false\",\"d\":{\"x\":[ ]},"
       "\"e\":\"2024-01-02T03:04:05+01:00\",\"f\":\"{\\\"a\\\": 1}\"},"
       "{\"a\":12345678901234567890,\"b\":1e400,\"c\":0,\"d\":false,"
       "\"e\":\"2024-01-02T03:04:05Z\",\"f\":1.0}]",
       "1 2.0 1 \"1.50\" \"2023-11-14T22:13:20Z\" <\"x\">\n"
       "12 1000.0 0 \"{\\\"x\\\":[]}\" \"2024-01-02T02:04:05Z\" <{\"a\":1}>\n"
       "\"12345678901234567890\" \"1e400\" 0 \"false\" "
       "\"2024-01-02T03:04:05Z\" <1.0>\n");
}

static void test_json_envelope(void) {
  JSON("data.items[*]", "x any",
       "n any next; m boolean data.more; t any data.t",
       "{\"next\":\"a\\nb\",\"data\":{\"more\":\"true\",\"items\":[{\"x\":1}],"
       "\"t\":[1, 2],\"t\":{}}}",
       "1\nenv \"a\\nb\" 1 <{}>\n");
  /* Into the rows: the answer is collected. */
  JSON("items[*]", "x any", "n any items[0].x; all any .; last any next",
       "{\"items\":[{\"x\":1},{\"x\":2}],\"next\":3}",
       "1\n2\nenv 1 <{\"items\":[{\"x\":1},{\"x\":2}],\"next\":3}> 3\n");
  JSON(".", "x any", "n any next", "{\"x\":1,\"next\":\"t\"}",
       "1\nenv \"t\"\n");
}

static void test_json_odd_strings(void) {
  decode d;
  const char *text = "[{\"a\":\"x\\u0000\\ud800y\\ud83d\\ude00\",\"b\": "
                     "{\"k\\u0000\":\"\\udc00\\u00e9\"}}]";

  JSON("[*]", "a any; b json", "", text,
       "\"x\xEF\xBF\xBD\xEF\xBF\xBDy\xF0\x9F\x98\x80\" "
       "<{\"k\\ufffd\":\"\\ufffd\\u00e9\"}>\n");
  CHECK_INT(decode_open(&d, &cq_decode_json, "[*]", "a any; b json", "", 0),
            CQ_OK);
  CHECK_INT(decode_feed(&d, text, strlen(text), NULL, NULL), CQ_OK);
  CHECK_INT(d.warnings, 4);
  decode_close(&d);
  JSON("[*]", "a any", "", "\xEF\xBB\xBF[{\"a\":\"\xE4\xB8\xAD\xE6\x96\x87\"}]",
       "\"\xE4\xB8\xAD\xE6\x96\x87\"\n");
  JSON("[*]", "a any", "", "[{\"b\":\"\xC0\x80\"}]",
       "answer is not JSON: invalid UTF-8 at byte 7");
}

static void test_json_refuses_garbage(void) {
  JSON("[*]", "a any", "", "[{\"a\":01}]",
       "answer is not JSON: expected , or } at byte 7");
  JSON("[*]", "a any", "", "[] x",
       "answer is not JSON: text after the end at byte 3");
  JSON("[*]", "a any", "", "[{\"b\":tru}]",
       "answer is not JSON: expected a value at byte 9");
  JSON("[*]", "a any", "", "[{},]",
       "answer is not JSON: expected a value at byte 4");
  JSON("[*]", "a any", "", "<html>",
       "answer is not JSON: expected a value at byte 0");
  JSON("[*]", "a any", "", "[{\"a\":1",
       "answer is cut: the JSON ends too early, at byte 7");
  JSON("[*]", "a any", "", "",
       "answer is cut: the JSON ends too early, at byte 0");
}

static void test_json_depth_is_bounded(void) {
  decode d;
  char text[8 + 2 * CQ_MAX_JSON_DEPTH + 16];

  for (int deep = CQ_MAX_JSON_DEPTH - 1; deep <= CQ_MAX_JSON_DEPTH; deep++) {
    size_t n = 0;

    text[n++] = '[';
    for (int i = 0; i < deep; i++) text[n++] = '[';
    for (int i = 0; i < deep; i++) text[n++] = ']';
    text[n++] = ']';
    CHECK_INT(decode_open(&d, &cq_decode_json, "[*]", "a any .", "", 0), CQ_OK);
    CHECK_INT(decode_feed(&d, text, n, NULL, NULL),
              deep < CQ_MAX_JSON_DEPTH ? CQ_OK : CQ_ERROR);
    decode_close(&d);
  }
}

/* ---- pieces and cuts ---------------------------------------------------------- */
static const decode_sample samples[] = {
    {"[*]", "id integer; n text user.name; j json labels; t timestamp at", "",
     "[ {\"id\": 1, \"user\": {\"name\": \"a\\u00e9\xC3\xA9\", \"x\": [1.5e3]},"
     " \"labels\": [ {\"a\": 1}, null ], \"at\": \"2024-01-02T03:04:05Z\"},\n"
     " {\"id\": 2, \"user\": null, \"labels\": [], \"at\": 17e8, \"z\": -12}, "
     "{\"id\": 123456789012345678, \"user\": {\"name\": \"\\ud83d\\ude00\"}}]"},
    {"r[*].i[*]", "id any; all any .", "next any; deep any meta.a[1]",
     "{\"next\":\"tok\",\"r\":[{\"o\":{\"p\":[1,2]},\"i\":[{\"id\":1},17,"
     "\"s\"]},{\"i\":null},{\"i\":[{\"id\":[true,false]}]}],\"meta\":"
     "{\"a\":[1,2222]},\"n\":12}"},
    {"m.*", "k text @key; v any .", "",
     "{\"m\":{\"x\\ty\":12,\"b\":{\"a\":3}}}"},
    {"a.b", "c any", "t any a.t", "{\"a\":{\"t\":9,\"b\":{\"c\":\"x\"}}}"},
    {".", "c any", "d any", "{\"c\":[1,2],\"d\":\"x\"}"},
};

enum { SAMPLES = sizeof samples / sizeof *samples };

static void test_json_every_cut_is_told(void) {
  for (size_t i = 0; i < SAMPLES; i++)
    decode_cuts(&cq_decode_json, &samples[i], "answer is cut: ");
}

static void test_json_pieces_give_the_same_rows(void) {
  for (size_t i = 0; i < SAMPLES; i++)
    decode_pieces(&cq_decode_json, &samples[i]);
}

static void test_json_odd_bytes_do_no_harm(void) {
  for (size_t i = 0; i < SAMPLES; i++)
    decode_mutations(&cq_decode_json, &samples[i]);
}

static size_t sixteen(void *user) {
  (void)user;
  return 16 << 10;
}

/* Tried again at each piece, a record of 4 MB would take minutes. */
static void test_json_long_records_are_not_walked_for_each_piece(void) {
  size_t n = 0, len = 4u << 20;
  char *text = cq_malloc(len + 64);
  int64_t before = cq_mono_ms();
  decode d;

  n += (size_t)sprintf(text, "[{\"a\":\"");
  memset(text + n, 'x', len);
  n += len;
  n += (size_t)sprintf(text + n, "\",\"b\":1}]");
  CHECK_INT(decode_open(&d, &cq_decode_json, "[*]", "b any", "", 0), CQ_OK);
  CHECK_INT(decode_feed(&d, text, n, sixteen, NULL), CQ_OK);
  CHECK_STR(decode_text(&d), "1\n");
  CHECK(cq_mono_ms() - before < 2000);
  decode_close(&d);
  cq_free(text);
}

/* ---- NDJSON -------------------------------------------------------------------- */
#define NDJSON(fields, text, want)                                             \
  DECODE(cq_decode_ndjson, ".", fields, "", text, want)

static void test_ndjson_lines_are_records(void) {
  NDJSON("a any; all json .", "{\"a\":1}\n\n {\"a\":[2, 3]} \r\n{\"a\":\"x\"}",
         "1 <{\"a\":1}>\n<[2,3]> <{\"a\":[2,3]}>\n\"x\" <{\"a\":\"x\"}>\n");
  NDJSON("a any .",
         "\xEF\xBB\xBF"
         "1\n2\n\"x\"\nnull\n",
         "1\n2\n\"x\"\n");
  NDJSON("a any", "", "");
  NDJSON("a any", "{\"a\":1} {\"a\":2}\n",
         "answer is not NDJSON: text behind a line's record at byte 8");
  NDJSON("a any", "{\"a\":1}\n{\"a\":",
         "answer is cut: the NDJSON ends too early, at byte 13");
}

static void test_ndjson_pieces_give_the_same_rows(void) {
  const decode_sample s = {".", "a any; s any .", "",
                           "{\"a\":1}\n12\n\n{\"a\":\"\\u00e9\"}\r\n345\n"};

  NDJSON("a any; s any .", s.text,
         "1 <{\"a\":1}>\n- 12\n\"\xC3\xA9\" <{\"a\":\"\\u00e9\"}>\n- 345\n");
  decode_pieces(&cq_decode_ndjson, &s);
  decode_mutations(&cq_decode_ndjson, &s);
}

static void test_ndjson_refuses_other_paths(void) {
  decode d;

  CHECK_INT(decode_open(&d, &cq_decode_ndjson, "a[*]", "a any", "", 0),
            CQ_ERROR);
  CHECK_STR(d.err.text, "ndjson: rows \"a[*]\": must be \".\", since each line "
                        "is a record");
  decode_close(&d);
}

/* ---- failing allocations ------------------------------------------------------- */
static void test_json_survives_failing_allocations(void) {
  for (size_t i = 0; i < SAMPLES; i++)
    decode_faults(&cq_decode_json, &samples[i]);
}

int main(void) {
  RUN(test_json_rows_paths);
  RUN(test_json_rows_that_are_not_there);
  RUN(test_json_columns_by_path);
  RUN(test_json_a_key_again_is_the_last);
  RUN(test_json_types);
  RUN(test_json_envelope);
  RUN(test_json_odd_strings);
  RUN(test_json_refuses_garbage);
  RUN(test_json_depth_is_bounded);
  RUN(test_json_every_cut_is_told);
  RUN(test_json_pieces_give_the_same_rows);
  RUN(test_json_odd_bytes_do_no_harm);
  RUN(test_json_long_records_are_not_walked_for_each_piece);
  RUN(test_ndjson_lines_are_records);
  RUN(test_ndjson_pieces_give_the_same_rows);
  RUN(test_ndjson_refuses_other_paths);
  RUN(test_json_survives_failing_allocations);
  return test_done();
}
