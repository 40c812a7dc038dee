/* What the slots hold, and how that changes: every change is one record, and what is so is read from the newest one. */
#include "eq_slots.h"

#include <string.h>

#include "eq_slots_inner.h"

uint32_t eq_slots_in_state(const struct eq_slots *slots, enum eq_slot_state state)
{
    uint32_t slot = 0;
    while (slot < EQ_SLOTS && slots->now.state[slot] != state) {
        slot++;
    }
    return slot;
}

uint32_t eq_slots_serving(const struct eq_slots *slots)
{
    uint32_t trial = eq_slots_in_state(slots, EQ_SLOT_TRIAL);
    return trial < EQ_SLOTS ? trial : slots->now.current;
}

uint32_t eq_slots_previous(const struct eq_slots *slots)
{
    uint32_t other = 1u - slots->now.current; /* not a slot where nothing serves */
    return other < EQ_SLOTS && slots->now.state[other] == EQ_SLOT_CONFIRMED ? other : EQ_SLOTS;
}

/* What is arriving or arrived last; else the slot that is worth least of those that do not serve. */
uint32_t eq_slots_inbox(const struct eq_slots *slots)
{
    uint32_t best = EQ_SLOTS;
    for (uint32_t slot = 0; slot < EQ_SLOTS; slot++) {
        unsigned state = slots->now.state[slot];
        if (state == EQ_SLOT_INCOMING || state == EQ_SLOT_ARRIVED) {
            return slot;
        }
        if (slot != slots->now.current && state != EQ_SLOT_TRIAL &&
            (best == EQ_SLOTS || state < slots->now.state[best])) {
            best = slot;
        }
    }
    return best;
}

uint32_t eq_slots_with_number(const struct eq_slots *slots, uint32_t n)
{
    uint32_t slot = 0;
    while (slot < EQ_SLOTS && (n == 0 || slots->now.slot[slot].n != n)) {
        slot++;
    }
    return slot;
}

const uint8_t *eq_slots_digest(const struct eq_slots *slots, uint32_t slot)
{
    const struct eq_slot *entry = &slots->now.slot[slot];
    return entry->manifest.bytes > 0 ? entry->manifest.sha256 : entry->image.sha256;
}

uint32_t eq_slots_with_release(const struct eq_slots *slots, const uint8_t *sha256)
{
    uint32_t slot = 0;
    while (slot < EQ_SLOTS && (slots->now.state[slot] < EQ_SLOT_STAGED ||
                               memcmp(eq_slots_digest(slots, slot), sha256, EQ_SHA256_BYTES) != 0)) {
        slot++;
    }
    return slot;
}

int eq_slots_save(struct eq_slots *slots, struct eq_record *next)
{
    int status = eq_log_append(&slots->log, next);
    if (status == EQ_OK) {
        slots->now = *next;
    }
    return status;
}

int eq_slots_set_state(struct eq_slots *slots, uint32_t slot, enum eq_slot_state state)
{
    struct eq_record next = slots->now;
    next.state[slot] = (uint8_t)state;
    return eq_slots_save(slots, &next);
}

/* Starting */

static int is_sound(const struct eq_slots *slots, uint32_t slot)
{
    return slot < EQ_SLOTS && slots->now.state[slot] == EQ_SLOT_CONFIRMED && eq_slots_check(slots, slot) == EQ_OK;
}

/* What a damaged release leaves: the other one serves if it is sound. */
static void without(const struct eq_slots *slots, struct eq_record *next, uint32_t slot, enum eq_why why)
{
    uint32_t other = 1u - slot;
    next->state[slot] = EQ_SLOT_BAD;
    next->why[slot] = (uint8_t)why;
    if (next->current == slot) {
        next->current = (uint8_t)(is_sound(slots, other) ? other : EQ_SLOTS);
    }
}

int eq_slots_condemn(struct eq_slots *slots, uint32_t slot, enum eq_why why)
{
    struct eq_record next = slots->now;
    without(slots, &next, slot, why);
    return eq_slots_save(slots, &next);
}

void eq_slots_disown(struct eq_slots *slots, uint32_t slot)
{
    without(slots, &slots->now, slot, EQ_WHY_SIGNATURE);
}

int eq_slots_open(struct eq_slots *slots, const struct eq_flash *flash)
{
    struct eq_record *now = &slots->now;
    *slots = (struct eq_slots){.flash = flash, .unclean = 1};
    if (eq_log_open(&slots->log, flash, now) != EQ_OK) {
        return EQ_INVALID;
    }
    if (now->current < EQ_SLOTS && !is_sound(slots, now->current)) {
        without(slots, now, now->current, EQ_WHY_DAMAGED);
    }
    eq_slots_go_on(slots);
    return EQ_OK;
}

/* A trial that is over is not written, so that a device which restarts for ever wears nothing: the next start finds the
 * same. */
static int give_up(struct eq_slots *slots, uint32_t trial, enum eq_why why, int status)
{
    slots->now.state[trial] = EQ_SLOT_BAD;
    slots->now.why[trial] = (uint8_t)why;
    return status;
}

int eq_slots_resume(struct eq_slots *slots, uint32_t starts)
{
    struct eq_record next = slots->now;
    uint32_t trial = eq_slots_in_state(slots, EQ_SLOT_TRIAL);
    if (trial == EQ_SLOTS) {
        return EQ_NOT_FOUND;
    }
    if (next.starts >= starts) {
        return give_up(slots, trial, EQ_WHY_RESTARTED, EQ_STATE);
    }
    if (eq_slots_check(slots, trial) != EQ_OK) {
        return give_up(slots, trial, EQ_WHY_DAMAGED, EQ_DIGEST);
    }
    next.starts++;
    return eq_slots_save(slots, &next) == EQ_OK ? EQ_OK : give_up(slots, trial, EQ_WHY_FLASH, EQ_IO);
}

/* Releases */

int eq_slots_stage(struct eq_slots *slots, uint32_t slot)
{
    struct eq_record next = slots->now;
    if (slot >= EQ_SLOTS || next.state[slot] < EQ_SLOT_ARRIVED) {
        return EQ_NOT_FOUND;
    }
    if (next.state[slot] != EQ_SLOT_ARRIVED) {
        return EQ_OK;
    }
    next.state[slot] = EQ_SLOT_STAGED;
    next.slot[slot].n = next.next++;
    return eq_slots_save(slots, &next);
}

int eq_slots_try(struct eq_slots *slots, uint32_t slot)
{
    int possible = slot < EQ_SLOTS && slot != slots->now.current && eq_slots_serving(slots) == slots->now.current &&
                   (slots->now.state[slot] == EQ_SLOT_STAGED || slots->now.state[slot] == EQ_SLOT_CONFIRMED);
    struct eq_record next = slots->now;
    if (!possible) {
        return EQ_STATE;
    }
    next.state[slot] = EQ_SLOT_TRIAL;
    next.starts = 0;
    return eq_slots_save(slots, &next);
}

int eq_slots_confirm(struct eq_slots *slots, uint32_t security_version)
{
    struct eq_record next = slots->now;
    uint32_t trial = eq_slots_in_state(slots, EQ_SLOT_TRIAL);
    if (trial == EQ_SLOTS) {
        return EQ_STATE;
    }
    next.state[trial] = EQ_SLOT_CONFIRMED;
    next.current = (uint8_t)trial;
    if (security_version > next.security_version) {
        next.security_version = security_version;
    }
    return eq_slots_save(slots, &next);
}

int eq_slots_revert(struct eq_slots *slots, enum eq_why why)
{
    struct eq_record next = slots->now;
    uint32_t trial = eq_slots_in_state(slots, EQ_SLOT_TRIAL);
    if (trial == EQ_SLOTS) {
        return EQ_STATE;
    }
    next.state[trial] = EQ_SLOT_BAD;
    next.why[trial] = (uint8_t)why;
    return eq_slots_save(slots, &next);
}

int eq_slots_rollback(struct eq_slots *slots)
{
    struct eq_record next = slots->now;
    uint32_t previous = eq_slots_previous(slots);
    if (previous == EQ_SLOTS || eq_slots_serving(slots) != slots->now.current) {
        return EQ_STATE;
    }
    if (eq_slots_check(slots, previous) != EQ_OK) {
        return EQ_DIGEST;
    }
    next.current = (uint8_t)previous;
    return eq_slots_save(slots, &next);
}
