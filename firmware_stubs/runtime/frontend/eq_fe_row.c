/* What follows a frame: bins to numbers, numbers to values, values to a row of the model's input. */
#include <string.h>

#include "eq_fe.h"

/* A row on its way. Numbers and values take the same place: a value is not written before its number was read. */
struct row {
    struct eq_frontend *front;
    const struct eq_model *model;
    int32_t *values;
    uint32_t width;
    int32_t exponent; /* of bins */
    uint32_t at;      /* number of the frame */
};

static struct eq_fe_number number_at(const struct row *row, uint32_t i)
{
    struct eq_fe_number number;
    memcpy(&number, (const uint8_t *)row->values + (size_t)i * sizeof number, sizeof number);
    return number;
}

static void put_number(const struct row *row, uint32_t i, struct eq_fe_number number)
{
    memcpy((uint8_t *)row->values + (size_t)i * sizeof number, &number, sizeof number);
}

static uint64_t bin_at(const struct row *row, uint32_t k)
{
    uint64_t bin;
    memcpy(&bin, eq_fe_work(row->front) + 2 * (size_t)k, sizeof bin);
    return bin;
}

/* Behind a peak p a number is worth a p-th of what it says, and a power a p-th of that again. */
static void divide_by_peak(const struct row *row, const struct eq_fe_spectrum *op)
{
    struct eq_fe_number part;
    if (row->front->peak == NULL) {
        return;
    }
    part = eq_fe_inverse((uint32_t)row->front->highest);
    part = op->power ? eq_fe_times(part, part) : part;
    for (uint32_t i = 0; i < row->width; i++) {
        put_number(row, i, eq_fe_times(number_at(row, i), part));
    }
}

static void mel(struct row *row, const struct eq_fe_mel *op)
{
    const uint16_t *slope = eq_at(row->model, op->slopes);
    const uint32_t *weight = eq_at(row->model, op->weights);
    for (uint32_t b = 0; b < op->bins; b++, slope += 2) {
        uint64_t high = 0, low = 0;
        for (uint32_t k = slope[0]; k < (uint32_t)slope[0] + slope[1]; k++, weight++) {
            uint64_t bin = bin_at(row, k);
            high += (bin >> 32) * *weight;
            low += (uint64_t)(uint32_t)bin * *weight;
        }
        put_number(row, b, eq_fe_number_of(high, low, row->exponent + op->exponent));
    }
    row->width = op->bins;
}

static void bins(struct row *row)
{
    for (uint32_t k = 0; k < row->width; k++) {
        uint64_t bin = bin_at(row, k);
        put_number(row, k, eq_fe_number_of(bin >> 32, (uint32_t)bin, row->exponent));
    }
}

static void gain(const struct row *row, const struct eq_fe_gain *op)
{
    for (uint32_t i = 0; i < row->width; i++) {
        put_number(row, i, eq_fe_plus(eq_fe_times(number_at(row, i), op->mult), op->add));
    }
}

static void hold(const struct row *row, const struct eq_fe_hold *op)
{
    for (uint32_t i = 0; i < row->width; i++) {
        struct eq_fe_number x = number_at(row, i);
        x = eq_fe_less(x, op->low) ? op->low : x;
        put_number(row, i, eq_fe_less(op->high, x) ? op->high : x);
    }
}

static int32_t value_of(int64_t x)
{
    return eq_fe_held(x, INT32_MIN, INT32_MAX);
}

static void logarithm(const struct row *row, const struct eq_fe_log *op)
{
    for (uint32_t i = 0; i < row->width; i++) {
        struct eq_fe_number x = number_at(row, i);
        x = eq_fe_plus(eq_fe_less(x, op->floor) ? op->floor : x, op->offset);
        row->values[i] = value_of(eq_fe_shifted((int64_t)eq_fe_log2(x) * op->mult, op->shift));
    }
}

static void fix(const struct row *row, const struct eq_fe_fix *op)
{
    for (uint32_t i = 0; i < row->width; i++) {
        row->values[i] = eq_fe_fixed(number_at(row, i), op->exponent);
    }
}

static void pcen(const struct row *row, const struct eq_fe_pcen *op)
{
    struct eq_fe_number *mean = eq_in_arena(row->model, op->mean);
    for (uint32_t i = 0; i < row->width; i++) {
        struct eq_fe_number x = number_at(row, i);
        if (row->at == 0) {
            mean[i] = op->from_one ? (struct eq_fe_number){(uint32_t)1 << 31, -31} : x;
        }
        row->values[i] = eq_fe_pcen(op, x, &mean[i]);
    }
}

static void affine(const struct row *row, const struct eq_fe_affine *op)
{
    const int32_t *mult = eq_at(row->model, op->mult), *add = eq_at(row->model, op->add);
    for (uint32_t i = 0; i < row->width; i++) {
        uint32_t at = op->count == 1 ? 0 : i;
        row->values[i] = value_of(eq_fe_shifted((int64_t)row->values[i] * mult[at], op->shift) + add[at]);
    }
}

static void limit(const struct row *row, const struct eq_fe_limit *op)
{
    for (uint32_t i = 0; i < row->width; i++) {
        row->values[i] = eq_fe_held(row->values[i], op->low, op->high);
    }
}

static void matrix(struct row *row, const struct eq_fe_matrix *op)
{
    const int32_t *table = eq_at(row->model, op->table);
    int32_t *out = eq_fe_work(row->front);
    for (uint32_t i = 0; i < op->out; i++) {
        int64_t sum = 0;
        for (uint32_t k = 0; k < row->width; k++) {
            sum += (int64_t)row->values[k] * *table++;
        }
        out[i] = value_of(eq_fe_shifted(sum, op->shift));
    }
    memcpy(row->values, out, (size_t)op->out * sizeof *out);
    row->width = op->out;
}

/* 1 when enough rows are together. */
static int stack(struct row *row, const struct eq_fe_stack *op)
{
    int32_t *kept = eq_in_arena(row->model, op->kept);
    uint32_t taken = row->front->stacked++;
    size_t bytes = (size_t)row->width * sizeof *kept;
    memcpy(kept + (size_t)(taken % op->frames) * row->width, row->values, bytes);
    if (taken + 1 < op->frames || (taken + 1 - op->frames) % op->step != 0) {
        return 0;
    }
    for (uint32_t i = 0; i < op->frames; i++) {
        uint32_t from = (taken + 1 + i) % op->frames;
        memcpy(row->values + (size_t)i * row->width, kept + (size_t)from * row->width, bytes);
    }
    row->width *= op->frames;
    return 1;
}

/* Where the next row of the model's input lies; NULL where all are there. */
static uint8_t *next_row(const struct row *row, uint32_t size)
{
    uint32_t bytes;
    uint8_t *out = eq_input(row->model, 0, &bytes);
    return row->front->row < row->front->head->rows ? out + (size_t)row->front->row++ * row->width * size : NULL;
}

static void lookup(struct row *row, const struct eq_fe_lookup *op)
{
    uint32_t size = op->dtype == EQ_I16 ? 2 : 1, channel = 0;
    const uint8_t *table = eq_at(row->model, op->table);
    uint8_t *out = next_row(row, size);
    for (uint32_t i = 0; out != NULL && i < row->width; i++, out += size) {
        uint32_t pixel = (uint32_t)row->values[i] >> 16 & UINT8_MAX;
        memcpy(out, table + (size_t)(channel * 256u + pixel) * size, size);
        channel = channel + 1 < op->channels ? channel + 1 : 0;
    }
}

static void put(uint8_t *out, int32_t value, uint32_t wide)
{
    out[0] = (uint8_t)value;
    if (wide) {
        out[1] = (uint8_t)((uint32_t)value >> 8);
    }
}

static void quantize(struct row *row, const struct eq_fe_quantize *op)
{
    uint32_t wide = op->dtype == EQ_I16;
    uint8_t *out = next_row(row, wide ? 2 : 1);
    int32_t low = op->dtype == EQ_U8 ? 0 : wide ? INT16_MIN : INT8_MIN;
    int32_t high = low + (wide ? UINT16_MAX : UINT8_MAX);
    for (uint32_t i = 0; out != NULL && i < row->width; i++, out += wide ? 2 : 1) {
        int64_t value = eq_fe_shifted((int64_t)row->values[i] * op->mult, op->shift) + op->zero_point;
        put(out, eq_fe_held(value, low, high), wide);
    }
}

static void convert(struct row *row, const struct eq_fe_convert *op)
{
    uint32_t wide = op->dtype == EQ_I16, size = wide ? 2 : 1;
    uint8_t *out = next_row(row, size);
    for (uint32_t i = 0; out != NULL && i < row->width; i++, out += size) {
        struct eq_fe_column column = eq_fe_column_at(row->model, op, i);
        int64_t value = eq_fe_converted(&column, row->front->dtype, (uint32_t)row->values[i]) + op->zero_point;
        put(out, eq_fe_held(value, column.low, column.high), wide);
    }
}

/* One record; 0 where the row ends with it. */
static int one(struct row *row, const void *op)
{
    switch (((const struct eq_op *)op)->kind) {
    case EQ_FE_GAIN:
        gain(row, op);
        return 1;
    case EQ_FE_HOLD:
        hold(row, op);
        return 1;
    case EQ_FE_LOG:
        logarithm(row, op);
        return 1;
    case EQ_FE_FIX:
        fix(row, op);
        return 1;
    case EQ_FE_PCEN:
        pcen(row, op);
        return 1;
    case EQ_FE_AFFINE:
        affine(row, op);
        return 1;
    case EQ_FE_LIMIT:
        limit(row, op);
        return 1;
    case EQ_FE_MATRIX:
        matrix(row, op);
        return 1;
    case EQ_FE_STACK:
        return stack(row, op);
    case EQ_FE_QUANTIZE:
        quantize(row, op);
        return 0;
    case EQ_FE_LOOKUP:
        lookup(row, op);
        return 0;
    case EQ_FE_CONVERT:
        convert(row, op);
        return 0;
    default:
        return 1;
    }
}

static const uint8_t *behind(const void *op)
{
    return (const uint8_t *)op + ((const struct eq_op *)op)->bytes;
}

static void finish(struct row *row, const void *op)
{
    while (one(row, op)) {
        op = behind(op);
    }
}

void eq_fe_finish(struct eq_frontend *front, const void *record, uint32_t width)
{
    struct row row = {front, front->model, eq_fe_values(front), width, 0, 0};
    finish(&row, record);
}

void eq_fe_row(struct eq_frontend *front, uint32_t at)
{
    struct row row = {front, front->model, eq_fe_values(front), 0, 0, at};
    const struct eq_op *op = (const void *)behind(front->frame);
    if (op->kind == EQ_FE_MICRO) {
        eq_fe_micro(front, (const void *)op, at);
        row.width = ((const struct eq_fe_micro *)(const void *)op)->channels;
    } else {
        const struct eq_fe_spectrum *spectrum = (const void *)op;
        row.exponent = eq_fe_spectrum(front, spectrum, at);
        row.width = spectrum->fft / 2 + 1;
        op = (const void *)behind(op);
        if (op->kind == EQ_FE_MEL) {
            mel(&row, (const void *)op);
        } else {
            bins(&row);
        }
        divide_by_peak(&row, spectrum);
    }
    finish(&row, behind(op));
}
