/* The slots, one call at a time. For tests only. */
#ifndef STEPS_H
#define STEPS_H

#include "../core/eq_slots.h"
#include "flash_sim.h"

enum step_kind {
    NEW_FLASH,
    OPEN,
    RECEIVE,
    STAGE,
    TRY,
    CONFIRM_IT,
    REVERT_IT,
    ROLL_BACK,
    DAMAGE,
    ERASE_IT,
    RESUME_IT,
    STEP_KINDS
};

struct steps {
    struct flash_sim sim;
    struct eq_slots slots;
    uint8_t *memory;  /* NULL before the first step */
    uint32_t wanted;  /* as the last piece was answered */
};

/* Carry out one step: `NEW_FLASH write_bytes part`, `RECEIVE part off` with `blob` and data, `STAGE slot`, `TRY slot`,
 * `CONFIRM_IT security_version`, `REVERT_IT why`, `DAMAGE slot`, `ERASE_IT slot`, `RESUME_IT starts`; the others have no
 * arguments. */
int steps_do(struct steps *steps, const uint32_t argument[3], const struct eq_blob *blob, const uint8_t *data,
             uint32_t bytes);

#endif
