/* tests/unit/test_http.c: transfers, limits, redirects, the request log, URLs
 * and Link headers, against a small server of this test's own. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

#include "http/http.h"
#include "http/internal.h"
#include "test.h"

/* Sanitizers take their time. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SLOWER 5
#else
#define SLOWER 1
#endif

/* ---- the server: a thread per connection ------------------------------- */

static struct {
  int fd, port, stop;
  int connections, requests, open, peak; /* atomic */
  pthread_t thread;
} server;

static void send_all(int fd, const char *p, size_t n) {
  while (n) {
    ssize_t k = send(fd, p, n, MSG_NOSIGNAL);
    if (k <= 0) return;
    p += k;
    n -= (size_t)k;
  }
}

static void send_text(int fd, const char *s) {
  send_all(fd, s, strlen(s));
}

/* strstr without regard to case. */
static char *find_word(const char *s, const char *word) {
  for (; *s; s++)
    if (strncasecmp(s, word, strlen(word)) == 0) return (char *)s;
  return NULL;
}

static const char *header_of(const cq_transfer *t, const char *name) {
  cq_head h = cq_transfer_head(t);

  return cq_head_get(&h, name);
}

/* The bytes of every generated body: position modulo 26, as letters. */
static void fill(char *p, size_t from, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = (char)('a' + (from + i) % 26);
}

static void send_body(int fd, size_t n, size_t most) {
  char piece[8192];
  for (size_t at = 0; at < n && at < most;) {
    size_t k = n - at < sizeof piece ? n - at : sizeof piece;
    if (k > most - at) k = most - at;
    fill(piece, at, k);
    send_all(fd, piece, k);
    at += k;
  }
}

static void send_gzip(int fd, size_t n) {
  size_t cap = n / 100 + 65536, len;
  char *in = malloc(n), *out = malloc(cap), head[200];
  z_stream z;
  memset(&z, 0, sizeof z);
  fill(in, 0, n);
  deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  z.next_in = (Bytef *)in;
  z.avail_in = (uInt)n;
  z.next_out = (Bytef *)out;
  z.avail_out = (uInt)cap;
  deflate(&z, Z_FINISH);
  len = z.total_out;
  deflateEnd(&z);
  snprintf(head, sizeof head,
           "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n"
           "content-length: %zu\r\n\r\n",
           len);
  send_text(fd, head);
  send_all(fd, out, len);
  free(in);
  free(out);
}

static void snooze(int ms) {
  poll(NULL, 0, ms);
}

/* Answers one request; 0 = close the connection. */
static int answer(int fd, const char *head, const char *body) {
  char path[4096] = "", out[16384];
  long n;
  sscanf(head, "%*s %4095s", path);
  char *last = strrchr(path, '/');
  n = last ? atol(last + 1) : 0;
  if (strncmp(path, "/big/", 5) == 0) {
    snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\ncontent-length: %ld\r\n\r\n",
             n);
    send_text(fd, out);
    send_body(fd, (size_t)n, (size_t)n);
  } else if (strncmp(path, "/cut/", 5) == 0) {
    snprintf(out, sizeof out, "HTTP/1.1 200 OK\r\ncontent-length: %ld\r\n\r\n",
             n);
    send_text(fd, out);
    send_body(fd, (size_t)n, (size_t)n / 2);
    return 0;
  } else if (strncmp(path, "/cutchunk/", 10) == 0) {
    send_text(fd, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                  "5\r\nabcde\r\n");
    return 0;
  } else if (strncmp(path, "/gzip/", 6) == 0) {
    send_gzip(fd, (size_t)n);
  } else if (strncmp(path, "/slow/", 6) == 0) {
    snooze((int)n);
    send_text(fd, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  } else if (strncmp(path, "/stall/", 7) == 0) {
    send_text(fd, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    while (!__atomic_load_n(&server.stop, __ATOMIC_RELAXED)) {
      struct pollfd p = {fd, POLLIN, 0};
      if (poll(&p, 1, 20) > 0) break;
    }
    return 0;
  } else if (strncmp(path, "/status/", 8) == 0) {
    snprintf(out, sizeof out,
             "HTTP/1.1 %ld No\r\ncontent-length: 3\r\n"
             "X-Why: first\r\nx-why:  second \r\n\r\nbad",
             n);
    send_text(fd, out);
  } else if (strncmp(path, "/headers/", 9) == 0) {
    send_text(fd, "HTTP/1.1 200 OK\r\n");
    for (long i = 0; i < n; i++) {
      snprintf(out, sizeof out, "x-h%ld: %0900ld\r\n", i, i);
      send_text(fd, out);
    }
    send_text(fd, "content-length: 0\r\n\r\n");
  } else if (strncmp(path, "/to/", 4) == 0) {
    /* /to/STATUS?TARGET */
    char *q = strchr(path, '?');
    snprintf(out, sizeof out,
             "HTTP/1.1 %d Moved\r\nlocation: %s\r\n"
             "content-length: 4\r\n\r\ngone",
             atoi(path + 4), q ? q + 1 : "");
    send_text(fd, out);
  } else if (strcmp(path, "/loop") == 0) {
    send_text(fd, "HTTP/1.1 302 Moved\r\nlocation: loop\r\n"
                  "content-length: 0\r\n\r\n");
  } else if (strcmp(path, "/echo") == 0) {
    int k = snprintf(out, sizeof out, "%s%s", head, body);
    char h[100];
    snprintf(h, sizeof h, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n", k);
    send_text(fd, h);
    send_text(fd, out);
  } else if (strcmp(path, "/empty") == 0) {
    send_text(fd, "HTTP/1.1 204 No Content\r\n\r\n");
  } else {
    snprintf(out, sizeof out,
             "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s", strlen(path),
             path);
    send_text(fd, out);
  }
  return 1;
}

static void *serve(void *arg) {
  int fd = (int)(intptr_t)arg, one = 1, go = 1;
  char buf[65536];
  size_t have = 0;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  __atomic_add_fetch(&server.connections, 1, __ATOMIC_RELAXED);
  while (go && !__atomic_load_n(&server.stop, __ATOMIC_RELAXED)) {
    struct pollfd p = {fd, POLLIN, 0};
    char *end, *cl;
    size_t body, all;
    buf[have] = 0;
    end = strstr(buf, "\r\n\r\n");
    cl = end ? find_word(buf, "\r\ncontent-length:") : NULL;
    body = cl && cl < end ? (size_t)atol(cl + 17) : 0;
    all = end ? (size_t)(end - buf) + 4 + body : 0;
    if (!end || have < all) {
      ssize_t k;
      if (poll(&p, 1, 20) <= 0) continue;
      k = recv(fd, buf + have, sizeof buf - 1 - have, 0);
      if (k <= 0) break;
      have += (size_t)k;
      continue;
    }
    char text[16384];
    memcpy(text, end + 4, body);
    text[body] = 0;
    end[2] = 0;
    __atomic_add_fetch(&server.requests, 1, __ATOMIC_RELAXED);
    int now = __atomic_add_fetch(&server.open, 1, __ATOMIC_RELAXED);
    int peak = __atomic_load_n(&server.peak, __ATOMIC_RELAXED);
    while (now > peak &&
           !__atomic_compare_exchange_n(&server.peak, &peak, now, 0,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      ;
    go = answer(fd, buf, text);
    __atomic_sub_fetch(&server.open, 1, __ATOMIC_RELAXED);
    memmove(buf, buf + all, have - all);
    have -= all;
  }
  close(fd);
  __atomic_sub_fetch(&server.connections, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void *listen_on(void *arg) {
  (void)arg;
  while (!__atomic_load_n(&server.stop, __ATOMIC_RELAXED)) {
    struct pollfd p = {server.fd, POLLIN, 0};
    pthread_t t;
    int fd;
    if (poll(&p, 1, 20) <= 0) continue;
    fd = accept(server.fd, NULL, NULL);
    if (fd < 0) continue;
    if (pthread_create(&t, NULL, serve, (void *)(intptr_t)fd) == 0)
      pthread_detach(t);
    else
      close(fd);
  }
  return NULL;
}

static void server_start(void) {
  struct sockaddr_in a;
  socklen_t n = sizeof a;
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  server.fd = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(server.fd, (struct sockaddr *)&a, sizeof a) ||
      listen(server.fd, 128) ||
      getsockname(server.fd, (struct sockaddr *)&a, &n)) {
    perror("server");
    exit(2);
  }
  server.port = ntohs(a.sin_port);
  pthread_create(&server.thread, NULL, listen_on, NULL);
}

static void server_end(void) {
  __atomic_store_n(&server.stop, 1, __ATOMIC_RELAXED);
  pthread_join(server.thread, NULL);
  for (int i = 0;
       i < 200 && __atomic_load_n(&server.connections, __ATOMIC_RELAXED); i++)
    snooze(10);
  close(server.fd);
}

/* ---- helpers ----------------------------------------------------------- */

static char url_text[8192];
static const char *at(const char *path) {
  snprintf(url_text, sizeof url_text, "http://127.0.0.1:%d%s", server.port,
           path);
  return url_text;
}

static cq_http *open_http(int timeout_ms) {
  cq_http_options o;
  cq_http *h = NULL;
  memset(&o, 0, sizeof o);
  o.timeout_ms = timeout_ms;
  o.user_agent = "cq-test";
  CHECK_INT(cq_http_new(&o, &h, NULL), CQ_OK);
  return h;
}

static cq_transfer *get_with(cq_http *h, cq_http_request *r, const char *url) {
  cq_transfer *t = NULL;
  cq_error err = {0, ""};
  r->method = r->method ? r->method : "GET";
  r->url = url;
  if (cq_http_submit(h, r, &t, &err)) printf("# %s\n", err.text);
  return t;
}

static cq_transfer *get(cq_http *h, const char *path) {
  cq_http_request r;
  memset(&r, 0, sizeof r);
  r.follow = 1;
  return get_with(h, &r, at(path));
}

/* Waits for the end; takes no pieces.  10 s at most. */
static cq_tstate finish(cq_http *h, cq_transfer *t) {
  int64_t until = cq_mono_ms() + 10000;
  cq_tstate s;
  while ((s = cq_transfer_state(t)) == CQ_T_WAITING && cq_mono_ms() < until)
    cq_http_wait(h, 100);
  return s;
}

/* Reads a whole body in pieces; -1 where a byte is wrong. */
static int64_t drain(cq_http *h, cq_transfer *t, cq_tstate *end) {
  int64_t n = 0, until = cq_mono_ms() + 20000;
  for (;;) {
    cq_tstate s = cq_transfer_state(t);
    cq_block *b = cq_transfer_take(t);
    if (b) {
      for (size_t i = 0; i < b->len; i++)
        if (b->data[i] != (char)('a' + ((size_t)n + i) % 26)) {
          cq_block_unref(b);
          return -1;
        }
      for (size_t i = 0; i < 64; i++) CHECK_INT(b->data[b->len + i], 0);
      n += (int64_t)b->len;
      cq_block_unref(b);
      continue;
    }
    *end = s;
    if (s == CQ_T_DONE || s == CQ_T_FAILED || cq_mono_ms() > until) return n;
    cq_http_wait(h, 100);
  }
}

static void check_body(cq_transfer *t, const char *text) {
  cq_block *b = cq_transfer_take(t);
  CHECK_STR(b ? b->data : "", text);
  cq_block_unref(b);
}

/* ---- transfers --------------------------------------------------------- */

static void test_http_gets(void) {
  cq_http *h = open_http(0);
  cq_transfer *t = get(h, "/hello?x=1");
  CHECK_INT(finish(h, t), CQ_T_DONE);
  CHECK_INT(cq_transfer_status(t), 200);
  CHECK_STR(header_of(t, "Content-Length"), "10");
  CHECK_STR(cq_transfer_head(t).url, at("/hello?x=1"));
  CHECK_INT(cq_transfer_attempt(t), 1);
  CHECK_INT(cq_transfer_bytes(t), 10);
  check_body(t, "/hello?x=1");
  CHECK(cq_transfer_take(t) == NULL);
  cq_transfer_free(t);
  cq_http_free(h);
}

static void test_http_sends_method_headers_and_body(void) {
  cq_http *h = open_http(0);
  cq_header headers[] = {{"X-One", "1"}, {"X-Empty", ""}};
  cq_http_request r;
  cq_transfer *t;
  cq_block *b;
  memset(&r, 0, sizeof r);
  r.method = "POST";
  r.headers = headers;
  r.nheader = 2;
  r.body = "a=b";
  r.nbody = 3;
  r.etag = "\"tag\"";
  t = get_with(h, &r, at("/echo"));
  CHECK_INT(finish(h, t), CQ_T_DONE);
  b = cq_transfer_take(t);
  CHECK(b && strncmp(b->data, "POST /echo HTTP/1.1\r\n", 21) == 0);
  CHECK(b && strstr(b->data, "X-One: 1\r\n"));
  CHECK(b && strstr(b->data, "X-Empty:\r\n"));
  CHECK(b && strstr(b->data, "If-None-Match: \"tag\"\r\n"));
  CHECK(b && strstr(b->data, "User-Agent: cq-test\r\n"));
  CHECK(b && strstr(b->data, "Accept-Encoding: gzip"));
  CHECK(b && !find_word(b->data, "content-type"));
  CHECK(b && strcmp(b->data + b->len - 3, "a=b") == 0);
  cq_block_unref(b);
  cq_transfer_free(t);
  cq_http_free(h);
}

static void test_http_reads_status_and_last_header(void) {
  cq_http *h = open_http(0);
  cq_transfer *t = get(h, "/status/418");
  CHECK_INT(finish(h, t), CQ_T_DONE);
  CHECK_INT(cq_transfer_status(t), 418);
  CHECK_STR(header_of(t, "X-WHY"), "second");
  CHECK(header_of(t, "absent") == NULL);
  check_body(t, "bad");
  cq_transfer_free(t);
  t = get(h, "/empty");
  CHECK_INT(finish(h, t), CQ_T_DONE);
  CHECK_INT(cq_transfer_status(t), 204);
  CHECK(cq_transfer_take(t) == NULL);
  cq_transfer_free(t);
  cq_http_free(h);
}

static void test_http_keeps_connections_over_1000_requests(void) {
  cq_http *h = open_http(0);
  cq_limiter *l;
  cq_transfer *t[1000];
  cq_http_request r;
  cq_http_stats s;
  cq_http_entry *log;
  size_t n;
  int bad = 0;
  memset(&r, 0, sizeof r);
  __atomic_store_n(&server.peak, 0, __ATOMIC_RELAXED);
  CHECK_INT(cq_http_limiter(h, "k", 0, 0, 4, &l, NULL), CQ_OK);
  r.limiters[0] = l;
  r.nlimiter = 1;
  for (int i = 0; i < 1000; i++) {
    char path[32];
    snprintf(path, sizeof path, "/n/%d", i);
    t[i] = get_with(h, &r, at(path));
  }
  for (int i = 0; i < 1000; i++) {
    char path[32];
    cq_block *b;
    bad += finish(h, t[i]) != CQ_T_DONE;
    snprintf(path, sizeof path, "/n/%d", i);
    b = cq_transfer_take(t[i]);
    bad += !b || strcmp(b->data, path) != 0;
    cq_block_unref(b);
    cq_transfer_free(t[i]);
  }
  CHECK_INT(bad, 0);
  CHECK(__atomic_load_n(&server.peak, __ATOMIC_RELAXED) <= 4);
  CHECK(__atomic_load_n(&server.connections, __ATOMIC_RELAXED) <= 6);
  cq_http_stats_get(h, &s);
  CHECK_INT(s.requests, 1000);
  CHECK_INT(s.active, 0);
  CHECK_INT(s.waiting, 0);
  t[0] = get(h, "/last?secret=1");
  finish(h, t[0]);
  cq_transfer_free(t[0]);
  CHECK_INT(cq_http_log(h, &log, &n, NULL), CQ_OK);
  CHECK_INT(n, 1000);
  CHECK(strncmp(log[0].path, "/n/", 3) == 0);
  CHECK_INT(log[0].id, 2);
  CHECK_STR(log[999].path, "/last");
  CHECK_INT(log[999].id, 1001);
  cq_free(log);
  cq_http_free(h);
}

static void test_http_streams_with_pauses(void) {
  cq_http *h = open_http(0);
  cq_transfer *t = get(h, "/big/30000000");
  cq_tstate end;
  size_t most = 0;
  int64_t n;
  CHECK_INT(finish(h, t), CQ_T_STREAM);
  CHECK_INT(cq_transfer_status(t), 200);
  snooze(200); /* nobody takes: what is held must stop growing */
  pthread_mutex_lock(&h->io->lock);
  most = h->io->buffered;
  CHECK_INT(t->paused, 1);
  pthread_mutex_unlock(&h->io->lock);
  CHECK(most > CQ_STREAM_BYTES && most < 2 * CQ_STREAM_BYTES + (256 << 10));
  n = drain(h, t, &end);
  CHECK_INT(n, 30000000);
  CHECK_INT(end, CQ_T_DONE);
  CHECK_INT(cq_transfer_bytes(t), 30000000);
  cq_transfer_free(t);
  CHECK_INT(h->io->buffered, 0);
  cq_http_free(h);
}

static void test_http_hands_small_bodies_over_whole(void) {
  cq_http *h = open_http(0);
  cq_transfer *t = get(h, "/big/1048576");
  cq_block *b;
  CHECK_INT(finish(h, t), CQ_T_DONE);
  b = cq_transfer_take(t);
  CHECK_INT(b ? b->len : 0, 1048576);
  cq_block_unref(b);
  cq_transfer_free(t);
  cq_http_free(h);
}

static void test_http_bounds_memory_over_many_streams(void) {
  cq_http_options o;
  cq_http *h = NULL;
  cq_transfer *t[20];
  cq_tstate end;
  size_t held;
  memset(&o, 0, sizeof o);
  o.max_buffered = 4 << 20;
  CHECK_INT(cq_http_new(&o, &h, NULL), CQ_OK);
  for (int i = 0; i < 20; i++) t[i] = get(h, "/big/5000000");
  snooze(300);
  pthread_mutex_lock(&h->io->lock);
  held = h->io->buffered;
  pthread_mutex_unlock(&h->io->lock);
  /* The first ones were started before any size was known. */
  CHECK(held < (size_t)26 << 20);
  /* In the worst order: the last first. */
  for (int i = 19; i >= 0; i--) {
    CHECK_INT(drain(h, t[i], &end), 5000000);
    CHECK_INT(end, CQ_T_DONE);
  }
  for (int i = 0; i < 20; i++) cq_transfer_free(t[i]);
  cq_http_free(h);
}

static void test_http_inflates_gzip(void) {
  cq_http *h = open_http(0);
  cq_transfer *t = get(h, "/gzip/5000000");
  cq_tstate end;
  CHECK_INT(drain(h, t, &end), 5000000);
  CHECK_INT(end, CQ_T_DONE);
  CHECK(cq_transfer_bytes(t) < 100000 && cq_transfer_bytes(t) > 1000);
  cq_transfer_free(t);
  cq_http_free(h);
}

static void test_http_refuses_cut_bodies(void) {
  const char *path[] = {"/cut/1000", "/cut/4000000", "/cutchunk/1"};
  cq_http *h = open_http(0);
  for (int i = 0; i < 3; i++) {
    cq_transfer *t = get(h, path[i]);
    cq_tstate end;
    cq_error err = {0, ""};
    char prefix[9000];
    drain(h, t, &end);
    CHECK_INT(end, CQ_T_FAILED);
    CHECK_INT(cq_transfer_error(t, &err), CQ_IOERR);
    snprintf(prefix, sizeof prefix, "GET %s: ", at(path[i]));
    CHECK(strncmp(err.text, prefix, strlen(prefix)) == 0);
    cq_transfer_free(t);
  }
  cq_http_free(h);
}

static void test_http_gives_up_on_silence(void) {
  const char *path[] = {"/slow/1500", "/stall/1"};
  const char *want[] = {"no answer within 200 ms",
                        "answer stopped in the middle: nothing for 200 ms"};
  cq_http *h = open_http(200);
  for (int i = 0; i < 2; i++) {
    int64_t from = cq_mono_ms();
    cq_transfer *t = get(h, path[i]);
    cq_error err = {0, ""};
    CHECK_INT(finish(h, t), CQ_T_FAILED);
    CHECK(cq_mono_ms() - from < 1000);
    CHECK_INT(cq_transfer_error(t, &err), CQ_IOERR);
    CHECK(strstr(err.text, want[i]) != NULL);
    cq_transfer_free(t);
  }
  cq_http_free(h);
}

static void test_http_reports_refused_connections(void) {
  cq_http *h = open_http(0);
  cq_http_request r;
  cq_transfer *t;
  cq_error err = {0, ""};
  cq_http_entry *log;
  size_t n;
  memset(&r, 0, sizeof r);
  r.integration = "aws";
  r.table = "aws_x";
  r.client = "1:eu";
  t = get_with(h, &r, "http://127.0.0.1:1/a?key=secret");
  CHECK_INT(finish(h, t), CQ_T_FAILED);
  CHECK_INT(cq_transfer_error(t, &err), CQ_IOERR);
  CHECK(strstr(err.text, "secret") == NULL);
  cq_transfer_free(t);
  CHECK_INT(cq_http_log(h, &log, &n, NULL), CQ_OK);
  CHECK_INT(n, 1);
  CHECK_STR(log[0].integration, "aws");
  CHECK_STR(log[0].table, "aws_x");
  CHECK_STR(log[0].client, "1:eu");
  CHECK_STR(log[0].host, "127.0.0.1:1");
  CHECK_STR(log[0].path, "/a");
  CHECK_INT(log[0].status, 0);
  CHECK_STR(log[0].error, err.text);
  cq_free(log);
  cq_http_free(h);
}

static void test_http_cancels_at_once(void) {
  cq_http *h = open_http(0);
  cq_transfer *t[8];
  int64_t from;
  for (int i = 0; i < 8; i++)
    t[i] = get(h, i % 2 ? "/slow/3000" : "/big/9000000");
  snooze(100);
  from = cq_mono_ms();
  for (int i = 0; i < 8; i++) cq_transfer_free(t[i]);
  CHECK(cq_mono_ms() - from < 50 * SLOWER);
  t[0] = get(h, "/after");
  CHECK_INT(finish(h, t[0]), CQ_T_DONE);
  cq_transfer_free(t[0]);
  t[0] = get(h, "/slow/3000");
  snooze(50);
  cq_transfer_free(t[0]);
  from = cq_mono_ms();
  cq_http_free(h);
  CHECK(cq_mono_ms() - from < 100 * SLOWER);
}

static void test_http_bounds_headers(void) {
  cq_http *h = open_http(0);
  cq_transfer *t = get(h, "/headers/400");
  cq_error err = {0, ""};
  CHECK_INT(finish(h, t), CQ_T_FAILED);
  CHECK_INT(cq_transfer_error(t, &err), CQ_TOOBIG);
  cq_transfer_free(t);
  t = get(h, "/headers/20");
  CHECK_INT(finish(h, t), CQ_T_DONE);
  cq_transfer_free(t);
  cq_http_free(h);
}

static void test_http_follows_on_the_same_host_only(void) {
  cq_http *h = open_http(0);
  cq_error err = {0, ""};
  cq_transfer *t = get(h, "/to/301?/there");
  CHECK_INT(finish(h, t), CQ_T_DONE);
  CHECK_INT(cq_transfer_status(t), 200);
  CHECK_STR(cq_transfer_head(t).url, at("/there"));
  check_body(t, "/there");
  cq_transfer_free(t);

  t = get(h, "/to/302?http://localhost:9/x");
  CHECK_INT(finish(h, t), CQ_T_FAILED);
  CHECK_INT(cq_transfer_error(t, &err), CQ_ERROR);
  CHECK(strstr(err.text, "redirected to another server: http://localhost:9\n"));
  cq_transfer_free(t);

  t = get(h, "/to/302?file:///etc/passwd");
  CHECK_INT(finish(h, t), CQ_T_FAILED);
  cq_transfer_free(t);

  cq_http_free(h);
}

static void test_http_redirects_have_an_end(void) {
  cq_http *h = open_http(0);
  cq_http_request r;
  cq_error err = {0, ""};
  cq_transfer *t;
  memset(&r, 0, sizeof r);
  r.follow = 1;
  t = get_with(h, &r, at("/loop"));
  CHECK_INT(finish(h, t), CQ_T_FAILED);
  cq_transfer_error(t, &err);
  CHECK(strstr(err.text, "redirected too often: 6 times"));
  cq_transfer_free(t);
  r.follow = 0;
  t = get_with(h, &r, at("/to/302?/x"));
  CHECK_INT(finish(h, t), CQ_T_DONE);
  CHECK_INT(cq_transfer_status(t), 302);
  check_body(t, "gone");
  cq_transfer_free(t);
  r.follow = 1;
  r.method = "POST";
  r.body = "x";
  r.nbody = 1;
  t = get_with(h, &r, at("/to/302?/x"));
  CHECK_INT(finish(h, t), CQ_T_FAILED);
  CHECK_INT(cq_transfer_error(t, &err), CQ_IOERR);
  CHECK(strstr(err.text, "would lose the body"));
  cq_transfer_free(t);
  t = get_with(h, &r, at("/to/307?/echo"));
  CHECK_INT(finish(h, t), CQ_T_DONE);
  cq_block *b = cq_transfer_take(t);
  CHECK(b && strncmp(b->data, "POST /echo", 10) == 0);
  cq_block_unref(b);
  cq_transfer_free(t);
  cq_http_free(h);
}

static void test_http_refuses_injection(void) {
  const char *bad[] = {"http://127.0.0.1/a b",
                       "http://127.0.0.1/a\r\nX: y",
                       "ftp://127.0.0.1/",
                       "file:///etc/passwd",
                       "/x",
                       "",
                       "http://user:pw@127.0.0.1/",
                       "http:///x"};
  cq_header header[] = {{"X-A", "ok\r\nX-B: evil"},
                        {"X A", "1"},
                        {"X:A", "1"},
                        {"", "1"},
                        {"X-A", "a\nb"}};
  cq_http *h = open_http(0);
  cq_http_request r;
  cq_transfer *t;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    cq_error err = {0, ""};
    memset(&r, 0, sizeof r);
    r.url = bad[i];
    CHECK(cq_http_submit(h, &r, &t, &err) != CQ_OK);
    CHECK(t == NULL && err.text[0] && !strstr(err.text, "pw"));
  }
  for (size_t i = 0; i < sizeof header / sizeof *header; i++) {
    cq_error err = {0, ""};
    memset(&r, 0, sizeof r);
    r.url = at("/x");
    r.headers = &header[i];
    r.nheader = 1;
    CHECK_INT(cq_http_submit(h, &r, &t, &err), CQ_MISUSE);
    CHECK(!strstr(err.text, "evil"));
  }
  CHECK(h->io->running == 0);
  cq_http_free(h);
}

static void test_http_sends_again(void) {
  cq_http *h = open_http(0);
  cq_transfer *t = get(h, "/status/503");
  int64_t from;
  cq_http_stats s;
  CHECK_INT(finish(h, t), CQ_T_DONE);
  from = cq_mono_ms();
  CHECK_INT(cq_transfer_retry(t, 120, NULL, NULL), CQ_OK);
  CHECK_INT(cq_transfer_state(t), CQ_T_WAITING);
  CHECK_INT(cq_transfer_retry(t, 0, NULL, NULL), CQ_MISUSE);
  CHECK_INT(finish(h, t), CQ_T_DONE);
  CHECK(cq_mono_ms() - from >= 119);
  CHECK_INT(cq_transfer_attempt(t), 2);
  CHECK_INT(cq_transfer_status(t), 503);
  check_body(t, "bad");
  cq_transfer_free(t);
  cq_http_stats_get(h, &s);
  CHECK_INT(s.requests, 2);
  CHECK_INT(s.retries, 1);
  cq_http_free(h);
}

static void test_http_reads_files_where_allowed(void) {
  char name[] = "/tmp/cq-test-http-XXXXXX", url[100];
  int fd = mkstemp(name);
  char *text = malloc(5000000);
  cq_http *h = open_http(0);
  cq_http_request r;
  cq_tstate end;
  cq_transfer *t;
  fill(text, 0, 5000000);
  CHECK_INT(write(fd, text, 5000000), 5000000);
  close(fd);
  memset(&r, 0, sizeof r);
  r.allow_file = 1;
  snprintf(url, sizeof url, "file://%s", name);
  t = get_with(h, &r, url);
  CHECK_INT(finish(h, t), CQ_T_STREAM);
  snooze(50);
  pthread_mutex_lock(&h->io->lock);
  CHECK(h->io->buffered < 3 << 20);
  pthread_mutex_unlock(&h->io->lock);
  CHECK_INT(drain(h, t, &end), 5000000);
  CHECK_INT(end, CQ_T_DONE);
  CHECK_INT(cq_transfer_status(t), 0);
  cq_transfer_free(t);
  t = get_with(h, &r, url); /* cancelled in the middle */
  finish(h, t);
  cq_transfer_free(t);
  unlink(name);
  t = get_with(h, &r, url);
  CHECK_INT(finish(h, t), CQ_T_FAILED);
  cq_transfer_free(t);
  t = get_with(h, &r, "file:///tmp");
  CHECK_INT(finish(h, t), CQ_T_FAILED);
  cq_transfer_free(t);
  free(text);
  cq_http_free(h);
}

static void test_http_survives_a_fork(void) {
  cq_http *h = open_http(0);
  cq_transfer *t = get(h, "/slow/300"), *u;
  int status = -1;
  pid_t pid;
  fflush(stdout);
  pid = fork();
  if (pid == 0) {
#ifdef __SANITIZE_THREAD__
    _exit(0); /* its run time cannot start threads in a forked child */
#endif
    int ok = cq_transfer_state(t) == CQ_T_FAILED;
    cq_transfer_free(t);
    u = get(h, "/child");
    ok = ok && u && finish(h, u) == CQ_T_DONE;
    cq_transfer_free(u);
    cq_http_free(h);
    _exit(ok ? 0 : 1);
  }
  waitpid(pid, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_INT(finish(h, t), CQ_T_DONE);
  cq_transfer_free(t);
  cq_http_free(h);
}

static void test_http_starts_by_priority(void) {
  cq_http *h = open_http(0);
  cq_limiter *l;
  cq_transfer *t[6];
  cq_http_request r;
  cq_http_entry *log;
  size_t n;
  const char *want[] = {"/slow/100", "/p0a", "/p0b", "/p5a", "/p5b", "/p9"};
  const int priority[] = {0, 5, 9, 0, 5, 0};
  const char *path[] = {"/slow/100", "/p5a", "/p9", "/p0a", "/p5b", "/p0b"};
  memset(&r, 0, sizeof r);
  cq_http_limiter(h, "one", 0, 0, 1, &l, NULL);
  r.limiters[0] = l;
  r.nlimiter = 1;
  for (int i = 0; i < 6; i++) {
    r.priority = priority[i];
    t[i] = get_with(h, &r, at(path[i]));
    if (i == 0) snooze(30);
  }
  for (int i = 0; i < 6; i++) {
    CHECK_INT(finish(h, t[i]), CQ_T_DONE);
    cq_transfer_free(t[i]);
  }
  cq_http_log(h, &log, &n, NULL);
  CHECK_INT(n, 6);
  for (size_t i = 0; i < n && i < 6; i++) CHECK_STR(log[i].path, want[i]);
  cq_free(log);
  cq_http_free(h);
}

static void test_http_survives_failing_allocations(void) {
  int failed = 0;
  for (long n = 1; n < 60; n++) {
    cq_http *h = NULL;
    cq_transfer *t = NULL;
    cq_http_request r;
    cq_header header = {"X-A", "b"};
    cq_error err = {0, ""};
    memset(&r, 0, sizeof r);
    r.url = at("/big/300000");
    r.headers = &header;
    r.nheader = 1;
    r.body = "x";
    r.nbody = 1;
    cq_fault_set(n);
    if (cq_http_new(NULL, &h, &err) || cq_http_submit(h, &r, &t, &err)) {
      CHECK_INT(err.code, CQ_NOMEM);
      failed++;
    } else if (finish(h, t) == CQ_T_FAILED) {
      CHECK_INT(cq_transfer_error(t, &err), CQ_NOMEM);
      failed++;
    }
    cq_transfer_free(t);
    cq_http_free(h);
    cq_fault_set(0);
  }
  CHECK(failed > 5 && failed < 59);
}

/* ---- limits ------------------------------------------------------------ */

static int64_t timed(cq_http *h, cq_limiter *l, int count) {
  cq_http_request r;
  cq_transfer *t[64];
  int64_t from = cq_mono_ms();
  memset(&r, 0, sizeof r);
  r.limiters[0] = l;
  r.nlimiter = 1;
  for (int i = 0; i < count; i++) t[i] = get_with(h, &r, at("/t"));
  for (int i = 0; i < count; i++) {
    CHECK_INT(finish(h, t[i]), CQ_T_DONE);
    cq_transfer_free(t[i]);
  }
  return cq_mono_ms() - from;
}

static void test_limit_keeps_rate_and_burst(void) {
  cq_http *h = open_http(0);
  cq_limiter *l, *same;
  cq_http_stats s;
  int64_t ms;
  CHECK_INT(cq_http_limiter(h, "r", 20, 3, 0, &l, NULL), CQ_OK);
  CHECK_INT(cq_http_limiter(h, "r", 1, 1, 1, &same, NULL), CQ_OK);
  CHECK(l == same);
  ms = timed(h, l, 9); /* 3 at once, 6 more at 50 ms each */
  CHECK(ms >= 290 && ms < 2000);
  cq_http_stats_get(h, &s);
  CHECK(s.throttled_ms > 300);
  cq_http_free(h);
}

static void test_limit_slows_down_and_recovers(void) {
  cq_http *h = open_http(0);
  cq_limiter *l;
  CHECK_INT(cq_http_limiter(h, "a", 100, 100, 16, &l, NULL), CQ_OK);
  cq_limiter_throttled(h, l, 0);
  cq_limiter_throttled(h, l, 0); /* the same burst */
  CHECK(l->now_rate == 50 && l->now_concurrency == 8);
  for (int i = 0; i < 10; i++) cq_limiter_success(h, l);
  CHECK(l->now_rate > 80 && l->now_rate < 82);
  for (int i = 0; i < 30; i++) cq_limiter_success(h, l);
  CHECK(l->now_rate == 100 && l->now_concurrency == 16);
  cq_http_free(h);
}

static void test_limit_waits_until_told(void) {
  cq_http *h = open_http(0);
  cq_limiter *l;
  CHECK_INT(cq_http_limiter(h, "u", 0, 0, 4, &l, NULL), CQ_OK);
  cq_limiter_quota(h, l, 5, cq_mono_ms() + 5000); /* some are left */
  CHECK(timed(h, l, 2) < 1000);
  cq_limiter_quota(h, l, 0, cq_mono_ms() + 150);
  CHECK(timed(h, l, 2) >= 149);
  cq_limiter_throttled(h, l, cq_mono_ms() + 150);
  CHECK(timed(h, l, 1) >= 149);
  cq_http_free(h);
}

/* The curve that botocore computes for the same answers. */
static void test_pace_is_that_of_the_sdks(void) {
  const char *root = getenv("CQ_ROOT"); /* where the tests' driver found us */
  char path[500], *text = NULL, *save = NULL;
  int n = 0, fresh = 0;
  cq_pace p;
  size_t size;
  snprintf(path, sizeof path, "%s/tests/unit/vectors/pace.txt",
           root ? root : ".");
  CHECK_INT(cq_file_read(path, 1 << 20, &text, &size, NULL), CQ_OK);
  for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
       line = strtok_r(NULL, "\n", &save)) {
    char *at = line;
    int64_t ms;
    int throttled, bad = test_bad;
    double sent;
    if (*line == '#') continue;
    if (*line == '=') {
      fresh = 1;
      continue;
    }
    ms = strtoll(at, &at, 10);
    throttled = (int)strtol(at, &at, 10);
    sent = strtod(at, &at);
    if (fresh) cq_pace_begin(&p, ms / 1000 * 1000);
    fresh = 0;
    cq_pace_answer(&p, ms, throttled);
    CHECK(fabs(p.sent - sent) < 1e-5);
    CHECK_INT(p.on, at[1] != '-');
    if (p.on) CHECK(fabs(p.rate - strtod(at, NULL)) < 1e-5);
    if (p.on) CHECK(p.burst == (p.rate > 1 ? p.rate : 1));
    if (bad != test_bad) printf("# of %s: %f %f\n", line, p.sent, p.rate);
    n++;
  }
  CHECK(n > 300);
  cq_free(text);
}

static void test_limit_learns_a_pace(void) {
  cq_http *h = open_http(0);
  cq_limiter *l;
  int64_t from;
  CHECK_INT(cq_http_limiter(h, "p", 0, 0, 8, &l, NULL), CQ_OK);
  cq_limiter_adapt(h, l, 1);
  for (int i = 0; i < 100; i++) cq_limiter_success(h, l);
  CHECK(l->now_rate == 0); /* nothing is held back before a refusal */
  timed(h, l, 20);
  CHECK(l->tokens == 1);
  cq_limiter_throttled(h, l, 0);
  CHECK(l->now_rate > 0 && l->tokens == 0 && l->now_concurrency == 8);
  l->now_rate = 20;
  l->pace.burst = 4;
  from = timed(h, l, 4); /* none was saved up */
  CHECK(from >= 190);
  cq_limiter_adapt(h, l, 0);
  CHECK(l->now_rate == 0 && !l->pace.on);
  cq_limiter_unref(l);
  /* The rate that the definition gives is the most that is allowed. */
  CHECK_INT(cq_http_limiter(h, "q", 3, 2, 8, &l, NULL), CQ_OK);
  cq_limiter_adapt(h, l, 1);
  l->pace.sent = 100;
  cq_limiter_throttled(h, l, 0);
  CHECK(l->pace.rate == 70 && l->now_rate == 3 && l->burst == 2);
  cq_http_free(h);
}

/* An account, a region and a service each: of a million few are in use. */
static void test_limit_forgets_what_is_idle(void) {
  cq_http *h = open_http(0);
  cq_limiter *used, *slowed, *l;
  char key[32];
  CHECK_INT(cq_http_limiter(h, "used", 0, 0, 4, &used, NULL), CQ_OK);
  CHECK_INT(cq_http_limiter(h, "slowed", 0, 0, 4, &slowed, NULL), CQ_OK);
  cq_limiter_throttled(h, slowed, 0);
  cq_limiter_unref(slowed);
  for (int i = 0; i < 20000; i++) {
    snprintf(key, sizeof key, "idle %d", i);
    CHECK_INT(cq_http_limiter(h, key, 0, 0, 4, &l, NULL), CQ_OK);
    cq_limiter_unref(l);
  }
  CHECK(h->nlimiter < 4000);
  CHECK_INT(cq_http_limiter(h, "used", 0, 0, 4, &l, NULL), CQ_OK);
  CHECK(l == used);
  CHECK_INT(cq_http_limiter(h, "slowed", 0, 0, 4, &l, NULL), CQ_OK);
  CHECK(l->now_concurrency == 2);
  cq_http_free(h);
}

static void test_limit_reads_waits(void) {
  int64_t now = 1700000000LL * 1000000;
  CHECK_INT(cq_http_after_ms("3", now), 3000);
  CHECK_INT(cq_http_after_ms(" 1.5 ", now), 1500);
  CHECK_INT(cq_http_after_ms("1700000060", now), 60000);
  CHECK_INT(cq_http_after_ms("1700000060000", now), 60000);
  CHECK_INT(cq_http_after_ms("Tue, 14 Nov 2023 22:13:25 GMT", now), 5000);
  CHECK_INT(cq_http_after_ms("2023-11-14T22:13:25Z", now), 5000);
  CHECK_INT(cq_http_after_ms("1600000000", now), 0);
  CHECK_INT(cq_http_after_ms("99999999", now), CQ_MAX_WAIT_MS);
  CHECK_INT(cq_http_after_ms("1e400", now), CQ_MAX_WAIT_MS);
  CHECK_INT(cq_http_after_ms("99999999999999999999", now), CQ_MAX_WAIT_MS);
  CHECK_INT(cq_http_after_ms("0x10", now), -1);
  CHECK_INT(cq_http_after_ms("soon", now), -1);
  CHECK_INT(cq_http_after_ms("", now), -1);
  CHECK_INT(cq_http_after_ms("-3", now), -1);
  CHECK_INT(cq_http_after_ms(NULL, now), -1);
}

static void test_limit_backs_off_within_bounds(void) {
  int64_t most = 0;
  for (int i = 0; i < 500; i++) {
    int64_t ms = cq_backoff_ms(3, 100, 5000);
    CHECK(ms >= 0 && ms <= 800);
    most = ms > most ? ms : most;
    CHECK(cq_backoff_ms(60, 100, 5000) <= 5000);
  }
  CHECK(most > 400);
}

/* ---- URLs, links ------------------------------------------------------- */

static void test_url_joins_as_rfc_3986(void) {
  static const char *const cases[][2] = {
      {"g:h", "g:h"},
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q"},
      {"g#s", "http://a/b/c/g"},
      {";x", "http://a/b/c/;x"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"./", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../..", "http://a/"},
      {"../../", "http://a/"},
      {"../../g", "http://a/g"},
      {"../../../g", "http://a/g"},
      {"/./g", "http://a/g"},
      {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."},
      {".g", "http://a/b/c/.g"},
      {"./../g", "http://a/b/g"},
      {"./g/.", "http://a/b/c/g/"},
      {"g/./h", "http://a/b/c/g/h"},
      {"g/../h", "http://a/b/c/h"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
      {"https://h:8/x?y", "https://h:8/x?y"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    cq_buf out;
    cq_buf_init(&out, 1000);
    CHECK_INT(cq_url_join("http://a/b/c/d;p?q", cases[i][0],
                          strlen(cases[i][0]), &out),
              CQ_OK);
    CHECK_STR(out.data, cases[i][1]);
    cq_buf_clear(&out);
  }
  cq_buf none;
  cq_buf_init(&none, 1000);
  CHECK_INT(cq_url_join("http://a", "b", 1, &none), CQ_OK);
  CHECK_STR(none.data, "http://a/b");
  cq_buf_clear(&none);
}

static void test_url_compares_origins(void) {
  CHECK(cq_url_same_origin("https://A.example/x", "HTTPS://a.example:443/y?z"));
  CHECK(cq_url_same_origin("http://[::1]:80/", "http://[::1]/x"));
  CHECK(!cq_url_same_origin("http://a/", "https://a/"));
  CHECK(!cq_url_same_origin("http://a/", "http://a:8080/"));
  CHECK(!cq_url_same_origin("http://a/", "http://a.evil/"));
  CHECK(!cq_url_same_origin("http://a/", "http://a@evil/"));
  CHECK(!cq_url_same_origin("http://a/", "/x"));
}

static void check_link(const char *header, const char *rel, const char *want) {
  const char *url = NULL;
  size_t n = 0;
  char got[200] = "";
  int found = cq_link_find(header, rel, &url, &n);
  if (found < 0) strcpy(got, "cannot be read");
  if (found > 0) snprintf(got, sizeof got, "%.*s", (int)n, url);
  CHECK_STR(got, want);
}

static void test_link_finds_relations(void) {
  const char *github = "<https://h/r?page=2>; rel=\"next\", "
                       "<https://h/r?page=9>; rel=\"last\"";
  check_link(github, "next", "https://h/r?page=2");
  check_link(github, "last", "https://h/r?page=9");
  check_link(github, "prev", "");
  check_link("</a,b;c>;title=\"x, <y>; rel=next\" ; REL = \"prev  NEXT\"",
             "next", "/a,b;c");
  check_link("<a>;rel=first,<b>;rel=next", "next", "b");
  check_link("<a>; rel=next; rel=prev", "prev", "");
  check_link("<a>; title=\"a\\\"; rel=next\", <b>; rel=next", "next", "b");
  check_link("<a>; rel=\"next\"; foo", "next", "a");
  check_link(", ,<a>;rel=next", "next", "a");
  check_link("<a>; rel='next', <b>; rel='first last'", "next", "a");
  check_link("a; rel=next", "next", "cannot be read");
  check_link("<a; rel=next", "next", "cannot be read");
  check_link("<a> rel=\"next\"", "next", "cannot be read");
  check_link("<a>; rel=prev, b; rel=next", "next", "cannot be read");
  check_link("<a>; rel=prev, ", "next", "");
  check_link("<a>; rel=\"nexts\"", "next", "");
  check_link("", "next", "");
  check_link(NULL, "next", "");
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  server_start();
  RUN(test_http_gets);
  RUN(test_http_sends_method_headers_and_body);
  RUN(test_http_reads_status_and_last_header);
  RUN(test_http_keeps_connections_over_1000_requests);
  RUN(test_http_streams_with_pauses);
  RUN(test_http_hands_small_bodies_over_whole);
  RUN(test_http_bounds_memory_over_many_streams);
  RUN(test_http_inflates_gzip);
  RUN(test_http_refuses_cut_bodies);
  RUN(test_http_gives_up_on_silence);
  RUN(test_http_reports_refused_connections);
  RUN(test_http_cancels_at_once);
  RUN(test_http_bounds_headers);
  RUN(test_http_follows_on_the_same_host_only);
  RUN(test_http_redirects_have_an_end);
  RUN(test_http_refuses_injection);
  RUN(test_http_sends_again);
  RUN(test_http_reads_files_where_allowed);
  RUN(test_http_survives_a_fork);
  RUN(test_http_starts_by_priority);
  RUN(test_http_survives_failing_allocations);
  RUN(test_limit_keeps_rate_and_burst);
  RUN(test_limit_slows_down_and_recovers);
  RUN(test_limit_waits_until_told);
  RUN(test_pace_is_that_of_the_sdks);
  RUN(test_limit_learns_a_pace);
  RUN(test_limit_forgets_what_is_idle);
  RUN(test_limit_reads_waits);
  RUN(test_limit_backs_off_within_bounds);
  RUN(test_url_joins_as_rfc_3986);
  RUN(test_url_compares_origins);
  RUN(test_link_finds_relations);
  server_end();
  return test_done();
}
