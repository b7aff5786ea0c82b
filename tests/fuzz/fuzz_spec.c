/* tests/fuzz/fuzz_spec.c: a sync's spec, YAML or JSON: read, its tables chosen,
 * its sources' configuration checked; nothing is asked or written. */
#include "fuzz.h"
#include "sync/internal.h"

static cq_registry *registry; /* built-in definitions stay parsed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_in in = fuzz_open(data, size), first = fuzz_until(&in, '\0');
  char *spec, *options;
  cq_env env;
  cq_sync_call call;
  cq_spec s;
  cq_error err = {0, ""};
  cq_buf b;
  int rc;

  if (!registry && cq_registry_new(&registry, &err)) fuzz_fail("%s", err.text);
  cq_buf_init(&b, SIZE_MAX);
  cq_buf_add(&b, first.p, first.n);
  cq_buf_byte(&b, '\n'); /* text, never the name of a file */
  spec = b.data;
  options = fuzz_text(in);
  /* Nor may it name one. */
  if (strstr(spec, "${file:")) goto done;
  memset(&env, 0, sizeof env);
  env.registry = registry;
  memset(&call, 0, sizeof call);
  call.env = &env;
  call.spec = spec;
  call.options = options;
  rc = cq_spec_read(&call, &s, &err);
  if (rc && !err.text[0]) fuzz_fail("refused without a word: %s", spec);
  for (size_t i = 0; rc == CQ_OK && i < s.nsource; i++) {
    cq_config *config = NULL;
    cq_plan plan;

    if (!s.sources[i].integration || !s.sources[i].destinations.n)
      fuzz_fail("source %d is not whole", (int)i);
    memset(&plan, 0, sizeof plan);
    if (cq_plan_select(registry, &s.sources[i], &plan, &err) == CQ_OK)
      for (int t = 0; t < plan.n; t++)
        if (plan.tables[t].parent >= t)
          fuzz_fail("table %d stands before its parent", t);
    cq_plan_clear(&plan);
    if (cq_plan_config(&call, &s.sources[i], &config, &err) == CQ_OK)
      cq_config_unref(config);
  }
  cq_spec_clear(&s);
done:
  cq_buf_clear(&b);
  free(options);
  return 0;
}
