/* ext/dest/writer/twins.c: the twins of sync/'s tables, units and runs, which the
 * store is given and only its thread touches; their counts go back under the
 * lock, and so does what has gone wrong. */
#include <stdio.h>
#include <string.h>

#include "dest/writer/internal.h"

/* ---- errors, told later ------------------------------------------------------------ */

void writer_redact(const writer *w, cq_error *e) {
  for (size_t i = 0; i < w->def.nsecret; i++)
    cq_redact(e->text, w->def.secrets[i]);
}

/* CQ_OK, or why nothing of this table (or of any) is taken any more. */
int writer_refused(writer *w, const wtable *t, cq_error *err) {
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

void writer_tell(writer *w, wtable *t, const char *client, int warning,
                 const cq_error *why) {
  event *e = cq_calloc(1, sizeof *e);
  size_t n = strlen(client);

  if (e) {
    e->e.table = t ? t->caller : NULL;
    snprintf(e->e.client, sizeof e->e.client, "%.*s",
             (int)(n < sizeof e->e.client
                       ? n
                       : cq_utf8_cut(client, sizeof e->e.client - 1)),
             client);
    e->e.warning = warning;
    e->e.why = *why;
    writer_redact(w, &e->e.why);
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
    writer_redact(w, &t->why);
  }
  if (!warning && (!t || !e)) {
    w->broken = 1;
    w->broken_why = *why;
    writer_redact(w, &w->broken_why);
  }
  pthread_mutex_unlock(&w->queue.lock);
}

/* The first failure of a table is told; what follows from it is not. */
void writer_tell_failed(writer *w, wtable *t, const char *client,
                        const cq_error *why) {
  if (!writer_refused(w, t, NULL)) writer_tell(w, t, client, 0, why);
}

/* An entry of the journal that cannot be written; that the source is another's
 * now ends it all.  The first is told: they are of one cause. */
void writer_tell_unsaid(writer *w, const cq_error *why) {
  int first;

  if (why->code == CQ_OK || why->code == CQ_INTERRUPT) return;
  if (why->code == CQ_BUSY) {
    writer_tell(w, NULL, "", 0, why);
    return;
  }
  pthread_mutex_lock(&w->queue.lock);
  first = !w->unsaid;
  w->unsaid = 1;
  pthread_mutex_unlock(&w->queue.lock);
  if (first) writer_tell(w, NULL, "", 1, why);
}

/* What the store has counted, under the lock. */
static void counted(const writer *w, const wtable *t, int failed,
                    cq_counts *n) {
  cq_dest_stored(n, &t->done);
  if (failed || t->failed || w->broken) cq_dest_unseen(w->ops, w->base.mode, n);
}

void writer_counts(writer *w) {
  pthread_mutex_lock(&w->queue.lock);
  for (wtable *t = w->tables; t; t = t->next)
    counted(w, t, t->caller->failed, &t->caller->n);
  pthread_mutex_unlock(&w->queue.lock);
}

int writer_poll(cq_dest *d, cq_dest_event *out) {
  writer *w = writer_of(d);
  event *e;

  writer_counts(w);
  pthread_mutex_lock(&w->queue.lock);
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

wrun *writer_run_of(writer *w, const cq_dest_run *twin) {
  wrun *x = writer_runs(w);

  while (x && &x->run != twin) x = x->next;
  return x;
}

cq_dest_run *writer_run(writer *w, const cq_dest_run *r) {
  for (wrun *x = writer_runs(w); x; x = x->next)
    if (x->run.source == r->source || strcmp(x->run.source, r->source) == 0)
      return &x->run;
  return NULL;
}

wtable *writer_table(writer *w, cq_dest_table *t) {
  wtable *x = t->own;

  if (x) return x;
  x = cq_calloc(1, sizeof *x);
  if (!x) return NULL;
  x->caller = t;
  x->twin = *t;
  x->next = w->tables;
  /* The writer's thread may be walking the list. */
  __atomic_store_n(&w->tables, x, __ATOMIC_RELEASE);
  t->own = x;
  return x;
}

/* What sync/ knows of the table, beside what the store has counted. */
void writer_update(writer *w, wtable *t, const cq_dest_table *from) {
  cq_counts n;

  pthread_mutex_lock(&w->queue.lock);
  n = from->n;
  counted(w, t, from->failed, &n);
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

void writer_counts_back(writer *w, wtable *t) {
  pthread_mutex_lock(&w->queue.lock);
  t->done = t->twin.n;
  pthread_mutex_unlock(&w->queue.lock);
}

wunit *writer_unit(wtable *t, const char *client) {
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

void writer_unit_free(wtable *t, wunit *u) {
  wunit **at = &t->units;

  while (*at && *at != u) at = &(*at)->next;
  if (*at) *at = u->next;
  cq_free(u->client);
  cq_free(u->keep);
  cq_free(u);
}

/* What the store has found out meanwhile, and counted. */
void writer_hear(writer *w) {
  cq_dest_event e;

  while (w->ops->poll && w->ops->poll(w->store, &e) == CQ_ROW) {
    wtable *t = writer_tables(w);

    while (t && &t->twin != e.table) t = t->next;
    if (e.warning && !e.table)
      writer_tell_unsaid(w, &e.why);
    else if (e.warning)
      writer_tell(w, t, e.client, 1, &e.why);
    else
      writer_tell_failed(w, t, e.client, &e.why);
  }
}
