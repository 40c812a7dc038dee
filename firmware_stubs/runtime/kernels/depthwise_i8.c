#include "eq_check.h"
#include "eq_requant.h"
#include "eq_window.h"

/* The record with its places looked up. */
struct depthwise {
    const struct eq_conv_i8 *op;
    const int8_t *in, *weights;
    const struct eq_channel *channels;
    int8_t *out;
};

/* The sums of four output channels, of which each reads the input channel `from[lane]`. */
static void sum_block(const struct depthwise *depthwise, struct eq_place place, const int8_t *w,
                      const uint32_t from[EQ_LANES], int32_t sums[EQ_LANES])
{
    const struct eq_window *win = &depthwise->op->win;
    for (int32_t k_y = 0; k_y < win->k_h; k_y++) {
        int32_t y = place.y + k_y * win->dil_h;
        for (int32_t k_x = 0; k_x < win->k_w; k_x++, w += EQ_LANES) {
            int32_t x = place.x + k_x * win->dil_w;
            int inside = eq_is_inside(win, y, x);
            const int8_t *pixel = inside ? eq_pixel(win, depthwise->in, place.batch, y, x) : NULL;
            for (uint32_t lane = 0; lane < EQ_LANES; lane++) {
                sums[lane] += w[lane] * (inside ? pixel[from[lane]] : depthwise->op->in_zp);
            }
        }
    }
}

static void pixel_out(const struct depthwise *depthwise, struct eq_place place, int8_t *out)
{
    const struct eq_conv_i8 *op = depthwise->op;
    uint32_t out_c = op->win.out_c, multiplier = out_c / op->win.in_c;
    const int8_t *w = depthwise->weights;
    for (uint32_t first = 0; first < out_c;
         first += EQ_LANES, w += (size_t)op->win.k_h * op->win.k_w * EQ_LANES) {
        uint32_t from[EQ_LANES], lanes = out_c - first < EQ_LANES ? out_c - first : EQ_LANES;
        int32_t sums[EQ_LANES] = {0, 0, 0, 0};
        for (uint32_t lane = 0; lane < EQ_LANES; lane++) {
            from[lane] = (lane < lanes ? first + lane : first) / multiplier;
        }
        sum_block(depthwise, place, w, from, sums);
        for (uint32_t lane = 0; lane < lanes; lane++) {
            out[first + lane] = eq_channel_out(&depthwise->channels[first + lane], sums[lane], op->out_zp,
                                               op->act_min, op->act_max);
        }
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_conv_i8 *op = record;
    uint32_t pixels = eq_pixels(&op->win);
    struct depthwise depthwise;
    depthwise.op = op;
    depthwise.in = eq_at(model, op->in);
    depthwise.weights = eq_at(model, op->weights);
    depthwise.channels = eq_at(model, op->channels);
    depthwise.out = eq_in_arena(model, op->out);
    for (uint32_t pixel = 0; pixel < pixels; pixel++) {
        pixel_out(&depthwise, eq_place_of(&op->win, pixel), depthwise.out + (size_t)pixel * op->win.out_c);
    }
}

const struct eq_kernel eq_depthwise_i8 = {sizeof(struct eq_conv_i8), eq_check_depthwise, run};
