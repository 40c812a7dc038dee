/* Places of sliding windows; `win` is a checked one. */
#ifndef EQ_WINDOW_H
#define EQ_WINDOW_H

#include <stddef.h>

#include "edgeq/eq_image.h"

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

/* Elements that are multiplied for one output value of a convolution. */
static inline uint64_t eq_window_k(const struct eq_window *win)
{
    return (uint64_t)win->k_h * win->k_w * (win->in_c / win->groups);
}

/* Whether each window is one input pixel as it lies. */
static inline int eq_is_pointwise(const struct eq_window *win)
{
    return win->k_h == 1 && win->k_w == 1 && win->groups == 1 && win->pad_top == 0 && win->pad_left == 0 &&
           (win->out_h - 1) * win->stride_h < win->in_h && (win->out_w - 1) * win->stride_w < win->in_w;
}

#endif
