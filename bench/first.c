/* bench/first.c: how long a live query's first row takes.
 *
 *   first ROUNDS cq.so URL SQL
 *
 * In one process, warm: libcurl fetches URL (the first page) on a kept
 * connection; then the query is prepared and stepped to its first row and
 * given up.  Prints the medians in milliseconds as JSON: of the page, of the
 * first row, and of their difference, round by round. */
#include <curl/curl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_ROUNDS = 1000 };

static double now_ms(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static size_t drop(char *p, size_t size, size_t n, void *arg) {
  (void)p;
  *(size_t *)arg += size * n;
  return size * n;
}

/* False: why is on stderr. */
static int fetch(CURL *curl, size_t *bytes) {
  CURLcode code;

  *bytes = 0;
  code = curl_easy_perform(curl);
  if (code == CURLE_OK && *bytes > 0) return 1;
  fprintf(stderr, "first: curl: %s\n", curl_easy_strerror(code));
  return 0;
}

static int first_row(sqlite3 *db, const char *sql) {
  sqlite3_stmt *s = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

  if (rc == SQLITE_OK) rc = sqlite3_step(s);
  if (rc != SQLITE_ROW) fprintf(stderr, "first: %s\n", sqlite3_errmsg(db));
  return rc == SQLITE_ROW ? (int)(sqlite3_finalize(s), 1) : 0;
}

static sqlite3 *open_db(const char *extension) {
  sqlite3 *db = NULL;
  char *error = NULL;

  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return NULL;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  if (sqlite3_load_extension(db, extension, NULL, &error) == SQLITE_OK &&
      sqlite3_exec(db, "SELECT cq_config('cache_ttl', 0)", NULL, NULL,
                   &error) == SQLITE_OK)
    return db;
  fprintf(stderr, "first: %s\n", error);
  sqlite3_free(error);
  sqlite3_close(db);
  return NULL;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

static double median(double *v, int n) {
  qsort(v, (size_t)n, sizeof *v, by_size);
  return v[n / 2];
}

int main(int argc, char **argv) {
  static double page[MAX_ROUNDS], row[MAX_ROUNDS], more[MAX_ROUNDS];
  int rounds = argc == 5 ? atoi(argv[1]) : 0, rc = 1;
  size_t bytes;
  CURL *curl;
  sqlite3 *db;

  if (rounds < 1 || rounds > MAX_ROUNDS) {
    fprintf(stderr, "usage: first ROUNDS cq.so URL SQL\n");
    return 2;
  }
  db = open_db(argv[2]);
  curl = curl_easy_init();
  if (!db || !curl) goto done;
  curl_easy_setopt(curl, CURLOPT_URL, argv[3]);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &bytes);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  if (!fetch(curl, &bytes) || !first_row(db, argv[4])) goto done; /* warm */
  for (int i = 0; i < rounds; i++) {
    double t = now_ms(), u;

    if (!fetch(curl, &bytes)) goto done;
    u = now_ms();
    if (!first_row(db, argv[4])) goto done;
    row[i] = now_ms() - u;
    page[i] = u - t;
    more[i] = row[i] - page[i];
  }
  printf("{\"page_ms\": %.3f, ", median(page, rounds));
  printf("\"row_ms\": %.3f, ", median(row, rounds));
  printf("\"more_ms\": %.3f}\n", median(more, rounds));
  rc = 0;
done:
  curl_easy_cleanup(curl);
  sqlite3_close(db);
  return rc;
}
