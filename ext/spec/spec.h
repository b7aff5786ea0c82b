/* ext/spec/spec.h: what is asked for: YAML trees, paths, templates, and the
 * integrations that YAML files define.
 *
 * Everything that the loader returns is immutable and refcounted as a whole
 * (cq_integration), so that scans read it without locks.  Positions (file and
 * line) survive into every error.  The words of the format are documented in
 * docs/integrations.md; the meaning of each field below is the meaning there. */
#ifndef CQ_SPEC_H
#define CQ_SPEC_H

#include "data/data.h"

/* ---- tree: YAML or JSON as maps, lists and scalars with their lines ---- */
typedef enum cq_node_kind {
  CQ_N_NULL,
  CQ_N_SCALAR,
  CQ_N_LIST,
  CQ_N_MAP
} cq_node_kind;
typedef struct cq_node {
  const char *file;       /* display name */
  const char *text;       /* SCALAR */
  struct cq_node **items; /* LIST items, MAP values */
  const char **keys;      /* MAP; NULL for LIST */
  const int *key_lines;
  int line;            /* 1-based */
  unsigned count : 29; /* LIST items, MAP entries */
  unsigned kind : 2;   /* a cq_node_kind */
  unsigned quoted : 1; /* scalar was quoted: is text whatever it looks like */
} cq_node;
/* All nodes live in the arena.  JSON is read by the same parser (it is YAML's
 * subset); duplicate keys, tags, and more than one document are errors.
 * Aliases and `<<` merges are expanded within CQ_MAX_SPEC_NODES. */
int cq_tree_parse(cq_arena *a, const char *file, const char *text, size_t n,
                  cq_node **out, cq_error *err);
/* The same of a part of the file that begins behind so many of its lines; the
 * file's name must last as long as the arena. */
int cq_tree_parse_part(cq_arena *a, const char *file, int lines,
                       const char *text, size_t n, cq_node **out,
                       cq_error *err);
cq_node *cq_tree_get(const cq_node *map, const char *key); /* or NULL */
/* Overlays `over` on `base` (maps merge key by key; `~` removes a key; others
 * replace) into a new node. */
int cq_tree_merge(cq_arena *a, const cq_node *base, const cq_node *over,
                  cq_node **out, cq_error *err);
/* The node as JSON text (scalars typed by YAML's core schema). */
int cq_tree_json(const cq_node *n, cq_buf *out);
/* Error "file:line: object: ..." */
int cq_tree_error(cq_error *err, const cq_node *at, const char *fmt, ...)
    CQ_PRINTF(3, 4);
/* An unknown key among `known` (n words) is an error that names the nearest. */
int cq_tree_check_keys(const cq_node *map, const char *object,
                       const char *const *known, size_t n, cq_error *err);

/* ---- keys.c: the value at a key, checked; what is missing, or null, leaves
 * *out as it was ---- */
int cq_tree_text(const cq_node *map, const char *key, const char **out,
                 cq_error *err);
int cq_tree_bool(const cq_node *map, const char *key, int *out, cq_error *err);
int cq_tree_int(const cq_node *map, const char *key, int64_t least,
                int64_t most, int64_t *out, cq_error *err);
/* One of n words: its index. */
int cq_tree_choice(const cq_node *map, const char *key,
                   const char *const *words, size_t n, int *out, cq_error *err);
/* A list of texts, or one text. */
typedef struct cq_words {
  size_t n;
  const char **v;
  const cq_node **at;
} cq_words;
int cq_tree_words(cq_arena *a, const cq_node *map, const char *key,
                  cq_words *out, cq_error *err);

/* ---- paths: `a.b`, `[0]`, `[*]`, `["odd name"]`, `.*`, `@key`, `@attr`, `.` */
typedef enum cq_step_kind {
  CQ_STEP_KEY,    /* .name */
  CQ_STEP_INDEX,  /* [3], from 0 */
  CQ_STEP_EACH,   /* [*]: the elements of an array (XML: each such element) */
  CQ_STEP_VALUES, /* .*: the values of an object */
  CQ_STEP_MAPKEY, /* @key: below `.*`, the key itself */
  CQ_STEP_ATTR    /* @name: an XML attribute */
} cq_step_kind;
typedef struct cq_step {
  const char *name; /* KEY, ATTR */
  unsigned len : 29;
  unsigned kind : 3; /* a cq_step_kind */
  int index;         /* INDEX */
} cq_step;
typedef struct cq_path {
  const char *text; /* as written */
  int nstep;        /* 0: the value itself, written "." */
  cq_step *steps;
} cq_path;
int cq_path_parse(cq_arena *a, const char *text, size_t n, cq_path **out,
                  cq_error *err);
/* Walks a small JSON text: first match into out (borrowed or arena); NULL
 * where nothing is there. */
int cq_path_get(cq_arena *a, const cq_path *p, const char *json, size_t n,
                cq_value *out, cq_error *err);

/* ---- numbers.c: JSON trees whose numbers stay as they were written ------- */
struct json_t;
struct json_error_t;
/* As json_loadb and json_dumps, of any value. */
struct json_t *cq_numbers_load(const char *s, size_t n,
                               struct json_error_t *why);
char *cq_numbers_dump(const struct json_t *j, size_t flags);
/* The text of a number that the library does not hold, n bytes; NULL: it is
 * none of these. */
const char *cq_numbers_text(const struct json_t *j, size_t *n);
struct json_t *cq_numbers_real(double r);
/* A tree as a value: an integer, a real, a text, JSON; *out NULL of null. */
int cq_numbers_value(cq_arena *a, const struct json_t *j, cq_value *out);

/* ---- templates -------------------------------------------------------- */
/* Text with `{{ expr }}`: dotted names, literals ('text', 12, true, null, [..]),
 * filters `| name(arg, ..)`, comparisons == != < <= > >=, and or not, in,
 * `a if cond else b`, `a or b`, parentheses.  No loops, no assignments.
 * A string that is one whole {{ }} keeps the value's type. */
typedef enum cq_root {
  CQ_R_CONFIG, /* the source's spec, defaults applied */
  CQ_R_CLIENT, /* attributes of the client: account_id, region, ... */
  CQ_R_WHERE, /* pushed-down constraints: name = column; .min .max for ranges */
  CQ_R_PARENT,   /* columns of the parent row (batched: lists) */
  CQ_R_ROW,      /* columns of this row that are already read */
  CQ_R_RECORD,   /* the answer's element; path below it */
  CQ_R_DETAIL,   /* the record of the column's call; path below it */
  CQ_R_RESPONSE, /* body.<path>, headers.<name>, status, url */
  CQ_R_CURSOR,   /* from, to */
  CQ_R_PAGE,     /* size, number, token, offset */
  CQ_R_EACH,     /* the value of an `each` list */
  CQ_R_RUN,      /* time, date */
  CQ_R_DATA,     /* what the root file has under `data` */
  CQ_R_JOB,      /* what starting the table's job gave */
  CQ_R_COUNT
} cq_root;
typedef struct cq_ref {
  const char *name; /* first word after the root; "" for the root itself */
  cq_path *path;    /* RECORD, DETAIL, RESPONSE.body: whole path below root;
                        others: what follows name, applied by the engine */
  cq_root root;
  int slot; /* ROW: column; RECORD, DETAIL: slot of the table;
                        PARENT: column of the parent table; else -1 */
} cq_ref;
typedef struct cq_template cq_template; /* opaque, lives in an arena */
typedef struct cq_context {
  void *user;
  /* The value of a name; NULL value = missing.  Memory: arena or longer. */
  int (*get)(void *user, const cq_ref *ref, cq_arena *a, cq_value *out,
             cq_error *err);
} cq_context;
/* roots: bit set of CQ_R_* that may be named here (1u << root).  The text must
 * last as long as the arena. */
int cq_template_parse(cq_arena *a, const cq_node *at, const char *text,
                      unsigned roots, cq_template **out, cq_error *err);
/* place: how interpolated parts of a mixed text are encoded. */
typedef enum cq_place {
  CQ_PLACE_PLAIN,
  CQ_PLACE_PATH,
  CQ_PLACE_QUERY,
  CQ_PLACE_HEADER
} cq_place;
/* A part without a value makes the whole value missing (NULL), except after
 * default(); required() makes it an error. */
int cq_template_eval(const cq_template *t, const cq_context *c, cq_place place,
                     cq_arena *a, cq_value *out, cq_error *err);
int cq_template_true(const cq_template *t, const cq_context *c, cq_arena *a,
                     int *out, cq_error *err);
/* ---- address.c: who chooses where a request goes ----------------------- */
typedef enum cq_whence {
  CQ_BY_OWNER, /* the definition, the configuration, the environment */
  CQ_BY_QUERY,
  CQ_BY_ANSWER /* of a server */
} cq_whence;
/* As cq_template_eval with CQ_PLACE_PLAIN; out->whence: the least trusted of
 * what the value is made of. */
int cq_template_whence(const cq_template *t, const cq_context *c, cq_arena *a,
                       cq_value *out, cq_error *err);
/* The text of an address; out->whence: who has chosen its scheme, host and
 * port.  What a query or an answer gives may be labels below a domain of the
 * owner's, and is encoded behind the host; what is no label there is an
 * error. */
int cq_template_address(const cq_template *t, const cq_context *c, cq_arena *a,
                        cq_value *out, cq_error *err);
/* At load: is there surely a case in which a row, an answer or the query's
 * WHERE chooses the host? */
int cq_template_chooses_host(const cq_template *t);
/* The names that it uses (mutable: the loader fills slot). */
cq_ref *const *cq_template_refs(const cq_template *t, size_t *n);
const char *cq_template_text(const cq_template *t);
int cq_template_constant(const cq_template *t); /* has no {{ }} */

/* ---- xml.c: elements as JSON ------------------------------------------- */
/* Local names, each once, so that equal ones are one pointer. */
typedef struct cq_xname {
  size_t len;
  uint64_t visit;        /* linking siblings: the parent at work, and ... */
  struct cq_xnode *tail; /* ... the last of this name there */
  char text[];
} cq_xname;
/* An element, or an attribute with '@' before its name. */
typedef struct cq_xnode {
  cq_xname *name;
  struct cq_xnode *next;         /* sibling */
  struct cq_xnode *first, *last; /* children */
  struct cq_xnode *same;         /* next sibling of the same name */
  int head;                      /* no sibling of that name is before it */
  int elements;                  /* children that are no attributes */
  const char *text;
  size_t len;
} cq_xnode;
/* The children of a finished element get their same and head. */
void cq_xml_link(cq_xnode *parent, uint64_t visit);
int cq_xml_blank(const cq_xnode *n); /* no text but white space */
int cq_xml_item(const cq_xnode *n);  /* named as AWS names lists' elements */
/* JSON without a shape: children make an object, an attribute is "@name", what
 * repeats is a list, and so are the children named member or item. */
void cq_xml_guess(cq_buf *out, const cq_xnode *n);
void cq_xml_guess_list(cq_buf *out, const cq_xnode *n); /* n and its `same` */
/* A small document: its root element, guessed.  CQ_ERROR: it is none. */
int cq_xml_json(cq_buf *out, const char *text, size_t n);

/* ---- shapes: the record types of JSON columns -------------------------- */
typedef enum cq_shape_kind {
  CQ_SH_SCALAR,
  CQ_SH_OBJECT,
  CQ_SH_LIST,
  CQ_SH_MAP
} cq_shape_kind;
typedef struct cq_shape cq_shape;
typedef struct cq_member {
  const char *name; /* key in our JSON */
  const char *wire; /* key or element in the answer */
  const cq_shape *shape;
} cq_member;
struct cq_shape {
  cq_shape_kind kind;
  int type; /* SCALAR: cq_type; text integer real boolean timestamp blob json */
  const char *format; /* SCALAR timestamp: epoch, epoch_ms, ... or NULL */
  size_t nmember;     /* OBJECT */
  cq_member *members;
  const cq_shape *item;  /* LIST, MAP: element.  References may be cyclic. */
  const char *wire_item; /* XML LIST: wrapper child ("member", "item"); NULL =
                            flattened: the element itself repeats */
  const char *wire_key, *wire_value,
      *wire_entry; /* XML MAP: entry, key, value */
};

/* ---- an integration ---------------------------------------------------- */
typedef struct cq_integration cq_integration;
typedef struct cq_table cq_table;

typedef struct cq_param { /* one name: template pair; order as written */
  const char *name;
  cq_template *value;
  cq_node *tree; /* json bodies: a tree whose strings are templates */
} cq_param;

typedef struct cq_json_tpl cq_json_tpl; /* a body: tree of templates */
int cq_json_tpl_eval(const cq_json_tpl *t, const cq_context *c, cq_buf *out,
                     cq_error *err); /* members without a value are left out */
cq_ref *const *cq_json_tpl_refs(const cq_json_tpl *t, size_t *n);

typedef struct cq_request_def {
  const cq_node *at;
  const char *method; /* GET, POST, ... */
  cq_template *url;   /* scheme://host[/base] */
  cq_template *path;  /* appended; or NULL */
  size_t nquery, nheader, nform;
  cq_param *query, *header, *form;
  cq_json_tpl *json; /* body as JSON, or NULL */
  cq_template *body; /* body as text, or NULL */
  /* parameters of the auth scheme that a request may override: service,
   * region, ... (name: template), merged over auth's own. */
  size_t nauth;
  cq_param *auth;
  const char *auth_name; /* which of the integration's auths; NULL = first
                               that applies; "none" */
  const char *decode;    /* json (default), ndjson, xml, csv */
  int idempotent;        /* may be retried and cached (GET, or `safe: true`) */
  const char *operation; /* name for limits, logs and cq_explain: `action` */
  struct {               /* the document stands in the answer, as a text */
    cq_path *path;       /* NULL = none */
    const char *encoding, *decode; /* base64 or NULL; as the other decode */
  } inner;
} cq_request_def;
/* The names that its templates use, those of one at a time.  An answer other
 * than CQ_OK ends it, and is given. */
typedef int (*cq_refs_fn)(void *user, cq_ref *const *refs, size_t n);
int cq_request_refs(const cq_request_def *r, cq_refs_fn fn, void *user);

typedef enum cq_page_by {
  CQ_PAGE_NONE,
  CQ_PAGE_TOKEN,
  CQ_PAGE_URL,
  CQ_PAGE_LINK,
  CQ_PAGE_NUMBER,
  CQ_PAGE_OFFSET,
  CQ_PAGE_LAST,
  CQ_PAGE_GRAPHQL
} cq_page_by;
typedef struct cq_page_def {
  cq_page_by by;
  cq_path *token; /* TOKEN URL: where the next one stands; LAST: path in
                           the record; GRAPHQL: the pageInfo object */
  const char *token_header; /* or in this header */
  cq_path *more;    /* a boolean that says whether more follows, or NULL */
  cq_path *total;   /* NUMBER: pages in all; OFFSET: items in all; or NULL */
  int64_t start;    /* NUMBER: first number (1), OFFSET: 0 */
  int64_t size;     /* {{ page.size }}; 0 = not sent */
  int64_t max_size; /* LIMIT may lower it, never above */
  int64_t min_size; /* LIMIT never lowers the size below it */
  int64_t max_pages;
  int same_is_last; /* the last page names itself as the next one */
  const char *const
      *whole;    /* parameters that table_options may add beside which */
  size_t nwhole; /* the API takes no size */
  size_t ntoken; /* TOKEN of several values: {name: path, ...}; then */
  const char *const *token_names; /* page.token is an object of those found */
  cq_path **token_paths;
} cq_page_def;

typedef enum cq_action {
  CQ_ACT_FAIL,
  CQ_ACT_RETRY,
  CQ_ACT_EMPTY,
  CQ_ACT_SKIP_ROW,
  CQ_ACT_SKIP_CLIENT,
  CQ_ACT_REFRESH_AUTH,
  CQ_ACT_OK,
  CQ_ACT_DENIED, /* may not be read: others go on, and it is told as missing */
  CQ_ACT_CLOCK   /* once more by the clock of the answer's Date; the rule fits
                    only where that is another than ours */
} cq_action;
typedef struct cq_error_rule {
  const cq_node *at;
  int nstatus;
  const int *status; /* any of; 4xx written 400..499: lo, hi pairs */
  size_t ncode;
  const char *const *code; /* globs on the error code */
  size_t nheader;
  const cq_param *header; /* header equals (template constant) */
  const char *text;       /* glob on the message or body */
  cq_action then;
  const char *after;   /* header with seconds, date or epoch */
  int throttle;        /* counts as throttling: slow down */
  const char *message; /* what to do: becomes the hint */
  const char *lacks;   /* a regular expression: its group 1 in the message is
                          the permission that is missing; or NULL */
} cq_error_rule;
typedef struct cq_errors_def {
  size_t nrule;
  const cq_error_rule *rule; /* first match wins; table's before
                                              service's before integration's */
  size_t ncode;
  cq_path **code;          /* where the body holds the code */
  const char *code_header; /* or this header (up to ':' or '#') */
  size_t nmessage;
  cq_path **message;
  int in_200; /* a code in a 2xx body is an error */
} cq_errors_def;

typedef struct cq_limits_def {
  double rate; /* requests a second, 0 = none */
  double burst;
  int concurrency; /* at once, 0 = default */
  size_t nscope;
  const char *const
      *scope; /* client attributes, "service", "operation", "host" */
  const char *remaining, *reset, *retry_after; /* header names or NULL */
  /* Over config and client: tries after the first, and seconds, NULL =
   * CQ_MAX_RETRIES, 20; whether throttled answers teach a rate. */
  cq_template *retries, *max_pause, *adaptive;
} cq_limits_def;

typedef enum cq_where_op {
  CQ_W_EQ = 1,
  CQ_W_IN = 2,
  CQ_W_LT = 4,
  CQ_W_LE = 8,
  CQ_W_GT = 16,
  CQ_W_GE = 32,
  CQ_W_LIKE = 64
} cq_where_op;

typedef struct cq_nulls { /* texts that stand for no value */
  size_t n;
  const char *const *v;
} cq_nulls;

typedef enum cq_source_kind {
  CQ_FROM_PATH,
  CQ_FROM_VALUE,
  CQ_FROM_CLIENT,
  CQ_FROM_PARENT,
  CQ_FROM_EACH,
  CQ_FROM_CONFIG,
  CQ_FROM_WHERE
} cq_source_kind;
typedef struct cq_column {
  const cq_node *at;
  const char *name;
  const char *description;
  cq_path *path;      /* PATH: in the record, or in the call's record */
  cq_template *value; /* VALUE; CLIENT: where the client lacks it (`else`) */
  const char *from;   /* CLIENT EACH CONFIG WHERE: attribute name */
  const cq_shape *shape;
  const char *format;    /* of timestamps, see cq_value_convert */
  cq_value dflt;         /* `default:`, NULL kind = none */
  const cq_nulls *nulls; /* its own, or the table's; NULL = none */
  int type;
  cq_source_kind source;
  int16_t parent_column; /* PARENT: index in the parent table */
  int16_t call;          /* index of the call that must run; -1 = list record */
  uint8_t where;         /* CQ_W_* that the API takes */
  unsigned exact : 1;    /* the API's filter means precisely SQL's */
  unsigned
      required : 1; /* without a constraint on it (and no parent) no request can be made */
  unsigned hidden : 1, sensitive : 1, key : 1, cursor : 1;
} cq_column;

typedef struct cq_call {
  const cq_node *at;
  const char *name;
  cq_request_def *request;
  cq_path *rows;         /* batch or join: path of the records; else NULL */
  cq_path *record;       /* one record; "." = whole body */
  const cq_shape *shape; /* of the records, where all are the column */
  int batch;             /* rows per call; 1 = per row */
  cq_template *when;     /* condition on the row, or NULL */
  int join_slot;         /* batch/join: slot of the row's value ... */
  cq_path *join_record;  /* ... that equals this in the call's record */
  cq_page_def page;      /* pages of a list answer (joined) */
  cq_errors_def errors;
  cq_limits_def limits;
  unsigned needs;   /* bit set of calls that must be done before */
  size_t nafter;    /* their columns that the request names: it is made only */
  int after[16];    /* where all of them have a value */
  const char *list; /* not NULL: all records become one JSON list/map column */
} cq_call;

typedef struct cq_slot { /* what the decoder extracts */
  cq_path *path;
  const char *format;
  const cq_shape *shape;
  int type; /* CQ_JSON for raw extra slots keeps JSON text; 0 = as is */
  int call; /* -1 list record, else the call's record */
} cq_slot;

typedef struct cq_parent_def {
  const cq_table *table;  /* NULL = none; may be the table itself (a tree) */
  const char *table_name; /* resolved on first use: another file may hold it */
  cq_template *when;      /* on parent.* */
  const char *distinct;   /* parent column: equal values are asked once */
  int batch;              /* n parent rows per request (lists in parent.*); 1 */
  size_t ngiven;
  const char *const *given; /* parent columns that, when all
      wanted parent columns are among them and constrained by =/IN, make a
      parent row without asking */
  const char *rows; /* parent JSON column whose elements are our records */
} cq_parent_def;

typedef struct cq_dimension { /* of the multiplex */
  const cq_node *at;
  const char *name; /* account, region, org */
  size_t nover;
  const char *const *over;  /* dimensions before it */
  cq_template *values;      /* list of scalars or maps, or NULL */
  cq_request_def *discover; /* gives the values where `values` is missing or
                                holds a `*` pattern */
  cq_path *rows;
  /* One discovery for each value of `each` (client.<each> in its request), and
   * for each value below those that `children` finds. */
  const char *each;
  cq_template *each_values; /* no value: one discovery without it */
  cq_request_def *children; /* asked for each value, or NULL */
  cq_path *child_rows;      /* the values below it */
  cq_page_def child_page;
  int rows_optional; /* of both: where their place is missing there are none */
  cq_template *child_without; /* values that are left out, or NULL */
  cq_request_def
      *identify; /* one request a value, its record adds attributes */
  cq_path *record;
  size_t nattr; /* attributes from the answer: name, path/value */
  struct {
    const char *name;
    cq_path *path;
    cq_template *value;
    const char *login; /* what the login says, before any request */
  } * attr;
  const char *discover_permissions, *identify_permissions; /* JSON, or NULL */
  size_t nextra; /* further members that the maps of `values` may have */
  const char *const *extra;
  size_t nhidden; /* attributes that a test does not show */
  const char *const *hidden;
  cq_template *when; /* those are kept where true */
  const char *id;    /* attribute that names the value in _cq_client_id ... */
  size_t nid; /* ... or, where it is missing, the first of these that has */
  const char *const *ids; /* a value: `id` is the first of them */
  cq_page_def page;
  cq_errors_def errors;
  cq_limits_def limits; /* how often it is tried; quotas are the tables' */
  int optional;         /* no values and no discovery: one client without it */
} cq_dimension;

typedef struct cq_cursor_def {
  int column; /* -1 = not incremental */
  int order;  /* 1 asc, -1 desc (newest first: stop at the known), 0 none */
  cq_template *start; /* where the first run begins, or NULL = everything */
  int64_t lookback_us, window_us; /* 0 = none */
  int64_t keeps_us;   /* how far back the API can be asked; 0 = any time */
  int optional;       /* used only where a sync's source says so */
  const char *format; /* how cursor.from/to are sent: rfc3339 (default), epoch,
                         epoch_ms, date; minutes: how many of them ago */
} cq_cursor_def;

typedef struct cq_auth_def {
  const cq_node *at;
  const char *name;   /* for requests that name it */
  const char *scheme; /* none basic bearer api_key aws_sigv4 github_app ... */
  size_t nparam;
  cq_param *param;   /* templates over config, client */
  cq_template *when; /* taken where true (or NULL: where every template
                               without default has a value) */
} cq_auth_def;

/* The parameters that an `auth` of this scheme may have, up to NULL; NULL: no
 * such scheme.  What they mean is with the scheme, in http/auth. */
const char *const *cq_auth_words(const char *scheme);
/* What a login of this scheme can say of itself, up to NULL. */
const char *const *cq_auth_facts(const char *scheme);

struct cq_table {
  const cq_integration *integration;
  const cq_node *at;
  const char *name, *title, *description, *example, *service;
  int ncol;
  cq_column *columns;
  int nslot; /* columns first: slot i = column i; then extras */
  cq_slot *slots;
  cq_request_def
      *request; /* NULL: rows come from the parent's record or each */
  cq_path *rows;
  int rows_optional;      /* where their place is missing there are none */
  cq_template *rows_when; /* records for which it is false are no rows */
  cq_template *values;    /* the records themselves: no request is made */
  cq_nulls nulls;
  struct cq_get_def { /* asked instead where `when` holds: one request, whose
                         answer is one record */
    cq_request_def *request; /* NULL = none */
    cq_template *when;
    cq_path *record;
  } get;
  struct cq_below_def { /* a tree: asked for each record, until none is new */
    cq_request_def *request; /* NULL = none */
    cq_path *rows;
    cq_page_def page;
    int nslot; /* of the record, that the request names: what a node is */
    int slot[16];
  } below;
  struct cq_job_def {             /* goes before the request */
    cq_request_def *start, *poll; /* start may be NULL, poll NULL = no job */
    size_t nvalue;                /* of start's answer: job.<name> */
    const char *const *names;
    cq_path **paths;
    cq_path *path; /* in poll's answer */
    size_t nuntil, nfailed;
    const char *const *until, *const *failed;
    int64_t every_ms, most_ms;
  } job;
  struct cq_option_def {   /* what table_options may give the request */
    const char *name;      /* NULL = nothing */
    const cq_shape *shape; /* an object: its names -> the request's */
  } option;
  size_t neach;
  struct {
    const char *name;
    cq_template *values;
  } * each;
  cq_page_def page;
  cq_errors_def errors;
  cq_limits_def limits;
  size_t ncall;
  cq_call *calls;
  cq_parent_def parent;
  size_t nover;
  const int *over; /* dimensions, indexes in the integration */
  size_t nonly;
  struct {
    int dimension;
    size_t n;
    const char *const *values;
  } * only;
  cq_template *only_when; /* over client, config, where; or NULL */
  cq_cursor_def cursor;
  size_t nkey;
  const int *key;          /* column indexes */
  int paid;                /* asked only where config.use_paid_apis */
  const char *retired;     /* why no request is made any more, or NULL */
  int generated;           /* matched by no glob of a sync, but where asked */
  const char *permissions; /* JSON list, or NULL */
};
/* The table whose clients it runs over: itself, or its first ancestor. */
static inline const cq_table *cq_table_top(const cq_table *t) {
  for (int i = 0;
       i < CQ_MAX_PARENT_DEPTH && t->parent.table && t->parent.table != t; i++)
    t = t->parent.table;
  return t;
}
/* The table whose cursor decides what a run brings: this one, or one above it,
 * since below that it asks only below the parents that it is told of. */
static inline const cq_table *cq_table_cursor(const cq_table *t) {
  while (t->cursor.column < 0 && t->parent.table && t->parent.table != t)
    t = t->parent.table;
  return t->cursor.column >= 0 ? t : NULL;
}
/* Does a run bring only what has changed, without being told to? */
static inline int cq_table_incremental(const cq_table *t) {
  t = cq_table_cursor(t);
  return t && !t->cursor.optional;
}

typedef struct cq_config_def {
  const char *name;
  int type; /* CQ_TEXT INTEGER REAL BOOLEAN, CQ_JSON for list and map */
  int is_list, is_map;
  int items; /* of a list: the type of each, or 0 */
  int secret, optional;
  int required;    /* a member that must be there */
  int64_t min;     /* of an integer */
  const char *env; /* `default: "${NAME}"`: read from the environment */
  cq_value dflt;
  const char *description;
  int nmember; /* of a map, or of each map of a list; 0 = anything */
  struct cq_config_def *members;
  /* Over config and data: a list of all that a text, or the texts of a list,
   * may be (no value: anything); what is said beside the nearest. */
  cq_template *known;
  const char *known_message;
} cq_config_def;
typedef struct cq_config_rule { /* of all settings together */
  cq_template *when;            /* over config and data: refused where true */
  const char *setting;          /* where it is told */
  const char *message;
} cq_config_rule;

struct cq_integration {
  const char *name, *title, *description;
  int nconfig;
  cq_config_def *config;
  size_t ncheck;
  cq_config_rule *checks;
  int nauth;
  cq_auth_def *auth;
  size_t ntls;
  cq_param *tls; /* ca_file, client_cert, ...: templates over config, client */
  int ndim;
  cq_dimension *dims;
  cq_dimension *test; /* its `identify` is what cq_test asks, or NULL */
  int allow_file;     /* may read file:// URLs */
  size_t ndata;
  const char *const *data_names; /* `data`: what templates may look up ... */
  const cq_value *data;          /* ... each as JSON */
  const char *policy;  /* how permissions are written together, or NULL */
  size_t nalso;        /* permissions that no table names */
  cq_param *also;      /* each with when it is needed, over config */
  const char *aliases; /* CloudQuery plugin path, "cloudquery/aws" */
};

/* ---- the registry: every integration known to one connection ----------- */
typedef struct cq_registry cq_registry;
/* Knows the embedded names; parses nothing. */
int cq_registry_new(cq_registry **out, cq_error *err);
void cq_registry_unref(cq_registry *r);
/* Adds a user's file or folder; replaces an integration of the same name that
 * was added before, refuses the name of a built-in one. */
int cq_registry_load(cq_registry *r, const char *path, cq_error *err);
/* Table names in order, cheap (i from 0; NULL at the end). */
const char *cq_registry_table_name(const cq_registry *r, size_t i,
                                   const char **integration);
const char *cq_registry_integration_name(const cq_registry *r, size_t i);
/* Parses on first use only the root file and the file that holds the table.
 * Borrowed: lives as long as the registry. */
int cq_registry_table(cq_registry *r, const char *name, const cq_table **out,
                      cq_error *err);
/* The same for who goes through them all: nothing is kept of one that nobody
 * uses, and the definition is good until the next call. */
int cq_registry_look(cq_registry *r, const char *name, const cq_table **out,
                     cq_error *err);
int cq_registry_integration(cq_registry *r, const char *name,
                            const cq_integration **out, cq_error *err);
/* cq_table.generated, without loading the table. */
int cq_registry_generated(cq_registry *r, const char *name, int *yes,
                          cq_error *err);

/* ---- configuration of a source ----------------------------------------- */
/* Values of `config:` for one source: from a spec tree (or NULL), checked
 * against the definitions, defaults and environment applied. */
typedef struct cq_config cq_config;
int cq_config_new(const cq_integration *in, const cq_node *spec,
                  cq_config **out, cq_error *err);
cq_config *cq_config_ref(cq_config *c);
int cq_config_is_secret(const cq_config *c, const char *name);
int cq_config_pays(const cq_config *c); /* may requests cost money? */
void cq_config_unref(cq_config *c);     /* wipes secrets */
/* What its integration has under `data`. */
int cq_config_data(const cq_config *c, const char *name, cq_value *out);
int cq_config_get(const cq_config *c, const char *name,
                  cq_value *out); /* borrowed */
int cq_config_set(cq_config *c, const char *name, const char *value,
                  cq_error *err); /* text, JSON for lists */
/* When all are set: words that must be known ones, and the integration's
 * checks.  only: that setting alone, and no checks; NULL = all.  Errors have the
 * line of the spec that cq_config_new was given, or NULL. */
int cq_config_check(const cq_config *c, const cq_node *spec, const char *only,
                    cq_error *err);
/* Replaces every secret in `text` that the config holds by "***" in place. */
void cq_config_redact(const cq_config *c, char *text);

#endif
