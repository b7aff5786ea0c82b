/* ext/dest/object/manifest.c: a run's rows become current: a manifest of the
 * whole snapshot, and then, in one step, the pointer that readers read. */
#include "dest/object/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one table --------------------------------------------------------------------- */

/* Files whose columns are not the table's any more say which they have. */
static int name_columns(json_t *files, const json_t *was, const json_t *now) {
  json_t *f;
  size_t i;

  if (!was || json_equal(was, now)) was = NULL;
  json_array_foreach(files, i, f) {
    json_t *own = json_object_get(f, "columns");

    if (own && json_equal(own, now)) json_object_del(f, "columns");
    if (!own && was && json_object_set(f, "columns", (json_t *)(uintptr_t)was))
      return CQ_NOMEM;
  }
  return CQ_OK;
}

/* The same of the format, of all tables. */
static int name_formats(const json_t *latest, const char *now) {
  json_t *was = json_object_get(latest, "format"), *t, *f;
  json_t *tables = json_object_get(latest, "tables");
  size_t i, k;

  if (!was ||
      strcmp(json_string_value(was) ? json_string_value(was) : "", now) == 0)
    return CQ_OK;
  json_array_foreach(tables, i, t)
      json_array_foreach(json_object_get(t, "files"), k, f) {
    if (!json_object_get(f, "format") && json_object_set(f, "format", was))
      return CQ_NOMEM;
  }
  return CQ_OK;
}

static void forget_empty(json_t *files) {
  json_t *f;
  size_t i;

  json_array_foreach(files, i, f) json_object_del(f, "empty");
}

/* New files behind those that there are; *at maps the run's to the entry's. */
static int add_files(obj_dest *d, const obj_table *t, obj_state *s, int *at) {
  for (size_t i = 0; i < t->nfile; i++) {
    const obj_file *f = &t->files[i];
    json_t *j;

    at[i] = -1;
    if (!f->finished || f->gone) continue;
    at[i] = (int)json_array_size(s->files);
    j = json_pack("{ss sI sI sI si ss}", "path", obj_relative(d, f->key),
                  "sync_group_id", (json_int_t)t->run->r->group, "rows",
                  (json_int_t)f->rows, "bytes", (json_int_t)f->bytes, "units",
                  f->units, "sha256", f->sha);
    if (j && !f->units) json_object_set_new(j, "empty", json_true());
    if (json_array_append_new(s->files, j)) return CQ_NOMEM;
  }
  return CQ_OK;
}

/* What stays of a unit's rows where some could not be read again: of each file,
 * the rows below those parents. */
static int keep_some(obj_state *s, obj_state_unit *u, const char *keep) {
  json_t *now = json_loads(keep, 0, NULL);
  obj_ref *left = NULL;
  int rc = now ? CQ_OK : CQ_NOMEM;

  for (obj_ref *r = u->refs, *next; r && rc == CQ_OK; r = next) {
    next = r->next;
    if (r->parents) {
      json_t *had = json_loads(r->parents, 0, NULL), *both = json_array(), *v;
      size_t i, k;
      json_t *w;
      char *text;

      json_array_foreach(had, i, v)
          json_array_foreach(now, k, w) if (json_equal(v, w))
              json_array_append(both, v);
      text = json_dumps(both, JSON_COMPACT);
      r->parents =
          text ? cq_arena_strndup(&s->arena, text, strlen(text)) : NULL;
      if (!r->parents) rc = CQ_NOMEM;
      if (json_array_size(both) == 0) r = NULL;
      free(text);
      json_decref(had);
      json_decref(both);
    } else {
      r->parents = cq_arena_strndup(&s->arena, keep, strlen(keep));
      if (!r->parents) rc = CQ_NOMEM;
    }
    if (r) {
      r->next = left;
      left = r;
    }
  }
  u->refs = left;
  json_decref(now);
  return rc;
}

static int apply_done(const obj_table *t, obj_state *s, const obj_done *k,
                      const int *at) {
  obj_state_unit *u = obj_state_add(s, k->client);
  const cq_dest_run *r = t->run->r;

  if (!u) return CQ_NOMEM;
  u->seen = 1;
  if (strcmp(k->status, "skipped") == 0) {
    u->skipped = r->group;
    return CQ_OK;
  }
  if (strcmp(k->status, "ok") != 0) return CQ_OK;
  u->skipped = 0;
  u->rows = t->incremental ? u->rows + k->rows : k->rows;
  if (k->keep) {
    if (keep_some(s, u, k->keep)) return CQ_NOMEM;
  } else if (!t->incremental) {
    u->refs = NULL;
  }
  u->group = r->group;
  u->time = cq_arena_strndup(&s->arena, r->time, strlen(r->time));
  u->cursor = cq_arena_strndup(&s->arena, k->cursor ? k->cursor : "",
                               k->cursor ? strlen(k->cursor) : 0);
  if (!u->time || !u->cursor) return CQ_NOMEM;
  for (size_t i = 0; i < k->nfile; i++) {
    obj_ref *ref;

    if (at[k->files[i]] < 0) return CQ_ERROR;
    ref = cq_arena_alloc(&s->arena, sizeof *ref);
    if (!ref) return CQ_NOMEM;
    ref->file = at[k->files[i]];
    ref->parents = NULL;
    ref->next = u->refs;
    u->refs = ref;
  }
  return CQ_OK;
}

/* Clients that a whole run of the table no longer has.  A client whose own
 * clients could not be found out stands there by a shorter name. */
static void forget_clients(const obj_table *t, obj_state *s) {
  size_t n = 0;

  for (size_t i = 0; i < s->nunit; i++) {
    obj_state_unit *u = &s->units[i];
    int stays = u->seen;

    for (size_t k = 0; k < t->ndone && !stays; k++) {
      size_t len = strlen(t->done[k].client);

      stays = strcmp(t->done[k].status, "failed") == 0 &&
              strncmp(u->client, t->done[k].client, len) == 0 &&
              u->client[len] == ':';
    }
    if (stays) s->units[n++] = *u;
  }
  s->nunit = n; /* what looks units up by name is done with it */
}

/* The table's new entry; a new reference. */
static int publish_table(obj_dest *d, obj_table *t, const json_t *old,
                         json_t **out, cq_error *err) {
  const json_t *was = json_object_get(old, "columns");
  int *at = cq_calloc(t->nfile + 1, sizeof *at);
  char *key = cq_mprintf("%s%s.ndjson", t->run->folder, t->name);
  json_t *entry = NULL;
  obj_state s;
  int rc;

  *out = NULL;
  rc = obj_state_read(d, old, &s, err);
  if (rc == CQ_OK && (!at || !key)) rc = cq_error_nomem(err);
  if (rc == CQ_OK) {
    forget_empty(s.files);
    if (name_columns(s.files, was, t->columns) || add_files(d, t, &s, at))
      rc = cq_error_nomem(err);
  }
  for (size_t i = 0; i < t->ndone && rc == CQ_OK; i++) {
    rc = apply_done(t, &s, &t->done[i], at);
    if (rc == CQ_NOMEM)
      cq_error_nomem(err);
    else if (rc)
      cq_error_set(err, rc, "%s: %s: a file of it is not there", t->name,
                   t->done[i].client);
  }
  if (rc == CQ_OK && t->complete && !t->incremental && !t->run->r->base)
    forget_clients(t, &s);
  if (rc == CQ_OK) {
    entry =
        json_pack("{ss sI ss sb sI ss sO}", "table", t->name, "sync_group_id",
                  (json_int_t)t->run->r->group, "sync_time", t->run->r->time,
                  "incremental", t->incremental, "rows", (json_int_t)0, "units",
                  obj_relative(d, key), "columns", t->columns);
    rc = entry ? obj_state_write(d, &s, key, t->name, t->run->r->source, entry,
                                 err)
               : cq_error_nomem(err);
  }
  obj_state_clear(&s);
  cq_free(at);
  cq_free(key);
  if (rc)
    json_decref(entry);
  else
    *out = entry;
  return rc;
}

/* ---- all of them --------------------------------------------------------------------- */

/* Entries of the tables that the run has not touched stay as they are. */
static int make_entries(obj_dest *d, obj_run *run, json_t *tables,
                        cq_error *err) {
  const json_t *old = json_object_get(run->latest, "tables");
  json_t *e;
  size_t i;
  int rc = CQ_OK;

  json_array_foreach((json_t *)(uintptr_t)old, i, e) {
    const char *name = json_string_value(json_object_get(e, "table"));
    obj_table *t = run->tables;

    while (t && (!name || strcmp(t->name, name) != 0)) t = t->next;
    if ((!t || t->failed || (!t->ndone && !t->complete)) &&
        json_array_append(tables, e))
      return cq_error_nomem(err);
  }
  for (obj_table *t = run->tables; t && rc == CQ_OK; t = t->next) {
    json_t *entry = NULL;

    if (t->failed || (!t->ndone && !t->complete)) continue;
    rc = publish_table(d, t, obj_entry(run->latest, t->name), &entry, err);
    if (rc == CQ_OK) rc = obj_claim_beat(d, run, err);
    if (rc == CQ_OK && json_array_append_new(tables, entry))
      rc = cq_error_nomem(err);
    if (obj_interrupted(d) && rc == CQ_OK)
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
  }
  return rc;
}

int obj_put_manifest(obj_dest *d, obj_run *run, const char *status,
                     cq_error *err) {
  const cq_dest_run *r = run->r;
  char *own = cq_mprintf("%smanifest.json", run->folder);
  char *latest = obj_key(d, "_cq/latest/%s.json", run->name);
  char *root = cq_mprintf("%s%s", d->store->root, d->o.prefix);
  json_t *tables = json_array(), *j = NULL;
  int rc = own && latest && root && tables ? CQ_OK : cq_error_nomem(err);

  if (rc == CQ_OK && name_formats(run->latest, d->o.format->name))
    rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = make_entries(d, run, tables, err);
  if (rc == CQ_OK) {
    j = json_pack("{si ss ss sI ss ss ss ss sO}", "version", 1, "source",
                  r->source, "integration", r->integration, "sync_group_id",
                  (json_int_t)r->group, "sync_time", r->time, "status", status,
                  "format", d->o.format->name, "root", root, "tables", tables);
    rc = j ? obj_put_json(d, own, j, NULL, NULL, err) : cq_error_nomem(err);
  }
  /* Whoever took the run for dead has settled it, and its files are gone: it
   * is seen to be ours right before readers see it. */
  if (rc == CQ_OK) rc = obj_claim_hold(d, run, err);
  if (rc == CQ_OK) {
    rc = obj_put_json(d, latest, j, run->latest_tag, run->latest_tag, err);
    if (rc == CQ_BUSY)
      cq_error_set(err, rc,
                   "source %s: another run of it has published in %s meanwhile",
                   r->source, d->base.name);
  }
  if (rc == CQ_OK) {
    json_decref(run->latest);
    run->latest = json_incref(j);
  }
  json_decref(j);
  json_decref(tables);
  cq_free(own);
  cq_free(latest);
  cq_free(root);
  return rc;
}
