/* ext/dest/clickhouse/insert.c: an insert that must be done once, though its
 * answer may be lost.
 *
 * Where nobody can say whether it was done the server is asked: first until it
 * has no such statement any more, then for what the insert would have left.
 * Only what is not there is sent again. */
#include <string.h>

#include "dest/clickhouse/internal.h"

enum { ASKS_MS = 200, RESENDS = 3 };

char *ch_insert_ids(int64_t group, const char *source) {
  return cq_mprintf("cq_%lld_%08x_", (long long)group,
                    (unsigned)cq_hash64(source, strlen(source), 0));
}

char *ch_claim_ids(const char *source) {
  return cq_mprintf("cq_claim_%016llx_",
                    (unsigned long long)cq_hash64(source, strlen(source), 0));
}

int ch_insert_wait(ch *d, const char *ids, cq_error *err) {
  int64_t until = cq_mono_ms() + d->o->read_ms, n = 1;
  int rc = CQ_OK;

  while (rc == CQ_OK) {
    rc = ch_int(d, &n, err,
                "SELECT count() FROM system.processes WHERE "
                "substring(query_id, 1, %d) = %Q",
                (int)strlen(ids), ids);
    if (rc || !n) break;
    if (cq_mono_ms() > until)
      return cq_error_set(err, CQ_IOERR,
                          "destination %s: an insert has not ended in %lld s",
                          d->base.name, (long long)d->o->read_ms / 1000);
    rc = ch_pause(d, ASKS_MS, err);
  }
  return rc;
}

int ch_insert(ch *d, const ch_ask *q,
              int (*is_in)(ch *d, void *user, cq_error *err), void *user,
              cq_error *err) {
  for (int tries = 0;; tries++) {
    cq_error why = {0, ""};
    int unknown = 0, rc = ch_request(d, q, NULL, &unknown, &why);

    if (rc == CQ_OK) return CQ_OK;
    if (rc == CQ_INTERRUPT || !unknown || tries == RESENDS) {
      *err = why;
      return rc;
    }
    rc = ch_insert_wait(d, q->id, err);
    if (rc) return rc;
    *err = why;
    rc = is_in(d, user, err);
    if (rc == CQ_DONE) cq_error_clear(err);
    if (rc) return rc == CQ_DONE ? CQ_OK : rc;
    cq_error_clear(err);
  }
}
