/* ext/dest/clickhouse/remove.c: rows that nobody sees go.
 *
 * A server of before 23.8 deletes by mutations, which it does on its own; they
 * are waited for.  The thread that does one has no query: tables can be read in
 * its condition, views cannot (18.16), and what fails is tried for ever and lets
 * nothing behind it pass.  So what goes is found by a SELECT, and stands in the
 * condition as literals, or by a condition on tables alone. */
#include <stdlib.h>
#include <string.h>

#include "dest/clickhouse/internal.h"

enum { SLICE = 2000, DELETE_MS = 30000, DELETE_LOOK_MS = 50 };

typedef struct mutating {
  int64_t left, parts; /* mutations, and parts that they have to rewrite */
} mutating;

static int on_mutating(void *user, char **cell, int n) {
  mutating *m = user;

  if (n < 2) return CQ_OK;
  m->left = cell[0] ? strtoll(cell[0], NULL, 10) : 0;
  m->parts = cell[1] ? strtoll(cell[1], NULL, 10) : 0;
  return CQ_OK;
}

/* As long as one part after the other is rewritten. */
static int mutations_done(ch *d, const char *table, cq_error *err) {
  int64_t until = cq_mono_ms() + DELETE_MS, parts = 0;
  mutating m = {1, 0};
  int rc = CQ_OK;

  while (rc == CQ_OK) {
    rc = ch_rows(d, on_mutating, &m, err,
                 "SELECT count(), sum(parts_to_do) FROM system.mutations WHERE "
                 "database = %Q AND table = %Q AND is_done = 0",
                 d->o->database, table);
    if (rc || !m.left) break;
    if (m.parts != parts) until = cq_mono_ms() + DELETE_MS;
    parts = m.parts;
    if (cq_mono_ms() > until) break;
    rc = ch_pause(d, DELETE_LOOK_MS, err);
  }
  if (rc == CQ_OK && m.left)
    rc = cq_error_set(err, CQ_ERROR,
                      "destination %s: %s: rows are not removed after %d s",
                      d->base.name, table, DELETE_MS / 1000);
  return rc;
}

/* Removes what the condition gives, and waits until it is gone.  A condition
 * reads tables, and no views. */
static int delete_where(ch *d, const char *table, const char *where,
                        cq_error *err) {
  int light = ch_has(d, CH_HAS_DELETE), rc;
  cq_buf b;

  cq_buf_init(&b, SIZE_MAX);
  ch_format(d, &b, light ? "DELETE FROM %t" : "ALTER TABLE %t", table);
  if (d->o->cluster) ch_format(d, &b, " ON CLUSTER %w", d->o->cluster);
  cq_buf_printf(&b, light ? " WHERE " : " DELETE WHERE ");
  cq_buf_str(&b, where);
  rc = b.rc ? cq_error_nomem(err)
            : ch_exec_text(d, b.data,
                           light ? "&max_query_size=67108864"
                                   "&allow_nondeterministic_mutations=1"
                                 : "&max_query_size=67108864",
                           err);
  cq_buf_clear(&b);
  return rc || light ? rc : mutations_done(d, table, err);
}

/* A list of literals, and deletions by it in slices. */
typedef struct doomed {
  ch *d;
  const char *table;
  const cq_buf *before; /* the condition up to its ( */
  cq_buf list;
  int n, cells;
  int64_t rows;
  cq_error *err;
} doomed;

static int doomed_flush(doomed *x) {
  cq_buf b;
  int rc;

  if (!x->n) return CQ_OK;
  cq_buf_init(&b, SIZE_MAX);
  cq_buf_add(&b, x->before->data, x->before->len);
  cq_buf_add(&b, x->list.data, x->list.len);
  cq_buf_byte(&b, ')');
  rc = b.rc ? cq_error_nomem(x->err)
            : delete_where(x->d, x->table, b.data, x->err);
  cq_buf_clear(&b);
  cq_buf_reset(&x->list);
  x->n = 0;
  return rc;
}

/* A text; or several, in a tuple, of which the last is a number. */
static void add_literal(cq_buf *b, char **cell, int cells) {
  if (cells > 1) cq_buf_byte(b, '(');
  for (int i = 0; i < cells; i++) {
    if (i) cq_buf_byte(b, ',');
    if (i && i + 1 == cells)
      cq_buf_printf(b, "%lld)", strtoll(cell[i], NULL, 10));
    else
      ch_add_text(b, cell[i], strlen(cell[i]));
  }
}

static int doom(void *user, char **cell, int n) {
  doomed *x = user;

  if (n < x->cells) return CQ_OK;
  for (int i = 0; i < x->cells; i++)
    if (!cell[i]) return CQ_OK;
  if (x->n) cq_buf_byte(&x->list, ',');
  add_literal(&x->list, cell, x->cells);
  if (n > x->cells && cell[x->cells])
    x->rows += strtoll(cell[x->cells], NULL, 10);
  if (x->list.rc) return x->list.rc;
  return ++x->n < SLICE ? CQ_OK : doomed_flush(x);
}

int ch_remove_found(ch *d, const char *raw, int cells, const cq_buf *before,
                    const cq_buf *found, int64_t *rows, cq_error *err) {
  doomed x = {.d = d, .table = raw, .cells = cells, .before = before};
  int rc;

  x.err = err;
  cq_buf_init(&x.list, SIZE_MAX);
  rc = before->rc || found->rc ? cq_error_nomem(err)
                               : ch_rows(d, doom, &x, err, "%s", found->data);
  if (rc == CQ_OK) rc = doomed_flush(&x);
  if (rc == CQ_OK && rows) *rows += x.rows;
  cq_buf_clear(&x.list);
  return rc;
}

/* Of one table: what differs is the condition, and what is found. */
typedef struct removal {
  char *raw;
  cq_buf before, found;
} removal;

static void removal_init(removal *m, const char *table) {
  m->raw = cq_mprintf("raw_%s", table);
  cq_buf_init(&m->before, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&m->found, CQ_MAX_SPEC_BYTES);
  if (!m->raw) m->found.rc = CQ_NOMEM;
}

static void removal_clear(removal *m) {
  cq_buf_clear(&m->before);
  cq_buf_clear(&m->found);
  cq_free(m->raw);
}

static int removal_end(removal *m, ch *d, int cells, cq_error *err) {
  int rc = ch_remove_found(d, m->raw, cells, &m->before, &m->found, NULL, err);

  removal_clear(m);
  return rc;
}

int ch_remove_rows(ch *d, int64_t group, const char *source, const char *table,
                   cq_error *err) {
  removal m;

  removal_init(&m, table);
  ch_format(d, &m.before,
            "_cq_sync_group_id = %lld AND _cq_source_name = %Q AND "
            "_cq_client_id IN (",
            (long long)group, source);
  ch_format(d, &m.found,
            "SELECT DISTINCT _cq_client_id FROM %t WHERE _cq_sync_group_id = "
            "%lld AND _cq_source_name = %Q AND _cq_client_id NOT IN (SELECT "
            "client_id FROM %t WHERE table_name = %Q AND source_name = %Q AND "
            "sync_group_id = %lld AND gone = 0)",
            m.raw ? m.raw : "", (long long)group, source, "raw_cq_units", table,
            source, (long long)group);
  return removal_end(&m, d, 1, err);
}

int ch_remove_superseded(ch *d, const cq_dest_run *r, const char *table,
                         cq_error *err) {
  removal m;

  removal_init(&m, table);
  ch_format(d, &m.before,
            "_cq_source_name = %Q AND _cq_sync_group_id < %lld AND "
            "(_cq_client_id, _cq_sync_group_id) IN (",
            r->source, (long long)r->group);
  ch_format(d, &m.found,
            "SELECT _cq_client_id, _cq_sync_group_id FROM %t WHERE "
            "_cq_source_name = %Q AND _cq_sync_group_id < %lld AND "
            "(_cq_client_id, _cq_sync_group_id) NOT IN (SELECT client_id, "
            "sync_group_id FROM %t WHERE table_name = %Q AND source_name = %Q) "
            "GROUP BY _cq_client_id, _cq_sync_group_id",
            m.raw ? m.raw : "", r->source, (long long)r->group, "cq_units",
            table, r->source);
  return removal_end(&m, d, 2, err);
}

int ch_remove_rest(ch *d, const cq_dest_run *r, const cq_dest_unit *u,
                   cq_error *err) {
  char *raw = cq_mprintf("raw_%s", u->table->def->name);
  cq_buf where;
  int rc = raw ? CQ_OK : cq_error_nomem(err);

  cq_buf_init(&where, CQ_MAX_SPEC_BYTES);
  ch_format(d, &where,
            "_cq_sync_group_id = %lld AND _cq_source_name = %Q AND "
            "_cq_client_id = %Q AND _cq_row >= %lld",
            (long long)r->group, r->source, u->client, (long long)u->start);
  if (rc == CQ_OK && where.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = delete_where(d, raw, where.data, err);
  cq_buf_clear(&where);
  cq_free(raw);
  return rc;
}

int ch_remove_replaced(ch *d, const cq_dest_run *r, const char *table,
                       cq_error *err) {
  char *raw = cq_mprintf("raw_%s", table);
  int64_t n = 0;
  cq_buf where;
  int rc = raw ? CQ_OK : cq_error_nomem(err);

  cq_buf_init(&where, CQ_MAX_SPEC_BYTES);
  ch_format(d, &where,
            "_cq_sync_group_id < %lld AND (_cq_source_name, _cq_client_id, "
            "_cq_sync_group_id) IN (SELECT source_name, client_id, "
            "sync_group_id FROM %t WHERE table_name = %Q AND gone = 0) AND "
            "_cq_id IN (SELECT _cq_id FROM %t WHERE _cq_sync_group_id = %lld "
            "AND _cq_source_name = %Q AND _cq_client_id IN (SELECT client_id "
            "FROM %t WHERE table_name = %Q AND source_name = %Q AND "
            "sync_group_id = %lld AND gone = 0))",
            (long long)r->group, "raw_cq_units", table, raw ? raw : "",
            (long long)r->group, r->source, "raw_cq_units", table, r->source,
            (long long)r->group);
  if (rc == CQ_OK && where.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK)
    rc = ch_int(d, &n, err, "SELECT count() FROM %t WHERE %s", raw, where.data);
  if (rc == CQ_OK && n) rc = delete_where(d, raw, where.data, err);
  cq_buf_clear(&where);
  cq_free(raw);
  return rc;
}

int ch_remove_twice(ch *d, const cq_dest_run *r, const char *table,
                    int64_t *again, cq_error *err) {
  removal m;
  int64_t n = 0;
  cq_buf ours;
  int rc;

  removal_init(&m, table);
  cq_buf_init(&ours, CQ_MAX_SPEC_BYTES);
  ch_format(d, &m.before,
            "_cq_sync_group_id = %lld AND _cq_source_name = %Q AND "
            "toString(_cq_row) IN (",
            (long long)r->group, r->source);
  ch_format(d, &ours,
            "_cq_sync_group_id = %lld AND _cq_source_name = %Q AND "
            "_cq_client_id IN (SELECT client_id FROM %t WHERE table_name = %Q "
            "AND source_name = %Q AND sync_group_id = %lld AND status = 'ok')",
            (long long)r->group, r->source, "cq_sync_units", table, r->source,
            (long long)r->group);
  rc = ours.rc || !m.raw
           ? cq_error_nomem(err)
           : ch_int(d, &n, err,
                    "SELECT count() - uniqExact(_cq_id) FROM %t WHERE %s",
                    m.raw, ours.data);
  *again = rc == CQ_OK ? n : 0;
  if (rc == CQ_OK && n) {
    ch_format(d, &m.found,
              "SELECT toString(_cq_row) FROM %t WHERE %s AND (_cq_id, "
              "_cq_row) NOT IN (SELECT _cq_id, max(_cq_row) FROM %t WHERE %s "
              "GROUP BY _cq_id)",
              m.raw, ours.data, m.raw, ours.data);
    rc = removal_end(&m, d, 1, err);
  } else {
    removal_clear(&m);
  }
  cq_buf_clear(&ours);
  return rc;
}
