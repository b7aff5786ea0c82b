/* ext/dest/s3/s3.h: a client of S3 and what speaks its protocol: objects put,
 * got, listed, removed, and uploaded in parts.
 *
 * All of it blocks, on one thread (a store's writer), and looks at interrupted
 * every 100 ms.  What may pass (answers 500, 502, 503, 504, SlowDown, broken
 * connections, timeouts) is tried again; a wrong region is corrected once, so
 * is a wrong clock; roles are assumed anew before their keys expire.
 *
 * Codes: CQ_NOTFOUND no such object; CQ_CONSTRAINT it exists already;
 * CQ_AUTH refused; CQ_IOERR nobody answers, or only errors; CQ_INTERRUPT.
 * Messages begin with s3://bucket/key and hold no credentials. */
#ifndef CQ_DEST_S3_H
#define CQ_DEST_S3_H

#include "http/auth/auth.h"

typedef struct cq_s3 cq_s3;

typedef struct cq_s3_options {
  const char *bucket;
  const char *region;   /* NULL: of the environment or profile, us-east-1 */
  const char *endpoint; /* "https://host:port"; NULL: AWS's own */
  int path_style;       /* the bucket stands in the path, not in the host */
  int skip_verify;      /* the endpoint's certificate is not checked */
  const char *ca_file;  /* PEM; NULL: net's, what the environment trusts */
  const cq_http_options *net; /* the connection's, or NULL; lent */
  /* of each object */
  const char *acl, *sse, *sse_key_id;
  /* credentials; all NULL: the environment, then the default profile */
  const char *access_key_id, *secret_access_key, *session_token;
  const char *profile, *role_arn, *role_session_name, *external_id;
  int64_t max_retries;    /* tries beside the first */
  int64_t max_backoff_ms; /* the longest pause between two */
  int debug;              /* each request is told on stderr */
} cq_s3_options;

/* Copies the options; finds credentials, asks nobody. */
int cq_s3_open(const cq_s3_options *o, int (*interrupted)(void *user),
               void *user, cq_s3 **out, cq_error *err);
void cq_s3_close(cq_s3 *s); /* wipes secrets; NULL is legal */

typedef struct cq_s3_about { /* an object, as a list or its head tells */
  const char *key;           /* lent */
  int64_t size, modified_us;
} cq_s3_about;

/* Conditions of a put, where the server knows them (CQ_MISUSE where it says that
 * it does not, and writes nothing): CQ_CONSTRAINT where they do not hold, also
 * where `match` finds nothing. */
typedef struct cq_s3_put_options {
  const char *media, *encoding; /* or NULL */
  int only_new;                 /* where there is no object */
  const char *match;            /* where it still has that ETag; or NULL */
} cq_s3_put_options;
/* etag (or NULL) gets the new one, the caller's. */
int cq_s3_put(cq_s3 *s, const char *key, const void *p, size_t n,
              const cq_s3_put_options *o, char **etag, cq_error *err);
/* Appends the whole of it, CQ_TOOBIG beyond out->max; etag may be NULL. */
int cq_s3_get(cq_s3 *s, const char *key, cq_buf *out, char **etag,
              cq_error *err);
/* size and etag may be NULL. */
int cq_s3_head(cq_s3 *s, const char *key, int64_t *size, char **etag,
               cq_error *err);
/* What is not there is removed, too. */
int cq_s3_delete(cq_s3 *s, const char *key, cq_error *err);
int cq_s3_remove(cq_s3 *s, const char *const *keys, size_t n, cq_error *err);
/* All objects whose key begins with prefix, in S3's order; what `each` returns
 * but CQ_OK ends the list: CQ_DONE well. */
int cq_s3_list(cq_s3 *s, const char *prefix,
               int (*each)(void *user, const cq_s3_about *o), void *user,
               cq_error *err);
/* Appends a URL that fetches the object, for whoever has no keys, for so many
 * seconds (a week at most).  It is a secret. */
int cq_s3_presign(cq_s3 *s, const char *key, int64_t seconds, cq_buf *out,
                  cq_error *err);

/* An object in parts, each of the same size but the last: 5 MiB to 5 GiB, and
 * 10,000 of them at most.  It exists once it is ended, not before. */
enum { CQ_S3_PART_MIN = 5 << 20, CQ_S3_PARTS = 10000 };
typedef struct cq_s3_upload cq_s3_upload;
int cq_s3_upload_begin(cq_s3 *s, const char *key, const cq_s3_put_options *o,
                       cq_s3_upload **out, cq_error *err);
int cq_s3_upload_part(cq_s3_upload *u, const void *p, size_t n, cq_error *err);
/* Makes it whole.  After an error it can only be freed. */
int cq_s3_upload_end(cq_s3_upload *u, cq_error *err);
/* Frees it; one that was not ended is given up at the server, and the code says
 * whether that was reached. */
int cq_s3_upload_free(cq_s3_upload *u);
/* Gives up all uploads of this key, as a killed process leaves them. */
int cq_s3_upload_sweep(cq_s3 *s, const char *key, cq_error *err);

#endif
