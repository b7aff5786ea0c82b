/* ext/scan/scope.c: the names that a template may ask for, answered from what
 * a scan knows at that place.  Nothing is copied: values are borrowed from the
 * client, the parent's row, the batch; only lists of batched calls are built,
 * in the caller's arena. */
#include <stdio.h>
#include <string.h>

#include "scan/internal.h"

/* A list of the values of `slot` over n rows, as JSON text. */
static int scope_list(const cq_value *const *rows, size_t n, int slot,
                      cq_arena *a, cq_value *out, cq_error *err) {
  cq_buf b;
  int rc = CQ_OK;
  char *text;

  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  cq_buf_byte(&b, '[');
  for (size_t i = 0, put = 0; i < n; i++) {
    const cq_value *v = &rows[i][slot];
    cq_value t;

    if (v->kind == CQ_NULL) continue;
    if (put++) cq_buf_byte(&b, ',');
    if (v->kind == CQ_STR && v->json) {
      cq_buf_add(&b, v->u.s, v->len);
    } else if (v->kind == CQ_STR) {
      cq_buf_json(&b, v->u.s, v->len);
    } else {
      rc = cq_value_to_text(a, v, &t);
      if (rc) break;
      cq_buf_add(&b, t.u.s, t.len);
    }
  }
  cq_buf_byte(&b, ']');
  if (rc || b.rc) {
    cq_buf_clear(&b);
    return cq_error_nomem(err);
  }
  text = cq_arena_strndup(a, b.data, b.len);
  *out = text ? cq_value_json(text, b.len) : cq_value_null();
  cq_buf_clear(&b);
  return text ? CQ_OK : cq_error_nomem(err);
}

static int scope_cell(const cq_value *const *rows, size_t n, int slot,
                      int batched, cq_arena *a, cq_value *out, cq_error *err) {
  if (slot < 0 || n == 0) return CQ_OK;
  if (n == 1 && !batched) {
    *out = rows[0][slot];
    return CQ_OK;
  }
  return scope_list(rows, n, slot, a, out, err);
}

static void scope_attribute(const cq_client *c, const char *name,
                            cq_value *out) {
  const cq_value *v = cq_client_value(c, name);

  if (v) *out = *v;
}

/* where.col: the value of `=` (or the list of IN); where.col.min, .max: the
 * ends of a range, as an object of which the engine takes the member. */
static int scope_where(const cq_scope *s, const cq_ref *ref, cq_arena *a,
                       cq_value *out, cq_error *err) {
  const cq_constraint *min = NULL, *max = NULL;
  cq_buf b;
  char *text;

  for (size_t i = 0; i < s->nwhere; i++) {
    const cq_constraint *w = &s->where[i];

    if (strcmp(s->table->columns[w->column].name, ref->name) != 0) continue;
    if (w->op == CQ_W_EQ && (!ref->path || ref->path->nstep == 0)) {
      *out = w->values[0];
      return CQ_OK;
    }
    if (w->op == CQ_W_IN && (!ref->path || ref->path->nstep == 0)) {
      const cq_value **rows = cq_malloc((w->n + 1) * sizeof *rows);
      int rc;

      if (!rows) return cq_error_nomem(err);
      for (size_t k = 0; k < w->n; k++) rows[k] = &w->values[k];
      rc = scope_list(rows, w->n, 0, a, out, err);
      cq_free(rows);
      return rc;
    }
    if (w->op == CQ_W_LIKE && (!ref->path || ref->path->nstep == 0))
      *out = w->values[0];
    if (w->op == CQ_W_GT || w->op == CQ_W_GE) min = w;
    if (w->op == CQ_W_LT || w->op == CQ_W_LE) max = w;
  }
  if (!ref->path || ref->path->nstep == 0 || (!min && !max)) return CQ_OK;
  cq_buf_init(&b, CQ_MAX_TEMPLATE);
  for (int side = 0; side < 2; side++) {
    const cq_constraint *w = side ? max : min;
    cq_value t;

    if (!w) continue;
    cq_buf_str(&b, b.len ? ",\"" : "{\"");
    cq_buf_str(&b, side ? "max\":" : "min\":");
    if (cq_value_to_text(a, &w->values[0], &t))
      b.rc = CQ_NOMEM;
    else if (w->values[0].kind == CQ_STR)
      cq_buf_json(&b, t.u.s, t.len);
    else
      cq_buf_add(&b, t.u.s, t.len);
  }
  cq_buf_byte(&b, '}');
  text = b.rc ? NULL : cq_arena_strndup(a, b.data, b.len);
  if (text) *out = cq_value_json(text, b.len);
  cq_buf_clear(&b);
  return text ? CQ_OK : cq_error_nomem(err);
}

static int scope_response(const cq_scope *s, const cq_ref *ref, cq_arena *a,
                          cq_value *out) {
  (void)a;
  if (strcmp(ref->name, "body") == 0) {
    for (size_t i = 0; i < s->nbody && s->envelope; i++)
      if (s->body_refs[i] == ref) *out = s->envelope[4 + i];
  } else if (strcmp(ref->name, "status") == 0) {
    if (s->answer) *out = cq_value_int(s->answer->status);
  } else if (strcmp(ref->name, "url") == 0) {
    if (s->answer) *out = cq_value_text(s->answer->url);
  } else if (strcmp(ref->name, "headers") == 0 && ref->path && s->answer) {
    const cq_step *last =
        ref->path->nstep ? &ref->path->steps[ref->path->nstep - 1] : NULL;
    if (last && last->name) {
      char name[128];
      snprintf(name, sizeof name, "%.*s", (int)last->len, last->name);
      *out = cq_value_text(cq_head_get(s->answer, name));
    }
  }
  return CQ_OK;
}

static int scope_run(const cq_scope *s, const cq_ref *ref, cq_arena *a,
                     cq_value *out, cq_error *err) {
  char text[40], *copy;
  size_t n;

  cq_time_format(s->run_us, text);
  n = strcmp(ref->name, "date") == 0 ? 10 : strlen(text);
  copy = cq_arena_strndup(a, text, n);
  if (!copy) return cq_error_nomem(err);
  *out = cq_value_str(copy, n);
  return CQ_OK;
}

/* Does table_options ask for what the API gives without pages only? */
static int comes_whole(const cq_scope *s) {
  const cq_page_def *d = s->table ? &s->table->page : NULL;

  for (size_t i = 0; s->option && d && i < d->nwhole; i++)
    if (cq_options_has(s->option, d->whole[i], CQ_OPTION_ALL)) return 1;
  return 0;
}

static int scope_get(void *user, const cq_ref *ref, cq_arena *a, cq_value *out,
                     cq_error *err) {
  const cq_scope *s = user;
  const cq_page_state *p = s->page;

  *out = cq_value_null();
  switch (ref->root) {
  case CQ_R_CONFIG:
    cq_config_get(s->config, ref->name, out);
    if (s->masked && out->kind != CQ_NULL &&
        cq_config_is_secret(s->config, ref->name))
      *out = cq_value_text("***");
    return CQ_OK;
  case CQ_R_CLIENT:
    scope_attribute(s->client, ref->name, out);
    return CQ_OK;
  case CQ_R_WHERE:
    return scope_where(s, ref, a, out, err);
  case CQ_R_PARENT:
    return scope_cell(s->parent_rows, s->nparent, ref->slot,
                      s->table && s->table->parent.batch > 1, a, out, err);
  case CQ_R_ROW:
  case CQ_R_RECORD:
  case CQ_R_DETAIL:
    return scope_cell(s->rows, s->nrow, ref->slot, s->batched, a, out, err);
  case CQ_R_RESPONSE:
    return scope_response(s, ref, a, out);
  case CQ_R_CURSOR:
    *out = cq_value_text(strcmp(ref->name, "to") == 0 ? s->cursor_to
                                                      : s->cursor_from);
    return CQ_OK;
  case CQ_R_PAGE:
    if (!p) return CQ_OK;
    if (strcmp(ref->name, "size") == 0)
      *out = p->size > 0 && !comes_whole(s) ? cq_value_int(p->size)
                                            : cq_value_null();
    else if (strcmp(ref->name, "number") == 0)
      *out = cq_value_int(p->number);
    else if (strcmp(ref->name, "offset") == 0)
      *out = cq_value_int(p->offset);
    else if (strcmp(ref->name, "token") == 0)
      *out = p->token && p->token[0] == '{'
                 ? cq_value_json(p->token, strlen(p->token))
                 : cq_value_text(p->token);
    return CQ_OK;
  case CQ_R_EACH:
    for (size_t i = 0; s->each && i < s->table->neach; i++)
      if (strcmp(s->table->each[i].name, ref->name) == 0) *out = s->each[i];
    return CQ_OK;
  case CQ_R_DATA:
    if (s->config) cq_config_data(s->config, ref->name, out);
    return CQ_OK;
  case CQ_R_RUN:
    return scope_run(s, ref, a, out, err);
  case CQ_R_JOB:
    for (size_t i = 0; s->job && i < s->table->job.nvalue; i++)
      if (strcmp(s->table->job.names[i], ref->name) == 0) *out = s->job[i];
    return CQ_OK;
  case CQ_R_COUNT:
    break;
  }
  return CQ_OK;
}

cq_context cq_scope_context(cq_scope *s) {
  cq_context c = {s, scope_get};
  return c;
}
