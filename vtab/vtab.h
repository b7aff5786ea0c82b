/* vtab/vtab.h: what a user can SELECT FROM, and the context that one
 * connection's tables and functions share. */
#ifndef CQ_VTAB_H
#define CQ_VTAB_H

#include <sqlite3ext.h>

#include "scan/scan.h"

/* One per connection; every module and function holds a reference, so that
 * loading twice and any order of destruction are harmless. */
typedef struct cq_ctx {
  int refs;
  sqlite3 *db;
  cq_env env;
  struct cq_ctx_source { /* configuration and clients of live queries */
    struct cq_ctx_source *next;
    const cq_integration *in;
    cq_config *config;
    cq_source *source; /* NULL: made at the next query */
  } *sources;
  int64_t cache_ttl_ms;
} cq_ctx;

int cq_ctx_new(sqlite3 *db, cq_ctx **out, cq_error *err);
cq_ctx *cq_ctx_ref(cq_ctx *c);
void cq_ctx_unref(void *c); /* SQLite's destructor signature */
/* The configuration and the source of an integration; borrowed. */
int cq_ctx_config(cq_ctx *c, const cq_integration *in, cq_config **out,
                  cq_error *err);
int cq_ctx_source(cq_ctx *c, const cq_integration *in, cq_source **out,
                  cq_error *err);
/* After a setting changed: clients are found anew, cached answers go. */
void cq_ctx_forget(cq_ctx *c, const cq_integration *in);
/* Makes what fetching needs; no thread starts before the first request. */
int cq_ctx_network(cq_ctx *c, cq_error *err);

/* Registers `name` and `live_name` as eponymous tables. */
int cq_live_register(cq_ctx *c, const char *name);
int cq_live_register_all(cq_ctx *c, cq_error *err);
int cq_catalog_register(cq_ctx *c);

/* ---- pushdown.c: which constraints go to the API, as readable text ------- */
int cq_push_best_index(const cq_table *t, sqlite3_index_info *info,
                       sqlite3_vtab *vtab);
typedef struct cq_push { /* idxStr decoded */
  cq_constraint *constraints;
  size_t n;
  unsigned char *wanted;
  int64_t cap;
  int empty; /* a constraint that no row can meet */
  cq_arena arena;
} cq_push;
int cq_push_decode(const cq_table *t, const char *text, int argc,
                   sqlite3_value **argv, cq_push *out, cq_error *err);

#endif
