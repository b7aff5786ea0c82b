/* vtab/context.c: what the tables and functions of one connection share. */
#include <string.h>

#include "vtab/vtab.h"

SQLITE_EXTENSION_INIT3

/* Ctrl-C reaches a running statement as SQLITE_INTERRUPT of a nested one; that
 * works on every SQLite that we load into. */
static int context_interrupted(void *user) {
  cq_ctx *c = user;
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(c->db, "SELECT 1", -1, &s, NULL);

  if (rc == SQLITE_OK)
    rc = sqlite3_step(s);
  sqlite3_finalize(s);
  return rc == SQLITE_INTERRUPT;
}

int cq_ctx_new(sqlite3 *db, cq_ctx **out, cq_error *err) {
  cq_ctx *c = cq_calloc(1, sizeof *c);
  int rc;

  *out = NULL;
  if (!c)
    return cq_error_nomem(err);
  c->refs = 1;
  c->db = db;
  c->env.interrupted = context_interrupted;
  c->env.user = c;
  rc = cq_registry_new(&c->env.registry, err);
  if (rc == CQ_OK && cq_cache_new(16u << 20, &c->env.cache))
    rc = cq_error_nomem(err);
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

void cq_ctx_unref(void *user) {
  cq_ctx *c = user;

  if (!c || --c->refs > 0)
    return;
  while (c->sources) {
    struct cq_ctx_source *s = c->sources;

    c->sources = s->next;
    cq_source_unref(s->source);
    cq_config_unref(s->config);
    cq_free(s);
  }
  if (c->env.auths)
    cq_auths_free(c->env.auths);
  if (c->env.http)
    cq_http_free(c->env.http);
  cq_cache_free(c->env.cache);
  cq_registry_unref(c->env.registry);
  cq_free(c);
}

int cq_ctx_network(cq_ctx *c, cq_error *err) {
  cq_http_options o;
  int rc = CQ_OK;

  memset(&o, 0, sizeof o);
  if (!c->env.http)
    rc = cq_http_new(&o, &c->env.http, err);
  if (rc == CQ_OK && !c->env.auths)
    rc = cq_auths_new(c->env.http, &c->env.auths, err);
  return rc;
}

static int context_entry(cq_ctx *c, const cq_integration *in,
                         struct cq_ctx_source **out, cq_error *err) {
  struct cq_ctx_source *s;
  int rc;

  for (s = c->sources; s && s->in != in; s = s->next)
    ;
  *out = s;
  if (s)
    return CQ_OK;
  s = cq_calloc(1, sizeof *s);
  if (!s)
    return cq_error_nomem(err);
  s->in = in;
  rc = cq_config_new(in, NULL, &s->config, err);
  if (rc) {
    cq_free(s);
    return rc;
  }
  s->next = c->sources;
  c->sources = s;
  *out = s;
  return CQ_OK;
}

int cq_ctx_config(cq_ctx *c, const cq_integration *in, cq_config **out,
                  cq_error *err) {
  struct cq_ctx_source *s;
  int rc = context_entry(c, in, &s, err);

  *out = rc ? NULL : s->config;
  return rc;
}

int cq_ctx_source(cq_ctx *c, const cq_integration *in, cq_source **out,
                  cq_error *err) {
  struct cq_ctx_source *s;
  int rc = context_entry(c, in, &s, err);

  *out = NULL;
  if (rc == CQ_OK)
    rc = cq_ctx_network(c, err);
  if (rc == CQ_OK && !s->source)
    rc = cq_source_new(&c->env, in, s->config, &s->source, err);
  if (rc == CQ_OK)
    *out = s->source;
  return rc;
}

void cq_ctx_forget(cq_ctx *c, const cq_integration *in) {
  for (struct cq_ctx_source *s = c->sources; s; s = s->next)
    if (s->in == in) {
      cq_source_unref(s->source);
      s->source = NULL;
    }
  cq_cache_drop(c->env.cache);
}
