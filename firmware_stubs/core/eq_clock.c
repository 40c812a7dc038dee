/* Time: the counter of ticks as a clock that does not wrap, and ticks as nanoseconds or instructions. */
#include "eq_commands.h"

uint32_t eq_now(const struct eq_core *core)
{
    return core->config->ticks(core->config->context);
}

uint64_t eq_clock(struct eq_core *core)
{
    uint32_t now = eq_now(core);
    core->clock.ticks += now - core->clock.last;
    core->clock.last = now;
    return core->clock.ticks;
}

void eq_idle(struct eq_core *core)
{
    (void)eq_clock(core);
    if (core->config->watchdog != NULL) {
        core->config->watchdog(core->config->context, EQ_WATCHDOG_FEED);
    }
}

uint64_t eq_divide(uint64_t value, uint32_t by, uint32_t *rest)
{
    uint64_t left = 0;
    for (unsigned bit = 0; bit < 64; bit++) {
        left = left << 1 | value >> 63;
        value <<= 1;
        if (left >= by) {
            left -= by;
            value |= 1;
        }
    }
    *rest = (uint32_t)left;
    return value;
}

uint64_t eq_spent(const struct eq_core *core, uint64_t ticks)
{
    const struct eq_config *config = core->config;
    uint32_t num = eq_counts(core) ? config->instructions_num : 1000000000u;
    uint32_t den = eq_counts(core) ? config->instructions_den : config->ticks_hz;
    uint32_t rest;
    uint64_t whole = eq_divide(ticks, den, &rest) * num; /* of all of them at once the product has more than 64 bits */
    whole += eq_divide((uint64_t)rest * num, den, &rest);
    return rest < den - rest ? whole : whole + 1;
}
