/* ext/http/transfer.c: a transfer as its caller sees it: submitted, polled,
 * taken from, sent again, freed.  What happens in between is in io.c. */
#define _GNU_SOURCE 1 /* memmem */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "http/internal.h"

cq_signer *cq_signer_ref(cq_signer *s) {
  if (s) __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
  return s;
}

void cq_signer_unref(cq_signer *s) {
  if (s && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
    s->ops->free(s);
}

/* ---- with the lock held ------------------------------------------------ */

void cq_transfer_queue(cq_io *io, cq_transfer *t) {
  cq_transfer *after = io->wait_tail;

  while (after && after->priority > t->priority) after = after->prev;
  t->prev = after;
  t->next = after ? after->next : io->wait_head;
  if (t->next)
    t->next->prev = t;
  else
    io->wait_tail = t;
  if (after)
    after->next = t;
  else
    io->wait_head = t;
  t->at = CQ_AT_QUEUE;
  t->gated_since = 0;
}

void cq_transfer_unqueue(cq_io *io, cq_transfer *t) {
  if (t->prev)
    t->prev->next = t->next;
  else
    io->wait_head = t->next;
  if (t->next)
    t->next->prev = t->prev;
  else
    io->wait_tail = t->prev;
  t->prev = t->next = NULL;
  t->at = CQ_AT_REST;
}

void cq_transfer_forget(cq_io *io, cq_transfer *t) {
  if (t->block) {
    io->buffered -= t->block->len;
    cq_block_unref(t->block);
    t->block = NULL;
  }
  cq_buf_reset(&t->head);
  t->status = 0;
  t->length = -1;
  t->inflated = t->packed = 0;
  t->skip = 0;
  t->head_ended = t->body_begun = t->redirecting = t->enough = 0;
  t->paused = t->resume = 0;
  cq_error_clear(&t->error);
}

static void transfer_destroy(cq_transfer *t) {
  for (int i = 0; i < t->nlimiter; i++) cq_limiter_unref(t->limiters[i]);
  cq_signer_unref(t->signer);
  cq_buf_clear(&t->head);
  cq_free_secret(t->url); /* keys travel in queries, headers and bodies */
  cq_arena_wipe(&t->arena);
  cq_free(t);
}

void cq_transfer_release(cq_io *io, cq_transfer *t) {
  if (--t->refs > 0) return;
  cq_transfer_forget(io, t);
  transfer_destroy(t);
}

/* ---- messages ---------------------------------------------------------- */

/* What libraries say names the host, in which a secret may stand. */
static void transfer_hide_host(char *text, size_t size, const cq_url_parts *is,
                               const cq_url_parts *shown) {
  const char *from = text, *at;
  cq_buf b;

  if (!is->nhost || (is->nhost == shown->nhost &&
                     memcmp(is->host, shown->host, is->nhost) == 0))
    return;
  cq_buf_init(&b, size - 1);
  while ((at = memmem(from, strlen(from), is->host, is->nhost)) != NULL) {
    cq_buf_add(&b, from, (size_t)(at - from));
    cq_buf_add(&b, shown->host, shown->nhost);
    from = at + is->nhost;
  }
  cq_buf_str(&b, from);
  /* No room, no memory: less is said. */
  snprintf(text, size, "%s", b.rc ? "" : b.data);
  cq_buf_clear(&b);
}

int cq_transfer_fail(cq_transfer *t, int code, const char *fmt, ...) {
  char text[600];
  const char *url = t->shown ? t->shown : t->url;
  cq_url_parts u, is;
  va_list ap;

  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  cq_url_split(url, strlen(url), &u);
  cq_url_split(t->url, strlen(t->url), &is);
  transfer_hide_host(text, sizeof text, &is, &u);
  /* from the scheme to the path: a query may hold a key */
  return cq_error_set(
      &t->error, code, "%s %.*s: %s", t->method,
      (int)(u.path + u.npath - url > 300 ? 300 : u.path + u.npath - url), url,
      text);
}

/* ---- the caller's thread ----------------------------------------------- */

static int transfer_copy_headers(cq_transfer *t, const cq_http_request *r,
                                 cq_error *err) {
  const cq_header own[] = {{"If-None-Match", r->etag},
                           {"If-Modified-Since", r->modified}};
  size_t n = 0, all = r->nheader + 2;

  t->headers = cq_arena_alloc(&t->arena, all * sizeof *t->headers);
  if (!t->headers) return cq_error_nomem(err);
  for (size_t i = 0; i < all; i++) {
    const cq_header *h = i < r->nheader ? &r->headers[i] : &own[i - r->nheader];
    const char *name = h->name, *value = h->value;
    int rc;

    if (i >= r->nheader && !value) continue;
    rc = cq_header_check(name, value, err);
    if (rc) return rc;
    if (!value) value = "";
    t->headers[n].name = cq_arena_strndup(&t->arena, name, strlen(name));
    t->headers[n].value = cq_arena_strndup(&t->arena, value, strlen(value));
    if (!t->headers[n].name || !t->headers[n].value) return cq_error_nomem(err);
    n++;
  }
  t->nheader = n;
  return CQ_OK;
}

static const char *transfer_text(cq_transfer *t, const char *s, int *rc) {
  char *copy;

  if (!s) return "";
  copy = cq_arena_strndup(&t->arena, s, strlen(s));
  if (!copy) *rc = CQ_NOMEM;
  return copy;
}

static const char *transfer_option(cq_transfer *t, const char *s, int *rc) {
  return s ? transfer_text(t, s, rc) : NULL;
}

/* What the request gives of its own stands before the connection's. */
static int transfer_tls(cq_transfer *t, const cq_tls *own) {
  const cq_tls *all = &t->io->http->o.tls;
  int rc = CQ_OK;

  t->tls = *all;
  if (!own) return CQ_OK;
  if (own->ca_file) t->tls.ca_file = transfer_option(t, own->ca_file, &rc);
  if (own->client_cert) {
    t->tls.client_cert = transfer_option(t, own->client_cert, &rc);
    t->tls.client_key = transfer_option(t, own->client_key, &rc);
    t->tls.client_key_password =
        transfer_option(t, own->client_key_password, &rc);
  }
  return rc;
}

static int transfer_copy(cq_transfer *t, const cq_http_request *r,
                         cq_error *err) {
  int rc = transfer_copy_headers(t, r, err);

  if (rc) return rc;
  t->method = transfer_text(t, r->method ? r->method : "GET", &rc);
  t->integration = transfer_text(t, r->integration, &rc);
  t->table = transfer_text(t, r->table, &rc);
  t->client = transfer_text(t, r->client, &rc);
  if (transfer_tls(t, r->tls)) rc = CQ_NOMEM;
  t->url = cq_strdup(r->url);
  if (r->shown) t->shown = transfer_text(t, r->shown, &rc);
  if (r->body) {
    t->body = cq_arena_strndup(&t->arena, r->body, r->nbody);
    t->nbody = r->nbody;
    if (!t->body) rc = CQ_NOMEM;
  }
  if (rc || !t->url) return cq_error_nomem(err);
  for (const char *p = t->method; *p; p++)
    if (*p < 'A' || *p > 'Z')
      return cq_error_set(err, CQ_MISUSE, "request: bad method: %.20s",
                          t->method);
  for (int i = 0; i < r->nlimiter; i++)
    t->limiters[i] = cq_limiter_ref(r->limiters[i]);
  t->nlimiter = r->nlimiter;
  t->allow_file = r->allow_file;
  t->follow = r->follow;
  t->priority = r->priority;
  t->max_wait_ms = r->max_wait_ms;
  t->timeout_ms = r->timeout_ms;
  t->direct = r->direct;
  t->skew_us = r->clock_skew_us;
  t->attempt = r->attempt > 0 ? r->attempt : 1;
  t->signer = cq_signer_ref(r->signer);
  return CQ_OK;
}

int cq_http_submit(cq_http *h, const cq_http_request *r, cq_transfer **out,
                   cq_error *err) {
  cq_io *io = cq_http_io(h);
  cq_transfer *t;
  int rc;

  *out = NULL;
  if (!io) return cq_error_nomem(err);
  rc = cq_url_check(r->url, r->allow_file, err);
  if (rc) return rc;
  t = cq_calloc(1, sizeof *t);
  if (!t) return cq_error_nomem(err);
  t->io = io;
  t->length = -1;
  t->fd = -1;
  cq_arena_init(&t->arena);
  cq_buf_init(&t->head, CQ_MAX_HEADER_BYTES);
  rc = transfer_copy(t, r, err);
  if (rc == CQ_OK) rc = cq_http_start(io, err);
  if (rc) {
    transfer_destroy(t);
    return rc;
  }
  t->refs = 2;
  pthread_mutex_lock(&io->lock);
  if (t->attempt > 1) io->stats.retries++;
  cq_transfer_queue(io, t);
  cq_pump_nudge(io);
  pthread_mutex_unlock(&io->lock);
  *out = t;
  return CQ_OK;
}

/* A transfer of the parent in a forked child: its thread is gone, and its
 * lock must not be touched. */
static int transfer_orphan(const cq_transfer *t) {
  return !cq_io_here(t->io);
}

cq_tstate cq_transfer_state(cq_transfer *t) {
  cq_tstate s;

  if (transfer_orphan(t)) return CQ_T_FAILED;
  pthread_mutex_lock(&t->io->lock);
  s = t->state;
  pthread_mutex_unlock(&t->io->lock);
  return s;
}

/* The head is the caller's to read once the state says so; the lock taken
 * there orders the reads behind the pumper's writes. */
static int transfer_has_head(const cq_transfer *t) {
  return cq_transfer_state((cq_transfer *)t) != CQ_T_WAITING &&
         !transfer_orphan(t);
}

int cq_transfer_status(const cq_transfer *t) {
  return transfer_has_head(t) ? t->status : 0;
}

cq_head cq_transfer_head(const cq_transfer *t) {
  cq_head h = {0, "", NULL, 0};

  if (!transfer_has_head(t)) return h;
  h.status = t->status;
  h.url = t->url;
  h.lines = t->head.data;
  h.nlines = t->head.data ? t->head.len : 0;
  return h;
}

cq_block *cq_transfer_take(cq_transfer *t) {
  cq_block *b = NULL;

  if (transfer_orphan(t)) return NULL;
  pthread_mutex_lock(&t->io->lock);
  if (t->state != CQ_T_WAITING && t->block && t->block->len) {
    b = t->block;
    t->block = NULL;
    memset(b->data + b->len, 0, HTTP_PAD);
    t->io->buffered -= b->len;
    if (t->paused) t->resume = 1;
    /* others may wait for the memory, too */
    if (t->resume || t->io->wait_head ||
        t->io->buffered + b->len > t->io->http->o.max_buffered)
      cq_pump_nudge(t->io);
  }
  pthread_mutex_unlock(&t->io->lock);
  return b;
}

int cq_transfer_error(const cq_transfer *t, cq_error *err) {
  if (transfer_orphan(t))
    return cq_error_set(err, CQ_IOERR,
                        "request: cannot go on: the process was forked");
  if (cq_transfer_state((cq_transfer *)t) != CQ_T_FAILED) return CQ_OK;
  if (err) *err = t->error;
  return t->error.code;
}

int cq_transfer_attempt(const cq_transfer *t) {
  return t->attempt;
}

int64_t cq_transfer_bytes(const cq_transfer *t) {
  int64_t n;

  if (transfer_orphan(t)) return 0;
  pthread_mutex_lock(&t->io->lock);
  n = t->wire;
  pthread_mutex_unlock(&t->io->lock);
  return n;
}

int64_t cq_transfer_gated_ms(const cq_transfer *t) {
  int64_t n;

  if (transfer_orphan(t)) return 0;
  pthread_mutex_lock(&t->io->lock);
  n = t->gated_ms + (t->at == CQ_AT_QUEUE && t->gated_since
                         ? cq_mono_ms() - t->gated_since
                         : 0);
  pthread_mutex_unlock(&t->io->lock);
  return n;
}

int cq_transfer_retry(cq_transfer *t, int64_t delay_ms, cq_signer *signer,
                      cq_error *err) {
  cq_io *io = t->io;
  int rc = CQ_OK;

  if (transfer_orphan(t)) return cq_transfer_error(t, err);
  if (delay_ms > CQ_MAX_WAIT_MS) delay_ms = CQ_MAX_WAIT_MS;
  pthread_mutex_lock(&io->lock);
  if (t->at != CQ_AT_REST) {
    rc = cq_error_set(err, CQ_MISUSE, "request: sent again too early");
  } else {
    cq_transfer_forget(io, t);
    if (signer && signer != t->signer) {
      cq_signer_unref(t->signer);
      t->signer = cq_signer_ref(signer);
    }
    t->state = CQ_T_WAITING;
    t->redirects = 0;
    t->attempt++;
    t->not_before = delay_ms > 0 ? cq_mono_ms() + delay_ms : 0;
    t->refs++;
    io->stats.retries++;
    cq_transfer_queue(io, t);
    cq_pump_nudge(io);
  }
  pthread_mutex_unlock(&io->lock);
  return rc;
}

int cq_transfer_withdraw(cq_transfer *t) {
  int queued;

  if (transfer_orphan(t)) return 1;
  pthread_mutex_lock(&t->io->lock);
  queued = t->at == CQ_AT_QUEUE;
  if (queued) {
    cq_transfer_unqueue(t->io, t);
    t->refs--;
  }
  pthread_mutex_unlock(&t->io->lock);
  return queued;
}

void cq_transfer_free(cq_transfer *t) {
  cq_io *io;

  if (!t || transfer_orphan(t))
    return; /* an orphan's lists are in an unknown state: it is abandoned */
  io = t->io;
  pthread_mutex_lock(&io->lock);
  t->cancelled = 1;
  if (t->at == CQ_AT_QUEUE) {
    cq_transfer_unqueue(io, t);
    t->refs--;
  } else if (t->at == CQ_AT_CURL) {
    cq_pump_nudge(io); /* who pumps takes it out, and frees it */
  }
  cq_transfer_release(io, t);
  pthread_mutex_unlock(&io->lock);
}
