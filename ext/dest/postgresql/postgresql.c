/* ext/dest/postgresql/postgresql.c: the PostgreSQL destination: its spec, opened
 * and closed. */
#include "dest/postgresql/internal.h"

#include <string.h>

enum {
  RETRIES = 10,
  PATIENCE_MS = 60000,
  MOST_MS = 3600000,
  GATHER_BYTES = 6 << 20,
  LOCK_MS = 60000,     /* for the transactions of others */
  ANSWER_MS = 3600000, /* a merge of a large table may take long */
  MOST_ANSWER_MS = 7 * 24 * 3600000
};

/* ---- spec ---------------------------------------------------------------------- */

static int spec_values(const cq_node *map, pg_options *o, cq_error *err) {
  static const char *const levels[] = {"error", "warn",  "info",
                                       "debug", "trace", "none"};
  static const char *const poolers[] = {"none", "session"};
  int unused = 0;
  int rc = cq_tree_text(map, "connection_string", &o->connection, err);

  if (rc == CQ_OK) rc = cq_tree_text(map, "schema", &o->schema, err);
  if (rc == CQ_OK)
    rc = cq_tree_bool(map, "create_performance_indexes", &o->indexes, err);
  if (rc == CQ_OK)
    rc = cq_tree_int(map, "retry_on_deadlock", 0, 1000, &o->retries, err);
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "pgx_log_level", levels,
                        sizeof levels / sizeof *levels, &unused, err);
  if (rc == CQ_OK)
    rc = cq_dest_duration(map, "reconnect_timeout", MOST_MS, &o->patience_ms,
                          err);
  if (rc == CQ_OK)
    rc = cq_dest_duration(map, "answer_timeout", MOST_ANSWER_MS, &o->answer_ms,
                          err);
  if (rc == CQ_OK && !o->answer_ms)
    rc = cq_tree_error(err, cq_tree_get(map, "answer_timeout"),
                       "answer_timeout: no statement could end\nhint: 1h");
  if (rc == CQ_OK)
    rc = cq_dest_duration(map, "lock_timeout", MOST_MS, &o->lock_ms, err);
  if (rc == CQ_OK)
    rc = cq_tree_choice(map, "pooler", poolers, 2, &o->pooled, err);
  return rc ? rc : cq_dest_gather_spec(map, &o->gather, err);
}

static int pg_spec(cq_arena *a, const cq_node *map, cq_dest_def *d,
                   cq_error *err) {
  static const char *const known[] = {
      "connection_string", "schema",        "batch_size",
      "batch_size_bytes",  "batch_timeout", "create_performance_indexes",
      "retry_on_deadlock", "pgx_log_level", "reconnect_timeout",
      "answer_timeout",    "pooler",        "lock_timeout"};
  pg_options *o = cq_arena_alloc(a, sizeof *o);
  int rc;

  if (!o) return cq_error_nomem(err);
  memset(o, 0, sizeof *o);
  o->gather.rows = 10000;
  o->gather.bytes = 100 << 20;
  o->gather.ms = 5000;
  o->retries = RETRIES;
  o->patience_ms = PATIENCE_MS;
  o->answer_ms = ANSWER_MS;
  o->lock_ms = LOCK_MS;
  if (cq_tree_get(map, "pgvector_config"))
    return cq_tree_error(err, cq_tree_get(map, "pgvector_config"),
                         "pgvector_config: CloudQuery's embeddings are not "
                         "there: without it rows are written as they are");
  rc =
      cq_tree_check_keys(map, "spec", known, sizeof known / sizeof *known, err);
  if (rc == CQ_OK) rc = spec_values(map, o, err);
  if (rc) return rc;
  if (!o->connection || !*o->connection) {
    rc = cq_tree_error(err, map, "connection_string is missing");
    cq_error_hint(err, "postgresql://user:password@host:5432/database");
    return rc;
  }
  if (pg_is_uri(o->connection)) {
    rc = cq_dest_password_whole(o->connection, 1, err);
    if (rc) return rc;
  }
  if (o->schema && (!*o->schema || strlen(o->schema) > 63))
    return cq_tree_error(err, map, "schema: 1 to 63 bytes: %s", o->schema);
  d->options = o;
  return pg_secrets(a, d, o->connection) ? cq_error_nomem(err) : CQ_OK;
}

/* ---- open, close ------------------------------------------------------------------ */

static void pg_close(cq_dest *base) {
  pg *d = (pg *)base;

  while (d->tables) {
    pg_table *t = d->tables;

    d->tables = t->next;
    t->table->own = NULL;
    pg_table_free(t);
  }
  pg_attempt_leave(d);
  pg_disconnect(d);
  cq_library_close(&d->lib);
  cq_buf_clear(&d->notes);
  cq_buf_clear(&d->settings);
  cq_free(d->base.name);
  cq_free_secret(d->connection);
  cq_free(d->schema);
  cq_free(d->who);
  cq_free(d->owner);
  cq_free(d);
}

/* Where things go: the schema that the spec names, or the first of the path. */
static int find_schema(pg *d, int make, cq_error *err) {
  pg_result *r;
  int64_t there;
  int rc;

  cq_free(d->schema);
  d->schema = NULL;
  if (d->options.schema) {
    d->schema = cq_strdup(d->options.schema);
    if (!d->schema) return cq_error_nomem(err);
    /* To ask for one that is there takes a right that few have. */
    rc = pg_one(d, &there, "pg_namespace", err,
                "SELECT count(*) FROM pg_namespace WHERE nspname = %L",
                d->schema);
    return rc || there || !make
               ? rc
               : pg_do(d, d->schema, err, "CREATE SCHEMA IF NOT EXISTS %I",
                       d->schema);
  }
  r = pg_select(d, "schema", err, "SELECT current_schema()");
  if (!r) return err->code;
  if (d->lib.PQgetisnull(r, 0, 0)) {
    rc = cq_error_set(err, CQ_NOTFOUND,
                      "destination %s: search_path names no schema that exists",
                      d->base.name);
    cq_error_hint(err, "schema: NAME makes one");
  } else {
    d->schema = cq_strdup(pg_text(d, r, 0, 0));
    rc = d->schema ? CQ_OK : cq_error_nomem(err);
  }
  pg_done(d, r);
  return rc;
}

static int make_work(pg *d, void *user, cq_error *err) {
  int rc = pg_do(d, "lock", err, "SELECT pg_advisory_xact_lock(%n)",
                 pg_lock_key(d, "make", ""));

  (void)user;
  return rc ? rc : pg_script(d, "sql/postgresql.sql", err);
}

static int pg_open(const cq_dest_def *def, int make, cq_dest **out,
                   cq_error *err) {
  const pg_options *o = def->options;
  pg *d = cq_calloc(1, sizeof *d);
  int rc;

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->base.ops = &cq_dest_postgresql;
  d->base.mode = def->mode;
  d->base.name = cq_strdup(def->name);
  d->options = *o;
  d->room = cq_dest_share(def, GATHER_BYTES);
  d->forced = def->forced;
  d->group_in_key = def->group_in_key;
  d->who = cq_dest_owner(def);
  d->interrupted = def->interrupted;
  d->user = def->user;
  cq_buf_init(&d->notes, SIZE_MAX);
  cq_buf_init(&d->settings, CQ_MAX_SPEC_BYTES);
  rc = d->base.name && d->who ? pg_lib_open(&d->lib, err) : cq_error_nomem(err);
  if (rc == CQ_OK) rc = pg_words_part(d, o->connection, err);
  if (rc == CQ_OK) rc = pg_connect(d, 0, err);
  if (rc == CQ_OK) rc = find_schema(d, make, err);
  if (rc == CQ_OK && make) rc = pg_transact(d, PG_PLAIN, make_work, NULL, err);
  if (rc) {
    pg_close(&d->base);
    return rc;
  }
  *out = &d->base;
  return CQ_OK;
}

/* ---- test --------------------------------------------------------------------------- */

/* What a sync would begin with, and a table: all of it is taken back. */
static int test_work(pg *d, void *user, cq_error *err) {
  int64_t seen = 0;
  char name[PG_NAME], tail[32];
  int rc;

  rc = find_schema(d, 1, err);
  if (rc == CQ_OK) rc = make_work(d, user, err);
  if (rc) return rc;
  memset(tail, 0, sizeof tail);
  for (int i = 0; i < 12; i++) tail[i] = (char)('a' + cq_random() % 26);
  pg_name(name, "cq_test_", tail, "");
  rc = pg_do(d, name, err, "CREATE TABLE %I.%I (n bigint)", d->schema, name);
  if (rc == CQ_OK)
    rc = pg_do(d, name, err, "INSERT INTO %I.%I VALUES (42)", d->schema, name);
  if (rc == CQ_OK)
    rc = pg_one(d, &seen, name, err, "SELECT n FROM %I.%I", d->schema, name);
  if (rc == CQ_OK && seen != 42)
    rc = cq_error_set(err, CQ_ERROR,
                      "destination %s: what was written was not read again",
                      d->base.name);
  return rc ? rc : CQ_DONE;
}

static int pg_test(cq_dest *base, cq_error *err) {
  int rc = pg_transact((pg *)base, PG_PLAIN, test_work, NULL, err);

  return rc == CQ_DONE ? CQ_OK : rc;
}

const cq_dest_ops cq_dest_postgresql = {
    .name = "postgresql",
    .title = "PostgreSQL 12 or later",
    .options =
        "{\"connection_string\":\"postgresql://... or host=... dbname=...\","
        "\"schema\":\"instead of the first of search_path; made where it is "
        "missing\",\"batch_size\":\"10000 rows\",\"batch_size_bytes\":\"100 "
        "MB; memory stays at some MB whatever it says\",\"batch_timeout\":\"5 "
        "s\",\"create_performance_indexes\":\"false\",\"retry_on_deadlock\":"
        "\"10\",\"reconnect_timeout\":\"60 s\",\"answer_timeout\":\"1 "
        "h\",\"lock_timeout\":\"60 s\",\"pooler\":\"none; "
        "session\",\"pgx_log_level\":\"accepted, "
        "not needed\"}",
    .capabilities = "[\"transactions\",\"upsert\",\"delete\",\"append\","
                    "\"overwrite\",\"overwrite-delete-stale\",\"views\"]",
    .schemes = "postgresql postgres",
    .threaded = 1,
    .spec = pg_spec,
    .open = pg_open,
    .close = pg_close,
    .last_group = pg_last_group,
    .begin = pg_begin,
    .migrate = pg_migrate,
    .states = pg_states,
    .read = pg_read,
    .write = pg_write,
    .end = pg_end,
    .drop = pg_drop,
    .put_table = pg_put_table,
    .put_error = pg_put_error,
    .put_run = pg_put_run,
    .poll = pg_poll,
    .test = pg_test,
    .commit = pg_commit,
    .publish = pg_publish,
    .summary = pg_summary,
    .prune = pg_prune,
};
