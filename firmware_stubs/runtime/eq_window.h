/* Places of sliding windows; `win` is a checked one. */
#ifndef EQ_WINDOW_H
#define EQ_WINDOW_H

#include <stddef.h>

#include "edgeq/eq_image.h"
#include "eq_dot.h"

#define EQ_LANES 4u        /* channels of a depthwise convolution that lie beside each other */
#define EQ_BLOCK_GROUPS 8u /* fours of channels that a kernel may prepare at once */

/* Where an output pixel's window begins in the input: outside of it where there is padding. */
struct eq_place {
    uint32_t batch;
    int32_t y, x;
};

static inline uint32_t eq_pixels(const struct eq_window *win)
{
    return (uint32_t)win->batches * win->out_h * win->out_w;
}

static inline struct eq_place eq_place_of(const struct eq_window *win, uint32_t pixel)
{
    struct eq_place place;
    uint32_t row = pixel / win->out_w;
    place.batch = row / win->out_h;
    place.y = (int32_t)(row % win->out_h * win->stride_h) - win->pad_top;
    place.x = (int32_t)(pixel % win->out_w * win->stride_w) - win->pad_left;
    return place;
}

static inline int eq_is_inside(const struct eq_window *win, int32_t y, int32_t x)
{
    return y >= 0 && y < win->in_h && x >= 0 && x < win->in_w;
}

/* The first channel of an input pixel that is inside. */
static inline const int8_t *eq_pixel(const struct eq_window *win, const int8_t *in, uint32_t batch, int32_t y,
                                     int32_t x)
{
    return in + (((size_t)batch * win->in_h + (size_t)y) * win->in_w + (size_t)x) * win->in_c;
}

/* What of a pool's window is inside: at least one element, as eq_check_pool demands. */
struct eq_span {
    const int8_t *first;
    uint32_t rows, columns;
};

static inline int32_t eq_inside_end(int32_t from, int32_t length, int32_t limit)
{
    return from + length < limit ? from + length : limit;
}

static inline struct eq_span eq_span_of(const struct eq_window *win, const int8_t *in, uint32_t pixel)
{
    struct eq_place place = eq_place_of(win, pixel);
    struct eq_span span;
    int32_t y = place.y < 0 ? 0 : place.y, x = place.x < 0 ? 0 : place.x;
    span.first = eq_pixel(win, in, place.batch, y, x);
    span.rows = (uint32_t)(eq_inside_end(place.y, win->k_h, win->in_h) - y);
    span.columns = (uint32_t)(eq_inside_end(place.x, win->k_w, win->in_w) - x);
    return span;
}

/* What a pool makes of one more element. */
typedef int32_t eq_together(int32_t so_far, int32_t next);

/* One channel of a window, taken together from `value` on. (The loop around it is written in each pool: shared it costs
 * an eighth more instructions, for GCC then runs out of registers.) */
static inline int32_t eq_fold_span(const struct eq_window *win, const struct eq_span *span, const int8_t *in,
                                   int32_t value, eq_together *together)
{
    for (uint32_t y = 0; y < span->rows; y++) {
        const int8_t *at = in + (size_t)y * win->in_w * win->in_c;
        for (uint32_t x = 0; x < span->columns; x++, at += win->in_c) {
            value = together(value, *at);
        }
    }
    return value;
}

/* Elements that are multiplied for one output value of a convolution. */
static inline uint64_t eq_window_k(const struct eq_window *win)
{
    return (uint64_t)win->k_h * win->k_w * (win->in_c / win->groups);
}

/* Working memory that every kernel set may count on (DESIGN.md section 3): of a convolution one window as it
 * lies and two as int16. */
static inline uint64_t eq_conv_scratch(const struct eq_window *win)
{
    return 5 * (uint64_t)eq_row_bytes((uint32_t)eq_window_k(win));
}

/* Of a depthwise one: for each tap a place and four values, zero points, and for each group of a block
 * weights as int16 and how its channels end. */
static inline uint64_t eq_depthwise_scratch(const struct eq_window *win)
{
    uint64_t taps = (uint64_t)win->k_h * win->k_w;
    uint64_t groups = ((uint64_t)win->out_c + EQ_LANES - 1) / EQ_LANES;
    groups = groups < EQ_BLOCK_GROUPS ? groups : EQ_BLOCK_GROUPS;
    return 8 * taps + EQ_LANES * EQ_BLOCK_GROUPS + groups * (8 * taps + 64);
}

/* Whether each window is one input pixel as it lies. */
static inline int eq_is_pointwise(const struct eq_window *win)
{
    return win->k_h == 1 && win->k_w == 1 && win->groups == 1 && win->pad_top == 0 && win->pad_left == 0 &&
           (win->out_h - 1) * win->stride_h < win->in_h && (win->out_w - 1) * win->stride_w < win->in_w;
}

#endif
