/* tests/unit/test_pgsaid.c: what libpq says in several lines, as a sentence and
 * a hint. */
#include "dest/postgresql/internal.h"
#include "test.h"

static const char *said(const char *text) {
  static char all[600];
  cq_buf out, hint;

  cq_buf_init(&out, 1000);
  cq_buf_init(&hint, 1000);
  pg_said(text, &out, &hint);
  snprintf(all, sizeof all, "%s|%s", out.len ? out.data : "",
           hint.len ? hint.data : "");
  cq_buf_clear(&out);
  cq_buf_clear(&hint);
  return all;
}

static void test_pg_said(void) {
  CHECK_STR(said(""), "|");
  CHECK_STR(said("\n"), "|");
  CHECK_STR(said("\t\n?\n"), "?|");
  CHECK_STR(said("one fact\n"), "one fact|");
  CHECK_STR(said("connection to server at \"127.0.0.1\", port 1 failed: "
                 "Connection refused\n\tIs the server running on that host and "
                 "accepting TCP/IP connections?\n"),
            "connection to server at \"127.0.0.1\", port 1 failed: Connection "
            "refused|Is the server running on that host and accepting TCP/IP "
            "connections?");
  CHECK_STR(said("at \"::1\" failed: refused\n\tIs it\n\trunning?\n"
                 "at \"127.0.0.1\" failed: FATAL:  no database\nDETAIL:  It "
                 "was\n\tdropped.\nHINT:  Make it.\n"),
            "at \"::1\" failed: refused; at \"127.0.0.1\" failed: FATAL: no "
            "database: It was dropped.|Is it running?");
  CHECK_STR(
      said("closed the connection unexpectedly\n\tThis probably means "
           "the server terminated abnormally\n\tbefore or while "
           "processing the request.\n"),
      "closed the connection unexpectedly: This probably means the server "
      "terminated abnormally before or while processing the request.|");
  CHECK_STR(said("FATAL:  sorry\nHINT:"), "FATAL: sorry|");
}

int main(void) {
  RUN(test_pg_said);
  return test_done();
}
