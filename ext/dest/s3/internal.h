/* ext/dest/s3/internal.h: what the files of dest/s3/ share.
 *
 * client.c    credentials, addresses, and the loop of tries around a request
 * exchange.c  one request and its answer, by libcurl
 * answer.c    answers in XML: errors, lists, uploads
 * refusal.c   an answer that is no success: what it means, and its message
 * object.c    objects whole: put, get, head, delete, list, presigned URLs
 * upload.c    objects in parts
 * spec.c      the destination's keys
 * store.c     the destination */
#ifndef CQ_DEST_S3_INTERNAL_H
#define CQ_DEST_S3_INTERNAL_H

#include <curl/curl.h>

#include "dest/object/object.h"
#include "dest/s3/s3.h"

enum {
  S3_POLL_MS = 100,     /* between two looks at interrupted */
  S3_BACKOFF_MS = 250,  /* doubled with each try */
  S3_KEY_MAX = 1024,    /* bytes: S3's own bound */
  S3_DELETE_MAX = 1000, /* keys of one request */
  S3_SWEEP_MAX = 1000,
  S3_PART_MAX = 64 << 20, /* each file that is being written keeps one */
  S3_SETTLE_MS = 1500,    /* until one writer sees what another has put */
  S3_HURRY_MS = 3000,
  S3_AWAITED_MS = 60000
};

struct cq_s3 {
  cq_s3_options o;
  cq_arena arena; /* of o's texts */
  cq_http *http;  /* for logins only */
  cq_auths *auths;
  cq_identity *id; /* of auths */
  cq_tls tls;      /* texts are the arena's, or net's */
  const char *ca_path;
  char region[64];
  int region_given;    /* by the user, an answer or the environment */
  int region_followed; /* an answer has corrected it */
  int no_bulk;         /* it removes objects one by one only */
  int reached;         /* somebody has answered there once */
  int hurried;         /* nothing is waited for */
  int64_t skew_us;     /* the server's clock less ours */
  int64_t skew_mono;   /* when it was measured; 0 = never */
  CURLM *multi;
  CURL *easy;
  int timeout_ms;                 /* without a byte either way */
  int (*interrupted)(void *user); /* or NULL */
  void *user;
};

typedef struct s3_request {
  const char *method;
  const char *key;   /* NULL: the bucket */
  const char *query; /* encoded; NULL: none */
  cq_header headers[8];
  size_t nheader;
  const char *body;
  size_t nbody;
  const char *verb; /* for messages: "put" */
} s3_request;

typedef struct s3_answer {
  int status;
  int tries;    /* before this one */
  int connects; /* libcurl connected anew, maybe to send it twice */
  char etag[256], region[64], date[64], retry_after[64], sse[64];
  int64_t length;      /* Content-Length, -1 */
  int64_t modified_us; /* 0: not told */
  cq_buf body;
  /* of an error's body, "" where it says none */
  char code[96], message[512], where[64];
} s3_answer;
void s3_answer_init(s3_answer *a, size_t max);
void s3_answer_clear(s3_answer *a);

void s3_header(s3_request *q, const char *name, const char *value);

/* client.c: asks until there is an answer that is no passing trouble: CQ_OK
 * for 2xx, else the error. */
int s3_call(cq_s3 *s, const s3_request *q, s3_answer *a, cq_error *err);
/* A pause; CQ_INTERRUPT. */
int s3_wait(cq_s3 *s, int64_t ms, cq_error *err);
/* Between these, one try, soon: for what is to be cleared away though the run
 * was interrupted, or the server is ill. */
typedef struct s3_last_words {
  int (*interrupted)(void *user);
  int64_t retries;
} s3_last_words;
void s3_hurry(cq_s3 *s, s3_last_words *w);
void s3_hurry_end(cq_s3 *s, const s3_last_words *w);
/* Before try number `tries`, from 0 on. */
int64_t s3_pause_ms(const cq_s3 *s, const s3_answer *a, int tries);
int s3_stopped(const cq_s3 *s); /* bool */
/* The URL of a key, or of the bucket. */
int s3_url(const cq_s3 *s, const char *key, const char *query, cq_buf *out,
           cq_error *err);
/* The signer for what is asked now. */
int s3_signer(cq_s3 *s, cq_signer **out, cq_error *err);
/* "s3://bucket/key: verb: " and what follows. */
int s3_fail(const cq_s3 *s, const s3_request *q, int code, cq_error *err,
            const char *fmt, ...) CQ_PRINTF(5, 6);

/* exchange.c: CQ_OK with any answer.  *passing: asking again may help. */
int s3_exchange(cq_s3 *s, const s3_request *q, const char *url,
                struct curl_slist *headers, s3_answer *a, int *passing,
                cq_error *err);

/* answer.c: the texts of elements, by path from the root: "Error/Code". */
typedef struct s3_field {
  const char *path;
  cq_buf *to; /* reset when it opens */
} s3_field;
/* `record` (a path or NULL): each time it closes, `each` is called; fields in
 * it are emptied when it opens.  CQ_OK, CQ_ERROR for no XML, or each's. */
int s3_xml(const cq_buf *body, const s3_field *fields, size_t n,
           const char *record, int (*each)(void *user), void *user);
void s3_read_error(s3_answer *a); /* fills code, message, where */

/* refusal.c */
int s3_is_passing(const s3_answer *a); /* asking again may help */
int s3_refusal(const cq_s3 *s, const s3_request *q, const s3_answer *a,
               cq_error *err);

/* object.c */
int s3_md5(const void *p, size_t n, unsigned char out[16]); /* bool */
void s3_md5_header(const unsigned char md5[16], char out[32]);
/* The ETag is an MD5, and of something else; bool. */
int s3_etag_differs(const s3_answer *a, const unsigned char md5[16]);
/* What each new object is given. */
void s3_headers_of(const cq_s3 *s, s3_request *q, const char *media);
int s3_encoding(const cq_buf *body, const char *path, cq_buf *out);
/* A key as a list writes it, where EncodingType is `encoding`. */
void s3_plain_key(const cq_buf *key, const cq_buf *encoding, cq_buf *out);

/* spec.c: cq_dest_def.options */
typedef struct s3_spec {
  cq_s3_options client;
  cq_object_options object;
  const char *content_type; /* or NULL: the format's */
  int64_t part_size;
  int test; /* each run begins with an object put, got and removed */
} s3_spec;
int s3_spec_read(cq_arena *a, const cq_node *map, cq_dest_def *d,
                 cq_error *err);

#endif
