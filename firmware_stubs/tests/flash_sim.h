/* NOR flash in memory whose power can be cut, or whose cells fail, at a chosen operation. For tests only. */
#ifndef FLASH_SIM_H
#define FLASH_SIM_H

#include "edgeq/eq_flash.h"

#define SIM_LOG_BYTES 1024u
#define SIM_SECTOR_BYTES 128u
#define SIM_SLOT_BYTES (5u * SIM_SECTOR_BYTES)
#define SIM_BYTES (2u * SIM_LOG_BYTES + 2u * SIM_SLOT_BYTES)

enum sim_fault {
    SIM_CUT = 0,  /* the operation does not happen, and nothing after it */
    SIM_TORN = 1, /* it happens to some bits, and nothing after it */
    SIM_FAIL = 2, /* it and some more happen to some bits, and say so; later ones work */
    SIM_LIE = 3,  /* it alone happens to some bits, and says that it worked */
    SIM_FAULTS = 4
};

struct flash_sim {
    struct eq_flash flash;    /* give this to the code under test */
    uint8_t *memory;          /* SIM_BYTES, at a multiple of 16 */
    enum sim_fault fault;
    uint32_t until_fault;     /* operations that work before it; UINT32_MAX for no fault */
    uint32_t operations;      /* so far: an erase or the write of one unit */
    uint32_t random;          /* state of the generator */
    uint32_t violations;      /* writes to what was not erased, or outside */
};

uint32_t sim_random(uint32_t *state);

/* Erased flash with this write unit; `memory` is the caller's. */
void sim_init(struct flash_sim *sim, uint8_t *memory, uint32_t write_bytes);

#endif
