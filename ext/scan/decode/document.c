/* ext/scan/decode/document.c: from the body to its records: the rows path is
 * walked with all brackets it names, whatever lies beside it is validated and
 * skipped; then the envelope's fields are read. */
#include <string.h>

#include "scan/decode/scan.h"

int cq_program_make(const cq_decode_ops *ops, const cq_program_def *d, int xml,
                    cq_program **out, cq_error *err) {
  cq_program *p = cq_calloc(1, sizeof *p);
  int rc;

  *out = NULL;
  if (!p)
    return cq_error_nomem(err);
  p->ops = ops;
  p->xml = xml;
  p->nslot = d->nslot;
  p->nenvslot = d->nenvslot;
  p->optional_rows = d->optional_rows;
  p->rows = *d->rows;
  rc = cq_fields_new(d->fields, d->nfield, xml, &p->fields, err);
  if (rc == CQ_OK)
    rc = cq_fields_new(d->envelope, d->nenvelope, xml, &p->envelope, err);
  if (rc) {
    cq_program_drop(p);
    return rc;
  }
  *out = p;
  return CQ_OK;
}

void cq_program_drop(cq_program *p) {
  if (!p)
    return;
  cq_fields_free(p->fields);
  cq_fields_free(p->envelope);
  cq_free(p);
}

typedef struct walk {
  const cq_program *p;
  cq_js *j;
  cq_batch *batch;
  int rc, found;
} walk;

static const char *walk_record(walk *w, const char *at, const char *mapkey,
                               size_t nmapkey) {
  cq_value *cells;

  w->found = 1;
  /* A list that holds nothing: null, or an empty XML element. */
  if (at < w->j->end && *at == 'n') {
    int blanks;

    return cq_js_skip(w->j, at, &blanks);
  }
  cells = cq_batch_add(w->batch);
  if (!cells) {
    w->rc = CQ_NOMEM;
    return NULL;
  }
  return cq_fields_read(w->p->fields, w->j, at, mapkey, nmapkey, cells,
                        w->batch, &w->rc);
}

static const char *walk_rows(walk *w, int step, const char *at,
                             const char *mapkey, size_t nmapkey) {
  const cq_step *s = &w->p->rows.steps[step];
  cq_js *j = w->j;
  int blanks = 0, escaped;
  char open;

  if (step == w->p->rows.nstep)
    return walk_record(w, at, mapkey, nmapkey);
  open = s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_INDEX ? '[' : '{';
  if (at < j->end && *at != open) {
    /* XML knows no lists of one, and an empty element no list at all; a JSON
     * object where a list is expected is one element. */
    if (s->kind == CQ_STEP_EACH && (*at == '{' || (w->p->xml && *at == '"' &&
                                                  at[1] != '"')))
      return walk_rows(w, step + 1, at, mapkey, nmapkey);
    if (*at == 'n' || (w->p->xml && *at == '"')) {
      w->found = 1;
      return cq_js_skip(j, at, &blanks);
    }
    j->bad = at;
    j->what = s->kind == CQ_STEP_EACH ? "expected the list of rows"
                                      : "expected an object on the way to the rows";
    return NULL;
  }
  at = cq_js_space(j, at + 1);
  if (open == '[') {
    int index = 0;

    w->found = 1;
    if (at < j->end && *at == ']')
      return at + 1;
    for (;; index++) {
      at = s->kind == CQ_STEP_EACH || index == s->index
               ? walk_rows(w, step + 1, at, NULL, 0)
               : cq_js_skip(j, at, &blanks);
      if (!at)
        return NULL;
      at = cq_js_space(j, at);
      if (at < j->end && *at == ']')
        return at + 1;
      if (at >= j->end || *at != ',')
        goto bad;
      at = cq_js_space(j, at + 1);
    }
  }
  if (at < j->end && *at == '}')
    return at + 1;
  for (int done = 0;;) {
    const char *key = at + 1;
    size_t len;

    if (at >= j->end || *at != '"')
      goto bad;
    at = cq_js_string(j, at, &escaped);
    if (!at)
      return NULL;
    len = (size_t)(at - key) - 1;
    at = cq_js_space(j, at);
    if (at >= j->end || *at != ':')
      goto bad;
    at = cq_js_space(j, at + 1);
    if (s->kind == CQ_STEP_VALUES) {
      at = walk_rows(w, step + 1, at, key, len);
    } else if (s->kind == CQ_STEP_KEY && len == s->len &&
               !memcmp(key, s->name, len)) {
      if (done++) {
        j->bad = key;
        j->what = "the rows stand here twice";
        return NULL;
      }
      at = walk_rows(w, step + 1, at, mapkey, nmapkey);
    } else {
      at = cq_js_skip(j, at, &blanks);
    }
    if (!at)
      return NULL;
    at = cq_js_space(j, at);
    if (at < j->end && *at == '}')
      return at + 1;
    if (at >= j->end || *at != ',')
      goto bad;
    at = cq_js_space(j, at + 1);
  }
bad:
  j->bad = at;
  j->what = at >= j->end ? "the text ends too early" : "unexpected text";
  return NULL;
}

int cq_document_read(const cq_program *p, const char *text, size_t n,
                     cq_batch *batch, cq_value *envelope, cq_error *err) {
  cq_js j = {text, text + n, NULL, NULL};
  walk w = {p, &j, batch, CQ_OK, 0};
  const char *at, *stop;

  if (n >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
    text += 3;
  at = cq_js_space(&j, text);
  stop = walk_rows(&w, 0, at, NULL, 0);
  if (w.rc)
    return w.rc == CQ_NOMEM ? cq_error_nomem(err)
                            : cq_error_set(err, w.rc, "a value is wrong");
  if (!stop)
    return cq_js_error(&j, err);
  stop = cq_js_space(&j, stop);
  if (stop != j.end) {
    j.bad = stop;
    j.what = "text after the end";
    return cq_js_error(&j, err);
  }
  if (!w.found && !p->optional_rows)
    return cq_error_set(err, CQ_ERROR, "answer has no rows at %s", p->rows.text);
  if (p->nenvslot && envelope && at < j.end && *at == '{' &&
      (!cq_fields_read(p->envelope, &j, at, NULL, 0, envelope, batch, &w.rc)))
    return w.rc ? cq_error_nomem(err) : cq_js_error(&j, err);
  return CQ_OK;
}

int cq_decoder_make(const cq_program *p, cq_decoder **out, cq_error *err) {
  cq_decoder *d = cq_calloc(1, sizeof *d);

  *out = NULL;
  if (!d)
    return cq_error_nomem(err);
  d->program = p;
  d->envelope = cq_calloc((size_t)p->nenvslot + 1, sizeof *d->envelope);
  d->kept = cq_batch_new(1);
  if (!d->envelope || !d->kept) {
    cq_decoder_drop(d);
    return cq_error_nomem(err);
  }
  *out = d;
  return CQ_OK;
}

int cq_decoder_add(cq_decoder *d, cq_block *piece, cq_error *err) {
  size_t have = d->whole ? d->whole->len : 0;
  cq_block *both;

  if (!piece)
    return CQ_OK;
  if (!d->whole) {
    d->whole = piece;
    return CQ_OK;
  }
  if (have + piece->len > CQ_MAX_RECORD_BYTES) {
    cq_block_unref(piece);
    return cq_error_set(err, CQ_TOOBIG, "answer is larger than %d bytes",
                        CQ_MAX_RECORD_BYTES);
  }
  if (have + piece->len <= d->whole->cap) {
    both = d->whole;
  } else {
    both = cq_block_new(2 * (have + piece->len));
    if (!both) {
      cq_block_unref(piece);
      return cq_error_nomem(err);
    }
    memcpy(both->data, d->whole->data, have);
    cq_block_unref(d->whole);
    d->whole = both;
  }
  memcpy(both->data + have, piece->data, piece->len);
  both->len = have + piece->len;
  cq_block_unref(piece);
  return CQ_OK;
}

const cq_value *cq_decoder_envelope(const cq_decoder *d) { return d->envelope; }

void cq_decoder_drop(cq_decoder *d) {
  if (!d)
    return;
  if (d->whole)
    cq_block_unref(d->whole);
  cq_batch_free(d->kept);
  cq_free(d->envelope);
  cq_free(d);
}
