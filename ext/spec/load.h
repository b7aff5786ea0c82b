/* ext/spec/load.h: what the files of the loader share. */
#ifndef CQ_LOAD_H
#define CQ_LOAD_H

#include "spec/spec.h"

typedef struct own_common own_common; /* common.c */
/* An integration as the loader builds it; the public part first. */
typedef struct own_integration {
  cq_integration pub;
  cq_arena arena;
  cq_node *root;            /* tree of the root file */
  struct own_table *tables; /* loaded so far */
  struct own_shape *shapes;
  struct own_service *services;
  struct { /* templates and paths, by their texts */
    own_common **places;
    size_t n, room;
  } common;
} own_integration;
typedef struct own_table {
  struct own_table *next;
  cq_table pub;
  int linked; /* parent resolved */
} own_table;
typedef struct own_shape {
  struct own_shape *next;
  const char *name;
  cq_shape shape;
} own_shape;

/* What all tables of a file inherit, and the rules for errors of those that
 * have none of their own: made once. */
typedef struct own_service {
  struct own_service *next;
  const cq_node *file;
  cq_node *base;
  int has_errors;
  cq_errors_def errors;
} own_service;

/* Loading one thing: where names and memory come from. */
typedef struct load {
  own_integration *in;
  cq_arena *a;
  const cq_node *shapes[3]; /* service's, root's */
  cq_table *table;          /* being loaded, for row. and record. */
  struct slots {
    cq_slot *v;
    size_t n, cap;
  } slots;
  int call; /* whose record `detail` is; -1 */
  int shape_depth;
  cq_error *err;
} load;

int load_root(own_integration *in, cq_error *err);
/* A file of tables beside the root: which keys it has. */
int load_service(own_integration *in, const cq_node *service, cq_error *err);
/* The table `own` of a file; both trees, and the name, last as long as `in`. */
int load_table(own_integration *in, const cq_node *service, const char *name,
               const cq_node *own, own_table **out, cq_error *err);
/* Is it a table that globs leave out?  Its own word, its file's or the root's. */
int load_generated(const own_integration *in, const cq_node *service,
                   const cq_node *own);
/* config_def.c: `config`; then, when `data` is there, the words that settings
 * may be, and what must hold of all of them. */
int load_config(load *l, const cq_node *n);
int load_known(load *l, const cq_node *n);
int load_checks(load *l, const cq_node *n);
/* preset.c: `base` with the presets that `use` names over it. */
int load_presets(load *l, const cq_node *use, const cq_node *service,
                 cq_node *base, cq_node **out);
/* column.c: all columns of a table, whose calls have their names; then, after
 * the rest of it, the templates of those that are computed. */
int load_columns(load *l, const cq_node *n, const char *detail);
int load_column_values(load *l);
int load_column_index(const cq_table *t, const char *name); /* or -1 */
int load_unknown_column(load *l, const cq_node *at, const char *what,
                        const char *name);
/* link.c */
int load_link(own_table *t, const cq_table *parent, cq_error *err);
int load_request(load *l, const cq_node *n, const char *object, unsigned roots,
                 cq_request_def **out);
int load_page(load *l, const cq_node *n, const char *object, cq_page_def *out);
/* Of a list whose records are no rows: not by the last of them. */
int load_short_page(load *l, const cq_node *n, const char *object,
                    cq_page_def *out);
int load_errors(load *l, const cq_node *error, const cq_node *const *lists,
                size_t nlist, const char *object, cq_errors_def *out);
int load_limits(load *l, const cq_node *n, const char *object,
                cq_limits_def *out);
int load_shape(load *l, const cq_node *n, const cq_shape **out);
int load_template(load *l, const cq_node *n, unsigned roots, cq_template **out);
int load_path(load *l, const cq_node *n, cq_path **out);
/* common.c: each text compiled once for all tables.  The template's text lasts
 * as long as the integration; its names are still to be looked at. */
int load_template_text(load *l, const cq_node *at, const char *text,
                       unsigned roots, cq_template **out);
int load_path_text(load *l, const char *text, size_t n, cq_path **out);
int load_words(load *l, const cq_node *n, const char *const **out,
               size_t *count);
/* As JSON text; NULL where there is nothing. */
/* What `n` says of its request, over that of the defaults; null is none. */
int load_own_request(load *l, const cq_node *base, const cq_node *n,
                     const char *object, unsigned roots, cq_request_def **out);
int load_json_text(load *l, const cq_node *n, const char **out);
/* record./detail. references get slots of the table being loaded. */
int load_refs(load *l, const cq_node *at, cq_ref *const *refs, size_t n);
/* check.c: a text (or NULL), a truth, a number of a node that may be missing. */
const char *load_text(const cq_node *n);
int load_bool(const cq_node *n, int dflt);
int64_t load_int(const cq_node *n, int64_t dflt);
/* The keys of a map, with their kinds: see there.  Also CHECK below. */
int load_check(load *l, const cq_node *map, const char *object,
               const char *const *known, size_t n);
/* One of n words, by number; else the nearest, or all, are told. */
int load_choice(load *l, const cq_node *at, const char *what,
                const char *const *words, size_t n, const char *s, int *out);
int load_slot(load *l, const cq_path *p, int call);

/* call.c */
int load_call_names(load *l, const cq_node *n);
int load_calls(load *l, const cq_node *base, const cq_node *service,
               const cq_node *root);
/* `batch`: for how many rows one request is. */
int load_batch(load *l, const cq_node *n, const char *object, int *out);

/* origin.c */
int load_nulls(load *l, const cq_node *n, cq_nulls *out);
int load_rows_when(load *l, const cq_node *n);
int load_constants(load *l, const cq_node *n);
int load_below(load *l, const cq_node *n, const cq_node *request,
               const cq_node *page);
int load_job_names(load *l, const cq_node *n);
int load_job(load *l, const cq_node *n, const cq_node *request);
int load_option(load *l, const cq_node *n);
int load_origin_check(load *l, const cq_node *at);

/* config_check.c: is the value what the definition says?  The error is without
 * the place, which is in *at where it has one. */
typedef struct config_place {
  const char *file; /* NULL: none */
  int line;
} config_place;
int config_fits(const cq_config_def *d, const cq_node *v, config_place *at,
                cq_error *err);
/* config.c: where a spec says it; the text that a setting has, or NULL. */
void config_line(const cq_node *spec, const char *name, config_place *at);
const char *config_text(const cq_config *c, const cq_config_def *d);
const cq_integration *config_integration(const cq_config *c);

#define ROOT(r) (1u << CQ_R_##r)
enum { /* what every request of a table may name */
       LOAD_REQUEST_ROOTS = ROOT(CONFIG) | ROOT(CLIENT) | ROOT(WHERE) |
                            ROOT(PARENT) | ROOT(CURSOR) | ROOT(PAGE) |
                            ROOT(EACH) | ROOT(RUN) | ROOT(DATA)
};
#define CHECK(map, object, ...)                                                \
  do {                                                                         \
    static const char *const known_[] = {__VA_ARGS__};                         \
    if (load_check(l, (map), (object), known_,                                 \
                   sizeof known_ / sizeof *known_))                            \
      return CQ_ERROR;                                                         \
  } while (0)

#endif
