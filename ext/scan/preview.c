/* ext/scan/preview.c: the address of a request as people read it before it is
 * made: what is known stands there, what only an answer can tell, what differs
 * between clients, and what is secret stands as {name}. */
#include <string.h>

#include "scan/internal.h"

enum { DEEPEST = 8 }; /* attributes that are made of each other */

typedef struct preview {
  cq_scope scope;
  const cq_preview *of;
  int depth;
} preview;

static int preview_get(void *user, const cq_ref *ref, cq_arena *a,
                       cq_value *out, cq_error *err);

static int placeholder(const char *name, cq_arena *a, cq_value *out,
                       cq_error *err) {
  char *text = cq_arena_printf(a, "{%s}", name);

  if (!text) return cq_error_nomem(err);
  *out = cq_value_text(text);
  return CQ_OK;
}

/* Will a step that has not been made give this attribute?  *made: of others. */
static int pending(const cq_preview *p, const char *name,
                   const cq_template **made) {
  *made = NULL;
  for (size_t i = 0; p->dry && i < p->dry->nstep; i++) {
    const cq_dry_step *s = &p->dry->step[i];

    if (!s->discover && !s->identify) continue;
    if (s->discover && strcmp(s->dim->name, name) == 0) return 1;
    for (size_t k = 0; k < s->dim->nattr; k++)
      if (strcmp(s->dim->attr[k].name, name) == 0) {
        *made = s->dim->attr[k].value;
        return 1;
      }
  }
  return 0;
}

/* An attribute that is made of others, as far as these are known. */
static int made_value(preview *v, const cq_template *made, const char *name,
                      cq_arena *a, cq_value *out, cq_error *err) {
  cq_context c = {v, preview_get};
  cq_error lacks = {0, ""};
  int rc = CQ_ERROR;

  if (made && v->depth < DEEPEST) {
    v->depth++;
    rc = cq_template_eval(made, &c, CQ_PLACE_PLAIN, a, out, &lacks);
    v->depth--;
  }
  if (rc == CQ_NOMEM) return cq_error_nomem(err);
  return rc || out->kind == CQ_NULL ? placeholder(name, a, out, err) : CQ_OK;
}

static int client_value(preview *v, const cq_ref *ref, cq_arena *a,
                        cq_value *out, cq_error *err) {
  const cq_preview *p = v->of;
  const cq_template *made;
  const cq_value *one = NULL;
  int lacks = 0; /* some have none */

  for (size_t i = 0; i < p->nclient; i++) {
    const cq_value *its = cq_client_value(p->clients[i], ref->name);

    if (its && its->kind == CQ_NULL) its = NULL;
    if (!its) lacks = 1;
    if (!one) one = its;
    if (one && (lacks || !cq_value_same(one, its)))
      return placeholder(ref->name, a, out, err);
  }
  if (one) {
    *out = *one;
    return CQ_OK;
  }
  if (pending(p, ref->name, &made))
    return made_value(v, made, ref->name, a, out, err);
  return CQ_OK;
}

static int preview_get(void *user, const cq_ref *ref, cq_arena *a,
                       cq_value *out, cq_error *err) {
  preview *v = user;
  cq_context known = cq_scope_context(&v->scope);

  *out = cq_value_null();
  switch (ref->root) {
  case CQ_R_CONFIG:
    if (cq_config_is_secret(v->scope.config, ref->name))
      return placeholder(ref->name, a, out, err);
    return known.get(known.user, ref, a, out, err);
  case CQ_R_CLIENT:
    return client_value(v, ref, a, out, err);
  case CQ_R_RECORD:
  case CQ_R_DETAIL:
    return placeholder(ref->path ? ref->path->text : ref->name, a, out, err);
  case CQ_R_PARENT:
  case CQ_R_ROW:
  case CQ_R_EACH:
  case CQ_R_JOB:
  case CQ_R_WHERE:
    return placeholder(ref->name, a, out, err);
  default:
    return known.get(known.user, ref, a, out, err);
  }
}

/* Appends a template's text; 1 = it has no value. */
static int put(const cq_template *t, cq_context *c, cq_place place, cq_arena *a,
               cq_buf *b, int *rc, cq_error *err) {
  cq_value v, text;
  cq_error lacks = {0, ""};

  *rc = cq_template_eval(t, c, place, a, &v, &lacks);
  if (*rc == CQ_NOMEM) {
    cq_error_nomem(err);
    return 1;
  }
  if (*rc || v.kind == CQ_NULL) {
    *rc = CQ_OK;
    return 1;
  }
  if (cq_value_to_text(a, &v, &text)) {
    *rc = cq_error_nomem(err);
    return 1;
  }
  if (place == CQ_PLACE_PATH) {
    while (b->len && b->data[b->len - 1] == '/') b->len--;
    if (!text.len || text.u.s[0] != '/') cq_buf_byte(b, '/');
  }
  cq_buf_add(b, text.u.s, text.len);
  return 0;
}

/* The placeholders' braces were percent-encoded with the values around them. */
static void braces(char *s) {
  char *to = s;

  for (; *s; s++) {
    if (strncmp(s, "%7B", 3) == 0 || strncmp(s, "%7D", 3) == 0) {
      *to++ = s[2] == 'B' ? '{' : '}';
      s += 2;
    } else {
      *to++ = *s;
    }
  }
  *to = 0;
}

int cq_preview_url(const cq_preview *p, const cq_request_def *r, cq_arena *a,
                   char **out, cq_error *err) {
  preview v = {{0}, p, 0};
  cq_context c = {&v, preview_get};
  cq_buf b;
  int rc;

  v.scope.config = p->source->config;
  v.scope.run_us = cq_now_us();
  cq_buf_init(&b, CQ_MAX_URL);
  if (put(r->url, &c, CQ_PLACE_PLAIN, a, &b, &rc, err) ||
      (r->path && put(r->path, &c, CQ_PLACE_PATH, a, &b, &rc, err)))
    *out = rc ? NULL
              : cq_arena_printf(a, "%s%s", cq_template_text(r->url),
                                r->path ? cq_template_text(r->path) : "");
  else
    *out = b.rc ? NULL : cq_arena_strndup(a, b.data, b.len);
  cq_buf_clear(&b);
  if (!*out) return rc ? rc : cq_error_nomem(err);
  braces(*out);
  return CQ_OK;
}
