/* ext/dest/writer/handed.c: what is handed over and done later: rows, ends of
 * units, entries of the journal; and migrations, where others wait for no store. */
#include <stdio.h>
#include <string.h>

#include "dest/writer/internal.h"

/* ---- jobs that nobody waits for ------------------------------------------------------- */

typedef struct task {
  cq_job job; /* first */
  wtable *table;
  cq_dest_run *run;
  cq_dest_table *state; /* put_table: the caller's, as it was */
  cq_counts *n;         /* put_run */
  int ntable;
  int part; /* end: of a unit that goes on */
  int64_t started_us;
  char *texts[5];
} task;

static void task_drop(cq_job *j) {
  task *t = (task *)(void *)j;

  for (size_t i = 0; i < 5; i++) cq_free(t->texts[i]);
  cq_free(t->state);
  cq_free(t->n);
  cq_free(t);
}

/* With copies of up to five texts; NULL: no memory. */
static task *task_new(cq_job_fn fn, const char *const *texts, size_t n) {
  task *t = cq_calloc(1, sizeof *t);

  if (!t) return NULL;
  t->job.run = fn;
  t->job.drop = task_drop;
  t->job.own = sizeof *t;
  for (size_t i = 0; i < n; i++) {
    if (!texts[i]) continue;
    t->texts[i] = cq_strdup(texts[i]);
    if (!t->texts[i]) {
      task_drop(&t->job);
      return NULL;
    }
    t->job.own += strlen(texts[i]) + 17; /* and what the allocator adds */
  }
  return t;
}

/* A copy of the caller's, `n` bytes, which goes with the task; which is dropped
 * where there is no memory. */
static void *task_copy(task *t, const void *from, size_t n) {
  void *p = cq_malloc(n);

  if (!p) {
    task_drop(&t->job);
    return NULL;
  }
  t->job.own += n;
  return memcpy(p, from, n);
}

static int hand_over(writer *w, task *t, cq_error *err) {
  return cq_queue_put(&w->queue, &t->job, w->def.several, w->interrupted,
                      w->user, err);
}

static int do_write(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;
  cq_dest_rows rows;
  cq_batch batch;
  wunit *u;
  int rc;

  if (writer_refused(w, t->table, NULL)) return CQ_OK;
  if (j->rc) { /* its rows could not be read back */
    writer_tell(w, NULL, "", 0, err);
    return CQ_OK;
  }
  u = writer_unit(t->table, t->texts[0]);
  if (!u) {
    rc = cq_error_nomem(err);
  } else {
    if (!u->unit.started_us) u->unit.started_us = t->started_us;
    batch = cq_pack_batch(j->pack);
    rows.batch = &batch;
    rows.ids = cq_pack_ids(j->pack);
    rows.parents = cq_pack_parents(j->pack);
    rows.pack = &j->pack;
    rc = w->ops->write(w->store, t->run, &u->unit, &rows, err);
    if (rc == CQ_OK) u->unit.rows += batch.nrow;
  }
  if (rc) writer_tell_failed(w, t->table, t->texts[0], err);
  return CQ_OK;
}

int writer_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
                 const cq_dest_rows *rows, cq_error *err) {
  writer *w = writer_of(d);
  wtable *x = writer_table(w, u->table);
  const char *texts[] = {u->client};
  int rc = x ? writer_refused(w, x, err) : cq_error_nomem(err);
  task *t;

  if (rc) return rc;
  if (!*rows->pack)
    *rows->pack = cq_pack_new(rows->batch, rows->ids, rows->parents);
  if (!*rows->pack) return cq_error_nomem(err);
  if (u->table->wanted)
    rc = cq_shelf_put(&x->shelf, &w->shelves, u->client, *rows->pack, err);
  if (rc) return rc;
  t = task_new(do_write, texts, 1);
  if (!t) return cq_error_nomem(err);
  t->table = x;
  t->run = writer_run(w, r);
  t->started_us = u->started_us;
  t->job.rows = 1;
  t->job.pack = cq_pack_ref(*rows->pack);
  t->job.bytes = t->job.pack->bytes;
  rc = hand_over(w, t, err);
  if (rc == CQ_OK) u->rows += rows->batch->nrow;
  return rc;
}

static void warn(writer *w, wtable *t, const wunit *u) {
  cq_error why = {0, ""};

  if (!u->unit.warnings) return;
  cq_error_set(&why, CQ_MISUSE,
               "%s: %lld values do not fit their columns' type and are NULL; "
               "the first: %s",
               t->twin.def->name, (long long)u->unit.warnings, u->unit.odd);
  writer_tell(w, t, u->client, 1, &why);
}

static int do_end(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;
  wunit *u = writer_unit(t->table, t->texts[0]);
  int bad = writer_refused(w, t->table, NULL);
  int rc;

  if (!u) {
    cq_error_nomem(err);
    writer_tell_failed(w, t->table, t->texts[0], err);
    return CQ_OK;
  }
  if (!u->unit.started_us) u->unit.started_us = t->started_us;
  cq_free(u->keep);
  u->keep = t->texts[3];
  t->texts[3] = NULL;
  u->unit.keep = u->keep;
  u->unit.part = t->part && !bad;
  rc = w->ops->end(w->store, t->run, &u->unit, bad ? "failed" : t->texts[1],
                   t->texts[2], err);
  writer_counts_back(w, t->table);
  if (rc)
    writer_tell_failed(w, t->table, t->texts[0], err);
  else if (!t->part)
    warn(w, t->table, u);
  if (t->part && !bad && rc == CQ_OK)
    cq_dest_part(&u->unit);
  else
    writer_unit_free(t->table, u);
  return CQ_OK;
}

int writer_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
               const char *status, const char *cursor, cq_error *err) {
  writer *w = writer_of(d);
  wtable *x = writer_table(w, u->table);
  const char *texts[] = {u->client, status, cursor, u->keep};
  task *t;

  if (!x) return cq_error_nomem(err);
  t = task_new(do_end, texts, 4);
  if (!t) return cq_error_nomem(err);
  t->table = x;
  t->run = writer_run(w, r);
  t->started_us = u->started_us;
  t->part = u->part;
  t->job.rows = 1;
  return hand_over(w, t, err);
}

static int do_migrate(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;

  if (!writer_refused(w, t->table, NULL) &&
      w->ops->migrate(w->store, &t->table->twin, 0, NULL, err))
    writer_tell_failed(w, t->table, "", err);
  return CQ_OK;
}

/* Where others must not wait for it: its rows come behind it. */
int writer_migrate_later(writer *w, wtable *t, cq_error *err) {
  task *k = task_new(do_migrate, NULL, 0);

  if (!k) return cq_error_nomem(err);
  k->table = t;
  return hand_over(w, k, err);
}

static int do_drop(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;

  (void)err;
  w->ops->drop(w->store, &t->table->twin);
  return CQ_OK;
}

/* The twin, and rows kept for the tables below, stay until the end. */
void writer_drop(cq_dest *d, cq_dest_table *t) {
  writer *w = writer_of(d);
  task *k = t->own ? task_new(do_drop, NULL, 0) : NULL;

  if (!k) return;
  k->table = t->own;
  hand_over(w, k, NULL);
}

/* ---- the journal ------------------------------------------------------------------ */

enum { BEAT_MS = 1000 };

static int do_put_table(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;

  /* That it has failed is told also where all have. */
  if (strcmp(t->state->status, "failed") != 0 && writer_refused(w, NULL, NULL))
    return CQ_OK;
  writer_update(w, t->table, t->state);
  if (w->ops->put_table(w->store, t->run, &t->table->twin, err))
    writer_tell_unsaid(w, err);
  return CQ_OK;
}

int writer_put_table(cq_dest *d, const cq_dest_run *r, const cq_dest_table *t,
                     cq_error *err) {
  writer *w = writer_of(d);
  task *k;

  if (!t->own) return CQ_OK; /* it was never migrated: publish tells */
  k = task_new(do_put_table, NULL, 0);
  if (!k) return cq_error_nomem(err);
  k->table = t->own;
  k->run = writer_run(w, r);
  k->state = task_copy(k, t, sizeof *t);
  if (!k->state) return cq_error_nomem(err);
  return hand_over(w, k, err);
}

static int do_put_error(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;

  if (writer_refused(w, NULL, NULL)) return CQ_OK;
  if (w->ops->put_error(w->store, t->run, t->texts[0], t->texts[1], t->texts[2],
                        t->texts[3], err))
    writer_tell_unsaid(w, err);
  return CQ_OK;
}

int writer_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                     const char *client, const char *kind, const char *message,
                     cq_error *err) {
  writer *w = writer_of(d);
  const char *texts[] = {table, client, kind, message};
  task *t = task_new(do_put_error, texts, 4);

  if (!t) return cq_error_nomem(err);
  t->run = writer_run(w, r);
  return hand_over(w, t, err);
}

static int do_put_run(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;
  wrun *x = writer_run_of(w, t->run);

  if (writer_refused(w, NULL, NULL)) return CQ_OK;
  if (x) {
    x->n = *t->n;
    x->ntable = t->ntable;
    x->told_ms = cq_mono_ms();
  }
  if (w->ops->put_run(w->store, t->run, t->texts[0], t->n, t->ntable,
                      t->texts[1], err))
    writer_tell_unsaid(w, err);
  return CQ_OK;
}

void writer_beat(writer *w) {
  for (wrun *x = writer_runs(w); x; x = x->next) {
    cq_error err = {0, ""};

    if (!x->alive || cq_mono_ms() - x->told_ms < BEAT_MS) continue;
    x->told_ms = cq_mono_ms();
    if (w->ops->put_run(w->store, &x->run, "running", &x->n, x->ntable, NULL,
                        &err))
      writer_tell_unsaid(w, &err);
  }
}

int writer_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
                   const cq_counts *n, int ntable, const char *message,
                   cq_error *err) {
  writer *w = writer_of(d);
  const char *texts[] = {status, message};
  task *t = task_new(do_put_run, texts, 2);

  if (!t) return cq_error_nomem(err);
  t->run = writer_run(w, r);
  t->n = task_copy(t, n, sizeof *n);
  if (!t->n) return cq_error_nomem(err);
  t->ntable = ntable;
  return hand_over(w, t, err);
}

/* When a batch is handed on is the store's own affair; drain forces it. */
int writer_commit(cq_dest *d, int force, cq_error *err) {
  (void)force;
  return writer_refused(writer_of(d), NULL, err);
}
