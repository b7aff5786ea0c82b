/* ext/scan/decode/feed.c: pieces of an answer become data that can be scanned.
 *
 * Cells borrow from blocks, so data never moves under a batch: a piece is
 * scanned where it lies; only what is left of it, the tail that did not make a
 * whole record, is copied to the front of a new block before the next piece.
 * New blocks have room, so that small pieces are appended in place.
 *
 * A tail is tried again only when its bytes have doubled: else a record of
 * 10 MB in chunks of 16 kB would be walked hundreds of times. */
#include "scan/decode/internal.h"

enum { FEED_ROOM = 64 << 10, FEED_PAD = 64 };

int cq_feed_add(cq_feed *f, cq_block *piece, int final, int *ready,
                cq_error *err) {
  size_t tail = f->block ? f->block->len - f->at : 0, n, cap;
  cq_block *both;

  *ready = 0;
  if (piece && piece->len == 0) {
    cq_block_unref(piece);
    piece = NULL;
  }
  if (piece && tail == 0) {
    if (f->block) f->base += (int64_t)f->block->len;
    cq_block_unref(f->block);
    f->block = piece;
    f->at = 0;
    memset(piece->data + piece->len, 0, FEED_PAD);
  } else if (piece) {
    n = tail + piece->len;
    if (f->block->cap - f->block->len >= piece->len) {
      /* Behind all that cells borrow. */
      memcpy(f->block->data + f->block->len, piece->data, piece->len);
      f->block->len += piece->len;
    } else {
      cap = 2 * n > FEED_ROOM ? 2 * n : FEED_ROOM;
      both = cq_block_new(cap);
      if (!both) {
        cq_block_unref(piece);
        return cq_error_nomem(err);
      }
      memcpy(both->data, f->block->data + f->at, tail);
      memcpy(both->data + tail, piece->data, piece->len);
      both->len = n;
      f->base += (int64_t)f->at;
      cq_block_unref(f->block);
      f->block = both;
      f->at = 0;
    }
    memset(f->block->data + f->block->len, 0, FEED_PAD);
    cq_block_unref(piece);
  } else if (final && !f->block) {
    /* An empty answer has data too: its end. */
    f->block = cq_block_new(1);
    if (!f->block) return cq_error_nomem(err);
  }
  *ready = final || (f->block && f->block->len - f->at >= f->retry &&
                     f->block->len > f->at);
  return CQ_OK;
}

int cq_feed_wait(cq_feed *f, cq_error *err) {
  size_t tail = f->block->len - f->at;

  if (tail > CQ_MAX_RECORD_BYTES)
    return cq_error_set(err, CQ_TOOBIG,
                        "answer: a record is longer than %d bytes, at byte "
                        "%lld",
                        (int)CQ_MAX_RECORD_BYTES,
                        (long long)(f->base + (int64_t)f->at));
  /* The doubling must not carry it past the bound. */
  f->retry =
      2 * tail > CQ_MAX_RECORD_BYTES ? CQ_MAX_RECORD_BYTES + 1 : 2 * tail;
  return CQ_OK;
}

int64_t cq_feed_offset(const cq_feed *f, const char *p) {
  return f->base + (p - f->block->data);
}

void cq_feed_clear(cq_feed *f) {
  cq_block_unref(f->block);
  f->block = NULL;
}

int cq_feed_refused(const cq_feed *f, const cq_js *j, const char *kind,
                    cq_error *err) {
  int64_t at = cq_feed_offset(f, j->bad < j->end ? j->bad : j->end);

  if (j->bad >= j->end)
    return cq_error_set(err, CQ_ERROR,
                        "answer is cut: the %s ends too early, at byte %lld",
                        kind, (long long)at);
  return cq_error_set(err, CQ_ERROR,
                      j->form ? "answer is %s of another form: %s, at byte %lld"
                              : "answer is not %s: %s at byte %lld",
                      kind, j->what, (long long)at);
}
