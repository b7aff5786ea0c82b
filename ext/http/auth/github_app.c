/* ext/http/auth/github_app.c: the scheme github_app: a token signed with the
 * app's key buys an installation's token, which is good for an hour. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "http/auth/internal.h"
#include "http/internal.h"

enum {
  GITHUB_AHEAD_S = 60, /* renew before the end */
  GITHUB_SPARE_S = 2,
  GITHUB_AGAIN_S = 10, /* between two tries to renew */
  GITHUB_FRESH_S = 10, /* a refusal of a token so new changes nothing */
  GITHUB_BACK_S = 60,  /* issued in the past: clocks differ */
  GITHUB_JWT_S = 540   /* GitHub takes ten minutes at most */
};

typedef enum github_state {
  GITHUB_REST,
  GITHUB_FIND,
  GITHUB_TOKEN
} github_state;

typedef struct github_identity {
  cq_identity base;
  cq_arena arena;
  const char *app, *org, *url;
  const char *installation; /* given or found; digits */
  EVP_PKEY *key;
  cq_signer *signer; /* of the installation's token, or NULL */
  int64_t expires_us, got_us;
  int64_t not_before_us; /* no renewal ahead before: the last one failed */
  github_state state;
  cq_login login;
} github_identity;

static void github_close(cq_identity *id) {
  github_identity *g = (github_identity *)id;

  cq_login_clear(&g->login);
  cq_auths_forget(id);
  cq_signer_unref(g->signer);
  EVP_PKEY_free(g->key);
  cq_arena_wipe(&g->arena);
  cq_free(g);
}

/* ---- the app's key, and what it signs ----------------------------------- */

/* PEM text (also with "\n" written out, as in environment variables), or the
 * name of a file that holds it. */
static int github_key(github_identity *g, const char *given, cq_error *err) {
  char *text = NULL, *w;
  size_t n = 0;
  BIO *bio = NULL;
  int rc = CQ_OK;

  if (strstr(given, "-----BEGIN")) {
    text = cq_strdup(given);
    if (!text) return cq_error_nomem(err);
    w = text;
    for (const char *p = text; *p; p++) {
      if (p[0] == '\\' && p[1] == 'n') {
        *w++ = '\n';
        p++;
      } else {
        *w++ = *p;
      }
    }
    *w = 0;
    n = (size_t)(w - text);
  } else {
    rc = cq_file_read(given, CQ_MAX_PRIVATE_KEY, &text, &n, err);
    /* Never the text itself: it may be the key, badly pasted. */
    if (rc == CQ_NOMEM) return rc;
    if (rc) {
      cq_error_set(err, CQ_AUTH,
                   "auth github_app: private_key is neither a key in PEM form "
                   "nor the path of a file that can be read");
      cq_error_hint(err, "give the .pem file that GitHub made, or its text");
      return CQ_AUTH;
    }
  }
  bio = BIO_new_mem_buf(text, (int)n);
  /* This thread's queue of OpenSSL's errors is the host's. */
  ERR_set_mark();
  /* no password prompt: the empty one is tried, and fails */
  g->key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
  BIO_free(bio);
  ERR_pop_to_mark();
  cq_wipe(text, n);
  cq_free(text);
  if (!g->key || EVP_PKEY_base_id(g->key) != EVP_PKEY_RSA) {
    cq_error_set(err, CQ_AUTH,
                 "auth github_app: private_key is not an RSA "
                 "key in PEM form");
    cq_error_hint(err, "give the .pem file that GitHub made, or its text");
    return CQ_AUTH;
  }
  return CQ_OK;
}

/* Signs a login by the app's key, just before it is sent: by the corrected
 * clock, and anew where that was corrected. */
typedef struct github_signer {
  cq_signer base;
  EVP_PKEY *key;
  char *app;
} github_signer;

static int github_jwt(const github_signer *s, int64_t now_us, cq_buf *out) {
  static const char head[] = "{\"alg\":\"RS256\",\"typ\":\"JWT\"}";
  long long now = (long long)(now_us / 1000000);
  unsigned char *sig = NULL;
  size_t nsig = 0;
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  cq_buf claims;
  int ok;

  cq_buf_init(&claims, 4096);
  cq_buf_printf(&claims,
                "{\"iat\":%lld,\"exp\":%lld,\"iss\":", now - GITHUB_BACK_S,
                now + GITHUB_JWT_S);
  cq_buf_json(&claims, s->app, strlen(s->app));
  cq_buf_byte(&claims, '}');
  cq_base64_encode(out, head, sizeof head - 1, 1);
  cq_buf_byte(out, '.');
  cq_base64_encode(out, claims.data ? claims.data : "", claims.len, 1);
  ok = ctx && !claims.rc && !out->rc &&
       EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->key) == 1 &&
       EVP_DigestSign(ctx, NULL, &nsig, (const unsigned char *)out->data,
                      out->len) == 1 &&
       (sig = cq_malloc(nsig)) != NULL &&
       EVP_DigestSign(ctx, sig, &nsig, (const unsigned char *)out->data,
                      out->len) == 1;
  if (ok) {
    cq_buf_byte(out, '.');
    cq_base64_encode(out, sig, nsig, 1);
  }
  cq_free(sig);
  EVP_MD_CTX_free(ctx);
  cq_buf_clear(&claims);
  return ok && !out->rc ? CQ_OK : CQ_NOMEM;
}

static int github_sign(const cq_signer *base, const char *method,
                       const char *url, const cq_header *headers,
                       size_t nheader, const char *body, size_t nbody,
                       int64_t now_us, cq_buf *out_headers, cq_buf *out_url,
                       cq_error *err) {
  cq_buf jwt;
  int rc;

  (void)method, (void)url, (void)headers, (void)nheader, (void)body;
  (void)nbody, (void)out_url;
  cq_buf_init(&jwt, CQ_MAX_URL);
  /* This thread's queue of OpenSSL's errors may be the host's. */
  ERR_set_mark();
  rc = github_jwt((const github_signer *)base, now_us, &jwt);
  ERR_pop_to_mark();
  if (rc)
    rc = cq_error_set(err, CQ_AUTH,
                      "auth github_app: cannot sign with the private_key");
  else
    cq_buf_printf(out_headers, "Authorization: Bearer %s", jwt.data);
  if (jwt.data) cq_wipe(jwt.data, jwt.len);
  cq_buf_clear(&jwt);
  return rc;
}

static void github_signer_free(cq_signer *base) {
  github_signer *s = (github_signer *)base;

  EVP_PKEY_free(s->key);
  cq_free(s->app);
  cq_free(s);
}

static const cq_signer_ops github_signer_ops = {"github_app", github_sign,
                                                github_signer_free};

static int github_signer_new(const github_identity *g, cq_signer **out) {
  github_signer *s = cq_calloc(1, sizeof *s);

  *out = NULL;
  if (!s) return CQ_NOMEM;
  s->base.ops = &github_signer_ops;
  s->base.refs = 1;
  s->app = cq_strdup(g->app);
  if (!s->app || EVP_PKEY_up_ref(g->key) != 1) {
    github_signer_free(&s->base);
    return CQ_NOMEM;
  }
  s->key = g->key;
  *out = &s->base;
  return CQ_OK;
}

/* ---- logging in --------------------------------------------------------- */

static int github_send(github_identity *g, const char *method,
                       const char *path_a, const char *path_b,
                       const char *path_c, cq_error *err) {
  static const cq_header headers[] = {{"Accept", "application/vnd.github+json"},
                                      {"X-GitHub-Api-Version", "2022-11-28"}};
  cq_signer *signer = NULL;
  cq_buf url;
  int rc;

  cq_buf_init(&url, CQ_MAX_URL);
  cq_buf_printf(&url, "%s%s", g->url, path_a);
  cq_percent_encode(&url, path_b, strlen(path_b), "");
  cq_buf_str(&url, path_c);
  rc = url.rc || github_signer_new(g, &signer) ? cq_error_nomem(err) : CQ_OK;
  if (rc == CQ_OK)
    rc = cq_login_send(&g->login, method, url.data, headers, 2, NULL, signer,
                       err);
  cq_signer_unref(signer);
  cq_buf_clear(&url);
  return rc;
}

static int github_refusal(const github_identity *g, json_t *j, int status,
                          cq_error *err) {
  const char *message = json_string_value(json_object_get(j, "message"));

  if (g->state == GITHUB_FIND && status == 404) {
    cq_error_set(err, CQ_AUTH, "auth github_app: app is not installed in: %s",
                 g->org);
    return CQ_AUTH;
  }
  cq_error_set(err, CQ_AUTH,
               "auth github_app: login refused: status %d%s%.300s", status,
               message ? ": " : "", message ? message : "");
  if (status == 401)
    cq_error_hint(err, "app_id and private_key must belong together, and the "
                       "clock must be right");
  return CQ_AUTH;
}

static int github_found(github_identity *g, json_t *j, cq_error *err) {
  json_t *id = json_object_get(j, "id");

  if (!json_is_integer(id))
    return cq_error_set(err, CQ_AUTH,
                        "auth github_app: answer names no "
                        "installation");
  g->installation =
      cq_arena_printf(&g->arena, "%lld", (long long)json_integer_value(id));
  return g->installation ? CQ_OK : cq_error_nomem(err);
}

static int github_bought(github_identity *g, json_t *j, cq_error *err) {
  const char *token = json_string_value(json_object_get(j, "token"));
  const char *until = json_string_value(json_object_get(j, "expires_at"));
  cq_signer *signer = NULL;
  int64_t expires;
  char *line;
  int rc;

  if (!token || !*token || cq_header_check("x", token, NULL) || !until ||
      cq_time_parse(until, strlen(until), &expires))
    return cq_error_set(err, CQ_AUTH,
                        "auth github_app: answer holds no "
                        "token");
  line = cq_mprintf("Authorization: Bearer %s", token);
  if (!line) return cq_error_nomem(err);
  rc = cq_signer_fixed(line, NULL, &signer, err);
  cq_free_secret(line);
  if (rc) return rc;
  cq_signer_unref(g->signer);
  g->signer = signer;
  g->expires_us = expires;
  g->got_us = cq_now_us();
  cq_auths_forget(&g->base);
  return cq_auths_secret(&g->base, token, err);
}

/* CQ_BUSY, CQ_OK with a new token, or an error; at rest after both. */
static int github_login(github_identity *g, cq_error *err) {
  int rc = CQ_OK;

  for (;;) {
    cq_block *body = NULL;
    json_t *j = NULL;
    int status = 0, bought = 0;

    if (g->state != GITHUB_REST) {
      rc = cq_login_poll(&g->login, &status, &body, err);
      if (rc == CQ_BUSY) return rc;
      if (rc == CQ_OK) {
        j = body ? json_loadb(body->data, body->len, 0, NULL) : NULL;
        if (status < 200 || status > 299)
          rc = github_refusal(g, j, status, err);
        else if (g->state == GITHUB_FIND)
          rc = github_found(g, j, err);
        else
          rc = github_bought(g, j, err);
        bought = g->state == GITHUB_TOKEN;
      }
      json_decref(j);
      if (body) {
        cq_wipe(body->data, body->len);
        cq_block_unref(body);
      }
    }
    if (rc || bought) break;
    if (g->installation) {
      g->state = GITHUB_TOKEN;
      rc = github_send(g, "POST", "/app/installations/", g->installation,
                       "/access_tokens", err);
    } else {
      g->state = GITHUB_FIND;
      rc = github_send(g, "GET", "/orgs/", g->org, "/installation", err);
    }
    if (rc) break;
  }
  g->state = GITHUB_REST;
  cq_login_clear(&g->login);
  if (rc && err) cq_auths_redact(g->base.store, err->text);
  return rc;
}

static int github_ready(cq_identity *id, cq_error *err) {
  github_identity *g = (github_identity *)id;
  int64_t now = cq_login_now(&g->login);
  int64_t left = g->signer ? g->expires_us - now : 0;
  int usable = left > GITHUB_SPARE_S * 1000000LL, rc;

  if (usable && g->state == GITHUB_REST &&
      (left > GITHUB_AHEAD_S * 1000000LL || now < g->not_before_us))
    return CQ_OK;
  rc = github_login(g, usable ? NULL : err);
  if (rc && rc != CQ_BUSY) g->not_before_us = now + GITHUB_AGAIN_S * 1000000LL;
  return usable ? CQ_OK : rc;
}

static int github_signer_of(cq_identity *id, const cq_auth_params *p,
                            cq_signer **out, cq_error *err) {
  github_identity *g = (github_identity *)id;

  (void)p;
  *out = cq_signer_ref(g->signer);
  return *out ? CQ_OK
              : cq_error_set(err, CQ_MISUSE,
                             "auth github_app: is not logged in");
}

static int github_refused(cq_identity *id) {
  github_identity *g = (github_identity *)id;

  if (g->state == GITHUB_REST && g->signer &&
      cq_now_us() - g->got_us > GITHUB_FRESH_S * 1000000LL) {
    cq_signer_unref(g->signer);
    g->signer = NULL;
  }
  return 1;
}

static int github_open(cq_auths *store, const cq_auth_params *p,
                       cq_identity **out, cq_error *err) {
  github_identity *g = cq_calloc(1, sizeof *g);
  const char *key = NULL, *url;
  size_t n;
  int rc;

  if (!g) return cq_error_nomem(err);
  g->base.store = store;
  g->login.http = cq_auths_http(store);
  cq_arena_init(&g->arena);
  rc = cq_auth_need("github_app", p, "app_id", &g->arena, &g->app, err);
  if (rc == CQ_OK)
    rc = cq_auth_need("github_app", p, "private_key", &g->arena, &key, err);
  if (rc == CQ_OK)
    rc = cq_auth_param(p, "installation_id", &g->arena, &g->installation, err);
  if (rc == CQ_OK) rc = cq_auth_param(p, "org", &g->arena, &g->org, err);
  if (rc == CQ_OK) rc = cq_auth_param(p, "url", &g->arena, &url, err);
  if (rc == CQ_OK && !g->installation && !g->org)
    rc = cq_error_set(err, CQ_AUTH,
                      "auth github_app: parameter is missing: "
                      "installation_id or org");
  if (rc == CQ_OK) {
    if (!url) url = "https://api.github.com";
    for (n = strlen(url); n && url[n - 1] == '/';) n--;
    g->url = cq_arena_strndup(&g->arena, url, n);
    rc = g->url ? github_key(g, key, err) : cq_error_nomem(err);
  }
  if (key) cq_wipe((char *)key, strlen(key));
  if (rc) {
    github_close(&g->base);
    return rc;
  }
  *out = &g->base;
  return CQ_OK;
}

const cq_auth_ops cq_auth_github_app = {.name = "github_app",
                                        .open = github_open,
                                        .ready = github_ready,
                                        .signer = github_signer_of,
                                        .refused = github_refused,
                                        .close = github_close};
