/* ext/spec/embedded.h: the definitions compiled into cq.
 *
 * tools/embed.c writes the tables declared here at build time, out of
 * vtab/<integration>/<file>.yml and sql/<file>.sql.  All is constant data: the
 * names can be registered without reading any YAML, and a file is inflated
 * when it is first asked for. */
#ifndef CQ_SPEC_EMBEDDED_H
#define CQ_SPEC_EMBEDDED_H

#include <stddef.h>

typedef struct cq_embedded_file {
  const char *integration;   /* the folder below vtab; "" for sql/ */
  const char *path;          /* "vtab/aws/ec2.yml", "sql/runs.sql" */
  const unsigned char *data; /* one zstd frame */
  size_t size;               /* of data */
  size_t full;               /* of the file itself */
  int root;                  /* is vtab/<integration>/<integration>.yml */
  /* Where what stands below `tables` begins and ends, and how many lines that
   * is: each table's part can be read alone.  0, 0: only the whole file can. */
  size_t from, to;
  int lines;
} cq_embedded_file;

typedef struct cq_embedded_table {
  const char *name; /* a key of the file's top-level `tables`; in memory the
                       letters live_ stand before it */
  const char *integration;
  int file;        /* index into cq_embedded_files */
  size_t from, to; /* its lines in that file, unless file.to is 0 */
  int line;        /* of the first, from 0 */
  int generated;   /* is marked so */
} cq_embedded_table;

/* Sorted by path.  One entry more than the count is there, all zero. */
extern const cq_embedded_file cq_embedded_files[];
extern const int cq_embedded_nfile;

/* Sorted by name (strcmp), names unique.  Ends like the other. */
extern const cq_embedded_table cq_embedded_tables[];
extern const int cq_embedded_ntable;

#endif
