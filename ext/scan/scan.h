/* ext/scan/scan.h: requests -> pages -> records -> batches of typed rows.
 *
 * A scan is a pull-driven state machine on the caller's thread: it keeps up to
 * CQ_WINDOW requests in flight ahead of its reader, in a fixed order, so that
 * rows come in the same order whatever the network does.  Below it nothing
 * knows SQL, above it nothing knows HTTP.  Closing cancels its transfers. */
#ifndef CQ_SCAN_H
#define CQ_SCAN_H

#include "http/auth/auth.h"
#include "scan/decode.h"

typedef struct cq_cache cq_cache; /* answers seen a moment ago (live queries) */

/* What all scans of one connection share. */
typedef struct cq_env {
  cq_registry *registry;
  cq_http *http;
  cq_auths *auths;
  cq_cache *cache;
  int (*interrupted)(void *user); /* polled at least every 100 ms, or NULL */
  void *user;
  int64_t live_wait_ms;
} cq_env;

/* ---- sources: an integration with its configuration -------------------- */
/* Clients that were discovered are kept here, once per source. */
typedef struct cq_source cq_source;
int cq_source_new(cq_env *env, const cq_integration *in, cq_config *config,
                  cq_source **out, cq_error *err); /* refs config */
cq_source *cq_source_ref(cq_source *s);
void cq_source_unref(cq_source *s);
const cq_integration *cq_source_integration(const cq_source *s);

/* Is what is configured of the tables' clients well-formed?  Asks nobody. */
int cq_source_check(cq_source *s, const cq_table *const *t, size_t n,
                    cq_error *err);

/* A client: one value of the multiplex. */
typedef struct cq_client {
  const char *id; /* _cq_client_id */
  /* Its attributes: these, and those of `over` that are not among them.
   * Thousands of clients differ in one or two: see cq_client_value. */
  size_t n;
  const char *const *names;
  const cq_value *values;
  const struct cq_client *over; /* or NULL */
  /* Whose keys its requests are signed with, as found so far, by the number of
   * the integration's auth and [0] where a request names none; NULL: not kept. */
  struct cq_identity **logins;
  /* discovery found that it cannot be used: */
  int failed; /* result code, or 0 */
  const char *error;
} cq_client;
const cq_value *cq_client_value(const cq_client *c, const char *name);
/* Clients that were found; they are there as long as somebody holds the list. */
typedef struct cq_clients cq_clients;
const cq_client *const *cq_clients_all(const cq_clients *c, size_t *n);
void cq_clients_unref(cq_clients *c); /* NULL is fine */
/* The clients that `t` runs over, in order, discovering as needed (waits,
 * polls env->interrupted).  A client whose discovery failed is listed with
 * `failed` set. */
int cq_source_clients(cq_source *s, const cq_table *t, cq_clients **out,
                      cq_error *err);

/* ---- constraints ------------------------------------------------------- */
typedef struct cq_constraint {
  int column;
  int op; /* one CQ_W_*; CQ_W_IN: n values */
  size_t n;
  const cq_value *values;
  int unknown; /* prediction: there will be one, values hold its place */
} cq_constraint;

/* Has the table, or the one at the top of its parents, anything to do with this
 * client, and with these constraints on it (`only`)? */
int cq_source_concerns(cq_source *s, const cq_table *t, const cq_client *client,
                       const cq_constraint *where, size_t nwhere, int *yes,
                       cq_error *err);

/* Rows of a parent table from somewhere else than a scan (a sync hands those
 * that it has just fetched).  Row values: one per column of the parent table
 * (unwanted ones NULL). */
typedef struct cq_rows {
  int (*next)(void *user, const cq_value **row,
              cq_error *err); /* CQ_ROW, CQ_DONE, error */
  void (*close)(void *user);
  void *user;
} cq_rows;

typedef enum cq_unit_status {
  CQ_U_OK,
  CQ_U_SKIPPED,
  CQ_U_FAILED
} cq_unit_status;

typedef struct cq_scan_options {
  cq_env *env;
  cq_source *source;
  const cq_table *table;
  const cq_client *const *clients;
  size_t nclient; /* NULL: all (pruned by constraints) */
  const cq_constraint *constraints;
  size_t nconstraint;
  const unsigned char *wanted; /* a byte per column; NULL = all */
  int64_t cap;  /* no more rows than this are likely to be needed; -1 = all.
                  Nothing is asked for ahead of them; whoever wants more after
                  all gets them */
  int cap_sure; /* and surely: pages need be no larger */
  const char *cursor_from; /* what cq_scan_stats.cursor was, or NULL */
  cq_rows *parents;        /* or NULL: the parent table is scanned; the scan's
                   from cq_scan_open on, also where that fails */
  int by_parts; /* cq_scan_poll says CQ_BUSY each time that the cursor has
                   moved on, before it gives rows that are behind it */
  int live;     /* somebody waits: what was answered a moment ago serves, and a
             * server that asks to wait for more than live_wait_ms is an error */
  /* 1: a client that fails ends the scan with its error (live); 0: never used
   * with several clients (a sync opens one scan per unit). */
} cq_scan_options;

typedef struct cq_scan cq_scan;
int cq_scan_open(const cq_scan_options *o, cq_scan **out, cq_error *err);
/* Does not wait: CQ_ROW with *batch (borrowed until the next call; rows have
 * table->nslot cells, columns first), CQ_DONE, CQ_BUSY, or an error. */
int cq_scan_poll(cq_scan *s, const cq_batch **batch, const cq_client **client,
                 cq_error *err);
/* Waits; polls env->interrupted (CQ_INTERRUPT). */
int cq_scan_next(cq_scan *s, const cq_batch **batch, const cq_client **client,
                 cq_error *err);
/* The parent's row that the batch given last belongs to (with its key, where
 * cq_scan_options.parents gave it); NULL where there is none, or several. */
const cq_value *cq_scan_parent(const cq_scan *s);
/* Of the parents' rows that cq_scan_options.parents gave, those below which
 * rows are missing that may not be read. */
const cq_value *const *cq_scan_denied(const cq_scan *s, size_t *n);
void cq_scan_close(cq_scan *s); /* cancels; NULL is fine */

typedef struct cq_scan_stats {
  int64_t requests, retries, bytes, rows, warnings, throttled_ms, cached;
  int64_t skipped_rows;
  char skip_reason[1024]; /* why a client or row was skipped, with its hint, or
                           "" */
  int skipped_client;     /* the unit gave nothing: nothing can be there */
  int64_t denied;         /* requests that may not be made: what they would have
                            told is missing */
  int64_t nameless;       /* of them: those whose rows are below no parent that
                       cq_scan_denied has, so that any row may be missing */
  char denied_reason[1024]; /* of the first, with its hint, or "" */
  /* What the next run starts from: greatest cursor value over a contiguous
   * prefix of windows whose requests are all over, or the end of the last of
   * several, never past the scan's opening; canonical text, or for a table with
   * a parent a JSON object {parent key: value}.
   * Never NULL, "" = none; borrowed until the scan closes. */
  const char *cursor;
} cq_scan_stats;
void cq_scan_stats_get(const cq_scan *s, cq_scan_stats *out);
/* How often the cursor has moved on since nothing was missing before it; what
 * was given until then is all that there is up to it. */
int64_t cq_scan_moves(const cq_scan *s);

/* ---- prediction: the requests that a scan would make -------------------- */
typedef struct cq_plan_step {
  const char *table, *client, *method,
      *url; /* {name} stands for what is not known yet, or differs */
  const char *operation, *purpose; /* list, call, parent, discover, identify */
  int64_t requests; /* first pages that nothing predicted before asks for; -1 =
                       not known: what it depends on has to be read first */
  const char *repeats; /* "pages", "per row of aws_iam_users", "" */
} cq_plan_step;
typedef struct cq_prediction { /* zero it; of all scans of one statement */
  cq_arena arena;
  cq_plan_step *steps;
  size_t n, cap;
  cq_set seen;            /* the requests so far */
  struct cq_found *found; /* the clients of each set of dimensions */
} cq_prediction;
/* Appends what the scan would ask.  Makes no request: clients that are not
 * known yet appear as the steps that find them. */
int cq_scan_predict(const cq_scan_options *o, cq_prediction *p, cq_error *err);
/* Begins anew, with the clients that are known: nothing was asked since. */
void cq_prediction_again(cq_prediction *p);
void cq_prediction_clear(cq_prediction *p);

/* Tests a source: discovery + identity of each client; rows of (client, ok,
 * message) appended to a JSON array. */
int cq_source_test(cq_source *s, cq_buf *json, cq_error *err);

/* ---- permissions.c, options.c: what a source's tables need, and may be told -- */
/* resource: one that the word is needed for; NULL, for all.  CQ_NOMEM. */
typedef int (*cq_permission_add)(void *user, const char *word,
                                 const char *resource);
/* What the caller must be allowed to do for the table; some come again. */
int cq_source_permissions(cq_source *s, const cq_table *t,
                          cq_permission_add add, void *user, cq_error *err);
/* Is all that `table_options` says known?  spec: where it may stand, for the
 * line, or NULL. */
int cq_options_check(cq_registry *r, const cq_integration *in,
                     const cq_config *c, const cq_node *spec, cq_error *err);

/* ---- the answer cache ---------------------------------------------------- */
int cq_cache_new(size_t max_bytes, cq_cache **out);
void cq_cache_free(cq_cache *c);
void cq_cache_ttl(cq_cache *c,
                  int64_t ms); /* 0 = only while a live cursor is open */
/* Live cursors open/close: entries made since the first open cursor are valid
 * while any is open, so that identical fetches of a statement happen once. */
void cq_cache_enter(cq_cache *c);
void cq_cache_leave(cq_cache *c);
void cq_cache_drop(cq_cache *c);

#endif
