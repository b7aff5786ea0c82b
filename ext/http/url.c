/* ext/http/url.c: URLs: taking apart, checking, comparing, resolving. */
#include <string.h>

#include "http/internal.h"

int cq_url_split(const char *url, size_t n, cq_url_parts *out) {
  const char *end = url + n, *p = url, *q, *authority, *at = NULL;

  memset(out, 0, sizeof *out);
  while (p < end && (cq_letter(*p) || strchr("+-.0123456789", *p))) p++;
  if (p < end && *p == ':' && p > url && cq_letter(*url)) {
    out->scheme = url;
    out->nscheme = (size_t)(p - url);
    p++;
  } else {
    p = url;
  }
  if (end - p >= 2 && p[0] == '/' && p[1] == '/') {
    out->has_authority = 1;
    authority = p + 2;
    for (p = authority; p < end && !strchr("/?#", *p); p++)
      if (*p == '@') at = p;
    if (at) {
      out->userinfo = authority;
      out->nuserinfo = (size_t)(at - authority);
      authority = at + 1;
    }
    out->host = authority;
    /* A port begins at the last colon, unless that is inside [v6]. */
    for (q = p; q > authority && q[-1] != ':' && q[-1] != ']'; q--)
      ;
    if (q > authority && q[-1] == ':') {
      out->nhost = (size_t)(q - 1 - authority);
      out->port = q;
      out->nport = (size_t)(p - q);
    } else {
      out->nhost = (size_t)(p - authority);
    }
  }
  out->path = p;
  while (p < end && *p != '?' && *p != '#') p++;
  out->npath = (size_t)(p - out->path);
  if (p < end && *p == '?') {
    out->has_query = 1;
    out->query = ++p;
    while (p < end && *p != '#') p++;
    out->nquery = (size_t)(p - out->query);
  }
  return out->scheme != NULL;
}

static int url_is(const char *s, size_t n, const char *word) {
  size_t i;

  for (i = 0; i < n && word[i]; i++)
    if (cq_lower(s[i]) != (unsigned char)word[i]) return 0;
  return i == n && !word[i];
}

/* How much of a URL messages show: nothing of its query, which may hold a key. */
static int url_shown(const char *url) {
  size_t n = strcspn(url, "?#");

  return n < 200 ? (int)n : 200;
}

int cq_url_check(const char *url, int allow_file, cq_error *err) {
  size_t n = url ? strlen(url) : 0;
  cq_url_parts u;

  if (n == 0) return cq_error_set(err, CQ_MISUSE, "request: URL is empty");
  if (n > CQ_MAX_URL)
    return cq_error_set(err, CQ_TOOBIG, "request: URL is too long: %zu bytes",
                        n);
  for (size_t i = 0; i < n; i++)
    if ((unsigned char)url[i] <= ' ' || url[i] == 0x7f)
      return cq_error_set(err, CQ_MISUSE,
                          "request: URL holds a blank or control character: "
                          "at byte %zu",
                          i + 1);
  if (!cq_url_split(url, n, &u) || !u.has_authority)
    return cq_error_set(err, CQ_MISUSE, "request: URL is not absolute: %.*s",
                        url_shown(url), url);
  if (url_is(u.scheme, u.nscheme, "file")) {
    if (allow_file) return CQ_OK;
    cq_error_set(err, CQ_MISUSE, "request: URL scheme is not allowed: file");
    cq_error_hint(err, "only integrations that declare it read files");
    return CQ_MISUSE;
  }
  if (!url_is(u.scheme, u.nscheme, "http") &&
      !url_is(u.scheme, u.nscheme, "https"))
    return cq_error_set(err, CQ_MISUSE,
                        "request: URL scheme is not allowed: %.*s",
                        (int)(u.nscheme < 32 ? u.nscheme : 32), u.scheme);
  if (u.userinfo) {
    cq_error_set(err, CQ_MISUSE, "request: URL holds a user name: %.*s",
                 (int)(u.nhost < 200 ? u.nhost : 200), u.host);
    cq_error_hint(err, "use the scheme basic under auth");
    return CQ_MISUSE;
  }
  if (u.nhost == 0)
    return cq_error_set(err, CQ_MISUSE, "request: URL has no host: %.*s",
                        url_shown(url), url);
  return CQ_OK;
}

int cq_header_check(const char *name, const char *value, cq_error *err) {
  const char *p;

  for (p = name; *p; p++)
    if ((unsigned char)*p <= ' ' || *p == 0x7f || *p == ':') break;
  if (*p || p == name)
    return cq_error_set(err, CQ_MISUSE, "request: bad header name: %.80s",
                        *name && (unsigned char)*p > ' ' ? name : "");
  /* The value may be a secret: it is never shown. */
  for (p = value ? value : ""; *p; p++)
    if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
      return cq_error_set(err, CQ_MISUSE,
                          "request: header %.80s: value holds a control "
                          "character",
                          name);
  return CQ_OK;
}

static int url_port(const cq_url_parts *u, size_t *n, const char **port) {
  *port = u->port;
  *n = u->nport;
  if (u->nport) return 1;
  *port = url_is(u->scheme, u->nscheme, "https") ? "443" : "80";
  *n = strlen(*port);
  return 1;
}

static int url_ieq(const char *a, size_t na, const char *b, size_t nb) {
  if (na != nb) return 0;
  for (size_t i = 0; i < na; i++)
    if (cq_lower(a[i]) != cq_lower(b[i])) return 0;
  return 1;
}

int cq_url_same_origin(const char *a, const char *b) {
  cq_url_parts u, v;
  const char *p, *q;
  size_t np, nq;

  if (!cq_url_split(a, strlen(a), &u) || !cq_url_split(b, strlen(b), &v))
    return 0;
  if (!u.has_authority || !v.has_authority) return 0;
  url_port(&u, &np, &p);
  url_port(&v, &nq, &q);
  return url_ieq(u.scheme, u.nscheme, v.scheme, v.nscheme) &&
         url_ieq(u.host, u.nhost, v.host, v.nhost) && url_ieq(p, np, q, nq);
}

/* RFC 3986 5.2.4 on a path, appended to out. */
static void url_dots(cq_buf *out, const char *p, size_t n) {
  const char *end = p + n;
  size_t base = out->len;

  while (p < end) {
    const char *q = p + (*p == '/');
    const char *e = q;

    while (e < end && *e != '/') e++;
    size_t seg = (size_t)(e - q);
    int one = seg == 1 && q[0] == '.';
    int two = seg == 2 && q[0] == '.' && q[1] == '.';
    if (two && *p == '/')
      while (out->len > base && out->data[--out->len] != '/')
        ;
    if (one || two) {
      /* A dot segment at the end leaves its slash. */
      if (e == end && *p == '/') cq_buf_byte(out, '/');
    } else {
      cq_buf_add(out, p, (size_t)(e - p));
    }
    /* a leading dot segment without a slash swallows the slash behind it */
    p = (one || two) && *p != '/' && e < end ? e + 1 : e;
  }
  if (out->data) out->data[out->len] = 0;
}

int cq_url_join(const char *base, const char *ref, size_t n, cq_buf *out) {
  cq_url_parts b, r;
  cq_buf merged;
  const char *hash = n ? memchr(ref, '#', n) : NULL;

  if (hash) n = (size_t)(hash - ref); /* fragments are not sent */
  cq_url_split(ref, n, &r);
  if (!cq_url_split(base, strlen(base), &b)) return CQ_ERROR;
  cq_buf_init(&merged, CQ_MAX_URL);
  cq_buf_add(out, r.scheme ? r.scheme : b.scheme,
             r.scheme ? r.nscheme : b.nscheme);
  cq_buf_byte(out, ':');
  if (r.scheme || r.has_authority) {
    const char *from = r.scheme ? r.scheme + r.nscheme + 1 : ref;

    /* from the authority up to the path stays as it is written */
    cq_buf_add(out, from, (size_t)(r.path - from));
    url_dots(out, r.path, r.npath);
  } else {
    const char *from = b.scheme + b.nscheme + 1;

    cq_buf_add(out, from, (size_t)(b.path - from));
    if (r.npath == 0) {
      cq_buf_add(out, b.path, b.npath);
    } else if (r.path[0] == '/') {
      url_dots(out, r.path, r.npath);
    } else {
      size_t keep = b.npath;

      while (keep > 0 && b.path[keep - 1] != '/') keep--;
      if (keep == 0 && b.has_authority) cq_buf_byte(&merged, '/');
      cq_buf_add(&merged, b.path, keep);
      cq_buf_add(&merged, r.path, r.npath);
      url_dots(out, merged.data ? merged.data : "", merged.len);
    }
    if (r.npath == 0 && !r.has_query && b.has_query) {
      cq_buf_byte(out, '?');
      cq_buf_add(out, b.query, b.nquery);
    }
  }
  if (r.has_query) {
    cq_buf_byte(out, '?');
    cq_buf_add(out, r.query, r.nquery);
  }
  if (merged.rc) out->rc = merged.rc;
  cq_buf_clear(&merged);
  return out->rc;
}
