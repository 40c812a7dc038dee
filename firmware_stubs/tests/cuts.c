#include "cuts.h"

#include <stdlib.h>
#include <string.h>

#include "../core/eq_sectors.h"
#include "../core/eq_sha256.h"
#include "../core/eq_slots.h"
#include "flash_sim.h"

#define TRIES 4
#define STARTS 2u         /* restarts that a trial may see */
#define MANIFEST_MOST 300u
#define SCAR_MOST 400u    /* operations before the cut that came earlier */

enum story { CONFIRM, REVERT, ROLLBACK, RESUME, ERASE, WATCH, LOOP, STORIES };

/* How far the story came, as the device acknowledged it. */
enum step { BEGUN, ARRIVED, STAGED, TRYING, ENDING, ENDED };

struct part {
    struct eq_blob blob;
    uint8_t bytes[SIM_MOST / 2];
};

struct bundle {
    struct part image, manifest;
};

struct bundles {
    struct bundle former, old, new, third; /* previous, current, the one that is installed, the one after that */
};

struct world {
    struct flash_sim sim;
    struct eq_slots slots;
    const struct bundles *all;
    uint32_t random;
    uint32_t wanted; /* of the new image, as last acknowledged */
    uint32_t number; /* of the new release, as acknowledged */
    uint32_t most;   /* the largest number ever acknowledged */
    int resumed;     /* how a trial went on at the last start */
    int tried;       /* whether the new release was ever to serve on trial */
    uint32_t runs;   /* how often the model of the present trial began to run */
    enum step step;
};

static uint32_t least(uint32_t first, uint32_t second)
{
    return first < second ? first : second;
}

static void draw_part(struct part *part, uint32_t most, uint32_t looks_erased, uint32_t *random)
{
    part->blob.bytes = 1 + sim_random(random) % most;
    for (uint32_t i = 0; i < part->blob.bytes; i++) {
        /* Some of it looks erased. */
        part->bytes[i] = i / looks_erased == 1 && (*random & 1) ? 0xff : (uint8_t)sim_random(random);
    }
    eq_sha256(part->bytes, part->blob.bytes, part->blob.sha256);
}

/* What is left of the smaller slot when the last sector of each is a manifest's. */
static uint32_t image_most(const struct eq_flash *flash)
{
    uint32_t most = UINT32_MAX;
    for (uint32_t slot = 0; slot < EQ_SLOTS; slot++) {
        most = least(most, eq_sector_begin(flash, slot, eq_slot_bytes(flash, slot) - 1));
    }
    return most;
}

static void draw_bundle(struct bundle *bundle, const struct eq_flash *flash, uint32_t *random)
{
    uint32_t most = MANIFEST_MOST, first = eq_sector_end(flash, 1, 0);
    draw_part(&bundle->image, image_most(flash), first, random);
    for (uint32_t slot = 0; slot < EQ_SLOTS; slot++) {
        most = least(most, eq_slot_bytes(flash, slot) - eq_sector_end(flash, slot, bundle->image.blob.bytes - 1));
    }
    draw_part(&bundle->manifest, most, first, random);
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
        if (part == &w->all->new.image) {
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
    int status = eq_slots_open(&w->slots, &w->sim.flash);
    w->resumed = status == EQ_OK ? eq_slots_resume(&w->slots, STARTS) : status;
    w->runs += w->resumed == EQ_OK;
    return status;
}

/* Until it serves on trial. */
static int try_out(struct world *w, const struct bundle *bundle)
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
    w->tried = 1;
    status = eq_slots_try(&w->slots, slot);
    if (status == EQ_OK) {
        w->runs = 1;
        w->step = ENDING;
    }
    return status;
}

static int end_trial(struct world *w, int confirm)
{
    int status = confirm ? eq_slots_confirm(&w->slots, 0) : eq_slots_revert(&w->slots, EQ_WHY_SELFTEST);
    if (status == EQ_OK) {
        w->step = ENDED;
    }
    return status;
}

static int install(struct world *w, const struct bundle *bundle, int confirm)
{
    int status = try_out(w, bundle);
    return status == EQ_OK ? end_trial(w, confirm) : status;
}

/* The board restarts again and again while it is on trial. */
static int keep_restarting(struct world *w, uint32_t restarts)
{
    int status = EQ_OK;
    for (uint32_t i = 0; i < restarts && status == EQ_OK; i++) {
        status = restart(w);
        status = w->resumed == EQ_IO ? EQ_IO : status;
    }
    return status;
}

static int watch(struct world *w, enum story story)
{
    int status = try_out(w, &w->all->new);
    if (status == EQ_OK) {
        status = keep_restarting(w, story == WATCH ? STARTS : STARTS + 1);
    }
    if (status != EQ_OK || story == WATCH) {
        return status == EQ_OK ? end_trial(w, 1) : status;
    }
    w->step = ENDED;
    return eq_slots_in_state(&w->slots, EQ_SLOT_TRIAL) == EQ_SLOTS ? EQ_OK : EQ_UNKNOWN;
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
        status = send(w, &w->all->new.image, EQ_IMAGE, w->all->new.image.blob.bytes / 2);
        if (status == EQ_OK) {
            status = restart(w);
        }
        return status == EQ_OK ? install(w, &w->all->new, 1) : status;
    case WATCH:
    case LOOP:
        return watch(w, story);
    default:
        return install(w, &w->all->new, story == CONFIRM);
    }
}

static int holds(const struct world *w, uint32_t slot, const struct part *part, enum eq_part which)
{
    uint32_t bytes;
    const uint8_t *data = eq_slots_part(&w->slots, slot, which, &bytes);
    return bytes == part->blob.bytes && memcmp(data, part->bytes, bytes) == 0 &&
           sim_is_readable(&w->sim, (uint32_t)(data - w->sim.memory), bytes);
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
    const struct eq_flash *flash = &w->sim.flash;
    return eq_flash_is_blank(flash, flash->slot[slot], eq_slot_bytes(flash, slot)) &&
           w->slots.now.state[slot] == EQ_SLOT_EMPTY;
}

/* Whether more than the last two sectors of the new image are wanted again, none of which looks erased. */
static int is_far_back(const struct world *w)
{
    const struct eq_flash *flash = &w->sim.flash;
    const struct part *image = &w->all->new.image;
    uint32_t slot = eq_slots_inbox(&w->slots), before;
    if (w->wanted == 0 || w->wanted >= image->blob.bytes || image->bytes[eq_sector_end(flash, 1, 0)] == 0xff) {
        return 0;
    }
    before = eq_sector_begin(flash, slot, w->wanted - 1);
    return before > 0 && eq_slots_wanted(&w->slots, image->blob.sha256) < eq_sector_begin(flash, slot, before - 1);
}

/* What must be so after a restart; the number of the first promise that is broken, or 0. */
static uint32_t broken_promise(struct world *w, enum story story, enum step step)
{
    const struct bundle *target = story == ROLLBACK                                      ? &w->all->former
                                  : story == REVERT || story == ERASE || story == LOOP ? &w->all->old
                                                                                       : &w->all->new;
    int on_trial = eq_slots_in_state(&w->slots, EQ_SLOT_TRIAL) < EQ_SLOTS;
    const struct eq_record *now = &w->slots.now;
    uint32_t slot = eq_slots_with_number(&w->slots, w->number);
    if (!serves(w, &w->all->old) && !(step >= ENDING && serves(w, target)) &&
        !(w->tried && on_trial && serves(w, &w->all->new))) {
        return 1; /* what served before serves, or what was about to */
    }
    if (on_trial && w->runs > 1 + STARTS) {
        return 14; /* a trial runs no more often than it may */
    }
    if (step == ENDED && (on_trial || !serves(w, target))) {
        return 2; /* an acknowledged change stays */
    }
    for (uint32_t i = 0; i < EQ_SLOTS; i++) {
        if (now->state[i] >= EQ_SLOT_ARRIVED && eq_slots_check(&w->slots, i) != EQ_OK) {
            return 3; /* what a record vouches for is there */
        }
    }
    if (story != ROLLBACK && step == ARRIVED && !has_arrived(w, &w->all->new)) {
        return 4; /* an acknowledged blob is there */
    }
    if ((w->number != 0 && slot == EQ_SLOTS) || now->next <= w->most) {
        return 5; /* an acknowledged release keeps its number, and nobody else gets it */
    }
    if (story != ROLLBACK && step == BEGUN && is_far_back(w)) {
        return 6; /* at most two sectors are sent again */
    }
    if (story == ERASE && step == ENDED && !is_erased(w, 1 - w->slots.now.current)) {
        return 13; /* what was erased is gone */
    }
    return 0;
}

/* Life goes on: another release is installed, and the one before it comes back. */
static uint32_t broken_future(struct world *w, int confirm)
{
    const struct bundle *before;
    if (eq_slots_in_state(&w->slots, EQ_SLOT_TRIAL) < EQ_SLOTS && end_trial(w, confirm) != EQ_OK) {
        return 15; /* a trial that survived can end, and then it is the new or the old that serves */
    }
    if (!serves(w, &w->all->new) && !serves(w, &w->all->old) && !serves(w, &w->all->former)) {
        return 15;
    }
    before = serves(w, &w->all->new) ? &w->all->new : serves(w, &w->all->former) ? &w->all->former : &w->all->old;
    if (send_bundle(w, &w->all->new) != EQ_OK && send_bundle(w, &w->all->new) != EQ_OK) {
        return 7; /* the same command again works, if need be from the start */
    }
    if (install(w, &w->all->third, 1) != EQ_OK || !serves(w, &w->all->third)) {
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

/* The one before the last install was cut short too, and has recovered: 0, or the broken promise. */
static uint32_t scar(struct world *w)
{
    w->sim.fault = w->random & 1 ? SIM_TORN : SIM_CUT;
    w->sim.until_fault = w->sim.operations + sim_random(&w->random) % SCAR_MOST;
    (void)install(w, &w->all->old, 1);
    w->sim.until_fault = UINT32_MAX;
    if (restart(w) != EQ_OK) {
        return 12;
    }
    if (eq_slots_in_state(&w->slots, EQ_SLOT_TRIAL) < EQ_SLOTS && eq_slots_confirm(&w->slots, 0) != EQ_OK) {
        return 15;
    }
    return serves(w, &w->all->old) || install(w, &w->all->old, 1) == EQ_OK ? 0 : 7;
}

/* 0, or the promise that was broken before the story began. */
static uint32_t prepare(struct world *w, uint8_t *memory, uint32_t seed, enum sim_part part, uint32_t fill,
                        struct bundles *all)
{
    uint32_t broken = 0;
    memset(w, 0, sizeof *w);
    w->random = seed;
    w->all = all;
    sim_init(&w->sim, memory, part, 8);
    w->sim.random = seed;
    draw_bundle(&all->former, &w->sim.flash, &w->random);
    draw_bundle(&all->old, &w->sim.flash, &w->random);
    draw_bundle(&all->new, &w->sim.flash, &w->random);
    draw_bundle(&all->third, &w->sim.flash, &w->random);
    restart(w);
    install(w, &all->former, 1);
    if (fill % 2 != 0) {
        broken = scar(w);
    } else {
        install(w, &all->old, 1);
    }
    for (uint32_t i = 0; i < fill; i++) {
        eq_log_append(&w->slots.log, &w->slots.now);
    }
    w->wanted = 0;
    w->tried = 0;
    w->sim.random = seed;
    w->sim.operations = 0;
    return broken != 0 ? broken : w->sim.violations != 0 ? 11 : 0;
}

static void tell_broken(struct cuts *cuts, uint32_t promise, uint32_t story, uint32_t fault, uint32_t fill,
                        uint32_t operation)
{
    const uint32_t broken[5] = {promise, story, fault, fill, operation};
    if (promise != 0) {
        cuts->broken = 1;
        memcpy(cuts->by, broken, sizeof broken);
    }
}

/* One story with one fault, from the same beginning each time. */
static int one(struct world *w, enum story story, enum sim_fault fault, uint32_t fill, uint32_t operation,
               struct cuts *cuts)
{
    enum step step;
    uint32_t promise;
    w->sim.fault = fault;
    w->sim.until_fault = operation;
    for (int tries = 0; tell(w, story) != EQ_OK && tries < TRIES && fault >= SIM_FAIL; tries++) {
        (void)eq_slots_revert(&w->slots, EQ_WHY_SELFTEST); /* as the service does where a trial ends badly */
    }
    if (w->sim.operations <= operation) {
        return 0; /* the story was over before */
    }
    step = w->step;
    w->sim.until_fault = UINT32_MAX;
    promise = restart(w) == EQ_OK ? broken_promise(w, story, step) : 12;
    cuts->tried++;
    cuts->old_serves += (uint32_t)serves(w, &w->all->old);
    cuts->new_serves += (uint32_t)!serves(w, &w->all->old);
    tell_broken(cuts, promise ? promise : broken_future(w, operation & 1), story, fault, fill, operation);
    return 1;
}

void cuts_run(uint32_t seed, uint32_t part, uint32_t stride, struct cuts *cuts)
{
    struct world begin, w;
    struct bundles *all = malloc(sizeof *all);
    uint8_t *saved = malloc(SIM_BYTES), *memory = malloc(SIM_BYTES);
    uint32_t fills = 1, random = seed;
    for (uint32_t fill = 0; fill < fills && cuts->broken == 0; fill++) {
        tell_broken(cuts, prepare(&begin, memory, seed, (enum sim_part)part, fill, all), STORIES, 0, fill, 0);
        fills = begin.sim.flash.log_bytes / (uint32_t)sizeof(struct eq_record) * 2 + 1;
        begin.sim.flash.context = &w.sim;
        begin.slots.flash = begin.slots.log.flash = &w.sim.flash;
        memcpy(saved, memory, SIM_BYTES);
        for (uint32_t which = 0; which < STORIES * SIM_FAULTS && cuts->broken == 0; which++) {
            uint32_t operation = sim_random(&random) % stride;
            for (int more = 1; more && cuts->broken == 0; operation += stride) {
                memcpy(memory, saved, SIM_BYTES);
                w = begin;
                more = one(&w, which / SIM_FAULTS, which % SIM_FAULTS, fill, operation, cuts);
            }
        }
    }
    free(saved);
    free(memory);
    free(all);
}
