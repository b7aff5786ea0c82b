/* ext/dest/encode/pgcopy.c: values as PostgreSQL's types send them in binary.
 *
 * All numbers are big-endian.  A row is a count of fields, each a length (-1 is
 * NULL) and that many bytes.  Times count microseconds, dates days, from the
 * first of January 2000; a numeric is groups of four decimal digits. */
#include "dest/encode/pgcopy.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dest/encode/encode.h"

#define PG_EPOCH_US (INT64_C(946684800) * 1000000)
#define DAY_US      (INT64_C(86400) * 1000000)

enum {
  NUMERIC_MAX_WHOLE = 131072, /* digits before the point */
  NUMERIC_MAX_SCALE = 16383,  /* and behind it */
  JSON_MAX_EXPONENT = 16000   /* of a number in jsonb, to either side */
};

/* By cq_type, CQ_TEXT first. */
static const struct {
  const char *name, *list;
  uint32_t oid;
} pg_types[] = {
    {"text", "text[]", 25},
    {"bigint", "bigint[]", 20},
    {"double precision", "double precision[]", 701},
    {"boolean", "boolean[]", 16},
    {"timestamp with time zone", "timestamp with time zone[]", 1184},
    {"date", "date[]", 1082},
    {"numeric", "numeric[]", 1700},
    {"uuid", "uuid[]", 2950},
    {"inet", "inet[]", 869},
    {"cidr", "cidr[]", 650},
    {"macaddr", "macaddr[]", 829},
    {"bytea", "bytea[]", 17},
    /* a list of JSON is JSON */
    {"jsonb", "jsonb", 3802}};

static int base_of(int type) {
  int base = type & CQ_TYPE_MASK;

  return base >= CQ_TEXT && base <= CQ_JSON ? base : CQ_TEXT;
}

const char *cq_pgcopy_type(int type) {
  int base = base_of(type);

  return type & CQ_LIST ? pg_types[base - 1].list : pg_types[base - 1].name;
}

/* ---- numbers in bytes ------------------------------------------------------- */

static void set32(char *p, uint32_t v) {
  for (int i = 0; i < 4; i++) p[i] = (char)(v >> (24 - 8 * i));
}

static uint32_t get32(const char *p) {
  const unsigned char *u = (const unsigned char *)p;

  return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 |
         u[3];
}

static void put16(cq_buf *out, unsigned v) {
  char b[2] = {(char)(v >> 8), (char)v};

  cq_buf_add(out, b, 2);
}

static void put32(cq_buf *out, uint32_t v) {
  char b[4];

  set32(b, v);
  cq_buf_add(out, b, 4);
}

/* A field of n bytes, with its length. */
static void put_bytes(cq_buf *out, const void *p, size_t n) {
  put32(out, (uint32_t)n);
  if (n) cq_buf_add(out, p, n);
}

static void put_null(cq_buf *out) {
  put32(out, UINT32_MAX);
}

static void put_int64(cq_buf *out, int64_t v) {
  char b[12];

  set32(b, 8);
  set32(b + 4, (uint32_t)((uint64_t)v >> 32));
  set32(b + 8, (uint32_t)v);
  cq_buf_add(out, b, sizeof b);
}

void cq_pgcopy_head(cq_buf *out) {
  cq_buf_add(out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
}

void cq_pgcopy_row(cq_buf *out, int fields) {
  put16(out, (unsigned)fields);
}

size_t cq_pgcopy_field_at(const char *p, int i) {
  size_t at = 2;

  for (; i > 0; i--) {
    uint32_t n = get32(p + at);

    at += 4 + (n == UINT32_MAX ? 0 : n);
  }
  return at;
}

size_t cq_pgcopy_row_length(const char *p) {
  return cq_pgcopy_field_at(p, (unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

/* ---- text ------------------------------------------------------------------- */

/* The server takes neither U+0000 nor what is no UTF-8: U+FFFD instead. */
static void put_text(cq_buf *out, const char *s, size_t n) {
  size_t head, at;

  if (!n || (!memchr(s, 0, n) && cq_utf8_check(s, n) == n)) {
    put_bytes(out, s, n);
    return;
  }
  head = out->len;
  put32(out, 0);
  cq_buf_text(out, s, n);
  at = out->len - head - 4;
  if (!out->rc) set32(out->data + head, (uint32_t)at);
}

/* ---- JSON ------------------------------------------------------------------- */

static int hex4(const char *s, size_t n, unsigned *out) {
  unsigned char b[2];

  if (n < 4 || !cq_unhex(s, 4, 0, b, 2)) return 0;
  *out = (unsigned)(b[0] << 8 | b[1]);
  return 1;
}

/* Of the escape at s ("\u...."): its length where jsonb takes it, else 0. */
static size_t escape_fits(const char *s, size_t n) {
  unsigned u, low;

  if (!hex4(s + 2, n - 2, &u) || u == 0) return 0;
  if (u < 0xd800 || u > 0xdfff) return 6;
  if (u > 0xdbff || n < 12 || s[6] != '\\' || s[7] != 'u' ||
      !hex4(s + 8, n - 8, &low) || low < 0xdc00 || low > 0xdfff)
    return 0;
  return 12;
}

/* An exponent that no numeric reaches. */
static int exponent_fits(const char *s, size_t n) {
  long e = 0;
  size_t i = 1;

  if (i < n && (s[i] == '+' || s[i] == '-')) i++;
  for (; i < n && s[i] >= '0' && s[i] <= '9'; i++)
    if (e < 1000000) e = e * 10 + (s[i] - '0');
  return e <= JSON_MAX_EXPONENT;
}

enum { JSON_FITS, JSON_MEND, JSON_UNFIT };

/* What jsonb refuses although it is JSON: \u0000, half a surrogate pair, numbers
 * out of all bounds.  With `out`, appends it with U+FFFD for such escapes. */
static int json_look(cq_buf *out, const char *s, size_t n) {
  int in = 0, seen = JSON_FITS;
  size_t kept = 0;

  for (size_t i = 0; i < n; i++) {
    char c = s[i];

    if (c == '"') {
      in = !in;
    } else if (!in) {
      if ((c == 'e' || c == 'E') && i && s[i - 1] >= '0' && s[i - 1] <= '9' &&
          !exponent_fits(s + i, n - i))
        return JSON_UNFIT;
    } else if (c == '\\') {
      size_t len = 2;

      if (i + 1 < n && s[i + 1] == 'u') {
        len = escape_fits(s + i, n - i);
        if (!len) {
          seen = JSON_MEND;
          len = 6;
          if (out) {
            cq_buf_add(out, s + kept, i - kept);
            cq_buf_str(out, "\\ufffd");
            kept = i + len < n ? i + len : n;
          }
        }
      }
      i += len - 1;
    }
  }
  if (out && kept < n) cq_buf_add(out, s + kept, n - kept);
  return seen;
}

static int put_json(cq_buf *out, const cq_value *v) {
  const char *s = v->u.s;
  size_t n = v->len, head = out->len;
  cq_buf own;
  int seen;

  cq_buf_init(&own, SIZE_MAX);
  if (!v->json) {
    if (cq_json_minify(&own, s, n) && own.rc != CQ_NOMEM) {
      cq_buf_clear(&own);
      put_null(out);
      return 1;
    }
    if (own.rc) out->rc = own.rc;
    s = own.data ? own.data : "";
    n = own.len;
  }
  seen = json_look(NULL, s, n);
  if (seen == JSON_UNFIT) {
    put_null(out);
  } else {
    put32(out, (uint32_t)n + 1);
    cq_buf_byte(out, 1); /* the version of jsonb's text */
    if (seen == JSON_FITS)
      cq_buf_add(out, s, n);
    else
      json_look(out, s, n);
    if (!out->rc) set32(out->data + head, (uint32_t)(out->len - head - 4));
  }
  cq_buf_clear(&own);
  return seen == JSON_UNFIT;
}

/* ---- numeric ---------------------------------------------------------------- */

/* A decimal number in text: its digits without leading zeros, n of them, and
 * where the point stands: so many digits behind the first. */
typedef struct decimal {
  int neg;
  char *digits;
  long n, point;
} decimal;

static int decimal_read(cq_arena *a, const char *s, size_t len, decimal *d) {
  long e = 0, before = 0;
  size_t i = 0;
  int seen_point = 0, any = 0, minus = 0;

  memset(d, 0, sizeof *d);
  d->digits = cq_arena_alloc(a, len + 1);
  if (!d->digits) return CQ_NOMEM;
  if (i < len && (s[i] == '-' || s[i] == '+')) d->neg = s[i++] == '-';
  for (; i < len; i++) {
    if (s[i] == '.' && !seen_point) {
      seen_point = 1;
    } else if (s[i] >= '0' && s[i] <= '9') {
      any = 1;
      d->digits[d->n++] = s[i];
      before += !seen_point;
    } else {
      break;
    }
  }
  if (!any) return CQ_ERROR;
  if (i < len && (s[i] == 'e' || s[i] == 'E')) {
    i++;
    if (i < len && (s[i] == '-' || s[i] == '+')) minus = s[i++] == '-';
    if (i == len) return CQ_ERROR;
    for (; i < len && s[i] >= '0' && s[i] <= '9'; i++)
      if (e < 10000000) e = e * 10 + (s[i] - '0');
  }
  if (i != len) return CQ_ERROR;
  d->point = before + (minus ? -e : e);
  while (d->n && *d->digits == '0') {
    d->digits++;
    d->n--;
    d->point--;
  }
  return CQ_OK;
}

static int put_decimal(cq_buf *out, cq_arena *a, const char *s, size_t len) {
  decimal d;
  long scale, lead, groups, weight;
  int rc = decimal_read(a, s, len, &d);

  if (rc == CQ_NOMEM) out->rc = rc;
  scale = rc ? 0 : d.n > d.point ? d.n - d.point : 0;
  if (rc || (d.n && d.point > NUMERIC_MAX_WHOLE) || scale > NUMERIC_MAX_SCALE) {
    put_null(out);
    return 1;
  }
  if (!d.n) d.neg = 0;
  while (d.n && d.digits[d.n - 1] == '0') d.n--;
  /* The first group may have leading zeros: so many that the point stands
   * between two groups. */
  lead = d.n ? ((-d.point) % 4 + 4) % 4 : 0;
  groups = (lead + d.n + 3) / 4;
  weight = d.n ? (d.point + lead) / 4 - 1 : 0;
  put32(out, (uint32_t)(8 + 2 * groups));
  put16(out, (unsigned)groups);
  put16(out, (unsigned)weight);
  put16(out, d.neg ? 0x4000 : 0);
  put16(out, (unsigned)scale);
  for (long g = 0; g < groups; g++) {
    unsigned v = 0;

    for (long k = g * 4 - lead; k < g * 4 - lead + 4; k++)
      v = v * 10 + (k >= 0 && k < d.n ? (unsigned)(d.digits[k] - '0') : 0);
    put16(out, v);
  }
  return 0;
}

static int put_numeric(cq_buf *out, cq_arena *a, const cq_value *v) {
  cq_value text;

  if (v->kind == CQ_DOUBLE && !isfinite(v->u.r)) {
    put_null(out);
    return 1;
  }
  if (cq_value_to_text(a, v, &text)) {
    out->rc = CQ_NOMEM;
    return 0;
  }
  return put_decimal(out, a, text.u.s, text.len);
}

/* ---- addresses, ids ----------------------------------------------------------- */

static int put_net(cq_buf *out, const cq_value *v, int cidr) {
  char text[64];
  unsigned char b[20];
  char *slash, *end;
  long bits, all;
  int six;
  size_t size;

  if (v->kind != CQ_STR || v->len == 0 || v->len >= sizeof text) goto unfit;
  memcpy(text, v->u.s, v->len);
  text[v->len] = 0;
  if (strlen(text) != v->len) goto unfit;
  slash = strchr(text, '/');
  if (slash) *slash++ = 0;
  six = strchr(text, ':') != NULL;
  all = six ? 128 : 32;
  size = six ? 16 : 4;
  if (inet_pton(six ? AF_INET6 : AF_INET, text, b + 4) != 1) goto unfit;
  bits = all;
  if (slash) {
    bits = strtol(slash, &end, 10);
    if (end == slash || *end || bits < 0 || bits > all) goto unfit;
  }
  for (long i = bits; cidr && i < all; i++)
    if (b[4 + i / 8] & (0x80 >> (i % 8))) goto unfit;
  b[0] = six ? 3 : 2; /* PostgreSQL's own numbers of the two families */
  b[1] = (unsigned char)bits;
  b[2] = (unsigned char)cidr;
  b[3] = (unsigned char)size;
  put_bytes(out, b, 4 + size);
  return 0;
unfit:
  put_null(out);
  return 1;
}

static int put_hex(cq_buf *out, const cq_value *v, char sep, size_t want) {
  unsigned char b[16];

  if (v->kind != CQ_STR || !cq_unhex(v->u.s, v->len, sep, b, want)) {
    put_null(out);
    return 1;
  }
  put_bytes(out, b, want);
  return 0;
}

/* ---- times -------------------------------------------------------------------- */

static int put_time(cq_buf *out, const cq_value *v, int date) {
  int64_t us;

  if (v->kind != CQ_STR || cq_time_parse(v->u.s, v->len, &us)) {
    put_null(out);
    return 1;
  }
  us -= PG_EPOCH_US;
  if (date) {
    int64_t days = us / DAY_US - (us % DAY_US < 0);

    put32(out, 4);
    put32(out, (uint32_t)(int32_t)days);
  } else {
    put_int64(out, us);
  }
  return 0;
}

/* ---- numbers -------------------------------------------------------------------- */

static int put_integer(cq_buf *out, const cq_value *v) {
  if (v->kind == CQ_INT) {
    put_int64(out, v->u.i);
    return 0;
  }
  if (v->kind == CQ_DOUBLE && v->u.r >= -9007199254740992.0 &&
      v->u.r <= 9007199254740992.0 && v->u.r == floor(v->u.r)) {
    put_int64(out, (int64_t)v->u.r);
    return 0;
  }
  put_null(out);
  return 1;
}

static int put_real(cq_buf *out, const cq_value *v) {
  double r = v->kind == CQ_INT ? (double)v->u.i : v->u.r;
  int64_t bits;

  if (v->kind != CQ_INT && v->kind != CQ_DOUBLE) {
    put_null(out);
    return 1;
  }
  memcpy(&bits, &r, sizeof bits);
  put_int64(out, bits);
  return 0;
}

static int put_boolean(cq_buf *out, const cq_value *v) {
  char b = (char)v->u.i;

  if (v->kind != CQ_INT || (v->u.i != 0 && v->u.i != 1)) {
    put_null(out);
    return 1;
  }
  put_bytes(out, &b, 1);
  return 0;
}

static int put_string(cq_buf *out, cq_arena *a, const cq_value *v) {
  cq_value text = *v;

  if (v->kind == CQ_BYTES) {
    put_null(out);
    return 1;
  }
  if (v->kind != CQ_STR && cq_value_to_text(a, v, &text)) {
    out->rc = CQ_NOMEM;
    return 0;
  }
  put_text(out, text.u.s, text.len);
  return 0;
}

/* ---- fields ----------------------------------------------------------------------- */

static int put_scalar(cq_buf *out, cq_arena *a, int base, const cq_value *v) {
  if (v->kind == CQ_NULL) {
    put_null(out);
    return 0;
  }
  switch ((cq_type)base) {
  case CQ_INTEGER:
    return put_integer(out, v);
  case CQ_REAL:
    return put_real(out, v);
  case CQ_BOOLEAN:
    return put_boolean(out, v);
  case CQ_TIMESTAMP:
    return put_time(out, v, 0);
  case CQ_DATE:
    return put_time(out, v, 1);
  case CQ_DECIMAL:
    return v->kind == CQ_BYTES ? (put_null(out), 1) : put_numeric(out, a, v);
  case CQ_UUID:
    return put_hex(out, v, '-', 16);
  case CQ_INET:
    return put_net(out, v, 0);
  case CQ_CIDR:
    return put_net(out, v, 1);
  case CQ_MAC:
    return put_hex(out, v, ':', 6);
  case CQ_BLOB:
    if (v->kind != CQ_STR && v->kind != CQ_BYTES) return (put_null(out), 1);
    put_bytes(out, v->u.s, v->len);
    return 0;
  case CQ_JSON:
    return v->kind == CQ_STR ? put_json(out, v) : (put_null(out), 1);
  default:
    return put_string(out, a, v);
  }
}

/* One element, as its JSON says it: null stays, the rest becomes the type. */
static int put_element(cq_buf *out, cq_arena *a, int base, const cq_value *v) {
  cq_value cell;

  if (cq_cell_element(a, base, v, &cell)) {
    out->rc = CQ_NOMEM;
    return 0;
  }
  return put_scalar(out, a, base, &cell);
}

static int put_list(cq_buf *out, cq_arena *a, int base, const cq_value *v) {
  size_t head = out->len, at = 0;
  uint32_t n = 0, nulls = 0;
  int odd = 0, rc = CQ_ERROR;
  cq_value e;

  if (v->kind == CQ_NULL) {
    put_null(out);
    return 0;
  }
  put32(out, 0);
  put32(out, 1); /* dimensions */
  put32(out, 0); /* is an element NULL? */
  put32(out, pg_types[base - 1].oid);
  put32(out, 0); /* how many */
  put32(out, 1); /* the first one's number */
  while (v->kind == CQ_STR &&
         (rc = cq_json_element(a, v->u.s, v->len, &at, &e)) == CQ_ROW) {
    size_t from = out->len;

    odd |= put_element(out, a, base, &e);
    if (out->rc) return 0;
    nulls |= get32(out->data + from) == UINT32_MAX;
    n++;
  }
  if (rc == CQ_NOMEM) out->rc = rc;
  if (out->rc) return 0;
  if (rc != CQ_DONE) {
    out->len = head;
    put_null(out);
    return 1;
  }
  if (!n) { /* no dimension at all */
    out->len = head + 16;
    set32(out->data + head + 4, 0);
  } else {
    set32(out->data + head + 8, nulls);
    set32(out->data + head + 16, n);
  }
  set32(out->data + head, (uint32_t)(out->len - head - 4));
  return odd;
}

int cq_pgcopy_field(cq_buf *out, cq_arena *a, int type, const cq_value *v) {
  int base = base_of(type);

  if (type & CQ_LIST && base != CQ_JSON) return put_list(out, a, base, v);
  return put_scalar(out, a, base, v);
}
