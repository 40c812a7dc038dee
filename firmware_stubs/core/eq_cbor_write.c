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

void eq_put_bool(struct eq_writer *out, int value)
{
    eq_put_head(out, EQ_SIMPLE, value ? 21 : 20);
}

void eq_put_null(struct eq_writer *out)
{
    eq_put_head(out, EQ_SIMPLE, 22);
}

void eq_put_string(struct eq_writer *out, enum eq_major major, const void *data, uint32_t bytes)
{
    uint8_t *to;
    eq_put_head(out, major, bytes);
    to = take(out, bytes);
    if (to != NULL) {
        memcpy(to, data, bytes);
    }
}

void eq_put_bytes(struct eq_writer *out, const void *data, uint32_t bytes)
{
    eq_put_string(out, EQ_BYTES, data, bytes);
}

void eq_put_text(struct eq_writer *out, const char *text)
{
    uint32_t bytes = 0;
    while (bytes < UINT16_MAX && text[bytes] != 0) {
        bytes++;
    }
    eq_put_string(out, EQ_TEXT, text, bytes);
}

void eq_put_key_long(struct eq_writer *out, const char *key, uint64_t value)
{
    eq_put_text(out, key);
    eq_put_uint(out, value);
}

void eq_put_key_uint(struct eq_writer *out, const char *key, uint32_t value)
{
    eq_put_key_long(out, key, value);
}

void eq_put_key_bool(struct eq_writer *out, const char *key, int value)
{
    eq_put_text(out, key);
    eq_put_bool(out, value);
}

void eq_put_key_text(struct eq_writer *out, const char *key, const char *text)
{
    eq_put_text(out, key);
    eq_put_text(out, text);
}

void eq_put_key_bytes(struct eq_writer *out, const char *key, const void *data, uint32_t bytes)
{
    eq_put_text(out, key);
    eq_put_bytes(out, data, bytes);
}

uint32_t eq_put_decimal(char *to, uint32_t value)
{
    uint32_t digits = 1;
    for (uint32_t rest = value / 10; rest > 0; rest /= 10) {
        digits++;
    }
    for (uint32_t i = digits; i-- > 0; value /= 10) {
        to[i] = (char)('0' + value % 10);
    }
    return digits;
}
