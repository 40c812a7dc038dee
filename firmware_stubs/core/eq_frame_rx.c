#include "eq_bytes.h"
#include "eq_crc.h"
#include "eq_frame.h"

enum state { HUNT = 0, LINE, BLOCKS }; /* eq_rx_between knows the first one */

void eq_rx_init(struct eq_rx *rx, uint8_t *buffer, uint32_t size)
{
    *rx = (struct eq_rx){.buffer = buffer, .size = size, .last = 255};
}

static int append(struct eq_rx *rx, uint32_t byte)
{
    if (rx->have == rx->size) {
        return EQ_NO_SPACE;
    }
    rx->buffer[rx->have++] = (uint8_t)byte;
    return EQ_OK;
}

static uint32_t drop(struct eq_rx *rx)
{
    rx->state = HUNT;
    rx->partial = 0;
    rx->dropped++;
    return 0;
}

/* A frame is whole: its message from `at` on, with the CRC behind it. */
static uint32_t finish(struct eq_rx *rx, uint32_t at, enum eq_framing framing)
{
    uint32_t bytes = rx->have - at;
    if (bytes <= 2 || eq_crc16(0, rx->buffer + at, bytes) != 0) {
        return drop(rx);
    }
    rx->state = HUNT;
    rx->partial = 0;
    rx->message = rx->buffer + at;
    rx->framing = (uint8_t)framing;
    return bytes - 2;
}

/* Between frames: does one begin? */
static uint32_t hunt(struct eq_rx *rx, uint8_t byte)
{
    if (rx->last == 6 && byte == 9) {
        rx->state = LINE;
        rx->have = 0;
        rx->sextet_count = rx->pads = 0;
    } else if (rx->last == 4 && byte == 20 && rx->partial) {
        rx->state = LINE;
        rx->sextet_count = rx->pads = 0;
    } else if (rx->last == 0 && (byte == 1 || byte == 2)) {
        /* Flags, an SMP message's second byte, are zero: so its first block is empty or has one byte. */
        rx->state = BLOCKS;
        rx->partial = 0;
        rx->have = 0;
        rx->block_left = (uint8_t)(byte - 1);
        rx->zero_next = 1;
    }
    return 0;
}

static int sextet_of(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z') {
        return byte - 'A';
    }
    if (byte >= 'a' && byte <= 'z') {
        return byte - 'a' + 26;
    }
    if (byte >= '0' && byte <= '9') {
        return byte - '0' + 52;
    }
    return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

static uint32_t end_line(struct eq_rx *rx)
{
    uint32_t promised;
    if (rx->sextet_count != 0 || rx->have < 2) {
        return drop(rx);
    }
    promised = 2u + eq_be16(rx->buffer);
    if (rx->have == promised) {
        return finish(rx, 2, EQ_CONSOLE);
    }
    if (rx->have > promised || promised > rx->size) {
        return drop(rx);
    }
    rx->state = HUNT;
    rx->partial = 1;
    return 0;
}

static uint32_t line(struct eq_rx *rx, uint8_t byte)
{
    int sextet = sextet_of(byte), status = EQ_OK;
    if (byte == '\n') {
        return end_line(rx);
    }
    if (byte == '\r' && rx->sextet_count == 0) {
        rx->pads = 3; /* only a newline may follow */
        return 0;
    }
    if (byte == '=' && rx->sextet_count >= 2) {
        rx->pads++;
        sextet = 0;
    } else if (sextet < 0 || rx->pads > 0) {
        return drop(rx);
    }
    rx->sextets = rx->sextets << 6 | (uint32_t)sextet;
    rx->sextet_count = (rx->sextet_count + 1) & 3;
    if (rx->sextet_count == 0) {
        for (unsigned i = 0; i < 3u - rx->pads && status == EQ_OK; i++) {
            status = append(rx, rx->sextets >> (16 - 8 * i));
        }
    }
    return status == EQ_OK ? 0 : drop(rx);
}

static uint32_t blocks(struct eq_rx *rx, uint8_t byte)
{
    int status = EQ_OK;
    if (byte == 0) {
        return rx->block_left == 0 ? finish(rx, 0, EQ_COBS) : drop(rx);
    }
    if (rx->block_left > 0) {
        rx->block_left--;
        status = append(rx, byte);
    } else {
        if (rx->zero_next) {
            status = append(rx, 0);
        }
        rx->block_left = (uint8_t)(byte - 1);
        rx->zero_next = byte != 255;
    }
    return status == EQ_OK ? 0 : drop(rx);
}

void eq_rx_quiet(struct eq_rx *rx)
{
    if (rx->state != HUNT || rx->partial) {
        (void)drop(rx);
    }
}

uint32_t eq_rx_byte(struct eq_rx *rx, uint8_t byte)
{
    uint32_t bytes = rx->state == LINE ? line(rx, byte) : rx->state == BLOCKS ? blocks(rx, byte) : hunt(rx, byte);
    rx->last = byte;
    return bytes;
}
