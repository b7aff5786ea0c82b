/* ext/http/link.c: the Link header (RFC 8288): which URL has a relation. */
#include <string.h>

#include "http/http.h"

static const char *link_blank(const char *p) {
  while (*p == ' ' || *p == '\t') p++;
  return p;
}

static int link_ieq(const char *a, size_t n, const char *b) {
  size_t i;

  for (i = 0; i < n && b[i]; i++)
    if (cq_lower(a[i]) != cq_lower(b[i])) return 0;
  return i == n && !b[i];
}

/* Does a blank-separated list of relations name rel? */
static int link_has(const char *list, size_t n, const char *rel) {
  size_t i = 0;

  while (i < n) {
    size_t from;

    while (i < n && (list[i] == ' ' || list[i] == '\t')) i++;
    from = i;
    while (i < n && list[i] != ' ' && list[i] != '\t') i++;
    if (i > from && link_ieq(list + from, i - from, rel)) return 1;
  }
  return 0;
}

/* One parameter at p (behind the ';'): name and value slices; returns where
 * it ends.  A quoted value is what stands between the quotes; escapes inside
 * cannot occur in a relation and stay as they are. */
static const char *link_param(const char *p, const char **name, size_t *nname,
                              const char **value, size_t *nvalue) {
  p = link_blank(p);
  *name = p;
  while (*p && !strchr("=;, \t", *p)) p++;
  *nname = (size_t)(p - *name);
  *value = p;
  *nvalue = 0;
  p = link_blank(p);
  if (*p != '=') return p;
  p = link_blank(p + 1);
  if (*p == '"') {
    *value = ++p;
    while (*p && *p != '"') p += p[0] == '\\' && p[1] ? 2 : 1;
    *nvalue = (size_t)(p - *value);
    if (*p) p++;
  } else {
    *value = p;
    while (*p && !strchr(";, \t", *p)) p++;
    *nvalue = (size_t)(p - *value);
    /* 'next', as some write it: to the letter the quotes are the word's. */
    if (*nvalue > 1 && **value == '\'' && p[-1] == '\'') {
      ++*value;
      *nvalue -= 2;
    }
  }
  return link_blank(p);
}

int cq_link_find(const char *header, const char *rel, const char **url,
                 size_t *n) {
  const char *p = header ? header : "";

  while (*p) {
    const char *target, *name, *value;
    size_t ntarget, nname, nvalue;
    int seen = 0, found = 0;

    p = link_blank(p);
    if (*p == ',') {
      p++;
      continue;
    }
    if (!*p) break;
    if (*p != '<')
      return -1; /* not a Link header: nothing in it can be trusted */
    target = ++p;
    while (*p && *p != '>') p++;
    if (!*p) return -1;
    ntarget = (size_t)(p - target);
    p = link_blank(p + 1);
    while (*p == ';') {
      p = link_param(p + 1, &name, &nname, &value, &nvalue);
      /* only the first rel of a link counts (RFC 8288 3.3) */
      if (link_ieq(name, nname, "rel") && !seen) {
        seen = 1;
        found = link_has(value, nvalue, rel);
      }
    }
    if (found) {
      *url = target;
      *n = ntarget;
      return 1;
    }
    if (*p && *p != ',') return -1;
  }
  return 0;
}
