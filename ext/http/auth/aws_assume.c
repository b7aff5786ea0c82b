/* ext/http/auth/aws_assume.c: keys from STS: AssumeRole, by the keys of the step
 * before, and AssumeRoleWithWebIdentity, by a token in a file. */
#include <stdlib.h>
#include <string.h>

#include <expat.h>

#include "http/auth/internal.h"
#include "http/internal.h"

/* ---- the requests -------------------------------------------------------- */

static void sts_field(cq_buf *b, const char *name, const char *value) {
  if (!value) return;
  cq_buf_printf(b, "&%s=", name);
  cq_percent_encode(b, value, strlen(value), "");
}

static int sts_check(const char *role, cq_error *err) {
  if (strncmp(role, "arn:", 4) == 0) return CQ_OK;
  cq_error_set(err, CQ_AUTH, "aws: role_arn is not an ARN: %.200s", role);
  cq_error_hint(err, "it looks like arn:aws:iam::123456789012:role/name");
  return CQ_AUTH;
}

static int sts_send(cq_aws_source *s, const cq_buf *body, const char *region,
                    cq_signer *signer, cq_error *err) {
  static const cq_header type = {
      "Content-Type", "application/x-www-form-urlencoded; charset=utf-8"};
  const char *at = s->endpoint;
  char *url;
  int rc;

  if (at)
    url = cq_mprintf("%s%s", at, at[strlen(at) - 1] == '/' ? "" : "/");
  else
    url = cq_aws_login_url("sts", region, s->fips, s->dual, "/");
  if (!url || body->rc)
    rc = cq_error_nomem(err);
  else
    rc = cq_login_send(&s->login, "POST", url, &type, 1, body->data, signer,
                       err);
  cq_free(url);
  return rc;
}

static int role_begin(cq_aws_source *s, cq_error *err) {
  const char *const *arg = s->step.arg, *role = arg[CQ_ROLE_ARN];
  const char *region = cq_aws_home(role, s->region);
  cq_signer *signer = NULL;
  cq_buf body;
  int rc;

  cq_buf_init(&body, CQ_MAX_URL);
  rc = sts_check(role, err);
  if (rc == CQ_OK) rc = cq_aws_region_check(region, err);
  if (rc) goto done;
  cq_buf_str(&body, "Action=AssumeRole&Version=2011-06-15");
  sts_field(&body, "RoleArn", role);
  sts_field(&body, "RoleSessionName",
            arg[CQ_ROLE_NAME] ? arg[CQ_ROLE_NAME] : "cq");
  sts_field(&body, "ExternalId", arg[CQ_ROLE_EXTERNAL]);
  sts_field(&body, "DurationSeconds", arg[CQ_ROLE_SECONDS]);
  signer = cq_aws_signer_new(cq_aws_source_keys(s->over), region, "sts");
  rc = signer ? sts_send(s, &body, region, signer, err) : cq_error_nomem(err);
done:
  cq_signer_unref(signer);
  cq_buf_clear(&body);
  return rc;
}

/* The token is read each time: whoever gives it out writes it anew. */
static int web_begin(cq_aws_source *s, cq_error *err) {
  const char *const *arg = s->step.arg, *role = arg[CQ_WEB_ARN];
  const char *region = cq_aws_home(role, s->region);
  char *token = NULL;
  size_t n = 0;
  cq_buf body;
  int rc;

  cq_buf_init(&body, CQ_MAX_CREDENTIALS);
  rc = sts_check(role, err);
  if (rc == CQ_OK) rc = cq_aws_region_check(region, err);
  if (rc == CQ_OK)
    rc = cq_file_read(arg[CQ_WEB_FILE], CQ_MAX_PRIVATE_KEY, &token, &n, err);
  if (rc == CQ_NOMEM) goto done;
  if (rc) {
    cq_error_prefix(err, "aws: %s: web identity", s->step.from);
    rc = err ? err->code = CQ_AUTH : CQ_AUTH;
    goto done;
  }
  while (n && (unsigned char)token[n - 1] <= ' ') token[--n] = 0;
  rc = cq_auths_secret(&s->base, token, err);
  if (rc) goto done;
  cq_buf_str(&body, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15");
  sts_field(&body, "RoleArn", role);
  sts_field(&body, "RoleSessionName",
            arg[CQ_WEB_NAME] ? arg[CQ_WEB_NAME] : "cq");
  sts_field(&body, "DurationSeconds", arg[CQ_WEB_SECONDS]);
  sts_field(&body, "WebIdentityToken", token);
  rc = sts_send(s, &body, region, NULL, err);
done:
  if (token) cq_wipe(token, n);
  cq_free(token);
  if (body.data) cq_wipe(body.data, body.len);
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

static int sts_refusal(const sts_answer *a, const cq_aws_source *s, int status,
                       cq_error *err) {
  const char *code = a->field[STS_CODE].len ? a->field[STS_CODE].data : NULL;
  const char *role = s->step.arg[CQ_ROLE_ARN];

  if (!code)
    cq_error_set(err, CQ_AUTH, "aws: cannot assume %.200s: status %d", role,
                 status);
  else
    cq_error_set(err, CQ_AUTH, "aws: cannot assume %.200s: %s%s%.500s", role,
                 code, a->field[STS_MESSAGE].len ? ": " : "",
                 a->field[STS_MESSAGE].len ? a->field[STS_MESSAGE].data : "");
  if (code && strcmp(code, "AccessDenied") == 0 && s->step.kind == CQ_AWS_ROLE)
    cq_error_hint(
        err, "the role's trust policy must name the caller%s",
        s->step.arg[CQ_ROLE_EXTERNAL] ? ", and the external_id must fit" : "");
  else if (code && s->step.kind == CQ_AWS_WEB)
    cq_error_hint(err,
                  "the role's trust policy must name the token's issuer "
                  "and subject: the token is that of %.200s",
                  s->step.arg[CQ_WEB_FILE]);
  return CQ_AUTH;
}

static int sts_poll(cq_aws_source *s, cq_aws_keys *out, cq_error *err) {
  const char *role = s->step.arg[CQ_ROLE_ARN]; /* CQ_WEB_ARN is the same */
  cq_block *body = NULL;
  sts_answer a;
  int64_t expires = 0;
  int status, rc;

  rc = cq_login_poll(&s->login, &status, &body, err);
  if (rc) return rc;
  memset(&a, 0, sizeof a);
  for (int i = 0; i < STS_FIELDS; i++) cq_buf_init(&a.field[i], 64 << 10);
  rc = sts_parse(&a, body);
  if (rc == CQ_NOMEM) {
    cq_error_nomem(err);
  } else if (status != 200) {
    rc = sts_refusal(&a, s, status, err);
  } else if (rc || !a.field[STS_ACCESS].len || !a.field[STS_SECRET].len ||
             !a.field[STS_TOKEN].len ||
             cq_time_parse(a.field[STS_EXPIRY].data ? a.field[STS_EXPIRY].data
                                                    : "",
                           a.field[STS_EXPIRY].len, &expires)) {
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: cannot assume %.200s: answer is not STS's", role);
  } else if (cq_header_check("x", a.field[STS_TOKEN].data, NULL) ||
             cq_header_check("x", a.field[STS_ACCESS].data, NULL)) {
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: cannot assume %.200s: bad characters in the keys",
                      role);
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

static void sts_stop(cq_aws_source *s) {
  cq_login_clear(&s->login);
}

const cq_aws_source_ops cq_aws_by_role = {"role", role_begin, sts_poll,
                                          sts_stop};
const cq_aws_source_ops cq_aws_by_web = {"web identity", web_begin, sts_poll,
                                         sts_stop};
