/* Dot products of int8 rows: where the time goes. `k` is at most EQ_MAX_DOT, so that 32 bits hold every sum.
 */
#ifndef EQ_DOT_H
#define EQ_DOT_H

#include <stdint.h>

/* Rows of weights are padded to whole words. */
static inline uint32_t eq_row_bytes(uint32_t k)
{
    return (k + 3) & ~3u;
}

static inline int32_t eq_dot(const int8_t *w, const int8_t *x, uint32_t k)
{
    int32_t sum = 0;
    for (uint32_t i = 0; i < k; i++) {
        sum += w[i] * x[i];
    }
    return sum;
}

/* Four rows, `row` bytes apart, with one vector. */
static inline void eq_dot_4x1(const int8_t *w, uint32_t row, const int8_t *x, uint32_t k, int32_t sums[4])
{
    const int8_t *w1 = w + row, *w2 = w1 + row, *w3 = w2 + row;
    int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
    for (uint32_t i = 0; i < k; i++) {
        int32_t value = x[i];
        sum0 += w[i] * value;
        sum1 += w1[i] * value;
        sum2 += w2[i] * value;
        sum3 += w3[i] * value;
    }
    sums[0] = sum0;
    sums[1] = sum1;
    sums[2] = sum2;
    sums[3] = sum3;
}

/* Two rows with two vectors: sums[0], sums[1] of w0; sums[2], sums[3] of w1. */
static inline void eq_dot_2x2(const int8_t *w0, const int8_t *w1, const int8_t *x0, const int8_t *x1,
                              uint32_t k, int32_t sums[4])
{
    int32_t sum00 = 0, sum01 = 0, sum10 = 0, sum11 = 0;
    for (uint32_t i = 0; i < k; i++) {
        sum00 += w0[i] * x0[i];
        sum01 += w0[i] * x1[i];
        sum10 += w1[i] * x0[i];
        sum11 += w1[i] * x1[i];
    }
    sums[0] = sum00;
    sums[1] = sum01;
    sums[2] = sum10;
    sums[3] = sum11;
}

#endif
