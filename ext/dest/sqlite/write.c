/* ext/dest/sqlite/write.c: a unit's rows: written as they come, made whole or
 * dropped at its end, and read again for the tables below it.
 *
 * Append writes raw_<t>; the rows stay invisible until the run publishes.  The
 * overwrite modes keep a unit's rows aside (stage.c) and merge them (merge.c) in
 * one go with their stale deletion, journal entry and state. */
#include "dest/sqlite/internal.h"

#include <string.h>

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

enum { ROWS_AT_ONCE = 256 }; /* parent rows read in one go */

static int staged(const cq_lite *d) {
  return d->base.mode != CQ_MODE_APPEND;
}

static void insert_forget(lite_handle *h, lite_table *own) {
  for (int i = 0; i < LITE_INSERTS; i++)
    if (h->inserts[i] == own) h->inserts[i] = NULL;
  sqlite3_finalize(own->insert);
  own->insert = NULL;
}

/* Thousands of tables may be written in a run, one after the other: of the
 * statements that were not used for longest one makes room. */
static void insert_keep(lite_handle *h, lite_table *own) {
  int at = 0;

  for (int i = 0; i < LITE_INSERTS; i++) {
    if (!h->inserts[i]) {
      at = i;
      break;
    }
    if (h->inserts[i]->used < h->inserts[at]->used) at = i;
  }
  if (h->inserts[at]) insert_forget(h, h->inserts[at]);
  h->inserts[at] = own;
}

void lite_drop(cq_dest *base, cq_dest_table *t) {
  cq_lite *d = (cq_lite *)base;
  lite_table *own = t->own;

  if (d->h) lite_stage_drop(d->h, t);
  if (!own) return;
  insert_forget(d->h, own);
  cq_free(own->kinds);
  cq_free(own);
  t->own = NULL;
}

/* Where the table's rows go; malloc'ed. */
static char *target_name(const cq_lite *d, const cq_dest_table *t) {
  return cq_mprintf("%s%s", staged(d) ? "" : "raw_", t->def->name);
}

static int table_open(cq_lite *d, cq_dest_table *t, cq_error *err) {
  lite_table *own = t->own;
  char *target;
  cq_buf b;
  int rc = CQ_OK;

  if (!own) own = t->own = cq_calloc(1, sizeof *own);
  if (!own) return cq_error_nomem(err);
  own->used = ++d->h->uses;
  if (own->insert) return CQ_OK;
  if (!own->kinds) {
    own->kinds = cq_malloc((size_t)t->ncol + 1);
    if (!own->kinds) return cq_error_nomem(err);
    for (int i = 0; i < t->ncol; i++)
      own->kinds[i] = cq_type_sql(t->def->columns[t->cols[i]].type)[0];
  }
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  target = target_name(d, t);
  if (!target) return cq_error_nomem(err);
  rc = staged(d) ? lite_present_triggers(d, target, &own->triggers, err)
                 : lite_rowid(d, target, &own->rowid, err);
  cq_buf_str(&b, "INSERT INTO ");
  lite_add_name(&b, d->schema);
  cq_buf_byte(&b, '.');
  lite_add_name(&b, target);
  cq_free(target);
  cq_buf_str(&b, " (");
  lite_add_columns(&b, t, 0);
  cq_buf_str(&b, ") SELECT ?1, ?2, ?3, ?4, b.id, b.parent");
  for (int i = 0; i < t->ncol; i++) cq_buf_printf(&b, ", b.c%d", i);
  cq_buf_printf(&b, " FROM %s(?5) AS b", lite_feed_name(t->ncol));
  if (staged(d)) lite_merge_clause(&b, d, t);
  if (rc == CQ_OK && b.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK) {
    rc = sqlite3_prepare_v2(d->h->db, b.data, -1, &own->insert, NULL);
    if (rc)
      rc = lite_fail(d, rc, t->def->name, err);
    else
      insert_keep(d->h, own);
  }
  cq_buf_clear(&b);
  return rc;
}

static int insert_rows(const cq_dest_run *r, cq_dest_unit *u, lite_feed *feed) {
  lite_table *own = u->table->own;
  sqlite3_stmt *s = own->insert;
  int rc;

  sqlite3_bind_text(s, 1, r->time, -1, SQLITE_STATIC);
  sqlite3_bind_text(s, 2, r->source, -1, SQLITE_STATIC);
  sqlite3_bind_int64(s, 3, r->group);
  sqlite3_bind_text(s, 4, u->client, -1, SQLITE_STATIC);
  sqlite3_bind_pointer(s, 5, feed, LITE_FEED_TYPE, NULL);
  rc = sqlite3_step(s);
  return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int refused(cq_lite *d, cq_dest_unit *u, const lite_feed *f, int rc,
                   cq_error *err) {
  return cq_error_set(
      err, rc & 0xff, "destination %s: %s: row _cq_id %.36s: %s", d->base.name,
      u->table->def->name, f->ids + 37 * f->row, sqlite3_errmsg(d->h->db));
}

/* SQLite has taken all rows before it stored one, which it does where the table
 * has triggers: which row was it?  Those before it go again. */
static int name_row(cq_lite *d, const cq_dest_run *r, cq_dest_unit *u,
                    lite_feed *all, cq_error *err) {
  lite_table *own = u->table->own;
  cq_dest_unit counted = *u; /* its values were counted already */
  int rc = lite_exec(d, err, "SAVEPOINT cq_rows");

  if (rc) return rc;
  while (rc == CQ_OK) {
    lite_feed one = *all;

    if (all->row >= all->last) {
      if (all->more && all->more(all)) {
        *err = all->err;
        rc = err->code;
        break;
      }
      if (all->row >= all->last) break; /* whatever it was, it has passed */
      one = *all;
    }
    one.unit = &counted;
    one.more = NULL;
    one.last = one.row + 1;
    rc = insert_rows(r, u, &one);
    one.row = all->row++;
    if (rc) rc = refused(d, u, &one, rc, err);
    sqlite3_reset(own->insert);
  }
  if (rc) lite_exec(d, NULL, "ROLLBACK TO cq_rows");
  lite_exec(d, NULL, "RELEASE cq_rows");
  return rc;
}

int lite_insert(cq_lite *d, const cq_dest_run *r, cq_dest_unit *u, lite_feed *f,
                cq_error *err) {
  lite_table *own = u->table->own;
  lite_feed first = *f;
  int rc = insert_rows(r, u, f), low = rc & 0xff;

  if (rc && f->err.code) {
    if (err) *err = f->err;
    rc = f->err.code;
  } else if (low == SQLITE_CONSTRAINT || low == SQLITE_MISMATCH ||
             low == SQLITE_TOOBIG) {
    if (f->row < f->last) {
      rc = refused(d, u, f, rc, err);
    } else {
      sqlite3_reset(own->insert);
      if (f->stage && lite_stage_read(f->stage, &first))
        rc = cq_error_set(err, first.err.code, "%s", first.err.text);
      else
        rc = name_row(d, r, u, &first, err);
    }
  } else if (rc) {
    rc = lite_fail(d, rc, u->table->def->name, err);
  }
  sqlite3_reset(own->insert);
  /* The feed is on the caller's stack. */
  sqlite3_bind_null(own->insert, 5);
  return rc;
}

/* Before its first row: none of the unit's is at or below that.  Where the
 * greatest rowid is in use, SQLite takes whichever is free. */
static int find_start(cq_lite *d, cq_dest_unit *u, cq_error *err) {
  const lite_table *own = u->table->own;
  int rc = lite_int(d, &u->start, err, "SELECT max(%s) FROM \"%w\".\"raw_%w\"",
                    own->rowid, d->schema, u->table->def->name);

  if (u->start == INT64_MAX) u->start = INT64_MIN;
  return rc;
}

int lite_write(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
               const cq_dest_rows *rows, cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  lite_feed feed;
  int rc;

  if (staged(d)) {
    rc = lite_stage_add(d->h, u, rows, err);
  } else {
    rc = lite_begin(d, err);
    if (rc == CQ_OK) rc = table_open(d, u->table, err);
    if (rc == CQ_OK && !u->rows) rc = find_start(d, u, err);
    if (rc) return rc;
    memset(&feed, 0, sizeof feed);
    feed.table = u->table;
    feed.kinds = ((lite_table *)u->table->own)->kinds;
    feed.unit = u;
    feed.cells = rows->batch->cells;
    feed.wide = rows->batch->ncol;
    feed.ids = rows->ids;
    feed.parents = rows->parents;
    feed.last = rows->batch->nrow;
    rc = lite_insert(d, r, u, &feed, err);
    if (rc == CQ_OK) d->h->rows += rows->batch->nrow;
  }
  if (rc == CQ_OK) u->rows += rows->batch->nrow;
  return rc;
}

/* ---- the end of a unit ------------------------------------------------------ */

static int journal(cq_lite *d, const cq_dest_run *r, const cq_dest_unit *u,
                   const char *status, const char *cursor, cq_error *err) {
  int published = staged(d) && strcmp(status, "ok") == 0, rc;
  char from[40], to[40];

  cq_dest_time(u->started_us ? u->started_us : cq_now_us(), from);
  cq_dest_time(cq_now_us(), to);
  rc =
      lite_exec(d, err,
                "INSERT INTO \"%w\".cq_sync_units (table_name, source_name, "
                "client_id, sync_group_id, status, published, rows, cursor, "
                "started, finished) VALUES (%Q, %Q, %Q, %lld, %Q, %d, %lld, "
                "%Q, %Q, %Q) ON CONFLICT DO UPDATE SET status = "
                "excluded.status, published = excluded.published, rows = "
                "excluded.rows, cursor = excluded.cursor, finished = "
                "excluded.finished",
                d->schema, u->table->def->name, r->source, u->client,
                (long long)r->group, status, published,
                (long long)(strcmp(status, "ok") == 0 ? u->whole + u->rows : 0),
                cursor ? cursor : "", from, to);
  if (rc == CQ_OK && published)
    rc = lite_exec(d, err,
                   "INSERT INTO \"%w\".cq_units (table_name, source_name, "
                   "client_id, sync_group_id, sync_time, cursor, rows) VALUES "
                   "(%Q, %Q, %Q, %lld, %Q, %Q, %lld) ON CONFLICT DO UPDATE SET "
                   "sync_group_id = excluded.sync_group_id, sync_time = "
                   "excluded.sync_time, cursor = excluded.cursor, rows = "
                   "excluded.rows",
                   d->schema, u->table->def->name, r->source, u->client,
                   (long long)r->group, r->time, cursor ? cursor : "",
                   (long long)(u->whole + u->rows));
  return rc;
}

/* Append: the rows of parents below which nothing may be read now, out of the
 * unit's newest published run into this one; their _cq_sync_time stays. */
static int carry_over(cq_lite *d, const cq_dest_run *r, cq_dest_unit *u,
                      cq_counts *n, cq_error *err) {
  const char *name = u->table->def->name;
  cq_buf cols, from;
  int rc;

  cq_buf_init(&cols, CQ_MAX_SPEC_BYTES);
  cq_buf_init(&from, CQ_MAX_SPEC_BYTES);
  lite_add_columns(&cols, u->table, 0);
  lite_add_columns(&from, u->table, r->group);
  rc = cols.rc || from.rc
           ? cq_error_nomem(err)
           : lite_exec(
                 d, err,
                 "INSERT INTO \"%w\".\"raw_%w\" (%s) SELECT %s FROM "
                 "\"%w\".\"raw_%w\" WHERE _cq_sync_group_id = (SELECT "
                 "sync_group_id FROM \"%w\".cq_units WHERE table_name = %Q AND "
                 "source_name = %Q AND client_id = %Q) AND _cq_source_name = "
                 "%Q AND _cq_client_id = %Q AND _cq_parent_id IN (SELECT value "
                 "FROM json_each(%Q)) AND _cq_id NOT IN (SELECT _cq_id FROM "
                 "\"%w\".\"raw_%w\" WHERE _cq_sync_group_id = %lld AND "
                 "_cq_source_name = %Q AND _cq_client_id = %Q)",
                 d->schema, name, cols.data, from.data, d->schema, name,
                 d->schema, name, r->source, u->client, r->source, u->client,
                 u->keep, d->schema, name, (long long)r->group, r->source,
                 u->client);
  if (rc == CQ_OK) n->kept = sqlite3_changes(d->h->db);
  cq_buf_clear(&cols);
  cq_buf_clear(&from);
  return rc;
}

/* What a unit that failed or was skipped has written goes, looked for from where
 * it began; what it had before stays, and is counted. */
static int drop_rows(cq_lite *d, const cq_dest_run *r, cq_dest_unit *u,
                     cq_error *err) {
  const lite_table *own = u->table->own;

  if (staged(d) || !u->rows || !own) return CQ_OK;
  return lite_exec(d, err,
                   "DELETE FROM \"%w\".\"raw_%w\" WHERE _cq_sync_group_id = "
                   "%lld AND %s > %lld AND _cq_source_name = %Q AND "
                   "_cq_client_id = %Q",
                   d->schema, u->table->def->name, (long long)r->group,
                   own->rowid, (long long)u->start, r->source, u->client);
}

static int unit_end(cq_lite *d, const cq_dest_run *r, cq_dest_unit *u,
                    const char *status, const char *cursor, cq_error *err) {
  int ok = strcmp(status, "ok") == 0, rc = lite_begin(d, err);
  cq_counts n;

  memset(&n, 0, sizeof n);
  if (rc) return rc;
  rc = lite_exec(d, err, "SAVEPOINT cq_unit");
  if (rc) return rc;
  if (!ok) {
    int64_t kept = 0;

    rc = drop_rows(d, r, u, err);
    if (rc == CQ_OK)
      rc = lite_int(d, &kept, err,
                    "SELECT rows FROM \"%w\".cq_units WHERE table_name = %Q "
                    "AND source_name = %Q AND client_id = %Q",
                    d->schema, u->table->def->name, r->source, u->client);
    n.kept = kept;
  } else if (staged(d)) {
    if (u->own) rc = table_open(d, u->table, err);
    if (rc == CQ_OK) rc = lite_merge(d, r, u, &n, err);
  } else {
    n.inserted = u->rows;
    if (u->keep && !u->table->incremental) rc = carry_over(d, r, u, &n, err);
  }
  if (rc == CQ_OK && (ok || !u->parts))
    rc = journal(d, r, u, status, ok ? cursor : NULL, err);
  if (rc) {
    lite_exec(d, NULL, "ROLLBACK TO cq_unit");
    lite_exec(d, NULL, "RELEASE cq_unit");
    return rc;
  }
  rc = lite_exec(d, err, "RELEASE cq_unit");
  if (rc) return rc;
  d->h->units++;
  if (ok) u->table->n.rows += u->rows;
  u->table->n.inserted += n.inserted;
  u->table->n.updated += n.updated;
  u->table->n.again += n.again;
  u->table->n.unchanged += n.unchanged;
  u->table->n.deleted += n.deleted;
  u->table->n.kept += n.kept;
  return CQ_OK;
}

int lite_end(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
             const char *status, const char *cursor, cq_error *err) {
  int rc = unit_end((cq_lite *)base, r, u, status, cursor, err);

  lite_stage_free(u->own);
  u->own = NULL;
  return rc;
}

/* ---- rows of a parent --------------------------------------------------------- */

/* Read a few hundred at a time, so that no statement stays open while others
 * write and commit. */
typedef struct row_reader {
  cq_lite *d;
  const cq_dest_table *table;
  char *source, *client, *sql;
  int64_t group, last;
  cq_arena arena;  /* of the rows at hand */
  cq_value *cells; /* ROWS_AT_ONCE x def->ncol */
  int n, at, ended;
} row_reader;

static void reader_close(void *user) {
  row_reader *p = user;

  cq_arena_clear(&p->arena);
  cq_free(p->cells);
  cq_free(p->source);
  cq_free(p->client);
  cq_free(p->sql);
  cq_free(p);
}

static int reader_cell(row_reader *p, sqlite3_stmt *s, int i, int type,
                       cq_value *out) {
  cq_value v = cq_value_null();

  switch (sqlite3_column_type(s, i)) {
  case SQLITE_INTEGER:
    v = cq_value_int(sqlite3_column_int64(s, i));
    break;
  case SQLITE_FLOAT:
    v = cq_value_real(sqlite3_column_double(s, i));
    break;
  case SQLITE_TEXT:
    v = cq_value_str((const char *)sqlite3_column_text(s, i),
                     (size_t)sqlite3_column_bytes(s, i));
    v.json = type == CQ_JSON || (type & CQ_LIST);
    break;
  case SQLITE_BLOB:
    v = cq_value_str(sqlite3_column_blob(s, i),
                     (size_t)sqlite3_column_bytes(s, i));
    v.kind = CQ_BYTES;
    break;
  }
  return cq_value_copy(&p->arena, &v, out);
}

static int reader_fill(row_reader *p, cq_error *err) {
  const cq_table *t = p->table->def;
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(p->d->h->db, p->sql, -1, &s, NULL);

  p->n = p->at = 0;
  cq_arena_reset(&p->arena);
  if (rc) return lite_fail(p->d, rc, t->name, err);
  sqlite3_bind_int64(s, 1, p->group);
  sqlite3_bind_text(s, 2, p->source, -1, SQLITE_STATIC);
  sqlite3_bind_text(s, 3, p->client, -1, SQLITE_STATIC);
  sqlite3_bind_int64(s, 4, p->last);
  while (p->n < ROWS_AT_ONCE && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    cq_value *row = &p->cells[(size_t)p->n * (size_t)t->ncol];

    p->last = sqlite3_column_int64(s, 0);
    for (int i = 0; i < t->ncol; i++) row[i] = cq_value_null();
    for (int i = 0; i < p->table->ncol; i++) {
      int c = p->table->cols[i];

      if (reader_cell(p, s, i + 1, t->columns[c].type, &row[c])) {
        sqlite3_finalize(s);
        return cq_error_nomem(err);
      }
    }
    p->n++;
  }
  if (p->n < ROWS_AT_ONCE) p->ended = 1;
  sqlite3_finalize(s);
  return rc == SQLITE_ROW || rc == SQLITE_DONE
             ? CQ_OK
             : lite_fail(p->d, rc, t->name, err);
}

static int reader_next(void *user, const cq_value **row, cq_error *err) {
  row_reader *p = user;

  if (p->at == p->n) {
    int rc = p->ended ? CQ_OK : reader_fill(p, err);

    if (rc) return rc;
    if (p->at == p->n) return CQ_DONE;
  }
  *row = &p->cells[(size_t)p->at++ * (size_t)p->table->def->ncol];
  return CQ_ROW;
}

int lite_rows(cq_dest *base, const cq_dest_run *r, const cq_dest_table *parent,
              const char *client, int64_t group, int kept, cq_rows *out,
              cq_error *err) {
  cq_lite *d = (cq_lite *)base;
  row_reader *p = cq_calloc(1, sizeof *p);
  char *sql = NULL, *target = target_name(d, parent);
  int all = (kept || group != r->group) && cq_dest_all_current(base, parent);
  const char *rowid = NULL;
  cq_buf b;
  int rc =
      p && target ? lite_rowid(d, target, &rowid, err) : cq_error_nomem(err);

  if (rc) {
    cq_free(p);
    cq_free(target);
    return rc;
  }
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_arena_init(&p->arena);
  for (int i = 0; i < parent->ncol; i++) {
    char *q =
        sqlite3_mprintf(", \"%w\"", parent->def->columns[parent->cols[i]].name);

    if (!q)
      b.rc = CQ_NOMEM;
    else
      cq_buf_str(&b, q);
    sqlite3_free(q);
  }
  if (b.rc == CQ_OK)
    sql = sqlite3_mprintf(
        "SELECT %s%s FROM \"%w\".\"%w\" WHERE %s_cq_source_name = ?2 AND "
        "_cq_client_id = ?3 AND %s > ?4 ORDER BY %s LIMIT %d",
        rowid, b.data ? b.data : "", d->schema, target,
        all ? "" : "_cq_sync_group_id = ?1 AND ", rowid, rowid, ROWS_AT_ONCE);
  cq_free(target);
  p->d = d;
  p->table = parent;
  p->group = group;
  p->last = INT64_MIN;
  p->source = cq_strdup(r->source);
  p->client = cq_strdup(client);
  p->sql = sql ? cq_strdup(sql) : NULL;
  p->cells = cq_calloc((size_t)ROWS_AT_ONCE * (size_t)(parent->def->ncol + 1),
                       sizeof *p->cells);
  sqlite3_free(sql);
  cq_buf_clear(&b);
  if (!p->source || !p->client || !p->sql || !p->cells) {
    reader_close(p);
    return cq_error_nomem(err);
  }
  out->next = reader_next;
  out->close = reader_close;
  out->user = p;
  return CQ_OK;
}
