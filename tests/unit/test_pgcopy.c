/* tests/unit/test_pgcopy.c: fields of PostgreSQL's binary COPY: what each kind of
 * value becomes in a column of each type, byte by byte as the server's
 * documentation has it; and the same where memory ends. */
#include "dest/encode/pgcopy.h"

#include <math.h>

#include "test.h"

static cq_arena a;

/* The field's length and bytes, in hexadecimal digits: "8:0000000000000001",
 * "NULL"; "odd " before it where the value did not fit.  Cut beyond 40 bytes. */
static const char *field(int type, cq_value v) {
  static char text[160];
  size_t at;
  cq_buf b;
  int odd;

  cq_buf_init(&b, 1 << 20);
  odd = cq_pgcopy_field(&b, &a, type, &v);
  at = (size_t)snprintf(text, sizeof text, "%s", odd ? "odd " : "");
  if (b.rc || b.len < 4) {
    snprintf(text, sizeof text, "error %d", b.rc);
  } else if (!memcmp(b.data, "\377\377\377\377", 4)) {
    CHECK_INT(b.len, 4);
    snprintf(text + at, sizeof text - at, "NULL");
  } else {
    CHECK_INT((unsigned char)b.data[0] << 24 | (unsigned char)b.data[1] << 16 |
                  (unsigned char)b.data[2] << 8 | (unsigned char)b.data[3],
              b.len - 4);
    at += (size_t)snprintf(text + at, sizeof text - at, "%zu:", b.len - 4);
    for (size_t i = 4; i < b.len && i < 44; i++)
      at += (size_t)snprintf(text + at, sizeof text - at, "%02x",
                             (unsigned char)b.data[i]);
  }
  cq_buf_clear(&b);
  return text;
}

static cq_value text_of(const char *s, size_t n) {
  cq_value v = cq_value_text("");

  v.u.s = s;
  v.len = (uint32_t)n;
  return v;
}

static cq_value json_of(const char *s) {
  cq_value v = cq_value_text(s);

  v.json = 1;
  return v;
}

static cq_value bytes_of(const char *s) {
  cq_value v = cq_value_text(s);

  v.kind = CQ_BYTES;
  return v;
}

#define T(s) cq_value_text(s)

static void test_pgcopy_text(void) {
  CHECK_STR(field(CQ_TEXT, cq_value_null()), "NULL");
  CHECK_STR(field(CQ_TEXT, T("")), "0:");
  CHECK_STR(field(CQ_TEXT, T("a\xc3\xa9")), "3:61c3a9");
  CHECK_STR(field(CQ_TEXT, text_of("a\0b", 3)), "5:61efbfbd62");
  CHECK_STR(field(CQ_TEXT, text_of("\0", 1)), "3:efbfbd");
  CHECK_STR(field(CQ_TEXT, T("a\xff")), "4:61efbfbd");
  CHECK_STR(field(CQ_TEXT, T("\xc3(\xe2\x82")), "10:efbfbd28efbfbdefbfbd");
  CHECK_STR(field(CQ_TEXT, cq_value_int(-7)), "2:2d37");
  CHECK_STR(field(CQ_TEXT, cq_value_real(0.5)), "3:302e35");
  CHECK_STR(field(CQ_TEXT, bytes_of("x")), "odd NULL");
  CHECK_STR(field(0, T("x")), "1:78");
  CHECK_STR(field(CQ_BLOB, bytes_of("x")), "1:78");
  CHECK_STR(field(CQ_BLOB, T("x")), "1:78");
  CHECK_STR(field(CQ_BLOB, cq_value_int(1)), "odd NULL");
}

static void test_pgcopy_numbers(void) {
  CHECK_STR(field(CQ_INTEGER, cq_value_int(-1)), "8:ffffffffffffffff");
  CHECK_STR(field(CQ_INTEGER, cq_value_real(9007199254740992.0)),
            "8:0020000000000000");
  CHECK_STR(field(CQ_INTEGER, cq_value_real(-9007199254740994.0)), "odd NULL");
  CHECK_STR(field(CQ_INTEGER, cq_value_real(9007199254740994.0)), "odd NULL");
  CHECK_STR(field(CQ_INTEGER, cq_value_real(0.5)), "odd NULL");
  CHECK_STR(field(CQ_INTEGER, T("1")), "odd NULL");
  CHECK_STR(field(CQ_REAL, cq_value_real(0.5)), "8:3fe0000000000000");
  CHECK_STR(field(CQ_REAL, cq_value_int(1)), "8:3ff0000000000000");
  CHECK_STR(field(CQ_REAL, T("1")), "odd NULL");
  CHECK_STR(field(CQ_BOOLEAN, cq_value_int(1)), "1:01");
  CHECK_STR(field(CQ_BOOLEAN, cq_value_int(0)), "1:00");
  CHECK_STR(field(CQ_BOOLEAN, cq_value_int(2)), "odd NULL");
  CHECK_STR(field(CQ_BOOLEAN, T("true")), "odd NULL");
}

/* Groups, weight of the first, sign, digits behind the point; the groups. */
static void test_pgcopy_numeric(void) {
  static const struct {
    const char *text, *field;
  } all[] = {
      {"0", "8:0000000000000000"},
      {"-0.00", "8:0000000000000002"},
      {"1", "10:00010000000000000001"},
      {"-12345", "12:000200014000000000010929"},
      {"+0012.340", "12:0002000000000003000c0d48"},
      {"0.00001", "10:0001fffe0000000503e8"},
      {"1e4", "10:00010001000000000001"},
      {"1.5E-3", "10:0001ffff00000004000f"},
      {"1e+2", "10:00010000000000000064"},
      {".5", "10:0001ffff000000011388"},
      {"5.", "10:00010000000000000005"},
      {"", "odd NULL"},
      {"-", "odd NULL"},
      {".", "odd NULL"},
      {"1e", "odd NULL"},
      {"1e+", "odd NULL"},
      {"1.2.3", "odd NULL"},
      {"12a", "odd NULL"},
      {"1e5x", "odd NULL"},
      {"NaN", "odd NULL"},
      {"1e131072", "odd NULL"},
      {"1e-16384", "odd NULL"},
      {"1e99999999999999999999", "odd NULL"},
      {"0e99999999999999999999", "8:0000000000000000"},
  };

  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    CHECK_STR(field(CQ_DECIMAL, T(all[i].text)), all[i].field);
  CHECK_STR(field(CQ_DECIMAL, cq_value_int(7)), "10:00010000000000000007");
  CHECK_STR(field(CQ_DECIMAL, cq_value_real(0.5)), "10:0001ffff000000011388");
  CHECK_STR(field(CQ_DECIMAL, cq_value_real(HUGE_VAL)), "odd NULL");
  CHECK_STR(field(CQ_DECIMAL, bytes_of("1")), "odd NULL");
}

static void test_pgcopy_times(void) {
  CHECK_STR(field(CQ_TIMESTAMP, T("2000-01-01T00:00:00.000001Z")),
            "8:0000000000000001");
  CHECK_STR(field(CQ_TIMESTAMP, T("1999-12-31T23:59:59Z")),
            "8:fffffffffff0bdc0");
  CHECK_STR(field(CQ_DATE, T("2000-01-02")), "4:00000001");
  CHECK_STR(field(CQ_DATE, T("1999-12-31T23:00:00Z")), "4:ffffffff");
  CHECK_STR(field(CQ_DATE, T("soon")), "odd NULL");
  CHECK_STR(field(CQ_TIMESTAMP, cq_value_int(1)), "odd NULL");
}

static void test_pgcopy_ids_and_addresses(void) {
  CHECK_STR(field(CQ_UUID, T("6F9619ff-8b86-d011-b42d-00c04fc964ff")),
            "16:6f9619ff8b86d011b42d00c04fc964ff");
  CHECK_STR(field(CQ_UUID, T("6f96")), "odd NULL");
  CHECK_STR(field(CQ_UUID, cq_value_int(1)), "odd NULL");
  CHECK_STR(field(CQ_MAC, T("00:1A:2b:3c:4d:5e")), "6:001a2b3c4d5e");
  CHECK_STR(field(CQ_INET, T("10.1.2.3")), "8:022000040a010203");
  CHECK_STR(field(CQ_INET, T("10.1.2.3/8")), "8:020800040a010203");
  CHECK_STR(field(CQ_INET, T("::1/64")),
            "20:0340001000000000000000000000000000000001");
  CHECK_STR(field(CQ_CIDR, T("10.0.0.0/8")), "8:020801040a000000");
  CHECK_STR(field(CQ_CIDR, T("10.1.0.0/8")), "odd NULL");
  CHECK_STR(field(CQ_CIDR, T("10.0.0.0/9")), "8:020901040a000000");
  CHECK_STR(field(CQ_INET, T("10.1.2.3/33")), "odd NULL");
  CHECK_STR(field(CQ_INET, T("10.1.2.3/-1")), "odd NULL");
  CHECK_STR(field(CQ_INET, T("10.1.2.3/")), "odd NULL");
  CHECK_STR(field(CQ_INET, T("10.1.2.3/8x")), "odd NULL");
  CHECK_STR(field(CQ_INET, T("10.1.2")), "odd NULL");
  CHECK_STR(field(CQ_INET, T("")), "odd NULL");
  CHECK_STR(field(CQ_INET, text_of("10.1.2.3\0", 9)), "odd NULL");
  CHECK_STR(field(CQ_INET, cq_value_int(1)), "odd NULL");
  CHECK_STR(field(CQ_INET, T("1111:1111:1111:1111:1111:1111:1111:1111/128 "
                             "and more than any address")),
            "odd NULL");
}

static void test_pgcopy_json(void) {
  CHECK_STR(field(CQ_JSON, json_of("{\"a\":1}")), "8:017b2261223a317d");
  CHECK_STR(field(CQ_JSON, T("[ 1, 2 ]")), "6:015b312c325d");
  CHECK_STR(field(CQ_JSON, T("[1")), "odd NULL");
  CHECK_STR(field(CQ_JSON, cq_value_int(1)), "odd NULL");
  /* jsonb takes neither U+0000 nor half a pair */
  CHECK_STR(field(CQ_JSON, json_of("\"\\u0000\"")), "9:01225c756666666422");
  CHECK_STR(field(CQ_JSON, json_of("\"\\ud800x\"")), "10:01225c75666666647822");
  CHECK_STR(field(CQ_JSON, json_of("\"\\udc00\\n\"")),
            "11:01225c75666666645c6e22");
  CHECK_STR(field(CQ_JSON, json_of("\"\\ud83d\\ude00\"")),
            "15:01225c75643833645c756465303022");
  CHECK_STR(field(CQ_JSON, json_of("\"\\ud83d\\u0041\"")),
            "15:01225c75666666645c753030343122");
  CHECK_STR(field(CQ_JSON, json_of("\"\\u00e9\\\"e9\"")),
            "13:01225c75303065395c22653922");
  /* nor a number that no numeric can be */
  CHECK_STR(field(CQ_JSON, json_of("[1e16000,2E-3]")), "15:015b31653136303030"
                                                       "2c32452d335d");
  CHECK_STR(field(CQ_JSON, json_of("[1e+16001]")), "odd NULL");
  CHECK_STR(field(CQ_JSON, json_of("1e99999999999999999999")), "odd NULL");
  CHECK_STR(field(CQ_JSON, json_of("{\"1e99999\":true}")),
            "17:017b22316539393939"
            "39223a747275657d");
}

/* Dimensions, is one NULL, the type; how many, the first's number; each. */
static void test_pgcopy_lists(void) {
  const int texts = CQ_LIST | CQ_TEXT, ints = CQ_LIST | CQ_INTEGER;

  CHECK_STR(field(texts, cq_value_null()), "NULL");
  CHECK_STR(field(texts, json_of("[]")), "12:000000000000000000000019");
  CHECK_STR(field(texts, json_of("[\"a\",null]")),
            "29:0000000100000001000000190000000200000001"
            "0000000161ffffffff");
  CHECK_STR(field(ints, json_of("[7]")),
            "32:0000000100000000000000140000000100000001"
            "000000080000000000000007");
  CHECK_STR(field(ints, json_of("[\"x\"]")),
            "odd 24:0000000100000001000000140000000100000001ffffffff");
  CHECK_STR(field(ints, T("7")), "odd NULL");
  CHECK_STR(field(ints, json_of("[7")), "odd NULL");
  CHECK_STR(field(ints, cq_value_int(7)), "odd NULL");
  CHECK_STR(field(CQ_LIST | CQ_JSON, json_of("[1]")), "4:015b315d");
  CHECK_STR(cq_pgcopy_type(CQ_LIST | CQ_JSON), "jsonb");
  CHECK_STR(cq_pgcopy_type(CQ_LIST | CQ_MAC), "macaddr[]");
  CHECK_STR(cq_pgcopy_type(0), "text");
}

static void test_pgcopy_rows(void) {
  cq_value one = cq_value_int(1), none = cq_value_null(), s = T("abc");
  cq_buf b;

  cq_buf_init(&b, 1 << 10);
  cq_pgcopy_row(&b, 3);
  cq_pgcopy_field(&b, &a, CQ_INTEGER, &one);
  cq_pgcopy_field(&b, &a, CQ_TEXT, &none);
  cq_pgcopy_field(&b, &a, CQ_TEXT, &s);
  CHECK_INT(cq_pgcopy_field_at(b.data, 0), 2);
  CHECK_INT(cq_pgcopy_field_at(b.data, 1), 14);
  CHECK_INT(cq_pgcopy_field_at(b.data, 2), 18);
  CHECK_INT(cq_pgcopy_row_length(b.data), b.len);
  cq_buf_clear(&b);
}

/* Of each of these, at each allocation: the field, or no memory. */
static void test_pgcopy_no_memory(void) {
  const struct {
    int type;
    cq_value v;
  } all[] = {{CQ_TEXT, T("a\xff")},
             {CQ_TEXT, cq_value_real(0.5)},
             {CQ_DECIMAL, T("123456.789")},
             {CQ_DECIMAL, cq_value_int(7)},
             {CQ_JSON, T("[ 1, \"\\u0000\" ]")},
             {CQ_LIST | CQ_TEXT, json_of("[\"a\\nb\", 1, {\"c\": 2}]")},
             {CQ_LIST | CQ_DECIMAL, json_of("[1.5, \"2\"]")},
             {CQ_LIST | CQ_TIMESTAMP, json_of("[\"2024-01-02\"]")}};

  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    char right[160];
    int n, hit = 1;

    cq_arena_clear(&a);
    snprintf(right, sizeof right, "%s", field(all[i].type, all[i].v));
    for (n = 1; hit && n < 100; n++) {
      const char *got;

      cq_arena_clear(&a);
      cq_fault_set(n);
      got = field(all[i].type, all[i].v);
      hit = cq_fault_hit();
      cq_fault_set(0);
      CHECK_STR(got, hit ? "error 7" : right);
    }
    CHECK(n > 2 && n < 100);
  }
}

int main(void) {
  cq_arena_init(&a);
  RUN(test_pgcopy_text);
  RUN(test_pgcopy_numbers);
  RUN(test_pgcopy_numeric);
  RUN(test_pgcopy_times);
  RUN(test_pgcopy_ids_and_addresses);
  RUN(test_pgcopy_json);
  RUN(test_pgcopy_lists);
  RUN(test_pgcopy_rows);
  RUN(test_pgcopy_no_memory);
  cq_arena_clear(&a);
  return test_done();
}
