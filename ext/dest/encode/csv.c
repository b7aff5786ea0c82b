/* ext/dest/encode/csv.c: CSV as RFC 4180 has it, lines ended by LF.  NULL is
 * nothing at all, an empty text is "": whoever cares can tell them apart. */
#include "dest/encode/encode.h"

#include <stdio.h>
#include <string.h>

typedef struct csv_spec {
  char delimiter;
  int skip_header;
} csv_spec;

typedef struct csv {
  cq_encoder base;
  cq_encode_options o;
  csv_spec spec;
  int wide;
} csv;

static int csv_read_spec(cq_arena *a, const cq_node *map, const void **out,
                         cq_error *err) {
  static const char *const known[] = {"delimiter", "skip_header"};
  csv_spec *s = cq_arena_alloc(a, sizeof *s);
  const char *delimiter = ",";
  int rc = cq_tree_check_keys(map, "format_spec", known, 2, err);

  if (!s) return cq_error_nomem(err);
  s->skip_header = 0;
  if (rc == CQ_OK) rc = cq_tree_text(map, "delimiter", &delimiter, err);
  if (rc == CQ_OK) rc = cq_tree_bool(map, "skip_header", &s->skip_header, err);
  if (rc) return rc;
  if (strcmp(delimiter, "\\t") == 0) delimiter = "\t";
  if (strlen(delimiter) != 1 || strchr("\"\r\n", *delimiter) ||
      (unsigned char)*delimiter >= 0x80)
    return cq_tree_error(err, cq_tree_get(map, "delimiter"),
                         "delimiter: not one character that may be one: "
                         "%s\nhint: one of ASCII, or \\t",
                         delimiter);
  s->delimiter = *delimiter;
  *out = s;
  return CQ_OK;
}

/* Quoted where it must be, and where it could be taken for something else: for
 * NULL, as others write it, or for text whose blanks do not matter. */
static void put_text(const csv *c, cq_buf *out, const char *s, size_t n) {
  size_t i, from = 0;

  for (i = 0; i < n; i++)
    if (s[i] == c->spec.delimiter || s[i] == '"' || s[i] == '\n' ||
        s[i] == '\r')
      break;
  if (i == n && n && s[0] != ' ' && s[n - 1] != ' ' && s[0] != '\t' &&
      s[0] != '\\' && s[0] != '#' && s[n - 1] != '\t') {
    cq_buf_add(out, s, n);
    return;
  }
  cq_buf_byte(out, '"');
  for (i = 0; i < n; i++)
    if (s[i] == '"') {
      cq_buf_add(out, s + from, i + 1 - from);
      from = i;
    }
  cq_buf_add(out, s + from, n - from);
  cq_buf_byte(out, '"');
}

static int csv_open(const cq_encode_options *o, cq_buf *out, cq_encoder **e,
                    cq_error *err) {
  csv *c = cq_calloc(1, sizeof *c);
  cq_buf name;

  *e = NULL;
  if (!c) return cq_error_nomem(err);
  c->base.ops = &cq_encode_csv;
  c->o = *o;
  c->spec.delimiter = ',';
  if (o->format) c->spec = *(const csv_spec *)o->format;
  c->wide = cq_dest_width(o->table);
  cq_buf_init(&name, CQ_MAX_SPEC_BYTES);
  for (int i = 0; i < c->wide && !c->spec.skip_header; i++) {
    const char *text = cq_dest_column(o->table, i);

    cq_buf_reset(&name);
    if (o->athena)
      cq_cell_athena(&name, text, strlen(text));
    else
      cq_buf_str(&name, text);
    if (i) cq_buf_byte(out, c->spec.delimiter);
    if (name.rc)
      out->rc = CQ_NOMEM;
    else
      put_text(c, out, name.data, name.len);
  }
  cq_buf_clear(&name);
  if (!c->spec.skip_header) cq_buf_byte(out, '\n');
  *e = &c->base;
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

static void put_value(const csv *c, cq_buf *out, int type, const cq_value *v) {
  char text[CQ_REAL_TEXT];
  cq_buf b;

  cq_buf_init(&b, out->max);

  switch ((cq_kind)v->kind) {
  case CQ_NULL:
    break;
  case CQ_INT:
    if (type == CQ_BOOLEAN)
      snprintf(text, sizeof text, "%s", v->u.i ? "true" : "false");
    else
      snprintf(text, sizeof text, "%lld", (long long)v->u.i);
    put_text(c, out, text, strlen(text));
    break;
  case CQ_DOUBLE:
    cq_real_format(v->u.r, text);
    put_text(c, out, text, strlen(text));
    break;
  case CQ_BYTES:
    cq_base64_encode(&b, v->u.s, v->len, 0);
    put_text(c, out, b.data ? b.data : "", b.len);
    break;
  case CQ_STR:
    /* A text in a JSON column is JSON too; one in a column of bytes is bytes. */
    if (type == CQ_BLOB) {
      cq_base64_encode(&b, v->u.s, v->len, 0);
      put_text(c, out, b.data ? b.data : "", b.len);
    } else if (type == CQ_JSON && !v->json) {
      cq_buf_json(&b, v->u.s, v->len);
      put_text(c, out, b.data ? b.data : "", b.len);
    } else {
      put_text(c, out, v->u.s, v->len);
    }
    break;
  }
  if (b.rc) out->rc = b.rc;
  cq_buf_clear(&b);
}

static int csv_rows(cq_encoder *e, cq_dest_unit *u, const cq_dest_rows *rows,
                    cq_buf *out, cq_error *err) {
  csv *c = (csv *)(void *)e;

  for (int r = 0; r < rows->batch->nrow && out->rc == CQ_OK; r++) {
    for (int i = 0; i < c->wide; i++) {
      cq_value v = cq_dest_cell(c->o.run, u, rows, r, i);
      int type = cq_dest_type(c->o.table, i);

      if (i) cq_buf_byte(out, c->spec.delimiter);
      if (cq_cell_fits(type, &v))
        put_value(c, out, type, &v);
      else
        cq_dest_odd(u, i, &v);
    }
    cq_buf_byte(out, '\n');
  }
  if (out->rc == CQ_TOOBIG)
    return cq_error_set(err, CQ_TOOBIG, "%s: a batch of rows is too large",
                        c->o.table->def->name);
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

static int csv_end(cq_encoder *e, cq_buf *out, cq_error *err) {
  (void)e;
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

static void csv_close(cq_encoder *e) {
  cq_free(e);
}

const cq_encode_ops cq_encode_csv = {.name = "csv",
                                     .extension = "csv",
                                     .media = "text/csv",
                                     .spec = csv_read_spec,
                                     .open = csv_open,
                                     .rows = csv_rows,
                                     .end = csv_end,
                                     .close = csv_close};
