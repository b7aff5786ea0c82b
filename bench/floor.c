/* bench/floor.c: the loop that a person would write instead of using cq.
 *
 *   floor URL FILE.db
 *
 * libcurl fetches a page, jansson makes a tree of it, a prepared statement
 * inserts 12 columns of each record; one transaction, default journal, next
 * page by the Link header.  One thread.  Prints the rows, nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>
#include <jansson.h>
#include <sqlite3.h>

typedef struct page {
  char *data;
  size_t size, cap;
  char next[1024];
} page;

static void die(const char *what, const char *why) {
  fprintf(stderr, "floor: %s: %s\n", what, why);
  exit(1);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg) {
  page *g = arg;
  n *= size;
  if (g->size + n > g->cap) {
    g->cap = (g->size + n) * 2;
    g->data = realloc(g->data, g->cap);
    if (g->data == NULL) die("memory", "exhausted");
  }
  memcpy(g->data + g->size, p, n);
  g->size += n;
  return n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg) {
  page *g = arg;
  n *= size;
  if (n > 7 && strncasecmp(p, "link: <", 7) == 0) {
    char *end = memchr(p, '>', n);
    size_t k = end ? (size_t)(end - p) - 7 : 0;
    if (k < sizeof(g->next)) {
      memcpy(g->next, p + 7, k);
      g->next[k] = 0;
    }
  }
  return n;
}

static const char *const columns[] = {
    "id",      "name",        "full_name",  "owner.login",
    "private", "description", "language",   "stargazers_count",
    "size",    "created_at",  "updated_at", "topics"};
enum { NCOLUMN = sizeof(columns) / sizeof(columns[0]) };

static void bind_value(sqlite3_stmt *s, int i, const json_t *v) {
  if (json_is_integer(v)) {
    sqlite3_bind_int64(s, i, json_integer_value(v));
  } else if (json_is_boolean(v)) {
    sqlite3_bind_int(s, i, json_is_true(v));
  } else if (json_is_real(v)) {
    sqlite3_bind_double(s, i, json_real_value(v));
  } else if (json_is_string(v)) {
    sqlite3_bind_text(s, i, json_string_value(v), (int)json_string_length(v),
                      SQLITE_STATIC);
  } else if (json_is_object(v) || json_is_array(v)) {
    sqlite3_bind_text(s, i, json_dumps(v, JSON_COMPACT), -1, free);
  } else {
    sqlite3_bind_null(s, i);
  }
}

static const json_t *at(const json_t *row, const char *path) {
  const char *dot = strchr(path, '.');
  char key[64];
  if (dot == NULL) return json_object_get(row, path);
  snprintf(key, sizeof(key), "%.*s", (int)(dot - path), path);
  return json_object_get(json_object_get(row, key), dot + 1);
}

int main(int argc, char **argv) {
  page g = {0};
  CURL *curl;
  sqlite3 *db;
  sqlite3_stmt *insert;
  long rows = 0;
  if (argc != 3) die("usage", "floor URL FILE.db");
  curl = curl_easy_init();
  if (curl == NULL) die("curl", "cannot start");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &g);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &g);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  if (sqlite3_open(argv[2], &db) != SQLITE_OK ||
      sqlite3_exec(db,
                   "CREATE TABLE items(id INTEGER, name TEXT, full_name TEXT,"
                   " owner_login TEXT, private INTEGER, description TEXT,"
                   " language TEXT, stargazers_count INTEGER, size INTEGER,"
                   " created_at TEXT, updated_at TEXT, topics TEXT);"
                   "BEGIN",
                   NULL, NULL, NULL) != SQLITE_OK ||
      sqlite3_prepare_v2(db,
                         "INSERT INTO items VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
                         -1, &insert, NULL) != SQLITE_OK) {
    die("sqlite", sqlite3_errmsg(db));
  }
  snprintf(g.next, sizeof(g.next), "%s", argv[1]);
  while (g.next[0]) {
    json_error_t error;
    json_t *tree, *row;
    size_t i;
    CURLcode code;
    curl_easy_setopt(curl, CURLOPT_URL, g.next);
    g.next[0] = 0;
    g.size = 0;
    code = curl_easy_perform(curl);
    if (code != CURLE_OK) die("curl", curl_easy_strerror(code));
    tree = json_loadb(g.data, g.size, 0, &error);
    if (tree == NULL) die("json", error.text);
    json_array_foreach(tree, i, row) {
      for (int c = 0; c < NCOLUMN; c++)
        bind_value(insert, c + 1, at(row, columns[c]));
      if (sqlite3_step(insert) != SQLITE_DONE)
        die("sqlite", sqlite3_errmsg(db));
      sqlite3_reset(insert);
      rows++;
    }
    json_decref(tree);
  }
  sqlite3_finalize(insert);
  if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK) {
    die("sqlite", sqlite3_errmsg(db));
  }
  sqlite3_close(db);
  curl_easy_cleanup(curl);
  free(g.data);
  printf("%ld\n", rows);
  return 0;
}
