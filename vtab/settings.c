/* vtab/settings.c: cq_config(): the engine's own settings, and the
 * configuration of integrations for live queries.  Nothing of it is stored in
 * a database; secrets go in and never come back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/context.h"

static const char *const denied_words[] = {"fail", "skip", NULL};
static const char *const progress_words[] = {"auto", "off",  "bar",
                                             "log",  "json", NULL};

static const cq_setting settings[] = {
    {"ca_file", "",
     "file of the certificates to trust, instead of what CURL_CA_BUNDLE, "
     "SSL_CERT_FILE or the system say",
     't', 0, 1, NULL},
    {"cache_ttl", "10",
     "seconds for which an answer serves later statements too; 0 = no longer "
     "than its own statement",
     's', 0, 0, NULL},
    {"client_cert", "", "file of the certificate that servers ask of us", 't',
     0, 1, NULL},
    {"client_key", "",
     "file of the key to client_cert, where it is not in the same file", 't', 0,
     1, NULL},
    {"client_key_password", "", "passphrase of client_key", 't', 1, 1, NULL},
    {"connect_timeout", "10", "seconds to connect", 's', 0, 1, NULL},
    {"denied", "fail",
     "what a live query does about what may not be read: fail (after the rows "
     "that it can have), or skip",
     'w', 0, 0, denied_words},
    {"max_body", "4096", "MiB of one answer, decompressed", 'n', 0, 1, NULL},
    {"max_connections", "64", "transfers at once, over all hosts", 'n', 0, 1,
     NULL},
    {"max_wait", "60",
     "seconds that a live query waits where a server asks for it; beyond, it "
     "fails (a sync waits for an hour)",
     's', 0, 0, NULL},
    {"progress", "auto", "what a sync shows on stderr: auto off bar log json",
     'w', 0, 0, progress_words},
    {"proxy", "", "URL of the proxy, which may hold a password", 't', 1, 1,
     NULL},
    {"timeout", "60", "seconds that a transfer may stand still", 's', 0, 1,
     NULL},
};
enum { NSETTING = sizeof settings / sizeof *settings };

const cq_setting *cq_setting_list(size_t *n) {
  *n = NSETTING;
  return settings;
}

static int setting_index(const char *name) {
  for (int i = 0; i < NSETTING; i++)
    if (strcmp(settings[i].name, name) == 0) return i;
  return -1;
}

const char *cq_setting_get(const cq_ctx *c, const char *name) {
  int i = setting_index(name);

  if (i < 0) return "";
  return c->settings[i] ? c->settings[i] : settings[i].dflt;
}

/* "auto, off or bar" */
static int setting_words(const cq_setting *s, const char *v, cq_error *err) {
  char list[128];
  size_t n = 0;

  for (int i = 0; s->words[i]; i++) {
    if (strcmp(s->words[i], v) == 0) return CQ_OK;
    n += (size_t)snprintf(list + n, sizeof list - n, "%s%s",
                          !i                ? ""
                          : s->words[i + 1] ? ", "
                                            : " or ",
                          s->words[i]);
  }
  return cq_error_set(err, CQ_ERROR, "cq_config: %s: expected %s, not \"%s\"",
                      s->name, list, v);
}

static int setting_check(const cq_setting *s, const char *v, cq_error *err) {
  /* A transfer without any patience could not be made. */
  double least = s->transfer ? 0.001 : 0;
  cq_value number;

  if (s->kind == 'w') return setting_words(s, v, err);
  if (s->kind == 't') return CQ_OK;
  if (cq_number_parse(v, strlen(v), &number) == CQ_OK) {
    double r = number.kind == CQ_INT      ? (double)number.u.i
               : number.kind == CQ_DOUBLE ? number.u.r
                                          : -1;

    if (s->kind == 's' && r >= least && r <= CQ_MAX_WAIT_MS / 1000.0)
      return CQ_OK;
    if (s->kind == 'n' && number.kind == CQ_INT && r >= 1 && r <= 1000000)
      return CQ_OK;
  }
  return cq_error_set(err, CQ_ERROR, "cq_config: %s: expected %s, not \"%s\"",
                      s->name,
                      s->kind == 'n' ? "a whole number from 1 to 1000000"
                      : s->transfer  ? "seconds from 0.001 to 3600"
                                     : "seconds from 0 to 3600",
                      v);
}

static int setting_set(cq_ctx *c, int i, const char *value, cq_error *err) {
  char *copy = NULL;

  if (value) {
    int rc = setting_check(&settings[i], value, err);

    if (rc) return rc;
    if (!(copy = cq_strdup(value))) return cq_error_nomem(err);
  }
  if (settings[i].transfer && c->opened && (c->scans || c->syncing)) {
    cq_free(copy);
    return cq_error_set(err, CQ_BUSY,
                        "cq_config: %s: cannot change while a query or a sync "
                        "is reading",
                        settings[i].name);
  }
  if (c->settings[i]) cq_wipe(c->settings[i], strlen(c->settings[i]));
  cq_free(c->settings[i]);
  c->settings[i] = copy;
  if (settings[i].transfer) cq_ctx_close(c);
  if (c->opened) cq_ctx_apply(c);
  return CQ_OK;
}

static int setting_unknown(cq_ctx *c, const char *key, cq_error *err) {
  const char *names[NSETTING + 64], *near;
  size_t n = 0;
  const char *in;

  for (; n < NSETTING; n++) names[n] = settings[n].name;
  for (size_t i = 0;
       n < NSETTING + 64 && (in = cq_registry_integration_name(c->registry, i));
       i++)
    names[n++] = in;
  near = cq_nearest(key, names, n);
  cq_error_set(err, CQ_ERROR, "cq_config: %s: no such setting", key);
  if (near)
    cq_error_hint(err, "did you mean %s%s?", near,
                  setting_index(near) < 0 ? ".<key>" : "");
  else
    cq_error_hint(err, "SELECT name FROM cq_settings lists all");
  return err ? err->code : CQ_ERROR;
}

static const cq_config_def *config_def(const cq_integration *in,
                                       const char *key, cq_error *err) {
  const char *names[256], *near;
  size_t n = 0;

  for (int i = 0; i < in->nconfig; i++) {
    if (strcmp(in->config[i].name, key) == 0) return &in->config[i];
    if (n < 256) names[n++] = in->config[i].name;
  }
  near = cq_nearest(key, names, n);
  cq_error_set(err, CQ_ERROR, "cq_config: %s.%s: %s has no such key", in->name,
               key, in->name);
  if (near)
    cq_error_hint(err, "did you mean %s.%s?", in->name, near);
  else
    cq_error_hint(err, "SELECT name FROM cq_settings WHERE integration = '%s'",
                  in->name);
  return NULL;
}

/* Which words are known may be for other settings to say. */
static int config_known(cq_ctx *c, const cq_integration *in, const char *key,
                        const char *value, cq_error *err) {
  cq_config *all = NULL;
  int rc = CQ_OK;

  if (cq_ctx_config(c, in, NULL, &all, NULL) == CQ_OK &&
      cq_config_set(all, key, value, NULL) == CQ_OK)
    rc = cq_config_check(all, NULL, key, err);
  cq_config_unref(all);
  return rc;
}

/* A value that its type refuses is not kept.  What was kept before plays no
 * part: it may be of another type since the integration was loaded anew. */
static int config_try(cq_ctx *c, const cq_integration *in, const char *key,
                      const char *value, cq_error *err) {
  cq_config *probe = NULL;
  int rc = cq_config_new(in, NULL, &probe, err);

  if (rc == CQ_OK && value) rc = cq_config_set(probe, key, value, err);
  cq_config_unref(probe);
  if (rc == CQ_OK && value) rc = config_known(c, in, key, value, err);
  if (rc == CQ_OK) rc = cq_ctx_put(c, in->name, key, value, err);
  if (rc == CQ_OK) cq_ctx_forget(c, in->name);
  return rc;
}

int cq_ctx_config_text(cq_ctx *c, const cq_integration *in,
                       const cq_config_def *d, cq_buf *out, int *null,
                       cq_error *err) {
  cq_config *config = NULL;
  cq_value v = cq_value_null(), text;
  cq_arena a;
  int rc = cq_ctx_config(c, in, NULL, &config, err);

  cq_arena_init(&a);
  if (rc == CQ_OK) cq_config_get(config, d->name, &v);
  *null = v.kind == CQ_NULL;
  if (rc == CQ_OK && !*null) {
    if (d->secret)
      cq_buf_str(out, "***");
    else if (d->type == CQ_BOOLEAN)
      cq_buf_str(out, v.u.i ? "true" : "false");
    else if (cq_value_to_text(&a, &v, &text))
      rc = cq_error_nomem(err);
    else
      cq_buf_add(out, text.u.s, text.len);
  }
  cq_config_unref(config);
  cq_arena_clear(&a);
  return rc;
}

int cq_ctx_configure(cq_ctx *c, const char *key, int has, const char *value,
                     cq_buf *out, int *null, cq_error *err) {
  int i = setting_index(key), rc = CQ_OK, known = 0;
  const char *dot = strchr(key, '.'), *name;
  const cq_integration *in;
  const cq_config_def *d;
  char *owner;

  *null = 0;
  if (value && strlen(value) > CQ_MAX_SPEC_BYTES)
    return cq_error_set(err, CQ_TOOBIG,
                        "cq_config: %s: larger than allowed: %d bytes", key,
                        CQ_MAX_SPEC_BYTES);
  if (i >= 0) {
    if (has) rc = setting_set(c, i, value, err);
    if (rc == CQ_OK)
      cq_buf_str(out, settings[i].secret && *cq_setting_get(c, key)
                          ? "***"
                          : cq_setting_get(c, key));
    return rc;
  }
  if (!dot) return setting_unknown(c, key, err);
  owner = cq_strndup(key, (size_t)(dot - key));
  if (!owner) return cq_error_nomem(err);
  for (size_t k = 0;
       !known && (name = cq_registry_integration_name(c->registry, k)); k++)
    known = strcmp(name, owner) == 0;
  if (!known) rc = setting_unknown(c, owner, err);
  if (rc == CQ_OK) rc = cq_registry_integration(c->registry, owner, &in, err);
  cq_free(owner);
  if (rc) return rc;
  if (!(d = config_def(in, dot + 1, err))) return err ? err->code : CQ_ERROR;
  if (has) rc = config_try(c, in, d->name, value, err);
  if (rc == CQ_OK) rc = cq_ctx_config_text(c, in, d, out, null, err);
  if (rc) cq_error_prefix(err, "cq_config: %s", key);
  return rc;
}
