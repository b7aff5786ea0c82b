/* bench/floor.c: what all floors do alike: see floor.h. */
#include "floor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

void floor_die(const char *what, const char *why) {
  fprintf(stderr, "floor: %s: %s\n", what, why);
  exit(1);
}

static void *must(void *p) {
  if (p == NULL) floor_die("memory", "exhausted");
  return p;
}

/* ---- fetching ---- */
static size_t on_body(char *p, size_t size, size_t n, void *arg) {
  floor_t *f = arg;

  n *= size;
  if (f->size + n + FLOOR_PADDING > f->cap) {
    f->cap = (f->size + n + FLOOR_PADDING) * 2;
    f->body = must(realloc(f->body, f->cap));
  }
  memcpy(f->body + f->size, p, n);
  f->size += n;
  return n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg) {
  floor_t *f = arg;

  n *= size;
  if (n > 7 && strncasecmp(p, "link: <", 7) == 0) {
    const char *end = memchr(p, '>', n);
    size_t k = end ? (size_t)(end - p) - 7 : 0;

    if (k < sizeof f->next) {
      memcpy(f->next, p + 7, k);
      f->next[k] = 0;
    }
  }
  return n;
}

static void start_curl(floor_t *f) {
  CURL *curl = must(curl_easy_init());

  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, f);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 65536L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  f->curl = curl;
}

/* All pages from f->next on. */
static void fetch(floor_t *f, floor_page_fn *page, int *changed) {
  while (f->next[0]) {
    CURLcode code;

    curl_easy_setopt(f->curl, CURLOPT_URL, f->next);
    f->next[0] = 0;
    f->size = 0;
    code = curl_easy_perform(f->curl);
    if (code != CURLE_OK) floor_die("curl", curl_easy_strerror(code));
    page(f, *changed);
    *changed = 0;
  }
}

/* ---- storing ---- */
void floor_row(floor_t *f) {
  if (sqlite3_step(f->insert) != SQLITE_DONE)
    floor_die("sqlite", sqlite3_errmsg(f->db));
  sqlite3_reset(f->insert);
  f->rows++;
}

static void exec(floor_t *f, const char *sql) {
  if (sqlite3_exec(f->db, sql, NULL, NULL, NULL) != SQLITE_OK)
    floor_die("sqlite", sqlite3_errmsg(f->db));
}

static sqlite3_stmt *prepare(floor_t *f, const char *sql) {
  sqlite3_stmt *s;

  if (sqlite3_prepare_v2(f->db, sql, -1, &s, NULL) != SQLITE_OK)
    floor_die("sqlite", sqlite3_errmsg(f->db));
  return s;
}

static void make_table(floor_t *f, const char *table) {
  char *create = must(sqlite3_mprintf("CREATE TABLE IF NOT EXISTS %s(", table));
  char *insert = must(sqlite3_mprintf("INSERT INTO %s VALUES(", table));
  char *update = must(sqlite3_mprintf(""));

  for (int i = 0; i < f->ncolumn; i++) {
    const floor_column *c = &f->column[i];
    int key = f->keyed && i == 0;

    create = must(sqlite3_mprintf("%z%s%s %s", create, i ? ", " : "", c->name,
                                  key ? "TEXT PRIMARY KEY" : c->type));
    insert = must(sqlite3_mprintf("%z%s?", insert, i ? "," : ""));
    if (i > 0)
      update = must(sqlite3_mprintf("%z%s%s = excluded.%s", update,
                                    i > 1 ? ", " : "", c->name, c->name));
  }
  create = must(sqlite3_mprintf("%z)", create));
  insert = must(f->keyed ? sqlite3_mprintf("%z) ON CONFLICT(%s) DO UPDATE "
                                           "SET %s",
                                           insert, f->column[0].name, update)
                         : sqlite3_mprintf("%z)", insert));
  exec(f, create);
  f->insert = prepare(f, insert);
  sqlite3_free(create);
  sqlite3_free(insert);
  sqlite3_free(update);
}

/* ---- the command line ---- */
/* Cuts `text` up in place. */
static void read_columns(floor_t *f, char *text) {
  f->ncolumn = 0;
  for (char *one = strtok(text, ","); one; one = strtok(NULL, ",")) {
    floor_column *c = &f->column[f->ncolumn];
    char *type = strchr(one, ':'), *key = strchr(one, '='), *below;

    if (f->ncolumn++ == FLOOR_COLUMNS) floor_die("columns", "too many");
    if (type == NULL || key == NULL || key < type) floor_die("column", one);
    *type = *key = 0;
    c->name = one, c->type = type + 1, c->key = key + 1;
    below = strchr(c->key, '.');
    if (below) *below++ = 0;
    c->below = below;
  }
}

/* Writes to `out` the URL with `value` for {name}; false: it has none. */
static int fill(const char *url, const char *name, const char *value,
                char out[2048]) {
  char mark[64];
  const char *at;

  snprintf(mark, sizeof mark, "{%s}", name);
  at = strstr(url, mark);
  if (at == NULL) return 0;
  snprintf(out, 2048, "%.*s%s%s", (int)(at - url), url, value,
           at + strlen(mark));
  return 1;
}

/* The URL's column that is no member of a record. */
static void bind_constant(floor_t *f, const char *name, const char *value) {
  char mark[64];

  snprintf(mark, sizeof mark, "{%s}", name);
  for (int i = 0; i < f->ncolumn; i++)
    if (strcmp(f->column[i].key, mark) == 0)
      sqlite3_bind_text(f->insert, i + 1, value, -1, SQLITE_TRANSIENT);
}

static void each(floor_t *f, const char *url, int loop, const char *before,
                 floor_page_fn *page, int *changed) {
  char one[2048], value[64];

  if (loop < f->nloop) {
    const floor_loop *l = &f->loop[loop];

    for (long i = 0; i < l->count; i++) {
      snprintf(value, sizeof value, "%012ld", i);
      if (!fill(url, l->name, value, one)) {
        each(f, url, loop + 1, before, page, changed);
        return;
      }
      bind_constant(f, l->name, value);
      each(f, one, loop + 1, before, page, changed);
    }
  } else if (before && strstr(url, "{id}")) {
    char *sql = must(sqlite3_mprintf("SELECT id FROM %s", before));
    sqlite3_stmt *ids = prepare(f, sql);

    while (sqlite3_step(ids) == SQLITE_ROW) {
      const char *id = (const char *)sqlite3_column_text(ids, 0);

      bind_constant(f, "id", id);
      fill(url, "id", id, f->next);
      fetch(f, page, changed);
    }
    sqlite3_finalize(ids);
    sqlite3_free(sql);
  } else {
    snprintf(f->next, sizeof f->next, "%s", url);
    fetch(f, page, changed);
  }
}

int floor_main(int argc, char **argv, floor_page_fn *page) {
  static floor_t floor;
  floor_t *f = &floor;
  int at = 1;

  for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
    if (strcmp(argv[at], "--key") == 0) {
      f->keyed = 1;
    } else if (strcmp(argv[at], "--each") == 0 && at + 1 < argc &&
               f->nloop < FLOOR_LOOPS && strchr(argv[at + 1], '=')) {
      char *count = strchr(argv[++at], '=');

      *count = 0;
      f->loop[f->nloop].name = argv[at];
      f->loop[f->nloop++].count = atol(count + 1);
    } else {
      floor_die("option", argv[at]);
    }
  }
  if (argc - at < 4 || (argc - at) % 3 != 1)
    floor_die("usage", "FILE.db (TABLE COLUMNS URL)...");
  if (sqlite3_open(argv[at], &f->db) != SQLITE_OK)
    floor_die("sqlite", sqlite3_errmsg(f->db));
  start_curl(f);
  exec(f, "BEGIN");
  for (int i = at + 1; i < argc; i += 3) {
    int changed = 1;

    read_columns(f, argv[i + 1]);
    make_table(f, argv[i]);
    each(f, argv[i + 2], 0, i > at + 1 ? argv[i - 3] : NULL, page, &changed);
    sqlite3_finalize(f->insert);
  }
  exec(f, "COMMIT");
  sqlite3_close(f->db);
  curl_easy_cleanup(f->curl);
  free(f->body);
  printf("%ld\n", f->rows);
  return 0;
}
