/* ext/scan/follow.c: from one page of a list to the next: what is read beside
 * its records, and whether what they and the headers name may be asked for. */
#include <string.h>

#include "scan/internal.h"

/* path + one more key. */
static cq_path *path_below(cq_arena *a, const cq_path *p, const char *key) {
  cq_path *out = cq_arena_alloc(a, sizeof *out);
  cq_step *steps = cq_arena_alloc(a, ((size_t)p->nstep + 1) * sizeof *steps);

  if (!out || !steps) return NULL;
  if (p->nstep) memcpy(steps, p->steps, (size_t)p->nstep * sizeof *steps);
  memset(&steps[p->nstep], 0, sizeof *steps);
  steps[p->nstep].kind = CQ_STEP_KEY;
  steps[p->nstep].name = key;
  steps[p->nstep].len = strlen(key);
  out->text = key;
  out->nstep = p->nstep + 1;
  out->steps = steps;
  return out;
}

int cq_page_envelope(const cq_page_def *d, cq_arena *a, cq_field *env, int *n) {
  const cq_path *token = d->token, *more = d->more;

  *n = 0;
  if (d->by == CQ_PAGE_GRAPHQL && token) {
    more = path_below(a, token, "hasNextPage");
    token = path_below(a, token, "endCursor");
    if (!more || !token) return CQ_NOMEM;
  }
  /* A token as it is written: 1e5 is not 100000.0, and false is none. */
  if (d->by != CQ_PAGE_LAST && token)
    env[(*n)++] =
        (cq_field){token, d->by == CQ_PAGE_TOKEN && !d->ntoken ? CQ_TEXT : 0,
                   NULL,  NULL,
                   0,     NULL};
  if (more) env[(*n)++] = (cq_field){more, 0, NULL, NULL, 1, NULL};
  if (d->total)
    env[(*n)++] = (cq_field){d->total, CQ_INTEGER, NULL, NULL, 2, NULL};
  return CQ_OK;
}

/* Credentials go only where they went: a next page elsewhere is an error. */
static int may_follow(const cq_fetch *f, const char *next, cq_error *err) {
  const char *host;

  if (!next || cq_url_same_origin(cq_fetch_url(f), next)) return CQ_OK;
  host = strstr(next, "://");
  return cq_error_set(
      err, CQ_ERROR,
      "the next page is on another host (%.*s), where our "
      "credentials do not go",
      host ? (int)(strcspn(host + 3, "/?#") + 3) + (int)(host - next) : 60,
      next);
}

int cq_page_follow(const cq_page_def *d, cq_page_state *s, const cq_fetch *f,
                   int64_t rows, const cq_value *env, const cq_value *last,
                   int *go, cq_error *err) {
  cq_head head = cq_fetch_head(f);
  cq_page_seen seen;
  cq_buf links;
  int rc;

  cq_buf_init(&links, CQ_MAX_HEADER_BYTES);
  memset(&seen, 0, sizeof seen);
  seen.rows = rows;
  seen.token = &env[0];
  seen.more = &env[1];
  seen.total = &env[2];
  seen.last = last;
  seen.url = cq_fetch_url(f);
  if (d->token_header)
    seen.header = cq_head_get(&head, d->token_header);
  else if (d->by == CQ_PAGE_LINK &&
           cq_head_list(&head, "link", &links) == CQ_OK)
    seen.header = links.data; /* NULL = there is none */
  rc = links.rc ? cq_error_nomem(err) : cq_page_next(d, s, &seen, go, err);
  if (rc == CQ_OK && *go) rc = may_follow(f, s->url, err);
  cq_buf_clear(&links);
  return rc;
}
