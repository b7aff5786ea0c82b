/* tests/fuzz/fuzz_url.c: addresses: what cq takes for the host, libcurl takes
 * for it too, since credentials go by it; relative ones are resolved. */
#include <curl/curl.h>
#include <ctype.h>

#include "fuzz.h"
#include "http/auth/internal.h"
#include "http/internal.h"

static int is(const char *a, const char *b, size_t n) {
  return strlen(a) == n && strncasecmp(a, b, n) == 0;
}

static int has(CURLU *u, CURLUPart part, const char *want, size_t n) {
  char *text = NULL;
  int ok;

  if (curl_url_get(u, part, &text, 0)) return n == 0;
  ok = is(text, want, n);
  /* "http://h:080" is port 80. */
  if (!ok && part == CURLUPART_PORT) {
    while (n > 1 && *want == '0') {
      want++;
      n--;
    }
    ok = is(text, want, n);
  }
  curl_free(text);
  return ok;
}

/* Letters that libcurl may rewrite (percent, IDN) are not compared. */
static int plain_host(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!isalnum((unsigned char)s[i]) && !strchr("-._~", s[i])) return 0;
  /* 127.1 and 0x7f.1 become addresses of four numbers. */
  for (size_t i = 0; i < n; i++)
    if (isalpha((unsigned char)s[i]) && tolower((unsigned char)s[i]) != 'x' &&
        !isxdigit((unsigned char)s[i]))
      return 1;
  return 0;
}

static void check_host(const char *url) {
  CURLU *u;
  cq_url_parts p;

  if (cq_url_check(url, 0, NULL)) return;
  if (!cq_url_split(url, strlen(url), &p)) fuzz_fail("%s: no URL", url);
  u = curl_url();
  if (!u) abort();
  if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
    if (!has(u, CURLUPART_SCHEME, p.scheme, p.nscheme))
      fuzz_fail("%s: another scheme", url);
    if (plain_host(p.host, p.nhost) && !has(u, CURLUPART_HOST, p.host, p.nhost))
      fuzz_fail("%s: another host than %.*s", url, (int)p.nhost, p.host);
    if (!has(u, CURLUPART_PORT, p.port ? p.port : "", p.nport))
      fuzz_fail("%s: another port than %.*s", url, (int)p.nport, p.port);
  }
  curl_url_cleanup(u);
}

static void check_join(const char *base, const char *ref) {
  static const char other[] = "http://elsewhere/a/b?c";
  cq_buf one, two, three;

  cq_buf_init(&one, CQ_MAX_URL);
  cq_buf_init(&two, CQ_MAX_URL);
  cq_buf_init(&three, CQ_MAX_URL);
  if (cq_url_join(base, ref, strlen(ref), &one) == CQ_OK && one.data) {
    check_host(one.data);
    /* An absolute one without dots is what it is, wherever it is met. */
    if (cq_url_join(other, one.data, one.len, &two) ||
        cq_url_join(other, two.data, two.len, &three) ||
        strcmp(two.data, three.data) != 0)
      fuzz_fail("%s + %s = %s, then %s", base, ref, two.data, three.data);
    if (cq_url_check(one.data, 0, NULL) == CQ_OK &&
        !cq_url_same_origin(one.data, two.data))
      fuzz_fail("%s: is of another origin than itself", one.data);
  }
  cq_buf_clear(&one);
  cq_buf_clear(&two);
  cq_buf_clear(&three);
}

static void check_sign(const char *url, const char *rest) {
  cq_sigv4 keys = {"AKIDEXAMPLE", "not-a-secret", NULL, "us-east-1", "s3", 1};
  cq_header h = {"x-amz-meta", rest};
  cq_buf lines;
  cq_error err = {0, ""};

  if (cq_url_check(url, 0, NULL) || cq_header_check(h.name, rest, NULL)) return;
  cq_buf_init(&lines, SIZE_MAX);
  if (cq_sigv4_sign(&keys, "GET", url, &h, 1, rest, strlen(rest),
                    INT64_C(1700000000000000), &lines, NULL, &err))
    fuzz_fail("%s: not signed: %s", url, err.text);
  cq_buf_clear(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size), first = fuzz_until(&in, '\n');
  char *base = fuzz_text(first), *ref = fuzz_text(in);

  check_host(base);
  check_host(ref);
  check_join("http://h.example/a/b/c?d", base);
  check_join(base, ref);
  cq_url_same_origin(base, ref);
  check_sign(base, ref);
  free(base);
  free(ref);
  return 0;
}
