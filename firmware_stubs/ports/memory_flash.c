#include "memory_flash.h"

#include <string.h>

#include "edgeq/eq_status.h"

#define SECTOR 4096u
#define UNIT 8u

/* Whether a request is made of whole pieces inside of log and slots. */
static int is_whole(const struct eq_flash *flash, uint32_t offset, uint32_t bytes, uint32_t piece)
{
    uint32_t end = flash->slot[1] + flash->sectors[1][0].count * SECTOR;
    return offset % piece == 0 && bytes % piece == 0 && offset <= end && bytes <= end - offset;
}

static int write(void *context, uint32_t offset, const void *data, uint32_t bytes)
{
    const struct eq_flash *flash = context;
    volatile uint32_t *to = (volatile uint32_t *)(uintptr_t)(flash->base + offset);
    if (!is_whole(flash, offset, bytes, UNIT)) {
        return EQ_INVALID;
    }
    for (uint32_t at = 0; at < bytes; at += UNIT, to += 2) {
        uint32_t unit[2];
        memcpy(unit, (const uint8_t *)data + at, UNIT);
        if ((to[0] & to[1]) != UINT32_MAX) {
            return EQ_IO;
        }
        to[0] = unit[0];
        to[1] = unit[1];
    }
    return 0;
}

static int erase(void *context, uint32_t offset, uint32_t bytes)
{
    const struct eq_flash *flash = context;
    volatile uint32_t *to = (volatile uint32_t *)(uintptr_t)(flash->base + offset);
    if (!is_whole(flash, offset, bytes, SECTOR)) {
        return EQ_INVALID;
    }
    for (uint32_t words = bytes / 4; words > 0; words--) {
        *to++ = UINT32_MAX;
    }
    return 0;
}

void eq_memory_flash(struct eq_flash *flash, uint8_t *base, uint32_t bytes)
{
    uint32_t slot = (bytes / 2 - SECTOR) / SECTOR * SECTOR;
    *flash = (struct eq_flash){
        .context = flash,
        .base = base,
        .log = {0, SECTOR},
        .log_bytes = SECTOR,
        .slot = {2 * SECTOR, 2 * SECTOR + slot},
        .sectors = {{{slot / SECTOR, SECTOR}}, {{slot / SECTOR, SECTOR}}},
        .write_bytes = UNIT,
        .write = write,
        .erase = erase,
    };
}
