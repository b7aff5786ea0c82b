/* tests/unit/test_base.c: the ground that every room stands on. */
#include "base/base.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- errors ----------------------------------------------------------------- */
static void test_error_is_one_line(void) {
  cq_error e = {0, ""};
  CHECK_INT(cq_error_set(&e, CQ_IOERR, "host: HTTP %d: a\r\nb\x1b[31m", 503),
            CQ_IOERR);
  CHECK_STR(e.text, "host: HTTP 503: a  b [31m");
  CHECK_INT(e.code, CQ_IOERR);
  cq_error_hint(&e, "try\nagain");
  CHECK_STR(e.text, "host: HTTP 503: a  b [31m\nhint: try again");
  cq_error_hint(&e, "a second one");
  CHECK_STR(e.text, "host: HTTP 503: a  b [31m\nhint: try again");
  cq_error_clear(&e);
  CHECK_INT(e.code, CQ_OK);
  CHECK_STR(e.text, "");
}

static void test_error_null_is_legal(void) {
  CHECK_INT(cq_error_set(NULL, CQ_AUTH, "x"), CQ_AUTH);
  CHECK_INT(cq_error_nomem(NULL), CQ_NOMEM);
  cq_error_prefix(NULL, "x");
  cq_error_hint(NULL, "x");
  cq_error_clear(NULL);
}

static void test_error_prefix_joins(void) {
  cq_error e = {0, ""};
  cq_error_prefix(&e, "nothing");
  CHECK_STR(e.text, "");
  cq_error_set(&e, CQ_ERROR, "line %d", 3);
  cq_error_prefix(&e, "%s", "a.yml");
  CHECK_STR(e.text, "a.yml: line 3");
  cq_error_prefix(&e, "spec: ");
  CHECK_STR(e.text, "spec: a.yml: line 3");
  cq_error_set(&e, CQ_BUSY, "again: %s", e.text);
  CHECK_STR(e.text, "again: spec: a.yml: line 3");
  CHECK_INT(e.code, CQ_BUSY);
}

/* Whatever the length, an error ends with its hint and at a character. */
static void test_error_holds_utf8_only(void) {
  cq_error e = {0, ""};
  cq_error_set(&e, CQ_ERROR, "a\xc3 b\xff\xc3\xa9 %.4s|", "ab\xc3\xa9\xc3\xa9");
  CHECK_STR(e.text, "a b\xc3\xa9 ab\xc3\xa9|");
  cq_error_set(&e, CQ_ERROR, "%.3s, later", "ab\xc3\xa9");
  CHECK_STR(e.text, "ab, later");
  CHECK_INT(cq_utf8_cut("a\xc3\xa9", 2), 1);
  CHECK_INT(cq_utf8_cut("a\xc3\xa9", 3), 3);
}

static void redacts(const char *secret, const char *text, const char *want) {
  char buf[300];
  uint32_t grams[3];
  cq_grams have;
  cq_secret_grams(secret, grams);
  cq_grams_of(&have, text);
  if (strcmp(text, want) != 0) CHECK(cq_grams_have(&have, grams));
  snprintf(buf, sizeof buf, "%s", text);
  cq_redact(buf, secret);
  CHECK_STR(buf, want);
}

/* Where it is said that a text cannot hold a secret, nothing is found. */
static void test_redact_overlooks_nothing(void) {
  static const char bytes[] = "ab/\\\"%+ \n\t2F5c0u=Zg";
  uint32_t seed = 7;
  int hidden = 0, passed = 0;
  for (int n = 0; n < 40000; n++) {
    char secret[9] = "", text[60] = "", found[200];
    uint32_t grams[3];
    cq_grams have;
    for (int i = 0; i < 4 + n % 5; i++) {
      seed = seed * 1664525u + 1013904223u;
      secret[i] = bytes[(seed >> 16) % (sizeof bytes - 1)];
    }
    for (int i = 0; i < 40; i++) {
      seed = seed * 1664525u + 1013904223u;
      text[i] = bytes[(seed >> 16) % (sizeof bytes - 1)];
      if (n % 2 && i == 20) { /* the secret, some of it escaped */
        for (int k = 0; secret[k]; k++)
          i += snprintf(text + i, sizeof text - (size_t)i - 1,
                        (seed >> k) & 1 ? "%%%02x" : "%c",
                        (unsigned char)secret[k]);
        break;
      }
    }
    cq_secret_grams(secret, grams);
    cq_grams_of(&have, text);
    snprintf(found, sizeof found, "%s", text);
    cq_redact(found, secret);
    hidden += strcmp(found, text) != 0;
    passed += !cq_grams_have(&have, grams);
    if (strcmp(found, text) != 0 && !cq_grams_have(&have, grams)) {
      printf("# %s in %s\n", secret, text);
      CHECK(0);
      return;
    }
  }
  CHECK(hidden > 4000 && passed > 4000);
}

static void test_redact_finds_a_secret_however_it_is_written(void) {
  redacts("sesame/42", "a sesame/42, sesame/42b", "a ***, ***b");
  redacts("sesame/42", "a sesame%2F42 sesame%2f42 sesame\\/42",
          "a *** *** ***");
  redacts("se \"42\"", "se+%2242%22 se%20\\\"42\\\" se\\u0020\"42\"",
          "*** *** ***");
  redacts("line\nend", "line\\nend line%0Aend line end", "*** *** ***");
  redacts("tab\tend", "tab\\tend line", "*** line");
  redacts("sesame?42", "c2VzYW1lPzQy c2VzYW1lPzQy=", "*** ***=");
  redacts("s\xc3\xa9same", "s%C3%A9same s\\u00c3\\u00a9same", "*** ***");
  /* cut: its end is there no more */
  redacts("sesame-42-open", "text sesame-4 (after 2)", "text *** (after 2)");
  redacts("sesame-42-open", "text sesa", "text ***");
  redacts("sesame-42-open", "text sesa\nhint: x", "text ***\nhint: x");
  redacts("sesame-42-open", "text sesa and ses", "text sesa and ses");
  redacts("sesame", "", "");
  redacts("abc", "abc", "abc");
  redacts("", "abc", "abc");
  cq_redact(NULL, "abcd");
  redacts("%41B%", "%2541B%25 %41B% %4", "*** *** %4");
}

static void test_error_cuts_at_characters(void) {
  size_t n;
  for (n = 1; n < 2100; n += 7) {
    cq_error e = {0, ""};
    char *s = malloc(3 * n + 1);
    size_t i;
    for (i = 0; i < n; i++) memcpy(s + 3 * i, "\xE2\x82\xAC", 3);
    s[3 * n] = '\0';
    cq_error_set(&e, CQ_ERROR, "x%s", s);
    CHECK_INT(cq_utf8_check(e.text, strlen(e.text)), strlen(e.text));
    cq_error_prefix(&e, "%s", s);
    CHECK_INT(cq_utf8_check(e.text, strlen(e.text)), strlen(e.text));
    cq_error_hint(&e, "h%s", s);
    CHECK_INT(cq_utf8_check(e.text, strlen(e.text)), strlen(e.text));
    CHECK(strstr(e.text, "\nhint: h\xE2\x82\xAC") != NULL);
    CHECK(strlen(e.text) < sizeof(e.text));
    free(s);
  }
}

/* ---- memory ----------------------------------------------------------------- */
static void test_memory_refuses_overflow(void) {
  CHECK(cq_calloc(SIZE_MAX / 2, 4) == NULL);
  CHECK(cq_malloc(SIZE_MAX - 8) == NULL);
  CHECK(cq_strndup("x", SIZE_MAX) == NULL);
}

static void test_memory_prints_any_length(void) {
  size_t n;
  for (n = 0; n < 600; n += 37) {
    char *p = cq_mprintf("%0*d|", (int)n + 1, 7);
    CHECK_INT(strlen(p), n + 2);
    CHECK(p[n] == '7' && p[n + 1] == '|');
    cq_free(p);
  }
}

static void test_memory_grows(void) {
  int64_t *items = NULL;
  size_t cap = 0, i;
  for (i = 0; i < 1000; i++) {
    CHECK_INT(cq_grow(&items, &cap, i, sizeof(*items)), CQ_OK);
    CHECK(cap > i);
    items[i] = (int64_t)i;
  }
  for (i = 0; i < 1000; i++) CHECK_INT(items[i], i);
  CHECK_INT(cq_grow(&items, &cap, SIZE_MAX / 4, sizeof(*items)), CQ_NOMEM);
  cq_free(items);
}

static void test_memory_fault_hits_once(void) {
  void *p;
  cq_fault_set(2);
  p = cq_malloc(1);
  CHECK(p != NULL && !cq_fault_hit());
  CHECK(cq_strdup("x") == NULL);
  CHECK(cq_fault_hit());
  cq_free(p);
  p = cq_malloc(1);
  CHECK(p != NULL);
  cq_free(p);
  cq_fault_set(0);
  CHECK(!cq_fault_hit());
}

/* ---- arena -------------------------------------------------------------------- */
static void test_arena_keeps_what_it_gave(void) {
  cq_arena a;
  char *given[400];
  size_t round, i;
  cq_arena_init(&a);
  for (round = 0; round < 3; round++) {
    for (i = 0; i < 400; i++) {
      size_t n = i * i % 5000;
      given[i] = cq_arena_alloc(&a, n + 1);
      CHECK(given[i] && (uintptr_t)given[i] % 8 == 0);
      memset(given[i], (int)(i & 255), n + 1);
    }
    for (i = 0; i < 400; i++) {
      size_t n = i * i % 5000;
      CHECK(given[i][0] == (char)(i & 255) && given[i][n] == (char)(i & 255));
    }
    CHECK(a.bytes >= 400 * 1000 && a.bytes < 3 * 400 * 2500);
    cq_arena_reset(&a);
    CHECK(a.bytes <= 66 << 10);
  }
  CHECK(cq_arena_alloc(&a, SIZE_MAX - 3) == NULL);
  cq_arena_clear(&a);
  CHECK_INT(a.bytes, 0);
}

static void test_arena_prints(void) {
  cq_arena a;
  char *p, *q;
  cq_arena_init(&a);
  p = cq_arena_printf(&a, "%s-%d", "x", 7);
  CHECK_STR(p, "x-7");
  p = cq_arena_printf(&a, "%0500d", 1);
  CHECK_INT(strlen(p), 500);
  q = cq_arena_strndup(&a, "a\0b", 3);
  CHECK(memcmp(q, "a\0b", 4) == 0);
  cq_arena_clear(&a);
}

static void test_arena_survives_faults(void) {
  int n, hit = 1;
  for (n = 1; hit; n++) {
    cq_arena a;
    int i, bad = 0;
    cq_arena_init(&a);
    cq_fault_set(n);
    for (i = 0; i < 50; i++)
      if (!cq_arena_printf(&a, "%0*d", 100 * i, i)) bad++;
    hit = cq_fault_hit();
    cq_fault_set(0);
    CHECK_INT(bad, hit);
    CHECK(cq_arena_alloc(&a, 10) != NULL);
    cq_arena_clear(&a);
  }
  CHECK(n > 3);
}

/* ---- buffer ------------------------------------------------------------------- */
static void test_buf_is_sticky(void) {
  cq_buf b;
  cq_buf_init(&b, 5);
  cq_buf_str(&b, "abc");
  cq_buf_str(&b, "def");
  CHECK_INT(b.rc, CQ_TOOBIG);
  cq_buf_str(&b, "x");
  CHECK_STR(b.data, "abc");
  CHECK(cq_buf_take(&b) == NULL);
  CHECK_INT(b.rc, CQ_OK);
  cq_buf_str(&b, "abcde");
  CHECK_INT(b.rc, CQ_OK);
  cq_buf_reset(&b);
  CHECK_STR(b.data, "");
  cq_buf_printf(&b, "%s", "123456");
  CHECK_INT(b.rc, CQ_TOOBIG);
  CHECK_STR(b.data, "");
  cq_buf_clear(&b);
}

static void test_buf_max_is_a_bound(void) {
  size_t max, n;
  for (max = 0; max < 200; max += 13) {
    for (n = 0; n < 220; n += 11) {
      cq_buf b;
      cq_buf_init(&b, max);
      cq_buf_printf(&b, "%.*s", (int)n,
                    "                                                        "
                    "                                                        "
                    "                                                        "
                    "                                                        ");
      CHECK_INT(b.rc, n > max ? CQ_TOOBIG : CQ_OK);
      CHECK_INT(b.len, n > max ? 0 : n);
      cq_buf_clear(&b);
    }
  }
}

static void test_buf_take_of_nothing_is_empty(void) {
  cq_buf b;
  char *p;
  cq_buf_init(&b, 10);
  p = cq_buf_take(&b);
  CHECK_STR(p, "");
  cq_free(p);
}

static void test_buf_json_escapes(void) {
  cq_buf b;
  cq_buf_init(&b, SIZE_MAX);
  cq_buf_json(&b, "a\"\\\b\f\n\r\t\x01\x7f/\0z\xC3\xA9", 15);
  CHECK_STR(b.data, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f/\\u0000z\xC3\xA9\"");
  cq_buf_reset(&b);
  cq_buf_json(&b, "\xFFx\xED\xA0\x80", 5);
  CHECK_STR(b.data, "\"\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  cq_buf_clear(&b);
}

static void test_buf_survives_faults(void) {
  int n, hit = 1;
  for (n = 1; hit; n++) {
    cq_buf b;
    char *p;
    int i;
    cq_buf_init(&b, SIZE_MAX);
    cq_fault_set(n);
    for (i = 0; i < 300; i++) {
      cq_buf_str(&b, "0123456789");
      cq_buf_printf(&b, "%d", i);
      cq_buf_json(&b, "a\nb", 3);
      cq_base64_encode(&b, "abcd", 4, 0);
    }
    p = cq_buf_take(&b);
    hit = cq_fault_hit();
    cq_fault_set(0);
    CHECK_INT(p == NULL, hit);
    cq_free(p);
    cq_buf_clear(&b);
  }
  CHECK(n > 5);
}

/* ---- set -------------------------------------------------------------------- */
static void test_set_tells_what_is_new(void) {
  cq_set s = {NULL, 0, 0};
  int is_new;
  uint64_t i;

  for (i = 0; i < 5000; i++) {
    is_new = -1;
    CHECK_INT(cq_set_add(&s, i * 512, &is_new), CQ_OK); /* all collide */
    CHECK_INT(is_new, 1);
  }
  for (i = 0; i < 5000; i++) {
    is_new = -1;
    CHECK_INT(cq_set_add(&s, i * 512, &is_new), CQ_OK);
    CHECK_INT(is_new, 0);
  }
  CHECK_INT(s.n, 5000);
  CHECK(2 * s.n <= s.cap);
  CHECK_INT(cq_set_add(&s, UINT64_MAX, &is_new), CQ_OK);
  CHECK_INT(is_new, 1);
  cq_set_clear(&s);
  CHECK(s.slots == NULL && s.n == 0 && s.cap == 0);
  CHECK_INT(cq_set_add(&s, 512, &is_new), CQ_OK);
  CHECK_INT(is_new, 1);
  cq_set_clear(&s);
}

/* A set that could not grow still knows what it had, and grows later. */
static void test_set_survives_faults(void) {
  cq_set s = {NULL, 0, 0};
  int is_new = -1, refused = 0;
  uint64_t i;

  for (i = 1; i <= 2000; i++) {
    size_t n = s.n;

    cq_fault_set(1);
    is_new = -1;
    if (cq_set_add(&s, i, &is_new) == CQ_NOMEM) {
      CHECK(cq_fault_hit());
      CHECK_INT(is_new, -1);
      CHECK_INT(s.n, n);
      refused++;
      cq_fault_set(0);
      CHECK_INT(cq_set_add(&s, i, &is_new), CQ_OK);
    }
    cq_fault_set(0);
    CHECK_INT(is_new, 1);
  }
  CHECK_INT(refused, 5); /* 256 places, then twice as many: 512 ... 4096 */
  for (i = 1; i <= 2000; i++) {
    CHECK_INT(cq_set_add(&s, i, &is_new), CQ_OK);
    CHECK_INT(is_new, 0);
  }
  cq_set_clear(&s);
}

/* ---- time ---------------------------------------------------------------------- */
static const char *time_round(const char *s) {
  static char out[40];
  int64_t us;
  if (cq_time_parse(s, strlen(s), &us) != CQ_OK) return "refused";
  cq_time_format(us, out);
  return out;
}

static void test_time_reads_rfc3339(void) {
  CHECK_STR(time_round("2024-01-02T03:04:05Z"), "2024-01-02T03:04:05Z");
  CHECK_STR(time_round("2024-01-02t03:04:05z"), "2024-01-02T03:04:05Z");
  CHECK_STR(time_round("2024-01-02 03:04:05"), "2024-01-02T03:04:05Z");
  CHECK_STR(time_round("2024-01-02"), "2024-01-02T00:00:00Z");
  CHECK_STR(time_round("2024-01-02T03:04Z"), "2024-01-02T03:04:00Z");
  CHECK_STR(time_round("2024-01-02T03:04:05.120Z"), "2024-01-02T03:04:05.12Z");
  CHECK_STR(time_round("2024-01-02T03:04:05.123456789Z"),
            "2024-01-02T03:04:05.123456Z");
  CHECK_STR(time_round("2024-01-02T03:04:05+02:00"), "2024-01-02T01:04:05Z");
  CHECK_STR(time_round("2024-01-02T03:04:05-0530"), "2024-01-02T08:34:05Z");
  CHECK_STR(time_round("2024-01-02T03:04:05+05"), "2024-01-01T22:04:05Z");
  CHECK_STR(time_round("20240102T030405Z"), "2024-01-02T03:04:05Z");
  CHECK_STR(time_round("2024-02-29T23:59:59Z"), "2024-02-29T23:59:59Z");
  CHECK_STR(time_round("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00Z");
  CHECK_STR(time_round("9999-12-31T23:59:59.999999Z"),
            "9999-12-31T23:59:59.999999Z");
  CHECK_STR(time_round("1969-12-31T23:59:59.5Z"), "1969-12-31T23:59:59.5Z");
}

static void test_time_leap_second_stays_in_its_minute(void) {
  CHECK_STR(time_round("2016-12-31T23:59:60Z"), "2016-12-31T23:59:59.999999Z");
  CHECK_STR(time_round("2017-01-01T00:59:60.5+01:00"),
            "2016-12-31T23:59:59.999999Z");
  CHECK_STR(time_round("2016-12-31T23:59:61Z"), "refused");
}

static void test_time_reads_zone_names(void) {
  CHECK_STR(time_round("2024-01-02 03:04:05 UTC"), "2024-01-02T03:04:05Z");
  CHECK_STR(time_round("2024-01-02 03:04:05 GMT"), "2024-01-02T03:04:05Z");
  CHECK_STR(time_round("2024-01-02 03:04:05 Z"), "2024-01-02T03:04:05Z");
  CHECK_STR(time_round("2024-01-02 03:04:05.5 +0000 UTC"),
            "2024-01-02T03:04:05.5Z");
  CHECK_STR(time_round("2024-01-02 03:04:05 +0100"), "2024-01-02T02:04:05Z");
  CHECK_STR(time_round("2024-01-02 03:04:05 EST"), "refused");
  CHECK_STR(time_round("2024-01-02 03:04:05 +0100 UTC"), "refused");
}

static void test_time_reads_http_dates(void) {
  const char *want = "1994-11-06T08:49:37Z";
  CHECK_STR(time_round("Sun, 06 Nov 1994 08:49:37 GMT"), want);
  CHECK_STR(time_round("Sunday, 06-Nov-94 08:49:37 GMT"), want);
  CHECK_STR(time_round("Sun Nov  6 08:49:37 1994"), want);
  CHECK_STR(time_round("sun, 06 nov 1994 08:49:37 gmt"), want);
  CHECK_STR(time_round("6 Nov 1994 08:49:37 GMT"), want);
  CHECK_STR(time_round("Sun, 06 Nov 1994 08:49:37 +0000"), want);
  CHECK_STR(time_round("Sun, 06 Nov 1994 09:49:37 +0100"), want);
  CHECK_STR(time_round("Sun Nov 16 08:49:37 1994"), "1994-11-16T08:49:37Z");
  CHECK_STR(time_round("Tuesday, 01-Jan-68 00:00:00 GMT"),
            "2068-01-01T00:00:00Z");
  CHECK_STR(time_round("Tuesday, 01-Jan-69 00:00:00 GMT"),
            "1969-01-01T00:00:00Z");
}

static void test_time_refuses_what_is_no_time(void) {
  static const char *const bad[] = {"",
                                    "x",
                                    "2024",
                                    "2024-01",
                                    "2024-13-01",
                                    "2024-00-01",
                                    "2024-01-00",
                                    "2023-02-29",
                                    "1900-02-29",
                                    "2024-04-31",
                                    "2024-01-02T",
                                    "2024-01-02T03",
                                    "2024-01-02T24:00:00Z",
                                    "2024-01-02T03:60:00Z",
                                    "2024-01-02T03:04:05.Z",
                                    "2024-01-02T03:04:05.1234567890Z",
                                    "2024-01-02T03:04:05ZZ",
                                    "2024-01-02T03:04:05+24:00",
                                    "2024-01-02T03:04:05+1",
                                    "2024-01-02T03:04:05+01:",
                                    "2024-01-02T03:04:05 ",
                                    " 2024-01-02",
                                    "2024-01-02Z",
                                    "20240102",
                                    "24-01-02T03:04:05Z",
                                    "2024-1-2",
                                    "Sun, 06 Foo 1994 08:49:37 GMT",
                                    "Sun, 06 Nov 1994",
                                    "Sun",
                                    "Sun, 06 Nov-1994 08:49:37 GMT",
                                    "0000-01-01T00:00:00+00:01",
                                    "9999-12-31T23:59:59-00:01"};
  int64_t us;
  size_t i;
  CHECK_INT(cq_time_parse("2024-01-02T03:04:05\0Z", 21, &us), CQ_ERROR);
  for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    CHECK_STR(time_round(bad[i]), "refused");
}

/* Each day of 10,000 years, against a count that knows only leap years. */
static void test_time_counts_each_day(void) {
  static const int len[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  int64_t day = -719528, us;
  int y, m, d, wrong = 0;
  for (y = 0; y < 10000; y++) {
    int leap = (y % 4 == 0) && (y % 100 != 0 || y % 400 == 0);
    for (m = 1; m <= 12; m++) {
      int last = len[m - 1] + (m == 2 && leap);
      for (d = 1; d <= last; d++, day++) {
        char text[40], want[64];
        if (d != 1 && d != last) continue;
        snprintf(want, sizeof(want), "%04d-%02d-%02dT00:00:00Z", y, m, d);
        cq_time_format(day * 86400 * 1000000, text);
        if (strcmp(text, want) != 0) wrong++;
        if (cq_time_parse(want, strlen(want), &us) != CQ_OK ||
            us != day * 86400 * 1000000)
          wrong++;
      }
    }
  }
  CHECK_INT(wrong, 0);
  CHECK_INT(day, 2932897);
}

static void test_time_formats_any_int64(void) {
  char text[40];
  cq_time_format(INT64_MIN, text);
  CHECK_STR(text, "-290308-12-21T19:59:05.224192Z");
  cq_time_format(INT64_MAX, text);
  CHECK_STR(text, "294247-01-10T04:00:54.775807Z");
  cq_time_format(-1, text);
  CHECK_STR(text, "1969-12-31T23:59:59.999999Z");
}

static void test_time_clocks_run(void) {
  int64_t a = cq_now_us(), m = cq_mono_ms();
  CHECK(a > INT64_C(1700000000000000));
  CHECK((int64_t)time(NULL) - a / 1000000 <= 1);
  CHECK(cq_mono_ms() >= m);
}

static int64_t duration(const char *s) {
  int64_t us;
  return cq_duration_parse(s, strlen(s), &us) == CQ_OK ? us : -1;
}

static void test_duration_reads_units(void) {
  CHECK_INT(duration("90s"), 90000000);
  CHECK_INT(duration("15m"), 900000000);
  CHECK_INT(duration("2h"), 7200000000);
  CHECK_INT(duration("7d"), 604800000000);
  CHECK_INT(duration("1w"), 604800000000);
  CHECK_INT(duration("250ms"), 250000);
  CHECK_INT(duration("1h30m"), 5400000000);
  CHECK_INT(duration("45"), 45000000);
  CHECK_INT(duration("0"), 0);
  CHECK_INT(duration("1.5"), 1500000);
  CHECK_INT(duration("0.000001h"), 3600);
  CHECK_INT(duration("PT5M"), 300000000);
  CHECK_INT(duration("P1DT2H3M4.5S"), 93784500000);
  CHECK_INT(duration("P2W"), 1209600000000);
}

static void test_duration_refuses_the_rest(void) {
  static const char *const bad[] = {"",
                                    "s",
                                    "-5s",
                                    "5x",
                                    "5 s",
                                    "1h30",
                                    "P",
                                    "PT",
                                    "P1Y",
                                    "P1M",
                                    "P1H",
                                    "PT1D",
                                    "1.s",
                                    "99999999999999999999s",
                                    "9999999999999w",
                                    "P1DT",
                                    "5s ",
                                    "1e3"};
  size_t i;
  for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    CHECK_INT(duration(bad[i]), -1);
}

/* ---- hashes ----------------------------------------------------------------------- */
static const char *hex32(const unsigned char *p) {
  static char out[65];
  cq_hex(p, 32, out);
  return out;
}

static const char *unhex(const char *s, char sep, size_t want) {
  unsigned char b[16];
  static char out[33];
  if (!cq_unhex(s, strlen(s), sep, b, want)) return "no";
  cq_hex(b, want, out);
  return out;
}

static void test_hash_unhex(void) {
  char own[] = "00FF7f";
  CHECK_STR(unhex("", 0, 0), "");
  CHECK_STR(unhex("0aB1", 0, 2), "0ab1");
  CHECK_STR(unhex("0a:B1:ff", ':', 3), "0ab1ff");
  CHECK_STR(unhex("0a:b1", 0, 2), "no");
  CHECK_STR(unhex("0:ab1", ':', 2), "no");
  CHECK_STR(unhex("0ab", 0, 2), "no");
  CHECK_STR(unhex("0ab1c2", 0, 2), "no");
  CHECK_STR(unhex("0ag1", 0, 2), "no");
  CHECK_INT(cq_unhex(own, 6, 0, own, 3), 1);
  CHECK_INT(memcmp(own, "\x00\xff\x7f", 3), 0);
}

/* FIPS 180-2 and RFC 4231 publish these. */
static void test_hash_sha256_vectors(void) {
  unsigned char d[32];
  cq_sha256("", 0, d);
  CHECK_STR(hex32(d), "e3b0c44298fc1c149afbf4c8996fb924"
                      "27ae41e4649b934ca495991b7852b855");
  cq_sha256("abc", 3, d);
  CHECK_STR(hex32(d), "ba7816bf8f01cfea414140de5dae2223"
                      "b00361a396177a9cb410ff61f20015ad");
}

static void test_hash_hmac_vectors(void) {
  unsigned char d[32], key[131];
  cq_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, d);
  CHECK_STR(hex32(d), "5bdcc146bf60754e6a042426089575c7"
                      "5a003f089d2739839dec58b964ec3843");
  memset(key, 0xaa, sizeof(key));
  cq_hmac_sha256(key, sizeof(key),
                 "Test Using Larger Than Block-Size Key - Hash Key First", 54,
                 d);
  CHECK_STR(hex32(d), "60e431591ee0b67f0d8a26aacbf5b77f"
                      "8e0bc6213728c5140546040f0ee37f54");
}

static void test_hash_uuid5_as_cloudquery(void) {
  unsigned char a[32];
  char id[37];
  cq_sha256("id1500000001", 12, a);
  cq_uuid5(a, sizeof a, id);
  CHECK_STR(id, "aed9b8c3-aefd-5d70-af42-55cf550f174f");
  cq_uuid5("", 0, id); /* the nil namespace and no name */
  CHECK_STR(id, "e129f27c-5103-5c5c-844b-cdf0a15e160d");
}

static void test_hash_uuid4_has_its_bits(void) {
  char a[37], b[37];
  cq_uuid4(a);
  cq_uuid4(b);
  CHECK(strcmp(a, b) != 0);
  CHECK_INT(strlen(a), 36);
  CHECK(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
  CHECK_INT(a[14], '4');
  CHECK(strchr("89ab", a[19]) != NULL);
  CHECK(cq_random() != cq_random());
}

/* Every bit of the input, its length and the seed decide. */
static void test_hash_64_spreads(void) {
  unsigned char buf[40] = {0};
  uint64_t base = cq_hash64(buf, sizeof(buf), 1);
  size_t i;
  int least = 64;
  CHECK(cq_hash64(buf, 39, 1) != base);
  CHECK(cq_hash64(buf, sizeof(buf), 2) != base);
  CHECK(cq_hash64("", 0, 0) != cq_hash64("", 0, 1));
  for (i = 0; i < 8 * sizeof(buf); i++) {
    uint64_t x;
    int bits = 0;
    buf[i / 8] ^= (unsigned char)(1 << (i % 8));
    x = cq_hash64(buf, sizeof(buf), 1) ^ base;
    for (; x; x &= x - 1) bits++;
    if (bits < least) least = bits;
    buf[i / 8] ^= (unsigned char)(1 << (i % 8));
  }
  CHECK(least > 10);
}

/* ---- encodings ------------------------------------------------------------------ */
/* RFC 4648, section 10. */
static void test_base64_vectors(void) {
  static const char *const plain[] = {"",     "f",     "fo",    "foo",
                                      "foob", "fooba", "foobar"};
  static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                      "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  size_t i;
  for (i = 0; i < 7; i++) {
    cq_buf b;
    cq_buf_init(&b, 100);
    cq_base64_encode(&b, plain[i], i, 0);
    CHECK_STR(b.data, coded[i]);
    cq_buf_reset(&b);
    CHECK_INT(cq_base64_decode(&b, coded[i], strlen(coded[i])), CQ_OK);
    CHECK_STR(b.data, plain[i]);
    cq_buf_reset(&b);
    cq_base64_encode(&b, plain[i], i, 1);
    CHECK_INT(strlen(b.data), (i * 8 + 5) / 6);
    cq_buf_clear(&b);
  }
}

static void test_base64_takes_both_alphabets(void) {
  cq_buf b;
  cq_buf_init(&b, 100);
  cq_base64_encode(&b, "\xfb\xff\xfe", 3, 0);
  CHECK_STR(b.data, "+//+");
  cq_buf_reset(&b);
  cq_base64_encode(&b, "\xfb\xff\xfe", 3, 1);
  CHECK_STR(b.data, "-__-");
  cq_buf_reset(&b);
  CHECK_INT(cq_base64_decode(&b, "-_/+", 4), CQ_OK);
  CHECK(memcmp(b.data, "\xfb\xff\xfe", 3) == 0);
  cq_buf_reset(&b);
  CHECK_INT(cq_base64_decode(&b, "Zm9v\r\nYg", 8), CQ_OK);
  CHECK_STR(b.data, "foob");
  cq_buf_clear(&b);
}

static void test_base64_refuses_the_rest(void) {
  static const char *const bad[] = {"Z",    "Zm9vY", "Zg=",   "Zg===", "Z===",
                                    "Zm=8", "Zm8==", "Zm9v=", "Zm!v",  "="};
  size_t i;
  for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    cq_buf b;
    cq_buf_init(&b, 100);
    cq_buf_str(&b, "kept");
    CHECK_INT(cq_base64_decode(&b, bad[i], strlen(bad[i])), CQ_ERROR);
    CHECK_STR(b.data, "kept");
    CHECK_INT(b.rc, CQ_OK);
    cq_buf_clear(&b);
  }
}

/* A result of exactly max bytes fits. */
static void test_base64_fills_its_bound(void) {
  cq_buf b;
  cq_buf_init(&b, 4);
  CHECK_INT(cq_base64_decode(&b, "Zm9vYg==", 8), CQ_OK);
  cq_buf_reset(&b);
  CHECK_INT(cq_base64_decode(&b, "Zm9vYmE=", 8), CQ_TOOBIG);
  cq_buf_clear(&b);
}

static void test_percent_encodes_and_decodes(void) {
  cq_buf b;
  cq_buf_init(&b, 1000);
  cq_percent_encode(&b, "aZ09-._~ /?\xC3\xA9\0%", 15, NULL);
  CHECK_STR(b.data, "aZ09-._~%20%2F%3F%C3%A9%00%25");
  cq_buf_reset(&b);
  cq_percent_encode(&b, "a/b:c", 5, "/");
  CHECK_STR(b.data, "a/b%3Ac");
  cq_buf_reset(&b);
  cq_percent_decode(&b, "a%2fb%2", 7);
  CHECK_STR(b.data, "a/b%2");
  cq_buf_reset(&b);
  cq_percent_decode(&b, "%zz+%25%", 8);
  CHECK_STR(b.data, "%zz+%%");
  cq_buf_clear(&b);
}

/* ---- text ------------------------------------------------------------------------ */
static void test_text_compares_ascii_case(void) {
  CHECK(cq_str_ieq("Content-TYPE", "content-type"));
  CHECK(!cq_str_ieq("a", "ab"));
  CHECK(!cq_str_ieq("[", "{"));
  CHECK(cq_str_ieq(NULL, NULL));
  CHECK(!cq_str_ieq(NULL, ""));
}

static void test_glob_matches(void) {
  CHECK(cq_glob("*", ""));
  CHECK(cq_glob("aws_*", "aws_ec2_instances"));
  CHECK(!cq_glob("aws_*", "gcp_x"));
  CHECK(cq_glob("*ec2*inst*", "aws_ec2_instances"));
  CHECK(cq_glob("a*b*c", "aXbXbXc"));
  CHECK(!cq_glob("a*b*c", "aXbXbX"));
  CHECK(!cq_glob("a?c", "abc"));
  CHECK(cq_glob("a?c", "a?c"));
  CHECK(!cq_glob("", "a"));
  CHECK(!cq_glob("A", "a"));
  CHECK(cq_glob("***", "abc"));
}

/* Many stars over a long text: must not take forever. */
static void test_glob_is_not_exponential(void) {
  char s[2001];
  memset(s, 'a', 2000);
  s[2000] = '\0';
  CHECK(!cq_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", s));
}

static void test_nearest_suggests(void) {
  static const char *const words[] = {
      "tables", "skip_tables", "destinations",
      "name",   "path",        "aws_ec2_instances",
      "id"};
  size_t n = sizeof(words) / sizeof(*words);
  char longest[200];
  CHECK_STR(cq_nearest("tabels", words, n), "tables");
  CHECK_STR(cq_nearest("TABLES", words, n), "tables");
  CHECK_STR(cq_nearest("destination", words, n), "destinations");
  CHECK_STR(cq_nearest("aws_ec2_instance", words, n), "aws_ec2_instances");
  CHECK_STR(cq_nearest("skiptables", words, n), "skip_tables");
  CHECK_STR(cq_nearest("nmae", words, n), "name");
  CHECK(cq_nearest("zebra", words, n) == NULL);
  CHECK(cq_nearest("xy", words, n) == NULL);
  CHECK(cq_nearest("", words, n) == NULL);
  CHECK(cq_nearest("tables", words, 0) == NULL);
  memset(longest, 'a', 199);
  longest[199] = '\0';
  CHECK(cq_nearest(longest, words, n) == NULL);
}

/* All strings of three bytes, and four bytes where the first says so, against
 * a decoder that goes by code points. */
static size_t utf8_plain(const unsigned char *s, size_t n) {
  size_t i = 0;
  while (i < n) {
    size_t len = s[i] < 0x80                   ? 1
                 : s[i] >= 0xC0 && s[i] < 0xE0 ? 2
                 : s[i] >= 0xE0 && s[i] < 0xF0 ? 3
                 : s[i] >= 0xF0 && s[i] < 0xF8 ? 4
                                               : 0;
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned u;
    size_t k;
    if (len == 0 || len > n - i) return i;
    u = len == 1 ? s[i] : s[i] & (0xFFu >> (len + 1));
    for (k = 1; k < len; k++) {
      if ((s[i + k] & 0xC0) != 0x80) return i;
      u = u << 6 | (s[i + k] & 0x3F);
    }
    if (u < least[len] || u > 0x10FFFF || (u >= 0xD800 && u < 0xE000)) return i;
    i += len;
  }
  return n;
}

static void test_utf8_is_strict(void) {
  unsigned char s[16];
  unsigned x;
  int wrong = 0;
  for (x = 0; x < 1u << 24; x += x % 3 + 1) {
    s[0] = (unsigned char)(x >> 16);
    s[1] = (unsigned char)(x >> 8);
    s[2] = (unsigned char)x;
    if (cq_utf8_check((char *)s, 3) != utf8_plain(s, 3)) wrong++;
    s[0] = (unsigned char)(0xF0 | (x >> 21));
    s[1] = (unsigned char)(x >> 13);
    s[2] = (unsigned char)(x >> 5);
    s[3] = (unsigned char)(x << 3);
    if (cq_utf8_check((char *)s, 4) != utf8_plain(s, 4)) wrong++;
  }
  CHECK_INT(wrong, 0);
  CHECK_INT(cq_utf8_check("12345678\xC3\xA9"
                          "12345678\xFF",
                          19),
            18);
}

/* ---- files ------------------------------------------------------------------------ */
static void test_file_reads_whole(void) {
  char path[] = "/tmp/cq-test-XXXXXX";
  int fd = mkstemp(path);
  char *text = NULL;
  size_t len = 0, i;
  cq_error e = {0, ""};
  char chunk[1000];
  memset(chunk, 'x', sizeof(chunk));
  for (i = 0; i < 50; i++)
    CHECK_INT(write(fd, chunk, sizeof(chunk)), (int)sizeof(chunk));
  CHECK_INT(cq_file_read(path, 50000, &text, &len, &e), CQ_OK);
  CHECK_INT(len, 50000);
  CHECK(text && text[49999] == 'x' && text[50000] == '\0');
  cq_free(text);
  CHECK_INT(cq_file_read(path, 49999, &text, &len, &e), CQ_TOOBIG);
  CHECK(text == NULL && strstr(e.text, "larger than allowed: 49999 bytes"));
  CHECK_INT(ftruncate(fd, 0), 0);
  CHECK_INT(cq_file_read(path, 10, &text, &len, &e), CQ_OK);
  CHECK_STR(text, "");
  cq_free(text);
  close(fd);
  unlink(path);
  CHECK_INT(cq_file_read(path, 10, &text, &len, &e), CQ_NOTFOUND);
  CHECK(strstr(e.text, ": cannot open: no such file") != NULL);
  CHECK_INT(cq_file_read("/tmp", 10, &text, &len, &e), CQ_IOERR);
  CHECK_STR(e.text, "/tmp: cannot read: is a folder, not a regular file");
}

static void test_file_survives_faults(void) {
  int n, hit = 1;
  for (n = 1; hit; n++) {
    char *text;
    size_t len;
    int rc;
    cq_error e = {0, ""};
    cq_fault_set(n);
    rc = cq_file_read("/proc/self/status", 1 << 20, &text, &len, &e);
    hit = cq_fault_hit();
    cq_fault_set(0);
    CHECK_INT(rc, hit ? CQ_NOMEM : CQ_OK);
    CHECK_INT(text == NULL, hit);
    cq_free(text);
  }
  CHECK(n > 2);
}

/* As far as n, or the end of either. */
static void test_base_letters_are_ascii(void) {
  CHECK(cq_str_ieqn("HTTP/1", "http/2", 5));
  CHECK(!cq_str_ieqn("HT", "HTTP/", 5));
  CHECK(!cq_str_ieqn("HTTP/", "HT", 5));
  CHECK(cq_str_ieqn("FILE", "file", 99));
  CHECK_INT(cq_lower('I'), 'i');
  CHECK_INT(cq_lower('\xc4'), 0xc4);
  CHECK(cq_letter('z') && cq_letter('A') && !cq_letter('[') && !cq_letter('1'));
}

static void test_regex_is_bounded(void) {
  static const char *const good[] = {"",
                                     "a",
                                     "^arn:[^:]*:([a-z0-9-]+):.*$",
                                     "([0-9]{4})-([0-9]{2})",
                                     "[]+]+",
                                     "(a|b)+c{1,200}",
                                     "\\(+",
                                     "((((a+)+)+)+)+",
                                     "a{",
                                     "[",
                                     "x\\"};
  static const char *const bad[] = {
      "(x++++++++++++++++++++)",
      "((((((((((((((((x+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+",
      "a{200}{200}",
      "(a{1000}b){100}",
      "a{99999999999999999999}{2}",
      "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((a"};

  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    CHECK(cq_regex_bounded(good[i]));
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    CHECK(!cq_regex_bounded(bad[i]));
  }
}

int main(void) {
  RUN(test_error_is_one_line);
  RUN(test_error_null_is_legal);
  RUN(test_error_prefix_joins);
  RUN(test_error_cuts_at_characters);
  RUN(test_error_holds_utf8_only);
  RUN(test_redact_finds_a_secret_however_it_is_written);
  RUN(test_redact_overlooks_nothing);
  RUN(test_memory_refuses_overflow);
  RUN(test_memory_prints_any_length);
  RUN(test_memory_grows);
  RUN(test_memory_fault_hits_once);
  RUN(test_arena_keeps_what_it_gave);
  RUN(test_arena_prints);
  RUN(test_arena_survives_faults);
  RUN(test_buf_is_sticky);
  RUN(test_buf_max_is_a_bound);
  RUN(test_buf_take_of_nothing_is_empty);
  RUN(test_buf_json_escapes);
  RUN(test_buf_survives_faults);
  RUN(test_set_tells_what_is_new);
  RUN(test_set_survives_faults);
  RUN(test_time_reads_rfc3339);
  RUN(test_time_leap_second_stays_in_its_minute);
  RUN(test_time_reads_zone_names);
  RUN(test_time_reads_http_dates);
  RUN(test_time_refuses_what_is_no_time);
  RUN(test_time_counts_each_day);
  RUN(test_time_formats_any_int64);
  RUN(test_time_clocks_run);
  RUN(test_duration_reads_units);
  RUN(test_duration_refuses_the_rest);
  RUN(test_hash_unhex);
  RUN(test_hash_sha256_vectors);
  RUN(test_hash_hmac_vectors);
  RUN(test_hash_uuid5_as_cloudquery);
  RUN(test_hash_uuid4_has_its_bits);
  RUN(test_hash_64_spreads);
  RUN(test_base64_vectors);
  RUN(test_base64_takes_both_alphabets);
  RUN(test_base64_refuses_the_rest);
  RUN(test_base64_fills_its_bound);
  RUN(test_percent_encodes_and_decodes);
  RUN(test_text_compares_ascii_case);
  RUN(test_glob_matches);
  RUN(test_glob_is_not_exponential);
  RUN(test_nearest_suggests);
  RUN(test_utf8_is_strict);
  RUN(test_file_reads_whole);
  RUN(test_file_survives_faults);
  RUN(test_base_letters_are_ascii);
  RUN(test_regex_is_bounded);
  return test_done();
}
