/* ext/dest/writer/shelf.c: rows in a spool, found again by whom they belong to. */
#include <string.h>

#include "dest/writer/internal.h"

void cq_shelf_clear(cq_shelf *h) {
  cq_free(h->items);
  cq_free(h->first);
  cq_free(h->last);
  cq_free(h->who);
  memset(h, 0, sizeof *h);
}

static size_t slot_of(const cq_shelf *h, uint64_t who) {
  size_t i = (size_t)who & (h->slots - 1);

  while (h->first[i] >= 0 && h->who[i] != who) i = (i + 1) & (h->slots - 1);
  return i;
}

static int shelf_grow(cq_shelf *h) {
  size_t slots = h->slots ? h->slots * 2 : 64;
  cq_shelf more;

  if (h->slots && h->used * 2 < h->slots) return CQ_OK;
  memset(&more, 0, sizeof more);
  more.slots = slots;
  more.first = cq_malloc(slots * sizeof *more.first);
  more.last = cq_malloc(slots * sizeof *more.last);
  more.who = cq_malloc(slots * sizeof *more.who);
  if (!more.first || !more.last || !more.who) {
    cq_shelf_clear(&more);
    return CQ_NOMEM;
  }
  for (size_t i = 0; i < slots; i++) more.first[i] = -1;
  for (size_t i = 0; i < h->slots; i++) {
    size_t to;

    if (h->first[i] < 0) continue;
    to = slot_of(&more, h->who[i]);
    more.first[to] = h->first[i];
    more.last[to] = h->last[i];
    more.who[to] = h->who[i];
  }
  cq_free(h->first);
  cq_free(h->last);
  cq_free(h->who);
  h->first = more.first;
  h->last = more.last;
  h->who = more.who;
  h->slots = slots;
  return CQ_OK;
}

int cq_shelf_put(cq_shelf *h, cq_spool *s, const char *client, const cq_pack *p,
                 cq_error *err) {
  uint64_t who = cq_hash64(client, strlen(client), 0);
  int64_t at;
  size_t i;
  int rc;

  if (h->n == INT32_MAX || shelf_grow(h) ||
      cq_grow(&h->items, &h->cap, h->n, sizeof *h->items))
    return cq_error_nomem(err);
  rc = cq_spool_put(s, p, &at, err);
  if (rc) return rc;
  i = slot_of(h, who);
  h->items[h->n].at = at;
  h->items[h->n].next = -1;
  if (h->first[i] < 0) {
    h->first[i] = (int32_t)h->n;
    h->who[i] = who;
    h->used++;
  } else {
    h->items[h->last[i]].next = (int32_t)h->n;
  }
  h->last[i] = (int32_t)h->n++;
  return CQ_OK;
}

typedef struct reader {
  cq_shelf *h;
  int own;
  cq_spool *s;
  int32_t at;
  cq_pack *pack;
  cq_batch batch;
  int row;
} reader;

static int reader_next(void *user, const cq_value **row, cq_error *err) {
  reader *r = user;

  while (!r->pack || r->row >= r->batch.nrow) {
    int rc;

    cq_pack_unref(r->pack);
    r->pack = NULL;
    if (r->at < 0) return CQ_DONE;
    rc = cq_spool_get(r->s, r->h->items[r->at].at, &r->pack, err);
    if (rc) return rc;
    r->at = r->h->items[r->at].next;
    r->batch = cq_pack_batch(r->pack);
    r->row = 0;
  }
  *row = cq_batch_row(&r->batch, r->row++);
  return CQ_ROW;
}

static void reader_close(void *user) {
  reader *r = user;

  cq_pack_unref(r->pack);
  if (r->own) {
    cq_shelf_clear(r->h);
    cq_free(r->h);
  }
  cq_free(r);
}

int cq_shelf_rows(cq_shelf *h, int own, cq_spool *s, const char *client,
                  cq_rows *out, cq_error *err) {
  reader *r = cq_calloc(1, sizeof *r);

  if (!r) return cq_error_nomem(err);
  r->h = h;
  r->own = own;
  r->s = s;
  r->at = -1;
  if (h->slots)
    r->at = h->first[slot_of(h, cq_hash64(client, strlen(client), 0))];
  out->next = reader_next;
  out->close = reader_close;
  out->user = r;
  return CQ_OK;
}
