/* tests/fuzz/replay.c: a fuzz target without a fuzzer.
 *
 *   TARGET FILE            runs the inputs of FILE, one a line
 *   TARGET --unpack FILE FOLDER   writes each as a file, as libFuzzer reads them
 *   TARGET --pack FOLDER   prints the files of FOLDER as such a FILE, by name
 *
 * In a line \n \t \r \\ and \xHH stand for bytes; lines that begin with # say
 * why the inputs below them are there. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static int hex(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/* In place; the length, or -1 where the line is not well written. */
static long line_bytes(char *s, size_t n) {
  char *w = s;

  for (size_t i = 0; i < n; i++) {
    if (s[i] != '\\') {
      *w++ = s[i];
      continue;
    }
    if (++i == n) return -1;
    if (s[i] == 'n') {
      *w++ = '\n';
    } else if (s[i] == 't') {
      *w++ = '\t';
    } else if (s[i] == 'r') {
      *w++ = '\r';
    } else if (s[i] == '\\') {
      *w++ = '\\';
    } else if (s[i] == 'x' && i + 2 < n && hex(s[i + 1]) >= 0 &&
               hex(s[i + 2]) >= 0) {
      *w++ = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
      i += 2;
    } else {
      return -1;
    }
  }
  return w - s;
}

static void put_line(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)s[i];

    if (c == '\n')
      fputs("\\n", stdout);
    else if (c == '\t')
      fputs("\\t", stdout);
    else if (c == '\r')
      fputs("\\r", stdout);
    else if (c == '\\')
      fputs("\\\\", stdout);
    else if (c < ' ' || c > '~' || (c == '#' && i == 0) ||
             (c == ' ' && i + 1 == n))
      printf("\\x%02x", c);
    else
      putchar(c);
  }
  putchar('\n');
}

static int write_input(const char *folder, int k, const char *s, size_t n) {
  char path[4096];
  FILE *f;
  size_t done;

  snprintf(path, sizeof path, "%s/%05d", folder, k);
  f = fopen(path, "wb");
  if (!f) return -1;
  done = fwrite(s, 1, n, f);
  return fclose(f) || done != n ? -1 : 0;
}

/* folder NULL: runs them. */
static int each_line(const char *path, const char *folder) {
  char *text = NULL, *line;
  size_t len = 0;
  cq_error err = {0, ""};
  int inputs = 0, at = 1;

  if (cq_file_read(path, 256 << 20, &text, &len, &err)) {
    fprintf(stderr, "%s\n", err.text);
    return 1;
  }
  for (line = text; line < text + len; at++) {
    char *end = memchr(line, '\n', (size_t)(text + len - line));
    size_t n = end ? (size_t)(end - line) : (size_t)(text + len - line);
    char *next = line + n + 1;

    if (n == 0 || *line != '#') {
      long bytes = line_bytes(line, n);

      if (bytes < 0) {
        fprintf(stderr, "%s:%d: not an input\n", path, at);
        cq_free(text);
        return 1;
      }
      if (folder) {
        if (write_input(folder, inputs, line, (size_t)bytes)) {
          fprintf(stderr, "%s: cannot be written\n", folder);
          cq_free(text);
          return 1;
        }
      } else {
        /* Its own memory, so that reading beyond its end shows. */
        uint8_t *own = malloc(bytes ? (size_t)bytes : 1);

        if (!own) abort();
        memcpy(own, line, (size_t)bytes);
        fprintf(stderr, "%s:%d\r", path, at);
        LLVMFuzzerTestOneInput(own, (size_t)bytes);
        free(own);
      }
      inputs++;
    }
    line = next;
  }
  cq_free(text);
  if (!folder) printf("%s: %d inputs\n", path, inputs);
  return inputs == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int pack(const char *folder) {
  struct dirent **names;
  int n = scandir(folder, &names, NULL, by_name);

  for (int i = 0; i < n; i++) {
    char path[4096], *text = NULL;
    size_t len;
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
        cq_file_read(path, 1 << 24, &text, &len, NULL) == CQ_OK)
      put_line(text, len);
    cq_free(text);
    free(names[i]);
  }
  if (n >= 0) free(names);
  return n < 0;
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "--unpack") == 0)
    return each_line(argv[2], argv[3]);
  if (argc == 3 && strcmp(argv[1], "--pack") == 0) return pack(argv[2]);
  if (argc == 2) return each_line(argv[1], NULL);
  fprintf(stderr, "usage: %s FILE | --unpack FILE FOLDER | --pack FOLDER\n",
          argv[0]);
  return 2;
}
