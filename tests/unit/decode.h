/* tests/unit/decode.h: what the tests of the decoders share: programs from
 * lines of text, answers in pieces, and rows as one line of JSON each.
 *
 *   slots "id integer; name text user.name; all json ." and rows "[*]" */
#ifndef CQ_TEST_DECODE_H
#define CQ_TEST_DECODE_H

#include "scan/decode.h"
#include "test.h"

#include <stdlib.h>

enum { DECODE_SLOTS = 32 };

typedef struct decode {
  cq_arena arena;
  const cq_decode_ops *ops;
  cq_program_def def;
  cq_field fields[DECODE_SLOTS], env[DECODE_SLOTS];
  cq_program *program;
  cq_error err;
  cq_buf out; /* rows, a line each; then "env ..." */
  int64_t warnings;
  int nrow;
  void (*look)(const cq_value *v); /* at each cell, or NULL */
} decode;

/* "name type path; ..." (path: the name where it is missing; type any = 0). */
static inline int decode_fields(decode *d, const char *text, cq_field *f) {
  int n = 0;

  while (text && *text) {
    size_t len = strcspn(text, ";");
    char line[256], name[64] = "", type[64] = "", path[160] = "";
    cq_path *p = NULL;

    if (len >= sizeof line || n == DECODE_SLOTS) return -1;
    memcpy(line, text, len);
    line[len] = '\0';
    text += len + (text[len] == ';');
    if (sscanf(line, " %63s %63s %159[^\n]", name, type, path) < 2) return -1;
    if (!path[0]) snprintf(path, sizeof path, "%s", name);
    for (size_t i = 0; type[i]; i++)
      if (type[i] == '_') type[i] = ' ';
    memset(&f[n], 0, sizeof f[n]);
    if (cq_path_parse(&d->arena, path, strlen(path), &p, &d->err)) return -1;
    f[n].path = p;
    f[n].type = strcmp(type, "any") == 0 ? 0 : cq_type_parse(type);
    f[n].slot = n;
    n++;
  }
  return n;
}

/* Compiles; what goes wrong is in d->err. */
static inline int decode_open(decode *d, const cq_decode_ops *ops,
                              const char *rows, const char *fields,
                              const char *env, int optional) {
  cq_path *p = NULL;
  int rc;

  memset(d, 0, sizeof *d);
  cq_arena_init(&d->arena);
  cq_buf_init(&d->out, SIZE_MAX);
  d->ops = ops;
  rc = cq_path_parse(&d->arena, rows, strlen(rows), &p, &d->err);
  if (rc) return rc;
  d->def.rows = p;
  d->def.optional_rows = optional;
  d->def.one_for_list = 1;
  d->def.fields = d->fields;
  d->def.nfield = d->def.nslot = decode_fields(d, fields, d->fields);
  d->def.envelope = d->env;
  d->def.nenvelope = d->def.nenvslot = decode_fields(d, env, d->env);
  if (d->def.nfield < 0 || d->def.nenvelope < 0)
    return d->err.code ? d->err.code : CQ_MISUSE;
  return ops->compile(&d->def, &d->program, &d->err);
}

static inline void decode_close(decode *d) {
  if (d->program) d->ops->program_free(d->program);
  cq_buf_clear(&d->out);
  cq_arena_clear(&d->arena);
}

static inline void decode_cell(cq_buf *out, const cq_value *v) {
  char text[CQ_REAL_TEXT];

  switch (v->kind) {
  case CQ_INT:
    cq_buf_printf(out, "%lld", (long long)v->u.i);
    break;
  case CQ_DOUBLE:
    cq_buf_add(out, text, cq_real_format(v->u.r, text));
    break;
  case CQ_STR:
    if (v->json) {
      cq_buf_byte(out, '<');
      cq_buf_add(out, v->u.s, v->len);
      cq_buf_byte(out, '>');
    } else {
      cq_buf_json(out, v->u.s, v->len);
    }
    break;
  case CQ_BYTES:
    cq_buf_printf(out, "%d bytes", (int)v->len);
    break;
  default:
    cq_buf_str(out, "-");
  }
}

static inline cq_block *decode_block(const char *s, size_t n) {
  cq_block *b = cq_block_new(n ? n : 1);

  if (!b) return NULL;
  if (n) memcpy(b->data, s, n);
  b->len = n;
  return b;
}

/* Feeds the text in pieces of the sizes that `next` gives (NULL: at once) and
 * writes the rows to d->out.  A fresh batch every `each` feeds, as scans do. */
static inline int decode_feed(decode *d, const char *text, size_t n,
                              size_t (*next)(void *), void *user) {
  cq_decoder *dec = NULL;
  cq_batch *batch = NULL;
  size_t at = 0;
  int rc, final = 0, feeds = 0;

  cq_buf_reset(&d->out);
  cq_error_clear(&d->err);
  d->warnings = 0;
  d->nrow = 0;
  rc = d->ops->open(d->program, &dec, &d->err);
  while (rc == CQ_OK && !final) {
    size_t part = next ? next(user) : n;
    cq_block *piece;

    if (part > n - at) part = n - at;
    /* The last piece comes with `final`, or nothing does. */
    final = at + part == n && (!next || part % 2 == 0);
    if (at == n) final = 1;
    if (!batch && !(batch = cq_batch_new(d->def.nslot))) {
      rc = cq_error_nomem(&d->err);
      break;
    }
    piece = at == n && next ? NULL : decode_block(text + at, part);
    if (!piece && !(at == n && next)) {
      rc = cq_error_nomem(&d->err);
      break;
    }
    at += part;
    rc = d->ops->feed(dec, piece, final, batch, &d->err);
    if (rc) break;
    if (final || ++feeds % 5 == 0) {
      for (int r = 0; r < batch->nrow; r++) {
        for (int c = 0; c < batch->ncol; c++) {
          if (c) cq_buf_byte(&d->out, ' ');
          if (d->look) d->look(&cq_batch_row(batch, r)[c]);
          decode_cell(&d->out, &cq_batch_row(batch, r)[c]);
        }
        cq_buf_byte(&d->out, '\n');
      }
      d->nrow += batch->nrow;
      d->warnings += batch->warnings;
      cq_batch_free(batch);
      batch = NULL;
    }
  }
  if (rc == CQ_OK && d->def.nenvelope) {
    const cq_value *env = d->ops->envelope(dec);

    cq_buf_str(&d->out, "env");
    for (int c = 0; c < d->def.nenvelope; c++) {
      cq_buf_byte(&d->out, ' ');
      if (d->look) d->look(&env[c]);
      decode_cell(&d->out, &env[c]);
    }
    cq_buf_byte(&d->out, '\n');
  }
  cq_batch_free(batch);
  d->ops->close(dec);
  return rc;
}

static inline const char *decode_text(const decode *d) {
  return d->out.data ? d->out.data : "";
}

/* One document, whole, against the rows that it must give. */
static inline void decode_is(const cq_decode_ops *ops, const char *rows,
                             const char *fields, const char *env,
                             const char *text, const char *want, int line) {
  decode d;
  int rc = decode_open(&d, ops, rows, fields, env, 0);

  if (rc == CQ_OK) rc = decode_feed(&d, text, strlen(text), NULL, NULL);
  test_str(rc ? d.err.text : decode_text(&d), want, text, "line", line);
  decode_close(&d);
}

/* ---- samples: an answer, and what is read of it ---------------------------- */
typedef struct decode_sample {
  const char *rows, *fields, *env, *text;
} decode_sample;

static inline uint64_t decode_random(void) {
  static uint64_t seed = 42;

  seed ^= seed << 13;
  seed ^= seed >> 7;
  return seed ^= seed << 17;
}

/* Sizes of pieces up to *most, odd ones more often, so that `final` comes with
 * the last piece and without one. */
static inline size_t decode_piece(void *most) {
  return (size_t)(decode_random() % *(uint64_t *)most) +
         (decode_random() % 4 != 0);
}

/* An answer that ends after any of its bytes is refused: as cut off, where it
 * cannot be told from garbage NULL. */
static inline void decode_cuts(const cq_decode_ops *ops, const decode_sample *s,
                               const char *as) {
  decode d;

  CHECK_INT(decode_open(&d, ops, s->rows, s->fields, s->env, 0), CQ_OK);
  CHECK_INT(decode_feed(&d, s->text, strlen(s->text), NULL, NULL), CQ_OK);
  for (size_t n = 0; n < strlen(s->text); n++) {
    CHECK_INT(decode_feed(&d, s->text, n, NULL, NULL), CQ_ERROR);
    if (as && strncmp(d.err.text, as, strlen(as)) != 0)
      CHECK_STR(d.err.text, as);
  }
  decode_close(&d);
}

/* The same rows, wherever the pieces end. */
static inline void decode_pieces(const cq_decode_ops *ops,
                                 const decode_sample *s) {
  decode d;
  char *whole;

  CHECK_INT(decode_open(&d, ops, s->rows, s->fields, s->env, 0), CQ_OK);
  CHECK_INT(decode_feed(&d, s->text, strlen(s->text), NULL, NULL), CQ_OK);
  whole = cq_strdup(decode_text(&d));
  for (int k = 0; k < 2000; k++) {
    uint64_t most = 1 + decode_random() % 60;

    if (decode_feed(&d, s->text, strlen(s->text), decode_piece, &most)) {
      CHECK_STR(d.err.text, "");
      break;
    }
    if (strcmp(decode_text(&d), whole) != 0) {
      CHECK_STR(decode_text(&d), whole);
      break;
    }
  }
  cq_free(whole);
  decode_close(&d);
}

/* Bytes that were changed, doubled, dropped: an error or rows, in pieces the
 * same as at once. */
static inline void decode_mutations(const cq_decode_ops *ops,
                                    const decode_sample *s) {
  static const char odd[] = "\0\x01\x7f\x80\xc3\xff<>&;'\"[]{},:\\/\r\n -0e.";
  size_t n = strlen(s->text);
  char *text = cq_malloc(2 * n + 2);
  decode d;

  CHECK_INT(decode_open(&d, ops, s->rows, s->fields, s->env, 0), CQ_OK);
  for (int k = 0; k < 3000 && text; k++) {
    size_t len = n, times = 1 + decode_random() % 3;
    uint64_t most = 1 + decode_random() % 60;
    char *whole;
    int rc;

    memcpy(text, s->text, n);
    for (size_t t = 0; t < times && len; t++) {
      size_t at = decode_random() % len, part = decode_random() % (len - at);

      switch (decode_random() % 3) {
      case 0:
        text[at] = odd[decode_random() % (sizeof odd - 1)];
        break;
      case 1:
        memmove(text + at, text + at + part, len - at - part);
        len -= part;
        break;
      default:
        if (len + part > 2 * n) break;
        memmove(text + at + part, text + at, len - at);
        len += part;
      }
    }
    rc = decode_feed(&d, text, len, NULL, NULL);
    whole = cq_strdup(rc ? "" : decode_text(&d));
    if (decode_feed(&d, text, len, decode_piece, &most) != rc ||
        (!rc && strcmp(decode_text(&d), whole) != 0)) {
      test_bad++;
      printf("# differs in pieces: %.*s\n", (int)len, text);
    }
    cq_free(whole);
  }
  cq_free(text);
  decode_close(&d);
}

/* Each allocation fails once: that is told, and nothing leaks. */
static inline void decode_faults(const cq_decode_ops *ops,
                                 const decode_sample *s) {
  int hit = 1;

  for (long n = 1; hit && n < 2000; n++) {
    decode d;
    int rc;

    cq_fault_set(n);
    rc = decode_open(&d, ops, s->rows, s->fields, s->env, 0);
    if (rc == CQ_OK) {
      uint64_t most = 9;

      rc = decode_feed(&d, s->text, strlen(s->text), decode_piece, &most);
      if (d.out.rc) rc = CQ_NOMEM;
    }
    hit = cq_fault_hit();
    cq_fault_set(0);
    CHECK_INT(rc, hit ? CQ_NOMEM : CQ_OK);
    decode_close(&d);
  }
  CHECK(!hit);
}

#define DECODE(ops, rows, fields, env, text, want)                             \
  decode_is(&(ops), rows, fields, env, text, want, __LINE__)

#endif
