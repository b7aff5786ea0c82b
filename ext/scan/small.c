/* ext/scan/small.c: an answer of few records read as a whole, page after page:
 * what discovery and identification of clients need. */
#include <string.h>

#include "scan/internal.h"

struct cq_reader {
  cq_reader_def def;
  cq_scope scope;
  cq_page_state page;
  cq_fetch *fetch;
  const cq_decode_ops *ops;
  cq_program *program;
  cq_batch *rows;
  cq_decoder *decoder;
  cq_arena arena;
  cq_field envelope[3];
  int skipped, done;
  cq_scan_stats stats;
};

/* path + one more key. */
static cq_path *path_below(cq_arena *a, const cq_path *p, const char *key) {
  cq_path *out = cq_arena_alloc(a, sizeof *out);
  cq_step *steps = cq_arena_alloc(a, ((size_t)p->nstep + 1) * sizeof *steps);

  if (!out || !steps) return NULL;
  if (p->nstep) memcpy(steps, p->steps, (size_t)p->nstep * sizeof *steps);
  memset(&steps[p->nstep], 0, sizeof *steps);
  steps[p->nstep].kind = CQ_STEP_KEY;
  steps[p->nstep].name = key;
  steps[p->nstep].len = strlen(key);
  out->text = key;
  out->nstep = p->nstep + 1;
  out->steps = steps;
  return out;
}

int cq_page_envelope(const cq_page_def *d, cq_arena *a, cq_field *env, int *n) {
  const cq_path *token = d->token, *more = d->more;

  *n = 0;
  if (d->by == CQ_PAGE_GRAPHQL && token) {
    more = path_below(a, token, "hasNextPage");
    token = path_below(a, token, "endCursor");
    if (!more || !token) return CQ_NOMEM;
  }
  if (d->by != CQ_PAGE_LAST && token)
    env[(*n)++] = (cq_field){token, 0, NULL, NULL, 0};
  if (more) env[(*n)++] = (cq_field){more, 0, NULL, NULL, 1};
  if (d->total) env[(*n)++] = (cq_field){d->total, CQ_INTEGER, NULL, NULL, 2};
  return CQ_OK;
}

static int reader_send(cq_reader *r, cq_error *err) {
  cq_fetch_def d = r->def.fetch;
  cq_scope s = r->scope;

  s.page = &r->page;
  d.page = r->def.page;
  d.url = r->page.url;
  return cq_fetch_open(&d, &s, &r->fetch, err);
}

int cq_reader_open(const cq_reader_def *d, const cq_scope *scope,
                   cq_reader **out, cq_error *err) {
  cq_reader *r = cq_calloc(1, sizeof *r);
  cq_program_def p;
  int rc;

  *out = NULL;
  if (!r) return cq_error_nomem(err);
  cq_arena_init(&r->arena);
  r->def = *d;
  r->scope = *scope;
  r->ops = cq_decode_find(d->fetch.request->decode);
  if (!r->ops) r->ops = &cq_decode_json;
  memset(&p, 0, sizeof p);
  p.rows = d->rows;
  p.optional_rows = 1;
  p.fields = d->fields;
  p.nfield = d->nfield;
  p.nslot = d->nslot;
  p.envelope = r->envelope;
  p.nenvslot = 3;
  rc = d->page ? cq_page_envelope(d->page, &r->arena, r->envelope, &p.nenvelope)
               : CQ_OK;
  if (rc) cq_error_nomem(err);
  if (d->page) cq_page_start(d->page, d->page->size, &r->page);
  if (rc == CQ_OK) rc = r->ops->compile(&p, &r->program, err);
  if (rc == CQ_OK && !(r->rows = cq_batch_new(d->nslot > 0 ? d->nslot : 1)))
    rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = reader_send(r, err);
  if (rc) {
    cq_reader_close(r);
    return rc;
  }
  *out = r;
  return CQ_OK;
}

/* The page is complete: go on, or end. */
static int reader_next(cq_reader *r, int before, cq_error *err) {
  const cq_value *env = r->ops->envelope(r->decoder);
  cq_page_seen seen;
  int go = 0, rc = CQ_OK;
  char *url = NULL;

  memset(&seen, 0, sizeof seen);
  seen.rows = r->rows->nrow - before;
  seen.token = &env[0];
  seen.more = &env[1];
  seen.total = &env[2];
  seen.url = url = cq_strdup(cq_fetch_url(r->fetch));
  if (!url) return cq_error_nomem(err);
  if (r->def.page) {
    seen.header = cq_fetch_header(r->fetch, r->def.page->token_header
                                                ? r->def.page->token_header
                                                : "link");
    rc = cq_page_next(r->def.page, &r->page, &seen, &go, err);
  }
  if (rc == CQ_OK && go) {
    rc = cq_fetch_may_follow(r->fetch, r->page.url, err);
    if (rc) cq_error_prefix(err, "%s: ", r->def.fetch.table);
  }
  r->ops->close(r->decoder);
  r->decoder = NULL;
  cq_fetch_stats(r->fetch, &r->stats);
  cq_fetch_close(r->fetch);
  r->fetch = NULL;
  cq_free(url);
  if (rc == CQ_OK && go)
    rc = reader_send(r, err);
  else
    r->done = 1;
  return rc;
}

int cq_reader_poll(cq_reader *r, cq_error *err) {
  while (!r->done) {
    cq_block *piece;
    int final, rc, before;

    switch (cq_fetch_poll(r->fetch)) {
    case CQ_F_BUSY:
      return CQ_BUSY;
    case CQ_F_EMPTY:
    case CQ_F_SKIP_ROW:
    case CQ_F_SKIP_CLIENT:
      r->skipped = 1;
      cq_fetch_fail(r->fetch, err);
      r->done = 1;
      return CQ_DONE;
    case CQ_F_DENIED: /* of what everything else depends on */
    case CQ_F_ERROR:
      return cq_fetch_fail(r->fetch, err);
    case CQ_F_DATA:
      break;
    }
    rc = cq_fetch_take(r->fetch, &piece, &final, err);
    if (rc) return rc;
    if (!piece && !final) return CQ_BUSY;
    if (!r->decoder && (rc = r->ops->open(r->program, &r->decoder, err)) != 0) {
      if (piece) cq_block_unref(piece);
      return rc;
    }
    before = r->rows->nrow;
    rc = r->ops->feed(r->decoder, piece, final, r->rows, err);
    if (rc) {
      cq_error_prefix(err, "%s: ", r->def.fetch.table);
      return rc;
    }
    if (final && (rc = reader_next(r, before, err)) != 0) return rc;
  }
  return CQ_DONE;
}

const cq_batch *cq_reader_rows(const cq_reader *r) {
  return r->rows;
}
int cq_reader_skipped(const cq_reader *r) {
  return r->skipped;
}

void cq_reader_close(cq_reader *r) {
  if (!r) return;
  if (r->decoder) r->ops->close(r->decoder);
  if (r->program) r->ops->program_free(r->program);
  cq_batch_free(r->rows);
  cq_fetch_close(r->fetch);
  cq_page_clear(&r->page);
  cq_arena_clear(&r->arena);
  cq_free(r);
}
