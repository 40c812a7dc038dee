/* Bytes on their way into a slot, sector by sector and unit by unit, and sectors that are erased. */
#include <string.h>

#include "eq_sectors.h"
#include "eq_slots_inner.h"

static int is_blob(const struct eq_blob *blob, const uint8_t *sha256)
{
    return blob->bytes > 0 && memcmp(blob->sha256, sha256, EQ_SHA256_BYTES) == 0;
}

/* The blob that is arriving in a slot. */
static const struct eq_blob *incoming(const struct eq_slots *slots, uint32_t slot)
{
    return eq_slots_blob(slots, slot, eq_slots_arriving(slots, slot));
}

int eq_slots_has(const struct eq_slots *slots, uint32_t slot, const uint8_t *sha256)
{
    const struct eq_slot *entry = &slots->now.slot[slot];
    int whole = slots->now.state[slot] >= EQ_SLOT_ARRIVED;
    int image = whole || (slots->now.state[slot] == EQ_SLOT_INCOMING && entry->manifest.bytes > 0);
    return (image && is_blob(&entry->image, sha256)) || (whole && is_blob(&entry->manifest, sha256));
}

uint32_t eq_slots_wanted(const struct eq_slots *slots, const uint8_t *sha256)
{
    uint32_t slot = eq_slots_in_state(slots, EQ_SLOT_INCOMING);
    return slot < EQ_SLOTS && is_blob(incoming(slots, slot), sha256) ? slots->off : 0;
}

uint32_t eq_slots_room(const struct eq_slots *slots)
{
    uint32_t slot = eq_slots_in_state(slots, EQ_SLOT_INCOMING), start, here, end;
    if (slot == EQ_SLOTS) {
        return 0;
    }
    start = eq_slots_start(slots, slot);
    here = start + slots->off;
    if (here == eq_sector_begin(slots->flash, slot, here)) {
        return 0;
    }
    end = eq_sector_end(slots->flash, slot, here) - start;
    return end - slots->off;
}

int eq_slots_is_arriving(const struct eq_slots *slots, enum eq_part part, const struct eq_blob *blob)
{
    uint32_t slot = eq_slots_in_state(slots, EQ_SLOT_INCOMING);
    return slot < EQ_SLOTS && eq_slots_arriving(slots, slot) == part &&
           memcmp(eq_slots_blob(slots, slot, part), blob, sizeof *blob) == 0;
}

/* Behind the sector that was written last there is always an erased one: go on at the former's start. */
static uint32_t resume_at(const struct eq_slots *slots, uint32_t slot)
{
    const struct eq_flash *flash = slots->flash;
    uint32_t start = eq_slots_start(slots, slot), at = start, before = start;
    uint32_t last = start + incoming(slots, slot)->bytes - 1;
    while (at <= last) {
        uint32_t end = eq_sector_end(flash, slot, at);
        if (eq_flash_is_blank(flash, flash->slot[slot] + at, end - at)) {
            break;
        }
        before = at;
        at = end;
    }
    return before - start;
}

void eq_slots_go_on(struct eq_slots *slots)
{
    uint32_t slot = eq_slots_in_state(slots, EQ_SLOT_INCOMING);
    if (slot == EQ_SLOTS) {
        return;
    }
    if (eq_slots_fits(slots->flash, slot, eq_slots_start(slots, slot), incoming(slots, slot)->bytes)) {
        slots->off = resume_at(slots, slot);
    } else {
        slots->now.state[slot] = EQ_SLOT_EMPTY; /* of a firmware with larger slots */
    }
}

/* The sector that begins at `at`. */
static int erase(const struct eq_slots *slots, uint32_t slot, uint32_t at)
{
    const struct eq_flash *flash = slots->flash;
    int status = flash->erase(flash->context, flash->slot[slot] + at, eq_sector_end(flash, slot, at) - at);
    eq_slots_busy(slots);
    return status == 0 ? EQ_OK : EQ_IO;
}

/* Make room for a blob: what was there stops counting before it is erased. */
static int begin(struct eq_slots *slots, enum eq_part part, const struct eq_blob *blob)
{
    struct eq_record next = slots->now;
    uint32_t slot = eq_slots_inbox(slots), start = 0;
    if (slot == EQ_SLOTS) {
        return EQ_STATE;
    }
    if (part == EQ_MANIFEST) {
        if (!eq_slots_has(slots, slot, next.slot[slot].image.sha256)) {
            return EQ_STATE;
        }
        start = eq_slots_behind(slots, slot);
    } else {
        next.slot[slot].image = *blob;
    }
    if (!eq_slots_fits_everywhere(slots->flash, part, next.slot[slot].image.bytes, blob->bytes)) {
        return EQ_NO_SPACE;
    }
    next.slot[slot].n = 0;
    next.why[slot] = EQ_WHY_NONE;
    next.slot[slot].manifest = (struct eq_blob){0};
    next.state[slot] = part == EQ_IMAGE ? EQ_SLOT_EMPTY : EQ_SLOT_ARRIVED;
    if (eq_slots_save(slots, &next) != EQ_OK || erase(slots, slot, start) != EQ_OK) {
        return EQ_IO;
    }
    if (part == EQ_MANIFEST) {
        next.slot[slot].manifest = *blob;
    }
    next.state[slot] = EQ_SLOT_INCOMING;
    slots->off = 0;
    slots->unclean = 0;
    return eq_slots_save(slots, &next);
}

/* Before the first byte of a sector: the next one that the blob reaches is erased, so that a restart can tell how far
 * it had come. */
static int enter_sector(struct eq_slots *slots, uint32_t slot)
{
    uint32_t start = eq_slots_start(slots, slot), here = start + slots->off;
    uint32_t next = eq_sector_end(slots->flash, slot, here);
    if (slots->unclean && erase(slots, slot, here) != EQ_OK) {
        return EQ_IO;
    }
    slots->unclean = 0;
    return next - start < incoming(slots, slot)->bytes ? erase(slots, slot, next) : EQ_OK;
}

static int write_units(struct eq_slots *slots, uint32_t slot, uint32_t at, const uint8_t *data, uint32_t bytes)
{
    const struct eq_flash *flash = slots->flash;
    uint32_t to = flash->slot[slot] + eq_slots_start(slots, slot) + at;
    return flash->write(flash->context, to, data, bytes) == 0 ? EQ_OK : EQ_IO;
}

/* Write some of `bytes` bytes, and say in `taken` how many: within one sector, whole units where possible. */
static int write_some(struct eq_slots *slots, uint32_t slot, const uint8_t *data, uint32_t bytes, uint32_t *taken)
{
    uint32_t unit = slots->flash->write_bytes, here = eq_slots_start(slots, slot) + slots->off;
    uint32_t filled = slots->off % unit, room = eq_sector_end(slots->flash, slot, here) - here;
    if (here == eq_sector_begin(slots->flash, slot, here) && enter_sector(slots, slot) != EQ_OK) {
        return EQ_IO;
    }
    if (filled == 0 && bytes >= unit) {
        *taken = bytes < room ? bytes - bytes % unit : room;
        return write_units(slots, slot, slots->off, data, *taken);
    }
    *taken = bytes < unit - filled ? bytes : unit - filled;
    memcpy(slots->tail + filled, data, *taken);
    if (filled + *taken < unit && slots->off + *taken < incoming(slots, slot)->bytes) {
        return EQ_OK;
    }
    memset(slots->tail + filled + *taken, 0xff, unit - filled - *taken);
    return write_units(slots, slot, slots->off - filled, slots->tail, unit);
}

/* The sector that was written last is wanted again. */
static void go_back(struct eq_slots *slots, uint32_t slot)
{
    uint32_t last = slots->off > 0 ? slots->off - 1 : 0, start = eq_slots_start(slots, slot);
    slots->off = eq_sector_begin(slots->flash, slot, start + last) - start;
    slots->unclean = 1;
}

static int write_all(struct eq_slots *slots, uint32_t slot, const uint8_t *data, uint32_t bytes)
{
    while (bytes > 0) {
        uint32_t taken = 0;
        if (write_some(slots, slot, data, bytes, &taken) != EQ_OK) {
            go_back(slots, slot);
            return EQ_IO;
        }
        slots->off += taken;
        data += taken;
        bytes -= taken;
    }
    return EQ_OK;
}

/* All bytes are there: are they the right ones? */
static int arrive(struct eq_slots *slots, uint32_t slot)
{
    int status = eq_slots_check_part(slots, slot, eq_slots_arriving(slots, slot));
    if (status != EQ_OK) {
        slots->off = 0;
        slots->unclean = 1;
    } else if ((status = eq_slots_set_state(slots, slot, EQ_SLOT_ARRIVED)) != EQ_OK) {
        go_back(slots, slot);
    }
    return status;
}

int eq_slots_receive(struct eq_slots *slots, enum eq_part part, const struct eq_blob *blob, uint32_t off,
                     const uint8_t *data, uint32_t bytes, uint32_t *wanted)
{
    uint32_t slot = eq_slots_inbox(slots);
    int status = EQ_OK;
    *wanted = 0;
    if (blob->bytes == 0 || bytes > blob->bytes || off > blob->bytes - bytes) {
        return EQ_INVALID;
    }
    if (slot < EQ_SLOTS && eq_slots_has(slots, slot, blob->sha256)) {
        *wanted = blob->bytes;
        return EQ_OK;
    }
    if (!eq_slots_is_arriving(slots, part, blob)) {
        status = off == 0 ? begin(slots, part, blob) : EQ_OK;
        if (off != 0 || status != EQ_OK) {
            return status;
        }
    }
    if (off == slots->off) {
        status = write_all(slots, slot, data, bytes);
    }
    if (status == EQ_OK && slots->off == blob->bytes) {
        status = arrive(slots, slot);
    }
    *wanted = slots->off;
    return status;
}

/* Erasing */

/* What a slot holds stops counting. */
static int forget(struct eq_slots *slots, uint32_t slot)
{
    uint32_t current = slots->now.current;
    if (slot >= EQ_SLOTS || slot == current || eq_slots_serving(slots) != current) {
        return EQ_STATE;
    }
    return slots->now.state[slot] == EQ_SLOT_EMPTY ? EQ_OK : eq_slots_set_state(slots, slot, EQ_SLOT_EMPTY);
}

int eq_slots_erase(struct eq_slots *slots, uint32_t slot, uint32_t *at)
{
    const struct eq_flash *flash = slots->flash;
    uint32_t offset, bytes;
    int status = *at == 0 ? forget(slots, slot) : EQ_OK;
    if (status != EQ_OK) {
        return status;
    }
    offset = flash->slot[slot] + *at;
    bytes = eq_sector_end(flash, slot, *at) - *at;
    if (!eq_flash_is_blank(flash, offset, bytes)) {
        status = erase(slots, slot, *at);
        if (status != EQ_OK || !eq_flash_is_blank(flash, offset, bytes)) {
            return EQ_IO;
        }
    }
    *at += bytes;
    return *at < eq_slot_bytes(flash, slot);
}
