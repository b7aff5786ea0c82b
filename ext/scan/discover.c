/* ext/scan/discover.c: a dimension is laid over the clients found so far: its
 * values come from the configuration or from a request, and a request may add
 * attributes to each.
 *
 * A client whose discovery fails stays in the list, marked, so that whoever
 * asks can tell that something was not read. */
#include <jansson.h>
#include <string.h>

#include "scan/internal.h"

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
  def.fetch.limits = &d->limits;
  def.fetch.early = 1;
  def.page = page;
  def.rows = rows;
  /* Who is there at all must not be told by an answer of another form; that
   * who is asked for has no record is told elsewhere. */
  def.optional_rows =
      d->rows_optional || (r != d->discover && r != d->children);
  def.fields = fields;
  def.nfield = nfield;
  def.nslot = (int)d->nattr > nfield ? (int)d->nattr : nfield;
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
  cq_arena *arena; /* of the clients */
  cq_growing out;
  json_t *matched; /* pattern: whether it kept anything */
  int failed;      /* some could not be asked */
  int dry;         /* no request is made */
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
    rc = cq_template_whence(st->dim->attr[i].value, &ctx, &tmp, &v, err);
    if (rc == CQ_OK && v.kind != CQ_NULL &&
        cq_client_set(st->arena, c, st->dim->attr[i].name, &v))
      rc = cq_error_nomem(err);
  }
  cq_arena_clear(&tmp);
  return rc;
}

/* Attributes of record `row` go into a copy of `base`. */
static int step_record(step *st, const cq_client *base, const cq_value *row,
                       cq_client **out, cq_error *err) {
  cq_client *c = cq_client_extend(st->arena, base, st->dim->nattr);
  int rc = CQ_OK;

  *out = c;
  if (!c) return cq_error_nomem(err);
  for (size_t i = 0; i < st->dim->nattr && rc == CQ_OK; i++) {
    cq_value v = row[i];

    v.whence = CQ_BY_ANSWER;
    if (v.kind != CQ_NULL &&
        cq_client_set(st->arena, c, st->dim->attr[i].name, &v))
      rc = cq_error_nomem(err);
  }
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

    const cq_value *v = cq_client_value(c, id);
    char text[256];
    size_t k;
    json_t *p;

    *keep = 0;
    if (v && v->kind == CQ_STR && v->len < sizeof text) {
      memcpy(text, v->u.s, v->len);
      text[v->len] = 0;
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

/* Attributes that the client's credentials come with, which no request needs
 * to be made for: a client without credentials is one that failed. */
static int step_login(step *st, cq_client *c, cq_error *err) {
  const cq_request_def *r =
      st->dim->identify ? st->dim->identify : st->dim->discover;
  cq_scope scope = client_scope(st->source, c);
  cq_auth_params params;
  cq_identity *id = NULL;
  const char *scheme = NULL;
  cq_error why = {0, ""};
  size_t wanted = 0;
  cq_arena tmp;
  int rc = CQ_OK;

  for (size_t i = 0; i < st->dim->nattr; i++)
    wanted += st->dim->attr[i].login != NULL;
  if (!wanted || !r) return CQ_OK;
  cq_arena_init(&tmp);
  rc = cq_request_auth(st->source->in, r, &scope, &tmp, &scheme, &params, &why);
  if (rc == CQ_OK && scheme)
    rc = cq_auths_get(st->source->env->auths, scheme, &params, &id, &why);
  for (size_t i = 0; i < st->dim->nattr && rc == CQ_OK && id; i++) {
    const char *login = st->dim->attr[i].login;
    const char *said = login && id->ops->fact ? id->ops->fact(id, login) : NULL;
    cq_value v = cq_value_text(said);

    if (said && cq_client_set(st->arena, c, st->dim->attr[i].name, &v))
      rc = CQ_NOMEM;
  }
  cq_arena_wipe(&tmp);
  if (rc == CQ_NOMEM) return cq_error_nomem(err);
  /* A plan is made without credentials, too. */
  if (rc && !st->dry && cq_client_fail(st->arena, c, &why))
    return cq_error_nomem(err);
  return CQ_OK;
}

static int step_discovered(void *user, asking *a, const cq_error *failure,
                           cq_error *err) {
  step *st = user;
  const cq_batch *rows;

  if (failure) {
    cq_client *c = cq_client_extend(st->arena, a->client, 0);

    st->failed = 1;
    if (!c || cq_client_fail(st->arena, c, failure)) return cq_error_nomem(err);
    return cq_growing_add(&st->out, c, err);
  }
  rows = cq_reader_rows(a->reader);
  for (int i = 0; i < rows->nrow; i++) {
    cq_client *c;
    int keep, rc = step_record(st, a->client, cq_batch_row(rows, i), &c, err);

    if (rc == CQ_OK) rc = step_keep(st, c, a->patterns, &keep, err);
    if (rc == CQ_OK && keep) rc = step_login(st, c, err);
    if (rc == CQ_OK && keep) rc = cq_growing_add(&st->out, c, err);
    if (rc) return rc;
  }
  return CQ_OK;
}

static int step_identified(void *user, asking *a, const cq_error *failure,
                           cq_error *err) {
  step *st = user;
  const cq_batch *rows;
  cq_client *c, *was;
  int rc;

  if (failure)
    return cq_client_fail(st->arena, a->client, failure) ? cq_error_nomem(err)
                                                         : CQ_OK;
  rows = cq_reader_rows(a->reader);
  if (rows->nrow < 1) {
    cq_error e = {0, ""};

    cq_error_set(&e, CQ_ERROR, "%s: the identifying request had no record",
                 st->dim->name);
    return cq_client_fail(st->arena, a->client, &e) ? cq_error_nomem(err)
                                                    : CQ_OK;
  }
  /* It is the same client, over what it was. */
  was = cq_arena_alloc(st->arena, sizeof *was);
  if (!was) return cq_error_nomem(err);
  *was = *a->client;
  rc = step_record(st, was, cq_batch_row(rows, 0), &c, err);
  if (rc == CQ_OK) *a->client = *c;
  return rc;
}

/* What a template gives for a client as a list; NULL where that is nothing.
 * by: who has named them, or NULL. */
static int client_list(cq_source *s, const cq_client *c, const cq_template *t,
                       json_t **out, cq_whence *by, cq_error *err) {
  cq_scope scope = client_scope(s, c);
  cq_context ctx = cq_scope_context(&scope);
  cq_value v = cq_value_null();
  json_t *list = NULL;
  cq_arena tmp;
  int rc = CQ_OK;

  *out = NULL;
  cq_arena_init(&tmp);
  if (t) rc = cq_template_whence(t, &ctx, &tmp, &v, err);
  if (by) *by = (cq_whence)v.whence;
  if (rc == CQ_OK && v.kind == CQ_STR && v.json)
    list = cq_numbers_load(v.u.s, v.len, NULL);
  else if (rc == CQ_OK && v.kind == CQ_STR && v.len)
    list = json_pack("[s%]", v.u.s, (size_t)v.len);
  else if (rc == CQ_OK && v.kind == CQ_INT)
    list = json_pack("[I]", (json_int_t)v.u.i);
  cq_arena_clear(&tmp);
  if (list && !json_is_array(list)) list = json_pack("[o]", list);
  if (list && json_array_size(list) > 0)
    *out = list;
  else
    json_decref(list);
  return rc;
}

/* The values that the configuration gives for `base`; askings for the rest. */
static int step_values(step *st, cq_client *base, asking *ask, size_t *nask,
                       cq_error *err) {
  json_t *list = NULL, *patterns = NULL, *item;
  cq_whence by;
  size_t i;
  int rc = client_list(st->source, base, st->dim->values, &list, &by, err);

  if (rc) return rc;
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
    rc = cq_client_configured(st->arena, st->dim, base, item, by, &c, err);
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
    if (!c->failed && (rc = step_login(st, c, err)) != 0) goto done;
    if ((rc = cq_growing_add(&st->out, c, err)) != 0) goto done;
  }
  if (patterns || (!list && st->dim->discover)) {
    ask[*nask].client = base;
    ask[*nask].patterns = patterns;
    patterns = NULL;
    (*nask)++;
  } else if (!list && st->dim->optional) {
    rc = cq_growing_add(&st->out, base, err);
  }
done:
  json_decref(list);
  json_decref(patterns);
  return rc;
}

static void asks_free(asking *asks, size_t n) {
  for (size_t i = 0; asks && i < n; i++) json_decref(asks[i].patterns);
  cq_free(asks);
}

/* ---- discovery through a tree ----------------------------------------------- */

typedef struct tree {
  step *st;
  json_t *without; /* or NULL */
  asking *asks;    /* of all values of all clients so far */
  size_t n, cap;
  cq_set seen; /* values of this client */
} tree;

/* Is it one that nobody wants? */
static int tree_without(const tree *t, const char *text) {
  const json_t *item;
  size_t i;

  json_array_foreach((json_t *)t->without, i, item) {
    if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
      return 1;
  }
  return 0;
}

static int tree_add(tree *t, const asking *of, const char *text, cq_whence by,
                    cq_error *err) {
  cq_value v = cq_value_text(text);
  cq_client *c;
  int is_new = 0;

  v.whence = (uint16_t)by;
  if (!text || !*text || tree_without(t, text)) return CQ_OK;
  if (cq_set_add(&t->seen, cq_hash64(text, strlen(text), 0), &is_new))
    return cq_error_nomem(err);
  if (!is_new) return CQ_OK;
  if (t->n == CQ_MAX_DISCOVERED)
    return cq_error_set(err, CQ_TOOBIG, "%s: more than %d entries in one tree",
                        t->st->dim->name, (int)CQ_MAX_DISCOVERED);
  c = cq_client_extend(t->st->arena, of->client, 1);
  if (!c || cq_client_set(t->st->arena, c, t->st->dim->each, &v) ||
      cq_grow(&t->asks, &t->cap, t->n, sizeof *t->asks))
    return cq_error_nomem(err);
  t->asks[t->n].reader = NULL;
  t->asks[t->n].client = c;
  t->asks[t->n++].patterns = json_incref(of->patterns);
  return CQ_OK;
}

static int tree_answered(void *user, asking *a, const cq_error *failure,
                         cq_error *err) {
  tree *t = user;
  const cq_batch *rows;
  int rc = CQ_OK;

  if (failure) return step_discovered(t->st, a, failure, err);
  rows = cq_reader_rows(a->reader);
  for (int i = 0; i < rows->nrow && rc == CQ_OK; i++) {
    const cq_value *v = cq_batch_row(rows, i);
    char *text;

    if (v->kind != CQ_STR) continue;
    text = cq_strndup(v->u.s, v->len);
    rc = text ? tree_add(t, a, text, CQ_BY_ANSWER, err) : cq_error_nomem(err);
    cq_free(text);
  }
  return rc;
}

/* What is below those from `first` on, and below that, until there is nothing:
 * a value is asked for once, so that a circle ends. */
static int tree_descend(tree *t, size_t first, cq_error *err) {
  static const cq_path self = {".", 0, NULL};
  const cq_dimension *d = t->st->dim;
  cq_field field;
  int rc = CQ_OK;

  memset(&field, 0, sizeof field);
  field.path = (cq_path *)&self;
  field.type = CQ_TEXT;
  while (rc == CQ_OK && first < t->n) {
    size_t n = t->n - first;
    asking *level = cq_calloc(n, sizeof *level);

    if (!level) return cq_error_nomem(err);
    memcpy(level, t->asks + first, n * sizeof *level);
    first = t->n;
    rc = ask_all(t->st->source, d, d->children,
                 d->child_rows ? d->child_rows : &self, &d->child_page, &field,
                 1, level, n, tree_answered, t, err);
    cq_free(level);
  }
  return rc;
}

/* The askings for `base`: one for each value of its tree, or it alone. */
static int tree_grow(tree *t, const asking *base, cq_error *err) {
  json_t *list = NULL, *item;
  size_t i, first = t->n;
  cq_whence by;
  int rc = client_list(t->st->source, base->client, t->st->dim->each_values,
                       &list, &by, err);

  if (rc == CQ_OK && !list) {
    if (cq_grow(&t->asks, &t->cap, t->n, sizeof *t->asks))
      return cq_error_nomem(err);
    t->asks[t->n] = *base;
    json_incref(t->asks[t->n++].patterns);
    return CQ_OK;
  }
  if (rc == CQ_OK)
    rc = client_list(t->st->source, base->client, t->st->dim->child_without,
                     &t->without, NULL, err);
  json_array_foreach(list, i, item) {
    if (rc == CQ_OK) rc = tree_add(t, base, json_string_value(item), by, err);
  }
  json_decref(list);
  if (rc == CQ_OK && t->st->dim->children) rc = tree_descend(t, first, err);
  json_decref(t->without);
  t->without = NULL;
  cq_set_clear(&t->seen);
  return rc;
}

/* Replaces the askings by those of their trees. */
static int step_trees(step *st, asking **asks, size_t *nask, cq_error *err) {
  tree t;
  int rc = CQ_OK;

  if (!st->dim->each) return CQ_OK;
  memset(&t, 0, sizeof t);
  t.st = st;
  for (size_t i = 0; i < *nask && rc == CQ_OK; i++)
    rc = tree_grow(&t, &(*asks)[i], err);
  asks_free(*asks, *nask);
  *asks = t.asks;
  *nask = t.n;
  return rc;
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

int cq_dimension_lay(cq_source *s, const cq_dimension *d, cq_arena *a,
                     cq_growing *in, cq_dry_step *dry, cq_error *err) {
  step st = {s, d, a, {NULL, 0, 0}, json_object(), 0, dry != NULL};
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
      rc = cq_growing_add(&st.out, in->v[i], err);
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
  if (rc == CQ_OK && nask) rc = step_trees(&st, &asks, &nask, err);
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

static int test_done(void *user, asking *a, const cq_error *failure,
                     cq_error *err) {
  cq_arena *arena = user;
  cq_error none = {CQ_NOTFOUND, "not found"};

  if (!failure) return CQ_OK;
  return cq_client_fail(arena, a->client, failure->code ? failure : &none)
             ? cq_error_nomem(err)
             : CQ_OK;
}

int cq_clients_test(cq_source *s, cq_arena *a, const cq_growing *g,
                    cq_error *err) {
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
               asks, n, test_done, a, err);
  asks_free(asks, n);
  return rc;
}
