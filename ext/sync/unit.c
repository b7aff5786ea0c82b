/* ext/sync/unit.c: a unit of a run, one table of one client: made, opened where
 * its parent's unit is over, and ended in each destination's journal. */
#include <string.h>

#include "sync/internal.h"

cq_plan_table *cq_unit_plan(const cq_unit *u) {
  return &u->source->plan.tables[u->table];
}

const char *cq_unit_table(const cq_unit *u) {
  return cq_unit_plan(u)->table->name;
}

void cq_unit_free(cq_unit *u) {
  if (!u) return;
  cq_scan_close(u->scan);
  cq_free(u->to);
  cq_free(u->live);
  cq_free(u->cursor);
  cq_free(u->keep);
  cq_free(u);
}

int cq_run_takes(const cq_run_source *s, size_t d, int table) {
  return s->dests[d].begun && !s->dests[d].broken &&
         !s->dests[d].tables[table].failed;
}

/* Are the table's units all that there are?  Not where a client failed before
 * it had a name, nor where nothing succeeded: what is not among them may be
 * there all the same. */
static int all_found(const cq_unit *u) {
  const cq_plan_table *t = cq_unit_plan(u);
  const char *nameless = u->source->spec->integration->name;
  size_t failed = 0;

  for (size_t i = 0; i < t->nclient; i++) {
    if (t->clients[i]->failed && strcmp(t->clients[i]->id, nameless) == 0)
      return 0;
    failed += cq_plan_end(t, i, NULL) == CQ_END_FAILED;
  }
  return failed < t->nclient;
}

int cq_unit_over(cq_run *r, cq_unit *u, cq_unit_end how, const char *cursor,
                 cq_error *err) {
  static const char *const words[] = {"", "ok", "failed", "skipped", "ok"};
  cq_plan_table *t = cq_unit_plan(u);
  int rc = CQ_OK;

  for (size_t d = 0; d < u->source->ndest && rc == CQ_OK; d++) {
    cq_run_dest *o = &u->source->dests[d];
    cq_dest_table *dt = &o->tables[u->table];

    if (how != CQ_END_DONE && cq_run_takes(u->source, d, u->table)) {
      cq_error why = {0, ""};
      const char *word = u->live[d] ? words[how] : "failed";

      if (o->dest->ops->end(o->dest, &o->run, &u->to[d], word, cursor, &why)) {
        rc = cq_run_dest_failed(r, u->source, d, u->table, u->client_id, &why);
        if (rc && err) *err = why;
      }
      if (rc == CQ_OK && u->to[d].warnings) {
        cq_error_set(&why, CQ_MISUSE,
                     "%s: %lld values do not fit their columns' type and are "
                     "NULL; the first: %s",
                     cq_unit_table(u), (long long)u->to[d].warnings,
                     u->to[d].odd);
        cq_run_note(r, u->source, o, cq_unit_table(u), u->client_id, "warning",
                    &why);
      }
    }
    dt->n.units_done++;
    dt->n.failed += how == CQ_END_FAILED;
    dt->n.skipped += how == CQ_END_SKIPPED;
  }
  if (rc) return rc;
  r->rows_open -= u->rows;
  t->ends[u->client] = (unsigned char)((int)how | (int)u->leaves << 4);
  if (how == CQ_END_DONE) cursor = u->cursor;
  if (t->cursors && cursor) {
    t->cursors[u->client] =
        cq_arena_strndup(&u->source->plan.arena, cursor, strlen(cursor));
    if (!t->cursors[u->client]) return cq_error_nomem(err);
  }
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
      if (o->begun && !o->broken) cq_run_put_table(r, u->source, o, dt);
    }
    cq_progress_table(r->progress, r, u->source, u->table);
    if (!t->has_children) {
      cq_free(t->ends);
      t->ends = NULL;
    }
  }
  return CQ_OK;
}

/* ---- parts --------------------------------------------------------------------- */

/* What stands behind the cursor of a unit whose last part was not its end, as
 * ISO 8601 writes a time without an end. */
static const char OPEN[] = "/..";

/* Takes it away again: was it there? */
static int is_open(char *cursor) {
  size_t n = cursor ? strlen(cursor) : 0, k = sizeof OPEN - 1;

  if (n < k || strcmp(cursor + n - k, OPEN) != 0) return 0;
  cursor[n - k] = '\0';
  return 1;
}

int cq_unit_part(cq_run *r, cq_unit *u, const char *cursor, cq_error *err) {
  char *open = cq_mprintf("%s%s", cursor, OPEN), *copy = cq_strdup(cursor);
  int rc = open && copy ? CQ_OK : cq_error_nomem(err);

  for (size_t d = 0; d < u->source->ndest && rc == CQ_OK; d++) {
    cq_run_dest *o = &u->source->dests[d];
    cq_error why = {0, ""};

    if (!u->live[d] || !cq_run_takes(u->source, d, u->table)) continue;
    u->to[d].part = 1;
    if (o->dest->ops->end(o->dest, &o->run, &u->to[d], "ok", open, &why)) {
      u->live[d] = 0;
      rc = cq_run_dest_failed(r, u->source, d, u->table, u->client_id, &why);
      if (rc) *err = why;
    }
    cq_dest_part(&u->to[d]);
  }
  cq_free(open);
  if (rc) {
    cq_free(copy);
    return rc;
  }
  cq_free(u->cursor);
  u->cursor = copy;
  u->parts++;
  r->rows_open -= u->rows;
  r->n.rows += u->rows;
  u->rows = 0;
  return CQ_OK;
}

/* A failure says what stays of the unit. */
static void say_kept(const cq_unit *u, cq_error *why) {
  if (u->cursor && u->cursor[0] != '{')
    cq_error_prefix(why,
                    "%s: what there was until %s is kept: ", cq_unit_table(u),
                    u->cursor);
  else
    cq_error_prefix(why, "%s: what came before is kept: ", cq_unit_table(u));
}

int cq_unit_fail(cq_run *r, cq_unit *u, cq_unit_end how, const char *kind,
                 const cq_error *why, cq_error *err) {
  int theirs = strcmp(kind, "destination") == 0;
  cq_error said = *why;

  if (u->parts) {
    say_kept(u, &said);
    how = CQ_END_FAILED;
  }
  cq_run_note(r, u->source, NULL, cq_unit_table(u), u->client_id,
              theirs ? "failed" : kind, &said);
  for (size_t d = 0; d < u->source->ndest; d++)
    u->source->dests[d].own_errors += theirs;
  return cq_unit_over(r, u, how, NULL, err);
}

int cq_unit_new(cq_run_source *s, int table, size_t client, cq_unit **out,
                cq_error *err) {
  cq_plan_table *t = &s->plan.tables[table];
  cq_unit *u = cq_calloc(1, sizeof *u);

  *out = u;
  if (u && !t->ends) t->ends = cq_calloc(t->nclient + 1, 1);
  if (!u || !t->ends) {
    cq_free(u);
    *out = NULL;
    return cq_error_nomem(err);
  }
  u->source = s;
  u->table = table;
  u->client = client;
  u->client_id = t->clients[client]->id;
  u->to = cq_calloc(s->ndest + 1, sizeof *u->to);
  u->live = cq_calloc(s->ndest + 1, 1);
  if (!u->to || !u->live) {
    cq_unit_free(u);
    *out = NULL;
    return cq_error_nomem(err);
  }
  for (size_t d = 0; d < s->ndest; d++) {
    u->to[d].table = &s->dests[d].tables[table];
    u->to[d].client = u->client_id;
  }
  return CQ_OK;
}

/* The unit's client in its parent table; that one's nclient where it has none. */
static size_t parent_client(const cq_unit *u) {
  const cq_plan_table *p = &u->source->plan.tables[cq_unit_plan(u)->parent];
  size_t i = u->client;

  if (i >= p->nclient || strcmp(p->clients[i]->id, u->client_id) != 0)
    for (i = 0; i < p->nclient; i++)
      if (strcmp(p->clients[i]->id, u->client_id) == 0) break;
  return i;
}

/* How the parent's unit of the same client ended; -1 = there is none.  *left:
 * what it could not read. */
static int parent_end(const cq_unit *u, cq_left *left) {
  const cq_plan_table *t = cq_unit_plan(u), *p;
  size_t i;

  *left = CQ_LEFT_NOTHING;
  if (t->parent < 0) return -1;
  p = &u->source->plan.tables[t->parent];
  if (!p->listed) return CQ_END_FAILED;
  i = parent_client(u);
  if (i == p->nclient) return CQ_END_FAILED;
  return cq_plan_end(p, i, left);
}

const char *cq_unit_parent_cursor(const cq_unit *u) {
  const cq_plan_table *t = cq_unit_plan(u), *p;

  if (t->parent < 0) return NULL;
  p = &u->source->plan.tables[t->parent];
  return p->cursors ? p->cursors[parent_client(u)] : NULL;
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

/* Is the table below that one, and keeps its cursor? */
static int is_below(const cq_plan *p, int table, int top) {
  while (table != top && p->tables[table].parent >= 0 && !p->tables[table].feed)
    table = p->tables[table].parent;
  return table == top;
}

/* A unit below an incremental one that failed, or is new, lacks what is below
 * parents that were fetched before: they are fetched once more. */
static int cursors_below(cq_unit *u, size_t dest, const cq_run_dest *o,
                         cq_error *err) {
  const cq_plan *p = &u->source->plan;

  for (int k = u->table + 1; k < p->n; k++) {
    cq_dest_state st;
    int rc;

    if (!is_below(p, k, u->table) || !cq_run_takes(u->source, dest, k))
      continue;
    rc = o->dest->ops->state(o->dest, &o->run, p->tables[k].table->name,
                             u->client_id, &st, err);
    if (rc) return rc;
    is_open(st.cursor);
    if (st.cursor && !*st.cursor) {
      cq_free(st.cursor);
      st.cursor = NULL;
    }
    older_cursor(&u->cursor, st.cursor, 0);
  }
  return CQ_OK;
}

/* What the destinations know of the unit: its cursor, and whether a retry can
 * leave it out.  done is set only where all of them have it. */
static int unit_state(cq_run *r, cq_unit *u, int *done, cq_error *err) {
  cq_run_source *s = u->source;
  int first = 1, all = 1, rc = CQ_OK;

  for (size_t d = 0; d < s->ndest && rc == CQ_OK; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_dest_state st;
    cq_error why = {0, ""};

    u->to[d].started_us = cq_now_us();
    if (!cq_run_takes(s, d, u->table)) continue;
    if (o->dest->ops->state(o->dest, &o->run, cq_unit_table(u), u->client_id,
                            &st, &why)) {
      rc = cq_run_dest_failed(r, s, d, u->table, u->client_id, &why);
      if (rc) *err = why;
      continue;
    }
    u->live[d] = 1;
    if (is_open(st.cursor) || !st.done) all = 0;
    if (st.rows > 0) u->had = 1;
    /* A run's number is when it began. */
    if (st.group && st.cursor && *st.cursor &&
        (!u->before_us || st.group < u->before_us))
      u->before_us = st.group;
    if (st.cursor && !*st.cursor) {
      cq_free(st.cursor);
      st.cursor = NULL;
    }
    older_cursor(&u->cursor, st.cursor, first);
    first = 0;
    if (cq_unit_plan(u)->feed && cursors_below(u, d, o, &why)) {
      rc = cq_run_dest_failed(r, s, d, u->table, u->client_id, &why);
      if (rc) *err = why;
    }
  }
  *done = all && !first && (r->spec.retry || r->spec.resume);
  return rc;
}

static int rows_from(cq_unit *u, cq_run_dest *o, int ended, int kept,
                     cq_rows *out, cq_error *err) {
  int parent = cq_unit_plan(u)->parent;
  int64_t group = o->run.group;
  cq_dest_state st;

  if (ended == CQ_END_DONE) {
    int rc = o->dest->ops->state(o->dest, &o->run, o->tables[parent].def->name,
                                 u->client_id, &st, err);

    if (rc) return rc;
    cq_free(st.cursor);
    group = st.group;
  }
  return o->dest->ops->rows(o->dest, &o->run, &o->tables[parent], u->client_id,
                            group, kept, out, err);
}

/* The parent's rows, from the first destination that has them and can read
 * them; `kept`: also those that stay since they may not be read now.  Where none
 * can, the first one's error is told. */
static int parent_rows(cq_unit *u, int ended, int kept, cq_rows *out, int *have,
                       cq_error *err) {
  cq_run_source *s = u->source;
  int first = CQ_OK;

  *have = 0;
  for (size_t d = 0; d < s->ndest; d++) {
    cq_error why = {0, ""};
    int rc;

    if (!cq_run_takes(s, d, cq_unit_plan(u)->parent)) continue;
    rc = rows_from(u, &s->dests[d], ended, kept, out, &why);
    if (rc == CQ_OK) {
      *have = 1;
      cq_error_clear(err);
      return rc;
    }
    if (!first || cq_fatal(rc)) {
      first = rc;
      *err = why;
    }
    if (cq_fatal(rc)) break;
  }
  return first;
}

/* Rows below what stays of the parent are asked for as all others.  Where no
 * destination can read it, what was there below it cannot be told. */
static int unit_parents(cq_unit *u, int ended, cq_rows *out, int *have,
                        cq_error *err) {
  int kept = u->left == CQ_LEFT_KEPT;
  int rc = parent_rows(u, ended, kept, out, have, err);

  if (!kept || rc == CQ_OK || cq_fatal(rc)) return rc;
  cq_error_clear(err);
  u->left = CQ_LEFT_UNKNOWN;
  return parent_rows(u, ended, 0, out, have, err);
}

int cq_unit_open(cq_run *r, cq_unit *u, cq_error *err) {
  cq_run_source *s = u->source;
  cq_plan_table *t = cq_unit_plan(u);
  const cq_client *client = t->clients[u->client];
  int up = parent_end(u, &u->left), any = 0, done = 0, have = 0, rc;
  cq_scan_options o;
  cq_error why = {0, ""};

  if (up == CQ_END_NONE) return CQ_BUSY;
  rc = unit_state(r, u, &done, err);
  if (rc) return rc;
  if (done) {
    rc = cq_unit_over(r, u, CQ_END_DONE, NULL, err);
    return rc ? rc : CQ_DONE;
  }
  for (size_t d = 0; d < s->ndest; d++) any |= u->live[d];
  if (!any || up == CQ_END_FAILED || up == CQ_END_SKIPPED || client->failed) {
    cq_unit_end how = up == CQ_END_SKIPPED ? CQ_END_SKIPPED : CQ_END_FAILED;
    const char *kind = how == CQ_END_SKIPPED ? "skipped" : "failed";

    if (client->failed) {
      cq_error_set(&why, client->failed, "%s",
                   client->error ? client->error : "its client failed");
      cq_run_note_client(r, s, t->table->name, u->client_id, &why);
      rc = cq_unit_over(r, u, how, NULL, err);
      return rc ? rc : CQ_DONE;
    }
    if (up >= 0 && up != CQ_END_OK && up != CQ_END_DONE) {
      cq_error_set(&why, CQ_ERROR, "%s: not asked, since %s %s", t->table->name,
                   t->table->parent.table->name,
                   up == CQ_END_SKIPPED ? "was skipped" : "failed");
    } else {
      kind = "destination";
      cq_error_set(&why, CQ_ERROR,
                   "%s: not asked, since no destination can take its rows",
                   t->table->name);
    }
    rc = cq_unit_fail(r, u, how, kind, &why, err);
    return rc ? rc : CQ_DONE;
  }
  memset(&o, 0, sizeof o);
  o.env = r->call->env;
  o.source = s->source;
  o.table = t->table;
  o.clients = &t->clients[u->client];
  o.nclient = 1;
  o.cap = -1;
  o.cursor_from = t->feed ? u->cursor : NULL;
  o.by_parts = 1;
  u->part_ms = cq_mono_ms();
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
  if (cq_fatal(rc)) {
    *err = why;
    return rc;
  }
  rc = cq_unit_fail(r, u, CQ_END_FAILED, "failed", &why, err);
  return rc ? rc : CQ_DONE;
}
