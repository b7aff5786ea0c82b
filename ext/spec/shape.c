/* ext/spec/shape.c: the record types of JSON columns, in the text form
 *
 *   type := text | integer | real | boolean | timestamp[(format)] | blob | json
 *         | Name | list of type | list(item) of type
 *         | map of type | map(entry key value) of type
 *
 * Names stand under `shapes:` of the service's file or the root; an object is a
 * map of our key: "type [wire]".  References may be recursive: a named shape is
 * made once, before its members. */
#include <string.h>

#include "spec/load.h"

static int shape_type(load *l, const cq_node *at, const char **s,
                      const cq_shape **out);

static cq_shape *shape_new(load *l) {
  cq_shape *s = cq_arena_alloc(l->a, sizeof *s);

  if (s) memset(s, 0, sizeof *s);
  return s;
}

static int shape_fail(load *l, const cq_node *at, const char *s) {
  return cq_tree_error(l->err, at, "shape: cannot read \"%.80s\"", s);
}

/* Lists of lists are no deeper than a text may be.  Names lead to names, each
 * once, so that a chain of them is longer than anything is deep. */
enum { NAMES_DEEP = 16 };

static int shape_deeper(load *l, const cq_node *at, int by) {
  l->shape_depth += by;
  return l->shape_depth > CQ_MAX_SPEC_DEPTH * NAMES_DEEP
             ? cq_tree_error(l->err, at, "shape: nested too deep")
             : CQ_OK;
}

/* A scalar without a format: one for all. */
static const cq_shape *shape_plain(int type) {
  static const cq_shape plain[] = {
      {.kind = CQ_SH_SCALAR, .type = CQ_TEXT},
      {.kind = CQ_SH_SCALAR, .type = CQ_INTEGER},
      {.kind = CQ_SH_SCALAR, .type = CQ_REAL},
      {.kind = CQ_SH_SCALAR, .type = CQ_BOOLEAN},
      {.kind = CQ_SH_SCALAR, .type = CQ_TIMESTAMP},
      {.kind = CQ_SH_SCALAR, .type = CQ_JSON},
  };

  for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
    if (plain[i].type == type) return &plain[i];
  return NULL;
}

/* The words between brackets, at most three. */
static int shape_words(load *l, const char **s, const char *words[3]) {
  int n = 0;

  if (**s != '(') return CQ_OK;
  for ((*s)++; **s && **s != ')' && n < 3;) {
    size_t len = strcspn(*s, " )");

    words[n] = cq_arena_strndup(l->a, *s, len);
    if (!words[n++]) return CQ_NOMEM;
    *s += len;
    *s += strspn(*s, " ");
  }
  if (**s != ')') return CQ_ERROR;
  (*s)++;
  return CQ_OK;
}

static int shape_object(load *l, const cq_node *n, cq_shape *s) {
  s->kind = CQ_SH_OBJECT;
  s->members = cq_arena_alloc(l->a, (n->count + 1) * sizeof *s->members);
  if (!s->members) return cq_error_nomem(l->err);
  for (size_t i = 0; i < n->count; i++) {
    cq_member *m = &s->members[s->nmember++];
    const cq_node *v = n->items[i];
    const char *text =
        load_text(v->kind == CQ_N_MAP ? cq_tree_get(v, "type") : v);
    const char *wire =
        v->kind == CQ_N_MAP ? load_text(cq_tree_get(v, "wire")) : NULL;
    int rc;

    if (!text)
      return cq_tree_error(l->err, v, "shape: member %s: expected a type",
                           n->keys[i]);
    m->name = n->keys[i];
    rc = shape_type(l, v, &text, &m->shape);
    if (rc) return rc;
    text += strspn(text, " ");
    m->wire = wire ? wire : *text ? text : m->name;
  }
  return CQ_OK;
}

static int shape_named(load *l, const cq_node *at, const char *name,
                       const cq_shape **out) {
  const cq_node *n = NULL;
  own_shape *s;

  for (int i = 0; i < 3 && !n; i++) n = cq_tree_get(l->shapes[i], name);
  if (!n)
    return cq_tree_error(l->err, at, "shape: no shape is named \"%s\"", name);
  for (s = l->in->shapes; s; s = s->next)
    if (s->name == (const char *)n) {
      *out = &s->shape;
      return CQ_OK;
    }
  s = cq_arena_alloc(l->a, sizeof *s);
  if (!s) return cq_error_nomem(l->err);
  memset(s, 0, sizeof *s);
  s->name = (const char *)n; /* the tree's node tells services apart */
  s->next = l->in->shapes;
  l->in->shapes = s;
  *out = &s->shape;
  if (shape_deeper(l, at, 1)) return CQ_ERROR;
  if (n->kind == CQ_N_MAP) {
    int deep = shape_object(l, n, &s->shape);

    l->shape_depth--;
    return deep;
  }
  const char *text = load_text(n);
  const cq_shape *made;
  int rc = text ? shape_type(l, n, &text, &made)
                : cq_tree_error(l->err, n, "shape %s: expected a type", name);
  l->shape_depth--;
  if (rc == CQ_OK) s->shape = *made;
  return rc;
}

static int shape_type(load *l, const cq_node *at, const char **p,
                      const cq_shape **out) {
  const char *s = *p, *words[3] = {NULL, NULL, NULL};
  size_t n = strcspn(s, " (");
  cq_shape *made;
  char name[128];
  int rc, type;

  if (n == 0 || n >= sizeof name) return shape_fail(l, at, s);
  memcpy(name, s, n);
  name[n] = 0;
  s += n;
  if (strcmp(name, "list") == 0 || strcmp(name, "map") == 0) {
    made = shape_new(l);
    if (!made) return cq_error_nomem(l->err);
    *out = made;
    made->kind = name[0] == 'l' ? CQ_SH_LIST : CQ_SH_MAP;
    if (shape_words(l, &s, words) || strncmp(s, " of ", 4) != 0)
      return shape_fail(l, at, *p);
    s += 4;
    made->wire_item = made->kind == CQ_SH_LIST ? words[0] : NULL;
    if (made->kind == CQ_SH_MAP && words[0]) {
      made->wire_entry = words[0];
      made->wire_key = words[1] ? words[1] : "key";
      made->wire_value = words[2] ? words[2] : "value";
    }
    *p = s;
    if (shape_deeper(l, at, NAMES_DEEP)) return CQ_ERROR;
    rc = shape_type(l, at, p, &made->item);
    l->shape_depth -= NAMES_DEEP;
    return rc;
  }
  *p = s;
  type = cq_type_parse(name);
  if (type == 0) {
    if (name[0] < 'A' || name[0] > 'Z') return shape_fail(l, at, name);
    return shape_named(l, at, name, out);
  }
  if (shape_words(l, &s, words)) return shape_fail(l, at, *p);
  *p = s;
  if (!words[0] && (*out = shape_plain(type)) != NULL) return CQ_OK;
  made = shape_new(l);
  if (!made) return cq_error_nomem(l->err);
  made->kind = CQ_SH_SCALAR;
  made->type = type;
  made->format = words[0];
  *out = made;
  return CQ_OK;
}

int load_shape(load *l, const cq_node *n, const cq_shape **out) {
  const char *text = load_text(n);
  cq_shape *made;

  *out = NULL;
  if (!n || n->kind != CQ_N_MAP)
    return text ? shape_type(l, n, &text, out) : CQ_OK;
  made = shape_new(l);
  if (!made) return cq_error_nomem(l->err);
  *out = made;
  return shape_object(l, n, made);
}
