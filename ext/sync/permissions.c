/* ext/sync/permissions.c: cq_permissions: what the caller of a sync must be
 * allowed to do, and no more; for APIs whose permissions are policies, as the
 * policy itself. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sync/internal.h"

/* Words of one integration, sorted at the end, each once. */
typedef struct words {
  cq_arena *arena;
  const char **v;
  size_t n, cap;
  cq_set seen;
} words;

static int words_add(void *user, const char *word) {
  words *w = user;
  int is_new;

  if (cq_set_add(&w->seen, cq_hash64(word, strlen(word), 0), &is_new))
    return CQ_NOMEM;
  if (!is_new) return CQ_OK;
  if (cq_grow(&w->v, &w->cap, w->n, sizeof *w->v)) return CQ_NOMEM;
  w->v[w->n] = cq_arena_strndup(w->arena, word, strlen(word));
  return w->v[w->n++] ? CQ_OK : CQ_NOMEM;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_list(const words *w, size_t from, size_t to, cq_buf *out) {
  cq_buf_byte(out, '[');
  for (size_t i = from; i < to; i++) {
    if (i > from) cq_buf_byte(out, ',');
    cq_buf_json(out, w->v[i], strlen(w->v[i]));
  }
  cq_buf_byte(out, ']');
}

/* An IAM policy: a statement for each service, since one document may not hold
 * all of them and a person may want to divide it. */
static void put_policy(const words *w, cq_buf *out) {
  size_t from = 0, to;

  cq_buf_str(out, "{\"Version\":\"2012-10-17\",\"Statement\":[");
  for (; from < w->n; from = to) {
    size_t n = strcspn(w->v[from], ":");

    for (to = from; to < w->n && strncmp(w->v[to], w->v[from], n) == 0 &&
                    strcspn(w->v[to], ":") == n;
         to++)
      ;
    cq_buf_str(out, from ? ",{\"Sid\":\"" : "{\"Sid\":\"");
    for (size_t i = 0; i < n; i++) /* letters and digits are all it may have */
      if (strchr("-_.", w->v[from][i]) == NULL) cq_buf_byte(out, w->v[from][i]);
    cq_buf_str(out, "\",\"Effect\":\"Allow\",\"Action\":");
    put_list(w, from, to, out);
    cq_buf_str(out, ",\"Resource\":\"*\"}");
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
      put_list(&w, 0, w.n, out);
    cq_free(w.v);
    cq_set_clear(&w.seen);
  }
  if (several) cq_buf_byte(out, '}');
  if (rc == CQ_OK && out->rc) rc = cq_error_nomem(err);
  cq_run_clear(&r);
  cq_free(text);
  return rc;
}
