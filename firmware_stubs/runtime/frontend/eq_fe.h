/* What the parts of the front end share. All of it is exact: edgeq/micro/frontend/reference.py computes the same integers. */
#ifndef EQ_FE_H
#define EQ_FE_H

#include "edgeq/eq_frontend.h"
#include "eq_kernel.h"

#define EQ_FE_SAMPLE_MOST (1 << 29) /* samples after any step lie within it */
#define EQ_FE_LOG_BITS 23
#define EQ_FE_POWER_BITS 24u /* fractional bits of powers */
#define EQ_FE_MOST_POWER (10u << EQ_FE_POWER_BITS)
#define EQ_FE_MOST_ROW 8192u /* values of a row */

/* x / 2^shift, halves up; |x| below 2^62, shift up to 62. */
static inline int64_t eq_fe_shifted(int64_t x, uint32_t shift)
{
    return shift == 0 ? x : (x + ((int64_t)1 << (shift - 1))) >> shift;
}

static inline int32_t eq_fe_held(int64_t x, int32_t low, int32_t high)
{
    return (int32_t)(x < low ? low : x > high ? high : x);
}

/* Leading zeros of a number above 0. */
static inline uint32_t eq_fe_zeros(uint32_t x)
{
#ifdef __GNUC__
    return (uint32_t)__builtin_clz(x);
#else
    uint32_t zeros = 0;
    for (uint32_t half = 16; half > 0; half /= 2) {
        if (x >> (32 - half) == 0) {
            zeros += half;
            x <<= half;
        }
    }
    return zeros;
#endif
}

static inline uint32_t eq_fe_bits(uint32_t x)
{
    return x == 0 ? 0 : 32u - eq_fe_zeros(x);
}

/* A raw input is not taken, and why. */
static inline int eq_fe_refused(const char **why, const char *reason)
{
    *why = reason;
    return EQ_INVALID;
}

/* The values and bins of a frame. */
static inline int32_t *eq_fe_values(const struct eq_frontend *front)
{
    return eq_in_arena(front->model, front->head->values);
}

static inline int32_t *eq_fe_work(const struct eq_frontend *front)
{
    return eq_in_arena(front->model, front->head->work);
}

/* Where the samples of the clip are kept, and one of them by its place in the padded clip. */
static inline int16_t *eq_fe_kept(const struct eq_frontend *front)
{
    return eq_in_arena(front->model, front->head->clip);
}

/* A resample: how many samples come of `samples`; its start from silence; one more sample goes in, or comes out, which is
 * due when `front->wanted` is 0. */
uint64_t eq_fe_resampled(const struct eq_fe_resample *op, uint32_t samples);
void eq_fe_resample_begin(struct eq_frontend *front);
void eq_fe_resample_put(struct eq_frontend *front, int16_t sample);
int16_t eq_fe_resample_next(struct eq_frontend *front);

/* `count` samples of the padded clip from `from` on, behind the steps before `until`, or all. `out` has room for one more: where a
 * preemphasis is still to come it holds the sample before them. Returns where they begin. */
int32_t *eq_fe_samples(const struct eq_frontend *front, uint32_t from, uint32_t count, const void *until, int32_t *out);

/* The largest sample, or magnitude, before the peak's record, and at least 0. */
int32_t eq_fe_highest(const struct eq_frontend *front);

/* The floor of the square root. */
uint32_t eq_fe_root(uint64_t x);

/* Frame number `at` in `work`: its bins; returns the exponent of their unit. */
int32_t eq_fe_spectrum(const struct eq_frontend *front, const struct eq_fe_spectrum *op, uint32_t at);

/* The real FFT of `n` numbers of at most 2^29, divided by n / 2: re and im of n / 2 + 1 bins; they enter in pairs, pair i
 * at the place that i has with its bits in the other order. */
void eq_fe_fft(int32_t *data, uint32_t n, const int32_t *twiddles);

/* Frame number `at`: its features in `values`. */
void eq_fe_micro(const struct eq_frontend *front, const struct eq_fe_micro *op, uint32_t at);

/* Numbers. What they lose is rounded down. */
struct eq_fe_number eq_fe_number_of(uint64_t high, uint64_t low, int32_t e); /* (high * 2^32 + low) * 2^e */
struct eq_fe_number eq_fe_times(struct eq_fe_number a, struct eq_fe_number b);
struct eq_fe_number eq_fe_plus(struct eq_fe_number a, struct eq_fe_number b);
int eq_fe_less(struct eq_fe_number a, struct eq_fe_number b);
struct eq_fe_number eq_fe_inverse(uint32_t x); /* 1 / x */
int32_t eq_fe_log2(struct eq_fe_number x);     /* in EQ_FE_LOG_BITS fractional bits */

struct eq_fe_number eq_fe_exp2(int64_t x);     /* of EQ_FE_LOG_BITS fractional bits */
int32_t eq_fe_fixed(struct eq_fe_number x, int32_t exponent); /* in units of 2^exponent, rounded down */

/* The number `x` of a row, whose mean so far is at `mean`, normalized. */
int32_t eq_fe_pcen(const struct eq_fe_pcen *op, struct eq_fe_number x, struct eq_fe_number *mean);

/* Frame number `at`: from its samples to a row of the model's input, or into a stack. */
void eq_fe_row(struct eq_frontend *front, uint32_t at);

/* Values of the records from `record` on, down to a row of the model's input. */
void eq_fe_finish(struct eq_frontend *front, const void *record, uint32_t width);

/* A picture: whether it can be taken, and its bytes, up to the end of one of its rows. */
int eq_fe_picture_begin(struct eq_frontend *front, const struct eq_raw *raw, const char **why);
uint32_t eq_fe_picture_feed(struct eq_frontend *front, const uint8_t *data, uint32_t bytes);

/* Features: whether they can be taken, and their bytes, up to the end of a row. */
int eq_fe_features_begin(struct eq_frontend *front, const struct eq_raw *raw, const char **why);
uint32_t eq_fe_features_feed(struct eq_frontend *front, const uint8_t *data, uint32_t bytes);

/* Column `at` of a table; what it makes of a number that was sent as `word`, before clamping. */
struct eq_fe_column eq_fe_column_at(const struct eq_model *model, const struct eq_fe_convert *op, uint32_t at);
int64_t eq_fe_converted(const struct eq_fe_column *column, uint32_t dtype, uint32_t word);
int64_t eq_fe_wide(const uint32_t *halves);

#define EQ_FE_MOST_SIDE 8192u /* pixels of a picture's side */

/* Check all of it; `bounds` are those of the image. */
int eq_fe_check(const struct eq_bounds *bounds, const struct eq_model *model);

#endif
