/* ext/scan/page/page.c: the kinds of paging, and the guard around them all.
 *
 * A server that repeats itself must not keep a scan for ever, nor give rows
 * twice without end.  Tokens and URLs that go round in a circle are found by
 * Brent's method: each is compared with one that is remembered, and the
 * remembered one is replaced after 1, 2, 4, 8 ... pages.  Where pages are
 * counted, a server that does not heed the number gives the same body again:
 * four of them in a row are an error, as is a long row of pages without
 * records.  So is passing max_pages. */
#include "scan/page/page.h"

#include <string.h>

static const cq_page_ops *const kinds[] = {
    &cq_page_none,   &cq_page_token,  &cq_page_url,  &cq_page_link,
    &cq_page_number, &cq_page_offset, &cq_page_last, &cq_page_graphql};

const cq_page_ops *cq_page_find(cq_page_by by) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (kinds[i]->by == by) return kinds[i];
  return &cq_page_none;
}

void cq_page_start(const cq_page_def *d, int64_t size, cq_page_state *s) {
  memset(s, 0, sizeof *s);
  s->size = size;
  s->number = d->by == CQ_PAGE_NUMBER ? d->start : 0;
  s->offset = d->by == CQ_PAGE_OFFSET ? d->start : 0;
}

enum { PAGE_HEAD = 1024 };

void cq_page_body(const cq_page_def *d, cq_page_state *s, const char *p,
                  size_t n) {
  uint64_t head, body;

  if (d->by != CQ_PAGE_NUMBER && d->by != CQ_PAGE_OFFSET) return;
  head = cq_hash64(p, n < PAGE_HEAD ? n : PAGE_HEAD, n);
  /* All of it is only looked at where its beginning and length are the same. */
  body = head == s->head ? cq_hash64(p, n, 0) | 1 : 0;
  s->same = head != s->head ? 0 : s->body && body != s->body ? 0 : s->same + 1;
  s->head = head;
  s->body = body;
}

static int page_same(const char *a, const char *b) {
  return a && b && strcmp(a, b) == 0;
}

/* Has this token or URL been there before, going round? */
static int page_circle(cq_page_state *s) {
  uint64_t h;

  if (!s->token && !s->url) return 0;
  h = s->token ? cq_hash64(s->token, strlen(s->token), 1) : 0;
  h = (s->url ? cq_hash64(s->url, strlen(s->url), h) : h) | 1;
  if (h == s->mark) return 1;
  if ((s->pages & (s->pages - 1)) == 0) s->mark = h;
  return 0;
}

int cq_page_next(const cq_page_def *d, cq_page_state *s, const cq_page_seen *p,
                 int *go, cq_error *err) {
  char *token = s->token ? cq_strdup(s->token) : NULL;
  char *url = s->url ? cq_strdup(s->url) : NULL;
  int64_t max = d->max_pages > 0 ? d->max_pages : CQ_MAX_PAGES;
  int rc;

  *go = 0;
  if ((s->token && !token) || (s->url && !url)) {
    rc = cq_error_nomem(err);
    goto done;
  }
  s->pages++;
  /* Pages without records are alike, and may lead to others. */
  s->empty = p->rows ? 0 : s->empty + 1;
  if (s->empty) s->same = 0;
  rc = cq_page_find(d->by)->next(d, s, p, go, err);
  if (rc || !*go) goto done;
  /* After a full page or a last record the next one is only tried. */
  s->named =
      cq_page_more(p) == 1 || ((s->token || s->url) && d->by != CQ_PAGE_LAST);
  if (d->same_is_last && s->token && page_same(token, s->token))
    *go = 0;
  else if (page_same(token, s->token) && page_same(url, s->url))
    rc = cq_error_set(err, CQ_ERROR,
                      "endless pages: the server gave the same "
                      "page token and URL twice in a row");
  else if (s->token && !s->url && page_same(token, s->token))
    rc = cq_error_set(err, CQ_ERROR,
                      "endless pages: the server gave the same "
                      "page token twice in a row");
  else if (s->url && (page_same(url, s->url) || page_same(p->url, s->url)))
    rc = cq_error_set(err, CQ_ERROR,
                      "endless pages: the server's next page is "
                      "the page itself");
  else if (page_circle(s))
    rc = cq_error_set(err, CQ_ERROR,
                      "endless pages: the server gives the same pages round "
                      "and round");
  else if (s->same >= CQ_MAX_SAME_PAGES)
    rc = cq_error_set(err, CQ_ERROR,
                      "endless pages: the server gave the same page %d times "
                      "in a row",
                      s->same + 1);
  else if (s->empty >= CQ_MAX_EMPTY_PAGES && !s->token && !s->url)
    rc = cq_error_set(err, CQ_ERROR,
                      "endless pages: %d in a row have no records", s->empty);
  else if (s->pages >= max)
    rc = cq_error_set(err, CQ_TOOBIG, "more than %lld pages in one list",
                      (long long)max);
done:
  cq_free(token);
  cq_free(url);
  return rc;
}

void cq_page_clear(cq_page_state *s) {
  cq_free(s->token);
  cq_free(s->url);
  s->token = s->url = NULL;
}

int cq_page_more(const cq_page_seen *p) {
  static const char *const no[] = {"", "0", "false", "no", "null", "none"};
  const cq_value *v = p->more;

  if (!v || v->kind == CQ_NULL) return -1;
  if (v->kind == CQ_INT) return v->u.i != 0;
  if (v->kind != CQ_STR) return 1;
  /* What says no, in the spellings of JSON, XML and languages; all else, such
   * as the next page's address, says that there is more. */
  for (size_t i = 0; i < sizeof no / sizeof *no; i++)
    if (v->len == strlen(no[i]) && cq_str_ieqn(v->u.s, no[i], v->len)) return 0;
  return 1;
}

int cq_page_lacks(const cq_page_seen *p, cq_error *err) {
  if (cq_page_more(p) != 1) return CQ_OK;
  return cq_error_set(err, CQ_ERROR,
                      "the server says that more follows, but not where");
}

int cq_page_set_token(cq_page_state *s, const cq_value *v, cq_error *err) {
  cq_arena a;
  cq_value text;
  int rc;

  cq_free(s->token);
  s->token = NULL;
  if (!v || v->kind == CQ_NULL) return CQ_OK;
  cq_arena_init(&a);
  rc = cq_value_to_text(&a, v, &text);
  if (rc == CQ_OK && text.kind == CQ_STR && text.len > 0) {
    s->token = cq_strndup(text.u.s, text.len);
    if (!s->token) rc = CQ_NOMEM;
  }
  cq_arena_clear(&a);
  return rc ? cq_error_nomem(err) : CQ_OK;
}
