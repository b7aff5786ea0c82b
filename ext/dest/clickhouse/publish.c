/* ext/dest/clickhouse/publish.c: what makes a run's rows current: one insert of
 * one block into raw_cq_units, which readers see whole or not at all.
 *
 * Before it everything is told but that the run is over; after it what nobody
 * sees any more is removed: rows of units that failed, superseded snapshots
 * (overwrite-delete-stale), replaced rows (overwrite).  Cut off anywhere, the
 * next run of the source does the rest. */
#include <stdlib.h>
#include <string.h>

#include "dest/clickhouse/internal.h"

/* One statement looks at pointers and at rows one after the other.  Servers that
 * look at the pointers first (CH_HAS_ORDER) find the rows that they point at;
 * for the others rows are there for a while before they are pointed at.  On all
 * of them rows stay for a while when they are pointed at no longer: what a
 * statement that has seen the old pointers needs to come to its rows. */
enum { QUIET_MS = 100 };

/* ---- the pointers ----------------------------------------------------------------------- */

typedef struct pointed {
  const char *source;
  unsigned long long version;
} pointed;

static int pointers_in(ch *d, void *user, cq_error *err) {
  const pointed *p = user;
  int64_t there = 0;
  int rc = ch_int(d, &there, err,
                  "SELECT count() FROM %t WHERE source_name = %Q AND version = "
                  "%llu",
                  "raw_cq_units", p->source, p->version);

  return rc ? rc : there ? CQ_DONE : CQ_OK;
}

/* The statement itself looks whether the run is still whose it is thought to be:
 * it may have stood still since it was asked last. */
int ch_point(ch *d, int64_t group, const char *source, const char *time,
             const char *gone, int all, int unsettled, cq_error *err) {
  unsigned long long version = (unsigned long long)ch_version(d);
  pointed in = {source, version};
  ch_ask q = {.once = 1};
  cq_buf b, held;
  char *ids = ch_insert_ids(group, source);
  char *id = ids ? cq_mprintf("%spublish_%llu", ids, version) : NULL;
  int rc;

  cq_buf_init(&b, SIZE_MAX);
  cq_buf_init(&held, CQ_MAX_SPEC_BYTES);
  ch_format(d, &held,
            " AND source_name IN (SELECT source_name FROM %t WHERE "
            "sync_group_id = %lld AND source_name = %Q AND unsettled = %d)",
            "cq_syncs", (long long)group, source, unsettled);
  if (held.rc) b.rc = held.rc;
  ch_format(d, &b,
            "INSERT INTO %t (table_name, source_name, client_id, "
            "sync_group_id, sync_time, cursor, rows, gone, version) SELECT "
            "table_name, source_name, client_id, sync_group_id, %Q AS t, "
            "cursor, rows, toUInt8(0) AS g, toUInt64(%llu) AS v FROM %t WHERE "
            "sync_group_id = %lld AND source_name = %Q AND status = 'ok' AND "
            "published = 0%s%s",
            "raw_cq_units", time, version, "cq_sync_units", (long long)group,
            source, all ? "" : " AND cursor != ''", held.rc ? "" : held.data);
  if (gone)
    ch_format(d, &b,
              " UNION ALL SELECT table_name, source_name, client_id, "
              "sync_group_id, '' AS t, '' AS cursor, toInt64(0) AS rows, "
              "toUInt8(1) AS g, toUInt64(%llu) AS v FROM %t WHERE (%s)%s",
              version, "cq_units", gone, held.rc ? "" : held.data);
  rc = b.rc || !id ? cq_error_nomem(err) : CQ_OK;
  q.body = b.data;
  q.nbody = b.len;
  q.id = id;
  /* All of it in one block, which is one part. */
  q.settings = ch_has(d, CH_HAS_LOW_CARDINALITY)
                   ? "&max_threads=1&max_insert_threads=1&max_query_size="
                     "67108864&min_insert_block_size_rows=1000000000"
                     "&min_insert_block_size_bytes=0"
                   : "&max_threads=1&max_query_size=67108864"
                     "&min_insert_block_size_rows=1000000000"
                     "&min_insert_block_size_bytes=0";
  if (rc == CQ_OK) rc = ch_insert(d, &q, pointers_in, &in, err);
  if (rc == CQ_OK) rc = ch_hold(d, group, source, unsettled, err);
  /* Since it has published? */
  if (rc == CQ_BUSY && pointers_in(d, &in, NULL) == CQ_DONE) {
    cq_error_clear(err);
    rc = CQ_OK;
  }
  cq_buf_clear(&b);
  cq_buf_clear(&held);
  cq_free(ids);
  cq_free(id);
  return rc;
}

typedef struct prefixes {
  ch *d;
  cq_buf *b;
  const char *table;
} prefixes;

/* A client whose own clients could not be found out stands in the journal by a
 * shorter name: those below it are kept. */
static int on_failed(void *user, char **cell, int n) {
  prefixes *p = user;
  cq_buf text;

  if (n < 1 || !cell[0] || !*cell[0]) return CQ_OK;
  cq_buf_init(&text, CQ_MAX_URL);
  cq_buf_printf(&text, "%s:", cell[0]);
  if (text.rc)
    p->b->rc = text.rc;
  else
    ch_format(p->d, p->b, " AND substring(client_id, 1, %d) != %Q",
              (int)text.len, text.data);
  cq_buf_clear(&text);
  return p->b->rc;
}

/* Clients that a whole run of the table no longer has, as a condition. */
static int gone_of(ch *d, const cq_dest_run *r, const cq_dest_table *t,
                   cq_buf *b, cq_error *err) {
  prefixes p = {d, b, t->def->name};
  int rc;

  cq_buf_str(b, b->len ? " OR (" : "(");
  ch_format(d, b,
            "table_name = %Q AND source_name = %Q AND client_id NOT IN (SELECT "
            "client_id FROM %t WHERE table_name = %Q AND source_name = %Q AND "
            "sync_group_id = %lld)",
            t->def->name, r->source, "cq_sync_units", t->def->name, r->source,
            (long long)r->group);
  rc = ch_rows(d, on_failed, &p, err,
               "SELECT client_id FROM %t WHERE table_name = %Q AND source_name "
               "= %Q AND sync_group_id = %lld AND status = 'failed'",
               "cq_sync_units", t->def->name, r->source, (long long)r->group);
  cq_buf_byte(b, ')');
  return rc ? rc : b->rc ? cq_error_nomem(err) : CQ_OK;
}

/* ---- counts of the overwrite modes ---------------------------------------------------------- */

static int on_counts(void *user, char **cell, int n) {
  int64_t *v = user;

  for (int i = 0; i < 5 && i < n; i++)
    v[i] = cell[i] ? strtoll(cell[i], NULL, 10) : 0;
  return CQ_OK;
}

/* Of the rows that this run brings and of those that they take the place of,
 * by key: what is new, changed, the same, and what goes. */
static int count_rows(ch *d, const cq_dest_run *r, cq_dest_table *t,
                      const char *gone, cq_error *err) {
  const char *name = t->def->name;
  int newest = d->base.mode == CQ_MODE_OVERWRITE || t->incremental;
  char *raw = cq_mprintf("raw_%s", name);
  int64_t v[5] = {0, 0, 0, 0, 0};
  cq_buf hash, old;
  int rc = raw ? CQ_OK : cq_error_nomem(err);

  cq_buf_init(&hash, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&old, CQ_MAX_SPEC_BYTES);
  cq_buf_str(&hash, "cityHash64('x'");
  for (int i = CQ_META; i < cq_dest_width(t); i++)
    ch_format(d, &hash,
              cq_dest_type(t, i) & CQ_LIST ? ", toString(%w)"
                                           : ", ifNull(toString(%w), '\\\\N')",
              cq_dest_column(t, i));
  cq_buf_byte(&hash, ')');
  if (newest)
    ch_format(d, &old,
              "SELECT source_name, client_id, sync_group_id FROM %t WHERE "
              "table_name = %Q AND gone = 0",
              "raw_cq_units", name);
  else
    ch_format(d, &old,
              "SELECT source_name, client_id, sync_group_id FROM %t WHERE "
              "table_name = %Q AND source_name = %Q AND (client_id IN (SELECT "
              "client_id FROM %t WHERE table_name = %Q AND source_name = %Q "
              "AND sync_group_id = %lld AND status = 'ok')%s%s)",
              "cq_units", name, r->source, "cq_sync_units", name, r->source,
              (long long)r->group, gone ? " OR " : "", gone ? gone : "");
  if (rc == CQ_OK && (hash.rc || old.rc)) rc = cq_error_nomem(err);
  if (rc == CQ_OK)
    rc = ch_rows(
        d, on_counts, v, err,
        "SELECT countIf(n = 1 AND o = 0), countIf(n = 1 AND o = 1 AND a != "
        "b), countIf(n = 1 AND o = 1 AND a = b), countIf(n = 0 AND o = 1), "
        "sum(c) FROM (SELECT _cq_id, max(g) AS n, sum(g) AS c, max(1 - g) AS "
        "o, anyIf(h, g = 1) AS a, "
        "argMaxIf(h, k, g = 0) AS b FROM (SELECT _cq_id, _cq_sync_group_id AS "
        "k, _cq_sync_group_id = %lld AS g, %s AS h FROM %t WHERE "
        "(_cq_sync_group_id = %lld AND _cq_source_name = %Q AND _cq_client_id "
        "IN (SELECT client_id FROM %t WHERE table_name = %Q AND source_name = "
        "%Q AND sync_group_id = %lld AND status = 'ok')) OR (_cq_sync_group_id "
        "!= %lld AND (_cq_source_name, _cq_client_id, _cq_sync_group_id) IN "
        "(%s))) GROUP BY _cq_id)",
        (long long)r->group, hash.data, raw, (long long)r->group, r->source,
        "cq_sync_units", name, r->source, (long long)r->group,
        (long long)r->group, old.data);
  if (rc == CQ_OK) {
    t->n.inserted += v[0];
    if (newest) t->n.again = v[4] - v[0] - v[1] - v[2];
    t->n.updated += v[1] + t->n.again;
    t->n.unchanged += v[2] > t->n.kept ? v[2] - t->n.kept : 0;
    if (!newest) t->n.deleted += v[3];
  }
  cq_buf_clear(&hash);
  cq_buf_clear(&old);
  cq_free(raw);
  return rc;
}

/* ---- publish ---------------------------------------------------------------------------------- */

static int fail_units(ch *d, const cq_dest_run *r, const char *table,
                      cq_error *err) {
  return ch_exec(d, err,
                 "INSERT INTO %t (table_name, source_name, client_id, "
                 "sync_group_id, status, rows, cursor, started, finished, "
                 "gone, version) SELECT table_name, source_name, client_id, "
                 "sync_group_id, 'failed', toInt64(0), '', started, finished, "
                 "toUInt8(0), toUInt64(%llu) FROM %t WHERE sync_group_id = "
                 "%lld AND source_name = %Q AND table_name = %Q AND status = "
                 "'ok' AND published = 0",
                 "raw_cq_sync_units", (unsigned long long)ch_version(d),
                 "cq_sync_units", (long long)r->group, r->source, table);
}

/* Also by the last of its batches, which nobody has been told of yet. */
static int table_failed(ch *d, const cq_dest_table *t) {
  const ch_table *x = ch_table_of(d, t);

  return t->failed || (x && x->why.code);
}

typedef struct marked {
  cq_dest_table *const *t;
  unsigned char *mark;
  int nt;
} marked;

static int on_mark(void *user, char **cell, int n) {
  marked *m = user;

  for (int i = 0; i < m->nt && n > 0 && cell[0]; i++)
    if (strcmp(m->t[i]->def->name, cell[0]) == 0) m->mark[i] = 1;
  return CQ_OK;
}

/* Tables that have clients which are no units of this run. */
static int marks_of(ch *d, const cq_dest_run *r, marked *m, cq_error *err) {
  if (r->base || d->base.mode == CQ_MODE_OVERWRITE) return CQ_OK;
  return ch_rows(d, on_mark, m, err,
                 "SELECT DISTINCT table_name FROM %t WHERE source_name = %Q "
                 "AND (table_name, client_id) NOT IN (SELECT table_name, "
                 "client_id FROM %t WHERE source_name = %Q AND sync_group_id = "
                 "%lld)",
                 "cq_units", r->source, "cq_sync_units", r->source,
                 (long long)r->group);
}

/* What stands before the pointers: keys made one of each, rows counted. */
static int prepare(ch *d, const cq_dest_run *r, cq_dest_table *const *t, int nt,
                   cq_buf *gone, cq_error *err) {
  marked m = {t, cq_calloc((size_t)nt + 1, 1), nt};
  int rc = m.mark ? marks_of(d, r, &m, err) : cq_error_nomem(err);

  for (int i = 0; i < nt && rc == CQ_OK; i++) {
    cq_dest_table *x = t[i];
    size_t from = gone->len;
    const char *mine = NULL;

    if (table_failed(d, x)) {
      rc = fail_units(d, r, x->def->name, err);
      continue;
    }
    if (m.mark[i] && x->complete && !x->incremental)
      rc = gone_of(d, r, x, gone, err);
    if (rc || d->base.mode == CQ_MODE_APPEND) continue;
    if (d->base.mode == CQ_MODE_DELETE_STALE && !x->incremental && x->n.rows)
      rc = ch_remove_twice(d, r, x->def->name, &x->n.again, err);
    if (gone->len > from) mine = strchr(gone->data + from, '(');
    if (rc || !(x->n.units_done || mine)) continue;
    rc = count_rows(d, r, x, mine, err);
    /* Of use to people; not worth a run. */
    if (rc && rc != CQ_INTERRUPT && rc != CQ_IOERR && rc != CQ_NOMEM) {
      cq_error_clear(err);
      rc = CQ_OK;
      x->n.inserted += x->n.rows;
    }
  }
  cq_free(m.mark);
  return rc;
}

/* Units that failed, rows of theirs that were sent. */
static int remove_dropped(ch *d, const cq_dest_run *r, cq_dest_table *const *t,
                          int nt, cq_error *err) {
  int rc = CQ_OK;

  for (int i = 0; i < nt && rc == CQ_OK; i++) {
    const ch_table *x = ch_table_of(d, t[i]);

    if (x && (table_failed(d, t[i]) || x->dropped > 0))
      rc = ch_remove_rows(d, r->group, r->source, t[i]->def->name, err);
  }
  return rc;
}

/* What the run has taken the place of. */
static void remove_old(ch *d, const cq_dest_run *r, cq_dest_table *const *t,
                       int nt, cq_error *err) {
  int rc = d->base.mode == CQ_MODE_APPEND ? CQ_OK : ch_pause(d, QUIET_MS, err);

  for (int i = 0; i < nt && rc != CQ_INTERRUPT && rc != CQ_IOERR; i++) {
    if (table_failed(d, t[i]) || d->base.mode == CQ_MODE_APPEND) continue;
    if (d->base.mode == CQ_MODE_DELETE_STALE && !t[i]->incremental)
      rc = ch_remove_superseded(d, r, t[i]->def->name, err);
    else if (t[i]->n.rows && !d->def.group_in_key)
      rc = ch_remove_replaced(d, r, t[i]->def->name, err);
  }
}

/* The run is published: whatever fails now does not change that.  What cannot
 * be removed or told is by the next run of the source. */
static void tidy(ch *d, const cq_dest_run *r, cq_dest_table *const *t, int nt,
                 const char *status, const cq_counts *n, const char *message) {
  cq_error unsaid = {0, ""};
  int left = remove_dropped(d, r, t, nt, &unsaid) != CQ_OK;

  if (ch_run_row(d, r, status, n, nt, message, left ? CH_UNTIDY : 0) ||
      ch_journal_flush(d, &unsaid))
    return;
  remove_old(d, r, t, nt, &unsaid);
}

int ch_publish(cq_dest *base, const cq_dest_run *r, cq_dest_table *const *t,
               int nt, const char *status, const cq_counts *n,
               const char *message, cq_error *err) {
  ch *d = ch_of(base);
  cq_buf gone;
  int rc = ch_hold(d, r->group, r->source, CH_OPEN, err);

  cq_buf_init(&gone, SIZE_MAX);
  if (rc == CQ_OK) rc = ch_commit(base, 1, err);
  if (rc == CQ_OK) rc = prepare(d, r, t, nt, &gone, err);
  for (int i = 0; i < nt && rc == CQ_OK; i++) {
    cq_dest_table end = *t[i];

    if (strcmp(end.status, "waiting") == 0 ||
        strcmp(end.status, "running") == 0)
      end.status = "failed";
    rc = ch_put_table(base, r, &end, err);
  }
  if (rc == CQ_OK && ch_run_row(d, r, status, n, nt, message, CH_OPEN))
    rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = ch_journal_flush(d, err);
  if (rc == CQ_OK && !ch_has(d, CH_HAS_ORDER) &&
      d->quiet_ms > cq_mono_ms() - QUIET_MS)
    rc = ch_pause(d, d->quiet_ms + QUIET_MS - cq_mono_ms(), err);
  if (rc == CQ_OK)
    rc = ch_point(d, r->group, r->source, r->time, gone.len ? gone.data : NULL,
                  1, CH_OPEN, err);
  cq_buf_clear(&gone);
  if (rc == CQ_OK) ch_let_go(d, r);
  if (rc == CQ_OK) tidy(d, r, t, nt, status, n, message);
  return rc;
}
