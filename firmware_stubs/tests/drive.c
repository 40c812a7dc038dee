/* The core behind a pipe, for tests/firmware: `command u8 | length u32 | payload` in, `status i32 | length u32 | payload`
 * out, little-endian. Every payload lies in a buffer of exactly its size, so that a sanitizer sees each byte too far. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/eq_cbor.h"
#include "../core/eq_crc.h"
#include "../core/eq_frame.h"
#include "../core/eq_sha256.h"
#include "cuts.h"
#include "signatures.h"
#include "steps.h"

struct answer {
    uint8_t bytes[1 << 18];
    uint32_t length;
};

static void say(struct answer *answer, const void *data, size_t bytes)
{
    if (bytes > sizeof answer->bytes - answer->length) {
        abort();
    }
    memcpy(answer->bytes + answer->length, data, bytes);
    answer->length += (uint32_t)bytes;
}

static void say_u32(struct answer *answer, uint32_t value)
{
    say(answer, &value, sizeof value);
}

static uint32_t u32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* data -> CRC-16, CRC-32 */
static int crcs(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    uint32_t half = bytes / 2;
    say_u32(answer, eq_crc16(eq_crc16(0, data, half), data + half, bytes - half));
    say_u32(answer, eq_crc32(eq_crc32(0, data, half), data + half, bytes - half));
    return EQ_OK;
}

/* piece u32, data -> digest of the data, added in such pieces */
static int sha256(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    struct eq_sha256 sha;
    uint8_t digest[EQ_SHA256_BYTES];
    uint32_t piece = u32(data);
    eq_sha256_begin(&sha);
    for (uint32_t at = 4; at < bytes; at += piece) {
        eq_sha256_add(&sha, data + at, piece < bytes - at ? piece : bytes - at);
    }
    eq_sha256_end(&sha, digest);
    say(answer, digest, sizeof digest);
    return EQ_OK;
}

static int copy_item(const struct eq_item *item, struct eq_writer *out);

static uint32_t count_items(const struct eq_item *container)
{
    struct eq_items items;
    struct eq_item item;
    uint32_t count = 0;
    eq_cbor_open(container, &items);
    while (eq_cbor_next(&items, &item)) {
        count++;
    }
    return count;
}

static int copy_items(const struct eq_item *container, enum eq_major major, struct eq_writer *out)
{
    struct eq_items items;
    struct eq_item item;
    uint32_t count = count_items(container);
    int status = EQ_OK;
    if (major == EQ_MAP) {
        eq_put_map(out, count / 2);
    } else {
        eq_put_array(out, count);
    }
    eq_cbor_open(container, &items);
    while (status == EQ_OK && eq_cbor_next(&items, &item)) {
        status = copy_item(&item, out);
    }
    return status;
}

static int copy_string(const struct eq_item *item, enum eq_major major, struct eq_writer *out)
{
    const uint8_t *data;
    uint32_t bytes;
    if (eq_cbor_string(item, major, &data, &bytes) != EQ_OK) {
        return EQ_UNSUPPORTED;
    }
    if (major == EQ_BYTES) {
        eq_put_bytes(out, data, bytes);
    } else {
        char *text = calloc(bytes + 1u, 1);
        memcpy(text, data, bytes);
        eq_put_text(out, text);
        free(text);
    }
    return EQ_OK;
}

static int copy_item(const struct eq_item *item, struct eq_writer *out)
{
    enum eq_major major = eq_cbor_major(item);
    uint32_t value;
    switch (major) {
    case EQ_UINT:
        if (eq_cbor_uint(item, UINT32_MAX, &value) != EQ_OK) {
            return EQ_UNSUPPORTED;
        }
        eq_put_uint(out, value);
        return EQ_OK;
    case EQ_BYTES:
    case EQ_TEXT:
        return copy_string(item, major, out);
    case EQ_ARRAY:
    case EQ_MAP:
        return copy_items(item, major, out);
    default:
        switch (*item->at) {
        case 0xf4:
        case 0xf5:
            eq_put_bool(out, *item->at == 0xf5);
            return EQ_OK;
        case 0xf6:
            eq_put_null(out);
            return EQ_OK;
        default:
            return EQ_UNSUPPORTED;
        }
    }
}

/* room u32, item -> the same item, read and written into so much room; EQ_UNSUPPORTED for what has no getter */
static int cbor(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    uint32_t room = u32(data);
    uint8_t *exact = malloc(bytes - 4u), *copy = malloc(room);
    struct eq_writer out = {copy, copy + room, 0};
    struct eq_item item;
    int status;
    memcpy(exact, data + 4, bytes - 4u);
    status = eq_cbor_check(exact, bytes - 4u, &item);
    if (status == EQ_OK) {
        status = copy_item(&item, &out);
        say(answer, copy, (size_t)(out.at - copy));
        status = status == EQ_OK && out.full ? EQ_NO_SPACE : status;
    }
    free(exact);
    free(copy);
    return status;
}

/* value u64 -> its encoding */
static int integer(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    uint8_t copy[9];
    struct eq_writer out = {copy, copy + sizeof copy, 0};
    uint64_t value;
    memcpy(&value, data, bytes);
    eq_put_uint(&out, value);
    say(answer, copy, (size_t)(out.at - copy));
    return EQ_OK;
}

/* key (8 bytes, zero-filled), message -> the value's offset in the message */
static int find(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    struct eq_item map, value;
    char key[9] = {0};
    int status = eq_cbor_check(data + 8, bytes - 8u, &map);
    memcpy(key, data, 8);
    status = status == EQ_OK ? eq_cbor_find(&map, key, &value) : EQ_UNKNOWN;
    if (status == EQ_OK) {
        say_u32(answer, (uint32_t)(value.at - map.at));
    }
    return status;
}

/* buffer size u32, offset before which the line is silent u32, stream -> dropped u32, then framing u32 | length u32 | message for each */
static int receive(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    struct eq_rx rx;
    uint32_t size = u32(data);
    uint8_t *buffer = malloc(size);
    eq_rx_init(&rx, buffer, size);
    say_u32(answer, 0);
    for (uint32_t at = 8; at < bytes; at++) {
        uint32_t length;
        if (at - 8 == u32(data + 4)) {
            eq_rx_quiet(&rx);
        }
        length = eq_rx_byte(&rx, data[at]);
        if (length > 0) {
            say_u32(answer, rx.framing);
            say_u32(answer, length);
            say(answer, rx.message, length);
        }
    }
    memcpy(answer->bytes, &rx.dropped, 4);
    free(buffer);
    return EQ_OK;
}

/* framing u32, message -> frame */
static int transmit(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    struct eq_tx tx;
    int byte;
    eq_tx_init(&tx, (enum eq_framing)u32(data), data + 4, bytes - 4u);
    while ((byte = eq_tx_byte(&tx)) >= 0) {
        uint8_t one = (uint8_t)byte;
        say(answer, &one, 1);
    }
    return EQ_OK;
}

/* seed u32, part u32, stride u32 -> struct cuts */
static int power_cuts(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    struct cuts cuts = {0};
    (void)bytes;
    cuts_run(u32(data), u32(data + 4), u32(data + 8), &cuts);
    say(answer, &cuts, sizeof cuts);
    return EQ_OK;
}

/* arguments u32[3], blob (u32, 32 bytes), data -> wanted u32, serving u32, previous u32, inbox u32, struct eq_record */
static int step(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    static struct steps steps;
    uint32_t argument[3];
    struct eq_blob blob;
    int status;
    memcpy(argument, data, sizeof argument);
    memcpy(&blob, data + sizeof argument, sizeof blob);
    status = steps_do(&steps, argument, &blob, data + sizeof argument + sizeof blob,
                      (uint32_t)(bytes - sizeof argument - sizeof blob));
    say_u32(answer, steps.wanted);
    say_u32(answer, eq_slots_serving(&steps.slots));
    say_u32(answer, eq_slots_previous(&steps.slots));
    say_u32(answer, eq_slots_inbox(&steps.slots));
    say(answer, &steps.slots.now, sizeof steps.slots.now);
    return status;
}

static int sha512(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    uint8_t digest[64];
    signatures_sha512(data, bytes, digest);
    say(answer, digest, sizeof digest);
    return EQ_OK;
}

static int ed25519(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    (void)answer;
    return signatures_check(data, bytes);
}

static int field(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    uint8_t result[32];
    int status = signatures_field(data, result);
    (void)bytes;
    say(answer, result, sizeof result);
    return status;
}

static int trust(const uint8_t *data, uint32_t bytes, struct answer *answer)
{
    (void)bytes, (void)answer;
    return signatures_trust(data);
}

typedef int command(const uint8_t *data, uint32_t bytes, struct answer *answer);

int main(void)
{
    static command *const commands[] = {crcs, sha256, cbor, integer, find, receive, transmit, power_cuts, step, sha512,
                                       ed25519, field, trust};
    static struct answer answer;
    uint8_t head[5];
    while (fread(head, 1, sizeof head, stdin) == sizeof head) {
        uint32_t bytes = u32(head + 1);
        uint8_t *data = malloc(bytes);
        int32_t status;
        if (fread(data, 1, bytes, stdin) != bytes || head[0] >= sizeof commands / sizeof *commands) {
            return 1;
        }
        answer.length = 0;
        status = commands[head[0]](data, bytes, &answer);
        free(data);
        fwrite(&status, sizeof status, 1, stdout);
        fwrite(&answer.length, sizeof answer.length, 1, stdout);
        fwrite(answer.bytes, 1, answer.length, stdout);
        fflush(stdout);
    }
    return 0;
}
