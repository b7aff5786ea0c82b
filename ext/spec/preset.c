/* ext/spec/preset.c: `use`: a preset's tree, with {{ use.x }} replaced by what
 * is said beside its name, laid over what a table inherits. */
#include <string.h>

#include "spec/load.h"

static int use_expand(load *l, const cq_node *n, const cq_node *args,
                      cq_node **out) {
  cq_node *copy;

  *out = NULL;
  if (n->kind == CQ_N_SCALAR && strstr(n->text, "{{ use.")) {
    const char *s = strstr(n->text, "{{ use."), *end = strstr(s, "}}");
    char name[64];
    size_t k = 0;
    const cq_node *v;
    cq_buf b;

    for (s += 7; end && s + k < end && s[k] != ' ' && k < 63; k++)
      name[k] = s[k];
    name[k] = 0;
    v = cq_tree_get(args, name);
    if (!v) return CQ_OK; /* removed */
    if (end && strncmp(n->text, "{{ use.", 7) == 0 && end[2] == 0) {
      *out = (cq_node *)v;
      return CQ_OK;
    }
    if (!load_text(v))
      return cq_tree_error(l->err, v, "use.%s must be text here", name);
    cq_buf_init(&b, CQ_MAX_TEMPLATE);
    cq_buf_add(&b, n->text, (size_t)(strstr(n->text, "{{ use.") - n->text));
    cq_buf_str(&b, v->text);
    cq_buf_str(&b, end ? end + 2 : "");
    copy = cq_arena_alloc(l->a, sizeof *copy);
    if (copy) {
      *copy = *n;
      copy->text = b.rc ? NULL : cq_arena_strndup(l->a, b.data, b.len);
    }
    cq_buf_clear(&b);
    if (!copy || !copy->text) return cq_error_nomem(l->err);
    return use_expand(l, copy, args, out); /* further placeholders */
  }
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
  if (!copy->items || (n->keys && !copy->keys)) return cq_error_nomem(l->err);
  copy->count = 0;
  for (size_t i = 0; i < n->count; i++) {
    cq_node *v;

    if (use_expand(l, n->items[i], args, &v)) return CQ_ERROR;
    if (!v) continue;
    copy->items[copy->count] = v;
    if (n->keys) copy->keys[copy->count] = n->keys[i];
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
