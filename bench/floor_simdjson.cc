// bench/floor_simdjson.cc: the fastest loop that a person would write: the same
// as floor.c, with simdjson's on-demand parser instead of trees.
//
//   floor_simdjson URL FILE.db
//
// JSON columns are taken as the text that came. One thread, one transaction,
// default journal. Prints the rows, nothing else.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <strings.h>

#include <string>
#include <string_view>

#include <curl/curl.h>
#include <simdjson.h>
#include <sqlite3.h>

namespace sj = simdjson::ondemand;

struct page {
  char *data = nullptr;
  size_t size = 0, cap = 0;
  std::string next;
};

[[noreturn]] static void die(const char *what, const char *why) {
  fprintf(stderr, "floor: %s: %s\n", what, why);
  exit(1);
}

static size_t on_body(char *p, size_t size, size_t n, void *arg) {
  page *g = static_cast<page *>(arg);
  n *= size;
  if (g->size + n + simdjson::SIMDJSON_PADDING > g->cap) {
    g->cap = (g->size + n + simdjson::SIMDJSON_PADDING) * 2;
    g->data = static_cast<char *>(realloc(g->data, g->cap));
    if (!g->data) die("memory", "exhausted");
  }
  memcpy(g->data + g->size, p, n);
  g->size += n;
  return n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg) {
  page *g = static_cast<page *>(arg);
  n *= size;
  if (n > 7 && strncasecmp(p, "link: <", 7) == 0) {
    const char *end = static_cast<const char *>(memchr(p, '>', n));
    if (end) g->next.assign(p + 7, static_cast<size_t>(end - p) - 7);
  }
  return n;
}

static void bind_text(sqlite3_stmt *s, int i, std::string_view v) {
  sqlite3_bind_text(s, i, v.data(), static_cast<int>(v.size()), SQLITE_STATIC);
}

static void bind(sqlite3_stmt *s, int i, sj::value v) {
  switch (v.type()) {
  case sj::json_type::number: {
    sj::number n = v.get_number();
    if (n.is_int64())
      sqlite3_bind_int64(s, i, n.get_int64());
    else
      sqlite3_bind_double(s, i, n.as_double());
    break;
  }
  case sj::json_type::string: bind_text(s, i, v.get_string()); break;
  case sj::json_type::boolean: sqlite3_bind_int(s, i, v.get_bool()); break;
  case sj::json_type::null: sqlite3_bind_null(s, i); break;
  default: bind_text(s, i, simdjson::to_json_string(v).value());
  }
}

// In the order of the columns; the keys of a record come in another.
static const char *const columns[] = {
    "id",      "name",        "full_name",  "owner",
    "private", "description", "language",   "stargazers_count",
    "size",    "created_at",  "updated_at", "topics"};
enum { NCOLUMN = sizeof(columns) / sizeof(columns[0]) };

static int column(std::string_view key) {
  for (int i = 0; i < NCOLUMN; i++)
    if (key == columns[i]) return i;
  return -1;
}

int main(int argc, char **argv) try {
  page g;
  sqlite3 *db;
  sqlite3_stmt *insert;
  sj::parser parser;
  long rows = 0;
  if (argc != 3) die("usage", "floor_simdjson URL FILE.db");
  CURL *curl = curl_easy_init();
  if (!curl) die("curl", "cannot start");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &g);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &g);
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 65536L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  if (sqlite3_open(argv[2], &db) != SQLITE_OK ||
      sqlite3_exec(db,
                   "CREATE TABLE items(id INTEGER, name TEXT, full_name TEXT,"
                   " owner_login TEXT, private INTEGER, description TEXT,"
                   " language TEXT, stargazers_count INTEGER, size INTEGER,"
                   " created_at TEXT, updated_at TEXT, topics TEXT);"
                   "BEGIN",
                   nullptr, nullptr, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(db,
                         "INSERT INTO items VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
                         -1, &insert, nullptr) != SQLITE_OK)
    die("sqlite", sqlite3_errmsg(db));
  g.next = argv[1];
  while (!g.next.empty()) {
    std::string url;
    url.swap(g.next);
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    g.size = 0;
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) die("curl", curl_easy_strerror(code));
    sj::document doc = parser.iterate(g.data, g.size, g.cap);
    for (sj::object row : doc.get_array()) {
      sqlite3_clear_bindings(insert);
      for (auto field : row) {
        int i = column(field.unescaped_key());
        if (i < 0) continue;
        if (i == 3)
          bind(insert, i + 1, field.value()["login"]);
        else
          bind(insert, i + 1, field.value());
      }
      if (sqlite3_step(insert) != SQLITE_DONE)
        die("sqlite", sqlite3_errmsg(db));
      sqlite3_reset(insert);
      rows++;
    }
  }
  sqlite3_finalize(insert);
  if (sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr) != SQLITE_OK)
    die("sqlite", sqlite3_errmsg(db));
  sqlite3_close(db);
  curl_easy_cleanup(curl);
  free(g.data);
  printf("%ld\n", rows);
  return 0;
} catch (const simdjson::simdjson_error &e) {
  die("json", e.what());
}
