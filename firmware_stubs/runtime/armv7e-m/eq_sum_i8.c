#include "eq_sum_i8.h"

#include "eq_clamp.h"

static struct eq_operand operand_of(const struct eq_scale *scale, int32_t zero_point, int32_t left_shift)
{
    struct eq_operand operand;
    operand.left = 1 << (left_shift + 1);
    operand.zero = -zero_point * operand.left;
    operand.mult = scale->mult;
    operand.right = -scale->shift;
    operand.mask = operand.right ? -1 : 0;
    operand.half = operand.right ? (int32_t)(1u << (operand.right - 1)) : 0;
    return operand;
}

struct eq_adder eq_adder_of(const struct eq_sum *sum)
{
    struct eq_adder adder;
    adder.sum = sum;
    adder.a = operand_of(&sum->a, sum->a_zp, sum->left_shift);
    adder.b = operand_of(&sum->b, sum->b_zp, sum->left_shift);
    adder.last = eq_rounding_of(&sum->out, sum->out_zp);
    adder.sign = sum->subtract ? -1 : 1;
    adder.fits = eq_rounding_fits(&sum->out);
    return adder;
}

EQ_INLINE int32_t widened(int32_t value, const struct eq_operand *operand)
{
    const int32_t high = eq_mul_rounded(value * operand->left + operand->zero, operand->mult);
    return (high + ((high >> 31) & operand->mask) + operand->half) >> operand->right;
}

EQ_INLINE int32_t joined(const struct eq_adder *adder, int8_t a, int8_t b)
{
    return widened(a, &adder->a) + adder->sign * widened(b, &adder->b);
}

void eq_add(const struct eq_adder *adder, const int8_t *a, const int8_t *b, int8_t *out, uint32_t count)
{
    const struct eq_adder here = *adder;
    const struct eq_sum *sum = here.sum;
    if (here.fits) {
        for (uint32_t i = 0; i < count; i++) {
            out[i] = eq_rounded(joined(&here, a[i], b[i]), &here.last);
        }
    } else {
        for (uint32_t i = 0; i < count; i++) {
            out[i] = eq_rounded_any(joined(&here, a[i], b[i]), &sum->out, sum->out_zp);
        }
    }
    eq_clamp_i8(out, count, sum->act_min, sum->act_max);
}
