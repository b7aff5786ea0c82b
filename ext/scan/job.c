/* ext/scan/job.c: a job is started, and asked for until it is done; its result
 * is the table's own request.
 *
 * All of it goes on while others do: between two looks at it nothing waits but
 * who reads the scan, and closing ends it.  A job that takes longer than `most`
 * is an error, so is one that says that it has failed. */
#include <string.h>

#include "scan/internal.h"

struct cq_run_job {
  const struct cq_job_def *def;
  cq_fetch_def fetch;
  cq_scope scope; /* borrows from the task, which outlives this */
  cq_scan_stats *stats;
  cq_reader *reader;
  cq_field *fields;
  cq_value *values; /* of the start, in the arena */
  cq_arena arena;
  int started;
  int64_t next_ms, end_ms; /* of the next look; of all patience */
};

static const cq_path self = {".", 0, NULL};

static int job_ask(cq_run_job *j, const cq_request_def *r, cq_error *err) {
  const struct cq_job_def *d = j->def;
  cq_reader_def def;

  memset(&def, 0, sizeof def);
  def.fetch = j->fetch;
  def.fetch.request = r;
  def.fetch.url = NULL;
  def.fetch.fresh = 1;
  def.rows = &self;
  def.optional_rows = 1;
  def.fields = j->fields;
  def.stats = j->stats;
  if (r == d->poll) {
    j->fields[0] = (cq_field){d->path, CQ_TEXT, NULL, NULL, 0, NULL};
    def.nfield = def.nslot = 1;
  } else {
    for (size_t i = 0; i < d->nvalue; i++)
      j->fields[i] = (cq_field){d->paths[i], 0, NULL, NULL, (int)i, NULL};
    def.nfield = (int)d->nvalue;
    def.nslot = def.nfield ? def.nfield : 1;
  }
  return cq_reader_open(&def, &j->scope, &j->reader, err);
}

int cq_run_job_open(const cq_fetch_def *f, const cq_scope *scope,
                    cq_scan_stats *stats, cq_run_job **out, cq_error *err) {
  cq_run_job *j = cq_calloc(1, sizeof *j);
  int rc;

  *out = NULL;
  if (!j) return cq_error_nomem(err);
  cq_arena_init(&j->arena);
  j->def = &scope->table->job;
  j->fetch = *f;
  j->scope = *scope;
  j->stats = stats;
  j->fields = cq_calloc(j->def->nvalue + 1, sizeof *j->fields);
  j->values = cq_calloc(j->def->nvalue + 1, sizeof *j->values);
  j->started = !j->def->start;
  j->end_ms = cq_mono_ms() + j->def->most_ms;
  rc = j->fields && j->values ? CQ_OK : cq_error_nomem(err);
  if (rc == CQ_OK)
    rc = job_ask(j, j->started ? j->def->poll : j->def->start, err);
  if (rc) {
    cq_run_job_close(j);
    return rc;
  }
  *out = j;
  return CQ_OK;
}

static int is_one_of(const cq_value *v, const char *const *words, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strlen(words[i]) == v->len && memcmp(words[i], v->u.s, v->len) == 0)
      return 1;
  return 0;
}

/* The start has been answered. */
static int job_started(cq_run_job *j, const cq_value *row, cq_error *err) {
  const struct cq_job_def *d = j->def;

  for (size_t i = 0; i < d->nvalue; i++) {
    if (!row || row[i].kind == CQ_NULL)
      return cq_error_set(err, CQ_ERROR,
                          "%s: job: the answer to its start has no %s",
                          j->fetch.table, d->paths[i]->text);
    if (cq_value_copy(&j->arena, &row[i], &j->values[i]))
      return cq_error_nomem(err);
  }
  j->started = 1;
  j->scope.job = j->values;
  return CQ_OK;
}

/* A look at it has been answered: CQ_DONE, CQ_BUSY or an error. */
static int job_looked(cq_run_job *j, const cq_value *v, cq_error *err) {
  const struct cq_job_def *d = j->def;
  char span[32];

  if (v && v->kind == CQ_STR) {
    if (is_one_of(v, d->until, d->nuntil)) return CQ_DONE;
    if (is_one_of(v, d->failed, d->nfailed))
      return cq_error_set(err, CQ_ERROR, "%s: job: %s is %.*s", j->fetch.table,
                          d->path->text, (int)(v->len < 100 ? v->len : 100),
                          v->u.s);
  }
  j->next_ms = cq_mono_ms() + d->every_ms;
  if (j->next_ms - d->every_ms < j->end_ms) {
    /* The last look is at the end of all patience. */
    if (j->next_ms > j->end_ms) j->next_ms = j->end_ms;
    return CQ_BUSY;
  }
  return cq_error_set(
      err, CQ_ERROR, "%s: job: not done after %s: %s is %.*s", j->fetch.table,
      cq_span_format(d->most_ms, span, sizeof span), d->path->text,
      v && v->kind == CQ_STR ? (int)(v->len < 100 ? v->len : 100) : 7,
      v && v->kind == CQ_STR ? v->u.s : "missing");
}

int cq_run_job_poll(cq_run_job *j, cq_outcome *o, cq_error *err) {
  *o = CQ_F_DATA;
  for (;;) {
    const cq_batch *rows;
    int rc;

    if (!j->reader) {
      if (cq_mono_ms() < j->next_ms) return CQ_BUSY;
      rc = job_ask(j, j->def->poll, err);
      if (rc) return rc;
    }
    rc = cq_reader_poll(j->reader, err);
    if (rc == CQ_BUSY) return CQ_BUSY;
    *o = cq_reader_outcome(j->reader);
    /* Denied, or nothing to be had: as of the list itself. */
    if (*o == CQ_F_DENIED || (rc == CQ_DONE && cq_reader_skipped(j->reader)))
      return CQ_DONE;
    if (rc != CQ_DONE) return rc;
    rows = cq_reader_rows(j->reader);
    rc = j->started
             ? job_looked(j, rows->nrow ? cq_batch_row(rows, 0) : NULL, err)
             : job_started(j, rows->nrow ? cq_batch_row(rows, 0) : NULL, err);
    cq_reader_close(j->reader);
    j->reader = NULL;
    if (rc) return rc;
  }
}

const cq_value *cq_run_job_values(const cq_run_job *j) {
  return j->values;
}

void cq_run_job_close(cq_run_job *j) {
  if (!j) return;
  cq_reader_close(j->reader);
  cq_arena_clear(&j->arena);
  cq_free(j->fields);
  cq_free(j->values);
  cq_free(j);
}
