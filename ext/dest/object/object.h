/* ext/dest/object/object.h: destinations that are files or objects: one layer
 * of semantics (object/), over a small interface that each store implements:
 * file/ a folder, s3/ a bucket.
 *
 * A store knows keys and bytes, and nothing of tables.  A key is a text with /
 * between its parts: the path of a file, or the name in a bucket.  All calls
 * come from one thread, the destination's writer, one after the other; a call
 * may block, and while it does it looks at def->interrupted at least every
 * 100 ms and gives up with CQ_INTERRUPT.  Retries of what can be retried are
 * the store's own.
 *
 * Codes: CQ_IOERR, CQ_FULL, CQ_READONLY, CQ_AUTH (403) where the store as a
 * whole cannot be used; CQ_NOTFOUND only where the header says so. */
#ifndef CQ_DEST_OBJECT_H
#define CQ_DEST_OBJECT_H

#include "dest/encode/encode.h"

typedef struct cq_objects cq_objects; /* an open store */
typedef struct cq_object cq_object;   /* one being written */

/* Identifies what stands at a key now: an ETag, or a hash of the content. */
enum { CQ_OBJECT_TAG = 128 };
typedef char cq_object_tag[CQ_OBJECT_TAG];

/* How an object is to be called to those who read it. */
typedef struct cq_object_kind {
  const char *media;    /* "application/json" */
  const char *encoding; /* "gzip", "zstd", or NULL */
} cq_object_kind;

typedef struct cq_objects_ops {
  /* Begins an object at `key`.  Nothing of it is seen there until finish, which
   * replaces what was there.  `scratch` is a prefix of keys where the store may
   * put what it needs meanwhile, and by which `tidy` finds after a kill what
   * was left of unfinished objects: a file of a temporary name; a small object
   * that names a multipart upload. */
  int (*begin)(cq_objects *s, const char *key, const char *scratch,
               const cq_object_kind *kind, cq_object **out, cq_error *err);
  /* Appends; keeps a bounded part in memory, and says how much in `held`.
   * After an error only abort may follow. */
  int (*write)(cq_object *o, const void *p, size_t n, cq_error *err);
  /* It is durable and seen, or the error says why not and nothing of it is
   * seen.  Frees o in either case. */
  int (*finish)(cq_object *o, cq_error *err);
  void (*abort)(cq_object *o); /* frees it; leaves nothing */
  /* A small object at once: readers see the old or the new.  `only`: NULL
   * always; "" where nothing is there; else where what is there has that tag:
   * otherwise CQ_BUSY, and nothing is changed.  Its tag into `tag` (or NULL). */
  int (*put)(cq_objects *s, const char *key, const cq_object_kind *kind,
             const void *p, size_t n, const char *only, cq_object_tag tag,
             cq_error *err);
  /* Appends all of it to out; CQ_TOOBIG beyond out->max, CQ_NOTFOUND where
   * there is none.  `tag` may be NULL. */
  int (*get)(cq_objects *s, const char *key, cq_buf *out, cq_object_tag tag,
             cq_error *err);
  /* Keys that begin with `prefix`, whole keys, in any order, also deeper ones;
   * none: CQ_OK.  `each` may not call the store; what is not 0 ends the list
   * and is returned. */
  int (*list)(cq_objects *s, const char *prefix,
              int (*each)(void *user, const char *key, int64_t bytes),
              void *user, cq_error *err);
  /* n keys; one that is not there is no error. */
  int (*remove)(cq_objects *s, const char *const *keys, size_t n,
                cq_error *err);
  /* Removes what unfinished objects of a dead process left under `scratch`. */
  int (*tidy)(cq_objects *s, const char *scratch, cq_error *err);
  void (*close)(cq_objects *s);
} cq_objects_ops;

struct cq_objects {
  const cq_objects_ops *ops;
  /* What stands before a key to make an address that others can read by:
   * "s3://bucket/", or "" where a key is a path.  The store's own. */
  const char *root;
};

struct cq_object {
  cq_objects *store;
  size_t held; /* bytes of it that are in memory */
};

/* ---- spec.c: keys that all such destinations have ------------------------- */
typedef enum cq_squeeze { CQ_PLAIN, CQ_GZIP, CQ_ZSTD } cq_squeeze;

typedef struct cq_object_options {
  const char *path;   /* template, whole: {{TABLE}} and what else was missing
                         are in it */
  const char *prefix; /* what stands before its first variable, up to the last
                         slash: "" or "a/b/" */
  const cq_encode_ops *format;
  const void *format_spec;
  cq_squeeze compression; /* of csv and json: of the file */
  int no_rotate, write_empty;
  int64_t keep; /* snapshots; 0 = all */
  cq_dest_gather gather;
  int athena; /* keys in JSON and columns' names: letters, digits and _ alone;
                 spec.c leaves it to the kinds that have that key */
} cq_object_options;

/* For cq_tree_check_keys: the keys that cq_object_spec reads. */
#define CQ_OBJECT_KEYS                                                         \
  "path", "format", "format_spec", "compression", "no_rotate", "batch_size",   \
      "batch_size_bytes", "batch_timeout", "keep",                             \
      "write_empty_objects_for_empty_tables"
/* Does not look for unknown keys: the caller's list has its own beside these. */
int cq_object_spec(cq_arena *a, const cq_node *map, cq_object_options *out,
                   cq_error *err);

/* ---- object.c: the destination over an open store --------------------------- */
/* `store` is the destination's from here on, also where this fails.  `o` lives
 * as long as the destination. */
int cq_object_open(const cq_dest_ops *ops, const cq_dest_def *d,
                   const cq_object_options *o, cq_objects *store, int make,
                   cq_dest **out, cq_error *err);
void cq_object_close(cq_dest *d);
int cq_object_last_group(cq_dest *d, int64_t *out, cq_error *err);
int cq_object_begin(cq_dest *d, cq_dest_run *r, cq_error *err);
int cq_object_migrate(cq_dest *d, cq_dest_table *t, int dry, cq_buf *actions,
                      cq_error *err);
int cq_object_states(cq_dest *d, const cq_dest_run *r, const char *table,
                     int (*each)(void *user, const char *client,
                                 const cq_dest_state *s),
                     void *user, cq_error *err);
int cq_object_write(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
                    const cq_dest_rows *rows, cq_error *err);
int cq_object_end(cq_dest *d, const cq_dest_run *r, cq_dest_unit *u,
                  const char *status, const char *cursor, cq_error *err);
void cq_object_drop(cq_dest *d, cq_dest_table *t);
int cq_object_put_table(cq_dest *d, const cq_dest_run *r,
                        const cq_dest_table *t, cq_error *err);
int cq_object_put_error(cq_dest *d, const cq_dest_run *r, const char *table,
                        const char *client, const char *kind,
                        const char *message, cq_error *err);
int cq_object_put_run(cq_dest *d, const cq_dest_run *r, const char *status,
                      const cq_counts *n, int ntable, const char *message,
                      cq_error *err);
int cq_object_poll(cq_dest *d, cq_dest_event *out);
int cq_object_test(cq_dest *d, cq_error *err);
int cq_object_commit(cq_dest *d, int force, cq_error *err);
int cq_object_publish(cq_dest *d, const cq_dest_run *r, cq_dest_table *const *t,
                      int nt, const char *status, const cq_counts *n,
                      const char *message, cq_error *err);
int cq_object_summary(cq_dest *d, const cq_value *v, int n, cq_error *err);
int cq_object_prune(cq_dest *d, int64_t keep, cq_buf *out, cq_error *err);

/* What a kind's cq_dest_ops has beside its name, title, options, schemes, spec
 * and open:
 *   const cq_dest_ops cq_dest_file = {.name = "file", ..., CQ_OBJECT_DEST}; */
#define CQ_OBJECT_DEST                                                         \
  .capabilities = "[\"append\",\"snapshots\",\"retention\"]", .threaded = 1,   \
  .append_only = 1, .close = cq_object_close,                                  \
  .last_group = cq_object_last_group, .begin = cq_object_begin,                \
  .migrate = cq_object_migrate, .states = cq_object_states,                    \
  .write = cq_object_write, .end = cq_object_end, .drop = cq_object_drop,      \
  .put_table = cq_object_put_table, .put_error = cq_object_put_error,          \
  .put_run = cq_object_put_run, .poll = cq_object_poll,                        \
  .test = cq_object_test, .commit = cq_object_commit,                          \
  .publish = cq_object_publish, .summary = cq_object_summary,                  \
  .prune = cq_object_prune

#endif
