/* tests/unit/test_embed.c: the definitions packed into cq are whole. */
#include "spec/embedded.h"
#include "spec/spec.h"

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

static char *embed_text(const cq_embedded_file *f) {
  char *text = malloc(f->full + 1);
  if (text == NULL) return NULL;
  if (ZSTD_decompress(text, f->full, f->data, f->size) != f->full) {
    free(text);
    return NULL;
  }
  text[f->full] = 0;
  return text;
}

static void embed_same(const cq_node *whole, const cq_node *part) {
  cq_buf a, b;
  cq_buf_init(&a, 1 << 20);
  cq_buf_init(&b, 1 << 20);
  CHECK_INT(cq_tree_json(whole, &a), CQ_OK);
  CHECK_INT(cq_tree_json(part, &b), CQ_OK);
  CHECK_STR(a.data, b.data);
  CHECK(whole != NULL && part != NULL && whole->line == part->line);
  cq_buf_clear(&a);
  cq_buf_clear(&b);
}

/* A table's lines say alone what they say in their file, at the same lines. */
static void test_embed_tables_stand_apart(void) {
  int apart = 0;
  for (int i = 0; i < cq_embedded_nfile; i++) {
    const cq_embedded_file *f = &cq_embedded_files[i];
    cq_node *whole, *part;
    cq_arena arena;
    char *text = embed_text(f);
    CHECK(text != NULL);
    if (text == NULL) return;
    cq_arena_init(&arena);
    if (f->to != 0) {
      CHECK_INT(cq_tree_parse(&arena, f->path, text, f->full, &whole, NULL),
                CQ_OK);
      for (int k = 0; k < cq_embedded_ntable; k++) {
        const cq_embedded_table *t = &cq_embedded_tables[k];
        if (t->file != i) continue;
        apart++;
        CHECK(f->from <= t->from && t->from < t->to && t->to <= f->to);
        CHECK_INT(cq_tree_parse_part(&arena, f->path, t->line, text + t->from,
                                     t->to - t->from, &part, NULL),
                  CQ_OK);
        CHECK_INT(part->count, 1);
        embed_same(cq_tree_get(cq_tree_get(whole, "tables"), t->name),
                   cq_tree_get(part, t->name));
      }
    }
    cq_arena_clear(&arena);
    free(text);
  }
  CHECK(apart > 0);
}

/* Registered under both, without a copy. */
static void test_embed_names_have_their_other_name(void) {
  for (int i = 0; i < cq_embedded_ntable; i++) {
    CHECK(strncmp(cq_embedded_tables[i].name - 5, "live_", 5) == 0);
  }
}

/* What the loader says of each, without loading it. */
static void test_embed_knows_what_is_generated(void) {
  cq_registry *r = NULL;
  cq_error err = {0, ""};
  int n = 0;
  CHECK_INT(cq_registry_new(&r, &err), CQ_OK);
  for (int i = 0; i < cq_embedded_ntable; i++) {
    const cq_embedded_table *t = &cq_embedded_tables[i];
    int yes = -1;
    CHECK_INT(cq_registry_generated(r, t->name, &yes, &err), CQ_OK);
    if (yes != t->generated) printf("# %s\n", t->name);
    CHECK_INT(t->generated, yes);
    n += yes;
  }
  CHECK(n > 0 && n < cq_embedded_ntable);
  cq_registry_unref(r);
}

int main(void) {
  RUN(test_embed_files_inflate);
  RUN(test_embed_tables_are_sorted);
  RUN(test_embed_each_integration_has_one_root);
  RUN(test_embed_tables_stand_apart);
  RUN(test_embed_names_have_their_other_name);
  RUN(test_embed_knows_what_is_generated);
  return test_done();
}
