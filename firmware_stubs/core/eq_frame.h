/* Messages on a serial line, in the two framings of PROTOCOL.md section 2. Sans-IO: bytes in, a message out; a message
 * in, bytes out. The receiver tells the framings apart by itself, frame by frame, and what lies between frames (console
 * output, noise) is ignored.
 */
#ifndef EQ_FRAME_H
#define EQ_FRAME_H

#include <stdint.h>

#include "edgeq/eq_status.h"

/* What a receiver's buffer holds beside the longest message: a length and a CRC. Frames are decoded as they arrive, so
 * that stuffing and base64 need no room. */
#define EQ_FRAME_OVERHEAD 4u

/* The longest message that the length field can promise. */
#define EQ_FRAME_MOST 65533u

enum eq_framing {
    EQ_CONSOLE = 1, /* SMP's: lines of base64 */
    EQ_COBS = 2     /* between zeros, with every zero inside stuffed */
};

struct eq_rx {
    uint8_t *buffer;         /* the caller's */
    uint32_t size;           /* of the buffer: the longest message and EQ_FRAME_OVERHEAD */
    uint32_t have;           /* decoded bytes of the frame that is arriving */
    uint32_t sextets;        /* line: up to three of a group of four */
    const uint8_t *message;  /* the last complete one */
    uint32_t dropped;        /* frames that were damaged or too long, since the start */
    uint8_t state;           /* enum state in eq_frame_rx.c */
    uint8_t last;            /* the byte before this one */
    uint8_t partial;         /* console: a frame goes on in the next line */
    uint8_t sextet_count;    /* line: of the group */
    uint8_t pads;            /* line: '=' so far; 3 behind a carriage return */
    uint8_t block_left;      /* COBS: bytes to come of this block */
    uint8_t zero_next;       /* COBS: a zero stands between this block and the next one */
    uint8_t framing;         /* of the last complete message */
};

void eq_rx_init(struct eq_rx *rx, uint8_t *buffer, uint32_t size);

/* Take one byte. The length of the message that it completed, at `rx->message` until the next byte; else 0. */
uint32_t eq_rx_byte(struct eq_rx *rx, uint8_t byte);

/* The line has been silent for longer than any pause inside a frame: what had begun to arrive is given up, so that it
 * cannot swallow a frame of the other framing. */
void eq_rx_quiet(struct eq_rx *rx);

/* Whether the last byte that it took is part of no frame. */
static inline int eq_rx_between(const struct eq_rx *rx)
{
    return rx->state == 0 && !rx->partial;
}

struct eq_tx {
    const uint8_t *message; /* the caller's, until all is sent */
    uint32_t bytes;         /* of the message, at most EQ_FRAME_MOST */
    uint32_t at;            /* the packet's byte (length, message, CRC) that comes next, or a line's first one */
    uint16_t crc;           /* of the message */
    uint8_t framing;        /* enum eq_framing; 0 when all is sent */
    uint8_t column;         /* console: in the line */
    uint8_t started;        /* COBS: the delimiter is out */
    uint8_t block_left;     /* COBS: bytes to come of this block */
    uint8_t zero_next;      /* COBS: a zero stands behind this block */
};

void eq_tx_init(struct eq_tx *tx, enum eq_framing framing, const void *message, uint32_t bytes);

/* The next byte to send, or -1 when all is sent. */
int eq_tx_byte(struct eq_tx *tx);

#endif
