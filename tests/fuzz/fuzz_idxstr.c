/* tests/fuzz/fuzz_idxstr.c: a plan's text read back by xFilter, written again,
 * and bound to values of every kind. */
#define _GNU_SOURCE 1
#include "memory_file.h"
#include "vtab/vtab.h"

static const char definition[] =
    "format: 1\nintegration: f\nauth: {scheme: none}\nclients: {site: {values: "
    "[a, b]}}\ntables:\n  f_t:\n    request: {url: 'http://127.0.0.1:1/', "
    "query: {k: '{{ where.k }}', n: '{{ where.n.min }}', t: '{{ where.t.min "
    "}}'}}\n    rows: '[*]'\n    key: [site, id]\n    columns:\n      site: "
    "{from: client.site}\n      id: integer\n      k: {type: text, where: '= "
    "in "
    "like', exact: true}\n      n: {type: integer, where: '< <= > >= ='}\n"
    "      t: {type: timestamp, where: '< <= > >='}\n      odd_name: {type: "
    "text, where: '='}\n      r: {type: real, where: '='}\n      b: {type: "
    "boolean, where: in}\n      d: {type: date, where: '= <'}\n      u: {type: "
    "uuid, where: '='}\n      j: json\n";

static const cq_table *table(void) {
  static memory_file file;
  static cq_registry *r;
  static const cq_table *t;
  cq_error err = {0, ""};

  if (t) return t;
  if (cq_registry_new(&r, &err) ||
      cq_registry_load(
          r, memory_file_set(&file, definition, sizeof definition - 1), &err) ||
      cq_registry_table(r, "f_t", &t, &err))
    fuzz_fail("%s", err.text);
  return t;
}

/* Values by the bytes that are left. */
static void values(fuzz_in *in, cq_arena *a, cq_pushed *out) {
  unsigned n = fuzz_byte(in);
  cq_value *v;

  memset(out, 0, sizeof *out);
  out->unknown = n == 9;
  out->n = n % 4;
  v = cq_arena_alloc(a, (out->n + 1) * sizeof *v);
  if (!v) abort();
  for (size_t i = 0; i < out->n; i++) {
    unsigned kind = fuzz_byte(in);
    fuzz_in part = fuzz_until(in, '|');

    v[i] = cq_value_str(part.p, part.n);
    if (kind % 5 == 1) {
      v[i] = cq_value_int(0);
      memcpy(&v[i].u.i, part.p, part.n < 8 ? part.n : 8);
    } else if (kind % 5 == 2) {
      v[i] = cq_value_real(0);
      memcpy(&v[i].u.r, part.p, part.n < 8 ? part.n : 8);
    } else if (kind % 5 == 3) {
      v[i] = cq_value_null();
    } else if (kind % 5 == 4) {
      v[i].kind = CQ_BYTES;
    }
  }
  out->values = v;
}

static void check_bind(const cq_table *t, const cq_pushdown *p, fuzz_in in) {
  cq_pushed given[CQ_PUSH_MAX];
  cq_bound bound;
  cq_arena a;

  cq_arena_init(&a);
  for (int i = 0; i < p->nitem; i++) values(&in, &a, &given[i]);
  if (cq_pushdown_bind(t, p, given, &a, &bound)) abort();
  if (bound.n > (size_t)p->nitem) fuzz_fail("more terms than were given");
  for (size_t i = 0; i < bound.n && !bound.none; i++)
    if (bound.c[i].column < 0 || bound.c[i].column >= t->ncol ||
        bound.c[i].n == 0 || (bound.c[i].op != CQ_W_IN && bound.c[i].n > 3))
      fuzz_fail("term %d is not one", (int)i);
  if (!cq_pushdown_wanted(t, p->used, &a)) abort();
  cq_arena_clear(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size), first = fuzz_until(&in, '\n');
  char *text = fuzz_text(first), *once, *twice;
  const cq_table *t = table();
  cq_pushdown p, q;

  if (cq_pushdown_parse(t, text, &p) == CQ_OK) {
    for (int i = 0; i < p.nitem; i++)
      if (p.item[i].column < 0 || p.item[i].column >= t->ncol)
        fuzz_fail("%s: no column %d", text, p.item[i].column);
    once = cq_pushdown_text(t, &p);
    if (!once || cq_pushdown_parse(t, once, &q) || memcmp(&p, &q, sizeof p))
      fuzz_fail("%s: is written %s", text, once);
    twice = cq_pushdown_text(t, &q);
    if (!twice || strcmp(once, twice) != 0)
      fuzz_fail("%s: is written %s, then %s", text, once, twice);
    sqlite3_free(once);
    sqlite3_free(twice);
    check_bind(t, &p, in);
  }
  free(text);
  return 0;
}
