/* ext/scan/task.c: one job's series of pages: fetched one ahead, decoded on
 * the caller's thread, columns filled, calls made, batches handed on in the
 * order in which they came. */
#include <stdio.h>
#include <string.h>

#include "scan/internal.h"

/* A streamed page gives batches of about so many rows, or of so much memory. */
enum { STREAM_ROWS = 512, STREAM_BYTES = 2 << 20 };

typedef struct item { /* a batch on its way out */
  struct item *next;
  cq_batch *batch;
  cq_calls *calls; /* NULL = none, or done */
  cq_below *below; /* its records' places in a tree, or NULL */
} item;

struct cq_task {
  cq_scan_shared *sh;
  cq_job *job;
  cq_pages pages;
  cq_run_job *running; /* the table's job, before its result is asked for */
  cq_batch *batch;     /* being filled */
  cq_value last;       /* keyset: of the last record; in last_arena */
  cq_arena last_arena;
  item *first, *tail;
  int nitem;
  int ran;      /* the job before it is over */
  int done;     /* no further pages */
  int held;     /* a further page, asked for when it is missed */
  int old_seen; /* a feed reached what is known */
  int64_t known_us, newest_us;
  char newest[64];
};

/* NULL: one record has no pages. */
static const cq_page_def *task_pages(const cq_task *t) {
  return t->job->get     ? NULL
         : t->job->above ? &t->sh->table->below.page
                         : &t->sh->table->page;
}

static const cq_request_def *task_request(const cq_task *t) {
  const cq_table *table = t->sh->table;

  return t->job->get     ? table->get.request
         : t->job->above ? table->below.request
                         : table->request;
}

static cq_scope task_scope(const cq_task *t) {
  cq_scope s;

  memset(&s, 0, sizeof s);
  s.config = t->sh->source->config;
  s.client = t->job->client;
  s.table = t->sh->table;
  s.where = t->job->where;
  s.nwhere = t->job->nwhere;
  s.each = t->job->each;
  s.job = t->running ? cq_run_job_values(t->running) : NULL;
  s.option = t->job->above ? NULL : t->job->option;
  s.parent = t->sh->parent;
  s.parent_rows = t->job->parents;
  s.nparent = t->job->nparent;
  s.cursor_from = t->job->cursor_from;
  s.cursor_to = t->job->cursor_to;
  s.page = &t->pages.state;
  s.run_us = t->sh->now_us;
  s.body_refs = t->sh->body_refs;
  s.nbody = t->sh->nbody;
  return s;
}

static cq_fetch_def task_fetch(const cq_task *t) {
  const cq_table *table = t->sh->table;
  cq_fetch_def f;

  memset(&f, 0, sizeof f);
  f.env = t->sh->o->env;
  f.source = t->sh->source;
  f.table = table->name;
  f.service = table->service;
  f.permissions = table->permissions;
  f.own = 1;
  f.request = task_request(t);
  f.errors = &table->errors;
  f.limits = &table->limits;
  f.url = t->pages.state.url;
  f.named = t->pages.state.named;
  f.live = t->sh->o->live;
  f.whole = t->sh->collect;
  return f;
}

static int task_send(cq_task *t, cq_error *err) {
  cq_scope s = task_scope(t);
  cq_fetch_def f = task_fetch(t);

  if (t->job->above) {
    s.rows = &t->job->above;
    s.nrow = 1;
  }
  return cq_fetch_open(&f, &s, &t->pages.fetch, err);
}

static int task_batch(cq_task *t, cq_error *err) {
  if (!t->batch && !(t->batch = cq_batch_new(t->sh->table->nslot + 1)))
    return cq_error_nomem(err);
  return CQ_OK;
}

/* Greatest cursor value; a feed's rows that are older than the known go. */
static void task_cursor(cq_task *t, cq_batch *b) {
  int column = t->sh->table->cursor.column, keep = 0;
  int width = b->ncol;

  for (int r = 0; r < b->nrow; r++) {
    cq_value *row = cq_batch_row(b, r);
    const cq_value *v = &row[column];
    int64_t us;

    if (v->kind == CQ_STR && v->len < sizeof t->newest &&
        cq_time_parse(v->u.s, v->len, &us) == CQ_OK) {
      if (t->known_us && t->sh->table->cursor.order < 0 && us < t->known_us) {
        t->old_seen = 1;
        continue;
      }
      if (!t->newest[0] || us > t->newest_us) {
        t->newest_us = us;
        snprintf(t->newest, sizeof t->newest, "%.*s", (int)v->len, v->u.s);
      }
    }
    if (keep != r)
      memcpy(cq_batch_row(b, keep), row, (size_t)width * sizeof *row);
    keep++;
  }
  b->nrow = keep;
}

/* Is the cursor's value there with the list's answer, or (1) after the calls? */
static int cursor_late(const cq_table *t) {
  return t->cursor.column >= 0 && t->columns[t->cursor.column].call >= 0;
}

/* Records for which rows_when is false are no rows. */
static int task_when(cq_task *t, cq_scope *s, cq_error *err) {
  cq_context c = cq_scope_context(s);
  int keep = 0, rc = CQ_OK;
  cq_arena tmp;

  cq_arena_init(&tmp);
  for (int r = 0; r < t->batch->nrow && rc == CQ_OK; r++) {
    const cq_value *row = cq_batch_row(t->batch, r);
    int yes;

    s->rows = &row;
    s->nrow = 1;
    rc = cq_template_true(t->sh->table->rows_when, &c, &tmp, &yes, err);
    if (rc && rc != CQ_NOMEM)
      cq_error_prefix(err, "%s: rows_when: ", t->sh->table->name);
    cq_arena_reset(&tmp);
    if (rc || !yes) continue;
    if (keep != r)
      memcpy(cq_batch_row(t->batch, keep), row,
             (size_t)t->batch->ncol * sizeof *row);
    keep++;
  }
  t->batch->nrow = keep;
  s->rows = NULL;
  s->nrow = 0;
  cq_arena_clear(&tmp);
  return rc;
}

/* The rows so far leave as one batch. */
static int task_emit(cq_task *t, const cq_value *envelope, cq_error *err) {
  cq_scope s = task_scope(t);
  cq_head head;
  cq_below *below = NULL;
  item *it;
  int rc;

  if (!t->batch || t->batch->nrow == 0) {
    cq_batch_free(t->batch);
    t->batch = NULL;
    return CQ_OK;
  }
  if (t->pages.fetch) {
    head = cq_fetch_head(t->pages.fetch);
    s.answer = &head;
  }
  s.envelope = envelope;
  rc = cq_columns_fill(t->sh, &s, t->batch, 0, -1, err);
  if (rc == CQ_OK && t->sh->table->below.request)
    rc = cq_below_new(t->sh->table, t->job, t->batch, &below, err);
  if (rc == CQ_OK && t->sh->table->rows_when) rc = task_when(t, &s, err);
  if (rc == CQ_OK && t->sh->table->cursor.column >= 0 &&
      !cursor_late(t->sh->table))
    task_cursor(t, t->batch);
  it = rc ? NULL : cq_calloc(1, sizeof *it);
  if (!it) {
    cq_below_free(below);
    return rc ? rc : cq_error_nomem(err);
  }
  t->sh->stats->warnings += t->batch->warnings;
  it->batch = t->batch;
  it->below = below;
  t->batch = NULL;
  s.answer = NULL;
  s.envelope = NULL;
  s.page = NULL;
  s.option = NULL; /* of the list alone */
  rc = cq_calls_open(t->sh, s, it->batch, &it->calls, err);
  if (rc) {
    cq_below_free(it->below);
    cq_batch_free(it->batch);
    cq_free(it);
    return rc;
  }
  if (t->tail)
    t->tail->next = it;
  else
    t->first = it;
  t->tail = it;
  t->nitem++;
  return CQ_OK;
}

/* The constants of the table, in the job's arena. */
static int task_constants(cq_task *t, cq_value *out, cq_error *err) {
  cq_scope s = task_scope(t);
  cq_context c = cq_scope_context(&s);
  int rc = cq_template_eval(t->sh->table->values, &c, CQ_PLACE_PLAIN,
                            &t->job->arena, out, err);

  if (rc && rc != CQ_NOMEM)
    cq_error_prefix(err, "%s: values: ", t->sh->table->name);
  if (rc == CQ_OK && out->kind != CQ_NULL &&
      !(out->kind == CQ_STR && out->json))
    rc = cq_error_set(err, CQ_ERROR, "%s: values: expected a list",
                      t->sh->table->name);
  return rc;
}

/* Rows that need no request: the table's constants, elements of a column of the
 * parent's row, or one row per job where only `each` or the client speaks. */
static int task_local(cq_task *t, cq_error *err) {
  const cq_table *table = t->sh->table;
  const cq_value *source = NULL;
  cq_value constants;
  cq_block *block;
  cq_decoder *d = NULL;
  int rc = task_batch(t, err);

  if (rc) return rc;
  for (int i = 0; t->sh->parent && table->parent.rows && t->job->nparent &&
                  i < t->sh->parent->ncol;
       i++)
    if (strcmp(t->sh->parent->columns[i].name, table->parent.rows) == 0)
      source = &t->job->parents[0][i];
  t->done = 1;
  if (table->values) {
    rc = task_constants(t, &constants, err);
    if (rc) return rc;
    source = &constants;
  }
  if (!table->parent.rows && !table->values)
    return cq_batch_add(t->batch) ? task_emit(t, NULL, err)
                                  : cq_error_nomem(err);
  if (!source || source->kind != CQ_STR || source->len == 0) return CQ_OK;
  block = cq_block_new(source->len + 64);
  if (!block) return cq_error_nomem(err);
  memcpy(block->data, source->u.s, source->len);
  memset(block->data + source->len, 0, 64);
  block->len = source->len;
  rc = t->sh->decode->open(t->sh->program, &d, err);
  if (rc) {
    cq_block_unref(block);
    return rc;
  }
  rc = t->sh->decode->feed(d, block, 1, t->batch, err);
  t->sh->decode->close(d);
  if (rc) {
    if (table->values)
      cq_error_prefix(err, "%s: values: ", table->name);
    else
      cq_error_prefix(err, "%s: rows in %s of %s: ", table->name,
                      table->parent.rows, t->sh->parent->name);
    return rc;
  }
  return task_emit(t, NULL, err);
}

int cq_task_new(cq_scan_shared *sh, cq_job *job, cq_task **out, cq_error *err) {
  cq_task *t = cq_calloc(1, sizeof *t);
  int rc;

  *out = NULL;
  if (!t) {
    cq_job_free(job);
    return cq_error_nomem(err);
  }
  t->sh = sh;
  t->job = job;
  cq_arena_init(&t->last_arena);
  cq_pages_start(&t->pages, task_pages(t),
                 job->above ? -1 : cq_scan_page_cap(sh->o), sh->decode);
  t->pages.holds = sh->table->request;
  t->pages.outer = sh->outer_program;
  t->known_us = job->known_us;
  if (sh->table->job.poll) {
    cq_scope s = task_scope(t);
    cq_fetch_def f = task_fetch(t);

    s.option = NULL; /* of its result */
    rc = cq_run_job_open(&f, &s, sh->stats, &t->running, err);
  } else {
    rc = task_request(t) ? task_send(t, err) : task_local(t, err);
  }
  if (rc) {
    cq_task_free(t);
    return rc;
  }
  *out = t;
  return CQ_OK;
}

/* The page is complete: hand on its rows and ask for the next. */
static int task_page(cq_task *t, cq_error *err) {
  int go = 0;
  int rc = cq_pages_follow(&t->pages, &t->last, &go, err);

  if (rc) cq_error_prefix(err, "%s: ", t->sh->table->name);
  if (rc == CQ_OK)
    rc = task_emit(t, t->sh->decode->envelope(t->pages.decoder), err);
  cq_pages_drop(&t->pages, t->sh->stats);
  /* With a cap these rows may be all that is needed: nothing ahead of them. */
  if (rc == CQ_OK && go && !t->old_seen && t->sh->o->cap >= 0)
    t->held = 1;
  else if (rc == CQ_OK && go && !t->old_seen)
    rc = task_send(t, err);
  else
    t->done = 1;
  return rc;
}

/* Keyset paging needs the last record's value after its batch has gone. */
static int task_last(cq_task *t, cq_error *err) {
  const cq_value *row;

  if (t->pages.def->by != CQ_PAGE_LAST || t->batch->nrow == 0) return CQ_OK;
  row = cq_batch_row(t->batch, t->batch->nrow - 1);
  cq_arena_reset(&t->last_arena);
  return cq_value_copy(&t->last_arena, &row[t->sh->table->nslot], &t->last)
             ? cq_error_nomem(err)
             : CQ_OK;
}

static int task_data(cq_task *t, cq_error *err) {
  const cq_scan_shared *sh = t->sh;
  const cq_program *program = t->job->get     ? sh->get_program
                              : t->job->above ? sh->below_program
                                              : sh->program;
  int whole, rc = task_batch(t, err);

  if (rc == CQ_OK)
    rc = cq_pages_read(&t->pages, program, t->batch, &whole, err);
  if (rc == CQ_OK) rc = task_last(t, err);
  if (rc) return rc;
  if (whole) return task_page(t, err);
  return t->batch->nrow >= STREAM_ROWS ||
                 cq_batch_bytes(t->batch) >= STREAM_BYTES
             ? task_emit(t, NULL, err)
             : CQ_OK;
}

static int task_end(cq_task *t, cq_outcome o, const cq_error *why,
                    cq_error *err) {
  cq_scan_stats *st = t->sh->stats;

  t->done = 1;
  if (o == CQ_F_EMPTY) return CQ_OK;
  if (o == CQ_F_DENIED) {
    cq_stats_denied(st, why);
    return cq_denied_rows(t->sh, (const cq_value *const *)t->job->parents,
                          t->job->nparent, err);
  }
  if (!st->skip_reason[0])
    snprintf(st->skip_reason, sizeof st->skip_reason, "%s", why->text);
  if (o == CQ_F_SKIP_CLIENT)
    st->skipped_client = 1;
  else
    st->skipped_rows++;
  return CQ_OK;
}

static int task_skip(cq_task *t, cq_outcome o, cq_error *err) {
  cq_error why = {0, ""};

  cq_fetch_fail(t->pages.fetch, &why);
  cq_pages_drop(&t->pages, t->sh->stats);
  return task_end(t, o, &why, err);
}

/* The job before the request; its values stay known. */
static int task_job(cq_task *t, cq_error *err) {
  cq_error why = {0, ""};
  cq_outcome o;
  int rc = cq_run_job_poll(t->running, &o, &why);

  if (rc == CQ_BUSY) return CQ_OK;
  if (rc != CQ_DONE) {
    if (err) *err = why;
    return rc;
  }
  t->ran = 1;
  return o == CQ_F_DATA ? task_send(t, err) : task_end(t, o, &why, err);
}

int cq_task_poll(cq_task *t, int ahead, cq_error *err) {
  int rc = CQ_OK;

  if (t->running && !t->ran) {
    rc = task_job(t, err);
    if (rc) return rc;
  }

  for (item *it = t->first; it; it = it->next) {
    if (!it->calls) continue;
    rc = cq_calls_poll(it->calls, err);
    if (rc == CQ_DONE) {
      const unsigned char *gone = cq_calls_dropped(it->calls);
      int keep = 0;

      for (int r = 0; r < it->batch->nrow; r++) {
        if (gone[r]) continue;
        if (keep != r)
          memcpy(cq_batch_row(it->batch, keep), cq_batch_row(it->batch, r),
                 (size_t)it->batch->ncol * sizeof(cq_value));
        keep++;
      }
      it->batch->nrow = keep;
      if (cursor_late(t->sh->table)) task_cursor(t, it->batch);
      cq_calls_close(it->calls);
      it->calls = NULL;
    } else if (rc != CQ_BUSY) {
      return rc;
    }
  }
  if (t->held && !t->first) {
    t->held = 0;
    rc = task_send(t, err);
    if (rc) return rc;
  }
  while (!t->done && t->pages.fetch && t->nitem < ahead) {
    cq_outcome o = cq_fetch_poll(t->pages.fetch);

    if (o == CQ_F_BUSY) return CQ_OK;
    if (o == CQ_F_ERROR) return cq_fetch_fail(t->pages.fetch, err);
    if (o != CQ_F_DATA) return task_skip(t, o, err);
    rc = task_data(t, err);
    if (rc == CQ_BUSY) return CQ_OK;
    if (rc) return rc;
  }
  return CQ_OK;
}

int cq_task_take(cq_task *t, cq_batch **out, cq_below **below) {
  item *it = t->first;

  *out = NULL;
  *below = NULL;
  if (!it) return t->done ? CQ_DONE : CQ_BUSY;
  if (it->calls) return CQ_BUSY;
  *out = it->batch;
  *below = it->below;
  t->first = it->next;
  if (!t->first) t->tail = NULL;
  t->nitem--;
  cq_free(it);
  return CQ_ROW;
}

void cq_task_stats(const cq_task *t, cq_scan_stats *add) {
  if (t->pages.fetch) cq_fetch_stats(t->pages.fetch, add);
}

const cq_job *cq_task_job(const cq_task *t) {
  return t->job;
}
const char *cq_task_cursor(const cq_task *t) {
  return t->newest;
}

void cq_task_free(cq_task *t) {
  if (!t) return;
  while (t->first) {
    item *it = t->first;

    t->first = it->next;
    cq_calls_close(it->calls);
    cq_below_free(it->below);
    cq_batch_free(it->batch);
    cq_free(it);
  }
  cq_run_job_close(t->running);
  cq_pages_clear(&t->pages, t->sh->stats);
  cq_batch_free(t->batch);
  cq_arena_clear(&t->last_arena);
  cq_job_free(t->job);
  cq_free(t);
}
