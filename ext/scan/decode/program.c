/* ext/scan/decode/program.c: fields are compiled into a trie of keys and
 * positions.
 *
 * Picks are laid out in the order of a walk down the trie, so that those at or
 * below one edge are neighbours: a key that comes twice clears one range.  The
 * trie's depth is bounded by the paths, so walking it may recurse. */
#include "scan/decode/internal.h"

enum { PROGRAM_MAX_STEPS = 64 };

/* While it is built: edges in lists, each with the fields that end there. */
typedef struct build_edge build_edge;
struct build_edge {
  cq_step step;
  build_edge *next, *first, *last; /* sibling; children */
  int *fields;
  int nfield;
};

typedef struct build {
  cq_arena *a;
  const cq_field *f;
  int n;
  cq_picks *out;
  int at; /* picks laid out */
} build;

static int build_same(const cq_step *a, const cq_step *b) {
  if ((a->kind == CQ_STEP_INDEX) != (b->kind == CQ_STEP_INDEX)) return 0;
  if (a->kind == CQ_STEP_INDEX) return a->index == b->index;
  return a->len == b->len && memcmp(a->name, b->name, a->len) == 0;
}

/* The edge of a step below `at`, made where there is none; an array's are in
 * rising order. */
static build_edge *build_below(build *b, build_edge *at, const cq_step *s) {
  build_edge **p = &at->first, *e;

  for (; *p; p = &(*p)->next) {
    if (build_same(&(*p)->step, s)) return *p;
    if (s->kind == CQ_STEP_INDEX && (*p)->step.kind == CQ_STEP_INDEX &&
        (*p)->step.index > s->index)
      break;
  }
  e = cq_arena_alloc(b->a, sizeof *e);
  if (!e) return NULL;
  memset(e, 0, sizeof *e);
  e->step = *s;
  e->next = *p;
  *p = e;
  return e;
}

static int build_own(build *b, build_edge *e, int field) {
  int *p = cq_arena_alloc(b->a, ((size_t)e->nfield + 1) * sizeof *p);

  if (!p) return CQ_NOMEM;
  if (e->nfield) memcpy(p, e->fields, (size_t)e->nfield * sizeof *p);
  p[e->nfield++] = field;
  e->fields = p;
  return CQ_OK;
}

static cq_pick_mode build_mode(int type) {
  switch (type) {
  case 0:
    return CQ_PICK_ANY;
  case CQ_TEXT:
    return CQ_PICK_TEXT;
  case CQ_INTEGER:
    return CQ_PICK_INTEGER;
  case CQ_REAL:
    return CQ_PICK_REAL;
  case CQ_BOOLEAN:
    return CQ_PICK_BOOLEAN;
  case CQ_TIMESTAMP:
    return CQ_PICK_TIMESTAMP;
  case CQ_JSON:
    return CQ_PICK_JSON;
  default:
    return CQ_PICK_CONVERT;
  }
}

/* Steps that the trie takes: @name is an attribute of XML, and the key
 * "@name" elsewhere. */
static int build_plain(const cq_step *s) {
  return s->kind == CQ_STEP_KEY || s->kind == CQ_STEP_INDEX ||
         s->kind == CQ_STEP_ATTR;
}

static int build_name(build *b, cq_step *s) {
  char *p = cq_arena_alloc(b->a, s->len + 2);

  if (!p) return CQ_NOMEM;
  p[0] = '@';
  memcpy(p + (s->kind == CQ_STEP_ATTR), s->name, s->len);
  s->len += s->kind == CQ_STEP_ATTR;
  p[s->len] = '\0';
  s->name = p;
  s->kind = CQ_STEP_KEY;
  return CQ_OK;
}

/* A copy of the path's steps: names with their '@', owned by the program. */
static int build_steps(build *b, const cq_path *p, cq_step **out,
                       cq_error *err) {
  cq_step *s;

  if (p->nstep > PROGRAM_MAX_STEPS)
    return cq_error_set(err, CQ_TOOBIG, "path \"%.100s\": more than %d steps",
                        p->text, (int)PROGRAM_MAX_STEPS);
  s = cq_arena_alloc(b->a, ((size_t)p->nstep + 1) * sizeof *s);
  if (!s) return cq_error_nomem(err);
  for (int i = 0; i < p->nstep; i++) {
    s[i] = p->steps[i];
    if ((s[i].kind == CQ_STEP_KEY || s[i].kind == CQ_STEP_ATTR) &&
        build_name(b, &s[i]))
      return cq_error_nomem(err);
  }
  *out = s;
  return CQ_OK;
}

static void build_pick(build *b, int field, cq_step *steps, int used) {
  const cq_field *f = &b->f[field];
  cq_pick *k = &b->out->pick[field];

  memset(k, 0, sizeof *k);
  k->slot = f->slot;
  k->type = f->type;
  k->format = f->format;
  k->shape = f->shape;
  k->nulls = f->nulls;
  k->mode = f->shape ? CQ_PICK_JSON : build_mode(f->type);
  k->rest = steps + used;
  k->nrest = f->path->nstep - used;
  k->list = f->type == 0 || (f->type & CQ_LIST) || k->mode == CQ_PICK_JSON;
}

static unsigned build_hash(const char *key, size_t len) {
  return (unsigned)cq_hash64(key, len, 0);
}

/* The edge with all below it; picks get their final places. */
static int build_edge_out(build *b, const build_edge *e, cq_edge *out,
                          cq_pick *sorted) {
  memset(out, 0, sizeof *out);
  if (e->step.kind == CQ_STEP_INDEX) {
    out->index = e->step.index;
  } else {
    out->key = e->step.name;
    out->len = e->step.len;
  }
  out->id = b->out->nedge++;
  out->own = out->below = b->at;
  out->nown = e->nfield;
  for (int i = 0; i < e->nfield; i++)
    sorted[b->at++] = b->out->pick[e->fields[i]];
  if (e->first) {
    cq_trie *t = cq_arena_alloc(b->a, sizeof *t);
    size_t nkey = 0, nindex = 0;
    unsigned size = 4;

    if (!t) return CQ_NOMEM;
    memset(t, 0, sizeof *t);
    t->id = b->out->ntrie++;
    for (const build_edge *c = e->first; c; c = c->next)
      *(c->step.kind == CQ_STEP_INDEX ? &nindex : &nkey) += 1;
    while (size < 2 * nkey) size *= 2;
    t->keys = cq_arena_alloc(b->a, (nkey + 1) * sizeof *t->keys);
    t->index = cq_arena_alloc(b->a, (nindex + 1) * sizeof *t->index);
    t->table = cq_arena_alloc(b->a, size * sizeof *t->table);
    if (!t->keys || !t->index || !t->table) return CQ_NOMEM;
    memset(t->table, 0, size * sizeof *t->table);
    t->mask = size - 1;
    for (const build_edge *c = e->first; c; c = c->next) {
      int array = c->step.kind == CQ_STEP_INDEX;
      cq_edge *to = array ? &t->index[t->nindex++] : &t->keys[t->nkey++];

      if (build_edge_out(b, c, to, sorted)) return CQ_NOMEM;
      if (!array) {
        unsigned h = build_hash(to->key, to->len);

        while (t->table[h & t->mask]) h++;
        t->table[h & t->mask] = t->nkey;
      }
    }
    out->child = t;
  }
  out->nbelow = b->at - out->below;
  return CQ_OK;
}

int cq_picks_compile(cq_arena *a, const cq_field *f, int n, cq_picks *out,
                     cq_error *err) {
  build b = {a, f, n, out, 0};
  build_edge root, mapkey;
  cq_pick *sorted;
  int rc;

  memset(out, 0, sizeof *out);
  memset(&root, 0, sizeof root);
  memset(&mapkey, 0, sizeof mapkey);
  root.step.name = "";
  out->n = n;
  out->pick = cq_arena_alloc(a, ((size_t)n + 1) * sizeof *out->pick);
  sorted = cq_arena_alloc(a, ((size_t)n + 1) * sizeof *sorted);
  if (!out->pick || !sorted) return cq_error_nomem(err);
  for (int i = 0; i < n; i++) {
    build_edge *e = &root;
    cq_step *steps;
    int k = 0;

    rc = build_steps(&b, f[i].path, &steps, err);
    if (rc) return rc;
    for (; k < f[i].path->nstep && build_plain(&steps[k]); k++) {
      e = build_below(&b, e, &steps[k]);
      if (!e) return cq_error_nomem(err);
    }
    build_pick(&b, i, steps, k);
    if (k == 0 && f[i].path->nstep == 1 && steps[0].kind == CQ_STEP_MAPKEY)
      e = &mapkey;
    if (build_own(&b, e, i)) return cq_error_nomem(err);
  }
  if (build_edge_out(&b, &root, &out->self, sorted)) return cq_error_nomem(err);
  out->mapkey = b.at;
  out->nmapkey = mapkey.nfield;
  for (int i = 0; i < mapkey.nfield; i++)
    sorted[b.at++] = out->pick[mapkey.fields[i]];
  out->pick = sorted;
  out->learn = cq_arena_alloc(a, ((size_t)out->ntrie + 1) * sizeof *out->learn);
  if (!out->learn) return cq_error_nomem(err);
  memset(out->learn, 0, ((size_t)out->ntrie + 1) * sizeof *out->learn);
  return CQ_OK;
}

const cq_edge *cq_trie_find(const cq_trie *t, const char *key, size_t len) {
  unsigned h;
  int i;

  if (t->nkey == 0) return NULL;
  for (h = build_hash(key, len); (i = t->table[h & t->mask]) != 0; h++)
    if (t->keys[i - 1].len == len && memcmp(t->keys[i - 1].key, key, len) == 0)
      return &t->keys[i - 1];
  return NULL;
}

/* ---- programs ---------------------------------------------------------------- */
/* Does an envelope's path end at, or lead into, what holds the rows? */
static int program_overlaps(const cq_step *rows, int nrows, const cq_path *p) {
  for (int i = 0; i < p->nstep; i++) {
    const cq_step *r = &rows[i], *s = &p->steps[i];

    if (i == nrows) return 1;
    if (r->kind != CQ_STEP_KEY || s->kind != CQ_STEP_KEY) return 1;
    if (r->len != s->len || memcmp(r->name, s->name, r->len) != 0) return 0;
  }
  return 1;
}

/* Who counts pages or offsets counts the entries of the outermost list. */
static int program_outer(const cq_path *rows) {
  int first = -1, n = 0;

  for (int i = 0; i < rows->nstep; i++) {
    if (rows->steps[i].kind != CQ_STEP_EACH &&
        rows->steps[i].kind != CQ_STEP_VALUES)
      continue;
    if (!n++) first = i;
  }
  return n > 1 ? first : -1;
}

int cq_program_lines(const cq_program_def *def, const char *kind,
                     cq_error *err) {
  if (def->rows->nstep)
    return cq_error_set(err, CQ_ERROR,
                        "%s: rows \"%.100s\": must be \".\", since each line "
                        "is a record",
                        kind, def->rows->text);
  if (def->nenvelope)
    return cq_error_set(err, CQ_ERROR,
                        "%s: path \"%.100s\": there is nothing around the "
                        "records",
                        kind, def->envelope[0].path->text);
  return CQ_OK;
}

int cq_program_make(const cq_decode_ops *ops, const cq_program_def *def,
                    cq_program **out, cq_error *err) {
  cq_program *p = cq_calloc(1, sizeof *p);
  cq_step *steps;
  build b;
  int rc;

  *out = NULL;
  if (!p) return cq_error_nomem(err);
  cq_arena_init(&p->arena);
  p->ops = ops;
  p->optional_rows = def->optional_rows;
  p->one_for_list = def->one_for_list;
  p->table = def->table;
  p->nslot = def->nslot;
  p->nenvslot = def->nenvslot;
  memset(&b, 0, sizeof b);
  b.a = &p->arena;
  rc = build_steps(&b, def->rows, &steps, err);
  if (rc) goto done;
  p->rows.nstep = def->rows->nstep;
  p->rows.steps = steps;
  p->rows.text =
      cq_arena_strndup(&p->arena, def->rows->text, strlen(def->rows->text));
  if (!p->rows.text) {
    rc = cq_error_nomem(err);
    goto done;
  }
  p->outer = program_outer(&p->rows);
  for (int i = 0; i < p->rows.nstep; i++) {
    if (steps[i].kind == CQ_STEP_MAPKEY) {
      rc = cq_error_set(err, CQ_ERROR,
                        "rows \"%.100s\": @key is no place of rows",
                        p->rows.text);
      goto done;
    }
  }
  rc = cq_picks_compile(&p->arena, def->fields, def->nfield, &p->record, err);
  if (rc == CQ_OK)
    rc = cq_picks_compile(&p->arena, def->envelope, def->nenvelope, &p->env,
                          err);
  for (int i = 0; rc == CQ_OK && i < def->nenvelope; i++)
    if (program_overlaps(steps, p->rows.nstep, def->envelope[i].path))
      p->whole = 1;
done:
  if (rc == CQ_OK)
    *out = p;
  else
    cq_program_drop(p);
  return rc;
}

void cq_program_drop(cq_program *p) {
  if (!p) return;
  cq_learn_drop(&p->record);
  cq_learn_drop(&p->env);
  cq_arena_clear(&p->arena);
  cq_free(p);
}
