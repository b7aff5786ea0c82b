/* ext/scan/page/url.c: the body holds the next page's URL, whole or relative
 * to this one (RFC 3986). */
#include "http/http.h"
#include "scan/page/page.h"

static int url_next(const cq_page_def *d, cq_page_state *s,
                    const cq_page_seen *p, int *go, cq_error *err) {
  cq_buf url;

  (void)d;
  *go = 0;
  if (cq_page_more(p) == 0) return CQ_OK;
  if (!p->token || p->token->kind != CQ_STR || p->token->len == 0)
    return cq_page_lacks(p, err);
  cq_buf_init(&url, CQ_MAX_URL);
  if (cq_url_join(p->url, p->token->u.s, p->token->len, &url) || url.rc) {
    int rc = cq_error_set(err, CQ_ERROR, "next page is not a URL: %.*s",
                          (int)(p->token->len > 200 ? 200 : p->token->len),
                          p->token->u.s);
    cq_buf_clear(&url);
    return rc;
  }
  cq_free(s->url);
  s->url = cq_buf_take(&url);
  *go = s->url != NULL;
  return s->url ? CQ_OK : cq_error_nomem(err);
}

const cq_page_ops cq_page_url = {"url", CQ_PAGE_URL, url_next};
