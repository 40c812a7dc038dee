/* SHA-256 (FIPS 180-4), piece by piece. */
#ifndef EQ_SHA256_H
#define EQ_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define EQ_SHA256_BYTES 32u

struct eq_sha256 {
    uint32_t state[8];
    uint64_t bytes;    /* so far */
    uint8_t block[64]; /* what is not a whole block yet */
};

void eq_sha256_begin(struct eq_sha256 *sha);
void eq_sha256_add(struct eq_sha256 *sha, const void *data, size_t bytes);

/* `sha` is used up. */
void eq_sha256_end(struct eq_sha256 *sha, uint8_t digest[EQ_SHA256_BYTES]);

/* All of it at once. */
void eq_sha256(const void *data, size_t bytes, uint8_t digest[EQ_SHA256_BYTES]);

#endif
