/* Signed releases, on devices that were built with keys: nothing is executed that is not signed by them. */
#include <string.h>

#include "eq_commands.h"

#define HASH_BYTES 4096u

static int refuse(struct eq_core *core)
{
    return eq_refuse(core, EQ_SIGNATURE, "the image is not the one that was signed");
}

int eq_judge_signature(struct eq_core *core, const struct eq_envelope *envelope)
{
    const struct eq_trust *trust = core->config->trust;
    int status = trust == NULL ? EQ_OK : trust->check(trust, envelope);
    return status == EQ_OK ? EQ_OK
                           : eq_refuse(core, EQ_SIGNATURE, "the image is not signed as the keys of this device ask");
}

/* A slot's whole image, or NULL. */
static const struct eq_envelope *image_of(const struct eq_core *core, uint32_t slot)
{
    uint32_t bytes;
    const struct eq_envelope *envelope = (const void *)eq_slots_part(&core->slots, slot, EQ_IMAGE, &bytes);
    return bytes > EQ_ENVELOPE_BYTES && envelope->image_bytes == bytes ? envelope : NULL;
}

/* Hash some of a slot's body from `at` on: 1 while there is more, then whether it is the one whose digest is signed. */
static int hash_some(struct eq_core *core, uint32_t slot, struct eq_sha256 *sha, uint32_t *at)
{
    const struct eq_envelope *envelope = image_of(core, slot);
    const uint8_t *body = (const uint8_t *)envelope + EQ_ENVELOPE_BYTES;
    uint32_t left = envelope->image_bytes - EQ_ENVELOPE_BYTES - *at, piece = left < HASH_BYTES ? left : HASH_BYTES;
    uint8_t digest[EQ_SHA256_BYTES];
    if (*at == 0) {
        eq_sha256_begin(sha);
    }
    eq_sha256_add(sha, body + *at, piece);
    *at += piece;
    if (piece < left) {
        return 1;
    }
    eq_sha256_end(sha, digest);
    if (memcmp(digest, envelope->sha256, sizeof digest) != 0) {
        return refuse(core);
    }
    core->is_signed |= 1u << slot;
    return EQ_OK;
}

/* An image that becomes a release is judged as it was when it came, for what came later may differ. */
static int judge_again(struct eq_core *core, const struct eq_envelope *envelope)
{
    int is_new = core->job.kind == EQ_JOB_STAGE || core->job.kind == EQ_JOB_ADOPT;
    return is_new ? eq_judge(core, envelope, envelope->image_bytes) : eq_judge_signature(core, envelope);
}

int eq_signed_some(struct eq_core *core)
{
    struct eq_job *job = &core->job;
    const struct eq_envelope *envelope = image_of(core, job->slot);
    int status = EQ_OK;
    if (core->config->trust == NULL) {
        return EQ_OK;
    }
    if (envelope == NULL) {
        return refuse(core);
    }
    job->of = envelope->image_bytes - EQ_ENVELOPE_BYTES;
    if (job->at == 0) {
        status = judge_again(core, envelope);
    }
    return status == EQ_OK ? hash_some(core, job->slot, &job->sha, &job->at) : status;
}

int eq_signed_slot(struct eq_core *core, uint32_t slot)
{
    const struct eq_envelope *envelope;
    struct eq_sha256 sha;
    uint32_t at = 0;
    int status;
    if (core->config->trust == NULL || slot >= EQ_SLOTS) {
        return EQ_OK;
    }
    core->is_signed &= ~(1u << slot);
    envelope = image_of(core, slot);
    if (envelope == NULL) {
        return refuse(core);
    }
    status = eq_judge_signature(core, envelope);
    if (status == EQ_OK) {
        while ((status = hash_some(core, slot, &sha, &at)) > 0) {
            eq_idle(core);
        }
    }
    return status;
}

static void put_id(struct eq_writer *out, const uint8_t *id)
{
    char text[2 * EQ_KEY_ID_BYTES];
    for (uint32_t i = 0; i < sizeof text; i++) {
        text[i] = "0123456789abcdef"[id[i / 2] >> (i % 2 ? 0 : 4) & 15];
    }
    eq_put_string(out, EQ_TEXT, text, sizeof text);
}

void eq_put_signers(const struct eq_core *core, uint32_t slot, struct eq_writer *out)
{
    const struct eq_trust *trust = core->config->trust;
    const struct eq_signatures *area = (const void *)image_of(core, slot)->signature;
    const uint8_t *known[EQ_MOST_SIGNATURES * EQ_MOST_KEYS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < EQ_MOST_SIGNATURES; i++) {
        for (uint32_t key = 0; key < trust->count; key++) {
            if (memcmp(trust->key[key].id, area->by[i].key_id, EQ_KEY_ID_BYTES) == 0) {
                known[count++] = trust->key[key].id;
            }
        }
    }
    eq_put_text(out, "signed");
    eq_put_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        put_id(out, known[i]);
    }
}

/* One that serves on trial, and one that serves or would serve again; behind a second one there is none. */
void eq_signed_start(struct eq_core *core)
{
    struct eq_slots *slots = &core->slots;
    uint32_t trial = eq_slots_in_state(slots, EQ_SLOT_TRIAL);
    if (eq_signed_slot(core, trial) != EQ_OK) {
        eq_slots_disown(slots, trial);
    }
    while (slots->now.current < EQ_SLOTS && eq_signed_slot(core, slots->now.current) != EQ_OK) {
        eq_slots_disown(slots, slots->now.current);
    }
}
