/* Records from samples to numbers: what they must be so that none reads or writes elsewhere, or overflows. */
#include "eq_fe_check.h"

#define MOST_RATIO 768000u
#define MOST_TAPS (1u << 15)
#define ONE (1 << 30) /* of windows and twiddles */
#define PCAN_GAINS 125u
#define LOG_POINTS 129u

static int is_power(uint32_t x, uint32_t least, uint32_t most)
{
    return x >= least && x <= most && (x & (x - 1)) == 0;
}

static int is_number(struct eq_fe_number x)
{
    return x.m == 0 ? x.e == 0 : x.m >> 31 && x.e >= -EQ_FE_MOST_EXPONENT && x.e <= EQ_FE_MOST_EXPONENT;
}

static int resample(struct eq_fe_check *check, const struct eq_fe_resample *op)
{
    uint64_t whole;
    if (check->records != 0 || op->phases < 1 || op->phases > MOST_RATIO || op->down < 1 || op->down > MOST_RATIO ||
        op->taps < 2 || op->taps > MOST_TAPS || op->taps % 2 != 0 ||
        !eq_fe_is_constant(check, op->table, ((uint64_t)op->phases / 2 + 1) * op->taps * 4, 4) ||
        eq_check_arena(check->bounds, op->history, (uint64_t)op->taps * 4, 2) != EQ_OK) {
        return 0;
    }
    whole = eq_fe_resampled(op, check->whole);
    check->whole = (uint32_t)whole;
    check->resample = 1;
    return whole <= EQ_FE_MOST_SAMPLES;
}

static int pad(struct eq_fe_check *check, const struct eq_fe_pad *op)
{
    check->pad = op->samples;
    return check->records == check->resample && op->samples >= 1 && op->samples <= EQ_FE_MOST_SAMPLES && op->at_start <= 1;
}

static int scale(struct eq_fe_check *check, const struct eq_fe_scale *op)
{
    check->other = 1;
    return op->shift <= EQ_FE_MOST_SHIFT && op->add_shift <= EQ_FE_MOST_SHIFT;
}

static int clip(struct eq_fe_check *check, const struct eq_fe_clip *op)
{
    check->other = 1;
    return op->low <= op->high && op->shift <= EQ_FE_MOST_SHIFT;
}

static int preemphasis(struct eq_fe_check *check, const void *op)
{
    int first = !check->preemphasis;
    (void)op;
    check->preemphasis = check->other = 1;
    return first;
}

static int peak(struct eq_fe_check *check, const struct eq_fe_peak *op)
{
    int first = !check->peak;
    check->peak = check->other = 1;
    return first && op->magnitude <= 1 && op->unit <= 29;
}

static int frame(struct eq_fe_check *check, const struct eq_fe_frame *op)
{
    uint32_t whole = check->pad ? check->pad : check->whole;
    check->length = op->length;
    return op->length >= 2 && op->length <= EQ_FE_MOST_SAMPLES && op->step >= 1 && op->step <= EQ_FE_MOST_SAMPLES &&
           check->head->clip_samples >= (check->peak ? whole : op->length + 1);
}

/* Whether a frame, its spectrum and the samples that they are made of fit into the work's memory. */
static int frame_fits(const struct eq_fe_check *check, uint32_t fft)
{
    uint64_t words = (uint64_t)fft + 2 + check->length + 1;
    return check->length <= fft && words * 4 <= check->head->work_bytes;
}

static int is_window(const struct eq_fe_check *check, eq_ref ref)
{
    const int32_t *window;
    if (ref == EQ_NONE) {
        return 1;
    }
    if (!eq_fe_is_constant(check, ref, (uint64_t)check->length * 4, 4)) {
        return 0;
    }
    window = eq_fe_constant(check, ref);
    for (uint32_t i = 0; i < check->length; i++) {
        if (window[i] < -ONE || window[i] > ONE) {
            return 0;
        }
    }
    return 1;
}

/* None is longer than 1, but for rounding. */
static int are_twiddles(const struct eq_fe_check *check, eq_ref ref, uint32_t count)
{
    const int32_t *at;
    if (!eq_fe_is_constant(check, ref, (uint64_t)count * 8, 4)) {
        return 0;
    }
    at = eq_fe_constant(check, ref);
    for (uint32_t i = 0; i < count; i++, at += 2) {
        int64_t cosine = at[0], sine = at[1];
        if (cosine < -ONE || cosine > ONE || sine < -ONE || sine > ONE ||
            cosine * cosine + sine * sine > (int64_t)ONE * ONE + ((int64_t)1 << 32)) {
            return 0;
        }
    }
    return 1;
}

static int spectrum(struct eq_fe_check *check, const struct eq_fe_spectrum *op)
{
    check->width = op->fft / 2 + 1;
    return is_power(op->fft, 4, 8192) && op->power <= 1 && op->exponent >= -EQ_FE_MOST_EXPONENT &&
           op->exponent <= EQ_FE_MOST_EXPONENT && frame_fits(check, op->fft) && is_window(check, op->window) &&
           are_twiddles(check, op->twiddles, op->fft / 2);
}

/* Slopes of bins below `limit`; how many weights they have, or UINT32_MAX. */
static uint32_t weights_of(const struct eq_fe_check *check, eq_ref ref, uint32_t count, uint32_t limit)
{
    const uint16_t *at;
    uint32_t total = 0;
    if (!eq_fe_is_constant(check, ref, (uint64_t)count * 4, 2)) {
        return UINT32_MAX;
    }
    at = eq_fe_constant(check, ref);
    for (uint32_t i = 0; i < count; i++, at += 2) {
        if ((uint32_t)at[0] + at[1] > limit) {
            return UINT32_MAX;
        }
        total += at[1];
    }
    return total;
}

static int micro_tables(const struct eq_fe_check *check, const struct eq_fe_micro *op)
{
    uint32_t weights = weights_of(check, op->slopes, op->channels + 1, op->fft / 2 + 1);
    const uint16_t *smoothing;
    if (weights == UINT32_MAX || !eq_fe_is_constant(check, op->weights, (uint64_t)weights * 4, 2) ||
        !eq_fe_is_constant(check, op->window, (uint64_t)check->length * 2, 2) ||
        !eq_fe_is_constant(check, op->twiddles, (uint64_t)op->fft * 2, 2) ||
        !eq_fe_is_constant(check, op->real_twiddles, (uint64_t)op->fft, 2) ||
        !eq_fe_is_constant(check, op->smoothing, (uint64_t)op->channels * 2, 2) ||
        (op->pcan && !eq_fe_is_constant(check, op->gains, (uint64_t)PCAN_GAINS * 2, 2)) ||
        (op->log && !eq_fe_is_constant(check, op->log_table, (uint64_t)LOG_POINTS * 2, 2))) {
        return 0;
    }
    smoothing = eq_fe_constant(check, op->smoothing);
    for (uint32_t i = 0; i < op->channels; i++) {
        if (smoothing[i] > 1u << 14) {
            return 0;
        }
    }
    return 1;
}

static int micro(struct eq_fe_check *check, const struct eq_fe_micro *op)
{
    check->width = op->channels;
    return is_power(op->fft, 16, 4096) && op->channels >= 1 && op->channels <= 128 && op->smoothing_bits <= 16 &&
           op->pcan <= 1 && op->snr_shift < 32 && op->log <= 1 && op->log_shift <= 16 &&
           op->correction_bits >= -6 && op->correction_bits <= 6 && !check->other && check->head->lift == 0 &&
           frame_fits(check, op->fft) && eq_fe_fits(check, op->channels, 4) && micro_tables(check, op) &&
           eq_check_arena(check->bounds, op->estimate, (uint64_t)op->channels * 4, 4) == EQ_OK;
}

static int mel(struct eq_fe_check *check, const struct eq_fe_mel *op)
{
    uint32_t weights = op->bins <= EQ_FE_MOST_ROW ? weights_of(check, op->slopes, op->bins, check->width) : UINT32_MAX;
    check->width = op->bins;
    return weights != UINT32_MAX && eq_fe_is_constant(check, op->weights, (uint64_t)weights * 4, 4) &&
           op->exponent >= -EQ_FE_MOST_EXPONENT && op->exponent <= EQ_FE_MOST_EXPONENT &&
           eq_fe_fits(check, op->bins, sizeof(struct eq_fe_number));
}

static int bins(struct eq_fe_check *check, const void *op)
{
    (void)op;
    return eq_fe_fits(check, check->width, sizeof(struct eq_fe_number));
}

static int gain(struct eq_fe_check *check, const struct eq_fe_gain *op)
{
    (void)check;
    return is_number(op->mult) && is_number(op->add);
}

static int hold(struct eq_fe_check *check, const struct eq_fe_hold *op)
{
    (void)check;
    return is_number(op->low) && is_number(op->high);
}

static int logarithm(struct eq_fe_check *check, const struct eq_fe_log *op)
{
    (void)check;
    return is_number(op->floor) && is_number(op->offset) && op->shift <= EQ_FE_MOST_SHIFT;
}

static int fix(struct eq_fe_check *check, const struct eq_fe_fix *op)
{
    (void)check;
    return op->exponent >= -EQ_FE_MOST_EXPONENT && op->exponent <= EQ_FE_MOST_EXPONENT;
}

/* What a mean is multiplied with lies below 2, so that it never outgrows its exponent. */
static int is_part(struct eq_fe_number x)
{
    return is_number(x) && (x.m == 0 || x.e <= -31);
}

static int pcen(struct eq_fe_check *check, const struct eq_fe_pcen *op)
{
    uint64_t bytes = (uint64_t)check->width * sizeof(struct eq_fe_number);
    return op->from_one <= 1 && is_part(op->keep) && is_part(op->part) && is_number(op->eps) && is_number(op->bias) &&
           op->gain <= EQ_FE_MOST_POWER && op->power <= EQ_FE_MOST_POWER && op->exponent >= -EQ_FE_MOST_EXPONENT &&
           op->exponent <= EQ_FE_MOST_EXPONENT && eq_check_arena(check->bounds, op->mean, bytes, 4) == EQ_OK &&
           eq_check_apart(op->mean, bytes, check->head->values, check->head->values_bytes) == EQ_OK;
}

EQ_FE_RULE(resample, struct eq_fe_resample)
EQ_FE_RULE(pad, struct eq_fe_pad)
EQ_FE_RULE(scale, struct eq_fe_scale)
EQ_FE_RULE(clip, struct eq_fe_clip)
EQ_FE_RULE(peak, struct eq_fe_peak)
EQ_FE_RULE(frame, struct eq_fe_frame)
EQ_FE_RULE(spectrum, struct eq_fe_spectrum)
EQ_FE_RULE(micro, struct eq_fe_micro)
EQ_FE_RULE(mel, struct eq_fe_mel)
EQ_FE_RULE(gain, struct eq_fe_gain)
EQ_FE_RULE(hold, struct eq_fe_hold)
EQ_FE_RULE(logarithm, struct eq_fe_log)
EQ_FE_RULE(fix, struct eq_fe_fix)
EQ_FE_RULE(pcen, struct eq_fe_pcen)

static const struct eq_fe_rule rules[] = {
    [EQ_FE_RESAMPLE] = {SAMPLES, SAMPLES, sizeof(struct eq_fe_resample), resample_holds},
    [EQ_FE_PAD] = {SAMPLES, SAMPLES, sizeof(struct eq_fe_pad), pad_holds},
    [EQ_FE_SCALE] = {SAMPLES, SAMPLES, sizeof(struct eq_fe_scale), scale_holds},
    [EQ_FE_CLIP] = {SAMPLES, SAMPLES, sizeof(struct eq_fe_clip), clip_holds},
    [EQ_FE_PREEMPHASIS] = {SAMPLES, SAMPLES, sizeof(struct eq_fe_preemphasis), preemphasis},
    [EQ_FE_PEAK] = {SAMPLES, SAMPLES, sizeof(struct eq_fe_peak), peak_holds},
    [EQ_FE_FRAME] = {SAMPLES, FRAMES, sizeof(struct eq_fe_frame), frame_holds},
    [EQ_FE_SPECTRUM] = {FRAMES, BINS, sizeof(struct eq_fe_spectrum), spectrum_holds},
    [EQ_FE_MICRO] = {FRAMES, VALUES, sizeof(struct eq_fe_micro), micro_holds},
    [EQ_FE_MEL] = {BINS, NUMBERS, sizeof(struct eq_fe_mel), mel_holds},
    [EQ_FE_BINS] = {BINS, NUMBERS, sizeof(struct eq_fe_bins), bins},
    [EQ_FE_GAIN] = {NUMBERS, NUMBERS, sizeof(struct eq_fe_gain), gain_holds},
    [EQ_FE_HOLD] = {NUMBERS, NUMBERS, sizeof(struct eq_fe_hold), hold_holds},
    [EQ_FE_LOG] = {NUMBERS, VALUES, sizeof(struct eq_fe_log), logarithm_holds},
    [EQ_FE_FIX] = {NUMBERS, VALUES, sizeof(struct eq_fe_fix), fix_holds},
    [EQ_FE_PCEN] = {NUMBERS, VALUES, sizeof(struct eq_fe_pcen), pcen_holds},
};

int eq_fe_check_audio(struct eq_fe_check *check, const struct eq_op *op)
{
    return eq_fe_check_by(rules, sizeof rules / sizeof *rules, check, op);
}
