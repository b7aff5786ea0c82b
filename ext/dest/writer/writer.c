/* ext/dest/writer/writer.c: the destination that sync/ sees where the store is
 * elsewhere: each call becomes a job of the store's own thread.
 *
 * What sync/ needs an answer to is waited for, here.  The rest is handed over
 * (handed.c); what goes wrong then is told by poll, and by the next call that
 * has to do with the same table. */
#include <string.h>

#include "dest/writer/internal.h"

/* ---- calls that are waited for ------------------------------------------------------- */

enum { LAST_WORD_MS = 5000 };

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
  cq_shelf *shelf;
  const char *name, *client, *status, *message;
  const cq_counts *n;
  const cq_value *v;
  int nv;
  int64_t asked_ms;
  cq_error why;
} call;

typedef struct patience {
  const writer *w;
  int over; /* the limit was reached, rather than the caller interrupted */
} patience;

static int patience_over(void *user) {
  patience *p = user;
  const writer *w = p->w;

  if (w->interrupted && w->interrupted(w->user)) return 1;
  p->over = w->base.until && cq_mono_ms() >= w->base.until;
  return p->over;
}

static void call_ask(writer *w, cq_job_fn fn, call *c) {
  c->w = w;
  c->asked_ms = cq_mono_ms();
  cq_queue_ask(&w->queue, fn, &c->job, &c->why);
}

static int call_answer(writer *w, call *c, cq_error *err) {
  patience p = {w, 0};
  int rc = cq_queue_answer(&w->queue, &c->job, patience_over, &p, err);

  if (rc && p.over) {
    w->late = 1;
    rc = cq_error_set(
        err, CQ_IOERR, "destination %s: did not answer within %lld s",
        w->base.name, (long long)(w->base.until - c->asked_ms + 999) / 1000);
  }
  if (rc && err) writer_redact(w, err);
  return rc;
}

static int call_wait(writer *w, cq_job_fn fn, call *c, cq_error *err) {
  call_ask(w, fn, c);
  return call_answer(w, c, err);
}

/* Asked ahead of the wait for it: then it is on the heap. */
static int call_ahead(writer *w, cq_job_fn fn, const call *c, cq_error *err) {
  w->ahead = cq_malloc(sizeof *w->ahead);
  if (!w->ahead) return cq_error_nomem(err);
  *w->ahead = *c;
  call_ask(w, fn, w->ahead);
  return CQ_OK;
}

static int call_arrived(writer *w, cq_error *err) {
  int rc = call_answer(w, w->ahead, err);

  cq_free(w->ahead);
  w->ahead = NULL;
  return rc;
}

static call *call_of(cq_job *j) {
  return (call *)(void *)j;
}

static int do_open(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  int make = call_of(j)->make;
  int rc = w->ops->open(&w->def, make, &w->store, err);

  if (rc || !make) return rc;
  w->last_rc = w->ops->last_group(w->store, &w->last_seen, &w->last_why);
  w->last_known = w->last_rc != CQ_INTERRUPT;
  if (!w->last_known) *err = w->last_why;
  return w->last_known ? CQ_OK : w->last_rc;
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
  writer *w = writer_of(d);
  call c = {.last = out};

  *out = w->last_seen;
  if (w->last_known) {
    w->last_known = 0; /* another time it may be another */
    if (w->last_rc && err) *err = w->last_why;
    if (w->last_rc && err) writer_redact(w, err);
    return w->last_rc;
  }
  return call_wait(w, do_last_group, &c, err);
}

static int do_begin(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  cq_dest_run *run = call_of(j)->begun;
  int rc = w->ops->begin(w->store, run, err);
  wrun *x = writer_run_of(w, run);

  if (rc == CQ_OK && x) {
    x->alive = 1;
    x->told_ms = cq_mono_ms();
  }
  return rc;
}

static int writer_ask(cq_dest *d, const cq_dest_run *r, cq_error *err) {
  writer *w = writer_of(d);
  wrun *x = cq_calloc(1, sizeof *x);
  call c = {.begun = x ? &x->run : NULL};

  if (!x) return cq_error_nomem(err);
  x->run = *r;
  /* The store may keep it, also where an interrupt hides that it has begun. */
  x->next = w->runs;
  __atomic_store_n(&w->runs, x, __ATOMIC_RELEASE);
  return call_ahead(w, do_begin, &c, err);
}

static int writer_begin(cq_dest *d, cq_dest_run *r, cq_error *err) {
  writer *w = writer_of(d);
  const cq_dest_run *twin;
  int rc = w->ahead ? CQ_OK : writer_ask(d, r, err);

  if (rc) return rc;
  twin = w->ahead->begun;
  rc = call_arrived(w, err);
  if (rc) return rc;
  r->retry = twin->retry;
  r->base = twin->base;
  return CQ_OK;
}

static int do_migrate(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);

  *c->table->twin.lost = 0;
  return w->ops->migrate(w->store, &c->table->twin, c->dry, c->out, err);
}

static int do_states(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);
  int rc =
      w->ops->states(w->store, c->run, c->name, cq_states_add, c->states, err);

  if (rc == CQ_NOMEM) return cq_error_nomem(err);
  return rc;
}

static cq_states *states_kept(writer *w, const cq_dest_run *run,
                              const char *table) {
  for (size_t i = 0; i < w->nstates; i++)
    if (w->states[i].run == run && strcmp(w->states[i].table, table) == 0)
      return &w->states[i];
  return NULL;
}

/* Makes room for one more: those used longest ago go. */
static size_t states_room(writer *w, size_t most) {
  for (;;) {
    size_t bytes = 0, old = 0;

    for (size_t i = 0; i < w->nstates; i++) {
      bytes += cq_states_bytes(&w->states[i]);
      if (w->states[i].used < w->states[old].used) old = i;
    }
    if (bytes <= most || !w->nstates) return bytes;
    cq_states_clear(&w->states[old]);
    w->states[old] = w->states[--w->nstates];
  }
}

static int states_of(writer *w, const cq_dest_run *r, const char *table,
                     cq_states **out, cq_error *err) {
  cq_states *s = states_kept(w, writer_run(w, r), table), fresh;
  call c = {.run = writer_run(w, r), .name = table, .states = &fresh};
  int rc;

  *out = s;
  if (s) {
    s->used = ++w->asked;
    return CQ_OK;
  }
  memset(&fresh, 0, sizeof fresh);
  cq_arena_init(&fresh.arena);
  rc = call_wait(w, do_states, &c, err);
  cq_states_sort(&fresh);
  fresh.run = c.run;
  fresh.used = ++w->asked;
  fresh.table = rc ? NULL : cq_strdup(table);
  states_room(w, CQ_STATES_BYTES);
  if (rc == CQ_OK && (!fresh.table || cq_grow(&w->states, &w->capstates,
                                              w->nstates, sizeof *w->states)))
    rc = cq_error_nomem(err);
  if (rc) {
    cq_states_clear(&fresh);
    return rc;
  }
  w->states[w->nstates] = fresh;
  *out = &w->states[w->nstates++];
  return CQ_OK;
}

static int writer_migrate(cq_dest *d, cq_dest_table *t, int dry,
                          cq_buf *actions, cq_error *err) {
  writer *w = writer_of(d);
  cq_states *s;
  call c = {.dry = dry, .out = actions, .table = writer_table(w, t)};
  int rc;

  if (!c.table) return cq_error_nomem(err);
  writer_update(w, c.table, t);
  if (w->def.several && w->runs && !dry)
    return writer_migrate_later(w, c.table, err);
  rc = call_wait(w, do_migrate, &c, err);
  if (rc == CQ_OK) memcpy(t->lost, c.table->twin.lost, sizeof t->lost);
  /* A run will ask for the states of its units: now, when the store is waited
   * for anyway, rather than when it may be slow and others have work. */
  if (rc == CQ_OK && w->runs && !dry &&
      states_room(w, SIZE_MAX) < CQ_STATES_BYTES / 2)
    rc = states_of(w, &w->runs->run, t->def->name, &s, err);
  return rc;
}

static int is_wanted(const writer *w, const char *table) {
  for (const wtable *t = w->tables; t; t = t->next)
    if (t->twin.wanted && strcmp(t->twin.def->name, table) == 0) return 1;
  return 0;
}

static int writer_state(cq_dest *d, const cq_dest_run *r, const char *table,
                        const char *client, cq_dest_state *out, cq_error *err) {
  writer *w = writer_of(d);
  cq_states *s;
  int rc;

  memset(out, 0, sizeof *out);
  rc = writer_refused(w, NULL, err);
  if (rc == CQ_OK) rc = states_of(w, r, table, &s, err);
  if (rc == CQ_OK) rc = cq_states_find(s, client, out, err);
  /* What cannot be read again has to be fetched again for those below. */
  if (rc == CQ_OK && !w->ops->read && is_wanted(w, table)) out->done = 0;
  return rc;
}

typedef struct reread {
  cq_shelf *shelf;
  cq_spool *spool;
} reread;

static int each_read(void *user, const cq_batch *rows) {
  reread *r = user;
  cq_pack *p = cq_pack_new(rows, NULL, NULL);
  int rc = p ? cq_shelf_put(r->shelf, r->spool, "", p, NULL) : CQ_NOMEM;

  cq_pack_unref(p);
  return rc;
}

static int do_read(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);
  reread r = {c->shelf, &w->shelves};
  int rc = CQ_OK;

  /* What this run keeps is told from what it does not when it is written. */
  if (c->group == c->run->group) rc = w->ops->commit(w->store, 1, err);
  writer_hear(w);
  if (rc == CQ_OK) rc = writer_refused(w, c->table, err);
  if (rc) return rc;
  return w->ops->read(w->store, c->run, &c->table->twin, c->client, c->group,
                      each_read, &r, err);
}

/* Several units may read at once, so that each has a shelf of its own. */
static int writer_rows(cq_dest *d, const cq_dest_run *r,
                       const cq_dest_table *parent, const char *client,
                       int64_t group, int kept, cq_rows *out, cq_error *err) {
  writer *w = writer_of(d);
  wtable *t = parent->own;
  call c = {
      .run = writer_run(w, r), .table = t, .client = client, .group = group};
  int rc;

  if (!t || ((kept || group != r->group) && !w->ops->read))
    return cq_error_set(err, CQ_ERROR,
                        "destination %s: %s: its rows cannot be read again",
                        w->base.name, parent->def->name);
  if (!kept && group == r->group)
    return cq_shelf_rows(&t->shelf, 0, &w->shelves, client, out, err);
  c.shelf = cq_calloc(1, sizeof *c.shelf);
  if (!c.shelf) return cq_error_nomem(err);
  rc = call_wait(w, do_read, &c, err);
  if (rc == CQ_OK) rc = cq_shelf_rows(c.shelf, 1, &w->shelves, "", out, err);
  if (rc) {
    cq_shelf_clear(c.shelf);
    cq_free(c.shelf);
  }
  return rc;
}

static int do_publish(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);
  cq_error unsaid = {0, ""};
  wrun *x = writer_run_of(w, c->run);
  int rc;

  for (int i = 0; i < c->nt; i++) {
    writer_update(w, c->tables[i], c->tables[i]->caller);
    c->twins[i] = &c->tables[i]->twin;
  }
  rc = w->ops->publish(w->store, c->run, c->twins, c->nt, c->status, c->n,
                       c->message, &unsaid);
  if (x) x->alive = 0;
  if (rc)
    *err = unsaid;
  else
    writer_tell_unsaid(w, &unsaid);
  if (rc == CQ_OK) writer_hear(w);
  for (int i = 0; i < c->nt; i++) writer_counts_back(w, c->tables[i]);
  return rc;
}

static int writer_publish(cq_dest *d, const cq_dest_run *r,
                          cq_dest_table *const *t, int nt, const char *status,
                          const cq_counts *n, const char *message,
                          cq_error *err) {
  writer *w = writer_of(d);
  call c = {.run = writer_run(w, r),
            .nt = nt,
            .status = status,
            .n = n,
            .message = message};
  int rc = writer_refused(w, NULL, err);

  if (rc) return rc;
  c.tables = cq_calloc((size_t)nt + 1, sizeof *c.tables);
  c.twins = cq_calloc((size_t)nt + 1, sizeof *c.twins);
  if (!c.tables || !c.twins) rc = cq_error_nomem(err);
  for (int i = 0; i < nt && rc == CQ_OK; i++) {
    c.tables[i] = writer_table(w, t[i]);
    if (!c.tables[i]) rc = cq_error_nomem(err);
  }
  if (rc == CQ_OK) rc = call_wait(w, do_publish, &c, err);
  if (rc == CQ_OK) writer_counts(w);
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

  return call_wait(writer_of(d), do_summary, &c, err);
}

static int do_prune(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);

  return w->ops->prune(w->store, c->keep, c->out, err);
}

static int writer_prune(cq_dest *d, int64_t keep, cq_buf *out, cq_error *err) {
  call c = {.keep = keep, .out = out};

  return call_wait(writer_of(d), do_prune, &c, err);
}

/* ---- the last word ------------------------------------------------------------- */

static int do_last_word(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  call *c = call_of(j);
  wrun *x = writer_run_of(w, c->run);
  int rc = w->ops->put_run(w->store, c->run, c->status, c->n, c->nt, c->message,
                           err);

  if (x) x->alive = 0;
  return rc ? rc : w->ops->commit(w->store, 1, err);
}

typedef struct grace {
  const writer *w;
  int64_t until;
} grace;

static int grace_over(void *user) {
  const grace *g = user;

  return cq_mono_ms() > g->until && g->w->interrupted &&
         g->w->interrupted(g->w->user);
}

/* Of a run that is given up: what waits will not be needed.  The caller is
 * interrupted still, where it was: a store that cannot say so within a few
 * seconds is left without it. */
static int writer_run_over(cq_dest *d, const cq_dest_run *r, const char *status,
                           const cq_counts *n, int ntable, const char *message,
                           cq_error *err) {
  writer *w = writer_of(d);
  grace g = {w, cq_mono_ms() + LAST_WORD_MS};
  call c = {.w = w,
            .run = writer_run(w, r),
            .status = status,
            .n = n,
            .nt = ntable,
            .message = message};
  int rc;

  if (strcmp(status, "running") == 0)
    return writer_put_run(d, r, status, n, ntable, message, err);
  cq_queue_purge(&w->queue);
  rc = cq_queue_call(&w->queue, do_last_word, &c.job, grace_over, &g, err);
  if (rc && err) writer_redact(w, err);
  return rc;
}

static int do_test(void *user, cq_job *j, cq_error *err) {
  writer *w = user;

  (void)j;
  return w->ops->test(w->store, err);
}

static int writer_test(cq_dest *d, cq_error *err) {
  call c = {.make = 0};

  return writer_of(d)->ops->test ? call_wait(writer_of(d), do_test, &c, err)
                                 : CQ_OK;
}

static int do_drain(void *user, cq_job *j, cq_error *err) {
  writer *w = user;
  int rc = w->ops->commit(w->store, 1, err);

  (void)j;
  writer_hear(w);
  for (wtable *t = writer_tables(w); t; t = t->next) writer_counts_back(w, t);
  return rc;
}

static int writer_busy(cq_dest *d) {
  return cq_queue_busy(&writer_of(d)->queue);
}

static int writer_drain(cq_dest *d, cq_error *err) {
  call c = {.make = 0};
  int rc = writer_refused(writer_of(d), NULL, err);

  return rc ? rc : call_wait(writer_of(d), do_drain, &c, err);
}

/* Between jobs: what has waited long enough is written. */
static void idle(void *user) {
  writer *w = user;
  cq_error err = {0, ""};

  if (!w->store || writer_refused(w, NULL, NULL)) return;
  writer_beat(w);
  if (w->ops->commit(w->store, 0, &err)) writer_tell(w, NULL, "", 0, &err);
  writer_hear(w);
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
    while (t->units) writer_unit_free(t, t->units);
    cq_shelf_clear(&t->shelf);
    cq_free(t);
  }
  while ((r = w->runs) != NULL) {
    w->runs = r->next;
    cq_free(r);
  }
  for (size_t i = 0; i < w->nstates; i++) cq_states_clear(&w->states[i]);
  cq_free(w->states);
  cq_spool_clear(&w->shelves);
  cq_free(w->base.name);
  cq_free(w);
}

static void writer_close(cq_dest *d) {
  writer *w = writer_of(d);
  call c = {.make = 0};

  /* Nobody wants to know any more: whoever blocks there gives up. */
  if (w->ahead || w->late)
    __atomic_store_n(&w->queue.stop, 1, __ATOMIC_RELEASE);
  w->base.until = 0;
  if (w->ahead) call_arrived(w, NULL);
  if (w->store) call_wait(w, do_close, &c, NULL);
  writer_free(w);
}

static const cq_dest_ops writer_ops = {
    .name = "writer",
    .threaded = 1,
    .close = writer_close,
    .last_group = writer_last_group,
    .ask = writer_ask,
    .begin = writer_begin,
    .migrate = writer_migrate,
    .state = writer_state,
    .rows = writer_rows,
    .write = writer_write,
    .end = writer_end,
    .drop = writer_drop,
    .put_table = writer_put_table,
    .put_error = writer_put_error,
    .put_run = writer_run_over,
    .busy = writer_busy,
    .drain = writer_drain,
    .poll = writer_poll,
    .test = writer_test,
    .commit = writer_commit,
    .publish = writer_publish,
    .summary = writer_summary,
    .prune = writer_prune,
};

int cq_writer_start(const cq_dest_ops *store, const cq_dest_def *d, int make,
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
  w->queue.room = cq_dest_share(d, CQ_QUEUE_BYTES);
  rc = w->base.name ? cq_queue_start(&w->queue, err) : cq_error_nomem(err);
  if (rc == CQ_OK) rc = call_ahead(w, do_open, &c, err);
  if (rc) {
    writer_free(w);
    return rc;
  }
  *out = &w->base;
  return CQ_OK;
}

int cq_writer_opened(cq_dest *d, cq_error *err) {
  return call_arrived(writer_of(d), err);
}
