/* ext/dest/object/publish.c: a run's rows become current: a manifest of the whole
 * snapshot, and then, in one step, the pointer that readers read.  What nobody
 * points at any more is removed after it. */
#include "dest/object/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *obj_columns(const cq_dest_table *t) {
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

/* ---- one table --------------------------------------------------------------------- */

/* A path as the manifest has it: without the prefix. */
static const char *relative(const obj_dest *d, const char *key) {
  return key + strlen(d->o.prefix);
}

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
    j = json_pack("{ss sI sI sI si ss}", "path", relative(d, f->key),
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
                  relative(d, key), "columns", t->columns);
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
    if (rc == CQ_OK && json_array_append_new(tables, entry))
      rc = cq_error_nomem(err);
    if (obj_interrupted(d) && rc == CQ_OK)
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
  }
  return rc;
}

static int put_manifest(obj_dest *d, obj_run *run, const char *status,
                        cq_error *err) {
  const cq_dest_run *r = run->r;
  char *own = cq_mprintf("%smanifest.json", run->folder);
  char *latest = obj_key(d, "_cq/latest/%s.json", run->name);
  char *root = cq_mprintf("%s%s", d->store->root, d->o.prefix);
  json_t *tables = json_array(), *j = NULL;
  int rc = own && latest && root && tables ? CQ_OK : cq_error_nomem(err);

  if (rc == CQ_OK) rc = make_entries(d, run, tables, err);
  if (rc == CQ_OK) {
    j = json_pack("{si ss ss sI ss ss ss ss sO}", "version", 1, "source",
                  r->source, "integration", r->integration, "sync_group_id",
                  (json_int_t)r->group, "sync_time", r->time, "status", status,
                  "format", d->o.format->name, "root", root, "tables", tables);
    rc = j ? obj_put_json(d, own, j, NULL, NULL, err) : cq_error_nomem(err);
  }
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

/* ---- what nobody points at ------------------------------------------------------------ */

static int add_paths(cq_set *set, const json_t *manifest) {
  const json_t *tables = json_object_get(manifest, "tables");
  json_t *e, *f;
  size_t i, k;
  int is_new;

  json_array_foreach((json_t *)(uintptr_t)tables, i, e) {
    const char *units = json_string_value(json_object_get(e, "units"));

    if (units && cq_set_add(set, cq_hash64(units, strlen(units), 1), &is_new))
      return CQ_NOMEM;
    json_array_foreach(json_object_get(e, "files"), k, f) {
      const char *path = json_string_value(json_object_get(f, "path"));

      if (path && cq_set_add(set, cq_hash64(path, strlen(path), 1), &is_new))
        return CQ_NOMEM;
    }
  }
  return CQ_OK;
}

/* Asks by adding: a path that is new there is one that nobody points at.  A
 * set that cannot grow lets it stay. */
static int is_unused(cq_set *set, const char *path) {
  int is_new = 0;

  return cq_set_add(set, cq_hash64(path, strlen(path), 1), &is_new) == CQ_OK &&
         is_new;
}

/* Files of the run that the latest snapshot does not name. */
static int remove_unused(obj_dest *d, obj_run *run, cq_error *err) {
  cq_set set = {NULL, 0, 0};
  int rc = add_paths(&set, run->latest) ? cq_error_nomem(err) : CQ_OK;

  for (const obj_table *t = run->tables; t && rc == CQ_OK; t = t->next) {
    const char **keys = cq_calloc(t->nfile + 1, sizeof *keys);
    size_t n = 0;

    if (!keys) rc = cq_error_nomem(err);
    for (size_t i = 0; i < t->nfile && rc == CQ_OK; i++)
      if (is_unused(&set, relative(d, t->files[i].key)))
        keys[n++] = t->files[i].key;
    if (rc == CQ_OK && n) rc = d->store->ops->remove(d->store, keys, n, err);
    cq_free(keys);
  }
  cq_set_clear(&set);
  return rc;
}

static int remove_journal(obj_dest *d, const obj_run *run, cq_error *err) {
  char *key = cq_mprintf("%sjournal-", run->folder);
  int rc =
      key ? obj_remove_below(d, key, NULL, NULL, err) : cq_error_nomem(err);

  cq_free(key);
  return rc;
}

/* ---- publish ---------------------------------------------------------------------------- */

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
static void clean_up(obj_dest *d, obj_run *run) {
  int rc = obj_tables_write(d, run, NULL);

  if (rc == CQ_OK) rc = remove_unused(d, run, NULL);
  if (rc == CQ_OK) rc = remove_journal(d, run, NULL);
  if (rc == CQ_OK && d->o.keep)
    rc = obj_retain(d, run->name, d->o.keep, NULL, NULL, NULL);
  obj_claim_end(d, run, rc == CQ_OK, NULL);
}

int cq_object_publish(cq_dest *base, const cq_dest_run *r,
                      cq_dest_table *const *t, int nt, const char *status,
                      const cq_counts *n, const char *message, cq_error *err) {
  obj_dest *d = obj_of(base);
  obj_run *run = obj_run_of(d, r);
  int rc = run ? CQ_OK : cq_error_set(err, CQ_MISUSE, "no run is under way");

  for (int i = 0; i < nt && rc == CQ_OK; i++) {
    obj_table *x = obj_table_of(d, r, t[i]);

    if (!x) return cq_error_nomem(err);
    x->failed = t[i]->failed;
    x->complete = t[i]->complete;
  }
  if (rc == CQ_OK) rc = write_empty(d, run, err);
  if (rc == CQ_OK) rc = obj_commit(d, run, 1, err);
  if (rc == CQ_OK) rc = put_manifest(d, run, status, err);
  if (rc) return rc;
  run->n = *n;
  run->ntable = nt;
  run->finished_us = cq_now_us();
  run->unsettled = 0;
  rc = obj_run_say(run, status, message);
  obj_abandon(d, run);
  run->ended = 1;
  clean_up(d, run);
  return rc ? cq_error_nomem(err) : CQ_OK;
}

/* ---- a run that was cut off ----------------------------------------------------------- */

static obj_file *file_named(obj_table *t, const char *key) {
  for (size_t i = 0; i < t->nfile; i++)
    if (strcmp(t->files[i].key, key) == 0) return &t->files[i];
  return NULL;
}

static const char *text_in(const json_t *j, const char *key) {
  return json_string_value(json_object_get(j, key));
}

static int64_t int_in(const json_t *j, const char *key) {
  return json_integer_value(json_object_get(j, key));
}

static int read_done(obj_table *t, const json_t *line) {
  const json_t *files = json_object_get(line, "files");
  const char *client = text_in(line, "client_id");
  const char *cursor = text_in(line, "cursor"), *keep = text_in(line, "keep");
  const char *status = text_in(line, "status");
  obj_done *k;
  json_t *f;
  size_t i;

  if (cq_grow(&t->done, &t->capdone, t->ndone, sizeof *t->done))
    return CQ_NOMEM;
  k = &t->done[t->ndone];
  memset(k, 0, sizeof *k);
  k->status = status && strcmp(status, "ok") == 0        ? "ok"
              : status && strcmp(status, "skipped") == 0 ? "skipped"
                                                         : "failed";
  k->rows = int_in(line, "rows");
  k->client = cq_strdup(client);
  k->cursor = cursor && *cursor ? cq_strdup(cursor) : NULL;
  k->keep = keep ? cq_strdup(keep) : NULL;
  k->files = cq_calloc(json_array_size(files) + 1, sizeof *k->files);
  t->ndone++;
  if (!k->client || !k->files || (cursor && *cursor && !k->cursor) ||
      (keep && !k->keep))
    return CQ_NOMEM;
  json_array_foreach((json_t *)(uintptr_t)files, i, f) {
    const char *key = json_string_value(f);
    const obj_file *at = key ? file_named(t, key) : NULL;

    if (!at || !at->finished) return CQ_ERROR;
    k->files[k->nfile++] = (size_t)(at - t->files);
  }
  return CQ_OK;
}

static int read_file(const obj_run *run, obj_table *t, const json_t *line,
                     const char *key) {
  size_t n = run->nprefix;
  obj_file *f = file_named(t, key);
  const char *sha = text_in(line, "sha256");

  if (strncmp(key, run->folder, n) != 0 || !obj_is_below(key + n))
    return CQ_ERROR;
  if (!f) {
    if (cq_grow(&t->files, &t->capfile, t->nfile, sizeof *t->files))
      return CQ_NOMEM;
    f = &t->files[t->nfile];
    memset(f, 0, sizeof *f);
    f->key = cq_strdup(key);
    if (!f->key) return CQ_NOMEM;
    t->nfile++;
  }
  if (!sha) return CQ_OK;
  f->finished = 1;
  f->rows = int_in(line, "rows");
  f->bytes = int_in(line, "bytes");
  f->units = (int)int_in(line, "units");
  snprintf(f->sha, sizeof f->sha, "%s", sha);
  return CQ_OK;
}

static int read_line(void *user, const json_t *line) {
  obj_run *run = user;
  const char *name = text_in(line, "table_name");
  const json_t *columns = json_object_get(line, "columns");
  const char *begin = text_in(line, "begin"), *file = text_in(line, "file");
  obj_table *t = name ? obj_table_new(run, name) : NULL;

  if (!name) return CQ_ERROR;
  if (!t) return CQ_NOMEM;
  if (columns) {
    json_decref(t->columns);
    t->columns = json_deep_copy(columns);
    t->incremental = json_is_true(json_object_get(line, "incremental"));
    return t->columns ? CQ_OK : CQ_NOMEM;
  }
  if (begin) return read_file(run, t, line, begin);
  if (file) return read_file(run, t, line, file);
  return text_in(line, "client_id") ? read_done(t, line) : CQ_ERROR;
}

/* What the run tables say of it. */
typedef struct words {
  obj_run *run;
  const char *status; /* it is over now: how */
  cq_buf *out;
} words;

static int read_run(void *user, const json_t *line) {
  obj_run *run = user;
  const char *time = text_in(line, "sync_time");

  if (!time) return CQ_ERROR;
  cq_free(run->time);
  run->time = cq_strdup(time);
  run->own.time = run->time;
  return run->time ? CQ_OK : CQ_NOMEM;
}

static int change_line(void *user, const json_t *line) {
  words *w = user;
  json_t *j = json_copy((json_t *)(uintptr_t)line);
  const char *status = text_in(line, "status");
  char now[40];
  int bad = !j;

  cq_time_format(cq_now_us(), now);
  if (!status) status = "";
  if (text_in(line, "table_name")) {
    if (strcmp(status, "waiting") == 0 || strcmp(status, "running") == 0)
      bad |= json_object_set_new(j, "status", json_string("interrupted"));
  } else {
    if (strcmp(status, "running") == 0)
      bad |= json_object_set_new(j, "status", json_string(w->status));
    bad |= json_object_set_new(j, "unsettled", json_integer(0));
    if (!text_in(line, "finished"))
      bad |= json_object_set_new(j, "finished", json_string(now));
  }
  if (bad) {
    json_decref(j);
    return CQ_NOMEM;
  }
  return obj_add_line(w->out, j);
}

static int change_table(obj_dest *d, obj_run *run, const char *name,
                        const char *status, cq_error *err) {
  char *key = cq_mprintf("%s%s", run->told, name);
  cq_buf b;
  words w = {run, status, &b};
  int rc;

  cq_buf_init(&b, OBJ_SMALL_MAX);
  rc = key ? obj_lines(d, key, change_line, &w, err) : cq_error_nomem(err);
  if (rc == CQ_OK && b.len) rc = obj_put_text(d, key, &b, err);
  cq_buf_clear(&b);
  cq_free(key);
  return rc;
}

/* Reads what the run left; publishes it where that is wanted and possible. */
static int take_up(obj_dest *d, obj_run *old, int keep, cq_error *err) {
  char *key = cq_mprintf("%scq_syncs.ndjson", old->told);
  char *latest = obj_key(d, "_cq/latest/%s.json", old->name);
  char *journal = cq_mprintf("%sjournal-", old->folder);
  int whole = 0;
  int rc = key && latest && journal ? CQ_OK : cq_error_nomem(err);

  if (rc == CQ_OK) rc = obj_lines(d, key, read_run, old, err);
  if (rc == CQ_OK)
    rc = obj_get_json(d, latest, &old->latest, old->latest_tag, err);
  if (rc == CQ_OK) rc = obj_lines_below(d, journal, read_line, old, err);
  for (obj_table *t = old->tables; t; t = t->next) {
    if (!t->columns) t->failed = 1; /* no unit of it was whole */
    for (size_t i = 0; i < t->ndone && t->columns; i++)
      whole |= strcmp(t->done[i].status, "failed") != 0;
  }
  if (rc == CQ_OK && keep && whole &&
      int_in(old->latest, "sync_group_id") < old->r->group)
    rc = put_manifest(d, old, "interrupted", err);
  if (rc == CQ_OK) rc = remove_unused(d, old, err);
  cq_free(key);
  cq_free(latest);
  cq_free(journal);
  return rc;
}

int obj_settle(obj_dest *d, obj_run *run, int64_t group, int keep,
               cq_error *err) {
  char time[40];
  obj_run *old;
  int rc = obj_run_new(d, run->r, group, &old, err), published;
  const char *status;

  if (rc) return rc;
  cq_time_format(group, time);
  old->time = cq_strdup(time);
  old->own.time = old->time;
  rc = old->time ? take_up(d, old, keep, err) : cq_error_nomem(err);
  published = int_in(old->latest, "sync_group_id") == group;
  status = published ? text_in(old->latest, "status") : NULL;
  if (rc == CQ_OK)
    rc = change_table(d, old, "cq_syncs.ndjson",
                      status ? status : "interrupted", err);
  if (rc == CQ_OK) rc = change_table(d, old, "cq_sync_tables.ndjson", "", err);
  if (rc == CQ_OK)
    rc = published ? remove_journal(d, old, err)
                   : obj_remove_below(d, old->folder, NULL, NULL, err);
  obj_run_free(d, old);
  return rc;
}

/* ---- old snapshots ----------------------------------------------------------------------- */

static int64_t group_of(const char *key, size_t prefix) {
  const char *end = strchr(key + prefix, '/');
  cq_value v;

  if (!end || strcmp(end, "/manifest.json") != 0 ||
      cq_number_parse(key + prefix, (size_t)(end - key) - prefix, &v) ||
      v.kind != CQ_INT)
    return 0;
  return v.u.i;
}

static int newest_first(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

  return x < y ? 1 : x > y ? -1 : 0;
}

typedef struct retain {
  size_t prefix;
  int64_t *groups;
  size_t n, cap;
} retain;

static int add_group(void *user, const char *key, int64_t bytes) {
  retain *r = user;
  int64_t g = group_of(key, r->prefix);

  (void)bytes;
  if (!g) return CQ_OK;
  if (cq_grow(&r->groups, &r->cap, r->n, sizeof *r->groups)) return CQ_NOMEM;
  r->groups[r->n++] = g;
  return CQ_OK;
}

/* Removes what the old manifest alone points at, then itself. */
static int remove_snapshot(obj_dest *d, const char *key, const json_t *old,
                           cq_set *used, int64_t *files, cq_error *err) {
  const json_t *tables = json_object_get(old, "tables");
  obj_keys gone = {NULL, 0, 0};
  json_t *e, *f;
  size_t i, k;
  int rc = CQ_OK;

  json_array_foreach((json_t *)(uintptr_t)tables, i, e) {
    const json_t *list = json_object_get(e, "files");

    for (k = 0; k <= json_array_size(list) && rc == CQ_OK; k++) {
      const char *path;

      f = json_array_get(list, k);
      path = f ? text_in(f, "path") : text_in(e, "units");
      if (!path || !obj_is_below(path) || !is_unused(used, path)) continue;
      if (cq_grow(&gone.v, &gone.cap, gone.n, sizeof *gone.v) ||
          !(gone.v[gone.n] = obj_key(d, "%s", path)))
        rc = cq_error_nomem(err);
      else
        gone.n++;
      if (files && f) ++*files;
    }
  }
  if (rc == CQ_OK && gone.n)
    rc = d->store->ops->remove(d->store, (const char *const *)gone.v, gone.n,
                               err);
  if (rc == CQ_OK) rc = d->store->ops->remove(d->store, &key, 1, err);
  obj_keys_free(&gone);
  return rc;
}

int obj_retain(obj_dest *d, const char *name, int64_t keep, int64_t *snapshots,
               int64_t *files, cq_error *err) {
  char *prefix = obj_key(d, "_cq/snapshots/%s/", name);
  char *key = obj_key(d, "_cq/latest/%s.json", name);
  retain r = {prefix ? strlen(prefix) : 0, NULL, 0, 0};
  cq_set used = {NULL, 0, 0};
  json_t *j = NULL;
  int rc = prefix && key
               ? d->store->ops->list(d->store, prefix, add_group, &r, err)
               : CQ_NOMEM;

  if (rc == CQ_OK) rc = obj_get_json(d, key, &j, NULL, err);
  if (rc == CQ_OK && add_paths(&used, j)) rc = CQ_NOMEM;
  json_decref(j);
  if (r.n > 1) qsort(r.groups, r.n, sizeof *r.groups, newest_first);
  for (size_t i = 0; i < r.n && rc == CQ_OK; i++) {
    char *one =
        cq_mprintf("%s%lld/manifest.json", prefix, (long long)r.groups[i]);

    rc = one ? obj_get_json(d, one, &j, NULL, err) : CQ_NOMEM;
    if (rc == CQ_OK && (int64_t)i < keep)
      rc = add_paths(&used, j) ? CQ_NOMEM : CQ_OK;
    else if (rc == CQ_OK && j) {
      rc = remove_snapshot(d, one, j, &used, files, err);
      if (snapshots) ++*snapshots;
    }
    json_decref(j);
    cq_free(one);
  }
  cq_set_clear(&used);
  cq_free(r.groups);
  cq_free(prefix);
  cq_free(key);
  return rc == CQ_NOMEM ? cq_error_nomem(err) : rc;
}
