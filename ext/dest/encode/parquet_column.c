/* ext/dest/encode/parquet_column.c: a column's values of one row group.  They
 * become a dictionary and numbers into it as long as values repeat, and stand
 * one after the other where they do not; one page of each kind, compressed. */
#include "dest/encode/parquet.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum {
  WORDS_MAX = 32768,       /* of a dictionary */
  WORDS_BYTES = 512 << 10, /* in it */
  WORDS_SURE = 256,        /* values before it is judged */
  STAT_MAX = 64,           /* bytes of a least or greatest value */
  LEVEL = 3,
  WINDOW_LOG = 19, /* as far back as a value is looked for: it is kept */
  PIECE_MIN = 256, /* of values that stand one after the other */
  PIECE_MAX = 64 << 10,
  HEAD_MAX = 64, /* bytes of a page's head */
  PAGE_DATA = 0,
  PAGE_WORDS = 2,
  AS_PLAIN = 0,
  AS_RLE = 3,
  AS_WORDS = 8
};

static size_t width_of(const pq_column *c) {
  return c->physical == PQ_INT32 ? 4 : c->physical == PQ_FIXED ? 16 : 8;
}

/* ---- values one after the other ------------------------------------------------- */

static void pieces_clear(pq_pieces *s) {
  for (pq_piece *p = s->first, *next; p; p = next) {
    next = p->next;
    cq_free(p);
  }
  memset(s, 0, sizeof *s);
}

static pq_piece *pieces_grow(pq_pieces *s, size_t cap) {
  pq_piece *p = cq_malloc(sizeof *p + cap);

  if (!p) return NULL;
  p->next = NULL;
  p->len = 0;
  p->cap = cap;
  if (s->last)
    s->last->next = p;
  else
    s->first = p;
  s->last = p;
  s->cap += cap;
  return p;
}

static int pieces_add(pq_pieces *s, const char *from, size_t n) {
  while (n) {
    pq_piece *p = s->last;
    size_t take = p ? p->cap - p->len : 0;

    if (!take) {
      /* As much again as there is, since most columns stay small. */
      size_t cap = s->cap < PIECE_MIN   ? PIECE_MIN
                   : s->cap < PIECE_MAX ? s->cap
                                        : PIECE_MAX;

      p = pieces_grow(s, cap);
      if (!p) return CQ_NOMEM;
      take = cap;
    }
    if (take > n) take = n;
    memcpy((char *)(p + 1) + p->len, from, take);
    p->len += take;
    s->len += take;
    from += take;
    n -= take;
  }
  return CQ_OK;
}

/* Where more may be put, at least a byte; NULL: no memory. */
static char *pieces_room(pq_pieces *s, size_t *room) {
  pq_piece *p = s->last;

  if (!p || p->len == p->cap) p = pieces_grow(s, PIECE_MAX);
  if (!p) return NULL;
  *room = p->cap - p->len;
  return (char *)(p + 1) + p->len;
}

static void pieces_put(pq_pieces *s, size_t n) {
  s->last->len += n;
  s->len += n;
}

/* The first has been read. */
static void pieces_drop(pq_pieces *s) {
  pq_piece *p = s->first;

  s->first = p->next;
  if (!s->first) s->last = NULL;
  s->len -= p->len;
  s->cap -= p->cap;
  cq_free(p);
}

/* Where a reader of pieces is. */
typedef struct pq_place {
  const pq_piece *piece;
  size_t at;
} pq_place;

/* Its next n bytes, which are there: where they stand, or copied (arena) where
 * they are in several pieces.  NULL: no memory. */
static const char *pieces_next(pq_place *w, size_t n, cq_arena *a) {
  const char *whole = NULL;
  char *to;

  while (w->piece && w->at == w->piece->len) {
    w->piece = w->piece->next;
    w->at = 0;
  }
  if (w->piece && w->piece->len - w->at >= n) {
    whole = pq_piece_data(w->piece) + w->at;
    w->at += n;
    return whole;
  }
  whole = to = cq_arena_alloc(a, n ? n : 1);
  for (size_t got = 0, take; to && got < n && w->piece; got += take) {
    take = w->piece->len - w->at;
    if (take > n - got) take = n - got;
    memcpy(to + got, pq_piece_data(w->piece) + w->at, take);
    w->at += take;
    if (w->at == w->piece->len) {
      w->piece = w->piece->next;
      w->at = 0;
    }
  }
  return whole;
}

void cq_parquet_column_clear(pq_column *c) {
  cq_buf_clear(&c->def);
  cq_buf_clear(&c->rep);
  pieces_clear(&c->plain);
  cq_buf_clear(&c->words);
  cq_free(c->at);
  cq_free(c->index);
  cq_free(c->slots);
  c->at = c->index = c->slots = NULL;
  c->nword = c->capword = c->nindex = c->capindex = c->nslot = 0;
  c->nvalue = c->nnull = 0;
  c->worth = 1;
}

size_t cq_parquet_kept(const pq_column *c) {
  return c->def.cap + c->rep.cap + c->plain.cap + c->words.cap +
         c->capindex * sizeof *c->index + c->capword * sizeof *c->at +
         c->nslot * sizeof *c->slots;
}

/* ---- the dictionary ----------------------------------------------------------------- */

static size_t word_size(const pq_column *c, const char *p) {
  uint32_t n;

  if (c->physical != PQ_BYTES) return width_of(c);
  memcpy(&n, p, 4);
  return 4 + (size_t)n;
}

/* The same value again, as PLAIN has it: n bytes at p. */
static size_t slot_of(const pq_column *c, const char *p, size_t n) {
  size_t at = (size_t)cq_hash64(p, n, 3) & (c->nslot - 1);

  for (; c->slots[at]; at = (at + 1) & (c->nslot - 1)) {
    const char *w = c->words.data + c->at[c->slots[at] - 1];

    if (word_size(c, w) == n && memcmp(w, p, n) == 0) break;
  }
  return at;
}

static int more_slots(pq_column *c) {
  size_t n = c->nslot ? c->nslot * 2 : 16;
  uint32_t *slots = cq_calloc(n, sizeof *slots);

  if (!slots) return CQ_NOMEM;
  cq_free(c->slots);
  c->slots = slots;
  c->nslot = n;
  for (size_t i = 0; i < c->nword; i++) {
    const char *w = c->words.data + c->at[i];

    c->slots[slot_of(c, w, word_size(c, w))] = (uint32_t)i + 1;
  }
  return CQ_OK;
}

/* It does not pay: what was gathered stands one after the other. */
static int give_up(pq_column *c) {
  int rc = CQ_OK;

  c->worth = 0;
  for (size_t i = 0; i < c->nindex && rc == CQ_OK; i++) {
    const char *w = c->words.data + c->at[c->index[i]];

    rc = pieces_add(&c->plain, w, word_size(c, w));
  }
  cq_buf_clear(&c->words);
  cq_free(c->at);
  cq_free(c->index);
  cq_free(c->slots);
  c->at = c->index = c->slots = NULL;
  c->nword = c->capword = c->nindex = c->capindex = c->nslot = 0;
  return rc;
}

static int put(pq_column *c, const char *p, size_t n) {
  size_t at;

  c->nvalue++;
  if (c->worth &&
      (n > 4096 || c->nword >= WORDS_MAX || c->words.len > WORDS_BYTES ||
       (c->nindex >= WORDS_SURE && c->nword > c->nindex / 4 * 3)) &&
      give_up(c))
    return CQ_NOMEM;
  if (!c->worth) return pieces_add(&c->plain, p, n);
  if (2 * (c->nword + 1) > c->nslot && more_slots(c)) return CQ_NOMEM;
  if (cq_grow(&c->index, &c->capindex, c->nindex, sizeof *c->index))
    return CQ_NOMEM;
  at = slot_of(c, p, n);
  if (!c->slots[at]) {
    if (cq_grow(&c->at, &c->capword, c->nword, sizeof *c->at)) return CQ_NOMEM;
    c->at[c->nword] = (uint32_t)c->words.len;
    cq_buf_add(&c->words, p, n);
    if (c->words.rc) return c->words.rc;
    c->slots[at] = (uint32_t)++c->nword;
  }
  c->index[c->nindex++] = c->slots[at] - 1;
  return CQ_OK;
}

static int put_bytes(pq_column *c, const char *s, size_t n) {
  char small[512];
  char *p = n + 4 <= sizeof small ? small : cq_malloc(n + 4);
  uint32_t len = (uint32_t)n;
  int rc;

  if (!p) return CQ_NOMEM;
  memcpy(p, &len, 4);
  memcpy(p + 4, s, n);
  rc = put(c, p, n + 4);
  if (p != small) cq_free(p);
  return rc;
}

/* ---- values --------------------------------------------------------------------------- */

/* Texts, and what stands as text. */
static int put_text(pq_column *c, const cq_value *v) {
  char text[CQ_REAL_TEXT];
  size_t n;

  if (v->kind == CQ_STR && c->type == CQ_JSON && !v->json) {
    cq_buf b;
    int rc;

    cq_buf_init(&b, SIZE_MAX / 4);
    cq_buf_json(&b, v->u.s, v->len);
    rc = b.rc ? b.rc : put_bytes(c, b.data, b.len);
    cq_buf_clear(&b);
    return rc;
  }
  if (v->kind == CQ_STR || v->kind == CQ_BYTES)
    return put_bytes(c, v->u.s, v->len);
  n = v->kind == CQ_INT
          ? (size_t)snprintf(text, sizeof text, "%lld", (long long)v->u.i)
          : cq_real_format(v->u.r, text);
  return put_bytes(c, text, n);
}

/* Numbers stand in the machine's order, which is Parquet's on all that cq runs
 * on: the least significant byte first. */
static int put_value(pq_column *c, const cq_value *v) {
  char fixed[16];
  char yes;
  int64_t i;
  int32_t d;
  double r;

  switch (c->physical) {
  case PQ_BOOLEAN:
    c->nvalue++;
    yes = (char)(v->u.i != 0);
    return pieces_add(&c->plain, &yes, 1);
  case PQ_INT32:
    d = cq_cell_days(v);
    return put(c, (const char *)&d, 4);
  case PQ_INT64:
    i = c->type == CQ_TIMESTAMP ? cq_cell_micros(v) : v->u.i;
    return put(c, (const char *)&i, 8);
  case PQ_DOUBLE:
    r = cq_cell_real(v);
    return put(c, (const char *)&r, 8);
  case PQ_FIXED:
    cq_cell_uuid(v, fixed);
    return put(c, fixed, 16);
  default:
    return put_text(c, v);
  }
}

int cq_parquet_null(pq_column *c) {
  c->nnull++;
  cq_buf_byte(&c->def, 0);
  if (c->list) cq_buf_byte(&c->rep, 0);
  return c->def.rc ? c->def.rc : c->rep.rc;
}

int cq_parquet_value(pq_column *c, const cq_value *v) {
  if (c->optional) cq_buf_byte(&c->def, 1);
  return c->def.rc ? c->def.rc : put_value(c, v);
}

int cq_parquet_element(pq_column *c, const cq_value *v, int rep, int empty) {
  cq_buf_byte(&c->rep, (char)rep);
  cq_buf_byte(&c->def, empty ? 1 : v && v->kind != CQ_NULL ? 3 : 2);
  if (c->def.rc || c->rep.rc) return CQ_NOMEM;
  if (empty || !v || v->kind == CQ_NULL) {
    c->nnull++;
    return CQ_OK;
  }
  return put_value(c, v);
}

/* ---- statistics -------------------------------------------------------------------------- */

static int compare(const pq_column *c, const char *a, const char *b) {
  uint32_t n, m;
  int64_t i, k;
  int32_t d, e;
  double r, s;
  int x;

  switch (c->physical) {
  case PQ_INT32:
    memcpy(&d, a, 4);
    memcpy(&e, b, 4);
    return d < e ? -1 : d > e;
  case PQ_INT64:
    memcpy(&i, a, 8);
    memcpy(&k, b, 8);
    return i < k ? -1 : i > k;
  case PQ_DOUBLE:
    memcpy(&r, a, 8);
    memcpy(&s, b, 8);
    return r < s ? -1 : r > s;
  case PQ_FIXED:
    return memcmp(a, b, 16);
  default:
    memcpy(&n, a, 4);
    memcpy(&m, b, 4);
    x = memcmp(a + 4, b + 4, n < m ? n : m);
    return x ? x : n < m ? -1 : n > m;
  }
}

static void extend(const pq_column *c, const char *p, const char **least,
                   const char **most) {
  if (!*least || compare(c, p, *least) < 0) *least = p;
  if (!*most || compare(c, p, *most) > 0) *most = p;
}

/* The next value of those that stand one after the other; NULL: no memory. */
static const char *next_value(const pq_column *c, pq_place *w, cq_arena *a) {
  size_t n = width_of(c);
  pq_place here = *w;
  const char *size;
  uint32_t bytes;

  if (c->physical == PQ_BYTES) {
    size = pieces_next(&here, 4, a);
    if (!size) return NULL;
    memcpy(&bytes, size, 4);
    n = 4 + (size_t)bytes;
  }
  return pieces_next(w, n, a);
}

static void statistics(const pq_column *c, cq_buf *meta) {
  const char *least = NULL, *most = NULL, *p = "";
  pq_place w = {c->plain.first, 0};
  cq_arena parted; /* values that are in two pieces */
  int in = 0;

  cq_arena_init(&parted);
  cq_thrift_long(meta, &in, 3, (int64_t)c->nnull);
  if (c->stats && c->worth)
    for (size_t at = 0; at < c->words.len; at += word_size(c, p)) {
      p = c->words.data + at;
      extend(c, p, &least, &most);
    }
  else if (c->stats)
    for (size_t i = 0; i < c->nvalue && p; i++) {
      p = next_value(c, &w, &parted);
      if (p) extend(c, p, &least, &most);
    }
  if (!p) meta->rc = CQ_NOMEM;
  if (least) {
    size_t skip = c->physical == PQ_BYTES ? 4 : 0;
    size_t n = word_size(c, least) - skip, m = word_size(c, most) - skip;
    double zero = 0, less = -0.0;

    least += skip;
    most += skip;
    /* Zero has two forms: between them nothing may be missed. */
    if (c->physical == PQ_DOUBLE && memcmp(least, &zero, 8) == 0)
      least = (const char *)&less;
    if (c->physical == PQ_DOUBLE && memcmp(most, &less, 8) == 0)
      most = (const char *)&zero;
    if (n <= STAT_MAX && m <= STAT_MAX) {
      cq_thrift_bytes(meta, &in, 5, most, m);
      cq_thrift_bytes(meta, &in, 6, least, n);
    }
  }
  cq_thrift_stop(meta);
  cq_arena_clear(&parted);
}

/* ---- pages --------------------------------------------------------------------------------- */

/* A page's body: levels or words, then values that stand where they were
 * gathered, and go as they are taken. */
typedef struct pq_body {
  const cq_buf *head;
  pq_pieces *values; /* or NULL */
} pq_body;

static size_t body_size(const pq_body *b) {
  return b->head->len + (b->values ? b->values->len : 0);
}

/* Its next piece, the one before being done with: 0 where there is none. */
static int body_next(const pq_body *b, int first, const char **p, size_t *n) {
  if (!first && b->values) pieces_drop(b->values);
  if (!b->values || !b->values->first) return 0;
  *p = pq_piece_data(b->values->first);
  *n = b->values->first->len;
  return 1;
}

static int squeeze_zstd(const pq_body *in, ZSTD_CCtx **zstd, pq_pieces *out,
                        cq_error *err) {
  ZSTD_inBuffer from = {in->head->data, in->head->len, 0};
  size_t left = 1, n = 0;
  const char *next = NULL;
  int first = 1, more = 1;

  if (!*zstd) *zstd = ZSTD_createCCtx();
  if (!*zstd) return cq_error_nomem(err);
  ZSTD_CCtx_reset(*zstd, ZSTD_reset_session_only);
  ZSTD_CCtx_setParameter(*zstd, ZSTD_c_compressionLevel, LEVEL);
  ZSTD_CCtx_setParameter(*zstd, ZSTD_c_windowLog, WINDOW_LOG);
  ZSTD_CCtx_setPledgedSrcSize(*zstd, body_size(in));
  while (more || left) {
    ZSTD_outBuffer to = {NULL, 0, 0};

    if (more && from.pos == from.size) {
      more = body_next(in, first, &next, &n);
      first = 0;
      from = (ZSTD_inBuffer){more ? next : "", more ? n : 0, 0};
    }
    to.dst = pieces_room(out, &to.size);
    if (!to.dst) return cq_error_nomem(err);
    left = ZSTD_compressStream2(*zstd, &to, &from,
                                more ? ZSTD_e_continue : ZSTD_e_end);
    if (ZSTD_isError(left))
      return cq_error_set(err, CQ_ERROR, "zstd: %s", ZSTD_getErrorName(left));
    pieces_put(out, to.pos);
  }
  return CQ_OK;
}

static int squeeze_gzip(const pq_body *in, pq_pieces *out, cq_error *err) {
  const char *next = NULL;
  int first = 1, more = 1, rc = Z_OK;
  size_t n, room;
  z_stream z;

  memset(&z, 0, sizeof z);
  if (deflateInit2(&z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY))
    return cq_error_nomem(err);
  z.next_in = (Bytef *)in->head->data;
  z.avail_in = (uInt)in->head->len;
  while (rc == Z_OK || rc == Z_BUF_ERROR) {
    if (more && !z.avail_in) {
      more = body_next(in, first, &next, &n);
      first = 0;
      z.next_in = more ? (Bytef *)(uintptr_t)next : NULL;
      z.avail_in = more ? (uInt)n : 0;
    }
    z.next_out = (Bytef *)pieces_room(out, &room);
    if (!z.next_out) break;
    z.avail_out = (uInt)room;
    rc = deflate(&z, more ? Z_NO_FLUSH : Z_FINISH);
    pieces_put(out, room - z.avail_out);
  }
  deflateEnd(&z);
  if (rc == Z_STREAM_END) return CQ_OK;
  return z.next_out ? cq_error_set(err, CQ_ERROR, "gzip: %d", rc)
                    : cq_error_nomem(err);
}

static int squeeze(pq_codec codec, ZSTD_CCtx **zstd, const pq_body *in,
                   pq_pieces *out, cq_error *err) {
  const char *p;
  size_t n;

  if (in->head->rc) return cq_error_nomem(err);
  if (codec == PQ_ZSTD) return squeeze_zstd(in, zstd, out, err);
  if (codec == PQ_GZIP) return squeeze_gzip(in, out, err);
  if (pieces_add(out, in->head->data, in->head->len))
    return cq_error_nomem(err);
  for (int first = 1; body_next(in, first, &p, &n); first = 0)
    if (pieces_add(out, p, n)) return cq_error_nomem(err);
  return CQ_OK;
}

static void page_head(int kind, size_t values, int encoding, size_t plain,
                      size_t small, cq_buf *head) {
  int last = 0, in = 0;

  cq_thrift_int(head, &last, 1, kind);
  cq_thrift_int(head, &last, 2, (int64_t)plain);
  cq_thrift_int(head, &last, 3, (int64_t)small);
  cq_thrift_struct(head, &last, kind == PAGE_DATA ? 5 : 7);
  cq_thrift_int(head, &in, 1, (int64_t)values);
  cq_thrift_int(head, &in, 2, encoding);
  if (kind == PAGE_DATA) {
    cq_thrift_int(head, &in, 3, AS_RLE);
    cq_thrift_int(head, &in, 4, AS_RLE);
  }
  cq_thrift_stop(head);
  cq_thrift_stop(head);
}

static int sink_add(pq_sink *to, const char *p, size_t n, cq_error *err) {
  cq_buf_add(to->out, p, n);
  if (to->out->rc) return cq_error_nomem(err);
  to->put += (int64_t)n;
  return to->pass ? to->pass(to->user, to->out, err) : CQ_OK;
}

/* A page's head, which says how long its body has become, and its body; *total
 * grows by what it would be uncompressed. */
static int page(int kind, size_t values, int encoding, pq_codec codec,
                ZSTD_CCtx **zstd, const pq_body *body, pq_sink *to,
                int64_t *total, cq_error *err) {
  size_t plain = body_size(body);
  pq_pieces small = {NULL, NULL, 0, 0};
  cq_buf head;
  int rc = squeeze(codec, zstd, body, &small, err);

  cq_buf_init(&head, HEAD_MAX);
  if (rc == CQ_OK) {
    page_head(kind, values, encoding, plain, small.len, &head);
    rc = head.rc ? cq_error_nomem(err) : sink_add(to, head.data, head.len, err);
  }
  for (; small.first && rc == CQ_OK; pieces_drop(&small))
    rc = sink_add(to, pq_piece_data(small.first), small.first->len, err);
  *total += (int64_t)(head.len + plain);
  pieces_clear(&small);
  cq_buf_clear(&head);
  return rc;
}

static int bits_for(uint32_t most) {
  int n = 1;

  while (most >> n) n++;
  return n;
}

/* Levels with their length before them. */
static void levels(const cq_buf *in, uint32_t most, uint32_t *room,
                   cq_buf *out) {
  size_t at = out->len;
  uint32_t n;

  cq_buf_add(out, "\0\0\0\0", 4);
  for (size_t i = 0; i < in->len; i++) room[i] = (unsigned char)in->data[i];
  cq_parquet_hybrid(out, room, in->len, bits_for(most));
  if (out->rc) return;
  n = (uint32_t)(out->len - at - 4);
  memcpy(out->data + at, &n, 4);
}

static void pack_booleans(const pq_pieces *in, cq_buf *out) {
  int byte = 0, bits = 0;

  for (const pq_piece *p = in->first; p; p = p->next)
    for (size_t i = 0; i < p->len; i++) {
      byte |= pq_piece_data(p)[i] << bits;
      if (++bits < 8) continue;
      cq_buf_byte(out, (char)byte);
      byte = bits = 0;
    }
  if (bits) cq_buf_byte(out, (char)byte);
}

/* What stands before the values, and values that have to be packed. */
static int data_body(pq_column *c, cq_buf *packed, pq_body *body) {
  if (c->optional) {
    uint32_t *room = cq_malloc((c->def.len + 1) * sizeof *room);

    if (!room) return CQ_NOMEM;
    if (c->list) levels(&c->rep, 1, room, packed);
    levels(&c->def, c->list ? 3 : 1, room, packed);
    cq_free(room);
  }
  body->head = packed;
  body->values = NULL;
  if (c->worth) {
    int width = bits_for((uint32_t)(c->nword ? c->nword - 1 : 0));

    cq_buf_byte(packed, (char)width);
    cq_parquet_hybrid(packed, c->index, c->nindex, width);
  } else if (c->physical == PQ_BOOLEAN) {
    pack_booleans(&c->plain, packed);
  } else {
    body->values = &c->plain;
  }
  return packed->rc;
}

static void chunk_meta(const pq_column *c, pq_codec codec, int64_t words,
                       int64_t data, int64_t plain, int64_t small,
                       size_t entries, const cq_buf *stats, cq_buf *meta) {
  int last = 0, in = 0;

  cq_thrift_long(meta, &last, 2, 0);
  cq_thrift_struct(meta, &last, 3);
  cq_thrift_int(meta, &in, 1, c->physical);
  cq_thrift_list(meta, &in, 2, T_I32, words >= 0 ? 3 : 2);
  cq_thrift_zigzag(meta, AS_RLE);
  cq_thrift_zigzag(meta, AS_PLAIN);
  if (words >= 0) cq_thrift_zigzag(meta, AS_WORDS);
  cq_thrift_list(meta, &in, 3, T_BINARY, c->list ? 3 : 1);
  cq_thrift_item(meta, c->name, strlen(c->name));
  if (c->list) {
    cq_thrift_item(meta, "list", 4);
    cq_thrift_item(meta, "element", 7);
  }
  cq_thrift_int(meta, &in, 4, codec);
  cq_thrift_long(meta, &in, 5, (int64_t)entries);
  cq_thrift_long(meta, &in, 6, plain);
  cq_thrift_long(meta, &in, 7, small);
  cq_thrift_long(meta, &in, 9, data);
  if (words >= 0) cq_thrift_long(meta, &in, 11, words);
  cq_thrift_struct(meta, &in, 12);
  cq_buf_add(meta, stats->data, stats->len);
  cq_thrift_stop(meta);
  cq_thrift_stop(meta);
}

int cq_parquet_chunk(pq_column *c, pq_codec codec, struct ZSTD_CCtx_s **zstd,
                     int64_t offset, pq_sink *to, cq_buf *meta, int64_t *total,
                     cq_error *err) {
  size_t entries = c->optional ? c->def.len : c->nvalue;
  int64_t start = to->put, words = -1, data, plain = 0;
  pq_body body = {&c->words, NULL};
  cq_buf packed, stats;
  int rc = CQ_OK;

  cq_buf_init(&packed, SIZE_MAX / 4);
  cq_buf_init(&stats, SIZE_MAX / 4);
  /* Each value once is no dictionary. */
  if (c->worth && (c->physical == PQ_BOOLEAN || c->nword == c->nindex) &&
      give_up(c))
    rc = cq_error_nomem(err);
  if (rc == CQ_OK && c->words.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK) statistics(c, &stats); /* of values that are there still */
  if (rc == CQ_OK && stats.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK && c->worth) {
    words = offset;
    rc = page(PAGE_WORDS, c->nword, AS_PLAIN, codec, zstd, &body, to, &plain,
              err);
  }
  data = offset + to->put - start;
  if (rc == CQ_OK && data_body(c, &packed, &body)) rc = cq_error_nomem(err);
  if (rc == CQ_OK && body_size(&body) > INT32_MAX)
    rc = cq_error_set(err, CQ_TOOBIG, "column %s: a page would be %zu bytes",
                      c->name, body_size(&body));
  if (rc == CQ_OK)
    rc = page(PAGE_DATA, entries, c->worth ? AS_WORDS : AS_PLAIN, codec, zstd,
              &body, to, &plain, err);
  if (rc == CQ_OK)
    chunk_meta(c, codec, words, data, plain, to->put - start, entries, &stats,
               meta);
  cq_buf_clear(&packed);
  cq_buf_clear(&stats);
  *total += plain;
  cq_parquet_column_clear(c);
  if (rc == CQ_OK && meta->rc) rc = cq_error_nomem(err);
  return rc;
}
