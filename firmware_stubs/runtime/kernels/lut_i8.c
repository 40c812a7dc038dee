#include "eq_check.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_lut_i8 *op = record;
    return eq_check_any(bounds, op->in, op->count, 1) | eq_check_arena(bounds, op->out, op->count, 1) |
           eq_check_const(bounds, op->table, 256, 1);
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_lut_i8 *op = record;
    const int8_t *in = eq_at(model, op->in);
    const int8_t *zero = (const int8_t *)eq_at(model, op->table) - INT8_MIN;
    int8_t *out = eq_in_arena(model, op->out);
    for (uint32_t i = 0; i < op->count; i++) {
        out[i] = zero[in[i]];
    }
}

const struct eq_kernel eq_lut_i8 = {sizeof(struct eq_lut_i8), check, run};
