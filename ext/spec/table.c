/* ext/spec/table.c: one table: what it inherits, its parent, keys and cursor,
 * all checked; its columns are column.c's, its calls call.c's. */
#include <stdio.h>
#include <string.h>

#include "spec/load.h"

enum { REQUEST_ROOTS = LOAD_REQUEST_ROOTS | ROOT(JOB) };

static int load_parent(load *l, const cq_node *n) {
  cq_parent_def *p = &l->table->parent;
  int rc;

  p->batch = 1;
  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  if (load_text(n)) {
    p->table_name = n->text;
    return CQ_OK;
  }
  CHECK(n, l->table->name, "table$", "when$", "distinct$", "batch#", "given*",
        "rows$");
  p->table_name = load_text(cq_tree_get(n, "table"));
  p->distinct = load_text(cq_tree_get(n, "distinct"));
  rc = load_batch(l, n, l->table->name, &p->batch);
  if (rc) return rc;
  p->rows = load_text(cq_tree_get(n, "rows"));
  if (!p->table_name)
    return cq_tree_error(l->err, n, "%s: parent: table is missing",
                         l->table->name);
  rc = load_words(l, cq_tree_get(n, "given"), &p->given, &p->ngiven);
  if (rc == CQ_OK)
    rc = load_template(l, cq_tree_get(n, "when"),
                       ROOT(PARENT) | ROOT(CONFIG) | ROOT(CLIENT), &p->when);
  return rc;
}

static int load_cursor(load *l, const cq_node *n) {
  static const char *const orders[] = {"desc", "none", "asc"};
  static const char *const formats[] = {"rfc3339", "epoch", "epoch_ms", "date",
                                        "minutes"};
  cq_cursor_def *c = &l->table->cursor;
  const char *s;
  char what[200];
  int rc, i;

  c->column = -1;
  if (!n || n->kind != CQ_N_MAP) return CQ_OK;
  CHECK(n, l->table->name, "column$", "order$", "start$", "lookback$",
        "window$", "keeps$", "optional?", "format$");
  s = load_text(cq_tree_get(n, "column"));
  c->column = load_column_index(l->table, s);
  if (c->column < 0) return load_unknown_column(l, n, "cursor", s ? s : "");
  if (l->table->parent.batch > 1)
    return cq_tree_error(l->err, n,
                         "%s: cursor: cannot be kept for parents in batches",
                         l->table->name);
  l->table->columns[c->column].cursor = 1;
  s = load_text(cq_tree_get(n, "order"));
  c->order = 1;
  if (s) {
    snprintf(what, sizeof what, "%s: cursor: order", l->table->name);
    if (load_choice(l, n, what, orders, 3, s, &i)) return CQ_ERROR;
    c->order = i == 2 ? 1 : i == 0 ? -1 : 0;
  }
  c->format = load_text(cq_tree_get(n, "format"));
  if (c->format) {
    snprintf(what, sizeof what, "%s: cursor: format", l->table->name);
    if (load_choice(l, n, what, formats, 5, c->format, &i)) return CQ_ERROR;
  }
  s = load_text(cq_tree_get(n, "lookback"));
  if (s && cq_duration_parse(s, strlen(s), &c->lookback_us))
    return cq_tree_error(l->err, n, "%s: cursor: lookback: not a duration: %s",
                         l->table->name, s);
  s = load_text(cq_tree_get(n, "window"));
  if (s && cq_duration_parse(s, strlen(s), &c->window_us))
    return cq_tree_error(l->err, n, "%s: cursor: window: not a duration: %s",
                         l->table->name, s);
  if (s && c->window_us < 1000000)
    return cq_tree_error(l->err, cq_tree_get(n, "window"),
                         "%s: cursor: window: shorter than a second: %s",
                         l->table->name, s);
  s = load_text(cq_tree_get(n, "keeps"));
  if (s && cq_duration_parse(s, strlen(s), &c->keeps_us))
    return cq_tree_error(l->err, n, "%s: cursor: keeps: not a duration: %s",
                         l->table->name, s);
  rc = load_template(l, cq_tree_get(n, "start"),
                     ROOT(CONFIG) | ROOT(CLIENT) | ROOT(PARENT) | ROOT(RUN),
                     &c->start);
  c->optional = load_bool(cq_tree_get(n, "optional"), 0);
  if (rc == CQ_OK && c->optional && (c->start || c->window_us))
    rc = cq_tree_error(l->err, n,
                       "%s: cursor: optional: without it the table is asked "
                       "for everything, which start and window forbid",
                       l->table->name);
  if (rc == CQ_OK && c->order < 0 && l->table->columns[c->column].call >= 0)
    rc = cq_tree_error(l->err, n,
                       "%s: cursor: order: desc reads %s before the next page "
                       "is asked for, and a call brings it later",
                       l->table->name, l->table->columns[c->column].name);
  return rc;
}

static int load_over(load *l, const cq_node *n, const cq_node *only) {
  cq_table *t = l->table;
  int ndim = l->in->pub.ndim;
  size_t k = n && n->kind == CQ_N_LIST ? n->count : (size_t)ndim;
  int *over = cq_arena_alloc(l->a, (k + 1) * sizeof *over);

  if (!over) return cq_error_nomem(l->err);
  for (size_t i = 0; i < k; i++) {
    const char *name =
        n && n->kind == CQ_N_LIST ? load_text(n->items[i]) : NULL;

    over[i] = (int)i;
    if (!n || n->kind != CQ_N_LIST) continue;
    for (over[i] = 0; over[i] < ndim; over[i]++)
      if (name && strcmp(l->in->pub.dims[over[i]].name, name) == 0) break;
    if (over[i] == ndim)
      return cq_tree_error(l->err, n, "%s: over: unknown client \"%s\"",
                           t->name, name ? name : "");
  }
  t->over = over;
  t->nover = k;
  if (only && t->parent.table_name)
    return cq_tree_error(l->err, only,
                         "%s: only: stands at the table of its parents' top",
                         t->name);
  if (load_text(only))
    return load_template(l, only,
                         ROOT(CONFIG) | ROOT(CLIENT) | ROOT(WHERE) | ROOT(DATA),
                         &t->only_when);
  if (only && only->kind != CQ_N_MAP && only->kind != CQ_N_NULL)
    return cq_tree_error(l->err, only, "%s: only: expected a map or a template",
                         t->name);
  k = only && only->kind == CQ_N_MAP ? only->count : 0;
  t->only = cq_arena_alloc(l->a, (k + 1) * sizeof *t->only);
  if (!t->only) return cq_error_nomem(l->err);
  for (size_t i = 0; i < k; i++) {
    int d;

    for (d = 0; d < ndim; d++)
      if (strcmp(l->in->pub.dims[d].name, only->keys[i]) == 0) break;
    if (d == ndim)
      return cq_tree_error(l->err, only, "%s: only: unknown client \"%s\"",
                           t->name, only->keys[i]);
    t->only[i].dimension = d;
    if (load_words(l, only->items[i], &t->only[i].values, &t->only[i].n))
      return CQ_ERROR;
    t->nonly++;
  }
  return CQ_OK;
}

static int load_each(load *l, const cq_node *n) {
  cq_table *t = l->table;
  size_t k = n && n->kind == CQ_N_MAP ? n->count : 0;
  int rc = CQ_OK;

  t->each = cq_arena_alloc(l->a, (k + 1) * sizeof *t->each);
  if (!t->each) return cq_error_nomem(l->err);
  for (size_t i = 0; i < k && rc == CQ_OK; i++) {
    t->each[i].name = n->keys[i];
    rc = load_template(l, n->items[i],
                       ROOT(CONFIG) | ROOT(CLIENT) | ROOT(PARENT),
                       &t->each[i].values);
    t->neach++;
  }
  return rc;
}

static int load_keys(load *l, const cq_node *n) {
  cq_table *t = l->table;
  size_t k = n && n->kind == CQ_N_LIST ? n->count : 0;
  int *key = cq_arena_alloc(l->a, (k + 1) * sizeof *key);

  if (!key) return cq_error_nomem(l->err);
  for (size_t i = 0; i < k; i++) {
    const char *name = load_text(n->items[i]);

    key[i] = load_column_index(t, name);
    if (key[i] < 0) return load_unknown_column(l, n, "key", name ? name : "");
    if (t->columns[key[i]].key)
      return cq_tree_error(l->err, n, "%s: key: %s stands there twice", t->name,
                           name);
    t->columns[key[i]].key = 1;
  }
  t->key = key;
  t->nkey = k;
  return CQ_OK;
}

/* What it inherits is the default request, not its table's own. */
static int load_get(load *l, const cq_node *n, const cq_node *request) {
  struct cq_get_def *g = &l->table->get;
  char what[200];
  int rc;

  if (!n) return CQ_OK;
  snprintf(what, sizeof what, "%s: get", l->table->name);
  if (l->table->neach)
    return cq_tree_error(l->err, n, "%s: cannot be beside each", what);
  CHECK(n, what, "when$", "request{", "record$");
  if (!cq_tree_get(n, "when") || !cq_tree_get(n, "request"))
    return cq_tree_error(l->err, n, "%s: when and request are needed", what);
  if ((rc =
           load_template(l, cq_tree_get(n, "when"), REQUEST_ROOTS, &g->when)) ||
      (rc = load_path(l, cq_tree_get(n, "record"), &g->record)) ||
      (rc = load_own_request(l, request, n, what, REQUEST_ROOTS, &g->request)))
    return rc;
  if (!g->when || !g->request)
    return cq_tree_error(l->err, n, "%s: when and request are needed", what);
  if (l->table->request &&
      strcmp(g->request->decode ? g->request->decode : "json",
             l->table->request->decode ? l->table->request->decode : "json") !=
          0)
    return cq_tree_error(l->err, n, "%s: decode differs from the table's",
                         what);
  return CQ_OK;
}

/* `detail` names a call, from which columns come that do not say otherwise. */
static int load_detail(load *l, const cq_node *at, const char *detail) {
  const char *names[32];
  char what[200];
  int i;

  if (!detail) return CQ_OK;
  for (size_t k = 0; k < l->table->ncall; k++)
    names[k] = l->table->calls[k].name;
  snprintf(what, sizeof what, "%s: detail", l->table->name);
  return load_choice(l, at, what, names, l->table->ncall, detail, &i);
}

int load_generated(const own_integration *in, const cq_node *service,
                   const cq_node *own) {
  const cq_node *levels[] = {own, cq_tree_get(service, "defaults"),
                             cq_tree_get(in->root, "defaults")};

  for (int i = 0; i < 3; i++)
    if (cq_tree_get(levels[i], "generated"))
      return load_bool(cq_tree_get(levels[i], "generated"), 0);
  return 0;
}

/* The defaults of the root, under those of the file, under its presets. */
static int load_base(load *l, const cq_node *service, own_service **out) {
  cq_node *base = cq_tree_get(l->in->root, "defaults");
  own_service *s;
  int rc = CQ_OK;

  for (s = l->in->services; s; s = s->next)
    if (s->file == service) {
      *out = s;
      return CQ_OK;
    }
  if (service != l->in->root) {
    const cq_node *mid = cq_tree_get(service, "defaults");

    rc = load_service(l->in, service, l->err);
    if (rc == CQ_OK && mid) rc = cq_tree_merge(l->a, base, mid, &base, l->err);
    if (rc == CQ_OK)
      rc = load_presets(l, cq_tree_get(service, "use"), service, base, &base);
  }
  if (rc) return rc;
  s = cq_arena_alloc(l->a, sizeof *s);
  if (!s) return cq_error_nomem(l->err);
  memset(s, 0, sizeof *s);
  s->file = service;
  s->base = base;
  s->next = l->in->services;
  *out = l->in->services = s;
  return CQ_OK;
}

/* Most tables have what their file and root say, and no more. */
static int table_errors(load *l, own_service *s, const cq_node *error,
                        const cq_node *const lists[4], cq_errors_def *out) {
  const int shared = !lists[0] && !lists[1] && s->base &&
                     error == cq_tree_get(s->base, "error");
  int rc;

  if (shared && s->has_errors) {
    *out = s->errors;
    return CQ_OK;
  }
  rc = load_errors(l, error, lists, 4, l->table->name, out);
  if (rc == CQ_OK && shared) {
    s->has_errors = 1;
    s->errors = *out;
  }
  return rc;
}

int load_table(own_integration *in, const cq_node *service, const char *name,
               const cq_node *own, own_table **out, cq_error *err) {
  const cq_node *root = cq_tree_get(in->root, "defaults");
  const cq_node *mid =
      service != in->root ? cq_tree_get(service, "defaults") : NULL;
  const cq_node *lists[4], *x, *preset_errors;
  own_table *t = cq_arena_alloc(&in->arena, sizeof *t);
  own_service *inherits = NULL;
  cq_node *base = NULL, *n = NULL;
  load load_, *l = &load_;
  const char *detail;
  int rc = CQ_OK, without, asks;

  *out = NULL;
  if (!t) return cq_error_nomem(err);
  memset(t, 0, sizeof *t);
  memset(l, 0, sizeof *l);
  l->in = in;
  l->a = &in->arena;
  l->err = err;
  l->call = -1;
  l->table = &t->pub;
  l->shapes[0] = cq_tree_get(service, "shapes");
  l->shapes[1] = cq_tree_get(in->root, "shapes");
  t->pub.name = name;
  t->pub.integration = &in->pub;
  t->pub.at = own;
  t->pub.cursor.column = -1;
  if (!own || own->kind != CQ_N_MAP)
    return cq_tree_error(err, own ? own : service, "%s: expected a map", name);
  CHECK(own, name, "title$", "description$", "service$", "over*", "only",
        "get{", "request{", "rows$", "key*", "columns{", "each{", "page{",
        "errors[", "error{", "limits{", "calls{", "parent~", "cursor{", "use~",
        "example$", "permissions*", "paid?", "detail$", "rows_optional?",
        "generated?", "retired$", "rows_when$", "values", "below{", "job{",
        "null_values*", "options{");
  rc = load_base(l, service, &inherits);
  if (rc == CQ_OK) {
    base = inherits->base;
    rc = load_presets(l, cq_tree_get(own, "use"), service, base, &n);
  }
  x = n ? cq_tree_get(n, "request") : NULL;
  preset_errors = n ? cq_tree_get(n, "errors") : NULL;
  const cq_node *call_request = base ? cq_tree_get(base, "request") : NULL;
  if (rc == CQ_OK) rc = cq_tree_merge(l->a, n, own, &n, err);
  if (rc) return rc;
  t->pub.title = load_text(cq_tree_get(n, "title"));
  t->pub.description = load_text(cq_tree_get(n, "description"));
  t->pub.example = load_text(cq_tree_get(n, "example"));
  t->pub.service = load_text(cq_tree_get(n, "service"));
  if (!t->pub.service)
    t->pub.service = load_text(cq_tree_get(service, "service"));
  t->pub.paid = load_bool(cq_tree_get(n, "paid"), 0);
  t->pub.rows_optional = load_bool(cq_tree_get(n, "rows_optional"), 0);
  t->pub.generated = load_generated(in, service, own);
  t->pub.retired = load_text(cq_tree_get(n, "retired"));
  detail = load_text(cq_tree_get(n, "detail"));
  if ((rc = load_json_text(l, cq_tree_get(n, "permissions"),
                           &t->pub.permissions)) ||
      (rc = load_nulls(l, cq_tree_get(n, "null_values"), &t->pub.nulls)) ||
      (rc = load_job_names(l, cq_tree_get(n, "job"))) ||
      (rc = load_call_names(l, cq_tree_get(n, "calls"))) ||
      (rc = load_detail(l, own, detail)) ||
      (rc = load_columns(l, cq_tree_get(n, "columns"), detail)))
    return rc;
  if (cq_grow(&l->slots.v, &l->slots.cap, 0, sizeof *l->slots.v))
    return cq_error_nomem(err);
  for (int i = 0; i < t->pub.ncol; i++) {
    if (cq_grow(&l->slots.v, &l->slots.cap, l->slots.n, sizeof *l->slots.v)) {
      rc = cq_error_nomem(err);
      goto done;
    }
    memset(&l->slots.v[l->slots.n], 0, sizeof *l->slots.v);
    l->slots.v[l->slots.n].call = t->pub.columns[i].call;
    l->slots.v[l->slots.n].type = t->pub.columns[i].type;
    l->slots.n++;
  }
  x = cq_tree_get(own, "request");
  /* Without a word of its own about requests none is made, where something
   * else gives its rows. */
  without = cq_tree_get(own, "parent") || cq_tree_get(own, "each") ||
            cq_tree_get(n, "retired") || cq_tree_get(n, "values");
  asks = cq_tree_get(own, "request") || cq_tree_get(own, "use");
  x = (without && !asks) || cq_tree_get(n, "values")
          ? NULL
          : cq_tree_get(n, "request");
  if (cq_tree_get(n, "values") && cq_tree_get(own, "request")) {
    rc = cq_tree_error(err, own, "%s: values: cannot be beside request", name);
    goto done;
  }
  if (!asks && !without && !cq_tree_get(x, "path")) {
    rc = cq_tree_error(err, own, "%s: request is missing", name);
    goto done;
  }
  lists[0] = cq_tree_get(own, "errors");
  lists[2] = mid ? cq_tree_get(mid, "errors") : NULL;
  lists[3] = root ? cq_tree_get(root, "errors") : NULL;
  lists[1] = preset_errors == lists[2] || preset_errors == lists[3]
                 ? NULL
                 : preset_errors;
  if ((rc = load_parent(l, cq_tree_get(n, "parent"))) ||
      (rc = load_each(l, cq_tree_get(n, "each"))) ||
      /* One that a service's preset brings is for the tables on top. */
      (rc = load_over(
           l, cq_tree_get(n, "over"),
           cq_tree_get(t->pub.parent.table_name ? own : n, "only"))) ||
      (rc = load_keys(l, cq_tree_get(n, "key"))) ||
      (rc = load_cursor(l, cq_tree_get(n, "cursor"))) ||
      (rc = load_request(l, x, name, REQUEST_ROOTS, &t->pub.request)) ||
      (rc = load_get(l, cq_tree_get(own, "get"), call_request)) ||
      (rc = load_path(l, cq_tree_get(n, "rows"), &t->pub.rows)) ||
      (rc = load_page(l, cq_tree_get(n, "page"), name, &t->pub.page)) ||
      (rc = load_limits(l, cq_tree_get(n, "limits"), name, &t->pub.limits)) ||
      (rc = table_errors(l, inherits, cq_tree_get(n, "error"), lists,
                         &t->pub.errors)) ||
      (rc = load_column_values(l)) ||
      (rc = load_rows_when(l, cq_tree_get(n, "rows_when"))) ||
      (rc = load_constants(l, cq_tree_get(n, "values"))) ||
      (rc = load_below(l, cq_tree_get(n, "below"), call_request,
                       cq_tree_get(n, "page"))) ||
      (rc = load_job(l, cq_tree_get(n, "job"), call_request)) ||
      (rc = load_option(l, cq_tree_get(n, "options"))))
    goto done;
  rc = load_calls(l, base, mid, root);
  if (rc == CQ_OK) rc = load_origin_check(l, own);
  if (rc) goto done;
  t->pub.nslot = (int)l->slots.n;
  t->pub.slots = cq_arena_alloc(l->a, (l->slots.n + 1) * sizeof *t->pub.slots);
  if (!t->pub.slots) {
    rc = cq_error_nomem(err);
    goto done;
  }
  memcpy(t->pub.slots, l->slots.v, l->slots.n * sizeof *t->pub.slots);
  t->next = in->tables;
  in->tables = t;
  *out = t;
done:
  cq_free(l->slots.v);
  return rc;
}
