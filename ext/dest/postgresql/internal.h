/* ext/dest/postgresql/internal.h: what the files of the PostgreSQL destination
 * share; no other room includes it.
 *
 * postgresql.c  its spec, open and close
 * words.c       the words of a connection string, and those of CloudQuery's
 * secret.c      the password in it
 * library.c     libpq, opened at run time
 * attempt.c     a connection is made, on a thread of its own
 * link.c        a connection: waited for, lost and made again
 * statement.c   SQL with its values in it, results, errors
 * said.c        what it says in several lines, as a sentence and a hint
 * transact.c    transactions that are repeated when they may be
 * table.c       names; tables of the run: rows and units that wait
 * gather.c      units: rows in, journalled or dropped at their end
 * flush.c       what has gathered becomes one transaction
 * merge.c       the SQL of that: copied, merged, journalled
 * blame.c       which row of a COPY the server refuses
 * read.c        states, and the rows of an earlier run
 * state.c       runs: claimed, settled, published
 * journal.c     the run tables' entries
 * prune.c       old snapshots
 * migrate.c     tables and views, made and changed
 * carry.c       their rows, into the other write mode's; tables of CloudQuery's
 * retype.c      a column of another type
 * present.c     what is there under a name
 * dependents.c  people's views on ours, taken away and put back
 *
 * One thread calls all of it: the writer's. */
#ifndef CQ_DEST_POSTGRESQL_INTERNAL_H
#define CQ_DEST_POSTGRESQL_INTERNAL_H

#include "dest/dest.h"

/* ---- library.c: libpq's calls, as far as they are used ---- */
typedef struct pg_conn pg_conn; /* PGconn */
typedef struct pg_result pg_result;
typedef struct pg_info { /* PQconninfoOption: fixed by its ABI */
  char *keyword, *envvar, *compiled, *val, *label, *dispchar;
  int dispsize;
} pg_info;
enum { PG_POLL_FAILED, PG_POLL_READ, PG_POLL_WRITE, PG_POLL_OK };
enum { PG_COMMAND_OK = 1, PG_TUPLES_OK = 2, PG_COPY_IN = 4, PG_SINGLE = 9 };
enum {
  PG_SQLSTATE = 'C',
  PG_PRIMARY = 'M',
  PG_DETAIL = 'D',
  PG_HINT = 'H',
  PG_COLUMN = 'c',
  PG_CONSTRAINT = 'n'
};
#define PG_CALLS(X)                                                            \
  X(pg_conn *, PQconnectStartParams,                                           \
    (const char *const *k, const char *const *v, int expand))                  \
  X(int, PQconnectPoll, (pg_conn * c))                                         \
  X(int, PQstatus, (const pg_conn *c))                                         \
  X(int, PQsocket, (const pg_conn *c))                                         \
  X(char *, PQerrorMessage, (const pg_conn *c))                                \
  X(void, PQfinish, (pg_conn * c))                                             \
  X(int, PQsetnonblocking, (pg_conn * c, int on))                              \
  X(int, PQsendQuery, (pg_conn * c, const char *sql))                          \
  X(int, PQsetSingleRowMode, (pg_conn * c))                                    \
  X(int, PQconsumeInput, (pg_conn * c))                                        \
  X(int, PQisBusy, (pg_conn * c))                                              \
  X(pg_result *, PQgetResult, (pg_conn * c))                                   \
  X(int, PQputCopyData, (pg_conn * c, const char *p, int n))                   \
  X(int, PQputCopyEnd, (pg_conn * c, const char *why))                         \
  X(int, PQflush, (pg_conn * c))                                               \
  X(int, PQserverVersion, (const pg_conn *c))                                  \
  X(int, PQbackendPID, (const pg_conn *c))                                     \
  X(void *, PQsetNoticeReceiver,                                               \
    (pg_conn * c, void (*f)(void *, const pg_result *), void *arg))            \
  X(pg_info *, PQconninfoParse, (const char *text, char **why))                \
  X(void, PQconninfoFree, (pg_info * i))                                       \
  X(void, PQfreemem, (void *p))                                                \
  X(void, PQclear, (pg_result * r))                                            \
  X(int, PQresultStatus, (const pg_result *r))                                 \
  X(char *, PQresultErrorField, (const pg_result *r, int field))               \
  X(char *, PQresultErrorMessage, (const pg_result *r))                        \
  X(int, PQntuples, (const pg_result *r))                                      \
  X(char *, PQgetvalue, (const pg_result *r, int row, int column))             \
  X(int, PQgetlength, (const pg_result *r, int row, int column))               \
  X(int, PQgetisnull, (const pg_result *r, int row, int column))               \
  X(char *, PQcmdTuples, (pg_result * r))
typedef struct pg_lib {
  void *handle;
#define PG_FIELD(type, name, args) type(*name) args;
  PG_CALLS(PG_FIELD)
#undef PG_FIELD
} pg_lib;
int pg_lib_open(pg_lib *lib, cq_error *err);

/* ---- what the spec says ---- */
typedef struct pg_options {
  const char *connection, *schema;
  cq_dest_gather gather;
  int64_t retries;     /* of a transaction that met another */
  int indexes;         /* create_performance_indexes */
  int64_t patience_ms; /* reconnect_timeout */
  int64_t answer_ms;   /* answer_timeout */
  int pooled;          /* pooler: session */
  int64_t lock_ms;     /* lock_timeout */
} pg_options;

/* A unit from its first row, or its end, until it is in the journal. */
typedef struct pg_unit {
  struct pg_unit *next;
  char *client, *keep, *cursor;
  int64_t rows;   /* that it has brought */
  int64_t whole;  /* its parts before: in the journal with it */
  int64_t from;   /* number of the row before its first */
  int part;       /* it goes on; or parts of it ended before */
  int64_t copied; /* committed already: to raw_<t>, or to the stage */
  int64_t started_us, finished_us;
  const char *status; /* NULL: it has not ended */
} pg_unit;

/* Rows of one unit in a row, in pg_table.rows. */
typedef struct pg_segment {
  pg_unit *unit;
  size_t at, len;
  int64_t rows;
} pg_segment;

typedef struct pg_table {
  struct pg_table *next;
  cq_dest_table *table; /* the writer's twin: stays until close */
  const cq_dest_run *run;
  char *target;  /* quoted, with its schema: raw_<t> or <t> */
  char *stage;   /* the same, where rows are merged */
  char *columns; /* quoted, with commas: as rows are copied */
  int numbered;  /* a row's number stands behind its columns */
  int staged;    /* the stage is there */
  int made;      /* so it is once the transaction under way is committed */
  char *head;    /* of each row: what is the same for the run */
  size_t head_len;
  cq_buf rows;
  pg_segment *segments;
  size_t nsegment, capsegment;
  int64_t nrows;
  pg_unit *open, *ended, **last; /* ended: in their order */
  size_t nended;
  cq_counts n; /* what has happened here; table->n is set from it */
  int failed, told;
  cq_error why;
} pg_table;

typedef struct pg_attempt pg_attempt; /* attempt.c */
typedef struct pg {
  cq_dest base;
  pg_lib lib;
  pg_conn *conn;       /* NULL: none */
  pg_attempt *attempt; /* one that libpq does not return from; or NULL */
  pg_options options;
  size_t room;      /* bytes of rows that may wait, of all tables together */
  char *connection; /* as libpq takes it */
  cq_buf settings;  /* of the session: name NUL value NUL ... */
  char where[300];  /* host and port of it, for messages */
  char *schema;     /* its name */
  int forced, group_in_key;
  char *who;        /* cq_dest_owner */
  char *owner;      /* who:backend/its start, and behind a pooler /token */
  char backend[64]; /* the last ones */
  char token[20];   /* of the session, where a pooler stands before; or "" */
  char state[6]; /* SQLSTATE of the last error; "" where the server said none */
  char column[64], constraint[64]; /* that it named */
  int lost;  /* the connection broke under the last call */
  int moved; /* the run has still the owner of a connection before */
  int gone;  /* and did not come back within the patience */
  const cq_dest_run *run; /* claimed, and not over */
  pg_table *tables;
  int64_t row;      /* number of the last row of the run */
  int64_t ended_ms; /* when the first unit that waits ended; 0 = none */
  cq_buf notes;     /* statements of the journal that wait */
  cq_error unsaid;  /* why some could not be written: for poll */
  int64_t noted_ms; /* since when; 0 = none */
  int (*interrupted)(void *user);
  void *user;
} pg;

/* ---- words.c ---- */
typedef struct pg_word {
  const char *name, *value, *end; /* in the string; value NULL: it has none */
  size_t nname, nvalue;           /* value is as it stands there, encoded */
} pg_word;
int pg_is_uri(const char *connection);
/* Where they begin. */
const char *pg_words(const char *connection);
/* 0: there is none any more. */
int pg_word_next(const char **at, int uri, pg_word *w);
/* Appends it, decoded. */
void pg_word_value(const pg_word *w, int uri, cq_buf *out);
/* Makes d->connection of it, as libpq takes it, and d->settings. */
int pg_words_part(pg *d, const char *connection, cq_error *err);
/* Applies d->settings to the session. */
int pg_words_set(pg *d, cq_error *err);

/* ---- secret.c ---- */
/* Tells cq_dest_secret of the passwords in a URI or in key = value pairs. */
int pg_secrets(cq_arena *a, cq_dest_def *d, const char *connection);

/* ---- attempt.c ---- */
/* Within ms: d->conn (NULL: no memory) and PG_POLL_OK or PG_POLL_FAILED in
 * *state; else CQ_INTERRUPT or CQ_IOERR. */
int pg_attempt_make(pg *d, int64_t ms, int *state, cq_error *err);
/* Nobody waits for it any more. */
void pg_attempt_leave(pg *d);

/* ---- link.c ---- */
/* Makes a connection where there is none; `patient`: keeps trying, since there
 * was one. */
int pg_connect(pg *d, int patient, cq_error *err);
void pg_disconnect(pg *d);
/* Until the socket can be read (1), written (2): at most ms.  CQ_INTERRUPT,
 * CQ_IOERR when the time is over. */
int pg_wait(pg *d, int events, int64_t ms, cq_error *err);
int pg_sleep(pg *d, int64_t ms, cq_error *err);
/* A connection as pg.backend tells it, in pg_stat_activity. */
typedef struct pg_backend {
  int pid;
  int64_t start;
  char token[20];
} pg_backend;
int pg_backend_read(const char *text, pg_backend *out); /* 1: it is one */
/* Ends another connection, and waits until it has gone. */
int pg_end_backend(pg *d, const char *which, cq_error *err);
/* Behind a pooler, within a transaction: is it the session that was made? */
int pg_same_session(pg *d, cq_error *err);

/* ---- statement.c ---- */
/* Statements that are sent as one; `into` gets what each counts: rows changed,
 * or the number that its SELECT gives. */
typedef struct pg_batch {
  cq_buf sql;
  int64_t **into;
  size_t n, cap;
} pg_batch;
void pg_batch_init(pg_batch *b);
void pg_batch_clear(pg_batch *b);
void pg_add(pg_batch *b, int64_t *into, const char *fmt, ...);
int pg_run(pg *d, pg_batch *b, const char *what, cq_error *err);
/* One statement without an answer. */
int pg_do(pg *d, const char *what, cq_error *err, const char *fmt, ...);
/* One with rows; PQclear by pg_done.  NULL on an error, which is set. */
pg_result *pg_select(pg *d, const char *what, cq_error *err, const char *fmt,
                     ...);
void pg_done(pg *d, pg_result *r);
int pg_rows(const pg *d, const pg_result *r);
const char *pg_text(const pg *d, const pg_result *r, int row, int column);
int64_t pg_int(const pg *d, const pg_result *r, int row, int column);
/* First column of the first row, 0 where there is none. */
int pg_one(pg *d, int64_t *out, const char *what, cq_error *err,
           const char *fmt, ...);
int pg_send(pg *d, const char *sql, cq_error *err);
/* The next result of what was sent: NULL with CQ_OK at the end. */
int pg_next(pg *d, pg_result **out, cq_error *err);
/* What a failed result, or the connection (NULL), has to say. */
int pg_fail(pg *d, const pg_result *r, const char *what, cq_error *err);
/* Reads what is left of the answer. */
void pg_drain(pg *d);
/* Sends bytes of a COPY that is open; what was sent is not needed any more. */
int pg_copy_data(pg *d, const char *p, size_t n, cq_error *err);
int pg_copy_begin(pg *d, const char *what, cq_error *err, const char *fmt, ...);
int pg_copy_end(pg *d, const char *what, int64_t *rows, cq_error *err);

/* ---- said.c ---- */
/* Appends to out what libpq or the server has said, as one line; to hint, where
 * that is empty, what it advises. */
void pg_said(const char *text, cq_buf *out, cq_buf *hint);

/* ---- transact.c ---- */
typedef int (*pg_work)(pg *d, void *user, cq_error *err);
typedef enum pg_kind {
  PG_READ,   /* no transaction: may be repeated at will */
  PG_PLAIN,  /* a transaction */
  PG_FENCED, /* and the run is still ours */
} pg_kind;
/* Work may be done several times: it begins anew each time. */
int pg_transact(pg *d, pg_kind kind, pg_work work, void *user, cq_error *err);
/* A savepoint within it. */
int pg_try(pg *d, pg_work work, void *user, cq_error *err);
/* What a transaction's lock of that name is. */
int64_t pg_lock_key(const pg *d, const char *what, const char *name);

/* ---- table.c ---- */
enum { PG_NAME = 64 };
/* prefix + name + suffix as the server keeps it: at most 63 bytes, and what had
 * to be cut ends in a hash of all. */
void pg_name(char out[PG_NAME], const char *prefix, const char *name,
             const char *suffix);
/* A column's name: likewise, also where each table has a column of that name
 * already, which the server keeps for itself. */
void pg_column(char out[PG_NAME], const cq_dest_table *t, int i);
int pg_table_of(pg *d, const cq_dest_run *r, cq_dest_table *t, pg_table **out,
                cq_error *err);
void pg_table_free(pg_table *t);
/* Nothing of it waits any more: rows, units that have ended. */
void pg_table_forget(pg *d, pg_table *t);
void pg_counts_out(const pg_table *t);
/* "a", "b", ...: meta columns and the table's; `group` other than 0 stands
 * instead of _cq_sync_group_id; `alias` (may be "") before each. */
void pg_columns(cq_buf *out, const cq_dest_table *t, const char *alias,
                int64_t group);
/* ARRAY['a', ...]::text[] of units' clients; which: of this status, with keep
 * or without (-1: either).  Returns how many. */
size_t pg_clients(cq_buf *out, const pg_table *t, const char *status, int keep);

/* ---- gather.c ---- */
int pg_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
             const cq_dest_rows *rows, cq_error *err);
int pg_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
           const char *status, const char *cursor, cq_error *err);
void pg_drop(cq_dest *d, cq_dest_table *t);
int pg_commit(cq_dest *d, int force, cq_error *err);
int pg_poll(cq_dest *d, cq_dest_event *out);

/* ---- flush.c ---- */
/* All that waits, but for the journal's notes. */
int pg_flush(pg *d, cq_error *err);

/* ---- merge.c ---- */
/* Within a transaction: what waits of the table; counts go into n. */
int pg_merge_table(pg *d, pg_table *t, cq_counts *n, cq_error *err);
/* Sends the head, these bytes and the tail. */
int pg_copy_part(pg *d, const pg_table *t, const char *p, size_t n,
                 cq_error *err);

/* ---- blame.c ---- */
/* Names in err the row, and where it can the column, that cannot be copied. */
void pg_blame(pg *d, pg_table *t, cq_error *err);

/* ---- retype.c ---- */
typedef struct pg_retyped { /* a column */
  int changes;
  cq_reread r;
  int64_t kept; /* rows whose value is one */
} pg_retyped;
/* Within a transaction: column i of the table of that name, which is of the type
 * `had`; appends what ALTER TABLE has to do. */
int pg_retype(pg *d, cq_dest_table *t, const char *table, int i,
              const char *column, const char *had, pg_retyped *out,
              cq_buf *clause, cq_error *err);
/* It has done so. */
int pg_retype_done(pg *d, cq_dest_table *t, const char *table, int i,
                   const char *column, pg_retyped *x, cq_error *err);

/* ---- read.c ---- */
int pg_states(cq_dest *d, const cq_dest_run *r, const char *table,
              int (*each)(void *user, const char *client,
                          const cq_dest_state *s),
              void *user, cq_error *err);
int pg_read(cq_dest *d, const cq_dest_run *r, const cq_dest_table *parent,
            const char *client, int64_t group,
            int (*each)(void *user, const cq_batch *rows), void *user,
            cq_error *err);

/* ---- state.c ---- */
int pg_last_group(cq_dest *d, int64_t *out, cq_error *err);
int pg_begin(cq_dest *d, cq_dest_run *r, cq_error *err);
int pg_publish(cq_dest *d, const cq_dest_run *r, cq_dest_table *const *t,
               int nt, const char *status, const cq_counts *n,
               const char *message, cq_error *err);

/* ---- journal.c ---- */
void pg_add_tables_over(pg_batch *b, const pg *d, int64_t group,
                        const char *source, const char *word);
void pg_add_table(pg_batch *b, const pg *d, const cq_dest_run *r,
                  const cq_dest_table *t);
void pg_add_run(pg_batch *b, const pg *d, const cq_dest_run *r,
                const char *status, const cq_counts *n, int ntable,
                const char *message);
int pg_notes(pg *d, cq_error *err); /* writes those that wait */
int pg_put_table(cq_dest *d, const cq_dest_run *r, const cq_dest_table *t,
                 cq_error *err);
int pg_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                 const char *client, const char *kind, const char *message,
                 cq_error *err);
int pg_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
               const cq_counts *n, int ntable, const char *message,
               cq_error *err);
int pg_summary(cq_dest *d, const cq_value *v, int n, cq_error *err);
/* Runs an embedded file of sql/, {s} replaced by the schema. */
int pg_script(pg *d, const char *path, cq_error *err);

/* ---- prune.c ---- */
int pg_prune(cq_dest *d, int64_t keep, cq_buf *out, cq_error *err);

/* ---- present.c ---- */
typedef struct pg_present { /* what is in the schema under a name */
  int64_t oid;              /* 0: nothing */
  char kind;                /* r table, v view, else something other */
  int ours;                 /* has our columns; a view: shows our pointers */
  int newest;               /* a view of the newest row of each key */
  char *key;                /* columns of the primary key: "a,b", or "" */
  char *constraint;         /* its name, or "" */
  cq_dest_found has;
} pg_present;
int pg_present_read(pg *d, const char *name, pg_present *p, cq_error *err);
void pg_present_clear(pg_present *p);
const char *pg_present_type(const pg_present *p, const char *name);

/* ---- dependents.c ---- */
typedef struct pg_dependents { /* SQL that makes them again, in order */
  char **drop, **make;
  size_t n, cap, capmake;
} pg_dependents;
/* Views that use the relation, and theirs, with what makes them again. */
int pg_dependents_read(pg *d, int64_t oid, pg_dependents *k, cq_error *err);
int pg_dependents_drop(pg *d, const pg_dependents *k, cq_error *err);
int pg_dependents_make(pg *d, const pg_dependents *k, cq_error *err);
void pg_dependents_clear(pg_dependents *k);
/* Who may do what with a relation, its owner and comment, as SQL for another
 * of that name ("" where there is nothing to say). */
int pg_grants(pg *d, int64_t oid, const char *name, cq_buf *out, cq_error *err);

/* ---- carry.c ---- */
/* The view becomes a table of the rows that it shows. */
int pg_carry_view(pg *d, const cq_dest_table *t, const char *name,
                  cq_error *err);
/* The table goes, its rows stand as raw_<t> takes them in one called `carry`,
 * from where they go into the raw_<t> that there is. */
int pg_carry_out(pg *d, const cq_dest_table *t, const char *name,
                 const pg_present *old, char carry[PG_NAME], cq_error *err);
int pg_carry_in(pg *d, const cq_dest_table *t, const char *carry,
                const char *raw, cq_error *err);
/* Units that have rows and no pointer get one. */
int pg_adopt(pg *d, const cq_dest_table *t, const char *name, cq_error *err);
/* Has somebody else made it, who has an _cq_id too: CloudQuery? */
int pg_foreign_made(const pg_present *old);
/* Nothing but cq's own columns must have a value. */
int pg_loosen(pg *d, const char *name, int64_t oid, cq_error *err);

/* ---- migrate.c ---- */
int pg_migrate(cq_dest *d, cq_dest_table *t, int dry, cq_buf *actions,
               cq_error *err);

#endif
