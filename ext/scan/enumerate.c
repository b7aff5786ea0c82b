/* ext/scan/enumerate.c: which requests a scan makes, one job after the other,
 * made lazily: clients x parent rows x values of IN lists and `each` x windows
 * of the cursor.
 *
 * Constraints prune here: on a client's attribute, on an `each` value and, in
 * parents.c, on a parent's column they save requests; what an API takes itself
 * stays in the job's `where`.  Pruning drops only what SQL's = would drop. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "scan/internal.h"

/* So near the end of what an API keeps, time that a request waits would put
 * what it asks for behind that end. */
#define MINUTE_US     INT64_C(60000000)
#define KEEPS_EDGE_US (60 * MINUTE_US)

typedef struct group { /* of jobs: one client, its parent row or rows */
  cq_arena arena;
  const cq_client *client;
  const cq_value **parents;
  size_t nparent;
  char *parent_key;
  size_t *radix;    /* IN columns, each lists, windows */
  cq_value **lists; /* values of each list */
  size_t total, at; /* jobs of the group; 0 = no group */
  int64_t from_us, to_us, step_us;
  int64_t known_us; /* from_us, where a stored cursor tells it; else 0 */
  int open;         /* the first window has no beginning */
} group;

struct cq_enum {
  const cq_scan_options *o;
  const cq_table *t, *parent;
  const cq_need *need;
  int64_t now_us;
  const cq_client *const *clients;
  size_t nclient, ci;
  cq_clients *found;              /* whose clients they are, or NULL */
  const cq_client **own_clients;  /* the pruned list */
  cq_arena own;                   /* clients made from constraints */
  cq_parents *parents;            /* rows of the parent table, or NULL */
  int ended;                      /* no more of them */
  json_t *cursors;                /* {parent key: value}, or NULL */
  const cq_constraint **variants; /* IN lists asked value by value */
  size_t nvariant;
  unsigned char *kept;  /* a byte per constraint: the API is not asked by it */
  const char **options; /* entries of table_options, a pass for each */
  size_t noption;
  group g;
  size_t ngroup;        /* so far */
  cq_value *batch_rows; /* parent rows collected for a batch */
  size_t nbatch;
  const cq_client *batch_client;
  cq_arena batch_arena;
  cq_scan_stats stats;
};

static int enum_required(const cq_enum *e, cq_error *err) {
  for (int i = 0; i < e->t->ncol; i++) {
    const cq_column *c = &e->t->columns[i];
    int have = 0;

    for (size_t k = 0; k < e->o->nconstraint; k++)
      have |= e->o->constraints[k].column == i &&
              (e->o->constraints[k].op == CQ_W_EQ ||
               e->o->constraints[k].op == CQ_W_IN);
    if (c->required && !have)
      return cq_error_set(err, CQ_CONSTRAINT,
                          "%s: column %s: the API needs a value\nhint: add "
                          "WHERE %s = '...'",
                          e->t->name, c->name, c->name);
  }
  return CQ_OK;
}

/* A row whose column is made of its default has nothing there that the API could
 * compare: asked by that value it would not give the row. */
static int keeps_default(const cq_constraint *w, const cq_column *c) {
  static const cq_value nothing = {.kind = CQ_NULL};

  return c->dflt.kind != CQ_NULL && cq_constraint_allows(w, c, &nothing);
}

int cq_enum_open(const cq_scan_options *o, const cq_need *need, int64_t now_us,
                 cq_enum **out, cq_error *err) {
  cq_enum *e = cq_calloc(1, sizeof *e);
  int rc;

  *out = NULL;
  if (!e) return cq_error_nomem(err);
  e->o = o;
  e->t = o->table;
  e->parent = o->table->parent.table;
  e->need = need;
  e->now_us = now_us;
  cq_arena_init(&e->batch_arena);
  cq_arena_init(&e->own);
  e->variants = cq_calloc(o->nconstraint + 1, sizeof *e->variants);
  e->kept = cq_calloc(o->nconstraint + 1, 1);
  rc = e->variants && e->kept ? enum_required(e, err) : cq_error_nomem(err);
  for (size_t i = 0; i < o->nconstraint && rc == CQ_OK; i++) {
    const cq_column *c = &e->t->columns[o->constraints[i].column];

    e->kept[i] = (unsigned char)keeps_default(&o->constraints[i], c);
    if (!e->kept[i] && o->constraints[i].op == CQ_W_IN &&
        (c->where & CQ_W_EQ) && !(c->where & CQ_W_IN))
      e->variants[e->nvariant++] = &o->constraints[i];
  }
  if (rc == CQ_OK)
    rc = cq_options_read(o->source->config, e->t, &e->own, &e->options,
                         &e->noption, err);
  if (rc == CQ_OK)
    rc = cq_clients_select(o, &e->own, &e->found, &e->own_clients, &e->nclient,
                           err);
  e->clients = e->own_clients;
  if (rc == CQ_OK && o->cursor_from && o->cursor_from[0] == '{')
    e->cursors = json_loads(o->cursor_from, 0, NULL);
  if (rc == CQ_OK && e->parent)
    rc = cq_parents_open(o, need, e->clients, e->nclient, now_us, &e->parents,
                         err);
  if (rc) {
    cq_enum_close(e);
    return rc;
  }
  *out = e;
  return CQ_OK;
}

static void group_clear(group *g) {
  cq_arena_clear(&g->arena);
  memset(g, 0, sizeof *g);
}

static cq_scope group_scope(const cq_enum *e, const group *g) {
  cq_scope s;

  memset(&s, 0, sizeof s);
  s.config = e->o->source->config;
  s.client = g->client;
  s.table = e->t;
  s.parent = e->parent;
  s.parent_rows = g->parents;
  s.nparent = g->nparent;
  s.run_us = e->now_us;
  return s;
}

/* Text of the parent's key columns: whose cursor this is. */
static int group_key(cq_enum *e, group *g, cq_error *err) {
  cq_buf b;

  cq_buf_init(&b, 1 << 20);
  for (int i = 0; e->parent && g->nparent && i < e->parent->ncol; i++) {
    cq_value v;

    if (!e->parent->columns[i].key || !e->need->parent[i]) continue;
    if (b.len) cq_buf_byte(&b, '|');
    if (cq_value_to_text(&g->arena, &g->parents[0][i], &v))
      b.rc = CQ_NOMEM;
    else if (v.kind == CQ_STR)
      cq_buf_add(&b, v.u.s, v.len);
  }
  g->parent_key =
      b.rc ? NULL : cq_arena_strndup(&g->arena, b.data ? b.data : "", b.len);
  cq_buf_clear(&b);
  return g->parent_key ? CQ_OK : cq_error_nomem(err);
}

/* An API that needs no windows is asked without where table_options say more:
 * from when to when, for instance. */
static int in_windows(const cq_enum *e) {
  const cq_cursor_def *d = &e->t->cursor;

  return d->window_us > 0 && (d->start || !e->noption);
}

/* Where the group's cursor begins; from_us < 0 = everything. */
static int group_cursor(cq_enum *e, group *g, cq_error *err) {
  const cq_cursor_def *d = &e->t->cursor;
  const char *from = e->o->cursor_from;
  cq_scope s = group_scope(e, g);
  cq_context c = cq_scope_context(&s);
  cq_value v;
  int rc;

  g->from_us = -1;
  g->to_us = e->now_us;
  if (d->column < 0) return CQ_OK;
  if (e->cursors)
    from = json_string_value(json_object_get(e->cursors, g->parent_key));
  if (from && *from) {
    if (cq_time_parse(from, strlen(from), &g->from_us))
      return cq_error_set(err, CQ_ERROR, "%s: stored cursor is not a time: %s",
                          e->t->name, from);
    g->from_us -= d->lookback_us;
    /* Farther back than it is kept nothing can be asked for by its time. */
    if (d->keeps_us && g->from_us < e->now_us - d->keeps_us + KEEPS_EDGE_US)
      g->from_us = -1;
    else
      g->known_us = g->from_us;
  } else if (d->start && (!e->o->live || d->window_us)) {
    rc = cq_template_eval(d->start, &c, CQ_PLACE_PLAIN, &g->arena, &v, err);
    if (rc) return rc;
    if (v.kind == CQ_NULL || (v.kind == CQ_STR && v.len == 0)) return CQ_OK;
    if (v.kind == CQ_STR && cq_time_parse(v.u.s, v.len, &g->from_us) == CQ_OK)
      return CQ_OK;
    /* To ask for everything instead would be another question. */
    if (v.kind != CQ_STR || cq_duration_parse(v.u.s, v.len, &g->from_us))
      return cq_error_set(
          err, CQ_ERROR,
          "%s: cursor: start is neither a time nor a span: "
          "%.*s",
          e->t->name, v.kind == CQ_STR ? (int)(v.len < 100 ? v.len : 100) : 0,
          v.kind == CQ_STR ? v.u.s : "");
    g->from_us = e->now_us - g->from_us;
  }
  /* All that is kept, in windows, of which the first asks for whatever is older:
   * its beginning might be too old when it is sent. */
  if (g->from_us < 0 && in_windows(e) && d->keeps_us && !d->start &&
      !e->o->live) {
    g->from_us = e->now_us - d->keeps_us;
    g->open = 1;
  }
  return CQ_OK;
}

/* The values of an `each`: a list of scalars or maps, or one; nothing: none. */
static int each_list(cq_enum *e, group *g, size_t each, const cq_value *v,
                     cq_value **out, size_t *n, cq_error *err) {
  json_t *list = v->kind == CQ_STR && v->json
                     ? cq_numbers_load(v->u.s, v->len, NULL)
                     : NULL;
  json_t *item;
  size_t i;
  int rc = CQ_OK;

  if (list && !json_is_array(list)) {
    json_t *one = json_pack("[o]", list); /* takes it, also where it fails */

    list = one;
    if (!list) return cq_error_nomem(err);
  }
  *n = list ? json_array_size(list) : v->kind != CQ_NULL;
  *out = cq_arena_alloc(&g->arena, (*n + 1) * sizeof **out);
  if (!*out) rc = cq_error_nomem(err);
  if (rc == CQ_OK && *n && !list) **out = *v;
  json_array_foreach(list, i, item) {
    cq_value one = cq_value_null();

    if (rc) break;
    if (cq_numbers_value(&g->arena, item, &one)) rc = cq_error_nomem(err);
    (*out)[i] = one;
    (*out)[i].whence = v->whence;
    if (json_is_array(item) || json_is_null(item)) rc = CQ_MISUSE;
  }
  if (rc == CQ_MISUSE)
    rc = cq_error_set(err, CQ_ERROR,
                      "%s: each: %s: expected a list of words or maps",
                      e->t->name, e->t->each[each].name);
  json_decref(list);
  return rc;
}

/* A number of requests that wrapped would be taken for all of them. */
static int group_times(const cq_enum *e, group *g, size_t n, cq_error *err) {
  if (n && g->total > SIZE_MAX / n)
    return cq_error_set(err, CQ_TOOBIG, "%s: more requests than can be counted",
                        e->t->name);
  g->total *= n;
  return CQ_OK;
}

/* Each IN list, each `each` list, the options and the windows are one digit of
 * the number
 * of the job within the group. */
static int group_count(cq_enum *e, group *g, cq_error *err) {
  const cq_cursor_def *d = &e->t->cursor;
  cq_scope s = group_scope(e, g);
  cq_context c = cq_scope_context(&s);
  size_t n = e->nvariant + e->t->neach + 2;
  int rc = CQ_OK;

  g->radix = cq_arena_alloc(&g->arena, n * sizeof *g->radix);
  g->lists = cq_arena_alloc(&g->arena, n * sizeof *g->lists);
  if (!g->radix || !g->lists) return cq_error_nomem(err);
  g->total = 1;
  for (size_t i = 0; i < e->nvariant; i++) {
    g->radix[i] = e->variants[i]->n;
    rc = group_times(e, g, g->radix[i], err);
    if (rc) return rc;
  }
  for (size_t i = 0; i < e->t->neach; i++) {
    cq_value v;
    cq_value *list = NULL;
    size_t nlist = 0, kept = 0;

    rc = cq_template_whence(e->t->each[i].values, &c, &g->arena, &v, err);
    if (rc == CQ_OK) rc = each_list(e, g, i, &v, &list, &nlist, err);
    if (rc) return rc;
    g->lists[i] = list;
    for (size_t k = 0; k < nlist; k++) {
      cq_value one = list[k];
      int ok = 1;

      for (size_t w = 0; w < e->o->nconstraint; w++) {
        const cq_column *col = &e->t->columns[e->o->constraints[w].column];

        if (col->source == CQ_FROM_EACH &&
            strcmp(col->from, e->t->each[i].name) == 0)
          ok &= cq_constraint_allows(&e->o->constraints[w], col, &one);
      }
      if (ok) list[kept++] = one;
    }
    g->radix[e->nvariant + i] = kept;
    rc = group_times(e, g, kept, err);
    if (rc) return rc;
  }
  g->radix[n - 2] = e->noption ? e->noption : 1;
  rc = group_times(e, g, g->radix[n - 2], err);
  if (rc) return rc;
  g->radix[n - 1] = 1;
  if (d->column >= 0 && in_windows(e) && g->from_us >= 0) {
    int64_t span = g->to_us - g->from_us;

    g->step_us = d->window_us;
    g->radix[n - 1] = span <= 0 ? 1 : (size_t)((span - 1) / d->window_us + 1);
    if (g->radix[n - 1] > CQ_MAX_WINDOWS) {
      char from[40];

      cq_time_format(g->from_us, from);
      return cq_error_set(
          err, CQ_TOOBIG,
          "%s: cursor: %zu windows since %s, more than %d\n"
          "hint: a longer window, or a later cursor.start, asks less often",
          e->t->name, g->radix[n - 1], from, (int)CQ_MAX_WINDOWS);
    }
    rc = group_times(e, g, g->radix[n - 1], err);
  }
  return rc;
}

static int group_start(cq_enum *e, const cq_client *client,
                       const cq_value *rows, size_t nparent, cq_error *err) {
  group *g = &e->g;
  int rc;

  group_clear(g);
  e->ngroup++;
  cq_arena_init(&g->arena);
  g->client = client;
  g->nparent = nparent;
  g->parents = cq_arena_alloc(&g->arena, (nparent + 1) * sizeof *g->parents);
  if (!g->parents) return cq_error_nomem(err);
  for (size_t r = 0; r < nparent; r++) {
    size_t ns = (size_t)e->parent->nslot;
    cq_value *copy = cq_arena_alloc(&g->arena, ns * sizeof *copy);

    if (!copy) return cq_error_nomem(err);
    for (size_t i = 0; i < ns; i++) {
      copy[i] = cq_value_null();
      if (i < (size_t)e->parent->ncol && e->need->parent[i] &&
          cq_value_copy(&g->arena, &rows[r * ns + i], &copy[i]))
        return cq_error_nomem(err);
    }
    g->parents[r] = copy;
  }
  rc = group_key(e, g, err);
  if (rc == CQ_OK) rc = group_cursor(e, g, err);
  if (rc == CQ_OK) rc = group_count(e, g, err);
  return rc;
}

static int sent_time(cq_arena *a, const cq_cursor_def *d, int64_t now_us,
                     int64_t us, const char **out) {
  char text[40];

  if (us < 0) {
    *out = NULL;
    return CQ_OK;
  }
  if (d->format && strcmp(d->format, "epoch") == 0) {
    snprintf(text, sizeof text, "%lld", (long long)(us / 1000000));
  } else if (d->format && strcmp(d->format, "epoch_ms") == 0) {
    snprintf(text, sizeof text, "%lld", (long long)(us / 1000));
  } else if (d->format && strcmp(d->format, "minutes") == 0) {
    int64_t ago = now_us > us ? now_us - us : 0;

    snprintf(text, sizeof text, "%lld",
             (long long)((ago + MINUTE_US - 1) / MINUTE_US));
  } else {
    cq_time_format(us, text);
    if (d->format && strcmp(d->format, "date") == 0) text[10] = 0;
  }
  *out = cq_arena_strndup(a, text, strlen(text));
  return *out ? CQ_OK : CQ_NOMEM;
}

/* How much of the time is lost where it is sent in this format. */
static int64_t sent_unit(const cq_cursor_def *d) {
  const char *f = d->format ? d->format : "";

  return strcmp(f, "epoch") == 0      ? 1000000
         : strcmp(f, "epoch_ms") == 0 ? 1000
         : strcmp(f, "date") == 0     ? INT64_C(86400000000)
         : strcmp(f, "minutes") == 0  ? MINUTE_US
                                      : 1;
}

/* Is the job wanted at all, and is it one record that it asks for? */
static int job_kind(cq_enum *e, cq_job *j, int first, int *wanted,
                    cq_error *err) {
  cq_scope s = group_scope(e, &e->g);
  cq_context c = cq_scope_context(&s);
  int rc = CQ_OK;

  s.where = j->where;
  s.nwhere = j->nwhere;
  s.each = j->each;
  *wanted = 1;
  if (e->t->only_when)
    rc = cq_template_true(e->t->only_when, &c, &j->arena, wanted, err);
  if (rc == CQ_OK && *wanted && e->t->get.request)
    rc = cq_template_true(e->t->get.when, &c, &j->arena, &j->get, err);
  /* One record is the same in each window of the cursor, and each pass. */
  if (j->get && !first) *wanted = 0;
  if (j->get) j->option = NULL;
  if (rc && rc != CQ_NOMEM) cq_error_prefix(err, "%s: ", e->t->name);
  return rc;
}

/* Job number g->at of the group; NULL where there is nothing to ask. */
static int group_job(cq_enum *e, cq_job **out, cq_error *err) {
  group *g = &e->g;
  cq_job *j = cq_calloc(1, sizeof *j);
  size_t rest = g->at++, nd = e->nvariant + e->t->neach + 2;
  size_t *digit;
  int rc, wanted;

  *out = NULL;
  if (!j) return cq_error_nomem(err);
  cq_arena_init(&j->arena);
  j->client = g->client;
  digit = cq_arena_alloc(&j->arena, nd * sizeof *digit);
  j->where =
      cq_arena_alloc(&j->arena, (e->o->nconstraint + 1) * sizeof *j->where);
  j->each = cq_arena_alloc(&j->arena, (e->t->neach + 1) * sizeof *j->each);
  j->parents = cq_arena_alloc(&j->arena, (g->nparent + 1) * sizeof *j->parents);
  if (!digit || !j->where || !j->each || !j->parents) goto nomem;
  for (size_t i = 0; i < nd; i++) {
    digit[i] = rest % g->radix[i];
    rest /= g->radix[i];
  }
  for (size_t i = 0; i < e->o->nconstraint; i++) {
    const cq_constraint *w = &e->o->constraints[i];

    if (e->kept[i] || (!(e->t->columns[w->column].where & (unsigned)w->op) &&
                       w->op != CQ_W_IN))
      continue;
    j->where[j->nwhere] = *w;
    for (size_t k = 0; k < e->nvariant; k++)
      if (e->variants[k] == w) {
        j->where[j->nwhere].op = CQ_W_EQ;
        j->where[j->nwhere].n = 1;
        j->where[j->nwhere].values = &w->values[digit[k]];
      }
    if (e->t->columns[w->column].where & (unsigned)j->where[j->nwhere].op)
      j->nwhere++;
  }
  for (size_t i = 0; i < e->t->neach; i++)
    if (cq_value_copy(&j->arena, &g->lists[i][digit[e->nvariant + i]],
                      &j->each[i]))
      goto nomem;
  if (e->noption) {
    const char *option = e->options[digit[nd - 2]];

    j->option = cq_arena_strndup(&j->arena, option, strlen(option));
    if (!j->option) goto nomem;
  }
  j->nparent = g->nparent;
  for (size_t r = 0; r < g->nparent; r++) {
    size_t ns = (size_t)e->parent->nslot;
    cq_value *copy = cq_arena_alloc(&j->arena, ns * sizeof *copy);

    if (!copy) goto nomem;
    for (size_t i = 0; i < ns; i++)
      if (cq_value_copy(&j->arena, &g->parents[r][i], &copy[i])) goto nomem;
    j->parents[r] = copy;
  }
  j->parent_key =
      cq_arena_strndup(&j->arena, g->parent_key, strlen(g->parent_key));
  if (!j->parent_key) goto nomem;
  j->known_us = g->known_us;
  j->group = e->ngroup;
  j->whole_us = -1;
  if (e->t->cursor.column >= 0) {
    int64_t from = g->from_us, to = g->to_us;

    if (g->step_us) {
      int64_t unit = sent_unit(&e->t->cursor);

      from += (int64_t)digit[nd - 1] * g->step_us;
      to = from + g->step_us < g->to_us ? from + g->step_us : g->to_us;
      j->window = digit[nd - 1];
      j->windows = g->radix[nd - 1];
      j->series = cq_hash64(&e->ngroup, sizeof e->ngroup,
                            (g->at - 1) % (g->total / j->windows));
      j->begin_us = from + unit;
      j->end_us = to - unit;
      if (j->window + 1 < j->windows) j->whole_us = unit > 1 ? to - unit : to;
      if (g->open && j->window == 0) from = -1;
    }
    if (sent_time(&j->arena, &e->t->cursor, e->now_us, from, &j->cursor_from) ||
        sent_time(&j->arena, &e->t->cursor, e->now_us, to, &j->cursor_to))
      goto nomem;
  }
  rc = job_kind(e, j, digit[nd - 1] == 0 && digit[nd - 2] == 0, &wanted, err);
  if (rc || !wanted) {
    cq_job_free(j);
    return rc;
  }
  *out = j;
  return CQ_OK;
nomem:
  cq_job_free(j);
  return cq_error_nomem(err);
}

/* Collects parent rows of one client until the batch is full. */
static int enum_parents(cq_enum *e, cq_error *err) {
  size_t max = e->t->parent.batch > 1 ? (size_t)e->t->parent.batch : 1;
  size_t ns = (size_t)e->parent->nslot;

  if (!e->batch_rows) {
    e->batch_rows = cq_calloc(max * ns, sizeof *e->batch_rows);
    if (!e->batch_rows) return cq_error_nomem(err);
  }
  while (!e->ended) {
    const cq_value *row;
    const cq_client *client;
    int rc = cq_parents_next(e->parents, &row, &client, err);

    if (rc == CQ_DONE) {
      e->ended = 1;
      break;
    }
    if (rc != CQ_ROW) return rc;
    if (e->nbatch && e->batch_client != client) {
      /* The batch ends here; this row begins the next one. */
      rc = group_start(e, e->batch_client, e->batch_rows, e->nbatch, err);
      cq_arena_reset(&e->batch_arena);
      e->nbatch = 0;
    } else {
      rc = CQ_OK;
    }
    for (size_t i = 0; i < (size_t)e->parent->ncol && rc == CQ_OK; i++) {
      cq_value *cell = &e->batch_rows[e->nbatch * ns + i];

      *cell = cq_value_null();
      if (e->need->parent[i] && cq_value_copy(&e->batch_arena, &row[i], cell))
        rc = cq_error_nomem(err);
    }
    if (rc) return rc;
    e->batch_client = client;
    e->nbatch++;
    if (e->g.at < e->g.total) return CQ_ROW;
    if (e->nbatch == max) break;
  }
  if (!e->nbatch) return CQ_DONE;
  int rc = group_start(e, e->batch_client, e->batch_rows, e->nbatch, err);
  cq_arena_reset(&e->batch_arena);
  e->nbatch = 0;
  return rc ? rc : CQ_ROW;
}

static int enum_job(cq_enum *e, cq_job **out, cq_error *err) {
  while (e->g.at >= e->g.total) {
    const cq_client *c;
    int rc;

    if (e->parent) {
      rc = enum_parents(e, err);
      if (rc != CQ_ROW) return rc;
      continue;
    }
    if (e->ci >= e->nclient) return CQ_DONE;
    c = e->clients[e->ci++];
    if (c->failed) return cq_error_set(err, c->failed, "%s", c->error);
    rc = group_start(e, c, NULL, 0, err);
    if (rc) return rc;
  }
  int rc = group_job(e, out, err);
  return rc ? rc : CQ_ROW;
}

int cq_enum_next(cq_enum *e, cq_job **out, cq_error *err) {
  int rc;

  *out = NULL;
  while ((rc = enum_job(e, out, err)) == CQ_ROW && !*out)
    ;
  return rc;
}

int cq_enum_asks_parent(const cq_enum *e) {
  return cq_parents_scan(e->parents) != NULL;
}

void cq_enum_stats(const cq_enum *e, cq_scan_stats *add) {
  const cq_scan *scan = cq_parents_scan(e->parents);
  cq_scan_stats s;

  if (!scan) return;
  cq_scan_stats_get(scan, &s);
  add->requests += s.requests;
  add->retries += s.retries;
  add->bytes += s.bytes;
  add->throttled_ms += s.throttled_ms;
  add->cached += s.cached;
  if (s.denied && !add->denied)
    memcpy(add->denied_reason, s.denied_reason, sizeof s.denied_reason);
  add->denied += s.denied;
  add->nameless += s.nameless;
}

void cq_enum_close(cq_enum *e) {
  if (!e) return;
  cq_parents_close(e->parents);
  json_decref(e->cursors);
  group_clear(&e->g);
  cq_arena_clear(&e->batch_arena);
  cq_arena_clear(&e->own);
  cq_free(e->batch_rows);
  cq_free(e->own_clients);
  cq_clients_unref(e->found);
  cq_free(e->variants);
  cq_free(e->kept);
  cq_free(e);
}

static int job_text(cq_arena *a, const char *s, const char **out) {
  *out = s ? cq_arena_strndup(a, s, strlen(s)) : NULL;
  return s && !*out ? CQ_NOMEM : CQ_OK;
}

int cq_job_copy(const cq_table *t, const cq_job *j, cq_job **out) {
  cq_job *c = cq_calloc(1, sizeof *c);
  size_t ns = t->parent.table ? (size_t)t->parent.table->nslot : 0;

  *out = NULL;
  if (!c) return CQ_NOMEM;
  *c = *j;
  cq_arena_init(&c->arena);
  c->above = NULL;
  c->where = cq_arena_alloc(&c->arena, (j->nwhere + 1) * sizeof *c->where);
  c->each = cq_arena_alloc(&c->arena, (t->neach + 1) * sizeof *c->each);
  c->parents = cq_arena_alloc(&c->arena, (j->nparent + 1) * sizeof *c->parents);
  if (!c->where || !c->each || !c->parents) goto nomem;
  /* The values of a constraint are the scan's, or its opener's. */
  if (j->nwhere) memcpy(c->where, j->where, j->nwhere * sizeof *c->where);
  for (size_t i = 0; i < t->neach; i++)
    if (cq_value_copy(&c->arena, &j->each[i], &c->each[i])) goto nomem;
  for (size_t r = 0; r < j->nparent; r++) {
    cq_value *copy = cq_arena_alloc(&c->arena, (ns + 1) * sizeof *copy);

    if (!copy) goto nomem;
    for (size_t i = 0; i < ns; i++)
      if (cq_value_copy(&c->arena, &j->parents[r][i], &copy[i])) goto nomem;
    c->parents[r] = copy;
  }
  if (job_text(&c->arena, j->parent_key, &c->parent_key) ||
      job_text(&c->arena, j->cursor_from, &c->cursor_from) ||
      job_text(&c->arena, j->cursor_to, &c->cursor_to) ||
      job_text(&c->arena, j->option, &c->option))
    goto nomem;
  *out = c;
  return CQ_OK;
nomem:
  cq_job_free(c);
  return CQ_NOMEM;
}

void cq_job_free(cq_job *j) {
  if (!j) return;
  cq_arena_clear(&j->arena);
  cq_free(j);
}
