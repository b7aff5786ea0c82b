/* ext/dest/object/spec.c: the keys that all stores of objects have, and where a
 * table's files go: the path's template, made whole and filled in. */
#include "dest/object/internal.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {"{{TABLE}}",   "{{UUID}}", "{{FORMAT}}",
                                    "{{SYNC_ID}}", "{{YEAR}}", "{{MONTH}}",
                                    "{{DAY}}",     "{{HOUR}}", "{{MINUTE}}"};
enum { W_TABLE, W_UUID, W_FORMAT, W_SYNC, W_YEAR, W_MINUTE = 8, WORDS };

static const char *const endings[] = {"", ".gz", ".zst"};

static int check_words(const cq_node *at, const char *path, cq_error *err) {
  for (const char *p = path; (p = strstr(p, "{{")) != NULL; p += 2) {
    int i;

    for (i = 0; i < WORDS; i++)
      if (strncmp(p, words[i], strlen(words[i])) == 0) break;
    if (i == WORDS) {
      const char *end = strstr(p, "}}");

      cq_tree_error(err, at, "path: no such variable: %.*s",
                    end ? (int)(end - p) + 2 : (int)strlen(p), p);
      cq_error_hint(err, "{{TABLE}} {{UUID}} {{FORMAT}} {{SYNC_ID}} {{YEAR}} "
                         "{{MONTH}} {{DAY}} {{HOUR}} {{MINUTE}}");
      return CQ_MISUSE;
    }
  }
  return CQ_OK;
}

static int ends_with(const char *s, size_t n, const char *end) {
  size_t k = strlen(end);

  return n >= k && strncmp(s + n - k, end, k) == 0;
}

/* Where the ending of the path's last part begins, with that of its
 * compression; its length where it has none. */
static size_t find_ending(const char *path, const char *squeezed) {
  const char *slash = strrchr(path, '/');
  const char *last = slash ? slash + 1 : path;
  size_t n = strlen(last), k = n;

  if (*squeezed && ends_with(last, n, squeezed)) k -= strlen(squeezed);
  for (size_t i = k; i > 0; i--)
    if (last[i - 1] == '.') return (size_t)(last - path) + i - 1;
  return (size_t)(last - path) + k;
}

/* A name that no file had before: what a reader may have open is never written
 * over; and an ending by which readers know the format. */
static void put_name(cq_buf *b, const char *path, const char *squeezed) {
  size_t n = strlen(path), at = find_ending(path, squeezed);
  const char *end = path + at;

  cq_buf_add(b, path, at);
  if (!strstr(path, "{{UUID}}")) cq_buf_str(b, ".{{UUID}}");
  cq_buf_str(b, *end ? end : ".{{FORMAT}}");
  if (*end && !strstr(end, "{{FORMAT}}") && !ends_with(path, n, squeezed))
    cq_buf_str(b, squeezed);
}

/* What the path leaves out: a place for each table, a name for each file. */
static int make_whole(cq_arena *a, const char *path, cq_object_options *o,
                      cq_error *err) {
  const char *slash = strrchr(path, '/');
  const char *last = slash ? slash + 1 : path;
  char *text;
  cq_buf whole, b;
  size_t n;

  cq_buf_init(&whole, CQ_MAX_TEMPLATE);
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  if (strstr(path, "{{TABLE}}")) {
    cq_buf_str(&whole, path);
  } else if (strstr(last, "{{UUID}}") || strstr(last, "{{FORMAT}}")) {
    cq_buf_add(&whole, path, (size_t)(last - path));
    cq_buf_str(&whole, "{{TABLE}}/");
    cq_buf_str(&whole, last);
  } else {
    cq_buf_str(&whole, path);
    if (*last) cq_buf_byte(&whole, '/');
    cq_buf_str(&whole, "{{TABLE}}/");
  }
  if (whole.len && whole.data[whole.len - 1] == '/')
    cq_buf_str(&whole, "{{UUID}}.{{FORMAT}}");
  if (whole.rc)
    b.rc = whole.rc;
  else
    put_name(&b, whole.data, endings[o->compression]);
  cq_buf_clear(&whole);
  text = b.rc ? NULL : cq_arena_strndup(a, b.data, b.len);
  cq_buf_clear(&b);
  if (!text) return cq_error_nomem(err);
  o->path = text;
  for (n = (size_t)(strstr(text, "{{") - text); n > 0 && text[n - 1] != '/';)
    n--;
  o->prefix = cq_arena_strndup(a, text, n);
  if (!o->prefix) return cq_error_nomem(err);
  if (!obj_is_below(text + n))
    return cq_error_set(err, CQ_MISUSE, "path: .. behind a variable: %s", path);
  return CQ_OK;
}

static int read_format(cq_arena *a, const cq_node *map, cq_object_options *o,
                       cq_error *err) {
  static const char *const squeezes[] = {"none", "gzip", "zstd", ""};
  const cq_node *own = cq_tree_get(map, "format_spec");
  const char *names[8];
  cq_node none;
  size_t n;
  const cq_encode_ops *const *kinds = cq_encode_kinds(&n);
  int format = -1, squeeze = 0, rc;

  for (size_t i = 0; i < n; i++) names[i] = kinds[i]->name;
  rc = cq_tree_choice(map, "format", names, n, &format, err);
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "compression", squeezes, 4, &squeeze, err);
  if (rc) return rc;
  o->format = format >= 0 ? kinds[format] : &cq_encode_parquet;
  o->compression = (cq_squeeze)(squeeze % 3);
  if (o->format == &cq_encode_parquet && o->compression != CQ_PLAIN) {
    rc = cq_tree_error(err, cq_tree_get(map, "compression"),
                       "compression: a Parquet file is compressed within");
    cq_error_hint(err, "format_spec: {compression: %s}", squeezes[squeeze]);
    return rc;
  }
  memset(&none, 0, sizeof none);
  none.kind = CQ_N_MAP;
  if (!own || own->kind == CQ_N_NULL) own = &none;
  if (own->kind != CQ_N_MAP)
    return cq_tree_error(err, own, "format_spec: not a map");
  rc = o->format->spec ? o->format->spec(a, own, &o->format_spec, err)
                       : cq_tree_check_keys(own, "format_spec", NULL, 0, err);
  if (rc)
    cq_error_hint(err,
                  "the format is %s; what is of another wants its name "
                  "in format",
                  o->format->name);
  return rc;
}

int cq_object_spec(cq_arena *a, const cq_node *map, cq_object_options *out,
                   cq_error *err) {
  const char *path = NULL;
  int rc;

  memset(out, 0, sizeof *out);
  out->gather.rows = INT64_MAX;
  out->gather.bytes = INT64_C(64) << 20;
  out->gather.ms = 60000;
  rc = cq_tree_text(map, "path", &path, err);
  if (rc == CQ_OK && (!path || !*path)) {
    rc = cq_tree_error(err, map, "path is missing");
    cq_error_hint(err, "path: data/{{TABLE}}/{{UUID}}.{{FORMAT}}");
  }
  if (rc == CQ_OK) rc = check_words(cq_tree_get(map, "path"), path, err);
  if (rc == CQ_OK) rc = read_format(a, map, out, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "no_rotate", &out->no_rotate, err);
  if (rc == CQ_OK)
    rc = cq_tree_bool(map, "write_empty_objects_for_empty_tables",
                      &out->write_empty, err);
  if (rc == CQ_OK)
    rc = cq_tree_int(map, "keep", 1, INT64_C(1) << 31, &out->keep, err);
  if (rc == CQ_OK) rc = cq_dest_gather_spec(map, &out->gather, err);
  return rc ? rc : make_whole(a, path, out, err);
}

/* What stands in a manifest or a journal was written by whoever may write there:
 * nothing that it names outside is touched. */
int obj_is_below(const char *path) {
  if (*path == '/') return 0;
  for (const char *p = path; p; p = strchr(p, '/')) {
    if (*p == '/') p++;
    if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2])) return 0;
  }
  return 1;
}

/* ---- keys --------------------------------------------------------------------- */

/* A path as the manifest has it: without the prefix. */
const char *obj_relative(const obj_dest *d, const char *key) {
  return key + strlen(d->o.prefix);
}

/* No file's name is longer than 255 bytes, and others stand beside it: one that
 * is long is cut, not within a %XX, and ends in a hash of all. */
static void cut_name(cq_buf *b, const char *source, size_t n) {
  size_t keep = OBJ_NAME_BYTES - 17;

  if (b->rc) return;
  if (keep > b->len) keep = b->len;
  while (keep &&
         (b->data[keep - 1] == '%' || (keep > 1 && b->data[keep - 2] == '%')))
    keep--;
  b->len = keep;
  cq_buf_printf(b, "-%016llx", (unsigned long long)cq_hash64(source, n, 0));
}

char *obj_name(const char *source) {
  size_t n = strlen(source);
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  cq_percent_encode(&b, source, n < OBJ_NAME_BYTES ? n : OBJ_NAME_BYTES, "");
  if (n > OBJ_NAME_BYTES || b.len > OBJ_NAME_BYTES) cut_name(&b, source, n);
  /* "." and ".." would be folders. */
  if (b.rc == CQ_OK && b.len && strspn(b.data, ".") == b.len) {
    cq_buf_reset(&b);
    for (const char *p = source; *p; p++) cq_buf_str(&b, "%2E");
  }
  return cq_buf_take(&b);
}

char *obj_file_key(const obj_dest *d, const obj_table *t) {
  static const int from[] = {0, 5, 8, 11, 14}, len[] = {4, 2, 2, 2, 2};
  char uuid[37], time[40];
  const char *p = d->o.path;
  cq_buf b;

  cq_uuid4(uuid);
  cq_time_format(t->run->r->started_us, time);
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  while (*p) {
    int i;

    for (i = 0; i < WORDS; i++)
      if (strncmp(p, words[i], strlen(words[i])) == 0) break;
    if (i == WORDS)
      cq_buf_byte(&b, *p++);
    else
      p += strlen(words[i]);
    if (i == W_TABLE)
      cq_buf_str(&b, t->t->def->name);
    else if (i == W_UUID)
      cq_buf_str(&b, uuid);
    else if (i == W_FORMAT)
      cq_buf_printf(&b, "%s%s", d->o.format->extension,
                    endings[d->o.compression]);
    else if (i == W_SYNC)
      cq_buf_printf(&b, "%lld", (long long)t->run->r->group);
    else if (i >= W_YEAR && i <= W_MINUTE)
      cq_buf_add(&b, time + from[i - W_YEAR], (size_t)len[i - W_YEAR]);
  }
  return cq_buf_take(&b);
}
