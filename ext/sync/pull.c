/* ext/sync/pull.c: the units of a source are worked off: several scans are open
 * at once and polled in turn; their rows go to each destination as they come.
 *
 * Everything is on the caller's thread.  When no scan has anything it sleeps in
 * cq_http_wait, and looks for an interrupt each time round.  A unit of a child
 * table is opened when its parent's unit of the same client is over, and reads
 * the parent's rows from the destination, where they have just been written. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sync/internal.h"

enum {
  UNITS_OPEN = 32,     /* scans at once */
  UNITS_BLOCKED = 256, /* made, and waiting for their parent's unit */
  POLLS_AT_ONCE = 4,   /* batches of one unit before the next has its turn */
  PART_ROWS = 1000,    /* so many, or so long: what a kill takes of a unit */
  PART_MS = 3000,
  COUNT_MS = 100,
  WAIT_MS = 50
};

typedef struct loop {
  cq_run *run;
  cq_unit *open[UNITS_OPEN];
  int nopen;
  cq_unit *blocked[UNITS_BLOCKED];
  int nblocked;
} loop;

/* ---- rows ------------------------------------------------------------------------ */

static int unit_rows(cq_run *r, cq_unit *u, const cq_batch *batch,
                     cq_error *err) {
  cq_run_source *s = u->source;
  cq_dest_rows rows;
  cq_pack *pack = NULL;
  int rc = CQ_OK, any = 0;

  memset(&rows, 0, sizeof rows);
  rows.batch = batch;
  rows.pack = &pack;
  if (!s->ids[u->table])
    rc = cq_ids_new(cq_unit_plan(u)->table, &r->ids, &s->ids[u->table], err);
  if (rc == CQ_OK)
    rc = cq_ids_make(s->ids[u->table], batch,
                     cq_unit_plan(u)->clients[u->client],
                     cq_scan_parent(u->scan), &rows.ids, &rows.parents, err);
  for (size_t d = 0; d < s->ndest && rc == CQ_OK; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_error why = {0, ""};

    if (!u->live[d] || !cq_run_takes(s, d, u->table)) {
      u->live[d] = 0;
      continue;
    }
    if (o->dest->ops->write(o->dest, &o->run, &u->to[d], &rows, &why) ==
        CQ_OK) {
      any = 1;
      continue;
    }
    u->live[d] = 0;
    rc = cq_run_dest_failed(r, s, d, u->table, u->client_id, &why);
    if (rc) *err = why;
  }
  cq_pack_unref(pack);
  if (rc) return rc;
  u->rows += batch->nrow;
  r->rows_open += batch->nrow;
  return any ? CQ_OK : CQ_DONE; /* nobody takes them */
}

static void unit_count(cq_run *r, cq_unit *u, const cq_scan_stats *st) {
  for (size_t d = 0; d < u->source->ndest; d++) {
    cq_counts *n = &u->source->dests[d].tables[u->table].n;

    n->requests += st->requests;
    n->retries += st->retries;
    n->bytes += st->bytes;
    n->throttled_ms += st->throttled_ms;
  }
  r->n.requests = cq_run_asked(r) - r->asked_from;
  r->n.retries += st->retries;
  r->n.bytes += st->bytes;
  r->n.throttled_ms += st->throttled_ms;
}

/* Data that carries a later time than the run's start would make the next run
 * begin behind rows that were never seen.  NULL: out of memory. */
static char *cap_cursor(const cq_run *r, const char *cursor) {
  json_t *map, *value;
  json_error_t why;
  const char *key;
  int64_t us;
  char *dump = NULL, *out = NULL;
  int bad = 0;

  if (cursor[0] != '{')
    return cq_strdup(cq_time_parse(cursor, strlen(cursor), &us) == CQ_OK &&
                             us > r->started_us
                         ? r->time
                         : cursor);
  /* The library sets no code where it has no memory to begin with. */
  memset(&why, 0, sizeof why);
  why.text[JSON_ERROR_TEXT_LENGTH - 1] = (char)json_error_out_of_memory;
  map = json_loads(cursor, 0, &why);
  /* A token may begin so, too. */
  if (!map && json_error_code(&why) != json_error_out_of_memory)
    return cq_strdup(cursor);
  json_object_foreach(map, key, value) {
    const char *text = json_string_value(value);

    if (text && cq_time_parse(text, strlen(text), &us) == CQ_OK &&
        us > r->started_us)
      bad |= json_object_set_new(map, key, json_string(r->time));
  }
  if (map && !bad) dump = json_dumps(map, JSON_COMPACT | JSON_SORT_KEYS);
  if (dump) out = cq_strdup(dump);
  free(dump);
  json_decref(map);
  return out;
}

/* Whose rows the unit could not read: as the destinations are told.  *named:
 * the rows that are missing are all among them. */
static int unit_keep(cq_run *r, cq_unit *u, const cq_scan_stats *st, int *named,
                     cq_error *err) {
  cq_ids **ids = &u->source->ids[u->table];
  const cq_value *const *rows;
  size_t n;
  cq_buf b;
  int rc = CQ_OK;

  rows = cq_scan_denied(u->scan, &n);
  *named = st->nameless == 0;
  if (!n || !*named) return CQ_OK;
  if (!*ids) rc = cq_ids_new(cq_unit_plan(u)->table, &r->ids, ids, err);
  if (rc) return rc;
  *named = cq_ids_tell(*ids);
  if (!*named) return CQ_OK;
  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    char id[37];

    if (cq_ids_parent(*ids, rows[i], id)) rc = cq_error_nomem(err);
    cq_buf_printf(&b, "%s\"%s\"", i ? "," : "[", id);
  }
  cq_buf_byte(&b, ']');
  if (rc == CQ_OK && b.rc == CQ_NOMEM) rc = cq_error_nomem(err);
  *named = b.rc == CQ_OK;
  if (rc == CQ_OK && *named) u->keep = cq_buf_take(&b);
  cq_buf_clear(&b);
  for (size_t d = 0; d < u->source->ndest; d++) u->to[d].keep = u->keep;
  return rc;
}

/* Is there a destination where what the unit does not bring goes? */
static int may_lose(const cq_unit *u) {
  int yes = 0;

  for (size_t d = 0; d < u->source->ndest; d++)
    yes |= u->live[d] && u->source->dests[d].dest->mode != CQ_MODE_OVERWRITE;
  return yes && u->had && !cq_unit_plan(u)->incremental;
}

/* What may not be read is missing.  With nothing else to show, or where it
 * cannot be told from the rest, the unit keeps all that it had: CQ_DONE.
 * Otherwise one of several requests leaves the others' rows. */
static int unit_denied(cq_run *r, cq_unit *u, const cq_scan_stats *st,
                       cq_error *err) {
  cq_plan_table *t = cq_unit_plan(u);
  cq_error why = {0, ""};
  int named, rc;

  if (!st->denied && u->left != CQ_LEFT_UNKNOWN) return CQ_OK;
  rc = unit_keep(r, u, st, &named, err);
  if (rc) return rc;
  if (u->left == CQ_LEFT_UNKNOWN) named = 0;
  if (st->denied)
    cq_error_set(&why, CQ_AUTH, "%s", st->denied_reason);
  else
    cq_error_set(&why, CQ_AUTH, "rows of %s may not be read",
                 t->table->parent.table->name);
  if ((st->denied && u->rows == 0 && !u->parts) || (!named && may_lose(u))) {
    if (!named || !st->denied)
      cq_error_prefix(&why, "%s: all that it had stays", t->table->name);
    rc = cq_unit_fail(r, u, CQ_END_FAILED, "denied", &why, err);
    return rc ? rc : CQ_DONE;
  }
  if (st->denied)
    cq_run_note(r, u->source, NULL, t->table->name, u->client_id, "denied",
                &why);
  u->leaves = !named    ? CQ_LEFT_UNKNOWN
              : u->keep ? CQ_LEFT_KEPT
                        : CQ_LEFT_NOTHING;
  return CQ_OK;
}

/* Between the run that the unit's rows are of and this one more time went by
 * than the API can be asked about. */
static void unit_gap(cq_run *r, cq_unit *u) {
  int64_t keeps = cq_unit_plan(u)->table->cursor.keeps_us;
  char from[40], to[40];
  cq_error why = {0, ""};

  if (!keeps || !u->before_us || u->before_us >= r->started_us - keeps) return;
  cq_time_format(u->before_us, from);
  cq_time_format(r->started_us - keeps, to);
  cq_error_set(&why, CQ_NOTFOUND,
               "%s: what came between %s and %s may be missing: the API cannot "
               "be asked about it any more",
               cq_unit_table(u), from, to);
  cq_error_hint(&why, "sync it at least every %d days",
                (int)(keeps / (INT64_C(86400) * 1000000)));
  cq_run_note(r, u->source, NULL, cq_unit_table(u), u->client_id, "warning",
              &why);
}

/* The scan has ended well. */
static int unit_done(cq_run *r, cq_unit *u, const cq_scan_stats *st,
                     cq_error *err) {
  cq_error why = {0, ""};
  const char *cursor = st->cursor && *st->cursor ? st->cursor : u->cursor;
  char *capped = NULL;
  int rc;

  rc = unit_denied(r, u, st, err);
  if (rc) return rc == CQ_DONE ? CQ_OK : rc;
  if (st->skipped_client || st->skipped_rows || st->skip_reason[0]) {
    cq_error_set(&why, CQ_AUTH, "%s",
                 st->skip_reason[0] ? st->skip_reason : "skipped");
    /* One of several requests that may not be made leaves the others' rows. */
    if (st->skipped_client && u->rows == 0 && !u->parts) {
      /* Where something was, that nothing can be there is news: its rows stay,
       * and a retry asks again. */
      if (u->had) return cq_unit_fail(r, u, CQ_END_FAILED, "failed", &why, err);
      return cq_unit_fail(r, u, CQ_END_SKIPPED, "skipped", &why, err);
    }
    cq_run_note(r, u->source, NULL, cq_unit_table(u), u->client_id, "skipped",
                &why);
  }
  if (st->warnings) {
    cq_error_set(&why, CQ_MISUSE,
                 "%s: %lld values were replaced or kept as text",
                 cq_unit_table(u), (long long)st->warnings);
    cq_run_note(r, u->source, NULL, cq_unit_table(u), u->client_id, "warning",
                &why);
    u->source->warnings += st->warnings;
  }
  /* One cursor for several requests stays where one of them got nothing. */
  if ((st->denied || st->skipped_client) && cursor && cursor[0] != '{')
    cursor = u->cursor;
  if (!cq_unit_plan(u)->feed) {
    /* Below an incremental table: it has all below what that has. */
    cursor = st->denied || st->skipped_client || u->left != CQ_LEFT_NOTHING
                 ? u->cursor
                 : cq_unit_parent_cursor(u);
    return cq_unit_over(r, u, CQ_END_OK, cursor, err);
  }
  unit_gap(r, u);
  if (cursor) {
    capped = cap_cursor(r, cursor);
    if (!capped) return cq_error_nomem(err);
  }
  rc = cq_unit_over(r, u, CQ_END_OK, capped, err);
  cq_free(capped);
  return rc;
}

/* The cursor has moved on: enough for a part?  Not where others are below: they
 * read what one unit has brought.  Without a key nobody could tell what comes
 * again, since what was read behind the cursor does. */
static int unit_moved(cq_run *r, cq_unit *u, cq_error *err) {
  const cq_plan_table *t = cq_unit_plan(u);
  cq_scan_stats st;
  char *capped;
  int rc;

  if (!t->feed || t->has_children || !t->table->nkey ||
      (u->rows < PART_ROWS && cq_mono_ms() - u->part_ms < PART_MS))
    return CQ_OK;
  u->part_ms = cq_mono_ms();
  cq_scan_stats_get(u->scan, &st);
  capped = cap_cursor(r, st.cursor);
  rc = capped ? cq_unit_part(r, u, capped, err) : cq_error_nomem(err);
  cq_free(capped);
  return rc;
}

/* CQ_OK it goes on, CQ_BUSY nothing came, CQ_DONE it is over. */
static int unit_poll(cq_run *r, cq_unit *u, cq_error *err) {
  const char *kind = "failed";
  cq_error why = {0, ""};
  cq_scan_stats st;
  int rc = CQ_BUSY, moved = 0;

  for (int k = 0; k < POLLS_AT_ONCE; k++) {
    const cq_batch *batch;
    const cq_client *client;

    rc = cq_scan_poll(u->scan, &batch, &client, &why);
    if (rc == CQ_BUSY && cq_scan_moves(u->scan) > u->moves) {
      u->moves = cq_scan_moves(u->scan);
      moved = 1;
      rc = unit_moved(r, u, err);
      if (rc) return rc;
      continue;
    }
    if (rc != CQ_ROW) break;
    moved = 1;
    rc = unit_rows(r, u, batch, &why);
    if (rc && rc != CQ_DONE) break; /* a record that is none */
    if (rc == CQ_DONE) {
      cq_error_set(&why, CQ_ERROR, "%s: no destination takes its rows",
                   cq_unit_table(u));
      kind = "destination";
      rc = CQ_ERROR;
      break;
    }
  }
  if (rc == CQ_OK || rc == CQ_BUSY) return moved ? CQ_OK : CQ_BUSY;
  if (cq_fatal(rc)) {
    *err = why;
    return rc;
  }
  cq_scan_stats_get(u->scan, &st);
  unit_count(r, u, &st);
  rc = rc == CQ_DONE ? unit_done(r, u, &st, err)
                     : cq_unit_fail(r, u, CQ_END_FAILED, kind, &why, err);
  return rc ? rc : CQ_DONE;
}

/* ---- the loop ---------------------------------------------------------------------- */

/* Tries a unit; what cannot start yet waits among the blocked. */
static int loop_try(loop *l, cq_unit *u, cq_error *err) {
  int rc = cq_unit_open(l->run, u, err);

  if (rc == CQ_BUSY) {
    l->blocked[l->nblocked++] = u;
    return CQ_OK;
  }
  if (rc == CQ_OK) {
    l->open[l->nopen++] = u;
    return CQ_OK;
  }
  cq_unit_free(u);
  return rc == CQ_DONE ? CQ_OK : rc;
}

/* What the units under way have come to so far, for those who watch. */
static void loop_count(const loop *l, cq_run_source *s) {
  for (int i = 0; i < s->plan.n; i++)
    memset(&s->plan.tables[i].open, 0, sizeof s->plan.tables[i].open);
  for (int i = 0; i < l->nopen; i++) {
    cq_counts *n = &cq_unit_plan(l->open[i])->open;
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
  cq_unit *waiting[UNITS_BLOCKED];

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
    cq_unit *u;

    if (!t->listed || t->at >= t->nclient) {
      s->at++;
      continue;
    }
    rc = cq_unit_new(s, s->at, t->at++, &u, err);
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
    if (cq_fatal(why.code)) {
      *err = why;
      return why.code;
    }
    cq_run_break(r, s, o, &why);
  }
  return cq_run_hear(r, s, err);
}

int cq_run_units(cq_run *r, cq_run_source *s, cq_error *err) {
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
        cq_unit_free(l->open[i]);
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
  for (int i = 0; i < l->nopen; i++) cq_unit_free(l->open[i]);
  l->nopen = 0;
  loop_count(l, s);
  for (int i = 0; i < l->nblocked; i++) cq_unit_free(l->blocked[i]);
  cq_free(l);
  return rc;
}
