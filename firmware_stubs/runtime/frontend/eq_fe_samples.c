/* From the samples that were kept to those of a frame, through padding, peak and the like. */
#include "eq_fe.h"

/* `count` samples of the padded clip from `from` on. */
static void fetch(const struct eq_frontend *front, uint32_t from, uint32_t count, int32_t *out)
{
    const int16_t *kept = eq_fe_kept(front);
    uint32_t room = front->head->clip_samples, behind = front->lead + front->samples - front->cut, at;
    for (; count > 0 && from < front->lead; count--, from++) {
        *out++ = 0;
    }
    at = from < behind ? (from - front->lead) % room : 0;
    for (; count > 0 && from < behind; count--, from++) {
        *out++ = kept[at] * (1 << front->head->lift);
        at = at + 1 < room ? at + 1 : 0;
    }
    for (; count > 0; count--) {
        *out++ = 0;
    }
}

/* A number of a record in units of a sample; behind a peak it is a part of that. */
static int32_t in_units(int32_t value, uint32_t shift, int32_t peak)
{
    int64_t found = peak == 0 ? value : eq_fe_shifted((int64_t)value * peak, shift);
    return eq_fe_held(found, -EQ_FE_SAMPLE_MOST, EQ_FE_SAMPLE_MOST);
}

static void scale(const struct eq_fe_scale *op, int32_t peak, int32_t *x, uint32_t count)
{
    int32_t add = in_units(op->add, op->add_shift, peak);
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = eq_fe_shifted((int64_t)x[i] * op->mult, op->shift) + add;
        x[i] = eq_fe_held(value, -EQ_FE_SAMPLE_MOST, EQ_FE_SAMPLE_MOST);
    }
}

static void clip(const struct eq_fe_clip *op, int32_t peak, int32_t *x, uint32_t count)
{
    int32_t low = in_units(op->low, op->shift, peak), high = in_units(op->high, op->shift, peak);
    for (uint32_t i = 0; i < count; i++) {
        x[i] = eq_fe_held(x[i], low, high);
    }
}

/* `x` has one sample more, that before the first one. */
static void preemphasis(const struct eq_fe_preemphasis *op, int32_t *x, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = x[i + 1] - eq_fe_shifted((int64_t)x[i] * op->coefficient, 30);
        x[i] = eq_fe_held(value, -EQ_FE_SAMPLE_MOST, EQ_FE_SAMPLE_MOST);
    }
}

int32_t *eq_fe_samples(const struct eq_frontend *front, uint32_t from, uint32_t count, const void *until, int32_t *out)
{
    uint32_t before = front->preemphasis;
    int32_t peak = 0;
    if (before && from == 0) {
        out[0] = 0;
        fetch(front, 0, count, out + 1);
    } else {
        fetch(front, from - before, count + before, out);
    }
    for (const uint8_t *at = front->records; at != until; at += ((const struct eq_op *)(const void *)at)->bytes) {
        const void *op = at;
        switch (((const struct eq_op *)op)->kind) {
        case EQ_FE_SCALE:
            scale(op, peak, out, count + before);
            break;
        case EQ_FE_CLIP:
            clip(op, peak, out, count + before);
            break;
        case EQ_FE_PREEMPHASIS:
            out[0] = from == 0 ? 0 : out[0];
            preemphasis(op, out, count);
            before = 0;
            break;
        case EQ_FE_PEAK:
            peak = front->highest;
            break;
        case EQ_FE_FRAME:
        case EQ_FE_MICRO:
            return out + before;
        default:
            break;
        }
    }
    return out + before;
}

int32_t eq_fe_highest(const struct eq_frontend *front)
{
    int32_t *x = eq_fe_work(front), highest = 0;
    uint32_t block = front->frame->length;
    for (uint32_t from = 0; from < front->total; from += block) {
        uint32_t count = front->total - from < block ? front->total - from : block;
        const int32_t *sample = eq_fe_samples(front, from, count, front->peak, x);
        for (uint32_t i = 0; i < count; i++) {
            int32_t size = front->peak->magnitude && sample[i] < 0 ? -sample[i] : sample[i];
            highest = size > highest ? size : highest;
        }
    }
    return highest > 0 ? highest : 1 << front->peak->unit;
}
