/* ext/dest/s3/answer.c: answers in XML: the texts of chosen elements. */
#include <stdio.h>
#include <string.h>

#include <expat.h>

#include "dest/s3/internal.h"

enum { XML_DEPTH = 16, XML_PATH = 256 };

typedef struct reader {
  XML_Parser x;
  const s3_field *fields;
  size_t n;
  const char *record;
  int (*each)(void *user);
  void *user;
  char path[XML_PATH];
  int depth, rc;
  cq_buf *now;
} reader;

static void stop(reader *r, int rc) {
  r->rc = rc;
  XML_StopParser(r->x, XML_FALSE);
}

static void XMLCALL on_open(void *user, const char *name, const char **attr) {
  reader *r = user;
  size_t at = strlen(r->path), len = r->record ? strlen(r->record) : 0;

  (void)attr;
  r->now = NULL;
  if (++r->depth > XML_DEPTH || at + strlen(name) + 2 > XML_PATH) {
    stop(r, CQ_ERROR);
    return;
  }
  snprintf(r->path + at, XML_PATH - at, "%s%s", at ? "/" : "", name);
  for (size_t i = 0; i < r->n; i++) {
    const char *p = r->fields[i].path;

    if (strcmp(p, r->path) == 0) r->now = r->fields[i].to;
    if (strcmp(p, r->path) == 0 ||
        (r->record && strcmp(r->record, r->path) == 0 &&
         strncmp(p, r->record, len) == 0 && p[len] == '/'))
      cq_buf_reset(r->fields[i].to);
  }
}

static void XMLCALL on_close(void *user, const char *name) {
  reader *r = user;
  char *cut;

  (void)name;
  if (r->rc) return;
  r->now = NULL;
  r->depth--;
  if (r->record && strcmp(r->path, r->record) == 0) {
    int rc = r->each(r->user);

    if (rc) stop(r, rc);
  }
  cut = strrchr(r->path, '/');
  *(cut ? cut : r->path) = 0;
}

static void XMLCALL on_text(void *user, const char *s, int n) {
  reader *r = user;

  if (r->now) cq_buf_add(r->now, s, (size_t)n);
}

int s3_xml(const cq_buf *body, const s3_field *fields, size_t n,
           const char *record, int (*each)(void *user), void *user) {
  reader r = {
      .fields = fields, .n = n, .record = record, .each = each, .user = user};
  int ok;

  r.x = XML_ParserCreate(NULL);
  if (!r.x) return CQ_NOMEM;
  XML_SetUserData(r.x, &r);
  XML_SetElementHandler(r.x, on_open, on_close);
  XML_SetCharacterDataHandler(r.x, on_text);
  ok = XML_Parse(r.x, body->data ? body->data : "", (int)body->len, 1) ==
       XML_STATUS_OK;
  XML_ParserFree(r.x);
  if (r.rc) return r.rc;
  for (size_t i = 0; i < n; i++)
    if (fields[i].to->rc) return fields[i].to->rc;
  return ok ? CQ_OK : CQ_ERROR;
}

static void copy(char *out, size_t room, const cq_buf *b) {
  size_t n = b->len < room - 1 ? b->len : room - 1;

  n = b->data ? cq_utf8_cut(b->data, n) : 0;
  if (n) memcpy(out, b->data, n);
  out[n] = 0;
  for (char *p = out; *p; p++)
    if ((unsigned char)*p < ' ') *p = ' ';
}

void s3_read_error(s3_answer *a) {
  cq_buf code, message, region;
  const s3_field fields[] = {{"Error/Code", &code},
                             {"Error/Message", &message},
                             {"Error/Region", &region}};

  cq_buf_init(&code, 4096);
  cq_buf_init(&message, 64 << 10);
  cq_buf_init(&region, 4096);
  s3_xml(&a->body, fields, 3, NULL, NULL, NULL);
  copy(a->code, sizeof a->code, &code);
  copy(a->message, sizeof a->message, &message);
  copy(a->where, sizeof a->where, &region);
  cq_buf_clear(&code);
  cq_buf_clear(&message);
  cq_buf_clear(&region);
}
