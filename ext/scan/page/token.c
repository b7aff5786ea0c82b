/* ext/scan/page/token.c: the answer's body or a header names the next page. */
#include "scan/page/page.h"

static int token_next(const cq_page_def *d, cq_page_state *s,
                      const cq_page_seen *p, int *go, cq_error *err) {
  cq_value header;
  int rc;

  *go = 0;
  if (cq_page_more(p) == 0)
    return CQ_OK;
  if (d->token_header) {
    header = cq_value_text(p->header);
    rc = cq_page_set_token(s, &header, err);
  } else {
    rc = cq_page_set_token(s, p->token, err);
  }
  *go = s->token != NULL;
  return rc;
}

const cq_page_ops cq_page_token = {"token", CQ_PAGE_TOKEN, token_next};
