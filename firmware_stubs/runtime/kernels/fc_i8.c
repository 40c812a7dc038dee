#include "eq_check.h"
#include "eq_dot.h"
#include "eq_requant.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_fc_i8 *op = record;
    if (op->rows == 0 || op->in_c == 0 || op->out_c == 0 || op->in_c > EQ_MAX_DOT) {
        return EQ_INVALID;
    }
    return eq_check_any(bounds, op->in, (uint64_t)op->rows * op->in_c, 1) |
           eq_check_arena(bounds, op->out, (uint64_t)op->rows * op->out_c, 1) |
           eq_check_const(bounds, op->weights, (uint64_t)op->out_c * eq_row_bytes(op->in_c), 4) |
           eq_check_channels(bounds, op->channels, op->out_c) | eq_check_zp(op->out_zp) |
           eq_check_act(op->act_min, op->act_max);
}

static void row_out(const struct eq_fc_i8 *op, const int8_t *w, const struct eq_channel *channels,
                    const int8_t *in, int8_t *out)
{
    uint32_t row = eq_row_bytes(op->in_c), channel = 0;
    int32_t sums[4];
    for (; op->out_c - channel >= 4; channel += 4, w += 4 * (size_t)row) {
        eq_dot_4x1(w, row, in, op->in_c, sums);
        for (uint32_t i = 0; i < 4; i++) {
            out[channel + i] =
                eq_channel_out(&channels[channel + i], sums[i], op->out_zp, op->act_min, op->act_max);
        }
    }
    for (; channel < op->out_c; channel++, w += row) {
        out[channel] =
            eq_channel_out(&channels[channel], eq_dot(w, in, op->in_c), op->out_zp, op->act_min, op->act_max);
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_fc_i8 *op = record;
    const int8_t *weights = eq_at(model, op->weights), *in = eq_at(model, op->in);
    const struct eq_channel *channels = eq_at(model, op->channels);
    int8_t *out = eq_in_arena(model, op->out);
    for (uint32_t row = 0; row < op->rows; row++, in += op->in_c, out += op->out_c) {
        row_out(op, weights, channels, in, out);
    }
}

const struct eq_kernel eq_fc_i8 = {sizeof(struct eq_fc_i8), check, run};
