/* tests/fuzz/fuzz_link.c: the Link header: any text, and ones that are written
 * from parts, in which the part asked for has to be found. */
#include "fuzz.h"
#include "http/http.h"

static void check_any(const char *s) {
  static const char *const rels[] = {"next", "last", "prev", "x"};
  const char *url;
  size_t n;

  for (size_t i = 0; i < 4; i++)
    if (cq_link_find(s, rels[i], &url, &n) > 0 &&
        (url < s || url + n > s + strlen(s) || memchr(url, '>', n)))
      fuzz_fail("%s: not a part of it", s);
}

/* Links "a", "b", ... of relations r0, r1, ...: each is found. */
static void check_written(fuzz_in in, unsigned style) {
  char *urls[8];
  cq_buf b;
  int count = 0;

  cq_buf_init(&b, SIZE_MAX);
  while (in.n && count < 8) {
    fuzz_in part = fuzz_until(&in, '\n');

    if (part.n && (memchr(part.p, '>', part.n) || memchr(part.p, 0, part.n)))
      continue;
    urls[count] = fuzz_text(part);
    if (count) cq_buf_str(&b, style & 1 ? ", " : " ,\t");
    switch ((style >> 1) + (unsigned)count) {
    default:
      cq_buf_printf(&b, "<%s>; rel=\"r%d\"", urls[count], count);
      break;
    case 1:
      cq_buf_printf(&b, "<%s>;rel=r%d", urls[count], count);
      break;
    case 2:
      cq_buf_printf(&b, "<%s>; title=\"a, <b>; rel=x\"; rel=\"r%d\"",
                    urls[count], count);
      break;
    case 3:
      cq_buf_printf(&b, "<%s> ; REL = \"first R%d\"; rel=no", urls[count],
                    count);
    }
    count++;
  }
  for (int i = 0; i < count; i++) {
    char rel[8];
    const char *url = "";
    size_t n = 0;

    snprintf(rel, sizeof rel, "r%d", i);
    if (cq_link_find(b.data, rel, &url, &n) <= 0 || n != strlen(urls[i]) ||
        memcmp(url, urls[i], n) != 0)
      fuzz_fail("%s: %s is %.*s", b.data, rel, (int)n, url);
  }
  for (int i = 0; i < count; i++) free(urls[i]);
  cq_buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  unsigned style = fuzz_byte(&in) % 10;
  char *s = fuzz_text(in);

  check_any(s);
  check_written(in, style);
  free(s);
  return 0;
}
