#include "eq_crc.h"

/* A whole byte at a time without a table: the polynomial has so few terms that the remainder is three shifts. */
uint16_t eq_crc16(uint16_t crc, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    uint32_t value = crc;
    while (bytes-- > 0) {
        value = (value << 8 | value >> 8) & 0xffffu;
        value ^= *from++;
        value ^= (value & 0xffu) >> 4;
        value ^= (value << 12) & 0xffffu;
        value ^= (value & 0xffu) << 5;
    }
    return (uint16_t)value;
}

/* Half a byte at a time: 64 bytes of table. */
uint32_t eq_crc32(uint32_t crc, const void *data, size_t bytes)
{
    static const uint32_t table[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
        0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    const uint8_t *from = data;
    crc = ~crc;
    while (bytes-- > 0) {
        crc ^= *from++;
        crc = crc >> 4 ^ table[crc & 15u];
        crc = crc >> 4 ^ table[crc & 15u];
    }
    return ~crc;
}
