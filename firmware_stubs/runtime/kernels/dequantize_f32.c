#include "eq_check.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_quantize *op = record;
    uint32_t size = op->dtype == EQ_I16 ? 2 : 1;
    return eq_check_that(op->dtype == EQ_I8 || op->dtype == EQ_I16) | eq_check_positive(&op->scale) |
           eq_check_that(op->zero_point >= INT16_MIN && op->zero_point <= INT16_MAX) |
           eq_check_any(bounds, op->in, (uint64_t)op->count * size, size) |
           eq_check_arena(bounds, op->out, (uint64_t)op->count * 4, 4);
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_quantize *op = record;
    const void *in = eq_at(model, op->in);
    float *out = eq_in_arena(model, op->out);
    for (uint32_t i = 0; i < op->count; i++) {
        int32_t value = op->dtype == EQ_I16 ? ((const int16_t *)in)[i] : ((const int8_t *)in)[i];
        out[i] = op->scale * (float)(value - op->zero_point);
    }
}

const struct eq_kernel eq_dequantize_f32 = {sizeof(struct eq_quantize), check, run};
