/* vtab/pushdown.c: what of a query goes to the API.
 *
 * idxStr is text, since users read it in EXPLAIN QUERY PLAN:
 *   [column op, column op ...][; columns=a,b | columns=*][; limit][; offset]
 * with op one of = in < <= > >= ; the values follow in argv in that order,
 * LIMIT and OFFSET last.  A term is used to ask for less, never to spare
 * SQLite its own check: `omit` stays 0.
 *
 * LIMIT is a cap on what is fetched, and only where every other constraint is
 * one that this scan meets exactly and no order is asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/vtab.h"

SQLITE_EXTENSION_INIT3

enum { COST_REQUEST = 1000 };

static const struct { unsigned char sqlite; int op; const char *text; } ops[] = {
    {SQLITE_INDEX_CONSTRAINT_EQ, CQ_W_EQ, "="},
    {SQLITE_INDEX_CONSTRAINT_LT, CQ_W_LT, "<"},
    {SQLITE_INDEX_CONSTRAINT_LE, CQ_W_LE, "<="},
    {SQLITE_INDEX_CONSTRAINT_GT, CQ_W_GT, ">"},
    {SQLITE_INDEX_CONSTRAINT_GE, CQ_W_GE, ">="}};

static int op_index(int sqlite) {
  for (int i = 0; i < 5; i++)
    if (ops[i].sqlite == sqlite)
      return i;
  return -1;
}

/* Does asking with this term save anything?  EQ on what a client, parent or
 * `each` gives prunes requests; the rest is what the API filters. */
static int useful(const cq_column *c, int op) {
  if (op == CQ_W_EQ &&
      (c->source == CQ_FROM_CLIENT || c->source == CQ_FROM_PARENT ||
       c->source == CQ_FROM_EACH || c->source == CQ_FROM_WHERE))
    return 1;
  return (c->where & (unsigned)op) != 0 ||
         (op == CQ_W_EQ && (c->where & CQ_W_IN));
}

static int wanted(const sqlite3_index_info *info, int column) {
  return (info->colUsed >> (column < 63 ? column : 63)) & 1;
}

int cq_push_best_index(const cq_table *t, sqlite3_index_info *info,
                       sqlite3_vtab *vtab) {
  sqlite3_str *s = sqlite3_str_new(NULL);
  int next = 1, others = 0, limit = -1, offset = -1, used = 0, all = 1;
  double cost;

  for (int i = 0; i < info->nConstraint; i++) {
    const struct sqlite3_index_constraint *c = &info->aConstraint[i];
    const cq_column *col;
    int k = op_index(c->op), in = 0;

    if (c->op == SQLITE_INDEX_CONSTRAINT_LIMIT ||
        c->op == SQLITE_INDEX_CONSTRAINT_OFFSET) {
      if (c->usable && c->op == SQLITE_INDEX_CONSTRAINT_LIMIT)
        limit = i;
      else if (c->usable)
        offset = i;
      else
        others++;
      continue;
    }
    col = c->iColumn >= 0 && c->iColumn < t->ncol ? &t->columns[c->iColumn]
                                                   : NULL;
    if (!c->usable) {
      /* A value that only a join can give: have the other order planned. */
      if (col && col->required && c->op == SQLITE_INDEX_CONSTRAINT_EQ) {
        sqlite3_free(sqlite3_str_finish(s));
        return SQLITE_CONSTRAINT;
      }
      others++;
      continue;
    }
    if (!col || k < 0 || !useful(col, ops[k].op) ||
        strcmp(sqlite3_vtab_collation(info, i), "BINARY") != 0) {
      others++;
      continue;
    }
    if (c->op == SQLITE_INDEX_CONSTRAINT_EQ && sqlite3_vtab_in(info, i, -1))
      in = sqlite3_vtab_in(info, i, 1);
    sqlite3_str_appendf(s, "%s%s %s", used ? ", " : "", col->name,
                        in ? "in" : ops[k].text);
    info->aConstraintUsage[i].argvIndex = next++;
    used++;
    /* Met exactly only where the API's filter is precisely SQL's, or where
     * the column's value is the constraint's. */
    if (!(ops[k].op == CQ_W_EQ && col->type == CQ_TEXT &&
          (col->exact || col->source == CQ_FROM_CLIENT ||
           col->source == CQ_FROM_PARENT)))
      others++;
  }
  for (int i = 0; i < t->ncol; i++)
    all &= wanted(info, i);
  sqlite3_str_appendall(s, used ? "; columns=" : "columns=");
  if (all)
    sqlite3_str_appendall(s, "*");
  for (int i = 0, n = 0; i < t->ncol && !all; i++)
    if (wanted(info, i))
      sqlite3_str_appendf(s, "%s%s", n++ ? "," : "", t->columns[i].name);
  if (limit >= 0 && others == 0 && info->nOrderBy == 0) {
    sqlite3_str_appendall(s, "; limit");
    info->aConstraintUsage[limit].argvIndex = next++;
    if (offset >= 0) {
      sqlite3_str_appendall(s, "; offset");
      info->aConstraintUsage[offset].argvIndex = next++;
    }
  }
  /* Requests decide: a term that the API takes divides them. */
  cost = 100.0 * COST_REQUEST;
  for (int i = 0; i < used; i++)
    cost /= 10;
  info->estimatedCost = cost < COST_REQUEST ? COST_REQUEST : cost;
  info->estimatedRows = used ? 25 : 10000;
  info->idxStr = sqlite3_str_finish(s);
  info->needToFreeIdxStr = 1;
  (void)vtab;
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

static cq_value value_of(sqlite3_value *v) {
  switch (sqlite3_value_type(v)) {
  case SQLITE_INTEGER:
    return cq_value_int(sqlite3_value_int64(v));
  case SQLITE_FLOAT:
    return cq_value_real(sqlite3_value_double(v));
  case SQLITE_TEXT: {
    const char *s = (const char *)sqlite3_value_text(v);

    return cq_value_str(s ? s : "", (size_t)sqlite3_value_bytes(v));
  }
  default:
    return cq_value_null();
  }
}

/* The constraint's value as the column would hold it.  SQLite compares after
 * the column's affinity; where ours would differ the term is left out. */
static int push_value(const cq_column *c, sqlite3_value *v, cq_arena *a,
                      cq_value *out, int *usable) {
  const char *sql = cq_type_sql(c->type);
  cq_value raw = value_of(v);

  *usable = 1;
  if (raw.kind == CQ_NULL) {
    *out = raw;
    return CQ_OK;
  }
  if (strcmp(sql, "TEXT") == 0 && raw.kind != CQ_STR) {
    cq_value text;

    if (cq_value_to_text(a, &raw, &text))
      return CQ_NOMEM;
    raw = text;
  } else if (strcmp(sql, "TEXT") != 0 && raw.kind == CQ_STR) {
    cq_value number;

    if (cq_number_parse(raw.u.s, raw.len, &number) || number.kind == CQ_STR) {
      *usable = 0;
      return CQ_OK;
    }
    raw = number;
  }
  if (raw.kind == CQ_DOUBLE && strcmp(sql, "INTEGER") == 0) {
    if (raw.u.r != (double)(int64_t)raw.u.r) {
      *usable = 0;
      return CQ_OK;
    }
    raw = cq_value_int((int64_t)raw.u.r);
  }
  return cq_value_copy(a, &raw, out);
}

static int push_term(const cq_table *t, cq_push *p, const char *text, size_t n,
                     sqlite3_value *arg, cq_error *err) {
  const char *space = memchr(text, ' ', n);
  cq_constraint *w = &p->constraints[p->n];
  cq_value *values;
  size_t len = (size_t)(space - text), count = 0, cap = 1;
  int usable, in = memcmp(space + 1, "in", 2) == 0;
  sqlite3_value *v;

  for (w->column = 0; w->column < t->ncol; w->column++)
    if (strlen(t->columns[w->column].name) == len &&
        memcmp(t->columns[w->column].name, text, len) == 0)
      break;
  w->op = CQ_W_IN;
  for (int i = 0; i < 5 && !in; i++)
    if (strlen(ops[i].text) == n - len - 1 &&
        memcmp(ops[i].text, space + 1, n - len - 1) == 0)
      w->op = ops[i].op;
  if (in) {
    cap = 0;
    for (int rc = sqlite3_vtab_in_first(arg, &v); rc == SQLITE_OK && v;
         rc = sqlite3_vtab_in_next(arg, &v))
      cap++;
  }
  values = cq_arena_alloc(&p->arena, (cap + 1) * sizeof *values);
  if (!values)
    return cq_error_nomem(err);
  w->values = values;
  if (!in) {
    if (push_value(&t->columns[w->column], arg, &p->arena, values, &usable))
      return cq_error_nomem(err);
    if (!usable)
      return CQ_OK;
    if (values->kind == CQ_NULL)
      p->empty = 1;
    w->n = 1;
    p->n++;
    return CQ_OK;
  }
  for (int rc = sqlite3_vtab_in_first(arg, &v); rc == SQLITE_OK && v;
       rc = sqlite3_vtab_in_next(arg, &v)) {
    if (push_value(&t->columns[w->column], v, &p->arena, &values[count],
                   &usable))
      return cq_error_nomem(err);
    if (!usable)
      return CQ_OK; /* one value cannot be asked: ask for all */
    count += values[count].kind != CQ_NULL;
  }
  if (count == 0)
    p->empty = 1;
  w->n = count;
  p->n++;
  return CQ_OK;
}

int cq_push_decode(const cq_table *t, const char *text, int argc,
                   sqlite3_value **argv, cq_push *out, cq_error *err) {
  const char *s = text;
  int arg = 0, rc = CQ_OK;
  int64_t limit = -1, offset = 0;

  memset(out, 0, sizeof *out);
  cq_arena_init(&out->arena);
  out->cap = -1;
  out->constraints =
      cq_arena_alloc(&out->arena, ((size_t)argc + 1) * sizeof *out->constraints);
  out->wanted = cq_arena_alloc(&out->arena, (size_t)t->ncol + 1);
  if (!out->constraints || !out->wanted)
    return cq_error_nomem(err);
  memset(out->wanted, 0, (size_t)t->ncol + 1);
  while (*s && rc == CQ_OK) {
    size_t n = strcspn(s, ";");

    if (strncmp(s, "columns=", 8) == 0) {
      if (s[8] == '*')
        memset(out->wanted, 1, (size_t)t->ncol);
      for (const char *c = s + 8; c < s + n && *c != '*';) {
        size_t len = strcspn(c, ",;");

        for (int i = 0; i < t->ncol; i++)
          if (strlen(t->columns[i].name) == len &&
              memcmp(t->columns[i].name, c, len) == 0)
            out->wanted[i] = 1;
        c += len + (c[len] == ',');
      }
    } else if (strncmp(s, "limit", 5) == 0) {
      limit = sqlite3_value_int64(argv[arg++]);
    } else if (strncmp(s, "offset", 6) == 0) {
      offset = sqlite3_value_int64(argv[arg++]);
    } else {
      for (const char *c = s; c < s + n && rc == CQ_OK;) {
        size_t len = strcspn(c, ",;");

        rc = push_term(t, out, c, len, argv[arg++], err);
        c += len;
        c += strspn(c, ", ");
      }
    }
    s += n;
    s += strspn(s, "; ");
  }
  if (limit >= 0)
    out->cap = limit + (offset > 0 ? offset : 0);
  return rc;
}
