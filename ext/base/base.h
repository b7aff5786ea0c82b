/* ext/base/base.h: the ground that every room stands on: errors, memory,
 * buffers, time, hashes, text.  Knows neither SQL nor HTTP.
 *
 * Everything here is safe on any thread; nothing here has mutable globals
 * (test builds with CQ_FAULT count allocations, see cq_fault_set). */
#ifndef CQ_BASE_H
#define CQ_BASE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Result codes are SQLite's own numbers, so they pass through unchanged. */
enum {
  CQ_OK = 0,
  CQ_ERROR = 1, /* anything that no other code names */
  CQ_BUSY = 5,  /* not ready yet: poll again */
  CQ_NOMEM = 7,
  CQ_READONLY = 8,
  CQ_INTERRUPT = 9,
  CQ_IOERR = 10, /* network, files */
  CQ_NOTFOUND = 12,
  CQ_FULL = 13,
  CQ_TOOBIG = 18,     /* one of the bounds below was passed */
  CQ_CONSTRAINT = 19, /* a required parameter is missing */
  CQ_MISUSE = 21,
  CQ_AUTH = 23, /* credentials missing, refused or expired */
  CQ_ROW = 100,
  CQ_DONE = 101,
  CQ_THROTTLED = 773 /* the server's rate limit holds on; SQLite's
                        SQLITE_BUSY_TIMEOUT.  Never CQ_BUSY, which would have
                        the scan polled for ever */
};

#if defined(__GNUC__)
#define CQ_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define CQ_CHECKED      __attribute__((warn_unused_result))
#else
#define CQ_PRINTF(f, a)
#define CQ_CHECKED
#endif

/* ---- bounds on all that comes from outside: the one list -------------
 * docs/security.md tells each of them by its name; a test compares the two. */
enum {
  /* definitions and specs */
  CQ_MAX_SPEC_BYTES = 16 << 20, /* a YAML or JSON text */
  CQ_MAX_SPEC_DEPTH = 64,
  CQ_MAX_SPEC_NODES = 2000000, /* aliases count as what they expand to */
  CQ_MAX_COLUMNS = 1000,       /* of one table */
  CQ_MAX_TEMPLATE = 64 << 10,  /* bytes, also of what one gives */
  CQ_MAX_PARENT_DEPTH = 16,
  CQ_MAX_TREE_DEPTH = 100,     /* levels of records below records */
  CQ_MAX_TREE_NODES = 1000000, /* of them in one scan */
  /* credentials */
  CQ_MAX_CREDENTIALS = 4 << 20, /* bytes of a provider's file */
  CQ_MAX_PRIVATE_KEY = 64 << 10,
  CQ_MAX_LOGINS = 4, /* tries of one login */
  /* a request */
  CQ_MAX_URL = 64 << 10, /* bytes; also of page tokens and cursors in it */
  CQ_MAX_REDIRECTS = 5,
  CQ_MAX_RETRIES = 10,      /* where the definition says nothing */
  CQ_MAX_UNREACHED = 1,     /* retries of a query where nobody answers */
  CQ_MAX_PAUSE_MS = 20000,  /* between two tries, where nobody says how long */
  CQ_MAX_WAIT_MS = 3600000, /* Retry-After and resets beyond it fail */
  CQ_TIMEOUT_MS = 60000,    /* without a byte */
  CQ_CONNECT_TIMEOUT_MS = 10000,
  CQ_SLOW_BYTES = 1024, /* fewer in CQ_SLOW_TIMES timeouts are no answer */
  CQ_SLOW_TIMES = 5,
  CQ_MAX_CONNECTIONS = 64,
  CQ_WINDOW = 16, /* requests that one scan keeps ahead */
  /* an answer */
  CQ_MAX_HEADER_BYTES = 256 << 10, /* all heads and trailers of one answer */
  CQ_MAX_BODY_MIB = 4096,          /* decompressed */
  CQ_MAX_INFLATE_RATIO = 2000,     /* decompressed : compressed, past 1 MiB */
  CQ_MAX_ERROR_BODY = 1 << 20,     /* body of an answer that is not rows */
  CQ_MAX_LIST_BODY = 8 << 20,      /* a page of a list of S3's objects */
  CQ_STREAM_BYTES = 1 << 20,       /* a body larger is decoded as it comes */
  CQ_MAX_BUFFERED = 24 << 20,      /* bodies held and unread, over all */
  CQ_MAX_CACHED = 16 << 20,        /* answers kept for later statements */
  CQ_MAX_RECORD_BYTES = 64 << 20,
  CQ_MAX_JSON_DEPTH = 1024,
  CQ_MAX_XML_DEPTH = 256,
  CQ_MAX_XML_NAMES = 64 << 10, /* different names in one answer */
  CQ_MAX_XML_TEXT = 4 << 20,   /* bytes of a document in a value */
  CQ_MAX_YAML_TEXT = 1 << 20,  /* the same of YAML */
  CQ_MAX_REGEX_NODES = 20000,  /* of a pattern, repeats counted out */
  CQ_MAX_REGEX_TEXT = 8 << 10, /* of a text that a pattern is looked for in */
  CQ_MAX_CSV_CELLS = 1000000,  /* of one line */
  /* a list */
  CQ_MAX_PAGES = 1000000,
  CQ_MAX_WINDOWS = 100000,    /* of a cursor, in one unit and row of a parent */
  CQ_MAX_SAME_PAGES = 3,      /* repetitions of one, where they are counted */
  CQ_MAX_EMPTY_PAGES = 1000,  /* in a row, where they are counted */
  CQ_MAX_DISCOVERED = 1000000 /* entries of a list that gives clients */
};

/* ---- errors ---------------------------------------------------------- */
/* Fixed size, so that setting one cannot fail.  A NULL cq_error * is legal
 * everywhere.  Text: "object: fact: value", optional second line "hint: ". */
typedef struct cq_error {
  int code;
  char text[1024];
} cq_error;

/* Sets code and text, returns code.  The first writer wins only by custom:
 * callers pass errors up and at most cq_error_prefix() them. */
int cq_error_set(cq_error *err, int code, const char *fmt, ...) CQ_PRINTF(3, 4);
int cq_error_nomem(cq_error *err); /* CQ_NOMEM, "out of memory" */
/* Prefix: ": " is added where the text does not end so.  Hint: the first one
 * stays.  Both do nothing to an error that is not set. */
void cq_error_prefix(cq_error *err, const char *fmt, ...) CQ_PRINTF(2, 3);
void cq_error_hint(cq_error *err, const char *fmt, ...) CQ_PRINTF(2, 3);
void cq_error_clear(cq_error *err);

/* ---- memory: libc's malloc, since workers may not use SQLite's -------- */
void *cq_malloc(size_t n) CQ_CHECKED;
void *cq_calloc(size_t n, size_t size) CQ_CHECKED; /* overflow-checked */
void *cq_realloc(void *p, size_t n) CQ_CHECKED;
void cq_free(void *p);
char *cq_strdup(const char *s) CQ_CHECKED;
char *cq_strndup(const char *s, size_t n) CQ_CHECKED;
char *cq_mprintf(const char *fmt, ...) CQ_PRINTF(1, 2) CQ_CHECKED;
/* Grows *items (element size `size`) so that count+1 fit; *cap is updated. */
int cq_grow(void *items, size_t *cap, size_t count, size_t size) CQ_CHECKED;
/* Wipes secrets; not optimized away. */
void cq_wipe(void *p, size_t n);
void cq_free_secret(char *s); /* wipes a text, then frees it; NULL is legal */
/* Test builds only (-DCQ_FAULT): the n-th allocation from now fails (0 = off);
 * cq_fault_hit() tells whether it did, cq_fault_left() what n is by now,
 * cq_fault_held() how many are not freed.  Those that cq_fault_ask()'s function
 * says, on whatever thread, fail too (NULL = none).  Elsewhere they do nothing. */
void cq_fault_set(long n);
int cq_fault_hit(void);
long cq_fault_left(void);
long cq_fault_held(void);
void cq_fault_ask(int (*fails)(void));

/* Arena: many small allocations, freed at once.  Blocks grow to 64 kB. */
typedef struct cq_arena {
  struct cq_arena_block *head; /* newest block */
  size_t bytes;                /* all that blocks hold */
} cq_arena;
void cq_arena_init(cq_arena *a);
void *cq_arena_alloc(cq_arena *a, size_t n) CQ_CHECKED; /* 8-aligned */
char *cq_arena_strndup(cq_arena *a, const char *s, size_t n) CQ_CHECKED;
char *cq_arena_printf(cq_arena *a, const char *fmt, ...)
    CQ_PRINTF(2, 3) CQ_CHECKED;
void cq_arena_reset(cq_arena *a); /* keeps one block */
void cq_arena_clear(cq_arena *a);
void cq_arena_wipe(cq_arena *a); /* clears; what held secrets is zero */

/* Buffer: sticky.  After a failure every append is a no-op; look at rc once.
 * data is always NUL-terminated when not NULL. */
typedef struct cq_buf {
  char *data;
  size_t len, cap;
  size_t max; /* never longer than this */
  int rc;     /* CQ_OK, CQ_NOMEM or CQ_TOOBIG */
} cq_buf;
void cq_buf_init(cq_buf *b, size_t max);
void cq_buf_add(cq_buf *b, const void *p, size_t n);
void cq_buf_str(cq_buf *b, const char *s);
void cq_buf_byte(cq_buf *b, char c);
void cq_buf_printf(cq_buf *b, const char *fmt, ...) CQ_PRINTF(2, 3);
void cq_buf_text(cq_buf *b, const char *s,
                 size_t n); /* U+FFFD for NUL, no UTF-8 */
void cq_buf_json(cq_buf *b, const char *s, size_t n); /* "quoted", escaped */
int cq_buf_reserve(cq_buf *b, size_t more);
char *cq_buf_take(cq_buf *b); /* ownership leaves; NULL on failure */
void cq_buf_reset(cq_buf *b); /* keeps the memory */
void cq_buf_clear(cq_buf *b);

/* Set of hashes; all zero = empty.  Two with the same hash are one. */
typedef struct cq_set {
  uint64_t *slots; /* 0 = free */
  size_t n, cap;
} cq_set;
/* CQ_NOMEM leaves the set, and *is_new, as they were. */
int cq_set_add(cq_set *s, uint64_t h, int *is_new) CQ_CHECKED;
int cq_set_has(const cq_set *s, uint64_t h); /* bool */
void cq_set_clear(cq_set *s);

/* ---- time ------------------------------------------------------------ */
int64_t cq_now_us(void);  /* wall clock, microseconds since 1970, UTC */
int64_t cq_mono_ms(void); /* monotonic milliseconds */
/* RFC 3339 text, UTC, "2024-01-02T03:04:05[.ffffff]Z": fraction only where
 * it is not zero, trailing zeros cut.  out holds 40 bytes. */
void cq_time_format(int64_t us, char *out);
/* Parses RFC 3339 (zone or none = UTC, 'T' or blank, fraction to 9 digits,
 * date alone), RFC 1123/850/asctime HTTP dates, and "YYYY-MM-DD HH:MM:SS TZ"
 * (UTC, GMT, Z).  A second of 60 is the last microsecond of its minute.
 * CQ_OK or CQ_ERROR; n bytes all consumed. */
int cq_time_parse(const char *s, size_t n, int64_t *us);
/* "90s" "15m" "2h" "7d" "1w", ISO 8601 "PT5M", or plain seconds -> us. */
int cq_duration_parse(const char *s, size_t n, int64_t *us);
/* "2h05m", "1m20s", "7s": for people.  Returns out. */
const char *cq_span_format(int64_t ms, char *out, size_t n);

/* ---- hashes, encodings ------------------------------------------------ */
void cq_sha256(const void *p, size_t n, unsigned char out[32]);
void cq_hmac_sha256(const void *key, size_t nkey, const void *p, size_t n,
                    unsigned char out[32]);
void cq_hex(const unsigned char *p, size_t n, char *out); /* 2n+1, lower */
int cq_hex_digit(char c); /* 0 to 15; -1: it is none */
/* The bytes that n characters of hex write, whatever their case, `sep` between
 * bytes passed over (0: none may be).  Are they `want`, and all of it?  out may
 * be s. */
int cq_unhex(const char *s, size_t n, char sep, void *out, size_t want);
/* UUIDv5 over the nil namespace and n bytes, as 36 characters + NUL. */
void cq_uuid5(const void *p, size_t n, char out[37]);
void cq_uuid4(char out[37]);
uint64_t cq_hash64(const void *p, size_t n, uint64_t seed); /* not crypto */
uint64_t cq_random(void);
/* Base64 (standard, or URL alphabet without padding).  Appends to out. */
void cq_base64_encode(cq_buf *out, const void *p, size_t n, int url);
int cq_base64_decode(cq_buf *out, const char *s, size_t n); /* both kinds */
void cq_percent_encode(cq_buf *out, const char *s, size_t n,
                       const char *keep); /* unreserved + keep stay */
void cq_percent_decode(cq_buf *out, const char *s, size_t n);

/* ---- text ------------------------------------------------------------ */
int cq_str_ieq(const char *a, const char *b); /* ASCII, NULL-safe, bool */
int cq_str_ieqn(const char *a, const char *b, size_t n); /* n bytes at most */
/* libc's tolower and isalpha are the host's locale's: not for protocols. */
unsigned char cq_lower(char c);
int cq_letter(char c);
/* May regcomp() have it?  Repeats within repeats double what it needs. */
int cq_regex_bounded(const char *pattern);
int cq_glob(const char *pattern, const char *s); /* only '*', case-sens. */
/* Nearest of n words to `word` by edit distance, or NULL where none is near
 * enough to suggest. */
const char *cq_nearest(const char *word, const char *const *words, size_t n);
/* Replaces `secret` in text by "***", in place, however a server may write it:
 * as it is, percent-encoded, escaped as in JSON, in base64; and where a message
 * was cut in its middle, what is left of it.  Does nothing for secrets of fewer
 * than four characters, which would black out ordinary words. */
void cq_redact(char *text, const char *secret);
/* Of thousands of secrets a text holds none, mostly: can it hold this one?
 * `secret` is what cq_secret_grams made of it.  No is sure; a text of more than
 * some thousand characters may hold everything. */
enum { CQ_GRAMS = 4096 };
typedef struct cq_grams {
  size_t n;
  uint32_t slots[CQ_GRAMS];
} cq_grams;
void cq_grams_of(cq_grams *g, const char *text);
void cq_secret_grams(const char *secret, uint32_t out[3]);
int cq_grams_have(const cq_grams *g, const uint32_t secret[3]);
/* Checks strict UTF-8; returns offset of the first bad byte or n. */
size_t cq_utf8_check(const char *s, size_t n);
/* A code point as UTF-8, 1 to 4 bytes; returns how many. */
size_t cq_utf8_put(char *out, unsigned u);
/* n, or a little less where s[n] is in the middle of a character. */
size_t cq_utf8_cut(const char *s, size_t n);
/* Reads a whole file up to max bytes into a malloc'ed NUL-terminated text.
 * CQ_NOTFOUND: there is none; CQ_TOOBIG: longer than max; else CQ_IOERR, also
 * for what is no regular file, which is not waited for. */
int cq_file_read(const char *path, size_t max, char **out, size_t *len,
                 cq_error *err);
/* Before a library opens `path` (may be NULL) by itself, which would wait for
 * a pipe's writer: CQ_IOERR where it is there and is no regular file. */
int cq_file_check(const char *path, cq_error *err);

#endif
