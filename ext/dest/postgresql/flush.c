/* ext/dest/postgresql/flush.c: what has gathered becomes one transaction.
 *
 * All tables together, so that a thousand small ones cost one commit.  Where
 * the server refuses something of one of them, each goes alone, and the one to
 * blame fails. */
#include "dest/postgresql/internal.h"

#include <string.h>

typedef struct share { /* a table's part of the transaction */
  pg_table *table;
  cq_counts n;
  int64_t copied;
} share;

typedef struct flush {
  share *shares;
  size_t n;
} flush;

static int waits(const pg_table *t) {
  return !t->failed && (t->nended || t->nsegment);
}

static int flush_work(pg *d, void *user, cq_error *err) {
  flush *f = user;
  int rc = CQ_OK;

  for (size_t i = 0; i < f->n && rc == CQ_OK; i++) {
    memset(&f->shares[i].n, 0, sizeof f->shares[i].n);
    rc = pg_merge_table(d, f->shares[i].table, &f->shares[i].n, err);
  }
  return rc;
}

/* It is committed: what was counted counts. */
static void taken(pg *d, share *s) {
  pg_table *t = s->table;

  for (size_t i = 0; i < t->nsegment; i++)
    t->segments[i].unit->copied += t->segments[i].rows;
  t->n.rows += s->n.rows;
  t->n.inserted += s->n.inserted;
  t->n.updated += s->n.updated;
  t->n.unchanged += s->n.unchanged;
  t->n.deleted += s->n.deleted;
  t->n.kept += s->n.kept;
  t->n.again += s->n.again;
  t->staged |= t->made;
  pg_counts_out(t);
  pg_table_forget(d, t);
}

static void fail_table(pg *d, pg_table *t, const cq_error *why) {
  t->failed = 1;
  t->why = *why;
  pg_table_forget(d, t);
}

static int flush_shares(pg *d, flush *f, cq_error *err) {
  int rc = pg_transact(d, PG_FENCED, flush_work, f, err);

  if (rc == CQ_OK)
    for (size_t i = 0; i < f->n; i++) taken(d, &f->shares[i]);
  return rc;
}

static int flush_alone(pg *d, share *s, cq_error *err) {
  flush one = {s, 1};
  cq_error why = {0, ""};
  int rc = flush_shares(d, &one, &why);

  if (rc && cq_dest_whole(rc)) {
    if (err) *err = why;
    return rc;
  }
  if (rc) {
    pg_blame(d, s->table, &why);
    fail_table(d, s->table, &why);
  }
  return CQ_OK;
}

int pg_flush(pg *d, cq_error *err) {
  flush f = {NULL, 0};
  cq_error why = {0, ""};
  size_t n = 0;
  int rc = CQ_OK;

  for (pg_table *t = d->tables; t; t = t->next) n += waits(t);
  d->ended_ms = 0;
  if (!n) return CQ_OK;
  f.shares = cq_calloc(n, sizeof *f.shares);
  if (!f.shares) return cq_error_nomem(err);
  for (pg_table *t = d->tables; t; t = t->next)
    if (waits(t)) f.shares[f.n++].table = t;
  rc = n > 1 ? flush_shares(d, &f, &why) : CQ_ERROR;
  if (rc && !cq_dest_whole(rc)) {
    rc = CQ_OK;
    for (size_t i = 0; i < n && rc == CQ_OK; i++)
      rc = flush_alone(d, &f.shares[i], &why);
  }
  if (rc && err) *err = why;
  cq_free(f.shares);
  return rc;
}
