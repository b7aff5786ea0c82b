/* ext/spec/config_check.c: is a setting's value what its definition says?  Its
 * kind and its members, as it is set; the words that it may be, and what must
 * hold of several settings, when all of them are.
 *
 * A value that stands in a spec is told by its line there. */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/load.h"

typedef struct fitting {
  config_place *at; /* of what does not fit */
  int secret;
  cq_error *err;
} fitting;

/* Where a value stands in the definition: `accounts: role_arn`. */
typedef struct place {
  const struct place *above;
  const cq_config_def *def;
} place;

static void place_name(const place *p, cq_buf *out) {
  if (p->above) {
    place_name(p->above, out);
    cq_buf_str(out, ": ");
  }
  cq_buf_str(out, p->def->name);
}

static int fit_fail(const fitting *f, const place *p, const cq_node *at,
                    int line, const char *fmt, ...) CQ_PRINTF(5, 6);
static int fit_fail(const fitting *f, const place *p, const cq_node *at,
                    int line, const char *fmt, ...) {
  char text[300];
  va_list ap;
  cq_buf b;
  int rc;

  f->at->file = at->file;
  f->at->line = line;
  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  cq_buf_init(&b, 4096);
  place_name(p, &b);
  rc =
      cq_error_set(f->err, CQ_ERROR, "config %s: %s", b.rc ? "" : b.data, text);
  cq_buf_clear(&b);
  return rc;
}

static const char *wants(const cq_config_def *d) {
  return d->is_list ? "a list" : d->is_map ? "a map" : cq_type_name(d->type);
}

static int fit_kind(const fitting *f, const place *p, const cq_node *v,
                    const char *expected) {
  if (v->kind == CQ_N_LIST || v->kind == CQ_N_MAP)
    return fit_fail(f, p, v, v->line, "expected %s, not a %s", expected,
                    v->kind == CQ_N_LIST ? "list" : "map");
  return fit_fail(f, p, v, v->line, "expected %s, not \"%.200s\"", expected,
                  f->secret ? "***"
                  : v->text ? v->text
                            : "");
}

static int fit_scalar(const fitting *f, const place *p, const cq_node *v,
                      int type) {
  const char *s = v->text;
  char *end;
  long long n;

  if (v->kind != CQ_N_SCALAR) return fit_kind(f, p, v, cq_type_name(type));
  switch (type) {
  case CQ_INTEGER:
    n = strtoll(s, &end, 10);
    if (!*s || *end) break;
    if (n >= p->def->min) return CQ_OK;
    return fit_fail(f, p, v, v->line, "%.200s is below %lld",
                    f->secret ? "***" : s, (long long)p->def->min);
  case CQ_REAL:
    (void)!cq_strtod(s, &end);
    if (*s && !*end) return CQ_OK;
    break;
  case CQ_BOOLEAN:
    if (!strcmp(s, "true") || !strcmp(s, "false") || !strcmp(s, "1") ||
        !strcmp(s, "0"))
      return CQ_OK;
    break;
  default:
    return CQ_OK;
  }
  return fit_kind(f, p, v, cq_type_name(type));
}

static int fit(const fitting *f, const place *p, const cq_node *v);

static int fit_members(const fitting *f, const place *p, const cq_node *v) {
  const cq_config_def *d = p->def;
  int rc = CQ_OK;

  for (size_t i = 0; i < v->count && rc == CQ_OK; i++) {
    const char *names[256], *near;
    place below = {p, NULL};
    int n = d->nmember < 256 ? d->nmember : 256;

    for (int k = 0; k < n; k++) {
      names[k] = d->members[k].name;
      if (strcmp(names[k], v->keys[i]) == 0) below.def = &d->members[k];
    }
    if (below.def) {
      rc = fit(f, &below, v->items[i]);
      continue;
    }
    near = cq_nearest(v->keys[i], names, (size_t)n);
    rc = fit_fail(f, p, v, v->key_lines[i], "unknown key \"%.100s\"",
                  v->keys[i]);
    if (near) cq_error_hint(f->err, "did you mean \"%s\"?", near);
  }
  for (int k = 0; k < d->nmember && rc == CQ_OK; k++) {
    const cq_node *m = cq_tree_get(v, d->members[k].name);

    if (d->members[k].required && (!m || m->kind == CQ_N_NULL)) {
      place below = {p, &d->members[k]};

      rc = fit_fail(f, &below, v, v->line, "is missing");
    }
  }
  return rc;
}

/* A word or a map where a list is wanted is a list of one. */
static int fit_item(const fitting *f, const place *p, const cq_node *v) {
  const cq_config_def *d = p->def;

  if (d->nmember && v->kind != CQ_N_MAP) return fit_kind(f, p, v, "a map");
  if (d->nmember) return fit_members(f, p, v);
  return d->items ? fit_scalar(f, p, v, d->items) : CQ_OK;
}

static int fit(const fitting *f, const place *p, const cq_node *v) {
  const cq_config_def *d = p->def;
  int rc = CQ_OK;

  if (v->kind == CQ_N_NULL) return CQ_OK;
  if (d->type != CQ_JSON) return fit_scalar(f, p, v, d->type);
  if (d->is_map) {
    if (v->kind != CQ_N_MAP) return fit_kind(f, p, v, wants(d));
    return d->nmember ? fit_members(f, p, v) : CQ_OK;
  }
  if (v->kind != CQ_N_LIST) return fit_item(f, p, v);
  for (size_t i = 0; i < v->count && rc == CQ_OK; i++)
    rc = fit_item(f, p, v->items[i]);
  return rc;
}

int config_fits(const cq_config_def *d, const cq_node *v, config_place *at,
                cq_error *err) {
  fitting f = {at, d->secret, err};
  place p = {NULL, d};

  return fit(&f, &p, v);
}

/* ---- known words -------------------------------------------------------------- */

static int config_name(void *user, const cq_ref *ref, cq_arena *a,
                       cq_value *out, cq_error *err) {
  const cq_config *c = user;

  (void)a;
  (void)err;
  *out = cq_value_null();
  if (ref->root == CQ_R_CONFIG) cq_config_get(c, ref->name, out);
  if (ref->root == CQ_R_DATA) cq_config_data(c, ref->name, out);
  return CQ_OK;
}

static cq_context config_context(const cq_config *c) {
  cq_context x = {(void *)c, config_name};

  return x;
}

/* The words, or n = 0 where any will do. */
static int known_words(const cq_config *c, const cq_template *t, cq_arena *a,
                       const char ***out, size_t *n, cq_error *err) {
  cq_context x = config_context(c);
  json_t *list, *item;
  cq_value v;
  size_t i;
  int rc = cq_template_eval(t, &x, CQ_PLACE_PLAIN, a, &v, err);

  *n = 0;
  if (rc || v.kind != CQ_STR || !v.json) return rc;
  list = cq_numbers_load(v.u.s, v.len, NULL);
  *out = cq_arena_alloc(a, (json_array_size(list) + 1) * sizeof **out);
  if (!*out) rc = cq_error_nomem(err);
  json_array_foreach(list, i, item) {
    const char *s = json_string_value(item);

    if (rc || !s) continue;
    (*out)[*n] = cq_arena_strndup(a, s, strlen(s));
    if (!(*out)[(*n)++]) rc = cq_error_nomem(err);
  }
  json_decref(list);
  return rc;
}

/* In a list a word with * stands for all that it matches. */
static int known_word(const fitting *f, const place *p, const cq_node *v,
                      const char *const *words, size_t n) {
  const cq_config_def *d = p->def;
  const char *near;
  int rc;

  if (v->kind != CQ_N_SCALAR) return CQ_OK;
  for (size_t i = 0; i < n; i++)
    if (strcmp(words[i], v->text) == 0 ||
        (d->is_list && strchr(v->text, '*') && cq_glob(v->text, words[i])))
      return CQ_OK;
  near = cq_nearest(v->text, words, n);
  rc = fit_fail(f, p, v, v->line, "unknown word \"%.100s\"",
                f->secret ? "***" : v->text);
  if (near && d->known_message)
    cq_error_hint(f->err, "did you mean \"%s\"? %s", near, d->known_message);
  else if (near)
    cq_error_hint(f->err, "did you mean \"%s\"?", near);
  else if (d->known_message)
    cq_error_hint(f->err, "%s", d->known_message);
  return rc;
}

static int known_value(const cq_config *c, const fitting *f, const place *p,
                       const cq_node *v, cq_arena *a) {
  const cq_config_def *d = p->def;
  const cq_node *const *items =
      v->kind == CQ_N_LIST ? (const cq_node *const *)v->items : &v;
  size_t count = v->kind == CQ_N_LIST ? v->count : 1, n = 0;
  const char **words = NULL;
  int rc = CQ_OK;

  if (d->known) rc = known_words(c, d->known, a, &words, &n, f->err);
  for (size_t i = 0; i < count && rc == CQ_OK; i++) {
    if (n) rc = known_word(f, p, items[i], words, n);
    for (int k = 0; k < d->nmember && rc == CQ_OK; k++) {
      place below = {p, &d->members[k]};
      const cq_node *m = cq_tree_get(items[i], d->members[k].name);

      if (m) rc = known_value(c, f, &below, m, a);
    }
  }
  return rc;
}

static int knows(const cq_config_def *d) {
  if (d->known) return 1;
  for (int i = 0; i < d->nmember; i++)
    if (knows(&d->members[i])) return 1;
  return 0;
}

/* What the spec has; what comes from elsewhere, or is text there, is read
 * anew, and has no line of its own. */
static int known_setting(const cq_config *c, const cq_config_def *d,
                         const cq_node *spec, config_place *at, cq_error *err) {
  fitting f = {at, d->secret, err};
  place p = {NULL, d};
  const cq_node *v = cq_tree_get(spec, d->name);
  const char *text = config_text(c, d);
  cq_node *read = NULL;
  cq_arena a;
  int rc = CQ_OK;

  if (!text || !knows(d)) return CQ_OK;
  cq_arena_init(&a);
  if (!v || v->kind == CQ_N_NULL ||
      (v->kind == CQ_N_SCALAR && d->type == CQ_JSON)) {
    int line = at->line;
    const char *file = at->file;

    rc = cq_tree_parse(&a, "value", text, strlen(text), &read, err);
    if (rc == CQ_OK) rc = known_value(c, &f, &p, read, &a);
    at->file = file;
    at->line = line;
  } else {
    rc = known_value(c, &f, &p, v, &a);
  }
  cq_arena_wipe(&a);
  return rc;
}

int cq_config_check(const cq_config *c, const cq_node *spec, const char *only,
                    cq_error *err) {
  const cq_integration *in = config_integration(c);
  cq_context x = config_context(c);
  config_place at = {NULL, 0};
  int rc = CQ_OK;

  for (int i = 0; i < in->nconfig && rc == CQ_OK; i++) {
    if (only && strcmp(only, in->config[i].name) != 0) continue;
    config_line(spec, in->config[i].name, &at);
    rc = known_setting(c, &in->config[i], spec, &at, err);
  }
  for (size_t i = 0; i < in->ncheck && rc == CQ_OK && !only; i++) {
    cq_arena a;
    int yes = 0;

    cq_arena_init(&a);
    config_line(spec, in->checks[i].setting, &at);
    rc = cq_template_true(in->checks[i].when, &x, &a, &yes, err);
    if (rc == CQ_OK && yes)
      rc = cq_error_set(err, CQ_ERROR, "config %s: %s", in->checks[i].setting,
                        in->checks[i].message);
    cq_arena_wipe(&a);
  }
  if (rc && at.file) cq_error_prefix(err, "%s:%d: ", at.file, at.line);
  return rc;
}
