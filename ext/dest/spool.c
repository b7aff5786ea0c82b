/* ext/dest/spool.c: packed rows kept aside in a temporary file that has no name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dest/dest.h"

void cq_spool_init(cq_spool *s) {
  pthread_mutex_init(&s->lock, NULL);
  s->fd = -1;
  s->end = 0;
}

void cq_spool_clear(cq_spool *s) {
  if (s->fd >= 0) close(s->fd);
  s->fd = -1;
  pthread_mutex_destroy(&s->lock);
}

static int spool_open(cq_spool *s, cq_error *err) {
  const char *set = getenv("TMPDIR"), *folder = set && *set ? set : "/tmp";
  char *path = cq_mprintf("%s/cq-spool-XXXXXX", folder);

  if (!path) return cq_error_nomem(err);
  s->fd = mkstemp(path);
  if (s->fd < 0)
    cq_error_set(err, CQ_IOERR,
                 "%s: rows cannot be kept aside: %s\nhint: set TMPDIR to a "
                 "folder with room",
                 folder, strerror(errno));
  else
    unlink(path);
  if (s->fd >= 0) fcntl(s->fd, F_SETFD, FD_CLOEXEC);
  cq_free(path);
  return s->fd < 0 ? CQ_IOERR : CQ_OK;
}

int64_t cq_spool_after(const cq_pack *p, int64_t at) {
  return at + (int64_t)((p->bytes + 7) & ~(size_t)7);
}

int cq_spool_put(cq_spool *s, const cq_pack *p, int64_t *at, cq_error *err) {
  int rc = CQ_OK;

  pthread_mutex_lock(&s->lock);
  if (s->fd < 0) rc = spool_open(s, err);
  if (rc == CQ_OK && cq_pack_write(p, s->fd, s->end))
    rc = cq_error_set(err, errno == ENOSPC ? CQ_FULL : CQ_IOERR,
                      "rows cannot be kept aside: temporary file: %s\nhint: "
                      "set TMPDIR to a folder with room",
                      strerror(errno));
  if (rc == CQ_OK) {
    *at = s->end;
    s->end = cq_spool_after(p, s->end);
  }
  pthread_mutex_unlock(&s->lock);
  return rc;
}

int cq_spool_get(cq_spool *s, int64_t at, cq_pack **out, cq_error *err) {
  int rc = cq_pack_read(s->fd, at, out);

  if (rc == CQ_NOMEM) return cq_error_nomem(err);
  if (rc)
    return cq_error_set(err, CQ_IOERR,
                        "rows that were kept aside cannot be read: temporary "
                        "file: %s",
                        strerror(errno));
  return CQ_OK;
}

void cq_spool_reset(cq_spool *s) {
  pthread_mutex_lock(&s->lock);
  if (s->end > 0 && s->fd >= 0 && ftruncate(s->fd, 0) == 0) s->end = 0;
  pthread_mutex_unlock(&s->lock);
}
