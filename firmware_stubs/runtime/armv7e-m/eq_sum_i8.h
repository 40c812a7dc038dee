/* TFLite's ADD and SUB of int8 values that lie one behind the other. */
#ifndef EQ_SUM_I8_H
#define EQ_SUM_I8_H

#include "eq_rounding.h"

/* An operand on the way to the common scale: round(round((value - zero point) * 2^left * mult / 2^31) /
 * 2^right). */
struct eq_operand {
    int32_t left; /* 2^left, doubled */
    int32_t zero; /* the zero point times that, negative */
    int32_t mult;
    int32_t half;  /* of 2^right; 0 where right is */
    int32_t right; /* 0 .. 31 */
    int32_t mask;  /* ~0 where right is not 0 */
};

/* A record's sum, prepared. */
struct eq_adder {
    const struct eq_sum *sum;
    struct eq_operand a, b;
    struct eq_rounding last;
    int32_t sign; /* of b */
    int fits;     /* whether `last` is exact */
};

struct eq_adder eq_adder_of(const struct eq_sum *sum);

/* out[i] = a[i] +- b[i]; `out` may be either input. */
void eq_add(const struct eq_adder *adder, const int8_t *a, const int8_t *b, int8_t *out, uint32_t count);

#endif
