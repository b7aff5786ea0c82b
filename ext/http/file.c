/* ext/http/file.c: file: URLs.  curl would read such a file in one go and
 * keep what nobody takes, so they are read here, piece by piece. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/internal.h"

int cq_file_open(cq_transfer *t) {
  cq_url_parts u;
  cq_buf path;
  struct stat st;
  int fd;

  cq_url_split(t->url, strlen(t->url), &u);
  if (u.nhost && !(u.nhost == 9 && cq_str_ieqn(u.host, "localhost", 9)))
    return cq_transfer_fail(t, CQ_IOERR, "file is on another machine");
  cq_buf_init(&path, CQ_MAX_URL);
  cq_percent_decode(&path, u.path, u.npath);
  if (path.rc || !path.data || strlen(path.data) != path.len) {
    cq_buf_clear(&path);
    return cq_transfer_fail(t, CQ_IOERR, "bad file name");
  }
  /* not blocking: opening a pipe would wait for its writer */
  fd = open(path.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  cq_buf_clear(&path);
  if (fd < 0)
    return cq_transfer_fail(t, CQ_IOERR, "cannot open: %s", strerror(errno));
  if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
    close(fd);
    return cq_transfer_fail(t, CQ_IOERR, "not a regular file");
  }
  t->length = st.st_size;
  t->body_begun = 1;
  t->fd = fd;
  return CQ_OK;
}

int cq_file_piece(cq_io *io, cq_transfer *t) {
  size_t want = HTTP_BUFFER;
  ssize_t got = 0;
  int oom = 0;

  pthread_mutex_lock(&io->lock);
  if (cq_io_full(io, t)) {
    t->paused = 1;
    pthread_mutex_unlock(&io->lock);
    return 0;
  }
  if (cq_io_reserve(t, want)) {
    oom = 1;
  } else {
    /* From the page cache as a rule; a slow disk holds the lock for it. */
    do got = read(t->fd, t->block->data + t->block->len, want);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
      t->wire += got;
      cq_io_added(io, t, (size_t)got);
    }
  }
  pthread_mutex_unlock(&io->lock);
  if (oom)
    cq_transfer_fail(t, CQ_NOMEM, "out of memory");
  else if (got < 0)
    cq_transfer_fail(t, CQ_IOERR, "cannot read: %s", strerror(errno));
  return oom || got <= 0;
}
