/* ext/sync/journal.c: what happened, kept for the result and for the run tables,
 * which a second connection may read while the run goes on. */
#include <stdio.h>
#include <string.h>

#include "sync/internal.h"

enum { BEAT_MS = 1000 }; /* between two signs of life */

static void redact(cq_run *r, const cq_run_source *s, char *text) {
  if (s && s->config) cq_config_redact(s->config, text);
  if (r->call->env->auths) cq_auths_redact(r->call->env->auths, text);
  for (size_t i = 0; i < r->spec.ndest; i++)
    for (size_t k = 0; k < r->spec.dests[i].def.nsecret; k++)
      cq_redact(text, r->spec.dests[i].def.secrets[k]);
}

/* An error that cannot be kept for want of memory is still counted. */
static void keep(cq_run *r, const cq_run_source *s, const char *table,
                 const char *client, const char *kind, const char *text) {
  cq_run_error *e;

  if (strcmp(kind, "skipped") == 0) {
    r->skipped_all++;
    return;
  }
  if (strcmp(kind, "warning") == 0) return;
  r->errors_all++;
  if (r->nerror == CQ_RUN_ERRORS ||
      cq_grow(&r->errors, &r->caperror, r->nerror, sizeof *r->errors))
    return;
  e = &r->errors[r->nerror];
  e->source = cq_strdup(s ? s->spec->name : "");
  e->table = cq_strdup(table);
  e->client = cq_strdup(client);
  e->kind = cq_strdup(kind);
  e->message = cq_strdup(text);
  r->nerror++;
}

static void unsaid(cq_run *r, cq_run_source *s, cq_run_dest *o,
                   const cq_error *why) {
  cq_error named = *why;
  char text[sizeof why->text];
  size_t n;

  if (o->broken || o->unsaid || why->code == CQ_INTERRUPT) return;
  if (why->code == CQ_BUSY && !o->ended) {
    cq_run_break(r, s, o, why);
    return;
  }
  o->unsaid = 1;
  cq_dest_named(o->spec->name, &named);
  n = strlen(named.text);
  snprintf(text, sizeof text, "the run tables lack entries: %.*s",
           (int)(n <= 900 ? n : cq_utf8_cut(named.text, 900)), named.text);
  redact(r, s, text);
  keep(r, s, "", "", "journal", text);
  o->n.errors++;
  o->own_errors++;
  cq_progress_say(r->progress, "journal", text);
}

void cq_run_put_table(cq_run *r, cq_run_source *s, cq_run_dest *o,
                      const cq_dest_table *t) {
  cq_error why = {0, ""};

  if (o->dest->ops->put_table(o->dest, &o->run, t, &why)) unsaid(r, s, o, &why);
}

void cq_run_put_run(cq_run *r, cq_run_source *s, cq_run_dest *o,
                    const char *status) {
  cq_error why = {0, ""};

  if (o->dest->ops->put_run(o->dest, &o->run, status, &o->n, s->plan.n,
                            o->message, &why))
    unsaid(r, s, o, &why);
}

/* `of` is the table that counts it, `table` the one that is told; none is told
 * where it has been told already. */
static void note(cq_run *r, cq_run_source *s, cq_run_dest *only, const char *of,
                 const char *table, const char *client, const char *kind,
                 const cq_error *why, int told) {
  char text[sizeof why->text];
  int error = strcmp(kind, "skipped") != 0 && strcmp(kind, "warning") != 0;

  snprintf(text, sizeof text, "%s", why->text);
  redact(r, s, text);
  if (!told) keep(r, s, table, client, kind, text);
  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];

    if ((only && o != only)) continue;
    o->n.errors += error;
    o->own_errors += only && error;
    o->own_warnings += only && strcmp(kind, "warning") == 0;
    for (int i = 0; i < s->plan.n && o->tables && *of; i++)
      if (strcmp(o->tables[i].def->name, of) == 0)
        o->tables[i].n.errors += error;
    if (o->begun && !o->broken && !told) {
      cq_error lost = {0, ""};

      if (o->dest->ops->put_error(o->dest, &o->run, table, client, kind, text,
                                  &lost))
        unsaid(r, s, o, &lost);
    }
  }
}

void cq_run_note(cq_run *r, cq_run_source *s, cq_run_dest *only,
                 const char *table, const char *client, const char *kind,
                 const cq_error *why) {
  note(r, s, only, table, table, client, kind, why, 0);
}

/* Has this been told of a client of the source?  It has from now on.  What there
 * is no memory to remember is told again. */
static int told_before(cq_run_source *s, const char *client, const char *text) {
  uint64_t h =
      cq_hash64(text, strlen(text), cq_hash64(client, strlen(client), 0)) | 1;

  if (2 * s->ntold >= s->captold) {
    size_t cap = s->captold ? 2 * s->captold : 64;
    uint64_t *v = cq_calloc(cap, sizeof *v);

    if (!v) return 0;
    for (size_t i = 0; i < s->captold; i++) {
      size_t at = s->told[i] & (cap - 1);

      while (s->told[i] && v[at]) at = (at + 1) & (cap - 1);
      if (s->told[i]) v[at] = s->told[i];
    }
    cq_free(s->told);
    s->told = v;
    s->captold = cap;
  }
  for (size_t at = h & (s->captold - 1);; at = (at + 1) & (s->captold - 1)) {
    if (s->told[at] == h) return 1;
    if (s->told[at]) continue;
    s->told[at] = h;
    s->ntold++;
    return 0;
  }
}

void cq_run_note_client(cq_run *r, cq_run_source *s, const char *table,
                        const char *client, const cq_error *why) {
  note(r, s, NULL, table, "", client, "failed", why,
       told_before(s, client, why->text));
}

void cq_run_break(cq_run *r, cq_run_source *s, cq_run_dest *d,
                  const cq_error *why) {
  cq_error named = *why;
  char text[sizeof why->text];

  if (d->broken) return;
  d->broken = 1;
  for (int i = 0; i < s->plan.n && d->dest && d->tables; i++)
    cq_dest_unseen(d->dest->ops, d->dest->mode, &d->tables[i].n);
  cq_dest_named(d->spec->name, &named);
  snprintf(text, sizeof text, "%s", named.text);
  redact(r, s, text);
  d->message = cq_strdup(text);
  keep(r, s, "", "", "destination", text);
  d->n.errors++;
  d->own_errors++;
}

int cq_run_dest_failed(cq_run *r, cq_run_source *s, size_t d, int table,
                       const char *client, const cq_error *why) {
  cq_run_dest *o = &s->dests[d];
  cq_error named = *why;

  if (cq_fatal(why->code)) return why->code;
  o->tables[table].failed = 1;
  cq_dest_unseen(o->dest->ops, o->dest->mode, &o->tables[table].n);
  cq_dest_named(o->spec->name, &named);
  if (cq_dest_whole(why->code))
    cq_run_break(r, s, o, &named);
  else
    cq_run_note(r, s, o, s->plan.tables[table].table->name, client,
                "destination", &named);
  return CQ_OK;
}

/* Its rows are trusted no more, or some of its values were none. */
static int event_note(cq_run *r, cq_run_source *s, size_t d,
                      const cq_dest_event *e) {
  cq_run_dest *o = &s->dests[d];

  if (!e->table && (e->warning || o->ended)) {
    unsaid(r, s, o, &e->why);
    return CQ_OK;
  }
  if (!e->table) {
    if (cq_fatal(e->why.code)) return e->why.code;
    cq_run_break(r, s, o, &e->why);
    return CQ_OK;
  }
  if (e->table < o->tables || e->table >= o->tables + s->plan.n) return CQ_OK;
  if (!e->warning)
    return cq_run_dest_failed(r, s, d, (int)(e->table - o->tables), e->client,
                              &e->why);
  cq_run_note(r, s, o, e->table->def->name, e->client, "warning", &e->why);
  return CQ_OK;
}

int cq_run_hear(cq_run *r, cq_run_source *s, cq_error *err) {
  cq_dest_event e;

  for (size_t d = 0; d < s->ndest; d++) {
    cq_run_dest *o = &s->dests[d];

    if (!o->begun || !o->dest->ops->poll) continue;
    while (o->dest->ops->poll(o->dest, &e) == CQ_ROW)
      if (event_note(r, s, d, &e)) {
        if (err) *err = e.why;
        return e.why.code;
      }
  }
  return CQ_OK;
}

int64_t cq_run_asked(const cq_run *r) {
  cq_http_stats st;

  cq_http_stats_get(r->call->env->http, &st);
  return st.requests;
}

/* All requests of a source: logins, and the search for its clients, are no
 * table's. */
static int64_t source_asked(cq_run *r, const cq_run_source *s) {
  if (s->asked_from < 0) return 0;
  return (s->asked_to < 0 ? cq_run_asked(r) : s->asked_to) - s->asked_from;
}

void cq_run_sum(cq_run *r, const cq_run_source *s, cq_run_dest *o) {
  int64_t errors = o->n.errors;

  memset(&o->n, 0, sizeof o->n);
  o->n.errors = errors;
  for (int i = 0; i < s->plan.n; i++) {
    const cq_counts *n = &o->tables[i].n;

    o->n.rows += n->rows;
    o->n.inserted += n->inserted;
    o->n.updated += n->updated;
    o->n.deleted += n->deleted;
    o->n.unchanged += n->unchanged;
    o->n.kept += n->kept;
    o->n.again += n->again;
    o->n.units += n->units;
    o->n.units_done += n->units_done;
    o->n.failed += n->failed;
    o->n.skipped += n->skipped;
    o->n.retries += n->retries;
    o->n.throttled_ms += n->throttled_ms;
    o->n.bytes += n->bytes;
  }
  o->n.requests = source_asked(r, s);
  r->n.requests = cq_run_asked(r) - r->asked_from;
}

/* Adds (sign 1), or takes away again, what units under way have come to. */
static void add_open(cq_counts *n, const cq_counts *open, int sign) {
  n->rows += sign * open->rows;
  n->requests += sign * open->requests;
  n->retries += sign * open->retries;
  n->throttled_ms += sign * open->throttled_ms;
  n->bytes += sign * open->bytes;
}

static void beat_table(cq_run *r, cq_run_source *s, cq_run_dest *o, int k) {
  cq_dest_table *t = &o->tables[k];
  const cq_counts *open = &s->plan.tables[k].open;

  add_open(&o->n, open, 1);
  o->n.requests -= open->requests; /* they are among all of the source's */
  if (strcmp(t->status, "running") != 0) return;
  add_open(&t->n, open, 1);
  cq_run_put_table(r, s, o, t);
  add_open(&t->n, open, -1);
}

void cq_run_beat(cq_run *r, int force) {
  int64_t now = cq_mono_ms(); /* the other clock may be set back */

  if (!force && now - r->beat_ms < BEAT_MS) return;
  r->beat_ms = now;
  for (size_t i = 0; i < r->nsource; i++) {
    cq_run_source *s = &r->sources[i];

    for (size_t d = 0; d < s->ndest; d++) {
      cq_run_dest *o = &s->dests[d];

      cq_run_sum(r, s, o);
      if (!o->begun || o->broken || o->ended) continue;
      for (int k = 0; k < s->plan.n; k++) beat_table(r, s, o, k);
      cq_run_put_run(r, s, o, "running");
      if (o->broken) continue;
      /* Others wait for a transaction that is open: it was long enough. */
      o->dest->ops->commit(o->dest, 1, NULL);
    }
  }
}
