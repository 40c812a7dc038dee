#include "eq_check.h"
#include "eq_requant.h"
#include "eq_window.h"

static int check(const struct eq_bounds *bounds, const void *record)
{
    return eq_check_pool(bounds, record);
}

static int32_t larger_of(int32_t so_far, int32_t next)
{
    return next > so_far ? next : so_far;
}

static int8_t largest(const struct eq_pool_i8 *op, const struct eq_span *span, const int8_t *in)
{
    return (int8_t)eq_clamp(eq_fold_span(&op->win, span, in, INT8_MIN, larger_of), op->act_min, op->act_max);
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
            *out++ = largest(op, &span, span.first + channel);
        }
    }
}

const struct eq_kernel eq_maxpool_i8 = {sizeof(struct eq_pool_i8), check, run};
