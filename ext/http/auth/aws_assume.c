/* ext/http/auth/aws_assume.c: STS AssumeRole: the request, and its answer. */
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "http/auth/internal.h"
#include "http/internal.h"

/* ---- the signer of one request by fixed keys ---------------------------- */

typedef struct aws_sts_signer {
  cq_signer base;
  cq_aws_keys keys;
  char *region;
} aws_sts_signer;

static int sts_sign(const cq_signer *s, const char *method, const char *url,
                    const cq_header *headers, size_t nheader, const char *body,
                    size_t nbody, int64_t now_us, cq_buf *out_headers,
                    cq_buf *out_url, cq_error *err) {
  const aws_sts_signer *a = (const aws_sts_signer *)s;
  cq_sigv4 c = {a->keys.access, a->keys.secret, a->keys.session,
                a->region,      "sts",          1};

  (void)out_url;
  return cq_sigv4_sign(&c, method, url, headers, nheader, body, nbody, now_us,
                       out_headers, NULL, err);
}

static void sts_free(cq_signer *s) {
  aws_sts_signer *a = (aws_sts_signer *)s;

  cq_aws_keys_clear(&a->keys);
  cq_free(a->region);
  cq_free(a);
}

static const cq_signer_ops sts_ops = {"sts", sts_sign, sts_free};

static cq_signer *sts_signer(const cq_aws_keys *k, const char *region) {
  aws_sts_signer *a = cq_calloc(1, sizeof *a);

  if (!a) return NULL;
  a->base.ops = &sts_ops;
  a->base.refs = 1;
  a->region = cq_strdup(region);
  if (!a->region ||
      cq_aws_keys_set(&a->keys, k->access, k->secret, k->session, 0)) {
    sts_free(&a->base);
    return NULL;
  }
  return &a->base;
}

/* ---- the request -------------------------------------------------------- */

static void sts_field(cq_buf *b, const char *name, const char *value) {
  if (!value) return;
  cq_buf_printf(b, "&%s=", name);
  cq_percent_encode(b, value, strlen(value), "");
}

/* A role's partition, the second part of its ARN, has regions of its own. */
static const char *sts_region(const cq_aws_step *step, const char *region) {
  const char *home = "us-east-1", *prefix = NULL;

  if (strncmp(step->role_arn, "arn:aws-cn:", 11) == 0)
    home = "cn-north-1", prefix = "cn-";
  else if (strncmp(step->role_arn, "arn:aws-us-gov:", 15) == 0)
    home = "us-gov-west-1", prefix = "us-gov-";
  if (!region || (prefix && strncmp(region, prefix, strlen(prefix)) != 0))
    return home;
  return region;
}

static int sts_check(const cq_aws_step *step, const char *region,
                     cq_error *err) {
  if (strncmp(step->role_arn, "arn:", 4) != 0) {
    cq_error_set(err, CQ_AUTH, "aws: role_arn is not an ARN: %.200s",
                 step->role_arn);
    cq_error_hint(err, "it looks like arn:aws:iam::123456789012:role/name");
    return CQ_AUTH;
  }
  /* it becomes part of a host name */
  for (const char *p = region; *p; p++)
    if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-'))
      return cq_error_set(err, CQ_AUTH, "aws: not a region: %.60s", region);
  return CQ_OK;
}

int cq_aws_assume_begin(cq_login *l, const cq_aws_step *step,
                        const cq_aws_keys *with, const char *endpoint,
                        const char *region, cq_error *err) {
  static const cq_header type = {
      "Content-Type", "application/x-www-form-urlencoded; charset=utf-8"};
  cq_signer *signer = NULL;
  char *url = NULL;
  cq_buf body;
  int rc;

  cq_buf_init(&body, CQ_MAX_URL);
  region = sts_region(step, region);
  rc = sts_check(step, region, err);
  if (rc) goto done;
  if (endpoint)
    url = cq_mprintf("%s%s", endpoint,
                     endpoint[strlen(endpoint) - 1] == '/' ? "" : "/");
  else
    url = cq_mprintf("https://sts.%s.amazonaws.com%s/", region,
                     strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
  cq_buf_str(&body, "Action=AssumeRole&Version=2011-06-15");
  sts_field(&body, "RoleArn", step->role_arn);
  sts_field(&body, "RoleSessionName",
            step->session_name ? step->session_name : "cq");
  sts_field(&body, "ExternalId", step->external_id);
  sts_field(&body, "DurationSeconds", step->duration);
  signer = sts_signer(with, region);
  if (!url || !signer || body.rc) {
    rc = cq_error_nomem(err);
    goto done;
  }
  rc = cq_login_send(l, "POST", url, &type, 1, body.data, signer, err);
done:
  cq_signer_unref(signer);
  cq_free(url);
  cq_buf_clear(&body);
  return rc;
}

/* ---- the answer --------------------------------------------------------- */

enum {
  STS_ACCESS,
  STS_SECRET,
  STS_TOKEN,
  STS_EXPIRY,
  STS_CODE,
  STS_MESSAGE,
  STS_FIELDS
};

/* The names are unambiguous in both of STS's answers, so where they stand
 * does not matter. */
static const char *const sts_names[STS_FIELDS] = {
    "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration",
    "Code",        "Message"};

typedef struct sts_answer {
  cq_buf field[STS_FIELDS];
  cq_buf *now;
} sts_answer;

static void XMLCALL sts_open(void *user, const char *name, const char **attr) {
  sts_answer *a = user;

  (void)attr;
  a->now = NULL;
  for (int i = 0; i < STS_FIELDS; i++)
    if (strcmp(name, sts_names[i]) == 0) {
      a->now = &a->field[i];
      cq_buf_reset(a->now);
    }
}

static void XMLCALL sts_close(void *user, const char *name) {
  (void)name;
  ((sts_answer *)user)->now = NULL;
}

static void XMLCALL sts_text(void *user, const char *s, int n) {
  sts_answer *a = user;

  if (a->now) cq_buf_add(a->now, s, (size_t)n);
}

static int sts_parse(sts_answer *a, const cq_block *b) {
  XML_Parser x = XML_ParserCreate(NULL);
  int ok;

  if (!x) return CQ_NOMEM;
  XML_SetUserData(x, a);
  XML_SetElementHandler(x, sts_open, sts_close);
  XML_SetCharacterDataHandler(x, sts_text);
  ok = b && XML_Parse(x, b->data, (int)b->len, 1) == XML_STATUS_OK;
  XML_ParserFree(x);
  for (int i = 0; i < STS_FIELDS; i++)
    if (a->field[i].rc) return a->field[i].rc;
  return ok ? CQ_OK : CQ_ERROR;
}

static int sts_refusal(const sts_answer *a, const cq_aws_step *step, int status,
                       cq_error *err) {
  const char *code = a->field[STS_CODE].len ? a->field[STS_CODE].data : NULL;

  cq_error_set(err, CQ_AUTH, "aws: cannot assume %.200s: %s%s%.500s",
               step->role_arn, code ? code : "status", code ? ": " : " ",
               code && a->field[STS_MESSAGE].len ? a->field[STS_MESSAGE].data
                                                 : "");
  if (!code)
    cq_error_set(err, CQ_AUTH, "aws: cannot assume %.200s: status %d",
                 step->role_arn, status);
  else if (strcmp(code, "AccessDenied") == 0)
    cq_error_hint(err, "the role's trust policy must name the caller%s",
                  step->external_id ? ", and the external_id must fit" : "");
  return CQ_AUTH;
}

int cq_aws_assume_poll(cq_login *l, const cq_aws_step *step, cq_aws_keys *out,
                       cq_error *err) {
  cq_block *body = NULL;
  sts_answer a;
  int64_t expires = 0;
  int status, rc;

  rc = cq_login_poll(l, &status, &body, err);
  if (rc) return rc;
  memset(&a, 0, sizeof a);
  for (int i = 0; i < STS_FIELDS; i++) cq_buf_init(&a.field[i], 64 << 10);
  rc = sts_parse(&a, body);
  if (rc == CQ_NOMEM) {
    cq_error_nomem(err);
  } else if (status != 200) {
    rc = sts_refusal(&a, step, status, err);
  } else if (rc || !a.field[STS_ACCESS].len || !a.field[STS_SECRET].len ||
             !a.field[STS_TOKEN].len ||
             cq_time_parse(a.field[STS_EXPIRY].data ? a.field[STS_EXPIRY].data
                                                    : "",
                           a.field[STS_EXPIRY].len, &expires)) {
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: cannot assume %.200s: answer is not "
                      "STS's",
                      step->role_arn);
  } else if (cq_header_check("x", a.field[STS_TOKEN].data, NULL) ||
             cq_header_check("x", a.field[STS_ACCESS].data, NULL)) {
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: cannot assume %.200s: bad "
                      "characters in the keys",
                      step->role_arn);
  } else if (cq_aws_keys_set(out, a.field[STS_ACCESS].data,
                             a.field[STS_SECRET].data, a.field[STS_TOKEN].data,
                             expires)) {
    rc = cq_error_nomem(err);
  }
  for (int i = 0; i < STS_FIELDS; i++) {
    if (a.field[i].data) cq_wipe(a.field[i].data, a.field[i].len);
    cq_buf_clear(&a.field[i]);
  }
  if (body) {
    cq_wipe(body->data, body->len);
    cq_block_unref(body);
  }
  return rc;
}
