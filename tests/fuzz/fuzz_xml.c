/* tests/fuzz/fuzz_xml.c: XML answers to rows, at once and in pieces. */
#include "decoding.h"

static const decode_sample programs[] = {
    {"R.i[*]", "id any; name text; all json .; at any @id", "next any R.next",
     ""},
    {".", "a any a; l list_of_text a.m[*]; deep any a.b.c", "", ""},
    {"*.*", "k any @key; v any .; t timestamp t", "", ""},
    {"R[*]", "x integer; y boolean; z blob; r real", "t any R.t; all any .",
     ""},
    {"R.set.item[*]", "id any; tags json tags.item[*]; first any tags.item[0]",
     "token any R.token", ""}};
enum { N = sizeof programs / sizeof *programs };
static decode made[N];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  decode *d = fuzz_program(made, &cq_decode_xml, programs, N, fuzz_byte(&in));
  unsigned seed = fuzz_byte(&in);
  int rc = fuzz_whole(d, in.p, in.n);

  fuzz_in_pieces(d, in.p, in.n, rc, seed);
  return 0;
}
