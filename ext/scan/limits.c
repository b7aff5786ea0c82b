/* ext/scan/limits.c: what a definition's limits mean for one request: whose quota
 * it counts against, how often it is tried again, how long it waits between. */
#include <string.h>

#include "scan/internal.h"

/* Whose requests are counted together. */
static void limits_key(const cq_fetch_def *d, const char *url,
                       const cq_identity *identity, const char *cert,
                       const cq_scope *s, cq_buf *key) {
  const cq_limits_def *l = d->limits;
  const char *host = strstr(url, "://");
  size_t nhost;

  host = host ? host + 3 : url;
  nhost = strcspn(host, "/?#");
  cq_buf_str(key, d->source->in->name);
  if (!l || l->nscope == 0) {
    cq_buf_byte(key, '|');
    cq_buf_add(key, host, nhost);
    /* A quota is a user's, and another's is not used up with it. */
    if (identity && identity->cache_key)
      cq_buf_printf(key, "|%s", identity->cache_key);
    if (cert) cq_buf_printf(key, "|%s", cert); /* which says who asks, too */
    return;
  }
  for (size_t i = 0; i < l->nscope; i++) {
    cq_buf_byte(key, '|');
    if (strcmp(l->scope[i], "service") == 0)
      cq_buf_str(key, d->service ? d->service : "");
    else if (strcmp(l->scope[i], "host") == 0)
      cq_buf_add(key, host, nhost);
    else if (strcmp(l->scope[i], "operation") == 0)
      cq_buf_str(key, d->request->operation ? d->request->operation : "");
    const cq_value *of = cq_client_value(s->client, l->scope[i]);

    if (of && of->kind == CQ_STR) cq_buf_add(key, of->u.s, of->len);
  }
}

/* A whole number that the limits give as a template over config. */
static int limits_number(const char *table, cq_scope *s, const cq_template *t,
                         int64_t most, cq_arena *a, int64_t *out,
                         cq_error *err) {
  cq_context c = cq_scope_context(s);
  cq_value v, number;
  int rc;

  if (!t) return CQ_OK;
  rc = cq_template_eval(t, &c, CQ_PLACE_PLAIN, a, &v, err);
  if (rc || v.kind == CQ_NULL) return rc;
  number = v;
  if (v.kind == CQ_STR && cq_number_parse(v.u.s, v.len, &number))
    number = cq_value_null();
  if (number.kind != CQ_INT || number.u.i < 0)
    return cq_error_set(err, CQ_ERROR,
                        "%s: limits: expected a whole number: %s", table,
                        cq_template_text(t));
  *out = number.u.i < most ? number.u.i : most;
  return CQ_OK;
}

int cq_limits_open(const cq_fetch_def *d, const char *url,
                   const cq_identity *identity, const char *cert, cq_scope *s,
                   cq_arena *a, cq_limits *out, cq_error *err) {
  const cq_limits_def *l = d->limits;
  int64_t pause = CQ_MAX_PAUSE_MS / 1000;
  cq_context c = cq_scope_context(s);
  cq_buf key;
  int adaptive = 0, rc;

  cq_buf_init(&key, CQ_MAX_URL);
  limits_key(d, url, identity, cert, s, &key);
  rc = key.rc ? cq_error_nomem(err)
              : cq_http_limiter(d->env->http, key.data, l ? l->rate : 0,
                                l ? l->burst : 0, l ? l->concurrency : 0,
                                &out->limiter, err);
  cq_buf_clear(&key);
  if (l && l->adaptive && rc == CQ_OK) {
    rc = cq_template_true(l->adaptive, &c, a, &adaptive, err);
    if (rc == CQ_OK) cq_limiter_adapt(d->env->http, out->limiter, adaptive);
  }
  out->retries = CQ_MAX_RETRIES;
  if (l && rc == CQ_OK)
    rc = limits_number(d->table, s, l->retries, 100, a, &out->retries, err);
  if (l && rc == CQ_OK)
    rc = limits_number(d->table, s, l->max_pause, CQ_MAX_WAIT_MS / 1000, a,
                       &pause, err);
  out->pause_ms = pause * 1000;
  return rc;
}
