/* ext/dest/postgresql/state.c: runs: claimed, settled where one was cut off,
 * published.
 *
 * A run is unsettled from its claim until its rows are published or removed.
 * Whoever begins the next run of that source settles what a killed or
 * interrupted one left; a run that lives is left alone.  It lives as long as it
 * gives signs of life: its entry is renewed every second, and the server knows
 * its connection. */
#include "dest/postgresql/internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  SILENT_MS = 120000, /* connected, idle, and silent for so long: over */
  GONE_MS = 15000,    /* without its connection: it may be making another */
  DYING_MS = 5000,    /* its process has ended, its connection not yet */
  RUNS = 64           /* of one source that are unsettled */
};

static int last_work(pg *d, void *user, cq_error *err) {
  return pg_one(d, user, "cq_syncs", err,
                "SELECT max(sync_group_id) FROM %I.cq_syncs", d->schema);
}

int pg_last_group(cq_dest *base, int64_t *out, cq_error *err) {
  return pg_transact((pg *)base, PG_READ, last_work, out, err);
}

/* ---- settling what earlier runs left -------------------------------------------- */

/* All units that are whole, or those alone that have a cursor. */
static void add_publish(pg_batch *b, const pg *d, int64_t group,
                        const char *source, int all) {
  const char *which = all ? "" : " AND u.cursor <> ''";

  pg_add(b, NULL,
         "INSERT INTO %I.cq_units (table_name, source_name, client_id, "
         "sync_group_id, sync_time, cursor, rows) SELECT u.table_name, "
         "u.source_name, u.client_id, u.sync_group_id, s.sync_time, u.cursor, "
         "u.rows FROM %I.cq_sync_units AS u JOIN %I.cq_syncs AS s ON "
         "s.sync_group_id = u.sync_group_id AND s.source_name = u.source_name "
         "WHERE u.sync_group_id = %n AND u.source_name = %L AND u.status = "
         "'ok' AND u.published = 0%s ON CONFLICT (table_name, source_name, "
         "client_id) DO UPDATE SET sync_group_id = excluded.sync_group_id, "
         "sync_time = excluded.sync_time, cursor = excluded.cursor, rows = "
         "excluded.rows",
         d->schema, d->schema, d->schema, group, source, which);
  pg_add(b, NULL,
         "UPDATE %I.cq_sync_units AS u SET published = 1 WHERE sync_group_id = "
         "%n AND source_name = %L AND status = 'ok' AND published = 0%s",
         d->schema, group, source, which);
}

static int remove_rows(pg *d, pg_batch *b, int64_t group, const char *source,
                       const char *table, cq_error *err) {
  char raw[PG_NAME];
  pg_present p;
  int rc;

  pg_name(raw, "raw_", table, "");
  rc = pg_present_read(d, raw, &p, err);
  if (rc == CQ_OK && p.kind == 'r' && pg_present_type(&p, "_cq_sync_group_id"))
    pg_add(b, NULL,
           "DELETE FROM %I.%I AS r WHERE r._cq_sync_group_id = %n AND "
           "r._cq_source_name = %L AND NOT EXISTS (SELECT FROM "
           "%I.cq_sync_units AS u WHERE u.table_name = %L AND u.source_name = "
           "r._cq_source_name AND u.client_id = r._cq_client_id AND "
           "u.sync_group_id = r._cq_sync_group_id AND u.published = 1)",
           d->schema, raw, group, source, d->schema, table);
  pg_present_clear(&p);
  return rc;
}

static int drop_stages(pg *d, int64_t group, cq_error *err) {
  pg_batch b;
  pg_result *r =
      pg_select(d, "pg_class", err,
                "SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON "
                "n.oid = c.relnamespace WHERE n.nspname = %L AND c.relkind = "
                "'r' AND c.relname LIKE 'cq\\_stage\\_%n\\_%%'",
                d->schema, group);
  int rc;

  if (!r) return err->code;
  pg_batch_init(&b);
  for (int i = 0; i < pg_rows(d, r); i++)
    pg_add(&b, NULL, "DROP TABLE IF EXISTS %I.%I", d->schema,
           pg_text(d, r, i, 0));
  pg_done(d, r);
  rc = pg_run(d, &b, "stages", err);
  pg_batch_clear(&b);
  return rc;
}

/* In all tables that the run has touched. */
static int remove_all_rows(pg *d, pg_batch *b, int64_t group,
                           const char *source, cq_error *err) {
  pg_result *r = pg_select(d, "cq_sync_tables", err,
                           "SELECT table_name FROM %I.cq_sync_tables WHERE "
                           "sync_group_id = %n AND source_name = %L",
                           d->schema, group, source);
  int rc = CQ_OK;

  if (!r) return err->code;
  for (int i = 0; i < pg_rows(d, r) && rc == CQ_OK; i++)
    rc = remove_rows(d, b, group, source, pg_text(d, r, i, 0), err);
  pg_done(d, r);
  return rc;
}

static int settle(pg *d, int64_t group, const char *source, int keep,
                  cq_error *err) {
  pg_batch b;
  int rc;

  pg_batch_init(&b);
  add_publish(&b, d, group, source, keep);
  rc = remove_all_rows(d, &b, group, source, err);
  pg_add_tables_over(&b, d, group, source, "interrupted");
  if (!keep)
    pg_add(&b, NULL,
           "DELETE FROM %I.cq_sync_units WHERE sync_group_id = %n AND "
           "source_name = %L AND status = 'ok' AND published = 0",
           d->schema, group, source);
  pg_add(&b, NULL,
         "UPDATE %I.cq_syncs SET unsettled = 0, status = CASE status WHEN "
         "'running' THEN 'interrupted' ELSE status END, finished = "
         "coalesce(finished, clock_timestamp()) WHERE sync_group_id = %n AND "
         "source_name = %L",
         d->schema, group, source);
  if (rc == CQ_OK) rc = pg_run(d, &b, "cq_syncs", err);
  if (rc == CQ_OK) rc = drop_stages(d, group, err);
  pg_batch_clear(&b);
  return rc;
}

/* ---- who runs what ------------------------------------------------------------------ */

/* How does its connection do: 0 = there is none, 1 = idle, 2 = at work. */
static int connection_of(pg *d, const char *owner, int64_t *out,
                         cq_error *err) {
  const char *at = strrchr(owner, ':');
  pg_backend b;

  *out = 0;
  if (!at || !pg_backend_read(at + 1, &b)) return CQ_OK;
  return pg_one(d, out, "pg_stat_activity", err,
                "SELECT CASE WHEN state = 'active' THEN 2 ELSE 1 END FROM "
                "pg_stat_activity WHERE pid = %d AND pid <> pg_backend_pid() "
                "AND (backend_start IS NULL OR floor(extract(epoch FROM "
                "backend_start) * 1000000)::bigint = %n) AND (%L = '' OR "
                "application_name IS NULL OR application_name = 'cq %s')",
                b.pid, b.start, b.token, b.token);
}

static int still_runs(pg *d, const char *owner, int64_t silent_ms, int *out,
                      cq_error *err) {
  int gone = cq_dest_owner_gone(owner, d->owner);
  int64_t at = 0, until = cq_mono_ms() + DYING_MS;
  int rc;

  *out = 0;
  /* Who begins a run has none under way, whichever connection it had. */
  if (cq_dest_owner_same(owner, d->owner)) return CQ_OK;
  for (;;) {
    rc = pg_do(d, "pg_stat_activity", err, "SELECT pg_stat_clear_snapshot()");
    if (rc == CQ_OK) rc = connection_of(d, owner, &at, err);
    /* The server sees in a moment that a killed process's connection ended. */
    if (rc || !gone || at == 0 || cq_mono_ms() > until) break;
    rc = pg_sleep(d, 100, err);
    if (rc) return rc;
  }
  *out = at == 2   ? 1
         : at == 1 ? !gone && silent_ms < SILENT_MS
                   : !gone && silent_ms < GONE_MS;
  return rc;
}

typedef struct claim {
  cq_dest_run *run;
  int retry; /* as the caller said */
} claim;

static int settle_all(pg *d, const cq_dest_run *r, cq_error *err) {
  pg_result *q = pg_select(
      d, "cq_syncs", err,
      "SELECT sync_group_id, owner, updated, status, (extract(epoch FROM "
      "clock_timestamp() - updated) * 1000)::bigint FROM %I.cq_syncs WHERE "
      "source_name = %L AND unsettled = 1 ORDER BY sync_group_id LIMIT %d",
      d->schema, r->source, RUNS);
  int rc = CQ_OK;

  if (!q) return err->code;
  for (int i = 0; i < pg_rows(d, q) && rc == CQ_OK; i++) {
    const char *owner = pg_text(d, q, i, 1);
    int lives = 0;

    if (strcmp(pg_text(d, q, i, 3), "running") != 0) continue;
    rc = still_runs(d, owner, pg_int(d, q, i, 4), &lives, err);
    if (rc == CQ_OK && lives)
      rc = cq_dest_source_busy(r, &d->base, owner, d->owner, pg_int(d, q, i, 0),
                               err);
    /* In the middle of a transaction it would hold its entry for ever. */
    if (rc == CQ_OK && strrchr(owner, ':'))
      rc = pg_end_backend(d, strrchr(owner, ':') + 1, err);
  }
  for (int i = 0; i < pg_rows(d, q) && rc == CQ_OK; i++)
    rc = settle(d, pg_int(d, q, i, 0), r->source, r->retry, err);
  pg_done(d, q);
  return rc;
}

static int begin_work(pg *d, void *user, cq_error *err) {
  claim *c = user;
  cq_dest_run *r = c->run;
  int64_t cut = 0;
  int rc = pg_do(d, "lock", err, "SELECT pg_advisory_xact_lock(%n)",
                 pg_lock_key(d, "run", r->source));

  r->retry = c->retry;
  r->base = 0;
  if (rc == CQ_OK && r->resume)
    rc = pg_one(d, &cut, "cq_syncs", err,
                "SELECT count(*) FROM %I.cq_syncs WHERE source_name = %L AND "
                "unsettled = 1",
                d->schema, r->source);
  r->retry |= cut > 0;
  if (rc == CQ_OK) rc = settle_all(d, r, err);
  if (rc == CQ_OK && r->retry)
    rc = pg_one(d, &r->base, "cq_syncs", err,
                "SELECT max(sync_group_id) FROM %I.cq_syncs WHERE source_name "
                "= %L AND kind = 'full'",
                d->schema, r->source);
  if (rc) return rc;
  return pg_do(d, "cq_syncs", err,
               "INSERT INTO %I.cq_syncs (sync_group_id, source_name, "
               "integration, destination_name, write_mode, sync_group, kind, "
               "status, sync_time, started, updated, owner, unsettled) VALUES "
               "(%n, %L, %L, %L, %L, %L, %L, 'running', %L, %t, "
               "clock_timestamp(), %L, 1)",
               d->schema, r->group, r->source, r->integration, d->base.name,
               cq_write_mode_name(d->base.mode), r->sync_group,
               r->retry && r->base ? "retry" : "full", r->time, r->started_us,
               d->owner);
}

int pg_begin(cq_dest *base, cq_dest_run *r, cq_error *err) {
  pg *d = (pg *)base;
  claim c = {r, r->retry};
  int rc;

  d->run = NULL;
  rc = pg_transact(d, PG_PLAIN, begin_work, &c, err);
  if (rc == CQ_OK) d->run = r, d->moved = 0;
  return rc;
}

/* ---- publish ------------------------------------------------------------------------- */

typedef struct publish {
  const cq_dest_run *run;
  cq_dest_table *const *tables;
  int nt;
  const char *status, *message;
  const cq_counts *n;
  int64_t *deleted; /* per table, of clients that are gone */
} publish;

static int table_failed(const cq_dest_table *t) {
  const pg_table *own = t->own;

  return t->failed || (own && own->failed);
}

static void add_forget(pg_batch *b, const pg *d, const cq_dest_run *r,
                       const cq_dest_table *t, int64_t *deleted) {
  const char *name = t->def->name;
  char cut[PG_NAME];
  cq_buf gone;

  cq_buf_init(&gone, CQ_MAX_SPEC_BYTES);
  cq_sql_gone_clients(&gone, d->schema, t, r);
  if (gone.rc) {
    b->sql.rc = gone.rc;
  } else {
    pg_name(cut, "", name, "");
    if (d->base.mode == CQ_MODE_DELETE_STALE)
      pg_add(b, deleted,
             "DELETE FROM %I.%I WHERE _cq_source_name = %L AND _cq_client_id "
             "IN (SELECT c.client_id FROM %I.cq_units AS c WHERE %s)",
             d->schema, cut, r->source, d->schema, gone.data);
    if (d->base.mode != CQ_MODE_OVERWRITE)
      pg_add(b, NULL, "DELETE FROM %I.cq_units AS c WHERE %s", d->schema,
             gone.data);
  }
  cq_buf_clear(&gone);
}

static int publish_units(pg *d, publish *p, cq_error *err) {
  const cq_dest_run *r = p->run;
  pg_batch b;
  int rc;

  pg_batch_init(&b);
  for (int i = 0; i < p->nt; i++) {
    p->deleted[i] = 0;
    if (table_failed(p->tables[i]))
      pg_add(&b, NULL,
             "UPDATE %I.cq_sync_units SET status = 'failed' WHERE table_name = "
             "%L AND source_name = %L AND sync_group_id = %n AND published = 0",
             d->schema, p->tables[i]->def->name, r->source, r->group);
  }
  add_publish(&b, d, r->group, r->source, 1);
  for (int i = 0; i < p->nt; i++) {
    const cq_dest_table *t = p->tables[i];

    if (t->complete && !table_failed(t) && !t->incremental && !r->base)
      add_forget(&b, d, r, t, &p->deleted[i]);
  }
  rc = pg_run(d, &b, "publish", err);
  pg_batch_clear(&b);
  return rc;
}

static int publish_work(pg *d, void *user, cq_error *err) {
  publish *p = user;
  const cq_dest_run *r = p->run;
  pg_batch b;
  int rc = publish_units(d, p, err);

  if (rc) return rc;
  pg_batch_init(&b);
  for (int i = 0; i < p->nt; i++) {
    cq_dest_table t = *p->tables[i];

    t.n.deleted += p->deleted[i];
    if (table_failed(p->tables[i])) t.status = "failed";
    pg_add_table(&b, d, r, &t);
  }
  /* Units that failed have dropped their rows; a table that failed here may
   * have some of each. */
  for (int i = 0; i < p->nt && rc == CQ_OK; i++)
    if (table_failed(p->tables[i]) && d->base.mode == CQ_MODE_APPEND)
      rc =
          remove_rows(d, &b, r->group, r->source, p->tables[i]->def->name, err);
  pg_add_run(&b, d, r, p->status, p->n, p->nt, p->message);
  pg_add(&b, NULL,
         "UPDATE %I.cq_syncs SET unsettled = 0 WHERE sync_group_id = %n AND "
         "source_name = %L",
         d->schema, r->group, r->source);
  if (rc == CQ_OK) rc = pg_run(d, &b, "publish", err);
  if (rc == CQ_OK) rc = drop_stages(d, r->group, err);
  pg_batch_clear(&b);
  return rc;
}

int pg_publish(cq_dest *base, const cq_dest_run *r, cq_dest_table *const *t,
               int nt, const char *status, const cq_counts *n,
               const char *message, cq_error *err) {
  pg *d = (pg *)base;
  publish p = {r, t, nt, status, message, n, NULL};
  int rc = pg_flush(d, err);

  if (rc == CQ_OK) rc = pg_notes(d, err);
  if (rc) return rc;
  p.deleted = cq_calloc((size_t)nt + 1, sizeof *p.deleted);
  if (!p.deleted) return cq_error_nomem(err);
  for (int i = 0; i < nt; i++)
    if (t[i]->own) pg_counts_out(t[i]->own);
  rc = pg_transact(d, PG_FENCED, publish_work, &p, err);
  if (rc == CQ_OK) {
    for (int i = 0; i < nt; i++) {
      pg_table *own = t[i]->own;

      t[i]->n.deleted += p.deleted[i];
      if (own) own->n.deleted = t[i]->n.deleted;
      if (own) own->staged = 0;
    }
    d->run = NULL;
  }
  cq_free(p.deleted);
  return rc;
}
