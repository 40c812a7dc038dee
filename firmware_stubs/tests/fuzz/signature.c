/* libFuzzer over what a device checks of signatures: a key, a signature and what is left as a message; and the same bytes
 * as two thresholds and a count, two keys that are there twice, and an envelope. */
#include <stdlib.h>
#include <string.h>

#include "../../core/eq_ed25519.h"
#include "edgeq/eq_trust.h"

#define KEY_BYTES (EQ_KEY_ID_BYTES + 32u)

static void *exact(const void *data, size_t bytes)
{
    void *copy = malloc(bytes + (bytes == 0));
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, bytes);
    return copy;
}

static void alone(const uint8_t *data, size_t bytes)
{
    uint8_t *key = exact(data, EQ_ED25519_KEY_BYTES);
    uint8_t *signature = exact(data + EQ_ED25519_KEY_BYTES, EQ_ED25519_BYTES);
    uint32_t rest = (uint32_t)(bytes - EQ_ED25519_KEY_BYTES - EQ_ED25519_BYTES);
    uint8_t *message = exact(data + bytes - rest, rest);
    int status = eq_ed25519_check(key, signature, message, rest);
    if (status != EQ_OK && status != EQ_SIGNATURE) {
        abort();
    }
    free(key);
    free(signature);
    free(message);
}

static void trusted(const uint8_t *data)
{
    struct eq_trust trust = {eq_trust_check, {data[0] & 3u, data[0] >> 2 & 3u}, data[0] >> 4, {{{0}, {0}, 0}}};
    struct eq_envelope *envelope;
    int status;
    for (uint32_t i = 0; i < EQ_MOST_KEYS; i++) {
        memcpy(trust.key[i].id, data + 1 + i % 2 * KEY_BYTES, KEY_BYTES);
        trust.key[i].role = (uint8_t)(data[0] >> i & 1u);
    }
    envelope = exact(data + 1 + 2 * KEY_BYTES, sizeof *envelope);
    status = eq_trust_sound(&trust) == EQ_OK ? trust.check(&trust, envelope) : EQ_SIGNATURE;
    if (status != EQ_OK && status != EQ_SIGNATURE) {
        abort();
    }
    free(envelope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes); /* libFuzzer has no header */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes >= EQ_ED25519_KEY_BYTES + EQ_ED25519_BYTES) {
        alone(data, bytes);
    }
    if (bytes >= 1 + 2 * KEY_BYTES + sizeof(struct eq_envelope)) {
        trusted(data);
    }
    return 0;
}
