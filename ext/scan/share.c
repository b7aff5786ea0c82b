/* ext/scan/share.c: answers that several askers share: known from before,
 * under way for another of the same statement, or left by one that has read
 * enough. */
#include <string.h>

#include "scan/fetch.h"

enum { LEFT_MAX = 4 * CQ_WINDOW };

int cq_share_key(cq_fetch *f, cq_error *err) {
  cq_buf key;

  cq_buf_init(&key, 4u << 20);
  cq_buf_printf(&key, "%s\n%s\n%s\n", f->built.method, f->built.url,
                f->identity && f->identity->cache_key ? f->identity->cache_key
                                                      : "");
  for (size_t i = 0; i < f->built.nheader; i++)
    cq_buf_printf(&key, "%s:%s\n", f->built.headers[i].name,
                  f->built.headers[i].value);
  /* What is signed for belongs to the question: behind one endpoint the same
   * bytes for another region are another request.  Hashed: no secrets here. */
  for (size_t i = 0; i < f->params.n; i++) {
    const cq_value *v = &f->params.values[i];
    uint64_t h = v->kind == CQ_STR ? cq_hash64(v->u.s, v->len, 0)
                                   : cq_hash64(&v->u, sizeof v->u, v->kind);

    cq_buf_printf(&key, "%s=%llx\n", f->params.names[i], (unsigned long long)h);
  }
  /* A certificate says who asks, as a header does. */
  for (size_t i = 0; i < 3; i++) {
    const char *file = i == 0   ? f->built.tls.ca_file
                       : i == 1 ? f->built.tls.client_cert
                                : f->built.tls.client_key;

    cq_buf_printf(&key, "tls:%s\n", file ? file : "");
  }
  cq_buf_add(&key, f->built.body ? f->built.body : "", f->built.nbody);
  if (key.rc) {
    cq_buf_clear(&key);
    return cq_error_nomem(err);
  }
  f->cache_key = cq_buf_take(&key);
  return CQ_OK;
}

/* One statement may read a table twice at once: who comes second waits for the
 * answer that is under way, and asks only where that cannot be shared. */
int cq_share_behind(cq_fetch *f) {
  f->before = *cq_cache_fetches(f->def.env->cache);
  while (f->before &&
         (f->before == f || f->before->state == FETCH_BEHIND ||
          f->before->state == FETCH_READY || f->before->state == FETCH_ENDED ||
          strcmp(f->before->cache_key, f->cache_key) != 0))
    f->before = f->before->next;
  if (f->before) f->state = FETCH_BEHIND;
  return f->before != NULL;
}

void cq_share_list(cq_fetch *f) {
  cq_fetch **head = cq_cache_fetches(f->def.env->cache);

  cq_share_behind(f);
  f->next = *head;
  f->listed = head;
  if (f->next) f->next->listed = &f->next;
  *head = f;
}

void cq_share_unlist(cq_fetch *f) {
  if (!f->listed) return;
  for (cq_fetch *o = *cq_cache_fetches(f->def.env->cache); o; o = o->next)
    if (o->before == f) o->before = NULL;
  *f->listed = f->next;
  if (f->next) f->next->listed = f->listed;
}

/* Who stops reading early, as EXISTS does for each row of a join, has requests
 * under way that its statement makes again in a moment.  They were made: their
 * answers go into the cache, as long as a cursor of the statement is open. */
int cq_share_leave(cq_fetch *f) {
  cq_fetch **at;
  int n = 0;

  if (!f->listed || f->state != FETCH_SENT ||
      !cq_cache_shared(f->def.env->cache) || cq_transfer_withdraw(f->transfer))
    return 0;
  at = cq_cache_left(f->def.env->cache);
  while (*at && ++n < LEFT_MAX) at = &(*at)->left_next;
  if (*at) { /* the oldest goes */
    cq_fetch *last = *at;

    *at = NULL;
    cq_fetch_free(last);
  }
  at = cq_cache_left(f->def.env->cache);
  cq_source_ref(f->def.source);
  f->left = 1;
  f->left_next = *at;
  *at = f;
  return 1;
}

void cq_share_poll_left(cq_cache *c) {
  cq_fetch **at = cq_cache_left(c);

  while (*at) {
    cq_fetch *f = *at;

    if (f->state == FETCH_SENT && cq_fetch_poll(f) == CQ_F_BUSY &&
        f->state == FETCH_SENT) {
      at = &f->left_next;
      continue;
    }
    *at = f->left_next;
    cq_fetch_free(f);
  }
}

void cq_share_cancel_left(cq_cache *c) {
  cq_fetch **at = cq_cache_left(c);

  while (*at) {
    cq_fetch *f = *at;

    *at = f->left_next;
    cq_fetch_free(f);
  }
}

void cq_share_forget(cq_fetch *f) {
  cq_block_unref(f->cached.block);
  memset(&f->cached, 0, sizeof f->cached);
}

/* A time of change tells only of changes in later seconds, so one that was the
 * answer's own second says nothing (RFC 9110, 8.8.2.2). */
static const char *head_modified(const cq_head *h) {
  const char *at = cq_head_get(h, "last-modified");
  const char *date = cq_head_get(h, "date");
  int64_t changed, now;

  if (!at || !date || cq_time_parse(at, strlen(at), &changed) ||
      cq_time_parse(date, strlen(date), &now) || now - changed < 2000000)
    return NULL;
  return at;
}

/* What a sync reads is only of use with a validator. */
void cq_share_remember(cq_fetch *f) {
  cq_cached c;

  if (!f->cache_key || f->from_cache) return;
  c.block = f->held;
  c.head = cq_fetch_head(f);
  c.etag = cq_head_get(&c.head, "etag");
  c.modified = head_modified(&c.head);
  if (f->def.live || (cq_good_status(c.head.status) && (c.etag || c.modified)))
    cq_cache_put(f->def.env->cache, f->cache_key, &c, f->def.live);
}

/* Into the arena, since what the cache has may be gone when it is needed. */
static int share_keep(cq_fetch *f, const cq_cached *c) {
  cq_cached *to = &f->cached;
  const char *lines = cq_arena_strndup(
      &f->built.arena, c->head.nlines ? c->head.lines : "", c->head.nlines);

  cq_block_unref(to->block);
  *to = *c;
  cq_block_ref(to->block);
  to->head.url =
      cq_arena_strndup(&f->built.arena, c->head.url, strlen(c->head.url));
  if (!lines || !to->head.url) return CQ_NOMEM;
  to->head.lines = lines;
  if (c->etag) to->etag = lines + (c->etag - c->head.lines);
  if (c->modified) to->modified = lines + (c->modified - c->head.lines);
  return CQ_OK;
}

void cq_share_ask(cq_fetch *f) {
  if (!cq_good_status(f->cached.head.status) ||
      (!f->cached.etag && !f->cached.modified))
    cq_share_forget(f);
}

/* A sync takes nothing unasked. */
int cq_share_known(cq_fetch *f, int *good, cq_error *err) {
  cq_cached had;
  cq_cache_state s = cq_cache_get(f->def.env->cache, f->cache_key, &had);

  *good = 0;
  cq_share_forget(f);
  if (s == CQ_CACHE_NONE) return CQ_OK;
  if (share_keep(f, &had)) return cq_error_nomem(err);
  if (f->def.live && s == CQ_CACHE_GOOD)
    *good = 1;
  else
    cq_share_ask(f);
  return CQ_OK;
}

int cq_share_renew(cq_fetch *f, cq_error *err) {
  cq_head said = cq_fetch_head(f);
  cq_cached now = f->cached;
  cq_buf lines;
  int rc;

  cq_buf_init(&lines, 2 * CQ_MAX_HEADER_BYTES);
  rc = cq_head_update(&now.head, &said, &lines);
  now.head.lines = lines.data;
  now.head.nlines = lines.len;
  now.etag = cq_head_get(&now.head, "etag");
  if (now.modified) now.modified = cq_head_get(&now.head, "last-modified");
  cq_block_ref(now.block);
  if (rc == CQ_OK) rc = share_keep(f, &now);
  cq_block_unref(now.block);
  cq_buf_clear(&lines);
  if (rc) return cq_error_nomem(err);
  cq_cache_put(f->def.env->cache, f->cache_key, &f->cached, f->def.live);
  return CQ_OK;
}
