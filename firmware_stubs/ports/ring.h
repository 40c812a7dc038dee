/* What has arrived on a line and was not read yet: an interrupt puts bytes in, `read` takes them out. */
#ifndef EQ_RING_H
#define EQ_RING_H

#include <stddef.h>
#include <stdint.h>

#ifndef RING_BYTES /* a test makes it small, so that it fills up */
#define RING_BYTES 32768u
#endif

struct eq_ring {
    volatile uint32_t in, out; /* bytes ever; they wrap */
    uint8_t bytes[RING_BYTES];
};

static inline int eq_ring_is_full(const struct eq_ring *ring)
{
    return ring->in - ring->out == RING_BYTES;
}

static inline int eq_ring_is_empty(const struct eq_ring *ring)
{
    return ring->in == ring->out;
}

static inline void eq_ring_put(struct eq_ring *ring, uint8_t byte)
{
    ring->bytes[ring->in % RING_BYTES] = byte;
    ring->in++;
}

/* Up to `size` bytes; how many. */
static inline size_t eq_ring_get(struct eq_ring *ring, uint8_t *data, size_t size)
{
    size_t count = 0;
    for (; count < size && !eq_ring_is_empty(ring); count++) {
        data[count] = ring->bytes[ring->out % RING_BYTES];
        ring->out++;
    }
    return count;
}

#endif
