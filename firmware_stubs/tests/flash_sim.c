#include "flash_sim.h"

#include <string.h>

uint32_t sim_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Whether this operation works in full; the answer is 1, 0 for in part, -1 for not at all. */
static int next_operation(struct flash_sim *sim)
{
    uint32_t at = sim->operations++;
    if (at < sim->until_fault) {
        return 1;
    }
    if (sim->fault == SIM_FAIL) {
        return at - sim->until_fault < 1u << sim->until_fault % 6 ? 0 : 1;
    }
    if (sim->fault == SIM_LIE) {
        return at == sim->until_fault ? 0 : 1;
    }
    return at == sim->until_fault && sim->fault == SIM_TORN ? 0 : -1;
}

static int is_inside(uint32_t offset, uint32_t bytes)
{
    return offset <= SIM_BYTES && bytes <= SIM_BYTES - offset;
}

/* The bits of a byte that an incomplete operation leaves as they are; now and then it was as good as complete. */
static uint8_t spared(struct flash_sim *sim, int works)
{
    if (works || sim->random >> 30 == 0) {
        return 0;
    }
    return (uint8_t)(sim_random(&sim->random) | sim_random(&sim->random));
}

static int write_unit(struct flash_sim *sim, uint8_t *to, const uint8_t *from, uint32_t bytes)
{
    int works = next_operation(sim);
    (void)sim_random(&sim->random);
    for (uint32_t i = 0; i < bytes && works >= 0; i++) {
        sim->violations += to[i] != 0xff && sim->fault != SIM_LIE;
        to[i] &= from[i] | spared(sim, works);
    }
    return works > 0 || sim->fault == SIM_LIE ? 0 : -1;
}

static int sim_write(void *context, uint32_t offset, const void *data, uint32_t bytes)
{
    struct flash_sim *sim = context;
    uint32_t unit = sim->flash.write_bytes;
    int status = 0;
    if (!is_inside(offset, bytes) || offset % unit != 0 || bytes % unit != 0) {
        sim->violations++;
        return -1;
    }
    for (uint32_t at = 0; at < bytes && status == 0; at += unit) {
        status = write_unit(sim, sim->memory + offset + at, (const uint8_t *)data + at, unit);
    }
    return status;
}

static int sim_erase(void *context, uint32_t offset, uint32_t bytes)
{
    struct flash_sim *sim = context;
    int works = next_operation(sim);
    if (!is_inside(offset, bytes) || bytes != (offset < 2 * SIM_LOG_BYTES ? SIM_LOG_BYTES : SIM_SECTOR_BYTES)) {
        sim->violations++;
        return -1;
    }
    for (uint32_t i = 0; i < bytes && works >= 0; i++) {
        sim->memory[offset + i] |= (uint8_t)~spared(sim, works);
    }
    return works > 0 || sim->fault == SIM_LIE ? 0 : -1;
}

void sim_init(struct flash_sim *sim, uint8_t *memory, uint32_t write_bytes)
{
    memset(sim, 0, sizeof *sim);
    memset(memory, 0xff, SIM_BYTES);
    sim->memory = memory;
    sim->until_fault = UINT32_MAX;
    sim->flash = (struct eq_flash){
        .context = sim,
        .base = memory,
        .log = {0, SIM_LOG_BYTES},
        .log_bytes = SIM_LOG_BYTES,
        .slot = {2 * SIM_LOG_BYTES, 2 * SIM_LOG_BYTES + SIM_SLOT_BYTES},
        .slot_bytes = SIM_SLOT_BYTES,
        .sector_bytes = SIM_SECTOR_BYTES,
        .write_bytes = write_bytes,
        .write = sim_write,
        .erase = sim_erase,
    };
}
