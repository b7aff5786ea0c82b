/* ext/dest/postgresql/secret.c: the password in a connection string, so that no
 * message holds it: postgresql://user:password@host/db, or a word of its own. */
#include "dest/postgresql/internal.h"

#include <string.h>

/* As it stands, and decoded. */
static int tell(cq_arena *a, cq_dest_def *d, const char *s, size_t n) {
  char *raw = cq_arena_strndup(a, s, n), *plain = cq_dest_decoded(a, s, n);
  int rc;

  if (!raw || !plain) return CQ_NOMEM;
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
  const char *from = strstr(s, "://") + 3, *at = NULL;

  for (const char *p = from; *p && (*p != '?' || !at); p++)
    if (*p == '@') at = p;
  if (at) {
    const char *colon = memchr(from, ':', (size_t)(at - from));

    if (colon) return tell_pieces(a, d, colon + 1, (size_t)(at - colon - 1));
  }
  return CQ_OK;
}

int pg_secrets(cq_arena *a, cq_dest_def *d, const char *connection) {
  int uri = pg_is_uri(connection), rc = uri ? in_uri(a, d, connection) : CQ_OK;
  const char *at = pg_words(connection);
  pg_word w;

  while (rc == CQ_OK && pg_word_next(&at, uri, &w)) {
    cq_buf value;

    if (!w.value || !is_secret(w.name, w.nname)) continue;
    cq_buf_init(&value, CQ_MAX_SPEC_BYTES);
    pg_word_value(&w, uri, &value);
    rc = tell(a, d, w.value, w.nvalue);
    if (rc == CQ_OK && value.len) rc = tell(a, d, value.data, value.len);
    if (value.rc) rc = CQ_NOMEM;
    if (value.data) cq_wipe(value.data, value.len);
    cq_buf_clear(&value);
  }
  return rc;
}
