/* ext/dest/clickhouse/retype.c: the rows of a table, into one some of whose columns
 * are of another type.
 *
 * What a server's own functions make of a value differs from one version to the
 * next: 18.16 wraps numbers that are too great around, 26.7 cuts digits and moves
 * dates.  So values that change pass through here, and become what a write of
 * them would have become.  Rows are lines of TabSeparated, in which all else is
 * copied as it stands.  Times and dates go as the numbers that they are: printed,
 * those before 1900 are others. */
#include <stdlib.h>
#include <string.h>

#include "dest/clickhouse/internal.h"

enum { BATCH = 1 << 20, LINE = 128 << 20, TYPE = 256 };

typedef enum number_of { NOT, MICROS, DAYS } number_of;

typedef struct column {
  const char *name;
  char had[TYPE]; /* within Array, Nullable, LowCardinality */
  char becomes[TYPE];
  int list, nullable; /* as it was */
  int changes;
  number_of was, is;
  cq_rowbinary to;
  cq_reread reread;
} column;

typedef struct retype {
  ch *d, *writer;
  const char *into;
  column *cols;
  size_t ncol;
  int numbers; /* some go as numbers */
  cq_buf left; /* the beginning of a line */
  cq_buf body; /* a statement, and lines for it */
  size_t head;
  cq_buf bytes;
  cq_arena arena;
  int64_t batches;
  cq_error why;
} retype;

/* ---- columns --------------------------------------------------------------------- */

static int inside(char *type, const char *of) {
  size_t n = strlen(of), all = strlen(type);

  if (strncmp(type, of, n) != 0 || type[n] != '(' || type[all - 1] != ')')
    return 0;
  memmove(type, type + n + 1, all - n - 2);
  type[all - n - 2] = 0;
  return 1;
}

static number_of numbers(const char *type) {
  return strncmp(type, "DateTime64(6", 12) == 0 ? MICROS
         : strcmp(type, "Date32") == 0          ? DAYS
                                                : NOT;
}

static void taken_apart(const char *type, char out[TYPE], int *list,
                        int *nullable) {
  snprintf(out, TYPE, "%s", type);
  *list = inside(out, "Array");
  inside(out, "LowCardinality");
  *nullable = inside(out, "Nullable");
}

/* k: its index in the table, or -1: one that the definition has no more. */
static void column_init(const ch *d, column *c, const cq_dest_table *t,
                        const char *name, const char *type, int k) {
  cq_buf b;
  int list, nullable;
  char made[TYPE];

  c->name = name;
  taken_apart(type, c->had, &c->list, &c->nullable);
  c->was = c->is = numbers(c->had);
  snprintf(c->becomes, sizeof c->becomes, "%s", type);
  if (k < 0) return;
  cq_buf_init(&b, TYPE);
  ch_type(d, t, k, &b);
  if (!b.rc) snprintf(c->becomes, sizeof c->becomes, "%s", b.data);
  cq_buf_clear(&b);
  c->changes = strcmp(c->becomes, type) != 0;
  if (!c->changes) return;
  taken_apart(c->becomes, made, &list, &nullable);
  c->is = numbers(made);
  c->to = ch_column(d, t, k);
  c->reread.table = t;
  c->reread.column = k;
}

static void add_read(const ch *d, cq_buf *b, const column *c) {
  const char *f = c->was == MICROS ? "toUnixTimestamp64Micro"
                  : c->was == DAYS ? "toInt32"
                                   : NULL;

  if (!f)
    ch_format(d, b, "%w", c->name);
  else if (c->list)
    ch_format(d, b, "arrayMap(x -> %s(x), %w)", f, c->name);
  else
    ch_format(d, b, "%s(%w)", f, c->name);
}

/* Column i of the lines, as the table takes it. */
static void add_made(cq_buf *b, const column *c, size_t i) {
  int list = strncmp(c->becomes, "Array", 5) == 0;
  const char *before = c->is == MICROS ? "fromUnixTimestamp64Micro("
                                       : "addDays(toDate32('1970-01-01'), ",
             *after = c->is == MICROS ? ", 'UTC')" : ")";

  if (c->is == NOT)
    cq_buf_printf(b, "c%zu", i);
  else if (list)
    cq_buf_printf(b, "arrayMap(x -> %sx%s, c%zu)", before, after, i);
  else
    cq_buf_printf(b, "%sc%zu%s", before, i, after);
}

static void add_shape(cq_buf *b, const column *c, size_t i) {
  const char *number = c->is == MICROS ? "Int64" : "Int32";

  cq_buf_printf(b, "%sc%zu ", i ? ", " : "", i);
  if (c->is == NOT)
    cq_buf_str(b, c->becomes);
  else if (strncmp(c->becomes, "Array", 5) == 0)
    cq_buf_printf(b, "Array(Nullable(%s))", number);
  else
    cq_buf_printf(
        b, strncmp(c->becomes, "Nullable", 8) == 0 ? "Nullable(%s)" : "%s",
        number);
}

/* The statement before lines.  Where none goes as a number, servers of before
 * input() do. */
static void add_statement(retype *r) {
  cq_buf shape;

  ch_format(r->d, &r->body, "INSERT INTO %t (", r->into);
  for (size_t i = 0; i < r->ncol; i++)
    ch_format(r->d, &r->body, "%s%w", i ? ", " : "", r->cols[i].name);
  cq_buf_byte(&r->body, ')');
  if (r->numbers) {
    cq_buf_init(&shape, CQ_MAX_SPEC_BYTES);
    cq_buf_str(&r->body, " SELECT ");
    for (size_t i = 0; i < r->ncol; i++) {
      if (i) cq_buf_str(&r->body, ", ");
      add_made(&r->body, &r->cols[i], i);
      add_shape(&shape, &r->cols[i], i);
    }
    if (shape.rc)
      r->body.rc = shape.rc;
    else
      ch_format(r->d, &r->body, " FROM input(%Q)", shape.data);
    cq_buf_clear(&shape);
  }
  cq_buf_str(&r->body, " FORMAT TabSeparated\n");
  r->head = r->body.len;
}

/* ---- cells --------------------------------------------------------------------------- */

/* The character that stands for what follows a backslash. */
static char plain(char c) {
  return (char)(c == 'n'   ? '\n'
                : c == 't' ? '\t'
                : c == 'r' ? '\r'
                : c == 'b' ? '\b'
                : c == 'f' ? '\f'
                : c == '0' ? 0
                           : c);
}

static void unescaped(cq_buf *out, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (s[i] == '\\' && i + 1 < n)
      cq_buf_byte(out, plain(s[++i]));
    else
      cq_buf_byte(out, s[i]);
}

static void escaped(cq_buf *out, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const char *e = s[i] == '\n'   ? "\\n"
                    : s[i] == '\t' ? "\\t"
                    : s[i] == '\r' ? "\\r"
                    : s[i] == '\\' ? "\\\\"
                    : s[i] == '\'' ? "\\'"
                    : s[i] == 0    ? "\\0"
                                   : NULL;

    if (e)
      cq_buf_str(out, e);
    else
      cq_buf_byte(out, s[i]);
  }
}

/* A number that stands for a time or a date, as cq writes those. */
static const char *time_text(number_of what, const char *s, char out[40]) {
  int64_t n = strtoll(s, NULL, 10);

  cq_time_format(what == MICROS ? n : n * INT64_C(86400000000), out);
  if (what == DAYS) out[10] = 0;
  return out;
}

/* An element, unescaped, as JSON. */
static void add_element(cq_buf *out, const column *c, const cq_buf *text,
                        int quoted) {
  char time[40], *end;
  const char *s = text->len ? text->data : "";

  if (c->was != NOT) {
    time_text(c->was, s, time);
    cq_buf_json(out, time, strlen(time));
  } else if (!quoted && strcmp(s, "NULL") == 0) {
    cq_buf_str(out, "null");
  } else if (strcmp(c->had, "UInt8") == 0) {
    cq_buf_str(out, *s == '1' ? "true" : "false");
  } else if (!quoted && (strcmp(s, "true") == 0 || strcmp(s, "false") == 0)) {
    cq_buf_str(out, s);
  } else if (!quoted && strncmp(c->had, "Decimal", 7) != 0 &&
             (cq_strtod(s, &end), end != s && !*end) && *s != 'n' &&
             !strstr(s, "inf")) {
    cq_buf_str(out, s);
  } else {
    cq_buf_json(out, s, text->len);
  }
}

/* ['a','b',NULL] as JSON. */
static void list_text(cq_buf *out, const column *c, const char *s, size_t n) {
  const char *end = s + n;
  cq_buf text;

  cq_buf_init(&text, LINE);
  cq_buf_byte(out, '[');
  for (const char *p = s + 1; p < end && *p != ']'; p++) {
    int quoted;

    if (*p == ',') cq_buf_byte(out, *p++);
    quoted = p < end && *p == '\'';
    cq_buf_reset(&text);
    if (quoted) {
      const char *from = ++p;

      for (; p < end && *p != '\''; p++)
        if (*p == '\\') p++;
      unescaped(&text, from, (size_t)((p < end ? p : end) - from));
    } else {
      for (; p < end && *p != ',' && *p != ']'; p++) cq_buf_byte(&text, *p);
      p--;
    }
    cq_buf_byte(&text, 0);
    if (text.rc) break;
    text.len--;
    if (!quoted && c->was != NOT && strcmp(text.data, "NULL") == 0)
      cq_buf_str(out, "null");
    else
      add_element(out, c, &text, quoted);
  }
  cq_buf_byte(out, ']');
  if (text.rc) out->rc = text.rc;
  cq_buf_clear(&text);
}

/* What a list's element, or a cell, is written as. */
static void add_scalar(const retype *r, cq_buf *out, const column *c,
                       const cq_value *v, int quote) {
  char text[CQ_REAL_TEXT];
  int64_t us = 0;

  if (v->kind == CQ_NULL) {
    cq_buf_str(out, quote                                  ? "NULL"
                    : c->to.nullable || *c->becomes == 'A' ? "\\N"
                    : c->to.kind == CQ_RB_STRING           ? ""
                                                           : "0");
  } else if (c->is != NOT) {
    if (v->kind == CQ_STR) cq_time_parse(v->u.s, v->len, &us);
    if (c->is == DAYS)
      us = us / INT64_C(86400000000) - (us % INT64_C(86400000000) < 0);
    cq_buf_printf(out, "%lld", (long long)us);
  } else if (c->to.kind == CQ_RB_BOOL && ch_has(r->d, CH_HAS_BOOL)) {
    cq_buf_str(out, v->u.i ? "true" : "false");
  } else if (v->kind == CQ_INT) {
    cq_buf_printf(out, "%lld", (long long)v->u.i);
  } else if (v->kind == CQ_DOUBLE) {
    cq_buf_add(out, text, cq_real_format(v->u.r, text));
  } else {
    int string = c->to.kind == CQ_RB_STRING || c->to.kind == CQ_RB_UUID;

    if (quote && string) cq_buf_byte(out, '\'');
    escaped(out, v->u.s, v->len);
    if (quote && string) cq_buf_byte(out, '\'');
  }
}

static int add_list(retype *r, cq_buf *out, const column *c,
                    const cq_value *v) {
  size_t at = 0, n = 0;
  cq_value e, cell;
  int rc = CQ_DONE;

  cq_buf_byte(out, '[');
  while (v->kind == CQ_STR &&
         (rc = cq_json_element(&r->arena, v->u.s, v->len, &at, &e)) == CQ_ROW) {
    if (n++) cq_buf_byte(out, ',');
    rc = cq_cell_element(&r->arena, c->to.type & CQ_TYPE_MASK, &e, &cell);
    if (rc) return rc;
    add_scalar(r, out, c, &cell, 1);
  }
  cq_buf_byte(out, ']');
  return rc == CQ_DONE ? CQ_OK : rc;
}

/* One that changes: read, made what it becomes, and by way of the form in which
 * rows are written: that says what the server's type can hold. */
static int convert(retype *r, column *c, const char *s, size_t n) {
  int null = n == 2 && memcmp(s, "\\N", 2) == 0, rc = CQ_OK;
  cq_value old = cq_value_null(), v = old;
  const char *p;
  char time[40];
  cq_buf text;

  cq_buf_init(&text, LINE);
  cq_arena_reset(&r->arena);
  if (!null && c->list)
    list_text(&text, c, s, n);
  else if (!null && c->was != NOT)
    cq_buf_str(&text, time_text(c->was, s, time));
  else if (!null)
    unescaped(&text, s, n);
  rc = text.rc;
  if (rc == CQ_OK && !null)
    rc = cq_reread_text(&c->reread, &r->arena,
                        c->list ? CQ_JSON
                        : strcmp(c->had, "UInt8") == 0 ||
                                strcmp(c->had, "Bool") == 0
                            ? CQ_BOOLEAN
                            : CQ_TEXT,
                        text.len ? text.data : "", text.len, &v);
  old = v;
  cq_buf_reset(&r->bytes);
  if (rc == CQ_OK && v.kind != CQ_NULL && c->to.kind != CQ_RB_STRING) {
    cq_arena scratch;

    cq_arena_init(&scratch);
    if (cq_rowbinary_add(&r->bytes, &c->to, &v, &scratch))
      cq_reread_lost(&c->reread, &old);
    cq_arena_clear(&scratch);
    rc = r->bytes.rc;
    p = r->bytes.data;
    if (rc == CQ_OK)
      rc = cq_rowbinary_get(&p, p + r->bytes.len, &c->to, &r->arena, &v);
  }
  if (rc == CQ_OK && c->to.list)
    rc = add_list(r, &r->body, c, &v);
  else if (rc == CQ_OK)
    add_scalar(r, &r->body, c, &v, 0);
  cq_buf_clear(&text);
  return rc ? rc : r->body.rc;
}

/* ---- lines ------------------------------------------------------------------------------ */

static int send_batch(retype *r) {
  ch_ask q = {.body = r->body.data, .nbody = r->body.len, .once = 1};
  int rc = CQ_OK;

  if (r->body.rc) return r->body.rc;
  if (r->body.len > r->head)
    rc = ch_request(r->writer, &q, NULL, NULL, &r->why);
  r->body.len = r->head;
  return rc;
}

static int one_line(retype *r, const char *s, const char *end) {
  for (size_t i = 0; i < r->ncol; i++) {
    const char *tab = memchr(s, '\t', (size_t)(end - s));
    size_t n = (size_t)((tab ? tab : end) - s);
    int rc = CQ_OK;

    if (i) cq_buf_byte(&r->body, '\t');
    if (r->cols[i].changes)
      rc = convert(r, &r->cols[i], s, n);
    else
      cq_buf_add(&r->body, s, n);
    if (rc) return rc;
    if (!tab && i + 1 < r->ncol)
      return cq_error_set(
          &r->why, CQ_ERROR,
          "destination %s: %s: a row has fewer columns than the "
          "table",
          r->d->base.name, r->into);
    s = tab ? tab + 1 : end;
  }
  cq_buf_byte(&r->body, '\n');
  return r->body.rc ? r->body.rc : r->body.len >= BATCH ? send_batch(r) : CQ_OK;
}

static int on_bytes(void *user, const char *s, size_t n) {
  retype *r = user;
  const char *p, *end, *stop;
  int rc = CQ_OK;

  cq_buf_add(&r->left, s, n);
  if (r->left.rc) return r->left.rc;
  p = r->left.data;
  stop = p + r->left.len;
  while (rc == CQ_OK && p < stop &&
         (end = memchr(p, '\n', (size_t)(stop - p))) != NULL) {
    rc = one_line(r, p, end);
    p = end + 1;
  }
  memmove(r->left.data, p, (size_t)(stop - p));
  r->left.len = (size_t)(stop - p);
  return rc;
}

/* A second connection writes while the first reads. */
static int copy(retype *r, const char *raw, cq_error *err) {
  ch writer = *r->d;
  ch_ask ask = {.each = on_bytes, .user = r};
  cq_buf q;
  int rc;

  writer.easy = NULL;
  writer.multi = NULL;
  writer.heads = NULL;
  writer.url = NULL;
  r->writer = &writer;
  cq_buf_init(&q, CQ_MAX_SPEC_BYTES);
  add_statement(r);
  cq_buf_str(&q, "SELECT ");
  for (size_t i = 0; i < r->ncol; i++) {
    if (i) cq_buf_str(&q, ", ");
    add_read(r->d, &q, &r->cols[i]);
  }
  ch_format(r->d, &q, " FROM %t FORMAT TabSeparated", raw);
  rc = q.rc || r->body.rc ? cq_error_nomem(err) : ch_connect(&writer, err);
  ask.body = q.data;
  ask.nbody = q.len;
  if (rc == CQ_OK) rc = ch_request(r->d, &ask, NULL, NULL, err);
  if (rc == CQ_OK) rc = send_batch(r);
  if (rc && r->why.code) *err = r->why;
  if (rc && !err->code) cq_error_nomem(err);
  ch_disconnect(&writer);
  cq_buf_clear(&q);
  return rc;
}

int ch_retype(ch *d, cq_dest_table *t, const char *raw, const char *into,
              const cq_dest_found *old, cq_error *err) {
  retype r = {.d = d, .into = into};
  int rc = CQ_OK;

  cq_buf_init(&r.left, LINE);
  cq_buf_init(&r.body, LINE);
  cq_buf_init(&r.bytes, LINE);
  cq_arena_init(&r.arena);
  r.cols = cq_calloc(old->n + 1, sizeof *r.cols);
  if (!r.cols) rc = cq_error_nomem(err);
  r.ncol = old->n;
  for (size_t i = 0; i < old->n && rc == CQ_OK; i++) {
    int k = -1;

    for (int j = 0; j < cq_dest_width(t); j++)
      if (strcmp(cq_dest_column(t, j), old->names[i]) == 0) k = j;
    column_init(d, &r.cols[i], t, old->names[i], old->types[i], k);
    r.numbers |= r.cols[i].is != NOT;
  }
  if (rc == CQ_OK) rc = copy(&r, raw, err);
  for (size_t i = 0; i < r.ncol && rc == CQ_OK; i++)
    cq_reread_told(t, &r.cols[i].reread);
  cq_free(r.cols);
  cq_buf_clear(&r.left);
  cq_buf_clear(&r.body);
  cq_buf_clear(&r.bytes);
  cq_arena_clear(&r.arena);
  return rc;
}
