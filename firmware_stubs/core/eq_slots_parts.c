/* The parts of a slot, image and manifest: where they lie, and whether they are what was recorded. */
#include <string.h>

#include "eq_sectors.h"
#include "eq_slots_inner.h"

#define PIECE_BYTES 256u

/* The manifest's offset in a slot, behind an image of so many bytes. */
static uint32_t behind(const struct eq_flash *flash, uint32_t slot, uint32_t bytes)
{
    return bytes > 0 ? eq_sector_end(flash, slot, bytes - 1) : 0;
}

uint32_t eq_slots_behind(const struct eq_slots *slots, uint32_t slot)
{
    return behind(slots->flash, slot, slots->now.slot[slot].image.bytes);
}

int eq_slots_fits(const struct eq_flash *flash, uint32_t slot, uint32_t start, uint32_t bytes)
{
    uint32_t most = eq_slot_bytes(flash, slot);
    return start <= most && bytes <= most - start;
}

int eq_slots_fits_everywhere(const struct eq_flash *flash, enum eq_part part, uint32_t image_bytes, uint32_t bytes)
{
    int all = 1;
    for (uint32_t slot = 0; slot < EQ_SLOTS; slot++) {
        all = all && eq_slots_fits(flash, slot, part == EQ_IMAGE ? 0 : behind(flash, slot, image_bytes), bytes);
    }
    return all;
}

const uint8_t *eq_slots_part(const struct eq_slots *slots, uint32_t slot, enum eq_part part, uint32_t *bytes)
{
    const struct eq_slot *entry = &slots->now.slot[slot];
    uint32_t start = part == EQ_IMAGE ? 0 : eq_slots_behind(slots, slot);
    uint32_t size = part == EQ_IMAGE ? entry->image.bytes : entry->manifest.bytes;
    *bytes = eq_slots_fits(slots->flash, slot, start, size) ? size : 0;
    return slots->flash->base + slots->flash->slot[slot] + start;
}

enum eq_part eq_slots_arriving(const struct eq_slots *slots, uint32_t slot)
{
    return slots->now.slot[slot].manifest.bytes > 0 ? EQ_MANIFEST : EQ_IMAGE;
}

const struct eq_blob *eq_slots_blob(const struct eq_slots *slots, uint32_t slot, enum eq_part part)
{
    return part == EQ_IMAGE ? &slots->now.slot[slot].image : &slots->now.slot[slot].manifest;
}

uint32_t eq_slots_start(const struct eq_slots *slots, uint32_t slot)
{
    return eq_slots_arriving(slots, slot) == EQ_IMAGE ? 0 : eq_slots_behind(slots, slot);
}

void eq_slots_busy(const struct eq_slots *slots)
{
    if (slots->busy != NULL) {
        slots->busy(slots->busy_context);
    }
}

int eq_slots_hash(const struct eq_slots *slots, uint32_t slot, enum eq_part part, struct eq_sha256 *sha, uint32_t *at,
                  uint32_t most)
{
    const struct eq_blob *blob = eq_slots_blob(slots, slot, part);
    uint8_t piece[PIECE_BYTES], digest[EQ_SHA256_BYTES];
    uint32_t bytes, end, offset = (uint32_t)(eq_slots_part(slots, slot, part, &bytes) - slots->flash->base);
    if (bytes == 0) {
        return part == EQ_MANIFEST && blob->bytes == 0 ? EQ_OK : EQ_DIGEST;
    }
    if (*at == 0) {
        eq_sha256_begin(sha);
    }
    end = bytes - *at < most ? bytes : *at + most;
    while (*at < end) {
        uint32_t count = end - *at < PIECE_BYTES ? end - *at : PIECE_BYTES;
        if (eq_flash_read(slots->flash, offset + *at, piece, count) != 0) {
            return EQ_DIGEST;
        }
        eq_sha256_add(sha, piece, count);
        eq_slots_busy(slots);
        *at += count;
    }
    if (end < bytes) {
        return 1;
    }
    eq_sha256_end(sha, digest);
    return memcmp(digest, blob->sha256, sizeof digest) == 0 ? EQ_OK : EQ_DIGEST;
}

int eq_slots_check_part(const struct eq_slots *slots, uint32_t slot, enum eq_part part)
{
    struct eq_sha256 sha;
    uint32_t at = 0;
    return eq_slots_hash(slots, slot, part, &sha, &at, UINT32_MAX);
}

int eq_slots_check(const struct eq_slots *slots, uint32_t slot)
{
    int status = eq_slots_check_part(slots, slot, EQ_IMAGE);
    return status == EQ_OK ? eq_slots_check_part(slots, slot, EQ_MANIFEST) : status;
}
