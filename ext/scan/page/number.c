/* ext/scan/page/number.c: pages are counted.  The last one is short or empty,
 * or the body tells how many there are, or whether more follows. */
#include "scan/page/page.h"

static int number_next(const cq_page_def *d, cq_page_state *s,
                       const cq_page_seen *p, int *go, cq_error *err) {
  int more = cq_page_more(p);

  (void)err;
  if (more >= 0)
    *go = more;
  else if (p->total && p->total->kind == CQ_INT)
    *go = s->number - d->start + 1 < p->total->u.i;
  else if (s->size > 0)
    *go = p->rows >= s->size;
  else
    *go = p->rows > 0;
  if (*go) s->number++;
  return CQ_OK;
}

const cq_page_ops cq_page_number = {"number", CQ_PAGE_NUMBER, number_next};
