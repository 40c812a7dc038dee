#include "eq_check.h"
#include "eq_requant.h"
#include "eq_window.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    return eq_check_pool(bounds, record);
}

/* Halves are rounded away from zero. */
static int32_t rounded_division(int32_t sum, int32_t count)
{
    return sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
}

static int32_t sum_of(int32_t so_far, int32_t next)
{
    return so_far + next;
}

static int8_t average(const struct eq_pool_i8 *op, const struct eq_span *span, const int8_t *in)
{
    int32_t sum = eq_fold_span(&op->win, span, in, 0, sum_of);
    return (int8_t)eq_clamp(rounded_division(sum, (int32_t)(span->rows * span->columns)), op->act_min,
                            op->act_max);
}

static void run(const struct eq_model *model, const void *record)
{
    const struct eq_pool_i8 *op = record;
    const int8_t *in = eq_at(model, op->in);
    int8_t *out = eq_in_arena(model, op->out);
    uint32_t pixels = eq_pixels(&op->win);
    for (uint32_t pixel = 0; pixel < pixels; pixel++) {
        struct eq_span span = eq_span_of(&op->win, in, pixel);
        for (uint32_t channel = 0; channel < op->win.in_c; channel++) {
            *out++ = average(op, &span, span.first + channel);
        }
    }
}

const struct eq_kernel eq_avgpool_i8 = {sizeof(struct eq_pool_i8), check, run};
