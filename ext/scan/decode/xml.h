/* ext/scan/decode/xml.h: an XML record as a small tree, and what becomes of
 * it. */
#ifndef CQ_DECODE_XML_H
#define CQ_DECODE_XML_H

#include "scan/decode/internal.h"

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
/* One record's tree through the picks into w->cells. */
int cq_xml_take(cq_walk *w, const cq_xnode *record);

#endif
