/* tests/unit/test.h: the little that a C unit test needs.
 *
 *   static void test_buf_grows(void) { CHECK_INT(buf.len, 3); }
 *   int main(void) { RUN(test_buf_grows); return test_done(); }
 *
 * Each RUN prints one TAP line; a failed check prints where, and what it saw,
 * and lets the function go on.  One function states one fact and is named
 * test_<module>_<fact>. */
#ifndef CQ_TEST_H
#define CQ_TEST_H

#include <stdio.h>
#include <string.h>

static int test_count, test_failed, test_bad;

#define CHECK(x)                                                               \
  ((x) ? (void)0                                                               \
       : (void)(test_bad++,                                                    \
                printf("# %s:%d: false: %s\n", __FILE__, __LINE__, #x)))
#define CHECK_INT(a, b)                                                        \
  test_int((long long)(a), (long long)(b), #a, __FILE__, __LINE__)
#define CHECK_STR(a, b) test_str((a), (b), #a, __FILE__, __LINE__)
#define RUN(f)          test_run(#f, f)

static inline void test_int(long long a, long long b, const char *what,
                            const char *file, int line) {
  if (a == b) return;
  test_bad++;
  printf("# %s:%d: %s: %lld, not %lld\n", file, line, what, a, b);
}

static inline void test_str(const char *a, const char *b, const char *what,
                            const char *file, int line) {
  if (a == b || (a && b && strcmp(a, b) == 0)) return;
  test_bad++;
  printf("# %s:%d: %s:\n#   %s\n# not\n#   %s\n", file, line, what,
         a ? a : "(null)", b ? b : "(null)");
}

static inline void test_run(const char *name, void (*f)(void)) {
  test_bad = 0;
  f();
  test_count++;
  if (test_bad) test_failed++;
  printf("%sok %d - %s\n", test_bad ? "not " : "", test_count, name);
  fflush(stdout);
}

/* The plan comes last, so that a program that dies early is noticed. */
static inline int test_done(void) {
  printf("1..%d\n", test_count);
  return test_failed != 0;
}

#endif
