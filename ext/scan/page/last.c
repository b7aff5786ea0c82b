/* ext/scan/page/last.c: keyset paging: the next page begins after the last
 * record of this one. */
#include "scan/page/page.h"

static int last_next(const cq_page_def *d, cq_page_state *s,
                     const cq_page_seen *p, int *go, cq_error *err) {
  int more = cq_page_more(p);
  int rc = CQ_OK;

  (void)d;
  *go = more >= 0 ? more : s->size > 0 ? p->rows >= s->size : p->rows > 0;
  if (*go && p->rows > 0) {
    rc = cq_page_set_token(s, p->last, err);
    if (rc == CQ_OK && !s->token)
      rc = cq_error_set(err, CQ_ERROR,
                        "the last record has no value to page by");
  } else if (more == 1) {
    rc = cq_error_set(err, CQ_ERROR,
                      "the server says that more follows a page without "
                      "records, but not what");
  } else {
    *go = 0;
  }
  return rc;
}

const cq_page_ops cq_page_last = {"last", CQ_PAGE_LAST, last_next};
