/* ext/spec/filters_time.c: the filters of templates that are about times: texts
 * as APIs write them, or seconds since 1970. */
#include <string.h>

#include "spec/template.h"

static int time_of(const cq_value *in, int64_t *us) {
  if (in->kind == CQ_INT) {
    /* years 0 to 9999 */
    if (in->u.i < -INT64_C(62167219200) || in->u.i > INT64_C(253402300799))
      return CQ_ERROR;
    *us = in->u.i * 1000000;
    return CQ_OK;
  }
  return in->kind == CQ_STR ? cq_time_parse(in->u.s, in->len, us) : CQ_ERROR;
}

int cq_filter_epoch(CQ_FILTER_ARGS) {
  int64_t us;

  (void)args, (void)narg, (void)a, (void)err;
  *out = time_of(in, &us) ? cq_value_null() : cq_value_int(us / 1000000);
  return CQ_OK;
}

int cq_filter_epoch_ms(CQ_FILTER_ARGS) {
  int64_t us;

  (void)args, (void)narg, (void)a, (void)err;
  *out = time_of(in, &us) ? cq_value_null() : cq_value_int(us / 1000);
  return CQ_OK;
}

int cq_filter_date(CQ_FILTER_ARGS) {
  int64_t us;
  char t[40];

  (void)args, (void)narg;
  *out = cq_value_null();
  if (time_of(in, &us)) return CQ_OK;
  cq_time_format(us, t);
  return cq_filter_give(a, t, 10, 0, out, err);
}

/* plus('-14d'): a date stays a date. */
int cq_filter_plus(CQ_FILTER_ARGS) {
  const char *s = args[0].u.s;
  size_t n = args[0].len;
  int64_t us, span, sign = 1;
  char t[40];

  (void)narg;
  *out = cq_value_null();
  if (args[0].kind == CQ_NULL) return CQ_OK;
  if (args[0].kind == CQ_STR && n && (*s == '-' || *s == '+')) {
    sign = *s == '-' ? -1 : 1;
    s++, n--;
  }
  if (args[0].kind != CQ_STR || cq_duration_parse(s, n, &span))
    return cq_error_set(
        err, CQ_ERROR, "plus: not a span: %.*s",
        args[0].kind == CQ_STR && args[0].len < 60 ? (int)args[0].len : 0,
        args[0].kind == CQ_STR ? args[0].u.s : "");
  /* Farther than any year that has four digits. */
  if (time_of(in, &us) || span > INT64_C(400000000000000000)) return CQ_OK;
  us += sign * span;
  /* years 0 to 9999 */
  if (us < -INT64_C(62167219200000000) || us > INT64_C(253402300799999999))
    return CQ_OK;
  cq_time_format(us, t);
  return cq_filter_give(
      a, t, in->kind == CQ_STR && in->len == 10 ? 10 : strlen(t), 0, out, err);
}
