/* bench/took.c: runs a program and writes what it took.
 *
 *   took FILE PROGRAM ARGUMENT...
 *
 * FILE becomes {"cpu": s, "wall": s, "peak": bytes}, of the whole process; the
 * exit status is the program's.  A process of its own, since a process's peak
 * begins with the size of the one that started it. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) {
  return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv) {
  struct rusage use;
  double start = now();
  int status = 1;
  pid_t pid;
  FILE *out;

  if (argc < 3) {
    fprintf(stderr, "usage: took FILE PROGRAM ARGUMENT...\n");
    return 2;
  }
  pid = fork();
  if (pid == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  if (pid < 0 || wait4(pid, &status, 0, &use) != pid) {
    perror("took");
    return 2;
  }
  out = fopen(argv[1], "w");
  if (!out) {
    perror(argv[1]);
    return 2;
  }
  fprintf(out, "{\"cpu\": %.6f, \"wall\": %.6f, \"peak\": %ld}\n",
          seconds(use.ru_utime) + seconds(use.ru_stime), now() - start,
          use.ru_maxrss * 1024L);
  if (fclose(out) != 0) return 2;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
