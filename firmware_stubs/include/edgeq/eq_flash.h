/* What a port says of its flash: where two slots for images and two sectors for the log lie, and how to write them.
 *
 * Flash is memory-mapped, because images are executed where they lie. Erased bytes read as 0xff, and each write unit is
 * written once between two erases.
 */
#ifndef EQ_FLASH_H
#define EQ_FLASH_H

#include <stdint.h>

#define EQ_SLOTS 2u

struct eq_flash {
    void *context;              /* given to every callback */
    const uint8_t *base;        /* where offset 0 is mapped */
    uint32_t log[2];            /* offset of each log sector */
    uint32_t log_bytes;         /* of one log sector, which is erased as a whole; at least 384 */
    uint32_t slot[EQ_SLOTS];    /* offset of each slot; base + offset is a multiple of 16 */
    uint32_t slot_bytes;        /* of one slot, a multiple of sector_bytes */
    uint32_t sector_bytes;      /* what is erased at once in a slot, a multiple of write_bytes */
    uint32_t write_bytes;       /* the write unit: 1, 2, 4, 8, 16 or 32 */

    /* Write whole units from `data`, which may lie at any address. 0, or negative where it failed. */
    int (*write)(void *context, uint32_t offset, const void *data, uint32_t bytes);

    /* Erase a log sector or one sector of a slot. */
    int (*erase)(void *context, uint32_t offset, uint32_t bytes);
};

#endif
