/* ext/scan/fetch.h: one request under way, as fetch.c and share.c see it. */
#ifndef CQ_FETCH_H
#define CQ_FETCH_H

#include "scan/internal.h"

typedef enum fetch_state {
  FETCH_BEHIND, /* another fetch asks for the same */
  FETCH_LOGIN,
  FETCH_DELAY,
  FETCH_SENT,
  FETCH_READY,
  FETCH_ENDED
} fetch_state;

struct cq_fetch {
  cq_fetch_def def;
  cq_built built;
  cq_identity *identity; /* borrowed from the store; NULL = none */
  cq_auth_params params; /* in built.arena */
  cq_limits limits;
  cq_transfer *transfer;
  fetch_state state;
  cq_outcome outcome; /* when FETCH_ENDED */
  int attempt;        /* retries so far */
  int logged_in_again, clock_corrected;
  int64_t not_before_ms; /* FETCH_DELAY */
  cq_block *held;   /* FETCH_READY: first piece, read for its error code; of a
                            body that is wanted whole, what has come so far */
  cq_cached cached; /* an answer, or one to ask about; in the arena, the
                            block referenced */
  int from_cache;   /* `cached` is the answer */
  int asks;         /* sent with a validator of `cached` */
  char *cache_key;
  cq_fetch *before;         /* FETCH_BEHIND: who asks; NULL = it is gone */
  cq_fetch *next, **listed; /* those with a key, see cq_share_list */
  cq_fetch *left_next;      /* see cq_share_leave */
  int left;
  cq_error error;
  int64_t waited_ms; /* between tries, so far */
  char client[96];
  int64_t requests, retries, bytes, throttled_ms;
};

static inline int cq_good_status(int status) {
  return status >= 200 && status < 300 && status != 206;
}
/* fetch.c: ends it, whatever its state. */
void cq_fetch_free(cq_fetch *f);

/* ---- share.c: answers that several askers share ---------------------------- */
/* All that is asked, and by whom: what has the same key has the same answer. */
int cq_share_key(cq_fetch *f, cq_error *err);
/* Among those under way; behind the one that asks for the same, if any. */
void cq_share_list(cq_fetch *f);
void cq_share_unlist(cq_fetch *f);
/* 1: another asks for the same, `f` waits for it. */
int cq_share_behind(cq_fetch *f);
/* 1: nobody reads `f` any more, but it goes on: it is the list's now. */
int cq_share_leave(cq_fetch *f);
void cq_share_poll_left(cq_cache *c);
/* Takes what is known: *good 1, it may be the answer; else `cached` is what to
 * ask about, or empty. */
int cq_share_known(cq_fetch *f, int *good, cq_error *err);
/* `cached` is not the answer as it stands: it stays as far as a server can be
 * asked about it. */
void cq_share_ask(cq_fetch *f);
/* It still holds, says the answer; headers that came replace those known. */
int cq_share_renew(cq_fetch *f, cq_error *err);
/* What is held is a whole answer: others may have it. */
void cq_share_remember(cq_fetch *f);
void cq_share_forget(cq_fetch *f);

#endif
