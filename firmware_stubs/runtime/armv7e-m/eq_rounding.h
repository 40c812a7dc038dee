/* Requantization to an int8 with TFLite's two roundings, prepared once per channel. */
#ifndef EQ_ROUNDING_H
#define EQ_ROUNDING_H

#include "edgeq/eq_image.h"
#include "eq_dsp.h"

struct eq_rounding {
    int32_t mult;
    int32_t add;   /* half of 2^shift, and the zero point times 2^shift */
    int32_t shift; /* to the right */
};

/* Up to here whatever saturates in eq_rounded is beyond an int8 for every zero point. */
#define EQ_MOST_SHIFT 20u

/* Whether eq_rounded is exact for a scale: not to the left, not by nothing, not too far. */
EQ_INLINE int eq_rounding_fits(const struct eq_scale *scale)
{
    return (uint32_t)-scale->shift - 1u < EQ_MOST_SHIFT;
}

EQ_INLINE struct eq_rounding eq_rounding_of(const struct eq_scale *scale, int32_t zero_point)
{
    struct eq_rounding rounding;
    rounding.mult = scale->mult;
    rounding.shift = -scale->shift;
    rounding.add = (int32_t)((uint32_t)(2 * zero_point + 1) << ((uint32_t)(rounding.shift - 1) & 31u));
    return rounding;
}

/* round(round(sum * mult / 2^31) / 2^shift) + zero point, as an int8. */
EQ_INLINE int8_t eq_rounded(int32_t sum, const struct eq_rounding *rounding)
{
    int32_t high = eq_mul_rounded(eq_add_saturated(sum, sum), rounding->mult);
    return eq_saturated(eq_add_saturated(high + (high >> 31), rounding->add) >> rounding->shift);
}

/* The same for every scale. */
int8_t eq_rounded_any(int32_t sum, const struct eq_scale *scale, int32_t zero_point);

#endif
