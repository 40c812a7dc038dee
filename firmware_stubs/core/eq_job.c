/* Jobs: what takes longer than a request, done piece by piece between messages. */
#include <string.h>

#include "eq_commands.h"

#define HASH_BYTES 4096u
#define SAMPLE_BYTES 9u /* of an answer, at most */
#define ROOM_BYTES 160u /* of an answer, beside the samples */
#define RUNTIME "edgeq-micro 1"

enum phase { FINISH, HASH_IMAGE, HASH_MANIFEST, STAGE, TRY, OPEN, GOLDEN, MEASURE };

static const uint8_t phases[][5] = {
    [EQ_JOB_STAGE] = {OPEN, STAGE, FINISH},
    [EQ_JOB_SELFTEST] = {HASH_IMAGE, HASH_MANIFEST, OPEN, GOLDEN, FINISH},
    [EQ_JOB_ACTIVATE] = {TRY, OPEN, GOLDEN, FINISH},
    [EQ_JOB_ADOPT] = {OPEN, STAGE, TRY, GOLDEN, FINISH},
    [EQ_JOB_ROLLBACK] = {FINISH},
    [EQ_JOB_BENCH] = {OPEN, MEASURE, FINISH},
    [EQ_JOB_PROFILE] = {OPEN, MEASURE, FINISH},
};

static enum phase phase_of(const struct eq_job *job)
{
    return (enum phase)phases[job->kind][job->phase];
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

static void fail(struct eq_core *core, int status)
{
    struct eq_job *job = &core->job;
    job->state = EQ_JOB_FAILED;
    job->status = status;
    job->why = core->why ? core->why : "the flash failed";
    (void)eq_slots_revert(&core->slots); /* where there is a trial */
    eq_unload(core);
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
    const struct eq_slot *entry = &core->slots.now.slot[job->slot];
    const struct eq_blob *blob = part == EQ_IMAGE ? &entry->image : &entry->manifest;
    uint8_t digest[EQ_SHA256_BYTES];
    const uint8_t *data = eq_slots_part(&core->slots, job->slot, part, &job->of);
    uint32_t bytes = job->of - job->at < HASH_BYTES ? job->of - job->at : HASH_BYTES;
    if (job->at == 0) {
        eq_sha256_begin(&job->sha);
    }
    eq_sha256_add(&job->sha, data + job->at, bytes);
    job->at += bytes;
    if (job->at < job->of) {
        return 1;
    }
    eq_sha256_end(&job->sha, digest);
    if ((job->of == 0 && blob->bytes == 0) || memcmp(digest, blob->sha256, sizeof digest) == 0) {
        return 0;
    }
    (void)eq_slots_condemn(&core->slots, job->slot);
    return eq_refuse(core, EQ_DIGEST, "the release in flash is damaged");
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

int eq_timed_step(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    uint32_t before;
    int more;
    if (!job->begun) {
        eq_begin(&core->model);
        job->begun = 1;
        job->spent = 0;
    }
    before = eq_now(core);
    more = eq_step(&core->model);
    job->spent += eq_now(core) - before;
    job->begun = (uint8_t)more;
    return more;
}

static int golden(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    uint32_t apart;
    job->of = core->model.head->goldens;
    job->tolerance = core->model.head->golden_tolerance;
    if (job->vectors == job->of) {
        job->tested = 1;
        return 0;
    }
    job->at = job->vectors + 1;
    if (!job->begun) {
        (void)eq_golden_load(&core->model, job->vectors);
    }
    if (eq_timed_step(core)) {
        return 1;
    }
    apart = eq_golden_compare(&core->model, job->vectors++);
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

static int roll_back(struct eq_core *core)
{
    int status = eq_slots_rollback(&core->slots);
    if (status == EQ_STATE) {
        return eq_refuse(core, status, "there is no earlier release to go back to");
    }
    if (status == EQ_DIGEST) {
        return eq_refuse(core, status, "the earlier release is damaged");
    }
    core->job.slot = core->slots.now.current;
    return status;
}

static uint32_t security_version(const struct eq_core *core, uint32_t slot)
{
    uint32_t bytes;
    const struct eq_envelope *envelope = (const void *)eq_slots_part(&core->slots, slot, EQ_IMAGE, &bytes);
    return envelope->security_version;
}

static int finish(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    int status = EQ_OK;
    if (job->kind == EQ_JOB_ACTIVATE || job->kind == EQ_JOB_ADOPT) {
        status = eq_slots_confirm(&core->slots, security_version(core, job->slot));
    } else if (job->kind == EQ_JOB_ROLLBACK) {
        status = roll_back(core);
    }
    if (status == EQ_OK) {
        job->n = core->slots.now.slot[job->slot].n;
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
    if (more < 0) {
        fail(core, more);
    } else if (more == 0 && is_running(core)) {
        job->phase++;
        job->at = job->of = 0;
    }
    eq_idle(core);
}

/* Starting */

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

static int start(struct eq_core *core, enum eq_job_kind kind, uint32_t slot, struct eq_writer *out)
{
    int status = eq_job_begin(core, kind, slot);
    if (status == EQ_OK) {
        core->last.job = core->job.number;
        eq_put_map(out, 1);
        eq_put_key_uint(out, "job", core->job.number);
    }
    return status;
}

int eq_job_stage(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    const uint8_t *digest;
    uint32_t bytes, slot;
    if (eq_cbor_find_string(body, "sha", EQ_BYTES, &digest, &bytes) != EQ_OK || bytes != EQ_SHA256_BYTES) {
        return EQ_INVALID;
    }
    slot = eq_slot_named(core, digest);
    return slot < EQ_SLOTS ? start(core, EQ_JOB_STAGE, slot, out)
                           : eq_refuse(core, EQ_NOT_FOUND, "the image or its manifest did not arrive");
}

int eq_job_selftest(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t slot;
    int status = eq_slot_of(core, body, &slot);
    return status == EQ_OK ? start(core, EQ_JOB_SELFTEST, slot, out) : status;
}

int eq_job_activate(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t slot;
    int status = eq_slot_of(core, body, &slot);
    status = status == EQ_OK ? start(core, EQ_JOB_ACTIVATE, slot, out) : status;
    if (status == EQ_OK && slot == eq_slots_serving(&core->slots)) {
        core->job.state = EQ_JOB_DONE; /* it serves already */
        core->job.n = core->slots.now.slot[slot].n;
    }
    return status;
}

int eq_job_rollback(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    (void)body;
    return start(core, EQ_JOB_ROLLBACK, EQ_SLOTS, out);
}

int eq_job_bench(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t runs, warmup, slot;
    int status = eq_slot_of(core, body, &slot);
    if (status == EQ_OK && (eq_cbor_find_uint(body, "runs", EQ_MOST_RUNS, &runs) != EQ_OK || runs == 0 ||
                            eq_cbor_find_uint(body, "warmup", EQ_MOST_RUNS, &warmup) != EQ_OK)) {
        return EQ_INVALID;
    }
    status = status == EQ_OK ? start(core, EQ_JOB_BENCH, slot, out) : status;
    if (status == EQ_OK) {
        core->job.warmup = warmup;
        core->job.runs = warmup + runs;
    }
    return status;
}

int eq_job_profile(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t slot;
    int status = eq_slot_of(core, body, &slot);
    return status == EQ_OK ? start(core, EQ_JOB_PROFILE, slot, out) : status;
}

/* What became of it */

static uint32_t add_text(char *to, const char *text)
{
    uint32_t i = 0;
    for (; text[i] != 0; i++) {
        to[i] = text[i];
    }
    return i;
}

/* What it does, and where it is in that. */
static void put_note(const struct eq_job *job, struct eq_writer *out)
{
    static const char *const names[] = {
        [FINISH] = "finishing", [HASH_IMAGE] = "hashing", [HASH_MANIFEST] = "hashing",     [STAGE] = "staging",
        [TRY] = "on trial",   [OPEN] = "loading the model", [GOLDEN] = "golden vector", [MEASURE] = "inference",
    };
    char note[48];
    uint32_t bytes = add_text(note, names[phase_of(job)]);
    if (job->of > 0) {
        bytes += add_text(note + bytes, " ");
        bytes += eq_put_decimal(note + bytes, job->at);
        bytes += add_text(note + bytes, " of ");
        bytes += eq_put_decimal(note + bytes, job->of);
    }
    eq_put_text(out, "note");
    eq_put_string(out, EQ_TEXT, note, bytes);
}

static void put_samples(const struct eq_core *core, uint32_t from, struct eq_writer *out)
{
    const struct eq_job *job = &core->job;
    uint32_t most = (core->buf_size - ROOM_BYTES) / SAMPLE_BYTES, count = job->samples - from;
    count = count < most ? count : most;
    eq_put_text(out, "samples");
    eq_put_array(out, count);
    for (uint32_t i = from; i < from + count; i++) {
        uint32_t value = core->space.samples[i % EQ_SAMPLES];
        int is_kind = job->kind == EQ_JOB_PROFILE && i % 2 == 0;
        eq_put_uint(out, is_kind ? value : eq_spent(core, value));
    }
}

static void put_golden(const struct eq_job *job, struct eq_writer *out)
{
    eq_put_key_uint(out, "vectors", job->vectors);
    eq_put_key_uint(out, "worst", job->worst);
    eq_put_key_uint(out, "tolerance", job->tolerance);
    eq_put_key_text(out, "runtime", RUNTIME);
}

static void put_result(struct eq_core *core, struct eq_writer *out)
{
    const struct eq_job *job = &core->job;
    switch (job->kind) {
    case EQ_JOB_SELFTEST:
        eq_put_map(out, 4);
        put_golden(job, out);
        break;
    case EQ_JOB_BENCH:
        eq_put_bench(core, out);
        break;
    case EQ_JOB_PROFILE:
        eq_put_map(out, 1);
        eq_put_key_uint(out, "n", job->n);
        break;
    case EQ_JOB_ROLLBACK:
        eq_put_map(out, 2);
        eq_put_key_uint(out, "n", job->n);
        eq_put_key_bytes(out, "sha", eq_slots_digest(&core->slots, job->slot), EQ_SHA256_BYTES);
        break;
    default:
        eq_put_map(out, job->tested ? 6 : 2);
        eq_put_key_uint(out, "n", job->n);
        eq_put_key_text(out, "state", eq_state_name(core->slots.now.state[job->slot]));
        if (job->tested) {
            put_golden(job, out);
        }
    }
}

int eq_job_poll(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    static const char *const names[] = {"", "running", "done", "failed"};
    struct eq_job *job = &core->job;
    uint32_t number, from, ended;
    if (eq_cbor_find_uint(body, "job", UINT32_MAX, &number) != EQ_OK ||
        eq_cbor_find_uint(body, "from", UINT32_MAX, &from) != EQ_OK) {
        return EQ_INVALID;
    }
    if (number != job->number || number == 0) {
        return eq_refuse(core, EQ_NOT_FOUND, "there is no such job; has the board restarted?");
    }
    if (from > job->samples || from < job->seen) {
        return eq_refuse(core, EQ_INVALID, "these samples are gone");
    }
    job->seen = from;
    ended = job->state != EQ_JOB_RUNNING && from == job->samples;
    eq_put_map(out, !ended ? 3 : job->state == EQ_JOB_DONE ? 4 : 5);
    eq_put_key_text(out, "state", names[ended ? job->state : EQ_JOB_RUNNING]);
    put_note(job, out);
    put_samples(core, from, out);
    if (ended && job->state == EQ_JOB_DONE) {
        eq_put_text(out, "result");
        put_result(core, out);
    } else if (ended) {
        eq_put_key_uint(out, "status", (uint32_t)-job->status);
        eq_put_key_text(out, "reason", job->why);
    }
    return EQ_OK;
}
