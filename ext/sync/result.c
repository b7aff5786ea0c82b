/* ext/sync/result.c: what cq_sync() returns: the run as one JSON object. */
#include <string.h>

#include "sync/internal.h"

void cq_run_text(cq_buf *b, const char *key, const char *value) {
  cq_buf_printf(b, "\"%s\":", key);
  cq_buf_json(b, value ? value : "", value ? strlen(value) : 0);
}

static void numbers(cq_buf *b, const cq_counts *n) {
  cq_buf_printf(b,
                "\"rows\":%lld,\"inserted\":%lld,\"updated\":%lld,"
                "\"deleted\":%lld,\"unchanged\":%lld,\"kept\":%lld,"
                "\"repeated\":%lld",
                (long long)n->rows, (long long)n->inserted,
                (long long)n->updated, (long long)n->deleted,
                (long long)n->unchanged, (long long)n->kept,
                (long long)n->again);
}

/* Rows that are stored: fetched alone they are nowhere.  Of several destinations
 * that which has most of a table counts. */
static int64_t rows_stored(const cq_run *r) {
  int64_t n = 0;

  for (size_t i = 0; i < r->nsource; i++)
    for (int k = 0; k < r->sources[i].plan.n; k++) {
      int64_t most = 0;

      for (size_t d = 0; d < r->sources[i].ndest; d++) {
        int64_t rows = r->sources[i].dests[d].tables[k].n.rows;

        if (rows > most) most = rows;
      }
      n += most;
    }
  return n;
}

int cq_run_result(cq_run *r, cq_buf *b) {
  int tables = 0, first = 1;

  for (size_t i = 0; i < r->nsource; i++) tables += r->sources[i].plan.n;
  cq_buf_printf(b, "{\"sync_group_id\":%lld,", (long long)r->group);
  cq_run_text(b, "status", cq_run_status(r));
  cq_buf_printf(b,
                ",\"tables\":%d,\"rows\":%lld,\"units\":%lld,\"failed\":%lld,"
                "\"skipped\":%lld,\"errors\":[",
                tables, (long long)rows_stored(r), (long long)r->n.units,
                (long long)r->n.failed, (long long)r->skipped_all);
  for (size_t i = 0; i < r->nerror; i++) {
    const cq_run_error *e = &r->errors[i];

    cq_buf_str(b, i ? ",{" : "{");
    cq_run_text(b, "source", e->source);
    cq_buf_byte(b, ',');
    cq_run_text(b, "table", e->table);
    cq_buf_byte(b, ',');
    cq_run_text(b, "client", e->client);
    cq_buf_byte(b, ',');
    cq_run_text(b, "kind", e->kind);
    cq_buf_byte(b, ',');
    cq_run_text(b, "message", e->message);
    cq_buf_byte(b, '}');
  }
  cq_buf_printf(b, "],\"errors_total\":%lld,\"destinations\":[",
                (long long)r->errors_all);
  for (size_t i = 0; i < r->nsource; i++) {
    cq_run_source *s = &r->sources[i];

    for (size_t d = 0; d < s->ndest; d++) {
      cq_run_dest *o = &s->dests[d];

      cq_run_sum(r, s, o);
      cq_buf_str(b, first ? "{" : ",{");
      first = 0;
      cq_run_text(b, "source", s->spec->name);
      cq_buf_byte(b, ',');
      cq_run_text(b, "name", o->spec->name);
      cq_buf_byte(b, ',');
      cq_run_text(b, "write_mode", cq_write_mode_name(o->spec->def.mode));
      cq_buf_byte(b, ',');
      cq_run_text(b, "status", o->status);
      cq_buf_byte(b, ',');
      numbers(b, &o->n);
      if (o->message) {
        cq_buf_byte(b, ',');
        cq_run_text(b, "message", o->message);
      }
      cq_buf_byte(b, '}');
    }
  }
  cq_buf_printf(b,
                "],\"requests\":%lld,\"retries\":%lld,\"bytes\":%lld,"
                "\"ms\":%lld}",
                (long long)r->n.requests, (long long)r->n.retries,
                (long long)r->n.bytes,
                (long long)(cq_mono_ms() - r->started_ms));
  return b->rc;
}
