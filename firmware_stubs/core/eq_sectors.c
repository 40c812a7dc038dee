#include "eq_sectors.h"

#include <string.h>

#define PIECE_BYTES 64u

static int is_slot(const struct eq_flash *flash, uint32_t slot)
{
    int whole = eq_slot_bytes(flash, slot) > 0 && (uintptr_t)(flash->base + flash->slot[slot]) % 16 == 0;
    for (uint32_t run = 0; run < EQ_RUNS; run++) {
        const struct eq_sectors *sectors = &flash->sectors[slot][run];
        whole = whole && (sectors->count == 0 || (sectors->bytes > 0 && sectors->bytes % flash->write_bytes == 0));
    }
    return whole;
}

int eq_flash_is_possible(const struct eq_flash *flash)
{
    uint32_t unit = flash->write_bytes;
    return unit > 0 && unit <= EQ_UNIT_MOST && (unit & (unit - 1)) == 0 && is_slot(flash, 0) && is_slot(flash, 1);
}

uint32_t eq_slot_bytes(const struct eq_flash *flash, uint32_t slot)
{
    uint32_t bytes = 0;
    for (uint32_t run = 0; run < EQ_RUNS && flash->sectors[slot][run].count > 0; run++) {
        bytes += flash->sectors[slot][run].count * flash->sectors[slot][run].bytes;
    }
    return bytes;
}

uint32_t eq_slot_least(const struct eq_flash *flash)
{
    uint32_t first = eq_slot_bytes(flash, 0), second = eq_slot_bytes(flash, 1);
    return first < second ? first : second;
}

/* The sector of byte `at`: its size, and in `begin` where it begins. The last one for what lies behind the slot. */
static uint32_t find(const struct eq_flash *flash, uint32_t slot, uint32_t at, uint32_t *begin)
{
    uint32_t start = 0, bytes = 0;
    *begin = 0;
    for (uint32_t run = 0; run < EQ_RUNS && flash->sectors[slot][run].count > 0; run++) {
        const struct eq_sectors *sectors = &flash->sectors[slot][run];
        uint32_t index = (at - start) / sectors->bytes;
        index = index < sectors->count ? index : sectors->count - 1;
        bytes = sectors->bytes;
        *begin = start + index * bytes;
        start += sectors->count * bytes;
        if (at < start) {
            break;
        }
    }
    return bytes;
}

uint32_t eq_sector_begin(const struct eq_flash *flash, uint32_t slot, uint32_t at)
{
    uint32_t begin;
    (void)find(flash, slot, at, &begin);
    return begin;
}

uint32_t eq_sector_end(const struct eq_flash *flash, uint32_t slot, uint32_t at)
{
    uint32_t begin, bytes = find(flash, slot, at, &begin);
    return begin + bytes;
}

int eq_flash_read(const struct eq_flash *flash, uint32_t offset, void *data, uint32_t bytes)
{
    if (flash->read != NULL) {
        return flash->read(flash->context, offset, data, bytes);
    }
    memcpy(data, flash->base + offset, bytes);
    return 0;
}

int eq_flash_is_blank(const struct eq_flash *flash, uint32_t offset, uint32_t bytes)
{
    uint8_t piece[PIECE_BYTES];
    while (bytes > 0) {
        uint32_t count = bytes < sizeof piece ? bytes : (uint32_t)sizeof piece;
        if (eq_flash_read(flash, offset, piece, count) != 0) {
            return 0;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (piece[i] != 0xff) {
                return 0;
            }
        }
        offset += count;
        bytes -= count;
    }
    return 1;
}
