/* ext/http/inflate.c: compressed bodies, undone here and not by curl, which
 * takes data that ends too early for a whole answer, and unpacks all that it
 * has read before it heeds a pause. */
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "http/internal.h"

enum { INFLATE_WINDOW_LOG = 23 }; /* 8 MiB, what RFC 9659 lets senders ask */

struct cq_inflate {
  int zlib, ready; /* `ready`: z was initialized */
  int deflate;     /* with zlib's frame or bare: the first bytes tell */
  int ended;       /* the data says that it is whole */
  z_stream z;
  ZSTD_DCtx *zstd;
};

static void *inflate_alloc(void *user, unsigned n, unsigned size) {
  (void)user;
  return cq_calloc(n, size);
}

static void inflate_free(void *user, void *p) {
  (void)user;
  cq_free(p);
}

int cq_inflate_open(const char *encoding, cq_inflate **out) {
  cq_inflate *z = cq_calloc(1, sizeof *z);

  *out = NULL;
  if (!z) return CQ_NOMEM;
  z->deflate = cq_str_ieq(encoding, "deflate");
  z->zlib = z->deflate || cq_str_ieq(encoding, "gzip") ||
            cq_str_ieq(encoding, "x-gzip");
  if (!z->zlib && !cq_str_ieq(encoding, "zstd")) {
    cq_free(z);
    return CQ_NOTFOUND;
  }
  if (!z->zlib) {
    z->zstd = ZSTD_createDCtx();
    if (!z->zstd || ZSTD_isError(ZSTD_DCtx_setParameter(
                        z->zstd, ZSTD_d_windowLogMax, INFLATE_WINDOW_LOG))) {
      cq_inflate_close(z);
      return CQ_NOMEM;
    }
  }
  *out = z;
  return CQ_OK;
}

/* 8 in the low bits of the first byte is zlib's mark; bare deflate data that
 * begins so would be a stored block with padding that is not zero. */
static int inflate_begin(cq_inflate *z, const char *in) {
  int bits = !z->deflate ? 15 + 16 : (*in & 0x0f) == 8 ? 15 : -15;

  z->z.zalloc = inflate_alloc;
  z->z.zfree = inflate_free;
  if (inflateInit2(&z->z, bits) != Z_OK) return CQ_NOMEM;
  z->ready = 1;
  return CQ_OK;
}

static int inflate_zlib(cq_inflate *z, const char *in, size_t nin, size_t *used,
                        char *out, size_t room, size_t *made) {
  int rc = Z_OK;

  if (!z->ready && nin && inflate_begin(z, in)) return CQ_NOMEM;
  if (z->ended && nin) {
    /* Behind the end: another member of gzip's, or zeros that pad. */
    if (*in == 0) {
      *used = 1;
      return CQ_OK;
    }
    if (z->deflate || inflateReset(&z->z) != Z_OK) return CQ_ERROR;
    z->ended = 0;
  }
  if (!z->ready || z->ended) return CQ_OK;
  z->z.next_in = (Bytef *)(nin ? in : "");
  z->z.avail_in = (uInt)nin;
  z->z.next_out = (Bytef *)out;
  z->z.avail_out = (uInt)room;
  rc = inflate(&z->z, Z_NO_FLUSH);
  *used = nin - z->z.avail_in;
  *made = room - z->z.avail_out;
  if (rc == Z_STREAM_END) z->ended = 1;
  if (rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR) return CQ_OK;
  return rc == Z_MEM_ERROR ? CQ_NOMEM : CQ_ERROR;
}

int cq_inflate_run(cq_inflate *z, const char *in, size_t nin, size_t *used,
                   char *out, size_t room, size_t *made) {
  ZSTD_inBuffer from = {in, nin, 0};
  ZSTD_outBuffer to = {out, room, 0};
  size_t left;

  *used = *made = 0;
  if (z->zlib) return inflate_zlib(z, in, nin, used, out, room, made);
  if (nin == 0 && z->ended) return CQ_OK;
  left = ZSTD_decompressStream(z->zstd, &to, &from);
  if (ZSTD_isError(left)) return CQ_ERROR;
  *used = from.pos;
  *made = to.pos;
  if (from.pos || to.pos) z->ended = left == 0;
  return CQ_OK;
}

int cq_inflate_ended(const cq_inflate *z) {
  return z->ended;
}

void cq_inflate_close(cq_inflate *z) {
  if (!z) return;
  if (z->ready) inflateEnd(&z->z);
  ZSTD_freeDCtx(z->zstd);
  cq_free(z);
}
