/* ext/scan/permissions.c: what a caller must be allowed to do for one table of a
 * source: what the table says, what finding its clients takes where that is
 * not configured, and what the integration says besides.  Makes no request. */
#include <jansson.h>
#include <string.h>

#include "scan/internal.h"

static int each_word(const char *json, cq_permission_add add, void *user) {
  json_t *list = json ? json_loads(json, JSON_DECODE_ANY, NULL) : NULL, *word;
  size_t i;
  int rc = CQ_OK;

  if (json_is_string(list)) rc = add(user, json_string_value(list), NULL);
  json_array_foreach(list, i, word) if (json_is_string(word) && rc == CQ_OK)
      rc = add(user, json_string_value(word), NULL);
  json_decref(list);
  return rc;
}

/* What no table names: whether it is needed, or the resources that it is needed
 * for. */
static int also_needed(const cq_param *p, const cq_context *c, cq_arena *a,
                       cq_permission_add add, void *user, cq_error *err) {
  cq_value v, one;
  size_t at = 0;
  int rc = cq_template_eval(p->value, c, CQ_PLACE_PLAIN, a, &v, err), step, yes;

  if (rc) return rc;
  if (v.kind != CQ_STR || !v.json || v.u.s[0] != '[') {
    rc = cq_template_true(p->value, c, a, &yes, err);
    if (rc || !yes) return rc;
    return add(user, p->name, NULL) ? cq_error_nomem(err) : CQ_OK;
  }
  while ((step = cq_json_element(a, v.u.s, v.len, &at, &one)) == CQ_ROW) {
    char *text;

    if (one.kind != CQ_STR || one.json) continue;
    text = cq_arena_strndup(a, one.u.s, one.len);
    if (!text || add(user, p->name, text)) return cq_error_nomem(err);
  }
  return step == CQ_NOMEM ? cq_error_nomem(err) : CQ_OK;
}

int cq_source_permissions(cq_source *s, const cq_table *t,
                          cq_permission_add add, void *user, cq_error *err) {
  const cq_integration *in = s->in;
  cq_scope scope;
  cq_context c;
  cq_arena a;
  cq_dry dry;
  int rc;

  if (t->retired) return CQ_OK;
  memset(&scope, 0, sizeof scope);
  memset(&dry, 0, sizeof dry);
  scope.config = s->config;
  c = cq_scope_context(&scope);
  cq_arena_init(&a);
  rc = cq_source_dry(s, t, &a, &dry, err);
  if (rc == CQ_OK && each_word(t->permissions, add, user))
    rc = cq_error_nomem(err);
  for (size_t i = 0; i < dry.nstep && rc == CQ_OK; i++) {
    const cq_dry_step *d = &dry.step[i];

    if ((d->discover && each_word(d->dim->discover_permissions, add, user)) ||
        (d->identify && each_word(d->dim->identify_permissions, add, user)))
      rc = cq_error_nomem(err);
  }
  for (size_t i = 0; i < in->nalso && rc == CQ_OK; i++)
    rc = also_needed(&in->also[i], &c, &a, add, user, err);
  cq_dry_clear(&dry);
  cq_arena_clear(&a);
  return rc;
}
