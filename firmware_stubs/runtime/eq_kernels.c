#include "eq_kernel.h"

const struct eq_kernel *const eq_kernels[EQ_KINDS] = {
    [EQ_CONV_I8] = &eq_conv_i8,
    [EQ_DEPTHWISE_I8] = &eq_depthwise_i8,
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
    [EQ_QUANTIZE_F32] = &eq_quantize_f32,
    [EQ_DEQUANTIZE_F32] = &eq_dequantize_f32,
    [EQ_REQUANTIZE] = &eq_requantize,
    [EQ_SVDF_I8] = &eq_svdf_i8,
    [EQ_LSTM_I8] = &eq_lstm_i8,
};
