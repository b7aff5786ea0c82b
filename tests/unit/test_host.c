/* tests/unit/test_host.c: cq inside a program: what a host may do with it, and
 * what is left of it afterwards.  The sanitizers look for leaks here. */
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sqlite3ext.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

int sqlite3_cq_init(sqlite3 *db, char **error, const sqlite3_api_routines *api);

static char people[256]; /* SELECT over a file */
static char hanging[256];
static const sqlite3_api_routines *routines;

/* SQLite hands its table of routines to extensions only. */
static int catch_routines(sqlite3 *db, char **error,
                          const sqlite3_api_routines *api) {
  (void)db, (void)error;
  routines = api;
  return SQLITE_OK;
}

static int threads(void) {
  DIR *d = opendir("/proc/self/task");
  int n = 0;

  if (!d) return -1;
  for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
  closedir(d);
  return n;
}

/* A thread that has been joined may still be listed for a moment. */
static int threads_settle(int want) {
  struct timespec ms = {0, 1000000};

  for (int i = 0; i < 5000 && threads() != want; i++) nanosleep(&ms, NULL);
  return threads();
}

static sqlite3 *host_open(void) {
  sqlite3 *db = NULL;

  CHECK_INT(sqlite3_open(":memory:", &db), SQLITE_OK);
  return db;
}

/* The first column of the first row as a number; -1 = an error. */
static long long number(sqlite3 *db, const char *sql) {
  sqlite3_stmt *s = NULL;
  long long n = -1;

  if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
      sqlite3_step(s) == SQLITE_ROW)
    n = sqlite3_column_int64(s, 0);
  else
    printf("# %s: %s\n", sql, sqlite3_errmsg(db));
  sqlite3_finalize(s);
  return n;
}

/* A server whose answers never come. */
static int host_listen(void) {
  int s = socket(AF_INET, SOCK_STREAM, 0), port = 0;
  struct sockaddr_in a;
  socklen_t n = sizeof a;

  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (s >= 0 && bind(s, (struct sockaddr *)&a, sizeof a) == 0 &&
      listen(s, 64) == 0 && getsockname(s, (struct sockaddr *)&a, &n) == 0)
    port = ntohs(a.sin_port);
  snprintf(hanging, sizeof hanging,
           "SELECT record FROM file_ndjson('http://127.0.0.1:%d/x')", port);
  return port;
}

static void test_host_every_connection_has_it(void) {
  sqlite3 *db[100];
  int before = threads();

  for (int i = 0; i < 100; i++) db[i] = host_open();
  CHECK_INT(threads(), before); /* none before the first request */
  for (int i = 0; i < 100; i += 9) CHECK_INT(number(db[i], people), 3);
  for (int i = 0; i < 100; i += 2) CHECK_INT(sqlite3_close(db[i]), SQLITE_OK);
  for (int i = 1; i < 100; i += 9) CHECK_INT(number(db[i | 1], people), 3);
  for (int i = 1; i < 100; i += 2) CHECK_INT(sqlite3_close(db[i]), SQLITE_OK);
  CHECK_INT(threads_settle(before), before);
}

static void test_host_loading_twice_keeps_the_configuration(void) {
  sqlite3 *db = host_open();

  CHECK_INT(number(db, "SELECT cq_config('cache_ttl', 77)"), 77);
  CHECK_INT(sqlite3_cq_init(db, NULL, routines), SQLITE_OK);
  CHECK_INT(number(db, "SELECT cq_config('cache_ttl')"), 77);
  CHECK_INT(number(db, people), 3);
  CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

static void test_host_loading_again_while_a_query_runs(void) {
  sqlite3 *db = host_open();
  sqlite3_stmt *s = NULL;
  int rows = 0;

  sqlite3_prepare_v2(db, "SELECT name FROM cq_tables", -1, &s, NULL);
  CHECK_INT(sqlite3_step(s), SQLITE_ROW);
  CHECK_INT(sqlite3_cq_init(db, NULL, routines), SQLITE_OK);
  while (sqlite3_step(s) == SQLITE_ROW) rows++;
  CHECK(rows > 10);
  sqlite3_finalize(s);
  CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

static void test_host_configuration_is_each_connections_own(void) {
  sqlite3 *a = host_open(), *b = host_open();

  CHECK_INT(number(a, "SELECT cq_config('cache_ttl', 5)"), 5);
  CHECK_INT(number(b, "SELECT cq_config('cache_ttl')"), 10);
  CHECK_INT(sqlite3_close(a), SQLITE_OK);
  CHECK_INT(number(b, "SELECT cq_config('cache_ttl')"), 10);
  CHECK_INT(sqlite3_close(b), SQLITE_OK);
}

static void test_host_close_with_a_scan_open(void) {
  int before = threads();
  sqlite3 *db = host_open();
  sqlite3_stmt *s = NULL;

  CHECK_INT(sqlite3_prepare_v2(
                db, "SELECT a.record FROM file_csv(?1) a, file_csv(?1) b", -1,
                &s, NULL),
            SQLITE_OK);
  sqlite3_bind_text(s, 1, getenv("CQ_PEOPLE"), -1, SQLITE_STATIC);
  CHECK_INT(sqlite3_step(s), SQLITE_ROW);
  CHECK_INT(sqlite3_close(db), SQLITE_BUSY); /* as with any table */
  CHECK_INT(sqlite3_close_v2(db), SQLITE_OK);
  CHECK_INT(sqlite3_step(s), SQLITE_ROW); /* the zombie still works */
  sqlite3_finalize(s);
  CHECK_INT(threads_settle(before), before);
}

static void *interrupt_soon(void *db) {
  struct timespec t = {0, 50000000};

  nanosleep(&t, NULL);
  sqlite3_interrupt(db);
  return NULL;
}

static void test_host_close_after_an_interrupt(void) {
  int before = threads();
  sqlite3 *db = host_open();
  pthread_t t;
  sqlite3_stmt *s = NULL;

  CHECK_INT(sqlite3_prepare_v2(db, hanging, -1, &s, NULL), SQLITE_OK);
  CHECK_INT(pthread_create(&t, NULL, interrupt_soon, db), 0);
  CHECK_INT(sqlite3_step(s), SQLITE_INTERRUPT);
  pthread_join(t, NULL);
  sqlite3_finalize(s);
  /* The next statement of the same connection is not hurt. */
  CHECK_INT(number(db, people), 3);
  CHECK_INT(sqlite3_close(db), SQLITE_OK);
  CHECK_INT(threads_settle(before), before);
}

static void test_host_interrupted_sync_then_close(void) {
  int before = threads();
  sqlite3 *db = host_open();
  pthread_t t;
  char *sql;
  sqlite3_stmt *s = NULL;
  int rc;

  sql = sqlite3_mprintf("SELECT cq_sync('{source: file, tables: [file_ndjson], "
                        "progress: off, spec: {paths: [\"%.*s\"]}}')",
                        (int)strcspn(strstr(hanging, "http"), "'"),
                        strstr(hanging, "http"));
  CHECK_INT(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
  CHECK_INT(pthread_create(&t, NULL, interrupt_soon, db), 0);
  rc = sqlite3_step(s);
  CHECK(rc == SQLITE_INTERRUPT || rc == SQLITE_ROW);
  pthread_join(t, NULL);
  sqlite3_finalize(s);
  sqlite3_free(sql);
  CHECK_INT(sqlite3_close(db), SQLITE_OK);
  CHECK_INT(threads_settle(before), before);
}

/* A child must not use its parent's connection to a file, but one in memory is
 * its own; and it opens others. */
static void test_host_fork(void) {
  sqlite3 *db = host_open();
  int status = -1;
  pid_t pid;

#ifdef __SANITIZE_THREAD__
  return; /* it cannot follow threads that a forked child starts */
#endif

  CHECK_INT(number(db, people), 3); /* the I/O thread runs */
  fflush(stdout);
  pid = fork();
  if (pid == 0) {
    sqlite3 *own = NULL;
    int bad = number(db, people) != 3;

    bad |= sqlite3_open(":memory:", &own) != SQLITE_OK;
    bad |= number(own, people) != 3;
    bad |= sqlite3_close(own) != SQLITE_OK;
    bad |= sqlite3_close(db) != SQLITE_OK;
    _exit(bad);
  }
  CHECK(pid > 0);
  CHECK_INT(waitpid(pid, &status, 0), pid);
  CHECK_INT(status, 0);
  CHECK_INT(number(db, "SELECT cq_config('cache_ttl', 0)"), 0);
  CHECK_INT(number(db, people), 3);
  CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

static int says_old_number(void) {
  return 3040000;
}
static const char *says_old(void) {
  return "3.40.0";
}

static void test_host_too_old_a_sqlite_is_refused(void) {
  int (*init)(sqlite3 *, char **, const sqlite3_api_routines *) = NULL;
  void *so = dlopen(getenv("CQ_SO"), RTLD_NOW);
  sqlite3_api_routines *old = malloc(sizeof *old);
  sqlite3 *db = host_open();
  char *error = NULL;

  CHECK(so != NULL);
  *(void **)&init = so ? dlsym(so, "sqlite3_cq_init") : NULL;
  CHECK(init != NULL);
  if (init && old) {
    *old = *routines;
    *(int (**)(void)) & old->libversion_number = says_old_number;
    *(const char *(**)(void)) & old->libversion = says_old;
    CHECK_INT(init(db, &error, old), SQLITE_ERROR);
    CHECK_STR(error, "cq needs SQLite 3.40.1 or later; this is 3.40.0");
  }
  sqlite3_free(error);
  sqlite3_close(db);
  free(old);
}

/* Each mode needs a library that starts anew, so a child tries it. */
static int mode_works(int mode) {
  int status = -1;
  pid_t pid;

  fflush(stdout);
  pid = fork();
  if (pid == 0) {
    sqlite3 *db = NULL;
    int bad;

    sqlite3_shutdown();
    bad = sqlite3_config(mode) != SQLITE_OK;
    sqlite3_auto_extension((void (*)(void))sqlite3_cq_init);
    bad |= sqlite3_open(":memory:", &db) != SQLITE_OK;
    bad |= number(db, people) != 3;
    bad |= sqlite3_close(db) != SQLITE_OK;
    _exit(bad);
  }
  return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void test_host_threading_modes(void) {
  CHECK(mode_works(SQLITE_CONFIG_SINGLETHREAD));
  CHECK(mode_works(SQLITE_CONFIG_MULTITHREAD));
  CHECK(mode_works(SQLITE_CONFIG_SERIALIZED));
}

static void *own_connection(void *out) {
  sqlite3 *db = NULL;

  *(int *)out = sqlite3_open(":memory:", &db) == SQLITE_OK &&
                number(db, people) == 3 && number(db, people) == 3 &&
                sqlite3_close(db) == SQLITE_OK;
  return NULL;
}

static void test_host_connections_on_many_threads(void) {
  pthread_t t[8];
  int ok[8] = {0};

  for (int i = 0; i < 8; i++)
    CHECK_INT(pthread_create(&t[i], NULL, own_connection, &ok[i]), 0);
  for (int i = 0; i < 8; i++) {
    pthread_join(t[i], NULL);
    CHECK(ok[i]);
  }
}

static void *nothing(void *user) {
  return user;
}

int main(void) {
  static char path[512];
  pthread_t first;
  const char *root = getenv("CQ_ROOT");

  snprintf(path, sizeof path, "%.400s/examples/data/people.csv",
           root ? root : ".");
  setenv("CQ_PEOPLE", path, 1);
  /* ThreadSanitizer starts a thread of its own with the first one. */
  if (pthread_create(&first, NULL, nothing, NULL) == 0)
    pthread_join(first, NULL);
  snprintf(people, sizeof people, "SELECT count(*) FROM file_csv('%.200s')",
           path);
  CHECK(host_listen() > 0);
  sqlite3_auto_extension((void (*)(void))catch_routines);
  sqlite3_auto_extension((void (*)(void))sqlite3_cq_init);
  RUN(test_host_threading_modes);
  RUN(test_host_every_connection_has_it);
  RUN(test_host_loading_twice_keeps_the_configuration);
  RUN(test_host_loading_again_while_a_query_runs);
  RUN(test_host_configuration_is_each_connections_own);
  RUN(test_host_close_with_a_scan_open);
  RUN(test_host_close_after_an_interrupt);
  RUN(test_host_interrupted_sync_then_close);
  RUN(test_host_fork);
  RUN(test_host_connections_on_many_threads);
  RUN(test_host_too_old_a_sqlite_is_refused);
  return test_done();
}
