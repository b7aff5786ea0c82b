/* ext/dest/clickhouse/spec.c: what a ClickHouse destination's spec says, each key
 * checked: CloudQuery's fields, and clickhouse-go's connection string.
 *
 *   connection_string: clickhouse://user:password@host:8443/db?secure=true
 *   (or http:// https://); what stands behind ? and is no word of the
 *   connection's own is a setting of the server. */
#include <stdlib.h>
#include <string.h>

#include "dest/clickhouse/internal.h"

#define SHAPE                                                                  \
  "\nhint: clickhouse://user:password@host:8123/database, or with "            \
  "host:8443/database?secure=true"

/* ---- the connection string ---------------------------------------------------- */

/* 1m30s, 500ms, 10s, as Go writes durations. */
static int span_ms(const char *s, int64_t *out) {
  int64_t ms = 0;

  if (!*s) return 0;
  while (*s) {
    char *end;
    double n = cq_strtod(s, &end);

    if (end == s || n < 0 || n > 1e6) return 0;
    if (strncmp(end, "ms", 2) == 0)
      ms += (int64_t)n, s = end + 2;
    else if (*end == 's')
      ms += (int64_t)(n * 1000), s = end + 1;
    else if (*end == 'm')
      ms += (int64_t)(n * 60000), s = end + 1;
    else if (*end == 'h')
      ms += (int64_t)(n * 3600000), s = end + 1;
    else
      return 0;
  }
  *out = ms;
  return 1;
}

static int is_true(const char *s) {
  return strcmp(s, "true") == 0 || strcmp(s, "1") == 0 || !*s;
}

/* Words of clickhouse-go that mean nothing here: its pool, its native blocks. */
static int is_ignored(const char *name) {
  static const char *const words[] = {"debug",
                                      "max_open_conns",
                                      "max_idle_conns",
                                      "conn_max_lifetime",
                                      "connection_open_strategy",
                                      "block_buffer_size",
                                      "max_compression_buffer",
                                      "compress_level",
                                      "client_info_product",
                                      "alt_hosts"};

  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strcmp(words[i], name) == 0) return 1;
  return 0;
}

static int squeeze_word(ch_options *o, const char *v, cq_error *err) {
  o->squeeze_said = 1;
  if (strcmp(v, "none") == 0 || strcmp(v, "false") == 0 || strcmp(v, "0") == 0)
    o->squeeze = CH_NONE;
  else if (strcmp(v, "gzip") == 0)
    o->squeeze = CH_GZIP;
  else if (strcmp(v, "zstd") == 0)
    o->squeeze = CH_ZSTD;
  else if (strcmp(v, "true") == 0 || strcmp(v, "1") == 0 ||
           strcmp(v, "lz4") == 0)
    o->squeeze = CH_AUTO;
  else
    return cq_error_set(err, CQ_MISUSE,
                        "connection_string: compress: unknown: %s\nhint: one "
                        "of: none, gzip, zstd, lz4, true, false",
                        v);
  return CQ_OK;
}

static int one_setting(cq_arena *a, ch_options *o, const char *name,
                       const char *v, cq_buf *more, cq_error *err) {
  int64_t *ms = NULL;

  if (strcmp(name, "username") == 0) {
    o->user = v;
  } else if (strcmp(name, "password") == 0) {
    o->password = v;
  } else if (strcmp(name, "database") == 0) {
    o->database = v;
  } else if (strcmp(name, "secure") == 0) {
    o->tls |= is_true(v);
  } else if (strcmp(name, "skip_verify") == 0) {
    if (is_true(v))
      return cq_error_set(err, CQ_MISUSE,
                          "connection_string: skip_verify: a server's "
                          "certificate is always verified\nhint: ca_cert "
                          "names who has signed it");
  } else if (strcmp(name, "compress") == 0) {
    return squeeze_word(o, v, err);
  } else if (strcmp(name, "dial_timeout") == 0) {
    ms = &o->connect_ms;
  } else if (strcmp(name, "read_timeout") == 0) {
    ms = &o->read_ms;
  } else if (!is_ignored(name)) {
    cq_buf_byte(more, '&');
    cq_percent_encode(more, name, strlen(name), "");
    cq_buf_byte(more, '=');
    cq_percent_encode(more, v, strlen(v), "");
  }
  (void)a;
  if (ms && (!span_ms(v, ms) || *ms < 1))
    return cq_error_set(err, CQ_MISUSE,
                        "connection_string: %s: no duration: %s\nhint: 10s",
                        name, v);
  return CQ_OK;
}

static int settings_of(cq_arena *a, ch_options *o, const char *query,
                       cq_error *err) {
  cq_buf more;
  int rc = CQ_OK;

  cq_buf_init(&more, CQ_MAX_URL);
  while (*query && rc == CQ_OK) {
    size_t n = strcspn(query, "&"), eq = 0;
    char *name, *value;

    while (eq < n && query[eq] != '=') eq++;
    name = cq_dest_decoded(a, query, eq);
    value = cq_dest_decoded(a, query + eq + (eq < n), n - eq - (eq < n));
    if (!name || !value)
      rc = cq_error_nomem(err);
    else if (*name)
      rc = one_setting(a, o, name, value, &more, err);
    query += n;
    query += *query == '&';
  }
  o->settings = more.rc
                    ? NULL
                    : cq_arena_strndup(a, more.data ? more.data : "", more.len);
  cq_buf_clear(&more);
  if (rc == CQ_OK && !o->settings) rc = cq_error_nomem(err);
  return rc;
}

/* On this machine nothing is far: compression would cost both sides alone. */
static int all_here(const ch_options *o) {
  static const char *const here[] = {"127.", "localhost:", "[::1]:"};

  for (int i = 0; i < o->nhost; i++) {
    int found = 0;

    for (size_t k = 0; k < sizeof here / sizeof *here; k++)
      found |= cq_str_ieqn(o->hosts[i], here[k], strlen(here[k]));
    if (!found) return 0;
  }
  return o->nhost > 0;
}

/* Ports of the protocol that clickhouse-client speaks. */
static int native_port(const char *host, cq_error *err) {
  const char *colon = strrchr(host, ':');
  int tls = colon && strcmp(colon, ":9440") == 0;

  if (!tls && !(colon && strcmp(colon, ":9000") == 0)) return CQ_OK;
  return cq_error_set(err, CQ_MISUSE,
                      "connection_string: port %s is of ClickHouse's native "
                      "protocol, and cq speaks HTTP\nhint: port %s",
                      colon + 1, tls ? "8443 with secure=true" : "8123");
}

/* host, host:port, [::1]:port -> with a port. */
static int hosts_of(cq_arena *a, ch_options *o, const char *s, size_t n,
                    int native, cq_error *err) {
  while (n) {
    size_t len = 0, colon = 0;
    const char *host;

    while (len < n && s[len] != ',') len++;
    for (size_t i = 0; i < len; i++)
      if (s[i] == ']')
        colon = 0;
      else if (s[i] == ':')
        colon = i;
    if (o->nhost == CH_HOSTS)
      return cq_error_set(err, CQ_MISUSE,
                          "connection_string: more than %d hosts", CH_HOSTS);
    host = cq_arena_printf(a, "%.*s%s", (int)len, s,
                           colon    ? ""
                           : o->tls ? ":8443"
                                    : ":8123");
    if (!host) return cq_error_nomem(err);
    if (colon && strspn(s + colon + 1, "0123456789") < len - colon - 1)
      return cq_error_set(err, CQ_MISUSE,
                          "connection_string: the port of %.*s is no "
                          "number" SHAPE,
                          (int)(colon < 200 ? colon : 200), s);
    if (native && native_port(host, err)) return err->code;
    if (len) o->hosts[o->nhost++] = host;
    s += len;
    n -= len;
    if (n) s++, n--;
  }
  return o->nhost ? CQ_OK
                  : cq_error_set(err, CQ_MISUSE,
                                 "connection_string: no host in it" SHAPE);
}

static int connection(cq_arena *a, ch_options *o, const char *text,
                      cq_error *err) {
  const char *p = strstr(text, "://"), *query, *path, *at = NULL;
  size_t scheme = p ? (size_t)(p - text) : 0, n;
  int native = (scheme == 10 && cq_str_ieqn(text, "clickhouse", 10)) ||
               (scheme == 3 && cq_str_ieqn(text, "tcp", 3));
  int plain = scheme == 4 && cq_str_ieqn(text, "http", 4);
  int rc;

  o->tls = scheme == 5 && cq_str_ieqn(text, "https", 5);
  if (!native && !plain && !o->tls)
    return cq_error_set(err, CQ_MISUSE,
                        "connection_string: no address of ClickHouse\nhint: "
                        "clickhouse://user:password@host:8123/database, or "
                        "with https://");
  if ((rc = cq_dest_password_whole(text, 0, err)) != 0) return rc;
  p += 3;
  n = strcspn(p, "/?");
  for (size_t i = 0; i < n; i++)
    if (p[i] == '@') at = p + i;
  if (at) {
    const char *colon = memchr(p, ':', (size_t)(at - p));

    o->user = cq_dest_decoded(a, p, (size_t)((colon ? colon : at) - p));
    o->password =
        colon ? cq_dest_decoded(a, colon + 1, (size_t)(at - colon - 1)) : "";
    if (!o->user || !o->password) return cq_error_nomem(err);
    n -= (size_t)(at + 1 - p);
    p = at + 1;
  }
  path = p + n;
  query = strchr(path, '?');
  if (*path == '/' && path[1] && path[1] != '?') {
    o->database = cq_dest_decoded(a, path + 1, strcspn(path + 1, "?/"));
    if (!o->database) return cq_error_nomem(err);
  }
  rc = settings_of(a, o, query ? query + 1 : "", err);
  if (rc == CQ_OK) rc = hosts_of(a, o, p, n, native, err);
  if (rc == CQ_OK && !o->squeeze_said && all_here(o)) o->squeeze = CH_NONE;
  return rc;
}

/* ---- rules for tables ----------------------------------------------------------- */

const char *ch_rule_find(const ch_rules *r, const cq_dest_table *t) {
  for (size_t i = 0; i < r->n; i++) {
    const ch_rule *x = &r->v[i];
    int in = 0, out = x->skip_incremental && t->incremental;

    for (size_t k = 0; k < x->tables.n; k++)
      in |= cq_glob(x->tables.v[k], t->def->name);
    for (size_t k = 0; k < x->skip.n; k++)
      out |= cq_glob(x->skip.v[k], t->def->name);
    if (in && !out) return x->text;
  }
  return NULL;
}

static int rule_order(cq_arena *a, const cq_node *map, ch_rule *r,
                      cq_error *err) {
  cq_words columns = {0, NULL, NULL};
  int rc = cq_tree_words(a, map, "order_by", &columns, err);
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (size_t i = 0; i < columns.n && rc == CQ_OK; i++)
    cq_buf_printf(&b, "%s%s", i ? ", " : "", columns.v[i]);
  if (rc == CQ_OK && columns.n) {
    r->text = b.rc ? NULL : cq_arena_strndup(a, b.data, b.len);
    if (!r->text) rc = cq_error_nomem(err);
  }
  cq_buf_clear(&b);
  return rc;
}

static int rules_of(cq_arena *a, cq_dest_def *d, const cq_node *map,
                    const char *key, const char *field, ch_rules *out,
                    cq_error *err) {
  static const char *const every[] = {"*"};
  const cq_node *list = cq_tree_get(map, key);
  const char *known[] = {"tables", "skip_tables", "skip_incremental_tables",
                         field};
  int rc = CQ_OK;

  if (!list || list->kind == CQ_N_NULL) return CQ_OK;
  if (list->kind != CQ_N_LIST)
    return cq_tree_error(err, list, "%s: is no list", key);
  out->v = cq_arena_alloc(a, (list->count + 1) * sizeof *out->v);
  if (!out->v) return cq_error_nomem(err);
  for (size_t i = 0; i < list->count && rc == CQ_OK; i++) {
    const cq_node *m = list->items[i];
    ch_rule *r = &out->v[out->n];

    memset(r, 0, sizeof *r);
    r->tables.n = 1;
    r->tables.v = (const char **)(uintptr_t)every;
    if (m->kind != CQ_N_MAP) return cq_tree_error(err, m, "%s: is no map", key);
    rc = cq_tree_check_keys(m, key, known, 4, err);
    if (rc == CQ_OK) rc = cq_tree_words(a, m, "tables", &r->tables, err);
    if (rc == CQ_OK) rc = cq_tree_words(a, m, "skip_tables", &r->skip, err);
    if (rc == CQ_OK && r->tables.at) rc = cq_dest_globs(a, d, &r->tables);
    if (rc == CQ_OK) rc = cq_dest_globs(a, d, &r->skip);
    if (rc == CQ_OK)
      rc =
          cq_tree_bool(m, "skip_incremental_tables", &r->skip_incremental, err);
    if (rc == CQ_OK)
      rc = strcmp(field, "order_by") == 0
               ? rule_order(a, m, r, err)
               : cq_tree_text(m, field, &r->text, err);
    if (rc == CQ_OK && !r->text)
      rc = cq_tree_error(err, m, "%s: %s is missing", key, field);
    out->n++;
  }
  return rc;
}

/* ---- the engine ------------------------------------------------------------------- */

static int engine_args(cq_arena *a, const cq_node *list, ch_options *o,
                       cq_error *err) {
  cq_buf b;

  if (!list || list->kind == CQ_N_NULL) return CQ_OK;
  if (list->kind != CQ_N_LIST)
    return cq_tree_error(err, list, "engine: parameters: is no list");
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (size_t i = 0; i < list->count; i++) {
    const cq_node *n = list->items[i];
    cq_value v;

    if (n->kind != CQ_N_SCALAR) {
      cq_buf_clear(&b);
      return cq_tree_error(err, n, "engine: parameters: no text and no number");
    }
    if (i) cq_buf_str(&b, ", ");
    if (!n->quoted && !cq_number_parse(n->text, strlen(n->text), &v))
      cq_buf_str(&b, n->text);
    else
      ch_add_text(&b, n->text, strlen(n->text));
  }
  o->engine_args =
      b.rc ? NULL : cq_arena_strndup(a, b.data ? b.data : "", b.len);
  cq_buf_clear(&b);
  return o->engine_args ? CQ_OK : cq_error_nomem(err);
}

/* Engines that merge rows of one key away would take rows that are current
 * along with those that are not. */
static int engine_of(cq_arena *a, const cq_node *map, ch_options *o,
                     cq_error *err) {
  static const char *const known[] = {"name", "parameters"};
  static const char *const good[] = {"MergeTree", "ReplicatedMergeTree",
                                     "SharedMergeTree"};
  const cq_node *e = cq_tree_get(map, "engine");
  int rc;

  if (!e || e->kind == CQ_N_NULL) return CQ_OK;
  if (e->kind != CQ_N_MAP)
    return cq_tree_error(err, e, "engine: is no map\nhint: {name: MergeTree}");
  rc = cq_tree_check_keys(e, "engine", known, 2, err);
  if (rc == CQ_OK) rc = cq_tree_text(e, "name", &o->engine, err);
  if (rc == CQ_OK) rc = engine_args(a, cq_tree_get(e, "parameters"), o, err);
  if (rc || !o->engine) return rc;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    if (strcmp(good[i], o->engine) == 0) return CQ_OK;
  return cq_tree_error(err, cq_tree_get(e, "name"),
                       "engine: %s: rows of several runs are kept side by "
                       "side, which it would merge\nhint: one of: MergeTree, "
                       "ReplicatedMergeTree, SharedMergeTree",
                       o->engine);
}

/* ---- all ---------------------------------------------------------------------------- */

int ch_spec(cq_arena *a, const cq_node *map, cq_dest_def *d, cq_error *err) {
  static const char *const known[] = {"connection_string",
                                      "cluster",
                                      "ca_cert",
                                      "engine",
                                      "batch_size",
                                      "batch_size_bytes",
                                      "batch_timeout",
                                      "partition",
                                      "order",
                                      "ttl",
                                      "stage"};
  ch_options *o = cq_arena_alloc(a, sizeof *o);
  const char *text = NULL;
  int rc;

  if (!o) return cq_error_nomem(err);
  memset(o, 0, sizeof *o);
  o->user = o->password = o->settings = "";
  o->database = "default";
  o->connect_ms = CQ_CONNECT_TIMEOUT_MS;
  o->read_ms = 300000;
  o->gather.rows = 100000; /* each batch is a part, which is merged */
  o->gather.bytes = 12 << 20;
  o->gather.ms = 20000;
  d->options = o;
  rc =
      cq_tree_check_keys(map, "spec", known, sizeof known / sizeof *known, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "connection_string", &text, err);
  if (rc == CQ_OK && (!text || !*text))
    rc = cq_tree_error(err, map, "connection_string is missing" SHAPE);
  if (rc == CQ_OK) rc = cq_dest_secret(a, d, text);
  if (rc == CQ_OK) rc = connection(a, o, text, err);
  if (rc == CQ_OK) rc = cq_dest_secret(a, d, o->password);
  if (rc == CQ_OK) rc = cq_tree_text(map, "cluster", &o->cluster, err);
  if (rc == CQ_OK) rc = cq_tree_text(map, "ca_cert", &o->ca, err);
  if (rc == CQ_OK) rc = cq_dest_gather_spec(map, &o->gather, err);
  if (rc == CQ_OK) rc = engine_of(a, map, o, err);
  if (rc == CQ_OK)
    rc = rules_of(a, d, map, "partition", "partition_by", &o->partition, err);
  if (rc == CQ_OK)
    rc = rules_of(a, d, map, "order", "order_by", &o->order, err);
  if (rc == CQ_OK) rc = rules_of(a, d, map, "ttl", "ttl", &o->ttl, err);
  if (rc == CQ_OK) rc = ch_stage_spec(a, map, o, d, err);
  if (o->cluster && !*o->cluster) o->cluster = NULL;
  return rc;
}
