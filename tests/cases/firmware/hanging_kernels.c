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

/* The runtime's own table, with these in their places. */
#define eq_conv_i8 conv
#define eq_depthwise_i8 depthwise
#include "eq_kernels.c"
