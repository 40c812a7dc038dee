/* Inferences of the benchmark between two readings of the clock, and the pin of a power meter. */
#include "eq_mlperf_inner.h"

#ifdef EQ_MLPERF

#define PULSES_PER_SECOND 100000u /* that fit, each of the length of the trigger's: 10 us */

static void put_lap(struct eq_text *out, uint64_t ticks)
{
    uint32_t hz = out->core->config->ticks_hz, rest, none;
    uint64_t seconds = eq_divide(ticks, hz, &rest);
    eq_text_line(out, "m-lap-us-", seconds * 1000000u + eq_divide((uint64_t)rest * 1000000u, hz, &none));
}

static void put_clock(struct eq_text *out)
{
    if (eq_counts(out->core)) {
        eq_text_put(out, "m-[m-lap-us counts the instructions of an emulator, which are no time]\r\n");
    }
}

/* A falling edge for a power meter, and up again. */
static void pulse(const struct eq_core *core)
{
    uint32_t from = eq_now(core);
    if (core->config->trigger != NULL) {
        eq_trigger(core, 0);
        while (eq_now(core) - from <= core->config->ticks_hz / PULSES_PER_SECOND) {
        }
        eq_trigger(core, 1);
    }
}

void eq_dut_timestamp(struct eq_text *out)
{
    pulse(out->core);
    put_lap(out, eq_clock(out->core));
    put_clock(out);
}

static void run(struct eq_core *core, uint32_t count)
{
    while (count-- > 0) {
        eq_dut_write_input(core);
        eq_begin(&core->model);
        while (eq_step(&core->model)) {
            eq_idle(core);
        }
    }
}

/* Nothing is written while it is measured; the times are told when both are known. */
void eq_dut_measure(struct eq_text *out, uint32_t count, uint32_t warmup)
{
    struct eq_core *core = out->core;
    uint64_t from, to;
    eq_text_line(out, "m-warmup-start-", warmup);
    eq_text_flush(out);
    eq_model_reset(&core->model);
    run(core, warmup);
    eq_text_put(out, "m-warmup-done\r\n");
    eq_text_line(out, "m-infer-start-", count);
    eq_text_flush(out);
    eq_hush(core, 1);
    pulse(core);
    from = eq_clock(core);
    run(core, count);
    to = eq_clock(core);
    pulse(core);
    eq_hush(core, 0);
    put_lap(out, from);
    put_lap(out, to);
    put_clock(out);
    eq_text_put(out, "m-infer-done\r\n");
}

#endif
