/* ext/spec/filters_json.c: the filters of templates that are about lists,
 * objects, and documents as texts. */
#define _GNU_SOURCE 1 /* memmem */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/template.h"

#define ARGS   CQ_FILTER_ARGS
#define UNUSED (void)in, (void)args, (void)narg, (void)a, (void)err
#define give   cq_filter_give

/* Takes `j`; a number is given as it is written. */
static int give_json(cq_arena *a, json_t *j, cq_value *out, cq_error *err) {
  size_t n;
  const char *number = cq_numbers_text(j, &n);
  int rc =
      number ? give(a, number, n, 0, out, err) : cq_numbers_value(a, j, out);

  json_decref(j);
  return rc ? cq_error_nomem(err) : CQ_OK;
}

/* A word or a number as text; else its JSON, to be freed as *made. */
static const char *words_of(const json_t *j, size_t *n, char **made) {
  const char *s = cq_numbers_text(j, n);

  *made = NULL;
  if (s) return s;
  *n = json_string_length(j);
  if (json_is_string(j)) return json_string_value(j);
  *made = cq_numbers_dump(j, JSON_COMPACT);
  *n = *made ? strlen(*made) : 0;
  return *made;
}

/* Takes `item`; NULL is no memory. */
static int list_put(json_t *list, json_t *item) {
  return json_array_append_new(list, item) ? CQ_NOMEM : CQ_OK;
}

/* Takes `j`, which was to be made: not there, or cut short, is no memory. */
static int give_list(cq_arena *a, json_t *j, int rc, cq_value *out,
                     cq_error *err) {
  if (j && !rc) return give_json(a, j, out, err);
  json_decref(j);
  return cq_error_nomem(err);
}

/* Is it no memory that has kept the library from reading this?  It says so
 * only at times; else it calls a word wrong that is right. */
static int lacked_memory(const char *s, size_t n, const json_error_t *why) {
  enum json_error_code code = json_error_code(why);
  cq_buf b;
  int rc;

  switch (code) {
  case json_error_invalid_utf8:
  case json_error_null_character:
  case json_error_numeric_overflow:
  case json_error_stack_overflow:
    return 0;
  case json_error_out_of_memory:
    return 1;
  default:
    if (strncmp(why->text, "invalid Unicode", 15) == 0) return 0;
  }
  cq_buf_init(&b, n + 1);
  rc = cq_json_minify(&b, s, n);
  cq_buf_clear(&b);
  return rc == CQ_OK || rc == CQ_NOMEM;
}

/* *out NULL: it is no JSON. */
static int parse(const char *s, size_t n, json_t **out, cq_error *err) {
  json_error_t why;

  *out = cq_numbers_load(s, n, &why);
  return !*out && lacked_memory(s, n, &why) ? cq_error_nomem(err) : CQ_OK;
}

/* The same of any value: what is no UTF-8 and no number has no JSON. */
static int as_json(const cq_value *v, json_t **out, cq_error *err) {
  int has = 1;

  *out = NULL;
  switch (v->kind) {
  case CQ_STR:
    if (v->json) return parse(v->u.s, v->len, out, err);
    has = cq_utf8_check(v->u.s, v->len) == v->len;
    if (has) *out = json_stringn(v->u.s, v->len);
    break;
  case CQ_INT:
    *out = json_integer(v->u.i);
    break;
  case CQ_DOUBLE:
    has = isfinite(v->u.r);
    if (has) *out = cq_numbers_real(v->u.r);
    break;
  default:
    *out = json_null();
  }
  return *out || !has ? CQ_OK : cq_error_nomem(err);
}

/* NULL has none here. */
static int list_of(const cq_value *v, json_t **out, cq_error *err) {
  *out = NULL;
  return v->kind == CQ_NULL ? CQ_OK : as_json(v, out, err);
}

/* Why a buffer could not be filled. */
static int bad_buf(const cq_buf *b, const char *filter, cq_error *err) {
  return b->rc == CQ_NOMEM
             ? cq_error_nomem(err)
             : cq_error_set(err, b->rc, "%s: a text that is too long", filter);
}

int cq_filter_split(ARGS) {
  json_t *list;
  const char *s, *end;
  int rc = CQ_OK;

  UNUSED;
  *out = cq_value_null();
  if (in->kind != CQ_STR || args[0].kind != CQ_STR || args[0].len == 0)
    return CQ_OK;
  list = json_array();
  for (s = in->u.s, end = s + in->len; s <= end;) {
    const char *at = memmem(s, (size_t)(end - s), args[0].u.s, args[0].len);

    size_t n = (size_t)((at ? at : end) - s);

    /* What is no UTF-8 has no place in JSON. */
    if (cq_utf8_check(s, n) == n && list_put(list, json_stringn(s, n))) {
      rc = CQ_NOMEM;
      break;
    }
    if (!at) break;
    s = at + args[0].len;
  }
  return give_list(a, list, rc, out, err);
}

int cq_filter_join(ARGS) {
  json_t *list, *item;
  size_t i;
  cq_buf b;
  int rc = as_json(in, &list, err);

  UNUSED;
  *out = cq_value_null();
  if (rc) return rc;
  if (!json_is_array(list)) {
    json_decref(list);
    *out = *in;
    return CQ_OK;
  }
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  json_array_foreach(list, i, item) {
    if (i && args[0].kind == CQ_STR) cq_buf_add(&b, args[0].u.s, args[0].len);
    {
      size_t n;
      char *d;
      const char *s = words_of(item, &n, &d);

      if (s)
        cq_buf_add(&b, s, n);
      else
        b.rc = CQ_NOMEM;
      free(d);
    }
  }
  json_decref(list);
  rc = b.rc ? cq_error_nomem(err) : give(a, b.data, b.len, 0, out, err);
  cq_buf_clear(&b);
  return rc;
}

static int pick(ARGS, int last) {
  json_t *list, *item;
  int rc;

  UNUSED;
  *out = cq_value_null();
  if (in->kind != CQ_STR || !in->json) {
    *out = *in;
    return CQ_OK;
  }
  rc = as_json(in, &list, err);
  if (rc) return rc;
  item = json_array_get(
      list, last && json_array_size(list) ? json_array_size(list) - 1 : 0);
  json_incref(item);
  json_decref(list);
  return give_json(a, item, out, err);
}

int cq_filter_first(ARGS) {
  return pick(in, args, narg, a, out, err, 0);
}

int cq_filter_last(ARGS) {
  return pick(in, args, narg, a, out, err, 1);
}

static int members(ARGS, int values) {
  json_t *o, *list, *v;
  const char *k;
  int rc = as_json(in, &o, err);

  UNUSED;
  *out = cq_value_null();
  if (rc) return rc;
  if (!json_is_object(o)) {
    json_decref(o);
    return CQ_OK;
  }
  list = json_array();
  json_object_foreach(o, k, v) {
    if (list_put(list, values ? json_incref(v) : json_string(k))) rc = CQ_NOMEM;
  }
  json_decref(o);
  return give_list(a, list, rc, out, err);
}

int cq_filter_keys(ARGS) {
  return members(in, args, narg, a, out, err, 0);
}

int cq_filter_values(ARGS) {
  return members(in, args, narg, a, out, err, 1);
}

static void arg_word(const cq_value *arg, const char *dflt, char *out,
                     size_t size) {
  if (arg && arg->kind == CQ_STR)
    snprintf(out, size, "%.*s", (int)(arg->len < size ? arg->len : size - 1),
             arg->u.s);
  else
    snprintf(out, size, "%s", dflt);
}

int cq_filter_to_map(ARGS) {
  json_t *list, *map, *item;
  size_t i, n;
  char k[128], v[128];
  int rc = as_json(in, &list, err);

  UNUSED;
  *out = cq_value_null();
  if (rc) return rc;
  if (!json_is_array(list)) {
    json_decref(list);
    return CQ_OK;
  }
  arg_word(narg > 0 ? &args[0] : NULL, "Key", k, sizeof k);
  arg_word(narg > 1 ? &args[1] : NULL, "Value", v, sizeof v);
  map = json_object();
  json_array_foreach(list, i, item) {
    json_t *key = json_object_get(item, k), *value = json_object_get(item, v);

    if (json_is_string(key) && !cq_numbers_text(key, &n) &&
        json_object_set_new(map, json_string_value(key),
                            value ? json_incref(value) : json_null()))
      rc = CQ_NOMEM;
  }
  json_decref(list);
  return give_list(a, map, rc, out, err);
}

/* concat(lists...): one list of all; what is no list is one element. */
int cq_filter_concat(ARGS) {
  json_t *all = json_array();
  int rc = CQ_OK;

  UNUSED;
  for (size_t i = 0; i <= narg; i++) {
    const cq_value *v = i ? &args[i - 1] : in;
    json_t *j;

    if (list_of(v, &j, err)) rc = CQ_NOMEM;
    if (json_is_array(j)) {
      if (json_array_extend(all, j)) rc = CQ_NOMEM;
      json_decref(j);
    } else if (j && list_put(all, j)) {
      rc = CQ_NOMEM;
    }
  }
  return give_list(a, all, rc, out, err);
}

/* objects(key, ...): each element as an object that has it under these keys. */
int cq_filter_objects(ARGS) {
  json_t *list, *all, *item;
  int rc = list_of(in, &list, err);
  size_t i;

  UNUSED;
  *out = cq_value_null();
  if (rc) return rc;
  if (!json_is_array(list)) {
    json_decref(list);
    return CQ_OK;
  }
  all = json_array();
  json_array_foreach(list, i, item) {
    json_t *o = json_object();

    for (size_t k = 0; k < narg; k++) {
      char *key = args[k].kind == CQ_STR
                      ? cq_arena_strndup(a, args[k].u.s, args[k].len)
                      : NULL;

      if (args[k].kind == CQ_STR && (!key || json_object_set(o, key, item)))
        rc = CQ_NOMEM;
    }
    if (list_put(all, o)) rc = CQ_NOMEM;
  }
  json_decref(list);
  return give_list(a, all, rc, out, err);
}

/* find(key, value): the first object of a list whose member is this text. */
int cq_filter_find(ARGS) {
  json_t *list, *item, *found = NULL;
  char *key = NULL;
  cq_value v;
  size_t i;
  int rc = list_of(in, &list, err);

  UNUSED;
  *out = cq_value_null();
  if (rc) return rc;
  if (args[0].kind == CQ_STR) {
    key = cq_arena_strndup(a, args[0].u.s, args[0].len);
    if (!key) rc = CQ_NOMEM;
  }
  if (key && args[1].kind != CQ_NULL) {
    if (cq_filter_text(a, &args[1], &v, err)) {
      json_decref(list);
      return CQ_NOMEM;
    }
    json_array_foreach(list, i, item) {
      json_t *m = json_object_get(item, key);
      char *d = NULL;
      size_t n = 0;
      const char *s = m ? words_of(m, &n, &d) : NULL;

      if (m && !s) rc = CQ_NOMEM;
      if (!found && s && n == v.len && memcmp(s, v.u.s, n) == 0)
        found = json_incref(item);
      free(d);
    }
  }
  json_decref(list);
  if (rc) {
    json_decref(found);
    return cq_error_nomem(err);
  }
  return found ? give_json(a, found, out, err) : CQ_OK;
}

/* Which of an object's members is the first of these keys, read without a
 * tree.  0: not to be told so, since a key is written with escapes or the text
 * is not minified. */
static int find_member(const cq_value *in, const cq_value *keys, size_t n,
                       cq_value *found) {
  size_t at = 0, best = n;
  cq_value key, value;
  int rc;

  *found = cq_value_null();
  while ((rc = cq_json_member(in->u.s, in->len, &at, &key, &value)) == CQ_ROW) {
    if (memchr(key.u.s, '\\', key.len)) return 0;
    for (size_t i = 0; i < n && i <= best; i++)
      if (keys[i].kind == CQ_STR && keys[i].len == key.len &&
          memcmp(keys[i].u.s, key.u.s, key.len) == 0) {
        best = i; /* said twice: the last, as the library has it */
        *found = value;
        break;
      }
  }
  return rc == CQ_DONE;
}

/* get(key, ...): the first of these members that is there. */
int cq_filter_get(ARGS) {
  json_t *o, *m = NULL;
  cq_value text;
  int rc;

  *out = cq_value_null();
  if (in->kind == CQ_STR && in->json && find_member(in, args, narg, &text)) {
    if (text.kind == CQ_NULL) return CQ_OK;
    rc = parse(text.u.s, text.len, &m, err);
    return rc ? rc : give_json(a, m, out, err);
  }
  rc = list_of(in, &o, err);
  if (rc) return rc;
  for (size_t i = 0; o && i < narg && !m; i++) {
    char *key = args[i].kind == CQ_STR
                    ? cq_arena_strndup(a, args[i].u.s, args[i].len)
                    : NULL;

    if (args[i].kind == CQ_STR && !key) {
      json_decref(o);
      return cq_error_nomem(err);
    }
    if (key) m = json_incref(json_object_get(o, key));
  }
  json_decref(o);
  return m ? give_json(a, m, out, err) : CQ_OK;
}

int cq_filter_json(ARGS) {
  json_t *j;
  char *d;
  int rc;

  UNUSED;
  *out = cq_value_null();
  if (in->kind == CQ_NULL) return CQ_OK;
  if (in->kind == CQ_STR && in->json) {
    *out = *in;
    return CQ_OK;
  }
  rc = as_json(in, &j, err);
  if (rc || !j) return rc;
  d = cq_numbers_dump(j, JSON_COMPACT);
  rc = d ? give(a, d, strlen(d), 1, out, err) : cq_error_nomem(err);
  free(d);
  json_decref(j);
  return rc;
}

int cq_filter_from_json(ARGS) {
  json_t *j;
  int rc;

  UNUSED;
  if (in->kind != CQ_STR || in->json) {
    *out = *in;
    return CQ_OK;
  }
  rc = parse(in->u.s, in->len, &j, err);
  return rc ? rc : give_json(a, j, out, err);
}

int cq_filter_from_yaml(ARGS) {
  cq_arena tmp;
  cq_node *n;
  cq_error why = {0, ""};
  cq_buf b;
  int rc;

  UNUSED;
  *out = cq_value_null();
  if (in->kind != CQ_STR) return CQ_OK;
  if (in->len > CQ_MAX_YAML_TEXT)
    return cq_error_set(err, CQ_TOOBIG,
                        "from_yaml: a text of more than %d bytes",
                        CQ_MAX_YAML_TEXT);
  cq_arena_init(&tmp);
  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  rc = cq_tree_parse(&tmp, "text", in->u.s, in->len, &n, &why);
  if (rc == CQ_OK) {
    cq_tree_json(n, &b);
    rc = b.rc ? bad_buf(&b, "from_yaml", err)
              : give(a, b.data, b.len, 1, out, err);
  } else {
    /* What is not YAML has no JSON form: NULL. */
    rc = rc == CQ_NOMEM ? cq_error_nomem(err) : CQ_OK;
  }
  cq_buf_clear(&b);
  cq_arena_clear(&tmp);
  return rc;
}

int cq_filter_from_xml(ARGS) {
  json_t *text;
  cq_buf b;
  int rc;

  UNUSED;
  *out = cq_value_null();
  if (in->kind != CQ_STR) return CQ_OK;
  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  rc = cq_xml_json(&b, in->u.s, in->len);
  if (rc == CQ_OK && b.data[0] == '"') { /* a text alone is that text */
    rc = parse(b.data, b.len, &text, err);
    if (rc == CQ_OK) rc = give_json(a, text, out, err);
  } else if (rc == CQ_OK)
    rc = give(a, b.data, b.len, 1, out, err);
  else if (rc == CQ_NOMEM)
    cq_error_nomem(err);
  else /* what is no XML has no JSON form: NULL */
    rc = CQ_OK;
  cq_buf_clear(&b);
  return rc;
}

/* Of JSON its form with sorted keys, so that equal documents are equal. */
int cq_filter_hash(ARGS) {
  static const char hex[] = "0123456789abcdef";
  unsigned char sum[32];
  char text[64], *dump = NULL;
  cq_value t;

  UNUSED;
  *out = cq_value_null();
  if (in->kind == CQ_NULL) return CQ_OK;
  if (cq_filter_text(a, in, &t, err)) return CQ_NOMEM;
  if (in->kind == CQ_STR && in->json) {
    json_t *j;

    if (as_json(in, &j, err)) return CQ_NOMEM;
    if (j) {
      dump = cq_numbers_dump(j, JSON_COMPACT | JSON_SORT_KEYS);
      json_decref(j);
      if (!dump) return cq_error_nomem(err);
    }
  }
  cq_sha256(dump ? dump : t.u.s, dump ? strlen(dump) : t.len, sum);
  free(dump);
  for (int i = 0; i < 32; i++) {
    text[2 * i] = hex[sum[i] >> 4];
    text[2 * i + 1] = hex[sum[i] & 15];
  }
  return give(a, text, 64, 0, out, err);
}

/* Is the text among the words of a list?  -1: other things are in it, too.
 * No tree is made: a table's `only` asks so for each account and region. */
static int list_has(const cq_value *list, const cq_value *text, cq_arena *a) {
  size_t at = 0;
  cq_value v;
  int rc, found = 0;

  while ((rc = cq_json_element(a, list->u.s, list->len, &at, &v)) == CQ_ROW) {
    if (v.kind != CQ_STR || v.json || list->u.s[at - 1] != '"') return -1;
    if (v.len == text->len && memcmp(v.u.s, text->u.s, v.len) == 0) found = 1;
  }
  return rc == CQ_DONE ? found : -1;
}

int cq_filter_contains(ARGS) {
  json_t *j, *item;
  size_t i;
  cq_value t;
  int rc = CQ_OK, known;

  UNUSED;
  *out = cq_value_int(0);
  if (in->kind != CQ_STR || args[0].kind == CQ_NULL) return CQ_OK;
  if (cq_filter_text(a, &args[0], &t, err)) return CQ_NOMEM;
  if (!in->json) {
    *out = cq_value_int(memmem(in->u.s, in->len, t.u.s, t.len) != NULL);
    return CQ_OK;
  }
  known = list_has(in, &t, a);
  if (known >= 0) {
    *out = cq_value_int(known);
    return CQ_OK;
  }
  if (as_json(in, &j, err)) return CQ_NOMEM;
  json_array_foreach(j, i, item) {
    char *d;
    size_t n;
    const char *s = words_of(item, &n, &d);

    if (!s) rc = cq_error_nomem(err);
    if (s && n == t.len && memcmp(s, t.u.s, n) == 0) *out = cq_value_int(1);
    free(d);
  }
  if (json_is_object(j)) {
    char *key = cq_arena_strndup(a, t.u.s, t.len);

    if (!key) rc = cq_error_nomem(err);
    *out = cq_value_int(key && json_object_get(j, key) != NULL);
  }
  json_decref(j);
  return rc;
}

/* without([names]): an object less these keys; NULL where none is left. */
int cq_filter_without(ARGS) {
  json_t *o, *names, *name;
  size_t i;
  int rc = as_json(in, &o, err);

  UNUSED;
  if (rc == CQ_OK) rc = as_json(&args[0], &names, err);
  if (rc) {
    json_decref(o);
    return rc;
  }
  json_array_foreach(names, i, name) if (json_is_string(name))
      json_object_del(o, json_string_value(name));
  json_decref(names);
  if (!json_is_object(o)) {
    json_decref(o);
    o = NULL;
  }
  return give_json(a, o, out, err);
}

int cq_filter_length(ARGS) {
  json_t *j;

  UNUSED;
  *out = cq_value_null();
  if (in->kind == CQ_STR && in->json) {
    if (as_json(in, &j, err)) return CQ_NOMEM;
    *out = cq_value_int(
        (int64_t)(json_is_array(j) ? json_array_size(j) : json_object_size(j)));
    json_decref(j);
  } else if (in->kind == CQ_STR) {
    int64_t n = 0; /* characters, as SQL's length() */

    for (size_t i = 0; i < in->len; i++)
      n += ((unsigned char)in->u.s[i] & 0xC0) != 0x80;
    *out = cq_value_int(n);
  }
  return CQ_OK;
}
