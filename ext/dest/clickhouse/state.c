/* ext/dest/clickhouse/state.c: runs in ClickHouse: claimed, and what killed ones
 * left settled by the next of their source.
 *
 * There is no lock and no transaction.  A claim is a row; whoever has added one
 * looks whether there is another's, and gives way where there is: of two that
 * begin at once at least one sees the other.
 *
 * A run that is taken for dead may have stood still alone.  So before it is
 * settled its row says that it is taken, in a version that no word of its own is
 * above, and statements of it that the server is at are waited for.  From then on
 * the statement that would publish it finds that it may not (publish.c); and
 * what it has written since it removes itself. */
#include <stdlib.h>
#include <string.h>

#include "dest/clickhouse/internal.h"

enum { RUNS = 64, LOOKS = 10, LOOK_MS = 200 };

int ch_last_group(cq_dest *base, int64_t *out, cq_error *err) {
  return ch_int(ch_of(base), out, err, "SELECT max(sync_group_id) FROM %t",
                "raw_cq_syncs");
}

/* ---- runs that are unsettled ---------------------------------------------------------- */

typedef struct open_runs {
  ch *d;
  int64_t mine; /* the group that asks */
  int64_t groups[RUNS];
  int64_t busy; /* group of one that is at work; 0 = none */
  char owner[300], since[64];
  int n, cut; /* of which so many are not published */
} open_runs;

static int on_run(void *user, char **cell, int n) {
  open_runs *o = user;
  int64_t group;

  if (n < 5 || !cell[0] || !cell[1] || !cell[2] || !cell[3] || !cell[4])
    return CQ_OK;
  group = strtoll(cell[0], NULL, 10);
  /* Of one cq_sync that has this place twice both have that number. */
  if (group == o->mine && cq_dest_owner_same(cell[1], o->d->owner))
    return CQ_OK;
  if (strcmp(cell[3], "running") == 0 &&
      cq_dest_owner_runs(cell[1], o->d->owner, cell[2])) {
    o->busy = group;
    snprintf(o->owner, sizeof o->owner, "%s", cell[1]);
    snprintf(o->since, sizeof o->since, "%s", cell[2]);
  } else if (o->n < RUNS) {
    o->groups[o->n++] = group;
    o->cut += atoi(cell[4]) != CH_UNTIDY;
  }
  return CQ_OK;
}

static int open_runs_of(ch *d, const char *source, int64_t mine, open_runs *out,
                        cq_error *err) {
  memset(out, 0, sizeof *out);
  out->d = d;
  out->mine = mine;
  return ch_rows(
      d, on_run, out, err,
      "SELECT sync_group_id, owner, updated, status, unsettled FROM %t WHERE "
      "source_name = %Q AND unsettled != 0 ORDER BY sync_group_id",
      "cq_syncs", source);
}

static int is_busy(const ch *d, const cq_dest_run *r, const open_runs *o,
                   cq_error *err) {
  return cq_dest_source_busy(r, &d->base, o->owner, d->owner, o->busy, err);
}

/* ---- settling --------------------------------------------------------------------------- */

typedef struct texts {
  char **v;
  size_t n, cap;
} texts;

static int on_text(void *user, char **cell, int n) {
  texts *t = user;

  if (n < 1 || !cell[0]) return CQ_OK;
  if (cq_grow(&t->v, &t->cap, t->n, sizeof *t->v)) return CQ_NOMEM;
  t->v[t->n] = cq_strdup(cell[0]);
  return t->v[t->n++] ? CQ_OK : CQ_NOMEM;
}

static void texts_clear(texts *t) {
  for (size_t i = 0; i < t->n; i++) cq_free(t->v[i]);
  cq_free(t->v);
  memset(t, 0, sizeof *t);
}

/* In all tables that the run has touched: of one whose own entry was lost the
 * units' tell. */
static int remove_all_rows(ch *d, int64_t group, const char *source,
                           cq_error *err) {
  texts t = {NULL, 0, 0};
  int rc = ch_rows(d, on_text, &t, err,
                   "SELECT substring(name, 5) FROM system.tables WHERE "
                   "database = %Q AND substring(name, 1, 4) = 'raw_' AND "
                   "(substring(name, 5) IN (SELECT table_name FROM %t WHERE "
                   "sync_group_id = %lld AND source_name = %Q) OR "
                   "substring(name, 5) IN (SELECT table_name FROM %t WHERE "
                   "sync_group_id = %lld AND source_name = %Q))",
                   d->o->database, "cq_sync_tables", (long long)group, source,
                   "cq_sync_units", (long long)group, source);

  for (size_t i = 0; i < t.n && rc == CQ_OK; i++)
    rc = ch_remove_rows(d, group, source, t.v[i], err);
  texts_clear(&t);
  return rc;
}

/* Cells of cq_syncs that a settled run is told anew with. */
#define RUN_COLUMNS                                                            \
  "sync_group_id, source_name, integration, destination_name, write_mode, "    \
  "sync_group, kind, status, sync_time, tables, units, units_done, rows, "     \
  "errors, requests, retries, throttled_ms, bytes, started, updated, "         \
  "finished, message, owner, unsettled, gone, version"

/* Nothing of it is published any more by itself. */
static int take(ch *d, int64_t group, const char *source, cq_error *err) {
  char *ids = ch_insert_ids(group, source);
  cq_error why = {0, ""};
  int rc =
      ids ? ch_exec(
                d, err,
                "INSERT INTO %t (" RUN_COLUMNS ") SELECT sync_group_id, "
                "source_name, integration, destination_name, write_mode, "
                "sync_group, kind, status, sync_time, tables, units, "
                "units_done, rows, errors, requests, retries, throttled_ms, "
                "bytes, started, updated, finished, message, owner, "
                "toUInt8(%d) AS taken, gone, toUInt64(%llu) AS newest FROM "
                "(SELECT * FROM %t FINAL) WHERE sync_group_id = %lld AND "
                "source_name = %Q AND unsettled = %d",
                "raw_cq_syncs", CH_TAKEN,
                (unsigned long long)ch_version_above(d), "raw_cq_syncs",
                (long long)group, source, CH_OPEN)
          : cq_error_nomem(err);

  if (rc == CQ_OK && ch_insert_wait(d, ids, &why)) {
    /* Who may not look at processes goes on: what is left of the run's
     * statements finds that it is taken, or adds rows that nothing points at. */
    if (why.code != CQ_READONLY) {
      rc = why.code;
      *err = why;
    }
  }
  cq_free(ids);
  return rc;
}

static int settle_run(ch *d, int64_t group, const char *source, int lost,
                      int gone, cq_error *err) {
  char now[40];

  cq_dest_time(cq_now_us(), now);
  return ch_exec(
      d, err,
      "INSERT INTO %t (" RUN_COLUMNS ") SELECT sync_group_id, source_name, "
      "integration, destination_name, write_mode, sync_group, kind, if(status "
      "= 'running' OR (%d AND status IN ('success', 'partial')), "
      "'interrupted', status) AS word, sync_time, tables, units, units_done, "
      "rows, errors, requests, retries, throttled_ms, bytes, started, updated, "
      "coalesce(finished, %Q) AS ended, message, owner, toUInt8(0) AS done, "
      "toUInt8(%d) AS away, toUInt64(%llu) AS newest FROM (SELECT * FROM %t "
      "FINAL) WHERE sync_group_id = %lld AND source_name = %Q",
      "raw_cq_syncs", lost, now, gone, (unsigned long long)ch_version_above(d),
      "raw_cq_syncs", (long long)group, source);
}

/* Whatever of it is not published goes. */
static int sweep(ch *d, int64_t group, const char *source, cq_error *err) {
  int rc = remove_all_rows(d, group, source, err);

  if (rc == CQ_OK) rc = ch_tables_over(d, group, source, "interrupted", err);
  if (rc == CQ_OK)
    rc = ch_exec(d, err,
                 "INSERT INTO %t (table_name, source_name, client_id, "
                 "sync_group_id, status, rows, cursor, started, finished, "
                 "gone, version) SELECT table_name, source_name, client_id, "
                 "sync_group_id, status, rows, cursor, started, finished, "
                 "toUInt8(1), toUInt64(%llu) FROM %t WHERE sync_group_id = "
                 "%lld AND source_name = %Q AND status = 'ok' AND published = "
                 "0",
                 "raw_cq_sync_units", (unsigned long long)ch_version(d),
                 "cq_sync_units", (long long)group, source);
  return rc;
}

/* Its rows become current, where a retry goes on from them, or go. */
static int settle(ch *d, int64_t group, const char *source, int keep,
                  cq_error *err) {
  texts time = {NULL, 0, 0};
  int64_t whole = 0;
  int rc = take(d, group, source, err);

  if (rc == CQ_OK)
    rc = ch_rows(d, on_text, &time, err,
                 "SELECT sync_time FROM %t WHERE sync_group_id = %lld AND "
                 "source_name = %Q",
                 "cq_syncs", (long long)group, source);
  if (rc == CQ_OK)
    rc = ch_int(d, &whole, err,
                "SELECT count() FROM %t WHERE sync_group_id = %lld AND "
                "source_name = %Q AND status = 'ok' AND published = 0%s",
                "cq_sync_units", (long long)group, source,
                keep ? "" : " AND cursor != ''");
  if (rc == CQ_OK && whole && time.n)
    rc = ch_point(d, group, source, time.v[0], NULL, keep, CH_TAKEN, err);
  if (rc == CQ_OK) rc = sweep(d, group, source, err);
  if (rc == CQ_OK) rc = settle_run(d, group, source, whole > 0, 0, err);
  texts_clear(&time);
  return rc;
}

/* ---- whose a run is ------------------------------------------------------------------------ */

struct ch_held {
  ch_held *next;
  const char *source; /* the run's */
  int64_t group;
};

static int add_held(ch *d, const cq_dest_run *r, cq_error *err) {
  ch_held *h = cq_calloc(1, sizeof *h);

  if (!h) return cq_error_nomem(err);
  h->source = r->source;
  h->group = r->group;
  h->next = d->held;
  d->held = h;
  return CQ_OK;
}

void ch_let_go(ch *d, const cq_dest_run *r) {
  for (ch_held **at = &d->held; *at; at = &(*at)->next) {
    ch_held *h = *at;

    if (r && (h->group != r->group || strcmp(h->source, r->source) != 0))
      continue;
    *at = h->next;
    cq_free(h);
    break;
  }
}

int ch_hold(ch *d, int64_t group, const char *source, int unsettled,
            cq_error *err) {
  int64_t ours = 0;
  int rc = ch_int(d, &ours, err,
                  "SELECT count() FROM %t WHERE sync_group_id = %lld AND "
                  "source_name = %Q AND unsettled = %d",
                  "cq_syncs", (long long)group, source, unsettled);

  if (rc || ours) return rc;
  return cq_error_set(err, CQ_BUSY,
                      "source %s: its run in %s was taken over by another "
                      "connection",
                      source, d->base.name);
}

int ch_hold_all(ch *d, cq_error *err) {
  int rc = CQ_OK;

  for (const ch_held *h = d->held; h && rc == CQ_OK; h = h->next)
    rc = ch_hold(d, h->group, h->source, CH_OPEN, err);
  return rc;
}

/* Only once the other is done with it: until then it may publish some. */
int ch_leave(ch *d, const cq_dest_run *r, int *taken, cq_error *err) {
  cq_error why = {0, ""};
  int64_t settled = 0;
  int rc = ch_hold(d, r->group, r->source, CH_OPEN, &why);

  *taken = rc == CQ_BUSY;
  if (!*taken) {
    if (rc) *err = why;
    return rc;
  }
  ch_give_up(d, r, &why);
  rc = ch_journal_flush(d, err);
  if (rc == CQ_OK)
    rc = ch_int(d, &settled, err,
                "SELECT count() FROM %t WHERE sync_group_id = %lld AND "
                "source_name = %Q AND unsettled = 0",
                "cq_syncs", (long long)r->group, r->source);
  if (rc == CQ_OK && settled) rc = sweep(d, r->group, r->source, err);
  return rc;
}

/* ---- the claim ----------------------------------------------------------------------------- */

/* Ours is in: is there another's?  Both may have begun at once; then the one of
 * the smaller number waits for the other to give way. */
static int contend(ch *d, const cq_dest_run *r, open_runs *o, cq_error *err) {
  int rc = CQ_OK;

  for (int i = 0; i < LOOKS; i++) {
    rc = open_runs_of(d, r->source, r->group, o, err);
    if (rc || !o->busy) return rc;
    if (o->busy < r->group) break;
    rc = ch_pause(d, LOOK_MS, err);
    if (rc) return rc;
  }
  rc = settle_run(d, r->group, r->source, 0, 1, err);
  return rc ? rc : is_busy(d, r, o, err);
}

/* The server may still be at work at what a process has claimed that is dead
 * by now; who comes in late would be found by nobody but the run after us.  Who
 * may not look at processes goes on. */
static int wait_for_claims(ch *d, const char *source, cq_error *err) {
  char *ids = ch_claim_ids(source);
  cq_error why = {0, ""};
  int rc = ids ? ch_insert_wait(d, ids, &why) : cq_error_nomem(&why);

  cq_free(ids);
  if (!rc || rc == CQ_READONLY) return CQ_OK;
  *err = why;
  return rc;
}

int ch_begin(cq_dest *base, cq_dest_run *r, cq_error *err) {
  ch *d = ch_of(base);
  open_runs o;
  cq_counts none;
  int rc = wait_for_claims(d, r->source, err);

  if (rc == CQ_OK) rc = open_runs_of(d, r->source, r->group, &o, err);
  if (rc) return rc;
  if (o.busy) return is_busy(d, r, &o, err);
  if (r->resume && o.cut) r->retry = 1;
  if (r->retry)
    rc = ch_int(d, &r->base, err,
                "SELECT max(sync_group_id) FROM %t WHERE source_name = %Q AND "
                "kind = 'full'",
                "cq_syncs", r->source);
  memset(&none, 0, sizeof none);
  if (rc == CQ_OK && ch_run_row(d, r, "running", &none, 0, NULL, CH_OPEN))
    rc = cq_error_nomem(err);
  if (rc) return rc;
  rc = ch_journal_claim(d, r->source, err);
  if (rc == CQ_OK) rc = contend(d, r, &o, err);
  for (int i = 0; i < o.n && rc == CQ_OK; i++)
    rc = settle(d, o.groups[i], r->source, r->retry, err);
  if (rc == CQ_OK) rc = add_held(d, r, err);
  /* Of a run that does not begin no claim may stay: this process lives on, and
   * nobody else could begin one. */
  if (rc) settle_run(d, r->group, r->source, 0, 1, NULL);
  return rc;
}

/* ---- states ---------------------------------------------------------------------------------- */

typedef struct states {
  int (*each)(void *user, const char *client, const cq_dest_state *s);
  void *user;
} states;

static int on_state(void *user, char **cell, int n) {
  states *s = user;
  cq_dest_state st;

  if (n < 5 || !cell[0]) return CQ_OK;
  memset(&st, 0, sizeof st);
  st.group = cell[1] ? strtoll(cell[1], NULL, 10) : 0;
  st.rows = cell[2] ? strtoll(cell[2], NULL, 10) : 0;
  st.cursor = cell[3];
  st.done = cell[4] && *cell[4] == '1';
  return s->each(s->user, cell[0], &st);
}

/* A unit that a retry can leave out may never have been published: skipped. */
int ch_states(cq_dest *base, const cq_dest_run *r, const char *table,
              int (*each)(void *user, const char *client,
                          const cq_dest_state *s),
              void *user, cq_error *err) {
  ch *d = ch_of(base);
  states s = {each, user};

  if (!r->retry || !r->base)
    return ch_rows(d, on_state, &s, err,
                   "SELECT client_id, sync_group_id, rows, cursor, 0 FROM %t "
                   "WHERE table_name = %Q AND source_name = %Q",
                   "cq_units", table, r->source);
  return ch_rows(
      d, on_state, &s, err,
      "SELECT client_id, max(g), max(n), max(c), max(over) FROM (SELECT "
      "client_id, sync_group_id AS g, rows AS n, cursor AS c, toUInt8(0) AS "
      "over FROM %t WHERE table_name = %Q AND source_name = %Q UNION ALL "
      "SELECT client_id, toInt64(0) AS g, toInt64(0) AS n, '' AS c, toUInt8(1) "
      "AS over FROM %t WHERE table_name = %Q AND source_name = %Q AND "
      "sync_group_id >= %lld AND (published = 1 OR status = 'skipped')) GROUP "
      "BY client_id",
      "cq_units", table, r->source, "cq_sync_units", table, r->source,
      (long long)r->base);
}
