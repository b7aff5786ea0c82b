/* ext/dest/clickhouse/stage.c: batches by way of S3: put there as objects of
 * RowBinary or Parquet, and read by the server itself through an address that is signed for
 * an hour, so that no key stands in a statement.  The objects stay. */
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "dest/clickhouse/internal.h"

#define WORDS(a) (a), sizeof(a) / sizeof *(a)

enum { SIGNED_S = 3600 };

struct ch_stage {
  cq_s3 *s3;
  cq_s3 *bare; /* the same, its endpoint without a port; or NULL */
  char *port;  /* ":8333", for bare */
};

/* ---- the spec ------------------------------------------------------------------- */

/* How its files are: lists as lists; UUIDs see parquet.c. */
static int parquet_spec(cq_arena *a, ch_options *o, cq_error *err) {
  static const char text[] = "{lists: list, uuid: text}";
  cq_node *map = NULL;
  int rc = cq_tree_parse(a, "stage", text, sizeof text - 1, &map, err);

  return rc ? rc : cq_encode_parquet.spec(a, map, &o->parquet, err);
}

int ch_stage_spec(cq_arena *a, const cq_node *map, ch_options *o,
                  cq_dest_def *d, cq_error *err) {
  static const char *const known[] = {
      "bucket",         "path",        "region", "endpoint",
      "use_path_style", "credentials", "format"};
  static const char *const formats[] = {"rowbinary", "parquet"};
  static const char *const keys[] = {
      "local_profile", "role_arn",          "role_session_name", "external_id",
      "access_key_id", "secret_access_key", "session_token"};
  const cq_node *m = cq_tree_get(map, "stage"), *c;
  cq_s3_options *s;
  int rc;

  if (!m || m->kind == CQ_N_NULL) return CQ_OK;
  if (m->kind != CQ_N_MAP) return cq_tree_error(err, m, "stage: is no map");
  s = cq_arena_alloc(a, sizeof *s);
  if (!s) return cq_error_nomem(err);
  memset(s, 0, sizeof *s);
  s->max_retries = 3;
  s->max_backoff_ms = 30000;
  o->stage_path = "";
  rc = cq_tree_check_keys(m, "stage", WORDS(known), err);
  if (rc == CQ_OK) rc = cq_tree_text(m, "bucket", &s->bucket, err);
  if (rc == CQ_OK && !s->bucket)
    rc = cq_tree_error(err, m, "stage: bucket is missing");
  if (rc == CQ_OK) rc = cq_tree_text(m, "path", &o->stage_path, err);
  if (rc == CQ_OK) rc = cq_tree_text(m, "region", &s->region, err);
  if (rc == CQ_OK) rc = cq_tree_text(m, "endpoint", &s->endpoint, err);
  if (rc == CQ_OK) rc = cq_tree_bool(m, "use_path_style", &s->path_style, err);
  if (rc == CQ_OK)
    rc = cq_tree_choice(m, "format", formats, 2, &o->stage_parquet, err);
  if (rc == CQ_OK) rc = parquet_spec(a, o, err);
  c = cq_tree_get(m, "credentials");
  if (rc == CQ_OK && c && c->kind == CQ_N_MAP) {
    const char **const to[] = {&s->profile,           &s->role_arn,
                               &s->role_session_name, &s->external_id,
                               &s->access_key_id,     &s->secret_access_key,
                               &s->session_token};

    rc = cq_tree_check_keys(c, "credentials", WORDS(keys), err);
    for (size_t i = 0; i < sizeof to / sizeof *to && rc == CQ_OK; i++)
      rc = cq_tree_text(c, keys[i], to[i], err);
    if (rc == CQ_OK && (cq_dest_secret(a, d, s->secret_access_key) ||
                        cq_dest_secret(a, d, s->session_token)))
      rc = cq_error_nomem(err);
  } else if (rc == CQ_OK && c && c->kind != CQ_N_NULL) {
    rc = cq_tree_error(err, c, "stage: credentials: is no map");
  }
  s->net = d->net;
  o->stage = s;
  return rc;
}

/* ---- open, close ------------------------------------------------------------------ */

/* Old servers send a Host without its port, so that has to be signed. */
static int open_bare(ch *d, ch_stage *s, cq_error *err) {
  cq_s3_options o = *d->o->stage;
  const char *host = o.endpoint ? strstr(o.endpoint, "://") : NULL;
  const char *colon = host ? strrchr(host + 3, ':') : NULL;
  char *plain;
  int rc;

  if (ch_has(d, CH_HAS_LOW_CARDINALITY) || !colon || strchr(colon, ']'))
    return CQ_OK;
  plain = cq_strndup(o.endpoint, (size_t)(colon - o.endpoint));
  s->port = cq_strndup(colon, strcspn(colon, "/"));
  o.endpoint = plain;
  rc = plain && s->port
           ? cq_s3_open(&o, d->def.interrupted, d->def.user, &s->bare, err)
           : cq_error_nomem(err);
  cq_free(plain);
  return rc;
}

int ch_stage_open(ch *d, cq_error *err) {
  int rc;

  if (!d->o->stage) return CQ_OK;
  if (d->o->stage_parquet && !ch_has(d, CH_HAS_PARQUET)) {
    cq_error_set(err, CQ_MISUSE,
                 "destination %s: stage: format: parquet: not read by "
                 "ClickHouse %s",
                 d->base.name, d->version_text);
    cq_error_hint(err, "22.8 or newer; format: rowbinary");
    return err->code;
  }
  d->stage = cq_calloc(1, sizeof *d->stage);
  if (!d->stage) return cq_error_nomem(err);
  rc = cq_s3_open(d->o->stage, d->def.interrupted, d->def.user, &d->stage->s3,
                  err);
  return rc ? rc : open_bare(d, d->stage, err);
}

void ch_stage_close(ch *d) {
  if (!d->stage) return;
  cq_s3_close(d->stage->s3);
  cq_s3_close(d->stage->bare);
  cq_free(d->stage->port);
  cq_free(d->stage);
  d->stage = NULL;
}

/* ---- batches ------------------------------------------------------------------------ */

static char *key_of(const ch *d, const ch_table *x, const char *id) {
  const char *path = d->o->stage_path;
  size_t n = strlen(path);

  return cq_mprintf("%s%s%s/%lld/%s.%s", path,
                    n && path[n - 1] != '/' ? "/" : "", x->table->def->name,
                    (long long)x->run->group, id,
                    x->as_parquet            ? "parquet"
                    : ch_has(d, CH_HAS_ZSTD) ? "rowbinary.zst"
                                             : "rowbinary");
}

static int put_rows(ch *d, const ch_table *x, const char *key, cq_error *err) {
  const char *rows = x->body.data + x->head;
  cq_s3_put_options o = {.media = x->as_parquet ? cq_encode_parquet.media
                                                : "application/octet-stream"};
  size_t n = x->body.len - x->head;
  cq_buf packed;
  int rc = CQ_OK;

  cq_buf_init(&packed, SIZE_MAX);
  if (ch_has(d, CH_HAS_ZSTD) && !x->as_parquet) {
    size_t room = ZSTD_compressBound(n), got;

    if (cq_buf_reserve(&packed, room)) return cq_error_nomem(err);
    got = ZSTD_compress(packed.data, room, rows, n, 1);
    if (ZSTD_isError(got)) rc = cq_error_nomem(err);
    rows = packed.data;
    n = got;
  }
  if (rc == CQ_OK) rc = cq_s3_put(d->stage->s3, key, rows, n, &o, NULL, err);
  cq_buf_clear(&packed);
  return rc;
}

/* The address by which the server gets the object. */
static int address(ch *d, const char *key, cq_buf *out, cq_error *err) {
  const ch_stage *s = d->stage;
  cq_buf plain;
  const char *host, *end;
  int rc;

  if (!s->bare) return cq_s3_presign(s->s3, key, SIGNED_S, out, err);
  cq_buf_init(&plain, CQ_MAX_URL);
  rc = cq_s3_presign(s->bare, key, SIGNED_S, &plain, err);
  host = rc == CQ_OK ? strstr(plain.data, "://") : NULL;
  if (host) {
    end = host + 3 + strcspn(host + 3, "/");
    cq_buf_add(out, plain.data, (size_t)(end - plain.data));
    cq_buf_str(out, s->port);
    cq_buf_str(out, end);
  }
  cq_buf_clear(&plain);
  return rc;
}

typedef struct shape {
  const ch_table *x;
  char **types;
} shape;

static int on_type(void *user, char **cell, int n) {
  shape *s = user;

  if (n < 2 || !cell[0] || !cell[1]) return CQ_OK;
  for (int i = 0; i < cq_dest_width(s->x->table); i++)
    if (strcmp(cq_dest_column(s->x->table, i), cell[0]) == 0) {
      s->types[i] = cq_strdup(cell[1]);
      if (!s->types[i]) return CQ_NOMEM;
    }
  return CQ_OK;
}

/* "c0 String, c1 Int64, ...": what stands in the object. */
static int add_shape(ch *d, const ch_table *x, cq_buf *out, cq_error *err) {
  int width = cq_dest_width(x->table);
  shape s = {x, cq_calloc((size_t)width, sizeof *s.types)};
  char *raw = cq_mprintf("raw_%s", x->table->def->name);
  int rc = s.types && raw
               ? ch_rows(d, on_type, &s, err,
                         "SELECT name, type FROM system.columns WHERE database "
                         "= %Q AND table = %Q",
                         d->o->database, raw)
               : cq_error_nomem(err);

  for (int i = 0; i < width && s.types; i++) {
    if (rc == CQ_OK && !s.types[i])
      rc = cq_error_set(err, CQ_ERROR, "destination %s: %s: no column %s",
                        d->base.name, raw, cq_dest_column(x->table, i));
    if (rc == CQ_OK) cq_buf_printf(out, "c%d %s, ", i, s.types[i]);
    cq_free(s.types[i]);
  }
  cq_buf_str(out, "r UInt64");
  cq_free(s.types);
  cq_free(raw);
  return rc;
}

int ch_stage_put(ch *d, const ch_table *x, const char *id, cq_buf *statement,
                 cq_error *err) {
  char *key = key_of(d, x, id);
  cq_buf url, types;
  int rc = key ? put_rows(d, x, key, err) : cq_error_nomem(err);
  size_t head = x->head - (sizeof "FORMAT RowBinary\n" - 1);

  cq_buf_init(&url, CQ_MAX_URL);
  cq_buf_init(&types, CQ_MAX_SPEC_BYTES);
  if (rc == CQ_OK) rc = address(d, key, &url, err);
  if (rc == CQ_OK && x->as_parquet)
    ch_parquet_shape(d, x, &types);
  else if (rc == CQ_OK)
    rc = add_shape(d, x, &types, err);
  if (rc == CQ_OK && !(url.rc || types.rc)) {
    cq_buf_add(statement, x->body.data, head);
    cq_buf_str(statement, "SELECT ");
    if (x->as_parquet)
      ch_parquet_select(d, x, statement);
    else
      cq_buf_byte(statement, '*');
    ch_format(d, statement, " FROM url(%.*Q, %Q, %.*Q)", (int)url.len, url.data,
              x->as_parquet ? "Parquet" : "RowBinary", (int)types.len,
              types.data);
  }
  if (rc == CQ_OK && (url.rc || types.rc || statement->rc))
    rc = cq_error_nomem(err);
  if (url.data) cq_wipe(url.data, url.len);
  cq_buf_clear(&url);
  cq_buf_clear(&types);
  cq_free(key);
  return rc;
}

static int at_first(void *user, const cq_s3_about *o) {
  (void)user, (void)o;
  return CQ_DONE;
}

/* A bucket that is not there and keys that nobody has are told before anything
 * is fetched.  Who may not list may still put: there the first batch tells. */
int ch_stage_look(ch *d, cq_error *err) {
  cq_error why = {0, ""};
  int rc;

  if (!d->stage) return CQ_OK;
  rc = cq_s3_list(d->stage->s3, d->o->stage_path, at_first, NULL, &why);
  if (!rc || strstr(why.text, "AccessDenied")) return CQ_OK;
  if (err) *err = why;
  return rc;
}

/* As a sync begins; and a small object, put and removed. */
int ch_stage_test(ch *d, cq_error *err) {
  char *key =
      cq_mprintf("%s%scq_test_%llx", d->o->stage_path,
                 *d->o->stage_path ? "/" : "", (unsigned long long)cq_random());
  cq_s3_put_options o = {.media = "text/plain"};
  int rc = key ? ch_stage_look(d, err) : cq_error_nomem(err);

  /* Where there is no bucket, some servers would make one of this. */
  if (rc == CQ_OK) rc = cq_s3_put(d->stage->s3, key, "cq", 2, &o, NULL, err);
  if (rc == CQ_OK) rc = cq_s3_delete(d->stage->s3, key, err);
  cq_free(key);
  return rc;
}
