/* ext/spec/config.c: the configuration of one source: what its spec says,
 * checked against the definitions, over environment and defaults.
 *
 * Secrets live here and nowhere else; they are wiped when the last user goes. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "spec/load.h"

struct cq_config {
  int refs;
  const cq_integration *in;
  char **text; /* per definition; NULL = no value */
};

static int config_index(const cq_config *c, const char *name) {
  for (int i = 0; i < c->in->nconfig; i++)
    if (strcmp(c->in->config[i].name, name) == 0) return i;
  return -1;
}

const cq_integration *config_integration(const cq_config *c) {
  return c->in;
}

const char *config_text(const cq_config *c, const cq_config_def *d) {
  return c->text[d - c->in->config];
}

int cq_config_is_secret(const cq_config *c, const char *name) {
  int i = config_index(c, name);

  return i >= 0 && c->in->config[i].secret;
}

static int config_unknown(const cq_config *c, const char *name, cq_error *err) {
  const char *names[256], *near;
  size_t n = 0;

  for (int i = 0; i < c->in->nconfig && n < 256; i++)
    names[n++] = c->in->config[i].name;
  cq_error_set(err, CQ_ERROR, "%s: no setting \"%s\"", c->in->name, name);
  near = cq_nearest(name, names, n);
  if (near) cq_error_hint(err, "did you mean \"%s\"?", near);
  return CQ_ERROR;
}

static int config_put(cq_config *c, int i, const char *s) {
  char *copy = cq_strdup(s);

  if (!copy) return CQ_NOMEM;
  if (c->text[i]) cq_wipe(c->text[i], strlen(c->text[i]));
  cq_free(c->text[i]);
  c->text[i] = copy;
  return CQ_OK;
}

/* A list or a map as JSON, which YAML's flow style may be too: [a, b].  A text
 * or a map where a list is wanted is a list of one. */
static int config_json(const cq_config_def *d, const char *s, cq_buf *out,
                       cq_error *err) {
  int one = d->is_list && *s != '[', misfit = 0;
  cq_error why = {0, ""};
  cq_node *n = NULL, word;
  config_place at = {NULL, 0};
  cq_arena a;

  cq_arena_init(&a);
  if (one) cq_buf_byte(out, '[');
  if (one && *s != '{') {
    memset(&word, 0, sizeof word);
    word.kind = CQ_N_SCALAR;
    word.text = s;
    word.quoted = 1;
    cq_buf_json(out, s, strlen(s));
    misfit = config_fits(d, &word, &at, &why);
  } else if (cq_tree_parse(&a, "value", s, strlen(s), &n, &why) == CQ_OK) {
    cq_tree_json(n, out);
    misfit = config_fits(d, n, &at, &why);
  }
  if (one) cq_buf_byte(out, ']');
  cq_arena_wipe(&a);
  if (why.code == CQ_NOMEM || out->rc == CQ_NOMEM) return cq_error_nomem(err);
  if (misfit) {
    *err = why;
    return why.code;
  }
  if (why.code && d->secret)
    return cq_error_set(err, CQ_ERROR, "config %s: expected %s as JSON",
                        d->name, d->is_list ? "a list" : "a map");
  if (why.code)
    return cq_error_set(err, CQ_ERROR, "config %s: expected %s: %s", d->name,
                        d->is_list ? "a list" : "a map", why.text);
  return out->rc ? cq_error_set(err, out->rc, "config %s: is too long", d->name)
                 : CQ_OK;
}

int cq_config_set(cq_config *c, const char *name, const char *value,
                  cq_error *err) {
  int i = config_index(c, name), rc;
  cq_buf b;

  if (i < 0) return config_unknown(c, name, err);
  if (c->in->config[i].type == CQ_JSON) {
    cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
    rc = config_json(&c->in->config[i], value, &b, err);
    if (rc == CQ_OK && config_put(c, i, b.data)) rc = cq_error_nomem(err);
    if (b.data) cq_wipe(b.data, b.len);
    cq_buf_clear(&b);
  } else {
    config_place at = {NULL, 0};
    cq_node word;

    memset(&word, 0, sizeof word);
    word.kind = CQ_N_SCALAR;
    word.text = value;
    rc = config_fits(&c->in->config[i], &word, &at, err);
    if (rc == CQ_OK && config_put(c, i, value)) rc = cq_error_nomem(err);
  }
  return rc;
}

static int config_of_spec(cq_config *c, const char *name, const cq_node *v,
                          config_place *at, cq_error *err) {
  int i = config_index(c, name), rc;
  cq_buf b;

  if (i < 0) return config_unknown(c, name, err);
  if (v->kind == CQ_N_NULL) return CQ_OK;
  if (v->kind != CQ_N_SCALAR || c->in->config[i].type != CQ_JSON) {
    rc = config_fits(&c->in->config[i], v, at, err);
    if (rc) return rc;
  }
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  if (v->kind == CQ_N_SCALAR)
    cq_buf_str(&b, v->text);
  else
    cq_tree_json(v, &b);
  rc = b.rc ? cq_error_nomem(err) : cq_config_set(c, name, b.data, err);
  if (b.data) cq_wipe(b.data, b.len);
  cq_buf_clear(&b);
  return rc;
}

void config_line(const cq_node *spec, const char *name, config_place *at) {
  at->file = NULL;
  at->line = 0;
  for (size_t i = 0; spec && spec->kind == CQ_N_MAP && i < spec->count; i++)
    if (strcmp(spec->keys[i], name) == 0) {
      at->file = spec->file;
      at->line = spec->key_lines[i];
    }
}

int cq_config_new(const cq_integration *in, const cq_node *spec,
                  cq_config **out, cq_error *err) {
  cq_config *c = cq_calloc(1, sizeof *c);
  int rc = CQ_OK;

  *out = NULL;
  if (!c) return cq_error_nomem(err);
  c->refs = 1;
  c->in = in;
  c->text = cq_calloc((size_t)in->nconfig + 1, sizeof *c->text);
  if (!c->text) rc = cq_error_nomem(err);
  for (int i = 0; i < in->nconfig && rc == CQ_OK; i++) {
    const cq_config_def *d = &in->config[i];
    const char *env = d->env ? getenv(d->env) : NULL;

    if (env && *env)
      rc = cq_config_set(c, d->name, env, err);
    else if (d->dflt.kind == CQ_STR)
      rc = cq_config_set(c, d->name, d->dflt.u.s, err);
  }
  for (size_t i = 0;
       spec && spec->kind == CQ_N_MAP && i < spec->count && rc == CQ_OK; i++) {
    config_place at = {spec->file, spec->key_lines[i]};

    rc = config_of_spec(c, spec->keys[i], spec->items[i], &at, err);
    if (rc) cq_error_prefix(err, "%s:%d: ", at.file, at.line);
  }
  if (rc) {
    cq_config_unref(c);
    return rc;
  }
  *out = c;
  return CQ_OK;
}

cq_config *cq_config_ref(cq_config *c) {
  c->refs++;
  return c;
}

void cq_config_unref(cq_config *c) {
  if (!c || --c->refs > 0) return;
  for (int i = 0; c->text && i < c->in->nconfig; i++) {
    if (c->text[i]) cq_wipe(c->text[i], strlen(c->text[i]));
    cq_free(c->text[i]);
  }
  cq_free(c->text);
  cq_free(c);
}

int cq_config_data(const cq_config *c, const char *name, cq_value *out) {
  *out = cq_value_null();
  for (size_t i = 0; i < c->in->ndata; i++)
    if (strcmp(c->in->data_names[i], name) == 0) {
      *out = c->in->data[i];
      return CQ_OK;
    }
  return CQ_NOTFOUND;
}

int cq_config_get(const cq_config *c, const char *name, cq_value *out) {
  int i = config_index(c, name);
  const char *s = i >= 0 ? c->text[i] : NULL;

  *out = cq_value_null();
  if (!s) return i >= 0 ? CQ_OK : CQ_NOTFOUND;
  switch (c->in->config[i].type) {
  case CQ_INTEGER:
    *out = cq_value_int(strtoll(s, NULL, 10));
    break;
  case CQ_BOOLEAN:
    *out = cq_value_int(*s == 't' || *s == '1');
    break;
  case CQ_JSON:
    *out = cq_value_json(s, strlen(s));
    break;
  default:
    *out = cq_value_text(s);
  }
  return CQ_OK;
}

int cq_config_pays(const cq_config *c) {
  cq_value v;

  return cq_config_get(c, "use_paid_apis", &v) == CQ_OK && v.kind == CQ_INT &&
         v.u.i;
}

/* Members of a secret map that say whose it is, without which a message says
 * nothing. */
static int names_only(const char *key) {
  size_t n = strlen(key);

  return strcmp(key, "org") == 0 || strcmp(key, "name") == 0 ||
         strcmp(key, "id") == 0 || (n > 3 && strcmp(key + n - 3, "_id") == 0) ||
         (n > 5 && strcmp(key + n - 5, "_path") == 0);
}

static void redact_parts(char *text, const json_t *j) {
  const char *key;
  json_t *item;
  size_t i;

  if (json_is_string(j)) cq_redact(text, json_string_value(j));
  json_array_foreach((json_t *)j, i, item) redact_parts(text, item);
  json_object_foreach((json_t *)j, key, item) {
    if (!names_only(key)) redact_parts(text, item);
  }
}

void cq_config_redact(const cq_config *c, char *text) {
  for (int i = 0; i < c->in->nconfig; i++) {
    const char *s = c->text[i];

    if (!c->in->config[i].secret || !s) continue;
    if (c->in->config[i].is_list || c->in->config[i].is_map) {
      json_t *j = json_loads(s, 0, NULL);

      redact_parts(text, j);
      json_decref(j);
    } else {
      cq_redact(text, s);
    }
  }
}
