/* tests/fuzz/fuzz_ndjson.c: lines of JSON to rows, at once and in pieces, and
 * each line as a document of its own. */
#include "decoding.h"

static const decode_sample programs[] = {
    {".", "a any; b any b.c; all any .", "", ""},
    {".", "a integer; b timestamp; l list_of_integer; t text", "", ""}};
enum { N = sizeof programs / sizeof *programs };
static decode made[N], alone[N];

static int blank(fuzz_in line) {
  for (size_t i = 0; i < line.n; i++)
    if (!strchr(" \t\r", line.p[i]) || !line.p[i]) return 0;
  return 1;
}

/* Where each line is one value, the rows are those of the lines. */
static void by_line(decode *d, decode *one, fuzz_in in, int rc) {
  const void *first = in.p;
  cq_buf rows;

  cq_buf_init(&rows, SIZE_MAX);
  while (in.n) {
    fuzz_in line = fuzz_until(&in, '\n');

    if (blank(line)) continue;
    /* A byte order mark begins a document, and a line is one here. */
    if (line.p != first && line.n >= 3 &&
        memcmp(line.p, "\xEF\xBB\xBF", 3) == 0)
      goto done;
    if (decode_feed(one, line.p, line.n, NULL, NULL)) goto done;
    cq_buf_str(&rows, decode_text(one));
  }
  if (rc) fuzz_fail("refused, though each line is JSON: %s", d->err.text);
  if (strcmp(decode_text(d), rows.data ? rows.data : "") != 0)
    fuzz_fail("%s\nnot, line by line,\n%s", decode_text(d), rows.data);
done:
  cq_buf_clear(&rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  unsigned pick = fuzz_byte(&in), seed = fuzz_byte(&in);
  decode *d = fuzz_program(made, &cq_decode_ndjson, programs, N, pick);
  decode *one = fuzz_program(alone, &cq_decode_json, programs, N, pick);
  int rc = fuzz_whole(d, in.p, in.n);

  by_line(d, one, in, rc);
  fuzz_in_pieces(d, in.p, in.n, rc, seed);
  return 0;
}
