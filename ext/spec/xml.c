/* ext/spec/xml.c: XML elements as JSON without a shape, and small documents.
 *
 * Children make an object, an attribute is "@name", what repeats is a list, and
 * so are the children named member or item, which is how AWS writes lists; so a
 * list of one stays a list.  The decoder of answers builds the same trees, and
 * recursion follows them: expat's events have bounded their depth. */
#include <expat.h>
#include <string.h>

#include "spec/spec.h"

enum { SMALL_NAMES = 1024 };

void cq_xml_link(cq_xnode *parent, uint64_t visit) {
  for (cq_xnode *c = parent->first; c; c = c->next) {
    if (c->name->visit == visit) {
      c->name->tail->same = c;
    } else {
      c->name->visit = visit;
      c->head = 1;
    }
    c->name->tail = c;
  }
}

int cq_xml_blank(const cq_xnode *n) {
  for (size_t i = 0; i < n->len; i++)
    if (n->text[i] != ' ' && (n->text[i] < '\t' || n->text[i] > '\r')) return 0;
  return 1;
}

/* AWS's names for the elements of a list. */
int cq_xml_item(const cq_xnode *n) {
  return strcmp(n->name->text, "member") == 0 ||
         strcmp(n->name->text, "item") == 0;
}

/* ---- JSON by guess --------------------------------------------------------------- */
void cq_xml_guess_list(cq_buf *out, const cq_xnode *n) {
  int put = 0;

  cq_buf_byte(out, '[');
  for (; n; n = n->same) {
    if (put++) cq_buf_byte(out, ',');
    cq_xml_guess(out, n);
  }
  cq_buf_byte(out, ']');
}

void cq_xml_guess(cq_buf *out, const cq_xnode *n) {
  int put = 0;

  if (!n->first) {
    cq_buf_json(out, n->text, n->len);
    return;
  }
  if (n->elements && !n->first->same && n->elements == 1 &&
      cq_xml_item(n->first) && n->first == n->last) {
    cq_xml_guess_list(out, n->first);
    return;
  }
  if (n->elements > 1 && cq_xml_item(n->first)) {
    const cq_xnode *c = n->first;

    while (c && c->name == n->first->name) c = c->next;
    if (!c) {
      cq_xml_guess_list(out, n->first);
      return;
    }
  }
  cq_buf_byte(out, '{');
  for (const cq_xnode *c = n->first; c; c = c->next) {
    if (!c->head) continue;
    if (put++) cq_buf_byte(out, ',');
    cq_buf_json(out, c->name->text, c->name->len);
    cq_buf_byte(out, ':');
    if (c->same)
      cq_xml_guess_list(out, c);
    else
      cq_xml_guess(out, c);
  }
  if (!cq_xml_blank(n)) {
    if (put) cq_buf_byte(out, ',');
    cq_buf_str(out, "\"#text\":");
    cq_buf_json(out, n->text, n->len);
  }
  cq_buf_byte(out, '}');
}

/* ---- a small document ------------------------------------------------------------ */
typedef struct small {
  cq_arena arena;
  cq_xname *names[SMALL_NAMES];
  size_t nname;
  struct {
    cq_xnode *node;
    cq_buf text;
  } open[CQ_MAX_XML_DEPTH];
  int depth, rc;
  uint64_t visit;
  cq_xnode *root;
  XML_Parser parser;
} small;

/* The first reason stays. */
static void small_stop(small *s, int rc) {
  if (!s->rc) s->rc = rc;
  XML_StopParser(s->parser, XML_FALSE);
}

/* Without its prefix; an attribute's with '@'. */
static cq_xname *small_name(small *s, const char *name, int attribute) {
  const char *local = strrchr(name, ':');
  cq_xname *x;
  size_t n;

  local = local ? local + 1 : name;
  n = strlen(local);
  for (size_t i = 0; i < s->nname; i++) {
    x = s->names[i];
    if (x->len == n + (size_t)attribute && (x->text[0] == '@') == attribute &&
        memcmp(x->text + attribute, local, n) == 0)
      return x;
  }
  if (s->nname == SMALL_NAMES) {
    small_stop(s, CQ_ERROR);
    return NULL;
  }
  x = cq_arena_alloc(&s->arena, sizeof *x + n + 2);
  if (!x) return NULL;
  memset(x, 0, sizeof *x);
  x->len = n + (size_t)attribute;
  x->text[0] = '@';
  memcpy(x->text + attribute, local, n + 1);
  return s->names[s->nname++] = x;
}

static cq_xnode *small_node(small *s, cq_xnode *parent, const char *name,
                            int attribute) {
  cq_xname *x = small_name(s, name, attribute);
  cq_xnode *n = x ? cq_arena_alloc(&s->arena, sizeof *n) : NULL;

  if (!n) return NULL;
  memset(n, 0, sizeof *n);
  n->name = x;
  n->text = "";
  if (parent && parent->last)
    parent->last->next = n;
  else if (parent)
    parent->first = n;
  if (parent) {
    parent->last = n;
    parent->elements += !attribute;
  }
  return n;
}

static void small_start(void *user, const char *tag, const char **attrs) {
  small *s = user;
  cq_xnode *n;

  if (s->rc) return;
  if (s->depth == CQ_MAX_XML_DEPTH) {
    small_stop(s, CQ_ERROR);
    return;
  }
  n = small_node(s, s->depth ? s->open[s->depth - 1].node : NULL, tag, 0);
  if (!n) {
    small_stop(s, CQ_NOMEM);
    return;
  }
  if (!s->depth) s->root = n;
  for (; *attrs; attrs += 2) {
    cq_xnode *a;

    if (strncmp(attrs[0], "xmlns", 5) == 0 &&
        (attrs[0][5] == ':' || !attrs[0][5]))
      continue;
    a = small_node(s, n, attrs[0], 1);
    if (a) a->len = strlen(attrs[1]);
    if (a) a->text = cq_arena_strndup(&s->arena, attrs[1], a->len);
    if (!a || !a->text) {
      small_stop(s, CQ_NOMEM);
      return;
    }
  }
  s->open[s->depth].node = n;
  cq_buf_reset(&s->open[s->depth++].text);
}

static void small_end(void *user, const char *tag) {
  small *s = user;
  cq_xnode *n;
  cq_buf *text;

  (void)tag;
  if (s->rc) return;
  n = s->open[--s->depth].node;
  text = &s->open[s->depth].text;
  n->len = text->len;
  n->text = text->rc ? NULL
                     : cq_arena_strndup(&s->arena, text->data ? text->data : "",
                                        text->len);
  if (!n->text)
    small_stop(s, CQ_NOMEM);
  else
    cq_xml_link(n, ++s->visit);
}

static void small_text(void *user, const char *p, int n) {
  small *s = user;

  if (!s->rc && s->depth) cq_buf_add(&s->open[s->depth - 1].text, p, (size_t)n);
}

/* Entities explode, and nothing here needs them. */
static void small_doctype(void *user, const char *n, const char *i,
                          const char *p, int internal) {
  (void)n;
  (void)i;
  (void)p;
  (void)internal;
  small_stop(user, CQ_ERROR);
}

int cq_xml_json(cq_buf *out, const char *text, size_t n) {
  small *s;
  int rc;

  if (n > CQ_MAX_XML_TEXT) return CQ_ERROR;
  s = cq_calloc(1, sizeof *s);
  if (!s) return CQ_NOMEM;
  cq_arena_init(&s->arena);
  for (int i = 0; i < CQ_MAX_XML_DEPTH; i++)
    cq_buf_init(&s->open[i].text, CQ_MAX_XML_TEXT);
  s->parser = XML_ParserCreate(NULL);
  if (!s->parser) {
    rc = CQ_NOMEM;
    goto done;
  }
  XML_SetUserData(s->parser, s);
  XML_SetElementHandler(s->parser, small_start, small_end);
  XML_SetCharacterDataHandler(s->parser, small_text);
  XML_SetStartDoctypeDeclHandler(s->parser, small_doctype);
  rc = XML_Parse(s->parser, text, (int)n, 1) == XML_STATUS_OK ? CQ_OK
       : XML_GetErrorCode(s->parser) == XML_ERROR_NO_MEMORY   ? CQ_NOMEM
                                                              : CQ_ERROR;
  if (s->rc) rc = s->rc;
  if (rc == CQ_OK) {
    cq_xml_guess(out, s->root);
    rc = out->rc;
  }
done:
  if (s->parser) XML_ParserFree(s->parser);
  for (int i = 0; i < CQ_MAX_XML_DEPTH; i++) cq_buf_clear(&s->open[i].text);
  cq_arena_clear(&s->arena);
  cq_free(s);
  return rc;
}
