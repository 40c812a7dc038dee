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

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_add_i8 *op = record;
    const int8_t *a = eq_at(model, op->a), *b = eq_at(model, op->b);
    int32_t a_step = op->a_step[EQ_INNER], b_step = op->b_step[EQ_INNER];
    int8_t *out = eq_in_arena(model, op->out);
    struct eq_row row = {{0}};
    do {
        const int8_t *a_row = a + eq_row_offset(&row, op->a_step);
        const int8_t *b_row = b + eq_row_offset(&row, op->b_step);
        for (uint32_t i = 0; i < op->dims[EQ_INNER]; i++) {
            *out++ = eq_sum_of(&op->sum, a_row[(int32_t)i * a_step], b_row[(int32_t)i * b_step]);
        }
    } while (eq_next_row(&row, op->dims));
}

const struct eq_kernel eq_add_i8 = {sizeof(struct eq_add_i8), check, run};
