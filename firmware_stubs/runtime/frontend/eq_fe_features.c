/* Numbers as they are sent, row by row; and from their bits to the model's input, without floating point. */
#include <string.h>

#include "eq_fe.h"

#define FRACTION_BITS 24u
#define MOST ((int64_t)1 << 61)
#define MOST_DOWN 62 /* no product has more bits */

static const struct eq_fe_features *record(const struct eq_frontend *front)
{
    return (const void *)front->records;
}

static uint32_t size_of(uint32_t dtype)
{
    return dtype == EQ_U8 ? 1 : dtype == EQ_I16 ? 2 : 4;
}

int eq_fe_features_begin(struct eq_frontend *front, const struct eq_raw *raw, const char **why)
{
    const struct eq_fe_features *op = record(front);
    uint32_t last = raw->rank == 0 || raw->rank > 3 ? 1 : raw->dims[raw->rank - 1];
    uint64_t count = 1;
    if ((raw->dtype != EQ_I16 && raw->dtype != EQ_U8 && raw->dtype != EQ_F32) || raw->rank > 3 || raw->rate_hz != 0) {
        return eq_fe_refused(why, "the release takes features: int16, uint8 or float32 of up to 3 axes, without a rate");
    }
    for (uint32_t i = 0; i < raw->rank && count <= front->head->most; i++) {
        count *= raw->dims[i];
    }
    if ((op->axes == EQ_FE_ROWS_OF && raw->rank != 2) || (op->axes != EQ_FE_ANY_AXES && last != op->width)) {
        return eq_fe_refused(why, "the features have another last axis than the release expects");
    }
    if (count < front->head->least || count > front->head->most || (uint32_t)count % op->width != 0) {
        return eq_fe_refused(why, "the features are fewer or more than the release expects");
    }
    front->dtype = raw->dtype;
    front->word = front->column = 0;
    front->bytes = (uint32_t)count * size_of(raw->dtype);
    return EQ_OK;
}

uint32_t eq_fe_features_feed(struct eq_frontend *front, const uint8_t *data, uint32_t bytes)
{
    const struct eq_fe_features *op = record(front);
    uint32_t size = size_of(front->dtype), taken = 0;
    while (taken < bytes && front->got < front->bytes) {
        uint32_t part = front->got++ % size;
        front->word |= (uint32_t)data[taken++] << (8 * part);
        if (part + 1 < size) {
            continue;
        }
        memcpy(eq_fe_values(front) + front->column, &front->word, sizeof front->word);
        front->word = 0;
        if (++front->column == op->width) {
            front->column = 0;
            eq_fe_finish(front, front->records + op->op.bytes, op->width);
            break;
        }
    }
    return taken;
}

int64_t eq_fe_wide(const uint32_t *halves)
{
    return (int64_t)((uint64_t)halves[1] << 32 | halves[0]);
}

struct eq_fe_column eq_fe_column_at(const struct eq_model *model, const struct eq_fe_convert *op, uint32_t at)
{
    struct eq_fe_column column;
    const uint8_t *columns = eq_at(model, op->columns);
    memcpy(&column, columns + (size_t)(op->count == 1 ? 0 : at) * sizeof column, sizeof column);
    return column;
}

/* The number is what is returned times 2^e: at most 24 bits. */
static int32_t decoded(uint32_t dtype, uint32_t word, int32_t *e)
{
    int32_t exponent = (int32_t)(word >> 23 & UINT8_MAX), m = (int32_t)(word & 0x7fffffu);
    *e = 0;
    if (dtype != EQ_F32) {
        return dtype == EQ_U8 ? (uint8_t)word : (int16_t)(uint16_t)word;
    }
    if (exponent == UINT8_MAX && m != 0) {
        return 0;
    }
    m += exponent > 0 ? 1 << 23 : 0;
    *e = (exponent > 0 ? exponent : 1) - 150;
    return word >> 31 ? -m : m;
}

/* x * 2^up, held; a bit that is lost leaves its trace in the last one, so that a half stays one only where it is one. */
static int64_t moved(int64_t x, int32_t up)
{
    uint64_t size = (uint64_t)(x < 0 ? -x : x);
    int32_t down = -up < MOST_DOWN ? -up : MOST_DOWN;
    if (up < 0) {
        return x >> down | ((size & (((uint64_t)1 << down) - 1)) != 0);
    }
    if (size != 0 && (up > 61 || size >> (61 - up) != 0)) {
        return x < 0 ? -MOST : MOST;
    }
    return size == 0 ? 0 : x * ((int64_t)1 << up);
}

int64_t eq_fe_converted(const struct eq_fe_column *column, uint32_t dtype, uint32_t word)
{
    int32_t e, m = decoded(dtype, word, &e);
    int64_t sum = moved(m * eq_fe_wide(column->mult), e + column->exponent + (int32_t)FRACTION_BITS);
    int64_t whole, part, half = (int64_t)1 << (FRACTION_BITS - 1);
    sum += eq_fe_wide(column->add);
    whole = sum >> FRACTION_BITS;
    part = sum - whole * ((int64_t)1 << FRACTION_BITS);
    return whole + (part > half || (part == half && (whole & 1)));
}
