#include <string.h>

#include "eq_cbor.h"

/* Room for `bytes`, or NULL. */
static uint8_t *take(struct eq_writer *out, uint64_t bytes)
{
    uint8_t *at = out->at;
    if (out->full || bytes > (uint64_t)(out->end - at)) {
        out->full = 1;
        return NULL;
    }
    out->at += bytes;
    return at;
}

void eq_put_head(struct eq_writer *out, enum eq_major major, uint64_t value)
{
    unsigned code = value < 24 ? 0 : value <= UINT8_MAX ? 24 : value <= UINT16_MAX ? 25 : value <= UINT32_MAX ? 26 : 27;
    unsigned more = code ? 1u << (code - 24) : 0;
    uint8_t *to = take(out, 1 + more);
    if (to == NULL) {
        return;
    }
    *to = (uint8_t)((unsigned)major << 5 | (code ? code : (unsigned)value));
    while (more > 0) {
        to[more--] = (uint8_t)value;
        value >>= 8;
    }
}

void eq_put_int(struct eq_writer *out, int64_t value)
{
    eq_put_head(out, value < 0 ? EQ_NEGATIVE : EQ_UINT, value < 0 ? (uint64_t)(-1 - value) : (uint64_t)value);
}

void eq_put_bool(struct eq_writer *out, int value)
{
    eq_put_head(out, EQ_SIMPLE, value ? 21 : 20);
}

void eq_put_null(struct eq_writer *out)
{
    eq_put_head(out, EQ_SIMPLE, 22);
}

uint8_t *eq_put_space(struct eq_writer *out, uint32_t bytes)
{
    eq_put_head(out, EQ_BYTES, bytes);
    return take(out, bytes);
}

void eq_put_bytes(struct eq_writer *out, const void *data, uint32_t bytes)
{
    uint8_t *to = eq_put_space(out, bytes);
    if (to != NULL) {
        memcpy(to, data, bytes);
    }
}

void eq_put_text(struct eq_writer *out, const char *text)
{
    uint32_t bytes = 0;
    uint8_t *to;
    while (bytes < UINT16_MAX && text[bytes] != 0) {
        bytes++;
    }
    eq_put_head(out, EQ_TEXT, bytes);
    to = take(out, bytes);
    if (to != NULL) {
        memcpy(to, text, bytes);
    }
}
