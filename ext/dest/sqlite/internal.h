/* ext/dest/sqlite/internal.h: what the files of the SQLite destination share; no
 * other room includes it.
 *
 * sqlite.c         open and close
 * statement.c  statements, and those that are kept
 * session.c transactions, the SQL that cq ships
 * feed.c    a batch as a table that INSERT ... SELECT reads
 * stage.c   a unit's rows until its end, in memory or sorted in a file
 * merge.c   them into their table, which the key finds; what is stale out
 * write.c   units: rows in, merged or journalled at their end
 * present.c what is in the database under a name
 * migrate.c tables and views, made and changed
 * carry.c   their rows, into the other write mode's
 * retype.c  a column's values as another type has them
 * state.c   runs: claim, journal, publish, prune */
#ifndef CQ_DEST_INTERNAL_H
#define CQ_DEST_INTERNAL_H

#include <sqlite3ext.h>

#include "dest/dest.h"

/* A statement that will be wanted again. */
enum { LITE_KEPT = 24 };
typedef struct lite_kept {
  sqlite3_stmt *stmt; /* NULL: free */
  uint64_t hash;      /* of its text */
  uint64_t used;
} lite_kept;

enum { LITE_INSERTS = 48 }; /* tables whose statement is kept prepared */
typedef struct lite_table lite_table;

typedef struct lite_stage lite_stage;
typedef struct lite_spill lite_spill;
typedef struct lite_schema lite_schema;

/* One connection; several destinations (main, an attached file) may share it,
 * and then share its transaction. */
typedef struct lite_handle {
  sqlite3 *db;
  int refs;
  int own;    /* opened here; else the host's */
  int nested; /* the host is in a transaction: we live in a savepoint */
  int open;   /* we have begun a transaction */
  sqlite3_stmt *stopper; /* a write: ends the transaction when interrupted */
  sqlite3_stmt *undo;    /* ROLLBACK */
  lite_kept kept[LITE_KEPT];
  uint64_t uses;
  lite_table *inserts[LITE_INSERTS]; /* write.c: those that have one */
  int64_t busy_since;                /* lite_busy's */
  int64_t rows, units;               /* written and ended in it */
  int64_t since_ms;                  /* when it began */
  cq_error why;                      /* the last error of a statement in it */
  lite_stage *stages;                /* of the units under way */
  size_t staged;                     /* bytes that they hold in memory */
  lite_spill *spill;
  int losses;    /* transactions that went with what they held */
  cq_error lost; /* why the last of them did */
  int (*interrupted)(void *user);
  void *user;
} lite_handle;

typedef struct cq_lite {
  cq_dest base;
  lite_handle *h;
  char *schema; /* name, not quoted */
  int forced, group_in_key;
  char *owner;       /* cq_dest_owner */
  lite_schema *seen; /* present.c: what stands in it, or NULL */
  int losses;        /* h->losses when its run began: more now, and rows of it
                      may be gone, so that nothing more is written for it */
} cq_lite;

/* Statements and names of one table for the time of a run. */
struct lite_table {
  char *kinds; /* per stored column: the first letter of its SQL type */
  sqlite3_stmt *insert; /* of a feed's rows, over those that are there; or NULL,
                           and prepared when the next come */
  uint64_t used;        /* when it was opened last */
  int triggers;         /* somebody's: what an insert does is theirs to say */
  const char *rowid;    /* append: how a row's number is called */
};

/* ---- statement.c ---- */
int lite_fail(cq_lite *d, int rc, const char *what, cq_error *err);
/* Formats as sqlite3_mprintf's, of which these know %w %q %s, and %Q %.*Q %d
 * %lld,
 * which become parameters.  The statement is kept. */
int lite_exec(cq_lite *d, cq_error *err, const char *fmt, ...);
/* The same, of a statement that changes a schema. */
int lite_ddl(cq_lite *d, cq_error *err, const char *fmt, ...);
int lite_prepare(cq_lite *d, sqlite3_stmt **out, cq_error *err, const char *fmt,
                 ...);
/* Steps a statement that gives no rows, and finalizes it. */
int lite_done(cq_lite *d, sqlite3_stmt *s, cq_error *err);
/* A column as text; "" for NULL, which run tables that cq made never hold. */
const char *lite_text(sqlite3_stmt *s, int i);
/* Statements as they are, with ; between them; `what` is named in an error. */
int lite_run_sql(cq_lite *d, const char *sql, const char *what, cq_error *err);
/* First column of the first row; 0 where there is none. */
int lite_int(cq_lite *d, int64_t *out, cq_error *err, const char *fmt, ...);
/* The first row of a kept statement, CQ_ROW, which lite_leave ends; CQ_OK: there
 * is none.  Texts among the values must last until then. */
int lite_row(cq_lite *d, sqlite3_stmt **out, cq_error *err, const char *fmt,
             ...);
void lite_leave(cq_lite *d, sqlite3_stmt *s);
/* Finalizes what is kept. */
void lite_forget(lite_handle *h);
/* Another connection is in the way: waits a little, and tells whether to try
 * again.  *since is 0 first. */
int lite_wait(const lite_handle *h, int64_t *since);
/* The same, of what h's last call has returned. */
int lite_again(const lite_handle *h, int rc, int64_t *since);

/* ---- session.c ---- */
int lite_begin(cq_lite *d, cq_error *err); /* if none is open */
int lite_commit(cq_lite *d, int force, cq_error *err);
void lite_rollback(cq_lite *d);
/* Prepares what ends the transaction: after an interrupt nothing can even be
 * prepared, so it is done before, and again after each change of a schema or a
 * rollback, since SQLite would prepare it anew. */
void lite_stopper(cq_lite *d);
/* What the host's connection, interrupted, cannot do: ends its transaction and
 * runs a last statement by another connection to the same file, if it has one
 * that is free. */
int lite_aside(cq_lite *d, const char *sql, cq_error *err);
/* Runs an embedded file of sql/, {s} replaced by the schema. */
int lite_script(cq_lite *d, const char *path, cq_error *err);

/* ---- feed.c ---- */
int lite_feed_register(sqlite3 *db);
const char *lite_feed_name(int cells); /* the table for rows so wide */
/* What a feed shows. */
typedef struct lite_feed {
  const cq_dest_table *table;
  const char *kinds;  /* lite_table.kinds */
  cq_dest_unit *unit; /* counts values that their column cannot hold */
  /* The rows at hand: [row, last) of these, `wide` cells each. */
  const cq_value *cells;
  const char *ids, *parents;
  int wide, row, last;
  /* Puts others there, or none at the end; NULL: there are no others. */
  int (*more)(struct lite_feed *f);
  lite_stage *stage;
  cq_error err; /* why more failed */
  /* What cq_batch_met was told: rows that were there, rows that this run had
   * written before, and those of either whose data are the same. */
  int64_t group, met, again, same;
} lite_feed;
#define LITE_FEED_TYPE "cq_batch"

/* ---- retype.c ---- */
/* cq_reread(pointer to a cq_reread, value of the column as it was) */
void lite_reread(sqlite3_context *ctx, int argc, sqlite3_value **argv);
/* Runs the statement, whose ?1 to ?n are for that; their counts go to the table. */
int lite_retype(cq_lite *d, cq_dest_table *t, const char *sql, cq_reread *r,
                int n, cq_error *err);

/* ---- stage.c ---- */
/* Keeps rows of a unit, whose `own` it is. */
int lite_stage_add(lite_handle *h, cq_dest_unit *u, const cq_dest_rows *rows,
                   cq_error *err);
/* Makes the feed show its rows, from the first; its err says why not. */
int lite_stage_read(lite_stage *s, lite_feed *f);
void lite_stage_stop(lite_stage *s); /* they are read no more */
void lite_stage_free(lite_stage *s);
void lite_spill_free(lite_spill *p);
void lite_stage_drop(lite_handle *h, const cq_dest_table *t); /* all of it */

/* ---- merge.c ---- */
/* What follows INSERT ... SELECT ... WHERE true. */
void lite_merge_clause(cq_buf *b, const cq_lite *d, const cq_dest_table *t);
int lite_merge(cq_lite *d, const cq_dest_run *r, cq_dest_unit *u, cq_counts *n,
               cq_error *err);

/* ---- present.c ---- */
#define LITE_MADE_BY "/* made by cq */"
typedef struct lite_present { /* what is in the database under a name */
  int exists, view, ours;     /* ours: has our columns, or our mark */
  int nkey; /* columns of its primary key, and which of them: */
  int id_in_key, group_in_key;
  int newest;        /* a view of the newest row of each key */
  int indexed;       /* a table with the index that cq puts on it */
  cq_dest_found has; /* a table's columns */
} lite_present;
int lite_present_read(cq_lite *d, const char *name, lite_present *p,
                      cq_error *err);
/* The same of what is known to be a table. */
int lite_present_columns(cq_lite *d, const char *name, lite_present *p,
                         cq_error *err);
void lite_present_clear(lite_present *p);
const char *lite_present_type(const lite_present *p, const char *name);
/* By which of its names the number of a row can be asked for: a column may have
 * the usual one.  NULL: columns have all three. */
const char *lite_present_rowid(const lite_present *p);
/* The same of a table; none is an error. */
int lite_rowid(cq_lite *d, const char *name, const char **out, cq_error *err);
/* Somebody's triggers on it; *out is bool. */
int lite_present_triggers(cq_lite *d, const char *name, int *out,
                          cq_error *err);
/* cq has changed what stands under these two names, and nothing else. */
void lite_schema_changed(cq_lite *d, const char *one, const char *other);
void lite_schema_drop(cq_lite *d); /* all of it may have changed */

/* ---- carry.c ---- */
/* The view goes, its rows stand in temp.cq_carry. */
int lite_carry_view(cq_lite *d, const cq_dest_table *t, cq_error *err);
/* The table goes, its rows stand there as raw_<t> takes them; and they go in. */
int lite_carry_table(cq_lite *d, const cq_dest_table *t,
                     const lite_present *old, cq_error *err);
int lite_carry_in(cq_lite *d, const cq_dest_table *t, const char *raw,
                  const lite_present *old, cq_error *err);
/* Units that have rows there and no pointer get one. */
int lite_adopt(cq_lite *d, const cq_dest_table *t, const char *name,
               cq_error *err);

/* ---- migrate.c ---- */
int lite_migrate(cq_dest *d, cq_dest_table *t, int dry, cq_buf *actions,
                 cq_error *err);
/* "a", "b", ...; a group other than 0 stands instead of _cq_sync_group_id */
int lite_add_columns(cq_buf *b, const cq_dest_table *t, int64_t group);
void lite_add_name(cq_buf *b, const char *name); /* "quoted" */

/* ---- write.c ---- */
/* All rows of the feed go in, by u->table's statement; the row that SQLite
 * refuses is named. */
int lite_insert(cq_lite *d, const cq_dest_run *r, cq_dest_unit *u,
                lite_feed *feed, cq_error *err);
int lite_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
               const cq_dest_rows *rows, cq_error *err);
int lite_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
             const char *status, const char *cursor, cq_error *err);
void lite_drop(cq_dest *d, cq_dest_table *t);
int lite_rows(cq_dest *d, const cq_dest_run *r, const cq_dest_table *parent,
              const char *client, int64_t group, int kept, cq_rows *out,
              cq_error *err);

/* ---- state.c ---- */
int lite_run_begin(cq_dest *d, cq_dest_run *r, cq_error *err);
int lite_state(cq_dest *d, const cq_dest_run *r, const char *table,
               const char *client, cq_dest_state *out, cq_error *err);
int lite_put_table(cq_dest *d, const cq_dest_run *r, const cq_dest_table *t,
                   cq_error *err);
int lite_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                   const char *client, const char *kind, const char *message,
                   cq_error *err);
int lite_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
                 const cq_counts *n, int ntable, const char *message,
                 cq_error *err);
int lite_publish(cq_dest *d, const cq_dest_run *r, cq_dest_table *const *t,
                 int nt, const char *status, const cq_counts *n,
                 const char *message, cq_error *err);
int lite_summary(cq_dest *d, const cq_value *v, int n, cq_error *err);
int lite_prune(cq_dest *d, int64_t keep, cq_buf *out, cq_error *err);
int lite_last_group(cq_dest *d, int64_t *out, cq_error *err);

#endif
