/* ext/dest/sqlite/stage.c: the rows of a unit until its end, when they are
 * merged in one go.
 *
 * They are kept as the packed batches that they came in, in memory as long as
 * those of all units take no more than STAGE_BYTES.  Beyond it the unit that
 * has most there puts its rows into a temporary file, sorted by _cq_id: a run.
 * Its runs are merged when they are read, so that a large unit goes through the
 * key's index once from one end to the other, whatever the order in which the
 * API gave its rows; in the order of the ids' hashes each row is on another page
 * of an index that SQLite's cache does not hold.  A unit that fitted into memory
 * keeps its order.  Of rows with the same id the last that came comes last. */
#include "dest/sqlite/internal.h"

#include <string.h>

enum {
  STAGE_BYTES = 8 << 20,  /* in memory, over all units of a connection */
  MERGE_BYTES = 8 << 20,  /* of runs that are read at once: one piece of each */
  PIECE_BYTES = 32 << 10, /* of a run, read at once; at least a row */
  ID = 37
};

/* Sorted rows in the file: packs from `at` to `end`. */
typedef struct stage_run {
  int64_t at, end;
  size_t widest; /* of its packs */
} stage_run;

/* A run that is being read. */
typedef struct stage_source {
  stage_run left;
  cq_pack *pack;
  const cq_value *cells;
  const char *ids, *parents;
  int row, nrow, order;
  uint64_t head; /* of the row's id */
} stage_source;

/* What is sorted: 16 bytes a row. */
typedef struct stage_key {
  uint64_t head;
  uint32_t pack, row;
} stage_key;

/* What making a run takes, kept for the next: that it stays where it is, behind
 * the rows, is also what keeps the C library from giving their memory back to
 * the system, which would then hand it out again page by page. */
struct lite_spill {
  /* Rows that go into the file as one pack. */
  cq_batch batch; /* cells only, which borrow */
  size_t cap;
  cq_buf ids, parents;
  int any; /* some row has a parent */
  stage_key *keys;
  size_t capkey;
};

struct lite_stage {
  lite_stage *next, **before;
  lite_handle *h;
  const cq_dest_table *table;
  cq_pack **packs; /* in memory */
  size_t n, cap, bytes;
  cq_spool spool;
  stage_run *runs;
  size_t nrun, caprun;
  /* Reading. */
  size_t at;          /* the next pack, or run */
  stage_source *heap; /* the least id on top */
  size_t nheap;
};

/* ---- kept ---------------------------------------------------------------------- */

static void stage_forget(lite_stage *s) {
  for (size_t i = 0; i < s->n; i++) cq_pack_unref(s->packs[i]);
  s->h->staged -= s->bytes;
  s->n = s->bytes = 0;
}

void lite_stage_free(lite_stage *s) {
  if (!s) return;
  lite_stage_stop(s);
  stage_forget(s);
  cq_spool_clear(&s->spool);
  cq_free(s->packs);
  cq_free(s->runs);
  if (s->next) s->next->before = s->before;
  *s->before = s->next;
  cq_free(s);
}

void lite_stage_drop(lite_handle *h, const cq_dest_table *t) {
  for (lite_stage *s = h->stages, *next; s; s = next) {
    next = s->next;
    if (s->table == t) lite_stage_free(s);
  }
}

static lite_stage *stage_new(lite_handle *h, const cq_dest_table *t) {
  lite_stage *s = cq_calloc(1, sizeof *s);

  if (!s) return NULL;
  s->h = h;
  s->table = t;
  cq_spool_init(&s->spool);
  s->next = h->stages;
  s->before = &h->stages;
  if (s->next) s->next->before = &s->next;
  h->stages = s;
  return s;
}

/* ---- a run ----------------------------------------------------------------------- */

/* The first of an id's 36 characters, so that numbers compare as they do. */
static uint64_t head_of(const char *id) {
  uint64_t head = 0;

  for (int i = 0; i < 8; i++) head = head << 8 | (unsigned char)id[i];
  return head;
}

static int key_after(const lite_stage *s, const stage_key *a,
                     const stage_key *b) {
  if (a->head != b->head) return a->head > b->head;
  return memcmp(cq_pack_ids(s->packs[a->pack]) + ID * (size_t)a->row,
                cq_pack_ids(s->packs[b->pack]) + ID * (size_t)b->row, ID) > 0;
}

/* By merging, which leaves the same ids in their order; returns `keys` or
 * `room`, whichever holds the result. */
static stage_key *sorted(const lite_stage *s, stage_key *keys, stage_key *room,
                         size_t n) {
  for (size_t width = 1; width < n; width *= 2) {
    stage_key *swap = keys;

    for (size_t lo = 0; lo < n; lo += 2 * width) {
      size_t mid = lo + width < n ? lo + width : n;
      size_t hi = lo + 2 * width < n ? lo + 2 * width : n;

      for (size_t i = lo, j = mid, k = lo; k < hi; k++)
        room[k] = i < mid && (j >= hi || !key_after(s, &keys[i], &keys[j]))
                      ? keys[i++]
                      : keys[j++];
    }
    keys = room;
    room = swap;
  }
  return keys;
}

static void piece_clear(lite_spill *p) {
  cq_buf_reset(&p->ids);
  cq_buf_reset(&p->parents);
  p->batch.nrow = 0;
  p->any = 0;
}

static int piece_put(lite_stage *s, lite_spill *p, stage_run *run,
                     cq_error *err) {
  cq_pack *pack;
  int64_t at;
  int rc;

  if (p->ids.rc || p->parents.rc) return cq_error_nomem(err);
  pack = cq_pack_new(&p->batch, p->ids.data, p->any ? p->parents.data : NULL);
  if (!pack) return cq_error_nomem(err);
  rc = cq_spool_put(&s->spool, pack, &at, err);
  if (rc == CQ_OK) {
    if (!run->end) run->at = at;
    run->end = cq_spool_after(pack, at);
    if (pack->bytes > run->widest) run->widest = pack->bytes;
  }
  cq_pack_unref(pack);
  piece_clear(p);
  return rc;
}

static int piece_add(lite_spill *p, const cq_pack *pack, uint32_t row,
                     size_t *bytes, cq_error *err) {
  static const char none[ID];
  cq_batch from = cq_pack_batch(pack);
  const cq_value *cells = cq_batch_row(&from, (int)row);
  const char *parents = cq_pack_parents(pack);
  size_t at = (size_t)p->batch.nrow * (size_t)from.ncol;

  p->batch.ncol = from.ncol;
  while (p->cap < at + (size_t)from.ncol)
    if (cq_grow(&p->batch.cells, &p->cap, p->cap, sizeof *cells))
      return cq_error_nomem(err);
  if (from.ncol)
    memcpy(p->batch.cells + at, cells, (size_t)from.ncol * sizeof *cells);
  for (int i = 0; i < from.ncol; i++)
    *bytes +=
        sizeof *cells + (cells[i].kind == CQ_STR || cells[i].kind == CQ_BYTES
                             ? cells[i].len
                             : 0);
  cq_buf_add(&p->ids, cq_pack_ids(pack) + ID * (size_t)row, ID);
  cq_buf_add(&p->parents, parents ? parents + ID * (size_t)row : none, ID);
  p->any |= parents && parents[ID * (size_t)row];
  p->batch.nrow++;
  *bytes += ID;
  return CQ_OK;
}

static lite_spill *spill_new(void) {
  lite_spill *p = cq_calloc(1, sizeof *p);

  if (!p) return NULL;
  cq_buf_init(&p->ids, PIECE_BYTES * 2);
  cq_buf_init(&p->parents, PIECE_BYTES * 2);
  return p;
}

void lite_spill_free(lite_spill *p) {
  if (!p) return;
  cq_buf_clear(&p->ids);
  cq_buf_clear(&p->parents);
  cq_free(p->batch.cells);
  cq_free(p->keys);
  cq_free(p);
}

/* What is in memory becomes a run in the file. */
static int stage_spill(lite_stage *s, cq_error *err) {
  lite_spill *p = s->h->spill;
  stage_run run = {0, 0, 0};
  size_t n = 0, bytes = 0;
  stage_key *keys;
  int rc = CQ_OK;

  if (!p) p = s->h->spill = spill_new();
  if (!p) return cq_error_nomem(err);
  for (size_t i = 0; i < s->n; i++) n += (size_t)s->packs[i]->nrow;
  if (cq_grow(&p->keys, &p->capkey, 2 * n, sizeof *p->keys) ||
      cq_grow(&s->runs, &s->caprun, s->nrun, sizeof *s->runs))
    return cq_error_nomem(err);
  n = 0;
  for (size_t i = 0; i < s->n; i++)
    for (int k = 0; k < s->packs[i]->nrow; k++, n++) {
      p->keys[n].head = head_of(cq_pack_ids(s->packs[i]) + ID * (size_t)k);
      p->keys[n].pack = (uint32_t)i;
      p->keys[n].row = (uint32_t)k;
    }
  keys = sorted(s, p->keys, p->keys + n, n);
  piece_clear(p);
  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    rc = piece_add(p, s->packs[keys[i].pack], keys[i].row, &bytes, err);
    if (rc == CQ_OK && (bytes >= PIECE_BYTES || i + 1 == n)) {
      rc = piece_put(s, p, &run, err);
      bytes = 0;
    }
  }
  if (rc) return rc;
  if (n) s->runs[s->nrun++] = run;
  stage_forget(s);
  return CQ_OK;
}

/* Those who have most go first; what the rows of a table that has failed take
 * is free. */
static int stage_room(lite_handle *h, cq_error *err) {
  while (h->staged > STAGE_BYTES) {
    lite_stage *most = h->stages;
    int rc;

    for (lite_stage *s = h->stages; s; s = s->next)
      if (s->bytes > most->bytes) most = s;
    if (most->table->failed) {
      stage_forget(most);
      continue;
    }
    rc = stage_spill(most, err);
    if (rc) return rc;
  }
  return CQ_OK;
}

int lite_stage_add(lite_handle *h, cq_dest_unit *u, const cq_dest_rows *rows,
                   cq_error *err) {
  lite_stage *s = u->own;
  cq_pack *pack;

  if (!s) s = u->own = stage_new(h, u->table);
  if (!s || cq_grow(&s->packs, &s->cap, s->n, sizeof *s->packs))
    return cq_error_nomem(err);
  pack = rows->pack ? cq_pack_ref(*rows->pack) : NULL;
  if (!pack) {
    pack = cq_pack_new(rows->batch, rows->ids, rows->parents);
    if (!pack) return cq_error_nomem(err);
    if (rows->pack) *rows->pack = cq_pack_ref(pack);
  }
  s->packs[s->n++] = pack;
  s->bytes += pack->bytes;
  h->staged += pack->bytes;
  return stage_room(h, err);
}

/* ---- read -------------------------------------------------------------------------- */

static int source_before(const stage_source *a, const stage_source *b) {
  int c;

  if (a->head != b->head) return a->head < b->head;
  c = memcmp(a->ids + ID * (size_t)a->row, b->ids + ID * (size_t)b->row, ID);
  return c ? c < 0 : a->order < b->order;
}

/* Puts the source at i where it belongs among those below it. */
static void heap_sink(lite_stage *s, size_t i) {
  stage_source one = s->heap[i];

  for (;;) {
    size_t child = 2 * i + 1;

    if (child >= s->nheap) break;
    if (child + 1 < s->nheap &&
        source_before(&s->heap[child + 1], &s->heap[child]))
      child++;
    if (!source_before(&s->heap[child], &one)) break;
    s->heap[i] = s->heap[child];
    i = child;
  }
  s->heap[i] = one;
}

/* The row after; nrow = 0 where the run is over. */
static int source_next(lite_stage *s, stage_source *o, cq_error *err) {
  if (++o->row >= o->nrow) {
    int rc;

    cq_pack_unref(o->pack);
    o->pack = NULL;
    o->row = o->nrow = 0;
    if (o->left.at >= o->left.end) return CQ_OK;
    /* The host's own connection hears it by itself. */
    if (s->h->own && s->h->interrupted && s->h->interrupted(s->h->user))
      return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    rc = cq_spool_get(&s->spool, o->left.at, &o->pack, err);
    if (rc) return rc;
    o->left.at = cq_spool_after(o->pack, o->left.at);
    o->nrow = o->pack->nrow;
    o->cells = cq_pack_batch(o->pack).cells;
    o->ids = cq_pack_ids(o->pack);
    o->parents = cq_pack_parents(o->pack);
  }
  o->head = head_of(o->ids + ID * (size_t)o->row);
  return CQ_OK;
}

/* The next runs, as many as may be read at once. */
static int heap_fill(lite_stage *s, cq_error *err) {
  size_t bytes = 0, n = 0;
  int rc = CQ_OK;

  while (s->at + n < s->nrun &&
         (n == 0 || bytes + s->runs[s->at + n].widest <= MERGE_BYTES))
    bytes += s->runs[s->at + n++].widest;
  if (n == 0) return CQ_OK;
  cq_free(s->heap);
  s->nheap = 0;
  s->heap = cq_calloc(n, sizeof *s->heap);
  if (!s->heap) return cq_error_nomem(err);
  for (; s->nheap < n && rc == CQ_OK; s->nheap++) {
    stage_source *o = &s->heap[s->nheap];

    o->left = s->runs[s->at++];
    o->order = (int)s->nheap;
    rc = source_next(s, o, err);
  }
  for (size_t i = n / 2; i > 0 && rc == CQ_OK; i--) heap_sink(s, i - 1);
  return rc;
}

static int stage_sorted(lite_feed *f) {
  lite_stage *s = f->stage;
  stage_source *top;
  int rc = CQ_OK;

  if (s->nheap) {
    rc = source_next(s, s->heap, &f->err);
    if (rc) return rc;
    if (!s->heap->nrow) s->heap[0] = s->heap[--s->nheap];
    if (s->nheap) heap_sink(s, 0);
  }
  if (!s->nheap) rc = heap_fill(s, &f->err);
  f->row = f->last = 0;
  if (rc || !s->nheap) return rc;
  top = s->heap;
  f->cells = top->cells;
  f->wide = top->pack->wide;
  f->ids = top->ids;
  f->parents = top->parents;
  f->row = top->row;
  f->last = top->row + 1;
  return CQ_OK;
}

static int stage_plain(lite_feed *f) {
  lite_stage *s = f->stage;

  f->row = f->last = 0;
  if (s->at < s->n) {
    const cq_pack *p = s->packs[s->at++];

    f->cells = cq_pack_batch(p).cells;
    f->wide = p->wide;
    f->ids = cq_pack_ids(p);
    f->parents = cq_pack_parents(p);
    f->last = p->nrow;
  }
  return CQ_OK;
}

int lite_stage_read(lite_stage *s, lite_feed *f) {
  int rc = CQ_OK;

  lite_stage_stop(s);
  if (s->nrun && s->n) rc = stage_spill(s, &f->err);
  f->stage = s;
  f->row = f->last = 0;
  f->more = s->nrun ? stage_sorted : stage_plain;
  return rc;
}

void lite_stage_stop(lite_stage *s) {
  for (size_t i = 0; i < s->nheap; i++) cq_pack_unref(s->heap[i].pack);
  cq_free(s->heap);
  s->heap = NULL;
  s->nheap = s->at = 0;
}
