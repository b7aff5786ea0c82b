/* ext/http/log.c: the last requests, for people to look at.  Neither queries,
 * nor headers, nor bodies are kept: secrets travel in those. */
#include <stdio.h>
#include <string.h>

#include "http/internal.h"

static cq_http_entry *log_slot(cq_io *io) {
  cq_http_entry *e;

  if (io->log_n == io->log_cap && io->log_cap < HTTP_LOG) {
    size_t cap = io->log_cap ? io->log_cap * 2 : 64;

    if (cap > HTTP_LOG) cap = HTTP_LOG;
    /* Until it has grown to its full size the ring starts at 0. */
    e = cq_realloc(io->log, cap * sizeof *e);
    if (e) {
      io->log = e;
      io->log_cap = cap;
    }
  }
  if (io->log_cap == 0) return NULL;
  if (io->log_n < io->log_cap) return &io->log[io->log_n++];
  e = &io->log[io->log_at];
  io->log_at = (io->log_at + 1) % io->log_cap;
  return e;
}

static void log_copy(char *out, size_t size, const char *s, size_t n) {
  if (!s) n = 0;
  if (n >= size) n = cq_utf8_cut(s, size - 1);
  if (n) memcpy(out, s, n);
  out[n] = 0;
}

static void log_text(char *out, size_t size, const char *s) {
  log_copy(out, size, s, s ? strlen(s) : 0);
}

/* An error without its hint: one line. */
static void log_line(char *to, size_t size, const char *text) {
  log_copy(to, size, text, strcspn(text, "\n"));
}

void cq_log_add(cq_io *io, const cq_transfer *t, int64_t ms) {
  cq_http_entry *e = log_slot(io);
  const char *url = t->shown ? t->shown : t->url;
  cq_url_parts u;

  io->log_id++;
  if (!e) return; /* out of memory: an entry is lost, nothing else */
  e->id = io->log_id;
  e->started_us = t->started_us;
  e->ms = ms;
  e->bytes = t->wire - t->wire_before;
  e->status = t->status;
  e->attempt = t->attempt;
  log_text(e->integration, sizeof e->integration, t->integration);
  log_text(e->table, sizeof e->table, t->table);
  log_text(e->client, sizeof e->client, t->client);
  log_text(e->method, sizeof e->method, t->method);
  cq_url_split(url, strlen(url), &u);
  log_copy(e->host, sizeof e->host, u.host,
           u.nhost + (u.nport ? u.nport + 1 : 0));
  log_copy(e->path, sizeof e->path, u.path, u.npath);
  log_line(e->error, sizeof e->error, t->error.code ? t->error.text : "");
}

int cq_http_log(cq_http *h, cq_http_entry **out, size_t *n, cq_error *err) {
  cq_io *io = cq_http_io(h);
  int rc = CQ_OK;

  *out = NULL;
  *n = 0;
  if (!io) return cq_error_nomem(err);
  pthread_mutex_lock(&io->lock);
  if (io->log_n) {
    *out = cq_calloc(io->log_n, sizeof **out);
    if (!*out) {
      rc = cq_error_nomem(err);
    } else {
      for (size_t i = 0; i < io->log_n; i++)
        (*out)[i] = io->log[(io->log_at + i) % io->log_n];
      *n = io->log_n;
    }
  }
  pthread_mutex_unlock(&io->lock);
  return rc;
}

void cq_http_stats_get(cq_http *h, cq_http_stats *out) {
  cq_io *io = cq_http_io(h);

  memset(out, 0, sizeof *out);
  if (!io) return;
  pthread_mutex_lock(&io->lock);
  *out = io->stats;
  out->active = io->nactive;
  for (cq_transfer *t = io->wait_head; t; t = t->next) out->waiting++;
  pthread_mutex_unlock(&io->lock);
}
