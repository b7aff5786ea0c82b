/* ext/http/auth/internal.h: what the schemes share: reading parameters,
 * keeping secrets known for redaction, logging in over cq_http, and AWS's
 * parts.  All of it for the caller's thread, but cq_sigv4_sign (any). */
#ifndef CQ_AUTH_INTERNAL_H
#define CQ_AUTH_INTERNAL_H

#include "http/auth/auth.h"

/* ---- store.c ----------------------------------------------------------- */
/* The parameter's text in the arena; NULL where it is missing or empty. */
int cq_auth_param(const cq_auth_params *p, const char *name, cq_arena *a,
                  const char **out, cq_error *err);
/* The same, but an error names the parameter where it is missing. */
int cq_auth_need(const char *scheme, const cq_auth_params *p, const char *name,
                 cq_arena *a, const char **out, cq_error *err);
/* Takes a copy of a secret for cq_auths_redact; it is wiped with its owner. */
int cq_auths_secret(cq_identity *owner, const char *secret, cq_error *err);
void cq_auths_forget(cq_identity *owner); /* all of the owner's secrets */

/* ---- fixed.c ----------------------------------------------------------- */
/* A signer that adds one header ("Name: value") or query parameter
 * ("name=value", encoded); the other is NULL.  Both are copied. */
int cq_signer_fixed(const char *header, const char *query, cq_signer **out,
                    cq_error *err);

/* ---- login.c ----------------------------------------------------------- */
/* One exchange with whoever gives out credentials, repeated on passing
 * failures. */
typedef struct cq_login {
  cq_http *http;
  cq_transfer *t;
} cq_login;
int cq_login_send(cq_login *l, const char *method, const char *url,
                  const cq_header *headers, size_t nheader, const char *body,
                  cq_signer *signer, cq_error *err);
/* CQ_BUSY, or CQ_OK with the status and the whole body (caller unrefs; may be
 * NULL), or an error.  After CQ_OK or an error the login is at rest. */
int cq_login_poll(cq_login *l, int *status, cq_block **body, cq_error *err);
void cq_login_clear(cq_login *l);

/* ---- sigv4.c ----------------------------------------------------------- */
typedef struct cq_sigv4 {
  const char *access, *secret, *session; /* session NULL: long-lived keys */
  const char *region, *service;
  int hash_header; /* send x-amz-content-sha256; S3 demands it, all take it */
} cq_sigv4;
/* Appends the headers to send as lines; canonical (or NULL) gets the
 * canonical request, for tests. */
int cq_sigv4_sign(const cq_sigv4 *c, const char *method, const char *url,
                  const cq_header *headers, size_t nheader, const char *body,
                  size_t nbody, int64_t now_us, cq_buf *lines,
                  cq_buf *canonical, cq_error *err);
/* Appends the URL signed in its query, for whoever has no keys: good for so
 * many seconds. */
int cq_sigv4_presign(const cq_sigv4 *c, const char *method, const char *url,
                     int64_t seconds, int64_t now_us, cq_buf *out,
                     cq_error *err);

/* ---- aws_ini.c --------------------------------------------------------- */
typedef struct cq_ini_entry {
  const char *section, *key, *value;
} cq_ini_entry;
typedef struct cq_ini {
  cq_ini_entry *entries; /* in the arena; a section alone has key NULL */
  size_t n;
} cq_ini;
int cq_ini_parse(cq_arena *a, const char *text, size_t n, cq_ini *out);
/* The last value; NULL where there is none. */
const char *cq_ini_get(const cq_ini *ini, const char *section, const char *key);
int cq_ini_has(const cq_ini *ini, const char *section);

/* ---- aws_credentials.c ------------------------------------------------- */
enum { CQ_AWS_STEPS = 8 };
typedef struct cq_aws_keys {
  char *access, *secret, *session; /* owned */
  int64_t expires_us;              /* 0 = never */
} cq_aws_keys;
typedef struct cq_aws_step { /* one AssumeRole */
  const char *role_arn, *external_id, *session_name, *duration;
} cq_aws_step;
/* Where an identity's credentials come from: keys, and roles to assume with
 * them, one after the other. */
typedef struct cq_aws_plan {
  cq_arena arena; /* owns the steps' texts */
  cq_aws_keys base;
  cq_aws_step steps[CQ_AWS_STEPS];
  int nstep;
  const char *region; /* of the profile, or NULL */
} cq_aws_plan;
int cq_aws_plan_make(const cq_auth_params *p, cq_aws_plan *out, cq_error *err);
void cq_aws_plan_clear(cq_aws_plan *p);
int cq_aws_keys_set(cq_aws_keys *k, const char *access, const char *secret,
                    const char *session, int64_t expires_us);
void cq_aws_keys_clear(cq_aws_keys *k);

/* ---- aws_assume.c ------------------------------------------------------ */
/* Begins AssumeRole with `with`; endpoint NULL = AWS's own. */
int cq_aws_assume_begin(cq_login *l, const cq_aws_step *step,
                        const cq_aws_keys *with, const char *endpoint,
                        const char *region, cq_error *err);
/* As cq_login_poll; on CQ_OK the new keys are in out. */
int cq_aws_assume_poll(cq_login *l, const cq_aws_step *step, cq_aws_keys *out,
                       cq_error *err);

#endif
