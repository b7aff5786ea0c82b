/* ext/dest/writer/states.c: the states of one table's units, asked for once. */
#include <stdlib.h>
#include <string.h>

#include "dest/writer/internal.h"

int cq_states_add(void *states, const char *client, const cq_dest_state *s) {
  cq_states *t = states;
  struct cq_state_item *i;

  if (cq_grow(&t->items, &t->cap, t->n, sizeof *t->items)) return CQ_NOMEM;
  i = &t->items[t->n];
  i->client = cq_arena_strndup(&t->arena, client, strlen(client));
  i->state = *s;
  i->state.cursor = NULL;
  if (s->cursor) {
    i->state.cursor = cq_arena_strndup(&t->arena, s->cursor, strlen(s->cursor));
    if (!i->state.cursor) return CQ_NOMEM;
  }
  if (!i->client) return CQ_NOMEM;
  t->n++;
  return CQ_OK;
}

static int by_client(const void *a, const void *b) {
  const struct cq_state_item *x = a, *y = b;

  return strcmp(x->client, y->client);
}

void cq_states_sort(cq_states *s) {
  if (s->n) qsort(s->items, s->n, sizeof *s->items, by_client);
}

int cq_states_find(const cq_states *s, const char *client, cq_dest_state *out,
                   cq_error *err) {
  struct cq_state_item key, *found = NULL;

  memset(out, 0, sizeof *out);
  key.client = client;
  if (s->n) found = bsearch(&key, s->items, s->n, sizeof *s->items, by_client);
  if (!found) return CQ_OK;
  *out = found->state;
  if (!found->state.cursor) return CQ_OK;
  out->cursor = cq_strdup(found->state.cursor);
  return out->cursor ? CQ_OK : cq_error_nomem(err);
}

size_t cq_states_bytes(const cq_states *s) {
  return sizeof *s + s->cap * sizeof *s->items + s->arena.bytes;
}

void cq_states_clear(cq_states *s) {
  cq_free(s->table);
  cq_free(s->items);
  cq_arena_clear(&s->arena);
  memset(s, 0, sizeof *s);
}
