/* ext/scan/classify.c: what an answer that is not rows means.
 *
 * The table's rules come first (the loader has put them in order), then those
 * that hold for every API: 429 and 5xx and broken transfers are tried again,
 * everything else fails.  The code is read from the body (JSON or XML) or a
 * header, shortened to its name: `prefix#Code` and `Code:http://...` -> Code. */
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "scan/internal.h"

typedef struct found {
  char code[128];
  char message[480]; /* AWS names the denied action behind two long names */
} found;

static void classify_code(const char *s, size_t n, char *out, size_t max) {
  const char *hash = memchr(s, '#', n), *colon;

  if (hash) {
    n -= (size_t)(hash + 1 - s);
    s = hash + 1;
  }
  colon = memchr(s, ':', n);
  if (colon) n = (size_t)(colon - s);
  snprintf(out, max, "%.*s", (int)(n < max ? n : max - 1), s);
}

/* Into one line, whatever the answer says. */
static void classify_line(char *s) {
  for (; *s; s++)
    if ((unsigned char)*s < 0x20) *s = ' ';
}

/* Reads code and message by the decoder that the body's first byte asks for.
 * A body that cannot be read simply gives neither. */
static void classify_body(const cq_errors_def *e, const char *body, size_t n,
                          found *f) {
  size_t i = 0, nf = e->ncode + e->nmessage;
  const cq_decode_ops *ops = NULL;
  cq_path self = {".", 0, NULL};
  cq_field *fields = nf ? cq_calloc(nf, sizeof *fields) : NULL;
  cq_program *p = NULL;
  cq_decoder *d = NULL;
  cq_batch *batch = NULL;
  cq_block *block = NULL;
  cq_error err = {0, ""};

  while (i < n && strchr(" \t\r\n", body[i])) i++;
  if (!fields || i == n || (body[i] != '<' && body[i] != '{' && body[i] != '['))
    goto done;
  ops = body[i] == '<' ? &cq_decode_xml : &cq_decode_json;
  for (size_t k = 0; k < nf; k++) {
    fields[k].path = k < e->ncode ? e->code[k] : e->message[k - e->ncode];
    fields[k].type = CQ_TEXT;
    fields[k].slot = (int)k;
  }
  cq_program_def def = {.rows = &self,
                        .optional_rows = 1,
                        .fields = fields,
                        .nfield = (int)nf,
                        .nslot = (int)nf};
  if (ops->compile(&def, &p, &err) || ops->open(p, &d, &err) ||
      !(batch = cq_batch_new((int)nf)) || !(block = cq_block_new(n + 64)))
    goto done;
  memcpy(block->data, body, n);
  /* A word in another encoding does not make the rest unreadable. */
  for (i = 0; ops == &cq_decode_json &&
              (i += cq_utf8_check(block->data + i, n - i)) < n;)
    block->data[i] = '?';
  block->len = n;
  memset(block->data + n, 0, 64);
  if (ops->feed(d, block, 1, batch, &err)) {
    block = NULL;
    goto done;
  }
  block = NULL;
  if (batch->nrow < 1) goto done;
  for (size_t k = 0; k < nf; k++) {
    const cq_value *v = &cq_batch_row(batch, 0)[k];

    if (v->kind != CQ_STR || v->len == 0) continue;
    if (k < e->ncode && !f->code[0])
      classify_code(v->u.s, v->len, f->code, sizeof f->code);
    else if (k >= e->ncode && !f->message[0])
      snprintf(
          f->message, sizeof f->message, "%.*s",
          (int)(v->len < sizeof f->message ? v->len : sizeof f->message - 1),
          v->u.s);
  }
  classify_line(f->code);
  classify_line(f->message);
done:
  if (block) cq_block_unref(block);
  if (d) ops->close(d);
  if (p) ops->program_free(p);
  cq_batch_free(batch);
  cq_free(fields);
}

/* Where a definition does not say it: the places that most APIs use, RFC 9457's
 * among them. */
static void classify_usual(const char *body, size_t n, found *f) {
  cq_step steps[][2] = {
      {{"message", 7, CQ_STEP_KEY, 0}},
      {{"error", 5, CQ_STEP_KEY, 0}, {"message", 7, CQ_STEP_KEY, 0}},
      {{"error_description", 17, CQ_STEP_KEY, 0}},
      {{"detail", 6, CQ_STEP_KEY, 0}},
      {{"error", 5, CQ_STEP_KEY, 0}},
      {{"title", 5, CQ_STEP_KEY, 0}},
  };
  enum { USUAL = sizeof steps / sizeof *steps };
  cq_path paths[USUAL];
  cq_path *all[USUAL];
  cq_errors_def e;

  memset(&e, 0, sizeof e);
  for (int i = 0; i < USUAL; i++) {
    paths[i].text = steps[i][0].name;
    paths[i].nstep = steps[i][1].name ? 2 : 1;
    paths[i].steps = steps[i];
    all[i] = &paths[i];
  }
  e.message = all;
  e.nmessage = USUAL;
  classify_body(&e, body, n, f);
}

/* The server's clock is another: a signature by ours had to be refused. */
static int rule_clock(const cq_answer *a) {
  return a->clock_off > CQ_CLOCK_US || a->clock_off < -CQ_CLOCK_US;
}

/* Group 1 of a rule's `lacks` in the message. */
static void rule_lacks(const cq_error_rule *r, const found *f, char *out,
                       size_t max) {
  regmatch_t m[2];
  regex_t re;

  if (!r->lacks || regcomp(&re, r->lacks, REG_EXTENDED)) return;
  if (regexec(&re, f->message, 2, m, 0) == 0 && m[1].rm_so >= 0)
    snprintf(out, max, "%.*s", (int)(m[1].rm_eo - m[1].rm_so),
             f->message + m[1].rm_so);
  regfree(&re);
}

static int rule_matches(const cq_error_rule *r, const cq_answer *a,
                        const found *f) {
  int ok = r->nstatus == 0, status = a->head.status;

  for (int i = 0; i + 1 < r->nstatus && !ok; i += 2)
    ok = status >= r->status[i] && status <= r->status[i + 1];
  if (!ok) return 0;
  ok = r->ncode == 0;
  for (size_t i = 0; i < r->ncode && !ok; i++)
    ok = cq_glob(r->code[i], f->code);
  if (!ok) return 0;
  for (size_t i = 0; i < r->nheader; i++) {
    const char *have = cq_head_get(&a->head, r->header[i].name);

    if (!have || strcmp(have, cq_template_text(r->header[i].value)) != 0)
      return 0;
  }
  if (r->text && !cq_glob(r->text, f->message)) {
    char *copy = cq_strndup(a->body ? a->body : "", a->nbody);

    ok = copy && cq_glob(r->text, copy);
    cq_free(copy);
    return ok;
  }
  return 1;
}

static void classify_reason(cq_verdict *v, const cq_answer *a, const found *f) {
  const cq_error *failure = a->failure;

  if (failure) {
    const char *hint = strstr(failure->text, "\nhint: ");
    size_t n = hint ? (size_t)(hint - failure->text) : strlen(failure->text);

    snprintf(v->reason, sizeof v->reason, "%.*s", (int)(n < 400 ? n : 400),
             failure->text);
    if (hint) snprintf(v->hint, sizeof v->hint, "%s", hint + 7);
  } else {
    snprintf(v->reason, sizeof v->reason, "HTTP %d%s%s%s%.360s", a->head.status,
             f->code[0] ? " " : "", f->code, f->message[0] ? ": " : "",
             f->message);
  }
}

static int classify_rules(const cq_errors_def *e, const cq_answer *a,
                          const found *f, cq_verdict *out) {
  for (size_t i = 0; e && i < e->nrule; i++) {
    const cq_error_rule *r = &e->rule[i];

    if (!rule_matches(r, a, f)) continue;
    if (r->then == CQ_ACT_CLOCK && !rule_clock(a)) continue;
    rule_lacks(r, f, out->lacks, sizeof out->lacks);
    out->then = r->then;
    out->throttle = r->throttle;
    out->after_ms = r->after ? cq_head_after_ms(&a->head, r->after) : -1;
    if (r->message) snprintf(out->hint, sizeof out->hint, "%s", r->message);
    return 1;
  }
  return 0;
}

void cq_classify(const cq_errors_def *e, const cq_answer *a, cq_verdict *out) {
  const char *body = a->body;
  int status = a->head.status;
  found f = {"", ""};

  memset(out, 0, sizeof *out);
  out->after_ms = -1;
  if (e && a->nbody) classify_body(e, body, a->nbody, &f);
  if ((!e || e->nmessage == 0) && status >= 400 && a->nbody)
    classify_usual(body, a->nbody, &f);
  if (e && e->code_header && !f.code[0]) {
    const char *h = cq_head_get(&a->head, e->code_header);

    if (h) classify_code(h, strlen(h), f.code, sizeof f.code);
  }
  if (!f.message[0] && a->nbody && body[0] != '<' && body[0] != '{') {
    snprintf(f.message, sizeof f.message, "%.*s",
             (int)(a->nbody < 200 ? a->nbody : 200), body);
    classify_line(f.message);
  }
  classify_reason(out, a, &f);
  if (a->failure)
    snprintf(f.message, sizeof f.message, "%.470s", a->failure->text);
  if (classify_rules(e, a, &f, out)) return;
  if (a->failure) {
    out->then = a->failure->code == CQ_IOERR ? CQ_ACT_RETRY : CQ_ACT_FAIL;
    return;
  }
  switch (status) {
  case 408:
  case 425:
  case 429:
  case 500:
  case 502:
  case 503:
  case 504:
    out->then = CQ_ACT_RETRY;
    out->throttle = status == 429 || status == 503;
    out->after_ms = cq_head_after_ms(&a->head, "retry-after");
    break;
  case 206:
    out->then = CQ_ACT_FAIL;
    snprintf(out->hint, sizeof out->hint,
             "a part of an answer, where all of it was asked for");
    break;
  case 401:
    out->then = CQ_ACT_REFRESH_AUTH;
    break;
  default:
    out->then = status >= 200 && status < 300 ? CQ_ACT_OK : CQ_ACT_FAIL;
  }
}

int cq_classify_good(const cq_errors_def *e, const cq_answer *a,
                     cq_verdict *out) {
  found f = {"", ""};

  memset(out, 0, sizeof *out);
  out->after_ms = -1;
  if (!e || !e->in_200 || !a->nbody) return 0;
  classify_body(e, a->body, a->nbody, &f);
  if (!f.code[0]) return 0;
  classify_reason(out, a, &f);
  if (!classify_rules(e, a, &f, out)) out->then = CQ_ACT_FAIL;
  return 1;
}
