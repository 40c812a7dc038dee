/* What a front end says is checked once; after that no byte of it can make a step read or write elsewhere, or overflow. */
#include "eq_check.h"
#include "eq_fe.h"

#define MOST_SAMPLES (1u << 26)
#define MOST_SHIFT 62u
#define MOST_EXPONENT 512
#define MOST_LIFT 14u
#define MOST_RATIO 768000u
#define MOST_TAPS (1u << 15)
#define ONE (1 << 30) /* of windows and twiddles */
#define PCAN_GAINS 125u
#define LOG_POINTS 129u
#define MOST_MULT ((int64_t)1 << 38)
#define MOST_ADD ((int64_t)1 << 61)

/* What a record takes and gives. */
enum stage { SAMPLES, PIXELS, WORDS, FRAMES, BINS, NUMBERS, VALUES, DONE, NO_STAGE };

struct check {
    const struct eq_bounds *bounds;
    const struct eq_fe_head *head;
    const struct eq_tensor *input;
    uint32_t records;     /* seen so far */
    uint32_t length;      /* of a frame */
    uint32_t width;       /* of what a record gets */
    uint32_t pad;         /* samples of a padded clip; 0 without padding */
    uint32_t whole;       /* samples of the longest clip, behind a resample */
    uint8_t stage, resample, peak, preemphasis, stack, other; /* which were seen; `other`: a step on samples */
};

static const void *constant(const struct check *check, eq_ref ref)
{
    return check->bounds->body + (ref & ~EQ_CONST);
}

static int is_constant(const struct check *check, eq_ref ref, uint64_t bytes, uint32_t align)
{
    return eq_check_const(check->bounds, ref, bytes, align) == EQ_OK;
}

static int is_power(uint32_t x, uint32_t least, uint32_t most)
{
    return x >= least && x <= most && (x & (x - 1)) == 0;
}

static int is_number(struct eq_fe_number x)
{
    return x.m == 0 ? x.e == 0 : x.m >> 31 && x.e >= -MOST_EXPONENT && x.e <= MOST_EXPONENT;
}

/* Whether `count` things of `size` bytes fit into the row of values. */
static int fits(const struct check *check, uint64_t count, uint32_t size)
{
    return count >= 1 && count <= EQ_FE_MOST_ROW && count * size <= check->head->values_bytes;
}

static int resample(struct check *check, const struct eq_fe_resample *op)
{
    uint64_t whole;
    if (check->records != 0 || op->phases < 1 || op->phases > MOST_RATIO || op->down < 1 || op->down > MOST_RATIO ||
        op->taps < 2 || op->taps > MOST_TAPS || op->taps % 2 != 0 ||
        !is_constant(check, op->table, ((uint64_t)op->phases / 2 + 1) * op->taps * 4, 4) ||
        eq_check_arena(check->bounds, op->history, (uint64_t)op->taps * 4, 2) != EQ_OK) {
        return 0;
    }
    whole = eq_fe_resampled(op, check->whole);
    check->whole = (uint32_t)whole;
    check->resample = 1;
    return whole <= MOST_SAMPLES;
}

static int pad(struct check *check, const struct eq_fe_pad *op)
{
    check->pad = op->samples;
    return check->records == check->resample && op->samples >= 1 && op->samples <= MOST_SAMPLES && op->at_start <= 1;
}

static int scale(struct check *check, const struct eq_fe_scale *op)
{
    check->other = 1;
    return op->shift <= MOST_SHIFT && op->add_shift <= MOST_SHIFT;
}

static int clip(struct check *check, const struct eq_fe_clip *op)
{
    check->other = 1;
    return op->low <= op->high && op->shift <= MOST_SHIFT;
}

static int preemphasis(struct check *check, const void *op)
{
    int first = !check->preemphasis;
    (void)op;
    check->preemphasis = check->other = 1;
    return first;
}

static int peak(struct check *check, const struct eq_fe_peak *op)
{
    int first = !check->peak;
    check->peak = check->other = 1;
    return first && op->magnitude <= 1 && op->unit <= 29;
}

static int frame(struct check *check, const struct eq_fe_frame *op)
{
    uint32_t whole = check->pad ? check->pad : check->whole;
    check->length = op->length;
    return op->length >= 2 && op->length <= MOST_SAMPLES && op->step >= 1 && op->step <= MOST_SAMPLES &&
           check->head->clip_samples >= (check->peak ? whole : op->length + 1);
}

/* Whether a frame, its spectrum and the samples that they are made of fit into the work's memory. */
static int frame_fits(const struct check *check, uint32_t fft)
{
    uint64_t words = (uint64_t)fft + 2 + check->length + 1;
    return check->length <= fft && words * 4 <= check->head->work_bytes;
}

static int is_window(const struct check *check, eq_ref ref)
{
    const int32_t *window;
    if (ref == EQ_NONE) {
        return 1;
    }
    if (!is_constant(check, ref, (uint64_t)check->length * 4, 4)) {
        return 0;
    }
    window = constant(check, ref);
    for (uint32_t i = 0; i < check->length; i++) {
        if (window[i] < -ONE || window[i] > ONE) {
            return 0;
        }
    }
    return 1;
}

/* None is longer than 1, but for rounding. */
static int are_twiddles(const struct check *check, eq_ref ref, uint32_t count)
{
    const int32_t *at;
    if (!is_constant(check, ref, (uint64_t)count * 8, 4)) {
        return 0;
    }
    at = constant(check, ref);
    for (uint32_t i = 0; i < count; i++, at += 2) {
        int64_t cosine = at[0], sine = at[1];
        if (cosine < -ONE || cosine > ONE || sine < -ONE || sine > ONE ||
            cosine * cosine + sine * sine > (int64_t)ONE * ONE + ((int64_t)1 << 32)) {
            return 0;
        }
    }
    return 1;
}

static int spectrum(struct check *check, const struct eq_fe_spectrum *op)
{
    check->width = op->fft / 2 + 1;
    return is_power(op->fft, 4, 8192) && op->power <= 1 && op->exponent >= -MOST_EXPONENT &&
           op->exponent <= MOST_EXPONENT && frame_fits(check, op->fft) && is_window(check, op->window) &&
           are_twiddles(check, op->twiddles, op->fft / 2);
}

/* Slopes of bins below `limit`; how many weights they have, or UINT32_MAX. */
static uint32_t weights_of(const struct check *check, eq_ref ref, uint32_t count, uint32_t limit)
{
    const uint16_t *at;
    uint32_t total = 0;
    if (!is_constant(check, ref, (uint64_t)count * 4, 2)) {
        return UINT32_MAX;
    }
    at = constant(check, ref);
    for (uint32_t i = 0; i < count; i++, at += 2) {
        if ((uint32_t)at[0] + at[1] > limit) {
            return UINT32_MAX;
        }
        total += at[1];
    }
    return total;
}

static int micro_tables(const struct check *check, const struct eq_fe_micro *op)
{
    uint32_t weights = weights_of(check, op->slopes, op->channels + 1, op->fft / 2 + 1);
    const uint16_t *smoothing;
    if (weights == UINT32_MAX || !is_constant(check, op->weights, (uint64_t)weights * 4, 2) ||
        !is_constant(check, op->window, (uint64_t)check->length * 2, 2) ||
        !is_constant(check, op->twiddles, (uint64_t)op->fft * 2, 2) ||
        !is_constant(check, op->real_twiddles, (uint64_t)op->fft, 2) ||
        !is_constant(check, op->smoothing, (uint64_t)op->channels * 2, 2) ||
        (op->pcan && !is_constant(check, op->gains, (uint64_t)PCAN_GAINS * 2, 2)) ||
        (op->log && !is_constant(check, op->log_table, (uint64_t)LOG_POINTS * 2, 2))) {
        return 0;
    }
    smoothing = constant(check, op->smoothing);
    for (uint32_t i = 0; i < op->channels; i++) {
        if (smoothing[i] > 1u << 14) {
            return 0;
        }
    }
    return 1;
}

static int micro(struct check *check, const struct eq_fe_micro *op)
{
    check->width = op->channels;
    return is_power(op->fft, 16, 4096) && op->channels >= 1 && op->channels <= 128 && op->smoothing_bits <= 16 &&
           op->pcan <= 1 && op->snr_shift < 32 && op->log <= 1 && op->log_shift <= 16 &&
           op->correction_bits >= -6 && op->correction_bits <= 6 && !check->other && check->head->lift == 0 &&
           frame_fits(check, op->fft) && fits(check, op->channels, 4) && micro_tables(check, op) &&
           eq_check_arena(check->bounds, op->estimate, (uint64_t)op->channels * 4, 4) == EQ_OK;
}

static int mel(struct check *check, const struct eq_fe_mel *op)
{
    uint32_t weights = op->bins <= EQ_FE_MOST_ROW ? weights_of(check, op->slopes, op->bins, check->width) : UINT32_MAX;
    check->width = op->bins;
    return weights != UINT32_MAX && is_constant(check, op->weights, (uint64_t)weights * 4, 4) &&
           op->exponent >= -MOST_EXPONENT && op->exponent <= MOST_EXPONENT &&
           fits(check, op->bins, sizeof(struct eq_fe_number));
}

static int bins(struct check *check, const void *op)
{
    (void)op;
    return fits(check, check->width, sizeof(struct eq_fe_number));
}

static int gain(struct check *check, const struct eq_fe_gain *op)
{
    (void)check;
    return is_number(op->mult) && is_number(op->add);
}

static int hold(struct check *check, const struct eq_fe_hold *op)
{
    (void)check;
    return is_number(op->low) && is_number(op->high);
}

static int logarithm(struct check *check, const struct eq_fe_log *op)
{
    (void)check;
    return is_number(op->floor) && is_number(op->offset) && op->shift <= MOST_SHIFT;
}

static int fix(struct check *check, const struct eq_fe_fix *op)
{
    (void)check;
    return op->exponent >= -MOST_EXPONENT && op->exponent <= MOST_EXPONENT;
}

/* What a mean is multiplied with lies below 2, so that it never outgrows its exponent. */
static int is_part(struct eq_fe_number x)
{
    return is_number(x) && (x.m == 0 || x.e <= -31);
}

static int pcen(struct check *check, const struct eq_fe_pcen *op)
{
    uint64_t bytes = (uint64_t)check->width * sizeof(struct eq_fe_number);
    return op->from_one <= 1 && is_part(op->keep) && is_part(op->part) && is_number(op->eps) && is_number(op->bias) &&
           op->gain <= EQ_FE_MOST_POWER && op->power <= EQ_FE_MOST_POWER && op->exponent >= -MOST_EXPONENT &&
           op->exponent <= MOST_EXPONENT && eq_check_arena(check->bounds, op->mean, bytes, 4) == EQ_OK &&
           eq_check_apart(op->mean, bytes, check->head->values, check->head->values_bytes) == EQ_OK;
}

static int affine(struct check *check, const struct eq_fe_affine *op)
{
    uint64_t bytes = (uint64_t)op->count * 4;
    return (op->count == 1 || op->count == check->width) && op->shift <= MOST_SHIFT &&
           is_constant(check, op->mult, bytes, 4) && is_constant(check, op->add, bytes, 4);
}

static int limit(struct check *check, const struct eq_fe_limit *op)
{
    (void)check;
    return op->low <= op->high;
}

/* Whether a sum of products with the `count` numbers at `row` stays within 63 bits. */
static int is_light(const int32_t *row, uint32_t count)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t value = row[i];
        sum += (uint64_t)(value < 0 ? -value : value);
    }
    return sum <= (uint64_t)1 << 31;
}

static int matrix(struct check *check, const struct eq_fe_matrix *op)
{
    uint32_t width = check->width;
    const int32_t *table;
    if (op->shift > MOST_SHIFT || !fits(check, op->out, 4) || (uint64_t)op->out * 4 > check->head->work_bytes ||
        !is_constant(check, op->table, (uint64_t)op->out * width * 4, 4)) {
        return 0;
    }
    table = constant(check, op->table);
    for (uint32_t i = 0; i < op->out; i++) {
        if (!is_light(table + (size_t)i * width, width)) {
            return 0;
        }
    }
    check->width = op->out;
    return 1;
}

static int stack(struct check *check, const struct eq_fe_stack *op)
{
    uint64_t wide = (uint64_t)op->frames * check->width, bytes = wide * 4;
    int first = !check->stack;
    check->stack = 1;
    check->width = (uint32_t)wide;
    return first && op->frames >= 1 && op->step >= 1 && fits(check, wide, 4) &&
           eq_check_arena(check->bounds, op->kept, bytes, 4) == EQ_OK &&
           eq_check_apart(op->kept, bytes, check->head->values, check->head->values_bytes) == EQ_OK;
}

static int quantize(struct check *check, const struct eq_fe_quantize *op)
{
    uint32_t size = op->dtype == EQ_I16 ? 2 : 1;
    return (op->dtype == EQ_I8 || op->dtype == EQ_U8 || op->dtype == EQ_I16) && op->dtype == check->input->dtype &&
           op->shift <= MOST_SHIFT && (uint64_t)check->head->rows * check->width * size == check->input->bytes;
}

static int picture(struct check *check, const struct eq_fe_picture *op)
{
    uint64_t width = (uint64_t)op->width * op->channels;
    int sides = op->height >= 1 && op->width >= 1 && op->width <= EQ_FE_MOST_SIDE && op->height <= EQ_FE_MOST_SIDE &&
                op->crop_height <= EQ_FE_MOST_SIDE && op->crop_width <= EQ_FE_MOST_SIDE &&
                op->resized_height <= EQ_FE_MOST_SIDE && op->resized_width <= EQ_FE_MOST_SIDE;
    int channels = op->channels == 1 ? op->colour == EQ_FE_AS_IS || op->colour == EQ_FE_GRAY
                                     : op->channels == 3 && op->colour <= EQ_FE_BGR;
    int inside = op->fit == EQ_FE_UNSIZED || (op->resized_height >= op->height && op->resized_width >= op->width);
    check->width = (uint32_t)width;
    return sides && channels && inside && op->fit <= EQ_FE_CONTAIN && op->nearest <= 1 &&
           (op->crop_height == 0) == (op->crop_width == 0) && fits(check, width, 4) &&
           width * 8 <= check->head->work_bytes && check->head->rows == op->height;
}

static int lookup(struct check *check, const struct eq_fe_lookup *op)
{
    uint32_t size = op->dtype == EQ_I16 ? 2 : 1;
    return (op->dtype == EQ_I8 || op->dtype == EQ_U8 || op->dtype == EQ_I16) && op->dtype == check->input->dtype &&
           op->channels >= 1 && op->channels <= 4 &&
           is_constant(check, op->table, (uint64_t)op->channels * 256 * size, size) &&
           (uint64_t)check->head->rows * check->width * size == check->input->bytes;
}

static int features(struct check *check, const struct eq_fe_features *op)
{
    check->width = op->width;
    return op->axes <= EQ_FE_ROWS_OF && fits(check, op->width, 4);
}

static int is_column(const struct eq_fe_column *column, int32_t low, int32_t high)
{
    int64_t mult = eq_fe_wide(column->mult), add = eq_fe_wide(column->add);
    return mult >= -MOST_MULT && mult <= MOST_MULT && add >= -MOST_ADD && add <= MOST_ADD &&
           column->exponent >= -MOST_EXPONENT && column->exponent <= MOST_EXPONENT && column->low >= low &&
           column->low <= column->high && column->high <= high;
}

static int convert(struct check *check, const struct eq_fe_convert *op)
{
    uint32_t wide = op->dtype == EQ_I16;
    int32_t low = op->dtype == EQ_U8 ? 0 : wide ? INT16_MIN : INT8_MIN;
    int32_t high = low + (wide ? UINT16_MAX : UINT8_MAX);
    if ((op->dtype != EQ_I8 && op->dtype != EQ_U8 && op->dtype != EQ_I16) || op->dtype != check->input->dtype ||
        check->head->input != EQ_FE_NUMBERS || (op->count != 1 && op->count != check->width) ||
        (uint64_t)check->head->rows * check->width * (wide ? 2 : 1) != check->input->bytes ||
        !is_constant(check, op->columns, (uint64_t)op->count * sizeof(struct eq_fe_column), 4)) {
        return 0;
    }
    for (uint32_t i = 0; i < op->count; i++) {
        if (!is_column((const struct eq_fe_column *)constant(check, op->columns) + i, low, high)) {
            return 0;
        }
    }
    return 1;
}

struct rule {
    uint8_t from, to; /* enum stage */
    uint16_t bytes;   /* of the record */
    int (*holds)(struct check *check, const void *op);
};

/* A function of the record's own type as one of the table's. */
#define RULE(name, type)                                                     \
    static int name##_holds(struct check *check, const void *op)            \
    {                                                                        \
        return name(check, (const type *)op);                                \
    }
RULE(resample, struct eq_fe_resample)
RULE(pad, struct eq_fe_pad)
RULE(scale, struct eq_fe_scale)
RULE(clip, struct eq_fe_clip)
RULE(peak, struct eq_fe_peak)
RULE(frame, struct eq_fe_frame)
RULE(spectrum, struct eq_fe_spectrum)
RULE(micro, struct eq_fe_micro)
RULE(mel, struct eq_fe_mel)
RULE(gain, struct eq_fe_gain)
RULE(hold, struct eq_fe_hold)
RULE(logarithm, struct eq_fe_log)
RULE(fix, struct eq_fe_fix)
RULE(pcen, struct eq_fe_pcen)
RULE(affine, struct eq_fe_affine)
RULE(limit, struct eq_fe_limit)
RULE(matrix, struct eq_fe_matrix)
RULE(stack, struct eq_fe_stack)
RULE(quantize, struct eq_fe_quantize)
RULE(picture, struct eq_fe_picture)
RULE(lookup, struct eq_fe_lookup)
RULE(features, struct eq_fe_features)
RULE(convert, struct eq_fe_convert)

static const struct rule rules[] = {
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
    [EQ_FE_AFFINE] = {VALUES, VALUES, sizeof(struct eq_fe_affine), affine_holds},
    [EQ_FE_LIMIT] = {VALUES, VALUES, sizeof(struct eq_fe_limit), limit_holds},
    [EQ_FE_MATRIX] = {VALUES, VALUES, sizeof(struct eq_fe_matrix), matrix_holds},
    [EQ_FE_STACK] = {VALUES, VALUES, sizeof(struct eq_fe_stack), stack_holds},
    [EQ_FE_QUANTIZE] = {VALUES, DONE, sizeof(struct eq_fe_quantize), quantize_holds},
    [EQ_FE_LOOKUP] = {VALUES, DONE, sizeof(struct eq_fe_lookup), lookup_holds},
    [EQ_FE_PICTURE] = {PIXELS, VALUES, sizeof(struct eq_fe_picture), picture_holds},
    [EQ_FE_FEATURES] = {WORDS, VALUES, sizeof(struct eq_fe_features), features_holds},
    [EQ_FE_CONVERT] = {VALUES, DONE, sizeof(struct eq_fe_convert), convert_holds},
};

static int check_records(struct check *check, const uint8_t *at, uint32_t left)
{
    for (; left > 0; check->records++) {
        const struct eq_op *op = (const void *)at;
        const struct rule *rule;
        if (left < sizeof *op || op->bytes < sizeof *op || op->bytes > left || op->bytes % 4 != 0) {
            return EQ_INVALID;
        }
        rule = op->kind < sizeof rules / sizeof *rules ? &rules[op->kind] : NULL;
        if (rule == NULL || rule->holds == NULL) {
            return EQ_UNSUPPORTED;
        }
        if (rule->from != check->stage || rule->bytes != op->bytes || !rule->holds(check, op)) {
            return EQ_INVALID;
        }
        check->stage = rule->to;
        at += op->bytes;
        left -= op->bytes;
    }
    return check->stage == DONE ? EQ_OK : EQ_INVALID;
}

static int check_goldens(const struct eq_bounds *bounds, const struct eq_model *model, const struct eq_fe_head *head)
{
    uint64_t at = head->raws, outputs = 0;
    for (unsigned i = 0; i < model->head->outputs; i++) {
        outputs += eq_output_info(model, i)->bytes;
    }
    for (uint32_t i = 0; i < head->raw_goldens; i++) {
        const struct eq_fe_golden *golden;
        uint64_t bytes;
        if (at >= EQ_CONST || eq_check_const(bounds, (eq_ref)at | EQ_CONST, sizeof *golden, 4) != EQ_OK) {
            return EQ_INVALID;
        }
        golden = (const void *)(bounds->body + at);
        bytes = sizeof *golden + (((uint64_t)golden->bytes + 3) & ~(uint64_t)3) + ((outputs + 3) & ~(uint64_t)3);
        if (eq_check_const(bounds, (eq_ref)at | EQ_CONST, bytes, 4) != EQ_OK) {
            return EQ_INVALID;
        }
        at += bytes;
    }
    return EQ_OK;
}

static int check_head(const struct eq_bounds *bounds, const struct eq_fe_head *head)
{
    return eq_check_that(head->least >= 1 && head->least <= head->most && head->most <= MOST_SAMPLES &&
                         head->clip_samples >= 1 && head->lift <= MOST_LIFT) |
           eq_check_arena(bounds, head->clip, (uint64_t)head->clip_samples * 2, 2) |
           eq_check_arena(bounds, head->work, head->work_bytes, 8) |
           eq_check_arena(bounds, head->values, head->values_bytes, 8) |
           eq_check_apart(head->work, head->work_bytes, head->values, head->values_bytes);
}

int eq_fe_check(const struct eq_bounds *bounds, const struct eq_model *model)
{
    uint32_t offset = model->head->frontend, bytes = model->head->frontend_bytes;
    const struct eq_fe_head *head = (const void *)(bounds->body + offset);
    struct check check = {.bounds = bounds, .head = head, .input = eq_input_info(model, 0)};
    if (offset >= EQ_CONST || bytes < sizeof *head || eq_check_const(bounds, offset | EQ_CONST, bytes, 4) != EQ_OK) {
        return EQ_INVALID;
    }
    if (head->version != EQ_FRONTEND_VERSION) {
        return EQ_NEWER;
    }
    if (head->input < EQ_FE_AUDIO || head->input > EQ_FE_NUMBERS) {
        return EQ_UNSUPPORTED;
    }
    check.whole = head->most;
    check.stage = head->input == EQ_FE_AUDIO ? SAMPLES : head->input == EQ_FE_IMAGE ? PIXELS : WORDS;
    if (model->head->inputs != 1 || check_head(bounds, head) != EQ_OK || check_goldens(bounds, model, head) != EQ_OK) {
        return EQ_INVALID;
    }
    return check_records(&check, (const uint8_t *)(head + 1), bytes - (uint32_t)sizeof *head);
}
