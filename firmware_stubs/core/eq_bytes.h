/* Big-endian numbers in byte strings, as network protocols have them. */
#ifndef EQ_BYTES_H
#define EQ_BYTES_H

#include <stdint.h>

static inline uint16_t eq_be16(const uint8_t *from)
{
    return (uint16_t)(from[0] << 8 | from[1]);
}

static inline uint32_t eq_be32(const uint8_t *from)
{
    return (uint32_t)eq_be16(from) << 16 | eq_be16(from + 2);
}

static inline void eq_put_be16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static inline void eq_put_be32(uint8_t *to, uint32_t value)
{
    eq_put_be16(to, (uint16_t)(value >> 16));
    eq_put_be16(to + 2, (uint16_t)value);
}

#endif
