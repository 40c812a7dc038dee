/* Checksums against accidents. Both go on from an earlier result; the first is 0. */
#ifndef EQ_CRC_H
#define EQ_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-16/XMODEM: polynomial 0x1021. */
uint16_t eq_crc16(uint16_t crc, const void *data, size_t bytes);

/* CRC-32 as in zlib. */
uint32_t eq_crc32(uint32_t crc, const void *data, size_t bytes);

#endif
