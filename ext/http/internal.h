/* ext/http/internal.h: what the files of this room share about transfers.
 *
 * Two threads meet here: the caller's, and one of our own that stands in for
 * him.  The caller submits, polls and takes; curl is run by whoever pumps
 * (pump.c).  cq_io.lock guards every field marked [L]; fields marked [I]
 * belong to the pumper while the transfer is not at rest, and to the caller
 * when it is; the rest is fixed before the transfer is shared.  No curl
 * function that may call back is called with the lock held. */
#ifndef CQ_HTTP_INTERNAL_H
#define CQ_HTTP_INTERNAL_H

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

#include <curl/curl.h>

#include "http/http.h"

enum {
  HTTP_PAD = 64,           /* zero bytes behind a block */
  HTTP_PIECE = 64 << 10,   /* a stream keeps this much though memory is full */
  HTTP_BUFFER = 128 << 10, /* what curl reads at once */
  HTTP_LOG = 1000,
  HTTP_SPARE = 16 /* easy handles kept for reuse */
};

typedef enum cq_place_at {
  CQ_AT_REST,  /* in no list: done, failed, or not yet queued */
  CQ_AT_QUEUE, /* in io->waiting */
  CQ_AT_CURL   /* in io->active */
} cq_place_at;

typedef struct cq_io cq_io;
typedef struct cq_inflate cq_inflate;

struct cq_transfer {
  cq_io *io;
  int refs;                 /* [L] the caller's and the queue's */
  cq_place_at at;           /* [L] */
  cq_transfer *prev, *next; /* [L] waiting; active is the pumper's */
  /* the request, fixed */
  cq_arena arena;
  const char *method;
  cq_header *headers;
  size_t nheader;
  const char *body;
  size_t nbody;
  cq_limiter *limiters[4];
  int nlimiter, allow_file, follow, priority;
  int timeout_ms, direct; /* 0 = the connection's */
  int64_t skew_us, max_wait_ms;
  cq_tls tls; /* its own, over the connection's */
  const char *integration, *table, *client;
  const char *shown; /* instead of url in messages and the log, or NULL */
  /* where it stands */
  cq_signer *signer;   /* [L] replaced only at rest */
  char *url;           /* [I] effective, unsigned; owned */
  int attempt;         /* [L] */
  int redirects;       /* [I] */
  int64_t not_before;  /* [L] monotonic ms */
  int64_t gated_since; /* [L] a limiter held it back since; 0 = no */
  int64_t gated_ms;    /* [L] so long before, all attempts */
  cq_tstate state;     /* [L] */
  int cancelled;       /* [L] the caller has let go */
  int paused, resume;  /* [L] curl was told to stop / may go on */
  cq_block *block;     /* [L] arrived, not taken */
  int64_t wire;        /* [L] bytes on the wire, all attempts */
  /* the answer; the caller reads it once state is past WAITING */
  int status;          /* [I] */
  cq_buf head;         /* [I] name NUL value NUL ... */
  int64_t length;      /* [I] Content-Length of an unencoded body, -1 */
  int64_t inflated;    /* [I] body bytes of this attempt, decoded */
  int64_t packed;      /* [I] of these as they came, where compressed */
  int64_t wire_before; /* [I] wire when this attempt began */
  size_t head_bytes;   /* [I] of all heads and trailers of this attempt */
  size_t skip;         /* [I] unpacked already, and brought again by curl */
  int fd;              /* [I] file: URLs, -1 */
  int head_ended;      /* [I] the empty line behind the headers has come */
  int body_begun, redirecting;      /* [I] */
  int enough;                       /* [I] the rest of it is not wanted */
  cq_inflate *inflate;              /* [I] or NULL: not compressed */
  cq_error error;                   /* [I] */
  CURL *easy;                       /* [I] */
  struct curl_slist *sent;          /* [I] */
  char *signed_url;                 /* [I] or NULL */
  char detail[CURL_ERROR_SIZE];     /* [I] */
  int64_t progress_ms;              /* [I] last sign of life */
  int64_t moved;                    /* [I] bytes of this attempt */
  int64_t slow_since_ms, slow_from; /* [I] when `moved` was that much */
  int64_t started_us, started_ms;   /* [I] */
};

/* pace.c: what throttled answers have taught. */
#define CQ_PACE_LEAST 0.5 /* requests a second */
typedef struct cq_pace {
  int on;             /* an answer was throttled, so these hold: */
  double rate, burst; /* requests a second, and how many at once */
  double sent;        /* measured */
  double most;        /* was too much ... */
  int64_t cut_ms;     /* ... at that time */
  int64_t slot_ms, count;
} cq_pace;
void cq_pace_begin(cq_pace *p, int64_t now_ms);
void cq_pace_answer(cq_pace *p, int64_t now_ms, int throttled);

struct cq_limiter {
  cq_limiter *next; /* of the same place */
  char *key;
  int refs;                         /* atomic: who may still count against it */
  int64_t asked_ms;                 /* caller's: last asked for */
  double rate, burst, concurrency;  /* as configured */
  double now_rate, now_concurrency; /* [L] as adapted */
  double tokens;                    /* [L] */
  int64_t refilled_ms, until_ms, cut_ms; /* [L] */
  int active;                            /* [L] */
  int adaptive;                          /* [L] by pace, instead of by halves */
  cq_pace pace;                          /* [L] */
};

enum { PUMP_NOBODY, PUMP_CALLER, PUMP_THREAD };

struct cq_io {
  pid_t pid; /* whose it is ... */
  volatile char
      *not_wiped; /* ... as a page says that a fork empties, or NULL */
  cq_http *http;
  pthread_mutex_t lock;
  pthread_cond_t cond; /* the caller waits for the thread */
  pthread_cond_t tick; /* the thread waits for work */
  pthread_t thread;
  int running;     /* caller's: thread was started */
  int pumper;      /* [L] */
  int wanted;      /* [L] the caller wants to pump */
  int lent;        /* [L] he waits, and the thread shall pump */
  int asleep;      /* [L] the thread sleeps until it is woken */
  uint64_t rounds; /* [L] of pumping, by anybody */
  CURLM *multi;
  int stop;        /* [L] */
  uint64_t events; /* [L] */
  uint64_t seen;   /* caller's */
  int news;        /* [I] something to tell after this turn */
  cq_transfer *wait_head, *wait_tail; /* [L] by priority, then age */
  cq_transfer *active;                /* [I] */
  int nactive;                        /* [L] */
  size_t buffered;                    /* [L] bytes of bodies held */
  cq_block_pool *blocks;              /* for bodies; needs no lock */
  size_t expect;                      /* [L] what a body is likely to take */
  CURL *spare[HTTP_SPARE];            /* [I] */
  int nspare;
  cq_http_stats stats; /* [L] */
  cq_http_entry *log;  /* [L] ring, grown to HTTP_LOG */
  size_t log_cap, log_n, log_at;
  int64_t log_id;
};

struct cq_http {
  cq_http_options o; /* strings owned */
  int64_t clock_us;  /* atomic: servers' clocks are ahead by so much */
  cq_io *io;
  cq_limiter **limiters; /* by hash; changed on the caller's thread, under the
                            lock where one is freed */
  size_t nlimiter, caplimiter;
};

/* http.c: the io of this process (after a fork, a fresh one), or NULL. */
cq_io *cq_http_io(cq_http *h);
int cq_http_start(cq_io *io, cq_error *err);
/* receive.c: curl's callbacks, and the look at an answer that is over, which
 * may fail it through t->error. */
size_t cq_io_on_head(char *p, size_t size, size_t count, void *t);
size_t cq_io_on_body(char *p, size_t size, size_t count, void *t);
void cq_io_body_ended(cq_transfer *t);
const char *cq_io_header(const cq_transfer *t, const char *name); /* first */
/* Is this the process that made it, or a fork's child? */
int cq_io_here(const cq_io *io);
/* pump.c */
void *cq_pump_thread(void *io);
/* With the lock held: there is work, or the caller wants to pump. */
void cq_pump_nudge(cq_io *io);
/* Ends all that is under way, curl's handles too, and the thread. */
void cq_pump_stop(cq_io *io);
/* No handlers of the host run on this thread from now on; *old gets the mask. */
void cq_pump_mask(sigset_t *old);
/* io.c, for the pumper: begins, ends, gives up an exchange. */
void cq_io_start(cq_io *io, cq_transfer *t);
void cq_io_complete(cq_io *io, CURL *easy, CURLcode code);
void cq_io_finish(cq_io *io, cq_transfer *t);
/* Room for n more bytes in t's block; with the lock held. */
int cq_io_reserve(cq_transfer *t, size_t n);
/* With the lock held: is so much unread that more must wait? */
int cq_io_full(const cq_io *io, const cq_transfer *t);
/* With the lock held: n bytes were added to t's block. */
void cq_io_added(cq_io *io, cq_transfer *t, size_t n);
/* inflate.c: undoes a content encoding.  CQ_NOTFOUND: one that is not known. */
int cq_inflate_open(const char *encoding, cq_inflate **out);
/* Some of `in` into `out`.  More is to come out where `made` is `room`.
 * CQ_NOMEM, or CQ_ERROR: the data is damaged. */
int cq_inflate_run(cq_inflate *z, const char *in, size_t nin, size_t *used,
                   char *out, size_t room, size_t *made);
int cq_inflate_ended(const cq_inflate *z); /* what came is a whole; bool */
void cq_inflate_close(cq_inflate *z);
/* file.c: file: URLs, for the pumper.  open fails through t->error; read
 * takes one piece and tells whether the file is at its end. */
int cq_file_open(cq_transfer *t);
int cq_file_piece(cq_io *io, cq_transfer *t);
/* transfer.c; with the lock held: */
void cq_transfer_queue(cq_io *io, cq_transfer *t);
void cq_transfer_unqueue(cq_io *io, cq_transfer *t);
void cq_transfer_release(cq_io *io, cq_transfer *t); /* frees the last one */
void cq_transfer_forget(cq_io *io, cq_transfer *t);  /* drops the answer */
/* Needs no lock: "GET https://host/path: " + text, no query. */
int cq_transfer_fail(cq_transfer *t, int code, const char *fmt, ...)
    CQ_PRINTF(3, 4);
/* limit.c; with the lock held.  Bool: all limiters let it pass now; else
 * *when gets the earliest moment to ask again (INT64_MAX: when one ends). */
int cq_limiters_pass(cq_transfer *t, int64_t now_ms, int64_t *when,
                     int *throttled);
void cq_limiters_enter(cq_transfer *t);
void cq_limiters_leave(cq_transfer *t);
/* log.c; with the lock held */
void cq_log_add(cq_io *io, const cq_transfer *t, int64_t ms);

/* url.c: the parts of an absolute URL, borrowed slices.  0 where it is none. */
typedef struct cq_url_parts {
  const char *scheme, *userinfo, *host, *port, *path, *query;
  size_t nscheme, nuserinfo, nhost, nport, npath, nquery;
  int has_query, has_authority;
} cq_url_parts;
int cq_url_split(const char *url, size_t n, cq_url_parts *out);
/* CQ_OK, or why this URL cannot be asked for. */
int cq_url_check(const char *url, int allow_file, cq_error *err);
/* No CR, LF, NUL or other control that could begin a new line. */
int cq_header_check(const char *name, const char *value, cq_error *err);

#endif
