/* ext/spec/preset.c: `use`: a preset's tree, with {{ use.x }} replaced by what
 * is said beside its name, laid over what a table inherits. */
#include <string.h>

#include "spec/load.h"

/* The argument that `at`, "{{ use.name }}", names, or NULL; *rest: behind it. */
static const cq_node *use_argument(const cq_node *args, const char *at,
                                   const char **rest) {
  const char *s = at + strlen("{{ use."), *end = strstr(s, "}}");
  char name[64];
  size_t k = 0;

  for (; end && s + k < end && s[k] != ' ' && k < sizeof name - 1; k++)
    name[k] = s[k];
  name[k] = 0;
  *rest = end ? end + 2 : s + strlen(s);
  return cq_tree_get(args, name);
}

/* From left to right; what was put in is text, and not looked at again. */
static int use_text(load *l, const cq_node *n, const cq_node *args,
                    cq_node **out) {
  const char *s = n->text, *at = strstr(s, "{{ use."), *rest;
  cq_node *copy;
  cq_buf b;
  int rc = CQ_OK;

  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (; at && rc == CQ_OK; at = strstr(s, "{{ use.")) {
    const cq_node *v = use_argument(args, at, &rest);

    if (!v) { /* removed */
      cq_buf_clear(&b);
      return CQ_OK;
    }
    if (at == n->text && !*rest) {
      *out = (cq_node *)v;
      cq_buf_clear(&b);
      return CQ_OK;
    }
    if (!load_text(v)) {
      rc = cq_tree_error(l->err, v, "{{ use. }}: must be text here");
      break;
    }
    cq_buf_add(&b, s, (size_t)(at - s));
    cq_buf_str(&b, v->text);
    s = rest;
  }
  cq_buf_str(&b, s);
  copy = rc ? NULL : cq_arena_alloc(l->a, sizeof *copy);
  if (copy) {
    *copy = *n;
    copy->text = b.rc ? NULL : cq_arena_strndup(l->a, b.data, b.len);
  }
  if (rc == CQ_OK && b.rc == CQ_TOOBIG)
    rc = cq_tree_error(l->err, n, "use: a text longer than %d bytes",
                       CQ_MAX_TEMPLATE);
  else if (rc == CQ_OK && (!copy || !copy->text))
    rc = cq_error_nomem(l->err);
  cq_buf_clear(&b);
  if (rc == CQ_OK) *out = copy;
  return rc;
}

static int use_expand(load *l, const cq_node *n, const cq_node *args,
                      cq_node **out) {
  cq_node *copy;
  int *lines = NULL;

  *out = NULL;
  if (n->kind == CQ_N_SCALAR && strstr(n->text, "{{ use."))
    return use_text(l, n, args, out);
  if (n->kind != CQ_N_MAP && n->kind != CQ_N_LIST) {
    *out = (cq_node *)n;
    return CQ_OK;
  }
  copy = cq_arena_alloc(l->a, sizeof *copy);
  if (!copy) return cq_error_nomem(l->err);
  *copy = *n;
  copy->items = cq_arena_alloc(l->a, (n->count + 1) * sizeof *copy->items);
  copy->keys = n->keys
                   ? cq_arena_alloc(l->a, (n->count + 1) * sizeof *copy->keys)
                   : NULL;
  if (n->keys) lines = cq_arena_alloc(l->a, (n->count + 1) * sizeof *lines);
  if (!copy->items || (n->keys && (!copy->keys || !lines)))
    return cq_error_nomem(l->err);
  copy->key_lines = lines;
  copy->count = 0;
  for (size_t i = 0; i < n->count; i++) {
    cq_node *v;

    int rc = use_expand(l, n->items[i], args, &v);

    if (rc) return rc;
    if (!v) continue;
    copy->items[copy->count] = v;
    if (n->keys) {
      copy->keys[copy->count] = n->keys[i];
      lines[copy->count] = n->key_lines[i];
    }
    copy->count++;
  }
  *out = copy;
  return CQ_OK;
}

int load_presets(load *l, const cq_node *use, const cq_node *service,
                 cq_node *base, cq_node **out) {
  *out = base;
  if (!use) return CQ_OK;
  for (size_t i = 0; i < (use->kind == CQ_N_MAP ? use->count : 1); i++) {
    const char *name = use->kind == CQ_N_MAP ? use->keys[i] : load_text(use);
    const cq_node *args = use->kind == CQ_N_MAP ? use->items[i] : NULL;
    const cq_node *p =
        name ? cq_tree_get(cq_tree_get(service, "presets"), name) : NULL;
    cq_node *made;

    if (!p && name) p = cq_tree_get(cq_tree_get(l->in->root, "presets"), name);
    if (!p)
      return cq_tree_error(l->err, use, "unknown preset \"%s\"",
                           name ? name : "");
    if (use_expand(l, p, args, &made) ||
        cq_tree_merge(l->a, *out, made, out, l->err))
      return CQ_ERROR;
  }
  return CQ_OK;
}
