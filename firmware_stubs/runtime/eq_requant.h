/* TFLite's integer arithmetic: exact for every 32-bit input. What would overflow wraps, as it does in TFLite.
 */
#ifndef EQ_REQUANT_H
#define EQ_REQUANT_H

#include "edgeq/eq_image.h"

static inline int32_t eq_wrapping_add(int32_t a, int32_t b)
{
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

static inline int32_t eq_clamp(int32_t x, int32_t low, int32_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* round(a * b / 2^31); not for two INT32_MIN. */
static inline int32_t eq_high_mul(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* round(x / 2^bits), ties away from zero; bits in 0 .. 31. */
static inline int32_t eq_round_shift(int32_t x, int32_t bits)
{
    uint32_t mask = (1u << bits) - 1;
    uint32_t rest = (uint32_t)x & mask;
    return (x >> bits) + (rest > (mask >> 1) + (x < 0));
}

/* round(round(x * mult * 2^left) * 2^right): the two roundings. */
static inline int32_t eq_rescale(int32_t x, const struct eq_scale *scale)
{
    int32_t left = scale->shift > 0 ? scale->shift : 0;
    return eq_round_shift(eq_high_mul((int32_t)((uint32_t)x << left), scale->mult), left - scale->shift);
}

static inline int32_t eq_requantize_to(int32_t x, const struct eq_scale *scale, int32_t zero_point,
                                       int32_t low, int32_t high)
{
    return eq_clamp(eq_wrapping_add(eq_rescale(x, scale), zero_point), low, high);
}

/* One value of an output channel, of the sum of its products. */
static inline int8_t eq_channel_out(const struct eq_channel *channel, int32_t sum, int32_t zero_point,
                                    int32_t low, int32_t high)
{
    return (int8_t)eq_requantize_to(eq_wrapping_add(sum, channel->bias), &channel->scale, zero_point, low,
                                    high);
}

/* One value of TFLite's ADD or SUB. */
static inline int8_t eq_sum_of(const struct eq_sum *sum, int32_t a, int32_t b)
{
    int32_t scaled_a = eq_rescale((a - sum->a_zp) * (1 << sum->left_shift), &sum->a);
    int32_t scaled_b = eq_rescale((b - sum->b_zp) * (1 << sum->left_shift), &sum->b);
    int32_t joined = sum->subtract ? scaled_a - scaled_b : scaled_a + scaled_b;
    return (int8_t)eq_requantize_to(joined, &sum->out, sum->out_zp, sum->act_min, sum->act_max);
}

#endif
