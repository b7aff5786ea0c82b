/* ext/scan/decode/json.c: one JSON document, in pieces: from its start down
 * the rows path to the records, and the envelope's fields in passing.
 *
 * State is kept between records and between the members of the containers on
 * the rows path; inside of a record there is none.  Where the data ends in the
 * middle, nothing of the unfinished part has happened: its bytes wait. */
#include "scan/decode/internal.h"

typedef enum json_step {
  JSON_START, /* before the document: a byte order mark may stand there */
  JSON_VALUE, /* at the value of levels[depth] */
  JSON_FIRST, /* behind an opening bracket */
  JSON_ITEM,  /* at a key or an element */
  JSON_NEXT,  /* behind an element of levels[depth - 1] */
  JSON_END    /* behind the document */
} json_step;

typedef struct json_level {
  int index;          /* of the element at hand */
  int seen;           /* the key on the rows path has come */
  uint64_t visit;     /* this object, for keys that come twice */
  const cq_trie *env; /* envelope fields at this level, or NULL */
  char *key;          /* of a map's value, as it is written, or NULL */
  size_t nkey;
} json_level;

typedef struct json_decoder {
  const cq_decode_ops *ops;
  const cq_program *p;
  cq_feed feed;
  json_step step;
  int final;
  int depth;     /* open levels */
  int found;     /* the rows path led somewhere */
  int64_t inner; /* records so far of the entry of program->outer */
  int nlevel;
  json_level *levels;
  const cq_trie *env; /* of the value that JSON_VALUE is at */
  cq_walk record, wenv;
  cq_value *envelope;
  cq_arena arena; /* what the envelope holds */
  int64_t odd;    /* warnings of the envelope */
} json_decoder;

static int json_compile(const cq_program_def *def, cq_program **out,
                        cq_error *err) {
  return cq_program_make(&cq_decode_json, def, out, err);
}

static void json_close(cq_decoder *cd) {
  json_decoder *d = (json_decoder *)cd;

  if (!d) return;
  for (int i = 0; d->levels && i < d->nlevel; i++) cq_free(d->levels[i].key);
  cq_free(d->levels);
  if (d->record.picks) cq_walk_clear(&d->record);
  if (d->wenv.picks) cq_walk_clear(&d->wenv);
  cq_free(d->envelope);
  cq_arena_clear(&d->arena);
  cq_feed_clear(&d->feed);
  cq_free(d);
}

static int json_open(const cq_program *p, cq_decoder **out, cq_error *err) {
  json_decoder *d = cq_calloc(1, sizeof *d);

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->ops = &cq_decode_json;
  d->p = p;
  cq_arena_init(&d->arena);
  d->nlevel = p->rows.nstep;
  d->levels = cq_calloc((size_t)d->nlevel + 1, sizeof *d->levels);
  d->envelope = cq_calloc((size_t)p->nenvslot + 1, sizeof *d->envelope);
  if (!d->levels || !d->envelope || cq_walk_init(&d->record, &p->record) ||
      cq_walk_init(&d->wenv, &p->env)) {
    json_close((cq_decoder *)d);
    return cq_error_nomem(err);
  }
  d->wenv.copy = 1;
  d->wenv.arena = &d->arena;
  d->wenv.cells = d->envelope;
  d->wenv.warnings = &d->odd;
  *out = (cq_decoder *)d;
  return CQ_OK;
}

/* The record's own key in the map that holds it. */
static int json_mapkey(json_decoder *d) {
  const cq_picks *k = &d->p->record;
  const json_level *l = NULL;
  cq_value raw;
  int rc = CQ_OK;

  for (int i = 0; i < d->nlevel; i++)
    if (d->levels[i].key) l = &d->levels[i];
  if (!l || !k->nmapkey) return CQ_OK;
  raw = cq_value_str(l->key + 1, l->nkey - 2);
  if (memchr(l->key, '\\', l->nkey))
    rc = cq_js_decode(d->record.arena, l->key + 1, l->nkey - 2, &raw,
                      d->record.warnings);
  else
    rc = cq_value_copy(d->record.arena, &raw, &raw);
  for (int i = k->mapkey; i < k->mapkey + k->nmapkey && rc == CQ_OK; i++) {
    cq_pick pick = k->pick[i];

    rc = cq_cell_put(&d->record, &pick, CQ_T_STRING, &raw, l->key,
                     l->key + l->nkey);
    /* JSON may have borrowed the quoted text of a level that will go. */
    if (rc == CQ_OK)
      rc = cq_value_copy(d->record.arena, &d->record.cells[pick.slot],
                         &d->record.cells[pick.slot]);
  }
  return rc;
}

/* A record at p, and its key. */
static const char *json_record(json_decoder *d, const char *p,
                               cq_batch *batch) {
  int before = batch->nrow;
  int64_t rest = batch->rest;

  d->record.j.depth = d->depth;
  p = cq_walk_row(&d->record, p, batch, d->final && d->depth == 0);
  d->inner += batch->nrow - before + (batch->rest - rest);
  if (p && batch->nrow > before) d->record.rc = json_mapkey(d);
  return d->record.rc ? NULL : p;
}

/* A value beside the rows path: for the envelope, or skipped. */
static const char *json_beside(json_decoder *d, const char *p,
                               const cq_edge *e) {
  unsigned flags = 0;

  d->wenv.j = d->record.j;
  d->wenv.j.depth = d->depth;
  p = e ? cq_walk_take(&d->wenv, p, e) : cq_js_skip(&d->wenv.j, p, &flags);
  d->record.j = d->wenv.j;
  if (d->wenv.rc) d->record.rc = d->wenv.rc;
  /* A number that touches the end may go on in the next piece. */
  if (p && p >= d->record.j.end) p = cq_js_refuse(&d->record.j, p, "");
  return p;
}

static int json_key_is(json_decoder *d, const char *key, size_t n,
                       const cq_step *s, const cq_edge **e, unsigned flags) {
  const cq_trie *env = d->levels[d->depth - 1].env;
  cq_value v = cq_value_str(key, n);
  int64_t odd = 0;

  if (flags & CQ_JS_ESCAPE) {
    d->record.rc = cq_js_decode(&d->arena, key, n, &v, &odd);
    if (d->record.rc) return 0;
  }
  *e = env ? cq_trie_find(env, v.u.s, v.len) : NULL;
  return s->kind == CQ_STEP_KEY && v.len == s->len &&
         memcmp(v.u.s, s->name, s->len) == 0;
}

/* It is JSON, but not of the form that the rows' path tells; what is no value
 * at all is no JSON. */
static const char *json_form(cq_js *j, const char *p, const char *what) {
  unsigned flags = 0;

  if (*p != '{' && *p != '[' && !cq_js_skip(j, p, &flags)) return NULL;
  j->form = 1;
  return cq_js_refuse(j, p, what);
}

/* At a key or an element: returns behind it, or at the value on the path. */
static const char *json_item(json_decoder *d, const char *p) {
  json_level *l = &d->levels[d->depth - 1];
  const cq_step *s = &d->p->rows.steps[d->depth - 1];
  const cq_edge *e = NULL;
  const char *key = p;
  size_t n = 0;
  unsigned flags = 0;
  cq_js *j = &d->record.j;
  int on;

  if (s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_INDEX) {
    on = s->kind == CQ_STEP_EACH || l->index == s->index;
  } else {
    if (*p != '"') return cq_js_refuse(j, p, "expected a key");
    p = cq_js_string(j, p + 1, &flags);
    if (!p) return NULL;
    n = (size_t)(p - key);
    on = json_key_is(d, key + 1, n - 2, s, &e, flags) ||
         s->kind == CQ_STEP_VALUES;
    if (d->record.rc) return NULL;
    p = cq_js_space(p);
    if (*p != ':') return cq_js_refuse(j, p, "expected :");
    p = cq_js_space(p + 1);
    if (p >= j->end) return cq_js_refuse(j, p, "");
    if (e && !on) cq_walk_again(&d->wenv, e, l->visit);
  }
  if (!on) {
    p = json_beside(d, p, e);
    if (!p) return NULL;
    d->step = JSON_NEXT;
  } else {
    if (s->kind == CQ_STEP_KEY && l->seen++)
      return json_form(j, key, "the rows stand here a second time");
    if (s->kind == CQ_STEP_VALUES) {
      cq_free(l->key);
      l->nkey = n;
      l->key = cq_strndup(key, n);
      if (!l->key) {
        d->record.rc = CQ_NOMEM;
        return NULL;
      }
    }
    d->env = e ? e->child : NULL;
    d->step = JSON_VALUE;
  }
  l->index++;
  return p;
}

static void json_up(json_decoder *d, cq_batch *batch) {
  if (d->depth > 0 && d->depth - 1 == d->p->outer) {
    batch->rest += 1 - d->inner;
    d->inner = 0;
  }
  d->step = d->depth ? JSON_NEXT : JSON_END;
}

/* At the value of level `depth`: a record, or a container that leads on. */
static const char *json_value(json_decoder *d, const char *p, cq_batch *batch) {
  const cq_step *s = &d->p->rows.steps[d->depth];
  cq_js *j = &d->record.j;
  int array;

  if (d->depth < d->nlevel) {
    array = s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_INDEX;
    if (*p == (array ? '[' : '{')) {
      json_level *l = &d->levels[d->depth++];

      if (s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_VALUES) d->found = 1;
      l->index = l->seen = 0;
      l->visit = ++d->wenv.visit;
      l->env = d->env;
      d->step = JSON_FIRST;
      return p + 1;
    }
    if (*p == 'n' && d->depth > 0) {
      p = cq_js_word(j, p, "null");
      /* In the list's own place; further up it is no list. */
      if (s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_VALUES) d->found = 1;
      if (p) json_up(d, batch);
      return p;
    }
    /* A document that is one object where a list is expected: a list of one. */
    if (!d->p->one_for_list || d->nlevel > 1 || s->kind != CQ_STEP_EACH ||
        *p != '{')
      return json_form(j, p,
                       s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_INDEX
                           ? "the rows' path expects a list"
                           : "the rows' path expects an object");
  }
  d->found = 1;
  p = json_record(d, p, batch);
  if (p) json_up(d, batch);
  return p;
}

/* One step of the document; NULL: refused, or w->rc. */
static const char *json_step_on(json_decoder *d, const char *p,
                                cq_batch *batch) {
  cq_js *j = &d->record.j;
  const cq_step *s;
  char close;

  switch (d->step) {
  case JSON_START:
    if ((unsigned char)*p == 0xEF && cq_feed_offset(&d->feed, p) == 0) {
      for (int i = 1; i < 3; i++)
        if (p[i] != "\xEF\xBB\xBF"[i])
          return cq_js_refuse(j, p + i, "expected a value");
      p += 3;
    }
    d->env = d->p->whole ? NULL : d->p->env.self.child;
    d->step = JSON_VALUE;
    return p;
  case JSON_VALUE:
    return json_value(d, p, batch);
  case JSON_FIRST:
  case JSON_NEXT:
    s = &d->p->rows.steps[d->depth - 1];
    close = s->kind == CQ_STEP_EACH || s->kind == CQ_STEP_INDEX ? ']' : '}';
    if (*p == close) {
      d->depth--;
      cq_free(d->levels[d->depth].key);
      d->levels[d->depth].key = NULL;
      json_up(d, batch);
      return p + 1;
    }
    if (d->step == JSON_NEXT) {
      if (*p != ',')
        return cq_js_refuse(
            j, p, close == ']' ? "expected , or ]" : "expected , or }");
      p++;
    }
    d->step = JSON_ITEM;
    return p;
  case JSON_ITEM:
    return json_item(d, p);
  case JSON_END:
    break;
  }
  return cq_js_refuse(j, p, "text after the end");
}

/* The envelope's fields lead into the rows: they are read from the whole. */
static int json_whole_envelope(json_decoder *d, cq_error *err) {
  const char *p = d->feed.block->data;
  const char *q;

  if ((unsigned char)*p == 0xEF) p += 3;
  d->wenv.j = d->record.j;
  d->wenv.j.depth = 0;
  q = cq_walk_record(&d->wenv, cq_js_space(p));
  if (!q && d->wenv.rc == CQ_NOMEM) return cq_error_nomem(err);
  if (!q && d->wenv.rc)
    return cq_error_set(err, d->wenv.rc, "answer: its envelope is too large");
  return q ? CQ_OK : cq_feed_refused(&d->feed, &d->wenv.j, "JSON", err);
}

static int json_finish(json_decoder *d, cq_error *err) {
  if (!d->found && !d->p->optional_rows)
    return cq_error_set(
        err, CQ_ERROR,
        "answer: no rows at \"%.200s\"\nhint: rows_optional: true, where "
        "the API leaves out an empty list",
        d->p->rows.text);
  return d->p->whole ? json_whole_envelope(d, err) : CQ_OK;
}

static int json_feed(cq_decoder *cd, cq_block *piece, int final,
                     cq_batch *batch, cq_error *err) {
  json_decoder *d = (json_decoder *)cd;
  cq_js *j = &d->record.j;
  int before = batch->nrow, ready;
  int rc = cq_feed_add(&d->feed, piece, final, &ready, err);
  const char *p, *q;

  if (rc || !ready) return rc;
  if (d->p->whole && !final) return cq_feed_wait(&d->feed, err);
  /* Nothing at all, where rows may be missing: no rows. */
  if (final && d->p->optional_rows && d->feed.base == 0 &&
      d->feed.block->len == 0)
    return CQ_OK;
  d->final = final;
  d->feed.retry = 0;
  p = d->feed.block->data + d->feed.at;
  j->end = d->feed.block->data + d->feed.block->len;
  j->bad = j->end;
  do {
    p = cq_js_space(p);
    d->feed.at = (size_t)(p - d->feed.block->data);
    q = p < j->end ? json_step_on(d, p, batch) : NULL;
    if (q) p = q;
  } while (q);
  if (batch->nrow > before && cq_batch_hold(batch, d->feed.block))
    return cq_error_nomem(err);
  if (d->record.rc == CQ_NOMEM) return cq_error_nomem(err);
  if (d->record.rc)
    return cq_error_set(err, d->record.rc,
                        "answer: a value is too large at byte %lld",
                        (long long)cq_feed_offset(&d->feed, p));
  if (p >= j->end && d->step == JSON_END)
    return final ? json_finish(d, err) : CQ_OK;
  if (j->bad < j->end || final)
    return cq_feed_refused(&d->feed, j, "JSON", err);
  return cq_feed_wait(&d->feed, err);
}

static const cq_value *json_envelope(const cq_decoder *cd) {
  return ((const json_decoder *)cd)->envelope;
}

const cq_decode_ops cq_decode_json = {"json",    json_compile, cq_program_drop,
                                      json_open, json_feed,    json_envelope,
                                      json_close};
