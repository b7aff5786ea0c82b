/* ext/spec/check.c: which keys a map of a definition may have, what kind of value
 * each takes, and values of the plain kinds.  A key is written with its kind
 * behind it:
 *
 *   "title$"  text       "paid?"  true or false      "batch#"  whole number >= 0
 *   "rate."   number >= 0   "query{" map   "errors["  list
 *   "key*"    a word or a list of words     "use~"  text or map
 *   "values"  anything
 *
 * `~` (null) always passes: it takes away what is inherited. */
#include <stdlib.h>
#include <string.h>

#include "spec/load.h"

const char *load_text(const cq_node *n) {
  return n && n->kind == CQ_N_SCALAR ? n->text : NULL;
}

int load_bool(const cq_node *n, int dflt) {
  const char *s = load_text(n);

  return s ? strcmp(s, "true") == 0 || strcmp(s, "yes") == 0 : dflt;
}

int64_t load_int(const cq_node *n, int64_t dflt) {
  const char *s = load_text(n);

  return s ? strtoll(s, NULL, 10) : dflt;
}

static const char *check_wants(char kind) {
  switch (kind) {
  case '$':
    return "text";
  case '?':
    return "true or false";
  case '#':
    return "a whole number";
  case '.':
    return "a number";
  case '{':
    return "a map";
  case '[':
    return "a list";
  case '*':
    return "a word or a list of words";
  case '~':
    return "text or a map";
  default:
    return NULL;
  }
}

static int check_words(const cq_node *n) {
  if (n->kind == CQ_N_SCALAR) return 1;
  for (size_t i = 0; n->kind == CQ_N_LIST && i < n->count; i++)
    if (n->items[i]->kind != CQ_N_SCALAR) return 0;
  return n->kind == CQ_N_LIST;
}

static int check_fits(char kind, const cq_node *n) {
  const char *s = load_text(n);
  char *end;

  switch (kind) {
  case '$':
    return s != NULL;
  case '?':
    return s && (!strcmp(s, "true") || !strcmp(s, "false") ||
                 !strcmp(s, "yes") || !strcmp(s, "no"));
  case '#':
    return s && *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 16;
  case '.':
    return s && *s && strspn(s, "0123456789.") == strlen(s) &&
           cq_strtod(s, &end) >= 0 && *end == 0;
  case '{':
    return n->kind == CQ_N_MAP;
  case '[':
    return n->kind == CQ_N_LIST;
  case '*':
    return check_words(n);
  case '~':
    return s != NULL || n->kind == CQ_N_MAP;
  default:
    return 1;
  }
}

int load_check(load *l, const cq_node *map, const char *object,
               const char *const *known, size_t n) {
  const char *names[64];
  char text[64][32];

  if (!map || map->kind == CQ_N_NULL) return CQ_OK;
  if (map->kind != CQ_N_MAP)
    return cq_tree_error(l->err, map, "%s: expected a map", object);
  for (size_t i = 0; i < n && i < 64; i++) {
    size_t k = strcspn(known[i], "$?#.{[*~");

    memcpy(text[i], known[i], k);
    text[i][k] = 0;
    names[i] = text[i];
  }
  if (cq_tree_check_keys(map, object, names, n, l->err)) return CQ_ERROR;
  for (size_t i = 0; i < map->count; i++) {
    const cq_node *v = map->items[i];
    char kind = 0;

    for (size_t k = 0; k < n; k++)
      if (strcmp(names[k], map->keys[i]) == 0)
        kind = known[k][strlen(names[k])];
    if (v->kind == CQ_N_NULL || check_fits(kind, v)) continue;
    if (load_text(v))
      return cq_tree_error(l->err, v, "%s: %s: expected %s, not \"%.60s\"",
                           object, map->keys[i], check_wants(kind), v->text);
    return cq_tree_error(l->err, v, "%s: %s: expected %s, not a %s", object,
                         map->keys[i], check_wants(kind),
                         v->kind == CQ_N_LIST ? "list" : "map");
  }
  return CQ_OK;
}

int load_choice(load *l, const cq_node *at, const char *what,
                const char *const *words, size_t n, const char *s, int *out) {
  const char *near;

  for (size_t i = 0; i < n; i++)
    if (strcmp(words[i], s) == 0) {
      *out = (int)i;
      return CQ_OK;
    }
  cq_tree_error(l->err, at, "%s: unknown word \"%.60s\"", what, s);
  near = cq_nearest(s, words, n);
  if (near) {
    cq_error_hint(l->err, "did you mean \"%s\"?", near);
  } else {
    cq_buf b;

    cq_buf_init(&b, 512);
    for (size_t i = 0; i < n; i++)
      cq_buf_printf(&b, "%s%s", i ? " " : "", words[i]);
    cq_error_hint(l->err, "one of: %s", b.data ? b.data : "");
    cq_buf_clear(&b);
  }
  return CQ_ERROR;
}
