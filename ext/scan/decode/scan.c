/* ext/scan/decode/scan.c: the bytes of JSON values, validated in one pass
 * (RFC 8259): positions only, nothing is copied that need not be. */
#include <string.h>

#include "scan/decode/scan.h"

static const char *js_bad(cq_js *j, const char *p, const char *what) {
  if (!j->bad) {
    j->bad = p < j->end ? p : j->end;
    j->what = p < j->end ? what : "the text ends too early";
  }
  return NULL;
}

int cq_js_error(const cq_js *j, cq_error *err) {
  return cq_error_set(err, CQ_ERROR, "answer is not JSON: %s at byte %lld",
                      j->what ? j->what : "unexpected text",
                      (long long)((j->bad ? j->bad : j->end) - j->start));
}

const char *cq_js_space(cq_js *j, const char *p) {
  while (p < j->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
    p++;
  return p;
}

/* Bytes below 0x20, '"' and '\' end a run. */
static const char *plain_run(const char *p, const char *end) {
  while (end - p >= 8) {
    uint64_t v, quote, slash, low;

    memcpy(&v, p, 8);
    quote = v ^ 0x2222222222222222u;
    slash = v ^ 0x5c5c5c5c5c5c5c5cu;
    low = (v - 0x2020202020202020u) & ~v;
    quote = (quote - 0x0101010101010101u) & ~quote;
    slash = (slash - 0x0101010101010101u) & ~slash;
    if ((low | quote | slash) & 0x8080808080808080u)
      break;
    p += 8;
  }
  while (p < end && (unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
    p++;
  return p;
}

const char *cq_js_string(cq_js *j, const char *p, int *escaped) {
  const char *from = ++p;

  *escaped = 0;
  for (;;) {
    p = plain_run(p, j->end);
    if (p >= j->end)
      return js_bad(j, p, "a string without its end");
    if (*p == '"')
      break;
    if (*p != '\\')
      return js_bad(j, p, "a control character in a string");
    *escaped = 1;
    if (++p >= j->end)
      return js_bad(j, p, "");
    if (*p == 'u') {
      for (int i = 1; i <= 4; i++)
        if (p + i >= j->end || !strchr("0123456789abcdefABCDEF", p[i]) || !p[i])
          return js_bad(j, p + i, "\\u without four hex digits");
      p += 5;
    } else if (*p && strchr("\"\\/bfnrt", *p)) {
      p++;
    } else {
      return js_bad(j, p, "an unknown escape");
    }
  }
  size_t n = (size_t)(p - from), ok = cq_utf8_check(from, n);
  if (ok != n)
    return js_bad(j, from + ok, "invalid UTF-8");
  return p + 1;
}

static const char *js_number(cq_js *j, const char *p) {
  const char *end = j->end;

  if (p < end && *p == '-')
    p++;
  if (p >= end || *p < '0' || *p > '9')
    return js_bad(j, p, "a number is wrong");
  if (*p == '0')
    p++;
  else
    while (p < end && *p >= '0' && *p <= '9')
      p++;
  if (p < end && *p == '.') {
    if (++p >= end || *p < '0' || *p > '9')
      return js_bad(j, p, "a number is wrong");
    while (p < end && *p >= '0' && *p <= '9')
      p++;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    if (++p < end && (*p == '+' || *p == '-'))
      p++;
    if (p >= end || *p < '0' || *p > '9')
      return js_bad(j, p, "a number is wrong");
    while (p < end && *p >= '0' && *p <= '9')
      p++;
  }
  return p;
}

static const char *js_word(cq_js *j, const char *p, const char *w) {
  size_t n = strlen(w);

  for (size_t i = 0; i < n; i++)
    if (p + i >= j->end || p[i] != w[i])
      return js_bad(j, p + i, "unexpected text");
  return p + n;
}

static const char *js_blank(cq_js *j, const char *p, int *blanks) {
  const char *q = cq_js_space(j, p);

  *blanks |= q != p;
  return q;
}

/* A state machine with one bit a level: no recursion over a server's data. */
const char *cq_js_skip(cq_js *j, const char *p, int *blanks) {
  unsigned char kinds[CQ_MAX_JSON_DEPTH / 8];
  int depth = 0, escaped;

value:
  if (p >= j->end)
    return js_bad(j, p, "");
  switch (*p) {
  case '"':
    p = cq_js_string(j, p, &escaped);
    break;
  case '{':
  case '[':
    if (depth == CQ_MAX_JSON_DEPTH)
      return js_bad(j, p, "nested too deep");
    if (*p == '{')
      kinds[depth >> 3] |= (unsigned char)(1u << (depth & 7));
    else
      kinds[depth >> 3] &= (unsigned char)~(1u << (depth & 7));
    depth++;
    p = js_blank(j, p + 1, blanks);
    if (p < j->end && *p == (p[0] == '}' ? '}' : ']') &&
        (*p == '}') == (kinds[(depth - 1) >> 3] >> ((depth - 1) & 7) & 1)) {
      depth--;
      p++;
      break;
    }
    if (kinds[(depth - 1) >> 3] >> ((depth - 1) & 7) & 1)
      goto key;
    goto value;
  case 't':
    p = js_word(j, p, "true");
    break;
  case 'f':
    p = js_word(j, p, "false");
    break;
  case 'n':
    p = js_word(j, p, "null");
    break;
  default:
    p = js_number(j, p);
  }
after:
  if (!p)
    return NULL;
  if (depth == 0)
    return p;
  p = js_blank(j, p, blanks);
  if (p >= j->end)
    return js_bad(j, p, "");
  if (*p == ',') {
    p = js_blank(j, p + 1, blanks);
    if (kinds[(depth - 1) >> 3] >> ((depth - 1) & 7) & 1)
      goto key;
    goto value;
  }
  if (*p == (kinds[(depth - 1) >> 3] >> ((depth - 1) & 7) & 1 ? '}' : ']')) {
    depth--;
    p++;
    goto after;
  }
  return js_bad(j, p, "expected , or the end of the list");
key:
  if (p >= j->end || *p != '"')
    return js_bad(j, p, "expected a key");
  p = cq_js_string(j, p, &escaped);
  if (!p)
    return NULL;
  p = js_blank(j, p, blanks);
  if (p >= j->end || *p != ':')
    return js_bad(j, p, "expected :");
  p = js_blank(j, p + 1, blanks);
  goto value;
}

static int js_container(const char *p, const char *end, cq_arena *a,
                        cq_value *out, int blanks) {
  cq_buf b;
  char *copy;

  if (!blanks) {
    *out = cq_value_json(p, (size_t)(end - p));
    return CQ_OK;
  }
  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  if (cq_json_minify(&b, p, (size_t)(end - p)) || b.rc) {
    cq_buf_clear(&b);
    return CQ_NOMEM;
  }
  copy = cq_arena_strndup(a, b.data, b.len);
  *out = cq_value_json(copy, b.len);
  cq_buf_clear(&b);
  return copy ? CQ_OK : CQ_NOMEM;
}

int cq_js_value(cq_js *j, const char *p, const char *end, cq_arena *a,
                cq_value *out, int64_t *warnings) {
  int escaped = 0, blanks = 0;

  (void)warnings;
  switch (*p) {
  case '"':
    escaped = memchr(p, '\\', (size_t)(end - p)) != NULL;
    if (escaped)
      return cq_json_unquote(a, p, (size_t)(end - p), out);
    *out = cq_value_str(p + 1, (size_t)(end - p) - 2);
    return CQ_OK;
  case '{':
  case '[':
    if (!cq_js_skip(j, p, &blanks))
      return CQ_ERROR;
    return js_container(p, end, a, out, blanks);
  case 't':
  case 'f':
    *out = cq_value_str(p, *p == 't' ? 4 : 5);
    return CQ_OK;
  case 'n':
    *out = cq_value_null();
    return CQ_OK;
  default:
    return cq_number_parse(p, (size_t)(end - p), out);
  }
}
