/* ext/dest/sql.c: SQL as text with its values in it, for stores that quote as
 * the standard does; the SQL that cq ships; what a migration says it does. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "dest/dest.h"
#include "spec/embedded.h"

static void add_quoted(cq_buf *out, const char *before, const char *s,
                       char quote) {
  cq_buf_byte(out, quote);
  cq_buf_str(out, before);
  for (; *s; s++) {
    if (*s == quote) cq_buf_byte(out, quote);
    cq_buf_byte(out, *s);
  }
  cq_buf_byte(out, quote);
}

static void add_literal(cq_buf *out, const char *s) {
  if (s)
    add_quoted(out, "", s, '\'');
  else
    cq_buf_str(out, "NULL");
}

void cq_sql_v(cq_buf *out, const char *fmt, va_list ap) {
  char time[40];

  for (const char *p = fmt; *p; p++) {
    int64_t us;

    if (*p != '%') {
      cq_buf_byte(out, *p);
      continue;
    }
    switch (*++p) {
    case 'I':
      add_quoted(out, "", va_arg(ap, const char *), '"');
      break;
    case 'R':
      add_quoted(out, "raw_", va_arg(ap, const char *), '"');
      break;
    case 'L':
      add_literal(out, va_arg(ap, const char *));
      break;
    case 's':
      cq_buf_str(out, va_arg(ap, const char *));
      break;
    case 'n':
      cq_buf_printf(out, "%lld", (long long)va_arg(ap, int64_t));
      break;
    case 'd':
      cq_buf_printf(out, "%d", va_arg(ap, int));
      break;
    case 't':
      us = va_arg(ap, int64_t);
      if (us > 0) cq_time_format(us, time);
      add_literal(out, us > 0 ? time : NULL);
      break;
    default:
      cq_buf_byte(out, *p);
    }
  }
}

void cq_sql(cq_buf *out, const char *fmt, ...) {
  va_list ap;

  va_start(ap, fmt);
  cq_sql_v(out, fmt, ap);
  va_end(ap);
}

char *cq_sql_shipped(const char *path) {
  for (int i = 0; i < cq_embedded_nfile; i++) {
    const cq_embedded_file *f = &cq_embedded_files[i];
    char *text;

    if (strcmp(f->path, path) != 0) continue;
    text = cq_malloc(f->full + 1);
    if (!text) return NULL;
    if (ZSTD_decompress(text, f->full, f->data, f->size) != f->full) {
      cq_free(text);
      return NULL;
    }
    text[f->full] = 0;
    return text;
  }
  return NULL;
}

void cq_sql_in_schema(cq_buf *out, const char *text, const char *schema) {
  for (const char *p = text; *p;) {
    const char *at = strstr(p, "{s}");

    if (!at) {
      cq_buf_str(out, p);
      break;
    }
    cq_buf_add(out, p, (size_t)(at - p));
    add_quoted(out, "", schema, '"');
    p = at + 3;
  }
}

int cq_dest_note(cq_buf *actions, cq_error *err, const char *fmt, ...) {
  va_list ap, again;
  char *text = NULL;
  int n;

  if (!actions) return CQ_OK;
  va_start(ap, fmt);
  va_copy(again, ap);
  n = vsnprintf(NULL, 0, fmt, ap);
  va_end(ap);
  if (n >= 0) text = cq_malloc((size_t)n + 1);
  if (text) vsnprintf(text, (size_t)n + 1, fmt, again);
  va_end(again);
  if (!text) return cq_error_nomem(err);
  if (actions->len && actions->data[actions->len - 1] != '[')
    cq_buf_byte(actions, ',');
  cq_buf_json(actions, text, strlen(text));
  cq_free(text);
  return actions->rc ? cq_error_nomem(err) : CQ_OK;
}

int cq_dest_clean(const cq_dest_table *t) {
  return !t->failed && !t->n.failed && !t->n.errors;
}

void cq_sql_gone_clients(cq_buf *out, const char *schema,
                         const cq_dest_table *t, const cq_dest_run *r) {
  const char *table = t->def->name;

  cq_sql(out,
         "c.table_name = %L AND c.source_name = %L AND NOT EXISTS (SELECT 1 "
         "FROM %I.cq_sync_units AS u WHERE u.table_name = %L AND u.source_name "
         "= %L AND u.sync_group_id = %n AND u.client_id = c.client_id) AND NOT "
         "EXISTS (SELECT 1 FROM %I.cq_sync_units AS f WHERE f.table_name = %L "
         "AND f.source_name = %L AND f.sync_group_id = %n AND f.status = "
         "'failed' AND substr(c.client_id, 1, length(f.client_id) + 1) = "
         "f.client_id || ':')%s",
         table, r->source, schema, table, r->source, r->group, schema, table,
         r->source, r->group,
         cq_dest_clean(t) ? "" : " AND c.sync_group_id <> 0");
}
