/* ext/http/limit.c: when a request may start: token buckets and concurrency,
 * slowed by throttling answers, and the waits that servers ask for.
 *
 * What a throttled answer means is the definition's choice: half the rate and
 * half the concurrency, which recover with each success; or, where it is
 * adaptive, a bucket of its own, filled at the rate that pace.c has learnt.
 * Without a throttled answer there is no such bucket. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "http/internal.h"

enum {
  LIMIT_CONCURRENCY = 10,
  LIMIT_CUT_MS = 1000,   /* answers to one burst count as one: a cut a second */
  LIMIT_FEW = 1024,      /* so many are kept, used or not */
  LIMIT_IDLE_MS = 600000 /* what throttling has taught is worth so long */
};

static double limit_burst(const cq_limiter *l) {
  return l->pace.on && (l->rate <= 0 || l->pace.burst < l->burst)
             ? l->pace.burst
             : l->burst;
}

static void limit_refill(cq_limiter *l, int64_t now) {
  double most = limit_burst(l);

  if (l->now_rate <= 0 || now <= l->refilled_ms) return;
  l->tokens += (double)(now - l->refilled_ms) * l->now_rate / 1000.0;
  if (l->tokens > most) l->tokens = most;
  l->refilled_ms = now;
}

/* With the lock held: is it as new, or has been of no use for long? */
static int limit_idle(cq_limiter *l, int64_t now) {
  if (l->active || __atomic_load_n(&l->refs, __ATOMIC_ACQUIRE)) return 0;
  limit_refill(l, now);
  if (l->until_ms > now) return 0;
  if (now - l->asked_ms > LIMIT_IDLE_MS) return 1;
  return !l->pace.on && l->now_rate >= l->rate &&
         l->now_concurrency >= l->concurrency &&
         (l->rate <= 0 || l->tokens >= l->burst);
}

static cq_limiter **limit_place(const cq_http *h, const char *key) {
  cq_limiter **at =
      &h->limiters[cq_hash64(key, strlen(key), 0) & (h->caplimiter - 1)];

  while (*at && strcmp((*at)->key, key) != 0) at = &(*at)->next;
  return at;
}

/* Twice the places, for those that are still of use: there is one for each
 * account, region and service that is asked, a million in large organizations,
 * of which a few are asked at a time. */
static int limit_make_room(cq_http *h, cq_io *io) {
  cq_limiter **old = h->limiters, **made, *all = NULL;
  size_t n = h->caplimiter, kept = 0, cap = LIMIT_FEW;
  int64_t now = cq_mono_ms();

  if (h->nlimiter < h->caplimiter) return CQ_OK;
  pthread_mutex_lock(&io->lock);
  for (size_t i = 0; i < n; i++)
    while (old[i]) {
      cq_limiter *l = old[i];

      old[i] = l->next;
      if (limit_idle(l, now)) {
        cq_free(l->key);
        cq_free(l);
        continue;
      }
      l->next = all;
      all = l;
      kept++;
    }
  pthread_mutex_unlock(&io->lock);
  while (cap < 2 * kept) cap *= 2;
  made = cap == n ? old : cq_calloc(cap, sizeof *made);
  if (made && made != old) {
    cq_free(old);
    h->limiters = made;
    h->caplimiter = cap;
  }
  h->nlimiter = kept;
  while (all) {
    cq_limiter *l = all, **at;

    all = l->next;
    at = &h->limiters[cq_hash64(l->key, strlen(l->key), 0) &
                      (h->caplimiter - 1)];
    l->next = *at;
    *at = l;
  }
  return h->limiters ? CQ_OK : CQ_NOMEM;
}

int cq_http_limiter(cq_http *h, const char *key, double rate, double burst,
                    int concurrency, cq_limiter **out, cq_error *err) {
  cq_io *io = cq_http_io(h);
  cq_limiter *l, **at;

  *out = NULL;
  /* The table is changed here only, so reading it needs no lock. */
  if (!io || limit_make_room(h, io)) return cq_error_nomem(err);
  at = limit_place(h, key);
  l = *at;
  if (!l) {
    l = cq_calloc(1, sizeof *l);
    if (!l || !(l->key = cq_strdup(key))) {
      cq_free(l);
      return cq_error_nomem(err);
    }
    l->rate = rate > 0 ? rate : 0;
    l->burst = burst >= 1 ? burst : (l->rate > 1 ? l->rate : 1);
    l->concurrency = concurrency > 0 ? concurrency : LIMIT_CONCURRENCY;
    l->now_rate = l->rate;
    l->now_concurrency = l->concurrency;
    l->tokens = l->burst;
    l->refilled_ms = cq_mono_ms();
    l->cut_ms = -LIMIT_CUT_MS;
    cq_pace_begin(&l->pace, l->refilled_ms);
    *at = l;
    h->nlimiter++;
  }
  l->asked_ms = cq_mono_ms();
  *out = cq_limiter_ref(l);
  return CQ_OK;
}

cq_limiter *cq_limiter_ref(cq_limiter *l) {
  if (l) __atomic_add_fetch(&l->refs, 1, __ATOMIC_ACQ_REL);
  return l;
}

void cq_limiter_unref(cq_limiter *l) {
  if (l) __atomic_sub_fetch(&l->refs, 1, __ATOMIC_ACQ_REL);
}

int cq_limiters_pass(cq_transfer *t, int64_t now, int64_t *when,
                     int *throttled) {
  int pass = 1;

  *when = 0;
  *throttled = 0;
  for (int i = 0; i < t->nlimiter; i++) {
    cq_limiter *l = t->limiters[i];
    int64_t at = 0;

    limit_refill(l, now);
    if (l->until_ms > now) {
      at = l->until_ms;
    } else if (l->now_rate > 0 && l->tokens < 1) {
      at = now + (int64_t)ceil((1 - l->tokens) * 1000.0 / l->now_rate);
      if (at <= now) at = now + 1;
    } else if (l->active >= (int)l->now_concurrency) {
      /* the end of another request wakes the loop */
      pass = 0;
      continue;
    } else {
      continue;
    }
    pass = 0;
    *throttled = 1;
    if (at > *when) *when = at;
  }
  if (!pass && *when == 0) *when = INT64_MAX;
  return pass;
}

void cq_limiters_enter(cq_transfer *t) {
  for (int i = 0; i < t->nlimiter; i++) {
    t->limiters[i]->active++;
    if (t->limiters[i]->now_rate > 0) t->limiters[i]->tokens -= 1;
  }
}

void cq_limiters_leave(cq_transfer *t) {
  for (int i = 0; i < t->nlimiter; i++)
    if (t->limiters[i]->active > 0) t->limiters[i]->active--;
}

void cq_limiter_adapt(cq_http *h, cq_limiter *l, int adaptive) {
  cq_io *io = cq_http_io(h);

  if (!io || l->adaptive == adaptive) return;
  pthread_mutex_lock(&io->lock);
  l->adaptive = adaptive;
  cq_pace_begin(&l->pace, cq_mono_ms());
  l->now_rate = l->rate;
  l->now_concurrency = l->concurrency;
  pthread_mutex_unlock(&io->lock);
}

/* With the lock held: an answer has come, of which the pace learns. */
static void limit_learn(cq_limiter *l, int64_t now, int throttled) {
  double most;

  limit_refill(l, now); /* by the rate until now */
  cq_pace_answer(&l->pace, now, throttled);
  if (!l->pace.on) return;
  if (l->rate <= 0 && l->now_rate <= 0) {
    l->tokens = 0; /* what was saved up would only be refused again */
    l->refilled_ms = now;
  }
  l->now_rate = l->rate > 0 && l->rate < l->pace.rate ? l->rate : l->pace.rate;
  most = limit_burst(l);
  if (l->tokens > most) l->tokens = most;
}

static void limit_halve(cq_limiter *l, int64_t now) {
  if (now - l->cut_ms < LIMIT_CUT_MS) return;
  l->cut_ms = now;
  limit_refill(l, now);
  l->now_rate /= 2;
  if (l->now_rate < l->rate / 64) l->now_rate = l->rate / 64;
  l->now_concurrency /= 2;
  if (l->now_concurrency < 1) l->now_concurrency = 1;
  if (l->tokens > 1)
    l->tokens = 1; /* what was saved up would only be refused again */
}

static void limit_until(cq_limiter *l, int64_t until_ms, int64_t now) {
  if (until_ms > now + CQ_MAX_WAIT_MS) until_ms = now + CQ_MAX_WAIT_MS;
  if (until_ms > l->until_ms) l->until_ms = until_ms;
}

void cq_limiter_throttled(cq_http *h, cq_limiter *l, int64_t until_ms) {
  cq_io *io = cq_http_io(h);
  int64_t now = cq_mono_ms();

  if (!io || !l) return;
  pthread_mutex_lock(&io->lock);
  if (l->adaptive)
    limit_learn(l, now, 1);
  else
    limit_halve(l, now);
  limit_until(l, until_ms, now);
  pthread_mutex_unlock(&io->lock);
}

void cq_limiter_quota(cq_http *h, cq_limiter *l, int64_t remaining,
                      int64_t until_ms) {
  cq_io *io = cq_http_io(h);

  if (!io || !l || remaining > 0) return;
  pthread_mutex_lock(&io->lock);
  limit_until(l, until_ms, cq_mono_ms());
  pthread_mutex_unlock(&io->lock);
}

/* Bool: one more may run. */
static int limit_recover(cq_limiter *l) {
  int before = (int)l->now_concurrency;

  l->now_rate *= 1.05;
  if (l->now_rate > l->rate) l->now_rate = l->rate;
  l->now_concurrency *= 1.05;
  if (l->now_concurrency > l->concurrency) l->now_concurrency = l->concurrency;
  return (int)l->now_concurrency > before;
}

void cq_limiter_success(cq_http *h, cq_limiter *l) {
  cq_io *io = cq_http_io(h);
  int sooner;

  if (!io || !l) return;
  pthread_mutex_lock(&io->lock);
  if (l->adaptive) {
    double was = l->now_rate;

    limit_learn(l, cq_mono_ms(), 0);
    sooner = l->now_rate > was;
  } else {
    sooner = limit_recover(l);
  }
  if (sooner && io->running) cq_pump_nudge(io);
  pthread_mutex_unlock(&io->lock);
}

int64_t cq_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms) {
  int64_t top = base_ms > 0 ? base_ms : 1;

  for (int i = 0; i < attempt && top < cap_ms; i++)
    top = top > cap_ms / 2 ? cap_ms : top * 2;
  if (top > cap_ms) top = cap_ms;
  return top <= 0 ? 0 : (int64_t)(cq_random() % ((uint64_t)top + 1));
}

int64_t cq_http_after_ms(const char *value, int64_t now_us) {
  cq_value v;
  double d = -1;
  int64_t us, ms;
  size_t n;

  if (!value) return -1;
  while (*value == ' ') value++;
  n = strlen(value);
  while (n && value[n - 1] == ' ') n--;
  if (n == 0) return -1;
  if (*value >= '0' && *value <= '9' && cq_number_parse(value, n, &v) == CQ_OK)
    d = v.kind == CQ_INT      ? (double)v.u.i
        : v.kind == CQ_DOUBLE ? v.u.r
                              : 1e15; /* beyond both */
  if (d >= 0) {
    /* Small numbers count from now; a year's worth of seconds is a date. */
    if (d < 1e8)
      ms = d > 1e7 ? CQ_MAX_WAIT_MS : (int64_t)(d * 1000);
    else if (d < 1e11)
      ms = (int64_t)(d * 1000) - now_us / 1000;
    else
      ms = d < 1e15 ? (int64_t)d - now_us / 1000 : CQ_MAX_WAIT_MS;
  } else if (cq_time_parse(value, n, &us) == CQ_OK) {
    ms = (us - now_us + 999) / 1000;
  } else {
    return -1;
  }
  if (ms < 0) ms = 0;
  return ms > CQ_MAX_WAIT_MS ? CQ_MAX_WAIT_MS : ms;
}

/* ---- clocks -------------------------------------------------------------- */

void cq_http_clock(cq_http *h, int64_t ahead_us) {
  __atomic_store_n(&h->clock_us, ahead_us, __ATOMIC_RELAXED);
}

int64_t cq_http_clock_get(cq_http *h) {
  return __atomic_load_n(&h->clock_us, __ATOMIC_RELAXED);
}
