/* ext/scan/clients.c: the clients of a source: each dimension in turn is laid
 * over those found so far; its values come from the configuration or from a
 * request, and a request may add attributes to each.
 *
 * A client whose discovery fails stays in the list, marked, so that whoever
 * asks can tell that something was not read.  Found lists are kept in the
 * source: discovery happens once. */
#include <jansson.h>
#include <stdlib.h>
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
  cq_arena_clear(&s->arena);
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

/* Clients under construction. */
typedef struct growing {
  cq_client **v;
  size_t n, cap;
} growing;

static int growing_add(growing *g, cq_client *c, cq_error *err) {
  if (cq_grow(&g->v, &g->cap, g->n, sizeof *g->v)) return cq_error_nomem(err);
  g->v[g->n++] = c;
  return CQ_OK;
}

/* A copy of `base` with room for `more` further attributes. */
static cq_client *client_extend(cq_arena *a, const cq_client *base,
                                size_t more) {
  cq_client *c = cq_arena_alloc(a, sizeof *c);
  const char **names = cq_arena_alloc(a, (base->n + more + 1) * sizeof *names);
  cq_value *values = cq_arena_alloc(a, (base->n + more + 1) * sizeof *values);

  if (!c || !names || !values) return NULL;
  *c = *base;
  for (size_t i = 0; i < base->n; i++) {
    names[i] = base->names[i];
    values[i] = base->values[i];
  }
  c->names = names;
  c->values = values;
  return c;
}

/* Sets an attribute of a client made by client_extend. */
static int client_set(cq_arena *a, cq_client *c, const char *name,
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

static int client_fail(cq_arena *a, cq_client *c, const cq_error *e) {
  c->failed = e->code ? e->code : CQ_ERROR;
  c->error = cq_arena_strndup(a, e->text, strlen(e->text));
  return c->error ? CQ_OK : CQ_NOMEM;
}

static int json_scalar(cq_arena *a, const json_t *j, cq_value *out) {
  char *text;

  if (json_is_string(j)) {
    text = cq_arena_strndup(a, json_string_value(j), json_string_length(j));
    *out = cq_value_str(text, json_string_length(j));
    return text ? CQ_OK : CQ_NOMEM;
  }
  if (json_is_integer(j)) {
    *out = cq_value_int(json_integer_value(j));
  } else if (json_is_boolean(j)) {
    *out = cq_value_int(json_is_true(j));
  } else if (json_is_real(j)) {
    *out = cq_value_real(json_real_value(j));
  } else if (json_is_null(j)) {
    *out = cq_value_null();
  } else {
    char *dump = json_dumps(j, JSON_COMPACT);
    size_t n = dump ? strlen(dump) : 0;

    text = dump ? cq_arena_strndup(a, dump, n) : NULL;
    free(dump);
    *out = cq_value_json(text, n);
    return text ? CQ_OK : CQ_NOMEM;
  }
  return CQ_OK;
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

/* One configured value: a scalar is the dimension's own attribute, a map is
 * several. */
static int client_from_json(cq_arena *a, const cq_dimension *d,
                            const cq_client *base, const json_t *j,
                            cq_client **out, cq_error *err) {
  size_t more = json_is_object(j) ? json_object_size(j) : 1;
  cq_client *c = client_extend(a, base, more + d->nattr);
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
    return json_scalar(a, j, &v) || client_set(a, c, d->name, &v) ? CQ_NOMEM
                                                                  : CQ_OK;
  json_object_foreach((json_t *)j, key, item) {
    char *name = cq_arena_strndup(a, key, strlen(key));

    if (client_member(d, key, err)) return CQ_ERROR;
    if (!name || json_scalar(a, item, &v) ||
        (v.kind != CQ_NULL && client_set(a, c, name, &v)))
      return CQ_NOMEM;
  }
  return CQ_OK;
}

static int is_pattern(const json_t *j) {
  return json_is_string(j) && strchr(json_string_value(j), '*') != NULL;
}

/* The records of a discovery or identification, to be. */
typedef struct asking {
  cq_reader *reader;
  cq_client *client; /* whose values are asked for, or who is identified */
  json_t *patterns;  /* discover: names to keep, or NULL = all */
} asking;

static cq_scope client_scope(cq_source *s, const cq_client *c) {
  cq_scope scope;

  memset(&scope, 0, sizeof scope);
  scope.config = s->config;
  scope.client = c;
  scope.run_us = cq_now_us();
  return scope;
}

static int ask_open(cq_source *s, const cq_dimension *d,
                    const cq_request_def *r, const cq_path *rows,
                    const cq_page_def *page, const cq_field *fields, int nfield,
                    asking *ask, cq_error *err) {
  cq_scope scope = client_scope(s, ask->client);
  cq_reader_def def;

  memset(&def, 0, sizeof def);
  def.fetch.env = s->env;
  def.fetch.source = s;
  def.fetch.table = d->name;
  def.fetch.request = r;
  def.fetch.errors = &d->errors;
  def.page = page;
  def.rows = rows;
  def.fields = fields;
  def.nfield = nfield;
  def.nslot = (int)d->nattr;
  return cq_reader_open(&def, &scope, &ask->reader, err);
}

/* Runs all askings, CQ_WINDOW at a time; `done` is told of each that ended. */
typedef int (*ask_done)(void *user, asking *a, const cq_error *failure,
                        cq_error *err);

static int ask_all(cq_source *s, const cq_dimension *d, const cq_request_def *r,
                   const cq_path *rows, const cq_page_def *page,
                   const cq_field *fields, int nfield, asking *asks, size_t n,
                   ask_done done, void *user, cq_error *err) {
  size_t first = 0, next = 0;
  int rc = CQ_OK;

  while (first < n && rc == CQ_OK) {
    int moved = 0;

    for (; next < n && next < first + CQ_WINDOW && rc == CQ_OK; next++) {
      cq_error e = {0, ""};

      if (ask_open(s, d, r, rows, page, fields, nfield, &asks[next], &e)) {
        if (e.code == CQ_NOMEM)
          rc = cq_error_nomem(err);
        else
          rc = done(user, &asks[next], &e, err);
      }
    }
    for (size_t i = first; i < next && rc == CQ_OK; i++) {
      cq_error e = {0, ""};
      int got;

      if (!asks[i].reader) continue;
      got = cq_reader_poll(asks[i].reader, &e);
      if (got == CQ_BUSY) continue;
      moved = 1;
      if (got == CQ_NOMEM)
        rc = cq_error_nomem(err);
      else
        rc = done(user, &asks[i],
                  got != CQ_DONE || cq_reader_skipped(asks[i].reader) ? &e
                                                                      : NULL,
                  err);
      cq_reader_close(asks[i].reader);
      asks[i].reader = NULL;
    }
    while (first < next && !asks[first].reader) first++;
    if (rc == CQ_OK && s->env->interrupted && s->env->interrupted(s->env->user))
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
    if (rc == CQ_OK && !moved && first < n) cq_http_wait(s->env->http, 100);
  }
  for (size_t i = 0; i < n; i++) {
    cq_reader_close(asks[i].reader);
    asks[i].reader = NULL;
  }
  return rc;
}

typedef struct step { /* one dimension being laid over the clients */
  cq_source *source;
  const cq_dimension *dim;
  growing out;
  json_t *matched; /* pattern: whether it kept anything */
  int failed;      /* some could not be asked */
} step;

/* Attributes that templates make of the others. */
static int step_derive(step *st, cq_client *c, cq_error *err) {
  cq_scope scope;
  cq_context ctx;
  cq_arena tmp;
  int rc = CQ_OK;

  cq_arena_init(&tmp);
  for (size_t i = 0; i < st->dim->nattr && rc == CQ_OK; i++) {
    cq_value v;

    if (!st->dim->attr[i].value) continue;
    scope = client_scope(st->source, c);
    ctx = cq_scope_context(&scope);
    rc = cq_template_eval(st->dim->attr[i].value, &ctx, CQ_PLACE_PLAIN, &tmp,
                          &v, err);
    if (rc == CQ_OK && v.kind != CQ_NULL &&
        client_set(&st->source->arena, c, st->dim->attr[i].name, &v))
      rc = cq_error_nomem(err);
  }
  cq_arena_clear(&tmp);
  return rc;
}

/* Attributes of record `row` go into a copy of `base`. */
static int step_record(step *st, const cq_client *base, const cq_value *row,
                       cq_client **out, cq_error *err) {
  cq_client *c = client_extend(&st->source->arena, base, st->dim->nattr);
  int rc = CQ_OK;

  *out = c;
  if (!c) return cq_error_nomem(err);
  for (size_t i = 0; i < st->dim->nattr && rc == CQ_OK; i++)
    if (row[i].kind != CQ_NULL &&
        client_set(&st->source->arena, c, st->dim->attr[i].name, &row[i]))
      rc = cq_error_nomem(err);
  return rc ? rc : step_derive(st, c, err);
}

static int step_keep(step *st, cq_client *c, const json_t *patterns, int *keep,
                     cq_error *err) {
  cq_scope scope = client_scope(st->source, c);
  cq_context ctx = cq_scope_context(&scope);
  cq_arena tmp;
  int rc = CQ_OK;

  *keep = 1;
  if (patterns) {
    const char *id = st->dim->id ? st->dim->id : st->dim->name;

    *keep = 0;
    for (size_t i = 0; i < c->n; i++) {
      char text[256];
      size_t k;
      json_t *p;

      if (strcmp(c->names[i], id) != 0 || c->values[i].kind != CQ_STR ||
          c->values[i].len >= sizeof text)
        continue;
      memcpy(text, c->values[i].u.s, c->values[i].len);
      text[c->values[i].len] = 0;
      json_array_foreach((json_t *)patterns, k, p) {
        if (!json_is_string(p) || !cq_glob(json_string_value(p), text))
          continue;
        *keep = 1;
        json_object_set_new(st->matched, json_string_value(p), json_true());
      }
    }
  }
  if (*keep && st->dim->when) {
    cq_arena_init(&tmp);
    rc = cq_template_true(st->dim->when, &ctx, &tmp, keep, err);
    cq_arena_clear(&tmp);
  }
  return rc;
}

static int step_discovered(void *user, asking *a, const cq_error *failure,
                           cq_error *err) {
  step *st = user;
  const cq_batch *rows;

  if (failure) {
    cq_client *c = client_extend(&st->source->arena, a->client, 0);

    st->failed = 1;
    if (!c || client_fail(&st->source->arena, c, failure))
      return cq_error_nomem(err);
    return growing_add(&st->out, c, err);
  }
  rows = cq_reader_rows(a->reader);
  for (int i = 0; i < rows->nrow; i++) {
    cq_client *c;
    int keep, rc = step_record(st, a->client, cq_batch_row(rows, i), &c, err);

    if (rc == CQ_OK) rc = step_keep(st, c, a->patterns, &keep, err);
    if (rc == CQ_OK && keep) rc = growing_add(&st->out, c, err);
    if (rc) return rc;
  }
  return CQ_OK;
}

static int step_identified(void *user, asking *a, const cq_error *failure,
                           cq_error *err) {
  step *st = user;
  const cq_batch *rows;
  cq_client *c;
  int rc;

  if (failure)
    return client_fail(&st->source->arena, a->client, failure)
               ? cq_error_nomem(err)
               : CQ_OK;
  rows = cq_reader_rows(a->reader);
  if (rows->nrow < 1) {
    cq_error e = {0, ""};

    cq_error_set(&e, CQ_ERROR, "%s: the identifying request had no record",
                 st->dim->name);
    return client_fail(&st->source->arena, a->client, &e) ? cq_error_nomem(err)
                                                          : CQ_OK;
  }
  rc = step_record(st, a->client, cq_batch_row(rows, 0), &c, err);
  if (rc == CQ_OK) *a->client = *c;
  return rc;
}

/* The values that the configuration gives for `base`; askings for the rest. */
static int step_values(step *st, cq_client *base, asking *ask, size_t *nask,
                       cq_error *err) {
  cq_scope scope = client_scope(st->source, base);
  cq_context ctx = cq_scope_context(&scope);
  cq_value v = cq_value_null();
  cq_arena tmp;
  json_t *list = NULL, *patterns = NULL, *item;
  size_t i;
  int rc = CQ_OK;

  cq_arena_init(&tmp);
  if (st->dim->values)
    rc = cq_template_eval(st->dim->values, &ctx, CQ_PLACE_PLAIN, &tmp, &v, err);
  if (rc) goto done;
  if (v.kind == CQ_STR && v.json)
    list = json_loadb(v.u.s, v.len, JSON_DECODE_ANY, NULL);
  else if (v.kind == CQ_STR && v.len)
    list = json_pack("[s%]", v.u.s, (size_t)v.len);
  else if (v.kind == CQ_INT)
    list = json_pack("[I]", (json_int_t)v.u.i);
  if (list && !json_is_array(list)) {
    json_t *one = json_pack("[o]", list);

    list = one;
  }
  if (list && json_array_size(list) == 0) {
    json_decref(list);
    list = NULL;
  }
  json_array_foreach(list, i, item) {
    cq_client *c;

    if (is_pattern(item) && st->dim->discover) {
      if (!patterns) patterns = json_array();
      if (!patterns || json_array_append(patterns, item) ||
          (!json_object_get(st->matched, json_string_value(item)) &&
           json_object_set_new(st->matched, json_string_value(item),
                               json_false()))) {
        rc = cq_error_nomem(err);
        goto done;
      }
      continue;
    }
    rc = client_from_json(&st->source->arena, st->dim, base, item, &c, err);
    if (rc) {
      if (rc == CQ_NOMEM) cq_error_nomem(err);
      goto done;
    }
    /* Whoever is discovered or identified gets them then. */
    if (!st->dim->discover && !st->dim->identify) {
      int keep;

      rc = step_derive(st, c, err);
      if (rc == CQ_OK) rc = step_keep(st, c, NULL, &keep, err);
      if (rc) goto done;
      if (!keep) continue;
    }
    if ((rc = growing_add(&st->out, c, err)) != 0) goto done;
  }
  if (patterns || (!list && st->dim->discover)) {
    ask[*nask].client = base;
    ask[*nask].patterns = patterns;
    patterns = NULL;
    (*nask)++;
  } else if (!list && st->dim->optional) {
    rc = growing_add(&st->out, base, err);
  }
done:
  json_decref(list);
  json_decref(patterns);
  cq_arena_clear(&tmp);
  return rc;
}

static void asks_free(asking *asks, size_t n) {
  for (size_t i = 0; asks && i < n; i++) json_decref(asks[i].patterns);
  cq_free(asks);
}

/* A pattern that fits nothing anywhere is a slip, not a wish for nothing. */
static int step_unmatched(const step *st, cq_error *err) {
  const char *pattern;
  json_t *yes;

  json_object_foreach(st->matched, pattern, yes) {
    if (!json_is_true(yes))
      return cq_error_set(err, CQ_NOTFOUND, "%s: no %s matches \"%s\"",
                          st->source->in->name, st->dim->name, pattern);
  }
  return CQ_OK;
}

/* Lays dimension `d` over `in`; the result replaces it.  dry: makes no request
 * and tells how many there would be. */
static int step_run(cq_source *s, const cq_dimension *d, growing *in,
                    cq_dry_step *dry, cq_error *err) {
  step st = {s, d, {NULL, 0, 0}, json_object(), 0};
  size_t cap = in->n ? in->n : 1, nask = 0;
  asking *asks = cq_calloc(cap, sizeof *asks);
  cq_field *fields = cq_calloc(d->nattr + 1, sizeof *fields);
  static const cq_path self = {".", 0, NULL};
  int rc = CQ_OK, nfield = 0;

  if (!asks || !fields || !st.matched) {
    rc = cq_error_nomem(err);
    goto done;
  }
  /* An attribute that is computed has no path: its cell stays empty. */
  for (size_t i = 0; i < d->nattr; i++) {
    if (!d->attr[i].path) continue;
    fields[nfield].path = d->attr[i].path;
    fields[nfield++].slot = (int)i;
  }
  for (size_t i = 0; i < in->n && rc == CQ_OK; i++) {
    if (in->v[i]->failed)
      rc = growing_add(&st.out, in->v[i], err);
    else
      rc = step_values(&st, in->v[i], asks, &nask, err);
  }
  if (dry) {
    dry->discover = (int64_t)nask;
    dry->identify = nask && d->identify ? -1 : 0;
    for (size_t i = 0; d->identify && !nask && i < st.out.n; i++)
      dry->identify += !st.out.v[i]->failed;
    goto done;
  }
  if (rc == CQ_OK && nask)
    rc = ask_all(s, d, d->discover, d->rows, &d->page, fields, nfield, asks,
                 nask, step_discovered, &st, err);
  if (rc == CQ_OK && !st.failed) rc = step_unmatched(&st, err);
  if (rc == CQ_OK && d->identify && st.out.n) {
    asks_free(asks, nask);
    asks = cq_calloc(st.out.n, sizeof *asks);
    nask = 0;
    if (!asks) rc = cq_error_nomem(err);
    for (size_t i = 0; asks && i < st.out.n; i++)
      if (!st.out.v[i]->failed) asks[nask++].client = st.out.v[i];
    if (asks)
      rc = ask_all(s, d, d->identify, d->record ? d->record : &self, NULL,
                   fields, nfield, asks, nask, step_identified, &st, err);
  }
done:
  asks_free(asks, nask);
  json_decref(st.matched);
  cq_free(fields);
  cq_free(in->v);
  *in = st.out;
  return rc;
}

/* _cq_client_id: the id attributes of the dimensions, joined by ':'. */
static int client_name(cq_source *s, unsigned long long dims, cq_client *c,
                       cq_error *err) {
  cq_buf b;

  cq_buf_init(&b, 1 << 16);
  for (int k = 0; k < s->in->ndim; k++) {
    const cq_dimension *d = &s->in->dims[k];
    const char *id = d->id ? d->id : d->name;

    for (size_t i = 0; (dims >> k & 1) && i < c->n; i++)
      if (strcmp(c->names[i], id) == 0 && c->values[i].kind != CQ_NULL) {
        cq_value v;

        if (b.len) cq_buf_byte(&b, ':');
        if (cq_value_to_text(&s->arena, &c->values[i], &v))
          b.rc = CQ_NOMEM;
        else
          cq_buf_add(&b, v.u.s, v.len);
      }
  }
  if (!b.len) cq_buf_str(&b, s->in->name);
  c->id = b.rc ? NULL : cq_arena_strndup(&s->arena, b.data, b.len);
  cq_buf_clear(&b);
  return c->id ? CQ_OK : cq_error_nomem(err);
}

/* Values that name the same (a pattern and a word, two profiles of one account)
 * are one client: it is asked once.  Those that failed may share a name. */
static int growing_unique(growing *g, cq_error *err) {
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
  growing g = {NULL, 0, 0};
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
    c = client_extend(&s->arena, base ? base->clients[i] : &none, 0);
    rc = c ? growing_add(&g, c, err) : cq_error_nomem(err);
  }
  if (rc == CQ_OK && last >= 0)
    rc = step_run(s, &s->in->dims[last], &g, NULL, err);
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++)
    rc = client_name(s, dims, g.v[i], err);
  if (rc == CQ_OK) rc = growing_unique(&g, err);
  l = rc ? NULL : cq_calloc(1, sizeof *l);
  if (!l) {
    cq_free(g.v);
    return rc ? rc : cq_error_nomem(err);
  }
  l->dims = dims;
  l->clients = g.v;
  l->n = g.n;
  for (size_t i = 0; i < l->n; i++)
    if (l->clients[i]->failed) l->again_ms = cq_mono_ms() + FAILED_MS;
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

int cq_source_dry(cq_source *s, const cq_table *t, cq_arena *a, cq_dry *out,
                  cq_error *err) {
  unsigned long long dims = table_dims(t), have = 0;
  const cq_client_list *base = NULL;
  cq_arena own = s->arena; /* what is found here is the caller's */
  growing g = {NULL, 0, 0};
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
    cq_client *c = client_extend(&s->arena, base ? base->clients[i] : &none, 0);

    rc = c ? growing_add(&g, c, err) : cq_error_nomem(err);
  }
  for (int i = 0; i < s->in->ndim && rc == CQ_OK; i++) {
    cq_dry_step *d = &out->step[out->nstep];

    if (!((dims ^ have) >> i & 1) || out->nstep == 64) continue;
    d->dim = &s->in->dims[i];
    out->nstep++;
    if (out->known)
      rc = step_run(s, d->dim, &g, d, err);
    else
      d->discover = d->identify = -1;
    if (d->discover) out->known = 0;
    if (!d->dim->discover) d->discover = 0;
    if (!d->dim->identify) d->identify = 0;
  }
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++)
    rc = client_name(s, dims, g.v[i], err);
  /* Before they are identified, different ones may have one name. */
  for (size_t i = 0; i < out->nstep && rc == CQ_OK; i++)
    if (out->step[i].identify || out->step[i].discover) named = 0;
  if (rc == CQ_OK && named) rc = growing_unique(&g, err);
  *a = s->arena;
  s->arena = own;
  out->clients = g.v;
  out->n = g.n;
  return rc;
}

static int test_done(void *user, asking *a, const cq_error *failure,
                     cq_error *err) {
  cq_source *s = user;
  cq_error none = {CQ_NOTFOUND, "not found"};

  if (!failure) return CQ_OK;
  return client_fail(&s->arena, a->client, failure->code ? failure : &none)
             ? cq_error_nomem(err)
             : CQ_OK;
}

/* One request for each client that is known, as the definition's `test` says. */
static int source_ask(cq_source *s, const growing *g, cq_error *err) {
  static const cq_path self = {".", 0, NULL};
  asking *asks = cq_calloc(g->n + 1, sizeof *asks);
  cq_field none;
  size_t n = 0;
  int rc;

  if (!asks) return cq_error_nomem(err);
  memset(&none, 0, sizeof none);
  for (size_t i = 0; i < g->n; i++)
    if (!g->v[i]->failed) asks[n++].client = g->v[i];
  rc = ask_all(s, s->in->test, s->in->test->identify, &self, NULL, &none, 0,
               asks, n, test_done, s, err);
  asks_free(asks, n);
  return rc;
}

int cq_source_test(cq_source *s, cq_buf *json, cq_error *err) {
  growing g = {NULL, 0, 0};
  cq_client *none = cq_arena_alloc(&s->arena, sizeof *none);
  int rc = none ? CQ_OK : cq_error_nomem(err), asked = s->in->test != NULL;

  for (int i = 0; i < s->in->ndim; i++)
    asked |= s->in->dims[i].identify || s->in->dims[i].discover;
  if (none) {
    memset(none, 0, sizeof *none);
    rc = growing_add(&g, none, err);
  }
  for (int i = 0; i < s->in->ndim && rc == CQ_OK; i++)
    rc = step_run(s, &s->in->dims[i], &g, NULL, err);
  if (rc == CQ_OK && s->in->test) rc = source_ask(s, &g, err);
  cq_buf_byte(json, '[');
  for (size_t i = 0; i < g.n && rc == CQ_OK; i++) {
    const cq_client *c = g.v[i];

    cq_buf_str(json, i ? ",{\"client\":{" : "{\"client\":{");
    for (size_t k = 0, put = 0; k < c->n; k++) {
      if (c->values[k].kind != CQ_STR || c->values[k].json) continue;
      if (put++) cq_buf_byte(json, ',');
      cq_buf_json(json, c->names[k], strlen(c->names[k]));
      cq_buf_byte(json, ':');
      cq_buf_json(json, c->values[k].u.s, c->values[k].len);
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
