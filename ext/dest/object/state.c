/* ext/dest/object/state.c: which run's rows of each unit of a table are current,
 * with its cursor, and in which files they are.
 *
 * A file holds rows of several units of one run.  As long as all of them are
 * current, so are all its rows; otherwise the manifest says which clients' are
 * ("only"), or the rows below which parents ("parents": what could not be read
 * again and stays as it was). */
#include "dest/object/internal.h"

#include <string.h>

void obj_state_clear(obj_state *s) {
  cq_arena_clear(&s->arena);
  json_decref(s->files);
  cq_free(s->units);
  cq_free(s->slots);
  memset(s, 0, sizeof *s);
}

json_t *obj_entry(const json_t *manifest, const char *table) {
  const json_t *tables = json_object_get(manifest, "tables");
  json_t *e;
  size_t i;

  json_array_foreach((json_t *)(uintptr_t)tables, i, e) {
    const char *name = json_string_value(json_object_get(e, "table"));

    if (name && strcmp(name, table) == 0) return e;
  }
  return NULL;
}

static size_t slot_of(const obj_state *s, const char *client) {
  size_t at = (size_t)cq_hash64(client, strlen(client), 7) & (s->nslot - 1);

  while (s->slots[at] && strcmp(s->units[s->slots[at] - 1].client, client) != 0)
    at = (at + 1) & (s->nslot - 1);
  return at;
}

obj_state_unit *obj_state_find(const obj_state *s, const char *client) {
  size_t at;

  if (!s->nslot) return NULL;
  at = slot_of(s, client);
  return s->slots[at] ? &s->units[s->slots[at] - 1] : NULL;
}

static int rehash(obj_state *s) {
  size_t n = s->nslot ? 2 * s->nslot : 64;
  uint32_t *slots = cq_calloc(n, sizeof *slots);

  if (!slots) return CQ_NOMEM;
  cq_free(s->slots);
  s->slots = slots;
  s->nslot = n;
  for (size_t i = 0; i < s->nunit; i++)
    s->slots[slot_of(s, s->units[i].client)] = (uint32_t)i + 1;
  return CQ_OK;
}

obj_state_unit *obj_state_add(obj_state *s, const char *client) {
  obj_state_unit *u = obj_state_find(s, client);

  if (u) return u;
  if (2 * (s->nunit + 1) > s->nslot && rehash(s)) return NULL;
  if (cq_grow(&s->units, &s->capunit, s->nunit, sizeof *s->units)) return NULL;
  u = &s->units[s->nunit];
  memset(u, 0, sizeof *u);
  u->client = cq_arena_strndup(&s->arena, client, strlen(client));
  if (!u->client) return NULL;
  s->slots[slot_of(s, client)] = (uint32_t)++s->nunit;
  return u;
}

/* ---- read ------------------------------------------------------------------------ */

static char *copy_of(obj_state *s, const json_t *j, const char *key) {
  const char *text = json_string_value(json_object_get(j, key));

  return cq_arena_strndup(&s->arena, text ? text : "", text ? strlen(text) : 0);
}

static int read_ref(obj_state *s, obj_state_unit *u, int file,
                    const char *parents) {
  obj_ref *r;

  if (file < 0 || (size_t)file >= json_array_size(s->files)) return CQ_ERROR;
  r = cq_arena_alloc(&s->arena, sizeof *r);
  if (!r) return CQ_NOMEM;
  r->file = file;
  r->parents = NULL;
  if (parents) {
    r->parents = cq_arena_strndup(&s->arena, parents, strlen(parents));
    if (!r->parents) return CQ_NOMEM;
  }
  r->next = u->refs;
  u->refs = r;
  return CQ_OK;
}

static int read_unit(void *user, const json_t *line) {
  obj_state *s = user;
  const char *client = json_string_value(json_object_get(line, "client_id"));
  obj_state_unit *u;
  const json_t *files = json_object_get(line, "files");
  const json_t *kept = json_object_get(line, "kept");
  const char *key;
  json_t *v;
  size_t i;
  int rc = CQ_OK;

  if (!client) return CQ_ERROR;
  u = obj_state_add(s, client);
  if (!u) return CQ_NOMEM;
  u->group = obj_int(line, "sync_group_id");
  u->rows = obj_int(line, "rows");
  u->skipped = obj_int(line, "skipped");
  u->time = copy_of(s, line, "sync_time");
  u->cursor = copy_of(s, line, "cursor");
  if (!u->time || !u->cursor) return CQ_NOMEM;
  json_array_foreach((json_t *)(uintptr_t)files, i, v) {
    rc = read_ref(s, u, (int)json_integer_value(v), NULL);
    if (rc) return rc;
  }
  json_object_foreach((json_t *)(uintptr_t)kept, key, v) {
    char *text = json_dumps(v, JSON_COMPACT);
    cq_value n;

    if (!text) return CQ_NOMEM;
    rc = cq_number_parse(key, strlen(key), &n) || n.kind != CQ_INT
             ? CQ_ERROR
             : read_ref(s, u, (int)n.u.i, text);
    free(text);
    if (rc) return rc;
  }
  return rc;
}

int obj_state_read(obj_dest *d, const json_t *entry, obj_state *out,
                   cq_error *err) {
  const char *units = json_string_value(json_object_get(entry, "units"));
  const json_t *files = json_object_get(entry, "files");
  char *key;
  int rc;

  memset(out, 0, sizeof *out);
  cq_arena_init(&out->arena);
  out->files = files ? json_deep_copy(files) : json_array();
  if (!out->files) return cq_error_nomem(err);
  if (!units) return CQ_OK;
  if (!obj_is_below(units))
    return cq_error_set(err, CQ_ERROR, "%s%s: outside: %s", d->store->root,
                        d->o.prefix, units);
  key = obj_key(d, "%s", units);
  rc = key ? obj_lines(d, key, read_unit, out, err) : cq_error_nomem(err);
  cq_free(key);
  return rc;
}

/* ---- write ------------------------------------------------------------------------ */

typedef struct use {
  int whole, some; /* units whose rows in it are current; some of theirs */
  int now;         /* its new number */
  json_t *only, *parents;
} use;

static int count_uses(const obj_state *s, use *uses) {
  for (size_t i = 0; i < s->nunit; i++)
    for (const obj_ref *r = s->units[i].refs; r; r = r->next) {
      use *u = &uses[r->file];

      if (!r->parents) {
        u->whole++;
        if (!u->only) u->only = json_array();
        if (json_array_append_new(u->only, json_string(s->units[i].client)))
          return CQ_NOMEM;
      } else {
        json_t *list = json_loads(r->parents, 0, NULL);
        int rc;

        u->some++;
        if (!u->parents) u->parents = json_array();
        rc = list ? json_array_extend(u->parents, list) : -1;
        json_decref(list);
        if (rc) return CQ_NOMEM;
      }
    }
  return CQ_OK;
}

/* The files that are needed, with what is current in them. */
static json_t *files_of(const obj_state *s, use *uses) {
  json_t *out = json_array(), *f;
  size_t i;
  int bad = !out;

  json_array_foreach(s->files, i, f) {
    use *u = &uses[i];

    if (bad ||
        (!u->whole && !u->some && !json_is_true(json_object_get(f, "empty"))))
      continue;
    u->now = (int)json_array_size(out);
    if (!u->some && u->whole == obj_int(f, "units")) {
      json_object_del(f, "only");
      json_object_del(f, "parents");
    } else {
      bad |= json_object_set_new(f, "only",
                                 u->only ? json_incref(u->only) : json_array());
      if (u->parents)
        bad |= json_object_set(f, "parents", u->parents);
      else
        json_object_del(f, "parents");
    }
    bad |= json_array_append(out, f);
  }
  if (!bad) return out;
  json_decref(out);
  return NULL;
}

static json_t *unit_line(const obj_state_unit *u, const char *table,
                         const char *source, const use *uses) {
  json_t *j = json_pack(
      "{ss ss ss sI ss ss sI}", "table_name", table, "source_name", source,
      "client_id", u->client, "sync_group_id", (json_int_t)u->group,
      "sync_time", u->time ? u->time : "", "cursor", u->cursor ? u->cursor : "",
      "rows", (json_int_t)u->rows);
  json_t *files = NULL, *kept = NULL;
  int bad = !j;

  if (u->skipped)
    bad |=
        json_object_set_new(j, "skipped", json_integer((json_int_t)u->skipped));
  for (const obj_ref *r = u->refs; r && !bad; r = r->next) {
    if (!r->parents) {
      if (!files) files = json_array();
      bad |= json_array_append_new(files, json_integer(uses[r->file].now));
    } else {
      char key[24];

      if (!kept) kept = json_object();
      snprintf(key, sizeof key, "%d", uses[r->file].now);
      bad |= json_object_set_new(kept, key, json_loads(r->parents, 0, NULL));
    }
  }
  if (files) bad |= json_object_set_new(j, "files", files);
  if (kept) bad |= json_object_set_new(j, "kept", kept);
  if (!bad) return j;
  json_decref(j);
  return NULL;
}

int obj_state_write(obj_dest *d, obj_state *s, const char *key,
                    const char *table, const char *source, json_t *entry,
                    cq_error *err) {
  size_t nfile = json_array_size(s->files);
  use *uses = cq_calloc(nfile + 1, sizeof *uses);
  json_t *files;
  int64_t rows = 0;
  cq_buf b;
  int rc;

  if (!uses) return cq_error_nomem(err);
  cq_buf_init(&b, OBJ_SMALL_MAX);
  rc = count_uses(s, uses);
  files = rc ? NULL : files_of(s, uses);
  if (!files) rc = CQ_NOMEM;
  for (size_t i = 0; i < s->nunit && rc == CQ_OK; i++) {
    rows += s->units[i].rows;
    rc = obj_add_line(&b, unit_line(&s->units[i], table, source, uses));
  }
  if (rc == CQ_OK) rc = b.rc;
  if (rc == CQ_OK && (json_object_set(entry, "files", files) ||
                      json_object_set_new(entry, "rows", json_integer(rows))))
    rc = CQ_NOMEM;
  json_decref(files);
  for (size_t i = 0; i < nfile; i++) {
    json_decref(uses[i].only);
    json_decref(uses[i].parents);
  }
  cq_free(uses);
  if (rc == CQ_TOOBIG)
    rc = cq_error_set(err, rc, "%s: too many units for one state file", table);
  else if (rc)
    rc = cq_error_nomem(err);
  else
    rc = obj_put_text(d, key, &b, err);
  cq_buf_clear(&b);
  return rc;
}
