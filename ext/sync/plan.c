/* ext/sync/plan.c: which tables of a source a sync reads, and in which order.
 *
 * Globs choose; each must match something.  A chosen table brings its parents;
 * with skip_dependent_tables: false also its children.  A table that is
 * skipped takes all below it along.  Parents stand before children, so that
 * units can be made in this order, lazily, and find their parent's rows. */
#include <stdlib.h>
#include <string.h>

#include "sync/internal.h"

typedef struct candidate {
  const char *name;
  const cq_table *table; /* loaded when first needed */
  int chosen, skipped;
} candidate;

typedef struct select {
  cq_registry *registry;
  const cq_spec_source *spec;
  candidate *all; /* of the integration, by name */
  size_t n, cap;
} select_state;

static candidate *find(select_state *s, const char *name) {
  for (size_t i = 0; i < s->n; i++)
    if (strcmp(s->all[i].name, name) == 0) return &s->all[i];
  return NULL;
}

static int load(select_state *s, candidate *c, cq_error *err) {
  return c->table ? CQ_OK
                  : cq_registry_table(s->registry, c->name, &c->table, err);
}

static int parent_of(select_state *s, candidate *c, candidate **out,
                     cq_error *err) {
  const cq_table *p;
  int rc = load(s, c, err);

  *out = NULL;
  p = rc ? NULL : c->table->parent.table;
  if (rc || !p || p == c->table) return rc;
  *out = find(s, p->name);
  if (!*out)
    return cq_error_set(err, CQ_ERROR,
                        "%s: its parent %s is of another integration", c->name,
                        p->name);
  (*out)->table = p;
  return CQ_OK;
}

/* Generated tables are many and of little interest to most: they are chosen by
 * their names, or where the source asks for all of them. */
static int hidden(select_state *s, const candidate *c, const char *glob,
                  int *yes, cq_error *err) {
  *yes = 0;
  if (s->spec->generated || (glob && !strchr(glob, '*'))) return CQ_OK;
  return cq_registry_generated(s->registry, c->name, yes, err);
}

/* Applies globs; one that matches nothing is an error with the nearest name. */
static int match(select_state *s, const cq_words *globs, const char *what,
                 int skip, cq_error *err) {
  for (size_t g = 0; g < globs->n; g++) {
    const char **names;
    const char *near = NULL;
    int any = 0, left = 0, rc;

    for (size_t i = 0; i < s->n; i++) {
      int no = 0;

      if (!cq_glob(globs->v[g], s->all[i].name)) continue;
      rc = skip || s->all[i].chosen
               ? CQ_OK
               : hidden(s, &s->all[i], globs->v[g], &no, err);
      if (rc) return rc;
      left += no;
      if (no) continue;
      any = 1;
      if (skip)
        s->all[i].skipped = 1;
      else
        s->all[i].chosen = 1;
    }
    if (any) continue;
    names = cq_calloc(s->n + 1, sizeof *names);
    for (size_t i = 0; names && i < s->n; i++) names[i] = s->all[i].name;
    if (names && !strchr(globs->v[g], '*'))
      near = cq_nearest(globs->v[g], names, s->n);
    rc = cq_tree_error(
        err, globs->at[g], "source %s: %s: matches no table of %s: %s",
        s->spec->name, what, s->spec->integration->name, globs->v[g]);
    if (left)
      cq_error_hint(err, "it matches generated tables: name them, or say "
                         "generated: true");
    else if (near)
      cq_error_hint(err, "%s", near);
    else
      cq_error_hint(err, "SELECT name FROM cq_tables lists them");
    cq_free(names);
    return rc;
  }
  return CQ_OK;
}

/* Children of what is chosen, to any depth. */
static int dependents(select_state *s, cq_error *err) {
  for (size_t i = 0; i < s->n; i++) {
    candidate *c = &s->all[i];
    int no;

    for (int depth = 0; c && depth < CQ_MAX_PARENT_DEPTH; depth++) {
      int rc = parent_of(s, c, &c, err);

      if (rc) return rc;
      if (!c || c->chosen != 1 || s->all[i].chosen) continue;
      rc = hidden(s, &s->all[i], NULL, &no, err);
      if (rc) return rc;
      if (!no) s->all[i].chosen = 2;
    }
  }
  return CQ_OK;
}

/* Chosen ones whose ancestors are skipped go; the others bring them in. */
static int ancestors(select_state *s, cq_error *err) {
  for (size_t i = 0; i < s->n; i++) {
    candidate *c = &s->all[i];
    int skipped = c->skipped, rc;

    if (!c->chosen) continue;
    for (int depth = 0; c && depth < CQ_MAX_PARENT_DEPTH; depth++) {
      rc = parent_of(s, c, &c, err);
      if (rc) return rc;
      if (c) skipped |= c->skipped;
    }
    if (skipped) s->all[i].skipped = 1;
  }
  for (size_t i = 0; i < s->n; i++) {
    candidate *c = &s->all[i];

    if (!c->chosen || c->skipped) continue;
    for (int depth = 0; c && depth < CQ_MAX_PARENT_DEPTH; depth++) {
      int rc = parent_of(s, c, &c, err);

      if (rc) return rc;
      if (c && !c->chosen) c->chosen = 3;
    }
  }
  return CQ_OK;
}

static int by_depth(const void *a, const void *b) {
  const cq_plan_table *s = a, *t = b;

  return s->depth != t->depth ? s->depth - t->depth
                              : strcmp(s->table->name, t->table->name);
}

/* Which cursors are used: those that are the table's nature, and optional ones
 * where the source says so. */
static int feeds(select_state *s, cq_plan *out, cq_error *err) {
  const cq_words *globs = &s->spec->incremental;

  for (size_t g = 0; g < globs->n; g++) {
    int any = strcmp(globs->v[g], "*") == 0;

    for (int i = 0; i < out->n; i++) {
      const cq_table *t = out->tables[i].table;

      if (!cq_glob(globs->v[g], t->name) || t->cursor.column < 0) continue;
      any = out->tables[i].feed = 1;
    }
    if (any) continue;
    cq_tree_error(err, globs->at[g],
                  "source %s: incremental: matches no table that is read and "
                  "has a cursor: %s",
                  s->spec->name, globs->v[g]);
    cq_error_hint(err, "SELECT name FROM cq_tables WHERE cursor IS NOT NULL "
                       "lists them");
    return CQ_ERROR;
  }
  for (int i = 0; i < out->n; i++) {
    cq_plan_table *t = &out->tables[i];
    const cq_cursor_def *d = &t->table->cursor;

    t->feed |= d->column >= 0 && !d->optional;
    t->incremental =
        t->feed || (t->parent >= 0 && out->tables[t->parent].incremental);
  }
  return CQ_OK;
}

static int fill(select_state *s, cq_plan *out, cq_error *err) {
  size_t n = 0;

  for (size_t i = 0; i < s->n; i++) n += s->all[i].chosen && !s->all[i].skipped;
  out->tables = cq_calloc(n + 1, sizeof *out->tables);
  if (!out->tables) return cq_error_nomem(err);
  for (size_t i = 0; i < s->n; i++) {
    candidate *c = &s->all[i];
    cq_plan_table *t = &out->tables[out->n];
    int rc;

    if (!c->chosen || c->skipped) continue;
    rc = load(s, c, err);
    if (rc) return rc;
    t->table = c->table;
    t->paid = c->table->paid;
    for (int depth = 0; c && depth < CQ_MAX_PARENT_DEPTH; depth++) {
      rc = parent_of(s, c, &c, err);
      if (rc) return rc;
      t->depth += c != NULL;
    }
    out->n++;
  }
  qsort(out->tables, (size_t)out->n, sizeof *out->tables, by_depth);
  for (int i = 0; i < out->n; i++) {
    out->tables[i].parent = -1;
    for (int k = 0; k < i; k++)
      if (out->tables[k].table == out->tables[i].table->parent.table) {
        out->tables[i].parent = k;
        out->tables[k].has_children = 1;
      }
  }
  return feeds(s, out, err);
}

int cq_plan_select(cq_registry *r, const cq_spec_source *spec, cq_plan *out,
                   cq_error *err) {
  select_state s = {r, spec, NULL, 0, 0};
  const char *name, *in;
  int rc = CQ_OK;

  memset(out, 0, sizeof *out);
  cq_arena_init(&out->arena);
  for (size_t i = 0; rc == CQ_OK && (name = cq_registry_table_name(r, i, &in));
       i++) {
    if (strcmp(in, spec->integration->name) != 0) continue;
    if (cq_grow(&s.all, &s.cap, s.n, sizeof *s.all)) {
      rc = cq_error_nomem(err);
      break;
    }
    memset(&s.all[s.n], 0, sizeof *s.all);
    s.all[s.n++].name = name;
  }
  if (rc == CQ_OK) rc = match(&s, &spec->tables, "tables", 0, err);
  if (rc == CQ_OK) rc = match(&s, &spec->skip_tables, "skip_tables", 1, err);
  if (rc == CQ_OK && !spec->skip_dependent) rc = dependents(&s, err);
  if (rc == CQ_OK) rc = ancestors(&s, err);
  if (rc == CQ_OK) rc = fill(&s, out, err);
  if (rc == CQ_OK && out->n == 0)
    rc =
        cq_tree_error(err, spec->at, "source %s: no table is left", spec->name);
  cq_free(s.all);
  if (rc) cq_plan_clear(out);
  return rc;
}

/* Many tables have the same clients, mostly all that there are: a hundred
 * tables of tens of thousands of clients have one list. */
static int clients_share(cq_plan *p, cq_plan_table *t,
                         const cq_client *const *all, size_t nall,
                         const cq_client *const *kept, cq_error *err) {
  size_t bytes = t->nclient * sizeof *kept;
  const cq_client **own;

  t->clients = t->nclient == nall ? all : NULL;
  for (int i = 0; i < p->n && !t->clients; i++)
    if (p->tables[i].listed && p->tables[i].nclient == t->nclient &&
        memcmp(p->tables[i].clients, kept, bytes) == 0)
      t->clients = p->tables[i].clients;
  if (t->clients) return CQ_OK;
  own = cq_arena_alloc(&p->arena, bytes + 1);
  if (!own) return cq_error_nomem(err);
  memcpy(own, kept, bytes);
  t->clients = own;
  return CQ_OK;
}

int cq_plan_clients(cq_plan *p, int table, cq_source *s, cq_error *err) {
  cq_plan_table *t = &p->tables[table];
  const cq_client *const *all;
  const cq_client **kept;
  size_t n;
  int rc, yes;

  cq_clients_unref(t->found);
  t->found = NULL;
  rc = cq_source_clients(s, t->table, &t->found, err);
  if (rc) return rc;
  all = cq_clients_all(t->found, &n);
  kept = cq_calloc(n + 1, sizeof *kept);
  if (!kept) return cq_error_nomem(err);
  t->nclient = 0;
  for (size_t i = 0; i < n && rc == CQ_OK; i++) {
    rc = cq_source_concerns(s, t->table, all[i], NULL, 0, &yes, err);
    if (rc == CQ_OK && yes) kept[t->nclient++] = all[i];
  }
  if (rc == CQ_OK) rc = clients_share(p, t, all, n, kept, err);
  cq_free(kept);
  if (rc) {
    t->nclient = 0;
    return rc;
  }
  if (t->has_children && t->incremental) {
    size_t bytes = (t->nclient + 1) * sizeof *t->cursors;

    t->cursors = cq_arena_alloc(&p->arena, bytes);
    if (!t->cursors) return cq_error_nomem(err);
    memset(t->cursors, 0, bytes);
  }
  t->listed = 1;
  return CQ_OK;
}

int cq_plan_end(const cq_plan_table *t, size_t client, cq_left *left) {
  int byte = t->ends ? t->ends[client] : 0;

  if (left) *left = (cq_left)(byte >> 4);
  return byte & 15;
}

void cq_plan_clear(cq_plan *p) {
  for (int i = 0; i < p->n; i++) {
    cq_free(p->tables[i].ends);
    cq_clients_unref(p->tables[i].found);
  }
  cq_free(p->tables);
  cq_arena_clear(&p->arena);
  memset(p, 0, sizeof *p);
}

/* What the connection was configured with, under what the spec says. */
int cq_plan_config(const cq_sync_call *c, const cq_spec_source *s,
                   cq_config **out, cq_error *err) {
  int rc = c->config ? c->config(c->user, s->integration, s->spec, out, err)
                     : CQ_NOTFOUND;

  if (rc == CQ_NOTFOUND) {
    cq_error_clear(err);
    rc = cq_config_new(s->integration, s->spec, out, err);
  }
  if (rc == CQ_OK && (rc = cq_config_check(*out, s->spec, NULL, err)) != 0) {
    cq_config_unref(*out);
    *out = NULL;
  }
  return rc;
}
