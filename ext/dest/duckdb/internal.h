/* ext/dest/duckdb/internal.h: what the files of the DuckDB destination share; no
 * other room includes it.
 *
 * duckdb.c   its spec, open and close
 * library.c  libduckdb, opened at run time
 * session.c  statements, results, transactions
 * stage.c    units: rows in, and their ends
 * settle.c   what is staged, made rows of its table
 * state.c    runs: claimed, journalled, published
 * migrate.c  tables and views, made and changed
 * carry.c    their rows, into the other write mode's; tables of CloudQuery's
 * retype.c   a column of another type
 * prune.c    old snapshots
 *
 * One thread calls all of it: the writer's.  A DuckDB file is open in one process
 * at a time, so nobody else writes, or reads, while a run goes on. */
#ifndef CQ_DEST_DUCKDB_INTERNAL_H
#define CQ_DEST_DUCKDB_INTERNAL_H

#include "dest/dest.h"

/* ---- library.c ---- */
typedef struct duck_result { /* duckdb_result: fixed by its ABI */
  uint64_t columns, rows, changed;
  void *data;
  char *error;
  void *internal;
} duck_result;
#define DUCK_CALLS(X)                                                          \
  X(int, open_ext, (const char *path, void **db, void *config, char **why))    \
  X(void, close, (void **db))                                                  \
  X(int, connect, (void *db, void **c))                                        \
  X(void, disconnect, (void **c))                                              \
  X(int, create_config, (void **config))                                       \
  X(int, set_config, (void *config, const char *name, const char *value))      \
  X(void, destroy_config, (void **config))                                     \
  X(int, prepare, (void *c, const char *sql, void **s))                        \
  X(const char *, prepare_error, (void *s))                                    \
  X(void, destroy_prepare, (void **s))                                         \
  X(int, pending_prepared, (void *s, void **p))                                \
  X(int, pending_execute_task, (void *p))                                      \
  X(const char *, pending_error, (void *p))                                    \
  X(int, execute_pending, (void *p, duck_result *out))                         \
  X(void, destroy_pending, (void **p))                                         \
  X(const char *, result_error, (duck_result * r))                             \
  X(void, destroy_result, (duck_result * r))                                   \
  X(uint64_t, row_count, (duck_result * r))                                    \
  X(uint64_t, rows_changed, (duck_result * r))                                 \
  X(char *, value_varchar, (duck_result * r, uint64_t column, uint64_t row))   \
  X(void, free, (void *p))                                                     \
  X(int, appender_create_ext,                                                  \
    (void *c, const char *catalog, const char *schema, const char *table,      \
     void **a))                                                                \
  X(const char *, appender_error, (void *a))                                   \
  X(int, appender_end_row, (void *a))                                          \
  X(int, appender_flush, (void *a))                                            \
  X(int, appender_destroy, (void **a))                                         \
  X(int, append_null, (void *a))                                               \
  X(int, append_int64, (void *a, int64_t v))                                   \
  X(int, append_double, (void *a, double v))                                   \
  X(int, append_varchar_length, (void *a, const char *s, uint64_t n))          \
  X(int, append_blob, (void *a, const void *p, uint64_t n))
/* A function of SQL: since DuckDB 1.1; NULL in an older one. */
#define DUCK_LATER(X)                                                          \
  X(void *, create_scalar_function, (void))                                    \
  X(void, destroy_scalar_function, (void **f))                                 \
  X(void, scalar_function_set_name, (void *f, const char *name))               \
  X(void, scalar_function_add_parameter, (void *f, void *type))                \
  X(void, scalar_function_set_return_type, (void *f, void *type))              \
  X(void, scalar_function_set_function,                                        \
    (void *f, void (*call)(void *info, void *in, void *out)))                  \
  X(int, register_scalar_function, (void *c, void *f))                         \
  X(void, scalar_function_set_error, (void *info, const char *why))            \
  X(void *, create_logical_type, (int type))                                   \
  X(void, destroy_logical_type, (void **type))                                 \
  X(uint64_t, data_chunk_get_size, (void *chunk))                              \
  X(void *, data_chunk_get_vector, (void *chunk, uint64_t column))             \
  X(void *, vector_get_data, (void *v))                                        \
  X(uint64_t *, vector_get_validity, (void *v))                                \
  X(void, vector_ensure_validity_writable, (void *v))                          \
  X(void, vector_assign_string_element_len,                                    \
    (void *v, uint64_t row, const char *s, uint64_t n))
typedef struct duck_lib {
  void *handle;
#define DUCK_FIELD(type, name, args) type(*name) args;
  DUCK_CALLS(DUCK_FIELD)
  DUCK_LATER(DUCK_FIELD)
#undef DUCK_FIELD
} duck_lib;
int duck_lib_open(duck_lib *lib, const char *path, cq_error *err);

typedef struct duck_options {
  const char *path, *schema, *library;
  const char **settings; /* of DuckDB: name, value, ... */
  size_t nsetting;
  int64_t memory_mb;
  int64_t turn_ms; /* turn_timeout: how long another sync is waited for */
  cq_dest_gather gather;
} duck_options;

/* A unit that has ended and is not in the journal yet. */
typedef struct duck_unit {
  struct duck_unit *next;
  char *client, *keep, *cursor;
  int64_t rows, started_us, finished_us;
  int64_t written; /* also where it has failed */
  int64_t whole;   /* rows of its parts before: in the journal with it */
  int64_t from;    /* number of the row before its first */
  int part;        /* it goes on; or parts of it ended before */
  const char *status;
} duck_unit;

typedef struct duck_table {
  struct duck_table *next;
  cq_dest_table *table;
  const cq_dest_run *run;
  char *stage;          /* name of the temporary table; NULL: not made yet */
  int64_t nrows, bytes; /* in it */
  void *app;        /* its appender, kept: each one is a statement planned */
  int64_t appended; /* bytes that wait in there */
  /* Rows of one unit, beyond that number, of which it is not known yet which
   * values their columns will not hold. */
  cq_dest_unit *uncounted;
  int64_t uncounted_after, nuncounted;
  duck_unit *ended, **last;
  size_t nended;
  cq_counts n;
  int merged;       /* rows of this run are in it */
  int failed, told; /* for the rest of the run; why is to be polled */
  cq_error why;
} duck_table;

typedef struct duck {
  cq_dest base;
  duck_lib lib;
  void *db, *c;
  char *path, *schema;
  duck_options options;
  int forced, group_in_key, open; /* open: in a transaction */
  char *owner, *lock_path;
  int lock; /* -1: none */
  duck_table *tables;
  int64_t row, ended_ms, noted_ms;
  cq_buf notes;    /* entries of the journal that wait */
  cq_error unsaid; /* why some could not be written: for poll */
  int (*interrupted)(void *user);
  void *user;
  int rereads; /* the function of retype.c is there */
} duck;

/* ---- session.c ---- */
/* One statement; `changed` (or NULL) is added to. */
int duck_do(duck *d, int64_t *changed, cq_error *err, const char *fmt, ...);
/* One with rows. */
int duck_select(duck *d, duck_result *out, cq_error *err, const char *fmt, ...);
/* Text of a cell, "" for NULL; good until the next call of the arena's owner. */
char *duck_text(duck *d, duck_result *r, cq_arena *a, uint64_t row, int column);
int64_t duck_int(duck *d, duck_result *r, uint64_t row, int column);
int duck_is_null(duck *d, duck_result *r, uint64_t row, int column);
int duck_one(duck *d, int64_t *out, cq_error *err, const char *fmt, ...);
int duck_begin_work(duck *d, cq_error *err);
/* COMMIT where rc is CQ_OK, else ROLLBACK; returns what came of it. */
int duck_end_work(duck *d, int rc, cq_error *err);
int duck_fail(duck *d, const char *said, cq_error *err);
int duck_script(duck *d, const char *path, cq_error *err);

/* ---- stage.c ---- */
/* "a", "b", ...; group other than 0 stands instead of _cq_sync_group_id */
void duck_columns(cq_buf *out, const cq_dest_table *t, int64_t group);
int duck_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
               const cq_dest_rows *rows, cq_error *err);
int duck_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
             const char *status, const char *cursor, cq_error *err);
void duck_drop(cq_dest *d, cq_dest_table *t);
int duck_commit(cq_dest *d, int force, cq_error *err);
/* Columns of the stage as the table takes them. */
void duck_add_casts(cq_buf *out, const cq_dest_table *t);
static inline int duck_merges(const duck *d) {
  return d->base.mode != CQ_MODE_APPEND;
}
void duck_counts_out(const duck_table *t);
/* The stage has all that was appended; then it may be read, or dropped. */
int duck_appended(duck *d, duck_table *t, cq_error *err);
int duck_poll(cq_dest *d, cq_dest_event *out);
void duck_table_free(duck *d, duck_table *t);
void duck_forget(duck_table *t); /* units that wait */
/* Values of rows that nobody has looked at yet which their columns will not
 * hold: their unit is told. */
int duck_count_odd(duck *d, duck_table *t, cq_error *err);

/* ---- settle.c ---- */
/* Its rows are no use any more: for the rest of the run. */
void duck_fail_table(duck *d, duck_table *t, const cq_error *why);
/* Of each table; one that is refused fails alone, and is polled. */
int duck_flush(duck *d, cq_error *err);

/* ---- state.c ---- */
int duck_last_group(cq_dest *d, int64_t *out, cq_error *err);
int duck_begin(cq_dest *d, cq_dest_run *r, cq_error *err);
int duck_states(cq_dest *d, const cq_dest_run *r, const char *table,
                int (*each)(void *user, const char *client,
                            const cq_dest_state *s),
                void *user, cq_error *err);
int duck_read(cq_dest *d, const cq_dest_run *r, const cq_dest_table *parent,
              const char *client, int64_t group,
              int (*each)(void *user, const cq_batch *rows), void *user,
              cq_error *err);
int duck_put_table(cq_dest *d, const cq_dest_run *r, const cq_dest_table *t,
                   cq_error *err);
int duck_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                   const char *client, const char *kind, const char *message,
                   cq_error *err);
int duck_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
                 const cq_counts *n, int ntable, const char *message,
                 cq_error *err);
int duck_publish(cq_dest *d, const cq_dest_run *r, cq_dest_table *const *t,
                 int nt, const char *status, const cq_counts *n,
                 const char *message, cq_error *err);
int duck_summary(cq_dest *d, const cq_value *v, int n, cq_error *err);
int duck_notes(duck *d, cq_error *err);

/* ---- prune.c ---- */
int duck_prune(cq_dest *d, int64_t keep, cq_buf *out, cq_error *err);

/* ---- carry.c ---- */
/* The view becomes a table of the rows that it shows. */
int duck_carry_view(duck *d, cq_arena *a, const cq_dest_table *t,
                    cq_error *err);
/* The table, whose columns are `has`, goes; its rows wait as raw_<t> takes them,
 * and go there (old: what they have, has: what raw_<t> has). */
int duck_carry_out(duck *d, cq_arena *a, const cq_dest_table *t,
                   const cq_dest_found *has, cq_error *err);
int duck_carry_in(duck *d, cq_arena *a, const cq_dest_table *t,
                  const cq_dest_found *old, const cq_dest_found *has,
                  cq_error *err);
/* A table that CloudQuery made: the same with cq's columns and without keys. */
int duck_take(duck *d, cq_arena *a, const cq_dest_table *t, const char *name,
              const cq_dest_found *old, cq_error *err);
/* ---- retype.c ---- */
/* Column i of the table of that name, which is of the type `had`. */
int duck_retype(duck *d, cq_dest_table *t, const char *table, int i,
                const char *had, cq_error *err);

/* ---- migrate.c ---- */
const char *duck_type(int type);
int duck_migrate(cq_dest *d, cq_dest_table *t, int dry, cq_buf *actions,
                 cq_error *err);

#endif
