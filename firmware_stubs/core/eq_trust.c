#include "edgeq/eq_trust.h"

#include <string.h>

#include "eq_ed25519.h"

typedef char eq_signatures_fill_their_place[sizeof(struct eq_signatures) == 160 ? 1 : -1];

#define RECORD_BYTES 96u /* of the envelope: what is signed */

/* As DSSE v1 signs a payload: with its type and length, so that it is a signature of nothing else. */
static const char type[] = "DSSEv1 27 application/vnd.edgeq.image 96 ";
#define TYPE_BYTES (sizeof type - 1)

static uint32_t find(const struct eq_trust *trust, const uint8_t *id)
{
    uint32_t i = 0;
    while (i < trust->count && memcmp(trust->key[i].id, id, EQ_KEY_ID_BYTES) != 0) {
        i++;
    }
    return i;
}

static int is_zero(const void *data, size_t bytes)
{
    const uint8_t *at = data;
    while (bytes > 0 && *at == 0) {
        at++;
        bytes--;
    }
    return bytes == 0;
}

/* Only the one form that says it: whatever is not used is zero. */
static int is_well_formed(const struct eq_signatures *area)
{
    uint32_t unused = area->count < EQ_MOST_SIGNATURES ? EQ_MOST_SIGNATURES - area->count : 0;
    return area->magic == EQ_SIGNATURES_MAGIC && area->count >= 1 && area->count <= EQ_MOST_SIGNATURES &&
           is_zero(area->reserved, sizeof area->reserved) &&
           is_zero(area->by + EQ_MOST_SIGNATURES - unused, unused * sizeof area->by[0]);
}

int eq_trust_check(const struct eq_trust *trust, const struct eq_envelope *envelope)
{
    struct eq_signatures area;
    uint8_t message[TYPE_BYTES + RECORD_BYTES];
    uint32_t given[EQ_ROLES] = {0}, seen = 0;
    memcpy(&area, envelope->signature, sizeof area);
    memcpy(message, type, TYPE_BYTES);
    memcpy(message + TYPE_BYTES, envelope, RECORD_BYTES);
    if (!is_well_formed(&area)) {
        return EQ_SIGNATURE;
    }
    for (uint32_t i = 0; i < area.count; i++) {
        uint32_t key = find(trust, area.by[i].key_id);
        if (key == trust->count) {
            continue;
        }
        if (eq_ed25519_check(trust->key[key].key, area.by[i].signature, message, sizeof message) != EQ_OK) {
            return EQ_SIGNATURE;
        }
        given[trust->key[key].role] += !(seen >> key & 1u);
        seen |= 1u << key;
    }
    for (uint32_t role = 0; role < EQ_ROLES; role++) {
        if (given[role] < trust->threshold[role]) {
            return EQ_SIGNATURE;
        }
    }
    return EQ_OK;
}

int eq_trust_sound(const struct eq_trust *trust)
{
    uint32_t has[EQ_ROLES] = {0}, needed = 0;
    if (trust->check == NULL || trust->count > EQ_MOST_KEYS) {
        return EQ_INVALID;
    }
    for (uint32_t i = 0; i < trust->count; i++) {
        if (trust->key[i].role >= EQ_ROLES) {
            return EQ_INVALID;
        }
        has[trust->key[i].role]++;
    }
    for (uint32_t role = 0; role < EQ_ROLES; role++) {
        if (has[role] < trust->threshold[role]) {
            return EQ_INVALID;
        }
        needed += trust->threshold[role];
    }
    return needed >= 1 && needed <= EQ_MOST_SIGNATURES ? EQ_OK : EQ_INVALID;
}
