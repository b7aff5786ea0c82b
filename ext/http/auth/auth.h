/* ext/http/auth/auth.h: the interface of authentication schemes, one file each.
 *
 * An identity is what one set of evaluated parameters logs in as (an AWS role
 * in an account, a GitHub App installation).  Identities live in a cq_auths
 * store, one per connection, keyed by scheme and parameters, so that however
 * many scans ask, a login or refresh happens once.  Caller's thread only. */
#ifndef CQ_AUTH_H
#define CQ_AUTH_H

#include "http/http.h"

typedef struct cq_auths cq_auths;
typedef struct cq_identity cq_identity;

typedef struct cq_auth_params {
  size_t n;
  const char *const *names;
  const cq_value *values; /* missing ones are left out by the caller */
} cq_auth_params;

typedef struct cq_auth_ops {
  const char *name; /* its parameters are cq_auth_words of it */
  const char *const *per_request;
  size_t nper; /* do not distinguish identities
      (aws: service, region) */
  int (*open)(cq_auths *store, const cq_auth_params *p, cq_identity **out,
              cq_error *err);
  /* CQ_OK ready; CQ_BUSY a login is under way (poll again); or an error,
   * usually CQ_AUTH.  Refreshes ahead of expiry.  Never blocks. */
  int (*ready)(cq_identity *id, cq_error *err);
  /* The signer for one request (per-request parameters in p). */
  int (*signer)(cq_identity *id, const cq_auth_params *p, cq_signer **out,
                cq_error *err);
  /* The server refused the credentials: forget what was fetched; 1 = a new
   * attempt makes sense, 0 = no use. */
  int (*refused)(cq_identity *id);
  void (*close)(cq_identity *id);
  /* Or NULL.  Another scheme and host (and base path) than the definition's,
   * where environment or profile name one for this request; NULL = none. */
  const char *(*place)(cq_identity *id, const cq_auth_params *p);
  /* Or NULL.  What is configured with the credentials (cq_auth_facts); NULL =
   * nothing.  Needs no login. */
  const char *(*fact)(cq_identity *id, const char *name);
} cq_auth_ops;
struct cq_identity {
  const cq_auth_ops *ops;
  char *cache_key;
  cq_auths *store;
};

extern const cq_auth_ops cq_auth_none, cq_auth_basic, cq_auth_bearer,
    cq_auth_api_key, cq_auth_aws_sigv4, cq_auth_github_app;
const cq_auth_ops *cq_auth_find(const char *scheme);

int cq_auths_new(cq_http *http, cq_auths **out, cq_error *err);
cq_http *cq_auths_http(cq_auths *a);
void cq_auths_free(cq_auths *a); /* wipes secrets */
/* The identity for scheme + params: found or opened; borrowed. */
int cq_auths_get(cq_auths *a, const char *scheme, const cq_auth_params *p,
                 cq_identity **out, cq_error *err);
/* One more secret, of the connection's own, such as a proxy's password. */
int cq_auths_hide(cq_auths *a, const char *secret, cq_error *err);
/* aws.c: the region of an identity's environment or profile, or NULL. */
const char *cq_aws_region(const cq_identity *id);
/* A URL that the signer (of aws_sigv4) has signed in its query, so that
 * who has no keys may use it for so many seconds; it is a secret. */
int cq_aws_presign(const cq_signer *s, const char *method, const char *url,
                   int64_t seconds, int64_t now_us, cq_buf *out, cq_error *err);
/* Text with each secret that identities hold replaced by "***", in place. */
void cq_auths_redact(cq_auths *a, char *text);

#endif
