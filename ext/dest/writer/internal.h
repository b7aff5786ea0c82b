/* ext/dest/writer/internal.h: what the files of dest/writer/ share.
 *
 * writer.c    the destination that sync/ sees: each call becomes a job
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
  uint64_t client; /* hash */
  int64_t at;      /* in the spool */
  int32_t next;    /* of the same client, -1 = the last */
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
/* Its rows, in the order in which they came. */
int cq_shelf_rows(const cq_shelf *h, cq_spool *s, const char *client,
                  cq_rows *out, cq_error *err);

/* ---- queue.c ---- */
typedef struct cq_job cq_job;
typedef int (*cq_job_fn)(void *user, cq_job *job, cq_error *err);
struct cq_job {
  cq_job *next;
  cq_job_fn run;             /* writer's thread */
  void (*drop)(cq_job *job); /* frees all but pack; NULL: the caller waits */
  cq_pack *pack;             /* rows, or NULL where they are in the spool */
  int64_t spooled;           /* at, or -1 */
  size_t bytes;
  int rows; /* a job that can be left out when the run is given up */
  int done, rc;
  cq_error err;
};

enum {
  CQ_QUEUE_BYTES = 8 << 20, /* rows waiting in memory */
  CQ_QUEUE_JOBS = 65536
};
#define CQ_QUEUE_SPOOLED (INT64_C(4) << 30) /* rows waiting in the spool */

typedef struct cq_queue {
  pthread_mutex_t lock;
  pthread_cond_t work, done;
  pthread_t thread;
  int started, closing;
  int stop; /* atomic: whoever blocks is to give up */
  cq_job *head, *tail;
  size_t jobs, bytes, busy; /* waiting; their rows; under way: 0 or 1 */
  int64_t in_spool;         /* bytes */
  cq_spool spool;
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
int cq_queue_busy(cq_queue *q); /* are there jobs, waiting or under way? */
/* Drops rows that wait. */
void cq_queue_purge(cq_queue *q);

/* ---- states.c ---- */
typedef struct cq_states {
  char *table;
  int64_t group; /* of the run that asked */
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
void cq_states_clear(cq_states *s);

#endif
