/* ext/scan/page/offset.c: items are counted from the start.  The last page is
 * short or empty, or the body tells how many items there are. */
#include "scan/page/page.h"

static int offset_next(const cq_page_def *d, cq_page_state *s,
                       const cq_page_seen *p, int *go, cq_error *err) {
  int more = cq_page_more(p);

  s->offset += p->rows;
  if (p->rows == 0 && more == 1)
    return cq_error_set(err, CQ_ERROR,
                        "the server says that more follows a page without "
                        "records, but not where");
  if (p->rows == 0)
    *go = 0;
  else if (more >= 0)
    *go = more;
  else if (p->total && p->total->kind == CQ_INT)
    *go = s->offset - d->start < p->total->u.i;
  else if (s->size > 0)
    *go = p->rows >= s->size;
  else
    *go = 1;
  return CQ_OK;
}

const cq_page_ops cq_page_offset = {"offset", CQ_PAGE_OFFSET, offset_next};
