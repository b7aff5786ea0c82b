/* ext/http/auth/internal.h: what the schemes share: reading parameters,
 * keeping secrets known for redaction, logging in over cq_http, and AWS's
 * parts.  All of it for the caller's thread, but cq_sigv4_sign (any). */
#ifndef CQ_AUTH_INTERNAL_H
#define CQ_AUTH_INTERNAL_H

#include "http/auth/auth.h"

/* ---- store.c ----------------------------------------------------------- */
/* The identity of this cache_key, or NULL. */
cq_identity *cq_auths_find(cq_auths *a, const char *key);
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
  int timeout_ms, tries; /* 0 = the connection's, CQ_MAX_LOGINS */
  int direct;            /* never by a proxy: it is on this machine or link */
  const char *ca_file;   /* instead of the connection's, or NULL */
  int by_our_clock;      /* signed, and not yet corrected by an answer's Date */
} cq_login;
int cq_login_send(cq_login *l, const char *method, const char *url,
                  const cq_header *headers, size_t nheader, const char *body,
                  cq_signer *signer, cq_error *err);
/* CQ_BUSY, or CQ_OK with the status and the whole body (caller unrefs; may be
 * NULL), or an error.  After CQ_OK or an error the login is at rest. */
int cq_login_poll(cq_login *l, int *status, cq_block **body, cq_error *err);
void cq_login_clear(cq_login *l);
/* Now, by the clock of whoever is asked, as far as it is known: by it ends what
 * he gives. */
int64_t cq_login_now(const cq_login *l);

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
/* A nested setting ("s3 =" and indented lines below it) has the key
 * "s3.setting". */
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

/* ---- aws_profile.c: the shared files ------------------------------------ */
typedef struct cq_aws_files {
  cq_ini config, credentials;
  cq_arena arena;
} cq_aws_files;
const char *cq_aws_env(const char *name); /* NULL also where it is empty */
int cq_aws_files_read(cq_aws_files *f, cq_error *err);
void cq_aws_files_clear(cq_aws_files *f); /* wipes secrets */
int cq_aws_files_has(cq_aws_files *f, const char *profile);
/* A profile's setting: the credentials file's, else the config file's. */
const char *cq_aws_setting(cq_aws_files *f, const char *profile,
                           const char *key);
/* A setting of the config file's section "<kind> <name>", such as
 * "sso-session x". */
const char *cq_aws_section(cq_aws_files *f, const char *kind, const char *name,
                           const char *key);
/* "true" and "false", as AWS's tools read them; neither: dflt. */
int cq_aws_truth(const char *text, int dflt);

/* ---- aws_endpoint.c ------------------------------------------------------ */
/* Where environment and profile say that services are: AWS_ENDPOINT_URL_<SERVICE>,
 * AWS_ENDPOINT_URL, the profile's services section, its endpoint_url. */
typedef struct cq_aws_places {
  int ignored;
  const char *all;            /* endpoint_url */
  const char *const *service; /* as the services section names them */
  const char *const *url;
  size_t n;
} cq_aws_places;
int cq_aws_places_take(cq_aws_files *f, const char *profile, cq_arena *a,
                       cq_aws_places *out);
/* NULL = nowhere but where AWS has it. */
const char *cq_aws_place(const cq_aws_places *p, const char *service);

int cq_aws_endpoints_ignored(cq_aws_files *f, const char *profile);
/* Where a service that logs in is asked: "sts", "oidc", "portal.sso"; to be
 * freed.  NULL = no memory. */
char *cq_aws_login_url(const char *service, const char *region, int fips,
                       int dual, const char *path);
/* The region, if it is of the ARN's partition, else that partition's first. */
const char *cq_aws_home(const char *arn, const char *region);

/* ---- aws_credentials.c ------------------------------------------------- */
enum { CQ_AWS_ROLES = 8, CQ_AWS_ARGS = 7 };
typedef struct cq_aws_keys {
  char *access, *secret, *session; /* owned */
  int64_t expires_us;              /* 0 = never */
} cq_aws_keys;
int cq_aws_keys_set(cq_aws_keys *k, const char *access, const char *secret,
                    const char *session, int64_t expires_us);
void cq_aws_keys_clear(cq_aws_keys *k);
/* Signs one request by copies of these keys; NULL: out of memory. */
cq_signer *cq_aws_signer_new(const cq_aws_keys *k, const char *region,
                             const char *service);

/* Where keys come from, and what there is to say of it. */
typedef enum cq_aws_kind {
  CQ_AWS_KEYS,      /* access key, secret, session token */
  CQ_AWS_ROLE,      /* AssumeRole by the keys of the step before */
  CQ_AWS_WEB,       /* AssumeRoleWithWebIdentity */
  CQ_AWS_PROCESS,   /* a program prints them */
  CQ_AWS_SSO,       /* IAM Identity Center, by a token that a login cached */
  CQ_AWS_CONTAINER, /* ECS, EKS Pod Identity */
  CQ_AWS_IMDS,      /* the instance's metadata service */
  CQ_AWS_KINDS
} cq_aws_kind;
enum { CQ_KEYS_ACCESS, CQ_KEYS_SECRET, CQ_KEYS_SESSION };
enum { CQ_ROLE_ARN, CQ_ROLE_EXTERNAL, CQ_ROLE_NAME, CQ_ROLE_SECONDS };
enum { CQ_WEB_ARN, CQ_WEB_FILE, CQ_WEB_NAME, CQ_WEB_SECONDS };
enum { CQ_PROCESS_COMMAND };
enum {
  CQ_SSO_CACHE, /* the name whose hash is the cache file's */
  CQ_SSO_REGION,
  CQ_SSO_ACCOUNT,
  CQ_SSO_ROLE,
  CQ_SSO_RENEWS,   /* not NULL: the token may be renewed */
  CQ_SSO_ENDPOINT, /* of sso, and of sso-oidc; NULL = AWS's */
  CQ_SSO_OIDC
};
enum { CQ_CONTAINER_URL, CQ_CONTAINER_TOKEN, CQ_CONTAINER_FILE };
enum { CQ_IMDS_ENDPOINT, CQ_IMDS_V1 /* not NULL: may do without a token */ };
typedef struct cq_aws_step {
  cq_aws_kind kind;
  const char *from; /* "profile dev", for messages */
  const char *arg[CQ_AWS_ARGS];
} cq_aws_step;
/* The first step has keys, or gets them; each further one is a role that is
 * assumed by those of the one before. */
typedef struct cq_aws_plan {
  cq_arena arena; /* owns the texts */
  cq_aws_step steps[1 + CQ_AWS_ROLES];
  int nstep;
  const char *region;       /* of the profile, or NULL */
  const char *fips, *dual;  /* its use_fips_endpoint and use_dualstack_ ... */
  const char *sts_endpoint; /* of environment or profile, or NULL */
  const char *ca_file;      /* likewise */
  const char *max_retries;  /* given, else of environment or profile: a whole
                               number; or NULL */
  const char *retry_mode;   /* of environment or profile, or NULL */
  cq_aws_places places;
} cq_aws_plan;
extern const char cq_aws_no_credentials[]; /* a hint */
int cq_aws_plan_make(const cq_auth_params *p, cq_aws_plan *out, cq_error *err);
void cq_aws_plan_clear(cq_aws_plan *p);

/* ---- aws_source.c: one set of keys, shared by all who use it ------------- */
typedef struct cq_aws_source cq_aws_source;
/* How one kind gets keys.  Caller's thread; nothing blocks. */
typedef struct cq_aws_source_ops {
  const char *name; /* for messages: "credential_process" */
  int (*begin)(cq_aws_source *s, cq_error *err);
  /* CQ_BUSY, CQ_OK with keys in out, or an error; at rest after both. */
  int (*poll)(cq_aws_source *s, cq_aws_keys *out, cq_error *err);
  void (*stop)(cq_aws_source *s); /* also after begin failed */
} cq_aws_source_ops;
struct cq_aws_source {
  cq_identity base;
  const cq_aws_source_ops *how; /* NULL: the keys are there */
  cq_aws_step step;
  cq_identity *over; /* ROLE: whose keys assume it */
  cq_arena arena;
  const char *endpoint, *region; /* of STS */
  int fips, dual;                /* which of its hosts */
  int tries;                     /* of each login at most, 0 = not said */
  const char *profile;
  cq_aws_keys keys;      /* access NULL = none */
  int64_t got_us;        /* when keys were fetched */
  int64_t not_before_us; /* no refresh ahead before */
  int busy;              /* a login is under way */
  cq_error failed;       /* the last one, told again until retry_us */
  int64_t retry_us;
  cq_login login;
  int phase;   /* the kind's own */
  void *state; /* likewise; freed by its stop() */
};
extern const cq_auth_ops cq_auth_aws_source;
/* The source of the plan's last step; those before come with it. */
int cq_aws_source_get(cq_auths *store, const cq_aws_plan *p,
                      const char *sts_endpoint, const char *region, int fips,
                      int dual, cq_identity **out, cq_error *err);
const cq_aws_keys *cq_aws_source_keys(const cq_identity *id);
/* Of one exchange of its login: `most`, where no fewer are asked for. */
int cq_aws_tries(const cq_aws_source *s, int most);
extern const cq_aws_source_ops cq_aws_by_role, cq_aws_by_web, cq_aws_by_process,
    cq_aws_by_sso, cq_aws_by_container, cq_aws_by_imds;
/* Keys as JSON has them, by the names that a provider uses.  `what` begins the
 * message about what is wrong. */
typedef struct cq_aws_names {
  const char *access, *secret, *session, *expires;
} cq_aws_names;
struct json_t;
int cq_aws_keys_json(cq_aws_source *s, const struct json_t *j,
                     const cq_aws_names *names, cq_aws_keys *out,
                     cq_error *err);
/* No blank, no control character: a credential travels in headers. */
int cq_aws_clean(const char *text);
/* It becomes part of a host name. */
int cq_aws_region_check(const char *region, cq_error *err);

#endif
