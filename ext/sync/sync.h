/* ext/sync/sync.h: plan, run, journal and publish: who pulls, and pushes.
 *
 * Everything runs on the caller's thread.  `db` is the connection on which the
 * SQL function was called; nothing prepared on it outlives the call. */
#ifndef CQ_SYNC_H
#define CQ_SYNC_H

#include "scan/scan.h"

struct sqlite3;

typedef struct cq_sync_call {
  struct sqlite3 *db;
  cq_env *env;
  const char *spec; /* path, or YAML/JSON text itself */
  const char
      *options; /* JSON object or NULL: retry, resume, strict, progress, ... */
  /* Configuration given by cq_config('<integration>.<key>'), or NULL: the
   * base on which a source's `spec:` is laid (returns a config or CQ_NOTFOUND). */
  int (*config)(void *user, const cq_integration *in, const cq_node *spec,
                cq_config **out, cq_error *err);
  void *user;
} cq_sync_call;

/* Each returns one JSON object (or array) in `out`.  CQ_OK also where the run
 * was partial; an error only where nothing could run, `strict` asked for it,
 * or the call was interrupted. */
int cq_sync_run(const cq_sync_call *c, cq_buf *out, cq_error *err);
int cq_sync_plan(const cq_sync_call *c, cq_buf *out, cq_error *err);
int cq_sync_validate(const cq_sync_call *c, cq_buf *out, cq_error *err);
int cq_sync_migrate(const cq_sync_call *c, cq_buf *out, cq_error *err);
int cq_sync_test(const cq_sync_call *c, cq_buf *out, cq_error *err);
/* What the caller must be allowed to do: a policy, or a list; by integration
 * where there are several.  `spec` may be a table's name or a pattern. */
int cq_sync_permissions(const cq_sync_call *c, cq_buf *out, cq_error *err);
/* Removes snapshots of append tables older than the newest `keep` published
 * ones of each unit. */
int cq_sync_prune(struct sqlite3 *db, int64_t keep, cq_buf *out, cq_error *err);
/* The same in each destination of a spec: {name: what went}.  An error where it
 * cannot be done in one of them; the others are pruned all the same. */
int cq_sync_prune_spec(const cq_sync_call *c, int64_t keep, cq_buf *out,
                       cq_error *err);

#endif
