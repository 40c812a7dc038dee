#include "parts.h"

#include <string.h>

#include "edgeq/eq_status.h"

#define K 1024u

static const struct part {
    const char *name;
    uint32_t write_bytes, log_bytes, erase_ms;
    struct eq_sectors sectors[EQ_SLOTS][EQ_RUNS];
} parts[] = {
    {"l4", 8, 2 * K, 25, {{{128, 2 * K}}, {{128, 2 * K}}}},
    {"h7", 32, 128 * K, 2000, {{{6, 128 * K}}, {{6, 128 * K}}}},
    {"f7", 4, 32 * K, 2000, {{{1, 128 * K}, {2, 256 * K}}, {{3, 256 * K}}}},
    {"nrf52", 4, 4 * K, 85, {{{64, 4 * K}}, {{64, 4 * K}}}},
    {"rp2040", 256, 4 * K, 45, {{{64, 4 * K}}, {{64, 4 * K}}}},
};

/* What a callback needs; there is one flash in a process. */
static struct {
    uint8_t *base;
    uint32_t bytes, largest;
    void (*stall)(uint32_t ms);
} memory;

static int is_whole(uint32_t offset, uint32_t bytes, uint32_t piece)
{
    return offset % piece == 0 && bytes % piece == 0 && offset <= memory.bytes && bytes <= memory.bytes - offset;
}

static int write(void *context, uint32_t offset, const void *data, uint32_t bytes)
{
    const struct eq_flash *flash = context;
    if (!is_whole(offset, bytes, flash->write_bytes)) {
        return EQ_INVALID;
    }
    for (uint32_t at = offset; at < offset + bytes; at++) {
        if (memory.base[at] != 0xff) {
            return EQ_IO;
        }
    }
    memcpy(memory.base + offset, data, bytes);
    return 0;
}

/* A smaller sector takes its part of the time. */
static int erase(void *context, uint32_t offset, uint32_t bytes)
{
    const struct eq_flash *flash = context;
    if (!is_whole(offset, bytes, flash->write_bytes)) {
        return EQ_INVALID;
    }
    memory.stall((uint32_t)((uint64_t)flash->erase_ms * bytes / memory.largest));
    memset(memory.base + offset, 0xff, bytes);
    return 0;
}

static uint32_t lay_out(struct eq_flash *flash, const struct part *part)
{
    uint32_t at = 2 * part->log_bytes;
    memory.largest = part->log_bytes;
    for (uint32_t slot = 0; slot < EQ_SLOTS; slot++) {
        flash->slot[slot] = at;
        for (uint32_t run = 0; run < EQ_RUNS; run++) {
            const struct eq_sectors *sectors = &part->sectors[slot][run];
            flash->sectors[slot][run] = *sectors;
            at += sectors->count * sectors->bytes;
            memory.largest = sectors->bytes > memory.largest ? sectors->bytes : memory.largest;
        }
    }
    return at;
}

int eq_part_flash(struct eq_flash *flash, const char *name, uint8_t *base, uint32_t bytes, void (*stall)(uint32_t ms))
{
    for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const struct part *part = &parts[i];
        if (strcmp(part->name, name) == 0) {
            *flash = (struct eq_flash){
                .context = flash,
                .base = base,
                .log = {0, part->log_bytes},
                .log_bytes = part->log_bytes,
                .write_bytes = part->write_bytes,
                .erase_ms = part->erase_ms,
                .write = write,
                .erase = erase,
            };
            memory.base = base;
            memory.stall = stall;
            memory.bytes = lay_out(flash, part);
            return memory.bytes <= bytes ? EQ_OK : EQ_NO_SPACE;
        }
    }
    return EQ_NOT_FOUND;
}
