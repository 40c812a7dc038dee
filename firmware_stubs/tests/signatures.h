/* Signatures and what they are made of, each on its own. */
#ifndef SIGNATURES_H
#define SIGNATURES_H

#include <stdint.h>

/* piece u32, data -> its digest, added in such pieces */
void signatures_sha512(const uint8_t *data, uint32_t bytes, uint8_t digest[64]);

/* key, signature, message -> EQ_OK or EQ_SIGNATURE */
int signatures_check(const uint8_t *data, uint32_t bytes);

/* enum field_operation u32, two numbers below 2^256 -> a third one, the rest by p */
int signatures_field(const uint8_t *data, uint8_t result[32]);

/* thresholds u8[2], count u8, that many keys (id, key, role u8), envelope -> what `eq_trust_sound` or else `eq_trust_check`
 * says */
int signatures_trust(const uint8_t *data);

#endif
