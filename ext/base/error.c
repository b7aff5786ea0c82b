/* ext/base/error.c: the error that functions hand up: a code and one line.
 *
 * Text is built in a local buffer first, since callers may pass err->text
 * itself as an argument.  Whatever came from outside is made printable here,
 * so that a server cannot put a second line, or a terminal escape, into a
 * message: only "\nhint: " starts a new line. */
#include "base/base.h"

#include <stdio.h>
#include <string.h>

enum { ERROR_HINT_MAX = 320 };

/* A server's bytes may be anything, and callers cut them anywhere: what is no
 * UTF-8 goes.  Returns the length that is left. */
static size_t error_utf8(char *s, size_t n) {
  size_t i = 0;
  while ((i += cq_utf8_check(s + i, n - i)) < n) {
    memmove(s + i, s + i + 1, n - i);
    n--;
  }
  return n;
}

/* Formats into out; cuts what does not fit and blanks control characters.
 * cap is at most the size of an error's text, so `big` never cuts first. */
static size_t error_format(char *out, size_t cap, const char *fmt, va_list ap) {
  char big[2048];
  char *p;
  size_t n;
  if (vsnprintf(big, sizeof(big), fmt, ap) < 0) big[0] = '\0';
  n = strlen(big);
  n = error_utf8(big, n);
  if (n >= cap) n = cq_utf8_cut(big, cap - 1);
  memcpy(out, big, n);
  out[n] = '\0';
  for (p = out; *p; p++) {
    unsigned char c = (unsigned char)*p;
    if (c == '\n' && strncmp(p + 1, "hint: ", 6) == 0) continue;
    if (c < 0x20 || c == 0x7F) *p = ' ';
  }
  return n;
}

int cq_error_set(cq_error *err, int code, const char *fmt, ...) {
  if (err) {
    va_list ap;
    char text[sizeof(err->text)];
    size_t n;
    va_start(ap, fmt);
    n = error_format(text, sizeof(text), fmt, ap);
    va_end(ap);
    memcpy(err->text, text, n + 1);
    err->code = code;
  }
  return code;
}

int cq_error_nomem(cq_error *err) {
  return cq_error_set(err, CQ_NOMEM, "out of memory");
}

/* Puts "context: " before the message; the colon is added where the caller's
 * text has none.  A message that gets too long loses its end. */
void cq_error_prefix(cq_error *err, const char *fmt, ...) {
  char prefix[sizeof(err->text)];
  char text[sizeof(err->text)];
  const char *join = ": ";
  size_t n, have, room;
  va_list ap;
  if (!err || err->code == CQ_OK) return;
  va_start(ap, fmt);
  n = error_format(prefix, sizeof(prefix) / 2, fmt, ap);
  va_end(ap);
  if (n == 0) return;
  if (n >= 2 && prefix[n - 2] == ':' && prefix[n - 1] == ' ')
    join = "";
  else if (prefix[n - 1] == ':')
    join = " ";
  memcpy(text, prefix, n);
  memcpy(text + n, join, strlen(join));
  n += strlen(join);
  have = strlen(err->text);
  room = sizeof(text) - 1 - n;
  if (have > room) have = cq_utf8_cut(err->text, room);
  memcpy(text + n, err->text, have);
  text[n + have] = '\0';
  memcpy(err->text, text, n + have + 1);
}

/* The hint nearest to the cause is the useful one: a second is dropped. */
void cq_error_hint(cq_error *err, const char *fmt, ...) {
  static const char lead[] = "\nhint: ";
  const size_t nlead = sizeof(lead) - 1;
  char hint[ERROR_HINT_MAX];
  size_t n, have;
  va_list ap;
  if (!err || err->code == CQ_OK || strstr(err->text, lead)) return;
  va_start(ap, fmt);
  n = error_format(hint, sizeof(hint), fmt, ap);
  va_end(ap);
  have = strlen(err->text);
  if (have + nlead + n >= sizeof(err->text))
    have = cq_utf8_cut(err->text, sizeof(err->text) - 1 - nlead - n);
  memcpy(err->text + have, lead, nlead);
  memcpy(err->text + have + nlead, hint, n + 1);
}

void cq_error_clear(cq_error *err) {
  if (!err) return;
  err->code = CQ_OK;
  err->text[0] = '\0';
}
