/* ext/http/auth/login.c: one exchange with whoever gives out credentials. */
#include <stdlib.h>
#include <string.h>

#include "http/auth/internal.h"

enum { LOGIN_BASE_MS = 200, LOGIN_CAP_MS = 5000 };

int cq_login_send(cq_login *l, const char *method, const char *url,
                  const cq_header *headers, size_t nheader, const char *body,
                  cq_signer *signer, cq_error *err) {
  cq_tls tls = {l->ca_file, NULL, NULL, NULL};
  cq_http_request r;

  cq_login_clear(l);
  memset(&r, 0, sizeof r);
  r.method = method;
  r.url = url;
  r.headers = headers;
  r.nheader = nheader;
  r.body = body;
  r.nbody = body ? strlen(body) : 0;
  r.signer = signer;
  r.priority = -1; /* others wait for it */
  r.timeout_ms = l->timeout_ms;
  r.direct = l->direct;
  r.tls = l->ca_file ? &tls : NULL;
  r.integration = "auth";
  l->by_our_clock = signer != NULL;
  return cq_http_submit(l->http, &r, &l->t, err);
}

int cq_login_poll(cq_login *l, int *status, cq_block **body, cq_error *err) {
  cq_tstate st = cq_transfer_state(l->t);
  cq_head head = cq_transfer_head(l->t);
  int rc;

  *body = NULL;
  *status = 0;
  if (st == CQ_T_WAITING) return CQ_BUSY;
  if (st == CQ_T_STREAM) {
    cq_login_clear(l);
    return cq_error_set(err, CQ_TOOBIG, "auth: answer to a login is too long");
  }
  *status = head.status;
  if ((st == CQ_T_FAILED || *status == 429 || *status >= 500) &&
      cq_transfer_attempt(l->t) < (l->tries ? l->tries : CQ_MAX_LOGINS)) {
    int64_t ms =
        cq_backoff_ms(cq_transfer_attempt(l->t), LOGIN_BASE_MS, LOGIN_CAP_MS);
    int64_t asked = cq_head_after_ms(&head, "retry-after");

    if (asked > ms && asked <= 60000) ms = asked;
    rc = cq_transfer_retry(l->t, ms, NULL, err);
    if (rc == CQ_OK) return CQ_BUSY;
    cq_login_clear(l);
    return rc;
  }
  /* A refusal may only mean that our clock is wrong. */
  if (st != CQ_T_FAILED && *status >= 400 && l->by_our_clock) {
    int64_t off = cq_http_clock_off(l->http, &head);

    l->by_our_clock = 0;
    if (off > CQ_CLOCK_US || off < -CQ_CLOCK_US) {
      cq_http_clock(l->http, cq_http_clock_get(l->http) + off);
      rc = cq_transfer_retry(l->t, 0, NULL, err);
      if (rc == CQ_OK) return CQ_BUSY;
      cq_login_clear(l);
      return rc;
    }
  }
  rc = st == CQ_T_FAILED ? cq_transfer_error(l->t, err) : CQ_OK;
  if (rc == CQ_OK) *body = cq_transfer_take(l->t);
  cq_login_clear(l);
  return rc;
}

void cq_login_clear(cq_login *l) {
  cq_transfer_free(l->t);
  l->t = NULL;
}

int64_t cq_login_now(const cq_login *l) {
  return cq_now_us() + cq_http_clock_get(l->http);
}
