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
  cq_arena_init(&s->arena);
  return CQ_OK;
}

cq_source *cq_source_ref(cq_source *s) {
  s->refs++;
  return s;
}

void cq_source_unref(cq_source *s) {
  if (!s || --s->refs > 0) return;
  while (s->lists) {
    cq_client_list *l = s->lists;

    s->lists = l->next;
    cq_free(l->clients);
    cq_free(l);
  }
  cq_config_unref(s->config);
  cq_arena_wipe(&s->arena); /* accounts may bring keys */
  cq_free(s);
}

const cq_integration *cq_source_integration(const cq_source *s) {
  return s->in;
}

const cq_table *cq_table_top(const cq_table *t) {
  for (int i = 0;
       i < CQ_MAX_PARENT_DEPTH && t->parent.table && t->parent.table != t; i++)
    t = t->parent.table;
  return t;
}

static unsigned long long table_dims(const cq_table *t) {
  unsigned long long dims = 0;

  t = cq_table_top(t);
  for (size_t i = 0; i < t->nover; i++) dims |= 1ull << t->over[i];
  return dims;
}

/* What is known of these dimensions, and holds.  A list that has failed clients
 * is only old after a while: scans may still be reading it, so it stays. */
static const cq_client_list *source_have(cq_source *s,
                                         unsigned long long dims) {
  int64_t now = cq_mono_ms();

  for (cq_client_list *l = s->lists; l; l = l->next)
    if (l->dims == dims && (!l->again_ms || now < l->again_ms)) return l;
  return NULL;
}

/* The clients of a set of dimensions: the last laid over those of the others,
 * which are kept too, so that no dimension is asked for twice. */
static int source_list(cq_source *s, unsigned long long dims,
                       const cq_client_list **out, cq_error *err) {
  const cq_client_list *base = NULL;
  cq_growing g = {NULL, 0, 0};
  cq_client none, *c;
  cq_client_list *l;
  int last = -1, rc = CQ_OK;

  *out = source_have(s, dims);
  if (*out) return CQ_OK;
  for (int i = 0; i < s->in->ndim; i++)
    if (dims >> i & 1) last = i;
  memset(&none, 0, sizeof none);
  if (last >= 0) rc = source_list(s, dims & ~(1ull << last), &base, err);
  /* Copies: what is added to these is not the other list's. */
  for (size_t i = 0; i < (base ? base->n : 1) && rc == CQ_OK; i++) {
    c = cq_client_extend(&s->arena, base ? base->clients[i] : &none, 0);
    rc = c ? cq_growing_add(&g, c, err) : cq_error_nomem(err);
  }
  if (rc == CQ_OK && last >= 0)
    rc = cq_dimension_lay(s, &s->in->dims[last], &g, NULL, err);
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++)
    rc = cq_client_name(s, dims, g.v[i], err);
  if (rc == CQ_OK) rc = cq_growing_unique(&g, err);
  l = rc ? NULL : cq_calloc(1, sizeof *l);
  if (!l) {
    cq_free(g.v);
    return rc ? rc : cq_error_nomem(err);
  }
  l->dims = dims;
  l->clients = g.v;
  l->n = g.n;
  for (size_t i = 0; i < l->n; i++) {
    size_t bytes = ((size_t)s->in->nauth + 1) * sizeof *l->clients[i]->logins;

    if (l->clients[i]->failed) l->again_ms = cq_mono_ms() + FAILED_MS;
    /* Without memory for it each request looks for itself. */
    l->clients[i]->logins = cq_arena_alloc(&s->arena, bytes);
    if (l->clients[i]->logins) memset(l->clients[i]->logins, 0, bytes);
  }
  l->next = s->lists;
  s->lists = l;
  *out = l;
  return CQ_OK;
}

int cq_source_clients(cq_source *s, const cq_table *t,
                      const cq_client *const **out, size_t *n, cq_error *err) {
  const cq_client_list *l;
  int rc = source_list(s, table_dims(t), &l, err);

  if (rc) return rc;
  *out = (const cq_client *const *)l->clients;
  *n = l->n;
  return CQ_OK;
}

static int source_dry(cq_source *s, unsigned long long dims, cq_arena *a,
                      cq_dry *out, cq_error *err) {
  unsigned long long have = 0;
  const cq_client_list *base = NULL;
  cq_arena own = s->arena; /* what is found here is the caller's */
  cq_growing g = {NULL, 0, 0};
  cq_client none;
  int rc = CQ_OK, named = 1;

  memset(out, 0, sizeof *out);
  memset(&none, 0, sizeof none);
  out->known = 1;
  /* Begins with the list that knows most of the first dimensions. */
  for (const cq_client_list *l = s->lists; l; l = l->next) {
    if (l != source_have(s, l->dims)) continue;
    unsigned long long rest = dims ^ l->dims;

    if ((l->dims & ~dims) == 0 && l->dims > have &&
        (!rest || (rest & (~rest + 1)) > l->dims)) {
      base = l;
      have = l->dims;
    }
  }
  s->arena = *a;
  for (size_t i = 0; i < (base ? base->n : 1) && rc == CQ_OK; i++) {
    cq_client *c =
        cq_client_extend(&s->arena, base ? base->clients[i] : &none, 0);

    rc = c ? cq_growing_add(&g, c, err) : cq_error_nomem(err);
  }
  for (int i = 0; i < s->in->ndim && rc == CQ_OK; i++) {
    cq_dry_step *d = &out->step[out->nstep];

    if (!((dims ^ have) >> i & 1) || out->nstep == 64) continue;
    d->dim = &s->in->dims[i];
    out->nstep++;
    if (out->known)
      rc = cq_dimension_lay(s, d->dim, &g, d, err);
    else
      d->discover = d->identify = -1;
    if (d->discover) out->known = 0;
    if (!d->dim->discover) d->discover = 0;
    if (!d->dim->identify) d->identify = 0;
  }
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++)
    rc = cq_client_name(s, dims, g.v[i], err);
  /* Before they are identified, different ones may have one name. */
  for (size_t i = 0; i < out->nstep && rc == CQ_OK; i++)
    if (out->step[i].identify || out->step[i].discover) named = 0;
  if (rc == CQ_OK && named) rc = cq_growing_unique(&g, err);
  *a = s->arena;
  s->arena = own;
  out->clients = g.v;
  out->n = g.n;
  return rc;
}

int cq_source_dry(cq_source *s, const cq_table *t, cq_arena *a, cq_dry *out,
                  cq_error *err) {
  return source_dry(s, table_dims(t), a, out, err);
}

int cq_source_check(cq_source *s, const cq_table *const *t, size_t n,
                    cq_error *err) {
  unsigned long long dims = 0;
  cq_arena a;
  cq_dry dry;
  int rc;

  for (size_t i = 0; i < n; i++) dims |= table_dims(t[i]);
  cq_arena_init(&a);
  rc = source_dry(s, dims, &a, &dry, err);
  cq_free(dry.clients);
  cq_arena_clear(&a);
  return rc;
}

int cq_source_test(cq_source *s, cq_buf *json, cq_error *err) {
  cq_growing g = {NULL, 0, 0};
  cq_client *none = cq_arena_alloc(&s->arena, sizeof *none);
  int rc = none ? CQ_OK : cq_error_nomem(err), asked = s->in->test != NULL;

  for (int i = 0; i < s->in->ndim; i++)
    asked |= s->in->dims[i].identify || s->in->dims[i].discover;
  if (none) {
    memset(none, 0, sizeof *none);
    rc = cq_growing_add(&g, none, err);
  }
  for (int i = 0; i < s->in->ndim && rc == CQ_OK; i++)
    rc = cq_dimension_lay(s, &s->in->dims[i], &g, NULL, err);
  if (rc == CQ_OK && s->in->test) rc = cq_clients_test(s, &g, err);
  cq_buf_byte(json, '[');
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++) {
    const cq_client *c = g.v[i];
    const cq_value *v;
    const char *name;

    cq_buf_str(json, i ? ",{\"client\":{" : "{\"client\":{");
    for (size_t k = 0, put = 0; cq_client_at(c, k, &name, &v); k++) {
      if (v->kind != CQ_STR || v->json) continue;
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
  if (rc == CQ_OK && json->rc) rc = cq_error_nomem(err);
  return rc;
}
