/* ext/dest/object/internal.h: what the files of dest/object/ share; a store
 * (file/, s3/) includes object.h only.
 *
 * Each uses only those before it:
 *
 * lines.c     small objects as JSON and NDJSON
 * spec.c      keys, and where a file goes
 * squeeze.c   gzip and zstd, piece by piece
 * out.c       a file that is being written: encoded, squeezed, summed
 * state.c     which run's rows of a unit are current, and in which files
 * run.c       a run and its tables, in memory
 * claim.c     one run of a source at a time
 * unit.c      a unit's rows: wait for its end, or have files of their own
 * journal.c   which files and units of a run are whole; the run tables
 * retain.c    what nobody needs any more
 * manifest.c  the manifest and the pointer to it
 * settle.c    a run that was cut off
 * object.c    the destination: opened, begun, published, closed
 *
 * Under the prefix of the path there is, beside the tables' files:
 *   _cq/sources/S.json     whose run is under way
 *   _cq/latest/S.json      the latest snapshot: what readers read
 *   _cq/snapshots/S/GROUP/ manifest.json: that snapshot; TABLE.ndjson: units;
 *                          journal-N.ndjson, until it is published
 *   _cq/runs/S/GROUP/      cq_syncs.ndjson and its like
 *   _cq/tmp/S/             what is being written
 * S is the source's name, percent-encoded. */
#ifndef CQ_DEST_OBJECT_INTERNAL_H
#define CQ_DEST_OBJECT_INTERNAL_H

#include <jansson.h>

#include "dest/object/object.h"

enum {
  OBJ_SMALL_MAX = 256 << 20, /* a state file, a journal */
  OBJ_BIG_UNIT = 4 << 20,    /* packed rows: beyond, files of its own */
  OBJ_WAITING = 5 << 20,     /* packed rows of all units that wait */
  OBJ_MEMORY = 6 << 20,      /* of all files that are being written */
  OBJ_NAME_BYTES = 96,       /* bytes of a source's name in keys */
  OBJ_HAND_ON = 256 << 10,   /* encoded bytes that go on in one piece */
  OBJ_OPEN = 48              /* objects open at once */
};

typedef struct obj_run obj_run;
typedef struct obj_state obj_state;
typedef struct obj_table obj_table;

/* A file of a run: at its place, or on the way there. */
typedef struct obj_file {
  char *key;
  int64_t rows, bytes;
  int units;    /* that have rows in it */
  int finished; /* durable, and seen */
  int gone;     /* of a unit that failed */
  int told;     /* a segment of the journal says that it is finished */
  char sha[65];
} obj_file;

/* A unit of the run that is over. */
typedef struct obj_done {
  char *client;
  const char *status;  /* ok, failed, skipped */
  char *cursor, *keep; /* or NULL */
  int64_t rows, started_us, finished_us;
  size_t *files; /* in obj_table.files */
  size_t nfile;
  size_t after; /* the part of the unit before it, its place + 1; 0: none */
  int journalled;
} obj_done;

/* A file that is being written. */
typedef struct obj_out {
  struct obj_out *next; /* of the run */
  struct obj_dest *dest;
  obj_table *table;
  size_t file; /* in table->files */
  cq_encoder *e;
  cq_buf out;                /* encoded */
  cq_object *to;             /* begun when there is enough */
  void *sum;                 /* EVP_MD_CTX */
  int64_t opened_ms, handed; /* bytes handed on, before squeezing */
  int sealed;                /* whole, but for finish */
  int own;                   /* of one unit alone */
  int bad; /* something of it went wrong: it can only be aborted */
} obj_out;

/* A unit that is under way: cq_dest_unit.own. */
typedef struct obj_unit {
  struct obj_unit *next; /* of the table */
  cq_dest_unit *unit;
  cq_pack **packs;
  size_t npack, cappack, bytes;
  obj_out *out;  /* its own, once it is big */
  size_t *files; /* that it has filled */
  size_t nfile, capfile;
} obj_unit;

/* A table of a run: cq_dest_table.own, kept until the run is over. */
struct obj_table {
  obj_table *next;
  obj_run *run;
  cq_dest_table *t; /* NULL: of a run that is settled, out of its journal */
  char *name;
  json_t *columns;
  int incremental;
  int failed, complete;     /* set when it is published */
  struct obj_state *before; /* what was published, where it was asked for */
  obj_file *files;
  size_t nfile, capfile, told; /* of told files: so many from the first */
  obj_done *done;
  size_t ndone, capdone, journalled;
  obj_out *shared;
  obj_unit *units;
  int over;      /* all its units are */
  int described; /* the journal knows its columns */
  cq_error why;  /* why it has failed while another table was written */
  int why_told;  /* by poll */
};

typedef struct obj_words { /* how a run is, as its entry says; malloc'ed */
  char *status, *message;
} obj_words;

struct obj_run {
  obj_run *next;
  const cq_dest_run *r;
  cq_dest_run own; /* of a run that is settled: r points at it */
  char *time;      /* its text */
  char *name;      /* the source's, as in keys */
  char *folder;    /* _cq/snapshots/S/GROUP/ with the prefix before it */
  char *told;      /* _cq/runs/S/GROUP/ */
  size_t nprefix;  /* of both: the path's fixed part */
  char *scratch;
  obj_table *tables;
  obj_out *outs;
  json_t *latest; /* before this run; NULL: none */
  cq_object_tag latest_tag;
  cq_object_tag claim_tag;
  int64_t base; /* the last full run */
  int claimed;
  json_t *pending; /* runs to be settled */
  int segment;     /* of the journal */
  int errors_segment;
  cq_buf errors; /* lines not written yet */
  int64_t beat_ms, committed_ms, journal_ms;
  int unwritten; /* units that the journal does not have */
  int ended;     /* published, or given up */
  obj_words words;
  cq_counts n;
  int ntable;
  int64_t finished_us;
  int unsettled;
};

typedef struct obj_dest {
  cq_dest base;
  cq_objects *store;
  cq_object_options o;
  cq_dest_def def;
  char *owner;
  obj_run *runs;
  size_t waiting;           /* packed rows of units */
  size_t grown;             /* encoded since memory was looked at */
  int nopen;                /* objects begun */
  int full;                 /* commit as soon as possible */
  void *squeezer;           /* squeeze.c */
  struct ZSTD_CCtx_s *zstd; /* of encoders */
} obj_dest;

static inline obj_dest *obj_of(cq_dest *d) {
  return (obj_dest *)(void *)d;
}
static inline int obj_interrupted(const obj_dest *d) {
  return d->def.interrupted && d->def.interrupted(d->def.user);
}

/* A member of a JSON object; NULL and 0 where there is none of that kind. */
static inline const char *obj_text(const json_t *j, const char *key) {
  return json_string_value(json_object_get(j, key));
}
static inline int64_t obj_int(const json_t *j, const char *key) {
  return json_integer_value(json_object_get(j, key));
}

/* ---- lines.c ---- */
/* folder/what; prefix and folder are the destination's and the run's. */
char *obj_key(const obj_dest *d, const char *fmt, ...) CQ_PRINTF(2, 3);
/* Each line of an NDJSON object; of all objects whose keys begin so, in their
 * order.  None: CQ_OK. */
int obj_lines(obj_dest *d, const char *key,
              int (*each)(void *user, const json_t *line), void *user,
              cq_error *err);
int obj_lines_below(obj_dest *d, const char *prefix,
                    int (*each)(void *user, const json_t *line), void *user,
                    cq_error *err);
/* Removes all keys that begin so. */
int obj_remove_below(obj_dest *d, const char *prefix, cq_error *err);
/* Sorted; freed by obj_keys_free. */
typedef struct obj_keys {
  char **v;
  size_t n, cap;
} obj_keys;
int obj_keys_list(obj_dest *d, const char *prefix, obj_keys *out,
                  cq_error *err);
void obj_keys_free(obj_keys *k);
/* A line of the journal of what is no row: as NDJSON. */
int obj_add_line(cq_buf *b, json_t *line);
int obj_put_json(obj_dest *d, const char *key, const json_t *j,
                 const char *only, cq_object_tag tag, cq_error *err);
/* NULL and CQ_OK where there is none. */
int obj_get_json(obj_dest *d, const char *key, json_t **out, cq_object_tag tag,
                 cq_error *err);
int obj_put_text(obj_dest *d, const char *key, const cq_buf *b, cq_error *err);

/* ---- spec.c ---- */
/* The key of a new file of the table; unlike any before in this run. */
char *obj_file_key(const obj_dest *d, const obj_table *t);
/* Is a path below the prefix one that leads nowhere else? */
int obj_is_below(const char *path);
/* The name of a source in keys. */
char *obj_name(const char *source);
/* A path as the manifest has it: without the prefix. */
const char *obj_relative(const obj_dest *d, const char *key);

/* ---- squeeze.c ---- */
/* Appends n bytes to out as one gzip member or zstd frame; a file is a row of
 * such. */
int obj_squeeze(void **squeezer, cq_squeeze how, const char *p, size_t n,
                cq_buf *out, cq_error *err);
void obj_squeeze_free(void *squeezer);

/* ---- out.c ---- */
int obj_out_open(obj_dest *d, obj_table *t, int own, obj_out **out,
                 cq_error *err);
int obj_out_rows(obj_dest *d, obj_out *o, cq_dest_unit *u,
                 const cq_dest_rows *rows, cq_error *err);
/* The encoder ends; all bytes are with the object. */
int obj_out_seal(obj_dest *d, obj_out *o, cq_error *err);
/* Makes a sealed one durable, and frees it. */
int obj_out_finish(obj_dest *d, obj_out *o, cq_error *err);
void obj_out_abort(obj_dest *d, obj_out *o);
/* Has it come to what makes a file full? */
int obj_out_full(const obj_dest *d, const obj_out *o);
/* Memory is short: the largest hand on what they keep, while rows of `now` are
 * written. */
int obj_out_shrink(obj_dest *d, obj_table *now, cq_error *err);
/* What went wrong with a table while rows of `now` were written: another's fails
 * that one alone, and CQ_OK is returned; what the store as a whole has goes on
 * to the caller. */
int obj_blame(obj_table *t, const obj_table *now, int rc, cq_error *err);

/* ---- state.c ---- */
typedef struct obj_ref { /* a unit's rows in a file */
  int file;
  char *parents; /* JSON: only rows below these; NULL: all of the client's */
  struct obj_ref *next;
} obj_ref;
typedef struct obj_state_unit {
  char *client, *time, *cursor;
  int64_t group, rows, skipped; /* skipped: by that run, 0 = no */
  obj_ref *refs;
  int seen; /* by the run that is published */
} obj_state_unit;
/* Of one table: its entry of a manifest, and its units. */
struct obj_state {
  cq_arena arena;
  json_t *files; /* of the entry, and new ones behind */
  obj_state_unit *units;
  size_t nunit, capunit;
  uint32_t *slots; /* by client; 0 = free */
  size_t nslot;
};
/* entry: of latest, or NULL: empty. */
int obj_state_read(obj_dest *d, const json_t *entry, obj_state *out,
                   cq_error *err);
void obj_state_clear(obj_state *s);
obj_state_unit *obj_state_find(const obj_state *s, const char *client);
obj_state_unit *obj_state_add(obj_state *s, const char *client); /* or NULL */
/* Drops files that no unit needs, says of the others what is current in them,
 * writes the units to `key`, and makes the entry of the manifest. */
int obj_state_write(obj_dest *d, obj_state *s, const char *key,
                    const char *table, const char *source, json_t *entry,
                    cq_error *err);
/* The table's entry in a manifest, borrowed; NULL: none. */
json_t *obj_entry(const json_t *manifest, const char *table);

/* ---- run.c ---- */
obj_run *obj_run_of(obj_dest *d, const cq_dest_run *r);
obj_table *obj_table_of(obj_dest *d, const cq_dest_run *r, cq_dest_table *t);
obj_table *obj_table_new(obj_run *run, const char *name);
int obj_run_new(obj_dest *d, const cq_dest_run *r, int64_t group, obj_run **out,
                cq_error *err);
void obj_run_free(obj_dest *d, obj_run *run);
/* What cq_syncs is to say of it. */
int obj_words_make(obj_words *w, const char *status, const char *message);
void obj_words_clear(obj_words *w);
void obj_run_say(obj_run *run, obj_words *w);
/* Ends what is open without keeping it: units that are under way, files. */
void obj_abandon(obj_dest *d, obj_run *run);

void obj_unit_drop_packs(obj_dest *d, obj_unit *x);
void obj_unit_free(obj_dest *d, obj_table *t, obj_unit *x);
void obj_units_free(obj_dest *d, obj_table *t);

/* ---- claim.c ---- */
int obj_claim(obj_dest *d, obj_run *run, cq_dest_run *r, cq_error *err);
/* A sign of life; CQ_BUSY where somebody else has taken the source over. */
int obj_claim_beat(obj_dest *d, obj_run *run, cq_error *err);
/* The same, at once: is it still ours? */
int obj_claim_hold(obj_dest *d, obj_run *run, cq_error *err);
/* The run is over; `settled`: nothing of it is left to be looked after. */
int obj_claim_end(obj_dest *d, obj_run *run, int settled, cq_error *err);

/* ---- journal.c ---- */
/* Writes what is whole: seals (all, with `force`; else what is due), makes
 * files durable, and journals them and their units. */
int obj_commit(obj_dest *d, obj_run *run, int force, cq_error *err);
/* The run tables as they are now. */
int obj_tables_write(obj_dest *d, obj_run *run, cq_error *err);

/* ---- retain.c ---- */
/* Files of the run that the latest snapshot does not name. */
int obj_remove_unused(obj_dest *d, obj_run *run, cq_error *err);
int obj_remove_journal(obj_dest *d, const obj_run *run, cq_error *err);
/* Removes all but the newest `keep` snapshots of a source. */
int obj_retain(obj_dest *d, const char *name, int64_t keep, int64_t *snapshots,
               int64_t *files, cq_error *err);

/* ---- manifest.c ---- */
/* The snapshot with the run's units in it, and then the pointer to it. */
int obj_put_manifest(obj_dest *d, obj_run *run, const char *status,
                     cq_error *err);

/* ---- settle.c ---- */
/* A run that is over in another process: publishes its whole units where
 * `keep`, then removes what nobody points at. */
int obj_settle(obj_dest *d, obj_run *run, int64_t group, int keep,
               cq_error *err);

#endif
