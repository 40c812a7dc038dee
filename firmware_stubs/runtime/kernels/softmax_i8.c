#include "eq_check.h"
#include "eq_requant.h"

#define MAX_DEPTH 8191u /* exponentials whose sum fits 32 bits */
#define SUM_BITS 12     /* the sum is Q12.19 */
#define ONE (1 << 29)   /* in Q2.29 */
#define REFINEMENTS 3   /* Newton's */

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_softmax_i8 *op = record;
    const int32_t *table;
    uint64_t count = (uint64_t)op->rows * op->depth;
    uint32_t size = op->wide == 1 ? 2 : 1;
    if (op->depth == 0 || op->depth > MAX_DEPTH || op->wide < 0 || op->wide > 1 ||
        (eq_check_any(bounds, op->in, count, 1) | eq_check_arena(bounds, op->out, count * size, size) |
         eq_check_const(bounds, op->table, 256 * sizeof *table, 4))) {
        return EQ_INVALID;
    }
    table = (const void *)(bounds->body + (op->table & ~EQ_CONST));
    for (unsigned i = 0; i < 256; i++) {
        if (table[i] < 0) {
            return EQ_INVALID;
        }
    }
    return table[0] == INT32_MAX ? EQ_OK : EQ_INVALID; /* so that no sum is 0 */
}

static int32_t left_shift_saturating(int32_t x, int bits)
{
    int32_t limit = INT32_MAX >> bits;
    return x > limit ? INT32_MAX : x < -limit - 1 ? INT32_MIN : (int32_t)((uint32_t)x << bits);
}

/* 1 / x in Q0.31 for an x in 1 .. 2, given as x / 2 in Q0.31. */
static int32_t reciprocal(int32_t half)
{
    int32_t guess = 1515870810 + eq_high_mul(half, -1010580540); /* 48 / 17 - 32 / 17 * half, in Q2.29 */
    for (int i = 0; i < REFINEMENTS; i++) {
        int32_t error = ONE - eq_high_mul(half, guess);
        guess = eq_wrapping_add(guess, left_shift_saturating(eq_high_mul(guess, error), 2));
    }
    return left_shift_saturating(guess, 1);
}

static int32_t largest(const int8_t *in, uint32_t depth)
{
    int32_t best = INT8_MIN;
    for (uint32_t i = 0; i < depth; i++) {
        best = in[i] > best ? in[i] : best;
    }
    return best;
}

/* exp(in - best); in range even where an image lets the output overwrite inputs that are still to be read. */
static int32_t exponential(const int32_t *table, int32_t best, int8_t in)
{
    return table[(uint8_t)(best - in)];
}

static void row_out(const struct eq_softmax_i8 *op, const int32_t *table, const int8_t *in, void *out)
{
    int32_t best = largest(in, op->depth), scale, bits = SUM_BITS + 31 - (op->wide ? 16 : 8);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < op->depth; i++) {
        sum += (uint32_t)eq_round_shift(exponential(table, best, in[i]), SUM_BITS);
    }
    for (; sum < 1u << 31; sum <<= 1) {
        bits--;
    }
    scale = reciprocal((int32_t)(sum >> 1));
    for (uint32_t i = 0; i < op->depth; i++) {
        int32_t value = eq_high_mul(scale, exponential(table, best, in[i]));
        value = bits > 31 ? 0 : eq_round_shift(value, bits);
        if (op->wide) {
            ((int16_t *)out)[i] = (int16_t)eq_clamp(value + INT16_MIN, INT16_MIN, INT16_MAX);
        } else {
            ((int8_t *)out)[i] = (int8_t)eq_clamp(value + INT8_MIN, INT8_MIN, INT8_MAX);
        }
    }
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_softmax_i8 *op = record;
    const int32_t *table = eq_at(model, op->table);
    const int8_t *in = eq_at(model, op->in);
    int8_t *out = eq_in_arena(model, op->out);
    size_t stride = (size_t)op->depth * (op->wide ? 2 : 1);
    for (uint32_t row = 0; row < op->rows; row++, in += op->depth, out += stride) {
        row_out(op, table, in, out);
    }
}

const struct eq_kernel eq_softmax_i8 = {sizeof(struct eq_softmax_i8), check, run};
