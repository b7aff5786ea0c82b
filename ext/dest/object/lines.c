/* ext/dest/object/lines.c: small objects as JSON and NDJSON: put, got, listed,
 * removed. */
#include "dest/object/internal.h"

#include <stdlib.h>
#include <string.h>

static const cq_object_kind json_kind = {"application/json", NULL};
static const cq_object_kind lines_kind = {"application/x-ndjson", NULL};

char *obj_key(const obj_dest *d, const char *fmt, ...) {
  size_t before = strlen(d->o.prefix);
  va_list ap, again;
  char *key = NULL;
  int n;

  va_start(ap, fmt);
  va_copy(again, ap);
  n = vsnprintf(NULL, 0, fmt, ap);
  if (n >= 0) key = cq_malloc(before + (size_t)n + 1);
  if (key) {
    memcpy(key, d->o.prefix, before);
    vsnprintf(key + before, (size_t)n + 1, fmt, again);
  }
  va_end(again);
  va_end(ap);
  return key;
}

/* Takes the line. */
int obj_add_line(cq_buf *b, json_t *line) {
  char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;

  json_decref(line);
  if (!text) {
    if (b->rc == CQ_OK) b->rc = CQ_NOMEM;
    return CQ_NOMEM;
  }
  cq_buf_str(b, text);
  cq_buf_byte(b, '\n');
  free(text);
  return b->rc;
}

int obj_put_text(obj_dest *d, const char *key, const cq_buf *b, cq_error *err) {
  if (b->rc) return cq_error_nomem(err);
  return d->store->ops->put(d->store, key, &lines_kind, b->data ? b->data : "",
                            b->len, NULL, NULL, err);
}

int obj_put_json(obj_dest *d, const char *key, const json_t *j,
                 const char *only, cq_object_tag tag, cq_error *err) {
  char *text = json_dumps(j, JSON_INDENT(1));
  int rc;

  if (!text) return cq_error_nomem(err);
  rc = d->store->ops->put(d->store, key, &json_kind, text, strlen(text), only,
                          tag, err);
  free(text);
  return rc;
}

int obj_get_json(obj_dest *d, const char *key, json_t **out, cq_object_tag tag,
                 cq_error *err) {
  cq_error why = {0, ""};
  json_error_t at;
  cq_buf b;
  int rc;

  *out = NULL;
  if (tag) tag[0] = '\0';
  cq_buf_init(&b, OBJ_SMALL_MAX);
  rc = d->store->ops->get(d->store, key, &b, tag, &why);
  if (rc == CQ_OK) {
    *out = json_loadb(b.data ? b.data : "", b.len, JSON_REJECT_DUPLICATES, &at);
    if (!*out || !json_is_object(*out)) {
      rc = cq_error_set(err, CQ_ERROR, "%s%s: not cq's: %s", d->store->root,
                        key, *out ? "no object" : at.text);
      json_decref(*out);
      *out = NULL;
    }
  } else if (rc == CQ_NOTFOUND) {
    if (tag) tag[0] = '\0';
    rc = CQ_OK;
  } else if (err) {
    *err = why;
  }
  cq_buf_clear(&b);
  return rc;
}

int obj_lines(obj_dest *d, const char *key,
              int (*each)(void *user, const json_t *line), void *user,
              cq_error *err) {
  cq_error why = {0, ""};
  cq_buf b;
  int rc;

  cq_buf_init(&b, OBJ_SMALL_MAX);
  rc = d->store->ops->get(d->store, key, &b, NULL, &why);
  if (rc == CQ_NOTFOUND) {
    cq_buf_clear(&b);
    return CQ_OK;
  }
  if (rc && err) *err = why;
  for (size_t at = 0; rc == CQ_OK && at < b.len;) {
    const char *end = memchr(b.data + at, '\n', b.len - at);
    size_t n = end ? (size_t)(end - b.data) - at : b.len - at;
    json_t *line = n ? json_loadb(b.data + at, n, 0, NULL) : NULL;

    if (n && !line)
      rc = cq_error_set(err, CQ_ERROR, "%s%s: no JSON at byte %zu",
                        d->store->root, key, at);
    if (line) rc = each(user, line);
    if (rc == CQ_NOMEM)
      cq_error_nomem(err);
    else if (rc && line)
      cq_error_set(err, rc, "%s%s: not as cq wrote it, at byte %zu",
                   d->store->root, key, at);
    json_decref(line);
    at += n + 1;
  }
  cq_buf_clear(&b);
  return rc;
}

/* ---- many ------------------------------------------------------------------------- */

static int add_key(void *user, const char *key, int64_t bytes) {
  obj_keys *k = user;

  (void)bytes;
  if (cq_grow(&k->v, &k->cap, k->n, sizeof *k->v)) return CQ_NOMEM;
  k->v[k->n] = cq_strdup(key);
  if (!k->v[k->n]) return CQ_NOMEM;
  k->n++;
  return CQ_OK;
}

static int by_text(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

int obj_keys_list(obj_dest *d, const char *prefix, obj_keys *out,
                  cq_error *err) {
  int rc;

  memset(out, 0, sizeof *out);
  rc = d->store->ops->list(d->store, prefix, add_key, out, err);
  if (rc) {
    obj_keys_free(out);
    return rc == CQ_NOMEM ? cq_error_nomem(err) : rc;
  }
  if (out->n > 1) qsort(out->v, out->n, sizeof *out->v, by_text);
  return CQ_OK;
}

void obj_keys_free(obj_keys *k) {
  for (size_t i = 0; i < k->n; i++) cq_free(k->v[i]);
  cq_free(k->v);
  memset(k, 0, sizeof *k);
}

int obj_lines_below(obj_dest *d, const char *prefix,
                    int (*each)(void *user, const json_t *line), void *user,
                    cq_error *err) {
  obj_keys keys;
  int rc = obj_keys_list(d, prefix, &keys, err);

  for (size_t i = 0; i < keys.n && rc == CQ_OK; i++)
    rc = obj_lines(d, keys.v[i], each, user, err);
  obj_keys_free(&keys);
  return rc;
}

int obj_remove_below(obj_dest *d, const char *prefix, cq_error *err) {
  obj_keys keys;
  int rc = obj_keys_list(d, prefix, &keys, err);

  if (rc == CQ_OK && keys.n)
    rc = d->store->ops->remove(d->store, (const char *const *)keys.v, keys.n,
                               err);
  obj_keys_free(&keys);
  return rc;
}
