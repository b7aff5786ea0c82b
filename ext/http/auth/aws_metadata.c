/* ext/http/auth/aws_metadata.c: keys from the machine that cq runs on: of a
 * container, at the endpoint of ECS or of EKS Pod Identity; of an instance, at
 * its metadata service.
 *
 * Both are on this machine or its link: never by a proxy, and soon given up. */
#include <string.h>

#include <jansson.h>

#include "http/auth/internal.h"
#include "http/internal.h"

enum {
  CONTAINER_MS = 2000,
  IMDS_MS = 1000,
  IMDS_TRIES = 1, /* who is no instance waits for no answer */
  LOCAL_TRIES = 3,
  IMDS_TTL_S = 21600
};

static json_t *local_json(const cq_block *body) {
  return body ? json_loadb(body->data, body->len, 0, NULL) : NULL;
}

static void local_drop(cq_block *body) {
  if (!body) return;
  cq_wipe(body->data, body->len);
  cq_block_unref(body);
}

static void local_stop(cq_aws_source *s) {
  cq_login_clear(&s->login);
  cq_free_secret(s->state);
  s->state = NULL;
}

static const cq_aws_names local_names = {"AccessKeyId", "SecretAccessKey",
                                         "Token", "Expiration"};

/* ---- containers ----------------------------------------------------------- */

/* The file's token is written anew by whoever gives it out, so it is read each
 * time, and counts more than the variable's. */
static int container_token(cq_aws_source *s, char **out, cq_error *err) {
  const char *const *arg = s->step.arg;
  size_t n = 0;
  int rc = CQ_OK;

  *out = NULL;
  if (arg[CQ_CONTAINER_FILE]) {
    rc = cq_file_read(arg[CQ_CONTAINER_FILE], CQ_MAX_PRIVATE_KEY, out, &n, err);
    if (rc == CQ_NOMEM) return rc;
    if (rc) {
      cq_error_prefix(err, "aws: container endpoint: token");
      return err ? err->code = CQ_AUTH : CQ_AUTH;
    }
    while (n && (unsigned char)(*out)[n - 1] <= ' ') (*out)[--n] = 0;
  } else if (arg[CQ_CONTAINER_TOKEN]) {
    *out = cq_strdup(arg[CQ_CONTAINER_TOKEN]);
    if (!*out) return cq_error_nomem(err);
  }
  if (*out && cq_header_check("x", *out, NULL))
    return cq_error_set(err, CQ_AUTH,
                        "aws: container endpoint: the authorization token "
                        "holds a control character");
  return *out ? cq_auths_secret(&s->base, *out, err) : CQ_OK;
}

static int container_begin(cq_aws_source *s, cq_error *err) {
  const char *url = s->step.arg[CQ_CONTAINER_URL];
  cq_header headers[2] = {{"Accept", "application/json"},
                          {"Authorization", NULL}};
  char *token;
  int rc = container_token(s, &token, err);

  headers[1].value = token;
  s->login.timeout_ms = CONTAINER_MS;
  s->login.tries = cq_aws_tries(s, LOCAL_TRIES);
  s->login.direct = strncmp(url, "https:", 6) != 0;
  if (rc == CQ_OK)
    rc = cq_login_send(&s->login, "GET", url, headers, token ? 2 : 1, NULL,
                       NULL, err);
  cq_free_secret(token);
  return rc;
}

static int container_poll(cq_aws_source *s, cq_aws_keys *out, cq_error *err) {
  cq_block *body = NULL;
  json_t *j;
  int status, rc = cq_login_poll(&s->login, &status, &body, err);

  if (rc == CQ_BUSY) return rc;
  if (rc) {
    cq_error_prefix(err, "aws: container endpoint: ");
    return rc;
  }
  j = local_json(body);
  if (status != 200) {
    const char *why = json_string_value(json_object_get(j, "message"));

    rc =
        cq_error_set(err, CQ_AUTH,
                     "aws: container endpoint: answered with status %d%s%.200s",
                     status, why ? ": " : "", why ? why : "");
  } else if (!j) {
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: container endpoint: answer is not JSON");
  } else {
    rc = cq_aws_keys_json(s, j, &local_names, out, err);
  }
  json_decref(j);
  local_drop(body);
  return rc;
}

const cq_aws_source_ops cq_aws_by_container = {
    "container endpoint", container_begin, container_poll, local_stop};

/* ---- instances ------------------------------------------------------------- */

enum { IMDS_TOKEN, IMDS_ROLE, IMDS_KEYS };

static int imds_ask(cq_aws_source *s, const char *path, const char *more,
                    cq_error *err) {
  const char *at = s->step.arg[CQ_IMDS_ENDPOINT];
  const char *token = s->state;
  cq_header header = {"X-aws-ec2-metadata-token", token};
  size_t n = strlen(at);
  char *url;
  int rc;

  while (n && at[n - 1] == '/') n--;
  url = cq_mprintf("%.*s%s%s", (int)n, at, path, more);
  if (!url) return cq_error_nomem(err);
  if (s->phase == IMDS_TOKEN) {
    header.name = "X-aws-ec2-metadata-token-ttl-seconds";
    header.value = "21600";
    rc = cq_login_send(&s->login, "PUT", url, &header, 1, NULL, NULL, err);
  } else {
    rc = cq_login_send(&s->login, "GET", url, &header, token ? 1 : 0, NULL,
                       NULL, err);
  }
  cq_free(url);
  return rc;
}

static int imds_begin(cq_aws_source *s, cq_error *err) {
  s->phase = IMDS_TOKEN;
  s->login.timeout_ms = IMDS_MS;
  s->login.tries = IMDS_TRIES;
  s->login.direct = 1;
  return imds_ask(s, "/latest/api/token", "", err);
}

/* Nobody there: that this is no instance is the likely cause. */
static int imds_absent(cq_error *err) {
  cq_error_set(err, CQ_AUTH,
               "aws: no credentials found, and no instance metadata service "
               "answers");
  cq_error_hint(err, "%s", cq_aws_no_credentials);
  return CQ_AUTH;
}

static int imds_token(cq_aws_source *s, int rc, int status, cq_block *body,
                      cq_error *err) {
  /* Old services know no tokens; one hop too far they never arrive. */
  int without = rc || status == 403 || status == 404 || status == 405;

  if (without && !s->step.arg[CQ_IMDS_V1]) {
    if (rc) return imds_absent(err);
    return cq_error_set(err, CQ_AUTH,
                        "aws: instance metadata: gives no token (status %d), "
                        "and version 1 is disabled",
                        status);
  }
  if (!without && (status != 200 || !body || !body->len))
    return cq_error_set(err, CQ_AUTH,
                        "aws: instance metadata: token refused: status %d",
                        status);
  if (!without) {
    s->state = cq_strndup(body->data, body->len);
    if (!s->state) return cq_error_nomem(err);
    if (cq_header_check("x", s->state, NULL))
      return cq_error_set(err, CQ_AUTH,
                          "aws: instance metadata: the token holds a control "
                          "character");
    rc = cq_auths_secret(&s->base, s->state, err);
    if (rc) return rc;
    s->login.tries = cq_aws_tries(s, LOCAL_TRIES);
  }
  s->phase = IMDS_ROLE;
  return imds_ask(s, "/latest/meta-data/iam/security-credentials/", "", err);
}

static int imds_role(cq_aws_source *s, int status, cq_block *body,
                     cq_error *err) {
  const char *end = body ? memchr(body->data, '\n', body->len) : NULL;
  size_t n = !body ? 0 : end ? (size_t)(end - body->data) : body->len;
  char *role;
  cq_buf path;
  int rc;

  while (n && (unsigned char)body->data[n - 1] <= ' ') n--;
  if (status != 200 || n == 0) {
    if (status == 404 || status == 200)
      cq_error_set(err, CQ_AUTH,
                   "aws: no credentials found: the instance has no role");
    else
      cq_error_set(err, CQ_AUTH,
                   "aws: no credentials found: instance metadata: answered "
                   "with status %d",
                   status);
    cq_error_hint(err, "%s", cq_aws_no_credentials);
    return CQ_AUTH;
  }
  cq_buf_init(&path, 4096);
  cq_percent_encode(&path, body->data, n, "");
  role = path.rc ? NULL : cq_buf_take(&path);
  cq_buf_clear(&path);
  if (!role)
    return cq_error_set(err, CQ_AUTH,
                        "aws: instance metadata: answer names no role");
  s->phase = IMDS_KEYS;
  rc = imds_ask(s, "/latest/meta-data/iam/security-credentials/", role, err);
  cq_free(role);
  return rc;
}

static int imds_keys(cq_aws_source *s, int status, const cq_block *body,
                     cq_aws_keys *out, cq_error *err) {
  json_t *j = local_json(body);
  const char *code = json_string_value(json_object_get(j, "Code"));
  int rc;

  if (status != 200 || !j)
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: instance metadata: answered with status %d%s",
                      status, j ? "" : ", not JSON");
  else if (code && strcmp(code, "Success") != 0)
    rc =
        cq_error_set(err, CQ_AUTH, "aws: instance metadata: says %.100s", code);
  else
    rc = cq_aws_keys_json(s, j, &local_names, out, err);
  json_decref(j);
  return rc;
}

static int imds_poll(cq_aws_source *s, cq_aws_keys *out, cq_error *err) {
  for (;;) {
    cq_block *body = NULL;
    cq_error why = {0, ""};
    int status, rc = cq_login_poll(&s->login, &status, &body, &why), done = 0;

    if (rc == CQ_BUSY) return rc;
    if (s->phase == IMDS_TOKEN) {
      rc = rc == CQ_NOMEM ? rc : imds_token(s, rc, status, body, err);
    } else if (rc && !s->state) {
      rc = imds_absent(err);
    } else if (rc) {
      if (err) *err = why;
      cq_error_prefix(err, "aws: instance metadata: ");
    } else if (s->phase == IMDS_ROLE) {
      rc = imds_role(s, status, body, err);
    } else {
      rc = imds_keys(s, status, body, out, err);
      done = 1;
    }
    local_drop(body);
    if (rc || done) return rc;
  }
}

const cq_aws_source_ops cq_aws_by_imds = {"instance metadata", imds_begin,
                                          imds_poll, local_stop};
