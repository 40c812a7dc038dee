#include "eq_check.h"
#include "eq_dot.h"
#include "eq_requant.h"

static void row_out(const struct eq_fc_i8 *op, const int8_t *w, const struct eq_channel *channels,
                    const int8_t *in, int8_t *out)
{
    int32_t sums[2];
    for (uint32_t channel = 0; channel < op->out_c; channel++) {
        if (channel % 2 == 0) {
            eq_dot_2x1(w, in, op->in_c, sums);
            w += eq_pair_bytes(op->in_c);
        }
        out[channel] =
            eq_channel_out(&channels[channel], sums[channel % 2], op->out_zp, op->act_min, op->act_max);
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

const struct eq_kernel eq_fc_i8 = {sizeof(struct eq_fc_i8), eq_check_fc, run};
