/* Pictures, pixel by pixel as they arrive: cropped, resized, coloured. Of the picture no more is kept than two rows of the
 * result's width. */
#include <string.h>

#include "eq_fe.h"

#define PART_BITS 16u /* fractional bits of pixels and weights */
#define BLACK UINT32_MAX
#define MOST_FITTED 16384u /* so that 32 bits hold what weights are computed of */

static const struct eq_fe_picture *record(const struct eq_frontend *front)
{
    return (const void *)front->records;
}

static uint32_t divided(uint32_t a, uint32_t b)
{
    return (2 * a + b) / (2 * b);
}

/* What `tall` x `wide` is resized to before it is cut or gets bars. */
static void fit(const struct eq_fe_picture *op, uint32_t tall, uint32_t wide, uint32_t *to_tall, uint32_t *to_wide)
{
    uint32_t height = op->resized_height, width = op->resized_width;
    *to_tall = height;
    *to_wide = width;
    if (op->fit == EQ_FE_STRETCH || tall * width == wide * height) {
        return;
    }
    if ((wide * height > tall * width) == (op->fit == EQ_FE_COVER)) {
        *to_wide = divided(wide * height, tall);
    } else {
        *to_tall = divided(tall * width, wide);
    }
    *to_tall += *to_tall == 0;
    *to_wide += *to_wide == 0;
}

/* Half of a difference, as both crops and bars are placed. */
static int32_t middle(uint32_t from, uint32_t of)
{
    return from >= of ? (int32_t)((from - of) / 2) : -(int32_t)((of - from) / 2);
}

static int set_axes(struct eq_frontend *front, uint32_t tall, uint32_t wide, const char **why)
{
    const struct eq_fe_picture *op = record(front);
    struct eq_fe_axis *down = &front->scan.down, *across = &front->scan.across;
    down->size = op->crop_height ? op->crop_height : tall;
    across->size = op->crop_width ? op->crop_width : wide;
    down->count = op->height;
    across->count = op->width;
    if (tall < down->size || wide < across->size) {
        return eq_fe_refused(why, "the image is smaller than what is to be cut out of it");
    }
    down->offset = (tall - down->size) / 2;
    across->offset = (wide - across->size) / 2;
    if (op->fit == EQ_FE_UNSIZED) {
        down->fitted = down->size;
        across->fitted = across->size;
        down->shift = across->shift = 0;
        return down->size == op->height && across->size == op->width
                   ? EQ_OK
                   : eq_fe_refused(why, "the image has another size than the release expects");
    }
    fit(op, down->size, across->size, &down->fitted, &across->fitted);
    if (down->fitted > MOST_FITTED || across->fitted > MOST_FITTED) {
        return eq_fe_refused(why, "the image is too long for its width, or too wide");
    }
    down->shift = middle(down->fitted, op->resized_height) + middle(op->resized_height, op->height);
    across->shift = middle(across->fitted, op->resized_width) + middle(op->resized_width, op->width);
    return EQ_OK;
}

int eq_fe_picture_begin(struct eq_frontend *front, const struct eq_raw *raw, const char **why)
{
    const struct eq_fe_picture *op = record(front);
    uint32_t tall = raw->dims[0], wide = raw->dims[1], channels = raw->dims[2];
    memset(&front->scan, 0, sizeof front->scan);
    if (raw->dtype != EQ_U8 || raw->rank != 3 || (channels != 1 && channels != 3)) {
        return eq_fe_refused(why, "the release takes an image: uint8 [height, width, 1 or 3]");
    }
    if (op->colour == EQ_FE_AS_IS && channels != op->channels) {
        return eq_fe_refused(why, "the image has another number of channels than the release expects");
    }
    if (tall == 0 || wide == 0 || tall > EQ_FE_MOST_SIDE || wide > EQ_FE_MOST_SIDE) {
        return eq_fe_refused(why, "the image is empty or too large");
    }
    front->scan.channels = channels;
    front->scan.stride = wide;
    front->bytes = tall * wide * channels;
    return set_axes(front, tall, wide, why);
}

/* The pixels that place `at` lies between: the first, or BLACK; the second; and the part of the latter. */
static uint32_t taps(const struct eq_fe_picture *op, const struct eq_fe_axis *axis, uint32_t at, uint32_t *second,
                     uint32_t *part)
{
    int64_t place = (int64_t)at + axis->shift;
    uint32_t twice, two = 2 * axis->fitted, first;
    *part = 0;
    *second = 0;
    if (place < 0 || place >= axis->fitted) {
        return BLACK;
    }
    twice = (2 * (uint32_t)place + 1) * axis->size; /* the middle of the place, in parts of `two` */
    if (op->nearest) {
        *second = twice / two;
        return *second;
    }
    if (twice < axis->fitted) {
        return 0;
    }
    first = (twice - axis->fitted) / two;
    *second = first;
    if (first + 1 < axis->size) {
        *part = (((twice - axis->fitted) % two << PART_BITS) + axis->fitted) / two;
        *second = first + (*part > 0);
    }
    return first;
}

static int32_t between(int32_t a, int32_t b, uint32_t part)
{
    return (int32_t)eq_fe_shifted((int64_t)a * ((1 << PART_BITS) - (int32_t)part) + (int64_t)b * part, PART_BITS);
}

/* A whole pixel in the colours of the result. */
static void colour(const struct eq_fe_picture *op, const struct eq_fe_scan *scan, int32_t *out)
{
    const uint8_t *in = scan->pixel;
    if (op->colour == EQ_FE_GRAY && scan->channels == 3) {
        out[0] = 19595 * in[0] + 38470 * in[1] + 7471 * in[2];
        return;
    }
    for (uint32_t c = 0; c < op->channels; c++) {
        uint32_t from = scan->channels == 1 ? 0 : op->colour == EQ_FE_BGR ? 2 - c : c;
        out[c] = (int32_t)in[from] << PART_BITS;
    }
}

/* The row that is being made, and the one before it. */
static int32_t *row_at(const struct eq_frontend *front, uint32_t y)
{
    const struct eq_fe_picture *op = record(front);
    return eq_fe_work(front) + (size_t)(y & 1) * op->width * op->channels;
}

/* All places of the row that end with this pixel. */
static void spread(struct eq_frontend *front)
{
    const struct eq_fe_picture *op = record(front);
    struct eq_fe_scan *scan = &front->scan;
    int32_t *row = row_at(front, scan->y);
    uint32_t x = scan->x - scan->across.offset;
    for (; scan->column < op->width; scan->column++) {
        uint32_t second, part, first = taps(op, &scan->across, scan->column, &second, &part);
        if (first != BLACK && second > x) {
            return;
        }
        for (uint32_t c = 0; c < op->channels; c++) {
            int32_t left = first == x ? scan->here[c] : scan->before[c];
            row[scan->column * op->channels + c] = first == BLACK ? 0 : between(left, scan->here[c], part);
        }
    }
}

/* All rows of the result that end with this one of the picture. */
static void emit(struct eq_frontend *front)
{
    const struct eq_fe_picture *op = record(front);
    const struct eq_fe_scan *scan = &front->scan;
    uint32_t y = scan->y - scan->down.offset, width = op->width * op->channels;
    const int32_t *here = row_at(front, scan->y), *above = row_at(front, scan->y + 1);
    int32_t *out = eq_fe_values(front);
    while (front->row < front->head->rows) {
        uint32_t second, part, first = taps(op, &scan->down, front->row, &second, &part);
        if (first != BLACK && second > y) {
            return;
        }
        for (uint32_t i = 0; i < width; i++) {
            out[i] = first == BLACK ? 0 : between(first == y ? here[i] : above[i], here[i], part);
        }
        eq_fe_finish(front, front->records + op->op.bytes, width);
    }
}

static int is_inside(const struct eq_fe_axis *axis, uint32_t at)
{
    return at >= axis->offset && at - axis->offset < axis->size;
}

/* A pixel is whole; 1 where it ends a row. */
static int take_pixel(struct eq_frontend *front)
{
    struct eq_fe_scan *scan = &front->scan;
    int inside = is_inside(&scan->down, scan->y);
    if (inside && is_inside(&scan->across, scan->x)) {
        memcpy(scan->before, scan->here, sizeof scan->before);
        colour(record(front), scan, scan->here);
        spread(front);
    }
    if (++scan->x < scan->stride) {
        return 0;
    }
    if (inside) {
        emit(front);
    }
    scan->x = scan->column = 0;
    scan->y++;
    return 1;
}

uint32_t eq_fe_picture_feed(struct eq_frontend *front, const uint8_t *data, uint32_t bytes)
{
    struct eq_fe_scan *scan = &front->scan;
    uint32_t taken = 0;
    while (taken < bytes && front->got < front->bytes) {
        scan->pixel[scan->channel++] = data[taken++];
        front->got++;
        if (scan->channel == scan->channels) {
            scan->channel = 0;
            if (take_pixel(front)) {
                break;
            }
        }
    }
    return taken;
}
