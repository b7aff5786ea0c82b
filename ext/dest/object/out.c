/* ext/dest/object/out.c: a file that is being written: rows are encoded into a
 * buffer, which goes on, squeezed and summed, to an object of the store.
 *
 * The object is begun when there is something to hand on, so that a run of a
 * thousand small tables has few open.  A file that is sealed is whole, and not
 * seen: finish makes it so, once the journal knows its name. */
#include "dest/object/internal.h"

#include <openssl/evp.h>
#include <string.h>

static size_t memory_of(const obj_out *o) {
  return (o->e ? o->e->kept : 0) + o->out.cap + (o->to ? o->to->held : 0);
}

static int64_t bytes_of(const obj_out *o) {
  return o->table->files[o->file].bytes + (int64_t)o->out.len +
         (int64_t)(o->e ? o->e->kept : 0);
}

int obj_out_full(const obj_dest *d, const obj_out *o) {
  if (d->o.no_rotate) return 0;
  return o->table->files[o->file].rows >= d->o.gather.rows ||
         bytes_of(o) >= d->o.gather.bytes;
}

/* Nobody writes into it any more. */
static void unlink_out(obj_out *o) {
  obj_out **at = &o->table->run->outs;

  while (*at && *at != o) at = &(*at)->next;
  if (*at) *at = o->next;
  if (o->table->shared == o) o->table->shared = NULL;
  for (obj_unit *x = o->table->units; x; x = x->next)
    if (x->out == o) x->out = NULL;
}

static void free_out(obj_out *o) {
  unlink_out(o);
  if (o->e) o->e->ops->close(o->e);
  EVP_MD_CTX_free(o->sum);
  cq_buf_clear(&o->out);
  cq_free(o);
}

static int begin(obj_dest *d, obj_out *o, cq_error *err) {
  static const char *const encodings[] = {NULL, "gzip", "zstd"};
  cq_object_kind kind = {d->o.format->media, encodings[d->o.compression]};
  int rc;

  if (o->to) return CQ_OK;
  rc = d->store->ops->begin(d->store, o->table->files[o->file].key,
                            o->table->run->scratch, &kind, &o->to, err);
  d->nopen += rc == CQ_OK;
  return rc;
}

/* What is encoded goes to the object.  Of nothing at all a file that is squeezed
 * has a frame, too: no reader takes 0 bytes for one. */
static int hand_on(obj_dest *d, obj_out *o, int last, cq_error *err) {
  obj_file *f = &o->table->files[o->file];
  const char *p = o->out.data;
  size_t n = o->out.len;
  cq_buf small;
  int rc = CQ_OK;

  if (!n && !(last && !f->bytes && d->o.compression != CQ_PLAIN)) return CQ_OK;
  cq_buf_init(&small, SIZE_MAX / 4);
  if (d->o.compression != CQ_PLAIN) {
    rc = obj_squeeze(&d->squeezer, d->o.compression, p, n, &small, err);
    p = small.data;
    n = small.len;
  }
  if (rc == CQ_OK) rc = begin(d, o, err);
  if (rc == CQ_OK) rc = d->store->ops->write(o->to, p, n, err);
  if (rc == CQ_OK && EVP_DigestUpdate(o->sum, p, n) != 1)
    rc = cq_error_nomem(err);
  f->bytes += (int64_t)n;
  o->handed += (int64_t)o->out.len;
  cq_buf_clear(&small);
  if (o->out.cap > 4 * (size_t)OBJ_HAND_ON)
    cq_buf_clear(&o->out);
  else
    cq_buf_reset(&o->out);
  return rc;
}

/* A row group goes on column by column. */
static int pass_on(void *user, cq_buf *out, cq_error *err) {
  obj_out *o = user;

  return out->len >= OBJ_HAND_ON ? hand_on(o->dest, o, 0, err) : CQ_OK;
}

int obj_out_open(obj_dest *d, obj_table *t, int own, obj_out **out,
                 cq_error *err) {
  cq_encode_options eo = {.run = t->run->r,
                          .table = t->t,
                          .format = d->o.format_spec,
                          .athena = d->o.athena,
                          .zstd = &d->zstd,
                          .pass = pass_on};
  obj_out *o = cq_calloc(1, sizeof *o);
  obj_file *f;
  int rc;

  *out = NULL;
  if (!o) return cq_error_nomem(err);
  if (cq_grow(&t->files, &t->capfile, t->nfile, sizeof *t->files)) {
    cq_free(o);
    return cq_error_nomem(err);
  }
  f = &t->files[t->nfile];
  memset(f, 0, sizeof *f);
  eo.user = o;
  o->dest = d;
  o->table = t;
  o->file = t->nfile;
  o->own = own;
  o->opened_ms = cq_mono_ms();
  cq_buf_init(&o->out, SIZE_MAX / 4);
  o->next = t->run->outs;
  t->run->outs = o;
  f->key = obj_file_key(d, t);
  o->sum = EVP_MD_CTX_new();
  if (!f->key || !o->sum ||
      EVP_DigestInit_ex(o->sum, EVP_sha256(), NULL) != 1) {
    cq_free(f->key);
    free_out(o);
    return cq_error_nomem(err);
  }
  t->nfile++;
  rc = d->o.format->open(&eo, &o->out, &o->e, err);
  if (rc) {
    f->gone = 1;
    free_out(o);
    return rc;
  }
  *out = o;
  return CQ_OK;
}

int obj_out_rows(obj_dest *d, obj_out *o, cq_dest_unit *u,
                 const cq_dest_rows *rows, cq_error *err) {
  size_t before = o->out.len + o->e->kept;
  int rc = o->e->ops->rows(o->e, u, rows, &o->out, err);

  if (rc == CQ_OK) {
    o->table->files[o->file].rows += rows->batch->nrow;
    d->grown += o->out.len + o->e->kept - before;
    if (o->out.len >= OBJ_HAND_ON) rc = hand_on(d, o, 0, err);
  }
  if (rc) o->bad = 1;
  return rc;
}

int obj_out_seal(obj_dest *d, obj_out *o, cq_error *err) {
  obj_file *f = &o->table->files[o->file];
  unsigned char sum[32];
  int rc;

  if (o->sealed) return CQ_OK;
  if (o->bad)
    return cq_error_set(err, CQ_ERROR, "%s%s: not whole", d->store->root,
                        f->key);
  o->bad = 1;
  rc = o->e->ops->end(o->e, &o->out, err);
  if (rc == CQ_OK) rc = hand_on(d, o, 1, err);
  if (rc == CQ_OK) rc = begin(d, o, err); /* of nothing, too */
  if (rc) return rc;
  if (EVP_DigestFinal_ex(o->sum, sum, NULL) != 1) return cq_error_nomem(err);
  cq_hex(sum, sizeof sum, f->sha);
  o->e->ops->close(o->e);
  o->e = NULL;
  cq_buf_clear(&o->out);
  o->sealed = 1;
  o->bad = 0;
  if (o->table->shared == o) o->table->shared = NULL;
  return CQ_OK;
}

int obj_out_finish(obj_dest *d, obj_out *o, cq_error *err) {
  obj_file *f = &o->table->files[o->file];
  int rc = CQ_OK;

  if (o->to) {
    d->nopen--;
    rc = d->store->ops->finish(o->to, err);
    o->to = NULL;
  }
  f->finished = rc == CQ_OK;
  free_out(o);
  return rc;
}

void obj_out_abort(obj_dest *d, obj_out *o) {
  o->table->files[o->file].gone = 1;
  if (o->to) {
    d->nopen--;
    d->store->ops->abort(o->to);
    o->to = NULL;
  }
  free_out(o);
}

int obj_blame(obj_table *t, const obj_table *now, int rc, cq_error *err) {
  switch (rc) {
  case CQ_OK:
  case CQ_IOERR:
  case CQ_FULL:
  case CQ_READONLY:
  case CQ_AUTH:
  case CQ_BUSY:
  case CQ_INTERRUPT:
  case CQ_NOMEM:
    return rc;
  }
  if (t == now) return rc;
  if (!t->why.code) cq_error_set(&t->why, rc, "%s", err ? err->text : "");
  cq_error_clear(err);
  return CQ_OK;
}

/* The encoder hands on what it keeps. */
static int flush(obj_dest *d, obj_out *o, cq_error *err) {
  int rc = o->e->ops->flush ? o->e->ops->flush(o->e, &o->out, err) : CQ_OK;

  return rc ? rc : hand_on(d, o, 0, err);
}

/* The largest by what they hold: their encoders hand on what they keep; where
 * the object itself holds it, it is to be finished. */
int obj_out_shrink(obj_dest *d, obj_table *now, cq_error *err) {
  int rc = CQ_OK;

  d->grown = 0;
  for (int turn = 0; turn < 4096 && rc == CQ_OK; turn++) {
    obj_out *most = NULL;
    size_t sum = 0, best = 0;

    for (obj_out *o = now->run->outs; o; o = o->next) {
      size_t mine = (o->e ? o->e->kept : 0) + o->out.len;

      sum += memory_of(o);
      if (mine > best) {
        best = mine;
        most = o;
      }
    }
    if (sum <= cq_dest_share(&d->def, OBJ_MEMORY)) return CQ_OK;
    if (!most || best < 4096) {
      d->full = 1; /* it is with the objects: they are finished */
      return CQ_OK;
    }
    rc = flush(d, most, err);
    if (rc) {
      rc = obj_blame(most->table, now, rc, err);
      obj_out_abort(d, most);
    } else {
      cq_buf_clear(&most->out);
    }
  }
  return rc;
}
