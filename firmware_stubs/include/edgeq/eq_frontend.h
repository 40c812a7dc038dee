/* The front end: from what a sensor gives (audio, an image, numbers) to the model's input, in integers, as the image says. Every
 * byte: DESIGN.md section 7. No heap, no globals, no floating point, no recursion.
 *
 *     struct eq_frontend front;
 *     const char *why;
 *     if (eq_frontend_open(&front, &model) == EQ_OK && eq_frontend_begin(&front, &raw, &why) == EQ_OK) {
 *         while (bytes > 0) {
 *             uint32_t taken = eq_frontend_feed(&front, data, bytes);
 *             data += taken, bytes -= taken;
 *         }
 *         while (eq_frontend_step(&front)) {
 *         }
 *         eq_invoke(&model);
 *     }
 */
#ifndef EQ_FRONTEND_H
#define EQ_FRONTEND_H

#include "edgeq/eq_runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EQ_FRONTEND_VERSION 1u /* layout and meaning of everything in this file; `describe` says it */

/* How a front end begins; records follow. Its place and length are in struct eq_body. */
struct eq_fe_head {
    uint16_t version;     /* EQ_FRONTEND_VERSION */
    uint16_t input;       /* enum eq_fe_input */
    uint32_t rate_hz;     /* of the audio */
    uint32_t least, most; /* samples of a clip, or numbers */
    uint32_t clip;        /* arena: int16_t[clip_samples], the whole clip or the last samples of it */
    uint32_t clip_samples;
    uint32_t work;        /* arena: `work_bytes` for one frame, at a multiple of 8 */
    uint32_t work_bytes;
    uint32_t values;      /* arena: `values_bytes` for one row of values, at a multiple of 8 */
    uint32_t values_bytes;
    uint32_t rows;        /* rows of values that fill the model's input */
    uint32_t raws;        /* offset in the body of golden vectors from raw input, one after the other */
    uint32_t raw_goldens; /* how many */
    uint32_t lift;        /* audio: a sample becomes x * 2^lift */
};

enum eq_fe_input { EQ_FE_AUDIO = 1, EQ_FE_IMAGE = 2, EQ_FE_NUMBERS = 3 };

/* Kinds of records, in the order in which they may come. They are never redefined. */
enum eq_fe_kind {
    /* on samples, int32 */
    EQ_FE_PAD = 1,
    EQ_FE_SCALE = 2,
    EQ_FE_CLIP = 3,
    EQ_FE_PREEMPHASIS = 4,
    EQ_FE_PEAK = 5,
    EQ_FE_RESAMPLE = 6, /* the first of all; on samples of 16 bits */
    /* from samples to frames, from these to bins, numbers or values */
    EQ_FE_FRAME = 10,
    EQ_FE_SPECTRUM = 11,
    EQ_FE_MICRO = 12,
    /* from bins to numbers (struct eq_fe_number), and on these */
    EQ_FE_MEL = 20,
    EQ_FE_BINS = 21,
    EQ_FE_GAIN = 22,
    EQ_FE_HOLD = 23,
    /* from numbers to values (int32), and on these */
    EQ_FE_LOG = 30,
    EQ_FE_FIX = 31,
    EQ_FE_AFFINE = 32,
    EQ_FE_LIMIT = 33,
    EQ_FE_MATRIX = 34,
    EQ_FE_STACK = 35,
    EQ_FE_PCEN = 36, /* from numbers */
    /* from pixels to rows of values, the first record of an image */
    EQ_FE_PICTURE = 50,
    /* from numbers as they are sent to rows of them, the first record of features */
    EQ_FE_FEATURES = 60,
    /* from values to the model's input: the last record */
    EQ_FE_QUANTIZE = 40,
    EQ_FE_LOOKUP = 41,
    EQ_FE_CONVERT = 42
};

/* A number of 0 or more: m * 2^e, m 0 or from 2^31 on. */
struct eq_fe_number {
    uint32_t m;
    int32_t e;
};

/* Audio at another rate: of n samples come ceil(n * phases / down), of 16 bits too. Output m lies at phase m * down % phases
 * behind sample i = m * down / phases; it is the sum of samples i + 1 - taps / 2 .. i + taps / 2 times that phase's row of taps,
 * oldest first, rounded and saturated. Samples outside of the clip are 0. Row p > phases / 2 is row phases - p backwards. The
 * first record, at most once. */
struct eq_fe_resample {
    struct eq_op op;
    uint32_t phases, down; /* 1 .. 768000 */
    uint32_t taps;         /* even, 2 .. 32768 */
    eq_ref table;          /* constant: int32_t[phases / 2 + 1][taps] in 30 fractional bits */
    eq_ref history;        /* arena: int16_t[2 * taps] */
};

/* The clip gets `samples` samples: zeros are added, or samples cut. First of all but a resample, at most once. */
struct eq_fe_pad {
    struct eq_op op;
    uint32_t samples;
    uint32_t at_start; /* 1: there, 0: at the end */
};

/* x = round(x * mult / 2^shift) + add; behind a peak p it is round(add * p / 2^add_shift) that is added. */
struct eq_fe_scale {
    struct eq_op op;
    int32_t mult;
    uint32_t shift; /* 0 .. 62, as all shifts */
    int32_t add;
    uint32_t add_shift;
};

/* Held between two limits; behind a peak p these are round(limit * p / 2^shift). */
struct eq_fe_clip {
    struct eq_op op;
    int32_t low, high;
    uint32_t shift;
};

/* x[n] - round(coefficient * x[n - 1] / 2^30); at most once. */
struct eq_fe_preemphasis {
    struct eq_op op;
    int32_t coefficient;
};

/* From here on a sample means x / p, where p is the largest sample (or magnitude) of the clip; where that is not above 0,
 * 2^unit, which stands for 1. At most once. */
struct eq_fe_peak {
    struct eq_op op;
    uint32_t magnitude; /* 1: of magnitudes */
    uint32_t unit;      /* 0 .. 29 */
};

struct eq_fe_frame {
    struct eq_op op;
    uint32_t length, step;
};

/* The Fourier transform of a frame: its magnitudes or powers, fft / 2 + 1 bins of 64 bits. */
struct eq_fe_spectrum {
    struct eq_op op;
    uint32_t fft;      /* a power of two, 4 .. 8192 */
    uint32_t power;    /* 1: powers */
    int32_t exponent;  /* a sample is worth 2^exponent; 0 behind a peak */
    eq_ref window;     /* constant: int32_t[length] in 30 fractional bits, or EQ_NONE */
    eq_ref twiddles;   /* constant: int32_t[fft / 2][2], cosine and negative sine of 2 pi k / fft in 30 fractional bits */
};

/* TFLM's audio front end; values are uint16. Tables as edgeq/preprocess/micro_tables.py has them. */
struct eq_fe_micro {
    struct eq_op op;
    uint32_t fft;           /* a power of two, 16 .. 4096 */
    uint32_t channels;      /* 1 .. 128 */
    uint32_t first_bin;
    uint32_t smoothing_bits;
    uint32_t least_signal;  /* in 14 fractional bits */
    uint32_t pcan, snr_shift;
    uint32_t log, log_shift;
    int32_t correction_bits; /* log2(fft) - 6 */
    eq_ref window;          /* constant: int16_t[length] */
    eq_ref twiddles;        /* constant: int16_t[fft / 2][2] */
    eq_ref real_twiddles;   /* constant: int16_t[fft / 4][2] */
    eq_ref slopes;          /* constant: uint16_t[channels + 1][2], first bin and width */
    eq_ref weights;         /* constant: int16_t[sum of widths][2], weight and unweight */
    eq_ref smoothing;       /* constant: uint16_t[channels] */
    eq_ref gains;           /* constant: int16_t[125], or EQ_NONE without pcan */
    eq_ref log_table;       /* constant: uint16_t[129], or EQ_NONE without log */
    eq_ref estimate;        /* arena: uint32_t[channels] */
};

/* Band b: the sum of its bins times weights. */
struct eq_fe_mel {
    struct eq_op op;
    uint32_t bins;     /* of the result */
    eq_ref slopes;     /* constant: uint16_t[bins][2], first bin and width */
    eq_ref weights;    /* constant: uint32_t[sum of widths], below 2^20 */
    int32_t exponent;  /* a weight is worth 2^exponent */
};

struct eq_fe_bins {
    struct eq_op op;
};

/* x * mult + add, of numbers. */
struct eq_fe_gain {
    struct eq_op op;
    struct eq_fe_number mult, add;
};

struct eq_fe_hold {
    struct eq_op op;
    struct eq_fe_number low, high;
};

/* round(log2(max(x, floor) + offset) * mult / 2^shift), the logarithm in 23 fractional bits. */
struct eq_fe_log {
    struct eq_op op;
    struct eq_fe_number floor, offset;
    int32_t mult;
    uint32_t shift;
};

/* A number in units of 2^exponent, rounded down. */
struct eq_fe_fix {
    struct eq_op op;
    int32_t exponent;
};

/* Energy normalization of each band over its own running mean: mean = mean * keep + x * part; the value is
 * (x / (eps + mean)^gain + bias)^power in units of 2^exponent, minus `less`. */
struct eq_fe_pcen {
    struct eq_op op;
    uint32_t from_one;              /* 1: before the first row the mean is 1, 0: it is that row */
    struct eq_fe_number keep, part; /* below 2 */
    struct eq_fe_number eps, bias;
    uint32_t gain, power;           /* in 24 fractional bits, at most 10 */
    int32_t exponent;
    int32_t less;
    eq_ref mean;                    /* arena: struct eq_fe_number[width] */
};

/* round(x * mult / 2^shift) + add */
struct eq_fe_affine {
    struct eq_op op;
    uint32_t count; /* 1, or one mult and add for each place of a row */
    eq_ref mult, add; /* constant: int32_t[count] */
    uint32_t shift;
};

struct eq_fe_limit {
    struct eq_op op;
    int32_t low, high;
};

/* A row times a matrix, divided by 2^shift and rounded. */
struct eq_fe_matrix {
    struct eq_op op;
    uint32_t out;
    eq_ref table;   /* constant: int32_t[out][width], the magnitudes of a row at most 2^31 in all */
    uint32_t shift;
};

/* Rows of `frames` successive rows; at most once. */
struct eq_fe_stack {
    struct eq_op op;
    uint32_t frames, step;
    eq_ref kept; /* arena: int32_t[frames][width] */
};

/* clamp(round(x * mult / 2^shift) + zero_point) to the type of the model's input. */
struct eq_fe_quantize {
    struct eq_op op;
    uint32_t dtype; /* int8, uint8 or int16 */
    int32_t mult;
    uint32_t shift;
    int32_t zero_point;
};

/* An image of any size to rows of `width * channels` values, pixels in 16 fractional bits: its middle, where a crop is
 * given, resized by `fit`, of that the middle, in the colours wanted. DESIGN.md section 7. */
struct eq_fe_picture {
    struct eq_op op;
    uint32_t height, width, channels;    /* of the result */
    uint32_t colour;                     /* enum eq_fe_colour */
    uint32_t crop_height, crop_width;    /* first; 0 for the whole */
    uint32_t fit;                        /* enum eq_fe_fit */
    uint32_t resized_height, resized_width;
    uint32_t nearest;                    /* 1: the nearest pixel, 0: between two */
};

enum eq_fe_colour { EQ_FE_AS_IS = 0, EQ_FE_RGB = 1, EQ_FE_BGR = 2, EQ_FE_GRAY = 3 };
enum eq_fe_fit { EQ_FE_UNSIZED = 0, EQ_FE_STRETCH = 1, EQ_FE_COVER = 2, EQ_FE_CONTAIN = 3 };

/* table[channel][pixel], of the model's input's type. */
struct eq_fe_lookup {
    struct eq_op op;
    uint32_t dtype; /* int8, uint8 or int16 */
    uint32_t channels;
    eq_ref table;   /* constant: [channels][256] */
};

/* Numbers of int16, uint8 or float32 to rows of `width`, as they are: values are their bits. */
struct eq_fe_features {
    struct eq_op op;
    uint32_t width;
    uint32_t axes; /* enum eq_fe_axes */
};

/* Shapes that are taken: any with so many numbers, those with a last axis of `width`, those of [rows, width]. */
enum eq_fe_axes { EQ_FE_ANY_AXES = 0, EQ_FE_LAST_AXIS = 1, EQ_FE_ROWS_OF = 2 };

/* The bits of features to clamp(round(x * mult * 2^exponent + add / 2^24) + zero_point), halves to even. What is no number
 * is 0, and infinity 2^128. DESIGN.md section 7. */
struct eq_fe_convert {
    struct eq_op op;
    uint32_t dtype;     /* int8, uint8 or int16 */
    uint32_t count;     /* 1, or one for each place of a row */
    eq_ref columns;     /* constant: struct eq_fe_column[count] */
    int32_t zero_point;
};

struct eq_fe_column {
    uint32_t mult[2];  /* int64, the low half first; its magnitude at most 2^38 */
    uint32_t add[2];   /* int64; at most 2^61 */
    int32_t exponent;  /* -512 .. 512 */
    int32_t low, high; /* in the type of the model's input */
};

/* A golden vector from raw input; its bytes, zeros up to a multiple of 4, and the outputs of the model follow. */
struct eq_fe_golden {
    uint32_t dtype, rank, dims[3], rate_hz; /* as struct eq_raw */
    uint32_t bytes;
};

/* What an input is; the fields of `raw` in PROTOCOL.md section 6. */
struct eq_raw {
    uint32_t dtype; /* enum eq_dtype */
    uint32_t rank;
    uint32_t dims[3];
    uint32_t rate_hz;
};

/* One side of a picture: `count` places of the result lie at `shift` in `fitted` ones that `size` pixels, from `offset`
 * on, were resized to. */
struct eq_fe_axis {
    uint32_t offset, size, fitted, count;
    int32_t shift;
};

/* A picture on its way, pixel by pixel. */
struct eq_fe_scan {
    struct eq_fe_axis down, across;
    uint32_t channels, stride; /* of the raw image; pixels of its rows */
    uint32_t x, y, column;     /* the next pixel, and the next place of the row that it goes into */
    uint32_t channel;          /* the next of the pixel */
    uint8_t pixel[4];
    int32_t here[4], before[4]; /* this pixel and the one left of it, in the colours of the result */
};

/* A running front end. The caller owns it; fields are the runtime's. */
struct eq_frontend {
    const struct eq_model *model;
    const struct eq_fe_head *head; /* NULL where there is none */
    const uint8_t *records, *end;
    const struct eq_fe_resample *resample;
    const struct eq_fe_pad *pad;
    const struct eq_fe_peak *peak;
    const struct eq_fe_frame *frame;
    uint32_t bytes, got;      /* of the raw input: whole, and here */
    uint32_t samples, heard;  /* of the clip behind a resample: all, and those that are there */
    uint32_t phase, wanted;   /* resample: of the next output; samples that it still waits for */
    uint32_t oldest;          /* resample: place in its history */
    uint32_t lead, cut;       /* samples that padding puts before the clip; those that it takes away */
    uint32_t total;           /* samples with padding */
    uint32_t at;              /* the next frame */
    uint32_t row;             /* the next row of the model's input */
    uint32_t stacked;         /* rows that a stack has taken */
    int32_t highest;          /* the peak, 0 before it is known */
    uint32_t dtype, word, column; /* features: their type, bytes of the next number, and its place in a row */
    struct eq_fe_scan scan;
    uint8_t odd;              /* half a sample */
    uint8_t preemphasis;      /* frames need the sample before them too */
};

/* EQ_FRONTEND_VERSION; 0 in a program that was linked without front ends (runtime/no_frontend). */
uint32_t eq_frontend_version(void);

/* Check every byte of the model's front end. EQ_NOT_FOUND where it has none, EQ_INVALID for a damaged one,
 * EQ_NEWER for one of another version, EQ_UNSUPPORTED for a record that is not known here. */
int eq_frontend_open(struct eq_frontend *front, const struct eq_model *model);

/* Begin a raw input; what the model's input and the front end's memory held is gone. EQ_INVALID, with the reason for
 * people, where it is not what the front end takes. */
int eq_frontend_begin(struct eq_frontend *front, const struct eq_raw *raw, const char **why);

/* Bytes that the whole raw input has. */
uint32_t eq_frontend_bytes(const struct eq_frontend *front);

/* Take bytes of the raw input, in pieces of any size, and work on one frame at most; how many were taken. */
uint32_t eq_frontend_feed(struct eq_frontend *front, const void *data, uint32_t bytes);

/* When all is fed: one more piece of work. 1 while there is more, 0 when the model's input is written. */
int eq_frontend_step(struct eq_frontend *front);

/* How many golden vectors from raw input there are. */
uint32_t eq_frontend_goldens(const struct eq_frontend *front);

/* Begin with the raw input of golden vector `index`; `data` are the bytes to feed. EQ_NOT_FOUND where there is none. */
int eq_frontend_golden_begin(struct eq_frontend *front, uint32_t index, const uint8_t **data, uint32_t *bytes);

/* After the inference: as eq_golden_compare. */
uint32_t eq_frontend_golden_compare(const struct eq_frontend *front, uint32_t index);

#ifdef __cplusplus
}
#endif

#endif
