/* ext/dest/clickhouse/write.c: rows gathered by table, sent in batches, and the
 * units that they belong to.
 *
 * All modes write raw_<table>; what was sent is seen only once its unit is
 * pointed at (publish.c).  So a unit that fails needs no undoing: rows that wait
 * still are cut out, those that were sent are removed when the run ends.
 *
 * A batch whose outcome is unknown is asked for: only this run writes rows of
 * its number, so their count says whether the batch is in.  An entry of the
 * journal is sent once the rows that it tells of were counted in the table: a
 * server may say that it has taken rows, and drop them. */
#include <string.h>

#include "dest/clickhouse/internal.h"

enum {
  GATHERED = 16 << 20, /* over all tables */
  BATCH = 64 << 20,    /* one row may be large */
  KEPT = 64 << 10      /* of a table whose batch was sent */
};

/* ---- tables ---------------------------------------------------------------------- */

ch_table *ch_table_of(ch *d, const cq_dest_table *t) {
  for (ch_table *x = d->first; x; x = x->next)
    if (x->table == t) return x;
  return NULL;
}

static void table_free(ch_table *x) {
  cq_free(x->cols);
  cq_free(x->pieces);
  ch_parquet_drop(x);
  cq_buf_clear(&x->body);
  cq_buf_clear(&x->units);
  cq_buf_clear(&x->counted);
  cq_free(x);
}

void ch_tables_free(ch *d) {
  while (d->first) {
    ch_table *x = d->first;

    d->first = x->next;
    table_free(x);
  }
  d->gathered = 0;
}

static void add_head(ch *d, ch_table *x) {
  char *raw = cq_mprintf("raw_%s", x->table->def->name);

  if (raw)
    ch_format(d, &x->body, "INSERT INTO %t (", raw);
  else
    x->body.rc = CQ_NOMEM;
  cq_free(raw);
  ch_add_columns(&x->body, x->table, 0);
  cq_buf_str(&x->body, ", _cq_row) FORMAT RowBinary\n");
  x->head = x->body.len;
}

static int table_open(ch *d, const cq_dest_run *r, cq_dest_table *t,
                      ch_table **out, cq_error *err) {
  ch_table *x = ch_table_of(d, t);
  int width = cq_dest_width(t), rc;

  if (!x) {
    x = cq_calloc(1, sizeof *x);
    if (!x) return cq_error_nomem(err);
    x->table = t;
    x->run = r;
    x->cols = cq_calloc((size_t)width, sizeof *x->cols);
    cq_buf_init(&x->body, BATCH + GATHERED);
    cq_buf_init(&x->units, GATHERED);
    cq_buf_init(&x->counted, GATHERED);
    rc = x->cols ? ch_columns(d, t, x->cols, err) : cq_error_nomem(err);
    if (rc) {
      table_free(x);
      return rc;
    }
    x->as_parquet = d->o->stage_parquet && ch_parquet_suits(d, x);
    add_head(d, x);
    x->next = d->first;
    d->first = x;
  }
  *out = x;
  if (x->body.rc) return cq_error_nomem(err);
  if (x->why.code) {
    *err = x->why;
    return x->why.code;
  }
  return CQ_OK;
}

/* What is gathered stays until it is sent, or the destination is closed. */
void ch_drop(cq_dest *d, cq_dest_table *t) {
  (void)d;
  t->own = NULL;
}

/* ---- batches ----------------------------------------------------------------------- */

static int rows_there(ch *d, const ch_table *x, int64_t *out, cq_error *err) {
  char *raw = cq_mprintf("raw_%s", x->table->def->name);
  int rc = raw ? ch_int(d, out, err,
                        "SELECT count() FROM %t WHERE _cq_sync_group_id = "
                        "%lld AND _cq_source_name = %Q",
                        raw, (long long)x->run->group, x->run->source)
               : cq_error_nomem(err);

  cq_free(raw);
  return rc;
}

/* Bytes that are to be sent. */
static int64_t batch_bytes(const ch_table *x) {
  return (int64_t)(x->body.len - x->head + (x->rows_of ? x->rows_of->kept : 0));
}

/* What it takes counts, as it is now. */
static void weigh(ch *d, ch_table *x) {
  size_t now = batch_bytes(x) ? x->body.cap : 0;

  if (x->rows_of) now += x->rows_of->kept;
  d->gathered += now - x->weight;
  x->weight = now;
}

/* Many tables may be under way: none keeps a batch's memory for its next. */
static void batch_reset(ch *d, ch_table *x) {
  ch_parquet_drop(x);
  x->body.len = x->head;
  x->body.data[x->head] = 0;
  if (x->body.cap > KEPT) {
    cq_buf head;

    cq_buf_init(&head, x->body.max);
    cq_buf_add(&head, x->body.data, x->head);
    if (head.rc == CQ_OK) {
      cq_buf_clear(&x->body);
      x->body = head;
    }
  }
  weigh(d, x);
  x->rows = 0;
  x->npiece = 0;
}

static int batch_in(ch *d, void *user, cq_error *err) {
  const ch_table *x = user;
  cq_error why = *err;
  int64_t now = 0;
  int rc = rows_there(d, x, &now, err);

  if (rc || now == x->sent) return rc;
  if (now == x->sent + x->rows) return CQ_DONE;
  cq_error_prefix(&why, "%s: %lld of %lld rows are in", x->table->def->name,
                  (long long)(now - x->sent), (long long)x->rows);
  *err = why;
  return err->code = CQ_ERROR;
}

static int batch_send(ch *d, ch_table *x, cq_error *err) {
  const char *table = x->table->def->name;
  ch_ask q = {.once = 1};
  char *ids = ch_insert_ids(x->run->group, x->run->source);
  char *id =
      ids ? cq_mprintf("%s%s_%lld", ids, table, (long long)++x->batches) : NULL;
  int rc = id ? CQ_OK : cq_error_nomem(err);
  cq_buf statement;

  cq_buf_init(&statement, SIZE_MAX);
  if (rc == CQ_OK && x->rows_of) rc = ch_parquet_end(x, err);
  q.body = x->body.data;
  q.nbody = x->body.len;
  if (rc == CQ_OK && d->stage) {
    rc = ch_stage_put(d, x, id, &statement, err);
    q.body = statement.data;
    q.nbody = statement.len;
  }
  q.id = id;
  q.dedup = ch_has(d, CH_HAS_TOKEN);
  q.squeeze = d->o->squeeze != CH_AUTO ? d->o->squeeze
              : ch_has(d, CH_HAS_ZSTD) ? CH_ZSTD
                                       : CH_GZIP;
  if (rc == CQ_OK) rc = ch_insert(d, &q, batch_in, x, err);
  if (statement.data) cq_wipe(statement.data, statement.len);
  cq_buf_clear(&statement);
  cq_free(ids);
  cq_free(id);
  return rc;
}

/* Sends what the table has gathered; a failure that is its own stays with it. */
static int batch_flush(ch *d, ch_table *x, cq_error *err) {
  int rc = CQ_OK;

  if (x->why.code) return CQ_OK;
  if (x->rows) {
    cq_error why = {0, ""};

    rc = batch_send(d, x, &why);
    if (rc == CQ_OK) {
      x->sent += x->rows;
      d->quiet_ms = cq_mono_ms();
    } else {
      *err = why;
    }
    batch_reset(d, x);
  }
  if (rc == CQ_OK && x->units.len) {
    cq_buf_add(&x->counted, x->units.data, x->units.len);
    if (x->counted.rc || x->units.rc) rc = cq_error_nomem(err);
  }
  cq_buf_reset(&x->units);
  return rc;
}

static int is_store(int rc) {
  return cq_dest_whole(rc) || rc == CQ_AUTH;
}

/* Flushes while nobody waits for this table: it fails alone, and says so to
 * whoever comes next. */
static int flush_later(ch *d, ch_table *x, cq_error *err) {
  cq_error why = {0, ""};
  int rc = batch_flush(d, x, &why);

  if (rc == CQ_OK) return CQ_OK;
  x->why = why;
  x->unsaid = 1;
  if (!is_store(rc)) return CQ_OK;
  *err = why;
  return rc == CQ_AUTH ? CQ_IOERR : rc;
}

/* The same of a table that somebody has just given rows. */
static int flush_now(ch *d, ch_table *x, cq_error *err) {
  int rc = batch_flush(d, x, err);

  if (rc) x->why = *err;
  return rc;
}

/* Rows of the run that are in the table, beside those that were sent. */
static int check_count(ch *d, ch_table *x, cq_error *err) {
  int64_t there = 0;
  int rc;

  if (x->why.code || x->checked == x->sent) return CQ_OK;
  rc = rows_there(d, x, &there, err);
  if (rc) return rc;
  if (there == x->sent) {
    x->checked = x->sent;
    return CQ_OK;
  }
  /* Whoever has taken it over has removed them. */
  rc = ch_hold(d, x->run->group, x->run->source, CH_OPEN, err);
  if (rc) return rc;
  x->checked = x->sent;
  cq_error_set(&x->why, CQ_ERROR,
               "destination %s: %s: %lld rows were sent and %lld are there",
               d->base.name, x->table->def->name, (long long)x->sent,
               (long long)there);
  x->unsaid = 1;
  return CQ_OK;
}

int ch_vouch(ch *d, cq_error *err) {
  for (ch_table *x = d->first; x; x = x->next) {
    int rc = check_count(d, x, err);

    if (rc) return rc;
    if (!x->counted.len) continue;
    if (!x->why.code) cq_buf_add(&d->units, x->counted.data, x->counted.len);
    cq_buf_reset(&x->counted);
    if (d->units.rc) return cq_error_nomem(err);
  }
  return CQ_OK;
}

/* Tables that failed while nobody waited for them. */
int ch_poll(cq_dest *base, cq_dest_event *out) {
  ch *d = ch_of(base);

  if (cq_dest_warns(&d->unsaid, out)) return CQ_ROW;
  for (ch_table *x = d->first; x; x = x->next)
    if (x->unsaid) {
      memset(out, 0, sizeof *out);
      out->table = x->table;
      out->why = x->why;
      x->unsaid = 0;
      return CQ_ROW;
    }
  return CQ_DONE;
}

void ch_give_up(ch *d, const cq_dest_run *r, const cq_error *why) {
  for (ch_table *x = d->first; x; x = x->next) {
    if (x->run != r || x->why.code) continue;
    batch_reset(d, x);
    cq_buf_reset(&x->units);
    cq_buf_reset(&x->counted);
    x->why = *why;
  }
}

int ch_commit(cq_dest *base, int force, cq_error *err) {
  ch *d = ch_of(base);
  int64_t now = cq_mono_ms();
  int due = ch_journal_due(d), rc = due ? ch_hold_all(d, err) : CQ_OK;

  for (ch_table *x = d->first; x && rc == CQ_OK; x = x->next)
    if ((x->rows || x->units.len) &&
        (force || now - x->since_ms >= d->o->gather.ms))
      rc = flush_later(d, x, err);
  if (rc || !(force || due || ch_journal_due(d))) return rc;
  return ch_journal_flush(d, err);
}

/* ---- rows ------------------------------------------------------------------------------ */

/* The same in one part of it alone: what fails is that. */
static uint64_t unit_key(const cq_dest_unit *u) {
  return cq_hash64(u->client, strlen(u->client), 11 + (uint64_t)u->parts);
}

/* Values of meta columns that are the same in all rows of a unit. */
static void add_first(cq_buf *b, ch_table *x, const cq_dest_run *r,
                      const cq_dest_unit *u, cq_arena *scratch) {
  cq_value v = cq_value_text(r->time);

  cq_rowbinary_add(b, &x->cols[0], &v, scratch);
  cq_rowbinary_text(b, r->source, strlen(r->source));
  cq_rowbinary_int(b, r->group);
  cq_rowbinary_text(b, u->client, strlen(u->client));
}

static void add_row(ch_table *x, const cq_dest_run *r, cq_dest_unit *u,
                    const cq_dest_rows *rows, int i, const cq_buf *first,
                    cq_arena *scratch) {
  const cq_value *row = cq_batch_row(rows->batch, i);
  cq_buf *b = &x->body;

  cq_buf_add(b, first->data, first->len);
  for (int k = 4; k < CQ_META; k++) {
    cq_value v = cq_dest_cell(r, u, rows, i, k);

    cq_rowbinary_add(b, &x->cols[k], &v, scratch);
  }
  for (int k = 0; k < u->table->ncol; k++) {
    const cq_value *v = &row[u->table->cols[k]];

    if (cq_rowbinary_add(b, &x->cols[CQ_META + k], v, scratch))
      cq_dest_odd(u, CQ_META + k, v);
  }
  cq_rowbinary_int(b, x->row++);
}

static int add_piece(ch_table *x, uint64_t unit, size_t from, int64_t rows) {
  ch_piece *last = x->npiece ? &x->pieces[x->npiece - 1] : NULL;

  if (last && last->unit == unit) {
    last->to = x->body.len;
    last->rows += rows;
    return CQ_OK;
  }
  if (cq_grow(&x->pieces, &x->cap, x->npiece, sizeof *x->pieces))
    return CQ_NOMEM;
  last = &x->pieces[x->npiece++];
  last->unit = unit;
  last->from = from;
  last->to = x->body.len;
  last->rows = rows;
  return CQ_OK;
}

/* Makes room over all tables: the largest goes first. */
static int make_room(ch *d, cq_error *err) {
  int rc = CQ_OK;

  while (rc == CQ_OK && d->gathered > cq_dest_share(&d->def, GATHERED)) {
    ch_table *most = NULL;

    for (ch_table *x = d->first; x; x = x->next)
      if (x->rows && !x->why.code && (!most || x->weight > most->weight))
        most = x;
    if (!most) break;
    rc = flush_later(d, most, err);
  }
  return rc;
}

static int is_full(const ch *d, const ch_table *x) {
  return x->rows >= d->o->gather.rows || batch_bytes(x) >= d->o->gather.bytes;
}

/* A file cannot be cut: rows of a unit that fails are sent, and removed. */
static int write_parquet(ch *d, ch_table *x, cq_dest_unit *u,
                         const cq_dest_rows *rows, cq_error *err) {
  int rc = CQ_OK, n;

  for (int i = 0; i < rows->batch->nrow && rc == CQ_OK; i += n) {
    int64_t room = d->o->gather.rows - x->rows;

    n = rows->batch->nrow - i;
    if (n > room) n = (int)room;
    if (!x->rows) x->since_ms = cq_mono_ms();
    rc = ch_parquet_add(d, x, u, rows, i, n, err);
    if (rc) {
      x->why = *err; /* the batch is not whole any more */
      break;
    }
    x->rows += n;
    weigh(d, x);
    if (is_full(d, x)) rc = flush_now(d, x, err);
  }
  return rc ? rc : make_room(d, err);
}

int ch_write(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
             const cq_dest_rows *rows, cq_error *err) {
  ch *d = ch_of(base);
  ch_table *x;
  cq_buf first;
  cq_arena scratch;
  int rc = table_open(d, r, u->table, &x, err), from_row = 0;
  size_t from;

  if (rc) return rc;
  if (!u->rows) u->start = x->row;
  if (x->as_parquet) return write_parquet(d, x, u, rows, err);
  cq_buf_init(&first, CQ_MAX_SPEC_BYTES);
  cq_arena_init(&scratch);
  add_first(&first, x, r, u, &scratch);
  from = x->body.len;
  if (!x->rows) x->since_ms = cq_mono_ms();
  for (int i = 0; i < rows->batch->nrow && rc == CQ_OK; i++) {
    int last = i + 1 == rows->batch->nrow;
    int64_t have = x->rows + (i + 1 - from_row);

    add_row(x, r, u, rows, i, &first, &scratch);
    if (x->body.rc) {
      rc = cq_error_nomem(err);
      break;
    }
    if (!last && have < d->o->gather.rows &&
        (int64_t)(x->body.len - x->head) < d->o->gather.bytes)
      continue;
    x->rows = have;
    weigh(d, x);
    if (add_piece(x, unit_key(u), from, i + 1 - from_row))
      rc = cq_error_nomem(err);
    if (rc == CQ_OK && is_full(d, x)) rc = flush_now(d, x, err);
    from = x->body.len;
    from_row = i + 1;
    if (!x->rows) x->since_ms = cq_mono_ms();
  }
  if (rc && x->body.rc) x->why = *err; /* the batch is not whole any more */
  cq_buf_clear(&first);
  cq_arena_clear(&scratch);
  return rc ? rc : make_room(d, err);
}

/* ---- the end of a unit ----------------------------------------------------------------- */

/* Rows of a unit that failed, out of what waits; tells how many were sent. */
static int64_t cut_unit(ch *d, ch_table *x, const cq_dest_unit *u) {
  uint64_t key = unit_key(u);
  int64_t cut = 0;
  size_t n = 0, shift = 0;

  for (size_t i = 0; i < x->npiece; i++) {
    ch_piece *p = &x->pieces[i];
    size_t len = p->to - p->from;

    if (p->unit == key) {
      cut += p->rows;
      shift += len;
      continue;
    }
    if (shift)
      memmove(x->body.data + p->from - shift, x->body.data + p->from, len);
    x->pieces[n] = *p;
    x->pieces[n].from -= shift;
    x->pieces[n++].to -= shift;
  }
  x->npiece = n;
  x->body.len -= shift;
  if (shift) x->body.data[x->body.len] = 0;
  weigh(d, x);
  x->rows -= cut;
  return u->rows - cut;
}

/* Those that were sent go when the run is published, since nothing points at
 * them; but where parts of the unit stay, at once. */
static int drop_unit(ch *d, ch_table *x, const cq_dest_run *r,
                     const cq_dest_unit *u, cq_error *err) {
  int64_t sent = cut_unit(d, x, u), now = 0;
  int rc;

  if (!u->parts || !sent || x->why.code) {
    x->dropped += sent;
    return CQ_OK;
  }
  rc = flush_now(d, x, err);
  if (rc == CQ_OK) rc = check_count(d, x, err);
  if (rc == CQ_OK && !x->why.code) {
    rc = ch_remove_rest(d, r, u, err);
    if (rc == CQ_OK) rc = rows_there(d, x, &now, err);
    if (rc == CQ_OK) x->sent = x->checked = now;
    d->quiet_ms = cq_mono_ms();
  }
  return rc;
}

/* Below some parents nothing may be read now: what was there before, out of the
 * unit's newest published run into this one; _cq_sync_time stays. */
static int carry_over(ch *d, ch_table *x, const cq_dest_run *r, cq_dest_unit *u,
                      int64_t *kept, cq_error *err) {
  const char *name = x->table->def->name;
  char *raw = cq_mprintf("raw_%s", name);
  int64_t before = x->sent, now = 0;
  cq_buf b;
  int rc = raw ? batch_flush(d, x, err) : cq_error_nomem(err);

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  before = x->sent;
  if (rc == CQ_OK) rc = check_count(d, x, err);
  if (rc == CQ_OK && x->why.code) {
    *err = x->why;
    rc = err->code;
  }
  if (rc == CQ_OK) {
    ch_format(d, &b, "INSERT INTO %t (", raw);
    ch_add_columns(&b, x->table, 0);
    cq_buf_str(&b, ", _cq_row) SELECT ");
    ch_add_columns(&b, x->table, r->group);
    ch_format(d, &b,
              ", _cq_row FROM %t WHERE _cq_source_name = %Q AND _cq_client_id "
              "= %Q AND _cq_sync_group_id IN (SELECT sync_group_id FROM %t "
              "WHERE table_name = %Q AND source_name = %Q AND client_id = %Q) "
              "AND toString(_cq_parent_id) IN (",
              raw, r->source, u->client, "cq_units", name, r->source,
              u->client);
    /* a JSON list of UUIDs: their quotes are all that differs */
    for (const char *p = u->keep; *p; p++)
      if (*p == '"')
        cq_buf_byte(&b, '\'');
      else if (*p != '[' && *p != ']' && *p != '\'' && *p != '\\')
        cq_buf_byte(&b, *p);
    ch_format(d, &b,
              ") AND _cq_id NOT IN (SELECT _cq_id FROM %t WHERE "
              "_cq_sync_group_id = %lld AND _cq_source_name = %Q AND "
              "_cq_client_id = %Q)",
              raw, (long long)r->group, r->source, u->client);
    if (b.rc) {
      rc = cq_error_nomem(err);
    } else {
      ch_ask q = {.body = b.data, .nbody = b.len, .once = 1};

      q.settings = "&max_query_size=67108864";
      rc = ch_request(d, &q, NULL, NULL, err);
    }
  }
  if (rc == CQ_OK) rc = rows_there(d, x, &now, err);
  if (rc == CQ_OK) {
    *kept = now - before;
    x->sent = x->checked = now;
    d->quiet_ms = cq_mono_ms();
  }
  cq_buf_clear(&b);
  cq_free(raw);
  return rc;
}

static int rows_before(ch *d, const cq_dest_run *r, const cq_dest_unit *u,
                       int64_t *out, cq_error *err) {
  return ch_int(d, out, err,
                "SELECT rows FROM %t WHERE table_name = %Q AND source_name = "
                "%Q AND client_id = %Q",
                "cq_units", u->table->def->name, r->source, u->client);
}

int ch_end(cq_dest *base, const cq_dest_run *r, cq_dest_unit *u,
           const char *status, const char *cursor, cq_error *err) {
  ch *d = ch_of(base);
  int ok = strcmp(status, "ok") == 0, rc = CQ_OK;
  ch_table *x = ch_table_of(d, u->table);
  int64_t kept = 0;

  if (!ok) {
    if (x) rc = drop_unit(d, x, r, u, err);
    if (rc) return rc;
    rc = rows_before(d, r, u, &kept, err);
    if (rc) return rc;
    if (!u->parts) ch_journal_unit(d, &d->units, r, u, status, NULL);
  } else {
    rc = table_open(d, r, u->table, &x, err);
    if (rc == CQ_OK && u->keep && !u->table->incremental &&
        base->mode != CQ_MODE_OVERWRITE) {
      rc = carry_over(d, x, r, u, &kept, err);
      if (rc) x->why = *err;
    }
    if (rc) return rc;
    if (!x->rows && !x->units.len) x->since_ms = cq_mono_ms();
    ch_journal_unit(d, &x->units, r, u, status, cursor);
    if (x->units.len > GATHERED / 8) rc = flush_now(d, x, err);
    if (rc) return rc;
    u->table->n.rows += u->rows;
    if (base->mode == CQ_MODE_APPEND) u->table->n.inserted += u->rows;
  }
  u->table->n.kept += kept;
  return d->units.rc || (x && x->units.rc) ? cq_error_nomem(err) : CQ_OK;
}
