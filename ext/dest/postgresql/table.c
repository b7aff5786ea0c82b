/* ext/dest/postgresql/table.c: names as the server keeps them; a table of the
 * run with what of it waits: rows, encoded, and units that have ended. */
#include "dest/postgresql/internal.h"

#include <stdio.h>
#include <string.h>

#include "dest/encode/pgcopy.h"

static void hashed(char out[PG_NAME], const char *prefix, const char *name,
                   const char *suffix) {
  enum { MOST = PG_NAME - 1, HASH = 9 };
  size_t room = MOST - HASH - strlen(prefix) - strlen(suffix);
  size_t n = strlen(name);

  snprintf(out, PG_NAME, "%s%.*s_%08x%s", prefix,
           (int)(n > room ? cq_utf8_cut(name, room) : n), name,
           (unsigned)cq_hash64(name, strlen(name), 0), suffix);
}

void pg_name(char out[PG_NAME], const char *prefix, const char *name,
             const char *suffix) {
  if (strlen(prefix) + strlen(name) + strlen(suffix) < PG_NAME)
    snprintf(out, PG_NAME, "%s%s%s", prefix, name, suffix);
  else
    hashed(out, prefix, name, suffix);
}

void pg_column(char out[PG_NAME], const cq_dest_table *t, int i) {
  static const char *const taken[] = {"ctid", "xmin", "cmin",
                                      "xmax", "cmax", "tableoid"};
  const char *name = cq_dest_column(t, i);

  for (size_t k = 0; k < sizeof taken / sizeof *taken; k++)
    if (strcmp(name, taken[k]) == 0) {
      hashed(out, "", name, "");
      return;
    }
  pg_name(out, "", name, "");
}

void pg_columns(cq_buf *out, const cq_dest_table *t, const char *alias,
                int64_t group) {
  char name[PG_NAME];

  for (int i = 0; i < cq_dest_width(t); i++) {
    pg_column(name, t, i);
    if (i) cq_buf_str(out, ", ");
    if (group && i == 2)
      cq_sql(out, "%n", group);
    else
      cq_sql(out, "%s%I", alias, name);
  }
}

size_t pg_clients(cq_buf *out, const pg_table *t, const char *status,
                  int keep) {
  size_t n = 0;

  cq_buf_str(out, "ARRAY[");
  for (const pg_unit *u = t->ended; u; u = u->next) {
    if (strcmp(u->status, status) != 0) continue;
    if (keep >= 0 && keep != (u->keep != NULL)) continue;
    cq_sql(out, n++ ? ", %L" : "%L", u->client);
  }
  cq_buf_str(out, "]::text[]");
  return n;
}

/* ---- tables of the run ---------------------------------------------------------- */

static void unit_free(pg_unit *u) {
  if (!u) return;
  cq_free(u->client);
  cq_free(u->keep);
  cq_free(u->cursor);
  cq_free(u);
}

static void free_units(pg_unit *u) {
  while (u) {
    pg_unit *next = u->next;

    unit_free(u);
    u = next;
  }
}

void pg_table_free(pg_table *t) {
  if (!t) return;
  free_units(t->open);
  free_units(t->ended);
  cq_buf_clear(&t->rows);
  cq_free(t->segments);
  cq_free(t->target);
  cq_free(t->stage);
  cq_free(t->columns);
  cq_free(t->head);
  cq_free(t);
}

/* The memory of a table that was large is given back. */
void pg_table_forget(pg *d, pg_table *t) {
  enum { KEPT = 64 << 10 };

  (void)d;
  free_units(t->ended);
  t->ended = NULL;
  t->last = &t->ended;
  t->nended = 0;
  t->nsegment = 0;
  t->nrows = 0;
  if (t->rows.cap > KEPT)
    cq_buf_clear(&t->rows), cq_buf_init(&t->rows, SIZE_MAX);
  else
    cq_buf_reset(&t->rows);
}

void pg_counts_out(const pg_table *t) {
  cq_dest_stored(&t->table->n, &t->n);
}

/* What stands at the front of each row of the run: how many fields, and the
 * first three. */
static int make_head(pg_table *t, cq_error *err) {
  cq_value v[3] = {cq_value_text(t->run->time), cq_value_text(t->run->source),
                   cq_value_int(t->run->group)};
  cq_arena a;
  cq_buf b;

  cq_arena_init(&a);
  cq_buf_init(&b, SIZE_MAX);
  cq_pgcopy_row(&b, cq_dest_width(t->table) + t->numbered);
  for (int i = 0; i < 3; i++)
    cq_pgcopy_field(&b, &a, cq_dest_metas[i].type, &v[i]);
  cq_arena_clear(&a);
  t->head_len = b.len;
  t->head = cq_buf_take(&b);
  return t->head ? CQ_OK : cq_error_nomem(err);
}

static char *text_of(cq_buf *b) {
  return b->rc ? (cq_buf_clear(b), NULL) : cq_buf_take(b);
}

static int name_table(pg *d, pg_table *t, cq_error *err) {
  const char *name = t->table->def->name;
  int append = d->base.mode == CQ_MODE_APPEND;
  char cut[PG_NAME];
  cq_buf b;

  t->numbered = !append || t->table->incremental;
  pg_name(cut, append ? "raw_" : "", name, "");
  cq_buf_init(&b, SIZE_MAX);
  cq_sql(&b, "%I.%I", d->schema, cut);
  t->target = text_of(&b);
  cq_buf_init(&b, SIZE_MAX);
  pg_columns(&b, t->table, "", 0);
  if (t->numbered) cq_buf_str(&b, ", _cq_row");
  t->columns = text_of(&b);
  if (!append) {
    snprintf(cut, sizeof cut, "cq_stage_%lld_%016llx", (long long)t->run->group,
             (unsigned long long)cq_hash64(name, strlen(name), 0));
    cq_buf_init(&b, SIZE_MAX);
    cq_sql(&b, "%I.%I", d->schema, cut);
    t->stage = text_of(&b);
  }
  if (!t->target || !t->columns || (!append && !t->stage))
    return cq_error_nomem(err);
  return make_head(t, err);
}

int pg_table_of(pg *d, const cq_dest_run *r, cq_dest_table *t, pg_table **out,
                cq_error *err) {
  pg_table *x = t->own;
  int rc;

  *out = x;
  if (x) return CQ_OK;
  x = cq_calloc(1, sizeof *x);
  if (!x) return cq_error_nomem(err);
  x->table = t;
  x->run = r;
  x->last = &x->ended;
  cq_buf_init(&x->rows, SIZE_MAX);
  rc = name_table(d, x, err);
  if (rc) {
    pg_table_free(x);
    return rc;
  }
  x->next = d->tables;
  d->tables = x;
  t->own = x;
  *out = x;
  return CQ_OK;
}
