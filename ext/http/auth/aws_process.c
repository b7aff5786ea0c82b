/* ext/http/auth/aws_process.c: keys that a program prints, which a profile
 * names as credential_process.
 *
 * The command is split into words as a shell would, and run without one: what
 * it holds is never interpreted.  Its output is read as it comes, bounded in
 * size and time, while everything else goes on; what it writes to stderr is
 * for the user, as with AWS's own tools. */
#define _GNU_SOURCE 1 /* pipe2 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "http/auth/internal.h"

enum { PROCESS_MS = 60000, PROCESS_WORDS = 256 };

extern char **environ;

typedef struct process {
  pid_t pid; /* 0 = none, or it has been waited for */
  int fd;    /* -1 = at its end */
  int64_t until_ms;
  int status, ended;
  cq_buf out;
} process;

/* Words as a POSIX shell splits them: blanks, quotes of both kinds,
 * backslashes.  In place; CQ_ERROR where a quote is left open. */
static int process_split(char *s, char **words, int *n) {
  char *w = s;

  *n = 0;
  for (;;) {
    char quote = 0;

    while (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r') s++;
    if (!*s) break;
    if (*n == PROCESS_WORDS - 1) return CQ_TOOBIG;
    words[(*n)++] = w;
    for (; *s && (quote || !strchr(" \t\r\n", *s)); s++) {
      if (quote ? *s == quote : (*s == '"' || *s == '\'')) {
        quote = quote ? 0 : *s;
      } else if (*s == '\\' && quote != '\'') {
        /* within "" it is one only before what it can protect */
        if (!s[1]) return CQ_ERROR;
        if (!quote || s[1] == '"' || s[1] == '\\') s++;
        *w++ = *s;
      } else {
        *w++ = *s;
      }
    }
    if (quote) return CQ_ERROR;
    if (*s) s++; /* before the word's end is written over it */
    *w++ = 0;
  }
  words[*n] = NULL;
  return CQ_OK;
}

static void process_stop(cq_aws_source *s) {
  process *p = s->state;

  if (!p) return;
  if (p->fd >= 0) close(p->fd);
  if (p->pid > 0) {
    kill(p->pid, SIGKILL);
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
      ;
  }
  if (p->out.data) cq_wipe(p->out.data, p->out.len);
  cq_buf_clear(&p->out);
  cq_free(p);
  s->state = NULL;
}

static int process_spawn(process *p, char *const *words) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attr;
  sigset_t none, defaults;
  int fd[2], rc;

  /* At once: the host may fork on another thread in between. */
  if (pipe2(fd, O_CLOEXEC)) return errno;
  fcntl(fd[0], F_SETFL, O_NONBLOCK);
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, fd[1], 1);
  /* What the host blocks or ignores is not the program's. */
  posix_spawnattr_init(&attr);
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  sigaddset(&defaults, SIGCHLD);
  posix_spawnattr_setsigmask(&attr, &none);
  posix_spawnattr_setsigdefault(&attr, &defaults);
  posix_spawnattr_setflags(&attr,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  rc = posix_spawnp(&p->pid, words[0], &files, &attr, words, environ);
  posix_spawnattr_destroy(&attr);
  posix_spawn_file_actions_destroy(&files);
  close(fd[1]);
  if (rc) {
    close(fd[0]);
    p->pid = 0;
    return rc;
  }
  p->fd = fd[0];
  return 0;
}

static int process_begin(cq_aws_source *s, cq_error *err) {
  process *p = cq_calloc(1, sizeof *p);
  char *line = cq_strdup(s->step.arg[CQ_PROCESS_COMMAND]);
  char *words[PROCESS_WORDS];
  int n = 0, rc = CQ_OK, e;

  if (!p || !line) {
    cq_free(p);
    cq_free_secret(line);
    return cq_error_nomem(err);
  }
  p->fd = -1;
  p->until_ms = cq_mono_ms() + PROCESS_MS;
  cq_buf_init(&p->out, CQ_MAX_PRIVATE_KEY);
  s->state = p;
  if (process_split(line, words, &n) || n == 0)
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: %s: credential_process is no command: a quote is "
                      "left open, or nothing is there",
                      s->step.from);
  else if ((e = process_spawn(p, words)) != 0)
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: %s: credential_process cannot run %.200s: %s",
                      s->step.from, words[0],
                      e == ENOENT   ? "no such program"
                      : e == EACCES ? "permission denied"
                                    : "no process can be started");
  cq_free_secret(line);
  return rc;
}

static int process_read(process *p) {
  char chunk[4096];

  while (p->fd >= 0) {
    ssize_t n = read(p->fd, chunk, sizeof chunk);

    if (n > 0) {
      cq_buf_add(&p->out, chunk, (size_t)n);
      cq_wipe(chunk, (size_t)n);
      if (p->out.rc) return p->out.rc;
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      break;
    } else {
      close(p->fd);
      p->fd = -1;
    }
  }
  if (p->pid > 0) {
    pid_t got = waitpid(p->pid, &p->status, WNOHANG);

    /* Where the host has children reaped, how it ended is not known. */
    if (got == p->pid || (got < 0 && errno == ECHILD)) {
      if (got < 0) p->status = 0;
      p->pid = 0;
    }
  }
  return CQ_OK;
}

static int process_keys(cq_aws_source *s, process *p, cq_aws_keys *out,
                        cq_error *err) {
  static const cq_aws_names names = {"AccessKeyId", "SecretAccessKey",
                                     "SessionToken", "Expiration"};
  json_t *j = p->out.data ? json_loadb(p->out.data, p->out.len, 0, NULL) : NULL;
  int rc;

  if (!json_is_object(j))
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: %s: credential_process printed no JSON object",
                      s->step.from);
  else if (json_integer_value(json_object_get(j, "Version")) != 1)
    rc = cq_error_set(err, CQ_AUTH,
                      "aws: %s: credential_process printed another Version "
                      "than 1",
                      s->step.from);
  else
    rc = cq_aws_keys_json(s, j, &names, out, err);
  json_decref(j);
  return rc;
}

static int process_poll(cq_aws_source *s, cq_aws_keys *out, cq_error *err) {
  process *p = s->state;

  if (process_read(p))
    return cq_error_set(err, CQ_AUTH,
                        "aws: %s: credential_process printed more than %d "
                        "bytes",
                        s->step.from, (int)CQ_MAX_PRIVATE_KEY);
  if (p->pid > 0 || p->fd >= 0) {
    if (cq_mono_ms() < p->until_ms) return CQ_BUSY;
    return cq_error_set(err, CQ_AUTH,
                        "aws: %s: credential_process did not end within %d s",
                        s->step.from, PROCESS_MS / 1000);
  }
  if (p->status) {
    if (WIFEXITED(p->status))
      cq_error_set(err, CQ_AUTH,
                   "aws: %s: credential_process ended with status %d",
                   s->step.from, WEXITSTATUS(p->status));
    else
      cq_error_set(err, CQ_AUTH,
                   "aws: %s: credential_process ended by signal %d",
                   s->step.from, WTERMSIG(p->status));
    cq_error_hint(err, "run the profile's command to see what it says");
    return CQ_AUTH;
  }
  return process_keys(s, p, out, err);
}

const cq_aws_source_ops cq_aws_by_process = {
    "credential_process", process_begin, process_poll, process_stop};
