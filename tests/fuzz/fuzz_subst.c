/* tests/fuzz/fuzz_subst.c: ${...} in specs.  Whatever a variable holds, where it
 * stands it is one text, and the text is what it holds. */
#include "fuzz.h"
#include "sync/internal.h"

#define NOW INT64_C(1700000000000000)

/* `form` with ${CQ_FUZZ} in the value of the only key k. */
static void check_value(const char *form, const char *want) {
  cq_arena a;
  cq_node *root = NULL, *k;
  cq_error err = {0, ""};
  cq_buf b;

  cq_arena_init(&a);
  cq_buf_init(&b, SIZE_MAX);
  if (cq_subst("f", form, strlen(form), NOW, &b, &err)) {
    if (!strchr(form, '\'') || !strpbrk(want, "\r\n"))
      fuzz_fail("%s: %s", form, err.text);
    cq_buf_clear(&b);
    cq_arena_clear(&a);
    return;
  }
  if (cq_tree_parse(&a, "f", b.data, b.len, &root, &err))
    fuzz_fail("%s\nis now\n%s\n%s", form, b.data, err.text);
  k = cq_tree_get(root, "k");
  if (k && k->kind == CQ_N_LIST && k->count == 1) k = k->items[0];
  if (root->count != 1 || !k || (k->kind != CQ_N_SCALAR && *want) ||
      strcmp(k->text ? k->text : "", want) != 0)
    fuzz_fail("%s\nis now\n%s\nwhich is not the text\n%s", form, b.data, want);
  cq_buf_clear(&b);
  cq_arena_clear(&a);
}

static void check_values(char *v) {
  static const char *const alone[] = {"k: ${CQ_FUZZ}\n", "k: [${CQ_FUZZ}]\n",
                                      "{k: ${CQ_FUZZ}}\n",
                                      "k:\n- ${CQ_FUZZ} # why\n"};
  static const char *const quoted[] = {
      "k: \"${CQ_FUZZ}\"\n", "k: '${CQ_FUZZ}'\n", "k: [\"${CQ_FUZZ}\"]\n"};
  size_t n = strlen(v);

  /* YAML knows no other control characters, and a spec is UTF-8. */
  for (size_t i = 0; i < n; i++)
    if (((unsigned char)v[i] < ' ' && !strchr("\t\n\r", v[i])) || v[i] == 0x7f)
      return;
  if (cq_utf8_check(v, n) != n || strstr(v, "\xEF\xBF\xBE") ||
      strstr(v, "\xEF\xBF\xBF") || strstr(v, "\xEF\xBB\xBF"))
    return;
  for (size_t i = 0; i + 1 < n; i++) /* C1 controls */
    if (v[i] == '\xC2' && (unsigned char)v[i + 1] < 0xA0) return;
  setenv("CQ_FUZZ", v, 1);
  /* A file's last line ends; a value does not hold that. */
  while (n && (v[n - 1] == '\n' || v[n - 1] == '\r')) v[--n] = '\0';
  for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++)
    check_value(quoted[i], v);
  if (*v == '{' || *v == '[' || !*v) return; /* JSON stays JSON */
  if (strcmp(v, "~") == 0 || cq_str_ieq(v, "null")) return;
  for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
    check_value(alone[i], v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size);
  char *s = fuzz_text(in);
  cq_error err = {0, ""};
  cq_buf b;

  setenv("CQ_FUZZ", "x", 1);
  cq_buf_init(&b, SIZE_MAX);
  if (!strstr(s, "${file:")) {
    int rc = cq_subst("f", s, in.n, NOW, &b, &err);

    if (rc && !err.text[0]) fuzz_fail("refused without a word");
    if (!strstr(s, "${") && strlen(s) == in.n && in.n &&
        (rc || b.len != in.n || memcmp(b.data, s, in.n) != 0))
      fuzz_fail("%s\nis now\n%s", s, b.data);
  }
  cq_buf_clear(&b);
  check_values(s);
  free(s);
  return 0;
}
