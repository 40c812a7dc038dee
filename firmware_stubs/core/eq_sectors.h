/* A flash's geometry: where the sectors of a slot begin and end, and reading what may have been cut short. */
#ifndef EQ_SECTORS_H
#define EQ_SECTORS_H

#include "edgeq/eq_flash.h"

/* Whether slots and units can be as a port says; of the log eq_log.c knows more. */
int eq_flash_is_possible(const struct eq_flash *flash);

uint32_t eq_slot_bytes(const struct eq_flash *flash, uint32_t slot);

/* Of the smaller slot: what does not fit there fits nowhere, so that it never depends on which slot is free. */
uint32_t eq_slot_least(const struct eq_flash *flash);

/* Of the sector in which byte `at` of a slot lies: the offset in the slot where it begins, and where the next one does. */
uint32_t eq_sector_begin(const struct eq_flash *flash, uint32_t slot, uint32_t at);
uint32_t eq_sector_end(const struct eq_flash *flash, uint32_t slot, uint32_t at);

/* 0, or negative where it cannot be read. */
int eq_flash_read(const struct eq_flash *flash, uint32_t offset, void *data, uint32_t bytes);

/* Whether all of it reads as erased. */
int eq_flash_is_blank(const struct eq_flash *flash, uint32_t offset, uint32_t bytes);

#endif
