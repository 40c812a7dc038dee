/* Energy normalization: powers by way of logarithms. */
#include "eq_fe.h"

#define LEAST_EXPONENT (-1024) /* what is smaller is nothing */
#define MOST_EXPONENT (1 << 20) /* no chain reaches it; a mean that something else was written over may */

/* The square root of 2, that of this, and so on, in 31 fractional bits. */
static const uint32_t roots[EQ_FE_LOG_BITS] = {
    3037000500u, 2553802834u, 2341847524u, 2242560872u, 2194507417u, 2170868212u,
    2159144272u, 2153306067u, 2150392887u, 2148937775u, 2148210589u, 2147847087u,
    2147665360u, 2147574502u, 2147529075u, 2147506361u, 2147495005u, 2147489326u,
    2147486487u, 2147485068u, 2147484358u, 2147484003u, 2147483825u,
};

struct eq_fe_number eq_fe_exp2(int64_t x)
{
    uint32_t y = (uint32_t)1 << 31;
    for (uint32_t i = 0; i < EQ_FE_LOG_BITS; i++) {
        if (x >> (EQ_FE_LOG_BITS - 1 - i) & 1) {
            y = (uint32_t)((uint64_t)y * roots[i] >> 31);
        }
    }
    return (struct eq_fe_number){y, (int32_t)(x >> EQ_FE_LOG_BITS) - 31};
}

int32_t eq_fe_fixed(struct eq_fe_number x, int32_t exponent)
{
    int32_t right = exponent - x.e;
    return x.m == 0 || right >= 32 ? 0 : right <= 0 ? INT32_MAX : (int32_t)(x.m >> right);
}

static struct eq_fe_number part(struct eq_fe_number x, struct eq_fe_number factor)
{
    const struct eq_fe_number nothing = {0, 0};
    struct eq_fe_number product;
    if (x.e > MOST_EXPONENT || x.e < -MOST_EXPONENT) {
        return nothing;
    }
    product = eq_fe_times(x, factor);
    return product.e < LEAST_EXPONENT ? nothing : product;
}

static int64_t powered(int32_t logarithm, uint32_t power)
{
    return eq_fe_shifted((int64_t)logarithm * power, EQ_FE_POWER_BITS);
}

int32_t eq_fe_pcen(const struct eq_fe_pcen *op, struct eq_fe_number x, struct eq_fe_number *mean)
{
    struct eq_fe_number y = {0, 0};
    *mean = eq_fe_plus(part(*mean, op->keep), part(x, op->part));
    if (x.m != 0) {
        y = eq_fe_exp2(eq_fe_log2(x) - powered(eq_fe_log2(eq_fe_plus(*mean, op->eps)), op->gain));
    }
    y = eq_fe_plus(y, op->bias);
    if (y.m != 0) {
        y = eq_fe_exp2(powered(eq_fe_log2(y), op->power));
    }
    return eq_fe_held((int64_t)eq_fe_fixed(y, op->exponent) - op->less, INT32_MIN, INT32_MAX);
}
