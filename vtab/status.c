/* vtab/status.c: cq_settings, cq_destinations, cq_requests: how this connection
 * is set up, and what it has asked of others. */
#include <string.h>

#include "dest/dest.h"
#include "vtab/context.h"

/* ---- cq_settings ----------------------------------------------------------- */
enum {
  S_NAME,
  S_VALUE,
  S_DEFAULT,
  S_TYPE,
  S_INTEGRATION,
  S_SECRET,
  S_DESCRIPTION,
  S_COUNT
};

static int setting_row(cq_ctx *c, const cq_setting *s, cq_batch *out,
                       cq_error *err) {
  cq_value *row = cq_batch_add(out);
  const char *value = cq_setting_get(c, s->name);

  if (!row) return cq_error_nomem(err);
  row[S_TYPE] = cq_value_text(s->kind == 's'   ? "seconds"
                              : s->kind == 'n' ? "integer"
                                               : "text");
  row[S_SECRET] = cq_value_int(s->secret);
  if (cq_fixed_text(out, &row[S_NAME], s->name) ||
      cq_fixed_text(out, &row[S_VALUE], s->secret && *value ? "***" : value) ||
      cq_fixed_text(out, &row[S_DEFAULT], s->dflt) ||
      cq_fixed_text(out, &row[S_DESCRIPTION], s->description))
    return cq_error_nomem(err);
  return CQ_OK;
}

static int config_row(cq_ctx *c, const cq_integration *in,
                      const cq_config_def *d, cq_batch *out, cq_error *err) {
  cq_value *row = cq_batch_add(out);
  char *name = cq_arena_printf(&out->arena, "%s.%s", in->name, d->name);
  char *env = d->env ? cq_arena_printf(&out->arena, "${%s}", d->env) : NULL;
  cq_buf b;
  int rc, null;

  if (!row || !name || (d->env && !env)) return cq_error_nomem(err);
  cq_buf_init(&b, CQ_MAX_SPEC_BYTES);
  rc = cq_ctx_config_text(c, in, d, &b, &null, err);
  row[S_NAME] = cq_value_text(name);
  row[S_TYPE] = cq_value_text(d->is_list  ? "list"
                              : d->is_map ? "map"
                                          : cq_type_name(d->type));
  row[S_SECRET] = cq_value_int(d->secret != 0);
  if (rc == CQ_OK &&
      (b.rc ||
       (!null && cq_fixed_text(out, &row[S_VALUE], b.data ? b.data : "")) ||
       cq_fixed_text(out, &row[S_INTEGRATION], in->name) ||
       cq_fixed_text(out, &row[S_DESCRIPTION], d->description)))
    rc = cq_error_nomem(err);
  if (env)
    row[S_DEFAULT] = cq_value_text(env);
  else if (rc == CQ_OK && !d->secret &&
           cq_value_copy(&out->arena, &d->dflt, &row[S_DEFAULT]))
    rc = cq_error_nomem(err);
  cq_buf_clear(&b);
  return rc;
}

static int fill_settings(cq_ctx *c, uint64_t used, const char *only,
                         cq_batch *out, cq_error *err) {
  size_t n;
  const cq_setting *s = cq_setting_list(&n);
  const char *name;
  int rc = CQ_OK;

  (void)used, (void)only;
  for (size_t i = 0; i < n && rc == CQ_OK; i++)
    rc = setting_row(c, &s[i], out, err);
  for (size_t i = 0;
       rc == CQ_OK && (name = cq_registry_integration_name(c->registry, i));
       i++) {
    const cq_integration *in;

    rc = cq_registry_integration(c->registry, name, &in, err);
    for (int k = 0; rc == CQ_OK && k < in->nconfig; k++)
      rc = config_row(c, in, &in->config[k], out, err);
  }
  return rc;
}

const cq_fixed cq_fixed_settings = {
    "cq_settings",
    "CREATE TABLE x(name TEXT, value TEXT, \"default\" TEXT, type TEXT, "
    "integration TEXT, secret INTEGER, description TEXT)",
    S_COUNT,
    1,
    fill_settings,
    -1};

/* ---- cq_destinations --------------------------------------------------------- */
static int fill_destinations(cq_ctx *c, uint64_t used, const char *only,
                             cq_batch *out, cq_error *err) {
  size_t n;
  const cq_dest_ops *const *d = cq_dest_kinds(&n);

  (void)c, (void)used, (void)only;
  for (size_t i = 0; i < n; i++) {
    cq_value *row = cq_batch_add(out);

    if (!row || cq_fixed_text(out, &row[0], d[i]->name) ||
        cq_fixed_text(out, &row[1], d[i]->title) ||
        cq_fixed_text(out, &row[2], d[i]->options) ||
        cq_fixed_text(out, &row[3], d[i]->capabilities))
      return cq_error_nomem(err);
  }
  return CQ_OK;
}

const cq_fixed cq_fixed_destinations = {
    "cq_destinations",
    "CREATE TABLE x(name TEXT, title TEXT, options TEXT, capabilities TEXT)",
    4,
    0,
    fill_destinations,
    -1};

/* ---- cq_requests --------------------------------------------------------------- */
enum {
  R_ID,
  R_STARTED,
  R_INTEGRATION,
  R_TABLE,
  R_CLIENT,
  R_METHOD,
  R_HOST,
  R_PATH,
  R_STATUS,
  R_ATTEMPT,
  R_MS,
  R_BYTES,
  R_ERROR,
  R_COUNT
};

static int request_row(const cq_http_entry *e, cq_batch *out, cq_error *err) {
  cq_value *row = cq_batch_add(out);
  char started[40];

  if (!row) return cq_error_nomem(err);
  cq_time_format(e->started_us, started);
  row[R_ID] = cq_value_int(e->id);
  row[R_ATTEMPT] = cq_value_int(e->attempt);
  row[R_MS] = cq_value_int(e->ms);
  row[R_BYTES] = cq_value_int(e->bytes);
  if (e->status) row[R_STATUS] = cq_value_int(e->status);
  if (cq_fixed_text(out, &row[R_STARTED], started) ||
      cq_fixed_text(out, &row[R_INTEGRATION], e->integration) ||
      cq_fixed_text(out, &row[R_TABLE], e->table) ||
      cq_fixed_text(out, &row[R_CLIENT], e->client) ||
      cq_fixed_text(out, &row[R_METHOD], e->method) ||
      cq_fixed_text(out, &row[R_HOST], e->host) ||
      cq_fixed_text(out, &row[R_PATH], e->path) ||
      cq_fixed_text(out, &row[R_ERROR], *e->error ? e->error : NULL))
    return cq_error_nomem(err);
  return CQ_OK;
}

static int fill_requests(cq_ctx *c, uint64_t used, const char *only,
                         cq_batch *out, cq_error *err) {
  cq_http_entry *e = NULL;
  size_t n = 0;
  int rc = CQ_OK;

  (void)used, (void)only;
  if (c->env.http) rc = cq_http_log(c->env.http, &e, &n, err);
  for (size_t i = 0; i < n && rc == CQ_OK; i++)
    rc = request_row(&e[i], out, err);
  cq_free(e);
  return rc;
}

const cq_fixed cq_fixed_requests = {
    "cq_requests",
    "CREATE TABLE x(id INTEGER, started TEXT, integration TEXT, "
    "table_name TEXT, client TEXT, method TEXT, host TEXT, path TEXT, "
    "status INTEGER, attempt INTEGER, ms INTEGER, bytes INTEGER, error TEXT)",
    R_COUNT,
    1,
    fill_requests,
    -1};
