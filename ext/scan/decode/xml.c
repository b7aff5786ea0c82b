/* ext/scan/decode/xml.c: XML by expat's events, in pieces.
 *
 * Paths begin below the root element; namespaces are ignored.  What the
 * program names of a record's elements becomes a small tree that goes through
 * it and is dropped; outside of records it is what the envelope's fields name.
 *
 * Elements follow each other in the same order again and again, so each name
 * remembers which came after it: one comparison instead of a look-up.  Document
 * types, and so entities, are refused: no API needs them, and they explode. */
#include <expat.h>

#include "scan/decode/xml.h"

enum { XML_PIECE = 1 << 30 };

/* One element name on the rows path and which of its siblings count. */
typedef struct xml_level {
  const cq_step *name; /* NULL: any */
  int each;            /* all of them; else the one at `index` */
  int index;
  int count; /* seen below the present parent */
} xml_level;

/* What this decoder knows of a name; it lies in front of it. */
typedef struct xml_known {
  cq_xname *next;      /* the element that began after it, the last time */
  const cq_trie *trie; /* and which edge of this it is, or NULL */
  const cq_edge *edge;
} xml_known;

typedef enum xml_keep { XML_NONE, XML_SOME, XML_ALL } xml_keep;

typedef struct xml_open {
  cq_xnode *node; /* NULL: not kept */
  xml_keep keep;
  const cq_trie *trie; /* XML_SOME */
  cq_buf text;
} xml_open;

typedef struct xml_decoder {
  const cq_decode_ops *ops;
  const cq_program *p;
  XML_Parser parser;
  xml_level *levels;
  int nlevel;
  int list;       /* level of program->outer, or -1 */
  int64_t within; /* records so far of its entry */
  int on; /* open elements that are on the rows path, the root not counted */
  int record; /* depth of the open record, or -1 */
  int depth;  /* open elements */
  int found, rc, doctype;
  int fed;               /* the answer has a byte at least */
  xml_open *open;        /* CQ_MAX_XML_DEPTH of them */
  cq_arena inner, outer; /* of the record; of all else */
  cq_arena names;
  cq_xname **table;
  size_t nname, size;
  cq_xname *last; /* of the elements that began */
  uint64_t visit;
  cq_xnode *root;
  cq_walk walk, wenv;
  cq_batch *batch;
  cq_value *envelope;
  cq_arena arena; /* what the envelope holds */
  int64_t odd;
} xml_decoder;

static int xml_compile(const cq_program_def *def, cq_program **out,
                       cq_error *err) {
  *out = NULL;
  if (def->rows->nstep && (def->rows->steps[0].kind == CQ_STEP_EACH ||
                           def->rows->steps[0].kind == CQ_STEP_INDEX))
    return cq_error_set(err, CQ_ERROR,
                        "xml: rows \"%.100s\": a bracket must follow an "
                        "element's name",
                        def->rows->text);
  for (int i = 0; i < def->rows->nstep; i++)
    if (def->rows->steps[i].kind == CQ_STEP_ATTR)
      return cq_error_set(err, CQ_ERROR,
                          "xml: rows \"%.100s\": an attribute is no record",
                          def->rows->text);
  return cq_program_make(&cq_decode_xml, def, out, err);
}

static void xml_close(cq_decoder *cd) {
  xml_decoder *d = (xml_decoder *)cd;

  if (!d) return;
  if (d->parser) XML_ParserFree(d->parser);
  for (int i = 0; d->open && i < CQ_MAX_XML_DEPTH; i++)
    cq_buf_clear(&d->open[i].text);
  if (d->walk.picks) cq_walk_clear(&d->walk);
  if (d->wenv.picks) cq_walk_clear(&d->wenv);
  cq_arena_clear(&d->inner);
  cq_arena_clear(&d->outer);
  cq_arena_clear(&d->names);
  cq_arena_clear(&d->arena);
  cq_free(d->open);
  cq_free(d->levels);
  cq_free(d->table);
  cq_free(d->envelope);
  cq_free(d);
}

/* ---- names ------------------------------------------------------------------ */
static int xml_names_grow(xml_decoder *d) {
  size_t size = d->size ? 2 * d->size : 256;
  cq_xname **t = cq_calloc(size, sizeof *t);

  if (!t) return CQ_NOMEM;
  for (size_t i = 0; i < d->size; i++) {
    cq_xname *n = d->table[i];
    uint64_t h = n ? cq_hash64(n->text, n->len, 0) : 0;

    if (!n) continue;
    while (t[h & (size - 1)]) h++;
    t[h & (size - 1)] = n;
  }
  cq_free(d->table);
  d->table = t;
  d->size = size;
  return CQ_OK;
}

static xml_known *xml_known_of(cq_xname *name) {
  return (xml_known *)(void *)name - 1;
}

/* Without its prefix; an attribute's with '@'. */
static cq_xname *xml_name(xml_decoder *d, const char *name, int attribute) {
  const char *local = strrchr(name, ':');
  size_t n;
  uint64_t h;
  cq_xname *x;
  char small[128], *key = small;
  xml_known *known;

  local = local ? local + 1 : name;
  n = strlen(local) + (size_t)attribute;
  if (n >= sizeof small && !(key = cq_malloc(n + 1))) {
    d->rc = CQ_NOMEM;
    return NULL;
  }
  key[0] = '@';
  memcpy(key + attribute, local, n - (size_t)attribute);
  key[n] = '\0';
  x = NULL;
  if (2 * (d->nname + 1) > d->size && xml_names_grow(d)) goto nomem;
  for (h = cq_hash64(key, n, 0); (x = d->table[h & (d->size - 1)]); h++)
    if (x->len == n && memcmp(x->text, key, n) == 0) goto done;
  if (d->nname == CQ_MAX_XML_NAMES) {
    d->rc = CQ_TOOBIG;
    goto done;
  }
  known = cq_arena_alloc(&d->names, sizeof *known + sizeof *x + n + 1);
  if (!known) goto nomem;
  memset(known, 0, sizeof *known + sizeof *x);
  x = (cq_xname *)(void *)(known + 1);
  x->len = n;
  memcpy(x->text, key, n + 1);
  d->table[h & (d->size - 1)] = x;
  d->nname++;
  goto done;
nomem:
  d->rc = CQ_NOMEM;
done:
  if (key != small) cq_free(key);
  return d->rc ? NULL : x;
}

static cq_xname *xml_element(xml_decoder *d, const char *tag) {
  xml_known *last = d->last ? xml_known_of(d->last) : NULL;
  cq_xname *x = last ? last->next : NULL;

  if (!x || strcmp(x->text, tag) != 0) {
    x = xml_name(d, tag, 0);
    if (last) last->next = x;
  }
  d->last = x;
  return x;
}

static const cq_edge *xml_edge(const cq_trie *t, cq_xname *name) {
  xml_known *k = xml_known_of(name);

  if (k->trie != t) {
    k->edge = cq_trie_find(t, name->text, name->len);
    k->trie = t;
  }
  return k->edge;
}

/* ---- the tree ----------------------------------------------------------------- */
static cq_arena *xml_arena(xml_decoder *d) {
  return d->record >= 0 && !d->p->whole ? &d->inner : &d->outer;
}

static cq_xnode *xml_node(xml_decoder *d, cq_xnode *parent, cq_xname *name) {
  cq_arena *a = xml_arena(d);
  cq_xnode *n = cq_arena_alloc(a, sizeof *n);

  if (!n || a->bytes > CQ_MAX_RECORD_BYTES) {
    d->rc = n ? CQ_TOOBIG : CQ_NOMEM;
    return NULL;
  }
  memset(n, 0, sizeof *n);
  n->name = name;
  n->text = "";
  if (parent) {
    if (parent->last)
      parent->last->next = n;
    else
      parent->first = n;
    parent->last = n;
    parent->elements += name->text[0] != '@';
  }
  return n;
}

static void xml_keep_edge(xml_open *o, const cq_edge *e) {
  o->keep = !e || (!e->nown && !e->child) ? XML_NONE
            : e->nown || e->child->nindex ? XML_ALL
                                          : XML_SOME;
  o->trie = o->keep == XML_SOME ? e->child : NULL;
}

/* What of this element is kept, unless it is a record. */
static void xml_keeps(xml_decoder *d, xml_open *o, cq_xname *name) {
  o->keep = d->depth ? o[-1].keep : d->p->whole ? XML_ALL : XML_NONE;
  o->trie = NULL;
  if (d->depth == 0 && !d->p->whole)
    xml_keep_edge(o, &d->p->env.self);
  else if (o->keep == XML_SOME)
    xml_keep_edge(o, xml_edge(o[-1].trie, name));
}

/* Is this element one of those on the rows path? */
static int xml_on_path(xml_decoder *d, const cq_xname *name) {
  xml_level *l = &d->levels[d->on];

  if (d->depth == 0 || d->record >= 0 || d->on != d->depth - 1 ||
      d->on == d->nlevel)
    return 0;
  if (l->name && (l->name->len != name->len ||
                  memcmp(l->name->name, name->text, name->len) != 0))
    return 0;
  return l->count++ == l->index || l->each;
}

static void xml_start(void *user, const char *tag, const char **attrs) {
  xml_decoder *d = user;
  xml_open *o = &d->open[d->depth];
  cq_xname *name;

  if (d->rc) return;
  if (d->depth == CQ_MAX_XML_DEPTH) {
    d->rc = CQ_TOOBIG;
    goto stop;
  }
  o->node = NULL;
  if (d->record >= 0 && o[-1].keep == XML_NONE) {
    o->keep = XML_NONE;
    d->depth++;
    return;
  }
  name = xml_element(d, tag);
  if (!name) goto stop;
  xml_keeps(d, o, name);
  if (d->record < 0) {
    if (xml_on_path(d, name)) {
      d->on++;
      if (d->on < d->nlevel) d->levels[d->on].count = 0;
      if (d->on + 1 == d->nlevel) d->found = 1;
    }
    if (d->on == d->depth && d->on == d->nlevel) {
      d->record = d->depth;
      d->found = 1;
      if (!d->p->whole) xml_keep_edge(o, &d->walk.picks->self);
    }
  }
  if (o->keep != XML_NONE || d->record == d->depth) {
    cq_xnode *up = d->depth ? o[-1].node : NULL;

    /* A record hangs on nothing, unless all is kept. */
    if (d->record == d->depth && !d->p->whole) up = NULL;
    cq_buf_reset(&o->text);
    o->node = xml_node(d, up, name);
    if (!o->node) goto stop;
    if (d->depth == 0) d->root = o->node;
    for (; *attrs; attrs += 2) {
      cq_xname *an;
      cq_xnode *a;

      if (strncmp(attrs[0], "xmlns", 5) == 0 &&
          (attrs[0][5] == ':' || !attrs[0][5]))
        continue;
      an = xml_name(d, attrs[0], 1);
      if (!an) goto stop;
      if (o->keep == XML_NONE || (o->trie && !xml_edge(o->trie, an))) continue;
      a = xml_node(d, o->node, an);
      if (!a) goto stop;
      a->len = strlen(attrs[1]);
      a->text = cq_arena_strndup(xml_arena(d), attrs[1], a->len);
      if (!a->text) {
        d->rc = CQ_NOMEM;
        goto stop;
      }
    }
  }
  d->depth++;
  return;
stop:
  XML_StopParser(d->parser, XML_FALSE);
}

static int xml_record(xml_decoder *d, const cq_xnode *n) {
  cq_walk *w = &d->walk;
  const cq_picks *k = w->picks;
  cq_value name = cq_value_str(n->name->text, n->name->len);
  int rc;

  w->cells = cq_batch_add(d->batch);
  w->arena = &d->batch->arena;
  w->warnings = &d->batch->warnings;
  if (!w->cells) return CQ_NOMEM;
  d->within++;
  rc = cq_xml_take(w, n);
  for (int i = k->mapkey; i < k->mapkey + k->nmapkey && rc == CQ_OK; i++)
    rc = cq_cell_put(w, &k->pick[i], CQ_T_STRING, &name, "", "");
  return rc;
}

static void xml_end(void *user, const char *tag) {
  xml_decoder *d = user;
  xml_open *o;

  (void)tag;
  if (d->rc) return;
  o = &d->open[--d->depth];
  if (o->text.rc) {
    d->rc = o->text.rc;
  } else if (o->node) {
    o->node->len = o->text.len;
    if (o->text.len)
      o->node->text = cq_arena_strndup(xml_arena(d), o->text.data, o->text.len);
    if (!o->node->text) d->rc = CQ_NOMEM;
    if (o->node->first) cq_xml_link(o->node, ++d->visit);
  }
  if (d->rc == CQ_OK && d->record == d->depth) {
    d->rc = xml_record(d, o->node);
    d->record = -1;
    cq_arena_reset(&d->inner);
    if (!d->p->whole) {
      /* The tree hung on nothing; the root may have been it. */
      if (d->depth == 0) d->root = NULL;
    }
  }
  if (d->on == d->depth && d->on > 0 && --d->on == d->list) {
    d->batch->rest += 1 - d->within;
    d->within = 0;
  }
  if (d->rc) XML_StopParser(d->parser, XML_FALSE);
}

static void xml_text(void *user, const char *s, int n) {
  xml_decoder *d = user;

  if (d->rc == CQ_OK && d->depth > 0 && d->open[d->depth - 1].node)
    cq_buf_add(&d->open[d->depth - 1].text, s, (size_t)n);
}

static void xml_doctype(void *user, const char *n, const char *s, const char *p,
                        int internal) {
  xml_decoder *d = user;

  (void)n, (void)s, (void)p, (void)internal;
  d->doctype = 1;
  XML_StopParser(d->parser, XML_FALSE);
}

/* ---- the decoder ----------------------------------------------------------------- */
static int xml_levels(xml_decoder *d, const cq_path *rows) {
  d->list = -1;
  d->levels = cq_calloc((size_t)rows->nstep + 1, sizeof *d->levels);
  if (!d->levels) return CQ_NOMEM;
  for (int i = 0; i < rows->nstep; i++) {
    const cq_step *s = &rows->steps[i];

    if (s->kind == CQ_STEP_KEY) {
      d->levels[d->nlevel++].name = s;
    } else if (s->kind == CQ_STEP_VALUES) {
      d->levels[d->nlevel++].each = 1;
    } else if (s->kind == CQ_STEP_INDEX) {
      d->levels[d->nlevel - 1].index = s->index;
    } else {
      d->levels[d->nlevel - 1].each = 1;
    }
    if (i == d->p->outer) d->list = d->nlevel - 1;
  }
  return CQ_OK;
}

static int xml_open_decoder(const cq_program *p, cq_decoder **out,
                            cq_error *err) {
  static const XML_Memory_Handling_Suite memory = {cq_malloc, cq_realloc,
                                                   cq_free};
  xml_decoder *d = cq_calloc(1, sizeof *d);

  *out = NULL;
  if (!d) return cq_error_nomem(err);
  d->ops = &cq_decode_xml;
  d->p = p;
  d->record = -1;
  cq_arena_init(&d->inner);
  cq_arena_init(&d->outer);
  cq_arena_init(&d->names);
  cq_arena_init(&d->arena);
  d->open = cq_calloc(CQ_MAX_XML_DEPTH + 1, sizeof *d->open);
  d->envelope = cq_calloc((size_t)p->nenvslot + 1, sizeof *d->envelope);
  if (!d->open || !d->envelope || xml_levels(d, &p->rows) ||
      cq_walk_init(&d->walk, &p->record) || cq_walk_init(&d->wenv, &p->env))
    goto nomem;
  for (int i = 0; i < CQ_MAX_XML_DEPTH; i++)
    cq_buf_init(&d->open[i].text, CQ_MAX_RECORD_BYTES);
  d->walk.copy = d->wenv.copy = 1;
  d->wenv.arena = &d->arena;
  d->wenv.cells = d->envelope;
  d->wenv.warnings = &d->odd;
  d->parser = XML_ParserCreate_MM(NULL, &memory, NULL);
  if (!d->parser) goto nomem;
  XML_SetUserData(d->parser, d);
  XML_SetElementHandler(d->parser, xml_start, xml_end);
  XML_SetCharacterDataHandler(d->parser, xml_text);
  XML_SetStartDoctypeDeclHandler(d->parser, xml_doctype);
  *out = (cq_decoder *)d;
  return CQ_OK;
nomem:
  xml_close((cq_decoder *)d);
  return cq_error_nomem(err);
}

static int xml_failed(xml_decoder *d, cq_error *err) {
  enum XML_Error e = XML_GetErrorCode(d->parser);
  long long at = (long long)XML_GetCurrentByteIndex(d->parser);

  if (d->rc == CQ_NOMEM || (!d->rc && e == XML_ERROR_NO_MEMORY))
    return cq_error_nomem(err);
  if (d->rc)
    return cq_error_set(err, d->rc,
                        "answer: XML deeper than %d levels, or a record or "
                        "its names larger than is bearable, at byte %lld",
                        (int)CQ_MAX_XML_DEPTH, at);
  if (d->doctype)
    return cq_error_set(err, CQ_ERROR,
                        "answer: XML with a document type is refused, at byte "
                        "%lld",
                        at);
  if (e == XML_ERROR_NO_ELEMENTS || e == XML_ERROR_UNCLOSED_TOKEN ||
      e == XML_ERROR_PARTIAL_CHAR || e == XML_ERROR_UNCLOSED_CDATA_SECTION)
    return cq_error_set(err, CQ_ERROR,
                        "answer is cut: the XML ends too early, at byte %lld",
                        at);
  return cq_error_set(err, CQ_ERROR, "answer is not XML: %s at byte %lld",
                      XML_ErrorString(e), at);
}

static int xml_feed(cq_decoder *cd, cq_block *piece, int final, cq_batch *batch,
                    cq_error *err) {
  xml_decoder *d = (xml_decoder *)cd;
  const char *p = piece ? piece->data : "";
  size_t n = piece ? piece->len : 0;
  int rc = CQ_OK;

  d->batch = batch;
  d->fed |= n > 0;
  if (final && !d->fed && d->p->optional_rows)
    goto done; /* nothing at all: no rows */
  do {
    int part = n > XML_PIECE ? XML_PIECE : (int)n;

    if (XML_Parse(d->parser, p, part, final && (size_t)part == n) !=
        XML_STATUS_OK) {
      rc = xml_failed(d, err);
      goto done;
    }
    p += part;
    n -= (size_t)part;
  } while (n);
  if (!final) goto done;
  if (!d->found && d->nlevel && !d->p->optional_rows)
    rc = cq_error_set(
        err, CQ_ERROR,
        "answer: no rows at \"%.200s\"\nhint: rows_optional: true, where "
        "the API leaves out an empty list",
        d->p->rows.text);
  if (rc == CQ_OK && d->root) {
    rc = cq_xml_take(&d->wenv, d->root);
    if (rc == CQ_NOMEM)
      cq_error_nomem(err);
    else if (rc)
      cq_error_set(err, rc, "answer: its envelope is too large");
  }
done:
  if (piece) cq_block_unref(piece);
  return rc;
}

static const cq_value *xml_envelope(const cq_decoder *cd) {
  return ((const xml_decoder *)cd)->envelope;
}

const cq_decode_ops cq_decode_xml = {
    "xml",    xml_compile,  cq_program_drop, xml_open_decoder,
    xml_feed, xml_envelope, xml_close};
