/* The table of kernels, of which some compute something else in a model that is called "wrong", and in one that is called
 * "tired" after a while. For tests of who looks for the first operator that differs. */
#include <string.h>

#include "eq_kernel.h"

#define RESTED 20 /* inferences */

static int is_wrong(const struct eq_model *model)
{
    static unsigned done;
    if (memcmp(model->head->name, "tired", sizeof "tired") == 0) {
        return ++done > RESTED;
    }
    return memcmp(model->head->name, "wrong", sizeof "wrong") == 0;
}

static void spoil(const struct eq_model *model, eq_ref at)
{
    if (is_wrong(model)) {
        *(int8_t *)eq_in_arena(model, at) ^= 32;
    }
}

static int check_depthwise(const struct eq_bounds *bounds, const void *op)
{
    return eq_depthwise_i8.check(bounds, op);
}

/* One value of 64. */
static void run_depthwise(const struct eq_model *model, const void *op)
{
    const struct eq_conv_i8 *conv = op;
    eq_depthwise_i8.run(model, op);
    spoil(model, conv->out + 17);
}

static int check_lstm(const struct eq_bounds *bounds, const void *op)
{
    return eq_lstm_i8.check(bounds, op);
}

/* What it remembers, and nothing that it gives at once. */
static void run_lstm(const struct eq_model *model, const void *op)
{
    const struct eq_lstm_i8 *lstm = op;
    eq_lstm_i8.run(model, op);
    spoil(model, lstm->hidden + 3);
}

static const struct eq_kernel depthwise = {sizeof(struct eq_conv_i8), check_depthwise, run_depthwise};
static const struct eq_kernel lstm = {sizeof(struct eq_lstm_i8), check_lstm, run_lstm};

/* The runtime's own table, with these in their places. */
#define eq_depthwise_i8 depthwise
#define eq_lstm_i8 lstm
#include "eq_kernels.c"
