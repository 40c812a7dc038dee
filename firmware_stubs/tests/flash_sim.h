/* NOR flash in memory whose power can be cut, or whose cells fail, at a chosen operation. For tests only. */
#ifndef FLASH_SIM_H
#define FLASH_SIM_H

#include "edgeq/eq_flash.h"

#define SIM_MOST 8192u          /* bytes of flash, at most */
#define SIM_BYTES (2u * SIM_MOST) /* of memory: the flash, and what is so of each unit */

enum sim_fault {
    SIM_CUT = 0,  /* the operation does not happen, and nothing after it */
    SIM_TORN = 1, /* it happens in part, and nothing after it */
    SIM_FAIL = 2, /* it and some more happen in part, and say so; later ones work */
    SIM_LIE = 3,  /* it alone happens in part, and says that it worked */
    SIM_FAULTS = 4
};

/* Parts as their data sheets have them, with sectors made small; and one of equal sectors with any unit, for calls. */
enum sim_part { SIM_EQUAL = 0, SIM_L4 = 1, SIM_H7 = 2, SIM_F7 = 3, SIM_NRF52 = 4, SIM_RP2040 = 5, SIM_PARTS = 6 };

struct flash_sim {
    struct eq_flash flash;    /* give this to the code under test */
    uint8_t *memory;          /* SIM_BYTES, at a multiple of 16 */
    int ecc;                  /* what was cut short cannot be read, and its bytes by pointer are a lie */
    enum sim_fault fault;
    uint32_t until_fault;     /* operations that work before it; UINT32_MAX for no fault */
    uint32_t operations;      /* so far: an erase or the write of one unit */
    int failed;               /* cells have failed: what is written to them is no mistake of the writer's */
    uint32_t random;          /* state of the generator */
    uint32_t violations;      /* units written that were not erased since, requests outside or of no whole unit or sector */
};

uint32_t sim_random(uint32_t *state);

/* Erased flash; `memory` is the caller's, `write_bytes` the unit of SIM_EQUAL. */
void sim_init(struct flash_sim *sim, uint8_t *memory, enum sim_part part, uint32_t write_bytes);

/* Whether all of it can be read. */
int sim_is_readable(const struct flash_sim *sim, uint32_t offset, uint32_t bytes);

#endif
