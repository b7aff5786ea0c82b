/* ext/http/auth/aws_source.c: one set of AWS keys: how they are got, for how
 * long they are used, when they are got again.
 *
 * A source is an identity of its own in the store, found by what it would ask
 * for, so that two hundred roles above one profile run its program, or use its
 * token, once.  Keys are got anew ahead of their end; while that fails the old
 * ones go on serving as long as they are good.  A failure without such keys is
 * told again for a while to all who ask, instead of being repeated for each. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "http/auth/internal.h"
#include "http/internal.h"

enum {
  AWS_AHEAD_S = 300, /* refresh so long before the end ... */
  AWS_SPARE_S = 2,   /* ... but with less left than this the keys are dead */
  AWS_FRESH_S = 10,  /* a refusal of keys so new changes nothing */
  AWS_AGAIN_S = 20,  /* between two tries to refresh ahead */
  AWS_FAILED_S = 3   /* so long a failure holds */
};

static const cq_aws_source_ops *const kinds[CQ_AWS_KINDS] = {
    NULL,           &cq_aws_by_role,      &cq_aws_by_web, &cq_aws_by_process,
    &cq_aws_by_sso, &cq_aws_by_container, &cq_aws_by_imds};

const cq_aws_keys *cq_aws_source_keys(const cq_identity *id) {
  return &((const cq_aws_source *)id)->keys;
}

static int source_secrets(cq_aws_source *s, cq_error *err) {
  int rc;

  cq_auths_forget(&s->base);
  rc = cq_auths_secret(&s->base, s->keys.secret, err);
  return rc ? rc : cq_auths_secret(&s->base, s->keys.session, err);
}

/* Ends what is under way; what was got so far is forgotten. */
static void source_rest(cq_aws_source *s) {
  if (s->busy && s->how) s->how->stop(s);
  s->busy = 0;
  s->phase = 0;
  cq_login_clear(&s->login);
}

int cq_aws_tries(const cq_aws_source *s, int most) {
  return s->tries && s->tries < most ? s->tries : most;
}

/* CQ_BUSY, CQ_OK with new keys, or an error; at rest after both. */
static int source_login(cq_aws_source *s, cq_error *err) {
  cq_aws_keys got = {NULL, NULL, NULL, 0};
  int rc;

  if (!s->busy) {
    if (s->over) {
      rc = s->over->ops->ready(s->over, err);
      if (rc) return rc;
    }
    s->busy = 1;
    rc = source_secrets(s, err); /* those of a try that failed go */
    s->login.tries = cq_aws_tries(s, CQ_MAX_LOGINS);
    if (rc == CQ_OK) rc = s->how->begin(s, err);
    if (rc == CQ_OK) rc = s->how->poll(s, &got, err);
  } else {
    rc = s->how->poll(s, &got, err);
  }
  if (rc == CQ_BUSY) return rc;
  source_rest(s);
  if (rc == CQ_OK) {
    cq_aws_keys_clear(&s->keys);
    s->keys = got;
    s->got_us = cq_now_us();
    rc = source_secrets(s, err);
    if (rc == CQ_OK && got.expires_us &&
        got.expires_us <= cq_login_now(&s->login))
      rc = cq_error_set(err, CQ_AUTH, "aws: %s: %s: the keys are expired",
                        s->step.from, s->how->name);
    if (rc) cq_aws_keys_clear(&s->keys);
  }
  if (rc && err) /* others' words may repeat what they were sent */
    cq_auths_redact(s->base.store, err->text);
  return rc;
}

static int source_ready(cq_identity *id, cq_error *err) {
  cq_aws_source *s = (cq_aws_source *)id;
  int64_t now = cq_now_us(), left, ahead, life;
  cq_error why = {0, ""};
  int usable, rc;

  if (!s->how) return CQ_OK;
  if (s->keys.access && !s->keys.expires_us && !s->busy) return CQ_OK;
  left = s->keys.access ? s->keys.expires_us - cq_login_now(&s->login) : 0;
  usable = s->keys.access && left > AWS_SPARE_S * 1000000LL;
  /* Short sessions are renewed in their last third. */
  life = s->keys.expires_us - s->got_us - (cq_login_now(&s->login) - now);
  ahead =
      life / 3 < AWS_AHEAD_S * 1000000LL ? life / 3 : AWS_AHEAD_S * 1000000LL;
  if (usable && !s->busy && (left > ahead || now < s->not_before_us))
    return CQ_OK;
  if (!usable && !s->busy && s->failed.code && now < s->retry_us) {
    if (err) *err = s->failed;
    return s->failed.code;
  }
  rc = source_login(s, &why);
  if (rc == CQ_OK) {
    s->failed.code = 0;
    return CQ_OK;
  }
  if (usable) {
    /* The old keys still serve; when renewing fails there is time to repeat. */
    if (rc != CQ_BUSY) s->not_before_us = now + AWS_AGAIN_S * 1000000LL;
    return CQ_OK;
  }
  if (rc == CQ_BUSY) return rc;
  if (rc != CQ_NOMEM) {
    s->failed = why;
    s->failed.code = rc;
    s->retry_us = now + AWS_FAILED_S * 1000000LL;
  }
  if (err) *err = why;
  return rc;
}

static int source_refused(cq_identity *id) {
  cq_aws_source *s = (cq_aws_source *)id;

  if (!s->how) return 0;
  /* Several requests were under way with the same old keys: only the first
   * refusal throws them away. */
  if (!s->busy && s->keys.access &&
      cq_now_us() - s->got_us > AWS_FRESH_S * 1000000LL)
    cq_aws_keys_clear(&s->keys);
  return 1;
}

static int source_signer(cq_identity *id, const cq_auth_params *p,
                         cq_signer **out, cq_error *err) {
  (void)id;
  (void)p;
  *out = NULL;
  return cq_error_set(err, CQ_MISUSE, "auth aws_source: signs nothing");
}

static void source_close(cq_identity *id) {
  cq_aws_source *s = (cq_aws_source *)id;

  source_rest(s);
  cq_auths_forget(id);
  cq_aws_keys_clear(&s->keys);
  cq_arena_wipe(&s->arena);
  cq_free(s);
}

static const char *const source_params[] = {
    "kind", "from", "over",        "endpoint", "region", "ca_file",
    "fips", "dual", "max_retries", "0",        "1",      "2",
    "3",    "4",    "5",           "6"};
enum { SOURCE_ARGS = 9, SOURCE_PARAMS = SOURCE_ARGS + CQ_AWS_ARGS };

static int source_open(cq_auths *store, const cq_auth_params *p,
                       cq_identity **out, cq_error *err) {
  cq_aws_source *s = cq_calloc(1, sizeof *s);
  const char *v[SOURCE_PARAMS];
  int rc = CQ_OK;

  if (!s) return cq_error_nomem(err);
  s->base.store = store;
  cq_arena_init(&s->arena);
  for (int i = 0; i < SOURCE_PARAMS && rc == CQ_OK; i++)
    rc = cq_auth_param(p, source_params[i], &s->arena, &v[i], err);
  if (rc) goto done;
  s->step.kind = (cq_aws_kind)(v[0][0] - '0');
  s->step.from = v[1];
  s->endpoint = v[3];
  s->region = v[4];
  s->login.http = cq_auths_http(store);
  s->login.ca_file = v[5];
  s->fips = v[6] != NULL;
  s->dual = v[7] != NULL;
  s->tries = v[8] ? atoi(v[8]) + 1 : 0;
  for (int i = 0; i < CQ_AWS_ARGS; i++) s->step.arg[i] = v[SOURCE_ARGS + i];
  s->how = kinds[s->step.kind];
  if (v[2]) {
    s->over = cq_auths_find(store, v[2]);
    if (!s->over)
      rc = cq_error_set(err, CQ_MISUSE, "auth aws_source: no step before");
  }
  if (rc == CQ_OK && !s->how) {
    if (cq_aws_keys_set(&s->keys, s->step.arg[CQ_KEYS_ACCESS],
                        s->step.arg[CQ_KEYS_SECRET],
                        s->step.arg[CQ_KEYS_SESSION], 0))
      rc = cq_error_nomem(err);
    else
      rc = source_secrets(s, err);
  }
done:
  if (rc) {
    source_close(&s->base);
    return rc;
  }
  *out = &s->base;
  return CQ_OK;
}

int cq_aws_source_get(cq_auths *store, const cq_aws_plan *p,
                      const char *sts_endpoint, const char *region, int fips,
                      int dual, cq_identity **out, cq_error *err) {
  cq_identity *id = NULL;

  for (int i = 0; i < p->nstep; i++) {
    const cq_aws_step *step = &p->steps[i];
    const char kind[2] = {(char)('0' + step->kind), 0};
    const char *v[SOURCE_PARAMS] = {kind, step->from,
                                    id ? id->cache_key : NULL};
    int sts = step->kind == CQ_AWS_ROLE || step->kind == CQ_AWS_WEB;
    int hosted = sts || step->kind == CQ_AWS_SSO;
    cq_value values[SOURCE_PARAMS];
    cq_auth_params params = {SOURCE_PARAMS, source_params, values};
    int rc;

    v[3] = sts ? sts_endpoint : NULL;
    v[4] = sts ? region : NULL;
    v[5] = p->ca_file;
    v[6] = hosted && fips ? "1" : NULL;
    v[7] = hosted && dual ? "1" : NULL;
    v[8] = step->kind != CQ_AWS_KEYS ? p->max_retries : NULL;
    memcpy(v + SOURCE_ARGS, step->arg, sizeof step->arg);
    for (int k = 0; k < SOURCE_PARAMS; k++)
      values[k] = v[k] ? cq_value_text(v[k]) : cq_value_null();
    rc = cq_auths_get(store, "aws_source", &params, &id, err);
    if (rc) return rc;
  }
  *out = id;
  return CQ_OK;
}

const cq_auth_ops cq_auth_aws_source = {.name = "aws_source",
                                        .open = source_open,
                                        .ready = source_ready,
                                        .signer = source_signer,
                                        .refused = source_refused,
                                        .close = source_close};

/* ---- keys in JSON ---------------------------------------------------------- */

static int64_t keys_expiry(const json_t *j) {
  int64_t us;

  if (json_is_integer(j)) /* milliseconds, as SSO has them */
    return (int64_t)json_integer_value(j) * 1000;
  if (!json_is_string(j) ||
      cq_time_parse(json_string_value(j), json_string_length(j), &us))
    return -1;
  return us;
}

int cq_aws_keys_json(cq_aws_source *s, const json_t *j, const cq_aws_names *n,
                     cq_aws_keys *out, cq_error *err) {
  const char *access = json_string_value(json_object_get(j, n->access));
  const char *secret = json_string_value(json_object_get(j, n->secret));
  const char *session = json_string_value(json_object_get(j, n->session));
  const json_t *until = json_object_get(j, n->expires);
  int64_t expires = until && !json_is_null(until) ? keys_expiry(until) : 0;
  const char *lacks = !access || !*access   ? n->access
                      : !secret || !*secret ? n->secret
                                            : NULL;

  if (lacks)
    return cq_error_set(err, CQ_AUTH, "aws: %s: %s: answer lacks %s",
                        s->step.from, s->how->name, lacks);
  if (expires < 0)
    return cq_error_set(err, CQ_AUTH, "aws: %s: %s: %s is not a time",
                        s->step.from, s->how->name, n->expires);
  if (!cq_aws_clean(access) || !cq_aws_clean(secret) || !cq_aws_clean(session))
    return cq_error_set(err, CQ_AUTH,
                        "aws: %s: %s: keys hold a blank or control character",
                        s->step.from, s->how->name);
  return cq_aws_keys_set(out, access, secret, session, expires)
             ? cq_error_nomem(err)
             : CQ_OK;
}
