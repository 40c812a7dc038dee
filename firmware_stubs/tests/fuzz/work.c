#include "work.h"

static uint64_t elements(const uint32_t dims[EQ_MAX_RANK])
{
    uint64_t count = 1;
    for (unsigned i = 0; i < EQ_MAX_RANK; i++) {
        count *= dims[i];
    }
    return count;
}

static uint64_t of_window(const struct eq_window *win)
{
    uint64_t outputs = (uint64_t)win->batches * win->out_h * win->out_w * win->out_c;
    return outputs * win->k_h * win->k_w * (1u + win->in_c / win->groups);
}

/* `op` is a checked one, so that no product overflows. */
static uint64_t of_op(const void *op)
{
    const struct eq_mean_i8 *mean = op;
    const struct eq_fc_i8 *fc = op;
    const struct eq_svdf_i8 *svdf = op;
    const struct eq_lstm_i8 *lstm = op;
    switch (((const struct eq_op *)op)->kind) {
    case EQ_CONV_I8:
    case EQ_DEPTHWISE_I8:
        return of_window(&((const struct eq_conv_i8 *)op)->win);
    case EQ_AVGPOOL_I8:
    case EQ_MAXPOOL_I8:
        return of_window(&((const struct eq_pool_i8 *)op)->win);
    case EQ_MEAN_I8:
        return elements(mean->keep.dims) * elements(mean->reduce.dims);
    case EQ_COPY:
        return elements(((const struct eq_copy *)op)->dims);
    case EQ_FC_I8:
        return ((uint64_t)fc->rows * fc->in_c + fc->rows) * fc->out_c;
    case EQ_SVDF_I8:
        return (uint64_t)svdf->batches * svdf->filters * (svdf->memory + svdf->in_c);
    case EQ_LSTM_I8:
        return (uint64_t)lstm->batches * lstm->steps * lstm->units * 4 * (lstm->units + lstm->in_c);
    default: /* what memory bounds */
        return 100;
    }
}

uint64_t work_of(const struct eq_model *model)
{
    struct eq_model walk = *model;
    uint64_t sum = 0;
    for (eq_begin(&walk); walk.at != walk.end && sum <= UINT32_MAX;) {
        const struct eq_op *op = (const void *)walk.at;
        sum += of_op(op);
        walk.at += op->bytes;
    }
    return sum;
}
