/* Flash as the data sheets of some parts have it, over a process's memory: sectors, units, and an erase that takes its time. */
#ifndef EQ_PARTS_H
#define EQ_PARTS_H

#include "edgeq/eq_flash.h"

/* The flash of the part with this name, "l4", "h7", "f7", "nrf52" or "rp2040", over `bytes` of erased memory at `base`;
 * `stall` is called where the core would stand still for some milliseconds. 0, or EQ_NOT_FOUND. It stays at `flash`. */
int eq_part_flash(struct eq_flash *flash, const char *name, uint8_t *base, uint32_t bytes, void (*stall)(uint32_t ms));

#endif
