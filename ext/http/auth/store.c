/* ext/http/auth/store.c: the identities of a connection, found by scheme and
 * parameters, and every secret that they hold, so that none gets out. */
#include <stdlib.h>
#include <string.h>

#include "http/auth/internal.h"
#include "http/internal.h"

typedef struct store_secret {
  cq_identity *owner;
  char *text;
  uint32_t grams[3];
} store_secret;

struct cq_auths {
  cq_http *http;
  cq_identity **ids; /* in the order in which they were opened */
  size_t nid, capid;
  cq_identity **places; /* the same by their keys' hashes, half of it free */
  size_t capplace;
  store_secret *secrets;
  size_t nsecret, capsecret;
};

static const cq_auth_ops *const auth_schemes[] = {
    &cq_auth_none,       &cq_auth_basic,     &cq_auth_bearer,
    &cq_auth_api_key,    &cq_auth_aws_sigv4, &cq_auth_github_app,
    &cq_auth_aws_source,
};

const cq_auth_ops *cq_auth_find(const char *scheme) {
  for (size_t i = 0; i < sizeof auth_schemes / sizeof *auth_schemes; i++)
    if (strcmp(auth_schemes[i]->name, scheme) == 0) return auth_schemes[i];
  return NULL;
}

int cq_auths_new(cq_http *http, cq_auths **out, cq_error *err) {
  *out = cq_calloc(1, sizeof **out);
  if (!*out) return cq_error_nomem(err);
  (*out)->http = http;
  return CQ_OK;
}

cq_http *cq_auths_http(cq_auths *a) {
  return a->http;
}

void cq_auths_free(cq_auths *a) {
  if (!a) return;
  /* The last first: it may use those that came before. */
  for (size_t i = a->nid; i-- > 0;) {
    char *key = a->ids[i]->cache_key;

    a->ids[i]->ops->close(a->ids[i]);
    cq_free(key);
  }
  for (size_t i = 0; i < a->nsecret; i++) cq_free_secret(a->secrets[i].text);
  cq_free(a->secrets);
  cq_free(a->places);
  cq_free(a->ids);
  cq_free(a);
}

/* ---- parameters -------------------------------------------------------- */

int cq_auth_param(const cq_auth_params *p, const char *name, cq_arena *a,
                  const char **out, cq_error *err) {
  cq_value text;

  *out = NULL;
  for (size_t i = 0; i < p->n; i++) {
    if (strcmp(p->names[i], name) != 0 || p->values[i].kind == CQ_NULL)
      continue;
    if (cq_value_to_text(a, &p->values[i], &text)) return cq_error_nomem(err);
    if (text.len == 0) return CQ_OK;
    if (memchr(text.u.s, 0, text.len))
      return cq_error_set(err, CQ_AUTH, "auth: %s: holds a zero byte", name);
    *out = cq_arena_strndup(a, text.u.s, text.len);
    return *out ? CQ_OK : cq_error_nomem(err);
  }
  return CQ_OK;
}

int cq_auth_need(const char *scheme, const cq_auth_params *p, const char *name,
                 cq_arena *a, const char **out, cq_error *err) {
  int rc = cq_auth_param(p, name, a, out, err);

  if (rc == CQ_OK && !*out)
    return cq_error_set(err, CQ_AUTH, "auth %s: parameter is missing: %s",
                        scheme, name);
  return rc;
}

static int auth_lists(const char *const *names, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return 1;
  return 0;
}

static int auth_check(const cq_auth_ops *ops, const cq_auth_params *p,
                      cq_error *err) {
  const char *const *words = cq_auth_words(ops->name);
  size_t n = 0;

  /* What only AWS's own plan asks for no definition can name. */
  if (!words) return CQ_OK;
  while (words[n]) n++;
  for (size_t i = 0; i < p->n; i++) {
    const char *near;

    if (auth_lists(words, n, p->names[i])) continue;
    near = cq_nearest(p->names[i], words, n);
    cq_error_set(err, CQ_MISUSE, "auth %s: unknown parameter: %s", ops->name,
                 p->names[i]);
    if (near) cq_error_hint(err, "did you mean %s?", near);
    return CQ_MISUSE;
  }
  return CQ_OK;
}

typedef struct store_pair {
  const char *name;
  cq_value value;
} store_pair;

static int store_by_name(const void *a, const void *b) {
  return strcmp(((const store_pair *)a)->name, ((const store_pair *)b)->name);
}

/* The scheme and a hash of its sorted parameters: the same login has the same
 * key, and the key gives no secret away. */
static char *auth_key(const cq_auth_ops *ops, const cq_auth_params *p) {
  unsigned char digest[32];
  char hex[65], *key = NULL;
  store_pair *list;
  size_t n = 0;
  cq_arena a;
  cq_buf b;

  cq_arena_init(&a);
  cq_buf_init(&b, 4u << 20);
  list = cq_arena_alloc(&a, (p->n + 1) * sizeof *list);
  if (!list) goto done;
  for (size_t i = 0; i < p->n; i++) {
    if (p->values[i].kind == CQ_NULL ||
        auth_lists(ops->per_request, ops->nper, p->names[i]))
      continue;
    list[n].name = p->names[i];
    if (cq_value_to_text(&a, &p->values[i], &list[n].value)) goto done;
    n++;
  }
  qsort(list, n, sizeof *list, store_by_name);
  for (size_t i = 0; i < n; i++) {
    if (list[i].value.len == 0) continue;
    cq_buf_printf(&b, "%s=%u:", list[i].name, (unsigned)list[i].value.len);
    cq_buf_add(&b, list[i].value.u.s, list[i].value.len);
  }
  if (b.rc) goto done;
  cq_sha256(b.data ? b.data : "", b.len, digest);
  cq_hex(digest, 32, hex);
  key = cq_mprintf("%s:%.32s", ops->name, hex);
done:
  if (b.data) cq_wipe(b.data, b.len);
  cq_buf_clear(&b);
  cq_arena_wipe(&a);
  return key;
}

/* Where the identity of that key is, or belongs. */
static cq_identity **store_place(cq_identity **places, size_t cap,
                                 const char *key) {
  size_t at = cq_hash64(key, strlen(key), 0) & (cap - 1);

  while (places[at] && strcmp(places[at]->cache_key, key) != 0)
    at = (at + 1) & (cap - 1);
  return &places[at];
}

cq_identity *cq_auths_find(cq_auths *a, const char *key) {
  return a->nid ? *store_place(a->places, a->capplace, key) : NULL;
}

/* Room for one more. */
static int store_grow(cq_auths *a) {
  size_t cap = a->capplace ? a->capplace * 2 : 64;
  cq_identity **made;

  if (cq_grow(&a->ids, &a->capid, a->nid, sizeof *a->ids)) return CQ_NOMEM;
  if ((a->nid + 1) * 2 <= a->capplace) return CQ_OK;
  made = cq_calloc(cap, sizeof *made);
  if (!made) return CQ_NOMEM;
  for (size_t i = 0; i < a->nid; i++)
    *store_place(made, cap, a->ids[i]->cache_key) = a->ids[i];
  cq_free(a->places);
  a->places = made;
  a->capplace = cap;
  return CQ_OK;
}

int cq_auths_get(cq_auths *a, const char *scheme, const cq_auth_params *p,
                 cq_identity **out, cq_error *err) {
  const cq_auth_ops *ops = cq_auth_find(scheme);
  cq_identity *id = NULL;
  char *key;
  int rc;

  *out = NULL;
  if (!ops)
    return cq_error_set(err, CQ_MISUSE, "auth: unknown scheme: %s", scheme);
  rc = auth_check(ops, p, err);
  if (rc) return rc;
  key = auth_key(ops, p);
  if (!key) return cq_error_nomem(err);
  *out = cq_auths_find(a, key);
  if (*out) {
    cq_free(key);
    return CQ_OK;
  }
  rc = ops->open(a, p, &id, err);
  /* Afterwards: what is opened may get others, which are then before it. */
  if (rc == CQ_OK && store_grow(a)) {
    ops->close(id);
    rc = cq_error_nomem(err);
  }
  if (rc) {
    cq_free(key);
    return rc;
  }
  id->ops = ops;
  id->store = a;
  id->cache_key = key;
  a->ids[a->nid++] = id;
  *store_place(a->places, a->capplace, key) = id;
  *out = id;
  return CQ_OK;
}

/* ---- secrets ----------------------------------------------------------- */

static int store_hide(cq_auths *a, cq_identity *owner, const char *secret,
                      cq_error *err) {
  store_secret s = {owner, NULL, {0, 0, 0}};

  if (!secret || !*secret) return CQ_OK;
  if (cq_grow(&a->secrets, &a->capsecret, a->nsecret, sizeof s))
    return cq_error_nomem(err);
  s.text = cq_strdup(secret);
  if (!s.text) return cq_error_nomem(err);
  cq_secret_grams(s.text, s.grams);
  a->secrets[a->nsecret++] = s;
  return CQ_OK;
}

int cq_auths_secret(cq_identity *owner, const char *secret, cq_error *err) {
  return store_hide(owner->store, owner, secret, err);
}

int cq_auths_hide(cq_auths *a, const char *secret, cq_error *err) {
  return store_hide(a, NULL, secret, err);
}

void cq_auths_forget(cq_identity *owner) {
  cq_auths *a = owner->store;
  size_t kept = 0;

  for (size_t i = 0; i < a->nsecret; i++)
    if (a->secrets[i].owner == owner)
      cq_free_secret(a->secrets[i].text);
    else
      a->secrets[kept++] = a->secrets[i];
  a->nsecret = kept;
}

void cq_auths_redact(cq_auths *a, char *text) {
  cq_grams grams;

  if (!a || !text || !a->nsecret) return;
  cq_grams_of(&grams, text);
  for (size_t i = 0; i < a->nsecret; i++) {
    if (!cq_grams_have(&grams, a->secrets[i].grams)) continue;
    cq_redact(text, a->secrets[i].text);
    cq_grams_of(&grams, text);
  }
}
