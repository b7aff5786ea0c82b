/* ext/scan/decode/xml.c: XML through expat's events, as the JSON that its
 * elements mean: an element with children is an object, attributes are
 * "@name", text alone is a string, and what repeats is an array.  Then the
 * same programs run over it; there a list of one counts as a list.
 *
 * Paths begin below the root element.  Namespaces are ignored; document types
 * and entities are refused: no answer needs them, and they can explode. */
#include <expat.h>
#include <string.h>

#include "scan/decode/scan.h"

typedef struct element {
  struct element *parent, *first, *last, *next;
  char *name;
  cq_buf text;
} element;

typedef struct builder {
  cq_arena arena;
  element *root, *at;
  int depth, rc, doctype;
  XML_Parser parser;
} builder;

static int xml_compile(const cq_program_def *d, cq_program **out,
                       cq_error *err) {
  return cq_program_make(&cq_decode_xml, d, 1, out, err);
}

static element *xml_element(builder *b, const char *name, int attribute) {
  const char *local = strrchr(name, ':');
  element *e = cq_arena_alloc(&b->arena, sizeof *e);

  local = local ? local + 1 : name;
  if (!e) {
    b->rc = CQ_NOMEM;
    return NULL;
  }
  memset(e, 0, sizeof *e);
  cq_buf_init(&e->text, CQ_MAX_RECORD_BYTES);
  e->name = cq_arena_printf(&b->arena, "%s%s", attribute ? "@" : "", local);
  e->parent = b->at;
  if (!e->name)
    b->rc = CQ_NOMEM;
  if (b->at) {
    if (b->at->last)
      b->at->last->next = e;
    else
      b->at->first = e;
    b->at->last = e;
  } else if (!b->root) {
    b->root = e;
  }
  return b->rc ? NULL : e;
}

static void xml_start(void *user, const char *name, const char **attrs) {
  builder *b = user;
  element *e;

  if (b->rc)
    return;
  if (++b->depth > CQ_MAX_XML_DEPTH) {
    b->rc = CQ_TOOBIG;
    XML_StopParser(b->parser, 0);
    return;
  }
  e = xml_element(b, name, 0);
  if (!e)
    return;
  b->at = e;
  for (; *attrs; attrs += 2) {
    if (strncmp(attrs[0], "xmlns", 5) == 0)
      continue;
    element *a = xml_element(b, attrs[0], 1);
    if (a)
      cq_buf_str(&a->text, attrs[1]);
  }
}

static void xml_end(void *user, const char *name) {
  builder *b = user;

  (void)name;
  b->depth--;
  if (b->at)
    b->at = b->at->parent;
}

static void xml_text(void *user, const char *s, int n) {
  builder *b = user;

  if (b->at)
    cq_buf_add(&b->at->text, s, (size_t)n);
}

static void xml_doctype(void *user, const char *n, const char *s, const char *p,
                        int internal) {
  builder *b = user;

  (void)n, (void)s, (void)p, (void)internal;
  b->doctype = 1;
  XML_StopParser(b->parser, 0);
}

static void xml_json(const element *e, cq_buf *out) {
  int put = 0;

  if (!e->first) {
    cq_buf_json(out, e->text.data ? e->text.data : "", e->text.len);
    if (e->text.rc)
      out->rc = e->text.rc;
    return;
  }
  cq_buf_byte(out, '{');
  for (const element *c = e->first; c; c = c->next) {
    const element *k;
    int many = 0;

    for (k = e->first; k != c && strcmp(k->name, c->name) != 0; k = k->next)
      ;
    if (k != c)
      continue; /* written with the first of its name */
    for (k = c->next; k && !many; k = k->next)
      many = strcmp(k->name, c->name) == 0;
    if (put++)
      cq_buf_byte(out, ',');
    cq_buf_json(out, c->name, strlen(c->name));
    cq_buf_byte(out, ':');
    if (!many) {
      xml_json(c, out);
      continue;
    }
    cq_buf_byte(out, '[');
    for (k = c; k; k = k->next) {
      if (strcmp(k->name, c->name) != 0)
        continue;
      if (k != c)
        cq_buf_byte(out, ',');
      xml_json(k, out);
    }
    cq_buf_byte(out, ']');
  }
  /* Text beside attributes. */
  size_t blank = 0;
  while (blank < e->text.len && strchr(" \t\r\n", e->text.data[blank]))
    blank++;
  if (blank < e->text.len) {
    cq_buf_str(out, ",\"#text\":");
    cq_buf_json(out, e->text.data, e->text.len);
  }
  cq_buf_byte(out, '}');
}

static void xml_clear(element *e) {
  while (e) {
    cq_buf_clear(&e->text);
    xml_clear(e->first);
    e = e->next;
  }
}

static int xml_feed(cq_decoder *d, cq_block *piece, int final, cq_batch *batch,
                    cq_error *err) {
  int rc = cq_decoder_add(d, piece, err);
  builder b;
  cq_buf json;
  cq_block *block = NULL;

  if (rc || !final)
    return rc;
  memset(&b, 0, sizeof b);
  cq_arena_init(&b.arena);
  cq_buf_init(&json, CQ_MAX_RECORD_BYTES);
  b.parser = XML_ParserCreate(NULL);
  if (!b.parser) {
    rc = cq_error_nomem(err);
    goto done;
  }
  XML_SetUserData(b.parser, &b);
  XML_SetElementHandler(b.parser, xml_start, xml_end);
  XML_SetCharacterDataHandler(b.parser, xml_text);
  XML_SetStartDoctypeDeclHandler(b.parser, xml_doctype);
  if (XML_Parse(b.parser, d->whole ? d->whole->data : "",
                d->whole ? (int)d->whole->len : 0, 1) != XML_STATUS_OK &&
      !b.rc)
    rc = cq_error_set(err, CQ_ERROR, "answer is not XML: %s at byte %ld",
                      b.doctype ? "a document type is refused"
                                : XML_ErrorString(XML_GetErrorCode(b.parser)),
                      (long)XML_GetCurrentByteIndex(b.parser));
  if (rc == CQ_OK && b.rc)
    rc = cq_error_set(err, b.rc, "answer: XML nested deeper than %d or too large",
                      CQ_MAX_XML_DEPTH);
  if (rc)
    goto done;
  if (b.root && b.root->first)
    xml_json(b.root, &json);
  else if (b.root && b.root->text.len) {
    cq_buf_str(&json, "{\"#text\":");
    cq_buf_json(&json, b.root->text.data, b.root->text.len);
    cq_buf_byte(&json, '}');
  } else
    cq_buf_str(&json, "{}");
  block = json.rc ? NULL : cq_block_new(json.len + 1);
  if (!block) {
    rc = cq_error_nomem(err);
    goto done;
  }
  memcpy(block->data, json.data, json.len);
  block->len = json.len;
  if (cq_batch_hold(batch, block))
    rc = cq_error_nomem(err);
  else
    rc = cq_document_read(d->program, block->data, block->len, batch,
                          d->envelope, err);
  for (int i = 0; i < d->program->nenvslot && rc == CQ_OK; i++)
    if (cq_value_copy(&d->kept->arena, &d->envelope[i], &d->envelope[i]))
      rc = cq_error_nomem(err);
done:
  if (block)
    cq_block_unref(block);
  xml_clear(b.root);
  if (b.parser)
    XML_ParserFree(b.parser);
  cq_arena_clear(&b.arena);
  cq_buf_clear(&json);
  return rc;
}

const cq_decode_ops cq_decode_xml = {"xml",
                                     xml_compile,
                                     cq_program_drop,
                                     cq_decoder_make,
                                     xml_feed,
                                     cq_decoder_envelope,
                                     cq_decoder_drop};
