#include "flash_sim.h"

#include <string.h>

/* What is so of a unit; it lies behind the flash, a byte each. */
enum unit { ERASED = 0, WRITTEN = 1, UNREADABLE = 2 };

static const struct part {
    int ecc;
    uint32_t write_bytes, log_bytes;
    struct eq_sectors sectors[EQ_SLOTS][EQ_RUNS];
} parts[SIM_PARTS] = {
    [SIM_EQUAL] = {0, 8, 1024, {{{5, 128}}, {{5, 128}}}},
    [SIM_L4] = {1, 8, 1024, {{{5, 128}}, {{5, 128}}}},
    [SIM_H7] = {1, 32, 1024, {{{3, 1024}}, {{3, 1024}}}},
    [SIM_F7] = {0, 4, 512, {{{1, 128}, {1, 512}, {1, 1024}}, {{2, 1024}}}},
    [SIM_NRF52] = {0, 4, 768, {{{4, 256}}, {{4, 256}}}},
    [SIM_RP2040] = {0, 256, 1024, {{{4, 512}}, {{4, 512}}}},
};

uint32_t sim_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static uint8_t *unit_of(const struct flash_sim *sim, uint32_t offset)
{
    return sim->memory + SIM_MOST + offset / sim->flash.write_bytes;
}

/* Whether this operation works in full; the answer is 1, 0 for in part, -1 for not at all. */
static int next_operation(struct flash_sim *sim)
{
    uint32_t at = sim->operations++;
    if (at < sim->until_fault) {
        return 1;
    }
    sim->failed = sim->fault == SIM_FAIL || sim->fault == SIM_LIE;
    if (sim->fault == SIM_FAIL) {
        return at - sim->until_fault < 1u << sim->until_fault % 6 ? 0 : 1;
    }
    if (sim->fault == SIM_LIE) {
        return at == sim->until_fault ? 0 : 1;
    }
    return at == sim->until_fault && sim->fault == SIM_TORN ? 0 : -1;
}

static int answer(const struct flash_sim *sim, int works)
{
    return works > 0 || sim->fault == SIM_LIE ? 0 : -1;
}

/* After a failure the cells are what they are: then a write that does not take is no mistake. */
static void violate(struct flash_sim *sim)
{
    sim->violations += !sim->failed;
}

static int is_inside(uint32_t offset, uint32_t bytes)
{
    return offset <= SIM_MOST && bytes <= SIM_MOST - offset;
}

int sim_is_readable(const struct flash_sim *sim, uint32_t offset, uint32_t bytes)
{
    for (uint32_t at = offset; at < offset + bytes; at++) {
        if (*unit_of(sim, at) == UNREADABLE) {
            return 0;
        }
    }
    return 1;
}

/* The bits of a byte that an incomplete operation leaves as they are; now and then it was as good as complete. */
static uint8_t spared(struct flash_sim *sim)
{
    return sim->random >> 30 == 0 ? 0 : (uint8_t)(sim_random(&sim->random) | sim_random(&sim->random));
}

/* The error code of a unit that was cut short: now and then it fits, whether nothing or all seems to have happened. */
static enum unit cut_short(struct flash_sim *sim)
{
    return sim->ecc && sim_random(&sim->random) % 4 != 0 ? UNREADABLE : WRITTEN;
}

static int write_unit(struct flash_sim *sim, uint32_t offset, const uint8_t *from)
{
    uint32_t bytes = sim->flash.write_bytes;
    uint8_t *to = sim->memory + offset, *unit = unit_of(sim, offset);
    int works = next_operation(sim), fresh = *unit == ERASED;
    (void)sim_random(&sim->random);
    if (works < 0) {
        return -1;
    }
    if (!fresh) {
        violate(sim);
    }
    *unit = (uint8_t)(works && (fresh || !sim->ecc) ? WRITTEN : cut_short(sim));
    if (sim->ecc && !works && *unit == WRITTEN && sim_random(&sim->random) % 2 != 0) {
        return answer(sim, works); /* it reads as erased, but is not */
    }
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] &= from[i] | (works || sim->ecc ? 0 : spared(sim));
    }
    return answer(sim, works);
}

static int sim_write(void *context, uint32_t offset, const void *data, uint32_t bytes)
{
    struct flash_sim *sim = context;
    uint32_t unit = sim->flash.write_bytes;
    int status = 0;
    if (!is_inside(offset, bytes) || offset % unit != 0 || bytes % unit != 0) {
        violate(sim);
        return -1;
    }
    for (uint32_t at = 0; at < bytes && status == 0; at += unit) {
        status = write_unit(sim, offset + at, (const uint8_t *)data + at);
    }
    return status;
}

/* Whether exactly one sector begins there that is so long. */
static int is_sector(const struct eq_flash *flash, uint32_t offset, uint32_t bytes)
{
    if (offset == flash->log[0] || offset == flash->log[1]) {
        return bytes == flash->log_bytes;
    }
    for (uint32_t slot = 0; slot < EQ_SLOTS; slot++) {
        uint32_t at = flash->slot[slot];
        for (uint32_t run = 0; run < EQ_RUNS; run++) {
            const struct eq_sectors *sectors = &flash->sectors[slot][run];
            for (uint32_t i = 0; i < sectors->count; i++, at += sectors->bytes) {
                if (at == offset) {
                    return sectors->bytes == bytes;
                }
            }
        }
    }
    return 0;
}

static int sim_erase(void *context, uint32_t offset, uint32_t bytes)
{
    struct flash_sim *sim = context;
    uint32_t size = sim->flash.write_bytes;
    int works = next_operation(sim);
    if (!is_sector(&sim->flash, offset, bytes)) {
        violate(sim);
        return -1;
    }
    for (uint32_t at = offset; at < offset + bytes && works >= 0; at += size) {
        uint8_t *unit = unit_of(sim, at);
        int gone = works || (sim->ecc && sim_random(&sim->random) % 2 != 0);
        for (uint32_t i = 0; i < size; i++) {
            sim->memory[at + i] |= (uint8_t)(gone ? 0xff : sim->ecc ? 0 : ~spared(sim));
        }
        *unit = (uint8_t)(works ? ERASED : gone ? WRITTEN : cut_short(sim));
    }
    return answer(sim, works);
}

/* What cannot be read is an error, and what stands there is what somebody would like to read. */
static int sim_read(void *context, uint32_t offset, void *data, uint32_t bytes)
{
    const struct flash_sim *sim = context;
    if (!is_inside(offset, bytes) || !sim_is_readable(sim, offset, bytes)) {
        return -1;
    }
    memcpy(data, sim->memory + offset, bytes);
    return 0;
}

static uint32_t bytes_of(const struct eq_sectors *sectors)
{
    uint32_t bytes = 0;
    for (uint32_t run = 0; run < EQ_RUNS; run++) {
        bytes += sectors[run].count * sectors[run].bytes;
    }
    return bytes;
}

void sim_init(struct flash_sim *sim, uint8_t *memory, enum sim_part part, uint32_t write_bytes)
{
    const struct part *is = &parts[part];
    memset(sim, 0, sizeof *sim);
    memset(memory, 0xff, SIM_MOST);
    memset(memory + SIM_MOST, ERASED, SIM_MOST);
    sim->memory = memory;
    sim->ecc = is->ecc;
    sim->until_fault = UINT32_MAX;
    sim->flash = (struct eq_flash){
        .context = sim,
        .base = memory,
        .log = {0, is->log_bytes},
        .log_bytes = is->log_bytes,
        .slot = {2 * is->log_bytes, 2 * is->log_bytes + bytes_of(is->sectors[0])},
        .write_bytes = part == SIM_EQUAL ? write_bytes : is->write_bytes,
        .read = sim_read,
        .write = sim_write,
        .erase = sim_erase,
    };
    memcpy(sim->flash.sectors, is->sectors, sizeof is->sectors);
}
