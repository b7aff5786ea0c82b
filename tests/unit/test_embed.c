/* tests/unit/test_embed.c: the definitions packed into cq are whole. */
#include "spec/embedded.h"

#include <stdlib.h>
#include <zstd.h>

#include "test.h"

static void test_embed_files_inflate(void) {
  for (int i = 0; i < cq_embedded_nfile; i++) {
    const cq_embedded_file *f = &cq_embedded_files[i];
    char *text = malloc(f->full + 1);
    CHECK(text != NULL);
    if (text == NULL) return;
    CHECK_INT(ZSTD_decompress(text, f->full + 1, f->data, f->size), f->full);
    free(text);
    if (i > 0) CHECK(strcmp(f[-1].path, f->path) < 0);
  }
  CHECK(cq_embedded_files[cq_embedded_nfile].path == NULL);
}

static void test_embed_tables_are_sorted(void) {
  for (int i = 0; i < cq_embedded_ntable; i++) {
    const cq_embedded_table *t = &cq_embedded_tables[i];
    CHECK(t->file >= 0 && t->file < cq_embedded_nfile);
    CHECK_STR(t->integration, cq_embedded_files[t->file].integration);
    if (i > 0) CHECK(strcmp(t[-1].name, t->name) < 0);
  }
  CHECK(cq_embedded_tables[cq_embedded_ntable].name == NULL);
}

static void test_embed_each_integration_has_one_root(void) {
  for (int i = 0; i < cq_embedded_nfile; i++) {
    const char *name = cq_embedded_files[i].integration;
    int roots = 0;
    for (int j = 0; j < cq_embedded_nfile; j++) {
      roots += cq_embedded_files[j].root &&
               strcmp(cq_embedded_files[j].integration, name) == 0;
    }
    if (*name) CHECK_INT(roots, 1);
  }
}

int main(void) {
  RUN(test_embed_files_inflate);
  RUN(test_embed_tables_are_sorted);
  RUN(test_embed_each_integration_has_one_root);
  return test_done();
}
