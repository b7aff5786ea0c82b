/* ext/spec/template.h: what template.c, eval.c, address.c and filters*.c share. */
#ifndef CQ_TEMPLATE_H
#define CQ_TEMPLATE_H

#include "spec/spec.h"

typedef enum expr_kind {
  E_LITERAL,
  E_REF,
  E_LIST,
  E_FILTER,
  E_OP,
  E_NOT,
  E_IF
} expr_kind;
typedef enum expr_op {
  OP_OR,
  OP_AND,
  OP_EQ,
  OP_NE,
  OP_LT,
  OP_LE,
  OP_GT,
  OP_GE,
  OP_IN
} expr_op;

typedef struct cq_filter cq_filter;
typedef struct expr {
  unsigned kind : 8; /* an expr_kind: which of those below there is */
  unsigned op : 8;   /* OP: an expr_op */
  unsigned narg : 16;
  union {
    cq_value literal;
    cq_ref *ref;
    struct {
      struct expr *a; /* OP, NOT, FILTER: its operand; IF: a if b else c */
      union {
        struct {
          struct expr *b, *c;
        };
        struct {
          struct expr **args; /* FILTER, LIST */
          const cq_filter *filter;
        };
      };
    };
  };
} expr;

typedef struct part {
  cq_value text; /* literal, or */
  expr *e;
} part;

struct cq_template {
  const char *text;
  part *parts;
  size_t npart;
  cq_ref **refs;
  size_t nref;
  int constant;
};

/* eval.c: one expression; and a value's text, encoded for where it stands. */
int cq_expr_eval(const cq_context *c, cq_arena *a, const expr *e, cq_value *out,
                 cq_error *err);
int cq_expr_encode(cq_buf *b, const expr *e, const cq_value *text,
                   cq_place place, cq_error *err);

/* filters.c: a place of `format` at s, {} or {2}: how long it is, 0 = none;
 * which of the values stands there, of which *next is the one for {}. */
size_t cq_format_place(const char *s, size_t n, size_t *next, size_t *which);

/* in NULL is a legal input: filters say what they make of it. */
#define CQ_FILTER_ARGS                                                         \
  const cq_value *in, const cq_value *args, size_t narg, cq_arena *a,          \
      cq_value *out, cq_error *err
struct cq_filter {
  const char *name;
  int min, max; /* arguments */
  int (*run)(CQ_FILTER_ARGS);
};
/* As text; NULL stays NULL. */
int cq_filter_text(cq_arena *a, const cq_value *v, cq_value *t, cq_error *err);
/* A copy as text or JSON. */
int cq_filter_give(cq_arena *a, const char *s, size_t n, int json,
                   cq_value *out, cq_error *err);
/* filters_time.c */
int cq_filter_epoch(CQ_FILTER_ARGS);
int cq_filter_epoch_ms(CQ_FILTER_ARGS);
int cq_filter_date(CQ_FILTER_ARGS);
int cq_filter_plus(CQ_FILTER_ARGS);
/* filters_json.c */
int cq_filter_first(CQ_FILTER_ARGS);
int cq_filter_last(CQ_FILTER_ARGS);
int cq_filter_keys(CQ_FILTER_ARGS);
int cq_filter_values(CQ_FILTER_ARGS);
int cq_filter_to_map(CQ_FILTER_ARGS);
int cq_filter_split(CQ_FILTER_ARGS);
int cq_filter_join(CQ_FILTER_ARGS);
int cq_filter_concat(CQ_FILTER_ARGS);
int cq_filter_objects(CQ_FILTER_ARGS);
int cq_filter_find(CQ_FILTER_ARGS);
int cq_filter_get(CQ_FILTER_ARGS);
int cq_filter_contains(CQ_FILTER_ARGS);
int cq_filter_length(CQ_FILTER_ARGS);
int cq_filter_without(CQ_FILTER_ARGS);
int cq_filter_hash(CQ_FILTER_ARGS);
int cq_filter_json(CQ_FILTER_ARGS);
int cq_filter_from_json(CQ_FILTER_ARGS);
int cq_filter_from_yaml(CQ_FILTER_ARGS);
int cq_filter_from_xml(CQ_FILTER_ARGS);
const cq_filter *cq_filter_named(const char *name, size_t n);
/* For "did you mean": the i-th name or NULL. */
const char *cq_filter_name(size_t i);
int cq_value_truth(const cq_value *v);

#endif
