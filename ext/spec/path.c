/* ext/spec/path.c: the one path language: a.b, [0], [*], ["odd name"], .*,
 * @key, @attr, and "." for the value itself. */
#include <jansson.h>
#include <string.h>

#include "spec/spec.h"

static int path_fail(cq_error *err, const char *text, size_t n, size_t at,
                     const char *what) {
  return cq_error_set(err, CQ_ERROR, "path \"%.*s\": %s at character %d",
                      (int)(n < 200 ? n : 200), text, what, (int)at + 1);
}

/* Steps that the text has at most: one begins where the text does, behind each
 * of `.`, `]` and `*`, and with `[`; one more is cleared before it is read. */
static size_t path_room(const char *text, size_t n) {
  size_t room = 2;

  for (size_t i = 0; i < n; i++)
    room +=
        text[i] == '.' || text[i] == '[' || text[i] == ']' || text[i] == '*';
  return room;
}

int cq_path_parse(cq_arena *a, const char *text, size_t n, cq_path **out,
                  cq_error *err) {
  cq_path *p = cq_arena_alloc(a, sizeof *p);
  char *copy = cq_arena_strndup(a, text, n);
  cq_step *steps = cq_arena_alloc(a, path_room(text, n) * sizeof *steps);
  size_t i = 0;
  int after = 0; /* a separator was just read */

  if (!p || !copy || !steps) return cq_error_nomem(err);
  memset(p, 0, sizeof *p);
  p->text = copy;
  p->steps = steps;
  *out = p;
  if (n == 0) return path_fail(err, text, n, 0, "empty");
  if (n == 1 && copy[0] == '.') return CQ_OK;
  if (memchr(copy, 0, n))
    return path_fail(err, text, n, strlen(copy), "a zero byte");
  while (i < n) {
    cq_step *s = &steps[p->nstep];
    size_t from = i;

    memset(s, 0, sizeof *s);
    if (copy[i] == '.') {
      if (after || i + 1 == n)
        return path_fail(err, text, n, i, "a name is missing");
      after = 1;
      i++;
      continue;
    }
    if (copy[i] == '[') {
      if (i + 2 < n && copy[i + 1] == '*' && copy[i + 2] == ']') {
        s->kind = CQ_STEP_EACH;
        i += 3;
      } else if (i + 1 < n && copy[i + 1] == '"') {
        size_t end = i + 2;

        while (end < n && copy[end] != '"') end++;
        if (end + 1 >= n || copy[end + 1] != ']')
          return path_fail(err, text, n, i, "the bracket is not closed");
        s->kind = CQ_STEP_KEY;
        s->name = copy + i + 2;
        s->len = end - i - 2;
        i = end + 2;
      } else {
        s->kind = CQ_STEP_INDEX;
        for (i++;
             i < n && copy[i] >= '0' && copy[i] <= '9' && s->index < 100000;
             i++)
          s->index = s->index * 10 + (copy[i] - '0');
        if (i >= n || copy[i] != ']' || i == from + 1)
          return path_fail(err, text, n, from,
                           "expected [0], [*] or [\"name\"]");
        i++;
      }
    } else if (copy[i] == '*') {
      s->kind = CQ_STEP_VALUES;
      i++;
    } else {
      s->kind = CQ_STEP_KEY;
      if (copy[i] == '@') {
        s->kind = CQ_STEP_ATTR;
        i++;
      }
      from = i;
      while (i < n && !strchr(".[]", copy[i])) i++;
      if (i < n && copy[i] == ']')
        return path_fail(err, text, n, i, "a bracket that was not opened");
      s->name = copy + from;
      s->len = i - from;
      if (!s->len) return path_fail(err, text, n, from, "a name is missing");
      if (s->kind == CQ_STEP_ATTR && s->len == 3 && !memcmp(s->name, "key", 3))
        s->kind = CQ_STEP_MAPKEY;
    }
    after = 0;
    p->nstep++;
  }
  return CQ_OK;
}

/* The first value below j that the steps from i on lead to, or NULL. */
static json_t *path_find(cq_arena *a, const cq_path *p, int i, json_t *j,
                         int *rc) {
  const cq_step *s = &p->steps[i];
  json_t *item, *found = NULL;
  const char *key;
  size_t k;

  if (i == p->nstep || !j) return j;
  switch (s->kind) {
  case CQ_STEP_KEY: {
    char *name = cq_arena_strndup(a, s->name, s->len);

    if (!name) *rc = CQ_NOMEM;
    return name ? path_find(a, p, i + 1, json_object_get(j, name), rc) : NULL;
  }
  case CQ_STEP_INDEX:
    return path_find(a, p, i + 1, json_array_get(j, (size_t)s->index), rc);
  case CQ_STEP_EACH:
    json_array_foreach(j, k, item) {
      if ((found = path_find(a, p, i + 1, item, rc)) != NULL) return found;
    }
    return NULL;
  case CQ_STEP_VALUES:
    json_object_foreach(j, key, item) {
      if ((found = path_find(a, p, i + 1, item, rc)) != NULL) return found;
    }
    return NULL;
  case CQ_STEP_MAPKEY:
  case CQ_STEP_ATTR:
    break;
  }
  return NULL;
}

int cq_path_get(cq_arena *a, const cq_path *p, const char *json, size_t n,
                cq_value *out, cq_error *err) {
  json_t *root = cq_numbers_load(json, n, NULL), *j;
  int rc = CQ_OK;

  *out = cq_value_null();
  j = path_find(a, p, 0, root, &rc);
  if (rc == CQ_OK) rc = cq_numbers_value(a, j, out);
  if (rc) cq_error_nomem(err);
  json_decref(root);
  return rc;
}
