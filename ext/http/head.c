/* ext/http/head.c: what the lines before an answer's body say. */
#include <string.h>

#include "http/http.h"

/* The next line at *at: its name, and its value; 0 behind the last. */
static int head_line(const cq_head *h, size_t *at, const char **name,
                     const char **value) {
  if (!h->lines || *at >= h->nlines) return 0;
  *name = h->lines + *at;
  *value = *name + strlen(*name) + 1;
  *at = (size_t)(*value + strlen(*value) + 1 - h->lines);
  return 1;
}

const char *cq_head_get(const cq_head *h, const char *name) {
  const char *have, *value, *found = NULL;
  size_t at = 0;

  while (head_line(h, &at, &have, &value))
    if (cq_str_ieq(have, name)) found = value;
  return found;
}

int cq_head_list(const cq_head *h, const char *name, cq_buf *out) {
  const char *have, *value;
  size_t at = 0, n = 0;

  while (head_line(h, &at, &have, &value))
    if (cq_str_ieq(have, name)) {
      cq_buf_str(out, n++ ? ", " : "");
      cq_buf_str(out, value);
    }
  return out->rc;
}

static void head_put(cq_buf *out, const char *name, const char *value) {
  cq_buf_add(out, name, strlen(name) + 1);
  cq_buf_add(out, value, strlen(value) + 1);
}

int cq_head_update(const cq_head *h, const cq_head *by, cq_buf *out) {
  const char *name, *value;
  size_t at = 0;

  while (head_line(h, &at, &name, &value))
    if (!cq_head_get(by, name)) head_put(out, name, value);
  at = 0;
  while (head_line(by, &at, &name, &value)) head_put(out, name, value);
  return out->rc;
}

int64_t cq_head_after_ms(const cq_head *h, const char *name) {
  const char *date = cq_head_get(h, "date");
  int64_t now = cq_now_us(), theirs;

  if (date && cq_time_parse(date, strlen(date), &theirs) == CQ_OK) now = theirs;
  return cq_http_after_ms(cq_head_get(h, name), now);
}

int64_t cq_http_clock_off(cq_http *h, const cq_head *answer) {
  const char *date = cq_head_get(answer, "date");
  int64_t theirs;

  if (!date || cq_time_parse(date, strlen(date), &theirs)) return 0;
  return theirs - cq_now_us() - cq_http_clock_get(h);
}
