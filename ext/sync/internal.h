/* ext/sync/internal.h: what the files of sync/ share; no other room includes it.
 *
 * subst.c     ${ENV}, ${file:}, ${time:} in a spec's text
 * spec.c      a spec: text, files, a folder -> documents
 * spec_keys.c a document's keys -> a source, a destination
 * plan.c      which tables of a source, in which order; units, made lazily
 * run.c       the run, from its spec to its result
 * unit.c      a unit: made, opened, ended
 * pull.c      several units' scans at once, rows to destinations
 * journal.c   what happened, kept for the result and into the run tables
 * publish.c   the end of a run: state, summary, status
 * result.c    what cq_sync() returns
 * cqid.c      _cq_id and _cq_parent_id
 * progress.c  what a person sees on stderr meanwhile
 * check.c     validate, plan, migrate, test
 * permissions.c what its caller must be allowed to do
 * prune.c     old snapshots */
#ifndef CQ_SYNC_INTERNAL_H
#define CQ_SYNC_INTERNAL_H

#include "dest/dest.h"
#include "sync/sync.h"

/* ---- spec.c ---- */
typedef struct cq_spec_source {
  const cq_node *at;
  const char *name, *path, *version;
  const cq_integration *integration;
  const cq_node *spec; /* of the integration, or NULL */
  cq_words tables, skip_tables, destinations;
  int skip_dependent;
  int generated;        /* globs match generated tables too */
  cq_words incremental; /* globs of tables whose optional cursor is used */
} cq_spec_source;

typedef struct cq_spec_dest {
  const cq_node *at;
  const char *name, *path_text; /* as the spec says: cloudquery/sqlite */
  const char *version;
  const cq_dest_ops *ops;
  cq_dest_def def;
  const char *sync_group; /* template of the spec, or NULL */
  int summary;
} cq_spec_dest;

typedef enum cq_progress_kind {
  CQ_PROGRESS_AUTO,
  CQ_PROGRESS_OFF,
  CQ_PROGRESS_BAR,
  CQ_PROGRESS_LOG,
  CQ_PROGRESS_JSON
} cq_progress_kind;

typedef struct cq_spec {
  cq_arena arena;
  size_t nsource;
  cq_spec_source *sources;
  size_t ndest;
  cq_spec_dest *dests;
  int strict, retry, resume, no_migrate;
  cq_progress_kind progress;
  size_t capsource, capdest;
  int64_t now_us; /* of ${time:} and of the run */
} cq_spec;
int cq_spec_read(const cq_sync_call *c, cq_spec *out, cq_error *err);
void cq_spec_clear(cq_spec *s);

/* ---- spec_keys.c ---- */
int cq_spec_read_source(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                        cq_error *err);
int cq_spec_read_dest(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                      cq_error *err);
/* The short form: both, and the switches. */
int cq_spec_read_short(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                       cq_error *err);
/* Its `destination:`: a schema's name, a map that says which file, or NULL:
 * this database; write_mode and its like may stand in `map`. */
int cq_spec_short_dest(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                       const cq_node *where, cq_error *err);
/* strict, retry, resume ... of the short form and of cq_sync's options. */
int cq_spec_read_switches(cq_spec *s, const cq_node *map, cq_error *err);
/* {{SYNC_ID}} {{YEAR}} ... of a destination's sync_group_id. */
char *cq_spec_group(cq_arena *a, const char *text, const char *id, int64_t us);

/* ---- subst.c ---- */
/* Appends `text` with its ${...} replaced; comments are left as they are. */
int cq_subst(const char *file, const char *text, size_t n, int64_t now_us,
             cq_buf *out, cq_error *err);

/* ---- plan.c ---- */
/* What a unit that is over could not read, though it ended well. */
typedef enum cq_left {
  CQ_LEFT_NOTHING,
  CQ_LEFT_KEPT,    /* it stays, where it was there: the tables below read it */
  CQ_LEFT_UNKNOWN, /* nothing was there, as far as is known */
} cq_left;

typedef struct cq_plan_table {
  const cq_table *table;
  int parent; /* index in the plan, -1 = none or itself */
  int depth;
  cq_clients *found; /* or NULL; those of another table may be in it, too */
  const cq_client *const *clients;
  size_t nclient, at;   /* next client to make a unit of */
  unsigned char *ends;  /* per client, see cq_plan_end; from its first unit's
                          making on, and while somebody may ask */
  const char **cursors; /* of an incremental one that others are below, per
                           client: as published */
  int has_children;     /* in the plan: they ask */
  size_t ended;         /* units that are over */
  int listed;           /* clients are known */
  int paid;             /* costs money */
  int feed;             /* its cursor is used */
  int incremental;      /* so is its own, or that of a table above */
  int omitted;          /* left out: that, or retired, or below such a table */
  cq_counts open;       /* of units under way, as of the last look */
} cq_plan_table;
typedef struct cq_plan {
  cq_arena arena;
  cq_plan_table *tables;
  int n;
} cq_plan;
/* Selects and orders; makes no request. */
int cq_plan_select(cq_registry *r, const cq_spec_source *s, cq_plan *out,
                   cq_error *err);
/* The clients of one table (may ask the source). */
int cq_plan_clients(cq_plan *p, int table, cq_source *s, cq_error *err);
/* How the unit of a client ended, a cq_unit_end, and what it left. */
int cq_plan_end(const cq_plan_table *t, size_t client, cq_left *left);
void cq_plan_clear(cq_plan *p);
int cq_plan_config(const cq_sync_call *c, const cq_spec_source *s,
                   cq_config **out, cq_error *err);

typedef enum cq_unit_end {
  CQ_END_NONE,
  CQ_END_OK,
  CQ_END_FAILED,
  CQ_END_SKIPPED,
  CQ_END_DONE
} cq_unit_end;

/* ---- cqid.c ---- */
typedef struct cq_ids cq_ids;
/* Where ids are made, for as many tables as there are: all zero first. */
typedef struct cq_ids_room {
  cq_buf text; /* what is hashed */
  char *ids, *parents;
  size_t cap;
} cq_ids_room;
void cq_ids_room_clear(cq_ids_room *m);
int cq_ids_new(const cq_table *t, cq_ids_room *room, cq_ids **out,
               cq_error *err);
void cq_ids_free(cq_ids *i);
/* Ids of a batch's rows, 37 bytes each, borrowed until the room's next call.
 * `parent` is the parent's row, or NULL; parents NULL where there is none. */
int cq_ids_make(cq_ids *i, const cq_batch *b, const cq_client *client,
                const cq_value *parent, const char **ids, const char **parents,
                cq_error *err);

/* Does each row's _cq_parent_id tell which parent it is below? */
int cq_ids_tell(const cq_ids *i);
/* The _cq_parent_id that rows below this row of the parent have. */
int cq_ids_parent(cq_ids *i, const cq_value *parent, char out[37]);

/* ---- run.c ---- */
typedef struct cq_run_dest { /* a destination of one source */
  cq_dest *dest;
  const cq_spec_dest *spec;
  cq_dest_run run;
  cq_dest_table *tables; /* parallel to the plan */
  cq_counts n;           /* of the whole source here */
  int64_t own_errors;    /* of n.errors, its own rather than the source's */
  int64_t own_warnings;  /* likewise: notes */
  int begun;
  int broken;    /* nothing more can be written */
  int ended;     /* published, or given up */
  int unsaid;    /* entries of its journal could not be written */
  char *message; /* why */
  const char *status;
} cq_run_dest;

typedef struct cq_run_source {
  const cq_spec_source *spec;
  cq_config *config;
  cq_source *source;
  cq_plan plan;
  cq_ids **ids; /* parallel to the plan, made on first use */
  cq_run_dest *dests;
  size_t ndest;
  int64_t warnings;
  uint64_t *told; /* hashes of what was told of clients that failed */
  size_t ntold, captold;
  int failed;                   /* nothing of it could run */
  int at;                       /* table whose units are being made */
  int64_t asked_from, asked_to; /* requests of the connection when it began, and
                                   when it was over; -1: not yet */
} cq_run_source;

typedef struct cq_run_error {
  char *source, *table, *client, *kind, *message;
} cq_run_error;

typedef struct cq_progress cq_progress;

typedef struct cq_run {
  const cq_sync_call *call;
  cq_spec spec;
  cq_run_source *sources;
  size_t nsource;
  cq_dest *dests; /* all that are open, chained */
  int64_t started_us, group;
  int64_t started_ms; /* monotonic */
  int64_t beat_ms;    /* last sign of life, as cq_mono_ms() counts */
  char time[40];
  cq_counts n;          /* rows fetched, units, requests */
  int64_t rows_open;    /* rows of units that are under way */
  cq_run_error *errors; /* the first of them */
  size_t nerror, caperror;
  int64_t errors_all, skipped_all;
  cq_progress *progress;
  cq_ids_room ids;
  int64_t asked_from; /* as a source's */
} cq_run;

/* Reads the spec, chooses tables; neither a request nor a write.  The run is
 * to be cleared whatever comes back. */
int cq_run_prepare(cq_run *r, const cq_sync_call *c, cq_error *err);
int cq_run_open(cq_run *r, int make, cq_error *err); /* the destinations */
/* One of them, which the run closes; NULL where it cannot be. */
int cq_run_open_one(cq_run *r, cq_spec_dest *o, int make, cq_dest **out,
                    cq_error *err);
void cq_run_clear(cq_run *r);

/* Ends the whole run, whatever else can still be done. */
static inline int cq_fatal(int rc) {
  return rc == CQ_INTERRUPT || rc == CQ_NOMEM;
}

/* ---- unit.c ---- */
typedef struct cq_unit {
  cq_run_source *source;
  int table; /* in the plan */
  size_t client;
  const char *client_id;
  cq_scan *scan;
  cq_rows parents;     /* the scan reads them, and closes them */
  cq_dest_unit *to;    /* parallel to source->dests */
  unsigned char *live; /* this destination still takes rows */
  int64_t rows;        /* since its last part ended */
  int64_t parts;       /* of it that have ended, and stay */
  int64_t part_ms;     /* when the last did, or the first began */
  int64_t moves;       /* of the scan's cursor until then */
  int had;             /* rows of it were published before */
  cq_left left;        /* of its parent's rows, not among those that it reads */
  cq_left leaves;      /* the same of its own rows, for those below */
  char *cursor;        /* where it began, or its last part ended */
  int64_t before_us;   /* when the run began that its rows are of; 0 = none */
  char *keep;          /* see cq_dest_unit */
} cq_unit;
int cq_unit_new(cq_run_source *s, int table, size_t client, cq_unit **out,
                cq_error *err);
/* Opens the unit's scan.  CQ_BUSY: its parent's unit is not over.  CQ_DONE: the
 * unit is over already, for whatever reason. */
int cq_unit_open(cq_run *r, cq_unit *u, cq_error *err);
/* Of a table below an incremental one: the cursor of the parent's unit, which is
 * its own too; or NULL. */
const char *cq_unit_parent_cursor(const cq_unit *u);
/* The unit is over: in the plan, in each destination's journal. */
int cq_unit_over(cq_run *r, cq_unit *u, cq_unit_end how, const char *cursor,
                 cq_error *err);
/* Rows and cursor so far are whole whatever becomes of the rest. */
int cq_unit_part(cq_run *r, cq_unit *u, const char *cursor, cq_error *err);
/* The unit is over, with a note of that kind that tells why; "destination": it failed
 * since none takes its rows. */
int cq_unit_fail(cq_run *r, cq_unit *u, cq_unit_end how, const char *kind,
                 const cq_error *why, cq_error *err);
void cq_unit_free(cq_unit *u);
cq_plan_table *cq_unit_plan(const cq_unit *u);
const char *cq_unit_table(const cq_unit *u); /* its name */
/* Does this destination still take rows of the table (index in the plan)? */
int cq_run_takes(const cq_run_source *s, size_t d, int table);

/* ---- pull.c ---- */
/* Works off all units of the source. */
int cq_run_units(cq_run *r, cq_run_source *s, cq_error *err);

/* ---- journal.c ---- */
enum { CQ_RUN_ERRORS = 100 }; /* that the result lists; the table has all */
/* Records an error of a unit or table: in the result, and in one destination
 * or (NULL) all of the source.  Secrets are taken out. */
void cq_run_note(cq_run *r, cq_run_source *s, cq_run_dest *only,
                 const char *table, const char *client, const char *kind,
                 const cq_error *why);
/* The same, where a whole client failed: each of its tables counts it, and it is
 * told once, of no table. */
void cq_run_note_client(cq_run *r, cq_run_source *s, const char *table,
                        const char *client, const cq_error *why);
/* Brings the run tables up to date where a few seconds have passed. */
void cq_run_beat(cq_run *r, int force);
/* A source's sums in one destination. */
void cq_run_sum(cq_run *r, const cq_run_source *s, cq_run_dest *o);
/* Requests that the connection has made so far. */
int64_t cq_run_asked(const cq_run *r);
/* A destination failed in a way that its rows cannot be trusted. */
void cq_run_break(cq_run *r, cq_run_source *s, cq_run_dest *d,
                  const cq_error *why);
/* A destination could not take something of this table: it is not published
 * there.  What says that the file itself is unusable ends it altogether. */
int cq_run_dest_failed(cq_run *r, cq_run_source *s, size_t d, int table,
                       const char *client, const cq_error *why);

/* Entries of the journal.  One that cannot be written is told: in the result,
 * on stderr, and the run is no success. */
void cq_run_put_table(cq_run *r, cq_run_source *s, cq_run_dest *o,
                      const cq_dest_table *t);
void cq_run_put_run(cq_run *r, cq_run_source *s, cq_run_dest *o,
                    const char *status);
/* What stores have to say that write later than they are called. */
int cq_run_hear(cq_run *r, cq_run_source *s, cq_error *err);

/* ---- publish.c ---- */
int cq_run_publish(cq_run *r, cq_run_source *s, cq_error *err);
const char *cq_run_status(const cq_run *r);
const char *cq_run_table_status(const cq_dest_table *t);
/* The run ends here, unpublished: what can be written says so. */
void cq_run_stop(cq_run *r, const char *status);

/* ---- result.c ---- */
int cq_run_result(cq_run *r, cq_buf *out);
/* "key":"value" */
void cq_run_text(cq_buf *b, const char *key, const char *value);

/* ---- progress.c ---- */
int cq_progress_new(cq_progress_kind kind, cq_progress **out, cq_error *err);
void cq_progress_show(cq_progress *p, const cq_run *r, int final);
/* One finished table. */
void cq_progress_table(cq_progress *p, const cq_run *r, const cq_run_source *s,
                       int table);
/* Something that the journal cannot tell. */
void cq_progress_say(cq_progress *p, const char *kind, const char *text);
void cq_progress_free(cq_progress *p);

#endif
