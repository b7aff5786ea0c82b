/* vtab/context.c: what the tables and functions of one connection share: the
 * integrations, their configuration, and what fetches.
 *
 * Loading makes the registry only.  Transfers, logins and the cache come with
 * the first use, since most connections that load cq make no request. */
#include <stdlib.h>
#include <string.h>

#include "vtab/context.h"

enum { ASK_MS = 10, HEAR_MS = 100 };

/* The handler is heard less often than the flag is read: it costs more.  The
 * flag, too, costs a statement with an older SQLite, and is asked for more often
 * than a page comes. */
static int context_interrupted(void *user) {
  cq_ctx *c = user;
  int64_t now;

  now = cq_mono_ms();
  if (now - c->asked_ms < ASK_MS) return 0;
  c->asked_ms = now;
  if (cq_compat_interrupted(c->db)) return 1;
  if (now - c->heard_ms < HEAR_MS) return 0;
  c->heard_ms = now;
  return cq_compat_stopped(c->db);
}

int cq_ctx_new(sqlite3 *db, cq_ctx **out, cq_error *err) {
  cq_ctx *c = cq_calloc(1, sizeof *c);
  size_t n;
  int rc;

  *out = NULL;
  if (!c) return cq_error_nomem(err);
  c->refs = 1;
  c->db = db;
  c->env.interrupted = context_interrupted;
  c->env.user = c;
  cq_setting_list(&n);
  c->settings = cq_calloc(n, sizeof *c->settings);
  rc = c->settings ? cq_registry_new(&c->registry, err) : cq_error_nomem(err);
  c->env.registry = c->registry;
  if (rc) {
    cq_ctx_unref(c);
    return rc;
  }
  *out = c;
  return CQ_OK;
}

cq_ctx *cq_ctx_ref(cq_ctx *c) {
  c->refs++;
  return c;
}

static void value_free(struct ctx_value *v) {
  if (v->value) cq_wipe(v->value, strlen(v->value));
  cq_free(v->value);
  cq_free(v->integration);
  cq_free(v->key);
  cq_free(v);
}

void cq_ctx_unref(void *user) {
  cq_ctx *c = user;
  size_t n;

  if (!c || --c->refs > 0) return;
  cq_ctx_close(c);
  while (c->values) {
    struct ctx_value *v = c->values;

    c->values = v->next;
    value_free(v);
  }
  cq_setting_list(&n);
  for (size_t i = 0; c->settings && i < n; i++) {
    if (c->settings[i]) cq_wipe(c->settings[i], strlen(c->settings[i]));
    cq_free(c->settings[i]);
  }
  cq_free(c->settings);
  while (c->chunks) {
    struct ctx_chunk *k = c->chunks;

    c->chunks = k->next;
    cq_arena_clear(&k->names);
    cq_free(k->module);
    cq_free(k);
  }
  cq_registry_unref(c->registry);
  cq_free(c);
}

static int context_ms(const cq_ctx *c, const char *name) {
  double s = cq_strtod(cq_setting_get(c, name), NULL);

  return s >= CQ_MAX_WAIT_MS / 1000.0 ? CQ_MAX_WAIT_MS : (int)(s * 1000);
}

void cq_ctx_apply(cq_ctx *c) {
  cq_cache_ttl(c->env.cache, context_ms(c, "cache_ttl"));
  c->env.live_wait_ms = context_ms(c, "max_wait");
}

static const char *context_text(const cq_ctx *c, const char *name) {
  const char *s = cq_setting_get(c, name);

  return *s ? s : NULL;
}

/* The password of a proxy's URL goes through the proxy, which may show it. */
static int context_hide_proxy(cq_ctx *c, const char *url, cq_error *err) {
  const char *at = url ? strstr(url, "://") : NULL, *from, *end, *colon;
  cq_buf user, digits;
  int rc = CQ_OK;

  from = at ? at + 3 : url;
  end = from ? strrchr(from, '@') : NULL;
  if (!end) return CQ_OK;
  cq_buf_init(&user, CQ_MAX_URL);
  cq_buf_init(&digits, 2 * CQ_MAX_URL);
  cq_percent_decode(&user, from, (size_t)(end - from));
  cq_base64_encode(&digits, user.data ? user.data : "", user.len, 0);
  if (user.rc || digits.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = cq_auths_hide(c->env.auths, digits.data, err);
  colon = user.data ? strchr(user.data, ':') : NULL;
  if (rc == CQ_OK && colon) rc = cq_auths_hide(c->env.auths, colon + 1, err);
  if (user.data) cq_wipe(user.data, user.len);
  if (digits.data) cq_wipe(digits.data, digits.len);
  cq_buf_clear(&user);
  cq_buf_clear(&digits);
  return rc;
}

static int context_hide(cq_ctx *c, const cq_http_options *o, cq_error *err) {
  static const char *const names[] = {"http_proxy", "https_proxy",
                                      "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
  int rc = context_hide_proxy(c, o->proxy, err);

  for (size_t i = 0; i < sizeof names / sizeof *names && rc == CQ_OK; i++)
    rc = context_hide_proxy(c, getenv(names[i]), err);
  if (rc == CQ_OK)
    rc = cq_auths_hide(c->env.auths, o->tls.client_key_password, err);
  return rc;
}

int cq_ctx_open(cq_ctx *c, cq_error *err) {
  cq_http_options o;
  int rc;

  if (c->opened) return CQ_OK;
  memset(&o, 0, sizeof o);
  o.timeout_ms = context_ms(c, "timeout");
  o.connect_timeout_ms = context_ms(c, "connect_timeout");
  o.max_connections = atoi(cq_setting_get(c, "max_connections"));
  o.max_body_mib = atoi(cq_setting_get(c, "max_body"));
  o.tls.ca_file = context_text(c, "ca_file");
  o.tls.client_cert = context_text(c, "client_cert");
  o.tls.client_key = context_text(c, "client_key");
  o.tls.client_key_password = context_text(c, "client_key_password");
  if (!o.tls.ca_file) cq_http_trust(&o.tls.ca_file, &o.ca_path);
  o.proxy = context_text(c, "proxy");
  o.user_agent = "cq/" CQ_VERSION;
  rc = cq_http_new(&o, &c->env.http, err);
  if (rc == CQ_OK) rc = cq_auths_new(c->env.http, &c->env.auths, err);
  if (rc == CQ_OK) rc = context_hide(c, &o, err);
  if (rc == CQ_OK && cq_cache_new(CQ_MAX_CACHED, &c->env.cache))
    rc = cq_error_nomem(err);
  if (rc) {
    cq_ctx_close(c);
    return rc;
  }
  cq_ctx_apply(c);
  /* Cursors that are open already count as well. */
  for (int i = 0; i < c->scans; i++) cq_cache_enter(c->env.cache);
  c->opened = 1;
  return CQ_OK;
}

void cq_ctx_forget(cq_ctx *c, const char *integration) {
  struct ctx_source **at = &c->sources;

  while (*at) {
    struct ctx_source *s = *at;

    if (integration && strcmp(s->name, integration) != 0) {
      at = &s->next;
      continue;
    }
    *at = s->next;
    cq_source_unref(s->source);
    cq_free(s->name);
    cq_free(s);
  }
  if (c->env.cache) cq_cache_drop(c->env.cache);
}

void cq_ctx_close(cq_ctx *c) {
  cq_ctx_forget(c, NULL);
  if (c->env.auths) cq_auths_free(c->env.auths);
  if (c->env.http) cq_http_free(c->env.http);
  cq_cache_free(c->env.cache);
  c->env.auths = NULL;
  c->env.http = NULL;
  c->env.cache = NULL;
  c->opened = 0;
}

static int has_key(const cq_integration *in, const char *key) {
  for (int i = 0; i < in->nconfig; i++)
    if (strcmp(in->config[i].name, key) == 0) return 1;
  return 0;
}

/* Of an integration that was loaded anew there may be values of keys that it no
 * longer has. */
int cq_ctx_config(void *user, const cq_integration *in, const cq_node *spec,
                  cq_config **out, cq_error *err) {
  cq_ctx *c = user;
  int rc = cq_config_new(in, spec, out, err);

  for (struct ctx_value *v = c->values; v && rc == CQ_OK; v = v->next)
    if (strcmp(v->integration, in->name) == 0 && has_key(in, v->key) &&
        !(spec && spec->kind == CQ_N_MAP && cq_tree_get(spec, v->key)))
      if ((rc = cq_config_set(*out, v->key, v->value, err)) != CQ_OK)
        cq_error_prefix(err, "%s", in->name);
  if (rc) {
    cq_config_unref(*out);
    *out = NULL;
  }
  return rc;
}

int cq_ctx_source(cq_ctx *c, const cq_integration *in, cq_source **out,
                  cq_error *err) {
  struct ctx_source *s;
  cq_config *config = NULL;
  int rc;

  *out = NULL;
  rc = cq_ctx_open(c, err);
  if (rc) return rc;
  for (s = c->sources; s; s = s->next)
    if (cq_source_integration(s->source) == in) {
      *out = s->source;
      return CQ_OK;
    }
  s = cq_calloc(1, sizeof *s);
  if (!s || !(s->name = cq_strdup(in->name))) {
    cq_free(s);
    return cq_error_nomem(err);
  }
  rc = cq_ctx_config(c, in, NULL, &config, err);
  if (rc == CQ_OK && (rc = cq_config_check(config, NULL, NULL, err)) != 0)
    cq_error_prefix(err, "%s", in->name);
  if (rc == CQ_OK) rc = cq_source_new(&c->env, in, config, &s->source, err);
  cq_config_unref(config); /* the source has its own reference */
  if (rc) {
    cq_free(s->name);
    cq_free(s);
    return rc;
  }
  s->next = c->sources;
  c->sources = s;
  *out = s->source;
  return CQ_OK;
}

int cq_ctx_put(cq_ctx *c, const char *integration, const char *key,
               const char *value, cq_error *err) {
  struct ctx_value **at = &c->values, *v;

  while (*at && (strcmp((*at)->integration, integration) != 0 ||
                 strcmp((*at)->key, key) != 0))
    at = &(*at)->next;
  v = *at;
  if (v) {
    *at = v->next;
    value_free(v);
  }
  if (!value) return CQ_OK;
  v = cq_calloc(1, sizeof *v);
  if (!v) return cq_error_nomem(err);
  v->integration = cq_strdup(integration);
  v->key = cq_strdup(key);
  v->value = cq_strdup(value);
  if (!v->integration || !v->key || !v->value) {
    value_free(v);
    return cq_error_nomem(err);
  }
  v->next = c->values;
  c->values = v;
  return CQ_OK;
}
