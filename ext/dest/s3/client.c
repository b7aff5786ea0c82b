/* ext/dest/s3/client.c: credentials, addresses, and the loop of tries around a
 * request. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dest/s3/internal.h"
#include "http/internal.h"

/* ---- open, close ---------------------------------------------------------------- */

static const char *environment(const char *name) {
  const char *v = getenv(name);

  return v && *v ? v : NULL;
}

static int keep(cq_s3 *s, const char **text) {
  if (!*text) return CQ_OK;
  if (!**text) {
    *text = NULL;
    return CQ_OK;
  }
  *text = cq_arena_strndup(&s->arena, *text, strlen(*text));
  return *text ? CQ_OK : CQ_NOMEM;
}

/* A region becomes part of a host's name. */
static int is_region(const char *r) {
  size_t n = strspn(r, "abcdefghijklmnopqrstuvwxyz0123456789-_");

  return n > 0 && n < sizeof((cq_s3 *)0)->region && !r[n];
}

static int is_bucket(const char *b) {
  for (const char *p = b; *p; p++)
    if (!cq_letter(*p) && !(*p >= '0' && *p <= '9') && !strchr("-._", *p))
      return 0;
  return *b && strlen(b) < 256;
}

static int check(cq_s3 *s, cq_error *err) {
  cq_url_parts u;

  if (!is_bucket(s->o.bucket))
    return cq_error_set(err, CQ_MISUSE, "s3: not a bucket's name: %.80s",
                        s->o.bucket);
  if (!is_region(s->region))
    return cq_error_set(err, CQ_MISUSE, "s3: not a region: %.60s", s->region);
  if (!s->o.endpoint) return CQ_OK;
  if (cq_url_check(s->o.endpoint, 0, err)) {
    cq_error_prefix(err, "s3: endpoint");
    cq_error_hint(err, "https://host:port, or http://host:port");
    return CQ_MISUSE;
  }
  cq_url_split(s->o.endpoint, strlen(s->o.endpoint), &u);
  if (u.has_query || (u.npath > 0 && !(u.npath == 1 && *u.path == '/')))
    return cq_error_set(err, CQ_MISUSE,
                        "s3: endpoint has a path or a query: %.200s",
                        s->o.endpoint);
  return CQ_OK;
}

/* The auth scheme's parameters; a role's login goes where the environment has
 * STS. */
static int find_identity(cq_s3 *s, cq_error *err) {
  const char *names[9], *texts[9];
  cq_value values[9];
  cq_auth_params p = {0, names, values};
  const char *const all[][2] = {
      {"access_key_id", s->o.access_key_id},
      {"secret_access_key", s->o.secret_access_key},
      {"session_token", s->o.session_token},
      {"profile", s->o.profile},
      {"role_arn", s->o.role_arn},
      {"role_session_name", s->o.role_session_name},
      {"external_id", s->o.external_id},
      {"sts_endpoint", environment("AWS_ENDPOINT_URL_STS")
                           ? environment("AWS_ENDPOINT_URL_STS")
                           : environment("AWS_ENDPOINT_URL")},
      {"sts_region", s->region_given ? s->region : NULL}};

  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (!all[i][1]) continue;
    names[p.n] = all[i][0];
    texts[p.n] = all[i][1];
    values[p.n] = cq_value_text(texts[p.n]);
    p.n++;
  }
  return cq_auths_get(s->auths, "aws_sigv4", &p, &s->id, err);
}

int cq_s3_open(const cq_s3_options *o, int (*interrupted)(void *user),
               void *user, cq_s3 **out, cq_error *err) {
  cq_s3 *s = cq_calloc(1, sizeof *s);
  const char *region;
  int rc = CQ_OK;

  *out = NULL;
  if (!s) return cq_error_nomem(err);
  cq_arena_init(&s->arena);
  s->o = *o;
  s->timeout_ms = CQ_TIMEOUT_MS;
  s->interrupted = interrupted;
  s->user = user;
  if (!s->o.endpoint) s->o.endpoint = environment("AWS_ENDPOINT_URL_S3");
  if (!s->o.endpoint) s->o.endpoint = environment("AWS_ENDPOINT_URL");
  if (!s->o.ca_file) s->o.ca_file = environment("AWS_CA_BUNDLE");
  region = s->o.region                 ? s->o.region
           : environment("AWS_REGION") ? environment("AWS_REGION")
           : environment("AWS_DEFAULT_REGION")
               ? environment("AWS_DEFAULT_REGION")
               : NULL;
  s->region_given = region != NULL;
  snprintf(s->region, sizeof s->region, "%s", region ? region : "us-east-1");
  if (s->o.net) {
    s->tls = s->o.net->tls;
    s->ca_path = s->o.net->ca_path;
  } else {
    cq_http_trust(&s->tls.ca_file, &s->ca_path);
  }
  if (s->o.ca_file) {
    s->tls.ca_file = s->o.ca_file;
    s->ca_path = NULL;
  }
  const char **texts[] = {&s->o.bucket,
                          &s->o.region,
                          &s->o.endpoint,
                          &s->o.ca_file,
                          &s->o.acl,
                          &s->o.sse,
                          &s->o.sse_key_id,
                          &s->o.access_key_id,
                          &s->o.secret_access_key,
                          &s->o.session_token,
                          &s->o.profile,
                          &s->o.role_arn,
                          &s->o.role_session_name,
                          &s->o.external_id,
                          &s->tls.ca_file,
                          &s->ca_path};
  for (size_t i = 0; i < sizeof texts / sizeof *texts && rc == CQ_OK; i++)
    rc = keep(s, texts[i]);
  if (rc) {
    cq_error_nomem(err);
    goto done;
  }
  rc = check(s, err);
  if (rc == CQ_OK) {
    cq_http_options http = {.tls = s->tls,
                            .ca_path = s->ca_path,
                            .proxy = s->o.net ? s->o.net->proxy : NULL};

    rc = cq_http_new(&http, &s->http, err);
  }
  if (rc == CQ_OK) rc = cq_auths_new(s->http, &s->auths, err);
  if (rc == CQ_OK) rc = find_identity(s, err);
  if (rc) goto done;
  if (!s->region_given && cq_aws_region(s->id) &&
      is_region(cq_aws_region(s->id))) {
    snprintf(s->region, sizeof s->region, "%s", cq_aws_region(s->id));
    s->region_given = 1;
  }
  cq_http_global();
  s->multi = curl_multi_init();
  s->easy = curl_easy_init();
  if (!s->multi || !s->easy) rc = cq_error_nomem(err);
done:
  if (rc) {
    cq_s3_close(s);
    return rc;
  }
  curl_multi_setopt(s->multi, CURLMOPT_MAXCONNECTS, 4L);
  *out = s;
  return CQ_OK;
}

void cq_s3_close(cq_s3 *s) {
  if (!s) return;
  if (s->easy) curl_easy_cleanup(s->easy);
  if (s->multi) curl_multi_cleanup(s->multi);
  cq_auths_free(s->auths);
  cq_http_free(s->http);
  cq_arena_wipe(&s->arena);
  cq_free(s);
}

/* ---- waiting ---------------------------------------------------------------------- */

int s3_stopped(const cq_s3 *s) {
  return s->interrupted && s->interrupted(s->user);
}

int s3_wait(cq_s3 *s, int64_t ms, cq_error *err) {
  int64_t until = cq_mono_ms() + ms, now;

  while ((now = cq_mono_ms()) < until) {
    if (s3_stopped(s)) return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    curl_multi_poll(s->multi, NULL, 0,
                    (int)(until - now < S3_POLL_MS ? until - now : S3_POLL_MS),
                    NULL);
  }
  return s3_stopped(s) ? cq_error_set(err, CQ_INTERRUPT, "interrupted") : CQ_OK;
}

void s3_hurry(cq_s3 *s, s3_last_words *w) {
  w->interrupted = s->interrupted;
  w->retries = s->o.max_retries;
  s->interrupted = NULL;
  s->o.max_retries = 0;
  s->timeout_ms = S3_HURRY_MS;
  s->hurried = 1;
}

void s3_hurry_end(cq_s3 *s, const s3_last_words *w) {
  s->interrupted = w->interrupted;
  s->o.max_retries = w->retries;
  s->timeout_ms = CQ_TIMEOUT_MS;
  s->hurried = 0;
}

/* Keys that are good now: a role is assumed where there is one. */
static int log_in(cq_s3 *s, cq_error *err) {
  for (;;) {
    int rc = s->id->ops->ready(s->id, err);

    if (rc != CQ_BUSY) return rc;
    if (s3_stopped(s)) return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    cq_http_wait(s->http, S3_POLL_MS);
  }
}

int s3_signer(cq_s3 *s, cq_signer **out, cq_error *err) {
  const char *names[] = {"service", "region"};
  cq_value values[] = {cq_value_text("s3"), cq_value_text(s->region)};
  cq_auth_params p = {2, names, values};
  int rc = log_in(s, err);

  *out = NULL;
  return rc ? rc : s->id->ops->signer(s->id, &p, out, err);
}

/* ---- addresses -------------------------------------------------------------------- */

/* A host that is a number takes no name before it. */
static int is_address(const char *host, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!(host[i] >= '0' && host[i] <= '9') && host[i] != '.')
      return n > 0 && *host == '[';
  return 1;
}

int s3_url(const cq_s3 *s, const char *key, const char *query, cq_buf *out,
           cq_error *err) {
  int in_path = s->o.path_style;

  if (s->o.endpoint) {
    cq_url_parts u;

    cq_url_split(s->o.endpoint, strlen(s->o.endpoint), &u);
    in_path |= is_address(u.host, u.nhost);
    cq_buf_printf(out, "%.*s://", (int)u.nscheme, u.scheme);
    if (!in_path) cq_buf_printf(out, "%s.", s->o.bucket);
    cq_buf_add(out, u.host, u.nhost);
    if (u.nport) cq_buf_printf(out, ":%.*s", (int)u.nport, u.port);
  } else {
    /* a dot would make a name that no certificate has */
    in_path |= strchr(s->o.bucket, '.') != NULL;
    cq_buf_printf(out, "https://%s%ss3.%s.amazonaws.com%s",
                  in_path ? "" : s->o.bucket, in_path ? "" : ".", s->region,
                  strncmp(s->region, "cn-", 3) == 0 ? ".cn" : "");
  }
  if (in_path) cq_buf_printf(out, "/%s", s->o.bucket);
  if (key || !in_path) cq_buf_byte(out, '/');
  if (key) cq_percent_encode(out, key, strlen(key), "/");
  if (query) cq_buf_printf(out, "?%s", query);
  if (out->rc == CQ_NOMEM) return cq_error_nomem(err);
  return out->rc ? cq_error_set(err, CQ_TOOBIG, "s3: URL is too long") : CQ_OK;
}

/* ---- one request, until it is done --------------------------------------------------- */

void s3_header(s3_request *q, const char *name, const char *value) {
  if (!value || q->nheader == sizeof q->headers / sizeof *q->headers) return;
  q->headers[q->nheader].name = name;
  q->headers[q->nheader++].value = value;
}

static int add_line(struct curl_slist **list, const char *line) {
  struct curl_slist *more = curl_slist_append(*list, line);

  if (more) *list = more;
  return more ? CQ_OK : CQ_NOMEM;
}

static void lines_free(struct curl_slist *list) {
  for (struct curl_slist *l = list; l; l = l->next)
    cq_wipe(l->data, strlen(l->data)); /* tokens */
  curl_slist_free_all(list);
}

static int sign(cq_s3 *s, const s3_request *q, const char *url,
                struct curl_slist **out, cq_error *err) {
  cq_signer *signer = NULL;
  cq_buf lines;
  int typed = 0, rc;

  *out = NULL;
  cq_buf_init(&lines, CQ_MAX_HEADER_BYTES);
  /* A line end in a text of the spec would begin another header. */
  for (size_t i = 0; i < q->nheader; i++) {
    rc = cq_header_check(q->headers[i].name, q->headers[i].value, err);
    if (rc) return rc;
  }
  rc = s3_signer(s, &signer, err);
  if (rc) goto done;
  rc =
      signer->ops->sign(signer, q->method, url, q->headers, q->nheader, q->body,
                        q->nbody, cq_now_us() + s->skew_us, &lines, NULL, err);
  if (rc == CQ_OK && lines.rc) rc = cq_error_nomem(err);
  if (rc) goto done;
  for (size_t i = 0; i < q->nheader && rc == CQ_OK; i++) {
    char *line = cq_mprintf("%s: %s", q->headers[i].name, q->headers[i].value);

    typed |= cq_str_ieq(q->headers[i].name, "content-type");
    rc = line ? add_line(out, line) : CQ_NOMEM;
    cq_free(line);
  }
  for (char *p = lines.data; p && *p && rc == CQ_OK;) {
    char *end = strchr(p, '\n');

    if (end) *end = 0;
    rc = add_line(out, p);
    p = end ? end + 1 : NULL;
  }
  /* What curl would add by itself, unasked. */
  if (rc == CQ_OK && !typed) rc = add_line(out, "Content-Type:");
  if (rc == CQ_OK) rc = add_line(out, "Expect:");
  if (rc) cq_error_nomem(err);
done:
  cq_signer_unref(signer);
  if (lines.data) cq_wipe(lines.data, lines.len);
  cq_buf_clear(&lines);
  if (rc) {
    lines_free(*out);
    *out = NULL;
  }
  return rc;
}

/* Once: the region that the answer names, where it is not ours. */
static int follow_region(cq_s3 *s, const s3_answer *a) {
  const char *there = a->region[0] ? a->region : a->where;

  if (s->region_followed || a->status < 300 || !is_region(there) ||
      strcmp(there, s->region) == 0)
    return 0;
  if (a->status >= 400 &&
      strcmp(a->code, "AuthorizationHeaderMalformed") != 0 &&
      strcmp(a->code, "IllegalLocationConstraintException") != 0 &&
      strcmp(a->code, "PermanentRedirect") != 0 && a->code[0])
    return 0;
  snprintf(s->region, sizeof s->region, "%s", there);
  s->region_given = s->region_followed = 1;
  return 1;
}

/* The server's clock counts.  Measured again where a long run has drifted. */
static int follow_clock(cq_s3 *s, const s3_answer *a) {
  int64_t then, now = cq_mono_ms();

  if (strcmp(a->code, "RequestTimeTooSkewed") != 0 &&
      strcmp(a->code, "RequestExpired") != 0)
    return 0;
  if (s->skew_mono && now - s->skew_mono < 60000) return 0;
  if (!a->date[0] || cq_time_parse(a->date, strlen(a->date), &then)) return 0;
  s->skew_us = then - cq_now_us();
  s->skew_mono = now ? now : 1;
  return 1;
}

/* Keys that have expired: a role is assumed again; what others keep fresh, in
 * the shared files, is read again. */
static int follow_keys(cq_s3 *s, const s3_answer *a, cq_error *err) {
  cq_auths *fresh = NULL, *old = s->auths;
  cq_identity *id = s->id;

  if (strcmp(a->code, "ExpiredToken") != 0 &&
      strcmp(a->code, "TokenRefreshRequired") != 0 &&
      strcmp(a->code, "InvalidToken") != 0 &&
      !(strcmp(a->code, "InvalidAccessKeyId") == 0 && s->o.role_arn))
    return 0;
  if (s->id->ops->refused(s->id)) return 1;
  if (cq_auths_new(s->http, &fresh, err)) return 0;
  s->auths = fresh;
  if (find_identity(s, err)) {
    cq_auths_free(fresh);
    s->auths = old;
    s->id = id;
    return 0;
  }
  cq_auths_free(old);
  return 1;
}

int64_t s3_pause_ms(const cq_s3 *s, const s3_answer *a, int tries) {
  int64_t cap = s->o.max_backoff_ms, ms, asked;

  /* Half of it is certain, so that a server that restarts is waited for. */
  ms = S3_BACKOFF_MS << (tries < 12 ? tries : 12);
  if (ms > cap) ms = cap;
  ms = ms / 2 + cq_backoff_ms(0, ms / 2, ms / 2);
  asked =
      a->retry_after[0] ? cq_http_after_ms(a->retry_after, cq_now_us()) : -1;
  if (asked > ms) ms = asked < cap ? asked : cap;
  return ms;
}

static void tell(const cq_s3 *s, const s3_request *q, const s3_answer *a,
                 int rc) {
  char status[32] = "no answer";

  if (rc == CQ_OK) snprintf(status, sizeof status, "%d", a->status);
  fprintf(stderr, "s3: %s s3://%s%s%s: %s, try %d\n", q->method, s->o.bucket,
          q->key ? "/" : "", q->key ? q->key : "", status, a->tries + 1);
}

/* A server that was there and is gone may be starting again: however few tries
 * are asked for, a long run is not given up for that. */
static int is_awaited(const cq_s3 *s, int64_t gone_ms) {
  return gone_ms && s->reached && !s->hurried &&
         cq_mono_ms() - gone_ms < S3_AWAITED_MS;
}

int s3_call(cq_s3 *s, const s3_request *q, s3_answer *a, cq_error *err) {
  int tries = 0, passing, renewed = 0, rc;
  int64_t gone_ms = 0; /* since when nobody answers there */
  cq_buf url;

  if (q->key && strlen(q->key) > S3_KEY_MAX)
    return s3_fail(s, q, CQ_TOOBIG, err, "the key is longer than %d bytes",
                   S3_KEY_MAX);
  for (;;) {
    struct curl_slist *headers = NULL;
    cq_error why = {0, ""};

    if (s3_stopped(s)) return cq_error_set(err, CQ_INTERRUPT, "interrupted");
    passing = 0;
    cq_buf_init(&url, CQ_MAX_URL);
    rc = s3_url(s, q->key, q->query, &url, &why);
    if (rc == CQ_OK) rc = sign(s, q, url.data, &headers, &why);
    if (rc == CQ_OK)
      rc = s3_exchange(s, q, url.data, headers, a, &passing, &why);
    a->tries = tries;
    if (s->o.debug) tell(s, q, a, rc);
    lines_free(headers);
    cq_buf_clear(&url);
    s->reached |= rc == CQ_OK;
    if (rc == CQ_OK && a->status / 100 == 2) return CQ_OK;
    if (rc && passing && !gone_ms) gone_ms = cq_mono_ms();
    if (rc == CQ_OK) {
      s3_read_error(a);
      if (follow_region(s, a) || follow_clock(s, a)) continue;
      if (!renewed && follow_keys(s, a, &why)) {
        renewed = 1;
        continue;
      }
      passing = s3_is_passing(a);
      cq_error_clear(&why);
      rc = s3_refusal(s, q, a, &why);
    }
    cq_auths_redact(s->auths, why.text);
    if (!passing || (tries >= s->o.max_retries && !is_awaited(s, gone_ms))) {
      if (passing && gone_ms && s->reached && tries > s->o.max_retries)
        cq_error_hint(&why,
                      "it had answered before, and was waited for for %d s",
                      S3_AWAITED_MS / 1000);
      else if (passing && tries)
        cq_error_hint(&why,
                      "tried %d times%s%.100s; max_retries and max_backoff say "
                      "how often and how far apart",
                      tries + 1, s->o.endpoint ? " at " : "",
                      s->o.endpoint ? s->o.endpoint : "");
      if (err) *err = why;
      return rc;
    }
    rc = s3_wait(s, s3_pause_ms(s, a, tries++), err);
    if (rc) return rc;
  }
}
