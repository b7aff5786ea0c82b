/* bench/floor_expat.c: the floor of XML: a floor (floor.h) on expat's events.
 *
 * Records are the elements below the root's first element.  A member's text is
 * gathered; a JSON column is a list of its element's items, as text. */
#include "floor.h"

#include <stdlib.h>
#include <string.h>

#include <expat.h>

enum { RECORD_DEPTH = 3, TEXT_MAX = 65536 };

typedef struct state {
  floor_t *f;
  int depth, column;  /* the column whose element is open, or -1 */
  const char *parent; /* the key of the record's member that is open */
  char key[128];
  char text[TEXT_MAX]; /* of all columns of the record */
  size_t used, begin;
} state;

static void put(state *s, const char *p, size_t n) {
  if (n > TEXT_MAX - s->used) floor_die("xml", "record too large");
  memcpy(s->text + s->used, p, n);
  s->used += n;
}

static int column(const floor_t *f, const char *key, const char *below) {
  for (int i = 0; i < f->ncolumn; i++) {
    const floor_column *c = &f->column[i];

    if (strcmp(c->key, key) == 0 &&
        (c->below ? below && strcmp(c->below, below) == 0 : below == NULL))
      return i;
  }
  return -1;
}

static int is_list(const state *s) {
  return s->column >= 0 && s->f->column[s->column].below &&
         strcmp(s->f->column[s->column].below, "item") == 0;
}

static void on_start(void *arg, const char *name, const char **attributes) {
  state *s = arg;

  (void)attributes;
  s->depth++;
  if (s->depth == RECORD_DEPTH) {
    sqlite3_clear_bindings(s->f->insert);
    s->used = 0;
  } else if (s->depth == RECORD_DEPTH + 1) {
    strncpy(s->key, name, sizeof s->key - 1);
    s->column = column(s->f, name, NULL);
    s->begin = s->used;
  } else if (s->depth == RECORD_DEPTH + 2) {
    int was = s->column;

    s->column = column(s->f, s->key, name);
    if (!is_list(s))
      s->begin = s->used;
    else
      put(s, was == s->column ? ",\"" : "[\"", 2);
  }
}

static void on_text(void *arg, const char *p, int n) {
  state *s = arg;

  if (s->column >= 0) put(s, p, (size_t)n);
}

static void bind(state *s) {
  const char *type = s->f->column[s->column].type, *p = s->text + s->begin;
  size_t n = s->used - s->begin;
  int i = s->column + 1;

  put(s, "", 1);
  if (strcmp(type, "INTEGER") != 0)
    sqlite3_bind_text(s->f->insert, i, p, (int)n, SQLITE_STATIC);
  else if (strcmp(p, "true") == 0 || strcmp(p, "false") == 0)
    sqlite3_bind_int(s->f->insert, i, *p == 't');
  else
    sqlite3_bind_int64(s->f->insert, i, strtoll(p, NULL, 10));
}

static void on_end(void *arg, const char *name) {
  state *s = arg;

  (void)name;
  if (s->depth == RECORD_DEPTH) {
    floor_row(s->f);
  } else if (s->depth == RECORD_DEPTH + 2 && is_list(s)) {
    put(s, "\"", 1);
  } else if (s->depth == RECORD_DEPTH + 1 && is_list(s)) {
    put(s, "]", 1);
    bind(s);
    s->column = -1;
  } else if (s->depth > RECORD_DEPTH && s->column >= 0) {
    bind(s);
    s->column = -1;
  }
  s->depth--;
}

static void page(floor_t *f, int columns_changed) {
  static state s;
  XML_Parser parser = XML_ParserCreate(NULL);

  (void)columns_changed;
  if (parser == NULL) floor_die("memory", "exhausted");
  s.f = f;
  s.depth = 0;
  s.column = -1;
  XML_SetUserData(parser, &s);
  XML_SetElementHandler(parser, on_start, on_end);
  XML_SetCharacterDataHandler(parser, on_text);
  if (XML_Parse(parser, f->body, (int)f->size, 1) != XML_STATUS_OK)
    floor_die("xml", XML_ErrorString(XML_GetErrorCode(parser)));
  XML_ParserFree(parser);
}

int main(int argc, char **argv) {
  return floor_main(argc, argv, page);
}
