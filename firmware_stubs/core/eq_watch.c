/* A trial: what its release must show before the device confirms it, and what ends it badly. The policy lies in the
 * image's envelope, which a signature covers. */
#include "eq_commands.h"
#include "eq_sectors.h"

/* The policy of the release in a slot; a plain one where the slot holds no image, or none that can be read. */
static struct eq_policy policy_of(const struct eq_core *core, uint32_t slot)
{
    const struct eq_flash *flash = core->config->flash;
    struct eq_policy policy = {0};
    uint32_t bytes, at = offsetof(struct eq_envelope, policy);
    const uint8_t *image = eq_slots_part(&core->slots, slot, EQ_IMAGE, &bytes);
    if (bytes < EQ_ENVELOPE_BYTES || eq_flash_read(flash, (uint32_t)(image - flash->base) + at, &policy, sizeof policy) != 0) {
        policy = (struct eq_policy){0};
    }
    return policy;
}

static uint32_t security_version(const struct eq_core *core, uint32_t slot)
{
    uint32_t bytes;
    const struct eq_envelope *envelope = (const void *)eq_slots_part(&core->slots, slot, EQ_IMAGE, &bytes);
    return bytes >= EQ_ENVELOPE_BYTES ? envelope->security_version : 0;
}

static uint32_t trial_of(const struct eq_core *core)
{
    return eq_slots_in_state(&core->slots, EQ_SLOT_TRIAL);
}

enum eq_why eq_why_of(int status)
{
    switch (status) {
    case EQ_SELFTEST:
        return EQ_WHY_SELFTEST;
    case EQ_DIGEST:
        return EQ_WHY_DAMAGED;
    case EQ_SIGNATURE:
        return EQ_WHY_SIGNATURE;
    case EQ_TIMEOUT:
        return EQ_WHY_LATENCY;
    case EQ_IO:
        return EQ_WHY_FLASH;
    default:
        return EQ_WHY_LOAD;
    }
}

const char *eq_why_text(unsigned why)
{
    static const char *const texts[] = {
        [EQ_WHY_NONE] = "",
        [EQ_WHY_DAMAGED] = "its bytes in flash are damaged",
        [EQ_WHY_LOAD] = "it could not be loaded",
        [EQ_WHY_SELFTEST] = "a golden vector's output was not what it must be",
        [EQ_WHY_RESTARTED] = "the device restarted during its trial more often than it may",
        [EQ_WHY_LATENCY] = "its inferences took longer than its policy allows",
        [EQ_WHY_REPORTED] = "an inference of its trial was reported as bad",
        [EQ_WHY_ASKED] = "somebody went back during its trial",
        [EQ_WHY_FLASH] = "the flash failed during its trial",
        [EQ_WHY_SIGNATURE] = "it is not signed as this device requires",
    };
    return why < sizeof texts / sizeof *texts ? texts[why] : "a newer firmware found it bad";
}

void eq_watch_resume(struct eq_core *core)
{
    uint32_t trial = trial_of(core);
    if (trial < EQ_SLOTS) {
        struct eq_policy policy = policy_of(core, trial);
        (void)eq_slots_resume(&core->slots, policy.starts);
    }
}

void eq_watch_start(struct eq_core *core)
{
    uint32_t trial = trial_of(core);
    if (trial < EQ_SLOTS && eq_job_begin(core, EQ_JOB_TRIAL, trial) == EQ_OK) {
        core->job.number = 0; /* nobody asked for it */
    }
}

/* Whether the trial in `slot` has shown all that its policy asks for, or all but time. */
static int is_content(const struct eq_core *core, uint32_t slot, int early)
{
    struct eq_policy policy = policy_of(core, slot);
    return core->watch.on && core->watch.good >= policy.good && (early || core->watch.seconds >= policy.window_s);
}

static int confirm(struct eq_core *core, uint32_t slot)
{
    int status = eq_slots_confirm(&core->slots, security_version(core, slot));
    core->watch.on = status == EQ_OK ? 0 : core->watch.on;
    return status;
}

int eq_watch_begin(struct eq_core *core, uint32_t slot)
{
    core->watch = (struct eq_watch){.since = eq_clock(core), .on = 1};
    return is_content(core, slot, 0) ? confirm(core, slot) : EQ_OK;
}

void eq_watch_good(struct eq_core *core, uint32_t slot)
{
    if (core->watch.on && slot == trial_of(core) && core->watch.good < UINT16_MAX) {
        core->watch.good++;
    }
}

void eq_watch_poll(struct eq_core *core)
{
    uint32_t trial, rest, before = core->watch.seconds;
    if (!core->watch.on) {
        return;
    }
    core->watch.seconds = (uint32_t)eq_divide(eq_clock(core) - core->watch.since, core->config->ticks_hz, &rest);
    trial = trial_of(core);
    if (trial == EQ_SLOTS) {
        core->watch.on = 0;
    } else if (core->watch.seconds != before && core->job.state != EQ_JOB_RUNNING && is_content(core, trial, 0)) {
        (void)confirm(core, trial); /* where the flash fails, a second later again */
    }
}

int eq_watch_latency(struct eq_core *core, uint32_t slot)
{
    struct eq_policy policy = policy_of(core, slot);
    uint32_t *spent = core->space.samples, count = core->job.vectors < EQ_SAMPLES ? core->job.vectors : EQ_SAMPLES;
    if (policy.latency_us == 0 || count == 0 || eq_counts(core)) {
        return EQ_OK; /* a counter of instructions knows no time */
    }
    for (uint32_t i = 1; i < count; i++) { /* few of them: in order by insertion */
        for (uint32_t j = i; j > 0 && spent[j - 1] > spent[j]; j--) {
            uint32_t later = spent[j - 1];
            spent[j - 1] = spent[j];
            spent[j] = later;
        }
    }
    return eq_spent(core, spent[(count - 1) / 2]) <= (uint64_t)policy.latency_us * 1000u
               ? EQ_OK
               : eq_refuse(core, EQ_TIMEOUT, "the median of its inferences takes longer than its policy allows");
}

void eq_put_watch(const struct eq_core *core, uint32_t trial, struct eq_writer *out)
{
    struct eq_policy policy = policy_of(core, trial);
    uint32_t seconds = core->watch.on ? core->watch.seconds : 0;
    eq_put_text(out, "watch");
    eq_put_map(out, 4);
    eq_put_key_uint(out, "good", core->watch.on ? core->watch.good : 0);
    eq_put_key_uint(out, "bad", 0);
    eq_put_key_uint(out, "starts", core->slots.now.starts);
    eq_put_key_uint(out, "left_s", policy.window_s > seconds ? policy.window_s - seconds : 0);
}

/* The slot of the release `n`, which a request must name. */
static int named(struct eq_core *core, const struct eq_item *body, uint32_t *slot)
{
    uint32_t n;
    return eq_cbor_find_uint(body, "n", UINT32_MAX, &n) == EQ_OK ? eq_slot_of(core, body, slot) : EQ_INVALID;
}

int eq_trial_confirm(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t slot;
    int status = named(core, body, &slot);
    if (status == EQ_OK && (status = eq_free(core)) == EQ_OK) {
        if (slot != trial_of(core)) {
            return eq_refuse(core, EQ_STATE, "this release is not on trial");
        }
        status = is_content(core, slot, 1) ? confirm(core, slot)
                                           : eq_refuse(core, EQ_STATE, "its trial still waits for inferences");
    }
    eq_put_map(out, 0);
    return status;
}

int eq_trial_report(struct eq_core *core, const struct eq_item *body, struct eq_writer *out)
{
    uint32_t slot, bad = 0;
    int status = named(core, body, &slot);
    if (status == EQ_OK && eq_cbor_find_uint(body, "bad", UINT32_MAX, &bad) == EQ_INVALID) {
        return EQ_INVALID;
    }
    if (status == EQ_OK && bad > 0 && slot == trial_of(core) && (status = eq_free(core)) == EQ_OK) {
        status = eq_slots_revert(&core->slots, EQ_WHY_REPORTED);
        eq_unload(core);
    }
    if (status == EQ_OK) {
        eq_put_map(out, 1);
        eq_put_key_text(out, "state", eq_state_name(core->slots.now.state[slot]));
    }
    return status;
}
