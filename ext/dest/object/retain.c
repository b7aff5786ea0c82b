/* ext/dest/object/retain.c: files and snapshots that nobody needs any more. */
#include "dest/object/internal.h"

#include <stdlib.h>
#include <string.h>

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
int obj_remove_unused(obj_dest *d, obj_run *run, cq_error *err) {
  cq_set set = {NULL, 0, 0};
  int rc = add_paths(&set, run->latest) ? cq_error_nomem(err) : CQ_OK;

  for (const obj_table *t = run->tables; t && rc == CQ_OK; t = t->next) {
    const char **keys = cq_calloc(t->nfile + 1, sizeof *keys);
    size_t n = 0;

    if (!keys) rc = cq_error_nomem(err);
    for (size_t i = 0; i < t->nfile && rc == CQ_OK; i++)
      if (is_unused(&set, obj_relative(d, t->files[i].key)))
        keys[n++] = t->files[i].key;
    if (rc == CQ_OK && n) rc = d->store->ops->remove(d->store, keys, n, err);
    cq_free(keys);
  }
  cq_set_clear(&set);
  return rc;
}

int obj_remove_journal(obj_dest *d, const obj_run *run, cq_error *err) {
  char *key = cq_mprintf("%sjournal-", run->folder);
  int rc = key ? obj_remove_below(d, key, err) : cq_error_nomem(err);

  cq_free(key);
  return rc;
}

/* ---- old snapshots ----------------------------------------------------------- */

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
      path = f ? obj_text(f, "path") : obj_text(e, "units");
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
