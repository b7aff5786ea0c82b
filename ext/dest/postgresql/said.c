/* ext/dest/postgresql/said.c: what libpq and the server say in several lines, as
 * one sentence and a hint.
 *
 * A line is a fact of its own: each address that was tried has one.  DETAIL
 * belongs to the fact before it, and so do lines that are indented; HINT, and an
 * indented question ("Is the server running ...?"), is what may be done. */
#include "dest/postgresql/internal.h"

#include <string.h>

static int is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* n bytes, blanks in a row as one. */
static void add(cq_buf *out, const char *s, size_t n) {
  size_t from = out->len;

  for (size_t i = 0; i < n; i++)
    if (!is_blank(s[i]))
      cq_buf_byte(out, s[i]);
    else if (out->len > from && out->data[out->len - 1] != ' ')
      cq_buf_byte(out, ' ');
  if (out->len > from && out->data[out->len - 1] == ' ') out->len--;
}

static void add_hint(cq_buf *hint, const char *s, size_t n) {
  if (!hint->len) add(hint, s, n); /* of several addresses it is the same */
}

/* Does the word stand at its beginning, and what is behind it? */
static const char *behind(const char *s, size_t n, const char *word) {
  size_t len = strlen(word);

  return n >= len && strncmp(s, word, len) == 0 ? s + len : NULL;
}

/* The next piece: a fact's line; any other goes on as long as it is indented. */
static size_t piece(const char *s) {
  size_t n = strcspn(s, "\n");
  int longer = *s == '\t' || behind(s, n, "DETAIL:") || behind(s, n, "HINT:");

  while (longer && s[n] == '\n' && s[n + 1] == '\t')
    n += 1 + strcspn(s + n + 1, "\n");
  return n;
}

void pg_said(const char *s, cq_buf *out, cq_buf *hint) {
  for (size_t n; *s; s += n + (s[n] == '\n')) {
    int indented = *s == '\t';
    const char *end, *detail, *advice;

    n = piece(s);
    for (end = s + n; end > s && is_blank(end[-1]); end--) {
    }
    if (end == s) continue;
    detail = behind(s, n, "DETAIL:");
    advice = behind(s, n, "HINT:");
    if (!advice && indented && end[-1] == '?') advice = s;
    if (advice) {
      add_hint(hint, advice, (size_t)(end - advice));
      continue;
    }
    if (out->len) cq_buf_str(out, detail || indented ? ": " : "; ");
    add(out, detail ? detail : s, (size_t)(end - (detail ? detail : s)));
  }
}
