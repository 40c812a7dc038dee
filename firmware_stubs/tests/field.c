/* The field of ed25519 from inside. */
#define eq_ed25519_check field_of_ed25519_check
#include "../core/eq_ed25519.c"

#include "signatures.h"

enum field_operation { ADD, SUBTRACT, MULTIPLY, SETTLE, INVERT, IS_ZERO };

static void store(uint8_t *bytes, const struct number *a)
{
    for (unsigned i = 0; i < 4 * WORDS; i++) {
        bytes[i] = (uint8_t)(a->word[i / 4] >> 8 * (i % 4));
    }
}

static void invert(struct number *r, const struct number *a)
{
    struct number cube;
    mul(&cube, a, a);
    mul(&cube, &cube, a);
    power(r, a);
    square(r, 3);
    mul(r, r, &cube);
}

int signatures_field(const uint8_t *data, uint8_t result[32])
{
    struct number a, b, r = {{0}};
    load(&a, data + 4);
    load(&b, data + 36);
    switch (data[0]) {
    case ADD:
        add(&r, &a, &b);
        break;
    case SUBTRACT:
        sub(&r, &a, &b);
        break;
    case MULTIPLY:
        mul(&r, &a, &b);
        break;
    case SETTLE:
        r = a;
        break;
    case INVERT:
        invert(&r, &a);
        break;
    default:
        r.word[0] = (uint32_t)is_zero(&a);
    }
    settle(&r);
    store(result, &r);
    return EQ_OK;
}
