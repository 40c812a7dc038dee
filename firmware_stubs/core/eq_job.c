/* Jobs: what takes longer than a request, done piece by piece between messages. */
#include <string.h>

#include "eq_commands.h"

#define HASH_BYTES 4096u

enum phase { FINISH, HASH_IMAGE, HASH_MANIFEST, SIGNED, STAGE, TRY, OPEN, GOLDEN, MEASURE, NEXT };

static const uint8_t phases[][7] = {
    [EQ_JOB_STAGE] = {SIGNED, OPEN, STAGE, FINISH},
    [EQ_JOB_SELFTEST] = {HASH_IMAGE, HASH_MANIFEST, OPEN, GOLDEN, FINISH},
    [EQ_JOB_ACTIVATE] = {SIGNED, TRY, OPEN, GOLDEN, FINISH},
    [EQ_JOB_ADOPT] = {SIGNED, OPEN, STAGE, TRY, GOLDEN, FINISH},
    [EQ_JOB_TRIAL] = {OPEN, GOLDEN, FINISH},
    [EQ_JOB_ROLLBACK] = {FINISH},
    [EQ_JOB_BENCH] = {OPEN, MEASURE, FINISH},
    [EQ_JOB_PROFILE] = {OPEN, MEASURE, FINISH},
    [EQ_JOB_VERIFY] = {HASH_IMAGE, HASH_MANIFEST, SIGNED, NEXT, OPEN, GOLDEN, FINISH},
};

static enum phase phase_of(const struct eq_job *job)
{
    return (enum phase)phases[job->kind][job->phase];
}

const char *eq_job_phase(const struct eq_job *job)
{
    static const char *const names[] = {
        [FINISH] = "finishing",
        [HASH_IMAGE] = "hashing",
        [HASH_MANIFEST] = "hashing",
        [SIGNED] = "checking signatures",
        [STAGE] = "staging",
        [TRY] = "on trial",
        [OPEN] = "loading the model",
        [GOLDEN] = "golden vector",
        [MEASURE] = "inference",
        [NEXT] = "hashing",
    };
    return names[phase_of(job)];
}

static int is_running(const struct eq_core *core)
{
    return core->job.state == EQ_JOB_RUNNING;
}

int eq_job_can_step(const struct eq_core *core)
{
    const struct eq_job *job = &core->job;
    return is_running(core) && (phase_of(job) != MEASURE || job->samples - job->seen + 2 <= EQ_SAMPLES);
}

/* Whether the job is a test of the release that is on trial. */
static int is_of_trial(const struct eq_core *core)
{
    unsigned kind = core->job.kind;
    return core->job.slot < EQ_SLOTS && core->slots.now.state[core->job.slot] == EQ_SLOT_TRIAL &&
           (kind == EQ_JOB_ACTIVATE || kind == EQ_JOB_ADOPT || kind == EQ_JOB_TRIAL || kind == EQ_JOB_SELFTEST);
}

static void fail(struct eq_core *core, int status)
{
    struct eq_job *job = &core->job;
    job->state = EQ_JOB_FAILED;
    job->status = status;
    job->why = core->why ? core->why : "the flash failed";
    if (is_of_trial(core)) {
        (void)eq_slots_revert(&core->slots, eq_why_of(status));
    }
    eq_unload(core);
}

/* Verify goes on behind what is left of a release, or of its self-test. */
static void skip(struct eq_job *job)
{
    do {
        job->phase++;
    } while (phase_of(job) != NEXT && phase_of(job) != FINISH);
    job->at = job->of = 0;
}

int eq_free(struct eq_core *core)
{
    if (!is_running(core)) {
        return EQ_OK;
    }
    if (eq_job_can_step(core)) {
        return eq_refuse(core, EQ_BUSY, "the device is busy with another job; try again when it is done");
    }
    core->why = "the host asked for something else";
    fail(core, EQ_UNKNOWN);
    return EQ_OK;
}

void eq_add_sample(struct eq_core *core, uint32_t value)
{
    core->space.samples[core->job.samples++ % EQ_SAMPLES] = value;
}

/* The phases: 1 while there is more to do, 0 at the end, or what went wrong. */

static int hash_some(struct eq_core *core, enum eq_part part)
{
    struct eq_job *job = &core->job;
    int status;
    (void)eq_slots_part(&core->slots, job->slot, part, &job->of);
    status = eq_slots_hash(&core->slots, job->slot, part, &job->sha, &job->at, HASH_BYTES);
    if (status >= EQ_OK) {
        return status;
    }
    if (job->kind == EQ_JOB_SELFTEST) {
        (void)eq_slots_condemn(&core->slots, job->slot, EQ_WHY_DAMAGED);
        eq_signed_start(core);
    }
    return eq_refuse(core, status, part == EQ_IMAGE ? "the release's image is damaged in flash"
                                                    : "the release's manifest is damaged in flash");
}

static int open_model(struct eq_core *core)
{
    uint32_t before = eq_now(core);
    int status;
    eq_unload(core);
    status = eq_load(core, core->job.slot);
    core->job.init = eq_now(core) - before;
    return status;
}

/* Golden vectors from raw input come after those from the model's own. */
static int load_golden(struct eq_core *core, uint32_t index)
{
    const uint8_t *data;
    uint32_t bytes, plain = core->model.head->goldens;
    if (index < plain) {
        return eq_golden_load(&core->model, index);
    }
    if (eq_frontend_golden_begin(&core->front, index - plain, &data, &bytes) != EQ_OK) {
        return eq_refuse(core, EQ_RUNTIME, "a golden vector is not what its front end takes");
    }
    eq_feed(core, data, bytes, 1);
    return EQ_OK;
}

static uint32_t compare_golden(const struct eq_core *core, uint32_t index)
{
    uint32_t plain = core->model.head->goldens;
    return index < plain ? eq_golden_compare(&core->model, index)
                         : eq_frontend_golden_compare(&core->front, index - plain);
}

static int golden(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    uint32_t apart;
    job->of = core->model.head->goldens + eq_frontend_goldens(&core->front);
    job->tolerance = core->model.head->golden_tolerance;
    if (job->vectors == job->of) {
        job->tested = 1;
        return is_of_trial(core) && job->kind != EQ_JOB_SELFTEST ? eq_watch_latency(core, job->slot) : 0;
    }
    job->at = job->vectors + 1;
    if (!job->begun) {
        int status = load_golden(core, job->vectors);
        if (status != EQ_OK) {
            return status;
        }
    }
    if (eq_timed_step(core, 0)) {
        return 1;
    }
    core->space.samples[job->vectors % EQ_SAMPLES] = job->spent;
    apart = compare_golden(core, job->vectors++);
    job->worst = apart > job->worst ? apart : job->worst;
    return apart <= job->tolerance ? 1
                                   : eq_refuse(core, EQ_SELFTEST, "a golden vector's output is not what it must be");
}

static int try_it(struct eq_core *core)
{
    int status = eq_slots_try(&core->slots, core->job.slot);
    return status == EQ_STATE
               ? eq_refuse(core, status, "the release was found bad, or another one is on trial; deploy it again")
               : status;
}

/* During a trial that is what served before. */
static int go_back(struct eq_core *core)
{
    struct eq_slots *slots = &core->slots;
    int status;
    if (eq_slots_in_state(slots, EQ_SLOT_TRIAL) < EQ_SLOTS && slots->now.current < EQ_SLOTS) {
        return eq_slots_revert(slots, EQ_WHY_ASKED);
    }
    status = eq_signed_slot(core, eq_slots_previous(slots));
    return status == EQ_OK ? eq_slots_rollback(slots) : status;
}

static int roll_back(struct eq_core *core)
{
    int status = go_back(core);
    if (status == EQ_STATE) {
        return eq_refuse(core, status, "there is no earlier release to go back to");
    }
    if (status == EQ_DIGEST) {
        return eq_refuse(core, status, "the earlier release is damaged");
    }
    core->job.slot = core->slots.now.current;
    return status;
}

static int next_release(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    int status = eq_verify_next(core);
    if (status > 0) {
        job->phase = 0;
    } else if (status != EQ_OK) {
        skip(job);
    }
    return status == EQ_OK ? 0 : 1;
}

static int finish(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    int status = EQ_OK;
    if (job->kind == EQ_JOB_ACTIVATE || job->kind == EQ_JOB_ADOPT || job->kind == EQ_JOB_TRIAL) {
        status = eq_watch_begin(core, job->slot);
    } else if (job->kind == EQ_JOB_ROLLBACK) {
        status = roll_back(core);
    }
    if (status == EQ_OK) {
        job->n = job->slot < EQ_SLOTS ? core->slots.now.slot[job->slot].n : 0;
        job->state = EQ_JOB_DONE;
        eq_unload(core);
    }
    return status;
}

static int advance(struct eq_core *core)
{
    switch (phase_of(&core->job)) {
    case HASH_IMAGE:
        return hash_some(core, EQ_IMAGE);
    case HASH_MANIFEST:
        return hash_some(core, EQ_MANIFEST);
    case SIGNED:
        return eq_signed_some(core);
    case STAGE:
        return eq_slots_stage(&core->slots, core->job.slot);
    case TRY:
        return try_it(core);
    case OPEN:
        return open_model(core);
    case GOLDEN:
        return golden(core);
    case MEASURE:
        return eq_measure(core);
    case NEXT:
        return next_release(core);
    default:
        return finish(core);
    }
}

void eq_job_step(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    int more;
    core->why = NULL;
    more = advance(core);
    if (more < 0 && job->kind == EQ_JOB_VERIFY) {
        eq_verify_fault(core);
        skip(job);
    } else if (more < 0) {
        fail(core, more);
    } else if (more == 0 && is_running(core)) {
        job->phase++;
        job->at = job->of = 0;
    }
    eq_idle(core);
}

int eq_job_begin(struct eq_core *core, enum eq_job_kind kind, uint32_t slot)
{
    struct eq_job *job = &core->job;
    uint32_t number = job->number + 1;
    int status = eq_free(core);
    if (status != EQ_OK) {
        return status;
    }
    memset(job, 0, sizeof *job);
    job->number = number;
    job->kind = (uint8_t)kind;
    job->state = EQ_JOB_RUNNING;
    job->slot = slot;
    core->held.bytes = 0; /* samples lie where it was */
    return EQ_OK;
}
