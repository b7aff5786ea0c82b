/* ext/base/hash.c: SHA-256, HMAC, UUIDs, random numbers, a table hash.
 *
 * By libcrypto's plain states, which allocate nothing and cannot fail: signing
 * must not have a path on which it silently signs with zeros.  A row's id
 * takes two hashes, for which its other interface needs half again as long
 * even where algorithm and context are kept. */
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include "base/base.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

void cq_sha256(const void *p, size_t n, unsigned char out[32]) {
  SHA256_CTX c;
  SHA256_Init(&c);
  if (n) SHA256_Update(&c, p, n);
  SHA256_Final(out, &c);
}

/* RFC 2104 over SHA-256; every trace of the key is wiped. */
void cq_hmac_sha256(const void *key, size_t nkey, const void *p, size_t n,
                    unsigned char out[32]) {
  unsigned char pad[64] = {0}, inner[32];
  SHA256_CTX c;
  size_t i;
  if (nkey > sizeof(pad))
    cq_sha256(key, nkey, pad);
  else if (nkey)
    memcpy(pad, key, nkey);
  for (i = 0; i < sizeof(pad); i++) pad[i] ^= 0x36;
  SHA256_Init(&c);
  SHA256_Update(&c, pad, sizeof(pad));
  if (n) SHA256_Update(&c, p, n);
  SHA256_Final(inner, &c);
  for (i = 0; i < sizeof(pad); i++) pad[i] ^= 0x36 ^ 0x5c;
  SHA256_Init(&c);
  SHA256_Update(&c, pad, sizeof(pad));
  SHA256_Update(&c, inner, sizeof(inner));
  SHA256_Final(out, &c);
  cq_wipe(pad, sizeof(pad));
  cq_wipe(inner, sizeof(inner));
  cq_wipe(&c, sizeof(c));
}

/* ---- UUIDs ------------------------------------------------------------------ */
/* Sets version and variant, and writes 8-4-4-4-12. */
static void hash_uuid_text(unsigned char id[16], int version, char out[37]) {
  char hex[33];
  id[6] = (unsigned char)((id[6] & 0x0f) | version << 4);
  id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
  cq_hex(id, 16, hex);
  memcpy(out, hex, 8);
  memcpy(out + 9, hex + 8, 4);
  memcpy(out + 14, hex + 12, 4);
  memcpy(out + 19, hex + 16, 4);
  memcpy(out + 24, hex + 20, 12);
  out[8] = out[13] = out[18] = out[23] = '-';
  out[36] = '\0';
}

void cq_uuid5(const void *p, size_t n, char out[37]) {
  static const unsigned char nil[16];
  unsigned char digest[20];
  SHA_CTX c;

  SHA1_Init(&c);
  SHA1_Update(&c, nil, sizeof(nil));
  if (n) SHA1_Update(&c, p, n);
  SHA1_Final(digest, &c);
  hash_uuid_text(digest, 5, out);
}

/* ---- random ---------------------------------------------------------------- */
/* For ids and jitter, never for secrets.  Where the system has no entropy to
 * give, the clocks and the process still make ids that do not repeat. */
static void hash_random(unsigned char *p, size_t n) {
  struct {
    int64_t now, mono, pid;
    const void *stack;
  } seed;
  unsigned char digest[32];
  if (getentropy(p, n) == 0 || RAND_bytes(p, (int)n) == 1) return;
  memset(&seed, 0, sizeof(seed));
  seed.now = cq_now_us();
  seed.mono = cq_mono_ms();
  seed.pid = (int64_t)getpid();
  seed.stack = &seed;
  cq_sha256(&seed, sizeof(seed), digest);
  memcpy(p, digest, n < sizeof(digest) ? n : sizeof(digest));
}

void cq_uuid4(char out[37]) {
  unsigned char id[16];
  hash_random(id, sizeof(id));
  hash_uuid_text(id, 4, out);
}

uint64_t cq_random(void) {
  unsigned char b[8];
  uint64_t v;
  hash_random(b, sizeof(b));
  memcpy(&v, b, sizeof(v));
  return v;
}

/* ---- table hash -------------------------------------------------------------- */
static uint64_t hash_load(const unsigned char *p, size_t n) {
  uint64_t v = 0;
  while (n-- > 0) v = v << 8 | p[n];
  return v;
}

static uint64_t hash_mix(uint64_t x) {
  x ^= x >> 32;
  x *= UINT64_C(0xd6e8feb86659fd93);
  x ^= x >> 32;
  x *= UINT64_C(0xd6e8feb86659fd93);
  x ^= x >> 32;
  return x;
}

/* Little-endian by definition, so the same on every machine. */
uint64_t cq_hash64(const void *p, size_t n, uint64_t seed) {
  const unsigned char *s = p;
  uint64_t h = hash_mix(seed ^ (uint64_t)n * UINT64_C(0x9e3779b97f4a7c15));
  for (; n >= 8; s += 8, n -= 8)
    h = hash_mix(h ^ hash_load(s, 8)) + UINT64_C(0x9e3779b97f4a7c15);
  if (n) h = hash_mix(h ^ hash_load(s, n)) + UINT64_C(0x632be59bd9b4e019);
  return hash_mix(h);
}
