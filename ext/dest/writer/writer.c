/* ext/dest/writer/writer.c: the destination that sync/ sees where the store is
 * elsewhere: each call becomes a job of the store's own thread.
 *
 * What sync/ needs an answer to is waited for.  Rows, ends of units and entries
 * of the journal are handed over and done later; what goes wrong then is told
 * by poll, and by the next call that has to do with the same table.
 *
 * Tables, units and runs of sync/ are its own: the store is given twins, which
 * only the writer's thread touches.  Their counts go back under the lock. */
#include <stdio.h>
#include <string.h>

#include "dest/writer/internal.h"

enum { STATES_KEPT = 8 };

typedef struct wrun {
  struct wrun *next;
  cq_dest_run run; /* texts are the caller's, which outlive the destination */
} wrun;

typedef struct wunit {
  struct wunit *next;
  cq_dest_unit unit;
  char *client, *keep;
} wunit;

typedef struct wtable {
  struct wtable *next;
  cq_dest_table *caller;
  cq_dest_table twin;
  wunit *units;   /* that have begun and not ended; writer's thread */
  int failed;     /* under the lock */
  cq_error why;   /* under the lock */
  cq_counts done; /* what the store has counted; under the lock */
  cq_shelf shelf; /* rows for the tables below */
} wtable;

typedef struct event {
  struct event *next;
  cq_dest_event e;
} event;

typedef struct writer {
  cq_dest base;
  const cq_dest_ops *ops;
  cq_dest_def def; /* the store's: interrupted is the queue's stop */
  int (*interrupted)(void *);
  void *user;
  cq_dest *store;
  cq_queue queue;
  cq_spool shelves;
  cq_shelf earlier; /* of the last `read` */
  wrun *runs;
  wtable *tables;
  cq_states states[STATES_KEPT];
  uint64_t asked;
  event *first, *last; /* under the lock */
  int broken;          /* under the lock: the store as a whole is unusable */
  cq_error broken_why;
} writer;

static writer *of(cq_dest *d) {
  return (writer *)(void *)d;
}

/* ---- errors, told later ------------------------------------------------------------ */

static void redact(const writer *w, cq_error *e) {
  for (size_t i = 0; i < w->def.nsecret; i++)
    cq_redact(e->text, w->def.secrets[i]);
}

/* CQ_OK, or why nothing of this table (or of any) is taken any more. */
static int refused(writer *w, const wtable *t, cq_error *err) {
  int rc = CQ_OK;

  pthread_mutex_lock(&w->queue.lock);
  if (w->broken && err) *err = w->broken_why;
  if (w->broken)
    rc = w->broken_why.code;
  else if (t && t->failed) {
    if (err) *err = t->why;
    rc = t->why.code;
  }
  pthread_mutex_unlock(&w->queue.lock);
  return rc;
}

static void tell(writer *w, wtable *t, const char *client, int warning,
                 const cq_error *why) {
  event *e = cq_calloc(1, sizeof *e);

  if (e) {
    e->e.table = t ? t->caller : NULL;
    snprintf(e->e.client, sizeof e->e.client, "%s", client);
    e->e.warning = warning;
    e->e.why = *why;
    redact(w, &e->e.why);
  }
  pthread_mutex_lock(&w->queue.lock);
  if (e && w->last)
    w->last->next = e;
  else if (e)
    w->first = e;
  if (e) w->last = e;
  if (!warning && t) {
    t->failed = 1;
    t->why = *why;
    redact(w, &t->why);
  }
  if (!warning && (!t || !e)) {
    w->broken = 1;
    w->broken_why = *why;
    redact(w, &w->broken_why);
  }
  pthread_mutex_unlock(&w->queue.lock);
}

/* The first failure of a table is told; what follows from it is not. */
static void tell_failed(writer *w, wtable *t, const char *client,
                        const cq_error *why) {
  if (!refused(w, t, NULL)) tell(w, t, client, 0, why);
}

static int writer_poll(cq_dest *d, cq_dest_event *out) {
  writer *w = of(d);
  event *e;

  pthread_mutex_lock(&w->queue.lock);
  for (wtable *t = w->tables; t; t = t->next) {
    cq_counts *n = &t->caller->n;

    n->rows = t->done.rows;
    n->inserted = t->done.inserted;
    n->updated = t->done.updated;
    n->deleted = t->done.deleted;
    n->unchanged = t->done.unchanged;
    n->kept = t->done.kept;
  }
  e = w->first;
  if (e) w->first = e->next;
  if (!w->first) w->last = NULL;
  pthread_mutex_unlock(&w->queue.lock);
  if (!e) return CQ_DONE;
  *out = e->e;
  cq_free(e);
  return CQ_ROW;
}

/* ---- twins ---------------------------------------------------------------------------- */

static cq_dest_run *twin_run(writer *w, const cq_dest_run *r) {
  for (wrun *x = w->runs; x; x = x->next)
    if (x->run.source == r->source || strcmp(x->run.source, r->source) == 0)
      return &x->run;
  return NULL;
}

static wtable *twin_table(writer *w, cq_dest_table *t) {
  wtable *x = t->own;

  if (x) return x;
  x = cq_calloc(1, sizeof *x);
  if (!x) return NULL;
  x->caller = t;
  x->twin = *t;
  x->next = w->tables;
  w->tables = x;
  t->own = x;
  return x;
}

/* What sync/ knows of the table, beside what the store has counted. */
static void twin_update(writer *w, wtable *t, const cq_dest_table *from) {
  cq_counts n;

  pthread_mutex_lock(&w->queue.lock);
  n = from->n;
  n.rows = t->done.rows;
  n.inserted = t->done.inserted;
  n.updated = t->done.updated;
  n.deleted = t->done.deleted;
  n.unchanged = t->done.unchanged;
  n.kept = t->done.kept;
  t->twin.failed = from->failed || t->failed;
  pthread_mutex_unlock(&w->queue.lock);
  t->twin.n = n;
  t->twin.many = from->many;
  t->twin.incremental = from->incremental;
  t->twin.status = from->status;
  t->twin.started_us = from->started_us;
  t->twin.finished_us = from->finished_us;
  t->twin.complete = from->complete;
}

static void counts_back(writer *w, wtable *t) {
  pthread_mutex_lock(&w->queue.lock);
  t->done = t->twin.n;
  pthread_mutex_unlock(&w->queue.lock);
}

static wunit *twin_unit(wtable *t, const char *client) {
  wunit *u;

  for (u = t->units; u; u = u->next)
    if (strcmp(u->client, client) == 0) return u;
  u = cq_calloc(1, sizeof *u);
  if (!u) return NULL;
  u->client = cq_strdup(client);
  if (!u->client) {
    cq_free(u);
    return NULL;
  }
  u->unit.table = &t->twin;
  u->unit.client = u->client;
  u->next = t->units;
  t->units = u;
  return u;
}

static void unit_free(wtable *t, wunit *u) {
  wunit **at = &t->units;

  while (*at && *at != u) at = &(*at)->next;
  if (*at) *at = u->next;
  cq_free(u->client);
  cq_free(u->keep);
  cq_free(u);
}

/* ---- calls that are waited for ------------------------------------------------------- */

typedef struct call {
  cq_job job; /* first */
  writer *w;
  int make, dry, nt;
  int64_t group, keep;
  int64_t *last;
  cq_buf *out;
  const cq_dest_run *run;
  cq_dest_run *begun;
  wtable *table;
  wtable **tables;
  cq_dest_table **twins;
  cq_states *states;
  const char *name, *client, *status, *message;
  const cq_counts *n;
  const cq_value *v;
  int nv;
} call;

static int call_wait(writer *w, cq_job_fn fn, call *c, cq_error *err) {
  int rc;

  c->w = w;
  rc = cq_queue_call(&w->queue, fn, &c->job, w->interrupted, w->user, err);
  if (rc && err) redact(w, err);
  return rc;
}

static call *call_of(cq_job *j) {
  return (call *)(void *)j;
}

static int do_open(void *user, cq_job *j, cq_error *err) {
  writer *w = user;

  return w->ops->open(&w->def, call_of(j)->make, &w->store, err);
}

static int do_close(void *user, cq_job *j, cq_error *err) {
  writer *w = user;

  (void)j, (void)err;
  for (wtable *t = w->tables; t; t = t->next) w->ops->drop(w->store, &t->twin);
  w->ops->close(w->store);
  w->store = NULL;
  return CQ_OK;
}

static int do_last_group(void *user, cq_job *j, cq_error *err) {
  writer *w = user;

  return w->ops->last_group(w->store, call_of(j)->last, err);
}

static int writer_last_group(cq_dest *d, int64_t *out, cq_error *err) {
  call c = {.last = out};

  *out = 0;
  return call_wait(of(d), do_last_group, &c, err);
}

static int do_begin(void *user, cq_job *j, cq_error *err) {
  writer *w = user;

  return w->ops->begin(w->store, call_of(j)->begun, err);
}

static int writer_begin(cq_dest *d, cq_dest_run *r, cq_error *err) {
  writer *w = of(d);
  wrun *x = cq_calloc(1, sizeof *x);
  call c = {.begun = x ? &x->run : NULL};
  int rc;

  if (!x) return cq_error_nomem(err);
  x->run = *r;
  rc = call_wait(w, do_begin, &c, err);
  if (rc) {
    cq_free(x);
    return rc;
  }
  r->retry = x->run.retry;
  r->base = x->run.base;
  x->next = w->runs;
  w->runs = x;
  return CQ_OK;
}

static int do_migrate(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);

  return w->ops->migrate(w->store, &c->table->twin, c->dry, c->out, err);
}

static int writer_migrate(cq_dest *d, cq_dest_table *t, int dry,
                          cq_buf *actions, cq_error *err) {
  writer *w = of(d);
  call c = {.dry = dry, .out = actions, .table = twin_table(w, t)};

  if (!c.table) return cq_error_nomem(err);
  twin_update(w, c.table, t);
  return call_wait(w, do_migrate, &c, err);
}

static int do_states(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);
  int rc =
      w->ops->states(w->store, c->run, c->name, cq_states_add, c->states, err);

  if (rc == CQ_NOMEM) return cq_error_nomem(err);
  return rc;
}

/* Of the tables asked for last. */
static int states_of(writer *w, const cq_dest_run *r, const char *table,
                     cq_states **out, cq_error *err) {
  cq_states *s = &w->states[0];
  call c = {.run = twin_run(w, r), .name = table};
  int rc;

  for (int i = 0; i < STATES_KEPT; i++) {
    cq_states *x = &w->states[i];

    if (x->table && x->group == r->group && strcmp(x->table, table) == 0) {
      x->used = ++w->asked;
      *out = x;
      return CQ_OK;
    }
    if (x->used < s->used) s = x;
  }
  cq_states_clear(s);
  cq_arena_init(&s->arena);
  c.states = s;
  rc = call_wait(w, do_states, &c, err);
  cq_states_sort(s);
  s->group = r->group;
  s->table = rc ? NULL : cq_strdup(table);
  if (rc == CQ_OK && !s->table) rc = cq_error_nomem(err);
  s->used = ++w->asked;
  *out = s;
  return rc;
}

static int is_wanted(const writer *w, const char *table) {
  for (const wtable *t = w->tables; t; t = t->next)
    if (t->twin.wanted && strcmp(t->twin.def->name, table) == 0) return 1;
  return 0;
}

static int writer_state(cq_dest *d, const cq_dest_run *r, const char *table,
                        const char *client, cq_dest_state *out, cq_error *err) {
  writer *w = of(d);
  cq_states *s;
  int rc;

  memset(out, 0, sizeof *out);
  rc = refused(w, NULL, err);
  if (rc == CQ_OK) rc = states_of(w, r, table, &s, err);
  if (rc == CQ_OK) rc = cq_states_find(s, client, out, err);
  /* What cannot be read again has to be fetched again for those below. */
  if (rc == CQ_OK && !w->ops->read && is_wanted(w, table)) out->done = 0;
  return rc;
}

static int each_read(void *user, const cq_batch *rows) {
  writer *w = user;
  cq_pack *p = cq_pack_new(rows, NULL, NULL);
  int rc = p ? cq_shelf_put(&w->earlier, &w->shelves, "", p, NULL) : CQ_NOMEM;

  cq_pack_unref(p);
  return rc;
}

static int do_read(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);

  return w->ops->read(w->store, c->run, &c->table->twin, c->client, c->group,
                      each_read, w, err);
}

static int writer_rows(cq_dest *d, const cq_dest_run *r,
                       const cq_dest_table *parent, const char *client,
                       int64_t group, cq_rows *out, cq_error *err) {
  writer *w = of(d);
  wtable *t = parent->own;
  call c = {
      .run = twin_run(w, r), .table = t, .client = client, .group = group};
  int rc;

  if (!t || (group != r->group && !w->ops->read))
    return cq_error_set(err, CQ_ERROR,
                        "destination %s: %s: its rows cannot be read again",
                        w->base.name, parent->def->name);
  if (group == r->group)
    return cq_shelf_rows(&t->shelf, &w->shelves, client, out, err);
  cq_shelf_clear(&w->earlier);
  rc = call_wait(w, do_read, &c, err);
  return rc ? rc : cq_shelf_rows(&w->earlier, &w->shelves, "", out, err);
}

static int do_publish(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);
  int rc;

  for (int i = 0; i < c->nt; i++) {
    twin_update(w, c->tables[i], c->tables[i]->caller);
    c->twins[i] = &c->tables[i]->twin;
  }
  rc = w->ops->publish(w->store, c->run, c->twins, c->nt, c->status, c->n,
                       c->message, err);
  for (int i = 0; i < c->nt; i++) counts_back(w, c->tables[i]);
  return rc;
}

static int writer_publish(cq_dest *d, const cq_dest_run *r,
                          cq_dest_table *const *t, int nt, const char *status,
                          const cq_counts *n, const char *message,
                          cq_error *err) {
  writer *w = of(d);
  cq_dest_event none;
  call c = {.run = twin_run(w, r),
            .nt = nt,
            .status = status,
            .n = n,
            .message = message};
  int rc = refused(w, NULL, err);

  if (rc) return rc;
  c.tables = cq_calloc((size_t)nt + 1, sizeof *c.tables);
  c.twins = cq_calloc((size_t)nt + 1, sizeof *c.twins);
  if (!c.tables || !c.twins) rc = cq_error_nomem(err);
  for (int i = 0; i < nt && rc == CQ_OK; i++) {
    c.tables[i] = twin_table(w, t[i]);
    if (!c.tables[i]) rc = cq_error_nomem(err);
  }
  if (rc == CQ_OK) rc = call_wait(w, do_publish, &c, err);
  if (rc == CQ_OK) writer_poll(d, &none); /* for the counts */
  cq_free(c.tables);
  cq_free(c.twins);
  return rc;
}

static int do_summary(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);

  return w->ops->summary(w->store, c->v, c->nv, err);
}

static int writer_summary(cq_dest *d, const cq_value *v, int n, cq_error *err) {
  call c = {.v = v, .nv = n};

  return call_wait(of(d), do_summary, &c, err);
}

static int do_prune(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);

  return w->ops->prune(w->store, c->keep, c->out, err);
}

static int writer_prune(cq_dest *d, int64_t keep, cq_buf *out, cq_error *err) {
  call c = {.keep = keep, .out = out};

  return call_wait(of(d), do_prune, &c, err);
}

static int do_test(void *user, cq_job *j, cq_error *err) {
  writer *w = user;

  (void)j;
  return w->ops->test(w->store, err);
}

static int writer_test(cq_dest *d, cq_error *err) {
  call c = {.make = 0};

  return of(d)->ops->test ? call_wait(of(d), do_test, &c, err) : CQ_OK;
}

/* What the store has found out meanwhile, and counted. */
static void hear(writer *w) {
  cq_dest_event e;

  while (w->ops->poll && w->ops->poll(w->store, &e) == CQ_ROW) {
    wtable *t = w->tables;

    while (t && &t->twin != e.table) t = t->next;
    if (e.warning)
      tell(w, t, e.client, 1, &e.why);
    else
      tell_failed(w, t, e.client, &e.why);
  }
}

static int do_drain(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  int rc = w->ops->commit(w->store, 1, err);

  (void)j;
  hear(w);
  for (wtable *t = w->tables; t; t = t->next) counts_back(w, t);
  return rc;
}

static int writer_busy(cq_dest *d) {
  return cq_queue_busy(&of(d)->queue);
}

static int writer_drain(cq_dest *d, cq_error *err) {
  call c = {.make = 0};
  int rc = refused(of(d), NULL, err);

  return rc ? rc : call_wait(of(d), do_drain, &c, err);
}

/* ---- jobs that nobody waits for ------------------------------------------------------- */

typedef struct task {
  cq_job job; /* first */
  wtable *table;
  cq_dest_run *run;
  cq_dest_table state; /* put_table: the caller's, as it was */
  cq_counts n;
  int ntable;
  int64_t started_us;
  char *texts[5];
} task;

static void task_drop(cq_job *j) {
  task *t = (task *)(void *)j;

  for (size_t i = 0; i < 5; i++) cq_free(t->texts[i]);
  cq_free(t);
}

/* With copies of up to five texts; NULL: no memory. */
static task *task_new(cq_job_fn fn, const char *const *texts, size_t n) {
  task *t = cq_calloc(1, sizeof *t);

  if (!t) return NULL;
  t->job.run = fn;
  t->job.drop = task_drop;
  for (size_t i = 0; i < n; i++) {
    if (!texts[i]) continue;
    t->texts[i] = cq_strdup(texts[i]);
    if (!t->texts[i]) {
      task_drop(&t->job);
      return NULL;
    }
  }
  return t;
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

  if (refused(w, t->table, NULL)) return CQ_OK;
  if (j->rc) { /* its rows could not be read back */
    tell(w, NULL, "", 0, &j->err);
    return CQ_OK;
  }
  u = twin_unit(t->table, t->texts[0]);
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
  if (rc) tell_failed(w, t->table, t->texts[0], err);
  return CQ_OK;
}

static int writer_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
                        const cq_dest_rows *rows, cq_error *err) {
  writer *w = of(d);
  wtable *x = twin_table(w, u->table);
  const char *texts[] = {u->client};
  int rc = x ? refused(w, x, err) : cq_error_nomem(err);
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
  t->run = twin_run(w, r);
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
  tell(w, t, u->client, 1, &why);
}

static int do_end(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;
  wunit *u = twin_unit(t->table, t->texts[0]);
  int bad = refused(w, t->table, NULL);
  int rc;

  if (!u) {
    cq_error_nomem(err);
    tell_failed(w, t->table, t->texts[0], err);
    return CQ_OK;
  }
  if (!u->unit.started_us) u->unit.started_us = t->started_us;
  u->keep = t->texts[3];
  t->texts[3] = NULL;
  u->unit.keep = u->keep;
  rc = w->ops->end(w->store, t->run, &u->unit, bad ? "failed" : t->texts[1],
                   t->texts[2], err);
  counts_back(w, t->table);
  if (rc)
    tell_failed(w, t->table, t->texts[0], err);
  else
    warn(w, t->table, u);
  unit_free(t->table, u);
  return CQ_OK;
}

static int writer_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
                      const char *status, const char *cursor, cq_error *err) {
  writer *w = of(d);
  wtable *x = twin_table(w, u->table);
  const char *texts[] = {u->client, status, cursor, u->keep};
  task *t;

  if (!x) return cq_error_nomem(err);
  t = task_new(do_end, texts, 4);
  if (!t) return cq_error_nomem(err);
  t->table = x;
  t->run = twin_run(w, r);
  t->started_us = u->started_us;
  t->job.rows = 1;
  return hand_over(w, t, err);
}

static int do_drop(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;

  (void)err;
  w->ops->drop(w->store, &t->table->twin);
  return CQ_OK;
}

/* The twin, and rows kept for the tables below, stay until the end. */
static void writer_drop(cq_dest *d, cq_dest_table *t) {
  writer *w = of(d);
  task *k = t->own ? task_new(do_drop, NULL, 0) : NULL;

  if (!k) return;
  k->table = t->own;
  hand_over(w, k, NULL);
}

/* The journal: what cannot be written of it is told where it matters, when the
 * run is published. */
static int do_put_table(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;

  if (refused(w, NULL, NULL)) return CQ_OK;
  twin_update(w, t->table, &t->state);
  return w->ops->put_table(w->store, t->run, &t->table->twin, err);
}

static int writer_put_table(cq_dest *d, const cq_dest_run *r,
                            const cq_dest_table *t, cq_error *err) {
  writer *w = of(d);
  task *k = t->own ? task_new(do_put_table, NULL, 0) : NULL;

  if (!k) return CQ_OK; /* it was never migrated: publish tells */
  k->table = t->own;
  k->run = twin_run(w, r);
  k->state = *t;
  return hand_over(w, k, err);
}

static int do_put_error(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;

  if (refused(w, NULL, NULL)) return CQ_OK;
  return w->ops->put_error(w->store, t->run, t->texts[0], t->texts[1],
                           t->texts[2], t->texts[3], err);
}

static int writer_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                            const char *client, const char *kind,
                            const char *message, cq_error *err) {
  writer *w = of(d);
  const char *texts[] = {table, client, kind, message};
  task *t = task_new(do_put_error, texts, 4);

  if (!t) return cq_error_nomem(err);
  t->run = twin_run(w, r);
  return hand_over(w, t, err);
}

static int do_put_run(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  task *t = (task *)(void *)j;
  int rc = w->ops->put_run(w->store, t->run, t->texts[0], &t->n, t->ntable,
                           t->texts[1], err);

  if (rc == CQ_OK && strcmp(t->texts[0], "running") != 0)
    rc = w->ops->commit(w->store, 1, err);
  return rc;
}

/* The last word of a run that is given up: what waits will not be needed. */
static int writer_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
                          const cq_counts *n, int ntable, const char *message,
                          cq_error *err) {
  writer *w = of(d);
  const char *texts[] = {status, message};
  task *t = task_new(do_put_run, texts, 2);

  if (!t) return cq_error_nomem(err);
  t->run = twin_run(w, r);
  t->n = *n;
  t->ntable = ntable;
  if (strcmp(status, "running") != 0) cq_queue_purge(&w->queue);
  return hand_over(w, t, err);
}

/* When a batch is handed on is the store's own affair; drain forces it. */
static int writer_commit(cq_dest *d, int force, cq_error *err) {
  (void)force;
  return refused(of(d), NULL, err);
}

/* Between jobs: what has waited long enough is written. */
static void idle(void *user) {
  writer *w = user;
  cq_error err = {0, ""};

  if (!w->store || refused(w, NULL, NULL)) return;
  if (w->ops->commit(w->store, 0, &err)) tell(w, NULL, "", 0, &err);
  hear(w);
}

/* ---- open, close ------------------------------------------------------------------------- */

static int stopped(void *user) {
  writer *w = user;

  return __atomic_load_n(&w->queue.stop, __ATOMIC_ACQUIRE);
}

static void writer_free(writer *w) {
  event *e;
  wtable *t;
  wrun *r;

  cq_queue_end(&w->queue);
  while ((e = w->first) != NULL) {
    w->first = e->next;
    cq_free(e);
  }
  while ((t = w->tables) != NULL) {
    w->tables = t->next;
    while (t->units) unit_free(t, t->units);
    cq_shelf_clear(&t->shelf);
    cq_free(t);
  }
  while ((r = w->runs) != NULL) {
    w->runs = r->next;
    cq_free(r);
  }
  for (int i = 0; i < STATES_KEPT; i++) cq_states_clear(&w->states[i]);
  cq_shelf_clear(&w->earlier);
  cq_spool_clear(&w->shelves);
  cq_free(w->base.name);
  cq_free(w);
}

static void writer_close(cq_dest *d) {
  writer *w = of(d);
  call c = {.make = 0};

  if (w->store) call_wait(w, do_close, &c, NULL);
  writer_free(w);
}

static const cq_dest_ops writer_ops = {
    .name = "writer",
    .threaded = 1,
    .close = writer_close,
    .last_group = writer_last_group,
    .begin = writer_begin,
    .migrate = writer_migrate,
    .state = writer_state,
    .rows = writer_rows,
    .write = writer_write,
    .end = writer_end,
    .drop = writer_drop,
    .put_table = writer_put_table,
    .put_error = writer_put_error,
    .put_run = writer_put_run,
    .busy = writer_busy,
    .drain = writer_drain,
    .poll = writer_poll,
    .test = writer_test,
    .commit = writer_commit,
    .publish = writer_publish,
    .summary = writer_summary,
    .prune = writer_prune,
};

int cq_writer_open(const cq_dest_ops *store, const cq_dest_def *d, int make,
                   cq_dest **out, cq_error *err) {
  writer *w = cq_calloc(1, sizeof *w);
  call c = {.make = make};
  int rc;

  *out = NULL;
  if (!w) return cq_error_nomem(err);
  cq_spool_init(&w->shelves);
  w->base.ops = &writer_ops;
  w->base.mode = d->mode;
  w->base.name = cq_strdup(d->name);
  w->ops = store;
  w->def = *d;
  w->interrupted = d->interrupted;
  w->user = d->user;
  w->def.db = NULL;
  w->def.peers = NULL;
  w->def.interrupted = stopped;
  w->def.user = w;
  w->queue.user = w;
  w->queue.idle = idle;
  rc = w->base.name ? cq_queue_start(&w->queue, err) : cq_error_nomem(err);
  if (rc == CQ_OK) rc = call_wait(w, do_open, &c, err);
  if (rc) {
    if (w->store) call_wait(w, do_close, &c, NULL);
    writer_free(w);
    return rc;
  }
  *out = &w->base;
  return CQ_OK;
}
