/* ext/sync/spec_keys.c: what the keys of one document of a sync's spec say, each
 * checked: a source, a destination, or both in the short form.
 *
 * What CloudQuery has and cq has no use for (versions, registries, schedulers,
 * batch sizes, a state backend: state lives in the destination) is accepted. */
#include <string.h>

#include "sync/internal.h"

#define WORDS(list) list, sizeof list / sizeof *list

enum { MOST_OPEN_MS = 3600000 };

/* ---- sources ------------------------------------------------------------------- */

/* Does the list of aliases (any separators) hold the path? */
static int has_alias(const char *aliases, const char *path) {
  size_t n = strlen(path);

  for (const char *p = aliases; p && (p = strstr(p, path)) != NULL; p++) {
    char before = p == aliases ? ' ' : p[-1], after = p[n];

    if (strchr(" \",[", before) && (after == 0 || strchr(" \",]", after)))
      return 1;
  }
  return 0;
}

static int spec_integration(cq_registry *r, const cq_node *at, const char *path,
                            const cq_integration **out, cq_error *err) {
  const char *base = strrchr(path, '/'), *names[512], *name, *near;
  size_t n = 0;
  int rc;

  base = base ? base + 1 : path;
  for (size_t i = 0; n < 512 && (name = cq_registry_integration_name(r, i));
       i++) {
    names[n++] = name;
    if (strcmp(name, base) != 0) continue;
    rc = cq_registry_integration(r, name, out, err);
    if (rc || base == path || has_alias((*out)->aliases, path)) return rc;
  }
  for (size_t i = 0; i < n; i++) {
    rc = cq_registry_integration(r, names[i], out, err);
    if (rc) return rc;
    if (has_alias((*out)->aliases, path)) return CQ_OK;
  }
  *out = NULL;
  near = cq_nearest(base, names, n);
  rc = cq_tree_error(err, at, "source: unknown integration: %s", path);
  if (near)
    cq_error_hint(err, "%s", near);
  else
    cq_error_hint(err, "SELECT name FROM cq_integrations lists them; "
                       "cq_load(path) adds one");
  return rc;
}

static cq_spec_source *add_source(cq_spec *s) {
  if (cq_grow(&s->sources, &s->capsource, s->nsource, sizeof *s->sources))
    return NULL;
  memset(&s->sources[s->nsource], 0, sizeof *s->sources);
  return &s->sources[s->nsource++];
}

static cq_spec_dest *add_dest(cq_spec *s) {
  if (cq_grow(&s->dests, &s->capdest, s->ndest, sizeof *s->dests)) return NULL;
  memset(&s->dests[s->ndest], 0, sizeof *s->dests);
  return &s->dests[s->ndest++];
}

/* The keys of a source, or of both in one map: a setting of the integration that
 * stands beside them belongs below `spec`. */
static int source_keys(const cq_sync_call *c, const cq_node *map,
                       const char *object, const char *path_key,
                       const char *const *known, size_t n, cq_error *err) {
  int rc = cq_tree_check_keys(map, object, known, n, err);
  const cq_node *path = cq_tree_get(map, path_key);
  const cq_integration *in = NULL;
  cq_error none;

  if (!rc || !path || path->kind != CQ_N_SCALAR) return rc;
  memset(&none, 0, sizeof none);
  if (spec_integration(c->env->registry, path, path->text, &in, &none))
    return rc;
  for (size_t i = 0; i < map->count; i++) {
    size_t k = 0;

    while (k < n && strcmp(known[k], map->keys[i]) != 0) k++;
    for (int s = 0; k == n && s < in->nconfig; s++)
      if (strcmp(in->config[s].name, map->keys[i]) == 0) {
        rc = cq_error_set(err, CQ_ERROR, "%s:%d: %s: unknown key \"%.100s\"",
                          map->file, map->key_lines[i], object, map->keys[i]);
        cq_error_hint(err, "it is a setting of %s: spec: {%.100s: ...}",
                      in->name, map->keys[i]);
        return rc;
      }
  }
  return rc;
}

/* What both forms have of a source. */
static int source_common(const cq_sync_call *c, cq_spec *s, cq_spec_source *o,
                         const cq_node *map, const char *path_key,
                         cq_error *err) {
  int det = 0, rc;

  o->at = map;
  o->skip_dependent = 1;
  rc = cq_tree_text(map, path_key, &o->path, err);
  if (rc == CQ_OK && !o->path)
    rc = cq_tree_error(err, map, "source: %s is missing", path_key);
  if (rc == CQ_OK)
    rc = spec_integration(c->env->registry, cq_tree_get(map, path_key), o->path,
                          &o->integration, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "name", &o->name, err);
  if (rc == CQ_OK && !o->name) o->name = o->integration->name;
  if (rc == CQ_OK)
    rc = cq_tree_words(&s->arena, map, "tables", &o->tables, err);
  if (rc == CQ_OK && o->tables.n == 0) {
    rc = cq_tree_error(err, map, "source %s: tables is missing", o->name);
    cq_error_hint(err, "tables: [%s_*]", o->integration->name);
  }
  if (rc == CQ_OK)
    rc = cq_tree_words(&s->arena, map, "skip_tables", &o->skip_tables, err);
  if (rc == CQ_OK)
    rc = cq_tree_words(&s->arena, map, "destinations", &o->destinations, err);
  if (rc == CQ_OK)
    rc = cq_tree_bool(map, "skip_dependent_tables", &o->skip_dependent, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "generated", &o->generated, err);
  if (rc == CQ_OK)
    rc = cq_tree_words(&s->arena, map, "incremental", &o->incremental, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "deterministic_cq_id", &det, err);
  o->spec = cq_tree_get(map, "spec");
  if (rc == CQ_OK && o->spec && o->spec->kind == CQ_N_NULL) o->spec = NULL;
  if (rc == CQ_OK && o->spec && o->spec->kind != CQ_N_MAP)
    rc = cq_tree_error(err, o->spec, "source %s: spec is not a map", o->name);
  if (rc == CQ_OK && !*o->name)
    rc = cq_tree_error(err, map, "source: name is empty");
  for (size_t i = 0; i + 1 < s->nsource && rc == CQ_OK; i++)
    if (&s->sources[i] != o && strcmp(s->sources[i].name, o->name) == 0)
      rc = cq_tree_error(err, map, "source %s: a second one of that name",
                         o->name);
  return rc;
}

int cq_spec_read_source(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                        cq_error *err) {
  static const char *const known[] = {"name",
                                      "path",
                                      "registry",
                                      "version",
                                      "docker_registry_auth_token",
                                      "tables",
                                      "skip_tables",
                                      "skip_dependent_tables",
                                      "generated",
                                      "incremental",
                                      "destinations",
                                      "backend_options",
                                      "deterministic_cq_id",
                                      "otel_endpoint",
                                      "otel_endpoint_insecure",
                                      "spec",
                                      "concurrency",
                                      "scheduler",
                                      "backend",
                                      "backend_spec"};
  static const char *const backend[] = {"table_name", "connection"};
  cq_spec_source *o;
  const cq_node *b;
  int rc = source_keys(c, map, "source", "path", WORDS(known), err);

  if (rc) return rc;
  if (!cq_tree_get(map, "name"))
    return cq_tree_error(err, map, "source: name is missing");
  b = cq_tree_get(map, "backend_options");
  if (b && b->kind == CQ_N_MAP)
    rc = cq_tree_check_keys(b, "backend_options", WORDS(backend), err);
  o = rc ? NULL : add_source(s);
  if (rc) return rc;
  if (!o) return cq_error_nomem(err);
  rc = source_common(c, s, o, map, "path", err);
  return rc ? rc : cq_tree_text(map, "version", &o->version, err);
}

/* ---- destinations ---------------------------------------------------------------- */

static const char *const group_word[] = {"{{SYNC_ID}}", "{{YEAR}}",
                                         "{{MONTH}}",   "{{DAY}}",
                                         "{{HOUR}}",    "{{MINUTE}}"};

/* A word of sync_group_id that is none would stand there as it is. */
static int group_words(const cq_node *map, const cq_spec_dest *o,
                       cq_error *err) {
  for (const char *p = strstr(o->sync_group, "{{"); p;
       p = strstr(p + 2, "{{")) {
    const char *end = strstr(p, "}}");
    size_t k;

    for (k = 0; k < 6; k++)
      if (strncmp(p, group_word[k], strlen(group_word[k])) == 0) break;
    if (k < 6) continue;
    return cq_tree_error(err, map,
                         "destination %s: sync_group_id: unknown word "
                         "%.*s\nhint: {{SYNC_ID}} {{YEAR}} {{MONTH}} {{DAY}} "
                         "{{HOUR}} {{MINUTE}}",
                         o->name, end ? (int)(end + 2 - p) : 20, p);
  }
  return CQ_OK;
}

static int dest_modes(cq_spec_dest *o, const cq_node *map, cq_error *err) {
  static const char *const modes[] = {"append", "overwrite",
                                      "overwrite-delete-stale"};
  static const char *const migrate[] = {"safe", "forced"};
  static const char *const keys[] = {"default", "cq-id-only"};
  int mode = (int)o->def.mode, key = 0;
  int rc = cq_tree_choice(map, "write_mode", WORDS(modes), &mode, err);

  o->def.mode = (cq_write_mode)mode;
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "migrate_mode", WORDS(migrate), &o->def.forced,
                        err);
  /* Both modes mean the same: the key is _cq_id, which is made of the table's
   * own key. */
  if (rc == CQ_OK) rc = cq_tree_choice(map, "pk_mode", WORDS(keys), &key, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "sync_group_id", &o->sync_group, err);
  if (rc == CQ_OK)
    rc = cq_tree_bool(map, "send_sync_summary", &o->summary, err);
  if (rc == CQ_OK)
    rc = cq_dest_duration(map, "open_timeout", MOST_OPEN_MS, &o->def.open_ms,
                          err);
  if (rc == CQ_OK && !o->def.open_ms && cq_tree_get(map, "open_timeout"))
    rc = cq_tree_error(err, cq_tree_get(map, "open_timeout"),
                       "open_timeout: no destination could answer\nhint: 15s");
  if (rc == CQ_OK && o->sync_group && o->def.mode == CQ_MODE_DELETE_STALE)
    rc = cq_tree_error(err, map,
                       "destination %s: sync_group_id cannot go with "
                       "write_mode overwrite-delete-stale",
                       o->name);
  if (rc == CQ_OK && o->sync_group) rc = group_words(map, o, err);
  if (rc == CQ_OK && o->ops->append_only && o->def.mode != CQ_MODE_APPEND) {
    rc = cq_tree_error(err, map,
                       "destination %s: %s can only append, and write_mode is "
                       "%s",
                       o->name, o->ops->name, cq_write_mode_name(o->def.mode));
    cq_error_hint(err, "write_mode: append");
  }
  o->def.group_in_key = o->sync_group && o->def.mode == CQ_MODE_OVERWRITE;
  return rc;
}

/* The destination's own keys, which its kind reads: `map` or an empty one. */
static int dest_own(const cq_sync_call *c, cq_spec *s, cq_spec_dest *o,
                    const cq_node *map, cq_error *err) {
  cq_node none;
  int rc;

  memset(&none, 0, sizeof none);
  none.kind = CQ_N_MAP;
  none.file = o->at->file;
  none.line = o->at->line;
  o->def.db = c->db;
  o->def.caller = c->db;
  o->def.net = c->env->http ? cq_http_settings(c->env->http) : NULL;
  o->def.interrupted = c->env->interrupted;
  o->def.user = c->env->user;
  rc = o->ops->spec(&s->arena, map ? map : &none, &o->def, err);
  if (rc) cq_error_prefix(err, "destination %s", o->name);
  return rc;
}

static int dest_unique(const cq_spec *s, const cq_spec_dest *o, cq_error *err) {
  if (!*o->name) return cq_tree_error(err, o->at, "destination: name is empty");
  for (size_t i = 0; i < s->ndest; i++)
    if (&s->dests[i] != o && strcmp(s->dests[i].name, o->name) == 0)
      return cq_tree_error(
          err, o->at, "destination %s: a second one of that name", o->name);
  return CQ_OK;
}

static int unknown_kind(const cq_spec_dest *o, const cq_node *at,
                        const char *word, cq_error *err) {
  const char *names[32];
  size_t n;
  const cq_dest_ops *const *kinds = cq_dest_kinds(&n);
  cq_buf all;
  int rc = cq_tree_error(err, at, "destination %s: not supported: %s", o->name,
                         word);

  cq_buf_init(&all, 4096);
  for (size_t i = 0; i < n && i < 32; i++) {
    names[i] = kinds[i]->name;
    cq_buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
  }
  if (!all.rc)
    cq_error_hint(err, "one of: %s; or cloudquery/ and the name", all.data);
  cq_buf_clear(&all);
  return rc;
}

int cq_spec_read_dest(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                      cq_error *err) {
  static const char *const known[] = {"name",
                                      "path",
                                      "registry",
                                      "version",
                                      "docker_registry_auth_token",
                                      "write_mode",
                                      "migrate_mode",
                                      "pk_mode",
                                      "sync_group_id",
                                      "send_sync_summary",
                                      "open_timeout",
                                      "transformers",
                                      "spec",
                                      "batch_size",
                                      "batch_size_bytes"};
  const cq_node *spec, *t;
  const char *path = NULL, *kind;
  cq_spec_dest *o;
  int rc = cq_tree_check_keys(map, "destination", WORDS(known), err);

  if (rc) return rc;
  o = add_dest(s);
  if (!o) return cq_error_nomem(err);
  o->at = map;
  o->def.mode = CQ_MODE_DELETE_STALE;
  rc = cq_tree_text(map, "name", &o->name, err);
  if (rc == CQ_OK && !o->name)
    rc = cq_tree_error(err, map, "destination: name is missing");
  if (rc == CQ_OK) rc = cq_tree_text(map, "path", &path, err);
  if (rc == CQ_OK && !path)
    rc = cq_tree_error(err, map, "destination %s: path is missing", o->name);
  if (rc) return rc;
  o->path_text = path;
  o->def.name = o->name;
  kind = strncmp(path, "cloudquery/", 11) == 0 ? path + 11 : path;
  o->ops = cq_dest_find(kind);
  if (!o->ops) return unknown_kind(o, cq_tree_get(map, "path"), path, err);
  t = cq_tree_get(map, "transformers");
  if (t && t->kind == CQ_N_LIST && t->count)
    return cq_tree_error(
        err, t, "destination %s: transformers are not supported", o->name);
  spec = cq_tree_get(map, "spec");
  if (spec && spec->kind != CQ_N_MAP && spec->kind != CQ_N_NULL)
    return cq_tree_error(err, spec, "destination %s: spec is not a map",
                         o->name);
  if (spec && spec->kind == CQ_N_NULL) spec = NULL;
  rc = !spec && strcmp(kind, path) != 0
           ? cq_tree_error(err, map, "destination %s: spec is missing", o->name)
           : dest_own(c, s, o, spec, err);
  if (rc == CQ_OK) rc = dest_modes(o, map, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "version", &o->version, err);
  return rc ? rc : dest_unique(s, o, err);
}

/* ---- the short form --------------------------------------------------------------- */

/* The map without the keys that all destinations have: its kind's own. */
static cq_node *own_keys(cq_arena *a, const cq_node *map) {
  static const char *const common[] = {
      "kind",    "name",          "write_mode",        "migrate_mode",
      "pk_mode", "sync_group_id", "send_sync_summary", "open_timeout"};
  cq_node *out = cq_arena_alloc(a, sizeof *out);
  int *lines = cq_arena_alloc(a, (map->count + 1) * sizeof *lines);

  if (!out || !lines) return NULL;
  *out = *map;
  out->count = 0;
  out->items = cq_arena_alloc(a, (map->count + 1) * sizeof *out->items);
  out->keys = cq_arena_alloc(a, (map->count + 1) * sizeof *out->keys);
  out->key_lines = lines;
  if (!out->items || !out->keys) return NULL;
  for (size_t i = 0; i < map->count; i++) {
    size_t k;

    for (k = 0; k < sizeof common / sizeof *common; k++)
      if (strcmp(map->keys[i], common[k]) == 0) break;
    if (k < sizeof common / sizeof *common) continue;
    out->keys[out->count] = map->keys[i];
    lines[out->count] = map->key_lines ? map->key_lines[i] : map->line;
    out->items[out->count++] = map->items[i];
  }
  return out;
}

/* A destination given as one text: a schema's name, or a URL, whose scheme
 * says of which kind it is. */
static cq_node *own_text(cq_arena *a, cq_spec_dest *o, cq_node *text) {
  const char *end = strstr(text->text, "://");
  cq_node *map = cq_arena_alloc(a, sizeof *map);
  const char **key = cq_arena_alloc(a, sizeof *key);
  cq_node **item = cq_arena_alloc(a, sizeof *item);

  if (!map || !key || !item) return NULL;
  *map = *text;
  map->kind = CQ_N_MAP;
  map->count = 1;
  map->keys = key;
  map->key_lines = &text->line;
  map->items = item;
  *item = text;
  *key = "schema";
  o->name = text->text;
  if (end) {
    const cq_dest_ops *ops =
        cq_dest_of_scheme(text->text, (size_t)(end - text->text));

    if (ops) {
      o->ops = ops;
      o->name = ops->name;
      *key = "connection_string";
    }
  }
  return map;
}

int cq_spec_short_dest(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                       const cq_node *where, cq_error *err) {
  cq_spec_dest *o = add_dest(s);
  const char *kind = "sqlite";
  cq_node *own = NULL;
  int rc = CQ_OK;

  if (!o) return cq_error_nomem(err);
  o->at = where ? where : map;
  o->ops = &cq_dest_sqlite;
  o->def.mode = CQ_MODE_APPEND;
  if (where && where->kind == CQ_N_LIST)
    return cq_tree_error(err, where, "destination: a list within a list");
  if (where && where->kind == CQ_N_MAP) {
    rc = cq_tree_text(where, "kind", &kind, err);
    if (rc == CQ_OK) rc = cq_tree_text(where, "name", &o->name, err);
    if (rc) return rc;
    o->ops = cq_dest_find(kind);
    if (!o->name) o->name = kind;
    if (!o->ops) return unknown_kind(o, cq_tree_get(where, "kind"), kind, err);
    own = own_keys(&s->arena, where);
    if (!own) return cq_error_nomem(err);
  } else if (where && where->kind == CQ_N_SCALAR) {
    cq_node *text = cq_arena_alloc(&s->arena, sizeof *text);
    const char *end = strstr(where->text, "://");

    /* The rest of it is not told: a password may be in it. */
    if (end && !cq_dest_of_scheme(where->text, (size_t)(end - where->text)))
      return cq_tree_error(
          err, where,
          "destination: no kind is reached by %.*s://\nhint: SELECT name, "
          "options FROM cq_destinations",
          end - where->text < 40 ? (int)(end - where->text) : 40, where->text);
    if (text) *text = *where;
    own = text ? own_text(&s->arena, o, text) : NULL;
    if (!own) return cq_error_nomem(err);
  }
  if (!o->name) o->name = "main";
  o->path_text = o->ops->name;
  o->def.name = o->name;
  rc = dest_own(c, s, o, own, err);
  if (rc && where && where->kind == CQ_N_MAP && !cq_tree_get(where, "kind") &&
      cq_dest_find(o->name) && cq_dest_find(o->name) != o->ops)
    cq_error_hint(err, "kind: %s says what it is; without a kind it is SQLite",
                  o->name);
  if (rc == CQ_OK && o->ops == &cq_dest_sqlite &&
      !(where && where->kind == CQ_N_MAP && cq_tree_get(where, "name")))
    o->name = o->def.name = o->def.path ? o->def.path : o->def.schema;
  if (rc == CQ_OK)
    rc = dest_modes(o, map, err); /* of the whole, then its own */
  if (rc == CQ_OK && where && where->kind == CQ_N_MAP)
    rc = dest_modes(o, where, err);
  return rc ? rc : dest_unique(s, o, err);
}

int cq_spec_read_switches(cq_spec *s, const cq_node *map, cq_error *err) {
  static const char *const kinds[] = {"auto", "off", "bar", "log", "json"};
  const cq_node *retry = cq_tree_get(map, "retry");
  int kind = (int)s->progress, rc;

  rc = cq_tree_bool(map, "strict", &s->strict, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "no_migrate", &s->no_migrate, err);
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "progress", WORDS(kinds), &kind, err);
  s->progress = (cq_progress_kind)kind;
  if (rc == CQ_OK) rc = cq_tree_bool(map, "resume", &s->resume, err);
  if (rc == CQ_OK && retry && retry->kind == CQ_N_SCALAR &&
      strcmp(retry->text, "failed") == 0)
    s->retry = 1;
  else if (rc == CQ_OK && retry && retry->kind != CQ_N_NULL)
    rc = cq_tree_error(err, retry, "retry: only failed is known: %s",
                       retry->kind == CQ_N_SCALAR ? retry->text : "");
  return rc;
}

int cq_spec_read_short(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                       cq_error *err) {
  static const char *const known[] = {"source",
                                      "name",
                                      "tables",
                                      "skip_tables",
                                      "skip_dependent_tables",
                                      "generated",
                                      "incremental",
                                      "deterministic_cq_id",
                                      "spec",
                                      "destination",
                                      "destinations",
                                      "write_mode",
                                      "migrate_mode",
                                      "pk_mode",
                                      "sync_group_id",
                                      "send_sync_summary",
                                      "open_timeout",
                                      "strict",
                                      "progress",
                                      "retry",
                                      "resume",
                                      "no_migrate"};
  const cq_node *where, *several;
  cq_spec_source *o;
  int rc = source_keys(c, map, "sync", "source", WORDS(known), err);

  if (rc) return rc;
  if (!cq_tree_get(map, "source")) {
    rc = cq_tree_error(err, map, "sync: source is missing");
    cq_error_hint(err, "{source: aws, tables: [aws_ec2_*]}");
    return rc;
  }
  o = add_source(s);
  if (!o) return cq_error_nomem(err);
  several = cq_tree_get(map, "destinations");
  where = cq_tree_get(map, "destination");
  if (where && several)
    return cq_tree_error(err, several,
                         "sync: destination and destinations: only one can be");
  if (!several && where && where->kind == CQ_N_LIST) several = where;
  /* Destinations here may be maps, which a source's list of names cannot. */
  if (several) {
    cq_node plain = *map;
    const char **keys = cq_arena_alloc(&s->arena, map->count * sizeof *keys);

    if (!keys) return cq_error_nomem(err);
    for (size_t i = 0; i < map->count; i++)
      keys[i] = strcmp(map->keys[i], "destinations") == 0 ? "" : map->keys[i];
    plain.keys = keys;
    rc = source_common(c, s, o, &plain, "source", err);
    o->at = map;
    for (size_t i = 0;
         rc == CQ_OK && several->kind == CQ_N_LIST && i < several->count; i++)
      rc = cq_spec_short_dest(c, s, map, several->items[i], err);
    if (rc == CQ_OK && several->kind != CQ_N_LIST)
      rc = cq_spec_short_dest(c, s, map, several, err);
  } else {
    rc = source_common(c, s, o, map, "source", err);
    if (rc == CQ_OK)
      rc = cq_spec_short_dest(
          c, s, map, where && where->kind != CQ_N_NULL ? where : NULL, err);
  }
  return rc ? rc : cq_spec_read_switches(s, map, err);
}

/* ---- sync_group_id, when a run begins ------------------------------------------- */

char *cq_spec_group(cq_arena *a, const char *text, const char *id, int64_t us) {
  static const int from[] = {0, 0, 5, 8, 11, 14}, len[] = {0, 4, 2, 2, 2, 2};
  char t[40], *out;
  cq_buf b;

  cq_time_format(us, t);
  cq_buf_init(&b, 1 << 20);
  while (*text) {
    size_t k;

    for (k = 0; k < 6; k++)
      if (strncmp(text, group_word[k], strlen(group_word[k])) == 0) break;
    if (k == 6) {
      cq_buf_byte(&b, *text++);
      continue;
    }
    if (k == 0)
      cq_buf_str(&b, id);
    else
      cq_buf_add(&b, t + from[k], (size_t)len[k]);
    text += strlen(group_word[k]);
  }
  out = b.rc ? NULL : cq_arena_strndup(a, b.data ? b.data : "", b.len);
  cq_buf_clear(&b);
  return out;
}
