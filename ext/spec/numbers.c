/* ext/spec/numbers.c: JSON trees in which numbers stay as they were written.
 *
 * jansson has int64 and double: it refuses a document for one number beyond
 * them, and writes 0.1 as 0.10000000000000001.  So every number that is no small
 * integer is a text here, behind a mark that no store holds, and is a number
 * again where the tree is written or its value taken. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "spec/spec.h"

#define MARK "\\u0001" /* as JSON writes it */
enum { SMALL_DIGITS = 18 };

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* How long the number at s is, as JSON has numbers; 0: it is none.  *small: an
 * integer that the library holds. */
static size_t number_at(const char *s, size_t n, int *small) {
  size_t i = n && *s == '-', from = i;

  while (i < n && is_digit(s[i])) i++;
  if (i == from || (s[from] == '0' && i > from + 1)) return 0;
  *small = i - from <= SMALL_DIGITS && !(from && s[from] == '0');
  if (i < n && s[i] == '.') {
    *small = 0;
    from = ++i;
    while (i < n && is_digit(s[i])) i++;
    if (i == from) return 0;
  }
  if (i < n && (s[i] | 0x20) == 'e') {
    *small = 0;
    i++;
    if (i < n && (s[i] == '+' || s[i] == '-')) i++;
    from = i;
    while (i < n && is_digit(s[i])) i++;
    if (i == from) return 0;
  }
  return i;
}

/* Behind the string whose opening quote is at i. */
static size_t string_end(const char *s, size_t n, size_t i) {
  for (i++; i < n && s[i] != '"'; i++)
    if (s[i] == '\\') i++;
  return i < n ? i + 1 : n;
}

/* The text with marked numbers; empty where there are none to mark. */
static void mark(const char *s, size_t n, cq_buf *out) {
  size_t done = 0;

  for (size_t i = 0; i < n;) {
    size_t len;
    int small = 0;

    if (s[i] == '"') {
      i = string_end(s, n, i);
      continue;
    }
    len = s[i] == '-' || is_digit(s[i]) ? number_at(s + i, n - i, &small) : 0;
    if (len && !small) {
      cq_buf_add(out, s + done, i - done);
      cq_buf_str(out, "\"" MARK);
      cq_buf_add(out, s + i, len);
      cq_buf_byte(out, '"');
      done = i + len;
    }
    /* What is no number is for the library to refuse. */
    i += len ? len : 1;
  }
  if (done) cq_buf_add(out, s + done, n - done);
}

json_t *cq_numbers_load(const char *s, size_t n, json_error_t *why) {
  json_t *j = NULL;
  cq_buf b;

  /* The library sets no code where it has no memory to begin with. */
  if (why) {
    memset(why, 0, sizeof *why);
    why->text[JSON_ERROR_TEXT_LENGTH - 1] = (char)json_error_out_of_memory;
  }
  cq_buf_init(&b, SIZE_MAX);
  mark(s, n, &b);
  if (!b.rc)
    j = json_loadb(b.len ? b.data : s, b.len ? b.len : n, JSON_DECODE_ANY, why);
  cq_buf_clear(&b);
  return j;
}

const char *cq_numbers_text(const json_t *j, size_t *n) {
  const char *s = json_string_value(j);
  int small;

  if (!s || *s != 1) return NULL;
  *n = json_string_length(j) - 1;
  return *n && number_at(s + 1, *n, &small) == *n ? s + 1 : NULL;
}

json_t *cq_numbers_real(double r) {
  char text[1 + CQ_REAL_TEXT];

  text[0] = 1;
  return json_stringn(text, 1 + cq_real_format(r, text + 1));
}

char *cq_numbers_dump(const json_t *j, size_t flags) {
  const size_t skip = 1 + sizeof MARK - 1;
  char *dump = json_dumps(j, flags | JSON_ENCODE_ANY), *to = dump;
  size_t n = dump ? strlen(dump) : 0;

  /* What is taken out only makes it shorter. */
  for (size_t i = 0; i < n;) {
    size_t end = dump[i] == '"' ? string_end(dump, n, i) : i + 1, len = end - i;
    int small;

    if (len > skip + 1 && memcmp(dump + i, "\"" MARK, skip) == 0 &&
        number_at(dump + i + skip, len - skip - 1, &small) == len - skip - 1) {
      memmove(to, dump + i + skip, len - skip - 1);
      to += len - skip - 1;
    } else {
      memmove(to, dump + i, len);
      to += len;
    }
    i = end;
  }
  if (dump) *to = 0;
  return dump;
}

int cq_numbers_value(cq_arena *a, const json_t *j, cq_value *out) {
  const char *text;
  size_t n = 0;
  int rc = CQ_OK;

  *out = cq_value_null();
  if (json_is_integer(j) || json_is_boolean(j)) {
    *out = cq_value_int(json_is_integer(j) ? json_integer_value(j)
                                           : json_is_true(j));
  } else if (json_is_real(j)) {
    *out = cq_value_real(json_real_value(j));
  } else if (json_is_string(j)) {
    text = cq_numbers_text(j, &n);
    if (text) {
      char *copy = cq_arena_strndup(a, text, n);

      return copy ? cq_number_parse(copy, n, out) : CQ_NOMEM;
    }
    n = json_string_length(j);
    text = cq_arena_strndup(a, json_string_value(j), n);
    if (!text) return CQ_NOMEM;
    *out = cq_value_str(text, n);
  } else if (j && !json_is_null(j)) {
    char *dump = cq_numbers_dump(j, JSON_COMPACT);

    n = dump ? strlen(dump) : 0;
    text = dump ? cq_arena_strndup(a, dump, n) : NULL;
    free(dump);
    if (text)
      *out = cq_value_json(text, n);
    else
      rc = CQ_NOMEM;
  }
  return rc;
}
