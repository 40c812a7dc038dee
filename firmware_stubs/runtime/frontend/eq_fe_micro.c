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

static int16_t plus(int32_t a, int32_t b)
{
    return wrapped((uint32_t)(a + b));
}

static int16_t minus(int32_t a, int32_t b)
{
    return wrapped((uint32_t)(a - b));
}

struct pair {
    int32_t re, im; /* of 16 bits each */
};

static struct pair loaded(const int16_t *x, int32_t divisor)
{
    return (struct pair){over(x[0], divisor), over(x[1], divisor)};
}

static void store(int16_t *x, int32_t re, int32_t im)
{
    x[0] = wrapped((uint32_t)re);
    x[1] = wrapped((uint32_t)im);
}

static struct pair times(struct pair x, const int16_t *w)
{
    uint32_t re = (uint32_t)x.re, im = (uint32_t)x.im, cosine = (uint32_t)(int32_t)w[0], sine = (uint32_t)(int32_t)w[1];
    return (struct pair){rounded(re * cosine - im * sine), rounded(re * sine + im * cosine)};
}

static void radix_2(int16_t *a, uint32_t leg, const int16_t *w)
{
    int16_t *b = a + leg;
    struct pair x = loaded(a, 2), y = times(loaded(b, 2), w);
    store(a, x.re + y.re, x.im + y.im);
    store(b, x.re - y.re, x.im - y.im);
}

/* `w` is the twiddle of the second leg, those of the others are twice and three times as far from the first. */
static void radix_4(int16_t *a, uint32_t leg, const int16_t *twiddles, uint32_t w)
{
    int16_t *b = a + leg, *c = b + leg, *d = c + leg;
    struct pair x = loaded(a, 4), y = times(loaded(b, 4), twiddles + w);
    struct pair z = times(loaded(c, 4), twiddles + 2 * (size_t)w), v = times(loaded(d, 4), twiddles + 3 * (size_t)w);
    /* Sums of sums of 16 bits: what wraps in between, wraps the same at the end. */
    struct pair near = {x.re + z.re, x.im + z.im}, far = {x.re - z.re, x.im - z.im};
    struct pair sum = {y.re + v.re, y.im + v.im}, gap = {y.re - v.re, y.im - v.im};
    store(a, near.re + sum.re, near.im + sum.im);
    store(b, far.re + gap.im, far.im - gap.re);
    store(c, near.re - sum.re, near.im - sum.im);
    store(d, far.re - gap.im, far.im + gap.re);
}

/* Where complex sample i of 2^bits goes before the innermost stage: its digits in the other order, of two bits each and at
 * last of one. */
static uint32_t place_of(uint32_t i, uint32_t bits)
{
    uint32_t place = 0;
    for (; bits >= 2; bits -= 2) {
        place = place << 2 | (i & 3);
        i >>= 2;
    }
    return bits > 0 ? place << 1 | (i & 1) : place;
}

static void stage(int16_t *data, uint32_t n, uint32_t radix, uint32_t length, const int16_t *twiddles)
{
    uint32_t blocks = n / (radix * length);
    for (uint32_t block = 0; block < blocks; block++) {
        int16_t *at = data + 2 * (size_t)block * radix * length;
        for (uint32_t j = 0; j < length; j++, at += 2) {
            if (radix == 2) {
                radix_2(at, 2 * length, twiddles + 2 * (size_t)j * blocks);
            } else {
                radix_4(at, 2 * length, twiddles, 2 * j * blocks);
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
    struct pair x = loaded(here, 2);
    struct pair y = {over(there[0], 2), over(wrapped((uint32_t)-there[1]), 2)};
    int32_t even_re = plus(x.re, y.re), even_im = plus(x.im, y.im);
    struct pair odd = times((struct pair){minus(x.re, y.re), minus(x.im, y.im)}, w);
    store(here, (even_re + odd.re) >> 1, (even_im + odd.im) >> 1);
    store(there, (even_re - odd.re) >> 1, (odd.im - even_im) >> 1);
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
    uint32_t length = front->frame->length, bits = eq_fe_bits(op->fft) - 2, shift;
    int32_t *x = eq_fe_work(front) + op->fft + 2, largest = 0;
    eq_fe_samples(front, at * front->frame->step, length, front->end, x);
    for (uint32_t i = 0; i < length; i++) {
        int32_t value = wrapped((uint32_t)(x[i] * window[i] >> WINDOW_BITS));
        int32_t size = wrapped((uint32_t)(value < 0 ? -value : value)); /* -32768 has no positive and does not count */
        x[i] = value;
        largest = size > largest ? size : largest;
    }
    shift = 15u - eq_fe_bits((uint32_t)largest);
    memset(data, 0, (op->fft + 2) * sizeof *data);
    x[length] = 0; /* there is room for one more */
    for (uint32_t i = 0, place = 0; i < length; i += 2) {
        int16_t *pair;
        place = i % 8 == 0 ? place_of(i / 2, bits) : place + (1u << (bits - 2)); /* the first digit is the highest */
        pair = data + 2 * (size_t)place;
        pair[0] = wrapped((uint32_t)x[i] << shift);
        pair[1] = wrapped((uint32_t)x[i + 1] << shift);
    }
    return shift;
}

static uint32_t rounded_root(uint64_t x)
{
    uint32_t root = eq_fe_root(x), last = x >> 32 ? UINT32_MAX : UINT16_MAX;
    return x - (uint64_t)root * root > root && root != last ? root + 1 : root;
}

static int64_t energy(const int16_t *bin)
{
    return (int32_t)((uint32_t)(bin[0] * bin[0]) + (uint32_t)(bin[1] * bin[1]));
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
            int64_t found = energy(data + 2 * (size_t)k);
            falling += (uint64_t)(found * weight[0]);
            rising += (uint64_t)(found * weight[1]);
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
