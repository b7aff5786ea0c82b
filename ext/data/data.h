/* ext/data/data.h: what a row is: column types, values, row batches.
 *
 * A value's physical kind is one of SQLite's five; its column's cq_type says
 * what it means.  Text forms are canonical here, so that every destination
 * and every comparison sees the same bytes:
 *   boolean   INT 0/1           timestamp "2024-01-02T03:04:05[.ffffff]Z"
 *   date      "2024-01-02"      decimal   text as it came, trimmed
 *   uuid      lower-case 36     inet/cidr/mac canonical lower-case text
 *   json      minified JSON     list of X a JSON array as text
 *   blob      BLOB              integers beyond int64: TEXT, never REAL */
#ifndef CQ_DATA_H
#define CQ_DATA_H

#include "base/base.h"

typedef enum cq_type {
  CQ_TEXT = 1,
  CQ_INTEGER,
  CQ_REAL,
  CQ_BOOLEAN,
  CQ_TIMESTAMP,
  CQ_DATE,
  CQ_DECIMAL,
  CQ_UUID,
  CQ_INET,
  CQ_CIDR,
  CQ_MAC,
  CQ_BLOB,
  CQ_JSON,
  CQ_TYPE_MASK = 0x1f,
  CQ_LIST = 0x20 /* or-ed: list of the base type */
} cq_type;

/* "list of text" -> CQ_LIST|CQ_TEXT; 0 where no type has that name. */
int cq_type_parse(const char *name);
const char *cq_type_name(int type); /* static text, "list of text" too */
/* TEXT, INTEGER, REAL or BLOB: what a column is declared as in SQLite. */
const char *cq_type_sql(int type);

typedef enum cq_kind {
  CQ_NULL = 0,
  CQ_INT,
  CQ_DOUBLE,
  CQ_STR,
  CQ_BYTES
} cq_kind;

/* 16 bytes.  Text and bytes are borrowed from a batch, an arena or a page;
 * never NUL-terminated by promise. */
typedef struct cq_value {
  uint8_t kind;    /* cq_kind */
  uint8_t json;    /* STR that is JSON text (object, array, or any json cell) */
  uint16_t whence; /* of a client's attribute, or an `each` value: a cq_whence;
                    else 0 */
  uint32_t len;    /* STR, BYTES */
  union {
    int64_t i;
    double r;
    const char *s;
  } u;
} cq_value;

/* Made once a cell, so they are inline.  Lengths are bounded by
 * CQ_MAX_RECORD_BYTES and CQ_MAX_SPEC_BYTES long before they come here. */
static inline cq_value cq_value_null(void) {
  cq_value v = {CQ_NULL, 0, 0, 0, {0}};
  return v;
}
static inline cq_value cq_value_int(int64_t i) {
  cq_value v = {CQ_INT, 0, 0, 0, {i}};
  return v;
}
static inline cq_value cq_value_real(double r) {
  cq_value v = {CQ_DOUBLE, 0, 0, 0, {0}};
  v.u.r = r;
  return v;
}
static inline cq_value cq_value_str(const char *s, size_t n) {
  cq_value v = {CQ_STR, 0, 0, (uint32_t)n, {0}};
  v.u.s = s;
  return v;
}
static inline cq_value cq_value_json(const char *s, size_t n) {
  cq_value v = {CQ_STR, 1, 0, (uint32_t)n, {0}};
  v.u.s = s;
  return v;
}
cq_value cq_value_text(const char *s); /* NUL-terminated; NULL -> NULL */
/* Deep copy into an arena. */
int cq_value_copy(cq_arena *a, const cq_value *v, cq_value *out);
/* Same kind and same bytes. */
int cq_value_same(const cq_value *a, const cq_value *b);
/* h, and the value: its kind and what it is. */
uint64_t cq_value_hash(uint64_t h, const cq_value *v);
/* Text form of any value (numbers as SQLite prints them); arena or borrowed. */
int cq_value_to_text(cq_arena *a, const cq_value *v, cq_value *out);

/* How a raw value (from JSON, XML, CSV, a template) becomes a cell of `type`.
 * format: NULL, or "epoch" "epoch_ms" "epoch_us" for timestamps that are
 * numbers (a bare number without format is epoch seconds), "base64" for blob.
 * What cannot be converted: kept as text where the column can hold text
 * (returns CQ_OK and counts in *lossy), so that nothing is lost silently. */
int cq_value_convert(cq_arena *a, const cq_value *raw, int type,
                     const char *format, cq_value *out, int *lossy);
/* Go's String() of the value as CloudQuery hashes it for _cq_id (scalar
 * package of its plugin SDK): appended to out. */
void cq_value_cqid_text(cq_buf *out, const cq_value *v, int type);

/* ---- numbers and JSON as text ------------------------------------------ */
/* The whole text is one number: INT, DOUBLE, or STR (borrowed) where it is an
 * integer beyond int64 or overflows a double.  CQ_ERROR otherwise.  The host's
 * locale plays no part here or below. */
double cq_strtod(const char *s, char **end); /* end: or NULL */
int cq_number_parse(const char *s, size_t n, cq_value *out);
/* As SQLite prints reals, with as many digits (15 to 17) as read back the
 * same; returns the length. */
enum { CQ_REAL_TEXT = 40, CQ_REAL_PLAIN = 400 };
size_t cq_real_format(double r, char out[CQ_REAL_TEXT]);
/* The fewest digits that read back the same, never an exponent. */
size_t cq_real_plain(double r, char out[CQ_REAL_PLAIN]);
/* Checks strictly (UTF-8, depth, grammar) and appends without whitespace;
 * numbers, escapes and the order of keys stay.  CQ_ERROR: not JSON. */
int cq_json_minify(cq_buf *out, const char *s, size_t n);
/* Steps over the elements of a minified JSON array, *at = 0 first: CQ_ROW
 * with a raw value (true and false are STR, containers STR with json=1),
 * CQ_DONE, CQ_ERROR where s is no such array, CQ_NOMEM. */
int cq_json_element(cq_arena *a, const char *s, size_t n, size_t *at,
                    cq_value *out);
/* The same over the members of a minified object: what stands between the
 * key's quotes, and the text of its value, of any kind. */
int cq_json_member(const char *s, size_t n, size_t *at, cq_value *key,
                   cq_value *value);
/* Decodes one JSON string, quotes included; U+0000 and lone surrogates become
 * U+FFFD. */
int cq_json_unquote(cq_arena *a, const char *s, size_t n, cq_value *out);

/* ---- row batch ------------------------------------------------------- */
/* A block of page bytes that cells may borrow from; refcounted so that a
 * batch can outlive its transfer.  Caller's thread only. */
typedef struct cq_block_pool cq_block_pool;
enum { CQ_BLOCK_SLACK = 64 }; /* bytes that may be read behind `cap` */
typedef struct cq_block {
  int refs;
  size_t len, cap;
  char *data; /* cap bytes, at least 64 readable zero bytes behind len */
  cq_block_pool *pool;
} cq_block;
cq_block *cq_block_new(size_t cap);
/* The same from those that a pool has kept, where one suits.  A pool serves any
 * thread, and lives until it was dropped and its last block is let go. */
cq_block_pool *cq_block_pool_new(void);
void cq_block_pool_drop(cq_block_pool *p); /* NULL too */
cq_block *cq_block_get(cq_block_pool *p, size_t cap);
cq_block *cq_block_ref(cq_block *b);
void cq_block_unref(cq_block *b);

typedef struct cq_batch {
  int ncol;
  int nrow;
  int cap;           /* rows allocated */
  cq_value *cells;   /* row-major: cells[row * ncol + col] */
  cq_arena arena;    /* decoded text, copies */
  cq_block **blocks; /* pages that cells borrow from */
  size_t nblock, capblock;
  int64_t warnings; /* values replaced or kept as text on the way */
  int64_t rest;     /* entries of the list less rows: null ones are no rows, and
                       of lists within a list each entry has several, or none */
} cq_batch;
cq_batch *cq_batch_new(int ncol);
cq_value *cq_batch_add(cq_batch *b); /* a new row, all NULL; NULL on OOM;
                                        rows before it may move */
static inline cq_value *cq_batch_row(const cq_batch *b, int row) {
  return b->cells + (size_t)row * (size_t)b->ncol;
}
int cq_batch_hold(cq_batch *b, cq_block *block); /* refs it once */
void cq_batch_reset(cq_batch *b);
void cq_batch_free(cq_batch *b);
size_t cq_batch_bytes(const cq_batch *b);

/* ---- packed rows --------------------------------------------------------- */
/* A batch and the ids of its rows in one piece of memory, which can go to
 * another thread, be shared, and be written to a file of this process and read
 * back.  Immutable; the count of references is atomic. */
typedef struct cq_pack {
  int refs;
  int wide; /* ncol */
  int nrow;
  int has;       /* bit 0: ids, bit 1: parents' ids */
  size_t bytes;  /* of the whole, this head included */
  size_t at;     /* offset of the cells; ids, parents, texts follow */
  uintptr_t was; /* where texts were when their addresses were written */
} cq_pack;
/* ids and parents: 37 bytes a row, or NULL.  NULL: out of memory. */
cq_pack *cq_pack_new(const cq_batch *b, const char *ids, const char *parents);
cq_pack *cq_pack_ref(cq_pack *p);
void cq_pack_unref(cq_pack *p);
/* Its rows as a batch that borrows all; not to be reset, added to or freed. */
cq_batch cq_pack_batch(const cq_pack *p);
const char *cq_pack_ids(const cq_pack *p);     /* NULL where it has none */
const char *cq_pack_parents(const cq_pack *p); /* the same */
/* To and from a file, at an offset.  CQ_IOERR with errno as it was; a file
 * that is no pack, or cut, is CQ_IOERR too. */
int cq_pack_write(const cq_pack *p, int fd, int64_t at);
int cq_pack_read(int fd, int64_t at, cq_pack **out);

#endif
