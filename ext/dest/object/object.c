/* ext/dest/object/object.c: the destination over a store of objects: opened,
 * its runs and tables, and what is only handed on. */
#include "dest/object/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <unistd.h>

/* ---- open, close ------------------------------------------------------------------ */

int cq_object_open(const cq_dest_ops *ops, const cq_dest_def *d,
                   const cq_object_options *o, cq_objects *store, int make,
                   cq_dest **out, cq_error *err) {
  obj_dest *x = cq_calloc(1, sizeof *x);
  char *who = cq_dest_owner(d);

  (void)make;
  *out = NULL;
  if (!x) {
    cq_free(who);
    store->ops->close(store);
    return cq_error_nomem(err);
  }
  x->base.ops = ops;
  x->base.mode = d->mode;
  x->base.name = cq_strdup(d->name);
  x->store = store;
  x->o = *o;
  x->def = *d;
  x->owner =
      who ? cq_mprintf("%s:%llx", who, (unsigned long long)cq_random()) : NULL;
  cq_free(who);
  if (!x->base.name || !x->owner) {
    cq_object_close(&x->base);
    return cq_error_nomem(err);
  }
  *out = &x->base;
  return CQ_OK;
}

void cq_object_close(cq_dest *base) {
  obj_dest *d = obj_of(base);

  while (d->runs) {
    obj_run *run = d->runs;

    d->runs = run->next;
    obj_abandon(d, run);
    obj_claim_end(d, run, 0, NULL);
    obj_run_free(d, run);
  }
  obj_squeeze_free(d->squeezer);
  ZSTD_freeCCtx(d->zstd);
  d->store->ops->close(d->store);
  cq_free(d->base.name);
  cq_free(d->owner);
  cq_free(d);
}

/* ---- runs --------------------------------------------------------------------------- */

int cq_object_last_group(cq_dest *base, int64_t *out, cq_error *err) {
  obj_dest *d = obj_of(base);
  char *prefix = obj_key(d, "_cq/sources/");
  obj_keys keys = {NULL, 0, 0};
  int rc = prefix ? obj_keys_list(d, prefix, &keys, err) : cq_error_nomem(err);

  *out = 0;
  for (size_t i = 0; i < keys.n && rc == CQ_OK; i++) {
    json_t *j;
    int64_t g;

    rc = obj_get_json(d, keys.v[i], &j, NULL, err);
    g = json_integer_value(json_object_get(j, "sync_group_id"));
    if (g > *out) *out = g;
    json_decref(j);
  }
  obj_keys_free(&keys);
  cq_free(prefix);
  return rc;
}

/* Settles what is pending, oldest first; what is settled is pending no more. */
static int settle_pending(obj_dest *d, obj_run *run, int keep, cq_error *err) {
  size_t n = json_array_size(run->pending);
  int any = 0, rc = CQ_OK;

  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    int64_t group = json_integer_value(json_array_get(run->pending, i));

    if (group == run->r->group) continue;
    rc = obj_settle(d, run, group, keep, err);
    if (rc == CQ_OK) rc = obj_claim_beat(d, run, err);
    any = 1;
  }
  if (rc || !any) return rc;
  json_array_clear(run->pending);
  if (json_array_append_new(run->pending,
                            json_integer((json_int_t)run->r->group)))
    return cq_error_nomem(err);
  return obj_claim_hold(d, run, err);
}

int cq_object_begin(cq_dest *base, cq_dest_run *r, cq_error *err) {
  obj_dest *d = obj_of(base);
  char *latest = NULL;
  obj_run *run;
  int rc = obj_run_new(d, r, r->group, &run, err);

  if (rc) return rc;
  rc = obj_claim(d, run, r, err);
  /* What is there is nobody's any more, also of one that was killed before it
   * had claimed anything. */
  if (rc == CQ_OK) rc = d->store->ops->tidy(d->store, run->scratch, err);
  if (rc == CQ_OK) rc = settle_pending(d, run, r->retry, err);
  if (rc == CQ_OK) {
    latest = obj_key(d, "_cq/latest/%s.json", run->name);
    rc = latest ? obj_get_json(d, latest, &run->latest, run->latest_tag, err)
                : cq_error_nomem(err);
  }
  if (rc == CQ_OK) rc = obj_tables_write(d, run, err);
  cq_free(latest);
  if (rc) {
    obj_claim_end(d, run, 0, NULL);
    obj_run_free(d, run);
    return rc;
  }
  run->next = d->runs;
  d->runs = run;
  return CQ_OK;
}

/* Files need no migration: each snapshot says which columns its files have. */
int cq_object_migrate(cq_dest *base, cq_dest_table *t, int dry, cq_buf *actions,
                      cq_error *err) {
  (void)base, (void)t, (void)dry, (void)actions, (void)err;
  return CQ_OK;
}

int cq_object_states(cq_dest *base, const cq_dest_run *r, const char *table,
                     int (*each)(void *user, const char *client,
                                 const cq_dest_state *s),
                     void *user, cq_error *err) {
  obj_dest *d = obj_of(base);
  obj_run *run = obj_run_of(d, r);
  obj_state s;
  int rc;

  if (!run) return cq_error_set(err, CQ_MISUSE, "no run is under way");
  rc = obj_state_read(d, obj_entry(run->latest, table), &s, err);
  for (size_t i = 0; i < s.nunit && rc == CQ_OK; i++) {
    const obj_state_unit *u = &s.units[i];
    cq_dest_state st = {
        .group = u->group, .rows = u->rows, .cursor = u->cursor};

    st.done =
        r->retry && r->base && (u->group >= r->base || u->skipped >= r->base);
    rc = each(user, u->client, &st);
  }
  obj_state_clear(&s);
  return rc;
}

/* Its rows and units stay until the run is published. */
void cq_object_drop(cq_dest *base, cq_dest_table *t) {
  obj_table *x = t->own;

  (void)base;
  if (!x) return;
  x->over = 1;
  if (x->before) obj_state_clear(x->before);
  cq_free(x->before);
  x->before = NULL;
}

int cq_object_put_table(cq_dest *base, const cq_dest_run *r,
                        const cq_dest_table *t, cq_error *err) {
  /* The writer's own table, which it lends. */
  return obj_table_of(obj_of(base), r, (cq_dest_table *)(uintptr_t)t)
             ? CQ_OK
             : cq_error_nomem(err);
}

int cq_object_put_run(cq_dest *base, const cq_dest_run *r, const char *status,
                      const cq_counts *n, int ntable, const char *message,
                      cq_error *err) {
  obj_dest *d = obj_of(base);
  obj_run *run = obj_run_of(d, r);
  int over = strcmp(status, "running") != 0, rc = CQ_OK;
  obj_words words;

  if (!run || run->ended) return CQ_OK;
  run->n = *n;
  run->ntable = ntable;
  if (obj_words_make(&words, status, message)) return cq_error_nomem(err);
  obj_run_say(run, &words);
  if (!over) {
    int64_t before = run->beat_ms;

    rc = obj_claim_beat(d, run, err);
    if (rc == CQ_OK && run->beat_ms != before)
      rc = obj_tables_write(d, run, err);
    return rc;
  }
  /* Given up: what is whole is journalled, for whoever takes the run up. */
  for (obj_table *t = run->tables; t; t = t->next) obj_units_free(d, t);
  for (obj_out *o = run->outs, *next; o; o = next) {
    next = o->next;
    if (o->own && !o->sealed) obj_out_abort(d, o);
  }
  obj_commit(d, run, 1, NULL);
  obj_abandon(d, run);
  run->ended = 1;
  run->finished_us = cq_now_us();
  rc = obj_tables_write(d, run, err);
  obj_claim_end(d, run, 0, rc ? NULL : err);
  return rc;
}

int cq_object_commit(cq_dest *base, int force, cq_error *err) {
  obj_dest *d = obj_of(base);
  int rc = CQ_OK;

  for (obj_run *run = d->runs; run && rc == CQ_OK; run = run->next)
    rc = obj_commit(d, run, force, err);
  return rc;
}

/* ---- publish --------------------------------------------------------------------- */

/* Where it is asked for, a table without rows has a file without rows. */
static int write_empty(obj_dest *d, obj_run *run, cq_error *err) {
  int rc = CQ_OK;

  for (obj_table *t = run->tables; t && rc == CQ_OK; t = t->next) {
    int any = 0;

    if (!d->o.write_empty || t->failed || !t->complete) continue;
    for (size_t i = 0; i < t->nfile; i++) any |= !t->files[i].gone;
    if (!any) rc = obj_out_open(d, t, 0, &t->shared, err);
  }
  return rc;
}

/* The snapshot stands: what is left to do is told to the next run where it
 * cannot be done now. */
static void clean_up(obj_dest *d, obj_run *run, cq_error *unsaid) {
  int rc = obj_tables_write(d, run, unsaid);

  if (rc == CQ_OK) rc = obj_remove_unused(d, run, NULL);
  if (rc == CQ_OK) rc = obj_remove_journal(d, run, NULL);
  if (rc == CQ_OK && d->o.keep)
    rc = obj_retain(d, run->name, d->o.keep, NULL, NULL, NULL);
  obj_claim_end(d, run, rc == CQ_OK, NULL);
}

int cq_object_publish(cq_dest *base, const cq_dest_run *r,
                      cq_dest_table *const *t, int nt, const char *status,
                      const cq_counts *n, const char *message, cq_error *err) {
  obj_dest *d = obj_of(base);
  obj_run *run = obj_run_of(d, r);
  obj_words words = {NULL, NULL};
  int rc = run ? CQ_OK : cq_error_set(err, CQ_MISUSE, "no run is under way");

  for (int i = 0; i < nt && rc == CQ_OK; i++) {
    obj_table *x = obj_table_of(d, r, t[i]);

    if (!x) return cq_error_nomem(err);
    x->failed = t[i]->failed || x->why.code;
    x->complete = t[i]->complete;
  }
  if (rc == CQ_OK) rc = write_empty(d, run, err);
  if (rc == CQ_OK) rc = obj_commit(d, run, 1, err);
  if (rc == CQ_OK && obj_words_make(&words, status, message))
    rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = obj_put_manifest(d, run, status, err);
  if (rc) {
    obj_words_clear(&words);
    return rc;
  }
  run->n = *n;
  run->ntable = nt;
  run->finished_us = cq_now_us();
  run->unsettled = 0;
  obj_run_say(run, &words);
  obj_abandon(d, run);
  run->ended = 1;
  clean_up(d, run, err);
  return CQ_OK;
}

/* Tables that failed while another was written, or none. */
int cq_object_poll(cq_dest *base, cq_dest_event *out) {
  for (obj_run *run = obj_of(base)->runs; run; run = run->next)
    for (obj_table *t = run->tables; t; t = t->next)
      if (t->why.code && !t->why_told && t->t) {
        memset(out, 0, sizeof *out);
        out->table = t->t;
        out->why = t->why;
        t->why_told = 1;
        return CQ_ROW;
      }
  return CQ_DONE;
}

/* ---- small things -------------------------------------------------------------------- */

static int none_such(void *user, const char *key, int64_t bytes) {
  (void)user, (void)key, (void)bytes;
  return CQ_OK;
}

int cq_object_test(cq_dest *base, cq_error *err) {
  static const cq_object_kind kind = {"text/plain", NULL};
  static const char text[] = "written by cq_test()\n";
  obj_dest *d = obj_of(base);
  const cq_objects_ops *ops = d->store->ops;
  const char *one;
  char uuid[37], *key;
  cq_buf b;
  int rc, last;

  cq_uuid4(uuid);
  key = obj_key(d, "_cq/tmp/test-%s", uuid);
  if (!key) return cq_error_nomem(err);
  one = key;
  cq_buf_init(&b, 1024);
  /* A run begins with a list, too; some servers make a bucket by a put. */
  rc = ops->list(d->store, key, none_such, NULL, err);
  if (rc == CQ_OK)
    rc = ops->put(d->store, key, &kind, text, strlen(text), "", NULL, err);
  if (rc == CQ_OK) {
    rc = ops->get(d->store, key, &b, NULL, err);
    if (rc == CQ_OK && strcmp(b.data ? b.data : "", text) != 0)
      rc = cq_error_set(err, CQ_ERROR, "%s%s: not what was written",
                        d->store->root, key);
    last = ops->remove(d->store, &one, 1, rc ? NULL : err);
    if (rc == CQ_OK) rc = last;
  }
  cq_buf_clear(&b);
  cq_free(key);
  return rc;
}

int cq_object_summary(cq_dest *base, const cq_value *v, int n, cq_error *err) {
  static const char *const names[] = {
      "_cq_sync_time",        "_cq_sync_group_id",
      "cli_version",          "sync_id",
      "sync_duration_ms",     "resources",
      "source_name",          "source_path",
      "source_version",       "source_errors",
      "source_warnings",      "source_tables",
      "destination_name",     "destination_path",
      "destination_version",  "destination_errors",
      "destination_warnings", "shard_num",
      "shard_total",          "resources_per_table",
      "errors_per_table",     "durations_per_table_ms"};
  enum { SYNC = 3, SOURCE = 6, TABLES = 11, PER_TABLE = 19 };
  obj_dest *d = obj_of(base);
  char *source = NULL, *key = NULL, *name;
  cq_buf b;
  int rc, any = 0;

  cq_buf_init(&b, OBJ_SMALL_MAX);
  cq_buf_byte(&b, '{');
  for (int i = 0; i < n && i < (int)(sizeof names / sizeof *names); i++) {
    if (v[i].kind == CQ_NULL) continue;
    if (any++) cq_buf_byte(&b, ',');
    cq_buf_printf(&b, "\"%s\":", names[i]);
    if (v[i].kind == CQ_INT)
      cq_buf_printf(&b, "%lld", (long long)v[i].u.i);
    else if (i == TABLES || i >= PER_TABLE) /* JSON already */
      cq_buf_add(&b, v[i].u.s, v[i].len);
    else
      cq_buf_json(&b, v[i].u.s, v[i].len);
  }
  cq_buf_str(&b, "}\n");
  source = cq_strndup(v[SOURCE].u.s, v[SOURCE].len);
  name = source ? obj_name(source) : NULL;
  if (name)
    key = obj_key(d, "_cq/runs/%s/%.*s/cloudquery_sync_summaries.ndjson", name,
                  (int)v[SYNC].len, v[SYNC].u.s);
  rc = key && !b.rc ? obj_put_text(d, key, &b, err) : cq_error_nomem(err);
  cq_buf_clear(&b);
  cq_free(source);
  cq_free(name);
  cq_free(key);
  return rc;
}

int cq_object_prune(cq_dest *base, int64_t keep, cq_buf *out, cq_error *err) {
  obj_dest *d = obj_of(base);
  char *prefix = obj_key(d, "_cq/sources/");
  obj_keys keys = {NULL, 0, 0};
  int64_t snapshots = 0, files = 0;
  int rc = prefix ? obj_keys_list(d, prefix, &keys, err) : cq_error_nomem(err);

  for (size_t i = 0; i < keys.n && rc == CQ_OK; i++) {
    const char *from = keys.v[i] + strlen(prefix);
    size_t n = strlen(from);
    char *name = n > 5 && strcmp(from + n - 5, ".json") == 0
                     ? cq_strndup(from, n - 5)
                     : NULL;

    if (name) rc = obj_retain(d, name, keep, &snapshots, &files, err);
    cq_free(name);
  }
  cq_buf_printf(out, "{\"keep\":%lld,\"snapshots\":%lld,\"files\":%lld}",
                (long long)keep, (long long)snapshots, (long long)files);
  obj_keys_free(&keys);
  cq_free(prefix);
  return rc ? rc : out->rc ? cq_error_nomem(err) : CQ_OK;
}
