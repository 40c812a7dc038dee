/* The image: what the host compiles a model to and the runtime executes in place. Every byte: DESIGN.md section 2.
 *
 * Little-endian; every struct below is made of naturally aligned fields without padding, lies at a multiple of 4
 * from the start of the image, and the image itself lies at a multiple of 16.
 */
#ifndef EQ_IMAGE_H
#define EQ_IMAGE_H

#include <stdint.h>

#define EQ_MAGIC 0x31495145u   /* "EQI1" */
#define EQ_PLAN_ABI 1u         /* layout and meaning of everything in this file */
#define EQ_PLAN_ABI_FRONTEND 2u /* the same, of an image with a front end (eq_frontend.h) */
#define EQ_PACKING_PORTABLE 1u /* how weights lie; every kernel set accepts it */
#define EQ_ENVELOPE_BYTES 256u
#define EQ_MAX_RANK 6u
#define EQ_MAX_OPS 65535u
#define EQ_MAX_DOT 131071u      /* products in one sum of a convolution or matrix: 32 bits hold it */

/* Where a tensor lies: an offset into the arena, or with EQ_CONST into the body. */
typedef uint32_t eq_ref;
#define EQ_CONST 0x80000000u
#define EQ_NONE 0xffffffffu

/* What a trial must show before its release is confirmed. All zeros: its self-test, and no restart meanwhile. */
struct eq_policy {
    uint32_t window_s;   /* seconds that it serves after its self-test, without a restart */
    uint16_t good;       /* inferences that come to their end meanwhile */
    uint16_t starts;     /* restarts that it may see before it is bad */
    uint32_t latency_us; /* the longest median of the golden vectors' inferences; 0 for any */
};

/* Bytes 0..255 of an image. What a signature covers is bytes 0..95. */
struct eq_envelope {
    uint32_t magic;            /* EQ_MAGIC */
    uint32_t image_bytes;      /* envelope and body, a multiple of 16 */
    uint8_t sha256[32];        /* of the body */
    uint32_t security_version; /* chosen by the builder, never lowered on a device */
    uint16_t plan_abi;         /* EQ_PLAN_ABI */
    uint16_t packing;          /* EQ_PACKING_... */
    uint32_t arena_bytes;      /* what one invoke needs; its base lies at a multiple of 16 */
    char target[32];           /* the target profile's name, zero-filled; empty for any board */
    struct eq_policy policy;   /* what ends a trial of it well */
    uint8_t signature[160];    /* zero where the image is not signed */
};

/* The start of the body. Offsets count from here. */
struct eq_body {
    uint16_t plan_abi;            /* as in the envelope */
    uint16_t packing;             /* as in the envelope */
    uint32_t body_bytes;          /* image_bytes - EQ_ENVELOPE_BYTES */
    uint32_t arena_bytes;         /* as in the envelope */
    uint32_t state_bytes;         /* the first bytes of the arena keep their content between invokes */
    uint32_t plan;                /* offset of the op records */
    uint32_t plan_bytes;          /* their length */
    uint32_t state_init;          /* offset of `state_bytes` first values, or EQ_NONE for zeros */
    uint32_t tensors;             /* offset of inputs, then outputs: struct eq_tensor */
    uint16_t inputs;              /* how many, at least 1 */
    uint16_t outputs;             /* how many, at least 1 */
    uint32_t golden;              /* offset of golden vectors: per vector all inputs, then all outputs, raw */
    uint16_t goldens;             /* how many; they are one sequence from a reset state */
    uint16_t golden_tolerance;    /* largest accepted difference of an integer output value */
    uint32_t interface;           /* offset of interface.json */
    uint32_t interface_bytes;     /* its length */
    uint8_t interface_sha256[32]; /* its digest */
    char name[32];                /* of the model, zero-filled */
    uint32_t frontend;            /* offset of struct eq_fe_head and its records */
    uint32_t frontend_bytes;      /* their length; 0 where there is none, and only then is the plan ABI EQ_PLAN_ABI */
    uint8_t reserved[4];          /* zero */
};

enum eq_dtype { EQ_I8 = 1, EQ_I16 = 2, EQ_I32 = 3, EQ_F32 = 4, EQ_U8 = 5, EQ_BOOL = 6 };

/* An input or output of the model; value = (integer - zero_point) * scale. */
struct eq_tensor {
    eq_ref at;                  /* in the arena; an output may be constant */
    uint32_t bytes;             /* length */
    uint16_t dtype;             /* enum eq_dtype */
    uint16_t rank;              /* 0 .. EQ_MAX_RANK */
    uint32_t dims[EQ_MAX_RANK]; /* shape with the batch, unused ones 0 */
    float scale;                /* 0 where it is not quantized */
    int32_t zero_point;
};

/* Numbers of kernels. They are never redefined. */
enum eq_kind {
    EQ_CONV_I8 = 1,
    EQ_DEPTHWISE_I8 = 2,
    EQ_FC_I8 = 3,
    EQ_AVGPOOL_I8 = 4,
    EQ_MAXPOOL_I8 = 5,
    EQ_MEAN_I8 = 6,
    EQ_ADD_I8 = 7,
    EQ_MUL_I8 = 8,
    EQ_LUT_I8 = 9,
    EQ_SOFTMAX_I8 = 10,
    EQ_COPY = 11,
    EQ_FILL = 12,
    EQ_QUANTIZE_F32 = 13,
    EQ_DEQUANTIZE_F32 = 14,
    EQ_REQUANTIZE = 15,
    EQ_SVDF_I8 = 16,
    EQ_LSTM_I8 = 17,
    EQ_KINDS = 18
};

/* Every op record begins with this one. */
struct eq_op {
    uint16_t kind;  /* enum eq_kind */
    uint16_t bytes; /* of the whole record, a multiple of 4 */
};

/* real = mult * 2^(shift - 31); TFLite's two roundings (DESIGN.md section 4). */
struct eq_scale {
    int32_t mult;  /* 0 .. 2^31 - 1; below 2^30 only in MEAN */
    int32_t shift; /* -31 .. 30 */
};

/* One output channel: the bias has the input's zero point folded in. */
struct eq_channel {
    int32_t bias;
    struct eq_scale scale;
};

/* TFLite's ADD or SUB of two int8 values: both are scaled up by 2^left_shift, rescaled, joined, rescaled. */
struct eq_sum {
    int32_t a_zp, b_zp, out_zp;   /* zero points */
    struct eq_scale a, b, out;    /* each smaller than one: shift <= 0 */
    int32_t left_shift;           /* 0 .. 20 */
    int32_t subtract;             /* 1: a - b */
    int32_t act_min, act_max;     /* clamp, in -128 .. 127 */
};

/* A sliding window. Sizes in elements; out-of-bounds inputs have the value of the zero point. */
struct eq_window {
    uint16_t batches;
    uint16_t in_h, in_w, in_c;
    uint16_t out_h, out_w, out_c;
    uint16_t k_h, k_w;
    uint16_t stride_h, stride_w;
    uint16_t dil_h, dil_w;
    uint16_t pad_top, pad_left;
    uint16_t groups;              /* conv: of in_c and out_c; depthwise: in_c; pools: 1 */
};

/* out[n,y,x,o] = clamp(requantize(bias[o] + sum(weights[o,...] * in[...]))), then the sum with `residual`. */
struct eq_conv_i8 {
    struct eq_op op;
    struct eq_window win;
    eq_ref in, out;
    eq_ref weights;        /* constant, packed: DESIGN.md section 3 */
    eq_ref channels;       /* constant: struct eq_channel[out_c] */
    eq_ref scratch;        /* arena, aligned to 4, apart from `in` and `out` */
    uint32_t scratch_bytes; /* at least what DESIGN.md section 3 says */
    int32_t in_zp, out_zp; /* zero points */
    int32_t act_min, act_max;
    eq_ref residual;       /* conv only, EQ_NONE without: an int8 tensor of the output's shape; may be `out` itself */
    struct eq_sum sum;     /* a = the convolution's result, b = the residual */
};

/* out[n,o] = clamp(requantize(bias[o] + sum(weights[o,i] * in[n,i]))) */
struct eq_fc_i8 {
    struct eq_op op;
    uint32_t rows, in_c, out_c;
    eq_ref in, out;
    eq_ref weights;  /* constant, packed as those of a 1x1 convolution */
    eq_ref channels; /* constant: struct eq_channel[out_c] */
    eq_ref scratch;
    uint32_t scratch_bytes;
    int32_t out_zp;
    int32_t act_min, act_max;
};

/* Average (rounded half away from zero, over the elements inside) or maximum of windows. */
struct eq_pool_i8 {
    struct eq_op op;
    struct eq_window win; /* dil 1, out_c = in_c, groups 1 */
    eq_ref in, out;
    int32_t act_min, act_max;
};

/* A walk over `dims`, innermost last, with a step in elements per dimension; unused leading dims are 1. */
struct eq_walk {
    uint32_t dims[EQ_MAX_RANK];
    int32_t step[EQ_MAX_RANK];
};

/* Mean over `reduce` for every position of `keep`; TFLite's integer mean (DESIGN.md section 4). */
struct eq_mean_i8 {
    struct eq_op op;
    eq_ref in, out;
    struct eq_walk keep;   /* over the input; the output is written in this order, contiguously */
    struct eq_walk reduce; /* over the input, from each position of `keep`; at most 2^23 elements */
    int32_t in_zp, out_zp;
    struct eq_scale scale; /* includes the division by the count */
    int32_t act_min, act_max;
};

/* a + b or a - b with broadcasting. */
struct eq_add_i8 {
    struct eq_op op;
    eq_ref a, b, out;          /* either input may be constant; out may be an input that is not broadcast */
    uint32_t dims[EQ_MAX_RANK];
    int32_t a_step[EQ_MAX_RANK], b_step[EQ_MAX_RANK]; /* 0 where broadcast */
    struct eq_sum sum;
};

/* a * b with broadcasting. */
struct eq_mul_i8 {
    struct eq_op op;
    eq_ref a, b, out;
    uint32_t dims[EQ_MAX_RANK];
    int32_t a_step[EQ_MAX_RANK], b_step[EQ_MAX_RANK];
    int32_t a_zp, b_zp, out_zp;
    struct eq_scale scale;
    int32_t act_min, act_max;
};

/* out[i] = table[in[i] + 128] */
struct eq_lut_i8 {
    struct eq_op op;
    eq_ref in, out; /* may be the same */
    uint32_t count;
    eq_ref table;   /* constant: int8_t[256] */
};

/* TFLite's integer softmax over the last `depth` values of each row. */
struct eq_softmax_i8 {
    struct eq_op op;
    eq_ref in, out;  /* may be the same where both are int8 */
    uint32_t rows, depth; /* depth at most 8191 */
    eq_ref table;    /* constant: int32_t[256], exp of the scaled difference -d to the maximum in Q0.31: 2^31 - 1 for 0,
                      * 0 below diff_min, none negative */
    int32_t wide;    /* 1: the output is int16 */
};

/* A strided copy; also what transposes, slices, joins and splits. What both walks span is apart. */
struct eq_copy {
    struct eq_op op;
    eq_ref in, out;      /* of the walk's first element */
    uint32_t elem_bytes; /* 1, 2 or 4 */
    uint32_t dims[EQ_MAX_RANK];
    int32_t in_step[EQ_MAX_RANK], out_step[EQ_MAX_RANK]; /* in elements, may be negative */
};

/* The same value everywhere. */
struct eq_fill {
    struct eq_op op;
    eq_ref out;
    uint32_t count;      /* elements */
    uint32_t elem_bytes; /* 1, 2 or 4 */
    uint32_t value;
};

/* Between float32 and int8 or int16. */
struct eq_quantize {
    struct eq_op op;
    eq_ref in, out;
    uint32_t count;
    uint32_t dtype;      /* of the integer side */
    float scale;
    int32_t zero_point;
};

/* Between int8, uint8, int16 and int32: out = clamp(requantize(in - in_zp) + out_zp). */
struct eq_requantize {
    struct eq_op op;
    eq_ref in, out;
    uint32_t count;
    uint32_t in_dtype, out_dtype;
    int32_t in_zp, out_zp;
    struct eq_scale scale;
};

/* TFLite's integer SVDF; one step per record. */
struct eq_svdf_i8 {
    struct eq_op op;
    eq_ref in, out;      /* int8 [batches][in_c], int8 [batches][filters / rank] */
    eq_ref feature;      /* constant: weights of the features, int8 [filters][in_c], rows padded to a multiple of 4 */
    eq_ref time;         /* constant: weights of time, [filters][memory] of the state's type */
    eq_ref bias;         /* constant: int32 [filters / rank], or EQ_NONE */
    eq_ref state;        /* arena: [batches][filters][memory], oldest first */
    uint32_t wide;       /* 1: state and time weights are int16, 0: int8 */
    uint32_t batches, in_c, filters, rank, memory;
    int32_t in_zp, state_zp, out_zp;
    struct eq_scale to_state, to_out;
};

/* One gate: requantize(in_bias[u] + weights . x) + requantize(rec_bias[u] + recurrent . h), in Q3.12. */
struct eq_lstm_gate {
    eq_ref weights;      /* constant: int8 [units][in_c], rows padded to a multiple of 4 */
    eq_ref bias;         /* constant: int32 [units], the input's zero point folded in */
    eq_ref recurrent;    /* constant: int8 [units][units], rows padded to a multiple of 4 */
    eq_ref recurrent_bias; /* constant: int32 [units], the hidden state's zero point folded in */
    struct eq_scale scale, recurrent_scale;
};

/* TFLite's integer LSTM over a sequence, int8 with an int16 cell. */
struct eq_lstm_i8 {
    struct eq_op op;
    eq_ref in, out;      /* int8, units values per step for out */
    eq_ref hidden;       /* arena: int8 [batches][units] */
    eq_ref cell;         /* arena: int16 [batches][units] */
    uint32_t batches, steps, in_c, units;
    uint32_t time_major; /* 1: [steps][batches][...], 0: [batches][steps][...] */
    struct eq_lstm_gate gates[4]; /* input, forget, cell, output */
    struct eq_scale forget, input, to_hidden; /* f * c, i * g, o * tanh(c) */
    int32_t cell_clip;   /* 0: none */
    int32_t cell_power;  /* the cell's scale is 2^cell_power */
    int32_t hidden_zp;
};

#endif
