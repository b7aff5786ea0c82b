/* ext/scan/decode/csv.c: CSV (RFC 4180) with a header line: each further line
 * is a record, an object whose keys are the header's and whose values are
 * text.  Fields are read from the object as from any other. */
#include <string.h>

#include "scan/decode/scan.h"

static int csv_compile(const cq_program_def *d, cq_program **out,
                       cq_error *err) {
  if (d->rows->nstep)
    return cq_error_set(err, CQ_ERROR,
                        "csv: rows must be \".\", each line is a record");
  return cq_program_make(&cq_decode_csv, d, 0, out, err);
}

/* One cell into `out`; returns what follows it.  *last: the line ends here. */
static const char *csv_cell(const char *p, const char *end, cq_buf *out,
                            int *last, const char **bad) {
  if (p < end && *p == '"') {
    for (p++;; p++) {
      const char *q = memchr(p, '"', (size_t)(end - p));

      if (!q) {
        *bad = "a quote without its end";
        return NULL;
      }
      cq_buf_add(out, p, (size_t)(q - p));
      p = q + 1;
      if (p >= end || *p != '"')
        break;
      cq_buf_byte(out, '"');
    }
    if (p < end && *p != ',' && *p != '\n' && *p != '\r') {
      *bad = "text after a closing quote";
      return NULL;
    }
  } else {
    const char *from = p;

    while (p < end && *p != ',' && *p != '\n' && *p != '\r')
      p++;
    cq_buf_add(out, from, (size_t)(p - from));
  }
  *last = p >= end || *p != ',';
  if (p < end && *p == '\r')
    p++;
  if (p < end && (*p == '\n' || *p == ','))
    p++;
  return p;
}

typedef struct header {
  char **names;
  size_t n, cap;
} header;

static int csv_line(cq_decoder *d, const header *h, const char **at,
                    const char *end, cq_batch *batch, long line,
                    cq_error *err) {
  cq_buf object, cell;
  const char *bad = NULL, *p = *at;
  char *text;
  size_t n = 0;
  int last = 0, rc = CQ_OK;

  cq_buf_init(&object, CQ_MAX_RECORD_BYTES);
  cq_buf_init(&cell, CQ_MAX_RECORD_BYTES);
  cq_buf_byte(&object, '{');
  while (!last) {
    cq_buf_reset(&cell);
    p = csv_cell(p, end, &cell, &last, &bad);
    if (!p) {
      rc = cq_error_set(err, CQ_ERROR, "answer is not CSV: line %ld: %s", line,
                        bad);
      goto done;
    }
    if (n == h->n) {
      rc = cq_error_set(err, CQ_ERROR,
                        "answer is not CSV: line %ld: more cells than the "
                        "header's %d",
                        line, (int)h->n);
      goto done;
    }
    if (cq_utf8_check(cell.data ? cell.data : "", cell.len) != cell.len) {
      rc = cq_error_set(err, CQ_ERROR, "answer: line %ld: invalid UTF-8", line);
      goto done;
    }
    if (n)
      cq_buf_byte(&object, ',');
    cq_buf_json(&object, h->names[n], strlen(h->names[n]));
    cq_buf_byte(&object, ':');
    cq_buf_json(&object, cell.data ? cell.data : "", cell.len);
    n++;
  }
  cq_buf_byte(&object, '}');
  *at = p;
  text = object.rc || cell.rc
             ? NULL
             : cq_arena_strndup(&batch->arena, object.data, object.len);
  if (!text) {
    rc = cq_error_nomem(err);
    goto done;
  }
  cq_js j = {text, text + object.len, NULL, NULL};
  cq_value *cells = cq_batch_add(batch);
  if (!cells || (!cq_fields_read(d->program->fields, &j, text, NULL, 0, cells,
                                 batch, &rc) &&
                 rc))
    rc = cq_error_nomem(err);
done:
  cq_buf_clear(&object);
  cq_buf_clear(&cell);
  return rc;
}

static int csv_feed(cq_decoder *d, cq_block *piece, int final, cq_batch *batch,
                    cq_error *err) {
  int rc = cq_decoder_add(d, piece, err), last = 0;
  header h = {NULL, 0, 0};
  const char *p, *end, *bad = NULL;
  long line = 1;

  if (rc || !final || !d->whole || d->whole->len == 0)
    return rc;
  p = d->whole->data;
  end = p + d->whole->len;
  if (end - p >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
    p += 3;
  while (!last && rc == CQ_OK) {
    cq_buf cell;

    cq_buf_init(&cell, 1 << 16);
    p = csv_cell(p, end, &cell, &last, &bad);
    if (!p)
      rc = cq_error_set(err, CQ_ERROR, "answer is not CSV: header: %s", bad);
    else if (cq_grow(&h.names, &h.cap, h.n, sizeof *h.names))
      rc = cq_error_nomem(err);
    else if (!(h.names[h.n] = cq_strndup(cell.data ? cell.data : "", cell.len)))
      rc = cq_error_nomem(err);
    else
      h.n++;
    cq_buf_clear(&cell);
  }
  while (rc == CQ_OK && p < end) {
    line++;
    if (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n')) {
      p += *p == '\r' ? 2 : 1; /* an empty line is no record */
      continue;
    }
    rc = csv_line(d, &h, &p, end, batch, line, err);
  }
  for (size_t i = 0; i < h.n; i++)
    cq_free(h.names[i]);
  cq_free(h.names);
  return rc;
}

const cq_decode_ops cq_decode_csv = {"csv",
                                     csv_compile,
                                     cq_program_drop,
                                     cq_decoder_make,
                                     csv_feed,
                                     cq_decoder_envelope,
                                     cq_decoder_drop};
