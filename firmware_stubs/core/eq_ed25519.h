/* Signatures of ed25519 (RFC 8032), checked and never made: all of it is public, so nothing here hides its timing.
 *
 * Strict: S below the group's order, key and R in the one encoding that their points have, no key of small order. What is
 * checked is R = S B - h A itself, without the cofactor, as OpenSSL does; so a signature has one verdict everywhere.
 */
#ifndef EQ_ED25519_H
#define EQ_ED25519_H

#include <stdint.h>

#define EQ_ED25519_KEY_BYTES 32u
#define EQ_ED25519_BYTES 64u

/* EQ_OK, or EQ_SIGNATURE. */
int eq_ed25519_check(const uint8_t key[EQ_ED25519_KEY_BYTES], const uint8_t signature[EQ_ED25519_BYTES],
                     const void *message, uint32_t bytes);

#endif
