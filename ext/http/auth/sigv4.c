/* ext/http/auth/sigv4.c: AWS Signature Version 4: the canonical request, and
 * its signature.  Pure computation, checked against AWS's own vectors. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "http/auth/internal.h"
#include "http/internal.h"

/* What intermediaries or curl may change or add is not signed; what the
 * signer adds itself replaces the caller's. */
static int sigv4_skips(const char *name) {
  static const char *const words[] = {
      "accept-encoding",      "authorization",
      "connection",           "expect",
      "transfer-encoding",    "user-agent",
      "x-amzn-trace-id",      "x-amz-date",
      "x-amz-security-token", "x-amz-content-sha256"};

  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (cq_str_ieq(name, words[i])) return 1;
  return 0;
}

/* S3 takes a key's path as it was sent, in the one encoding that counts:
 * everything but unreserved characters, as upper-case escapes. */
static void sigv4_path_s3(cq_buf *out, const char *p, size_t n) {
  cq_buf plain;

  cq_buf_init(&plain, CQ_MAX_URL);
  cq_percent_decode(&plain, p, n);
  cq_percent_encode(out, plain.data ? plain.data : "", plain.len, "/");
  if (plain.rc) out->rc = plain.rc;
  cq_buf_clear(&plain);
}

/* Elsewhere dot segments and doubled slashes go, and what was sent is encoded
 * once more. */
static void sigv4_path(cq_buf *out, const char *p, size_t n) {
  const char *end = p + n;
  cq_buf kept;

  cq_buf_init(&kept, CQ_MAX_URL);
  while (p < end) {
    const char *from;
    size_t len;

    while (p < end && *p == '/') p++;
    from = p;
    while (p < end && *p != '/') p++;
    len = (size_t)(p - from);
    if (len == 0 || (len == 1 && from[0] == '.')) continue;
    if (len == 2 && from[0] == '.' && from[1] == '.') {
      while (kept.len > 0 && kept.data[--kept.len] != '/')
        ;
      continue;
    }
    cq_buf_byte(&kept, '/');
    cq_buf_add(&kept, from, len);
  }
  if (kept.len == 0 || (n && end[-1] == '/')) cq_buf_byte(&kept, '/');
  cq_percent_encode(out, kept.data ? kept.data : "", kept.len, "/");
  if (kept.rc) out->rc = kept.rc;
  cq_buf_clear(&kept);
}

typedef struct sigv4_pair {
  char *name, *value; /* in the arena */
  size_t at;          /* keeps the sort stable */
} sigv4_pair;

static int sigv4_by_both(const void *a, const void *b) {
  const sigv4_pair *x = a, *y = b;
  int c = strcmp(x->name, y->name);

  return c ? c : strcmp(x->value, y->value);
}

static int sigv4_by_name(const void *a, const void *b) {
  const sigv4_pair *x = a, *y = b;
  int c = strcmp(x->name, y->name);

  return c ? c : (x->at > y->at) - (x->at < y->at);
}

/* A query's name or value, decoded and encoded again the one way. */
static char *sigv4_recode(cq_arena *a, const char *p, size_t n) {
  cq_buf plain, out;
  char *s = NULL;

  cq_buf_init(&plain, CQ_MAX_URL);
  cq_buf_init(&out, 3 * CQ_MAX_URL);
  cq_percent_decode(&plain, p, n);
  cq_percent_encode(&out, plain.data ? plain.data : "", plain.len, "");
  if (!plain.rc && !out.rc)
    s = cq_arena_strndup(a, out.data ? out.data : "", out.len);
  cq_buf_clear(&plain);
  cq_buf_clear(&out);
  return s;
}

static int sigv4_query(cq_arena *a, cq_buf *out, const char *p, size_t n) {
  const char *end = p + n;
  sigv4_pair *list;
  size_t count = 1, k = 0;

  for (size_t i = 0; i < n; i++) count += p[i] == '&';
  list = cq_arena_alloc(a, count * sizeof *list);
  if (!list) return CQ_NOMEM;
  while (p < end) {
    const char *stop = memchr(p, '&', (size_t)(end - p)), *eq;

    stop = stop ? stop : end;
    eq = memchr(p, '=', (size_t)(stop - p));
    if (stop > p) {
      list[k].at = k;
      list[k].name = sigv4_recode(a, p, (size_t)((eq ? eq : stop) - p));
      list[k].value = eq ? sigv4_recode(a, eq + 1, (size_t)(stop - eq - 1))
                         : cq_arena_strndup(a, "", 0);
      if (!list[k].name || !list[k].value) return CQ_NOMEM;
      k++;
    }
    p = stop + 1;
  }
  qsort(list, k, sizeof *list, sigv4_by_both);
  for (size_t i = 0; i < k; i++)
    cq_buf_printf(out, "%s%s=%s", i ? "&" : "", list[i].name, list[i].value);
  return out->rc;
}

/* Outer blanks go, inner runs of them become one. */
static char *sigv4_squeeze(cq_arena *a, const char *s) {
  char *out = cq_arena_alloc(a, strlen(s) + 1), *w = out;

  if (!out) return NULL;
  for (; *s; s++)
    if (*s != ' ' && *s != '\t')
      *w++ = *s;
    else if (w > out && w[-1] != ' ')
      *w++ = ' ';
  while (w > out && w[-1] == ' ') w--;
  *w = 0;
  return out;
}

static int sigv4_add(cq_arena *a, sigv4_pair *list, size_t *n, const char *name,
                     const char *value) {
  sigv4_pair *p = &list[*n];

  p->at = *n;
  p->name = cq_arena_strndup(a, name, strlen(name));
  p->value = sigv4_squeeze(a, value);
  if (!p->name || !p->value) return CQ_NOMEM;
  for (char *c = p->name; *c; c++) *c = (char)cq_lower(*c);
  (*n)++;
  return CQ_OK;
}

static char *sigv4_host(cq_arena *a, const cq_url_parts *u) {
  int https = u->nscheme == 5;
  const char *usual = https ? "443" : "80";

  if (u->nport &&
      !(u->nport == strlen(usual) && memcmp(u->port, usual, u->nport) == 0))
    return cq_arena_printf(a, "%.*s:%.*s", (int)u->nhost, u->host,
                           (int)u->nport, u->port);
  return cq_arena_strndup(a, u->host, u->nhost);
}

/* The headers to sign, sorted; the ones that we add are sent, too. */
static int sigv4_headers(cq_arena *a, const cq_sigv4 *c, const cq_url_parts *u,
                         const cq_header *headers, size_t nheader,
                         const char *date, const char *hash, sigv4_pair **out,
                         size_t *n) {
  sigv4_pair *list = cq_arena_alloc(a, (nheader + 4) * sizeof *list);
  char *host = sigv4_host(a, u);
  int has_host = 0, rc = list && host ? CQ_OK : CQ_NOMEM;

  *n = 0;
  for (size_t i = 0; i < nheader && rc == CQ_OK; i++) {
    if (sigv4_skips(headers[i].name)) continue;
    has_host |= cq_str_ieq(headers[i].name, "host");
    rc = sigv4_add(a, list, n, headers[i].name, headers[i].value);
  }
  if (rc == CQ_OK && !has_host) rc = sigv4_add(a, list, n, "host", host);
  if (rc == CQ_OK) rc = sigv4_add(a, list, n, "x-amz-date", date);
  if (rc == CQ_OK && c->hash_header)
    rc = sigv4_add(a, list, n, "x-amz-content-sha256", hash);
  if (rc == CQ_OK && c->session)
    rc = sigv4_add(a, list, n, "x-amz-security-token", c->session);
  if (rc == CQ_OK) qsort(list, *n, sizeof *list, sigv4_by_name);
  *out = list;
  return rc;
}

/* Appends "name:value" lines, then an empty line and the list of names. */
static void sigv4_put_headers(cq_buf *out, const sigv4_pair *list, size_t n,
                              cq_buf *names) {
  for (size_t i = 0; i < n; i++) {
    if (i > 0 && strcmp(list[i].name, list[i - 1].name) == 0) {
      cq_buf_printf(out, ",%s", list[i].value);
      continue;
    }
    cq_buf_printf(out, "%s%s:%s", i ? "\n" : "", list[i].name, list[i].value);
    cq_buf_printf(names, "%s%s", i ? ";" : "", list[i].name);
  }
  cq_buf_printf(out, "\n\n%s\n", names->data ? names->data : "");
}

static int sigv4_signature(const cq_sigv4 *c, const char *date,
                           const cq_buf *to_sign, char hex[65]) {
  unsigned char k[32];
  cq_buf first;
  int rc;

  cq_buf_init(&first, 4096);
  cq_buf_printf(&first, "AWS4%s", c->secret);
  cq_hmac_sha256(first.data, first.len, date, 8, k);
  cq_hmac_sha256(k, 32, c->region, strlen(c->region), k);
  cq_hmac_sha256(k, 32, c->service, strlen(c->service), k);
  cq_hmac_sha256(k, 32, "aws4_request", 12, k);
  cq_hmac_sha256(k, 32, to_sign->data, to_sign->len, k);
  cq_hex(k, 32, hex);
  if (first.data) cq_wipe(first.data, first.len);
  cq_wipe(k, sizeof k);
  rc = first.rc;
  cq_buf_clear(&first);
  return rc;
}

/* "YYYYMMDDTHHMMSSZ" */
static void sigv4_date(int64_t now_us, char date[17]) {
  time_t seconds = (time_t)(now_us / 1000000);
  struct tm tm;

  gmtime_r(&seconds, &tm);
  strftime(date, 17, "%Y%m%dT%H%M%SZ", &tm);
}

/* The canonical request's first three lines. */
static int sigv4_target(cq_arena *a, cq_buf *request, const cq_sigv4 *c,
                        const char *method, const cq_url_parts *u,
                        const char *query, size_t nquery) {
  int rc = CQ_OK;

  cq_buf_printf(request, "%s\n", method);
  if (u->npath == 0)
    cq_buf_byte(request, '/');
  else if (strcmp(c->service, "s3") == 0)
    sigv4_path_s3(request, u->path, u->npath);
  else
    sigv4_path(request, u->path, u->npath);
  cq_buf_byte(request, '\n');
  if (nquery) rc = sigv4_query(a, request, query, nquery);
  cq_buf_byte(request, '\n');
  return rc ? rc : request->rc;
}

/* From the canonical request to the signature. */
static int sigv4_finish(const cq_sigv4 *c, const char *date,
                        const cq_buf *request, char hex[65]) {
  unsigned char digest[32];
  cq_buf to_sign;
  int rc;

  cq_buf_init(&to_sign, 4096);
  cq_sha256(request->data, request->len, digest);
  cq_hex(digest, 32, hex);
  cq_buf_printf(&to_sign, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s",
                date, date, c->region, c->service, hex);
  rc = to_sign.rc;
  if (rc == CQ_OK) rc = sigv4_signature(c, date, &to_sign, hex);
  cq_buf_clear(&to_sign);
  return rc;
}

static int sigv4_error(int rc, cq_error *err) {
  if (rc == CQ_OK) return rc;
  return cq_error_set(err, rc,
                      rc == CQ_TOOBIG ? "aws: request is too long to sign"
                                      : "out of memory");
}

int cq_sigv4_sign(const cq_sigv4 *c, const char *method, const char *url,
                  const cq_header *headers, size_t nheader, const char *body,
                  size_t nbody, int64_t now_us, cq_buf *lines,
                  cq_buf *canonical, cq_error *err) {
  char date[17], hash[65], hex[65];
  unsigned char digest[32];
  cq_url_parts u;
  sigv4_pair *list;
  size_t n;
  cq_arena arena;
  cq_buf names, request;
  int rc;

  cq_arena_init(&arena);
  cq_buf_init(&names, CQ_MAX_HEADER_BYTES);
  cq_buf_init(&request, 4 * CQ_MAX_URL + CQ_MAX_HEADER_BYTES);
  cq_url_split(url, strlen(url), &u);
  sigv4_date(now_us, date);
  cq_sha256(body ? body : "", body ? nbody : 0, digest);
  cq_hex(digest, 32, hash);

  rc = sigv4_target(&arena, &request, c, method, &u, u.query, u.nquery);
  if (rc == CQ_OK)
    rc = sigv4_headers(&arena, c, &u, headers, nheader, date, hash, &list, &n);
  if (rc == CQ_OK) {
    sigv4_put_headers(&request, list, n, &names);
    cq_buf_str(&request, hash);
    rc = names.rc ? names.rc : request.rc;
  }
  if (rc) goto done;
  if (canonical) cq_buf_add(canonical, request.data, request.len);
  rc = sigv4_finish(c, date, &request, hex);
  if (rc) goto done;
  cq_buf_printf(lines, "X-Amz-Date: %s\n", date);
  if (c->hash_header) cq_buf_printf(lines, "X-Amz-Content-Sha256: %s\n", hash);
  if (c->session)
    cq_buf_printf(lines, "X-Amz-Security-Token: %s\n", c->session);
  cq_buf_printf(lines,
                "Authorization: AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/"
                "aws4_request, SignedHeaders=%s, Signature=%s",
                c->access, date, c->region, c->service, names.data, hex);
done:
  cq_buf_clear(&names);
  cq_buf_clear(&request);
  cq_arena_clear(&arena);
  return sigv4_error(rc, err);
}

int cq_sigv4_presign(const cq_sigv4 *c, const char *method, const char *url,
                     int64_t seconds, int64_t now_us, cq_buf *out,
                     cq_error *err) {
  char date[17], hex[65];
  cq_url_parts u;
  char *host;
  cq_arena arena;
  cq_buf query, request;
  int rc;

  cq_arena_init(&arena);
  cq_buf_init(&query, 3 * CQ_MAX_URL);
  cq_buf_init(&request, 8 * CQ_MAX_URL);
  cq_url_split(url, strlen(url), &u);
  sigv4_date(now_us, date);
  host = sigv4_host(&arena, &u);
  if (u.nquery) cq_buf_printf(&query, "%.*s&", (int)u.nquery, u.query);
  cq_buf_str(&query, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=");
  cq_percent_encode(&query, c->access, strlen(c->access), "");
  cq_buf_printf(&query,
                "%%2F%.8s%%2F%s%%2F%s%%2Faws4_request&X-Amz-Date=%s"
                "&X-Amz-Expires=%lld&X-Amz-SignedHeaders=host",
                date, c->region, c->service, date, (long long)seconds);
  if (c->session) {
    cq_buf_str(&query, "&X-Amz-Security-Token=");
    cq_percent_encode(&query, c->session, strlen(c->session), "");
  }
  rc = host ? query.rc : CQ_NOMEM;
  if (rc == CQ_OK)
    rc = sigv4_target(&arena, &request, c, method, &u, query.data, query.len);
  cq_buf_printf(&request, "host:%s\n\nhost\nUNSIGNED-PAYLOAD",
                host ? host : "");
  if (rc == CQ_OK) rc = request.rc;
  if (rc == CQ_OK) rc = sigv4_finish(c, date, &request, hex);
  if (rc == CQ_OK) {
    cq_buf_add(out, url, (size_t)(u.path + u.npath - url));
    if (u.npath == 0) cq_buf_byte(out, '/');
    cq_buf_printf(out, "?%s&X-Amz-Signature=%s", query.data, hex);
    rc = out->rc;
  }
  if (query.data) cq_wipe(query.data, query.len);
  if (request.data) cq_wipe(request.data, request.len);
  cq_buf_clear(&query);
  cq_buf_clear(&request);
  cq_arena_wipe(&arena);
  return sigv4_error(rc, err);
}
