#include "edgeq/eq_frontend.h"

#include <string.h>

#include "eq_fe.h"

/* A record of a kind, or NULL. */
static const void *find(const struct eq_frontend *front, uint32_t kind)
{
    for (const uint8_t *at = front->records; at != front->end; at += ((const struct eq_op *)(const void *)at)->bytes) {
        if (((const struct eq_op *)(const void *)at)->kind == kind) {
            return at;
        }
    }
    return NULL;
}

uint32_t eq_frontend_version(void)
{
    return EQ_FRONTEND_VERSION;
}

int eq_frontend_open(struct eq_frontend *front, const struct eq_model *model)
{
    struct eq_bounds bounds = {model->body, model->head->body_bytes, model->head->arena_bytes};
    int status;
    memset(front, 0, sizeof *front);
    if (model->head->frontend_bytes == 0) {
        return EQ_NOT_FOUND;
    }
    status = eq_fe_check(&bounds, model);
    if (status != EQ_OK) {
        return status;
    }
    front->model = model;
    front->head = (const void *)(model->body + model->head->frontend);
    front->records = (const uint8_t *)(front->head + 1);
    front->end = model->body + model->head->frontend + model->head->frontend_bytes;
    front->resample = find(front, EQ_FE_RESAMPLE);
    front->pad = find(front, EQ_FE_PAD);
    front->peak = find(front, EQ_FE_PEAK);
    front->frame = find(front, EQ_FE_FRAME);
    front->preemphasis = find(front, EQ_FE_PREEMPHASIS) != NULL;
    return EQ_OK;
}

static int begin_audio(struct eq_frontend *front, const struct eq_raw *raw, const char **why)
{
    const struct eq_fe_head *head = front->head;
    const struct eq_fe_micro *micro = find(front, EQ_FE_MICRO);
    uint32_t samples = raw->dims[0], padded;
    if (raw->dtype != EQ_I16 || raw->rank != 1) {
        return eq_fe_refused(why, "the release takes audio: int16 samples [n]");
    }
    if (raw->rate_hz != head->rate_hz) {
        return eq_fe_refused(why, "the audio has another rate than the release expects; resample it before it is sent");
    }
    if (samples < head->least || samples > head->most) {
        return eq_fe_refused(why, "the audio is shorter or longer than the release expects");
    }
    front->bytes = samples * 2;
    if (front->resample != NULL) {
        eq_fe_resample_begin(front);
        samples = (uint32_t)eq_fe_resampled(front->resample, samples);
    }
    front->samples = samples;
    padded = front->pad != NULL ? front->pad->samples : samples;
    front->total = padded;
    if (front->pad != NULL && front->pad->at_start) {
        front->lead = padded > samples ? padded - samples : 0;
        front->cut = padded < samples ? samples - padded : 0;
    }
    if (micro != NULL) {
        memset(eq_in_arena(front->model, micro->estimate), 0, micro->channels * sizeof(uint32_t));
    }
    return EQ_OK;
}

int eq_frontend_begin(struct eq_frontend *front, const struct eq_raw *raw, const char **why)
{
    front->got = front->at = front->row = front->stacked = front->lead = front->cut = 0;
    front->bytes = front->total = front->samples = front->heard = 0;
    front->highest = 0;
    return front->head->input == EQ_FE_IMAGE     ? eq_fe_picture_begin(front, raw, why)
           : front->head->input == EQ_FE_NUMBERS ? eq_fe_features_begin(front, raw, why)
                                                 : begin_audio(front, raw, why);
}

uint32_t eq_frontend_bytes(const struct eq_frontend *front)
{
    return front->bytes;
}

/* How many samples of the clip are needed before the next frame can be made; of one with a peak, all. */
static uint32_t needed(const struct eq_frontend *front)
{
    uint64_t behind = (uint64_t)front->at * front->frame->step + front->frame->length + front->cut;
    if (front->peak != NULL || behind >= (uint64_t)front->samples + front->lead) {
        return front->samples;
    }
    return behind > front->lead ? (uint32_t)(behind - front->lead) : 0;
}

static int has_frame(const struct eq_frontend *front)
{
    return (uint64_t)front->at * front->frame->step + front->frame->length <= front->total &&
           front->row < front->head->rows;
}

static inline void keep(struct eq_frontend *front, int16_t sample)
{
    uint32_t room = front->head->clip_samples, index = front->heard++;
    if (index >= front->cut) {
        index -= front->cut;
        if (index < room || front->peak == NULL) {
            eq_fe_kept(front)[index < room ? index : index % room] = sample;
        }
    }
}

static int16_t sample_of(uint8_t low, uint8_t high)
{
    return (int16_t)(uint16_t)(low | high << 8);
}

static void hear(struct eq_frontend *front, int16_t sample)
{
    if (front->resample != NULL) {
        eq_fe_resample_put(front, sample);
    } else {
        keep(front, sample);
    }
}

/* Whether `until` samples are there, once all were made that can be: a resample makes no more, since a frame's ring holds no
 * more. */
static int has_heard(struct eq_frontend *front, uint32_t until)
{
    while (front->heard < until && front->resample != NULL && front->wanted == 0) {
        keep(front, eq_fe_resample_next(front));
    }
    return front->heard >= until;
}

/* Bytes of the raw input until `until` samples are there. */
static uint32_t take(struct eq_frontend *front, const uint8_t *data, uint32_t bytes, uint32_t until)
{
    const uint8_t *at = data, *end = data + bytes;
    while (at != end && front->got < front->bytes && !has_heard(front, until)) {
        if (front->got % 2 != 0) {
            hear(front, sample_of(front->odd, *at++));
            front->got++;
        } else if (end - at == 1) {
            front->odd = *at++;
            front->got++;
        } else {
            hear(front, sample_of(at[0], at[1]));
            at += 2;
            front->got += 2;
        }
    }
    return (uint32_t)(at - data);
}

/* The frame that is due, or the peak that must be known before the first one. */
static void work(struct eq_frontend *front)
{
    if (front->peak != NULL && front->highest == 0) {
        front->highest = eq_fe_highest(front);
    } else {
        eq_fe_row(front, front->at++);
    }
}

uint32_t eq_frontend_feed(struct eq_frontend *front, const void *data, uint32_t bytes)
{
    uint32_t taken;
    if (front->head->input == EQ_FE_IMAGE) {
        return eq_fe_picture_feed(front, data, bytes);
    }
    if (front->head->input == EQ_FE_NUMBERS) {
        return eq_fe_features_feed(front, data, bytes);
    }
    if (!has_frame(front)) { /* the rest is of no use */
        taken = front->bytes - front->got < bytes ? front->bytes - front->got : bytes;
        front->got += taken;
        return taken;
    }
    taken = take(front, data, bytes, needed(front));
    if (front->got < front->bytes && has_heard(front, needed(front))) {
        work(front);
    }
    return taken;
}

int eq_frontend_step(struct eq_frontend *front)
{
    if (front->head->input != EQ_FE_AUDIO || !has_frame(front)) {
        return 0;
    }
    while (!has_heard(front, needed(front))) { /* only a resample waits, for what follows the clip */
        hear(front, 0);
    }
    work(front);
    return has_frame(front);
}

uint32_t eq_frontend_goldens(const struct eq_frontend *front)
{
    return front->head != NULL ? front->head->raw_goldens : 0;
}

static uint32_t output_bytes(const struct eq_model *model)
{
    uint32_t total = 0;
    for (unsigned i = 0; i < model->head->outputs; i++) {
        total += eq_output_info(model, i)->bytes;
    }
    return total;
}

/* Its place in the body; `eq_fe_check` saw that all of them lie there. */
static const struct eq_fe_golden *golden_at(const struct eq_frontend *front, uint32_t index)
{
    const uint8_t *at = front->model->body + front->head->raws;
    while (index-- > 0) {
        const struct eq_fe_golden *golden = (const void *)at;
        at += sizeof *golden + ((golden->bytes + 3) & ~3u) + ((output_bytes(front->model) + 3) & ~3u);
    }
    return (const void *)at;
}

int eq_frontend_golden_begin(struct eq_frontend *front, uint32_t index, const uint8_t **data, uint32_t *bytes)
{
    const struct eq_fe_golden *golden;
    struct eq_raw raw;
    const char *why;
    if (index >= eq_frontend_goldens(front)) {
        return EQ_NOT_FOUND;
    }
    golden = golden_at(front, index);
    raw = (struct eq_raw){golden->dtype, golden->rank, {golden->dims[0], golden->dims[1], golden->dims[2]},
                          golden->rate_hz};
    *data = (const uint8_t *)(golden + 1);
    *bytes = golden->bytes;
    return eq_frontend_begin(front, &raw, &why) == EQ_OK && front->bytes == *bytes ? EQ_OK : EQ_INVALID;
}

uint32_t eq_frontend_golden_compare(const struct eq_frontend *front, uint32_t index)
{
    const struct eq_fe_golden *golden;
    if (index >= eq_frontend_goldens(front)) {
        return UINT32_MAX;
    }
    golden = golden_at(front, index);
    return eq_golden_apart(front->model, (const uint8_t *)(golden + 1) + ((golden->bytes + 3) & ~3u));
}
