/* libFuzzer over what a serial line delivers: frames, messages, look-ups. The CRC says yes to everything, because a fuzzer
 * does not find CRCs. The same bytes are also looked at as the body of a message, because it does not find base64. */
#include <stdlib.h>
#include <string.h>

#include "../../core/eq_cbor.h"
#include "../../core/eq_crc.h"
#include "../../core/eq_frame.h"

#define BUFFER_BYTES 300u
#define HEADER_BYTES 8u

uint16_t eq_crc16(uint16_t crc, const void *data, size_t bytes)
{
    (void)crc, (void)data, (void)bytes;
    return 0;
}

static void look_up(const struct eq_item *body)
{
    static const char *const keys[] = {"off", "len", "sha", "data", "n", "d"};
    struct eq_items items;
    struct eq_item item;
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        const uint8_t *data;
        uint32_t value, bytes;
        volatile uint8_t seen = 0;
        (void)eq_cbor_find_uint(body, keys[i], UINT32_MAX, &value);
        if (eq_cbor_find_string(body, keys[i], EQ_BYTES, &data, &bytes) == EQ_OK) {
            while (bytes > 0) {
                seen = data[--bytes];
            }
        }
        if (eq_cbor_find(body, keys[i], &item) == EQ_OK && eq_cbor_open(&item, &items) == EQ_OK) {
            while (eq_cbor_next(&items, &item)) {
                seen = *item.at;
            }
        }
        (void)seen;
    }
}

static void take_body(const uint8_t *data, size_t bytes)
{
    struct eq_item body;
    uint8_t *exact = malloc(bytes + (bytes == 0));
    memcpy(exact, data, bytes);
    if (eq_cbor_check(exact, bytes, &body) == EQ_OK) {
        look_up(&body);
    }
    free(exact);
}

static void take_stream(const uint8_t *data, size_t bytes)
{
    uint8_t *buffer = malloc(BUFFER_BYTES);
    struct eq_rx rx;
    eq_rx_init(&rx, buffer, BUFFER_BYTES);
    for (size_t at = 0; at < bytes; at++) {
        uint32_t length = eq_rx_byte(&rx, data[at]);
        if (length > HEADER_BYTES) {
            take_body(rx.message + HEADER_BYTES, length - HEADER_BYTES);
        }
    }
    free(buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes); /* libFuzzer has no header */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    take_stream(data, bytes);
    if (bytes > 0) {
        take_body(data, bytes);
    }
    return 0;
}
