/* ext/http/io.c: one exchange: begun, signed, ended.  What arrives of it is
 * receive.c's.  See internal.h for who may call this, and for the locking. */
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
  rc = t->signer->ops->sign(
      t->signer, t->method, t->url, t->headers, t->nheader, t->body, t->nbody,
      cq_now_us() + t->skew_us + cq_http_clock_get(t->io->http), &lines, &url,
      &err);
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
int cq_http_equip(void *curl, const cq_tls *tls, const char *ca_path,
                  const char *proxy, cq_error *err) {
  CURL *e = curl;
  int rc = cq_file_check(tls->ca_file, err);

  if (proxy) curl_easy_setopt(e, CURLOPT_PROXY, proxy);
  curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(e, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  if (tls->ca_file || ca_path) {
    curl_easy_setopt(e, CURLOPT_CAINFO, tls->ca_file);
    curl_easy_setopt(e, CURLOPT_CAPATH, ca_path);
    curl_easy_setopt(e, CURLOPT_PROXY_CAINFO, tls->ca_file);
    curl_easy_setopt(e, CURLOPT_PROXY_CAPATH, ca_path);
  }
  if (rc || !tls->client_cert) return rc;
  if ((rc = cq_file_check(tls->client_cert, err)) ||
      (rc = cq_file_check(tls->client_key, err)))
    return rc;
  curl_easy_setopt(e, CURLOPT_SSLCERT, tls->client_cert);
  curl_easy_setopt(e, CURLOPT_SSLKEY,
                   tls->client_key ? tls->client_key : tls->client_cert);
  curl_easy_setopt(e, CURLOPT_KEYPASSWD,
                   tls->client_key_password ? tls->client_key_password : "");
  return CQ_OK;
}

static int io_options(cq_io *io, cq_transfer *t) {
  const cq_http_options *o = &io->http->o;
  cq_error err = {0, ""};
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
  curl_easy_setopt(
      e, CURLOPT_CONNECTTIMEOUT_MS,
      (long)(t->timeout_ms ? t->timeout_ms : o->connect_timeout_ms));
  curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* never wait for a resolver */
  curl_easy_setopt(e, CURLOPT_USERAGENT, o->user_agent);
  /* directly: nor by the environment's proxy */
  if (cq_http_equip(e, &t->tls,
                    t->tls.ca_file == o->tls.ca_file ? o->ca_path : NULL,
                    t->direct ? "" : o->proxy, &err))
    return cq_transfer_fail(t, err.code, "%s", err.text);
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
  return CQ_OK;
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
void cq_io_finish(cq_io *io, cq_transfer *t) {
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

void cq_io_start(cq_io *io, cq_transfer *t) {
  t->started_us = cq_now_us();
  t->started_ms = t->progress_ms = cq_mono_ms();
  t->wire_before = t->wire;
  t->head_bytes = t->moved = 0;
  t->slow_since_ms = t->started_ms;
  t->slow_from = 0;
  t->detail[0] = 0;
  if (cq_str_ieqn(t->url, "file:", 5)) {
    if (cq_file_open(t)) cq_io_finish(io, t);
    return;
  }
  if (io->nspare > 0)
    t->easy = io->spare[--io->nspare];
  else
    t->easy = curl_easy_init();
  if (!t->easy) {
    cq_transfer_fail(t, CQ_NOMEM, "out of memory");
    cq_io_finish(io, t);
    return;
  }
  if (io_headers(t) || io_sign(t) || io_options(io, t)) {
    cq_io_finish(io, t);
    return;
  }
  if (curl_multi_add_handle(io->multi, t->easy)) {
    cq_transfer_fail(t, CQ_NOMEM, "out of memory");
    cq_io_finish(io, t);
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

void cq_io_complete(cq_io *io, CURL *easy, CURLcode code) {
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
    cq_io_start(io, t);
    return;
  }
  cq_io_finish(io, t);
}
