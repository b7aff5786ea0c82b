/* ext/dest/postgresql/attempt.c: a connection is made on a thread of its own.
 *
 * libpq looks names up, in DNS or a service file, and nothing ends that early:
 * whoever waits for it would hear neither an interrupt nor the end of his time.
 * Here he goes away instead, and the thread ends when libpq returns, which the
 * resolver's own limits see to; it has copies of all that it needs.  One that
 * is still at it is not begun again beside itself: the next who wants the
 * connection waits for the same. */
#include "dest/postgresql/internal.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum { LOOK_MS = 100 };

struct pg_attempt {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  /* Under the lock. */
  int refs;   /* the thread, and whoever waits */
  int done;   /* the thread has nothing to do with it any more */
  int left;   /* nobody waits */
  int inside; /* libpq has been called and has not returned */
  /* Of the thread until it is done. */
  pg_lib lib; /* never unloaded */
  char *connection;
  int64_t until;
  pg_conn *conn;
  int state;
};

static void release(pg_attempt *a) {
  int last;

  pthread_mutex_lock(&a->lock);
  last = --a->refs == 0;
  pthread_mutex_unlock(&a->lock);
  if (!last) return;
  if (a->conn) a->lib.PQfinish(a->conn);
  pthread_cond_destroy(&a->changed);
  pthread_mutex_destroy(&a->lock);
  cq_free(a->connection);
  cq_free(a);
}

/* Is there a reason to go on? */
static int enter(pg_attempt *a, int inside) {
  int go;

  pthread_mutex_lock(&a->lock);
  a->inside = inside;
  go = !a->left;
  pthread_mutex_unlock(&a->lock);
  return go;
}

static void connect_to(pg_attempt *a) {
  /* A dead peer is noticed; what the user says comes later, and counts. */
  static const char *const keys[] = {
      "keepalives_idle",           "keepalives_interval",
      "keepalives_count",          "tcp_user_timeout",
      "fallback_application_name", "dbname",
      "client_encoding",           NULL};
  const char *values[] = {"30", "10",          "3",    "60000",
                          "cq", a->connection, "UTF8", NULL};

  enter(a, 1);
  a->conn = a->lib.PQconnectStartParams(keys, values, 1);
  a->state = PG_POLL_WRITE;
  if (!a->conn || a->lib.PQstatus(a->conn) == 1) { /* CONNECTION_BAD */
    a->state = PG_POLL_FAILED;
    return;
  }
  while (enter(a, 0) && cq_mono_ms() < a->until) {
    struct pollfd p = {.fd = a->lib.PQsocket(a->conn),
                       .events = a->state == PG_POLL_READ ? POLLIN : POLLOUT};

    if (p.fd >= 0 && poll(&p, 1, LOOK_MS) <= 0) continue;
    if (!enter(a, 1)) return;
    a->state = a->lib.PQconnectPoll(a->conn);
    if (a->state == PG_POLL_OK || a->state == PG_POLL_FAILED) return;
  }
}

static void *thread_main(void *arg) {
  pg_attempt *a = arg;

  connect_to(a);
  pthread_mutex_lock(&a->lock);
  a->inside = 0;
  a->done = 1;
  pthread_cond_broadcast(&a->changed);
  pthread_mutex_unlock(&a->lock);
  release(a);
  return NULL;
}

static int start(pg *d, int64_t until, pg_attempt **out, cq_error *err) {
  pg_attempt *a = cq_calloc(1, sizeof *a);
  pthread_condattr_t clock;
  pthread_attr_t detached;
  pthread_t thread;
  sigset_t all, old;
  int rc;

  if (!a) return cq_error_nomem(err);
  a->connection = cq_strdup(d->connection);
  if (!a->connection) {
    cq_free(a);
    return cq_error_nomem(err);
  }
  a->lib = d->lib;
  a->until = until;
  a->refs = 2;
  pthread_mutex_init(&a->lock, NULL);
  pthread_condattr_init(&clock);
  pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
  pthread_cond_init(&a->changed, &clock);
  pthread_condattr_destroy(&clock);
  pthread_attr_init(&detached);
  pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
  /* The host's signals are the host's. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  rc = pthread_create(&thread, &detached, thread_main, a);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&detached);
  if (rc) {
    a->refs = 1;
    release(a);
    return cq_error_set(err, CQ_ERROR, "no thread could be started: %s",
                        strerror(rc));
  }
  *out = a;
  return CQ_OK;
}

void pg_attempt_leave(pg *d) {
  pg_attempt *a = d->attempt;

  if (!a) return;
  d->attempt = NULL;
  pthread_mutex_lock(&a->lock);
  a->left = 1;
  pthread_mutex_unlock(&a->lock);
  release(a);
}

/* Until it is done: 1; 0 when the time is over. */
static int wait_for(pg *d, pg_attempt *a, int64_t until, cq_error *err) {
  int done;

  pthread_mutex_lock(&a->lock);
  while (!a->done && cq_mono_ms() < until) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += LOOK_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&a->changed, &a->lock, &t);
    if (a->done) break;
    pthread_mutex_unlock(&a->lock);
    if (d->interrupted && d->interrupted(d->user)) {
      cq_error_set(err, CQ_INTERRUPT, "interrupted");
      return -1;
    }
    pthread_mutex_lock(&a->lock);
  }
  done = a->done;
  pthread_mutex_unlock(&a->lock);
  return done;
}

int pg_attempt_make(pg *d, int64_t ms, int *state, cq_error *err) {
  int64_t until = cq_mono_ms() + ms;
  int known = d->attempt != NULL, inside, done, rc;

  /* What an earlier one comes to now is of the past: its time was over. */
  while (d->attempt) {
    done = wait_for(d, d->attempt, until, err);
    if (done == 0) break;
    pg_attempt_leave(d);
    if (done < 0) return CQ_INTERRUPT;
  }
  if (!d->attempt) {
    rc = start(d, until, &d->attempt, err);
    if (rc) return rc;
    known = 0;
  }
  done = known ? 0 : wait_for(d, d->attempt, until, err);
  if (done < 0) {
    pg_attempt_leave(d);
    return CQ_INTERRUPT;
  }
  if (done) {
    *state = d->attempt->state;
    if (*state == PG_POLL_OK || *state == PG_POLL_FAILED) {
      d->conn = d->attempt->conn;
      d->attempt->conn = NULL;
      pg_attempt_leave(d);
      return CQ_OK;
    }
  }
  pthread_mutex_lock(&d->attempt->lock);
  inside = d->attempt->inside;
  pthread_mutex_unlock(&d->attempt->lock);
  if (!inside) pg_attempt_leave(d);
  return cq_error_set(err, CQ_IOERR,
                      "destination %s: no connection within %lld s: %s%s",
                      d->base.name, (long long)ms / 1000,
                      inside ? "its host's name is not resolved" : d->where,
                      inside ? ""
                             : " says nothing\nhint: does PostgreSQL listen "
                               "there? connect_timeout in connection_string");
}
