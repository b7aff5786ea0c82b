/* tests/server/mock.c: an HTTP/1.1 server for the tests that answers what it
 * is told to, faults included, and counts what it is asked.
 *
 *   mock [--root DIR] [--port N]      prints its port and serves 127.0.0.1
 *
 * Tests run side by side, so each has a namespace of its own: a first path
 * segment that begins with "t-".  Routes, log and counts are per namespace;
 * the rest of the path is what routes are matched against.
 *
 * Control, below the namespace (http://127.0.0.1:PORT/t-mine/-/routes):
 *   PUT  /-/routes          adds the routes in the body, in the syntax below
 *   POST /-/reset           forgets routes and log
 *   GET  /-/count?path=G    requests so far whose "METHOD /path?query" matches
 *                           glob G (default *), also when G lacks the method
 *   GET  /-/peak            the most requests that were ever open at once
 *   GET  /-/log             one JSON object per request: method, path (with
 *                           the query), status, headers (names lower-case),
 *                           body
 *
 * Routes: a line at the left margin, "METHOD PATTERN", begins a route; the
 * indented lines below it say when it matches and what it answers.  The first
 * route that matches wins; none is a 404.  METHOD may be *.  The pattern is a
 * glob (* any text, ? is no wildcard) over the path; after a `?` come query
 * parameters, in any order, that must be there: name=glob&name=glob, or !name
 * for one that must not.  Both are compared percent-decoded.  # is a comment.
 *
 *   GET /repos/(glob)/issues?state=open&!since
 *     need accept: *json*      this request header must match the glob
 *     need-body TEXT           the body must contain TEXT
 *     loop                     after the last answer comes the first again
 *     status 200               an answer's status, and optionally its reason
 *     header link: <@MOCK@/x?page=2>; rel="next"
 *     body TEXT                or body <<END, up to a line that is END, or
 *     file PATH                relative to --root, or generated rows:
 *     pages STYLE PARAM SIZE TOTAL [SIZEPARAM]
 *     row TEMPLATE             one row; @N@ is its number from 1
 *     wrap TEMPLATE            around the rows, default [@ROWS@]; also @NEXT@
 *                              (JSON string or null), @MORE@ (true or false),
 *                              @PAGE@, @TOTAL@, @COUNT@ (of this page)
 *     separator nl|none|TEXT   between rows, default a comma
 *     next                     begins the route's next answer, for the next
 *                              request; the last one stays, unless:
 *     times N                  this answer serves N requests, then the next;
 *                              a route whose answers are used up matches none
 *
 * PARAM is looked for in the query, then in a form's or JSON body.
 * STYLE: number (PARAM is a page's number from 1), link (the same, and a Link
 * header), offset (PARAM counts rows from 0), token (PARAM is the token that
 * @NEXT@ gave), last (PARAM is the last row's @N@).  SIZEPARAM may ask for
 * smaller pages.  @MOCK@ is this server's address with the namespace, in
 * headers, bodies and rows.  The default content type is application/json.
 *
 * Behaviours, per answer:
 *     delay MS       before the answer      hang         never answers
 *     close          closes unanswered      reset        the same, by RST
 *     cut N          closes after N bytes of the body
 *     stall N        sends N bytes of the body, then nothing more
 *     drip N MS      N bytes each MS        length N     claims that length
 *     encode gzip|deflate|zstd              chunked      no content-length
 *     last-answer    connection: close      raw          the body is all that
 *                                                        is sent, no headers */
#include "mock.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_CONN = 1000, MAX_REQUEST = 256 << 20, MAX_LOGGED_BODY = 64 << 10 };

static const char *root_dir = ".";
static int port;

/* ---- connections ---- */
typedef struct conn {
  int fd;
  buf in, out;
  size_t sent;
  size_t limit; /* of out, that may be sent; then `after` happens */
  enum { SERVE, CLOSE, HANG } after;
  int reset;
  int told;       /* 100-continue was sent */
  long long wake; /* nothing is done before (0: at once) */
  int drip_bytes, drip_ms;
  size_t head;    /* bytes of out that are not dripped */
  size_t dripped; /* how far dripping has got */
  space *busy;    /* counts as open there until all is sent */
} conn;

static conn conns[MAX_CONN];
static int nconn;

static void conn_idle(conn *c) {
  if (c->busy) c->busy->open--;
  c->busy = NULL;
}

static void conn_close(conn *c) {
  struct linger hard = {1, 0};
  if (c->reset) setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  close(c->fd);
  conn_idle(c);
  drop(&c->in);
  drop(&c->out);
  *c = conns[--nconn];
}

static void respond(conn *c, int status, const char *reason,
                    const char *headers, buf *body, int head_only,
                    long long length, int chunked) {
  const char *type = "content-type: application/json\r\n";
  char *own = header(headers, "content-type");
  if (own) type = "";
  free(own);
  addf(&c->out, "HTTP/1.1 %d ", status);
  adds(&c->out, reason ? reason : status < 400 ? "OK" : "Error");
  adds(&c->out, "\r\n");
  adds(&c->out, type);
  adds(&c->out, headers);
  if (chunked) {
    adds(&c->out, "transfer-encoding: chunked\r\n");
  } else if (status != 204 && status != 304) {
    addf(&c->out, "content-length: %lld\r\n",
         length >= 0 ? length : (long long)body->n);
  }
  if (c->after == CLOSE) adds(&c->out, "connection: close\r\n");
  adds(&c->out, "\r\n");
  c->head = c->out.n;
  if (head_only || status == 204 || status == 304) return;
  if (chunked) {
    for (size_t i = 0; i < body->n; i += 1000) {
      size_t n = body->n - i < 1000 ? body->n - i : 1000;
      addf(&c->out, "%zx\r\n", n);
      add(&c->out, body->p + i, n);
      adds(&c->out, "\r\n");
    }
    adds(&c->out, "0\r\n\r\n");
  } else {
    add(&c->out, body->p, body->n);
  }
}

static void give(conn *c, const answer *a, const request *q) {
  buf body = {0}, headers = {0};
  answer_body(a, q, root_dir, &body, &headers);
  if (a->last) c->after = CLOSE;
  if (a->raw) {
    add(&c->out, body.p, body.n);
    c->after = CLOSE;
  } else if (!a->hang && !a->close) {
    respond(c, a->status, a->reason, headers.p, &body,
            strcmp(q->method, "HEAD") == 0, a->length, a->chunked);
  }
  c->limit = c->out.n;
  if (a->hang) c->after = HANG;
  if (a->close) c->after = CLOSE;
  c->reset = a->reset;
  if (a->cut >= 0 || a->stall >= 0) {
    size_t n = c->head + (size_t)(a->cut >= 0 ? a->cut : a->stall);
    if (n < c->limit) c->limit = n;
    c->after = a->cut >= 0 ? CLOSE : HANG;
  }
  if (a->delay) c->wake = now_ms() + a->delay;
  c->drip_bytes = a->drip_bytes;
  c->drip_ms = a->drip_ms;
  c->dripped = c->head;
  drop(&body);
  drop(&headers);
}

static void log_add(request *q, int status) {
  space *s = q->space;
  buf b = {0};
  entry *e;
  if (s->nlog == s->caplog) {
    s->caplog = s->caplog ? s->caplog * 2 : 64;
    s->log = must(realloc(s->log, s->caplog * sizeof(*s->log)));
  }
  e = &s->log[s->nlog++];
  adds(&b, "\"headers\":{");
  for (char *l = q->headers, *end; *l; l = end) {
    size_t n = strcspn(l, "\r\n"), k = strcspn(l, ":");
    end = l + n;
    end += strspn(end, "\r\n");
    if (k >= n) continue;
    for (size_t i = 0; i < k; i++) l[i] = (char)tolower((unsigned char)l[i]);
    if (b.p[b.n - 1] != '{') add(&b, ",", 1);
    add_json(&b, l, k);
    add(&b, ":", 1);
    k++;
    while (k < n && l[k] == ' ') k++;
    add_json(&b, l + k, n - k);
  }
  adds(&b, "},\"body\":");
  add_json(&b, q->body,
           q->nbody < MAX_LOGGED_BODY ? q->nbody : MAX_LOGGED_BODY);
  e->json = b.p;
  memset(&b, 0, sizeof(b));
  adds(&b, q->method);
  adds(&b, " ");
  adds(&b, q->target);
  e->line = b.p;
  e->status = status;
}

static void control(conn *c, request *q, const char *what) {
  space *s = q->space;
  buf b = {0}, err = {0};
  int status = 200;
  const char *type = "content-type: text/plain\r\n";
  if (strcmp(what, "routes") == 0 && strcmp(q->method, "PUT") == 0) {
    routes_add(s, q->body, &err);
    if (err.n) {
      status = 400;
      add(&b, err.p, err.n);
    }
  } else if (strcmp(what, "reset") == 0) {
    space_reset(s);
  } else if (strcmp(what, "peak") == 0) {
    addf(&b, "%d\n", s->peak);
  } else if (strcmp(what, "count") == 0) {
    char *g = param(q->query, "path");
    size_t n = 0;
    for (size_t i = 0; i < s->nlog; i++) {
      const char *line = s->log[i].line, *path = strchr(line, ' ') + 1;
      n += g == NULL || glob(g, line, 0) || glob(g, path, 0);
    }
    addf(&b, "%zu\n", n);
    free(g);
  } else if (strcmp(what, "log") == 0) {
    for (size_t i = 0; i < s->nlog; i++) {
      const char *line = s->log[i].line, *path = strchr(line, ' ') + 1;
      adds(&b, "{\"method\":");
      add_json(&b, line, (size_t)(path - line) - 1);
      adds(&b, ",\"path\":");
      add_json(&b, path, strlen(path));
      addf(&b, ",\"status\":%d,", s->log[i].status);
      adds(&b, s->log[i].json);
      adds(&b, "}\n");
    }
    type = "content-type: application/x-ndjson\r\n";
  } else {
    status = 404;
    addf(&b, "mock: no such control\n");
  }
  respond(c, status, NULL, type, &b, 0, -1, 0);
  c->limit = c->out.n;
  drop(&b);
  drop(&err);
}

static void serve(conn *c, request *q) {
  route *r;
  answer *a = NULL;
  if (strncmp(q->path, "/-/", 3) == 0) {
    control(c, q, q->path + 3);
    return;
  }
  for (r = q->space->routes; r && a == NULL; r = r->next) {
    if (route_matches(r, q)) a = route_answer(r);
  }
  c->busy = q->space;
  if (++c->busy->open > c->busy->peak) c->busy->peak = c->busy->open;
  if (a) {
    give(c, a, q);
    log_add(q, a->hang || a->close ? 0 : a->status);
  } else {
    buf b = {0};
    adds(&b, "{\"message\":\"mock: no route for ");
    adds(&b, q->method);
    adds(&b, " ");
    for (char *p = q->target; *p; p++) {
      if (*p != '"' && *p != '\\') add(&b, p, 1);
    }
    adds(&b, "\"}\n");
    respond(c, 404, NULL, "", &b, strcmp(q->method, "HEAD") == 0, -1, 0);
    c->limit = c->out.n;
    drop(&b);
    log_add(q, 404);
  }
}

/* Undoes chunked transfer.  Returns how many bytes of p were used, 0 where
 * more must come. */
static size_t unchunk(const char *p, size_t n, buf *out) {
  size_t i = 0;
  for (;;) {
    const char *eol = memchr(p + i, '\n', n - i);
    size_t size;
    if (eol == NULL) return 0;
    size = strtoul(p + i, NULL, 16);
    i = (size_t)(eol - p) + 1;
    if (size > n - i || n - i - size < 2) return 0;
    if (size == 0) return i + 2;
    add(out, p + i, size);
    i += size + 2;
  }
}

/* Serves one request out of c->in.  0: more bytes must come. */
static int take_request(conn *c) {
  request q = {0};
  buf chunks = {0};
  char *end = c->in.n ? strstr(c->in.p, "\r\n\r\n") : NULL;
  char *v, *p, *ns;
  size_t head, used;
  if (end == NULL) return 0;
  head = (size_t)(end - c->in.p) + 4;
  p = memchr(c->in.p, '\n', head);
  q.headers = dup_n(p + 1, head - (size_t)(p + 1 - c->in.p) - 2);
  v = header(q.headers, "transfer-encoding");
  if (v && strcasecmp(v, "chunked") == 0) {
    used = unchunk(c->in.p + head, c->in.n - head, &chunks);
    q.nbody = chunks.n;
    if (used == 0) goto more;
    q.body = dup_n(chunks.p ? chunks.p : "", chunks.n);
  } else {
    free(v);
    v = header(q.headers, "content-length");
    q.nbody = used = v ? strtoul(v, NULL, 10) : 0;
    if (c->in.n - head < used) goto more;
    q.body = dup_n(c->in.p + head, used);
  }
  q.method = dup_n(c->in.p, strcspn(c->in.p, " \r\n"));
  p = c->in.p + strlen(q.method);
  p += strspn(p, " ");
  if (strncmp(p, "http://", 7) == 0) p += 7 + strcspn(p + 7, "/ \r\n");
  q.target = dup_n(p, strcspn(p, " \r\n"));
  free(v);
  v = header(q.headers, "connection");
  if (v && strcasecmp(v, "close") == 0) c->after = CLOSE;
  free(v);
  v = header(q.headers, "host");
  ns = NULL;
  if (strncmp(q.target, "/t-", 3) == 0) {
    size_t n = 1 + strcspn(q.target + 1, "/?");
    ns = dup_n(q.target, n);
    memmove(q.target, q.target + n, strlen(q.target + n) + 1);
  }
  snprintf(q.base, sizeof(q.base), "http://%s%s", v ? v : "127.0.0.1",
           ns ? ns : "");
  q.space = space_get(ns ? ns + 1 : "");
  free(ns);
  q.path = dup_n(q.target, strcspn(q.target, "?"));
  if (q.target[strlen(q.path)]) q.query = q.target + strlen(q.path) + 1;
  serve(c, &q);
  c->told = 0;
  memmove(c->in.p, c->in.p + head + used, c->in.n - head - used + 1);
  c->in.n -= head + used;
  free(q.method), free(q.target), free(q.path);
  used = 1;
  goto done;
more: /* the client may wait for a word before it sends the body */
  used = 0;
  free(v);
  v = header(q.headers, "expect");
  if (v && !c->told) {
    static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (send(c->fd, go, sizeof(go) - 1, MSG_NOSIGNAL) < 0) c->after = CLOSE;
    c->told = 1;
  }
done:
  free(q.headers);
  free(q.body);
  free(v);
  drop(&chunks);
  return used != 0;
}

/* Sends what may be sent.  -1: the connection is over. */
static int conn_write(conn *c, long long now) {
  while (c->out.n) {
    size_t upto = c->limit;
    ssize_t n;
    if (c->wake > now) return 0;
    if (c->drip_bytes && c->sent >= c->dripped && c->dripped < upto) {
      c->dripped += (size_t)c->drip_bytes;
      if (c->sent > c->head) {
        c->wake = now + c->drip_ms;
      }
    }
    if (c->drip_bytes && c->dripped < upto) upto = c->dripped;
    if (c->wake > now) return 0;
    if (c->sent < upto) {
      n = send(c->fd, c->out.p + c->sent, upto - c->sent, MSG_NOSIGNAL);
      if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
      c->sent += (size_t)n;
      continue;
    }
    if (c->sent < c->limit) continue;
    break;
  }
  if (c->wake > now) return 0;
  if (c->after == CLOSE) return -1;
  if (c->after == HANG) return 0;
  if (c->out.n) conn_idle(c);
  c->out.n = c->sent = c->limit = c->head = 0;
  c->drip_bytes = 0;
  return 0;
}

/* Reads, serves, writes.  -1: the connection is over. */
static int conn_step(conn *c, int readable) {
  char chunk[65536];
  long long now = now_ms();
  while (readable) {
    ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);
    if (n == 0) return -1;
    if (n < 0) {
      if (errno == EAGAIN || errno == EINTR) break;
      return -1;
    }
    add(&c->in, chunk, (size_t)n);
    if (c->in.n > MAX_REQUEST) return -1;
  }
  for (;;) {
    if (c->out.n || c->after != SERVE || c->wake > now) {
      if (conn_write(c, now) != 0) return -1;
      if (c->out.n || c->after != SERVE || c->wake > now) return 0;
    }
    c->wake = 0;
    if (!take_request(c)) return 0;
  }
}

int main(int argc, char **argv) {
  struct sockaddr_in at = {.sin_family = AF_INET};
  socklen_t len = sizeof(at);
  int on = 1, listener;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--root") == 0) root_dir = argv[i + 1];
    if (strcmp(argv[i], "--port") == 0) port = atoi(argv[i + 1]);
  }
  signal(SIGPIPE, SIG_IGN);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  at.sin_port = htons((uint16_t)port);
  listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (listener < 0 || bind(listener, (struct sockaddr *)&at, len) != 0 ||
      listen(listener, 256) != 0 ||
      getsockname(listener, (struct sockaddr *)&at, &len) != 0) {
    perror("mock");
    return 1;
  }
  fcntl(listener, F_SETFL, O_NONBLOCK);
  port = ntohs(at.sin_port);
  printf("%d\n", port);
  fflush(stdout);
  for (;;) {
    struct pollfd fds[MAX_CONN + 1];
    long long now = now_ms();
    int wait = -1, n = nconn;
    fds[n].fd = nconn < MAX_CONN ? listener : -1;
    fds[n].events = POLLIN;
    for (int i = 0; i < n; i++) {
      int blocked = conns[i].wake > now;
      fds[i].fd = conns[i].fd;
      fds[i].events = POLLIN;
      if (conns[i].out.n && conns[i].after != HANG && !blocked) {
        fds[i].events |= POLLOUT;
      }
      if (conns[i].after == HANG && conns[i].sent < conns[i].limit) {
        fds[i].events |= POLLOUT;
      }
      if (blocked && (wait < 0 || conns[i].wake - now < wait)) {
        wait = (int)(conns[i].wake - now);
      }
    }
    if (poll(fds, (nfds_t)n + 1, wait) < 0 && errno != EINTR) return 1;
    for (int i = n - 1; i >= 0; i--) {
      int readable = (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0;
      if (conn_step(&conns[i], readable) != 0) conn_close(&conns[i]);
    }
    while (nconn < MAX_CONN && (fds[n].revents & POLLIN)) {
      int fd = accept(listener, NULL, NULL);
      if (fd < 0) break;
      fcntl(fd, F_SETFL, O_NONBLOCK);
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      memset(&conns[nconn], 0, sizeof(conn));
      conns[nconn++].fd = fd;
    }
  }
}
