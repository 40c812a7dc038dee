#include <string.h>

#include "eq_check.h"
#include "eq_dot.h"
#include "eq_requant.h"
#include "eq_window.h"

/* The record with its places looked up. */
struct conv {
    const struct eq_conv_i8 *op;
    const int8_t *in, *weights;
    const int8_t *residual; /* NULL without */
    const struct eq_channel *channels;
    int8_t *out;
    int8_t *patches;  /* two gathered windows; NULL where windows lie as rows already */
    uint32_t k, pair; /* elements of a window and group, bytes of a pair of rows of weights */
};

static void gather(const struct conv *conv, struct eq_place place, uint32_t group, int8_t *patch)
{
    const struct eq_window *win = &conv->op->win;
    uint32_t channels = (uint32_t)win->in_c / win->groups;
    for (int32_t k_y = 0; k_y < win->k_h; k_y++) {
        int32_t y = place.y + k_y * win->dil_h;
        for (int32_t k_x = 0; k_x < win->k_w; k_x++) {
            int32_t x = place.x + k_x * win->dil_w;
            if (eq_is_inside(win, y, x)) {
                memcpy(patch, eq_pixel(win, conv->in, place.batch, y, x) + group * channels, channels);
            } else {
                memset(patch, conv->op->in_zp, channels);
            }
            patch += channels;
        }
    }
}

static const int8_t *window_at(const struct conv *conv, uint32_t pixel, uint32_t group, uint32_t slot)
{
    struct eq_place place = eq_place_of(&conv->op->win, pixel);
    int8_t *patch = conv->patches;
    if (patch == NULL) {
        return eq_pixel(&conv->op->win, conv->in, place.batch, place.y, place.x);
    }
    patch += (size_t)slot * eq_row_bytes(conv->k);
    gather(conv, place, group, patch);
    return patch;
}

static void store(const struct conv *conv, uint32_t pixel, uint32_t channel, int32_t sum)
{
    const struct eq_conv_i8 *op = conv->op;
    size_t at = (size_t)pixel * op->win.out_c + channel;
    int8_t value = eq_channel_out(&conv->channels[channel], sum, op->out_zp, op->act_min, op->act_max);
    conv->out[at] = conv->residual == NULL ? value : eq_sum_of(&op->sum, value, conv->residual[at]);
}

/* One group's channels of one or two neighbouring pixels. */
static void pixels(const struct conv *conv, uint32_t pixel, int two, uint32_t group)
{
    uint32_t per_group = (uint32_t)conv->op->win.out_c / conv->op->win.groups;
    uint32_t channel = per_group * group, end = channel + per_group;
    const int8_t *x = window_at(conv, pixel, group, 0), *y = two ? window_at(conv, pixel + 1, group, 1) : x;
    const int8_t *w = conv->weights + (size_t)(per_group + 1) / 2 * conv->pair * group;
    int32_t sums[4];
    for (; channel < end; channel += 2, w += conv->pair) {
        eq_dot_2x2(w, x, y, conv->k, sums);
        for (uint32_t i = 0; i < (two ? 2u : 1u); i++) {
            store(conv, pixel + i, channel, sums[2 * i]);
            if (channel + 1 < end) {
                store(conv, pixel + i, channel + 1, sums[2 * i + 1]);
            }
        }
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_conv_i8 *op = record;
    uint32_t count = eq_pixels(&op->win);
    struct conv conv;
    conv.op = op;
    conv.in = eq_at(model, op->in);
    conv.weights = eq_at(model, op->weights);
    conv.residual = op->residual == EQ_NONE ? NULL : eq_at(model, op->residual);
    conv.channels = eq_at(model, op->channels);
    conv.out = eq_in_arena(model, op->out);
    conv.patches = eq_is_pointwise(&op->win) ? NULL : eq_in_arena(model, op->scratch);
    conv.k = (uint32_t)eq_window_k(&op->win);
    conv.pair = eq_pair_bytes(conv.k);
    for (uint32_t pixel = 0; pixel < count; pixel += 2) {
        for (uint32_t group = 0; group < op->win.groups; group++) {
            pixels(&conv, pixel, pixel + 1 < count, group);
        }
    }
}

const struct eq_kernel eq_conv_i8 = {sizeof(struct eq_conv_i8), eq_check_conv, run};
