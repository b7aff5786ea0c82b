/* ext/scan/page/page.h: how a list goes on: the interface that each kind of
 * paging implements, one file each.  Caller's thread, never blocks. */
#ifndef CQ_PAGE_H
#define CQ_PAGE_H

#include "spec/spec.h"

/* What a request's template sees as `page.`, and what the next one needs. */
typedef struct cq_page_state {
  int64_t size; /* 0 = not sent */
  int64_t number, offset;
  int64_t pages; /* read so far */
  int named;     /* the page before said that this one is there */
  char *token;   /* owned; NULL on the first page */
  char *url;     /* owned; the next request's URL, or NULL */
  /* the guard's: */
  uint64_t mark; /* token and URL of an earlier page, 0 = none */
  uint64_t head; /* of the last page's body: its length and beginning */
  uint64_t body; /* all of it, 0 = not computed */
  int same;      /* pages so far that were as the one before */
  int empty;     /* pages so far without records, in a row */
} cq_page_state;

/* What one page said.  Envelope values are NULL where they were not there. */
typedef struct cq_page_seen {
  int64_t rows;
  const cq_value *token, *more, *total, *last; /* last: of the last record */
  const char *header; /* Link, or the header that holds the token */
  const char *url;    /* this page's */
} cq_page_seen;

typedef struct cq_page_ops {
  const char *name;
  cq_page_by by;
  /* *go 1: another page follows and `s` describes it; 0: that was the last. */
  int (*next)(const cq_page_def *d, cq_page_state *s, const cq_page_seen *p,
              int *go, cq_error *err);
} cq_page_ops;
extern const cq_page_ops cq_page_none, cq_page_token, cq_page_url, cq_page_link,
    cq_page_number, cq_page_offset, cq_page_last, cq_page_graphql;
const cq_page_ops *cq_page_find(cq_page_by by);

void cq_page_start(const cq_page_def *d, int64_t size, cq_page_state *s);
/* Tells of a page's whole body, for the guard of counted pages. */
void cq_page_body(const cq_page_def *d, cq_page_state *s, const char *p,
                  size_t n);
/* Asks the kind, then guards: a token or URL that comes again, counted pages
 * that stay the same, and more than max_pages pages, are errors. */
int cq_page_next(const cq_page_def *d, cq_page_state *s, const cq_page_seen *p,
                 int *go, cq_error *err);
void cq_page_clear(cq_page_state *s);
/* For the kinds: says what `more` says: 1, 0, or -1 = nothing. */
int cq_page_more(const cq_page_seen *p);
/* Nothing names a next page: the end, but where `more` says otherwise. */
int cq_page_lacks(const cq_page_seen *p, cq_error *err);
/* Stores a copy of a value's text as token; 0 rows of text = no token. */
int cq_page_set_token(cq_page_state *s, const cq_value *v, cq_error *err);

#endif
