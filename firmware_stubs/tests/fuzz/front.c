#include "front.h"

#include "edgeq/eq_frontend.h"

#define MOST_SAMPLES 2048u
#define MOST_SIDE 48u
#define MOST_POINTS 40000u /* of all frames' transforms */
#define MOST_PRODUCTS 1000000u /* of a filter */
#define PIECE 37u

static const void *find(const struct eq_frontend *front, uint32_t kind)
{
    for (const uint8_t *at = front->records; at != front->end; at += ((const struct eq_op *)(const void *)at)->bytes) {
        if (((const struct eq_op *)(const void *)at)->kind == kind) {
            return at;
        }
    }
    return NULL;
}

/* Samples behind a resample; UINT32_MAX where they are too much work. */
static uint32_t heard(const struct eq_frontend *front, uint32_t samples)
{
    const struct eq_fe_resample *op = front->resample;
    uint64_t made = op != NULL ? ((uint64_t)samples * op->phases + op->down - 1) / op->down : samples;
    return op != NULL && made * op->taps > MOST_PRODUCTS ? UINT32_MAX : (uint32_t)made;
}

static uint32_t frames(const struct eq_frontend *front, uint32_t samples)
{
    const struct eq_fe_frame *frame = front->frame;
    return samples < frame->length ? 0 : (samples - frame->length) / frame->step + 1;
}

/* An input that the front end takes, if that is no work for hours: 1, else 0. */
static int choose(const struct eq_frontend *front, struct eq_raw *raw)
{
    const struct eq_fe_picture *picture = find(front, EQ_FE_PICTURE);
    const struct eq_fe_spectrum *spectrum = find(front, EQ_FE_SPECTRUM);
    const struct eq_fe_features *features = find(front, EQ_FE_FEATURES);
    const struct eq_fe_micro *micro = find(front, EQ_FE_MICRO);
    uint32_t samples, fft;
    if (picture != NULL) {
        uint32_t tall = picture->crop_height ? picture->crop_height + 1 : picture->fit ? 5 : picture->height;
        uint32_t wide = picture->crop_width ? picture->crop_width + 2 : picture->fit ? 7 : picture->width;
        *raw = (struct eq_raw){EQ_U8, 3, {tall, wide, picture->colour == EQ_FE_AS_IS ? picture->channels : 3}, 0};
        return tall <= MOST_SIDE && wide <= MOST_SIDE;
    }
    if (features != NULL) {
        static const uint32_t dtypes[] = {EQ_I16, EQ_U8, EQ_F32};
        uint32_t rows = front->head->least / features->width;
        *raw = (struct eq_raw){dtypes[front->head->most % 3], 2, {rows, features->width, 0}, 0};
        return front->head->least <= MOST_SAMPLES;
    }
    *raw = (struct eq_raw){EQ_I16, 1, {front->head->least + 1, 0, 0}, front->head->rate_hz};
    raw->dims[0] = raw->dims[0] < front->head->most ? raw->dims[0] : front->head->most;
    samples = heard(front, raw->dims[0]);
    if (samples > MOST_SAMPLES || raw->dims[0] > MOST_SAMPLES) {
        return 0;
    }
    samples = front->pad != NULL ? front->pad->samples : samples;
    fft = spectrum != NULL ? spectrum->fft : micro->fft;
    return samples <= MOST_SAMPLES && (uint64_t)frames(front, samples) * fft <= MOST_POINTS;
}

static void run(struct eq_frontend *front, const uint8_t *data, uint32_t room)
{
    uint32_t left = eq_frontend_bytes(front);
    while (left > 0) {
        uint32_t piece = left < PIECE ? left : PIECE;
        left -= eq_frontend_feed(front, data + left % (room - PIECE), piece);
    }
    while (eq_frontend_step(front)) {
    }
}

int front_of(const struct eq_model *model)
{
    struct eq_frontend front;
    struct eq_raw raw;
    const char *why = "";
    const uint8_t *data;
    uint32_t bytes;
    int status = eq_frontend_open(&front, model);
    if (status != EQ_OK) {
        return status;
    }
    if (choose(&front, &raw) && eq_frontend_begin(&front, &raw, &why) == EQ_OK) {
        run(&front, model->body, model->head->body_bytes);
    }
    for (uint32_t i = 0; i < 2 && eq_frontend_golden_begin(&front, i, &data, &bytes) == EQ_OK; i++) {
        (void)eq_frontend_golden_compare(&front, i);
    }
    return EQ_OK;
}
