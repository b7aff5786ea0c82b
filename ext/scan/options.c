/* ext/scan/options.c: what a source's `table_options` says of a table: each
 * entry is one pass of the table's request, with these members laid over its
 * own.
 *
 *   table_options: {aws_cloudtrail_events: {lookup_events: [{max_age: 3}, ...]}}
 *
 * The table's `options` declares them as a shape, our names -> the request's,
 * to any depth: the way back of what a shape does to an answer.  Our names are
 * known in any case, with or without underscores, as CloudQuery knows them:
 * DBInstanceArns, db_instance_arns and db_instance_ar_ns are one. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"

/* ---- an entry's names become the request's --------------------------------- */
typedef struct naming {
  const cq_table *t;
  const cq_node *at; /* the value at work where it stands in a spec, or NULL; */
  const char *key;   /* not NULL: this key of it.  Both stay where it failed. */
  cq_error *err;
} naming;

static json_t *name_value(naming *x, const cq_shape *s, const json_t *v,
                          const char *at);

/* The value that is looked at next, in a map or a list. */
static const cq_node *step_in(naming *x, const char *key, size_t i) {
  const cq_node *was = x->at, *n = NULL;

  if (was && key)
    n = cq_tree_get(was, key);
  else if (was && was->kind == CQ_N_LIST && i < was->count)
    n = was->items[i];
  if (n) x->at = n;
  return was;
}

static int is_named(const char *own, const char *said) {
  for (;; own++, said++) {
    while (*own == '_') own++;
    while (*said == '_') said++;
    if (*own == 0 || cq_lower(*own) != cq_lower(*said)) return *own == *said;
  }
}

static json_t *odd(naming *x, const char *at, const char *wants) {
  cq_error_set(x->err, CQ_MISUSE, "%s: table_options: %s: %s: expected %s",
               x->t->name, x->t->option.name, at, wants);
  return NULL;
}

static json_t *name_object(naming *x, const cq_shape *s, const json_t *v,
                           const char *at) {
  json_t *out, *item, *made;
  const char *key;
  size_t i;

  if (!json_is_object(v)) return odd(x, at, "a map");
  out = json_object();
  json_object_foreach((json_t *)v, key, item) {
    const cq_node *was;

    for (i = 0; i < s->nmember && !is_named(s->members[i].name, key); i++)
      ;
    if (i == s->nmember) {
      const char **names = cq_calloc(s->nmember + 1, sizeof *names), *near;

      cq_error_set(x->err, CQ_MISUSE, "%s: table_options: %s: unknown %s",
                   x->t->name, x->t->option.name, key);
      for (i = 0; names && i < s->nmember; i++) names[i] = s->members[i].name;
      x->key = key;
      near = names ? cq_nearest(key, names, s->nmember) : NULL;
      if (near) cq_error_hint(x->err, "did you mean \"%s\"?", near);
      cq_free(names);
      json_decref(out);
      return NULL;
    }
    if (json_is_null(item)) continue;
    was = step_in(x, key, 0);
    made = name_value(x, s->members[i].shape, item, key);
    if (made) x->at = was;
    if (!made || json_object_set_new(out, s->members[i].wire, made)) {
      json_decref(out);
      return NULL;
    }
  }
  return out;
}

static json_t *name_list(naming *x, const cq_shape *s, const json_t *v,
                         const char *at) {
  json_t *out, *item, *made;
  size_t i;

  if (!json_is_array(v)) return odd(x, at, "a list");
  out = json_array();
  json_array_foreach(v, i, item) {
    const cq_node *was = step_in(x, NULL, i);

    made = name_value(x, s->item, item, at);
    if (made) x->at = was;
    if (!made || json_array_append_new(out, made)) {
      json_decref(out);
      return NULL;
    }
  }
  return out;
}

static json_t *name_map(naming *x, const cq_shape *s, const json_t *v,
                        const char *at) {
  json_t *out, *item, *made;
  const char *key;

  if (!json_is_object(v)) return odd(x, at, "a map");
  out = json_object();
  json_object_foreach((json_t *)v, key, item) {
    const cq_node *was = step_in(x, key, 0);

    made = name_value(x, s->item, item, at);
    if (made) x->at = was;
    if (!made || json_object_set_new(out, key, made)) {
      json_decref(out);
      return NULL;
    }
  }
  return out;
}

/* Times are written as the shape says that the wire has them. */
static json_t *name_time(naming *x, const cq_shape *s, const json_t *v,
                         const char *at) {
  const char *text = json_string_value(v);
  int64_t us;

  if (!text || !s->format || strncmp(s->format, "epoch", 5) != 0)
    return json_incref((json_t *)v);
  if (cq_time_parse(text, strlen(text), &us)) return odd(x, at, "a time");
  return json_integer(strcmp(s->format, "epoch_ms") == 0 ? us / 1000
                                                         : us / 1000000);
}

static json_t *name_value(naming *x, const cq_shape *s, const json_t *v,
                          const char *at) {
  switch (s->kind) {
  case CQ_SH_OBJECT:
    return name_object(x, s, v, at);
  case CQ_SH_LIST:
    return name_list(x, s, v, at);
  case CQ_SH_MAP:
    return name_map(x, s, v, at);
  case CQ_SH_SCALAR:
    break;
  }
  if (s->type == CQ_JSON) return json_incref((json_t *)v);
  if (json_is_object(v) || json_is_array(v))
    return odd(x, at, cq_type_name(s->type));
  if (s->type == CQ_INTEGER && !json_is_integer(v))
    return odd(x, at, "a whole number");
  if (s->type == CQ_BOOLEAN && !json_is_boolean(v))
    return odd(x, at, "true or false");
  if (s->type == CQ_TIMESTAMP) return name_time(x, s, v, at);
  return json_incref((json_t *)v);
}

static int read_list(naming *x, const json_t *list, cq_arena *a,
                     const char ***out, size_t *n) {
  const cq_table *t = x->t;
  const json_t *entry;
  size_t i;

  *out = cq_arena_alloc(a, (json_array_size(list) + 1) * sizeof **out);
  if (!*out) return cq_error_nomem(x->err);
  json_array_foreach(list, i, entry) {
    const cq_node *was = step_in(x, NULL, i);
    json_t *made = name_object(x, t->option.shape, entry, t->option.name);
    char *dump = made ? json_dumps(made, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    json_decref(made);
    if (!made) return x->err && x->err->code ? x->err->code : CQ_MISUSE;
    x->at = was;
    (*out)[*n] = dump ? cq_arena_strndup(a, dump, strlen(dump)) : NULL;
    free(dump);
    if (!(*out)[(*n)++]) return cq_error_nomem(x->err);
  }
  return CQ_OK;
}

static int names_it(cq_ref *const *refs, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (refs[i]->root == CQ_R_CONFIG &&
        strcmp(refs[i]->name, "table_options") == 0)
      return 1;
  return 0;
}

/* Does its request name the setting itself?  Then what stands there is for it
 * to know. */
static int reads_it(const cq_table *t) {
  const cq_request_def *r = t->request;
  const cq_param *lists[] = {r ? r->query : NULL, r ? r->form : NULL};
  size_t counts[] = {r ? r->nquery : 0, r ? r->nform : 0}, n = 0;
  int yes = 0;

  for (int k = 0; k < 2; k++)
    for (size_t i = 0; i < counts[k]; i++) {
      cq_ref *const *refs = cq_template_refs(lists[k][i].value, &n);

      yes |= names_it(refs, n);
    }
  if (r && r->json) {
    cq_ref *const *refs = cq_json_tpl_refs(r->json, &n);

    yes |= names_it(refs, n);
  }
  return yes;
}

static int read_table(naming *x, const cq_config *c, cq_arena *a,
                      const char ***out, size_t *n) {
  const cq_table *t = x->t;
  json_t *all, *mine, *list = NULL;
  const char *key;
  cq_value v;
  int rc = CQ_OK;

  *n = 0;
  *out = NULL;
  if (!c || cq_config_get(c, "table_options", &v) || v.kind != CQ_STR ||
      (!t->option.name && reads_it(t)))
    return CQ_OK;
  all = json_loadb(v.u.s, v.len, 0, NULL);
  mine = json_object_get(all, t->name);
  if (mine && !t->option.name)
    rc = cq_error_set(x->err, CQ_MISUSE,
                      "%s: table_options: the table has none", t->name);
  else if (mine && !json_is_object(mine))
    rc = cq_error_set(x->err, CQ_MISUSE,
                      "%s: table_options: expected a map with %s", t->name,
                      t->option.name);
  if (rc == CQ_OK && json_object_size(mine) > 1)
    rc = cq_error_set(x->err, CQ_MISUSE,
                      "%s: table_options: expected a map with %s alone",
                      t->name, t->option.name);
  if (rc == CQ_OK && mine) {
    step_in(x, t->name, 0);
    json_object_foreach(mine, key, list) {
      x->key = key;
      if (!is_named(t->option.name, key))
        rc = cq_error_set(x->err, CQ_MISUSE,
                          "%s: table_options: unknown %s\nhint: did you mean "
                          "\"%s\"?",
                          t->name, key, t->option.name);
      else if (!json_is_array(list))
        rc = cq_error_set(x->err, CQ_MISUSE,
                          "%s: table_options: %s: expected a list of maps",
                          t->name, key);
      if (rc) break;
      step_in(x, key, 0);
      x->key = NULL;
    }
    list = json_object_iter_value(json_object_iter(mine));
  }
  if (rc == CQ_OK && list) rc = read_list(x, list, a, out, n);
  json_decref(all);
  return rc;
}

int cq_options_read(const cq_config *c, const cq_table *t, cq_arena *a,
                    const char ***out, size_t *n, cq_error *err) {
  naming x = {t, NULL, NULL, err};

  return read_table(&x, c, a, out, n);
}

/* The line of what is wrong, as far as the spec has lines. */
static void told_where(const naming *x) {
  int line = x->at ? x->at->line : 0;

  for (size_t i = 0;
       x->at && x->key && x->at->kind == CQ_N_MAP && i < x->at->count; i++)
    if (strcmp(x->at->keys[i], x->key) == 0) line = x->at->key_lines[i];
  if (x->at) cq_error_prefix(x->err, "%s:%d: ", x->at->file, line);
}

int cq_options_check(cq_registry *r, const cq_integration *in,
                     const cq_config *c, const cq_node *spec, cq_error *err) {
  json_t *all, *v;
  const char *key;
  cq_value text;
  int rc = CQ_OK;

  if (cq_config_get(c, "table_options", &text) || text.kind != CQ_STR)
    return CQ_OK;
  all = json_loadb(text.u.s, text.len, 0, NULL);
  json_object_foreach(all, key, v) {
    naming x = {NULL, cq_tree_get(spec, "table_options"), key, err};
    const char **out;
    cq_error none = {0, ""};
    cq_arena a;
    size_t n;

    (void)v;
    if (cq_registry_table(r, key, &x.t, &none) || x.t->integration != in) {
      rc = cq_error_set(err, CQ_MISUSE, "table_options: %s: no table of %s",
                        key, in->name);
    } else {
      cq_arena_init(&a);
      rc = read_table(&x, c, &a, &out, &n);
      cq_arena_clear(&a);
    }
    if (rc == CQ_NOMEM) break;
    if (rc) told_where(&x);
    if (rc) break;
  }
  json_decref(all);
  return rc;
}

/* ---- into a request -------------------------------------------------------------- */

/* `?Name` is a parameter of the address, whatever the request's body is. */
static int stands(const char *wire, cq_option_place place) {
  return place == CQ_OPTION_ALL || (*wire == '?') == (place == CQ_OPTION_QUERY);
}

static void put_pair(cq_buf *out, char *sep, const char *name, size_t n,
                     const json_t *v) {
  char *dump = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY);
  const char *text = dump ? dump : json_string_value(v);

  if (text) {
    if (*sep) cq_buf_byte(out, *sep);
    *sep = '&';
    cq_percent_encode(out, name, n, "");
    cq_buf_byte(out, '=');
    cq_percent_encode(out, text, strlen(text), "");
  }
  free(dump);
}

/* Lists and structures of a form: Name.1.Member, Name.member.1; of an address
 * a list is a name that repeats.  `name` is the path so far. */
static void put_value(cq_buf *out, char *sep, const cq_shape *s, cq_buf *name,
                      const json_t *v, int query) {
  size_t was = name->len, i;
  const char *key;
  json_t *item;

  if (json_is_array(v)) {
    json_array_foreach(v, i, item) {
      if (!query && s->wire_item) cq_buf_printf(name, ".%s", s->wire_item);
      if (!query) cq_buf_printf(name, ".%d", (int)i + 1);
      put_value(out, sep, s->kind == CQ_SH_LIST ? s->item : s, name, item,
                query);
      name->len = was;
    }
  } else if (json_is_object(v) && s->kind == CQ_SH_OBJECT) {
    json_object_foreach((json_t *)v, key, item) {
      cq_buf_printf(name, ".%s", key);
      for (i = 0; i < s->nmember && strcmp(s->members[i].wire, key) != 0; i++)
        ;
      if (i < s->nmember)
        put_value(out, sep, s->members[i].shape, name, item, query);
      name->len = was;
    }
  } else if (json_is_object(v)) {
    const char *entry = s->wire_entry ? s->wire_entry : "entry";
    size_t at;
    int n = 0;

    json_object_foreach((json_t *)v, key, item) {
      json_t *k = json_string(key);

      if (strcmp(entry, ".") != 0) cq_buf_printf(name, ".%s", entry);
      cq_buf_printf(name, ".%d", ++n);
      at = name->len;
      cq_buf_printf(name, ".%s", s->wire_key ? s->wire_key : "key");
      put_pair(out, sep, name->data, name->len, k);
      json_decref(k);
      name->len = at;
      cq_buf_printf(name, ".%s", s->wire_value ? s->wire_value : "value");
      put_value(out, sep, s->item ? s->item : s, name, item, query);
      name->len = was;
    }
  } else {
    put_pair(out, sep, name->data, name->len, v);
  }
}

int cq_options_pairs(const cq_shape *s, const char *json, cq_option_place place,
                     char *sep, cq_buf *out) {
  json_t *all = json_loads(json, 0, NULL);
  cq_buf name;

  cq_buf_init(&name, CQ_MAX_URL);
  for (size_t i = 0; all && i < s->nmember; i++) {
    const cq_member *m = &s->members[i];
    const json_t *v = json_object_get(all, m->wire);

    if (!v || !stands(m->wire, place)) continue;
    cq_buf_reset(&name);
    cq_buf_str(&name, m->wire + (m->wire[0] == '?'));
    put_value(out, sep, m->shape, &name, v, place != CQ_OPTION_FORM);
  }
  json_decref(all);
  if (name.rc && !out->rc) out->rc = name.rc;
  cq_buf_clear(&name);
  return all ? out->rc : CQ_NOMEM;
}

int cq_options_body(const char *json, cq_buf *b) {
  json_t *over = json_loads(json, 0, NULL), *v;
  json_t *body = b->len ? json_loadb(b->data, b->len, 0, NULL) : json_object();
  const char *key;
  char *dump = NULL;

  if (json_is_object(body) && over) {
    json_object_foreach(over, key, v) {
      json_t *own = json_object_get(body, key);

      if (*key == '?') continue;
      if (json_is_object(own) && json_is_object(v))
        json_object_update_recursive(own, v);
      else
        json_object_set(body, key, v);
    }
    dump = json_dumps(body, JSON_COMPACT);
  }
  json_decref(over);
  json_decref(body);
  if (!dump) return CQ_NOMEM;
  cq_buf_reset(b);
  cq_buf_str(b, dump);
  free(dump);
  return b->rc;
}

int cq_options_has(const char *json, const char *name, cq_option_place place) {
  json_t *all = json_loads(json, 0, NULL), *v;
  const char *key;
  int has = 0;

  json_object_foreach(all, key, v) {
    const char *own = key + (*key == '?');
    size_t n = strlen(own);

    (void)v;
    has |= stands(key, place) && strncmp(own, name, n) == 0 &&
           (name[n] == 0 || name[n] == '.');
  }
  json_decref(all);
  return has;
}
