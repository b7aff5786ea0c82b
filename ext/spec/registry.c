/* ext/spec/registry.c: every integration that a connection knows: the embedded
 * ones by name, parsed at first use; a user's files parsed when they are
 * loaded, so that their errors show at once. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

#include "spec/embedded.h"
#include "spec/load.h"

typedef struct known {
  struct known *next;
  const char *name;
  int embedded;
  own_integration *in; /* NULL = not read */
  struct file {
    struct file *next;
    int index;     /* embedded file, or -1 */
    cq_node *tree; /* embedded: without its tables, where they stand apart */
  } * files;
} known;

struct cq_registry {
  int refs;
  known *list;
  known *old;         /* replaced, and maybe still in use */
  own_table **loaded; /* of the embedded, by their number; NULL: none yet */
  char *text;         /* of the embedded file that was read last, */
  int text_of;        /* since the next table is likely to be one of its */
  char **names;       /* of user tables, sorted after the embedded */
  known **owners;
  size_t nuser, capuser, capowner;
  cq_registry *aside; /* has what was only looked at, a few at a time */
  int looks;
};

static known *registry_find(const cq_registry *r, const char *name) {
  for (known *k = r->list; k; k = k->next)
    if (strcmp(k->name, name) == 0) return k;
  return NULL;
}

static void known_free(known *k) {
  while (k->files) {
    struct file *f = k->files;

    k->files = f->next;
    cq_free(f);
  }
  if (k->in) {
    cq_arena_clear(&k->in->arena);
    cq_free(k->in);
  }
  cq_free((char *)k->name);
  cq_free(k);
}

static known *registry_add(cq_registry *r, const char *name, int embedded) {
  known *k = cq_calloc(1, sizeof *k), **at;

  if (!k || !(k->name = cq_strdup(name))) {
    cq_free(k);
    return NULL;
  }
  k->embedded = embedded;
  for (at = &r->list; *at && strcmp((*at)->name, name) < 0; at = &(*at)->next)
    ;
  k->next = *at;
  *at = k;
  return k;
}

int cq_registry_new(cq_registry **out, cq_error *err) {
  cq_registry *r = cq_calloc(1, sizeof *r);
  int rc = CQ_OK;

  *out = NULL;
  if (!r) return cq_error_nomem(err);
  r->refs = 1;
  r->text_of = -1;
  for (int i = 0; i < cq_embedded_nfile && rc == CQ_OK; i++)
    if (cq_embedded_files[i].root && *cq_embedded_files[i].integration &&
        !registry_add(r, cq_embedded_files[i].integration, 1))
      rc = cq_error_nomem(err);
  if (rc) {
    cq_registry_unref(r);
    return rc;
  }
  *out = r;
  return CQ_OK;
}

static void known_free_all(known *k) {
  while (k) {
    known *next = k->next;

    known_free(k);
    k = next;
  }
}

void cq_registry_unref(cq_registry *r) {
  if (!r || --r->refs > 0) return;
  known_free_all(r->list);
  known_free_all(r->old);
  for (size_t i = 0; i < r->nuser; i++) cq_free(r->names[i]);
  cq_free(r->names);
  cq_free(r->owners);
  cq_registry_unref(r->aside);
  cq_free(r->loaded);
  cq_free(r->text);
  cq_free(r);
}

/* The text of an embedded file; the next call may replace it. */
static int registry_text(cq_registry *r, int index, cq_error *err) {
  const cq_embedded_file *f = &cq_embedded_files[index];
  size_t n;

  if (r->text_of == index) return CQ_OK;
  cq_free(r->text);
  r->text_of = -1;
  r->text = cq_malloc(f->full + 1);
  if (!r->text) return cq_error_nomem(err);
  n = ZSTD_decompress(r->text, f->full, f->data, f->size);
  if (ZSTD_isError(n) || n != f->full)
    return cq_error_set(err, CQ_ERROR, "%s: the embedded file is damaged",
                        f->path);
  r->text_of = index;
  return CQ_OK;
}

/* What stands around a file's tables, in its lines: shapes, defaults. */
static int parse_around(cq_arena *a, const cq_embedded_file *f,
                        const char *text, cq_node **out, cq_error *err) {
  size_t lines = (size_t)f->lines, rest = f->full - f->to;
  char *around = cq_malloc(f->from + lines + rest + 1);
  int rc;

  if (!around) return cq_error_nomem(err);
  memcpy(around, text, f->from);
  memset(around + f->from, '\n', lines);
  memcpy(around + f->from + lines, text + f->to, rest);
  rc = cq_tree_parse_part(a, f->path, 0, around, f->from + lines + rest, out,
                          err);
  cq_free(around);
  return rc;
}

static int known_embedded(cq_registry *r, known *k, int index, cq_node **out,
                          cq_error *err) {
  const cq_embedded_file *f = &cq_embedded_files[index];
  struct file *file;
  int rc;

  for (file = k->files; file; file = file->next)
    if (file->index == index) {
      *out = file->tree;
      return CQ_OK;
    }
  rc = registry_text(r, index, err);
  if (rc) return rc;
  file = cq_calloc(1, sizeof *file);
  if (!file) return cq_error_nomem(err);
  rc = f->to ? parse_around(&k->in->arena, f, r->text, &file->tree, err)
             : cq_tree_parse_part(&k->in->arena, f->path, 0, r->text, f->full,
                                  &file->tree, err);
  if (rc) {
    cq_free(file);
    return rc;
  }
  file->index = index;
  file->next = k->files;
  k->files = file;
  *out = file->tree;
  return CQ_OK;
}

/* The lines of one embedded table alone. */
static int known_table(cq_registry *r, known *k, const cq_embedded_table *e,
                       const cq_node *file, const cq_node **own,
                       cq_error *err) {
  const cq_embedded_file *f = &cq_embedded_files[e->file];
  cq_node *tables = cq_tree_get(file, "tables");
  int rc = CQ_OK;

  if (f->to) {
    rc = registry_text(r, e->file, err);
    if (rc == CQ_OK)
      rc = cq_tree_parse_part(&k->in->arena, f->path, e->line,
                              r->text + e->from, e->to - e->from, &tables, err);
  }
  if (rc == CQ_OK) *own = cq_tree_get(tables, e->name);
  return rc;
}

static int known_open(cq_registry *r, known *k, cq_error *err) {
  int rc = CQ_OK;

  if (k->in) return CQ_OK;
  k->in = cq_calloc(1, sizeof *k->in);
  if (!k->in) return cq_error_nomem(err);
  cq_arena_init(&k->in->arena);
  for (int i = 0; i < cq_embedded_nfile && rc == CQ_OK; i++)
    if (cq_embedded_files[i].root &&
        strcmp(cq_embedded_files[i].integration, k->name) == 0)
      rc = known_embedded(r, k, i, &k->in->root, err);
  if (rc == CQ_OK) rc = load_root(k->in, err);
  if (rc) {
    while (k->files) {
      struct file *f = k->files;

      k->files = f->next;
      cq_free(f);
    }
    cq_arena_clear(&k->in->arena);
    cq_free(k->in);
    k->in = NULL;
  }
  return rc;
}

int cq_registry_integration(cq_registry *r, const char *name,
                            const cq_integration **out, cq_error *err) {
  known *k = registry_find(r, name);
  int rc;

  if (!k) {
    const char *names[256], *near;
    size_t n = 0;

    for (known *x = r->list; x && n < 256; x = x->next) names[n++] = x->name;
    cq_error_set(err, CQ_NOTFOUND, "no integration \"%s\"", name);
    near = cq_nearest(name, names, n);
    if (near) cq_error_hint(err, "did you mean \"%s\"?", near);
    return CQ_NOTFOUND;
  }
  rc = known_open(r, k, err);
  *out = rc ? NULL : &k->in->pub;
  return rc;
}

static int by_name(const void *name, const void *table) {
  return strcmp(name, ((const cq_embedded_table *)table)->name);
}

/* Their names have no capitals. */
static const cq_embedded_table *embedded_table(const char *name) {
  char low[256];
  size_t n = strlen(name);

  if (n >= sizeof low) return NULL;
  for (size_t i = 0; i <= n; i++)
    low[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] | 32) : name[i];
  return bsearch(low, cq_embedded_tables, (size_t)cq_embedded_ntable,
                 sizeof *cq_embedded_tables, by_name);
}

/* A table of an embedded integration that was not used before. */
static int embedded_load(cq_registry *r, known *k, const cq_embedded_table *e,
                         own_table **out, cq_error *err) {
  size_t n = (size_t)cq_embedded_ntable;
  const cq_node *own = NULL;
  cq_node *file;
  int rc;

  if (!r->loaded) r->loaded = cq_calloc(n, sizeof *r->loaded);
  if (!r->loaded) return cq_error_nomem(err);
  *out = r->loaded[e - cq_embedded_tables];
  if (*out) return CQ_OK;
  rc = known_embedded(r, k, e->file, &file, err);
  if (rc == CQ_OK) rc = known_table(r, k, e, file, &own, err);
  if (rc == CQ_OK) rc = load_table(k->in, file, e->name, own, out, err);
  if (rc == CQ_OK) r->loaded[e - cq_embedded_tables] = *out;
  return rc;
}

/* What a user's integration says of a table of its, and where; the name becomes
 * the file's own text. */
static const cq_node *user_table(const known *k, const char **name,
                                 const cq_node **file) {
  *file = NULL;
  for (const struct file *f = k->files; f; f = f->next) {
    const cq_node *tables = cq_tree_get(f->tree, "tables");

    for (size_t i = 0; tables && tables->kind == CQ_N_MAP && i < tables->count;
         i++)
      if (strcmp(tables->keys[i], *name) == 0) {
        *file = f->tree;
        *name = tables->keys[i];
        return tables->items[i];
      }
  }
  return NULL;
}

/* The same of a user's integration, whose files have been read. */
static int user_load(known *k, const char *name, own_table **out,
                     cq_error *err) {
  const cq_node *file, *own = user_table(k, &name, &file);

  for (own_table *t = k->in->tables; t; t = t->next)
    if (strcmp(t->pub.name, name) == 0) {
      *out = t;
      return CQ_OK;
    }
  return load_table(k->in, file, name, own, out, err);
}

static int registry_has(const cq_registry *r, const char *name) {
  if (embedded_table(name)) return 1;
  for (size_t i = 0; i < r->nuser; i++)
    if (strcmp(r->names[i], name) == 0) return 1;
  return 0;
}

/* The integration that has the table, opened; *e: as an embedded one. */
static int registry_owner(cq_registry *r, const char *name,
                          const cq_embedded_table **e, known **out,
                          cq_error *err) {
  known *k = NULL;

  *e = embedded_table(name);
  if (*e) k = registry_find(r, (*e)->integration);
  for (size_t i = 0; i < r->nuser && !k; i++)
    if (strcmp(r->names[i], name) == 0) k = r->owners[i];
  if (!k) return cq_error_set(err, CQ_NOTFOUND, "no table \"%s\"", name);
  *out = k;
  return known_open(r, k, err);
}

static int has_word(const char *s, size_t n, const char *word) {
  const char *end = s + n;
  size_t k = strlen(word);

  while ((s = memchr(s, *word, (size_t)(end - s))) && (size_t)(end - s) >= k) {
    if (memcmp(s, word, k) == 0) return 1;
    s++;
  }
  return 0;
}

/* What most tables do not say of themselves need not be parsed. */
static int embedded_generated(cq_registry *r, known *k,
                              const cq_embedded_table *e, int *yes,
                              cq_error *err) {
  const cq_embedded_file *f = &cq_embedded_files[e->file];
  const cq_node *own = NULL;
  cq_node *file, *part;
  cq_arena tmp;
  int rc = known_embedded(r, k, e->file, &file, err);

  cq_arena_init(&tmp);
  if (rc == CQ_OK && !f->to)
    own = cq_tree_get(cq_tree_get(file, "tables"), e->name);
  if (rc == CQ_OK && f->to) rc = registry_text(r, e->file, err);
  if (rc == CQ_OK && f->to &&
      has_word(r->text + e->from, e->to - e->from, "generated:")) {
    rc = cq_tree_parse_part(&tmp, f->path, e->line, r->text + e->from,
                            e->to - e->from, &part, err);
    if (rc == CQ_OK) own = cq_tree_get(part, e->name);
  }
  *yes = rc == CQ_OK && load_generated(k->in, file, own);
  cq_arena_clear(&tmp);
  return rc;
}

int cq_registry_generated(cq_registry *r, const char *name, int *yes,
                          cq_error *err) {
  const cq_embedded_table *e;
  const cq_node *file, *own;
  known *k;
  int rc = registry_owner(r, name, &e, &k, err);

  *yes = 0;
  if (rc) return rc;
  if (e) return embedded_generated(r, k, e, yes, err);
  own = user_table(k, &name, &file);
  *yes = load_generated(k->in, file, own);
  return CQ_OK;
}

static int registry_get(cq_registry *r, const char *name, int depth,
                        const cq_table **out, cq_error *err);

/* The parent of a table, told where the table names it if there is none. */
static int registry_parent(cq_registry *r, const own_table *t, int depth,
                           const cq_table **out, cq_error *err) {
  const char *name = t->pub.name, *parent = t->pub.parent.table_name, *near;
  const cq_node *at = cq_tree_get(t->pub.at, "parent");

  if (at && at->kind == CQ_N_MAP) at = cq_tree_get(at, "table");
  if (strcmp(parent, name) == 0)
    return cq_tree_error(err, at,
                         "%s: parent: is the table itself\nhint: below asks "
                         "for what is below each record",
                         name);
  if (depth == CQ_MAX_PARENT_DEPTH)
    return cq_tree_error(err, at, "%s: parents nest too deep", name);
  if (!registry_has(r, parent)) {
    cq_tree_error(err, at, "%s: parent: no table \"%s\"", name, parent);
    near = cq_nearest(parent, (const char *const *)r->names, r->nuser);
    if (near) cq_error_hint(err, "did you mean \"%s\"?", near);
    return CQ_ERROR;
  }
  return registry_get(r, parent, depth + 1, out, err);
}

static int registry_get(cq_registry *r, const char *name, int depth,
                        const cq_table **out, cq_error *err) {
  const cq_embedded_table *e;
  const cq_table *parent = NULL;
  known *k = NULL;
  own_table *t = NULL;
  int rc;

  *out = NULL;
  rc = registry_owner(r, name, &e, &k, err);
  if (rc == CQ_OK)
    rc = e ? embedded_load(r, k, e, &t, err) : user_load(k, name, &t, err);
  if (rc) return rc;
  if (!t->linked) {
    if (t->pub.parent.table_name)
      rc = registry_parent(r, t, depth, &parent, err);
    if (rc == CQ_OK) rc = load_link(t, parent, err);
  }
  if (rc == CQ_OK) *out = &t->pub;
  return rc;
}

int cq_registry_table(cq_registry *r, const char *name, const cq_table **out,
                      cq_error *err) {
  return registry_get(r, name, 0, out, err);
}

int cq_registry_look(cq_registry *r, const char *name, const cq_table **out,
                     cq_error *err) {
  enum { LOOKS = 128 }; /* then what they share is read again */
  const cq_embedded_table *e = embedded_table(name);
  const known *k = e ? registry_find(r, e->integration) : NULL;
  int rc;

  *out = NULL;
  if (!k || !k->embedded || (r->loaded && r->loaded[e - cq_embedded_tables]))
    return cq_registry_table(r, name, out, err);
  if (r->aside && ++r->looks >= LOOKS) {
    cq_registry_unref(r->aside);
    r->aside = NULL;
  }
  if (!r->aside) {
    r->looks = 0;
    rc = cq_registry_new(&r->aside, err);
    if (rc) return rc;
  }
  return cq_registry_table(r->aside, name, out, err);
}

const char *cq_registry_table_name(const cq_registry *r, size_t i,
                                   const char **integration) {
  if (i < (size_t)cq_embedded_ntable) {
    if (integration) *integration = cq_embedded_tables[i].integration;
    return cq_embedded_tables[i].name;
  }
  i -= (size_t)cq_embedded_ntable;
  if (i >= r->nuser) return NULL;
  if (integration) *integration = r->owners[i]->name;
  return r->names[i];
}

const char *cq_registry_integration_name(const cq_registry *r, size_t i) {
  for (known *k = r->list; k; k = k->next)
    if (i-- == 0) return k->name;
  return NULL;
}

/* ---- a user's files ------------------------------------------------------ */
static int file_add(cq_arena *a, known *k, const char *path, cq_error *err) {
  struct file *f;
  char *text = NULL;
  size_t n;
  int rc = cq_file_read(path, CQ_MAX_SPEC_BYTES, &text, &n, err);

  if (rc) return rc;
  f = cq_calloc(1, sizeof *f);
  if (!f) {
    cq_free(text);
    return cq_error_nomem(err);
  }
  rc = cq_tree_parse(a, path, text, n, &f->tree, err);
  cq_free(text);
  if (rc) {
    cq_free(f);
    return rc;
  }
  f->index = -1;
  f->next = k->files;
  k->files = f;
  return CQ_OK;
}

static int folder_add(cq_arena *a, known *k, const char *path, cq_error *err) {
  struct stat st;
  struct dirent *d;
  DIR *dir;
  int rc = CQ_OK;

  if (stat(path, &st) != 0)
    return cq_error_set(err, CQ_NOTFOUND, "%s: no such file or folder", path);
  if (!S_ISDIR(st.st_mode)) return file_add(a, k, path, err);
  dir = opendir(path);
  if (!dir) return cq_error_set(err, CQ_IOERR, "%s: cannot be read", path);
  while (rc == CQ_OK && (d = readdir(dir)) != NULL) {
    size_t n = strlen(d->d_name);
    char *full;

    if (d->d_name[0] == '.' || n < 5 ||
        (strcmp(d->d_name + n - 4, ".yml") != 0 &&
         strcmp(d->d_name + n - 5, ".yaml") != 0))
      continue;
    full = cq_mprintf("%s/%s", path, d->d_name);
    rc = full ? file_add(a, k, full, err) : cq_error_nomem(err);
    cq_free(full);
  }
  closedir(dir);
  return rc;
}

static int taken_name(const char *name) {
  static const char *const begin[] = {"cq_",     "live_", "raw_", "sqlite_",
                                      "pragma_", "fts",   "rtree"};
  static const char *const whole[] = {
      "json_each", "json_tree", "generate_series",
      "dbstat",    "carray",    "cloudquery_sync_summaries"};

  for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
    if (cq_str_ieqn(name, begin[i], strlen(begin[i]))) return 1;
  for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
    if (cq_str_ieq(name, whole[i])) return 1;
  return 0;
}

static int user_names(cq_registry *r, known *k, cq_error *err) {
  for (struct file *f = k->files; f; f = f->next) {
    const cq_node *tables = cq_tree_get(f->tree, "tables");

    if (f->tree != k->in->root && load_service(k->in, f->tree, err))
      return CQ_ERROR;

    for (size_t i = 0; tables && tables->kind == CQ_N_MAP && i < tables->count;
         i++) {
      const char *name = tables->keys[i];

      if (taken_name(name))
        return cq_tree_error(
            err, tables->items[i],
            "table %s: names with cq_, live_, raw_ or sqlite_, "
            "and those of SQLite's own tables, are taken",
            name);
      if (embedded_table(name))
        return cq_tree_error(err, tables->items[i],
                             "table %s: a built-in table has that name", name);
      for (size_t u = 0; u < r->nuser; u++)
        if (cq_str_ieq(r->names[u], name))
          return cq_tree_error(err, tables->items[i],
                               "table %s: integration %s has a table of that "
                               "name",
                               name, r->owners[u]->name);
      if (cq_grow(&r->names, &r->capuser, r->nuser, sizeof *r->names) ||
          cq_grow(&r->owners, &r->capowner, r->nuser, sizeof *r->owners) ||
          !(r->names[r->nuser] = cq_strdup(name)))
        return cq_error_nomem(err);
      r->owners[r->nuser++] = k;
    }
  }
  for (size_t i = 0; i < r->nuser; i++) {
    const cq_table *t;
    int rc =
        r->owners[i] == k ? cq_registry_table(r, r->names[i], &t, err) : CQ_OK;

    if (rc) return rc;
  }
  return CQ_OK;
}

/* Out of the registry; k stays. */
static void user_unlink(cq_registry *r, known *k) {
  size_t kept = 0;
  known **at;

  for (size_t i = 0; i < r->nuser; i++) {
    if (r->owners[i] == k) {
      cq_free(r->names[i]);
      continue;
    }
    r->names[kept] = r->names[i];
    r->owners[kept++] = r->owners[i];
  }
  r->nuser = kept;
  for (at = &r->list; *at != k; at = &(*at)->next)
    ;
  *at = k->next;
}

int cq_registry_load(cq_registry *r, const char *path, cq_error *err) {
  own_integration *in = cq_calloc(1, sizeof *in);
  known *k = cq_calloc(1, sizeof *k), *old = NULL;
  int rc;

  if (!in || !k) {
    cq_free(in);
    cq_free(k);
    return cq_error_nomem(err);
  }
  cq_arena_init(&in->arena);
  k->in = in;
  rc = folder_add(&in->arena, k, path, err);
  for (struct file *f = k->files; f && rc == CQ_OK; f = f->next)
    if (cq_tree_get(f->tree, "integration")) in->root = f->tree;
  if (rc == CQ_OK && !in->root)
    rc = cq_error_set(err, CQ_ERROR,
                      "%s: no file names its integration\nhint: the root file "
                      "begins with `format: 1` and `integration: <name>`",
                      path);
  if (rc == CQ_OK) rc = load_root(in, err);
  if (rc == CQ_OK && (old = registry_find(r, in->pub.name)) != NULL &&
      old->embedded)
    rc = cq_error_set(err, CQ_ERROR,
                      "%s: a built-in integration has the name %s", path,
                      in->pub.name);
  if (rc == CQ_OK && !(k->name = cq_strdup(in->pub.name)))
    rc = cq_error_nomem(err);
  if (rc) {
    known_free(k);
    return rc;
  }
  /* The old one goes only when the new one has been checked. */
  if (old) user_unlink(r, old);
  k->next = r->list;
  r->list = k;
  rc = user_names(r, k, err);
  if (rc == CQ_OK) {
    /* Tables that are open, and scans, go on with what they began with. */
    if (old) {
      old->next = r->old;
      r->old = old;
    }
    return CQ_OK;
  }
  user_unlink(r, k);
  known_free(k);
  if (old) {
    old->next = r->list;
    r->list = old;
    if (user_names(r, old, NULL)) user_unlink(r, old);
  }
  return rc;
}
