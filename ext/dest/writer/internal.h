/* ext/dest/writer/internal.h: what the files of dest/writer/ share.
 *
 * writer.c    the destination that sync/ sees: opened, closed, calls that wait
 * handed.c    what is handed over and done later: rows, ends, the journal
 * twins.c     the store's own tables, units and runs; what it has to say
 * queue.c     jobs in their order, a thread that does them, room for rows
 * shelf.c     parents' rows in a spool, by client
 * states.c    the states of a table's units, asked for once
 *
 * Two threads: the caller's (who also owns all that is not marked otherwise)
 * and the writer's.  What both touch is under the queue's lock. */
#ifndef CQ_DEST_WRITER_INTERNAL_H
#define CQ_DEST_WRITER_INTERNAL_H

#include <pthread.h>

#include "dest/dest.h"

/* ---- shelf.c ---- */
/* Rows by whom they belong to, for the tables below theirs. */
typedef struct cq_shelf_item {
  int64_t at;   /* in the spool */
  int32_t next; /* of the same client, -1 = the last */
} cq_shelf_item;
typedef struct cq_shelf {
  cq_shelf_item *items;
  size_t n, cap;
  int32_t *first, *last; /* by client: open hash, -1 = free */
  uint64_t *who;
  size_t slots, used;
} cq_shelf;
void cq_shelf_clear(cq_shelf *h);
int cq_shelf_put(cq_shelf *h, cq_spool *s, const char *client, const cq_pack *p,
                 cq_error *err);
/* A client's rows, in the order in which they came.  Where `own` the shelf is
 * the reader's, and freed with it. */
int cq_shelf_rows(cq_shelf *h, int own, cq_spool *s, const char *client,
                  cq_rows *out, cq_error *err);

/* ---- queue.c ---- */
typedef struct cq_job cq_job;
typedef int (*cq_job_fn)(void *user, cq_job *job, cq_error *err);
struct cq_job {
  cq_job *next;
  cq_job_fn run;             /* writer's thread */
  void (*drop)(cq_job *job); /* frees all but pack; NULL: the caller waits */
  cq_pack *pack;             /* rows, or NULL where they are in a spool */
  int64_t spooled;           /* at, or -1 */
  int file;                  /* in which of the two */
  size_t bytes;              /* of the rows */
  size_t own;                /* of the job, its texts included */
  int rows;      /* a job that can be left out when the run is given up */
  int done, rc;  /* rc: also that its rows could not be read back */
  cq_error *err; /* of a job that is waited for */
};

enum {
  CQ_QUEUE_BYTES = 8 << 20, /* rows waiting in memory, of one queue alone */
  CQ_QUEUE_OWN = 8 << 20,   /* jobs waiting, without their rows */
  CQ_QUEUE_TURN = 64 << 20  /* of a spool, before the next row goes elsewhere */
};
#define CQ_QUEUE_SPOOLED (INT64_C(4) << 30) /* rows waiting in the spools */

typedef struct cq_queue {
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  pthread_t thread;
  int started, closing;
  int stop; /* atomic: whoever blocks is to give up */
  cq_job *head, *tail;
  size_t jobs, own, bytes; /* waiting; what they take; their rows */
  size_t room;             /* for rows in memory */
  int busy;                /* one is under way */
  /* Two files by turns: one is filled while the other becomes empty, and starts
   * anew.  A single one would grow as long as it never is. */
  cq_spool spools[2];
  int64_t in_spool[2], put[2]; /* bytes: that wait; since it was empty */
  int filling;
  void *user;
  void (*idle)(void *user); /* writer's thread, between jobs */
} cq_queue;
int cq_queue_start(cq_queue *q, cq_error *err);
/* Does what is queued, then ends the thread. */
void cq_queue_end(cq_queue *q);
/* Hands a job over; it is the queue's.  Rows wait for room, or go into the
 * spool where `spill`; CQ_INTERRUPT where the caller is interrupted meanwhile
 * (then the job is dropped). */
int cq_queue_put(cq_queue *q, cq_job *j, int spill, int (*interrupted)(void *),
                 void *user, cq_error *err);
/* Does it on the writer's thread and waits for it; an interrupt makes whoever
 * blocks there give up. */
int cq_queue_call(cq_queue *q, cq_job_fn fn, cq_job *j,
                  int (*interrupted)(void *), void *user, cq_error *err);
/* The same in two steps: what is asked is waited for later, once, and until then
 * the job and `why` are the queue's. */
void cq_queue_ask(cq_queue *q, cq_job_fn fn, cq_job *j, cq_error *why);
int cq_queue_answer(cq_queue *q, cq_job *j, int (*interrupted)(void *),
                    void *user, cq_error *err);
int cq_queue_busy(cq_queue *q); /* are there jobs, waiting or under way? */
/* Drops rows that wait. */
size_t cq_queue_purge(cq_queue *q); /* how many jobs */

/* ---- states.c ---- */
typedef struct cq_states {
  char *table;
  const cq_dest_run *run; /* that asked */
  cq_arena arena;
  struct cq_state_item {
    const char *client;
    cq_dest_state state; /* cursor in the arena */
  } * items;
  size_t n, cap;
  uint64_t used;
} cq_states;
/* For ops->states. */
int cq_states_add(void *states, const char *client, const cq_dest_state *s);
void cq_states_sort(cq_states *s);
/* A copy, its cursor the caller's; all zero where the client has none. */
int cq_states_find(const cq_states *s, const char *client, cq_dest_state *out,
                   cq_error *err);
size_t cq_states_bytes(const cq_states *s);
void cq_states_clear(cq_states *s);

/* What a writer keeps of them, in bytes; of one table at least. */
enum { CQ_STATES_BYTES = 8 << 20 };

/* ---- twins.c ---- */
typedef struct wrun {
  struct wrun *next;
  cq_dest_run run; /* texts are the caller's, which outlive the destination */
  /* Of the writer's thread: how far it was when that was last told. */
  int alive; /* from its begin to its end */
  cq_counts n;
  int ntable;
  int64_t told_ms;
} wrun;

typedef struct wunit {
  struct wunit *next;
  cq_dest_unit unit;
  char *client, *keep;
} wunit;

typedef struct wtable {
  struct wtable *next;
  cq_dest_table *caller;
  cq_dest_table twin;
  wunit *units;   /* that have begun and not ended; writer's thread */
  int failed;     /* under the lock */
  cq_error why;   /* under the lock */
  cq_counts done; /* what the store has counted; under the lock */
  cq_shelf shelf; /* rows for the tables below */
} wtable;

typedef struct event {
  struct event *next;
  cq_dest_event e;
} event;

typedef struct writer {
  cq_dest base;
  const cq_dest_ops *ops;
  cq_dest_def def; /* the store's: interrupted is the queue's stop */
  int (*interrupted)(void *);
  void *user;
  cq_dest *store;
  cq_queue queue;
  cq_spool shelves;
  wrun *runs;
  wtable *tables;
  cq_states *states;
  size_t nstates, capstates;
  uint64_t asked;
  event *first, *last; /* under the lock */
  int broken;          /* under the lock: the store as a whole is unusable */
  cq_error broken_why;
  int unsaid; /* under the lock: entries of the journal are lost, and told of */
  struct call *ahead; /* asked, and not waited for yet; or NULL */
  int late;           /* it let a limit pass: nothing more is expected of it */
  /* What open has asked with it, until it is wanted. */
  int last_known, last_rc;
  int64_t last_seen;
  cq_error last_why;
} writer;

static inline writer *writer_of(cq_dest *d) {
  return (writer *)(void *)d;
}
/* Grows at its head, by the caller's thread alone. */
static inline wtable *writer_tables(const writer *w) {
  return __atomic_load_n(&w->tables, __ATOMIC_ACQUIRE);
}
void writer_redact(const writer *w, cq_error *e);
int writer_refused(writer *w, const wtable *t, cq_error *err);
void writer_tell(writer *w, wtable *t, const char *client, int warning,
                 const cq_error *why);
void writer_tell_failed(writer *w, wtable *t, const char *client,
                        const cq_error *why);
void writer_tell_unsaid(writer *w, const cq_error *why);
void writer_counts(writer *w); /* to the caller's tables */
int writer_poll(cq_dest *d, cq_dest_event *out);
/* Both grow at their heads, by the caller's thread alone. */
static inline wrun *writer_runs(const writer *w) {
  return __atomic_load_n(&w->runs, __ATOMIC_ACQUIRE);
}
cq_dest_run *writer_run(writer *w, const cq_dest_run *r);
wrun *writer_run_of(writer *w, const cq_dest_run *twin);
wtable *writer_table(writer *w, cq_dest_table *t);
void writer_update(writer *w, wtable *t, const cq_dest_table *from);
void writer_counts_back(writer *w, wtable *t);
wunit *writer_unit(wtable *t, const char *client);
void writer_unit_free(wtable *t, wunit *u);
void writer_hear(writer *w);

/* ---- handed.c: cq_dest_ops ---- */
int writer_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
                 const cq_dest_rows *rows, cq_error *err);
int writer_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
               const char *status, const char *cursor, cq_error *err);
int writer_migrate_later(writer *w, wtable *t, cq_error *err);
void writer_drop(cq_dest *d, cq_dest_table *t);
int writer_put_table(cq_dest *d, const cq_dest_run *r, const cq_dest_table *t,
                     cq_error *err);
int writer_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                     const char *client, const char *kind, const char *message,
                     cq_error *err);
int writer_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
                   const cq_counts *n, int ntable, const char *message,
                   cq_error *err);
int writer_commit(cq_dest *d, int force, cq_error *err);
/* Writer's thread: a sign of life of the runs that have given none for a while,
 * since it stands behind rows. */
void writer_beat(writer *w);

#endif
