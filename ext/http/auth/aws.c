/* ext/http/auth/aws.c: the scheme aws_sigv4: an identity is a set of keys, or
 * a chain of roles that are assumed one after the other, and again before
 * they expire. */
#include <stdlib.h>
#include <string.h>

#include "http/auth/internal.h"

enum {
  AWS_AHEAD_S = 300, /* refresh so long before the end ... */
  AWS_SPARE_S = 2,   /* ... but with less left than this the keys are dead */
  AWS_FRESH_S = 10,  /* a refusal of keys so new changes nothing */
  AWS_AGAIN_S = 20   /* between two tries to refresh ahead */
};

typedef struct aws_identity {
  cq_identity base;
  cq_aws_plan plan;
  cq_arena arena;
  const char *sts_endpoint, *region;
  cq_aws_keys keys;      /* with roles: of the last one; access NULL = none */
  cq_aws_keys next;      /* of the role before, while logging in */
  int64_t got_us;        /* when keys were fetched */
  int64_t not_before_us; /* no refresh ahead before */
  int step;              /* role being assumed; -1 = at rest */
  cq_login login;
} aws_identity;

/* One signer per request: keys as they are now, for a service and region. */
typedef struct aws_signer {
  cq_signer base;
  cq_aws_keys keys;
  char *region, *service;
} aws_signer;

static int aws_sign(const cq_signer *s, const char *method, const char *url,
                    const cq_header *headers, size_t nheader, const char *body,
                    size_t nbody, int64_t now_us, cq_buf *out_headers,
                    cq_buf *out_url, cq_error *err) {
  const aws_signer *a = (const aws_signer *)s;
  cq_sigv4 c = {a->keys.access, a->keys.secret, a->keys.session,
                a->region,      a->service,     1};

  (void)out_url;
  return cq_sigv4_sign(&c, method, url, headers, nheader, body, nbody, now_us,
                       out_headers, NULL, err);
}

const char *cq_aws_region(const cq_identity *id) {
  return ((const aws_identity *)id)->region;
}

int cq_aws_presign(const cq_signer *s, const char *method, const char *url,
                   int64_t seconds, int64_t now_us, cq_buf *out,
                   cq_error *err) {
  const aws_signer *a = (const aws_signer *)s;
  cq_sigv4 c = {a->keys.access, a->keys.secret, a->keys.session,
                a->region,      a->service,     1};

  return cq_sigv4_presign(&c, method, url, seconds, now_us, out, err);
}

static void aws_signer_free(cq_signer *s) {
  aws_signer *a = (aws_signer *)s;

  cq_aws_keys_clear(&a->keys);
  cq_free(a->region);
  cq_free(a->service);
  cq_free(a);
}

static const cq_signer_ops aws_signer_ops = {"aws_sigv4", aws_sign,
                                             aws_signer_free};

/* ---- the identity ------------------------------------------------------- */

static int aws_secrets(aws_identity *a, cq_error *err) {
  const cq_aws_keys *all[] = {&a->plan.base, &a->keys};
  int rc = CQ_OK;

  cq_auths_forget(&a->base);
  for (int i = 0; i < 2 && rc == CQ_OK; i++) {
    rc = cq_auths_secret(&a->base, all[i]->secret, err);
    if (rc == CQ_OK) rc = cq_auths_secret(&a->base, all[i]->session, err);
  }
  return rc;
}

static void aws_close(cq_identity *id) {
  aws_identity *a = (aws_identity *)id;

  cq_login_clear(&a->login);
  cq_auths_forget(id);
  cq_aws_keys_clear(&a->keys);
  cq_aws_keys_clear(&a->next);
  cq_aws_plan_clear(&a->plan);
  cq_arena_wipe(&a->arena);
  cq_free(a);
}

static int aws_open(cq_auths *store, const cq_auth_params *p, cq_identity **out,
                    cq_error *err) {
  aws_identity *a = cq_calloc(1, sizeof *a);
  const char *region;
  int rc;

  if (!a) return cq_error_nomem(err);
  a->base.store = store;
  a->step = -1;
  a->login.http = cq_auths_http(store);
  cq_arena_init(&a->arena);
  rc = cq_aws_plan_make(p, &a->plan, err);
  if (rc == CQ_OK)
    rc = cq_auth_param(p, "sts_endpoint", &a->arena, &a->sts_endpoint, err);
  if (rc == CQ_OK) rc = cq_auth_param(p, "sts_region", &a->arena, &region, err);
  if (rc == CQ_OK) {
    const char *env = getenv("AWS_REGION");

    if (!env || !*env) env = getenv("AWS_DEFAULT_REGION");
    if (!region && env && *env)
      region = cq_arena_strndup(&a->arena, env, strlen(env));
    a->region = region ? region : a->plan.region;
    rc = aws_secrets(a, err);
  }
  if (rc) {
    aws_close(&a->base);
    return rc;
  }
  *out = &a->base;
  return CQ_OK;
}

/* Moves the login on.  CQ_BUSY, CQ_OK with new keys, or an error; at rest
 * after both of those. */
static int aws_login(aws_identity *a, cq_error *err) {
  int rc = CQ_OK;

  for (;;) {
    cq_aws_keys got = {NULL, NULL, NULL, 0};

    if (a->step < 0) {
      a->step = 0;
    } else {
      rc = cq_aws_assume_poll(&a->login, &a->plan.steps[a->step], &got, err);
      if (rc == CQ_BUSY) return rc;
      if (rc) break;
      cq_aws_keys_clear(&a->next);
      a->next = got;
      if (++a->step == a->plan.nstep) {
        cq_aws_keys_clear(&a->keys);
        a->keys = a->next;
        memset(&a->next, 0, sizeof a->next);
        a->got_us = cq_now_us();
        rc = aws_secrets(a, err);
        break;
      }
    }
    rc = cq_aws_assume_begin(&a->login, &a->plan.steps[a->step],
                             a->step ? &a->next : &a->plan.base,
                             a->sts_endpoint, a->region, err);
    if (rc) break;
  }
  a->step = -1;
  cq_login_clear(&a->login);
  cq_aws_keys_clear(&a->next);
  if (rc && err) /* a server's words may repeat what they were sent */
    cq_auths_redact(a->base.store, err->text);
  return rc;
}

static int aws_ready(cq_identity *id, cq_error *err) {
  aws_identity *a = (aws_identity *)id;
  int64_t now = cq_now_us(), left, ahead, life;
  int usable, rc;

  if (a->plan.nstep == 0) return CQ_OK;
  left = a->keys.access ? a->keys.expires_us - now : 0;
  usable = a->keys.access && left > AWS_SPARE_S * 1000000LL;
  /* Short sessions are renewed in their last third. */
  life = a->keys.expires_us - a->got_us;
  ahead =
      life / 3 < AWS_AHEAD_S * 1000000LL ? life / 3 : AWS_AHEAD_S * 1000000LL;
  if (usable && a->step < 0 && (left > ahead || now < a->not_before_us))
    return CQ_OK;
  rc = aws_login(a, usable ? NULL : err);
  if (rc == CQ_OK) return CQ_OK;
  if (usable) {
    /* The old keys still serve; when renewing fails there is time to repeat. */
    if (rc != CQ_BUSY) a->not_before_us = now + AWS_AGAIN_S * 1000000LL;
    return CQ_OK;
  }
  return rc;
}

static int aws_signer_of(cq_identity *id, const cq_auth_params *p,
                         cq_signer **out, cq_error *err) {
  aws_identity *a = (aws_identity *)id;
  const cq_aws_keys *k = a->plan.nstep ? &a->keys : &a->plan.base;
  const char *service, *region;
  aws_signer *s = NULL;
  cq_arena arena;
  int rc;

  *out = NULL;
  cq_arena_init(&arena);
  rc = cq_auth_need("aws_sigv4", p, "service", &arena, &service, err);
  if (rc == CQ_OK)
    rc = cq_auth_need("aws_sigv4", p, "region", &arena, &region, err);
  if (rc) goto done;
  if (!k->access) {
    rc = cq_error_set(err, CQ_MISUSE, "auth aws_sigv4: is not logged in");
    goto done;
  }
  s = cq_calloc(1, sizeof *s);
  if (!s) {
    rc = cq_error_nomem(err);
    goto done;
  }
  s->base.ops = &aws_signer_ops;
  s->base.refs = 1;
  s->region = cq_strdup(region);
  s->service = cq_strdup(service);
  if (!s->region || !s->service ||
      cq_aws_keys_set(&s->keys, k->access, k->secret, k->session, 0)) {
    aws_signer_free(&s->base);
    rc = cq_error_nomem(err);
    goto done;
  }
  *out = &s->base;
done:
  cq_arena_clear(&arena);
  return rc;
}

static int aws_refused(cq_identity *id) {
  aws_identity *a = (aws_identity *)id;

  if (a->plan.nstep == 0) return 0;
  /* Several requests were under way with the same old keys: only the first
   * refusal throws them away. */
  if (a->step < 0 && a->keys.access &&
      cq_now_us() - a->got_us > AWS_FRESH_S * 1000000LL)
    cq_aws_keys_clear(&a->keys);
  return 1;
}

static const char *const aws_params[] = {
    "access_key_id", "secret_access_key", "session_token", "profile",
    "role_arn",      "role_session_name", "external_id",   "duration_seconds",
    "sts_endpoint",  "sts_region"};
static const char *const aws_per_request[] = {"service", "region"};
const cq_auth_ops cq_auth_aws_sigv4 = {
    "aws_sigv4", aws_params,    10,          aws_per_request, 2, aws_open,
    aws_ready,   aws_signer_of, aws_refused, aws_close};
