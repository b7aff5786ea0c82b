/* tests/server/mock_routes.c: the mock server's routes: reading them, finding
 * the one that a request means, making the answer's body.  Their syntax is at
 * the top of mock.c. */
#include "mock.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <zlib.h>
#include <zstd.h>

static space *spaces;

space *space_get(const char *name) {
  space *s;
  for (s = spaces; s; s = s->next) {
    if (strcmp(s->name, name) == 0) return s;
  }
  s = must(calloc(1, sizeof(*s)));
  s->name = dup_n(name, strlen(name));
  s->next = spaces;
  return spaces = s;
}

void space_reset(space *s) {
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
               &(*a)->total, w5) < 4 ||
        (*a)->size < 1) {
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
void routes_add(space *s, char *text, buf *err) {
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

/* A header's value, the caller's, or NULL. */
char *header(const char *headers, const char *name) {
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

int route_matches(const route *r, const request *q) {
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
answer *route_answer(route *r) {
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
  size_t k = strlen(a->param);
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
  snprintf(num[0], 32,
           by_number                   ? "\"%ld\""
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
    for (const char *p = q->query; p && *p;) { /* the others go along */
      size_t n = strcspn(p, "&");
      if (strncmp(p, a->param, k) != 0 || strchr("=&", p[k]) == NULL) {
        add(headers, "&", 1);
        add(headers, p, n);
      }
      p += n + (p[n] == '&');
    }
    adds(headers, ">; rel=\"next\"\r\n");
  }
  free(at);
  free(want);
}

static void body_file(buf *out, const char *name, const char *root_dir) {
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

void answer_body(const answer *a, const request *q, const char *root_dir,
                 buf *body, buf *headers) {
  const char *pairs[] = {"@MOCK@", q->base, NULL};
  add(headers, "", 0);
  if (a->headers) expand(headers, a->headers, strlen(a->headers), pairs);
  if (a->style) {
    body_pages(body, a, q, headers);
  } else if (a->file) {
    body_file(body, a->file, root_dir);
  } else if (a->body) {
    expand(body, a->body, a->nbody, pairs);
  }
  if (a->encode) {
    body_encode(body, a->encode);
    addf(headers, "content-encoding: %s\r\n", a->encode);
  }
}
