/* tests/fuzz/fuzz_yaml.c: definitions of integrations through the loader; a tree
 * as JSON reads back as the same tree. */
#define _GNU_SOURCE 1
#include "memory_file.h"
#include "spec/spec.h"

static void check_tree(const char *p, size_t n) {
  cq_arena a;
  cq_node *tree = NULL;
  cq_error err = {0, ""};
  cq_buf one, two;

  cq_arena_init(&a);
  cq_buf_init(&one, 1 << 18);
  cq_buf_init(&two, 1 << 20);
  if (cq_tree_parse(&a, "f", p, n, &tree, &err)) {
    if (strncmp(err.text, "f:", 2) != 0) fuzz_fail("no place: %s", err.text);
  } else if (cq_tree_json(tree, &one) == CQ_OK && !strstr(one.data, "\\u00")) {
    /* A key too long for YAML's look-ahead reads back as an error, and so does
     * what YAML has as an escape only: DEL and its like. */
    int rc = one.len < 1000
                 ? cq_tree_parse(&a, "f", one.data, one.len, &tree, &err)
                 : CQ_MISUSE;

    if (rc ? one.len < 1000 && !strstr(err.text, "control characters")
           : cq_tree_json(tree, &two) || strcmp(one.data, two.data) != 0)
      fuzz_fail("%s\nis now %s%s", one.data, err.text,
                two.data ? two.data : "");
  }
  cq_buf_clear(&one);
  cq_buf_clear(&two);
  cq_arena_clear(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static memory_file file;
  fuzz_in in = fuzz_open(data, size);
  const char *path = memory_file_set(&file, in.p, in.n), *name, *whose;
  cq_registry *r = NULL;
  cq_error err = {0, ""};
  const cq_table *t;
  size_t i;

  check_tree(in.p, in.n);
  if (cq_registry_new(&r, &err)) fuzz_fail("%s", err.text);
  if (cq_registry_load(r, path, &err) == CQ_OK) {
    for (i = 0; cq_registry_table_name(r, i, NULL); i++) continue;
    while (i-- > 0 && (name = cq_registry_table_name(r, i, &whose)) != NULL) {
      /* The user's tables stand behind the built-in ones. */
      if (strcmp(whose, "aws") == 0 || strcmp(whose, "github") == 0 ||
          strcmp(whose, "file") == 0)
        break;
      if (cq_registry_table(r, name, &t, &err) || strcmp(t->name, name) != 0)
        fuzz_fail("%s: was loaded, and now %s", name, err.text);
      if (t->ncol < 1) fuzz_fail("%s: has no columns", name);
    }
    /* Loaded again it takes the place of the first. */
    if (cq_registry_load(r, path, &err)) fuzz_fail("again: %s", err.text);
  } else if (!err.text[0]) {
    fuzz_fail("refused without a word");
  }
  cq_registry_unref(r);
  return 0;
}
