/* ext/scan/internal.h: what the files of scan/ share with each other; no other
 * room includes it.
 *
 * scope  = the names that a template may ask for at one place
 * fetch  = one request with its login, retries and error rules
 * task   = one series of pages, with the calls that its rows need
 * scan   = tasks in a fixed order, a window of them in flight */
#ifndef CQ_SCAN_INTERNAL_H
#define CQ_SCAN_INTERNAL_H

#include "scan/page/page.h"
#include "scan/scan.h"

/* ---- scope.c ------------------------------------------------------------ */
typedef struct cq_scope {
  const cq_config *config;
  const cq_client *client;
  const cq_table *table;      /* names `where` columns */
  const cq_constraint *where; /* of this task: one value each, or a list */
  size_t nwhere;
  const cq_value *each; /* parallel to table->each */
  const cq_value *job;  /* parallel to table->job.names, or NULL */
  const char *option;   /* what table_options adds to the request, or NULL */
  const cq_table *parent;
  const cq_value *const *parent_rows; /* 1, or the batch */
  size_t nparent;
  const cq_value *const *rows; /* cells of this row, or of a batched call */
  size_t nrow;
  int batched;              /* row. and parent. are lists, also of one */
  const cq_head *answer;    /* response.status, .url, .headers */
  const cq_value *envelope; /* response.body, see scan->body_refs */
  cq_ref *const *body_refs;
  size_t nbody;
  const char *cursor_from, *cursor_to; /* already in the cursor's format */
  const cq_page_state *page;
  int64_t run_us; /* run.time */
  int masked;     /* secrets of the configuration read as *** */
} cq_scope;
cq_context cq_scope_context(cq_scope *s);

/* ---- fetch.c ------------------------------------------------------------ */
typedef struct cq_fetch cq_fetch;
typedef enum cq_outcome {
  CQ_F_BUSY,  /* under way */
  CQ_F_DATA,  /* pieces may be taken; cq_fetch_take says when it ends */
  CQ_F_EMPTY, /* an error rule: counts as no rows / NULL columns */
  CQ_F_SKIP_ROW,
  CQ_F_SKIP_CLIENT,
  CQ_F_DENIED, /* may not be read: rows or columns are missing */
  CQ_F_ERROR   /* cq_fetch_fail tells */
} cq_outcome;
typedef struct cq_fetch_def {
  cq_env *env;
  cq_source *source;
  const char *table, *service; /* for limits and the log */
  const char *permissions;     /* that its requests need: JSON list, or NULL */
  int own;                     /* it is the table's own request, no call */
  const cq_request_def *request;
  const cq_errors_def *errors;
  const cq_limits_def *limits;
  const char *url; /* next page's URL instead of the request's */
  int named;       /* the page before has said that this one is there */
  int live;
  int priority;
  int early; /* all else waits: who cannot be reached is soon given up */
  int fresh; /* asks for what changes from one time to the next */
  int whole; /* its body comes in one piece, CQ_MAX_RECORD_BYTES at most */
} cq_fetch_def;
/* Evaluates the request in `scope` at once (the scope may go afterwards) and
 * sends as soon as the identity is ready. */
int cq_fetch_open(const cq_fetch_def *d, cq_scope *scope, cq_fetch **out,
                  cq_error *err);
cq_outcome cq_fetch_poll(cq_fetch *f);
/* Next piece (reference moves out; NULL = none now); *final = all taken. */
int cq_fetch_take(cq_fetch *f, cq_block **out, int *final, cq_error *err);
/* The answer's, of a cached one, too; borrowed from the fetch. */
cq_head cq_fetch_head(const cq_fetch *f);
/* Puts table, method and address before a message about the answer. */
void cq_fetch_prefix(const cq_fetch *f, cq_error *err);
/* For what a decoder said: the same, and a hint of what was sent instead. */
void cq_fetch_refused(const cq_fetch *f, cq_error *err);
/* An answer of no bytes: CQ_OK where its status says that nothing is there, or
 * where nothing is a document of its kind. */
int cq_fetch_empty(const cq_fetch *f, const cq_decode_ops *as, cq_error *err);
const char *cq_fetch_url(const cq_fetch *f);
/* The error, or the reason of a skip, in words. */
int cq_fetch_fail(const cq_fetch *f, cq_error *err);
void cq_fetch_stats(const cq_fetch *f, cq_scan_stats *add);
/* A request that is under way goes on, for the cache, while its statement does:
 * the statement may be about to make it again. */
void cq_fetch_close(cq_fetch *f);
void cq_share_cancel_left(cq_cache *c);

/* ---- request.c ---------------------------------------------------------- */
typedef struct cq_built {
  cq_arena arena;
  const char *method, *url, *body;
  const char *shown; /* the URL up to its query, without secrets */
  size_t nbody;
  cq_header *headers;
  size_t nheader;
  cq_tls tls;       /* of the integration */
  cq_whence chosen; /* who has chosen the host */
} cq_built;
int cq_request_build(const cq_integration *in, const cq_request_def *r,
                     cq_scope *scope, const char *url, cq_built *out,
                     cq_error *err);
void cq_built_clear(cq_built *b);
/* Puts another scheme and host (and base path) in its URL; NULL leaves it. */
int cq_built_place(cq_built *b, const char *base, cq_error *err);
/* The parameters of the auth that applies; *scheme NULL = none applies. */
int cq_request_auth(const cq_integration *in, const cq_request_def *r,
                    cq_scope *scope, cq_arena *a, const char **scheme,
                    cq_auth_params *out, cq_error *err);
/* Where the identity of the client's requests that name the same auth is kept,
 * or NULL. */
cq_identity **cq_request_logins(const cq_integration *in,
                                const cq_request_def *r, const cq_client *c);
/* Does what asks depend on configuration and client alone, and what is asked
 * for on the request's own `auth`?  `all`: the parameters of both, or NULL
 * where that identity has passed before. */
int cq_request_same_login(const cq_request_def *r, const cq_identity *id,
                          const cq_auth_params *all);
/* What the request's own `auth` says. */
int cq_request_own_auth(const cq_request_def *r, cq_scope *scope, cq_arena *a,
                        cq_auth_params *out, cq_error *err);

/* ---- limits.c ----------------------------------------------------------- */
typedef struct cq_limits {
  cq_limiter *limiter;       /* whose quota it counts against */
  int64_t retries, pause_ms; /* tries after the first; the longest between */
} cq_limits;
/* `url`, `identity` and certificate's file (or NULL) of the request that `d`
 * makes. */
int cq_limits_open(const cq_fetch_def *d, const char *url,
                   const cq_identity *identity, const char *cert, cq_scope *s,
                   cq_arena *a, cq_limits *out, cq_error *err);

/* ---- classify.c --------------------------------------------------------- */
typedef struct cq_verdict {
  cq_action then;
  int64_t after_ms; /* -1 = own backoff */
  int throttle;
  char reason[512]; /* "HTTP 403 AccessDenied: not allowed" */
  char hint[256];
  char lacks[128]; /* the permission that is missing, "" = not told */
} cq_verdict;
typedef struct cq_answer { /* what is to be judged; all borrowed */
  cq_head head;
  int64_t clock_off; /* what it says of our clock, see cq_http_clock_off */
  const char *body;  /* NULL = none */
  size_t nbody;
  const cq_error *failure; /* of the transport: there is no answer; or NULL */
} cq_answer;
void cq_classify(const cq_errors_def *e, const cq_answer *a, cq_verdict *out);
/* An answer that seems good: 1 and the verdict where its body tells an error's
 * code, by a definition that says so (in_200). */
int cq_classify_good(const cq_errors_def *e, const cq_answer *a,
                     cq_verdict *out);

/* ---- cache.c ------------------------------------------------------------ */
typedef struct cq_cached {
  cq_block *block;             /* the whole body; NULL = it has none */
  cq_head head;                /* as it came, whatever its status */
  const char *etag, *modified; /* validators among its lines, or NULL */
} cq_cached;
typedef enum cq_cache_state {
  CQ_CACHE_NONE, /* not known */
  CQ_CACHE_GOOD, /* may be used as it is */
  CQ_CACHE_ASK   /* only after the server has said that it still holds */
} cq_cache_state;
/* What stands in `out` is the cache's, until it is called again. */
cq_cache_state cq_cache_get(cq_cache *c, const char *key, cq_cached *out);
/* Shares v->block, copies the head, where there is room.  live 0: of a sync,
 * which asks only whether it still holds. */
void cq_cache_put(cq_cache *c, const char *key, const cq_cached *v, int live);
/* Heads of share.c's lists: of fetches whose answers may be shared, and of
 * those among them that nobody reads any more. */
cq_fetch **cq_cache_fetches(cq_cache *c);
cq_fetch **cq_cache_left(cq_cache *c);
/* Is a statement running that may ask for the same once more? */
int cq_cache_shared(const cq_cache *c);

/* ---- follow.c: from one page to the next --------------------------------- */
/* What `page` reads beside the records: slots 0 token, 1 more, 2 total; room
 * for 3 fields in env. */
int cq_page_envelope(const cq_page_def *d, cq_arena *a, cq_field *env, int *n);
/* A page of `rows` records is complete; env: its envelope's slots, last: of the
 * last record, or NULL.  *go 1: another follows, `s` describes it, and our
 * credentials may go there.  Errors tell the fact alone. */
int cq_page_follow(const cq_page_def *d, cq_page_state *s, const cq_fetch *f,
                   int64_t rows, const cq_value *env, const cq_value *last,
                   int *go, cq_error *err);

/* ---- pages.c: the pages of one list ---------------------------------------- */
typedef struct cq_pages {
  const cq_page_def *def;
  cq_page_state state;
  const cq_decode_ops *ops;
  cq_fetch *fetch;     /* this page's; NULL = none is asked for */
  cq_decoder *decoder; /* of what has come of it */
  int64_t seen;        /* its records so far, those that are null too */
  /* The answer holds the document, see inner.c; or NULL. */
  const cq_request_def *holds;
  const cq_program *outer;
} cq_pages;
/* Rows that a page is asked for; cap: more are not needed, < 0 = none. */
int64_t cq_page_size(const cq_page_def *d, int64_t cap);
/* def NULL: one answer is all. */
void cq_pages_start(cq_pages *p, const cq_page_def *def, int64_t cap,
                    const cq_decode_ops *ops);
/* What has come of the page, once its fetch has data, into the batch: CQ_OK,
 * *whole 1 where that was the rest; CQ_BUSY. */
int cq_pages_read(cq_pages *p, const cq_program *program, cq_batch *into,
                  int *whole, cq_error *err);
/* Behind a whole page, see cq_page_follow. */
int cq_pages_follow(cq_pages *p, const cq_value *last, int *go, cq_error *err);
/* Ends with this page: its request is counted, where somebody counts. */
void cq_pages_drop(cq_pages *p, cq_scan_stats *stats);
void cq_pages_clear(cq_pages *p, cq_scan_stats *stats);

/* ---- small.c: a whole answer read at once (discovery, identify) ---------- */
/* Runs one fetch's pages and gives rows of `nfield` cells each; polls. */
typedef struct cq_reader cq_reader;
typedef struct cq_reader_def {
  cq_fetch_def fetch;
  const cq_page_def *page;
  const cq_path *rows;
  int optional_rows; /* a missing place is none of them, not an error */
  const cq_field *fields;
  int nfield, nslot;
  cq_scan_stats *stats; /* counts its requests, or NULL */
} cq_reader_def;
int cq_reader_open(const cq_reader_def *d, const cq_scope *scope,
                   cq_reader **out, cq_error *err);
/* CQ_BUSY, CQ_DONE (rows in cq_reader_rows), or an error. */
int cq_reader_poll(cq_reader *r, cq_error *err);
const cq_batch *cq_reader_rows(const cq_reader *r);
int cq_reader_skipped(const cq_reader *r); /* ended by a skip or empty rule */
cq_outcome cq_reader_outcome(const cq_reader *r); /* of its last request */
void cq_reader_close(cq_reader *r);

/* ---- clients.c: a client's attributes and name ---------------------------- */
struct json_t;
/* Clients under construction. */
typedef struct cq_growing {
  cq_client **v;
  size_t n, cap;
} cq_growing;
int cq_growing_add(cq_growing *g, cq_client *c, cq_error *err);
/* Values that name the same (a pattern and a word, two profiles of one account)
 * are one client: it is asked once.  Those that failed may share a name. */
int cq_growing_unique(cq_growing *g, cq_error *err);
/* A copy of `base` with room for `more` further attributes. */
cq_client *cq_client_extend(cq_arena *a, const cq_client *base, size_t more);
/* Sets an attribute of a client made by cq_client_extend. */
int cq_client_set(cq_arena *a, cq_client *c, const char *name,
                  const cq_value *v);
int cq_client_fail(cq_arena *a, cq_client *c, const cq_error *e);
/* One configured value: a scalar is the dimension's own attribute, a map is
 * several; named by `by`. */
int cq_client_configured(cq_arena *a, const cq_dimension *d,
                         const cq_client *base, const struct json_t *j,
                         cq_whence by, cq_client **out, cq_error *err);
/* _cq_client_id: the id attributes of the dimensions, joined by ':'. */
int cq_client_name(const cq_integration *in, unsigned long long dims,
                   cq_arena *a, cq_client *c, cq_error *err);

/* ---- discover.c: a dimension's values ------------------------------------- */
/* The requests that finding the clients of `t` would take, none being made: per
 * dimension, -1 = not known before others are answered. */
typedef struct cq_dry_step {
  const cq_dimension *dim;
  int64_t discover, identify;
} cq_dry_step;
/* Lays dimension `d` over `in`; the result, in `a`, replaces it.  dry: makes no
 * request and tells how many there would be. */
int cq_dimension_lay(cq_source *s, const cq_dimension *d, cq_arena *a,
                     cq_growing *in, cq_dry_step *dry, cq_error *err);
/* One request for each client that is known, as the definition's `test` says;
 * why one failed, in `a`. */
int cq_clients_test(cq_source *s, cq_arena *a, const cq_growing *g,
                    cq_error *err);

/* ---- source.c: the clients that are known --------------------------------- */
struct cq_clients {
  int refs; /* one is the source's, while it holds */
  cq_clients *next;
  cq_clients *base;        /* what its clients are laid over, or NULL */
  unsigned long long dims; /* bit set */
  cq_arena arena;
  cq_client **v;
  size_t n;
  int64_t again_ms; /* some failed: they are asked for again then; 0 = none */
};
/* The dimensions that a table runs over: its own, or its first ancestor's. */
unsigned long long cq_table_dims(const cq_table *t); /* bit set */
struct cq_source {
  int refs;
  cq_env *env;
  const cq_integration *in;
  cq_config *config;
  cq_clients *lists; /* one per set of dimensions */
};
typedef struct cq_dry {
  cq_dry_step step[64];
  size_t nstep;
  cq_client **clients; /* in the caller's arena, laid over `base`; attributes
                          that a request gives are missing */
  size_t n;
  cq_clients *base;
  int known; /* `clients` are those that there will be */
} cq_dry;
int cq_source_dry(cq_source *s, const cq_table *t, cq_arena *a, cq_dry *out,
                  cq_error *err);
void cq_dry_clear(cq_dry *d);

/* ---- alike.c: clients of which a table asks the same ---------------------- */
typedef struct cq_alike_class {
  uint64_t hash;
  int used;
  int told;         /* its first one has been looked at, and: */
  uint64_t has[2];  /* predict.c: which form its addresses have */
  int64_t count[2]; /* how many lists, and single records, each is asked for */
} cq_alike_class;
typedef struct cq_alike {
  const char **names; /* of the attributes that matter */
  size_t n, cap;
  cq_alike_class *classes; /* by hash */
  size_t n_class, cap_class;
} cq_alike;
int cq_alike_open(cq_alike *a, const cq_table *t, cq_error *err);
/* The class of a client, good until the next is asked for. */
int cq_alike_class_of(cq_alike *a, const cq_client *c, cq_alike_class **out,
                      cq_error *err);
void cq_alike_clear(cq_alike *a); /* also after open has failed */

/* ---- preview.c: a request's address before it is made --------------------- */
typedef struct cq_preview {
  const cq_source *source;
  const cq_client *const *clients;
  size_t nclient;
  const cq_dry *dry; /* steps still to be made, or NULL */
} cq_preview;
/* In `a`; {name} stands for what is not known, not the same everywhere, or
 * secret.  Never with the query, whose values differ from request to request. */
int cq_preview_url(const cq_preview *p, const cq_request_def *r, cq_arena *a,
                   char **out, cq_error *err);

/* ---- need.c: what a scan must read for the columns that are wanted ------- */
typedef struct cq_need {
  unsigned char *slot;   /* per slot */
  unsigned char *call;   /* per call */
  unsigned char *parent; /* per column of the parent, or NULL */
  int *order;
  int norder;          /* VALUE columns, dependencies first */
  unsigned char *late; /* of a column: CQ_LATE_* */
} cq_need;
int cq_need_compute(const cq_table *t, const unsigned char *wanted, int live,
                    cq_need *out, cq_error *err);
void cq_need_clear(cq_need *n);

/* ---- select.c: which clients --------------------------------------------- */
/* Of the options' clients, or all of the source's, of which the caller holds
 * *from then; *out is the caller's, freed with cq_free, clients that the query's
 * values make are in `own`. */
int cq_clients_select(const cq_scan_options *o, cq_arena *own,
                      cq_clients **from, const cq_client ***out, size_t *n,
                      cq_error *err);
/* Could a row meet it whose column `c` is made of `raw`, as it came?  Only a
 * clear no is a no. */
int cq_constraint_allows(const cq_constraint *w, const cq_column *c,
                         const cq_value *raw);
/* Attribute number k, those of the clients below it first.  Bool. */
int cq_client_at(const cq_client *c, size_t k, const char **name,
                 const cq_value **value);

/* ---- parents.c: the parent's rows that lead to requests ------------------ */
typedef struct cq_parents cq_parents;
int cq_parents_open(const cq_scan_options *o, const cq_need *need,
                    const cq_client *const *clients, size_t nclient,
                    int64_t now_us, cq_parents **out, cq_error *err);
/* CQ_ROW (borrowed until the next call), CQ_BUSY, CQ_DONE or an error. */
int cq_parents_next(cq_parents *p, const cq_value **row,
                    const cq_client **client, cq_error *err);
/* The scan of the parent; NULL where it is not asked.  p may be NULL. */
const cq_scan *cq_parents_scan(const cq_parents *p);
void cq_parents_close(cq_parents *p);

/* ---- enumerate.c: which requests ---------------------------------------- */
typedef struct cq_enum cq_enum;
typedef struct cq_job { /* what one task asks for; all memory in its arena */
  cq_arena arena;
  const cq_client *client;
  cq_constraint *where;
  size_t nwhere;
  cq_value *each;
  const cq_value **parents;
  size_t nparent;
  const char *parent_key;              /* for cursors; "" without a parent */
  const char *cursor_from, *cursor_to; /* as sent */
  int get;                             /* table->get, not the list */
  const char *option;    /* JSON: members that table_options adds, or NULL */
  const cq_value *above; /* cells of the record whose below it asks for */
  int depth;             /* of that record: 0 = there is none */
  int64_t known_us;      /* a feed stops at rows older than this; 0 = none */
  size_t group; /* number of the client, or parent's row, that it is for */
  /* One of several windows of the cursor, of which neighbours share an end: */
  size_t window, windows;
  uint64_t series; /* the same for the windows of one row of the parent, ... */
  int64_t begin_us, end_us; /* rows up to / from here may be in both */
  int64_t whole_us; /* what is before was asked for once the window's jobs are
                       over; -1: it goes up to now */
} cq_job;
int cq_enum_open(const cq_scan_options *o, const cq_need *need, int64_t now_us,
                 cq_enum **out, cq_error *err);
/* CQ_ROW with a job (ownership moves), CQ_BUSY, CQ_DONE or an error. */
int cq_enum_next(cq_enum *e, cq_job **out, cq_error *err);
int cq_enum_asks_parent(const cq_enum *e); /* the parent table is scanned */
void cq_enum_stats(const cq_enum *e, cq_scan_stats *add);
void cq_enum_close(cq_enum *e);
int cq_job_copy(const cq_table *t, const cq_job *j, cq_job **out);
void cq_job_free(cq_job *j);

/* ---- options.c: what table_options says of a table ------------------------ */
/* Its entries, each as JSON of the request's own names, in the arena; none:
 * *n 0.  Errors name what is not known. */
int cq_options_read(const cq_config *c, const cq_table *t, cq_arena *a,
                    const char ***out, size_t *n, cq_error *err);
typedef enum cq_option_place {
  CQ_OPTION_FORM,
  CQ_OPTION_QUERY, /* of a request with a body: those that say so */
  CQ_OPTION_ALL    /* the query of a request without */
} cq_option_place;
/* Members as pairs of a form or query, behind those that are in `out`. */
int cq_options_pairs(const cq_shape *s, const char *json, cq_option_place place,
                     char *sep, cq_buf *out);
/* Members over those of the JSON body in `b`. */
int cq_options_body(const char *json, cq_buf *b);
/* Does an entry give this parameter of the request itself? */
int cq_options_has(const char *json, const char *name, cq_option_place place);

/* ---- below.c: what is below the records that a scan has seen --------------- */
typedef struct cq_below cq_below;     /* of one batch: where to go on */
typedef struct cq_descent cq_descent; /* of a scan */
/* Of the records in `batch`, as the job read them. */
int cq_below_new(const cq_table *t, const cq_job *j, const cq_batch *batch,
                 cq_below **out, cq_error *err);
void cq_below_free(cq_below *b);
int cq_descent_new(const cq_table *t, cq_descent **out, cq_error *err);
/* Takes `below` (or NULL), and drops the rows of the batch that came before. */
int cq_descent_add(cq_descent *d, cq_below *below, cq_batch *batch,
                   cq_error *err);
/* CQ_ROW with a job (ownership moves), CQ_DONE: none is left now. */
int cq_descent_next(cq_descent *d, cq_job **out, cq_error *err);
void cq_descent_free(cq_descent *d);

/* ---- job.c: a job is started and waited for -------------------------------- */
typedef struct cq_run_job cq_run_job;
int cq_run_job_open(const cq_fetch_def *f, const cq_scope *scope,
                    cq_scan_stats *stats, cq_run_job **out, cq_error *err);
/* CQ_DONE (see the outcome: CQ_F_DATA = its result can be asked for), CQ_BUSY
 * or an error; *why: of an outcome that is none of these. */
int cq_run_job_poll(cq_run_job *j, cq_outcome *o, cq_error *err);
const cq_value *cq_run_job_values(const cq_run_job *j);
void cq_run_job_close(cq_run_job *j);

/* ---- inner.c: a document inside an answer ----------------------------------- */
int cq_inner_compile(const cq_request_def *r, cq_program **out, cq_error *err);
/* The whole answer becomes the document in it. */
int cq_inner_take(const cq_request_def *r, const cq_program *p,
                  cq_block **piece, cq_error *err);
const cq_decode_ops *cq_inner_outer(const cq_request_def *r);

/* ---- task.c, calls.c ------------------------------------------------------ */
typedef struct cq_scan_shared { /* what all tasks of a scan share */
  const cq_scan_options *o;
  cq_source *source;
  const cq_table *table, *parent;
  cq_need need;
  const cq_decode_ops *decode;
  cq_program *program;
  cq_program *get_program;    /* of table->get, or NULL */
  cq_program *below_program;  /* of table->below, or NULL */
  cq_program *outer_program;  /* of the answer around a document, or NULL */
  cq_program **call_programs; /* per call, NULL where not needed */
  cq_field *call_fields;      /* scratch of compiling */
  cq_ref **body_refs;
  size_t nbody;
  int collect; /* pages are decoded whole */
  int64_t now_us;
  int inflight_calls;
  cq_arena denied_arena; /* rows of parents below which nothing may be read */
  const cq_value **denied;
  size_t ndenied, capdenied;
  cq_scan_stats *stats;
} cq_scan_shared;
/* LIMIT as a cap may make pages smaller, where each row is surely given; -1 =
 * it may not. */
int64_t cq_scan_page_cap(const cq_scan_options *o);
typedef struct cq_task cq_task;
int cq_task_new(cq_scan_shared *sh, cq_job *job, cq_task **out,
                cq_error *err); /* job moves in */
/* Advances.  ahead: how many undelivered pages it may hold. */
int cq_task_poll(cq_task *t, int ahead, cq_error *err);
/* CQ_ROW: a finished batch (ownership moves, as that of what is below its
 * records, or NULL), CQ_BUSY, CQ_DONE. */
int cq_task_take(cq_task *t, cq_batch **out, cq_below **below);
/* What the request under way, or that failed, has cost. */
void cq_task_stats(const cq_task *t, cq_scan_stats *add);
const cq_job *cq_task_job(const cq_task *t);
const char *cq_task_cursor(const cq_task *t); /* greatest seen, "" = none */
void cq_task_free(cq_task *t);

/* merge.c: a cell of a record's next page goes into that of those before. */
int cq_cell_merge(cq_arena *a, cq_value *into, const cq_value *from,
                  cq_error *err);
typedef struct cq_calls cq_calls;
/* The calls that the rows of one batch need; NULL out where none. */
int cq_calls_open(cq_scan_shared *sh, cq_scope base, cq_batch *batch,
                  cq_calls **out, cq_error *err);
int cq_calls_poll(cq_calls *c, cq_error *err); /* CQ_DONE, CQ_BUSY, error */
/* Rows that an error rule dropped: a byte per row, valid when done. */
const unsigned char *cq_calls_dropped(const cq_calls *c);
/* What reads a call's answers: as its request says, else as the table's. */
const cq_decode_ops *cq_call_decode(const cq_scan_shared *sh, size_t call);
void cq_calls_close(cq_calls *c);
/* Fills the columns that are not in the record: constants, and values whose
 * call is `call` (-1: those without). */
int cq_columns_fill(const cq_scan_shared *sh, cq_scope *scope, cq_batch *batch,
                    int first, int call, cq_error *err);
/* What a value waits for: columns of other calls; or it is made at once, of the
 * answer of its call (response.x). */
enum { CQ_LATE_CALLS = 1, CQ_LATE_ANSWER = 2 };
/* The values of rows first..first+n that are CQ_LATE_CALLS (call -1, once all
 * calls are done) or CQ_LATE_ANSWER of `call`. */
int cq_columns_late(const cq_scan_shared *sh, cq_scope *scope, cq_batch *batch,
                    int first, int n, int call, cq_error *err);

/* ---- denied.c: what may not be read -------------------------------------- */
/* Counts a request that was denied; the first one's reason is kept. */
void cq_stats_denied(cq_scan_stats *st, const cq_error *why);
/* Its rows are missing: those below these parents, where there are any. */
int cq_denied_rows(cq_scan_shared *sh, const cq_value *const *parents,
                   size_t nparent, cq_error *err);

#endif
