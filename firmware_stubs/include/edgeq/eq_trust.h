/* Whose signatures an image must have: keys that the firmware was built with (`edgeq firmware build --trust`), and how
 * many of each role must sign. Every byte: DESIGN.md section 9. */
#ifndef EQ_TRUST_H
#define EQ_TRUST_H

#include "edgeq/eq_image.h"
#include "edgeq/eq_status.h"

#define EQ_SIGNATURES_MAGIC 0x31535145u /* "EQS1" */
#define EQ_MOST_SIGNATURES 2u
#define EQ_MOST_KEYS 4u
#define EQ_KEY_ID_BYTES 8u

enum eq_role { EQ_BUILDER, EQ_APPROVER, EQ_ROLES };

/* The place of the signature in the envelope, bytes 96..255. */
struct eq_signatures {
    uint32_t magic;       /* EQ_SIGNATURES_MAGIC */
    uint32_t count;       /* 1 or 2 */
    uint32_t reserved[2]; /* zero, as is a second signature where there is one */
    struct {
        uint8_t key_id[EQ_KEY_ID_BYTES];
        uint8_t signature[64];
    } by[EQ_MOST_SIGNATURES];
};

struct eq_trusted_key {
    uint8_t id[EQ_KEY_ID_BYTES]; /* the first bytes of the key's SHA-256 */
    uint8_t key[32];             /* ed25519 */
    uint8_t role;                /* enum eq_role */
};

struct eq_trust {
    /* `eq_trust_check`: a pointer, so that firmware without keys links none of it. */
    int (*check)(const struct eq_trust *trust, const struct eq_envelope *envelope);
    uint8_t threshold[EQ_ROLES]; /* signatures of that many keys of each role; together 1 or 2 */
    uint8_t count;               /* of keys, up to EQ_MOST_KEYS */
    struct eq_trusted_key key[EQ_MOST_KEYS];
};

/* Whether an image that begins like this is signed as it must be: EQ_OK or EQ_SIGNATURE. Signatures of keys that are not
 * known here do not count; one that names a known key and is wrong spoils all. A key counts once. The body is the
 * caller's: its digest is in the envelope. */
int eq_trust_check(const struct eq_trust *trust, const struct eq_envelope *envelope);

/* Whether these keys can ever be satisfied, and ask for anything: EQ_OK or EQ_INVALID. */
int eq_trust_sound(const struct eq_trust *trust);

#endif
