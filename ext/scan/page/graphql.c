/* ext/scan/page/graphql.c: Relay connections: pageInfo {hasNextPage endCursor}
 * in the body names the next page. */
#include "scan/page/page.h"

static int graphql_next(const cq_page_def *d, cq_page_state *s,
                        const cq_page_seen *p, int *go, cq_error *err) {
  (void)d;
  *go = 0;
  if (cq_page_more(p) != 1) /* hasNextPage, extracted beside endCursor */
    return CQ_OK;
  if (cq_page_set_token(s, p->token, err)) return CQ_NOMEM;
  if (!s->token)
    return cq_error_set(err, CQ_ERROR,
                        "pageInfo.hasNextPage is true without an endCursor");
  *go = 1;
  return CQ_OK;
}

const cq_page_ops cq_page_graphql = {"graphql", CQ_PAGE_GRAPHQL, graphql_next};
