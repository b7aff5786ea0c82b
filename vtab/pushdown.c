/* vtab/pushdown.c: what of a query the API is asked for, decided when the query
 * is planned.
 *
 * The plan is idxStr, text that users read in EXPLAIN QUERY PLAN:
 *
 *   SCAN aws_ec2_images VIRTUAL TABLE INDEX 2:region= name IN limit cols:1f
 *
 *   column=    equal to a value       column=#   equal to a literal number
 *   column IS  the same, of IS        column IN  one of a list, at once
 *   column< column<= column> column>= the ends of a range
 *   column LIKE, column GLOB          only the fixed beginning of the pattern
 *   limit, offset   no more rows than LIMIT (and OFFSET) are fetched
 *   cols:HEX   the columns that the query reads, bit 0 the first; the last bit
 *              of 64 stands for the 64th and all after it
 *
 * A name that is no plain word, or one of these, is written #n, its number from
 * 0.  idxNum is how many terms are asked for.
 *
 * Every term only asks for less: SQLite checks all rows again (`omit` stays 0).
 * So a term may be used if it keeps every row that SQL would keep, which
 * values.c sees to.  LIMIT tells how many rows are worth asking for, so it is
 * used only if, besides, no term is left that could drop rows that the API gave.
 * It never ends a scan: SQLite before 3.46 hands it over beside terms that it does
 * not show, such as `a = b` of one table, and counts the rows itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vtab/vtab.h"

enum {
  COST_REQUEST = 1000, /* in rows */
  ROWS_LIST = 500,     /* of one client, unknown */
  CLIENTS = 8,         /* of a source, unknown */
  PARENTS = 50,        /* rows of a parent that are asked for, unknown */
  PAGE_ROWS = 100
};

static const char *const op_text[] = {"=",  "=#", " IS", " IN",   "<",
                                      "<=", ">",  ">=",  " LIKE", " GLOB"};
enum { NOP = sizeof op_text / sizeof *op_text };

/* Before 3.51 SQLite hands a LIKE or GLOB in the ON of a LEFT JOIN to the table on
 * the left as well, whose rows it must not drop. */
static int like_is_safe(void) {
  return sqlite3_libversion_number() >= 3051000;
}

int cq_pushdown_limit_sure(void) {
  return sqlite3_libversion_number() >= 3046000;
}

static int op_of(int sqlite) {
  switch (sqlite) {
  case SQLITE_INDEX_CONSTRAINT_EQ:
    return CQ_P_EQ;
  case SQLITE_INDEX_CONSTRAINT_IS:
    return CQ_P_IS;
  case SQLITE_INDEX_CONSTRAINT_LT:
    return CQ_P_LT;
  case SQLITE_INDEX_CONSTRAINT_LE:
    return CQ_P_LE;
  case SQLITE_INDEX_CONSTRAINT_GT:
    return CQ_P_GT;
  case SQLITE_INDEX_CONSTRAINT_GE:
    return CQ_P_GE;
  case SQLITE_INDEX_CONSTRAINT_LIKE:
    return like_is_safe() ? CQ_P_LIKE : -1;
  case SQLITE_INDEX_CONSTRAINT_GLOB:
    return like_is_safe() ? CQ_P_GLOB : -1;
  default:
    return -1;
  }
}

static int is_equal(cq_push_op op) {
  return op <= CQ_P_IN;
}

static unsigned where_bits(cq_push_op op) {
  switch (op) {
  case CQ_P_EQ:
  case CQ_P_NUMBER:
  case CQ_P_IS:
  case CQ_P_IN:
    return CQ_W_EQ | CQ_W_IN;
  case CQ_P_LT:
    return CQ_W_LT | CQ_W_LE;
  case CQ_P_LE:
    return CQ_W_LE;
  case CQ_P_GT:
    return CQ_W_GT | CQ_W_GE;
  case CQ_P_GE:
    return CQ_W_GE;
  default:
    return CQ_W_LIKE;
  }
}

/* Does asking with this term save anything?  Equality prunes clients, parent
 * rows and `each` values; the rest is what the API itself filters. */
static int push_useful(const cq_table *t, int column, cq_push_op op,
                       int depth) {
  const cq_column *c = &t->columns[column];
  const cq_table *parent = t->parent.table;

  if (c->where & where_bits(op)) return 1;
  if (is_equal(op) &&
      (c->source == CQ_FROM_CLIENT || c->source == CQ_FROM_PARENT ||
       c->source == CQ_FROM_EACH || c->source == CQ_FROM_WHERE))
    return 1;
  return c->source == CQ_FROM_PARENT && parent && parent != t &&
         c->parent_column >= 0 && depth < CQ_MAX_PARENT_DEPTH &&
         push_useful(parent, c->parent_column, op, depth + 1);
}

/* Do all rows that come back for this term surely meet it?  (That the value
 * could be used at all is known only when it is there: cq_bound.whole.) */
static int push_exact(const cq_table *t, int column, cq_push_op op) {
  const cq_column *c = &t->columns[column];

  if (op == CQ_P_LIKE || op == CQ_P_GLOB) return 0;
  if (!is_equal(op) && c->type == CQ_TIMESTAMP)
    return 0; /* widened to whole seconds */
  if (c->exact && (c->where & where_bits(op))) return 1;
  if (!is_equal(op)) return 0;
  if (c->source == CQ_FROM_PARENT && t->parent.table && c->parent_column >= 0)
    return t->parent.table->columns[c->parent_column].key &&
           t->parent.table->columns[c->parent_column].type == c->type;
  return c->source == CQ_FROM_CLIENT;
}

/* Columns whose client attribute a query has to name where the configuration
 * does not: a plan that has no value for one is the last resort. */
static int push_names_client(const cq_table *t, int column) {
  const cq_column *c = &t->columns[column];
  const cq_integration *in = t->integration;

  for (int i = 0; c->source == CQ_FROM_CLIENT && i < in->ndim; i++)
    if (in->dims[i].optional && c->from &&
        strcmp(in->dims[i].name, c->from) == 0)
      return 1;
  return 0;
}

static int is_text(const cq_column *c) {
  return strcmp(cq_type_sql(c->type), "TEXT") == 0;
}

static int push_literal_number(sqlite3_index_info *info, int i) {
  sqlite3_value *v = NULL;

  return sqlite3_vtab_rhs_value(info, i, &v) == SQLITE_OK && v &&
         sqlite3_value_type(v) == SQLITE_INTEGER;
}

/* What the plan has found; the columns' bits stop at CQ_MAX_COLUMNS. */
typedef struct plan {
  cq_pushdown p;
  int from[CQ_PUSH_MAX];               /* index in aConstraint */
  unsigned char equal[CQ_MAX_COLUMNS]; /* has an equality that is asked for */
  int inexact;                         /* LIMIT must not be used */
  int unnamed;                         /* see push_names_client */
  int keyless;                         /* see plan_is_part */
  int limit, offset;                   /* index in aConstraint, or -1 */
} plan;

static void plan_term(const cq_table *t, sqlite3_index_info *info, int i,
                      plan *pl) {
  const struct sqlite3_index_constraint *c = &info->aConstraint[i];
  int op = op_of(c->op), in;

  if (op < 0 || c->iColumn < 0 || c->iColumn >= t->ncol) {
    pl->inexact = 1;
    return;
  }
  if (!c->usable) {
    pl->inexact = 1;
    pl->unnamed |= is_equal((cq_push_op)op) && push_names_client(t, c->iColumn);
    return;
  }
  in = op == CQ_P_EQ && sqlite3_vtab_in(info, i, -1);
  if (in)
    op = CQ_P_IN;
  else if (op == CQ_P_EQ && is_text(&t->columns[c->iColumn]) &&
           push_literal_number(info, i))
    op = CQ_P_NUMBER;
  if (pl->p.nitem == CQ_PUSH_MAX ||
      !push_useful(t, c->iColumn, (cq_push_op)op, 0) ||
      /* One equality of a column: a second would repeat requests. */
      (is_equal((cq_push_op)op) && pl->equal[c->iColumn]) ||
      /* Other collations call equal what an API tells apart. */
      (op != CQ_P_LIKE && op != CQ_P_GLOB &&
       sqlite3_stricmp(sqlite3_vtab_collation(info, i), "BINARY") != 0)) {
    pl->inexact = 1;
    return;
  }
  if (in) sqlite3_vtab_in(info, i, 1);
  if (is_equal((cq_push_op)op)) pl->equal[c->iColumn] = 1;
  if (!push_exact(t, c->iColumn, (cq_push_op)op)) pl->inexact = 1;
  pl->from[pl->p.nitem] = i;
  pl->p.item[pl->p.nitem].column = c->iColumn;
  pl->p.item[pl->p.nitem++].op = (cq_push_op)op;
}

static int plan_limit(sqlite3_index_info *info, plan *pl) {
  int usable = pl->limit >= 0 && info->aConstraint[pl->limit].usable &&
               (pl->offset < 0 || info->aConstraint[pl->offset].usable);

  /* We never say that an order is met, so a LIMIT after sorting needs all. */
  return usable && !pl->inexact && info->nOrderBy == 0;
}

/* SQLite plans each arm of an OR with that arm's terms alone, and what is around
 * it without the arms: `key = 'a' AND (x = 1 OR y = 2)` asks for plans without the
 * key, and so does an OR of which each arm has it.  They must not end the
 * statement; who has nothing else is told by the scan, before it asks anything.
 * A query that never names the key is told at once. */
static int plan_is_part(const sqlite3_index_info *info, int k) {
  return info->colUsed >> (k < 63 ? k : 63) & 1;
}

static int plan_required(const cq_table *t, sqlite3_vtab *vtab,
                         sqlite3_index_info *info, plan *pl) {
  for (int k = 0; k < t->ncol; k++) {
    int elsewhere = 0;

    if (!t->columns[k].required || pl->equal[k]) continue;
    for (int i = 0; i < info->nConstraint; i++)
      elsewhere |= info->aConstraint[i].iColumn == k &&
                   !info->aConstraint[i].usable &&
                   (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_EQ ||
                    info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_IS);
    if (elsewhere)
      return SQLITE_CONSTRAINT; /* another order of the join may have a value */
    if (plan_is_part(info, k)) {
      pl->keyless = 1;
      continue;
    }
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf(
        "%s: column %s: the API needs a value\nhint: add WHERE %s = '...'",
        t->name, t->columns[k].name, t->columns[k].name);
    return SQLITE_ERROR;
  }
  return SQLITE_OK;
}

/* Wanted columns that cost a request per row or batch of rows. */
static double plan_calls(const cq_table *t, uint64_t used) {
  unsigned char call[64] = {0};
  double per_row = 0;

  for (int i = 0; i < t->ncol; i++) {
    int k = t->columns[i].call;

    if (k < 0 || k >= 64 || call[k] || !(used >> (i < 63 ? i : 63) & 1))
      continue;
    call[k] = 1;
    per_row += 1.0 / (t->calls[k].batch > 1 ? t->calls[k].batch : 1);
  }
  return per_row;
}

/* Requests first: each counts as COST_REQUEST rows. */
static void plan_cost(const cq_table *t, sqlite3_index_info *info,
                      const plan *pl) {
  const cq_table *top = cq_table_top(t);
  double clients = 1, series = 1, rows = ROWS_LIST, requests;
  int client_equal = 0, parent_equal = 0;
  size_t keys = 0;

  for (int i = 0; i < t->ncol; i++) {
    if (!pl->equal[i]) continue;
    keys += t->columns[i].key != 0;
    if (t->columns[i].source == CQ_FROM_CLIENT)
      client_equal++;
    else if (t->columns[i].source == CQ_FROM_PARENT)
      parent_equal++;
    else
      rows /= 10;
  }
  if (top->nover) clients = client_equal ? 1 : CLIENTS;
  if (t->parent.table) series = parent_equal ? 1 : PARENTS;
  for (int i = 0; i < pl->p.nitem; i++) {
    if (!is_equal(pl->p.item[i].op)) rows /= 2;
    if (pl->p.item[i].op == CQ_P_IN) series *= 3;
  }
  if (t->nkey && keys >= t->nkey) rows = 1;
  if (pl->p.limit && rows > PAGE_ROWS) rows = PAGE_ROWS;
  if (rows < 1) rows = 1;
  requests = clients * series * (1 + rows / PAGE_ROWS);
  if (t->parent.table) requests += clients * (parent_equal ? 1 : 5);
  rows *= clients * series;
  requests += rows * plan_calls(t, pl->p.used);
  info->estimatedRows = (sqlite3_int64)rows;
  info->estimatedCost = requests * COST_REQUEST + rows;
  if (pl->unnamed) info->estimatedCost *= 1e6;
  if (pl->keyless) info->estimatedCost *= 1e30;
}

static int plain_name(const char *s) {
  if (!*s || strcmp(s, "limit") == 0 || strcmp(s, "offset") == 0) return 0;
  for (; *s; s++)
    if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
          (*s >= '0' && *s <= '9') || *s == '_'))
      return 0;
  return 1;
}

char *cq_pushdown_text(const cq_table *t, const cq_pushdown *p) {
  sqlite3_str *s = sqlite3_str_new(NULL);

  for (int i = 0; i < p->nitem; i++) {
    const char *name = t->columns[p->item[i].column].name;

    if (plain_name(name))
      sqlite3_str_appendall(s, name);
    else
      sqlite3_str_appendf(s, "#%d", p->item[i].column);
    sqlite3_str_appendf(s, "%s ", op_text[p->item[i].op]);
  }
  if (p->limit) sqlite3_str_appendall(s, "limit ");
  if (p->offset) sqlite3_str_appendall(s, "offset ");
  sqlite3_str_appendf(s, "cols:%llx", (unsigned long long)p->used);
  return sqlite3_str_finish(s);
}

int cq_pushdown_plan(const cq_table *t, sqlite3_vtab *vtab,
                     sqlite3_index_info *info) {
  plan pl;
  int rc, next = 1;

  memset(&pl, 0, sizeof pl);
  pl.limit = pl.offset = -1;
  pl.p.used = info->colUsed;
  for (int i = 0; i < info->nConstraint; i++) {
    if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_LIMIT)
      pl.limit = i;
    else if (info->aConstraint[i].op == SQLITE_INDEX_CONSTRAINT_OFFSET)
      pl.offset = i;
    else
      plan_term(t, info, i, &pl);
  }
  rc = plan_required(t, vtab, info, &pl);
  if (rc) return rc;
  for (int i = 0; i < pl.p.nitem; i++)
    info->aConstraintUsage[pl.from[i]].argvIndex = next++;
  if (plan_limit(info, &pl)) {
    pl.p.limit = 1;
    info->aConstraintUsage[pl.limit].argvIndex = next++;
    if (pl.offset >= 0) {
      pl.p.offset = 1;
      info->aConstraintUsage[pl.offset].argvIndex = next++;
    }
  }
  plan_cost(t, info, &pl);
  info->idxNum = pl.p.nitem;
  info->idxStr = cq_pushdown_text(t, &pl.p);
  info->needToFreeIdxStr = 1;
  return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

static int parse_column(const cq_table *t, const char *s, size_t n) {
  if (n > 1 && *s == '#') return atoi(s + 1) < t->ncol ? atoi(s + 1) : -1;
  for (int i = 0; i < t->ncol; i++)
    if (strncmp(t->columns[i].name, s, n) == 0 && !t->columns[i].name[n])
      return i;
  return -1;
}

int cq_pushdown_parse(const cq_table *t, const char *idx, cq_pushdown *out) {
  memset(out, 0, sizeof *out);
  while (*idx) {
    size_t n = strcspn(idx, " <>=:"), m;
    int op = -1, column;

    if (strncmp(idx, "cols:", 5) == 0) {
      out->used = strtoull(idx + 5, NULL, 16);
      return CQ_OK;
    }
    if (strncmp(idx, "limit ", 6) == 0 || strncmp(idx, "offset ", 7) == 0) {
      if (*idx == 'l')
        out->limit = 1;
      else
        out->offset = 1;
      idx += n + 1;
      continue;
    }
    for (int k = 0; k < NOP && op < 0; k++) {
      m = strlen(op_text[k]);
      if (strncmp(idx + n, op_text[k], m) == 0 && idx[n + m] == ' ') op = k;
    }
    column = parse_column(t, idx, n);
    if (op < 0 || column < 0 || out->nitem == CQ_PUSH_MAX) return CQ_MISUSE;
    out->item[out->nitem].column = column;
    out->item[out->nitem++].op = (cq_push_op)op;
    idx += n + strlen(op_text[op]) + 1;
  }
  return CQ_MISUSE;
}
