/* ext/sync/publish.c: the end of a source's run: what each table came to, the
 * one step that makes its rows current, CloudQuery's summary. */
#include <stdio.h>
#include <string.h>

#include "cq.h"
#include "sync/internal.h"

enum { WAIT_MS = 50 };

const char *cq_run_table_status(const cq_dest_table *t) {
  if (t->failed) return "failed";
  if (t->n.failed) /* of one that fails, parts may have been whole */
    return t->n.failed == t->n.units && !t->n.rows ? "failed" : "partial";
  if (t->n.errors) return "partial"; /* some of its rows may not be read */
  if (t->n.units && t->n.skipped == t->n.units) return "skipped";
  return "success";
}

/* A skipped unit is no failure: nothing can be there, and that is recorded. */
static const char *dest_status(cq_run_source *s, const cq_run_dest *o) {
  int good = 0, bad = 0;

  if (o->broken || !o->begun || s->failed) return "failed";
  for (int i = 0; i < s->plan.n; i++) {
    const char *w = o->tables[i].status;

    if (strcmp(w, "failed") == 0)
      bad++;
    else if (strcmp(w, "partial") == 0)
      bad++, good++;
    else
      good++;
  }
  if (!bad) return o->unsaid ? "partial" : "success";
  return good ? "partial" : "failed";
}

const char *cq_run_status(const cq_run *r) {
  int good = 0, bad = 0;

  for (size_t i = 0; i < r->nsource; i++)
    for (size_t d = 0; d < r->sources[i].ndest; d++) {
      const char *w = r->sources[i].dests[d].status;

      good += strcmp(w, "failed") != 0;
      bad += strcmp(w, "success") != 0;
    }
  return !bad ? "success" : good ? "partial" : "failed";
}

/* ---- the summary row -------------------------------------------------------------- */

static cq_value json_counts(cq_arena *a, cq_run_source *s, cq_run_dest *o,
                            int what) {
  cq_buf b;
  char *text;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  cq_buf_byte(&b, what ? '{' : '[');
  for (int i = 0; i < s->plan.n; i++) {
    const cq_dest_table *t = &o->tables[i];
    int64_t n = what == 1   ? t->n.rows
                : what == 2 ? t->n.errors
                : t->finished_us && t->started_us
                    ? (t->finished_us - t->started_us) / 1000
                    : 0;

    if (i) cq_buf_byte(&b, ',');
    cq_buf_json(&b, t->def->name, strlen(t->def->name));
    if (what) cq_buf_printf(&b, ":%lld", (long long)n);
  }
  cq_buf_byte(&b, what ? '}' : ']');
  text = b.rc ? NULL : cq_arena_strndup(a, b.data, b.len);
  cq_buf_clear(&b);
  return text ? cq_value_text(text) : cq_value_null();
}

static void summary(cq_run *r, cq_run_source *s, cq_run_dest *o) {
  cq_error why = {0, ""};
  cq_arena a;
  char group[32];
  cq_value v[22];
  int n = 0;

  cq_arena_init(&a);
  snprintf(group, sizeof group, "%lld", (long long)r->group);
  v[n++] = cq_value_text(r->time);
  v[n++] = cq_value_text(o->run.sync_group ? o->run.sync_group : group);
  v[n++] = cq_value_text("cq v" CQ_VERSION);
  v[n++] = cq_value_text(group);
  v[n++] = cq_value_int(cq_mono_ms() - r->started_ms);
  v[n++] = cq_value_int(o->n.rows);
  v[n++] = cq_value_text(s->spec->name);
  v[n++] = cq_value_text(s->spec->path);
  v[n++] = cq_value_text(s->spec->version ? s->spec->version : "");
  v[n++] = cq_value_int(o->n.errors - o->own_errors);
  v[n++] = cq_value_int(s->warnings);
  v[n++] = json_counts(&a, s, o, 0);
  v[n++] = cq_value_text(o->spec->name);
  v[n++] = cq_value_text(o->spec->path_text);
  v[n++] = cq_value_text(o->spec->version ? o->spec->version : "");
  v[n++] = cq_value_int(o->own_errors);
  v[n++] = cq_value_int(o->own_warnings);
  v[n++] = cq_value_null();
  v[n++] = cq_value_null();
  v[n++] = json_counts(&a, s, o, 1);
  v[n++] = json_counts(&a, s, o, 2);
  v[n++] = json_counts(&a, s, o, 3);
  /* The rows are published: what is missing is told, and nothing is undone. */
  if (o->dest->ops->summary(o->dest, v, n, &why))
    cq_run_note(r, s, o, "", "", "destination", &why);
  cq_arena_clear(&a);
}

/* ---- publish ------------------------------------------------------------------------ */

static void end_table(cq_run_source *s, cq_run_dest *o, int i) {
  cq_dest_table *t = &o->tables[i];

  if (t->failed)
    t->status = "failed";
  else if (s->plan.tables[i].listed)
    t->status = cq_run_table_status(t);
  if (!t->finished_us) t->finished_us = cq_now_us();
}

/* The run is over there and not published.  Where something can be written
 * still, it says so: nobody is to wait for this run. */
static void give_up(cq_run *r, cq_run_source *s, cq_run_dest *o,
                    const char *status) {
  for (int i = 0; i < s->plan.n && o->broken && o->tables; i++) {
    o->tables[i].failed = 1;
    o->tables[i].status = "failed";
    cq_run_put_table(r, s, o, &o->tables[i]);
  }
  cq_run_put_run(r, s, o, status);
  o->dest->ops->commit(o->dest, 1, NULL);
  o->ended = 1;
}

/* All that was handed over is written, or has failed: what each table came to
 * is known. */
static int settle_dest(cq_run *r, cq_run_source *s, cq_run_dest *o,
                       cq_error *err) {
  cq_error why = {0, ""};

  if (o->begun && !o->broken && o->dest->ops->drain)
    o->dest->ops->drain(o->dest, &why);
  if (cq_fatal(why.code)) {
    *err = why;
    return why.code;
  }
  if (why.code) cq_run_break(r, s, o, &why);
  return cq_run_hear(r, s, err);
}

/* Of a key that came twice one row is stored. */
static void tell_again(cq_run *r, cq_run_source *s, cq_run_dest *o) {
  for (int i = 0; i < s->plan.n; i++) {
    const cq_dest_table *t = &o->tables[i];
    cq_error why = {0, ""};

    if (t->failed || t->n.again <= 0) continue;
    cq_error_set(&why, CQ_MISUSE,
                 "%s: %lld row%s a key that came before in "
                 "this run, and took its place",
                 t->def->name, (long long)t->n.again,
                 t->n.again == 1 ? " has" : "s have");
    cq_run_note(r, s, o, t->def->name, "", "warning", &why);
  }
}

static int publish_dest(cq_run *r, cq_run_source *s, cq_run_dest *o,
                        cq_dest_table **tables, cq_error *err) {
  cq_error why = {0, ""};
  int64_t again;
  int rc = settle_dest(r, s, o, err);

  if (rc) return rc;
  cq_run_sum(r, s, o);
  for (int i = 0; i < s->plan.n; i++) {
    end_table(s, o, i);
    tables[i] = &o->tables[i];
  }
  o->status = dest_status(s, o);
  if (!o->begun) return CQ_OK;
  again = o->n.again;
  if (!o->broken) tell_again(r, s, o);
  if (!o->broken)
    o->dest->ops->publish(o->dest, &o->run, tables, s->plan.n, o->status, &o->n,
                          o->message, &why);
  if (why.code == CQ_INTERRUPT && o->dest->ops->threaded) {
    *err = why;
    return why.code;
  }
  if (why.code) cq_run_break(r, s, o, &why);
  cq_run_sum(r, s, o);
  /* Some count when they publish. */
  if (!o->broken && !again && o->n.again) {
    tell_again(r, s, o);
    if (o->dest->ops->drain) o->dest->ops->drain(o->dest, NULL);
  }
  if (o->broken)
    give_up(r, s, o, "failed");
  else if (o->spec->summary)
    summary(r, s, o);
  o->ended = 1;
  rc = cq_run_hear(r, s, err); /* an entry that came too late */
  cq_run_sum(r, s, o);
  o->status = o->broken ? "failed" : o->unsaid ? dest_status(s, o) : o->status;
  return rc;
}

/* Those that are done are published while others are still writing: none waits
 * for a slow one. */
int cq_run_publish(cq_run *r, cq_run_source *s, cq_error *err) {
  cq_env *env = r->call->env;
  cq_dest_table **tables = cq_calloc((size_t)s->plan.n + 1, sizeof *tables);
  size_t left = s->ndest;
  int rc = CQ_OK;

  cq_run_beat(r, 1);
  for (size_t d = 0; d < s->ndest && !tables; d++) {
    cq_error why = {0, ""};

    cq_error_nomem(&why);
    cq_run_break(r, s, &s->dests[d], &why);
    if (s->dests[d].begun) give_up(r, s, &s->dests[d], "failed");
    s->dests[d].ended = 1;
    left = 0;
  }
  while (left > 0 && rc == CQ_OK) {
    size_t before = left;

    for (size_t d = 0; d < s->ndest && rc == CQ_OK; d++) {
      cq_run_dest *o = &s->dests[d];

      if (o->ended || (o->begun && !o->broken && o->dest->ops->busy &&
                       o->dest->ops->busy(o->dest)))
        continue;
      rc = publish_dest(r, s, o, tables, err);
      if (rc == CQ_OK) o->ended = 1;
      left--;
    }
    if (rc || left < before) continue;
    if (env->interrupted && env->interrupted(env->user))
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
    if (rc == CQ_OK) rc = cq_run_hear(r, s, err);
    cq_run_beat(r, 0);
    cq_progress_show(r->progress, r, 0);
    cq_http_wait(env->http, WAIT_MS);
  }
  cq_free(tables);
  return rc;
}

void cq_run_stop(cq_run *r, const char *status) {
  cq_run_beat(r, 0);
  for (size_t i = 0; i < r->nsource; i++) {
    cq_run_source *s = &r->sources[i];

    for (size_t d = 0; d < s->ndest; d++) {
      cq_run_dest *o = &s->dests[d];

      if (o->begun && !o->ended)
        give_up(r, s, o, o->broken ? "failed" : status);
    }
  }
}
