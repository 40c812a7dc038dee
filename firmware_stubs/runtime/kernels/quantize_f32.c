#include "eq_check.h"
#include "eq_requant.h"

#define LIMIT 131072.0f /* beyond each integer and zero point */

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_quantize *op = record;
    uint32_t size = op->dtype == EQ_I16 ? 2 : 1;
    return eq_check_that(op->dtype == EQ_I8 || op->dtype == EQ_I16) | eq_check_positive(&op->scale) |
           eq_check_that(op->zero_point >= INT16_MIN && op->zero_point <= INT16_MAX) |
           eq_check_any(bounds, op->in, (uint64_t)op->count * 4, 4) |
           eq_check_arena(bounds, op->out, (uint64_t)op->count * size, size);
}

/* To the nearest integer, ties away from zero; a NaN is the lowest. */
static int32_t rounded(float value)
{
    float within = value > -LIMIT ? (value < LIMIT ? value : LIMIT) : -LIMIT;
    int32_t whole = (int32_t)within;
    float rest = within - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_quantize *op = record;
    const float *in = eq_at(model, op->in);
    void *out = eq_in_arena(model, op->out);
    for (uint32_t i = 0; i < op->count; i++) {
        int32_t value = rounded(in[i] / op->scale) + op->zero_point;
        if (op->dtype == EQ_I16) {
            ((int16_t *)out)[i] = (int16_t)eq_clamp(value, INT16_MIN, INT16_MAX);
        } else {
            ((int8_t *)out)[i] = (int8_t)eq_clamp(value, INT8_MIN, INT8_MAX);
        }
    }
}

const struct eq_kernel eq_quantize_f32 = {sizeof(struct eq_quantize), check, run};
