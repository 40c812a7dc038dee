/* Numbers of 0 or more, with 32 bits and an exponent. */
#include "eq_fe.h"

static const struct eq_fe_number nothing = {0, 0};

struct eq_fe_number eq_fe_number_of(uint64_t high, uint64_t low, int32_t e)
{
    uint32_t top;
    high += low >> 32;
    if (high >> 32 == 0) {
        high = high << 32 | (uint32_t)low;
    } else {
        e += 32;
    }
    if (high == 0) {
        return nothing;
    }
    top = (uint32_t)(high >> 32);
    if (top == 0) {
        uint32_t zeros = eq_fe_zeros((uint32_t)high);
        return (struct eq_fe_number){(uint32_t)high << zeros, e - (int32_t)zeros};
    }
    top = 32u - eq_fe_zeros(top);
    return (struct eq_fe_number){(uint32_t)(high >> top), e + (int32_t)top};
}

struct eq_fe_number eq_fe_times(struct eq_fe_number a, struct eq_fe_number b)
{
    uint64_t product = (uint64_t)a.m * b.m;
    uint32_t bits = 31u + (uint32_t)(product >> 63);
    return product == 0 ? nothing : (struct eq_fe_number){(uint32_t)(product >> bits), a.e + b.e + (int32_t)bits};
}

struct eq_fe_number eq_fe_plus(struct eq_fe_number a, struct eq_fe_number b)
{
    uint64_t sum;
    uint32_t carry;
    if (a.m == 0 || (b.m != 0 && b.e > a.e)) {
        struct eq_fe_number swap = a;
        a = b;
        b = swap;
    }
    if (b.m == 0 || a.e - b.e >= 32) {
        return a;
    }
    sum = (uint64_t)a.m + (b.m >> (a.e - b.e));
    carry = (uint32_t)(sum >> 32);
    return (struct eq_fe_number){(uint32_t)(sum >> carry), a.e + (int32_t)carry};
}

int eq_fe_less(struct eq_fe_number a, struct eq_fe_number b)
{
    if (a.m == 0 || b.m == 0) {
        return a.m < b.m;
    }
    return a.e != b.e ? a.e < b.e : a.m < b.m;
}

struct eq_fe_number eq_fe_inverse(uint32_t x)
{
    /* Bit by bit: 2^63 / (x normalized) lies from 2^31 on, and is 2^32 only for a power of two. */
    uint32_t zeros = eq_fe_zeros(x), quotient = 0;
    uint64_t rest = (uint64_t)1 << 31;
    x <<= zeros;
    if (x == (uint32_t)1 << 31) {
        return (struct eq_fe_number){x, (int32_t)zeros - 62};
    }
    for (uint32_t bit = 0; bit < 32; bit++) {
        rest <<= 1;
        quotient <<= 1;
        if (rest >= x) {
            rest -= x;
            quotient |= 1;
        }
    }
    return (struct eq_fe_number){quotient, (int32_t)zeros - 63};
}

int32_t eq_fe_log2(struct eq_fe_number x)
{
    int32_t whole = x.e + 31;
    uint64_t y = x.m;
    uint32_t fraction = 0;
    if (x.m == 0 || whole < -127) {
        return -(127 << EQ_FE_LOG_BITS);
    }
    if (whole > 126) {
        return 127 << EQ_FE_LOG_BITS;
    }
    for (uint32_t bit = 0; bit < EQ_FE_LOG_BITS; bit++) {
        uint32_t over;
        y = (y * y) >> 31;
        over = (uint32_t)(y >> 32);
        y >>= over;
        fraction = fraction << 1 | over;
    }
    return whole * (1 << EQ_FE_LOG_BITS) + (int32_t)fraction;
}

/* The floor of the root of a number from 2^30 on: a line is within 7 % of it, and two steps of Newton's within 1. */
static uint32_t half_root(uint32_t x)
{
    uint32_t root = 20480u + (x >> 17) + (x >> 18);
    root = (root + x / root) >> 1;
    root = (root + x / root) >> 1;
    root = root > UINT16_MAX ? UINT16_MAX : root;
    while (root * root > x) {
        root--;
    }
    while (x - root * root > 2 * root) {
        root++;
    }
    return root;
}

uint32_t eq_fe_root(uint64_t x)
{
    uint32_t shift, top, half, quotient;
    uint64_t root;
    if (x == 0) {
        return 0;
    }
    shift = x >> 32 ? eq_fe_zeros((uint32_t)(x >> 32)) : 32u + eq_fe_zeros((uint32_t)x);
    shift &= ~1u;
    x <<= shift;
    top = (uint32_t)(x >> 32);
    half = half_root(top);
    quotient = (((top - half * half) << 15) | ((uint32_t)x >> 17)) / half; /* the rest is at most 2 * half */
    root = ((uint64_t)half << 16) + quotient;
    while (root >> 32 || root * root > x) {
        root--;
    }
    return (uint32_t)root >> (shift / 2);
}
