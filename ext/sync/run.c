/* ext/sync/run.c: the run of a sync, from its spec to its result: everything is
 * read and chosen before the first request, destinations are opened, and source
 * after source is begun, pulled (pull.c) and published (publish.c). */
#include <stdio.h>
#include <string.h>

#include "sync/internal.h"

/* A run that was killed may have left much to remove. */
enum { BEGIN_MS = 60000 };

/* Everything that can be known without a request or a write. */
static int prepare_source(cq_run *r, cq_run_source *s, cq_error *err) {
  const cq_sync_call *c = r->call;
  int rc = cq_plan_config(c, s->spec, &s->config, err);

  if (rc == CQ_OK) {
    rc = cq_options_check(c->env->registry, s->spec->integration, s->config,
                          s->spec->spec, err);
  }
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
      o->tables[i].incremental = s->plan.tables[i].incremental;
      for (int k = i + 1; k < s->plan.n; k++)
        if (s->plan.tables[k].parent == i) o->tables[i].wanted = 1;
      o->tables[i].status = "waiting";
    }
  }
  return CQ_OK;
}

/* A destination's spec may serve several sources: what it says of tables is of
 * any that there is. */
static int prepare_dest(cq_registry *all, const cq_spec_dest *o,
                        cq_error *err) {
  const cq_words *globs = &o->def.globs;

  for (size_t g = 0; g < globs->n; g++) {
    const char *name, *near = NULL, **names = NULL;
    size_t n = 0, cap = 0;
    int any = 0, rc = CQ_OK;

    for (size_t i = 0; !any && rc == CQ_OK &&
                       (name = cq_registry_table_name(all, i, NULL)) != NULL;
         i++) {
      any = cq_glob(globs->v[g], name);
      rc =
          cq_grow(&names, &cap, n, sizeof *names) ? cq_error_nomem(err) : CQ_OK;
      if (rc == CQ_OK) names[n++] = name;
    }
    if (rc == CQ_OK && !any) {
      if (!strchr(globs->v[g], '*')) near = cq_nearest(globs->v[g], names, n);
      rc = cq_tree_error(err, globs->at[g],
                         "destination %s: matches no table: %s", o->name,
                         globs->v[g]);
      cq_error_hint(err, "%s",
                    near ? near : "SELECT name FROM cq_tables lists them");
    }
    cq_free(names);
    if (rc) return rc;
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
    r->sources[i].asked_from = r->sources[i].asked_to = -1;
    rc = prepare_source(r, &r->sources[i], err);
  }
  for (size_t k = 0; k < r->spec.ndest && rc == CQ_OK; k++)
    rc = prepare_dest(c->env->registry, &r->spec.dests[k], err);
  return rc;
}

int cq_run_open_one(cq_run *r, cq_spec_dest *o, int make, cq_dest **out,
                    cq_error *err) {
  int rc;

  *out = NULL;
  o->def.peers = r->dests;
  rc = cq_dest_open(o->ops, &o->def, make, out, err);
  if (rc) return rc;
  (*out)->next = r->dests;
  r->dests = *out;
  return CQ_OK;
}

/* What a destination of the spec came to, for its sources. */
static void opened(cq_run *r, const cq_spec_dest *sd, cq_dest *made,
                   const cq_error *why) {
  for (size_t i = 0; i < r->nsource; i++)
    for (size_t d = 0; d < r->sources[i].ndest; d++)
      if (r->sources[i].dests[d].spec == sd) {
        r->sources[i].dests[d].dest = made;
        if (!made)
          cq_run_break(r, &r->sources[i], &r->sources[i].dests[d], why);
      }
}

static void close_one(cq_run *r, cq_dest *d) {
  cq_dest **at = &r->dests;

  while (*at && *at != d) at = &(*at)->next;
  if (*at) *at = d->next;
  d->ops->close(d);
}

/* Those of threads of their own are begun with first, so that they connect
 * beside each other and beside what is opened here. */
static int start_dests(cq_run *r, int make, cq_dest **made, cq_error *why,
                       cq_error *err) {
  for (int threaded = 1; threaded >= 0; threaded--)
    for (size_t k = 0; k < r->spec.ndest; k++) {
      cq_spec_dest *sd = &r->spec.dests[k];
      int rc;

      if ((sd->ops->threaded != 0) != threaded) continue;
      sd->def.several = r->spec.ndest > 1 ? (int)r->spec.ndest : 0;
      if (sd->def.several && !sd->def.open_ms)
        sd->def.open_ms = CQ_DEST_OPEN_MS;
      sd->def.peers = r->dests;
      rc = cq_dest_start(sd->ops, &sd->def, make, &made[k], &why[k]);
      if (cq_fatal(rc) || (rc == CQ_MISUSE && !threaded)) {
        *err = why[k];
        return rc;
      }
      if (rc) continue;
      made[k]->next = r->dests;
      r->dests = made[k];
    }
  return CQ_OK;
}

/* Opens each destination once, all of them at the same time.  One that cannot
 * be opened, or not within its limit, fails for its sources; CQ_OK as long as
 * one is there. */
int cq_run_open(cq_run *r, int make, cq_error *err) {
  cq_dest **made = cq_calloc(r->spec.ndest + 1, sizeof *made);
  cq_error *why = cq_calloc(r->spec.ndest + 1, sizeof *why);
  int any = 0, rc;

  r->started_ms = cq_mono_ms();
  rc = made && why ? start_dests(r, make, made, why, err) : cq_error_nomem(err);
  for (size_t k = 0; k < r->spec.ndest && rc == CQ_OK; k++) {
    if (made[k] && cq_dest_opened(made[k], &why[k])) {
      rc = cq_fatal(why[k].code) ? why[k].code : CQ_OK;
      close_one(r, made[k]);
      made[k] = NULL;
    }
    if (!made[k]) *err = why[k];
    any |= made[k] != NULL;
    if (rc == CQ_OK) opened(r, &r->spec.dests[k], made[k], &why[k]);
  }
  cq_free(made);
  cq_free(why);
  return rc ? rc : any ? CQ_OK : err->code;
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
    cq_free(s->told);
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
  cq_ids_room_clear(&r->ids);
  cq_progress_free(r->progress);
  cq_spec_clear(&r->spec);
}

/* ---- a source is begun --------------------------------------------------------- */

static int same_dimensions(const cq_table *a, const cq_table *b) {
  while (a->parent.table && a->parent.table != a) a = a->parent.table;
  while (b->parent.table && b->parent.table != b) b = b->parent.table;
  if (a->nover != b->nover) return 0;
  for (size_t i = 0; i < a->nover; i++)
    if (a->over[i] != b->over[i]) return 0;
  return 1;
}

/* The table, or the first above it, that nothing answers for any more. */
static const cq_table *retired_one(const cq_table *t) {
  for (int i = 0; t && i < CQ_MAX_PARENT_DEPTH; i++, t = t->parent.table)
    if (t->retired) return t;
  return NULL;
}

/* Lists the clients of each table, so that all units can be counted.  A table
 * whose clients cannot be had fails as a whole, keeping all it had. */
static int list_clients(cq_run *r, cq_run_source *s, cq_error *err) {
  cq_error *said = cq_calloc((size_t)s->plan.n + 1, sizeof *said);
  int rc = CQ_OK, pays = cq_config_pays(s->config);

  if (!said) return cq_error_nomem(err);
  for (int i = 0; i < s->plan.n && rc == CQ_OK; i++) {
    cq_plan_table *t = &s->plan.tables[i];
    const char *kind = "failed";
    const cq_table *retired = retired_one(t->table);

    if (t->parent >= 0 && s->plan.tables[t->parent].paid) t->paid = 1;
    t->omitted = retired || (t->paid && !pays);
    if (t->omitted) {
      if (retired == t->table)
        cq_error_set(&said[i], CQ_MISUSE, "%s: %s", t->table->name,
                     retired->retired);
      else if (retired)
        cq_error_set(&said[i], CQ_MISUSE, "%s: its parent %s: %s",
                     t->table->name, retired->name, retired->retired);
      else
        cq_error_set(&said[i], CQ_MISUSE,
                     "%s: its API costs money\nhint: set use_paid_apis: true",
                     t->table->name);
      kind = "skipped";
    } else {
      for (int k = 0; k < i && !said[i].code; k++)
        if (said[k].code && !s->plan.tables[k].omitted &&
            same_dimensions(s->plan.tables[k].table, t->table))
          said[i] = said[k];
      if (!said[i].code) rc = cq_plan_clients(&s->plan, i, s->source, &said[i]);
      if (rc && !cq_fatal(rc)) rc = CQ_OK;
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
      rc = cq_run_dest_failed(r, s, (size_t)(o - s->dests), i, "", &why);
      if (rc) {
        *err = why;
        return rc;
      }
    }
    if (!o->broken) cq_run_put_table(r, s, o, &o->tables[i]);
    if (rc == CQ_OK && *o->tables[i].lost) {
      cq_error_set(&why, CQ_MISUSE,
                   "%s: values that the new type of their column cannot hold "
                   "are NULL: %s",
                   o->tables[i].def->name, o->tables[i].lost);
      cq_run_note(r, s, o, o->tables[i].def->name, "", "warning", &why);
    }
  }
  if (!o->broken) {
    cq_error why = {0, ""};
    int rc = o->dest->ops->commit(o->dest, 1, &why);

    if (rc) cq_dest_named(o->spec->name, &why);
    if (rc) *err = why; /* told where no destination is left */
    if (cq_fatal(rc)) return rc;
    if (rc) cq_run_break(r, s, o, &why);
  }
  return CQ_OK;
}

static void run_of(cq_run *r, const cq_run_source *s, cq_run_dest *o) {
  char id[32];

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
}

/* The states of all tables, of which a store that others do not wait for keeps
 * what fits: they are asked for here, while it has nothing else to do, since it
 * may then be busy for long. */
static int states_ahead(const cq_run_source *s, const cq_run_dest *o,
                        cq_error *err) {
  int rc = CQ_OK;

  for (int i = 0; i < s->plan.n && rc == CQ_OK; i++) {
    cq_dest_state none;

    rc = o->dest->ops->state(o->dest, &o->run, s->plan.tables[i].table->name,
                             "", &none, err);
    if (rc == CQ_OK) cq_free(none.cursor);
  }
  return rc;
}

/* One of the same kind may be the same place: the second of them is to see that
 * the first has begun. */
static int same_kind_before(const cq_run_source *s, size_t d) {
  for (size_t k = 0; k < d; k++)
    if (!s->dests[k].broken && s->dests[k].spec->ops == s->dests[d].spec->ops)
      return 1;
  return 0;
}

/* The destinations of the source begin a run each: all at once, but those of one
 * kind; one that has others beside it has some time to say where it stands. */
static int begin_dests(cq_run *r, cq_run_source *s, cq_error *err) {
  int begun = 0, rc;

  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_error why = {0, ""};

    if (o->broken) continue;
    run_of(r, s, o);
    if (!o->dest->ops->ask || same_kind_before(s, d)) continue;
    if (o->spec->def.several) o->dest->until = cq_mono_ms() + BEGIN_MS;
    rc = o->dest->ops->ask(o->dest, &o->run, &why);
    if (!rc) continue;
    *err = why;
    return rc; /* no memory */
  }
  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];
    cq_error why = {0, ""};

    if (o->broken) continue;
    if (o->spec->def.several && !o->dest->until)
      o->dest->until = cq_mono_ms() + BEGIN_MS;
    rc = o->dest->ops->begin(o->dest, &o->run, &why);
    if (rc == CQ_OK && o->spec->def.several && o->dest->ops->threaded)
      rc = states_ahead(s, o, &why);
    o->dest->until = 0;
    if (cq_fatal(rc)) {
      *err = why;
      return rc;
    }
    if (rc) {
      cq_dest_named(o->spec->name, &why);
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
  int rc = begin_dests(r, s, err), left = 0;

  if (rc == CQ_OK) rc = list_clients(r, s, err);
  for (size_t d = 0; d < s->ndest && rc == CQ_OK; d++) {
    if (s->dests[d].begun && !s->dests[d].broken)
      rc = migrate_tables(r, s, &s->dests[d], err);
    left += s->dests[d].begun && !s->dests[d].broken;
  }
  if (rc == CQ_OK && !left && err->code) rc = err->code;
  if (rc && !cq_fatal(rc)) {
    s->failed = 1;
    cq_run_note(r, s, NULL, "", "", "failed", err);
  }
  return rc;
}

/* ---- all ----------------------------------------------------------------------- */

/* The run's number: its start in microseconds, and more than any before. */
static int number(cq_run *r, cq_error *err) {
  int good = 0;

  r->started_us = cq_now_us();
  r->group = r->started_us;
  cq_dest_time(r->started_us, r->time);
  for (cq_dest *d = r->dests; d; d = d->next) {
    cq_error why = {0, ""};
    int64_t last = 0;
    int rc = d->ops->last_group(d, &last, &why);

    if (rc == CQ_OK && last == INT64_MAX)
      rc = cq_error_set(&why, CQ_TOOBIG,
                        "destination %s: cq_syncs: sync_group_id is out of "
                        "range: %lld",
                        d->name, (long long)last);
    if (rc) {
      cq_dest_named(d->name, &why);
      *err = why;
      if (cq_fatal(rc)) return rc;
      for (size_t i = 0; i < r->nsource; i++)
        for (size_t k = 0; k < r->sources[i].ndest; k++)
          if (r->sources[i].dests[k].dest == d)
            cq_run_break(r, &r->sources[i], &r->sources[i].dests[k], &why);
    } else {
      good = 1;
      if (last >= r->group) r->group = last + 1;
    }
  }
  if (!good) return err->code;
  return CQ_OK;
}

static int run_all(cq_run *r, cq_error *err) {
  int any = 0, rc = number(r, err);
  cq_error first = {0, ""};

  if (rc == CQ_OK) rc = cq_progress_new(r->spec.progress, &r->progress, err);
  r->asked_from = cq_run_asked(r);
  for (size_t i = 0; i < r->nsource && rc == CQ_OK; i++) {
    cq_run_source *s = &r->sources[i];
    cq_error why = {0, ""};

    s->asked_from = cq_run_asked(r);
    rc = begin_source(r, s, &why);
    if (rc == CQ_OK) rc = cq_run_units(r, s, &why);
    if (rc && !cq_fatal(rc)) {
      if (!first.code) first = why;
      s->failed = 1;
      rc = CQ_OK;
    }
    if (rc == CQ_OK) rc = cq_run_publish(r, s, &why);
    s->asked_to = cq_run_asked(r);
    if (rc == CQ_OK && !s->failed) any = 1;
    if (rc) *err = why;
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
  return rc;
}
