#include "eq_check.h"
#include "eq_requant.h"
#include "eq_walk.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    const struct eq_mul_i8 *op = record;
    return eq_check_walk(bounds, op->a, op->dims, op->a_step) |
           eq_check_walk(bounds, op->b, op->dims, op->b_step) |
           eq_check_arena(bounds, op->out, eq_check_count(op->dims), 1) | eq_check_zp(op->a_zp) |
           eq_check_zp(op->b_zp) | eq_check_zp(op->out_zp) | eq_check_scale(&op->scale, 0) |
           eq_check_act(op->act_min, op->act_max);
}

static int8_t product_of(const void *record, int32_t a, int32_t b)
{
    const struct eq_mul_i8 *op = record;
    int32_t product = (a - op->a_zp) * (b - op->b_zp);
    return (int8_t)eq_requantize_to(product, &op->scale, op->out_zp, op->act_min, op->act_max);
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_mul_i8 *op = record;
    eq_walk_two(op->dims, eq_at(model, op->a), op->a_step, eq_at(model, op->b), op->b_step,
                eq_in_arena(model, op->out), product_of, op);
}

const struct eq_kernel eq_mul_i8 = {sizeof(struct eq_mul_i8), check, run};
