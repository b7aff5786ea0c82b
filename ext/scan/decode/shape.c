/* ext/scan/decode/shape.c: a JSON cell through its shape: the wire's names
 * become ours, XML's wrappers become lists and maps, text becomes numbers and
 * times.  Members that the answer does not have are left out. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "scan/decode/scan.h"

static json_t *emit(const cq_shape *s, json_t *in, int xml, int depth);

static json_t *emit_scalar(const cq_shape *s, json_t *in, int xml) {
  const char *t = json_string_value(in);
  cq_arena a;
  cq_value raw, v;
  int lossy = 0;
  json_t *out = NULL;

  if (xml && json_is_object(in)) /* text beside attributes */
    t = json_string_value(json_object_get(in, "#text"));
  if (s->type == CQ_JSON || (!xml && s->type != CQ_TIMESTAMP))
    return json_incref(in);
  if (json_is_integer(in))
    raw = cq_value_int(json_integer_value(in));
  else if (json_is_real(in))
    raw = cq_value_real(json_real_value(in));
  else if (t)
    raw = cq_value_text(t);
  else
    return xml && !json_is_object(in) ? json_incref(in) : NULL;
  cq_arena_init(&a);
  if (cq_value_convert(&a, &raw, s->type, s->format, &v, &lossy) == CQ_OK) {
    if (v.kind == CQ_INT)
      out = s->type == CQ_BOOLEAN ? json_boolean(v.u.i != 0)
                                  : json_integer(v.u.i);
    else if (v.kind == CQ_DOUBLE)
      out = json_real(v.u.r);
    else if (v.kind == CQ_STR)
      out = json_stringn(v.u.s, v.len);
  }
  cq_arena_clear(&a);
  return out;
}

static json_t *emit_list(const cq_shape *s, json_t *in, int xml, int depth) {
  json_t *out, *item, *list = in;
  size_t i;

  if (xml && s->wire_item)
    list = json_is_object(in) ? json_object_get(in, s->wire_item) : NULL;
  if (!list)
    return NULL; /* an empty element: nothing there */
  out = json_array();
  if (!json_is_array(list)) {
    json_array_append_new(out, emit(s->item, list, xml, depth));
    return out;
  }
  json_array_foreach(list, i, item) {
    json_t *one = emit(s->item, item, xml, depth);

    json_array_append_new(out, one ? one : json_null());
  }
  return out;
}

static void emit_entry(const cq_shape *s, json_t *e, int xml, int depth,
                       json_t *out) {
  const char *key = json_string_value(json_object_get(e, s->wire_key));
  json_t *value = json_object_get(e, s->wire_value);

  if (key) {
    json_t *one = value ? emit(s->item, value, xml, depth) : NULL;

    json_object_set_new(out, key, one ? one : json_string(""));
  }
}

static json_t *emit_map(const cq_shape *s, json_t *in, int xml, int depth) {
  json_t *out = json_object(), *item, *list = in;
  const char *key;
  size_t i;

  /* A list of pairs is a map in JSON as well, where the shape names them. */
  if (s->wire_entry && (xml || json_is_array(in))) {
    if (xml && strcmp(s->wire_entry, ".") != 0)
      list = json_is_object(in) ? json_object_get(in, s->wire_entry) : NULL;
    if (json_is_array(list))
      json_array_foreach(list, i, item)
        emit_entry(s, item, xml, depth, out);
    else if (list)
      emit_entry(s, list, xml, depth, out);
    if (xml && json_object_size(out) == 0) {
      json_decref(out);
      return NULL;
    }
    return out;
  }
  json_object_foreach(in, key, item) {
    json_t *one = emit(s->item, item, xml, depth);

    if (one)
      json_object_set_new(out, key, one);
  }
  return out;
}

static json_t *emit(const cq_shape *s, json_t *in, int xml, int depth) {
  json_t *out;

  if (!in || json_is_null(in) || depth > 64)
    return NULL;
  switch (s->kind) {
  case CQ_SH_SCALAR:
    return emit_scalar(s, in, xml);
  case CQ_SH_LIST:
    return emit_list(s, in, xml, depth + 1);
  case CQ_SH_MAP:
    return emit_map(s, in, xml, depth + 1);
  case CQ_SH_OBJECT:
    break;
  }
  if (!json_is_object(in))
    return NULL;
  out = json_object();
  for (size_t i = 0; i < s->nmember; i++) {
    const char *wire = s->members[i].wire, *colon = strrchr(wire, ':');
    char attr[128];
    json_t *one;

    if (wire[0] == '@' && colon && strlen(colon) < sizeof attr - 1) {
      attr[0] = '@'; /* namespaces are ignored */
      strcpy(attr + 1, colon + 1);
      wire = attr;
    }
    one = emit(s->members[i].shape, json_object_get(in, wire), xml, depth + 1);
    if (one)
      json_object_set_new(out, s->members[i].name, one);
  }
  return out;
}

int cq_shape_apply(const cq_shape *s, int xml, const cq_value *raw, cq_arena *a,
                   cq_value *out) {
  json_t *in, *made;
  char *dump;
  int rc = CQ_OK;

  *out = *raw;
  if (raw->kind != CQ_STR)
    return CQ_OK;
  if (!raw->json) {
    /* An XML element without children: an empty list, or a scalar. */
    if (!xml)
      return CQ_OK;
    *out = cq_value_null();
    if (s->kind != CQ_SH_LIST || s->wire_item || raw->len == 0)
      return CQ_OK;
  }
  in = raw->json ? json_loadb(raw->u.s, raw->len, JSON_DECODE_ANY, NULL)
                 : json_stringn(raw->u.s, raw->len);
  made = in ? emit(s, in, xml, 0) : NULL;
  *out = cq_value_null();
  if (made) {
    char *copy;

    dump = json_dumps(made, JSON_COMPACT | JSON_ENCODE_ANY);
    copy = dump ? cq_arena_strndup(a, dump, strlen(dump)) : NULL;
    if (copy)
      *out = cq_value_json(copy, strlen(copy));
    else
      rc = CQ_NOMEM;
    free(dump);
  }
  json_decref(made);
  json_decref(in);
  return rc;
}
