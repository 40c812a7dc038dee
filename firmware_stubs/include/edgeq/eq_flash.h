/* What a port says of its flash: where two slots for images and two sectors for the log lie, and how to use them.
 *
 * Flash is memory-mapped, because images are executed where they lie. Erased bytes read as 0xff. Each write unit is
 * programmed once between two erases, whatever it held: many parts keep an error code beside it that cannot change.
 */
#ifndef EQ_FLASH_H
#define EQ_FLASH_H

#include <stdint.h>

#define EQ_SLOTS 2u
#define EQ_RUNS 4u       /* changes of sector size within a slot, and one */
#define EQ_UNIT_MOST 256u

/* Sectors of one size, one behind the other. */
struct eq_sectors {
    uint32_t count;
    uint32_t bytes; /* what is erased at once, a multiple of write_bytes */
};

struct eq_flash {
    void *context;              /* given to every callback */
    const uint8_t *base;        /* where offset 0 is mapped */
    uint32_t log[2];            /* offset of each log sector */
    uint32_t log_bytes;         /* of one log sector, which is erased as a whole; at least 384, 512 from units of 128 on */
    uint32_t slot[EQ_SLOTS];    /* offset of each slot; base + offset is a multiple of 16 */
    struct eq_sectors sectors[EQ_SLOTS][EQ_RUNS]; /* of each slot, from its start; a count of 0 ends them */
    uint32_t write_bytes;       /* the write unit: a power of two up to EQ_UNIT_MOST */
    uint32_t erase_ms;          /* the longest time that one erase keeps bytes of the line from being taken; 0: it does not */

    /* Read what may have been cut short. Negative where the controller reports an error, such as of its error code,
     * on which a read by pointer would be a fault. NULL where any byte can be read by pointer. */
    int (*read)(void *context, uint32_t offset, void *data, uint32_t bytes);

    /* Write whole units from `data`, which may lie at any address. 0, or negative where it failed. */
    int (*write)(void *context, uint32_t offset, const void *data, uint32_t bytes);

    /* Erase a log sector or one sector of a slot. */
    int (*erase)(void *context, uint32_t offset, uint32_t bytes);
};

#endif
