/* ext/sync/progress.c: what a person sees on stderr while a sync runs.
 *
 *   bar    a line for the whole and one for each table under way, drawn anew a
 *          few times a second; ends with one line
 *   log    a line per finished table, and one every ten seconds
 *   json   the same as objects, one a line
 *   auto   bar on a terminal, otherwise off
 *
 * Nothing ever goes to stdout: that belongs to the query's answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sync/internal.h"

enum {
  BAR_MS = 200,
  LOG_MS = 10000,
  JSON_MS = 1000,
  BAR_TABLES = 5 /* lines of tables that are under way */
};

struct cq_progress {
  cq_progress_kind kind;
  int64_t shown_ms;
  int lines; /* drawn last time, to draw over */
};

int cq_progress_new(cq_progress_kind kind, cq_progress **out, cq_error *err) {
  cq_progress *p = *out = cq_calloc(1, sizeof *p);
  const char *term = getenv("TERM");

  if (!p) return cq_error_nomem(err);
  if (kind == CQ_PROGRESS_AUTO)
    kind = isatty(2) && term && strcmp(term, "dumb") != 0 ? CQ_PROGRESS_BAR
                                                          : CQ_PROGRESS_OFF;
  p->kind = kind;
  return CQ_OK;
}

void cq_progress_free(cq_progress *p) {
  cq_free(p);
}

void cq_progress_say(cq_progress *p, const char *kind, const char *text) {
  cq_buf b;

  if (!p) return;
  if (p->kind == CQ_PROGRESS_LOG) {
    fprintf(stderr, "cq_sync  %s: %.*s\n", kind, (int)strcspn(text, "\n"),
            text);
  } else if (p->kind == CQ_PROGRESS_JSON) {
    cq_buf_init(&b, 1 << 16);
    cq_buf_printf(&b,
                  "{\"event\":\"error\",\"kind\":\"%s\",\"message\":", kind);
    cq_buf_json(&b, text, strlen(text));
    if (!b.rc) fprintf(stderr, "%s}\n", b.data);
    cq_buf_clear(&b);
  }
}

/* Rows that units under way have given count as well. */
static int64_t rows_of(const cq_run *r) {
  return r->n.rows + r->rows_open;
}

static void line_total(const cq_run *r, char *out, size_t n) {
  int64_t ms = cq_mono_ms() - r->started_ms, done = r->n.units_done;
  int64_t rows = rows_of(r);
  char took[32], left[32] = "?";

  if (done > 0 && r->n.units >= done)
    cq_span_format(ms * (r->n.units - done) / done, left, sizeof left);
  snprintf(out, n,
           "%lld/%lld units  %lld rows  %lld rows/s  %lld errors  %s  ETA %s",
           (long long)done, (long long)r->n.units, (long long)rows,
           (long long)(ms > 0 ? rows * 1000 / ms : 0), (long long)r->errors_all,
           cq_span_format(ms, took, sizeof took), left);
}

/* A line that wraps could not be drawn over. */
static int columns(void) {
  struct winsize w;

  return ioctl(2, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col - 1 : 200;
}

static void draw(cq_progress *p, const cq_run *r, int final) {
  char line[256], table[256];
  int lines = 1, width = columns();

  if (p->lines > 0) fprintf(stderr, "\033[%dA", p->lines);
  line_total(r, line, sizeof line);
  fprintf(stderr, "\r\033[Jcq_sync  %.*s\n", final ? 200 : width - 9, line);
  for (size_t i = 0; i < r->nsource && !final; i++) {
    const cq_run_source *s = &r->sources[i];

    for (int k = 0; k < s->plan.n && lines <= BAR_TABLES; k++) {
      const cq_plan_table *t = &s->plan.tables[k];

      if (!s->ndest || strcmp(s->dests[0].tables[k].status, "running") != 0)
        continue;
      snprintf(table, sizeof table, "  %-44s %zu/%zu units  %lld rows",
               t->table->name, t->ended, t->nclient,
               (long long)(s->dests[0].tables[k].n.rows + t->open.rows));
      fprintf(stderr, "%.*s\n", width, table);
      lines++;
    }
  }
  p->lines = final ? 0 : lines;
}

static void json_total(const cq_run *r, const char *event) {
  int64_t ms = cq_mono_ms() - r->started_ms;

  fprintf(stderr,
          "{\"event\":\"%s\",\"sync_group_id\":%lld,\"units\":%lld,"
          "\"units_done\":%lld,\"rows\":%lld,\"errors\":%lld,\"requests\":%lld,"
          "\"ms\":%lld}\n",
          event, (long long)r->group, (long long)r->n.units,
          (long long)r->n.units_done, (long long)rows_of(r),
          (long long)r->errors_all, (long long)r->n.requests, (long long)ms);
}

void cq_progress_show(cq_progress *p, const cq_run *r, int final) {
  int64_t now = cq_mono_ms(), every;
  char line[256];

  if (!p || p->kind == CQ_PROGRESS_OFF) return;
  every = p->kind == CQ_PROGRESS_BAR   ? BAR_MS
          : p->kind == CQ_PROGRESS_LOG ? LOG_MS
                                       : JSON_MS;
  if (!p->shown_ms) p->shown_ms = r->started_ms;
  if (!final && now - p->shown_ms < every) return;
  p->shown_ms = now;
  if (p->kind == CQ_PROGRESS_BAR) {
    draw(p, r, final);
  } else if (p->kind == CQ_PROGRESS_LOG) {
    line_total(r, line, sizeof line);
    fprintf(stderr, "cq_sync  %s%s\n", final ? "done  " : "", line);
  } else {
    json_total(r, final ? "done" : "progress");
  }
}

static void json_table(const cq_run_source *s, const cq_plan_table *t,
                       const cq_dest_table *o) {
  cq_buf b;

  cq_buf_init(&b, 1 << 16);
  cq_buf_str(&b, "{\"event\":\"table\",\"source\":");
  cq_buf_json(&b, s->spec->name, strlen(s->spec->name));
  cq_buf_printf(&b,
                ",\"table\":\"%s\",\"status\":\"%s\",\"rows\":%lld,"
                "\"units\":%zu,\"errors\":%lld}",
                t->table->name, o->status, (long long)o->n.rows, t->nclient,
                (long long)o->n.errors);
  if (!b.rc) fprintf(stderr, "%s\n", b.data);
  cq_buf_clear(&b);
}

void cq_progress_table(cq_progress *p, const cq_run *r, const cq_run_source *s,
                       int table) {
  const cq_plan_table *t = &s->plan.tables[table];
  const cq_dest_table *o = s->ndest ? &s->dests[0].tables[table] : NULL;
  char took[32];

  (void)r;
  if (!p || !o) return;
  if (p->kind == CQ_PROGRESS_LOG)
    fprintf(stderr, "cq_sync  %-44s %-8s %lld rows  %zu units  %s\n",
            t->table->name, o->status, (long long)o->n.rows, t->nclient,
            cq_span_format((o->finished_us - o->started_us) / 1000, took,
                           sizeof took));
  else if (p->kind == CQ_PROGRESS_JSON)
    json_table(s, t, o);
}
