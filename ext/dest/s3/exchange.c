/* ext/dest/s3/exchange.c: one request and its answer, by libcurl. */
#include <stdlib.h>
#include <string.h>

#include "dest/s3/internal.h"

typedef struct xfer {
  s3_answer *a;
  const s3_request *q;
  int64_t moved,
      moved_ms; /* bytes either way, and when the last one was seen */
  int too_long;
  char detail[CURL_ERROR_SIZE];
} xfer;

void s3_answer_init(s3_answer *a, size_t max) {
  memset(a, 0, sizeof *a);
  cq_buf_init(&a->body, max < CQ_MAX_ERROR_BODY ? CQ_MAX_ERROR_BODY : max);
  a->length = -1;
}

static void answer_reset(s3_answer *a) {
  cq_buf body = a->body;

  cq_buf_reset(&body);
  memset(a, 0, sizeof *a);
  a->body = body;
  a->length = -1;
}

void s3_answer_clear(s3_answer *a) {
  cq_buf_clear(&a->body);
}

/* ---- what arrives ------------------------------------------------------------ */

static int head_is(const char *p, size_t n, const char *name, char *out,
                   size_t room) {
  size_t len = strlen(name);

  if (n <= len || p[len] != ':' || !cq_str_ieqn(p, name, len)) return 0;
  p += len + 1;
  n -= len + 1;
  while (n && (*p == ' ' || *p == '\t')) p++, n--;
  while (n && (unsigned char)p[n - 1] <= ' ') n--;
  if (n >= room) n = room - 1;
  memcpy(out, p, n);
  out[n] = 0;
  return 1;
}

static size_t on_head(char *p, size_t size, size_t count, void *user) {
  xfer *x = user;
  s3_answer *a = x->a;
  size_t n = size * count;
  char number[32];

  if (n > 5 && memcmp(p, "HTTP/", 5) == 0) { /* of several, the last counts */
    answer_reset(a);
    return n;
  }
  if (head_is(p, n, "etag", a->etag, sizeof a->etag) ||
      head_is(p, n, "x-amz-bucket-region", a->region, sizeof a->region) ||
      head_is(p, n, "date", a->date, sizeof a->date) ||
      head_is(p, n, "x-amz-server-side-encryption", a->sse, sizeof a->sse) ||
      head_is(p, n, "retry-after", a->retry_after, sizeof a->retry_after))
    return n;
  if (head_is(p, n, "content-length", number, sizeof number))
    a->length = strtoll(number, NULL, 10);
  if (head_is(p, n, "last-modified", number, sizeof number) &&
      cq_time_parse(number, strlen(number), &a->modified_us))
    a->modified_us = 0;
  return n;
}

static size_t on_body(char *p, size_t size, size_t count, void *user) {
  xfer *x = user;
  size_t n = size * count;

  cq_buf_add(&x->a->body, p, n);
  if (x->a->body.rc == CQ_TOOBIG) x->too_long = 1;
  return x->a->body.rc ? 0 : n;
}

static int on_progress(void *user, curl_off_t dltotal, curl_off_t dlnow,
                       curl_off_t ultotal, curl_off_t ulnow) {
  xfer *x = user;

  (void)dltotal, (void)ultotal;
  if (dlnow + ulnow != x->moved) {
    x->moved = dlnow + ulnow;
    x->moved_ms = cq_mono_ms();
  }
  return 0;
}

/* ---- what is asked ------------------------------------------------------------ */

static int options(cq_s3 *s, const s3_request *q, const char *url,
                   struct curl_slist *headers, xfer *x, cq_error *err) {
  CURL *e = s->easy;
  cq_error why = {0, ""};

  curl_easy_reset(e); /* connections stay: they are the multi's */
  curl_easy_setopt(e, CURLOPT_URL, url);
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L); /* what was signed is sent */
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                   (long)(s->timeout_ms < CQ_CONNECT_TIMEOUT_MS
                              ? s->timeout_ms
                              : CQ_CONNECT_TIMEOUT_MS));
  curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver */
  curl_easy_setopt(e, CURLOPT_USERAGENT, "cq");
  curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, s->o.skip_verify ? 0L : 1L);
  curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, s->o.skip_verify ? 0L : 2L);
  if (cq_http_equip(e, &s->tls, s->ca_path, s->o.net ? s->o.net->proxy : NULL,
                    &why))
    return s3_fail(s, q, why.code, err, "%s", why.text);
  curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 128L << 10);
  curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->detail);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
  curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(e, CURLOPT_XFERINFODATA, x);
  if (strcmp(q->method, "PUT") == 0 || strcmp(q->method, "POST") == 0) {
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->nbody);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, q->body ? q->body : "");
  }
  if (strcmp(q->method, "HEAD") == 0)
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
  else if (strcmp(q->method, "GET") != 0)
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
  return CQ_OK;
}

static int failed(const cq_s3 *s, const s3_request *q, const xfer *x,
                  CURLcode code, int *passing, cq_error *err) {
  const char *why = x->detail[0] ? x->detail : curl_easy_strerror(code);
  int n = (int)strcspn(why, "\r\n"), rc;

  if (x->too_long)
    return s3_fail(s, q, CQ_TOOBIG, err, "the answer is longer than %zu bytes",
                   x->a->body.max);
  if (code == CURLE_OUT_OF_MEMORY || x->a->body.rc == CQ_NOMEM)
    return cq_error_nomem(err);
  switch (code) {
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_CERTPROBLEM:
    rc = s3_fail(s, q, CQ_IOERR, err, "%.*s", n < 300 ? n : 300, why);
    cq_error_hint(err, "ca_file names the file of the authority to trust, in "
                       "PEM form");
    return rc;
  case CURLE_URL_MALFORMAT:
  case CURLE_UNSUPPORTED_PROTOCOL:
    return s3_fail(s, q, CQ_ERROR, err, "%.*s", n < 300 ? n : 300, why);
  default:
    *passing = 1;
    rc = s3_fail(s, q, CQ_IOERR, err, "%.*s", n < 300 ? n : 300, why);
    if (code == CURLE_COULDNT_RESOLVE_HOST && s->o.endpoint && !s->o.path_style)
      cq_error_hint(err, "use_path_style: true puts the bucket in the path "
                         "instead of the host's name");
    return rc;
  }
}

int s3_exchange(cq_s3 *s, const s3_request *q, const char *url,
                struct curl_slist *headers, s3_answer *a, int *passing,
                cq_error *err) {
  xfer x = {.a = a, .q = q, .moved_ms = cq_mono_ms()};
  CURLcode code = CURLE_OK;
  int running = 1, added = 0, rc = CQ_OK;
  long status = 0, connects = 0;

  *passing = 0;
  answer_reset(a);
  if ((rc = options(s, q, url, headers, &x, err))) return rc;
  if (curl_multi_add_handle(s->multi, s->easy)) return cq_error_nomem(err);
  added = 1;
  while (running) {
    CURLMsg *m;
    int left;

    if (curl_multi_perform(s->multi, &running)) {
      rc = cq_error_nomem(err);
      goto done;
    }
    while ((m = curl_multi_info_read(s->multi, &left)) != NULL)
      if (m->msg == CURLMSG_DONE) code = m->data.result;
    if (!running) break;
    if (s3_stopped(s)) {
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
      goto done;
    }
    if (cq_mono_ms() - x.moved_ms > s->timeout_ms) {
      *passing = 1;
      rc = s3_fail(s, q, CQ_IOERR, err, "no byte has come or gone for %d s",
                   s->timeout_ms / 1000);
      goto done;
    }
    curl_multi_poll(s->multi, NULL, 0, S3_POLL_MS, NULL);
  }
  curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(s->easy, CURLINFO_NUM_CONNECTS, &connects);
  a->status = (int)status;
  a->connects = (int)connects;
  /* A server that has refused may hang up before it has read all. */
  if (code == CURLE_SEND_ERROR && status >= 300) code = CURLE_OK;
  if (code != CURLE_OK) rc = failed(s, q, &x, code, passing, err);
done:
  if (added) curl_multi_remove_handle(s->multi, s->easy);
  curl_easy_reset(s->easy); /* it keeps no pointer to what ends here */
  return rc;
}
