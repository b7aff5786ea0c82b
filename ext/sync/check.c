/* ext/sync/check.c: what a sync would do, without doing it: cq_validate,
 * cq_plan, cq_migrate, cq_test. */
#include <string.h>

#include "sync/internal.h"

static void list_dests(const cq_run *r, const cq_spec_source *s, cq_buf *b) {
  cq_buf_str(b, "\"destinations\":[");
  for (size_t d = 0; d < s->destinations.n; d++)
    for (size_t k = 0; k < r->spec.ndest; k++) {
      const cq_spec_dest *o = &r->spec.dests[k];

      if (strcmp(o->name, s->destinations.v[d]) != 0) continue;
      cq_buf_str(b, d ? ",{" : "{");
      cq_run_text(b, "name", o->name);
      cq_buf_byte(b, ',');
      cq_run_text(b, "write_mode", cq_write_mode_name(o->def.mode));
      cq_buf_byte(b, '}');
    }
  cq_buf_byte(b, ']');
}

/* The answer's object of a source begins so. */
static void source_head(const cq_run_source *s, size_t i, cq_buf *out) {
  cq_buf_str(out, i ? ",{" : "{");
  cq_run_text(out, "name", s->spec->name);
  cq_buf_byte(out, ',');
  cq_run_text(out, "integration", s->spec->integration->name);
  cq_buf_byte(out, ',');
}

/* All of them end so. */
static int answer_end(cq_run *r, int rc, cq_buf *out, cq_error *err) {
  cq_buf_str(out, "]}");
  if (rc == CQ_OK && out->rc) rc = cq_error_nomem(err);
  cq_run_clear(r);
  return rc;
}

/* Keys of accounts and their like, which only their clients know. */
static int check_clients(const cq_run_source *s, cq_error *err) {
  const cq_table **t = cq_calloc((size_t)s->plan.n + 1, sizeof *t);
  int rc;

  if (!t) return cq_error_nomem(err);
  for (int i = 0; i < s->plan.n; i++) t[i] = s->plan.tables[i].table;
  rc = cq_source_check(s->source, t, (size_t)s->plan.n, err);
  if (rc && rc != CQ_NOMEM && s->spec->at)
    cq_error_prefix(err, "%s:%d: source %s: ", s->spec->at->file,
                    s->spec->at->line, s->spec->name);
  cq_free(t);
  return rc;
}

int cq_sync_validate(const cq_sync_call *c, cq_buf *out, cq_error *err) {
  cq_run r;
  int rc = cq_run_prepare(&r, c, err);

  for (size_t i = 0; i < r.nsource && rc == CQ_OK; i++)
    rc = check_clients(&r.sources[i], err);

  cq_buf_str(out, "{\"valid\":true,\"sources\":[");
  for (size_t i = 0; i < r.nsource && rc == CQ_OK; i++) {
    const cq_run_source *s = &r.sources[i];

    source_head(s, i, out);
    cq_buf_str(out, "\"tables\":[");
    for (int k = 0; k < s->plan.n; k++) {
      const char *name = s->plan.tables[k].table->name;

      if (k) cq_buf_byte(out, ',');
      cq_buf_json(out, name, strlen(name));
    }
    cq_buf_str(out, "],");
    list_dests(&r, s->spec, out);
    cq_buf_byte(out, '}');
  }
  return answer_end(&r, rc, out, err);
}

/* ---- plan --------------------------------------------------------------------- */

/* The parent's requests are the parent table's own, made once. */
static int plan_table(const cq_run *r, const cq_run_source *s, int i,
                      cq_prediction *p, cq_buf *out, cq_error *err) {
  const cq_plan_table *t = &s->plan.tables[i];
  cq_scan_options o;
  int rc, n = 0;

  memset(&o, 0, sizeof o);
  o.env = r->call->env;
  o.source = s->source;
  o.table = t->table;
  o.cap = -1;
  cq_prediction_again(p);
  rc = cq_scan_predict(&o, p, err);
  cq_buf_byte(out, '{');
  cq_run_text(out, "table", t->table->name);
  cq_buf_byte(out, ',');
  if (t->table->parent.table) {
    cq_run_text(out, "parent", t->table->parent.table->name);
    cq_buf_byte(out, ',');
  }
  if (t->table->retired) {
    cq_run_text(out, "retired", t->table->retired);
    cq_buf_byte(out, ',');
  }
  cq_buf_printf(out, "\"incremental\":%s,\"paid\":%s,\"requests\":[",
                t->incremental ? "true" : "false", t->paid ? "true" : "false");
  for (size_t k = 0; k < p->n && rc == CQ_OK; k++) {
    const cq_plan_step *q = &p->steps[k];

    if (strcmp(q->table, t->table->name) != 0 &&
        strcmp(q->purpose, "discover") != 0 &&
        strcmp(q->purpose, "identify") != 0)
      continue;
    cq_buf_str(out, n++ ? ",{" : "{");
    cq_run_text(out, "purpose", q->purpose);
    cq_buf_byte(out, ',');
    cq_run_text(out, "method", q->method);
    cq_buf_byte(out, ',');
    cq_run_text(out, "url", q->url);
    cq_buf_byte(out, ',');
    cq_run_text(out, "operation", q->operation);
    if (q->requests >= 0)
      cq_buf_printf(out, ",\"requests\":%lld", (long long)q->requests);
    if (q->repeats && *q->repeats) {
      cq_buf_byte(out, ',');
      cq_run_text(out, "times", q->repeats);
    }
    cq_buf_byte(out, '}');
  }
  cq_buf_str(out, "]}");
  return rc;
}

int cq_sync_plan(const cq_sync_call *c, cq_buf *out, cq_error *err) {
  cq_run r;
  int rc = cq_run_prepare(&r, c, err);

  cq_buf_str(out, "{\"sources\":[");
  for (size_t i = 0; i < r.nsource && rc == CQ_OK; i++) {
    const cq_run_source *s = &r.sources[i];
    cq_prediction p;

    memset(&p, 0, sizeof p);
    source_head(s, i, out);
    list_dests(&r, s->spec, out);
    cq_buf_str(out, ",\"tables\":[");
    for (int k = 0; k < s->plan.n && rc == CQ_OK; k++) {
      if (k) cq_buf_byte(out, ',');
      rc = plan_table(&r, s, k, &p, out, err);
    }
    cq_buf_str(out, "]}");
    cq_prediction_clear(&p);
  }
  return answer_end(&r, rc, out, err);
}

/* ---- migrate --------------------------------------------------------------------- */

static int migrate_one(cq_dest *d, cq_dest_table *t, cq_buf *out,
                       cq_error *err) {
  int rc = d->ops->migrate(d, t, 0, out, err);

  if (rc || !*t->lost) return rc;
  return cq_dest_note(out, err,
                      "table %s: values that the new type of their column "
                      "cannot hold are NULL: %s",
                      t->def->name, t->lost);
}

int cq_sync_migrate(const cq_sync_call *c, cq_buf *out, cq_error *err) {
  cq_run r;
  int rc;

  rc = cq_run_prepare(&r, c, err);
  if (rc == CQ_OK) rc = cq_run_open(&r, 1, err);
  cq_buf_str(out, "{\"actions\":[");
  for (size_t i = 0; i < r.nsource && rc == CQ_OK; i++) {
    cq_run_source *s = &r.sources[i];

    for (size_t d = 0; d < s->ndest && rc == CQ_OK; d++) {
      cq_run_dest *o = &s->dests[d];

      if (!o->dest)
        rc = cq_error_set(err, CQ_IOERR, "%s",
                          o->message ? o->message : "destination not open");
      for (int k = 0; k < s->plan.n && rc == CQ_OK; k++)
        rc = migrate_one(o->dest, &o->tables[k], out, err);
      if (rc == CQ_OK) rc = o->dest->ops->commit(o->dest, 1, err);
      if (rc && o->dest) cq_dest_named(o->spec->name, err);
    }
  }
  return answer_end(&r, rc, out, err);
}

/* ---- test --------------------------------------------------------------------------- */

/* One object a client of each source, and one a destination.  A SQLite
 * destination is tested by opening it; a store elsewhere writes something small
 * and removes it. */
int cq_sync_test(const cq_sync_call *c, cq_buf *out, cq_error *err) {
  cq_run r;
  int rc = cq_run_prepare(&r, c, err);
  const char *comma = "";

  cq_buf_str(out, "{\"sources\":[");
  for (size_t i = 0; i < r.nsource && rc == CQ_OK; i++) {
    const cq_run_source *s = &r.sources[i];

    cq_buf_str(out, i ? ",{" : "{");
    cq_run_text(out, "name", s->spec->name);
    cq_buf_str(out, ",\"clients\":");
    rc = cq_source_test(s->source, out, err);
    cq_buf_byte(out, '}');
  }
  cq_buf_str(out, "],\"destinations\":[");
  for (size_t k = 0; k < r.spec.ndest && rc == CQ_OK; k++) {
    cq_spec_dest *o = &r.spec.dests[k];
    cq_error why = {0, ""};
    cq_dest *made = NULL;

    if (!o->def.open_ms) o->def.open_ms = CQ_DEST_OPEN_MS;
    if (cq_run_open_one(&r, o, 0, &made, &why) == CQ_OK && made->ops->test &&
        made->ops->test(made, &why))
      cq_dest_named(o->name, &why);
    cq_buf_printf(out, "%s{", comma);
    comma = ",";
    cq_run_text(out, "name", o->name);
    cq_buf_printf(out, ",\"ok\":%s,", !why.code ? "true" : "false");
    if (why.code)
      cq_run_text(out, "message", why.text);
    else
      cq_buf_str(out, "\"message\":null");
    cq_buf_byte(out, '}');
  }
  return answer_end(&r, rc, out, err);
}
