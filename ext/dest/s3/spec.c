/* ext/dest/s3/spec.c: the destination's keys, and its short form
 * s3://bucket/prefix?format=json. */
#include <string.h>

#include "dest/s3/internal.h"

#define WORDS(a) (a), sizeof(a) / sizeof *(a)

/* ---- the short form --------------------------------------------------------------- */

static int add(cq_arena *a, cq_node *map, const cq_node *at, const char *key,
               const char *text, size_t n) {
  cq_node *v = cq_arena_alloc(a, sizeof *v);

  if (!v) return CQ_NOMEM;
  *v = *at;
  v->kind = CQ_N_SCALAR;
  v->quoted = 0;
  v->text = cq_dest_decoded(a, text, n);
  map->keys[map->count] = key;
  map->items[map->count++] = v;
  return v->text && key ? CQ_OK : CQ_NOMEM;
}

/* s3://bucket/prefix?key=value&... as the map that it stands for. */
static int from_url(cq_arena *a, const cq_node *map, cq_node *out,
                    cq_error *err) {
  const cq_node *at = cq_tree_get(map, "connection_string");
  const char *url = at->text, *p, *end;
  size_t n = 4;
  int *lines, rc;

  if (map->count != 1 || at->kind != CQ_N_SCALAR ||
      !cq_str_ieqn(url, "s3://", 5))
    return cq_tree_error(err, at,
                         "connection_string stands alone, and is "
                         "s3://bucket/prefix");
  for (p = url; *p; p++) n += *p == '&';
  *out = *map;
  out->count = 0;
  out->items = cq_arena_alloc(a, n * sizeof *out->items);
  out->keys = cq_arena_alloc(a, n * sizeof *out->keys);
  lines = cq_arena_alloc(a, n * sizeof *lines);
  if (!out->items || !out->keys || !lines) return cq_error_nomem(err);
  for (size_t i = 0; i < n; i++) lines[i] = at->line;
  out->key_lines = lines;
  p = url + 5;
  end = p + strcspn(p, "/?");
  rc = add(a, out, at, "bucket", p, (size_t)(end - p));
  p = *end == '/' ? end + 1 : end;
  end = p + strcspn(p, "?");
  /* a prefix is a folder, whether it ends so or not; none: the bucket's root */
  if (rc == CQ_OK && end == p)
    rc = add(a, out, at, "path", "{{TABLE}}/", 10);
  else if (rc == CQ_OK)
    rc = add(a, out, at, "path", p, (size_t)(end - p));
  for (p = *end ? end + 1 : end; *p && rc == CQ_OK;) {
    size_t len = strcspn(p, "&"), key = strcspn(p, "=&");
    size_t from = key < len ? key + 1 : len;

    rc = add(a, out, at, cq_arena_strndup(a, p, key), p + from, len - from);
    p += len;
    p += *p == '&';
  }
  return rc ? cq_error_nomem(err) : CQ_OK;
}

/* ---- the map ------------------------------------------------------------------------ */

static int read_credentials(cq_arena *a, const cq_node *map, s3_spec *s,
                            cq_dest_def *d, cq_error *err) {
  static const char *const known[] = {
      "local_profile", "role_arn",          "role_session_name", "external_id",
      "access_key_id", "secret_access_key", "session_token"};
  const char **const to[] = {
      &s->client.profile,           &s->client.role_arn,
      &s->client.role_session_name, &s->client.external_id,
      &s->client.access_key_id,     &s->client.secret_access_key,
      &s->client.session_token};
  int rc;

  if (!map || map->kind == CQ_N_NULL) return CQ_OK;
  if (map->kind != CQ_N_MAP)
    return cq_tree_error(err, map, "credentials: not a map");
  rc = cq_tree_check_keys(map, "credentials", WORDS(known), err);
  for (size_t i = 0; i < sizeof to / sizeof *to && rc == CQ_OK; i++)
    rc = cq_tree_text(map, known[i], to[i], err);
  if (rc) return rc;
  if (!s->client.access_key_id != !s->client.secret_access_key)
    return cq_tree_error(err, map,
                         "credentials: access_key_id and secret_access_key go "
                         "together");
  if (cq_dest_secret(a, d, s->client.secret_access_key) ||
      cq_dest_secret(a, d, s->client.session_token))
    return cq_error_nomem(err);
  return CQ_OK;
}

static int read_encryption(const cq_node *map, s3_spec *s, cq_error *err) {
  static const char *const known[] = {"server_side_encryption",
                                      "sse_kms_key_id"};
  static const char *const kinds[] = {"AES256", "aws:kms", "aws:kms:dsse"};
  int kind = -1, rc;

  if (!map || map->kind == CQ_N_NULL) return CQ_OK;
  if (map->kind != CQ_N_MAP)
    return cq_tree_error(err, map,
                         "server_side_encryption_configuration: not a map");
  rc = cq_tree_check_keys(map, "server_side_encryption_configuration",
                          WORDS(known), err);
  if (rc == CQ_OK)
    rc =
        cq_tree_choice(map, "server_side_encryption", WORDS(kinds), &kind, err);
  if (rc == CQ_OK)
    rc = cq_tree_text(map, "sse_kms_key_id", &s->client.sse_key_id, err);
  if (rc) return rc;
  /* CloudQuery wants the key, and says so of none. */
  if (s->client.sse_key_id && !*s->client.sse_key_id)
    s->client.sse_key_id = NULL;
  if (kind < 0)
    return cq_tree_error(err, map,
                         "server_side_encryption_configuration: "
                         "server_side_encryption is missing");
  if (kind == 0 && s->client.sse_key_id)
    return cq_tree_error(err, map,
                         "server_side_encryption_configuration: sse_kms_key_id "
                         "goes with aws:kms, and it is AES256");
  s->client.sse = kinds[kind];
  return CQ_OK;
}

int s3_spec_read(cq_arena *a, const cq_node *map, cq_dest_def *d,
                 cq_error *err) {
  static const char *const known[] = {CQ_OBJECT_KEYS,
                                      "connection_string",
                                      "bucket",
                                      "region",
                                      "athena",
                                      "test_write",
                                      "endpoint",
                                      "endpoint_skip_tls_verify",
                                      "use_path_style",
                                      "ca_file",
                                      "acl",
                                      "content_type",
                                      "server_side_encryption_configuration",
                                      "credentials",
                                      "max_retries",
                                      "max_backoff",
                                      "part_size",
                                      "aws_debug"};
  static const char *const acls[] = {"private",
                                     "public-read",
                                     "public-read-write",
                                     "authenticated-read",
                                     "aws-exec-read",
                                     "bucket-owner-read",
                                     "bucket-owner-full-control"};
  s3_spec *s = cq_arena_alloc(a, sizeof *s);
  int64_t backoff_s = 30;
  int acl = -1, athena = 0, rc;
  cq_node made;

  if (!s) return cq_error_nomem(err);
  memset(s, 0, sizeof *s);
  s->client.max_retries = 3;
  s->part_size = CQ_S3_PART_MIN;
  rc = cq_tree_check_keys(map, "s3", WORDS(known), err);
  if (rc == CQ_OK && cq_tree_get(map, "connection_string")) {
    rc = from_url(a, map, &made, err);
    map = &made;
    if (rc == CQ_OK) rc = cq_tree_check_keys(map, "s3", WORDS(known), err);
  }
  if (rc == CQ_OK) rc = cq_tree_text(map, "bucket", &s->client.bucket, err);
  if (rc == CQ_OK && (!s->client.bucket || !*s->client.bucket))
    rc = cq_tree_error(err, map,
                       "bucket is missing\nhint: bucket: my-lake, or "
                       "s3://my-lake/path as the destination");
  if (rc == CQ_OK) rc = cq_tree_text(map, "region", &s->client.region, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "endpoint", &s->client.endpoint, err);
  if (rc == CQ_OK)
    rc = cq_tree_bool(map, "endpoint_skip_tls_verify", &s->client.skip_verify,
                      err);
  if (rc == CQ_OK)
    rc = cq_tree_bool(map, "use_path_style", &s->client.path_style, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "ca_file", &s->client.ca_file, err);
  if (rc == CQ_OK) rc = cq_tree_choice(map, "acl", WORDS(acls), &acl, err);
  if (rc == CQ_OK)
    rc = cq_tree_text(map, "content_type", &s->content_type, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "athena", &athena, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "test_write", &s->test, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "aws_debug", &s->client.debug, err);
  if (rc == CQ_OK)
    rc = cq_tree_int(map, "max_retries", 0, 100, &s->client.max_retries, err);
  if (rc == CQ_OK)
    rc = cq_tree_int(map, "max_backoff", 0, 3600, &backoff_s, err);
  if (rc == CQ_OK)
    rc = cq_tree_int(map, "part_size", CQ_S3_PART_MIN, S3_PART_MAX,
                     &s->part_size, err);
  if (rc == CQ_OK)
    rc = read_credentials(a, cq_tree_get(map, "credentials"), s, d, err);
  if (rc == CQ_OK)
    rc = read_encryption(
        cq_tree_get(map, "server_side_encryption_configuration"), s, err);
  if (rc == CQ_OK) rc = cq_object_spec(a, map, &s->object, err);
  if (rc) return rc;
  s->client.acl = acl < 0 ? NULL : acls[acl];
  s->client.max_backoff_ms = backoff_s * 1000;
  s->object.athena = athena;
  s->client.net = d->net;
  d->options = s;
  return CQ_OK;
}
