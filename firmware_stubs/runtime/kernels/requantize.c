#include "eq_check.h"
#include "eq_requant.h"

static uint32_t size_of(uint32_t dtype)
{
    switch (dtype) {
    case EQ_I8:
    case EQ_U8:
        return 1;
    case EQ_I16:
        return 2;
    case EQ_I32:
        return 4;
    default:
        return 0;
    }
}

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_requantize *op = record;
    uint32_t in = size_of(op->in_dtype), out = size_of(op->out_dtype);
    if (in == 0 || out == 0) {
        return EQ_INVALID;
    }
    return eq_check_any(bounds, op->in, (uint64_t)op->count * in, in) |
           eq_check_arena(bounds, op->out, (uint64_t)op->count * out, out) | eq_check_scale(&op->scale, 0);
}

static int32_t load(const void *from, uint32_t dtype, uint32_t index)
{
    switch (dtype) {
    case EQ_I8:
        return ((const int8_t *)from)[index];
    case EQ_U8:
        return ((const uint8_t *)from)[index];
    case EQ_I16:
        return ((const int16_t *)from)[index];
    default:
        return ((const int32_t *)from)[index];
    }
}

static void store(void *to, uint32_t dtype, uint32_t index, int32_t value)
{
    switch (dtype) {
    case EQ_I8:
        ((int8_t *)to)[index] = (int8_t)eq_clamp(value, INT8_MIN, INT8_MAX);
        break;
    case EQ_U8:
        ((uint8_t *)to)[index] = (uint8_t)eq_clamp(value, 0, UINT8_MAX);
        break;
    case EQ_I16:
        ((int16_t *)to)[index] = (int16_t)eq_clamp(value, INT16_MIN, INT16_MAX);
        break;
    default:
        ((int32_t *)to)[index] = value;
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_requantize *op = record;
    const void *in = eq_at(model, op->in);
    void *out = eq_in_arena(model, op->out);
    for (uint32_t i = 0; i < op->count; i++) {
        int32_t value = (int32_t)((uint32_t)load(in, op->in_dtype, i) - (uint32_t)op->in_zp);
        store(out, op->out_dtype, i, eq_wrapping_add(eq_rescale(value, &op->scale), op->out_zp));
    }
}

const struct eq_kernel eq_requantize = {sizeof(struct eq_requantize), check, run};
