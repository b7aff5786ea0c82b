/* ext/http/http.h: how bytes are fetched: transfers around one curl_multi,
 * rate limits, cancellation, and the log of requests.
 *
 * This room does transport only.  Whoever submits decides what an answer means
 * and whether to try again (cq_transfer_retry).  All functions below are for
 * the caller's thread (the thread that SQLite called); one cq_http belongs to
 * one connection.  Transfers go on while the caller waits for them, on his
 * thread, and by a thread of their own while he is elsewhere (pump.c); it
 * starts with the first submit, and ends in cq_http_free, which joins it.
 * After a fork the child finds that thread gone: cq_http notices and starts its
 * own, touching nothing shared. */
#ifndef CQ_HTTP_H
#define CQ_HTTP_H

#include "spec/spec.h"

typedef struct cq_http cq_http;
typedef struct cq_transfer cq_transfer;
typedef struct cq_limiter cq_limiter; /* owned by cq_http */

/* Files in PEM form; NULL = none, or the connection's.  A certificate goes only
 * with its own key, which may be in the same file. */
typedef struct cq_tls {
  const char *ca_file; /* trusted instead of the system's authorities */
  const char *client_cert, *client_key, *client_key_password;
} cq_tls;

typedef struct cq_http_options {
  int timeout_ms;         /* whole request without progress; 0 = 60000 */
  int connect_timeout_ms; /* 0 = 10000 */
  int max_connections;    /* in all; 0 = 64 */
  cq_tls tls;
  const char *ca_path;    /* folder of hashed authorities beside tls.ca_file */
  const char *proxy;      /* NULL = what the environment says */
  const char *user_agent; /* NULL = "cq/<version>" */
  size_t max_buffered;    /* bytes of bodies held in all; 0 = 24 MiB.  Past it
                             new starts wait, streaming ones pause */
  int max_body_mib;       /* of one body, decompressed; 0 = 4096 */
} cq_http_options;

int cq_http_new(const cq_http_options *o, cq_http **out, cq_error *err);
void cq_http_free(cq_http *h); /* cancels all, joins the thread */
/* For those who call libcurl themselves: its start, once in a process; and whom
 * the environment trusts, where it says so: what other programs trust, too. */
void cq_http_global(void);
void cq_http_trust(const char **ca_file, const char **ca_path);
/* What a connection was opened with, as long as it is open; any thread. */
const cq_http_options *cq_http_settings(const cq_http *h);
/* Of a handle of libcurl: whom it trusts, who it says it is, and by which proxy
 * it goes.  ca_path is a folder of hashed authorities beside tls->ca_file.
 * CQ_IOERR: one of the files is none that can be read without waiting. */
int cq_http_equip(void *curl, const cq_tls *tls, const char *ca_path,
                  const char *proxy, cq_error *err);

typedef struct cq_header {
  const char *name, *value;
} cq_header;

/* Signs just before each (re)send, by whoever pumps: pure computation over
 * immutable credentials.  May add headers; must not block. */
typedef struct cq_signer cq_signer;
typedef struct cq_signer_ops {
  const char *name;
  /* url may be replaced (signed queries); headers appended to `out` as
   * "Name: value" lines.  now_us: the corrected clock. */
  int (*sign)(const cq_signer *s, const char *method, const char *url,
              const cq_header *headers, size_t nheader, const char *body,
              size_t nbody, int64_t now_us, cq_buf *out_headers,
              cq_buf *out_url, cq_error *err);
  void (*free)(cq_signer *s);
} cq_signer_ops;
struct cq_signer {
  const cq_signer_ops *ops;
  int refs; /* atomic */
};
cq_signer *cq_signer_ref(cq_signer *s);
void cq_signer_unref(cq_signer *s);

typedef struct cq_http_request {
  const char *method, *url; /* http, https; file only where allow_file */
  const cq_header *headers;
  size_t nheader;
  const char *body;
  size_t nbody;
  cq_signer *signer; /* or NULL; referenced */
  cq_limiter *limiters[4];
  int nlimiter; /* all must let it pass */
  int allow_file;
  int follow;            /* redirects within the same host only; to another
                                host never with our headers */
  const char *etag;      /* sent as If-None-Match, or NULL */
  const char *modified;  /* sent as If-Modified-Since, or NULL */
  int64_t clock_skew_us; /* added to the signer's clock */
  const cq_tls *tls;     /* instead of the connection's, or NULL */
  int priority;          /* lower first among the waiting */
  int timeout_ms;        /* instead of the connection's two; 0 = those */
  int direct;            /* never by a proxy */
  int64_t max_wait_ms;   /* fails with CQ_THROTTLED where limiters hold it back
                            for longer; 0 = waits */
  int attempt;           /* 1 = first, for the log; 0 counts as 1 */
  const char *shown;     /* the URL as messages and the log show it; NULL: as it
                        is, up to its query */
  /* for the request log only */
  const char *integration, *table, *client;
} cq_http_request;

/* Copies everything.  The transfer is polled, then freed by the caller. */
int cq_http_submit(cq_http *h, const cq_http_request *r, cq_transfer **out,
                   cq_error *err);
typedef enum cq_tstate {
  CQ_T_WAITING, /* queued, delayed, or no header yet */
  CQ_T_STREAM,  /* body passed CQ_STREAM_BYTES: pieces may be taken; ends in
                    DONE (take once more) or FAILED */
  CQ_T_DONE,    /* complete: status and whole rest of the body are there */
  CQ_T_FAILED   /* transport error: cq_transfer_error */
} cq_tstate;
cq_tstate cq_transfer_state(cq_transfer *t);
int cq_transfer_status(const cq_transfer *t); /* HTTP status, 0 = none */
/* What stands before an answer's body; borrowed. */
typedef struct cq_head {
  int status;        /* HTTP status, 0 = none: a file's, or no answer */
  const char *url;   /* effective, no credentials; "" = none */
  const char *lines; /* name NUL value NUL ..., as they came */
  size_t nlines;     /* bytes */
} cq_head;
cq_head cq_transfer_head(const cq_transfer *t);
const char *cq_head_get(const cq_head *h, const char *name); /* last or NULL */
/* All values of that name as one list (RFC 9110, 5.3); CQ_NOMEM. */
int cq_head_list(const cq_head *h, const char *name, cq_buf *out);
/* The lines of `h`, those that `by` names replaced by its own (RFC 9111, 3.2). */
int cq_head_update(const cq_head *h, const cq_head *by, cq_buf *out);
/* Takes what has arrived (NULL = nothing now).  Zero-padded as cq_block says. */
cq_block *cq_transfer_take(cq_transfer *t);
int cq_transfer_error(const cq_transfer *t,
                      cq_error *err);          /* fills, returns code */
int cq_transfer_attempt(const cq_transfer *t); /* 1.. */
int64_t
cq_transfer_bytes(const cq_transfer *t); /* received so far, on the wire */
/* How long rates and throttling answers have held it back. */
int64_t cq_transfer_gated_ms(const cq_transfer *t);
/* Sends the same request again after delay_ms (signed anew; signer may be
 * replaced, NULL keeps it).  Only before a piece was taken. */
int cq_transfer_retry(cq_transfer *t, int64_t delay_ms, cq_signer *signer,
                      cq_error *err);
void cq_transfer_free(cq_transfer *t); /* cancels when under way */
/* Takes back a request that has not been sent: 1 = it will not be. */
int cq_transfer_withdraw(cq_transfer *t);
/* Waits until some transfer changed state or gave bytes since the last call,
 * or timeout_ms passed; meanwhile transfers go on, on this thread. */
void cq_http_wait(cq_http *h, int timeout_ms);

/* How far the servers' clock is ahead of ours; signers go by theirs.  off: what
 * the Date of an answer says of it still, in microseconds, 0 without one. */
enum { CQ_CLOCK_US = 240000000 }; /* off by less than that is none */
void cq_http_clock(cq_http *h, int64_t ahead_us);
int64_t cq_http_clock_get(cq_http *h);
int64_t cq_http_clock_off(cq_http *h, const cq_head *answer);

/* ---- limits ------------------------------------------------------------ */
/* Same key -> same limiter, as long as somebody refers to it or it has been
 * slowed.  rate per second (0 = none), burst, concurrency (0 = 10).  *out is
 * the caller's reference. */
int cq_http_limiter(cq_http *h, const char *key, double rate, double burst,
                    int concurrency, cq_limiter **out, cq_error *err);
cq_limiter *cq_limiter_ref(cq_limiter *l);
void cq_limiter_unref(cq_limiter *l);
/* From now on throttled answers teach it a rate, and nothing is halved. */
void cq_limiter_adapt(cq_http *h, cq_limiter *l, int adaptive);
/* A throttling answer: halves rate and concurrency, no start before
 * `until_ms` (monotonic; 0 = none); recovers slowly with successes. */
void cq_limiter_throttled(cq_http *h, cq_limiter *l, int64_t until_ms);
/* Quota headers: at remaining == 0 no start before until_ms. */
void cq_limiter_quota(cq_http *h, cq_limiter *l, int64_t remaining,
                      int64_t until_ms);
/* An answer that is none of throttling. */
void cq_limiter_success(cq_http *h, cq_limiter *l);
/* Full jitter: uniform in [0, min(cap, base * 2^attempt)]. */
int64_t cq_backoff_ms(int attempt, int64_t base_ms, int64_t cap_ms);
/* Retry-After and friends: seconds, HTTP date, RFC 3339, epoch; milliseconds
 * from now, or -1.  Never above CQ_MAX_WAIT_MS. */
int64_t cq_http_after_ms(const char *value, int64_t now_us);
/* The same by a header of this answer, as of its own Date where it has one:
 * what a server says of a time it says by its own clock. */
int64_t cq_head_after_ms(const cq_head *h, const char *name);

/* ---- the request log: the last N, for cq_requests ---------------------- */
typedef struct cq_http_entry {
  int64_t id, started_us, ms, bytes;
  int status, attempt;
  char integration[32], table[96], client[96], method[8], host[128], path[256];
  char error[160]; /* no secrets; path without the query */
} cq_http_entry;
/* Copies the entries from oldest to newest; returns how many. */
int cq_http_log(cq_http *h, cq_http_entry **out, size_t *n, cq_error *err);
typedef struct cq_http_stats {
  int64_t requests, retries, throttled_ms, bytes, active, waiting;
} cq_http_stats;
void cq_http_stats_get(cq_http *h, cq_http_stats *out);

/* Link header (RFC 8288): URL of rel=`rel` into out (borrowed slice): 1 found, 0
 * there is none, -1 it cannot be read. */
int cq_link_find(const char *header, const char *rel, const char **url,
                 size_t *n);
/* Same scheme, host and port? Bool. */
int cq_url_same_origin(const char *a, const char *b);
/* Resolves a relative reference (RFC 3986 §5) against base. */
int cq_url_join(const char *base, const char *ref, size_t n, cq_buf *out);

#endif
