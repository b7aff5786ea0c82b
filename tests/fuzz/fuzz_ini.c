/* tests/fuzz/fuzz_ini.c: AWS's shared config and credentials files: read, looked
 * up, and followed from profile to profile. */
#define _GNU_SOURCE 1
#include "http/auth/internal.h"
#include "memory_file.h"

static void check_entries(fuzz_in in) {
  cq_arena a;
  cq_ini ini;

  cq_arena_init(&a);
  if (cq_ini_parse(&a, in.p, in.n, &ini)) abort();
  for (size_t i = 0; i < ini.n; i++) {
    const cq_ini_entry *e = &ini.entries[i];
    const char *v;

    if (!cq_ini_has(&ini, e->section)) fuzz_fail("[%s] is lost", e->section);
    if (!e->key) continue;
    v = cq_ini_get(&ini, e->section, e->key);
    /* The last one counts; empty is none. */
    if (v && !*v) fuzz_fail("%s: is empty", e->key);
    if (strchr(e->key, '\n') || strchr(e->value, '\n'))
      fuzz_fail("%s: has two lines", e->key);
  }
  cq_arena_clear(&a);
}

/* What is written plainly is read. */
static void check_written(fuzz_in in) {
  fuzz_in name = fuzz_until(&in, '\n'), value = fuzz_until(&in, '\n');
  cq_arena a;
  cq_ini ini;
  cq_buf b;
  char *n, *v;
  const char *got;

  n = fuzz_text(name);
  v = fuzz_text(value);
  cq_arena_init(&a);
  cq_buf_init(&b, SIZE_MAX);
  if (*n && strlen(n) == name.n && strlen(v) == value.n &&
      !strpbrk(n, "]\"' \t\r#;") && *v && !strpbrk(v, "#; \t\r")) {
    cq_buf_printf(&b, "# a comment\n[%s]\nkey = %s\nnested =\n  key = no\n", n,
                  v);
    if (cq_ini_parse(&a, b.data, b.len, &ini)) abort();
    got = cq_ini_get(&ini, n, "KEY");
    if (!got || strcmp(got, v) != 0) fuzz_fail("%s: %s", b.data, got);
  }
  cq_buf_clear(&b);
  cq_arena_clear(&a);
  free(n);
  free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static memory_file config, credentials;
  static const char *const profiles[] = {NULL, "default", "a", "b"};
  static const char *const names[] = {"profile"};
  fuzz_in in = fuzz_open(data, size), first;
  const char *profile = profiles[fuzz_byte(&in) % 4];
  cq_value value = cq_value_text(profile);
  cq_auth_params p = {profile != NULL, names, &value};
  cq_aws_plan plan;
  cq_error err = {0, ""};

  check_entries(in);
  check_written(in);
  first = fuzz_until(&in, '\x01');
  setenv("AWS_CONFIG_FILE", memory_file_set(&config, first.p, first.n), 1);
  setenv("AWS_SHARED_CREDENTIALS_FILE",
         memory_file_set(&credentials, in.p, in.n), 1);
  unsetenv("AWS_PROFILE");
  unsetenv("AWS_ACCESS_KEY_ID");
  if (cq_aws_plan_make(&p, &plan, &err) == CQ_OK) {
    const cq_aws_step *first_step = &plan.steps[0];

    if (plan.nstep < 1 || first_step->kind == CQ_AWS_ROLE)
      fuzz_fail("roles of nobody");
    if (first_step->kind == CQ_AWS_KEYS &&
        (!first_step->arg[CQ_KEYS_ACCESS] || !first_step->arg[CQ_KEYS_SECRET]))
      fuzz_fail("no keys");
    cq_aws_plan_clear(&plan);
  } else if (!err.text[0]) {
    fuzz_fail("refused without a word");
  }
  return 0;
}
