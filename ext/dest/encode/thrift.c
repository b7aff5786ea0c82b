/* ext/dest/encode/thrift.c: Thrift's compact protocol, as far as Parquet needs
 * it to be written; and Parquet's own encoding of small numbers. */
#include "dest/encode/parquet.h"

static void varint(cq_buf *b, uint64_t v) {
  while (v >= 0x80) {
    cq_buf_byte(b, (char)(v | 0x80));
    v >>= 7;
  }
  cq_buf_byte(b, (char)v);
}

void cq_thrift_zigzag(cq_buf *b, int64_t v) {
  varint(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

static void field(cq_buf *b, int *last, int id, int type) {
  int ahead = id - *last;

  if (ahead > 0 && ahead < 16) {
    cq_buf_byte(b, (char)(ahead << 4 | type));
  } else {
    cq_buf_byte(b, (char)type);
    cq_thrift_zigzag(b, id);
  }
  *last = id;
}

void cq_thrift_int(cq_buf *b, int *last, int id, int64_t v) {
  field(b, last, id, T_I32);
  cq_thrift_zigzag(b, v);
}

void cq_thrift_long(cq_buf *b, int *last, int id, int64_t v) {
  field(b, last, id, T_I64);
  cq_thrift_zigzag(b, v);
}

void cq_thrift_bool(cq_buf *b, int *last, int id, int v) {
  field(b, last, id, v ? T_TRUE : T_FALSE);
}

void cq_thrift_item(cq_buf *b, const void *p, size_t n) {
  varint(b, n);
  cq_buf_add(b, p, n);
}

void cq_thrift_bytes(cq_buf *b, int *last, int id, const void *p, size_t n) {
  field(b, last, id, T_BINARY);
  cq_thrift_item(b, p, n);
}

void cq_thrift_list(cq_buf *b, int *last, int id, int type, size_t n) {
  field(b, last, id, T_LIST);
  if (n < 15) {
    cq_buf_byte(b, (char)(n << 4 | (size_t)type));
  } else {
    cq_buf_byte(b, (char)(0xf0 | type));
    varint(b, n);
  }
}

void cq_thrift_struct(cq_buf *b, int *last, int id) {
  field(b, last, id, T_STRUCT);
}

void cq_thrift_stop(cq_buf *b) {
  cq_buf_byte(b, 0);
}

void cq_thrift_empty(cq_buf *b, int *last, int id) {
  cq_thrift_struct(b, last, id);
  cq_thrift_stop(b);
}

/* ---- runs and groups ------------------------------------------------------------ */

static size_t run_at(const uint32_t *v, size_t n, size_t i) {
  size_t k = i + 1;

  while (k < n && v[k] == v[i]) k++;
  return k - i;
}

static void pack(cq_buf *b, const uint32_t *v, size_t n, int width) {
  uint64_t bits = 0;
  int have = 0;

  for (size_t i = 0; i < (n + 7) / 8 * 8; i++) {
    bits |= (uint64_t)(i < n ? v[i] : 0) << have;
    for (have += width; have >= 8; have -= 8) {
      cq_buf_byte(b, (char)bits);
      bits >>= 8;
    }
  }
}

void cq_parquet_hybrid(cq_buf *b, const uint32_t *v, size_t n, int width) {
  for (size_t i = 0; i < n;) {
    size_t run = run_at(v, n, i), end = i;

    if (run >= 8) {
      varint(b, (uint64_t)run << 1);
      for (int k = 0; k < width; k += 8) cq_buf_byte(b, (char)(v[i] >> k));
      i += run;
      continue;
    }
    /* Eight at a time, until the next eight are one run; only at the very end
     * may there be fewer. */
    do {
      end += 8;
    } while (end < n && run_at(v, n < end + 8 ? n : end + 8, end) < 8);
    if (end > n) end = n;
    varint(b, (uint64_t)((end - i + 7) / 8) << 1 | 1);
    pack(b, v + i, end - i, width);
    i = end;
  }
}
