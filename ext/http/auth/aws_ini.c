/* ext/http/auth/aws_ini.c: the dialect of INI that AWS's shared files use. */
#include <string.h>

#include "http/auth/internal.h"

static void ini_trim(const char **p, const char **end) {
  while (*p < *end && (**p == ' ' || **p == '\t')) (*p)++;
  while (*end > *p &&
         ((*end)[-1] == ' ' || (*end)[-1] == '\t' || (*end)[-1] == '\r'))
    (*end)--;
}

/* "[profile  "my name"]" -> "profile my name": one blank, no quotes. */
static const char *ini_section(cq_arena *a, const char *p, const char *end) {
  cq_buf b;
  char *s = NULL;

  cq_buf_init(&b, 4096);
  for (; p < end; p++) {
    if (*p == '"' || *p == '\'') continue;
    if (*p == ' ' || *p == '\t') {
      if (b.len && b.data[b.len - 1] != ' ') cq_buf_byte(&b, ' ');
    } else {
      cq_buf_byte(&b, *p);
    }
  }
  while (b.len && b.data[b.len - 1] == ' ') b.data[--b.len] = 0;
  if (!b.rc) s = cq_arena_strndup(a, b.data ? b.data : "", b.len);
  cq_buf_clear(&b);
  return s;
}

/* A comment behind a value begins with a blank and '#' or ';'. */
static const char *ini_uncomment(const char *p, const char *end) {
  for (const char *q = p; q + 1 < end; q++)
    if ((*q == ' ' || *q == '\t') && (q[1] == '#' || q[1] == ';')) return q;
  return end;
}

int cq_ini_parse(cq_arena *a, const char *text, size_t n, cq_ini *out) {
  const char *p = text, *stop = text + n, *section = "", *outer = NULL;
  size_t lines = 1;

  for (size_t i = 0; i < n; i++) lines += text[i] == '\n';
  out->n = 0;
  out->entries = cq_arena_alloc(a, lines * sizeof *out->entries);
  if (!out->entries) return CQ_NOMEM;
  while (p < stop) {
    const char *eol = memchr(p, '\n', (size_t)(stop - p));
    const char *from = p, *end, *eq, *close;
    int inner = *p == ' ' || *p == '\t';
    cq_ini_entry *e = &out->entries[out->n];

    end = eol ? eol : stop;
    p = eol ? eol + 1 : stop;
    ini_trim(&from, &end);
    if (from == end || *from == '#' || *from == ';') continue;
    /* Indented lines belong to the setting above that has no value (s3 =). */
    if (inner && !outer) continue;
    if (*from == '[') {
      outer = NULL;
      close = memchr(from, ']', (size_t)(end - from));
      section = ini_section(a, from + 1, close ? close : end);
      if (!section) return CQ_NOMEM;
      e->section = section;
      e->key = e->value = NULL;
      out->n++;
      continue;
    }
    eq = memchr(from, '=', (size_t)(end - from));
    if (!eq) continue;
    const char *kend = eq, *v = eq + 1, *vend = ini_uncomment(eq + 1, end);
    ini_trim(&from, &kend);
    ini_trim(&v, &vend);
    e->section = section;
    e->key =
        inner ? cq_arena_printf(a, "%s.%.*s", outer, (int)(kend - from), from)
              : cq_arena_strndup(a, from, (size_t)(kend - from));
    e->value = cq_arena_strndup(a, v, (size_t)(vend - v));
    if (!e->key || !e->value) return CQ_NOMEM;
    if (!inner) outer = *e->value ? NULL : e->key;
    out->n++;
  }
  return CQ_OK;
}

const char *cq_ini_get(const cq_ini *ini, const char *section,
                       const char *key) {
  const char *found = NULL;

  for (size_t i = 0; i < ini->n; i++)
    if (ini->entries[i].key && strcmp(ini->entries[i].section, section) == 0 &&
        cq_str_ieq(ini->entries[i].key, key))
      found = ini->entries[i].value;
  return found && *found ? found : NULL;
}

int cq_ini_has(const cq_ini *ini, const char *section) {
  for (size_t i = 0; i < ini->n; i++)
    if (strcmp(ini->entries[i].section, section) == 0) return 1;
  return 0;
}
