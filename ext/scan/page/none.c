/* ext/scan/page/none.c: a list in one answer. */
#include "scan/page/page.h"

static int none_next(const cq_page_def *d, cq_page_state *s,
                     const cq_page_seen *p, int *go, cq_error *err) {
  (void)d, (void)s, (void)p, (void)err;
  *go = 0;
  return CQ_OK;
}

const cq_page_ops cq_page_none = {"none", CQ_PAGE_NONE, none_next};
