/* What a kernel is: how its op record is checked once, and how it runs. One file each in kernels/. */
#ifndef EQ_KERNEL_H
#define EQ_KERNEL_H

#include "edgeq/eq_runtime.h"

/* The bounds that refs are held to. */
struct eq_bounds {
    const uint8_t *body;
    uint32_t body_bytes;
    uint32_t arena_bytes;
};

struct eq_kernel {
    uint32_t op_bytes;                                            /* of its record */
    int (*check)(const struct eq_bounds *bounds, const void *op); /* 0, or a negative enum eq_status */
    void (*run)(const struct eq_model *model, const void *op);    /* a checked op */
};

/* By enum eq_kind; NULL for one that is not compiled in. `edgeq firmware build --ops-from` writes a table of
 * its own. */
extern const struct eq_kernel *const eq_kernels[EQ_KINDS];

extern const struct eq_kernel eq_conv_i8, eq_depthwise_i8, eq_fc_i8, eq_avgpool_i8, eq_maxpool_i8, eq_mean_i8,
    eq_add_i8, eq_mul_i8, eq_lut_i8, eq_softmax_i8, eq_copy, eq_fill, eq_quantize_f32, eq_dequantize_f32,
    eq_requantize, eq_svdf_i8, eq_lstm_i8;

/* The address behind a checked ref. */
static inline const void *eq_at(const struct eq_model *model, eq_ref ref)
{
    return (ref & EQ_CONST) ? model->body + (ref & ~EQ_CONST) : model->arena + ref;
}

static inline void *eq_in_arena(const struct eq_model *model, eq_ref ref)
{
    return model->arena + ref;
}

#endif
