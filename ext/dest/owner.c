/* ext/dest/owner.c: who runs a run, as a text in the journal, and whether whoever
 * is told there is still at work. */
#include "dest/dest.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  ALIVE_US = 600 * 1000 * 1000, /* a live process that says nothing so long */
  ALIVE_ELSEWHERE_US = 120 * 1000 * 1000 /* one on another machine */
};

char *cq_dest_owner(const cq_dest_def *d) {
  char host[256] = "";

  gethostname(host, sizeof host - 1);
  for (char *p = host; *p; p++)
    if (*p == ':') *p = '.';
  return cq_mprintf("%s:%ld:%p-%08x", host, (long)getpid(), d->caller,
                    (unsigned)cq_hash64(d->name, strlen(d->name), 0));
}

/* The first three parts; what a store adds behind them is its own. */
static size_t who(const char *owner) {
  size_t n = strcspn(owner, ":");

  for (int i = 0; i < 2 && owner[n]; i++) n += 1 + strcspn(owner + n + 1, ":");
  return n;
}

int cq_dest_owner_same(const char *owner, const char *mine) {
  size_t n = who(mine);

  return who(owner) == n && memcmp(owner, mine, n) == 0;
}

int cq_dest_owner_gone(const char *owner, const char *mine) {
  size_t host = strcspn(mine, ":");
  long pid;

  if (strncmp(owner, mine, host + 1) != 0) return 0;
  pid = strtol(owner + host + 1, NULL, 10);
  return pid <= 0 || (kill((pid_t)pid, 0) && errno == ESRCH);
}

int cq_dest_owner_runs(const char *owner, const char *mine,
                       const char *updated) {
  size_t host = strcspn(mine, ":");
  int64_t at = 0, age;

  if (cq_dest_owner_same(owner, mine) || cq_dest_owner_gone(owner, mine))
    return 0;
  if (cq_time_parse(updated, strlen(updated), &at)) return 0;
  age = cq_now_us() - at;
  return age <
         (strncmp(owner, mine, host + 1) == 0 ? ALIVE_US : ALIVE_ELSEWHERE_US);
}
