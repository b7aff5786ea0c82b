/* ext/func/program.c: a statement's program, as SQLite's EXPLAIN lists it: which
 * scans it makes, what their arguments are, and in which loops they stand.
 *
 * What fills a register with a constant is read off the program; what comes from
 * a row, a parameter or a function is known to the running statement only.  A
 * trigger is a program of its own behind the statement's, with its own addresses,
 * registers and cursors.  A list of values has as many operations as values, so
 * nothing here looks through all of them for each. */
#include "func/func.h"

#include <stdlib.h>
#include <string.h>

/* What an operation does to registers, as far as it matters here. */
enum {
  TO_P2 = 1, /* puts a value there */
  TO_P3 = 2,
  IN_P1 = 4,  /* makes another value of the one there */
  STAYS = 8,  /* P2 is no address */
  LOOPS = 16, /* goes back to P2 for the next row of cursor P1 */
  RANGE = 32  /* Null, Copy, Move: to more than one register */
};

static const struct kind {
  const char *name;
  cq_op_code code;
  int does;
} kinds[] = {
    {"Add", CQ_OP_OTHER, TO_P3},
    {"AddImm", CQ_OP_OTHER, IN_P1 | STAYS},
    {"Affinity", CQ_OP_AFFINITY, STAYS},
    {"AggFinal", CQ_OP_OTHER, IN_P1 | STAYS},
    {"AggStep", CQ_OP_OTHER, TO_P3},
    {"AggValue", CQ_OP_OTHER, TO_P3},
    {"And", CQ_OP_OTHER, TO_P3},
    {"BeginSubrtn", CQ_OP_OTHER, TO_P2},
    {"BitAnd", CQ_OP_OTHER, TO_P3},
    {"BitNot", CQ_OP_OTHER, TO_P2},
    {"BitOr", CQ_OP_OTHER, TO_P3},
    {"Blob", CQ_OP_OTHER, TO_P2},
    {"Cast", CQ_OP_OTHER, IN_P1 | STAYS},
    {"Column", CQ_OP_OTHER, TO_P3},
    {"Concat", CQ_OP_OTHER, TO_P3},
    {"Copy", CQ_OP_COPY, TO_P2 | RANGE},
    {"Count", CQ_OP_OTHER, TO_P2},
    {"Divide", CQ_OP_OTHER, TO_P3},
    {"Explain", CQ_OP_OTHER, STAYS},
    {"Function", CQ_OP_OTHER, TO_P3},
    {"IdxInsert", CQ_OP_INSERT, STAYS},
    {"IdxRowid", CQ_OP_OTHER, TO_P2},
    {"Int64", CQ_OP_INT64, TO_P2},
    {"IntCopy", CQ_OP_COPY, TO_P2},
    {"Integer", CQ_OP_INTEGER, TO_P2},
    {"IsTrue", CQ_OP_OTHER, TO_P2},
    {"MakeRecord", CQ_OP_OTHER, TO_P3},
    {"Move", CQ_OP_OTHER, TO_P2 | RANGE},
    {"Multiply", CQ_OP_OTHER, TO_P3},
    {"NewRowid", CQ_OP_OTHER, TO_P2},
    {"Next", CQ_OP_OTHER, LOOPS},
    {"Not", CQ_OP_OTHER, TO_P2},
    {"Null", CQ_OP_NULL, TO_P2 | RANGE},
    {"OffsetLimit", CQ_OP_OTHER, TO_P2},
    {"Once", CQ_OP_ONCE, 0},
    {"OpenEphemeral", CQ_OP_OTHER, STAYS},
    {"OpenRead", CQ_OP_OTHER, STAYS},
    {"Or", CQ_OP_OTHER, TO_P3},
    {"Param", CQ_OP_OTHER, TO_P2},
    {"Prev", CQ_OP_OTHER, LOOPS},
    {"PureFunc", CQ_OP_OTHER, TO_P3},
    {"ReadCookie", CQ_OP_OTHER, TO_P2},
    {"Real", CQ_OP_REAL, TO_P2},
    {"RealAffinity", CQ_OP_OTHER, IN_P1 | STAYS},
    {"Remainder", CQ_OP_OTHER, TO_P3},
    {"ResultRow", CQ_OP_OTHER, STAYS},
    {"RowData", CQ_OP_OTHER, TO_P2},
    {"Rowid", CQ_OP_OTHER, TO_P2},
    {"SCopy", CQ_OP_COPY, TO_P2},
    {"Sequence", CQ_OP_OTHER, TO_P2},
    {"ShiftLeft", CQ_OP_OTHER, TO_P3},
    {"ShiftRight", CQ_OP_OTHER, TO_P3},
    {"SorterNext", CQ_OP_OTHER, LOOPS},
    {"String", CQ_OP_TEXT, TO_P2},
    {"String8", CQ_OP_TEXT, TO_P2},
    {"Subtract", CQ_OP_OTHER, TO_P3},
    {"Transaction", CQ_OP_OTHER, STAYS},
    {"VColumn", CQ_OP_OTHER, TO_P3},
    {"VFilter", CQ_OP_SCAN, 0},
    {"VInitIn", CQ_OP_LIST, STAYS},
    {"VNext", CQ_OP_OTHER, LOOPS},
    {"VOpen", CQ_OP_OPEN, STAYS},
    {"Variable", CQ_OP_OTHER, TO_P2},
    {"ZeroOrNull", CQ_OP_OTHER, TO_P2},
};

static int by_name(const void *name, const void *k) {
  return strcmp(name, ((const struct kind *)k)->name);
}

/* An operation that puts a value into a register, or changes it there. */
typedef struct cq_op_writer {
  size_t part;
  int reg, changes;
  size_t at;
} writer;

/* ---- reading ----------------------------------------------------------------- */

static int read_op(cq_program *p, sqlite3_stmt *stmt, cq_error *err) {
  const char *name = (const char *)sqlite3_column_text(stmt, 1);
  const char *p4 = (const char *)sqlite3_column_text(stmt, 5);
  const struct kind *k =
      name ? bsearch(name, kinds, sizeof kinds / sizeof *kinds, sizeof *kinds,
                     by_name)
           : NULL;
  cq_op *o;

  if (cq_grow(&p->ops, &p->cap, p->n, sizeof *p->ops))
    return cq_error_nomem(err);
  o = &p->ops[p->n];
  memset(o, 0, sizeof *o);
  /* The first address of a program that begins. */
  o->part = sqlite3_column_int(stmt, 0) == 0 || !p->n ? p->n : o[-1].part;
  o->code = k ? k->code : CQ_OP_OTHER;
  o->does = k ? k->does : 0;
  o->p1 = sqlite3_column_int(stmt, 2);
  o->p2 = sqlite3_column_int(stmt, 3);
  o->p3 = sqlite3_column_int(stmt, 4);
  o->p4 = cq_arena_strndup(&p->arena, p4 ? p4 : "",
                           (size_t)sqlite3_column_bytes(stmt, 5));
  if (!name || !o->p4) return cq_error_nomem(err);
  p->n++;
  return CQ_OK;
}

static int add_writer(cq_program *p, size_t at, int reg, int changes) {
  writer *w;

  if (cq_grow(&p->writers, &p->capwriter, p->nwriter, sizeof *p->writers))
    return CQ_NOMEM;
  w = &p->writers[p->nwriter++];
  w->part = p->ops[at].part;
  w->reg = reg;
  w->changes = changes;
  w->at = at;
  return CQ_OK;
}

/* The last register that an operation writes from P2 on: Null names it, Copy says
 * how many more, Move how many. */
static int last_register(const cq_op *o) {
  if (!(o->does & RANGE)) return o->p2;
  if (o->code == CQ_OP_NULL) return o->p3 > o->p2 ? o->p3 : o->p2;
  return o->p2 + o->p3 - (o->code == CQ_OP_COPY ? 0 : 1);
}

static int find_writers(cq_program *p) {
  int rc = CQ_OK;

  for (size_t i = 0; i < p->n && rc == CQ_OK; i++) {
    const cq_op *o = &p->ops[i];

    if (o->does & TO_P3) rc = add_writer(p, i, o->p3, 0);
    if (o->does & IN_P1) rc = add_writer(p, i, o->p1, 1);
    for (int r = o->p2; o->does & TO_P2 && r <= last_register(o) && !rc; r++)
      rc = add_writer(p, i, r, 0);
  }
  return rc;
}

static int writer_order(const void *pa, const void *pb) {
  const writer *a = pa, *b = pb;

  if (a->part != b->part) return a->part < b->part ? -1 : 1;
  if (a->reg != b->reg) return a->reg < b->reg ? -1 : 1;
  return (a->at > b->at) - (a->at < b->at);
}

/* For each operation, the next behind it that a jump leads to. */
static int find_entries(cq_program *p) {
  size_t next = SIZE_MAX;

  p->entry = cq_calloc(p->n + 1, sizeof *p->entry);
  if (!p->entry) return CQ_NOMEM;
  for (size_t i = 0; i < p->n; i++) {
    const cq_op *o = &p->ops[i];
    size_t to = o->part + (size_t)o->p2;

    if (!(o->does & (TO_P2 | TO_P3 | STAYS)) && o->p2 > 0 && to < p->n)
      p->entry[to] = 1;
  }
  for (size_t i = p->n; i-- > 0;) {
    size_t is = p->entry[i];

    p->entry[i] = next;
    if (is) next = i;
  }
  return CQ_OK;
}

int cq_program_read(cq_program *p, sqlite3 *db, sqlite3_stmt *stmt,
                    cq_error *err) {
  int rc;

  memset(p, 0, sizeof *p);
  cq_arena_init(&p->arena);
  while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
    if ((rc = read_op(p, stmt, err)) != CQ_OK) return rc;
  if (rc != SQLITE_DONE) return cq_error_set(err, rc, "%s", sqlite3_errmsg(db));
  if (find_writers(p) || find_entries(p)) return cq_error_nomem(err);
  if (p->nwriter)
    qsort(p->writers, p->nwriter, sizeof *p->writers, writer_order);
  return CQ_OK;
}

void cq_program_clear(cq_program *p) {
  cq_arena_clear(&p->arena);
  cq_free(p->ops);
  cq_free(p->writers);
  cq_free(p->entry);
  memset(p, 0, sizeof *p);
}

/* ---- registers --------------------------------------------------------------- */

/* The first writer of the register at or behind operation `at`. */
static size_t writer_from(const cq_program *p, size_t part, int reg,
                          size_t at) {
  const writer want = {part, reg, 0, at};
  size_t low = 0, high = p->nwriter;

  while (low < high) {
    size_t mid = low + (high - low) / 2;

    if (writer_order(&p->writers[mid], &want) < 0)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

static int is_writer(const cq_program *p, size_t w, size_t part, int reg) {
  return w < p->nwriter && p->writers[w].part == part &&
         p->writers[w].reg == reg;
}

/* A comparison's affinity may turn what a register holds into another value,
 * before the scan at `at` reads it; 0 = into one that is not known here. */
static int with_affinity(cq_program *p, size_t from, size_t at, int reg,
                         cq_value *v) {
  /* A constant set at the program's end is set before all else. */
  for (size_t i = from < at ? from + 1 : p->ops[at].part; i < at; i++) {
    const cq_op *o = &p->ops[i];
    int k = reg - o->p1;

    if (o->code != CQ_OP_AFFINITY || k < 0 || k >= o->p2 ||
        k >= (int)strlen(o->p4) || v->kind == CQ_NULL || o->p4[k] == 'A')
      continue;
    if (o->p4[k] == 'B' ? v->kind == CQ_STR : v->kind != CQ_STR) continue;
    if (o->p4[k] != 'B' || v->kind != CQ_INT ||
        cq_value_to_text(&p->arena, v, v))
      return 0;
  }
  return 1;
}

/* What the operation puts into the register, where that is known. */
static int loaded(cq_program *p, size_t from, int reg, int depth,
                  cq_value *out);

static int constant(cq_program *p, size_t at, int reg, int depth,
                    cq_value *out) {
  size_t part = p->ops[at].part, first = writer_from(p, part, reg, part);
  size_t next = writer_from(p, part, reg, at), w = next, from;

  /* Constants may be set at the program's end, where it begins. */
  if (w > first) w--;
  if (!is_writer(p, w, part, reg) || p->writers[w].changes || depth > 8)
    return 0;
  from = p->writers[w].at;
  if (from == at) return 0;
  /* Written in several places: only what no jump leads past is sure. */
  if ((w > first || is_writer(p, w + 1, part, reg)) &&
      (from > at || p->entry[from] <= at))
    return 0;
  return loaded(p, from, reg, depth, out) &&
         with_affinity(p, from, at, reg, out);
}

static int loaded(cq_program *p, size_t from, int reg, int depth,
                  cq_value *out) {
  const cq_op *o = &p->ops[from];

  switch (o->code) {
  case CQ_OP_INTEGER:
    *out = cq_value_int(o->p1);
    return 1;
  case CQ_OP_REAL: /* 5.0 is written as 5 */
    *out = cq_value_real(cq_strtod(o->p4, NULL));
    return 1;
  case CQ_OP_TEXT:
    *out = cq_value_text(o->p4);
    return 1;
  case CQ_OP_INT64:
    return cq_number_parse(o->p4, strlen(o->p4), out) == CQ_OK;
  case CQ_OP_NULL:
    *out = cq_value_null();
    return 1;
  case CQ_OP_COPY:
    return constant(p, from, o->p1 + reg - o->p2, depth + 1, out);
  default:
    return 0;
  }
}

int cq_program_constant(cq_program *p, size_t at, int reg, cq_value *out) {
  return constant(p, at, reg, 0, out);
}

/* The next that puts a value into a list's table, from *at on. */
static int next_insert(const cq_program *p, const cq_op *list, size_t *at) {
  for (; list && *at < p->n && p->ops[*at].part == list->part; ++*at)
    if (p->ops[*at].code == CQ_OP_INSERT && p->ops[*at].p1 == list->p1)
      return 1;
  return 0;
}

int cq_program_list(cq_program *p, size_t at, int reg, cq_value **out,
                    size_t *n, int *known) {
  size_t part = p->ops[at].part, count = 0;
  const cq_op *list = NULL;

  *n = 0;
  for (size_t i = part; i < at; i++)
    if (p->ops[i].code == CQ_OP_LIST && p->ops[i].p2 == reg) list = &p->ops[i];
  for (size_t i = part; next_insert(p, list, &i); i++) count++;
  *out = cq_arena_alloc(&p->arena, (count + 1) * sizeof **out);
  if (!*out) return CQ_NOMEM;
  *known = list != NULL;
  /* The key is a record, made just before of the register that is given. */
  for (size_t i = part; next_insert(p, list, &i); i++)
    *known &= cq_program_constant(p, i, p->ops[i].p3, &(*out)[(*n)++]);
  *known &= *n > 0;
  return CQ_OK;
}

/* ---- scans and loops ---------------------------------------------------------- */

int cq_program_scan(const cq_program *p, size_t *at) {
  for (; *at < p->n; ++*at)
    if (p->ops[*at].code == CQ_OP_SCAN) return 1;
  return 0;
}

const char *cq_program_opened(const cq_program *p, size_t at, int cursor) {
  size_t part = p->ops[at].part;

  for (size_t i = part; i < p->n && p->ops[i].part == part; i++)
    if (p->ops[i].code == CQ_OP_OPEN && p->ops[i].p1 == cursor)
      return p->ops[i].p4;
  return "";
}

int cq_program_fired(const cq_program *p, size_t at) {
  return p->ops[at].part > 0;
}

int cq_program_loop(const cq_program *p, size_t at, int *cursor) {
  size_t part = p->ops[at].part, once = part;
  const cq_op *in = NULL;

  /* What stands behind a Once runs once, whatever is around that. */
  for (size_t i = part; i < at; i++)
    if (p->ops[i].code == CQ_OP_ONCE && part + (size_t)p->ops[i].p2 > at)
      once = i;
  for (size_t i = at + 1; i < p->n && p->ops[i].part == part; i++) {
    const cq_op *o = &p->ops[i];
    size_t to = part + (size_t)o->p2;

    if (o->does & LOOPS && to <= at && to >= once && o->p1 != p->ops[at].p1 &&
        (!in || o->p2 > in->p2))
      in = o;
  }
  if (in) *cursor = in->p1;
  return in != NULL;
}
