/* ext/http/auth/aws_sso.c: keys of IAM Identity Center: a token that
 * `aws sso login` has cached buys those of a role in an account.
 *
 * A session's token is renewed before it ends, if it came with what that
 * takes, and the cache file is written as AWS's tools write it, so that they
 * and cq go on with the same one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include <openssl/sha.h>

#include "http/auth/internal.h"
#include "http/internal.h"

enum { SSO_AHEAD_S = 900 }; /* renewed in the last quarter of an hour */
enum { SSO_RENEW, SSO_KEYS };

/* The cache file of a session or a start URL. */
static char *sso_path(const char *name) {
  const char *home = cq_aws_env("HOME");
  unsigned char digest[SHA_DIGEST_LENGTH];
  char hex[2 * SHA_DIGEST_LENGTH + 1];

  SHA1((const unsigned char *)name, strlen(name), digest);
  cq_hex(digest, sizeof digest, hex);
  return cq_mprintf("%s/.aws/sso/cache/%s.json", home ? home : "", hex);
}

static int sso_login_first(const cq_aws_source *s, const char *fact,
                           cq_error *err) {
  const char *profile = strncmp(s->step.from, "profile ", 8) == 0
                            ? s->step.from + 8
                            : s->step.from;

  cq_error_set(err, CQ_AUTH, "aws: %s: sso: %s", s->step.from, fact);
  cq_error_hint(err, "run: aws sso login --profile %s", profile);
  return CQ_AUTH;
}

/* What a login has cached; *token NULL where nothing has. */
static int sso_cached(const cq_aws_source *s, json_t **token, cq_error *err) {
  char *path = sso_path(s->step.arg[CQ_SSO_CACHE]), *text = NULL;
  size_t n = 0;
  int rc;

  *token = NULL;
  if (!path) return cq_error_nomem(err);
  rc = cq_file_read(path, CQ_MAX_PRIVATE_KEY, &text, &n, err);
  cq_free(path);
  if (rc == CQ_NOTFOUND) {
    cq_error_clear(err);
    return CQ_OK;
  }
  if (rc) return rc;
  *token = json_loadb(text, n, 0, NULL);
  cq_wipe(text, n);
  cq_free(text);
  return CQ_OK;
}

/* Beside the old one and then in its place, for nobody else's eyes. */
static void sso_write(const cq_aws_source *s, const json_t *token) {
  char *path = sso_path(s->step.arg[CQ_SSO_CACHE]);
  char *beside = path ? cq_mprintf("%s.cq-%ld", path, (long)getpid()) : NULL;
  char *text = json_dumps(token, JSON_COMPACT);
  size_t n = text ? strlen(text) : 0, at = 0;
  int fd =
      beside && text
          ? open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                 0600)
          : -1;

  while (fd >= 0 && at < n) {
    ssize_t k = write(fd, text + at, n - at);

    if (k < 0 && errno == EINTR) continue;
    if (k < 0) break;
    at += (size_t)k;
  }
  /* That it cannot be kept costs a renewal, no more. */
  if (fd >= 0 && (fsync(fd) | close(fd) | (at < n) || rename(beside, path)))
    unlink(beside);
  if (text) cq_wipe(text, n);
  free(text);
  cq_free(beside);
  cq_free(path);
}

static int64_t sso_time(const json_t *token, const char *key) {
  const json_t *j = json_object_get(token, key);
  int64_t us;

  if (!json_is_string(j) ||
      cq_time_parse(json_string_value(j), json_string_length(j), &us))
    return 0;
  return us;
}

static const char *sso_text(const json_t *token, const char *key) {
  const char *s = json_string_value(json_object_get(token, key));

  return s && *s ? s : NULL;
}

static int sso_hide(cq_aws_source *s, const json_t *token, cq_error *err) {
  static const char *const names[] = {"accessToken", "refreshToken",
                                      "clientSecret"};
  int rc = CQ_OK;

  for (size_t i = 0; i < sizeof names / sizeof *names && rc == CQ_OK; i++)
    rc = cq_auths_secret(&s->base, sso_text(token, names[i]), err);
  return rc;
}

static char *sso_url(const cq_aws_source *s, int endpoint, const char *host,
                     const char *path) {
  const char *at = s->step.arg[endpoint], *region = s->step.arg[CQ_SSO_REGION];
  size_t n = at ? strlen(at) : 0;

  while (n && at[n - 1] == '/') n--;
  if (at) return cq_mprintf("%.*s%s", (int)n, at, path);
  return cq_aws_login_url(host, region, s->fips, s->dual, path);
}

static int sso_renew(cq_aws_source *s, const json_t *token, cq_error *err) {
  static const cq_header type = {"Content-Type", "application/json"};
  json_t *ask = json_pack("{ssssssss}", "clientId", sso_text(token, "clientId"),
                          "clientSecret", sso_text(token, "clientSecret"),
                          "grantType", "refresh_token", "refreshToken",
                          sso_text(token, "refreshToken"));
  char *body = ask ? json_dumps(ask, JSON_COMPACT) : NULL;
  char *url = sso_url(s, CQ_SSO_OIDC, "oidc", "/token");
  int rc = body && url ? CQ_OK : cq_error_nomem(err);

  s->phase = SSO_RENEW;
  if (rc == CQ_OK)
    rc = cq_login_send(&s->login, "POST", url, &type, 1, body, NULL, err);
  if (body) cq_wipe(body, strlen(body));
  free(body);
  json_decref(ask);
  cq_free(url);
  return rc;
}

static int sso_buy(cq_aws_source *s, const json_t *token, cq_error *err) {
  const char *access = sso_text(token, "accessToken");
  cq_header header = {"x-amz-sso_bearer_token", access};
  cq_buf path;
  char *url = NULL;
  int rc = CQ_OK;

  if (!access || cq_header_check("x", access, NULL))
    return sso_login_first(s, "the cached token is none", err);
  cq_buf_init(&path, CQ_MAX_URL);
  cq_buf_str(&path, "/federation/credentials?account_id=");
  cq_percent_encode(&path, s->step.arg[CQ_SSO_ACCOUNT],
                    strlen(s->step.arg[CQ_SSO_ACCOUNT]), "");
  cq_buf_str(&path, "&role_name=");
  cq_percent_encode(&path, s->step.arg[CQ_SSO_ROLE],
                    strlen(s->step.arg[CQ_SSO_ROLE]), "");
  if (!path.rc) url = sso_url(s, CQ_SSO_ENDPOINT, "portal.sso", path.data);
  cq_buf_clear(&path);
  if (!url) rc = cq_error_nomem(err);
  s->phase = SSO_KEYS;
  if (rc == CQ_OK)
    rc = cq_login_send(&s->login, "GET", url, &header, 1, NULL, NULL, err);
  cq_free(url);
  return rc;
}

static int sso_begin(cq_aws_source *s, cq_error *err) {
  json_t *token;
  int64_t now = cq_now_us(), until;
  int rc = cq_aws_region_check(s->step.arg[CQ_SSO_REGION], err), renews;

  if (rc == CQ_OK) rc = sso_cached(s, &token, err);
  if (rc) return rc;
  if (!json_is_object(token)) {
    json_decref(token);
    return sso_login_first(s, "nobody is logged in", err);
  }
  rc = sso_hide(s, token, err);
  until = sso_time(token, "expiresAt");
  renews = s->step.arg[CQ_SSO_RENEWS] && sso_text(token, "refreshToken") &&
           sso_text(token, "clientId") && sso_text(token, "clientSecret") &&
           sso_time(token, "registrationExpiresAt") > now;
  if (rc == CQ_OK) {
    if (renews && until - now < SSO_AHEAD_S * 1000000LL)
      rc = sso_renew(s, token, err);
    else if (until <= now)
      rc = sso_login_first(s, "the login has expired", err);
    else
      rc = sso_buy(s, token, err);
  }
  json_decref(token);
  return rc;
}

/* The answer of CreateToken goes into the cache.  Where it is a refusal, a
 * token that is still good is used. */
static int sso_renewed(cq_aws_source *s, int status, const json_t *j,
                       cq_error *err) {
  const char *access = status == 200 ? sso_text(j, "accessToken") : NULL;
  int64_t seconds = json_integer_value(json_object_get(j, "expiresIn"));
  json_t *token;
  char until[40];
  int rc = sso_cached(s, &token, err);

  if (rc) return rc;
  if (!json_is_object(token)) {
    json_decref(token);
    return sso_login_first(s, "nobody is logged in", err);
  }
  if (access) {
    cq_time_format((cq_now_us() / 1000000 + seconds) * 1000000, until);
    if (json_object_set_new(token, "accessToken", json_string(access)) ||
        json_object_set_new(token, "expiresAt", json_string(until)) ||
        (sso_text(j, "refreshToken") &&
         json_object_set_new(token, "refreshToken",
                             json_string(sso_text(j, "refreshToken")))))
      rc = cq_error_nomem(err);
    if (rc == CQ_OK) rc = sso_hide(s, token, err);
    if (rc == CQ_OK) sso_write(s, token);
    if (rc == CQ_OK) rc = sso_buy(s, token, err);
  } else if (sso_time(token, "expiresAt") > cq_now_us()) {
    rc = sso_buy(s, token, err);
  } else {
    const char *why = sso_text(j, "error");
    char fact[160];

    snprintf(fact, sizeof fact, "the login has expired, and is not renewed: %s",
             why && strlen(why) < 100 ? why : "refused");
    rc = sso_login_first(s, fact, err);
  }
  json_decref(token);
  return rc;
}

static int sso_bought(cq_aws_source *s, int status, const json_t *j,
                      cq_aws_keys *out, cq_error *err) {
  static const cq_aws_names names = {"accessKeyId", "secretAccessKey",
                                     "sessionToken", "expiration"};
  const json_t *keys = json_object_get(j, "roleCredentials");
  const char *why = sso_text(j, "message");

  if (status == 401)
    return sso_login_first(s, "the login is not valid any more", err);
  if (status != 200)
    return cq_error_set(err, CQ_AUTH,
                        "aws: %s: sso: role %.64s in account %.20s: status "
                        "%d%s%.200s",
                        s->step.from, s->step.arg[CQ_SSO_ROLE],
                        s->step.arg[CQ_SSO_ACCOUNT], status, why ? ": " : "",
                        why ? why : "");
  return cq_aws_keys_json(s, keys, &names, out, err);
}

static int sso_poll(cq_aws_source *s, cq_aws_keys *out, cq_error *err) {
  for (;;) {
    cq_block *body = NULL;
    json_t *j;
    int status, rc = cq_login_poll(&s->login, &status, &body, err);
    int done = s->phase == SSO_KEYS;

    if (rc == CQ_BUSY) return rc;
    if (rc) {
      cq_error_prefix(err, "aws: %s: sso: ", s->step.from);
      return rc;
    }
    j = body ? json_loadb(body->data, body->len, 0, NULL) : NULL;
    rc = done ? sso_bought(s, status, j, out, err)
              : sso_renewed(s, status, j, err);
    json_decref(j);
    if (body) {
      cq_wipe(body->data, body->len);
      cq_block_unref(body);
    }
    if (rc || done) return rc;
  }
}

static void sso_stop(cq_aws_source *s) {
  cq_login_clear(&s->login);
}

const cq_aws_source_ops cq_aws_by_sso = {"sso", sso_begin, sso_poll, sso_stop};
