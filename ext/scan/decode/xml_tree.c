/* ext/scan/decode/xml_tree.c: an element's tree through the program: text into
 * typed cells, elements into JSON.
 *
 * With a shape the JSON has the shape's keys, types and lists.  Without one it
 * is guessed (spec/xml.c).  Recursion follows the tree, whose depth expat's
 * events have bounded. */
#include "scan/decode/xml.h"

static int xml_take_edge(cq_walk *w, const cq_edge *e, const cq_xnode *n,
                         int lone);

static int xml_attribute(const cq_xnode *n) {
  return n->name->text[0] == '@';
}

static const cq_xnode *xml_child(const cq_xnode *n, const char *name,
                                 size_t len) {
  for (const cq_xnode *c = n->first; c; c = c->next)
    if (c->head && c->name->len == len && memcmp(c->name->text, name, len) == 0)
      return c;
  return NULL;
}

/* A name as a shape writes it: "@xsi:type" is "@type" here. */
static const cq_xnode *xml_wire(const cq_xnode *n, const char *wire) {
  const char *colon = strchr(wire, ':');
  char local[128];
  size_t len;

  if (!colon) return xml_child(n, wire, strlen(wire));
  len = strlen(colon + 1);
  if (wire[0] != '@') return xml_child(n, colon + 1, len);
  if (len + 1 >= sizeof local) return NULL;
  local[0] = '@';
  memcpy(local + 1, colon + 1, len);
  return xml_child(n, local, len + 1);
}

/* ---- JSON by shape ------------------------------------------------------------------ */
/* Appends; *put 0: there is nothing to say, and nothing was appended. */
static int xml_shape(cq_walk *w, cq_buf *out, const cq_shape *s,
                     const cq_xnode *n, int lone, int *put);

static void xml_undo(cq_buf *out, size_t len) {
  if (out->rc == CQ_OK && out->data) {
    out->len = len;
    out->data[len] = '\0';
  }
}

static int xml_shape_scalar(cq_walk *w, cq_buf *out, const cq_shape *s,
                            const cq_xnode *n, int *put) {
  cq_value raw = cq_value_str(n->text, n->len);

  if (s->type == CQ_JSON || n->elements) {
    *put = n->first != NULL || n->len > 0;
    if (*put) cq_xml_guess(out, n);
    return out->rc;
  }
  return cq_shape_scalar(w->arena, out, s, &raw, put);
}

static int xml_shape_object(cq_walk *w, cq_buf *out, const cq_shape *s,
                            const cq_xnode *n, int *put) {
  int any = 0, some, rc = CQ_OK;

  cq_buf_byte(out, '{');
  for (size_t i = 0; i < s->nmember && rc == CQ_OK; i++) {
    const cq_xnode *c = xml_wire(n, s->members[i].wire);
    size_t was = out->len;

    if (!c) continue;
    if (any) cq_buf_byte(out, ',');
    cq_buf_json(out, s->members[i].name, strlen(s->members[i].name));
    cq_buf_byte(out, ':');
    rc = xml_shape(w, out, s->members[i].shape, c, 0, &some);
    if (some)
      any = 1;
    else
      xml_undo(out, was);
  }
  cq_buf_byte(out, '}');
  *put = any;
  return rc ? rc : out->rc;
}

/* The first element of a list and whether it stands alone. */
static const cq_xnode *xml_items(const cq_xnode *n, const char *wire,
                                 int *lone) {
  if (!wire) return n;
  *lone = 0;
  return xml_wire(n, wire);
}

static int xml_shape_list(cq_walk *w, cq_buf *out, const cq_shape *s,
                          const cq_xnode *n, int lone, int *put) {
  int any = 0, some, rc = CQ_OK;

  cq_buf_byte(out, '[');
  for (n = xml_items(n, s->wire_item, &lone); n && rc == CQ_OK;
       n = lone ? NULL : n->same) {
    if (any++) cq_buf_byte(out, ',');
    rc = xml_shape(w, out, s->item, n, 1, &some);
    /* An empty element still counts. */
    if (!some)
      cq_buf_str(out, s->item->kind == CQ_SH_LIST     ? "[]"
                      : s->item->kind == CQ_SH_SCALAR ? "null"
                                                      : "{}");
  }
  cq_buf_byte(out, ']');
  *put = any > 0;
  return rc ? rc : out->rc;
}

static int xml_shape_map(cq_walk *w, cq_buf *out, const cq_shape *s,
                         const cq_xnode *n, int lone, int *put) {
  const char *entry = s->wire_entry, *key = s->wire_key, *value = s->wire_value;
  int any = 0, some, rc = CQ_OK;

  if (!key) entry = "entry", key = "key", value = "value";
  if (entry && strcmp(entry, ".") == 0) entry = NULL; /* nothing around it */
  cq_buf_byte(out, '{');
  for (n = xml_items(n, entry, &lone); n && rc == CQ_OK;
       n = lone ? NULL : n->same) {
    const cq_xnode *k = xml_wire(n, key),
                   *v = value ? xml_wire(n, value) : NULL;

    if (!k) continue;
    if (any++) cq_buf_byte(out, ',');
    cq_buf_json(out, k->text, k->len);
    cq_buf_byte(out, ':');
    some = 0;
    if (v) rc = xml_shape(w, out, s->item, v, 0, &some);
    if (!some) cq_buf_str(out, "\"\""); /* a tag without a value */
  }
  cq_buf_byte(out, '}');
  *put = any;
  return rc ? rc : out->rc;
}

static int xml_shape(cq_walk *w, cq_buf *out, const cq_shape *s,
                     const cq_xnode *n, int lone, int *put) {
  size_t was = out->len;
  int rc = CQ_OK;

  *put = 0;
  switch (s ? s->kind : CQ_SH_SCALAR) {
  case CQ_SH_OBJECT:
    rc = xml_shape_object(w, out, s, n, put);
    break;
  case CQ_SH_LIST:
    rc = xml_shape_list(w, out, s, n, lone, put);
    break;
  case CQ_SH_MAP:
    rc = xml_shape_map(w, out, s, n, lone, put);
    break;
  case CQ_SH_SCALAR:
    if (s) {
      rc = xml_shape_scalar(w, out, s, n, put);
    } else {
      cq_xml_guess(out, n);
      *put = 1;
    }
    break;
  }
  if (!*put) xml_undo(out, was);
  /* Text where elements are promised stays as it came. */
  if (!*put && rc == CQ_OK && s && s->kind != CQ_SH_SCALAR && !n->elements &&
      !cq_xml_blank(n)) {
    cq_buf_json(out, n->text, n->len);
    *put = 1;
  }
  return rc ? rc : out->rc;
}

/* ---- cells -------------------------------------------------------------------------- */
/* JSON text in `b` becomes the pick's cell; the buffer is cleared. */
static int xml_put_json(cq_walk *w, const cq_pick *k, cq_buf *b, int rc) {
  cq_value raw;
  char *text;

  if (rc == CQ_OK) rc = b->rc;
  if (rc == CQ_OK && b->len) {
    text = cq_js_padded(w->arena, b->len);
    if (text) {
      cq_pick plain = *k;

      memcpy(text, b->data, b->len);
      raw = cq_value_json(text, b->len);
      plain.shape = NULL; /* has been through it */
      rc = cq_cell_put(w, &plain, CQ_T_JSON, &raw, text, text + b->len);
    } else {
      rc = CQ_NOMEM;
    }
  }
  cq_buf_clear(b);
  return rc;
}

static int xml_put_text(cq_walk *w, const cq_pick *k, const cq_xnode *n) {
  cq_value raw = cq_value_str(n->text, n->len);

  return cq_cell_put(w, k, CQ_T_STRING, &raw, "", "");
}

/* An element, and those beside it of the same name unless it is `lone`. */
static int xml_put(cq_walk *w, const cq_pick *k, const cq_xnode *n, int lone) {
  int many = !lone && n->same, put = 1, rc = CQ_OK;
  cq_buf b;

  cq_buf_init(&b, CQ_MAX_RECORD_BYTES);
  if (k->shape) {
    rc = xml_shape(w, &b, k->shape, n, lone, &put);
    return xml_put_json(w, k, &b, rc);
  }
  if (k->type & CQ_LIST) {
    const cq_xnode *c = n->first;

    if (!n->first && n->len == 0 && !many) return CQ_OK;
    /* A list is what repeats, or else what is inside, if that repeats. */
    while (c && c->name == n->first->name) c = c->next;
    if (!many && n->first && !c && !xml_attribute(n->first))
      cq_xml_guess_list(&b, n->first);
    else if (many || cq_xml_item(n) || n->first)
      cq_xml_guess_list(&b, n);
    else
      return xml_put_text(w, k, n);
    return xml_put_json(w, k, &b, rc);
  }
  if (k->mode == CQ_PICK_JSON) {
    if (!n->first && n->len == 0 && !many) return CQ_OK;
    if (many || (!lone && cq_xml_item(n) && !xml_attribute(n)))
      cq_xml_guess_list(&b, n);
    else
      cq_xml_guess(&b, n);
    return xml_put_json(w, k, &b, rc);
  }
  if (!n->elements && !(many && k->mode == CQ_PICK_ANY))
    return xml_put_text(w, k, n);
  if (many && k->mode == CQ_PICK_ANY)
    cq_xml_guess_list(&b, n);
  else
    cq_xml_guess(&b, n);
  return xml_put_json(w, k, &b, rc);
}

/* ---- [*], .* and @key inside of a record ------------------------------------------------ */
typedef struct gather {
  cq_walk *w;
  const cq_pick *k;
  cq_buf list;
  int found;
} gather;

static int gather_found(gather *g, const cq_xnode *n) {
  const cq_shape *s = g->k->shape;
  int put = 1, rc = CQ_OK;

  if (!g->k->list) {
    g->found++;
    return xml_put(g->w, g->k, n, 1);
  }
  if (g->found++) cq_buf_byte(&g->list, ',');
  if (s && s->kind == CQ_SH_LIST) s = s->item;
  if (s)
    rc = xml_shape(g->w, &g->list, s, n, 1, &put);
  else
    cq_xml_guess(&g->list, n);
  if (!put) cq_buf_str(&g->list, "null");
  return rc ? rc : g->list.rc;
}

static int gather_name(gather *g, const cq_xnode *n) {
  cq_xnode name = *n;

  name.text = n->name->text;
  name.len = n->name->len;
  name.first = NULL;
  name.elements = 0;
  return gather_found(g, &name);
}

static int gather_step(gather *g, const cq_step *s, int n, const cq_xnode *x,
                       int lone) {
  int rc = CQ_OK, index = 0;

  if (n == 0) return gather_found(g, x);
  switch (s->kind) {
  case CQ_STEP_EACH:
  case CQ_STEP_INDEX:
    for (; x && rc == CQ_OK; x = lone ? NULL : x->same, index++) {
      if (s->kind == CQ_STEP_INDEX && s->index != index) continue;
      rc = gather_step(g, s + 1, n - 1, x, 1);
      if (g->found && !g->k->list) break;
    }
    return rc;
  case CQ_STEP_VALUES:
    for (x = x->first; x && rc == CQ_OK; x = x->next) {
      if (xml_attribute(x)) continue;
      if (n > 1 && s[1].kind == CQ_STEP_MAPKEY)
        rc = gather_name(g, x);
      else
        rc = gather_step(g, s + 1, n - 1, x, 1);
      if (g->found && !g->k->list) break;
    }
    return rc;
  case CQ_STEP_KEY:
    x = xml_child(x, s->name, s->len);
    if (n > 1 || !g->k->list) return x ? gather_step(g, s + 1, n - 1, x, 0) : 0;
    /* What repeats is a list's elements, whether or not the path says so. */
    for (; x && rc == CQ_OK; x = x->same) rc = gather_found(g, x);
    return rc;
  default:
    return CQ_OK;
  }
}

static int xml_gather(cq_walk *w, const cq_pick *k, const cq_xnode *n,
                      int lone) {
  gather g;
  int rc;

  g.w = w;
  g.k = k;
  g.found = 0;
  cq_buf_init(&g.list, CQ_MAX_RECORD_BYTES);
  if (k->list) cq_buf_byte(&g.list, '[');
  rc = gather_step(&g, k->rest, k->nrest, n, lone);
  if (k->list) {
    cq_buf_byte(&g.list, ']');
    return xml_put_json(w, k, &g.list, rc);
  }
  cq_buf_clear(&g.list);
  return rc;
}

/* ---- the program -------------------------------------------------------------------------- */
/* "#text" in a path is an element's own text beside its attributes. */
static int xml_take_text(cq_walk *w, const cq_trie *t, const cq_xnode *n) {
  const cq_edge *e = cq_trie_find(t, "#text", 5);
  cq_xnode text = *n;

  if (!e || cq_xml_blank(n)) return CQ_OK;
  text.first = text.last = text.same = NULL;
  text.elements = 0;
  return xml_take_edge(w, e, &text, 1);
}

static int xml_take_children(cq_walk *w, const cq_trie *t, const cq_xnode *n) {
  int rc = xml_take_text(w, t, n);

  for (const cq_xnode *c = n->first; c && rc == CQ_OK; c = c->next) {
    const cq_edge *e =
        c->head ? cq_trie_find(t, c->name->text, c->name->len) : NULL;

    if (e) rc = xml_take_edge(w, e, c, 0);
  }
  return rc;
}

static int xml_take_edge(cq_walk *w, const cq_edge *e, const cq_xnode *n,
                         int lone) {
  int rc = CQ_OK;

  for (int i = e->own; i < e->own + e->nown && rc == CQ_OK; i++) {
    const cq_pick *k = &w->picks->pick[i];

    rc = k->nrest ? xml_gather(w, k, n, lone) : xml_put(w, k, n, lone);
  }
  if (rc == CQ_OK && e->child && e->child->nkey)
    rc = xml_take_children(w, e->child, n);
  for (int i = 0; rc == CQ_OK && e->child && i < e->child->nindex; i++) {
    const cq_xnode *x = n;

    for (int k = 0; x && k < e->child->index[i].index; k++)
      x = lone ? NULL : x->same;
    if (x) rc = xml_take_edge(w, &e->child->index[i], x, 1);
  }
  return rc;
}

int cq_xml_take(cq_walk *w, const cq_xnode *record) {
  return xml_take_edge(w, &w->picks->self, record, 1);
}
