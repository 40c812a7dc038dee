/* What the three files of eq_slots.h share. */
#ifndef EQ_SLOTS_INNER_H
#define EQ_SLOTS_INNER_H

#include "eq_slots.h"

/* What is so from now on, in flash and then here. */
int eq_slots_save(struct eq_slots *slots, struct eq_record *next);
int eq_slots_set_state(struct eq_slots *slots, uint32_t slot, enum eq_slot_state state);

/* At a start: an incoming blob goes on near where it stopped. */
void eq_slots_go_on(struct eq_slots *slots);

/* Where the manifest of a slot lies, behind its image. */
uint32_t eq_slots_behind(const struct eq_slots *slots, uint32_t slot);

/* The part that is arriving in a slot, and where it lies; what was promised of a part. */
enum eq_part eq_slots_arriving(const struct eq_slots *slots, uint32_t slot);
uint32_t eq_slots_start(const struct eq_slots *slots, uint32_t slot);
const struct eq_blob *eq_slots_blob(const struct eq_slots *slots, uint32_t slot, enum eq_part part);

/* Whether so many bytes find room from `start` on; and whether a part does in every slot: that never depends on which
 * one is free. */
int eq_slots_fits(const struct eq_flash *flash, uint32_t slot, uint32_t start, uint32_t bytes);
int eq_slots_fits_everywhere(const struct eq_flash *flash, enum eq_part part, uint32_t image_bytes, uint32_t bytes);

/* All of a part: `eq_slots_hash`. */
int eq_slots_check_part(const struct eq_slots *slots, uint32_t slot, enum eq_part part);

/* A piece of long work is done. */
void eq_slots_busy(const struct eq_slots *slots);

#endif
