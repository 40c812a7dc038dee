/* Frames to spectra, in 32 bits. Each frame has an exponent of its own, so that quiet ones keep their digits. */
#include <string.h>

#include "eq_fe.h"

#define ONE_BITS 30u /* fractional bits of windows and twiddles */
#define FRAME_BITS 29u

static int32_t halved(int32_t x)
{
    return (x + 1) >> 1;
}

/* (re + i im) * (w[0] + i w[1]) */
static void turn(int32_t re, int32_t im, const int32_t *w, int32_t *out)
{
    out[0] = (int32_t)eq_fe_shifted((int64_t)re * w[0] - (int64_t)im * w[1], ONE_BITS);
    out[1] = (int32_t)eq_fe_shifted((int64_t)re * w[1] + (int64_t)im * w[0], ONE_BITS);
}

/* a, b = (a + b w) / 2, (a - b w) / 2 */
static void butterfly(int32_t *a, int32_t *b, const int32_t *turned)
{
    int32_t re = a[0], im = a[1];
    a[0] = halved(re + turned[0]);
    a[1] = halved(im + turned[1]);
    b[0] = halved(re - turned[0]);
    b[1] = halved(im - turned[1]);
}

/* The complex FFT of n / 2 pairs, each stage halved; the k-th root of their number is twiddle 2 k. */
static void pairs_fft(int32_t *data, uint32_t n, const int32_t *twiddles)
{
    for (uint32_t length = 2; length < n; length *= 2) { /* in int32: half of a group */
        uint32_t stride = n / length;                    /* between twiddles */
        for (int32_t *group = data; group != data + n; group += 2 * length) {
            int32_t *other = group + length;
            butterfly(group, other, other); /* the root is 1 */
            for (uint32_t i = 2; i < length; i += 2) {
                int32_t turned[2];
                turn(other[i], other[i + 1], twiddles + (size_t)i * stride, turned);
                butterfly(group + i, other + i, turned);
            }
        }
    }
}

/* Bins `k` and `n / 2 - k` out of what the pairs gave there. */
static void split(int32_t *here, int32_t *there, const int32_t *w)
{
    int32_t odd[2];
    int32_t even_re = here[0] + there[0], even_im = here[1] - there[1];
    turn(halved(here[1] + there[1]), halved(there[0] - here[0]), w, odd);
    even_re = halved(even_re);
    even_im = halved(even_im);
    here[0] = even_re + odd[0];
    here[1] = even_im + odd[1];
    there[0] = even_re - odd[0];
    there[1] = odd[1] - even_im;
}

void eq_fe_fft(int32_t *data, uint32_t n, const int32_t *twiddles)
{
    int32_t first, last;
    pairs_fft(data, n, twiddles);
    first = data[0] + data[1];
    last = data[0] - data[1];
    for (uint32_t k = 1; k <= n / 4; k++) {
        if (k == n / 4) { /* a bin of its own, whose root is -i */
            data[2 * k + 1] = -data[2 * k + 1];
        } else {
            split(data + 2 * (size_t)k, data + n - 2 * (size_t)k, twiddles + 2 * (size_t)k);
        }
    }
    data[0] = first;
    data[1] = 0;
    data[n] = last;
    data[n + 1] = 0;
}

/* How far a frame may be moved up. */
static uint32_t room(const int32_t *x, uint32_t count)
{
    uint32_t any = 0, bits;
    for (uint32_t i = 0; i < count; i++) {
        any |= (uint32_t)(x[i] < 0 ? -x[i] : x[i]);
    }
    bits = eq_fe_bits(any);
    return bits >= FRAME_BITS ? 0 : FRAME_BITS - bits;
}

static int32_t windowed(int32_t x, uint32_t up, const int32_t *window, uint32_t i)
{
    x *= 1 << up;
    return window == NULL ? x : (int32_t)eq_fe_shifted((int64_t)x * window[i], ONE_BITS);
}

/* The number that has the next one's bits in the other order. */
static uint32_t next_swapped(uint32_t place, uint32_t pairs)
{
    uint32_t bit = pairs >> 1;
    for (; place & bit; bit >>= 1) {
        place ^= bit;
    }
    return place | bit;
}

/* Windowed, in the order that the FFT takes. */
static void put(int32_t *data, uint32_t n, const int32_t *x, uint32_t length, uint32_t up, const int32_t *window)
{
    uint32_t place = 0, i = 0;
    memset(data, 0, (size_t)n * sizeof *data);
    for (; i + 1 < length; i += 2, place = next_swapped(place, n / 2)) {
        data[2 * place] = windowed(x[i], up, window, i);
        data[2 * place + 1] = windowed(x[i + 1], up, window, i + 1);
    }
    if (i < length) {
        data[2 * place] = windowed(x[i], up, window, i);
    }
}

int32_t eq_fe_spectrum(const struct eq_frontend *front, const struct eq_fe_spectrum *op, uint32_t at)
{
    int32_t *data = eq_fe_work(front), *x = data + op->fft + 2;
    uint32_t length = front->frame->length, up;
    const int32_t *window = op->window == EQ_NONE ? NULL : eq_at(front->model, op->window);
    eq_fe_samples(front, at * front->frame->step, length, front->end, x);
    up = room(x, length);
    put(data, op->fft, x, length, up, window);
    eq_fe_fft(data, op->fft, eq_at(front->model, op->twiddles));
    for (uint32_t k = 0; k <= op->fft / 2; k++) {
        int64_t re = data[2 * k], im = data[2 * k + 1];
        uint64_t power = (uint64_t)(re * re) + (uint64_t)(im * im);
        uint64_t bin = op->power ? power : eq_fe_root(power);
        memcpy(data + 2 * (size_t)k, &bin, sizeof bin);
    }
    return (op->exponent - (int32_t)up + (int32_t)eq_fe_bits(op->fft) - 2) * (op->power ? 2 : 1);
}
