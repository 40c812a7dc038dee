#include "eq_slots.h"

#include <string.h>

#include "eq_sectors.h"
#include "eq_sha256.h"

#define PIECE_BYTES 256u

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

static int is_blob(const struct eq_blob *blob, const uint8_t *sha256)
{
    return blob->bytes > 0 && memcmp(blob->sha256, sha256, EQ_SHA256_BYTES) == 0;
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

/* The manifest's offset in a slot, behind an image of so many bytes. */
static uint32_t behind(const struct eq_flash *flash, uint32_t slot, uint32_t bytes)
{
    return bytes > 0 ? eq_sector_end(flash, slot, bytes - 1) : 0;
}

static uint32_t behind_image(const struct eq_slots *slots, uint32_t slot)
{
    return behind(slots->flash, slot, slots->now.slot[slot].image.bytes);
}

static int fits(const struct eq_flash *flash, uint32_t slot, uint32_t start, uint32_t bytes)
{
    uint32_t most = eq_slot_bytes(flash, slot);
    return start <= most && bytes <= most - start;
}

/* Whether a part finds room in every slot: that never depends on which one is free. */
static int fits_everywhere(const struct eq_flash *flash, enum eq_part part, uint32_t image_bytes, uint32_t bytes)
{
    int all = 1;
    for (uint32_t slot = 0; slot < EQ_SLOTS; slot++) {
        all = all && fits(flash, slot, part == EQ_IMAGE ? 0 : behind(flash, slot, image_bytes), bytes);
    }
    return all;
}

const uint8_t *eq_slots_part(const struct eq_slots *slots, uint32_t slot, enum eq_part part, uint32_t *bytes)
{
    const struct eq_slot *entry = &slots->now.slot[slot];
    uint32_t start = part == EQ_IMAGE ? 0 : behind_image(slots, slot);
    uint32_t size = part == EQ_IMAGE ? entry->image.bytes : entry->manifest.bytes;
    *bytes = fits(slots->flash, slot, start, size) ? size : 0;
    return slots->flash->base + slots->flash->slot[slot] + start;
}

int eq_slots_has(const struct eq_slots *slots, uint32_t slot, const uint8_t *sha256)
{
    const struct eq_slot *entry = &slots->now.slot[slot];
    int whole = slots->now.state[slot] >= EQ_SLOT_ARRIVED;
    int image = whole || (slots->now.state[slot] == EQ_SLOT_INCOMING && entry->manifest.bytes > 0);
    return (image && is_blob(&entry->image, sha256)) || (whole && is_blob(&entry->manifest, sha256));
}

/* The blob that is arriving in a slot, and its place there. */
static enum eq_part arriving(const struct eq_slots *slots, uint32_t slot)
{
    return slots->now.slot[slot].manifest.bytes > 0 ? EQ_MANIFEST : EQ_IMAGE;
}

static const struct eq_blob *blob_of(const struct eq_slots *slots, uint32_t slot, enum eq_part part)
{
    return part == EQ_IMAGE ? &slots->now.slot[slot].image : &slots->now.slot[slot].manifest;
}

static uint32_t start_of(const struct eq_slots *slots, uint32_t slot)
{
    return arriving(slots, slot) == EQ_IMAGE ? 0 : behind_image(slots, slot);
}

uint32_t eq_slots_wanted(const struct eq_slots *slots, const uint8_t *sha256)
{
    uint32_t slot = eq_slots_in_state(slots, EQ_SLOT_INCOMING);
    return slot < EQ_SLOTS && is_blob(blob_of(slots, slot, arriving(slots, slot)), sha256) ? slots->off : 0;
}

static void busy(const struct eq_slots *slots)
{
    if (slots->busy != NULL) {
        slots->busy(slots->busy_context);
    }
}

/* The digest of what lies there; negative where it cannot be read. */
static int hash(const struct eq_slots *slots, uint32_t offset, uint32_t bytes, uint8_t *digest)
{
    struct eq_sha256 sha;
    uint8_t piece[PIECE_BYTES];
    eq_sha256_begin(&sha);
    for (uint32_t at = 0; at < bytes; at += PIECE_BYTES) {
        uint32_t count = bytes - at < PIECE_BYTES ? bytes - at : PIECE_BYTES;
        if (eq_flash_read(slots->flash, offset + at, piece, count) != 0) {
            return EQ_IO;
        }
        eq_sha256_add(&sha, piece, count);
        busy(slots);
    }
    eq_sha256_end(&sha, digest);
    return EQ_OK;
}

static int check_part(const struct eq_slots *slots, uint32_t slot, enum eq_part part)
{
    const struct eq_blob *blob = blob_of(slots, slot, part);
    uint8_t digest[EQ_SHA256_BYTES];
    uint32_t bytes;
    const uint8_t *data = eq_slots_part(slots, slot, part, &bytes);
    if (bytes == 0) {
        return part == EQ_MANIFEST && blob->bytes == 0 ? EQ_OK : EQ_DIGEST;
    }
    return hash(slots, (uint32_t)(data - slots->flash->base), bytes, digest) == EQ_OK &&
                   memcmp(digest, blob->sha256, sizeof digest) == 0
               ? EQ_OK
               : EQ_DIGEST;
}

int eq_slots_check(const struct eq_slots *slots, uint32_t slot)
{
    int status = check_part(slots, slot, EQ_IMAGE);
    return status == EQ_OK ? check_part(slots, slot, EQ_MANIFEST) : status;
}

/* What is so from now on, in flash and then here. */
static int save(struct eq_slots *slots, struct eq_record *next)
{
    int status = eq_log_append(&slots->log, next);
    if (status == EQ_OK) {
        slots->now = *next;
    }
    return status;
}

static int set_state(struct eq_slots *slots, uint32_t slot, enum eq_slot_state state)
{
    struct eq_record next = slots->now;
    next.state[slot] = (uint8_t)state;
    return save(slots, &next);
}

/* Starting */

/* Behind the sector that was written last there is always an erased one: go on at the former's start. */
static uint32_t resume_at(const struct eq_slots *slots, uint32_t slot)
{
    const struct eq_flash *flash = slots->flash;
    uint32_t start = start_of(slots, slot), at = start, before = start;
    uint32_t last = start + blob_of(slots, slot, arriving(slots, slot))->bytes - 1;
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
    return save(slots, &next);
}

void eq_slots_disown(struct eq_slots *slots, uint32_t slot)
{
    without(slots, &slots->now, slot, EQ_WHY_SIGNATURE);
}

int eq_slots_open(struct eq_slots *slots, const struct eq_flash *flash)
{
    struct eq_record *now = &slots->now;
    uint32_t incoming;
    *slots = (struct eq_slots){.flash = flash, .unclean = 1};
    if (eq_log_open(&slots->log, flash, now) != EQ_OK) {
        return EQ_INVALID;
    }
    if (now->current < EQ_SLOTS && !is_sound(slots, now->current)) {
        without(slots, now, now->current, EQ_WHY_DAMAGED);
    }
    incoming = eq_slots_in_state(slots, EQ_SLOT_INCOMING);
    if (incoming < EQ_SLOTS) {
        uint32_t bytes = blob_of(slots, incoming, arriving(slots, incoming))->bytes;
        if (fits(flash, incoming, start_of(slots, incoming), bytes)) {
            slots->off = resume_at(slots, incoming);
        } else {
            now->state[incoming] = EQ_SLOT_EMPTY; /* of a firmware with larger slots */
        }
    }
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
    return save(slots, &next) == EQ_OK ? EQ_OK : give_up(slots, trial, EQ_WHY_FLASH, EQ_IO);
}

/* Receiving */

/* The sector that begins at `at`. */
static int erase(const struct eq_slots *slots, uint32_t slot, uint32_t at)
{
    const struct eq_flash *flash = slots->flash;
    int status = flash->erase(flash->context, flash->slot[slot] + at, eq_sector_end(flash, slot, at) - at);
    busy(slots);
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
        start = behind_image(slots, slot);
    } else {
        next.slot[slot].image = *blob;
    }
    if (!fits_everywhere(slots->flash, part, next.slot[slot].image.bytes, blob->bytes)) {
        return EQ_NO_SPACE;
    }
    next.slot[slot].n = 0;
    next.why[slot] = EQ_WHY_NONE;
    next.slot[slot].manifest = (struct eq_blob){0};
    next.state[slot] = part == EQ_IMAGE ? EQ_SLOT_EMPTY : EQ_SLOT_ARRIVED;
    if (save(slots, &next) != EQ_OK || erase(slots, slot, start) != EQ_OK) {
        return EQ_IO;
    }
    if (part == EQ_MANIFEST) {
        next.slot[slot].manifest = *blob;
    }
    next.state[slot] = EQ_SLOT_INCOMING;
    slots->off = 0;
    slots->unclean = 0;
    return save(slots, &next);
}

/* Before the first byte of a sector: the next one that the blob reaches is erased, so that a restart can tell how far it
 * had come. */
static int enter_sector(struct eq_slots *slots, uint32_t slot)
{
    uint32_t start = start_of(slots, slot), here = start + slots->off;
    uint32_t next = eq_sector_end(slots->flash, slot, here);
    if (slots->unclean && erase(slots, slot, here) != EQ_OK) {
        return EQ_IO;
    }
    slots->unclean = 0;
    return next - start < blob_of(slots, slot, arriving(slots, slot))->bytes ? erase(slots, slot, next) : EQ_OK;
}

static int write_units(struct eq_slots *slots, uint32_t slot, uint32_t at, const uint8_t *data, uint32_t bytes)
{
    const struct eq_flash *flash = slots->flash;
    uint32_t to = flash->slot[slot] + start_of(slots, slot) + at;
    return flash->write(flash->context, to, data, bytes) == 0 ? EQ_OK : EQ_IO;
}

/* Write some of `bytes` bytes, and say in `taken` how many: within one sector, whole units where possible. */
static int write_some(struct eq_slots *slots, uint32_t slot, const uint8_t *data, uint32_t bytes, uint32_t *taken)
{
    uint32_t unit = slots->flash->write_bytes, here = start_of(slots, slot) + slots->off;
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
    if (filled + *taken < unit && slots->off + *taken < blob_of(slots, slot, arriving(slots, slot))->bytes) {
        return EQ_OK;
    }
    memset(slots->tail + filled + *taken, 0xff, unit - filled - *taken);
    return write_units(slots, slot, slots->off - filled, slots->tail, unit);
}

/* The sector that was written last is wanted again. */
static void go_back(struct eq_slots *slots, uint32_t slot)
{
    uint32_t last = slots->off > 0 ? slots->off - 1 : 0, start = start_of(slots, slot);
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
    int status = check_part(slots, slot, arriving(slots, slot));
    if (status != EQ_OK) {
        slots->off = 0;
        slots->unclean = 1;
    } else if ((status = set_state(slots, slot, EQ_SLOT_ARRIVED)) != EQ_OK) {
        go_back(slots, slot);
    }
    return status;
}

uint32_t eq_slots_room(const struct eq_slots *slots)
{
    uint32_t slot = eq_slots_in_state(slots, EQ_SLOT_INCOMING), start, here, end;
    if (slot == EQ_SLOTS) {
        return 0;
    }
    start = start_of(slots, slot);
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
    return slot < EQ_SLOTS && arriving(slots, slot) == part &&
           memcmp(blob_of(slots, slot, part), blob, sizeof *blob) == 0;
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
    return save(slots, &next);
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
    return save(slots, &next);
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
    return save(slots, &next);
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
    return save(slots, &next);
}

/* What a slot holds stops counting. */
static int forget(struct eq_slots *slots, uint32_t slot)
{
    uint32_t current = slots->now.current;
    if (slot >= EQ_SLOTS || slot == current || eq_slots_serving(slots) != current) {
        return EQ_STATE;
    }
    return slots->now.state[slot] == EQ_SLOT_EMPTY ? EQ_OK : set_state(slots, slot, EQ_SLOT_EMPTY);
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
    return save(slots, &next);
}
