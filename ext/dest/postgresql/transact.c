/* ext/dest/postgresql/transact.c: transactions that are done again where that
 * is right: after a deadlock, a serialization failure, a lost connection.
 *
 * Where the connection is lost while the server commits, nobody knows what it
 * did: the next connection asks for the fate of the transaction's number, so
 * that nothing is ever done twice. */
#include "dest/postgresql/internal.h"

#include <stdio.h>
#include <string.h>

enum { LOST_TIMES = 20, FATE_MS = 60000 };

int64_t pg_lock_key(const pg *d, const char *what, const char *name) {
  uint64_t h = cq_hash64(what, strlen(what), 0);

  h = cq_hash64(d->schema, strlen(d->schema), h);
  return (int64_t)cq_hash64(name, strlen(name), h);
}

/* BEGIN, and the transaction's number; the run's row is locked, so that nobody
 * settles it meanwhile, and after a new connection it gets its new owner. */
static int begin(pg *d, pg_kind kind, int64_t *xid, cq_error *err) {
  int64_t ours = 0;
  pg_batch b;
  int rc;

  *xid = 0;
  pg_batch_init(&b);
  pg_add(&b, NULL, "BEGIN");
  pg_add(&b, xid, "SELECT txid_current()");
  if (kind == PG_FENCED && d->run && d->moved)
    pg_add(&b, &ours,
           "UPDATE %I.cq_syncs SET owner = %L, updated = clock_timestamp() "
           "WHERE sync_group_id = %n AND source_name = %L AND unsettled = 1",
           d->schema, d->owner, d->run->group, d->run->source);
  else if (kind == PG_FENCED && d->run)
    pg_add(&b, &ours,
           "SELECT 1 FROM %I.cq_syncs WHERE sync_group_id = %n AND source_name "
           "= %L AND unsettled = 1 FOR NO KEY UPDATE",
           d->schema, d->run->group, d->run->source);
  else
    ours = 1;
  rc = pg_run(d, &b, "BEGIN", err);
  pg_batch_clear(&b);
  if (rc || ours) return rc;
  return cq_error_set(err, CQ_BUSY,
                      "source %s: its run in %s was taken over by another "
                      "process",
                      d->run->source, d->base.name);
}

/* 1 = committed, 0 = not; CQ_IOERR in *rc where it cannot be known. */
static int committed(pg *d, int64_t xid, int *rc, cq_error *err) {
  int64_t until = cq_mono_ms() + FATE_MS;

  for (;;) {
    pg_result *r;
    int is = -1;

    *rc = pg_connect(d, 1, err);
    if (*rc) return 0;
    r = pg_select(d, "txid_status", err, "SELECT txid_status(%n)", xid);
    if (r) {
      const char *s = pg_rows(d, r) > 0 ? pg_text(d, r, 0, 0) : "";

      is = strcmp(s, "committed") == 0 ? 1 : strcmp(s, "aborted") == 0 ? 0 : -1;
      pg_done(d, r);
    } else if (!d->lost) {
      *rc = err->code;
      return 0;
    }
    if (is >= 0) return is;
    if (cq_mono_ms() > until) {
      *rc = cq_error_set(err, CQ_IOERR,
                         "destination %s: nobody knows whether transaction "
                         "%lld was committed",
                         d->base.name, (long long)xid);
      return 0;
    }
    *rc = pg_sleep(d, 100, err);
    if (*rc) return 0;
  }
}

static int again(const pg *d) {
  return strcmp(d->state, "40P01") == 0 || strcmp(d->state, "40001") == 0;
}

/* One try.  *fate is the transaction's number where COMMIT was sent and its
 * answer lost. */
static int once(pg *d, pg_kind kind, pg_work work, void *user, int64_t *fate,
                cq_error *err) {
  int64_t xid;
  int rc;

  *fate = 0;
  d->state[0] = 0;
  if (kind == PG_READ && !d->token[0]) return work(d, user, err);
  rc = kind == PG_READ ? pg_do(d, "BEGIN", err, "BEGIN READ ONLY")
                       : begin(d, kind, &xid, err);
  if (rc == CQ_OK) rc = pg_same_session(d, err);
  if (rc == CQ_OK) rc = work(d, user, err);
  if (rc == CQ_OK) {
    rc = pg_do(d, "COMMIT", err, "COMMIT");
    if (rc && kind != PG_READ && (d->lost || rc == CQ_INTERRUPT)) *fate = xid;
  } else if (rc != CQ_INTERRUPT && !d->lost) {
    char state[sizeof d->state];

    memcpy(state, d->state, sizeof state);
    if (pg_do(d, "ROLLBACK", NULL, "ROLLBACK")) d->lost = 1;
    memcpy(d->state, state, sizeof state);
  }
  return rc;
}

int pg_transact(pg *d, pg_kind kind, pg_work work, void *user, cq_error *err) {
  int64_t met = 0, lost = 0;

  for (;;) {
    cq_error why = {0, ""};
    int64_t fate = 0;
    int rc = pg_connect(d, d->owner != NULL, &why);

    if (rc == CQ_OK) {
      rc = once(d, kind, work, user, &fate, &why);
      if (rc == CQ_OK && kind == PG_FENCED) d->moved = 0;
      if (rc == CQ_OK) return rc;
      if (rc == CQ_INTERRUPT) { /* the server may be busy with it still */
        pg_disconnect(d);
      } else if (d->lost) {
        pg_disconnect(d);
        if (fate) {
          int known;

          if (committed(d, fate, &known, &why)) return CQ_OK;
          rc = known ? known : CQ_IOERR;
          if (known) lost = LOST_TIMES;
        }
        if (++lost < LOST_TIMES && rc != CQ_INTERRUPT) continue;
      } else if (again(d) && ++met <= d->options.retries) {
        rc = pg_sleep(d, 20 * met + (int64_t)(cq_random() % 50), err);
        if (rc) return rc;
        continue;
      }
    }
    if (err) *err = why;
    return rc;
  }
}

int pg_try(pg *d, pg_work work, void *user, cq_error *err) {
  int rc = pg_do(d, "SAVEPOINT", err, "SAVEPOINT cq_try");

  if (rc) return rc;
  rc = work(d, user, err);
  if (rc == CQ_OK) return pg_do(d, "RELEASE", err, "RELEASE cq_try");
  if (!d->lost && rc != CQ_INTERRUPT)
    pg_do(d, "ROLLBACK", NULL, "ROLLBACK TO cq_try; RELEASE cq_try");
  return rc;
}
