#include "steps.h"

#include <stdlib.h>

int steps_do(struct steps *steps, const uint32_t argument[3], const struct eq_blob *blob, const uint8_t *data,
             uint32_t bytes)
{
    struct eq_slots *slots = &steps->slots;
    int status;
    switch (argument[0]) {
    case NEW_FLASH:
        steps->memory = steps->memory ? steps->memory : malloc(SIM_BYTES);
        sim_init(&steps->sim, steps->memory, (enum sim_part)argument[2], argument[1]);
        return eq_slots_open(slots, &steps->sim.flash);
    case OPEN:
        return eq_slots_open(slots, &steps->sim.flash);
    case RESUME_IT:
        return eq_slots_resume(slots, argument[1]);
    case RECEIVE:
        return eq_slots_receive(slots, (enum eq_part)argument[1], blob, argument[2], data, bytes, &steps->wanted);
    case STAGE:
        return eq_slots_stage(slots, argument[1]);
    case TRY:
        return eq_slots_try(slots, argument[1]);
    case CONFIRM_IT:
        return eq_slots_confirm(slots, argument[1]);
    case REVERT_IT:
        return eq_slots_revert(slots, (enum eq_why)argument[1]);
    case ROLL_BACK:
        return eq_slots_rollback(slots);
    case DAMAGE:
        steps->memory[steps->sim.flash.slot[argument[1]]] ^= 1;
        return EQ_OK;
    case ERASE_IT:
        steps->wanted = 0;
        while ((status = eq_slots_erase(slots, argument[1], &steps->wanted)) > 0) {
        }
        return status;
    default:
        return EQ_UNSUPPORTED;
    }
}
