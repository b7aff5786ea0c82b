/* ext/http/http.c: the life of a connection's transfers: what they share is
 * made, its thread started on first use and joined, and noticed to be gone
 * after a fork. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http/internal.h"

enum { IO_PAGE = 4096 };

/* libcurl's process-wide start; it must run once, and nothing can undo it
 * safely while the host may use libcurl too. */
static pthread_once_t http_once = PTHREAD_ONCE_INIT;
static void http_global(void) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

void cq_http_global(void) {
  pthread_once(&http_once, http_global);
}

/* libcurl itself, unlike curl, does not look. */
void cq_http_trust(const char **ca_file, const char **ca_path) {
  const char *bundle = getenv("CURL_CA_BUNDLE"), *dir = getenv("SSL_CERT_DIR");
  const char *file = getenv("SSL_CERT_FILE");

  if (bundle && *bundle) {
    *ca_file = bundle;
    return;
  }
  if (file && *file) *ca_file = file;
  if (dir && *dir) *ca_path = dir;
}

const cq_http_options *cq_http_settings(const cq_http *h) {
  return &h->o;
}

/* A page that reads as zeros in a forked child: asking it costs nothing, where
 * getpid is a system call for each look at a transfer.  NULL: Linux before
 * 4.14. */
static volatile char *io_page(void) {
#ifdef MADV_WIPEONFORK
  char *p = mmap(NULL, IO_PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (p == MAP_FAILED) return NULL;
  if (madvise(p, IO_PAGE, MADV_WIPEONFORK) == 0) {
    *p = 1;
    return p;
  }
  munmap(p, IO_PAGE);
#endif
  return NULL;
}

int cq_io_here(const cq_io *io) {
  return io->not_wiped ? *io->not_wiped : io->pid == getpid();
}

static cq_io *io_new(cq_http *h) {
  cq_io *io = cq_calloc(1, sizeof *io);
  pthread_condattr_t attr;

  if (!io || !(io->blocks = cq_block_pool_new())) {
    cq_free(io);
    return NULL;
  }
  io->pid = getpid();
  io->not_wiped = io_page();
  io->http = h;
  pthread_mutex_init(&io->lock, NULL);
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&io->cond, &attr);
  pthread_cond_init(&io->tick, &attr);
  pthread_condattr_destroy(&attr);
  return io;
}

cq_io *cq_http_io(cq_http *h) {
  if (h->io && !cq_io_here(h->io)) {
    /* A forked child.  The thread is not here, its lock may be held for ever,
     * and its sockets are the parent's: all of it is left alone (the memory
     * too, which transfers of the parent still point into). */
    h->io = io_new(h);
    for (size_t i = 0; i < h->caplimiter; i++)
      for (cq_limiter *l = h->limiters[i]; l; l = l->next) l->active = 0;
  }
  return h->io;
}

int cq_http_start(cq_io *io, cq_error *err) {
  sigset_t old;
  int rc;

  if (io->running) return CQ_OK;
  cq_http_global();
  if (!io->multi) {
    long max = io->http->o.max_connections;

    io->multi = curl_multi_init();
    if (!io->multi) return cq_error_nomem(err);
    curl_multi_setopt(io->multi, CURLMOPT_MAXCONNECTS, max);
    curl_multi_setopt(io->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max);
    curl_multi_setopt(io->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
  }
  /* The host's signals are the host's: this thread takes none. */
  cq_pump_mask(&old);
  rc = pthread_create(&io->thread, NULL, cq_pump_thread, io);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (rc)
    return cq_error_set(err, CQ_ERROR, "http: cannot start a thread: %s",
                        strerror(rc));
  io->running = 1;
  return CQ_OK;
}

static int http_option(const char **to, const char *from) {
  *to = NULL;
  if (!from) return CQ_OK;
  *to = cq_strdup(from);
  return *to ? CQ_OK : CQ_NOMEM;
}

int cq_http_new(const cq_http_options *o, cq_http **out, cq_error *err) {
  static const cq_http_options none;
  cq_http *h = cq_calloc(1, sizeof *h);

  *out = NULL;
  if (!h) return cq_error_nomem(err);
  if (!o) o = &none;
  h->o.timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : CQ_TIMEOUT_MS;
  h->o.connect_timeout_ms =
      o->connect_timeout_ms > 0 ? o->connect_timeout_ms : CQ_CONNECT_TIMEOUT_MS;
  h->o.max_connections =
      o->max_connections > 0 ? o->max_connections : CQ_MAX_CONNECTIONS;
  h->o.max_buffered = o->max_buffered ? o->max_buffered : CQ_MAX_BUFFERED;
  h->o.max_body_mib = o->max_body_mib > 0 ? o->max_body_mib : CQ_MAX_BODY_MIB;
  if (http_option(&h->o.tls.ca_file, o->tls.ca_file) ||
      http_option(&h->o.tls.client_cert, o->tls.client_cert) ||
      http_option(&h->o.tls.client_key, o->tls.client_key) ||
      http_option(&h->o.tls.client_key_password, o->tls.client_key_password) ||
      http_option(&h->o.ca_path, o->ca_path) ||
      http_option(&h->o.proxy, o->proxy) ||
      http_option(&h->o.user_agent, o->user_agent ? o->user_agent : "cq") ||
      !(h->io = io_new(h))) {
    cq_http_free(h);
    return cq_error_nomem(err);
  }
  *out = h;
  return CQ_OK;
}

static void io_free(cq_io *io) {
  if (io->running) cq_pump_stop(io);
  /* The caller has freed his transfers; what is still queued was cancelled. */
  pthread_mutex_lock(&io->lock);
  while (io->wait_head) {
    cq_transfer *t = io->wait_head;

    cq_transfer_unqueue(io, t);
    cq_transfer_release(io, t);
  }
  pthread_mutex_unlock(&io->lock);
  /* Else the thread has ended it; without a thread it has no handles. */
  if (io->multi) curl_multi_cleanup(io->multi);
  pthread_cond_destroy(&io->cond);
  pthread_cond_destroy(&io->tick);
  pthread_mutex_destroy(&io->lock);
  if (io->not_wiped) munmap((void *)io->not_wiped, IO_PAGE);
  cq_free(io->log);
  cq_block_pool_drop(io->blocks);
  cq_free(io);
}

void cq_http_free(cq_http *h) {
  if (!h) return;
  if (h->io && cq_io_here(h->io)) io_free(h->io);
  for (size_t i = 0; i < h->caplimiter; i++)
    while (h->limiters[i]) {
      cq_limiter *l = h->limiters[i];

      h->limiters[i] = l->next;
      cq_free(l->key);
      cq_free(l);
    }
  cq_free(h->limiters);
  cq_free((char *)h->o.tls.ca_file);
  cq_free((char *)h->o.tls.client_cert);
  cq_free((char *)h->o.tls.client_key);
  cq_free_secret((char *)h->o.tls.client_key_password);
  cq_free((char *)h->o.ca_path);
  cq_free_secret((char *)h->o.proxy); /* may hold a password */
  cq_free((char *)h->o.user_agent);
  cq_free(h);
}
