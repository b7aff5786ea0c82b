/* ext/scan/decode/internal.h: what the decoders share: the scanner of JSON
 * bytes, the compiled program, the walker over one record, and the feeding of
 * pieces.
 *
 * Scanners take a position and return the next one, or NULL after they have
 * set where (`bad`) and what (`what`).  They need no end tests because behind
 * the data stand a NUL, legal nowhere in JSON, and 63 more zero bytes.  A
 * refusal at or behind the end means that the data is cut there; before it,
 * that it is wrong. */
#ifndef CQ_DECODE_INTERNAL_H
#define CQ_DECODE_INTERNAL_H

#include "scan/decode.h"

#if defined(__SSE2__) && !defined(CQ_NO_SSE2)
#define CQ_JS_SSE2 1
#include <emmintrin.h>
#else
#define CQ_JS_SSE2 0
#endif
#include <string.h>

/* ---- scanner: string.c, number.c, skip.c --------------------------------- */
typedef struct cq_js {
  const char *end;  /* *end is 0, and 63 zero bytes follow */
  const char *bad;  /* where the text was refused */
  const char *what; /* why */
  int form;         /* it is what it should be, but in another form */
  int depth;        /* levels that are open around what is scanned */
} cq_js;

enum {
  CQ_JS_SPACE = 1,  /* white space between tokens */
  CQ_JS_ESCAPE = 2, /* a string with an escape */
  CQ_JS_ODD = 4     /* an escape that no store holds: U+0000, a lone half */
};

static inline const char *cq_js_refuse(cq_js *j, const char *p,
                                       const char *what) {
  j->bad = p;
  j->what = what;
  return NULL;
}

/* To the next '"', '\\' or byte below 0x20; *high: some byte was >= 0x80. */
static inline const char *cq_js_plain(const char *p, unsigned *high) {
#if CQ_JS_SSE2
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
  const __m128i low = _mm_set1_epi8(0x1f);

  for (;; p += 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i stop = _mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
        _mm_cmpeq_epi8(_mm_min_epu8(v, low), v));
    unsigned at = (unsigned)_mm_movemask_epi8(stop);
    unsigned top = (unsigned)_mm_movemask_epi8(v);

    if (at) {
      *high |= top & (at - 1) & ~at;
      return p + __builtin_ctz(at);
    }
    *high |= top;
  }
#else
  for (;; p += 8) {
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t v, q, s;

    memcpy(&v, p, 8);
    q = v ^ ones * '"';
    s = v ^ ones * '\\';
    q = (q - ones) & ~q;
    s = (s - ones) & ~s;
    if (((v - ones * 0x20) & ~v & tops) | (q & tops) | (s & tops)) break;
    *high |= (v & tops) != 0;
  }
  while ((unsigned char)*p >= 0x20 && *p != '"' && *p != '\\')
    *high |= (unsigned char)*p++ >> 7;
  return p;
#endif
}

/* To the next '"', '\\', byte below 0x20 or byte that is no ASCII: one signed
 * comparison finds both of the latter.  Elsewhere it may stop before. */
static inline const char *cq_js_ascii(const char *p) {
#if CQ_JS_SSE2
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
  const __m128i least = _mm_set1_epi8(0x20);

  for (;; p += 16) {
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned at = (unsigned)_mm_movemask_epi8(_mm_or_si128(
        _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)),
        _mm_cmplt_epi8(v, least)));

    if (at) return p + __builtin_ctz(at);
  }
#else
  unsigned high = 0;
  const char *end = cq_js_plain(p, &high);

  return high ? p : end;
#endif
}

const char *cq_js_space_run(const char *p);
static inline const char *cq_js_space(const char *p) {
  if ((unsigned char)*p > ' ') return p;
  if (*p == ' ' && (unsigned char)p[1] > ' ') return p + 1;
  return cq_js_space_run(p);
}

/* p behind the opening quote; returns behind the closing one.  The rest of a
 * string that is no plain ASCII, from `from` on and plain as far as p, is
 * string.c's; the other kind is nearly all there is. */
const char *cq_js_string_rest(cq_js *j, const char *from, const char *p,
                              unsigned *flags);
static inline const char *cq_js_string(cq_js *j, const char *p,
                                       unsigned *flags) {
  const char *from = p;

  p = cq_js_ascii(p);
  return *p == '"' ? p + 1 : cq_js_string_rest(j, from, p, flags);
}

/* Undoes the escapes of n bytes between quotes.  What no store can hold
 * becomes U+FFFD and is counted. */
int cq_js_decode(cq_arena *a, const char *p, size_t n, cq_value *out,
                 int64_t *warnings);
size_t cq_js_utf8(const char *s, size_t n); /* as cq_utf8_check, faster */
/* Four hex digits at p, or -1. */
int cq_js_hex4(const char *p);

const char *cq_js_number(cq_js *j, const char *p);
/* Reads it too: INT, DOUBLE, or STR where neither can hold it. */
const char *cq_js_number_value(cq_js *j, const char *p, cq_value *out, int *rc);
const char *cq_js_word_refuse(cq_js *j, const char *p, const char *word);
/* null, true or false at p, whose first letter has been seen. */
static inline const char *cq_js_word(cq_js *j, const char *p,
                                     const char *word) {
  uint32_t a, b;

  /* The last four letters tell: false is longer by its first. */
  memcpy(&a, p + (*word == 'f'), 4);
  memcpy(&b, word + (*word == 'f'), 4);
  return a == b ? p + 4 + (*word == 'f') : cq_js_word_refuse(j, p, word);
}

/* Over one value, whatever it is; everything is checked. */
const char *cq_js_skip_other(cq_js *j, const char *p, unsigned *flags);
static inline const char *cq_js_skip(cq_js *j, const char *p, unsigned *flags) {
  return *p == '"' ? cq_js_string(j, p + 1, flags)
                   : cq_js_skip_other(j, p, flags);
}
/* Room for n bytes of JSON text that scanners may read later: 64 zeros behind
 * it. */
char *cq_js_padded(cq_arena *a, size_t n);
/* n bytes that have been checked, without white space and odd escapes, into
 * out, which was made by cq_js_padded; returns the length. */
size_t cq_js_minify(const char *p, size_t n, char *out, int64_t *warnings);

/* ---- program: program.c -------------------------------------------------- */
typedef enum cq_pick_mode {
  CQ_PICK_ANY, /* no type: scalars as they are, containers as JSON */
  CQ_PICK_TEXT,
  CQ_PICK_INTEGER,
  CQ_PICK_REAL,
  CQ_PICK_BOOLEAN,
  CQ_PICK_TIMESTAMP,
  CQ_PICK_JSON,
  CQ_PICK_CONVERT /* all others, by cq_value_convert */
} cq_pick_mode;

/* A field, compiled.  Its path is split: the leading keys and positions are
 * the way through the trie, `rest` (from the first [*], .* or @key on) is
 * gathered from the value that stands there. */
typedef struct cq_pick {
  int slot, type;
  cq_pick_mode mode;
  const char *format;
  const cq_shape *shape;
  const cq_step *rest;
  int nrest;
  int list; /* gathered values make a list; else the first is taken */
  const cq_nulls *nulls; /* texts that are no value, or NULL */
} cq_pick;

typedef struct cq_trie cq_trie;
typedef struct cq_learn cq_learn;
typedef struct cq_edge {
  const char *key; /* NULL: an array's element */
  size_t len;
  int index;
  int id;            /* in the stamps of a walk */
  int own, nown;     /* picks that end here ... */
  int below, nbelow; /* ... and all at or below it; these are neighbours */
  cq_trie *child;    /* or NULL */
} cq_edge;

struct cq_trie {
  int id;
  int nkey, nindex;
  cq_edge *keys;
  cq_edge *index; /* by rising position */
  int *table;     /* open addressing: index into keys + 1 */
  unsigned mask;
};

typedef struct cq_picks {
  int n;
  cq_pick *pick;
  int mapkey, nmapkey; /* picks that want the record's own key */
  cq_edge self;        /* the record itself; its child is the trie */
  int nedge, ntrie;
  cq_learn **learn; /* per trie: the keys of the last record, by position; for
                       all walks of a program, which are one thread's */
} cq_picks;

/* Fields become picks; everything lies in the arena. */
int cq_picks_compile(cq_arena *a, const cq_field *f, int n, cq_picks *out,
                     cq_error *err);
const cq_edge *cq_trie_find(const cq_trie *t, const char *key, size_t len);

struct cq_program {
  const cq_decode_ops *ops;
  cq_arena arena;
  cq_path rows; /* a copy */
  int optional_rows, one_for_list;
  const cq_table *table;
  int outer; /* step of the rows' path that is a page's list, where others are
                within it; else -1 */
  int nslot, nenvslot;
  cq_picks record, env;
  int whole; /* the envelope looks into the rows: the answer is collected */
};
/* Of a kind whose lines are the records: nothing is around them. */
int cq_program_lines(const cq_program_def *def, const char *kind,
                     cq_error *err);
int cq_program_make(const cq_decode_ops *ops, const cq_program_def *def,
                    cq_program **out, cq_error *err);
void cq_program_drop(cq_program *p);

/* ---- walker: walk.c, cell.c, shape.c -------------------------------------- */
typedef struct cq_walk {
  cq_js j;
  const cq_picks *picks;
  cq_arena *arena;
  cq_value *cells;
  int64_t *warnings;
  int copy;        /* cells must not borrow from the data */
  int rc;          /* a failure that is none of the text's */
  uint64_t visit;  /* objects so far */
  uint64_t *stamp; /* per edge: the object in which it was last seen */
  int64_t nrecord;
} cq_walk;

int cq_walk_init(cq_walk *w, const cq_picks *picks);
void cq_learn_drop(const cq_picks *picks); /* what walks have learned */
void cq_walk_clear(cq_walk *w);
/* One value through the picks of an edge and of all below it; returns its end,
 * or NULL: w->rc where that is set, else w->j says what. */
const char *cq_walk_take(cq_walk *w, const char *p, const cq_edge *e);
/* One whole record; cells are all NULL before. */
const char *cq_walk_record(cq_walk *w, const char *p);
/* A record as a new row of the batch; null is none.  Where it is refused the
 * batch is as before.  A number may end with the data only where it is `last`,
 * since the next piece could go on with its digits. */
const char *cq_walk_row(cq_walk *w, const char *p, cq_batch *batch, int last);
/* A member's edge; clears what the same key gave in this object (`visit`). */
void cq_walk_forget(cq_walk *w, const cq_edge *e);
static inline void cq_walk_again(cq_walk *w, const cq_edge *e, uint64_t visit) {
  if (w->stamp[e->id] == visit) cq_walk_forget(w, e);
  w->stamp[e->id] = visit;
}

typedef enum cq_token {
  CQ_T_STRING,
  CQ_T_NUMBER,
  CQ_T_BOOL,
  CQ_T_JSON
} cq_token;
/* A scalar or JSON text as the pick's cell.  raw: strings decoded, numbers
 * read, true and false as STR; [p, q) is the text that they came from. */
int cq_cell_put(cq_walk *w, const cq_pick *k, cq_token t, const cq_value *raw,
                const char *p, const char *q);
/* Follows k->rest from the checked value at [p, q). */
int cq_cell_gather(cq_walk *w, const cq_pick *k, const char *p, const char *q);
/* The value at [p, q), checked before, as token and raw value. */
int cq_cell_raw(cq_walk *w, const char *p, const char *q, cq_token *t,
                cq_value *raw);
/* "2024-01-02T03:04:05Z": canonical as it stands; no bytes are read behind n. */
int cq_cell_canonical_time(const char *s, size_t n);

/* JSON text, checked and minified, through a shape; appended to out.  Behind
 * it scanners must be able to read. */
int cq_shape_json(cq_buf *out, const cq_shape *s, const char *p, size_t n);
/* A raw scalar as JSON of the shape's type; *put 0: it says nothing.  The arena
 * is for the way. */
int cq_shape_scalar(cq_arena *a, cq_buf *out, const cq_shape *s,
                    const cq_value *raw, int *put);

/* ---- pieces: feed.c --------------------------------------------------------- */
typedef struct cq_feed {
  cq_block *block; /* the data at hand, our reference */
  size_t at;       /* consumed of it */
  int64_t base;    /* offset of block->data[0] in the answer */
  size_t retry;    /* not to be tried with fewer bytes than this */
} cq_feed;
/* Takes the piece (also on failure).  *ready 0: wait for more. */
int cq_feed_add(cq_feed *f, cq_block *piece, int final, int *ready,
                cq_error *err);
/* What is from `at` on does not suffice. */
int cq_feed_wait(cq_feed *f, cq_error *err);
int64_t cq_feed_offset(const cq_feed *f, const char *p);
void cq_feed_clear(cq_feed *f);

/* The error for a refusal of j: cut or wrong, and at which byte. */
int cq_feed_refused(const cq_feed *f, const cq_js *j, const char *kind,
                    cq_error *err);

#endif
