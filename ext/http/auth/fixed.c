/* ext/http/auth/fixed.c: the schemes whose proof never changes: none, basic,
 * bearer, api_key.  Each is one header or one query parameter. */
#include <stdio.h>
#include <string.h>

#include "http/auth/internal.h"
#include "http/internal.h"

typedef struct fixed_signer {
  cq_signer base;
  char *header; /* "Name: value", or NULL */
  char *query;  /* "name=value", or NULL */
} fixed_signer;

static int fixed_sign(const cq_signer *s, const char *method, const char *url,
                      const cq_header *headers, size_t nheader,
                      const char *body, size_t nbody, int64_t now_us,
                      cq_buf *out_headers, cq_buf *out_url, cq_error *err) {
  const fixed_signer *f = (const fixed_signer *)s;

  (void)method, (void)headers, (void)nheader, (void)body, (void)nbody;
  (void)now_us, (void)err;
  if (f->header) cq_buf_str(out_headers, f->header);
  if (f->query)
    cq_buf_printf(out_url, "%s%c%s", url, strchr(url, '?') ? '&' : '?',
                  f->query);
  return CQ_OK;
}

static void fixed_free(cq_signer *s) {
  fixed_signer *f = (fixed_signer *)s;

  cq_free_secret(f->header);
  cq_free_secret(f->query);
  cq_free(f);
}

static const cq_signer_ops fixed_ops = {"fixed", fixed_sign, fixed_free};

int cq_signer_fixed(const char *header, const char *query, cq_signer **out,
                    cq_error *err) {
  fixed_signer *f = cq_calloc(1, sizeof *f);

  *out = NULL;
  if (!f) return cq_error_nomem(err);
  f->base.ops = &fixed_ops;
  f->base.refs = 1;
  if ((header && !(f->header = cq_strdup(header))) ||
      (query && !(f->query = cq_strdup(query)))) {
    fixed_free(&f->base);
    return cq_error_nomem(err);
  }
  *out = &f->base;
  return CQ_OK;
}

/* ---- the identity that all four share ---------------------------------- */

typedef struct fixed_identity {
  cq_identity base;
  cq_signer *signer; /* NULL for none */
} fixed_identity;

static int fixed_ready(cq_identity *id, cq_error *err) {
  (void)id, (void)err;
  return CQ_OK;
}

static int fixed_signer_of(cq_identity *id, const cq_auth_params *p,
                           cq_signer **out, cq_error *err) {
  (void)p, (void)err;
  *out = cq_signer_ref(((fixed_identity *)id)->signer);
  return CQ_OK;
}

static int fixed_refused(cq_identity *id) {
  (void)id;
  return 0; /* the same would be sent again */
}

static void fixed_close(cq_identity *id) {
  cq_signer_unref(((fixed_identity *)id)->signer);
  cq_free(id);
}

/* Makes the identity around a header "name: value" or a query parameter;
 * hidden are the parts that must never be shown. */
static int fixed_open(cq_auths *store, const char *name, const char *value,
                      const char *query, const char *const *hidden, int nhidden,
                      cq_identity **out, cq_error *err) {
  fixed_identity *id = cq_calloc(1, sizeof *id);
  char *line = NULL;
  int rc = CQ_OK;

  if (!id) return cq_error_nomem(err);
  id->base.store = store;
  if (name) {
    rc = cq_header_check(name, value, err);
    if (rc == CQ_OK && !(line = cq_mprintf("%s: %s", name, value)))
      rc = cq_error_nomem(err);
  }
  if (rc == CQ_OK && (line || query))
    rc = cq_signer_fixed(line, query, &id->signer, err);
  for (int i = 0; i < nhidden && rc == CQ_OK; i++)
    rc = cq_auths_secret(&id->base, hidden[i], err);
  cq_free_secret(line);
  if (rc) {
    cq_auths_forget(&id->base);
    fixed_close(&id->base);
    return rc;
  }
  *out = &id->base;
  return CQ_OK;
}

/* Texts of secrets pass through an arena; it is wiped before it goes. */
static void fixed_wipe(const char *s) {
  if (s) cq_wipe((char *)s, strlen(s));
}

/* ---- none -------------------------------------------------------------- */

static int none_open(cq_auths *store, const cq_auth_params *p,
                     cq_identity **out, cq_error *err) {
  (void)p;
  return fixed_open(store, NULL, NULL, NULL, NULL, 0, out, err);
}

const cq_auth_ops cq_auth_none = {.name = "none",
                                  .open = none_open,
                                  .ready = fixed_ready,
                                  .signer = fixed_signer_of,
                                  .refused = fixed_refused,
                                  .close = fixed_close};

/* ---- basic ------------------------------------------------------------- */

static int basic_open(cq_auths *store, const cq_auth_params *p,
                      cq_identity **out, cq_error *err) {
  const char *user, *password, *hidden[2];
  cq_arena a;
  cq_buf plain, value;
  int rc;

  cq_arena_init(&a);
  cq_buf_init(&plain, CQ_MAX_URL);
  cq_buf_init(&value, 2 * CQ_MAX_URL);
  rc = cq_auth_need("basic", p, "username", &a, &user, err);
  if (rc == CQ_OK) rc = cq_auth_param(p, "password", &a, &password, err);
  if (rc) goto done;
  if (strchr(user, ':')) {
    rc = cq_error_set(err, CQ_AUTH, "auth basic: username holds a colon");
    goto done;
  }
  cq_buf_printf(&plain, "%s:%s", user, password ? password : "");
  cq_buf_str(&value, "Basic ");
  if (!plain.rc) cq_base64_encode(&value, plain.data, plain.len, 0);
  if (plain.rc || value.rc) {
    rc = cq_error_nomem(err);
    goto done;
  }
  /* With no password the user name is the key, as many services have it. */
  hidden[0] = password ? password : user;
  hidden[1] = value.data + 6;
  rc =
      fixed_open(store, "Authorization", value.data, NULL, hidden, 2, out, err);
  fixed_wipe(password);
done:
  if (plain.data) cq_wipe(plain.data, plain.len);
  if (value.data) cq_wipe(value.data, value.len);
  cq_buf_clear(&plain);
  cq_buf_clear(&value);
  cq_arena_wipe(&a);
  return rc;
}

const cq_auth_ops cq_auth_basic = {.name = "basic",
                                   .open = basic_open,
                                   .ready = fixed_ready,
                                   .signer = fixed_signer_of,
                                   .refused = fixed_refused,
                                   .close = fixed_close};

/* ---- bearer ------------------------------------------------------------ */

static int bearer_open(cq_auths *store, const cq_auth_params *p,
                       cq_identity **out, cq_error *err) {
  const char *token, *prefix, *header;
  char *value = NULL;
  cq_arena a;
  int rc;

  cq_arena_init(&a);
  rc = cq_auth_need("bearer", p, "token", &a, &token, err);
  if (rc == CQ_OK) rc = cq_auth_param(p, "prefix", &a, &prefix, err);
  if (rc == CQ_OK) rc = cq_auth_param(p, "header", &a, &header, err);
  if (rc == CQ_OK) {
    value = cq_mprintf("%s %s", prefix ? prefix : "Bearer", token);
    rc = value ? fixed_open(store, header ? header : "Authorization", value,
                            NULL, &token, 1, out, err)
               : cq_error_nomem(err);
    fixed_wipe(token);
  }
  cq_free_secret(value);
  cq_arena_wipe(&a);
  return rc;
}

const cq_auth_ops cq_auth_bearer = {.name = "bearer",
                                    .open = bearer_open,
                                    .ready = fixed_ready,
                                    .signer = fixed_signer_of,
                                    .refused = fixed_refused,
                                    .close = fixed_close};

/* ---- api_key ----------------------------------------------------------- */

/* Where the key goes: the one of header, query, cookie that is given. */
static int api_key_place(const cq_auth_params *p, cq_arena *a,
                         const char **place, const char **name, cq_error *err) {
  static const char *const places[] = {"header", "query", "cookie"};
  const char *one;

  *place = *name = NULL;
  for (int i = 0; i < 3; i++) {
    int rc = cq_auth_param(p, places[i], a, &one, err);

    if (rc) return rc;
    if (!one) continue;
    if (*name)
      return cq_error_set(err, CQ_MISUSE,
                          "auth api_key: both %s and %s: give the key one "
                          "place",
                          *place, places[i]);
    *place = places[i];
    *name = one;
  }
  return *name ? CQ_OK
               : cq_error_set(err, CQ_MISUSE,
                              "auth api_key: header, query or cookie must name "
                              "where the key goes");
}

static int api_key_open(cq_auths *store, const cq_auth_params *p,
                        cq_identity **out, cq_error *err) {
  const char *key, *name, *place, *prefix, *hidden[2];
  cq_arena a;
  cq_buf b;
  int rc, query;

  cq_arena_init(&a);
  cq_buf_init(&b, CQ_MAX_URL);
  rc = cq_auth_need("api_key", p, "key", &a, &key, err);
  if (rc == CQ_OK) rc = api_key_place(p, &a, &place, &name, err);
  if (rc == CQ_OK) rc = cq_auth_param(p, "prefix", &a, &prefix, err);
  if (rc) goto done;
  query = strcmp(place, "query") == 0;
  hidden[0] = key;
  hidden[1] = NULL;
  if (query) {
    cq_percent_encode(&b, name, strlen(name), "");
    cq_buf_byte(&b, '=');
    size_t from = b.len;
    cq_percent_encode(&b, key, strlen(key), "");
    hidden[1] = b.data ? b.data + from : NULL;
  } else if (strcmp(place, "cookie") == 0) {
    if (strpbrk(name, "=;, ") || strpbrk(key, ";, \"")) {
      rc = cq_error_set(err, CQ_AUTH,
                        "auth api_key: name or key cannot be in a cookie: %s",
                        name);
      goto done;
    }
    cq_buf_printf(&b, "%s=%s", name, key);
    name = "Cookie";
  } else {
    cq_buf_printf(&b, "%s%s%s", prefix ? prefix : "", prefix ? " " : "", key);
  }
  rc = b.rc ? cq_error_nomem(err)
            : fixed_open(store, query ? NULL : name, b.data,
                         query ? b.data : NULL, hidden, 2, out, err);
  fixed_wipe(key);
done:
  if (b.data) cq_wipe(b.data, b.len);
  cq_buf_clear(&b);
  cq_arena_wipe(&a);
  return rc;
}

const cq_auth_ops cq_auth_api_key = {.name = "api_key",
                                     .open = api_key_open,
                                     .ready = fixed_ready,
                                     .signer = fixed_signer_of,
                                     .refused = fixed_refused,
                                     .close = fixed_close};
