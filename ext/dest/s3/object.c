/* ext/dest/s3/object.c: objects whole: put, get, head, delete, list, and URLs
 * for those who have no keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "dest/s3/internal.h"

/* ---- what was sent, and what has come ---------------------------------------------- */

int s3_md5(const void *p, size_t n, unsigned char out[16]) {
  unsigned len = 16;

  return EVP_Digest(n ? p : "", n, out, &len, EVP_md5(), NULL) == 1;
}

void s3_md5_header(const unsigned char md5[16], char out[32]) {
  cq_buf b;

  cq_buf_init(&b, 31);
  cq_base64_encode(&b, md5, 16, 0);
  snprintf(out, 32, "%s", b.data ? b.data : "");
  cq_buf_clear(&b);
}

int s3_etag_differs(const s3_answer *a, const unsigned char md5[16]) {
  const char *e = a->etag;
  char hex[33];

  if (*e == '"') e++;
  if (strspn(e, "0123456789abcdefABCDEF") != 32 || (e[32] && e[32] != '"') ||
      (a->sse[0] && strcmp(a->sse, "AES256") != 0))
    return 0; /* not an MD5 */
  cq_hex(md5, 16, hex);
  return !cq_str_ieqn(e, hex, 32);
}

void s3_headers_of(const cq_s3 *s, s3_request *q, const char *media) {
  s3_header(q, "Content-Type", media);
  s3_header(q, "x-amz-acl", s->o.acl);
  s3_header(q, "x-amz-server-side-encryption", s->o.sse);
  s3_header(q, "x-amz-server-side-encryption-aws-kms-key-id", s->o.sse_key_id);
}

/* ---- put ------------------------------------------------------------------------------ */

int cq_s3_put(cq_s3 *s, const char *key, const void *p, size_t n,
              const cq_s3_put_options *o, char **etag, cq_error *err) {
  s3_request q = {
      .method = "PUT", .key = key, .body = p, .nbody = n, .verb = "put"};
  unsigned char md5[16];
  char header[32];
  int known = s3_md5(p, n, md5), rc;
  s3_answer a;

  if (etag) *etag = NULL;
  if (!p) q.body = "";
  s3_headers_of(s, &q, o->media);
  s3_header(&q, "Content-Encoding", o->encoding);
  if (known) {
    s3_md5_header(md5, header);
    s3_header(&q, "Content-MD5", header);
  }
  if (o->only_new) s3_header(&q, "If-None-Match", "*");
  s3_header(&q, "If-Match", o->match);
  s3_answer_init(&a, 0);
  rc = s3_call(s, &q, &a, err);
  if (rc == CQ_NOTFOUND && o->match) {
    rc = CQ_CONSTRAINT;
    if (err) err->code = rc;
  }
  if (rc == CQ_OK && known && s3_etag_differs(&a, md5))
    rc = s3_fail(s, &q, CQ_IOERR, err, "the server has other bytes: ETag %.60s",
                 a.etag);
  if (rc == CQ_OK && etag && !(*etag = cq_strdup(a.etag)))
    rc = cq_error_nomem(err);
  s3_answer_clear(&a);
  return rc;
}

/* ---- get, head ------------------------------------------------------------------------ */

static int take(cq_buf *out, const s3_answer *a, cq_error *err) {
  cq_buf_add(out, a->body.data ? a->body.data : "", a->body.len);
  if (out->rc == CQ_TOOBIG)
    return cq_error_set(err, CQ_TOOBIG,
                        "s3: an object is longer than %zu bytes", out->max);
  return out->rc ? cq_error_nomem(err) : CQ_OK;
}

int cq_s3_get(cq_s3 *s, const char *key, cq_buf *out, char **etag,
              cq_error *err) {
  s3_request q = {.method = "GET", .key = key, .verb = "get"};
  s3_answer a;
  int rc;

  if (etag) *etag = NULL;
  s3_answer_init(&a, out->max);
  rc = s3_call(s, &q, &a, err);
  if (rc == CQ_OK) rc = take(out, &a, err);
  if (rc == CQ_OK && etag && !(*etag = cq_strdup(a.etag)))
    rc = cq_error_nomem(err);
  s3_answer_clear(&a);
  return rc;
}

int cq_s3_head(cq_s3 *s, const char *key, int64_t *size, char **etag,
               cq_error *err) {
  s3_request q = {.method = "HEAD", .key = key, .verb = "head"};
  s3_answer a;
  int rc;

  if (etag) *etag = NULL;
  s3_answer_init(&a, 0);
  rc = s3_call(s, &q, &a, err);
  if (rc == CQ_OK && size) *size = a.length;
  if (rc == CQ_OK && etag && !(*etag = cq_strdup(a.etag)))
    rc = cq_error_nomem(err);
  s3_answer_clear(&a);
  return rc;
}

/* ---- delete --------------------------------------------------------------------------- */

int cq_s3_delete(cq_s3 *s, const char *key, cq_error *err) {
  s3_request q = {.method = "DELETE", .key = key, .verb = "delete"};
  s3_answer a;
  int rc;

  s3_answer_init(&a, 0);
  rc = s3_call(s, &q, &a, err);
  if (rc == CQ_NOTFOUND) {
    if (err) cq_error_clear(err);
    rc = CQ_OK;
  }
  s3_answer_clear(&a);
  return rc;
}

static void xml_text(cq_buf *b, const char *s) {
  for (; *s; s++) {
    unsigned char c = (unsigned char)*s;

    if (c == '&' || c == '<' || c == '>' || c == '"' || c < ' ')
      cq_buf_printf(b, "&#%u;", c);
    else
      cq_buf_byte(b, *s);
  }
}

/* XML 1.0 cannot name these at all. */
static int is_xml(const char *s) {
  for (; *s; s++)
    if ((unsigned char)*s < ' ' && !strchr("\t\r\n", *s)) return 0;
  return 1;
}

typedef struct removal {
  cq_buf code, message, key, first;
} removal;

/* A key that is not there is none of ours to complain about. */
static int removal_error(void *user) {
  removal *r = user;

  if (r->code.len && strcmp(r->code.data, "NoSuchKey") == 0) return CQ_OK;
  if (!r->first.len)
    cq_buf_printf(&r->first, "%.600s: %.80s: %.200s",
                  r->key.data ? r->key.data : "",
                  r->code.data ? r->code.data : "",
                  r->message.data ? r->message.data : "");
  return r->first.rc;
}

static int delete_many(cq_s3 *s, const char *const *keys, size_t n,
                       cq_error *err) {
  s3_request q = {.method = "POST", .query = "delete=", .verb = "delete"};
  removal r;
  const s3_field fields[] = {{"DeleteResult/Error/Code", &r.code},
                             {"DeleteResult/Error/Message", &r.message},
                             {"DeleteResult/Error/Key", &r.key}};
  unsigned char md5[16];
  char header[32];
  cq_buf body;
  s3_answer a;
  int rc;

  cq_buf_init(&body, 8 << 20);
  cq_buf_init(&r.code, 4096);
  cq_buf_init(&r.message, 64 << 10);
  cq_buf_init(&r.key, 16 << 10);
  cq_buf_init(&r.first, 4096);
  s3_answer_init(&a, CQ_MAX_LIST_BODY);
  cq_buf_str(&body, "<Delete><Quiet>true</Quiet>");
  for (size_t i = 0; i < n; i++) {
    cq_buf_str(&body, "<Object><Key>");
    xml_text(&body, keys[i]);
    cq_buf_str(&body, "</Key></Object>");
  }
  cq_buf_str(&body, "</Delete>");
  rc = body.rc ? cq_error_nomem(err) : CQ_OK;
  if (rc) goto done;
  q.body = body.data;
  q.nbody = body.len;
  if (s3_md5(body.data, body.len, md5)) {
    s3_md5_header(md5, header);
    s3_header(&q, "Content-MD5", header);
  }
  s3_header(&q, "Content-Type", "application/xml");
  rc = s3_call(s, &q, &a, err);
  if (rc) goto done;
  rc = s3_xml(&a.body, fields, 3, "DeleteResult/Error", removal_error, &r);
  if (rc == CQ_NOMEM)
    cq_error_nomem(err);
  else if (rc)
    rc = s3_fail(s, &q, CQ_IOERR, err, "the answer is not S3's");
  else if (r.first.len)
    rc = s3_fail(s, &q, CQ_AUTH, err, "%s", r.first.data);
done:
  cq_buf_clear(&r.code);
  cq_buf_clear(&r.message);
  cq_buf_clear(&r.key);
  cq_buf_clear(&r.first);
  cq_buf_clear(&body);
  s3_answer_clear(&a);
  return rc;
}

/* Many at once, where the server knows how. */
int cq_s3_remove(cq_s3 *s, const char *const *keys, size_t n, cq_error *err) {
  const char *some[S3_DELETE_MAX];
  size_t i = 0;
  int rc = CQ_OK;

  while (i < n && rc == CQ_OK) {
    size_t k = 0;

    for (; i < n && k < S3_DELETE_MAX && rc == CQ_OK; i++)
      if (is_xml(keys[i]))
        some[k++] = keys[i];
      else
        rc = cq_s3_delete(s, keys[i], err);
    if (rc == CQ_OK && k > 2 && !s->no_bulk) {
      rc = delete_many(s, some, k, err);
      if (rc == CQ_OK) continue;
      if (rc != CQ_MISUSE) return rc;
      s->no_bulk = 1;
      if (err) cq_error_clear(err);
      rc = CQ_OK;
    }
    for (size_t j = 0; j < k && rc == CQ_OK; j++)
      rc = cq_s3_delete(s, some[j], err);
  }
  return rc;
}

/* ---- list ----------------------------------------------------------------------------- */

typedef struct listing {
  cq_buf key, size, time, token, more, encoding;
  cq_buf plain;
  int (*each)(void *user, const cq_s3_about *o);
  void *user;
} listing;

/* It may stand behind the keys. */
int s3_encoding(const cq_buf *body, const char *path, cq_buf *out) {
  const s3_field field = {path, out};

  return s3_xml(body, &field, 1, NULL, NULL, NULL);
}

/* Of encoding-type=url: keys are encoded as in a form. */
void s3_plain_key(const cq_buf *key, const cq_buf *encoding, cq_buf *out) {
  cq_buf_reset(out);
  if (!encoding->len || strcmp(encoding->data, "url") != 0) {
    cq_buf_add(out, key->data ? key->data : "", key->len);
    return;
  }
  for (size_t i = 0; i < key->len; i++)
    if (key->data[i] == '+') key->data[i] = ' ';
  cq_percent_decode(out, key->data ? key->data : "", key->len);
}

static int list_one(void *user) {
  listing *l = user;
  cq_s3_about o = {.key = "", .size = 0};

  s3_plain_key(&l->key, &l->encoding, &l->plain);
  if (l->plain.rc) return l->plain.rc;
  o.key = l->plain.data ? l->plain.data : "";
  if (l->size.len) o.size = strtoll(l->size.data, NULL, 10);
  if (l->time.len && cq_time_parse(l->time.data, l->time.len, &o.modified_us))
    o.modified_us = 0;
  return l->each(l->user, &o);
}

int cq_s3_list(cq_s3 *s, const char *prefix,
               int (*each)(void *user, const cq_s3_about *o), void *user,
               cq_error *err) {
  listing l = {.each = each, .user = user};
  cq_buf *const bufs[] = {&l.key,  &l.size,     &l.time, &l.token,
                          &l.more, &l.encoding, &l.plain};
  const s3_field fields[] = {
      {"ListBucketResult/Contents/Key", &l.key},
      {"ListBucketResult/Contents/Size", &l.size},
      {"ListBucketResult/Contents/LastModified", &l.time},
      {"ListBucketResult/NextContinuationToken", &l.token},
      {"ListBucketResult/IsTruncated", &l.more}};
  cq_buf query, token;
  s3_answer a;
  int rc = CQ_OK;

  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
    cq_buf_init(bufs[i], 64 << 10);
  cq_buf_init(&query, CQ_MAX_URL);
  cq_buf_init(&token, 64 << 10);
  s3_answer_init(&a, CQ_MAX_LIST_BODY);
  for (int page = 0; page < CQ_MAX_PAGES; page++) {
    s3_request q = {.method = "GET", .verb = "list"};

    cq_buf_reset(&query);
    if (token.len) {
      cq_buf_str(&query, "continuation-token=");
      cq_percent_encode(&query, token.data, token.len, "");
      cq_buf_byte(&query, '&');
    }
    cq_buf_str(&query, "encoding-type=url&list-type=2&max-keys=1000&prefix=");
    cq_percent_encode(&query, prefix, strlen(prefix), "");
    if (query.rc) {
      rc = query.rc == CQ_NOMEM
               ? cq_error_nomem(err)
               : cq_error_set(err, query.rc, "s3: the prefix is too long");
      break;
    }
    q.query = query.data;
    rc = s3_call(s, &q, &a, err);
    if (rc) break;
    for (size_t i = 0; i < 6; i++) cq_buf_reset(bufs[i]);
    rc = s3_encoding(&a.body, "ListBucketResult/EncodingType", &l.encoding);
    if (rc == CQ_OK)
      rc =
          s3_xml(&a.body, fields, 5, "ListBucketResult/Contents", list_one, &l);
    if (rc == CQ_NOMEM)
      cq_error_nomem(err);
    else if (rc == CQ_ERROR || (rc == CQ_OK && !l.more.len))
      rc = s3_fail(s, &q, CQ_IOERR, err, "the answer is not S3's");
    if (rc || strcmp(l.more.data, "true") != 0) break;
    if (!l.token.len || (token.len && strcmp(token.data, l.token.data) == 0)) {
      rc = s3_fail(s, &q, CQ_IOERR, err, "the list goes on without a token");
      break;
    }
    cq_buf_reset(&token);
    cq_buf_add(&token, l.token.data, l.token.len);
  }
  for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) cq_buf_clear(bufs[i]);
  cq_buf_clear(&query);
  cq_buf_clear(&token);
  s3_answer_clear(&a);
  return rc == CQ_DONE ? CQ_OK : rc;
}

/* ---- URLs for others ------------------------------------------------------------------- */

int cq_s3_presign(cq_s3 *s, const char *key, int64_t seconds, cq_buf *out,
                  cq_error *err) {
  cq_signer *signer = NULL;
  cq_buf url;
  int rc;

  if (seconds < 1 || seconds > 7 * 86400)
    return cq_error_set(err, CQ_MISUSE,
                        "s3: a URL cannot be good for %lld seconds",
                        (long long)seconds);
  cq_buf_init(&url, CQ_MAX_URL);
  rc = s3_url(s, key, NULL, &url, err);
  if (rc == CQ_OK) rc = s3_signer(s, &signer, err);
  if (rc == CQ_OK)
    rc = cq_aws_presign(signer, "GET", url.data, seconds,
                        cq_now_us() + s->skew_us, out, err);
  cq_signer_unref(signer);
  cq_buf_clear(&url);
  return rc;
}
