/* ext/scan/cache.c: the answers that live queries have seen a moment ago, so
 * that identical fetches of one statement happen once, and a join's inner side
 * does not ask again for each outer row.
 *
 * An entry is good while it is younger than the time limit, or as long as a
 * live cursor is open that was open when it was made.  Whole bodies only, the
 * oldest go first when the bytes run out.  Caller's thread. */
#include <string.h>

#include "scan/internal.h"

typedef struct entry {
  struct entry *next; /* in its chain */
  struct entry *younger;
  uint64_t hash;
  int64_t made_ms;
  size_t bytes;
  char *key;
  cq_cached answer; /* strings owned */
} entry;

struct cq_cache {
  entry *chain[256];
  entry *oldest, *newest;
  size_t bytes, max;
  int64_t ttl_ms;
  int cursors;      /* open now */
  int64_t since_ms; /* when the first of them was opened */
};

int cq_cache_new(size_t max_bytes, cq_cache **out) {
  *out = cq_calloc(1, sizeof **out);
  if (!*out) return CQ_NOMEM;
  (*out)->max = max_bytes;
  (*out)->ttl_ms = 10000;
  return CQ_OK;
}

static void entry_free(entry *e) {
  if (!e) return;
  cq_free(e->key);
  cq_free((char *)e->answer.body);
  cq_free((char *)e->answer.url);
  cq_free((char *)e->answer.link);
  cq_free((char *)e->answer.token);
  cq_free(e);
}

static void cache_pop(cq_cache *c) {
  entry *e = c->oldest, **at;

  for (at = &c->chain[e->hash & 255]; *at != e; at = &(*at)->next)
    ;
  *at = e->next;
  c->oldest = e->younger;
  if (!c->oldest) c->newest = NULL;
  c->bytes -= e->bytes;
  entry_free(e);
}

void cq_cache_drop(cq_cache *c) {
  while (c && c->oldest) cache_pop(c);
}

void cq_cache_free(cq_cache *c) {
  cq_cache_drop(c);
  cq_free(c);
}

void cq_cache_ttl(cq_cache *c, int64_t ms) {
  c->ttl_ms = ms;
  if (ms <= 0) cq_cache_drop(c);
}

void cq_cache_enter(cq_cache *c) {
  if (c && c->cursors++ == 0) c->since_ms = cq_mono_ms();
}

void cq_cache_leave(cq_cache *c) {
  if (c && c->cursors > 0) c->cursors--;
}

static int cache_good(const cq_cache *c, const entry *e) {
  return cq_mono_ms() - e->made_ms <= c->ttl_ms ||
         (c->cursors > 0 && e->made_ms >= c->since_ms);
}

int cq_cache_get(cq_cache *c, const char *key, cq_cached *out) {
  uint64_t h = cq_hash64(key, strlen(key), 0);
  const entry *found = NULL;

  if (c->ttl_ms <= 0) return 0;
  while (c->oldest && !cache_good(c, c->oldest)) cache_pop(c);
  for (const entry *e = c->chain[h & 255]; e && !found; e = e->next)
    if (e->hash == h && strcmp(e->key, key) == 0) found = e;
  if (!found) return 0;
  *out = found->answer;
  return 1;
}

static int copy_text(const char *from, const char **to) {
  *to = from ? cq_strdup(from) : NULL;
  return from && !*to;
}

/* A failure to remember is no failure of the query. */
void cq_cache_put(cq_cache *c, const char *key, const cq_cached *v) {
  size_t bytes = v->n + strlen(key) + sizeof(entry);
  entry *e;
  char *body;

  if (c->ttl_ms <= 0 || bytes > c->max / 4) return;
  e = cq_calloc(1, sizeof *e);
  if (!e) return;
  e->answer.body = body = cq_malloc(v->n + 1);
  e->answer.n = v->n;
  e->key = cq_strdup(key);
  if (!body || !e->key || copy_text(v->url, &e->answer.url) ||
      copy_text(v->link, &e->answer.link) ||
      copy_text(v->token, &e->answer.token)) {
    entry_free(e);
    return;
  }
  memcpy(body, v->body, v->n);
  body[v->n] = 0;
  e->hash = cq_hash64(key, strlen(key), 0);
  e->made_ms = cq_mono_ms();
  e->bytes = bytes;
  while (c->oldest && c->bytes + bytes > c->max) cache_pop(c);
  e->next = c->chain[e->hash & 255];
  c->chain[e->hash & 255] = e;
  if (c->newest)
    c->newest->younger = e;
  else
    c->oldest = e;
  c->newest = e;
  c->bytes += bytes;
}
