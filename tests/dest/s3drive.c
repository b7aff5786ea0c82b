/* tests/dest/s3drive.c: the client of S3 by hand: options as name=value on the
 * command line, then one command a line on stdin, its words parted by tabs;
 * each is answered by one line: "ok" and what it gave, or a code and why.
 * "fail N COMMAND" does it while the N-th allocation fails; 101: there were
 * fewer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dest/s3/s3.h"

static char *words[64];
static int nwords;

/* By no allocation of cq's, which may be told to fail. */
static char *slurp(const char *path, size_t *n) {
  FILE *f = fopen(path, "rb");
  char *text;
  long size;

  if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0) exit(2);
  rewind(f);
  text = malloc((size_t)size + 1);
  if (!text || fread(text, 1, (size_t)size, f) != (size_t)size) exit(2);
  fclose(f);
  *n = (size_t)size;
  return text;
}

static int print_one(void *user, const cq_s3_about *o) {
  cq_buf *b = user;

  cq_buf_printf(b, " %lld ", (long long)o->size);
  cq_percent_encode(b, o->key, strlen(o->key), "/");
  return b->rc;
}

static int upload(cq_s3 *s, cq_error *err) {
  cq_s3_put_options o = {"application/octet-stream", NULL, 0, NULL};
  size_t n, part = (size_t)atol(words[3]);
  char *p = slurp(words[2], &n);
  cq_s3_upload *u;
  int rc = cq_s3_upload_begin(s, words[1], &o, &u, err);

  if (rc == CQ_OK) {
    for (size_t at = 0; at < n && rc == CQ_OK; at += part)
      rc = cq_s3_upload_part(u, p + at, n - at < part ? n - at : part, err);
    if (rc == CQ_OK && !words[4]) rc = cq_s3_upload_end(u, err);
    if (words[4] && strcmp(words[4], "leave") == 0) exit(0);
    cq_s3_upload_free(u);
  }
  free(p);
  return rc;
}

static int command(cq_s3 *s, cq_buf *out, cq_error *err) {
  const char *verb = words[0];
  char *etag = NULL, *p;
  int64_t size = -1;
  size_t n;
  int rc;

  if (strcmp(verb, "put") == 0) {
    cq_s3_put_options o = {"text/plain", NULL, 0, NULL};

    if (words[3] && strcmp(words[3], "new") == 0) o.only_new = 1;
    if (words[3] && !o.only_new) o.match = words[3];
    p = slurp(words[2], &n);
    rc = cq_s3_put(s, words[1], p, n, &o, &etag, err);
    cq_buf_printf(out, " %s", etag ? etag : "");
    free(p);
  } else if (strcmp(verb, "get") == 0) {
    cq_buf b;
    FILE *f;

    cq_buf_init(&b, (size_t)1 << 30);
    rc = cq_s3_get(s, words[1], &b, &etag, err);
    cq_buf_printf(out, " %zu %s", b.len, etag ? etag : "");
    f = rc ? NULL : fopen(words[2], "wb");
    if (f) {
      fwrite(b.data ? b.data : "", 1, b.len, f);
      fclose(f);
    }
    cq_buf_clear(&b);
  } else if (strcmp(verb, "head") == 0) {
    rc = cq_s3_head(s, words[1], &size, &etag, err);
    cq_buf_printf(out, " %lld %s", (long long)size, etag ? etag : "");
  } else if (strcmp(verb, "delete") == 0) {
    rc = cq_s3_delete(s, words[1], err);
  } else if (strcmp(verb, "remove") == 0) {
    rc = cq_s3_remove(s, (const char *const *)words + 1, (size_t)nwords - 1,
                      err);
  } else if (strcmp(verb, "list") == 0) {
    rc = cq_s3_list(s, words[1] ? words[1] : "", print_one, out, err);
  } else if (strcmp(verb, "upload") == 0) {
    rc = upload(s, err);
  } else if (strcmp(verb, "sweep") == 0) {
    rc = cq_s3_upload_sweep(s, words[1], err);
  } else if (strcmp(verb, "presign") == 0) {
    cq_buf_byte(out, ' ');
    rc = cq_s3_presign(s, words[1], atol(words[2]), out, err);
  } else {
    rc = cq_error_set(err, CQ_MISUSE, "unknown command: %s", verb);
  }
  cq_free(etag);
  return rc;
}

static char line[1 << 20];

int main(int argc, char **argv) {
  cq_s3_options o = {.max_retries = 3, .max_backoff_ms = 30000};
  const struct {
    const char *name, **to;
  } texts[] = {{"bucket", &o.bucket},
               {"region", &o.region},
               {"endpoint", &o.endpoint},
               {"acl", &o.acl},
               {"sse", &o.sse},
               {"sse_key_id", &o.sse_key_id},
               {"access", &o.access_key_id},
               {"secret", &o.secret_access_key},
               {"session", &o.session_token},
               {"profile", &o.profile},
               {"role", &o.role_arn},
               {"external_id", &o.external_id},
               {"ca_file", &o.ca_file}};
  cq_s3 *s;
  cq_error err = {0, ""};
  int rc;

  for (int i = 1; i < argc; i++) {
    char *value = strchr(argv[i], '=');

    *value++ = 0;
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
      if (strcmp(argv[i], texts[k].name) == 0) *texts[k].to = value;
    if (strcmp(argv[i], "path_style") == 0) o.path_style = atoi(value);
    if (strcmp(argv[i], "skip_verify") == 0) o.skip_verify = atoi(value);
    if (strcmp(argv[i], "max_retries") == 0) o.max_retries = atoi(value);
    if (strcmp(argv[i], "max_backoff") == 0) o.max_backoff_ms = atoi(value);
  }
  rc = cq_s3_open(&o, NULL, NULL, &s, &err);
  if (rc) {
    printf("%d %s\n", rc, err.text);
    return 1;
  }
  while (fgets(line, sizeof line, stdin)) {
    cq_buf out;

    line[strcspn(line, "\n")] = 0;
    memset(words, 0, sizeof words);
    nwords = 0;
    for (char *p = strtok(line, "\t"); p && nwords < 63; p = strtok(NULL, "\t"))
      words[nwords++] = p;
    if (nwords == 0) continue;
    cq_buf_init(&out, (size_t)64 << 20);
    cq_error_clear(&err);
    if (strcmp(words[0], "fail") == 0) { /* the n-th allocation */
      long n = atol(words[1]);

      memmove(words, words + 2, sizeof words - 2 * sizeof *words);
      nwords -= 2;
      cq_fault_set(n);
      rc = command(s, &out, &err);
      if (!cq_fault_hit()) cq_buf_reset(&out), rc = CQ_DONE;
      cq_fault_set(0);
    } else {
      rc = command(s, &out, &err);
    }
    for (char *p = err.text; *p; p++)
      if (*p == '\n') *p = '|';
    if (rc)
      printf("%d %s\n", rc, err.text);
    else
      printf("ok%s\n", out.data ? out.data : "");
    fflush(stdout);
    cq_buf_clear(&out);
  }
  cq_s3_close(s);
  return 0;
}
