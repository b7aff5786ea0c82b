/* ext/sync/spec.c: a sync's spec: text, files or a folder -> documents, each read
 * into sources and destinations; what has to fit together is checked at the end.
 *
 * Two forms.  CloudQuery's: documents parted by a line "---", each with `kind`
 * and `spec`.  The short one: a single map with `source`, into this database. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sync/internal.h"

#define WORDS(list) list, sizeof list / sizeof *list

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
  if (!cq_tree_get(root, "kind")) return cq_spec_read_short(c, s, root, err);
  rc = cq_tree_check_keys(root, "spec", WORDS(known), err);
  if (rc == CQ_OK) rc = cq_tree_choice(root, "kind", WORDS(kinds), &kind, err);
  if (rc) return rc;
  if (kind == 2)
    return cq_tree_error(err, root,
                         "transformer: is not supported\nhint: "
                         "make a view over the synced table");
  spec = cq_tree_get(root, "spec");
  if (!spec || spec->kind != CQ_N_MAP)
    return cq_tree_error(err, root, "%s: spec is missing",
                         kind == 0 ? "source" : "destination");
  return kind == 0 ? cq_spec_read_source(c, s, spec, err)
                   : cq_spec_read_dest(c, s, spec, err);
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
    rc = cq_spec_short_dest(c, s, &none, NULL, err);
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
      for (size_t b = 0; b < k; b++)
        if (strcmp(o->destinations.v[b], o->destinations.v[k]) == 0)
          return cq_tree_error(err, o->destinations.at[k],
                               "source %s: destination %s: named twice",
                               o->name, o->destinations.v[k]);
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
      if (rc == CQ_OK) rc = cq_spec_read_switches(s, o, err);
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
