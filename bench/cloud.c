/* bench/cloud.c: an AWS that costs little: an organization's accounts, their
 * roles, and whatever answers a file lists, to whoever asks.
 *
 *   cloud ACCOUNTS REGIONS ANSWERS
 *
 * Prints its port, and serves 127.0.0.1 until it is killed, on one thread.
 * ANSWERS is a file of lines "SERVICE OPERATION BODY": that body is given in
 * the regions of REGIONS (a,b,c); everywhere else, and to any other operation,
 * an answer without records.  An operation is X-Amz-Target's, a form's Action,
 * or a path.  Signatures are not checked; what a request was signed for says
 * whose, where and which service it is: the keys of a role carry its account.
 *
 *   GET /count    {"list", "assume", "identity", "tables": requests so far,
 *                 "twice": of these, tables asked for again, "first": seconds
 *                 from the first request to the first of a table}
 *   GET /mark     counts begin anew; what was asked for is still known
 *   GET /reset    and that is forgotten too */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  CONNECTIONS = 1024,
  REQUEST_MAX = 64 << 10,
  ANSWER_MAX = 256 << 10,
  ANSWERS_MAX = 256,
  PER_PAGE = 20, /* accounts, as AWS gives them */
  EVENTS = 64
};

typedef struct text {
  const char *p;
  size_t n;
} text;

typedef struct connection {
  char in[REQUEST_MAX];
  size_t n;
} connection;

typedef struct answer {
  char *service, *operation, *body;
} answer;

static struct {
  long accounts;
  const char *regions;
  answer answers[ANSWERS_MAX];
  int nanswer;
  connection *of[CONNECTIONS];
  char out[ANSWER_MAX];
  long list, assume, identity, tables, twice;
  double began, first;
  uint64_t *seen; /* hashes of what was asked for; 0 = free */
  size_t nseen, cap;
} cloud;

static void die(const char *what) {
  fprintf(stderr, "cloud: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void *must(void *p) {
  if (!p) die("memory");
  return p;
}

static double now(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- what a request says --------------------------------------------------- */

/* Up to one of `ends`. */
static text word(const char *p, const char *ends) {
  text t = {p, strcspn(p, ends)};
  return t;
}

/* A header's value; the head ends with an empty line. */
static text header(const char *head, const char *name) {
  size_t n = strlen(name);

  for (const char *p = strstr(head, "\r\n"); p && p[2] != '\r';
       p = strstr(p + 2, "\r\n"))
    if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':')
      return word(p + 3 + n + strspn(p + 3 + n, " "), "\r");
  return (text){NULL, 0};
}

static int is(text t, const char *s) {
  return t.n == strlen(s) && memcmp(t.p, s, t.n) == 0;
}

/* The part number k of what was signed for: key/date/region/service. */
static text scope(text auth, int k) {
  const char *p = auth.p ? strstr(auth.p, "Credential=") : NULL;

  if (!p) return (text){"", 0};
  for (p += 11; k > 0 && p; k--) {
    p = strchr(p, '/');
    if (p) p++;
  }
  return p ? word(p, "/\r") : (text){"", 0};
}

static text operation(const char *head, const char *body) {
  text target = header(head, "x-amz-target");
  const char *form = strstr(body, "Action=");

  if (target.p) {
    for (size_t i = target.n; i-- > 0;)
      if (target.p[i] == '.') return (text){target.p + i + 1, target.n - i - 1};
    return target;
  }
  if (form) return word(form + 7, "&\r\n");
  return word(strchr(head, ' ') + 1, " ?");
}

/* ---- what was asked for ------------------------------------------------------ */

static uint64_t hash(uint64_t h, text t) {
  for (size_t i = 0; i < t.n; i++)
    h = (h ^ (unsigned char)t.p[i]) * 0x100000001b3u;
  return (h ^ 0xff) * 0x100000001b3u;
}

static void seen_put(uint64_t *to, size_t cap, uint64_t h) {
  size_t at = h & (cap - 1);

  while (to[at]) at = (at + 1) & (cap - 1);
  to[at] = h;
}

/* Has it been asked for before?  From now on it has. */
static int seen(uint64_t h) {
  size_t at;

  h += h == 0;
  if (cloud.nseen * 2 >= cloud.cap) {
    size_t cap = cloud.cap ? cloud.cap * 2 : 1 << 16;
    uint64_t *to = must(calloc(cap, sizeof *to));

    for (size_t i = 0; i < cloud.cap; i++)
      if (cloud.seen[i]) seen_put(to, cap, cloud.seen[i]);
    free(cloud.seen);
    cloud.seen = to;
    cloud.cap = cap;
  }
  for (at = h & (cloud.cap - 1); cloud.seen[at];
       at = (at + 1) & (cloud.cap - 1))
    if (cloud.seen[at] == h) return 1;
  cloud.seen[at] = h;
  cloud.nseen++;
  return 0;
}

static void reset(int all) {
  cloud.list = cloud.assume = cloud.identity = cloud.tables = cloud.twice = 0;
  cloud.began = cloud.first = 0;
  if (!all) return;
  free(cloud.seen);
  cloud.seen = NULL;
  cloud.nseen = cloud.cap = 0;
}

/* ---- answers ------------------------------------------------------------------ */

static char *at; /* where the next byte of the answer goes */

__attribute__((format(printf, 1, 2))) static void put(const char *fmt, ...) {
  size_t room = (size_t)(cloud.out + sizeof cloud.out - at);
  va_list ap;
  int n;

  va_start(ap, fmt);
  n = vsnprintf(at, room, fmt, ap);
  va_end(ap);
  if (n < 0 || (size_t)n >= room) die("answer is too long");
  at += n;
}

/* ListAccounts: pages of 20, the token is where the next begins. */
static void organization(const char *body) {
  const char *token = strstr(body, "\"NextToken\":\"");
  long from = token ? atol(token + 13) : 0, to = from + PER_PAGE;

  cloud.list++;
  if (to > cloud.accounts) to = cloud.accounts;
  put("{\"Accounts\":[");
  for (long i = from; i < to; i++)
    put("%s{\"Id\":\"%012ld\",\"Arn\":\"arn:aws:organizations::%012ld:account/"
        "o-a/"
        "%012ld\",\"Name\":\"account %ld\",\"Status\":\"ACTIVE\"}",
        i > from ? "," : "", i, 0L, i, i);
  put(to < cloud.accounts ? "],\"NextToken\":\"%ld\"}" : "]}", to);
}

static void role(const char *body) {
  const char *arn = strstr(body, "iam%3A%3A");

  cloud.assume++;
  put("<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA%."
      "12s"
      "</AccessKeyId><SecretAccessKey>fake-secret-of-a-role</SecretAccessKey>"
      "<SessionToken>fake-session-of-a-role</SessionToken><Expiration>"
      "2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>"
      "</AssumeRoleResponse>",
      arn ? arn + 9 : "");
}

static void caller(text key) {
  const char *account = key.n > 12 ? key.p + key.n - 12 : "000000000000";

  cloud.identity++;
  put("<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::%."
      "12s:"
      "assumed-role/reader/cq</Arn><UserId>u</UserId><Account>%.12s</Account>"
      "</GetCallerIdentityResult></GetCallerIdentityResponse>",
      account, account);
}

static int listed(text region) {
  const char *p = cloud.regions;

  while (*p) {
    size_t n = strcspn(p, ",");

    if (n == region.n && memcmp(p, region.p, n) == 0) return 1;
    p += n + (p[n] == ',');
  }
  return 0;
}

static void table(text auth, text service, text name, int xml) {
  text region = scope(auth, 2);
  uint64_t h = hash(
      hash(hash(hash(0xcbf29ce484222325u, scope(auth, 0)), region), service),
      name);

  if (!cloud.first) cloud.first = now();
  cloud.tables++;
  cloud.twice += seen(h);
  for (int i = 0; i < cloud.nanswer && listed(region); i++)
    if (is(service, cloud.answers[i].service) &&
        is(name, cloud.answers[i].operation)) {
      put("%s", cloud.answers[i].body);
      return;
    }
  put(xml ? "<Nothing/>" : "{}");
}

static void serve(const char *head, const char *body) {
  text path = word(strchr(head, ' ') + 1, " ?");
  text auth = header(head, "authorization"), service = scope(auth, 3);
  text name = operation(head, body);

  if (is(path, "/count")) {
    put("{\"list\":%ld,\"assume\":%ld,\"identity\":%ld,\"tables\":%ld,"
        "\"twice\":%ld,"
        "\"first\":%.3f}",
        cloud.list, cloud.assume, cloud.identity, cloud.tables, cloud.twice,
        cloud.first ? cloud.first - cloud.began : -1);
    return;
  }
  if (is(path, "/mark") || is(path, "/reset")) {
    reset(is(path, "/reset"));
    put("{}");
    return;
  }
  if (!cloud.began) cloud.began = now();
  if (is(service, "organizations"))
    organization(body);
  else if (is(name, "AssumeRole"))
    role(body);
  else if (is(name, "GetCallerIdentity"))
    caller(scope(auth, 0));
  else
    table(auth, service, name, strstr(body, "Action=") != NULL);
}

/* ---- connections ---------------------------------------------------------------- */

static void send_all(int fd, const char *p, size_t n) {
  while (n > 0) {
    ssize_t k = write(fd, p, n);

    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return; /* whoever asked is gone, and is found to be so */
    p += k;
    n -= (size_t)k;
  }
}

static void drop(int fd) {
  close(fd);
  free(cloud.of[fd]);
  cloud.of[fd] = NULL;
}

static void readable(int fd) {
  connection *c = cloud.of[fd];
  ssize_t k = read(fd, c->in + c->n, sizeof c->in - 1 - c->n);
  char *end;

  if (k <= 0) {
    drop(fd);
    return;
  }
  c->n += (size_t)k;
  c->in[c->n] = 0;
  while ((end = strstr(c->in, "\r\n\r\n")) != NULL) {
    text length = header(c->in, "content-length");
    size_t body = length.p ? (size_t)atol(length.p) : 0;
    size_t head = (size_t)(end - c->in) + 4, whole = head + body;
    char keep, first[96];
    int n;

    if (whole >= sizeof c->in) die("request is too long");
    if (c->n < whole) return;
    keep = c->in[whole];
    c->in[whole] = 0;
    at = cloud.out;
    serve(c->in, c->in + head);
    n = snprintf(first, sizeof first,
                 "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                 (size_t)(at - cloud.out));
    /* In one piece: the head goes before the body, where the buffer has room. */
    if ((size_t)(at - cloud.out) + (size_t)n >= sizeof cloud.out)
      die("answer is too long");
    memmove(cloud.out + n, cloud.out, (size_t)(at - cloud.out));
    memcpy(cloud.out, first, (size_t)n);
    send_all(fd, cloud.out, (size_t)(at - cloud.out) + (size_t)n);
    c->in[whole] = keep;
    memmove(c->in, c->in + whole, c->n - whole + 1);
    c->n -= whole;
  }
}

static void read_answers(const char *path) {
  static char line[ANSWER_MAX];
  FILE *f = fopen(path, "r");

  if (!f) die(path);
  while (fgets(line, sizeof line, f)) {
    answer *a = &cloud.answers[cloud.nanswer];
    char *operation_at = strchr(line, ' ');
    char *body = operation_at ? strchr(operation_at + 1, ' ') : NULL;

    if (!body || cloud.nanswer == ANSWERS_MAX) die(path);
    *operation_at = *body = 0;
    body[strcspn(body + 1, "\n") + 1] = 0;
    a->service = must(strdup(line));
    a->operation = must(strdup(operation_at + 1));
    a->body = must(strdup(body + 1));
    cloud.nanswer++;
  }
  fclose(f);
}

int main(int argc, char **argv) {
  struct sockaddr_in to;
  struct epoll_event e = {EPOLLIN, {NULL}}, events[EVENTS];
  socklen_t size = sizeof to;
  int listening, poll, one = 1;

  if (argc != 4) {
    fprintf(stderr, "usage: cloud ACCOUNTS REGIONS ANSWERS\n");
    return 2;
  }
  cloud.accounts = atol(argv[1]);
  cloud.regions = argv[2];
  read_answers(argv[3]);
  signal(SIGPIPE, SIG_IGN);
  memset(&to, 0, sizeof to);
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listening < 0 || bind(listening, (struct sockaddr *)&to, sizeof to) ||
      listen(listening, 512) ||
      getsockname(listening, (struct sockaddr *)&to, &size))
    die("socket");
  printf("%d\n", ntohs(to.sin_port));
  fflush(stdout);
  poll = epoll_create1(EPOLL_CLOEXEC);
  e.data.fd = listening;
  if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listening, &e)) die("epoll");
  for (;;) {
    int n = epoll_wait(poll, events, EVENTS, -1);

    if (n < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < n; i++) {
      int fd = events[i].data.fd;

      if (fd != listening) {
        readable(fd);
        continue;
      }
      fd = accept(listening, NULL, NULL);
      if (fd < 0) continue;
      if (fd >= CONNECTIONS) die("too many connections");
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      cloud.of[fd] = must(malloc(sizeof *cloud.of[fd]));
      cloud.of[fd]->n = 0;
      e.data.fd = fd;
      if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
    }
  }
}
