/* ext/dest/s3/upload.c: objects in parts, each sent when it is full, and made
 * whole by one request at the end; and what killed processes left of such. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dest/s3/internal.h"

struct cq_s3_upload {
  cq_s3 *s;
  char *key, *id; /* id: encoded for a query */
  struct part {
    char etag[80];
  } * parts;
  size_t n, cap;
  int done;
  int doubtful; /* may have been begun twice: another one is there */
};

static char *encoded(const char *text) {
  cq_buf b;
  char *s;

  cq_buf_init(&b, CQ_MAX_URL);
  cq_percent_encode(&b, text, strlen(text), "");
  s = cq_buf_take(&b);
  cq_buf_clear(&b);
  return s;
}

int cq_s3_upload_begin(cq_s3 *s, const char *key, const cq_s3_put_options *o,
                       cq_s3_upload **out, cq_error *err) {
  s3_request q = {.method = "POST",
                  .key = key,
                  .query = "uploads=",
                  .verb = "begin upload"};
  cq_buf id;
  const s3_field field = {"InitiateMultipartUploadResult/UploadId", &id};
  cq_s3_upload *u = NULL;
  s3_answer a;
  int rc;

  *out = NULL;
  cq_buf_init(&id, 16 << 10);
  s3_answer_init(&a, 0);
  s3_headers_of(s, &q, o->media);
  s3_header(&q, "Content-Encoding", o->encoding);
  rc = s3_call(s, &q, &a, err);
  if (rc) goto done;
  rc = s3_xml(&a.body, &field, 1, NULL, NULL, NULL);
  if (rc == CQ_NOMEM) {
    cq_error_nomem(err);
    goto done;
  }
  if (rc || !id.len) {
    rc = s3_fail(s, &q, CQ_IOERR, err, "the answer is not S3's");
    goto done;
  }
  u = cq_calloc(1, sizeof *u);
  if (u) {
    u->s = s;
    u->doubtful = a.tries > 0 || a.connects > 0;
    u->key = cq_strdup(key);
    u->id = encoded(id.data);
  }
  if (!u || !u->key || !u->id) {
    rc = cq_error_nomem(err);
    if (u) {
      cq_free(u->key);
      cq_free(u->id);
      cq_free(u);
    }
    goto done;
  }
  *out = u;
done:
  cq_buf_clear(&id);
  s3_answer_clear(&a);
  return rc;
}

int cq_s3_upload_part(cq_s3_upload *u, const void *p, size_t n, cq_error *err) {
  s3_request q = {.method = "PUT",
                  .key = u->key,
                  .body = p,
                  .nbody = n,
                  .verb = "put part"};
  unsigned char md5[16];
  char header[32], *query = NULL;
  int known = s3_md5(p, n, md5), rc;
  s3_answer a;

  if (u->n == CQ_S3_PARTS)
    return cq_error_set(err, CQ_TOOBIG,
                        "s3://%s/%.300s: put: it has more than %d parts\n"
                        "hint: a larger part_size, or batch_size_bytes, helps",
                        u->s->o.bucket, u->key, CQ_S3_PARTS);
  if (cq_grow(&u->parts, &u->cap, u->n, sizeof *u->parts))
    return cq_error_nomem(err);
  query = cq_mprintf("partNumber=%zu&uploadId=%s", u->n + 1, u->id);
  if (!query) return cq_error_nomem(err);
  q.query = query;
  if (known) {
    s3_md5_header(md5, header);
    s3_header(&q, "Content-MD5", header);
  }
  s3_answer_init(&a, 0);
  rc = s3_call(u->s, &q, &a, err);
  if (rc == CQ_OK && (!a.etag[0] || strlen(a.etag) >= sizeof u->parts->etag))
    rc = s3_fail(u->s, &q, CQ_IOERR, err, "part %zu: the answer has no ETag",
                 u->n + 1);
  if (rc == CQ_OK && known && s3_etag_differs(&a, md5))
    rc = s3_fail(u->s, &q, CQ_IOERR, err,
                 "part %zu: the server has other bytes: ETag %.60s", u->n + 1,
                 a.etag);
  if (rc == CQ_OK)
    snprintf(u->parts[u->n++].etag, sizeof u->parts->etag, "%s", a.etag);
  cq_free(query);
  s3_answer_clear(&a);
  return rc;
}

/* An ETag of an upload ends in "-" and the number of its parts. */
static int parts_differ(const cq_s3_upload *u, const char *etag) {
  const char *dash = strrchr(etag, '-');
  char *end;
  long n;

  if (!dash) return 0; /* not of that form */
  n = strtol(dash + 1, &end, 10);
  return end != dash + 1 && (*end == 0 || *end == '"') && n != (long)u->n;
}

static int completed(const cq_s3_upload *u, const s3_request *q, s3_answer *a,
                     cq_error *err) {
  cq_buf etag, code;
  const s3_field fields[] = {{"CompleteMultipartUploadResult/ETag", &etag},
                             {"Error/Code", &code}};
  int rc;

  cq_buf_init(&etag, 4096);
  cq_buf_init(&code, 4096);
  rc = s3_xml(&a->body, fields, 2, NULL, NULL, NULL);
  if (rc == CQ_NOMEM) {
    cq_error_nomem(err);
  } else if (rc == CQ_OK && code.len) {
    /* The status was sent before the work was done. */
    s3_read_error(a);
    a->status = 500;
    s3_refusal(u->s, q, a, err);
    rc = CQ_BUSY;
  } else if (rc || !etag.len) {
    rc = s3_fail(u->s, q, CQ_IOERR, err, "the answer is not S3's");
  } else if (parts_differ(u, etag.data)) {
    rc = s3_fail(u->s, q, CQ_IOERR, err,
                 "%zu parts were sent, its ETag is %.80s", u->n, etag.data);
  }
  cq_buf_clear(&etag);
  cq_buf_clear(&code);
  return rc;
}

/* The answer to an earlier try was lost: the object is there, and ours. */
static int is_there(cq_s3_upload *u) {
  char *etag = NULL;
  int ours = cq_s3_head(u->s, u->key, NULL, &etag, NULL) == CQ_OK && etag &&
             strchr(etag, '-') && !parts_differ(u, etag);

  cq_free(etag);
  return ours;
}

int cq_s3_upload_end(cq_s3_upload *u, cq_error *err) {
  s3_request q = {.method = "POST", .key = u->key, .verb = "end upload"};
  char *query = cq_mprintf("uploadId=%s", u->id);
  cq_buf body;
  s3_answer a;
  int rc = CQ_OK;

  cq_buf_init(&body, 4 << 20);
  s3_answer_init(&a, 0);
  cq_buf_str(&body, "<CompleteMultipartUpload>");
  for (size_t i = 0; i < u->n; i++) {
    const char *e = u->parts[i].etag;
    size_t n = strlen(e);
    int quoted = n > 1 && *e == '"' && e[n - 1] == '"';

    cq_buf_printf(&body,
                  "<Part><PartNumber>%zu</PartNumber><ETag>&quot;%.*s&quot;"
                  "</ETag></Part>",
                  i + 1, (int)(quoted ? n - 2 : n), quoted ? e + 1 : e);
  }
  cq_buf_str(&body, "</CompleteMultipartUpload>");
  if (!query || body.rc) {
    rc = cq_error_nomem(err);
    goto done;
  }
  q.query = query;
  q.body = body.data;
  q.nbody = body.len;
  s3_header(&q, "Content-Type", "application/xml");
  for (int tries = 0;; tries++) {
    rc = s3_call(u->s, &q, &a, err);
    if (rc == CQ_OK) rc = completed(u, &q, &a, err);
    if (rc == CQ_NOTFOUND && is_there(u)) {
      if (err) cq_error_clear(err);
      rc = CQ_OK;
    }
    if (rc != CQ_BUSY) break;
    rc = CQ_IOERR;
    if (err) err->code = rc;
    if (tries >= u->s->o.max_retries) break;
    if (s3_wait(u->s, s3_pause_ms(u->s, &a, tries), err)) {
      rc = CQ_INTERRUPT;
      break;
    }
  }
  if (rc == CQ_NOTFOUND) {
    rc = CQ_IOERR;
    if (err) err->code = rc;
  }
  u->done = rc == CQ_OK;
  if (u->done && u->doubtful) cq_s3_upload_sweep(u->s, u->key, NULL);
done:
  cq_free(query);
  cq_buf_clear(&body);
  s3_answer_clear(&a);
  return rc;
}

static int give_up(cq_s3 *s, const char *key, const char *id, cq_error *err) {
  s3_request q = {.method = "DELETE", .key = key, .verb = "abort upload"};
  char *query = cq_mprintf("uploadId=%s", id);
  s3_answer a;
  int rc;

  if (!query) return cq_error_nomem(err);
  q.query = query;
  s3_answer_init(&a, 0);
  rc = s3_call(s, &q, &a, err);
  if (rc == CQ_NOTFOUND) {
    if (err) cq_error_clear(err);
    rc = CQ_OK;
  }
  cq_free(query);
  s3_answer_clear(&a);
  return rc;
}

int cq_s3_upload_free(cq_s3_upload *u) {
  int rc = CQ_OK;

  if (!u) return rc;
  if (!u->done) {
    s3_last_words last;

    s3_hurry(u->s, &last);
    rc = u->doubtful ? cq_s3_upload_sweep(u->s, u->key, NULL)
                     : give_up(u->s, u->key, u->id, NULL);
    s3_hurry_end(u->s, &last);
  }
  cq_free(u->key);
  cq_free(u->id);
  cq_free(u->parts);
  cq_free(u);
  return rc;
}

/* ---- what others left ------------------------------------------------------------------ */

typedef struct sweep {
  cq_buf key, id, more, encoding, plain;
  const char *wanted;
  char *ids[S3_SWEEP_MAX];
  size_t n;
} sweep;

static int sweep_one(void *user) {
  sweep *w = user;

  s3_plain_key(&w->key, &w->encoding, &w->plain);
  if (w->plain.rc) return w->plain.rc;
  if (!w->plain.data || strcmp(w->plain.data, w->wanted) != 0 || !w->id.len ||
      w->n == S3_SWEEP_MAX)
    return CQ_OK;
  w->ids[w->n] = encoded(w->id.data);
  return w->ids[w->n++] ? CQ_OK : CQ_NOMEM;
}

/* One round: the uploads of the first page.  *more: there may be others. */
static int sweep_page(cq_s3 *s, const char *key, sweep *w, int *more,
                      cq_error *err) {
  s3_request q = {.method = "GET", .verb = "list uploads"};
  const s3_field fields[] = {
      {"ListMultipartUploadsResult/Upload/Key", &w->key},
      {"ListMultipartUploadsResult/Upload/UploadId", &w->id},
      {"ListMultipartUploadsResult/IsTruncated", &w->more}};
  cq_buf query;
  s3_answer a;
  int rc;

  cq_buf_init(&query, CQ_MAX_URL);
  s3_answer_init(&a, CQ_MAX_LIST_BODY);
  cq_buf_str(&query, "encoding-type=url&max-uploads=1000&prefix=");
  cq_percent_encode(&query, key, strlen(key), "");
  cq_buf_str(&query, "&uploads=");
  rc = query.rc ? cq_error_nomem(err) : CQ_OK;
  q.query = query.data;
  if (rc == CQ_OK) rc = s3_call(s, &q, &a, err);
  if (rc == CQ_OK) {
    rc = s3_encoding(&a.body, "ListMultipartUploadsResult/EncodingType",
                     &w->encoding);
    if (rc == CQ_OK)
      rc = s3_xml(&a.body, fields, 3, "ListMultipartUploadsResult/Upload",
                  sweep_one, w);
    if (rc == CQ_NOMEM)
      cq_error_nomem(err);
    else if (rc)
      rc = s3_fail(s, &q, CQ_IOERR, err, "the answer is not S3's");
  }
  *more = w->more.len && strcmp(w->more.data, "true") == 0;
  cq_buf_clear(&query);
  s3_answer_clear(&a);
  return rc;
}

int cq_s3_upload_sweep(cq_s3 *s, const char *key, cq_error *err) {
  sweep w = {.wanted = key};
  cq_buf *const bufs[] = {&w.key, &w.id, &w.more, &w.encoding, &w.plain};
  int more = 1, rc = CQ_OK;

  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
    cq_buf_init(bufs[i], 64 << 10);
  /* Those given up are in no later list: it begins at its first page again. */
  for (int round = 0; round < 100 && more && rc == CQ_OK; round++) {
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
      cq_buf_reset(bufs[i]);
    rc = sweep_page(s, key, &w, &more, err);
    if (w.n == 0) more = 0;
    while (w.n > 0) {
      w.n--;
      if (rc == CQ_OK) rc = give_up(s, key, w.ids[w.n], err);
      cq_free(w.ids[w.n]);
    }
  }
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) cq_buf_clear(bufs[i]);
  return rc;
}
