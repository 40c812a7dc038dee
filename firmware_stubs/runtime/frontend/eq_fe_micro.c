/* TFLM's audio front end (tensorflow/lite/experimental/microfrontend), every byte of it, from tables that the host made.
 * Sums wrap where TFLM's do. */
#include <string.h>

#include "eq_fe.h"

#define WINDOW_BITS 12
#define NOISE_BITS 14
#define SNR_BITS 12
#define PCAN_BITS 6
#define LOG_BITS 16
#define SEGMENT_BITS 7
#define LN2 45426u /* in 16 fractional bits */

typedef const struct eq_fe_micro op_type;

static int16_t wrapped(uint32_t x)
{
    return (int16_t)(uint16_t)x;
}

/* x / 2^15, rounded; the product before it may wrap. */
static int16_t rounded(uint32_t x)
{
    return wrapped((uint32_t)((int32_t)(x + (1u << 14)) >> 15));
}

static int16_t over(int32_t x, int32_t divisor)
{
    return rounded((uint32_t)(x * (32767 / divisor)));
}

static int16_t plus(int16_t a, int16_t b)
{
    return wrapped((uint32_t)(a + b));
}

static int16_t minus(int16_t a, int16_t b)
{
    return wrapped((uint32_t)(a - b));
}

static void times(int16_t *x, const int16_t *w)
{
    uint32_t re = (uint32_t)(int32_t)x[0], im = (uint32_t)(int32_t)x[1];
    uint32_t cosine = (uint32_t)(int32_t)w[0], sine = (uint32_t)(int32_t)w[1];
    x[0] = rounded(re * cosine - im * sine);
    x[1] = rounded(re * sine + im * cosine);
}

static void radix_2(int16_t *a, int16_t *b)
{
    for (unsigned part = 0; part < 2; part++) {
        int16_t x = a[part];
        a[part] = plus(x, b[part]);
        b[part] = minus(x, b[part]);
    }
}

static void radix_4(int16_t *a, int16_t *b, int16_t *c, int16_t *d)
{
    int16_t near[2], far[2], sum[2], gap[2];
    for (unsigned part = 0; part < 2; part++) {
        near[part] = plus(a[part], c[part]);
        far[part] = minus(a[part], c[part]);
        sum[part] = plus(b[part], d[part]);
        gap[part] = minus(b[part], d[part]);
        a[part] = plus(near[part], sum[part]);
        c[part] = minus(near[part], sum[part]);
    }
    b[0] = plus(far[0], gap[1]);
    b[1] = minus(far[1], gap[0]);
    d[0] = minus(far[0], gap[1]);
    d[1] = plus(far[1], gap[0]);
}

/* The radix of the stage whose legs are `stride` of `n` apart in the input. */
static uint32_t radix_at(uint32_t n, uint32_t stride)
{
    return n / stride % 4 == 0 ? 4 : 2;
}

/* Where complex sample i of n goes before the innermost stage. */
static uint32_t place_of(uint32_t i, uint32_t n)
{
    uint32_t place = 0;
    for (uint32_t stride = 1; stride < n;) {
        uint32_t radix = radix_at(n, stride);
        place += i / stride % radix * (n / (stride * radix));
        stride *= radix;
    }
    return place;
}

static void stage(int16_t *data, uint32_t n, uint32_t radix, uint32_t length, const int16_t *twiddles)
{
    uint32_t blocks = n / (radix * length);
    for (uint32_t i = 0; i < 2 * n; i++) {
        data[i] = over(data[i], (int32_t)radix);
    }
    for (uint32_t block = 0; block < blocks; block++) {
        int16_t *at = data + 2 * (size_t)block * radix * length;
        for (uint32_t j = 0; j < length; j++, at += 2) {
            for (uint32_t leg = 1; leg < radix; leg++) {
                times(at + 2 * (size_t)leg * length, twiddles + 2 * (size_t)j * leg * blocks);
            }
            if (radix == 2) {
                radix_2(at, at + 2 * (size_t)length);
            } else {
                radix_4(at, at + 2 * (size_t)length, at + 4 * (size_t)length, at + 6 * (size_t)length);
            }
        }
    }
}

/* kiss_fft of n complex numbers: radix 4 as far as it goes, innermost stage first. */
static void complex_fft(int16_t *data, uint32_t n, const int16_t *twiddles)
{
    for (uint32_t length = 1, radix; length < n; length *= radix) {
        radix = length == 1 && eq_fe_bits(n) % 2 == 0 ? 2 : 4; /* 2 once, for odd powers of two */
        stage(data, n, radix, length, twiddles);
    }
}

/* Bins k and half - k of the real FFT. */
static void split(int16_t *here, int16_t *there, const int16_t *w)
{
    int16_t here_re = over(here[0], 2), here_im = over(here[1], 2);
    int16_t there_re = over(there[0], 2), there_im = over(wrapped((uint32_t)-there[1]), 2);
    int16_t even[2] = {plus(here_re, there_re), plus(here_im, there_im)};
    int16_t odd[2] = {minus(here_re, there_re), minus(here_im, there_im)};
    times(odd, w);
    here[0] = (int16_t)((even[0] + odd[0]) >> 1);
    here[1] = (int16_t)((even[1] + odd[1]) >> 1);
    there[0] = (int16_t)((even[0] - odd[0]) >> 1);
    there[1] = (int16_t)((odd[1] - even[1]) >> 1);
}

/* kiss_fftr in place: n numbers, then n / 2 + 1 bins. */
static void real_fft(int16_t *data, uint32_t n, const int16_t *twiddles, const int16_t *real_twiddles)
{
    uint32_t half = n / 2;
    int16_t re, im;
    complex_fft(data, half, twiddles);
    re = over(data[0], 2);
    im = over(data[1], 2);
    for (uint32_t k = 1; k <= half / 2; k++) {
        split(data + 2 * (size_t)k, data + 2 * (size_t)(half - k), real_twiddles + 2 * (size_t)(k - 1));
    }
    data[0] = plus(re, im);
    data[n] = minus(re, im);
    data[1] = data[n + 1] = 0;
}

/* Windowed and moved up as far as 16 bits let it; returns how far. */
static uint32_t frame(const struct eq_frontend *front, op_type *op, uint32_t at, int16_t *data)
{
    const int16_t *window = eq_at(front->model, op->window);
    uint32_t length = front->frame->length, shift;
    int32_t *x = eq_fe_work(front) + op->fft + 2, largest = 0;
    eq_fe_samples(front, at * front->frame->step, length, front->end, x);
    for (uint32_t i = 0; i < length; i++) {
        int32_t size;
        x[i] = wrapped((uint32_t)(x[i] * window[i] >> WINDOW_BITS));
        size = wrapped((uint32_t)(x[i] < 0 ? -x[i] : x[i])); /* -32768 has no positive and does not count */
        largest = size > largest ? size : largest;
    }
    shift = 15u - eq_fe_bits((uint32_t)largest);
    memset(data, 0, (op->fft + 2) * sizeof *data);
    for (uint32_t i = 0; i < length; i++) {
        data[2 * place_of(i / 2, op->fft / 2) + i % 2] = wrapped((uint32_t)x[i] << shift);
    }
    return shift;
}

static uint32_t rounded_root(uint64_t x)
{
    uint32_t root = eq_fe_root(x), last = x >> 32 ? UINT32_MAX : UINT16_MAX;
    return x - (uint64_t)root * root > root && root != last ? root + 1 : root;
}

static uint64_t energy(const int16_t *bin)
{
    uint32_t sum = (uint32_t)(bin[0] * bin[0]) + (uint32_t)(bin[1] * bin[1]);
    return (uint64_t)(int64_t)(int32_t)sum;
}

/* Each channel has the slope that rises to it and the next one, which falls from it. */
static void channels(const struct eq_frontend *front, op_type *op, const int16_t *data, uint32_t shift, int32_t *out)
{
    const uint16_t *slope = eq_at(front->model, op->slopes);
    const int16_t *weight = eq_at(front->model, op->weights);
    uint64_t before = 0;
    for (uint32_t c = 0; c <= op->channels; c++, slope += 2) {
        uint64_t falling = 0, rising = 0;
        for (uint32_t k = slope[0]; k < (uint32_t)slope[0] + slope[1]; k++, weight += 2) {
            uint64_t found = energy(data + 2 * (size_t)k);
            falling += found * (uint64_t)weight[0];
            rising += found * (uint64_t)weight[1];
        }
        if (c > 0) {
            out[c - 1] = (int32_t)(rounded_root(before + falling) >> shift);
        }
        before = rising;
    }
}

static uint32_t gain_of(const int16_t *gains, uint32_t x)
{
    uint32_t interval = eq_fe_bits(x), fraction;
    const int16_t *at;
    int32_t result;
    if (x <= 2) {
        return (uint32_t)(int32_t)gains[x];
    }
    at = gains + 4 * interval - 6;
    fraction = (interval < 11 ? x << (11 - interval) : x >> (interval - 11)) & 0x3ffu;
    result = (at[2] * (int32_t)fraction >> 5) + at[1] * 32;
    result = ((int32_t)((uint32_t)result * fraction + (1u << 14)) >> 15) + at[0];
    return (uint32_t)(int32_t)wrapped((uint32_t)result);
}

static uint32_t shrunk(uint32_t snr)
{
    return snr < 2u << SNR_BITS ? snr * snr >> (2 + 2 * SNR_BITS - PCAN_BITS)
                                : (snr >> (SNR_BITS - PCAN_BITS)) - (1u << PCAN_BITS);
}

static uint32_t logarithm(op_type *op, const uint16_t *table, uint32_t x)
{
    uint32_t whole, fraction, segment, along, natural;
    int32_t bend;
    x = op->correction_bits < 0 ? x >> -op->correction_bits : x << op->correction_bits;
    if (x <= 1) {
        return 0;
    }
    whole = eq_fe_bits(x) - 1;
    fraction = x - (1u << whole);
    fraction = whole < LOG_BITS ? fraction << (LOG_BITS - whole) : fraction >> (whole - LOG_BITS);
    segment = fraction >> (LOG_BITS - SEGMENT_BITS);
    along = fraction - (segment << (LOG_BITS - SEGMENT_BITS));
    bend = ((int32_t)table[segment + 1] - (int32_t)table[segment]) * (int32_t)along >> LOG_BITS;
    natural = (whole << LOG_BITS) + fraction + table[segment] + (uint32_t)bend;
    natural = (uint32_t)(((uint64_t)LN2 * natural + (1u << (LOG_BITS - 1))) >> LOG_BITS);
    return ((natural << op->log_shift) + (1u << (LOG_BITS - 1))) >> LOG_BITS;
}

/* A channel's feature; its noise estimate goes on to the next frame. */
static uint32_t feature(const struct eq_frontend *front, op_type *op, uint32_t c, uint32_t signal)
{
    uint32_t *estimate = (uint32_t *)eq_in_arena(front->model, op->estimate) + c;
    uint64_t part = ((const uint16_t *)eq_at(front->model, op->smoothing))[c];
    uint32_t up = signal << op->smoothing_bits;
    uint32_t least = (uint32_t)((uint64_t)signal * op->least_signal >> NOISE_BITS);
    *estimate = (uint32_t)((up * part + *estimate * ((1u << NOISE_BITS) - part)) >> NOISE_BITS);
    signal = (up - (*estimate < up ? *estimate : up)) >> op->smoothing_bits;
    signal = signal > least ? signal : least;
    if (op->pcan) {
        uint64_t gain = gain_of(eq_at(front->model, op->gains), *estimate);
        signal = shrunk((uint32_t)(signal * gain >> op->snr_shift));
    }
    if (op->log) {
        signal = logarithm(op, eq_at(front->model, op->log_table), signal);
    }
    return signal < UINT16_MAX ? signal : UINT16_MAX;
}

void eq_fe_micro(const struct eq_frontend *front, op_type *op, uint32_t at)
{
    int16_t *data = (void *)eq_fe_work(front);
    int32_t *values = eq_fe_values(front);
    uint32_t shift = frame(front, op, at, data);
    real_fft(data, op->fft, eq_at(front->model, op->twiddles), eq_at(front->model, op->real_twiddles));
    channels(front, op, data, shift, values);
    for (uint32_t c = 0; c < op->channels; c++) {
        values[c] = (int32_t)feature(front, op, c, (uint32_t)values[c]);
    }
}
