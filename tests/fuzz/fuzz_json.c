/* tests/fuzz/fuzz_json.c: JSON answers to rows, against jansson's tree of the
 * same document, at once and in pieces.
 *
 * Values: what `any` gives for a path is what the tree holds there, and a typed
 * column is the conversion of it.  Acceptance: what one refuses the other
 * refuses, but for what is known: jansson refuses numbers beyond its types,
 * U+0000 and lone surrogates, which cells keep as text or replace; and it takes
 * nesting of 2,048 levels, a NUL behind a number, and lists twice under one
 * key. */
#include <jansson.h>

#include "decoding.h"

#define TYPED                                                                  \
  "x any; xt text x; xi integer x; xr real x; xb boolean x; xs timestamp x; "  \
  "xd decimal x; xu uuid x; xl list_of_text x; xn inet x; xj json x; xa date " \
  "x"

static const decode_sample programs[] = {
    {"[*]", "a any; b any b.c; l any l[1]; all any .; d any b.c.d[0]", "", ""},
    {"[*]", TYPED, "", ""},
    {".", "a any; b any b.c; l any l[1]; all any .; u json", "", ""},
    {".", TYPED, "", ""},
    {"r.i[*]", "a any; b any b.c; all any .", "", ""},
    {"r.i[*]", "a any", "next any; n any r.n; deep any x.y[0].z", ""},
    {"m.*", "k any @key; v any .; a any", "", ""},
    {"r[*].i[*]", "a any; all any .", "", ""},
    {"a[1]", "x any .; y any y[0][0]", "", ""},
    {"r.i[*]", "a any; s any a[*].b; v any b.*; k any b.*.@key",
     "rows any r.i; n any r.i[0].a", ""}};
enum { N = sizeof programs / sizeof *programs };
static decode made[N];

/* ---- the tree's rows ----------------------------------------------------------- */
typedef struct row {
  const char *key;
  json_t *record;
} row;

typedef struct rows {
  row v[4096];
  size_t n;
  int found, wrong, more; /* the path led somewhere; to another kind */
} rows;

static void tree_rows(const cq_path *p, int i, json_t *j, const char *key,
                      rows *out) {
  const cq_step *s = &p->steps[i];
  json_t *item;
  const char *k;
  size_t n;

  if (i == p->nstep) {
    out->found = 1;
    if (json_is_null(j)) return;
    if (out->n == sizeof out->v / sizeof *out->v)
      out->more = 1;
    else
      out->v[out->n++] = (row){key, j};
    return;
  }
  if (s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_INDEX) {
    if (json_is_array(j)) {
      if (s->kind == CQ_STEP_EACH) out->found = 1;
      json_array_foreach(j, n, item) {
        if (s->kind == CQ_STEP_EACH || n == (size_t)s->index)
          tree_rows(p, i + 1, item, key, out);
      }
      return;
    }
    /* one_for_list */
    if (i == 0 && p->nstep == 1 && s->kind == CQ_STEP_EACH &&
        json_is_object(j)) {
      tree_rows(p, i + 1, j, key, out);
      return;
    }
  } else if (json_is_object(j)) {
    if (s->kind == CQ_STEP_VALUES) {
      out->found = 1;
      json_object_foreach(j, k, item) tree_rows(p, i + 1, item, k, out);
    } else if ((item = json_object_getn(j, s->name, s->len)) != NULL) {
      tree_rows(p, i + 1, item, key, out);
    }
    return;
  }
  if (!json_is_null(j) || i == 0)
    out->wrong = 1;
  else if (s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_VALUES)
    out->found = 1; /* null in a list's place: no rows */
}

/* What the plain steps of a path lead to; 0 where it has others. */
static int tree_value(const cq_path *p, json_t *j, json_t **out) {
  for (int i = 0; i < p->nstep; i++) {
    const cq_step *s = &p->steps[i];

    if (s->kind == CQ_STEP_KEY)
      j = json_object_getn(j, s->name, s->len);
    else if (s->kind == CQ_STEP_INDEX)
      j = json_array_get(j, (size_t)s->index);
    else
      return 0;
  }
  *out = j;
  return 1;
}

/* ---- comparing ---------------------------------------------------------------- */
static int same_number(json_t *a, json_t *b) {
  return json_is_real(a) && json_is_real(b) &&
         json_real_value(a) == json_real_value(b);
}

/* jansson calls -0.0 and 0.0 equal, and so do we. */
static int same_json(json_t *a, json_t *b) {
  return json_equal(a, b) || same_number(a, b);
}

static void compare_any(const cq_value *v, json_t *j, const char *path) {
  json_t *mine;

  switch (j ? json_typeof(j) : JSON_NULL) {
  case JSON_STRING:
    if (v->kind != CQ_STR || v->json || v->len != json_string_length(j) ||
        (v->len && memcmp(v->u.s, json_string_value(j), v->len) != 0))
      fuzz_fail("%s: not the string %s", path, json_string_value(j));
    break;
  case JSON_INTEGER:
    if (v->kind != CQ_INT || v->u.i != json_integer_value(j))
      fuzz_fail("%s: not %lld", path, (long long)json_integer_value(j));
    break;
  case JSON_REAL:
    if (v->kind != CQ_DOUBLE || v->u.r != json_real_value(j))
      fuzz_fail("%s: not %.17g", path, json_real_value(j));
    break;
  case JSON_TRUE:
  case JSON_FALSE:
    if (v->kind != CQ_INT || v->u.i != json_is_true(j))
      fuzz_fail("%s: not a truth", path);
    break;
  case JSON_NULL:
    if (v->kind != CQ_NULL) fuzz_fail("%s: not null", path);
    break;
  default:
    if (v->kind != CQ_STR || !v->json) fuzz_fail("%s: not JSON", path);
    mine = json_loadb(v->u.s, v->len, 0, NULL);
    if (!same_json(mine, j))
      fuzz_fail("%s: another value: %.*s", path, (int)v->len, v->u.s);
    json_decref(mine);
  }
}

/* A scalar's typed cell is what cq_value_convert makes of it. */
static void compare_typed(const cq_value *v, int type, json_t *j,
                          const char *path) {
  cq_value raw, want;
  cq_buf a, b;
  cq_arena mem;
  int lossy = 0;

  if (json_is_string(j))
    raw = cq_value_str(json_string_value(j), json_string_length(j));
  else if (type == CQ_JSON && json_is_integer(j) && json_integer_value(j) == 0)
    return; /* -0 stands as it was written, which the tree has forgotten */
  else if (json_is_integer(j) && type != CQ_TEXT && type != CQ_DECIMAL)
    raw = cq_value_int(json_integer_value(j));
  else if (json_is_real(j) && type != CQ_TEXT && type != CQ_DECIMAL &&
           type != CQ_JSON)
    raw = cq_value_real(json_real_value(j));
  else if (json_is_boolean(j))
    raw = cq_value_text(json_is_true(j) ? "true" : "false");
  else
    return;
  /* A string in a JSON column is that string, whatever is written in it. */
  if (type == CQ_JSON && json_is_string(j)) return;
  cq_arena_init(&mem);
  cq_buf_init(&a, SIZE_MAX);
  cq_buf_init(&b, SIZE_MAX);
  if (cq_value_convert(&mem, &raw, type, NULL, &want, &lossy))
    fuzz_fail("%s: cannot be converted", path);
  decode_cell(&a, v);
  decode_cell(&b, &want);
  if (strcmp(a.data, b.data) != 0)
    fuzz_fail("%s: %s, converted %s", path, a.data, b.data);
  cq_buf_clear(&a);
  cq_buf_clear(&b);
  cq_arena_clear(&mem);
}

static void compare_rows(decode *d, const char *p, size_t n, const rows *want) {
  cq_decoder *dec = NULL;
  cq_batch *batch = cq_batch_new(d->def.nslot);

  if (!batch || d->ops->open(d->program, &dec, &d->err) ||
      d->ops->feed(dec, decode_block(p, n), 1, batch, &d->err))
    fuzz_fail("refused the second time: %s", d->err.text);
  if ((size_t)batch->nrow != want->n)
    fuzz_fail("%d rows, not %d", batch->nrow, (int)want->n);
  for (int r = 0; r < batch->nrow; r++)
    for (int c = 0; c < d->def.nfield; c++) {
      const cq_field *f = &d->def.fields[c];
      const cq_value *v = &cq_batch_row(batch, r)[f->slot];
      json_t *j;

      if (f->path->nstep == 1 && f->path->steps[0].kind == CQ_STEP_MAPKEY) {
        if (v->kind != CQ_STR || v->len != strlen(want->v[r].key) ||
            memcmp(v->u.s, want->v[r].key, v->len) != 0)
          fuzz_fail("row %d: not the key %s", r, want->v[r].key);
      } else if (!tree_value(f->path, want->v[r].record, &j)) {
        continue;
      } else if (f->type == 0) {
        compare_any(v, j, f->path->text);
      } else if (j && json_is_null(j)) {
        if (v->kind != CQ_NULL) fuzz_fail("%s: not null", f->path->text);
      } else if (j) {
        compare_typed(v, f->type, j, f->path->text);
      }
    }
  d->ops->close(dec);
  cq_batch_free(batch);
}

/* A map whose values are the rows gives one for each time that a key stands
 * there; the tree keeps the last. */
static int said_twice(const decode *d, const char *p, size_t n) {
  json_t *j = NULL;

  for (int i = 0; i < d->def.rows->nstep; i++)
    if (d->def.rows->steps[i].kind == CQ_STEP_VALUES) {
      j = json_loadb(p, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
      json_decref(j);
      return j == NULL;
    }
  return 0;
}

static void against_tree(decode *d, fuzz_in in, int rc) {
  static rows want;
  json_error_t why;
  json_t *j;
  size_t skip = in.n >= 3 && memcmp(in.p, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

  if (in.n > skip && memchr(in.p, 0, in.n)) return; /* jansson drops some */
  j = json_loadb(in.p + skip, in.n - skip, JSON_DECODE_ANY, &why);
  if (!j) {
    const char *t = why.text;

    if (rc) return;
    if (in.n == 0 && d->def.optional_rows) return;
    if (json_error_code(&why) == json_error_numeric_overflow ||
        json_error_code(&why) == json_error_null_character ||
        json_error_code(&why) == json_error_null_byte_in_key ||
        strstr(t, "invalid Unicode"))
      return;
    fuzz_fail("taken, which jansson refuses: %s", t);
  }
  want.n = 0;
  want.found = want.wrong = want.more = 0;
  tree_rows(d->def.rows, 0, j, "", &want);
  if (rc == CQ_OK && said_twice(d, in.p + skip, in.n - skip)) {
    json_decref(j);
    return;
  }
  if (rc == CQ_OK) {
    if (want.wrong) fuzz_fail("taken, though the path meets another kind");
    if (!want.found && !d->def.optional_rows)
      fuzz_fail("taken, though there are no rows");
    if (!want.more) compare_rows(d, in.p, in.n, &want);
  } else if (!want.wrong && (want.found || d->def.optional_rows) &&
             !strstr(d->err.text, "a second time") &&
             !strstr(d->err.text, "nested too deep")) {
    fuzz_fail("refused, which jansson takes: %s", d->err.text);
  }
  json_decref(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  unsigned pick = fuzz_byte(&in), seed = fuzz_byte(&in);
  decode *d = fuzz_program(made, &cq_decode_json, programs, N, pick);
  int rc = fuzz_whole(d, in.p, in.n);

  against_tree(d, in, rc);
  fuzz_in_pieces(d, in.p, in.n, rc, seed);
  return 0;
}
