/* ext/spec/root.c: an integration's root file: authentication, clients, and
 * which defaults its requests have.  Its settings: config_def.c. */
#include <string.h>

#include "spec/load.h"

enum { AUTH_SCHEMES = 6, AUTH_WORDS = 21 };
static const char *const auth_schemes[AUTH_SCHEMES] = {
    "none", "basic", "bearer", "api_key", "aws_sigv4", "github_app"};
static const char *const auth_words[AUTH_SCHEMES][AUTH_WORDS] = {
    {NULL},
    {"username", "password"},
    {"token", "prefix", "header"},
    {"key", "header", "query", "cookie", "prefix"},
    {"access_key_id",
     "secret_access_key",
     "session_token",
     "profile",
     "role_arn",
     "role_session_name",
     "external_id",
     "duration_seconds",
     "source_role_arn",
     "source_role_session_name",
     "source_external_id",
     "sts_endpoint",
     "sts_region",
     "use_fips_endpoint",
     "use_dualstack_endpoint",
     "max_retries",
     "endpoint_url",
     "service",
     "region",
     "service_id"},
    {"app_id", "private_key", "installation_id", "org", "url"}};

/* What their logins can say of themselves, by what is configured alone. */
static const char *const auth_facts[AUTH_SCHEMES][6] = {
    {NULL},
    {NULL},
    {NULL},
    {NULL},
    {"region", "use_fips_endpoint", "use_dualstack_endpoint", "max_retries",
     "retry_mode"},
    {NULL}};

const char *const *cq_auth_facts(const char *scheme) {
  for (int i = 0; i < AUTH_SCHEMES; i++)
    if (strcmp(auth_schemes[i], scheme) == 0) return auth_facts[i];
  return NULL;
}

const char *const *cq_auth_words(const char *scheme) {
  for (int i = 0; i < AUTH_SCHEMES; i++)
    if (strcmp(auth_schemes[i], scheme) == 0) return auth_words[i];
  return NULL;
}

/* The scheme, and words that it knows beside those of every auth. */
static int root_auth_check(load *l, const cq_node *n, cq_auth_def *d) {
  const char *known[AUTH_WORDS + 3] = {"scheme$", "name$", "when$"};
  const char *const *words;
  size_t k = 3;
  int i;

  if (n->kind != CQ_N_MAP)
    return cq_tree_error(l->err, n, "auth: expected a map");
  d->at = n;
  d->scheme = load_text(cq_tree_get(n, "scheme"));
  d->name = load_text(cq_tree_get(n, "name"));
  if (!d->scheme) return cq_tree_error(l->err, n, "auth: scheme is missing");
  if (load_choice(l, n, "auth: scheme", auth_schemes, AUTH_SCHEMES, d->scheme,
                  &i))
    return CQ_ERROR;
  for (words = auth_words[i]; *words; words++) known[k++] = *words;
  return load_check(l, n, "auth", known, k);
}

static int root_auth_one(load *l, const cq_node *n, cq_auth_def *d) {
  cq_param *v;
  int rc;

  memset(d, 0, sizeof *d);
  rc = root_auth_check(l, n, d);
  if (rc) return rc;
  v = cq_arena_alloc(l->a, (n->count + 1) * sizeof *v);
  if (!v) return cq_error_nomem(l->err);
  d->param = v;
  for (size_t i = 0; i < n->count && rc == CQ_OK; i++) {
    if (strcmp(n->keys[i], "scheme") == 0 || strcmp(n->keys[i], "name") == 0)
      continue;
    if (strcmp(n->keys[i], "when") == 0) {
      rc = load_template(l, n->items[i], ROOT(CONFIG) | ROOT(CLIENT), &d->when);
      continue;
    }
    memset(&v[d->nparam], 0, sizeof *v);
    v[d->nparam].name = n->keys[i];
    rc = load_template(l, n->items[i], ROOT(CONFIG) | ROOT(CLIENT) | ROOT(DATA),
                       &v[d->nparam].value);
    d->nparam += v[d->nparam].value != NULL;
  }
  return rc;
}

static int root_auth(load *l, const cq_node *n) {
  cq_integration *in = &l->in->pub;
  size_t k = !n ? 0 : n->kind == CQ_N_LIST ? n->count : 1;
  int rc = CQ_OK;

  in->auth = cq_arena_alloc(l->a, (k + 1) * sizeof *in->auth);
  if (!in->auth) return cq_error_nomem(l->err);
  for (size_t i = 0; i < k && rc == CQ_OK; i++)
    rc = root_auth_one(l, n->kind == CQ_N_LIST ? n->items[i] : n,
                       &in->auth[in->nauth++]);
  return rc;
}

/* Certificates and keys of this API alone, instead of the connection's. */
static int root_tls(load *l, const cq_node *n) {
  cq_integration *in = &l->in->pub;
  int rc = CQ_OK;

  if (!n) return CQ_OK;
  CHECK(n, "tls", "ca_file$", "client_cert$", "client_key$",
        "client_key_password$");
  in->tls = cq_arena_alloc(l->a, (n->count + 1) * sizeof *in->tls);
  if (!in->tls) return cq_error_nomem(l->err);
  for (size_t i = 0; i < n->count && rc == CQ_OK; i++) {
    memset(&in->tls[in->ntls], 0, sizeof *in->tls);
    in->tls[in->ntls].name = n->keys[i];
    rc = load_template(l, n->items[i], ROOT(CONFIG) | ROOT(CLIENT),
                       &in->tls[in->ntls].value);
    in->ntls += in->tls[in->ntls].value != NULL;
  }
  return rc;
}

/* Does the first of the schemes know this of itself? */
static int root_fact(load *l, const cq_node *n, const char *name) {
  const char *const *facts =
      l->in->pub.nauth ? cq_auth_facts(l->in->pub.auth[0].scheme) : NULL;

  for (; facts && *facts; facts++)
    if (strcmp(*facts, name) == 0) return CQ_OK;
  return cq_tree_error(l->err, n, "login: the auth says nothing of \"%s\"",
                       name);
}

/* `each` and `children` of a discovery: the trees that its requests go
 * through. */
static int root_tree(load *l, const cq_node *n, const cq_node *base,
                     unsigned roots, cq_dimension *d) {
  const cq_node *each = cq_tree_get(n, "each"), *x = cq_tree_get(n, "children");
  int rc;

  if (x && !each)
    return cq_tree_error(l->err, x, "%s: children without each", d->name);
  if (!each) return CQ_OK;
  if (each->kind != CQ_N_MAP || each->count != 1)
    return cq_tree_error(l->err, each, "%s: each: expected one name", d->name);
  d->each = each->keys[0];
  rc = load_template(l, each->items[0], ROOT(CONFIG) | ROOT(CLIENT),
                     &d->each_values);
  if (rc || !x) return rc;
  CHECK(x, d->name, "request{", "rows$", "page{", "without");
  if ((rc = load_own_request(l, base, x, d->name, roots, &d->children)) ||
      (rc = load_path(l, cq_tree_get(x, "rows"), &d->child_rows)) ||
      (rc =
           load_short_page(l, cq_tree_get(x, "page"), d->name, &d->child_page)))
    return rc;
  return load_template(l, cq_tree_get(x, "without"),
                       ROOT(CONFIG) | ROOT(CLIENT), &d->child_without);
}

/* How often what comes before the tables is tried. */
static int root_tries(load *l, cq_dimension *d) {
  const cq_node *defaults = cq_tree_get(l->in->root, "defaults");
  cq_limits_def all;
  int rc = load_limits(l, cq_tree_get(defaults, "limits"), "defaults", &all);

  d->limits.retries = all.retries;
  d->limits.max_pause = all.max_pause;
  d->limits.adaptive = all.adaptive;
  d->limits.retry_after = all.retry_after;
  return rc;
}

static int root_dimension(load *l, const cq_node *n, cq_dimension *d) {
  const unsigned roots =
      ROOT(CONFIG) | ROOT(CLIENT) | ROOT(PAGE) | ROOT(RUN) | ROOT(DATA);
  const cq_node *defaults = cq_tree_get(l->in->root, "defaults");
  const cq_node *base = cq_tree_get(defaults, "request"), *x;
  const cq_node *lists[2];
  int rc;

  CHECK(n, d->name, "over*", "values", "discover{", "identify{", "columns{",
        "when$", "id*", "optional?", "errors[", "attributes*", "hidden*");
  d->at = n;
  d->optional = load_bool(cq_tree_get(n, "optional"), 0);
  if ((rc = load_words(l, cq_tree_get(n, "id"), &d->ids, &d->nid)) != 0)
    return rc;
  d->id = d->nid ? d->ids[0] : NULL;
  if ((rc = load_words(l, cq_tree_get(n, "over"), &d->over, &d->nover)) ||
      (rc = load_template(l, cq_tree_get(n, "values"),
                          ROOT(CONFIG) | ROOT(CLIENT) | ROOT(DATA),
                          &d->values)) ||
      (rc = load_template(l, cq_tree_get(n, "when"),
                          ROOT(CONFIG) | ROOT(CLIENT) | ROOT(DATA), &d->when)))
    return rc;
  x = cq_tree_get(n, "discover");
  if (x) {
    CHECK(x, d->name, "request{", "rows$", "page{", "each{", "children{",
          "permissions*", "rows_optional?");
    d->rows_optional =
        load_bool(cq_tree_get(x, "rows_optional"),
                  load_bool(cq_tree_get(defaults, "rows_optional"), 0));
    if ((rc = load_json_text(l, cq_tree_get(x, "permissions"),
                             &d->discover_permissions)) ||
        (rc = root_tree(l, x, base, roots, d)) ||
        (rc = load_own_request(l, base, x, d->name, roots, &d->discover)) ||
        (rc = load_path(l, cq_tree_get(x, "rows"), &d->rows)) ||
        (rc = load_short_page(l, cq_tree_get(x, "page"), d->name, &d->page)))
      return rc;
  }
  x = cq_tree_get(n, "identify");
  if (x) {
    CHECK(x, d->name, "request{", "record$", "permissions*");
    if (load_json_text(l, cq_tree_get(x, "permissions"),
                       &d->identify_permissions))
      return CQ_ERROR;
    if ((rc = load_own_request(l, base, x, d->name, roots, &d->identify)) ||
        (rc = load_path(l, cq_tree_get(x, "record"), &d->record)))
      return rc;
  }
  rc = load_words(l, cq_tree_get(n, "attributes"), &d->extra, &d->nextra);
  if (rc == CQ_OK)
    rc = load_words(l, cq_tree_get(n, "hidden"), &d->hidden, &d->nhidden);
  if (rc) return rc;
  x = cq_tree_get(n, "columns");
  size_t k = x && x->kind == CQ_N_MAP ? x->count : 0;
  d->attr = cq_arena_alloc(l->a, (k + 1) * sizeof *d->attr);
  if (!d->attr) return cq_error_nomem(l->err);
  memset(d->attr, 0, (k + 1) * sizeof *d->attr);
  for (size_t i = 0; i < k; i++) {
    d->attr[i].name = x->keys[i];
    if (x->items[i]->kind == CQ_N_MAP) {
      CHECK(x->items[i], d->name, "value", "login$");
      rc = load_template(l, cq_tree_get(x->items[i], "value"),
                         ROOT(CONFIG) | ROOT(CLIENT) | ROOT(DATA),
                         &d->attr[i].value);
      d->attr[i].login = load_text(cq_tree_get(x->items[i], "login"));
      if (rc == CQ_OK && d->attr[i].login)
        rc = root_fact(l, x->items[i], d->attr[i].login);
    } else
      rc = load_path(l, x->items[i], &d->attr[i].path);
    if (rc) return rc;
    d->nattr++;
  }
  lists[0] = cq_tree_get(n, "errors");
  lists[1] = cq_tree_get(defaults, "errors");
  if ((rc = root_tries(l, d)) != 0) return rc;
  return load_errors(l, cq_tree_get(defaults, "error"), lists, 2, d->name,
                     &d->errors);
}

/* What cq_test asks of each client; a dimension of its own, as it were. */
static int root_test(load *l, const cq_node *n) {
  const cq_node *defaults = cq_tree_get(l->in->root, "defaults"), *lists[1];
  cq_dimension *d;
  int rc;

  if (!n) return CQ_OK;
  CHECK(n, "test", "request{");
  d = cq_arena_alloc(l->a, sizeof *d);
  if (!d) return cq_error_nomem(l->err);
  memset(d, 0, sizeof *d);
  d->at = n;
  d->name = "test";
  lists[0] = cq_tree_get(defaults, "errors");
  if ((rc = load_own_request(l, cq_tree_get(defaults, "request"), n, "test",
                             ROOT(CONFIG) | ROOT(CLIENT) | ROOT(PAGE) |
                                 ROOT(RUN),
                             &d->identify)) ||
      (rc = root_tries(l, d)) ||
      (rc = load_errors(l, cq_tree_get(defaults, "error"), lists, 1, "test",
                        &d->errors)))
    return rc;
  l->in->pub.test = d;
  return CQ_OK;
}

/* How permissions are written together, and those that no table names. */
static int root_permissions(load *l, const cq_node *n) {
  static const char *const policies[] = {"aws"};
  cq_integration *in = &l->in->pub;
  const cq_node *also;
  int i;

  if (!n) return CQ_OK;
  CHECK(n, "permissions", "policy$", "also{");
  in->policy = load_text(cq_tree_get(n, "policy"));
  if (in->policy &&
      load_choice(l, n, "permissions: policy", policies, 1, in->policy, &i))
    return CQ_ERROR;
  also = cq_tree_get(n, "also");
  if (!also || also->kind != CQ_N_MAP) return CQ_OK;
  in->also = cq_arena_alloc(l->a, (also->count + 1) * sizeof *in->also);
  if (!in->also) return cq_error_nomem(l->err);
  for (size_t k = 0; k < also->count; k++) {
    cq_param *p = &in->also[in->nalso];
    int rc;

    memset(p, 0, sizeof *p);
    p->name = also->keys[k];
    rc = load_template(l, also->items[k], ROOT(CONFIG) | ROOT(DATA), &p->value);
    if (rc) return rc;
    in->nalso += p->value != NULL;
  }
  return CQ_OK;
}

static int root_clients(load *l, const cq_node *n) {
  cq_integration *in = &l->in->pub;
  size_t k = n && n->kind == CQ_N_MAP ? n->count : 0;
  int rc = CQ_OK;

  if (k > 16)
    return cq_tree_error(l->err, n, "clients: more than 16 dimensions");
  in->dims = cq_arena_alloc(l->a, (k + 1) * sizeof *in->dims);
  if (!in->dims) return cq_error_nomem(l->err);
  memset(in->dims, 0, (k + 1) * sizeof *in->dims);
  for (size_t i = 0; i < k && rc == CQ_OK; i++) {
    in->dims[i].name = n->keys[i];
    rc = root_dimension(l, n->items[i], &in->dims[i]);
    in->ndim++;
  }
  return rc;
}

/* Constants that templates look up; a map or a list as JSON. */
static int root_data(load *l, const cq_node *n) {
  size_t k = n ? n->count : 0;
  const char **names = cq_arena_alloc(l->a, (k + 1) * sizeof *names);
  cq_value *values = cq_arena_alloc(l->a, (k + 1) * sizeof *values);

  if (!names || !values) return cq_error_nomem(l->err);
  for (size_t i = 0; i < k; i++) {
    char *text;
    cq_buf b;

    cq_buf_init(&b, CQ_MAX_TEMPLATE);
    cq_tree_json(n->items[i], &b);
    if (b.rc == CQ_TOOBIG) {
      cq_buf_clear(&b);
      return cq_tree_error(l->err, n->items[i], "data: longer than %d bytes",
                           (int)CQ_MAX_TEMPLATE);
    }
    text = b.rc ? NULL : cq_arena_strndup(l->a, b.data, b.len);
    values[i] = cq_value_json(text, b.len);
    names[i] = n->keys[i];
    cq_buf_clear(&b);
    if (!text) return cq_error_nomem(l->err);
  }
  l->in->pub.ndata = k;
  l->in->pub.data_names = names;
  l->in->pub.data = values;
  return CQ_OK;
}

int load_service(own_integration *in, const cq_node *service, cq_error *err) {
  load load_, *l = &load_;

  memset(l, 0, sizeof *l);
  l->in = in;
  l->a = &in->arena;
  l->err = err;
  CHECK(service, "service", "service$", "title$", "description$", "use~",
        "defaults{", "presets{", "shapes{", "tables{");
  CHECK(cq_tree_get(service, "defaults"), "defaults", "request{", "page{",
        "limits{", "errors[", "error{", "over*", "rows_optional?",
        "generated?");
  return CQ_OK;
}

int load_root(own_integration *in, cq_error *err) {
  const cq_node *n = in->root, *x;
  load load_, *l = &load_;
  int rc;

  memset(l, 0, sizeof *l);
  l->in = in;
  l->a = &in->arena;
  l->err = err;
  l->call = -1;
  if (!n || n->kind != CQ_N_MAP)
    return cq_tree_error(err, n, "an integration is a map");
  CHECK(n, "integration", "format#", "integration$", "title$", "description$",
        "aliases*", "allow_file?", "config{", "auth", "tls{", "clients{",
        "test{", "defaults{", "presets{", "shapes{", "tables{", "service$",
        "data{", "permissions{", "checks[");
  if (load_int(cq_tree_get(n, "format"), 0) != 1)
    return cq_tree_error(err, n, "format: expected 1");
  in->pub.name = load_text(cq_tree_get(n, "integration"));
  if (!in->pub.name)
    return cq_tree_error(err, n, "integration: the name is missing");
  in->pub.title = load_text(cq_tree_get(n, "title"));
  in->pub.description = load_text(cq_tree_get(n, "description"));
  in->pub.allow_file = load_bool(cq_tree_get(n, "allow_file"), 0);
  x = cq_tree_get(n, "aliases");
  if (x) {
    cq_buf b;

    cq_buf_init(&b, 4096);
    cq_tree_json(x, &b);
    in->pub.aliases = b.rc ? NULL : cq_arena_strndup(l->a, b.data, b.len);
    cq_buf_clear(&b);
  }
  x = cq_tree_get(n, "defaults");
  CHECK(x, "defaults", "request{", "page{", "limits{", "errors[", "error{",
        "over*", "rows_optional?", "generated?");
  rc = load_config(l, cq_tree_get(n, "config"));
  if (rc == CQ_OK) rc = root_data(l, cq_tree_get(n, "data"));
  if (rc == CQ_OK) rc = load_known(l, cq_tree_get(n, "config"));
  if (rc == CQ_OK) rc = load_checks(l, cq_tree_get(n, "checks"));
  if (rc == CQ_OK) rc = root_auth(l, cq_tree_get(n, "auth"));
  if (rc == CQ_OK) rc = root_tls(l, cq_tree_get(n, "tls"));
  if (rc == CQ_OK) rc = root_clients(l, cq_tree_get(n, "clients"));
  if (rc == CQ_OK) rc = root_test(l, cq_tree_get(n, "test"));
  if (rc == CQ_OK) rc = root_permissions(l, cq_tree_get(n, "permissions"));
  return rc;
}
