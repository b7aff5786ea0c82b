/* ext/sync/permissions.c: cq_permissions: what the caller of a sync must be
 * allowed to do, and no more; for APIs whose permissions are policies, as the
 * policy itself. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sync/internal.h"

typedef struct word {
  const char *text;
  const char *resource; /* NULL: it is needed for all */
} word;

/* Words of one integration, sorted at the end, each once. */
typedef struct words {
  cq_arena *arena;
  word *v;
  size_t n, cap;
  cq_set seen;
} words;

static int words_add(void *user, const char *text, const char *resource) {
  words *w = user;
  uint64_t hash = cq_hash64(text, strlen(text), 0);
  word *to;
  int is_new;

  if (resource) hash = cq_hash64(resource, strlen(resource), hash);
  if (cq_set_add(&w->seen, hash, &is_new)) return CQ_NOMEM;
  if (!is_new) return CQ_OK;
  if (cq_grow(&w->v, &w->cap, w->n, sizeof *w->v)) return CQ_NOMEM;
  to = &w->v[w->n];
  to->text = cq_arena_strndup(w->arena, text, strlen(text));
  to->resource =
      resource ? cq_arena_strndup(w->arena, resource, strlen(resource)) : NULL;
  if (!to->text || (resource && !to->resource)) return CQ_NOMEM;
  w->n++;
  return CQ_OK;
}

/* What is needed for all before what is for some. */
static int by_text(const void *a, const void *b) {
  const word *l = a, *r = b;
  int c = strcmp(l->text, r->text);

  if (c || !l->resource || !r->resource)
    return c ? c : (l->resource != NULL) - (r->resource != NULL);
  return strcmp(l->resource, r->resource);
}

/* How many words from `from` on have its text. */
static size_t words_alike(const words *w, size_t from) {
  size_t n = 1;

  while (from + n < w->n && strcmp(w->v[from].text, w->v[from + n].text) == 0)
    n++;
  return n;
}

/* Texts, or resources, as a list without what came twice; of the texts those
 * alone that `whole` asks for. */
static void put_list(const words *w, size_t from, size_t to, int whole,
                     cq_buf *out) {
  int first = 1;

  cq_buf_byte(out, '[');
  for (size_t i = from; i < to; i += words_alike(w, i)) {
    if (whole && w->v[i].resource) continue;
    if (!first) cq_buf_byte(out, ',');
    first = 0;
    cq_buf_json(out, w->v[i].text, strlen(w->v[i].text));
  }
  cq_buf_byte(out, ']');
}

static void put_sid(const char *text, size_t n, int *first, cq_buf *out) {
  cq_buf_str(out, *first ? "{\"Sid\":\"" : ",{\"Sid\":\"");
  *first = 0;
  for (size_t i = 0; i < n; i++) /* letters and digits are all it may have */
    if (strchr("-_.:*", text[i]) == NULL) cq_buf_byte(out, text[i]);
  cq_buf_str(out, "\",\"Effect\":\"Allow\",\"Action\":");
}

/* An IAM policy: a statement for each service, since one document may not hold
 * all of them and a person may want to divide it; and one for each action that
 * is needed for some resources alone. */
static void put_policy(const words *w, cq_buf *out) {
  size_t from = 0, to;
  int first = 1;

  cq_buf_str(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
  for (; from < w->n; from = to) {
    const char *text = w->v[from].text;
    size_t n = strcspn(text, ":");
    int whole = 0;

    for (to = from; to < w->n && strncmp(w->v[to].text, text, n) == 0 &&
                    strcspn(w->v[to].text, ":") == n;
         to++)
      whole |= !w->v[to].resource;
    if (whole) {
      put_sid(text, n, &first, out);
      put_list(w, from, to, 1, out);
      cq_buf_str(out, ",\"Resource\":\"*\"}");
    }
    for (size_t i = from, k; i < to; i += k) {
      k = words_alike(w, i);
      if (!w->v[i].resource) continue;
      put_sid(w->v[i].text, strlen(w->v[i].text), &first, out);
      put_list(w, i, i + 1, 0, out);
      cq_buf_str(out, ",\"Resource\":[");
      for (size_t r = i; r < i + k; r++) {
        if (r > i) cq_buf_byte(out, ',');
        cq_buf_json(out, w->v[r].resource, strlen(w->v[r].resource));
      }
      cq_buf_str(out, "]}");
    }
  }
  cq_buf_str(out, "]}");
}

static int source_words(const cq_run_source *s, words *w, cq_error *err) {
  int rc = CQ_OK, pays = cq_config_pays(s->config);

  for (int i = 0; i < s->plan.n && rc == CQ_OK; i++)
    if (!s->plan.tables[i].paid || pays)
      rc = cq_source_permissions(s->source, s->plan.tables[i].table, words_add,
                                 w, err);
  return rc;
}

/* A name or pattern alone stands for the short form with its integration. */
static int short_form(const cq_sync_call *c, char **out, cq_error *err) {
  const char *name, *in, *found = NULL;

  *out = NULL;
  if (!*c->spec || strcspn(c->spec, " \t\r\n{}[]:/.\"'") != strlen(c->spec) ||
      access(c->spec, F_OK) == 0)
    return CQ_OK;
  for (size_t i = 0; (name = cq_registry_table_name(c->env->registry, i, &in));
       i++) {
    if (!cq_glob(c->spec, name)) continue;
    if (found && strcmp(found, in) != 0)
      return cq_error_set(err, CQ_ERROR,
                          "cq_permissions: %s matches tables of %s and of %s",
                          c->spec, found, in);
    found = in;
  }
  if (!found)
    return cq_error_set(err, CQ_NOTFOUND,
                        "cq_permissions: %s matches no table\nhint: SELECT "
                        "name FROM cq_tables lists them",
                        c->spec);
  *out = cq_mprintf("{source: %s, tables: [\"%s\"]}", found, c->spec);
  return *out ? CQ_OK : cq_error_nomem(err);
}

int cq_sync_permissions(const cq_sync_call *c, cq_buf *out, cq_error *err) {
  cq_sync_call call = *c;
  const cq_integration *done[64];
  size_t ndone = 0;
  char *text = NULL;
  cq_run r;
  int rc = short_form(c, &text, err), several = 0;

  memset(&r, 0, sizeof r);
  if (rc) return rc;
  if (text) call.spec = text;
  rc = cq_run_prepare(&r, &call, err);
  for (size_t i = 1; i < r.nsource && rc == CQ_OK; i++)
    several |= r.sources[i].spec->integration != r.sources[0].spec->integration;
  if (several) cq_buf_byte(out, '{');
  for (size_t i = 0; i < r.nsource && rc == CQ_OK; i++) {
    const cq_integration *in = r.sources[i].spec->integration;
    words w;
    size_t k;

    for (k = 0; k < ndone && done[k] != in; k++)
      ;
    if (k < ndone || ndone == 64) continue;
    done[ndone++] = in;
    memset(&w, 0, sizeof w);
    w.arena = &r.spec.arena;
    for (k = i; k < r.nsource && rc == CQ_OK; k++)
      if (r.sources[k].spec->integration == in)
        rc = source_words(&r.sources[k], &w, err);
    if (w.n) qsort(w.v, w.n, sizeof *w.v, by_text);
    if (several) {
      if (ndone > 1) cq_buf_byte(out, ',');
      cq_buf_json(out, in->name, strlen(in->name));
      cq_buf_byte(out, ':');
    }
    if (in->policy)
      put_policy(&w, out);
    else
      put_list(&w, 0, w.n, 0, out);
    cq_free(w.v);
    cq_set_clear(&w.seen);
  }
  if (several) cq_buf_byte(out, '}');
  if (rc == CQ_OK && out->rc) rc = cq_error_nomem(err);
  cq_run_clear(&r);
  cq_free(text);
  return rc;
}
