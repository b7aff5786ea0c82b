/* ext/sync/run.c: the run of a sync: several units' scans are open at once and
 * polled in turn; their rows go to each destination as they come.
 *
 * Everything is on the caller's thread.  When no scan has anything it sleeps in
 * cq_http_wait, and looks for an interrupt each time round.  A unit of a child
 * table is opened when its parent's unit of the same client is over, and reads
 * the parent's rows from the destination, where they have just been written. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/internal.h"

enum {
  UNITS_OPEN = 32,     /* scans at once */
  UNITS_BLOCKED = 256, /* made, and waiting for their parent's unit */
  POLLS_AT_ONCE = 4,   /* batches of one unit before the next has its turn */
  COUNT_MS = 100,
  WAIT_MS = 50
};

typedef struct unit {
  cq_run_source *source;
  int table; /* in the plan */
  size_t client;
  const char *client_id;
  cq_scan *scan;
  cq_rows parents;     /* the scan reads them, and closes them */
  cq_dest_unit *to;    /* parallel to source->dests */
  unsigned char *live; /* this destination still takes rows */
  int64_t rows;
  char *cursor; /* where it began */
  char *keep;   /* see cq_dest_unit */
} unit;

typedef struct loop {
  cq_run *run;
  unit *open[UNITS_OPEN];
  int nopen;
  unit *blocked[UNITS_BLOCKED];
  int nblocked;
} loop;

static cq_plan_table *plan_of(const unit *u) {
  return &u->source->plan.tables[u->table];
}

static const char *table_name(const unit *u) {
  return plan_of(u)->table->name;
}

static void unit_free(unit *u) {
  if (!u) return;
  cq_scan_close(u->scan);
  cq_free(u->to);
  cq_free(u->live);
  cq_free(u->cursor);
  cq_free(u->keep);
  cq_free(u);
}

static int fatal(int rc) {
  return rc == CQ_INTERRUPT || rc == CQ_NOMEM;
}

/* A destination could not take something of this table: it is not published
 * there.  What says that the file itself is unusable ends it altogether. */
static int dest_failed(cq_run *r, cq_run_source *s, size_t d, int table,
                       const char *client, const cq_error *why) {
  cq_run_dest *o = &s->dests[d];

  if (fatal(why->code)) return why->code;
  o->tables[table].failed = 1;
  if (why->code == CQ_IOERR || why->code == CQ_FULL ||
      why->code == CQ_READONLY || why->code == CQ_BUSY || why->code == 11 ||
      why->code == 26)
    cq_run_break(r, s, o, why);
  else
    cq_run_note(r, s, o, s->plan.tables[table].table->name, client,
                "destination", why);
  return CQ_OK;
}

/* ---- making units ------------------------------------------------------------- */

static int takes(const cq_run_source *s, size_t d, int table) {
  return s->dests[d].begun && !s->dests[d].broken &&
         !s->dests[d].tables[table].failed;
}

/* The unit is over: in the plan, in each destination's journal. */
/* Are the table's units all that there are?  Not where a client failed before
 * it had a name, nor where nothing succeeded: what is not among them may be
 * there all the same. */
static int all_found(const unit *u) {
  const cq_plan_table *t = plan_of(u);
  const char *nameless = u->source->spec->integration->name;
  size_t failed = 0;

  for (size_t i = 0; i < t->nclient; i++) {
    if (t->clients[i]->failed && strcmp(t->clients[i]->id, nameless) == 0)
      return 0;
    failed += t->done[i] == CQ_END_FAILED;
  }
  return failed < t->nclient;
}

static int unit_end(cq_run *r, unit *u, cq_unit_end how, const char *cursor,
                    cq_error *err) {
  static const char *const words[] = {"", "ok", "failed", "skipped", "ok"};
  cq_plan_table *t = plan_of(u);
  int rc = CQ_OK;

  for (size_t d = 0; d < u->source->ndest && rc == CQ_OK; d++) {
    cq_run_dest *o = &u->source->dests[d];
    cq_dest_table *dt = &o->tables[u->table];

    if (how != CQ_END_DONE && takes(u->source, d, u->table)) {
      cq_error why = {0, ""};
      const char *word = u->live[d] ? words[how] : "failed";

      if (o->dest->ops->end(o->dest, &o->run, &u->to[d], word, cursor, &why)) {
        rc = dest_failed(r, u->source, d, u->table, u->client_id, &why);
        if (rc && err) *err = why;
      }
      if (rc == CQ_OK && u->to[d].warnings) {
        cq_error_set(&why, CQ_MISUSE,
                     "%s: %lld values do not fit their columns' type and are "
                     "NULL; the first: %s",
                     table_name(u), (long long)u->to[d].warnings, u->to[d].odd);
        cq_run_note(r, u->source, o, table_name(u), u->client_id, "warning",
                    &why);
      }
    }
    dt->n.units_done++;
    dt->n.failed += how == CQ_END_FAILED;
    dt->n.skipped += how == CQ_END_SKIPPED;
  }
  if (rc) return rc;
  r->rows_open -= u->rows;
  t->done[u->client] = (unsigned char)how;
  t->ended++;
  r->n.units_done++;
  r->n.failed += how == CQ_END_FAILED;
  r->n.skipped += how == CQ_END_SKIPPED;
  if (how == CQ_END_OK) r->n.rows += u->rows;
  if (t->ended == t->nclient) {
    for (size_t d = 0; d < u->source->ndest; d++) {
      cq_run_dest *o = &u->source->dests[d];
      cq_dest_table *dt = &o->tables[u->table];

      dt->finished_us = cq_now_us();
      dt->complete = all_found(u);
      dt->status = cq_run_table_status(dt);
      if (!o->dest) continue; /* could not be opened */
      o->dest->ops->drop(o->dest, dt);
      if (o->begun && !o->broken)
        o->dest->ops->put_table(o->dest, &o->run, dt, NULL);
    }
    cq_progress_table(r->progress, r, u->source, u->table);
  }
  return CQ_OK;
}

/* kind: of the note that tells why. */
static int unit_fail(cq_run *r, unit *u, cq_unit_end how, const char *kind,
                     const cq_error *why, cq_error *err) {
  cq_run_note(r, u->source, NULL, table_name(u), u->client_id, kind, why);
  return unit_end(r, u, how, NULL, err);
}

static int unit_new(cq_run_source *s, int table, size_t client, unit **out,
                    cq_error *err) {
  unit *u = cq_calloc(1, sizeof *u);

  *out = u;
  if (!u) return cq_error_nomem(err);
  u->source = s;
  u->table = table;
  u->client = client;
  u->client_id = s->plan.tables[table].clients[client]->id;
  u->to = cq_calloc(s->ndest + 1, sizeof *u->to);
  u->live = cq_calloc(s->ndest + 1, 1);
  if (!u->to || !u->live) {
    unit_free(u);
    *out = NULL;
    return cq_error_nomem(err);
  }
  for (size_t d = 0; d < s->ndest; d++) {
    u->to[d].table = &s->dests[d].tables[table];
    u->to[d].client = u->client_id;
  }
  return CQ_OK;
}

/* How the parent's unit of the same client ended; -1 = there is none. */
static int parent_end(const unit *u) {
  const cq_plan_table *t = plan_of(u), *p;
  size_t i = u->client;

  if (t->parent < 0) return -1;
  p = &u->source->plan.tables[t->parent];
  if (!p->listed) return CQ_END_FAILED;
  if (i >= p->nclient || strcmp(p->clients[i]->id, u->client_id) != 0)
    for (i = 0; i < p->nclient; i++)
      if (strcmp(p->clients[i]->id, u->client_id) == 0) break;
  return i < p->nclient ? p->done[i] : CQ_END_FAILED;
}

/* The older of two cursors: what lies between is then fetched again for the
 * destination that had it.  Cursors that cannot be compared: from the start. */
static int older_cursor(char **have, char *next, int first) {
  int64_t a, b;

  if (first) {
    *have = next;
    return CQ_OK;
  }
  if (*have && next && strcmp(*have, next) == 0) {
    cq_free(next);
    return CQ_OK;
  }
  if (*have && next && cq_time_parse(*have, strlen(*have), &a) == CQ_OK &&
      cq_time_parse(next, strlen(next), &b) == CQ_OK && b < a) {
    cq_free(*have);
    *have = next;
    return CQ_OK;
  }
  if (!*have || !next || cq_time_parse(*have, strlen(*have), &a) ||
      cq_time_parse(next, strlen(next), &b)) {
    cq_free(*have);
    *have = NULL;
  }
  cq_free(next);
  return CQ_OK;
}

/* What the destinations know of the unit: its cursor, and whether a retry can
 * leave it out.  done is set only where all of them have it. */
static int unit_state(cq_run *r, unit *u, int *done, cq_error *err) {
  cq_run_source *s = u->source;
  int first = 1, all = 1, rc = CQ_OK;

  for (size_t d = 0; d < s->ndest && rc == CQ_OK; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_dest_state st;
    cq_error why = {0, ""};

    u->to[d].started_us = cq_now_us();
    if (!takes(s, d, u->table)) continue;
    if (o->dest->ops->state(o->dest, &o->run, table_name(u), u->client_id, &st,
                            &why)) {
      rc = dest_failed(r, s, d, u->table, u->client_id, &why);
      if (rc) *err = why;
      continue;
    }
    u->live[d] = 1;
    if (!st.done) all = 0;
    if (st.cursor && !*st.cursor) {
      cq_free(st.cursor);
      st.cursor = NULL;
    }
    older_cursor(&u->cursor, st.cursor, first);
    first = 0;
  }
  *done = all && !first && (r->spec.retry || r->spec.resume);
  return rc;
}

/* The parent's rows, from the first destination that has them. */
static int unit_parents(unit *u, int ended, cq_rows *out, int *have,
                        cq_error *err) {
  cq_run_source *s = u->source;
  int parent = plan_of(u)->parent;

  *have = 0;
  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_dest_state st;
    int64_t group = o->run.group;
    int rc;

    if (!takes(s, d, parent)) continue;
    if (ended == CQ_END_DONE) {
      rc = o->dest->ops->state(o->dest, &o->run,
                               s->plan.tables[parent].table->name, u->client_id,
                               &st, err);
      if (rc) return rc;
      cq_free(st.cursor);
      group = st.group;
    }
    *have = 1;
    return o->dest->ops->rows(o->dest, &o->run, &o->tables[parent],
                              u->client_id, group, out, err);
  }
  return CQ_OK;
}

/* Opens the unit's scan.  CQ_BUSY: its parent's unit is not over.  CQ_DONE: the
 * unit is over already, for whatever reason. */
static int unit_open(cq_run *r, unit *u, cq_error *err) {
  cq_run_source *s = u->source;
  cq_plan_table *t = plan_of(u);
  const cq_client *client = t->clients[u->client];
  int up = parent_end(u), any = 0, done = 0, have = 0, rc;
  cq_scan_options o;
  cq_error why = {0, ""};

  if (up == CQ_END_NONE) return CQ_BUSY;
  rc = unit_state(r, u, &done, err);
  if (rc) return rc;
  if (done) {
    rc = unit_end(r, u, CQ_END_DONE, NULL, err);
    return rc ? rc : CQ_DONE;
  }
  for (size_t d = 0; d < s->ndest; d++) any |= u->live[d];
  if (!any || up == CQ_END_FAILED || up == CQ_END_SKIPPED || client->failed) {
    cq_unit_end how = up == CQ_END_SKIPPED ? CQ_END_SKIPPED : CQ_END_FAILED;

    if (client->failed)
      cq_error_set(&why, client->failed, "%s: %s", t->table->name,
                   client->error ? client->error : "its client failed");
    else if (up >= 0 && up != CQ_END_OK && up != CQ_END_DONE)
      cq_error_set(&why, CQ_ERROR, "%s: not asked, since %s %s", t->table->name,
                   t->table->parent.table->name,
                   up == CQ_END_SKIPPED ? "was skipped" : "failed");
    else
      cq_error_set(&why, CQ_ERROR,
                   "%s: not asked, since no destination can take its rows",
                   t->table->name);
    rc = unit_fail(r, u, how, how == CQ_END_SKIPPED ? "skipped" : "failed",
                   &why, err);
    return rc ? rc : CQ_DONE;
  }
  memset(&o, 0, sizeof o);
  o.env = r->call->env;
  o.source = s->source;
  o.table = t->table;
  o.clients = &t->clients[u->client];
  o.nclient = 1;
  o.cap = -1;
  o.cursor_from = u->cursor;
  rc = up >= 0 ? unit_parents(u, up, &u->parents, &have, &why) : CQ_OK;
  if (rc == CQ_OK && up >= 0 && !have)
    rc = cq_error_set(&why, CQ_ERROR,
                      "%s: not asked, since no destination has the rows of %s",
                      t->table->name, t->table->parent.table->name);
  if (rc == CQ_OK) {
    o.parents = have ? &u->parents : NULL;
    rc = cq_scan_open(&o, &u->scan, &why);
  }
  for (size_t d = 0; d < s->ndest; d++)
    if (!s->dests[d].tables[u->table].started_us) {
      s->dests[d].tables[u->table].started_us = cq_now_us();
      s->dests[d].tables[u->table].status = "running";
    }
  if (rc == CQ_OK) return CQ_OK;
  if (fatal(rc)) {
    *err = why;
    return rc;
  }
  rc = unit_fail(r, u, CQ_END_FAILED, "failed", &why, err);
  return rc ? rc : CQ_DONE;
}

/* ---- rows ------------------------------------------------------------------------ */

static int unit_rows(cq_run *r, unit *u, const cq_batch *batch, cq_error *err) {
  cq_run_source *s = u->source;
  cq_dest_rows rows;
  int rc = CQ_OK, any = 0;

  memset(&rows, 0, sizeof rows);
  rows.batch = batch;
  if (!s->ids[u->table])
    rc = cq_ids_new(plan_of(u)->table, &s->ids[u->table], err);
  if (rc == CQ_OK)
    rc = cq_ids_make(s->ids[u->table], batch, plan_of(u)->clients[u->client],
                     cq_scan_parent(u->scan), &rows.ids, &rows.parents, err);
  if (rc) return rc;
  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_error why = {0, ""};

    if (!u->live[d] || !takes(s, d, u->table)) {
      u->live[d] = 0;
      continue;
    }
    if (o->dest->ops->write(o->dest, &o->run, &u->to[d], &rows, &why) ==
        CQ_OK) {
      any = 1;
      continue;
    }
    u->live[d] = 0;
    rc = dest_failed(r, s, d, u->table, u->client_id, &why);
    if (rc) {
      *err = why;
      return rc;
    }
  }
  u->rows += batch->nrow;
  r->rows_open += batch->nrow;
  return any ? CQ_OK : CQ_DONE; /* nobody takes them */
}

static void unit_count(cq_run *r, unit *u, const cq_scan_stats *st) {
  for (size_t d = 0; d < u->source->ndest; d++) {
    cq_counts *n = &u->source->dests[d].tables[u->table].n;

    n->requests += st->requests;
    n->retries += st->retries;
    n->bytes += st->bytes;
    n->throttled_ms += st->throttled_ms;
  }
  r->n.requests += st->requests;
  r->n.retries += st->retries;
  r->n.bytes += st->bytes;
  r->n.throttled_ms += st->throttled_ms;
}

/* Data that carries a later time than the run's start would make the next run
 * begin behind rows that were never seen. */
static char *cap_cursor(const cq_run *r, const char *cursor) {
  json_t *map, *value;
  const char *key;
  int64_t us;
  char *dump, *out;

  if (cursor[0] != '{')
    return cq_strdup(cq_time_parse(cursor, strlen(cursor), &us) == CQ_OK &&
                             us > r->started_us
                         ? r->time
                         : cursor);
  map = json_loads(cursor, 0, NULL);
  json_object_foreach(map, key, value) {
    const char *text = json_string_value(value);

    if (text && cq_time_parse(text, strlen(text), &us) == CQ_OK &&
        us > r->started_us)
      json_object_set_new(map, key, json_string(r->time));
  }
  dump = map ? json_dumps(map, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
  out = cq_strdup(dump ? dump : cursor);
  free(dump);
  json_decref(map);
  return out;
}

/* Whose rows the unit could not read: as the destinations are told. */
static int unit_keep(cq_run *r, unit *u, cq_error *err) {
  cq_ids **ids = &u->source->ids[u->table];
  const cq_value *const *rows;
  size_t n;
  cq_buf b;
  int rc = CQ_OK;

  (void)r;
  rows = u->scan ? cq_scan_denied(u->scan, &n) : NULL;
  if (!rows || !n || !plan_of(u)->table->parent.table->nkey) return CQ_OK;
  if (!*ids) rc = cq_ids_new(plan_of(u)->table, ids, err);
  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    char id[37];

    if (cq_ids_parent(*ids, rows[i], id)) rc = cq_error_nomem(err);
    cq_buf_printf(&b, "%s\"%s\"", i ? "," : "[", id);
  }
  cq_buf_byte(&b, ']');
  if (rc == CQ_OK && b.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK) u->keep = cq_buf_take(&b);
  cq_buf_clear(&b);
  for (size_t d = 0; d < u->source->ndest; d++) u->to[d].keep = u->keep;
  return rc;
}

/* The scan has ended well. */
static int unit_done(cq_run *r, unit *u, const cq_scan_stats *st,
                     cq_error *err) {
  cq_error why = {0, ""};
  const char *cursor = st->cursor && *st->cursor ? st->cursor : u->cursor;
  char *capped = NULL;
  int rc;

  /* What may not be read is missing.  With nothing else to show, the unit
   * keeps what it had; one of several requests leaves the others' rows. */
  if (st->denied) {
    cq_error_set(&why, CQ_AUTH, "%s", st->denied_reason);
    if (u->rows == 0)
      return unit_fail(r, u, CQ_END_FAILED, "denied", &why, err);
    cq_run_note(r, u->source, NULL, table_name(u), u->client_id, "denied",
                &why);
    rc = unit_keep(r, u, err);
    if (rc) return rc;
  }
  if (st->skipped_client || st->skipped_rows || st->skip_reason[0]) {
    cq_error_set(&why, CQ_AUTH, "%s",
                 st->skip_reason[0] ? st->skip_reason : "skipped");
    /* One of several requests that may not be made leaves the others' rows. */
    if (st->skipped_client && u->rows == 0)
      return unit_fail(r, u, CQ_END_SKIPPED, "skipped", &why, err);
    cq_run_note(r, u->source, NULL, table_name(u), u->client_id, "skipped",
                &why);
  }
  if (st->warnings) {
    cq_error_set(&why, CQ_MISUSE,
                 "%s: %lld values were replaced or kept as text", table_name(u),
                 (long long)st->warnings);
    cq_run_note(r, u->source, NULL, table_name(u), u->client_id, "warning",
                &why);
    u->source->warnings += st->warnings;
  }
  /* One cursor for several requests stays where one of them got nothing. */
  if ((st->denied || st->skipped_client) && cursor && cursor[0] != '{')
    cursor = u->cursor;
  if (plan_of(u)->table->cursor.column >= 0 && cursor) {
    capped = cap_cursor(r, cursor);
    if (!capped) return cq_error_nomem(err);
  }
  rc = unit_end(r, u, CQ_END_OK, capped, err);
  cq_free(capped);
  return rc;
}

/* CQ_OK it goes on, CQ_BUSY nothing came, CQ_DONE it is over. */
static int unit_poll(cq_run *r, unit *u, cq_error *err) {
  cq_error why = {0, ""};
  cq_scan_stats st;
  int rc = CQ_BUSY, moved = 0;

  for (int k = 0; k < POLLS_AT_ONCE; k++) {
    const cq_batch *batch;
    const cq_client *client;

    rc = cq_scan_poll(u->scan, &batch, &client, &why);
    if (rc != CQ_ROW) break;
    moved = 1;
    rc = unit_rows(r, u, batch, &why);
    if (rc && rc != CQ_DONE) break; /* a record that is none */
    if (rc == CQ_DONE) {
      cq_error_set(&why, CQ_ERROR, "%s: no destination takes its rows",
                   table_name(u));
      rc = CQ_ERROR;
      break;
    }
  }
  if (rc == CQ_OK || rc == CQ_BUSY) return moved ? CQ_OK : CQ_BUSY;
  if (fatal(rc)) {
    *err = why;
    return rc;
  }
  cq_scan_stats_get(u->scan, &st);
  unit_count(r, u, &st);
  rc = rc == CQ_DONE ? unit_done(r, u, &st, err)
                     : unit_fail(r, u, CQ_END_FAILED, "failed", &why, err);
  return rc ? rc : CQ_DONE;
}

/* ---- the loop ---------------------------------------------------------------------- */

/* Tries a unit; what cannot start yet waits among the blocked. */
static int loop_try(loop *l, unit *u, cq_error *err) {
  int rc = unit_open(l->run, u, err);

  if (rc == CQ_BUSY) {
    l->blocked[l->nblocked++] = u;
    return CQ_OK;
  }
  if (rc == CQ_OK) {
    l->open[l->nopen++] = u;
    return CQ_OK;
  }
  unit_free(u);
  return rc == CQ_DONE ? CQ_OK : rc;
}

/* What the units under way have come to so far, for those who watch. */
static void loop_count(const loop *l, cq_run_source *s) {
  for (int i = 0; i < s->plan.n; i++)
    memset(&s->plan.tables[i].open, 0, sizeof s->plan.tables[i].open);
  for (int i = 0; i < l->nopen; i++) {
    cq_counts *n = &plan_of(l->open[i])->open;
    cq_scan_stats st;

    cq_scan_stats_get(l->open[i]->scan, &st);
    n->rows += l->open[i]->rows;
    n->requests += st.requests;
    n->retries += st.retries;
    n->throttled_ms += st.throttled_ms;
    n->bytes += st.bytes;
  }
}

static int loop_fill(loop *l, cq_run_source *s, cq_error *err) {
  int n = l->nblocked, rc = CQ_OK;
  unit *waiting[UNITS_BLOCKED];

  /* Those that waited come first, in their order. */
  memcpy(waiting, l->blocked, (size_t)n * sizeof *waiting);
  l->nblocked = 0;
  for (int i = 0; i < n; i++) {
    if (rc == CQ_OK && l->nopen < UNITS_OPEN)
      rc = loop_try(l, waiting[i], err);
    else
      l->blocked[l->nblocked++] = waiting[i];
  }
  while (rc == CQ_OK && l->nopen < UNITS_OPEN && l->nblocked < UNITS_BLOCKED &&
         s->at < s->plan.n) {
    cq_plan_table *t = &s->plan.tables[s->at];
    unit *u;

    if (!t->listed || t->at >= t->nclient) {
      s->at++;
      continue;
    }
    rc = unit_new(s, s->at, t->at++, &u, err);
    if (rc == CQ_OK) rc = loop_try(l, u, err);
    /* Units that are over at once must not starve those that are open. */
    if (rc == CQ_OK && l->run->call->env->interrupted &&
        l->run->call->env->interrupted(l->run->call->env->user))
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
  }
  return rc;
}

/* What has gathered is made durable from time to time, also while waiting. */
static int loop_commit(cq_run *r, cq_run_source *s, cq_error *err) {
  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_error why = {0, ""};

    if (!o->begun || o->broken || !o->dest->ops->commit(o->dest, 0, &why))
      continue;
    if (fatal(why.code)) {
      *err = why;
      return why.code;
    }
    cq_run_break(r, s, o, &why);
  }
  return CQ_OK;
}

static int run_units(cq_run *r, cq_run_source *s, cq_error *err) {
  cq_env *env = r->call->env;
  loop *l = cq_calloc(1, sizeof *l);
  int64_t counted = 0;
  int rc = CQ_OK;

  if (!l) return cq_error_nomem(err);
  l->run = r;
  for (;;) {
    int moved = 0, ended = 0;

    rc = loop_fill(l, s, err);
    if (rc || (l->nopen == 0 && l->nblocked == 0)) break;
    for (int i = 0; i < l->nopen && rc == CQ_OK; i++) {
      rc = unit_poll(r, l->open[i], err);
      if (rc == CQ_BUSY) {
        rc = CQ_OK;
        continue;
      }
      moved = 1;
      if (rc == CQ_DONE) {
        unit_free(l->open[i]);
        l->open[i--] = l->open[--l->nopen];
        ended = 1;
        rc = CQ_OK;
      }
    }
    if (rc == CQ_OK) rc = loop_commit(r, s, err);
    if (rc == CQ_OK && env->interrupted && env->interrupted(env->user))
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
    if (rc) break;
    if (ended || cq_mono_ms() - counted >= COUNT_MS) {
      loop_count(l, s);
      counted = cq_mono_ms();
    }
    cq_run_beat(r, 0);
    cq_progress_show(r->progress, r, 0);
    if (!moved && l->nopen) cq_http_wait(env->http, WAIT_MS);
  }
  for (int i = 0; i < l->nopen; i++) unit_free(l->open[i]);
  l->nopen = 0;
  loop_count(l, s);
  for (int i = 0; i < l->nblocked; i++) unit_free(l->blocked[i]);
  cq_free(l);
  return rc;
}

/* ---- starting a source --------------------------------------------------------------- */

static int same_dimensions(const cq_table *a, const cq_table *b) {
  while (a->parent.table && a->parent.table != a) a = a->parent.table;
  while (b->parent.table && b->parent.table != b) b = b->parent.table;
  if (a->nover != b->nover) return 0;
  for (size_t i = 0; i < a->nover; i++)
    if (a->over[i] != b->over[i]) return 0;
  return 1;
}

/* Lists the clients of each table, so that all units can be counted.  A table
 * whose clients cannot be had fails as a whole, keeping all it had. */
static int list_clients(cq_run *r, cq_run_source *s, cq_error *err) {
  cq_error *said = cq_calloc((size_t)s->plan.n + 1, sizeof *said);
  cq_value paid;
  int rc = CQ_OK;

  if (!said) return cq_error_nomem(err);
  memset(&paid, 0, sizeof paid);
  if (cq_config_get(s->config, "use_paid_apis", &paid))
    memset(&paid, 0, sizeof paid);
  for (int i = 0; i < s->plan.n && rc == CQ_OK; i++) {
    cq_plan_table *t = &s->plan.tables[i];
    const char *kind = "failed";

    if (t->parent >= 0 && s->plan.tables[t->parent].paid) t->paid = 1;
    if (t->paid && (paid.kind != CQ_INT || !paid.u.i)) {
      cq_error_set(&said[i], CQ_MISUSE,
                   "%s: its API costs money\nhint: set use_paid_apis: true",
                   t->table->name);
      kind = "skipped";
      t->paid = 1;
    } else {
      t->paid = 0;
      for (int k = 0; k < i && !said[i].code; k++)
        if (said[k].code && !s->plan.tables[k].paid &&
            same_dimensions(s->plan.tables[k].table, t->table))
          said[i] = said[k];
      if (!said[i].code) rc = cq_plan_clients(&s->plan, i, s->source, &said[i]);
      if (rc && !fatal(rc)) rc = CQ_OK;
    }
    if (rc) *err = said[i];
    if (rc == CQ_OK && said[i].code)
      cq_run_note(r, s, NULL, t->table->name, "", kind, &said[i]);
    r->n.units += (int64_t)t->nclient;
    for (size_t d = 0; d < s->ndest; d++) {
      cq_dest_table *dt = &s->dests[d].tables[i];

      dt->many = t->nclient > 1;
      dt->n.units = (int64_t)t->nclient;
      if (said[i].code)
        dt->status = kind;
      else if (t->nclient == 0) {
        dt->status = "success"; /* and what is there stays */
      }
    }
  }
  cq_free(said);
  return rc;
}

static int migrate_tables(cq_run *r, cq_run_source *s, cq_run_dest *o,
                          cq_error *err) {
  for (int i = 0; i < s->plan.n && !o->broken; i++) {
    cq_error why = {0, ""};
    int rc = r->spec.no_migrate
                 ? CQ_OK
                 : o->dest->ops->migrate(o->dest, &o->tables[i], 0, NULL, &why);

    if (rc) {
      rc = dest_failed(r, s, (size_t)(o - s->dests), i, "", &why);
      if (rc) {
        *err = why;
        return rc;
      }
    }
    if (!o->broken)
      o->dest->ops->put_table(o->dest, &o->run, &o->tables[i], NULL);
  }
  return o->broken ? CQ_OK : o->dest->ops->commit(o->dest, 1, err);
}

/* The destinations of the source begin a run each. */
static int begin_dests(cq_run *r, cq_run_source *s, cq_error *err) {
  int begun = 0, rc;

  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_error why = {0, ""};
    char id[32];

    if (o->broken) continue;
    snprintf(id, sizeof id, "%lld", (long long)r->group);
    o->run.group = r->group;
    o->run.started_us = r->started_us;
    o->run.time = r->time;
    o->run.source = s->spec->name;
    o->run.integration = s->spec->integration->name;
    o->run.retry = r->spec.retry;
    o->run.resume = r->spec.resume;
    if (o->spec->sync_group)
      o->run.sync_group =
          cq_spec_group(&r->spec.arena, o->spec->sync_group, id, r->started_us);
    rc = o->dest->ops->begin(o->dest, &o->run, &why);
    if (fatal(rc)) {
      *err = why;
      return rc;
    }
    if (rc) {
      cq_run_break(r, s, o, &why);
      *err = why;
      continue;
    }
    o->begun = 1;
    begun = 1;
  }
  return begun ? CQ_OK : err->code ? err->code : CQ_ERROR;
}

static int begin_source(cq_run *r, cq_run_source *s, cq_error *err) {
  int rc = begin_dests(r, s, err);

  if (rc == CQ_OK) rc = list_clients(r, s, err);
  for (size_t d = 0; d < s->ndest && rc == CQ_OK; d++)
    if (s->dests[d].begun && !s->dests[d].broken)
      rc = migrate_tables(r, s, &s->dests[d], err);
  if (rc && !fatal(rc)) {
    s->failed = 1;
    cq_run_note(r, s, NULL, "", "", "failed", err);
  }
  return rc;
}

/* ---- all --------------------------------------------------------------------------------- */

/* Everything that can be known without a request or a write. */
static int prepare_source(cq_run *r, cq_run_source *s, cq_error *err) {
  const cq_sync_call *c = r->call;
  int rc = cq_plan_config(c, s->spec, &s->config, err);

  if (rc == CQ_OK)
    rc = cq_plan_select(c->env->registry, s->spec, &s->plan, err);
  if (rc == CQ_OK)
    rc =
        cq_source_new(c->env, s->spec->integration, s->config, &s->source, err);
  if (rc) return rc;
  s->ids = cq_calloc((size_t)s->plan.n + 1, sizeof *s->ids);
  s->ndest = s->spec->destinations.n;
  s->dests = cq_calloc(s->ndest + 1, sizeof *s->dests);
  if (!s->ids || !s->dests) return cq_error_nomem(err);
  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];

    o->status = "failed";
    for (size_t k = 0; k < r->spec.ndest; k++)
      if (strcmp(r->spec.dests[k].name, s->spec->destinations.v[d]) == 0)
        o->spec = &r->spec.dests[k];
    o->tables = cq_calloc((size_t)s->plan.n + 1, sizeof *o->tables);
    if (!o->tables) return cq_error_nomem(err);
    for (int i = 0; i < s->plan.n; i++) {
      const cq_table *t = s->plan.tables[i].table;

      if (cq_dest_columns(&s->plan.arena, t, &o->tables[i]))
        return cq_error_nomem(err);
      o->tables[i].incremental = t->cursor.column >= 0;
      o->tables[i].status = "waiting";
    }
  }
  return CQ_OK;
}

int cq_run_prepare(cq_run *r, const cq_sync_call *c, cq_error *err) {
  int rc;

  memset(r, 0, sizeof *r);
  r->call = c;
  rc = cq_spec_read(c, &r->spec, err);
  if (rc) return rc;
  r->nsource = r->spec.nsource;
  r->sources = cq_calloc(r->nsource + 1, sizeof *r->sources);
  if (!r->sources) return cq_error_nomem(err);
  for (size_t i = 0; i < r->nsource && rc == CQ_OK; i++) {
    r->sources[i].spec = &r->spec.sources[i];
    rc = prepare_source(r, &r->sources[i], err);
  }
  return rc;
}

/* Opens each destination once.  One that cannot be opened fails for its
 * sources; CQ_OK as long as one is there. */
int cq_run_open(cq_run *r, int make, cq_error *err) {
  int any = 0;

  for (size_t k = 0; k < r->spec.ndest; k++) {
    cq_spec_dest *sd = &r->spec.dests[k];
    cq_dest *made = NULL;
    cq_error why = {0, ""};
    int rc;

    sd->def.peers = r->dests;
    rc = sd->ops->open(&sd->def, make, &made, &why);
    if (fatal(rc) || rc == CQ_MISUSE) {
      *err = why;
      return rc;
    }
    if (rc == CQ_OK) {
      made->next = r->dests;
      r->dests = made;
      any = 1;
    } else {
      *err = why;
    }
    for (size_t i = 0; i < r->nsource; i++)
      for (size_t d = 0; d < r->sources[i].ndest; d++)
        if (r->sources[i].dests[d].spec == sd) {
          r->sources[i].dests[d].dest = made;
          if (rc)
            cq_run_break(r, &r->sources[i], &r->sources[i].dests[d], &why);
        }
  }
  return any ? CQ_OK : err->code;
}

void cq_run_clear(cq_run *r) {
  for (size_t i = 0; i < r->nsource && r->sources; i++) {
    cq_run_source *s = &r->sources[i];

    for (size_t d = 0; d < s->ndest && s->dests; d++) {
      cq_run_dest *o = &s->dests[d];

      for (int k = 0; k < s->plan.n && o->tables && o->dest; k++)
        o->dest->ops->drop(o->dest, &o->tables[k]);
      cq_free(o->tables);
      cq_free(o->message);
    }
    cq_free(s->dests);
    for (int k = 0; k < s->plan.n && s->ids; k++) cq_ids_free(s->ids[k]);
    cq_free(s->ids);
    cq_source_unref(s->source);
    cq_config_unref(s->config);
    cq_plan_clear(&s->plan);
  }
  while (r->dests) {
    cq_dest *d = r->dests;

    r->dests = d->next;
    d->ops->close(d);
  }
  cq_free(r->sources);
  for (size_t i = 0; i < r->nerror; i++) {
    cq_free(r->errors[i].source);
    cq_free(r->errors[i].table);
    cq_free(r->errors[i].client);
    cq_free(r->errors[i].kind);
    cq_free(r->errors[i].message);
  }
  cq_free(r->errors);
  cq_progress_free(r->progress);
  cq_spec_clear(&r->spec);
}

/* The run's number: its start in microseconds, and more than any before. */
static int number(cq_run *r, cq_error *err) {
  r->started_us = cq_now_us();
  r->started_ms = cq_mono_ms();
  r->group = r->started_us;
  cq_time_format(r->started_us, r->time);
  for (cq_dest *d = r->dests; d; d = d->next) {
    int64_t last;
    int rc = d->ops->last_group(d, &last, err);

    if (rc) return rc;
    if (last >= r->group) r->group = last + 1;
  }
  return CQ_OK;
}

static int run_all(cq_run *r, cq_error *err) {
  int any = 0, rc = number(r, err);
  cq_error first = {0, ""};

  if (rc == CQ_OK) rc = cq_progress_new(r->spec.progress, &r->progress, err);
  for (size_t i = 0; i < r->nsource && rc == CQ_OK; i++) {
    cq_run_source *s = &r->sources[i];
    cq_error why = {0, ""};

    rc = begin_source(r, s, &why);
    if (rc == CQ_OK) rc = run_units(r, s, &why);
    if (rc == CQ_OK) {
      cq_run_publish(r, s);
      any = 1;
    } else if (fatal(rc)) {
      *err = why;
    } else {
      if (!first.code) first = why;
      s->failed = 1;
      cq_run_publish(r, s);
      rc = CQ_OK;
    }
  }
  if (rc == CQ_OK && !any) {
    *err = first;
    rc = first.code ? first.code : CQ_ERROR;
  }
  if (rc) cq_run_stop(r, rc == CQ_INTERRUPT ? "interrupted" : "failed");
  cq_progress_show(r->progress, r, 1);
  return rc;
}

int cq_sync_run(const cq_sync_call *c, cq_buf *out, cq_error *err) {
  cq_error own = {0, ""};
  cq_run r;
  int rc;

  if (!err) err = &own;
  if (c->env->syncing)
    return cq_error_set(err, CQ_MISUSE,
                        "cq_sync: another sync runs on this connection");
  c->env->syncing = 1;
  rc = cq_run_prepare(&r, c, err);
  if (rc == CQ_OK) rc = cq_run_open(&r, 1, err);
  if (rc == CQ_OK) rc = run_all(&r, err);
  if (rc == CQ_OK) rc = cq_run_result(&r, out) ? cq_error_nomem(err) : CQ_OK;
  if (rc == CQ_OK && r.spec.strict && strcmp(cq_run_status(&r), "success") != 0)
    rc = cq_error_set(err, CQ_ERROR, "cq_sync: %s: %lld errors%s%s",
                      cq_run_status(&r), (long long)r.errors_all,
                      r.nerror ? "; the first: " : "",
                      r.nerror ? r.errors[0].message : "");
  cq_run_clear(&r);
  c->env->syncing = 0;
  return rc;
}
