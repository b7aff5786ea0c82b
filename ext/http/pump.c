/* ext/http/pump.c: who runs curl, and when.
 *
 * Whoever waits for an answer runs curl himself: the caller in cq_http_wait,
 * on his own thread.  So an answer is read, decoded and stored by one core,
 * with no switch of threads for each page of it; that is worth a tenth of a
 * sync's time.  Only while the caller is elsewhere, at a commit or in the
 * host's own code between two rows, a thread takes over within PUMP_TICK_MS:
 * it reads ahead, keeps time-outs, ends what was cancelled, and gives way as
 * soon as the caller comes back to wait.
 *
 * At any time one of them pumps or nobody does (io->pumper).  What internal.h
 * marks [I] is the pumper's; the lock, taken to become one and to stop being
 * one, orders one's writes before the other's reads. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>

#include "http/internal.h"

enum {
  PUMP_TICK_MS = 20, /* how often the thread looks whether it is needed */
  PUMP_IDLE = 25     /* so many looks at nothing, and it sleeps */
};

/* ---- one turn ---------------------------------------------------------- */

/* With the lock held: may one more start, for the memory that it may fill?
 * When nothing that runs can go on without the caller, one always may: he
 * could be waiting for just that one. */
static int turn_room(const cq_io *io) {
  size_t coming = 0;
  int moving = 0;

  if (io->nactive >= io->http->o.max_connections) return 0;
  for (cq_transfer *t = io->active; t; t = t->next) {
    size_t have = t->block ? t->block->len : 0;

    moving += !t->paused;
    if (t->state == CQ_T_WAITING && have < io->expect)
      coming += io->expect - have;
  }
  return !moving ||
         io->buffered + coming + io->expect <= io->http->o.max_buffered;
}

/* With the lock held: limiters are closed for longer than it would wait. */
static void turn_away(cq_io *io, cq_transfer *t, int64_t ms) {
  char span[24];

  cq_transfer_unqueue(io, t);
  cq_transfer_fail(t, CQ_THROTTLED,
                   "not asked, since no more requests are wanted for %s",
                   cq_span_format(ms, span, sizeof span));
  t->state = CQ_T_FAILED;
  io->news = 1;
  cq_transfer_release(io, t);
}

/* Moves what may start from the queue into `active`, with easy still NULL.
 * Returns when to look again (monotonic ms). */
static int64_t turn_admit(cq_io *io, int64_t now) {
  int64_t next = INT64_MAX, when;
  cq_transfer *t, *after;
  int throttled;

  for (t = io->wait_head; t && turn_room(io); t = after) {
    after = t->next;
    if (t->not_before > now) {
      next = t->not_before < next ? t->not_before : next;
      continue;
    }
    if (!cq_limiters_pass(t, now, &when, &throttled)) {
      if (throttled && t->max_wait_ms && when - now > t->max_wait_ms) {
        turn_away(io, t, when - now);
        continue;
      }
      next = when < next ? when : next;
      if (throttled && !t->gated_since) t->gated_since = now;
      continue;
    }
    if (t->gated_since) {
      t->gated_ms += now - t->gated_since;
      io->stats.throttled_ms += now - t->gated_since;
    }
    cq_transfer_unqueue(io, t);
    cq_limiters_enter(t);
    t->at = CQ_AT_CURL;
    t->next = io->active;
    if (io->active) io->active->prev = t;
    io->active = t;
    io->nactive++;
    io->stats.requests++;
  }
  return next;
}

/* A byte now and then is a sign of life, but no answer.  Lowers *next to when
 * it is to be looked at again. */
static int turn_slow(cq_transfer *t, int64_t now, int timeout, int64_t *next) {
  int64_t end = t->slow_since_ms + (int64_t)CQ_SLOW_TIMES * timeout;

  if (end <= now) {
    if (t->moved - t->slow_from < CQ_SLOW_BYTES) return 1;
    t->slow_since_ms = now;
    t->slow_from = t->moved;
    end = now + (int64_t)CQ_SLOW_TIMES * timeout;
  }
  if (end < *next) *next = end;
  return 0;
}

/* What the caller and the clock have changed.  Returns when to look again,
 * or -1 to end. */
static int64_t turn_once(cq_io *io) {
  int64_t now = cq_mono_ms(), next, stall;
  cq_transfer *t, *after;

  pthread_mutex_lock(&io->lock);
  next = io->stop ? -1 : turn_admit(io, now);
  /* Flags are read under the lock, acted on without: only who pumps
   * takes transfers out of `active`. */
  for (t = io->active; t; t = t->next) {
    if (io->stop) t->cancelled = 1;
    if (t->paused && (t->resume || !cq_io_full(io, t))) t->resume = 1;
  }
  pthread_mutex_unlock(&io->lock);
  for (t = io->active; t; t = after) {
    int timeout = t->timeout_ms ? t->timeout_ms : io->http->o.timeout_ms;
    int cancelled, paused, resume;

    after = t->next;
    pthread_mutex_lock(&io->lock);
    cancelled = t->cancelled;
    resume = t->resume;
    if (resume) t->paused = t->resume = 0;
    paused = t->paused;
    pthread_mutex_unlock(&io->lock);
    stall = t->progress_ms + timeout;
    if (cancelled) {
      cq_io_finish(io, t);
    } else if (t->fd >= 0) {
      if (!paused && cq_file_piece(io, t))
        cq_io_finish(io, t);
      else if (!paused)
        next = now; /* curl has no part in it: come back at once */
      continue;
    } else if (!t->easy) {
      cq_io_start(io, t);
      next = now;
    } else if (resume) {
      t->progress_ms = t->slow_since_ms = now;
      t->slow_from = t->moved;
      curl_easy_pause(t->easy, CURLPAUSE_CONT);
      stall = now + timeout;
    } else if (!paused && turn_slow(t, now, timeout, &stall)) {
      cq_transfer_fail(t, CQ_IOERR,
                       "answer comes too slowly: %lld bytes in %lld ms",
                       (long long)(t->moved - t->slow_from),
                       (long long)(now - t->slow_since_ms));
      cq_io_finish(io, t);
      continue;
    } else if (!paused && t->progress_ms + timeout <= now) {
      cq_transfer_fail(t, CQ_IOERR,
                       t->body_begun
                           ? "answer stopped in the middle: nothing for %d ms"
                           : "no answer within %d ms",
                       timeout);
      cq_io_finish(io, t);
      continue;
    }
    if (!paused && stall < next) next = stall;
  }
  return next;
}

/* ---- one round ----------------------------------------------------------- */

/* With the lock held, nobody pumping. */
static int pump_work(const cq_io *io) {
  return io->nactive > 0 || io->wait_head != NULL;
}

/* Lets curl do what can be done now, then waits for more until `until`, but no
 * longer than the clock of some transfer allows.  Without the lock. */
static void pump_round(cq_io *io, int64_t until) {
  int running, left, ended = 0;
  int64_t next = turn_once(io), ms;
  CURLMsg *m;

  if (next < 0) return;
  curl_multi_perform(io->multi, &running);
  while ((m = curl_multi_info_read(io->multi, &left)) != NULL)
    if (m->msg == CURLMSG_DONE) {
      cq_io_complete(io, m->easy_handle, m->data.result);
      ended = 1;
    }
  /* An end may let another start, and news are wanted at once. */
  ms = (next < until ? next : until) - cq_mono_ms();
  if (ended || io->news || ms <= 0) return;
  curl_multi_poll(io->multi, NULL, 0, ms > 60000 ? 60000 : (int)ms, NULL);
}

/* With the lock held: it is let go during the round. */
static void pump_as(cq_io *io, int who, int64_t until) {
  io->pumper = who;
  pthread_mutex_unlock(&io->lock);
  pump_round(io, until);
  pthread_mutex_lock(&io->lock);
  io->pumper = PUMP_NOBODY;
  io->rounds++;
  if (io->news) io->events++;
  io->news = 0;
}

static int pump_sleep(cq_io *io, pthread_cond_t *cond, int64_t until_ms) {
  struct timespec t;

  t.tv_sec = (time_t)(until_ms / 1000);
  t.tv_nsec = (long)(until_ms % 1000) * 1000000;
  return pthread_cond_timedwait(cond, &io->lock, &t);
}

/* ---- the thread ------------------------------------------------------------ */

void *cq_pump_thread(void *user) {
  cq_io *io = user;
  uint64_t seen = 0;
  int idle = 0;

  pthread_mutex_lock(&io->lock);
  while (!io->stop) {
    if (io->pumper == PUMP_NOBODY && !io->wanted &&
        (io->lent || io->rounds == seen) && pump_work(io)) {
      uint64_t events = io->events;

      idle = 0;
      pump_as(io, PUMP_THREAD, cq_mono_ms() + 60000);
      seen = io->rounds;
      if (io->wanted || io->events != events) pthread_cond_signal(&io->cond);
      continue;
    }
    seen = io->rounds;
    if (io->pumper == PUMP_NOBODY && !pump_work(io)) idle++;
    if (idle > PUMP_IDLE) {
      io->asleep = 1;
      pthread_cond_wait(&io->tick, &io->lock);
      io->asleep = idle = 0;
    } else {
      pump_sleep(io, &io->tick, cq_mono_ms() + PUMP_TICK_MS);
    }
  }
  pthread_mutex_unlock(&io->lock);
  /* TLS says goodbye here and not on the host's thread. */
  turn_once(io); /* cancels all that is under way */
  for (int i = 0; i < io->nspare; i++) curl_easy_cleanup(io->spare[i]);
  curl_multi_cleanup(io->multi);
  io->nspare = 0;
  io->multi = NULL;
  return NULL;
}

void cq_pump_nudge(cq_io *io) {
  if (io->asleep) pthread_cond_signal(&io->tick);
  if (io->pumper == PUMP_THREAD) curl_multi_wakeup(io->multi);
}

/* What a thread does to itself is the host's to hear of. */
void cq_pump_mask(sigset_t *old) {
  static const int own[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                            SIGTRAP, SIGABRT, SIGSYS};
  sigset_t all;

  sigfillset(&all);
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&all, own[i]);
  pthread_sigmask(SIG_SETMASK, &all, old);
}

/* ---- the caller -------------------------------------------------------------- */

typedef struct pump_mask {
  sigset_t old;
  int pending; /* SIGPIPE was there before */
} pump_mask;

/* The host's signals are the host's: neither shall a broken connection end it
 * by SIGPIPE, nor shall its handlers run on threads that curl starts here. */
static void pump_mask_set(pump_mask *m) {
  sigset_t pending;

  cq_pump_mask(&m->old);
  m->pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

static void pump_mask_restore(const pump_mask *m) {
  const struct timespec now = {0, 0};
  sigset_t pending, pipe;

  if (!m->pending && sigpending(&pending) == 0 &&
      sigismember(&pending, SIGPIPE) == 1) {
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
      ;
  }
  pthread_sigmask(SIG_SETMASK, &m->old, NULL);
}

void cq_http_wait(cq_http *h, int timeout_ms) {
  cq_io *io = cq_http_io(h);
  int64_t until;
  pump_mask mask;
  int lent;

  if (!io || timeout_ms < 0) return;
  until = cq_mono_ms() + timeout_ms;
  /* TLS empties OpenSSL's queue of errors of the thread that it runs on: with
   * some of the host's in it, that is not this one. */
  lent = ERR_peek_error() != 0;
  pump_mask_set(&mask);
  pthread_mutex_lock(&io->lock);
  io->lent = lent;
  while (io->events == io->seen) {
    if (io->pumper == PUMP_NOBODY && io->running && !lent) {
      io->wanted = 0;
      pump_as(io, PUMP_CALLER, until);
    } else {
      io->wanted = !lent; /* then the thread gives way */
      if (lent) pthread_cond_signal(&io->tick);
      cq_pump_nudge(io);
      pump_sleep(io, &io->cond, until);
    }
    if (cq_mono_ms() >= until) break;
  }
  io->wanted = io->lent = 0;
  io->seen = io->events;
  pthread_mutex_unlock(&io->lock);
  pump_mask_restore(&mask);
  if (!lent) ERR_clear_error();
}

/* ---- the end --------------------------------------------------------------- */

void cq_pump_stop(cq_io *io) {
  pthread_mutex_lock(&io->lock);
  io->stop = 1;
  pthread_cond_signal(&io->tick);
  cq_pump_nudge(io);
  pthread_mutex_unlock(&io->lock);
  pthread_join(io->thread, NULL);
}
