/* ext/scan/request.c: a request's definition becomes URL, headers and body.
 *
 * A parameter whose template has no value is not sent; a URL or path that
 * lacks one is an error.  Query values are percent-encoded here, once; RFC
 * 3986's unreserved characters stay (AWS signs exactly that form). */
#include <stdio.h>
#include <string.h>

#include "scan/internal.h"

static int request_text(const cq_template *t, cq_scope *s, cq_place place,
                        cq_arena *a, cq_value *out, cq_error *err) {
  cq_context c = cq_scope_context(s);
  cq_value v;
  int rc = cq_template_eval(t, &c, place, a, &v, err);

  *out = cq_value_null();
  if (rc || v.kind == CQ_NULL) return rc;
  if (v.kind == CQ_STR) {
    *out = v; /* JSON stays marked as such */
    return CQ_OK;
  }
  return cq_value_to_text(a, &v, out) ? cq_error_nomem(err) : CQ_OK;
}

/* `Name.member.{n}`: one pair per element of the list, numbered from 1. */
static int request_numbered(const char *name, const cq_value *v, char *sep,
                            cq_arena *a, cq_buf *out) {
  const char *mark = strstr(name, "{n}");
  size_t at = 0;

  for (int i = 1;; i++) {
    cq_value item = *v, text;

    if (v->json) {
      int rc = cq_json_element(a, v->u.s, v->len, &at, &item);

      if (rc != CQ_ROW) return rc == CQ_DONE ? CQ_OK : rc;
    }
    if (cq_value_to_text(a, &item, &text)) return CQ_NOMEM;
    if (*sep) cq_buf_byte(out, *sep);
    *sep = '&';
    cq_percent_encode(out, name, (size_t)(mark - name), "");
    cq_buf_printf(out, "%d", i);
    cq_percent_encode(out, mark + 3, strlen(mark + 3), "");
    cq_buf_byte(out, '=');
    cq_percent_encode(out, text.u.s, text.len, "");
    if (!v->json) return CQ_OK;
  }
}

/* name=value pairs joined by '&', each part encoded. */
static int request_pairs(const cq_param *p, size_t n, cq_scope *s, char sep,
                         cq_option_place place, cq_arena *a, cq_buf *out,
                         cq_error *err) {
  for (size_t i = 0; i < n; i++) {
    cq_value v;
    int rc = request_text(p[i].value, s, CQ_PLACE_PLAIN, a, &v, err);

    if (rc) return rc;
    if (v.kind == CQ_NULL ||
        (s->option && cq_options_has(s->option, p[i].name, place)))
      continue;
    if (strstr(p[i].name, "{n}")) {
      if (request_numbered(p[i].name, &v, &sep, a, out))
        return cq_error_nomem(err);
      continue;
    }
    if (sep) cq_buf_byte(out, sep);
    sep = '&';
    cq_percent_encode(out, p[i].name, strlen(p[i].name), "");
    cq_buf_byte(out, '=');
    cq_percent_encode(out, v.u.s, v.len, "");
  }
  return CQ_OK;
}

/* The settings that give a dimension its values, as "a or b". */
static void lacks_settings(const cq_integration *in, const char *client,
                           char *out, size_t max) {
  size_t n = 0, k;

  *out = 0;
  for (int d = 0; d < in->ndim; d++) {
    size_t nref = 0;
    cq_ref *const *refs =
        in->dims[d].values ? cq_template_refs(in->dims[d].values, &nref) : NULL;

    if (strcmp(in->dims[d].name, client) != 0) continue;
    for (k = 0; k < nref && n < max; k++)
      if (refs[k]->root == CQ_R_CONFIG)
        n += (size_t)snprintf(out + n, max - n, "%scq_config('%s.%s', ...)",
                              n ? " or " : "", in->name, refs[k]->name);
  }
}

/* What the query or the configuration would have to give. */
static int request_lacks(const char *what, const cq_template *t, cq_scope *s,
                         cq_error *err) {
  size_t n;
  cq_ref *const *refs = cq_template_refs(t, &n);
  cq_context c = cq_scope_context(s);
  const cq_table *table = s->table;
  char settings[300];
  cq_arena a;

  cq_arena_init(&a);
  for (size_t i = 0; table && i < n; i++) {
    cq_value v = cq_value_null();
    int by;

    if (refs[i]->root != CQ_R_CLIENT && refs[i]->root != CQ_R_WHERE &&
        refs[i]->root != CQ_R_CONFIG)
      continue;
    if (c.get(c.user, refs[i], &a, &v, NULL) || v.kind != CQ_NULL) continue;
    if (refs[i]->root == CQ_R_CONFIG) {
      cq_error_set(err, CQ_CONSTRAINT,
                   "%s is not set\nhint: cq_config('%s.%s', ...)",
                   refs[i]->name, table->integration->name, refs[i]->name);
      goto done;
    }
    for (by = 0; by < table->ncol; by++)
      if (refs[i]->root == CQ_R_WHERE
              ? strcmp(table->columns[by].name, refs[i]->name) == 0
              : table->columns[by].source == CQ_FROM_CLIENT &&
                    strcmp(table->columns[by].from, refs[i]->name) == 0)
        break;
    if (by == table->ncol) continue;
    cq_error_set(err, CQ_CONSTRAINT, "no %s is named", table->columns[by].name);
    lacks_settings(table->integration, refs[i]->name, settings,
                   sizeof settings);
    cq_error_hint(err, "WHERE %s = '...'%s%s", table->columns[by].name,
                  settings[0] ? ", or for all queries " : "", settings);
    goto done;
  }
  cq_error_set(err, CQ_CONSTRAINT, "%s has no value: %s", what,
               cq_template_text(t));
done:
  cq_arena_clear(&a);
  return err ? err->code : CQ_CONSTRAINT;
}

static int request_url(const cq_request_def *r, cq_scope *s, const char *url,
                       cq_built *out, cq_error *err) {
  cq_option_place place = r->nform || r->json ? CQ_OPTION_QUERY : CQ_OPTION_ALL;
  cq_context c = cq_scope_context(s);
  cq_buf b;
  cq_value v;
  int rc = CQ_OK;

  cq_buf_init(&b, CQ_MAX_URL);
  if (url) {
    cq_buf_str(&b, url);
  } else {
    rc = cq_template_address(r->url, &c, &out->arena, &v, err);
    if (rc == CQ_OK && v.kind == CQ_NULL)
      rc = request_lacks("url", r->url, s, err);
    if (rc) goto done;
    out->chosen = (cq_whence)v.whence;
    while (r->path && v.len && v.u.s[v.len - 1] == '/') v.len--;
    cq_buf_add(&b, v.u.s, v.len);
    if (r->path) {
      rc = request_text(r->path, s, CQ_PLACE_PATH, &out->arena, &v, err);
      if (rc == CQ_OK && v.kind == CQ_NULL)
        rc = request_lacks("path", r->path, s, err);
      if (rc) goto done;
      if (!v.len || v.u.s[0] != '/') cq_buf_byte(&b, '/');
      cq_buf_add(&b, v.u.s, v.len);
    }
    if (!b.rc)
      rc =
          request_pairs(r->query, r->nquery, s, strchr(b.data, '?') ? '&' : '?',
                        place, &out->arena, &b, err);
    if (rc == CQ_OK && s->option && !b.rc) {
      char sep = strchr(b.data, '?') ? '&' : '?';

      /* Without a body all of them stand in the address. */
      if (cq_options_pairs(s->table->option.shape, s->option, place, &sep,
                           &b) == CQ_NOMEM)
        rc = cq_error_nomem(err);
    }
    if (rc) goto done;
  }
  if (b.rc)
    rc = cq_error_set(err, b.rc, "request: URL longer than %d bytes",
                      CQ_MAX_URL);
  else if (!(out->url = cq_arena_strndup(&out->arena, b.data, b.len)))
    rc = cq_error_nomem(err);
done:
  cq_buf_clear(&b);
  return rc;
}

static int request_body(const cq_request_def *r, cq_scope *s, cq_built *out,
                        const char **type, cq_error *err) {
  cq_buf b;
  cq_value v;
  cq_context c = cq_scope_context(s);
  int rc = CQ_OK, has = 1;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  if (r->nform) {
    *type = "application/x-www-form-urlencoded; charset=utf-8";
    rc = request_pairs(r->form, r->nform, s, 0, CQ_OPTION_FORM, &out->arena, &b,
                       err);
    if (rc == CQ_OK && s->option && !b.rc) {
      char sep = b.len ? '&' : 0;

      if (cq_options_pairs(s->table->option.shape, s->option, CQ_OPTION_FORM,
                           &sep, &b) == CQ_NOMEM)
        rc = cq_error_nomem(err);
    }
  } else if (r->json) {
    *type = "application/json";
    rc = cq_json_tpl_eval(r->json, &c, &b, err);
    if (rc == CQ_OK && s->option && !b.rc && cq_options_body(s->option, &b))
      rc = cq_error_nomem(err);
  } else if (r->body) {
    *type = "text/plain; charset=utf-8";
    rc = request_text(r->body, s, CQ_PLACE_PLAIN, &out->arena, &v, err);
    if (rc == CQ_OK && v.kind == CQ_STR) cq_buf_add(&b, v.u.s, v.len);
  } else {
    has = 0;
  }
  if (rc == CQ_OK && b.rc)
    rc = cq_error_set(err, b.rc, "request: body too large");
  if (rc == CQ_OK && has) {
    out->body = cq_arena_strndup(&out->arena, b.data ? b.data : "", b.len);
    out->nbody = b.len;
    if (!out->body) rc = cq_error_nomem(err);
  }
  cq_buf_clear(&b);
  return rc;
}

static int names_secret(const cq_template *t, const cq_config *c) {
  size_t n = 0;
  cq_ref *const *refs = t ? cq_template_refs(t, &n) : NULL;

  for (size_t i = 0; i < n; i++)
    if (refs[i]->root == CQ_R_CONFIG && cq_config_is_secret(c, refs[i]->name))
      return 1;
  return 0;
}

/* The stars of a masked value were percent-encoded with what is around them. */
static void stars(char *s) {
  char *to = s;

  for (; *s; s++) {
    *to++ = strncmp(s, "%2A", 3) == 0 ? '*' : *s;
    if (strncmp(s, "%2A", 3) == 0) s += 2;
  }
  *to = 0;
}

/* What messages and cq_requests may show of the URL. */
static int request_shown(const cq_request_def *r, cq_scope *s, const char *url,
                         cq_built *out, cq_error *err) {
  int secret = s->config && (names_secret(r->url, s->config) ||
                             names_secret(r->path, s->config));
  cq_built other;
  char *shown;
  int rc = CQ_OK, hidden = 0;

  memset(&other, 0, sizeof other);
  cq_arena_init(&other.arena);
  if (secret && !url) {
    cq_error odd = {0, ""};

    /* Stars may not go through what the template makes of a secret. */
    s->masked = 1;
    rc = request_url(r, s, NULL, &other, &odd);
    s->masked = 0;
    if (rc == CQ_NOMEM) cq_error_nomem(err);
    if (rc && rc != CQ_NOMEM) {
      other.url = NULL;
      hidden = 1;
      rc = CQ_OK;
    }
  }
  if (rc == CQ_OK) {
    const char *from = other.url ? other.url : out->url;
    const char *host = strstr(from, "://");
    size_t n = strcspn(from, "?#");
    /* a user name in a URL is refused, later */
    size_t user = host ? strcspn(host + 3, "/?#@") + 3 : 0;

    /* A page's address that the server gave may hold it in any form. */
    if (hidden || (secret && url))
      shown = cq_arena_printf(
          &out->arena, "%.*s/***",
          host ? (int)(host - from + 3 + (long)strcspn(host + 3, "/?#")) : 0,
          from);
    else if (host && host[user] == '@')
      shown =
          cq_arena_printf(&out->arena, "%.*s***%.*s", (int)(host + 3 - from),
                          from, (int)(from + n - host - user), host + user);
    else
      shown = cq_arena_strndup(&out->arena, from, n);
    if (shown && secret) stars(shown);
    out->shown = shown;
    if (!shown) rc = cq_error_nomem(err);
  }
  cq_arena_clear(&other.arena);
  return rc;
}

static int request_tls(const cq_integration *in, cq_scope *s, cq_built *out,
                       cq_error *err) {
  static const char *const names[] = {"ca_file", "client_cert", "client_key",
                                      "client_key_password"};
  const char **to[] = {&out->tls.ca_file, &out->tls.client_cert,
                       &out->tls.client_key, &out->tls.client_key_password};

  for (size_t i = 0; i < in->ntls; i++)
    for (int k = 0; k < 4; k++) {
      cq_value v;
      int rc;

      if (strcmp(in->tls[i].name, names[k]) != 0) continue;
      rc = request_text(in->tls[i].value, s, CQ_PLACE_PLAIN, &out->arena, &v,
                        err);
      if (rc) return rc;
      if (v.kind == CQ_NULL || v.len == 0) continue;
      *to[k] = cq_arena_strndup(&out->arena, v.u.s, v.len);
      if (!*to[k]) return cq_error_nomem(err);
    }
  return CQ_OK;
}

static int params_secret(const cq_param *p, size_t n, const cq_config *c) {
  for (size_t i = 0; i < n; i++)
    if (names_secret(p[i].value, c)) return 1;
  return 0;
}

/* A row, an answer or the query has chosen the host: what is secret, or proves
 * who we are, does not go there; nor does an answer choose a file. */
static int request_foreign(const cq_integration *in, const cq_request_def *r,
                           cq_scope *s, const cq_built *b, cq_error *err) {
  const char *who = b->chosen == CQ_BY_QUERY ? "a query" : "an answer";
  const char *host = strstr(b->shown, "://"), *scheme = NULL;
  int n = host ? (int)(host + 3 - b->shown) + (int)strcspn(host + 3, "/?#")
               : (int)strcspn(b->shown, "/?#");
  size_t nref = 0;
  cq_ref *const *refs = r->json ? cq_json_tpl_refs(r->json, &nref) : NULL;
  int secret, rc = CQ_OK;

  secret = b->tls.client_cert != NULL ||
           (s->config && (names_secret(r->url, s->config) ||
                          names_secret(r->path, s->config) ||
                          names_secret(r->body, s->config) ||
                          params_secret(r->query, r->nquery, s->config) ||
                          params_secret(r->header, r->nheader, s->config) ||
                          params_secret(r->form, r->nform, s->config)));
  for (size_t i = 0; i < nref && s->config; i++)
    secret |= refs[i]->root == CQ_R_CONFIG &&
              cq_config_is_secret(s->config, refs[i]->name);
  if (!secret) {
    cq_auth_params params;
    cq_arena a;

    cq_arena_init(&a);
    rc = cq_request_auth(in, r, s, &a, &scheme, &params, err);
    cq_arena_wipe(&a);
    if (rc) return rc;
  }
  if (secret || (scheme && strcmp(scheme, "none") != 0))
    return cq_error_set(err, CQ_ERROR,
                        "%.*s was chosen by %s, and credentials go only to the "
                        "integration's own hosts\nhint: `auth: none` for what "
                        "needs none",
                        n, b->shown, who);
  if (b->chosen == CQ_BY_ANSWER && cq_str_ieqn(b->url, "file:", 5))
    return cq_error_set(err, CQ_ERROR, "an answer may not choose a file: %.*s",
                        n, b->shown);
  return CQ_OK;
}

int cq_request_build(const cq_integration *in, const cq_request_def *r,
                     cq_scope *scope, const char *url, cq_built *out,
                     cq_error *err) {
  const char *type = NULL;
  int rc;

  memset(out, 0, sizeof *out);
  cq_arena_init(&out->arena);
  out->method = r->method ? r->method : "GET";
  rc = request_url(r, scope, url, out, err);
  if (rc == CQ_OK) rc = request_shown(r, scope, url, out, err);
  if (rc == CQ_OK) rc = request_body(r, scope, out, &type, err);
  if (rc == CQ_OK) rc = request_tls(in, scope, out, err);
  if (rc == CQ_OK && out->chosen) rc = request_foreign(in, r, scope, out, err);
  if (rc) goto done;
  out->headers =
      cq_arena_alloc(&out->arena, (r->nheader + 1) * sizeof *out->headers);
  if (!out->headers) {
    rc = cq_error_nomem(err);
    goto done;
  }
  for (size_t i = 0; i < r->nheader; i++) {
    cq_value v;
    char *text;

    rc = request_text(r->header[i].value, scope, CQ_PLACE_HEADER, &out->arena,
                      &v, err);
    if (rc) goto done;
    if (v.kind == CQ_NULL) continue;
    if (cq_str_ieq(r->header[i].name, "content-type")) type = NULL;
    text = cq_arena_strndup(&out->arena, v.u.s, v.len);
    if (!text) {
      rc = cq_error_nomem(err);
      goto done;
    }
    out->headers[out->nheader].name = r->header[i].name;
    out->headers[out->nheader++].value = text;
  }
  if (type) {
    out->headers[out->nheader].name = "Content-Type";
    out->headers[out->nheader++].value = type;
  }
done:
  if (rc) cq_built_clear(out);
  return rc;
}

int cq_built_place(cq_built *b, const char *base, cq_error *err) {
  const char **at[] = {&b->url, &b->shown};
  size_t n = base ? strlen(base) : 0;
  const char *name = base ? strstr(base, "://") : NULL;
  size_t user = name ? strcspn(name + 3, "/?#@") : 0;

  if (!base || cq_str_ieqn(b->url, "file:", 5)) return CQ_OK;
  while (n && base[n - 1] == '/') n--;
  for (int i = 0; i < 2; i++) {
    const char *host = strstr(*at[i], "://");

    if (!host) continue;
    if (strncmp(*at[i], base, n) == 0 && strchr("/?#", (*at[i])[n])) continue;
    host += 3;
    if (i && name && name[3 + user] == '@') /* refused, later, and not shown */
      *at[i] =
          cq_arena_printf(&b->arena, "%.*s***%.*s%s", (int)(name + 3 - base),
                          base, (int)(base + n - name - 3 - user),
                          name + 3 + user, host + strcspn(host, "/?#"));
    else
      *at[i] = cq_arena_printf(&b->arena, "%.*s%s", (int)n, base,
                               host + strcspn(host, "/?#"));
    if (!*at[i]) return cq_error_nomem(err);
  }
  return CQ_OK;
}

void cq_built_clear(cq_built *b) {
  cq_arena_wipe(&b->arena);
  memset(b, 0, sizeof *b);
}

/* Parameters that say where a login is made, or all requests go. */
static int is_address(const char *param) {
  static const char *const names[] = {"url", "endpoint_url", "sts_endpoint"};

  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(param, names[i]) == 0) return 1;
  return 0;
}

/* Evaluates an auth's parameters with the request's laid over them; *missing
 * counts those of the auth itself that have no value. */
static int auth_params(const cq_auth_def *d, const cq_request_def *r,
                       cq_scope *s, cq_arena *a, cq_auth_params *out,
                       int *missing, cq_error *err) {
  cq_context c = cq_scope_context(s);
  const char **names =
      cq_arena_alloc(a, (d->nparam + r->nauth + 1) * sizeof *names);
  cq_value *values =
      cq_arena_alloc(a, (d->nparam + r->nauth + 1) * sizeof *values);

  if (!names || !values) return cq_error_nomem(err);
  *missing = 0;
  out->n = 0;
  for (size_t i = 0; i < d->nparam + r->nauth; i++) {
    const cq_param *p = i < d->nparam ? &d->param[i] : &r->auth[i - d->nparam];
    cq_value v;
    size_t at;
    int rc = is_address(p->name)
                 ? cq_template_address(p->value, &c, a, &v, err)
                 : cq_template_eval(p->value, &c, CQ_PLACE_PLAIN, a, &v, err);

    if (rc == CQ_OK && is_address(p->name) && v.whence)
      rc = cq_error_set(err, CQ_ERROR,
                        "auth: %s: only the configuration says "
                        "where credentials go",
                        p->name);
    if (rc) return rc;
    if (v.kind == CQ_NULL) {
      *missing += i < d->nparam;
      continue;
    }
    for (at = 0; at < out->n && strcmp(names[at], p->name) != 0; at++)
      ;
    names[at] = p->name;
    values[at] = v;
    if (at == out->n) out->n++;
  }
  out->names = names;
  out->values = values;
  return CQ_OK;
}

cq_identity **cq_request_logins(const cq_integration *in,
                                const cq_request_def *r, const cq_client *c) {
  if (!c || !c->logins) return NULL;
  if (!r->auth_name) return &c->logins[0];
  for (int i = 0; i < in->nauth; i++)
    if (in->auth[i].name && strcmp(in->auth[i].name, r->auth_name) == 0)
      return &c->logins[i + 1];
  return NULL;
}

static int per_request(const cq_identity *id, const char *name) {
  for (size_t i = 0; i < id->ops->nper; i++)
    if (strcmp(id->ops->per_request[i], name) == 0) return 1;
  return 0;
}

int cq_request_same_login(const cq_request_def *r, const cq_identity *id,
                          const cq_auth_params *all) {
  for (size_t i = 0; i < r->nauth; i++)
    if (!per_request(id, r->auth[i].name)) return 0;
  for (size_t i = 0; all && i < all->n; i++) {
    size_t k = 0;

    while (k < r->nauth && strcmp(r->auth[k].name, all->names[i]) != 0) k++;
    if (k == r->nauth && per_request(id, all->names[i])) return 0;
  }
  return 1;
}

int cq_request_own_auth(const cq_request_def *r, cq_scope *scope, cq_arena *a,
                        cq_auth_params *out, cq_error *err) {
  static const cq_auth_def none;
  int missing;

  return auth_params(&none, r, scope, a, out, &missing, err);
}

int cq_request_auth(const cq_integration *in, const cq_request_def *r,
                    cq_scope *scope, cq_arena *a, const char **scheme,
                    cq_auth_params *out, cq_error *err) {
  cq_context c = cq_scope_context(scope);

  *scheme = NULL;
  if (r->auth_name && strcmp(r->auth_name, "none") == 0) return CQ_OK;
  for (int i = 0; i < in->nauth; i++) {
    const cq_auth_def *d = &in->auth[i];
    int missing = 0, yes = 1, rc;

    if (r->auth_name && (!d->name || strcmp(d->name, r->auth_name) != 0))
      continue;
    if (d->when) {
      rc = cq_template_true(d->when, &c, a, &yes, err);
      if (rc) return rc;
    }
    if (!yes) continue;
    rc = auth_params(d, r, scope, a, out, &missing, err);
    if (rc) return rc;
    /* Without `when`, an auth whose parameters lack a value does not apply;
     * AWS's chain finds what is missing by itself. */
    if (missing && !d->when && strcmp(d->scheme, "aws_sigv4") != 0) continue;
    *scheme = d->scheme;
    return CQ_OK;
  }
  return CQ_OK;
}
