/* ext/dest/clickhouse/internal.h: what the files of the ClickHouse destination
 * share; no other room includes it.
 *
 * clickhouse.c open, close, test
 * spec.c       the spec: connection string, engine, rules for tables
 * request.c    one HTTP request: retried, interrupted, its error understood
 * insert.c     an insert that is done once, though its answer may be lost
 * sql.c        statements and small answers
 * server.c     what this server can: types and words by its version
 * migrate.c    tables and views, made and changed
 * retype.c     rows into a table whose columns are of other types
 * write.c      rows gathered, sent in batches; units ended
 * stage.c      batches by way of S3
 * parquet.c    what goes there as Parquet, and how the server reads it
 * read.c       rows of an earlier run, read again
 * journal.c    the run tables, where only rows can be added
 * state.c      runs: claim, settle, states
 * publish.c    what makes a run's rows current
 * remove.c     rows that nobody sees go
 * prune.c      old snapshots */
#ifndef CQ_DEST_CLICKHOUSE_INTERNAL_H
#define CQ_DEST_CLICKHOUSE_INTERNAL_H

#include <curl/curl.h>

#include "dest/dest.h"
#include "dest/encode/encode.h"
#include "dest/encode/rowbinary.h"
#include "dest/s3/s3.h"

/* ---- spec.c ---- */
typedef enum ch_squeeze { CH_AUTO, CH_NONE, CH_GZIP, CH_ZSTD } ch_squeeze;

/* partition, order, ttl: the first rule that a table matches holds. */
typedef struct ch_rule {
  cq_words tables, skip;
  int skip_incremental;
  const char *text; /* partition_by, ttl, or the columns of order_by */
} ch_rule;
typedef struct ch_rules {
  ch_rule *v;
  size_t n;
} ch_rules;
/* NULL: none matches. */
const char *ch_rule_find(const ch_rules *r, const cq_dest_table *t);

enum { CH_HOSTS = 8 };
typedef struct ch_options {
  const char *hosts[CH_HOSTS]; /* host:port, tried in this order */
  int nhost, tls;
  const char *user, *password, *database;
  const char *settings; /* "&name=value...", encoded */
  const char *ca;       /* PEM text, or a file's path */
  const char *cluster, *engine, *engine_args;
  ch_squeeze squeeze;
  int squeeze_said; /* compress= */
  int64_t connect_ms, read_ms;
  cq_dest_gather gather;
  ch_rules partition, order, ttl;
  const cq_s3_options *stage; /* or NULL */
  const char *stage_path;
  int stage_parquet;
  const void *parquet; /* what the format has read */
} ch_options;
int ch_spec(cq_arena *a, const cq_node *map, cq_dest_def *d, cq_error *err);

/* ---- the store ---- */
typedef struct ch_table ch_table;
typedef struct ch_stage ch_stage;
typedef struct ch_held ch_held;
typedef struct ch {
  cq_dest base;
  cq_dest_def def; /* texts are the spec's, which outlives the store */
  const ch_options *o;
  char *owner; /* host:process:connection */
  /* request.c */
  CURL *easy;
  CURLM *multi;
  struct curl_slist *heads;
  char *url; /* with all that each request has */
  char detail[CURL_ERROR_SIZE];
  int host;    /* of o->hosts, that is asked */
  int reached; /* it has answered once: that it does not now may pass */
  /* server.c */
  int version; /* 26 * 100 + 7 */
  char version_text[64];
  /* journal.c */
  uint64_t last; /* the greatest version given */
  ch_held *held; /* runs that are this store's: claimed, not over */
  cq_buf units, errors, runs;
  cq_buf tables;   /* rows of cq_sync_tables, by now */
  cq_error unsaid; /* why entries could not be written: for poll */
  int64_t told_ms;
  int over; /* the last word of a run is to be told */
  /* write.c */
  ch_table *first;
  ch_stage *stage;          /* or NULL */
  struct ZSTD_CCtx_s *zstd; /* of its Parquet files; or NULL */
  size_t gathered;          /* bytes, over all tables */
  int64_t quiet_ms;         /* when rows were last added */
} ch;

static inline ch *ch_of(cq_dest *d) {
  return (ch *)(void *)d;
}

/* ---- request.c ---- */
typedef struct ch_ask {
  const void *body; /* statement, and data behind it */
  size_t nbody;
  ch_squeeze squeeze;
  const char *id;       /* query_id, or NULL */
  int dedup;            /* rows that come twice with this id are taken once */
  const char *settings; /* "&name=value", or NULL */
  int once; /* is not sent a second time where it may have been done */
  int (*each)(void *user, const char *p, size_t n); /* takes the answer */
  void *user;
} ch_ask;
int ch_connect(ch *d, cq_error *err);
void ch_disconnect(ch *d);
/* answer may be NULL.  *unknown (or NULL): nobody can say whether it was
 * done. */
int ch_request(ch *d, const ch_ask *q, cq_buf *answer, int *unknown,
               cq_error *err);
int ch_pause(ch *d, int64_t ms, cq_error *err); /* CQ_INTERRUPT */

/* ---- insert.c ---- */
/* What the ids of all statements of a run begin with; malloc'ed. */
char *ch_insert_ids(int64_t group, const char *source);
/* The same of claims of a source. */
char *ch_claim_ids(const char *source);
/* Until the server is at no statement whose id begins so. */
int ch_insert_wait(ch *d, const char *ids, cq_error *err);
/* q has an id, and `once`.  is_in, with the error that has left it unknown: CQ_OK
 * where nothing of it is there (it is sent again), CQ_DONE where all is, else
 * the error. */
int ch_insert(ch *d, const ch_ask *q,
              int (*is_in)(ch *d, void *user, cq_error *err), void *user,
              cq_error *err);

/* ---- sql.c ---- */
/* %Q 'text', %.*Q, %w `name`, %t `database`.`name`, %d, %lld, %llu, %s as it
 * is. */
void ch_format(const ch *d, cq_buf *b, const char *fmt, ...);
int ch_exec(ch *d, cq_error *err, const char *fmt, ...);
int ch_exec_text(ch *d, const char *sql, const char *settings, cq_error *err);
/* Each row of the answer, n cells that are unescaped; NULL is NULL. */
typedef int (*ch_row)(void *user, char **cell, int n);
int ch_rows(ch *d, ch_row each, void *user, cq_error *err, const char *fmt,
            ...);
int ch_int(ch *d, int64_t *out, cq_error *err, const char *fmt, ...);
void ch_add_name(cq_buf *b, const char *name);
void ch_add_text(cq_buf *b, const char *s, size_t n);

/* ---- server.c ---- */
enum { /* the version that has it */
       CH_HAS_LOW_CARDINALITY = 2003,
       CH_HAS_IF_NOT_EXISTS = 1914, /* in ALTER ... ADD COLUMN */
       CH_HAS_TTL = 1911,
       CH_HAS_DATETIME64 = 2004,
       CH_HAS_REPLACE_VIEW = 2103,
       CH_HAS_DECIMAL256 = 2108,
       CH_HAS_DATE32 = 2110,
       CH_HAS_BOOL = 2112,
       CH_HAS_ZSTD = 2003,
       CH_HAS_TOKEN = 2202,
       CH_HAS_PARQUET = 2208, /* each type of cq's, as parquet.c has it */
       CH_HAS_DELETE = 2308,
       CH_HAS_ORDER = 2403 /* looks into a view last: see add_view */
};
static inline int ch_has(const ch *d, int version) {
  return d->version >= version;
}
int ch_server(ch *d, cq_error *err);
cq_rowbinary ch_column(const ch *d, const cq_dest_table *t, int i);
/* All of a table, as it is: what an older server made stays. */
int ch_columns(ch *d, const cq_dest_table *t, cq_rowbinary *out, cq_error *err);
/* The type that a column is made with: as system.columns tells it, too. */
void ch_type(const ch *d, const cq_dest_table *t, int i, cq_buf *out);
/* "MergeTree()" or what the spec says; `replacing`: a run table's. */
void ch_engine(const ch *d, int replacing, cq_buf *out);

/* ---- journal.c ---- */
enum {                /* a run's `unsettled`: what its next begin has to do */
       CH_OPEN = 1,   /* to publish what is whole, or to remove it */
       CH_UNTIDY = 2, /* it is published: to remove what nobody sees */
       CH_TAKEN = 3   /* as CH_OPEN, and the run itself may not any more */
};
uint64_t ch_version(ch *d); /* ever-growing */
/* Of what is said of a run by who settles it: none that the run gives itself is
 * greater. */
uint64_t ch_version_above(ch *d);
int ch_journal_open(ch *d, int make, cq_error *err);
void ch_journal_close(ch *d);
int ch_journal_flush(ch *d, cq_error *err); /* all */
/* Runs alone, by a statement that can be told for a claim of the source. */
int ch_journal_claim(ch *d, const char *source, cq_error *err);
int ch_journal_due(const ch *d);
/* A run that is over has no table that is under way, and none whose rows are
 * whole and not current. */
int ch_tables_over(ch *d, int64_t group, const char *source, const char *word,
                   cq_error *err);
void ch_journal_unit(ch *d, cq_buf *out, const cq_dest_run *r,
                     const cq_dest_unit *u, const char *status,
                     const char *cursor);
int ch_put_table(cq_dest *d, const cq_dest_run *r, const cq_dest_table *t,
                 cq_error *err);
int ch_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                 const char *client, const char *kind, const char *message,
                 cq_error *err);
int ch_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
               const cq_counts *n, int ntable, const char *message,
               cq_error *err);
int ch_run_row(ch *d, const cq_dest_run *r, const char *status,
               const cq_counts *n, int ntable, const char *message,
               int unsettled);
int ch_summary(cq_dest *d, const cq_value *v, int n, cq_error *err);

/* ---- migrate.c ---- */
int ch_migrate(cq_dest *d, cq_dest_table *t, int dry, cq_buf *actions,
               cq_error *err);
void ch_add_columns(cq_buf *b, const cq_dest_table *t, int64_t group);
int ch_ttl_check(const ch *d, cq_error *err); /* does the server know it? */

/* ---- retype.c ---- */
/* All rows of `raw`, whose columns are `old`, into `into`. */
int ch_retype(ch *d, cq_dest_table *t, const char *raw, const char *into,
              const cq_dest_found *old, cq_error *err);

/* ---- write.c ---- */
typedef struct ch_piece { /* rows of one unit in the batch */
  uint64_t unit;
  size_t from, to;
  int64_t rows;
} ch_piece;
struct ch_table {
  ch_table *next;
  cq_dest_table *table; /* stays until the destination is closed */
  const cq_dest_run *run;
  cq_rowbinary *cols;  /* width */
  cq_buf body;         /* INSERT statement, then rows */
  size_t head;         /* bytes of the statement */
  size_t weight;       /* what it has in ch.gathered */
  int as_parquet;      /* rows are not in body alone: */
  cq_encoder *rows_of; /* of the batch at hand, or NULL */
  cq_buf units;        /* journal entries of units whose rows are in body */
  cq_buf counted;      /* the same, of rows that are sent: to be counted */
  ch_piece *pieces;
  size_t npiece, cap;
  int64_t rows, since_ms; /* in body */
  int64_t sent;           /* rows of this run that are in the table */
  int64_t checked;        /* sent, when they were counted last */
  int64_t row;            /* _cq_row of the next */
  int64_t batches;
  int64_t dropped; /* sent rows of units that failed */
  cq_error why;    /* code 0: it goes well */
  int unsaid;      /* why is to be polled */
};
int ch_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
             const cq_dest_rows *rows, cq_error *err);
int ch_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
           const char *status, const char *cursor, cq_error *err);
void ch_drop(cq_dest *d, cq_dest_table *t);
int ch_poll(cq_dest *d, cq_dest_event *out);
int ch_commit(cq_dest *d, int force, cq_error *err);
ch_table *ch_table_of(ch *d, const cq_dest_table *t);
void ch_tables_free(ch *d);
/* What a run has gathered is not sent any more. */
void ch_give_up(ch *d, const cq_dest_run *r, const cq_error *why);
/* Entries of units go from their tables into the journal, once the rows that
 * they tell of were counted in the table. */
int ch_vouch(ch *d, cq_error *err);

/* ---- stage.c ---- */
int ch_stage_spec(cq_arena *a, const cq_node *map, ch_options *o,
                  cq_dest_def *d, cq_error *err);
int ch_stage_open(ch *d, cq_error *err); /* does nothing where there is none */
void ch_stage_close(ch *d);
int ch_stage_look(ch *d, cq_error *err); /* likewise */
int ch_stage_test(ch *d, cq_error *err);
/* Puts the table's batch, and appends the statement that has it read; it holds
 * a signed address, and is a secret. */
int ch_stage_put(ch *d, const ch_table *x, const char *id, cq_buf *statement,
                 cq_error *err);

/* ---- parquet.c ---- */
/* Is the table as this version makes it?  Else it goes as RowBinary. */
int ch_parquet_suits(const ch *d, const ch_table *x);
/* Adds n rows to the batch, from `from` on. */
int ch_parquet_add(ch *d, ch_table *x, cq_dest_unit *u,
                   const cq_dest_rows *rows, int from, int n, cq_error *err);
/* The batch is a whole file then. */
int ch_parquet_end(ch_table *x, cq_error *err);
void ch_parquet_drop(ch_table *x);
/* "a, CAST(b AS Nullable(UUID)), ..., `_cq_row`" */
void ch_parquet_select(const ch *d, const ch_table *x, cq_buf *out);
/* "`a` Nullable(String), ...": what stands in the file. */
void ch_parquet_shape(const ch *d, const ch_table *x, cq_buf *out);

/* ---- read.c ---- */
int ch_read(cq_dest *d, const cq_dest_run *r, const cq_dest_table *parent,
            const char *client, int64_t group,
            int (*each)(void *user, const cq_batch *rows), void *user,
            cq_error *err);

/* ---- state.c ---- */
int ch_last_group(cq_dest *d, int64_t *out, cq_error *err);
int ch_begin(cq_dest *d, cq_dest_run *r, cq_error *err);
/* CQ_BUSY where the run's `unsettled` is another: it was taken over. */
int ch_hold(ch *d, int64_t group, const char *source, int unsettled,
            cq_error *err);
int ch_hold_all(ch *d, cq_error *err); /* each that is held */
/* It is over. */
void ch_let_go(ch *d, const cq_dest_run *r);
/* What a run that was taken over has written since goes; *taken: it was. */
int ch_leave(ch *d, const cq_dest_run *r, int *taken, cq_error *err);
int ch_states(cq_dest *d, const cq_dest_run *r, const char *table,
              int (*each)(void *user, const char *client,
                          const cq_dest_state *s),
              void *user, cq_error *err);

/* ---- publish.c ---- */
int ch_publish(cq_dest *d, const cq_dest_run *r, cq_dest_table *const *t,
               int nt, const char *status, const cq_counts *n,
               const char *message, cq_error *err);
/* Points the state at a run's units that are ok, and at nothing for those that
 * `gone` (a condition on cq_units, or NULL) gives: one insert.  Not `all`: only
 * those that have a cursor.  CQ_BUSY where the
 * run's `unsettled` is another now: then nothing is pointed at. */
int ch_point(ch *d, int64_t group, const char *source, const char *time,
             const char *gone, int all, int unsettled, cq_error *err);
/* ---- remove.c ---- */
/* Deletes by a list of literals, in slices: the condition `before`, up to the (
 * of the list, of what the statement `found` gives: `cells` a row, a text, or
 * a tuple whose last is a number; a further one counts rows (or NULL). */
int ch_remove_found(ch *d, const char *raw, int cells, const cq_buf *before,
                    const cq_buf *found, int64_t *rows, cq_error *err);
/* Rows of the run in a table that no pointer covers. */
int ch_remove_rows(ch *d, int64_t group, const char *source, const char *table,
                   cq_error *err);
/* Rows of a unit of the run from that number on. */
int ch_remove_rest(ch *d, const cq_dest_run *r, const cq_dest_unit *u,
                   cq_error *err);
/* Of overwrite-delete-stale: whatever earlier runs of the source have left and
 * nothing points at. */
int ch_remove_superseded(ch *d, const cq_dest_run *r, const char *table,
                         cq_error *err);
/* Of overwrite: older rows, once published, of keys that this run has brought. */
int ch_remove_replaced(ch *d, const cq_dest_run *r, const char *table,
                       cq_error *err);
/* A key that came twice in the run: the last of its rows stays. */
int ch_remove_twice(ch *d, const cq_dest_run *r, const char *table,
                    int64_t *again, cq_error *err);

/* ---- prune.c ---- */
int ch_prune(cq_dest *d, int64_t keep, cq_buf *out, cq_error *err);

#endif
