/* ext/spec/parts.c: the parts that tables, calls and clients are made of:
 * templates, paths, requests, pages, error rules, limits, shapes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/load.h"

int load_slot(load *l, const cq_path *p, int call) {
  for (size_t i = 0; i < l->slots.n; i++)
    if (l->slots.v[i].path && l->slots.v[i].call == call &&
        strcmp(l->slots.v[i].path->text, p->text) == 0 &&
        i >= (size_t)l->table->ncol)
      return (int)i;
  if (cq_grow(&l->slots.v, &l->slots.cap, l->slots.n, sizeof *l->slots.v))
    return -1;
  memset(&l->slots.v[l->slots.n], 0, sizeof *l->slots.v);
  l->slots.v[l->slots.n].path = (cq_path *)p;
  l->slots.v[l->slots.n].call = call;
  return (int)l->slots.n++;
}

/* Is it a dimension, one of its `columns`, or one of the `attributes` that its
 * values may bring?  Names gathers all of them. */
static int load_client_name(const cq_node *root, const char *name,
                            const char **names, size_t max, size_t *n) {
  const cq_node *dims = cq_tree_get(root, "clients");

  *n = 0;
  for (size_t i = 0; dims && dims->kind == CQ_N_MAP && i < dims->count; i++) {
    const cq_node *columns = cq_tree_get(dims->items[i], "columns");
    const cq_node *more = cq_tree_get(dims->items[i], "attributes");
    const cq_node *each =
        cq_tree_get(cq_tree_get(dims->items[i], "discover"), "each");

    if (*n < max) names[(*n)++] = dims->keys[i];
    for (size_t k = 0; columns && k < columns->count && *n < max; k++)
      if (columns->kind == CQ_N_MAP) names[(*n)++] = columns->keys[k];
    if (each && each->kind == CQ_N_MAP && each->count && *n < max)
      names[(*n)++] = each->keys[0];
    for (size_t k = 0; more && k < more->count && *n < max; k++)
      if (load_text(more->items[k])) names[(*n)++] = load_text(more->items[k]);
  }
  for (size_t i = 0; i < *n; i++)
    if (strcmp(names[i], name) == 0) return 1;
  return *n == max;
}

static int load_client_ref(load *l, const cq_node *at, const cq_ref *r) {
  const char *names[128], *near;
  size_t n;

  if (!r->name[0] || load_client_name(l->in->root, r->name, names, 128, &n))
    return CQ_OK;
  cq_tree_error(l->err, at,
                "template: client.%s is no client of this integration, nor an "
                "attribute of one",
                r->name);
  near = cq_nearest(r->name, names, n);
  if (near) cq_error_hint(l->err, "did you mean \"client.%s\"?", near);
  return CQ_ERROR;
}

/* page., cursor. and run. have fixed names, each. those of its table. */
static int load_fixed_ref(load *l, const cq_node *at, const cq_ref *r) {
  static const char *const page[] = {"size", "number", "offset", "token"};
  static const char *const cursor[] = {"from", "to"};
  static const char *const run[] = {"time", "date"};
  static const char *const response[] = {"body", "headers", "status", "url"};
  const char *each[64];
  size_t n = 0;
  int i;

  switch (r->root) {
  case CQ_R_PAGE:
    return load_choice(l, at, "template: page", page, 4, r->name, &i);
  case CQ_R_CURSOR:
    return load_choice(l, at, "template: cursor", cursor, 2, r->name, &i);
  case CQ_R_RUN:
    return load_choice(l, at, "template: run", run, 2, r->name, &i);
  case CQ_R_RESPONSE:
    return load_choice(l, at, "template: response", response, 4, r->name, &i);
  case CQ_R_JOB:
    return load_choice(l, at, "template: job",
                       l->table ? l->table->job.names : NULL,
                       l->table ? l->table->job.nvalue : 0, r->name, &i);
  case CQ_R_EACH:
    if (!l->table) return CQ_OK;
    while (n < l->table->neach && n < 64) {
      each[n] = l->table->each[n].name;
      n++;
    }
    return load_choice(l, at, "template: each", each, n, r->name, &i);
  default:
    return CQ_OK;
  }
}

int load_refs(load *l, const cq_node *at, cq_ref *const *refs, size_t n) {
  for (size_t i = 0; i < n; i++) {
    cq_ref *r = refs[i];

    if (r->root == CQ_R_CLIENT && load_client_ref(l, at, r)) return CQ_ERROR;
    if (load_fixed_ref(l, at, r)) return CQ_ERROR;

    if (r->root == CQ_R_DATA &&
        !cq_tree_get(cq_tree_get(l->in->root, "data"), r->name))
      return cq_tree_error(l->err, at, "template: data.%s is not there",
                           r->name);
    if (r->root == CQ_R_CONFIG) {
      int k;

      for (k = 0; k < l->in->pub.nconfig &&
                  strcmp(l->in->pub.config[k].name, r->name) != 0;
           k++)
        ;
      if (k == l->in->pub.nconfig)
        return cq_tree_error(l->err, at, "template: config.%s is not declared",
                             r->name);
    }
    if (!l->table) continue;
    if (r->root == CQ_R_ROW) {
      for (int k = 0; k < l->table->ncol; k++)
        if (strcmp(l->table->columns[k].name, r->name) == 0) r->slot = k;
      if (r->slot < 0)
        return cq_tree_error(l->err, at, "%s: template: row.%s is not a column",
                             l->table->name, r->name);
    }
    if (r->root == CQ_R_WHERE) {
      int k;

      for (k = 0; k < l->table->ncol &&
                  strcmp(l->table->columns[k].name, r->name) != 0;
           k++)
        ;
      if (k == l->table->ncol)
        return cq_tree_error(l->err, at,
                             "%s: template: where.%s is not a column",
                             l->table->name, r->name);
    }
    if (r->root == CQ_R_RECORD || r->root == CQ_R_DETAIL) {
      r->slot = load_slot(l, r->path, r->root == CQ_R_RECORD ? -1 : l->call);
      if (r->slot < 0) return cq_error_nomem(l->err);
    }
  }
  return CQ_OK;
}

/* As JSON text that may stand between single quotes. */
static int quoted_json(const cq_node *n, cq_buf *out) {
  cq_buf b;
  int rc;

  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  rc = cq_tree_json(n, &b);
  for (size_t i = 0; i < b.len; i++)
    if (b.data[i] == '\'')
      cq_buf_str(out, "\\u0027");
    else
      cq_buf_byte(out, b.data[i]);
  if (rc == CQ_OK) rc = b.rc;
  cq_buf_clear(&b);
  return rc;
}

int load_template(load *l, const cq_node *n, unsigned roots,
                  cq_template **out) {
  size_t k;
  cq_ref *const *refs;
  int rc;

  *out = NULL;
  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  if (n->kind != CQ_N_SCALAR) {
    /* A list or map of constants is a template as JSON text. */
    char *text;
    cq_buf b;

    cq_buf_init(&b, CQ_MAX_TEMPLATE);
    cq_buf_str(&b, "{{ '");
    rc = quoted_json(n, &b);
    cq_buf_str(&b, "' | from_json }}");
    text = rc || b.rc ? NULL : cq_arena_strndup(l->a, b.data, b.len);
    rc = text ? load_template_text(l, n, text, roots, out)
              : cq_error_nomem(l->err);
    cq_buf_clear(&b);
    return rc;
  }
  rc = load_template_text(l, n, n->text, roots, out);
  if (rc) return rc;
  refs = cq_template_refs(*out, &k);
  return load_refs(l, n, refs, k);
}

int load_path(load *l, const cq_node *n, cq_path **out) {
  int rc;

  *out = NULL;
  if (!n || n->kind != CQ_N_SCALAR) return CQ_OK;
  rc = load_path_text(l, n->text, strlen(n->text), out);
  if (rc) cq_error_prefix(l->err, "%s:%d: ", n->file, n->line);
  return rc;
}

int load_words(load *l, const cq_node *n, const char *const **out,
               size_t *count) {
  size_t k = n && n->kind == CQ_N_LIST ? n->count : n && load_text(n) ? 1 : 0;
  const char **v = cq_arena_alloc(l->a, (k + 1) * sizeof *v);

  if (!v) return cq_error_nomem(l->err);
  for (size_t i = 0; i < k; i++) {
    v[i] = load_text(n->kind == CQ_N_LIST ? n->items[i] : n);
    if (!v[i]) return cq_tree_error(l->err, n, "expected a list of words");
  }
  *out = v;
  *count = k;
  return CQ_OK;
}

int load_json_text(load *l, const cq_node *n, const char **out) {
  cq_buf b;

  *out = NULL;
  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  cq_tree_json(n, &b);
  if (b.rc == CQ_TOOBIG) {
    cq_buf_clear(&b);
    return cq_tree_error(l->err, n, "longer than %d bytes", CQ_MAX_TEMPLATE);
  }
  *out = b.rc ? NULL : cq_arena_strndup(l->a, b.data, b.len);
  cq_buf_clear(&b);
  return *out ? CQ_OK : cq_error_nomem(l->err);
}

static int load_params(load *l, const cq_node *n, unsigned roots,
                       cq_param **out, size_t *count) {
  size_t k = n && n->kind == CQ_N_MAP ? n->count : 0;
  cq_param *v = cq_arena_alloc(l->a, (k + 1) * sizeof *v);

  if (!v) return cq_error_nomem(l->err);
  *count = 0;
  for (size_t i = 0; i < k; i++) {
    cq_param *p = &v[*count];

    if (n->items[i]->kind == CQ_N_NULL) continue;
    memset(p, 0, sizeof *p);
    p->name = n->keys[i];
    if (load_template(l, n->items[i], roots, &p->value))
      return l->err && l->err->code ? l->err->code : CQ_ERROR;
    (*count)++;
  }
  *out = v;
  return CQ_OK;
}

/* ---- bodies -------------------------------------------------------------- */
struct cq_json_tpl {
  const cq_node *n;
  cq_template *t;      /* SCALAR */
  cq_json_tpl **items; /* LIST, MAP */
  cq_ref **refs;
  size_t nref;
};

static int load_body(load *l, const cq_node *n, unsigned roots,
                     cq_json_tpl **out) {
  cq_json_tpl *t = cq_arena_alloc(l->a, sizeof *t);
  int rc = CQ_OK;

  if (!t) return cq_error_nomem(l->err);
  memset(t, 0, sizeof *t);
  t->n = n;
  *out = t;
  if (n->kind == CQ_N_SCALAR) {
    rc = load_template(l, n, roots, &t->t);
    if (rc == CQ_OK) {
      size_t k;
      cq_ref *const *refs = cq_template_refs(t->t, &k);

      t->refs = (cq_ref **)refs;
      t->nref = k;
    }
    return rc;
  }
  t->items = cq_arena_alloc(l->a, (n->count + 1) * sizeof *t->items);
  if (!t->items) return cq_error_nomem(l->err);
  for (size_t i = 0; i < n->count && rc == CQ_OK; i++)
    rc = load_body(l, n->items[i], roots, &t->items[i]);
  for (size_t i = 0; i < n->count && rc == CQ_OK; i++)
    t->nref += t->items[i]->nref;
  t->refs = rc ? NULL : cq_arena_alloc(l->a, (t->nref + 1) * sizeof *t->refs);
  if (rc == CQ_OK && !t->refs) rc = cq_error_nomem(l->err);
  for (size_t i = 0, k = 0; i < n->count && rc == CQ_OK; i++) {
    memcpy(t->refs + k, t->items[i]->refs, t->items[i]->nref * sizeof *t->refs);
    k += t->items[i]->nref;
  }
  return rc;
}

/* A map or list is missing where all that stands in it is. */
static int body_eval(const cq_json_tpl *t, const cq_context *c, cq_arena *a,
                     cq_buf *out, int *missing, cq_error *err) {
  size_t put = 0;
  cq_value v, s;
  int rc = CQ_OK;

  *missing = 0;
  if (t->n->kind == CQ_N_SCALAR && cq_template_constant(t->t))
    return cq_tree_json(t->n, out) ? cq_error_nomem(err) : CQ_OK;
  if (t->n->kind == CQ_N_SCALAR) {
    rc = cq_template_eval(t->t, c, CQ_PLACE_PLAIN, a, &v, err);
    if (rc) return rc;
    *missing = v.kind == CQ_NULL;
    if (*missing) return CQ_OK;
    if (cq_value_to_text(a, &v, &s)) return cq_error_nomem(err);
    if (v.kind == CQ_STR && !v.json)
      cq_buf_json(out, s.u.s, s.len);
    else
      cq_buf_add(out, s.u.s, s.len);
    return CQ_OK;
  }
  if (t->n->kind == CQ_N_NULL) {
    cq_buf_str(out, "null");
    return CQ_OK;
  }
  cq_buf_byte(out, t->n->kind == CQ_N_MAP ? '{' : '[');
  for (size_t i = 0; i < t->n->count && rc == CQ_OK; i++) {
    size_t before = out->len;
    int gone;

    if (put) cq_buf_byte(out, ',');
    if (t->n->kind == CQ_N_MAP) {
      cq_buf_json(out, t->n->keys[i], strlen(t->n->keys[i]));
      cq_buf_byte(out, ':');
    }
    rc = body_eval(t->items[i], c, a, out, &gone, err);
    if (gone && out->rc == CQ_OK)
      out->len = before;
    else
      put++;
  }
  cq_buf_byte(out, t->n->kind == CQ_N_MAP ? '}' : ']');
  *missing = t->n->count > 0 && put == 0;
  return rc;
}

int cq_json_tpl_eval(const cq_json_tpl *t, const cq_context *c, cq_buf *out,
                     cq_error *err) {
  cq_arena a;
  int missing, rc;

  cq_arena_init(&a);
  rc = body_eval(t, c, &a, out, &missing, err);
  cq_arena_clear(&a);
  return rc;
}

cq_ref *const *cq_json_tpl_refs(const cq_json_tpl *t, size_t *n) {
  *n = t->nref;
  return t->refs;
}

/* `auth: name` of a request: one of the integration's, or none. */
static int load_auth_name(load *l, const cq_node *n, const char *object,
                          const char **out) {
  const char *names[64] = {"none"};
  char what[200];
  size_t k = 1;
  int i;

  for (int a = 0; a < l->in->pub.nauth && k < 64; a++)
    if (l->in->pub.auth[a].name) names[k++] = l->in->pub.auth[a].name;
  *out = n->text;
  snprintf(what, sizeof what, "%s: auth", object);
  return load_choice(l, n, what, names, k, n->text, &i);
}

static const char *const decoders[] = {"json", "ndjson", "xml", "csv", "raw"};

/* The answer holds the document, as a text. */
static int load_inner(load *l, const cq_node *n, const char *object,
                      cq_request_def *r) {
  char what[200];
  int i, rc;

  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  snprintf(what, sizeof what, "%s: inner", object);
  CHECK(n, what, "path$", "encoding$", "decode$");
  r->inner.encoding = load_text(cq_tree_get(n, "encoding"));
  r->inner.decode = load_text(cq_tree_get(n, "decode"));
  if (!cq_tree_get(n, "path"))
    return cq_tree_error(l->err, n, "%s: path is missing", what);
  if ((rc = load_path(l, cq_tree_get(n, "path"), &r->inner.path)) != 0)
    return rc;
  if (r->inner.encoding) {
    static const char *const codes[] = {"base64"};

    snprintf(what, sizeof what, "%s: inner: encoding", object);
    if (load_choice(l, n, what, codes, 1, r->inner.encoding, &i))
      return CQ_ERROR;
  }
  if (!r->inner.decode) return CQ_OK;
  snprintf(what, sizeof what, "%s: inner: decode", object);
  return load_choice(l, n, what, decoders, 5, r->inner.decode, &i);
}

/* May credentials go with it? */
static int load_sends_login(const load *l, const cq_request_def *r) {
  if (r->auth_name && strcmp(r->auth_name, "none") == 0) return 0;
  for (int i = 0; i < l->in->pub.nauth; i++)
    if (strcmp(l->in->pub.auth[i].scheme, "none") != 0) return 1;
  return 0;
}

int load_request(load *l, const cq_node *n, const char *object, unsigned roots,
                 cq_request_def **out) {
  cq_request_def *r;
  const cq_node *x;
  char what[200];
  int rc = CQ_OK, i;

  *out = NULL;
  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  CHECK(n, object, "method$", "url$", "path$", "query{", "headers{", "form{",
        "json", "body$", "decode$", "auth~", "safe?", "operation$", "inner{");
  r = cq_arena_alloc(l->a, sizeof *r);
  if (!r) return cq_error_nomem(l->err);
  memset(r, 0, sizeof *r);
  r->at = n;
  r->decode = load_text(cq_tree_get(n, "decode"));
  r->operation = load_text(cq_tree_get(n, "operation"));
  if ((rc = load_template(l, cq_tree_get(n, "url"), roots, &r->url)) ||
      (rc = load_template(l, cq_tree_get(n, "path"), roots, &r->path)) ||
      (rc = load_template(l, cq_tree_get(n, "body"), roots, &r->body)) ||
      (rc = load_params(l, cq_tree_get(n, "query"), roots, &r->query,
                        &r->nquery)) ||
      (rc = load_params(l, cq_tree_get(n, "headers"), roots, &r->header,
                        &r->nheader)) ||
      (rc = load_params(l, cq_tree_get(n, "form"), roots, &r->form, &r->nform)))
    return rc;
  x = cq_tree_get(n, "json");
  if (x && x->kind != CQ_N_NULL && (rc = load_body(l, x, roots, &r->json)) != 0)
    return rc;
  if (r->decode) {
    snprintf(what, sizeof what, "%s: decode", object);
    if (load_choice(l, n, what, decoders, 5, r->decode, &i)) return CQ_ERROR;
  }
  if ((rc = load_inner(l, cq_tree_get(n, "inner"), object, r)) != 0) return rc;
  x = cq_tree_get(n, "auth");
  if (load_text(x))
    rc = load_auth_name(l, x, object, &r->auth_name);
  else if (x)
    rc = load_params(l, x, roots, &r->auth, &r->nauth);
  if (rc) return rc;
  r->method = load_text(cq_tree_get(n, "method"));
  if (!r->method) r->method = r->nform || r->json || r->body ? "POST" : "GET";
  r->idempotent = strcmp(r->method, "GET") == 0 ||
                  strcmp(r->method, "HEAD") == 0 ||
                  load_bool(cq_tree_get(n, "safe"), 0);
  if (!r->url)
    return cq_tree_error(l->err, n, "%s: request: url is missing", object);
  if (cq_template_chooses_host(r->url) && load_sends_login(l, r)) {
    cq_tree_error(l->err, n,
                  "%s: request: url: a row, an answer or the query would "
                  "choose the host that credentials go to",
                  object);
    cq_error_hint(l->err, "let it be a label below a domain, as in "
                          "https://{{ ... }}.example.com, or say auth: none");
    return CQ_ERROR;
  }
  *out = r;
  return CQ_OK;
}

static int template_refs(const cq_template *t, cq_refs_fn fn, void *user) {
  size_t n;
  cq_ref *const *refs = cq_template_refs(t, &n);

  return n ? fn(user, refs, n) : CQ_OK;
}

int cq_request_refs(const cq_request_def *r, cq_refs_fn fn, void *user) {
  const cq_template *const plain[] = {r->url, r->path, r->body};
  const cq_param *const lists[] = {r->query, r->header, r->form, r->auth};
  const size_t counts[] = {r->nquery, r->nheader, r->nform, r->nauth};
  cq_ref *const *refs;
  size_t n = 0;
  int rc = CQ_OK;

  for (int k = 0; k < 3 && rc == CQ_OK; k++)
    rc = template_refs(plain[k], fn, user);
  for (int k = 0; k < 4; k++)
    for (size_t i = 0; i < counts[k] && rc == CQ_OK; i++)
      rc = template_refs(lists[k][i].value, fn, user);
  if (rc || !r->json) return rc;
  refs = cq_json_tpl_refs(r->json, &n);
  return n ? fn(user, refs, n) : CQ_OK;
}

int load_own_request(load *l, const cq_node *base, const cq_node *n,
                     const char *object, unsigned roots, cq_request_def **out) {
  const cq_node *own = cq_tree_get(n, "request");
  cq_node *merged;
  int rc;

  if (own && own->kind == CQ_N_NULL)
    return cq_tree_error(l->err, n, "%s: request is missing", object);
  rc = cq_tree_merge(l->a, base, own, &merged, l->err);
  return rc ? rc : load_request(l, merged, object, roots, out);
}

/* A token is one path, or several by name; with several the whole body is
 * kept at `token` and each is taken from it. */
static int load_tokens(load *l, const cq_node *n, cq_page_def *out) {
  const char **names;
  int rc = CQ_OK;

  if (!n || n->kind != CQ_N_MAP) return load_path(l, n, &out->token);
  names = cq_arena_alloc(l->a, (n->count + 1) * sizeof *names);
  out->token_paths =
      cq_arena_alloc(l->a, (n->count + 1) * sizeof *out->token_paths);
  if (!names || !out->token_paths) return cq_error_nomem(l->err);
  for (size_t i = 0; i < n->count && rc == CQ_OK; i++) {
    names[i] = n->keys[i];
    rc = load_path(l, n->items[i], &out->token_paths[i]);
  }
  out->token_names = names;
  out->ntoken = n->count;
  return rc ? rc : load_path_text(l, ".", 1, &out->token);
}

int load_page(load *l, const cq_node *n, const char *object, cq_page_def *out) {
  static const char *const by[] = {"none",   "token",  "url",  "link",
                                   "number", "offset", "last", "graphql"};
  const char *kind = load_text(cq_tree_get(n, "by"));
  char what[200];
  int rc, i;

  memset(out, 0, sizeof *out);
  out->start = 0;
  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  CHECK(n, object, "by$", "token~", "header$", "more$", "total$", "start#",
        "size#", "min_size#", "max_size#", "max_pages#", "same_is_last?",
        "size_unless*");
  if (kind) {
    snprintf(what, sizeof what, "%s: page: by", object);
    if (load_choice(l, n, what, by, 8, kind, &i)) return CQ_ERROR;
    out->by = (cq_page_by)i;
  }
  out->token_header = load_text(cq_tree_get(n, "header"));
  out->start = load_int(cq_tree_get(n, "start"), out->by == CQ_PAGE_NUMBER);
  out->size = load_int(cq_tree_get(n, "size"), 0);
  out->max_size = load_int(cq_tree_get(n, "max_size"), 0);
  out->max_pages = load_int(cq_tree_get(n, "max_pages"), 0);
  out->min_size = load_int(cq_tree_get(n, "min_size"), 0);
  out->same_is_last = load_bool(cq_tree_get(n, "same_is_last"), 0);
  if ((rc = load_tokens(l, cq_tree_get(n, "token"), out)) ||
      (rc = load_words(l, cq_tree_get(n, "size_unless"), &out->whole,
                       &out->nwhole)) ||
      (rc = load_path(l, cq_tree_get(n, "more"), &out->more)) ||
      (rc = load_path(l, cq_tree_get(n, "total"), &out->total)))
    return rc;
  if ((out->by == CQ_PAGE_URL || out->by == CQ_PAGE_LAST ||
       out->by == CQ_PAGE_GRAPHQL ||
       (out->by == CQ_PAGE_TOKEN && !out->token_header)) &&
      !out->token)
    return cq_tree_error(l->err, n, "%s: page: by: %s needs `token`", object,
                         kind);
  return CQ_OK;
}

int load_short_page(load *l, const cq_node *n, const char *object,
                    cq_page_def *out) {
  int rc = load_page(l, n, object, out);

  if (rc || out->by != CQ_PAGE_LAST) return rc;
  return cq_tree_error(l->err, n,
                       "%s: page: by: last is for a table's own list", object);
}

static int load_paths(load *l, const cq_node *n, cq_path ***out,
                      size_t *count) {
  size_t k = n && n->kind == CQ_N_LIST ? n->count : n && load_text(n) ? 1 : 0;
  int rc = CQ_OK;

  *out = cq_arena_alloc(l->a, (k + 1) * sizeof **out);
  if (!*out) return cq_error_nomem(l->err);
  for (size_t i = 0; i < k && rc == CQ_OK; i++)
    rc = load_path(l, n->kind == CQ_N_LIST ? n->items[i] : n, &(*out)[i]);
  *count = k;
  return rc;
}

static int load_rule(load *l, const cq_node *n, const char *object,
                     cq_error_rule *r) {
  static const char *const actions[] = {
      "fail",         "retry", "empty",  "skip_row",     "skip_client",
      "refresh_auth", "ok",    "denied", "correct_clock"};
  const cq_node *w = cq_tree_get(n, "when"), *s;
  const char *then = load_text(cq_tree_get(n, "then"));
  char what[200];
  size_t i, k;
  int *status, action;

  CHECK(n, object, "when{", "then$", "after$", "throttle?", "message$",
        "lacks$");
  CHECK(w, object, "status*", "code*", "header{", "text$");
  memset(r, 0, sizeof *r);
  r->at = n;
  if (!w || !w->count)
    return cq_tree_error(l->err, n, "%s: errors: `when` is missing", object);
  snprintf(what, sizeof what, "%s: errors: then", object);
  if (load_choice(l, n, what, actions, 9, then ? then : "", &action))
    return CQ_ERROR;
  r->then = (cq_action)action;
  r->after = load_text(cq_tree_get(n, "after"));
  r->throttle = load_bool(cq_tree_get(n, "throttle"), 0);
  r->message = load_text(cq_tree_get(n, "message"));
  r->lacks = load_text(cq_tree_get(n, "lacks"));
  if (r->lacks && !cq_regex_bounded(r->lacks))
    return cq_tree_error(l->err, n,
                         "%s: errors: lacks: repeats within repeats grow too "
                         "large",
                         object);
  r->text = load_text(cq_tree_get(w, "text"));
  s = cq_tree_get(w, "status");
  k = s ? (s->kind == CQ_N_LIST ? s->count : 1) : 0;
  status = cq_arena_alloc(l->a, (2 * k + 1) * sizeof *status);
  if (!status) return cq_error_nomem(l->err);
  for (i = 0; i < k; i++) {
    const char *t = load_text(s->kind == CQ_N_LIST ? s->items[i] : s);

    if (!t || t[0] < '1' || t[0] > '5' || strlen(t) != 3)
      return cq_tree_error(l->err, s, "%s: errors: status: expected 404 or 4xx",
                           object);
    status[2 * i] = t[1] == 'x' ? (t[0] - '0') * 100 : atoi(t);
    status[2 * i + 1] = t[1] == 'x' ? (t[0] - '0') * 100 + 99 : atoi(t);
  }
  r->status = status;
  r->nstatus = (int)(2 * k);
  if (load_words(l, cq_tree_get(w, "code"), &r->code, &r->ncode))
    return CQ_ERROR;
  return load_params(l, cq_tree_get(w, "header"), 0, (cq_param **)&r->header,
                     &r->nheader);
}

int load_errors(load *l, const cq_node *error, const cq_node *const *lists,
                size_t nlist, const char *object, cq_errors_def *out) {
  size_t n = 0;
  cq_error_rule *rules;
  int rc;

  memset(out, 0, sizeof *out);
  CHECK(error, object, "code*", "code_header$", "message*", "in_200?");
  out->code_header = load_text(cq_tree_get(error, "code_header"));
  out->in_200 = load_bool(cq_tree_get(error, "in_200"), 0);
  if ((rc = load_paths(l, cq_tree_get(error, "code"), &out->code,
                       &out->ncode)) ||
      (rc = load_paths(l, cq_tree_get(error, "message"), &out->message,
                       &out->nmessage)))
    return rc;
  for (size_t i = 0; i < nlist; i++)
    n += lists[i] && lists[i]->kind == CQ_N_LIST ? lists[i]->count : 0;
  rules = cq_arena_alloc(l->a, (n + 1) * sizeof *rules);
  if (!rules) return cq_error_nomem(l->err);
  for (size_t i = 0; i < nlist; i++)
    for (size_t k = 0;
         lists[i] && lists[i]->kind == CQ_N_LIST && k < lists[i]->count; k++)
      if ((rc = load_rule(l, lists[i]->items[k], object,
                          &rules[out->nrule++])) != 0)
        return rc;
  out->rule = rules;
  return CQ_OK;
}

int load_limits(load *l, const cq_node *n, const char *object,
                cq_limits_def *out) {
  const char *s;

  memset(out, 0, sizeof *out);
  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  CHECK(n, object, "rate.", "burst.", "concurrency#", "scope*", "remaining$",
        "reset$", "retry_after$", "retries$", "max_pause$", "adaptive$");
  if (load_template(l, cq_tree_get(n, "retries"), ROOT(CONFIG) | ROOT(CLIENT),
                    &out->retries) ||
      load_template(l, cq_tree_get(n, "max_pause"), ROOT(CONFIG) | ROOT(CLIENT),
                    &out->max_pause) ||
      load_template(l, cq_tree_get(n, "adaptive"), ROOT(CONFIG) | ROOT(CLIENT),
                    &out->adaptive))
    return CQ_ERROR;
  s = load_text(cq_tree_get(n, "rate"));
  out->rate = s ? cq_strtod(s, NULL) : 0;
  s = load_text(cq_tree_get(n, "burst"));
  out->burst = s ? cq_strtod(s, NULL) : 0;
  out->concurrency = (int)load_int(cq_tree_get(n, "concurrency"), 0);
  out->remaining = load_text(cq_tree_get(n, "remaining"));
  out->reset = load_text(cq_tree_get(n, "reset"));
  out->retry_after = load_text(cq_tree_get(n, "retry_after"));
  return load_words(l, cq_tree_get(n, "scope"), &out->scope, &out->nscope);
}
