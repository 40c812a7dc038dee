/* Measuring: inference after inference with golden vector 0. Time is taken op by op, so that what comes over the
 * line in between does not count; instructions from end to end, so that the counter's steps do not add up. */
#include "eq_commands.h"

#define MARGIN_BYTES 128u /* more than the function itself takes that paints */

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

int eq_measure(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    job->of = 1 + (job->kind == EQ_JOB_BENCH ? job->runs : 1);
    if (!job->begun) {
        (void)eq_golden_load(&core->model, 0);
    }
    if (step(core)) {
        return 1;
    }
    if (job->at == 0) {
        job->first = job->spent;
    } else if (job->kind == EQ_JOB_BENCH) {
        eq_add_sample(core, job->spent);
    }
    return ++job->at < job->of;
}

void eq_put_bench(struct eq_core *core, struct eq_writer *out)
{
    const struct eq_job *job = &core->job;
    const struct eq_body *body = eq_slot_body(core, job->slot);
    int counts = eq_counts(core);
    eq_put_map(out, 8u + (job->stack != 0));
    eq_put_key_uint(out, "n", job->n);
    eq_put_key_uint(out, "warmup", job->warmup);
    eq_put_key_uint(out, counts ? "init_instructions" : "init_ns", eq_spent(core, job->init));
    eq_put_key_uint(out, counts ? "first_instructions" : "first_ns", eq_spent(core, job->first));
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
