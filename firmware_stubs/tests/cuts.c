#include "cuts.h"

#include <stdlib.h>
#include <string.h>

#include "../core/eq_sha256.h"
#include "../core/eq_slots.h"
#include "flash_sim.h"

#define FILLS 11u
#define TRIES 4

enum story { CONFIRM, REVERT, ROLLBACK, RESUME, ERASE, STORIES };

/* How far the story came, as the device acknowledged it. */
enum step { BEGUN, ARRIVED, STAGED, TRYING, ENDING, ENDED };

struct part {
    struct eq_blob blob;
    uint8_t bytes[SIM_SLOT_BYTES];
};

struct bundle {
    struct part image, manifest;
};

struct world {
    struct flash_sim sim;
    struct eq_slots slots;
    struct bundle former, old, new, third; /* previous, current, the one that is installed, the one after that */
    uint32_t random;
    uint32_t wanted; /* of the new image, as last acknowledged */
    uint32_t number; /* of the new release, as acknowledged */
    uint32_t most;   /* the largest number ever acknowledged */
    enum step step;
};

static void draw_part(struct part *part, uint32_t most, uint32_t *random)
{
    part->blob.bytes = 1 + sim_random(random) % most;
    for (uint32_t i = 0; i < part->blob.bytes; i++) {
        /* Some of it looks erased. */
        part->bytes[i] = i / SIM_SECTOR_BYTES == 1 && (*random & 1) ? 0xff : (uint8_t)sim_random(random);
    }
    eq_sha256(part->bytes, part->blob.bytes, part->blob.sha256);
}

static void draw_bundle(struct bundle *bundle, uint32_t *random)
{
    draw_part(&bundle->image, SIM_SLOT_BYTES - 2 * SIM_SECTOR_BYTES, random);
    draw_part(&bundle->manifest, 2 * SIM_SECTOR_BYTES, random);
}

/* Send from where it is wanted up to `end`, in pieces of any size. */
static int send(struct world *w, const struct part *part, enum eq_part which, uint32_t end)
{
    uint32_t inbox = eq_slots_inbox(&w->slots), at = eq_slots_wanted(&w->slots, part->blob.sha256);
    int status = EQ_OK;
    if (inbox < EQ_SLOTS && eq_slots_has(&w->slots, inbox, part->blob.sha256)) {
        return EQ_OK;
    }
    while (at < end && status == EQ_OK) {
        uint32_t size = 1 + sim_random(&w->random) % 200, left = end - at;
        status = eq_slots_receive(&w->slots, which, &part->blob, at, part->bytes + at, size < left ? size : left, &at);
        if (part == &w->new.image) {
            w->wanted = status == EQ_OK ? at : 0;
        }
    }
    return status;
}

static int send_bundle(struct world *w, const struct bundle *bundle)
{
    int status = send(w, &bundle->image, EQ_IMAGE, bundle->image.blob.bytes);
    return status == EQ_OK ? send(w, &bundle->manifest, EQ_MANIFEST, bundle->manifest.blob.bytes) : status;
}

static int restart(struct world *w)
{
    return eq_slots_open(&w->slots, &w->sim.flash);
}

static int install(struct world *w, const struct bundle *bundle, int confirm)
{
    int status = send_bundle(w, bundle);
    uint32_t slot = eq_slots_inbox(&w->slots);
    if (status != EQ_OK) {
        return status;
    }
    w->step = ARRIVED;
    if ((status = eq_slots_stage(&w->slots, slot)) != EQ_OK) {
        return status;
    }
    w->step = STAGED;
    w->number = w->most = w->slots.now.slot[slot].n;
    w->step = TRYING;
    if ((status = eq_slots_try(&w->slots, slot)) != EQ_OK) {
        return status;
    }
    w->step = ENDING;
    status = confirm ? eq_slots_confirm(&w->slots, 0) : eq_slots_revert(&w->slots);
    if (status == EQ_OK) {
        w->step = ENDED;
    }
    return status;
}

/* Both slots, of which the one that serves is refused. */
static int erase_both(struct world *w)
{
    uint32_t serving = eq_slots_serving(&w->slots), at = 0;
    int status = eq_slots_erase(&w->slots, serving, &at);
    if (status != EQ_STATE) {
        return status;
    }
    while ((status = eq_slots_erase(&w->slots, 1 - serving, &at)) > 0) {
    }
    return status;
}

static int tell(struct world *w, enum story story)
{
    int status = EQ_OK;
    w->step = BEGUN;
    w->number = 0;
    switch (story) {
    case ROLLBACK:
        w->step = ENDING;
        status = eq_slots_rollback(&w->slots);
        w->step = status == EQ_OK ? ENDED : ENDING;
        return status;
    case ERASE:
        status = erase_both(w);
        w->step = status == EQ_OK ? ENDED : BEGUN;
        return status;
    case RESUME:
        status = send(w, &w->new.image, EQ_IMAGE, w->new.image.blob.bytes / 2);
        if (status == EQ_OK) {
            status = restart(w);
        }
        return status == EQ_OK ? install(w, &w->new, 1) : status;
    default:
        return install(w, &w->new, story == CONFIRM);
    }
}

static int holds(const struct world *w, uint32_t slot, const struct part *part, enum eq_part which)
{
    uint32_t bytes;
    const uint8_t *data = eq_slots_part(&w->slots, slot, which, &bytes);
    return bytes == part->blob.bytes && memcmp(data, part->bytes, bytes) == 0;
}

static int serves(const struct world *w, const struct bundle *bundle)
{
    uint32_t slot = eq_slots_serving(&w->slots);
    return slot < EQ_SLOTS && holds(w, slot, &bundle->image, EQ_IMAGE) && holds(w, slot, &bundle->manifest, EQ_MANIFEST);
}

static int has_arrived(const struct world *w, const struct bundle *bundle)
{
    uint32_t slot = eq_slots_inbox(&w->slots);
    return slot < EQ_SLOTS && eq_slots_has(&w->slots, slot, bundle->image.blob.sha256) &&
           eq_slots_has(&w->slots, slot, bundle->manifest.blob.sha256);
}

static int is_erased(const struct world *w, uint32_t slot)
{
    const uint8_t *data = w->sim.memory + w->sim.flash.slot[slot];
    uint32_t at = 0;
    while (at < SIM_SLOT_BYTES && data[at] == 0xff) {
        at++;
    }
    return at == SIM_SLOT_BYTES && w->slots.now.state[slot] == EQ_SLOT_EMPTY;
}

/* What must be so after a restart; the number of the first promise that is broken, or 0. */
static uint32_t broken_promise(struct world *w, enum story story, enum step step)
{
    const struct bundle *target =
        story == ROLLBACK ? &w->former : story == REVERT || story == ERASE ? &w->old : &w->new;
    const struct eq_record *now = &w->slots.now;
    uint32_t slot = eq_slots_with_number(&w->slots, w->number);
    if (!serves(w, &w->old) && !(step >= ENDING && serves(w, target))) {
        return 1; /* what served before serves, or what was about to */
    }
    if (step == ENDED && !serves(w, target)) {
        return 2; /* an acknowledged change stays */
    }
    for (uint32_t i = 0; i < EQ_SLOTS; i++) {
        if (now->state[i] >= EQ_SLOT_ARRIVED && eq_slots_check(&w->slots, i) != EQ_OK) {
            return 3; /* what a record vouches for is there */
        }
    }
    if (story != ROLLBACK && step == ARRIVED && !has_arrived(w, &w->new)) {
        return 4; /* an acknowledged blob is there */
    }
    if ((w->number != 0 && slot == EQ_SLOTS) || now->next <= w->most) {
        return 5; /* an acknowledged release keeps its number, and nobody else gets it */
    }
    if (story != ROLLBACK && step == BEGUN && w->wanted < w->new.image.blob.bytes && w->new.image.bytes[SIM_SECTOR_BYTES] != 0xff &&
        eq_slots_wanted(&w->slots, w->new.image.blob.sha256) + 2 * SIM_SECTOR_BYTES < w->wanted) {
        return 6; /* at most two sectors are sent again */
    }
    if (story == ERASE && step == ENDED && !is_erased(w, 1 - w->slots.now.current)) {
        return 13; /* what was erased is gone */
    }
    return 0;
}

/* Life goes on: another release is installed, and the one before it comes back. */
static uint32_t broken_future(struct world *w)
{
    const struct bundle *before = serves(w, &w->new) ? &w->new : serves(w, &w->former) ? &w->former : &w->old;
    if (send_bundle(w, &w->new) != EQ_OK && send_bundle(w, &w->new) != EQ_OK) {
        return 7; /* the same command again works, if need be from the start */
    }
    if (install(w, &w->third, 1) != EQ_OK || !serves(w, &w->third)) {
        return 8;
    }
    if (eq_slots_rollback(&w->slots) != EQ_OK || !serves(w, before)) {
        return 9;
    }
    if (restart(w) != EQ_OK || !serves(w, before)) {
        return 10;
    }
    return w->sim.violations ? 11 : 0;
}

static void prepare(struct world *w, uint8_t *memory, uint32_t seed, uint32_t fill)
{
    memset(w, 0, sizeof *w);
    w->random = seed;
    sim_init(&w->sim, memory, 4u << seed % 4);
    restart(w);
    draw_bundle(&w->former, &w->random);
    draw_bundle(&w->old, &w->random);
    draw_bundle(&w->new, &w->random);
    draw_bundle(&w->third, &w->random);
    install(w, &w->former, 1);
    install(w, &w->old, 1);
    for (uint32_t i = 0; i < fill; i++) {
        eq_log_append(&w->slots.log, &w->slots.now);
    }
    w->wanted = 0;
    w->sim.random = seed;
    w->sim.operations = 0;
}

/* One story with one fault, from the same beginning each time. */
static int one(struct world *w, enum story story, enum sim_fault fault, uint32_t fill, uint32_t operation,
               struct cuts *cuts)
{
    enum step step;
    uint32_t promise;
    w->sim.fault = fault;
    w->sim.until_fault = operation;
    for (int tries = 0; tries < TRIES && tell(w, story) != EQ_OK; tries++) {
        (void)eq_slots_revert(&w->slots); /* as the service does where a trial ends badly */
    }
    if (w->sim.operations <= operation) {
        return 0; /* the story was over before */
    }
    step = w->step;
    w->sim.until_fault = UINT32_MAX;
    promise = restart(w) == EQ_OK ? broken_promise(w, story, step) : 12;
    cuts->tried++;
    cuts->old_serves += (uint32_t)serves(w, &w->old);
    cuts->new_serves += (uint32_t)!serves(w, &w->old);
    promise = promise ? promise : broken_future(w);
    if (promise != 0) {
        const uint32_t broken[5] = {promise, story, fault, fill, operation};
        cuts->broken = 1;
        memcpy(cuts->by, broken, sizeof broken);
    }
    return 1;
}

void cuts_run(uint32_t seed, struct cuts *cuts)
{
    struct world begin, w;
    uint8_t *saved = malloc(SIM_BYTES), *memory = malloc(SIM_BYTES);
    for (uint32_t fill = 0; fill < FILLS && cuts->broken == 0; fill++) {
        prepare(&begin, memory, seed, fill);
        begin.sim.flash.context = &w.sim;
        begin.slots.flash = begin.slots.log.flash = &w.sim.flash;
        memcpy(saved, memory, SIM_BYTES);
        for (uint32_t which = 0; which < STORIES * SIM_FAULTS && cuts->broken == 0; which++) {
            uint32_t operation = 0;
            do {
                memcpy(memory, saved, SIM_BYTES);
                w = begin;
            } while (one(&w, which / SIM_FAULTS, which % SIM_FAULTS, fill, operation++, cuts) && cuts->broken == 0);
        }
    }
    free(saved);
    free(memory);
}
