#include "eq_check.h"
#include "eq_requant.h"
#include "eq_walk.h"

#define MAX_REDUCED (1u << 23) /* differences of two int8 whose sum fits 32 bits */

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_mean_i8 *op = record;
    uint32_t kept = eq_check_count(op->keep.dims), reduced = eq_check_count(op->reduce.dims);
    struct eq_extent extent = {0, 0};
    eq_ref from;
    uint64_t bytes;
    if (kept == 0 || reduced == 0 || reduced > MAX_REDUCED) {
        return EQ_INVALID;
    }
    eq_extend(&extent, op->keep.dims, op->keep.step);
    eq_extend(&extent, op->reduce.dims, op->reduce.step);
    return eq_check_extent(bounds, op->in, &extent, 1, &from, &bytes) |
           eq_check_arena(bounds, op->out, kept, 1) | eq_check_zp(op->in_zp) | eq_check_zp(op->out_zp) |
           eq_check_scale(&op->scale, 0) | eq_check_act(op->act_min, op->act_max);
}

static int32_t sum_from(const struct eq_walk *walk, const int8_t *in)
{
    struct eq_row row = {{0}};
    int32_t sum = 0;
    do {
        const int8_t *at = in + eq_row_offset(&row, walk->step);
        for (uint32_t i = 0; i < walk->dims[EQ_INNER]; i++) {
            sum += at[(int32_t)i * walk->step[EQ_INNER]];
        }
    } while (eq_next_row(&row, walk->dims));
    return sum;
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_mean_i8 *op = record;
    const int8_t *in = eq_at(model, op->in);
    int8_t *out = eq_in_arena(model, op->out);
    int32_t offset = (int32_t)eq_count(op->reduce.dims) * op->in_zp;
    struct eq_row row = {{0}};
    do {
        const int8_t *at = in + eq_row_offset(&row, op->keep.step);
        for (uint32_t i = 0; i < op->keep.dims[EQ_INNER]; i++) {
            int32_t sum = sum_from(&op->reduce, at + (int32_t)i * op->keep.step[EQ_INNER]) - offset;
            *out++ = (int8_t)eq_requantize_to(sum, &op->scale, op->out_zp, op->act_min, op->act_max);
        }
    } while (eq_next_row(&row, op->keep.dims));
}

const struct eq_kernel eq_mean_i8 = {sizeof(struct eq_mean_i8), check, run};
