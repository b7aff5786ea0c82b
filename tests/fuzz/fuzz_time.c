/* tests/fuzz/fuzz_time.c: times, durations, waits that a server asks for, and
 * ${time:...} of specs. */
#include "fuzz.h"
#include "http/http.h"
#include "sync/internal.h"

#define NOW INT64_C(1700000000123456)

static void check_time(const char *s, size_t n) {
  int64_t us, again;
  char text[40];

  if (cq_time_parse(s, n, &us)) return;
  cq_time_format(us, text);
  if (cq_time_parse(text, strlen(text), &again) || again != us)
    fuzz_fail("%s: written %s, which reads differently", s, text);
}

static void check_format(int64_t us) {
  char text[40];
  int64_t again;

  us %= INT64_C(253402300800000000);
  cq_time_format(us, text);
  if (us >= -INT64_C(62167219200000000) &&
      (cq_time_parse(text, strlen(text), &again) || again != us))
    fuzz_fail("%lld: written %s", (long long)us, text);
}

static void check_duration(const char *s, size_t n) {
  int64_t us;
  char text[40];

  if (cq_duration_parse(s, n, &us)) return;
  if (us < 0) fuzz_fail("%s: below 0", s);
  cq_span_format(us / 1000, text, sizeof text);
}

/* As it stands in a spec: what comes out is a time, or all an error. */
static void check_spec(const char *s, size_t n) {
  cq_buf in, out;
  cq_error err = {0, ""};
  int64_t us;

  if (memchr(s, '}', n) || memchr(s, 0, n)) return;
  cq_buf_init(&in, SIZE_MAX);
  cq_buf_init(&out, SIZE_MAX);
  cq_buf_printf(&in, "${time:%s}", s);
  if (cq_subst("f", in.data, in.len, NOW, &out, &err) == CQ_OK &&
      !memchr(s, '|', n) && cq_time_parse(out.data, out.len, &us))
    fuzz_fail("%s: is not a time: %s", in.data, out.data);
  cq_buf_clear(&in);
  cq_buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  char *s = fuzz_text(in);
  int64_t us = 0, ms;

  memcpy(&us, in.p, in.n < sizeof us ? in.n : sizeof us);
  check_format(us);
  check_time(s, in.n);
  check_duration(s, in.n);
  check_spec(s, in.n);
  ms = cq_http_after_ms(s, NOW);
  if (ms < -1 || ms > CQ_MAX_WAIT_MS)
    fuzz_fail("%s: waits %lld ms", s, (long long)ms);
  free(s);
  return 0;
}
