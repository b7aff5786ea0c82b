/* ext/scan/merge.c: a record that an API gives in pieces, page by page: cells of
 * the later ones go into those of the first.  Lists are appended, members of
 * maps added, to any depth, but for those that a page only repeats; of anything
 * else the first value stays. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"

static int merge_json(json_t *into, json_t *from) {
  const char *key;
  json_t *item, *has;

  if (json_is_array(into) && json_is_array(from))
    return json_array_extend(into, from);
  if (!json_is_object(into) || !json_is_object(from)) return 0;
  json_object_foreach(from, key, item) {
    has = json_object_get(into, key);
    if (json_equal(has, item)) continue;
    if (has && !json_is_null(has) ? merge_json(has, item)
                                  : json_object_set(into, key, item))
      return -1;
  }
  return 0;
}

int cq_cell_merge(cq_arena *a, cq_value *into, const cq_value *from,
                  cq_error *err) {
  json_t *x, *y;
  char *text = NULL;

  if (from->kind == CQ_NULL) return CQ_OK;
  if (into->kind == CQ_NULL)
    return cq_value_copy(a, from, into) ? cq_error_nomem(err) : CQ_OK;
  if (into->kind != CQ_STR || !into->json || from->kind != CQ_STR ||
      !from->json)
    return CQ_OK;
  x = cq_numbers_load(into->u.s, into->len, NULL);
  y = cq_numbers_load(from->u.s, from->len, NULL);
  if (x && y && merge_json(x, y) == 0) text = cq_numbers_dump(x, JSON_COMPACT);
  json_decref(x);
  json_decref(y);
  if (!text) return cq_error_nomem(err);
  {
    cq_value v = cq_value_json(text, strlen(text));
    int rc = cq_value_copy(a, &v, into);

    free(text);
    return rc ? cq_error_nomem(err) : CQ_OK;
  }
}
