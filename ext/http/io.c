/* ext/http/io.c: the I/O thread: starts what may start, runs curl, ends what
 * is over.  What arrives is receive.c's.  See internal.h for the locking. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/internal.h"

/* ---- sending ----------------------------------------------------------- */

static int io_add_line(struct curl_slist **list, const char *line) {
  struct curl_slist *more = curl_slist_append(*list, line);

  if (!more) return CQ_NOMEM;
  *list = more;
  return CQ_OK;
}

static int io_has(const cq_transfer *t, const char *name) {
  for (size_t i = 0; i < t->nheader; i++)
    if (cq_str_ieq(t->headers[i].name, name)) return 1;
  return 0;
}

/* Splits the signer's "Name: value" lines; a value never holds a line end,
 * since signers refuse such credentials when they are made. */
static int io_signed_lines(cq_transfer *t, char *lines) {
  while (lines && *lines) {
    char *end = strchr(lines, '\n'), *next = end ? end + 1 : NULL;
    char *colon;

    if (end) *end = 0;
    if (end && end > lines && end[-1] == '\r') end[-1] = 0;
    colon = strchr(lines, ':');
    if (!colon)
      return cq_transfer_fail(t, CQ_ERROR, "signer gave a bad header");
    if (io_add_line(&t->sent, lines))
      return cq_transfer_fail(t, CQ_NOMEM, "out of memory");
    lines = next;
  }
  return CQ_OK;
}

static int io_sign(cq_transfer *t) {
  cq_buf lines, url;
  cq_error err = {0, ""};
  int rc;

  if (!t->signer) return CQ_OK;
  cq_buf_init(&lines, CQ_MAX_HEADER_BYTES);
  cq_buf_init(&url, CQ_MAX_URL);
  rc = t->signer->ops->sign(t->signer, t->method, t->url, t->headers,
                            t->nheader, t->body, t->nbody,
                            cq_now_us() + t->skew_us, &lines, &url, &err);
  if (rc == CQ_OK && (lines.rc || url.rc))
    rc = cq_error_set(&err, lines.rc ? lines.rc : url.rc,
                      lines.rc == CQ_TOOBIG || url.rc == CQ_TOOBIG
                          ? "signed request is too long"
                          : "out of memory");
  if (rc)
    cq_transfer_fail(t, rc, "%s", err.text);
  else
    rc = io_signed_lines(t, lines.data);
  if (rc == CQ_OK && url.len) {
    t->signed_url = cq_buf_take(&url);
    if (!t->signed_url) rc = cq_transfer_fail(t, CQ_NOMEM, "out of memory");
  }
  if (lines.data) cq_wipe(lines.data, lines.len);
  cq_buf_clear(&lines);
  cq_buf_clear(&url);
  return rc;
}

static int io_headers(cq_transfer *t) {
  int rc = CQ_OK;

  for (size_t i = 0; i < t->nheader && rc == CQ_OK; i++) {
    const char *name = t->headers[i].name, *value = t->headers[i].value;
    /* curl's own notation: "Name;" sends the name with nothing behind it */
    char *line =
        *value ? cq_mprintf("%s: %s", name, value) : cq_mprintf("%s;", name);

    rc = line ? io_add_line(&t->sent, line) : CQ_NOMEM;
    cq_free_secret(line);
  }
  /* What curl would add by itself, unsigned and unasked. */
  if (rc == CQ_OK && t->body && !io_has(t, "content-type"))
    rc = io_add_line(&t->sent, "Content-Type:");
  if (rc == CQ_OK) rc = io_add_line(&t->sent, "Expect:");
  return rc ? cq_transfer_fail(t, rc, "out of memory") : CQ_OK;
}

/* libcurl would trust the authorities of the folder that it was built with
 * beside those of a file; and ask on the terminal for a key's passphrase. */
static void io_tls(CURL *e, const cq_tls *tls, const char *ca_path) {
  curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(e, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (tls->ca_file || ca_path) {
    curl_easy_setopt(e, CURLOPT_CAINFO, tls->ca_file);
    curl_easy_setopt(e, CURLOPT_CAPATH, ca_path);
    curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, tls->ca_file);
    curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, ca_path);
  }
  if (!tls->client_cert) return;
  curl_easy_setopt(e, CURLOPT_SSLCERT, tls->client_cert);
  curl_easy_setopt(e, CURLOPT_SSLKEY,
                   tls->client_key ? tls->client_key : tls->client_cert);
  curl_easy_setopt(e, CURLOPT_KEYPASSWD,
                   tls->client_key_password ? tls->client_key_password : "");
}

static void io_options(cq_io *io, cq_transfer *t) {
  const cq_http_options *o = &io->http->o;
  const char *url = t->signed_url ? t->signed_url : t->url;
  CURL *e = t->easy;

  curl_easy_setopt(e, CURLOPT_URL, url);
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L); /* what was signed is sent */
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  curl_easy_setopt(e, CURLOPT_PIPEWAIT, cq_str_ieqn(url, "https", 5) ? 1L : 0L);
  curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)HTTP_BUFFER);
  curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip, zstd");
  curl_easy_setopt(e, CURLOPT_HTTP_CONTENT_DECODING, 0L); /* inflate.c does */
  curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
  curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver */
  curl_easy_setopt(e, CURLOPT_USERAGENT, o->user_agent);
  io_tls(e, &t->tls, t->tls.ca_file == o->tls.ca_file ? o->ca_path : NULL);
  if (o->proxy) curl_easy_setopt(e, CURLOPT_PROXY, o->proxy);
  curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->sent);
  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->detail);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, cq_io_on_head);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, cq_io_on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
  curl_easy_setopt(e, CURLOPT_PRIVATE, t);
  if (t->body || strcmp(t->method, "POST") == 0) {
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->nbody);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body ? t->body : "");
  }
  if (strcmp(t->method, "HEAD") == 0)
    curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
  else if (strcmp(t->method, "GET") != 0 || t->body)
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, t->method);
}

static void io_unlink(cq_io *io, cq_transfer *t) {
  if (t->prev)
    t->prev->next = t->next;
  else
    io->active = t->next;
  if (t->next) t->next->prev = t->prev;
  t->prev = t->next = NULL;
}

/* Gives back what belongs to one exchange; the head and the body stay. */
static void io_detach(cq_io *io, cq_transfer *t) {
  if (t->fd >= 0) close(t->fd);
  t->fd = -1;
  cq_inflate_close(t->inflate);
  t->inflate = NULL;
  if (t->easy) {
    curl_multi_remove_handle(io->multi, t->easy);
    if (io->nspare < HTTP_SPARE) {
      curl_easy_reset(t->easy);
      io->spare[io->nspare++] = t->easy;
    } else {
      curl_easy_cleanup(t->easy);
    }
    t->easy = NULL;
  }
  for (struct curl_slist *s = t->sent; s; s = s->next)
    cq_wipe(s->data, strlen(s->data)); /* tokens */
  curl_slist_free_all(t->sent);
  t->sent = NULL;
  cq_free_secret(t->signed_url);
  t->signed_url = NULL;
}

/* The exchange is over: done, failed or cancelled. */
static void io_finish(cq_io *io, cq_transfer *t) {
  int64_t ms = cq_mono_ms() - t->started_ms;

  io_detach(io, t);
  io_unlink(io, t);
  pthread_mutex_lock(&io->lock);
  if (t->cancelled && !t->error.code)
    cq_error_set(&t->error, CQ_INTERRUPT, "cancelled");
  cq_log_add(io, t, ms);
  io->stats.bytes += t->wire - t->wire_before;
  io->nactive--;
  cq_limiters_leave(t);
  if (!t->error.code) {
    /* how much to expect of the next: falls slowly, rises at once */
    size_t size = (size_t)t->inflated;

    if (size > CQ_STREAM_BYTES) size = CQ_STREAM_BYTES;
    io->expect -= io->expect / 8;
    if (size > io->expect) io->expect = size;
  }
  t->at = CQ_AT_REST;
  t->paused = t->resume = 0;
  t->state = t->error.code ? CQ_T_FAILED : CQ_T_DONE;
  io->news = 1;
  cq_transfer_release(io, t);
  pthread_mutex_unlock(&io->lock);
}

static void io_start(cq_io *io, cq_transfer *t) {
  t->started_us = cq_now_us();
  t->started_ms = t->progress_ms = cq_mono_ms();
  t->wire_before = t->wire;
  t->head_bytes = t->moved = 0;
  t->slow_since_ms = t->started_ms;
  t->slow_from = 0;
  t->detail[0] = 0;
  if (cq_str_ieqn(t->url, "file:", 5)) {
    if (cq_file_open(t)) io_finish(io, t);
    return;
  }
  if (io->nspare > 0)
    t->easy = io->spare[--io->nspare];
  else
    t->easy = curl_easy_init();
  if (!t->easy) {
    cq_transfer_fail(t, CQ_NOMEM, "out of memory");
    io_finish(io, t);
    return;
  }
  if (io_headers(t) || io_sign(t)) {
    io_finish(io, t);
    return;
  }
  io_options(io, t);
  if (curl_multi_add_handle(io->multi, t->easy)) {
    cq_transfer_fail(t, CQ_NOMEM, "out of memory");
    io_finish(io, t);
  }
}

/* ---- the end of an exchange -------------------------------------------- */

/* This answer is not the one: another request follows at once. */
static void io_next_exchange(cq_io *io, cq_transfer *t) {
  pthread_mutex_lock(&io->lock);
  io->stats.requests++;
  io->stats.bytes += t->wire - t->wire_before;
  cq_log_add(io, t, cq_mono_ms() - t->started_ms);
  cq_transfer_forget(io, t);
  pthread_mutex_unlock(&io->lock);
}

/* A redirect within the origin is sent again at once, signed anew.  Elsewhere
 * our headers and what they open would go to a stranger, so that fails. */
static int io_redirect(cq_io *io, cq_transfer *t) {
  const char *to = cq_io_header(t, "location");
  int keeps = t->status == 307 || t->status == 308;
  cq_url_parts u;
  cq_buf url;
  int ok;

  if (strcmp(t->method, "GET") != 0 && strcmp(t->method, "HEAD") != 0 && !keeps)
    return cq_transfer_fail(t, CQ_IOERR,
                            "redirected by status %d, which "
                            "would lose the body",
                            t->status);
  if (++t->redirects > CQ_MAX_REDIRECTS)
    return cq_transfer_fail(t, CQ_ERROR, "redirected too often: %d times",
                            t->redirects);
  cq_buf_init(&url, CQ_MAX_URL);
  ok = cq_url_join(t->url, to, strlen(to), &url) == CQ_OK;
  if (ok && !cq_url_same_origin(t->url, url.data)) {
    cq_url_split(url.data, url.len, &u);
    cq_transfer_fail(t, CQ_ERROR, "redirected to another server: %.*s://%.*s",
                     (int)(u.nscheme < 16 ? u.nscheme : 16),
                     u.scheme ? u.scheme : "",
                     (int)(u.nhost + u.nport + 1 < 200
                               ? u.nhost + (u.nport ? u.nport + 1 : 0)
                               : 200),
                     u.host ? u.host : "");
    cq_error_hint(&t->error, "credentials are never sent there; if it is "
                             "meant, give its address in the configuration");
    ok = 0;
  } else if (!ok || cq_url_check(url.data, 0, NULL)) {
    cq_transfer_fail(t, url.rc ? url.rc : CQ_IOERR,
                     "redirected to a bad address");
    ok = 0;
  }
  if (!ok) {
    cq_buf_clear(&url);
    return t->error.code;
  }
  io_next_exchange(io, t);
  cq_free_secret(t->url);
  t->url = cq_buf_take(&url);
  return CQ_OK;
}

/* Did the server hang up on a new connection before it answered anything?  Who
 * wants a certificate of ours says so only after TLS 1.3's handshake; whether
 * its words or the end of the connection are seen first is chance. */
static int io_hung_up(const cq_transfer *t, CURLcode code, const char *why) {
  long fresh = 0;

  curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &fresh);
  if (code == CURLE_SSL_CONNECT_ERROR)
    return strstr(why, "alert") && !strstr(why, "protocol version");
  return (code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
          code == CURLE_GOT_NOTHING) &&
         fresh > 0 && t->status == 0 && cq_str_ieqn(t->url, "https", 5);
}

/* What to do about a certificate or a key that does not serve.  The numbers are
 * OpenSSL's X509_V_ERR_*; other TLS libraries leave 0. */
static void io_hint_tls(cq_transfer *t, CURLcode code, const char *why) {
  long verify = 0;

  curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    if (verify == 9 || verify == 10)
      cq_error_hint(&t->error, "is this machine's clock right? else its owner "
                               "has to renew the server's certificate");
    else if (strstr(why, " match"))
      cq_error_hint(&t->error, "the certificate is another host's: use a name "
                               "that it is for");
    else
      cq_error_hint(&t->error, "the server's certificate is not trusted; name "
                               "the authority's file in ca_file");
  } else if (code == CURLE_SSL_CERTPROBLEM) {
    cq_error_hint(&t->error,
                  "client_cert and client_key name PEM files that belong "
                  "together, client_key_password opens the key");
  } else if (code == CURLE_SSL_CACERT_BADFILE) {
    cq_error_hint(&t->error, "ca_file names a file of certificates in PEM "
                             "form");
  } else if (io_hung_up(t, code, why)) {
    cq_error_hint(&t->error,
                  t->tls.client_cert
                      ? "the server may refuse the certificate in client_cert"
                      : "the server may ask for a certificate of ours: "
                        "client_cert and client_key");
  }
}

static void io_fail_curl(cq_transfer *t, CURLcode code) {
  const char *why = t->detail[0] ? t->detail : curl_easy_strerror(code);
  size_t n = strcspn(why, "\r\n");
  /* What is wrong with a certificate is not mended by asking again. */
  int rc = code == CURLE_OUT_OF_MEMORY ? CQ_NOMEM
           : code == CURLE_PEER_FAILED_VERIFICATION ||
                   code == CURLE_SSL_CERTPROBLEM ||
                   code == CURLE_SSL_CACERT_BADFILE
               ? CQ_ERROR
               : CQ_IOERR;

  if (t->error.code) return; /* a callback knew better */
  cq_transfer_fail(t, rc, "%.*s", (int)(n < 400 ? n : 400), why);
  io_hint_tls(t, code, why);
}

static void io_complete(cq_io *io, CURL *easy, CURLcode code) {
  cq_transfer *t = NULL;
  curl_off_t wire = 0;

  curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&t);
  curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
  pthread_mutex_lock(&io->lock);
  t->wire = t->wire_before + wire;
  pthread_mutex_unlock(&io->lock);
  if (t->enough && code == CURLE_WRITE_ERROR) code = CURLE_OK;
  if (code != CURLE_OK)
    io_fail_curl(t, code);
  else
    cq_io_body_ended(t);
  if (code == CURLE_OK && t->redirecting && !t->error.code &&
      io_redirect(io, t) == CQ_OK) {
    io_detach(io, t);
    io_start(io, t);
    return;
  }
  io_finish(io, t);
}

/* ---- one turn ---------------------------------------------------------- */

/* With the lock held: may one more start, for the memory that it may fill?
 * When nothing that runs can go on without the caller, one always may: he
 * could be waiting for just that one. */
static int io_room(const cq_io *io) {
  size_t coming = 0;
  int moving = 0;

  if (io->nactive >= io->http->o.max_connections) return 0;
  for (cq_transfer *t = io->active; t; t = t->next) {
    size_t have = t->block ? t->block->len : 0;

    moving += !t->paused;
    if (t->state == CQ_T_WAITING && have < io->expect)
      coming += io->expect - have;
  }
  return !moving ||
         io->buffered + coming + io->expect <= io->http->o.max_buffered;
}

/* With the lock held: limiters are closed for longer than it would wait. */
static void io_turn_away(cq_io *io, cq_transfer *t, int64_t ms) {
  char span[24];

  cq_transfer_unqueue(io, t);
  cq_transfer_fail(t, CQ_THROTTLED,
                   "not asked, since no more requests are wanted for %s",
                   cq_span_format(ms, span, sizeof span));
  t->state = CQ_T_FAILED;
  io->news = 1;
  cq_transfer_release(io, t);
}

/* Moves what may start from the queue into `active`, with easy still NULL.
 * Returns when to look again (monotonic ms). */
static int64_t io_admit(cq_io *io, int64_t now) {
  int64_t next = INT64_MAX, when;
  cq_transfer *t, *after;
  int throttled;

  for (t = io->wait_head; t && io_room(io); t = after) {
    after = t->next;
    if (t->not_before > now) {
      next = t->not_before < next ? t->not_before : next;
      continue;
    }
    if (!cq_limiters_pass(t, now, &when, &throttled)) {
      if (throttled && t->max_wait_ms && when - now > t->max_wait_ms) {
        io_turn_away(io, t, when - now);
        continue;
      }
      next = when < next ? when : next;
      if (throttled && !t->gated_since) t->gated_since = now;
      continue;
    }
    if (t->gated_since) {
      t->gated_ms += now - t->gated_since;
      io->stats.throttled_ms += now - t->gated_since;
    }
    cq_transfer_unqueue(io, t);
    cq_limiters_enter(t);
    t->at = CQ_AT_CURL;
    t->next = io->active;
    if (io->active) io->active->prev = t;
    io->active = t;
    io->nactive++;
    io->stats.requests++;
  }
  return next;
}

/* A byte now and then is a sign of life, but no answer.  Lowers *next to when
 * it is to be looked at again. */
static int io_slow(cq_transfer *t, int64_t now, int timeout, int64_t *next) {
  int64_t end = t->slow_since_ms + (int64_t)CQ_SLOW_TIMES * timeout;

  if (end <= now) {
    if (t->moved - t->slow_from < CQ_SLOW_BYTES) return 1;
    t->slow_since_ms = now;
    t->slow_from = t->moved;
    end = now + (int64_t)CQ_SLOW_TIMES * timeout;
  }
  if (end < *next) *next = end;
  return 0;
}

/* What the caller and the clock have changed.  Returns when to look again,
 * or -1 to end. */
static int64_t io_turn(cq_io *io) {
  int64_t now = cq_mono_ms(), next, stall;
  int timeout = io->http->o.timeout_ms;
  cq_transfer *t, *after;

  pthread_mutex_lock(&io->lock);
  next = io->stop ? -1 : io_admit(io, now);
  /* Flags are read under the lock, acted on without: only this thread takes
   * transfers out of `active`. */
  for (t = io->active; t; t = t->next) {
    if (io->stop) t->cancelled = 1;
    if (t->paused && (t->resume || !cq_io_full(io, t))) t->resume = 1;
  }
  pthread_mutex_unlock(&io->lock);
  for (t = io->active; t; t = after) {
    int cancelled, paused, resume;

    after = t->next;
    pthread_mutex_lock(&io->lock);
    cancelled = t->cancelled;
    resume = t->resume;
    if (resume) t->paused = t->resume = 0;
    paused = t->paused;
    pthread_mutex_unlock(&io->lock);
    stall = t->progress_ms + timeout;
    if (cancelled) {
      io_finish(io, t);
    } else if (t->fd >= 0) {
      if (!paused && cq_file_piece(io, t))
        io_finish(io, t);
      else if (!paused)
        next = now; /* curl has no part in it: come back at once */
      continue;
    } else if (!t->easy) {
      io_start(io, t);
      next = now;
    } else if (resume) {
      t->progress_ms = t->slow_since_ms = now;
      t->slow_from = t->moved;
      curl_easy_pause(t->easy, CURLPAUSE_CONT);
      stall = now + timeout;
    } else if (!paused && io_slow(t, now, timeout, &stall)) {
      cq_transfer_fail(t, CQ_IOERR,
                       "answer comes too slowly: %lld bytes in %lld ms",
                       (long long)(t->moved - t->slow_from),
                       (long long)(now - t->slow_since_ms));
      io_finish(io, t);
      continue;
    } else if (!paused && t->progress_ms + timeout <= now) {
      cq_transfer_fail(t, CQ_IOERR,
                       t->body_begun
                           ? "answer stopped in the middle: nothing for %d ms"
                           : "no answer within %d ms",
                       timeout);
      io_finish(io, t);
      continue;
    }
    if (!paused && stall < next) next = stall;
  }
  return next;
}

static void io_tell(cq_io *io) {
  if (!io->news) return;
  io->news = 0;
  pthread_mutex_lock(&io->lock);
  io->events++;
  pthread_cond_broadcast(&io->cond);
  pthread_mutex_unlock(&io->lock);
}

void *cq_io_main(void *user) {
  cq_io *io = user;
  int64_t next;

  while ((next = io_turn(io)) >= 0) {
    int64_t ms;
    int running, left, ended = 0;
    CURLMsg *m;

    curl_multi_perform(io->multi, &running);
    while ((m = curl_multi_info_read(io->multi, &left)) != NULL)
      if (m->msg == CURLMSG_DONE) {
        io_complete(io, m->easy_handle, m->data.result);
        ended = 1;
      }
    io_tell(io);
    /* An end may let another start; otherwise sleep until something comes. */
    ms = next == INT64_MAX ? 60000 : next - cq_mono_ms();
    if (ended || ms <= 0) continue;
    curl_multi_poll(io->multi, NULL, 0, ms > 60000 ? 60000 : (int)ms, NULL);
  }
  io_tell(io);
  return NULL;
}
