/* ext/dest/object/journal.c: which files and units of a run are whole, so that a
 * run that is cut off can be taken up; and the run tables.
 *
 * The journal is written in segments, small objects with a number each.  A file
 * stands in it before it is made durable: whatever a killed process leaves can
 * be found.  A unit stands in it once all its files are durable. */
#include "dest/object/internal.h"

#include <string.h>

enum { LOOK_MS = 250, ERRORS_BYTES = 256 << 10 };

static int put_segment(obj_dest *d, obj_run *run, const cq_buf *b,
                       cq_error *err) {
  char *key;
  int rc;

  if (b->rc == CQ_OK && !b->len) return CQ_OK;
  key = cq_mprintf("%sjournal-%06d.ndjson", run->folder, ++run->segment);
  rc = key ? obj_put_text(d, key, b, err) : cq_error_nomem(err);
  cq_free(key);
  return rc;
}

/* ---- units ----------------------------------------------------------------------- */

static int is_durable(const obj_table *t, const obj_done *k) {
  for (size_t i = 0; i < k->nfile; i++)
    if (!t->files[k->files[i]].finished) return 0;
  return 1;
}

static json_t *done_line(const obj_table *t, const obj_done *k) {
  char from[40], to[40];
  json_t *j, *files = NULL;
  int bad;

  cq_dest_time(k->started_us ? k->started_us : k->finished_us, from);
  cq_dest_time(k->finished_us, to);
  j = json_pack("{ss ss ss sI ss ss ss}", "table_name", t->name, "client_id",
                k->client, "status", k->status, "rows", (json_int_t)k->rows,
                "cursor", k->cursor ? k->cursor : "", "started", from,
                "finished", to);
  bad = !j;
  if (k->keep) bad |= json_object_set_new(j, "keep", json_string(k->keep));
  for (size_t i = 0; i < k->nfile && !bad; i++) {
    if (!files) files = json_array();
    bad |= json_array_append_new(files, json_string(t->files[k->files[i]].key));
  }
  if (files) bad |= json_object_set_new(j, "files", files);
  if (!bad) return j;
  json_decref(j);
  return NULL;
}

/* A part is not told before those that it comes after: its cursor is theirs,
 * too. */
static int is_due(const obj_table *t, const obj_done *k) {
  if (k->journalled) return 0;
  for (; !k->journalled; k = &t->done[k->after - 1]) {
    if (!is_durable(t, k)) return 0;
    if (!k->after) break;
  }
  return 1;
}

static void add_begun(const obj_out *o, cq_buf *b) {
  obj_add_line(b, json_pack("{ss ss}", "table_name", o->table->name, "begin",
                            o->table->files[o->file].key));
}

/* Finished, and no segment says so yet: also where what followed went wrong. */
static int is_news(const obj_file *f) {
  return f->finished && !f->gone && !f->told;
}

static void add_files(const obj_table *t, cq_buf *b) {
  for (size_t i = t->told; i < t->nfile; i++) {
    const obj_file *f = &t->files[i];

    if (is_news(f))
      obj_add_line(b, json_pack("{ss ss sI sI si ss}", "table_name", t->name,
                                "file", f->key, "rows", (json_int_t)f->rows,
                                "bytes", (json_int_t)f->bytes, "units",
                                f->units, "sha256", f->sha));
  }
}

static void add_units(const obj_table *t, cq_buf *b) {
  int described = t->described;

  for (size_t i = t->journalled; i < t->ndone; i++) {
    if (!is_due(t, &t->done[i])) continue;
    if (!described)
      obj_add_line(b, json_pack("{ss sO sb}", "table_name", t->name, "columns",
                                t->columns, "incremental", t->incremental));
    described = 1;
    obj_add_line(b, done_line(t, &t->done[i]));
  }
}

/* What was added is in the journal now; how many units that are. */
static int mark_told(obj_table *t) {
  int n = 0;

  for (size_t i = t->told; i < t->nfile; i++)
    t->files[i].told |= is_news(&t->files[i]);
  while (t->told < t->nfile &&
         (t->files[t->told].told || t->files[t->told].gone))
    t->told++;
  for (size_t i = t->journalled; i < t->ndone; i++)
    if (is_due(t, &t->done[i])) {
      t->done[i].journalled = t->described = 1;
      n++;
    }
  while (t->journalled < t->ndone && t->done[t->journalled].journalled)
    t->journalled++;
  return n;
}

/* Files that are finished, and units whose files all are. */
static int journal_whole(obj_dest *d, obj_run *run, cq_error *err) {
  cq_buf b;
  int rc;

  cq_buf_init(&b, OBJ_SMALL_MAX);
  for (const obj_table *t = run->tables; t; t = t->next) {
    add_files(t, &b);
    add_units(t, &b);
  }
  rc = put_segment(d, run, &b, err);
  for (obj_table *t = run->tables; t && rc == CQ_OK; t = t->next)
    run->unwritten -= mark_told(t);
  cq_buf_clear(&b);
  run->journal_ms = cq_mono_ms();
  return rc;
}

/* ---- files ----------------------------------------------------------------------- */

static obj_unit *unit_with(const obj_table *t, const obj_out *o) {
  for (obj_unit *x = t->units; x; x = x->next)
    if (x->out == o) return x;
  return NULL;
}

/* What is due is sealed.  The shared files of all tables go together, so that
 * the journal is written seldom. */
static int seal_due(obj_dest *d, obj_run *run, int force, cq_error *err) {
  int64_t now = cq_mono_ms();
  int due = force || d->full, rc = CQ_OK;

  for (obj_out *o = run->outs; o && !due; o = o->next)
    due = !o->own && !o->sealed && !d->o.no_rotate &&
          now - o->opened_ms >= d->o.gather.ms;
  if (!due) return CQ_OK;
  for (obj_out *o = run->outs, *next; o && rc == CQ_OK; o = next) {
    next = o->next;
    if (o->sealed) continue;
    if (o->bad) {
      if (!o->own) obj_out_abort(d, o); /* its table has failed */
    } else if (!o->own) {
      rc = obj_out_seal(d, o, err);
      if (rc == CQ_OK) rc = obj_claim_beat(d, run, err);
    } else if (d->full && o->to && o->to->held) {
      obj_unit *x = unit_with(o->table, o);

      rc = obj_out_seal(d, o, err);
      if (x) x->out = NULL; /* it goes on with another */
    }
  }
  return rc;
}

static int finish_sealed(obj_dest *d, obj_run *run, cq_error *err) {
  cq_buf b;
  int rc;

  cq_buf_init(&b, OBJ_SMALL_MAX);
  for (const obj_out *o = run->outs; o; o = o->next)
    if (o->sealed) add_begun(o, &b);
  rc = put_segment(d, run, &b, err);
  cq_buf_clear(&b);
  for (obj_out *o = run->outs, *next; o && rc == CQ_OK; o = next) {
    next = o->next;
    if (!o->sealed) continue;
    rc = obj_out_finish(d, o, err);
    if (rc == CQ_OK) rc = obj_claim_beat(d, run, err);
  }
  return rc ? rc : journal_whole(d, run, err);
}

int obj_commit(obj_dest *d, obj_run *run, int force, cq_error *err) {
  int64_t now = cq_mono_ms();
  int sealed = 0, rc;

  if (run->ended) return CQ_OK;
  if (!force && !d->full && now - run->committed_ms < LOOK_MS) return CQ_OK;
  run->committed_ms = now;
  rc = obj_claim_beat(d, run, err);
  if (rc == CQ_OK) rc = seal_due(d, run, force, err);
  for (const obj_out *o = run->outs; o; o = o->next) sealed |= o->sealed;
  d->full = 0;
  if (rc) return rc;
  if (sealed) return finish_sealed(d, run, err);
  if (run->unwritten && (force || now - run->journal_ms >= d->o.gather.ms))
    return journal_whole(d, run, err);
  return CQ_OK;
}

/* ---- the run tables --------------------------------------------------------------- */

static json_t *time_json(int64_t us) {
  char text[40];

  if (us <= 0) return json_null();
  cq_dest_time(us, text);
  return json_string(text);
}

static json_t *run_line(const obj_dest *d, const obj_run *run) {
  const cq_dest_run *r = run->r;
  const cq_counts *n = &run->n;
  json_t *j = json_pack(
      "{sI ss ss ss ss ss* ss ss ss si sI sI sI sI sI sI sI sI so ss so ss* ss "
      "si}",
      "sync_group_id", (json_int_t)r->group, "source_name", r->source,
      "integration", r->integration, "destination_name", d->base.name,
      "write_mode", "append", "sync_group", r->sync_group, "kind",
      r->retry && r->base ? "retry" : "full", "status", run->words.status,
      "sync_time", r->time, "tables", run->ntable, "units",
      (json_int_t)n->units, "units_done", (json_int_t)n->units_done, "rows",
      (json_int_t)n->rows, "errors", (json_int_t)n->errors, "requests",
      (json_int_t)n->requests, "retries", (json_int_t)n->retries,
      "throttled_ms", (json_int_t)n->throttled_ms, "bytes",
      (json_int_t)n->bytes, "started", time_json(r->started_us), "updated", "",
      "finished", time_json(run->finished_us), "message", run->words.message,
      "owner", d->owner, "unsettled", run->unsettled);

  if (j) json_object_set_new(j, "updated", time_json(cq_now_us()));
  return j;
}

/* A run that is over has no table that is under way, and none whose rows are
 * whole and not current. */
static const char *table_word(const obj_run *run, const obj_table *t) {
  const char *w = t->t->status ? t->t->status : "waiting";
  int over = strcmp(run->words.status, "running") != 0, open = 0;

  if (!over || !run->unsettled) return w;
  for (size_t i = 0; i < t->ndone; i++)
    open |= strcmp(t->done[i].status, "ok") == 0;
  if (!open && strcmp(w, "waiting") != 0 && strcmp(w, "running") != 0) return w;
  return strcmp(run->words.status, "interrupted") == 0 ? "interrupted"
                                                       : "failed";
}

static json_t *table_line(const obj_run *run, const obj_table *t) {
  const cq_counts *n = &t->t->n;

  return json_pack(
      "{sI ss ss ss sI sI sI sI sI sI sI sI sI sI sI sI sI so so}",
      "sync_group_id", (json_int_t)run->r->group, "source_name", run->r->source,
      "table_name", t->name, "status", table_word(run, t), "rows",
      (json_int_t)n->rows, "inserted", (json_int_t)n->inserted, "updated",
      (json_int_t)n->updated, "deleted", (json_int_t)n->deleted, "unchanged",
      (json_int_t)n->unchanged, "kept", (json_int_t)n->kept, "errors",
      (json_int_t)n->errors, "units", (json_int_t)n->units, "units_done",
      (json_int_t)n->units_done, "requests", (json_int_t)n->requests, "retries",
      (json_int_t)n->retries, "throttled_ms", (json_int_t)n->throttled_ms,
      "bytes", (json_int_t)n->bytes, "started", time_json(t->t->started_us),
      "finished", time_json(t->t->finished_us));
}

static int errors_write(obj_dest *d, obj_run *run, cq_error *err) {
  char *key;
  int rc;

  if (!run->errors.len) return CQ_OK;
  key = cq_mprintf("%scq_sync_errors-%06d.ndjson", run->told,
                   run->errors_segment + 1);
  rc = key ? obj_put_text(d, key, &run->errors, err) : cq_error_nomem(err);
  cq_free(key);
  if (rc == CQ_OK && run->errors.len > ERRORS_BYTES) {
    run->errors_segment++;
    cq_buf_reset(&run->errors);
  }
  return rc;
}

int obj_tables_write(obj_dest *d, obj_run *run, cq_error *err) {
  char *key = cq_mprintf("%scq_syncs.ndjson", run->told);
  cq_buf b;
  int rc;

  cq_buf_init(&b, OBJ_SMALL_MAX);
  obj_add_line(&b, run_line(d, run));
  rc = key ? obj_put_text(d, key, &b, err) : cq_error_nomem(err);
  cq_free(key);
  cq_buf_reset(&b);
  for (obj_table *t = run->tables; t && rc == CQ_OK; t = t->next)
    if (t->t) obj_add_line(&b, table_line(run, t));
  if (rc == CQ_OK && (b.len || b.rc)) {
    key = cq_mprintf("%scq_sync_tables.ndjson", run->told);
    rc = key ? obj_put_text(d, key, &b, err) : cq_error_nomem(err);
    cq_free(key);
  }
  cq_buf_clear(&b);
  return rc ? rc : errors_write(d, run, err);
}

int cq_object_put_error(cq_dest *base, const cq_dest_run *r, const char *table,
                        const char *client, const char *kind,
                        const char *message, cq_error *err) {
  obj_dest *d = obj_of(base);
  obj_run *run = obj_run_of(d, r);
  const char *hint = strstr(message, "\nhint: ");
  size_t n = hint ? (size_t)(hint - message) : strlen(message);
  char now[40];
  cq_buf *b;

  if (!run) return CQ_OK;
  b = &run->errors;
  cq_dest_time(cq_now_us(), now);
  cq_buf_printf(
      b, "{\"sync_group_id\":%lld,\"source_name\":", (long long)r->group);
  cq_buf_json(b, r->source, strlen(r->source));
  cq_buf_str(b, ",\"table_name\":");
  cq_buf_json(b, table, strlen(table));
  cq_buf_str(b, ",\"client_id\":");
  cq_buf_json(b, client, strlen(client));
  cq_buf_str(b, ",\"kind\":");
  cq_buf_json(b, kind, strlen(kind));
  cq_buf_str(b, ",\"message\":"); /* may be cut within a character */
  cq_buf_json(b, message, n);
  if (hint) {
    cq_buf_str(b, ",\"hint\":");
    cq_buf_json(b, hint + 7, strlen(hint + 7));
  }
  cq_buf_printf(b, ",\"at\":\"%s\"}\n", now);
  if (run->errors.rc) return cq_error_nomem(err);
  return run->errors.len > ERRORS_BYTES ? errors_write(d, run, err) : CQ_OK;
}
