/* The table of kernels, of which convolutions hang in a model that is called "hang". For tests of the watchdog. */
#include <string.h>

#include "eq_kernel.h"

static void hang(const struct eq_model *model)
{
    const volatile char *name = model->head->name;
    while (name[0] == 'h' && name[1] == 'a' && name[2] == 'n' && name[3] == 'g') {
    }
}

static int check_conv(const struct eq_bounds *bounds, const void *op)
{
    return eq_conv_i8.check(bounds, op);
}

static void run_conv(const struct eq_model *model, const void *op)
{
    hang(model);
    eq_conv_i8.run(model, op);
}

static int check_depthwise(const struct eq_bounds *bounds, const void *op)
{
    return eq_depthwise_i8.check(bounds, op);
}

static void run_depthwise(const struct eq_model *model, const void *op)
{
    hang(model);
    eq_depthwise_i8.run(model, op);
}

static const struct eq_kernel conv = {sizeof(struct eq_conv_i8), check_conv, run_conv};
static const struct eq_kernel depthwise = {sizeof(struct eq_conv_i8), check_depthwise, run_depthwise};

const struct eq_kernel *const eq_kernels[EQ_KINDS] = {
    [EQ_CONV_I8] = &conv,
    [EQ_DEPTHWISE_I8] = &depthwise,
    [EQ_FC_I8] = &eq_fc_i8,
    [EQ_AVGPOOL_I8] = &eq_avgpool_i8,
    [EQ_MAXPOOL_I8] = &eq_maxpool_i8,
    [EQ_MEAN_I8] = &eq_mean_i8,
    [EQ_ADD_I8] = &eq_add_i8,
    [EQ_MUL_I8] = &eq_mul_i8,
    [EQ_LUT_I8] = &eq_lut_i8,
    [EQ_SOFTMAX_I8] = &eq_softmax_i8,
    [EQ_COPY] = &eq_copy,
    [EQ_FILL] = &eq_fill,
};
