/* ext/dest/clickhouse/server.c: what the server at hand can, by its version: the
 * types of columns and the engines of tables.
 *
 * An old server lacks types; then the one is taken that loses nothing: text as
 * cq writes it for a time, a date or a decimal number. */
#include <stdlib.h>
#include <string.h>

#include "dest/clickhouse/internal.h"

static int read_version(void *user, char **cell, int n) {
  ch *d = user;
  const char *v = n > 0 && cell[0] ? cell[0] : "";
  const char *dot = strchr(v, '.');

  snprintf(d->version_text, sizeof d->version_text, "%s", v);
  d->version = atoi(v) * 100 + (dot ? atoi(dot + 1) : 0);
  return CQ_OK;
}

static int add_cluster(void *user, char **cell, int n) {
  cq_buf *names = user;

  if (n > 0 && cell[0])
    cq_buf_printf(names, "%s%s", names->len ? ", " : "", cell[0]);
  return CQ_OK;
}

/* Statements ON CLUSTER of a name that the server does not know would fail each
 * by itself, much later.  A user who may not look there, and a name made of the
 * server's macros, are taken at their word. */
static int check_cluster(ch *d, cq_error *err) {
  const char *name = d->o->cluster;
  int64_t found = 1;
  cq_buf names;
  int rc;

  if (!name || strchr(name, '{') ||
      ch_int(d, &found, NULL,
             "SELECT count() FROM system.clusters WHERE cluster = %Q", name) ||
      found)
    return CQ_OK;
  cq_buf_init(&names, 400);
  ch_rows(d, add_cluster, &names, NULL,
          "SELECT DISTINCT cluster FROM system.clusters ORDER BY cluster LIMIT "
          "10");
  rc = cq_error_set(err, CQ_MISUSE,
                    "destination %s: cluster: the server knows none of that "
                    "name: %s",
                    d->base.name, name);
  if (names.len && !names.rc)
    cq_error_hint(err, "one of: %s", names.data);
  else
    cq_error_hint(err, "without cluster, tables are this server's alone");
  cq_buf_clear(&names);
  return rc;
}

int ch_server(ch *d, cq_error *err) {
  int rc = ch_rows(d, read_version, d, err, "SELECT version()");

  if (rc == CQ_OK && d->version < 1800)
    rc = cq_error_set(err, CQ_ERROR,
                      "destination %s: ClickHouse %s: too old\nhint: 18.16 or "
                      "newer",
                      d->base.name, d->version_text);
  return rc ? rc : check_cluster(d, err);
}

cq_rowbinary ch_column(const ch *d, const cq_dest_table *t, int i) {
  cq_rowbinary c = {CQ_RB_STRING, 1, 0, 0};

  c.type = cq_dest_type(t, i);
  if (i < CQ_META && cq_dest_metas[i].not_null) c.nullable = 0;
  c.list = (c.type & CQ_LIST) != 0;
  switch (c.type & CQ_TYPE_MASK) {
  case CQ_INTEGER:
    c.kind = CQ_RB_INT64;
    break;
  case CQ_REAL:
    c.kind = CQ_RB_FLOAT64;
    break;
  case CQ_BOOLEAN:
    c.kind = CQ_RB_BOOL;
    break;
  case CQ_TIMESTAMP:
    if (ch_has(d, CH_HAS_DATETIME64)) c.kind = CQ_RB_DATETIME64;
    break;
  case CQ_DATE:
    if (ch_has(d, CH_HAS_DATE32)) c.kind = CQ_RB_DATE32;
    break;
  case CQ_DECIMAL:
    if (ch_has(d, CH_HAS_DECIMAL256)) c.kind = CQ_RB_DECIMAL;
    break;
  case CQ_UUID:
    c.kind = CQ_RB_UUID;
    break;
  default: /* text, JSON, bytes, addresses */
    break;
  }
  return c;
}

typedef struct columns {
  const cq_dest_table *t;
  cq_rowbinary *out;
} columns;

static int on_type(void *user, char **cell, int n) {
  columns *c = user;

  if (n < 2 || !cell[0] || !cell[1]) return CQ_OK;
  for (int i = 0; i < cq_dest_width(c->t); i++)
    if (strcmp(cq_dest_column(c->t, i), cell[0]) == 0 &&
        (strcmp(cell[1], "String") == 0 ||
         strcmp(cell[1], "Nullable(String)") == 0)) {
      c->out[i].kind = CQ_RB_STRING;
      c->out[i].list = 0;
      c->out[i].nullable = *cell[1] == 'N';
    }
  return CQ_OK;
}

int ch_columns(ch *d, const cq_dest_table *t, cq_rowbinary *out,
               cq_error *err) {
  char *raw = cq_mprintf("raw_%s", t->def->name);
  columns c = {t, out};
  int rc;

  if (!raw) return cq_error_nomem(err);
  for (int i = 0; i < cq_dest_width(t); i++) out[i] = ch_column(d, t, i);
  rc = ch_rows(d, on_type, &c, err,
               "SELECT name, type FROM system.columns WHERE database = %Q AND "
               "table = %Q",
               d->o->database, raw);
  cq_free(raw);
  return rc;
}

void ch_type(const ch *d, const cq_dest_table *t, int i, cq_buf *out) {
  static const char *const names[] = {
      "String", "Int64", "Float64",        "Bool", "DateTime64(6, 'UTC')",
      "Date32", "UUID",  "Decimal(76, 38)"};
  cq_rowbinary c = ch_column(d, t, i);
  const char *name = names[c.kind];

  if (c.kind == CQ_RB_BOOL && !ch_has(d, CH_HAS_BOOL)) name = "UInt8";
  /* _cq_source_name, _cq_client_id: few different ones. */
  if (i < CQ_META && c.type == CQ_TEXT && ch_has(d, CH_HAS_LOW_CARDINALITY))
    cq_buf_printf(out, "LowCardinality(%s)", name);
  else
    cq_buf_printf(out,
                  c.list       ? "Array(Nullable(%s))"
                  : c.nullable ? "Nullable(%s)"
                               : "%s",
                  name);
}

void ch_engine(const ch *d, int replacing, cq_buf *out) {
  const char *name = d->o->engine    ? d->o->engine
                     : d->o->cluster ? "ReplicatedMergeTree"
                                     : "MergeTree";
  int replicated = strstr(name, "Replicated") == name;
  int shared = strstr(name, "Shared") == name;
  const char *args = replacing && !replicated ? NULL : d->o->engine_args;

  cq_buf_str(out, replicated ? "Replicated" : shared ? "Shared" : "");
  cq_buf_str(out, replacing ? "ReplacingMergeTree(" : "MergeTree(");
  /* Newer servers have this as their default. */
  if (replicated && !args && !ch_has(d, CH_HAS_LOW_CARDINALITY + 10))
    args = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";
  cq_buf_str(out, args ? args : "");
  if (replacing) cq_buf_str(out, args && *args ? ", version" : "version");
  cq_buf_byte(out, ')');
}
