/* Verify: every release is hashed again and its signatures are looked at, then the one that serves is tested. It tells what
 * it finds and changes nothing: what is damaged serves until the next start, or until a self-test or a deploy finds it. */
#include "eq_commands.h"

int eq_verify_next(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    do {
        job->slot++;
    } while (job->slot < EQ_SLOTS && job->found[job->slot].n == 0);
    if (job->slot < EQ_SLOTS) {
        return 1;
    }
    job->slot = eq_slots_serving(&core->slots);
    return job->slot < EQ_SLOTS && job->found[job->slot].why == NULL ? EQ_OK : EQ_NOT_FOUND;
}

void eq_verify_fault(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    job->found[job->slot].why = core->why ? core->why : "the flash failed";
    core->is_signed &= ~(1u << job->slot); /* it is looked at again before anything of it is executed */
    eq_unload(core);
}

static void put_one(const struct eq_core *core, uint32_t slot, struct eq_writer *out)
{
    const struct eq_finding *one = &core->job.found[slot];
    /* The keys of this device signed it, as was found out; by now the slot may hold something else. */
    int is_signed = core->is_signed >> slot & 1u && core->slots.now.slot[slot].n == one->n;
    eq_put_map(out, one->why || is_signed ? 3 : 2);
    eq_put_key_uint(out, "n", one->n);
    eq_put_key_bool(out, "sound", one->why == NULL);
    if (one->why) {
        eq_put_key_text(out, "why", one->why);
    } else if (is_signed) {
        eq_put_signers(core, slot, out);
    }
}

void eq_put_found(const struct eq_core *core, struct eq_writer *out)
{
    const struct eq_finding *found = core->job.found;
    uint32_t first = found[0].n > found[1].n; /* the older release, or none, comes first */
    eq_put_text(out, "releases");
    eq_put_array(out, (uint32_t)((found[0].n != 0) + (found[1].n != 0)));
    for (uint32_t i = 0; i < EQ_SLOTS; i++) {
        if (found[i ^ first].n != 0) {
            put_one(core, i ^ first, out);
        }
    }
}
