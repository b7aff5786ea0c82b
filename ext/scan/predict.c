/* ext/scan/predict.c: the requests that a scan would make, told before any is
 * made.
 *
 * For a live query the same enumeration that feeds the scan runs here, over the
 * clients that are known without asking, and the same code builds each first
 * request; one that an earlier scan of the statement makes as well is not
 * counted again, since its answer is shared.  What only the network can tell
 * stays open and is said so: clients to be discovered, rows of a parent, pages,
 * values that another table's row gives. */
#include <stdlib.h>
#include <string.h>

#include "scan/internal.h"

/* The clients of a source as far as they can be told: tens of thousands, and
 * the same for most tables. */
typedef struct cq_found {
  struct cq_found *next;
  cq_source *source;
  unsigned long long dims;
  cq_arena arena;
  cq_dry dry;
  const char *url[64][2]; /* of the steps that find them, once told */
} cq_found;

static int predict_found(cq_prediction *p, cq_source *s, const cq_table *t,
                         cq_found **out, cq_error *err) {
  unsigned long long dims = cq_table_dims(t);
  cq_found *f = p->found;
  int rc;

  while (f && (f->source != s || f->dims != dims)) f = f->next;
  *out = f;
  if (f) return CQ_OK;
  f = cq_calloc(1, sizeof *f);
  if (!f) return cq_error_nomem(err);
  f->source = cq_source_ref(s);
  f->dims = dims;
  cq_arena_init(&f->arena);
  f->next = p->found;
  p->found = f;
  rc = cq_source_dry(s, t, &f->arena, &f->dry, err);
  *out = f;
  return rc;
}

void cq_prediction_again(cq_prediction *p) {
  p->n = 0;
  cq_set_clear(&p->seen);
}

void cq_prediction_clear(cq_prediction *p) {
  while (p->found) {
    cq_found *f = p->found;

    p->found = f->next;
    cq_dry_clear(&f->dry);
    cq_source_unref(f->source);
    cq_arena_wipe(&f->arena); /* accounts may bring keys */
    cq_free(f);
  }
  cq_free(p->steps);
  cq_set_clear(&p->seen);
  cq_arena_clear(&p->arena);
  memset(p, 0, sizeof *p);
}

/* All of a step but its address. */
static int predict_step(cq_prediction *p, const cq_table *t,
                        const cq_request_def *r, const char *purpose,
                        int64_t requests, const char *repeats, cq_error *err) {
  cq_plan_step *s;

  if (cq_grow(&p->steps, &p->cap, p->n, sizeof *p->steps))
    return cq_error_nomem(err);
  s = &p->steps[p->n++];
  memset(s, 0, sizeof *s);
  s->table = t->name;
  s->client = "";
  s->method = r->method ? r->method : "GET";
  s->operation = r->operation ? r->operation : "";
  s->purpose = purpose;
  s->requests = requests;
  s->repeats = cq_arena_printf(&p->arena, "%s", repeats ? repeats : "");
  return s->repeats ? CQ_OK : cq_error_nomem(err);
}

/* The address of the step that was told last, which may be known. */
static int predict_url(cq_prediction *p, const cq_preview *v,
                       const cq_request_def *r, const char **known,
                       cq_error *err) {
  char *url;
  int rc = *known ? CQ_OK : cq_preview_url(v, r, &p->arena, &url, err);

  if (rc == CQ_OK && !*known) *known = url;
  p->steps[p->n - 1].url = *known;
  return rc;
}

static int predict_add(cq_prediction *p, const cq_preview *v, const cq_table *t,
                       const cq_request_def *r, const char *purpose,
                       int64_t requests, const char *repeats, cq_error *err) {
  const char *url = NULL;
  int rc = predict_step(p, t, r, purpose, requests, repeats, err);

  return rc ? rc : predict_url(p, v, r, &url, err);
}

static uint64_t hash_text(const char *s, uint64_t h) {
  return s ? cq_hash64(s, strlen(s) + 1, h) : h;
}

/* The first request of a job (of one that has to run before, its start): equal
 * hashes share one answer.  A request that
 * lacks a value which identifying its client gives counts as one of its own. */
static int job_hash(const cq_scan_options *o, const cq_job *j, int64_t now_us,
                    uint64_t *h, cq_error *err) {
  const cq_table *t = o->table;
  cq_page_state page;
  cq_scope s;
  const cq_value *v;
  const char *name;
  cq_built b;
  int rc;

  memset(&s, 0, sizeof s);
  s.config = o->source->config;
  s.client = j->client;
  s.table = t;
  s.where = j->where;
  s.nwhere = j->nwhere;
  s.each = j->each;
  s.option = j->option;
  s.parent = t->parent.table;
  s.parent_rows = j->parents;
  s.nparent = j->nparent;
  s.cursor_from = j->cursor_from;
  s.cursor_to = j->cursor_to;
  s.page = &page;
  s.run_us = now_us;
  cq_page_start(&t->page, cq_page_size(&t->page, cq_scan_page_cap(o)), &page);
  if (t->job.poll) s.option = NULL;
  rc = cq_request_build(t->integration,
                        j->get         ? t->get.request
                        : t->job.start ? t->job.start
                        : t->job.poll  ? t->job.poll
                                       : t->request,
                        &s, NULL, &b, err);
  cq_page_clear(&page);
  if (rc) return rc;
  *h = hash_text(b.method, hash_text(b.url, 0));
  for (size_t i = 0; i < b.nheader; i++)
    *h = hash_text(b.headers[i].name, hash_text(b.headers[i].value, *h));
  *h = cq_hash64(b.body ? b.body : "", b.nbody, *h);
  /* Behind one endpoint the client decides what is signed for; before it is
   * identified its id is not known. */
  for (size_t i = 0; cq_client_at(j->client, i, &name, &v); i++)
    if (v->kind == CQ_STR) *h = cq_hash64(v->u.s, v->len, *h);
  cq_built_clear(&b);
  return CQ_OK;
}

/* Jobs whose requests go to addresses of one form: the same request, and
 * clients that have the same of the attributes which it names. */
typedef struct form {
  int get;
  uint64_t has; /* bit per client attribute of url and path, in their order */
  int64_t count;
  const cq_client **clients;
  size_t n, cap;
} form;

typedef struct forms {
  form *v;
  size_t n, cap;
  const cq_client **kinds; /* one of those that are alike each */
  size_t nkind, capkind;
} forms;

static void forms_clear(forms *f) {
  for (size_t i = 0; i < f->n; i++) cq_free(f->v[i].clients);
  cq_free(f->v);
  cq_free(f->kinds);
}

static uint64_t form_has(const cq_request_def *r, const cq_client *c) {
  const cq_template *const parts[] = {r ? r->url : NULL, r ? r->path : NULL};
  uint64_t has = 0, bit = 1;
  const cq_value *v;

  for (int k = 0; k < 2; k++) {
    size_t n = 0;
    cq_ref *const *refs = parts[k] ? cq_template_refs(parts[k], &n) : NULL;

    for (size_t i = 0; i < n && bit; i++) {
      if (refs[i]->root != CQ_R_CLIENT) continue;
      v = c ? cq_client_value(c, refs[i]->name) : NULL;
      if (v && v->kind != CQ_NULL) has |= bit;
      bit <<= 1;
    }
  }
  return has;
}

/* `shown`, or who is there already, stands for the client in what is told of
 * addresses.  They come in their order, so one that is there is the last. */
static int forms_add(forms *f, int get, uint64_t has, const cq_client *shown,
                     int64_t count) {
  size_t i;
  form *m;

  for (i = 0; i < f->n && (f->v[i].get != get || f->v[i].has != has); i++)
    ;
  if (i == f->n) {
    if (cq_grow(&f->v, &f->cap, f->n, sizeof *f->v)) return CQ_NOMEM;
    memset(&f->v[f->n], 0, sizeof *f->v);
    f->v[f->n].get = get;
    f->v[f->n++].has = has;
  }
  m = &f->v[i];
  m->count += count;
  if (!shown || (m->n && m->clients[m->n - 1] == shown)) return CQ_OK;
  if (cq_grow(&m->clients, &m->cap, m->n, sizeof *m->clients)) return CQ_NOMEM;
  m->clients[m->n++] = shown;
  return CQ_OK;
}

/* What cannot be built is a fault of the definition, or lacks what identifying
 * the client will give. */
static int predict_lacks(const cq_table *t, int rc, int identified,
                         const cq_error *lacks, cq_error *err) {
  if (rc != CQ_NOMEM && !identified) return CQ_OK;
  if (err) *err = *lacks;
  if (rc != CQ_NOMEM) cq_error_prefix(err, "%s: ", t->name);
  return rc;
}

/* How many jobs one client has; the request of the first is built. */
static int predict_client(const cq_scan_options *o, const cq_need *need,
                          const cq_client *c, int64_t now_us, int identified,
                          int64_t count[2], cq_error *err) {
  cq_scan_options self = *o;
  cq_enum *e;
  cq_job *j;
  int rc, looked = 0;

  self.clients = &c;
  self.nclient = 1;
  rc = cq_enum_open(&self, need, now_us, &e, err);
  while (rc == CQ_OK && (rc = cq_enum_next(e, &j, err)) == CQ_ROW) {
    cq_error lacks = {0, ""};
    uint64_t h;

    rc = looked++ ? CQ_OK : job_hash(o, j, now_us, &h, &lacks);
    if (rc) rc = predict_lacks(o->table, rc, identified, &lacks, err);
    count[j->get != 0]++;
    cq_job_free(j);
  }
  cq_enum_close(e);
  return rc == CQ_DONE ? CQ_OK : rc;
}

/* The requests of a sync, which shares none: those of one client of each kind,
 * times as many as there are. */
static int predict_alike(const cq_scan_options *o, const cq_need *need,
                         int64_t now_us, int identified, forms *f,
                         cq_error *err) {
  cq_alike alike;
  int rc = cq_alike_open(&alike, o->table, err);

  for (size_t i = 0; i < o->nclient && rc == CQ_OK; i++) {
    const cq_client *c = o->clients[i], *shown = NULL;
    cq_alike_class *k;

    rc = cq_alike_class_of(&alike, c, &k, err);
    if (rc == CQ_OK && !k->told) {
      k->told = 1;
      k->has[0] = form_has(o->table->request, c);
      k->has[1] = form_has(o->table->get.request, c);
      shown = c;
      rc = predict_client(o, need, c, now_us, identified, k->count, err);
      if (rc == CQ_OK && (k->count[0] || k->count[1])) {
        if (cq_grow(&f->kinds, &f->capkind, f->nkind, sizeof *f->kinds))
          rc = cq_error_nomem(err);
        else
          f->kinds[f->nkind++] = c;
      }
    }
    for (int get = 0; get < 2 && rc == CQ_OK; get++)
      if (k->count[get] && forms_add(f, get, k->has[get], shown, k->count[get]))
        rc = cq_error_nomem(err);
  }
  cq_alike_clear(&alike);
  return rc;
}

/* Each request of a query: one that was made before is not made again. */
static int predict_jobs(const cq_scan_options *o, cq_enum *e, int64_t now_us,
                        int identified, cq_prediction *p, forms *f,
                        cq_error *err) {
  cq_job *j;
  int rc;

  while ((rc = cq_enum_next(e, &j, err)) == CQ_ROW) {
    cq_error lacks = {0, ""};
    uint64_t h;
    int is_new = 1, get = j->get;
    const cq_client *client = j->client;

    rc = job_hash(o, j, now_us, &h, &lacks);
    cq_job_free(j);
    if (rc == CQ_OK)
      rc = cq_set_add(&p->seen, h, &is_new) ? cq_error_nomem(err) : CQ_OK;
    else
      rc = predict_lacks(o->table, rc, identified, &lacks, err);
    if (rc) return rc;
    if (forms_add(
            f, get,
            form_has(get ? o->table->get.request : o->table->request, client),
            client, is_new || !o->live))
      return cq_error_nomem(err);
  }
  return rc == CQ_DONE ? CQ_OK : rc;
}

/* The steps that find clients, those of earlier scans left out. */
static int predict_clients(const cq_scan_options *o, const cq_preview *v,
                           cq_found *f, cq_prediction *p, cq_error *err) {
  const cq_dry *dry = v->dry;

  for (size_t i = 0; i < dry->nstep; i++) {
    const cq_dry_step *d = &dry->step[i];

    for (int k = 0; k < 2; k++) {
      int64_t n = k ? d->identify : d->discover;
      uint64_t h = hash_text(k ? "identify" : "discover",
                             cq_hash64(&d->dim, sizeof d->dim, 0));
      int is_new, rc;

      if (!n) continue;
      if (cq_set_add(&p->seen, h, &is_new)) return cq_error_nomem(err);
      if (!is_new) continue;
      rc = predict_step(p, o->table, k ? d->dim->identify : d->dim->discover,
                        k ? "identify" : "discover", n,
                        n >= 0 ? (!k && d->dim->page.by ? "pages" : "")
                        : k    ? "per value found"
                               : "per client found",
                        err);
      if (rc == CQ_OK)
        rc = predict_url(p, v, k ? d->dim->identify : d->dim->discover,
                         &f->url[i][k], err);
      if (rc) return rc;
    }
  }
  return CQ_OK;
}

/* Does a constraint name what only identifying a client will tell? */
static int prunes_unidentified(const cq_scan_options *o, const cq_dry *dry) {
  for (size_t i = 0; i < o->nconstraint; i++) {
    const cq_column *c = &o->table->columns[o->constraints[i].column];

    for (size_t k = 0; k < dry->nstep; k++) {
      const cq_dimension *d = dry->step[k].dim;

      for (size_t a = 0;
           dry->step[k].identify && c->source == CQ_FROM_CLIENT && a < d->nattr;
           a++)
        if (c->from && strcmp(d->attr[a].name, c->from) == 0) return 1;
    }
  }
  return 0;
}

static int any_unknown(const cq_scan_options *o) {
  for (size_t i = 0; i < o->nconstraint; i++)
    if (o->constraints[i].unknown) return 1;
  return 0;
}

static int predict_parent(const cq_scan_options *o, const cq_need *need,
                          cq_prediction *p, cq_error *err) {
  const cq_table *t = o->table, *parent = t->parent.table;
  cq_scan_options up = *o;
  unsigned char *wanted = cq_calloc((size_t)parent->ncol + 1, 1);
  cq_constraint *w = cq_calloc(o->nconstraint + 1, sizeof *w);
  size_t n = 0;
  int rc;

  if (!wanted || !w) {
    rc = cq_error_nomem(err);
    goto done;
  }
  for (int i = 0; i < parent->ncol; i++) wanted[i] = need->parent[i];
  for (size_t i = 0; i < o->nconstraint; i++) {
    const cq_column *c = &t->columns[o->constraints[i].column];

    if (c->source != CQ_FROM_PARENT || c->parent_column < 0) continue;
    w[n] = o->constraints[i];
    w[n++].column = c->parent_column;
  }
  up.table = parent;
  up.wanted = wanted;
  up.constraints = w;
  up.nconstraint = n;
  up.cap = -1;
  up.parents = NULL;
  rc = cq_scan_predict(&up, p, err);
done:
  cq_free(wanted);
  cq_free(w);
  return rc;
}

/* What is below each record, and below those again. */
static int predict_below(const cq_table *t, const cq_preview *v,
                         cq_prediction *p, cq_error *err) {
  char *per;

  if (!t->below.request) return CQ_OK;
  per = cq_arena_printf(&p->arena, "per row of %s%s", t->name,
                        t->below.page.by == CQ_PAGE_NONE ? "" : ", pages");
  return per ? predict_add(p, v, t, t->below.request, "below", -1, per, err)
             : cq_error_nomem(err);
}

static int predict_calls(const cq_table *t, const cq_need *need,
                         const cq_preview *v, cq_prediction *p, cq_error *err) {
  for (size_t k = 0; k < t->ncall; k++) {
    const cq_call *c = &t->calls[k];
    char *per;
    int rc;

    if (!need->call[k]) continue;
    per = c->batch > 1 ? cq_arena_printf(&p->arena, "per %d rows of %s",
                                         c->batch, t->name)
                       : cq_arena_printf(&p->arena, "per row of %s", t->name);
    rc = per ? predict_add(p, v, t, c->request, "call", -1, per, err)
             : cq_error_nomem(err);
    if (rc) return rc;
  }
  return CQ_OK;
}

/* A job is started once, and asked for at least once. */
static int predict_run_job(const cq_table *t, const char *per, int64_t n,
                           const cq_preview *v, cq_prediction *p,
                           cq_error *err) {
  const char *until =
      cq_arena_printf(&p->arena, "%s%suntil done", per, *per ? ", " : "");
  int rc = CQ_OK;

  if (!until) return cq_error_nomem(err);
  if (t->job.start)
    rc = predict_add(p, v, t, t->job.start, "start", n, per, err);
  return rc ? rc : predict_add(p, v, t, t->job.poll, "poll", n, until, err);
}

static int predict_list(const cq_scan_options *o, int asks_parent, int64_t n,
                        const cq_preview *v, cq_prediction *p, cq_error *err) {
  const cq_table *t = o->table;
  const char *pages = t->page.by == CQ_PAGE_NONE ? "" : "pages";
  const char *per = pages;
  int rc = CQ_OK;

  if (!t->request) return CQ_OK;
  if (t->job.poll) {
    const char *each = !asks_parent
                           ? ""
                           : cq_arena_printf(&p->arena, "per row of %s",
                                             t->parent.table->name);

    rc = each ? predict_run_job(t, each, n, v, p, err) : cq_error_nomem(err);
  }
  if (rc) return rc;
  if (asks_parent && t->parent.batch > 1)
    per = cq_arena_printf(&p->arena, "per %d rows of %s%s%s", t->parent.batch,
                          t->parent.table->name, *pages ? ", " : "", pages);
  else if (asks_parent)
    per = cq_arena_printf(&p->arena, "per row of %s%s%s", t->parent.table->name,
                          *pages ? ", " : "", pages);
  return per ? predict_add(p, v, t, t->request, "list", n, per, err)
             : cq_error_nomem(err);
}

/* Requests that can be counted; none at all is told as well. */
static int predict_forms(const cq_scan_options *o, const forms *f,
                         const cq_preview *v, cq_prediction *p, cq_error *err) {
  int rc = f->n ? CQ_OK : predict_list(o, 0, 0, v, p, err);

  for (size_t i = 0; i < f->n && rc == CQ_OK; i++) {
    cq_preview one = *v;

    one.clients = f->v[i].clients;
    one.nclient = f->v[i].n;
    rc = f->v[i].get ? predict_add(p, &one, o->table, o->table->get.request,
                                   "get", f->v[i].count, "", err)
                     : predict_list(o, 0, f->v[i].count, &one, p, err);
  }
  return rc;
}

int cq_scan_predict(const cq_scan_options *o, cq_prediction *p, cq_error *err) {
  static const cq_client nobody = {.id = ""};
  const cq_client *const one[] = {&nobody};
  const cq_table *t = o->table, *parent = t->parent.table;
  cq_scan_options self = *o; /* with the clients that can be had */
  int64_t now_us = cq_now_us();
  forms f;
  int rc, asks = parent && parent != t, known, counted = 0;
  cq_enum *e = NULL;
  cq_need need;
  cq_preview shown = {o->source, o->clients, o->nclient, NULL};
  static const cq_dry nothing;
  const cq_dry *dry = &nothing;

  memset(&f, 0, sizeof f);
  if (t->retired) return CQ_OK; /* nothing is asked for */
  rc = cq_need_compute(t, o->wanted, o->live, &need, err);
  if (rc) return rc;
  if (!o->clients) {
    cq_found *found;

    rc = predict_found(p, o->source, t, &found, err);
    if (rc) goto done;
    shown.dry = dry = &found->dry;
    shown.clients = (const cq_client *const *)dry->clients;
    shown.nclient = dry->n;
    rc = predict_clients(o, &shown, found, p, err);
    self.clients = shown.clients;
    self.nclient = dry->n;
  }
  if (rc) goto done;
  known = (o->clients || (dry->known && !prunes_unidentified(o, dry))) &&
          !any_unknown(o);
  if (!known) {
    self.clients = one;
    self.nclient = 1;
  }
  if (o->live || !asks) {
    rc = cq_enum_open(&self, &need, now_us, &e, err);
    if (rc) goto done;
    asks = cq_enum_asks_parent(e);
    if (known && !asks && t->request) {
      int identified = 1;

      for (size_t i = 0; i < dry->nstep; i++)
        identified &= dry->step[i].identify == 0;
      rc = o->live || parent
               ? predict_jobs(&self, e, now_us, identified, p, &f, err)
               : predict_alike(&self, &need, now_us, identified, &f, err);
      if (rc == CQ_OK && f.nkind) {
        shown.clients = f.kinds;
        shown.nclient = f.nkind;
      }
      if (rc == CQ_OK) rc = predict_forms(o, &f, &shown, p, err);
      counted = 1;
    }
    cq_enum_close(e);
  }
  if (rc == CQ_OK && asks) rc = predict_parent(o, &need, p, err);
  if (rc == CQ_OK && !counted) rc = predict_list(o, asks, -1, &shown, p, err);
  if (rc == CQ_OK) rc = predict_below(t, &shown, p, err);
  if (rc == CQ_OK) rc = predict_calls(t, &need, &shown, p, err);
done:
  forms_clear(&f);
  cq_need_clear(&need);
  return rc;
}
