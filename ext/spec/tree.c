/* ext/spec/tree.c: YAML (and JSON, its subset) as a tree of maps, lists and
 * scalars that remember their lines.
 *
 * Bounded before anything is believed: bytes, depth, and nodes, where an alias
 * counts as all that it stands for. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "spec/spec.h"

typedef struct loader {
  yaml_parser_t p;
  cq_arena *a;
  const char *file;
  int lines; /* of the file, before the text */
  cq_error *err;
  struct anchor {
    const char *name;
    cq_node *node;
    size_t size;
  } * anchors;
  size_t nanchor, capanchor;
  size_t nodes;
  int depth;
} loader;

int cq_tree_error(cq_error *err, const cq_node *at, const char *fmt, ...) {
  char text[900];
  va_list ap;

  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  return cq_error_set(err, CQ_ERROR, "%s:%d: %s",
                      at && at->file ? at->file : "spec", at ? at->line : 0,
                      text);
}

static int tree_line(const loader *l, size_t line) {
  return l->lines + (int)line + 1;
}

static cq_node *node_new(loader *l, cq_node_kind kind, size_t line) {
  cq_node *n = cq_arena_alloc(l->a, sizeof *n);

  if (!n) return NULL;
  memset(n, 0, sizeof *n);
  n->kind = kind;
  n->line = tree_line(l, line);
  n->file = l->file;
  return n;
}

static int tree_fail(loader *l, size_t line, const char *what) {
  return cq_error_set(l->err, CQ_ERROR, "%s:%d: %s", l->file,
                      tree_line(l, line), what);
}

static int tree_next(loader *l, yaml_event_t *e) {
  if (yaml_parser_parse(&l->p, e)) {
    size_t line = e->start_mark.line;

    if (e->type != YAML_SCALAR_EVENT ||
        !memchr(e->data.scalar.value, 0, e->data.scalar.length))
      return CQ_OK;
    /* As a text it would end there, in silence. */
    yaml_event_delete(e);
    return tree_fail(l, line, "a zero byte (\\0) in a text");
  }
  if (l->p.error == YAML_MEMORY_ERROR) return cq_error_nomem(l->err);
  return cq_error_set(l->err, CQ_ERROR, "%s:%d: not YAML: %s", l->file,
                      tree_line(l, l->p.problem_mark.line),
                      l->p.problem ? l->p.problem : "cannot be read");
}

static int tree_anchor(loader *l, const yaml_char_t *name, cq_node *n,
                       size_t size) {
  struct anchor *a;

  if (!name) return CQ_OK;
  if (cq_grow(&l->anchors, &l->capanchor, l->nanchor, sizeof *l->anchors))
    return cq_error_nomem(l->err);
  a = &l->anchors[l->nanchor++];
  a->name =
      cq_arena_strndup(l->a, (const char *)name, strlen((const char *)name));
  a->node = n;
  a->size = size;
  return a->name ? CQ_OK : cq_error_nomem(l->err);
}

static int scalar_null(const char *s, size_t n) {
  return n == 0 || (n == 1 && *s == '~') ||
         (n == 4 && (!memcmp(s, "null", 4) || !memcmp(s, "Null", 4) ||
                     !memcmp(s, "NULL", 4)));
}

static int tree_node(loader *l, yaml_event_t *e, cq_node **out);

typedef struct items {
  cq_node **v;
  const char **k;
  int *lines;
  size_t n, cap, kcap, lcap; /* a line below 0: merged in */
  uint32_t *at;              /* of a map with many keys: index + 1 by hash */
  size_t nat;
} items;

enum { MANY_KEYS = 16 }; /* from here on they are found by hash */

static void items_clear(items *it) {
  cq_free(it->v);
  cq_free(it->k);
  cq_free(it->lines);
  cq_free(it->at);
  memset(it, 0, sizeof *it);
}

static uint32_t *items_slot(const items *it, const char *key) {
  size_t i = cq_hash64(key, strlen(key), 0) & (it->nat - 1);

  while (it->at[i] && strcmp(it->k[it->at[i] - 1], key) != 0)
    i = (i + 1) & (it->nat - 1);
  return &it->at[i];
}

/* Twice as many places, or those that there are, for one key more. */
static int items_index(items *it) {
  size_t wide = it->nat ? it->nat * 2 : MANY_KEYS * 4;
  uint32_t *old = it->at;

  if (it->n < MANY_KEYS || (it->nat && it->n * 2 < it->nat)) return CQ_OK;
  it->at = cq_calloc(wide, sizeof *it->at);
  cq_free(old);
  it->nat = it->at ? wide : 0;
  for (size_t i = 0; i < it->n && it->at; i++)
    *items_slot(it, it->k[i]) = (uint32_t)i + 1;
  return it->at ? CQ_OK : CQ_NOMEM;
}

static int items_add(loader *l, items *it, const char *key, int line,
                     cq_node *v) {
  if (cq_grow(&it->v, &it->cap, it->n, sizeof *it->v) ||
      cq_grow(&it->k, &it->kcap, it->n, sizeof *it->k) ||
      cq_grow(&it->lines, &it->lcap, it->n, sizeof *it->lines) ||
      (key && items_index(it)))
    return cq_error_nomem(l->err);
  if (key && it->nat) *items_slot(it, key) = (uint32_t)it->n + 1;
  it->v[it->n] = v;
  it->k[it->n] = key;
  it->lines[it->n++] = line;
  return CQ_OK;
}

static int items_take(loader *l, items *it, cq_node *n, int map) {
  size_t bytes = (it->n + 1) * sizeof *it->v;
  int rc = CQ_OK;

  n->items = cq_arena_alloc(l->a, bytes);
  n->keys = map ? cq_arena_alloc(l->a, (it->n + 1) * sizeof *it->k) : NULL;
  n->key_lines =
      map ? cq_arena_alloc(l->a, (it->n + 1) * sizeof *it->lines) : NULL;
  if (!n->items || (map && (!n->keys || !n->key_lines)))
    rc = cq_error_nomem(l->err);
  if (rc == CQ_OK && it->n) {
    memcpy(n->items, it->v, it->n * sizeof *it->v);
    if (map) {
      memcpy(n->keys, it->k, it->n * sizeof *it->k);
      memcpy((int *)n->key_lines, it->lines, it->n * sizeof *it->lines);
    }
  }
  n->count = it->n;
  items_clear(it);
  return rc;
}

static size_t items_find(const items *it, const char *key) {
  size_t i;

  if (it->nat) {
    i = *items_slot(it, key);
    return i ? i - 1 : it->n;
  }
  for (i = 0; i < it->n && strcmp(it->k[i], key) != 0; i++)
    ;
  return i;
}

/* What `<<` brings gives way to the map's own keys, wherever they stand. */
static int tree_merged(loader *l, items *it, const cq_node *from, int line) {
  int rc = CQ_OK;

  for (size_t i = 0; i < from->count && rc == CQ_OK; i++)
    if (items_find(it, from->keys[i]) == it->n)
      rc = items_add(l, it, from->keys[i], -line, from->items[i]);
  return rc;
}

static int tree_map(loader *l, cq_node *n) {
  items it;
  int rc = CQ_OK;

  memset(&it, 0, sizeof it);
  while (rc == CQ_OK) {
    yaml_event_t k, v;
    char *key;
    cq_node *value = NULL;

    if ((rc = tree_next(l, &k)) != 0) break;
    if (k.type == YAML_MAPPING_END_EVENT) {
      yaml_event_delete(&k);
      break;
    }
    if (k.type != YAML_SCALAR_EVENT) {
      rc = tree_fail(l, k.start_mark.line, "a key must be plain text");
      yaml_event_delete(&k);
      break;
    }
    key = cq_arena_strndup(l->a, (char *)k.data.scalar.value,
                           k.data.scalar.length);
    size_t at = key ? items_find(&it, key) : 0;
    if (!key)
      rc = cq_error_nomem(l->err);
    else if (at < it.n && it.lines[at] > 0 && strcmp(key, "<<") != 0)
      rc = cq_error_set(l->err, CQ_ERROR, "%s:%d: key given twice: %.100s",
                        l->file, tree_line(l, k.start_mark.line), key);
    int line = tree_line(l, k.start_mark.line);
    yaml_event_delete(&k);
    if (rc == CQ_OK && (rc = tree_next(l, &v)) == CQ_OK) {
      rc = tree_node(l, &v, &value);
      yaml_event_delete(&v);
    }
    if (rc) break;
    if (strcmp(key, "<<") == 0 && value->kind == CQ_N_MAP) {
      rc = tree_merged(l, &it, value, line);
    } else if (at < it.n) {
      it.v[at] = value;
      it.lines[at] = line;
    } else {
      rc = items_add(l, &it, key, line, value);
    }
  }
  for (size_t i = 0; i < it.n; i++)
    if (it.lines[i] < 0) it.lines[i] = -it.lines[i];
  if (rc) {
    items_clear(&it);
    return rc;
  }
  return items_take(l, &it, n, 1);
}

static int tree_list(loader *l, cq_node *n) {
  items it;
  int rc = CQ_OK;

  memset(&it, 0, sizeof it);
  while (rc == CQ_OK) {
    yaml_event_t e;
    cq_node *v = NULL;

    if ((rc = tree_next(l, &e)) != 0) break;
    if (e.type == YAML_SEQUENCE_END_EVENT) {
      yaml_event_delete(&e);
      break;
    }
    rc = tree_node(l, &e, &v);
    yaml_event_delete(&e);
    if (rc == CQ_OK) rc = items_add(l, &it, NULL, 0, v);
  }
  if (rc) {
    items_clear(&it);
    return rc;
  }
  return items_take(l, &it, n, 0);
}

static int tree_node(loader *l, yaml_event_t *e, cq_node **out) {
  size_t line = e->start_mark.line, before = l->nodes;
  cq_node *n;
  int rc = CQ_OK;

  if (++l->nodes > CQ_MAX_SPEC_NODES)
    return tree_fail(l, line, "too many nodes");
  if (e->type == YAML_ALIAS_EVENT) {
    for (size_t i = l->nanchor; i-- > 0;)
      if (strcmp(l->anchors[i].name, (char *)e->data.alias.anchor) == 0) {
        l->nodes += l->anchors[i].size;
        *out = l->anchors[i].node;
        return l->nodes > CQ_MAX_SPEC_NODES
                   ? tree_fail(l, line, "too many nodes")
                   : CQ_OK;
      }
    return tree_fail(l, line, "an alias without its anchor");
  }
  if ((e->type == YAML_SCALAR_EVENT && e->data.scalar.tag) ||
      (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.tag) ||
      (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.tag))
    return tree_fail(l, line, "tags are not supported");
  if (++l->depth > CQ_MAX_SPEC_DEPTH)
    return tree_fail(l, line, "nested too deep");
  if (e->type == YAML_SCALAR_EVENT) {
    n = node_new(l, CQ_N_SCALAR, line);
    if (!n) return cq_error_nomem(l->err);
    n->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    n->text = cq_arena_strndup(l->a, (char *)e->data.scalar.value,
                               e->data.scalar.length);
    if (!n->text) return cq_error_nomem(l->err);
    if (!n->quoted && scalar_null(n->text, e->data.scalar.length))
      n->kind = CQ_N_NULL;
    rc = tree_anchor(l, e->data.scalar.anchor, n, 1);
  } else if (e->type == YAML_MAPPING_START_EVENT) {
    n = node_new(l, CQ_N_MAP, line);
    rc = n ? tree_map(l, n) : cq_error_nomem(l->err);
    if (rc == CQ_OK)
      rc = tree_anchor(l, e->data.mapping_start.anchor, n, l->nodes - before);
  } else if (e->type == YAML_SEQUENCE_START_EVENT) {
    n = node_new(l, CQ_N_LIST, line);
    rc = n ? tree_list(l, n) : cq_error_nomem(l->err);
    if (rc == CQ_OK)
      rc = tree_anchor(l, e->data.sequence_start.anchor, n, l->nodes - before);
  } else {
    return tree_fail(l, line, "a value is missing");
  }
  l->depth--;
  *out = n;
  return rc;
}

int cq_tree_parse(cq_arena *a, const char *file, const char *text, size_t n,
                  cq_node **out, cq_error *err) {
  const char *name = cq_arena_strndup(a, file, strlen(file));

  *out = NULL;
  if (!name) return cq_error_nomem(err);
  return cq_tree_parse_part(a, name, 0, text, n, out, err);
}

int cq_tree_parse_part(cq_arena *a, const char *file, int lines,
                       const char *text, size_t n, cq_node **out,
                       cq_error *err) {
  loader l;
  int rc = CQ_OK, have = 0, end = 0;

  *out = NULL;
  if (n > CQ_MAX_SPEC_BYTES)
    return cq_error_set(err, CQ_TOOBIG, "%s: larger than %d bytes", file,
                        CQ_MAX_SPEC_BYTES);
  memset(&l, 0, sizeof l);
  l.a = a;
  l.err = err;
  l.file = file;
  l.lines = lines;
  if (!yaml_parser_initialize(&l.p)) return cq_error_nomem(err);
  yaml_parser_set_input_string(&l.p, (const unsigned char *)text, n);
  while (rc == CQ_OK && !end) {
    yaml_event_t e;

    if ((rc = tree_next(&l, &e)) != 0) break;
    switch (e.type) {
    case YAML_STREAM_END_EVENT:
      end = 1;
      break;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
      break;
    case YAML_DOCUMENT_START_EVENT:
      if (have++)
        rc = tree_fail(&l, e.start_mark.line, "more than one document");
      break;
    default:
      rc = tree_node(&l, &e, out);
    }
    yaml_event_delete(&e);
  }
  if (rc == CQ_OK && !*out && !(*out = node_new(&l, CQ_N_NULL, 0)))
    rc = cq_error_nomem(err);
  yaml_parser_delete(&l.p);
  cq_free(l.anchors);
  return rc;
}

cq_node *cq_tree_get(const cq_node *map, const char *key) {
  if (!map || map->kind != CQ_N_MAP) return NULL;
  for (size_t i = map->count; i-- > 0;)
    if (strcmp(map->keys[i], key) == 0) return map->items[i];
  return NULL;
}

int cq_tree_merge(cq_arena *a, const cq_node *base, const cq_node *over,
                  cq_node **out, cq_error *err) {
  cq_node *n;
  size_t k = 0;

  if (!base || !over || base->kind != CQ_N_MAP || over->kind != CQ_N_MAP) {
    *out = (cq_node *)(over ? over : base);
    return CQ_OK;
  }
  n = cq_arena_alloc(a, sizeof *n);
  if (!n) return cq_error_nomem(err);
  *n = *over;
  n->items =
      cq_arena_alloc(a, (base->count + over->count + 1) * sizeof *n->items);
  n->keys =
      cq_arena_alloc(a, (base->count + over->count + 1) * sizeof *n->keys);
  int *lines =
      cq_arena_alloc(a, (base->count + over->count + 1) * sizeof *lines);
  if (!n->items || !n->keys || !lines) return cq_error_nomem(err);
  for (size_t i = 0; i < base->count; i++) {
    const cq_node *o = cq_tree_get(over, base->keys[i]);

    if (o && o->kind == CQ_N_NULL) continue;
    n->keys[k] = base->keys[i];
    lines[k] = base->key_lines[i];
    if (!o)
      n->items[k] = base->items[i];
    else if (cq_tree_merge(a, base->items[i], o, &n->items[k], err))
      return CQ_NOMEM;
    k++;
  }
  for (size_t i = 0; i < over->count; i++) {
    if (cq_tree_get(base, over->keys[i])) continue;
    n->keys[k] = over->keys[i];
    lines[k] = over->key_lines[i];
    n->items[k++] = over->items[i];
  }
  n->key_lines = lines;
  n->count = k;
  *out = n;
  return CQ_OK;
}

/* As JSON writes numbers. */
static int number_like(const char *s) {
  const char *p = s;

  if (*p == '-') p++;
  if (*p == '0' && p[1] >= '0' && p[1] <= '9') return 0;
  if (*p < '0' || *p > '9') return 0;
  while (*p >= '0' && *p <= '9') p++;
  if (*p == '.') {
    p++;
    if (*p < '0' || *p > '9') return 0;
    while (*p >= '0' && *p <= '9') p++;
  }
  if (*p == 'e' || *p == 'E') {
    p++;
    if (*p == '-' || *p == '+') p++;
    if (*p < '0' || *p > '9') return 0;
    while (*p >= '0' && *p <= '9') p++;
  }
  return *p == 0;
}

int cq_tree_json(const cq_node *n, cq_buf *out) {
  if (!n) {
    cq_buf_str(out, "null");
    return out->rc;
  }
  switch (n->kind) {
  case CQ_N_NULL:
    cq_buf_str(out, "null");
    break;
  case CQ_N_SCALAR:
    if (!n->quoted && (number_like(n->text) || !strcmp(n->text, "true") ||
                       !strcmp(n->text, "false")))
      cq_buf_str(out, n->text);
    else
      cq_buf_json(out, n->text, strlen(n->text));
    break;
  case CQ_N_LIST:
    cq_buf_byte(out, '[');
    for (size_t i = 0; i < n->count; i++) {
      if (i) cq_buf_byte(out, ',');
      cq_tree_json(n->items[i], out);
    }
    cq_buf_byte(out, ']');
    break;
  case CQ_N_MAP:
    cq_buf_byte(out, '{');
    for (size_t i = 0; i < n->count; i++) {
      if (i) cq_buf_byte(out, ',');
      cq_buf_json(out, n->keys[i], strlen(n->keys[i]));
      cq_buf_byte(out, ':');
      cq_tree_json(n->items[i], out);
    }
    cq_buf_byte(out, '}');
  }
  return out->rc;
}

int cq_tree_check_keys(const cq_node *map, const char *object,
                       const char *const *known, size_t n, cq_error *err) {
  for (size_t i = 0; map && map->kind == CQ_N_MAP && i < map->count; i++) {
    const char *near;
    size_t k;

    for (k = 0; k < n && strcmp(known[k], map->keys[i]) != 0; k++)
      ;
    if (k < n) continue;
    cq_error_set(err, CQ_ERROR, "%s:%d: %s: unknown key \"%.100s\"", map->file,
                 map->key_lines[i], object, map->keys[i]);
    near = cq_nearest(map->keys[i], known, n);
    if (near) cq_error_hint(err, "did you mean \"%s\"?", near);
    return CQ_ERROR;
  }
  return CQ_OK;
}
