/* ext/dest/owner.c: who runs a run, as a text in the journal, and whether whoever
 * is told there is still at work. */
#include "dest/dest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  ALIVE_US = 600 * 1000 * 1000, /* a live process that says nothing so long */
  ALIVE_ELSEWHERE_US = 120 * 1000 * 1000 /* one elsewhere */
};
/* A sign of life further ahead is of a clock that was wrong: it would keep a
 * source from everybody until then. */
#define AHEAD_US (INT64_C(3600) * 1000 * 1000)

/* What the kernel says in a file, or as a link's target, of these characters
 * alone: "" where it says nothing. */
static void kernel_word(const char *path, int is_link, const char *these,
                        char *out, size_t cap) {
  char text[128] = "";
  ssize_t n = -1;
  size_t at = 0;

  if (is_link) {
    n = readlink(path, text, sizeof text - 1);
  } else {
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
      n = read(fd, text, sizeof text - 1);
      close(fd);
    }
  }
  for (ssize_t i = 0; i < n && at + 1 < cap; i++)
    if (text[i] && strchr(these, text[i])) out[at++] = text[i];
  out[at] = '\0';
}

/* A process id means something on one machine, until it is booted anew, and in
 * one PID namespace: containers of one host name may each have their own.  So
 * all of it is the place, host@boot/namespace.  Where the kernel does not say,
 * the place ends with '?', and nobody there is known to be gone. */
static void place(char *out, size_t cap) {
  char host[256] = "", boot[48], space[48];

  gethostname(host, sizeof host - 1);
  for (char *p = host; *p; p++)
    if (*p == ':' || *p == '@') *p = '.';
  kernel_word("/proc/sys/kernel/random/boot_id", 0, "0123456789abcdef-", boot,
              sizeof boot);
  kernel_word("/proc/self/ns/pid", 1, "0123456789", space, sizeof space);
  snprintf(out, cap, *boot && *space ? "%s@%s/%s" : "%s@%s/%s?", host, boot,
           space);
}

char *cq_dest_owner(const cq_dest_def *d) {
  char where[400], name[64];

  place(where, sizeof where);
  snprintf(name, sizeof name, "%.*s",
           (int)(strlen(d->name) < sizeof name
                     ? strlen(d->name)
                     : cq_utf8_cut(d->name, sizeof name - 1)),
           d->name);
  for (char *p = name; *p; p++)
    if (*p == ':') *p = '.';
  return cq_mprintf("%s:%ld:%p-%08x-%s", where, (long)getpid(), d->caller,
                    (unsigned)cq_hash64(d->name, strlen(d->name), 0), name);
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

/* Is the owner's process one that can be asked for from here?  Owners of before
 * have the host's name alone for their place, which is no answer. */
static int is_here(const char *owner, const char *mine) {
  size_t n = strcspn(mine, ":");

  return n > 0 && mine[n - 1] != '?' && memchr(mine, '@', n) &&
         strncmp(owner, mine, n + 1) == 0;
}

int cq_dest_owner_gone(const char *owner, const char *mine) {
  long pid;

  if (!is_here(owner, mine)) return 0;
  pid = strtol(owner + strcspn(owner, ":") + 1, NULL, 10);
  return pid <= 0 || (kill((pid_t)pid, 0) && errno == ESRCH);
}

/* Up to the caller's identity, and with the '-' behind it; 0: it has none. */
static size_t caller(const char *owner) {
  size_t n = strcspn(owner, ":");

  for (int i = 0; i < 1 && owner[n]; i++) n += 1 + strcspn(owner + n + 1, ":");
  n += strcspn(owner + n, "-");
  return owner[n] ? n + 1 : 0;
}

int cq_dest_owner_beside(const char *owner, const char *mine) {
  size_t n = caller(mine);

  return n && strncmp(owner, mine, n) == 0 && !cq_dest_owner_same(owner, mine);
}

int cq_dest_busy(const char *what, const char *where, const char *owner,
                 const char *mine, int64_t since_us, cq_error *err) {
  size_t n = caller(mine), host = strcspn(owner, "@:");
  const char *pid = owner + strcspn(owner, ":");
  char since[40];

  if (cq_dest_owner_beside(owner, mine)) {
    const char *other = owner + n + strcspn(owner + n, "-:");
    int len = *other == '-' ? (int)strcspn(++other, ":") : 0;
    int first = strncmp(other, where, (size_t)len) <= 0; /* either may come */

    cq_error_set(err, CQ_BUSY,
                 "%s: destinations %.*s and %.*s are the same place", what,
                 first ? len : 999, first ? other : where, first ? 999 : len,
                 first ? where : other);
    cq_error_hint(err, "each needs one of its own: another path or schema");
    return CQ_BUSY;
  }
  cq_dest_time(since_us, since);
  cq_error_set(err, CQ_BUSY,
               "%s: is being synced into %s by another connection: process "
               "%.*s on %.*s, since %.19sZ",
               what, where, *pid ? (int)strcspn(pid + 1, ":") : 0,
               *pid ? pid + 1 : "", (int)host, owner, since);
  return CQ_BUSY;
}

/* A run's number is the time when it began. */
int cq_dest_source_busy(const cq_dest_run *r, const cq_dest *d,
                        const char *owner, const char *mine, int64_t group,
                        cq_error *err) {
  char what[256];

  snprintf(what, sizeof what, "source %s", r->source);
  return cq_dest_busy(what, d->name, owner, mine, group, err);
}

int cq_dest_owner_runs(const char *owner, const char *mine,
                       const char *updated) {
  int64_t at = 0, age;

  if (cq_dest_owner_same(owner, mine) || cq_dest_owner_gone(owner, mine))
    return 0;
  if (cq_time_parse(updated, strlen(updated), &at)) return 0;
  age = cq_now_us() - at;
  if (age < -AHEAD_US) return 0;
  return age < (is_here(owner, mine) ? ALIVE_US : ALIVE_ELSEWHERE_US);
}
