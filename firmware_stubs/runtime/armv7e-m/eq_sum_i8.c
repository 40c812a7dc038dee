#include "eq_sum_i8.h"

#include "eq_clamp.h"
#include "eq_rounding.h"

/* An operand on the way to the common scale: round(round((value - zero point) * 2^left * mult / 2^31) /
 * 2^right). */
struct operand {
    int32_t zero; /* zero point times 2^left, doubled */
    int32_t mult;
    int32_t half;  /* of 2^right; 0 where right is */
    int32_t right; /* 0 .. 31 */
    int32_t mask;  /* ~0 where right is not 0 */
    uint32_t left; /* of the value, doubled: 1 .. 21 */
};

static struct operand operand(const struct eq_scale *scale, int32_t zero_point, int32_t left_shift)
{
    struct operand operand;
    operand.left = (uint32_t)left_shift + 1;
    operand.zero = zero_point * (1 << operand.left);
    operand.mult = scale->mult;
    operand.right = -scale->shift;
    operand.mask = operand.right ? -1 : 0;
    operand.half = operand.right ? (int32_t)(1u << (operand.right - 1)) : 0;
    return operand;
}

EQ_INLINE int32_t widened(int32_t value, const struct operand *operand)
{
    int32_t twice = (int32_t)((uint32_t)value << operand->left) - operand->zero;
    int32_t high = eq_mul_rounded(twice, operand->mult);
    return (high + ((high >> 31) & operand->mask) + operand->half) >> operand->right;
}

void eq_sum_i8(const struct eq_sum *sum, const int8_t *a, const int8_t *b, int8_t *out, uint32_t count)
{
    const struct operand left = operand(&sum->a, sum->a_zp, sum->left_shift);
    const struct operand right = operand(&sum->b, sum->b_zp, sum->left_shift);
    const struct eq_rounding last = eq_rounding_of(&sum->out, sum->out_zp);
    const int fits = eq_rounding_fits(&sum->out);
    for (uint32_t i = 0; i < count; i++) {
        int32_t x = widened(a[i], &left), y = widened(b[i], &right);
        int32_t both = sum->subtract ? x - y : x + y;
        out[i] = fits ? eq_rounded(both, &last) : eq_rounded_any(both, &sum->out, sum->out_zp);
    }
    eq_clamp_i8(out, count, sum->act_min, sum->act_max);
}
