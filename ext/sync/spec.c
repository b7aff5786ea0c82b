/* ext/sync/spec.c: a sync's spec: text, files or a folder -> sources and
 * destinations, every key checked.
 *
 * Two forms.  CloudQuery's: documents parted by a line "---", each with `kind`
 * and `spec`.  The short one: a single map with `source`, into this database.
 * What CloudQuery has and cq has no use for (versions, registries, schedulers,
 * batch sizes, a state backend: state lives in the destination) is accepted. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sync/internal.h"

#define WORDS(list) list, sizeof list / sizeof *list

/* ---- scalars ------------------------------------------------------------------ */

static int spec_text(const cq_node *map, const char *key, const char **out,
                     cq_error *err) {
  const cq_node *n = cq_tree_get(map, key);

  *out = NULL;
  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  if (n->kind != CQ_N_SCALAR)
    return cq_tree_error(err, n, "%s: not a text", key);
  *out = n->text;
  return CQ_OK;
}

static int spec_bool(const cq_node *map, const char *key, int *out,
                     cq_error *err) {
  const cq_node *n = cq_tree_get(map, key);

  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  if (n->kind == CQ_N_SCALAR &&
      (cq_str_ieq(n->text, "true") || cq_str_ieq(n->text, "false"))) {
    *out = cq_str_ieq(n->text, "true");
    return CQ_OK;
  }
  return cq_tree_error(err, n, "%s: neither true nor false", key);
}

/* One of n words: its index. */
static int spec_choice(const cq_node *map, const char *key,
                       const char *const *words, size_t n, int *out,
                       cq_error *err) {
  const cq_node *at = cq_tree_get(map, key);
  const char *text, *near;
  int rc = spec_text(map, key, &text, err);

  if (rc || !text) return rc;
  for (size_t i = 0; i < n; i++)
    if (strcmp(words[i], text) == 0) {
      *out = (int)i;
      return CQ_OK;
    }
  near = cq_nearest(text, words, n);
  rc = cq_tree_error(err, at, "%s: unknown value: %s", key, text);
  if (near) cq_error_hint(err, "%s", near);
  return rc;
}

static int spec_words(cq_arena *a, const cq_node *map, const char *key,
                      cq_words *out, cq_error *err) {
  const cq_node *n = cq_tree_get(map, key);
  size_t count;

  memset(out, 0, sizeof *out);
  if (!n || n->kind == CQ_N_NULL) return CQ_OK;
  if (n->kind == CQ_N_MAP) return cq_tree_error(err, n, "%s: not a list", key);
  count = n->kind == CQ_N_LIST ? n->count : 1;
  out->v = cq_arena_alloc(a, (count + 1) * sizeof *out->v);
  out->at = cq_arena_alloc(a, (count + 1) * sizeof *out->at);
  if (!out->v || !out->at) return cq_error_nomem(err);
  for (size_t i = 0; i < count; i++) {
    const cq_node *item = n->kind == CQ_N_LIST ? n->items[i] : n;

    if (item->kind != CQ_N_SCALAR)
      return cq_tree_error(err, item, "%s: not a list of texts", key);
    out->v[i] = item->text;
    out->at[i] = item;
  }
  out->n = count;
  return CQ_OK;
}

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

/* What both forms have of a source. */
static int source_common(const cq_sync_call *c, cq_spec *s, cq_spec_source *o,
                         const cq_node *map, const char *path_key,
                         cq_error *err) {
  int det = 0, rc;

  o->at = map;
  o->skip_dependent = 1;
  rc = spec_text(map, path_key, &o->path, err);
  if (rc == CQ_OK && !o->path)
    rc = cq_tree_error(err, map, "source: %s is missing", path_key);
  if (rc == CQ_OK)
    rc = spec_integration(c->env->registry, cq_tree_get(map, path_key), o->path,
                          &o->integration, err);
  if (rc == CQ_OK) rc = spec_text(map, "name", &o->name, err);
  if (rc == CQ_OK && !o->name) o->name = o->integration->name;
  if (rc == CQ_OK) rc = spec_words(&s->arena, map, "tables", &o->tables, err);
  if (rc == CQ_OK && o->tables.n == 0) {
    rc = cq_tree_error(err, map, "source %s: tables is missing", o->name);
    cq_error_hint(err, "tables: [%s_*]", o->integration->name);
  }
  if (rc == CQ_OK)
    rc = spec_words(&s->arena, map, "skip_tables", &o->skip_tables, err);
  if (rc == CQ_OK)
    rc = spec_words(&s->arena, map, "destinations", &o->destinations, err);
  if (rc == CQ_OK)
    rc = spec_bool(map, "skip_dependent_tables", &o->skip_dependent, err);
  if (rc == CQ_OK) rc = spec_bool(map, "deterministic_cq_id", &det, err);
  o->spec = cq_tree_get(map, "spec");
  if (rc == CQ_OK && o->spec && o->spec->kind == CQ_N_NULL) o->spec = NULL;
  if (rc == CQ_OK && o->spec && o->spec->kind != CQ_N_MAP)
    rc = cq_tree_error(err, o->spec, "source %s: spec is not a map", o->name);
  for (size_t i = 0; i + 1 < s->nsource && rc == CQ_OK; i++)
    if (&s->sources[i] != o && strcmp(s->sources[i].name, o->name) == 0)
      rc = cq_tree_error(err, map, "source %s: a second one of that name",
                         o->name);
  return rc;
}

static int read_source(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                       cq_error *err) {
  static const char *const known[] = {"name",
                                      "path",
                                      "registry",
                                      "version",
                                      "docker_registry_auth_token",
                                      "tables",
                                      "skip_tables",
                                      "skip_dependent_tables",
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
  int rc = cq_tree_check_keys(map, "source", WORDS(known), err);

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
  return rc ? rc : spec_text(map, "version", &o->version, err);
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
  int rc = spec_choice(map, "write_mode", WORDS(modes), &mode, err);

  o->def.mode = (cq_write_mode)mode;
  if (rc == CQ_OK)
    rc = spec_choice(map, "migrate_mode", WORDS(migrate), &o->def.forced, err);
  /* Both modes mean the same: the key is _cq_id, which is made of the table's
   * own key. */
  if (rc == CQ_OK) rc = spec_choice(map, "pk_mode", WORDS(keys), &key, err);
  if (rc == CQ_OK) rc = spec_text(map, "sync_group_id", &o->sync_group, err);
  if (rc == CQ_OK) rc = spec_bool(map, "send_sync_summary", &o->summary, err);
  if (rc == CQ_OK && o->sync_group && o->def.mode == CQ_MODE_DELETE_STALE)
    rc = cq_tree_error(err, map,
                       "destination %s: sync_group_id cannot go with "
                       "write_mode overwrite-delete-stale",
                       o->name);
  if (rc == CQ_OK && o->sync_group) rc = group_words(map, o, err);
  o->def.group_in_key = o->sync_group && o->def.mode == CQ_MODE_OVERWRITE;
  return rc;
}

/* path, connection_string or schema: where the rows go. */
static int dest_where(const cq_sync_call *c, cq_spec_dest *o,
                      const cq_node *map, cq_error *err) {
  const char *connection;
  int rc = spec_text(map, "path", &o->def.path, err);

  if (rc == CQ_OK) rc = spec_text(map, "connection_string", &connection, err);
  if (rc == CQ_OK) rc = spec_text(map, "schema", &o->def.schema, err);
  if (rc) return rc;
  if (connection) o->def.path = connection;
  if (!o->def.path && !o->def.schema) o->def.schema = "main";
  if (o->def.path && o->def.schema)
    return cq_tree_error(err, map,
                         "destination %s: a path and a schema: only one can be",
                         o->name);
  o->def.db = c->db;
  o->def.interrupted = c->env->interrupted;
  o->def.user = c->env->user;
  o->ops = &cq_dest_sqlite;
  return CQ_OK;
}

static int dest_unique(const cq_spec *s, const cq_spec_dest *o, cq_error *err) {
  for (size_t i = 0; i < s->ndest; i++)
    if (&s->dests[i] != o && strcmp(s->dests[i].name, o->name) == 0)
      return cq_tree_error(
          err, o->at, "destination %s: a second one of that name", o->name);
  return CQ_OK;
}

static int read_dest(const cq_sync_call *c, cq_spec *s, const cq_node *map,
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
                                      "transformers",
                                      "spec",
                                      "batch_size",
                                      "batch_size_bytes"};
  static const char *const inner[] = {
      "connection_string", "path",         "schema", "batch_size",
      "batch_size_bytes",  "batch_timeout"};
  const cq_node *spec, *t;
  const char *path, *kind;
  cq_spec_dest *o;
  int rc = cq_tree_check_keys(map, "destination", WORDS(known), err);

  if (rc) return rc;
  o = add_dest(s);
  if (!o) return cq_error_nomem(err);
  o->at = map;
  o->def.mode = CQ_MODE_DELETE_STALE;
  rc = spec_text(map, "name", &o->name, err);
  if (rc == CQ_OK && !o->name)
    rc = cq_tree_error(err, map, "destination: name is missing");
  if (rc == CQ_OK) rc = spec_text(map, "path", &path, err);
  if (rc == CQ_OK && !path)
    rc = cq_tree_error(err, map, "destination %s: path is missing", o->name);
  if (rc) return rc;
  o->path_text = path;
  o->def.name = o->name;
  kind = strncmp(path, "cloudquery/", 11) == 0 ? path + 11 : path;
  if (!cq_dest_find(kind)) {
    rc = cq_tree_error(err, cq_tree_get(map, "path"),
                       "destination %s: not supported: %s", o->name, path);
    cq_error_hint(err, "cloudquery/sqlite, or sqlite");
    return rc;
  }
  t = cq_tree_get(map, "transformers");
  if (t && t->kind == CQ_N_LIST && t->count)
    return cq_tree_error(
        err, t, "destination %s: transformers are not supported", o->name);
  spec = cq_tree_get(map, "spec");
  if (spec && spec->kind == CQ_N_MAP)
    rc = cq_tree_check_keys(spec, "destination's spec", WORDS(inner), err);
  else if (spec && spec->kind != CQ_N_NULL)
    rc = cq_tree_error(err, spec, "destination %s: spec is not a map", o->name);
  if (rc == CQ_OK && spec && spec->kind == CQ_N_MAP) {
    rc = dest_where(c, o, spec, err);
  } else if (rc == CQ_OK && strcmp(kind, path) != 0) {
    rc = cq_tree_error(
        err, map, "destination %s: spec.connection_string is missing", o->name);
  } else if (rc == CQ_OK) {
    cq_node none;

    memset(&none, 0, sizeof none);
    none.kind = CQ_N_MAP;
    rc = dest_where(c, o, &none, err);
  }
  if (rc == CQ_OK) rc = dest_modes(o, map, err);
  if (rc == CQ_OK) rc = spec_text(map, "version", &o->version, err);
  return rc ? rc : dest_unique(s, o, err);
}

/* ---- the short form --------------------------------------------------------------- */

/* `destination:`: a schema's name, or a map that says which file. */
static int short_dest(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                      const cq_node *where, cq_error *err) {
  static const char *const known[] = {
      "name",    "path",          "connection_string",
      "schema",  "write_mode",    "migrate_mode",
      "pk_mode", "sync_group_id", "send_sync_summary"};
  cq_spec_dest *o = add_dest(s);
  int rc;

  if (!o) return cq_error_nomem(err);
  o->at = where ? where : map;
  o->path_text = "sqlite";
  o->def.mode = CQ_MODE_APPEND;
  if (where && where->kind == CQ_N_MAP) {
    rc = cq_tree_check_keys(where, "destination", WORDS(known), err);
    if (rc == CQ_OK) rc = dest_where(c, o, where, err);
    if (rc == CQ_OK) rc = spec_text(where, "name", &o->name, err);
    if (!o->name) o->name = o->def.path ? o->def.path : o->def.schema;
  } else if (where && where->kind == CQ_N_LIST) {
    return cq_tree_error(err, where, "destination: a list within a list");
  } else {
    cq_node none;

    memset(&none, 0, sizeof none);
    none.kind = CQ_N_MAP;
    rc = dest_where(c, o, &none, err);
    if (where && where->kind == CQ_N_SCALAR) o->def.schema = where->text;
    o->name = o->def.schema;
  }
  o->def.name = o->name;
  if (rc == CQ_OK)
    rc = dest_modes(o, map, err); /* of the whole, then its own */
  if (rc == CQ_OK && where && where->kind == CQ_N_MAP)
    rc = dest_modes(o, where, err);
  return rc ? rc : dest_unique(s, o, err);
}

static int read_switches(cq_spec *s, const cq_node *map, cq_error *err) {
  static const char *const kinds[] = {"auto", "off", "bar", "log", "json"};
  const cq_node *retry = cq_tree_get(map, "retry");
  int kind = (int)s->progress, rc;

  rc = spec_bool(map, "strict", &s->strict, err);
  if (rc == CQ_OK) rc = spec_bool(map, "no_migrate", &s->no_migrate, err);
  if (rc == CQ_OK) rc = spec_choice(map, "progress", WORDS(kinds), &kind, err);
  s->progress = (cq_progress_kind)kind;
  if (rc == CQ_OK) rc = spec_bool(map, "resume", &s->resume, err);
  if (rc == CQ_OK && retry && retry->kind == CQ_N_SCALAR &&
      strcmp(retry->text, "failed") == 0)
    s->retry = 1;
  else if (rc == CQ_OK && retry && retry->kind != CQ_N_NULL)
    rc = cq_tree_error(err, retry, "retry: only failed is known: %s",
                       retry->kind == CQ_N_SCALAR ? retry->text : "");
  return rc;
}

static int read_short(const cq_sync_call *c, cq_spec *s, const cq_node *map,
                      cq_error *err) {
  static const char *const known[] = {"source",
                                      "name",
                                      "tables",
                                      "skip_tables",
                                      "skip_dependent_tables",
                                      "deterministic_cq_id",
                                      "spec",
                                      "destination",
                                      "destinations",
                                      "write_mode",
                                      "migrate_mode",
                                      "pk_mode",
                                      "sync_group_id",
                                      "send_sync_summary",
                                      "strict",
                                      "progress",
                                      "retry",
                                      "resume",
                                      "no_migrate"};
  const cq_node *where, *several;
  cq_spec_source *o;
  int rc = cq_tree_check_keys(map, "sync", WORDS(known), err);

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
      rc = short_dest(c, s, map, several->items[i], err);
    if (rc == CQ_OK && several->kind != CQ_N_LIST)
      rc = short_dest(c, s, map, several, err);
  } else {
    rc = source_common(c, s, o, map, "source", err);
    if (rc == CQ_OK)
      rc = short_dest(c, s, map,
                      where && where->kind != CQ_N_NULL ? where : NULL, err);
  }
  return rc ? rc : read_switches(s, map, err);
}

/* ---- documents ---------------------------------------------------------------------- */

static int read_document(const cq_sync_call *c, cq_spec *s, const char *file,
                         const char *text, size_t n, int line, cq_error *err) {
  static const char *const known[] = {"kind", "spec"};
  static const char *const kinds[] = {"source", "destination", "transformer"};
  cq_node *root, *spec;
  cq_buf b;
  int kind = -1, rc;

  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  rc = cq_subst(file, text, n, s->now_us, &b, err);
  if (rc == CQ_OK && line > 1) {
    /* So that errors name the line of the file. */
    cq_buf moved;

    cq_buf_init(&moved, CQ_MAX_SPEC_BYTES);
    for (int i = 1; i < line; i++) cq_buf_byte(&moved, '\n');
    cq_buf_add(&moved, b.data ? b.data : "", b.len);
    cq_wipe(b.data, b.len);
    cq_buf_clear(&b);
    b = moved;
    if (b.rc) rc = cq_error_nomem(err);
  }
  if (rc == CQ_OK)
    rc =
        cq_tree_parse(&s->arena, file, b.data ? b.data : "", b.len, &root, err);
  if (b.data) cq_wipe(b.data, b.len);
  cq_buf_clear(&b);
  if (rc) return rc;
  if (!root || root->kind == CQ_N_NULL) return CQ_OK; /* nothing but comments */
  if (root->kind != CQ_N_MAP)
    return cq_tree_error(err, root, "spec: not a map");
  if (!cq_tree_get(root, "kind")) return read_short(c, s, root, err);
  rc = cq_tree_check_keys(root, "spec", WORDS(known), err);
  if (rc == CQ_OK) rc = spec_choice(root, "kind", WORDS(kinds), &kind, err);
  if (rc) return rc;
  if (kind == 2)
    return cq_tree_error(err, root,
                         "transformer: is not supported\nhint: "
                         "make a view over the synced table");
  spec = cq_tree_get(root, "spec");
  if (!spec || spec->kind != CQ_N_MAP)
    return cq_tree_error(err, root, "%s: spec is missing",
                         kind == 0 ? "source" : "destination");
  return kind == 0 ? read_source(c, s, spec, err) : read_dest(c, s, spec, err);
}

/* Parted by lines that are exactly "---", as CloudQuery does. */
static int read_text(const cq_sync_call *c, cq_spec *s, const char *file,
                     const char *text, size_t n, cq_error *err) {
  size_t from = 0;
  int line = 1, at = 1, rc = CQ_OK;

  for (size_t i = 0; i <= n && rc == CQ_OK;) {
    const char *end = i < n ? memchr(text + i, '\n', n - i) : NULL;
    size_t stop = end ? (size_t)(end - text) : n;
    size_t len = stop - i;

    while (len && text[i + len - 1] == '\r') len--;
    if (len == 3 && memcmp(text + i, "---", 3) == 0) {
      rc = read_document(c, s, file, text + from, i - from, at, err);
      from = stop < n ? stop + 1 : n;
      at = line + 1;
    }
    if (stop >= n) break;
    i = stop + 1;
    line++;
  }
  return rc ? rc : read_document(c, s, file, text + from, n - from, at, err);
}

static int read_file(const cq_sync_call *c, cq_spec *s, const char *path,
                     cq_error *err) {
  char *text, *name = cq_arena_strndup(&s->arena, path, strlen(path));
  size_t n;
  int rc = name ? cq_file_read(path, CQ_MAX_SPEC_BYTES, &text, &n, err)
                : cq_error_nomem(err);

  if (rc) return rc;
  rc = read_text(c, s, name, text, n, err);
  cq_free(text);
  return rc;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static int ends_with(const char *s, const char *end) {
  size_t n = strlen(s), m = strlen(end);

  return n >= m && strcmp(s + n - m, end) == 0;
}

static int read_folder(const cq_sync_call *c, cq_spec *s, const char *path,
                       cq_error *err) {
  DIR *dir = opendir(path);
  struct dirent *e;
  char **names = NULL;
  size_t n = 0, cap = 0;
  int rc = CQ_OK;

  if (!dir) return cq_error_set(err, CQ_IOERR, "%s: cannot be read", path);
  while (rc == CQ_OK && (e = readdir(dir)) != NULL) {
    if (e->d_name[0] == '.' ||
        (!ends_with(e->d_name, ".yml") && !ends_with(e->d_name, ".yaml")))
      continue;
    if (cq_grow(&names, &cap, n, sizeof *names) ||
        !(names[n] = cq_mprintf("%s/%s", path, e->d_name)))
      rc = cq_error_nomem(err);
    else
      n++;
  }
  closedir(dir);
  if (n) qsort(names, n, sizeof *names, by_text);
  for (size_t i = 0; i < n && rc == CQ_OK; i++)
    rc = read_file(c, s, names[i], err);
  if (rc == CQ_OK && n == 0)
    rc = cq_error_set(err, CQ_NOTFOUND, "%s: holds no .yml file", path);
  for (size_t i = 0; i < n; i++) cq_free(names[i]);
  cq_free(names);
  return rc;
}

/* Text of a spec, or the name of a file? */
static int is_text(const char *spec) {
  const char *p = spec;

  while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
  return *p == '{' || strchr(spec, '\n') || strstr(spec, ": ");
}

/* ---- all ------------------------------------------------------------------------------ */

static int spec_finish(const cq_sync_call *c, cq_spec *s, cq_error *err) {
  if (s->nsource == 0)
    return cq_error_set(err, CQ_ERROR, "spec: has no source");
  if (s->ndest == 0) {
    cq_node none;
    int rc;

    memset(&none, 0, sizeof none);
    none.kind = CQ_N_MAP;
    none.line = 1;
    none.file = "spec";
    rc = short_dest(c, s, &none, NULL, err);
    if (rc) return rc;
    s->dests[0].at = s->sources[0].at;
  }
  for (size_t i = 0; i < s->nsource; i++) {
    cq_spec_source *o = &s->sources[i];

    for (size_t k = 0; k < o->destinations.n; k++) {
      const char *names[256], *near;
      size_t n = 0;
      int found = 0;

      for (size_t d = 0; d < s->ndest && n < 256; d++) {
        names[n++] = s->dests[d].name;
        found |= strcmp(s->dests[d].name, o->destinations.v[k]) == 0;
      }
      if (found) continue;
      near = cq_nearest(o->destinations.v[k], names, n);
      cq_tree_error(err, o->destinations.at[k],
                    "source %s: unknown destination: %s", o->name,
                    o->destinations.v[k]);
      if (near) cq_error_hint(err, "%s", near);
      return err ? err->code : CQ_ERROR;
    }
    if (o->destinations.n) continue;
    /* None named: all there are. */
    o->destinations.v =
        cq_arena_alloc(&s->arena, s->ndest * sizeof *o->destinations.v);
    if (!o->destinations.v) return cq_error_nomem(err);
    for (size_t d = 0; d < s->ndest; d++)
      o->destinations.v[d] = s->dests[d].name;
    o->destinations.n = s->ndest;
  }
  return CQ_OK;
}

int cq_spec_read(const cq_sync_call *c, cq_spec *s, cq_error *err) {
  static const char *const known[] = {"retry", "resume", "strict", "progress",
                                      "no_migrate"};
  struct stat st;
  int rc;

  memset(s, 0, sizeof *s);
  cq_arena_init(&s->arena);
  s->now_us = cq_now_us();
  if (!c->spec || !*c->spec)
    return cq_error_set(err, CQ_MISUSE, "spec: is empty");
  if (is_text(c->spec))
    rc = read_text(c, s, "spec", c->spec, strlen(c->spec), err);
  else if (stat(c->spec, &st) == 0 && S_ISDIR(st.st_mode))
    rc = read_folder(c, s, c->spec, err);
  else
    rc = read_file(c, s, c->spec, err);
  if (rc == CQ_OK) rc = spec_finish(c, s, err);
  if (rc == CQ_OK && c->options && *c->options) {
    cq_node *o;

    rc = cq_tree_parse(&s->arena, "options", c->options, strlen(c->options), &o,
                       err);
    if (rc == CQ_OK && o && o->kind != CQ_N_NULL) {
      rc = o->kind == CQ_N_MAP
               ? cq_tree_check_keys(o, "options", WORDS(known), err)
               : cq_tree_error(err, o, "options: not a map");
      if (rc == CQ_OK) rc = read_switches(s, o, err);
    }
  }
  return rc;
}

void cq_spec_clear(cq_spec *s) {
  cq_free(s->sources);
  cq_free(s->dests);
  cq_arena_wipe(&s->arena);
  memset(s, 0, sizeof *s);
}

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
