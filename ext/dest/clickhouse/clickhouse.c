/* ext/dest/clickhouse/clickhouse.c: the ClickHouse destination, opened, closed and
 * tested: over HTTP, from 18.16 to today's servers. */
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "dest/clickhouse/internal.h"

static void ch_close(cq_dest *base) {
  ch *d = ch_of(base);

  ch_tables_free(d);
  while (d->held) ch_let_go(d, NULL);
  ch_stage_close(d);
  ZSTD_freeCCtx(d->zstd);
  ch_journal_close(d);
  ch_disconnect(d);
  cq_free(d->base.name);
  cq_free(d->owner);
  cq_free(d);
}

static int ch_open(const cq_dest_def *def, int make, cq_dest **out,
                   cq_error *err) {
  ch *d = cq_calloc(1, sizeof *d);
  int rc;

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->base.ops = &cq_dest_clickhouse;
  d->base.mode = def->mode;
  d->base.name = cq_strdup(def->name);
  d->def = *def;
  d->o = def->options;
  d->owner = cq_dest_owner(def);
  rc = d->base.name && d->owner ? ch_connect(d, err) : cq_error_nomem(err);
  if (rc == CQ_OK) rc = ch_server(d, err);
  if (rc == CQ_OK) rc = ch_stage_open(d, err);
  if (rc == CQ_OK && make) rc = ch_stage_look(d, err);
  if (rc == CQ_OK) rc = ch_journal_open(d, make, err);
  if (rc) {
    ch_close(&d->base);
    return rc;
  }
  *out = &d->base;
  return CQ_OK;
}

/* A table of a name that nobody else has: made, written to, read, removed. */
static int ch_test(cq_dest *base, cq_error *err) {
  ch *d = ch_of(base);
  char *name = cq_mprintf("cq_test_%llx", (unsigned long long)cq_random());
  int64_t n = 0;
  int rc = name ? ch_exec(d, err,
                          "CREATE TABLE %t (n Int64) ENGINE = MergeTree() "
                          "ORDER BY n",
                          name)
                : cq_error_nomem(err);

  if (rc == CQ_OK) {
    rc = ch_exec(d, err, "INSERT INTO %t VALUES (42)", name);
    if (rc == CQ_OK) rc = ch_int(d, &n, err, "SELECT sum(n) FROM %t", name);
    if (rc == CQ_OK && n != 42)
      rc = cq_error_set(err, CQ_ERROR,
                        "destination %s: what was written is not read",
                        d->base.name);
    if (rc)
      ch_exec(d, NULL, "DROP TABLE %t", name);
    else
      rc = ch_exec(d, err, "DROP TABLE %t", name);
  }
  if (rc == CQ_OK && d->stage) rc = ch_stage_test(d, err);
  if (rc == CQ_OK && d->o->ttl.n) rc = ch_ttl_check(d, err);
  cq_free(name);
  return rc;
}

const cq_dest_ops cq_dest_clickhouse = {
    .name = "clickhouse",
    .title = "ClickHouse, over HTTP",
    .options =
        "{\"connection_string\":\"clickhouse://user:password@host:8123/"
        "database?secure=true, or http:// https://\",\"cluster\":\"ON CLUSTER, "
        "and replicated tables\",\"ca_cert\":\"PEM, or a file\",\"engine\":"
        "\"{name: MergeTree, parameters: []}\",\"batch_size\":\"100000 rows\","
        "\"batch_size_bytes\":\"12 MiB\",\"batch_timeout\":\"20s\","
        "\"partition\":\"[{tables, skip_tables, skip_incremental_tables, "
        "partition_by}]\",\"order\":\"[{tables, skip_tables, order_by}]\","
        "\"ttl\":\"[{tables, skip_tables, ttl}]\",\"stage\":\"{bucket, path, "
        "format, "
        "region, endpoint, use_path_style, credentials}: batches by way of "
        "S3\"}",
    .capabilities = "[\"append\",\"overwrite\",\"overwrite-delete-stale\","
                    "\"views\",\"atomic publish\"]",
    .schemes = "clickhouse",
    .threaded = 1,
    .late = 1,
    .spec = ch_spec,
    .open = ch_open,
    .close = ch_close,
    .last_group = ch_last_group,
    .begin = ch_begin,
    .migrate = ch_migrate,
    .states = ch_states,
    .read = ch_read,
    .write = ch_write,
    .end = ch_end,
    .drop = ch_drop,
    .put_table = ch_put_table,
    .put_error = ch_put_error,
    .put_run = ch_put_run,
    .poll = ch_poll,
    .commit = ch_commit,
    .publish = ch_publish,
    .summary = ch_summary,
    .prune = ch_prune,
    .test = ch_test,
};
