/* vtab/context.h: the parts of a connection's context, for the files of vtab/
 * that keep them. */
#ifndef CQ_VTAB_CONTEXT_H
#define CQ_VTAB_CONTEXT_H

#include "vtab/vtab.h"

struct ctx_value { /* cq_config('<integration>.<key>', value) */
  struct ctx_value *next;
  char *integration, *key, *value;
};
struct ctx_source {
  struct ctx_source *next;
  char *name; /* of the integration */
  cq_source *source;
};
typedef struct live_name { /* client data of a module */
  cq_ctx *ctx;
  const char *table; /* embedded, or in the chunk's arena */
} live_name;
struct ctx_chunk { /* names that were registered together */
  struct ctx_chunk *next;
  cq_arena names;
  live_name *module;
};

/* Keeps (value NULL: forgets) what cq_config() was told. */
int cq_ctx_put(cq_ctx *c, const char *integration, const char *key,
               const char *value, cq_error *err);
/* The value in force as text; *null where there is none. */
int cq_ctx_config_text(cq_ctx *c, const cq_integration *in,
                       const cq_config_def *d, cq_buf *out, int *null,
                       cq_error *err);

#endif
