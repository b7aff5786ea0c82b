/* tests/fuzz/fuzz_csv.c: CSV to rows, at once and in pieces; and cells that are
 * written by RFC 4180 read back as they were. */
#include "decoding.h"

static const decode_sample programs[] = {
    {".", "a any; b text; all any .", "", ""},
    {".", "a integer; b real; c timestamp; d json", "", ""},
    {".", "a list_of_text; a_2 any; b uuid", "", ""}};
enum { N = sizeof programs / sizeof *programs };
static decode made[N];

/* The rest as cells of two columns, each up to a byte 0xFF. */
static void round_trip(fuzz_in in, unsigned style) {
  static decode d;
  cq_buf csv, want;
  int odd = 0;

  if (!d.program &&
      decode_open(&d, &cq_decode_csv, ".", "a text; b text", "", 0))
    fuzz_fail("%s", d.err.text);
  cq_buf_init(&csv, SIZE_MAX);
  cq_buf_init(&want, SIZE_MAX);
  cq_buf_str(&csv, style & 1 ? "\"a\",b\r\n" : "a,b\n");
  if (in.n == 0 || cq_utf8_check(in.p, in.n) != in.n || memchr(in.p, 0, in.n))
    goto done;
  while (in.n) {
    fuzz_in cell = fuzz_until(&in, '|');
    int quote = style & 2 || !cell.n || memchr(cell.p, '"', cell.n) ||
                memchr(cell.p, ',', cell.n) || memchr(cell.p, '\n', cell.n) ||
                memchr(cell.p, '\r', cell.n);

    if (quote) cq_buf_byte(&csv, '"');
    for (size_t i = 0; i < cell.n; i++) {
      if (cell.p[i] == '"') cq_buf_byte(&csv, '"');
      cq_buf_byte(&csv, cell.p[i]);
    }
    if (quote) cq_buf_byte(&csv, '"');
    if (cell.n)
      cq_buf_json(&want, cell.p, cell.n);
    else
      cq_buf_str(&want, "\"\"");
    cq_buf_str(&csv, odd ? style & 1 ? "\r\n" : "\n" : ",");
    cq_buf_byte(&want, odd ? '\n' : ' ');
    odd = !odd;
  }
  if (odd) {
    cq_buf_str(&csv, "\"\"");
    cq_buf_str(&want, "\"\"\n");
  }
  if (decode_feed(&d, csv.data, csv.len, NULL, NULL))
    fuzz_fail("%s\nof %s", d.err.text, csv.data);
  if (strcmp(decode_text(&d), want.data) != 0)
    fuzz_fail("%s\nnot %s\nof %s", decode_text(&d), want.data, csv.data);
done:
  cq_buf_clear(&csv);
  cq_buf_clear(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  unsigned pick = fuzz_byte(&in), seed = fuzz_byte(&in);
  decode *d = fuzz_program(made, &cq_decode_csv, programs, N, pick);
  int rc = fuzz_whole(d, in.p, in.n);

  fuzz_in_pieces(d, in.p, in.n, rc, seed);
  round_trip(in, pick >> 4);
  return 0;
}
