/* bench/load.c: what `.load` takes: `load ROUNDS cq.so empty.so [SQL]`.
 *
 * Each round loads one of the extensions into a fresh process and tells the
 * time from sqlite3_load_extension to its return, of running SQL once with the
 * first of them, and of the closing; prints the medians in milliseconds as
 * JSON. */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 1000 };

static double now_ms(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

enum { LOAD, CLOSE, USE, TIMES };

/* In a child: loads, runs sql unless it is NULL, and writes times to `out`. */
static int child(const char *path, const char *sql, int out) {
  sqlite3 *db = NULL;
  char *error = NULL;
  double t[4], took[TIMES];

  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  t[0] = now_ms();
  if (sqlite3_load_extension(db, path, NULL, &error) != SQLITE_OK) {
    fprintf(stderr, "load: %s\n", error);
    return 1;
  }
  t[1] = now_ms();
  if (sql && sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
    fprintf(stderr, "load: %s\n", error);
    return 1;
  }
  t[2] = now_ms();
  sqlite3_close(db);
  t[3] = now_ms();
  took[LOAD] = t[1] - t[0];
  took[USE] = t[2] - t[1];
  took[CLOSE] = t[3] - t[2];
  return write(out, took, sizeof took) != sizeof took;
}

static int round_of(const char *path, const char *sql, double took[TIMES]) {
  int p[2], status = 1;
  ssize_t got;
  pid_t pid;

  if (pipe(p) != 0 || (pid = fork()) < 0) return 1;
  if (pid == 0) _exit(child(path, sql, p[1]));
  close(p[1]);
  got = read(p[0], took, TIMES * sizeof *took);
  close(p[0]);
  waitpid(pid, &status, 0);
  return status != 0 || got != (ssize_t)(TIMES * sizeof *took);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  static double found[2][TIMES][MAX_ROUNDS];
  int rounds = argc == 4 || argc == 5 ? atoi(argv[1]) : 0;

  if (rounds < 1 || rounds > MAX_ROUNDS) {
    fprintf(stderr, "usage: load ROUNDS cq.so empty.so [SQL]\n");
    return 2;
  }
  for (int i = 0; i < rounds; i++)
    for (int k = 0; k < 2; k++) {
      double took[TIMES];

      if (round_of(argv[2 + k], k == 0 ? argv[4] : NULL, took)) return 1;
      for (int n = 0; n < TIMES; n++) found[k][n][i] = took[n];
    }
  for (int k = 0; k < 2; k++) {
    for (int n = 0; n < TIMES; n++)
      qsort(found[k][n], (size_t)rounds, sizeof(double), by_size);
    printf("%s\"%s\": {\"load_ms\": %.3f, \"use_ms\": %.3f, "
           "\"close_ms\": %.3f}%s",
           k ? ", " : "{", k ? "empty" : "cq", found[k][LOAD][rounds / 2],
           found[k][USE][rounds / 2], found[k][CLOSE][rounds / 2],
           k ? "}\n" : "");
  }
  return 0;
}
