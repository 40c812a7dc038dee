/* Measuring: inference after inference with golden vector 0. Time is taken op by op, so that what comes over the
 * line in between does not count; instructions from end to end, so that the counter's steps do not add up. A pin is high
 * while an inference of a bench is under way, from its first op to its last. */
#include "eq_commands.h"

#define MARGIN_BYTES 128u /* more than the function itself takes that paints */

void eq_hush(const struct eq_core *core, int on)
{
    if (core->config->hush != NULL) {
        core->config->hush(core->config->context, on);
    }
}

void eq_trigger(const struct eq_core *core, int high)
{
    if (core->config->trigger != NULL) {
        core->config->trigger(core->config->context, high);
    }
}

int eq_timed_step(struct eq_core *core, int whole)
{
    struct eq_job *job = &core->job;
    uint32_t before;
    int more;
    if (!job->begun) {
        eq_begin(&core->model);
        job->begun = 1;
        job->spent = 0;
        eq_trigger(core, job->kind == EQ_JOB_BENCH);
    }
    eq_hush(core, 1);
    before = eq_now(core);
    do {
        more = eq_step(&core->model);
    } while (more && whole);
    job->spent += eq_now(core) - before;
    eq_hush(core, 0);
    if (!more) {
        eq_trigger(core, 0);
    }
    job->begun = (uint8_t)more;
    return more;
}

/* A step whose stack is painted before and looked at behind. */
static int watched_step(struct eq_core *core, int whole)
{
    volatile uintptr_t here = (uintptr_t)&here;
    uintptr_t top = here;
    volatile uint32_t *low = (volatile uint32_t *)(uintptr_t)core->config->stack_low, *at;
    uint32_t bytes;
    int more;
    for (at = low; (uintptr_t)at < top - MARGIN_BYTES; at++) {
        *at = EQ_PAINT;
    }
    more = eq_timed_step(core, whole);
    for (at = low; (uintptr_t)at < top - MARGIN_BYTES && *at == EQ_PAINT; at++) {
    }
    bytes = (uint32_t)(top - (uintptr_t)at);
    core->job.stack = bytes > core->job.stack ? bytes : core->job.stack;
    return more;
}

/* A step whose kind and duration are samples. */
static int told_step(struct eq_core *core)
{
    uint32_t before = core->job.begun ? core->job.spent : 0;
    int more;
    if (!core->job.begun) {
        eq_begin(&core->model);
    }
    eq_add_sample(core, eq_next_kind(&core->model));
    more = eq_timed_step(core, 0);
    eq_add_sample(core, core->job.spent - before);
    return more;
}

static int step(struct eq_core *core)
{
    int first = core->job.at == 0, whole = eq_counts(core);
    if (first && core->config->stack_low != NULL) {
        return watched_step(core, whole);
    }
    return first || core->job.kind == EQ_JOB_BENCH ? eq_timed_step(core, whole) : told_step(core);
}

/* What passed before the next sample, beside the samples before it and what passed before those. Of more than there is room
 * for, the rest passes before the one behind it. */
static void add_gap(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    uint64_t passed = eq_clock(core) - job->told;
    uint32_t gap = passed < UINT32_MAX ? (uint32_t)passed : UINT32_MAX;
    core->space.samples[EQ_SAMPLES + job->samples % EQ_SAMPLES] = gap;
    job->told += gap;
}

int eq_measure(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    int is_bench = job->kind == EQ_JOB_BENCH;
    job->of = 1 + (is_bench ? job->runs : 1);
    if (!job->begun) {
        (void)eq_golden_load(&core->model, 0);
        if (is_bench && job->at > 0) {
            add_gap(core);
        }
    }
    if (step(core)) {
        return 1;
    }
    if (job->at == 0) {
        job->first = job->spent;
    } else if (is_bench) {
        eq_add_sample(core, job->spent);
        job->told += job->spent;
    }
    return ++job->at < job->of && !job->stop;
}

void eq_put_bench(struct eq_core *core, struct eq_writer *out)
{
    const struct eq_job *job = &core->job;
    const struct eq_body *body = eq_slot_body(core, job->slot);
    int counts = eq_counts(core);
    eq_put_map(out, 8u + (job->stack != 0) + !counts);
    eq_put_key_uint(out, "n", job->n);
    eq_put_key_uint(out, "warmup", job->warmup < job->samples ? job->warmup : job->samples);
    if (!counts) {
        eq_put_key_long(out, "began_ns", eq_spent(core, job->since));
    }
    eq_put_key_long(out, counts ? "init_instructions" : "init_ns", eq_spent(core, job->init));
    eq_put_key_long(out, counts ? "first_instructions" : "first_ns", eq_spent(core, job->first));
    eq_put_key_uint(out, "arena_bytes", body != NULL ? body->arena_bytes : 0);
    eq_put_key_uint(out, "static_bytes", sizeof core->model + (core->front.head != NULL ? sizeof core->front : 0u));
    if (job->stack != 0) {
        eq_put_key_uint(out, "stack_bytes", job->stack);
    }
    eq_put_text(out, "before");
    eq_put_sensors(core, out);
    eq_put_text(out, "after");
    eq_put_sensors(core, out);
}
