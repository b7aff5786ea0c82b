/* ext/sync/cqid.c: _cq_id of each row, and _cq_parent_id.
 *
 * CloudQuery's rule: SHA-256 over, for each key column in the order of the
 * names, the name's bytes and the value's text as Go prints it; then a UUIDv5
 * of that digest in the nil namespace.  A table without a key gets random ids.
 *
 * The parent's id is made from the parent's key: out of its row where the scan
 * knows it, otherwise out of this table's columns that were copied from it and
 * of the client. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync/internal.h"

typedef struct part { /* one component of a parent's key */
  int column;         /* in the parent */
  int own;            /* the column here that holds it, or -1 */
  const char *client; /* the client's attribute that holds it, or NULL */
} part;

struct cq_ids {
  const cq_table *table;
  int *key;
  size_t nkey; /* columns, by name */
  part *parts;
  size_t npart;
  int known; /* each part has a column or attribute */
  cq_ids_room *room;
};

static int *key_by_name(const cq_table *t) {
  int *out = cq_calloc(t->nkey + 1, sizeof *out);

  for (size_t i = 0; out && i < t->nkey; i++) {
    size_t k = i;

    for (; k > 0 &&
           strcmp(t->columns[out[k - 1]].name, t->columns[t->key[i]].name) > 0;
         k--)
      out[k] = out[k - 1];
    out[k] = t->key[i];
  }
  return out;
}

static void parent_parts(cq_ids *o, const cq_table *t, const cq_table *p,
                         const int *key) {
  o->known = 1;
  o->npart = p->nkey;
  for (size_t i = 0; i < p->nkey; i++) {
    const cq_column *c = &p->columns[key[i]];

    o->parts[i] = (part){key[i], -1, NULL};
    if (c->source == CQ_FROM_CLIENT) o->parts[i].client = c->from;
    for (int k = 0; k < t->ncol && o->parts[i].own < 0; k++)
      if (t->columns[k].source == CQ_FROM_PARENT &&
          t->columns[k].parent_column == key[i] &&
          t->columns[k].type == c->type)
        o->parts[i].own = k;
    if (o->parts[i].own < 0 && !o->parts[i].client) o->known = 0;
  }
}

void cq_ids_room_clear(cq_ids_room *m) {
  cq_buf_clear(&m->text);
  cq_free(m->ids);
  cq_free(m->parents);
  memset(m, 0, sizeof *m);
}

/* For so many rows. */
static int room_grow(cq_ids_room *m, size_t rows, cq_error *err) {
  size_t cap = rows + 256;
  char *one, *two;

  if (rows <= m->cap) return CQ_OK;
  one = cq_realloc(m->ids, cap * 37);
  if (one) m->ids = one;
  two = cq_realloc(m->parents, cap * 37);
  if (two) m->parents = two;
  if (!one || !two) return cq_error_nomem(err);
  m->cap = cap;
  return CQ_OK;
}

int cq_ids_new(const cq_table *t, cq_ids_room *room, cq_ids **out,
               cq_error *err) {
  const cq_table *p = t->parent.table;
  cq_ids *o = cq_calloc(1, sizeof *o);
  int *key = NULL;

  *out = NULL;
  if (!o) return cq_error_nomem(err);
  o->table = t;
  o->room = room;
  if (!room->text.max) cq_buf_init(&room->text, CQ_MAX_RECORD_BYTES);
  o->key = key_by_name(t);
  o->nkey = t->nkey;
  if (p && p->nkey) {
    key = key_by_name(p);
    o->parts = cq_calloc(p->nkey, sizeof *o->parts);
    if (key && o->parts) parent_parts(o, t, p, key);
  }
  if (!o->key || (p && p->nkey && (!key || !o->parts))) {
    cq_free(key);
    cq_ids_free(o);
    return cq_error_nomem(err);
  }
  cq_free(key);
  *out = o;
  return CQ_OK;
}

void cq_ids_free(cq_ids *o) {
  if (!o) return;
  cq_free(o->key);
  cq_free(o->parts);
  cq_free(o);
}

static int digest(cq_ids *o, char out[37]) {
  unsigned char sum[32];

  if (o->room->text.rc) return CQ_NOMEM;
  cq_sha256(o->room->text.data ? o->room->text.data : "", o->room->text.len,
            sum);
  cq_uuid5(sum, sizeof sum, out);
  return CQ_OK;
}

/* Does a column of the key come from the record itself? */
static int own_key(const cq_ids *o, size_t i) {
  cq_source_kind from = o->table->columns[o->key[i]].source;

  return from == CQ_FROM_PATH || from == CQ_FROM_VALUE;
}

/* Does the record say which it is?  Rows that do not would all be one. */
static int has_key(const cq_ids *o, const cq_value *row) {
  int own = 0, some = 0;

  for (size_t i = 0; i < o->nkey; i++) {
    if (!own_key(o, i)) continue;
    own = 1;
    some |= row[o->key[i]].kind != CQ_NULL;
  }
  return some || !own;
}

/* What a record without its key lacks: all that it should have said of it. */
static int no_key(const cq_ids *o, cq_error *err) {
  char names[200];
  int n = 0;

  names[0] = 0;
  for (size_t i = 0; i < o->nkey && (size_t)n < sizeof names; i++)
    if (own_key(o, i))
      n += snprintf(names + n, sizeof names - (size_t)n, "%s%s", n ? ", " : "",
                    o->table->columns[o->key[i]].name);
  return cq_error_set(err, CQ_ERROR,
                      "%s: a record without its key (%s)\nhint: the answer is "
                      "not what the table's definition expects",
                      o->table->name, names);
}

static int row_id(cq_ids *o, const cq_value *row, char out[37]) {
  if (o->nkey == 0) {
    cq_uuid4(out);
    return CQ_OK;
  }
  cq_buf_reset(&o->room->text);
  if (!has_key(o, row)) return CQ_CONSTRAINT;
  for (size_t i = 0; i < o->nkey; i++) {
    const cq_column *c = &o->table->columns[o->key[i]];

    cq_buf_str(&o->room->text, c->name);
    cq_value_cqid_text(&o->room->text, &row[o->key[i]], c->type);
  }
  return digest(o, out);
}

/* From the parent's row, or from what this row and the client know of it. */
static int parent_id(cq_ids *o, const cq_value *row, const cq_client *client,
                     const cq_value *parent, char out[37]) {
  const cq_table *p = o->table->parent.table;

  cq_buf_reset(&o->room->text);
  for (size_t i = 0; i < o->npart; i++) {
    const cq_column *c = &p->columns[o->parts[i].column];
    cq_value v = cq_value_null();

    if (parent) {
      v = parent[o->parts[i].column];
    } else if (o->parts[i].own >= 0) {
      v = row[o->parts[i].own];
    } else {
      const cq_value *of = cq_client_value(client, o->parts[i].client);

      if (of) v = *of;
    }
    cq_buf_str(&o->room->text, c->name);
    cq_value_cqid_text(&o->room->text, &v, c->type);
  }
  return digest(o, out);
}

int cq_ids_tell(const cq_ids *o) {
  return o->npart && (o->table->parent.batch <= 1 || o->known);
}

int cq_ids_parent(cq_ids *o, const cq_value *parent, char out[37]) {
  return parent_id(o, NULL, NULL, parent, out);
}

int cq_ids_make(cq_ids *o, const cq_batch *b, const cq_client *client,
                const cq_value *parent, const char **ids, const char **parents,
                cq_error *err) {
  cq_ids_room *m = o->room;
  int with_parent = o->npart && (parent || o->known), rc;

  rc = room_grow(m, (size_t)b->nrow, err);
  if (rc) return rc;
  for (int r = 0; r < b->nrow && rc == CQ_OK; r++) {
    const cq_value *row = cq_batch_row(b, r);

    rc = row_id(o, row, m->ids + 37 * r);
    if (rc == CQ_OK && with_parent && parent && r > 0)
      memcpy(m->parents + 37 * r, m->parents, 37);
    else if (rc == CQ_OK && with_parent)
      rc = parent_id(o, row, client, parent, m->parents + 37 * r);
  }
  *ids = m->ids;
  *parents = with_parent ? m->parents : NULL;
  if (rc == CQ_CONSTRAINT) return no_key(o, err);
  return rc ? cq_error_set(err, rc, "%s: _cq_id cannot be made", o->table->name)
            : CQ_OK;
}
