/* bench/floor.h: what the floors share (floor.c): all but the parser.
 *
 * A floor is the loop that a person would write instead of using cq: libcurl
 * fetches a page, a parser reads it, a prepared statement inserts the wanted
 * columns of each record; one thread, one transaction, default journal, next
 * page by the Link header.
 *
 *   floor_X [--key] [--each NAME=COUNT]... FILE.db (TABLE COLUMNS URL)...
 *
 * COLUMNS is "name:TYPE=path,name:TYPE=path": a path is a key, or two with a
 * dot; {NAME} is the value that stands in the URL.  A URL with {NAME} is
 * fetched for each of COUNT values, one with {id} for each id of the table
 * before.  With --key the first column is the key, and what is there already
 * is updated.  Prints the rows, nothing else. */
#ifndef CQ_BENCH_FLOOR_H
#define CQ_BENCH_FLOOR_H

#include <stddef.h>

#include <sqlite3.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FLOOR_COLUMNS = 512, FLOOR_PADDING = 64, FLOOR_LOOPS = 4 };

typedef struct floor_column {
  const char *name, *type;
  const char *key;   /* of the record */
  const char *below; /* the key inside it, or NULL */
} floor_column;

typedef struct floor_loop {
  const char *name;
  long count;
} floor_loop;

typedef struct floor {
  char *body; /* of the page; FLOOR_PADDING bytes behind it are readable */
  size_t size, cap;
  sqlite3_stmt *insert; /* parameter i + 1 is column[i] */
  floor_column column[FLOOR_COLUMNS];
  int ncolumn;
  long rows;

  /* Of floor.c alone. */
  sqlite3 *db;
  void *curl;
  char next[2048];
  int keyed;
  floor_loop loop[FLOOR_LOOPS];
  int nloop;
} floor_t;

/* Inserts each record of f->body: binds its columns, calls floor_row.
 * `columns_changed` is true on the first page of a table. */
typedef void floor_page_fn(floor_t *f, int columns_changed);

int floor_main(int argc, char **argv, floor_page_fn *page);
void floor_row(floor_t *f);
#if defined(__GNUC__)
__attribute__((noreturn))
#endif
void floor_die(const char *what, const char *why);

#ifdef __cplusplus
}
#endif
#endif
