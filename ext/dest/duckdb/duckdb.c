/* ext/dest/duckdb/duckdb.c: the DuckDB destination: its spec, opened and closed.
 *
 * DuckDB's own lock keeps other processes away, but not a second connection of
 * this one, which would ruin the file: a lock file beside it keeps out both. */
#include "dest/duckdb/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
  PATIENCE_MS = 5000, /* for a reader of another process */
  TURN_MS = 300000,   /* for another sync */
  SAY_MS = 500,       /* before open_timeout */
  MOST_MS = 24 * 3600000
};

/* ---- spec ---------------------------------------------------------------------- */

/* path?name=value&...: what stands behind is a setting of DuckDB each. */
static int spec_connection(cq_arena *a, const char *text, duck_options *o,
                           cq_error *err) {
  const char *query;
  size_t n = 1;

  if (strncmp(text, "duckdb://", 9) == 0) text += 9;
  query = text + strcspn(text, "?");
  o->path = cq_arena_strndup(a, text, (size_t)(query - text));
  for (const char *p = query; *p; p++) n += *p == '&';
  o->settings = cq_arena_alloc(a, 2 * n * sizeof *o->settings);
  if (!o->path || !o->settings) return cq_error_nomem(err);
  while (*query) {
    size_t len = strcspn(++query, "&"), name = strcspn(query, "=&");
    size_t value = name + (name < len);
    const char **s = o->settings + 2 * o->nsetting;

    if (name) {
      s[0] = cq_dest_decoded(a, query, name);
      s[1] = cq_dest_decoded(a, query + value, len - value);
      if (!s[0] || !s[1]) return cq_error_nomem(err);
      o->nsetting++;
    }
    query += len;
  }
  return CQ_OK;
}

/* What is no file, and would be one by its name, or gone at the end. */
static int check_path(const cq_node *map, const duck_options *o,
                      cq_error *err) {
  const char *what = NULL;

  if (!o->path || !*o->path)
    what = "path is missing";
  else if (strncmp(o->path, "md:", 3) == 0 ||
           strncmp(o->path, "motherduck:", 11) == 0)
    what = "path: MotherDuck is no file, and cannot be written to";
  else if (strcmp(o->path, ":memory:") == 0)
    what = "path: what is in memory alone goes when the sync ends";
  if (!what) return CQ_OK;
  cq_tree_error(err, map, "%s", what);
  cq_error_hint(err, "path: warehouse.duckdb");
  return CQ_MISUSE;
}

static int duck_spec(cq_arena *a, const cq_node *map, cq_dest_def *d,
                     cq_error *err) {
  static const char *const known[] = {
      "connection_string", "path",          "schema",
      "library",           "memory_mb",     "batch_size",
      "batch_size_bytes",  "batch_timeout", "debug",
      "turn_timeout"};
  duck_options *o = cq_arena_alloc(a, sizeof *o);
  const char *connection = NULL;
  int debug = 0, rc;

  if (!o) return cq_error_nomem(err);
  memset(o, 0, sizeof *o);
  o->schema = "main";
  o->memory_mb = 64;
  o->gather.rows = 10000;
  o->gather.bytes = 4 << 20;
  o->gather.ms = 5000;
  o->turn_ms = TURN_MS;
  rc =
      cq_tree_check_keys(map, "spec", known, sizeof known / sizeof *known, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "path", &o->path, err);
  if (rc == CQ_OK)
    rc = cq_tree_text(map, "connection_string", &connection, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "schema", &o->schema, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "library", &o->library, err);
  if (rc == CQ_OK)
    rc = cq_tree_int(map, "memory_mb", 32, 1 << 20, &o->memory_mb, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "debug", &debug, err);
  if (rc == CQ_OK)
    rc = cq_dest_duration(map, "turn_timeout", MOST_MS, &o->turn_ms, err);
  if (rc == CQ_OK) rc = cq_dest_gather_spec(map, &o->gather, err);
  if (rc) return rc;
  d->options = o;
  if (connection) rc = spec_connection(a, connection, o, err);
  return rc ? rc : check_path(map, o, err);
}

/* ---- the lock -------------------------------------------------------------------- */

/* Whose it is, and since when, for whoever is refused. */
static void sign_lock(const duck *d) {
  if (ftruncate(d->lock, 0) == 0)
    dprintf(d->lock, "%lld %s", (long long)cq_now_us(), d->owner);
}

/* CQ_OK: who has it may end before we do. */
static int locked_by(duck *d, int over, cq_error *err) {
  char text[600] = "", what[300], *owner = text;
  ssize_t n = read(d->lock, text, sizeof text - 1);
  int64_t since = 0;

  text[n > 0 ? n : 0] = 0;
  close(d->lock);
  d->lock = -1;
  since = strtoll(text, &owner, 10);
  snprintf(what, sizeof what, "destination %s: %s", d->base.name, d->path);
  if (!over && (since <= 0 || *owner != ' ' ||
                !cq_dest_owner_beside(owner + 1, d->owner)))
    return CQ_OK;
  if (since <= 0 || *owner != ' ') /* he is about to sign it */
    return cq_error_set(err, CQ_BUSY,
                        "%s: is being synced into by another connection, "
                        "which has begun just now",
                        what);
  return cq_dest_busy(what, d->base.name, owner + 1, d->owner, since, err);
}

/* Who comes second waits for his turn. */
static int lock_file(duck *d, int64_t patience_ms, cq_error *err) {
  int64_t until = cq_mono_ms() + patience_ms;

  d->lock_path = cq_mprintf("%s.cq-lock", d->path);
  if (!d->lock_path) return cq_error_nomem(err);
  for (;;) {
    struct timespec pause = {0, 50000000};
    struct stat a, b;

    d->lock = open(d->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock < 0)
      return cq_error_set(err, errno == ENOSPC ? CQ_FULL : CQ_IOERR,
                          "destination %s: %s: %s\nhint: the folder must be "
                          "there, and a file may be made in it",
                          d->base.name, d->lock_path, strerror(errno));
    if (flock(d->lock, LOCK_EX | LOCK_NB)) {
      int rc = locked_by(d, cq_mono_ms() >= until, err);

      if (rc) return rc;
      if (d->interrupted && d->interrupted(d->user))
        return cq_error_set(err, CQ_INTERRUPT, "interrupted");
      nanosleep(&pause, NULL);
      continue;
    }
    /* Whoever had it before may have removed it meanwhile. */
    if (fstat(d->lock, &a) == 0 && stat(d->lock_path, &b) == 0 &&
        a.st_ino == b.st_ino && a.st_dev == b.st_dev) {
      sign_lock(d);
      return CQ_OK;
    }
    close(d->lock);
    d->lock = -1;
    if (cq_mono_ms() >= until + PATIENCE_MS)
      return cq_error_set(err, CQ_BUSY, "destination %s: %s: cannot be locked",
                          d->base.name, d->lock_path);
  }
}

static void unlock_file(duck *d) {
  if (d->lock >= 0) {
    unlink(d->lock_path);
    close(d->lock);
  }
  cq_free(d->lock_path);
}

/* ---- open, close ------------------------------------------------------------------ */

/* A reader of another process has the file for a moment: it is waited for. */
static int open_file(duck *d, void *config, cq_error *err) {
  int64_t until = cq_mono_ms() + PATIENCE_MS;

  for (;;) {
    struct timespec pause = {0, 20000000};
    char *why = NULL;
    int locked, rc;

    if (!d->lib.open_ext(d->path, &d->db, config, &why)) return CQ_OK;
    locked = why && strstr(why, "lock") != NULL;
    rc = locked ? cq_error_set(err, CQ_BUSY,
                               "destination %s: %s: is open in another "
                               "process: %.300s",
                               d->base.name, d->path, why)
                : duck_fail(d, why, err);
    if (why) d->lib.free(why);
    if (!locked || cq_mono_ms() > until) return rc;
    if (d->interrupted && d->interrupted(d->user))
      return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    nanosleep(&pause, NULL);
  }
}

static int connect_file(duck *d, cq_error *err) {
  void *config = NULL;
  char memory[32];
  int rc = CQ_OK;

  snprintf(memory, sizeof memory, "%lldMB", (long long)d->options.memory_mb);
  if (d->lib.create_config(&config)) return cq_error_nomem(err);
  d->lib.set_config(config, "threads", "1");
  d->lib.set_config(config, "memory_limit", memory);
  d->lib.set_config(config, "preserve_insertion_order", "false");
  /* A checkpoint writes the last 122,880 rows of a table again. */
  d->lib.set_config(config, "checkpoint_threshold", "64MB");
  /* Nothing is fetched from anywhere, whatever the file asks for. */
  d->lib.set_config(config, "autoinstall_known_extensions", "false");
  for (size_t i = 0; i < d->options.nsetting && rc == CQ_OK; i++)
    if (d->lib.set_config(config, d->options.settings[2 * i],
                          d->options.settings[2 * i + 1]))
      rc = cq_error_set(err, CQ_MISUSE,
                        "destination %s: connection_string: DuckDB takes no "
                        "such setting: %s=%s",
                        d->base.name, d->options.settings[2 * i],
                        d->options.settings[2 * i + 1]);
  if (rc == CQ_OK) rc = open_file(d, config, err);
  d->lib.destroy_config(&config);
  if (rc == CQ_OK && d->lib.connect(d->db, &d->c))
    rc = cq_error_set(err, CQ_IOERR, "destination %s: %s: cannot connect",
                      d->base.name, d->path);
  return rc;
}

static void duck_close(cq_dest *base) {
  duck *d = (duck *)base;

  while (d->tables) {
    duck_table *t = d->tables;

    d->tables = t->next;
    t->table->own = NULL;
    duck_table_free(d, t);
  }
  if (d->c) d->lib.disconnect(&d->c);
  if (d->db) d->lib.close(&d->db);
  cq_library_close(&d->lib);
  unlock_file(d);
  cq_buf_clear(&d->notes);
  cq_free(d->base.name);
  cq_free(d->path);
  cq_free(d->schema);
  cq_free(d->owner);
  cq_free(d);
}

static int make_tables(duck *d, cq_error *err) {
  int rc = duck_do(d, NULL, err, "CREATE SCHEMA IF NOT EXISTS %I", d->schema);

  return rc ? rc : duck_script(d, "sql/duckdb.sql", err);
}

static int duck_open(const cq_dest_def *def, int make, cq_dest **out,
                     cq_error *err) {
  const duck_options *o = def->options;
  duck *d = cq_calloc(1, sizeof *d);
  int rc;

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->base.ops = &cq_dest_duckdb;
  d->base.mode = def->mode;
  d->base.name = cq_strdup(def->name);
  d->options = *o;
  d->path = cq_strdup(o->path);
  d->schema = cq_strdup(o->schema);
  d->lock = -1;
  d->forced = def->forced;
  d->group_in_key = def->group_in_key;
  d->interrupted = def->interrupted;
  d->user = def->user;
  d->owner = cq_dest_owner(def);
  cq_buf_init(&d->notes, SIZE_MAX);
  rc = d->base.name && d->path && d->schema && d->owner
           ? duck_lib_open(&d->lib, o->library, err)
           : cq_error_nomem(err);
  /* Where others wait for it to open, no longer than they do: a word of its own
   * is better than that it said nothing. */
  if (rc == CQ_OK)
    rc = lock_file(d,
                   def->open_ms && def->open_ms < o->turn_ms + SAY_MS
                       ? def->open_ms > SAY_MS ? def->open_ms - SAY_MS : 0
                       : o->turn_ms,
                   err);
  if (rc == CQ_OK) rc = connect_file(d, err);
  if (rc == CQ_OK && make) rc = make_tables(d, err);
  if (rc) {
    duck_close(&d->base);
    return rc;
  }
  *out = &d->base;
  return CQ_OK;
}

static int duck_test(cq_dest *base, cq_error *err) {
  duck *d = (duck *)base;
  int64_t seen = 0;
  char name[40]; /* nobody's */
  int rc = duck_begin_work(d, err);

  snprintf(name, sizeof name, "cq_test_%016llx",
           (unsigned long long)cq_random());
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err, "CREATE TABLE %I (n BIGINT)", name);
  if (rc == CQ_OK)
    rc = duck_do(d, NULL, err, "INSERT INTO %I VALUES (42)", name);
  if (rc == CQ_OK) rc = duck_one(d, &seen, err, "SELECT n FROM %I", name);
  if (rc == CQ_OK && seen != 42)
    rc = cq_error_set(err, CQ_ERROR,
                      "destination %s: what was written was not read again",
                      d->base.name);
  if (rc == CQ_OK) rc = duck_do(d, NULL, err, "DROP TABLE %I", name);
  return duck_end_work(d, rc, err);
}

const cq_dest_ops cq_dest_duckdb = {
    .name = "duckdb",
    .title = "DuckDB file",
    .options =
        "{\"connection_string\":\"path of the file, and ?name=value&... of "
        "DuckDB's settings\",\"path\":\"the same\","
        "\"schema\":\"main\",\"library\":\"path of libduckdb.so, where the "
        "loader does not find it\",\"memory_mb\":\"64: DuckDB's own limit\","
        "\"batch_size\":\"10000 rows\",\"batch_size_bytes\":\"4 MiB\","
        "\"batch_timeout\":\"5 s\",\"turn_timeout\":\"5 "
        "min\",\"debug\":\"accepted, not needed\"}",
    .capabilities = "[\"transactions\",\"upsert\",\"delete\",\"append\","
                    "\"overwrite\",\"overwrite-delete-stale\",\"views\"]",
    .schemes = "duckdb",
    .threaded = 1,
    .spec = duck_spec,
    .open = duck_open,
    .close = duck_close,
    .last_group = duck_last_group,
    .begin = duck_begin,
    .migrate = duck_migrate,
    .states = duck_states,
    .read = duck_read,
    .write = duck_write,
    .end = duck_end,
    .drop = duck_drop,
    .put_table = duck_put_table,
    .put_error = duck_put_error,
    .put_run = duck_put_run,
    .poll = duck_poll,
    .test = duck_test,
    .commit = duck_commit,
    .publish = duck_publish,
    .summary = duck_summary,
    .prune = duck_prune,
};
