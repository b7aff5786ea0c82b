/* ext/base/file.c: reads a whole file into memory, up to a bound.
 *
 * A missing file is CQ_NOTFOUND, since for many (credentials, caches) that is
 * no error; all else is CQ_IOERR, and a file past the bound CQ_TOOBIG.  Only
 * regular files are read: a pipe waits for its writer, on the host's thread,
 * and a device may have no end, or do something when it is opened. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* strerror() is neither safe on threads everywhere nor free of the locale. */
static const char *file_reason(int e) {
  switch (e) {
  case ENOENT:
    return "no such file";
  case ENOTDIR:
    return "a part of the path is not a folder";
  case EACCES:
  case EPERM:
    return "permission denied";
  case ELOOP:
    return "too many symbolic links";
  case ENAMETOOLONG:
    return "path too long";
  case EMFILE:
  case ENFILE:
    return "too many open files";
  case EIO:
    return "input/output error";
  default:
    return NULL;
  }
}

static int file_error(cq_error *err, const char *path, const char *what,
                      int e) {
  const char *reason = file_reason(e);
  int code = e == ENOENT || e == ENOTDIR ? CQ_NOTFOUND : CQ_IOERR;
  if (reason) return cq_error_set(err, code, "%s: %s: %s", path, what, reason);
  return cq_error_set(err, code, "%s: %s: errno %d", path, what, e);
}

/* The null device is what many give for an empty file (AWS_CONFIG_FILE). */
static int file_is_plain(const struct stat *st) {
  struct stat null;

  if (S_ISREG(st->st_mode)) return 1;
  return S_ISCHR(st->st_mode) && stat("/dev/null", &null) == 0 &&
         S_ISCHR(null.st_mode) && st->st_rdev == null.st_rdev;
}

static int file_not_plain(cq_error *err, const char *path, mode_t mode) {
  const char *what = S_ISDIR(mode)    ? "a folder"
                     : S_ISFIFO(mode) ? "a pipe"
                     : S_ISSOCK(mode) ? "a socket"
                                      : "a device";

  return cq_error_set(err, CQ_IOERR,
                      "%s: cannot read: is %s, not a regular file", path, what);
}

int cq_file_check(const char *path, cq_error *err) {
  struct stat st;

  if (!path || stat(path, &st) || file_is_plain(&st)) return CQ_OK;
  return file_not_plain(err, path, st.st_mode);
}

int cq_file_read(const char *path, size_t max, char **out, size_t *len,
                 cq_error *err) {
  struct stat st;
  cq_buf b;
  int rc = CQ_OK, fd;
  *out = NULL;
  if (len) *len = 0;
  cq_buf_init(&b, max);
  /* Not blocking, so that a pipe is refused and not waited for. */
  do {
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    /* A socket, a device without a driver. */
    rc = errno == ENXIO || errno == ENODEV ? cq_file_check(path, err) : CQ_OK;
    if (rc == CQ_OK) rc = file_error(err, path, "cannot open", errno);
    goto done;
  }
  if (fstat(fd, &st) != 0) {
    rc = file_error(err, path, "cannot read", errno);
    goto done;
  }
  if (!file_is_plain(&st)) {
    rc = file_not_plain(err, path, st.st_mode);
    goto done;
  }
  /* The size is only a first guess: /proc says 0, and a file may grow while it
   * is read. */
  if (st.st_size > 0 && (uint64_t)st.st_size <= max)
    cq_buf_reserve(&b, (size_t)st.st_size);
  for (;;) {
    char chunk[16384];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      rc = file_error(err, path, "cannot read", errno);
      goto done;
    }
    if (n == 0) break;
    cq_buf_add(&b, chunk, (size_t)n);
    if (b.rc != CQ_OK) break;
  }
  if (b.rc == CQ_TOOBIG) {
    rc = cq_error_set(err, CQ_TOOBIG, "%s: larger than allowed: %zu bytes",
                      path, max);
    goto done;
  }
  if (len) *len = b.len;
  *out = cq_buf_take(&b);
  if (!*out) {
    if (len) *len = 0;
    rc = cq_error_nomem(err);
  }
done:
  if (fd >= 0) close(fd);
  cq_buf_clear(&b);
  return rc;
}
