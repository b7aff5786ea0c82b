/* tests/hosts/programs/libraries.c: a host that uses libcurl and OpenSSL itself,
 * has a locale, an OpenSSL error that it has not read yet, signal handlers, and
 * that forks.
 *
 *   libraries        prints TAP; wants HOST_URL HOST_TLS (https) HOST_CA CQ_PATH
 *   libraries exit   ends in the middle of transfers */
#include <curl/curl.h>
#include <locale.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

int sqlite3_cq_init(sqlite3 *db, char **error, const void *api);

static char said[512]; /* the last error's text */

/* The first column of the first row; -1 = an error. */
static double number(sqlite3 *db, const char *sql) {
  sqlite3_stmt *s = NULL;
  double n = -1;

  if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
      sqlite3_step(s) == SQLITE_ROW)
    n = sqlite3_column_double(s, 0);
  else
    snprintf(said, sizeof said, "%s", sqlite3_errmsg(db));
  sqlite3_finalize(s);
  return n;
}

static sqlite3 *host_open(int tls) {
  sqlite3 *db = NULL;
  char *sql =
      sqlite3_mprintf("SELECT cq_config('host.url', %Q), "
                      "cq_config('ca_file', %Q)",
                      getenv(tls ? "HOST_TLS" : "HOST_URL"), getenv("HOST_CA"));

  CHECK_INT(sqlite3_open(":memory:", &db), SQLITE_OK);
  number(db, sql);
  sqlite3_free(sql);
  return db;
}

static const char items[] = "SELECT count(*) FROM host_items";

/* ---- a host's own use of both ---- */
static _Atomic int over, made, broken;

static size_t drop(char *p, size_t size, size_t n, void *user) {
  (void)p, (void)user;
  return size * n;
}

static void *own_requests(void *tls) {
  char url[512];
  long status = 0;
  unsigned char md[EVP_MAX_MD_SIZE];
  unsigned n;

  snprintf(url, sizeof url, "%s/x/items?page=1",
           getenv(tls ? "HOST_TLS" : "HOST_URL"));
  while (!over) {
    CURL *e = curl_easy_init();

    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_CAINFO, getenv("HOST_CA"));
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    if (curl_easy_perform(e) != CURLE_OK ||
        curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK ||
        status != 200 || EVP_Digest(url, 9, md, &n, EVP_sha256(), NULL) != 1 ||
        ERR_peek_error() != 0)
      broken++;
    curl_easy_cleanup(e);
    made++;
  }
  return NULL;
}

static void beside(int rounds) {
  pthread_t t[4];
  int tls = 1, least;

  over = 0;
  for (int i = 0; i < 4; i++)
    CHECK_INT(pthread_create(&t[i], NULL, own_requests, i % 2 ? &tls : NULL),
              0);
  for (int i = 0; i < rounds; i++) {
    sqlite3 *db = host_open(i % 2);

    CHECK_INT(number(db, items), 8);
    CHECK_INT(sqlite3_close(db), SQLITE_OK);
  }
  for (least = made + 4; made < least;) usleep(1000); /* after the last one */
  over = 1;
  for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
  CHECK_INT(broken, 0);
}

static void test_libraries_beside_the_hosts_own(void) {
  beside(20);
}

static void test_libraries_after_the_hosts_cleanup(void) {
  sqlite3 *a = host_open(1);

  CHECK_INT(number(a, items), 8);
  curl_global_cleanup(); /* the host's part; cq has its own */
  number(a, "SELECT cq_config('cache_ttl', 0)");
  CHECK_INT(number(a, items), 8);
  CHECK_INT(sqlite3_close(a), SQLITE_OK);
  CHECK_INT(curl_global_init(CURL_GLOBAL_DEFAULT), 0);
  beside(4);
}

/* ---- what is left as it was ---- */
static void test_libraries_error_queue(void) {
  sqlite3 *db = host_open(1);
  unsigned long mine;

  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 77);
  mine = ERR_peek_error();
  CHECK_INT(number(db, items), 8);
  number(db, "SELECT cq_config('github.app_id', '1'), "
             "cq_config('github.app_installation_id', '1'), "
             "cq_config('github.app_private_key', '-----BEGIN RSA PRIVATE "
             "KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----')");
  CHECK_INT(number(db, "SELECT count(*) FROM github_repositories WHERE "
                       "org = 'x'"),
            -1);
  CHECK(strstr(said, "private_key is not") != NULL);
  CHECK_INT(sqlite3_close(db), SQLITE_OK);
  CHECK_INT(ERR_get_error(), mine);
  CHECK_INT(ERR_peek_error(), 0);
}

static void test_libraries_locale(void) {
  char *set = setlocale(LC_ALL, "tr_TR.UTF-8"), before[256], text[16];
  sqlite3 *db;

  CHECK(set != NULL);
  if (!set) return;
  snprintf(before, sizeof before, "%s", set);
  snprintf(text, sizeof text, "%.1f", 1.5);
  CHECK_STR(text, "1,5");
  db = host_open(0);
  CHECK(number(db, "SELECT sum(score) FROM host_items") == 40.0);
  CHECK(number(db, "SELECT cq_config('timeout', 7.5)") == 7.5);
  CHECK(number(db, "SELECT sum(score) FROM host_items WHERE score > 4.25") ==
        32.5);
  CHECK_INT(sqlite3_close(db), SQLITE_OK);
  CHECK_STR(setlocale(LC_ALL, NULL), before);
  setlocale(LC_ALL, "C");
}

static void heard(int signal) {
  (void)signal;
}

static void test_libraries_signals(void) {
  struct sigaction is[65], was[65];
  sigset_t mask, after;
  sqlite3 *db;

  memset(is, 0, sizeof is);
  signal(SIGPIPE, heard);
  signal(SIGINT, heard);
  pthread_sigmask(SIG_SETMASK, NULL, &mask);
  for (int s = 1; s < 65; s++) sigaction(s, NULL, &was[s]);
  db = host_open(1);
  CHECK_INT(number(db, items), 8);
  for (int s = 1; s < 65; s++)
    if (sigaction(s, NULL, &is[s]) == 0)
      CHECK(is[s].sa_handler == was[s].sa_handler);
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  for (int s = 1; s < 65; s++)
    CHECK_INT(sigismember(&after, s), sigismember(&mask, s));
  CHECK_INT(sqlite3_close(db), SQLITE_OK);
}

/* ---- fork ---- */
enum { EXIT_AT_ONCE, CLOSE, ASK, ASK_TLS, ASK_NEW };

static int child(sqlite3 *db, int what) {
  int bad = 0;

  alarm(30); /* one that hangs ends by a signal */
  if (what == ASK || what == ASK_TLS) {
    number(db, "SELECT cq_config('cache_ttl', 0)");
    bad |= number(db, items) != 8;
  }
  if (what == ASK_NEW) {
    sqlite3 *own = host_open(1);

    bad |= number(own, items) != 8;
    bad |= sqlite3_close(own) != SQLITE_OK;
  }
  if (what == CLOSE) bad |= sqlite3_close_v2(db) != SQLITE_OK;
  if (bad) fprintf(stderr, "child %d: %s\n", what, said);
  return bad;
}

static void test_libraries_fork(void) {
  for (int half = 0; half < 2; half++)
    for (int what = EXIT_AT_ONCE; what <= ASK_NEW; what++) {
      sqlite3 *db = host_open(what == ASK_TLS);
      sqlite3_stmt *s = NULL;
      int status = -1;
      pid_t pid;

      CHECK_INT(number(db, items), 8);
      if (half) {
        sqlite3_prepare_v2(db, "SELECT id FROM host_endless", -1, &s, NULL);
        CHECK_INT(sqlite3_step(s), SQLITE_ROW);
      }
      fflush(stdout);
      pid = fork();
      if (pid == 0) exit(child(db, what)); /* handlers at exit run too */
      CHECK(pid > 0);
      CHECK_INT(waitpid(pid, &status, 0), pid);
      CHECK_INT(status, 0);
      if (half) CHECK_INT(sqlite3_step(s), SQLITE_ROW);
      sqlite3_finalize(s);
      number(db, "SELECT cq_config('cache_ttl', 0)");
      CHECK_INT(number(db, items), 8);
      CHECK_INT(sqlite3_close(db), SQLITE_OK);
    }
}

static int ends_in_the_middle(void) {
  sqlite3_stmt *s = NULL;
  int rc;

  for (int tls = 0; tls < 2; tls++) {
    sqlite3_prepare_v2(host_open(tls), "SELECT id FROM host_endless", -1, &s,
                       NULL);
    for (int i = 0; i < 40; i++)
      if ((rc = sqlite3_step(s)) != SQLITE_ROW) return 3;
  }
  exit(0);
}

int main(int argc, char **argv) {
  sqlite3_auto_extension((void (*)(void))sqlite3_cq_init);
  if (argc > 1 && strcmp(argv[1], "exit") == 0) return ends_in_the_middle();
  CHECK_INT(curl_global_init(CURL_GLOBAL_DEFAULT), 0);
  RUN(test_libraries_beside_the_hosts_own);
  RUN(test_libraries_after_the_hosts_cleanup);
  RUN(test_libraries_error_queue);
  RUN(test_libraries_locale);
  RUN(test_libraries_signals);
  RUN(test_libraries_fork);
  curl_global_cleanup();
  return test_done();
}
