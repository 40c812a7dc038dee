#include "eq_bytes.h"
#include "eq_crc.h"
#include "eq_frame.h"

#define LINE_BYTES 93u /* of the packet in one line: 124 characters, with the marker and the newline 127 */

void eq_tx_init(struct eq_tx *tx, enum eq_framing framing, const void *message, uint32_t bytes)
{
    *tx = (struct eq_tx){
        .message = message,
        .bytes = bytes,
        .at = framing == EQ_COBS ? 2 : 0, /* COBS sends no length */
        .crc = eq_crc16(0, message, bytes),
        .framing = (uint8_t)framing,
    };
}

/* A byte of the packet: length of what follows it, message, CRC. */
static uint8_t packet(const struct eq_tx *tx, uint32_t at)
{
    uint8_t number[2];
    if (at >= 2 && at < tx->bytes + 2) {
        return tx->message[at - 2];
    }
    eq_put_be16(number, at < 2 ? (uint16_t)(tx->bytes + 2) : tx->crc);
    return number[at < 2 ? at : at - 2 - tx->bytes];
}

/* Character `i` of the base64 of `bytes` bytes of the packet from `at` on. */
static char base64(const struct eq_tx *tx, uint32_t at, uint32_t bytes, uint32_t i)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t group = 0, from = i / 4 * 3;
    if (from + i % 4 > bytes) {
        return '=';
    }
    for (uint32_t j = from; j < from + 3; j++) {
        group = group << 8 | (j < bytes ? packet(tx, at + j) : 0u);
    }
    return alphabet[group >> (18 - 6 * (i % 4)) & 63];
}

static int console(struct eq_tx *tx)
{
    uint32_t left = tx->bytes + 4 - tx->at, bytes = left < LINE_BYTES ? left : LINE_BYTES;
    unsigned column = tx->column++;
    if (column == 0) {
        return tx->at == 0 ? 6 : 4;
    }
    if (column == 1) {
        return tx->at == 0 ? 9 : 20;
    }
    if (column - 2 < (bytes + 2) / 3 * 4) {
        return base64(tx, tx->at, bytes, column - 2);
    }
    tx->column = 0;
    tx->at += bytes;
    if (left == bytes) {
        tx->framing = 0;
    }
    return '\n';
}

/* The block from here on: up to 254 bytes that are not zero, then a zero (one is imagined behind the packet). */
static int begin_block(struct eq_tx *tx)
{
    uint32_t end = tx->bytes + 4, at = tx->at;
    while (at < end && at - tx->at < 254 && packet(tx, at) != 0) {
        at++;
    }
    tx->block_left = (uint8_t)(at - tx->at);
    tx->zero_next = tx->block_left < 254 || at == end;
    return tx->block_left + 1;
}

static int cobs(struct eq_tx *tx)
{
    int byte = 0;
    if (!tx->started) {
        tx->started = 1;
        return 0;
    }
    if (tx->at > tx->bytes + 4) {
        tx->framing = 0;
        return 0;
    }
    if (tx->block_left > 0) {
        tx->block_left--;
        byte = packet(tx, tx->at++);
    } else {
        byte = begin_block(tx);
    }
    if (tx->block_left == 0 && tx->zero_next) {
        tx->at++;
    }
    return byte;
}

int eq_tx_byte(struct eq_tx *tx)
{
    switch (tx->framing) {
    case EQ_CONSOLE:
        return console(tx);
    case EQ_COBS:
        return cobs(tx);
    default:
        return -1;
    }
}
