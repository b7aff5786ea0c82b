/* ext/spec/column.c: a table's columns: their types, where their values come
 * from, and which filters the API takes. */
#include <stdio.h>
#include <string.h>

#include "spec/load.h"

enum {
  VALUE_ROOTS = ROOT(CONFIG) | ROOT(CLIENT) | ROOT(WHERE) | ROOT(PARENT) |
                ROOT(EACH) | ROOT(RUN) | ROOT(JOB) | ROOT(ROW) | ROOT(RECORD) |
                ROOT(DETAIL) | ROOT(RESPONSE) | ROOT(DATA)
};

static unsigned where_ops(const char *s) {
  static const struct {
    const char *w;
    unsigned op;
  } ops[] = {{"=", CQ_W_EQ},     {"in", CQ_W_IN}, {"<=", CQ_W_LE},
             {">=", CQ_W_GE},    {"<", CQ_W_LT},  {">", CQ_W_GT},
             {"like", CQ_W_LIKE}};
  unsigned out = 0;

  while (s && *s) {
    size_t n = strcspn(s, " ,"), i;

    for (i = 0; n && i < 7; i++)
      if (strlen(ops[i].w) == n && memcmp(ops[i].w, s, n) == 0) break;
    if (n && i == 7) return ~0u;
    if (n) out |= ops[i].op;
    s += n + strspn(s + n, " ,");
  }
  return out;
}

static int column_type(load *l, const cq_node *at, const char *object,
                       const char *s, size_t n, int *type) {
  char name[64];

  if (n >= sizeof name) n = sizeof name - 1;
  memcpy(name, s, n);
  name[n] = 0;
  *type = cq_type_parse(name);
  return *type ? CQ_OK
               : cq_tree_error(l->err, at, "%s: unknown type \"%s\"", object,
                               name);
}

/* "type" or "type path"; "list of type path". */
static int column_short(load *l, cq_column *c, const char *object,
                        const char *s) {
  size_t n = strcspn(s, " ");
  const char *path = c->name;
  int rc;

  if (strncmp(s, "list of ", 8) == 0) n = 8 + strcspn(s + 8, " ");
  rc = column_type(l, c->at, object, s, n, &c->type);
  if (rc) return rc;
  if (s[n]) path = s + n + strspn(s + n, " ");
  rc = load_path_text(l, path, strlen(path), &c->path);
  if (rc)
    cq_error_prefix(l->err, "%s:%d: %s: ", c->at->file, c->at->line, object);
  return rc;
}

static int call_index(const load *l, const char *name) {
  for (size_t i = 0; i < l->table->ncall; i++)
    if (strcmp(l->table->calls[i].name, name) == 0) return (int)i;
  return -2;
}

static int column_from(load *l, cq_column *c, const char *object,
                       const char *s) {
  static const struct {
    const char *w;
    cq_source_kind k;
  } roots[] = {{"client.", CQ_FROM_CLIENT},
               {"parent.", CQ_FROM_PARENT},
               {"each.", CQ_FROM_EACH},
               {"config.", CQ_FROM_CONFIG},
               {"where.", CQ_FROM_WHERE}};

  for (size_t i = 0; i < 5; i++)
    if (strncmp(s, roots[i].w, strlen(roots[i].w)) == 0) {
      c->source = roots[i].k;
      c->from = s + strlen(roots[i].w);
      return CQ_OK;
    }
  return cq_tree_error(l->err, c->at,
                       "%s: column %s: from: expected client., parent., each., "
                       "config. or where., not \"%s\"",
                       object, c->name, s);
}

/* What would be passed over in silence is refused. */
static int column_one_origin(load *l, const cq_node *n, const char *what) {
  static const char *const keys[] = {"from", "value", "path"};
  const char *first = NULL;

  for (int i = 0; i < 3; i++) {
    if (!cq_tree_get(n, keys[i])) continue;
    if (first) {
      cq_tree_error(l->err, n, "%s: %s and %s: a column has one of them", what,
                    first, keys[i]);
      cq_error_hint(l->err, i == 1 ? "value: \"{{ parent.name or 'none' }}\" "
                                     "is a template with something instead"
                                   : "default: text stands where there is "
                                     "nothing");
      return CQ_ERROR;
    }
    first = keys[i];
  }
  return CQ_OK;
}

static int load_column(load *l, cq_column *c, const char *detail) {
  static const char *const formats[] = {"epoch", "epoch_ms", "epoch_us",
                                        "base64"};
  const char *object = l->table->name, *s, *call;
  const cq_node *n = c->at;
  unsigned ops;
  char what[200];
  int rc;

  c->call = -1;
  c->parent_column = -1;
  snprintf(what, sizeof what, "%s: column %s", object, c->name);
  if (load_text(n)) {
    if ((rc = column_short(l, c, what, n->text)) != 0) return rc;
    if (detail) c->call = call_index(l, detail);
    return CQ_OK;
  }
  if (n->kind != CQ_N_MAP)
    return cq_tree_error(l->err, n, "%s: expected a type or a map", what);
  CHECK(n, what, "type$", "path$", "value", "from$", "else$", "call$", "where$",
        "exact?", "required?", "default$", "description$", "hidden?",
        "sensitive?", "shape$", "format$", "null_values*");
  s = load_text(cq_tree_get(n, "type"));
  c->type = CQ_TEXT;
  if (s && (rc = column_type(l, n, what, s, strlen(s), &c->type)) != 0)
    return rc;
  c->description = load_text(cq_tree_get(n, "description"));
  c->format = load_text(cq_tree_get(n, "format"));
  if (c->format) {
    char where[240];
    int i;

    snprintf(where, sizeof where, "%s: format", what);
    if (load_choice(l, n, where, formats, 4, c->format, &i)) return CQ_ERROR;
    if ((i == 3) != (c->type == CQ_BLOB))
      return cq_tree_error(l->err, n, "%s: not of a column of type %s: %s",
                           where, cq_type_name(c->type), c->format);
  }
  if (cq_tree_get(n, "null_values")) {
    cq_nulls *own = cq_arena_alloc(l->a, sizeof *own);

    if (!own) return cq_error_nomem(l->err);
    memset(own, 0, sizeof *own);
    if ((rc = load_nulls(l, cq_tree_get(n, "null_values"), own)) != 0)
      return rc;
    c->nulls = own->n ? own : NULL;
  }
  c->exact = load_bool(cq_tree_get(n, "exact"), 0);
  c->required = load_bool(cq_tree_get(n, "required"), 0);
  c->hidden = load_bool(cq_tree_get(n, "hidden"), 0);
  c->sensitive = load_bool(cq_tree_get(n, "sensitive"), 0);
  ops = where_ops(load_text(cq_tree_get(n, "where")));
  if (ops == ~0u)
    return cq_tree_error(
        l->err, n, "%s: where: expected some of = in < <= > >= like", what);
  c->where = (uint8_t)ops;
  if (cq_tree_get(n, "shape")) {
    if ((rc = load_shape(l, cq_tree_get(n, "shape"), &c->shape)) != 0)
      return rc;
    if (!load_text(cq_tree_get(n, "type"))) c->type = CQ_JSON;
  }
  s = load_text(cq_tree_get(n, "default"));
  if (s) c->dflt = cq_value_text(s);
  call = load_text(cq_tree_get(n, "call"));
  if (!call) call = cq_tree_get(n, "from") ? NULL : detail;
  if (call && strcmp(call, "list") != 0) {
    c->call = call_index(l, call);
    if (c->call < 0)
      return cq_tree_error(l->err, n, "%s: unknown call \"%s\"", what, call);
  }
  if ((rc = column_one_origin(l, n, what)) != 0) return rc;
  s = load_text(cq_tree_get(n, "from"));
  if (cq_tree_get(n, "else") && (!s || strncmp(s, "client.", 7) != 0))
    return cq_tree_error(l->err, n, "%s: else: needs from: client.<name>",
                         what);
  if (s) return column_from(l, c, object, s);
  if (cq_tree_get(n, "value")) {
    c->source = CQ_FROM_VALUE;
    return CQ_OK; /* its template waits until all columns are known */
  }
  if (cq_tree_get(n, "path"))
    return load_path(l, cq_tree_get(n, "path"), &c->path);
  return load_path_text(l, c->name, strlen(c->name), &c->path);
}

int load_columns(load *l, const cq_node *n, const char *detail) {
  cq_table *t = l->table;
  int rc = CQ_OK;

  if (!n || n->kind != CQ_N_MAP || n->count == 0)
    return cq_tree_error(l->err, t->at, "%s: columns are missing", t->name);
  if (n->count > CQ_MAX_COLUMNS)
    return cq_tree_error(l->err, n, "%s: more than %d columns", t->name,
                         CQ_MAX_COLUMNS);
  t->columns = cq_arena_alloc(l->a, n->count * sizeof *t->columns);
  if (!t->columns) return cq_error_nomem(l->err);
  memset(t->columns, 0, n->count * sizeof *t->columns);
  for (size_t i = 0; i < n->count && rc == CQ_OK; i++) {
    if (n->items[i]->kind == CQ_N_NULL) continue;
    t->columns[t->ncol].name = n->keys[i];
    t->columns[t->ncol].at = n->items[i];
    t->columns[t->ncol].nulls = t->nulls.n ? &t->nulls : NULL;
    for (int k = 0; k < t->ncol && rc == CQ_OK; k++)
      if (cq_str_ieq(t->columns[k].name, n->keys[i]))
        rc = cq_tree_error(l->err, n->items[i],
                           "%s: column %s: the same name as %s in SQL", t->name,
                           n->keys[i], t->columns[k].name);
    if (rc == CQ_OK && cq_str_ieqn(n->keys[i], "_cq_", 4))
      rc = cq_tree_error(l->err, n->items[i],
                         "%s: column %s: names with _cq_ are a sync's own",
                         t->name, n->keys[i]);
    if (rc) break;
    rc = load_column(l, &t->columns[t->ncol], detail);
    if (rc == CQ_OK) t->ncol++;
  }
  /* Null takes a preset's column away; SQLite wants one that is shown. */
  if (rc == CQ_OK) {
    int shown = 0;

    for (int i = 0; i < t->ncol; i++) shown += !t->columns[i].hidden;
    if (!shown)
      rc = cq_tree_error(l->err, n, "%s: no column is left%s", t->name,
                         t->ncol ? " that is not hidden" : "");
  }
  return rc;
}

int load_column_values(load *l) {
  cq_table *t = l->table;
  int rc = CQ_OK;

  for (int i = 0; i < t->ncol && rc == CQ_OK; i++) {
    cq_column *c = &t->columns[i];

    if (c->source != CQ_FROM_VALUE && c->source != CQ_FROM_CLIENT) continue;
    l->call = c->call;
    rc = load_template(
        l, cq_tree_get(c->at, c->source == CQ_FROM_VALUE ? "value" : "else"),
        VALUE_ROOTS, &c->value);
  }
  l->call = -1;
  return rc;
}

int load_column_index(const cq_table *t, const char *name) {
  for (int i = 0; name && i < t->ncol; i++)
    if (strcmp(t->columns[i].name, name) == 0) return i;
  return -1;
}

int load_unknown_column(load *l, const cq_node *at, const char *what,
                        const char *name) {
  const char *names[CQ_MAX_COLUMNS], *near;

  for (int i = 0; i < l->table->ncol; i++) names[i] = l->table->columns[i].name;
  cq_tree_error(l->err, at, "%s: %s: no column \"%s\"", l->table->name, what,
                name);
  near = cq_nearest(name, names, (size_t)l->table->ncol);
  if (near) cq_error_hint(l->err, "did you mean \"%s\"?", near);
  return CQ_ERROR;
}
