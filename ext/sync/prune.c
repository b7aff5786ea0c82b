/* ext/sync/prune.c: old snapshots go, in this database and in attached ones, or
 * in the destinations of a spec. */
#include <sqlite3ext.h>
#include <string.h>

#include "sync/internal.h"

#ifndef SQLITE_CORE
SQLITE_EXTENSION_INIT3
#endif

enum { DATABASES = 128 }; /* SQLite attaches at most 125 */

static int prune_one(struct sqlite3 *db, const char *schema, cq_dest **open,
                     int64_t keep, cq_buf *out, cq_error *err) {
  cq_dest_def def;
  cq_dest *d;
  int rc;

  memset(&def, 0, sizeof def);
  def.name = def.schema = schema;
  def.db = db;
  def.peers = *open;
  rc = cq_dest_sqlite.open(&def, 0, &d, err);
  if (rc) return rc;
  d->next = *open;
  *open = d;
  if (out->len > 1) cq_buf_byte(out, ',');
  cq_buf_json(out, schema, strlen(schema));
  cq_buf_byte(out, ':');
  return d->ops->prune(d, keep, out, err);
}

int cq_sync_prune(struct sqlite3 *db, int64_t keep, cq_buf *out,
                  cq_error *err) {
  char *names[DATABASES];
  sqlite3_stmt *s = NULL;
  cq_dest *open = NULL;
  int n = 0, rc;

  if (keep < 1)
    return cq_error_set(err, CQ_MISUSE,
                        "cq_prune: at least one snapshot is kept: %lld",
                        (long long)keep);
  rc = sqlite3_prepare_v2(db, "PRAGMA database_list", -1, &s, NULL);
  while (rc == SQLITE_OK && n < DATABASES &&
         (rc = sqlite3_step(s)) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(s, 1);

    rc = SQLITE_OK;
    if (name && strcmp(name, "temp") == 0) continue;
    names[n] = name ? cq_strdup(name) : NULL;
    rc = names[n] ? SQLITE_OK : SQLITE_NOMEM;
    n += rc == SQLITE_OK;
  }
  if (rc == SQLITE_DONE) rc = SQLITE_OK;
  if (rc)
    cq_error_set(err, rc & 0xff, "cq_prune: databases: %s",
                 rc == SQLITE_NOMEM ? "out of memory" : sqlite3_errmsg(db));
  sqlite3_finalize(s);
  cq_buf_byte(out, '{');
  for (int i = 0; i < n && rc == CQ_OK; i++)
    rc = prune_one(db, names[i], &open, keep, out, err);
  cq_buf_byte(out, '}');
  while (open) {
    cq_dest *d = open;

    open = d->next;
    d->ops->close(d);
  }
  for (int i = 0; i < n; i++) cq_free(names[i]);
  return rc ? rc : out->rc ? cq_error_nomem(err) : CQ_OK;
}

/* One that cannot be pruned keeps no other from it; it is told in the end. */
static void prune_dest(cq_run *r, cq_spec_dest *o, int64_t keep, cq_buf *out,
                       cq_error *err) {
  size_t at = out->len;
  cq_dest *made = NULL;
  int rc;

  rc = cq_run_open_one(r, o, 0, &made, err);
  if (rc == CQ_OK) {
    if (at > 1) cq_buf_byte(out, ',');
    cq_buf_json(out, o->name, strlen(o->name));
    cq_buf_byte(out, ':');
    rc = made->ops->prune(made, keep, out, err);
    if (rc) cq_dest_named(o->name, err);
  }
  if (rc && out->len > at) out->len = at;
  if (rc && !err->code)
    cq_error_set(err, rc, "destination %s: cannot be pruned", o->name);
}

int cq_sync_prune_spec(const cq_sync_call *c, int64_t keep, cq_buf *out,
                       cq_error *err) {
  cq_run r;
  cq_error first = {0, ""};
  int rc = cq_run_prepare(&r, c, err);

  cq_buf_byte(out, '{');
  for (size_t k = 0; k < r.spec.ndest && rc == CQ_OK; k++) {
    cq_error why = {0, ""};

    prune_dest(&r, &r.spec.dests[k], keep, out, &why);
    if (cq_fatal(why.code) || (why.code && !first.code)) first = why;
    if (cq_fatal(why.code)) break;
  }
  cq_buf_byte(out, '}');
  if (first.code) {
    *err = first;
    rc = first.code;
  }
  if (rc == CQ_OK && out->rc) rc = cq_error_nomem(err);
  cq_run_clear(&r);
  return rc;
}
