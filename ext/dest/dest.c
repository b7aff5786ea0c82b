/* ext/dest/dest.c: the kinds of destinations, and what all of them share. */
#include "dest/dest.h"

#include <stdio.h>
#include <string.h>

static const cq_dest_ops *const kinds[] = {
    &cq_dest_sqlite, &cq_dest_postgresql, &cq_dest_duckdb,
    &cq_dest_file,   &cq_dest_s3,         &cq_dest_clickhouse};

const cq_dest_ops *const *cq_dest_kinds(size_t *n) {
  *n = sizeof kinds / sizeof *kinds;
  return kinds;
}

const cq_dest_ops *cq_dest_find(const char *name) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
  return NULL;
}

const cq_dest_ops *cq_dest_of_scheme(const char *scheme, size_t n) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    for (const char *p = kinds[i]->schemes; p && *p;) {
      size_t len = strcspn(p, " ");

      if (len == n && cq_str_ieqn(p, scheme, n)) return kinds[i];
      p += len;
      p += strspn(p, " ");
    }
  return NULL;
}

int cq_dest_start(const cq_dest_ops *ops, const cq_dest_def *d, int make,
                  cq_dest **out, cq_error *err) {
  int rc = ops->threaded ? cq_writer_start(ops, d, make, out, err)
                         : ops->open(d, make, out, err);

  if (rc) cq_dest_named(d->name, err);
  if (rc == CQ_OK && d->open_ms) (*out)->until = cq_mono_ms() + d->open_ms;
  return rc;
}

int cq_dest_opened(cq_dest *d, cq_error *err) {
  int rc = d->ops->threaded ? cq_writer_opened(d, err) : CQ_OK;

  if (rc) cq_dest_named(d->name, err);
  d->until = 0;
  return rc;
}

int cq_dest_open(const cq_dest_ops *ops, const cq_dest_def *d, int make,
                 cq_dest **out, cq_error *err) {
  int rc = cq_dest_start(ops, d, make, out, err);

  if (rc == CQ_OK) rc = cq_dest_opened(*out, err);
  if (rc && *out) {
    (*out)->ops->close(*out);
    *out = NULL;
  }
  return rc;
}

int cq_dest_warns(cq_error *unsaid, cq_dest_event *out) {
  if (!unsaid->code) return 0;
  memset(out, 0, sizeof *out);
  out->warning = 1;
  out->why = *unsaid;
  cq_error_clear(unsaid);
  return 1;
}

/* Who is told that a source is another's is told of the destination, too. */
void cq_dest_named(const char *name, cq_error *err) {
  if (err && err->code != CQ_INTERRUPT && err->code != CQ_NOMEM &&
      strncmp(err->text, "destination ", 12) != 0 &&
      strncmp(err->text, "source ", 7) != 0)
    cq_error_prefix(err, "destination %s: ", name);
}

void cq_dest_stored(cq_counts *to, const cq_counts *from) {
  to->rows = from->rows;
  to->inserted = from->inserted;
  to->updated = from->updated;
  to->deleted = from->deleted;
  to->unchanged = from->unchanged;
  to->kept = from->kept;
  to->again = from->again;
}

void cq_dest_unseen(const cq_dest_ops *ops, cq_write_mode mode, cq_counts *n) {
  if (mode != CQ_MODE_APPEND && !ops->late) return; /* units are seen each */
  n->rows = n->inserted = n->updated = n->unchanged = n->deleted = n->again = 0;
}

int cq_dest_whole(int rc) {
  return rc == CQ_IOERR || rc == CQ_FULL || rc == CQ_READONLY ||
         rc == CQ_BUSY || rc == 11 || rc == 26 || rc == CQ_INTERRUPT ||
         rc == CQ_NOMEM; /* 11, 26: corrupt, no database */
}

const char *cq_write_mode_name(cq_write_mode m) {
  return m == CQ_MODE_APPEND      ? "append"
         : m == CQ_MODE_OVERWRITE ? "overwrite"
                                  : "overwrite-delete-stale";
}

/* Hidden columns that only carry a query's argument hold nothing in a sync. */
int cq_dest_columns(cq_arena *a, const cq_table *t, cq_dest_table *out) {
  int *cols = cq_arena_alloc(a, ((size_t)t->ncol + 1) * sizeof *cols);

  if (!cols) return CQ_NOMEM;
  out->def = t;
  out->ncol = 0;
  for (int i = 0; i < t->ncol; i++)
    if (!(t->columns[i].hidden && t->columns[i].source == CQ_FROM_WHERE))
      cols[out->ncol++] = i;
  out->cols = cols;
  return CQ_OK;
}

void cq_dest_time(int64_t us, char *out) {
  size_t n;

  cq_time_format(us, out);
  n = strlen(out) - 1; /* the Z goes behind */
  if (!strchr(out, '.')) out[n++] = '.';
  while (n < sizeof "2024-01-02T03:04:05.000000" - 1) out[n++] = '0';
  out[n++] = 'Z';
  out[n] = '\0';
}

/* ---- rows as a store writes them ------------------------------------------------ */

const cq_dest_meta cq_dest_metas[CQ_META] = {
    {"_cq_sync_time", CQ_TIMESTAMP, 1},
    {"_cq_source_name", CQ_TEXT, 1},
    {"_cq_sync_group_id", CQ_INTEGER, 1},
    {"_cq_client_id", CQ_TEXT, 1},
    {"_cq_id", CQ_UUID, 1},
    {"_cq_parent_id", CQ_UUID, 0}};

const char *cq_dest_column(const cq_dest_table *t, int i) {
  return i < CQ_META ? cq_dest_metas[i].name
                     : t->def->columns[t->cols[i - CQ_META]].name;
}

int cq_dest_type(const cq_dest_table *t, int i) {
  return i < CQ_META ? cq_dest_metas[i].type
                     : (int)t->def->columns[t->cols[i - CQ_META]].type;
}

cq_value cq_dest_cell(const cq_dest_run *r, const cq_dest_unit *u,
                      const cq_dest_rows *rows, int row, int i) {
  const char *parent;

  switch (i) {
  case 0:
    return cq_value_text(r->time);
  case 1:
    return cq_value_text(r->source);
  case 2:
    return cq_value_int(r->group);
  case 3:
    return cq_value_text(u->client);
  case 4:
    return cq_value_str(rows->ids + (size_t)row * 37, 36);
  case 5:
    parent = rows->parents ? rows->parents + (size_t)row * 37 : "";
    return *parent ? cq_value_str(parent, 36) : cq_value_null();
  default:
    return cq_batch_row(rows->batch, row)[u->table->cols[i - CQ_META]];
  }
}

int cq_dest_all_current(const cq_dest *d, const cq_dest_table *t) {
  return d->mode == CQ_MODE_DELETE_STALE && !t->incremental;
}

void cq_dest_odd(cq_dest_unit *u, int i, const cq_value *v) {
  char shown[80];

  if (u->warnings++) return;
  cq_dest_shown(u->table, i, v, shown, sizeof shown);
  snprintf(u->odd, sizeof u->odd, *shown ? "%s: %s" : "%s",
           cq_dest_column(u->table, i), shown);
}

void cq_dest_part(cq_dest_unit *u) {
  u->whole += u->rows;
  u->rows = 0;
  u->parts++;
  u->part = 0;
}

/* ---- keys that several specs have ------------------------------------------------ */

int cq_dest_duration(const cq_node *map, const char *key, int64_t most,
                     int64_t *out, cq_error *err) {
  const char *text = NULL;
  int64_t us;
  int rc = cq_tree_text(map, key, &text, err);

  if (rc || !text) return rc;
  if (cq_duration_parse(text, strlen(text), &us) || us < 0)
    return cq_tree_error(err, cq_tree_get(map, key),
                         "%s: no duration: %s\nhint: 20s", key, text);
  if (us / 1000 > most)
    return cq_tree_error(err, cq_tree_get(map, key), "%s: more than %lld s: %s",
                         key, (long long)(most / 1000), text);
  *out = us / 1000;
  return CQ_OK;
}

int cq_dest_gather_spec(const cq_node *map, cq_dest_gather *out,
                        cq_error *err) {
  int rc = cq_tree_int(map, "batch_size", 1, INT64_C(1) << 32, &out->rows, err);

  if (rc == CQ_OK)
    rc = cq_tree_int(map, "batch_size_bytes", 1, INT64_C(1) << 34, &out->bytes,
                     err);
  return rc ? rc
            : cq_dest_duration(map, "batch_timeout", 24 * 3600000, &out->ms,
                               err);
}

int cq_dest_secret(cq_arena *a, cq_dest_def *d, const char *text) {
  const char **more;

  if (!text || !*text) return CQ_OK;
  more = cq_arena_alloc(a, (d->nsecret + 1) * sizeof *more);
  if (!more) return CQ_NOMEM;
  for (size_t i = 0; i < d->nsecret; i++) more[i] = d->secrets[i];
  more[d->nsecret++] = text;
  d->secrets = more;
  return CQ_OK;
}

char *cq_dest_decoded(cq_arena *a, const char *s, size_t n) {
  char *out;
  cq_buf b;

  cq_buf_init(&b, n); /* it only becomes shorter */
  cq_percent_decode(&b, s, n);
  out = b.rc ? NULL : cq_arena_strndup(a, b.data ? b.data : "", b.len);
  cq_buf_clear(&b);
  return out;
}

/* A port that is none, as behind the user of one whose password has a slash. */
static int odd_port(const char *s, size_t n) {
  int inside = 0; /* of [::1] */

  for (size_t i = 0; i < n; i++) {
    if (s[i] == '[') inside = 1;
    if (s[i] == ']') inside = 0;
    if (inside || s[i] != ':') continue;
    while (i + 1 < n && s[i + 1] >= '0' && s[i + 1] <= '9') i++;
    if (i + 1 < n && s[i + 1] != ',') return 1;
  }
  return 0;
}

int cq_dest_password_whole(const char *url, int one_at, cq_error *err) {
  const char *p = strstr(url, "://");
  size_t n = strcspn(p ? p + 3 : "", "/?"), path, ats = 0;
  int whole = 1;

  if (!p) return CQ_OK;
  p += 3;
  path = n + strcspn(p + n, "?");
  for (size_t i = 0; i < n; i++) ats += p[i] == '@';
  if (ats > 1 && one_at) whole = 0;
  if (ats && memchr(p + n, '@', path - n)) whole = 0;
  if (!ats && strchr(p + n, '@') && odd_port(p, n)) whole = 0;
  if (whole) return CQ_OK;
  cq_error_set(err, CQ_MISUSE,
               "connection_string: its user or password has one of @ / ? as it "
               "stands");
  cq_error_hint(err, "write %%40 for @, %%2F for /, %%3F for ?, %%3A for :, "
                     "%%23 for #, %%25 for %%");
  return CQ_MISUSE;
}

int cq_dest_globs(cq_arena *a, cq_dest_def *d, const cq_words *globs) {
  cq_words *all = &d->globs;
  size_t n = all->n + globs->n;
  const char **v;
  const cq_node **at;

  if (!globs->n) return CQ_OK;
  v = cq_arena_alloc(a, n * sizeof *v);
  at = cq_arena_alloc(a, n * sizeof *at);
  if (!v || !at) return CQ_NOMEM;
  for (size_t i = 0; i < n; i++) {
    const cq_words *from = i < all->n ? all : globs;
    size_t k = i < all->n ? i : i - all->n;

    v[i] = from->v[k];
    at[i] = from->at[k];
  }
  all->v = v;
  all->at = at;
  all->n = n;
  return CQ_OK;
}
