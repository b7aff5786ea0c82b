/* ext/dest/object/run.c: a run and its tables in memory: made, found, and freed
 * with what of them is still under way. */
#include "dest/object/internal.h"

#include <string.h>

/* ---- units ------------------------------------------------------------------- */

void obj_unit_drop_packs(obj_dest *d, obj_unit *x) {
  for (size_t i = 0; i < x->npack; i++) cq_pack_unref(x->packs[i]);
  cq_free(x->packs);
  x->packs = NULL;
  x->npack = x->cappack = 0;
  d->waiting -= x->bytes;
  x->bytes = 0;
}

void obj_unit_free(obj_dest *d, obj_table *t, obj_unit *x) {
  obj_unit **at = &t->units;

  while (*at && *at != x) at = &(*at)->next;
  if (*at) *at = x->next;
  obj_unit_drop_packs(d, x);
  cq_free(x->files);
  cq_free(x);
}

void obj_units_free(obj_dest *d, obj_table *t) {
  while (t->units) {
    t->units->unit->own = NULL;
    obj_unit_free(d, t, t->units);
  }
}

void obj_abandon(obj_dest *d, obj_run *run) {
  for (obj_table *t = run->tables; t; t = t->next) obj_units_free(d, t);
  while (run->outs) obj_out_abort(d, run->outs);
}

/* ---- tables ------------------------------------------------------------------ */

static json_t *columns_of(const cq_dest_table *t) {
  json_t *out = json_array();

  for (int i = 0; i < cq_dest_width(t) && out; i++)
    if (json_array_append_new(
            out, json_pack("{ss ss}", "name", cq_dest_column(t, i), "type",
                           cq_type_name(cq_dest_type(t, i))))) {
      json_decref(out);
      out = NULL;
    }
  return out;
}

static void table_free(obj_dest *d, obj_table *t) {
  obj_units_free(d, t);
  for (size_t i = 0; i < t->nfile; i++) cq_free(t->files[i].key);
  for (size_t i = 0; i < t->ndone; i++) {
    cq_free(t->done[i].client);
    cq_free(t->done[i].cursor);
    cq_free(t->done[i].keep);
    cq_free(t->done[i].files);
  }
  if (t->before) obj_state_clear(t->before);
  cq_free(t->before);
  cq_free(t->files);
  cq_free(t->done);
  cq_free(t->name);
  json_decref(t->columns);
  if (t->t) t->t->own = NULL;
  cq_free(t);
}

/* By name; made where it is not there. */
obj_table *obj_table_new(obj_run *run, const char *name) {
  obj_table **at = &run->tables;
  obj_table *t;

  for (; *at; at = &(*at)->next)
    if (strcmp((*at)->name, name) == 0) return *at;
  t = cq_calloc(1, sizeof *t);
  if (!t) return NULL;
  t->name = cq_strdup(name);
  if (!t->name) {
    cq_free(t);
    return NULL;
  }
  t->run = run;
  *at = t;
  return t;
}

/* ---- runs -------------------------------------------------------------------- */

/* The message may have been cut within a character. */
int obj_words_make(obj_words *w, const char *status, const char *message) {
  w->status = cq_strdup(status);
  w->message = message ? cq_strdup(message) : NULL;
  if (!w->status || (message && !w->message)) {
    obj_words_clear(w);
    return CQ_NOMEM;
  }
  if (message) w->message[cq_utf8_check(message, strlen(message))] = '\0';
  return CQ_OK;
}

void obj_words_clear(obj_words *w) {
  cq_free(w->status);
  cq_free(w->message);
  w->status = w->message = NULL;
}

/* Cannot fail: what they tell of may have happened. */
void obj_run_say(obj_run *run, obj_words *w) {
  obj_words_clear(&run->words);
  run->words = *w;
}

void obj_run_free(obj_dest *d, obj_run *run) {
  obj_abandon(d, run);
  while (run->tables) {
    obj_table *t = run->tables;

    run->tables = t->next;
    table_free(d, t);
  }
  json_decref(run->latest);
  json_decref(run->pending);
  cq_buf_clear(&run->errors);
  cq_free(run->time);
  cq_free(run->name);
  cq_free(run->folder);
  cq_free(run->told);
  cq_free(run->scratch);
  obj_words_clear(&run->words);
  cq_free(run);
}

/* group is not the run's where another's is settled. */
int obj_run_new(obj_dest *d, const cq_dest_run *r, int64_t group, obj_run **out,
                cq_error *err) {
  obj_run *run = cq_calloc(1, sizeof *run);

  *out = NULL;
  if (!run) return cq_error_nomem(err);
  cq_buf_init(&run->errors, OBJ_SMALL_MAX);
  run->nprefix = strlen(d->o.prefix);
  run->own = *r;
  run->own.group = group;
  run->own.base = 0;
  run->r = group == r->group ? r : &run->own;
  run->name = obj_name(r->source);
  run->told = run->name
                  ? obj_key(d, "_cq/runs/%s/%lld/", run->name, (long long)group)
                  : NULL;
  run->folder = run->name ? obj_key(d, "_cq/snapshots/%s/%lld/", run->name,
                                    (long long)group)
                          : NULL;
  run->scratch = run->name ? obj_key(d, "_cq/tmp/%s/", run->name) : NULL;
  run->beat_ms = run->committed_ms = run->journal_ms = cq_mono_ms();
  run->unsettled = 1;
  if (!run->told || !run->folder || !run->scratch ||
      obj_words_make(&run->words, "running", NULL)) {
    obj_run_free(d, run);
    return cq_error_nomem(err);
  }
  *out = run;
  return CQ_OK;
}

obj_run *obj_run_of(obj_dest *d, const cq_dest_run *r) {
  for (obj_run *run = d->runs; run; run = run->next)
    if (run->r == r) return run;
  return NULL;
}

obj_table *obj_table_of(obj_dest *d, const cq_dest_run *r, cq_dest_table *t) {
  obj_run *run;
  obj_table *x = t->own;

  if (x) return x;
  run = obj_run_of(d, r);
  x = run ? obj_table_new(run, t->def->name) : NULL;
  if (!x) return NULL;
  if (!x->columns) x->columns = columns_of(t);
  if (!x->columns) return NULL;
  x->t = t;
  x->incremental = t->incremental;
  t->own = x;
  return x;
}
