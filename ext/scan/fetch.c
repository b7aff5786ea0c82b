/* ext/scan/fetch.c: one request from its definition to an answer that can be
 * decoded: login, retries, error rules.  What others have asked
 * for before, or ask for now, is share.c's.
 *
 * A page is tried again as a whole or not at all: once a piece has been handed
 * out, a broken transfer is an error of the list.  The body of an answer that
 * is not rows is read here, bounded, and never reaches a decoder. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan/fetch.h"

enum { BACKOFF_BASE_MS = 250 };

static const char max_wait_hint[] =
    "cq_config('max_wait', <seconds>) lets a query wait longer; a sync waits "
    "for up to an hour";

/* Per-request parameters must outlive the scope: they are copied. */
static int fetch_params(cq_fetch *f, cq_error *err) {
  for (size_t i = 0; i < f->params.n; i++)
    if (cq_value_copy(&f->built.arena, &f->params.values[i],
                      (cq_value *)&f->params.values[i]))
      return cq_error_nomem(err);
  return CQ_OK;
}

static int fetch_identity(cq_fetch *f, cq_scope *s, cq_error *err) {
  const cq_request_def *r = f->def.request;
  cq_identity **kept = cq_request_logins(f->def.source->in, r, s->client);
  const char *scheme;
  int rc;

  if (!kept || !*kept || !cq_request_same_login(r, *kept, NULL)) {
    rc = cq_request_auth(f->def.source->in, r, s, &f->built.arena, &scheme,
                         &f->params, err);
    if (rc || !scheme) return rc;
    rc = cq_auths_get(f->def.env->auths, scheme, &f->params, &f->identity, err);
    if (rc) return rc;
    if (!cq_request_same_login(r, f->identity, &f->params))
      return fetch_params(f, err);
    if (kept) *kept = f->identity;
  } else {
    f->identity = *kept;
  }
  rc = cq_request_own_auth(r, s, &f->built.arena, &f->params, err);
  return rc ? rc : fetch_params(f, err);
}

static cq_outcome fetch_end(cq_fetch *f, cq_outcome o) {
  f->state = FETCH_ENDED;
  f->outcome = o;
  return o;
}

void cq_fetch_free(cq_fetch *f) {
  cq_source *left = f->left ? f->def.source : NULL;

  cq_share_unlist(f);
  cq_transfer_free(f->transfer);
  cq_limiter_unref(f->limits.limiter);
  if (f->held) cq_block_unref(f->held);
  cq_block_unref(f->cached.block);
  cq_free_secret(f->cache_key);
  cq_built_clear(&f->built);
  cq_free(f);
  cq_source_unref(left);
}

cq_head cq_fetch_head(const cq_fetch *f) {
  static const cq_head none = {0, "", NULL, 0};

  return f->from_cache ? f->cached.head
         : f->transfer ? cq_transfer_head(f->transfer)
                       : none;
}

static int fetch_is_file(const cq_fetch *f) {
  return cq_str_ieqn(f->built.url, "file:", 5);
}

/* Rows are to be expected of it. */
static int fetch_good(const cq_fetch *f, const cq_head *head) {
  return cq_good_status(head->status) || fetch_is_file(f);
}

/* An answer's, or where there is none a transfer's failure. */
static void fetch_judge(const cq_fetch *f, const cq_head *head,
                        const cq_block *body, const cq_error *failure,
                        cq_verdict *v) {
  const cq_limits_def *l = f->def.limits;
  cq_answer a = {*head, 0, body ? body->data : NULL, body ? body->len : 0,
                 failure};

  if (failure || !fetch_good(f, head)) {
    a.clock_off = cq_http_clock_off(f->def.env->http, head);
    cq_classify(f->def.errors, &a, v);
  } else if (!cq_classify_good(f->def.errors, &a, v)) {
    v->then = CQ_ACT_OK;
  }
  if (v->then == CQ_ACT_RETRY && v->after_ms < 0 && l && l->retry_after)
    v->after_ms = cq_head_after_ms(head, l->retry_after);
}

/* Does the same answer mean this for as long as it holds? */
static int verdict_stays(const cq_verdict *v) {
  return v->then == CQ_ACT_OK || v->then == CQ_ACT_EMPTY ||
         v->then == CQ_ACT_SKIP_ROW;
}

/* Does the definition leave it to us on which condition to be answered? */
static int fetch_unconditional(const cq_fetch *f) {
  if (strcmp(f->built.method, "GET") != 0) return 0;
  for (size_t i = 0; i < f->built.nheader; i++)
    if (cq_str_ieq(f->built.headers[i].name, "if-none-match") ||
        cq_str_ieq(f->built.headers[i].name, "if-modified-since"))
      return 0;
  return 1;
}

/* Nobody sits before a query for the hour that a sync has; 0 = no bound. */
static int64_t fetch_max_wait(const cq_fetch *f) {
  int64_t ms = f->def.env->live_wait_ms;

  return !f->def.live ? 0 : ms > 0 ? ms : 1;
}

static cq_outcome fetch_send(cq_fetch *f) {
  cq_http_request r;
  cq_signer *signer = NULL;
  int rc = CQ_OK;

  if (f->identity) {
    rc = f->identity->ops->ready(f->identity, &f->error);
    if (rc == CQ_BUSY) return CQ_F_BUSY;
    if (rc == CQ_OK)
      rc =
          f->identity->ops->signer(f->identity, &f->params, &signer, &f->error);
    if (rc) return fetch_end(f, CQ_F_ERROR);
  }
  memset(&r, 0, sizeof r);
  r.method = f->built.method;
  r.url = f->built.url;
  r.shown = f->built.shown;
  r.headers = f->built.headers;
  r.nheader = f->built.nheader;
  r.body = f->built.body;
  r.nbody = f->built.nbody;
  r.signer = signer;
  r.tls = &f->built.tls;
  r.limiters[0] = f->limits.limiter;
  r.nlimiter = 1;
  r.allow_file = f->def.source->in->allow_file;
  r.follow = 1;
  r.priority = f->def.priority;
  r.max_wait_ms = fetch_max_wait(f);
  r.integration = f->def.source->in->name;
  r.table = f->def.table;
  r.client = f->client;
  r.attempt = f->attempt + 1;
  if (f->cached.block && fetch_unconditional(f)) {
    r.etag = f->cached.etag;
    r.modified = f->cached.etag ? NULL : f->cached.modified;
    f->asks = r.etag || r.modified;
  }
  rc = cq_http_submit(f->def.env->http, &r, &f->transfer, &f->error);
  cq_signer_unref(signer);
  if (rc) {
    cq_fetch_prefix(f, &f->error);
    return fetch_end(f, CQ_F_ERROR);
  }
  f->requests++;
  f->state = FETCH_SENT;
  return CQ_F_BUSY;
}

static void fetch_quota(cq_fetch *f, const cq_head *head) {
  const cq_limits_def *l = f->def.limits;
  const char *left;

  if (!l || !l->remaining) return;
  left = cq_head_get(head, l->remaining);
  if (!left) return;
  int64_t ms = l->reset ? cq_head_after_ms(head, l->reset) : -1;
  cq_limiter_quota(f->def.env->http, f->limits.limiter, atoll(left),
                   ms >= 0 ? cq_mono_ms() + ms : 0);
}

static void fetch_drop_transfer(cq_fetch *f) {
  if (f->transfer) {
    f->bytes += cq_transfer_bytes(f->transfer);
    f->throttled_ms += cq_transfer_gated_ms(f->transfer);
  }
  cq_transfer_free(f->transfer);
  f->transfer = NULL;
}

/* What a server that wants fewer requests says holds for the others, too. */
static void fetch_close_limits(cq_fetch *f, const cq_verdict *v) {
  if (v->throttle)
    cq_limiter_throttled(f->def.env->http, f->limits.limiter,
                         v->after_ms >= 0 ? cq_mono_ms() + v->after_ms : 0);
}

/* Again, after a delay; the answer so far is forgotten. */
static cq_outcome fetch_again(cq_fetch *f, const cq_verdict *v, int64_t wait) {
  int64_t now = cq_mono_ms();

  if (v->throttle) f->throttled_ms += wait;
  fetch_drop_transfer(f);
  if (f->held) cq_block_unref(f->held);
  f->held = NULL;
  if (f->from_cache) { /* known, but not as our rules have it */
    f->from_cache = 0;
    cq_share_forget(f);
  }
  f->attempt++;
  f->retries++;
  f->not_before_ms = now + wait;
  f->state = FETCH_DELAY;
  return CQ_F_BUSY;
}

static cq_outcome fetch_refuse(cq_fetch *f, const cq_verdict *v, int code) {
  const char *host = strstr(f->built.url, "://");
  size_t method = strlen(f->built.method);
  int n;

  host = host ? host + 3 : f->built.url;
  n = (int)strcspn(host, "/?#");
  /* A broken transfer tells method and URL itself. */
  if (strncmp(v->reason, f->built.method, method) == 0 &&
      v->reason[method] == ' ')
    cq_error_set(&f->error, code, "%s%s%s%s: %s", f->def.table,
                 f->client[0] ? " (" : "", f->client, f->client[0] ? ")" : "",
                 v->reason);
  else if (f->def.request->operation)
    cq_error_set(&f->error, code, "%s%s%s%s: %s from %.*s: %s", f->def.table,
                 f->client[0] ? " (" : "", f->client, f->client[0] ? ")" : "",
                 f->def.request->operation, n, host, v->reason);
  else
    cq_error_set(&f->error, code, "%s%s%s%s: %s %.300s: %s", f->def.table,
                 f->client[0] ? " (" : "", f->client, f->client[0] ? ")" : "",
                 f->built.method, f->built.shown, v->reason);
  if (v->hint[0]) cq_error_hint(&f->error, "%s", v->hint);
  cq_auths_redact(f->def.env->auths, f->error.text);
  cq_config_redact(f->def.source->config, f->error.text);
  return fetch_end(f, CQ_F_ERROR);
}

/* After the reason: how often it was tried. */
static void fetch_say_tries(const cq_fetch *f, cq_verdict *v) {
  size_t n = strlen(v->reason);

  if (f->attempt == 0) return;
  snprintf(v->reason + n, sizeof v->reason - n, " (after %d attempts)",
           f->attempt + 1);
}

static void fetch_say_cut(cq_verdict *v) {
  size_t n = strlen(v->reason);

  snprintf(v->reason + n, sizeof v->reason - n,
           " (the page before said that there is more)");
}

static cq_outcome fetch_too_long(cq_fetch *f, cq_verdict *v, const char *span) {
  size_t n = strlen(v->reason);

  if (span)
    snprintf(v->reason + n, sizeof v->reason - n, " (asks to wait for %s)",
             span);
  else
    fetch_say_tries(f, v);
  if (!v->hint[0] && v->after_ms < CQ_MAX_WAIT_MS)
    snprintf(v->hint, sizeof v->hint, "%s", max_wait_hint);
  return fetch_refuse(f, v, CQ_THROTTLED);
}

/* The permission that is missing: the answer's word for it, else the one of
 * those that the table needs that is named as the operation is, else of the
 * table's own request the first. */
static void fetch_lacks(const cq_fetch *f, cq_verdict *v) {
  const char *operation = f->def.request->operation, *at = f->def.permissions;
  size_t n = operation ? strlen(operation) : 0;
  char said[256];

  while (!v->lacks[0] && n && at && (at = strstr(at, operation))) {
    const char *from = at;

    if (at[n] == '"' && at > f->def.permissions && at[-1] == ':') {
      while (from > f->def.permissions && from[-1] != '"') from--;
      snprintf(v->lacks, sizeof v->lacks, "%.*s", (int)(at + n - from), from);
    }
    at += n;
  }
  if (!v->lacks[0] && n && f->def.own && f->def.permissions &&
      (at = strchr(f->def.permissions, '"')) != NULL)
    snprintf(v->lacks, sizeof v->lacks, "%.*s", (int)strcspn(at + 1, "\""),
             at + 1);
  if (!v->lacks[0]) return;
  snprintf(said, sizeof said, "%s", v->hint);
  snprintf(v->hint, sizeof v->hint, "missing permission: %s%s%.100s", v->lacks,
           said[0] ? "; " : "", said);
}

static cq_outcome fetch_act(cq_fetch *f, cq_verdict *v, int status) {
  int64_t wait;
  int code = status == 401 || status == 403 ? CQ_AUTH
             : status == 429                ? CQ_THROTTLED
             : status == 0                  ? CQ_IOERR
                                            : CQ_ERROR;

  switch (v->then) {
  case CQ_ACT_REFRESH_AUTH:
    if (!f->logged_in_again && f->identity &&
        f->identity->ops->refused(f->identity)) {
      f->logged_in_again = 1;
      v->throttle = 0;
      return fetch_again(f, v, 0);
    }
    return fetch_refuse(f, v, CQ_AUTH);
  case CQ_ACT_RETRY:
    if (!f->def.request->idempotent && !v->throttle)
      return fetch_refuse(f, v, code);
    if (v->after_ms >= CQ_MAX_WAIT_MS)
      return fetch_too_long(f, v, "1h or more");
    fetch_close_limits(f, v);
    if (f->def.live && v->after_ms >= 0 &&
        f->waited_ms + v->after_ms > fetch_max_wait(f)) {
      char span[24];

      return fetch_too_long(f, v,
                            cq_span_format(v->after_ms, span, sizeof span));
    }
    /* Who cannot be reached now will not be in a minute, which nobody waits. */
    if (f->attempt >= f->limits.retries ||
        (status == 0 && (f->def.live || f->def.early) &&
         f->attempt >= CQ_MAX_UNREACHED)) {
      fetch_say_tries(f, v);
      return fetch_refuse(f, v, v->throttle ? CQ_THROTTLED : code);
    }
    wait =
        v->after_ms >= 0
            ? v->after_ms + cq_backoff_ms(0, BACKOFF_BASE_MS, BACKOFF_BASE_MS)
            : cq_backoff_ms(f->attempt, BACKOFF_BASE_MS, f->limits.pause_ms);
    if (f->def.live && f->attempt &&
        f->waited_ms + wait > fetch_max_wait(f) + BACKOFF_BASE_MS)
      return fetch_too_long(f, v, NULL);
    f->waited_ms += wait;
    return fetch_again(f, v, wait);
  case CQ_ACT_CLOCK:
    if (!f->clock_corrected) {
      cq_http *h = f->def.env->http;
      cq_head head = cq_fetch_head(f);

      f->clock_corrected = 1;
      v->throttle = 0;
      cq_http_clock(h, cq_http_clock_get(h) + cq_http_clock_off(h, &head));
      return fetch_again(f, v, 0);
    }
    return fetch_refuse(f, v, code);
  case CQ_ACT_EMPTY:
  case CQ_ACT_SKIP_ROW:
  case CQ_ACT_SKIP_CLIENT:
  case CQ_ACT_DENIED:
    /* What could not be reached may be there in a moment. */
    if (status == 0 && f->attempt < CQ_MAX_UNREACHED) {
      wait = cq_backoff_ms(2, BACKOFF_BASE_MS, f->limits.pause_ms);
      f->waited_ms += wait;
      return fetch_again(f, v, wait);
    }
    /* As no rows it would end a list in silence that its last page continued. */
    if (f->def.named && v->then != CQ_ACT_DENIED) {
      fetch_say_cut(v);
      return fetch_refuse(f, v, code);
    }
    if (v->then == CQ_ACT_DENIED) fetch_lacks(f, v);
    if (status && verdict_stays(v)) cq_share_remember(f);
    fetch_refuse(f, v, code);
    return fetch_end(f, v->then == CQ_ACT_EMPTY      ? CQ_F_EMPTY
                        : v->then == CQ_ACT_SKIP_ROW ? CQ_F_SKIP_ROW
                        : v->then == CQ_ACT_DENIED   ? CQ_F_DENIED
                                                     : CQ_F_SKIP_CLIENT);
  case CQ_ACT_OK:
    f->state = FETCH_READY;
    return CQ_F_DATA;
  case CQ_ACT_FAIL:
    break;
  }
  return fetch_refuse(f, v, code);
}

/* What the cache has, judged anew by our own rules: the answer itself, or one
 * to ask about. */
static int fetch_known(cq_fetch *f, cq_error *err) {
  cq_verdict v;
  int good, rc = cq_share_known(f, &good, err);

  if (rc || !good) return rc;
  fetch_judge(f, &f->cached.head, f->cached.block, NULL, &v);
  if (!verdict_stays(&v)) {
    cq_share_ask(f);
    return CQ_OK;
  }
  f->from_cache = 1;
  f->held = cq_block_ref(f->cached.block);
  fetch_act(f, &v, f->cached.head.status);
  return CQ_OK;
}

/* 304: what is known is the answer. */
static cq_outcome fetch_unchanged(cq_fetch *f) {
  cq_verdict v;

  if (cq_share_renew(f, &f->error)) return fetch_end(f, CQ_F_ERROR);
  cq_block_unref(f->held);
  f->held = cq_block_ref(f->cached.block);
  f->from_cache = 1;
  fetch_judge(f, &f->cached.head, f->held, NULL, &v);
  return fetch_act(f, &v, f->cached.head.status);
}

/* Of a body that is wanted whole, what has come. */
static int fetch_gather(cq_fetch *f, cq_error *err) {
  cq_block *piece = cq_transfer_take(f->transfer), *all = f->held;
  size_t have = all ? all->len : 0, need = have + (piece ? piece->len : 0);
  int rc = CQ_OK;

  if (!piece) return CQ_OK;
  if (!all) {
    f->held = piece;
    return CQ_OK;
  }
  if (need > CQ_MAX_RECORD_BYTES)
    rc = cq_error_set(err, CQ_TOOBIG,
                      "%s: answer is longer than %d MiB, and has to be read as "
                      "a whole",
                      f->def.table, (int)(CQ_MAX_RECORD_BYTES >> 20));
  /* A block cannot grow, so a larger one takes over. */
  if (rc == CQ_OK && need > all->cap) {
    all = cq_block_new(need > 2 * all->cap ? need : 2 * all->cap);
    if (all) {
      memcpy(all->data, f->held->data, have);
      cq_block_unref(f->held);
      f->held = all;
    } else {
      rc = cq_error_nomem(err);
    }
  }
  if (rc == CQ_OK) {
    memcpy(all->data + have, piece->data, piece->len);
    all->len = need;
    memset(all->data + need, 0, 64);
  }
  cq_block_unref(piece);
  return rc;
}

static cq_outcome fetch_broken(cq_fetch *f) {
  cq_error failure = {0, ""};
  cq_head none = {0, "", NULL, 0};
  cq_verdict v;

  cq_transfer_error(f->transfer, &failure);
  /* A file that is not there is not there a second later either; what was held
   * back for too long was never sent. */
  if (failure.code == CQ_THROTTLED || fetch_is_file(f)) {
    cq_error_set(&f->error, failure.code, "%s: %s", f->def.table, failure.text);
    if (failure.code == CQ_THROTTLED && !fetch_is_file(f)) {
      f->requests--;
      cq_error_hint(&f->error, "%s", max_wait_hint);
    }
    return fetch_end(f, CQ_F_ERROR);
  }
  fetch_judge(f, &none, NULL, &failure, &v);
  return fetch_act(f, &v, 0);
}

static cq_outcome fetch_answer(cq_fetch *f, cq_tstate st) {
  int whole = f->def.whole ||
              (f->def.errors && f->def.errors->in_200); /* before rows */
  cq_head head = cq_fetch_head(f);
  int good = fetch_good(f, &head);
  cq_verdict v;

  if (st == CQ_T_FAILED) return fetch_broken(f);
  if (!good || whole || st == CQ_T_DONE)
    if (fetch_gather(f, &f->error)) return fetch_end(f, CQ_F_ERROR);
  if (good && whole && st == CQ_T_STREAM) return CQ_F_BUSY;
  fetch_quota(f, &head);
  if ((good && st == CQ_T_STREAM) || (head.status == 304 && f->asks))
    cq_limiter_success(f->def.env->http, f->limits.limiter);
  if (good && st == CQ_T_STREAM) {
    f->state = FETCH_READY;
    return CQ_F_DATA;
  }
  if (head.status == 304 && f->asks) return fetch_unchanged(f);
  fetch_judge(f, &head, f->held, NULL, &v);
  if (v.then != CQ_ACT_RETRY && !v.throttle)
    cq_limiter_success(f->def.env->http, f->limits.limiter);
  if (good && v.then == CQ_ACT_OK) cq_share_remember(f);
  return fetch_act(f, &v, head.status);
}

static cq_outcome fetch_behind(cq_fetch *f) {
  int rc;

  if (f->before && cq_fetch_poll(f->before) == CQ_F_BUSY) return CQ_F_BUSY;
  f->before = NULL;
  rc = fetch_known(f, &f->error);
  if (rc) return fetch_end(f, CQ_F_ERROR);
  if (f->from_cache) return f->state == FETCH_READY ? CQ_F_DATA : f->outcome;
  if (cq_share_behind(f)) return CQ_F_BUSY; /* another asked meanwhile */
  f->state = FETCH_LOGIN;
  return fetch_send(f);
}

int cq_fetch_open(const cq_fetch_def *d, cq_scope *scope, cq_fetch **out,
                  cq_error *err) {
  cq_fetch *f = cq_calloc(1, sizeof *f);
  int rc;

  *out = NULL;
  if (!f) return cq_error_nomem(err);
  f->def = *d;
  f->def.url = NULL;
  f->state = FETCH_LOGIN;
  if (scope->client && scope->client->id)
    snprintf(f->client, sizeof f->client, "%s", scope->client->id);
  rc = cq_request_build(cq_source_integration(d->source), d->request, scope,
                        d->url, &f->built, err);
  if (rc && rc != CQ_NOMEM) cq_error_prefix(err, "%s: ", d->table);
  if (rc == CQ_OK) rc = fetch_identity(f, scope, err);
  if (rc == CQ_OK && f->identity && f->identity->ops->place && !d->url)
    rc = cq_built_place(&f->built,
                        f->identity->ops->place(f->identity, &f->params), err);
  if (rc == CQ_OK)
    rc = cq_limits_open(&f->def, f->built.url, f->identity,
                        f->built.tls.client_cert, scope, &f->built.arena,
                        &f->limits, err);
  if (rc == CQ_OK && d->env->cache && d->request->idempotent && !d->fresh &&
      (d->live || strcmp(f->built.method, "GET") == 0))
    rc = cq_share_key(f, err);
  if (rc == CQ_OK && f->cache_key) {
    cq_share_poll_left(d->env->cache);
    rc = fetch_known(f, err);
  }
  if (rc == CQ_OK && f->cache_key && d->live && !f->from_cache)
    cq_share_list(f);
  if (rc) {
    cq_fetch_close(f);
    return rc;
  }
  *out = f;
  return CQ_OK;
}

cq_outcome cq_fetch_poll(cq_fetch *f) {
  cq_tstate st;

  switch (f->state) {
  case FETCH_BEHIND:
    return fetch_behind(f);
  case FETCH_DELAY:
    if (cq_mono_ms() < f->not_before_ms) return CQ_F_BUSY;
    f->state = FETCH_LOGIN;
    return fetch_send(f);
  case FETCH_LOGIN:
    return fetch_send(f);
  case FETCH_SENT:
    st = cq_transfer_state(f->transfer);
    if (st != CQ_T_WAITING) return fetch_answer(f, st);
    /* Answers that nobody takes hold room that ours may wait for. */
    if (f->listed && !f->left) cq_share_poll_left(f->def.env->cache);
    return CQ_F_BUSY;
  case FETCH_READY:
    return CQ_F_DATA;
  case FETCH_ENDED:
    break;
  }
  return f->outcome;
}

int cq_fetch_take(cq_fetch *f, cq_block **out, int *final, cq_error *err) {
  cq_tstate st;
  cq_error failure = {0, ""};

  *out = f->held;
  f->held = NULL;
  *final = 0;
  if (f->from_cache) {
    *final = 1;
    return CQ_OK;
  }
  st = cq_transfer_state(f->transfer);
  if (!*out) *out = cq_transfer_take(f->transfer);
  if (st == CQ_T_FAILED) {
    if (*out) cq_block_unref(*out);
    *out = NULL;
    cq_transfer_error(f->transfer, &failure);
    return cq_error_set(err, failure.code ? failure.code : CQ_IOERR,
                        "%s: transfer broke in the middle: %s", f->def.table,
                        failure.text);
  }
  /* DONE was seen before the take, so nothing can follow the piece. */
  if (st == CQ_T_DONE) {
    cq_block *rest = *out ? NULL : cq_transfer_take(f->transfer);

    if (rest) *out = rest;
    *final = 1;
  }
  return CQ_OK;
}

void cq_fetch_prefix(const cq_fetch *f, cq_error *err) {
  cq_error_prefix(err, "%s: %s %s: ", f->def.table, f->built.method,
                  f->built.shown);
}

int cq_fetch_empty(const cq_fetch *f, const cq_decode_ops *as, cq_error *err) {
  int status = cq_fetch_head(f).status;

  if (status == 204 || status == 205 || as == &cq_decode_csv ||
      as == &cq_decode_ndjson || as == &cq_decode_raw)
    return CQ_OK;
  cq_error_set(err, CQ_ERROR, "the answer is empty");
  cq_fetch_prefix(f, err);
  return CQ_ERROR;
}

static int fetch_says(const char *type, const char *word) {
  size_t n = strlen(word);

  for (; *type; type++)
    if (cq_str_ieqn(type, word, n)) return 1;
  return 0;
}

void cq_fetch_refused(const cq_fetch *f, cq_error *err) {
  cq_head head = cq_fetch_head(f);
  const char *type = cq_head_get(&head, "content-type");

  cq_fetch_prefix(f, err);
  if (!type) return;
  if (fetch_says(type, "text/html"))
    cq_error_hint(err, "the server sent a page for people: %.60s", type);
  else if (fetch_says(type, "charset=") && !fetch_says(type, "utf-8") &&
           !fetch_says(type, "utf8"))
    cq_error_hint(err, "the server sent %.60s; only UTF-8 is read", type);
}

const char *cq_fetch_url(const cq_fetch *f) {
  const char *url = cq_fetch_head(f).url;

  return *url ? url : f->built.url;
}

int cq_fetch_fail(const cq_fetch *f, cq_error *err) {
  if (err) *err = f->error;
  return f->error.code ? f->error.code : CQ_ERROR;
}

void cq_fetch_stats(const cq_fetch *f, cq_scan_stats *add) {
  add->requests += f->requests;
  add->retries += f->retries;
  add->throttled_ms +=
      f->throttled_ms + (f->transfer ? cq_transfer_gated_ms(f->transfer) : 0);
  add->bytes += f->bytes + (f->transfer ? cq_transfer_bytes(f->transfer) : 0);
  add->cached += f->from_cache;
}

void cq_fetch_close(cq_fetch *f) {
  if (f && !cq_share_leave(f)) cq_fetch_free(f);
}
