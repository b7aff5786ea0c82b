/* ext/dest/s3/store.c: the destination s3: a bucket under the layer of objects.
 *
 * A small object is one put; a longer one goes in parts.  Parts cost money and
 * are in no list of objects, so before an upload begins, an object of its own
 * under the scratch prefix says at which key: by it, `tidy` finds what a killed
 * process has left. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dest/s3/internal.h"

typedef struct s3_store {
  cq_objects base;
  cq_s3 *s3;
  const s3_spec *spec;
  int plain;  /* the server knows no conditions */
  int proven; /* it has been seen to know them */
  char root[300];
} s3_store;

typedef struct s3_object {
  cq_object base;
  s3_store *store;
  char *key, *scratch, *mark; /* mark: the object that names the upload */
  cq_object_kind kind;
  cq_s3_upload *up; /* or NULL: shorter than a part so far */
  cq_buf part;
} s3_object;

static s3_store *store_of(cq_objects *s) {
  return (s3_store *)(void *)s;
}

static s3_object *object_of(cq_object *o) {
  return (s3_object *)(void *)o;
}

/* What the interface leaves to us has no such codes. */
static int plain_code(int rc, cq_error *err) {
  int code = rc == CQ_NOTFOUND || rc == CQ_CONSTRAINT ? CQ_IOERR
             : rc == CQ_MISUSE                        ? CQ_ERROR
                                                      : rc;

  if (err && rc) err->code = code;
  return code;
}

/* ---- an object that is being written ------------------------------------------------ */

static void object_free(s3_object *o) {
  cq_buf_clear(&o->part);
  cq_free(o->key);
  cq_free(o->scratch);
  cq_free(o->mark);
  cq_free(o);
}

static int store_begin(cq_objects *s, const char *key, const char *scratch,
                       const cq_object_kind *kind, cq_object **out,
                       cq_error *err) {
  s3_object *o = cq_calloc(1, sizeof *o);

  *out = NULL;
  if (!o) return cq_error_nomem(err);
  o->base.store = s;
  o->store = store_of(s);
  o->kind = *kind;
  if (o->store->spec->content_type)
    o->kind.media = o->store->spec->content_type;
  o->key = cq_strdup(key);
  o->scratch = cq_strdup(scratch);
  cq_buf_init(&o->part, (size_t)o->store->spec->part_size);
  if (!o->key || !o->scratch) {
    object_free(o);
    return cq_error_nomem(err);
  }
  *out = &o->base;
  return CQ_OK;
}

static int begin_upload(s3_object *o, cq_error *err) {
  const cq_s3_put_options mark = {.media = "text/plain"};
  const cq_s3_put_options what = {.media = o->kind.media,
                                  .encoding = o->kind.encoding};
  int rc;

  o->mark = cq_mprintf("%s%016llx.upload", o->scratch,
                       (unsigned long long)cq_random());
  if (!o->mark) return cq_error_nomem(err);
  rc = cq_s3_put(o->store->s3, o->mark, o->key, strlen(o->key), &mark, NULL,
                 err);
  if (rc == CQ_OK)
    rc = cq_s3_upload_begin(o->store->s3, o->key, &what, &o->up, err);
  return rc;
}

/* A part goes once it is known that another follows: the last may be short, and
 * an object of one part needs no upload. */
static int send_part(s3_object *o, cq_error *err) {
  int rc = o->up ? CQ_OK : begin_upload(o, err);

  if (rc == CQ_OK)
    rc = cq_s3_upload_part(o->up, o->part.data, o->part.len, err);
  /* Many may be under way: none keeps a part's memory between two. */
  if (rc == CQ_OK) cq_buf_clear(&o->part);
  return plain_code(rc, err);
}

static int object_write(cq_object *base, const void *p, size_t n,
                        cq_error *err) {
  s3_object *o = object_of(base);
  const char *from = p;
  int rc = CQ_OK;

  while (n > 0 && rc == CQ_OK) {
    size_t room = o->part.max - o->part.len, some = n < room ? n : room;

    if (some == 0) {
      rc = send_part(o, err);
      continue;
    }
    cq_buf_add(&o->part, from, some);
    if (o->part.rc) return cq_error_nomem(err);
    from += some;
    n -= some;
  }
  base->held = o->part.cap;
  return rc;
}

static void object_abort(cq_object *base) {
  s3_object *o = object_of(base);
  s3_last_words last;
  int rc = CQ_OK;

  s3_hurry(o->store->s3, &last);
  if (o->up)
    rc = cq_s3_upload_free(o->up);
  else if (o->mark) /* it may have begun, though no answer said so */
    rc = cq_s3_upload_sweep(o->store->s3, o->key, NULL);
  /* else the mark stays, for tidy */
  if (o->mark && rc == CQ_OK) cq_s3_delete(o->store->s3, o->mark, NULL);
  s3_hurry_end(o->store->s3, &last);
  object_free(o);
}

static int object_finish(cq_object *base, cq_error *err) {
  s3_object *o = object_of(base);
  const cq_s3_put_options what = {.media = o->kind.media,
                                  .encoding = o->kind.encoding};
  int rc;

  if (o->up) {
    rc = o->part.len ? send_part(o, err) : CQ_OK;
    if (rc == CQ_OK) rc = cq_s3_upload_end(o->up, err);
  } else {
    rc = cq_s3_put(o->store->s3, o->key, o->part.data, o->part.len, &what, NULL,
                   err);
  }
  if (rc) {
    object_abort(base);
    return plain_code(rc, err);
  }
  if (o->mark) {
    cq_s3_upload_free(o->up);
    /* the object is whole: a mark too many does no harm */
    cq_s3_delete(o->store->s3, o->mark, NULL);
  }
  object_free(o);
  return CQ_OK;
}

/* ---- small objects -------------------------------------------------------------------- */

static void tag_set(cq_object_tag tag, const char *etag) {
  if (tag) snprintf(tag, CQ_OBJECT_TAG, "%s", etag ? etag : "");
}

/* Is what stands there what we have put?  1 yes, 0 no, -1 cannot tell. */
static int is_ours(s3_store *s, const char *key, const void *p, size_t n,
                   cq_object_tag tag) {
  char *etag = NULL;
  cq_buf b;
  int ours = -1, rc;

  cq_buf_init(&b, n + 1);
  rc = cq_s3_get(s->s3, key, &b, &etag, NULL);
  if (rc == CQ_OK || rc == CQ_TOOBIG || rc == CQ_NOTFOUND)
    ours = rc == CQ_OK && b.len == n && (n == 0 || memcmp(b.data, p, n) == 0);
  if (ours == 1) tag_set(tag, etag);
  cq_buf_clear(&b);
  cq_free(etag);
  return ours;
}

static int changed(const char *key, cq_error *err) {
  return cq_error_set(err, CQ_BUSY, "%.300s has been changed by another", key);
}

/* What is there, as the condition needs it; a second look is the server's. */
static int look(s3_store *s, const char *key, const char *only, cq_error *err) {
  char *etag = NULL;
  int rc = cq_s3_head(s->s3, key, NULL, &etag, err);

  if (rc == CQ_NOTFOUND) {
    if (err) cq_error_clear(err);
    rc = *only ? changed(key, err) : CQ_OK;
  } else if (rc == CQ_OK &&
             (!*only || strncmp(etag, only, CQ_OBJECT_TAG - 1))) {
    rc = changed(key, err);
  }
  cq_free(etag);
  return rc;
}

/* A server that takes the same put twice with the condition that there be
 * nothing does not know the condition. */
static int prove(s3_store *s, const char *key, const void *p, size_t n,
                 const cq_s3_put_options *o, cq_error *err) {
  int rc = cq_s3_put(s->s3, key, p, n, o, NULL, err);

  if (rc == CQ_OK || rc == CQ_MISUSE) s->plain = 1;
  if (rc == CQ_CONSTRAINT) s->proven = 1;
  if (rc != CQ_CONSTRAINT && rc != CQ_MISUSE) return rc;
  if (err) cq_error_clear(err);
  return CQ_OK;
}

static int put_if(s3_store *s, const char *key, const cq_object_kind *kind,
                  const void *p, size_t n, const char *only, cq_object_tag tag,
                  cq_error *err) {
  cq_s3_put_options o = {.media = kind->media, .encoding = kind->encoding};
  char *etag = NULL;
  const int fresh = !*only; /* `only` may be the same text as `tag` */
  int rc = look(s, key, only, err), ours;

  if (rc) return rc;
  if (!s->plain) {
    o.only_new = fresh;
    o.match = fresh ? NULL : only;
    rc = cq_s3_put(s->s3, key, p, n, &o, &etag, err);
    if (rc == CQ_OK) tag_set(tag, etag);
    cq_free(etag);
    /* A put whose answer was lost finds itself there. */
    if (rc == CQ_CONSTRAINT) {
      ours = is_ours(s, key, p, n, tag);
      if (ours < 0) return plain_code(rc, err);
      if (err) cq_error_clear(err);
      return ours ? CQ_OK : changed(key, err);
    }
    if (rc == CQ_MISUSE) {
      if (err) cq_error_clear(err);
      s->plain = 1;
    } else if (rc || s->proven || !fresh) {
      return rc;
    } else {
      rc = prove(s, key, p, n, &o, err);
      if (rc || !s->plain) return rc;
    }
    o.only_new = 0;
    o.match = NULL;
  }
  rc = cq_s3_put(s->s3, key, p, n, &o, &etag, err);
  if (rc == CQ_OK) tag_set(tag, etag);
  cq_free(etag);
  if (rc || !fresh) return rc;
  /* Of two that have put at once, the first one sees the second's. */
  rc = s3_wait(s->s3, S3_SETTLE_MS, err);
  if (rc) return rc;
  ours = is_ours(s, key, p, n, tag);
  return ours == 1 ? CQ_OK
         : ours < 0
             ? cq_error_set(err, CQ_IOERR,
                            "%.300s cannot be read after it was written", key)
             : changed(key, err);
}

static int store_put(cq_objects *base, const char *key,
                     const cq_object_kind *kind, const void *p, size_t n,
                     const char *only, cq_object_tag tag, cq_error *err) {
  const cq_s3_put_options o = {.media = kind->media,
                               .encoding = kind->encoding};
  s3_store *s = store_of(base);
  char *etag = NULL;
  int rc;

  /* only and tag may be the same */
  if (only) return plain_code(put_if(s, key, kind, p, n, only, tag, err), err);
  rc = cq_s3_put(s->s3, key, p, n, &o, &etag, err);
  if (rc == CQ_OK) tag_set(tag, etag);
  cq_free(etag);
  return plain_code(rc, err);
}

static int store_get(cq_objects *base, const char *key, cq_buf *out,
                     cq_object_tag tag, cq_error *err) {
  char *etag = NULL;
  int rc = cq_s3_get(store_of(base)->s3, key, out, &etag, err);

  tag_set(tag, etag);
  cq_free(etag);
  return rc;
}

/* ---- many ------------------------------------------------------------------------------- */

typedef struct listing {
  int (*each)(void *user, const char *key, int64_t bytes);
  void *user;
} listing;

static int list_one(void *user, const cq_s3_about *o) {
  const listing *l = user;

  return l->each(l->user, o->key, o->size);
}

static int store_list(cq_objects *base, const char *prefix,
                      int (*each)(void *user, const char *key, int64_t bytes),
                      void *user, cq_error *err) {
  listing l = {each, user};

  return cq_s3_list(store_of(base)->s3, prefix, list_one, &l, err);
}

static int store_remove(cq_objects *base, const char *const *keys, size_t n,
                        cq_error *err) {
  return plain_code(cq_s3_remove(store_of(base)->s3, keys, n, err), err);
}

typedef struct marks {
  cq_arena arena;
  const char **v;
  size_t n, cap;
} marks;

static int mark_one(void *user, const cq_s3_about *o) {
  marks *m = user;
  size_t n = strlen(o->key);

  if (n < 7 || strcmp(o->key + n - 7, ".upload") != 0) return CQ_OK;
  if (cq_grow(&m->v, &m->cap, m->n, sizeof *m->v)) return CQ_NOMEM;
  m->v[m->n] = cq_arena_strndup(&m->arena, o->key, n);
  return m->v[m->n++] ? CQ_OK : CQ_NOMEM;
}

static int store_tidy(cq_objects *base, const char *scratch, cq_error *err) {
  s3_store *s = store_of(base);
  marks m = {.n = 0};
  int rc;

  cq_arena_init(&m.arena);
  rc = cq_s3_list(s->s3, scratch, mark_one, &m, err);
  if (rc == CQ_NOMEM) cq_error_nomem(err);
  for (size_t i = 0; i < m.n && rc == CQ_OK; i++) {
    cq_buf key;

    cq_buf_init(&key, S3_KEY_MAX + 1);
    rc = cq_s3_get(s->s3, m.v[i], &key, NULL, err);
    if (rc == CQ_OK && key.len) rc = cq_s3_upload_sweep(s->s3, key.data, err);
    if (rc == CQ_NOTFOUND) { /* somebody else has tidied up */
      if (err) cq_error_clear(err);
      rc = CQ_OK;
    }
    if (rc == CQ_OK) rc = cq_s3_delete(s->s3, m.v[i], err);
    cq_buf_clear(&key);
  }
  cq_free(m.v);
  cq_arena_clear(&m.arena);
  return plain_code(rc, err);
}

static void store_close(cq_objects *base) {
  s3_store *s = store_of(base);

  cq_s3_close(s->s3);
  cq_free(s);
}

static const cq_objects_ops store_ops = {
    store_begin, object_write, object_finish, object_abort, store_put,
    store_get,   store_list,   store_remove,  store_tidy,   store_close};

/* ---- the destination ---------------------------------------------------------------------- */

static int s3_open(const cq_dest_def *d, int make, cq_dest **out,
                   cq_error *err) {
  const s3_spec *spec = d->options;
  s3_store *s = cq_calloc(1, sizeof *s);
  int rc;

  *out = NULL;
  if (!s) return cq_error_nomem(err);
  rc = cq_s3_open(&spec->client, d->interrupted, d->user, &s->s3, err);
  if (rc) {
    cq_free(s);
    return rc;
  }
  s->spec = spec;
  snprintf(s->root, sizeof s->root, "s3://%s/", spec->client.bucket);
  s->base.ops = &store_ops;
  s->base.root = s->root;
  rc = cq_object_open(&cq_dest_s3, d, &spec->object, &s->base, make, out, err);
  if (rc || !make || !spec->test) return rc;
  rc = cq_dest_s3.test(*out, err);
  if (rc == CQ_OK) return rc;
  cq_dest_s3.close(*out);
  *out = NULL;
  return rc;
}

static const char options[] =
    "{\"bucket\":\"the bucket, which is there already\",\"region\":\"its "
    "region; found out where it is missing\",\"path\":\"where objects go: "
    "{{TABLE}} {{UUID}} {{FORMAT}} {{SYNC_ID}} {{YEAR}} {{MONTH}} {{DAY}} "
    "{{HOUR}} {{MINUTE}}\",\"format\":\"parquet, json or "
    "csv\",\"format_spec\":\"the format's own keys\",\"compression\":\"of csv "
    "and json: none, gzip, zstd\",\"no_rotate\":\"one object a table and "
    "run\",\"batch_size\":\"rows of an object\",\"batch_size_bytes\":\"its "
    "bytes\",\"batch_timeout\":\"how long it is "
    "gathered\",\"keep\":\"snapshots "
    "that are kept\",\"write_empty_objects_for_empty_tables\":\"an object "
    "without rows where a table has none\",\"athena\":\"keys in JSON of "
    "letters, digits and _ alone\",\"endpoint\":\"another server's "
    "URL\",\"endpoint_skip_tls_verify\":\"its certificate is not "
    "checked\",\"ca_file\":\"authorities to trust, in PEM "
    "form\",\"use_path_style\":\"the bucket stands in the "
    "path\",\"acl\":\"canned ACL of each object\",\"content_type\":\"of the "
    "tables' objects, instead of the "
    "format's\",\"server_side_encryption_configuration\":"
    "\"server_side_encryption: AES256, aws:kms, aws:kms:dsse; "
    "sse_kms_key_id\",\"credentials\":\"local_profile, role_arn, "
    "role_session_name, external_id, access_key_id, secret_access_key, "
    "session_token\",\"max_retries\":\"tries beside the first: "
    "3\",\"max_backoff\":\"seconds between two, at most: "
    "30\",\"part_size\":\"bytes of a part of an upload: "
    "5242880\",\"test_write\":\"each sync begins with an "
    "object put, got and removed\",\"aws_debug\":\"tells each request on "
    "stderr\"}";

const cq_dest_ops cq_dest_s3 = {
    .name = "s3",
    .title = "Objects in S3, or a server that speaks its protocol",
    .options = options,
    .schemes = "s3",
    .spec = s3_spec_read,
    .open = s3_open,
    CQ_OBJECT_DEST};
