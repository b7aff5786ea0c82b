/* ext/dest/encode/rowbinary.c: cells in ClickHouse's RowBinary, written and read.
 *
 *   String      length as LEB128, bytes      Int64, Float64   8 bytes
 *   Nullable    1 byte (1 = NULL), then the value
 *   Array       count as LEB128, then the elements
 *   UUID        its two halves, each an integer of 8 bytes, the first first
 *   DateTime64  microseconds since 1970, 8 bytes; Date32 days, 4 bytes
 *   Decimal     an integer of 32 bytes, the value times 10^38
 *
 * DateTime64 and Date32 are written as they are beyond the years 1900 to 2299,
 * too: the server keeps the number, though it prints another date. */
#include "dest/encode/rowbinary.h"

#include <string.h>

#include "dest/encode/encode.h"

#define DAY_US INT64_C(86400000000)

/* ---- writing ---------------------------------------------------------------- */

static void put_le(cq_buf *out, uint64_t u, size_t n) {
  char b[8];

  for (size_t i = 0; i < n; i++) b[i] = (char)(u >> (8 * i));
  cq_buf_add(out, b, n);
}

static void put_count(cq_buf *out, uint64_t n) {
  char b[10];
  size_t k = 0;

  while (n >= 0x80) {
    b[k++] = (char)(n | 0x80);
    n >>= 7;
  }
  b[k++] = (char)n;
  cq_buf_add(out, b, k);
}

void cq_rowbinary_text(cq_buf *out, const char *s, size_t n) {
  put_count(out, n);
  cq_buf_add(out, s, n);
}

void cq_rowbinary_maybe(cq_buf *out, const char *s) {
  cq_buf_byte(out, s ? 0 : 1);
  if (s) cq_rowbinary_text(out, s, strlen(s));
}

void cq_rowbinary_int(cq_buf *out, int64_t i) {
  put_le(out, (uint64_t)i, 8);
}

static int uuid_bytes(const cq_value *v, unsigned char out[16]) {
  const char *s = v->u.s;

  return v->kind == CQ_STR && v->len == 36 && s[8] == '-' && s[13] == '-' &&
         s[18] == '-' && s[23] == '-' && cq_unhex(s, 36, '-', out, 16);
}

/* Whole numbers may come as reals, where a real holds them exactly. */
static int as_int(const cq_value *v, int64_t *out) {
  if (v->kind == CQ_INT) {
    *out = v->u.i;
    return 1;
  }
  if (v->kind != CQ_DOUBLE || !(v->u.r >= -9007199254740992.0) ||
      !(v->u.r <= 9007199254740992.0) || v->u.r != (double)(int64_t)v->u.r)
    return 0;
  *out = (int64_t)v->u.r;
  return 1;
}

/* Decimal text times 10^38 as 8 limbs; 0 where a digit would be lost. */
static int decimal_limbs(const char *s, size_t n, uint32_t limb[8]) {
  size_t i = 0, digits = 0;
  int negative = 0, point = 0, any = 0;
  long shift = CQ_RB_SCALE, exponent = 0;
  char kept[CQ_RB_DIGITS + 1];

  if (i < n && (s[i] == '-' || s[i] == '+')) negative = s[i++] == '-';
  for (; i < n; i++) {
    if (s[i] == '.' && !point) {
      point = 1;
      continue;
    }
    if (s[i] < '0' || s[i] > '9') break;
    any = 1;
    if (digits || s[i] != '0') {
      if (digits == CQ_RB_DIGITS) {
        if (s[i] != '0') return 0;
        if (!point) shift++;
        continue;
      }
      kept[digits++] = s[i];
    }
    if (point) shift--;
  }
  if (!any) return 0;
  if (i < n && (s[i] == 'e' || s[i] == 'E')) {
    int minus = 0;

    i++;
    if (i < n && (s[i] == '-' || s[i] == '+')) minus = s[i++] == '-';
    if (i == n) return 0;
    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++)
      if (exponent < 1000) exponent = exponent * 10 + (s[i] - '0');
    shift += minus ? -exponent : exponent;
  }
  if (i != n) return 0;
  for (; shift < 0 && digits; shift++)
    if (kept[--digits] != '0') return 0;
  memset(limb, 0, 8 * sizeof *limb);
  if (!digits) return 1;
  if ((long)digits + shift > CQ_RB_DIGITS) return 0;
  for (size_t k = 0; k < digits + (size_t)shift; k++) {
    uint64_t carry = k < digits ? (uint64_t)(kept[k] - '0') : 0;

    for (int j = 0; j < 8; j++) {
      carry += (uint64_t)limb[j] * 10;
      limb[j] = (uint32_t)carry;
      carry >>= 32;
    }
  }
  if (negative) {
    uint64_t carry = 1;

    for (int j = 0; j < 8; j++) {
      carry += (uint32_t)~limb[j];
      limb[j] = (uint32_t)carry;
      carry >>= 32;
    }
  }
  return 1;
}

static int add_decimal(cq_buf *out, const cq_value *v, int nullable) {
  char text[CQ_REAL_PLAIN];
  const char *s = text;
  uint32_t limb[8];
  size_t n;

  if (v->kind == CQ_STR) {
    s = v->u.s;
    n = v->len;
  } else if (v->kind == CQ_INT) {
    cq_buf b;

    cq_buf_init(&b, 64);
    cq_buf_printf(&b, "%lld", (long long)v->u.i);
    n = b.rc ? 0 : b.len;
    if (n) memcpy(text, b.data, n);
    cq_buf_clear(&b);
  } else if (v->kind == CQ_DOUBLE) {
    n = cq_real_plain(v->u.r, text);
  } else {
    return 0;
  }
  if (!decimal_limbs(s, n, limb)) return 0;
  if (nullable) cq_buf_byte(out, 0);
  for (int j = 0; j < 8; j++) put_le(out, limb[j], 4);
  return 1;
}

static int add_string(cq_buf *out, const cq_value *v, int nullable) {
  char text[CQ_REAL_TEXT];

  if (nullable) cq_buf_byte(out, 0);
  if (v->kind == CQ_STR || v->kind == CQ_BYTES) {
    cq_rowbinary_text(out, v->u.s, v->len);
  } else if (v->kind == CQ_INT) {
    cq_buf b;

    cq_buf_init(&b, 64);
    cq_buf_printf(&b, "%lld", (long long)v->u.i);
    cq_rowbinary_text(out, b.data, b.rc ? 0 : b.len);
    if (b.rc) out->rc = b.rc;
    cq_buf_clear(&b);
  } else {
    cq_rowbinary_text(out, text, cq_real_format(v->u.r, text));
  }
  return 1;
}

/* Not for NULL and lists: 0 where the value does not fit, and nothing was
 * appended. */
static int add_scalar(cq_buf *out, int kind, const cq_value *v, int nullable) {
  unsigned char id[16];
  uint64_t bits;
  int64_t i;
  double r;

  switch ((cq_rowbinary_kind)kind) {
  case CQ_RB_STRING:
    return add_string(out, v, nullable);
  case CQ_RB_DECIMAL:
    return add_decimal(out, v, nullable);
  case CQ_RB_INT64:
    if (!as_int(v, &i)) return 0;
    break;
  case CQ_RB_FLOAT64:
    if (v->kind != CQ_INT && v->kind != CQ_DOUBLE) return 0;
    r = v->kind == CQ_INT ? (double)v->u.i : v->u.r;
    memcpy(&bits, &r, 8);
    i = (int64_t)bits;
    break;
  case CQ_RB_BOOL:
    if (v->kind != CQ_INT || (v->u.i != 0 && v->u.i != 1)) return 0;
    if (nullable) cq_buf_byte(out, 0);
    cq_buf_byte(out, (char)v->u.i);
    return 1;
  case CQ_RB_DATETIME64:
    if (v->kind != CQ_STR || cq_time_parse(v->u.s, v->len, &i)) return 0;
    break;
  case CQ_RB_DATE32:
    if (v->kind != CQ_STR || cq_time_parse(v->u.s, v->len, &i)) return 0;
    i = i / DAY_US - (i % DAY_US < 0);
    if (nullable) cq_buf_byte(out, 0);
    put_le(out, (uint64_t)i, 4);
    return 1;
  case CQ_RB_UUID:
    if (!uuid_bytes(v, id)) return 0;
    if (nullable) cq_buf_byte(out, 0);
    for (int k = 0; k < 16; k++)
      cq_buf_byte(out, (char)id[k < 8 ? 7 - k : 23 - k]);
    return 1;
  default:
    return 0;
  }
  if (nullable) cq_buf_byte(out, 0);
  put_le(out, (uint64_t)i, 8);
  return 1;
}

/* The elements are counted first, since the count stands before them. */
static int add_list(cq_buf *out, const cq_rowbinary *c, const cq_value *v,
                    cq_arena *a) {
  size_t at = 0, n = 0;
  int rc, odd = 0;
  cq_value e;

  if (v->kind != CQ_STR) {
    put_count(out, 0);
    return 1;
  }
  cq_arena_reset(a);
  while ((rc = cq_json_element(a, v->u.s, v->len, &at, &e)) == CQ_ROW) n++;
  if (rc == CQ_NOMEM) out->rc = CQ_NOMEM;
  if (rc != CQ_DONE) {
    put_count(out, 0);
    return 1;
  }
  put_count(out, n);
  for (at = 0; cq_json_element(a, v->u.s, v->len, &at, &e) == CQ_ROW;) {
    cq_value cell;

    if (cq_cell_element(a, c->type & CQ_TYPE_MASK, &e, &cell))
      out->rc = CQ_NOMEM;
    if (cell.kind == CQ_NULL || !add_scalar(out, c->kind, &cell, 1)) {
      cq_buf_byte(out, 1);
      odd |= e.kind != CQ_NULL;
    }
    if (a->bytes > (1u << 20)) cq_arena_reset(a);
  }
  return odd;
}

int cq_rowbinary_add(cq_buf *out, const cq_rowbinary *c, const cq_value *v,
                     cq_arena *scratch) {
  if (c->list) {
    if (v->kind != CQ_NULL) return add_list(out, c, v, scratch);
    put_count(out, 0);
    return 0;
  }
  if (v->kind == CQ_NULL) {
    cq_buf_byte(out, 1);
    return 0;
  }
  if (add_scalar(out, c->kind, v, c->nullable)) return 0;
  cq_buf_byte(out, 1);
  return 1;
}

/* ---- reading ----------------------------------------------------------------- */

static int take(const char **p, const char *end, size_t n, const char **out) {
  if ((size_t)(end - *p) < n) return CQ_BUSY;
  *out = *p;
  *p += n;
  return CQ_OK;
}

static uint64_t le(const char *s, size_t n) {
  uint64_t u = 0;

  for (size_t i = 0; i < n; i++) u |= (uint64_t)(unsigned char)s[i] << (8 * i);
  return u;
}

static int take_count(const char **p, const char *end, uint64_t *out) {
  *out = 0;
  for (int shift = 0; shift < 63; shift += 7) {
    const char *b;

    if (take(p, end, 1, &b)) return CQ_BUSY;
    *out |= (uint64_t)(*b & 0x7f) << shift;
    if (!(*b & 0x80)) return CQ_OK;
  }
  return CQ_TOOBIG;
}

static int text_value(cq_arena *a, const char *s, size_t n, cq_value *out) {
  char *copy = cq_arena_strndup(a, s, n);

  if (!copy) return CQ_NOMEM;
  *out = cq_value_str(copy, n);
  return CQ_OK;
}

static int get_decimal(const char *s, cq_arena *a, cq_value *out) {
  char digits[CQ_RB_DIGITS + 4] = "", text[CQ_RB_DIGITS + 8];
  int negative = (s[31] & 0x80) != 0, n = 0, k = 0, whole;
  uint32_t limb[8];

  for (int j = 0; j < 8; j++) limb[j] = (uint32_t)le(s + 4 * j, 4);
  if (negative) {
    uint64_t carry = 1;

    for (int j = 0; j < 8; j++) {
      carry += (uint32_t)~limb[j];
      limb[j] = (uint32_t)carry;
      carry >>= 32;
    }
  }
  while (n < CQ_RB_DIGITS + 2) { /* from the last digit on */
    uint64_t rest = 0;
    int zero = 1;

    for (int j = 7; j >= 0; j--) {
      rest = rest << 32 | limb[j];
      limb[j] = (uint32_t)(rest / 10);
      rest %= 10;
      zero &= limb[j] == 0;
    }
    digits[n++] = (char)('0' + rest);
    if (zero && n > CQ_RB_SCALE) break;
  }
  if (negative) text[k++] = '-';
  for (whole = n - 1; whole >= CQ_RB_SCALE; whole--) text[k++] = digits[whole];
  text[k++] = '.';
  for (; whole >= 0; whole--) text[k++] = digits[whole];
  while (text[k - 1] == '0') k--;
  if (text[k - 1] == '.') k--;
  return text_value(a, text, (size_t)k, out);
}

static int get_scalar(const char **p, const char *end, const cq_rowbinary *c,
                      cq_arena *a, cq_value *out) {
  char id[37], text[40];
  const char *s;
  uint64_t n;
  double r;
  int rc, k = 0;

  switch ((cq_rowbinary_kind)c->kind) {
  case CQ_RB_STRING:
    rc = take_count(p, end, &n);
    if (rc) return rc;
    if (n > CQ_MAX_RECORD_BYTES) return CQ_TOOBIG;
    if (take(p, end, (size_t)n, &s)) return CQ_BUSY;
    rc = text_value(a, s, (size_t)n, out);
    if (rc == CQ_OK && (c->type & CQ_TYPE_MASK) == CQ_BLOB)
      out->kind = CQ_BYTES;
    if (rc == CQ_OK) out->json = c->type == CQ_JSON || (c->type & CQ_LIST);
    return rc;
  case CQ_RB_BOOL:
    if (take(p, end, 1, &s)) return CQ_BUSY;
    *out = cq_value_int(*s != 0);
    return CQ_OK;
  case CQ_RB_DATE32:
    if (take(p, end, 4, &s)) return CQ_BUSY;
    cq_time_format((int32_t)(uint32_t)le(s, 4) * DAY_US, text);
    return text_value(a, text, 10, out);
  case CQ_RB_DECIMAL:
    if (take(p, end, 32, &s)) return CQ_BUSY;
    return get_decimal(s, a, out);
  case CQ_RB_UUID:
    if (take(p, end, 16, &s)) return CQ_BUSY;
    for (int i = 0; i < 16; i++) {
      static const char digit[] = "0123456789abcdef";
      unsigned char b = (unsigned char)s[i < 8 ? 7 - i : 23 - i];

      if (i == 4 || i == 6 || i == 8 || i == 10) id[k++] = '-';
      id[k++] = digit[b >> 4];
      id[k++] = digit[b & 15];
    }
    return text_value(a, id, 36, out);
  default:
    if (take(p, end, 8, &s)) return CQ_BUSY;
    n = le(s, 8);
  }
  if (c->kind == CQ_RB_FLOAT64) {
    memcpy(&r, &n, 8);
    *out = cq_value_real(r);
  } else if (c->kind == CQ_RB_DATETIME64) {
    cq_time_format((int64_t)n, text);
    return text_value(a, text, strlen(text), out);
  } else {
    *out = cq_value_int((int64_t)n);
  }
  return CQ_OK;
}

static void add_json(cq_buf *b, const cq_rowbinary *c, const cq_value *v) {
  char real[CQ_REAL_TEXT];

  if (v->kind == CQ_NULL)
    cq_buf_str(b, "null");
  else if (v->kind == CQ_DOUBLE)
    cq_buf_add(b, real, cq_real_format(v->u.r, real));
  else if (v->kind == CQ_INT && c->kind == CQ_RB_BOOL)
    cq_buf_str(b, v->u.i ? "true" : "false");
  else if (v->kind == CQ_INT)
    cq_buf_printf(b, "%lld", (long long)v->u.i);
  else if ((c->type & CQ_TYPE_MASK) == CQ_JSON)
    cq_buf_add(b, v->u.s, v->len);
  else if (v->kind == CQ_BYTES) {
    cq_buf_byte(b, '"');
    cq_base64_encode(b, v->u.s, v->len, 0);
    cq_buf_byte(b, '"');
  } else
    cq_buf_json(b, v->u.s, v->len);
}

static int get_list(const char **p, const char *end, const cq_rowbinary *c,
                    cq_arena *a, cq_value *out) {
  uint64_t n;
  cq_buf b;
  int rc = take_count(p, end, &n);

  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  cq_buf_byte(&b, '[');
  for (uint64_t i = 0; i < n && rc == CQ_OK; i++) {
    cq_value v = cq_value_null();
    const char *null;

    rc = take(p, end, 1, &null);
    if (rc == CQ_OK && !*null) rc = get_scalar(p, end, c, a, &v);
    if (i) cq_buf_byte(&b, ',');
    if (rc == CQ_OK) add_json(&b, c, &v);
    if (rc == CQ_OK) rc = b.rc;
  }
  cq_buf_byte(&b, ']');
  if (rc == CQ_OK) rc = b.rc ? b.rc : text_value(a, b.data, b.len, out);
  if (rc == CQ_OK) out->json = 1;
  cq_buf_clear(&b);
  return rc;
}

int cq_rowbinary_get(const char **p, const char *end, const cq_rowbinary *c,
                     cq_arena *a, cq_value *out) {
  const char *from = *p, *null;
  int rc = CQ_OK;

  *out = cq_value_null();
  if (c->list) {
    rc = get_list(p, end, c, a, out);
  } else {
    if (c->nullable) rc = take(p, end, 1, &null);
    if (rc == CQ_OK && !(c->nullable && *null))
      rc = get_scalar(p, end, c, a, out);
  }
  if (rc) *p = from;
  return rc;
}
