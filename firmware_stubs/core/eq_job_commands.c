/* The requests that begin a job, and the one that asks what becomes of it. */
#include <string.h>

#include "eq_commands.h"

#define SAMPLE_BYTES 18u /* of an answer, at most, with the gap before it */
#define CBOR_TRUE 0xf5u
#define ROOM_BYTES 160u /* of an answer, beside the samples */

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
    uint32_t slot;
    if (eq_digest_of(body, "sha", &digest) != EQ_OK) {
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
        eq_trigger(core, 0);
        core->job.since = core->job.told = eq_clock(core);
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

int eq_job_verify(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    struct eq_job *job = &core->job;
    int status = start(core, EQ_JOB_VERIFY, EQ_SLOTS, out);
    (void)body;
    for (uint32_t slot = EQ_SLOTS; status == EQ_OK && slot-- > 0;) {
        if (eq_is_release(core, slot)) {
            job->found[slot].n = core->slots.now.slot[slot].n;
            job->slot = slot;
        }
    }
    if (status == EQ_OK && job->slot == EQ_SLOTS) {
        job->state = EQ_JOB_DONE;
    }
    return status;
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
    char note[48];
    uint32_t bytes = add_text(note, eq_job_phase(job));
    if (job->of > 0) {
        bytes += add_text(note + bytes, " ");
        bytes += eq_put_decimal(note + bytes, job->at);
        bytes += add_text(note + bytes, " of ");
        bytes += eq_put_decimal(note + bytes, job->of);
    }
    eq_put_text(out, "note");
    eq_put_string(out, EQ_TEXT, note, bytes);
}

/* Of samples from one on those that fit, or likewise what is told beside them. */
static void put_samples(const struct eq_core *core, const char *key, const uint32_t *values, uint32_t from,
                        struct eq_writer *out)
{
    const struct eq_job *job = &core->job;
    uint32_t most = (core->buf_size - ROOM_BYTES) / SAMPLE_BYTES, count = job->samples - from;
    count = count < most ? count : most;
    eq_put_text(out, key);
    eq_put_array(out, count);
    for (uint32_t i = from; i < from + count; i++) {
        uint32_t value = values[i % EQ_SAMPLES];
        int is_kind = job->kind == EQ_JOB_PROFILE && i % 2 == 0;
        eq_put_uint(out, is_kind ? value : eq_spent(core, value));
    }
}

static void put_golden(const struct eq_job *job, struct eq_writer *out)
{
    eq_put_key_uint(out, "vectors", job->vectors);
    eq_put_key_uint(out, "worst", job->worst);
    eq_put_key_uint(out, "tolerance", job->tolerance);
    eq_put_key_text(out, "runtime", EQ_RUNTIME_NAME " " EQ_RUNTIME_VERSION);
}

static void put_result(struct eq_core *core, struct eq_writer *out)
{
    const struct eq_job *job = &core->job;
    switch (job->kind) {
    case EQ_JOB_SELFTEST:
        eq_put_map(out, 4);
        put_golden(job, out);
        break;
    case EQ_JOB_VERIFY:
        eq_put_map(out, job->tested ? 5 : 1);
        eq_put_found(core, out);
        if (job->tested) {
            put_golden(job, out);
        }
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
    uint32_t number, from;
    int ended, timed = !eq_counts(core), gaps = timed && job->kind == EQ_JOB_BENCH;
    struct eq_item stop;
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
    job->stop |= eq_cbor_find(body, "stop", &stop) == EQ_OK && *stop.at == CBOR_TRUE;
    ended = job->state != EQ_JOB_RUNNING && from == job->samples;
    eq_put_map(out, (!ended ? 3u : job->state == EQ_JOB_DONE ? 4u : 5u) + (unsigned)(timed + gaps));
    eq_put_key_text(out, "state", names[ended ? job->state : EQ_JOB_RUNNING]);
    put_note(job, out);
    put_samples(core, "samples", core->space.samples, from, out);
    if (gaps) {
        put_samples(core, "gaps", core->space.samples + EQ_SAMPLES, from, out);
    }
    if (timed) {
        eq_put_key_long(out, "clock_ns", eq_spent(core, eq_clock(core)));
    }
    if (ended && job->state == EQ_JOB_DONE) {
        eq_put_text(out, "result");
        put_result(core, out);
    } else if (ended) {
        eq_put_key_uint(out, "status", (uint32_t)-job->status);
        eq_put_key_text(out, "reason", job->why);
    }
    return EQ_OK;
}
