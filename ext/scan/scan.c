/* ext/scan/scan.c: a scan: jobs become tasks in a window, whose head gives the
 * rows; the others fetch ahead.  Order is that of the jobs, always.
 *
 * Nothing here waits but cq_scan_next, which sleeps in cq_http_wait and looks
 * for an interrupt at least every 100 ms. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"

/* A window of the cursor: what its requests have come to that are over. */
typedef struct window_end {
  int read; /* at least one is */
  size_t group, window;
  int64_t whole_us;
  int64_t newest_us; /* the greatest value; where it has a text */
  char newest[64];
  char *key; /* whose cursor it is */
} window_end;

struct cq_scan {
  cq_scan_options o; /* deep copies below */
  cq_arena arena;
  cq_scan_shared sh;
  cq_enum *jobs;
  cq_descent *descent;        /* of a tree, or NULL */
  cq_task *window[CQ_WINDOW]; /* ring */
  int first, n;
  int drained;   /* no further jobs */
  int64_t given; /* rows handed out */
  cq_batch *out; /* lent to the reader */
  cq_scan_stats stats;
  int64_t newest_us; /* cursor of a table without parent */
  json_t *newest;    /* {parent key: text}, or NULL */
  char *cursor;      /* text of stats.cursor */
  window_end at;     /* of the window that is being read */
  int64_t moves;     /* of the cursor */
  cq_set seams;      /* rows at the ends of windows, see scan_seam */
  int failed;        /* after an error nothing more comes */
  /* An error of what was fetched ahead is told when the reader gets there:
   * whether a row is seen must not depend on the network's order. */
  const cq_task *broken; /* the window's task that failed, or NULL */
  int jobs_failed;       /* so did finding out what comes behind the window */
  cq_error later;
};

/* The options' arrays live as long as the scan. */
static int scan_copy(cq_scan *s, cq_error *err) {
  const cq_scan_options *o = &s->o;
  cq_constraint *w =
      cq_arena_alloc(&s->arena, (o->nconstraint + 1) * sizeof *w);
  unsigned char *wanted =
      o->wanted ? cq_arena_alloc(&s->arena, (size_t)o->table->ncol + 1) : NULL;

  if (!w || (o->wanted && !wanted)) return cq_error_nomem(err);
  for (size_t i = 0; i < o->nconstraint; i++) {
    cq_value *v =
        cq_arena_alloc(&s->arena, (o->constraints[i].n + 1) * sizeof *v);

    if (!v) return cq_error_nomem(err);
    w[i] = o->constraints[i];
    w[i].values = v;
    for (size_t k = 0; k < w[i].n; k++)
      if (cq_value_copy(&s->arena, &o->constraints[i].values[k], &v[k]))
        return cq_error_nomem(err);
  }
  if (wanted) memcpy(wanted, o->wanted, (size_t)o->table->ncol);
  s->o.constraints = w;
  s->o.wanted = wanted;
  if (o->clients) {
    const cq_client **c =
        cq_arena_alloc(&s->arena, (o->nclient + 1) * sizeof *c);

    if (!c) return cq_error_nomem(err);
    memcpy(c, o->clients, o->nclient * sizeof *c);
    s->o.clients = c;
  }
  if (o->cursor_from &&
      !(s->o.cursor_from = cq_arena_strndup(&s->arena, o->cursor_from,
                                            strlen(o->cursor_from))))
    return cq_error_nomem(err);
  return CQ_OK;
}

/* response.body.<path> in computed columns: envelope slots from 4 on. */
static int scan_body_refs(cq_scan *s, cq_field *env, int *nenv, cq_error *err) {
  const cq_table *t = s->sh.table;
  size_t cap = 0;

  for (int k = 0; k < s->sh.need.norder; k++) {
    size_t n;
    cq_ref *const *refs =
        cq_template_refs(t->columns[s->sh.need.order[k]].value, &n);

    for (size_t i = 0; i < n; i++) {
      if (refs[i]->root != CQ_R_RESPONSE || strcmp(refs[i]->name, "body") != 0)
        continue;
      if (s->sh.nbody == 32)
        return cq_error_set(err, CQ_TOOBIG,
                            "%s: more than 32 columns from response.body",
                            t->name);
      if (cq_grow(&s->sh.body_refs, &cap, s->sh.nbody, sizeof *s->sh.body_refs))
        return cq_error_nomem(err);
      s->sh.body_refs[s->sh.nbody] = refs[i];
      env[(*nenv)++] =
          (cq_field){refs[i]->path, 0, NULL, NULL, 4 + (int)s->sh.nbody, NULL};
      s->sh.nbody++;
      s->sh.collect = 1;
    }
  }
  return CQ_OK;
}

/* Fields of the records of `call` (-1: of the list). */
static int scan_fields(const cq_scan *s, int call, cq_field *f) {
  const cq_table *t = s->sh.table;
  int n = 0;

  for (int i = 0; i < t->nslot; i++) {
    const cq_column *c = i < t->ncol ? &t->columns[i] : NULL;
    const cq_slot *slot = c ? NULL : &t->slots[i];

    if (!s->sh.need.slot[i] || (c && c->source != CQ_FROM_PATH) ||
        (c ? c->call : slot->call) != call)
      continue;
    f[n] = c ? (cq_field){c->path, c->type, c->format, c->shape, i, NULL}
             : (cq_field){slot->path,  slot->type, slot->format,
                          slot->shape, i,          NULL};
    f[n].nulls = c ? c->nulls : t->nulls.n ? &t->nulls : NULL;
    n++;
  }
  return n;
}

/* What a keyset pager asks by: a value of the last record. */
static void scan_last(const cq_page_def *p, int slot, cq_field *f, int *n) {
  if (p->by == CQ_PAGE_LAST && p->token)
    f[(*n)++] = (cq_field){.path = p->token, .slot = slot};
}

/* The records below a record: those of the list, at a place of their own. */
static int scan_below(cq_scan *s, cq_program_def d, cq_error *err) {
  static const cq_path self = {".", 0, NULL};
  const cq_table *t = s->sh.table;
  cq_field env[3], *fields = (cq_field *)d.fields;

  d.nenvelope = 0;
  d.nenvslot = 4;
  if (cq_page_envelope(&t->below.page, &s->arena, env, &d.nenvelope))
    return cq_error_nomem(err);
  d.nfield = scan_fields(s, -1, fields);
  scan_last(&t->below.page, t->nslot, fields, &d.nfield);
  d.envelope = env;
  d.rows = t->below.rows ? t->below.rows : &self;
  d.optional_rows = t->rows_optional;
  return s->sh.decode->compile(&d, &s->sh.below_program, err);
}

static int scan_compile(cq_scan *s, cq_error *err) {
  static const cq_path self = {".", 0, NULL};
  static cq_step each = {.kind = CQ_STEP_EACH};
  static const cq_path elements = {"[*]", 1, &each};
  const cq_table *t = s->sh.table;
  cq_field *fields = cq_calloc((size_t)t->nslot + 2, sizeof *fields);
  cq_field env[3 + 32];
  cq_program_def d;
  int rc = CQ_OK;

  memset(&d, 0, sizeof d);
  s->sh.call_programs = cq_calloc(t->ncall + 1, sizeof *s->sh.call_programs);
  if (!fields || !s->sh.call_programs) {
    rc = cq_error_nomem(err);
    goto done;
  }
  if (cq_page_envelope(&t->page, &s->arena, env, &d.nenvelope))
    rc = cq_error_nomem(err);
  if (rc == CQ_OK) rc = scan_body_refs(s, env, &d.nenvelope, err);
  if (rc) goto done;
  d.rows = t->rows ? t->rows : t->values ? &elements : &self;
  d.optional_rows = t->rows_optional || t->values;
  d.one_for_list = t->integration->allow_file;
  d.table = t;
  d.fields = fields;
  d.nfield = scan_fields(s, -1, fields);
  scan_last(&t->page, t->nslot, fields, &d.nfield);
  d.envelope = env;
  d.nslot = t->nslot + 1;
  d.nenvslot = 4 + (int)s->sh.nbody;
  rc = s->sh.decode->compile(&d, &s->sh.program, err);
  if (rc == CQ_OK && t->get.request) {
    d.rows = t->get.record ? t->get.record : &self;
    d.optional_rows = t->rows_optional;
    rc = s->sh.decode->compile(&d, &s->sh.get_program, err);
  }
  if (rc == CQ_OK && t->below.request) rc = scan_below(s, d, err);
  if (rc == CQ_OK && t->request && t->request->inner.path) {
    s->sh.collect = 1;
    rc = cq_inner_compile(t->request, &s->sh.outer_program, err);
  }
  for (size_t k = 0; k < t->ncall && rc == CQ_OK; k++) {
    const cq_call *c = &t->calls[k];

    if (!s->sh.need.call[k]) continue;
    memset(&d, 0, sizeof d);
    if (cq_page_envelope(&c->page, &s->arena, env, &d.nenvelope)) {
      rc = cq_error_nomem(err);
      break;
    }
    d.rows = c->rows ? c->rows : c->record ? c->record : &self;
    d.optional_rows = 1;
    d.fields = fields;
    if (c->rows && !c->join_record)
      fields[d.nfield++] = (cq_field){
          &self, c->shape ? CQ_JSON : 0, NULL, c->shape, t->nslot, NULL};
    else
      d.nfield = scan_fields(s, (int)k, fields);
    if (c->join_record)
      fields[d.nfield++] =
          (cq_field){c->join_record,
                     t->columns[c->join_slot < t->ncol ? c->join_slot : 0].type,
                     NULL,
                     NULL,
                     t->nslot,
                     NULL};
    d.envelope = env;
    d.nslot = t->nslot + 1;
    d.nenvslot = 4;
    rc = cq_call_decode(&s->sh, k)->compile(&d, &s->sh.call_programs[k], err);
  }
  if (rc) cq_error_prefix(err, "%s: ", t->name);
done:
  cq_free(fields);
  return rc;
}

int64_t cq_scan_page_cap(const cq_scan_options *o) {
  /* Of records that may be none, more are needed than rows. */
  return o->cap_sure && !o->table->rows_when ? o->cap : -1;
}

/* What a server wrote, such as the address of a next page, is part of messages. */
static int scan_redact(const cq_scan *s, int rc, cq_error *err) {
  if (!err || rc == CQ_NOMEM) return rc;
  cq_auths_redact(s->o.env->auths, err->text);
  cq_config_redact(s->o.source->config, err->text);
  return rc;
}

static void rows_close(const cq_rows *r) {
  if (r && r->close) r->close(r->user);
}

/* A query costs no money unless that is wanted; nor does what is above its
 * table. */
static int scan_paid(const cq_scan_options *o, cq_error *err) {
  const cq_table *t = o->table;

  while (t && !t->paid) t = t->parent.table;
  if (!t || cq_config_pays(o->source->config)) return CQ_OK;
  return cq_error_set(
      err, CQ_MISUSE,
      "%s: its API costs money\nhint: cq_config('%s."
      "use_paid_apis', 'true'), or in a spec use_paid_apis: true",
      t->name, o->source->in->name);
}

int cq_scan_open(const cq_scan_options *o, cq_scan **out, cq_error *err) {
  cq_scan *s = cq_calloc(1, sizeof *s);
  const char *decode;
  int rc;

  *out = NULL;
  if (!s) {
    rows_close(o->parents);
    return cq_error_nomem(err);
  }
  s->o = *o;
  cq_arena_init(&s->arena);
  cq_arena_init(&s->sh.denied_arena);
  cq_source_ref(o->source);
  s->stats.cursor = "";
  s->sh.o = &s->o;
  s->sh.source = o->source;
  s->sh.table = o->table;
  s->sh.parent = o->table->parent.table;
  s->sh.now_us = cq_now_us();
  s->sh.stats = &s->stats;
  decode = o->table->request ? o->table->request->decode : NULL;
  if (o->table->request && o->table->request->inner.path)
    decode = o->table->request->inner.decode;
  s->sh.decode = decode ? cq_decode_find(decode) : &cq_decode_json;
  if (!s->sh.decode) s->sh.decode = &cq_decode_json;
  rc = scan_copy(s, err);
  if (rc == CQ_OK)
    rc = cq_need_compute(o->table, s->o.wanted, o->live, &s->sh.need, err);
  /* A sync needs the key of the parent's rows, for _cq_parent_id. */
  for (size_t i = 0;
       rc == CQ_OK && o->parents && s->sh.need.parent && i < s->sh.parent->nkey;
       i++)
    s->sh.need.parent[s->sh.parent->key[i]] = 1;
  if (rc == CQ_OK) rc = scan_paid(o, err);
  if (rc == CQ_OK) rc = scan_compile(s, err);
  if (rc == CQ_OK && o->table->retired) {
    s->drained = 1;
    s->stats.skipped_client = 1;
    snprintf(s->stats.skip_reason, sizeof s->stats.skip_reason, "%s: %.200s",
             o->table->name, o->table->retired);
  } else if (rc == CQ_OK)
    rc = cq_enum_open(&s->o, &s->sh.need, s->sh.now_us, &s->jobs, err);
  if (rc == CQ_OK && o->table->below.request)
    rc = cq_descent_new(o->table, &s->descent, err);
  if (rc) {
    scan_redact(s, rc, err);
    cq_scan_close(s);
    return rc;
  }
  *out = s;
  return CQ_OK;
}

/* The cursor of the parent's row `key` (or of the table) is at least this. */
static int cursor_put(cq_scan *s, const char *key, int64_t us, const char *text,
                      int *moved, cq_error *err) {
  const char *old;
  int64_t old_us;

  if (!s->sh.parent) {
    if (s->cursor && us <= s->newest_us) return CQ_OK;
    cq_free(s->cursor);
    s->cursor = cq_strdup(text);
    s->newest_us = us;
    *moved = 1;
    return s->cursor ? CQ_OK : cq_error_nomem(err);
  }
  if (!s->newest) {
    s->newest = s->o.cursor_from && s->o.cursor_from[0] == '{'
                    ? json_loads(s->o.cursor_from, 0, NULL)
                    : NULL;
    if (!s->newest) s->newest = json_object();
  }
  old = json_string_value(json_object_get(s->newest, key));
  if (old && cq_time_parse(old, strlen(old), &old_us) == CQ_OK && old_us >= us)
    return CQ_OK;
  *moved = 1;
  return !s->newest || json_object_set_new(s->newest, key, json_string(text))
             ? cq_error_nomem(err)
             : CQ_OK;
}

/* The window is over: the cursor moves to the greatest value that was seen in
 * it, or to its end, before which nothing is missing; but where something was
 * not told. */
static int window_over(cq_scan *s, cq_error *err) {
  const cq_scan_stats *st = &s->stats;
  int whole = !st->denied && !st->skipped_client && !st->skipped_rows;
  window_end *w = &s->at;
  int moved = 0, rc = CQ_OK;
  char text[64];

  if (w->newest[0] && w->newest_us > s->sh.now_us) {
    w->newest_us = s->sh.now_us;
    cq_time_format(w->newest_us, w->newest);
  }
  if (w->newest[0])
    rc = cursor_put(s, w->key, w->newest_us, w->newest, &moved, err);
  if (rc == CQ_OK && whole && w->whole_us >= 0 &&
      (!w->newest[0] || w->whole_us > w->newest_us)) {
    cq_time_format(w->whole_us, text);
    rc = cursor_put(s, w->key, w->whole_us, text, &moved, err);
  }
  w->read = 0;
  if (moved && whole && !s->descent) s->moves++;
  return rc;
}

/* Remembers how far the head task has read, when it is complete. */
static int scan_cursor(cq_scan *s, const cq_task *t, cq_error *err) {
  const cq_job *j = cq_task_job(t);
  const char *text = cq_task_cursor(t);
  window_end *w = &s->at;
  int64_t us;

  if (s->sh.table->cursor.column < 0) return CQ_OK;
  if (!w->read) {
    cq_free(w->key);
    w->key = cq_strdup(j->parent_key);
    if (!w->key) return cq_error_nomem(err);
    w->read = 1;
    w->group = j->group;
    w->window = j->window;
    w->whole_us = j->whole_us;
    w->newest[0] = '\0';
  }
  if (!*text || cq_time_parse(text, strlen(text), &us)) return CQ_OK;
  if (!w->newest[0] || us > w->newest_us) {
    w->newest_us = us;
    snprintf(w->newest, sizeof w->newest, "%s", text);
  }
  return CQ_OK;
}

/* Is the next of the requests one of another window, or is there none? */
static int window_left(const cq_scan *s) {
  const cq_job *j = s->n ? cq_task_job(s->window[s->first]) : NULL;

  return s->at.read && (j ? j->group != s->at.group || j->window != s->at.window
                          : s->drained);
}

static int scan_fill(cq_scan *s, cq_error *err) {
  while ((!s->drained || s->descent) && !s->broken && !s->jobs_failed &&
         s->n < CQ_WINDOW) {
    cq_job *job;
    int rc = CQ_DONE;

    /* With a cap, what is behind the first request may never be needed. */
    if (s->o.cap >= 0 && s->n >= 1) return CQ_OK;
    if (!s->drained) rc = cq_enum_next(s->jobs, &job, err);
    if (rc == CQ_DONE) s->drained = 1;
    /* In the order in which its records were given, after the table's own. */
    if (rc == CQ_DONE && s->descent)
      rc = cq_descent_next(s->descent, &job, err);
    if (rc == CQ_DONE || rc == CQ_BUSY) return CQ_OK;
    if (rc != CQ_ROW) return rc;
    rc = cq_task_new(&s->sh, job, &s->window[(s->first + s->n) % CQ_WINDOW],
                     err);
    if (rc) return rc;
    s->n++;
  }
  return CQ_OK;
}

/* Lets the window's tasks go on, up to one that has failed. */
static int scan_advance(cq_scan *s, cq_error *err) {
  for (int i = 0; i < s->n; i++) {
    cq_task *t = s->window[(s->first + i) % CQ_WINDOW];
    int rc;

    if (t == s->broken) return CQ_OK;
    rc = cq_task_poll(t, i == 0 ? 2 : 1, i == 0 ? err : &s->later);
    if (rc == CQ_OK) continue;
    if (i == 0) return rc;
    s->later.code = rc;
    s->broken = t;
    return CQ_OK;
  }
  return CQ_OK;
}

static int same_number(const cq_value *a, const cq_value *b) {
  double x = a->kind == CQ_INT ? (double)a->u.i : a->u.r;
  double y = b->kind == CQ_INT ? (double)b->u.i : b->u.r;

  return a->kind == CQ_INT && b->kind == CQ_INT ? a->u.i == b->u.i : x == y;
}

static int is_number(const cq_value *v) {
  return v->kind == CQ_INT || v->kind == CQ_DOUBLE;
}

/* An IN list that is asked value by value: an API that compares loosely gives
 * a row to several of the values, but it is the row of one. */
static void scan_one_value(cq_batch *b, const cq_table *t, const cq_job *j,
                           const cq_scan_options *o) {
  for (size_t i = 0; i < o->nconstraint; i++) {
    const cq_constraint *w = &o->constraints[i], *asked = NULL;
    int keep = 0;

    if (w->op != CQ_W_IN || w->n < 2) continue;
    for (size_t k = 0; k < j->nwhere; k++)
      if (j->where[k].column == w->column && j->where[k].op == CQ_W_EQ &&
          t->columns[w->column].source != CQ_FROM_WHERE)
        asked = &j->where[k];
    for (int r = 0; asked && r < b->nrow; r++) {
      cq_value *row = cq_batch_row(b, r);
      const cq_value *cell = &row[w->column], *v = &asked->values[0];

      if (is_number(cell) && is_number(v) ? !same_number(cell, v)
                                          : !cq_value_same(cell, v))
        continue;
      if (keep != r)
        memcpy(cq_batch_row(b, keep), row, (size_t)b->ncol * sizeof *row);
      keep++;
    }
    if (asked) b->nrow = keep;
  }
}

static uint64_t row_hash(const cq_value *row, int n, uint64_t h) {
  for (int i = 0; i < n; i++) h = cq_value_hash(h, &row[i]);
  return h;
}

/* Two windows of a cursor meet in a moment which most APIs count to both: what
 * the first has given of it the second does not give again.  An API that counts
 * it to one of them loses nothing. */
static int scan_seam(cq_scan *s, cq_batch *b, const cq_job *j, cq_error *err) {
  const cq_table *t = s->sh.table;
  int keep = 0;

  if (j->windows < 2) return CQ_OK;
  for (int r = 0; r < b->nrow; r++) {
    cq_value *row = cq_batch_row(b, r);
    const cq_value *at = &row[t->cursor.column];
    uint64_t h = 0;
    int64_t us;
    int timed = at->kind == CQ_STR && !cq_time_parse(at->u.s, at->len, &us);
    int first = timed && j->window + 1 < j->windows && us >= j->end_us;
    int second = timed && j->window > 0 && us <= j->begin_us, is_new;

    if (first || second) h = row_hash(row, t->ncol, j->series);
    if (second && cq_set_has(&s->seams, h + j->window - 1)) continue;
    if (first && cq_set_add(&s->seams, h + j->window, &is_new))
      return cq_error_nomem(err);
    if (keep != r)
      memcpy(cq_batch_row(b, keep), row, (size_t)b->ncol * sizeof *row);
    keep++;
  }
  b->nrow = keep;
  return CQ_OK;
}

int cq_scan_poll(cq_scan *s, const cq_batch **batch, const cq_client **client,
                 cq_error *err) {
  cq_below *below;
  int rc;

  *batch = NULL;
  cq_batch_free(s->out);
  s->out = NULL;
  if (s->failed) return s->failed;
  if (s->o.cap >= 0 && s->given >= s->o.cap) s->o.cap = -1;
  for (;;) {
    if (!s->jobs_failed && !s->broken && (rc = scan_fill(s, &s->later)) != 0)
      s->jobs_failed = rc;
    if (s->jobs_failed && s->n == 0) {
      if (err) *err = s->later;
      rc = s->jobs_failed;
      break;
    }
    if (window_left(s)) {
      int64_t moves = s->moves;

      rc = window_over(s, err);
      if (rc) break;
      if (s->o.by_parts && s->n && s->moves > moves) return CQ_BUSY;
    }
    rc = scan_advance(s, err);
    if (rc) break;
    if (s->n == 0) return s->drained ? CQ_DONE : CQ_BUSY;
    rc = cq_task_take(s->window[s->first], &s->out, &below);
    if (rc != CQ_ROW && s->window[s->first] == s->broken) {
      if (err) *err = s->later;
      rc = s->later.code;
      break;
    }
    if (rc == CQ_BUSY) return CQ_BUSY;
    if (rc == CQ_DONE) {
      rc = scan_cursor(s, s->window[s->first], err);
      cq_task_free(s->window[s->first]);
      s->window[s->first] = NULL;
      s->first = (s->first + 1) % CQ_WINDOW;
      s->n--;
      if (rc) break;
      continue;
    }
    if (s->descent &&
        (rc = cq_descent_add(s->descent, below, s->out, err)) != 0)
      break;
    scan_one_value(s->out, s->sh.table, cq_task_job(s->window[s->first]),
                   &s->o);
    rc = scan_seam(s, s->out, cq_task_job(s->window[s->first]), err);
    if (rc) break;
    if (s->out->nrow == 0) {
      cq_batch_free(s->out);
      s->out = NULL;
      continue;
    }
    s->given += s->out->nrow;
    s->stats.rows += s->out->nrow;
    *batch = s->out;
    if (client) *client = cq_task_job(s->window[s->first])->client;
    return CQ_ROW;
  }
  s->failed = rc;
  return scan_redact(s, rc, err);
}

int cq_scan_next(cq_scan *s, const cq_batch **batch, const cq_client **client,
                 cq_error *err) {
  cq_env *env = s->o.env;

  for (;;) {
    int rc = cq_scan_poll(s, batch, client, err);

    if (rc != CQ_BUSY) return rc;
    if (env->interrupted && env->interrupted(env->user))
      return s->failed = cq_error_set(err, CQ_INTERRUPT, "interrupted");
    cq_http_wait(env->http, 50);
  }
}

const cq_value *cq_scan_parent(const cq_scan *s) {
  const cq_job *j = s->out && s->n ? cq_task_job(s->window[s->first]) : NULL;

  return j && j->nparent == 1 ? j->parents[0] : NULL;
}

const cq_value *const *cq_scan_denied(const cq_scan *s, size_t *n) {
  *n = s->sh.ndenied;
  return s->sh.denied;
}

void cq_scan_close(cq_scan *s) {
  if (!s) return;
  for (int i = 0; i < s->n; i++)
    cq_task_free(s->window[(s->first + i) % CQ_WINDOW]);
  cq_descent_free(s->descent);
  cq_enum_close(s->jobs);
  rows_close(s->o.parents);
  cq_batch_free(s->out);
  for (size_t k = 0; s->sh.call_programs && k < s->sh.table->ncall; k++)
    if (s->sh.call_programs[k])
      cq_call_decode(&s->sh, k)->program_free(s->sh.call_programs[k]);
  cq_free(s->sh.call_programs);
  if (s->sh.program) s->sh.decode->program_free(s->sh.program);
  if (s->sh.get_program) s->sh.decode->program_free(s->sh.get_program);
  if (s->sh.below_program) s->sh.decode->program_free(s->sh.below_program);
  if (s->sh.outer_program)
    cq_inner_outer(s->sh.table->request)->program_free(s->sh.outer_program);
  cq_free(s->sh.body_refs);
  cq_free(s->sh.denied);
  cq_arena_clear(&s->sh.denied_arena);
  cq_need_clear(&s->sh.need);
  json_decref(s->newest);
  cq_set_clear(&s->seams);
  cq_free(s->cursor);
  cq_free(s->at.key);
  cq_source_unref(s->o.source);
  cq_arena_clear(&s->arena);
  cq_free(s);
}

int64_t cq_scan_moves(const cq_scan *s) {
  return s->moves;
}

void cq_scan_stats_get(const cq_scan *s, cq_scan_stats *out) {
  cq_scan *own = (cq_scan *)s; /* the text below is made on demand */

  if (s->newest) {
    char *dump = json_dumps(s->newest, JSON_COMPACT | JSON_SORT_KEYS);

    cq_free(own->cursor);
    own->cursor = dump ? cq_strdup(dump) : NULL;
    free(dump);
  }
  *out = s->stats;
  out->cursor = s->cursor ? s->cursor : "";
  for (int i = 0; i < s->n; i++)
    cq_task_stats(s->window[(s->first + i) % CQ_WINDOW], out);
  if (s->jobs) cq_enum_stats(s->jobs, out);
}
