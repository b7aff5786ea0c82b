/* ext/scan/page/link.c: the Link header's rel="next" is the next page
 * (RFC 8288). */
#include "http/http.h"
#include "scan/page/page.h"

static int link_next(const cq_page_def *d, cq_page_state *s,
                     const cq_page_seen *p, int *go, cq_error *err) {
  const char *ref;
  size_t n;
  cq_buf url;
  int found;

  (void)d;
  *go = 0;
  if (cq_page_more(p) == 0) return CQ_OK;
  found = p->header ? cq_link_find(p->header, "next", &ref, &n) : 0;
  if (!found) return cq_page_lacks(p, err);
  /* Where it cannot be read nobody knows whether this was all. */
  if (found < 0)
    return cq_error_set(err, CQ_ERROR, "Link header cannot be read: %.200s",
                        p->header);
  cq_buf_init(&url, CQ_MAX_URL);
  if (cq_url_join(p->url, ref, n, &url) || url.rc) {
    cq_buf_clear(&url);
    return cq_error_set(err, CQ_ERROR, "Link header: next is not a URL: %.*s",
                        (int)(n > 200 ? 200 : n), ref);
  }
  cq_free(s->url);
  s->url = cq_buf_take(&url);
  *go = s->url != NULL;
  return s->url ? CQ_OK : cq_error_nomem(err);
}

const cq_page_ops cq_page_link = {"link", CQ_PAGE_LINK, link_next};
