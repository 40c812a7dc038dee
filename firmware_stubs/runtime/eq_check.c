#include <string.h>

#include "eq_check.h"

int eq_check_that(int condition)
{
    return condition ? EQ_OK : EQ_INVALID;
}

static int within(uint64_t limit, uint32_t offset, uint64_t bytes, uint32_t align)
{
    return eq_check_that(bytes <= limit && offset <= limit - bytes && offset % align == 0);
}

int eq_check_arena(const struct eq_bounds *bounds, eq_ref ref, uint64_t bytes, uint32_t align)
{
    return (ref & EQ_CONST) ? EQ_INVALID : within(bounds->arena_bytes, ref, bytes, align);
}

int eq_check_const(const struct eq_bounds *bounds, eq_ref ref, uint64_t bytes, uint32_t align)
{
    return (ref & EQ_CONST) ? within(bounds->body_bytes, ref & ~EQ_CONST, bytes, align) : EQ_INVALID;
}

int eq_check_any(const struct eq_bounds *bounds, eq_ref ref, uint64_t bytes, uint32_t align)
{
    return (ref & EQ_CONST) ? eq_check_const(bounds, ref, bytes, align)
                            : eq_check_arena(bounds, ref, bytes, align);
}

int eq_check_apart(eq_ref a, uint64_t a_bytes, eq_ref b, uint64_t b_bytes)
{
    return eq_check_that(((a ^ b) & EQ_CONST) || a + a_bytes <= b || b + b_bytes <= a);
}

uint32_t eq_check_count(const uint32_t dims[EQ_MAX_RANK])
{
    uint64_t count = 1;
    for (unsigned i = 0; i < EQ_MAX_RANK; i++) {
        count *= dims[i];
        if (count == 0 || count > EQ_MAX_COUNT) {
            return 0;
        }
    }
    return (uint32_t)count;
}

int eq_check_elem(uint32_t elem_bytes)
{
    return eq_check_that(elem_bytes == 1 || elem_bytes == 2 || elem_bytes == 4);
}

void eq_extend(struct eq_extent *extent, const uint32_t dims[EQ_MAX_RANK], const int32_t step[EQ_MAX_RANK])
{
    for (unsigned i = 0; i < EQ_MAX_RANK; i++) {
        int64_t reach = (int64_t)step[i] * (dims[i] - 1); /* below 2^59: twelve of them do not overflow */
        if (reach < 0) {
            extent->lowest += reach;
        } else {
            extent->highest += reach;
        }
    }
}

int eq_check_extent(const struct eq_bounds *bounds, eq_ref ref, const struct eq_extent *extent,
                    uint32_t elem_bytes, eq_ref *from, uint64_t *bytes)
{
    int64_t offset = (int64_t)(ref & ~EQ_CONST);
    int64_t limit = (int64_t)EQ_CONST;
    if (extent->lowest <= -limit || extent->highest >= limit || offset + extent->lowest * elem_bytes < 0) {
        return EQ_INVALID;
    }
    *from = (eq_ref)(offset + extent->lowest * elem_bytes) | (ref & EQ_CONST);
    *bytes = (uint64_t)(extent->highest - extent->lowest + 1) * elem_bytes;
    return eq_check_any(bounds, *from, *bytes, elem_bytes);
}

int eq_check_walk(const struct eq_bounds *bounds, eq_ref ref, const uint32_t dims[EQ_MAX_RANK],
                  const int32_t step[EQ_MAX_RANK])
{
    struct eq_extent extent = {0, 0};
    eq_ref from;
    uint64_t bytes;
    if (eq_check_count(dims) == 0) {
        return EQ_INVALID;
    }
    eq_extend(&extent, dims, step);
    return eq_check_extent(bounds, ref, &extent, 1, &from, &bytes);
}

int eq_check_scale(const struct eq_scale *scale, int smaller_than_one)
{
    return eq_check_that(scale->mult >= 0 && scale->shift >= -31 &&
                         scale->shift <= (smaller_than_one ? 0 : 30));
}

int eq_check_positive(const float *value)
{
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    return eq_check_that(bits > 0 && bits < 0x7f800000u);
}

int eq_check_channels(const struct eq_bounds *bounds, eq_ref ref, uint32_t channels)
{
    const struct eq_channel *channel;
    if (eq_check_const(bounds, ref, (uint64_t)channels * sizeof *channel, 4) != EQ_OK) {
        return EQ_INVALID;
    }
    channel = (const void *)(bounds->body + (ref & ~EQ_CONST));
    for (uint32_t i = 0; i < channels; i++) {
        if (eq_check_scale(&channel[i].scale, 0) != EQ_OK) {
            return EQ_INVALID;
        }
    }
    return EQ_OK;
}

int eq_check_act(int32_t act_min, int32_t act_max)
{
    return eq_check_that(act_min >= INT8_MIN && act_min <= act_max && act_max <= INT8_MAX);
}

int eq_check_zp(int32_t zero_point)
{
    return eq_check_that(zero_point >= INT8_MIN && zero_point <= INT8_MAX);
}

int eq_check_sum(const struct eq_sum *sum)
{
    return eq_check_zp(sum->a_zp) | eq_check_zp(sum->b_zp) | eq_check_zp(sum->out_zp) |
           eq_check_scale(&sum->a, 1) | eq_check_scale(&sum->b, 1) | eq_check_scale(&sum->out, 1) |
           eq_check_act(sum->act_min, sum->act_max) |
           eq_check_that(sum->left_shift >= 0 && sum->left_shift <= 20);
}

static int reaches(uint32_t out, uint32_t stride, uint32_t k, uint32_t dil, uint32_t pad)
{
    uint64_t far = (uint64_t)(out - 1) * stride + (uint64_t)(k - 1) * dil + pad;
    return far < (1u << 30) && stride > 0 && dil > 0;
}

int eq_check_window(const struct eq_window *win)
{
    return eq_check_that(win->batches && win->in_h && win->in_w && win->in_c && win->out_h && win->out_w &&
                         win->out_c && win->k_h && win->k_w && win->groups &&
                         reaches(win->out_h, win->stride_h, win->k_h, win->dil_h, win->pad_top) &&
                         reaches(win->out_w, win->stride_w, win->k_w, win->dil_w, win->pad_left));
}

uint64_t eq_window_in_bytes(const struct eq_window *win)
{
    return (uint64_t)win->batches * win->in_h * win->in_w * win->in_c;
}

uint64_t eq_window_out_bytes(const struct eq_window *win)
{
    return (uint64_t)win->batches * win->out_h * win->out_w * win->out_c;
}

/* Whether the first and the last window along one side, and so all between them, have an element inside. */
static int touches(uint32_t in, uint32_t out, uint32_t stride, uint32_t k, uint32_t pad)
{
    return pad < k && (uint64_t)(out - 1) * stride < (uint64_t)in + pad;
}

int eq_check_pool(const struct eq_bounds *bounds, const struct eq_pool_i8 *op)
{
    const struct eq_window *win = &op->win;
    if (eq_check_window(win) != EQ_OK) {
        return EQ_INVALID;
    }
    return eq_check_that(win->dil_h == 1 && win->dil_w == 1 && win->groups == 1 && win->in_c == win->out_c) |
           eq_check_that((uint64_t)win->k_h * win->k_w <= EQ_MAX_DOT) |
           eq_check_that(touches(win->in_h, win->out_h, win->stride_h, win->k_h, win->pad_top) &&
                         touches(win->in_w, win->out_w, win->stride_w, win->k_w, win->pad_left)) |
           eq_check_any(bounds, op->in, eq_window_in_bytes(win), 1) |
           eq_check_arena(bounds, op->out, eq_window_out_bytes(win), 1) |
           eq_check_act(op->act_min, op->act_max);
}
