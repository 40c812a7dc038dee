/* SHA-512 (FIPS 180-4), piece by piece: what ed25519 hashes with. */
#ifndef EQ_SHA512_H
#define EQ_SHA512_H

#include <stddef.h>
#include <stdint.h>

#define EQ_SHA512_BYTES 64u

struct eq_sha512 {
    uint64_t state[8];
    uint32_t bytes;     /* so far */
    uint8_t block[128]; /* what is not a whole block yet */
};

void eq_sha512_begin(struct eq_sha512 *sha);

/* Less than 512 MB in all. */
void eq_sha512_add(struct eq_sha512 *sha, const void *data, size_t bytes);

/* `sha` is used up. */
void eq_sha512_end(struct eq_sha512 *sha, uint8_t digest[EQ_SHA512_BYTES]);

#endif
