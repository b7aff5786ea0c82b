/* ext/data/convert.c: a raw value of a page becomes a cell of its column.
 *
 * Raw values are what decoders read: INT, DOUBLE, STR (XML and CSV have
 * nothing else), and JSON containers as STR with json=1.  true and false are
 * STR.  For every type but text and json, blanks around are cut and an empty
 * text is NULL: XML and CSV know no other nothing.
 *
 * Whatever does not fit its type is kept as text and counted in *lossy: a
 * value that an API suddenly spells in another way is worth more than a NULL.
 *
 * Cells borrow the raw value's bytes wherever these are the canonical text
 * already. */
#include "data/data.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define US INT64_C(1000000)
/* Years 0 to 9999 in microseconds: what the text form can say. */
#define US_MIN (-INT64_C(62167219200) * US)
#define US_MAX (INT64_C(253402300800) * US - 1)

typedef struct convert_in {
  cq_arena *a;
  const char *format;
  int *lossy;
} convert_in;

static int convert_is(const cq_value *v, const char *word) {
  size_t i, n = strlen(word);
  if (v->len != n) return 0;
  for (i = 0; i < n; i++) {
    char c = v->u.s[i];
    if (c >= 'A' && c <= 'Z') c = (char)(c | 0x20);
    if (c != word[i]) return 0;
  }
  return 1;
}

static cq_value convert_trim(const cq_value *v) {
  const char *s = v->u.s;
  size_t n = v->len;
  while (n && (*s == ' ' || (*s >= '\t' && *s <= '\r'))) s++, n--;
  while (n && (s[n - 1] == ' ' || (s[n - 1] >= '\t' && s[n - 1] <= '\r'))) n--;
  return cq_value_str(s, n);
}

/* The cell for text that was built on the stack: borrowed where the raw text
 * says the same already. */
static int convert_put(convert_in *in, const cq_value *raw, const char *text,
                       size_t n, cq_value *out) {
  if (raw->kind == CQ_STR && raw->len == n && memcmp(raw->u.s, text, n) == 0) {
    *out = cq_value_str(raw->u.s, n);
    return CQ_OK;
  }
  text = cq_arena_strndup(in->a, text, n);
  if (!text) return CQ_NOMEM;
  *out = cq_value_str(text, n);
  return CQ_OK;
}

/* Does not fit: the text as it came. */
static int convert_keep(convert_in *in, const cq_value *raw, cq_value *out) {
  if (in->lossy) ++*in->lossy;
  if (raw->kind == CQ_STR) {
    *out = cq_value_str(raw->u.s, raw->len);
    return CQ_OK;
  }
  return cq_value_to_text(in->a, raw, out);
}

/* ---- text and numbers ---------------------------------------------------- */
static int convert_text(convert_in *in, const cq_value *raw, cq_value *out) {
  if (raw->kind == CQ_STR || (raw->kind == CQ_BYTES &&
                              cq_utf8_check(raw->u.s, raw->len) == raw->len)) {
    *out = cq_value_str(raw->u.s, raw->len);
    return CQ_OK;
  }
  if (raw->kind == CQ_BYTES) return convert_keep(in, raw, out);
  return cq_value_to_text(in->a, raw, out);
}

/* A whole number beyond int64 is exact as text, which its column allows. */
static int convert_integer(convert_in *in, const cq_value *raw, cq_value *out) {
  cq_value num = *raw;
  if (raw->kind == CQ_STR) {
    int rc = cq_number_parse(raw->u.s, raw->len, &num);
    if (rc == CQ_NOMEM) return rc;
    if (rc != CQ_OK) return convert_keep(in, raw, out);
  }
  if (num.kind == CQ_DOUBLE) {
    char text[CQ_REAL_PLAIN];
    double r = num.u.r;
    if (!isfinite(r) || r != floor(r)) return convert_keep(in, raw, out);
    if (r < -9223372036854775808.0 || r >= 9223372036854775808.0)
      return convert_put(in, raw, text,
                         (size_t)snprintf(text, sizeof(text), "%.0f", r), out);
    num = cq_value_int((int64_t)r);
  }
  if (num.kind != CQ_INT && num.kind != CQ_STR)
    return convert_keep(in, raw, out);
  *out = num;
  return CQ_OK;
}

static int convert_real(convert_in *in, const cq_value *raw, cq_value *out) {
  cq_value num = *raw;
  if (raw->kind == CQ_STR) {
    int rc = cq_number_parse(raw->u.s, raw->len, &num);
    if (rc == CQ_NOMEM) return rc;
    if (rc != CQ_OK) return convert_keep(in, raw, out);
    if (num.kind == CQ_STR) {
      /* Integer digits beyond int64 are a fine real; 1e400 is not. */
      cq_value again;
      char *copy;
      if (memchr(num.u.s, 'e', num.len) || memchr(num.u.s, 'E', num.len) ||
          memchr(num.u.s, '.', num.len))
        return convert_keep(in, raw, out);
      copy = cq_arena_printf(in->a, "%.*s.0", (int)num.len, num.u.s);
      if (!copy) return CQ_NOMEM;
      rc = cq_number_parse(copy, num.len + 2, &again);
      if (rc != CQ_OK) return rc;
      if (again.kind != CQ_DOUBLE) return convert_keep(in, raw, out);
      num = again;
    }
  }
  if (num.kind == CQ_INT) num = cq_value_real((double)num.u.i);
  if (num.kind != CQ_DOUBLE || !isfinite(num.u.r))
    return convert_keep(in, raw, out);
  *out = num;
  return CQ_OK;
}

static int convert_boolean(convert_in *in, const cq_value *raw, cq_value *out) {
  int b = -1;
  if (raw->kind == CQ_INT && (raw->u.i == 0 || raw->u.i == 1)) {
    b = (int)raw->u.i;
  } else if (raw->kind == CQ_DOUBLE && (raw->u.r == 0 || raw->u.r == 1)) {
    b = raw->u.r == 1;
  } else if (raw->kind == CQ_STR) {
    if (convert_is(raw, "true") || convert_is(raw, "1") || convert_is(raw, "t"))
      b = 1;
    else if (convert_is(raw, "false") || convert_is(raw, "0") ||
             convert_is(raw, "f"))
      b = 0;
  }
  if (b < 0) return convert_keep(in, raw, out);
  *out = cq_value_int(b);
  return CQ_OK;
}

static int convert_decimal(convert_in *in, const cq_value *raw, cq_value *out) {
  cq_value num;
  int rc;
  if (raw->kind == CQ_INT || (raw->kind == CQ_DOUBLE && isfinite(raw->u.r)))
    return cq_value_to_text(in->a, raw, out);
  if (raw->kind != CQ_STR) return convert_keep(in, raw, out);
  rc = cq_number_parse(raw->u.s, raw->len, &num);
  if (rc == CQ_NOMEM) return rc;
  if (rc != CQ_OK) return convert_keep(in, raw, out);
  *out = cq_value_str(raw->u.s, raw->len);
  return CQ_OK;
}

/* ---- times ----------------------------------------------------------------- */
/* Microseconds a unit of `format`; 0 where format is no epoch. */
static int64_t convert_unit(const char *format) {
  if (!format) return 0;
  if (strcmp(format, "epoch") == 0) return US;
  if (strcmp(format, "epoch_ms") == 0) return 1000;
  if (strcmp(format, "epoch_us") == 0) return 1;
  return 0;
}

/* "1700000000.123" in exact arithmetic; what is finer than a microsecond is
 * cut towards zero. */
static int convert_epoch_text(const cq_value *v, int64_t unit, int64_t *us) {
  const char *p = v->u.s, *end = p + v->len;
  int64_t whole = 0, part = 0, scale = unit;
  int neg, any = 0;
  neg = p < end && *p == '-';
  if (p < end && (*p == '-' || *p == '+')) p++;
  for (; p < end && *p >= '0' && *p <= '9'; p++, any = 1) {
    if (whole > US_MAX / 10) return 0;
    whole = whole * 10 + (*p - '0');
  }
  if (!any) return 0;
  if (p < end && *p == '.') {
    for (p++; p < end && *p >= '0' && *p <= '9'; p++) {
      scale /= 10;
      part += (*p - '0') * scale;
    }
  }
  if (p != end || whole > US_MAX / unit) return 0;
  *us = whole * unit + part;
  if (neg) *us = -*us;
  return 1;
}

static int convert_time(convert_in *in, const cq_value *raw, int64_t *us) {
  int64_t unit = convert_unit(in->format);
  double r;
  switch (raw->kind) {
  case CQ_INT:
    if (!unit) unit = US;
    if (raw->u.i > US_MAX / unit || raw->u.i < US_MIN / unit) return 0;
    *us = raw->u.i * unit;
    return 1;
  case CQ_DOUBLE:
    r = raw->u.r * (double)(unit ? unit : US);
    if (!(r >= (double)US_MIN && r < (double)US_MAX)) return 0;
    if (!unit || unit == US) { /* the fraction alone, where doubles are fine */
      double whole = floor(raw->u.r);

      *us = (int64_t)whole * US + (int64_t)rint((raw->u.r - whole) * 1e6);
    } else {
      *us = (int64_t)rint(r);
    }
    return 1;
  case CQ_STR:
    if (unit && convert_epoch_text(raw, unit, us))
      return *us >= US_MIN && *us <= US_MAX;
    return cq_time_parse(raw->u.s, raw->len, us) == CQ_OK;
  default:
    return 0;
  }
}

static int convert_timestamp(convert_in *in, const cq_value *raw,
                             cq_value *out) {
  char text[40];
  int64_t us;
  if (!convert_time(in, raw, &us)) return convert_keep(in, raw, out);
  cq_time_format(us, text);
  return convert_put(in, raw, text, strlen(text), out);
}

/* Of a time, the day that it falls on in UTC. */
static int convert_date(convert_in *in, const cq_value *raw, cq_value *out) {
  char text[40];
  int64_t us;
  if (!convert_time(in, raw, &us)) return convert_keep(in, raw, out);
  cq_time_format(us, text);
  return convert_put(in, raw, text, 10, out);
}

/* ---- identifiers and addresses ------------------------------------------- */
/* 8-4-4-4-12, 32 digits, or either in braces or behind "urn:uuid:". */
static int convert_uuid(convert_in *in, const cq_value *raw, cq_value *out) {
  const char *s = raw->u.s;
  size_t n = raw->len, i, d = 0;
  char text[37];
  int dashes;
  if (raw->kind != CQ_STR) return convert_keep(in, raw, out);
  if (n == 45 && memcmp(s, "urn:uuid:", 9) == 0)
    s += 9, n -= 9;
  else if (n > 2 && s[0] == '{' && s[n - 1] == '}')
    s++, n -= 2;
  if (n != 36 && n != 32) return convert_keep(in, raw, out);
  dashes = n == 36;
  for (i = 0; i < 36; i++) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      text[i] = '-';
      if (dashes && s[d++] != '-') return convert_keep(in, raw, out);
      continue;
    }
    if (cq_hex_digit(s[d]) < 0) return convert_keep(in, raw, out);
    text[i] = (char)(s[d] >= 'A' && s[d] <= 'F' ? s[d] | 0x20 : s[d]);
    d++;
  }
  return convert_put(in, raw, text, 36, out);
}

/* An address, and a prefix where one stands behind it.  inet: a prefix of all
 * bits says nothing and goes; cidr: kept as it came.  Host bits stay. */
static int convert_net(convert_in *in, const cq_value *raw, int cidr,
                       cq_value *out) {
  char text[80], plain[INET6_ADDRSTRLEN];
  unsigned char addr[16];
  const char *slash;
  size_t n;
  int family, bits, prefix = -1;
  if (raw->kind != CQ_STR) return convert_keep(in, raw, out);
  slash = raw->len ? memchr(raw->u.s, '/', raw->len) : NULL;
  n = slash ? (size_t)(slash - raw->u.s) : raw->len;
  if (n == 0 || n >= sizeof(plain) || memchr(raw->u.s, '\0', n))
    return convert_keep(in, raw, out);
  memcpy(plain, raw->u.s, n);
  plain[n] = '\0';
  family = strchr(plain, ':') ? AF_INET6 : AF_INET;
  bits = family == AF_INET6 ? 128 : 32;
  if (inet_pton(family, plain, addr) != 1) return convert_keep(in, raw, out);
  if (slash) {
    size_t i, len = raw->len - n - 1;
    if (len == 0 || len > 3 || (len > 1 && slash[1] == '0'))
      return convert_keep(in, raw, out);
    for (i = prefix = 0; i < len; i++) {
      if (slash[1 + i] < '0' || slash[1 + i] > '9')
        return convert_keep(in, raw, out);
      prefix = prefix * 10 + (slash[1 + i] - '0');
    }
    if (prefix > bits) return convert_keep(in, raw, out);
  }
  if (!inet_ntop(family, addr, text, sizeof(text)))
    return convert_keep(in, raw, out);
  n = strlen(text);
  if (prefix >= 0 && (cidr || prefix < bits))
    n += (size_t)snprintf(text + n, sizeof(text) - n, "/%d", prefix);
  return convert_put(in, raw, text, n, out);
}

/* 6, 8 or 20 bytes as "0a:1b", "0A-1B", "0a1b.2c3d", or 12 bare digits. */
static int convert_mac(convert_in *in, const cq_value *raw, cq_value *out) {
  char digits[41], text[60];
  char sep = 0;
  size_t nd = 0, group = 0, size = 0, i, d = 0;
  if (raw->kind != CQ_STR) return convert_keep(in, raw, out);
  for (i = 0; i < raw->len; i++) {
    char c = raw->u.s[i];
    if (cq_hex_digit(c) >= 0) {
      if (nd >= 40) return convert_keep(in, raw, out);
      digits[nd++] = (char)(c >= 'A' && c <= 'F' ? c | 0x20 : c);
      group++;
      continue;
    }
    if (c != ':' && c != '-' && c != '.') return convert_keep(in, raw, out);
    if (!sep) sep = c, size = group;
    if (c != sep || group != size || size != (c == '.' ? 4u : 2u))
      return convert_keep(in, raw, out);
    group = 0;
  }
  if ((nd != 12 && nd != 16 && nd != 40) || (sep && group != size) ||
      (!sep && nd != 12))
    return convert_keep(in, raw, out);
  for (i = 0; i < nd; i += 2) {
    if (i) text[d++] = ':';
    text[d++] = digits[i];
    text[d++] = digits[i + 1];
  }
  return convert_put(in, raw, text, d, out);
}

/* What is no base64, and a number, is the bytes of its text: a column of bytes
 * has no place for text in any store. */
static int convert_blob(convert_in *in, const cq_value *raw, cq_value *out) {
  cq_value v = *raw;
  int rc = CQ_OK;
  cq_buf b;
  cq_buf_init(&b, SIZE_MAX);
  if (raw->kind == CQ_INT || raw->kind == CQ_DOUBLE) {
    rc = convert_keep(in, raw, &v);
  } else if (raw->kind == CQ_STR && in->format &&
             !strcmp(in->format, "base64")) {
    rc = cq_base64_decode(&b, raw->u.s, raw->len);
    if (rc == CQ_OK) {
      v = cq_value_str(b.len ? b.data : "", b.len);
      rc = cq_value_copy(in->a, &v, &v);
    } else if (rc == CQ_ERROR) {
      rc = convert_keep(in, raw, &v);
    }
  }
  cq_buf_clear(&b);
  if (rc != CQ_OK) return rc;
  v.kind = CQ_BYTES;
  v.json = 0;
  *out = v;
  return CQ_OK;
}

/* ---- json and lists ---------------------------------------------------------- */
static int convert_json(convert_in *in, const cq_value *raw, cq_value *out) {
  cq_buf b;
  cq_value v;
  int rc = CQ_OK;
  cq_buf_init(&b, SIZE_MAX);
  switch (raw->kind) {
  case CQ_INT:
  case CQ_DOUBLE:
    if (raw->kind == CQ_DOUBLE && !isfinite(raw->u.r)) {
      if (in->lossy) ++*in->lossy;
      *out = cq_value_null();
      break;
    }
    rc = cq_value_to_text(in->a, raw, out);
    out->json = rc == CQ_OK;
    break;
  case CQ_STR:
    if (raw->json) {
      *out = *raw;
      break;
    }
    rc = cq_json_minify(&b, raw->u.s, raw->len);
    if (rc == CQ_ERROR) cq_buf_json(&b, raw->u.s, raw->len), rc = b.rc;
    if (rc != CQ_OK) break;
    rc = convert_put(in, raw, b.data, b.len, out);
    out->json = rc == CQ_OK;
    break;
  default: /* bytes: a JSON string of base64 */
    rc = cq_value_to_text(in->a, raw, &v);
    if (rc != CQ_OK) break;
    cq_buf_json(&b, v.u.s, v.len);
    rc = b.rc;
    if (rc != CQ_OK) break;
    rc = convert_put(in, raw, b.data, b.len, out);
    out->json = rc == CQ_OK;
  }
  cq_buf_clear(&b);
  return rc;
}

static int convert_scalar(convert_in *in, const cq_value *raw, int base,
                          cq_value *out);

static void convert_emit_bytes(cq_buf *b, const cq_value *v) {
  cq_buf_byte(b, '"');
  cq_base64_encode(b, v->u.s, v->len, 0);
  cq_buf_byte(b, '"');
}

/* A converted element as JSON.  Numbers that are text (decimals, integers
 * beyond int64) are JSON strings: a reader would round them otherwise. */
static void convert_emit(cq_buf *b, const cq_value *v, int base) {
  char text[CQ_REAL_TEXT];
  switch (v->kind) {
  case CQ_INT:
    if (base == CQ_BOOLEAN)
      cq_buf_str(b, v->u.i ? "true" : "false");
    else
      cq_buf_printf(b, "%lld", (long long)v->u.i);
    break;
  case CQ_DOUBLE:
    cq_buf_add(b, text, cq_real_format(v->u.r, text));
    break;
  case CQ_STR:
    if (v->json)
      cq_buf_add(b, v->u.s, v->len);
    else if (base == CQ_BLOB) /* kept as text, amid a list of base64 */
      convert_emit_bytes(b, v);
    else
      cq_buf_json(b, v->u.s, v->len);
    break;
  case CQ_BYTES:
    convert_emit_bytes(b, v);
    break;
  default:
    cq_buf_str(b, "null");
  }
}

/* Is this minified array one of strings and nulls, so that as a list of text
 * it is its own canonical form?  Most lists are. */
static int convert_plain_list(const char *s, size_t n) {
  size_t i = 1;
  if (n < 2 || s[0] != '[' || s[n - 1] != ']') return 0;
  if (n == 2) return 1;
  for (;;) {
    if (i < n && s[i] == '"') {
      for (i++; i < n && s[i] != '"'; i++)
        if (s[i] == '\\' || (unsigned char)s[i] < 0x20) return 0;
      i++;
    } else if (n - i > 4 && memcmp(s + i, "null", 4) == 0) {
      i += 4;
    } else {
      return 0;
    }
    if (i + 1 == n && s[i] == ']') return 1;
    if (i >= n || s[i++] != ',') return 0;
  }
}

/* One scalar is a list of one, as XML has no other way to say it. */
static int convert_list(convert_in *in, const cq_value *raw, int base,
                        cq_value *out) {
  cq_buf text, list;
  cq_value one, cell;
  size_t at = 0;
  int rc = CQ_OK;
  cq_buf_init(&text, SIZE_MAX);
  cq_buf_init(&list, SIZE_MAX);
  if (raw->kind == CQ_STR && raw->len && raw->u.s[0] == '[') {
    if (raw->json && base == CQ_TEXT &&
        convert_plain_list(raw->u.s, raw->len)) {
      *out = *raw;
      goto done;
    }
    rc = cq_json_minify(&text, raw->u.s, raw->len);
    if (rc != CQ_OK && rc != CQ_ERROR) goto done;
    rc = CQ_OK;
  }
  if (text.len && base == CQ_JSON) {
    rc = convert_put(in, raw, text.data, text.len, out);
    out->json = rc == CQ_OK;
    goto done;
  }
  cq_buf_byte(&list, '[');
  if (text.len) {
    size_t from = 1;

    for (; (rc = cq_json_element(in->a, text.data, text.len, &at, &one)) ==
           CQ_ROW;
         from = at + 1) {
      if (list.len > 1) cq_buf_byte(&list, ',');
      /* The digits as they came, as of a cell: a double would round them. */
      if ((base == CQ_TEXT || base == CQ_DECIMAL) &&
          (one.kind == CQ_INT || one.kind == CQ_DOUBLE))
        one = cq_value_str(text.data + from, at - from);
      cell = cq_value_null();
      if (one.kind != CQ_NULL) {
        rc = convert_scalar(in, &one, base, &cell);
        if (rc != CQ_OK) goto done;
      }
      convert_emit(&list, &cell, base);
    }
    if (rc != CQ_DONE) goto done;
  } else {
    if (raw->json && base != CQ_JSON) {
      /* An object where a list should be. */
      rc = convert_keep(in, raw, out);
      goto done;
    }
    rc = convert_scalar(in, raw, base, &cell);
    if (rc != CQ_OK) goto done;
    convert_emit(&list, &cell, base);
  }
  cq_buf_byte(&list, ']');
  rc = list.rc;
  if (rc != CQ_OK) goto done;
  rc = convert_put(in, raw, list.data, list.len, out);
  out->json = rc == CQ_OK;
done:
  cq_buf_clear(&text);
  cq_buf_clear(&list);
  return rc;
}

static int convert_one(convert_in *in, const cq_value *raw, int base,
                       cq_value *out) {
  switch (base) {
  case CQ_INTEGER:
    return convert_integer(in, raw, out);
  case CQ_REAL:
    return convert_real(in, raw, out);
  case CQ_BOOLEAN:
    return convert_boolean(in, raw, out);
  case CQ_TIMESTAMP:
    return convert_timestamp(in, raw, out);
  case CQ_DATE:
    return convert_date(in, raw, out);
  case CQ_DECIMAL:
    return convert_decimal(in, raw, out);
  case CQ_UUID:
    return convert_uuid(in, raw, out);
  case CQ_INET:
    return convert_net(in, raw, 0, out);
  case CQ_CIDR:
    return convert_net(in, raw, 1, out);
  case CQ_MAC:
    return convert_mac(in, raw, out);
  case CQ_BLOB:
    return convert_blob(in, raw, out);
  case CQ_JSON:
    return convert_json(in, raw, out);
  default:
    return convert_text(in, raw, out);
  }
}

/* A cell, or an element of a list: blanks around it are not meant, but in a
 * text, and in bytes. */
static int convert_scalar(convert_in *in, const cq_value *raw, int base,
                          cq_value *out) {
  cq_value cut = *raw;

  if (raw->kind == CQ_STR && base != CQ_TEXT && base != CQ_BLOB) {
    cut = convert_trim(raw);
    cut.json = raw->json;
    if (cut.len == 0) {
      *out = cq_value_null();
      return CQ_OK;
    }
  }
  return convert_one(in, &cut, base, out);
}

int cq_value_convert(cq_arena *a, const cq_value *raw, int type,
                     const char *format, cq_value *out, int *lossy) {
  convert_in in;
  cq_value v = *raw;
  int base = type & CQ_TYPE_MASK, rc = CQ_OK;
  in.a = a;
  in.format = format;
  in.lossy = lossy;
  if (v.kind == CQ_NULL) goto null;
  if (v.kind == CQ_STR && v.json && base != CQ_JSON && v.len &&
      v.u.s[0] != '{' && v.u.s[0] != '[') {
    /* A scalar that came as JSON text: the scalar is meant. */
    if (v.u.s[0] == '"') {
      rc = cq_json_unquote(a, v.u.s, v.len, &v);
      if (rc == CQ_ERROR) rc = CQ_OK;
      if (rc != CQ_OK) goto done;
    } else if (convert_is(&v, "null")) {
      goto null;
    }
    v.json = 0;
  }
  if (v.kind == CQ_STR && type & CQ_LIST) {
    cq_value cut = convert_trim(&v);
    if (cut.len == 0 && base != CQ_BLOB) goto null;
    cut.json = v.json;
    /* A text that is a list of one keeps its blanks, as a text does. */
    if (base != CQ_BLOB && (base != CQ_TEXT || v.json || cut.u.s[0] == '['))
      v = cut;
  }
  rc = type & CQ_LIST ? convert_list(&in, &v, base, out)
                      : convert_scalar(&in, &v, base, out);
  goto done;
null:
  *out = cq_value_null();
done:
  if (rc != CQ_OK) *out = cq_value_null();
  return rc;
}
