/* tests/fuzz/fuzz_convert.c: raw values to cells of every type.  A cell's text
 * is canonical: converted again it stays as it is.  Also what _cq_id is made
 * of, JSON as text, and types by their names. */
#include <jansson.h>
#include <math.h>

#include "fuzz.h"
#include "data/data.h"

static const int types[] = {CQ_TEXT,
                            CQ_INTEGER,
                            CQ_REAL,
                            CQ_BOOLEAN,
                            CQ_TIMESTAMP,
                            CQ_DATE,
                            CQ_DECIMAL,
                            CQ_UUID,
                            CQ_INET,
                            CQ_CIDR,
                            CQ_MAC,
                            CQ_BLOB,
                            CQ_JSON,
                            CQ_LIST | CQ_TEXT,
                            CQ_LIST | CQ_INTEGER,
                            CQ_LIST | CQ_REAL,
                            CQ_LIST | CQ_TIMESTAMP,
                            CQ_LIST | CQ_UUID,
                            CQ_LIST | CQ_INET,
                            CQ_LIST | CQ_BOOLEAN,
                            CQ_LIST | CQ_JSON,
                            CQ_LIST | CQ_MAC,
                            CQ_LIST | CQ_BLOB};
static const char *const formats[] = {NULL, "epoch", "epoch_ms", "epoch_us",
                                      "base64"};

/* An object's members are those that jansson has, the last of equal ones. */
static void check_members(json_t *x, const char *s, size_t n) {
  size_t at = 0, seen = 0;
  cq_value k, v;
  int rc;

  while ((rc = cq_json_member(s, n, &at, &k, &v)) == CQ_ROW) seen++;
  if ((s[0] == '{') != (rc == CQ_DONE)) fuzz_fail("members: %d of %s", rc, s);
  if (s[0] == '{' && seen < json_object_size(x))
    fuzz_fail("members: %d of %s", (int)seen, s);
}

static void check_json(cq_arena *a, const char *s, size_t n) {
  cq_buf once, twice;
  json_error_t why;
  json_t *x = NULL, *y;
  size_t at = 0;
  cq_value v;
  int rc, steps = 0;

  cq_buf_init(&once, SIZE_MAX);
  cq_buf_init(&twice, SIZE_MAX);
  rc = cq_json_minify(&once, s, n);
  if (n && !memchr(s, 0, n)) {
    x = json_loadb(s, n, JSON_DECODE_ANY, &why);
    if (x && rc) {
      int depth = 0, most = 0;

      for (size_t i = 0; i < n; i++) {
        depth += (s[i] == '[' || s[i] == '{') - (s[i] == ']' || s[i] == '}');
        if (depth > most) most = depth;
      }
      if (most <= CQ_MAX_JSON_DEPTH)
        fuzz_fail("refused, which jansson takes: %s", s);
    }
    if (!x && !rc && json_error_code(&why) != json_error_numeric_overflow &&
        json_error_code(&why) != json_error_null_character &&
        json_error_code(&why) != json_error_null_byte_in_key &&
        !strstr(why.text, "invalid Unicode"))
      fuzz_fail("taken, which jansson refuses: %s: %s", why.text, s);
  }
  if (rc == CQ_OK) {
    if (cq_json_minify(&twice, once.data, once.len) || once.len != twice.len ||
        memcmp(once.data, twice.data, once.len) != 0)
      fuzz_fail("minified again: %s, %s", once.data, twice.data);
    if (x) {
      y = json_loadb(once.data, once.len, JSON_DECODE_ANY, NULL);
      if (!json_equal(x, y)) fuzz_fail("minified to another value: %s", s);
      json_decref(y);
    }
    while ((rc = cq_json_element(a, once.data, once.len, &at, &v)) == CQ_ROW)
      steps++;
    if (once.data[0] == '[' && rc != CQ_DONE)
      fuzz_fail("elements: %d of %s", rc, once.data);
    if (x && json_is_array(x) && (size_t)steps != json_array_size(x))
      fuzz_fail("elements: %d of %s", steps, once.data);
    if (x) check_members(x, once.data, once.len);
  }
  json_decref(x);
  cq_buf_clear(&once);
  cq_buf_clear(&twice);
}

static void check_convert(cq_arena *a, const cq_value *raw, int type,
                          const char *format) {
  cq_value one, two;
  cq_buf id;
  int lossy = 0, more = 0;

  if (cq_value_convert(a, raw, type, format, &one, &lossy))
    fuzz_fail("%s: cannot be converted", cq_type_name(type));
  if (one.kind == CQ_STR && raw->kind == CQ_STR &&
      cq_utf8_check(raw->u.s, raw->len) == raw->len &&
      cq_utf8_check(one.u.s, one.len) != one.len)
    fuzz_fail("%s: not UTF-8 any more", cq_type_name(type));
  cq_buf_init(&id, SIZE_MAX);
  cq_value_cqid_text(&id, &one, type);
  cq_buf_clear(&id);
  /* Numbers of a format, and base64, mean something else the second time. */
  if (lossy || (type & CQ_TYPE_MASK) == CQ_BLOB || one.kind == CQ_NULL ||
      raw->kind == CQ_BYTES)
    return;
  if (cq_value_convert(a, &one, type, NULL, &two, &more) || more ||
      !cq_value_same(&one, &two))
    fuzz_fail("%s: %.*s is not canonical: %.*s", cq_type_name(type),
              one.kind == CQ_STR ? (int)one.len : 0, one.u.s,
              two.kind == CQ_STR ? (int)two.len : 0, two.u.s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  unsigned kind = fuzz_byte(&in);
  int type = types[fuzz_byte(&in) % (sizeof types / sizeof *types)];
  const char *format = formats[kind / 8 % 5];
  char *s = fuzz_text(in);
  cq_value raw;
  cq_arena a;

  cq_arena_init(&a);
  raw = cq_value_str(s, in.n);
  if (kind % 8 == 1) {
    raw = cq_value_int(0);
    memcpy(&raw.u.i, s, in.n < 8 ? in.n : 8);
  } else if (kind % 8 == 2) {
    raw = cq_value_real(0);
    memcpy(&raw.u.r, s, in.n < 8 ? in.n : 8);
  } else if (kind % 8 == 3) {
    cq_buf b;

    cq_buf_init(&b, SIZE_MAX);
    if (cq_json_minify(&b, s, in.n) == CQ_OK) {
      raw = cq_value_json(b.data, b.len);
      if (cq_value_copy(&a, &raw, &raw)) abort();
    }
    cq_buf_clear(&b);
  } else if (kind % 8 == 4) {
    raw.kind = CQ_BYTES;
  } else if (kind % 8 == 5) {
    check_json(&a, s, in.n);
    cq_type_parse(s);
  }
  /* What decoders read is UTF-8 without U+0000. */
  if (raw.kind != CQ_STR ||
      (strlen(s) == in.n && cq_utf8_check(s, in.n) == in.n))
    check_convert(&a, &raw, type, format);
  cq_arena_clear(&a);
  free(s);
  return 0;
}
