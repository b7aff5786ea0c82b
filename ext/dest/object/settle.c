/* ext/dest/object/settle.c: a run that is over in another process: what it left is
 * read, published where that is wanted, and removed. */
#include "dest/object/internal.h"

#include <stdio.h>
#include <string.h>

static obj_file *file_named(obj_table *t, const char *key) {
  for (size_t i = 0; i < t->nfile; i++)
    if (strcmp(t->files[i].key, key) == 0) return &t->files[i];
  return NULL;
}

/* A unit is whole where all its files are. */
static int is_whole(obj_table *t, const json_t *files) {
  json_t *f;
  size_t i;

  json_array_foreach((json_t *)(uintptr_t)files, i, f) {
    const char *key = json_string_value(f);
    const obj_file *at = key ? file_named(t, key) : NULL;

    if (!at || !at->finished) return 0;
  }
  return 1;
}

static int read_done(obj_table *t, const json_t *line) {
  const json_t *files = json_object_get(line, "files");
  const char *client = obj_text(line, "client_id");
  const char *cursor = obj_text(line, "cursor"), *keep = obj_text(line, "keep");
  const char *status = obj_text(line, "status");
  obj_done *k;
  json_t *f;
  size_t i;

  if (!is_whole(t, files)) return CQ_OK;
  if (cq_grow(&t->done, &t->capdone, t->ndone, sizeof *t->done))
    return CQ_NOMEM;
  k = &t->done[t->ndone];
  memset(k, 0, sizeof *k);
  k->status = status && strcmp(status, "ok") == 0        ? "ok"
              : status && strcmp(status, "skipped") == 0 ? "skipped"
                                                         : "failed";
  k->rows = obj_int(line, "rows");
  k->client = cq_strdup(client);
  k->cursor = cursor && *cursor ? cq_strdup(cursor) : NULL;
  k->keep = keep ? cq_strdup(keep) : NULL;
  k->files = cq_calloc(json_array_size(files) + 1, sizeof *k->files);
  t->ndone++;
  if (!k->client || !k->files || (cursor && *cursor && !k->cursor) ||
      (keep && !k->keep))
    return CQ_NOMEM;
  json_array_foreach((json_t *)(uintptr_t)files, i, f) k->files[k->nfile++] =
      (size_t)(file_named(t, json_string_value(f)) - t->files);
  return CQ_OK;
}

static int read_file(const obj_run *run, obj_table *t, const json_t *line,
                     const char *key) {
  size_t n = run->nprefix;
  obj_file *f = file_named(t, key);
  const char *sha = obj_text(line, "sha256");

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
  f->rows = obj_int(line, "rows");
  f->bytes = obj_int(line, "bytes");
  f->units = (int)obj_int(line, "units");
  snprintf(f->sha, sizeof f->sha, "%s", sha);
  return CQ_OK;
}

static int read_line(void *user, const json_t *line) {
  obj_run *run = user;
  const char *name = obj_text(line, "table_name");
  const json_t *columns = json_object_get(line, "columns");
  const char *begin = obj_text(line, "begin"), *file = obj_text(line, "file");
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
  return obj_text(line, "client_id") ? read_done(t, line) : CQ_ERROR;
}

/* What the run tables say of it. */
typedef struct words {
  const char *status; /* it is over now: how */
  cq_buf *out;
} words;

static int read_run(void *user, const json_t *line) {
  obj_run *run = user;
  const char *time = obj_text(line, "sync_time");

  if (!time) return CQ_ERROR;
  cq_free(run->time);
  run->time = cq_strdup(time);
  run->own.time = run->time;
  return run->time ? CQ_OK : CQ_NOMEM;
}

static int change_line(void *user, const json_t *line) {
  words *w = user;
  json_t *j = json_copy((json_t *)(uintptr_t)line);
  const char *status = obj_text(line, "status");
  char now[40];
  int bad = !j;

  cq_dest_time(cq_now_us(), now);
  if (!status) status = "";
  if (obj_text(line, "table_name")) {
    if (strcmp(status, "waiting") == 0 || strcmp(status, "running") == 0)
      bad |= json_object_set_new(j, "status", json_string("interrupted"));
  } else {
    if (strcmp(status, "running") == 0)
      bad |= json_object_set_new(j, "status", json_string(w->status));
    bad |= json_object_set_new(j, "unsettled", json_integer(0));
    if (!obj_text(line, "finished"))
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
  words w = {status, &b};
  int rc;

  cq_buf_init(&b, OBJ_SMALL_MAX);
  rc = key ? obj_lines(d, key, change_line, &w, err) : cq_error_nomem(err);
  if (rc == CQ_OK && b.len) rc = obj_put_text(d, key, &b, err);
  cq_buf_clear(&b);
  cq_free(key);
  return rc;
}

/* Without a retry what has no cursor goes. */
static void forget_others(obj_table *t) {
  size_t n = 0;

  for (size_t i = 0; i < t->ndone; i++) {
    obj_done *k = &t->done[i];

    if (k->cursor && strcmp(k->status, "ok") == 0) {
      t->done[n++] = *k;
      continue;
    }
    cq_free(k->client);
    cq_free(k->cursor);
    cq_free(k->keep);
    cq_free(k->files);
  }
  t->ndone = n;
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
    if (!keep) forget_others(t);
    for (size_t i = 0; i < t->ndone && t->columns; i++)
      whole |= strcmp(t->done[i].status, "failed") != 0;
  }
  if (rc == CQ_OK && whole &&
      obj_int(old->latest, "sync_group_id") < old->r->group)
    rc = obj_put_manifest(d, old, "interrupted", err);
  if (rc == CQ_OK) rc = obj_remove_unused(d, old, err);
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
  cq_dest_time(group, time);
  old->time = cq_strdup(time);
  old->own.time = old->time;
  rc = old->time ? take_up(d, old, keep, err) : cq_error_nomem(err);
  published = obj_int(old->latest, "sync_group_id") == group;
  status = published ? obj_text(old->latest, "status") : NULL;
  if (rc == CQ_OK)
    rc = change_table(d, old, "cq_syncs.ndjson",
                      status ? status : "interrupted", err);
  if (rc == CQ_OK) rc = change_table(d, old, "cq_sync_tables.ndjson", "", err);
  if (rc == CQ_OK)
    rc = published ? obj_remove_journal(d, old, err)
                   : obj_remove_below(d, old->folder, err);
  obj_run_free(d, old);
  return rc;
}
