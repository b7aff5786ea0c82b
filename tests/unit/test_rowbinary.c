/* tests/unit/test_rowbinary.c: cells of ClickHouse's RowBinary: written, read
 * again, cut at every byte. */
#include "dest/encode/rowbinary.h"
#include "test.h"

static cq_arena a;

static cq_rowbinary column(int kind, int type) {
  cq_rowbinary c = {(unsigned char)kind, 1, (type & CQ_LIST) != 0, type};

  return c;
}

/* What comes back, as text; "odd" before it where the cell did not fit. */
static const char *again(int kind, int type, cq_value v) {
  static char text[400];
  cq_rowbinary c = column(kind, type);
  cq_arena scratch;
  cq_value out, shown;
  const char *p;
  cq_buf b;
  int odd, rc;

  cq_arena_init(&scratch);
  cq_buf_init(&b, 1 << 20);
  odd = cq_rowbinary_add(&b, &c, &v, &scratch);
  for (size_t n = 0; n < b.len; n++) {
    p = b.data;
    CHECK_INT(cq_rowbinary_get(&p, b.data + n, &c, &a, &out), CQ_BUSY);
    CHECK(p == b.data);
  }
  p = b.data;
  rc = cq_rowbinary_get(&p, b.data + b.len, &c, &a, &out);
  CHECK_INT(rc, CQ_OK);
  CHECK(p == b.data + b.len);
  cq_value_to_text(&a, &out, &shown);
  snprintf(text, sizeof text, "%s%.*s", odd ? "odd " : "",
           shown.kind == CQ_NULL ? 4 : (int)shown.len,
           shown.kind == CQ_NULL ? "NULL" : shown.u.s);
  cq_buf_clear(&b);
  cq_arena_clear(&scratch);
  return text;
}

static void test_rowbinary_scalars(void) {
  CHECK_STR(again(CQ_RB_STRING, CQ_TEXT, cq_value_text("")), "");
  CHECK_STR(again(CQ_RB_STRING, CQ_TEXT, cq_value_null()), "NULL");
  CHECK_STR(again(CQ_RB_STRING, CQ_TEXT, cq_value_int(-7)), "-7");
  CHECK_STR(again(CQ_RB_INT64, CQ_INTEGER, cq_value_int(INT64_MIN)),
            "-9223372036854775808");
  CHECK_STR(again(CQ_RB_INT64, CQ_INTEGER, cq_value_real(3.0)), "3");
  CHECK_STR(again(CQ_RB_INT64, CQ_INTEGER, cq_value_real(3.5)), "odd NULL");
  CHECK_STR(again(CQ_RB_INT64, CQ_INTEGER, cq_value_text("1")), "odd NULL");
  CHECK_STR(again(CQ_RB_FLOAT64, CQ_REAL, cq_value_real(0.1)), "0.1");
  CHECK_STR(again(CQ_RB_BOOL, CQ_BOOLEAN, cq_value_int(1)), "1");
  CHECK_STR(again(CQ_RB_BOOL, CQ_BOOLEAN, cq_value_int(2)), "odd NULL");
  CHECK_STR(again(CQ_RB_UUID, CQ_UUID,
                  cq_value_text("6F9619ff-8b86-d011-b42d-00c04fc964ff")),
            "6f9619ff-8b86-d011-b42d-00c04fc964ff");
  CHECK_STR(again(CQ_RB_UUID, CQ_UUID,
                  cq_value_text("6f9619ff-8b86-d011-b42d-00c04fc964fg")),
            "odd NULL");
  CHECK_STR(again(CQ_RB_UUID, CQ_UUID,
                  cq_value_text("6f96-19ff-8b86-d011-b42d00c04fc964ff")),
            "odd NULL");
}

static void test_rowbinary_times(void) {
  CHECK_STR(again(CQ_RB_DATETIME64, CQ_TIMESTAMP,
                  cq_value_text("0001-01-01T00:00:00.000001Z")),
            "0001-01-01T00:00:00.000001Z");
  CHECK_STR(again(CQ_RB_DATETIME64, CQ_TIMESTAMP,
                  cq_value_text("9999-12-31T23:59:59Z")),
            "9999-12-31T23:59:59Z");
  CHECK_STR(again(CQ_RB_DATE32, CQ_DATE, cq_value_text("1969-12-31")),
            "1969-12-31");
  CHECK_STR(again(CQ_RB_DATE32, CQ_DATE, cq_value_text("2024-02-31")),
            "odd NULL");
}

static void test_rowbinary_decimals(void) {
  static const char *const same[] = {
      "0",
      "1.5",
      "-1.5",
      "12345678901234567890.000001",
      "99999999999999999999999999999999999999."
      "99999999999999999999999999999999999999",
      "-99999999999999999999999999999999999999",
      "-0.00000000000000000000000000000000000001"};
  static const char *const odd[] = {
      "1e-39", "1e38",  "100000000000000000000000000000000000000",  "x", "",
      "1e",    "1.5.5", "0.000000000000000000000000000000000000001"};

  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    CHECK_STR(again(CQ_RB_DECIMAL, CQ_DECIMAL, cq_value_text(same[i])),
              same[i]);
  for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
    CHECK_STR(again(CQ_RB_DECIMAL, CQ_DECIMAL, cq_value_text(odd[i])),
              "odd NULL");
  CHECK_STR(again(CQ_RB_DECIMAL, CQ_DECIMAL, cq_value_text("+001.500")), "1.5");
  CHECK_STR(again(CQ_RB_DECIMAL, CQ_DECIMAL, cq_value_text("12E-1")), "1.2");
  CHECK_STR(again(CQ_RB_DECIMAL, CQ_DECIMAL, cq_value_text("0e999")), "0");
  CHECK_STR(again(CQ_RB_DECIMAL, CQ_DECIMAL, cq_value_int(-42)), "-42");
  CHECK_STR(again(CQ_RB_DECIMAL, CQ_DECIMAL, cq_value_real(0.25)), "0.25");
}

static cq_value list(const char *s) {
  return cq_value_json(s, strlen(s));
}

static void test_rowbinary_lists(void) {
  CHECK_STR(again(CQ_RB_STRING, CQ_LIST | CQ_TEXT,
                  list("[\"a\",null,\"\",\"q\\\"\\n\"]")),
            "[\"a\",null,\"\",\"q\\\"\\n\"]");
  CHECK_STR(again(CQ_RB_INT64, CQ_LIST | CQ_INTEGER, list("[1,null,-2]")),
            "[1,null,-2]");
  CHECK_STR(again(CQ_RB_INT64, CQ_LIST | CQ_INTEGER, list("[1,\"x\"]")),
            "odd [1,null]");
  CHECK_STR(again(CQ_RB_BOOL, CQ_LIST | CQ_BOOLEAN, list("[true,false]")),
            "[true,false]");
  CHECK_STR(again(CQ_RB_DATETIME64, CQ_LIST | CQ_TIMESTAMP,
                  list("[\"2024-01-02T03:04:05Z\"]")),
            "[\"2024-01-02T03:04:05Z\"]");
  CHECK_STR(again(CQ_RB_STRING, CQ_LIST | CQ_JSON, list("[{\"a\":[1]},[2]]")),
            "[{\"a\":[1]},[2]]");
  CHECK_STR(again(CQ_RB_STRING, CQ_LIST | CQ_BLOB, list("[\"AAEC/w==\",null]")),
            "[\"AAEC/w==\",null]");
  CHECK_STR(again(CQ_RB_INT64, CQ_LIST | CQ_INTEGER, cq_value_null()), "[]");
  CHECK_STR(again(CQ_RB_INT64, CQ_LIST | CQ_INTEGER, cq_value_text("no list")),
            "odd []");
}

static void test_rowbinary_too_long(void) {
  static const char bytes[] = "\x00\xff\xff\xff\xff\x7f";
  cq_rowbinary c = column(CQ_RB_STRING, CQ_TEXT);
  const char *p = bytes;
  cq_value v;

  CHECK_INT(cq_rowbinary_get(&p, bytes + 6, &c, &a, &v), CQ_TOOBIG);
}

int main(void) {
  cq_arena_init(&a);
  RUN(test_rowbinary_scalars);
  RUN(test_rowbinary_times);
  RUN(test_rowbinary_decimals);
  RUN(test_rowbinary_lists);
  RUN(test_rowbinary_too_long);
  cq_arena_clear(&a);
  return test_done();
}
