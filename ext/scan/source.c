/* ext/scan/source.c: a source: an integration with its configuration.  It keeps
 * the lists of clients that were found, one for each set of dimensions, so that
 * discovery happens once. */
#include <string.h>

#include "scan/internal.h"

enum { FAILED_MS = 10000 }; /* clients that failed are asked for again */

int cq_source_new(cq_env *env, const cq_integration *in, cq_config *config,
                  cq_source **out, cq_error *err) {
  cq_source *s = cq_calloc(1, sizeof *s);

  *out = s;
  if (!s) return cq_error_nomem(err);
  s->refs = 1;
  s->env = env;
  s->in = in;
  s->config = cq_config_ref(config);
  return CQ_OK;
}

cq_source *cq_source_ref(cq_source *s) {
  s->refs++;
  return s;
}

void cq_source_unref(cq_source *s) {
  if (!s || --s->refs > 0) return;
  while (s->lists) {
    cq_clients *l = s->lists;

    s->lists = l->next;
    cq_clients_unref(l);
  }
  cq_config_unref(s->config);
  cq_free(s);
}

const cq_client *const *cq_clients_all(const cq_clients *c, size_t *n) {
  *n = c->n;
  return (const cq_client *const *)c->v;
}

static cq_clients *clients_ref(cq_clients *c) {
  if (c) c->refs++;
  return c;
}

void cq_clients_unref(cq_clients *c) {
  while (c && --c->refs == 0) {
    cq_clients *base = c->base;

    cq_arena_wipe(&c->arena); /* accounts may bring keys */
    cq_free(c->v);
    cq_free(c);
    c = base;
  }
}

const cq_integration *cq_source_integration(const cq_source *s) {
  return s->in;
}

unsigned long long cq_table_dims(const cq_table *t) {
  unsigned long long dims = 0;

  t = cq_table_top(t);
  for (size_t i = 0; i < t->nover; i++) dims |= 1ull << t->over[i];
  return dims;
}

/* What is known of these dimensions, and holds: a list that has failed clients
 * does so for a while. */
static cq_clients *source_have(const cq_source *s, unsigned long long dims) {
  int64_t now = cq_mono_ms();

  for (cq_clients *l = s->lists; l; l = l->next)
    if (l->dims == dims && (!l->again_ms || now < l->again_ms)) return l;
  return NULL;
}

/* The list takes the place of the one before it, which goes with its last
 * reader. */
static void source_put(cq_source *s, cq_clients *l) {
  cq_clients **at = &s->lists, *old;

  while (*at && (*at)->dims != l->dims) at = &(*at)->next;
  old = *at;
  l->next = old ? old->next : NULL;
  *at = l;
  cq_clients_unref(old);
}

/* Every client of `base`, or one that is nothing yet; copies, since what is
 * added to these is not the other list's. */
static int clients_over(cq_arena *a, const cq_clients *base, cq_growing *g,
                        cq_error *err) {
  cq_client none, *c;
  int rc = CQ_OK;

  memset(&none, 0, sizeof none);
  for (size_t i = 0; i < (base ? base->n : 1) && rc == CQ_OK; i++) {
    c = cq_client_extend(a, base ? base->v[i] : &none, 0);
    rc = c ? cq_growing_add(g, c, err) : cq_error_nomem(err);
  }
  return rc;
}

/* The clients of a set of dimensions: the last laid over those of the others,
 * which are kept too, so that no dimension is asked for twice. */
static int source_list(cq_source *s, unsigned long long dims, cq_clients **out,
                       cq_error *err) {
  cq_growing g = {NULL, 0, 0};
  cq_clients *l;
  int last = -1, rc = CQ_OK;

  *out = clients_ref(source_have(s, dims));
  if (*out) return CQ_OK;
  l = cq_calloc(1, sizeof *l);
  if (!l) return cq_error_nomem(err);
  l->refs = 1;
  l->dims = dims;
  cq_arena_init(&l->arena);
  for (int i = 0; i < s->in->ndim; i++)
    if (dims >> i & 1) last = i;
  if (last >= 0) rc = source_list(s, dims & ~(1ull << last), &l->base, err);
  if (rc == CQ_OK) rc = clients_over(&l->arena, l->base, &g, err);
  if (rc == CQ_OK && last >= 0)
    rc = cq_dimension_lay(s, &s->in->dims[last], &l->arena, &g, NULL, err);
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++)
    rc = cq_client_name(s->in, dims, &l->arena, g.v[i], err);
  if (rc == CQ_OK) rc = cq_growing_unique(&g, err);
  l->v = g.v;
  l->n = g.n;
  if (rc) {
    cq_clients_unref(l);
    return rc;
  }
  for (size_t i = 0; i < l->n; i++) {
    size_t bytes = ((size_t)s->in->nauth + 1) * sizeof *l->v[i]->logins;

    if (l->v[i]->failed) l->again_ms = cq_mono_ms() + FAILED_MS;
    /* Without memory for it each request looks for itself. */
    l->v[i]->logins = cq_arena_alloc(&l->arena, bytes);
    if (l->v[i]->logins) memset(l->v[i]->logins, 0, bytes);
  }
  source_put(s, clients_ref(l));
  *out = l;
  return CQ_OK;
}

int cq_source_clients(cq_source *s, const cq_table *t, cq_clients **out,
                      cq_error *err) {
  return source_list(s, cq_table_dims(t), out, err);
}

static int source_dry(cq_source *s, unsigned long long dims, cq_arena *a,
                      cq_dry *out, cq_error *err) {
  unsigned long long have = 0;
  cq_growing g = {NULL, 0, 0};
  int rc, named = 1;

  memset(out, 0, sizeof *out);
  out->known = 1;
  /* Begins with the list that knows most of the first dimensions. */
  for (cq_clients *l = s->lists; l; l = l->next) {
    if (l != source_have(s, l->dims)) continue;
    unsigned long long rest = dims ^ l->dims;

    if ((l->dims & ~dims) == 0 && l->dims > have &&
        (!rest || (rest & (~rest + 1)) > l->dims)) {
      out->base = l;
      have = l->dims;
    }
  }
  clients_ref(out->base);
  rc = clients_over(a, out->base, &g, err);
  for (int i = 0; i < s->in->ndim && rc == CQ_OK; i++) {
    cq_dry_step *d = &out->step[out->nstep];

    if (!((dims ^ have) >> i & 1) || out->nstep == 64) continue;
    d->dim = &s->in->dims[i];
    out->nstep++;
    if (out->known)
      rc = cq_dimension_lay(s, d->dim, a, &g, d, err);
    else
      d->discover = d->identify = -1;
    if (d->discover) out->known = 0;
    if (!d->dim->discover) d->discover = 0;
    if (!d->dim->identify) d->identify = 0;
  }
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++)
    rc = cq_client_name(s->in, dims, a, g.v[i], err);
  /* Before they are identified, different ones may have one name. */
  for (size_t i = 0; i < out->nstep && rc == CQ_OK; i++)
    if (out->step[i].identify || out->step[i].discover) named = 0;
  if (rc == CQ_OK && named) rc = cq_growing_unique(&g, err);
  out->clients = g.v;
  out->n = g.n;
  return rc;
}

void cq_dry_clear(cq_dry *d) {
  cq_free(d->clients);
  cq_clients_unref(d->base);
  memset(d, 0, sizeof *d);
}

int cq_source_dry(cq_source *s, const cq_table *t, cq_arena *a, cq_dry *out,
                  cq_error *err) {
  return source_dry(s, cq_table_dims(t), a, out, err);
}

int cq_source_check(cq_source *s, const cq_table *const *t, size_t n,
                    cq_error *err) {
  unsigned long long dims = 0;
  cq_arena a;
  cq_dry dry;
  int rc;

  for (size_t i = 0; i < n; i++) dims |= cq_table_dims(t[i]);
  cq_arena_init(&a);
  rc = source_dry(s, dims, &a, &dry, err);
  cq_dry_clear(&dry);
  cq_arena_clear(&a);
  return rc;
}

static int source_hides(const cq_integration *in, const char *name) {
  for (int i = 0; i < in->ndim; i++)
    for (size_t k = 0; k < in->dims[i].nhidden; k++)
      if (strcmp(in->dims[i].hidden[k], name) == 0) return 1;
  return 0;
}

int cq_source_test(cq_source *s, cq_buf *json, cq_error *err) {
  cq_growing g = {NULL, 0, 0};
  int rc, asked = s->in->test != NULL;
  cq_arena a;

  for (int i = 0; i < s->in->ndim; i++)
    asked |= s->in->dims[i].identify || s->in->dims[i].discover;
  cq_arena_init(&a);
  rc = clients_over(&a, NULL, &g, err);
  for (int i = 0; i < s->in->ndim && rc == CQ_OK; i++)
    rc = cq_dimension_lay(s, &s->in->dims[i], &a, &g, NULL, err);
  if (rc == CQ_OK && s->in->test) rc = cq_clients_test(s, &a, &g, err);
  cq_buf_byte(json, '[');
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++) {
    const cq_client *c = g.v[i];
    const cq_value *v;
    const char *name;

    cq_buf_str(json, i ? ",{\"client\":{" : "{\"client\":{");
    for (size_t k = 0, put = 0; cq_client_at(c, k, &name, &v); k++) {
      if (v->kind != CQ_STR || v->json || source_hides(s->in, name)) continue;
      if (put++) cq_buf_byte(json, ',');
      cq_buf_json(json, name, strlen(name));
      cq_buf_byte(json, ':');
      cq_buf_json(json, v->u.s, v->len);
    }
    cq_buf_str(json, c->failed ? "},\"ok\":false,\"message\":"
                     : asked   ? "},\"ok\":true,\"message\":"
                               : "},\"ok\":null,\"message\":");
    if (c->failed)
      cq_buf_json(json, c->error, strlen(c->error));
    else
      cq_buf_str(json, asked ? "null" : "\"nothing was asked\"");
    cq_buf_byte(json, '}');
  }
  cq_buf_byte(json, ']');
  cq_free(g.v);
  cq_arena_wipe(&a); /* accounts may bring keys */
  if (rc == CQ_OK && json->rc) rc = cq_error_nomem(err);
  return rc;
}
