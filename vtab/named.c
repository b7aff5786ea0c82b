/* vtab/named.c: does whoever writes the SQL name this, or does a schema?
 *
 * SQLITE_DIRECTONLY and SQLITE_VTAB_DIRECTONLY keep functions and tables out of
 * views and triggers.  A file from elsewhere has more ways: SQLite does not look
 * at the flag in CHECK constraints when a function is not deterministic (seen in
 * 3.40.1), and full-text tables run statements of their own, in which FTS4 calls
 * the function that the file names as its `uncompress`, and reads the table that
 * it names as its `content`.  So the texts of the statements that are running
 * are looked at, and where one that writes calls a function, the tables' too,
 * whose CHECKs it may run.  There full-text search quotes all that a file has named,
 *
 *   SELECT docid,"f"(x.'c0a') FROM 'main'.'docs_content' AS x
 *
 * functions as nobody does who calls them, tables as nobody does who reads them:
 * 'schema'.'table'. */
#include <string.h>

#include "vtab/vtab.h"

typedef struct token {
  const char *s; /* quotes are left out */
  size_t n;
  char kind; /* 'w' word, '"' name in quotes, '\'' text, or the character */
} token;

/* SQLite's: letters beyond ASCII are parts of names as well. */
static int is_word(char c) {
  return cq_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         (unsigned char)c >= 0x80;
}

static const char *skip_blanks(const char *s) {
  for (;;) {
    s += strspn(s, " \t\n\f\r");
    if (s[0] == '-' && s[1] == '-') {
      s += strcspn(s, "\n");
    } else if (s[0] == '/' && s[1] == '*') {
      const char *end = strstr(s + 2, "*/");

      s = end ? end + 2 : s + strlen(s);
    } else if (strncmp(s, "\xEF\xBB\xBF", 3) == 0) {
      s += 3; /* a byte order mark, a blank to SQLite as well */
    } else {
      return s;
    }
  }
}

/* The end of what begins with a quote; two of them are one of the text. */
static const char *quoted_end(const char *s, char close) {
  while (*s && (*s != close || (close != ']' && s[1] == close)))
    s += *s == close ? 2 : 1;
  return s;
}

/* The next token from *at on; 0 at the end. */
static int next_token(const char **at, token *t) {
  const char *s = skip_blanks(*at);

  *at = s;
  if (!*s) return 0;
  t->s = s;
  t->n = 1;
  t->kind = *s;
  if (strchr("\"'`[", *s)) {
    const char *end = quoted_end(s + 1, *s == '[' ? ']' : *s);

    t->kind = *s == '\'' ? '\'' : '"';
    t->s = s + 1;
    t->n = (size_t)(end - t->s);
    *at = *end ? end + 1 : end;
    return 1;
  }
  if (is_word(*s)) {
    t->kind = 'w';
    while (is_word(s[t->n])) t->n++;
  }
  *at = s + t->n;
  return 1;
}

static int is_name(const token *t, const char *name) {
  return strlen(name) == t->n && sqlite3_strnicmp(t->s, name, (int)t->n) == 0;
}

int cq_named_first(const char *sql, const char *word) {
  token t;

  return next_token(&sql, &t) && is_name(&t, word);
}

/* How a text calls a function: as a person does, in quotes, or both. */
enum { PLAIN = 1, QUOTED = 2 };

static int calls(const char *sql, const char *name) {
  token t, before = {"", 0, 0};
  int how = 0;

  for (; next_token(&sql, &t); before = t)
    if (t.kind == '(' && is_name(&before, name))
      how |= before.kind == 'w' ? PLAIN : QUOTED;
  return how;
}

/* 'schema'.'table' */
static int searches(const char *sql, const char *name) {
  token t, dot = {"", 0, 0}, schema = dot;

  for (; next_token(&sql, &t); schema = dot, dot = t)
    if (t.kind == '\'' && dot.kind == '.' && schema.kind == '\'' &&
        is_name(&t, name))
      return 1;
  return 0;
}

/* How the texts of a schema call the function; -1: they cannot be read. */
static int schema_calls(sqlite3 *db, const char *from, const char *name) {
  char *sql = sqlite3_mprintf("SELECT sql FROM %s", from);
  sqlite3_stmt *s = NULL;
  int how = 0, rc = SQLITE_NOMEM;

  if (sql) rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);
  while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(s, 0);

    if (text) how |= calls(text, name);
    rc = SQLITE_OK;
  }
  sqlite3_finalize(s);
  sqlite3_free(sql);
  return rc == SQLITE_DONE ? how : -1;
}

/* The temporary schema is the user's own. */
static int temp_calls(sqlite3 *db, const char *name) {
  int how = schema_calls(db, "sqlite_temp_schema", name);

  return how > 0 && how & PLAIN;
}

/* Does a table of a file call it?  No such table is of use, so nobody has one. */
static int tables_call(sqlite3 *db, const char *name) {
  sqlite3_stmt *s = NULL;
  int how = 0,
      rc = sqlite3_prepare_v2(db, "PRAGMA database_list", -1, &s, NULL);

  while (rc == SQLITE_OK && !how && (rc = sqlite3_step(s)) == SQLITE_ROW) {
    const char *schema = (const char *)sqlite3_column_text(s, 1);
    char *from = sqlite3_mprintf("\"%w\".sqlite_master WHERE type = 'table'",
                                 schema ? schema : "main");

    if (!from)
      rc = SQLITE_NOMEM;
    else if (sqlite3_stricmp(schema, "temp") != 0)
      how = schema_calls(db, from, name);
    sqlite3_free(from);
    if (rc == SQLITE_ROW) rc = SQLITE_OK;
  }
  sqlite3_finalize(s);
  return how || (rc != SQLITE_OK && rc != SQLITE_DONE);
}

/* The text of a running statement; NULL of another. */
static const char *running(sqlite3_stmt *s) {
  return sqlite3_stmt_busy(s) ? sqlite3_sql(s) : NULL;
}

int cq_named_call(sqlite3 *db, const char *name) {
  int how = 0, writes = 0;

  for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(db, s)) != NULL;) {
    const char *sql = running(s);

    if (!sql) continue;
    how |= calls(sql, name);
    writes |= !sqlite3_stmt_readonly(s);
  }
  if (how & QUOTED) return 0;
  /* Of a statement that names it and writes, it may be the CHECK that calls. */
  if (writes && tables_call(db, name)) return 0;
  return how || temp_calls(db, name);
}

int cq_named_by_search(sqlite3 *db, sqlite3_vtab *vtab, const char *name) {
  cq_error err = {0, ""};

  for (sqlite3_stmt *s = NULL; (s = sqlite3_next_stmt(db, s)) != NULL;) {
    const char *sql = running(s);

    if (!sql || !searches(sql, name)) continue;
    cq_error_set(&err, CQ_MISUSE, "unsafe use of virtual table \"%s\"", name);
    cq_error_hint(&err, "the schema of a database has it searched (content=), "
                        "not this statement");
    return cq_vtab_error(vtab, &err);
  }
  return SQLITE_OK;
}
