#include "eq_check.h"
#include "eq_dot.h"
#include "eq_window.h"

/* What every record with a window and weights says. */
static int check_window(const struct eq_bounds *bounds, const struct eq_conv_i8 *op, uint64_t weights,
                        uint64_t scratch)
{
    const struct eq_window *win = &op->win;
    uint64_t in_bytes = eq_window_in_bytes(win), out_bytes = eq_window_out_bytes(win);
    return eq_check_any(bounds, op->in, in_bytes, 1) | eq_check_arena(bounds, op->out, out_bytes, 1) |
           eq_check_const(bounds, op->weights, weights, 4) |
           eq_check_channels(bounds, op->channels, win->out_c) | eq_check_zp(op->in_zp) |
           eq_check_zp(op->out_zp) | eq_check_act(op->act_min, op->act_max) |
           eq_check_that(op->scratch_bytes >= scratch) |
           eq_check_arena(bounds, op->scratch, op->scratch_bytes, 4) |
           eq_check_apart(op->scratch, op->scratch_bytes, op->in, in_bytes) |
           eq_check_apart(op->scratch, op->scratch_bytes, op->out, out_bytes);
}

int eq_check_conv(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_conv_i8 *op = record;
    const struct eq_window *win = &op->win;
    uint64_t pairs;
    int bad;
    if (eq_check_window(win) != EQ_OK || win->in_c % win->groups != 0 || win->out_c % win->groups != 0 ||
        eq_window_k(win) > EQ_MAX_DOT) {
        return EQ_INVALID;
    }
    pairs = ((uint64_t)win->out_c / win->groups + 1) / 2 * win->groups;
    bad = check_window(bounds, op, pairs * eq_pair_bytes((uint32_t)eq_window_k(win)), eq_conv_scratch(win));
    if (op->residual != EQ_NONE) {
        bad |= eq_check_any(bounds, op->residual, eq_window_out_bytes(win), 1) | eq_check_sum(&op->sum);
    }
    return bad;
}

int eq_check_depthwise(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_conv_i8 *op = record;
    const struct eq_window *win = &op->win;
    uint64_t taps = (uint64_t)win->k_h * win->k_w, groups = ((uint64_t)win->out_c + EQ_LANES - 1) / EQ_LANES;
    if (eq_check_window(win) != EQ_OK || win->groups != win->in_c || win->out_c % win->in_c != 0 ||
        taps > EQ_MAX_DOT) {
        return EQ_INVALID;
    }
    return check_window(bounds, op, groups * taps * EQ_LANES, eq_depthwise_scratch(win)) |
           eq_check_that(op->residual == EQ_NONE);
}

int eq_check_fc(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_fc_i8 *op = record;
    if (op->rows == 0 || op->in_c == 0 || op->out_c == 0 || op->in_c > EQ_MAX_DOT) {
        return EQ_INVALID;
    }
    return eq_check_any(bounds, op->in, (uint64_t)op->rows * op->in_c, 1) |
           eq_check_arena(bounds, op->out, (uint64_t)op->rows * op->out_c, 1) |
           eq_check_const(bounds, op->weights, ((uint64_t)op->out_c + 1) / 2 * eq_pair_bytes(op->in_c), 4) |
           eq_check_channels(bounds, op->channels, op->out_c) | eq_check_zp(op->out_zp) |
           eq_check_act(op->act_min, op->act_max);
}
