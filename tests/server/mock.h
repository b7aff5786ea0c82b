/* tests/server/mock.h: what the mock server's files share.  mock.c says what
 * it is and how routes are written. */
#ifndef CQ_MOCK_H
#define CQ_MOCK_H

#include <stddef.h>

/* ---- text (mock_text.c) ---- */
typedef struct buf {
  char *p; /* NUL-terminated once anything was added */
  size_t n, cap;
} buf;

void *must(void *p); /* p, or the end of the program */
void add(buf *b, const void *p, size_t n);
void adds(buf *b, const char *s);
void addf(buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));      /* up to 511 bytes */
void add_json(buf *b, const char *s, size_t n); /* with its quotes */
void drop(buf *b);
char *dup_n(const char *s, size_t n);
long long now_ms(void);
int glob(const char *g, const char *s, int nocase);
char *decode(const char *s, size_t n, int plus);
char *param(const char *query, const char *name);
void expand(buf *b, const char *s, size_t n, const char *const *pairs);

/* ---- routes (mock_routes.c) ---- */
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

typedef struct request {
  char *method, *target, *path, *query, *headers, *body;
  size_t nbody;
  space *space;
  char base[256]; /* http://host:port/ns */
} request;

space *space_get(const char *name); /* made where it is not there */
void space_reset(space *s);
void routes_add(space *s, char *text, buf *err); /* faults go into err */
char *header(const char *headers, const char *name);
int route_matches(const route *r, const request *q);
answer *route_answer(route *r);
void answer_body(const answer *a, const request *q, const char *root_dir,
                 buf *body, buf *headers);

#endif
