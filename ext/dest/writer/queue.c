/* ext/dest/writer/queue.c: jobs, done one after the other by a thread that is
 * the store's own.
 *
 * Rows wait in memory up to `room`.  Beyond that whoever brings more
 * waits; or, where others must not wait for this store, they go into a file. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "dest/writer/internal.h"

enum { LOOK_MS = 50, IDLE_MS = 250 };

static void wait_ms(pthread_cond_t *c, pthread_mutex_t *lock, int ms) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += (long)ms * 1000000;
  t.tv_sec += t.tv_nsec / 1000000000;
  t.tv_nsec %= 1000000000;
  pthread_cond_timedwait(c, lock, &t);
}

/* Of a job that nobody waits for. */
static void job_free(cq_job *j) {
  cq_pack_unref(j->pack);
  if (j->drop) j->drop(j);
}

static cq_job *take(cq_queue *q) {
  cq_job *j = q->head;

  if (!j) return NULL;
  q->head = j->next;
  if (!q->head) q->tail = NULL;
  q->jobs--;
  q->own -= j->own;
  return j;
}

/* Its rows are not needed any more. */
static void leaves(cq_queue *q, const cq_job *j) {
  if (j->spooled < 0) {
    q->bytes -= j->bytes;
    return;
  }
  q->in_spool[j->file] -= (int64_t)j->bytes;
  if (q->in_spool[j->file]) return;
  cq_spool_reset(&q->spools[j->file]);
  q->put[j->file] = 0;
}

static void work(cq_queue *q, cq_job *j) {
  int rc = CQ_OK, waited = !j->drop;
  cq_error own = {0, ""}, *err = waited ? j->err : &own;

  /* The job has its rows or an error to tell. */
  if (j->spooled >= 0)
    j->rc = cq_spool_get(&q->spools[j->file], j->spooled, &j->pack, err);
  rc = j->run(q->user, j, err);
  pthread_mutex_lock(&q->lock);
  leaves(q, j);
  q->busy = 0;
  if (waited) {
    j->rc = rc;
    j->done = 1;
  }
  pthread_cond_broadcast(&q->done);
  pthread_mutex_unlock(&q->lock);
  if (!waited) job_free(j);
}

static void *thread_main(void *arg) {
  cq_queue *q = arg;

  pthread_mutex_lock(&q->lock);
  for (;;) {
    cq_job *j = take(q);

    if (j) {
      q->busy = 1;
      pthread_mutex_unlock(&q->lock);
      work(q, j);
      q->idle(q->user);
      pthread_mutex_lock(&q->lock);
      continue;
    }
    if (q->closing) break;
    wait_ms(&q->work, &q->lock, IDLE_MS);
    if (q->head || q->closing) continue;
    pthread_mutex_unlock(&q->lock);
    q->idle(q->user);
    pthread_mutex_lock(&q->lock);
  }
  pthread_mutex_unlock(&q->lock);
  return NULL;
}

int cq_queue_start(cq_queue *q, cq_error *err) {
  pthread_condattr_t clock;
  sigset_t all, old;
  int rc;

  pthread_mutex_init(&q->lock, NULL);
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&q->work, &clock);
  pthread_cond_init(&q->done, &clock);
  pthread_condattr_destroy(&clock);
  for (int i = 0; i < 2; i++) cq_spool_init(&q->spools[i]);
  /* The host's signals are the host's: this thread takes none. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  rc = pthread_create(&q->thread, NULL, thread_main, q);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  q->started = 1;
  if (rc == 0) return CQ_OK;
  q->started = -1; /* to be cleared, not joined */
  return cq_error_set(err, CQ_ERROR, "no thread could be started: %s",
                      strerror(rc));
}

void cq_queue_end(cq_queue *q) {
  cq_job *j;

  if (!q->started) return;
  if (q->started > 0) {
    pthread_mutex_lock(&q->lock);
    q->closing = 1;
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
  }
  while ((j = take(q)) != NULL) job_free(j);
  for (int i = 0; i < 2; i++) cq_spool_clear(&q->spools[i]);
  pthread_cond_destroy(&q->work);
  pthread_cond_destroy(&q->done);
  pthread_mutex_destroy(&q->lock);
  q->started = 0;
}

static void append(cq_queue *q, cq_job *j) {
  j->next = NULL;
  if (q->tail)
    q->tail->next = j;
  else
    q->head = j;
  q->tail = j;
  q->jobs++;
  q->own += j->own;
  pthread_cond_signal(&q->work);
}

/* One piece larger than all the room goes when nothing else waits. */
static int has_place(const cq_queue *q, const cq_job *j) {
  return q->own == 0 || q->own + j->own <= (size_t)CQ_QUEUE_OWN;
}

static int has_room(const cq_queue *q, const cq_job *j) {
  return has_place(q, j) &&
         (!j->bytes || q->bytes == 0 || q->bytes + j->bytes <= q->room);
}

/* Which spool takes the next rows: nobody empties it meanwhile. */
static int choose(cq_queue *q, cq_job *j) {
  if (q->put[q->filling] >= CQ_QUEUE_TURN && q->in_spool[1 - q->filling] == 0)
    q->filling = 1 - q->filling;
  q->in_spool[q->filling] += (int64_t)j->bytes;
  q->put[q->filling] += (int64_t)j->bytes;
  return j->file = q->filling;
}

int cq_queue_put(cq_queue *q, cq_job *j, int spill, int (*interrupted)(void *),
                 void *user, cq_error *err) {
  int rc = CQ_OK;

  j->spooled = -1;
  pthread_mutex_lock(&q->lock);
  while (rc == CQ_OK && !has_room(q, j)) {
    if (spill && j->pack && has_place(q, j) &&
        q->in_spool[0] + q->in_spool[1] < CQ_QUEUE_SPOOLED) {
      cq_spool *to = &q->spools[choose(q, j)];

      pthread_mutex_unlock(&q->lock);
      rc = cq_spool_put(to, j->pack, &j->spooled, err);
      pthread_mutex_lock(&q->lock);
      if (rc) q->in_spool[j->file] -= (int64_t)j->bytes;
      break;
    }
    wait_ms(&q->done, &q->lock, LOOK_MS);
    pthread_mutex_unlock(&q->lock);
    if (interrupted && interrupted(user))
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
    pthread_mutex_lock(&q->lock);
  }
  if (rc == CQ_OK) {
    if (j->spooled >= 0) {
      cq_pack_unref(j->pack);
      j->pack = NULL;
    } else {
      q->bytes += j->bytes;
    }
    append(q, j);
  }
  pthread_mutex_unlock(&q->lock);
  if (rc) job_free(j);
  return rc;
}

void cq_queue_ask(cq_queue *q, cq_job_fn fn, cq_job *j, cq_error *why) {
  j->run = fn;
  j->drop = NULL;
  j->pack = NULL;
  j->spooled = -1;
  j->bytes = j->own = 0;
  j->rows = j->done = j->rc = 0;
  j->err = why;
  pthread_mutex_lock(&q->lock);
  append(q, j);
  pthread_mutex_unlock(&q->lock);
}

int cq_queue_answer(cq_queue *q, cq_job *j, int (*interrupted)(void *),
                    void *user, cq_error *err) {
  int stopped = 0;
  size_t dropped = 0;

  pthread_mutex_lock(&q->lock);
  while (!j->done) {
    wait_ms(&q->done, &q->lock, LOOK_MS);
    if (j->done || stopped) continue;
    pthread_mutex_unlock(&q->lock);
    if (interrupted && interrupted(user)) {
      stopped = 1;
      __atomic_store_n(&q->stop, 1, __ATOMIC_RELEASE);
      dropped = cq_queue_purge(q);
    }
    pthread_mutex_lock(&q->lock);
  }
  pthread_mutex_unlock(&q->lock);
  if (stopped) {
    __atomic_store_n(&q->stop, 0, __ATOMIC_RELEASE);
    /* What has happened all the same has happened: a snapshot is published. */
    if (j->rc == CQ_OK && !dropped) return CQ_OK;
    return cq_error_set(err, CQ_INTERRUPT, "interrupted");
  }
  if (j->rc && err) *err = *j->err;
  return j->rc;
}

int cq_queue_call(cq_queue *q, cq_job_fn fn, cq_job *j,
                  int (*interrupted)(void *), void *user, cq_error *err) {
  cq_error why = {0, ""};

  cq_queue_ask(q, fn, j, &why);
  return cq_queue_answer(q, j, interrupted, user, err);
}

int cq_queue_busy(cq_queue *q) {
  int busy;

  pthread_mutex_lock(&q->lock);
  busy = q->head || q->busy;
  pthread_mutex_unlock(&q->lock);
  return busy;
}

size_t cq_queue_purge(cq_queue *q) {
  cq_job *rest = NULL, **end = &rest, *j, *gone = NULL;
  size_t n = 0;

  pthread_mutex_lock(&q->lock);
  while ((j = take(q)) != NULL) {
    j->next = NULL;
    if (j->rows) {
      leaves(q, j);
      j->next = gone;
      gone = j;
      n++;
    } else {
      *end = j;
      end = &j->next;
    }
  }
  while ((j = rest) != NULL) {
    rest = j->next;
    append(q, j);
  }
  pthread_mutex_unlock(&q->lock);
  while ((j = gone) != NULL) {
    gone = j->next;
    job_free(j);
  }
  return n;
}
