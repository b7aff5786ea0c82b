/* tests/fuzz/memory_file.h: a file without a disk, for what reads files by name. */
#ifndef CQ_FUZZ_MEMORY_FILE_H
#define CQ_FUZZ_MEMORY_FILE_H

#ifndef _GNU_SOURCE
#error memfd_create needs _GNU_SOURCE before the first include
#endif
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

typedef struct memory_file {
  int fd; /* made where path is set */
  char path[40];
} memory_file;

/* Its content from now on; returns its name. */
static inline const char *memory_file_set(memory_file *f, const char *p,
                                          size_t n) {
  if (!f->path[0]) {
    f->fd = memfd_create("input", 0);
    if (f->fd < 0) fuzz_fail("memfd_create");
    snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
  }
  if (ftruncate(f->fd, 0) || (n && pwrite(f->fd, p, n, 0) != (ssize_t)n))
    fuzz_fail("%s: cannot be written", f->path);
  return f->path;
}

#endif
