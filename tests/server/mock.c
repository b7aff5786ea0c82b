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
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

enum { MAX_CONN = 1000, MAX_REQUEST = 256 << 20, MAX_LOGGED_BODY = 64 << 10 };

/* ---- memory and text: exhaustion ends the program ---- */
typedef struct buf {
  char *p;
  size_t n, cap;
} buf;

static void *must(void *p) {
  if (p == NULL) {
    fprintf(stderr, "mock: out of memory\n");
    exit(1);
  }
  return p;
}

static void add(buf *b, const void *p, size_t n) {
  if (b->n + n + 1 > b->cap) {
    b->cap = (b->n + n + 1) * 2;
    b->p = must(realloc(b->p, b->cap));
  }
  if (n) memcpy(b->p + b->n, p, n);
  b->n += n;
  b->p[b->n] = 0;
}

static void adds(buf *b, const char *s) {
  add(b, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void addf(buf *b, const char *fmt,
                                                       ...) {
  char text[512];
  va_list ap;
  va_start(ap, fmt);
  int n = vsnprintf(text, sizeof(text), fmt, ap);
  va_end(ap);
  add(b, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void drop(buf *b) {
  free(b->p);
  memset(b, 0, sizeof(*b));
}

static char *dup_n(const char *s, size_t n) {
  char *p = must(malloc(n + 1));
  memcpy(p, s, n);
  p[n] = 0;
  return p;
}

static long long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int glob(const char *g, const char *s, int nocase) {
  const char *star = NULL, *from = NULL;
  while (*s) {
    if (*g == '*') {
      star = g++;
      from = s;
    } else if (*g == *s || (nocase && tolower((unsigned char)*g) ==
                                          tolower((unsigned char)*s))) {
      g++;
      s++;
    } else if (star) {
      g = star + 1;
      s = ++from;
    } else {
      return 0;
    }
  }
  while (*g == '*') g++;
  return *g == 0;
}

static char *decode(const char *s, size_t n, int plus) {
  char *out = must(malloc(n + 1)), *o = out;
  for (size_t i = 0; i < n; i++) {
    char hex[3] = {0};
    if (s[i] == '%' && i + 2 < n && isxdigit((unsigned char)s[i + 1]) &&
        isxdigit((unsigned char)s[i + 2])) {
      hex[0] = s[i + 1];
      hex[1] = s[i + 2];
      *o++ = (char)strtol(hex, NULL, 16);
      i += 2;
    } else {
      *o++ = plus && s[i] == '+' ? ' ' : s[i];
    }
  }
  *o = 0;
  return out;
}

/* The value of a query parameter, decoded and the caller's, or NULL. */
static char *param(const char *query, const char *name) {
  while (query && *query) {
    size_t n = strcspn(query, "&"), k = strcspn(query, "=&");
    char *key = decode(query, k, 1);
    int same = strcmp(key, name) == 0;
    free(key);
    if (same) return k < n ? decode(query + k + 1, n - k - 1, 1) : dup_n("", 0);
    query += n + (query[n] == '&');
  }
  return NULL;
}

static void add_json(buf *b, const char *s, size_t n) {
  add(b, "\"", 1);
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c == '"' || c == '\\') {
      addf(b, "\\%c", c);
    } else if (c < 32) {
      addf(b, "\\u%04x", c);
    } else {
      add(b, &s[i], 1);
    }
  }
  add(b, "\"", 1);
}

/* Copies `s`, replacing each @WORD@ of the NULL-terminated pairs. */
static void expand(buf *b, const char *s, size_t n, const char *const *pairs) {
  while (n > 0) {
    const char *at = memchr(s, '@', n);
    size_t m = at ? (size_t)(at - s) : n, len = 1, k = 0;
    add(b, s, m);
    s += m;
    n -= m;
    if (n == 0) break;
    for (; pairs[k]; k += 2) {
      len = strlen(pairs[k]);
      if (len <= n && memcmp(s, pairs[k], len) == 0) break;
    }
    if (pairs[k] == NULL) len = 1;
    add(b, pairs[k] ? pairs[k + 1] : s, pairs[k] ? strlen(pairs[k + 1]) : 1);
    s += len;
    n -= len;
  }
}

/* ---- routes ---- */
typedef struct answer {
  int status, times, used, delay, drip_bytes, drip_ms;
  int hang, close, reset, chunked, last, raw;
  long long cut, stall, length; /* -1: not so */
  char *reason, *headers, *body, *file, *encode;
  size_t nbody;
  char *style, *param, *sizeparam, *row, *wrap, *sep;
  long size, total;
  struct answer *next;
} answer;

typedef struct need {
  char *name, *value; /* name NULL: a part of the body */
  struct need *next;
} need;

typedef struct route {
  char *method, *path, *query;
  need *needs;
  answer *answers, *at;
  int loop;
  struct route *next;
} route;

typedef struct entry { /* one logged request */
  char *line;          /* "GET /path?query" */
  char *json;          /* the rest of the log's object */
  int status;
} entry;

typedef struct space {
  char *name;
  route *routes;
  entry *log;
  size_t nlog, caplog;
  int open, peak;
  struct space *next;
} space;

static space *spaces;
static const char *root_dir = ".";
static int port;

static space *space_get(const char *name) {
  space *s;
  for (s = spaces; s; s = s->next) {
    if (strcmp(s->name, name) == 0) return s;
  }
  s = must(calloc(1, sizeof(*s)));
  s->name = dup_n(name, strlen(name));
  s->next = spaces;
  return spaces = s;
}

static void space_reset(space *s) {
  for (route *r = s->routes, *next; r; r = next) {
    next = r->next;
    for (need *d = r->needs, *nn; d; d = nn) {
      nn = d->next;
      free(d->name);
      free(d->value);
      free(d);
    }
    for (answer *a = r->answers, *na; a; a = na) {
      na = a->next;
      free(a->reason), free(a->headers), free(a->body), free(a->file);
      free(a->encode), free(a->style), free(a->param), free(a->sizeparam);
      free(a->row), free(a->wrap), free(a->sep);
      free(a);
    }
    free(r->method), free(r->path), free(r->query);
    free(r);
  }
  s->routes = NULL;
  for (size_t i = 0; i < s->nlog; i++) {
    free(s->log[i].line);
    free(s->log[i].json);
  }
  s->nlog = 0;
  s->peak = s->open;
}

static answer *answer_new(route *r) {
  answer *a = must(calloc(1, sizeof(*a))), **p = &r->answers;
  a->status = 200;
  a->cut = a->stall = a->length = -1;
  while (*p) p = &(*p)->next;
  *p = a;
  if (r->at == NULL) r->at = a;
  return a;
}

static void put(char **slot, const char *s) {
  free(*slot);
  *slot = dup_n(s, strlen(s));
}

/* One indented line.  *text is what follows the line, for heredocs. */
static void route_word(route *r, answer **a, char *line, char **text,
                       buf *err) {
  char *word = line, *rest = line + strcspn(line, " ");
  char w1[64] = "", w2[64] = "", w5[64] = "";
  if (*rest) *rest++ = 0;
  rest += strspn(rest, " ");
#define IS(x) (strcmp(word, x) == 0)
  if (IS("need") || IS("need-body")) {
    need *d = must(calloc(1, sizeof(*d)));
    if (IS("need")) {
      size_t n = strcspn(rest, ":");
      d->name = dup_n(rest, n);
      rest += n + (rest[n] == ':');
      rest += strspn(rest, " ");
    }
    d->value = dup_n(rest, strlen(rest));
    d->next = r->needs;
    r->needs = d;
  } else if (IS("loop")) {
    r->loop = 1;
  } else if (IS("next")) {
    *a = answer_new(r);
  } else if (IS("status")) {
    (*a)->status = atoi(rest);
    rest += strspn(rest, "0123456789 ");
    if (*rest) put(&(*a)->reason, rest);
  } else if (IS("header")) {
    buf b = {0};
    if ((*a)->headers) adds(&b, (*a)->headers);
    adds(&b, rest);
    adds(&b, "\r\n");
    free((*a)->headers);
    (*a)->headers = b.p;
  } else if (IS("body") && strncmp(rest, "<<", 2) == 0) {
    char *end = dup_n(rest + 2, strlen(rest + 2));
    buf b = {0};
    add(&b, "", 0);
    for (;;) {
      char *l = *text;
      size_t n = strcspn(l, "\n");
      if (*l == 0) {
        addf(err, "body <<%s: no line %s ends it\n", end, end);
        break;
      }
      *text += n + (l[n] == '\n');
      if (n == strlen(end) && strncmp(l, end, n) == 0) break;
      if (b.n) add(&b, "\n", 1);
      add(&b, l, n);
    }
    free(end);
    free((*a)->body);
    (*a)->body = b.p;
    (*a)->nbody = b.n;
  } else if (IS("body")) {
    put(&(*a)->body, rest);
    (*a)->nbody = strlen(rest);
  } else if (IS("file")) {
    put(&(*a)->file, rest);
  } else if (IS("pages")) {
    if (sscanf(rest, "%63s %63s %ld %ld %63s", w1, w2, &(*a)->size,
               &(*a)->total, w5) < 4 || (*a)->size < 1) {
      addf(err, "pages %s: needs STYLE PARAM SIZE TOTAL\n", rest);
    }
    put(&(*a)->style, w1);
    put(&(*a)->param, w2);
    put(&(*a)->sizeparam, w5);
  } else if (IS("row")) {
    put(&(*a)->row, rest);
  } else if (IS("wrap")) {
    put(&(*a)->wrap, rest);
  } else if (IS("separator")) {
    put(&(*a)->sep, strcmp(rest, "nl") == 0     ? "\n"
                    : strcmp(rest, "none") == 0 ? ""
                                                : rest);
  } else if (IS("times")) {
    (*a)->times = atoi(rest);
  } else if (IS("delay")) {
    (*a)->delay = atoi(rest);
  } else if (IS("hang")) {
    (*a)->hang = 1;
  } else if (IS("close")) {
    (*a)->close = 1;
  } else if (IS("reset")) {
    (*a)->close = (*a)->reset = 1;
  } else if (IS("cut")) {
    (*a)->cut = atoll(rest);
  } else if (IS("stall")) {
    (*a)->stall = atoll(rest);
  } else if (IS("length")) {
    (*a)->length = atoll(rest);
  } else if (IS("drip")) {
    if (sscanf(rest, "%d %d", &(*a)->drip_bytes, &(*a)->drip_ms) != 2) {
      addf(err, "drip %s: needs bytes and milliseconds\n", rest);
    }
  } else if (IS("encode")) {
    put(&(*a)->encode, rest);
  } else if (IS("chunked")) {
    (*a)->chunked = 1;
  } else if (IS("last-answer")) {
    (*a)->last = 1;
  } else if (IS("raw")) {
    (*a)->raw = 1;
  } else {
    addf(err, "%s: is no word of a route\n", word);
  }
#undef IS
}

/* Appends the routes of `text`; faults are collected in err. */
static void routes_add(space *s, char *text, buf *err) {
  route *r = NULL, **tail = &s->routes;
  answer *a = NULL;
  while (*tail) tail = &(*tail)->next;
  while (*text) {
    char *line = text;
    size_t n = strcspn(text, "\n"), in = strspn(text, " \t");
    text += n;
    if (*text) *text++ = 0;
    if (n && line[n - 1] == '\r') line[n - 1] = 0;
    if (line[in] == 0 || line[in] == '#') continue;
    if (in > 0) {
      if (r == NULL) {
        addf(err, "%s: belongs to no route\n", line + in);
      } else {
        route_word(r, &a, line + in, &text, err);
      }
    } else {
      size_t m = strcspn(line, " ");
      char *path = line + m + strspn(line + m, " ");
      size_t p = strcspn(path, "?");
      if (*path != '/' && *path != '*') {
        addf(err, "%s: is not METHOD /path\n", line);
        continue;
      }
      r = must(calloc(1, sizeof(*r)));
      r->method = dup_n(line, m);
      r->path = dup_n(path, p);
      if (path[p]) r->query = dup_n(path + p + 1, strlen(path + p + 1));
      a = answer_new(r);
      *tail = r;
      tail = &r->next;
    }
  }
}

/* ---- connections ---- */
typedef struct conn {
  int fd;
  buf in, out;
  size_t sent;
  size_t limit;         /* of out, that may be sent; then `after` happens */
  enum { SERVE, CLOSE, HANG } after;
  int reset;
  long long wake;       /* nothing is done before (0: at once) */
  int drip_bytes, drip_ms;
  size_t head;          /* bytes of out that are not dripped */
  size_t dripped;       /* how far dripping has got */
  space *busy;          /* counts as open there until all is sent */
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

typedef struct request {
  char *method, *target, *path, *query, *headers, *body;
  size_t nbody;
  space *space;
  char base[256]; /* http://host:port/ns */
} request;

/* A header's value, the caller's, or NULL. */
static char *header(const char *headers, const char *name) {
  size_t k = strlen(name);
  for (const char *l = headers; *l;) {
    size_t n = strcspn(l, "\r\n");
    if (n > k && l[k] == ':' && strncasecmp(l, name, k) == 0) {
      const char *v = l + k + 1;
      n -= k + 1;
      while (n && (*v == ' ' || *v == '\t')) v++, n--;
      return dup_n(v, n);
    }
    l += n;
    l += strspn(l, "\r\n");
  }
  return NULL;
}

static int query_matches(const char *want, const char *query) {
  int ok = 1;
  while (ok && want && *want) {
    size_t n = strcspn(want, "&"), k;
    int absent = *want == '!';
    char *item = dup_n(want + absent, n - (size_t)absent);
    char *value;
    k = strcspn(item, "=");
    int any = item[k] == 0;
    item[k] = 0;
    value = param(query, item);
    ok = absent ? value == NULL
                : value != NULL && (any || glob(item + k + 1, value, 0));
    free(value);
    free(item);
    want += n + (want[n] == '&');
  }
  return ok;
}

static int contains(const char *p, size_t n, const char *part) {
  size_t m = strlen(part);
  for (size_t i = 0; m <= n && i <= n - m; i++) {
    if (memcmp(p + i, part, m) == 0) return 1;
  }
  return 0;
}

static int route_matches(const route *r, const request *q) {
  char *path;
  int ok;
  if (strcmp(r->method, "*") != 0 && strcasecmp(r->method, q->method) != 0) {
    return 0;
  }
  path = decode(q->path, strlen(q->path), 0);
  ok = glob(r->path, path, 0) && query_matches(r->query, q->query);
  free(path);
  for (const need *d = r->needs; ok && d; d = d->next) {
    char *v = d->name ? header(q->headers, d->name) : NULL;
    ok = d->name ? v && glob(d->value, v, 1)
                 : contains(q->body, q->nbody, d->value);
    free(v);
  }
  return ok;
}

/* The answer whose turn it is, or NULL where all are used up. */
static answer *route_answer(route *r) {
  answer *a = r->at;
  int turns; /* 0: for ever */
  if (a == NULL) return NULL;
  turns = a->times ? a->times : a->next || r->loop ? 1 : 0;
  if (turns && ++a->used >= turns) {
    a->used = 0;
    r->at = a->next ? a->next : r->loop ? r->answers : NULL;
  }
  return a;
}

/* The value of a key in a JSON body, without its quotes; any depth. */
static char *json_param(const char *body, const char *name) {
  buf key = {0};
  const char *p;
  add_json(&key, name, strlen(name));
  p = strstr(body, key.p);
  if (p) {
    p += key.n;
    p += strspn(p, " :\"");
  }
  drop(&key);
  return p ? dup_n(p, strcspn(p, "\",}] ")) : NULL;
}

static void body_pages(buf *out, const answer *a, const request *q,
                       buf *headers) {
  char *at = param(q->query, a->param), *want = NULL;
  char num[5][32];
  long size = a->size, from = 0, to, page;
  const char *row = a->row ? a->row : "{\"id\":@N@}";
  const char *wrap = a->wrap ? a->wrap : "[@ROWS@]";
  const char *hole = strstr(wrap, "@ROWS@");
  int by_number = !strcmp(a->style, "number") || !strcmp(a->style, "link");
  if (*a->sizeparam) want = param(q->query, a->sizeparam);
  if (want && atol(want) > 0 && atol(want) < size) size = atol(want);
  if (at == NULL) at = param(q->body, a->param); /* forms */
  if (at == NULL) at = json_param(q->body, a->param);
  if (at && *at) {
    const char *digits = at + strcspn(at, "0123456789");
    from = by_number ? (atol(digits) - 1) * size : atol(digits);
  }
  if (from < 0) from = 0;
  if (from > a->total) from = a->total;
  to = from + size < a->total ? from + size : a->total;
  page = from / size + 1;
  snprintf(num[0], 32, by_number                   ? "\"%ld\""
                       : strcmp(a->style, "token") ? "\"%ld\""
                                                   : "\"tok-%ld\"",
           by_number ? page + 1 : to);
  snprintf(num[1], 32, "%ld", page);
  snprintf(num[2], 32, "%ld", a->total);
  snprintf(num[3], 32, "%ld", to - from);
  const char *pairs[] = {"@NEXT@",  to < a->total ? num[0] : "null",
                         "@MORE@",  to < a->total ? "true" : "false",
                         "@PAGE@",  num[1],
                         "@TOTAL@", num[2],
                         "@COUNT@", num[3],
                         "@MOCK@",  q->base,
                         NULL};
  size_t before = hole ? (size_t)(hole - wrap) : strlen(wrap);
  expand(out, wrap, before, pairs);
  for (long i = from + 1; hole && i <= to; i++) {
    snprintf(num[4], 32, "%ld", i);
    const char *one[] = {"@N@", num[4], "@MOCK@", q->base, NULL};
    if (i > from + 1) adds(out, a->sep ? a->sep : ",");
    expand(out, row, strlen(row), one);
  }
  if (hole) expand(out, hole + 6, strlen(hole + 6), pairs);
  if (strcmp(a->style, "link") == 0 && to < a->total) {
    adds(headers, "Link: <");
    adds(headers, q->base);
    adds(headers, q->path);
    addf(headers, "?%s=%ld", a->param, page + 1);
    if (want) addf(headers, "&%s=%ld", a->sizeparam, size);
    adds(headers, ">; rel=\"next\"\r\n");
  }
  free(at);
  free(want);
}

static void body_file(buf *out, const char *name) {
  char path[4096], chunk[65536];
  size_t n;
  FILE *f;
  snprintf(path, sizeof(path), "%s/%s", root_dir, name);
  f = strstr(name, "..") ? NULL : fopen(path, "rb");
  if (f == NULL) {
    addf(out, "mock: %s: cannot be read\n", name);
    return;
  }
  while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) add(out, chunk, n);
  fclose(f);
}

static void body_encode(buf *b, const char *how) {
  buf z = {0};
  if (strcmp(how, "zstd") == 0) {
    z.cap = ZSTD_compressBound(b->n) + 1;
    z.p = must(malloc(z.cap));
    z.n = ZSTD_compress(z.p, z.cap, b->p ? b->p : "", b->n, 3);
  } else {
    z_stream s = {0};
    deflateInit2(&s, 6, Z_DEFLATED, strcmp(how, "gzip") == 0 ? 31 : 15, 8,
                 Z_DEFAULT_STRATEGY);
    z.cap = deflateBound(&s, b->n) + 32;
    z.p = must(malloc(z.cap));
    s.next_in = (Bytef *)(b->p ? b->p : "");
    s.avail_in = (uInt)b->n;
    s.next_out = (Bytef *)z.p;
    s.avail_out = (uInt)z.cap;
    deflate(&s, Z_FINISH);
    z.n = s.total_out;
    deflateEnd(&s);
  }
  drop(b);
  *b = z;
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
  const char *pairs[] = {"@MOCK@", q->base, NULL};
  buf body = {0}, headers = {0};
  add(&headers, "", 0);
  if (a->headers) expand(&headers, a->headers, strlen(a->headers), pairs);
  if (a->style) {
    body_pages(&body, a, q, &headers);
  } else if (a->file) {
    body_file(&body, a->file);
  } else if (a->body) {
    expand(&body, a->body, a->nbody, pairs);
  }
  if (a->encode) {
    body_encode(&body, a->encode);
    addf(&headers, "content-encoding: %s\r\n", a->encode);
  }
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
  add_json(&b, q->body, q->nbody < MAX_LOGGED_BODY ? q->nbody
                                                   : MAX_LOGGED_BODY);
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
    if (c->in.n - head < used) {
      char *expect = header(q.headers, "expect");
      if (expect && c->in.n == head && c->out.n == 0) {
        static const char go[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (write(c->fd, go, sizeof(go) - 1) < 0) c->after = CLOSE;
      }
      free(expect);
      goto more;
    }
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
  memmove(c->in.p, c->in.p + head + used, c->in.n - head - used + 1);
  c->in.n -= head + used;
  free(q.method), free(q.target), free(q.path);
  used = 1;
  goto done;
more:
  used = 0;
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
