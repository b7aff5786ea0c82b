/* ext/scan/page/token.c: the answer's body or a header names the next page. */
#include <string.h>

#include "scan/page/page.h"

/* Several values: an object of those that are there. */
static int token_object(const cq_page_def *d, cq_page_state *s,
                        const cq_value *body, cq_error *err) {
  cq_arena a;
  cq_buf b;
  int rc = CQ_OK, found = 0;

  if (!body || body->kind != CQ_STR) return cq_page_set_token(s, NULL, err);
  cq_arena_init(&a);
  cq_buf_init(&b, CQ_MAX_URL);
  cq_buf_byte(&b, '{');
  for (size_t i = 0; i < d->ntoken && rc == CQ_OK; i++) {
    cq_value v, t;

    rc = cq_path_get(&a, d->token_paths[i], body->u.s, body->len, &v, err);
    if (rc || v.kind == CQ_NULL || (v.kind == CQ_STR && v.len == 0)) continue;
    if (cq_value_to_text(&a, &v, &t)) {
      rc = cq_error_nomem(err);
      continue;
    }
    cq_buf_str(&b, found++ ? ",\"" : "\"");
    cq_buf_str(&b, d->token_names[i]);
    cq_buf_str(&b, "\":");
    cq_buf_json(&b, t.u.s, t.len);
  }
  cq_buf_byte(&b, '}');
  if (rc == CQ_OK && b.rc) rc = cq_error_nomem(err);
  if (rc == CQ_OK) {
    cq_value v = found ? cq_value_str(b.data, b.len) : cq_value_null();

    rc = cq_page_set_token(s, &v, err);
  }
  cq_buf_clear(&b);
  cq_arena_clear(&a);
  return rc;
}

/* Where a server says so, "next": false. */
static int token_none(const cq_value *v) {
  return v && v->kind == CQ_STR && v->len == 5 &&
         memcmp(v->u.s, "false", 5) == 0;
}

static int token_next(const cq_page_def *d, cq_page_state *s,
                      const cq_page_seen *p, int *go, cq_error *err) {
  cq_value header;
  int rc;

  *go = 0;
  if (cq_page_more(p) == 0) return CQ_OK;
  if (d->ntoken) {
    rc = token_object(d, s, p->token, err);
  } else if (d->token_header) {
    header = cq_value_text(p->header);
    rc = cq_page_set_token(s, &header, err);
  } else {
    rc = cq_page_set_token(s, token_none(p->token) ? NULL : p->token, err);
  }
  *go = s->token != NULL;
  return rc || *go ? rc : cq_page_lacks(p, err);
}

const cq_page_ops cq_page_token = {"token", CQ_PAGE_TOKEN, token_next};
