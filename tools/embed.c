/* tools/embed.c: packs the definitions into a C file when cq is built.
 *
 *   embed OUT.c FILE...
 *
 * FILEs are vtab/<integration>/<name>.yml and sql/<name>.sql.  OUT.c gets what
 * ext/spec/embedded.h declares: each file as one zstd frame, and the names of
 * all tables, which are the keys of each YAML file's top-level `tables` map.
 * Beside each stands whether it is marked as generated, and where its lines
 * are, so that they can be read alone; not where a table has an anchor or an
 * alias, or shares a line with another.
 * Nothing else of a file is looked at here: the loader checks it at first use.
 * The output depends on the files' contents alone, so builds repeat. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>
#include <zstd.h>

enum { LEVEL = 19, UNSAID = -1 };

typedef struct source {
  const char *path;
  char integration[128]; /* "" for sql/ */
  int root;
  char *text;
  size_t size;
  int apart;     /* its tables can be read alone */
  int generated; /* what its defaults say */
  long end;      /* the line behind the last of them, from 0 */
} source;

typedef struct table {
  char *name;
  int file;
  int line; /* of its name, from 1 */
  long end; /* the line behind its last, from 0 */
  int generated;
} table;

static table *tables;
static size_t ntable, captable;

static void die(const char *path, long line, const char *fact) {
  if (line > 0) {
    fprintf(stderr, "%s:%ld: embed: %s\n", path, line, fact);
  } else {
    fprintf(stderr, "%s: embed: %s\n", path, fact);
  }
  exit(1);
}

static void *must(void *p) {
  if (p == NULL) die("memory", 0, "exhausted");
  return p;
}

static void read_file(source *s) {
  FILE *f = fopen(s->path, "rb");
  size_t cap = 1 << 16, n;
  if (f == NULL) die(s->path, 0, strerror(errno));
  s->text = must(malloc(cap));
  s->size = 0;
  while ((n = fread(s->text + s->size, 1, cap - s->size, f)) > 0) {
    s->size += n;
    if (s->size == cap) s->text = must(realloc(s->text, cap *= 2));
  }
  if (ferror(f)) die(s->path, 0, "cannot be read");
  fclose(f);
}

/* Whether the path is a definition's or an SQL file's, and whose. */
static void name_source(source *s) {
  const char *folder, *base;
  size_t n;
  if (strncmp(s->path, "sql/", 4) == 0) return;
  if (strncmp(s->path, "vtab/", 5) != 0) {
    die(s->path, 0, "is below neither vtab/ nor sql/");
  }
  folder = s->path + 5;
  base = strchr(folder, '/');
  if (base == NULL || strchr(base + 1, '/') != NULL) {
    die(s->path, 0, "is not vtab/<integration>/<file>.yml");
  }
  n = (size_t)(base - folder);
  if (n >= sizeof(s->integration)) die(s->path, 0, "name too long");
  memcpy(s->integration, folder, n);
  base++;
  s->root =
      strncmp(base, s->integration, n) == 0 && strcmp(base + n, ".yml") == 0;
}

static void add_table(const char *name, int file, int line) {
  if (ntable == captable) {
    captable = captable ? captable * 2 : 256;
    tables = must(realloc(tables, captable * sizeof(*tables)));
  }
  tables[ntable].name = must(strdup(name));
  tables[ntable].file = file;
  tables[ntable].line = line;
  tables[ntable].generated = UNSAID;
  ntable++;
}

/* Names must survive as C strings and as SQL identifiers without quotes. */
static int good_name(const char *s) {
  if (!((*s >= 'a' && *s <= 'z') || *s == '_')) return 0;
  for (; *s; s++) {
    if (!((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '_')) {
      return 0;
    }
  }
  return 1;
}

/* Where line number n, from 0, begins; the text's end behind the last. */
static size_t line_start(const source *s, long n) {
  const char *p = s->text, *end = s->text + s->size;
  while (n-- > 0 && p < end) {
    p = memchr(p, '\n', (size_t)(end - p));
    p = p ? p + 1 : end;
  }
  return (size_t)(p - s->text);
}

/* Only blanks stand before this place in its line. */
static int first_in_line(const source *s, const yaml_mark_t *at) {
  size_t n = line_start(s, (long)at->line);
  return at->column > 0 && strspn(s->text + n, " ") == at->column;
}

static int has_anchor(const yaml_event_t *e) {
  return e->type == YAML_ALIAS_EVENT ||
         (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor) ||
         (e->type == YAML_MAPPING_START_EVENT &&
          e->data.mapping_start.anchor) ||
         (e->type == YAML_SEQUENCE_START_EVENT &&
          e->data.sequence_start.anchor);
}

/* Each table ends where the next begins, the last where `tables` does. */
static void end_tables(source *s, size_t first, long end) {
  for (size_t i = first; i < ntable; i++)
    tables[i].end = i + 1 < ntable ? tables[i + 1].line - 1 : end;
  if (first < ntable) s->end = end;
  if (first == ntable) s->apart = 0;
}

/* Walks libyaml's events.  `depth` counts open collections; at depth 1 we are
 * between the keys of the top map, at depth 2 below `tables` between table
 * names.  want_key alternates with every value that ends at that depth. */
static void read_tables(source *s, int file) {
  yaml_parser_t parser;
  yaml_event_t event;
  int depth = 0, in_tables = 0, want_key = 1, done = 0;
  size_t first = ntable;
  s->apart = 1;
  if (!yaml_parser_initialize(&parser)) die("memory", 0, "exhausted");
  yaml_parser_set_input_string(&parser, (const unsigned char *)s->text,
                               s->size);
  while (!done) {
    long line;
    int ended = 0; /* a node at this depth is complete */
    if (!yaml_parser_parse(&parser, &event)) {
      die(s->path, (long)parser.problem_mark.line + 1,
          parser.problem ? parser.problem : "not YAML");
    }
    line = (long)event.start_mark.line + 1;
    if (in_tables && has_anchor(&event)) s->apart = 0;
    switch (event.type) {
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
      if (depth == 0 && event.type != YAML_MAPPING_START_EVENT) {
        die(s->path, line, "the top is not a map");
      }
      if (depth == 1 && in_tables && event.type != YAML_MAPPING_START_EVENT) {
        die(s->path, line, "tables is not a map");
      }
      if (depth == 1 && in_tables &&
          event.data.mapping_start.style != YAML_BLOCK_MAPPING_STYLE) {
        s->apart = 0;
      }
      if (((depth == 2 && in_tables) || depth == 1) && want_key) {
        die(s->path, line, "a key is not a plain word");
      }
      depth++;
      if (depth == 1 || (depth == 2 && in_tables)) want_key = 1;
      break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
      depth--;
      if (depth == 1 && in_tables) {
        end_tables(s, first,
                   event.start_mark.column ? (long)event.start_mark.line + 1
                                           : (long)event.start_mark.line);
      }
      if (depth == 1) in_tables = 0;
      ended = depth == 1 || (depth == 2 && in_tables);
      break;
    case YAML_ALIAS_EVENT:
    case YAML_SCALAR_EVENT:
      if (depth == 1 && want_key) {
        in_tables = event.type == YAML_SCALAR_EVENT &&
                    strcmp((char *)event.data.scalar.value, "tables") == 0;
        want_key = 0;
      } else if (depth == 2 && in_tables && want_key) {
        if (event.type != YAML_SCALAR_EVENT ||
            !good_name((char *)event.data.scalar.value)) {
          die(s->path, line,
              "a table's name is not lower-case letters, digits and _");
        }
        if (!first_in_line(s, &event.start_mark)) s->apart = 0;
        add_table((char *)event.data.scalar.value, file, (int)line);
        want_key = 0;
      } else {
        ended = depth == 1 || (depth == 2 && in_tables);
      }
      break;
    case YAML_STREAM_END_EVENT:
      done = 1;
      break;
    default:
      break;
    }
    if (ended) {
      want_key = 1;
      if (depth == 1) in_tables = 0;
    }
    yaml_event_delete(&event);
  }
  yaml_parser_delete(&parser);
}

static yaml_node_t *member(yaml_document_t *d, yaml_node_t *map,
                           const char *key) {
  yaml_node_pair_t *p;
  if (map == NULL || map->type != YAML_MAPPING_NODE) return NULL;
  for (p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top;
       p++) {
    yaml_node_t *k = yaml_document_get_node(d, p->key);
    if (k->type == YAML_SCALAR_NODE &&
        strcmp((char *)k->data.scalar.value, key) == 0) {
      return yaml_document_get_node(d, p->value);
    }
  }
  return NULL;
}

static int is_generated(yaml_document_t *d, yaml_node_t *map) {
  yaml_node_t *v = member(d, map, "generated");
  if (v == NULL || v->type != YAML_SCALAR_NODE) return UNSAID;
  return strcmp((char *)v->data.scalar.value, "true") == 0;
}

/* Which of a file's tables, from `first` on, are marked, and its defaults. */
static void read_generated(source *s, size_t first) {
  yaml_parser_t parser;
  yaml_document_t d;
  yaml_node_t *top;
  if (!yaml_parser_initialize(&parser)) die("memory", 0, "exhausted");
  yaml_parser_set_input_string(&parser, (const unsigned char *)s->text,
                               s->size);
  if (!yaml_parser_load(&parser, &d)) die(s->path, 0, "not YAML");
  top = yaml_document_get_root_node(&d);
  s->generated = is_generated(&d, member(&d, top, "defaults"));
  for (size_t i = first; i < ntable; i++) {
    tables[i].generated =
        is_generated(&d, member(&d, member(&d, top, "tables"), tables[i].name));
  }
  yaml_document_delete(&d);
  yaml_parser_delete(&parser);
}

/* A table's own word counts, else its file's, else that of the root. */
static void settle_generated(const source *src, int n) {
  for (size_t i = 0; i < ntable; i++) {
    const source *s = &src[tables[i].file];
    if (tables[i].generated == UNSAID) tables[i].generated = s->generated;
    for (int k = 0; k < n && tables[i].generated == UNSAID; k++) {
      if (src[k].root && strcmp(src[k].integration, s->integration) == 0) {
        tables[i].generated = src[k].generated;
      }
    }
  }
}

static void write_bytes(FILE *out, const unsigned char *p, size_t n) {
  for (size_t i = 0; i < n; i++) {
    fprintf(out, "%u,%s", p[i], i % 20 == 19 ? "\n" : "");
  }
  if (n == 0) fputs("0", out);
}

static size_t write_file(FILE *out, const source *s, int i) {
  size_t cap = ZSTD_compressBound(s->size), n;
  unsigned char *z = must(malloc(cap));
  n = ZSTD_compress(z, cap, s->text, s->size, LEVEL);
  if (ZSTD_isError(n)) die(s->path, 0, ZSTD_getErrorName(n));
  fprintf(out, "static const unsigned char data%d[] = {\n", i);
  write_bytes(out, z, n);
  fputs("};\n", out);
  free(z);
  return n;
}

/* A file's entry; its first table's line is where what is below `tables` begins. */
static void write_entry(FILE *out, const source *s, int i, size_t size) {
  long first = -1;
  for (size_t k = 0; k < ntable && s->apart && s->integration[0]; k++) {
    if (tables[k].file == i && (first < 0 || tables[k].line - 1 < first)) {
      first = tables[k].line - 1;
    }
  }
  fprintf(out, "  {\"%s\", \"%s\", data%d, %zu, %zu, %d, ", s->integration,
          s->path, i, size, s->size, s->root);
  if (first >= 0) {
    fprintf(out, "%zu, %zu, %ld},\n", line_start(s, first),
            line_start(s, s->end), s->end - first);
  } else {
    fputs("0, 0, 0},\n", out);
  }
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const source *)a)->path, ((const source *)b)->path);
}

static int by_name(const void *a, const void *b) {
  const table *s = a, *t = b;
  int c = strcmp(s->name, t->name);
  return c != 0 ? c
                : (s->file != t->file ? s->file - t->file : s->line - t->line);
}

int main(int argc, char **argv) {
  int n = argc - 2;
  source *src;
  size_t *size;
  FILE *out;
  if (argc < 2) {
    fprintf(stderr, "usage: embed OUT.c FILE...\n");
    return 2;
  }
  src = must(calloc((size_t)n + 1, sizeof(*src)));
  size = must(calloc((size_t)n + 1, sizeof(*size)));
  for (int i = 0; i < n; i++) {
    src[i].path = argv[i + 2];
    name_source(&src[i]);
    read_file(&src[i]);
  }
  qsort(src, (size_t)n, sizeof(*src), by_path);
  for (int i = 0; i < n; i++) {
    size_t first = ntable;
    if (!src[i].integration[0]) continue;
    read_tables(&src[i], i);
    read_generated(&src[i], first);
  }
  settle_generated(src, n);
  if (ntable > 0) qsort(tables, ntable, sizeof(*tables), by_name);
  for (size_t i = 1; i < ntable; i++) {
    if (strcmp(tables[i - 1].name, tables[i].name) == 0) {
      fprintf(stderr, "%s:%d: table %s: also defined at %s:%d\n",
              src[tables[i].file].path, tables[i].line, tables[i].name,
              src[tables[i - 1].file].path, tables[i - 1].line);
      return 1;
    }
  }

  out = fopen(argv[1], "w");
  if (out == NULL) die(argv[1], 0, strerror(errno));
  fputs("/* Written by tools/embed.c; do not edit. */\n"
        "#include \"spec/embedded.h\"\n\n",
        out);
  for (int i = 0; i < n; i++) size[i] = write_file(out, &src[i], i);
  fputs("\nconst cq_embedded_file cq_embedded_files[] = {\n", out);
  for (int i = 0; i < n; i++) {
    write_entry(out, &src[i], i, size[i]);
  }
  fprintf(out,
          "  {0, 0, 0, 0, 0, 0, 0, 0, 0}\n};\n"
          "const int cq_embedded_nfile = %d;\n",
          n);
  fputs("\nconst cq_embedded_table cq_embedded_tables[] = {\n", out);
  for (size_t i = 0; i < ntable; i++) {
    const source *s = &src[tables[i].file];
    fprintf(out, "  {&\"live_%s\"[5], \"%s\", %d, %zu, %zu, %d, %d},\n",
            tables[i].name, s->integration, tables[i].file,
            line_start(s, tables[i].line - 1), line_start(s, tables[i].end),
            tables[i].line - 1, tables[i].generated == 1);
  }
  fprintf(out,
          "  {0, 0, 0, 0, 0, 0, 0}\n};\n"
          "const int cq_embedded_ntable = %zu;\n",
          ntable);
  if (fclose(out) != 0) die(argv[1], 0, strerror(errno));
  for (size_t i = 0; i < ntable; i++) free(tables[i].name);
  for (int i = 0; i < n; i++) free(src[i].text);
  free(tables);
  free(size);
  free(src);
  return 0;
}
