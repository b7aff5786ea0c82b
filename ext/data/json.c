/* ext/data/json.c: JSON as text: checked and minified in one pass, stepped
 * over and unquoted, without a tree.
 *
 * Cells hold JSON as text, and a tree would change it: numbers beyond a double
 * refused or reprinted, keys said twice dropped.  Nesting is a bit stack. */
#include "data/data.h"

#include <string.h>

static int json_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The scanners get the index of a token's first byte and return the index
 * behind it, or 0, which no token can end at. */
static size_t json_string(const char *s, size_t n, size_t i) {
  if (i >= n || s[i] != '"') return 0;
  for (i++; i < n; i++) {
    unsigned char c = (unsigned char)s[i];
    if (c == '"') return i + 1;
    if (c < 0x20) return 0;
    if (c != '\\') continue;
    if (++i >= n) return 0;
    if (s[i] == 'u') {
      int k;
      for (k = 0; k < 4; k++)
        if (++i >= n || cq_hex_digit(s[i]) < 0) return 0;
    } else if (!s[i] || !strchr("\"\\/bfnrt", s[i])) {
      return 0;
    }
  }
  return 0;
}

static size_t json_digits(const char *s, size_t n, size_t i) {
  size_t from = i;
  while (i < n && s[i] >= '0' && s[i] <= '9') i++;
  return i > from ? i : 0;
}

static size_t json_number(const char *s, size_t n, size_t i) {
  if (i < n && s[i] == '-') i++;
  if (i < n && s[i] == '0')
    i++;
  else if (!(i = json_digits(s, n, i)))
    return 0;
  if (i < n && s[i] == '.' && !(i = json_digits(s, n, i + 1))) return 0;
  if (i < n && (s[i] == 'e' || s[i] == 'E')) {
    i++;
    if (i < n && (s[i] == '+' || s[i] == '-')) i++;
    if (!(i = json_digits(s, n, i))) return 0;
  }
  return i;
}

static size_t json_scalar(const char *s, size_t n, size_t i) {
  if (i >= n) return 0;
  switch (s[i]) {
  case '"':
    return json_string(s, n, i);
  case 't':
    return n - i >= 4 && !memcmp(s + i, "true", 4) ? i + 4 : 0;
  case 'f':
    return n - i >= 5 && !memcmp(s + i, "false", 5) ? i + 5 : 0;
  case 'n':
    return n - i >= 4 && !memcmp(s + i, "null", 4) ? i + 4 : 0;
  default:
    return json_number(s, n, i);
  }
}

/* ---- check and minify --------------------------------------------------- */
typedef struct json_in {
  const char *s;
  size_t n, i;
  size_t from; /* start of the run that is not yet in out */
  cq_buf *out;
  int depth;
  unsigned char object[CQ_MAX_JSON_DEPTH / 8]; /* 1 bit a level */
} json_in;

/* Skips whitespace; what stood before it goes out as one run. */
static void json_skip(json_in *in) {
  if (in->i < in->n && json_space(in->s[in->i])) {
    cq_buf_add(in->out, in->s + in->from, in->i - in->from);
    while (in->i < in->n && json_space(in->s[in->i])) in->i++;
    in->from = in->i;
  }
}

static int json_take(json_in *in, char c) {
  if (in->i >= in->n || in->s[in->i] != c) return 0;
  in->i++;
  return 1;
}

static int json_in_object(const json_in *in) {
  int top = in->depth - 1;
  return in->object[top / 8] >> (top % 8) & 1;
}

/* "key" and its colon. */
static int json_key(json_in *in) {
  size_t end;
  json_skip(in);
  end = json_string(in->s, in->n, in->i);
  if (!end) return 0;
  in->i = end;
  json_skip(in);
  return json_take(in, ':');
}

/* One scalar, an empty container, or the opening of a container and what must
 * follow it: *open says that a value comes next. */
static int json_value(json_in *in, int *open) {
  int object, bit;
  *open = 0;
  json_skip(in);
  if (in->i < in->n && (in->s[in->i] == '{' || in->s[in->i] == '[')) {
    object = in->s[in->i++] == '{';
    json_skip(in);
    if (json_take(in, object ? '}' : ']')) return 1;
    if (in->depth == CQ_MAX_JSON_DEPTH) return 0;
    bit = 1 << (in->depth % 8);
    if (object)
      in->object[in->depth / 8] |= (unsigned char)bit;
    else
      in->object[in->depth / 8] &= (unsigned char)~bit;
    in->depth++;
    *open = 1;
    return !object || json_key(in);
  } else {
    size_t end = json_scalar(in->s, in->n, in->i);
    if (!end) return 0;
    in->i = end;
    return 1;
  }
}

static int json_document(json_in *in) {
  int open;
  do {
    if (!json_value(in, &open)) return 0;
    while (!open && in->depth > 0) {
      int object = json_in_object(in);
      json_skip(in);
      if (json_take(in, ',')) {
        if (object && !json_key(in)) return 0;
        open = 1;
      } else if (json_take(in, object ? '}' : ']')) {
        in->depth--;
      } else {
        return 0;
      }
    }
  } while (open);
  json_skip(in);
  return in->i == in->n;
}

int cq_json_minify(cq_buf *out, const char *s, size_t n) {
  json_in in;
  size_t start = out->len;
  if (out->rc != CQ_OK) return out->rc;
  in.s = s;
  in.n = n;
  in.i = in.from = 0;
  in.out = out;
  in.depth = 0;
  if (cq_utf8_check(s, n) != n || !json_document(&in)) {
    if (out->rc != CQ_OK) return out->rc;
    out->len = start;
    if (out->data) out->data[start] = '\0';
    return CQ_ERROR;
  }
  cq_buf_add(out, s + in.from, in.i - in.from);
  return out->rc;
}

/* ---- strings ------------------------------------------------------------- */
static unsigned json_hex4(const char *s) {
  return (unsigned)(cq_hex_digit(s[0]) << 12 | cq_hex_digit(s[1]) << 8 |
                    cq_hex_digit(s[2]) << 4 | cq_hex_digit(s[3]));
}

int cq_json_unquote(cq_arena *a, const char *s, size_t n, cq_value *out) {
  char *text, *d;
  size_t i = 1;
  if (json_string(s, n, 0) != n) return CQ_ERROR;
  if (!memchr(s, '\\', n)) {
    *out = cq_value_str(s + 1, n - 2);
    return CQ_OK;
  }
  /* No escape is shorter than what it stands for. */
  text = d = cq_arena_alloc(a, n);
  if (!text) return CQ_NOMEM;
  while (i < n - 1) {
    unsigned u;
    if (s[i] != '\\') {
      *d++ = s[i++];
      continue;
    }
    switch (s[i + 1]) {
    case 'b':
      *d++ = '\b';
      break;
    case 'f':
      *d++ = '\f';
      break;
    case 'n':
      *d++ = '\n';
      break;
    case 'r':
      *d++ = '\r';
      break;
    case 't':
      *d++ = '\t';
      break;
    case 'u':
      u = json_hex4(s + i + 2);
      i += 4;
      if (u >= 0xD800 && u < 0xDC00 && n - i > 8 && s[i + 2] == '\\' &&
          s[i + 3] == 'u') {
        unsigned low = json_hex4(s + i + 4);
        if (low >= 0xDC00 && low < 0xE000) {
          u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
          i += 6;
        }
      }
      if (u == 0 || (u >= 0xD800 && u < 0xE000)) u = 0xFFFD;
      d += cq_utf8_put(d, u);
      break;
    default:
      *d++ = s[i + 1];
    }
    i += 2;
  }
  *out = cq_value_str(text, (size_t)(d - text));
  return CQ_OK;
}

/* ---- arrays and objects --------------------------------------------------- */
/* Behind a container whose inside is known to be JSON; brackets in strings do
 * not count.  0 where it does not end. */
static size_t json_container(const char *s, size_t n, size_t i) {
  size_t depth = 0;
  while (i < n) {
    switch (s[i]) {
    case '"':
      i = json_string(s, n, i);
      if (!i) return 0;
      continue;
    case '{':
    case '[':
      depth++;
      break;
    case '}':
    case ']':
      if (--depth == 0) return i + 1;
      break;
    default:
      break;
    }
    i++;
  }
  return 0;
}

/* Where the next element or member of a container begins: CQ_ROW, CQ_DONE. */
static int json_next(const char *s, size_t n, char open, size_t *at) {
  size_t from = *at;
  char close = open == '[' ? ']' : '}';

  if (from == 0) {
    if (n < 2 || s[0] != open) return CQ_ERROR;
    if (s[1] == close) return n == 2 ? CQ_DONE : CQ_ERROR;
  } else if (from + 1 == n && s[from] == close) {
    return CQ_DONE;
  } else if (from >= n || s[from] != ',') {
    return CQ_ERROR;
  }
  *at = ++from;
  return from < n ? CQ_ROW : CQ_ERROR;
}

/* Behind the value at i, or 0. */
static size_t json_behind(const char *s, size_t n, size_t i) {
  if (i >= n) return 0;
  return s[i] == '{' || s[i] == '[' ? json_container(s, n, i)
                                    : json_scalar(s, n, i);
}

int cq_json_element(cq_arena *a, const char *s, size_t n, size_t *at,
                    cq_value *out) {
  size_t from = *at, end;
  int rc = json_next(s, n, '[', &from);
  if (rc != CQ_ROW) return rc;
  end = json_behind(s, n, from);
  if (!end) return CQ_ERROR;
  if (s[from] == '{' || s[from] == '[') {
    *out = cq_value_json(s + from, end - from);
  } else if (s[from] == '"') {
    rc = cq_json_unquote(a, s + from, end - from, out);
    if (rc != CQ_OK) return rc;
  } else if (s[from] == 'n') {
    *out = cq_value_null();
  } else if (s[from] == 't' || s[from] == 'f') {
    *out = cq_value_str(s + from, end - from);
  } else {
    rc = cq_number_parse(s + from, end - from, out);
    if (rc != CQ_OK) return rc;
  }
  *at = end;
  return CQ_ROW;
}

int cq_json_member(const char *s, size_t n, size_t *at, cq_value *key,
                   cq_value *value) {
  size_t from = *at, end;
  int rc = json_next(s, n, '{', &from);
  if (rc != CQ_ROW) return rc;
  end = json_string(s, n, from);
  if (!end || end >= n || s[end] != ':') return CQ_ERROR;
  *key = cq_value_str(s + from + 1, end - from - 2);
  from = end + 1;
  end = json_behind(s, n, from);
  if (!end) return CQ_ERROR;
  *value = cq_value_json(s + from, end - from);
  *at = end;
  return CQ_ROW;
}
