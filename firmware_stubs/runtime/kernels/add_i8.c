#include "eq_check.h"
#include "eq_requant.h"
#include "eq_walk.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_add_i8 *op = record;
    return eq_check_walk(bounds, op->a, op->dims, op->a_step) |
           eq_check_walk(bounds, op->b, op->dims, op->b_step) |
           eq_check_arena(bounds, op->out, eq_check_count(op->dims), 1) | eq_check_sum(&op->sum);
}

static int8_t sum_of(const void *record, int32_t a, int32_t b)
{
    const struct eq_add_i8 *op = record;
    return eq_sum_of(&op->sum, a, b);
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_add_i8 *op = record;
    eq_walk_two(op->dims, eq_at(model, op->a), op->a_step, eq_at(model, op->b), op->b_step,
                eq_in_arena(model, op->out), sum_of, op);
}

const struct eq_kernel eq_add_i8 = {sizeof(struct eq_add_i8), check, run};
