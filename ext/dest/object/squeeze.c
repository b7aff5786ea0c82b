/* ext/dest/object/squeeze.c: a file's bytes compressed piece by piece, each a
 * gzip member or a zstd frame of its own, which both formats allow to stand in a
 * row: so that many files can be under way with one compressor's memory. */
#include "dest/object/internal.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { LEVEL = 3 };

typedef struct squeezer {
  z_stream z;
  int zlib;
  ZSTD_CCtx *zstd;
} squeezer;

static void *give(void *user, unsigned n, unsigned size) {
  (void)user;
  return cq_calloc(n, size);
}

static void take(void *user, void *p) {
  (void)user;
  cq_free(p);
}

static int gzip(squeezer *s, const char *p, size_t n, cq_buf *out,
                cq_error *err) {
  int rc = Z_OK;

  if (!s->zlib) {
    s->z.zalloc = give;
    s->z.zfree = take;
    rc = deflateInit2(&s->z, LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    if (rc != Z_OK) return cq_error_nomem(err);
    s->zlib = 1;
  } else {
    deflateReset(&s->z);
  }
  /* Its counters are 32 bits wide: more goes in as it is taken. */
  while (rc != Z_STREAM_END) {
    size_t in = n > (1u << 30) ? 1u << 30 : n, room = 64 << 10;

    s->z.next_in = (Bytef *)(uintptr_t)p;
    s->z.avail_in = (uInt)in;
    if (cq_buf_reserve(out, room)) return cq_error_nomem(err);
    s->z.next_out = (Bytef *)out->data + out->len;
    s->z.avail_out = (uInt)room;
    rc = deflate(&s->z, in == n ? Z_FINISH : Z_NO_FLUSH);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
      return cq_error_set(err, CQ_ERROR, "gzip: %d", rc);
    p += in - s->z.avail_in;
    n -= in - s->z.avail_in;
    out->len += room - s->z.avail_out;
  }
  out->data[out->len] = '\0';
  return CQ_OK;
}

static int zstd(squeezer *s, const char *p, size_t n, cq_buf *out,
                cq_error *err) {
  size_t most = ZSTD_compressBound(n), got;

  if (!s->zstd) s->zstd = ZSTD_createCCtx();
  if (!s->zstd || cq_buf_reserve(out, most)) return cq_error_nomem(err);
  got = ZSTD_compressCCtx(s->zstd, out->data + out->len, most, p, n, LEVEL);
  if (ZSTD_isError(got))
    return cq_error_set(err, CQ_ERROR, "zstd: %s", ZSTD_getErrorName(got));
  out->len += got;
  out->data[out->len] = '\0';
  return CQ_OK;
}

int obj_squeeze(void **squeezed, cq_squeeze how, const char *p, size_t n,
                cq_buf *out, cq_error *err) {
  squeezer *s = *squeezed;

  if (!s) s = *squeezed = cq_calloc(1, sizeof *s);
  if (!s) return cq_error_nomem(err);
  return how == CQ_GZIP ? gzip(s, p, n, out, err) : zstd(s, p, n, out, err);
}

void obj_squeeze_free(void *squeezed) {
  squeezer *s = squeezed;

  if (!s) return;
  if (s->zlib) deflateEnd(&s->z);
  ZSTD_freeCCtx(s->zstd);
  cq_free(s);
}
