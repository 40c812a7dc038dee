/* Checks of what an image says. All are called once, when a model is opened; none may be fooled by any bytes.
 * Each returns EQ_OK or EQ_INVALID, so that several are joined by `|`. */
#ifndef EQ_CHECK_H
#define EQ_CHECK_H

#include "eq_kernel.h"

/* The most elements that a walk may have. */
#define EQ_MAX_COUNT (1u << 28)

int eq_check_that(int condition);

/* Whether `bytes` at `ref` lie in the arena, at a multiple of `align`. */
int eq_check_arena(const struct eq_bounds *bounds, eq_ref ref, uint64_t bytes, uint32_t align);

/* Whether they lie among the constants. */
int eq_check_const(const struct eq_bounds *bounds, eq_ref ref, uint64_t bytes, uint32_t align);

/* Either. */
int eq_check_any(const struct eq_bounds *bounds, eq_ref ref, uint64_t bytes, uint32_t align);

/* Whether two checked places have no byte in common. */
int eq_check_apart(eq_ref a, uint64_t a_bytes, eq_ref b, uint64_t b_bytes);

/* Dimensions from 1, whose product does not exceed EQ_MAX_COUNT: the product; 0 for others. */
uint32_t eq_check_count(const uint32_t dims[EQ_MAX_RANK]);

/* 1, 2 or 4. */
int eq_check_elem(uint32_t elem_bytes);

/* Where walks lead to, in elements from where they begin; {0, 0} before the first eq_extend. */
struct eq_extent {
    int64_t lowest, highest;
};

/* The walk's steps beyond what `extent` has already; `dims` passed eq_check_count. */
void eq_extend(struct eq_extent *extent, const uint32_t dims[EQ_MAX_RANK], const int32_t step[EQ_MAX_RANK]);

/* Whether all that lies in the arena or among the constants, each element at a multiple of its size. What it
 * covers is then `*from` and `*bytes`. */
int eq_check_extent(const struct eq_bounds *bounds, eq_ref ref, const struct eq_extent *extent,
                    uint32_t elem_bytes, eq_ref *from, uint64_t *bytes);

/* Whether all int8 of a walk lie there. */
int eq_check_walk(const struct eq_bounds *bounds, eq_ref ref, const uint32_t dims[EQ_MAX_RANK],
                  const int32_t step[EQ_MAX_RANK]);

/* Whether a scale can be computed with; `smaller_than_one` forbids left shifts. */
int eq_check_scale(const struct eq_scale *scale, int smaller_than_one);

/* A float above 0 and finite; looked at as bits, so that cores without floats need none. */
int eq_check_positive(const float *value);

/* `channels` records, each with a scale in range. */
int eq_check_channels(const struct eq_bounds *bounds, eq_ref ref, uint32_t channels);

/* act_min <= act_max, both an int8. */
int eq_check_act(int32_t act_min, int32_t act_max);

/* An int8. */
int eq_check_zp(int32_t zero_point);

int eq_check_sum(const struct eq_sum *sum);

/* Sizes from 1, and no coordinate that overflows. */
int eq_check_window(const struct eq_window *win);

/* Bytes of the whole input and output; they cannot overflow. */
uint64_t eq_window_in_bytes(const struct eq_window *win);
uint64_t eq_window_out_bytes(const struct eq_window *win);

/* Whole records, for every kernel set: eq_conv_i8 with EQ_CONV_I8, with EQ_DEPTHWISE_I8, and eq_fc_i8. */
int eq_check_conv(const struct eq_bounds *bounds, const void *record);
int eq_check_depthwise(const struct eq_bounds *bounds, const void *record);
int eq_check_fc(const struct eq_bounds *bounds, const void *record);

/* A pool, of which each window has an element inside. */
int eq_check_pool(const struct eq_bounds *bounds, const struct eq_pool_i8 *op);

#endif
