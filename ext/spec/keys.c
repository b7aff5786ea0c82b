/* ext/spec/keys.c: the value at a key of a map, checked for what it is to be.
 *
 * A key that is missing, or null, leaves *out as it was. */
#include <string.h>

#include "spec/spec.h"

static const cq_node *given(const cq_node *map, const char *key) {
  const cq_node *n = cq_tree_get(map, key);

  return n && n->kind != CQ_N_NULL ? n : NULL;
}

int cq_tree_text(const cq_node *map, const char *key, const char **out,
                 cq_error *err) {
  const cq_node *n = given(map, key);

  if (!n) return CQ_OK;
  if (n->kind != CQ_N_SCALAR)
    return cq_tree_error(err, n, "%s: not a text", key);
  *out = n->text;
  return CQ_OK;
}

int cq_tree_bool(const cq_node *map, const char *key, int *out, cq_error *err) {
  const cq_node *n = given(map, key);

  if (!n) return CQ_OK;
  if (n->kind == CQ_N_SCALAR &&
      (cq_str_ieq(n->text, "true") || cq_str_ieq(n->text, "false"))) {
    *out = cq_str_ieq(n->text, "true");
    return CQ_OK;
  }
  return cq_tree_error(err, n, "%s: neither true nor false", key);
}

int cq_tree_int(const cq_node *map, const char *key, int64_t least,
                int64_t most, int64_t *out, cq_error *err) {
  const cq_node *n = given(map, key);
  cq_value v;

  if (!n) return CQ_OK;
  if (n->kind != CQ_N_SCALAR || cq_number_parse(n->text, strlen(n->text), &v) ||
      v.kind != CQ_INT)
    return cq_tree_error(err, n, "%s: not an integer%s%s", key,
                         n->kind == CQ_N_SCALAR ? ": " : "",
                         n->kind == CQ_N_SCALAR ? n->text : "");
  if (v.u.i < least || v.u.i > most)
    return cq_tree_error(err, n, "%s: not between %lld and %lld: %lld", key,
                         (long long)least, (long long)most, (long long)v.u.i);
  *out = v.u.i;
  return CQ_OK;
}

int cq_tree_choice(const cq_node *map, const char *key,
                   const char *const *words, size_t n, int *out,
                   cq_error *err) {
  const cq_node *at = given(map, key);
  const char *text = NULL, *near;
  int rc = cq_tree_text(map, key, &text, err);
  cq_buf all;

  if (rc || !text) return rc;
  for (size_t i = 0; i < n; i++)
    if (strcmp(words[i], text) == 0) {
      *out = (int)i;
      return CQ_OK;
    }
  near = cq_nearest(text, words, n);
  rc = cq_tree_error(err, at, "%s: unknown value: %s", key, text);
  if (near) {
    cq_error_hint(err, "did you mean \"%s\"?", near);
    return rc;
  }
  cq_buf_init(&all, 4096);
  for (size_t i = 0; i < n; i++)
    if (*words[i]) cq_buf_printf(&all, "%s%s", i ? ", " : "", words[i]);
  if (!all.rc && n) cq_error_hint(err, "one of: %s", all.data);
  cq_buf_clear(&all);
  return rc;
}

int cq_tree_words(cq_arena *a, const cq_node *map, const char *key,
                  cq_words *out, cq_error *err) {
  const cq_node *n = given(map, key);
  size_t count;

  if (!n) return CQ_OK;
  if (n->kind == CQ_N_MAP) return cq_tree_error(err, n, "%s: not a list", key);
  count = n->kind == CQ_N_LIST ? n->count : 1;
  out->v = cq_arena_alloc(a, (count + 1) * sizeof *out->v);
  out->at = cq_arena_alloc(a, (count + 1) * sizeof *out->at);
  if (!out->v || !out->at) return cq_error_nomem(err);
  for (size_t i = 0; i < count; i++) {
    const cq_node *item = n->kind == CQ_N_LIST ? n->items[i] : n;

    if (item->kind != CQ_N_SCALAR)
      return cq_tree_error(err, item, "%s: not a list of texts", key);
    out->v[i] = item->text;
    out->at[i] = item;
  }
  out->n = count;
  return CQ_OK;
}
