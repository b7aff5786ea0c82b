/* ext/spec/config_def.c: what a root file says of its settings: `config`, to any
 * depth, and `checks`, which look at all of them together. */
#include <string.h>

#include "spec/load.h"

static int def_default(load *l, const cq_node *d, cq_config_def *c) {
  cq_buf b;

  if (!d || d->kind == CQ_N_NULL) return CQ_OK;
  if (load_text(d) && strncmp(d->text, "${", 2) == 0 &&
      d->text[strlen(d->text) - 1] == '}') {
    c->env = cq_arena_strndup(l->a, d->text + 2, strlen(d->text) - 3);
    return c->env ? CQ_OK : cq_error_nomem(l->err);
  }
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  if (load_text(d) && c->type != CQ_JSON)
    cq_buf_str(&b, d->text);
  else
    cq_tree_json(d, &b);
  if (b.rc == CQ_TOOBIG) {
    cq_buf_clear(&b);
    return cq_tree_error(l->err, d, "config %s: default: longer than %d bytes",
                         c->name, CQ_MAX_TEMPLATE);
  }
  c->dflt = cq_value_text(b.rc ? NULL : cq_arena_strndup(l->a, b.data, b.len));
  cq_buf_clear(&b);
  return c->dflt.kind == CQ_NULL ? cq_error_nomem(l->err) : CQ_OK;
}

static int def_type(load *l, const cq_node *at, const char *type,
                    cq_config_def *c) {
  static const char of[] = "list of ";

  if (type && strncmp(type, of, strlen(of)) == 0) {
    c->is_list = 1;
    c->items = cq_type_parse(type + strlen(of));
    c->type = c->items ? CQ_JSON : 0;
  } else {
    c->is_list = type && strcmp(type, "list") == 0;
    c->is_map = type && strcmp(type, "map") == 0;
    c->type = c->is_list || c->is_map ? CQ_JSON
              : type                  ? cq_type_parse(type)
                                      : CQ_TEXT;
  }
  if (c->type) return CQ_OK;
  return cq_tree_error(l->err, at,
                       "config %s: type: text, integer, real, boolean, list, "
                       "list of text or map",
                       c->name);
}

static int def_list(load *l, const cq_node *n, int deep, cq_config_def **out,
                    int *count);

/* `name: type`, or a map. */
static int def_one(load *l, const cq_node *n, int deep, cq_config_def *c) {
  int rc;

  if (deep && load_text(n)) return def_type(l, n, n->text, c);
  CHECK(n, c->name, "type$", "default", "secret?", "optional?", "min#",
        "description$", "members{", "known{", "required?");
  rc = def_type(l, n, load_text(cq_tree_get(n, "type")), c);
  if (rc) return rc;
  c->min = load_int(cq_tree_get(n, "min"), INT64_MIN);
  c->secret = load_bool(cq_tree_get(n, "secret"), 0);
  c->optional = load_bool(cq_tree_get(n, "optional"), 0);
  c->required = load_bool(cq_tree_get(n, "required"), 0);
  c->description = load_text(cq_tree_get(n, "description"));
  if (deep && cq_tree_get(n, "default"))
    return cq_tree_error(l->err, n, "config %s: a member has no default",
                         c->name);
  if (!deep && c->required)
    return cq_tree_error(l->err, n, "config %s: required is for members",
                         c->name);
  if (cq_tree_get(n, "members")) {
    if (c->items || (!c->is_list && !c->is_map))
      return cq_tree_error(
          l->err, n, "config %s: members are for a map, or a list", c->name);
    rc = def_list(l, cq_tree_get(n, "members"), deep + 1, &c->members,
                  &c->nmember);
  }
  return rc ? rc : def_default(l, cq_tree_get(n, "default"), c);
}

static int def_list(load *l, const cq_node *n, int deep, cq_config_def **out,
                    int *count) {
  size_t k = n && n->kind == CQ_N_MAP ? n->count : 0;
  int rc = CQ_OK;

  *out = cq_arena_alloc(l->a, (k + 1) * sizeof **out);
  if (!*out) return cq_error_nomem(l->err);
  memset(*out, 0, (k + 1) * sizeof **out);
  for (size_t i = 0; i < k && rc == CQ_OK; i++) {
    (*out)[i].name = n->keys[i];
    (*out)[i].min = INT64_MIN;
    rc = def_one(l, n->items[i], deep, &(*out)[i]);
    *count = (int)i + 1;
  }
  return rc;
}

int load_config(load *l, const cq_node *n) {
  return def_list(l, n, 0, &l->in->pub.config, &l->in->pub.nconfig);
}

/* When all names are there that its templates may use. */
static int known_list(load *l, const cq_node *n, cq_config_def *defs,
                      int count) {
  int rc = CQ_OK;

  for (int i = 0; i < count && rc == CQ_OK; i++) {
    const cq_node *at = cq_tree_get(n, defs[i].name);
    const cq_node *k = cq_tree_get(at, "known");

    if (k && k->kind != CQ_N_NULL) {
      CHECK(k, defs[i].name, "words", "message$");
      defs[i].known_message = load_text(cq_tree_get(k, "message"));
      rc = load_template(l, cq_tree_get(k, "words"), ROOT(CONFIG) | ROOT(DATA),
                         &defs[i].known);
      if (rc == CQ_OK && !defs[i].known)
        rc = cq_tree_error(l->err, k, "config %s: known: words are missing",
                           defs[i].name);
    }
    if (rc == CQ_OK && defs[i].nmember)
      rc = known_list(l, cq_tree_get(at, "members"), defs[i].members,
                      defs[i].nmember);
  }
  return rc;
}

int load_known(load *l, const cq_node *n) {
  return known_list(l, n, l->in->pub.config, l->in->pub.nconfig);
}

int load_checks(load *l, const cq_node *n) {
  cq_integration *in = &l->in->pub;
  size_t k = n && n->kind == CQ_N_LIST ? n->count : 0;
  int rc = CQ_OK;

  in->checks = cq_arena_alloc(l->a, (k + 1) * sizeof *in->checks);
  if (!in->checks) return cq_error_nomem(l->err);
  memset(in->checks, 0, (k + 1) * sizeof *in->checks);
  for (size_t i = 0; i < k && rc == CQ_OK; i++) {
    cq_config_rule *c = &in->checks[i];
    const cq_node *at = n->items[i];
    int found = 0;

    CHECK(at, "checks", "when$", "setting$", "message$");
    c->setting = load_text(cq_tree_get(at, "setting"));
    c->message = load_text(cq_tree_get(at, "message"));
    rc = load_template(l, cq_tree_get(at, "when"), ROOT(CONFIG) | ROOT(DATA),
                       &c->when);
    if (rc == CQ_OK && (!c->setting || !c->message || !c->when))
      return cq_tree_error(l->err, at,
                           "checks: when, setting and message are needed");
    for (int d = 0; d < in->nconfig && rc == CQ_OK; d++)
      found |= strcmp(in->config[d].name, c->setting) == 0;
    if (rc == CQ_OK && !found)
      rc = cq_tree_error(l->err, at, "checks: no setting \"%s\"", c->setting);
    in->ncheck = i + 1;
  }
  return rc;
}
