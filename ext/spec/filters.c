/* ext/spec/filters.c: the fixed list of small pure functions of templates, and
 * those that are about texts. */
#define _GNU_SOURCE 1 /* memmem */
#include <regex.h>
#include <string.h>
#include <unistd.h>

#include "spec/template.h"

#define ARGS   CQ_FILTER_ARGS
#define UNUSED (void)in, (void)args, (void)narg, (void)a, (void)err
#define give   cq_filter_give

int cq_filter_give(cq_arena *a, const char *s, size_t n, int json,
                   cq_value *out, cq_error *err) {
  char *t = cq_arena_strndup(a, s ? s : "", n);

  if (!t) return cq_error_nomem(err);
  *out = json ? cq_value_json(t, n) : cq_value_str(t, n);
  return CQ_OK;
}

int cq_filter_text(cq_arena *a, const cq_value *v, cq_value *t, cq_error *err) {
  return cq_value_to_text(a, v, t) ? cq_error_nomem(err) : CQ_OK;
}

static int f_default(ARGS) {
  UNUSED;
  *out = in->kind == CQ_NULL || (in->kind == CQ_STR && in->len == 0) ? args[0]
                                                                     : *in;
  return CQ_OK;
}

static int f_required(ARGS) {
  UNUSED;
  *out = *in;
  if (in->kind != CQ_NULL) return CQ_OK;
  if (narg && args[0].kind == CQ_STR)
    return cq_error_set(err, CQ_CONSTRAINT, "%.*s", (int)args[0].len,
                        args[0].u.s);
  return cq_error_set(err, CQ_CONSTRAINT, "a required value is missing");
}

static int change_case(ARGS, int up) {
  cq_value t;
  char *s;

  UNUSED;
  *out = cq_value_null();
  if (in->kind == CQ_NULL) return CQ_OK;
  if (cq_filter_text(a, in, &t, err) ||
      !(s = cq_arena_strndup(a, t.u.s, t.len)))
    return cq_error_nomem(err);
  for (size_t i = 0; i < t.len; i++)
    if (up ? s[i] >= 'a' && s[i] <= 'z' : s[i] >= 'A' && s[i] <= 'Z')
      s[i] ^= 0x20;
  *out = cq_value_str(s, t.len);
  return CQ_OK;
}

static int f_lower(ARGS) {
  return change_case(in, args, narg, a, out, err, 0);
}

static int f_upper(ARGS) {
  return change_case(in, args, narg, a, out, err, 1);
}

static int f_trim(ARGS) {
  UNUSED;
  *out = *in;
  if (in->kind != CQ_STR) return CQ_OK;
  while (out->len && strchr(" \t\r\n", out->u.s[0])) {
    out->u.s++;
    out->len--;
  }
  while (out->len && strchr(" \t\r\n", out->u.s[out->len - 1])) out->len--;
  return CQ_OK;
}

static int coded(ARGS, void (*code)(cq_buf *, const char *, size_t)) {
  cq_buf b;
  cq_value t;
  int rc;

  UNUSED;
  *out = cq_value_null();
  if (in->kind == CQ_NULL) return CQ_OK;
  if (cq_filter_text(a, in, &t, err)) return CQ_NOMEM;
  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  code(&b, t.u.s, t.len);
  rc = b.rc ? cq_error_nomem(err) : give(a, b.data, b.len, 0, out, err);
  cq_buf_clear(&b);
  return rc;
}

static void c_base64(cq_buf *b, const char *s, size_t n) {
  cq_base64_encode(b, s, n, 0);
}

static void c_unbase64(cq_buf *b, const char *s, size_t n) {
  char *flat = cq_malloc(n + 1);
  size_t k = 0;

  if (!flat) {
    b->rc = CQ_NOMEM;
    return;
  }
  for (size_t i = 0; i < n; i++)
    if (!strchr(" \t\r\n", s[i])) flat[k++] = s[i];
  if (cq_base64_decode(b, flat, k)) cq_buf_reset(b);
  cq_free(flat);
}

static void c_encode(cq_buf *b, const char *s, size_t n) {
  cq_percent_encode(b, s, n, "");
}

/* Does a URL begin here?  s3://... is none that can be asked, which whoever asks
 * says better than that there is no such file. */
static int is_url(const char *s, size_t n) {
  size_t i = 0;

  while (i < n && (cq_letter(s[i]) ||
                   (i && ((s[i] >= '0' && s[i] <= '9') || s[i] == '+' ||
                          s[i] == '-' || s[i] == '.'))))
    i++;
  return i > 1 && n - i >= 3 && memcmp(s + i, "://", 3) == 0;
}

static void c_file_url(cq_buf *b, const char *s, size_t n) {
  char cwd[4096];

  if (is_url(s, n)) {
    cq_buf_add(b, s, n);
    return;
  }
  cq_buf_str(b, "file://");
  if ((n == 0 || s[0] != '/') && getcwd(cwd, sizeof cwd)) {
    cq_percent_encode(b, cwd, strlen(cwd), "/");
    cq_buf_byte(b, '/');
  }
  cq_percent_encode(b, s, n, "/");
}

static int f_base64(ARGS) {
  return coded(in, args, narg, a, out, err, c_base64);
}

static int f_unbase64(ARGS) {
  return coded(in, args, narg, a, out, err, c_unbase64);
}

static int f_urlencode(ARGS) {
  return coded(in, args, narg, a, out, err, c_encode);
}

static int f_urldecode(ARGS) {
  return coded(in, args, narg, a, out, err, cq_percent_decode);
}

static int f_file_url(ARGS) {
  return coded(in, args, narg, a, out, err, c_file_url);
}

/* 'text {} text' | format(a, b): each {} is the next argument, the first is
 * the input's own place where the format is the argument. */
size_t cq_format_place(const char *s, size_t n, size_t *next, size_t *which) {
  if (n >= 2 && s[0] == '{' && s[1] == '}') {
    *which = (*next)++;
    return 2;
  }
  if (n < 3 || s[0] != '{' || s[1] < '1' || s[1] > '9' || s[2] != '}') return 0;
  *which = (size_t)(s[1] - '1');
  return 3;
}

static int f_format(ARGS) {
  cq_buf b;
  size_t next = 0, which = 0, n;
  int rc;
  cq_value t;

  UNUSED;
  *out = cq_value_null();
  if (in->kind != CQ_STR) return CQ_OK;
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (size_t i = 0; i < in->len; i += n) {
    n = cq_format_place(in->u.s + i, in->len - i, &next, &which);
    if (n == 0) {
      cq_buf_byte(&b, in->u.s[i]);
      n = 1;
    } else if (which < narg) {
      rc = args[which].kind == CQ_NULL
               ? CQ_OK
               : cq_filter_text(a, &args[which], &t, err);
      if (args[which].kind == CQ_NULL || rc) {
        cq_buf_clear(&b);
        return rc;
      }
      cq_buf_add(&b, t.u.s, t.len);
    }
  }
  rc = b.rc ? cq_error_nomem(err) : give(a, b.data, b.len, 0, out, err);
  cq_buf_clear(&b);
  return rc;
}

static int f_replace(ARGS) {
  cq_buf b;
  int rc;

  UNUSED;
  *out = *in;
  if (in->kind != CQ_STR || args[0].kind != CQ_STR || args[0].len == 0 ||
      args[1].kind != CQ_STR)
    return CQ_OK;
  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  for (const char *s = in->u.s, *end = s + in->len, *at; s < end;
       s = at + args[0].len) {
    at = memmem(s, (size_t)(end - s), args[0].u.s, args[0].len);
    cq_buf_add(&b, s, (size_t)((at ? at : end) - s));
    if (!at) break;
    cq_buf_add(&b, args[1].u.s, args[1].len);
  }
  rc = b.rc ? cq_error_nomem(err) : give(a, b.data, b.len, 0, out, err);
  cq_buf_clear(&b);
  return rc;
}

static int f_regex(ARGS) {
  regex_t re;
  regmatch_t m[10];
  char *s, *p;
  size_t g = narg > 1 && args[1].kind == CQ_INT ? (size_t)args[1].u.i : 1;
  int rc = CQ_OK, found;

  UNUSED;
  *out = cq_value_null();
  if (in->kind != CQ_STR || args[0].kind != CQ_STR || g > 9) return CQ_OK;
  /* The C library's search takes the square of a text that it tries at each
   * place, and nobody can interrupt it. */
  if (in->len > CQ_MAX_REGEX_TEXT)
    return cq_error_set(err, CQ_TOOBIG, "regex: a text of more than %d bytes",
                        CQ_MAX_REGEX_TEXT);
  s = cq_arena_strndup(a, in->u.s, in->len);
  p = cq_arena_strndup(a, args[0].u.s, args[0].len);
  if (!s || !p) return cq_error_nomem(err);
  if (!cq_regex_bounded(p))
    return cq_error_set(err, CQ_TOOBIG,
                        "regex: repeats within repeats grow too large: %s", p);
  found = regcomp(&re, p, REG_EXTENDED);
  if (found == REG_ESPACE) return cq_error_nomem(err);
  if (found) return cq_error_set(err, CQ_ERROR, "regex: not a pattern: %s", p);
  found = regexec(&re, s, 10, m, 0);
  if (found == REG_ESPACE) rc = cq_error_nomem(err);
  if (found == 0 && m[g].rm_so >= 0)
    rc =
        give(a, s + m[g].rm_so, (size_t)(m[g].rm_eo - m[g].rm_so), 0, out, err);
  regfree(&re);
  return rc;
}

static int f_arn(ARGS) {
  static const char *const parts[] = {"arn",    "partition", "service",
                                      "region", "account",   "resource"};
  int want = -1, at = 0;
  size_t from = 0;

  UNUSED;
  *out = cq_value_null();
  if (in->kind != CQ_STR) return CQ_OK;
  if (args[0].kind == CQ_INT) want = (int)args[0].u.i;
  for (int i = 0; args[0].kind == CQ_STR && i < 6; i++)
    if (strlen(parts[i]) == args[0].len &&
        !memcmp(parts[i], args[0].u.s, args[0].len))
      want = i;
  for (size_t i = 0; i <= in->len; i++) {
    if (i < in->len && (in->u.s[i] != ':' || at == 5)) continue;
    if (at == want) return give(a, in->u.s + from, i - from, 0, out, err);
    at++;
    from = i + 1;
  }
  return CQ_OK;
}

/* case(a, x, b, y, ..., else) */
static int f_case(ARGS) {
  cq_value v, k;
  size_t i;

  UNUSED;
  *out = cq_value_null();
  if (in->kind != CQ_NULL && cq_filter_text(a, in, &v, err)) return CQ_NOMEM;
  for (i = 0; i + 1 < narg; i += 2) {
    if (in->kind == CQ_NULL || args[i].kind == CQ_NULL) continue;
    if (cq_filter_text(a, &args[i], &k, err)) return CQ_NOMEM;
    if (k.len == v.len && memcmp(k.u.s, v.u.s, v.len) == 0) {
      *out = args[i + 1];
      return CQ_OK;
    }
  }
  if (i < narg) *out = args[i];
  return CQ_OK;
}

static const cq_filter filters[] = {{"default", 1, 1, f_default},
                                    {"required", 0, 1, f_required},
                                    {"lower", 0, 0, f_lower},
                                    {"upper", 0, 0, f_upper},
                                    {"trim", 0, 0, f_trim},
                                    {"split", 1, 1, cq_filter_split},
                                    {"join", 1, 1, cq_filter_join},
                                    {"first", 0, 0, cq_filter_first},
                                    {"last", 0, 0, cq_filter_last},
                                    {"keys", 0, 0, cq_filter_keys},
                                    {"values", 0, 0, cq_filter_values},
                                    {"to_map", 0, 2, cq_filter_to_map},
                                    {"concat", 1, 16, cq_filter_concat},
                                    {"objects", 1, 16, cq_filter_objects},
                                    {"find", 2, 2, cq_filter_find},
                                    {"get", 1, 16, cq_filter_get},
                                    {"json", 0, 0, cq_filter_json},
                                    {"from_json", 0, 0, cq_filter_from_json},
                                    {"from_yaml", 0, 0, cq_filter_from_yaml},
                                    {"from_xml", 0, 0, cq_filter_from_xml},
                                    {"hash", 0, 0, cq_filter_hash},
                                    {"base64", 0, 0, f_base64},
                                    {"unbase64", 0, 0, f_unbase64},
                                    {"urlencode", 0, 0, f_urlencode},
                                    {"urldecode", 0, 0, f_urldecode},
                                    {"file_url", 0, 0, f_file_url},
                                    {"epoch", 0, 0, cq_filter_epoch},
                                    {"epoch_ms", 0, 0, cq_filter_epoch_ms},
                                    {"date", 0, 0, cq_filter_date},
                                    {"plus", 1, 1, cq_filter_plus},
                                    {"format", 0, 16, f_format},
                                    {"replace", 2, 2, f_replace},
                                    {"regex", 1, 2, f_regex},
                                    {"arn", 1, 1, f_arn},
                                    {"length", 0, 0, cq_filter_length},
                                    {"contains", 1, 1, cq_filter_contains},
                                    {"without", 1, 1, cq_filter_without},
                                    {"case", 2, 16, f_case}};

const cq_filter *cq_filter_named(const char *name, size_t n) {
  for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
    if (strlen(filters[i].name) == n && memcmp(filters[i].name, name, n) == 0)
      return &filters[i];
  return NULL;
}

const char *cq_filter_name(size_t i) {
  return i < sizeof filters / sizeof *filters ? filters[i].name : NULL;
}
