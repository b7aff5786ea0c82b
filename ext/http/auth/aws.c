/* ext/http/auth/aws.c: the scheme aws_sigv4: requests signed by the keys of a
 * source, which aws_credentials.c finds and aws_source.c keeps fresh. */
#include <stdlib.h>
#include <string.h>

#include "http/auth/internal.h"

typedef struct aws_identity {
  cq_identity base;
  cq_identity *source; /* whose keys sign */
  cq_arena arena;
  const char *region;      /* of STS: given, the environment's, the profile's */
  const char *endpoint;    /* for all services, as configured, or NULL */
  const char *configured;  /* region of environment or profile */
  const char *fips, *dual; /* of the profile */
  const char *max_retries, *retry_mode;
  cq_aws_places places;
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

cq_signer *cq_aws_signer_new(const cq_aws_keys *k, const char *region,
                             const char *service) {
  aws_signer *s = cq_calloc(1, sizeof *s);

  if (!s) return NULL;
  s->base.ops = &aws_signer_ops;
  s->base.refs = 1;
  s->region = cq_strdup(region);
  s->service = cq_strdup(service);
  if (s->region && s->service &&
      cq_aws_keys_set(&s->keys, k->access, k->secret, k->session, 0) == CQ_OK)
    return &s->base;
  aws_signer_free(&s->base);
  return NULL;
}

/* ---- the identity ------------------------------------------------------- */

static void aws_close(cq_identity *id) {
  aws_identity *a = (aws_identity *)id;

  cq_arena_wipe(&a->arena);
  cq_free(a);
}

static int aws_keep(aws_identity *a, const char **to, const char *text) {
  *to = text ? cq_arena_strndup(&a->arena, text, strlen(text)) : NULL;
  return text && !*to ? CQ_NOMEM : CQ_OK;
}

/* What of the plan is needed longer than it lasts. */
static int aws_facts(aws_identity *a, const cq_auth_params *p,
                     const cq_aws_plan *plan, cq_error *err) {
  const char *region = cq_aws_env("AWS_REGION"), **names, **urls;
  size_t n = plan->places.n;
  int rc = cq_auth_param(p, "endpoint_url", &a->arena, &a->endpoint, err);

  if (rc) return rc;
  if (!region) region = cq_aws_env("AWS_DEFAULT_REGION");
  if (!region) region = plan->region;
  names = cq_arena_alloc(&a->arena, (n + 1) * sizeof *names);
  urls = cq_arena_alloc(&a->arena, (n + 1) * sizeof *urls);
  a->places = plan->places;
  a->places.service = names;
  a->places.url = urls;
  if (!names || !urls || aws_keep(a, &a->configured, region) ||
      aws_keep(a, &a->fips, plan->fips) || aws_keep(a, &a->dual, plan->dual) ||
      aws_keep(a, &a->max_retries, plan->max_retries) ||
      aws_keep(a, &a->retry_mode, plan->retry_mode) ||
      aws_keep(a, &a->places.all, plan->places.all))
    return cq_error_nomem(err);
  for (size_t i = 0; i < n; i++)
    if (aws_keep(a, &names[i], plan->places.service[i]) ||
        aws_keep(a, &urls[i], plan->places.url[i]))
      return cq_error_nomem(err);
  return CQ_OK;
}

/* What the configuration says, else the profile: true or false. */
static int aws_choice(const cq_auth_params *p, const char *name,
                      const char *profile) {
  for (size_t i = 0; i < p->n; i++) {
    const cq_value *v = &p->values[i];

    if (strcmp(p->names[i], name) != 0) continue;
    if (v->kind == CQ_INT) return v->u.i != 0;
    if (v->kind == CQ_STR && v->len)
      return v->len == 4 && cq_str_ieqn(v->u.s, "true", 4);
  }
  return cq_aws_truth(profile, 0);
}

static int aws_open(cq_auths *store, const cq_auth_params *p, cq_identity **out,
                    cq_error *err) {
  aws_identity *a = cq_calloc(1, sizeof *a);
  const char *region, *endpoint;
  cq_aws_plan plan;
  int rc;

  if (!a) return cq_error_nomem(err);
  a->base.store = store;
  cq_arena_init(&a->arena);
  rc = cq_aws_plan_make(p, &plan, err);
  if (rc) goto done;
  rc = cq_auth_param(p, "sts_endpoint", &a->arena, &endpoint, err);
  if (rc == CQ_OK) rc = cq_auth_param(p, "sts_region", &a->arena, &region, err);
  if (rc == CQ_OK) {
    if (!region) region = cq_aws_env("AWS_REGION");
    if (!region) region = cq_aws_env("AWS_DEFAULT_REGION");
    if (!region) region = plan.region;
    if (region) a->region = cq_arena_strndup(&a->arena, region, strlen(region));
    rc = region && !a->region
             ? cq_error_nomem(err)
             : cq_aws_source_get(
                   store, &plan, endpoint ? endpoint : plan.sts_endpoint,
                   a->region, aws_choice(p, "use_fips_endpoint", plan.fips),
                   aws_choice(p, "use_dualstack_endpoint", plan.dual),
                   &a->source, err);
  }
  if (rc == CQ_OK) rc = aws_facts(a, p, &plan, err);
  cq_aws_plan_clear(&plan);
done:
  if (rc) {
    aws_close(&a->base);
    return rc;
  }
  *out = &a->base;
  return CQ_OK;
}

static int aws_ready(cq_identity *id, cq_error *err) {
  cq_identity *source = ((aws_identity *)id)->source;

  return source->ops->ready(source, err);
}

static int aws_signer_of(cq_identity *id, const cq_auth_params *p,
                         cq_signer **out, cq_error *err) {
  aws_identity *a = (aws_identity *)id;
  const cq_aws_keys *k = cq_aws_source_keys(a->source);
  const char *service, *region;
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
  *out = cq_aws_signer_new(k, region, service);
  if (!*out) rc = cq_error_nomem(err);
done:
  cq_arena_clear(&arena);
  return rc;
}

static int aws_refused(cq_identity *id) {
  cq_identity *source = ((aws_identity *)id)->source;

  return source->ops->refused(source);
}

/* A parameter as it is, without a copy; NULL where it is no text. */
static const char *aws_plain(const cq_auth_params *p, const char *name,
                             char *out, size_t max) {
  for (size_t i = 0; i < p->n; i++)
    if (strcmp(p->names[i], name) == 0 && p->values[i].kind == CQ_STR &&
        p->values[i].len > 0 && p->values[i].len < max) {
      memcpy(out, p->values[i].u.s, p->values[i].len);
      out[p->values[i].len] = 0;
      return out;
    }
  return NULL;
}

static const char *aws_place(cq_identity *id, const cq_auth_params *p) {
  const aws_identity *a = (const aws_identity *)id;
  char text[96];
  const char *service = aws_plain(p, "service_id", text, sizeof text);

  if (a->endpoint) return a->endpoint;
  return cq_aws_place(&a->places,
                      service ? service
                              : aws_plain(p, "service", text, sizeof text));
}

static const char *aws_fact(cq_identity *id, const char *name) {
  const aws_identity *a = (const aws_identity *)id;

  if (strcmp(name, "region") == 0) return a->configured;
  if (strcmp(name, "use_fips_endpoint") == 0) return a->fips;
  if (strcmp(name, "use_dualstack_endpoint") == 0) return a->dual;
  if (strcmp(name, "max_retries") == 0) return a->max_retries;
  if (strcmp(name, "retry_mode") == 0) return a->retry_mode;
  return NULL;
}

static const char *const aws_per_request[] = {"service", "region",
                                              "service_id"};
const cq_auth_ops cq_auth_aws_sigv4 = {.name = "aws_sigv4",
                                       .per_request = aws_per_request,
                                       .nper = 3,
                                       .open = aws_open,
                                       .ready = aws_ready,
                                       .signer = aws_signer_of,
                                       .refused = aws_refused,
                                       .close = aws_close,
                                       .place = aws_place,
                                       .fact = aws_fact};
