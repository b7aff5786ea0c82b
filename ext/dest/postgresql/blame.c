/* ext/dest/postgresql/blame.c: a COPY was refused: by which row, and because of
 * which of its values?
 *
 * Halves of the rows are tried, in savepoints of a transaction that is rolled
 * back; then the row once more for each of its columns, with NULL there. */
#include "dest/postgresql/internal.h"

#include <stdio.h>
#include <string.h>

#include "dest/encode/pgcopy.h"

typedef struct part {
  pg_table *table;
  const char *p;
  size_t n;
} part;

static int try_part(pg *d, void *user, cq_error *err) {
  part *x = user;

  return pg_copy_part(d, x->table, x->p, x->n, err);
}

/* Does the server take these rows?  -1: it cannot be found out. */
static int takes(pg *d, pg_table *t, const char *p, size_t n) {
  cq_error why = {0, ""};
  part x = {t, p, n};
  int rc = pg_try(d, try_part, &x, &why);

  if (rc && (d->lost || cq_dest_whole(rc))) return -1;
  return rc == CQ_OK;
}

static void name_row(const char *row, char out[37]) {
  const char *id = row + cq_pgcopy_field_at(row, 4) + 4;
  char hex[33];
  size_t n = 0;

  cq_hex((const unsigned char *)id, 16, hex);
  for (int i = 0; i < 32; i++) {
    if (i == 8 || i == 12 || i == 16 || i == 20) out[n++] = '-';
    out[n++] = hex[i];
  }
  out[n] = 0;
}

/* The column without which it is taken. */
static int find_column(pg *d, pg_table *t, const char *row, size_t len) {
  int found = -1;

  for (int i = CQ_META; i < cq_dest_width(t->table) && found < 0; i++) {
    size_t from = cq_pgcopy_field_at(row, i),
           to = cq_pgcopy_field_at(row, i + 1);
    cq_buf b;

    if (to == from + 4) continue; /* NULL, or empty */
    cq_buf_init(&b, SIZE_MAX);
    cq_buf_add(&b, row, from);
    cq_buf_add(&b, "\377\377\377\377", 4);
    cq_buf_add(&b, row + to, len - to);
    if (!b.rc && takes(d, t, b.data, b.len) == 1) found = i;
    cq_buf_clear(&b);
  }
  return found;
}

typedef struct search {
  pg_table *table;
  char id[37];
  int column;
} search;

/* The first row that is refused, in the segment that is. */
static int find_work(pg *d, void *user, cq_error *err) {
  search *s = user;
  pg_table *t = s->table;
  int known = 1;

  (void)err;
  if (t->stage && pg_do(d, "stage", err,
                        "CREATE UNLOGGED TABLE IF NOT EXISTS %s (LIKE %s "
                        "INCLUDING CONSTRAINTS, _cq_row bigint)",
                        t->stage, t->target))
    return CQ_ERROR;
  for (size_t i = 0; i < t->nsegment && known == 1; i++) {
    const char *p = t->rows.data + t->segments[i].at;
    int64_t rows = t->segments[i].rows;
    size_t len = t->segments[i].len;

    if (t->segments[i].unit->status &&
        strcmp(t->segments[i].unit->status, "ok") != 0)
      continue;
    known = takes(d, t, p, len);
    while (known == 0 && rows > 1) {
      const char *half = p;

      for (int64_t k = 0; k < rows / 2; k++) half += cq_pgcopy_row_length(half);
      known = takes(d, t, p, (size_t)(half - p));
      if (known < 0) break;
      if (known == 0) {
        rows /= 2;
        len = (size_t)(half - p);
      } else {
        rows -= rows / 2;
        len -= (size_t)(half - p);
        p = half;
        known = 0;
      }
    }
    if (known) continue;
    name_row(p, s->id);
    s->column = find_column(d, t, p, len);
  }
  return CQ_ERROR; /* nothing of this is to stay */
}

/* People know the table, not its stage. */
static void name_table(const pg_table *t, cq_error *err) {
  const char *name = t->table->def->name, *quoted;
  char stage[PG_NAME], *at, rest[sizeof err->text];

  quoted = t->stage ? strrchr(t->stage, '.') : NULL;
  if (!quoted || strlen(quoted) < 3) return;
  snprintf(stage, sizeof stage, "%.*s", (int)strlen(quoted) - 3, quoted + 2);
  while ((at = strstr(err->text, stage)) != NULL) {
    memcpy(rest, at + strlen(stage), strlen(at + strlen(stage)) + 1);
    snprintf(at, sizeof err->text - (size_t)(at - err->text), "%s%s", name,
             rest);
  }
}

void pg_blame(pg *d, pg_table *t, cq_error *err) {
  cq_error why = {0, ""};
  char rest[sizeof err->text], column[64], constraint[64];
  size_t n;
  search s = {t, "", -1};

  name_table(t, err);
  if (!t->nsegment) return;
  memcpy(column, d->column, sizeof column);
  memcpy(constraint, d->constraint, sizeof constraint);
  pg_transact(d, PG_PLAIN, find_work, &s, &why);
  if (!*s.id) return;
  /* "destination x: table: " stands already; the row goes behind it. */
  n = strlen("destination : : ") + strlen(d->base.name) +
      strlen(t->table->def->name);
  memcpy(rest, err->text, sizeof rest);
  if (n > strlen(rest)) n = 0;
  cq_error_set(
      err, err->code, "destination %s: %s: row _cq_id %s%s%s: %s", d->base.name,
      t->table->def->name, s.id, s.column >= 0 || *column ? ", column " : "",
      s.column >= 0 ? cq_dest_column(t->table, s.column) : column, rest + n);
}
