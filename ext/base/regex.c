/* ext/base/regex.c: whether a pattern is one that the C library compiles in
 * bounded memory. */
#include "base/base.h"

#include <stdlib.h>

enum { REGEX_DEPTH = 64 };

/* The repeats of {n}, {n,} or {n,m}; *p moves to its end. */
static size_t bounds(const char **p) {
  size_t most = 1;

  for (; **p && **p != '}'; (*p)++)
    if (**p >= '0' && **p <= '9') {
      char *end;
      unsigned long n = strtoul(*p, &end, 10);

      if (n > most) most = n < CQ_MAX_REGEX_NODES ? n : CQ_MAX_REGEX_NODES;
      *p = end - 1;
    }
  return most + 1;
}

/* Behind a [...]. */
static const char *set_end(const char *p) {
  p += p[1] == '^' ? 2 : 1;
  if (*p == ']') p++;
  while (*p && *p != ']') p++;
  return p;
}

int cq_regex_bounded(const char *p) {
  size_t whole[REGEX_DEPTH] = {0}, atom = 0;
  int depth = 0;

  for (; *p; p++) {
    switch (*p) {
    case '(':
      whole[depth] += atom;
      if (++depth == REGEX_DEPTH) return 0;
      whole[depth] = atom = 0;
      continue;
    case ')':
      if (depth == 0) break;
      atom += whole[depth--] + 1;
      continue;
    case '+':
      atom *= 2;
      break;
    case '{':
      atom *= bounds(&p);
      if (!*p) return 1;
      break;
    case '*':
    case '?':
      break;
    default:
      whole[depth] += atom;
      atom = 1;
      if (*p == '[') p = set_end(p);
      if (*p == '\\' && p[1]) p++;
      if (!*p) return 1;
    }
    if (atom > CQ_MAX_REGEX_NODES || whole[depth] > CQ_MAX_REGEX_NODES)
      return 0;
  }
  return whole[depth] + atom <= CQ_MAX_REGEX_NODES;
}
