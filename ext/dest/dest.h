/* ext/dest/dest.h: where a sync's rows go: the interface of destinations, one
 * file or a few per kind, listed in dest.c.
 *
 * A destination keeps three things together: rows, the journal of runs
 * (cq_syncs, cq_sync_tables, cq_sync_errors, cq_sync_units), and the state
 * (cq_units: which run's rows of a unit are current, and its cursor).  Where
 * it has transactions, what belongs together is written in one.
 *
 * Two kinds implement it.  The SQLite destination is called on the thread that
 * SQLite called, as sync/ calls it.  A store elsewhere (threaded = 1) is called
 * on one thread of its own, its writer: writer.c stands before it, takes what
 * sync/ hands over, packs it, queues it, and calls the store's functions one
 * after the other.  A store may thus block; while it does it looks at
 * def.interrupted at least every 100 ms and gives up where it says so.  It
 * touches nothing of SQLite, and of def.db nothing at all. */
#ifndef CQ_DEST_H
#define CQ_DEST_H

#include <pthread.h>

#include "scan/scan.h"

struct sqlite3;

typedef enum cq_write_mode {
  CQ_MODE_APPEND,      /* raw_<table>, and a view of the current rows */
  CQ_MODE_OVERWRITE,   /* <table>, merged by _cq_id */
  CQ_MODE_DELETE_STALE /* and rows that a clean unit no longer has are deleted */
} cq_write_mode;
const char *cq_write_mode_name(cq_write_mode m); /* the spec's word */

typedef struct cq_dest cq_dest;

/* When a store hands on what it has gathered: at whichever comes first. */
typedef struct cq_dest_gather {
  int64_t rows, bytes; /* batch_size, batch_size_bytes */
  int64_t ms;          /* batch_timeout */
} cq_dest_gather;

typedef struct cq_dest_def {
  const char *name;     /* as the spec calls it */
  const char *path;     /* SQLite: of a file, or NULL */
  const char *schema;   /* SQLite: of the host's connection; or NULL */
  const void *options;  /* what ops->spec has read, in the spec's arena, which
                          outlives the destination; or NULL */
  const char **secrets; /* texts that no message may hold (same arena) */
  size_t nsecret;
  cq_words globs; /* texts of the spec that choose tables (same arena): each has
                     to match one that there is */
  cq_write_mode mode;
  int forced;         /* migrate_mode: forced */
  int group_in_key;   /* overwrite with a sync_group_id: part of the key */
  struct sqlite3 *db; /* the host's connection */
  const cq_http_options *net; /* the connection's: authorities to trust, client
                                 certificate, proxy; or NULL.  Lent */
  const void *caller; /* an identity alone: who it is has one run at a time */
  cq_dest *peers;     /* those opened before, chained by next */
  int several;        /* 0, or how many destinations the run has: none waits for
                  another, and they share what may be gathered */
  int64_t open_ms; /* open_timeout: a threaded one has to be open by then; 0 =
                         not said */
  int (*interrupted)(void *user); /* or NULL */
  void *user;
} cq_dest_def;

/* A run of one source, into one destination. */
typedef struct cq_dest_run {
  int64_t group; /* _cq_sync_group_id */
  int64_t started_us;
  const char *time; /* _cq_sync_time */
  const char *source, *integration;
  const char *sync_group; /* rendered text, or NULL */
  int retry;              /* only what is missing since `base`; where `resume`
                             is set and a run was cut off, begin sets it */
  int resume;
  int64_t base; /* set by begin: the last full run, 0 = none */
} cq_dest_run;

typedef struct cq_counts {
  int64_t rows, inserted, updated, deleted, unchanged, kept, errors;
  int64_t again; /* rows whose key came before in the run, which they replace */
  int64_t units, units_done, failed, skipped;
  int64_t requests, retries, throttled_ms, bytes;
} cq_counts;

/* What a store has counted of its rows; what else `to` counts stays. */
void cq_dest_stored(cq_counts *to, const cq_counts *from);

/* A table in one destination, for the time of one run. */
typedef struct cq_dest_table {
  const cq_table *def;
  int ncol;
  const int *cols;                 /* columns of def that are stored */
  int many;                        /* has more than one client */
  int incremental;                 /* each run brings only what changed */
  cq_counts n;                     /* what has happened to it here */
  const char *status;              /* of cq_sync_tables */
  int64_t started_us, finished_us; /* 0 = not yet */
  int failed;     /* the destination failed it: never published */
  int complete;   /* each client was listed and a unit of this run */
  int wanted;     /* tables below it will read its rows: `rows` */
  char lost[400]; /* migrate's: columns of another type now, and how many of
                     their values that could not hold; or "" */
  void *own;      /* the destination's, freed by `drop` */
} cq_dest_table;

/* Rows as they come from a scan, with their ids: 37 bytes each (36 and NUL);
 * parents may be NULL, a parent that is not known is "". */
typedef struct cq_dest_rows {
  const cq_batch *batch;
  const char *ids, *parents;
  cq_pack **pack; /* where the same is kept packed, once somebody needed it;
                     or NULL.  A store may keep a reference, not the batch */
} cq_dest_rows;

typedef struct cq_dest_unit {
  cq_dest_table *table;
  const char *client;
  int64_t rows;     /* written so far */
  int64_t warnings; /* values that no column could hold */
  char odd[160];    /* the first of them: "column: value" */
  int64_t started_us;
  const char *keep; /* JSON list of _cq_parent_id: what may not be read now
                       stays as it was; or NULL */
  void *own;        /* the destination's, from its first write to its end; what
                       never ends is freed with the table */
  int64_t start;    /* likewise: where its rows are */
  int part;         /* told to `end`: it goes on, and this was a part of it */
  int64_t parts;    /* that have ended; their rows and cursor stay whatever
                       becomes of the rest */
  int64_t whole;    /* the rows of those parts; `rows` counts from there */
} cq_dest_unit;

typedef struct cq_dest_state {
  int64_t group; /* 0 = never published */
  int64_t rows;
  char *cursor; /* own; freed by the caller with cq_free */
  int done;     /* of a retry: published or skipped since base */
} cq_dest_state;

/* What a store has to say after the call that was to blame is over. */
typedef struct cq_dest_event {
  cq_dest_table
      *table;       /* which, in the caller's own array; NULL: all of them, or,
                       where it is a warning, the journal, which lacks entries */
  char client[512]; /* whose unit; cut where it is longer; or "" */
  int warning;      /* values that did not fit; else the table has failed */
  cq_error why;
} cq_dest_event;

typedef struct cq_dest_ops {
  const char *name, *title;
  const char *options;      /* JSON: what its spec may hold */
  const char *capabilities; /* JSON list: transactions, upsert, delete, ... */
  const char *schemes;      /* of its URLs, with blanks between; or NULL */
  int threaded;             /* called on a writer's thread */
  int append_only;          /* knows no write_mode but append */
  int late; /* nothing of a run is seen before it is published, in any mode */

  /* Reads the destination's own map of the spec (empty where there is none):
   * checks its keys and values, fills options, path or schema, and secrets.
   * Asks nobody, and makes nothing. */
  int (*spec)(cq_arena *a, const cq_node *map, cq_dest_def *d, cq_error *err);

  /* Opens, makes the run tables where `make`.  Def's texts are copied. */
  int (*open)(const cq_dest_def *d, int make, cq_dest **out, cq_error *err);
  /* Ends what is open; commits what is whole, drops the rest. */
  void (*close)(cq_dest *d);
  /* The greatest _cq_sync_group_id that it has seen. */
  int (*last_group)(cq_dest *d, int64_t *out, cq_error *err);
  /* Of a writer alone: asks for what begin then waits for, so that several
   * begin at once. */
  int (*ask)(cq_dest *d, const cq_dest_run *r, cq_error *err);
  /* Claims the source: CQ_BUSY where another process runs it.  Settles runs
   * that ended without publishing: a retry publishes the units that they had
   * finished; otherwise those of them alone that have a cursor, since that
   * tells what is missing, and the others' rows are removed. */
  int (*begin)(cq_dest *d, cq_dest_run *r, cq_error *err);
  /* Makes or changes the table and its view; with `dry`, only appends what it
   * would do to the JSON list `actions` (which may be NULL). */
  int (*migrate)(cq_dest *d, cq_dest_table *t, int dry, cq_buf *actions,
                 cq_error *err);
  int (*state)(cq_dest *d, const cq_dest_run *r, const char *table,
               const char *client, cq_dest_state *out, cq_error *err);
  /* The same of all units of a table, for the run's source: texts and states
   * are lent to `each`.  A threaded store has this one, and no `state`. */
  int (*states)(cq_dest *d, const cq_dest_run *r, const char *table,
                int (*each)(void *user, const char *client,
                            const cq_dest_state *s),
                void *user, cq_error *err);
  /* The rows of `parent` for one client, of the run `group`; and, since a unit
   * may have kept some (cq_dest_unit.keep), all that are current: append has
   * them in that run, and what is deleted as stale is there no more, so that a
   * snapshot table of that mode is read whatever run its rows are of.  `kept`:
   * the unit of this run has done so. */
  int (*rows)(cq_dest *d, const cq_dest_run *r, const cq_dest_table *parent,
              const char *client, int64_t group, int kept, cq_rows *out,
              cq_error *err);
  /* The same, handed to `each` in batches of the table's columns (def->nslot
   * cells a row).  Of a threaded store, which has no `rows`; NULL where it
   * cannot read: then such tables are fetched again. */
  int (*read)(cq_dest *d, const cq_dest_run *r, const cq_dest_table *parent,
              const char *client, int64_t group,
              int (*each)(void *user, const cq_batch *rows), void *user,
              cq_error *err);
  /* A unit's rows; on an error nothing of this batch is kept. */
  int (*write)(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
               const cq_dest_rows *rows, cq_error *err);
  /* The unit ended: "ok" makes its rows, cursor and journal entry whole at
   * once; "failed" and "skipped" drop its rows.  Counts go into u->table.
   *
   * A unit of an incremental table that has a key may end in parts: "ok" with
   * u->part, each with a cursor that is further on.  The journal's entry then
   * stands for all of it so far (u->whole + u->rows).  What ends otherwise after
   * a part leaves that entry, and drops only what came since; what a killed run
   * leaves of that may stay, since the next run brings it again. */
  int (*end)(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
             const char *status, const char *cursor, cq_error *err);
  void (*drop)(cq_dest *d, cq_dest_table *t); /* t->own and its statements */
  /* The journal. */
  int (*put_table)(cq_dest *d, const cq_dest_run *r, const cq_dest_table *t,
                   cq_error *err);
  int (*put_error)(cq_dest *d, const cq_dest_run *r, const char *table,
                   const char *client, const char *kind, const char *message,
                   cq_error *err);
  int (*put_run)(cq_dest *d, const cq_dest_run *r, const char *status,
                 const cq_counts *n, int ntable, const char *message,
                 cq_error *err);
  /* Is there something handed over that is not done yet?  Or NULL: never. */
  int (*busy)(cq_dest *d);
  /* Waits until all that was handed over is written, or has failed: then
   * poll tells.  NULL where each call does its work at once. */
  int (*drain)(cq_dest *d, cq_error *err);
  /* Does not wait: CQ_ROW with what has happened since, CQ_DONE.  Or NULL.  A
   * threaded store has it where it gathers: a table's rows may be refused while
   * another's are handed over; `table` is then as the store knows it. */
  int (*poll)(cq_dest *d, cq_dest_event *out);
  /* Writes something small, reads it and removes it: may it be written to?
   * Opened before, with make = 0.  NULL: that it opens is all the test. */
  int (*test)(cq_dest *d, cq_error *err);
  /* Makes durable what is whole: when enough has gathered, or with force. */
  int (*commit)(cq_dest *d, int force, cq_error *err);
  /* Points the state at the run for all its units that are ok, removes what
   * complete tables no longer have, writes the last entries of the journal:
   * all in one. */
  int (*publish)(cq_dest *d, const cq_dest_run *r, cq_dest_table *const *t,
                 int nt, const char *status, const cq_counts *n,
                 const char *message, cq_error *err);
  int (*summary)(cq_dest *d, const cq_value *v, int n, cq_error *err);
  int (*prune)(cq_dest *d, int64_t keep, cq_buf *out, cq_error *err);
} cq_dest_ops;

struct cq_dest {
  const cq_dest_ops *ops;
  cq_dest *next; /* for whoever opened it */
  char *name;
  cq_write_mode mode;
  int64_t until; /* when, as cq_mono_ms() counts, a store that is waited for has
                    to have answered; 0: it may take what it takes */
};

extern const cq_dest_ops cq_dest_sqlite;
extern const cq_dest_ops cq_dest_postgresql;
extern const cq_dest_ops cq_dest_duckdb;
extern const cq_dest_ops cq_dest_file;
extern const cq_dest_ops cq_dest_s3;
extern const cq_dest_ops cq_dest_clickhouse;
/* The kinds, for cq_destinations. */
const cq_dest_ops *const *cq_dest_kinds(size_t *n);
const cq_dest_ops *cq_dest_find(const char *name);
/* By the scheme of a URL, n bytes. */
const cq_dest_ops *cq_dest_of_scheme(const char *scheme, size_t n);
/* Opens one: a threaded store behind its writer. */
int cq_dest_open(const cq_dest_ops *ops, const cq_dest_def *d, int make,
                 cq_dest **out, cq_error *err);
/* The same in two steps, so that several are opened at once: a threaded store
 * is begun with, then waited for until its `until`.  It is closed by the caller
 * whatever comes of it; between the two it may be closed and nothing else. */
int cq_dest_start(const cq_dest_ops *ops, const cq_dest_def *d, int make,
                  cq_dest **out, cq_error *err);
int cq_dest_opened(cq_dest *d, cq_error *err);
/* Of those that nobody has said a limit for, where others are waiting. */
enum { CQ_DEST_OPEN_MS = 15000 };
/* Puts the destination's name before a message that has none: a run may have
 * several. */
void cq_dest_named(const char *name, cq_error *err);
/* For poll: what the journal lacks, once; 0: nothing is unsaid. */
int cq_dest_warns(cq_error *unsaid, cq_dest_event *out);
/* Of what one destination alone may keep in memory. */
static inline size_t cq_dest_share(const cq_dest_def *d, size_t alone) {
  return alone / (size_t)(d->several < 2 ? 1 : d->several < 4 ? d->several : 4);
}
/* Counts of a table that will not be published: what is not seen there is not
 * told. */
void cq_dest_unseen(const cq_dest_ops *ops, cq_write_mode mode, cq_counts *n);
/* Does a store that says so take nothing more, of whatever table? */
int cq_dest_whole(int rc);
/* A part of the unit has ended: what comes is counted anew. */
void cq_dest_part(cq_dest_unit *u);
/* writer.c: the writer before a threaded store, for dest.c. */
int cq_writer_start(const cq_dest_ops *store, const cq_dest_def *d, int make,
                    cq_dest **out, cq_error *err);
int cq_writer_opened(cq_dest *d, cq_error *err);
/* Columns of a table that a destination stores (arena). */
int cq_dest_columns(cq_arena *a, const cq_table *t, cq_dest_table *out);

/* A time as the run tables have it, 28 bytes: with six decimals, so that texts
 * sort as times do. */
void cq_dest_time(int64_t us, char *out);

/* ---- owner.c: who is at work -------------------------------------------------- */
/* host@boot/namespace:process:caller-destination, malloc'ed: the same for each
 * connection that a caller opens for this destination, so that what it owned
 * before is over. */
char *cq_dest_owner(const cq_dest_def *d);
/* The same, whatever a store has added behind another ':'. */
int cq_dest_owner_same(const char *owner, const char *mine);
/* The same caller's, for another destination of his? */
int cq_dest_owner_beside(const char *owner, const char *mine);
/* Was it a process that could be seen from here, and is no more? */
int cq_dest_owner_gone(const char *owner, const char *mine);
/* Refuses: it is at work since then (microseconds).  `what` begins the sentence
 * ("source fleet"), `where` is the destination that it is at work in; the same
 * caller's is another destination of the same place. */
int cq_dest_busy(const char *what, const char *where, const char *owner,
                 const char *mine, int64_t since_us, cq_error *err);
int cq_dest_source_busy(const cq_dest_run *r, const cq_dest *d,
                        const char *owner, const char *mine, int64_t group,
                        cq_error *err); /* the same, of a run in the journal */
/* Is it still at work?  `updated` is its last sign of life, as cq writes times. */
int cq_dest_owner_runs(const char *owner, const char *mine,
                       const char *updated);

/* ---- for those who write rows: meta columns and stored columns as one ------- */
/* _cq_sync_time, _cq_source_name, _cq_sync_group_id, _cq_client_id, _cq_id,
 * _cq_parent_id: columns 0 to 5; then the table's. */
enum { CQ_META = 6 };
typedef struct cq_dest_meta {
  const char *name;
  int type; /* cq_type */
  int not_null;
} cq_dest_meta;
extern const cq_dest_meta cq_dest_metas[CQ_META];
static inline int cq_dest_width(const cq_dest_table *t) {
  return CQ_META + t->ncol;
}
const char *cq_dest_column(const cq_dest_table *t, int i);
int cq_dest_type(const cq_dest_table *t, int i);
/* Are all rows that are in the table current, whatever run they are of? */
int cq_dest_all_current(const cq_dest *d, const cq_dest_table *t);
/* A value that its column cannot hold becomes NULL, and is counted. */
void cq_dest_odd(cq_dest_unit *u, int i, const cq_value *v);
/* Cell i of a row, borrowed. */
cq_value cq_dest_cell(const cq_dest_run *r, const cq_dest_unit *u,
                      const cq_dest_rows *rows, int row, int i);

/* ---- rows kept aside: packs in a file that is unlinked (spool.c) ------------- */
typedef struct cq_spool {
  pthread_mutex_t lock; /* its own */
  int fd;               /* -1: none yet */
  int64_t end;
} cq_spool;
void cq_spool_init(cq_spool *s);
void cq_spool_clear(cq_spool *s);
/* Any thread. */
int cq_spool_put(cq_spool *s, const cq_pack *p, int64_t *at, cq_error *err);
int cq_spool_get(cq_spool *s, int64_t at, cq_pack **out, cq_error *err);
/* Where a pack ends that begins there: the next put is there. */
int64_t cq_spool_after(const cq_pack *p, int64_t at);
/* What is in it is not needed any more. */
void cq_spool_reset(cq_spool *s);

/* ---- found.c: the columns that a store's table has ------------------------------ */
typedef struct cq_dest_found {
  size_t n, cap;
  char **names, **types; /* as the store tells them, in order */
} cq_dest_found;
int cq_dest_found_add(cq_dest_found *f, const char *name, const char *type);
void cq_dest_found_clear(cq_dest_found *f);
/* NULL: it has none of that name; some stores do not tell case apart. */
const char *cq_dest_found_type(const cq_dest_found *f, const char *name,
                               int any_case);

/* ---- sql.c: SQL as text, where it is quoted as the standard does ------------- */
/* Appends it: %I an identifier, %R one that raw_ stands before, %L a text (NULL:
 * NULL), %s as it is, %n an int64_t, %d an int, %t an int64_t of microseconds
 * (0: NULL), %% */
void cq_sql(cq_buf *out, const char *fmt, ...);
void cq_sql_v(cq_buf *out, const char *fmt, va_list ap);
/* A file of sql/ that cq ships, as text; the caller frees it.  NULL: there is
 * none, or no memory. */
char *cq_sql_shipped(const char *path);
/* Appends it, the schema's quoted name in place of each {s}. */
void cq_sql_in_schema(cq_buf *out, const char *text, const char *schema);
/* One more of the actions (JSON texts, in a list) of ops->migrate; NULL: nobody
 * asks for them. */
int cq_dest_note(cq_buf *actions, cq_error *err, const char *fmt, ...)
    CQ_PRINTF(3, 4);

/* Appends a condition on rows `c` of cq_units: they are of clients that the run
 * of the table, which was whole, no longer has.  A client whose own clients could
 * not be found out stands in the journal by a shorter name: those below it are
 * kept. */
void cq_sql_gone_clients(cq_buf *out, const char *schema,
                         const cq_dest_table *t, const cq_dest_run *r);
/* Has each unit of the table come to a good end?  Else what nobody knows the
 * client of (run 0 in cq_units) may be a failed one's. */
int cq_dest_clean(const cq_dest_table *t);

/* ---- carry.c: from one write mode to another ------------------------------------ */
/* Refuses: the table was synced with the other (append: with append), and what
 * forced would do to its rows. */
int cq_dest_other_mode(const cq_dest *d, const char *table, int append,
                       cq_error *err);
/* Statements; `from`, `raw`: quoted tables of rows. */
typedef struct cq_carry {
  const char *schema;
  const char *table; /* as the run tables call it */
  int incremental;
} cq_carry;
/* Clients that have rows there and no pointer get one, at run 0. */
void cq_carry_adopt(cq_buf *out, const cq_carry *k, const char *from);
/* Units of runs that have not published are done no more. */
void cq_carry_forget(cq_buf *out, const cq_carry *k);
/* A SELECT: rows of the table as raw_<t> takes them, all of these columns. */
void cq_carry_select(cq_buf *out, const cq_carry *k, const char *from,
                     const cq_dest_found *has);
/* Entries of the journal that such rows lack. */
void cq_carry_journal(cq_buf *out, const cq_carry *k, const char *from);
/* Removes from a raw_<t> of before what they take the place of ... */
void cq_carry_replace(cq_buf *out, const cq_carry *k, const char *raw,
                      const char *from);
/* ... and puts them there. */
void cq_carry_insert(cq_buf *out, const char *raw, const char *columns,
                     const char *values, const char *from);

/* ---- library.c: libraries that are opened at run time --------------------------- */
typedef struct cq_library_call {
  const char *name;
  size_t at; /* of its pointer in the table */
} cq_library_call;
typedef struct cq_library {
  const char *title;        /* where none can be loaded */
  const char *const *names; /* the first that there is */
  size_t nname;
  const cq_library_call *calls;
  size_t ncall;
  const char *unfit; /* said of one that lacks a call */
  const char *hint;  /* where there is none */
} cq_library;
/* Fills the table `lib`: a struct whose first member is void *handle. */
int cq_library_open(void *lib, const cq_library *l, cq_error *err);
void cq_library_close(void *lib);

/* ---- reread.c: a column that becomes one of another type ------------------------- */
typedef struct cq_reread {
  const cq_dest_table *table;
  int column;   /* of cq_dest_width */
  int64_t lost; /* values, and elements of lists, that are NULL now */
  char first[80];
} cq_reread;
/* `old`, as a decoder would have read it (a list: JSON text, json = 1), as a write
 * of it would have it in the column now, or NULL.  CQ_NOMEM. */
int cq_reread_value(cq_reread *r, cq_arena *a, const cq_value *old,
                    cq_value *out);
/* The same from the text that a store gives for it.  `kind`, as far as the store
 * knows: CQ_BLOB: its bytes; CQ_JSON and lists (CQ_LIST, or-ed): JSON text;
 * CQ_BOOLEAN: t..., f..., 1, 0; CQ_TIMESTAMP, CQ_DATE; else CQ_TEXT. */
int cq_reread_text(cq_reread *r, cq_arena *a, int kind, const char *s, size_t n,
                   cq_value *out);
/* A store's own limits: one more. */
void cq_reread_lost(cq_reread *r, const cq_value *v);
/* Into t->lost, where there is something to tell. */
void cq_reread_told(cq_dest_table *t, const cq_reread *r);
/* Up to 60 bytes of a value, for a message; "" where the column is sensitive. */
void cq_dest_shown(const cq_dest_table *t, int column, const cq_value *v,
                   char *out, size_t n);

/* ---- keys that several specs have --------------------------------------------- */
/* batch_size, batch_size_bytes, batch_timeout (seconds, or "20s"). */
int cq_dest_gather_spec(const cq_node *map, cq_dest_gather *out, cq_error *err);
/* A duration ("20s", "2m", or seconds) in milliseconds, at most `most`; *out
 * stays where the key is missing. */
int cq_dest_duration(const cq_node *map, const char *key, int64_t most,
                     int64_t *out, cq_error *err);
/* No message is to hold it. */
int cq_dest_secret(cq_arena *a, cq_dest_def *d, const char *text);
/* A part of a connection string, not percent-encoded any more; NULL: out of
 * memory. */
char *cq_dest_decoded(cq_arena *a, const char *s, size_t n);
/* CQ_MISUSE where a URL's password seems to be cut by a character of its own:
 * some of it would be taken for the host, looked up and told.  `one_at`: an @
 * ends the password, whatever follows. */
int cq_dest_password_whole(const char *url, int one_at, cq_error *err);
/* They choose tables. */
int cq_dest_globs(cq_arena *a, cq_dest_def *d, const cq_words *globs);

#endif
