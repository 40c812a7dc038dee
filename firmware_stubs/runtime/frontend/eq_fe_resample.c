/* Audio at another rate: a polyphase filter, one sample in or out at a time. */
#include <string.h>

#include "eq_fe.h"

#define TAP_BITS 30u

uint64_t eq_fe_resampled(const struct eq_fe_resample *op, uint32_t samples)
{
    /* Whole rounds of `down` samples, and of the rest r * phases / down bit by bit: no core divides 64 bits by itself. */
    uint32_t left = samples % op->down, quotient = 0, rest = 0;
    for (uint32_t bit = (uint32_t)1 << 31; bit > 0; bit >>= 1) {
        quotient <<= 1;
        rest = 2 * rest + (op->phases & bit ? left : 0);
        for (; rest >= op->down; rest -= op->down) {
            quotient++;
        }
    }
    return (uint64_t)(samples / op->down) * op->phases + quotient + (rest > 0);
}

void eq_fe_resample_begin(struct eq_frontend *front)
{
    const struct eq_fe_resample *op = front->resample;
    memset(eq_in_arena(front->model, op->history), 0, 2 * (size_t)op->taps * sizeof(int16_t));
    front->phase = front->oldest = 0;
    front->wanted = op->taps / 2 + 1;
}

/* Each sample is kept twice, so that the last `taps` always lie in one piece. */
void eq_fe_resample_put(struct eq_frontend *front, int16_t sample)
{
    const struct eq_fe_resample *op = front->resample;
    int16_t *history = eq_in_arena(front->model, op->history);
    history[front->oldest] = history[front->oldest + op->taps] = sample;
    front->oldest = front->oldest + 1 < op->taps ? front->oldest + 1 : 0;
    front->wanted--;
}

/* A tap's magnitude is at most 2^31, a sample's 2^15, and taps are at most 2^15, an even number (eq_fe_check): whatever a
 * table says, a sum stays within 2^61 and never overflows. */
static int64_t forward(const int16_t *x, const int32_t *tap, uint32_t taps)
{
    int64_t sum = 0;
    for (; taps > 0; taps -= 2) {
        sum += (int64_t)*tap++ * *x++;
        sum += (int64_t)*tap++ * *x++;
    }
    return sum;
}

static int64_t backward(const int16_t *x, const int32_t *tap, uint32_t taps)
{
    int64_t sum = 0;
    tap += taps;
    for (; taps > 0; taps -= 2) {
        sum += (int64_t)*--tap * *x++;
        sum += (int64_t)*--tap * *x++;
    }
    return sum;
}

int16_t eq_fe_resample_next(struct eq_frontend *front)
{
    const struct eq_fe_resample *op = front->resample;
    const int16_t *x = (const int16_t *)eq_in_arena(front->model, op->history) + front->oldest;
    const int32_t *table = eq_at(front->model, op->table);
    uint32_t phase = front->phase;
    int64_t sum = phase <= op->phases / 2 ? forward(x, table + (size_t)phase * op->taps, op->taps)
                                          : backward(x, table + (size_t)(op->phases - phase) * op->taps, op->taps);
    phase += op->down;
    front->wanted = phase / op->phases;
    front->phase = phase % op->phases;
    return (int16_t)eq_fe_held(eq_fe_shifted(sum, TAP_BITS), INT16_MIN, INT16_MAX);
}
