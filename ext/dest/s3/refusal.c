/* ext/dest/s3/refusal.c: an answer that is no success: what it means, and the
 * message that says so. */
#include <stdio.h>
#include <string.h>

#include "dest/s3/internal.h"

int s3_is_passing(const s3_answer *a) {
  static const char *const codes[] = {
      "SlowDown",           "InternalError",
      "ServiceUnavailable", "RequestTimeout",
      "Throttling",         "ThrottlingException",
      "BadDigest",          "RequestLimitExceeded",
      "OperationAborted",   "XAmzContentSHA256Mismatch"};

  if (a->status == 429 || a->status == 408 || a->status == 500 ||
      a->status == 502 || a->status == 503 || a->status == 504)
    return 1;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (strcmp(a->code, codes[i]) == 0) return 1;
  return 0;
}

int s3_fail(const cq_s3 *s, const s3_request *q, int code, cq_error *err,
            const char *fmt, ...) {
  char text[800];
  va_list ap;

  va_start(ap, fmt);
  vsnprintf(text, sizeof text, fmt, ap);
  va_end(ap);
  return cq_error_set(err, code, "s3://%s%s%.300s: %s: %s", s->o.bucket,
                      q->key ? "/" : "", q->key ? q->key : "", q->verb, text);
}

typedef struct meaning {
  const char *code;
  int rc;
  const char *hint;
} meaning;

static const meaning meanings[] = {
    {"NoSuchBucket", CQ_IOERR,
     "there is no bucket of that name at that endpoint: cq makes none"},
    {"NoSuchKey", CQ_NOTFOUND, NULL},
    {"NoSuchUpload", CQ_NOTFOUND, NULL},
    {"PreconditionFailed", CQ_CONSTRAINT, NULL},
    {"ConditionalRequestConflict", CQ_CONSTRAINT, NULL},
    {"NotImplemented", CQ_MISUSE, NULL},
    {"AccessDenied", CQ_AUTH,
     "the credentials need s3:ListBucket, s3:ListBucketMultipartUploads of the "
     "bucket, and s3:PutObject, s3:GetObject, s3:DeleteObject, "
     "s3:AbortMultipartUpload of its objects"},
    {"AllAccessDisabled", CQ_AUTH, NULL},
    {"AccountProblem", CQ_AUTH, NULL},
    {"InvalidAccessKeyId", CQ_AUTH,
     "nobody has that access key at that endpoint; cq takes keys from "
     "AWS_ACCESS_KEY_ID, or from a profile"},
    {"SignatureDoesNotMatch", CQ_AUTH,
     "the secret access key does not belong to the access key"},
    {"ExpiredToken", CQ_AUTH, "the session has ended: log in again"},
    {"InvalidToken", CQ_AUTH, "the session token is not of these keys"},
    {"RequestTimeTooSkewed", CQ_AUTH, "is this machine's clock right?"},
    {"AuthorizationHeaderMalformed", CQ_AUTH, "region has to be the bucket's"},
    {"PermanentRedirect", CQ_IOERR, "region has to be the bucket's"},
    {"TemporaryRedirect", CQ_IOERR, "region has to be the bucket's"},
    {"IllegalLocationConstraintException", CQ_IOERR,
     "region has to be the bucket's"},
    {"AccessControlListNotSupported", CQ_ERROR,
     "the bucket has no ACLs: leave out acl"},
    {"InvalidStorageClass", CQ_ERROR, NULL},
    {"EntityTooSmall", CQ_ERROR, NULL},
    {"EntityTooLarge", CQ_ERROR, NULL},
    {"QuotaExceeded", CQ_FULL, NULL},
    {"InsufficientStorage", CQ_FULL, NULL},
    {"XMinioStorageFull", CQ_FULL, NULL},
    {"InvalidBucketName", CQ_MISUSE, NULL},
};

static int by_status(const s3_answer *a) {
  switch (a->status) {
  case 401:
  case 403:
    return CQ_AUTH;
  case 404:
    return CQ_NOTFOUND;
  case 412:
    return CQ_CONSTRAINT;
  case 501:
    return CQ_MISUSE;
  case 507:
    return CQ_FULL;
  default:
    return a->status >= 500 || a->status < 400 || a->status == 429 ? CQ_IOERR
                                                                   : CQ_ERROR;
  }
}

int s3_refusal(const cq_s3 *s, const s3_request *q, const s3_answer *a,
               cq_error *err) {
  const meaning *m = NULL;
  const char *there = a->region[0] ? a->region : a->where;
  int rc;

  for (size_t i = 0; i < sizeof meanings / sizeof *meanings && !m; i++)
    if (strcmp(meanings[i].code, a->code) == 0) m = &meanings[i];
  rc = m ? m->rc : s3_is_passing(a) ? CQ_IOERR : by_status(a);
  if (a->code[0])
    s3_fail(s, q, rc, err, "status %d: %s%s%s", a->status, a->code,
            a->message[0] ? ": " : "", a->message);
  else
    s3_fail(s, q, rc, err, "status %d", a->status);
  if (*there && strcmp(there, s->region) != 0)
    cq_error_hint(err, "the bucket is in region %s, asked was %s", there,
                  s->region);
  else if (m && m->hint)
    cq_error_hint(err, "%s", m->hint);
  else if (strncmp(a->code, "KMS.", 4) == 0)
    cq_error_hint(err, "sse_kms_key_id has to name a key that these "
                       "credentials may use");
  else if (a->status >= 300 && a->status < 400)
    cq_error_hint(err, "region or endpoint may be another's");
  else if (a->status == 403 && !a->code[0])
    cq_error_hint(err, "the credentials may not do this, or are none");
  return rc;
}
