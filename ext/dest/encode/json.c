/* ext/dest/encode/json.c: NDJSON, one object a row.  What is NULL is left out;
 * the text of JSON columns and lists is copied as it stands, which cq keeps
 * without white space, so that a row is a line. */
#include "dest/encode/encode.h"

#include <stdlib.h>
#include <string.h>

typedef struct json {
  cq_encoder base;
  cq_encode_options o;
  int wide;
  const char **name; /* `,"name":` of each column; the first without comma */
  size_t *len;
  cq_arena arena;
} json;

static void json_close(cq_encoder *e) {
  json *j = (json *)(void *)e;

  if (!j) return;
  cq_arena_clear(&j->arena);
  cq_free(j);
}

static int json_open(const cq_encode_options *o, cq_buf *out, cq_encoder **e,
                     cq_error *err) {
  json *j = cq_calloc(1, sizeof *j);
  int wide = cq_dest_width(o->table);
  cq_buf b;

  (void)out;
  *e = NULL;
  if (!j) return cq_error_nomem(err);
  cq_arena_init(&j->arena);
  j->base.ops = &cq_encode_json;
  j->o = *o;
  j->wide = wide;
  j->name = cq_arena_alloc(&j->arena, (size_t)wide * sizeof *j->name);
  j->len = cq_arena_alloc(&j->arena, (size_t)wide * sizeof *j->len);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  for (int i = 0; i < wide && j->name && j->len; i++) {
    const char *name = cq_dest_column(o->table, i);

    cq_buf_reset(&b);
    if (i) cq_buf_byte(&b, ',');
    if (o->athena) {
      cq_buf_byte(&b, '"');
      cq_cell_athena(&b, name, strlen(name));
      cq_buf_byte(&b, '"');
    } else {
      cq_buf_json(&b, name, strlen(name));
    }
    cq_buf_byte(&b, ':');
    j->len[i] = b.len;
    j->name[i] = b.rc ? NULL : cq_arena_strndup(&j->arena, b.data, b.len);
    if (!j->name[i]) j->name = NULL;
  }
  cq_buf_clear(&b);
  if (!j->name || !j->len) {
    json_close(&j->base);
    return cq_error_nomem(err);
  }
  *e = &j->base;
  return CQ_OK;
}

/* A key as it stands in JSON, n bytes between its quotes. */
static void put_key(cq_buf *out, const char *s, size_t n) {
  for (size_t i = 0; i < n; i++) {
    unsigned char b[2];
    unsigned u;
    char c;

    if (s[i] != '\\') {
      cq_cell_athena(out, s + i, 1);
      continue;
    }
    if (++i >= n || s[i] != 'u' || i + 4 >= n) {
      cq_buf_byte(out, '_');
      continue;
    }
    u = cq_unhex(s + i + 1, 4, 0, b, 2) ? (unsigned)(b[0] << 8 | b[1]) : '_';
    i += 4;
    if (u >= 0xdc00 && u < 0xe000) continue; /* the second of a pair */
    c = (char)(u < 0x80 ? u : '_');
    cq_cell_athena(out, &c, 1);
  }
}

/* JSON text, its keys as Athena takes them: a text followed by a colon is one. */
static void put_athena(cq_buf *out, const char *s, size_t n) {
  for (size_t i = 0; i < n;) {
    size_t from = i;

    if (s[i] != '"') {
      cq_buf_byte(out, s[i++]);
      continue;
    }
    for (i++; i < n && s[i] != '"'; i++)
      if (s[i] == '\\') i++;
    i++;
    if (i < n && s[i] == ':') {
      cq_buf_byte(out, '"');
      put_key(out, s + from + 1, i - from - 2);
      cq_buf_byte(out, '"');
    } else {
      cq_buf_add(out, s + from, (i > n ? n : i) - from);
    }
  }
}

static void put_value(const json *j, cq_buf *out, int type, const cq_value *v) {
  char real[CQ_REAL_TEXT];

  if (v->kind == CQ_INT && type == CQ_BOOLEAN) {
    cq_buf_str(out, v->u.i ? "true" : "false");
  } else if (v->kind == CQ_INT && type == CQ_TEXT) {
    cq_buf_printf(out, "\"%lld\"", (long long)v->u.i);
  } else if (v->kind == CQ_INT) {
    cq_buf_printf(out, "%lld", (long long)v->u.i);
  } else if (v->kind == CQ_DOUBLE) {
    cq_real_format(v->u.r, real);
    cq_buf_printf(out, type == CQ_TEXT ? "\"%s\"" : "%s", real);
  } else if (v->kind == CQ_BYTES || type == CQ_BLOB) {
    cq_buf_byte(out, '"');
    cq_base64_encode(out, v->u.s, v->len, 0);
    cq_buf_byte(out, '"');
  } else if (v->json && (type == CQ_JSON || (type & CQ_LIST))) {
    if (j->o.athena)
      put_athena(out, v->u.s, v->len);
    else
      cq_buf_add(out, v->u.s, v->len);
  } else {
    cq_buf_json(out, v->u.s, v->len);
  }
}

static int json_rows(cq_encoder *e, cq_dest_unit *u, const cq_dest_rows *rows,
                     cq_buf *out, cq_error *err) {
  json *j = (json *)(void *)e;

  for (int r = 0; r < rows->batch->nrow && out->rc == CQ_OK; r++) {
    cq_buf_byte(out, '{');
    for (int i = 0; i < j->wide; i++) {
      cq_value v = cq_dest_cell(j->o.run, u, rows, r, i);
      int type = cq_dest_type(j->o.table, i);

      if (v.kind == CQ_NULL) continue;
      if (!cq_cell_fits(type, &v)) {
        cq_dest_odd(u, i, &v);
        continue;
      }
      cq_buf_add(out, j->name[i], j->len[i]);
      /* A decimal's digits, all of them, for those who read numbers as
       * doubles. */
      if (type == CQ_DECIMAL && v.kind == CQ_STR)
        cq_buf_json(out, v.u.s, v.len);
      else if (type == CQ_DECIMAL) {
        cq_buf_byte(out, '"');
        put_value(j, out, type, &v);
        cq_buf_byte(out, '"');
      } else {
        put_value(j, out, type, &v);
      }
    }
    cq_buf_add(out, "}\n", 2);
  }
  if (out->rc == CQ_TOOBIG)
    return cq_error_set(err, CQ_TOOBIG, "%s: a batch of rows is too large",
                        j->o.table->def->name);
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

static int json_end(cq_encoder *e, cq_buf *out, cq_error *err) {
  (void)e;
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

const cq_encode_ops cq_encode_json = {.name = "json",
                                      .extension = "json",
                                      .media = "application/x-ndjson",
                                      .open = json_open,
                                      .rows = json_rows,
                                      .end = json_end,
                                      .close = json_close};
