/* ext/dest/object/unit.c: a unit's rows.  Nothing of a unit that fails may come
 * into a file that is published, and many small units share a file: so a unit's
 * rows wait, packed, for its end.  A unit that becomes too large for that, or
 * is the largest when too much waits, writes files of its own, which go with
 * it where it fails. */
#include "dest/object/internal.h"

#include <string.h>

enum { PIECE = 1000 }; /* rows encoded at once */

static obj_unit *unit_of(obj_table *t, cq_dest_unit *u) {
  obj_unit *x = u->own;

  if (x) return x;
  x = cq_calloc(1, sizeof *x);
  if (!x) return NULL;
  x->unit = u;
  x->next = t->units;
  t->units = x;
  u->own = x;
  return x;
}

static int add_file(obj_unit *x, size_t file, cq_error *err) {
  if (cq_grow(&x->files, &x->capfile, x->nfile, sizeof *x->files))
    return cq_error_nomem(err);
  x->files[x->nfile++] = file;
  return CQ_OK;
}

/* ---- rows ----------------------------------------------------------------------- */

/* Rows of a unit into *out, a file of its own or one that it shares: a piece at
 * a time, so that files end where they are full. */
static int put_pack(obj_dest *d, obj_table *t, obj_unit *x, int own, cq_pack *p,
                    cq_error *err) {
  cq_batch whole = cq_pack_batch(p);
  const char *ids = cq_pack_ids(p), *parents = cq_pack_parents(p);
  int rc = CQ_OK;

  for (int at = 0; at < whole.nrow && rc == CQ_OK; at += PIECE) {
    obj_out **out = own ? &x->out : &t->shared;
    cq_batch piece = whole;
    cq_dest_rows rows = {&piece, ids + (size_t)at * 37,
                         parents ? parents + (size_t)at * 37 : NULL, NULL};

    piece.cells = cq_batch_row(&whole, at);
    piece.nrow = whole.nrow - at < PIECE ? whole.nrow - at : PIECE;
    if (*out && obj_out_full(d, *out)) {
      obj_out *full = *out;

      *out = NULL;
      rc = obj_out_seal(d, full, err);
      if (d->nopen > OBJ_OPEN) d->full = 1;
    }
    if (rc == CQ_OK && !*out) rc = obj_out_open(d, t, own, out, err);
    if (rc == CQ_OK && (!x->nfile || x->files[x->nfile - 1] != (*out)->file)) {
      t->files[(*out)->file].units++;
      rc = add_file(x, (*out)->file, err);
    }
    if (rc == CQ_OK) rc = obj_out_rows(d, *out, x->unit, &rows, err);
  }
  return rc;
}

/* What waits of a unit goes into files of its own. */
static int spread(obj_dest *d, obj_table *t, obj_unit *x, cq_error *err) {
  int rc = CQ_OK;

  for (size_t i = 0; i < x->npack && rc == CQ_OK; i++)
    rc = put_pack(d, t, x, 1, x->packs[i], err);
  obj_unit_drop_packs(d, x);
  return rc;
}

static int make_room(obj_dest *d, const obj_table *now, cq_error *err) {
  int rc = CQ_OK;

  while (rc == CQ_OK && d->waiting > cq_dest_share(&d->def, OBJ_WAITING)) {
    obj_table *of = NULL;
    obj_unit *most = NULL;

    for (obj_table *t = now->run->tables; t; t = t->next)
      for (obj_unit *x = t->units; x; x = x->next)
        if (x->npack && (!most || x->bytes > most->bytes)) {
          most = x;
          of = t;
        }
    if (!most) break;
    rc = obj_blame(of, now, spread(d, of, most, err), err);
  }
  return rc;
}

static int look_at_memory(obj_dest *d, obj_table *t, cq_error *err) {
  return d->grown > (1 << 20) ? obj_out_shrink(d, t, err) : CQ_OK;
}

/* It has failed while another was written. */
static int has_failed(const obj_table *t, cq_error *err) {
  if (t->why.code && err) *err = t->why;
  return t->why.code;
}

int cq_object_write(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
                    const cq_dest_rows *rows, cq_error *err) {
  obj_dest *d = obj_of(base);
  obj_table *t = obj_table_of(d, r, u->table);
  obj_unit *x = t ? unit_of(t, u) : NULL;
  cq_pack *p;
  int rc = CQ_OK;

  if (!x) return cq_error_nomem(err);
  if (has_failed(t, err)) return t->why.code;
  p = rows->pack && *rows->pack
          ? cq_pack_ref(*rows->pack)
          : cq_pack_new(rows->batch, rows->ids, rows->parents);
  if (!p) return cq_error_nomem(err);
  if (x->nfile) {
    rc = put_pack(d, t, x, 1, p, err);
    cq_pack_unref(p);
  } else if (cq_grow(&x->packs, &x->cappack, x->npack, sizeof *x->packs)) {
    cq_pack_unref(p);
    return cq_error_nomem(err);
  } else {
    x->packs[x->npack++] = p;
    x->bytes += p->bytes;
    d->waiting += p->bytes;
    if (x->bytes > OBJ_BIG_UNIT) rc = spread(d, t, x, err);
  }
  if (rc == CQ_OK) rc = make_room(d, t, err);
  return rc ? rc : look_at_memory(d, t, err);
}

/* ---- the end ---------------------------------------------------------------------- */

/* The rows of a small unit into the file that the table's units share. */
static int share(obj_dest *d, obj_table *t, obj_unit *x, cq_error *err) {
  int rc = CQ_OK;

  for (size_t i = 0; i < x->npack && rc == CQ_OK; i++)
    rc = put_pack(d, t, x, 0, x->packs[i], err);
  obj_unit_drop_packs(d, x);
  return rc;
}

/* Files of a unit that failed: what is durable of them already is removed, once
 * the run is over, by what the journal says of it. */
static void forsake(obj_dest *d, obj_table *t, obj_unit *x) {
  for (size_t i = 0; i < x->nfile; i++) {
    obj_out *o = t->run->outs;

    t->files[x->files[i]].gone = 1;
    while (o && (o->table != t || o->file != x->files[i])) o = o->next;
    if (o) obj_out_abort(d, o);
  }
  x->out = NULL;
  x->nfile = 0;
}

/* Rows that the unit had, and keeps. */
static int64_t rows_before(obj_dest *d, obj_table *t, const char *client) {
  const json_t *entry = obj_entry(t->run->latest, t->name);
  const obj_state_unit *u;

  if (!entry) return 0;
  if (!t->before) {
    t->before = cq_calloc(1, sizeof *t->before);
    if (t->before && obj_state_read(d, entry, t->before, NULL))
      obj_state_clear(t->before);
  }
  u = t->before ? obj_state_find(t->before, client) : NULL;
  return u && u->group ? u->rows : 0;
}

/* Where the last part of a unit stands among what is over, + 1. */
static size_t part_before(const obj_table *t, const cq_dest_unit *u) {
  size_t i = u->parts ? t->ndone : 0;

  while (i && strcmp(t->done[i - 1].client, u->client) != 0) i--;
  return i;
}

static int remember(obj_table *t, obj_unit *x, cq_dest_unit *u,
                    const char *status, const char *cursor, cq_error *err) {
  obj_done *k;
  int ok = strcmp(status, "ok") == 0;

  if (cq_grow(&t->done, &t->capdone, t->ndone, sizeof *t->done))
    return cq_error_nomem(err);
  k = &t->done[t->ndone];
  memset(k, 0, sizeof *k);
  k->status = ok ? "ok" : strcmp(status, "skipped") == 0 ? "skipped" : "failed";
  k->client = cq_strdup(u->client);
  k->cursor = ok && cursor && *cursor ? cq_strdup(cursor) : NULL;
  k->keep = ok && u->keep && !t->t->incremental ? cq_strdup(u->keep) : NULL;
  if (!k->client || (ok && cursor && *cursor && !k->cursor) ||
      (ok && u->keep && !t->t->incremental && !k->keep)) {
    cq_free(k->client);
    cq_free(k->cursor);
    cq_free(k->keep);
    return cq_error_nomem(err);
  }
  k->after = part_before(t, u);
  k->rows = ok ? u->rows : 0;
  k->started_us = u->started_us;
  k->finished_us = cq_now_us();
  if (ok && x) {
    k->files = x->files;
    k->nfile = x->nfile;
    x->files = NULL;
  }
  t->ndone++;
  t->run->unwritten++;
  return CQ_OK;
}

/* Where all rows of a file are of units that did not stay, it is of no use. */
int cq_object_end(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
                  const char *status, const char *cursor, cq_error *err) {
  obj_dest *d = obj_of(base);
  obj_table *t = obj_table_of(d, r, u->table);
  obj_unit *x = u->own;
  int ok = strcmp(status, "ok") == 0, rc = CQ_OK;

  if (!t) return cq_error_nomem(err);
  if (ok) rc = has_failed(t, err);
  if (rc) {
    /* All its files go. */
  } else if (ok && x && x->nfile) {
    if (x->out) rc = obj_out_seal(d, x->out, err);
    x->out = NULL;
  } else if (ok && x) {
    rc = share(d, t, x, err);
  }
  if (rc == CQ_OK) rc = remember(t, x, u, status, cursor, err);
  if ((rc || !ok) && x) {
    obj_unit_drop_packs(d, x);
    /* A file that is shared has other units' rows: with an error here the
     * table fails, and all its files go. */
    if (!ok) forsake(d, t, x);
  }
  if (x) obj_unit_free(d, t, x);
  u->own = NULL;
  if (rc) return rc;
  if (ok) {
    u->table->n.rows += u->rows;
    u->table->n.inserted += u->rows;
  } else {
    u->table->n.kept += rows_before(d, t, u->client);
  }
  return look_at_memory(d, t, err);
}
