/* Dot products of int8 rows: where the time goes. `k` is at most EQ_MAX_DOT: 32 bits hold every sum. */
#ifndef EQ_DOT_H
#define EQ_DOT_H

#include <stdint.h>

/* Rows are padded to whole words. */
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

/* Rows of convolutions and matrices lie in pairs a, b, four elements of each together: a0 b0 a2 b2 a1 b1 a3
 * b3. Short pairs and an odd last row are filled up with zeros. */
static inline uint32_t eq_pair_bytes(uint32_t k)
{
    return 2 * eq_row_bytes(k);
}

/* Where element `i` of a is in its block; b's is behind it. */
static inline uint32_t eq_pair_at(uint32_t i)
{
    return (i & 1) * 4 + (i & 2);
}

/* A pair of rows with one vector. */
static inline void eq_dot_2x1(const int8_t *w, const int8_t *x, uint32_t k, int32_t sums[2])
{
    int32_t a = 0, b = 0;
    for (; k >= 4; k -= 4, w += 8, x += 4) {
        a += w[0] * x[0] + w[4] * x[1] + w[2] * x[2] + w[6] * x[3];
        b += w[1] * x[0] + w[5] * x[1] + w[3] * x[2] + w[7] * x[3];
    }
    for (uint32_t i = 0; i < k; i++) {
        a += w[eq_pair_at(i)] * x[i];
        b += w[eq_pair_at(i) + 1] * x[i];
    }
    sums[0] = a;
    sums[1] = b;
}

/* A pair of rows with two vectors: sums[0], sums[1] are the first's. */
static inline void eq_dot_2x2(const int8_t *w, const int8_t *x, const int8_t *y, uint32_t k, int32_t sums[4])
{
    int32_t ax = 0, bx = 0, ay = 0, by = 0;
    for (; k >= 4; k -= 4, w += 8, x += 4, y += 4) {
        ax += w[0] * x[0] + w[4] * x[1] + w[2] * x[2] + w[6] * x[3];
        bx += w[1] * x[0] + w[5] * x[1] + w[3] * x[2] + w[7] * x[3];
        ay += w[0] * y[0] + w[4] * y[1] + w[2] * y[2] + w[6] * y[3];
        by += w[1] * y[0] + w[5] * y[1] + w[3] * y[2] + w[7] * y[3];
    }
    for (uint32_t i = 0; i < k; i++) {
        int32_t a = w[eq_pair_at(i)], b = w[eq_pair_at(i) + 1];
        ax += a * x[i];
        bx += b * x[i];
        ay += a * y[i];
        by += b * y[i];
    }
    sums[0] = ax;
    sums[1] = bx;
    sums[2] = ay;
    sums[3] = by;
}

#endif
