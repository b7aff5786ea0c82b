/* tests/fault/shim.c: what makes SQLite's surroundings fail on command, and cq
 * with it: a VFS around the default one, an allocator around SQLite's own, and
 * cq built so that its own allocations can be made to fail.
 *
 * One shared object: a program that has libsqlite3 opens it (shim.py does, with
 * ctypes), calls shim_install() before its first connection, and loads it as an
 * extension, which loads cq.  All state is of the process, and behind one lock,
 * since cq's destinations open connections of their own. */
#include <execinfo.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

#define EXPORT __attribute__((visibility("default")))

int sqlite3_cq_init(sqlite3 *db, char **error, const void *api);

/* What can be told to fail; masks.  shim.py has the same numbers. */
enum {
  OP_OPEN = 1,
  OP_READ = 2,
  OP_WRITE = 4,
  OP_TRUNCATE = 8,
  OP_SYNC = 16,
  OP_LOCK = 32,
  OP_DELETE = 64,
  OP_ACCESS = 128,
  OP_SIZE = 256,
  OP_SHM_MAP = 512,
  OP_SHM_LOCK = 1024
};
/* Those after which a file is another than before. */
enum { OP_CHANGES = OP_OPEN | OP_WRITE | OP_TRUNCATE | OP_SYNC | OP_DELETE };

typedef void (*watcher)(int op, const char *path);

typedef struct shim_file {
  sqlite3_file base;
  const char *path; /* SQLite's, lives as long as the file; NULL: temporary */
  int flags;
  sqlite3_file *real;
  sqlite3_io_methods methods; /* as many as the real file has */
} shim_file;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static sqlite3_vfs *under, shim;
static sqlite3_mem_methods memory;
static int mask, code, sticky, hit;
static long countdown, seen, memory_countdown, memory_seen;
static int memory_sticky, memory_hit, pid;
static watcher watch;

/* The result that this operation has to have instead of being made. */
static int op_begins(int op, const char *path) {
  watcher tell;
  int rc = SQLITE_OK;

  pthread_mutex_lock(&lock);
  tell = op & OP_CHANGES ? watch : NULL;
  if (mask & op) {
    seen++;
    if (countdown > 0 && --countdown == 0) {
      hit = 1;
      rc = code;
    } else if (hit && sticky) {
      rc = code;
    }
  }
  pthread_mutex_unlock(&lock);
  if (tell && path) tell(op, path);
  return rc;
}

static sqlite3_file *real_of(sqlite3_file *f) {
  return ((shim_file *)f)->real;
}

static const char *path_of(sqlite3_file *f) {
  return ((shim_file *)f)->path;
}

static int file_close(sqlite3_file *f) {
  sqlite3_file *r = real_of(f);

  return r->pMethods ? r->pMethods->xClose(r) : SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
  int rc = op_begins(OP_READ, path_of(f));

  if (rc && rc != SQLITE_CORRUPT) return rc;
  if (rc) { /* the disk gives other bytes than it was given */
    rc = real_of(f)->pMethods->xRead(real_of(f), p, n, at);
    for (int i = 0; i < n; i++) ((unsigned char *)p)[i] ^= 0x5a;
    return rc;
  }
  return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
  int rc = op_begins(OP_WRITE, path_of(f));

  /* A disk that is full takes a part of it. */
  if (rc == SQLITE_FULL && n > 1)
    real_of(f)->pMethods->xWrite(real_of(f), p, n / 2, at);
  return rc ? rc : real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 n) {
  int rc = op_begins(OP_TRUNCATE, path_of(f));

  return rc ? rc : real_of(f)->pMethods->xTruncate(real_of(f), n);
}

/* No power is cut here: that it was asked for is what counts. */
static int file_sync(sqlite3_file *f, int flags) {
  (void)flags;
  return op_begins(OP_SYNC, path_of(f));
}

static int file_size(sqlite3_file *f, sqlite3_int64 *n) {
  int rc = op_begins(OP_SIZE, path_of(f));

  return rc ? rc : real_of(f)->pMethods->xFileSize(real_of(f), n);
}

static int file_lock(sqlite3_file *f, int kind) {
  int rc = op_begins(OP_LOCK, path_of(f));

  return rc ? rc : real_of(f)->pMethods->xLock(real_of(f), kind);
}

static int file_unlock(sqlite3_file *f, int kind) {
  return real_of(f)->pMethods->xUnlock(real_of(f), kind);
}

static int file_reserved(sqlite3_file *f, int *out) {
  return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg) {
  return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int file_sector(sqlite3_file *f) {
  return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int file_traits(sqlite3_file *f) {
  return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int shm_map(sqlite3_file *f, int page, int size, int extend,
                   void volatile **out) {
  int rc = op_begins(OP_SHM_MAP, path_of(f));

  return rc ? rc
            : real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend,
                                            out);
}

static int shm_lock(sqlite3_file *f, int at, int n, int flags) {
  int rc = flags & SQLITE_SHM_UNLOCK ? SQLITE_OK
                                     : op_begins(OP_SHM_LOCK, path_of(f));

  return rc ? rc : real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void shm_barrier(sqlite3_file *f) {
  real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int shm_unmap(sqlite3_file *f, int gone) {
  return real_of(f)->pMethods->xShmUnmap(real_of(f), gone);
}

static const sqlite3_io_methods all_methods = {
    .iVersion = 2, /* no memory mapping: each read is seen */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static int vfs_open(sqlite3_vfs *v, sqlite3_filename path, sqlite3_file *f,
                    int flags, int *out) {
  shim_file *s = (shim_file *)f;
  int rc = op_begins(OP_OPEN, path);

  (void)v;
  memset(s, 0, sizeof *s);
  if (rc) return rc;
  s->path = path;
  s->flags = flags;
  s->real = (sqlite3_file *)(s + 1);
  rc = under->xOpen(under, path, s->real, flags, out);
  if (rc || !s->real->pMethods) return rc;
  s->methods = all_methods;
  if (s->real->pMethods->iVersion < 2) s->methods.iVersion = 1;
  s->base.pMethods = &s->methods;
  return rc;
}

static int vfs_delete(sqlite3_vfs *v, const char *path, int dir) {
  int rc = op_begins(OP_DELETE, path);

  (void)v;
  return rc ? rc : under->xDelete(under, path, dir);
}

static int vfs_access(sqlite3_vfs *v, const char *path, int flags, int *out) {
  int rc = op_begins(OP_ACCESS, path);

  (void)v;
  return rc ? rc : under->xAccess(under, path, flags, out);
}

/* ---- SQLite's allocations ----------------------------------------------------- */

static int memory_fails(void) {
  int fails = 0;

  pthread_mutex_lock(&lock);
  memory_seen++;
  if (memory_countdown > 0 && --memory_countdown == 0) memory_hit = fails = 1;
  if (memory_hit && memory_sticky) fails = 1;
  pthread_mutex_unlock(&lock);
  return fails;
}

static void *memory_malloc(int n) {
  return memory_fails() ? NULL : memory.xMalloc(n);
}

static void *memory_realloc(void *p, int n) {
  return memory_fails() ? NULL : memory.xRealloc(p, n);
}

/* ---- what a test calls ---------------------------------------------------------- */

/* Once, before any connection. */
EXPORT int shim_install(void) {
  sqlite3_mem_methods ours;
  int rc = sqlite3_shutdown();

  if (rc == SQLITE_OK) rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
  ours = memory;
  ours.xMalloc = memory_malloc;
  ours.xRealloc = memory_realloc;
  if (rc == SQLITE_OK) rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &ours);
  /* Small blocks would come from a place that never fails. */
  if (rc == SQLITE_OK) rc = sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
  if (rc == SQLITE_OK) rc = sqlite3_initialize();
  if (rc) return rc;
  under = sqlite3_vfs_find(NULL);
  shim = *under;
  shim.zName = "shim";
  shim.pNext = NULL;
  shim.szOsFile = (int)sizeof(shim_file) + under->szOsFile;
  shim.xOpen = vfs_open;
  shim.xDelete = vfs_delete;
  shim.xAccess = vfs_access;
  return sqlite3_vfs_register(&shim, 1);
}

/* The n-th operation of `ops` from now gives `rc`, and with `stays` all after
 * it; 0 = none.  They are counted all the same. */
EXPORT void shim_fail(int ops, long n, int rc, int stays) {
  pthread_mutex_lock(&lock);
  mask = ops;
  countdown = n;
  code = rc;
  sticky = stays;
  hit = 0;
  seen = 0;
  pthread_mutex_unlock(&lock);
}

/* How many there were, or -1 - that where one has failed. */
EXPORT long shim_seen(void) {
  long n;

  pthread_mutex_lock(&lock);
  n = hit ? -1 - seen : seen;
  pthread_mutex_unlock(&lock);
  return n;
}

/* The same of SQLite's allocations, ... */
EXPORT void shim_memory(long n, int stays) {
  pthread_mutex_lock(&lock);
  memory_countdown = n;
  memory_sticky = stays;
  memory_hit = 0;
  memory_seen = 0;
  pthread_mutex_unlock(&lock);
}

EXPORT long shim_memory_seen(void) {
  long n;

  pthread_mutex_lock(&lock);
  n = memory_hit ? -1 - memory_seen : memory_seen;
  pthread_mutex_unlock(&lock);
  return n;
}

/* ... and of cq's; -1 = neither fails nor counts. */
EXPORT void shim_cq(long n) {
  cq_fault_set(n == 0 ? LONG_MAX : n < 0 ? 0 : n);
}

EXPORT long shim_cq_seen(void) {
  return LONG_MAX - cq_fault_left();
}

EXPORT int shim_cq_hit(void) {
  return cq_fault_hit();
}

/* ---- places: who asks for memory ------------------------------------------------ */
/* A place is the return addresses of those that led to an allocation, the
 * innermost first.  All that are met are noted; those of one can fail, once. */
enum { DEPTH = 32, PLACES = 1 << 15 };
typedef struct place {
  int n;
  void *at[DEPTH];
} place;
static place *places;
static int nplace, noting;
static place wanted;      /* n = 0: none */
static long wanted_after; /* so many of them pass before */

static int place_asks(void) {
  place now;
  size_t h = 5381;
  int fails = 0;

  now.n = backtrace(now.at, DEPTH);
  pthread_mutex_lock(&lock);
  if (wanted.n && now.n >= wanted.n &&
      !memcmp(now.at, wanted.at, (size_t)wanted.n * sizeof *now.at) &&
      wanted_after-- == 0) {
    wanted.n = 0;
    fails = 1;
  }
  if (noting && nplace < PLACES / 2) {
    for (int i = 0; i < now.n; i++) h = h * 33 + (size_t)now.at[i];
    h ^= h >> 17;
    for (;; h++) {
      place *p = &places[h % PLACES];

      if (p->n == now.n &&
          !memcmp(p->at, now.at, (size_t)now.n * sizeof *now.at))
        break;
      if (p->n) continue;
      memset(p, 0, sizeof *p);
      memcpy(p->at, now.at, (size_t)now.n * sizeof *now.at);
      p->n = now.n;
      nplace++;
      break;
    }
  }
  pthread_mutex_unlock(&lock);
  return fails;
}

/* From now on all are noted, or none. */
EXPORT int shim_note(int on) {
  void *first[1];

  backtrace(first, 1); /* which opens a library at its first call */
  pthread_mutex_lock(&lock);
  if (!places) places = calloc(PLACES, sizeof *places);
  noting = on && places;
  pthread_mutex_unlock(&lock);
  cq_fault_ask(noting ? place_asks : NULL);
  return noting == on;
}

/* How many were noted; `out` gets DEPTH addresses of each (0: no more). */
EXPORT int shim_places(void **out) {
  int n = 0;

  for (int i = 0; places && i < PLACES; i++) {
    if (!places[i].n) continue;
    if (out) memcpy(out + DEPTH * n, places[i].at, sizeof places[i].at);
    n++;
  }
  return n;
}

EXPORT void shim_forget(void) {
  if (places) memset(places, 0, PLACES * sizeof *places);
  nplace = 0;
}

/* An allocation whose innermost n addresses are these fails, after `pass` of
 * them; n = 0: none does. */
EXPORT void shim_place(void *const *at, int n, long pass) {
  pthread_mutex_lock(&lock);
  wanted.n = n;
  if (n) memcpy(wanted.at, at, (size_t)n * sizeof *at);
  wanted_after = pass;
  pthread_mutex_unlock(&lock);
  cq_fault_set(0);
  cq_fault_ask(n ? place_asks : NULL);
}

/* Blocks of cq's that nobody has freed. */
EXPORT long shim_cq_held(void) {
  return cq_fault_held();
}

/* A run is known by its process.  This one's number, until it is 0 again, for
 * whatever is linked into this object: the name is not seen outside of it. */
EXPORT void shim_pid(int n) {
  pthread_mutex_lock(&lock);
  pid = n;
  pthread_mutex_unlock(&lock);
}

pid_t getpid(void) {
  int n;

  pthread_mutex_lock(&lock);
  n = pid;
  pthread_mutex_unlock(&lock);
  return n ? n : (pid_t)syscall(SYS_getpid);
}

/* Told before each operation that changes a file; NULL: nobody. */
EXPORT void shim_watch(watcher w) {
  pthread_mutex_lock(&lock);
  watch = w;
  pthread_mutex_unlock(&lock);
}

EXPORT long long shim_memory_used(void) {
  return sqlite3_memory_used();
}

EXPORT int sqlite3_extension_init(sqlite3 *db, char **error,
                                  const struct sqlite3_api_routines *api) {
  return sqlite3_cq_init(db, error, api);
}
