/* ext/scan/cache.c: the answers that were seen a moment ago, so that identical
 * fetches of one statement happen once, a join's inner side does not ask again
 * for each outer row, and an answer that has not changed is not sent again.
 *
 * An entry is good while it is younger than the time limit, or as long as a
 * live cursor is open that was open when it was made; with a limit of 0 only
 * the latter.  After that, unless the limit is 0, it is kept if it came with a
 * validator (ETag, or else Last-Modified): the next request, also of a sync,
 * asks whether it still holds, and a 304 makes it good again.  The key is all
 * that was asked, and by whom, see cq_share_key.
 *
 * Whole bodies only, shared with whoever decodes them, never copied.  When the
 * bytes run out, what is kept for validation goes first, then the oldest, but
 * nothing that an open cursor may ask for again: a table that is larger than
 * the cache would push out its own first pages just before they are wanted.
 * A sync asks once for each page: it takes an eighth of the room at most and
 * pushes out nothing.  Caller's thread. */
#include <string.h>

#include "scan/internal.h"

typedef struct entry {
  struct entry *next; /* in its chain */
  struct entry *older, *younger;
  struct list *in;
  uint64_t hash;
  int64_t made_ms;
  size_t bytes;
  char *key;
  cq_cached answer; /* a reference, strings owned */
} entry;

typedef struct list {
  entry *oldest, *newest;
} list;

struct cq_cache {
  entry *chain[256];
  list good, kept; /* by age; kept: not good any more, with a validator */
  size_t bytes, max;
  int64_t ttl_ms;
  int cursors;       /* open now */
  int64_t since_ms;  /* when the first of them was opened */
  cq_fetch *fetches; /* under way */
  cq_fetch *left;    /* those of them that nobody reads any more */
};

cq_fetch **cq_cache_fetches(cq_cache *c) {
  return &c->fetches;
}

cq_fetch **cq_cache_left(cq_cache *c) {
  return &c->left;
}

int cq_cache_shared(const cq_cache *c) {
  return c->cursors > 0;
}

int cq_cache_new(size_t max_bytes, cq_cache **out) {
  *out = cq_calloc(1, sizeof **out);
  if (!*out) return CQ_NOMEM;
  (*out)->max = max_bytes;
  (*out)->ttl_ms = 10000;
  return CQ_OK;
}

static void entry_free(entry *e) {
  if (!e) return;
  cq_free_secret(e->key); /* holds headers */
  cq_block_unref(e->answer.block);
  cq_free_secret((char *)e->answer.head.url);
  cq_free((char *)e->answer.head.lines);
  cq_free(e);
}

static void list_add(list *l, entry *e) {
  e->in = l;
  e->younger = NULL;
  e->older = l->newest;
  if (l->newest)
    l->newest->younger = e;
  else
    l->oldest = e;
  l->newest = e;
}

static void list_remove(entry *e) {
  if (e->older)
    e->older->younger = e->younger;
  else
    e->in->oldest = e->younger;
  if (e->younger)
    e->younger->older = e->older;
  else
    e->in->newest = e->older;
}

static void cache_remove(cq_cache *c, entry *e) {
  entry **at = &c->chain[e->hash & 255];

  while (*at != e) at = &(*at)->next;
  *at = e->next;
  list_remove(e);
  c->bytes -= e->bytes;
  entry_free(e);
}

void cq_cache_drop(cq_cache *c) {
  if (c) cq_share_cancel_left(c);
  while (c && c->good.oldest) cache_remove(c, c->good.oldest);
  while (c && c->kept.oldest) cache_remove(c, c->kept.oldest);
}

void cq_cache_free(cq_cache *c) {
  cq_cache_drop(c);
  cq_free(c);
}

void cq_cache_ttl(cq_cache *c, int64_t ms) {
  c->ttl_ms = ms;
  if (ms <= 0 && c->cursors == 0) cq_cache_drop(c);
}

void cq_cache_enter(cq_cache *c) {
  if (c && c->cursors++ == 0) c->since_ms = cq_mono_ms();
}

void cq_cache_leave(cq_cache *c) {
  if (!c || c->cursors == 0 || --c->cursors > 0) return;
  cq_share_cancel_left(c);
  if (c->ttl_ms <= 0) cq_cache_drop(c);
}

static int cache_good(const cq_cache *c, const entry *e) {
  return (c->ttl_ms > 0 && cq_mono_ms() - e->made_ms <= c->ttl_ms) ||
         (c->cursors > 0 && e->made_ms >= c->since_ms);
}

static entry *cache_find(const cq_cache *c, const char *key, uint64_t h) {
  entry *e = c->chain[h & 255];

  while (e && (e->hash != h || strcmp(e->key, key) != 0)) e = e->next;
  return e;
}

cq_cache_state cq_cache_get(cq_cache *c, const char *key, cq_cached *out) {
  entry *e;

  /* They are in the order of their making: what is not good any more comes
   * first. */
  while ((e = c->good.oldest) != NULL && !cache_good(c, e)) {
    if (c->ttl_ms > 0 && (e->answer.etag || e->answer.modified)) {
      list_remove(e);
      list_add(&c->kept, e);
    } else {
      cache_remove(c, e);
    }
  }
  e = cache_find(c, key, cq_hash64(key, strlen(key), 0));
  if (!e) return CQ_CACHE_NONE;
  *out = e->answer;
  return e->in == &c->good ? CQ_CACHE_GOOD : CQ_CACHE_ASK;
}

/* The same text in the copy of the lines that it stands in. */
static const char *moved(const char *text, const char *from, const char *to) {
  return text ? to + (text - from) : NULL;
}

static int entry_copy(entry *e, const char *key, const cq_cached *v) {
  cq_cached *to = &e->answer;
  char *lines = cq_malloc(v->head.nlines + 1);

  to->head = v->head;
  to->head.lines = lines;
  to->head.url = cq_strdup(v->head.url);
  e->key = cq_strdup(key);
  if (!lines || !to->head.url || !e->key) return CQ_NOMEM;
  if (v->head.nlines) memcpy(lines, v->head.lines, v->head.nlines);
  to->etag = moved(v->etag, v->head.lines, lines);
  to->modified = moved(v->modified, v->head.lines, lines);
  to->block = cq_block_ref(v->block);
  return CQ_OK;
}

/* What may go to make room, or NULL. */
static entry *cache_least(const cq_cache *c) {
  entry *e = c->good.oldest;

  if (c->kept.oldest) return c->kept.oldest;
  return e && (c->cursors == 0 || e->made_ms < c->since_ms) ? e : NULL;
}

/* What an entry takes, with what the allocator and a block add to each of
 * its pieces. */
static size_t entry_bytes(const char *key, const cq_cached *v) {
  return sizeof(entry) + sizeof(cq_block) + (v->block ? v->block->cap : 0) +
         strlen(key) + strlen(v->head.url) + v->head.nlines + 5 * 32;
}

/* A failure to remember is no failure of the query. */
void cq_cache_put(cq_cache *c, const char *key, const cq_cached *v, int live) {
  size_t bytes = entry_bytes(key, v), room = c->max;
  uint64_t h = cq_hash64(key, strlen(key), 0);
  entry *old, *e;

  if (c->ttl_ms <= 0 && c->cursors == 0) return;
  e = bytes > c->max / 4 ? NULL : cq_calloc(1, sizeof *e);
  if (e && entry_copy(e, key, v)) {
    entry_free(e);
    e = NULL;
  }
  /* What was known before does not hold any more, remembered or not; who takes
   * its place takes its room. */
  old = cache_find(c, key, h);
  if (!live) room = c->max / 8;
  if (old && c->bytes > room) room = c->bytes;
  if (old) cache_remove(c, old);
  if (!e) return;
  e->hash = h;
  e->made_ms = cq_mono_ms();
  e->bytes = bytes;
  if (live)
    while (c->bytes + bytes > c->max && (old = cache_least(c)) != NULL)
      cache_remove(c, old);
  if (c->bytes + bytes > room) {
    entry_free(e);
    return;
  }
  e->next = c->chain[h & 255];
  c->chain[h & 255] = e;
  list_add(&c->good, e);
  c->bytes += bytes;
}
