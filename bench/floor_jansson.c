/* bench/floor_jansson.c: the loop that most people would write: a floor
 * (floor.h) that makes a tree of each page. */
#include "floor.h"

#include <stdlib.h>

#include <jansson.h>

static void bind_value(sqlite3_stmt *s, int i, const json_t *v) {
  if (json_is_integer(v)) {
    sqlite3_bind_int64(s, i, json_integer_value(v));
  } else if (json_is_boolean(v)) {
    sqlite3_bind_int(s, i, json_is_true(v));
  } else if (json_is_real(v)) {
    sqlite3_bind_double(s, i, json_real_value(v));
  } else if (json_is_string(v)) {
    sqlite3_bind_text(s, i, json_string_value(v), (int)json_string_length(v),
                      SQLITE_STATIC);
  } else if (json_is_object(v) || json_is_array(v)) {
    sqlite3_bind_text(s, i, json_dumps(v, JSON_COMPACT), -1, free);
  } else {
    sqlite3_bind_null(s, i);
  }
}

static void page(floor_t *f, int columns_changed) {
  json_error_t error;
  json_t *tree = json_loadb(f->body, f->size, 0, &error), *row;
  size_t i;

  (void)columns_changed;
  if (tree == NULL) floor_die("json", error.text);
  json_array_foreach(tree, i, row) {
    for (int c = 0; c < f->ncolumn; c++) {
      const floor_column *column = &f->column[c];
      const json_t *v;

      if (column->key[0] == '{') continue;
      v = json_object_get(row, column->key);
      bind_value(f->insert, c + 1,
                 column->below ? json_object_get(v, column->below) : v);
    }
    floor_row(f);
  }
  json_decref(tree);
}

int main(int argc, char **argv) {
  return floor_main(argc, argv, page);
}
