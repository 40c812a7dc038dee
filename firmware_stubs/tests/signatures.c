#include "signatures.h"

#include <stdlib.h>
#include <string.h>

#include "../core/eq_ed25519.h"
#include "../core/eq_sha512.h"
#include "edgeq/eq_trust.h"

void signatures_sha512(const uint8_t *data, uint32_t bytes, uint8_t digest[64])
{
    struct eq_sha512 sha;
    uint32_t piece;
    memcpy(&piece, data, sizeof piece);
    eq_sha512_begin(&sha);
    for (uint32_t at = 4; at < bytes; at += piece) {
        eq_sha512_add(&sha, data + at, piece < bytes - at ? piece : bytes - at);
    }
    eq_sha512_end(&sha, digest);
}

int signatures_check(const uint8_t *data, uint32_t bytes)
{
    return eq_ed25519_check(data, data + EQ_ED25519_KEY_BYTES, data + EQ_ED25519_KEY_BYTES + EQ_ED25519_BYTES,
                            bytes - EQ_ED25519_KEY_BYTES - EQ_ED25519_BYTES);
}

int signatures_trust(const uint8_t *data)
{
    struct eq_trust trust = {eq_trust_check, {data[0], data[1]}, data[2], {{{0}, {0}, 0}}};
    struct eq_envelope *envelope;
    int status;
    data += 3;
    for (uint32_t i = 0; i < trust.count && i < EQ_MOST_KEYS; i++) {
        memcpy(&trust.key[i], data, sizeof trust.key[i]);
        data += sizeof trust.key[i];
    }
    envelope = malloc(sizeof *envelope);
    memcpy(envelope, data, sizeof *envelope);
    status = eq_trust_sound(&trust);
    status = status == EQ_OK ? trust.check(&trust, envelope) : status;
    free(envelope);
    return status;
}
