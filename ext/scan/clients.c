/* ext/scan/clients.c: a client's attributes: set one by one, from a configured
 * value too; its name; clients that name the same are one. */
#include <jansson.h>
#include <string.h>

#include "scan/internal.h"

int cq_growing_add(cq_growing *g, cq_client *c, cq_error *err) {
  if (cq_grow(&g->v, &g->cap, g->n, sizeof *g->v)) return cq_error_nomem(err);
  g->v[g->n++] = c;
  return CQ_OK;
}

cq_client *cq_client_extend(cq_arena *a, const cq_client *base, size_t more) {
  cq_client *c = cq_arena_alloc(a, sizeof *c);
  const char **names = cq_arena_alloc(a, (more + 1) * sizeof *names);
  cq_value *values = cq_arena_alloc(a, (more + 1) * sizeof *values);

  if (!c || !names || !values) return NULL;
  *c = *base;
  c->over = base->n ? base : base->over;
  c->n = 0;
  c->names = names;
  c->values = values;
  c->logins = NULL; /* more attributes may make it another's */
  return c;
}

int cq_client_set(cq_arena *a, cq_client *c, const char *name,
                  const cq_value *v) {
  size_t i;

  for (i = 0; i < c->n && strcmp(c->names[i], name) != 0; i++)
    ;
  if (i == c->n) {
    ((const char **)c->names)[i] = name;
    c->n++;
  }
  return cq_value_copy(a, v, (cq_value *)&c->values[i]);
}

const cq_value *cq_client_value(const cq_client *c, const char *name) {
  for (; c; c = c->over)
    for (size_t i = 0; i < c->n; i++)
      if (strcmp(c->names[i], name) == 0) return &c->values[i];
  return NULL;
}

/* Those below first; what is there again further up is there once. */
static int client_at(const cq_client *c, size_t *k, const char **name) {
  if (c->over && client_at(c->over, k, name)) return 1;
  for (size_t i = 0; i < c->n; i++) {
    *name = c->names[i];
    if (cq_client_value(c->over, *name)) continue;
    if (*k == 0) return 1;
    --*k;
  }
  return 0;
}

int cq_client_at(const cq_client *c, size_t k, const char **name,
                 const cq_value **value) {
  if (!c || !client_at(c, &k, name)) return 0;
  *value = cq_client_value(c, *name);
  return 1;
}

int cq_client_fail(cq_arena *a, cq_client *c, const cq_error *e) {
  c->failed = e->code ? e->code : CQ_ERROR;
  c->error = cq_arena_strndup(a, e->text, strlen(e->text));
  return c->error ? CQ_OK : CQ_NOMEM;
}

static int json_scalar(cq_arena *a, const json_t *j, cq_whence by,
                       cq_value *out) {
  int rc = cq_numbers_value(a, j, out);

  out->whence = (uint16_t)by;
  return rc;
}

/* May a configured value have this member? */
static int client_member(const cq_dimension *d, const char *key,
                         cq_error *err) {
  const char *names[128], *near;
  size_t n = 0;

  names[n++] = d->name;
  for (size_t i = 0; i < d->nextra && n < 128; i++) names[n++] = d->extra[i];
  for (size_t i = 0; i < d->nattr && n < 128; i++) names[n++] = d->attr[i].name;
  for (size_t i = 0; i < n; i++)
    if (strcmp(names[i], key) == 0) return CQ_OK;
  cq_error_set(err, CQ_ERROR, "%s: unknown key \"%.100s\"", d->name, key);
  near = cq_nearest(key, names, n);
  if (near) cq_error_hint(err, "did you mean \"%s\"?", near);
  return CQ_ERROR;
}

int cq_client_configured(cq_arena *a, const cq_dimension *d,
                         const cq_client *base, const json_t *j, cq_whence by,
                         cq_client **out, cq_error *err) {
  size_t more = json_is_object(j) ? json_object_size(j) : 1;
  cq_client *c = cq_client_extend(a, base, more + d->nattr);
  const char *key;
  json_t *item;
  cq_value v;

  *out = c;
  if (!c) return CQ_NOMEM;
  if (!json_is_object(j) &&
      (json_is_null(j) || json_is_array(j) ||
       (d->nextra && d->identify && d->id && strcmp(d->id, d->name) != 0)))
    return cq_error_set(err, CQ_ERROR, "%s: expected %s", d->name,
                        d->nextra ? "maps, as in [{...}]" : "words");
  if (!json_is_object(j))
    return json_scalar(a, j, by, &v) || cq_client_set(a, c, d->name, &v)
               ? CQ_NOMEM
               : CQ_OK;
  json_object_foreach((json_t *)j, key, item) {
    char *name = cq_arena_strndup(a, key, strlen(key));

    if (client_member(d, key, err)) return CQ_ERROR;
    if (!name || json_scalar(a, item, by, &v) ||
        (v.kind != CQ_NULL && cq_client_set(a, c, name, &v)))
      return CQ_NOMEM;
  }
  return CQ_OK;
}

/* One that failed lacks what was to be asked for. */
static const cq_value *client_named(const cq_dimension *d, const cq_client *c) {
  for (size_t i = 0; i < (d->nid ? d->nid : 1); i++) {
    const cq_value *v = cq_client_value(c, d->nid ? d->ids[i] : d->name);

    if (v && v->kind != CQ_NULL) return v;
  }
  return NULL;
}

int cq_client_name(const cq_integration *in, unsigned long long dims,
                   cq_arena *a, cq_client *c, cq_error *err) {
  cq_buf b;

  cq_buf_init(&b, 1 << 16);
  for (int k = 0; k < in->ndim; k++) {
    const cq_dimension *d = &in->dims[k];
    const cq_value *has = dims >> k & 1 ? client_named(d, c) : NULL;
    cq_value v;

    if (!has) continue;
    if (b.len) cq_buf_byte(&b, ':');
    if (cq_value_to_text(a, has, &v))
      b.rc = CQ_NOMEM;
    else
      cq_buf_add(&b, v.u.s, v.len);
  }
  if (!b.len) cq_buf_str(&b, in->name);
  c->id = b.rc ? NULL : cq_arena_strndup(a, b.data, b.len);
  cq_buf_clear(&b);
  return c->id ? CQ_OK : cq_error_nomem(err);
}

int cq_growing_unique(cq_growing *g, cq_error *err) {
  size_t cap = 16, kept = 0;
  cq_client **seen;

  while (cap < 2 * g->n) cap *= 2;
  seen = cq_calloc(cap, sizeof *seen);
  if (!seen) return cq_error_nomem(err);
  for (size_t i = 0; i < g->n; i++) {
    cq_client *c = g->v[i];
    size_t at = cq_hash64(c->id, strlen(c->id), 0) & (cap - 1);

    while (!c->failed && seen[at] && strcmp(seen[at]->id, c->id) != 0)
      at = (at + 1) & (cap - 1);
    if (!c->failed && seen[at]) continue;
    if (!c->failed) seen[at] = c;
    g->v[kept++] = c;
  }
  g->n = kept;
  cq_free(seen);
  return CQ_OK;
}
