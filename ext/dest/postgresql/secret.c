/* ext/dest/postgresql/secret.c: the password in a connection string, so that no
 * message holds it.  As libpq reads them: a URI, postgresql://user:password@
 * host/db?password=..., or pairs, password = 'it''s', \ before ' and \. */
#include "dest/postgresql/internal.h"

#include <string.h>

/* As it stands, and decoded. */
static int tell(cq_arena *a, cq_dest_def *d, const char *s, size_t n) {
  char *raw = cq_arena_strndup(a, s, n), *plain;
  cq_buf b;
  int rc;

  if (!raw) return CQ_NOMEM;
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_percent_decode(&b, s, n);
  plain = b.rc ? NULL : cq_arena_strndup(a, b.data ? b.data : "", b.len);
  cq_buf_clear(&b);
  if (!plain) return CQ_NOMEM;
  rc = cq_dest_secret(a, d, raw);
  if (rc == CQ_OK && strcmp(raw, plain) != 0) rc = cq_dest_secret(a, d, plain);
  return rc;
}

static int is_secret(const char *key, size_t n) {
  return (n == 8 && strncmp(key, "password", 8) == 0) ||
         (n == 11 && strncmp(key, "sslpassword", 11) == 0);
}

/* One that is not encoded as it should be is cut by libpq at its / or ? or @,
 * and any piece may be in what it says then. */
static int tell_pieces(cq_arena *a, cq_dest_def *d, const char *s, size_t n) {
  int rc = tell(a, d, s, n);

  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    size_t len = 0;

    while (i + len < n && !strchr("/?@:#", s[i + len])) len++;
    if (len && len < n) rc = tell(a, d, s + i, len);
    i += len;
  }
  return rc;
}

/* scheme://user:password@host,host/db?key=value&... */
static int in_uri(cq_arena *a, cq_dest_def *d, const char *s) {
  const char *from = strstr(s, "://") + 3, *at = NULL, *query;
  int rc = CQ_OK;

  for (const char *p = from; *p && (*p != '?' || !at); p++)
    if (*p == '@') at = p;
  if (at) {
    const char *colon = memchr(from, ':', (size_t)(at - from));

    if (colon) rc = tell_pieces(a, d, colon + 1, (size_t)(at - colon - 1));
  }
  query = strchr(from, '?');
  for (const char *p = query; p && *p && rc == CQ_OK; p += strcspn(p, "&")) {
    size_t key = strcspn(++p, "=&");

    if (p[key] == '=' && is_secret(p, key))
      rc = tell(a, d, p + key + 1, strcspn(p + key + 1, "&"));
  }
  return rc;
}

/* key = value, key='va\'lue' ... */
static int in_pairs(cq_arena *a, cq_dest_def *d, const char *s) {
  static const char blank[] = " \t\r\n\v\f";
  int rc = CQ_OK;

  while (*s && rc == CQ_OK) {
    const char *key = s += strspn(s, blank);
    size_t n = strcspn(s, "= \t\r\n\v\f");
    cq_buf value;

    s += n;
    s += strspn(s, blank);
    if (*s != '=') continue;
    s++;
    s += strspn(s, blank);
    cq_buf_init(&value, CQ_MAX_SPEC_BYTES);
    if (*s == '\'') {
      for (s++; *s && *s != '\''; s++) {
        if (*s == '\\' && s[1]) s++;
        cq_buf_byte(&value, *s);
      }
      s += *s == '\'';
    } else {
      for (; *s && !strchr(blank, *s); s++) {
        if (*s == '\\' && s[1]) s++;
        cq_buf_byte(&value, *s);
      }
    }
    if (value.rc)
      rc = CQ_NOMEM;
    else if (is_secret(key, n) && value.len)
      rc = tell(a, d, value.data, value.len);
    cq_buf_clear(&value);
  }
  return rc;
}

int pg_secrets(cq_arena *a, cq_dest_def *d, const char *connection) {
  if (strncmp(connection, "postgresql://", 13) == 0 ||
      strncmp(connection, "postgres://", 11) == 0)
    return in_uri(a, d, connection);
  return in_pairs(a, d, connection);
}
