/* ext/dest/clickhouse/request.c: one HTTP request to ClickHouse, on the writer's
 * thread: waited for, interrupted, tried again where that is safe, its error
 * understood.
 *
 * What has gone wrong stands in the status, in X-ClickHouse-Exception-Code, or
 * only in the body ("Code: 60. DB::Exception: ..."), which an answer of 200 may
 * end in, too.  wait_end_of_query=1 has the server hold its answer back until
 * it knows.
 *
 * A request that the server may have got, but whose answer is lost, is of an
 * unknown outcome: one that may be repeated is, for the others the caller asks. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "cq.h"
#include "dest/clickhouse/internal.h"

enum {
  LOOK_MS = 50,
  FIRST_MS = 15000,    /* for the first answer, which takes no work */
  PATIENCE_MS = 30000, /* for a server that has answered before */
  PAUSE_MS = 100,      /* the first; then twice as long, up to */
  LONGEST_MS = 2000,
  ANSWER = 64 << 20,
  SHOWN = 400 /* bytes of a server's message */
};

/* ---- the connection -------------------------------------------------------------- */

static int set_tls(ch *d, cq_error *err) {
  const cq_http_options *net = d->def.net;
  const char *ca = d->o->ca, *ca_path = NULL;
  cq_tls tls = {NULL, NULL, NULL, NULL};
  struct curl_blob blob;

  if (net) {
    tls = net->tls;
    ca_path = net->ca_path;
  } else {
    cq_http_trust(&tls.ca_file, &ca_path);
  }
  if (cq_http_equip(d->easy, &tls, ca_path, net ? net->proxy : NULL, err))
    return err->code;
  if (!ca) return CQ_OK;
  if (strstr(ca, "-----BEGIN")) {
    blob.data = (void *)(uintptr_t)ca;
    blob.len = strlen(ca);
    blob.flags = CURL_BLOB_COPY;
    curl_easy_setopt(d->easy, CURLOPT_CAINFO_BLOB, &blob);
  } else {
    if (cq_file_check(ca, err)) return err->code;
    curl_easy_setopt(d->easy, CURLOPT_CAINFO, ca);
  }
  curl_easy_setopt(d->easy, CURLOPT_CAPATH, NULL);
  return CQ_OK;
}

static int set_host(ch *d, int i) {
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_URL);
  cq_buf_printf(&b, "%s://%s/?wait_end_of_query=1&database=",
                d->o->tls ? "https" : "http", d->o->hosts[i]);
  cq_percent_encode(&b, d->o->database, strlen(d->o->database), "");
  cq_buf_str(&b, d->o->settings);
  cq_free(d->url);
  d->host = i;
  d->url = cq_buf_take(&b);
  cq_buf_clear(&b);
  return d->url ? CQ_OK : CQ_NOMEM;
}

static int set_heads(ch *d) {
  /* Each has to be there: a stray Expect makes a server wait. */
  static const char *const lines[] = {"Expect:", "Content-Type:"};

  for (size_t i = 0; i < 2; i++) {
    struct curl_slist *more = curl_slist_append(d->heads, lines[i]);

    if (!more) return CQ_NOMEM;
    d->heads = more;
  }
  return CQ_OK;
}

void ch_disconnect(ch *d) {
  if (d->multi && d->easy) curl_multi_remove_handle(d->multi, d->easy);
  curl_easy_cleanup(d->easy);
  curl_multi_cleanup(d->multi);
  curl_slist_free_all(d->heads);
  cq_free(d->url);
  d->easy = NULL;
  d->multi = NULL;
  d->heads = NULL;
  d->url = NULL;
}

int ch_connect(ch *d, cq_error *err) {
  int rc = CQ_OK;

  d->easy = curl_easy_init();
  d->multi = curl_multi_init();
  if (!d->easy || !d->multi || set_heads(d)) return cq_error_nomem(err);
  for (int i = 0; i < d->o->nhost; i++) {
    ch_ask ping = {.body = "SELECT 1", .nbody = 8};

    if (set_host(d, i)) return cq_error_nomem(err);
    cq_error_clear(err);
    rc = ch_request(d, &ping, NULL, NULL, err);
    if (rc != CQ_IOERR) break; /* else the next host */
  }
  return rc;
}

/* ---- bodies ------------------------------------------------------------------------ */

static int squeeze(cq_buf *out, ch_squeeze how, const void *p, size_t n) {
  if (how == CH_ZSTD) {
    size_t room = ZSTD_compressBound(n), got;

    if (cq_buf_reserve(out, room)) return out->rc;
    got = ZSTD_compress(out->data, room, p, n, 1);
    if (ZSTD_isError(got)) return CQ_NOMEM;
    out->len = got;
  } else {
    z_stream z;
    int rc;

    memset(&z, 0, sizeof z);
    if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
      return CQ_NOMEM;
    if (cq_buf_reserve(out, deflateBound(&z, (uLong)n))) {
      deflateEnd(&z);
      return out->rc;
    }
    z.next_in = (Bytef *)(uintptr_t)p;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out->data;
    z.avail_out = (uInt)(out->cap - out->len);
    rc = deflate(&z, Z_FINISH);
    out->len = z.total_out;
    deflateEnd(&z);
    if (rc != Z_STREAM_END) return CQ_NOMEM;
  }
  return CQ_OK;
}

/* ---- one try ------------------------------------------------------------------------- */

typedef struct answer {
  ch *d;
  const ch_ask *q;
  cq_buf body; /* what is not streamed, or is an error's text */
  long status;
  int code;    /* of the exception, 0: none */
  int refused; /* `each` has had enough */
  int handed;  /* it has had some */
} answer;

static size_t on_head(char *p, size_t size, size_t n, void *user) {
  static const char name[] = "X-ClickHouse-Exception-Code:";
  answer *a = user;

  n *= size;
  if (n > 5 && memcmp(p, "HTTP/", 5) == 0) a->code = 0;
  if (n > sizeof name && cq_str_ieqn(p, name, sizeof name - 1))
    a->code = atoi(p + sizeof name - 1);
  return n;
}

static size_t on_body(char *p, size_t size, size_t n, void *user) {
  answer *a = user;
  long status = 0;

  n *= size;
  curl_easy_getinfo(a->d->easy, CURLINFO_RESPONSE_CODE, &status);
  if (a->q->each && status == 200 && !a->code) {
    a->handed = 1;
    a->refused = a->q->each(a->q->user, p, n);
    return a->refused ? 0 : n;
  }
  cq_buf_add(&a->body, p, n);
  return a->body.rc ? 0 : n;
}

/* How long nothing may move. */
static int64_t silence_ms(const ch *d) {
  return d->reached || d->o->read_ms < FIRST_MS ? d->o->read_ms : FIRST_MS;
}

/* Until it is over; CURLE_OPERATION_TIMEDOUT where nothing moves any more,
 * CURLE_ABORTED_BY_CALLBACK where it is interrupted. */
static CURLcode perform(ch *d) {
  int64_t moved_ms = cq_mono_ms();
  curl_off_t last = -1;
  CURLcode result = CURLE_OK;
  int left = 1;

  if (curl_multi_add_handle(d->multi, d->easy)) return CURLE_OUT_OF_MEMORY;
  while (left) {
    curl_off_t up = 0, down = 0;
    CURLMsg *m;
    int n;

    if (curl_multi_perform(d->multi, &left)) {
      result = CURLE_OUT_OF_MEMORY;
      break;
    }
    while ((m = curl_multi_info_read(d->multi, &n)) != NULL)
      if (m->msg == CURLMSG_DONE) result = m->data.result;
    if (!left) break;
    if (d->def.interrupted && d->def.interrupted(d->def.user)) {
      result = CURLE_ABORTED_BY_CALLBACK;
      break;
    }
    curl_easy_getinfo(d->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(d->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    if (up + down != last) {
      last = up + down;
      moved_ms = cq_mono_ms();
    } else if (cq_mono_ms() - moved_ms > silence_ms(d)) {
      result = CURLE_OPERATION_TIMEDOUT;
      break;
    }
    curl_multi_poll(d->multi, NULL, 0, LOOK_MS, NULL);
  }
  curl_multi_remove_handle(d->multi, d->easy);
  return result;
}

static CURLcode try_once(ch *d, const ch_ask *q, const char *url,
                         const cq_buf *body, ch_squeeze how, answer *a) {
  struct curl_slist coded = {NULL, d->heads};
  static char gz[] = "Content-Encoding: gzip", zs[] = "Content-Encoding: zstd";
  CURL *e = d->easy;
  cq_error err = {0, ""};
  CURLcode rc;

  curl_easy_reset(e);
  *d->detail = 0;
  coded.data = how == CH_ZSTD ? zs : gz;
  curl_easy_setopt(e, CURLOPT_URL, url);
  curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, d->o->tls ? "https" : "http");
  curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)d->o->connect_ms);
  curl_easy_setopt(e, CURLOPT_USERAGENT, "cq/" CQ_VERSION);
  curl_easy_setopt(e, CURLOPT_ERRORBUFFER, d->detail);
  curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
  curl_easy_setopt(e, CURLOPT_HEADERDATA, a);
  curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(e, CURLOPT_WRITEDATA, a);
  curl_easy_setopt(e, CURLOPT_POST, 1L);
  curl_easy_setopt(e, CURLOPT_POSTFIELDS,
                   how == CH_NONE ? q->body : body->data);
  curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
                   (curl_off_t)(how == CH_NONE ? q->nbody : body->len));
  curl_easy_setopt(e, CURLOPT_HTTPHEADER, how == CH_NONE ? d->heads : &coded);
  if (*d->o->user || *d->o->password) {
    curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(e, CURLOPT_USERNAME, *d->o->user ? d->o->user : "default");
    curl_easy_setopt(e, CURLOPT_PASSWORD, d->o->password);
  }
  /* On a connection that was used before libcurl would send a request again
   * by itself where the other side closes without a word. */
  curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, q->once ? 1L : 0L);
  if (set_tls(d, &err)) {
    snprintf(d->detail, sizeof d->detail, "%.200s", err.text);
    return CURLE_SSL_CACERT_BADFILE;
  }
  a->d = d;
  a->q = q;
  a->code = 0;
  a->status = 0;
  a->refused = a->handed = 0;
  cq_buf_reset(&a->body);
  rc = perform(d);
  curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &a->status);
  return rc;
}

/* ---- what it came to ------------------------------------------------------------------- */

/* "Code: 60, e.displayText() = DB::Exception: text, e.what() = ..." (old) or
 * "Code: 60. DB::Exception: text. (NAME) (version ...)": at the start, or where
 * a line of an answer that was under way begins. */
static const char *exception(const char *s, int *code) {
  for (const char *p = s; p; p = strchr(p, '\n')) {
    const char *what, *end;

    if (*p == '\n') p++;
    if (strncmp(p, "Code: ", 6) != 0) continue;
    what = strstr(p, "DB::Exception: ");
    end = strchr(p, '\n');
    if (!what || (end && what > end)) continue;
    *code = atoi(p + 6);
    return what + 15;
  }
  return NULL;
}

/* A code is kept in the message where code_told finds it again. */
static const char code_words[] = " (ClickHouse code ";

/* The server's number of the error that was told; 0: none. */
static int code_told(const cq_error *err) {
  const char *p = err ? strstr(err->text, code_words) : NULL;

  return p ? atoi(p + sizeof code_words - 1) : 0;
}

static int code_class(int code) {
  switch (code) {
  case 192: /* unknown user */
  case 193: /* wrong password */
  case 194:
  case 516: /* authentication failed */
    return CQ_AUTH;
  case 164: /* readonly */
  case 497: /* access denied */
    return CQ_READONLY;
  case 243: /* not enough space */
    return CQ_FULL;
  default:
    return CQ_ERROR;
  }
}

/* The server did not begin, or rolled back: to be tried again. */
static int may_pass(int code) {
  return code == 202    /* too many simultaneous queries */
         || code == 216 /* a query of this id: its answer was lost */
         || code == 252 /* too many parts */
         || code == 241 /* memory limit */
         || code == 242 /* table is read only: a replica without its keeper */
         || code == 225 /* no keeper */
         || code == 999;
}

/* It was stopped, or nobody knows how it ended. */
static int may_be_done(int code) {
  return code == 159 || code == 209 || code == 210 || code == 236 ||
         code == 319 || code == 394;
}

/* A server may tell signed addresses that it could not read, as often as it
 * likes: of each what follows the object's name goes. */
static void hide_signed(char *text) {
  static const char mark[] = "X-Amz-";
  char *to = text;

  if (!text) return;
  for (const char *p = text; *p;)
    if (cq_str_ieqn(p, mark, sizeof mark - 1))
      p += strcspn(p, " '\"`,)<>\r\n");
    else
      *to++ = *p++;
  *to = 0;
}

static void told(cq_error *err, const ch *d, int code, const char *text) {
  /* What is behind is for who works on the server: or, of a statement that it
   * does not understand, all that it would have. */
  static const char *const ends[] = {
      ", e.what()", " (version ",
      ". Expected one of: ", ", available columns: "};
  size_t n = strcspn(text, "\n");

  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
    const char *end = strstr(text, ends[i]);

    if (end && (size_t)(end - text) < n) n = (size_t)(end - text);
  }
  if (n > SHOWN) n = cq_utf8_cut(text, SHOWN);
  cq_error_set(err, code_class(code), "destination %s: %.*s%s%d)", d->base.name,
               (int)n, text, code_words, code);
  if (code == 164 || code == 497)
    cq_error_hint(err, "the user %s may not write into the database %s",
                  *d->o->user ? d->o->user : "default", d->o->database);
  else if (code == 192 || code == 193 || code == 516)
    cq_error_hint(err, "user and password of connection_string");
  else if (code == 81)
    cq_error_hint(err, "CREATE DATABASE %s", d->o->database);
  else if (code == 170 || code == 701)
    cq_error_hint(err, "SELECT DISTINCT cluster FROM system.clusters");
  else if (code == 115)
    cq_error_hint(err, "what stands behind ? in connection_string, and is no "
                       "word of cq's, is a setting of the server");
  else if (code == 241)
    cq_error_hint(err, "a larger max_memory_usage, or a smaller batch_size");
  else if (code == 252)
    cq_error_hint(err, "a larger batch_size: each batch is a part");
}

/* What a statement does, without what it does it with: data, or an address that
 * is signed. */
static size_t first_words(const ch_ask *q) {
  const char *s = q->body;
  size_t n = 0;

  while (n < q->nbody && n < 60 && s[n] >= ' ' && s[n] < 127 && s[n] != '(')
    n++;
  return n;
}

/* CQ_OK, or the error; *again: it can be sent again as it is. */
static int judge(ch *d, CURLcode rc, answer *a, int *again, int *unknown,
                 cq_error *err) {
  const char *text = a->body.data ? a->body.data : "", *what;
  int code = 0;

  *again = *unknown = 0;
  if (rc == CURLE_ABORTED_BY_CALLBACK) {
    *unknown = 1;
    return cq_error_set(err, CQ_INTERRUPT, "interrupted");
  }
  if (a->refused) return a->refused;
  if (a->body.rc || rc == CURLE_OUT_OF_MEMORY) return cq_error_nomem(err);
  if (rc) {
    int never =
        rc == CURLE_COULDNT_CONNECT || rc == CURLE_COULDNT_RESOLVE_HOST ||
        rc == CURLE_SSL_CONNECT_ERROR || rc == CURLE_PEER_FAILED_VERIFICATION;

    *again = 1;
    *unknown = !never;
    if (rc == CURLE_OPERATION_TIMEDOUT && !*d->detail)
      cq_error_set(err, CQ_IOERR,
                   "destination %s: %s: no byte has come or gone for %lld s: "
                   "%.*s",
                   d->base.name, d->o->hosts[d->host],
                   (long long)silence_ms(d) / 1000, (int)first_words(a->q),
                   (const char *)a->q->body);
    else
      cq_error_set(err, CQ_IOERR, "destination %s: %s: %s", d->base.name,
                   d->o->hosts[d->host],
                   *d->detail ? d->detail : curl_easy_strerror(rc));
    if (rc == CURLE_SSL_CONNECT_ERROR || rc == CURLE_PEER_FAILED_VERIFICATION) {
      *again = 0;
      cq_error_hint(err, "ca_cert names who has signed its certificate; port "
                         "8123 is without TLS");
    } else if (rc == CURLE_GOT_NOTHING || rc == CURLE_WEIRD_SERVER_REPLY ||
               rc == CURLE_UNSUPPORTED_PROTOCOL) {
      cq_error_hint(err, "is it ClickHouse's HTTP port (8123, or 8443 with "
                         "secure=true)?");
    }
    return CQ_IOERR;
  }
  what = exception(text, &code);
  if (what || a->code || a->status != 200) {
    hide_signed(a->body.data);
    what = exception(text, &code);
  }
  if (!code) code = a->code;
  if (!what) what = text;
  if (code) {
    *again = may_pass(code) || may_be_done(code);
    *unknown = may_be_done(code);
    told(err, d, code, what);
    return err->code;
  }
  if (a->status == 200) return CQ_OK;
  *again = *unknown = a->status == 502 || a->status == 503 || a->status == 504;
  cq_error_set(err,
               *again                                 ? CQ_IOERR
               : a->status == 401 || a->status == 403 ? CQ_AUTH
                                                      : CQ_ERROR,
               "destination %s: HTTP %ld from %s%s%.*s", d->base.name,
               a->status, d->o->hosts[d->host], *text ? ": " : ", without a word",
               (int)cq_utf8_cut(text, strcspn(text, "\r\n") < 200
                                          ? strcspn(text, "\r\n")
                                          : 200),
               text);
  if ((a->status == 400 && strstr(text, "9000")) || !*text)
    cq_error_hint(err, "is it ClickHouse's HTTP port (8123)?");
  return err->code;
}

int ch_pause(ch *d, int64_t ms, cq_error *err) {
  int64_t until = cq_mono_ms() + ms;

  while (cq_mono_ms() < until) {
    int64_t left = until - cq_mono_ms();

    if (d->def.interrupted && d->def.interrupted(d->def.user))
      return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    curl_multi_poll(d->multi, NULL, 0, (int)(left < LOOK_MS ? left : LOOK_MS),
                    NULL);
  }
  return CQ_OK;
}

int ch_request(ch *d, const ch_ask *q, cq_buf *out, int *unknown,
               cq_error *err) {
  int64_t began = cq_mono_ms(), pause = PAUSE_MS;
  ch_squeeze how = q->squeeze == CH_AUTO ? CH_NONE : q->squeeze;
  cq_buf url, packed;
  answer a;
  int rc, lost = 0;

  cq_buf_init(&url, CQ_MAX_URL);
  cq_buf_init(&packed, SIZE_MAX);
  memset(&a, 0, sizeof a);
  cq_buf_init(&a.body, ANSWER);
  cq_buf_str(&url, d->url);
  if (q->settings) cq_buf_str(&url, q->settings);
  if (q->id) {
    cq_buf_str(&url, "&query_id=");
    cq_percent_encode(&url, q->id, strlen(q->id), "");
  }
  if (q->id && q->dedup) {
    cq_buf_str(&url, "&insert_deduplication_token=");
    cq_percent_encode(&url, q->id, strlen(q->id), "");
  }
  rc = url.rc           ? url.rc
       : how == CH_NONE ? CQ_OK
                        : squeeze(&packed, how, q->body, q->nbody);
  if (rc) cq_error_nomem(err);
  while (rc == CQ_OK) {
    cq_error why = {0, ""};
    int again, patient;

    rc = judge(d, try_once(d, q, url.data, &packed, how, &a), &a, &again, &lost,
               &why);
    d->reached |= rc == CQ_OK || code_told(&why);
    if (rc == CQ_OK) break;
    /* Somebody is there; or was, and may be again. */
    patient = d->reached || a.status;
    if (!again || (lost && q->once) || a.handed ||
        cq_mono_ms() - began >= (patient ? PATIENCE_MS : 0)) {
      if (err) *err = why;
      break;
    }
    rc = ch_pause(d, pause, err);
    pause = pause * 2 < LONGEST_MS ? pause * 2 : LONGEST_MS;
  }
  if (unknown) *unknown = lost;
  if (rc == CQ_OK && out) cq_buf_add(out, a.body.data, a.body.len);
  if (rc == CQ_OK && out && out->rc) rc = cq_error_nomem(err);
  cq_buf_clear(&a.body);
  cq_buf_clear(&url);
  cq_buf_clear(&packed);
  return rc;
}
