/* ext/dest/postgresql/words.c: the words of a connection string, and those that
 * are not libpq's.
 *
 * As libpq reads them: name=value behind the ? of a URI, or pairs, name = 'it''s',
 * \ before ' and \.  CloudQuery's driver (pgx) takes more: words of its pool and
 * its statements, which mean nothing here, and any other as a setting of the
 * session (search_path=cloud).  They are taken out of what libpq is given. */
#include "dest/postgresql/internal.h"

#include <string.h>

static const char blank[] = " \t\r\n\v\f";

int pg_is_uri(const char *connection) {
  return strncmp(connection, "postgresql://", 13) == 0 ||
         strncmp(connection, "postgres://", 11) == 0;
}

const char *pg_words(const char *connection) {
  return pg_is_uri(connection) ? connection + strcspn(connection, "?")
                               : connection;
}

/* Behind a value that ends at a blank or at its quote. */
static const char *pair_end(const char *s) {
  if (*s == '\'') {
    for (s++; *s && *s != '\''; s++) s += *s == '\\' && s[1];
    return s + (*s == '\'');
  }
  for (; *s && !strchr(blank, *s); s++) s += *s == '\\' && s[1];
  return s;
}

int pg_word_next(const char **at, int uri, pg_word *w) {
  const char *s = *at;

  if (!uri) s += strspn(s, blank);
  if (!*s) return 0;
  w->name = s += uri; /* behind ? or & */
  w->nname = strcspn(s, uri ? "=&" : "= \t\r\n\v\f");
  s += w->nname;
  if (!uri) s += strspn(s, blank);
  w->value = NULL;
  w->nvalue = 0;
  if (*s == '=') {
    s++;
    if (!uri) s += strspn(s, blank);
    w->value = s;
    s = uri ? s + strcspn(s, "&") : pair_end(s);
    w->nvalue = (size_t)(s - w->value);
  }
  *at = w->end = s;
  return 1;
}

void pg_word_value(const pg_word *w, int uri, cq_buf *out) {
  const char *s = w->value, *end = s + w->nvalue;

  if (uri) {
    cq_percent_decode(out, s, w->nvalue);
    return;
  }
  if (w->nvalue && *s == '\'') s++, end -= end > s && end[-1] == '\'';
  for (; s < end; s++) {
    if (*s == '\\' && s + 1 < end) s++;
    cq_buf_byte(out, *s);
  }
}

/* ---- pgx's ----------------------------------------------------------------------- */

static int is_word(const pg_word *w, const char *name) {
  return strlen(name) == w->nname && memcmp(w->name, name, w->nname) == 0;
}

static int is_libpq(const pg_info *all, const pg_word *w) {
  for (const pg_info *i = all; i->keyword; i++)
    if (is_word(w, i->keyword)) return 1;
  return is_word(w, "ssl"); /* of a URI, as JDBC has it */
}

static int is_pool(const pg_word *w) {
  static const char *const words[] = {
      "default_query_exec_mode", "statement_cache_capacity",
      "description_cache_capacity", "statement_cache_mode",
      "prefer_simple_protocol"};

  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (is_word(w, words[i])) return 1;
  return w->nname > 5 && memcmp(w->name, "pool_", 5) == 0;
}

/* What cannot be a setting's name is left to libpq, which refuses it. */
static int is_setting(const pg_word *w) {
  for (size_t i = 0; i < w->nname; i++)
    if (!cq_letter(w->name[i]) && w->name[i] != '_' &&
        (!i || (w->name[i] != '.' && (w->name[i] < '0' || w->name[i] > '9'))))
      return 0;
  return w->nname && w->value;
}

int pg_words_part(pg *d, const char *connection, cq_error *err) {
  int uri = pg_is_uri(connection);
  const char *at = pg_words(connection), *mark = strchr(connection, '@');
  pg_info *all = d->lib.PQconninfoParse("", NULL);
  cq_buf keep;
  pg_word w;
  int rc = all ? CQ_OK : cq_error_nomem(err), n = 0;

  /* A password with a ? in it that is not encoded: none of what follows is a
   * word, and none of it is to be told. */
  if (uri && *at && mark && mark > at) at += strlen(at);
  cq_buf_init(&keep, CQ_MAX_SPEC_BYTES);
  cq_buf_add(&keep, connection, (size_t)(at - connection));
  while (rc == CQ_OK && pg_word_next(&at, uri, &w)) {
    if (is_libpq(all, &w) || (!is_pool(&w) && !is_setting(&w))) {
      cq_buf_str(&keep, uri ? (n++ ? "&" : "?") : " ");
      cq_buf_add(&keep, w.name, (size_t)(w.end - w.name));
    } else if (!is_pool(&w)) {
      cq_buf_add(&d->settings, w.name, w.nname);
      cq_buf_byte(&d->settings, '\0');
      pg_word_value(&w, uri, &d->settings);
      cq_buf_byte(&d->settings, '\0');
    }
  }
  if (all) d->lib.PQconninfoFree(all);
  if (rc == CQ_OK && !(keep.rc || d->settings.rc))
    d->connection = cq_strdup(keep.data ? keep.data : "");
  if (keep.data) cq_wipe(keep.data, keep.len);
  cq_buf_clear(&keep);
  return rc || d->connection ? rc : cq_error_nomem(err);
}

int pg_words_set(pg *d, cq_error *err) {
  int rc = CQ_OK;

  for (size_t i = 0; i < d->settings.len && rc == CQ_OK;) {
    const char *name = d->settings.data + i, *value = name + strlen(name) + 1;

    rc = pg_do(d, "connection_string", err, "SELECT set_config(%L, %L, false)",
               name, value);
    i += strlen(name) + strlen(value) + 2;
  }
  return rc;
}
