/* ext/dest/file/file.c: a folder as a destination: its spec, and the store of
 * objects that a folder is.
 *
 * A file is written under a temporary name, made durable, and renamed: so what
 * has a name is whole.  Temporary names are in _cq/tmp/ below the path's fixed
 * part, on the same file system as the rest. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dest/object/object.h"

enum {
  LOCK_MS = 10000,   /* to change a small file where it must be as it was */
  OLD_S = 3600,      /* a temporary name of a put that never ended */
  FOLDERS_DEEP = 64, /* below the prefix */
  PLACE = 120,       /* bytes of whose a temporary name is */
  FILE_MAX = 256 << 20
};

typedef struct folder {
  cq_objects base;
  char *at;     /* what stands before keys: "" or "/…/" */
  char *tmp;    /* _cq/tmp/ below the prefix, as a key */
  char *owner;  /* who writes, as owner.c tells it */
  char *mine;   /* how temporary names of this process begin: put-PLACE-PID- */
  size_t place; /* bytes of put-PLACE- */
  size_t floor; /* length of the prefix: no folder above it is removed */
  int (*interrupted)(void *);
  void *user;
} folder;

typedef struct file {
  cq_object base;
  int fd;
  char *tmp, *path; /* whole */
} file;

static folder *of(cq_objects *s) {
  return (folder *)(void *)s;
}

static int fail(cq_error *err, const char *path, const char *what, int e) {
  int code = e == ENOSPC || e == EDQUOT || e == EFBIG ? CQ_FULL
             : e == EROFS                             ? CQ_READONLY
             : e == ENOENT                            ? CQ_NOTFOUND
                                                      : CQ_IOERR;
  char reason[128] = "";

  if (strerror_r(e, reason, sizeof reason))
    snprintf(reason, sizeof reason, "error %d", e);
  return cq_error_set(err, code, "%s: %s: %s", path, what, reason);
}

/* ---- folders ---------------------------------------------------------------------- */

/* Makes the folders that the file's path goes through. */
static int make_folders(char *path, cq_error *err) {
  for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
    int e;

    *p = '\0';
    e = mkdir(path, 0777) ? errno : 0;
    if (e && e != EEXIST && e != EISDIR) {
      struct stat st;

      /* A folder that is there may stand where nothing may be made. */
      if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
        fail(err, path, "folder cannot be made", e);
        *p = '/';
        return err ? err->code : CQ_IOERR;
      }
    }
    *p = '/';
  }
  return CQ_OK;
}

/* The folder's entries are durable. */
static void sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *dir = cq_strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
  int fd =
      dir ? open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

  cq_free(dir);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

/* Folders that are empty now, up to the prefix. */
static void drop_folders(const folder *f, char *path) {
  char *slash;

  while ((slash = strrchr(path, '/')) != NULL &&
         (size_t)(slash - path) > f->floor) {
    *slash = '\0';
    if (rmdir(path)) break;
  }
}

/* ---- an object in parts ------------------------------------------------------------- */

static void file_free(file *o) {
  if (o->fd >= 0) close(o->fd);
  cq_free(o->tmp);
  cq_free(o->path);
  cq_free(o);
}

static int open_tmp(char *path, int *fd, cq_error *err) {
  for (int turn = 0;; turn++) {
    int e;

    *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (*fd >= 0) return CQ_OK;
    e = errno;
    if (e == EINTR) continue;
    /* Another may have removed the folder, empty, as it was made. */
    if (e != ENOENT || turn == 3) {
      fail(err, path, "cannot be written", e);
      return e == ENOENT ? CQ_IOERR : err ? err->code : CQ_IOERR;
    }
    if (make_folders(path, err)) return err ? err->code : CQ_IOERR;
  }
}

static int file_begin(cq_objects *s, const char *key, const char *scratch,
                      const cq_object_kind *kind, cq_object **out,
                      cq_error *err) {
  folder *f = of(s);
  file *o = cq_calloc(1, sizeof *o);
  char name[37];
  int rc;

  (void)kind;
  *out = NULL;
  if (!o) return cq_error_nomem(err);
  o->base.store = s;
  o->fd = -1;
  cq_uuid4(name);
  o->tmp = cq_mprintf("%s%s%s", f->at, scratch, name);
  o->path = cq_mprintf("%s%s", f->at, key);
  rc = o->tmp && o->path ? open_tmp(o->tmp, &o->fd, err) : cq_error_nomem(err);
  if (rc) {
    file_free(o);
    return rc;
  }
  *out = &o->base;
  return CQ_OK;
}

static int write_all(int fd, const char *path, const char *p, size_t n,
                     cq_error *err) {
  while (n) {
    ssize_t did = write(fd, p, n < (1u << 30) ? n : 1u << 30);

    if (did < 0 && errno == EINTR) continue;
    if (did < 0) return fail(err, path, "cannot be written", errno);
    p += did;
    n -= (size_t)did;
  }
  return CQ_OK;
}

static int file_write(cq_object *base, const void *p, size_t n, cq_error *err) {
  file *o = (file *)(void *)base;

  return write_all(o->fd, o->path, p, n, err);
}

static void file_abort(cq_object *base) {
  file *o = (file *)(void *)base;
  char *tmp = o->tmp;

  o->tmp = NULL;
  unlink(tmp);
  drop_folders(of(base->store), tmp);
  cq_free(tmp);
  file_free(o);
}

static int move_there(char *tmp, char *path, cq_error *err) {
  int e = 0;

  for (int turn = 0; turn < 4; turn++) {
    if (make_folders(path, err)) return err ? err->code : CQ_IOERR;
    if (rename(tmp, path) == 0) {
      sync_folder(path);
      return CQ_OK;
    }
    e = errno;
    if (e != ENOENT) break;
  }
  fail(err, path, "cannot be put there", e);
  if (e == EXDEV)
    cq_error_hint(err, "a path's variables must not lead to another file "
                       "system");
  return e == ENOENT ? CQ_IOERR : err ? err->code : CQ_IOERR;
}

static int file_finish(cq_object *base, cq_error *err) {
  file *o = (file *)(void *)base;
  int rc = CQ_OK, e = 0;

  if (fsync(o->fd)) e = errno;
  if (close(o->fd) && !e) e = errno;
  o->fd = -1;
  if (e) rc = fail(err, o->path, "cannot be written", e);
  if (rc == CQ_OK) rc = move_there(o->tmp, o->path, err);
  if (rc) unlink(o->tmp);
  drop_folders(of(base->store), o->tmp);
  file_free(o);
  return rc;
}

/* ---- small ones ----------------------------------------------------------------------- */

static void tag_of(const char *p, size_t n, cq_object_tag tag) {
  snprintf(tag, CQ_OBJECT_TAG, "%zx-%016llx%016llx", n,
           (unsigned long long)cq_hash64(p, n, 1),
           (unsigned long long)cq_hash64(p, n, 2));
}

/* Of those who change small files where they must be as they were, one at a
 * time. */
static int lock(folder *f, const char *path, int *fd, cq_error *err) {
  const char *slash = strrchr(path, '/');
  char *dir = cq_strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
  int64_t until = cq_mono_ms() + LOCK_MS;
  int rc = CQ_OK;

  if (!dir) return cq_error_nomem(err);
  *fd = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*fd < 0) rc = fail(err, dir, "cannot be opened", errno);
  while (rc == CQ_OK && flock(*fd, LOCK_EX | LOCK_NB)) {
    struct timespec t = {0, 20 * 1000000};

    /* Some file systems lock no folders: there the last look counts. */
    if (errno == EBADF || errno == ENOLCK || errno == EINVAL ||
        errno == EOPNOTSUPP)
      break;
    if (errno != EWOULDBLOCK && errno != EINTR)
      rc = fail(err, dir, "cannot be locked", errno);
    else if (f->interrupted && f->interrupted(f->user))
      rc = cq_error_set(err, CQ_INTERRUPT, "interrupted");
    else if (cq_mono_ms() > until)
      rc = cq_error_set(err, CQ_BUSY, "%s: locked by another process", dir);
    else
      nanosleep(&t, NULL);
  }
  cq_free(dir);
  return rc;
}

static int is_as_it_was(const char *path, const char *only, int *same,
                        cq_error *err) {
  cq_error why = {0, ""};
  cq_object_tag tag;
  char *text;
  size_t n;
  int rc = cq_file_read(path, FILE_MAX, &text, &n, &why);

  *same = 0;
  if (rc == CQ_NOTFOUND) {
    *same = !*only;
    return CQ_OK;
  }
  if (rc) {
    if (err) *err = why;
    return rc;
  }
  tag_of(text, n, tag);
  cq_free(text);
  *same = strcmp(tag, only) == 0;
  return CQ_OK;
}

static int file_put(cq_objects *s, const char *key, const cq_object_kind *kind,
                    const void *p, size_t n, const char *only,
                    cq_object_tag tag, cq_error *err) {
  folder *f = of(s);
  char name[37];
  char *tmp, *path;
  int fd = -1, locked = -1, same = 1, rc, e = 0;

  (void)kind;
  cq_uuid4(name);
  tmp = cq_mprintf("%s%s%s%s", f->at, f->tmp, f->mine, name);
  path = cq_mprintf("%s%s", f->at, key);
  rc = tmp && path ? open_tmp(tmp, &fd, err) : cq_error_nomem(err);
  if (rc == CQ_OK) rc = write_all(fd, path, p, n, err);
  if (fd >= 0) {
    if (fsync(fd)) e = errno;
    if (close(fd) && !e) e = errno;
    if (rc == CQ_OK && e) rc = fail(err, path, "cannot be written", e);
  }
  if (rc == CQ_OK && only) {
    rc = make_folders(path, err);
    if (rc == CQ_OK) rc = lock(f, path, &locked, err);
    if (rc == CQ_OK) rc = is_as_it_was(path, only, &same, err);
    if (rc == CQ_OK && !same)
      rc = cq_error_set(err, CQ_BUSY, "%s: is not as it was", path);
  }
  if (rc == CQ_OK) rc = move_there(tmp, path, err);
  if (rc == CQ_OK && tag) tag_of(p, n, tag);
  if (rc && fd >= 0) unlink(tmp);
  if (locked >= 0) close(locked);
  if (tmp) drop_folders(f, tmp);
  cq_free(tmp);
  cq_free(path);
  return rc;
}

static int file_get(cq_objects *s, const char *key, cq_buf *out,
                    cq_object_tag tag, cq_error *err) {
  char *path = cq_mprintf("%s%s", of(s)->at, key), *text = NULL;
  size_t n = 0;
  int rc =
      path ? cq_file_read(path, out->max, &text, &n, err) : cq_error_nomem(err);

  cq_free(path);
  if (rc) return rc;
  cq_buf_add(out, text, n);
  if (tag) tag_of(text, n, tag);
  cq_free(text);
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

/* ---- many --------------------------------------------------------------------------- */

typedef struct walk {
  const char *prefix; /* key */
  int (*each)(void *user, const char *key, int64_t bytes);
  void *user;
  cq_error *err;
} walk;

/* dir: a key that ends in /, or "". */
static int walk_folder(folder *f, const walk *w, const char *dir, int deep) {
  char *path = cq_mprintf("%s%s", f->at, dir);
  DIR *d = path ? opendir(*path ? path : ".") : NULL;
  struct dirent *e;
  int rc = CQ_OK;

  if (!path) return cq_error_nomem(w->err);
  if (!d && errno != ENOENT) rc = fail(w->err, path, "cannot be listed", errno);
  cq_free(path);
  if (!d) return rc;
  while (rc == CQ_OK && (errno = 0, e = readdir(d)) != NULL) {
    char *key;
    struct stat st;

    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
    key = cq_mprintf("%s%s", dir, e->d_name);
    path = key ? cq_mprintf("%s%s", f->at, key) : NULL;
    if (!path) {
      cq_free(key);
      rc = cq_error_nomem(w->err);
      break;
    }
    /* What goes meanwhile is not there. */
    if (lstat(path, &st) == 0) {
      size_t n = strlen(w->prefix);

      if (S_ISDIR(st.st_mode) && deep < FOLDERS_DEEP) {
        char *below = cq_mprintf("%s/", key);
        size_t k = below ? strlen(below) : 0;

        if (!below)
          rc = cq_error_nomem(w->err);
        else if (strncmp(below, w->prefix, k < n ? k : n) == 0)
          rc = walk_folder(f, w, below, deep + 1);
        cq_free(below);
      } else if (!S_ISDIR(st.st_mode) && strncmp(key, w->prefix, n) == 0) {
        rc = w->each(w->user, key, (int64_t)st.st_size);
      }
    }
    cq_free(path);
    cq_free(key);
  }
  closedir(d);
  return rc;
}

static int file_list(cq_objects *s, const char *prefix,
                     int (*each)(void *user, const char *key, int64_t bytes),
                     void *user, cq_error *err) {
  const char *slash = strrchr(prefix, '/');
  walk w = {prefix, each, user, err};
  char *dir = cq_strndup(prefix, slash ? (size_t)(slash - prefix) + 1 : 0);
  int rc = dir ? walk_folder(of(s), &w, dir, 0) : cq_error_nomem(err);

  cq_free(dir);
  return rc;
}

static int file_remove(cq_objects *s, const char *const *keys, size_t n,
                       cq_error *err) {
  folder *f = of(s);
  int rc = CQ_OK;

  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    char *path = cq_mprintf("%s%s", f->at, keys[i]);

    if (!path) return cq_error_nomem(err);
    if (unlink(path) && errno != ENOENT && errno != ENOTDIR)
      rc = fail(err, path, "cannot be removed", errno);
    else
      drop_folders(f, path);
    cq_free(path);
  }
  return rc;
}

typedef struct leftovers {
  folder *f;
  char **v;
  size_t n, cap;
  int any; /* else: only of a process that is no more, or what is old */
} leftovers;

/* Of a put, by its name: is its process one that could be seen from here, and
 * dead? */
static int is_dead(const folder *f, const char *key) {
  const char *slash = strrchr(key, '/'), *name = slash ? slash + 1 : key;
  char *owner;
  long pid;
  int gone;

  if (strncmp(name, f->mine, f->place) != 0) return 0;
  pid = strtol(name + f->place, NULL, 10);
  if (pid <= 0) return 0;
  owner = cq_mprintf("%.*s:%ld:", (int)strcspn(f->owner, ":"), f->owner, pid);
  gone = owner && cq_dest_owner_gone(owner, f->owner);
  cq_free(owner);
  return gone;
}

static int leftover(void *user, const char *key, int64_t bytes) {
  leftovers *l = user;
  char *path = cq_mprintf("%s%s", l->f->at, key);
  struct stat st;
  int old;

  (void)bytes;
  if (!path) return CQ_NOMEM;
  old = l->any || is_dead(l->f, key) ||
        (lstat(path, &st) == 0 && time(NULL) - st.st_mtime > OLD_S);
  cq_free(path);
  if (!old) return CQ_OK;
  if (cq_grow(&l->v, &l->cap, l->n, sizeof *l->v) ||
      !(l->v[l->n] = cq_strdup(key)))
    return CQ_NOMEM;
  l->n++;
  return CQ_OK;
}

static int file_tidy(cq_objects *s, const char *scratch, cq_error *err) {
  folder *f = of(s);
  leftovers l = {f, NULL, 0, 0, 1};
  char *puts = cq_mprintf("%sput-", f->tmp);
  int rc = puts ? file_list(s, scratch, leftover, &l, err) : CQ_NOMEM;

  l.any = 0;
  if (rc == CQ_OK) rc = file_list(s, puts, leftover, &l, err);
  if (rc == CQ_OK && l.n)
    rc = file_remove(s, (const char *const *)l.v, l.n, err);
  for (size_t i = 0; i < l.n; i++) cq_free(l.v[i]);
  cq_free(l.v);
  cq_free(puts);
  return rc == CQ_NOMEM ? cq_error_nomem(err) : rc;
}

static void file_close(cq_objects *s) {
  folder *f = of(s);

  cq_free(f->at);
  cq_free(f->tmp);
  cq_free(f->owner);
  cq_free(f->mine);
  cq_free(f);
}

static const cq_objects_ops folder_ops = {.begin = file_begin,
                                          .write = file_write,
                                          .finish = file_finish,
                                          .abort = file_abort,
                                          .put = file_put,
                                          .get = file_get,
                                          .list = file_list,
                                          .remove = file_remove,
                                          .tidy = file_tidy,
                                          .close = file_close};

/* ---- the destination -------------------------------------------------------------------- */

static int dest_spec(cq_arena *a, const cq_node *map, cq_dest_def *d,
                     cq_error *err) {
  static const char *const known[] = {CQ_OBJECT_KEYS, "connection_string"};
  cq_object_options *o = cq_arena_alloc(a, sizeof *o);
  const char *url = NULL;
  cq_node *whole = NULL;
  int rc =
      cq_tree_check_keys(map, "spec", known, sizeof known / sizeof *known, err);

  if (!o) return cq_error_nomem(err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "connection_string", &url, err);
  if (rc) return rc;
  /* file:///data/cq is the short form of a path. */
  if (url && !cq_tree_get(map, "path")) {
    cq_node *parts = cq_arena_alloc(a, 2 * sizeof *parts);
    cq_node **item = cq_arena_alloc(a, sizeof(cq_node *));
    const char **key = cq_arena_alloc(a, sizeof(char *));

    if (!parts || !item || !key) return cq_error_nomem(err);
    if (strncmp(url, "file://", 7) == 0) url += 7;
    memset(parts, 0, 2 * sizeof *parts);
    parts[0] = *map;
    parts[0].kind = CQ_N_MAP;
    parts[0].count = 1;
    parts[0].items = item;
    parts[0].keys = key;
    parts[1] = *cq_tree_get(map, "connection_string");
    parts[1].text = url;
    *item = &parts[1];
    *key = "path";
    rc = cq_tree_merge(a, map, &parts[0], &whole, err);
    if (rc) return rc;
    map = whole;
  }
  d->options = o;
  return cq_object_spec(a, map, o, err);
}

/* A place is a host's name, a boot and a namespace of processes: where it is long
 * for a file's name, its beginning goes. */
static char *puts_of(const char *owner, size_t *place) {
  size_t n = strcspn(owner, ":"), cut = n > PLACE ? n - PLACE : 0;
  char *name =
      cq_mprintf("put-%.*s-%ld-", (int)(n - cut), owner + cut, (long)getpid());

  *place = n - cut + 5;
  for (size_t i = 0; name && i < n - cut; i++)
    if (strchr("-/", name[i + 4])) name[i + 4] = '_';
  return name;
}

static int dest_open(const cq_dest_def *d, int make, cq_dest **out,
                     cq_error *err) {
  const cq_object_options *o = d->options;
  folder *f = cq_calloc(1, sizeof *f);
  char *here = NULL;

  *out = NULL;
  if (!f) return cq_error_nomem(err);
  f->base.ops = &folder_ops;
  f->interrupted = d->interrupted;
  f->user = d->user;
  /* The host may go elsewhere while it syncs. */
  if (o->prefix[0] != '/') here = realpath(".", NULL);
  f->at = o->prefix[0] == '/' ? cq_strdup("")
          : here              ? cq_mprintf("%s/", strcmp(here, "/") ? here : "")
                              : NULL;
  free(here);
  f->tmp = cq_mprintf("%s_cq/tmp/", o->prefix);
  f->owner = cq_dest_owner(d);
  f->mine = f->owner ? puts_of(f->owner, &f->place) : NULL;
  if (!f->at || !f->tmp || !f->mine) {
    file_close(&f->base);
    return cq_error_nomem(err);
  }
  f->floor = strlen(f->at) + strlen(o->prefix);
  f->base.root = f->at;
  return cq_object_open(&cq_dest_file, d, o, &f->base, make, out, err);
}

const cq_dest_ops cq_dest_file = {
    .name = "file",
    .title = "Files in a folder: CSV, JSON or Parquet",
    .options =
        "{\"path\":\"where files go: {{TABLE}} {{UUID}} {{FORMAT}} {{SYNC_ID}} "
        "{{YEAR}} {{MONTH}} {{DAY}} {{HOUR}} "
        "{{MINUTE}}\",\"format\":\"parquet, "
        "json or csv\",\"format_spec\":\"the format's own keys\","
        "\"compression\":\"of csv and json: none, gzip, zstd\",\"no_rotate\":"
        "\"one file a table and run\",\"batch_size\":\"rows of a file\","
        "\"batch_size_bytes\":\"its bytes\",\"batch_timeout\":\"how long it is "
        "gathered\",\"keep\":\"snapshots that are kept\","
        "\"write_empty_objects_for_empty_tables\":\"a file without rows where "
        "a "
        "table has none\"}",
    .schemes = "file",
    .spec = dest_spec,
    .open = dest_open,
    CQ_OBJECT_DEST};
