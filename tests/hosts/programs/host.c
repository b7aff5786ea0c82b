/* tests/hosts/programs/host.c: a host: a C program with SQLite and cq linked
 * into it.  hosts.py says what it is told. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int sqlite3_cq_init(sqlite3 *db, char **error, const void *api);

static sqlite3 *connections[128]; /* by the first letter of their names */

static sqlite3 **named(const char *name) {
  return &connections[(unsigned char)*name & 127];
}

/* With the message's newlines as \n: each answer is a line. */
static int fail(sqlite3 *db) {
  printf("error ");
  for (const char *s = sqlite3_errmsg(db); *s; s++)
    *s == '\n' ? (void)printf("\\n") : (void)putchar(*s);
  putchar('\n');
  return 0;
}

static void show(sqlite3_stmt *q) {
  for (int i = 0; i < sqlite3_column_count(q); i++) {
    const char *v = (const char *)sqlite3_column_text(q, i);

    printf("%s%s", i ? "|" : "= ", v ? v : "NULL");
  }
  putchar('\n');
}

/* All rows, or one, after which the query stays open. */
static int rows(sqlite3 *db, const char *sql, int half) {
  sqlite3_stmt *q = NULL;
  int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

  if (rc == SQLITE_OK) rc = SQLITE_ROW;
  while (rc == SQLITE_ROW && (rc = sqlite3_step(q)) == SQLITE_ROW) {
    show(q);
    if (half) return 1;
  }
  if (rc != SQLITE_DONE) fail(db);
  sqlite3_finalize(q);
  return rc == SQLITE_DONE;
}

typedef struct stopper {
  sqlite3 *db;
  const char *file;
  pthread_mutex_t lock;
  int over;
} stopper;

static void *stop(void *user) {
  stopper *s = user;
  struct timespec t = {0, 10000000};
  int over = 0;

  while (!over) {
    nanosleep(&t, NULL);
    pthread_mutex_lock(&s->lock);
    over = s->over;
    if (!over && access(s->file, F_OK) == 0) sqlite3_interrupt(s->db);
    pthread_mutex_unlock(&s->lock);
  }
  return NULL;
}

static int interrupt(sqlite3 *db, const char *file, const char *sql) {
  stopper s = {db, file, PTHREAD_MUTEX_INITIALIZER, 0};
  pthread_t t;
  int ok;

  pthread_create(&t, NULL, stop, &s);
  ok = rows(db, sql, 0);
  pthread_mutex_lock(&s.lock);
  s.over = 1;
  pthread_mutex_unlock(&s.lock);
  pthread_join(t, NULL);
  return ok;
}

static void *one(void *sql) {
  sqlite3 *db = NULL;

  if (sqlite3_open(":memory:", &db) == SQLITE_OK) rows(db, sql, 0);
  sqlite3_close(db);
  return NULL;
}

static int threads(int n, char *sql) {
  pthread_t t[16];

  for (int i = 0; i < n && i < 16; i++) pthread_create(&t[i], NULL, one, sql);
  for (int i = 0; i < n && i < 16; i++) pthread_join(t[i], NULL);
  return 1;
}

static int run(char *verb, char *a, char *b, char *c) {
  sqlite3 **db = named(a);

  if (strcmp(verb, "open") == 0)
    return sqlite3_open(b, db) == SQLITE_OK || fail(*db);
  if (strcmp(verb, "load") == 0)
    return sqlite3_cq_init(*db, NULL, NULL) == SQLITE_OK || fail(*db);
  if (strcmp(verb, "rows") == 0) return rows(*db, b, 0);
  if (strcmp(verb, "half") == 0) return rows(*db, b, 1);
  if (strcmp(verb, "interrupt") == 0) return interrupt(*db, b, c);
  if (strcmp(verb, "threads") == 0) return threads(atoi(a), b);
  /* sqlite3_close refuses while a query is open; this one's query goes too */
  for (sqlite3_stmt *q; (q = sqlite3_next_stmt(*db, NULL));)
    sqlite3_finalize(q);
  return sqlite3_close(*db) == SQLITE_OK || fail(*db);
}

int main(void) {
  static char line[65536];
  int safe = sqlite3_threadsafe();

  sqlite3_auto_extension((void (*)(void))sqlite3_cq_init);
  printf("C %s half interrupt%s\n", sqlite3_libversion(),
         safe ? " threads" : "");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    char *word[4], *at = line;

    line[strcspn(line, "\n")] = 0;
    for (int i = 0; i < 4; i++) {
      word[i] = at;
      at += strcspn(at, "\t");
      if (*at) *at++ = 0;
    }
    if (run(word[0], word[1], word[2], word[3])) puts("ok");
    fflush(stdout);
  }
  return 0;
}
