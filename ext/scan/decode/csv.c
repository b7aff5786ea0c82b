/* ext/scan/decode/csv.c: CSV as RFC 4180 has it: the first line names the
 * columns, every other line is a record, an object of texts.  "." is the whole
 * line as a JSON object.
 *
 * Quoted cells may hold line breaks, so a piece may end anywhere; what is not
 * a whole line waits.  CRLF, LF and CR end lines; empty lines are none. */
#include "scan/decode/internal.h"

typedef struct csv_cell {
  const char *p; /* without quotes */
  size_t n;
  int doubled; /* holds "" */
} csv_cell;

typedef struct csv_column {
  char *name;
  size_t n;
  int again;           /* times that others had this name */
  const cq_edge *edge; /* NULL: not wanted */
} csv_column;

typedef struct csv_decoder {
  const cq_decode_ops *ops;
  const cq_table *table;
  cq_feed feed;
  cq_walk walk;
  cq_arena arena; /* the header's names */
  csv_column *columns;
  size_t ncolumn;
  csv_cell *cells;
  size_t ncell, cap;
  int64_t line;
  cq_value *envelope;
} csv_decoder;

static int csv_compile(const cq_program_def *def, cq_program **out,
                       cq_error *err) {
  *out = NULL;
  if (cq_program_lines(def, "csv", err)) return CQ_ERROR;
  for (int i = 0; i < def->nfield; i++) {
    const cq_path *p = def->fields[i].path;

    if (p->nstep > 1 || (p->nstep == 1 && p->steps[0].kind != CQ_STEP_KEY))
      return cq_error_set(err, CQ_ERROR,
                          "csv: path \"%.100s\": must be a column's name or "
                          "\".\"",
                          p->text);
  }
  return cq_program_make(&cq_decode_csv, def, out, err);
}

static void csv_close(cq_decoder *cd) {
  csv_decoder *d = (csv_decoder *)cd;

  if (!d) return;
  if (d->walk.picks) cq_walk_clear(&d->walk);
  cq_arena_clear(&d->arena);
  cq_free(d->columns);
  cq_free(d->cells);
  cq_free(d->envelope);
  cq_feed_clear(&d->feed);
  cq_free(d);
}

static int csv_open(const cq_program *p, cq_decoder **out, cq_error *err) {
  csv_decoder *d = cq_calloc(1, sizeof *d);

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->ops = &cq_decode_csv;
  d->table = p->table;
  d->line = 1;
  cq_arena_init(&d->arena);
  d->envelope = cq_calloc((size_t)p->nenvslot + 1, sizeof *d->envelope);
  if (!d->envelope || cq_walk_init(&d->walk, &p->record)) {
    csv_close((cq_decoder *)d);
    return cq_error_nomem(err);
  }
  *out = (cq_decoder *)d;
  return CQ_OK;
}

/* One cell; returns what follows it, or NULL.  Data that ends here is a
 * refusal at the end: only the caller knows whether more comes. */
static const char *csv_cell_end(csv_decoder *d, const char *p, int final,
                                csv_cell *c) {
  cq_js *j = &d->walk.j;

  c->doubled = 0;
  if (*p != '"') {
    c->p = p;
    while (*p != ',' && *p != '\n' && *p != '\r' && (*p || p < j->end)) p++;
    c->n = (size_t)(p - c->p);
    return p < j->end || final ? p : cq_js_refuse(j, p, "");
  }
  for (c->p = ++p;; p++) {
    const char *q = memchr(p, '"', (size_t)(j->end - p));

    if (!q) return cq_js_refuse(j, j->end, "");
    p = q + 1;
    if (p >= j->end && !final) return cq_js_refuse(j, p, "");
    if (p >= j->end || *p != '"') {
      c->n = (size_t)(q - c->p);
      break;
    }
    c->doubled = 1;
  }
  if (p < j->end && *p != ',' && *p != '\n' && *p != '\r')
    return cq_js_refuse(j, p, "text behind a closing quote");
  return p;
}

/* One line into d->cells; returns the next line's start. */
static const char *csv_line(csv_decoder *d, const char *p, int final) {
  cq_js *j = &d->walk.j;

  for (d->ncell = 0;; p++) {
    if (cq_grow(&d->cells, &d->cap, d->ncell, sizeof *d->cells)) {
      d->walk.rc = CQ_NOMEM;
      return NULL;
    }
    p = csv_cell_end(d, p, final, &d->cells[d->ncell]);
    if (!p) return NULL;
    d->ncell++;
    if (d->ncell > CQ_MAX_CSV_CELLS)
      return cq_js_refuse(j, p < j->end ? p : j->end - 1, "too many cells");
    if (p >= j->end) return p;
    if (*p != ',') break;
    if (p + 1 >= j->end && !final) return cq_js_refuse(j, p + 1, "");
  }
  if (*p == '\r') {
    if (p + 1 >= j->end && !final) return cq_js_refuse(j, p + 1, "");
    return p + 1 + (p[1] == '\n');
  }
  return p + 1;
}

/* The cell's text: "" becomes ", and U+0000, which no store holds, U+FFFD. */
static int csv_text(cq_arena *a, const csv_cell *c, cq_value *out,
                    int64_t *warnings) {
  char *text, *t;
  size_t zeros = 0;

  if (!c->doubled && (c->n == 0 || !memchr(c->p, 0, c->n))) {
    *out = cq_value_str(c->p, c->n);
    return CQ_OK;
  }
  for (size_t i = 0; i < c->n; i++) zeros += c->p[i] == 0;
  t = text = cq_arena_alloc(a, c->n + 2 * zeros);
  if (!text) return CQ_NOMEM;
  for (size_t i = 0; i < c->n; i++) {
    if (c->p[i] == 0) {
      memcpy(t, "\xEF\xBF\xBD", 3);
      t += 3;
    } else {
      *t++ = c->p[i];
      i += c->doubled && c->p[i] == '"';
    }
  }
  *warnings += (int64_t)zeros;
  *out = cq_value_str(text, (size_t)(t - text));
  return CQ_OK;
}

/* The header's names so far, open addressing over their hashes: a header is as
 * long as an answer likes. */
typedef struct csv_names {
  const csv_column *columns;
  size_t *at; /* column + 1, or 0 */
  size_t mask;
} csv_names;

/* Where the name is, or would be. */
static size_t *csv_name(const csv_names *s, const char *name, size_t n) {
  size_t h = cq_hash64(name, n, 0);

  for (;; h++) {
    size_t *at = &s->at[h & s->mask];

    if (!*at || (s->columns[*at - 1].n == n &&
                 memcmp(s->columns[*at - 1].name, name, n) == 0))
      return at;
  }
}

/* A name that stands there again is a, a_2, a_3, ...: no cell is lost. */
static int csv_header(csv_decoder *d) {
  const cq_trie *t = d->walk.picks->self.child;
  csv_names names = {NULL, NULL, 3};
  int64_t odd = 0;
  int rc = CQ_NOMEM;

  while (names.mask < 2 * d->ncell) names.mask = names.mask * 2 + 1;
  names.columns = d->columns = cq_calloc(d->ncell, sizeof *d->columns);
  names.at = cq_calloc(names.mask + 1, sizeof *names.at);
  if (!d->columns || !names.at) goto done;
  for (size_t i = 0; i < d->ncell; i++) {
    csv_column *c = &d->columns[i], *first;
    cq_value name;
    size_t *at;

    if (csv_text(&d->arena, &d->cells[i], &name, &odd)) goto done;
    c->n = name.len;
    c->name = cq_arena_strndup(&d->arena, name.u.s, name.len);
    if (!c->name) goto done;
    at = csv_name(&names, c->name, c->n);
    first = *at ? &d->columns[*at - 1] : NULL;
    while (*at) {
      c->name = cq_arena_printf(&d->arena, "%.*s_%d", (int)name.len, name.u.s,
                                ++first->again + 1);
      if (!c->name) goto done;
      c->n = strlen(c->name);
      at = csv_name(&names, c->name, c->n);
    }
    *at = i + 1;
    c->edge = t ? cq_trie_find(t, c->name, c->n) : NULL;
  }
  d->ncolumn = d->ncell;
  rc = CQ_OK;
done:
  cq_free(names.at);
  return rc;
}

/* Is this a header of the table's at all?  A page that tells of a maintenance is
 * a line as well, which would have no rows below it. */
static int csv_is_header(const csv_decoder *d) {
  int named = 0;

  for (int i = 0; d->table && i < d->table->ncol; i++) {
    const cq_column *c = &d->table->columns[i];

    if (c->source != CQ_FROM_PATH || c->call >= 0 || !c->path ||
        c->path->nstep != 1)
      continue;
    named = 1;
    for (size_t k = 0; k < d->ncolumn; k++)
      if (d->columns[k].n == c->path->steps[0].len &&
          memcmp(d->columns[k].name, c->path->steps[0].name, d->columns[k].n) ==
              0)
        return 1;
  }
  return !named;
}

static int csv_put(csv_decoder *d, const cq_edge *e, cq_token t,
                   const cq_value *raw, const char *p, const char *q) {
  int rc = CQ_OK;

  for (int i = e->own; i < e->own + e->nown && rc == CQ_OK; i++)
    rc = cq_cell_put(&d->walk, &d->walk.picks->pick[i], t, raw, p, q);
  return rc;
}

/* The whole line as one JSON object. */
static int csv_object(csv_decoder *d) {
  cq_arena *a = d->walk.arena;
  int64_t odd = 0;
  cq_value v;
  cq_buf b;
  char *text;
  int put = 0, rc = CQ_OK;

  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  cq_buf_byte(&b, '{');
  for (size_t i = 0; i < d->ncell && rc == CQ_OK; i++) {
    rc = csv_text(a, &d->cells[i], &v, &odd);
    if (rc) break;
    if (put++) cq_buf_byte(&b, ',');
    cq_buf_json(&b, d->columns[i].name, d->columns[i].n);
    cq_buf_byte(&b, ':');
    cq_buf_json(&b, v.u.s, v.len);
  }
  cq_buf_byte(&b, '}');
  if (rc == CQ_OK) rc = b.rc;
  if (rc == CQ_OK) {
    text = cq_js_padded(a, b.len);
    if (text) {
      memcpy(text, b.data, b.len);
      v = cq_value_json(text, b.len);
      rc = csv_put(d, &d->walk.picks->self, CQ_T_JSON, &v, text, text + b.len);
    } else {
      rc = CQ_NOMEM;
    }
  }
  cq_buf_clear(&b);
  return rc;
}

static int csv_record(csv_decoder *d, cq_batch *batch) {
  cq_walk *w = &d->walk;
  cq_value v;
  int rc = CQ_OK;

  w->cells = cq_batch_add(batch);
  w->arena = &batch->arena;
  w->warnings = &batch->warnings;
  if (!w->cells) return CQ_NOMEM;
  for (size_t i = 0; i < d->ncell && rc == CQ_OK; i++) {
    if (!d->columns[i].edge) continue;
    rc = csv_text(w->arena, &d->cells[i], &v, w->warnings);
    if (rc == CQ_OK)
      rc = csv_put(d, d->columns[i].edge, CQ_T_STRING, &v, "", "");
  }
  if (rc == CQ_OK && w->picks->self.nown) rc = csv_object(d);
  return rc;
}

static int csv_lines(const char *p, const char *q) {
  int n = 0;

  while (p < q && (p = memchr(p, '\n', (size_t)(q - p))) != NULL) n++, p++;
  return n;
}

/* The line at [p, q), already in d->cells. */
static int csv_take(csv_decoder *d, const char *p, const char *q,
                    cq_batch *batch, cq_error *err) {
  size_t n = (size_t)(q - p), good = cq_js_utf8(p, n);
  int rc = CQ_OK;

  if (good < n)
    return cq_error_set(err, CQ_ERROR,
                        "answer is not CSV: line %lld: invalid UTF-8 at byte "
                        "%lld",
                        (long long)d->line,
                        (long long)cq_feed_offset(&d->feed, p + good));
  if (d->ncell == 1 && d->cells[0].n == 0 && *p != '"') return CQ_OK;
  if (!d->columns) {
    rc = csv_header(d);
    if (rc == CQ_OK && !csv_is_header(d))
      return cq_error_set(err, CQ_ERROR,
                          "answer is CSV of another form: its first line names "
                          "none of the columns: %.*s",
                          (int)(n < 200 ? n : 200), p);
  } else if (d->ncell > d->ncolumn) {
    return cq_error_set(err, CQ_ERROR,
                        "answer is not CSV: line %lld: %d cells, the header "
                        "has %d, at byte %lld",
                        (long long)d->line, (int)d->ncell, (int)d->ncolumn,
                        (long long)cq_feed_offset(&d->feed, p));
  } else {
    rc = csv_record(d, batch);
  }
  if (rc == CQ_NOMEM) return cq_error_nomem(err);
  if (rc)
    return cq_error_set(err, rc, "answer: line %lld: a value is too large",
                        (long long)d->line);
  return CQ_OK;
}

static int csv_feed(cq_decoder *cd, cq_block *piece, int final, cq_batch *batch,
                    cq_error *err) {
  csv_decoder *d = (csv_decoder *)cd;
  cq_js *j = &d->walk.j;
  int before = batch->nrow, ready;
  int rc = cq_feed_add(&d->feed, piece, final, &ready, err);
  const char *p, *q, *data;

  if (rc || !ready) return rc;
  data = d->feed.block->data;
  d->feed.retry = 0;
  p = data + d->feed.at;
  j->end = data + d->feed.block->len;
  if (d->feed.base == 0 && p == data && (unsigned char)*p == 0xEF) {
    if (j->end - p < 3 && !final) return cq_feed_wait(&d->feed, err);
    if (memcmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
  }
  while (p < j->end && rc == CQ_OK) {
    q = csv_line(d, p, final);
    if (!q) break;
    rc = csv_take(d, p, q, batch, err);
    d->line += csv_lines(p, q);
    p = q;
  }
  d->feed.at = (size_t)(p - data);
  if (rc == CQ_OK && batch->nrow > before &&
      cq_batch_hold(batch, d->feed.block))
    rc = CQ_NOMEM;
  if (rc == CQ_NOMEM || d->walk.rc == CQ_NOMEM) return cq_error_nomem(err);
  if (rc || p >= j->end) return rc;
  if (j->bad < j->end || final) return cq_feed_refused(&d->feed, j, "CSV", err);
  return cq_feed_wait(&d->feed, err);
}

static const cq_value *csv_envelope(const cq_decoder *cd) {
  return ((const csv_decoder *)cd)->envelope;
}

const cq_decode_ops cq_decode_csv = {"csv",    csv_compile, cq_program_drop,
                                     csv_open, csv_feed,    csv_envelope,
                                     csv_close};
