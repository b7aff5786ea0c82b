/* ext/spec/common.c: what the tables of an integration have in common: templates
 * and paths of equal text are compiled once.
 *
 * Thousands of tables say the same of their requests.  A template is shared
 * unless one of its names means another column or field in each table. */
#include <string.h>

#include "spec/load.h"

enum { COMMON_FIRST = 64 }; /* places at first */
#define COMMON_PATH (~0u)   /* `roots` of a path, which no template has */

struct own_common {
  struct own_common *next; /* in its place */
  uint64_t hash;
  const char *text;
  size_t len;
  unsigned roots;
  void *made;
};

static uint64_t common_hash(const char *text, size_t n, unsigned roots) {
  return cq_hash64(text, n, roots);
}

static void *common_find(const own_integration *in, const char *text, size_t n,
                         unsigned roots) {
  uint64_t h = common_hash(text, n, roots);
  own_common *c =
      in->common.room ? in->common.places[h & (in->common.room - 1)] : NULL;

  for (; c; c = c->next)
    if (c->hash == h && c->roots == roots && c->len == n &&
        memcmp(c->text, text, n) == 0)
      return c->made;
  return NULL;
}

static int common_grow(own_integration *in) {
  size_t room = in->common.room ? in->common.room * 4 : COMMON_FIRST;
  own_common **places = cq_arena_alloc(&in->arena, room * sizeof *places);

  if (!places) return CQ_NOMEM;
  memset(places, 0, room * sizeof *places);
  for (size_t i = 0; i < in->common.room; i++)
    for (own_common *c = in->common.places[i], *next; c; c = next) {
      next = c->next;
      c->next = places[c->hash & (room - 1)];
      places[c->hash & (room - 1)] = c;
    }
  in->common.places = places;
  in->common.room = room;
  return CQ_OK;
}

/* The text lasts as long as the integration. */
static int common_add(load *l, const char *text, size_t n, unsigned roots,
                      void *made) {
  own_integration *in = l->in;
  own_common *c;

  if (in->common.n >= in->common.room && common_grow(in))
    return cq_error_nomem(l->err);
  c = cq_arena_alloc(&in->arena, sizeof *c);
  if (!c) return cq_error_nomem(l->err);
  c->hash = common_hash(text, n, roots);
  c->text = text;
  c->len = n;
  c->roots = roots;
  c->made = made;
  c->next = in->common.places[c->hash & (in->common.room - 1)];
  in->common.places[c->hash & (in->common.room - 1)] = c;
  in->common.n++;
  return CQ_OK;
}

/* Do its names mean the same wherever they stand?  A slot is a table's own. */
static int same_everywhere(const cq_template *t) {
  size_t n;
  cq_ref *const *refs = cq_template_refs(t, &n);

  for (size_t i = 0; i < n; i++) switch (refs[i]->root) {
    case CQ_R_ROW:
    case CQ_R_RECORD:
    case CQ_R_DETAIL:
    case CQ_R_PARENT:
      return 0;
    default:
      break;
    }
  return 1;
}

int load_template_text(load *l, const cq_node *at, const char *text,
                       unsigned roots, cq_template **out) {
  size_t n = strlen(text);
  int rc;

  *out = common_find(l->in, text, n, roots);
  if (*out) return CQ_OK;
  rc = cq_template_parse(l->a, at, text, roots, out, l->err);
  if (rc == CQ_OK && same_everywhere(*out))
    rc = common_add(l, text, n, roots, *out);
  return rc;
}

int load_path_text(load *l, const char *text, size_t n, cq_path **out) {
  int rc;

  *out = common_find(l->in, text, n, COMMON_PATH);
  if (*out) return CQ_OK;
  rc = cq_path_parse(l->a, text, n, out, l->err);
  return rc ? rc : common_add(l, (*out)->text, n, COMMON_PATH, *out);
}
