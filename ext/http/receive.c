/* ext/http/receive.c: what curl calls while an answer arrives: its headers,
 * its body, and whether that was all of it.  For the pumper. */
#include <stdlib.h>
#include <string.h>

#include "http/internal.h"

static void head_line(cq_transfer *t, const char *p, size_t n) {
  const char *colon, *value;
  size_t nvalue;

  if (n >= 5 && cq_str_ieqn(p, "HTTP/", 5)) {
    const char *sp = memchr(p, ' ', n);

    /* 100 Continue, or a proxy's answer, had a head of its own */
    cq_buf_reset(&t->head);
    t->status = sp ? atoi(sp + 1) : 0;
    t->length = -1;
    t->head_ended = 0;
    return;
  }
  if (n && (*p == '\r' || *p == '\n')) t->head_ended = 1;
  colon = memchr(p, ':', n);
  if (!colon) return;
  value = colon + 1;
  nvalue = n - (size_t)(value - p);
  while (nvalue && (*value == ' ' || *value == '\t')) value++, nvalue--;
  while (nvalue && strchr("\r\n \t", value[nvalue - 1])) nvalue--;
  if (memchr(value, 0, nvalue) || memchr(p, 0, (size_t)(colon - p)))
    return; /* would shift names and values */
  cq_buf_add(&t->head, p, (size_t)(colon - p));
  cq_buf_byte(&t->head, 0);
  cq_buf_add(&t->head, value, nvalue);
  cq_buf_byte(&t->head, 0);
}

size_t cq_io_on_head(char *p, size_t size, size_t count, void *user) {
  cq_transfer *t = user;
  size_t n = size * count;

  t->progress_ms = cq_mono_ms();
  t->moved += (int64_t)n;
  /* Answers that only announce one, and trailers, count as well: they could
   * come without end. */
  t->head_bytes += n;
  if (t->head_bytes <= CQ_MAX_HEADER_BYTES) {
    /* at a trailer the caller may be reading the head already */
    if (!t->body_begun) head_line(t, p, n);
    if (t->head.rc == CQ_OK) return n;
  }
  cq_transfer_fail(t, t->head.rc ? t->head.rc : CQ_TOOBIG,
                   t->head.rc == CQ_NOMEM
                       ? "out of memory"
                       : "answer's headers are longer than %d bytes",
                   (int)CQ_MAX_HEADER_BYTES);
  return 0;
}

const char *cq_io_header(const cq_transfer *t, const char *name) {
  cq_head h = {t->status, t->url, t->head.data, t->head.len};

  return cq_head_get(&h, name);
}

/* Is the end of the body only the end of the connection?  Later versions than
 * 1 mark it always. */
static int body_endless(const cq_transfer *t) {
  long version = 0;

  curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
  return version != CURL_HTTP_VERSION_2_0 && version != CURL_HTTP_VERSION_3 &&
         t->status == 200 && strcmp(t->method, "HEAD") != 0 &&
         !cq_io_header(t, "content-length") &&
         !cq_io_header(t, "transfer-encoding");
}

/* Several headers of this name that do not say the same; bool. */
static int head_differs(const cq_transfer *t, const char *name) {
  const char *p = t->head.data, *end = p ? p + t->head.len : p, *first = NULL;

  while (p < end) {
    const char *value = p + strlen(p) + 1;

    if (cq_str_ieq(p, name)) {
      if (first && strcmp(first, value) != 0) return 1;
      first = value;
    }
    p = value + strlen(value) + 1;
  }
  return 0;
}

static void body_encoding(cq_transfer *t) {
  const char *h = cq_io_header(t, "content-encoding");
  int rc;

  if (!h || !*h || cq_str_ieq(h, "identity") || t->redirecting) return;
  rc = head_differs(t, "content-encoding") ? CQ_NOTFOUND
                                           : cq_inflate_open(h, &t->inflate);
  if (rc == CQ_NOMEM)
    cq_transfer_fail(t, rc, "out of memory");
  else if (rc && t->status >= 400)
    t->enough = 1; /* the status says more than this would */
  else if (rc)
    cq_transfer_fail(t, CQ_ERROR,
                     "answer is encoded as nobody asked for: %.60s", h);
}

/* The head is complete: what kind of body follows? */
static void body_begin(cq_transfer *t) {
  curl_off_t length = -1;
  int s = t->status;

  t->body_begun = 1;
  t->redirecting = t->follow &&
                   (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) &&
                   cq_io_header(t, "location");
  if (!cq_io_header(t, "transfer-encoding") &&
      head_differs(t, "content-length"))
    cq_transfer_fail(t, CQ_IOERR, "answer tells two lengths of itself");
  else
    body_encoding(t);
  curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  t->length = t->inflate ? -1 : (int64_t)length;
}

void cq_io_body_ended(cq_transfer *t) {
  if (!t->head_ended) {
    /* curl takes that for an answer without a body */
    cq_transfer_fail(t, CQ_IOERR, "answer is cut: its headers end too early");
    return;
  }
  if (!t->body_begun) {
    body_begin(t);
    if (!t->error.code && body_endless(t))
      cq_transfer_fail(t, CQ_IOERR, "answer is cut: no body came");
  }
  /* No body at all needs no end. */
  if (!t->error.code && t->inflate && t->packed && !t->enough &&
      !cq_inflate_ended(t->inflate))
    cq_transfer_fail(t, CQ_IOERR,
                     "answer is cut: its compressed data ends too early");
}

/* A block cannot grow, so a larger one takes over. */
int cq_io_reserve(cq_transfer *t, size_t n) {
  size_t have = t->block ? t->block->len : 0, cap;
  cq_block *b;

  if (t->block && have + n + HTTP_PAD <= t->block->cap) return CQ_OK;
  cap = t->block ? t->block->cap * 2 : HTTP_PIECE;
  if (!t->block && t->length > 0)
    cap = t->length > 2 * CQ_STREAM_BYTES ? 2 * CQ_STREAM_BYTES
                                          : (size_t)t->length;
  if (cap < have + n) cap = have + n;
  b = cq_block_get(t->io->blocks, cap + HTTP_PAD);
  if (!b) return CQ_NOMEM;
  if (have) memcpy(b->data, t->block->data, have);
  b->len = have;
  if (t->block) cq_block_unref(t->block);
  t->block = b;
  return CQ_OK;
}

int cq_io_full(const cq_io *io, const cq_transfer *t) {
  size_t unread = t->block ? t->block->len : 0;

  if (t->state != CQ_T_STREAM) return 0;
  return unread > 2u * CQ_STREAM_BYTES ||
         (io->buffered > io->http->o.max_buffered && unread >= HTTP_PIECE);
}

void cq_io_added(cq_io *io, cq_transfer *t, size_t n) {
  t->block->len += n;
  io->buffered += n;
  t->inflated += (int64_t)n;
  if (t->state == CQ_T_WAITING && t->block->len > CQ_STREAM_BYTES &&
      t->status < 400)
    t->state = CQ_T_STREAM;
  if (t->state == CQ_T_STREAM) io->news = 1;
}

/* n bytes of the body, as they are meant, behind those that are there.  Where
 * `force` is not set, none are taken while too many are unread. */
static size_t body_store(cq_transfer *t, const char *p, size_t n, int force) {
  cq_io *io = t->io;
  size_t ret = n;
  int oom = 0;

  pthread_mutex_lock(&io->lock);
  if (t->cancelled) {
    ret = 0;
  } else if (!force && cq_io_full(io, t)) {
    t->paused = 1;
    ret = CURL_WRITEFUNC_PAUSE;
  } else if (n && cq_io_reserve(t, n)) {
    oom = 1;
  } else if (n) {
    memcpy(t->block->data + t->block->len, p, n);
    cq_io_added(io, t, n);
  }
  pthread_mutex_unlock(&io->lock);
  if (oom) cq_transfer_fail(t, CQ_NOMEM, "out of memory");
  return oom ? 0 : ret;
}

/* Is so much of it there that no more may follow? */
static int body_bounded(cq_transfer *t, size_t n) {
  int64_t all = t->inflated + (int64_t)n;
  int64_t longer = t->packed > all ? t->packed : all; /* of nothing at all */
  int64_t most = (int64_t)t->io->http->o.max_body_mib << 20;

  if (t->inflate && all > 1 << 20 && all / CQ_MAX_INFLATE_RATIO > t->packed)
    cq_transfer_fail(t, CQ_TOOBIG,
                     "answer inflates without end: %lld bytes from %lld",
                     (long long)all, (long long)t->packed);
  else if (longer > most &&
           cq_transfer_fail(t, CQ_TOOBIG, "answer is longer than %d MiB",
                            t->io->http->o.max_body_mib))
    cq_error_hint(&t->error, "cq_config('max_body', <MiB>) allows longer ones");
  return t->error.code == 0;
}

/* Compressed bytes.  When curl is told to pause it brings the same bytes again
 * later; `skip` of them have had their effect. */
static size_t body_unpack(cq_transfer *t, const char *p, size_t n) {
  char out[32 << 10];
  size_t at = t->skip < n ? t->skip : n, used, made, stored;

  t->skip -= at;
  if (t->skip) return n;
  do {
    int rc;

    /* Before anything is unpacked, since what is unpacked must be kept. */
    stored = body_store(t, NULL, 0, 0);
    if (stored == CURL_WRITEFUNC_PAUSE) {
      t->skip = at;
      return stored;
    }
    rc = cq_inflate_run(t->inflate, p + at, n - at, &used, out, sizeof out,
                        &made);
    at += used;
    t->packed += (int64_t)used;
    if (rc == CQ_OK && at < n && !used && !made) rc = CQ_ERROR;
    if (rc) {
      cq_transfer_fail(t, rc == CQ_NOMEM ? CQ_NOMEM : CQ_IOERR,
                       rc == CQ_NOMEM ? "out of memory"
                                      : "answer's compressed data is damaged, "
                                        "at byte %lld",
                       (long long)t->packed);
      return 0;
    }
    if (!body_bounded(t, made) || (made && body_store(t, out, made, 1) == 0))
      return 0;
    if (t->status >= 400 && t->inflated >= CQ_MAX_ERROR_BODY) {
      t->enough = 1;
      return 0;
    }
  } while (at < n || made == sizeof out);
  return n;
}

size_t cq_io_on_body(char *p, size_t size, size_t count, void *user) {
  cq_transfer *t = user;
  cq_io *io = t->io;
  size_t n = size * count, ret;
  curl_off_t wire = 0;

  t->progress_ms = cq_mono_ms();
  if (!t->body_begun) body_begin(t);
  curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &wire);
  t->moved += (int64_t)n;
  if (t->error.code) return 0;
  pthread_mutex_lock(&io->lock);
  t->wire = t->wire_before + wire;
  /* The rest of an error's body says nothing new, a redirect's nothing. */
  if (t->status >= 400 || t->redirecting)
    t->enough |= t->inflated + (int64_t)(t->redirecting ? t->moved : 0) >=
                 CQ_MAX_ERROR_BODY;
  ret = t->cancelled || t->enough ? 0 : n;
  pthread_mutex_unlock(&io->lock);
  if (t->redirecting || ret == 0) return ret;
  if (t->inflate) return body_unpack(t, p, n);
  if (!body_bounded(t, n)) return 0;
  return body_store(t, p, n, 0);
}
