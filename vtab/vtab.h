/* vtab/vtab.h: what a user can SELECT FROM: live tables and catalogues, and
 * the context that all of cq on one connection shares.
 *
 * Everything here runs on the thread that SQLite called. */
#ifndef CQ_VTAB_H
#define CQ_VTAB_H

#include <sqlite3ext.h>

#include "cq.h"
#include "sync/sync.h"

#ifndef SQLITE_CORE
extern const sqlite3_api_routines *sqlite3_api;
#endif

/* ---- context.c: one per connection --------------------------------------- */
typedef struct cq_live cq_live;
typedef struct cq_ctx {
  int refs; /* every module, function and table holds one */
  sqlite3 *db;
  cq_registry *registry;
  cq_env env;                 /* see cq_ctx_open */
  int opened;                 /* env is complete */
  char **settings;            /* values that were given, parallel to the list */
  struct ctx_value *values;   /* cq_config('<integration>.<key>', ...) */
  struct ctx_source *sources; /* of live queries, one per integration */
  struct ctx_chunk *chunks;   /* of names that modules carry */
  cq_live *tables;            /* connected live tables */
  int scans;                  /* open ones */
  int syncing;                /* a cq_sync, or one of its like, is running */
  int64_t asked_ms;           /* when the flag of interrupts was last read */
  int64_t heard_ms;           /* when a progress handler could last speak */
} cq_ctx;
int cq_ctx_new(sqlite3 *db, cq_ctx **out, cq_error *err);
cq_ctx *cq_ctx_ref(cq_ctx *c);
void cq_ctx_unref(void *c); /* SQLite's destructors hand a void pointer */
/* Makes what fetching needs (still no thread, no network); cheap afterwards. */
int cq_ctx_open(cq_ctx *c, cq_error *err);
/* The configured source of an integration, for live queries; borrowed. */
int cq_ctx_source(cq_ctx *c, const cq_integration *in, cq_source **out,
                  cq_error *err);
/* cq_sync_call.config: what cq_config() was told, below `spec`. */
int cq_ctx_config(void *ctx, const cq_integration *in, const cq_node *spec,
                  cq_config **out, cq_error *err);

/* ---- settings.c: cq_config ------------------------------------------------ */
typedef struct cq_setting {
  const char *name, *dflt, *description;
  int kind; /* 't' text, 's' seconds, 'n' count, 'w' one of `words` */
  int secret;
  int transfer;             /* takes effect on new transfers only */
  const char *const *words; /* NULL at its end */
} cq_setting;
const cq_setting *cq_setting_list(size_t *n);
/* The value in force; never NULL. */
const char *cq_setting_get(const cq_ctx *c, const char *name);
/* Reads or (has) sets a setting or "<integration>.<key>"; value NULL goes back
 * to the default.  out: the value in force, secrets as "***", NULL = none. */
int cq_ctx_configure(cq_ctx *c, const char *key, int has, const char *value,
                     cq_buf *out, int *null, cq_error *err);
/* Drops what depends on the configuration of `integration` (NULL = all). */
void cq_ctx_forget(cq_ctx *c, const char *integration);
void cq_ctx_close(cq_ctx *c); /* undoes cq_ctx_open */
void cq_ctx_apply(cq_ctx *c); /* settings that hold from now on, when open */

/* ---- compat.c: calls that not every SQLite has ------------------------------ */
int cq_compat_interrupted(sqlite3 *db);
int cq_compat_stopped(sqlite3 *db); /* by the host's progress handler */

/* ---- named.c: does whoever writes the SQL name this, or does a schema? ------- */
/* Bool: a running statement, or the temporary schema, calls it as people do. */
int cq_named_call(sqlite3 *db, const char *name);
/* Bool: it is the statement's first word. */
int cq_named_first(const char *sql, const char *word);
/* For xOpen of what is DIRECTONLY: SQLITE_ERROR where full-text search reads the
 * table for a file. */
int cq_named_by_search(sqlite3 *db, sqlite3_vtab *vtab, const char *name);

/* ---- column.c: cells become results ------------------------------------------ */
/* Text and blobs are copied. */
void cq_column_result(sqlite3_context *c, const cq_value *v);
/* What SQLite shows as `err`: the code, and the text in vtab->zErrMsg. */
int cq_vtab_error(sqlite3_vtab *vtab, const cq_error *err);
void cq_func_error(sqlite3_context *c, const cq_error *err);
/* For xConnect, where sqlite3_declare_vtab has failed: why, as a host's limits. */
int cq_vtab_undeclared(sqlite3 *db, const char *name, int rc, char **message);
/* Borrowed view of a value. */
cq_value cq_value_of(sqlite3_value *v);

/* Rowids: the hash of what identifies a row, and which copy of it this is.
 * Copies that nobody asks the number of count as well: they are noted until
 * somebody does, CQ_ROWIDS_NOTED of them. */
enum { CQ_ROWIDS_NOTED = 1 << 16 };
typedef struct cq_rowids {
  struct {
    uint64_t hash;
    uint32_t count;
  } * slot;
  size_t n, cap;
  uint64_t *noted;
  size_t nnoted, capnoted;
} cq_rowids;
int cq_rowids_next(cq_rowids *r, uint64_t hash, sqlite3_int64 *out);
/* A row is passed whose number nobody asked for. */
int cq_rowids_pass(cq_rowids *r, uint64_t hash);
void cq_rowids_reset(cq_rowids *r); /* keeps room for a few notes */
void cq_rowids_clear(cq_rowids *r);

/* ---- pushdown.c: what of a query the API is asked for ------------------------ */
enum { CQ_PUSH_MAX = 32 };
typedef enum cq_push_op {
  CQ_P_EQ,
  CQ_P_NUMBER,
  CQ_P_IS,
  CQ_P_IN,
  CQ_P_LT,
  CQ_P_LE,
  CQ_P_GT,
  CQ_P_GE,
  CQ_P_LIKE,
  CQ_P_GLOB
} cq_push_op;
typedef struct cq_pushdown { /* the meaning of an idxStr */
  struct {
    int column;
    cq_push_op op;
  } item[CQ_PUSH_MAX];
  int nitem;         /* arguments of xFilter, in this order; then */
  int limit, offset; /* these, where they are set */
  uint64_t used;     /* sqlite3_index_info.colUsed */
} cq_pushdown;
int cq_pushdown_plan(const cq_table *t, sqlite3_vtab *vtab,
                     sqlite3_index_info *info);
/* Does SQLite hand a LIMIT over only where it shows all terms?  Before 3.46 it
 * does not, and more rows may be needed than that. */
int cq_pushdown_limit_sure(void);
/* The plan as text, and read back; sqlite3_free. */
char *cq_pushdown_text(const cq_table *t, const cq_pushdown *p);
int cq_pushdown_parse(const cq_table *t, const char *idx, cq_pushdown *out);
typedef struct cq_pushed { /* one item's values; n may be 0 (IN ()) */
  const cq_value *values;
  size_t n;
  int unknown; /* explain: only the running query knows them */
} cq_pushed;
typedef struct cq_bound {
  cq_constraint *c;
  size_t n;
  int none;  /* no row can be right */
  int whole; /* every item is in c, as it was */
} cq_bound;
/* Constraints that keep every row for which SQL's comparisons hold. */
int cq_pushdown_bind(const cq_table *t, const cq_pushdown *p,
                     const cq_pushed *v, cq_arena *a, cq_bound *out);
/* A byte per column, in the arena. */
unsigned char *cq_pushdown_wanted(const cq_table *t, uint64_t used,
                                  cq_arena *a);
/* Equal for rows that are the same row, or that the query cannot tell apart. */
/* Is that less than all that the query reads, so that rows differ that have the
 * same one? */
int cq_row_keyed(const cq_table *t);
uint64_t cq_row_identity(const cq_table *t, uint64_t used, const cq_value *row,
                         const char *client);

/* ---- live.c ------------------------------------------------------------------ */
struct cq_live {
  sqlite3_vtab base; /* must be first */
  cq_ctx *ctx;
  const cq_table *table;
  char *name;        /* as it was connected */
  int client_column; /* _cq_client_id, or -1 */
  cq_live *next, **link;
};
/* Registers tables that have no module yet, or were loaded by the user. */
int cq_live_register(cq_ctx *c, cq_error *err);

/* ---- rows.c, catalog.c, status.c: tables that cq fills itself ----------------- */
typedef struct cq_fixed {
  const char *name;
  const char *declare; /* the columns, as in CREATE TABLE */
  int ncol;
  int direct; /* may not be read by views and triggers */
  /* only: the value of `filter =` in the query, or NULL: other rows need not
   * be made. */
  int (*fill)(cq_ctx *c, uint64_t used, const char *only, cq_batch *out,
              cq_error *err);
  int filter; /* a text column, or -1 */
} cq_fixed;
extern const cq_fixed cq_fixed_integrations, cq_fixed_tables, cq_fixed_columns,
    cq_fixed_settings, cq_fixed_destinations, cq_fixed_requests;
int cq_fixed_register(cq_ctx *c, const cq_fixed *f, cq_error *err);
/* Appends a text cell, copied into the batch; NULL text is NULL. */
int cq_fixed_text(cq_batch *b, cq_value *cell, const char *s);

#endif
