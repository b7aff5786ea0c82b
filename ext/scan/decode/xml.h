/* ext/scan/decode/xml.h: an XML record as a small tree, and what becomes of
 * it. */
#ifndef CQ_DECODE_XML_H
#define CQ_DECODE_XML_H

#include "scan/decode/internal.h"

/* One record's tree through the picks into w->cells. */
int cq_xml_take(cq_walk *w, const cq_xnode *record);

#endif
