/* ext/data/cqid.c: the text of a value as CloudQuery hashes it for _cq_id.
 *
 * CloudQuery's source SDK (version 4, packages schema and scalar) makes a
 * row's _cq_id from its key components: SHA-256 over, for each component in
 * the order of the names, the name's bytes and the scalar's String(); then a
 * UUIDv5 over the nil namespace and that digest.  What String() gives:
 *
 *   NULL       (null), also for NULL elements of a list
 *   text       the bytes
 *   integer    decimal
 *   real       fewest digits that read back, never an exponent: 1e21 is
 *              1000000000000000000000, 1.0 is 1; NaN, +Inf, -Inf
 *   boolean    true, false
 *   timestamp  RFC 3339 in UTC, whole seconds: a fraction is cut off
 *   date       2006-01-02
 *   uuid       lower case, 8-4-4-4-12
 *   json       the JSON bytes as the SDK holds them: those of its own encoder
 *              for structs and maps, so keys there come in Go's order, while
 *              cq's come in the definition's
 *   inet, cidr address/prefix, always with a prefix (/32, /128 for a host);
 *              host bits stay; an IPv4 address mapped into IPv6 is printed as
 *              IPv4, its prefix less 96 (not below 0); no other IPv6 address
 *              has a dotted tail
 *   mac        lower case with colons
 *   list       [a, b]: each element's String(), no quotes
 *   blob       the bytes
 *   decimal    digits with the type's scale; cq hashes the text as it came
 *
 * A value that does not have its column's type (kept as text by conversion)
 * is hashed as its text. */
#include "data/data.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* "2024-01-02T03:04:05.678Z" without the fraction. */
static void cqid_timestamp(cq_buf *out, const cq_value *v) {
  int64_t us;
  char text[40];
  if (cq_time_parse(v->u.s, v->len, &us) != CQ_OK) {
    cq_buf_add(out, v->u.s, v->len);
    return;
  }
  /* Down to the second also before 1970. */
  us -= (us % 1000000 + 1000000) % 1000000;
  cq_time_format(us, text);
  cq_buf_str(out, text);
}

/* RFC 5952 without dotted tails: hex groups, the first longest run of two or
 * more zero groups as "::". */
static void cqid_ip6(cq_buf *out, const unsigned char *a) {
  int best = -1, nbest = 1, i, j;
  for (i = 0; i < 8; i = j + 1) {
    for (j = i; j < 8 && !a[2 * j] && !a[2 * j + 1]; j++) {
    }
    if (j - i > nbest) {
      best = i;
      nbest = j - i;
    }
  }
  for (i = 0; i < 8; i++) {
    if (i == best) {
      cq_buf_str(out, "::");
      i += nbest - 1;
      continue;
    }
    if (i > 0 && i != best + nbest) cq_buf_byte(out, ':');
    cq_buf_printf(out, "%x", (unsigned)(a[2 * i] << 8 | a[2 * i + 1]));
  }
}

static void cqid_net(cq_buf *out, const cq_value *v) {
  static const unsigned char mapped[12] = {0, 0, 0, 0, 0,    0,
                                           0, 0, 0, 0, 0xFF, 0xFF};
  char text[INET6_ADDRSTRLEN + 8];
  unsigned char a[16];
  const unsigned char *four = NULL;
  char *slash;
  int prefix, six;
  if (v->len == 0 || v->len >= sizeof(text)) goto plain;
  memcpy(text, v->u.s, v->len);
  text[v->len] = '\0';
  six = strchr(text, ':') != NULL;
  prefix = six ? 128 : 32;
  slash = strchr(text, '/');
  if (slash) {
    const char *p;
    *slash = '\0';
    prefix = 0;
    for (p = slash + 1; *p >= '0' && *p <= '9' && prefix <= 128; p++)
      prefix = prefix * 10 + (*p - '0');
    if (*p || p == slash + 1) goto plain;
  }
  if (inet_pton(six ? AF_INET6 : AF_INET, text, a) != 1) goto plain;
  if (!six) {
    four = a;
  } else if (memcmp(a, mapped, sizeof(mapped)) == 0) {
    four = a + 12;
    prefix = prefix > 96 ? prefix - 96 : 0;
  }
  if (four)
    cq_buf_printf(out, "%d.%d.%d.%d", four[0], four[1], four[2], four[3]);
  else
    cqid_ip6(out, a);
  cq_buf_printf(out, "/%d", prefix);
  return;
plain:
  cq_buf_add(out, v->u.s, v->len);
}

static void cqid_boolean(cq_buf *out, const cq_value *v) {
  int is = (v->len == 4 && !memcmp(v->u.s, "true", 4)) ? 1 : 0;
  if (is || (v->len == 5 && !memcmp(v->u.s, "false", 5)))
    cq_buf_str(out, is ? "true" : "false");
  else
    cq_buf_add(out, v->u.s, v->len);
}

static void cqid_list(cq_buf *out, const cq_value *v, int base) {
  cq_arena a;
  cq_value one;
  size_t at = 0, start = out->len;
  int n = 0, rc;
  cq_arena_init(&a);
  cq_buf_byte(out, '[');
  while ((rc = cq_json_element(&a, v->u.s, v->len, &at, &one)) == CQ_ROW) {
    if (n++) cq_buf_str(out, ", ");
    if (one.kind == CQ_STR && base == CQ_BLOB) {
      if (cq_base64_decode(out, one.u.s, one.len) == CQ_ERROR)
        cq_buf_add(out, one.u.s, one.len);
    } else {
      cq_value_cqid_text(out, &one, base);
    }
  }
  cq_buf_byte(out, ']');
  if (rc == CQ_NOMEM && out->rc == CQ_OK) out->rc = CQ_NOMEM;
  if (rc == CQ_ERROR && out->rc == CQ_OK) {
    /* No array, so no list: its text. */
    out->len = start;
    cq_buf_add(out, v->u.s, v->len);
  }
  cq_arena_clear(&a);
}

/* A key's integer is written for each row: printf costs as much as the hash. */
static void cqid_integer(cq_buf *out, int64_t i) {
  uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
  char text[20], *p = text + sizeof text;

  do {
    *--p = (char)('0' + u % 10);
    u /= 10;
  } while (u);
  if (i < 0) cq_buf_byte(out, '-');
  cq_buf_add(out, p, (size_t)(text + sizeof text - p));
}

void cq_value_cqid_text(cq_buf *out, const cq_value *v, int type) {
  int base = type & CQ_TYPE_MASK;
  char plain[CQ_REAL_PLAIN];
  switch (v->kind) {
  case CQ_INT:
    if (base == CQ_BOOLEAN && !(type & CQ_LIST))
      cq_buf_str(out, v->u.i ? "true" : "false");
    else
      cqid_integer(out, v->u.i);
    break;
  case CQ_DOUBLE:
    cq_buf_add(out, plain, cq_real_plain(v->u.r, plain));
    break;
  case CQ_BYTES:
    cq_buf_add(out, v->u.s, v->len);
    break;
  case CQ_STR:
    if (type & CQ_LIST)
      cqid_list(out, v, base);
    else if (base == CQ_TIMESTAMP)
      cqid_timestamp(out, v);
    else if (base == CQ_INET || base == CQ_CIDR)
      cqid_net(out, v);
    else if (base == CQ_BOOLEAN)
      cqid_boolean(out, v);
    else
      cq_buf_add(out, v->u.s, v->len);
    break;
  default:
    cq_buf_str(out, "(null)");
  }
}
