/* tests/fuzz/fuzz_answer.c: bodies that are not rows: what an answer's error code
 * and message are, and what is done about it. */
#include "fuzz.h"
#include "scan/internal.h"

static cq_arena arena;
static cq_errors_def errors;
static cq_path *paths[6];

static void load(void) {
  static const char *const texts[] = {"error.code",
                                      "code",
                                      "ErrorResponse.Error.Code",
                                      "message",
                                      "errors[0].message",
                                      "Response.Errors.Error.Message"};
  static const int gone[] = {404, 410}, any[] = {200, 599};
  static const char *const codes[] = {"Throttl*", "*Limit*"};
  static const cq_error_rule rules[] = {
      {.nstatus = 2, .status = gone, .then = CQ_ACT_EMPTY},
      {.ncode = 2, .code = codes, .then = CQ_ACT_RETRY, .throttle = 1},
      {.nstatus = 2,
       .status = any,
       .text = "*not allowed*",
       .then = CQ_ACT_DENIED,
       .message = "ask for it"}};
  cq_error err = {0, ""};

  if (errors.ncode) return;
  for (int i = 0; i < 6; i++)
    if (cq_path_parse(&arena, texts[i], strlen(texts[i]), &paths[i], &err))
      fuzz_fail("%s", err.text);
  errors.code = paths;
  errors.message = paths + 3;
  errors.nmessage = 3;
  errors.rule = rules;
  errors.nrule = 3;
  errors.in_200 = 1;
  errors.ncode = 3;
}

static void check(const cq_verdict *v) {
  if (!memchr(v->reason, 0, sizeof v->reason) ||
      !memchr(v->hint, 0, sizeof v->hint))
    fuzz_fail("a text without an end");
  for (const char *p = v->reason; *p; p++)
    if ((unsigned char)*p < ' ') fuzz_fail("a message of two lines");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int status[] = {200, 400, 401, 403, 404, 429, 500, 503, 0, 302};
  fuzz_in in = fuzz_open(data, size);
  cq_answer a = {{status[fuzz_byte(&in) % 10], "", NULL, 0}, 0, NULL, 0, NULL};
  char *body = fuzz_text(in);
  cq_verdict v, w;

  load();
  a.body = body;
  a.nbody = in.n;
  cq_classify(&errors, &a, &v);
  check(&v);
  if (cq_classify_good(&errors, &a, &w)) check(&w);
  free(body);
  return 0;
}
