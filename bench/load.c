/* bench/load.c: what `.load` takes: `load ROUNDS cq.so empty.so`.
 *
 * Each round loads one of the extensions into a fresh process and tells the
 * time from sqlite3_load_extension to its return, and of the closing; prints
 * the medians in milliseconds as JSON. */
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

/* In a child: loads, and writes two times to `out`. */
static int child(const char *path, int out) {
  sqlite3 *db = NULL;
  char *error = NULL;
  double t[3], took[2];

  if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, NULL);
  t[0] = now_ms();
  if (sqlite3_load_extension(db, path, NULL, &error) != SQLITE_OK) {
    fprintf(stderr, "load: %s\n", error);
    return 1;
  }
  t[1] = now_ms();
  sqlite3_close(db);
  t[2] = now_ms();
  took[0] = t[1] - t[0];
  took[1] = t[2] - t[1];
  return write(out, took, sizeof took) != sizeof took;
}

static int round_of(const char *path, double took[2]) {
  int p[2], status = 1;
  ssize_t got;
  pid_t pid;

  if (pipe(p) != 0 || (pid = fork()) < 0) return 1;
  if (pid == 0) _exit(child(path, p[1]));
  close(p[1]);
  got = read(p[0], took, 2 * sizeof *took);
  close(p[0]);
  waitpid(pid, &status, 0);
  return status != 0 || got != (ssize_t)(2 * sizeof *took);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;

  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  static double load[2][MAX_ROUNDS], end[2][MAX_ROUNDS];
  int rounds = argc == 4 ? atoi(argv[1]) : 0;

  if (rounds < 1 || rounds > MAX_ROUNDS) {
    fprintf(stderr, "usage: load ROUNDS cq.so empty.so\n");
    return 2;
  }
  for (int i = 0; i < rounds; i++)
    for (int k = 0; k < 2; k++) {
      double took[2];

      if (round_of(argv[2 + k], took)) return 1;
      load[k][i] = took[0];
      end[k][i] = took[1];
    }
  for (int k = 0; k < 2; k++) {
    qsort(load[k], (size_t)rounds, sizeof(double), by_size);
    qsort(end[k], (size_t)rounds, sizeof(double), by_size);
    printf("%s\"%s\": {\"load_ms\": %.3f, \"close_ms\": %.3f}%s",
           k ? ", " : "{", k ? "empty" : "cq", load[k][rounds / 2],
           end[k][rounds / 2], k ? "}\n" : "");
  }
  return 0;
}
