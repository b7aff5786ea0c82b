/* ext/dest/encode/parquet.c: Parquet, written without a library: the schema,
 * row groups as memory allows, the footer.
 *
 * One column of the file for each of cq's.  Lists are JSON text, as they are in
 * SQLite, or LIST where `lists: list` says so; decimals are text, whose digits
 * nobody limits. */
#include "dest/encode/parquet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "cq.h"

enum { GROUP_BYTES = 4 << 20 };

typedef struct pq_spec {
  pq_codec codec;
  int64_t group_rows;
  int root;      /* repetition of the schema's root, -1 = none said */
  int lists;     /* as LIST */
  int text_uuid; /* as text */
} pq_spec;

static const pq_spec usual = {PQ_ZSTD, INT64_C(134217728), -1, 0, 0};

typedef struct parquet {
  cq_encoder base;
  cq_encode_options o;
  pq_spec spec;
  int cells, wide; /* columns of the table; and of the file */
  pq_column *columns;
  cq_buf groups; /* RowGroups of the footer */
  size_t ngroup;
  int64_t rows, in_group, offset; /* offset: bytes put out so far */
  cq_arena arena;                 /* names */
  cq_arena elements;              /* of the list at hand */
  struct ZSTD_CCtx_s *zstd;       /* its own, where it is given none */
} parquet;

static int read_spec(cq_arena *a, const cq_node *map, const void **out,
                     cq_error *err) {
  static const char *const known[] = {
      "version",     "root_repetition", "max_row_group_length",
      "compression", "lists",           "uuid"};
  static const char *const versions[] = {"v1.0", "v2.4", "v2.6", "v2Latest"};
  static const char *const roots[] = {"required", "optional", "repeated",
                                      "undefined"};
  static const char *const codecs[] = {"zstd", "gzip", "none"};
  static const pq_codec codec_of[] = {PQ_ZSTD, PQ_GZIP, PQ_PLAIN};
  static const char *const lists[] = {"json", "list"};
  static const char *const uuids[] = {"uuid", "text"};
  pq_spec *s = cq_arena_alloc(a, sizeof *s);
  int version = 3, root = 3, codec = 0;
  int rc = cq_tree_check_keys(map, "format_spec", known,
                              sizeof known / sizeof *known, err);

  if (!s) return cq_error_nomem(err);
  *s = usual;
  /* What each version may hold differs in nothing that is written here. */
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "version", versions, 4, &version, err);
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "root_repetition", roots, 4, &root, err);
  if (rc == CQ_OK)
    rc = cq_tree_int(map, "max_row_group_length", 1, INT64_C(1) << 31,
                     &s->group_rows, err);
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "compression", codecs, 3, &codec, err);
  if (rc == CQ_OK) rc = cq_tree_choice(map, "lists", lists, 2, &s->lists, err);
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "uuid", uuids, 2, &s->text_uuid, err);
  s->root = root == 3 ? -1 : root;
  s->codec = codec_of[codec];
  *out = s;
  return rc;
}

/* ---- open -------------------------------------------------------------------------- */

static pq_physical physical_of(int type, const pq_spec *s) {
  switch (type) {
  case CQ_INTEGER:
  case CQ_TIMESTAMP:
    return PQ_INT64;
  case CQ_REAL:
    return PQ_DOUBLE;
  case CQ_BOOLEAN:
    return PQ_BOOLEAN;
  case CQ_DATE:
    return PQ_INT32;
  case CQ_UUID:
    return s->text_uuid ? PQ_BYTES : PQ_FIXED;
  default:
    return PQ_BYTES;
  }
}

static void parquet_close(cq_encoder *e) {
  parquet *p = (parquet *)(void *)e;

  if (!p) return;
  for (int i = 0; i < p->wide && p->columns; i++)
    cq_parquet_column_clear(&p->columns[i]);
  cq_free(p->columns);
  cq_buf_clear(&p->groups);
  cq_arena_clear(&p->arena);
  cq_arena_clear(&p->elements);
  ZSTD_freeCCtx(p->zstd);
  cq_free(p);
}

static const char *column_name(parquet *p, int i) {
  const char *name = i < p->cells ? cq_dest_column(p->o.table, i) : "_cq_row";
  cq_buf b;

  if (!p->o.athena) return name;
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  cq_cell_athena(&b, name, strlen(name));
  name = b.rc ? NULL : cq_arena_strndup(&p->arena, b.data, b.len);
  cq_buf_clear(&b);
  return name;
}

static int parquet_open(const cq_encode_options *o, cq_buf *out, cq_encoder **e,
                        cq_error *err) {
  parquet *p = cq_calloc(1, sizeof *p);

  *e = NULL;
  if (!p) return cq_error_nomem(err);
  cq_arena_init(&p->arena);
  cq_arena_init(&p->elements);
  cq_buf_init(&p->groups, SIZE_MAX / 4);
  p->base.ops = &cq_encode_parquet;
  p->o = *o;
  p->spec = o->format ? *(const pq_spec *)o->format : usual;
  p->cells = cq_dest_width(o->table);
  p->wide = p->cells + (o->row != NULL);
  p->columns = cq_calloc((size_t)p->wide, sizeof *p->columns);
  if (!p->columns) {
    parquet_close(&p->base);
    return cq_error_nomem(err);
  }
  for (int i = 0; i < p->wide; i++) {
    pq_column *c = &p->columns[i];
    int type = i < p->cells ? cq_dest_type(o->table, i) : CQ_INTEGER;

    c->list = (type & CQ_LIST) && p->spec.lists;
    c->type = !(type & CQ_LIST) ? type : c->list ? type & ~CQ_LIST : CQ_JSON;
    c->physical = physical_of(c->type, &p->spec);
    c->optional = i < CQ_META ? !cq_dest_metas[i].not_null : i < p->cells;
    c->stats = !c->list && c->type != CQ_JSON && c->type != CQ_BLOB &&
               c->type != CQ_BOOLEAN && c->type != CQ_DECIMAL;
    cq_buf_init(&c->def, SIZE_MAX / 4);
    cq_buf_init(&c->rep, SIZE_MAX / 4);
    cq_buf_init(&c->words, SIZE_MAX / 4);
    c->worth = 1;
    c->name = column_name(p, i);
    if (!c->name) {
      parquet_close(&p->base);
      return cq_error_nomem(err);
    }
  }
  cq_buf_add(out, "PAR1", 4);
  p->offset = 4;
  if (out->rc) {
    parquet_close(&p->base);
    return cq_error_nomem(err);
  }
  *e = &p->base;
  return CQ_OK;
}

/* ---- rows --------------------------------------------------------------------------- */

/* Elements of other types than the list's are NULL, as cells would be. */
static int put_list(parquet *p, pq_column *c, cq_dest_unit *u, int i,
                    const cq_value *v) {
  size_t at = 0;
  int n = 0, rc;
  cq_value one;

  if (!v->len || v->u.s[0] != '[') {
    cq_dest_odd(u, i, v);
    return cq_parquet_null(c);
  }
  while ((rc = cq_json_element(&p->elements, v->u.s, v->len, &at, &one)) ==
         CQ_ROW) {
    cq_value cell;

    if (cq_cell_element(&p->elements, c->type, &one, &cell)) return CQ_NOMEM;
    if (!cq_cell_fits(c->type, &cell)) {
      cq_dest_odd(u, i, &one);
      cell = cq_value_null();
    }
    if (cq_parquet_element(c, &cell, n > 0, 0)) return CQ_NOMEM;
    n++;
  }
  cq_arena_reset(&p->elements);
  if (rc == CQ_NOMEM) return CQ_NOMEM;
  return n ? CQ_OK : cq_parquet_element(c, NULL, 0, 1);
}

static int put_row(parquet *p, cq_dest_unit *u, const cq_dest_rows *rows,
                   int row) {
  int rc = CQ_OK;

  for (int i = 0; i < p->cells && rc == CQ_OK; i++) {
    pq_column *c = &p->columns[i];
    cq_value v = cq_dest_cell(p->o.run, u, rows, row, i);

    if (!cq_cell_fits(cq_dest_type(p->o.table, i), &v)) {
      cq_dest_odd(u, i, &v);
      v = cq_value_null();
    }
    if (v.kind == CQ_NULL && c->optional)
      rc = cq_parquet_null(c);
    else if (c->list)
      rc = put_list(p, c, u, i, &v);
    else if (v.kind != CQ_NULL)
      rc = cq_parquet_value(c, &v);
    else
      rc = CQ_ERROR; /* a meta column is never NULL */
  }
  if (rc == CQ_OK && p->o.row) {
    cq_value v = cq_value_int((*p->o.row)++);

    rc = cq_parquet_value(&p->columns[p->cells], &v);
  }
  return rc;
}

static void weigh(parquet *p) {
  p->base.kept = 0;
  for (int i = 0; i < p->wide; i++)
    p->base.kept += cq_parquet_kept(&p->columns[i]);
}

static int parquet_flush(cq_encoder *e, cq_buf *out, cq_error *err) {
  parquet *p = (parquet *)(void *)e;
  int64_t total = 0, start = p->offset;
  int last = 0, rc = CQ_OK;

  if (!p->in_group) return CQ_OK;
  cq_thrift_list(&p->groups, &last, 1, T_STRUCT, (size_t)p->wide);
  for (int i = 0; i < p->wide && rc == CQ_OK; i++) {
    pq_sink to = {out, p->o.pass, p->o.user, 0};

    rc = cq_parquet_chunk(&p->columns[i], p->spec.codec,
                          p->o.zstd ? p->o.zstd : &p->zstd, p->offset, &to,
                          &p->groups, &total, err);
    p->offset += to.put;
  }
  cq_thrift_long(&p->groups, &last, 2, total);
  cq_thrift_long(&p->groups, &last, 3, p->in_group);
  cq_thrift_long(&p->groups, &last, 5, start);
  cq_thrift_long(&p->groups, &last, 6, p->offset - start);
  cq_thrift_stop(&p->groups);
  p->ngroup++;
  p->rows += p->in_group;
  p->in_group = 0;
  p->base.kept = 0;
  return rc ? rc : p->groups.rc ? cq_error_nomem(err) : CQ_OK;
}

static int parquet_rows(cq_encoder *e, cq_dest_unit *u,
                        const cq_dest_rows *rows, cq_buf *out, cq_error *err) {
  parquet *p = (parquet *)(void *)e;
  size_t large = 0;
  int rc;

  for (int r = 0; r < rows->batch->nrow; r++) {
    rc = put_row(p, u, rows, r);
    if (rc)
      return rc == CQ_ERROR ? cq_error_set(err, rc,
                                           "%s: a row without its meta "
                                           "columns",
                                           p->o.table->def->name)
                            : cq_error_nomem(err);
    p->in_group++;
    for (int i = CQ_META; i < p->cells; i++) {
      const cq_value *v =
          &cq_batch_row(rows->batch, r)[p->o.table->cols[i - CQ_META]];

      if (v->kind == CQ_STR || v->kind == CQ_BYTES) large += v->len;
    }
    if (large < (64 << 10) && (r & 255) != 255 && r + 1 < rows->batch->nrow &&
        p->in_group < p->spec.group_rows)
      continue;
    large = 0;
    weigh(p);
    if (p->base.kept >= GROUP_BYTES || p->in_group >= p->spec.group_rows) {
      rc = parquet_flush(e, out, err);
      if (rc) return rc;
    }
  }
  return CQ_OK;
}

/* ---- the footer ----------------------------------------------------------------------- */

static void logical(cq_buf *b, int *last, const pq_column *c) {
  int in = 0, kind = 0, unit = 0, converted = -1, member = 0;

  switch (c->type) {
  case CQ_BLOB:
  case CQ_INTEGER:
  case CQ_REAL:
  case CQ_BOOLEAN:
    return;
  case CQ_TIMESTAMP:
    converted = 10;
    member = 8;
    break;
  case CQ_DATE:
    converted = 6;
    member = 6;
    break;
  case CQ_JSON:
    converted = 19;
    member = 12;
    break;
  default:
    converted = 0;
    member = 1;
    if (c->physical == PQ_FIXED) {
      converted = -1;
      member = 14;
    }
  }
  if (converted >= 0) cq_thrift_int(b, last, 6, converted);
  cq_thrift_struct(b, last, 10);
  if (c->type == CQ_TIMESTAMP) {
    cq_thrift_struct(b, &in, member);
    cq_thrift_bool(b, &kind, 1, 1); /* in UTC */
    cq_thrift_struct(b, &kind, 2);
    cq_thrift_empty(b, &unit, 2); /* microseconds */
    cq_thrift_stop(b);
    cq_thrift_stop(b);
  } else {
    cq_thrift_empty(b, &in, member);
  }
  cq_thrift_stop(b);
}

static void leaf(cq_buf *b, const pq_column *c, const char *name) {
  int last = 0;

  cq_thrift_int(b, &last, 1, c->physical);
  if (c->physical == PQ_FIXED) cq_thrift_int(b, &last, 2, 16);
  cq_thrift_int(b, &last, 3, c->optional ? 1 : 0);
  cq_thrift_bytes(b, &last, 4, name, strlen(name));
  logical(b, &last, c);
  cq_thrift_stop(b);
}

static void group(cq_buf *b, const char *name, int repetition, int children,
                  int is_list) {
  int last = 0, in = 0;

  if (repetition >= 0) cq_thrift_int(b, &last, 3, repetition);
  cq_thrift_bytes(b, &last, 4, name, strlen(name));
  cq_thrift_int(b, &last, 5, children);
  if (is_list) {
    cq_thrift_int(b, &last, 6, 3);
    cq_thrift_struct(b, &last, 10);
    cq_thrift_empty(b, &in, 3);
    cq_thrift_stop(b);
  }
  cq_thrift_stop(b);
}

static void schema(const parquet *p, cq_buf *b, int *last) {
  size_t n = 1;

  for (int i = 0; i < p->wide; i++) n += p->columns[i].list ? 3 : 1;
  cq_thrift_list(b, last, 2, T_STRUCT, n);
  group(b, "schema", p->spec.root, p->wide, 0);
  for (int i = 0; i < p->wide; i++) {
    const pq_column *c = &p->columns[i];

    if (c->list) {
      group(b, c->name, 1, 1, 1);
      group(b, "list", 2, 1, 0);
      leaf(b, c, "element");
    } else {
      leaf(b, c, c->name);
    }
  }
}

static int parquet_end(cq_encoder *e, cq_buf *out, cq_error *err) {
  parquet *p = (parquet *)(void *)e;
  int last = 0, in = 0, rc = parquet_flush(e, out, err);
  size_t start = out->len;
  uint32_t n;

  if (rc) return rc;
  cq_thrift_int(out, &last, 1, 2);
  schema(p, out, &last);
  cq_thrift_long(out, &last, 3, p->rows);
  cq_thrift_list(out, &last, 4, T_STRUCT, p->ngroup);
  cq_buf_add(out, p->groups.data, p->groups.len);
  cq_thrift_bytes(out, &last, 6, "cq version " CQ_VERSION,
                  sizeof("cq version " CQ_VERSION) - 1);
  cq_thrift_list(out, &last, 7, T_STRUCT, (size_t)p->wide);
  for (int i = 0; i < p->wide; i++) { /* each column's own type orders it */
    in = 0;
    cq_thrift_empty(out, &in, 1);
    cq_thrift_stop(out);
  }
  cq_thrift_stop(out);
  n = (uint32_t)(out->len - start);
  cq_buf_add(out, &n, 4);
  cq_buf_add(out, "PAR1", 4);
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

const cq_encode_ops cq_encode_parquet = {.name = "parquet",
                                         .extension = "parquet",
                                         .media =
                                             "application/vnd.apache.parquet",
                                         .spec = read_spec,
                                         .open = parquet_open,
                                         .rows = parquet_rows,
                                         .flush = parquet_flush,
                                         .end = parquet_end,
                                         .close = parquet_close};
