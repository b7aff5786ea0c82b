/* ext/scan/page/graphql.c: Relay connections: pageInfo {hasNextPage endCursor}
 * in the body names the next page. */
#include "scan/page/page.h"

static int graphql_next(const cq_page_def *d, cq_page_state *s,
                        const cq_page_seen *p, int *go, cq_error *err) {
  int more = cq_page_more(p); /* hasNextPage, extracted beside endCursor */

  (void)d;
  *go = 0;
  /* Nothing of a list at all is for `rows` to judge. */
  if (more < 0 && (p->rows > 0 || p->token->kind != CQ_NULL))
    return cq_error_set(
        err, CQ_ERROR,
        "pageInfo.hasNextPage is missing, so that nothing tells "
        "whether the list is whole");
  if (more != 1) return CQ_OK;
  if (cq_page_set_token(s, p->token, err)) return CQ_NOMEM;
  if (!s->token)
    return cq_error_set(err, CQ_ERROR,
                        "pageInfo.hasNextPage is true without an endCursor");
  *go = 1;
  return CQ_OK;
}

const cq_page_ops cq_page_graphql = {"graphql", CQ_PAGE_GRAPHQL, graphql_next};
